//! The short way of requests without a body beside Pingora's, which everything else takes: nobody at either
//! end can tell which was taken.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use crate::harness::{Answer, CONFIG, Client, Gate, read_head, until};

/// What makes a request take Pingora's way, and is passed on by neither.
const LONG_WAY: &str = "Keep-Alive: timeout=5\r\n";

/// What the backend answers, by number, and whether it then closes.
const ANSWERS: [(&str, bool); 14] = [
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\n\r\nok", false),
    ("HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n", false),
    ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Trailer: 1\r\n\r\n", true),
    ("HTTP/1.0 200 OK\r\nX-A: 1\r\n\r\nto the end", true),
    ("HTTP/1.1 200 OK\r\n\r\nto the end", true),
    ("HTTP/1.1 204 No Content\r\nX-A: 1\r\n\r\n", false),
    ("HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\nContent-Length: 7\r\n\r\n", false),
    ("HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 3\r\n\r\n", false),
    (
        "HTTP/1.1 200 OK\r\nConnection: X-Hop, close\r\nX-Hop: 1\r\nKeep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok",
        true,
    ),
    ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", true),
    ("HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nContent-Length: 2\r\n\r\nok", false),
    ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok", true),
    ("SSH-2.0-nonsense\r\n\r\n", true),
];

/// Which of them is two.
const INTERIM: usize = 7;

/// A backend that answers as it is told in the query, and keeps every head it gets.
#[derive(Default)]
struct Backend {
    heads: Mutex<Vec<String>>,
    connections: AtomicUsize,
    /// Connections that are about to be closed.
    closing: AtomicUsize,
}

