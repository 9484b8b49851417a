//! The gateway over real sockets, against a backend that shows every byte it gets.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use kgate::gateway::{FIRST_WORDS, Stop};
use kgate::key::Token;
use kgate::store::NewKey;

use crate::fronts::free_port;
use crate::harness::{
    CONFIG, Client, Gate, PATIENCE, SECRET, acme, asked, new_key, now, read_head, request, scopes_of,
    unless_it_stands_still, until,
};

/// [`CONFIG`] with more lines in `[server]`.
fn with_server(lines: &str) -> String {
    CONFIG.replace("realm = \"acme\"", &format!("realm = \"acme\"\n{lines}"))
}

/// [`CONFIG`] with the backend's settings replaced.
fn with_servers(servers: &str) -> String {
    CONFIG.replace("servers = [\"{echo}\"]", servers)
}

#[test]
fn a_good_key_reaches_the_backend_and_the_backend_learns_whose_it_is() {
    let gate = Gate::start(CONFIG);
    let consumer =
        gate.consumer(&kgate::store::NewConsumer { external_id: Some("org_42".to_owned()), ..acme() });
    let issued = gate.issue_to(consumer, &["products:read", "orders:write"]);
    let answer = gate.get("/v1/products/7?a=b%20c&d", &issued.token);
    assert_eq!(answer.status, 200, "{}", answer.head);
    let json = answer.json();
    assert_eq!(json["method"], "GET");
    assert_eq!(json["target"], "/v1/products/7?a=b%20c&d");
    for (name, value) in [
        ("X-Consumer-Id", consumer.to_string()),
        ("X-Consumer-Name", "Acme Corp".to_owned()),
        ("X-Consumer-External-Id", "org_42".to_owned()),
        ("X-Consumer-Scopes", "orders:write,products:read".to_owned()),
        ("X-Consumer-Plan", "free".to_owned()),
        ("X-Key-Id", issued.record.id.to_string()),
        ("X-Consumer-Meta-Tier", "gold".to_owned()),
        ("X-Kgate-Secret", SECRET.to_owned()),
        ("X-Forwarded-For", "127.0.0.1".to_owned()),
        ("X-Forwarded-Proto", "http".to_owned()),
        ("X-Forwarded-Host", "api.example.com".to_owned()),
        ("Host", "api.example.com".to_owned()),
    ] {
        assert_eq!(answer.seen(name), [value], "{name}");
    }
    assert!(answer.seen("Authorization").is_empty());
    assert!(!json["head"].as_str().unwrap().contains(issued.token.expose()));
    let id = answer.header("x-request-id").expect("a request id").to_owned();
    assert_eq!(answer.seen("X-Request-Id"), std::slice::from_ref(&id));
    assert_eq!(answer.header("x-ratelimit-limit"), Some("1000000"));
    assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some());
    assert_eq!(answer.header("connection"), Some("keep-alive"));

    let line = gate.lines.of(&id);
    assert_eq!(line["status"], 200);
    assert_eq!(line["verdict"], "allow");
    assert_eq!(line["route"], "products");
    assert_eq!(line["upstream"], "echo");
    assert_eq!(line["path"], "/v1/products/7");
    assert_eq!(line["key_id"], issued.record.id.to_string());
    assert_eq!(line["consumer_id"], consumer.to_string());
    assert_eq!(gate.count("kgate_requests_total{code=\"200\",route=\"products\",verdict=\"allowed\"}"), 1.0);
}

#[test]
fn a_key_header_takes_the_place_of_authorization() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&[]);
    let answer = gate.send(format!(
        "GET /header/a HTTP/1.1\r\nHost: a\r\nx-api-key: {}\r\nAuthorization: Basic dTpw\r\n\r\n",
        token.expose()
    ));
    assert_eq!(answer.status, 200);
    assert!(answer.seen("X-Api-Key").is_empty());
    assert_eq!(answer.seen("Authorization"), ["Basic dTpw"], "it is the backend's own business there");
    assert!(!answer.body.windows(20).any(|w| token.expose().as_bytes().starts_with(w)));
}

#[test]
fn each_refusal_has_its_status_its_headers_and_one_form() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    let narrow = gate.issue(&["orders:read"]);
    let consumer = gate.consumer(&acme());
    let networked = gate
        .issue_key(&NewKey {
            scopes: scopes_of(&["products:read"]),
            networks: "10.0.0.0/8".parse().unwrap(),
            ..new_key(consumer)
        })
        .token;
    let limited = gate
        .issue_key(&NewKey {
            scopes: scopes_of(&["products:read"]),
            plan: Some("tiny".to_owned()),
            ..new_key(consumer)
        })
        .token;
    for _ in 0..2 {
        assert_eq!(gate.get("/v1/products/1", &limited).status, 200);
    }
    let get = |target: &str, token: &Token| request("GET", target, token);
    let bare = "GET /v1/products/1 HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
    for (bytes, status, code, reason) in [
        (bare, 401, "unauthorized", "no_credential"),
        (get("/v1/products/1", &Token::from_presented("nonsense")), 401, "unauthorized", "malformed"),
        (get("/v1/products/1", &narrow), 403, "insufficient_scope", "scope"),
        (get("/v1/products/1", &networked), 403, "network_not_allowed", "network"),
        (get("/v1/products/1", &limited), 429, "", "limited"),
        (get("/nowhere", &token), 404, "not_found", "no_route"),
        (request("DELETE", "/v1/products/1", &token), 405, "method_not_allowed", "method"),
        (request("TRACE", "/header/1", &token), 405, "method_not_allowed", "method"),
        (get("/v1/products/../admin", &token), 400, "ambiguous_path", "path"),
        (get("/v1//products/1", &token), 400, "ambiguous_path", "path"),
    ] {
        let answer = gate.send(&bytes);
        let shown = format!("{bytes:?}: {}", answer.head);
        assert_eq!(answer.status, status, "{shown}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"), "{shown}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{shown}");
        assert_eq!(answer.header("connection"), Some("keep-alive"), "{shown}");
        assert!(answer.header("server").is_none(), "{shown}");
        let json = answer.json();
        assert_eq!(json["status"], status, "{shown}");
        assert_eq!(json["request_id"], answer.header("x-request-id").unwrap(), "{shown}");
        if !code.is_empty() {
            assert_eq!(json["code"], code, "{shown}");
        }
        let line = gate.lines.of(answer.header("x-request-id").unwrap());
        assert_eq!(line["verdict"], "deny", "{line}");
        assert!(line["reason"].as_str().unwrap().contains(reason), "{line} has not {reason}");
    }
    let refused = gate.send("GET /v1/products/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(refused.header("www-authenticate"), Some("Bearer realm=\"acme\""));
    let over = gate.get("/v1/products/1", &limited);
    assert!(over.header("retry-after").unwrap().parse::<u64>().unwrap() >= 1);
    assert_eq!(gate.echo.requests(), 2, "no refused request reached the backend");
}

