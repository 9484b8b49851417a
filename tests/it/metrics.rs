//! `docs/metrics.md` is generated.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_of_metrics_is_fresh() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let wanted = kgate::metrics::reference();
    if std::env::var_os("KGATE_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/metrics.md is stale: run `make bless`");
}
