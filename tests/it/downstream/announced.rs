//! The PROXY protocol: whose word counts, and what becomes of connections without it.

use std::time::Duration;

use kgate::store::NewKey;

use super::{TLS, run, tls_gate};
use crate::harness::{CONFIG, Client, Gate, acme, is_quick, new_key, now, request, until};

/// A gate to which loopback announces its connections.
fn gate(sources: &str) -> Gate {
    let listen = format!(
        "proxy = [{{ address = \"127.0.0.1:0\", proxy_protocol = [{sources}] }}, \
         {{ address = \"unix:k.sock\", proxy_protocol = [\"unix\"] }}]"
    );
    Gate::start(&CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen))
}

const V4: &str = "PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\r\n";

fn v2(address: [u8; 4]) -> Vec<u8> {
    let rest = [&address[..], &[203, 0, 113, 1, 0xdc, 4, 1, 0xbb]].concat();
    [&b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..], &rest].concat()
}

#[test]
fn an_announced_client_is_who_calls() {
    let gate = gate("\"127.0.0.0/8\"");
    let networks = ["192.0.2.0/24".parse().unwrap()].into_iter().collect();
    let bound = gate.issue_key(&NewKey {
        networks,
        scopes: crate::harness::scopes_of(&["products:read"]),
        ..new_key(gate.consumer(&acme()))
    });
    let ask = |mut client: Client, announcement: &[u8]| {
        client.send([announcement, request("GET", "/v1/products", &bound.token).as_bytes()].concat());
        client.try_answer()
    };
    let unix = || Client::unix(&gate.dir.path().join("k.sock"));
    for announcement in [V4.as_bytes().to_vec(), v2([192, 0, 2, 7])] {
        for client in [gate.connect(), unix()] {
            let answer = ask(client, &announcement).unwrap();
            assert_eq!(answer.status, 200);
            assert_eq!(answer.seen("x-forwarded-for"), ["192.0.2.7"]);
        }
    }
    assert_eq!(ask(gate.connect(), &v2([198, 51, 100, 1])).unwrap().status, 403);
    // Whom the balancer cannot name has no address, and gets nowhere with such a key.
    for announcement in ["PROXY UNKNOWN\r\n", "PROXY UNKNOWN 192.0.2.7 192.0.2.7 1 2\r\n"] {
        assert_eq!(ask(gate.connect(), announcement.as_bytes()).unwrap().status, 403);
    }
    // The balancer itself, looking whether we live.
    assert_eq!(ask(gate.connect(), b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").unwrap().status, 403);
    // Who should announce and does not, or does it wrongly, is not listened to.
    for bad in ["", "PROXY TCP4 192.0.2.7\r\n", "PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\n"] {
        assert!(ask(gate.connect(), bad.as_bytes()).is_none(), "{bad:?}");
    }
    until("they are counted", || gate.count("kgate_connection_faults_total{fault=\"announcement\"}") >= 3.0);
}

#[test]
fn whom_a_balancer_cannot_name_is_not_trusted_as_a_socket_is() {
    let listen =
        "proxy = [{ address = \"127.0.0.1:0\", proxy_protocol = [\"127.0.0.0/8\"] }, \"unix:k.sock\"]";
    let gate = Gate::start(
        &CONFIG
            .replace("proxy = [\"127.0.0.1:0\"]", listen)
            .replace("[server]", "[server]\ntrusted_proxies = [\"unix\"]"),
    );
    let ask = |mut client: Client, announcement: &str| {
        client.send(
            announcement.to_owned()
                + "GET /public/1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.9\r\n\r\n",
        );
        client.answer()
    };
    let socket = ask(Client::unix(&gate.dir.path().join("k.sock")), "");
    assert_eq!(socket.seen("x-forwarded-for"), ["192.0.2.9"]);
    let unknown = ask(gate.connect(), "PROXY UNKNOWN\r\n");
    assert_eq!((unknown.status, unknown.seen("x-forwarded-for")), (200, Vec::new()));
}

/// Half a header, or none: who announces has as long as a handshake may take.
#[test]
fn an_announcement_that_does_not_come_ends_the_connection() {
    let listen = "proxy = [{ address = \"127.0.0.1:0\", proxy_protocol = [\"127.0.0.0/8\"] }]";
    let caps = "realm = \"acme\"\nhandshake_timeout = \"1s\"";
    let gate =
        Gate::start(&CONFIG.replace("proxy = [\"127.0.0.1:0\"]", listen).replace("realm = \"acme\"", caps));
    let began = now();
    for part in [&b""[..], b"PROXY TCP4 192.0.2.7 ", b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0"] {
        let mut client = gate.connect();
        client.send(part);
        assert!(client.is_closed(), "{}", part.escape_ascii());
    }
    assert!(now() - began >= Duration::from_secs(3), "each had its time");
    until("they are counted", || gate.count("kgate_connection_faults_total{fault=\"announcement\"}") == 3.0);
}

#[test]
fn a_stranger_announces_nobody() {
    let gate = gate("\"192.0.2.0/24\"");
    let token = gate.issue(&["products:read"]);
    let answer = gate.send(V4.to_owned() + &request("GET", "/v1/products", &token));
    assert_eq!(answer.status, 400);
    let answer =
        gate.send([&v2([192, 0, 2, 7])[..], request("GET", "/v1/products", &token).as_bytes()].concat());
    assert_eq!(answer.status, 400);
    let answer = gate.get("/v1/products", &token);
    assert_eq!((answer.status, answer.seen("x-forwarded-for")), (200, vec!["127.0.0.1".to_owned()]));
}

#[test]
fn an_announcement_comes_before_tls() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let tls = format!("tls = {{ {TLS} }}, proxy_protocol = [\"127.0.0.1\"]");
    let text = std::fs::read_to_string(&gate.loaded.config.path).unwrap();
    let text = text.replace(&format!("tls = {{ {TLS} }}"), &tls);
    let changed = kgate::config::Config::parse(&gate.loaded.config.path, &text).unwrap();
    gate.gateway.reconfigure(&changed.config).unwrap();
    let token = gate.issue(&["products:read"]);
    let ca = gate.dir.path().join("ca.pem");
    for version in ["--http1.1", "--http2"] {
        let said = run(
            "curl",
            &[
                "-s",
                version,
                "--haproxy-protocol",
                "--cacert",
                ca.to_str().unwrap(),
                "-H",
                &format!("Authorization: Bearer {}", token.expose()),
                "-w",
                "%{http_code}",
                &format!("https://localhost:{}/v1/products", gate.address.port()),
            ],
        );
        assert!(said.ends_with("200"), "{said}");
    }
}

#[test]
fn one_address_has_only_so_many_connections() {
    let caps = "realm = \"acme\"\nmax_connections_per_address = 3";
    let gate = Gate::start(&CONFIG.replace("realm = \"acme\"", caps));
    let token = gate.issue(&["products:read"]);
    let works = |client: &mut Client| {
        client.try_send(request("GET", "/v1/products", &token))
            && client.try_answer().is_some_and(|answer| answer.status == 200)
    };
    let mut open: Vec<Client> = (0..3).map(|_| gate.connect()).collect();
    assert!(open.iter_mut().all(&works));
    assert!(gate.connect().is_closed());
    assert!(gate.count("kgate_connection_faults_total{fault=\"address_cap\"}") >= 1.0);
    drop(open);
    until("there is room again", || works(&mut gate.connect()));
}
