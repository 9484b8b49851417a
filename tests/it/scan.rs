//! Leak detection over real directories.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use kgate::key::{
    ConsumerId, Digest, Format, KeyId, KeyType, KeyTypes, Kind, Pepper, Peppers, Prefix, Status, Timestamp,
    Token,
};
use kgate::scan::{Detector, Known, Lookup, Options, Outcome, Part, Report, Scan, Standing};
use tempfile::TempDir;

fn key_type(prefix: &str, kind: Kind) -> KeyType {
    KeyType {
        name: prefix.to_owned(),
        prefix: prefix.parse().unwrap(),
        environment: "live".to_owned(),
        kind,
        format: Format::Kgate,
        default_expires: None,
    }
}

fn detector() -> Detector {
    let types = vec![key_type("acme_live", Kind::Secret), key_type("acme_pk", Kind::Publishable)];
    Detector::new(&KeyTypes::new(types)).unwrap()
}

pub fn mint(prefix: &str) -> String {
    Token::mint(&prefix.parse::<Prefix>().unwrap(), &mut rand::rng()).expose().to_owned()
}

fn scan(paths: &[&Path]) -> Report {
    scan_with(paths, Options::default(), Peppers::default(), None)
}

fn scan_with(paths: &[&Path], options: Options, peppers: Peppers, lookup: Option<&dyn Lookup>) -> Report {
    let detector = detector();
    let mut scan = Scan::new(&detector, peppers, options);
    scan.paths(&paths.iter().map(|p| p.to_path_buf()).collect::<Vec<_>>());
    scan.finish(lookup)
}

pub fn plant(folder: &TempDir, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, content).unwrap();
    path
}

#[test]
fn hidden_ignored_and_binary_files_are_read() {
    let folder = TempDir::new().unwrap();
    let tokens: Vec<String> = (0..6).map(|_| mint("acme_live")).collect();
    plant(&folder, ".gitignore", "*\n");
    plant(&folder, ".ignore", "*\n");
    fs::create_dir(folder.path().join(".git")).unwrap();
    plant(&folder, ".env", &tokens[0]);
    plant(&folder, "node_modules/deep/er/index.min.js", &tokens[1]);
    plant(&folder, ".git/config", &tokens[2]);
    plant(&folder, "logo.png", [b"\x89PNG\r\n\x1a\n\0\0\0", tokens[3].as_bytes(), b"\0\xff"].concat());
    plant(&folder, "windows.txt", tokens[4].encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<u8>>());
    plant(&folder, "one-line.json", format!("{}{}", "x".repeat(8 << 20), tokens[5]));
    let report = scan(&[folder.path()]);
    let mut expected: Vec<Digest> = tokens.iter().map(|t| Digest::sha256(t.as_bytes())).collect();
    let mut found: Vec<Digest> = report.findings.iter().map(|f| f.digest).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(report.outcome(), Outcome::Found);
    assert_eq!(report.totals.files, 8);
    assert!(report.totals.bytes > 8 << 20);
    assert_eq!(report.faults, []);
}

#[test]
fn names_and_link_targets_are_read() {
    let folder = TempDir::new().unwrap();
    let tokens: Vec<String> = (0..4).map(|_| mint("acme_live")).collect();
    plant(&folder, &format!("{}.txt", tokens[0]), "text");
    plant(&folder, &format!("x{}/plain", tokens[1]), "text");
    symlink(&tokens[2], folder.path().join("dangling")).unwrap();
    symlink("plain", folder.path().join(&tokens[3])).unwrap();
    let report = scan(&[folder.path()]);
    let part = |token: &str| {
        let digest = Digest::sha256(token.as_bytes());
        report.findings.iter().find(|f| f.digest == digest).map(|f| f.places[0].part)
    };
    let parts: Vec<_> = tokens.iter().map(|t| part(t)).collect();
    assert_eq!(parts, [Some(Part::Name), Some(Part::Name), Some(Part::LinkTarget), Some(Part::Name)]);
}

#[test]
fn a_key_is_one_finding_with_its_places() {
    let folder = TempDir::new().unwrap();
    let token = mint("acme_live");
    let b = plant(&folder, "b.txt", format!("\n  {token}\n{token}"));
    let a = plant(&folder, "a/a.txt", format!("token={token}"));
    let report = scan(&[folder.path()]);
    let [finding] = &report.findings[..] else { panic!("{report:?}") };
    let places: Vec<_> = finding.places.iter().map(|p| (p.path.clone(), p.line, p.column)).collect();
    assert_eq!(places, [(a, 1, 7), (b.clone(), 2, 3), (b, 3, 1)]);
    assert_eq!(finding.place_count, 3);
    assert_eq!(finding.hint, format!("acme_live…{}", &token[token.len() - 4..]));
    assert!(!format!("{report:?}").contains(&token[10..]), "a report must not hold the token");
}

