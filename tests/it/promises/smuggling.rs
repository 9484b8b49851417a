//! A corpus of requests that servers read in different ways, sent by one who has a key through kgate to real
//! backends over pooled connections: what a backend sees is what was admitted, each with its own identity, and
//! whoever uses a connection next gets his own answer.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use kgate::key::Token;
use serde_json::{Value, json};

use super::corpus::{self, Form};
use crate::downstream::http2::Peer;
use crate::fronts::tool;
use crate::harness::{CONFIG, Client, Gate, acme, is_quick, request, until};
use crate::seeing::lines;

/// A real server that says of each request it sees what it takes it for.
struct Backend {
    child: Child,
    /// As the configuration has it.
    address: String,
    seen: Seen,
    _dir: tempfile::TempDir,
}

enum Seen {
    /// Lines of standard output.
    Said(Arc<Mutex<Vec<Value>>>),
    /// The lines of a file.
    Logged(std::path::PathBuf),
}

impl Backend {
    fn python() -> Self {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/promises/lenient.py");
        let mut child =
            Command::new(tool("python")).arg(program).stdout(Stdio::piped()).spawn().expect("Python");
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let first: Value = serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap();
        let said = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&said);
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                into.lock().unwrap().push(serde_json::from_str(&line).unwrap());
            }
        });
        let address = format!("127.0.0.1:{}", first["port"]);
        Self { child, address, seen: Seen::Said(said), _dir: tempfile::tempdir().unwrap() }
    }

    /// nginx, which speaks HTTP/1.1 or HTTP/2 from the first byte.
    fn nginx(listen: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let conf = r#"daemon off; master_process off; pid {dir}/nginx.pid; error_log stderr crit;
            events {}
            http {
                client_body_temp_path {dir}/b; proxy_temp_path {dir}/p; fastcgi_temp_path {dir}/f;
                uwsgi_temp_path {dir}/u; scgi_temp_path {dir}/s;
                log_format seen escape=json '{"target":"$request_uri","ids":["$http_x_request_id"],"consumers":["$http_x_consumer_id"],"connection":$connection,"line":"$request","status":"$status"}';
                access_log {dir}/seen seen;
                keepalive_requests 100000;
                server {
                    listen unix:{dir}/nginx.sock {listen};
                    underscores_in_headers on; ignore_invalid_headers off; merge_slashes off;
                    location / {
                        default_type application/json;
                        return 200 '{"target":"$request_uri","ids":["$http_x_request_id"],"consumers":["$http_x_consumer_id"]}';
                    }
                }
            }"#;
        let conf = conf.replace("{dir}", dir.path().to_str().unwrap()).replace("{listen}", listen);
        std::fs::write(dir.path().join("nginx.conf"), conf).unwrap();
        let child = Command::new("nginx")
            .args(["-p", dir.path().to_str().unwrap(), "-c", dir.path().join("nginx.conf").to_str().unwrap()])
            .spawn()
            .expect("`tests/setup.sh test` installs nginx");
        let socket = dir.path().join("nginx.sock");
        until("nginx listens", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        let (address, seen) = (format!("unix:{}", socket.display()), Seen::Logged(dir.path().join("seen")));
        Self { child, address, seen, _dir: dir }
    }

    fn seen(&self) -> Vec<Value> {
        match &self.seen {
            Seen::Said(said) => said.lock().unwrap().clone(),
            // nginx escapes what is no text as JSON wants it, but for bytes beyond ASCII.
            Seen::Logged(path) => lines(path),
        }
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A gate before it, with HTTP/1.1 on TCP and HTTP/2 on a Unix socket, that soon gives up on who says no more.
fn gate(backend: &Backend, lines: &str) -> Gate {
    let servers = format!("servers = [\"{}\"]\n{lines}", backend.address);
    Gate::start(
        &CONFIG
            .replace("proxy = [\"127.0.0.1:0\"]", "proxy = [\"127.0.0.1:0\", \"unix:k.sock\"]")
            .replace("servers = [\"{echo}\"]", &servers)
            .replace("methods = [\"GET\", \"POST\", \"PUT\", \"HEAD\"]\n", "")
            .replace(
                "realm = \"acme\"",
                "realm = \"acme\"\nbody_timeout = \"300ms\"\nidle_timeout = \"30ms\"",
            ),
    )
}

/// Fields of a head, pseudo fields first.
type Head = Vec<(String, String)>;

/// The frames of HTTP/2 that become a request of HTTP/1.1: fields, and what follows them.
fn over_http2(key: &str, inner: &str) -> Vec<(String, Head, Vec<Value>)> {
    let head = |method: &str, path: &str, more: &[(&str, &str)]| -> Vec<(String, String)> {
        let pseudo = [(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)];
        let all = [&pseudo[..], &[("authorization", key)], more].concat();
        all.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    };
    let data = |text: &str, end| json!({ "do": "data", "text": text, "end": end });
    let trailer = |fields: Value| json!({ "do": "headers", "headers": fields, "end": true });
    let n = inner.len().to_string();
    let path = "/v1/products/outer";
    let ended = format!("0\r\n\r\n{inner}");
    let split = format!("{path} HTTP/1.1\r\nHost: a\r\n\r\n{inner}");
    let mut all = Vec::new();
    let mut add = |name: &str, fields: Vec<(String, String)>, rest: Vec<Value>| {
        all.push((format!("h2: {name}"), fields, rest));
    };
    for length in ["0", "1", "99999", n.as_str()] {
        add(
            &format!("H2.CL {length}"),
            head("POST", path, &[("content-length", length)]),
            vec![data(inner, true)],
        );
        add(
            &format!("H2.CL {length}, in two"),
            head("POST", path, &[("content-length", length)]),
            vec![data(&inner[..9], false), data(&inner[9..], true)],
        );
    }
    for length in ["+0", "0, 0", "", "0x0", "-1", " 0", "00"] {
        add(
            &format!("H2.CL {length:?}"),
            head("POST", path, &[("content-length", length)]),
            vec![data(inner, true)],
        );
    }
    let twice = [("content-length", "0"), ("content-length", n.as_str())];
    add("two H2.CL", head("POST", path, &twice), vec![data(inner, true)]);
    for coding in ["chunked", "Chunked", "identity", "chunked, identity", "\u{b}chunked", "xchunked", ""] {
        let fields = head("POST", path, &[("transfer-encoding", coding)]);
        add(&format!("H2.TE {coding:?}"), fields, vec![data(&ended, true)]);
    }
    for (name, value) in [
        ("transfer-encoding ", "chunked"),
        ("transfer-encoding:", "chunked"),
        ("Transfer-Encoding", "chunked"),
        ("transfer_encoding", "chunked"),
        ("foo", "b\r\ntransfer-encoding: chunked"),
        ("foo", "b\ntransfer-encoding: chunked"),
        ("foo\r\ntransfer-encoding", "chunked"),
        ("foo: b\r\ntransfer-encoding", "chunked"),
        ("connection", "transfer-encoding"),
        ("connection", "content-length"),
        ("te", "trailers, chunked"),
        ("upgrade", "h2c"),
        ("expect", "100-continue"),
        ("host", "a\r\nContent-Length: 0"),
        ("x-consumer-id", "EVIL"),
    ] {
        add(&format!("{name:?}: {value:?}"), head("POST", path, &[(name, value)]), vec![data(&ended, true)]);
    }
    add("a path with a request in it", head("GET", &split, &[]), vec![]);
    add("a path with spaces", head("GET", "/v1/products/outer HTTP/1.1", &[]), vec![]);
    add("a method with a request in it", head(&format!("GET {split}"), path, &[]), vec![]);
    add("GET with a body", head("GET", path, &[]), vec![data(inner, true)]);
    add("HEAD with a body", head("HEAD", path, &[("content-length", &n)]), vec![data(inner, true)]);
    for fields in [
        json!([["content-length", "0"]]),
        json!([["transfer-encoding", "chunked"]]),
        json!([["x-consumer-id", "EVIL"], ["host", "b"]]),
        json!([[":path", "/v1/products/smuggled"]]),
        json!([["a\r\nb", "c"]]),
    ] {
        add(&format!("trailer {fields}"), head("POST", path, &[]), vec![data(inner, false), trailer(fields)]);
    }
    add(
        "given up",
        head("POST", path, &[]),
        vec![data(&inner[..9], false), json!({ "do": "frame", "type": 3, "hex": "00000008" })],
    );
    all
}

/// Three requests at once of another consumer: each has its own answer.
fn probe(gate: &Gate, victim: &Token, consumer: &str, round: usize, after: &str) {
    let mut asked: Vec<(String, Client)> = (0..3)
        .map(|n| {
            let target = format!("/v1/products/probe-{round}-{n}");
            let mut client = gate.connect();
            client.send(request("GET", &target, victim));
            (target, client)
        })
        .collect();
    for (target, client) in &mut asked {
        let answer = client.answer();
        assert_eq!(answer.status, 200, "after {after}: {}", answer.head);
        let (seen, id) = (answer.json(), answer.header("x-request-id").unwrap().to_owned());
        assert_eq!(seen["target"], *target, "after {after}");
        assert_eq!((&seen["consumers"], &seen["ids"]), (&json!([consumer]), &json!([id])), "after {after}");
    }
}

fn spelled(c: char) -> String {
    let is_plain = c.is_ascii();
    let coded = |c: char| c.to_string().bytes().map(|b| format!("%{b:02X}")).collect();
    if is_plain { c.to_string() } else { coded(c) }
}

fn nothing_is_smuggled_to(backend: &Backend, lines: &str) {
    let gate = gate(backend, lines);
    let (attacker, victim) = (gate.consumer(&acme()), gate.consumer(&acme()));
    let key = gate.issue_to(attacker, &["products:read"]).token;
    let others = gate.issue_to(victim, &["products:read"]).token;
    let smuggled = "GET /v1/products/smuggled HTTP/1.1\r\nHost: a\r\nX-Consumer-Id: EVIL\r\n\r\n";
    let fields = format!("Authorization: Bearer {}\r\n", key.expose());
    let form = Form { target: "/v1/products/outer", fields: &fields, smuggled };
    let counted =
        corpus::counted(&form).into_iter().map(|(name, text, _)| (name.to_owned(), text.into_bytes()));
    let http1: Vec<(String, Vec<u8>)> = counted.chain(corpus::more(&form)).collect();
    let http2 = over_http2(&format!("Bearer {}", key.expose()), smuggled);
    println!("{} requests of HTTP/1.1, {} of HTTP/2", http1.len(), http2.len());
    assert!(http1.len() >= 150 && http2.len() >= 40);

    let (mut round, mut looked_at) = (0, 0);
    let mut after = |name: &str| {
        probe(&gate, &others, &victim.to_string(), round, name);
        round += 1;
        // At once, so that the case has a name.
        let seen = backend.seen();
        for one in &seen[looked_at..] {
            let target = one["target"].as_str().unwrap();
            let is_ours = ["/v1/products/outer", "/v1/products/probe-"].iter().any(|p| target.starts_with(p));
            assert!(is_ours && one["ids"][0] != "", "after {name}: {one}");
        }
        looked_at = seen.len();
    };
    for (name, bytes) in &http1 {
        let mut client = gate.connect();
        client.try_send(bytes);
        client.rest();
        after(name);
    }
    let socket = gate.dir.path().join("k.sock");
    let mut peer = Peer::open(&["unix", socket.to_str().unwrap()]);
    for (name, fields, rest) in &http2 {
        let fields: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let stream = peer.begin(&fields, rest.is_empty());
        for frame in rest {
            let mut frame = frame.clone();
            frame["stream"] = json!(stream);
            peer.run(&frame);
        }
        let outcome = peer.wait(stream);
        if outcome["closed"] == true || outcome["goaway"].is_number() {
            peer = Peer::open(&["unix", socket.to_str().unwrap()]);
        }
        after(name);
    }

    // A line is written when its answer has left, and what a backend said is read a little later than its answer.
    until("nothing is in work", || gate.gateway.in_flight() == 0);
    let (mut seen, mut admitted) = (Vec::new(), BTreeMap::new());
    until("everything is logged, and all that was answered was seen", || {
        seen = backend.seen();
        // What was admitted, by its id, whatever became of it.
        admitted = gate
            .lines
            .all()
            .into_iter()
            .filter(|line| line["upstream"].is_string())
            .map(|line| (line["request_id"].as_str().unwrap().to_owned(), line))
            .collect::<BTreeMap<String, Value>>();
        let lines = gate.lines.all();
        let logged: BTreeSet<&str> = lines.iter().filter_map(|line| line["request_id"].as_str()).collect();
        let told: BTreeSet<&str> = seen.iter().filter_map(|one| one["ids"][0].as_str()).collect();
        seen.iter().all(|one| one["ids"][0].as_str().is_some_and(|id| logged.contains(id)))
            && admitted.iter().all(|(id, line)| line["status"] != 200 || told.contains(id.as_str()))
    });
    let (mut ids, mut connections) = (BTreeSet::new(), BTreeSet::new());
    for one in &seen {
        let id = one["ids"][0].as_str().unwrap_or_default();
        let line = admitted.get(id).unwrap_or_else(|| panic!("nobody admitted {one}"));
        // What is beyond ASCII is forwarded in percent codes.
        let path: String = line["path"].as_str().unwrap().chars().map(spelled).collect();
        assert_eq!(one["target"], path, "{one} {line}");
        assert_eq!(one["consumers"], json!([line["consumer_id"]]), "{one} {line}");
        assert_eq!(one["ids"].as_array().unwrap().len(), 1, "{one}");
        assert!(ids.insert(id.to_owned()), "seen twice: {one}");
        connections.insert(one["connection"].as_u64().unwrap());
    }
    println!("{} admitted, {} seen, over {} connections", admitted.len(), seen.len(), connections.len());
    assert!(connections.len() * 2 < seen.len(), "connections were not kept: nothing was proven");
}

#[test]
fn nothing_is_smuggled_to_nginx() {
    if !is_quick() {
        nothing_is_smuggled_to(&Backend::nginx(""), "");
    }
}

#[test]
fn nothing_is_smuggled_to_a_lenient_backend() {
    if !is_quick() {
        nothing_is_smuggled_to(&Backend::python(), "");
    }
}

#[test]
fn nothing_is_smuggled_over_http2_to_nginx() {
    if !is_quick() {
        nothing_is_smuggled_to(&Backend::nginx("http2"), "protocol = \"http/2\"");
    }
}
