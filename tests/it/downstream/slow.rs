//! Clients that take their time: at the handshake, at the head, at nothing. They are let go when their time is
//! over, and others are served meanwhile.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use super::{Office, TLS, tls_client};
use crate::harness::{CONFIG, Gate, full_or, is_soak, now, request, until};

fn gate() -> Gate {
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let caps = "realm = \"acme\"\nmax_connections_per_address = 10000\nhandshake_timeout = \"2s\"\nheader_timeout = \"2s\"\nidle_timeout = \"2s\"\nbody_timeout = \"2s\"";
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

/// What this process holds in memory, in bytes.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn slow_clients_are_let_go_in_time_and_others_are_served() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let quiet = ask(&gate, &token, 50);
    let began = now();
    let mut slow = Vec::new();
    let memory = held();
    for number in 0..full_or(4_000, 150) {
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
    for number in 0..full_or(1_000, 40) {
        let mut client = tls_client(&gate, "localhost", None).unwrap();
        match number % 4 {
            0 => client.send("GET /v1/products HTTP/1.1\r\nHost: a\r\nX-Slow: "),
            1 => {}
            // A body of which two bytes come.
            2 => client.send(
                request("POST", "/v1/products", &token)
                    .replace("\r\n\r\n", "\r\nContent-Length: 9999\r\n\r\nab"),
            ),
            // An answer that nobody reads.
            _ => client.send(request("GET", "/v1/products?bytes=4000000", &token)),
        }
        halves.push(client);
    }
    let beside = ask(&gate, &token, 50);
    let grown = held().saturating_sub(memory) >> 10;
    let all = slow.len() + halves.len();
    println!("quiet {quiet:?}, beside {all} slow clients {beside:?}, {} KiB each", grown / all as u64);
    // The clients themselves are in it, and the backend with its answers.
    assert!(grown < 256 * all as u64 + (64 << 10), "{grown} KiB");
    if is_soak() {
        assert!(beside.1 < quiet.1 * 2 + Duration::from_millis(20), "{quiet:?} {beside:?}");
    }
    until("all of them are let go", || gate.count("kgate_connections{listener=\"127.0.0.1:0\"}") == 0.0);
    assert!(began.elapsed() < Duration::from_mins(1));
    let handshakes = gate.count("kgate_connection_faults_total{fault=\"handshake\"}");
    let silent = u32::try_from(slow.len()).unwrap();
    assert!(handshakes >= f64::from(silent), "{handshakes}");
    assert!(gate.count("kgate_connection_faults_total{fault=\"head_timeout\"}") >= 10.0);
    assert!(ask(&gate, &token, 5).0 < Duration::from_secs(5));
}
