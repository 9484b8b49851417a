//! What a backend can verify: signed tokens and codes, end to end, and who is refused.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use kgate::key::Timestamp;
use kgate::sign::{self, Algorithm, CodeKey, Ring, Signer, SigningKey, compact};
use kgate::store::{KeyEdit, NewConsumer};
use kgate::verify::wall;
use serde_json::{Value, json};

use crate::harness::{Answer, CONFIG, Gate, acme, act, request};
use crate::verify_example::{COVERED, keys, verify_request, verify_token};

pub const HMAC_SECRET: &str = "0123456789abcdef0123456789abcdef";

/// The usual configuration; the upstream `echo` gets tokens and codes, and so do others.
fn config() -> String {
    let more = r#"
[[upstream]]
name = "es"
servers = ["{echo}"]
jwt = { algorithm = "ES256", header = "X-Identity-Token", audience = "products", issuer = "https://gw.example" }

[[upstream]]
name = "hs"
servers = ["{echo}"]
jwt = { algorithm = "HS256", secret_file = "hmac", jti = true }

[[route]]
name = "es"
path = "/es/**"
upstream = "es"

[[route]]
name = "hs"
path = "/hs/**"
upstream = "hs"
"#;
    CONFIG.replace("forward_metadata =", "jwt = {}\nhmac_secret_file = \"hmac\"\nforward_metadata =") + more
}

fn prepare(dir: &Path) {
    std::fs::write(dir.join("hmac"), HMAC_SECRET).unwrap();
    std::fs::create_dir(dir.join("data")).unwrap();
    for algorithm in Algorithm::ALL {
        let (made, from) = (wall(), Timestamp::from_secs(1));
        sign::add(&dir.join("data"), &SigningKey::make(algorithm, made, from, &mut rand::rng())).unwrap();
    }
}

pub fn gate() -> Gate {
    Gate::start_with(&config(), prepare)
}

pub fn seconds() -> u64 {
    wall().as_secs().try_into().unwrap()
}

fn token_of(answer: &Answer) -> String {
    let mut seen = answer.seen("X-Kgate-Token");
    assert_eq!(seen.len(), 1, "{}", answer.json()["head"]);
    seen.remove(0)
}

