//! A refusal tells an attacker nothing, and nothing but exactly one good credential passes.

use std::time::Duration;

use kgate::key::{Digest, Networks, Prefix, Timestamp, Token, checksum};
use kgate::store::{Act, NewKey, Rotation};
use kgate::verify::wall;

use crate::harness::{Answer, CONFIG, Gate, acme, act, new_key};

/// [`CONFIG`] with a route for one key type only, by each source of keys.
fn config() -> String {
    let route = |name: &str, source: &str| {
        format!(
            "\n[[route]]\nname = \"{name}\"\npath = \"/{name}/**\"\nkey_types = [\"live\"]\n{source}\n\
             upstream = \"echo\"\n"
        )
    };
    CONFIG.to_owned() + &route("bearer", "") + &route("named", "key_header = \"X-Live-Key\"")
}

/// Returns an answer as it was received, without what every answer has anew.
fn bytes_of(answer: &Answer) -> String {
    let id = answer.header("x-request-id").expect("every answer has an id");
    let text = format!("{}{}", answer.head, String::from_utf8_lossy(&answer.body));
    let text = text.replace(id, "ID");
    text.split("\r\n").filter(|line| !line.starts_with("Date: ")).collect::<Vec<_>>().join("\r\n")
}

/// Every way in which a credential can be no good, by name.
fn bad_credentials(gate: &Gate) -> Vec<(&'static str, String)> {
    let consumer = gate.consumer(&acme());
    let issue = |new: &NewKey| gate.issue_key(new);
    let at = |millis: i64| Timestamp::from_millis(wall().as_millis() + millis);
    let plain = new_key(consumer);

    let good = issue(&plain).token;
    let good = good.expose();
    let revoked = issue(&plain);
    gate.revoke(revoked.record.id);
    let disabled = issue(&plain);
    gate.store.disable_key(disabled.record.id, &act()).unwrap();
    let past = Act { at: at(-7_200_000), ..act() };
    let expired = gate
        .store
        .issue(
            &NewKey { expires_at: Some(at(-3_600_000)), ..plain.clone() },
            &gate.loaded.config.peppers,
            &past,
            &mut rand::rng(),
        )
        .unwrap();
    let early = issue(&NewKey { not_before: Some(at(3_600_000)), ..plain.clone() });
    let rotated = issue(&plain);
    let rotation = Rotation { grace: Duration::ZERO, expires_at: Some(at(3_600_000)) };
    gate.store
        .rotate(rotated.record.id, rotation, &gate.loaded.config.peppers, &act(), &mut rand::rng())
        .unwrap();
    let sleeper = gate.consumer(&acme());
    let consumer_disabled = gate.issue_to(sleeper, &[]);
    gate.store.disable_consumer(sleeper, &act()).unwrap();
    let leaver = gate.consumer(&acme());
    let consumer_deleted = gate.issue_to(leaver, &[]);
    gate.store.delete_consumer(leaver, &act()).unwrap();
    let other_type =
        issue(&NewKey { key_type: "test".to_owned(), prefix: "acme_test".parse().unwrap(), ..plain.clone() });
    let no_plan = issue(&NewKey { plan: Some("gone".to_owned()), ..plain.clone() });
    // Refused for more than one reason: still the first class of reasons.
    let elsewhere: Networks = "10.0.0.0/8".parse().unwrap();
    let revoked_elsewhere = issue(&NewKey { networks: elsewhere, ..plain });
    gate.revoke(revoked_elsewhere.record.id);

    gate.settle();

    let prefix: Prefix = "acme_live".parse().unwrap();
    let other_prefix: Prefix = "acme_prod".parse().unwrap();
    let mint = |prefix: &Prefix| Token::mint(prefix, &mut rand::rng()).expose().to_owned();
    let digest = Digest::sha256(good.as_bytes());
    let hex: String = digest.as_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let last = if good.ends_with('0') { "1" } else { "0" };
    let body = |text: &str| {
        let sum = checksum(text.as_bytes());
        format!("{text}{}", std::str::from_utf8(&sum).unwrap())
    };
    let random = &good[..good.len() - 6];
    let neighbour = if random.ends_with('a') { "b" } else { "a" };
    vec![
        ("unknown", mint(&prefix)),
        ("unknown prefix", mint(&other_prefix)),
        ("too short", good[..good.len() - 1].to_owned()),
        ("appended to", format!("{good}x")),
        ("appended to after a space", format!("{good} x")),
        ("preceded", format!("x{good}")),
        ("wrong alphabet", format!("{}-{}", &good[..20], &good[21..])),
        ("wrong checksum", format!("{}{last}", &good[..good.len() - 1])),
        ("a neighbour with a right checksum", body(&format!("{}{neighbour}", &random[..random.len() - 1]))),
        ("upper case", good.to_uppercase()),
        ("prefix alone", "acme_live_".to_owned()),
        ("one character", "x".to_owned()),
        ("long", "x".repeat(4_000)),
        ("quoted", format!("\"{good}\"")),
        ("twice in one", format!("{good}{good}")),
        ("padded", format!("{good}=")),
        ("beyond ASCII", format!("{good}\u{e9}")),
        ("full width", good.replacen('a', "\u{ff41}", 1)),
        ("percent-encoded", good.replace('_', "%5F")),
        ("the digest in hexadecimal", hex.clone()),
        ("the digest as a token", body(&format!("acme_live_{}", &hex[..32]))),
        ("an id for a key", revoked.record.id.to_string()),
        ("comma-joined", format!("{good},{good}")),
        ("revoked", revoked.token.expose().to_owned()),
        ("rotated out", rotated.token.expose().to_owned()),
        ("expired", expired.token.expose().to_owned()),
        ("disabled", disabled.token.expose().to_owned()),
        ("not yet valid", early.token.expose().to_owned()),
        ("of a disabled consumer", consumer_disabled.token.expose().to_owned()),
        ("of a deleted consumer", consumer_deleted.token.expose().to_owned()),
        ("of another type", other_type.token.expose().to_owned()),
        ("of a plan that is gone", no_plan.token.expose().to_owned()),
        ("revoked, from elsewhere", revoked_elsewhere.token.expose().to_owned()),
    ]
}

