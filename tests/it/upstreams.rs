//! Backends that come and go, answer late, or badly: what clients see, and who gets the requests.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kgate::config::Config;
use kgate::key::Token;

use crate::fronts::free_port;
use crate::harness::{
    Answer, CONFIG, Client, Gate, PATIENCE, SetsAtLast, acme, full_or, is_quick, now, request, until,
};
use crate::process::{Process, Site};

/// [`CONFIG`] with the backend's settings replaced.
fn with_servers(servers: &str) -> String {
    CONFIG.replace("servers = [\"{echo}\"]", servers)
}

/// A backend that says who it is, and may be told to do worse. Dropping it frees its port at once.
struct Backend {
    address: SocketAddr,
    served: Arc<AtomicUsize>,
    asked: Arc<AtomicUsize>,
    is_well: Arc<AtomicBool>,
    /// So many of the next checks are answered the other way.
    unusual: Arc<AtomicUsize>,
    gone: Arc<AtomicBool>,
    thread: Option<thread::JoinHandle<()>>,
}

/// How a backend treats requests.
#[derive(Clone, Copy, PartialEq)]
enum Manner {
    Answers,
    /// Takes each request and closes without a word.
    BreaksOff,
    /// Answers 500.
    Fails,
    /// Sends a piece of the answer every 50 ms, without end.
    Drips,
}

impl Backend {
    fn start(manner: Manner) -> Self {
        // It may come back to it.
        Self::start_at(free_port(), manner)
    }

    fn start_at(address: SocketAddr, manner: Manner) -> Self {
        let mut listener = None;
        until("the port is free", || {
            listener = TcpListener::bind(address).ok();
            listener.is_some()
        });
        let listener = listener.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, asked): (Arc<AtomicUsize>, Arc<AtomicUsize>) = Default::default();
        let (is_well, gone) = (Arc::new(AtomicBool::new(true)), Arc::<AtomicBool>::default());
        let unusual = Arc::<AtomicUsize>::default();
        let (counts, checks, well, end) =
            (Arc::clone(&served), Arc::clone(&asked), Arc::clone(&is_well), Arc::clone(&gone));
        let others = Arc::clone(&unusual);
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(mut stream) = stream else { continue };
                let (counts, checks, well, end) =
                    (Arc::clone(&counts), Arc::clone(&checks), Arc::clone(&well), Arc::clone(&end));
                let others = Arc::clone(&others);
                let port = address.port();
                thread::spawn(move || {
                    let _ = stream.set_nodelay(true);
                    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
                    let mut head = Vec::new();
                    let mut buffer = [0; 4096];
                    loop {
                        let read = stream.read(&mut buffer);
                        if end.load(Ordering::SeqCst) {
                            return;
                        }
                        match read {
                            Ok(0) => return,
                            Ok(n) => head.extend_from_slice(&buffer[..n]),
                            Err(_) => continue,
                        }
                        if !head.windows(4).any(|w| w == b"\r\n\r\n") {
                            continue;
                        }
                        let is_check = head.starts_with(b"GET /healthz ");
                        head.clear();
                        let mut status = "200 OK";
                        if is_check {
                            checks.fetch_add(1, Ordering::SeqCst);
                            let left = |left: usize| left.checked_sub(1);
                            let is_unusual =
                                others.fetch_update(Ordering::SeqCst, Ordering::SeqCst, left).is_ok();
                            let is_well = well.load(Ordering::SeqCst) != is_unusual;
                            status = if is_well { "204 Fine" } else { "503 Ill" };
                        } else {
                            counts.fetch_add(1, Ordering::SeqCst);
                            match manner {
                                Manner::Answers => {}
                                Manner::BreaksOff => return,
                                Manner::Fails => status = "500 Oh",
                                Manner::Drips => {
                                    let _ = stream
                                        .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                                    while stream.write_all(b"1\r\nx\r\n").is_ok() {
                                        thread::sleep(Duration::from_millis(50));
                                    }
                                    return;
                                }
                            }
                        }
                        let body = if is_check { String::new() } else { port.to_string() };
                        let length = if is_check {
                            String::new()
                        } else {
                            format!("Content-Length: {}\r\n", body.len())
                        };
                        let answer = format!("HTTP/1.1 {status}\r\n{length}\r\n{body}");
                        if stream.write_all(answer.as_bytes()).is_err() {
                            return;
                        }
                    }
                });
            }
        });
        Self { address, served, asked, is_well, unusual, gone, thread: Some(thread) }
    }

    fn served(&self) -> usize {
        self.served.load(Ordering::SeqCst)
    }

    fn port(&self) -> String {
        self.address.port().to_string()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.gone.store(true, Ordering::SeqCst);
        drop(std::net::TcpStream::connect(self.address));
        let _ = self.thread.take().unwrap().join();
    }
}

