//! Callers without a key, and keys everybody may see: at every door alike, in the log, in metrics and in
//! explanations.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use kgate::key::{Peppers, Token};
use kgate::layer::{ClientAddress, KeyLayer};
use kgate::store::{NewKey, Store};
use kgate::verify::Verifier;
use serde_json::{Value, json};
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::fronts;
use crate::harness::{self, Answer, Client, Gate, act, new_key, patient};
use crate::layer::{inside, parsed};
use crate::process::Site;

const MORE: &str = r#"
[[key_type]]
name = "pub"
prefix = "acme_pub"
kind = "publishable"
origins = ["https://app.example.com", "https://*.example.org"]
per_address = "4/h"

[plans.guests]
limits = [{ name = "guest", rate = "3/h" }]

[[route]]
name = "open"
path = "/open/**"
anonymous = "guests"
upstream = "echo"
"#;

/// What no caller may say of itself.
const SPOOFED: &str = "X-Consumer-Id: root\r\nx_key_id: root\r\n";

fn shown_key(store: &Store) -> Token {
    let consumer = Site::consumer(store);
    let new = NewKey { key_type: "pub".to_owned(), prefix: "acme_pub".parse().unwrap(), ..new_key(consumer) };
    store.issue(&new, &Peppers::default(), &act(), &mut rand::rng()).unwrap().token
}

/// What a door answered: the status, `code` or what is known of the caller, and whether the client is told
/// of a limit.
#[derive(PartialEq, Eq, Debug)]
struct Told {
    status: u16,
    said: String,
    limit: bool,
}

impl Told {
    fn over_http(answer: &Answer, caller: String) -> Self {
        let code = || answer.json()["code"].as_str().unwrap().to_owned();
        Self {
            status: answer.status,
            said: if answer.status == 200 { caller } else { code() },
            limit: answer.header("ratelimit").is_some(),
        }
    }
}

#[test]
fn every_door_treats_callers_without_a_key_and_publishable_keys_alike() {
    let site = Site::with(&format!("{}{MORE}", fronts::CONFIG));
    let store = site.store();
    let (good, shown) = (Site::issue(&store).token, shown_key(&store));
    let mut revoked = Site::issue(&store);
    store.revoke(revoked.record.id, kgate::key::RevokeReason::Leak, &act()).unwrap();
    let revoked = std::mem::replace(&mut revoked.token, Token::from_presented("x"));
    drop(store);
    let served = site.serve(&[]);
    let config = site.config().config;
    let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
    let mut service = KeyLayer::new(&config, verifier).layer(tower::service_fn(inside));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();

    // The gateway and the sidecar are one process and one count, so each door has addresses of its own.
    let mut ask = |door: u8, address: u8, fields: &[String]| -> Told {
        let client = IpAddr::from([203, 0, door, address]);
        let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
        let text = |prefix: &str, more: &str| {
            format!("GET {prefix}/open/1 HTTP/1.1\r\nHost: a\r\n{more}{SPOOFED}{fields}\r\n")
        };
        let over = |to, prefix| {
            let mut connection = Client::tcp(to);
            connection.send(text(prefix, &format!("X-Forwarded-For: {client}\r\n")));
            connection.answer()
        };
        match door {
            1 => {
                let answer = over(served.address, "");
                let seen = if answer.status == 200 { answer.seen("X-Consumer-Name") } else { Vec::new() };
                if answer.status == 200 && seen.is_empty() {
                    for name in ["X-Consumer-Id", "x_key_id", "X-Key-Id", "X-Consumer-Plan", "Authorization"]
                    {
                        assert!(answer.seen(name).is_empty(), "{name}: {:?}", answer.seen(name));
                    }
                }
                Told::over_http(&answer, seen.join("|"))
            }
            2 => {
                let answer = over(served.sidecar.unwrap(), "/envoy");
                let name = answer.header("x-consumer-name");
                if answer.status == 200 {
                    let removed = answer.header("x-envoy-auth-headers-to-remove").unwrap();
                    for name in ["x-consumer-id", "x_key_id"] {
                        assert!(removed.contains(name) || answer.header(name).is_some(), "{name}: {removed}");
                    }
                }
                Told::over_http(&answer, name.unwrap_or_default().to_owned())
            }
            _ => {
                let mut asked = parsed(&text("", "")).unwrap();
                asked.extensions_mut().insert(ClientAddress(client));
                let got =
                    runtime.block_on(async { service.ready().await.unwrap().call(asked).await.unwrap() });
                let (head, body) = got.into_parts();
                let body = runtime.block_on(axum::body::to_bytes(body, 1 << 16)).unwrap();
                let said = if head.status == 200 {
                    let body = String::from_utf8_lossy(&body).into_owned();
                    let lines: Vec<&str> = body.split('\n').collect();
                    assert_eq!((lines[9], lines[10]), ("", ""), "what the client says of itself is gone");
                    if lines[1].is_empty() { String::new() } else { "Acme Corp".to_owned() }
                } else {
                    let body: Value = serde_json::from_slice(&body).unwrap();
                    body["code"].as_str().unwrap().to_owned()
                };
                Told { status: head.status.as_u16(), said, limit: head.headers.contains_key("ratelimit") }
            }
        }
    };
    let bearer = |token: &Token| format!("Authorization: Bearer {}", token.expose());
    let told = |status, said: &str, limit| Told { status, said: said.to_owned(), limit };
    for door in 1..=3 {
        for _ in 0..3 {
            assert_eq!(ask(door, 1, &[]), told(200, "", true), "door {door}");
        }
        assert_eq!(ask(door, 1, &[]), told(429, "rate_limited", true), "door {door}");
        assert_eq!(ask(door, 2, &[]), told(200, "", true), "another address, door {door}");
        for bad in [bearer(&revoked), "Authorization: Bearer nonsense".to_owned()] {
            assert_eq!(ask(door, 3, &[bad]), told(401, "unauthorized", false), "door {door}");
        }
        assert_eq!(ask(door, 1, &[bearer(&good)]), told(200, "Acme Corp", true), "door {door}");
        // Keys everybody may see.
        let page = |origin: &str| [bearer(&shown), format!("Origin: {origin}")];
        for page in [page("https://evil.example"), page("null"), [bearer(&shown), "X-Other: x".to_owned()]] {
            assert_eq!(ask(door, 4, &page), told(403, "origin_not_allowed", false), "door {door}, {page:?}");
        }
        for origin in ["https://app.example.com", "https://a.b.example.org"] {
            assert_eq!(ask(door, 4, &page(origin)), told(200, "Acme Corp", true), "door {door}");
        }
        let referer = [bearer(&shown), "Referer: https://app.example.com/shop?a".to_owned()];
        for _ in 0..2 {
            assert_eq!(ask(door, 4, &referer), told(200, "Acme Corp", true), "door {door}");
        }
        assert_eq!(ask(door, 4, &referer), told(429, "rate_limited", true), "door {door}");
        assert_eq!(ask(door, 5, &referer), told(200, "Acme Corp", true), "another address, door {door}");
    }
}

