//! The vectors of `docs/key-format.md`: what other implementations are checked against.
//!
//! `KGATE_BLESS=1 cargo test --test it vectors` writes the file anew. A changed line there is a
//! changed token format, which breaks every key already issued.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use kgate::key::{Digest, Format, KeyType, KeyTypes, Kind, Malformed, Pepper, Peppers, checksum};
use serde_json::{Value, json};

const PREFIXES: [&str; 5] = ["a", "acme", "acme_live", "acme_sk_test", "abcdefghijklmnopqrstuvwx"];

const RANDOMS: [&str; 4] = [
    "00000000000000000000000000000000",
    "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz",
    "0123456789ABCDEFGHIJKLMNOPQRSTUV",
    "4KqT8sWm1Zx9bYc3Df7GhJ2LnPr5vX6k",
];

const PEPPER: &str = "kgate test pepper, 32 bytes long";

#[test]
fn vectors_are_what_the_code_makes() {
    let made = format!("{:#}\n", json!({ "checksum": sums(), "valid": valid(), "invalid": invalid() }));
    if std::env::var_os("KGATE_BLESS").is_some() {
        fs::write(path(), &made).unwrap();
    }
    assert_eq!(fs::read_to_string(path()).unwrap(), made);
}

#[test]
fn vectors_parse_as_they_say() {
    let vectors: Value = serde_json::from_str(&fs::read_to_string(path()).unwrap()).unwrap();
    let types = types();
    for vector in vectors["valid"].as_array().unwrap() {
        let token = vector["token"].as_str().unwrap();
        let parsed = types.parse(token.as_bytes()).unwrap();
        assert_eq!(types.as_slice()[parsed.key_type].prefix.as_str(), vector["prefix"].as_str().unwrap());
    }
    for vector in vectors["invalid"].as_array().unwrap() {
        let token = vector["token"].as_str().unwrap();
        let fault = types.parse(token.as_bytes()).unwrap_err();
        assert_eq!(fault.to_string(), vector["fault"].as_str().unwrap(), "{token}");
    }
}

/// The Python of `docs/key-format.md` is what people will copy, so it is run, and it is an
/// implementation that shares no line with ours.
#[test]
fn the_documented_python_agrees() {
    if std::env::var_os("KGATE_TEST_QUICK").is_some() {
        return;
    }
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/key-format.md")).unwrap();
    let code = page.split("```python\n").nth(1).unwrap().split("```").next().unwrap();
    let script = format!("{code}\n{CHECK_ALL}");
    let output = Command::new("python3").args(["-c", &script]).arg(path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), "20 13");
}

const CHECK_ALL: &str = r#"
import hmac, json, sys
vectors = json.load(open(sys.argv[1]))
prefixes = sorted({v["prefix"] for v in vectors["valid"]})
for v in vectors["checksum"]:
    assert checksum(v["of"].encode()) == v["is"], v
for v in vectors["valid"]:
    body = v["prefix"] + "_" + v["random"]
    assert body + checksum(body.encode()) == v["token"], v
    assert is_well_formed(v["token"], prefixes), v
    assert digest(v["token"]) == v["sha256"], v
    assert hmac.new(v["pepper"].encode(), v["token"].encode(), "sha256").hexdigest() == v["hmac_sha256"], v
for v in vectors["invalid"]:
    assert not is_well_formed(v["token"], prefixes), v
print(len(vectors["valid"]), len(vectors["invalid"]))
"#;

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/tokens.json")
}

fn types() -> KeyTypes {
    let declare = |prefix: &&str| KeyType {
        name: (*prefix).to_owned(),
        prefix: prefix.parse().unwrap(),
        environment: "live".to_owned(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    };
    KeyTypes::new(PREFIXES.iter().map(declare).collect())
}

fn sum(text: &str) -> String {
    String::from_utf8(checksum(text.as_bytes()).to_vec()).unwrap()
}

fn sums() -> Value {
    ["", "123456789", "acme_live_"].iter().map(|text| json!({ "of": text, "is": sum(text) })).collect()
}

fn valid() -> Value {
    let peppers = Peppers::new(vec![Pepper::new("p", PEPPER.as_bytes())]);
    let vector = |prefix: &str, random: &str| {
        let body = format!("{prefix}_{random}");
        let token = format!("{body}{}", sum(&body));
        json!({
            "prefix": prefix,
            "random": random,
            "checksum": sum(&body),
            "token": token,
            "hint": format!("{prefix}…{}", &token[token.len() - 4..]),
            "sha256": Digest::sha256(token.as_bytes()).to_string(),
            "pepper": PEPPER,
            "hmac_sha256": peppers.digest_new(token.as_bytes()).0.to_string(),
        })
    };
    PREFIXES.iter().flat_map(|prefix| RANDOMS.iter().map(move |random| vector(prefix, random))).collect()
}

fn invalid() -> Value {
    let body = format!("acme_live_{}", RANDOMS[3]);
    let good = format!("{body}{}", sum(&body));
    let cases = [
        (String::new(), Malformed::Prefix),
        (good.replacen("acme", "amce", 1), Malformed::Prefix),
        (good.to_uppercase(), Malformed::Prefix),
        (format!(" {good}"), Malformed::Prefix),
        (good[..good.len() - 1].to_owned(), Malformed::Length),
        (format!("{good}abc"), Malformed::Length),
        (format!("{good}\n"), Malformed::Length),
        (good.replacen('4', "-", 1), Malformed::Alphabet),
        (good.replacen('4', "_", 1), Malformed::Alphabet),
        (good.replacen('4', "5", 1), Malformed::Checksum),
        (good.replacen("Kq", "qK", 1), Malformed::Checksum),
        (format!("{body}000000"), Malformed::Checksum),
        // The checksum covers the prefix: a test key does not become a live one.
        (good.replacen("acme_live", "acme_sk_test", 1), Malformed::Checksum),
    ];
    cases.iter().map(|(token, fault)| json!({ "token": token, "fault": fault.to_string() })).collect()
}