#[test]
fn a_revoked_key_is_refused_by_the_next_request() {
    let gate = Gate::start(CONFIG);
    let consumer = gate.consumer(&acme());
    let mut client = gate.connect();
    for _ in 0..20 {
        let issued = gate.issue_to(consumer, &["products:read"]);
        client.send(request("GET", "/v1/products/1", &issued.token));
        assert_eq!(client.answer().status, 200);
        gate.revoke(issued.record.id);
        client.send(request("GET", "/v1/products/1", &issued.token));
        assert_eq!(client.answer().status, 401);
    }
}

/// Everything a backend believes about the client, in every spelling a client can give it.
#[test]
fn no_spelling_of_an_identity_header_reaches_the_backend() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    let names = [
        "X-Consumer-Id",
        "X-Consumer-Name",
        "X-Consumer-External-Id",
        "X-Consumer-Scopes",
        "X-Consumer-Plan",
        "X-Key-Id",
        "X-Consumer-Meta-Tier",
        "X-Consumer-Meta-Role",
        "X-RateLimit-Remaining",
        "X-Kgate-Secret",
        "X-Api-Key",
    ];
    let spellings: [fn(&str) -> String; 6] = [
        str::to_owned,
        str::to_lowercase,
        str::to_uppercase,
        |name| name.replace('-', "_"),
        |name| name.replace('-', "."),
        |name| name.replacen('-', "_", 1),
    ];
    let mut client = gate.connect();
    for name in names {
        for spell in spellings {
            let name = spell(name);
            let spoofs = [
                format!("{name}: EVIL\r\n"),
                format!("{name}: EVIL\r\n{name}: EVIL2\r\n"),
                format!("{name}: EVIL\r\nConnection: {name}\r\n"),
                format!("Connection: keep-alive, {name}\r\n"),
                format!("{name}: \r\n"),
            ];
            for (path, key) in [
                ("/v1/products/1", format!("Authorization: Bearer {}\r\n", token.expose())),
                ("/public/1", String::new()),
            ] {
                for spoof in &spoofs {
                    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{key}{spoof}\r\n"));
                    let answer = client.answer();
                    assert_eq!(answer.status, 200, "{spoof:?}: {}", answer.head);
                    assert!(!answer.body.windows(4).any(|w| w == b"EVIL"), "{spoof:?}: {}", answer.json());
                    for ours in names {
                        assert!(answer.seen(ours).len() <= 1, "{spoof:?}: {ours} twice: {}", answer.json());
                    }
                    let known = usize::from(path != "/public/1");
                    assert_eq!(answer.seen("X-Consumer-Id").len(), known, "{spoof:?}: {}", answer.json());
                    assert_eq!(answer.seen("X-Key-Id").len(), known, "{spoof:?}");
                    assert_eq!(answer.seen("X-Kgate-Secret"), [SECRET], "{spoof:?}");
                }
            }
        }
    }
}

#[test]
fn what_could_change_path_method_or_client_behind_us_is_removed() {
    let gate = Gate::start(CONFIG);
    let answer = gate.send(
        "GET /public/1 HTTP/1.1\r\nHost: a\r\nX-Original-URL: /EVIL\r\nx_rewrite_url: /EVIL\r\n\
         X-HTTP-Method-Override: EVIL\r\nX-Forwarded-For: 6.6.6.6\r\nForwarded: for=6.6.6.6\r\n\
         X-Real-Ip: 6.6.6.6\r\nX_Forwarded_For: 6.6.6.6\r\nX-Forwarded-Host: EVIL\r\nX-Request-Id: EVIL\r\n\
         Proxy-Authorization: EVIL\r\nTE: trailers\r\nUpgrade: h2c\r\nHTTP2-Settings: EVIL\r\n\
         Connection: Upgrade, HTTP2-Settings\r\ntraceparent: EVIL\r\nAccept: */*\r\n\r\n",
    );
    assert_eq!(answer.status, 200, "{}", answer.head);
    let head = answer.json()["head"].as_str().unwrap().to_owned();
    assert!(!head.contains("EVIL") && !head.contains("6.6.6.6"), "{head}");
    assert_eq!(answer.seen("X-Forwarded-For"), ["127.0.0.1"]);
    assert_eq!(answer.seen("Accept"), ["*/*"]);
    assert!(answer.seen("Upgrade").is_empty());
}

