//! Kills commands at every write and every sync (`strace -e inject`), and looks at what is left.
//!
//! What a command acknowledged is there; what it did not acknowledge happened whole or not at all;
//! the store opens, its references and its audit chain are whole, and a running gateway agrees with
//! it.

use std::process::{Command, Output};

use kgate::key::Token;
use serde_json::Value;

use crate::harness::{Client, until};
use crate::process::{Process, Site};

/// The system calls by which the store changes its file.
const CALLS: &[&str] = &["pwrite64", "fdatasync", "ftruncate"];
/// More calls than any of these commands makes in one thread; a test fails if it is not enough.
const MOST: usize = 200;

#[test]
fn a_command_killed_at_any_write_happened_whole_or_not_at_all() {
    if crate::harness::is_quick() {
        return;
    }
    let site = Bench::new();
    site.kill_everywhere(None);
}

#[test]
fn a_gateway_agrees_with_the_store_after_any_kill_of_a_command() {
    if crate::harness::is_quick() {
        return;
    }
    let site = Bench::new();
    let gateway = site.0.serve(&[]);
    site.kill_everywhere(Some(&gateway));
    until("it is ready", || gateway.readiness() == "ready");
}

struct Bench(Site);

struct Made {
    id: String,
    token: Token,
}

impl Bench {
    fn new() -> Self {
        let bench = Self(Site::new());
        bench.0.run(&["consumer", "create", "Acme Corp"]);
        bench
    }

    /// Kills each command at each call, counting up until the command gets through.
    fn kill_everywhere(&self, gateway: Option<&Process>) {
        // Beside a gateway the same paths run; every third call is enough unless there is time.
        let stride = if gateway.is_some() && !crate::harness::is_soak() { 3 } else { 1 };
        for act in [Self::create, Self::rotate, Self::revoke] {
            for call in CALLS {
                let mut kills = 0;
                let ended = (1..MOST).step_by(stride).any(|at| {
                    let is_through = act(self, gateway, call, at);
                    kills += usize::from(!is_through);
                    is_through
                });
                assert!(ended, "{call}: still killed at call {MOST}");
                assert!(kills > 0 || *call == "ftruncate", "{call} never killed anything: is strace there?");
                self.is_whole();
            }
        }
    }

    fn create(&self, gateway: Option<&Process>, call: &str, at: usize) -> bool {
        let before = self.keys();
        let (is_through, output) =
            self.killed(call, at, &["key", "create", "--consumer", "Acme Corp", "--json"]);
        let after = self.keys();
        let new: Vec<&Value> =
            after.iter().filter(|key| !before.iter().any(|b| b["id"] == key["id"])).collect();
        assert!(
            new.len() <= 1 && after.len() == before.len() + new.len(),
            "{call} {at}: {before:?} {after:?}"
        );
        if let Some(made) = made(&output) {
            assert_eq!(new.len(), 1, "{call} {at}: an acknowledged key is lost");
            assert_eq!(new[0]["id"], made.id);
            agree(gateway, &made.token, 200, &format!("created, {call} {at}"));
        }
        is_through
    }

    fn rotate(&self, gateway: Option<&Process>, call: &str, at: usize) -> bool {
        let old = self.make();
        let before = self.keys().len();
        let args = ["key", "rotate", &old.id, "--grace", "1h", "--json"];
        let (is_through, output) = self.killed(call, at, &args);
        let now = self.key(&old.id);
        let successors = self.keys().len() - before;
        let is_rotated = successors == 1;
        assert!(successors <= 1, "{call} {at}: {successors} successors");
        let successor = self.keys().into_iter().find(|key| key["rotated_from"] == old.id.as_str());
        assert_eq!(successor.is_some(), is_rotated, "{call} {at}: half a rotation: {now}");
        // The grace ends the old key, which never expired before.
        assert_eq!(now["expires_at"].is_null(), !is_rotated, "{call} {at}: half a rotation: {now}");
        if let Some(made) = made(&output) {
            assert!(is_rotated, "{call} {at}: an acknowledged rotation is lost");
            agree(gateway, &made.token, 200, &format!("rotated, {call} {at}"));
        }
        agree(gateway, &old.token, 200, &format!("in grace or not rotated, {call} {at}"));
        is_through
    }

    fn revoke(&self, gateway: Option<&Process>, call: &str, at: usize) -> bool {
        let key = self.make();
        agree(gateway, &key.token, 200, "made");
        let (is_through, _) = self.killed(call, at, &["key", "revoke", &key.id, "--reason", "leak", "--yes"]);
        let status = self.key(&key.id)["status"].as_str().unwrap().to_owned();
        match status.as_str() {
            "revoked" => agree(gateway, &key.token, 401, &format!("revoked, {call} {at}")),
            "active" => {
                assert!(!is_through, "{call} {at}: an acknowledged revocation is lost");
                agree(gateway, &key.token, 200, &format!("not revoked, {call} {at}"));
            }
            other => panic!("{call} {at}: {other}"),
        }
        is_through
    }

    /// Runs a command that is killed at the `at`th `call` of one of its threads. Says whether it got
    /// through.
    fn killed(&self, call: &str, at: usize, args: &[&str]) -> (bool, Output) {
        let command = self.0.command(args);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")]);
        strace.args(["-e", &format!("inject={call}:signal=SIGKILL:when={at}"), "--"]);
        strace.arg(command.get_program()).args(command.get_args());
        strace.env_remove("KGATE_CONFIG").env_remove("KGATE_DATA_DIR");
        let output = strace.output().expect("strace runs (`make test` installs it)");
        let is_through = output.status.success();
        assert!(
            is_through || output.status.code().is_none() || output.stderr.is_empty(),
            "{call} {at}: neither killed nor done: {output:?}"
        );
        (is_through, output)
    }

    fn make(&self) -> Made {
        made(&self.output(&["key", "create", "--consumer", "Acme Corp", "--json"])).unwrap()
    }

    fn keys(&self) -> Vec<Value> {
        serde_json::from_slice(&self.output(&["key", "list", "--json"]).stdout).unwrap()
    }

    fn key(&self, id: &str) -> Value {
        serde_json::from_slice(&self.output(&["key", "show", id, "--json"]).stdout).unwrap()
    }

    fn is_whole(&self) {
        self.output(&["doctor"]);
        self.output(&["audit", "verify"]);
    }

    /// Runs a command that must succeed.
    fn output(&self, args: &[&str]) -> Output {
        let output = self.0.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        output
    }
}

/// The key a command acknowledged, if its answer came out whole.
fn made(output: &Output) -> Option<Made> {
    let answer: Value = serde_json::from_slice(&output.stdout).ok()?;
    Some(Made {
        id: answer["id"].as_str()?.to_owned(),
        token: Token::from_presented(answer["token"].as_str()?),
    })
}

/// Waits until the gateway, if there is one, answers a key as the store has it. A commit that its
/// writer did not live to announce is announced by the gateway itself, a moment later.
fn agree(gateway: Option<&Process>, token: &Token, wanted: u16, what: &str) {
    let Some(gateway) = gateway else { return };
    let request = crate::harness::request("GET", "/", token);
    until(what, || {
        let mut client = Client::tcp(gateway.address);
        client.send(&request);
        client.answer().status == wanted
    });
}
