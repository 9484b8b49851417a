//! HTTP/2: the same promises stream by stream, the rules of RFC 9113, gRPC, and floods.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

use kgate::gateway::Stop;
use kgate::store::NewKey;
use serde_json::{Value, json};

use super::{TLS, python, tls_gate};
use crate::fronts::free_port;
use crate::harness::{Gate, PATIENCE, acme, full_or, is_quick, new_key, now, scopes_of, until};

/// A client of `http2.py`.
pub struct Peer {
    child: Child,
    into: ChildStdin,
    from: BufReader<ChildStdout>,
    next: u32,
}

impl Peer {
    pub fn tls(gate: &Gate) -> Self {
        Self::tls_with(gate, &json!([]))
    }

    pub fn tls_with(gate: &Gate, settings: &Value) -> Self {
        let ca = gate.dir.path().join("ca.pem");
        let arguments = ["tls", "localhost", &gate.address.port().to_string(), ca.to_str().unwrap()];
        Self::open_with(&arguments, settings)
    }

    pub fn open(arguments: &[&str]) -> Self {
        Self::open_with(arguments, &json!([]))
    }

    pub fn open_with(arguments: &[&str], settings: &Value) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let mut child = Command::new(target.join("tools/bin/python"))
            .arg(root.join("tests/it/downstream/http2.py"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("Python, with what tests/setup.sh installs");
        let (into, from) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        let mut peer = Self { child, into, from, next: 1 };
        peer.run(&json!({ "do": "greet", "settings": settings }));
        peer
    }

    /// Has a command carried out, and returns what is known of its stream then.
    pub fn run(&mut self, command: &Value) -> Value {
        writeln!(self.into, "{command}").expect("the peer runs");
        let mut line = String::new();
        self.from.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|_| panic!("the peer failed at {command}"))
    }

    /// Its process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    fn stream(&mut self) -> u32 {
        self.next += 2;
        self.next - 2
    }

    /// Opens a stream with a head, and returns its number.
    pub fn begin(&mut self, head: &[(&str, &str)], end: bool) -> u32 {
        let stream = self.stream();
        self.run(&json!({ "do": "headers", "stream": stream, "headers": head, "end": end }));
        stream
    }

    pub fn wait(&mut self, stream: u32) -> Value {
        self.run(&json!({ "do": "wait", "stream": stream }))
    }

    /// Asks, and waits for the answer.
    pub fn ask(&mut self, head: &[(&str, &str)]) -> Value {
        let stream = self.begin(head, true);
        self.wait(stream)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const HEAD: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "https"), (":authority", "api.example.com"), (":path", "/v1/products")];

/// A head with a key and more fields.
fn head<'a>(key: &'a str, more: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    [&HEAD[..], &[("authorization", key)], more].concat()
}

fn bearer(token: &kgate::key::Token) -> String {
    format!("Bearer {}", token.expose())
}

/// What the echo backend saw under a name, compared as backends do that know no `-`.
fn seen(answer: &Value, name: &str) -> Vec<String> {
    let canonical = |text: &str| text.to_lowercase().replace(['_', '.'], "-");
    let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).expect("the backend's echo");
    let pairs = body["headers"].as_array().unwrap().clone();
    let named = |pair: &&Value| canonical(pair[0].as_str().unwrap()) == name;
    pairs.iter().filter(named).map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
}

fn header<'a>(answer: &'a Value, name: &str) -> Option<&'a str> {
    let pairs = answer["headers"].as_array()?;
    pairs.iter().find(|pair| pair[0] == name)?[1].as_str()
}

#[test]
fn over_http2_a_backend_sees_who_calls_and_nothing_a_client_claims() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut peer = Peer::tls(&gate);
    let claims = [
        ("x-consumer-id", "cust_evil"),
        ("x_consumer_id", "cust_evil"),
        ("x.consumer.name", "evil"),
        ("x-consumer-scopes", "*"),
        ("x-kgate-secret", "guess"),
        ("x-forwarded-for", "10.0.0.1"),
        ("x-forwarded-proto", "http"),
        ("x-original-url", "/admin"),
        ("cookie", "a=1"),
        ("cookie", "b=2"),
        ("te", "trailers"),
    ];
    let answer = peer.ask(&head(&key, &claims));
    assert_eq!(answer["status"], 200, "{answer}");
    let ids = seen(&answer, "x-consumer-id");
    assert!(ids.len() == 1 && ids[0].starts_with("cust_") && ids[0] != "cust_evil", "{ids:?}");
    assert_eq!(seen(&answer, "x-consumer-scopes"), ["products:read"]);
    assert_eq!(seen(&answer, "x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen(&answer, "x-forwarded-proto"), ["https"]);
    assert_eq!(seen(&answer, "host"), ["api.example.com"]);
    assert_eq!(seen(&answer, "cookie"), ["a=1; b=2"]);
    assert_eq!(seen(&answer, "x-original-url"), Vec::<String>::new());
    assert_eq!(seen(&answer, "authorization"), Vec::<String>::new());
    assert!(!answer["body"].as_str().unwrap().contains("evil"), "{answer}");

    // The same in the trailer, after a body of which nobody said how long it is.
    let stream = peer.begin(&[&HEAD[1..], &[(":method", "POST"), ("authorization", &key)]].concat(), false);
    peer.run(&json!({ "do": "data", "stream": stream, "text": "hello" }));
    let trailer = [("x-consumer-id", "cust_evil")];
    peer.run(&json!({ "do": "headers", "stream": stream, "headers": trailer, "end": true }));
    let answer = peer.wait(stream);
    assert!(answer["status"] == 200 && !answer["body"].as_str().unwrap().contains("evil"), "{answer}");
    assert_eq!(seen(&answer, "x-consumer-id").len(), 1);
}

#[test]
fn over_http2_a_revoked_key_is_refused_by_the_next_request_and_all_refusals_look_alike() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let consumer = gate.consumer(&acme());
    let issued = gate.issue_to(consumer, &["products:read"]);
    let key = bearer(&issued.token);
    let mut peer = Peer::tls(&gate);
    assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
    gate.revoke(issued.record.id);
    let disabled = gate.issue_to(consumer, &["products:read"]);
    gate.store.disable_key(disabled.record.id, &crate::harness::act()).unwrap();
    let disabled = bearer(&disabled.token);
    let mut unknown = key.clone();
    // Another token of the same form, whose checksum is wrong.
    unknown.replace_range(key.len() - 8..key.len() - 6, if key.contains("00") { "11" } else { "00" });
    let looks = |answer: &Value| {
        let id = header(answer, "x-request-id").unwrap().to_owned();
        let mut answer = answer.clone();
        // What the peer itself sent, which HPACK makes shorter from the second request on.
        answer.as_object_mut().unwrap().remove("sent");
        answer["headers"].as_array_mut().unwrap().retain(|pair| pair[0] != "date");
        answer.to_string().replace(&id, "ID")
    };
    let refused: Vec<Value> =
        [&key, &disabled, &unknown, "Bearer x"].iter().map(|key| peer.ask(&head(key, &[]))).collect();
    for answer in &refused {
        assert_eq!(answer["status"], 401);
        assert_eq!(looks(answer), looks(&refused[0]));
    }
}

