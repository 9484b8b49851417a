//! Of any burst exactly the limit passes.

use std::sync::{Arc, Barrier};
use std::thread;

use kgate::config::Config;
use kgate::key::Token;
use kgate::store::{NewConsumer, NewKey};

use crate::harness::{Client, Gate, acme, new_key, request, scopes_of};

/// By the day, so that nothing comes back while a slow machine runs the test.
const CONFIG: &str = r#"
data_dir = "data"

[listen]
proxy = ["127.0.0.1:0"]

[server]
workers = 2

[[key_type]]
name = "live"
prefix = "acme_live"

[plans.one]
limits = [{ name = "one", rate = "50/d", burst = 50 }]

[plans.many]
limits = [
    { name = "wide", rate = "60/d", burst = 60 },
    { name = "narrow", rate = "40/d", burst = 40 },
    { name = "together", rate = "90/d", burst = 90, per = "consumer" },
]

[plans.shared]
limits = [{ name = "shared", rate = "50/d", burst = 50, per = "consumer" }]

[[upstream]]
name = "echo"
servers = ["{echo}"]

[[route]]
name = "a"
path = "/a/**"
methods = ["GET", "POST"]
upstream = "echo"

[[route]]
name = "b"
path = "/b/**"
key_header = "X-Api-Key"
upstream = "echo"

[[route]]
name = "scoped"
path = "/scoped/**"
scopes = "products:read"
upstream = "echo"
"#;

const PARALLEL: usize = 200;

/// Sends all requests at once, each on a connection of its own, and returns how many of each index
/// passed. Every other answer must be 429.
fn burst(gate: &Gate, requests: &[String]) -> Vec<bool> {
    let barrier = Arc::new(Barrier::new(requests.len()));
    let address = gate.address;
    let threads: Vec<_> = requests
        .iter()
        .map(|bytes| {
            let (bytes, barrier) = (bytes.clone(), Arc::clone(&barrier));
            thread::spawn(move || {
                let mut client = Client::tcp(address);
                barrier.wait();
                client.send(bytes);
                client.answer().status
            })
        })
        .collect();
    threads
        .into_iter()
        .map(|thread| match thread.join().unwrap() {
            200 => true,
            429 => false,
            other => panic!("{other}"),
        })
        .collect()
}

fn passed(gate: &Gate, requests: &[String]) -> usize {
    burst(gate, requests).into_iter().filter(|passed| *passed).count()
}

/// The same key on two routes by two sources.
fn mixed(token: &Token) -> Vec<String> {
    (0..PARALLEL)
        .map(|i| match i % 2 {
            0 => request("GET", &format!("/a/{i}"), token),
            _ => format!("GET /b/{i} HTTP/1.1\r\nHost: a\r\nX-Api-Key: {}\r\n\r\n", token.expose()),
        })
        .collect()
}

fn issue(gate: &Gate, plan: &str) -> Token {
    let consumer = gate.consumer(&NewConsumer { plan: Some(plan.to_owned()), ..acme() });
    gate.issue_to(consumer, &[]).token
}

#[test]
fn of_any_burst_exactly_the_limit_pass() {
    let gate = Gate::start(CONFIG);
    let token = issue(&gate, "one");
    assert_eq!(passed(&gate, &mixed(&token)), 50, "one limit, on two routes");
    assert_eq!(passed(&gate, &mixed(&issue(&gate, "one"))), 50, "another key counts for itself");
    assert_eq!(gate.echo.requests(), 100, "the backend saw those that passed and no other");
}