#[test]
fn a_trusted_proxy_is_believed_and_a_stranger_is_not() {
    let trusting = Gate::start(&with_server("trusted_proxies = [\"127.0.0.1/32\"]"));
    let id = "abc-123";
    let bytes = format!(
        "GET /public/1 HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 6.6.6.6, 1.2.3.4\r\nX-Forwarded-Proto: https\r\n\
         X-Request-Id: {id}\r\n\r\n"
    );
    let answer = trusting.send(&bytes);
    assert_eq!(answer.seen("X-Forwarded-For"), ["6.6.6.6, 1.2.3.4, 127.0.0.1"]);
    assert_eq!(answer.seen("X-Forwarded-Proto"), ["https"]);
    assert_eq!(answer.seen("X-Request-Id"), [id]);
    assert_eq!(answer.header("x-request-id"), Some(id));
    assert_eq!(trusting.lines.of(id)["client"], "1.2.3.4");

    let strict = Gate::start(CONFIG);
    let answer = strict.send(&bytes);
    assert_eq!(answer.seen("X-Forwarded-For"), ["127.0.0.1"]);
    assert_eq!(answer.seen("X-Forwarded-Proto"), ["http"]);
    assert_ne!(answer.header("x-request-id"), Some(id));
}

#[test]
fn what_is_forwarded_is_what_was_matched() {
    let gate = Gate::start(CONFIG);
    let mut client = gate.connect();
    for (sent, forwarded) in [
        ("/public/a%2Db", "/public/a-b"),
        ("/public/%7Euser?x=%2e%2e", "/public/~user?x=%2e%2e"),
        ("/public/a%20b?c#d", ""),
        ("/public/../v1/products/1", ""),
        ("/public/%2e%2e/v1/products/1", ""),
        ("/public/..;/v1", ""),
        ("/public/a\\b", ""),
        ("/public/a%00b", ""),
        ("http://a/public/x", ""),
        ("public/x", ""),
        ("*", ""),
        ("/public/caf%c3%a9", "/public/caf%C3%A9"),
    ] {
        client.send(format!("GET {sent} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer();
        if forwarded.is_empty() {
            assert_eq!(answer.status, 400, "{sent}");
            assert!(answer.json()["code"].is_string(), "{sent}");
        } else {
            assert_eq!(answer.status, 200, "{sent}: {}", answer.head);
            assert_eq!(answer.json()["target"], forwarded, "{sent}");
        }
    }
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 400);
}

#[test]
fn connect_and_requests_without_a_sound_host_are_400() {
    let gate = Gate::start(CONFIG);
    for bytes in [
        "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n",
        "GET /public/1 HTTP/1.1\r\n\r\n",
        "GET /public/1 HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET /public/1 HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET /public/1 HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /public/1 HTTP/1.1\r\nHost: u@a\r\n\r\n",
    ] {
        let answer = gate.send(bytes);
        assert_eq!(answer.status, 400, "{bytes:?}");
        assert_eq!(answer.code(), "bad_request", "{bytes:?}");
    }
    assert_eq!(gate.echo.requests(), 0);
}

/// What does not parse is refused in the same form, ends the connection, and reaches no backend.
#[test]
fn bytes_that_are_no_request_are_400_and_end_the_connection() {
    let gate = Gate::start(CONFIG);
    let faults = || gate.count("kgate_connection_faults_total{fault=\"malformed\"}");
    for (i, bytes) in [
        &b"GET /public/1 HTTP/1.1\nHost: a\n\n"[..],
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nX\x01: ab\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nX : ab\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\n: b\r\n\r\n",
        b"GET /pub\0lic/1 HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n",
        b"GET /public/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n",
        b"GET /public/1 HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /public/1\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x0a\x0d\x0a\x0d\x0a",
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = gate.connect();
        client.send(bytes);
        let answer = client.answer();
        assert_eq!(answer.status, 400, "{}", bytes.escape_ascii());
        assert_eq!(answer.code(), "bad_request", "{}", bytes.escape_ascii());
        assert_eq!(answer.header("connection"), Some("close"), "{}", bytes.escape_ascii());
        assert!(client.is_closed(), "{}", bytes.escape_ascii());
        assert_eq!(faults(), f64::from(u32::try_from(i + 1).unwrap()), "{}", bytes.escape_ascii());
    }
    assert_eq!(gate.echo.requests(), 0);
}

#[test]
fn heads_over_a_cap_are_431_and_long_targets_414() {
    let gate = Gate::start(CONFIG);
    let server = &gate.loaded.config.server;
    let head = |fields: &str| format!("GET /public/1 HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
    let many = head(&"X: y\r\n".repeat(10_000));
    let few = head(&"X: y\r\n".repeat(server.max_header_fields));
    let large = head(&format!("X: {}\r\n", "y".repeat(server.max_header_bytes)));
    let token = head(&format!("Authorization: Bearer {}\r\n", "x".repeat(1 << 20)));
    for bytes in [many, few, large, token] {
        let mut client = gate.connect();
        client.try_send(&bytes);
        let answer = client.answer();
        assert_eq!(answer.status, 431, "{} bytes", bytes.len());
        assert_eq!(answer.code(), "header_too_large");
        assert!(client.is_closed());
    }
    let fits = head(&"X: y\r\n".repeat(server.max_header_fields - 1));
    assert_eq!(gate.send(&fits).status, 200);
    let long = format!("GET /public/{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(server.max_url_bytes));
    let answer = gate.send(&long);
    assert_eq!((answer.status, answer.code().as_str()), (414, "url_too_long"));
    assert_eq!(gate.echo.requests(), 1);
}

#[test]
fn a_head_that_comes_too_slowly_is_408_however_steadily_it_drips() {
    let gate = Gate::start(&with_server("header_timeout = \"300ms\""));
    let started = now();
    let mut raw = std::net::TcpStream::connect(gate.address).unwrap();
    raw.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut dripping = raw.try_clone().unwrap();
    // One byte every 20 ms would restart a deadline that counts from the last byte.
    let dripper = thread::spawn(move || {
        let mut head = b"GET /public/1 HTTP/1.1\r\nHost: a\r\nX: ".to_vec();
        while started.elapsed() < PATIENCE && dripping.write_all(&head).is_ok() {
            head = b"a".to_vec();
            thread::sleep(Duration::from_millis(20));
        }
    });
    let mut answer = [0; 12];
    raw.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 408");
    assert!(started.elapsed() < Duration::from_secs(9), "it came at another's time");
    let _ = raw.shutdown(std::net::Shutdown::Both);
    dripper.join().unwrap();
    assert_eq!(gate.count("kgate_connection_faults_total{fault=\"head_timeout\"}"), 1.0);

    let mut silent = gate.connect();
    assert!(silent.is_closed(), "who never begins is cut off at the same deadline");
}

#[test]
fn a_body_that_stops_is_408_in_its_time() {
    let gate = Gate::start(&with_server("body_timeout = \"300ms\""));
    let began = now();
    let mut client = gate.connect();
    client.send("POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
    let answer = client.answer();
    assert_eq!((answer.status, answer.code().as_str()), (408, "request_timeout"));
    assert!(client.is_closed());
    assert!((Duration::from_millis(250)..Duration::from_secs(20)).contains(&began.elapsed()));
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let gate = Gate::start(&with_server("idle_timeout = \"200ms\""));
    let started = now();
    let mut client = gate.connect();
    client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    assert!(client.is_closed());
    assert!(started.elapsed() >= Duration::from_millis(200), "not before its time");
}

#[test]
fn a_connection_goes_on_after_a_refusal_and_the_body_is_not_taken_for_a_request() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    let mut client = gate.connect();
    let smuggled = "GET /public/smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(format!(
        "POST /v1/products/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{smuggled}",
        smuggled.len()
    ));
    let refused = client.answer();
    assert_eq!((refused.status, refused.header("connection")), (401, Some("keep-alive")));
    client.send(request("GET", "/v1/products/1", &token));
    assert_eq!(client.answer().json()["target"], "/v1/products/1");
    assert_eq!(gate.echo.requests(), 1, "the body was read and thrown away");

    // A body that comes only after the refusal is thrown away as well.
    client.send("POST /v1/products/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n");
    assert_eq!(client.answer().status, 401);
    client.send(format!("hello{}", request("GET", "/v1/products/2", &token)));
    assert_eq!(client.answer().json()["target"], "/v1/products/2");
}

#[test]
fn a_long_or_endless_body_after_a_refusal_ends_the_connection_but_not_the_answer() {
    let gate = Gate::start(CONFIG);
    for framing in ["Content-Length: 1000000", "Transfer-Encoding: chunked"] {
        let mut client = gate.connect();
        let head = format!("POST /v1/products/1 HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n");
        client.send(format!("{head}{}", "8000\r\n".repeat(10_000)));
        let answer = client.answer();
        assert_eq!(answer.status, 401, "{framing}");
        assert_eq!(answer.header("connection"), Some("close"), "{framing}");
        assert!(client.is_closed(), "{framing}");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    let mut client = gate.connect();
    let all: String = (0..20)
        .map(|i| match i % 4 {
            0 => request("GET", &format!("/v1/products/{i}"), &token),
            1 => format!("GET /v1/products/{i} HTTP/1.1\r\nHost: a\r\n\r\n"),
            2 => format!("GET /public/{i} HTTP/1.1\r\nHost: a\r\n\r\n"),
            _ => format!(
                "POST /public/{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody\
                 GET /public/{i}b HTTP/1.1\r\nHost: a\r\n\r\n"
            ),
        })
        .collect();
    // Cut at an odd place, so that heads are cut as well.
    for piece in all.as_bytes().chunks(97) {
        client.send(piece);
    }
    for i in 0..20 {
        let answer = client.answer();
        assert!(matches!(answer.status, 200 | 401), "{i}: {} {}", answer.head, answer.body.escape_ascii());
        match i % 4 {
            0 => assert_eq!(answer.json()["target"], format!("/v1/products/{i}")),
            1 => assert_eq!(answer.status, 401, "{i}"),
            2 => assert_eq!(answer.json()["target"], format!("/public/{i}")),
            _ => {
                assert_eq!(answer.json()["body"], "body", "{i}");
                assert_eq!(client.answer().json()["target"], format!("/public/{i}b"));
            }
        }
    }
}

#[test]
fn a_body_over_the_cap_is_413_declared_or_not() {
    let gate = Gate::start(&with_server("max_body = \"1KiB\""));
    let post = |framing: &str, body: &str| {
        gate.send(format!("POST /public/1 HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n{body}"))
    };
    assert_eq!(post("Content-Length: 1024", &"x".repeat(1024)).status, 200);
    let chunked = |n: usize| format!("{n:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(n));
    assert_eq!(post("Transfer-Encoding: chunked", &chunked(1024)).status, 200);
    let declared = post("Content-Length: 1025", &"x".repeat(1025));
    assert_eq!((declared.status, declared.code().as_str()), (413, "body_too_large"));
    let (asked, began) = (gate.echo.requests(), now());
    assert_eq!(post("Content-Length: 1025", "").status, 413, "before a byte of it has come");
    assert!(began.elapsed() < Duration::from_secs(20), "in less than a body may take");
    assert_eq!(gate.echo.requests(), asked);
    let counted = post("Transfer-Encoding: chunked", &chunked(1025));
    assert_eq!((counted.status, counted.code().as_str()), (413, "body_too_large"));
    assert_eq!(counted.header("connection"), Some("close"));
    let absurd = post("Content-Length: 99999999999999999999", "");
    assert!(matches!(absurd.status, 400 | 413), "{}", absurd.head);
}

#[test]
fn bodies_are_forwarded_whole() {
    let gate = Gate::start(CONFIG);
    let body = "0123456789".repeat(30_000);
    let answer = gate
        .send(format!("POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert_eq!(answer.json()["body"], body);
    let chunks: String = body
        .as_bytes()
        .chunks(7000)
        .map(|c| format!("{:x}\r\n{}\r\n", c.len(), std::str::from_utf8(c).unwrap()))
        .collect();
    let answer = gate.send(format!(
        "POST /public/1 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    ));
    assert_eq!(answer.json()["body"], body);
    let answer = gate.send("GET /public/1?bytes=3000000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answer.body.len(), 3_000_000);
    let answer = gate.send("GET /public/1?bytes=300000&chunked HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answer.body.len(), 300_000);
}

#[test]
fn expect_100_continue_is_asked_of_the_backend_and_not_of_a_refusal() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    let head = |key: &str| {
        format!(
            "POST /v1/products/1 HTTP/1.1\r\nHost: a\r\n{key}Content-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        )
    };
    let mut client = gate.connect();
    client.send(head(&format!("Authorization: Bearer {}\r\n", token.expose())));
    assert_eq!(client.answer().status, 100);
    client.send("hello");
    assert_eq!(client.answer().json()["body"], "hello");

    client.send(head(""));
    let refused = client.answer();
    assert_eq!((refused.status, refused.header("connection")), (401, Some("close")));
    assert!(client.is_closed(), "the body may or may not come: the connection is of no more use");
}

#[test]
fn head_is_answered_without_a_body_and_http_1_0_without_chunks() {
    let gate = Gate::start(CONFIG);
    let mut client = gate.connect();
    client.send("HEAD /v1/products/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let refused = client.head_answer();
    assert_eq!(refused.status, 401);
    assert!(refused.header("content-length").unwrap().parse::<usize>().unwrap() > 0);
    client.send("HEAD /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.head_answer().status, 200);

    let mut old = gate.connect();
    old.send("GET /public/1?bytes=1000&chunked HTTP/1.0\r\nHost: a\r\n\r\n");
    let answer = old.answer();
    assert_eq!((answer.status, answer.body.len()), (200, 1000));
    assert_eq!(answer.header("transfer-encoding"), None);
    assert!(old.is_closed());

    // Its end is that of the connection, so nothing else is promised.
    for path in ["/public/1?bytes=1000&chunked", "/v1/products/1?bytes=1000&chunked"] {
        let mut asking = gate.connect();
        let key = format!("Authorization: Bearer {}", gate.issue(&["products:read"]).expose());
        asking.send(format!("GET {path} HTTP/1.0\r\n{key}\r\nConnection: keep-alive\r\n\r\n"));
        let answer = asking.answer();
        assert_eq!(
            (answer.status, answer.body.len(), answer.header("connection")),
            (200, 1000, Some("close"))
        );
    }

    let mut keeping = gate.connect();
    for _ in 0..2 {
        keeping.send("GET /public/1 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
        let answer = keeping.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("keep-alive")));
    }
    let mut expecting = gate.connect();
    expecting.send("POST /public/1 HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\nhi");
    let answer = expecting.answer();
    assert_eq!(answer.status, 200, "no interim answer for HTTP/1.0");
    assert!(answer.seen("Expect").is_empty());
}

#[test]
fn an_unreachable_backend_is_502_and_costs_one_more_attempt() {
    let address = free_port();
    let gate = Gate::start(&with_servers(&format!("servers = [\"{address}\"]")));
    let answer = gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.code().as_str()), (502, "bad_gateway"));
    assert_eq!(answer.header("content-type"), Some("application/problem+json"));
    assert_eq!(answer.header("connection"), Some("close"));
    assert_eq!(gate.count("kgate_upstream_errors_total{fault=\"connect\",upstream=\"echo\"}"), 2.0);
    assert_eq!(gate.count("kgate_upstream_retries_total{upstream=\"echo\"}"), 1.0);
    let line = gate.lines.of(answer.header("x-request-id").unwrap());
    assert_eq!((&line["verdict"], &line["reason"]), (&"error".into(), &"upstream_connect".into()));
}

#[test]
fn a_backend_that_does_not_answer_in_time_is_504() {
    let gate = Gate::start(&with_servers("servers = [\"{echo}\"]\nresponse_timeout = \"200ms\""));
    let answer = gate.send("GET /public/1?delay=5000 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.code().as_str()), (504, "gateway_timeout"));
    assert_eq!(gate.count("kgate_upstream_errors_total{fault=\"timeout\",upstream=\"echo\"}"), 1.0);
    until("it came", || gate.echo.requests() > 0);
    assert_eq!(gate.echo.requests(), 1, "it was not sent twice");
}

#[test]
fn a_backend_that_takes_no_connection_in_time_is_504() {
    // A queue that is full: whoever comes is neither accepted nor refused.
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let connect = || std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300));
    let queued: Vec<_> = std::iter::from_fn(|| connect().ok()).collect();
    assert!(!queued.is_empty());
    let servers = format!("servers = [\"{address}\"]\nconnect_timeout = \"200ms\"");
    let gate = Gate::start(&with_servers(&servers));
    let began = now();
    for line in ["GET /public/1 HTTP/1.1", "POST /public/1 HTTP/1.1\r\nContent-Length: 0\r\nKeep-Alive: a"] {
        let answer = gate.send(format!("{line}\r\nHost: a\r\n\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (504, "gateway_timeout"), "{line}");
    }
    assert!(began.elapsed() < Duration::from_secs(8), "in less than four attempts of the usual time");
}

#[test]
fn a_backend_that_breaks_off_or_talks_nonsense_is_502() {
    let gate = Gate::start(CONFIG);
    for option in ["drop", "garbage"] {
        let answer =
            gate.send(format!("POST /public/1?{option} HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n"));
        assert_eq!((answer.status, answer.code().as_str()), (502, "bad_gateway"), "{option}");
    }
    let mut client = gate.connect();
    client.send("GET /public/1?bytes=1000&half HTTP/1.1\r\nHost: a\r\n\r\n");
    // The head was passed on already; what can be done is to end the connection short of its length.
    let mut rest = Vec::new();
    let mut raw = std::net::TcpStream::connect(gate.address).unwrap();
    raw.set_read_timeout(Some(PATIENCE)).unwrap();
    raw.write_all(b"GET /public/1?bytes=1000&half HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
    let _ = raw.read_to_end(&mut rest);
    let text = String::from_utf8_lossy(&rest);
    assert!(text.starts_with("HTTP/1.1 200") && text.len() < 1000, "{text}");
}

#[test]
fn servers_take_turns_and_a_dead_one_is_passed_over() {
    let address = free_port();
    let servers = format!("servers = [\"{{echo}}\", \"{address}\"]\nejection = {{ lasts = \"10m\" }}");
    let gate = Gate::start(&with_servers(&servers));
    for i in 0..20 {
        // Not idempotent: nothing was sent to the dead one, so it goes to the other all the same.
        let answer =
            gate.send(format!("POST /public/{i} HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi"));
        assert_eq!(answer.status, 200, "{i}");
        assert_eq!(answer.json()["body"], "hi");
    }
    assert_eq!(gate.echo.requests(), 20);
    let failed = gate.count("kgate_upstream_errors_total{fault=\"connect\",upstream=\"echo\"}");
    assert_eq!(failed, 3.0, "and no oftener than it may fail");
    assert_eq!(gate.count("kgate_upstream_servers_down{upstream=\"echo\"}"), 1.0);
}

#[test]
fn a_name_that_does_not_resolve_is_502_and_another_server_takes_its_turn() {
    let gate = Gate::start(&with_servers("servers = [\"no-such-host.invalid:80\"]"));
    assert_eq!(gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n").status, 502);
    let gate = Gate::start(&with_servers("servers = [\"no-such-host.invalid:80\", \"{echo}\"]"));
    for _ in 0..4 {
        assert_eq!(gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n").status, 200);
    }
}

/// A backend that answers the first request of each connection and closes on the second.
fn one_shot_backend() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let seen = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&seen);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let counted = Arc::clone(&counted);
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                for turn in 0..2 {
                    if !matches!(stream.read(&mut buffer), Ok(n) if n > 0) {
                        return;
                    }
                    counted.fetch_add(1, Ordering::SeqCst);
                    if turn == 0 {
                        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
                    }
                }
            });
        }
    });
    (address, seen)
}

#[test]
fn an_idempotent_request_is_tried_again_when_a_kept_connection_breaks_and_no_other_is() {
    let (address, seen) = one_shot_backend();
    let gate = Gate::start(&with_servers(&format!("servers = [\"{address}\"]")));
    let mut client = gate.connect();
    let get = "GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n";
    client.send(get);
    assert_eq!(client.answer().status, 200);
    client.send(get);
    assert_eq!(client.answer().status, 200, "over a new connection");
    assert_eq!(seen.load(Ordering::SeqCst), 3);
    client.send("POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 502);
    assert_eq!(seen.load(Ordering::SeqCst), 4, "it may have been done: it is not sent twice");
    // The same by the way that is taken by all but plain requests.
    let mut client = gate.connect();
    let post = "POST /public/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nKeep-Alive: a\r\n\r\n";
    client.send(post);
    assert_eq!(client.answer().status, 200);
    client.send(post);
    assert_eq!((client.answer().status, seen.load(Ordering::SeqCst)), (502, 6));
}

#[test]
fn connections_to_the_backend_are_kept() {
    let gate = Gate::start(CONFIG);
    let mut client = gate.connect();
    for _ in 0..10 {
        client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
    }
    assert_eq!((gate.echo.requests(), gate.echo.connections()), (10, 1));
}

/// What a backend says that keeps no connection.
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn requests_over_the_cap_in_flight_are_503_and_spend_nothing() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = with_server("max_in_flight = 1");
    let gate = Gate::start(&config.replace("{echo}", &backend.local_addr().unwrap().to_string()));
    let mut slow = gate.connect();
    slow.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut in_work = asked(&backend);
    let answer = gate.send("GET /public/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!((answer.status, answer.code().as_str()), (503, "overloaded"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    in_work.write_all(OK).unwrap();
    assert_eq!(slow.answer().status, 200);
    until("it is done", || gate.gateway.in_flight() == 0);
    let mut next = gate.connect();
    next.send("GET /public/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    asked(&backend).write_all(OK).unwrap();
    assert_eq!(next.answer().status, 200);
    until("nothing is in flight", || gate.count("kgate_requests_in_flight") == 0.0);
}

#[test]
fn the_last_request_of_a_connection_closes_it() {
    let gate = Gate::start(&CONFIG.replace("[server]", "[server]\nmax_requests_per_connection = 3"));
    for (number, target) in ["/public/1", "/public/1", "/v1/products"].iter().cycle().take(6).enumerate() {
        // Answers and refusals alike.
        let mut client = gate.connect();
        for at in 0..3 {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
            let answer = client.answer();
            assert_eq!(
                answer.header("connection") == Some("close"),
                at == 2,
                "{number} {at}: {}",
                answer.head
            );
        }
        assert!(client.is_closed());
    }
}

#[test]
fn connections_over_the_cap_wait_for_a_place() {
    let gate = Gate::start(&with_server("max_connections = 1"));
    let mut first = gate.connect();
    first.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(first.answer().status, 200);
    let mut second = gate.connect();
    second.send("GET /public/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    until("the cap is felt", || gate.count("kgate_connection_faults_total{fault=\"cap\"}") >= 1.0);
    assert_eq!(gate.echo.requests(), 1);
    drop(first);
    assert_eq!(second.answer().status, 200);
}

#[test]
fn a_store_that_cannot_be_read_is_503_and_never_200() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    assert_eq!(gate.get("/v1/products/1", &token).status, 200);
    gate.verifier.close();
    std::fs::write(gate.loaded.config.data_dir.join("kgate.redb"), b"gone").unwrap();
    let answer = gate.get("/v1/products/1", &token);
    assert_eq!((answer.status, answer.code().as_str()), (503, "unavailable"));
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(gate.echo.requests(), 1);
    assert_eq!(gate.count("kgate_snapshot_unavailable_total"), 1.0);
}

#[test]
fn a_unix_socket_serves_too() {
    let config = CONFIG.replace("[\"127.0.0.1:0\"]", "[\"127.0.0.1:0\", \"unix:kgate.sock\"]");
    let gate = Gate::start(&config);
    let token = gate.issue(&["products:read"]);
    let mut client = Client::unix(&gate.dir.path().join("kgate.sock"));
    client.send(request("GET", "/v1/products/1", &token));
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    assert!(answer.seen("X-Forwarded-For").is_empty(), "nobody knows the client's address");
}

#[test]
fn draining_answers_what_was_asked_and_closes_the_rest() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let config = with_server("idle_timeout = \"10m\"");
    let mut gate = Gate::start(&config.replace("{echo}", &backend.local_addr().unwrap().to_string()));
    let mut idle = gate.connect();
    idle.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    asked(&backend).write_all(OK).unwrap();
    assert_eq!(idle.answer().status, 200);
    let mut busy = gate.connect();
    busy.send("GET /public/2 HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut in_work = asked(&backend);
    gate.stop(Stop::Draining);
    assert!(
        idle.is_closed(),
        "an idle connection is closed, this one a little later than one that is idle for long"
    );
    in_work.write_all(OK).unwrap();
    let answer = busy.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(busy.is_closed());
    drop(busy);
    // An idle client that keeps its end open is not waited for: it could be for longer than this waits.
    gate.wait();
    drop(idle);
    assert!(std::net::TcpStream::connect(gate.address).is_err(), "nobody listens any more");
}

#[test]
fn a_request_sent_just_before_the_word_to_drain_is_answered() {
    for _ in 0..20 {
        let gate = Gate::start(CONFIG);
        let mut early = gate.connect();
        early.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        gate.stop(Stop::Draining);
        let answer = early.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
}

/// Whoever has been let in and never answered cannot know that nobody is there any more, however late it asks.
#[test]
fn who_had_connected_before_the_word_to_drain_may_still_ask_once() {
    unless_it_stands_still(FIRST_WORDS, |began| {
        let mut gate = Gate::start(CONFIG);
        let (mut silent, mut halfway, mut late) = (gate.connect(), gate.connect(), gate.connect());
        halfway.send("GET /public/1 HTTP/1.1\r\nHo");
        // They are accepted in the order they came in.
        let mut last = gate.connect();
        last.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(last.answer().status, 200);
        began.set(now());
        gate.stop(Stop::Draining);
        thread::sleep(Duration::from_millis(100));
        silent.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        halfway.send("st: a\r\n\r\n");
        for client in [&mut silent, &mut halfway] {
            let answer = client.answer();
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
            assert!(client.is_closed());
        }
        let started = now();
        gate.wait();
        assert!(started.elapsed() < PATIENCE / 2, "one that never asks is not waited for");
        assert!(late.is_closed());
    });
}

/// Whoever asks again and again has its next request on the way while the word to drain is given.
#[test]
fn a_connection_in_use_has_one_more_answer_when_it_is_time_to_drain() {
    unless_it_stands_still(FIRST_WORDS, |began| {
        let mut gate = Gate::start(CONFIG);
        let mut client = gate.connect();
        client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, 200);
        began.set(now());
        gate.stop(Stop::Draining);
        thread::sleep(Duration::from_millis(200));
        client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        assert!(client.is_closed());
        gate.wait();
    });
}

/// What a backend has said so far may be all that its client waits for.
#[test]
fn what_has_come_of_an_answer_does_not_wait_for_the_rest() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = listener.local_addr().unwrap();
    let (go_on, wait) = mpsc::channel::<()>();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 4096]);
            for piece in ["HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n", "begin", "ended"] {
                stream.write_all(piece.as_bytes()).unwrap();
                let _ = wait.recv();
            }
        }
    });
    let gate = Gate::start(&CONFIG.replace("{echo}", &backend.to_string()));
    // The short way, and Pingora's.
    for ask in ["GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n", "GET /public/1 HTTP/1.0\r\nHost: a\r\n\r\n"] {
        let mut client = gate.connect();
        client.send(ask);
        for piece in ["\r\n\r\n", "begin", "ended"] {
            client.until(piece.as_bytes());
            go_on.send(()).unwrap();
        }
    }
}