impl Backend {
    fn start() -> (SocketAddr, Arc<Self>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let backend = Arc::new(Self::default());
        let all = Arc::clone(&backend);
        thread::spawn(move || {
            for stream in listener.incoming() {
                all.connections.fetch_add(1, Ordering::SeqCst);
                let all = Arc::clone(&all);
                thread::spawn(move || while all.serve(stream.as_ref().unwrap()).is_some() {});
            }
        });
        (address, backend)
    }

    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        let head = String::from_utf8(read_head(&mut stream)?).unwrap();
        let number: usize = head.split_once("?n=")?.1.split_once(' ')?.0.parse().unwrap();
        let is_head = head.starts_with("HEAD");
        self.heads.lock().unwrap().push(head);
        let (answer, closes) = ANSWERS[number];
        let interim = if number == INTERIM { answer.find("\r\n\r\n").unwrap() + 4 } else { 0 };
        let end = answer[interim..].find("\r\n\r\n").map(|at| interim + at + 4).filter(|_| is_head);
        let end = end.unwrap_or(answer.len());
        self.closing.fetch_add(usize::from(closes), Ordering::SeqCst);
        let sent = stream.write_all(&answer.as_bytes()[..end]);
        if closes {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            self.closing.fetch_sub(1, Ordering::SeqCst);
            return None;
        }
        sent.ok()
    }

    /// Waits until every connection that ends with its answer has ended. A request that is sent on such a one before
    /// is lost, and one that is not idempotent is not sent again.
    fn settle(&self) {
        until("what is to be closed is closed", || self.closing.load(Ordering::SeqCst) == 0);
    }

    /// Returns the last head, without what differs from request to request.
    fn last(&self) -> Vec<String> {
        let head = self.heads.lock().unwrap().last().unwrap().clone();
        let mut lines: Vec<_> =
            head.split("\r\n").filter(|line| is_lasting(line)).map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

fn is_lasting(line: &str) -> bool {
    !["x-request-id:", "x-ratelimit-", "ratelimit:", "date:"]
        .iter()
        .any(|name| line.to_ascii_lowercase().starts_with(name))
}

/// Sends a request and returns what comes, interim answers too.
fn ask(client: &mut Client, method: &str, number: usize, fields: &str) -> Vec<(Vec<String>, String)> {
    client.send(format!("{method} /public/1?n={number} HTTP/1.1\r\nHost: a\r\n{fields}\r\n"));
    let mut all = Vec::new();
    loop {
        let answer = if method == "HEAD" { client.head_answer() } else { client.answer() };
        let is_last = answer.status >= 200;
        all.push(shown(&answer));
        if is_last {
            return all;
        }
    }
}

fn shown(answer: &Answer) -> (Vec<String>, String) {
    let mut lines: Vec<_> =
        answer.head.split("\r\n").filter(|line| is_lasting(line)).map(str::to_lowercase).collect();
    lines.sort();
    let body = String::from_utf8(answer.body.clone()).unwrap();
    // A refusal of ours says whose it is.
    let body = body.split("\"request_id\"").next().unwrap().to_owned();
    (lines, body)
}

#[test]
fn nobody_can_tell_the_short_way_from_pingoras() {
    let (address, backend) = Backend::start();
    let gate = Gate::start(&CONFIG.replace("{echo}", &address.to_string()));
    let fields = "User-Agent: t\r\nAccept: a\r\nAccept: b\r\nCookie: c=1\r\nX-Consumer-Id: evil\r\nX_Forwarded_For: 6.6.6.6\r\n";
    for method in ["GET", "HEAD", "DELETE", "OPTIONS", "POST"] {
        for (number, (answer, _)) in ANSWERS.iter().enumerate() {
            let length = if method == "POST" { "Content-Length: 0\r\n" } else { "" };
            let what = format!("{method} {answer:?}");
            for connection in ["", "Connection: keep-alive\r\n", "Connection: Close\r\n"] {
                let fields = format!("{fields}{length}{connection}");
                let short = ask(&mut gate.connect(), method, number, &fields);
                backend.settle();
                let asked = backend.last();
                let long = ask(&mut gate.connect(), method, number, &format!("{fields}{LONG_WAY}"));
                backend.settle();
                assert_eq!(short, long, "{what}");
                assert_eq!(asked, backend.last(), "{what}");
            }
        }
    }
}

#[test]
fn each_way_keeps_its_connections_and_drops_those_that_were_closed() {
    let (address, backend) = Backend::start();
    let gate = Gate::start(&CONFIG.replace("{echo}", &address.to_string()));
    let mut client = gate.connect();
    let connections = || backend.connections.load(Ordering::SeqCst);
    for _ in 0..5 {
        for number in [0, 1, 5, 6, 7, 8] {
            ask(&mut client, "GET", number, "");
        }
    }
    assert_eq!(connections(), 1);
    ask(&mut client, "GET", 0, LONG_WAY);
    ask(&mut client, "GET", 0, LONG_WAY);
    assert_eq!(connections(), 2, "the other way has its own");
    // A connection that ended with its answer, or after it, is not used again.
    for number in [2, 3, 4, 9, 10] {
        let before = connections();
        ask(&mut client, "GET", number, "");
        backend.settle();
        ask(&mut client, "GET", 0, "");
        assert_eq!(connections(), before + 1, "{:?}", ANSWERS[number].0);
    }
}

/// A backend that answers every connection's first request with `answer`, and goes on with `then` for as long as
/// it is listened to.
pub fn answering(answer: &'static str, then: &'static str) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            thread::spawn(move || {
                let mut goes_on = stream.write_all(answer.as_bytes()).is_ok() && !then.is_empty();
                while goes_on {
                    thread::sleep(Duration::from_millis(50));
                    goes_on = stream.write_all(then.as_bytes()).is_ok();
                }
                // Whoever waits for more is to say so.
                let _ = stream.read(&mut [0; 1]);
            });
        }
    });
    address
}

#[test]
fn an_upgrade_nobody_asked_for_is_no_answer() {
    let address =
        answering("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhi", "");
    let gate = Gate::start(&CONFIG.replace("{echo}", &address.to_string()));
    for way in ["", LONG_WAY] {
        let answer = gate.send(format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{way}\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (502, "bad_gateway"), "{way}");
    }
}

