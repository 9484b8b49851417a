//! Whole lives of keys and consumers through the real program.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kgate::store::{Access, Options, Store};
use serde_json::Value;

/// A directory with a configuration and a store, and the program that works in it.
pub(crate) struct Home {
    dir: tempfile::TempDir,
}

pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    /// A directory with what `kgate init` makes, and a second plan.
    pub(crate) fn new() -> Self {
        let home = Self::empty();
        home.ok(&["init", "--prefix", "acme", "--upstream", "127.0.0.1:9", "--yes"]);
        let mut text = fs::read_to_string(home.path("kgate.toml")).unwrap();
        text.push_str(ADDITIONS);
        fs::write(home.path("kgate.toml"), text).unwrap();
        home
    }

    pub(crate) fn empty() -> Self {
        Self { dir: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = kgate(self.dir.path());
        command.args(args);
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> Said {
        self.run_with(args, "")
    }

    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Said {
        said(&mut self.command(args), input)
    }

    /// Runs a command that must succeed, and returns what it printed.
    pub(crate) fn ok(&self, args: &[&str]) -> String {
        let said = self.run(args);
        assert_eq!(said.code, 0, "kgate {args:?}:\n{}{}", said.stdout, said.stderr);
        said.stdout
    }

    /// Runs a command that must succeed, and returns its JSON.
    pub(crate) fn json(&self, args: &[&str]) -> Value {
        let mut args = args.to_vec();
        args.push("--json");
        serde_json::from_str(&self.ok(&args)).unwrap()
    }

    /// Makes a consumer and a key, and returns the key's id and token.
    pub(crate) fn key(&self, args: &[&str]) -> (String, String) {
        if self.json(&["consumer", "list"]).as_array().unwrap().is_empty() {
            self.ok(&["consumer", "create", "Acme Corp", "--external-id", "org_42", "--tag", "pilot"]);
        }
        let mut all = vec!["key", "create", "--consumer", "org_42"];
        all.extend(args);
        let made = self.json(&all);
        (text(&made["id"]), text(&made["token"]))
    }
}

/// The program, with nothing of the machine's environment.
pub(crate) fn kgate(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
    command.current_dir(dir).env_clear().env("HOME", dir).env("USER", "tester");
    command
}

pub(crate) fn said(command: &mut Command, input: &str) -> Said {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // A command that ends without reading breaks this pipe, which is no concern of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

fn fields(value: &Value) -> BTreeSet<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

fn ids(list: &Value) -> Vec<String> {
    list.as_array().unwrap().iter().map(|one| text(&one["id"])).collect()
}

const ADDITIONS: &str = r#"
[[route]]
name = "products"
path = "/v1/products/**"
methods = ["GET"]
scopes = "products:read"
upstream = "backend"
"#;

const NEW_KEY: [&str; 17] = [
    "id",
    "token",
    "consumer_id",
    "name",
    "type",
    "prefix",
    "hint",
    "scopes",
    "plan",
    "networks",
    "metadata",
    "status",
    "created_at",
    "not_before",
    "expires_at",
    "rotated_from",
    "replaces_until",
];

#[test]
fn situations_read_as_written_down() {
    trycmd::TestCases::new()
        .default_bin_path(env!("CARGO_BIN_EXE_kgate"))
        .env("HOME", "/nonexistent")
        .env("USER", "tester")
        .env("NO_COLOR", "1")
        .case("tests/cmd/*.trycmd");
}

#[test]
fn a_new_key_is_alone_on_standard_output() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme Corp"]);
    let said = home.run(&["key", "create", "--consumer", "Acme Corp", "--name", "CI"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let token = said.stdout.strip_suffix('\n').unwrap();
    assert!(token.starts_with("acme_live_") && token.len() == "acme_live_".len() + 38, "{token}");
    assert!(!said.stderr.contains(token) && said.stderr.contains("created key_"), "{}", said.stderr);
}

#[test]
fn json_has_exactly_the_documented_fields() {
    let home = Home::new();
    let consumer = home.json(&["consumer", "create", "Acme Corp", "--external-id", "org_42"]);
    let consumer_fields = BTreeSet::from([
        "id",
        "external_id",
        "name",
        "contact",
        "plan",
        "enabled",
        "metadata",
        "tags",
        "created_at",
    ]);
    assert_eq!(fields(&consumer), consumer_fields);
    assert_eq!(home.json(&["consumer", "show", "org_42"]), consumer);
    assert_eq!(home.json(&["consumer", "list"])[0], consumer);

    let made = home.json(&["key", "create", "--consumer", "org_42"]);
    assert_eq!(fields(&made), BTreeSet::from(NEW_KEY));
    let id = text(&made["id"]);
    let mut kept = BTreeSet::from(NEW_KEY);
    kept.remove("token");
    kept.extend(["last_used_at", "revoked_at", "revoke_reason"]);
    let shown = home.json(&["key", "show", &id]);
    assert_eq!(fields(&shown), kept);
    assert_eq!(home.json(&["key", "list"])[0], shown);
    for field in kept.iter().filter(|f| made.get(**f).is_some()) {
        assert_eq!(made[*field], shown[*field], "{field}");
    }
    let rotated = home.json(&["key", "rotate", &id]);
    assert_eq!(fields(&rotated), BTreeSet::from(NEW_KEY));
    assert_eq!(text(&rotated["rotated_from"]), id);
    assert!(text(&rotated["replaces_until"]).ends_with('Z'));
}

#[test]
fn a_count_prints_an_array_however_small() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme"]);
    for count in ["1", "3", "1203"] {
        let made = home.json(&["key", "create", "--consumer", "Acme", "--count", count]);
        let tokens: BTreeSet<String> =
            made.as_array().unwrap().iter().map(|key| text(&key["token"])).collect();
        assert_eq!(tokens.len().to_string(), count);
    }
    let said = home.run(&["key", "create", "--consumer", "Acme", "--count", "2"]);
    assert_eq!(said.stdout.lines().filter(|line| line.starts_with("acme_live_")).count(), 2);
    assert_eq!(said.stdout.lines().count(), 2);
}

#[test]
fn a_key_keeps_what_it_was_given() {
    let home = Home::new();
    let (id, _) = home.key(&[
        "--name",
        "CI",
        "--type",
        "test",
        "--scope",
        "products:read",
        "--scope",
        "orders:write,orders:read",
        "--ip",
        "10.1.2.3/8",
        "--plan",
        "pro",
        "--meta",
        "tier=gold",
        "--meta",
        "a=b=c",
        "--expires",
        "2999-01-01",
    ]);
    let key = home.json(&["key", "show", &id]);
    assert_eq!(key["type"], "test");
    assert_eq!(key["prefix"], "acme_test");
    assert_eq!(key["scopes"], serde_json::json!(["orders:read", "orders:write", "products:read"]));
    assert_eq!(key["networks"], serde_json::json!(["10.0.0.0/8"]));
    assert_eq!(key["plan"], "pro");
    assert_eq!(key["metadata"], serde_json::json!({"tier": "gold", "a": "b=c"}));
    assert_eq!(key["expires_at"], "2999-01-01T00:00:00Z");
    assert_eq!(key["status"], "active");
    assert_eq!(key["last_used_at"], Value::Null);
}

#[test]
fn expiry_is_the_types_default_and_never_is_explicit() {
    let home = Home::new();
    let (by_default, _) = home.key(&[]);
    let (never, _) = home.key(&["--expires", "never"]);
    assert!(home.json(&["key", "show", &by_default])["expires_at"].is_string());
    assert_eq!(home.json(&["key", "show", &never])["expires_at"], Value::Null);
    for past in ["2020-01-01", "0s", "2020-01-01T00:00:00Z"] {
        let said = home.run(&["key", "create", "--consumer", "org_42", "--expires", past]);
        assert_eq!(said.code, 2, "{past}");
        assert!(said.stderr.contains("is not in the future"), "{}", said.stderr);
        assert_eq!(said.stdout, "");
    }
    assert_eq!(home.json(&["key", "list"]).as_array().unwrap().len(), 2);
}

#[test]
fn filters_of_the_key_list_combine() {
    let home = Home::new();
    let (soon, _) = home.key(&["--expires", "3d", "--name", "soon"]);
    let (later, _) = home.key(&["--expires", "60d", "--scope", "products:*"]);
    let (test, _) = home.key(&["--expires", "3d", "--type", "test"]);
    let (off, _) = home.key(&["--expires", "3d"]);
    home.ok(&["key", "disable", &off]);
    home.ok(&["consumer", "create", "Other"]);
    home.ok(&["key", "create", "--consumer", "Other"]);
    let listed = |args: &[&str]| {
        let mut all = vec!["key", "list"];
        all.extend(args);
        ids(&home.json(&all))
    };
    assert_eq!(listed(&[]).len(), 5);
    assert_eq!(listed(&["--tag", "pilot"]).len(), 4);
    assert_eq!(
        listed(&["--consumer", "org_42", "--expiring", "7d"]),
        [&soon, &test, &off].map(String::clone)
    );
    assert_eq!(
        listed(&["--status", "active", "--expiring", "7d", "--tag", "pilot", "--type", "live"]),
        std::slice::from_ref(&soon)
    );
    assert_eq!(listed(&["--status", "disabled"]), [off]);
    assert_eq!(listed(&["--scope", "products:read"]), [later]);
    assert_eq!(listed(&["--name", "SOO"]), [soon]);
    assert_eq!(listed(&["--unused-for", "1d"]).len(), 0);
    assert_eq!(listed(&["--unused-for", "0s"]).len(), 5);
    assert_eq!(listed(&["--tag", "nobody"]).len(), 0);
    let nothing = home.run(&["key", "list", "--tag", "nobody"]);
    assert_eq!((nothing.code, nothing.stdout.as_str(), nothing.stderr.as_str()), (0, "", "no keys\n"));
    assert_eq!(home.ok(&["key", "list", "--tag", "nobody", "--json"]), "[]\n");
}

#[test]
fn a_key_is_switched_updated_rotated_and_revoked() {
    let home = Home::new();
    let (id, token) = home.key(&["--name", "CI", "--scope", "products:read"]);
    let status = |id: &str| text(&home.json(&["key", "show", id])["status"]);
    home.ok(&["key", "disable", &id]);
    assert_eq!(status(&id), "disabled");
    let refused = home.run(&["key", "rotate", &id]);
    assert_eq!(refused.code, 1);
    assert!(refused.stderr.contains("is disabled") && refused.stderr.contains("kgate key enable"));
    home.ok(&["key", "enable", &id]);
    assert_eq!(status(&id), "active");

    home.ok(&["key", "update", &id, "--name", "CD", "--ip", "10.0.0.0/8", "--plan", "pro", "--meta", "a=b"]);
    let key = home.json(&["key", "show", &id]);
    assert_eq!((&key["name"], &key["plan"]), (&"CD".into(), &"pro".into()));
    home.ok(&["key", "update", &id, "--any-ip", "--plan", "", "--unset-meta", "a", "--expires", "never"]);
    let key = home.json(&["key", "show", &id]);
    assert_eq!(key["networks"], serde_json::json!([]));
    assert_eq!(key["metadata"], serde_json::json!({}));
    assert_eq!((&key["plan"], &key["expires_at"]), (&Value::Null, &Value::Null));

    let new = home.json(&["key", "rotate", &id, "--grace", "1h"]);
    assert_ne!(text(&new["token"]), token);
    assert_eq!(new["scopes"], serde_json::json!(["products:read"]));
    assert_eq!(home.json(&["key", "show", &id])["expires_at"], new["replaces_until"]);
    assert_eq!(home.run(&["key", "rotate", &id]).code, 1, "it has a successor");

    // Whoever found a key may have rotated it, and rotated that.
    let between = text(&new["id"]);
    let new = text(&home.json(&["key", "rotate", &between, "--grace", "0s"])["id"]);
    let said = home.run(&["key", "revoke", &id, "--reason", "leak", "--yes"]);
    assert!(said.stderr.contains(&format!("replaced by {new}, which still works")), "{}", said.stderr);
    assert!(!said.stderr.contains(&between), "it ended when it was rotated: {}", said.stderr);
    let said = home.run(&["key", "revoke", &new, "--reason", "leak", "--yes"]);
    assert!(said.code == 0 && !said.stderr.contains("replaced by"), "{}", said.stderr);
    let key = home.json(&["key", "show", &new]);
    assert_eq!((&key["status"], &key["revoke_reason"]), (&"revoked".into(), &"leak".into()));
    assert!(key["revoked_at"].is_string());
    for args in [["key", "enable", &new], ["key", "rotate", &new]] {
        let said = home.run(&args);
        assert_eq!(said.code, 1, "{args:?}");
        assert!(said.stderr.contains("it was revoked"), "{}", said.stderr);
    }
    assert_eq!(home.run(&["key", "revoke", &new, "--yes"]).code, 0, "revoking again changes nothing");
}

#[test]
fn revoking_asks_where_somebody_can_answer() {
    let home = Home::new();
    let (id, _) = home.key(&[]);
    let said = home.run_with(&["key", "revoke", &id], "y\n");
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("--yes"), "{}", said.stderr);
    assert_eq!(home.json(&["key", "show", &id])["status"], "active");
}

#[test]
fn revoking_many_goes_on_after_a_failure_and_says_so() {
    let home = Home::new();
    let made: Vec<String> = (0..3).map(|_| home.key(&[]).0).collect();
    let unknown = "key_01jq0000000000000000000000";
    let lines = format!("# leaked\n{}\n\n{unknown} seen in a log\n{}\n", made[0], made[1]);
    let said = home.run_with(&["key", "revoke", "--stdin", "--reason", "leak", "--yes", "--json"], &lines);
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert!(said.stderr.contains(&format!("there is no key `{unknown}`")), "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(
        fields(&report),
        BTreeSet::from(["dry_run", "reason", "revoked", "already_revoked", "failed"])
    );
    assert_eq!(report["revoked"].as_array().unwrap().len(), 2);
    assert_eq!(report["failed"][0]["id"], unknown);

    let dry = home.json(&["key", "revoke", "--tag", "pilot", "--dry-run"]);
    assert_eq!(dry["revoked"], serde_json::json!([made[2]]));
    assert_eq!(home.json(&["key", "show", &made[2]])["status"], "active");
    home.ok(&["key", "revoke", "--consumer", "org_42", "--tag", "pilot", "--yes"]);
    assert_eq!(home.json(&["key", "list", "--status", "active"]), serde_json::json!([]));

    let said = home.run(&["key", "revoke", &made[0], &made[1], "--yes", "--json"]);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    assert_eq!(report["already_revoked"].as_array().unwrap().len(), 2);
}

#[test]
fn pruning_removes_revoked_keys_and_keeps_their_reasons_in_the_audit_log() {
    let home = Home::new();
    let (id, _) = home.key(&[]);
    let (kept, _) = home.key(&[]);
    home.ok(&["key", "revoke", &id, "--yes", "--note", "ticket 7"]);
    let dry = home.json(&["key", "prune", "--revoked-before", "0s", "--dry-run"]);
    assert_eq!(dry["pruned"], serde_json::json!([id]));
    assert_eq!(
        home.json(&["key", "prune", "--revoked-before", "1y", "--yes"])["pruned"],
        serde_json::json!([])
    );
    assert_eq!(
        home.json(&["key", "prune", "--revoked-before", "0s", "--yes"])["pruned"],
        serde_json::json!([id])
    );
    assert_eq!(ids(&home.json(&["key", "list"])), [kept]);
    assert_eq!(home.run(&["key", "show", &id]).code, 1);
    let rows = home.json(&["audit", "--key", &id]);
    let actions: Vec<&str> = rows.as_array().unwrap().iter().map(|r| r["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["key.issued", "key.revoked", "key.pruned"]);
    assert_eq!(rows[1]["note"], "ticket 7");
    assert_eq!(rows[1]["actor"], "tester");
    assert_eq!(rows[2]["details"]["keys"][0]["reason"], "unspecified");
}

#[test]
fn a_consumer_is_updated_switched_and_deleted_with_its_keys() {
    let home = Home::new();
    let (key, _) = home.key(&[]);
    home.ok(&[
        "consumer",
        "update",
        "org_42",
        "--name",
        "Acme Ltd",
        "--plan",
        "pro",
        "--meta",
        "tier=gold",
        "--tag",
        "big",
        "--untag",
        "pilot",
        "--contact",
        "ops@acme.example",
    ]);
    let shown = home.json(&["consumer", "show", "Acme Ltd"]);
    assert_eq!(shown["tags"], serde_json::json!(["big"]));
    assert_eq!((&shown["plan"], &shown["contact"]), (&"pro".into(), &"ops@acme.example".into()));
    assert_eq!(ids(&home.json(&["consumer", "list", "--tag", "big", "--plan", "pro"])).len(), 1);
    home.ok(&["consumer", "disable", "org_42"]);
    assert_eq!(home.json(&["consumer", "list", "--state", "disabled"])[0]["enabled"], false);
    home.ok(&["consumer", "enable", "org_42"]);
    let dry = home.json(&["consumer", "delete", "org_42", "--dry-run"]);
    assert_eq!(dry["revoked"], serde_json::json!([key]));
    assert_eq!(home.run(&["consumer", "delete", "org_42"]).code, 2, "nobody to ask");
    home.ok(&["consumer", "delete", "org_42", "--yes"]);
    assert_eq!(home.run(&["consumer", "show", "org_42"]).code, 1);
    let shown = home.json(&["key", "show", &key]);
    assert_eq!((&shown["status"], &shown["revoke_reason"]), (&"revoked".into(), &"closure".into()));
}

#[test]
fn the_verdict_on_a_key_is_the_gateways() {
    let home = Home::new();
    let (id, token) = home.key(&["--scope", "products:read", "--ip", "10.0.0.0/8"]);
    let verify = |args: &[&str], token: &str| {
        let mut all = vec!["key", "verify", "--json"];
        all.extend(args);
        let said = home.run_with(&all, &format!("{token}\n"));
        let value: Value = serde_json::from_str(&said.stdout).unwrap_or_else(|_| panic!("{}", said.stderr));
        (said.code, value)
    };
    let products = ["--path", "/v1/products/7?x=1", "--method", "GET", "--ip", "10.1.2.3"];
    let (code, verdict) = verify(&products, &token);
    assert_eq!((code, &verdict["verdict"], &verdict["route"]), (0, &"allow".into(), &"products".into()));
    assert_eq!((&verdict["key_id"], &verdict["plan"]), (&id.as_str().into(), &"default".into()));
    assert!(!verdict["limits"].as_array().unwrap().is_empty());

    let (code, verdict) = verify(&["--path", "/v1/products/7", "--ip", "192.0.2.1"], &token);
    assert_eq!((code, &verdict["verdict"]), (1, &"deny".into()));
    assert_eq!(verdict["steps"].as_array().unwrap().last().unwrap()["step"], "network");
    let (code, _) = verify(&["--path", "/v1/products/../x", "--ip", "10.1.2.3"], &token);
    assert_eq!(code, 1, "an ambiguous path");
    let (code, _) = verify(&["--path", "/v1/products/7", "--method", "POST", "--ip", "10.1.2.3"], &token);
    assert_eq!(code, 1, "405 never falls through");
    assert_eq!(verify(&products, "acme_live_nonsense").0, 1);
    home.ok(&["key", "revoke", &id, "--yes"]);
    let (code, verdict) = verify(&products, &token);
    assert_eq!((code, &verdict["reason"]), (1, &"revoked".into()));
    let empty = home.run(&["key", "verify"]);
    assert_eq!(empty.code, 2);
    let long = home.run_with(&["key", "verify"], &"x".repeat(1 << 20));
    assert_eq!(long.code, 2);
    assert!(long.stderr.contains("no key is that long"), "{}", long.stderr);
}

#[test]
fn names_near_the_wanted_one_are_offered_and_ambiguity_is_not_guessed() {
    let home = Home::new();
    let (id, _) = home.key(&[]);
    let said = home.run(&["consumer", "show", "Acme Crop"]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains("did you mean") && said.stderr.contains("Acme Corp"), "{}", said.stderr);
    let (head, last) = id.split_at(id.len() - 1);
    let typo = format!("{head}{}", if last == "x" { "y" } else { "x" });
    let said = home.run(&["key", "show", &typo]);
    assert_eq!(said.code, 1);
    assert!(said.stderr.contains(&format!("did you mean {id}")), "{}", said.stderr);
    let second = home.ok(&["consumer", "create", "Acme Corp"]);
    let said = home.run(&["key", "create", "--consumer", "Acme Corp"]);
    assert_eq!(said.code, 2);
    assert!(said.stderr.contains("2 consumers") && said.stderr.contains(second.trim()), "{}", said.stderr);
}

#[test]
fn a_key_typed_as_an_argument_is_refused_and_not_repeated() {
    let home = Home::new();
    let (_, token) = home.key(&[]);
    for args in [
        vec!["key", "revoke", &token, "--yes"],
        vec!["key", "show", &token],
        vec!["key", "rotate", &token],
        vec!["consumer", "show", &token],
    ] {
        let said = home.run(&args);
        assert_eq!(said.code, 2);
        assert!(!said.stderr.contains(&token[10..]), "{}", said.stderr);
        assert!(said.stderr.contains("kgate key verify"), "{}", said.stderr);
    }
}

#[test]
fn hostile_names_reach_neither_terminal_nor_spreadsheet() {
    let home = Home::new();
    let said = home.run(&["consumer", "create", "a\u{1b}[2Jb"]);
    assert_eq!(said.code, 2);
    assert!(!said.stderr.contains('\u{1b}'), "{}", said.stderr);
    home.ok(&["consumer", "create", "=HYPERLINK(\"http://x\")", "--meta", "k=@x,y"]);
    let csv = home.ok(&["consumer", "list", "--format", "csv"]);
    let line = csv.lines().nth(1).unwrap();
    assert!(line.contains("\"'=HYPERLINK(\"\"http://x\"\")\""), "{line}");
    assert!(line.contains("\"k=@x,y\""), "{line}");
}

#[test]
fn a_reader_that_leaves_is_no_error() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme"]);
    home.ok(&["key", "create", "--consumer", "Acme", "--count", "2000"]);
    for format in ["table", "json", "csv"] {
        let mut child = home
            .command(&["key", "list", "--format", format])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut first = String::new();
        BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{format}");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{format}");
    }
}

#[test]
fn a_key_that_could_not_be_printed_is_named() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = home.command(&["key", "create", "--consumer", "Acme"]).stdout(full).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let id = text(&home.json(&["key", "list"])[0]["id"]);
    assert!(stderr.contains(&format!("kgate key revoke {id}")), "{stderr}");
}

