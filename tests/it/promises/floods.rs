//! Who sends bad keys is stopped, and learns nothing of keys by it.

use kgate::key::{Prefix, Token};

use crate::harness::{Answer, CONFIG, Gate, now, until};

/// [`CONFIG`] with clients named by `X-Forwarded-For` and `failed_auth` as given.
fn gate(failed_auth: &str) -> Gate {
    let exempt = "failed_auth = { exempt = [\"127.0.0.0/8\"] }";
    assert!(CONFIG.contains(exempt));
    Gate::start(&CONFIG.replace(exempt, &format!("trusted_proxies = [\"127.0.0.1/32\"]\n{failed_auth}")))
}

fn ask(gate: &Gate, path: &str, client: &str, token: Option<&Token>) -> Answer {
    let key = token.map(|token| format!("Authorization: Bearer {}\r\n", token.expose())).unwrap_or_default();
    let client = if client.is_empty() { String::new() } else { format!("X-Forwarded-For: {client}\r\n") };
    gate.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{client}{key}\r\n"))
}

fn unknown() -> Token {
    Token::mint(&"acme_live".parse::<Prefix>().unwrap(), &mut rand::rng())
}

#[test]
fn an_address_that_sent_too_many_bad_keys_gets_429_whatever_it_brings() {
    let gate = gate("failed_auth = { rate = \"5/h\", exempt = [\"192.0.2.128/25\"] }");
    let good = gate.issue(&["products:read"]);
    let path = "/v1/products/1";
    for _ in 0..10 {
        assert_eq!(ask(&gate, path, "192.0.2.1", None).status, 401, "no key is no failed attempt");
        assert_eq!(ask(&gate, path, "192.0.2.1", Some(&good)).status, 200);
    }
    for _ in 0..5 {
        assert_eq!(ask(&gate, path, "192.0.2.1", Some(&unknown())).status, 401);
    }
    let text = |answer: &Answer| {
        let id = answer.header("x-request-id").unwrap();
        let text = format!("{}{}", answer.head, String::from_utf8_lossy(&answer.body)).replace(id, "ID");
        let is_same = |line: &&str| !line.starts_with("Date: ") && !line.starts_with("Retry-After: ");
        text.split("\r\n").filter(is_same).collect::<Vec<_>>().join("\n")
    };
    let refused = ask(&gate, path, "192.0.2.1", Some(&unknown()));
    assert_eq!((refused.status, refused.code().as_str()), (429, "too_many_failures"));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((600..=720).contains(&wait), "{wait}");
    for header in ["ratelimit", "x-ratelimit-remaining", "www-authenticate"] {
        assert_eq!(refused.header(header), None);
    }
    for token in [Some(&good), None] {
        assert_eq!(text(&ask(&gate, path, "192.0.2.1", token)), text(&refused));
    }
    let id = refused.header("x-request-id").unwrap();
    assert_eq!(gate.lines.of(id)["reason"], "too_many_failures");
    until("the refusals are counted", || {
        gate.count("kgate_refusals_total{reason=\"too_many_failures\"}") == 3.0
    });
    assert_eq!(ask(&gate, "/public/1", "192.0.2.1", None).status, 200);
    assert_eq!(ask(&gate, path, "192.0.2.2", Some(&good)).status, 200);
    // Of IPv6 a /64 is one source. The proxy itself, whoever is exempt and the unknown are never limited.
    for (number, status) in (0..8).map(|n| (n, if n < 5 { 401 } else { 429 })) {
        let client = format!("2001:db8:0:1::{number}");
        assert_eq!(ask(&gate, path, &client, Some(&unknown())).status, status, "{client}");
        for client in ["", "192.0.2.129", "unknown"] {
            assert_eq!(ask(&gate, path, client, Some(&unknown())).status, 401, "{client}");
        }
    }
    assert_eq!(ask(&gate, path, "2001:db8:0:2::1", Some(&good)).status, 200);
}

#[test]
fn the_limit_is_on_unless_it_is_switched_off() {
    for (setting, last) in [("", 429), ("failed_auth = \"off\"", 401)] {
        let gate = gate(setting);
        let began = now();
        let status = || ask(&gate, "/v1/products/1", "192.0.2.1", Some(&unknown())).status;
        assert!((0..60).all(|_| status() == 401));
        let mut more = 0;
        let ended = loop {
            let status = status();
            if status != 401 || more == 60 {
                break status;
            }
            more += 1;
            // One is forgotten each second.
            assert!(last == 401 || more <= began.elapsed().as_secs() + 1, "{setting}: {more} more");
        };
        assert_eq!(ended, last, "{setting}");
    }
}