#[test]
fn the_log_and_the_metrics_tell_callers_without_a_key_from_others() {
    let gate = Gate::start(&format!("{}{MORE}", harness::CONFIG));
    let token = gate.issue(&[]);
    let line = |answer: &Answer| gate.lines.of(answer.header("x-request-id").unwrap());
    let without = |target: &str| gate.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
    let free = line(&without("/open/1"));
    assert_eq!((&free["anonymous"], &free["verdict"]), (&json!(true), &json!("allow")));
    assert_eq!(
        (&free["key_id"], &free["consumer_id"], &free["reason"]),
        (&Value::Null, &Value::Null, &Value::Null)
    );
    for (answer, why) in [(gate.get("/open/1", &token), "a key"), (without("/public/1"), "public")] {
        assert_eq!(line(&answer)["anonymous"], Value::Null, "{why}");
    }
    for _ in 0..2 {
        line(&without("/open/1"));
    }
    let refused = line(&without("/open/1"));
    assert_eq!((&refused["verdict"], &refused["reason"]), (&json!("deny"), &json!("limited")));
    let counted = gate.metrics.render();
    for (code, verdict, count) in [(200, "anonymous", 3), (200, "allowed", 1), (429, "limited", 1)] {
        let labels = format!("code=\"{code}\",route=\"open\",verdict=\"{verdict}\"");
        let series = format!("kgate_requests_total{{{labels}}} {count}\n");
        assert!(counted.contains(&series), "{series}{counted}");
    }
}

#[test]
fn explaining_tells_what_a_caller_without_a_key_and_a_page_may_do() {
    let site = Site::with(&format!("{}{MORE}", fronts::CONFIG));
    let store = site.store();
    let id = {
        let token = shown_key(&store);
        let digest = kgate::key::Digest::sha256(token.expose().as_bytes());
        store.key_by_digest(&digest).unwrap().unwrap().id.to_string()
    };
    drop(store);
    let explained = |args: &[&str]| {
        let output =
            site.command(&[&["explain", "GET", "/open/1", "--json"], args].concat()).output().unwrap();
        let account: BTreeMap<String, Value> = serde_json::from_slice(&output.stdout).unwrap();
        (account["verdict"].clone(), account["decided_by"].clone(), account)
    };
    let (verdict, by, account) = explained(&["--ip", "192.0.2.1"]);
    assert_eq!((verdict, by), (json!("allow"), json!("limit")), "{account:?}");
    assert_eq!((&account["plan"], &account["limits"][0]["name"]), (&json!("guests"), &json!("guest")));
    assert_eq!(account["key_id"], Value::Null);
    assert_eq!(account["forward"]["headers"], json!({}), "nobody is named to the backend");
    let (verdict, by, account) = explained(&["--key-id", &id]);
    assert_eq!((verdict, by, &account["reason"]), (json!("deny"), json!("origin"), &json!("origin")));
    let (verdict, _, account) = explained(&["--key-id", &id, "--origin", "https://app.example.com"]);
    assert_eq!(verdict, json!("allow"));
    let names: Vec<&str> =
        account["limits"].as_array().unwrap().iter().map(|limit| limit["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["burst", "address"], "a plan's limits and those of its type");
    let (verdict, _, _) = explained(&["--key-id", &id, "--origin", "https://evil.example"]);
    assert_eq!(verdict, json!("deny"));
}
