//! Reads the imports of every room and checks that they only go down, and that every dependency has
//! one owner (docs/architecture.md).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const FLOORS: &[(&str, u8)] = &[
    ("cli", 7),
    ("serve", 6),
    ("portal", 5),
    ("gateway", 4),
    ("sidecar", 4),
    ("layer", 4),
    ("admin", 4),
    ("edge", 3),
    ("verify", 3),
    ("alert", 3),
    ("tell", 3),
    ("metrics", 2),
    ("config", 2),
    ("policy", 1),
    ("store", 1),
    ("scan", 1),
    ("sign", 1),
    ("tls", 1),
    ("key", 0),
];

/// Which rooms may name a dependency. Those not listed (serde, thiserror, …) are free to all.
const OWNERS: &[(&str, &[&str])] = &[
    ("redb", &["store"]),
    ("postcard", &["store"]),
    ("strsim", &["store"]),
    ("sha2", &["key", "store", "sign", "alert"]),
    ("hmac", &["key", "sign", "alert"]),
    ("ed25519_dalek", &["sign"]),
    ("p256", &["sign", "alert"]),
    ("ulid", &["key"]),
    ("crc32fast", &["key", "store"]),
    ("prefetch_index", &["policy"]),
    ("base64", &["policy", "sign", "alert", "tell"]),
    ("jiff", &["key"]),
    ("toml", &["config"]),
    ("arc_swap", &["verify", "gateway", "sidecar"]),
    ("pingora", &["gateway"]),
    ("tower_layer", &["layer"]),
    ("tower_service", &["layer", "admin"]),
    ("tonic", &["sidecar"]),
    ("envoy_types", &["sidecar"]),
    ("hyper", &["sidecar", "admin"]),
    ("hyper_util", &["sidecar", "admin"]),
    ("http_body_util", &["sidecar", "admin", "portal"]),
    ("socket2", &["gateway"]),
    ("axum", &["admin", "portal"]),
    ("schemars", &["admin"]),
    ("serde_path_to_error", &["admin"]),
    ("form_urlencoded", &["admin", "portal"]),
    ("maud", &["portal"]),
    ("prometheus", &["metrics"]),
    ("prost", &["tell"]),
    ("ureq", &["tell", "cli"]),
    ("ignore", &["scan"]),
    ("aho_corasick", &["scan"]),
    ("bzip2", &["scan"]),
    ("flate2", &["scan"]),
    ("lzma_rust2", &["scan"]),
    ("tar", &["scan"]),
    ("zip", &["scan"]),
    ("zstd", &["scan"]),
    ("memchr", &["scan", "gateway"]),
    ("gix_hash", &["scan"]),
    ("gix_index", &["scan"]),
    ("gix_object", &["scan"]),
    ("gix_pack", &["scan"]),
    ("libdeflater", &["scan"]),
    ("rustls", &["tls"]),
    ("rustls_native_certs", &["tls"]),
    ("tokio_rustls", &["tls"]),
    ("x509_parser", &["tls"]),
    ("rcgen", &["tls"]),
    ("clap", &["cli"]),
    ("clap_complete", &["cli"]),
    ("clap_mangen", &["cli"]),
    ("comfy_table", &["cli"]),
    ("indicatif", &["cli"]),
    ("dialoguer", &["cli"]),
    ("signal_hook", &["cli"]),
    ("listenfd", &["cli"]),
];

#[test]
fn imports_only_go_down() {
    let floors: BTreeMap<_, _> = FLOORS.iter().copied().collect();
    let mut faults = Vec::new();
    for (room, file, line, text) in source_lines() {
        for target in named_rooms(&text) {
            let Some(to) = floors.get(target.as_str()) else { continue };
            if target != room && floors[room.as_str()] <= *to {
                faults.push(format!("{}:{line}: {room} names {target}: {text}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "imports must go to a lower floor:\n{}", faults.join("\n"));
}

#[test]
fn every_dependency_has_its_owner() {
    let mut faults = Vec::new();
    for (room, file, line, text) in source_lines() {
        for (dependency, owners) in OWNERS {
            if names_crate(&text, dependency) && !owners.contains(&room.as_str()) {
                faults.push(format!("{}:{line}: {room} names {dependency}: {text}", file.display()));
            }
        }
    }
    assert!(faults.is_empty(), "a dependency was used outside its room:\n{}", faults.join("\n"));
}

#[test]
fn every_dependency_has_its_line_in_the_architecture() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let page = fs::read_to_string(root.join("docs/architecture.md")).unwrap();
    let section = manifest.split("\n[dependencies]\n").nth(1).unwrap().split("\n[").next().unwrap();
    let names = section.lines().filter(|l| !l.starts_with('#')).filter_map(|l| l.split_once(" = "));
    let missing: Vec<&str> =
        names.map(|(name, _)| name).filter(|n| !page.contains(&format!("`{n}`"))).collect();
    assert!(missing.is_empty(), "docs/architecture.md does not say what they save: {missing:?}");
}

#[test]
fn every_room_has_a_floor() {
    for entry in fs::read_dir(source()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        assert!(
            ["lib", "main"].contains(&name.as_str()) || FLOORS.iter().any(|(room, _)| *room == name),
            "src/{name} has no floor in DESIGN"
        );
    }
}

fn source() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src")
}

/// Every line of code of every room, without comments, up to a file's tests.
fn source_lines() -> Vec<(String, PathBuf, usize, String)> {
    let mut lines = Vec::new();
    for (room, _) in FLOORS {
        let mut folders = vec![source().join(room)];
        while let Some(folder) = folders.pop() {
            let Ok(entries) = fs::read_dir(&folder) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|e| e == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    for (number, line) in text.lines().enumerate() {
                        if line.trim() == "mod tests {" {
                            break;
                        }
                        if !line.trim_start().starts_with("//") {
                            lines.push(((*room).to_owned(), path.clone(), number + 1, line.to_owned()));
                        }
                    }
                }
            }
        }
    }
    lines
}

/// The rooms a line names as `crate::room` or in `use crate::{room::…, room::…}`.
fn named_rooms(line: &str) -> Vec<String> {
    let word = |s: &str| s.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect::<String>();
    let mut rooms: Vec<String> = line.split("crate::").skip(1).map(word).collect();
    if let Some(list) = line.trim().strip_prefix("use crate::{") {
        rooms.extend(list.split(',').map(|part| word(part.trim())));
    }
    rooms
}

fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(&format!("{name}::"))
        .any(|(at, _)| !line[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':'))
}
