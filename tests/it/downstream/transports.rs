//! The promises, over everything that carries a request: one table, with curl as the client.

use std::collections::BTreeMap;

use kgate::store::STORE_FILE;

use super::{Office, TLS, run};
use crate::harness::{CONFIG, Gate, acme, is_quick, until};

/// What carries a request: its name, which listener it goes to, and what curl is told.
struct Transport {
    name: &'static str,
    place: Place,
    how: &'static [&'static str],
}

/// A listener of [`gate`].
#[derive(Clone, Copy)]
enum Place {
    Plain,
    Tls,
    Announced,
    AnnouncedTls,
    Unix,
}

const WEBSOCKET: [&str; 8] = [
    "-H",
    "Connection: Upgrade",
    "-H",
    "Upgrade: websocket",
    "-H",
    "Sec-WebSocket-Version: 13",
    "-H",
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
];

const GRPC: [&str; 7] =
    ["--http2", "-X", "POST", "-H", "Content-Type: application/grpc", "-H", "TE: trailers"];

const ALL: &[Transport] = &[
    Transport { name: "HTTP/1.1", place: Place::Plain, how: &["--http1.1"] },
    Transport { name: "HTTP/2 in clear text", place: Place::Plain, how: &["--http2-prior-knowledge"] },
    Transport { name: "WebSocket", place: Place::Plain, how: &WEBSOCKET },
    Transport { name: "TLS", place: Place::Tls, how: &["--http1.1"] },
    Transport { name: "HTTP/2", place: Place::Tls, how: &["--http2"] },
    Transport { name: "gRPC", place: Place::Tls, how: &GRPC },
    Transport { name: "PROXY", place: Place::Announced, how: &["--haproxy-protocol"] },
    Transport { name: "PROXY, TLS", place: Place::AnnouncedTls, how: &["--haproxy-protocol", "--http1.1"] },
    Transport { name: "PROXY, HTTP/2", place: Place::AnnouncedTls, how: &["--haproxy-protocol", "--http2"] },
    Transport { name: "Unix socket", place: Place::Unix, how: &["--http1.1"] },
    Transport { name: "Unix socket, HTTP/2", place: Place::Unix, how: &["--http2-prior-knowledge"] },
    Transport { name: "Unix socket, WebSocket", place: Place::Unix, how: &WEBSOCKET },
];

fn gate() -> Gate {
    let listen = format!(
        "proxy = [{{ address = \"127.0.0.1:0\", h2c = true, trusted = true }}, \
         {{ address = \"127.0.0.2:0\", tls = {{ {TLS} }} }}, \
         {{ address = \"127.0.0.3:0\", proxy_protocol = [\"127.0.0.0/8\"] }}, \
         {{ address = \"127.0.0.4:0\", tls = {{ {TLS} }}, proxy_protocol = [\"127.0.0.0/8\"] }}, \"unix:k.sock\"]"
    );
    let caps =
        "realm = \"acme\"\nmax_header_bytes = \"8KiB\"\nmax_url_bytes = \"4KiB\"\nmax_body = \"64KiB\"";
    let config = CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen).replace("realm = \"acme\"", caps);
    Gate::start_with(&config, |dir| Office::open(dir).issue("server", "server", &["localhost"], 2100))
}

/// An answer: its status, that of gRPC in the place of 200 if it has one, its fields and its body.
struct Answer {
    status: u16,
    fields: BTreeMap<String, String>,
    body: String,
}

impl Answer {
    /// What all who are refused must see alike.
    fn looks(&self) -> String {
        let id = &self.fields["x-request-id"];
        let fields = self.fields.iter().filter(|(name, _)| *name != "date");
        let all: String = fields.map(|(name, value)| format!("{name}: {value}\n")).collect();
        format!("{}\n{all}\n{}", self.status, self.body).replace(id, "ID")
    }
}

impl Transport {
    fn ask(&self, gate: &Gate, path: &str, key: &str, more: &[&str]) -> Answer {
        let dir = gate.dir.path();
        let (ca, socket) = (dir.join("ca.pem"), dir.join("k.sock"));
        let (at, scheme) = match self.place {
            Place::Plain => (Some(0), "http"),
            Place::Tls => (Some(1), "https"),
            Place::Announced => (Some(2), "http"),
            Place::AnnouncedTls => (Some(3), "https"),
            Place::Unix => (None, "http"),
        };
        let (url, place) = match at.map(|at| gate.addresses[at]) {
            Some(at) => {
                let port = at.port();
                (format!("{scheme}://localhost:{port}{path}"), format!("localhost:{port}:{}", at.ip()))
            }
            None => (format!("{scheme}://localhost{path}"), "localhost:80:127.0.0.1".to_owned()),
        };
        let key = format!("Authorization: Bearer {key}");
        let mut all = vec![
            "-sS",
            "-i",
            "--resolve",
            &place,
            "--max-time",
            "60",
            "--cacert",
            ca.to_str().unwrap(),
            "-H",
            &key,
        ];
        if at.is_none() {
            all.extend(["--unix-socket", socket.to_str().unwrap()]);
        }
        all.extend(self.how.iter().chain(more));
        all.push(&url);
        let said = run("curl", &all);
        let (head, body) = said.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{}: {said}", self.name));
        let mut lines = head.lines();
        let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
        let fields: BTreeMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        Answer { status, fields, body: body.to_owned() }
    }