/// Heads and frames that break a rule of a stream: the stream is refused or reset, and the next is served.
#[test]
fn what_breaks_the_rules_of_a_stream_costs_that_stream_only() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let good = head(&key, &[]);
    let without =
        |name: &str| -> Vec<(&str, &str)> { good.iter().copied().filter(|f| f.0 != name).collect() };
    let with = |name, value| -> Vec<(&str, &str)> { [&good[..], &[(name, value)]].concat() };
    let instead = |name: &'static str, value: &'static str| -> Vec<(&str, &str)> {
        good.iter().map(|f| if f.0 == name { (name, value) } else { *f }).collect()
    };
    let cases: Vec<(&str, Vec<(&str, &str)>)> = vec![
        ("upper case", with("X-Upper", "a")),
        ("connection", with("connection", "close")),
        ("connection naming", with("connection", "x-consumer-id")),
        ("keep-alive", with("keep-alive", "timeout=5")),
        ("proxy-connection", with("proxy-connection", "close")),
        ("transfer-encoding", with("transfer-encoding", "chunked")),
        ("upgrade", with("upgrade", "h2c")),
        ("te", with("te", "gzip")),
        ("no path", without(":path")),
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no authority", without(":authority")),
        ("empty path", instead(":path", "")),
        ("path of no slash", instead(":path", "v1/products")),
        ("absolute path", instead(":path", "http://evil.example/v1/products")),
        ("asterisk", instead(":path", "*")),
        ("dot segments", instead(":path", "/v1/products/../../admin")),
        ("encoded slash", instead(":path", "/v1%2fproducts")),
        ("space in path", instead(":path", "/v1/products HTTP/1.1")),
        ("CRLF in path", instead(":path", "/v1/products\r\nx: y")),
        ("CONNECT", instead(":method", "CONNECT")),
        ("TRACE", instead(":method", "TRACE")),
        ("method with a space", instead(":method", "GET /admin")),
        ("two paths", with(":path", "/public/a")),
        ("two authorities", with(":authority", "evil.example")),
        ("late pseudo field", [&good[1..], &good[..1]].concat()),
        ("unknown pseudo field", [&[(":evil", "a")][..], &good].concat()),
        ("status in a request", [&[(":status", "200")][..], &good].concat()),
        ("extended CONNECT", [&[(":protocol", "websocket")][..], &instead(":method", "CONNECT")].concat()),
        ("other host", with("host", "evil.example")),
        ("two hosts", [&good[..], &[("host", "api.example.com"), ("host", "evil.example")]].concat()),
        ("user in authority", instead(":authority", "user@api.example.com")),
        ("bad port", instead(":authority", "api.example.com:x")),
        ("CR in a value", with("x-a", "b\rc")),
        ("LF in a value", with("x-a", "b\nx-consumer-id: evil")),
        ("NUL in a value", with("x-a", "b\0c")),
        ("space in a name", with("x a", "b")),
        ("colon in a name", with("x:a", "b")),
        ("empty name", with("", "b")),
        ("no number", with("content-length", "x")),
        ("a sign", with("content-length", "+0")),
        ("two lengths", [&good[..], &[("content-length", "0"), ("content-length", "5")]].concat()),
        ("a list of lengths", with("content-length", "0, 0")),
        ("a body that never comes", with("content-length", "5")),
        ("two keys", with("authorization", "Bearer other")),
    ];
    let before = gate.echo.requests();
    let mut peer = Peer::tls(&gate);
    for (number, (what, head)) in cases.iter().enumerate() {
        let answer = peer.ask(head);
        let is_refused = answer["status"].as_u64().is_some_and(|status| (400..=431).contains(&status));
        // RFC 9113 §5.4.1 lets a fault of a stream be one of its connection: what is no name or method is.
        let is_ended = answer["goaway"] == 1;
        assert!(is_refused || answer["reset"].is_number() || is_ended, "{what}: {answer}");
        if is_ended {
            peer = Peer::tls(&gate);
        }
        // Malformed ones are counted by connection.
        if number % 12 == 11 {
            assert_eq!(peer.ask(&good)["status"], 200, "after {what}");
            peer = Peer::tls(&gate);
        }
    }
    assert_eq!(peer.ask(&good)["status"], 200);
    assert_eq!(gate.echo.requests() - before, cases.len() / 12 + 1, "a backend saw one of them");
}