fn claims_of(token: &str) -> Value {
    serde_json::from_slice(&BASE64.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

fn verified(gate: &Gate, answer: &Answer) -> Option<Value> {
    verify_token(&token_of(answer), &keys(&gate.keys.ring().jwks()), "echo", seconds())
}

/// Has what the backend saw verified.
fn is_authentic(answer: &Answer, upstream: &str, now: u64) -> bool {
    let json = answer.json();
    let head = json["head"].as_str().unwrap();
    let line = head.lines().next().unwrap();
    let (method, rest) = line.split_once(' ').unwrap();
    let target = rest.rsplit_once(' ').unwrap().0;
    let mut headers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, value) in head.lines().skip(1).filter_map(|line| line.split_once(':')) {
        headers.entry(name.to_ascii_lowercase()).or_default().push(value.trim().to_owned());
    }
    let values = |name: &str| headers.get(name).into_iter().flatten().map(String::as_str).collect();
    verify_request(HMAC_SECRET.as_bytes(), upstream, (method, target), values, now)
}

#[test]
fn a_backend_can_verify_who_calls() {
    let gate = gate();
    let consumer = gate.consumer(&NewConsumer {
        name: "A \"quoted\" \\ Söhne\",\"sub\":\"evil".to_owned(),
        external_id: Some("org_42".to_owned()),
        ..acme()
    });
    let issued = gate.issue_to(consumer, &["products:read", "orders:*"]);
    let before = seconds();
    let answer = gate.get("/v1/products/%31?q=a%20b", &issued.token);
    let claims = verified(&gate, &answer).expect("it is kgate's");
    let iat = claims["iat"].as_u64().unwrap();
    assert!(iat.is_multiple_of(5) && iat <= seconds() && iat + 5 > before, "{claims}");
    let wanted = json!({
        "iss": "kgate",
        "aud": "echo",
        "sub": consumer.to_string(),
        "iat": iat,
        "exp": iat + 30,
        "key_id": issued.record.id.to_string(),
        "name": "A \"quoted\" \\ Söhne\",\"sub\":\"evil",
        "external_id": "org_42",
        "scope": "orders:* products:read",
        "plan": "free",
        "metadata": {"tier": "gold"},
    });
    assert_eq!(claims, wanted);
    assert!(is_authentic(&answer, "echo", seconds()), "{}", answer.json()["head"]);
    assert_eq!(answer.seen("X-Consumer-Id"), [consumer.to_string()], "headers come, too");
    // Nobody called: there is no token, and the code says that kgate sent it.
    let public = gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(public.seen("X-Kgate-Token").is_empty() && is_authentic(&public, "echo", seconds()));
}

#[test]
fn a_code_covers_every_part_of_a_request() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let body = "GET /v1/products/1?a=1 HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ";
    let answer = gate.send(format!("{body}{}\r\n\r\n", token.expose()));
    let head = answer.json()["head"].as_str().unwrap().to_owned();
    let forged = |from: &str, to: &str| {
        assert!(head.contains(from), "{from}: {head}");
        let json = json!({ "head": head.replacen(from, to, 1) });
        Answer {
            body: json.to_string().into_bytes(),
            ..gate.send("GET /public/1 HTTP/1.1\r\nHost: a\r\n\r\n")
        }
    };
    let now = seconds();
    assert!(is_authentic(&forged("GET", "GET"), "echo", now));
    let lower = head.to_lowercase();
    let line = |name: &str| {
        let at = lower.find(&format!("\r\n{name}:")).or_else(|| lower.find(&format!("\n{name}:")));
        let rest = head[at.unwrap_or_else(|| panic!("{name}: {head}"))..].trim_start();
        rest.lines().next().unwrap().trim_end().to_owned()
    };
    for (from, to) in [
        ("GET ".to_owned(), "PUT ".to_owned()),
        ("/1?a=1".to_owned(), "/2?a=1".to_owned()),
        ("?a=1".to_owned(), "?a=2".to_owned()),
        (line("x-request-id"), "x-request-id: other".to_owned()),
        (line("x-kgate-signature"), "x-kgate-signature: v1=".to_owned()),
        (line("x-kgate-signature"), "x-other: 1".to_owned()),
        (line("x-kgate-timestamp"), format!("x-kgate-timestamp: {}", now + 1_000)),
    ] {
        assert!(!is_authentic(&forged(&from, &to), "echo", now), "{from}: {to}");
    }
    for name in COVERED.iter().filter(|name| lower.contains(&format!("{name}:"))) {
        let line = line(name);
        assert!(!is_authentic(&forged(&line, &format!("{name}: evil")), "echo", now), "{name}");
        assert!(!is_authentic(&forged(&line, "x-other: 1"), "echo", now), "{name} taken away");
        let twice = format!("{line}\r\n{name}: evil");
        assert!(!is_authentic(&forged(&line, &twice), "echo", now), "{name} twice");
    }
    // One that was not there cannot be added.
    let first = line("x-key-id");
    let added = format!("{first}\r\nx-consumer-external-id: evil");
    assert!(!is_authentic(&forged(&first, &added), "echo", now));
    let twice = format!("{added}\r\nx-consumer-external-id: evil");
    assert!(!is_authentic(&forged(&first, &twice), "echo", now), "nor twice");
    assert!(!is_authentic(&answer, "other", now), "to another upstream");
    assert!(!is_authentic(&answer, "echo", now + 60) && !is_authentic(&answer, "echo", now - 60), "later");
}

#[test]
fn every_upstream_gets_its_own_token() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let es = gate.get("/es/1", &token);
    assert!(es.seen("X-Kgate-Token").is_empty() && es.seen("X-Kgate-Signature").is_empty());
    let es = es.seen("X-Identity-Token").remove(0);
    let claims = claims_of(&es);
    assert_eq!((&claims["iss"], &claims["aud"]), (&json!("https://gw.example"), &json!("products")));
    assert!(claims.get("metadata").is_none(), "it asked for none");
    let ring = gate.keys.ring();
    let jwks = keys(&ring.jwks());
    assert!(verify_token(&es, &jwks, "products", seconds()).is_none(), "an ES256 token where EdDSA is due");
    let echo = token_of(&gate.get("/v1/products/1", &token));
    assert!(verify_token(&echo, &jwks, "other", seconds()).is_none(), "replayed to another backend");
    // HS256, and a name of its own for every request.
    let [one, two] = [(), ()].map(|()| token_of(&gate.get("/hs/1", &token)));
    let jti = |token: &str| claims_of(token)["jti"].as_str().unwrap().to_owned();
    assert_ne!(jti(&one), jti(&two));
    let (signed, signature) = one.rsplit_once('.').unwrap();
    let code = CodeKey::new(HMAC_SECRET.as_bytes()).code(&[signed.as_bytes()]);
    assert_eq!(signature, BASE64.encode(code));
}

