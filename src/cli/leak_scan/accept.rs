//! Baselines and ignore files.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cli::failure::Failure;
use crate::cli::output;
use crate::key::Digest;
use crate::scan::{Accepted, IgnoreError, Report};

use super::args::LeakScan;

/// A baseline: which keys were known to be there. By digest, so that it outlives moves and rebases; the
/// rest is for whoever reviews it.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Baseline {
    /// The version of this form.
    kgate_baseline: u32,
    findings: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
struct Entry {
    digest: String,
    #[serde(default)]
    hint: String,
    #[serde(default)]
    status: String,
    /// The first place, as it was.
    #[serde(default)]
    place: String,
}

/// Gathers what the arguments and the directories scanned accept.
pub(super) fn accepted(args: &LeakScan) -> Result<Accepted, Failure> {
    let mut accepted = Accepted::default();
    if let Some(path) = &args.baseline {
        accepted.add_baseline(read_baseline(path)?);
    }
    for file in &args.ignore_files {
        accepted.add_ignore_file(file, Path::new("")).map_err(|e| ignore_failure(&e))?;
    }
    let mut roots = vec![PathBuf::from(".")];
    roots.extend(args.trees().into_iter().filter(|tree| tree.is_dir()));
    roots.sort();
    roots.dedup();
    for root in roots {
        let file = root.join(IGNORE_FILE);
        if file.is_file() {
            accepted.add_ignore_file(&file, &root).map_err(|e| ignore_failure(&e))?;
        }
    }
    if args.allow_active {
        accepted.even_active();
    }
    Ok(accepted)
}

fn read_baseline(path: &Path) -> Result<Vec<Digest>, Failure> {
    let cannot = || Failure::cannot(format!("cannot read the baseline {}", path.display()));
    let text = fs::read_to_string(path).map_err(|e| {
        let failure = cannot().because(&e);
        match e.kind() {
            std::io::ErrorKind::NotFound => failure.help("--write-baseline FILE makes one"),
            _ => failure,
        }
    })?;
    let baseline: Baseline = serde_json::from_str(&text)
        .map_err(|e| cannot().because(&e).help("--write-baseline FILE makes a new one"))?;
    if baseline.kgate_baseline != VERSION {
        return Err(cannot()
            .help(format!("it is of version {}; this kgate knows {VERSION}", baseline.kgate_baseline)));
    }
    let digest =
        |entry: &Entry| entry.digest.parse().map_err(|e: crate::key::DigestError| cannot().because(&e));
    baseline.findings.iter().map(digest).collect()
}

/// Writes all that was found, suppressed or not, sorted by digest so that changes of it can be read.
pub(super) fn write_baseline(path: &Path, report: &Report) -> Result<(), Failure> {
    let mut findings: Vec<Entry> = report
        .findings
        .iter()
        .map(|finding| Entry {
            digest: finding.digest.to_string(),
            hint: finding.hint.clone(),
            status: finding.standing.as_str().to_owned(),
            place: finding.places.first().map(ToString::to_string).unwrap_or_default(),
        })
        .collect();
    findings.sort_by(|a, b| a.digest.cmp(&b.digest));
    let baseline = Baseline { kgate_baseline: VERSION, findings };
    let mut text = serde_json::to_vec_pretty(&baseline).expect("texts have a JSON form");
    text.push(b'\n');
    // It belongs in the repository, so it is as readable as other files there.
    output::replace(path, output::Mode::Shared, |file| file.write_all(&text))
}

fn ignore_failure(error: &IgnoreError) -> Failure {
    let failure = Failure::cannot(error.to_string())
        .help("a line is a pattern as in .gitignore, `sha256:` and a digest of a report, or a comment");
    match std::error::Error::source(error) {
        Some(source) => failure.because(source),
        None => failure,
    }
}

/// Looked for in the working directory and in every directory scanned.
const IGNORE_FILE: &str = ".kgateignore";

const VERSION: u32 = 1;