#[test]
fn too_many_places_and_keys_are_counted_and_said() {
    let folder = TempDir::new().unwrap();
    let [first, second] = [mint("acme_live"), mint("acme_live")];
    plant(&folder, "a", format!("{first}\n").repeat(50));
    let options = Options { max_places: 3, ..Options::default() };
    let report = scan_with(&[folder.path()], options, Peppers::default(), None);
    assert_eq!(report.findings[0].places.iter().map(|p| p.line).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(report.findings[0].place_count, 50);
    plant(&folder, "b", second);
    let options = Options { max_findings: 1, ..Options::default() };
    let report = scan_with(&[folder.path()], options, Peppers::default(), None);
    assert_eq!((report.findings.len(), report.outcome()), (1, Outcome::Incomplete));
    assert!(report.overflow > 0);
}

#[test]
fn publishable_keys_are_informational() {
    let folder = TempDir::new().unwrap();
    plant(&folder, "page.html", mint("acme_pk"));
    let report = scan(&[folder.path()]);
    assert!(report.findings[0].is_informational());
    assert_eq!(report.outcome(), Outcome::Clean);
}

#[test]
fn a_scan_that_read_nothing_is_not_clean() {
    let folder = TempDir::new().unwrap();
    assert_eq!(scan(&[folder.path()]).outcome(), Outcome::Incomplete);
    assert_eq!(scan(&[]).outcome(), Outcome::Incomplete);
    plant(&folder, "empty", "");
    assert_eq!(scan(&[folder.path()]).outcome(), Outcome::Incomplete);
    plant(&folder, "text", "nothing here");
    assert_eq!(scan(&[folder.path()]).outcome(), Outcome::Clean);
}

#[test]
fn what_cannot_be_read_is_reported_and_the_scan_goes_on() {
    let folder = TempDir::new().unwrap();
    let token = mint("acme_live");
    plant(&folder, "a", &token);
    let gone = folder.path().join("gone");
    // Reading this one fails with an I/O error, for root too.
    let unreadable = Path::new("/proc/self/mem");
    let report = scan(&[&gone, unreadable, folder.path()]);
    assert_eq!(report.findings.len(), 1);
    assert_eq!(report.outcome(), Outcome::Incomplete);
    let paths: Vec<_> = report.faults.iter().map(|f| f.path.as_path()).collect();
    assert_eq!(paths, [unreadable, &gone]);
    assert_eq!(report.faults[1].problem, "no such file or directory");
}

#[test]
fn links_inside_a_tree_are_not_followed_and_a_named_one_is() {
    let folder = TempDir::new().unwrap();
    let outside = TempDir::new().unwrap();
    let token = mint("acme_live");
    plant(&outside, "secret", &token);
    plant(&folder, "tree/plain", "text");
    symlink(outside.path(), folder.path().join("tree/out")).unwrap();
    symlink(outside.path().join("secret"), folder.path().join("tree/file")).unwrap();
    symlink(folder.path().join("tree"), folder.path().join("tree/cycle")).unwrap();
    symlink("nowhere", folder.path().join("tree/dangling")).unwrap();
    let report = scan(&[&folder.path().join("tree")]);
    assert_eq!((report.findings.len(), report.totals.files, report.outcome()), (0, 1, Outcome::Clean));
    assert_eq!(scan(&[&folder.path().join("tree/out")]).findings.len(), 1);
    assert_eq!(scan(&[&folder.path().join("tree/file")]).findings.len(), 1);
}

#[test]
fn pipes_and_sockets_do_not_hold_the_scan_up() {
    let folder = TempDir::new().unwrap();
    plant(&folder, "plain", "text");
    let pipe = folder.path().join("pipe");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("socket")).unwrap();
    let report = scan(&[folder.path()]);
    assert_eq!((report.totals.files, report.totals.skipped, report.outcome()), (1, 2, Outcome::Clean));
    assert_eq!(scan(&[&pipe]).outcome(), Outcome::Incomplete);
}

