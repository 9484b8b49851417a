//! A backend never sees a client's identity or key. The plain matrix of spellings is in
//! `gateway.rs`; here are renamed headers, every separator, and the key in every place.

use kgate::key::Token;

use crate::harness::{Answer, CONFIG, Gate, SECRET, request};

const RENAMES: &str = r#"
[identity_headers]
"X-Consumer-Id" = "X-Tenant"
"X-Consumer-Name" = "X-Consumer-Username"
"X-Consumer-Scopes" = "Granted"
"X-Key-Id" = "X-Credential-Identifier"
"X-RateLimit-Remaining" = "X-Left"
"X-Consumer-Meta-*" = "X-About-*"
"#;

/// The old names, the new ones, and what belongs to no name at all.
const NAMES: [&str; 23] = [
    "X-Consumer-Id",
    "X-Tenant",
    "X-Consumer-Name",
    "X-Consumer-Username",
    "X-Consumer-External-Id",
    "X-Consumer-Scopes",
    "Granted",
    "X-Consumer-Plan",
    "X-Key-Id",
    "X-Credential-Identifier",
    "X-RateLimit-Remaining",
    "X-Left",
    "X-Consumer-Meta-Tier",
    "X-Consumer-Meta-",
    "X-About-Tier",
    "X-About-Anything-At-All",
    "X-Kgate-Secret",
    "X-Kgate-Token",
    "X-Kgate-Timestamp",
    "X-Kgate-Signature",
    "X-Kgate-Anything",
    "X-Identity-Token",
    "X-Api-Key",
];

/// Every byte RFC 9110 §5.6.2 lets stand in a field's name beside letters and digits.
const SEPARATORS: &str = "!#$%&'*+-.^_`|~";

fn sees_evil(answer: &Answer) -> bool {
    answer.body.windows(4).any(|w| w == b"EVIL")
}

#[test]
fn a_backend_never_sees_a_clients_identity_or_key() {
    let config =
        CONFIG.replace("[[key_type]]\nname = \"live\"", &format!("{RENAMES}\n[[key_type]]\nname = \"live\""));
    let proofs = "jwt = { algorithm = \"HS256\", secret_file = \"long\", header = \"X-Identity-Token\" }\n\
                  hmac_secret_file = \"long\"\nforward_metadata =";
    let config = config.replace("forward_metadata =", proofs);
    let gate = Gate::start_with(&config, |dir| std::fs::write(dir.join("long"), [b'x'; 32]).unwrap());
    let token = gate.issue(&["products:read"]);
    let mut client = gate.connect();
    for name in NAMES {
        for separator in SEPARATORS.chars() {
            let name = name.replace('-', &separator.to_string());
            for (path, key) in [
                ("/v1/products/1", format!("Authorization: Bearer {}\r\n", token.expose())),
                ("/header/1", format!("X-Api-Key: {}\r\n", token.expose())),
                ("/public/1", String::new()),
            ] {
                // An own key header would be a second credential: that one is refused.
                if path == "/header/1" && name.eq_ignore_ascii_case("x-api-key") {
                    continue;
                }
                let upper = name.to_uppercase();
                for spoof in [
                    format!("{name}: EVIL\r\n{upper}: EVIL\r\n"),
                    format!("Connection: {name}, keep-alive\r\n{name}: EVIL\r\n"),
                ] {
                    client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{spoof}{key}\r\n"));
                    let answer = client.answer();
                    assert_eq!(answer.status, 200, "{path} {spoof:?}: {}", answer.head);
                    assert!(!sees_evil(&answer), "{path} {spoof:?}: {}", answer.json()["head"]);
                    let known = usize::from(path != "/public/1");
                    for (ours, count) in [
                        ("X-Tenant", known),
                        ("X-Consumer-Username", known),
                        ("X-Consumer-Plan", known),
                        ("X-Credential-Identifier", known),
                        ("X-Left", known),
                        ("X-About-Tier", known),
                        ("X-Consumer-Id", 0),
                        ("X-Consumer-Name", 0),
                        ("X-Key-Id", 0),
                        ("X-Consumer-Meta-Tier", 0),
                        ("X-RateLimit-Remaining", 0),
                        ("X-Identity-Token", known),
                        ("X-Kgate-Signature", 1),
                        ("X-Kgate-Timestamp", 1),
                        ("X-Kgate-Token", 0),
                        ("X-Kgate-Anything", 0),
                    ] {
                        assert_eq!(answer.seen(ours).len(), count, "{path} {spoof:?}: {ours}");
                    }
                    assert_eq!(answer.seen("X-Kgate-Secret"), [SECRET], "{path} {spoof:?}");
                }
            }
        }
    }
}

#[test]
fn naming_a_header_in_connection_takes_nothing_from_the_backend() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    for named in
        ["Host", "X-Request-Id", "X-Forwarded-For", "X-Forwarded-Host", "X-Kgate-Secret", "X-Consumer-Id"]
    {
        let line = format!("\r\nConnection: keep-alive, {named}\r\n");
        let answer = gate.send(request("GET", "/v1/products/1", &token).replacen("\r\n", &line, 1));
        // Pingora refuses to have some of them named.
        if answer.status != 400 {
            assert_eq!(answer.status, 200, "{named}: {}", answer.head);
            assert_eq!(answer.seen(named).len(), 1, "{named}: {}", answer.json()["head"]);
        }
    }
}

/// `Authorization` belongs to the backend where the route takes keys from elsewhere or none at all, but
/// not if there is a key in it.
#[test]
fn no_source_of_keys_reaches_the_backend_with_a_key_in_it() {
    let gate = Gate::start(CONFIG);
    let token = gate.issue(&["products:read"]);
    let other = Token::mint(&"acme_test".parse().unwrap(), &mut rand::rng());
    let mut client = gate.connect();
    for key in [token.expose(), other.expose()] {
        for (path, own) in [
            ("/v1/products/1", format!("Authorization: Bearer {}\r\n", token.expose())),
            ("/header/1", format!("X-Api-Key: {}\r\n", token.expose())),
            ("/public/1", String::new()),
        ] {
            for line in [
                format!("Authorization: Bearer {key}\r\n"),
                format!("Authorization: bearer   {key}  \r\n"),
                format!("Authorization: Basic dTpw\r\nAuthorization: Bearer {key}\r\n"),
                format!("Authorization: Basic dTpw, Bearer {key}\r\n"),
                format!("Authorization: {key}\r\n"),
                format!("Authorization: Token {key}\r\n"),
                format!("Authorization: Token token=\"{key}\", v=1\r\n"),
                format!("Authorization: ApiKey user:{key}\r\n"),
                format!("X-Api-Key: {key}\r\n"),
                format!("X-Api-Key: Bearer {key}\r\nX-API-KEY: {key}\r\n"),
                format!("X_Api_Key: {key}\r\n"),
                format!("x.api-key: {key}\r\n"),
                format!("Proxy-Authorization: Bearer {key}\r\n"),
            ] {
                let mine = own.split(':').next().unwrap_or_default();
                if !mine.is_empty() && line.starts_with(mine) {
                    continue;
                }
                client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{own}{line}\r\n"));
                let answer = client.answer();
                assert_eq!(answer.status, 200, "{path} {line:?}: {}", answer.head);
                let json = answer.json();
                assert!(!json["head"].as_str().unwrap().contains(key), "{path} {line:?}: {json}");
            }
        }
    }
    let answer = gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\nAuthorization: Basic dTpw\r\n\r\n");
    assert_eq!(answer.seen("Authorization"), ["Basic dTpw"], "the backend's own");
}