#[test]
fn an_upgrade_of_http_1_0_is_no_answer_even_to_who_asked() {
    let address =
        answering("HTTP/1.0 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\nhi", "");
    let gate = Gate::start(&CONFIG.replace("{echo}", &address.to_string()));
    let asked = "GET /public/1 HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let answer = gate.send(asked);
    assert_eq!((answer.status, answer.code().as_str()), (502, "bad_gateway"));
}

/// RFC 9112 §2.3: a version is what its sender can do. A client that took kgate for HTTP/1.0 would not use its
/// connection again.
#[test]
fn the_version_of_an_answer_is_ours_whatever_the_backends() {
    for answer in [
        "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
        "HTTP/1.0 204 No Content\r\n\r\n",
        "HTTP/1.0 304 Not Modified\r\n\r\n",
        "HTTP/1.0 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ] {
        let gate = Gate::start(&CONFIG.replace("{echo}", &answering(answer, "").to_string()));
        for way in ["", LONG_WAY] {
            let mut client = gate.connect();
            for _ in 0..2 {
                client.send(format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{way}\r\n"));
                loop {
                    let answer = client.answer();
                    assert!(answer.head.starts_with("HTTP/1.1 "), "{way}{}", answer.head);
                    if answer.status >= 200 {
                        assert_eq!(answer.header("connection"), Some("keep-alive"));
                        break;
                    }
                }
            }
        }
        // To a client of the old version, too, which gets no interim answers.
        let old = gate.send("GET /public/1 HTTP/1.0\r\nHost: a\r\n\r\n");
        assert!(old.head.starts_with("HTTP/1.1 ") && old.status >= 200, "{}", old.head);
    }
}

/// What an operator takes away or says himself does not come out beforehand.
#[test]
fn interim_answers_say_nothing_that_the_route_takes_away_or_says_itself() {
    let answer = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nServer: secret/1.2\r\nx-powered-by: secret\r\n\
                  Cache-Control: public\r\nVary: secret\r\n\r\nHTTP/1.1 200 OK\r\nServer: secret/1.2\r\n\
                  Content-Length: 2\r\n\r\nok";
    let edits = "path = \"/public/**\"\nresponse_headers = { remove = [\"Server\", \"X-Powered-By\"], \
                 set = { Cache-Control = \"no-store\" }, add = { Vary = \"Accept\" } }";
    let config = CONFIG.replace("path = \"/public/**\"", edits);
    assert!(config.contains(edits));
    let gate = Gate::start(&config.replace("{echo}", &answering(answer, "").to_string()));
    for way in ["", LONG_WAY] {
        let mut client = gate.connect();
        client.send(format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{way}\r\n"));
        let interim = client.answer();
        assert_eq!((interim.status, interim.header("link")), (103, Some("</a>")), "{way}");
        for name in ["server", "x-powered-by", "cache-control"] {
            assert_eq!(interim.header(name), None, "{way}");
        }
        // Something is added to the answer only, and takes nothing away.
        assert_eq!(interim.header("vary"), Some("secret"), "{way}");
        let last = client.answer();
        assert_eq!((last.status, last.header("server")), (200, None), "{way}");
        assert_eq!(last.header("cache-control"), Some("no-store"), "{way}");
        assert_eq!(last.header("vary"), Some("Accept"), "{way}");
    }
}

/// What a client is told of where a message ends is one thing, and ours: whoever is between it and us may take
/// another for true, and an answer for that of somebody else.
#[test]
fn what_frames_no_message_or_another_one_is_not_passed_on() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n\
                   Keep-Alive: timeout=5\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\
                   X-Request-Id: forged\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    for (answer, status, length) in [
        (interim, 103, None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", 200, Some("2")),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", 200, Some("2")),
        ("HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil", 204, None),
        ("HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n", 204, None),
        ("HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n", 304, None),
    ] {
        let gate = Gate::start(&CONFIG.replace("{echo}", &answering(answer, "").to_string()));
        for way in ["", LONG_WAY] {
            let mut client = gate.connect();
            client.send(format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{way}\r\n"));
            let first = client.answer();
            assert_eq!((first.status, first.header("content-length")), (status, length), "{way}{answer}");
            for name in ["transfer-encoding", "keep-alive", "x-hop"] {
                assert_eq!(first.header(name), None, "{way}{answer}");
            }
            if status == 103 {
                assert_eq!(first.header("link"), Some("</a>"));
                assert_eq!((first.header("connection"), first.header("x-request-id")), (None, None), "{way}");
                assert_eq!(client.answer().body, b"ok");
            }
        }
    }
}

/// A coding nobody asked for, or chunks said twice, end somewhere else for somebody else.
#[test]
fn an_answer_in_a_coding_nobody_asked_for_is_no_answer() {
    for coding in [
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked, identity",
        "xchunked",
        "",
        "chunked\r\nTransfer-Encoding: chunked",
        "chunked\r\nTransfer-Encoding: identity",
    ] {
        let answer = format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}\r\n\r\n2\r\nok\r\n0\r\n\r\n");
        let gate = Gate::start(&CONFIG.replace("{echo}", &answering(answer.leak(), "").to_string()));
        for way in ["", LONG_WAY] {
            let answer = gate.send(format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{way}\r\n"));
            assert_eq!((answer.status, answer.code().as_str()), (502, "bad_gateway"), "{way}{coding:?}");
        }
    }
}

#[test]
fn interim_answers_without_end_end_when_the_answer_must_be_there() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n";
    let address = answering(interim, interim).to_string();
    let limited = format!("servers = [\"{address}\"]\ntotal_timeout = \"1s\"");
    let gate = Gate::start(&CONFIG.replace("servers = [\"{echo}\"]", &limited));
    for way in ["", LONG_WAY] {
        let mut client = gate.connect();
        client.send(format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{way}\r\n"));
        let last = std::iter::repeat_with(|| client.answer()).find(|answer| answer.status >= 200).unwrap();
        assert_eq!((last.status, last.code().as_str()), (504, "gateway_timeout"), "{way}");
    }
}

/// RFC 9112 §6.1: chunks are nothing that a client of HTTP/1.0 knows. An answer over HTTP/2 need not say its length.
#[test]
fn a_client_of_http_1_0_gets_no_chunks_of_a_backend_of_http2() {
    for (answer, body) in [
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", ""),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", "hello"),
    ] {
        let listen = "proxy = [{ address = \"127.0.0.1:0\", h2c = true, trusted = true }]";
        let inner = CONFIG.replace("proxy = [\"127.0.0.1:0\"]", listen);
        let inner = Gate::start(&inner.replace("{echo}", &answering(answer, "").to_string()));
        let spoken = format!("servers = [\"{}\"]\nprotocol = \"http/2\"", inner.address);
        let gate = Gate::start(&CONFIG.replace("servers = [\"{echo}\"]", &spoken));
        for kept in ["", "Connection: keep-alive\r\n"] {
            let mut client = gate.connect();
            client.send(format!("GET /public/1 HTTP/1.0\r\nHost: a\r\n{kept}\r\n"));
            let has_length = answer.contains("Content-Length");
            if has_length && !kept.is_empty() {
                let answer = client.answer();
                assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
                assert_eq!(answer.body, body.as_bytes());
                continue;
            }
            let all = String::from_utf8(client.rest()).unwrap();
            let (head, rest) = all.split_once("\r\n\r\n").unwrap();
            let head = head.to_lowercase();
            assert!(head.starts_with("http/1.1 200") && head.contains("connection: close"), "{head}");
            assert!(!head.contains("transfer-encoding"), "{head}");
            assert_eq!(rest, body, "{head}");
        }
        let new = gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!((new.status, new.body), (200, body.into()));
    }
}