#[test]
fn a_body_that_is_not_as_long_as_it_says_is_no_request() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut peer = Peer::tls(&gate);
    for (length, text) in [("3", "hello"), ("9", "hello"), ("0", "GET /admin HTTP/1.1\r\n\r\n")] {
        let fields =
            [&HEAD[1..], &[(":method", "POST"), ("authorization", &key), ("content-length", length)]]
                .concat();
        let stream = peer.begin(&fields, false);
        peer.run(&json!({ "do": "data", "stream": stream, "text": text, "end": true }));
        let answer = peer.wait(stream);
        // Nothing was waited for where nothing was announced, and nothing of it reaches a backend.
        let is_refused = answer["status"] != 200 || length == "0";
        assert!(is_refused && !answer["body"].as_str().unwrap().contains("admin"), "{length}: {answer}");
    }
    // The pooled connections are sound.
    for _ in 0..4 {
        let answer = peer.ask(&head(&key, &[]));
        assert_eq!(answer["status"], 200);
        assert_eq!(seen(&answer, "x-consumer-id").len(), 1);
    }
}

/// Frames that break a rule of the connection: it ends, with a word.
#[test]
fn what_breaks_the_rules_of_a_connection_ends_it() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let frame = |kind: u8, flags: u8, stream: u32, hex: &str| json!({ "do": "frame", "type": kind, "flags": flags, "stream": stream, "hex": hex });
    for (what, command) in [
        ("DATA on stream 0", frame(0, 0, 0, "00")),
        ("DATA on an idle stream", frame(0, 0, 5, "00")),
        ("HEADERS on stream 0", frame(1, 5, 0, "82")),
        ("HEADERS on an even stream", frame(1, 5, 2, "82")),
        ("HEADERS with a bad table index", frame(1, 5, 1, "ff80808008")),
        ("CONTINUATION of nothing", frame(9, 4, 1, "82")),
        ("RST_STREAM of an idle stream", frame(3, 0, 1, "00000008")),
        ("RST_STREAM too short", frame(3, 0, 1, "0000")),
        ("SETTINGS on a stream", frame(4, 0, 1, "")),
        ("SETTINGS with a word too many", frame(4, 0, 0, "00")),
        ("SETTINGS acknowledged with words", frame(4, 1, 0, "000100000000")),
        ("SETTINGS with a window too large", frame(4, 0, 0, "0004ffffffff")),
        ("SETTINGS with frames too small", frame(4, 0, 0, "000500000001")),
        ("PUSH_PROMISE by a client", frame(5, 4, 1, "0000000282")),
        ("PING too short", frame(6, 0, 0, "00")),
        ("PING on a stream", frame(6, 0, 1, "0000000000000000")),
        ("WINDOW_UPDATE of zero", frame(8, 0, 0, "00000000")),
        ("WINDOW_UPDATE beyond bounds", frame(8, 0, 0, "7fffffff")),
        ("a frame larger than agreed", json!({ "do": "raw", "hex": "00ffff000000000001" })),
        (
            "a head cut by another frame",
            json!({ "do": "raw", "hex": "0000010100000000018200000806000000000000000000000000 00".replace(' ', "") }),
        ),
    ] {
        let mut peer = Peer::tls(&gate);
        peer.run(&command);
        let outcome = peer.run(&json!({ "do": "gone" }));
        let is_told = outcome["goaway"].as_u64().is_some_and(|code| code > 0);
        assert!(is_told || outcome["closed"] == true, "{what}: {outcome}");
    }
    // Nobody else noticed.
    let key = bearer(&gate.issue(&["products:read"]));
    assert_eq!(Peer::tls(&gate).ask(&head(&key, &[]))["status"], 200);
}

#[test]
fn a_call_of_grpc_is_refused_in_its_own_words() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let limited = NewKeyOf { plan: "tiny", scopes: &["products:read"] }.issue(&gate);
    let poor = gate.issue(&["other:read"]);
    let ca = gate.dir.path().join("ca.pem");
    let target = format!("localhost:{}", gate.address.port());
    let call = |key: Option<&str>| {
        let known = [target.as_str(), ca.to_str().unwrap(), "/v1/products/Get"];
        let all: Vec<&str> = known.into_iter().chain(key).collect();
        python("grpc_client.py", &all)
    };
    for key in [None, Some("nonsense"), Some("acme_live_00000000000000000000000000000000000000")] {
        let said = call(key);
        assert!(said.starts_with("UNAUTHENTICATED 16 Unauthorized"), "{said}");
    }
    assert!(call(Some(poor.expose())).starts_with("PERMISSION_DENIED 7"));
    for _ in 0..2 {
        call(Some(&limited));
    }
    let said = call(Some(&limited));
    assert!(said.starts_with("RESOURCE_EXHAUSTED 8") && said.contains("retry-after"), "{said}");

    // Trailers only: one head that ends the stream, and the same one for everybody.
    let mut peer = Peer::tls(&gate);
    let fields = [("content-type", "application/grpc+proto"), ("te", "trailers")];
    let answers: Vec<Value> =
        ["Bearer a", "Bearer acme_live_x"].iter().map(|key| peer.ask(&head(key, &fields))).collect();
    for answer in &answers {
        assert_eq!((answer["status"].as_u64(), answer["size"].as_u64()), (Some(200), Some(0)), "{answer}");
        assert_eq!(header(answer, "grpc-status"), Some("16"));
        assert_eq!(header(answer, "content-type"), Some("application/grpc"));
        assert_eq!(answer["trailers"], json!([]));
    }
    // What only looks like one is no call.
    let answer = peer.ask(&head("Bearer a", &[("content-type", "application/grpcish")]));
    assert_eq!(answer["status"], 401);
}

struct NewKeyOf<'a> {
    plan: &'a str,
    scopes: &'a [&'a str],
}

impl NewKeyOf<'_> {
    fn issue(&self, gate: &Gate) -> String {
        let new = kgate::store::NewKey {
            plan: Some(self.plan.to_owned()),
            scopes: crate::harness::scopes_of(self.scopes),
            ..new_key(gate.consumer(&acme()))
        };
        gate.issue_key(&new).token.expose().to_owned()
    }
}

