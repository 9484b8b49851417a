//! `kgate leak-scan`: what it prints, accepts, ends, and exits with.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use kgate::key::{RevokeReason, State};
use serde_json::Value;

use crate::fronts::tool;
use crate::harness::{PATIENCE, is_quick, now};
use crate::process::{CONFIG, Site};
use crate::scan::{Shop, mint, plant};

/// A shop with a key that works in `src/a.rs`, one that was revoked in `src/b.rs` and an unknown one in
/// `src/c.rs`.
struct Leaky {
    shop: Shop,
    live: String,
    dead: String,
    foreign: String,
}

impl Leaky {
    fn new() -> Self {
        let shop = Shop::open();
        let live = shop.key();
        // They are told apart by how they end.
        let mut others = std::iter::repeat_with(|| shop.key());
        let dead = others.find(|key| key[key.len() - 4..] != live[live.len() - 4..]).unwrap();
        let keys: Value = serde_json::from_str(&shop.kgate(&["key", "list", "--json"]).1).unwrap();
        let is_dead = |key: &&Value| key["hint"].as_str().unwrap().ends_with(&dead[dead.len() - 4..]);
        let id = keys.as_array().unwrap().iter().find(is_dead).unwrap()["id"].as_str().unwrap();
        assert_eq!(shop.kgate(&["key", "revoke", id, "--yes"]).0, 0);
        let foreign = mint("acme_live");
        for (name, key) in [("a", &live), ("b", &dead), ("c", &foreign)] {
            plant(&shop.0, &format!("src/{name}.rs"), format!("let key = \"{key}\";\n"));
        }
        Self { shop, live, dead, foreign }
    }

    fn scan(&self, arguments: &[&str]) -> (i32, String, String) {
        let (code, stdout, stderr) = self.shop.kgate(&[&["leak-scan", "src"], arguments].concat());
        if !arguments.contains(&"--reveal") {
            for token in [&self.live, &self.dead, &self.foreign] {
                let secret = &token["acme_live_".len()..token.len() - 4];
                assert!(!stdout.contains(secret) && !stderr.contains(secret), "{stdout}{stderr}");
            }
        }
        (code, stdout, stderr)
    }

    fn statuses(&self, arguments: &[&str]) -> Vec<(String, Option<String>)> {
        let (_, stdout, _) = self.scan(&[&["--json"], arguments].concat());
        let report: Value = serde_json::from_str(&stdout).unwrap();
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        let findings = report["findings"].as_array().unwrap().iter();
        findings.map(|f| (text(&f["status"]).unwrap(), text(&f["suppressed"]))).collect()
    }
}

#[test]
fn every_form_has_the_findings_and_never_the_keys() {
    let leaky = Leaky::new();
    plant(&leaky.shop.0, "src/=1+1\u{1b}[2J\n.rs", &leaky.live);
    plant(&leaky.shop.0, &format!("src/{}.txt", leaky.live), "named after a key");
    for form in ["text", "json", "jsonl", "sarif", "csv", "gitlab", "junit"] {
        let (code, stdout, stderr) = leaky.scan(&["--format", form]);
        assert_eq!(code, 1, "{form}: {stderr}");
        assert!(stdout.contains("active") && stdout.contains("revoked") && stdout.contains("unknown"));
        assert!(!stdout.contains('\u{1b}') && !stderr.contains('\u{1b}'), "{form}: {stdout}");
        assert!(stderr.contains("3 keys (1 active, 1 revoked, 1 unknown) in 5 files"), "{stderr}");
    }
    let lines = leaky.scan(&["--format", "jsonl"]).1;
    let last: Value = serde_json::from_str(lines.lines().last().unwrap()).unwrap();
    assert_eq!((lines.lines().count(), &last["complete"]), (4, &Value::Bool(true)));
    let text = leaky.scan(&[]).1;
    assert!(text.contains("active  acme_live…") && text.contains(" of Acme Corp (cust_"), "{text}");
    assert!(text.contains("  src/a.rs:1:12\n") && text.contains(", in 3 places"), "{text}");
}

