//! Clients that take their time: at the handshake, at the head, at nothing. They are let go when their time is
//! over, and others are served meanwhile.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::{Office, TLS, tls_client};
use crate::harness::{CONFIG, Gate, full_or, is_soak, now, request, until};

fn gate() -> Gate {
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let caps = "realm = \"acme\"\nmax_connections_per_address = 10000\nhandshake_timeout = \"2s\"\nheader_timeout = \"2s\"\nidle_timeout = \"2s\"";
    let config = CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen).replace("realm = \"acme\"", caps);
    Gate::start_with(&config, |dir| Office::open(dir).issue("server", "server", &["localhost"], 2100))
}

/// Returns the median and the slowest of so many requests over a connection each.
fn ask(gate: &Gate, token: &kgate::key::Token, count: usize) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let began = now();
            let mut client = tls_client(gate, "localhost", None).unwrap();
            client.send(request("GET", "/v1/products", token));
            assert_eq!(client.answer().status, 200);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[count / 2], times[count * 99 / 100])
}

#[test]
fn slow_clients_are_let_go_in_time_and_others_are_served() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let quiet = ask(&gate, &token, 50);
    let began = now();
    let mut slow = Vec::new();
    for number in 0..full_or(4_500, 150) {
        let mut socket = TcpStream::connect(gate.address).unwrap();
        match number % 3 {
            0 => {}
            // The beginning of a ClientHello.
            1 => socket.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").unwrap(),
            _ => socket.write_all(b"\x16").unwrap(),
        }
        slow.push(socket);
    }
    let mut halves = Vec::new();
    for number in 0..full_or(500, 30) {
        let mut client = tls_client(&gate, "localhost", None).unwrap();
        if number % 2 == 0 {
            client.send("GET /v1/products HTTP/1.1\r\nHost: a\r\nX-Slow: ");
        }
        halves.push(client);
    }
    let beside = ask(&gate, &token, 50);
    println!("quiet {quiet:?}, beside {} slow clients {beside:?}", slow.len() + halves.len());
    if is_soak() {
        assert!(beside.1 < quiet.1 * 2 + Duration::from_millis(20), "{quiet:?} {beside:?}");
    }
    until("all of them are let go", || gate.count("kgate_connections") == 0.0);
    assert!(began.elapsed() < Duration::from_mins(1));
    let handshakes = gate.count("kgate_connection_faults_total{fault=\"handshake\"}");
    let silent = u32::try_from(slow.len()).unwrap();
    assert!(handshakes >= f64::from(silent), "{handshakes}");
    assert!(gate.count("kgate_connection_faults_total{fault=\"head_timeout\"}") >= 10.0);
    assert!(ask(&gate, &token, 5).0 < Duration::from_secs(5));
}