    /// Says whether an answer is a refusal of this status, or of what gRPC has for it.
    fn is_refused(&self, answer: &Answer, status: u16, call: &str) -> bool {
        let is_call = self.name == "gRPC";
        let code = answer.fields.get("grpc-status").map(String::as_str);
        if is_call {
            answer.status == 200 && code == Some(call)
        } else {
            answer.status == status && code.is_none()
        }
    }
}

/// P5, P1, P3 and P8, then P4, which ends the store.
#[test]
fn every_promise_holds_over_every_transport() {
    if is_quick() {
        return;
    }
    let gate = gate();
    let consumer = gate.consumer(&acme());
    let good = gate.issue_to(consumer, &["products:read"]).token;
    let path = "/v1/products/1";
    for transport in ALL {
        let Transport { name, .. } = transport;
        // Nothing a client claims, one of everything, and no key.
        let claims = [
            "-H",
            "X-Consumer-Id: EVIL",
            "-H",
            "x_consumer_id: EVIL",
            "-H",
            "X-Consumer-Scopes: EVIL",
            "-H",
            "X-Kgate-Secret: EVIL",
            "-H",
            "X-Key-Id;",
            "-H",
            "x.consumer.name: EVIL",
        ];
        let answer = transport.ask(&gate, path, good.expose(), &claims);
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        let seen: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
        let values = |wanted: &str| -> Vec<String> {
            let canonical = |text: &str| text.to_lowercase().replace(['_', '.'], "-");
            let pairs = seen["headers"].as_array().unwrap().iter();
            let named = pairs.filter(|pair| canonical(pair[0].as_str().unwrap()) == wanted);
            named.map(|pair| pair[1].as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(values("x-consumer-id"), [consumer.to_string()], "{name}");
        assert_eq!(values("x-consumer-scopes"), ["products:read"], "{name}");
        assert_eq!(values("authorization"), [""; 0], "{name}");
        assert!(
            !answer.body.contains("EVIL") && !answer.body.contains(good.expose()),
            "{name}: {}",
            answer.body
        );

        // The next request after a change, and one look for all who are refused.
        let doomed = gate.issue_to(consumer, &["products:read"]);
        assert_eq!(transport.ask(&gate, path, doomed.token.expose(), &[]).status, 200, "{name}");
        gate.revoke(doomed.record.id);
        let refused = transport.ask(&gate, path, doomed.token.expose(), &[]);
        assert!(transport.is_refused(&refused, 401, "16"), "{name}: {}", refused.looks());
        let disabled = gate.issue_to(consumer, &["products:read"]);
        gate.store.disable_key(disabled.record.id, &crate::harness::act()).unwrap();
        let unknown = kgate::key::Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
        for key in [disabled.token.expose(), unknown.expose(), "acme_live_x"] {
            assert_eq!(transport.ask(&gate, path, key, &[]).looks(), refused.looks(), "{name}");
        }

        // What is too much is not kept.
        let (long, field) =
            (format!("/v1/products/{}", "a".repeat(5000)), format!("X-Long: {}", "a".repeat(7000)));
        let body = "a".repeat(70_000);
        let too_long = transport.ask(&gate, &long, good.expose(), &[]);
        assert!(transport.is_refused(&too_long, 414, "8"), "{name}: {}", too_long.looks());
        let twice = format!("{field}\r\nX-Longer: {}", "a".repeat(7000));
        let more = ["-H", &field, "-H", twice.split_once("\r\n").unwrap().1];
        let too_large = transport.ask(&gate, path, good.expose(), &more);
        // HTTP/2 answers before anybody knows that it is a call.
        assert!(
            too_large.status == 431 || transport.is_refused(&too_large, 431, "8"),
            "{name}: {}",
            too_large.status
        );
        // curl takes the reset of the rest of a body for a failure, whatever was answered: over HTTP/2
        // `caps_hold_over_http2` sees to it.
        if transport.how.contains(&"--http1.1") {
            let too_big =
                transport.ask(&gate, path, good.expose(), &["-H", "Expect:", "--data-binary", &body]);
            assert!(transport.is_refused(&too_big, 413, "8"), "{name}: {}", too_big.looks());
        }
    }
    std::fs::remove_file(gate.loaded.config.data_dir.join(STORE_FILE)).unwrap();
    for transport in ALL {
        until("nobody is served", || {
            transport.is_refused(&transport.ask(&gate, path, good.expose(), &[]), 503, "14")
        });
    }
}