#[test]
fn sarif_fits_its_schema() {
    if is_quick() {
        return;
    }
    let leaky = Leaky::new();
    plant(&leaky.shop.0, "src/ü b.rs", format!("{} // kgate:allow", leaky.dead));
    plant(&leaky.shop.0, ".kgateignore", "/src/c.rs\n");
    leaky.scan(&["gone", "--format", "sarif", "--output", "report.sarif"]);
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/sarif-2.1.0.schema.json");
    let checked = Command::new(tool("check-jsonschema"))
        .arg("--schemafile")
        .args([&schema, &leaky.shop.0.path().join("report.sarif")])
        .output()
        .expect("check-jsonschema; run `tests/setup.sh test`");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    let report = fs::read_to_string(leaky.shop.0.path().join("report.sarif")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    let run = &report["runs"][0];
    assert_eq!(run["invocations"][0]["executionSuccessful"], false);
    let levels: Vec<_> = run["results"].as_array().unwrap().iter().map(|r| &r["level"]).collect();
    assert_eq!(levels, ["error", "note", "warning"]);
    assert_eq!(run["results"][2]["suppressions"][0]["kind"], "external");
}

#[test]
fn gitlab_and_junit_have_what_their_readers_ask_for() {
    let leaky = Leaky::new();
    plant(&leaky.shop.0, "src/a<&\u{1}\">.rs", &leaky.live);
    plant(&leaky.shop.0, ".kgateignore", "/src/c.rs\n");
    let (_, stdout, _) = leaky.scan(&["gone", "--format", "gitlab"]);
    let report: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!(
        (&report["scan"]["type"], &report["scan"]["status"]),
        (&"secret_detection".into(), &"failure".into())
    );
    for time in ["start_time", "end_time"] {
        let text = report["scan"][time].as_str().unwrap();
        let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00");
    }
    let entries = report["vulnerabilities"].as_array().unwrap();
    let ids: BTreeSet<_> = entries.iter().map(|entry| entry["id"].as_str().unwrap()).collect();
    // Two places of the one that works, one of the revoked one; the third is accepted.
    assert_eq!((entries.len(), ids.len()), (3, 3), "{stdout}");
    for entry in entries {
        assert!(["Critical", "Low"].contains(&entry["severity"].as_str().unwrap()));
        assert!(entry["location"]["file"].is_string() && entry["location"]["start_line"].is_u64());
        assert_eq!(entry["location"]["commit"]["sha"], "0000000");
        assert_eq!(entry["identifiers"][0]["value"].as_str().unwrap().len(), 64);
    }
    leaky.scan(&["gone", "--format", "junit", "--output", "report.xml"]);
    let read = "import sys, xml.etree.ElementTree as t\n\
        suite = t.parse(sys.argv[1]).getroot()[0]\n\
        count = lambda what: len(suite.findall('testcase/' + what))\n\
        assert suite.get('tests') == str(len(suite)) == '4', suite.attrib\n\
        for name, what in (('failures', 'failure'), ('errors', 'error'), ('skipped', 'skipped')):\n\
        \x20 assert suite.get(name) == str(count(what)) == '1', (name, suite.attrib)\n";
    let path = leaky.shop.0.path().join("report.xml");
    let output = Command::new("python3").args(["-c", read]).arg(path).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A terminal of 60 columns, on which Ctrl-C is pressed while a very large file is read.
#[test]
fn ctrl_c_reports_what_was_found_and_leaves_no_line_of_the_bar() {
    let folder = tempfile::TempDir::new().unwrap();
    fs::File::create(folder.path().join("large")).unwrap().set_len(1 << 40).unwrap();
    let press = "import os, pty, sys, fcntl, termios, struct\n\
        pid, fd = pty.fork()\n\
        if pid == 0:\n\
        \x20 fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', 24, 60, 0, 0))\n\
        \x20 os.execv(sys.argv[1], sys.argv[1:])\n\
        said, pressed = b'', False\n\
        while True:\n\
        \x20 try: more = os.read(fd, 65536)\n\
        \x20 except OSError: break\n\
        \x20 said += more\n\
        \x20 if not pressed and said.count(b'scanning') > 5: os.write(fd, b'\\x03'); pressed = True\n\
        sys.stdout.buffer.write(said)\n\
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n";
    let output = Command::new("timeout")
        .args(["60", "python3", "-c", press, env!("CARGO_BIN_EXE_kgate")])
        .args(["leak-scan", "--prefix", "acme_live"])
        .arg(folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}{}", String::from_utf8_lossy(&output.stderr));
    assert!(said.contains("interrupted: no key in 1 file"), "{said}");
    // A line that fills the terminal goes on in the next one with the `^C`, and stays.
    let drawn: Vec<&str> = said.split("\r\u{1b}[2K").flat_map(str::lines).collect();
    let drawn = drawn.iter().filter(|drawn| drawn.contains("scanning"));
    let widest = drawn.map(|drawn| drawn.trim_end_matches("^C").chars().count()).max();
    assert!(widest.is_some_and(|columns| columns <= 56), "{widest:?}: {said:?}");
    let (_, last) = said.rsplit_once("found").unwrap();
    assert!(last.contains("\r\u{1b}[2K") && last.contains("error"), "the last one is cleared: {last:?}");
}

#[test]
fn a_report_in_a_file_is_its_owners_and_whole() {
    let leaky = Leaky::new();
    let path = leaky.shop.0.path().join("report.json");
    fs::write(&path, "old").unwrap();
    let (code, stdout, _) = leaky.scan(&["--json", "--output", "report.json"]);
    assert_eq!((code, stdout.as_str()), (1, ""));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let report: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(report["findings"].as_array().unwrap().len(), 3);
    let names = fs::read_dir(leaky.shop.0.path()).unwrap().map(|e| e.unwrap().file_name());
    assert!(names.into_iter().all(|name| !name.to_string_lossy().starts_with(".report")));
    assert_eq!(leaky.scan(&["--output", "no/such/folder"]).0, 2);
    let revealed = leaky.scan(&["--reveal"]).1;
    assert!([&leaky.live, &leaky.dead, &leaky.foreign].iter().all(|key| revealed.contains(key.as_str())));
}

#[test]
fn what_fails_is_what_works_or_is_not_known_to_be_dead() {
    let leaky = Leaky::new();
    for (fail_on, code) in [
        ("active", 1),
        ("revoked", 1),
        ("unknown", 1),
        ("unverified,scheduled,disabled,expired", 0),
        ("any", 1),
        ("none", 0),
    ] {
        assert_eq!(leaky.scan(&["--fail-on", fail_on]).0, code, "{fail_on}");
    }
    fs::remove_file(leaky.shop.0.path().join("src/a.rs")).unwrap();
    assert_eq!(leaky.scan(&[]).0, 1, "an unknown key");
    fs::remove_file(leaky.shop.0.path().join("src/c.rs")).unwrap();
    assert_eq!(leaky.scan(&[]).0, 0, "a revoked key is told of, and no alarm");
    assert_eq!(leaky.scan(&["--fail-on", "any", "gone"]).0, 2);
    assert_eq!(leaky.scan(&["--fail-on", "alive"]).0, 2);
}

#[test]
fn accepted_keys_are_counted_and_a_key_that_works_is_told_of_all_the_same() {
    let leaky = Leaky::new();
    let (code, _, stderr) = leaky.scan(&["--write-baseline", "baseline.json"]);
    assert_eq!(code, 1, "{stderr}");
    let baseline = fs::read_to_string(leaky.shop.0.path().join("baseline.json")).unwrap();
    assert!(!baseline.contains(&leaky.dead[10..]));
    // It goes by digest: moved files change nothing.
    fs::rename(leaky.shop.0.path().join("src/c.rs"), leaky.shop.0.path().join("src/moved.rs")).unwrap();
    let accepted = |why: &str| Some(why.to_owned());
    let (live, dead, unknown) = ("active".to_owned(), "revoked".to_owned(), "unknown".to_owned());
    assert_eq!(
        leaky.statuses(&["--baseline", "baseline.json"]),
        [(live.clone(), None), (dead.clone(), accepted("baseline")), (unknown.clone(), accepted("baseline"))]
    );
    let (code, stdout, stderr) = leaky.scan(&["--baseline", "baseline.json", "--allow-active"]);
    assert_eq!((code, stdout.as_str()), (0, ""));
    assert!(stderr.contains("no key in 3 files") && stderr.contains("3 suppressed (3 baseline)"), "{stderr}");

    plant(&leaky.shop.0, "src/.kgateignore", "/moved.rs\n");
    plant(&leaky.shop.0, "src/b.rs", format!("{} # kgate:allow\n", leaky.dead));
    plant(&leaky.shop.0, "src/a.rs", format!("{} # kgate:allow\n", leaky.live));
    assert_eq!(
        leaky.statuses(&[]),
        [(live, None), (dead, accepted("allowed")), (unknown, accepted("ignored"))]
    );
    for (name, text) in [("baseline.json", "{}"), ("src/.kgateignore", "sha256:12\n")] {
        let path = leaky.shop.0.path().join(name);
        let before = fs::read(&path).unwrap();
        fs::write(&path, text).unwrap();
        let (code, _, stderr) = leaky.scan(&["--baseline", "baseline.json"]);
        assert_eq!(code, 2, "{stderr}");
        assert!(stderr.contains(name.rsplit('/').next().unwrap()) && stderr.contains("help:"), "{stderr}");
        fs::write(&path, before).unwrap();
    }
}

#[test]
fn a_prefix_is_enough_and_everything_is_then_unverified() {
    let dir = tempfile::tempdir().unwrap();
    let key = mint("other_sk");
    let scan = |arguments: &[&str], input: &str| run(dir.path(), arguments, input);
    let output = scan(&["--stdin", "--prefix", "other_sk", "--prefix", "acme"], &format!("a\n {key}\n"));
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stdout.starts_with("unverified  other_sk…") && stdout.contains("  -:2:2\n"), "{stdout}");
    assert!(stderr.contains("whether keys work is not known"), "{stderr}");
    assert_eq!(scan(&["-", "--prefix", "acme"], &key).status.code(), Some(0));
    assert_eq!(scan(&["--stdin", "--prefix", "acme"], "").status.code(), Some(2), "it read nothing");
    assert_eq!(scan(&["--stdin", "--prefix", "Acme!"], "x").status.code(), Some(2));
    let output = scan(&["--stdin"], "x");
    assert!(texts(&output).1.contains("--prefix acme_live"), "{}", texts(&output).1);
}

#[test]
fn a_list_of_digests_stands_in_for_the_store() {
    let leaky = Leaky::new();
    let dir = leaky.shop.0.path();
    assert_eq!(leaky.shop.kgate(&["key", "export", "--digests", "--output", "list"]).0, 0);
    let list = fs::read_to_string(dir.join("list")).unwrap();
    assert!(!list.contains("Acme Corp") && !list.contains("key_"), "{list}");
    assert_eq!(dir.join("list").metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let detailed = leaky.shop.kgate(&["key", "export", "--digests", "--details"]).1;
    assert!(detailed.contains("Acme Corp"), "{detailed}");

    let away = tempfile::tempdir().unwrap();
    fs::write(away.path().join("list"), &list).unwrap();
    let text = format!("{}\n{}\n{}\n", leaky.live, leaky.dead, leaky.foreign);
    fs::write(away.path().join("leak"), text).unwrap();
    let arguments = ["leak", "--prefix", "acme_live", "--digests", "list", "--format", "csv"];
    let statuses = |arguments: &[&str]| -> Vec<String> {
        let stdout = texts(&run(away.path(), arguments, "")).0;
        stdout.lines().skip(1).map(|line| line.split(',').nth(4).unwrap().to_owned()).collect()
    };
    assert_eq!(statuses(&arguments), ["active", "revoked", "unknown"]);
    // A list that breaks off must not turn a working key into an unknown one.
    let cut = list.trim_end().rsplit_once('\n').unwrap().0;
    fs::write(away.path().join("list"), cut).unwrap();
    assert_eq!(run(away.path(), &arguments, "").status.code(), Some(2));
}

#[test]
fn keys_under_a_pepper_that_is_not_at_hand_are_unverified() {
    let leaky = Leaky::new();
    let dir = leaky.shop.0.path();
    let pepper = "a pepper of more than thirty-two bytes, so";
    fs::write(dir.join("pepper"), pepper).unwrap();
    let config = fs::read_to_string(dir.join("kgate.toml")).unwrap();
    fs::write(dir.join("kgate.toml"), config + "\n[[pepper]]\nid = \"p1\"\nfile = \"pepper\"\n").unwrap();
    let peppered = leaky.shop.key();
    plant(&leaky.shop.0, "src/d.rs", &peppered);
    assert_eq!(leaky.shop.kgate(&["key", "export", "--digests", "--output", "list"]).0, 0);
    let scan = |more: &[&str]| {
        let away = tempfile::tempdir().unwrap();
        let tree = dir.join("src");
        let list = dir.join("list");
        let fixed = [tree.to_str().unwrap(), "--prefix", "acme_live", "--digests", list.to_str().unwrap()];
        let output = run(away.path(), &[&fixed[..], &["--format", "json"], more].concat(), "");
        let report: Value = serde_json::from_str(&texts(&output).0).unwrap();
        let findings = report["findings"].as_array().unwrap().clone();
        findings.iter().map(|f| f["status"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let file = dir.join("pepper");
    assert_eq!(scan(&[]), ["active", "revoked", "unverified", "unverified"]);
    assert_eq!(scan(&["--pepper-file", file.to_str().unwrap()]), ["active", "revoked", "unknown", "active"]);
    let named = format!("p1={}", file.display());
    assert_eq!(scan(&["--pepper-file", &named]), ["active", "revoked", "unknown", "active"]);
}

#[test]
fn a_leaked_key_that_is_revoked_is_refused_once_the_command_returned() {
    let public = "\n[[key_type]]\nname = \"public\"\nprefix = \"acme_pk\"\nkind = \"publishable\"\n";
    let site = Site::with(&format!("{CONFIG}{public}"));
    let store = site.store();
    let [leaked, second, other] = [0; 3].map(|_| Site::issue(&store));
    let consumer = Site::consumer(&store);
    let meant_to_be_seen = kgate::store::NewKey {
        key_type: "public".to_owned(),
        prefix: "acme_pk".parse().unwrap(),
        ..crate::harness::new_key(consumer)
    };
    let peppers = kgate::key::Peppers::default();
    let act = crate::harness::act();
    let seen = store.issue(&meant_to_be_seen, &peppers, &act, &mut rand::rng()).unwrap();
    drop(store);
    let tree = site.dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("b"), second.token.expose()).unwrap();
    let text = format!("\n  {}\n{}\n", leaked.token.expose(), seen.token.expose());
    fs::write(tree.join("a\u{202e}.env"), text).unwrap();
    let process = site.serve(&[]);
    assert_eq!(process.status(&leaked), 200);

    let scan = |more: &[&str]| {
        let arguments = [&["leak-scan", tree.to_str().unwrap(), "--revoke"], more].concat();
        site.command(&arguments).output().unwrap()
    };
    // Without a terminal nobody can be asked.
    assert_eq!(scan(&[]).status.code(), Some(2));
    let rehearsed = scan(&["--dry-run"]);
    assert!(texts(&rehearsed).1.contains("would revoke key_"), "{}", texts(&rehearsed).1);
    assert_eq!(process.status(&leaked), 200, "nothing was done yet");
    let revoked = scan(&["--yes"]);
    assert_eq!(process.status(&leaked), 401, "the very next request");
    assert_eq!(process.status(&second), 401, "and the other, with it");
    assert_eq!(revoked.status.code(), Some(1), "what was found was live");
    assert!(texts(&revoked).1.contains("revoked 2 keys\n"), "{}", texts(&revoked).1);
    assert_eq!((process.status(&seen), process.status(&other)), (200, 200));

    let store = site.store();
    let state = store.key(leaked.record.id).unwrap().state;
    assert!(matches!(state, State::Revoked { reason: RevokeReason::Leak, .. }));
    let notes: Vec<_> = store.audit_tail(2).unwrap().into_iter().filter_map(|row| row.note).collect();
    assert!(notes.iter().all(|note| note.starts_with("found in ")), "{notes:?}");
    for place in ["a\\u{202e}.env:2:3", "tree/b:1:1"] {
        assert_eq!(notes.iter().filter(|note| note.ends_with(place)).count(), 1, "{place}: {notes:?}");
    }
    let again = scan(&["--yes"]);
    assert!(texts(&again).1.contains("there is no key to revoke"), "{}", texts(&again).1);
    assert_eq!(again.status.code(), Some(0));
}

/// What a key is, its record says: prefixes are declared anew now and then, and who was given a key to be seen goes on
/// showing it.
#[test]
fn a_key_made_to_be_seen_is_not_revoked_whatever_its_prefix_is_declared_to_be() {
    let types = |more: &str| {
        let public = "\n[[key_type]]\nname = \"public\"\nprefix = \"acme_pk\"\nkind = \"publishable\"\n";
        let public = if more.is_empty() { public } else { "" };
        format!("{CONFIG}{public}{more}")
    };
    let site = Site::with(&types(""));
    let store = site.store();
    let new = kgate::store::NewKey {
        key_type: "public".to_owned(),
        prefix: "acme_pk".parse().unwrap(),
        ..crate::harness::new_key(Site::consumer(&store))
    };
    let peppers = kgate::key::Peppers::default();
    let seen = store.issue(&new, &peppers, &crate::harness::act(), &mut rand::rng()).unwrap();
    drop(store);
    let tree = site.dir.path().join("tree");
    fs::create_dir(&tree).unwrap();
    fs::write(tree.join("a"), seen.token.expose()).unwrap();
    let secret_now = "\n[[key_type]]\nname = \"partner\"\nprefix = \"acme_pk\"\n";
    let moved = "\n[[key_type]]\nname = \"public\"\nprefix = \"acme_pub\"\nkind = \"publishable\"\n";
    for (config, said) in [
        (types(&format!("{secret_now}{moved}")), "its key type public is publishable"),
        (types(secret_now), "its key type public is not configured"),
    ] {
        site.configure(&config);
        let output =
            site.command(&["leak-scan", tree.to_str().unwrap(), "--revoke", "--yes"]).output().unwrap();
        let (stdout, stderr) = texts(&output);
        assert!(stdout.starts_with("active") && stderr.contains(said), "{stdout}{stderr}");
        assert!(stderr.contains("there is no key to revoke"), "{stderr}");
        assert_eq!(site.store().key(seen.record.id).unwrap().state, State::Enabled, "{said}");
    }
}

#[test]
fn an_interrupted_scan_tells_what_it_found_and_that_it_is_not_all() {
    let dir = tempfile::tempdir().unwrap();
    let key = mint("acme_live");
    let mut child = command(dir.path(), &["--stdin", "--prefix", "acme_live"]).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    input.write_all(format!("{key}\n").as_bytes()).unwrap();
    // More than a pipe holds: when it is written, the scan is under way and catches signals.
    input.write_all(&vec![b'\n'; 2 << 20]).unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    // A source that was read to its end before the signal came would be whole: this one has no end.
    let began = now();
    while input.write_all(&[b'\n'; 1 << 12]).is_ok() {
        assert!(now() - began < PATIENCE, "it reads on");
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    let (stdout, stderr) = texts(&output);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stdout.starts_with("unverified  acme_live…"), "{stdout}");
    assert!(stderr.contains("interrupted: 1 key"), "{stderr}");
}

fn command(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
    command.arg("leak-scan").args(arguments).current_dir(dir).env("HOME", dir).env_remove("XDG_CONFIG_HOME");
    command.env_remove("KGATE_CONFIG").env_remove("KGATE_DATA_DIR");
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(dir: &Path, arguments: &[&str], input: &str) -> Output {
    let mut child = command(dir, arguments).spawn().unwrap();
    // It may not read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

fn texts(output: &Output) -> (String, String) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr))
}

/// Admin keys are found as consumers' keys are: whose they are, what they may do, whether they work. They end with
/// `--revoke`; a list of digests does not know them.
#[test]
fn admin_keys_are_found_told_of_and_ended() {
    let leaky = Leaky::new();
    let shop = &leaky.shop;
    let make = |name: &str, role: &str| {
        let (code, token, said) = shop.kgate(&["admin-key", "create", "--name", name, "--role", role]);
        assert_eq!(code, 0, "{said}");
        token.trim().to_owned()
    };
    let (live, dead, replaced) = (make("billing", "operator"), make("old", "viewer"), make("ci", "viewer"));
    let keys: Value = serde_json::from_str(&shop.kgate(&["admin-key", "list", "--json"]).1).unwrap();
    let id = |name: &str| {
        let key = keys.as_array().unwrap().iter().find(|key| key["name"] == name).unwrap();
        key["id"].as_str().unwrap().to_owned()
    };
    assert_eq!(shop.kgate(&["admin-key", "revoke", &id("old")]).0, 0);
    let (code, _, said) = shop.kgate(&["admin-key", "rotate", &id("ci"), "--grace", "1d"]);
    let successor = said.split_whitespace().find(|word| word.starts_with("akey_") && **word != *id("ci"));
    let successor = successor.unwrap().trim_end_matches(';').to_owned();
    assert_eq!(code, 0, "{said}");
    let foreign = mint("kgate_admin");
    for (name, key) in [("d", &live), ("e", &dead), ("f", &foreign), ("g", &replaced)] {
        plant(&shop.0, &format!("src/{name}.env"), format!("KGATE_ADMIN_KEY={key}\n"));
    }
    let found = |more: &[&str]| -> Vec<Value> {
        let (_, out, said) = leaky.scan(&[&["--json"], more].concat());
        let report: Value = serde_json::from_str(&out).unwrap_or_else(|e| panic!("{e}: {said}"));
        let all = report["findings"].as_array().unwrap();
        all.iter().filter(|finding| finding["type"] == "admin key").cloned().collect()
    };
    let facts = |finding: &Value| {
        ["status", "key_id", "key_name", "role"].map(|name| finding[name].as_str().map(ToOwned::to_owned))
    };
    let some = |texts: [&str; 4]| texts.map(|text| Some(text.to_owned()));
    let admin = found(&[]);
    assert_eq!(
        admin.iter().map(facts).collect::<Vec<_>>(),
        [
            some(["active", &id("billing"), "billing", "operator"]),
            some(["revoked", &id("old"), "old", "viewer"]),
            [Some("unknown".to_owned()), None, None, None],
            some(["active", &id("ci"), "ci", "viewer"]),
        ]
    );
    let (code, out, _) = leaky.scan(&[]);
    assert_eq!(code, 1);
    assert!(out.contains(&format!("{} \"billing\", with the role operator", id("billing"))), "{out}");
    assert!([&live, &dead, &foreign].iter().all(|token| !out.contains(&token[13..40])), "{out}");

    let list = shop.0.path().join("digests");
    assert_eq!(shop.kgate(&["key", "export", "--digests", "--output", list.to_str().unwrap()]).0, 0);
    let told = found(&["--digests", list.to_str().unwrap()]);
    assert!(told.iter().all(|finding| finding["status"] == "unverified"), "{told:?}");

    let (_, _, said) = leaky.scan(&["--revoke", "--dry-run"]);
    assert!(said.contains(&format!("would revoke {}", id("billing"))), "{said}");
    let (_, _, said) = leaky.scan(&["--revoke", "--yes"]);
    assert!(said.contains("revoked 3 keys"), "{said}");
    assert!(said.contains(&format!("{} was replaced by {successor}, which still works", id("ci"))), "{said}");
    assert_eq!(facts(&found(&[])[0])[0].as_deref(), Some("revoked"));
    let rows: Value =
        serde_json::from_str(&shop.kgate(&["audit", "--key", &id("billing"), "--json"]).1).unwrap();
    let ended = rows.as_array().unwrap().last().unwrap();
    assert_eq!(ended["action"], "admin_key.revoked", "{ended}");
    assert!(ended["note"].as_str().unwrap().contains("found in src/d.env"), "{ended}");
}
