//! What an operator sees: lines, metrics, the audit log, events and traces of a running `kgate serve`.

mod audit;
mod logs;
mod metrics;

use std::fs;
use std::path::Path;

use serde_json::Value;

/// The lines of a log file, as JSON.
fn lines(path: &Path) -> Vec<Value> {
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

/// A document of the project.
fn page(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs").join(name)).unwrap()
}