/// An answer that began before the word to drain said that the connection goes on.
#[test]
fn who_was_getting_an_answer_at_the_word_to_drain_has_one_more() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let backend = listener.local_addr().unwrap();
    let (go_on, wait) = mpsc::channel::<()>();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        for answer in ["Content-Length: 10\r\n\r\nbegin", "Content-Length: 2\r\n\r\nok"] {
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(format!("HTTP/1.1 200 OK\r\n{answer}").as_bytes()).unwrap();
            if wait.recv().is_ok() {
                stream.write_all(b"ended").unwrap();
            }
        }
    });
    let ask = "GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n";
    let mut gate = Gate::start(&CONFIG.replace("{echo}", &backend.to_string()));
    let mut client = gate.connect();
    client.send(ask);
    let begun = client.until(b"begin");
    assert!(!String::from_utf8_lossy(&begun).contains("close"), "{begun:?}");
    gate.stop(Stop::Draining);
    until("nobody is let in any more", || std::net::TcpStream::connect(gate.address).is_err());
    go_on.send(()).unwrap();
    drop(go_on);
    client.until(b"ended");
    client.send(ask);
    let answer = client.answer();
    assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    assert!(client.is_closed());
    gate.wait();
}

#[test]
fn stopping_now_cuts_what_is_left() {
    let mut gate = Gate::start(CONFIG);
    let mut busy = gate.connect();
    busy.send("GET /public/2?delay=60000 HTTP/1.1\r\nHost: a\r\n\r\n");
    until("it is in flight", || gate.gateway.in_flight() == 1);
    let started = now();
    gate.stop(Stop::Now);
    gate.wait();
    assert!(started.elapsed() < PATIENCE / 2, "in less than the answer takes");
    assert!(busy.is_closed());
    assert_eq!(gate.gateway.in_flight(), 0);
}

