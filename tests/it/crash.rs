//! Kills commands at every write and every sync (`strace -e inject`), or has these fail, and looks at what
//! is left.
//!
//! What a command acknowledged is there; what it did not acknowledge happened whole or not at all; what it
//! said did not happen did not; the store opens, its references and its audit chain are whole, and a
//! running gateway agrees with it.

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

#[test]
fn a_disk_that_fails_or_is_full_at_any_write_loses_nothing_and_is_named() {
    if crate::harness::is_quick() {
        return;
    }
    let bench = Bench::new();
    let gateway = bench.0.serve(&[]);
    for (call, error, words) in [
        ("pwrite64", "ENOSPC", "no space left"),
        ("pwrite64", "EIO", "Input/output error"),
        ("fdatasync", "EIO", "Input/output error"),
        ("ftruncate", "ENOSPC", "no space left"),
    ] {
        // Once, as a disk fails; and from then on, as it stays full.
        for more in ["", "+"] {
            let mut failed = 0;
            for at in 1..MOST {
                let fault = Fault { call, error, when: format!("{at}{more}"), words };
                if !bench.fails(&gateway, &fault) {
                    break;
                }
                failed += 1;
                assert!(at + 1 < MOST, "{fault:?}: still failing");
            }
            assert!(failed > 0 || call == "ftruncate", "{call} never failed: is strace there?");
        }
        bench.is_whole();
    }
    until("it is ready", || gateway.readiness() == "ready");
}

/// A system call that fails.
#[derive(Debug)]
struct Fault {
    call: &'static str,
    error: &'static str,
    /// Which one of a thread: `3`, or `3+` for all from then on.
    when: String,
    /// What the command has to say.
    words: &'static str,
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

    /// Runs commands on a disk that fails. Says whether it failed at all.
    fn fails(&self, gateway: &Process, fault: &Fault) -> bool {
        let key = self.make();
        let (mut has_failed, output) = self.failing(fault, &["key", "revoke", &key.id, "--yes"]);
        let is_revoked = self.key(&key.id)["status"] == "revoked";
        judge(fault, &output, is_revoked, has_failed);
        agree(Some(gateway), &key.token, if is_revoked { 401 } else { 200 }, &format!("{fault:?}"));

        let before = self.keys();
        let args = ["key", "create", "--consumer", "Acme Corp", "--json"];
        let (failed, output) = self.failing(fault, &args);
        let new = self.keys().len() - before.len();
        assert!(new <= 1, "{fault:?}");
        judge(fault, &output, new == 1, failed);
        if let Some(made) = made(&output) {
            agree(Some(gateway), &made.token, 200, &format!("{fault:?}"));
        }
        has_failed |= failed;
        has_failed
    }

    /// Runs a command with a fault. Says whether the fault came.
    fn failing(&self, fault: &Fault, args: &[&str]) -> (bool, Output) {
        let Fault { call, error, when, .. } = fault;
        let trace = self.0.dir.path().join("trace");
        let command = self.0.command(args);
        let mut strace = Command::new("strace");
        strace.args(["-f", "-qq", "-e", &format!("trace={call}"), "-o"]).arg(&trace);
        strace.args(["-e", &format!("inject={call}:error={error}:when={when}"), "--"]);
        strace.arg(command.get_program()).args(command.get_args());
        strace.env_remove("KGATE_CONFIG").env_remove("KGATE_DATA_DIR");
        let output = strace.output().expect("strace runs (`make test` installs it)");
        let trace = std::fs::read_to_string(trace).unwrap();
        (trace.contains("(INJECTED)"), output)
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

/// Checks what a command said of a disk that failed against what happened.
fn judge(fault: &Fault, output: &Output, has_happened: bool, has_failed: bool) {
    let said = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        // It was acknowledged, or the fault came after that.
        Some(0) => assert!(has_happened, "{fault:?}: acknowledged and lost: {said}"),
        Some(2) => {
            assert!(has_failed, "{fault:?}: {said}");
            assert!(said.contains("error: ") && said.contains(fault.words), "{fault:?}: {said}");
            assert!(said.contains("help: "), "{fault:?}: {said}");
            assert!(!has_happened || said.contains("outcome unknown"), "{fault:?}: it happened: {said}");
            assert!(output.stdout.is_empty(), "{fault:?}: an answer and an error");
        }
        code => panic!("{fault:?}: {code:?}: {said}"),
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
