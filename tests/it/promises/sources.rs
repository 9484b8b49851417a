//! A key may come from many places: from exactly one of those its route names, and from none of them, named
//! or not, does it go on to the backend.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::thread;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use crate::harness::{CONFIG, Client, Gate};

/// A route for each place, one for several, and those of [`CONFIG`].
fn config() -> String {
    let route = |name: &str, credentials: &str| {
        format!(
            "\n[[route]]\nname = \"{name}\"\npath = \"/{name}/**\"\ncredentials = [{credentials}]\nupstream = \"echo\"\n"
        )
    };
    CONFIG.to_owned()
        + &route("bearer", "\"bearer\"")
        + &route("key", "\"header:X-Other-Key\"")
        + &route("user", "\"basic-user\"")
        + &route("password", "\"basic-password\"")
        + &route("cookie", "\"cookie:api_key\"")
        + &route("query", "\"query:api_key\"")
        + &route("websocket", "\"websocket\"")
        + &route(
            "any",
            "\"bearer\", \"basic-user\", \"header:X-Other-Key\", \"cookie:api_key\", \"query:api_key\", \"websocket\"",
        )
}

/// A key in a place: what goes into the query and into the head.
struct Placed {
    route: &'static str,
    query: String,
    lines: String,
}

fn placed(token: &str) -> Vec<Placed> {
    let basic = |pair: String| BASE64_STANDARD.encode(pair);
    let line = |route, line: String| Placed { route, query: String::new(), lines: format!("{line}\r\n") };
    let coded: String = token.bytes().map(|b| format!("%{b:02x}")).collect();
    let query = |query: String| Placed { route: "query", query, lines: String::new() };
    vec![
        line("bearer", format!("Authorization: Bearer {token}")),
        line("key", format!("X-Other-Key: {token}")),
        line("user", format!("Authorization: Basic {}", basic(format!("{token}:")))),
        line("password", format!("Authorization: Basic {}", basic(format!("api:{token}")))),
        line("cookie", format!("Cookie: api_key={token}")),
        line("websocket", format!("Sec-WebSocket-Protocol: kgate.key.{token}")),
        query(format!("api_key={token}")),
        query(format!("%61pi%5Fkey={coded}")),
    ]
}

const ROUTES: [&str; 10] =
    ["bearer", "key", "user", "password", "cookie", "query", "websocket", "header", "public", "any"];

/// Says whether any part of a token, as it is or in base64, is in what the backend saw.
fn is_seen(token: &str, seen: &[u8]) -> bool {
    let seen = String::from_utf8_lossy(seen).to_lowercase();
    let random = token.rsplit('_').next().unwrap();
    let coded: String = random.bytes().map(|b| format!("%{b:02x}")).collect();
    let in_base64 = (0..3).map(|before| {
        let coded = BASE64_STANDARD.encode(format!("{}{random}", "x".repeat(before)));
        coded[4..coded.len() - 4].to_lowercase()
    });
    in_base64.chain([random[..12].to_lowercase(), coded[..30].to_owned()]).any(|form| seen.contains(&form))
}

#[test]
fn a_key_is_taken_from_the_places_its_route_names_and_stays_here() {
    let gate = Gate::start(&config());
    let token = gate.issue(&[]);
    let mut client = gate.connect();
    for Placed { route: place, query, lines } in placed(token.expose()) {
        for route in ROUTES {
            client.send(format!(
                "GET /{route}/a?x=%2f&{query}&y=+1 HTTP/1.1\r\nHost: a\r\nCookie: a=b\r\n{lines}X-Mine: kept\r\n\r\n"
            ));
            let answer = client.answer();
            let is_taken = route == place || route == "public" || (route == "any" && place != "password");
            assert_eq!(
                answer.status,
                if is_taken { 200 } else { 401 },
                "{place} on {route}: {}",
                answer.head
            );
            assert!(
                !is_seen(token.expose(), &answer.body),
                "{place} on {route}: {}",
                answer.body.escape_ascii()
            );
        }
    }
}

