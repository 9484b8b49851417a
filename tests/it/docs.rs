//! Generated documents are what the code generates. `KGATE_BLESS=1 cargo test --test it docs` writes them.

use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn config_md_is_fresh() {
    check("docs/config.md", &kgate::config::docs());
}

#[test]
fn openapi_json_is_fresh() {
    let mut text = serde_json::to_string_pretty(&kgate::admin::contract()).unwrap();
    text.push('\n');
    check("docs/openapi.json", &text);
}

/// docs/admin-api.md names every endpoint with the role it needs.
#[test]
fn every_endpoint_is_in_the_table_of_the_admin_api() {
    let page = read(&root().join("docs/admin-api.md"));
    let row = |place: &kgate::admin::Place| {
        let role = place.role.map_or("anybody", kgate::key::Role::as_str);
        format!("| `{} {}` | {role} | {} |", place.method, place.path, place.summary)
    };
    let missing: Vec<String> =
        kgate::admin::places().iter().map(row).filter(|row| !page.contains(row)).collect();
    assert!(missing.is_empty(), "docs/admin-api.md lacks\n{}", missing.join("\n"));
}

/// The table of promises in README.md names the tests that prove them, as `file::…::test`.
#[test]
fn every_test_the_readme_names_is_there() {
    let sources: String = rust_files("src").chain(rust_files("tests")).map(|p| read(&p)).collect();
    let readme = read(&root().join("README.md"));
    let rows = readme.lines().filter(|line| line.starts_with("| P"));
    let named = rows.flat_map(|row| row.rsplit('|').nth(1).unwrap().split('`').skip(1).step_by(2));
    let missing: Vec<&str> = named
        .filter(|test| !sources.contains(&format!("fn {}(", test.rsplit("::").next().unwrap())))
        .collect();
    assert!(missing.is_empty(), "README.md names tests that are not there: {missing:?}");
}

#[test]
fn every_link_between_documents_leads_somewhere() {
    let pages = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|page| page.extension().is_some_and(|e| e == "md"));
    let mut dead = Vec::new();
    for page in pages.chain([root().join("README.md")]) {
        for link in read(&page).split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next()) {
            let is_ours = !link.is_empty() && !link.contains("://");
            if is_ours && !page.parent().unwrap().join(link).exists() {
                dead.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(dead.is_empty(), "{dead:#?}");
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

fn rust_files(folder: &str) -> impl Iterator<Item = PathBuf> {
    let mut folders = vec![root().join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.extension() {
                Some(extension) if extension == "rs" => files.push(path),
                None if path.is_dir() => folders.push(path),
                _ => {}
            }
        }
    }
    files.into_iter()
}

fn check(name: &str, wanted: &str) {
    let path = root().join(name);
    if std::env::var_os("KGATE_BLESS").is_some() {
        fs::write(&path, wanted).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "{name} is stale: run `KGATE_BLESS=1 cargo test --test it docs`");
}
