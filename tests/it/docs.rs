//! Generated documents are what the code generates. `KGATE_BLESS=1 cargo test --test it docs` writes them.

use std::path::Path;

#[test]
fn config_md_is_fresh() {
    check("docs/config.md", &kgate::config::docs());
}

fn check(name: &str, wanted: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("KGATE_BLESS").is_some() {
        std::fs::write(&path, wanted).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{name} is stale: run `KGATE_BLESS=1 cargo test --test it docs`");
}