/// A kept token would be an answer from before the change.
#[test]
fn a_token_never_says_what_is_no_longer_true() {
    let gate = gate();
    let consumer = gate.consumer(&acme());
    let issued = gate.issue_to(consumer, &["products:read"]);
    let mut client = gate.connect();
    let mut tier = || {
        client.send(request("GET", "/v1/products/1", &issued.token));
        let answer = client.answer();
        (verified(&gate, &answer).expect("it is kgate's")["metadata"]["tier"].clone(), token_of(&answer))
    };
    assert_eq!(tier().0, "gold");
    for round in 0..20 {
        let name = format!("tier {}", round % 3);
        let set_metadata = BTreeMap::from([("tier".to_owned(), name.clone())]);
        let edit = KeyEdit { set_metadata, ..KeyEdit::default() };
        let _ = gate.store.update_key(issued.record.id, &edit, &act()).unwrap();
        gate.settle();
        assert_eq!(tier().0, name, "round {round}");
    }
    // Meanwhile it is kept: two of three requests at least fall into one step.
    let tokens = [tier().1, tier().1, tier().1];
    assert!(tokens[0] == tokens[1] || tokens[1] == tokens[2], "signed once in a step");
}

#[test]
fn keys_change_under_a_running_gateway() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let old = gate.keys.ring();
    let known = keys(&old.jwks());
    let kid = |token: &str| {
        let header = BASE64.decode(token.split('.').next().unwrap()).unwrap();
        serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
    };
    let data = gate.loaded.config.data_dir.clone();
    let soon = Timestamp::from_secs(wall().as_secs() + 3_600);
    let next = SigningKey::make(Algorithm::EdDsa, wall(), soon, &mut rand::rng());
    sign::add(&data, &next).unwrap();
    gate.keys.replace(sign::load(&data).unwrap());
    let before = token_of(&gate.get("/v1/products/1", &token));
    assert!(verify_token(&before, &known, "echo", seconds()).is_some(), "it does not sign yet");
    assert!(keys(&gate.keys.ring().jwks()).contains_key(next.id().as_str()), "but is published");
    let now = SigningKey::make(Algorithm::EdDsa, wall(), wall(), &mut rand::rng());
    sign::add(&data, &now).unwrap();
    gate.keys.replace(sign::load(&data).unwrap());
    let after = token_of(&gate.get("/v1/products/1", &token));
    assert_eq!(kid(&after), now.id().as_str(), "at once, though a token was kept");
    let both = keys(&gate.keys.ring().jwks());
    for token in [&before, &after] {
        assert!(verify_token(token, &both, "echo", seconds()).is_some(), "both are verified in the overlap");
    }
    gate.keys.replace(Ring::default());
    assert_eq!(gate.get("/v1/products/1", &token).status, 500, "nothing goes on unsigned");
    assert_eq!(gate.get("/public/1", &token).status, 200);
}

