//! Of any burst exactly the limit passes.

use std::sync::{Arc, Barrier};
use std::thread;

use kgate::config::Config;
use kgate::key::Token;
use kgate::store::{NewConsumer, NewKey};

use crate::harness::{Client, Gate, acme, away_from_midnight, full_or, new_key, request, scopes_of, until};

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

[plans.all]
limits = [
    { name = "wide", rate = "60/d", burst = 60 },
    { name = "quota", quota = "50/month" },
    { name = "week", quota = "70/week", per = "consumer" },
    { name = "parallel", concurrent = 1000 },
    { name = "everybody", rate = "1000/d", per = "route" },
]

[plans.parallel]
limits = [{ name = "parallel", concurrent = 10 }, { name = "rate", rate = "1000/d" }]

[plans.single]
limits = [{ name = "single", concurrent = 1 }]

[plans.quota]
limits = [{ name = "quota", quota = "50/month" }]

[plans.dear]
limits = [{ name = "dear", rate = "50/d" }, { name = "month", quota = "60/month" }]

[plans.shadow]
limits = [
    { name = "tried", rate = "5/d", shadow = true },
    { name = "tried-too", quota = "7/month", shadow = true },
    { name = "real", rate = "9/d" },
]

[plans.open]
limits = []

[plans.whole-route]
limits = [
    { name = "everybody", rate = "30/d", per = "route" },
    { name = "each", rate = "20/d" },
    { name = "one", rate = "5/d" },
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

[[route]]
name = "dear"
path = "/dear/**"
cost = 5
upstream = "echo"

[[route]]
name = "free"
path = "/free/**"
cost = 0
upstream = "echo"

[[route]]
name = "limited"
path = "/limited/**"
plan = "whole-route"
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

#[test]
fn of_every_kind_exactly_as_many_pass() {
    away_from_midnight();
    let gate = Gate::start(CONFIG);
    assert_eq!(passed(&gate, &mixed(&issue(&gate, "quota"))), 50, "a quota alone");
    let token = issue(&gate, "all");
    assert_eq!(passed(&gate, &mixed(&token)), 50, "a quota among others");
    reconfigure(&gate, &[("50/month", "5000/month")]);
    assert_eq!(passed(&gate, &mixed(&token)), 10, "150 refused requests spent nothing of the others");
    reconfigure(&gate, &[("wide\", rate = \"60/d\", burst = 60", "wide\", rate = \"6000/d\", burst = 6000")]);
    assert_eq!(passed(&gate, &mixed(&token)), 10, "nor of the week");
}

#[test]
fn as_many_are_in_work_as_the_limit_says_whatever_ends_them() {
    let gate = Gate::start(CONFIG);
    let token = issue(&gate, "parallel");
    let slow = request("GET", "/a/1?delay=60000", &token);
    let quick = request("GET", "/a/2", &token);
    for _ in 0..2 {
        let before = gate.echo.requests();
        let held: Vec<Client> = (1..=10)
            .map(|i| {
                let mut client = gate.connect();
                client.send(&slow);
                until("the backend is asked", || gate.echo.requests() == before + i);
                client
            })
            .collect();
        for _ in 0..3 {
            let answer = gate.send(&quick);
            assert_eq!((answer.status, answer.code().as_str()), (429, "too_many_concurrent"));
            assert_eq!(answer.header("retry-after"), Some("1"));
        }
        assert_eq!(gate.echo.requests(), before + 10, "refused ones are not forwarded");
        // Clients that leave give their places back, and so do backends that die: the second round has
        // all ten again.
        drop(held);
        until("a place is free", || gate.send(&quick).status == 200);
        until("all places are free", || gate.gateway.in_flight() == 0);
        for _ in 0..11 {
            assert_eq!(gate.send(request("GET", "/a/3?drop", &token)).status, 502);
        }
        until("all places are free", || gate.count("kgate_requests_in_flight") == 0.0);
    }
}

/// Whoever has an answer knows that nothing is in work any more, and asks again at once: over another connection, which
/// another worker has, by either way, and for what kgate answers itself.
#[test]
fn who_has_an_answer_has_the_place_for_the_next_request() {
    let gate = Gate::start(CONFIG);
    let token = issue(&gate, "single");
    let mut clients: Vec<Client> = (0..8).map(|_| gate.connect()).collect();
    let post =
        request("POST", "/a/1", &token).replacen("\r\n", "\r\nContent-Length: 0\r\nKeep-Alive: a\r\n", 1);
    for asked in [
        request("GET", "/a/1", &token),
        request("GET", "/a/1?bytes=100000", &token),
        request("GET", "/a/1?bytes=100000&chunked", &token),
        request("GET", "/a/1?drop", &token),
        post.replace("/a/1", "/a/1?bytes=100000"),
        post.replace("/a/1", "/a/1?bytes=100000&chunked"),
        post,
    ] {
        for turn in 0..full_or(5_000, 200) {
            let number = turn % clients.len();
            clients[number].send(&asked);
            let answer = clients[number].answer();
            assert!(matches!(answer.status, 200 | 502), "{turn} {asked:?}: {}", answer.head);
            if answer.header("connection") == Some("close") {
                clients[number] = gate.connect();
            }
        }
    }
}

#[test]
fn a_cost_is_charged_and_may_be_nothing() {
    away_from_midnight();
    let gate = Gate::start(CONFIG);
    let token = issue(&gate, "dear");
    let all = |path: &str| -> Vec<String> {
        (0..100).map(|i| request("GET", &format!("/{path}/{i}"), &token)).collect()
    };
    assert_eq!(gate.get("/dear/1", &token).header("x-ratelimit-remaining"), Some("45"));
    assert_eq!(passed(&gate, &all("dear")), 9);
    assert_eq!(passed(&gate, &all("free")), 100);
    reconfigure(&gate, &[("50/d\" }, { name = \"month\"", "500/d\" }, { name = \"month\"")]);
    assert_eq!(passed(&gate, &all("dear")), 2);
    assert_eq!(passed(&gate, &all("a")), 0);
}

#[test]
fn a_limit_in_shadow_mode_is_counted_and_never_refuses() {
    away_from_midnight();
    let gate = Gate::start(CONFIG);
    let token = issue(&gate, "shadow");
    assert_eq!(passed(&gate, &mixed(&token)), 9);
    let shadowed = |name: &str| {
        let lines = gate.lines.all();
        lines.iter().filter(|line| line["shadow_limit"] == name).count()
    };
    until("all are logged", || gate.lines.all().len() == PARALLEL);
    assert_eq!(shadowed("tried"), 4);
    assert!(gate.count("kgate_shadow_refusals_total{limit=\"tried\"}") >= 4.0);
    let answer = gate.get("/a/1", &token);
    assert_eq!(answer.status, 429);
    assert!(!answer.head.contains("tried"), "{}", answer.head);
}

#[test]
fn a_route_has_limits_for_everybody_and_for_each() {
    let gate = Gate::start(CONFIG);
    let to = |path: &str, token: &Token| -> Vec<String> {
        (0..50).map(|i| request("GET", &format!("/{path}/{i}"), token)).collect()
    };
    // `one` of the key's plan counts before that of the route's, of which 5 would pass.
    let (one, two) = (issue(&gate, "one"), issue(&gate, "open"));
    assert_eq!(passed(&gate, &to("limited", &one)), 20, "each");
    assert_eq!(passed(&gate, &to("limited", &two)), 5, "one, as the route has it");
    let three = issue(&gate, "one");
    assert_eq!(passed(&gate, &to("limited", &three)), 5, "everybody: 30 in all");
    assert_eq!(passed(&gate, &to("a", &one)), 30, "elsewhere only its own plan holds");
    assert_eq!(passed(&gate, &to("a", &two)), 50);
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