#[test]
fn a_changed_configuration_is_taken_over_between_two_requests() {
    let gate = Gate::start(CONFIG);
    let mut client = gate.connect();
    client.send("GET /fresh/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 404);
    let path = gate.dir.path().join("kgate.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace("/public/**", "/fresh/**")).unwrap();
    let loaded = kgate::config::Config::read(&path).unwrap();
    gate.gateway.reconfigure(&loaded.config).unwrap();
    client.send("GET /fresh/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 200);
    client.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 404);
}

/// A backend that upgrades every connection and then sends back what comes.
fn parrot() -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || repeat(stream.unwrap()));
        }
    });
    address
}

fn repeat(mut stream: std::net::TcpStream) {
    let mut buffer = [0; 4096];
    let n = stream.read(&mut buffer).unwrap();
    assert!(String::from_utf8_lossy(&buffer[..n]).to_lowercase().contains("upgrade: websocket"));
    let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let _ = stream.write_all(answer.as_bytes());
    while let Ok(n) = stream.read(&mut buffer) {
        if n == 0 || stream.write_all(&buffer[..n]).is_err() {
            return;
        }
    }
}

const UPGRADE: &str = "GET /public/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn upgraded(gate: &Gate) -> std::net::TcpStream {
    let (raw, head) = upgrading(gate);
    assert!(head.starts_with(b"HTTP/1.1 101"), "{}", head.escape_ascii());
    raw
}

/// Asks for an upgrade, and returns the head of the answer.
fn upgrading(gate: &Gate) -> (std::net::TcpStream, Vec<u8>) {
    let mut raw = std::net::TcpStream::connect(gate.address).unwrap();
    raw.set_read_timeout(Some(PATIENCE)).unwrap();
    raw.write_all(UPGRADE.as_bytes()).unwrap();
    let head = read_head(&mut raw).expect("an answer");
    (raw, head)
}

/// A pause is what is tested here: there is nothing to wait for but the clock.
#[test]
fn an_upgraded_connection_outlasts_the_time_outs_of_requests_and_has_its_own() {
    let times = "response_timeout = \"1s\"";
    let config = with_servers(&format!("servers = [\"{}\"]\n{times}", parrot())).replace(
        "realm = \"acme\"",
        "realm = \"acme\"\nbody_timeout = \"1s\"\nupgrade_idle_timeout = \"8s\"",
    );
    let gate = Gate::start(&config);
    // Where a backend does not answer within its second, 504 is right.
    let mut tries = std::iter::repeat_with(|| upgrading(&gate)).take(5);
    let (mut raw, _) = tries.find(|(_, head)| head.starts_with(b"HTTP/1.1 101")).expect("an upgrade");
    for message in ["first", "second"] {
        thread::sleep(Duration::from_millis(1_500));
        raw.write_all(message.as_bytes()).unwrap();
        let mut back = vec![0; message.len()];
        raw.read_exact(&mut back).unwrap();
        assert_eq!(back, message.as_bytes());
    }
    let began = now();
    assert_eq!(raw.read(&mut [0]).unwrap_or(0), 0, "silent for longer, it is closed");
    assert!(began.elapsed() < PATIENCE / 2, "by the gateway, and in its time");
}

#[test]
fn an_upgrade_that_is_not_answered_in_time_is_504() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let servers = format!("servers = [\"{}\"]\nresponse_timeout = \"50ms\"", listener.local_addr().unwrap());
    let gate = Gate::start(&with_servers(&servers));
    let answer = gate.send(UPGRADE);
    assert_eq!((answer.status, answer.code().as_str()), (504, "gateway_timeout"));
}

#[test]
fn a_client_that_has_said_all_still_gets_its_answer() {
    let gate = Gate::start(CONFIG);
    for request in [
        "GET /public/1?delay=50 HTTP/1.1\r\nHost: a\r\n\r\n",
        "POST /public/1?delay=50 HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi",
        "POST /public/1?delay=50 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let mut client = gate.connect();
        client.send(request);
        client.half_close();
        let answer = client.answer();
        assert_eq!(answer.status, 200, "{request:?}");
        assert!(client.is_closed(), "{request:?}");
    }
}

#[test]
fn a_refused_head_is_found_in_the_log_by_the_id_in_its_answer() {
    let gate = Gate::start(CONFIG);
    let long = format!("GET /public/1 HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(40_000));
    for (bytes, status, reason) in
        [("GET / HTTP/1.1\nHost: a\n\n", 400, "malformed_header"), (&long, 431, "header_too_large")]
    {
        let mut client = gate.connect();
        client.try_send(bytes);
        let answer = client.answer();
        assert_eq!(answer.status, status);
        let line = gate.lines.of(answer.json()["request_id"].as_str().unwrap());
        assert_eq!((line["reason"].as_str(), line["status"].as_u64()), (Some(reason), Some(status.into())));
        assert_eq!(line["client"], "127.0.0.1");
    }
}

#[test]
fn a_websocket_passes_both_ways() {
    let gate = Gate::start(&with_servers(&format!("servers = [\"{}\"]", parrot())));
    let mut raw = upgraded(&gate);
    for message in ["ping", "a longer message"] {
        raw.write_all(message.as_bytes()).unwrap();
        let mut back = vec![0; message.len()];
        raw.read_exact(&mut back).unwrap();
        assert_eq!(back, message.as_bytes());
    }
}
