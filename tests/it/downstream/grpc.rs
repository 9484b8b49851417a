//! gRPC from end to end: a server and clients by grpcio, with kgate between them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::{TLS, python, tls_gate};
use kgate::store::Issued;

use crate::fronts::{free_port, tool};
use crate::harness::{CONFIG, Gate, acme, is_quick, new_key, now, until};

fn program(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/downstream").join(name)
}

/// A process whose lines are read.
struct Process {
    child: Child,
    said: Arc<Mutex<Vec<String>>>,
}

impl Process {
    fn start(name: &str, arguments: &[&str]) -> Self {
        let mut child = Command::new(tool("python"))
            .arg(program(name))
            .args(arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python, with what tests/setup.sh installs");
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let said = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&said);
        thread::spawn(move || lines.map_while(Result::ok).for_each(|line| into.lock().unwrap().push(line)));
        Self { child, said }
    }

    fn said(&self, number: usize) -> Option<String> {
        self.said.lock().unwrap().get(number).cloned()
    }

    fn wait_for(&self, number: usize) -> String {
        until("the program says more", || self.said(number).is_some());
        self.said(number).unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server, and the end of a configuration that forwards to it.
fn server() -> (Process, String) {
    let server = Process::start("grpc_server.py", &[]);
    let port = server.wait_for(0);
    let routes = format!(
        "\n[[upstream]]\nname = \"grpc\"\nservers = [\"127.0.0.1:{port}\"]\nprotocol = \"http/2\"\n\
         [[route]]\nname = \"grpc\"\npath = \"/test.Echo/**\"\nupstream = \"grpc\"\n\
         [[upstream]]\nname = \"dead\"\nservers = [\"{}\"]\nprotocol = \"http/2\"\n\
         [[route]]\nname = \"dead\"\npath = \"/dead/**\"\nupstream = \"dead\"\n",
        free_port()
    );
    (server, routes)
}

/// A gate that takes HTTP/2 by ALPN, one that takes it in clear text, and for each how grpcio names it.
fn gates(routes: &str) -> Vec<(Gate, String, String)> {
    let listen = "proxy = [{ address = \"127.0.0.1:0\", h2c = true, trusted = true }, \"unix:k.sock\"]";
    let plain = || Gate::start(&(CONFIG.replace("proxy = [\"127.0.0.1:0\"]", listen) + routes));
    let (tls, tcp, unix) = (tls_gate(TLS, routes), plain(), plain());
    let ca = tls.dir.path().join("ca.pem").display().to_string();
    let named = format!("localhost:{}", tls.address.port());
    let at = tcp.address.to_string();
    let socket = format!("unix:{}", unix.dir.path().join("k.sock").display());
    vec![(tls, named, ca), (tcp, at, "-".into()), (unix, socket, "-".into())]
}

#[test]
fn calls_of_every_kind_pass_with_their_trailers_and_the_callers_identity() {
    if is_quick() {
        return;
    }
    let (server, routes) = server();
    for (number, (gate, target, ca)) in gates(&routes).iter().enumerate() {
        let consumer = gate.consumer(&acme());
        let token = gate.issue_to(consumer, &[]).token;
        let said = python("grpc_calls.py", &[target, ca, token.expose(), "calls"]);
        let all: Value = serde_json::from_str(&said).unwrap();
        let unary = &all["unary"];
        assert_eq!(unary["answer"], format!("hi|{consumer}|False"), "{target}: {all}");
        assert_eq!(unary["begin"]["x-begin"], "hello", "{target}: {all}");
        assert_eq!(unary["trailers"]["x-trail"], "bye", "{target}: {all}");
        assert_eq!(unary["trailers"]["x-trail-bin"], "00ff", "{target}: {all}");
        assert_eq!(
            all["down"],
            json!({ "code": 0, "count": 200, "trailers": { "x-trail": "down" } }),
            "{target}"
        );
        assert_eq!(all["up"], json!({ "code": 0, "answer": "1000000" }), "{target}");
        assert_eq!(all["both"]["answers"].as_array().unwrap().len(), 20, "{target}: {all}");
        assert_eq!(all["both"]["answers"][19], "re:19", "{target}");
        assert_eq!((&all["both"]["code"], &all["both"]["rest"]), (&json!(0), &json!([])), "{target}");
        assert!(all["large"]["size"].as_u64() > Some(3 << 20), "{target}: {all}");
        let fail = &all["fail"];
        assert_eq!((&fail["code"], &fail["details"]), (&json!(9), &json!("not yet, ü")), "{target}: {all}");
        assert_eq!(fail["trailers"]["x-why"], "because", "{target}: {all}");
        assert_eq!(all["unknown"]["code"], 12, "the server's own word: {target}: {all}");
        // The deadline is the caller's; the server hears of it, and that nobody waits any more.
        assert_eq!(all["late"]["code"], 4, "{target}: {all}");
        assert!(all["late"]["took"].as_f64().unwrap() < 40.0, "{target}: {all}");
        let heard = server.wait_for(number + 1);
        let left: f64 =
            heard.strip_prefix("given up, of ").unwrap_or_else(|| panic!("{heard}")).parse().unwrap();
        assert!(left > 0.0 && left <= 4.0, "{heard}");
        assert_eq!(all["many"], 200, "{target}");
        until("it is logged", || gate.lines.all().iter().any(|line| line["path"] == "/test.Echo/Both"));
    }
}

#[test]
fn a_long_call_is_cut_when_its_key_is_revoked_and_the_server_hears_of_it() {
    if is_quick() {
        return;
    }
    let (server, routes) = server();
    let mut calls = 0;
    for (gate, target, ca) in &gates(&routes) {
        let mut is_cut_in_time = |issued: &Issued| {
            let caller = Process::start("grpc_calls.py", &[target, ca, issued.token.expose(), "forever"]);
            assert_eq!(caller.wait_for(0), "flows");
            let revoked = now();
            gate.revoke(issued.record.id);
            let ended = caller.wait_for(1);
            let took = now() - revoked;
            assert_ne!(ended, "0", "a cut call does not end well");
            calls += 1;
            assert_eq!(server.wait_for(calls), "cut", "{target}");
            // One second more than is promised, for a busy machine.
            took < Duration::from_secs(6)
        };
        // One that stands still is late once.
        let issued =
            (0..3).map(|_| gate.issue_to(gate.consumer(&acme()), &[])).find(|new| is_cut_in_time(new));
        let issued = issued.expect("it took too long each time");
        // The next call is refused, in gRPC's own words.
        let refused = Process::start("grpc_calls.py", &[target, ca, issued.token.expose(), "forever"]);
        assert!(refused.wait_for(0).starts_with("16 Unauthorized"), "{:?}", refused.said(0));
    }
}

#[test]
fn each_refusal_has_its_status_over_every_transport() {
    if is_quick() {
        return;
    }
    let (_server, routes) = server();
    let routes = routes.replace("upstream = \"dead\"\n", "upstream = \"dead\"\n\
        [[route]]\nname = \"scoped\"\npath = \"/test.Echo/Fail\"\nscopes = \"never:granted\"\nupstream = \"grpc\"\n");
    for (gate, target, ca) in gates(&routes) {
        let consumer = gate.consumer(&acme());
        let token = gate.issue_to(consumer, &[]).token;
        let tiny =
            gate.issue_key(&kgate::store::NewKey { plan: Some("tiny".into()), ..new_key(consumer) }).token;
        let ask = |key: &str, path: &str| -> String {
            python("grpc_client.py", &[&target, &ca, path, key]).trim().to_owned()
        };
        assert!(ask("nonsense", "/test.Echo/Unary").starts_with("UNAUTHENTICATED 16"), "{target}");
        assert!(ask(token.expose(), "/test.Echo/Fail").starts_with("PERMISSION_DENIED 7"), "{target}");
        assert!(ask(token.expose(), "/dead/Get").starts_with("UNAVAILABLE 14"), "{target}");
        for _ in 0..2 {
            assert!(ask(tiny.expose(), "/test.Echo/Unary").starts_with("OK"), "{target}");
        }
        assert!(ask(tiny.expose(), "/test.Echo/Unary").starts_with("RESOURCE_EXHAUSTED 8"), "{target}");
        std::fs::remove_file(gate.loaded.config.data_dir.join(kgate::store::STORE_FILE)).unwrap();
        until("nobody is served", || ask(token.expose(), "/test.Echo/Unary").starts_with("UNAVAILABLE 14"));
    }
}