/// Caps small enough to reach, and how long a body may pause.
fn capped_gate(body_timeout: &str) -> Gate {
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let caps = "realm = \"acme\"\nmax_streams = 4\nmax_requests_per_connection = 20\nmax_body = \"64KiB\"\nmax_header_bytes = \"4KiB\"\nmax_header_fields = 30";
    let config = crate::harness::CONFIG
        .replace("proxy = [\"127.0.0.1:0\"]", &listen)
        .replace("realm = \"acme\"", &format!("{caps}\nbody_timeout = \"{body_timeout}\""));
    Gate::start_with(&config, |dir| {
        super::Office::open(dir).issue("server", "server", &["localhost"], 2100);
    })
}

#[test]
fn caps_hold_over_http2() {
    if is_quick() {
        return;
    }
    let gate = capped_gate("1min");
    let key = bearer(&gate.issue(&["products:read"]));
    let upload = [&HEAD[1..], &[(":method", "POST"), ("authorization", &key)]].concat();
    let mut peer = Peer::tls(&gate);

    // A body over the cap, declared and not.
    let stream = peer.begin(&[&upload[..], &[("content-length", "65537")]].concat(), false);
    let answer = peer.wait(stream);
    assert_eq!(answer["status"], 413, "{answer}");
    let stream = peer.begin(&upload, false);
    for _ in 0..5 {
        peer.run(&json!({ "do": "data", "stream": stream, "text": "x".repeat(16000), "patient": true }));
    }
    let answer = peer.wait(stream);
    assert!(answer["status"] == 413 || answer["reset"].is_number(), "{answer}");

    // Head and target.
    let long = "x".repeat(5000);
    let answer = peer.ask(&head(&key, &[("x-long", &long)]));
    assert!(answer["status"] == 431 || answer["reset"].is_number(), "{answer}");

    let names: Vec<String> = (0..40).map(|n| format!("x-{n}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    assert_eq!(peer.ask(&head(&key, &many))["status"], 431);

    // Streams at once, and requests in all.
    let mut peer = Peer::tls(&gate);
    let opened: Vec<u32> = (0..6).map(|_| peer.begin(&upload, false)).collect();
    for (number, stream) in opened.iter().enumerate() {
        let answer = if number < 4 {
            peer.run(&json!({ "do": "wait", "stream": stream, "seconds": 0.1 }))
        } else {
            peer.run(&json!({ "do": "until-reset", "stream": stream }))
        };
        let refused = if number < 4 { Value::Null } else { json!(7) };
        assert_eq!(answer["reset"], refused, "{number}: {answer}");
    }
    let mut peer = Peer::tls(&gate);
    for _ in 0..20 {
        assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
    }
    assert_eq!(peer.run(&json!({ "do": "gone" }))["goaway"], 0, "it ends with a good word");
}

#[test]
fn a_body_over_http2_that_stops_is_given_up() {
    if is_quick() {
        return;
    }
    let gate = capped_gate("300ms");
    let key = bearer(&gate.issue(&["products:read"]));
    let upload = [&HEAD[1..], &[(":method", "POST"), ("authorization", &key)]].concat();

    // A body that stops is given up, and nobody else with it.
    let mut peer = Peer::tls(&gate);
    let stream = peer.begin(&upload, false);
    let began = now();
    peer.run(&json!({ "do": "data", "stream": stream, "text": "half a bo" }));
    let answer = peer.wait(stream);
    assert!(answer["reset"].is_number() || answer["status"] == 408, "{answer}");
    assert!(now() - began < Duration::from_secs(20), "it is less than is usual");
    assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
    until("it is logged", || {
        gate.lines
            .all()
            .iter()
            .any(|line| line["reason"] == "cut_body_too_slow" || line["reason"] == "body_too_slow")
    });

    // Nor is it kept by who says it is a call of gRPC, where no backend takes one.
    let before = now();
    let as_call = [&upload[..], &[("content-type", "application/grpc"), ("te", "trailers")]].concat();
    let stream = peer.begin(&as_call, false);
    peer.run(&json!({ "do": "data", "stream": stream, "text": "half a bo" }));
    let answer = peer.wait(stream);
    assert!(answer["reset"].is_number() || header(&answer, "grpc-status").is_some(), "{answer}");
    assert!(now() - before < Duration::from_secs(20));
}

#[test]
fn who_leaves_before_the_answer_is_logged_all_the_same() {
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let ask =
        [&HEAD[..3], &[(":path", "/v1/products?delay=60000"), ("authorization", key.as_str())]].concat();
    let lines = || gate.lines.all();
    // The connection ends.
    let mut peer = Peer::tls(&gate);
    peer.begin(&ask, true);
    until("it was forwarded", || gate.echo.requests() == 1);
    drop(peer);
    until("it is logged", || lines().len() == 1);
    // Its stream is given up.
    let mut peer = Peer::tls(&gate);
    let stream = peer.begin(&ask, true);
    until("it was forwarded", || gate.echo.requests() == 2);
    peer.run(&json!({ "do": "frame", "type": 3, "stream": stream, "hex": "00000008" }));
    until("it is logged", || lines().len() == 2);
    for line in lines() {
        assert_eq!((&line["verdict"], &line["status"]), (&json!("allow"), &json!(0)), "{line}");
        assert_eq!((&line["route"], &line["reason"]), (&json!("products"), &Value::Null), "{line}");
    }
}

#[test]
fn a_key_in_the_place_of_the_method_goes_nowhere() {
    let gate = tls_gate(TLS, "");
    let token = gate.issue(&["products:read"]);
    let mut peer = Peer::tls(&gate);
    let answer = peer.ask(&[&HEAD[1..3], &[(":method", token.expose()), (":path", "/public/1")]].concat());
    assert_eq!(answer["status"], 400);
    until("it is logged", || gate.lines.all().len() == 1);
    assert_eq!(gate.lines.all()[0]["method"], "acme_live_[redacted]");
}

#[test]
fn floods_cost_their_connection_and_others_are_served() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let times = full_or(100_000, 4_000);
    let good = head(&key, &[]);
    let served = |what: &str| {
        let began = now();
        assert_eq!(Peer::tls(&gate).ask(&good)["status"], 200, "{what}");
        assert!(now() - began < PATIENCE / 2, "{what}");
    };
    // Rapid reset (CVE-2023-44487), by somebody with a good key.
    let mut peer = Peer::tls(&gate);
    let outcome = peer.run(&json!({ "do": "resets", "stream": 1, "times": times, "headers": good }));
    let outcome = if outcome["closed"] == true { outcome } else { peer.run(&json!({ "do": "gone" })) };
    assert!(outcome["closed"] == true || outcome["goaway"].as_u64() > Some(0), "{outcome}");
    served("rapid reset");

    // A head without end (CVE-2024-27316).
    let mut peer = Peer::tls(&gate);
    peer.run(&json!({ "do": "frame", "type": 1, "flags": 1, "stream": 1, "hex": "82" }));
    let field = "400161".to_owned() + "7f81" + "01" + &"61".repeat(256);
    peer.run(&json!({ "do": "frame", "type": 9, "flags": 0, "stream": 1, "hex": field, "times": times }));
    let outcome = peer.run(&json!({ "do": "gone" }));
    assert!(outcome["closed"] == true || outcome["goaway"].as_u64() > Some(0), "{outcome}");
    served("CONTINUATION");

    // A small head that unpacks to a large one: one long field, referred to again and again.
    let mut peer = Peer::tls(&gate);
    let long = "a".repeat(3000);
    let bomb: Vec<(&str, &str)> = [&good[..], &vec![("x-bomb", long.as_str()); 4000]].concat();
    let stream = peer.begin(&bomb, true);
    let answer = peer.wait(stream);
    assert!(
        answer["status"] == 431
            || answer["reset"].is_number()
            || answer["closed"] == true
            || answer["goaway"].as_u64() > Some(0),
        "{:.300}",
        answer.to_string()
    );
    served("HPACK bomb");

    // Questions whose answers nobody reads, and settings without end.
    for (what, kind, hex) in [
        ("PING", 6, "0000000000000000"),
        ("SETTINGS", 4, "000300000064"),
        ("empty DATA", 0, ""),
        ("PRIORITY", 2, "0000000000"),
        ("unknown frames", 99, "00"),
    ] {
        let mut peer = Peer::tls(&gate);
        let stream = if kind == 0 {
            peer.begin(&[&HEAD[1..], &[(":method", "POST"), ("authorization", &key)]].concat(), false)
        } else {
            0
        };
        let stream = if kind == 2 { 3 } else { stream };
        peer.run(&json!({ "do": "frame", "type": kind, "stream": stream, "hex": hex, "times": times, "listen": true }));
        served(what);
    }

    // A window of nothing: the answer waits, and is given up.
    let mut peer = Peer::tls_with(&gate, &json!([[4, 0]]));
    for _ in 0..50 {
        peer.begin(&good, true);
    }
    served("zero windows");
}

#[test]
fn a_stream_of_a_revoked_key_is_cut_and_its_neighbours_go_on() {
    if is_quick() {
        return;
    }
    let backend = crate::live::backend();
    let route = format!(
        "\n[[upstream]]\nname = \"live\"\nservers = [\"{backend}\"]\n\
         [[route]]\nname = \"live\"\npath = \"/live/**\"\nupstream = \"live\"\n"
    );
    let gate = tls_gate(TLS, &route);
    let consumer = gate.consumer(&acme());
    let spared = gate.issue_to(consumer, &[]);
    let mut peer = Peer::tls(&gate);
    let events = |key: &str| -> Vec<(String, String)> {
        let path = (":path".to_owned(), "/live/events".to_owned());
        let rest = HEAD[..3].iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
        rest.chain([path, ("authorization".to_owned(), key.to_owned())]).collect()
    };
    let begin = |peer: &mut Peer, key: &str| {
        let all = events(key);
        let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let stream = peer.begin(&all, true);
        assert_eq!(peer.run(&json!({ "do": "head", "stream": stream }))["status"], 200);
        stream
    };
    let b = begin(&mut peer, &bearer(&spared.token));
    let is_cut_in_time = |peer: &mut Peer| {
        let doomed = gate.issue_to(consumer, &[]);
        let a = begin(peer, &bearer(&doomed.token));
        let revoked = now();
        gate.revoke(doomed.record.id);
        let cut = peer.wait(a);
        assert!(cut["reset"].is_number() && cut["end"] == false, "{cut}");
        now() - revoked < Duration::from_secs(5) + Duration::from_secs(1)
    };
    // A machine that stands still is late once.
    assert!((0..3).any(|_| is_cut_in_time(&mut peer)), "it took too long each time");
    let size = |peer: &mut Peer| peer.run(&json!({ "do": "listen", "stream": b, "seconds": 0.3 }));
    let before = size(&mut peer);
    until("it goes on", || {
        let after = size(&mut peer);
        assert_eq!((&after["reset"], &after["end"]), (&Value::Null, &json!(false)), "{after}");
        after["size"].as_u64() > before["size"].as_u64()
    });
    until("it is logged", || gate.lines.all().iter().any(|line| line["reason"] == "cut_revoked"));
    let line = gate.lines.all().into_iter().find(|line| line["reason"] == "cut_revoked").unwrap();
    assert_eq!((&line["status"], &line["route"]), (&json!(200), &json!("live")), "what went out: {line}");
    assert!(line["bytes_out"].as_u64() >= Some(9), "{line}");
    let counted = "kgate_requests_total{code=\"200\",route=\"live\",verdict=\"allowed\"}";
    until("it is counted", || gate.count(counted) > 0.9);
}

#[test]
fn clear_text_http2_is_for_unix_sockets_and_trusted_listeners() {
    if is_quick() {
        return;
    }
    let listen = "proxy = [{ address = \"127.0.0.1:0\", h2c = true, trusted = true }, \"unix:k.sock\"]";
    let gate = Gate::start(&crate::harness::CONFIG.replace("proxy = [\"127.0.0.1:0\"]", listen));
    let key = bearer(&gate.issue(&["products:read"]));
    let port = gate.address.port().to_string();
    let socket = gate.dir.path().join("k.sock");
    for arguments in [&["tcp", "127.0.0.1", &port][..], &["unix", socket.to_str().unwrap()]] {
        let mut peer = Peer::open(arguments);
        let answer = peer.ask(&head(&key, &[]));
        assert_eq!(answer["status"], 200, "{arguments:?}");
        assert_eq!(seen(&answer, "x-forwarded-proto"), ["http"]);
        assert_eq!(seen(&answer, "x-consumer-id").len(), 1);
        assert_eq!(peer.ask(&HEAD)["status"], 401);
    }
    // HTTP/1.1 beside it, and what begins like HTTP/2 and is not.
    let token = key.strip_prefix("Bearer ").unwrap();
    let answer =
        gate.send(format!("GET /v1/products HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
    assert_eq!(answer.status, 200);
    assert_eq!(gate.send("PRI * HTTP/2.0\r\n\r\nSN\r\n\r\n").status, 400);
    drop(gate);

    // Who stops in its first words is told as where there is no HTTP/2.
    let gate = Gate::start(
        &crate::harness::CONFIG
            .replace("proxy = [\"127.0.0.1:0\"]", listen)
            .replace("realm = \"acme\"", "realm = \"acme\"\nheader_timeout = \"1s\""),
    );
    for begin in ["GE", "PRI * HT"] {
        assert_eq!(gate.send(begin).status, 408, "{begin}");
    }
    assert!(gate.connect().is_closed(), "who says nothing hears nothing");

    let plain = Gate::start(crate::harness::CONFIG);
    assert_eq!(plain.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status, 400, "not where nobody said so");
}

#[test]
fn over_http2_too_a_store_that_is_gone_serves_nobody() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut peer = Peer::tls(&gate);
    assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
    std::fs::remove_file(gate.loaded.config.data_dir.join(kgate::store::STORE_FILE)).unwrap();
    until("nobody is served", || peer.ask(&head(&key, &[]))["status"] == 503);
    for _ in 0..10 {
        let answer = peer.ask(&head(&key, &[]));
        assert_eq!((answer["status"].as_u64(), header(&answer, "retry-after")), (Some(503), Some("1")));
        let answer = peer.ask(&head(&key, &[("content-type", "application/grpc")]));
        assert_eq!(header(&answer, "grpc-status"), Some("14"), "{answer}");
    }
}

/// Pingora refuses some itself, before any hook: they are counted and logged all the same.
#[test]
fn what_the_protocol_itself_refuses_is_logged() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut peer = Peer::tls(&gate);
    let nameless = [&HEAD[..2], &HEAD[3..]].concat();
    let evil = head(&key, &[("host", "evil.example")]);
    for (number, fields) in [&evil, &nameless].into_iter().enumerate() {
        let answer = peer.ask(fields);
        assert!(answer["reset"].is_number() || answer["status"] == 400, "{answer}");
        until("it is logged", || gate.lines.all().len() > number);
        let line = &gate.lines.all()[number];
        assert_eq!((&line["status"], &line["reason"]), (&json!(400), &json!("malformed_header")), "{line}");
        assert_eq!(line["client"], "127.0.0.1");
    }
    // Who sends nothing else is no longer listened to.
    let is_over = (0..40).any(|_| {
        let answer = peer.ask(&nameless);
        answer["closed"] == true || answer["goaway"].is_number()
    });
    assert!(is_over);
}

#[test]
fn who_asks_nothing_over_http2_is_let_go_in_time() {
    if is_quick() {
        return;
    }
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let times = "realm = \"acme\"\nheader_timeout = \"300ms\"\nidle_timeout = \"3s\"";
    let config = crate::harness::CONFIG
        .replace("proxy = [\"127.0.0.1:0\"]", &listen)
        .replace("realm = \"acme\"", times);
    let gate = Gate::start_with(&config, |dir| {
        super::Office::open(dir).issue("server", "server", &["localhost"], 2100);
    });
    let key = bearer(&gate.issue(&["products:read"]));
    // Agreed on HTTP/2, and then not a byte of it.
    let began = now();
    let silent = super::tls_client_of(&gate, "localhost", None, &[b"h2"]).unwrap();
    silent.rest();
    assert!(now() - began < Duration::from_secs(9), "it is less than is usual");
    // Greeted, and no more; or one request, and no more.
    for requests in [0, 1] {
        let began = now();
        let mut peer = Peer::tls(&gate);
        for _ in 0..requests {
            assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
        }
        let outcome = peer.run(&json!({ "do": "gone", "seconds": 30 }));
        assert!(outcome["closed"] == true || outcome["goaway"] == 0, "{outcome}");
        assert!(now() - began >= Duration::from_secs(3), "not before its time");
    }
}

#[test]
fn draining_answers_what_was_asked_over_http2_and_says_that_it_was_the_last() {
    if is_quick() {
        return;
    }
    let mut gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut idle = Peer::tls(&gate);
    assert_eq!(idle.ask(&head(&key, &[]))["status"], 200);
    let (mut busy, mut deaf) = (Peer::tls(&gate), Peer::tls(&gate));
    let asks = [&HEAD[..3], &[(":path", "/v1/products?delay=5000"), ("authorization", &key)]].concat();
    let stream = busy.begin(&asks, true);
    let unheard = deaf.begin(&asks, true);
    // The first one, too, is in flight until a moment after its answer.
    until("both are in work", || gate.echo.requests() == 3);
    gate.stop(Stop::Draining);
    let began = now();
    // Until it is closed.
    let outcome = idle.run(&json!({ "do": "listen", "seconds": 20 }));
    assert_eq!((outcome["goaway"].as_u64(), &outcome["closed"]), (Some(0), &json!(true)));
    let answer = busy.wait(stream);
    assert_eq!((answer["status"].as_u64(), answer["goaway"].as_u64()), (Some(200), Some(0)), "{answer}");
    assert_eq!(busy.run(&json!({ "do": "listen", "seconds": 20 }))["closed"], true);
    // Who did not look meanwhile, and so has not said that it heard of the end, has its answer, too.
    assert_eq!(deaf.wait(unheard)["status"], 200);
    gate.wait();
    assert!(now() - began < PATIENCE / 2, "nobody is waited for");
}

/// A client of HTTP/2 says that it heard of the end. One that does not may be gone, or mean to stay.
#[test]
fn who_does_not_hear_that_it_is_time_to_drain_is_not_waited_for() {
    if is_quick() {
        return;
    }
    let mut gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let (mut silent, mut deaf) = (Peer::tls(&gate), Peer::tls(&gate));
    for peer in [&mut silent, &mut deaf] {
        assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
    }
    gate.stop(Stop::Draining);
    // It asks on and on, and looks at nothing.
    let began = now();
    while deaf.run(&json!({ "do": "rest", "seconds": 0.1 }))["closed"] != true {
        assert!(now() - began < PATIENCE, "it may go on for ever");
        deaf.begin(&head(&key, &[]), true);
    }
    gate.wait();
    assert!(now() - began < PATIENCE / 2, "nor as long as a connection may be idle");
    drop(silent);
}

#[test]
fn who_sends_a_body_byte_by_byte_over_http2_is_refused() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut peer = Peer::tls(&gate);
    let upload = [&HEAD[1..], &[(":method", "POST"), ("authorization", &key)]].concat();
    let (began, mut answer) = (now(), json!({}));
    let stream = peer.begin(&upload, false);
    // Never a pause that is too long, and never fast enough.
    while now() - began < PATIENCE && !(answer["status"] == 408 || answer["reset"].is_number()) {
        peer.run(&json!({ "do": "data", "stream": stream, "text": "x" }));
        answer = peer.run(&json!({ "do": "wait", "stream": stream, "seconds": 0.2 }));
    }
    until("it is refused", || gate.lines.all().iter().any(|line| line["reason"] == "body_too_slow"));
    assert!(now() - began > Duration::from_secs(9), "not before its time");
}