#[test]
fn a_backup_comes_back_without_reviving_what_was_revoked() {
    let home = Home::new();
    let (gone, _) = home.key(&[]);
    let (kept, _) = home.key(&[]);
    let report = home.json(&["backup", "kgate.backup"]);
    assert_eq!(report["keys"], 2);
    let again = home.run(&["backup", "kgate.backup"]);
    assert_eq!(again.code, 2);
    assert!(again.stderr.contains("--overwrite"), "{}", again.stderr);
    home.ok(&["backup", "kgate.backup", "--overwrite", "--note", "before the move"]);
    home.ok(&["backup", "unlogged.backup", "--unlogged"]);
    let rows = home.json(&["audit", "--action", "store.backed_up"]);
    let notes: Vec<_> = rows.as_array().unwrap().iter().map(|row| row["note"].as_str()).collect();
    assert_eq!(notes, [None, Some("before the move")], "one row for each that was made, and none for others");
    home.ok(&["key", "revoke", &gone, "--yes"]);
    let (later, _) = home.key(&[]);
    assert_eq!(home.run(&["restore", "kgate.backup"]).code, 2, "nobody to ask");
    let foreign = home.run(&["restore", "kgate.toml", "--yes"]);
    assert_eq!(foreign.code, 2);
    assert!(foreign.stderr.contains("`kgate backup` wrote"), "{}", foreign.stderr);
    home.ok(&["restore", "kgate.backup", "--yes"]);
    let status = |id: &str| text(&home.json(&["key", "show", id])["status"]);
    assert_eq!(
        (status(&gone), status(&kept), status(&later)),
        ("revoked".into(), "active".into(), "active".into())
    );

    let said = home.run(&["restore", "kgate.backup", "--yes", "--data-dir", "other", "--note", "ticket 7"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(said.stderr.contains("revocations made after it are lost"), "{}", said.stderr);
    assert_eq!(ids(&home.json(&["key", "list", "--data-dir", "other"])), [gone, kept]);
    let row = &home.json(&["audit", "--action", "store.restored", "--data-dir", "other"])[0];
    assert_eq!((&row["note"], &row["via"]), (&"ticket 7".into(), &"cli".into()));
}

#[test]
fn why_an_older_store_is_accepted_is_in_the_audit_log() {
    let home = Home::new();
    home.key(&[]);
    home.ok(&["backup", "older"]);
    home.key(&[]);
    let dir = home.path("kgate-data");
    // As a gateway does that serves it.
    let store = Store::open(&dir, Access::Read, &Options::default()).unwrap();
    store.seen_now().unwrap().write(&dir).unwrap();
    drop(store);
    fs::copy(home.path("older"), dir.join("kgate.redb")).unwrap();
    home.ok(&["doctor", "--accept-older-store", "--yes", "--note", "ticket 8"]);
    let row = &home.json(&["audit", "--action", "store.older_accepted"])[0];
    assert_eq!((&row["note"], &row["via"]), (&"ticket 8".into(), &"cli".into()));
    assert_eq!(home.json(&["key", "list"]).as_array().unwrap().len(), 1);
}

#[test]
fn the_audit_chain_is_checked_against_a_head_kept_elsewhere() {
    let home = Home::new();
    home.key(&[]);
    let head = text(&home.json(&["audit", "verify"])["head"]);
    home.key(&[]);
    home.ok(&["audit", "verify", "--head", &head]);
    let mut wrong = head.clone();
    let last = wrong.pop().unwrap();
    wrong.push(if last == '0' { '1' } else { '0' });
    let said = home.run(&["audit", "verify", "--head", &wrong]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    assert_eq!(home.run(&["audit", "verify", "--head", "junk"]).code, 2);
    let rows = home.json(&["audit", "--last", "2", "--action", "key"]);
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!(
        fields(&rows[0]),
        BTreeSet::from([
            "number",
            "at",
            "effective_at",
            "actor",
            "via",
            "action",
            "subjects",
            "details",
            "note",
            "previous"
        ])
    );
}

#[test]
fn a_key_can_be_revoked_while_the_configuration_is_half_edited() {
    let home = Home::new();
    let (id, _) = home.key(&[]);
    let text = fs::read_to_string(home.path("kgate.toml")).unwrap();
    fs::write(home.path("kgate.toml"), text + "\n[[route]]\npath = \"/half\nscopes = 3\n").unwrap();
    assert_eq!(home.run(&["check"]).code, 2);
    let said = home.run(&["key", "revoke", &id, "--yes"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert_eq!(said.stderr.matches("`kgate check`").count(), 1, "{}", said.stderr);
}

#[test]
fn init_overwrites_nothing_and_its_three_commands_are_whole() {
    let home = Home::empty();
    let said = home.run(&["init", "--prefix", "acme", "--upstream", "127.0.0.1:9000", "--yes"]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    let commands = said.stderr.lines().filter(|line| line.starts_with("  ")).count();
    assert_eq!((said.stdout.as_str(), commands), ("", 3), "{}", said.stderr);
    assert_eq!(home.run(&["init", "--yes"]).code, 2);
    assert_eq!(home.ok(&["check"]), "");
    for (flag, bad) in [
        ("--prefix", "Acme"),
        ("--prefix", "a_prefix_far_too_long_to_"),
        ("--upstream", "http://x"),
        ("--upstream", "a\"b"),
    ] {
        let said = home.run(&["init", "--yes", "--config", "other.toml", flag, bad]);
        assert_eq!(said.code, 2, "{bad}: {}", said.stderr);
        assert!(!home.path("other.toml").exists());
    }
    let said = home.run(&["init", "--yes", "--config", "other.toml", "--data-dir", "elsewhere \"x\""]);
    assert_eq!(said.code, 0, "{}", said.stderr);
    assert!(home.path("elsewhere \"x\"/kgate.redb").exists());
    assert!(said.stderr.contains("kgate --config other.toml serve"), "{}", said.stderr);
}

#[test]
fn problems_of_the_configuration_come_all_at_once() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("kgate.toml")).unwrap();
    fs::write(home.path("kgate.toml"), text.replace("realm =", "relm =") + "\nunknown_thing = 1\n").unwrap();
    let said = home.run(&["check"]);
    assert_eq!(said.code, 2);
    assert!(said.stdout.contains("kgate.toml:") && said.stdout.contains("relm"), "{}", said.stdout);
    let said = home.run(&["check", "--json"]);
    let problems: Value = serde_json::from_str(&said.stdout).unwrap();
    assert!(problems.as_array().unwrap().len() >= 2, "{problems}");
    assert_eq!(
        fields(&problems[0]),
        BTreeSet::from(["severity", "file", "line", "column", "message", "help"])
    );
}

#[test]
fn a_leak_is_found_and_named() {
    let home = Home::new();
    let (id, token) = home.key(&[]);
    fs::create_dir(home.path("src")).unwrap();
    fs::write(home.path("src/app.py"), format!("KEY = '{token}'\n")).unwrap();
    let said = home.run(&["leak-scan", "src", "--json"]);
    assert_eq!(said.code, 1, "{}", said.stderr);
    let report: Value = serde_json::from_str(&said.stdout).unwrap();
    let finding = &report["findings"][0];
    assert_eq!((&finding["key_id"], &finding["status"]), (&id.as_str().into(), &"active".into()));
    assert_eq!(finding["places"][0]["line"], 1);
    assert!(!said.stdout.contains(&token) && !said.stderr.contains(&token));
    let said = home.run(&["leak-scan", "src"]);
    assert!(said.stdout.contains("src/app.py:1:8") && said.stdout.contains(&id), "{}", said.stdout);
    fs::write(home.path("src/app.py"), "KEY = os.environ['KEY']\n").unwrap();
    assert_eq!(home.run(&["leak-scan", "src"]).code, 0);
    assert_eq!(home.run(&["leak-scan", "nowhere"]).code, 2);
    assert_eq!(home.run_with(&["leak-scan", "-"], &token).code, 1);
}

#[test]
fn generated_texts_are_printed_and_written() {
    let home = Home::empty();
    assert!(home.ok(&["completions", "bash"]).contains("_kgate()"));
    assert!(home.ok(&["man"]).contains(".TH kgate 1"));
    assert!(home.ok(&["man", "key", "create"]).contains(r"\-\-scope"));
    assert_eq!(home.run(&["man", "no-such"]).code, 1);
    home.ok(&["man", "--dir", "man1"]);
    assert!(home.path("man1/kgate-key-create.1").exists());
    assert!(home.ok(&["--version"]).contains("store format 1"));
}

#[test]
fn the_environment_names_configuration_and_data_and_flags_win() {
    let home = Home::new();
    home.key(&[]);
    let elsewhere = Home::empty();
    let count = |command: &mut Command| {
        let said = said(command, "");
        assert_eq!(said.code, 0, "{}", said.stderr);
        said.stdout.lines().count() - 1
    };
    let list = ["key", "list", "--format", "csv"];
    let config = home.path("kgate.toml");
    assert_eq!(count(elsewhere.command(&list).env("KGATE_CONFIG", &config)), 1);
    assert_eq!(count(elsewhere.command(&list).env("KGATE_DATA_DIR", home.path("kgate-data"))), 1);
    let refused =
        said(elsewhere.command(&list).env("KGATE_CONFIG", &config).arg("--data-dir").arg("none"), "");
    assert_eq!(refused.code, 2, "{}", refused.stderr);
    let user = elsewhere.path(".config/kgate");
    fs::create_dir_all(&user).unwrap();
    fs::write(user.join("kgate.toml"), fs::read_to_string(&config).unwrap()).unwrap();
    std::os::unix::fs::symlink(home.path("kgate-data"), user.join("kgate-data")).unwrap();
    assert_eq!(count(&mut elsewhere.command(&list)), 1);
}

/// `script` (util-linux) gives a command a terminal; without it there is nothing to test.
#[test]
fn on_a_terminal_it_asks_and_no_is_no() {
    let home = Home::new();
    let (id, _) = home.key(&[]);
    for (typed, status) in [("n", "active"), ("y", "revoked")] {
        let mut command = Command::new("script");
        command
            .args(["-qec", &format!("{} key revoke {id}", env!("CARGO_BIN_EXE_kgate")), "/dev/null"])
            .current_dir(home.path("."))
            .env("NO_COLOR", "1");
        if Command::new("script").arg("--version").output().is_err() {
            eprintln!("skipped: no `script` here");
            return;
        }
        let said = said(&mut command, typed);
        assert!(said.stdout.contains("Revoke") && said.stdout.contains("for good?"), "{}", said.stdout);
        assert_eq!(said.code, i32::from(typed == "n"), "{}", said.stdout);
        assert_eq!(home.json(&["key", "show", &id])["status"], status);
    }
}

#[test]
fn a_key_typed_where_none_belongs_is_not_repeated() {
    let home = Home::new();
    let (id, token) = home.key(&[]);
    for args in [
        &["key", "verify", &token][..],
        &[&token],
        &["key", "rotate", &id, &token],
        &["key", "list", "--status", &token],
        &["key", "create", "--consumer", "org_42", "--ip", &token],
        &["key", "create", "--consumer", "org_42", "--name", &token],
        &["key", "update", &id, "--expires", &token],
        &["consumer", "create", &token],
        &["restore", &token],
        &["leak-scan", &token],
    ] {
        let said = home.run(args);
        assert_eq!(said.code, 2, "{args:?}: {}{}", said.stdout, said.stderr);
        assert!(!said.stderr.contains(&token) && !said.stdout.contains(&token), "{args:?}: {}", said.stderr);
    }
    let store = fs::read(home.path("kgate-data").join("kgate.redb")).unwrap();
    assert!(!store.windows(token.len()).any(|window| window == token.as_bytes()));
}