/// Tokens that are not kgate's, or not for this backend, or not of now. `key` is the real one: what only it
/// could sign is signed by it.
pub fn forgeries(key: &SigningKey, good: &str, now: u64) -> Vec<(String, String)> {
    let encode = |text: &str| BASE64.encode(text);
    let claims = claims_of(good);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, body) = signed.split_once('.').unwrap();
    let kid = key.id().as_str();
    let public = key.public();
    let x = BASE64.decode(public["x"].as_str().unwrap()).unwrap();
    let mut list = Vec::new();
    let mut add = |what: &str, token: String| list.push((what.to_owned(), token));
    for none in ["none", "None", "nOnE", "NONE", "", "HS256", "ES256", "RS256"] {
        let head = encode(&json!({"alg": none, "kid": kid, "typ": "JWT"}).to_string());
        add(&format!("alg {none:?}, unsigned"), format!("{head}.{body}."));
        add(&format!("alg {none:?}, the old signature"), format!("{head}.{body}.{signature}"));
    }
    let pem = {
        // The SubjectPublicKeyInfo of an Ed25519 key (RFC 8410 §4).
        let mut der = vec![0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        der.extend_from_slice(&x);
        let text = base64::prelude::BASE64_STANDARD.encode(der);
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    };
    for secret in [&x, pem.as_bytes(), pem.trim().as_bytes(), public.to_string().as_bytes(), b""] {
        let head = encode(&json!({"alg": "HS256", "kid": kid, "typ": "JWT"}).to_string());
        let code = CodeKey::new(secret).code(&[format!("{head}.{body}").as_bytes()]);
        add("HS256 under the public key", format!("{head}.{body}.{}", BASE64.encode(code)));
    }
    let mallory =
        SigningKey::make(Algorithm::EdDsa, Timestamp::default(), Timestamp::default(), &mut rand::rng());
    let by_mallory = |head: Value| {
        let signed = format!("{}.{body}", encode(&head.to_string()));
        format!("{signed}.{}", BASE64.encode(mallory.sign(signed.as_bytes())))
    };
    add("another's key", compact(Signer::Key(&mallory), claims.to_string().as_bytes()));
    add("another's key under our kid", by_mallory(json!({"alg": "EdDSA", "kid": kid})));
    add("a key of its own", by_mallory(json!({"alg": "EdDSA", "kid": kid, "jwk": mallory.public()})));
    for url in ["http://127.0.0.1:9/jwks.json", "data:application/json,{}"] {
        add("a key from elsewhere", by_mallory(json!({"alg": "EdDSA", "kid": kid, "jku": url, "x5u": url})));
    }
    for kid in ["", "../../../../dev/null", "/etc/passwd", "' OR 1=1 --", "sig_0000000000000000", "\u{0}"] {
        add("a kid", by_mallory(json!({"alg": "EdDSA", "kid": kid})));
    }
    // Of two members with one name a reader takes the first, the last, or neither (RFC 8259 §4).
    for head in [
        format!(r#"{{"alg":"EdDSA","alg":"none","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"none","alg":"EdDSA","kid":"{kid}"}}"#),
    ] {
        add("two algorithms", format!("{}.{body}.", encode(&head)));
        add("two algorithms, the old signature", format!("{}.{body}.{signature}", encode(&head)));
    }
    let two_kids = encode(&format!(r#"{{"alg":"EdDSA","kid":"{kid}","kid":"{}"}}"#, mallory.id().as_str()));
    let two_kids = format!("{two_kids}.{body}");
    add("two kids", format!("{two_kids}.{}", BASE64.encode(mallory.sign(two_kids.as_bytes()))));
    add("no kid", by_mallory(json!({"alg": "EdDSA"})));
    add("crit", by_mallory(json!({"alg": "EdDSA", "kid": kid, "crit": ["x"], "x": 1})));
    for alg in ["none", "ES256", "HS256", "eddsa"] {
        let signed = format!("{}.{body}", encode(&json!({"alg": alg, "kid": kid, "typ": "JWT"}).to_string()));
        let token = format!("{signed}.{}", BASE64.encode(key.sign(signed.as_bytes())));
        add(&format!("our signature under the name {alg:?}"), token);
    }
    let mut changed = |what: &str, change: &dyn Fn(&mut Value)| {
        let mut claims = claims.clone();
        change(&mut claims);
        add(what, compact(Signer::Key(key), claims.to_string().as_bytes()));
    };
    let drop = |claims: &mut Value, name: &str| drop(claims.as_object_mut().unwrap().remove(name));
    changed("for another", &|c| c["aud"] = json!("other"));
    changed("for nobody", &|c| drop(c, "aud"));
    changed("from another", &|c| c["iss"] = json!("other"));
    changed("from nobody", &|c| drop(c, "iss"));
    changed("for ever", &|c| drop(c, "exp"));
    changed("of no time", &|c| drop(c, "iat"));
    changed("over", &|c| {
        c["iat"] = json!(now - 90);
        c["exp"] = json!(now - 60);
    });
    changed("of tomorrow", &|c| {
        c["iat"] = json!(now + 86_400);
        c["exp"] = json!(now + 86_430);
    });
    let richer = encode(&claims.to_string().replacen("products:read", "*", 1));
    add("more scopes", format!("{head}.{richer}.{signature}"));
    add("no signature", format!("{signed}."));
    add("half a signature", format!("{signed}.{}", &signature[..43]));
    add("zeroes", format!("{signed}.{}", BASE64.encode([0; 64])));
    for text in ["", ".", "..", "a.b.c", "null", "Bearer", head, signed] {
        add("rubbish", text.to_owned());
    }
    list
}

#[test]
fn forged_tokens_are_refused_by_the_rust_example() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let good = token_of(&gate.get("/v1/products/1", &token));
    let (ring, now) = (gate.keys.ring(), seconds());
    let known = keys(&ring.jwks());
    assert!(verify_token(&good, &known, "echo", now).is_some());
    for (what, forged) in forgeries(ring.signing(Algorithm::EdDsa, wall()).unwrap(), &good, now) {
        assert!(verify_token(&forged, &known, "echo", now).is_none(), "{what}: {forged}");
    }
}