/// A backend that answers before it has read a body, and reads it then.
fn eager(answer: &'static str) -> std::net::SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let _ = std::io::Read::read(&mut stream, &mut [0; 4096]);
                let _ = stream.write_all(answer.as_bytes());
                std::io::copy(&mut stream, &mut std::io::sink())
            });
        }
    });
    address
}

/// A backend may answer before it has read a body, which may go on then, and be as long without a pause as before.
#[test]
fn who_has_the_answer_over_http2_and_never_ends_the_body_is_let_go() {
    if is_quick() {
        return;
    }
    let single = "\n[plans.single]\nlimits = [{ name = \"single\", concurrent = 1 }]\n";
    // All the pauses together are too long, and none of them is, though the machine stands still for a while.
    let is_let_go = |answer: &str| {
        let backend = eager(format!("HTTP/1.1 {answer}").leak()).to_string();
        let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
        let config = crate::harness::CONFIG
            .replace("proxy = [\"127.0.0.1:0\"]", &listen)
            .replace("realm = \"acme\"", "realm = \"acme\"\nbody_timeout = \"5s\"\nmin_body_rate = 0")
            .replace("{echo}", &backend);
        let gate = Gate::start_with(&(config + single), |dir| {
            super::Office::open(dir).issue("server", "server", &["localhost"], 2100);
        });
        let scopes = scopes_of(&["products:read"]);
        let single = Some("single".to_owned());
        let new = NewKey { plan: single, scopes, ..new_key(gate.consumer(&acme())) };
        let key = bearer(&gate.issue_key(&new).token);
        let mut peer = Peer::tls(&gate);
        let upload = [&HEAD[1..], &[(":method", "POST"), ("authorization", &key)]].concat();
        let stream = peer.begin(&upload, false);
        let more = json!({ "do": "data", "stream": stream, "text": "x" });
        peer.run(&more);
        let answer = peer.run(&json!({ "do": "head", "stream": stream }));
        let status = answer["status"].as_u64().unwrap();
        assert!([200, 204].contains(&status), "{answer}");
        // What goes on is not cut, and is in work.
        for _ in 0..6 {
            peer.run(&json!({ "do": "listen", "seconds": 1 }));
            peer.run(&more);
        }
        assert_eq!(peer.ask(&head(&key, &[]))["status"], 429, "{status}");
        let ended = peer.run(&json!({ "do": "until-reset", "stream": stream }));
        assert!(ended["reset"].is_number(), "{ended}");
        assert_eq!(peer.ask(&head(&key, &[]))["status"], status);
        until("it is logged", || gate.lines.all().iter().any(|line| line["reason"] == "body_too_slow"));
    };
    std::thread::scope(|scope| {
        scope.spawn(|| is_let_go("200 OK\r\nContent-Length: 2\r\n\r\nok"));
        scope.spawn(|| is_let_go("204 No Content\r\n\r\n"));
    });
}