fn servers(backends: &[&Backend], more: &str) -> String {
    let list: Vec<String> = backends.iter().map(|backend| format!("\"{}\"", backend.address)).collect();
    with_servers(&format!("servers = [{}]\n{more}", list.join(", ")))
}

fn get(client: &mut Client) -> Answer {
    client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    client.answer()
}

fn who(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{}", answer.head);
    String::from_utf8(answer.body.clone()).unwrap()
}

fn shares(gate: &Gate, requests: usize) -> BTreeMap<String, usize> {
    let mut client = gate.connect();
    let mut shares = BTreeMap::new();
    for _ in 0..requests {
        *shares.entry(who(&get(&mut client))).or_default() += 1;
    }
    shares
}

#[test]
fn requests_go_round_by_weight() {
    let (a, b, c) =
        (Backend::start(Manner::Answers), Backend::start(Manner::Answers), Backend::start(Manner::Answers));
    let gate = Gate::start(&servers(&[&a, &b, &c], &format!("weights = {{ \"{}\" = 3 }}", b.address)));
    let shares = shares(&gate, 100);
    assert_eq!([&a, &b, &c].map(|backend| shares[&backend.port()]), [20, 60, 20]);
}

#[test]
fn who_has_least_to_do_gets_the_next_request() {
    let fast = Backend::start(Manner::Answers);
    // The echo backend keeps a request as long as it is told to.
    let gate = Gate::start(&with_servers(&format!(
        "servers = [\"{{echo}}\", \"{}\"]\nbalance = \"least-in-flight\"",
        fast.address
    )));
    let mut held: Vec<Client> = (0..8).map(|_| gate.connect()).collect();
    for client in &mut held {
        client.send("GET /public/1?delay=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    }
    until("all have come to their server", || gate.echo.requests() + fast.served() == 8);
    until("the fast one has answered its own", || gate.gateway.in_flight() == gate.echo.requests());
    let busy = gate.echo.requests();
    assert!(busy >= 1);
    let before = fast.served();
    assert_eq!(shares(&gate, 20)[&fast.port()], 20);
    assert_eq!((fast.served() - before, gate.echo.requests()), (20, busy));
}

#[test]
fn a_key_and_a_consumer_stay_with_their_server() {
    for balance in ["by-key", "by-consumer"] {
        let backends: Vec<Backend> = (0..3).map(|_| Backend::start(Manner::Answers)).collect();
        let all: Vec<&Backend> = backends.iter().collect();
        let gate = Gate::start(&servers(&all, &format!("balance = \"{balance}\"")));
        // So many that a server has nobody but once in ten thousand million times.
        let consumers: Vec<_> = (0..60).map(|_| gate.consumer(&acme())).collect();
        let keys: Vec<Vec<Token>> = consumers
            .iter()
            .map(|consumer| (0..2).map(|_| gate.issue_to(*consumer, &["products:read"]).token).collect())
            .collect();
        let mut client = gate.connect();
        let mut home = |token: &Token| {
            client.send(request("GET", "/v1/products/1", token));
            who(&client.answer())
        };
        let mut used: Vec<String> = Vec::new();
        let mut apart = 0;
        for keys in &keys {
            let homes: Vec<String> = keys.iter().map(&mut home).collect();
            assert_eq!(homes, keys.iter().map(&mut home).collect::<Vec<_>>(), "{balance}: the same again");
            apart += usize::from(homes[0] != homes[1]);
            used.extend(homes);
        }
        used.sort();
        used.dedup();
        assert_eq!(used.len(), 3, "{balance}: every server has somebody");
        assert_eq!(apart == 0, balance == "by-consumer", "{apart} consumers have keys at two servers");
    }
}

/// Kills and revives a backend under load, again and again: answers are 200, or 502 in our form; none is
/// waited for; and when the backend is back, so are the answers.
#[test]
fn a_backend_killed_and_revived_under_load_is_never_a_hang_and_comes_back() {
    let mut backend = Some(Backend::start(Manner::Answers));
    let address = backend.as_ref().unwrap().address;
    let gate =
        Gate::start(&servers(&[backend.as_ref().unwrap()], "ejection = { failures = 2, lasts = \"200ms\" }"));
    let ends = AtomicBool::new(false);
    let rounds = full_or(20, 3);
    let (answered, failed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    thread::scope(|scope| {
        let at_last = SetsAtLast(&ends);
        for _ in 0..4 {
            scope.spawn(|| {
                let mut client = gate.connect();
                while !ends.load(Ordering::SeqCst) {
                    let began = now();
                    let answer = get(&mut client);
                    assert!(now() - began < PATIENCE / 4, "{}", answer.head);
                    match answer.status {
                        200 => _ = answered.fetch_add(1, Ordering::SeqCst),
                        502 | 503 => {
                            assert_eq!(answer.header("content-type"), Some("application/problem+json"));
                            failed.fetch_add(1, Ordering::SeqCst);
                        }
                        _ => panic!("{}", answer.head),
                    }
                    if answer.header("connection") == Some("close") {
                        client = gate.connect();
                    }
                }
            });
        }
        for _ in 0..rounds {
            let more = |count: &AtomicUsize, than: usize| count.load(Ordering::SeqCst) > than + 20;
            let (good, bad) = (answered.load(Ordering::SeqCst), failed.load(Ordering::SeqCst));
            until("it answers", || more(&answered, good));
            drop(backend.take());
            until("it fails", || more(&failed, bad));
            backend = Some(Backend::start_at(address, Manner::Answers));
            let good = answered.load(Ordering::SeqCst);
            until("it answers again", || more(&answered, good));
        }
        drop(at_last);
    });
    drop(backend);
}

/// With another server there, nobody notices one that dies: what fails is tried there.
#[test]
fn with_another_server_the_death_of_one_is_not_seen() {
    let (stays, dies) = (Backend::start(Manner::Answers), Backend::start(Manner::Answers));
    let gate = Gate::start(&servers(&[&stays, &dies], ""));
    let mut client = gate.connect();
    for _ in 0..20 {
        who(&get(&mut client));
    }
    assert!(dies.served() >= 9);
    drop(dies);
    for i in 0..200 {
        let answer = get(&mut client);
        assert_eq!(answer.status, 200, "request {i} after: {}", answer.head);
    }
    assert_eq!(gate.count("kgate_upstream_servers_down{upstream=\"echo\"}"), 1.0);
}

#[test]
fn a_half_dead_server_is_passed_over_and_tried_again() {
    let post = "POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n";
    // What takes longer than a server is passed over proves nothing: it is done again.
    let (_well, ill, gate, statuses) = std::iter::repeat_with(|| {
        let (well, ill) = (Backend::start(Manner::Answers), Backend::start(Manner::BreaksOff));
        let gate = Gate::start(&servers(&[&well, &ill], "ejection = { failures = 3, lasts = \"6s\" }"));
        let began = now();
        let statuses: Vec<u16> = (0..30).map(|_| gate.send(post).status).collect();
        (began.elapsed() < Duration::from_secs(5)).then_some((well, ill, gate, statuses))
    })
    .take(5)
    .flatten()
    .next()
    .expect("30 requests in 5 s");
    let ask = || gate.send(post).status;
    // What was sent may have been done, so it is not sent again: three fail, and then none.
    assert_eq!(statuses.iter().filter(|status| **status == 502).count(), 3, "{statuses:?}");
    assert!(statuses[6..].iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(gate.count("kgate_upstream_servers_down{upstream=\"echo\"}"), 1.0);
    assert_eq!(ill.served(), 3);
    until("it is tried again, once", || {
        let _ = ask();
        ill.served() == 4
    });
    // A server that is well now.
    let address = ill.address;
    drop(ill);
    let back = Backend::start_at(address, Manner::Answers);
    until("it takes its turns again", || {
        let _ = ask();
        back.served() > 3
    });
    assert_eq!(gate.count("kgate_upstream_servers_down{upstream=\"echo\"}"), 0.0);
}

#[test]
fn a_server_that_only_fails_is_passed_over_where_that_is_asked_for() {
    let (well, ill) = (Backend::start(Manner::Answers), Backend::start(Manner::Fails));
    let gate = Gate::start(&servers(&[&well, &ill], ""));
    let mut client = gate.connect();
    assert_eq!((0..20).filter(|_| get(&mut client).status == 500).count(), 10, "its answers are answers");
    let gate = Gate::start(&servers(&[&well, &ill], "ejection = { server_errors = true, lasts = \"10m\" }"));
    let mut client = gate.connect();
    assert_eq!((0..20).filter(|_| get(&mut client).status == 500).count(), 3);
}

#[test]
fn a_server_that_says_it_is_ill_gets_no_requests_until_it_is_well() {
    let (one, other) = (Backend::start(Manner::Answers), Backend::start(Manner::Answers));
    let health = "health = { path = \"/healthz\", interval = \"1s\", timeout = \"1s\", unhealthy = 2 }";
    let gate = Gate::start(&servers(&[&one, &other], health));
    let down = || gate.count("kgate_upstream_servers_down{upstream=\"echo\"}");
    // On a busy machine one that is well may be late with its answers, too, for a while.
    until("both get requests", || shares(&gate, 20).len() == 2);
    one.is_well.store(false, Ordering::SeqCst);
    until("it is passed over", || down() == 1.0 && !shares(&gate, 20).contains_key(&one.port()));
    assert!(one.asked.load(Ordering::SeqCst) >= 2);
    other.is_well.store(false, Ordering::SeqCst);
    // Never is everybody passed over.
    until("both are ill", || down() == 2.0 && shares(&gate, 20).len() == 2);
    one.is_well.store(true, Ordering::SeqCst);
    until("it is back", || down() == 1.0 && !shares(&gate, 20).contains_key(&other.port()));
    until("it is told", || {
        let report = gate.gateway.report();
        let states = report[0].1.iter().map(|server| server.addresses[0].state.as_str());
        states.eq(["up", "unhealthy"])
    });
}

#[test]
fn one_bad_answer_makes_no_ill_server_and_one_good_answer_none_that_is_well() {
    let (one, other) = (Backend::start(Manner::Answers), Backend::start(Manner::Answers));
    let health =
        "health = { path = \"/healthz\", interval = \"1s\", timeout = \"1s\", unhealthy = 2, healthy = 3 }";
    let gate = Gate::start(&servers(&[&one, &other], health));
    let down = || gate.count("kgate_upstream_servers_down{upstream=\"echo\"}");
    let asked = || one.asked.load(Ordering::SeqCst);
    // Says whether it stays as it was over so many answers that are not as usual. The last of them was counted when the
    // one after it is asked for.
    let stays = |before: f64, unusual: usize| {
        until("it is as before", || down() == before);
        let (from, mut stays) = (asked(), true);
        one.unusual.store(unusual, Ordering::SeqCst);
        until("they are counted", || {
            stays &= down() == before;
            one.unusual.load(Ordering::SeqCst) == 0 && asked() > from + unusual
        });
        stays
    };
    // On a busy machine an answer may come too late besides, and then there are two: not each time.
    let holds = |before: f64, unusual: usize| (0..5).any(|_| stays(before, unusual));
    assert!(holds(0.0, 1), "once is never");
    one.is_well.store(false, Ordering::SeqCst);
    until("it is passed over", || down() == 1.0);
    assert!(holds(1.0, 2), "it has to be well for a while");
    let from = asked();
    one.is_well.store(true, Ordering::SeqCst);
    until("it is back", || down() == 0.0);
    assert!(asked() >= from + 3);
}

/// When everything fails, the second attempts stop at a tenth of the requests.
#[test]
fn second_attempts_have_a_budget() {
    let address = free_port();
    let gate = Gate::start(&with_servers(&format!("servers = [\"{address}\"]")));
    for _ in 0..50 {
        assert_eq!(gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
    }
    let retries = gate.count("kgate_upstream_retries_total{upstream=\"echo\"}");
    assert!((10.0..=20.0).contains(&retries), "{retries} of 50");
}

#[test]
fn an_answer_has_time_in_all_and_a_route_its_own() {
    let drips = Backend::start(Manner::Drips);
    let config = servers(&[&drips], "total_timeout = \"1500ms\"")
        + "\n[[route]]\nname = \"slow\"\npath = \"/slow/**\"\npublic = true\nupstream = \"echo\"\ntotal_timeout = \"3s\"\n";
    let gate = Gate::start(&config);
    for (path, at_least) in [("/public/1", 1_500), ("/slow/1", 3_000)] {
        // On a busy machine the head itself may take too long: that is a 504.
        let mut tries = (0..5).map(|_| {
            let began = now();
            let mut client = gate.connect();
            client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"));
            (String::from_utf8_lossy(&client.rest()).into_owned(), now() - began)
        });
        let (text, took) = tries.find(|(text, _)| !text.starts_with("HTTP/1.1 504")).expect("a head in time");
        assert!(text.starts_with("HTTP/1.1 200") && !text.ends_with("0\r\n\r\n"), "{text}");
        assert!(took >= Duration::from_millis(at_least) && took < PATIENCE / 2, "{path}: {took:?}");
    }
    assert!(gate.count("kgate_upstream_errors_total{fault=\"timeout\",upstream=\"echo\"}") >= 2.0);
    // Before the head it is a 504.
    let gate = Gate::start(
        &(with_servers("servers = [\"{echo}\"]\nresponse_timeout = \"20s\"")
            + "\n[[route]]\nname = \"quick\"\npath = \"/quick/**\"\npublic = true\nupstream = \"echo\"\nresponse_timeout = \"200ms\"\n\
               [[route]]\nname = \"total\"\npath = \"/total/**\"\npublic = true\nupstream = \"echo\"\ntotal_timeout = \"200ms\"\n"),
    );
    for path in ["/quick/1", "/total/1"] {
        let answer = gate.send(format!("GET {path}?delay=5000 HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (504, "gateway_timeout"), "{path}");
    }
    assert_eq!(gate.send("GET /public/1?delay=400 HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
}

#[test]
fn a_route_rewrites_prefix_host_and_headers_and_nothing_of_who_calls() {
    let config = CONFIG.to_owned()
        + r#"
[[route]]
name = "edited"
path = "/edited/v1/**"
scopes = "products:read"
upstream = "echo"
rewrite_prefix = "/internal"
rewrite_host = "backend.internal:8443"
max_body = "10B"
request_headers = { remove = ["X-Debug", "Cookie"], set = { X-Api-Version = "2" }, add = { Via = "1.1 kgate" } }
response_headers = { remove = ["X-Echo"], set = { Cache-Control = "no-store" }, add = { Vary = "Accept" } }
"#;
    let gate = Gate::start(&config);
    let token = gate.issue(&["products:read"]);
    let answer = gate.send(format!(
        "GET /edited/v1/a%2Db?x=/edited/v1 HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\n\
         X-Debug: 1\r\nCookie: a=b\r\nX-Api-Version: 1\r\nX-Api-Version: 3\r\nVia: 1.0 client\r\n\
         X-Consumer-Id: EVIL\r\nConnection: X-Api-Version\r\n\r\n",
        token.expose()
    ));
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.json()["target"], "/internal/a-b?x=/edited/v1");
    assert_eq!(answer.seen("Host"), ["backend.internal:8443"]);
    assert_eq!(answer.seen("X-Forwarded-Host"), ["api.example.com"]);
    assert_eq!(answer.seen("X-Api-Version"), ["2"]);
    assert_eq!(answer.seen("Via"), ["1.0 client", "1.1 kgate"]);
    assert!(answer.seen("X-Debug").is_empty() && answer.seen("Cookie").is_empty());
    assert_eq!(answer.seen("X-Consumer-Id").len(), 1);
    assert!(
        answer.seen("Authorization").is_empty() && !answer.json()["head"].as_str().unwrap().contains("EVIL")
    );
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("vary"), Some("Accept"));
    assert_eq!(answer.header("x-echo"), None);
    assert!(answer.header("x-request-id").is_some() && answer.header("ratelimit").is_some());
    // Its own cap on bodies, declared and counted.
    let post = |framing: &str, body: &str| {
        let key = token.expose();
        gate.send(format!(
            "POST /edited/v1/a HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {key}\r\n{framing}\r\n\r\n{body}"
        ))
    };
    assert_eq!(post("Content-Length: 10", "0123456789").status, 200);
    let refused = post("Content-Length: 11", "0123456789a");
    assert_eq!((refused.status, refused.header("cache-control")), (413, Some("no-store")));
    let chunked = post("Transfer-Encoding: chunked", "b\r\n0123456789a\r\n0\r\n\r\n");
    assert_eq!(chunked.status, 413);
    // Refusals are not edited.
    let refused = gate.send("GET /edited/v1/a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((refused.status, refused.header("vary")), (401, None));
}

#[test]
fn a_route_may_take_longer_bodies_than_others() {
    let config = CONFIG.replace("realm = \"acme\"", "realm = \"acme\"\nmax_body = \"10B\"")
        + "\n[[route]]\nname = \"upload\"\npath = \"/upload/**\"\npublic = true\nupstream = \"echo\"\nmax_body = \"1KiB\"\n";
    let gate = Gate::start(&config);
    let post = |path: &str, length: usize| {
        let body = "x".repeat(length);
        gate.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")).status
    };
    assert_eq!([post("/public/1", 10), post("/public/1", 11)], [200, 413]);
    assert_eq!([post("/upload/1", 1024), post("/upload/1", 1025)], [200, 413]);
    // What is said to be longer is not waited for.
    for (path, length) in [("/public/1", 11), ("/upload/1", 1025)] {
        let head = format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
        assert_eq!(gate.send(head).status, 413, "{path}");
    }
}

/// What was learned of servers outlives a reload, and no request fails by one.
#[test]
fn a_reload_under_load_fails_nothing_and_forgets_nothing() {
    let (one, other) = (Backend::start(Manner::Answers), Backend::start(Manner::Answers));
    let config = servers(&[&one, &other], "ejection = { failures = 1, lasts = \"1h\" }");
    let gate = Gate::start(&config);
    let dead = other.address;
    drop(other);
    until("it is passed over", || {
        gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        gate.count("kgate_upstream_servers_down{upstream=\"echo\"}") == 1.0
    });
    let connects = || gate.count("kgate_upstream_errors_total{fault=\"connect\",upstream=\"echo\"}");
    let before = connects();
    let ends = AtomicBool::new(false);
    thread::scope(|scope| {
        let at_last = SetsAtLast(&ends);
        let loads: Vec<_> = (0..3)
            .map(|_| {
                scope.spawn(|| {
                    let mut client = gate.connect();
                    let mut count = 0;
                    while !ends.load(Ordering::SeqCst) {
                        assert_eq!(get(&mut client).status, 200);
                        count += 1;
                    }
                    count
                })
            })
            .collect();
        for _ in 0..full_or(200, 30) {
            let loaded = Config::read(&gate.loaded.config.path).unwrap();
            gate.gateway.reconfigure(&loaded.config).unwrap();
            thread::sleep(Duration::from_millis(5));
        }
        drop(at_last);
        let count: usize = loads.into_iter().map(|load| load.join().unwrap()).sum();
        assert!(count > 0, "no request was made");
    });
    assert_eq!(connects(), before, "{dead} was not tried again");
}

/// The resolver of this machine says first one address, then another: requests follow, and none fails.
#[test]
fn a_name_that_moves_is_followed() {
    if is_quick() {
        return;
    }
    let here = Backend::start(Manner::Answers);
    let there = Backend::start_at(SocketAddr::from(([127, 0, 0, 2], here.address.port())), Manner::Answers);
    let site = Site::with(crate::process::CONFIG);
    let server = format!("backend.test:{}", here.address.port());
    site.configure(&crate::process::CONFIG.replace("{echo}", &server));
    let key = Site::issue(&site.store());
    let hosts = site.dir.path().join("hosts");
    let leads_to = |address: &str| {
        // The same file, which is mounted.
        let mut file = std::fs::File::options().write(true).create(true).truncate(true).open(&hosts).unwrap();
        writeln!(file, "127.0.0.1 localhost\n{address} backend.test").unwrap();
    };
    leads_to("127.0.0.1");
    let mut command = std::process::Command::new("unshare");
    command.args(["-rm", "sh", "-c", "mount --bind \"$1\" /etc/hosts && shift && exec \"$@\"", "sh"]);
    command.arg(&hosts).arg(env!("CARGO_BIN_EXE_kgate")).arg("--config").arg(site.config_path()).arg("serve");
    let gate = Process::start(command).unwrap_or_else(|said| panic!("{said}"));
    until("the key is known", || gate.status(&key) == 200);
    assert!(here.served() > 0 && there.served() == 0);
    leads_to("127.0.0.2");
    until("it is followed", || {
        assert_eq!(gate.status(&key), 200);
        there.served() > 0
    });
    let before = here.served();
    assert_eq!((0..20).map(|_| gate.status(&key)).collect::<Vec<_>>(), [200; 20]);
    assert_eq!(here.served(), before, "nobody asks there any more");
    // A resolver that knows nothing changes nothing.
    std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    thread::sleep(Duration::from_secs(11));
    assert_eq!(gate.status(&key), 200);
}
