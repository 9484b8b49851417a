//! `kgate leak-rules`, with the scanners themselves.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::fronts::tool;
use crate::harness::is_quick;
use crate::scan::{Shop, mint, plant};

/// Two keys, one of them glued to other text, and two texts with a wrong checksum or a wrong length.
fn planted() -> (Shop, Vec<String>) {
    let shop = Shop::open();
    let keys = vec![mint("acme_live"), mint("acme_live")];
    plant(&shop.0, "tree/plain.env", format!("KEY={}\n", keys[0]));
    plant(&shop.0, "tree/glued.txt", format!("key = x{}yz\n", keys[1]));
    let mut wrong = keys[0].clone().into_bytes();
    wrong[20] = if wrong[20] == b'a' { b'b' } else { b'a' };
    plant(&shop.0, "tree/checksum.txt", format!("KEY={}\n", String::from_utf8(wrong).unwrap()));
    plant(&shop.0, "tree/short.txt", format!("KEY={}\n", &keys[0][..keys[0].len() - 1]));
    (shop, keys)
}

fn write_rules(shop: &Shop, tool: &str, file: &str) {
    let (code, rules, said) = shop.kgate(&["leak-rules", "--format", tool]);
    assert_eq!(code, 0, "{said}");
    fs::write(shop.0.path().join(file), rules).unwrap();
}

fn output_of(program: &Path, args: &[&str], dir: &Path) -> String {
    let home = dir.join("home");
    fs::create_dir_all(&home).unwrap();
    let output = Command::new(program)
        .args(args)
        .current_dir(dir)
        .env("HOME", &home)
        .env("XDG_CACHE_HOME", &home)
        .stdin(Stdio::null())
        .output()
        .unwrap_or_else(|e| panic!("{}: {e}; run `tests/setup.sh test`", program.display()));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

#[test]
fn kingfisher_loads_our_rules_and_checks_the_checksum() {
    if is_quick() {
        return;
    }
    let (shop, keys) = planted();
    write_rules(&shop, "kingfisher", "rules.yml");
    let offline = ["--load-builtins=false", "--no-validate", "--no-update-check", "--no-rule-cache", "-q"];
    let args = [&["scan", "tree", "--rules-path", "rules.yml", "--format", "json"][..], &offline].concat();
    let found = output_of(&tool("kingfisher"), &args, shop.0.path());
    for key in &keys {
        assert!(found.contains(key.as_str()), "{found}");
    }
    assert!(!found.contains("checksum.txt") && !found.contains("short.txt"), "{found}");
}

#[test]
fn betterleaks_loads_our_rules_and_finds_our_keys() {
    if is_quick() {
        return;
    }
    let (shop, keys) = planted();
    for dialect in ["betterleaks", "gitleaks"] {
        write_rules(&shop, dialect, "rules.toml");
        let args = ["tree", "--config", "rules.toml", "--no-banner", "--jsonl"];
        let found = output_of(&tool("betterleaks"), &args, shop.0.path());
        for key in &keys {
            assert!(found.contains(key.as_str()), "{found}");
        }
        assert!(!found.contains("short.txt"), "{found}");
    }
}

#[test]
fn ripgrep_reads_our_patterns() {
    if is_quick() {
        return;
    }
    let (shop, keys) = planted();
    write_rules(&shop, "ripgrep", "patterns");
    let args = ["-uu", "--text", "--no-config", "--file", "patterns", "tree"];
    let found = output_of(Path::new("rg"), &args, shop.0.path());
    assert!(keys.iter().all(|key| found.contains(key.as_str())), "{found}");
    assert!(!found.contains("short.txt"), "{found}");
}

#[test]
fn rules_need_no_configuration_and_leave_out_what_is_meant_to_be_seen() {
    let shop = Shop::open();
    fs::remove_file(shop.0.path().join("kgate.toml")).unwrap();
    let (code, rules, _) = shop.kgate(&["leak-rules", "--prefix", "other_sk", "--format", "ripgrep"]);
    assert_eq!((code, rules.as_str()), (0, "other_sk_[0-9A-Za-z]{38}\n"));
    assert_eq!(shop.kgate(&["leak-rules"]).0, 2);
    assert_eq!(shop.kgate(&["--format", "json", "leak-rules", "--prefix", "a"]).0, 2);
    let public =
        "data_dir = \"d\"\n[[key_type]]\nname = \"pk\"\nprefix = \"acme_pk\"\nkind = \"publishable\"\n";
    fs::write(shop.0.path().join("kgate.toml"), public).unwrap();
    assert_eq!(shop.kgate(&["leak-rules"]).0, 2);
    assert_eq!(shop.kgate(&["leak-rules", "--publishable"]).0, 0);
}