#[test]
fn who_grants_no_window_over_http2_is_given_up_in_time() {
    if is_quick() {
        return;
    }
    let gate = capped_gate("300ms");
    let key = bearer(&gate.issue(&["products:read"]));
    let mut peer = Peer::tls_with(&gate, &json!([[4, 0]]));
    let began = now();
    let stream = peer.begin(&head(&key, &[]), true);
    let answer = peer.wait(stream);
    assert!(answer["reset"].is_number() || answer["closed"] == true, "{answer}");
    assert!(now() - began < Duration::from_secs(20), "it is less than is usual");
    until("it is done with", || gate.gateway.in_flight() == 0);
}

/// What was on its way when a stream was refused is no fault of the client's: others may share the connection.
#[test]
fn who_is_refused_while_sending_bodies_keeps_the_connection() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let upload = [&HEAD[1..], &[(":method", "POST"), ("authorization", "Bearer x")]].concat();
    let mut peer = Peer::tls(&gate);
    for round in 0..400 {
        let began = now();
        let stream = peer.begin(&upload, false);
        let answer = peer.run(&json!({ "do": "head", "stream": stream }));
        assert_eq!(answer["status"], 401, "round {round}: {answer}");
        for end in [false, false, true] {
            peer.run(&json!({ "do": "data", "stream": stream, "text": "late", "end": end }));
        }
        let answer = peer.wait(stream);
        assert_eq!(answer["goaway"], Value::Null, "round {round}: {answer}");
        // One that does not come in a second is not waited for: then the machine stood still.
        let is_late = now() - began >= Duration::from_secs(1);
        assert!(answer["reset"].is_null() || is_late, "round {round}: {answer}");
    }
    // A long one is not worth reading, and one that does not come is waited for no longer than a second.
    let mut resets_after = |pieces: usize| {
        let stream = peer.begin(&upload, false);
        assert_eq!(peer.run(&json!({ "do": "head", "stream": stream }))["status"], 401);
        let began = now();
        let piece = json!({ "do": "data", "stream": stream, "text": "x".repeat(16_000), "patient": true });
        for _ in 0..pieces {
            peer.run(&piece);
        }
        let answer = peer.run(&json!({ "do": "until-reset", "stream": stream }));
        assert!(answer["reset"].is_number(), "{pieces}: {answer}");
        now() - began
    };
    assert!(resets_after(1) < PATIENCE / 2);
    assert!(
        (0..60).any(|_| resets_after(5) < Duration::from_millis(700)),
        "it is read to the end of its time"
    );
    let key = bearer(&gate.issue(&["products:read"]));
    assert_eq!(peer.ask(&head(&key, &[]))["status"], 200);
}
/// What was answered is in work no more, though the rest of its body is read for a while.
#[test]
fn who_got_an_answer_while_sending_a_body_may_ask_again() {
    if is_quick() {
        return;
    }
    let nobody = free_port();
    let gone = format!(
        "\n[plans.single]\nlimits = [{{ name = \"single\", concurrent = 1 }}]\n\n[[upstream]]\nname = \"gone\"\n\
         servers = [\"{nobody}\"]\n\n[[route]]\nname = \"gone\"\npath = \"/gone/**\"\nupstream = \"gone\"\n"
    );
    let gate = tls_gate(TLS, &gone);
    let new = NewKey { plan: Some("single".to_owned()), ..new_key(gate.consumer(&acme())) };
    let key = bearer(&gate.issue_key(&new).token);
    let mut peer = Peer::tls(&gate);
    let posts: Vec<_> = head(&key, &[])
        .into_iter()
        .map(|(name, value)| match name {
            ":method" => (name, "POST"),
            ":path" => (name, "/gone/a"),
            _ => (name, value),
        })
        .collect();
    for _ in 0..3 {
        let stream = peer.begin(&posts, false);
        peer.run(&json!({ "do": "data", "stream": stream, "text": "abc" }));
        assert_eq!(peer.wait(stream)["status"], 502);
    }
}