#[test]
fn the_store_is_asked_once_a_key_under_every_digest() {
    let folder = TempDir::new().unwrap();
    let [plain, peppered, foreign] = [mint("acme_live"), mint("acme_live"), mint("acme_live")];
    for name in ["a", "b", "c"] {
        plant(&folder, name, format!("{plain} {peppered} {foreign}"));
    }
    let peppers = Peppers::new(vec![Pepper::new("p", b"pepper")]);
    let kept = [Digest::sha256(plain.as_bytes()), peppers.digest_new(peppered.as_bytes()).0];
    let known = Known {
        status: Status::Active,
        key: Some(KeyId::new(Timestamp::from_secs(0), &mut rand::rng())),
        key_name: "CI".to_owned(),
        consumer: Some(ConsumerId::new(Timestamp::from_secs(0), &mut rand::rng())),
        consumer_name: Some("Acme".to_owned()),
        last_used: None,
        admin: None,
    };
    let asked = std::cell::Cell::new(0);
    let lookup = |digest: &Digest| {
        asked.set(asked.get() + 1);
        Ok(kept.contains(digest).then(|| known.clone()))
    };
    let report = scan_with(&[folder.path()], Options::default(), peppers, Some(&lookup));
    let standing = |token: &str| {
        let digest = Digest::sha256(token.as_bytes());
        report.findings.iter().find(|f| f.digest == digest).unwrap().standing.as_str()
    };
    assert_eq!([standing(&plain), standing(&peppered), standing(&foreign)], ["active", "active", "unknown"]);
    assert!(asked.get() <= 6, "asked {} times", asked.get());

    let broken = |_: &Digest| Err("the store is away".to_owned());
    let report = scan_with(&[folder.path()], Options::default(), Peppers::default(), Some(&broken));
    assert_eq!(report.outcome(), Outcome::Incomplete);
    assert!(matches!(report.findings[0].standing, Standing::LookupFailed(_)));
}

/// A configuration and a store of its own.
pub struct Shop(pub TempDir);

impl Shop {
    pub fn open() -> Self {
        let shop = Self(TempDir::new().unwrap());
        assert_eq!(shop.kgate(&["init", "--prefix", "acme", "--yes"]).0, 0);
        assert_eq!(shop.kgate(&["consumer", "create", "Acme Corp"]).0, 0);
        shop
    }

    /// Runs a command; returns exit code, standard output and standard error.
    pub fn kgate(&self, arguments: &[&str]) -> (i32, String, String) {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_kgate"))
            .args(arguments)
            .current_dir(self.0.path())
            .env_remove("KGATE_CONFIG")
            .env_remove("KGATE_DATA_DIR")
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    pub fn key(&self) -> String {
        self.kgate(&["key", "create", "--consumer", "Acme Corp"]).1.trim().to_owned()
    }

    pub fn scan(&self, paths: &[&str]) -> (i32, serde_json::Value) {
        let (code, stdout, stderr) = self.kgate(&[&["leak-scan", "--json"], paths].concat());
        (code, serde_json::from_str(&stdout).unwrap_or_else(|_| panic!("{stdout}{stderr}")))
    }
}

#[test]
fn the_command_says_which_keys_live_and_exits_0_1_or_2() {
    let shop = Shop::open();
    plant(&shop.0, "clean/readme", "acme_live_XXXX");
    assert_eq!(shop.scan(&["clean"]).0, 0);

    let live = shop.key();
    // They are told apart by how they end.
    let mut others = std::iter::repeat_with(|| shop.key());
    let dead = others.find(|key| key[key.len() - 4..] != live[live.len() - 4..]).unwrap();
    let revoked = shop.kgate(&["key", "list", "--json"]).1;
    let revoked: serde_json::Value = serde_json::from_str(&revoked).unwrap();
    let dead_id = revoked
        .as_array()
        .unwrap()
        .iter()
        .find(|key| key["hint"].as_str().unwrap().ends_with(&dead[dead.len() - 4..]))
        .unwrap()["id"]
        .as_str()
        .unwrap();
    assert_eq!(shop.kgate(&["key", "revoke", dead_id, "--yes"]).0, 0);
    let foreign = mint("acme_live");
    plant(&shop.0, "leaky/.env", format!("A={live}\nB={dead}\nC={foreign}\n"));
    let (code, report) = shop.scan(&["leaky"]);
    assert_eq!(code, 1);
    let statuses: Vec<_> = report["findings"].as_array().unwrap().iter().map(|f| &f["status"]).collect();
    assert_eq!(statuses, ["active", "revoked", "unknown"]);
    assert_eq!(report["findings"][0]["consumer_name"], "Acme Corp");
    assert_eq!(report["findings"][1]["key_id"], dead_id);
    assert!(!report.to_string().contains(&live[10..]));

    let (code, report) = shop.scan(&["leaky", "gone"]);
    assert_eq!((code, report["findings"].as_array().unwrap().len()), (2, 3));
    assert_eq!(report["faults"][0]["path"], "gone");
    fs::create_dir(shop.0.path().join("empty")).unwrap();
    assert_eq!(shop.scan(&["empty"]).0, 2);
}

#[test]
fn paths_that_would_drive_a_terminal_are_escaped() {
    let shop = Shop::open();
    plant(&shop.0, "leaky/\u{1b}]0;owned\u{7}\nfake.rs", shop.key());
    let (code, stdout, stderr) = shop.kgate(&["leak-scan", "leaky"]);
    assert_eq!(code, 1);
    assert!(stdout.contains("\\u{1b}]0;owned\\u{7}\\nfake.rs:1:1"), "{stdout}");
    assert!(!stdout.contains(['\u{1b}', '\u{7}']) && !stderr.contains(['\u{1b}', '\u{7}']));
}