#[test]
fn every_refusal_of_a_credential_is_the_same_bytes() {
    let gate = Gate::start(&config());
    let bad = bad_credentials(&gate);
    for (method, body) in [("GET", ""), ("HEAD", ""), ("POST", "Content-Length: 5\r\n\r\nhello")] {
        for (target, source) in [("/bearer/1", "Authorization: Bearer "), ("/named/1", "X-Live-Key: ")] {
            let mut kept = gate.connect();
            let mut all = Vec::new();
            for (name, token) in &bad {
                let end = if body.is_empty() { "\r\n" } else { body };
                let request = format!("{method} {target} HTTP/1.1\r\nHost: a\r\n{source}{token}\r\n{end}");
                let mut fresh = gate.connect();
                for client in [&mut kept, &mut fresh] {
                    client.send(&request);
                    let answer = if method == "HEAD" { client.head_answer() } else { client.answer() };
                    assert_eq!(answer.status, 401, "{name}: {}", answer.head);
                    assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{name}");
                    all.push((name, bytes_of(&answer)));
                }
            }
            for (name, bytes) in &all {
                assert_eq!(*bytes, all[0].1, "{method} {target}: {name} differs from {}", all[0].0);
            }
        }
    }
    assert_eq!(gate.echo.requests(), 0, "none of them reached the backend");
}

#[test]
fn every_refusal_for_want_of_a_credential_is_the_same_bytes() {
    let gate = Gate::start(&config());
    let token = gate.issue(&[]);
    let token = token.expose();
    let mut client = gate.connect();
    for (target, lines) in [
        (
            "/bearer/1",
            vec![
                String::new(),
                "Authorization:\r\n".to_owned(),
                "Authorization:   \t \r\n".to_owned(),
                "Authorization: Bearer\r\n".to_owned(),
                "Authorization: bEARER  \r\n".to_owned(),
                "Authorization: Basic dTpw\r\n".to_owned(),
                format!("Authorization: Token {token}\r\n"),
                format!("Authorization: {token}\r\n"),
                format!("Authorization: Bearer{token}\r\n"),
                format!("X-Live-Key: {token}\r\n"),
                format!("X-Authorization: Bearer {token}\r\n"),
                format!("Proxy-Authorization: Bearer {token}\r\n"),
                format!("Cookie: Authorization=Bearer {token}\r\n"),
            ],
        ),
        (
            "/named/1",
            vec![
                String::new(),
                "X-Live-Key:\r\n".to_owned(),
                "X-Live-Key: \t \r\n".to_owned(),
                format!("Authorization: Bearer {token}\r\n"),
                format!("X_Live_Key: {token}\r\n"),
                format!("X-Live-Key2: {token}\r\n"),
            ],
        ),
    ] {
        let mut first = None;
        for line in lines {
            client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{line}\r\n"));
            let answer = client.answer();
            assert_eq!(answer.status, 401, "{line:?}");
            let first = first.get_or_insert_with(|| bytes_of(&answer));
            assert_eq!(bytes_of(&answer), *first, "{line:?}");
        }
    }
    for query in ["key", "api_key", "access_token", "token"] {
        client.send(format!("GET /bearer/1?{query}={token} HTTP/1.1\r\nHost: a\r\n\r\n"));
        assert_eq!(client.answer().status, 401, "a key in the query is no credential");
    }
    assert_eq!(gate.echo.requests(), 0);
}