#[test]
fn a_key_in_a_place_its_route_does_not_name_goes_no_further_either() {
    let gate = Gate::start(&config());
    let (own, other) = (gate.issue(&[]), gate.issue(&[]));
    let mut client = gate.connect();
    for mine in placed(own.expose()) {
        for theirs in placed(other.expose()) {
            let line = theirs.lines.split(':').next().unwrap();
            if mine.route == theirs.route || (!line.is_empty() && mine.lines.starts_with(line)) {
                continue;
            }
            let text = format!(
                "GET /{}/a?{}&z&{} HTTP/1.1\r\nHost: a\r\n{}{}\r\n",
                mine.route, mine.query, theirs.query, mine.lines, theirs.lines
            );
            client.send(&text);
            let answer = client.answer();
            assert_eq!(answer.status, 200, "{text}: {}", answer.head);
            for token in [&own, &other] {
                assert!(!is_seen(token.expose(), &answer.body), "{text}: {}", answer.body.escape_ascii());
            }
            // Where all of them count, there are two.
            if !["password"].iter().any(|out| [mine.route, theirs.route].contains(out)) {
                client.send(text.replace(&format!("GET /{}/", mine.route), "GET /any/"));
                assert_eq!(client.answer().status, 401, "{text}");
            }
        }
    }
}

#[test]
fn what_is_beside_a_key_stays_as_it_was() {
    let gate = Gate::start(&config());
    let token = gate.issue(&[]);
    let token = token.expose();
    let seen_target = |answer: &crate::harness::Answer| {
        answer.json()["head"].as_str().unwrap().split(' ').nth(1).unwrap().to_owned()
    };
    for (sent, forwarded) in [
        (format!("/query/a?api_key={token}"), "/query/a"),
        (format!("/query/a?b=%2F&api_key={token}&&c=%zz+d"), "/query/a?b=%2F&&c=%zz+d"),
        (format!("/query/a?b;x&%61pi_key={token}"), "/query/a?b;x"),
        (format!("/query/%61?api_key={token}&b"), "/query/a?b"),
    ] {
        let answer = gate.send(format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(answer.status, 200, "{sent}");
        assert_eq!(seen_target(&answer), forwarded, "{sent}");
    }
    let cookies = gate.send(format!(
        "GET /cookie/a HTTP/1.1\r\nHost: a\r\nCookie: a=\"1\"; api_key={token}; b=2\r\nCookie: c\r\n\r\n"
    ));
    assert_eq!(cookies.seen("Cookie"), ["a=\"1\"; b=2; c"]);
    let alone = gate.send(format!("GET /cookie/a HTTP/1.1\r\nHost: a\r\nCookie: api_key={token}\r\n\r\n"));
    assert!(alone.seen("Cookie").is_empty());
    let protocols = gate.send(format!(
        "GET /websocket/a HTTP/1.1\r\nHost: a\r\nSec-WebSocket-Protocol: chat, kgate.key.{token}, v2\r\n\r\n"
    ));
    assert_eq!(protocols.seen("Sec-WebSocket-Protocol"), ["chat, v2"]);
    let line = gate.lines.of(cookies.header("x-request-id").unwrap());
    assert_eq!(line["path"], "/cookie/a");
    for line in gate.lines.all() {
        assert!(!is_seen(token, line.to_string().as_bytes()), "{line}");
    }
}

#[test]
fn a_browser_can_bring_its_key_to_a_websocket() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let backend = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut buffer = [0; 4096];
        let n = stream.read(&mut buffer).unwrap();
        let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Protocol: v2\r\n\r\n";
        stream.write_all(answer.as_bytes()).unwrap();
        buffer[..n].to_vec()
    });
    let upstream = format!(
        "\n[[upstream]]\nname = \"ws\"\nservers = [\"{address}\"]\n\n[[route]]\nname = \"ws\"\npath = \"/ws\"\ncredentials = [\"websocket\"]\nupstream = \"ws\"\n"
    );
    let gate = Gate::start(&(CONFIG.to_owned() + &upstream));
    let token = gate.issue(&[]);
    let mut client = Client::tcp(gate.address);
    client.send(format!(
        "GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v2, kgate.key.{}\r\n\r\n",
        token.expose()
    ));
    let answer = client.answer();
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-protocol"), Some("v2"), "the backend's choice");
    let seen = backend.join().unwrap();
    assert!(!is_seen(token.expose(), &seen), "{}", seen.escape_ascii());
    assert!(String::from_utf8_lossy(&seen).to_lowercase().contains("sec-websocket-protocol: v2\r\n"));
}