#[test]
fn several_limits_are_charged_all_or_none() {
    let gate = Gate::start(CONFIG);
    let consumer = gate.consumer(&NewConsumer { plan: Some("many".to_owned()), ..acme() });
    let tokens: Vec<Token> = (0..4).map(|_| gate.issue_to(consumer, &[]).token).collect();
    // 40 of `narrow`; the other 160 must spend nothing of `wide` and `together`.
    assert_eq!(passed(&gate, &mixed(&tokens[0])), 40);
    assert_eq!(passed(&gate, &mixed(&tokens[1])), 40);
    // `together` has 10 left for the two of them.
    let both: Vec<String> =
        mixed(&tokens[2]).into_iter().zip(mixed(&tokens[3])).map(|(a, b)| a.min(b)).collect();
    assert_eq!(passed(&gate, &both), 10);
    // Raised so that only `wide` counts, the first key has 20 of its 60 left.
    reconfigure(
        &gate,
        &[("40/d\", burst = 40", "40/d\", burst = 4000"), ("90/d\", burst = 90", "90/d\", burst = 9000")],
    );
    assert_eq!(passed(&gate, &mixed(&tokens[0])), 20);
}

#[test]
fn the_keys_of_a_consumer_share_its_limit() {
    let gate = Gate::start(CONFIG);
    let consumer = gate.consumer(&NewConsumer { plan: Some("shared".to_owned()), ..acme() });
    let (one, two) = (gate.issue_to(consumer, &[]).token, gate.issue_to(consumer, &[]).token);
    let both: Vec<String> = mixed(&one)
        .into_iter()
        .zip(mixed(&two))
        .enumerate()
        .map(|(i, (a, b))| if i % 3 == 0 { a } else { b })
        .collect();
    assert_eq!(passed(&gate, &both), 50);
    assert_eq!(passed(&gate, &mixed(&issue(&gate, "shared"))), 50, "another consumer has its own");
}

#[test]
fn a_refused_request_spends_nothing() {
    let gate = Gate::start(CONFIG);
    let consumer = gate.consumer(&NewConsumer { plan: Some("one".to_owned()), ..acme() });
    let issued = gate.issue_key(&NewKey { scopes: scopes_of(&["orders:read"]), ..new_key(consumer) });
    let token = &issued.token;
    let good = token.expose();
    for (bytes, status) in [
        (request("GET", "/scoped/1", token), 403),
        (request("DELETE", "/a/1", token), 405),
        (request("GET", "/nowhere", token), 404),
        (request("GET", "/a/../a/1", token), 400),
        (request("GET", "/a//1", token), 400),
        (request("GET", &format!("/a/{}", "x".repeat(20_000)), token), 414),
        (
            format!(
                "GET /a/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {good}\r\nAuthorization: Bearer {good}\r\n\r\n"
            ),
            401,
        ),
        (format!("GET /a/1 HTTP/1.1\r\nAuthorization: Bearer {good}\r\n\r\n"), 400),
        (
            format!(
                "POST /a/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\nAuthorization: Bearer {good}\r\n\r\n"
            ),
            413,
        ),
    ] {
        for _ in 0..10 {
            let answer = gate.send(&bytes);
            assert_eq!(answer.status, status, "{}", answer.head);
        }
    }
    assert_eq!(gate.echo.requests(), 0);
    assert_eq!(passed(&gate, &mixed(token)), 50);
    // Nor does what is refused for the limit itself: with a longer burst, those are there at once.
    assert_eq!(passed(&gate, &mixed(token)), 0);
    reconfigure(&gate, &[("50/d\", burst = 50", "50/d\", burst = 75")]);
    assert_eq!(passed(&gate, &mixed(token)), 25, "the count is kept, and the 350 over it are not in it");
}

fn reconfigure(gate: &Gate, replacements: &[(&str, &str)]) {
    let path = gate.dir.path().join("kgate.toml");
    let mut text = std::fs::read_to_string(&path).unwrap();
    for (from, to) in replacements {
        assert!(text.contains(from), "{from}");
        text = text.replace(from, to);
    }
    std::fs::write(&path, text).unwrap();
    let loaded = Config::read(&path).unwrap();
    gate.gateway.reconfigure(&loaded.config).unwrap();
}