/// Two credentials are refused even if both are good, since somebody else on the way may have taken
/// the other.
#[test]
fn only_exactly_one_credential_passes() {
    let gate = Gate::start(&config());
    let token = gate.issue(&["products:read"]);
    let token = token.expose();
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let named = format!("X-Live-Key: {token}\r\n");
    for (target, lines, status) in [
        ("/bearer/1", bearer.clone(), 200),
        ("/bearer/1", bearer.replace("Authorization", "aUTHORIZATION"), 200),
        ("/bearer/1", bearer.replace("Bearer ", "bearer \t  "), 200),
        ("/bearer/1", bearer.replace("\r\n", " \t \r\n"), 200),
        ("/bearer/1", format!("{bearer}X-Other: {token}\r\n"), 200),
        ("/bearer/1", format!("{bearer}{named}"), 200),
        ("/bearer/1", format!("{bearer}{bearer}"), 401),
        ("/bearer/1", format!("{bearer}Authorization: Basic dTpw\r\n"), 401),
        ("/bearer/1", format!("Authorization: Basic dTpw\r\n{bearer}"), 401),
        ("/bearer/1", format!("Authorization:\r\n{bearer}"), 401),
        ("/bearer/1", format!("{bearer}authorization:\r\n"), 401),
        ("/bearer/1", format!("Authorization: Bearer {token}, Bearer {token}\r\n"), 401),
        ("/bearer/1", format!("Authorization: Bearer {token},\r\n"), 401),
        ("/bearer/1", format!("Authorization: ,Bearer {token}\r\n"), 401),
        ("/bearer/1", format!("Authorization: Basic dTpw, Bearer {token}\r\n"), 401),
        ("/bearer/1", format!("Authorization: Bearer Bearer {token}\r\n"), 401),
        ("/bearer/1", format!("Authorization: Bearer\u{a0}{token}\r\n"), 401),
        ("/bearer/1", format!("Authorization: Bearer \u{2003}{token}\r\n"), 401),
        ("/bearer/1", format!("Authorization: Bearer {token}\u{200b}\r\n"), 401),
        ("/bearer/1", format!("Authorization : Bearer {token}\r\n"), 400),
        ("/bearer/1", format!("Authorization: Bearer\r\n {token}\r\n"), 400),
        ("/bearer/1", format!("Authorization: Bearer {token}\0\r\n"), 400),
        ("/bearer/1", format!("Authorization: Bearer \x01{token}\r\n"), 400),
        ("/bearer/1", format!("Authorization: Bearer {}\r\n", "x".repeat(1 << 20)), 431),
        ("/named/1", named.clone(), 200),
        ("/named/1", named.to_uppercase().replace(&token.to_uppercase(), token), 200),
        ("/named/1", format!("{named}{bearer}"), 200),
        ("/named/1", format!("{named}{named}"), 401),
        ("/named/1", format!("{named}X-Live-Key:\r\n"), 401),
        ("/named/1", format!("X-Live-Key: {token}, {token}\r\n"), 401),
        ("/named/1", format!("X-Live-Key: Bearer {token}\r\n"), 401),
        ("/named/1", format!("X-Live-Key: {token}\0\r\n"), 400),
    ] {
        let mut client = gate.connect();
        client.try_send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
        let answer = client.answer();
        let shown: String = lines.chars().take(200).collect();
        assert_eq!(answer.status, status, "{target} {shown:?}: {}", answer.head);
        if status == 200 {
            let json = answer.json();
            let head = json["head"].as_str().unwrap();
            let without =
                head.replace(&format!("X-Other: {token}"), "").replace(&format!("x-other: {token}"), "");
            assert!(!without.contains(token), "{target} {shown:?}: {head}");
        }
    }
    assert_eq!(gate.echo.requests(), 9);
    let scoped = gate.issue(&["orders:read"]);
    let lines = format!("Authorization: Bearer {}\r\nAuthorization: Bearer {token}\r\n", scoped.expose());
    let answer = gate.send(format!("GET /v1/products/1 HTTP/1.1\r\nHost: a\r\n{lines}\r\n"));
    assert_eq!(answer.status, 401, "neither of the two is taken");
}