#[test]
fn who_breaks_the_rules_of_streams_again_and_again_is_let_go() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let bad = head(&key, &[("connection", "close")]);
    let mut peer = Peer::tls(&gate);
    let ended = (1..=1200).find(|_| {
        let answer = peer.ask(&bad);
        answer["closed"] == true || answer["goaway"].is_number()
    });
    assert!(ended.is_some_and(|count| count > 1000), "a fault now and then is no attack: {ended:?}");
    assert_eq!(gate.echo.requests(), 0);
}

/// A window without bounds, and a client that reads nothing: what is written for it waits for so long and no longer.
#[test]
fn who_reads_nothing_over_http2_is_let_go_in_time() {
    if is_quick() {
        return;
    }
    let gate = capped_gate("300ms");
    let key = bearer(&gate.issue(&["products:read"]));
    let open = || gate.gateway.connections().map(|(_, open)| open).sum::<u64>();
    for what in ["answers", "PING"] {
        let mut peer = Peer::tls_with(&gate, &json!([[4, 0x7fff_ffff]]));
        let began = now();
        if what == "answers" {
            peer.run(&json!({ "do": "frame", "type": 8, "hex": "7fff0000" }));
            let asks =
                [&HEAD[..3], &[(":path", "/v1/products?bytes=40000000"), ("authorization", key.as_str())]];
            peer.begin(&asks.concat(), true);
        } else {
            peer.run(&json!({ "do": "frame", "type": 6, "hex": "0000000000000000", "times": 2_000_000 }));
        }
        until("it is let go", || open() == 0);
        assert!(now() - began < Duration::from_secs(45), "{what}: long before it is idle");
    }
}

#[test]
fn who_gives_up_what_it_asked_again_and_again_is_let_go() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let key = bearer(&gate.issue(&["products:read"]));
    let asks = [&HEAD[..3], &[(":path", "/v1/products?delay=60000"), ("authorization", &key)]].concat();
    let mut peer = Peer::tls(&gate);
    // Each is judged and forwarded: to the protocol alone that is no flood.
    let given_up = (1..=1_000).find(|count| {
        let stream = peer.begin(&asks, true);
        let is_closed =
            |peer: &mut Peer| peer.run(&json!({ "do": "listen", "seconds": 0.01 }))["closed"] == true;
        until("it was forwarded, or nobody listens", || {
            gate.echo.requests() == *count || is_closed(&mut peer)
        });
        peer.run(&json!({ "do": "frame", "type": 3, "stream": stream, "hex": "00000008" }));
        peer.run(&json!({ "do": "listen", "seconds": 0.01 }))["closed"] == true
    });
    assert!(given_up.is_some_and(|count| count > 128), "a page that is left gives up many: {given_up:?}");
    until("it is counted", || gate.count("kgate_connection_faults_total{fault=\"abuse\"}") == 1.0);
}
