//! Services behind the gateway, in Rust: `OriginLayer` believes what the gateway sent, by token or by code, and
//! nothing else. (By shared secret: `layer.rs`.)

use std::convert::Infallible;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use kgate::config::{IdentityHeaders, Secret};
use kgate::key::Timestamp;
use kgate::layer::{Caller, OriginKeys, OriginLayer, OriginTokens};
use kgate::sign::{Algorithm, Ring, SigningKey};
use kgate::store::NewConsumer;
use kgate::verify::wall;
use tower::{Layer, ServiceExt};

use crate::harness::{Answer, Gate, acme};
use crate::tokens::{HMAC_SECRET, forgeries, gate, seconds};

/// What the service inside got.
#[derive(Clone)]
struct Inside {
    caller: Option<Caller>,
    headers: HeaderMap,
}

/// The request the backend saw, as a server would hand it to a service.
fn seen(answer: &Answer) -> Request {
    let json = answer.json();
    let mut lines = json["head"].as_str().unwrap().trim_end().lines();
    let mut first = lines.next().unwrap().split(' ');
    let mut builder = Request::builder().method(first.next().unwrap()).uri(first.next().unwrap());
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        builder = builder.header(name, value.trim());
    }
    builder.body(Body::empty()).unwrap()
}

/// Sends a request through the layer; `None` if it is refused.
fn through(layer: &OriginLayer, request: Request) -> Option<Inside> {
    let service = layer.layer(tower::service_fn(|request: Request| async move {
        let caller = request.extensions().get::<Caller>().cloned();
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Inside { caller, headers: request.headers().clone() });
        Ok::<_, Infallible>(response)
    }));
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let response = runtime.block_on(service.oneshot(request)).unwrap();
    let inside = response.extensions().get::<Inside>().cloned();
    assert_eq!(response.status(), if inside.is_some() { 200 } else { 403 });
    inside
}

fn keys_of(gate: &Gate) -> OriginKeys {
    OriginKeys::from_jwks(gate.keys.ring().jwks().to_string().as_bytes()).unwrap()
}

fn by_token(tokens: OriginTokens) -> OriginLayer {
    OriginLayer::by_token(tokens, &IdentityHeaders::default())
}

fn set(request: &mut Request, name: &'static str, value: &str) {
    request.headers_mut().insert(name, HeaderValue::from_str(value).unwrap());
}

#[test]
fn a_service_believes_the_gateways_tokens_of_every_algorithm() {
    let gate = gate();
    let consumer = NewConsumer { external_id: Some("org_42".to_owned()), ..acme() };
    let consumer = gate.consumer(&consumer);
    let issued = gate.issue_to(consumer, &["products:read", "orders:*"]);
    let es = OriginTokens::new(keys_of(&gate), "products")
        .from_issuer("https://gw.example")
        .in_header(HeaderName::from_static("x-identity-token"));
    let hs = OriginTokens::shared(&Secret::new(HMAC_SECRET.as_bytes().to_vec()), "hs");
    for (target, tokens, header) in [
        ("/v1/products/1", OriginTokens::new(keys_of(&gate), "echo"), "x-kgate-token"),
        ("/es/1", es, "x-identity-token"),
        ("/hs/1", hs, "x-kgate-token"),
    ] {
        let layer = by_token(tokens);
        let request = || seen(&gate.get(target, &issued.token));
        let mut spoofed = request();
        for name in ["x-consumer-id", "X_Consumer_Id", "x-consumer-meta-tier", "x-key-id"] {
            spoofed
                .headers_mut()
                .insert(HeaderName::try_from(name).unwrap(), HeaderValue::from_static("root"));
        }
        let inside = through(&layer, spoofed).unwrap_or_else(|| panic!("{target}"));
        let caller = inside.caller.expect("a caller");
        assert_eq!((caller.consumer_id, caller.key_id), (consumer.to_string(), issued.record.id.to_string()));
        assert_eq!(
            (caller.consumer_name.as_str(), caller.external_id.as_deref()),
            ("Acme Corp", Some("org_42"))
        );
        assert_eq!(
            (caller.scopes.join(" ").as_str(), caller.plan.as_deref()),
            ("orders:* products:read", Some("free"))
        );
        assert_eq!(caller.metadata.contains_key("tier"), target.starts_with("/v1"), "what is forwarded");
        assert!(inside.headers.values().all(|value| value != "root"), "{:?}", inside.headers);
        assert!(!inside.headers.contains_key(header), "{:?}", inside.headers);

        let mut twice = request();
        let token = twice.headers()[header].clone();
        twice.headers_mut().append(header, token);
        assert!(through(&layer, twice).is_none(), "{target}: two tokens");
        let mut none = request();
        none.headers_mut().remove(header);
        assert!(through(&layer, none).is_none(), "{target}: no token");
    }
}

#[test]
fn a_service_refuses_every_other_token() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let request = || seen(&gate.get("/v1/products/1", &token));
    let ring = gate.keys.ring();
    let layer = by_token(OriginTokens::new(keys_of(&gate), "echo"));
    let good = request().headers()["x-kgate-token"].to_str().unwrap().to_owned();
    for (what, forged) in forgeries(ring.signing(Algorithm::EdDsa, wall()).unwrap(), &good, seconds()) {
        let mut request = request();
        let Ok(value) = HeaderValue::from_str(&forged) else { continue };
        request.headers_mut().insert("x-kgate-token", value);
        assert!(through(&layer, request).is_none(), "{what}: {forged}");
    }
    for (what, tokens) in [
        ("another service's", OriginTokens::new(keys_of(&gate), "products")),
        ("another issuer's", OriginTokens::new(keys_of(&gate), "echo").from_issuer("other")),
        ("under a secret", OriginTokens::shared(&Secret::new(HMAC_SECRET.as_bytes().to_vec()), "echo")),
    ] {
        assert!(through(&by_token(tokens), request()).is_none(), "{what}");
    }
}

#[test]
fn a_service_follows_the_gateways_keys() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let request = || seen(&gate.get("/v1/products/1", &token));
    let other = SigningKey::make(Algorithm::EdDsa, wall(), Timestamp::from_secs(1), &mut rand::rng());
    let other = Ring::new(vec![other]).jwks().to_string();
    let keys = OriginKeys::from_jwks(other.as_bytes()).unwrap();
    let layer = by_token(OriginTokens::new(keys.clone(), "echo"));
    assert!(through(&layer, request()).is_none(), "it does not know the key yet");
    keys.replace(gate.keys.ring().jwks().to_string().as_bytes()).unwrap();
    assert!(through(&layer, request()).is_some());
    for bad in ["", "{}", "{\"keys\":[]}", "{\"keys\":[{\"kty\":\"RSA\",\"kid\":\"a\"}]}"] {
        assert!(keys.replace(bad.as_bytes()).is_err(), "{bad}");
        assert!(OriginKeys::from_jwks(bad.as_bytes()).is_err(), "{bad}");
    }
    assert!(through(&layer, request()).is_some(), "a bad set changes nothing");
}

#[test]
fn a_service_believes_the_gateways_codes_and_no_changed_request() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let request = || seen(&gate.get("/v1/products/1?q=a%20b", &token));
    let secret = || Secret::new(HMAC_SECRET.as_bytes().to_vec());
    let by_code = |secret: &Secret, upstream: &str, metadata: &[String]| {
        OriginLayer::by_code(secret, upstream, IdentityHeaders::default(), metadata)
    };
    let metadata = ["tier".to_owned()];
    let layer = by_code(&secret(), "echo", &metadata);
    let inside = through(&layer, request()).expect("it is the gateway's");
    let caller = inside.caller.expect("a caller");
    assert_eq!((caller.consumer_name.as_str(), caller.metadata["tier"].as_str()), ("Acme Corp", "gold"));

    let public = seen(&gate.send("GET /public/x HTTP/1.1\r\nHost: a\r\nX-Consumer-Id: root\r\n\r\n"));
    assert!(through(&layer, public).expect("sent by the gateway").caller.is_none(), "and nobody's");

    for (what, other) in [
        ("another upstream", by_code(&secret(), "other", &metadata)),
        ("another secret", by_code(&Secret::new(b"another".to_vec()), "echo", &metadata)),
        ("other metadata", by_code(&secret(), "echo", &[])),
    ] {
        assert!(through(&other, request()).is_none(), "{what}");
    }
    let refused = |what: &str, change: &dyn Fn(&mut Request)| {
        let mut request = request();
        change(&mut request);
        assert!(through(&layer, request).is_none(), "{what}");
    };
    refused("another method", &|r| *r.method_mut() = "PUT".parse().unwrap());
    refused("another path", &|r| *r.uri_mut() = "/v1/products/2?q=a%20b".parse().unwrap());
    refused("another spelling", &|r| *r.uri_mut() = "/v1/products/1?q=a+b".parse().unwrap());
    for name in ["x-kgate-timestamp", "x-kgate-signature"] {
        refused(name, &|r| drop(r.headers_mut().remove(name)));
        refused(name, &|r| set(r, name, ""));
    }
    for code in ["v1=", "v1=zz", "00", "V1="] {
        refused(code, &|r| set(r, "x-kgate-signature", code));
    }
    refused("in capitals", &|r| {
        let code = r.headers()["x-kgate-signature"].to_str().unwrap().to_uppercase();
        set(r, "x-kgate-signature", &code.replace("V1", "v1"));
    });
    for time in ["x", "1e9", "-1", "+1", " 1"] {
        refused(time, &|r| set(r, "x-kgate-timestamp", time));
    }
    refused("a second later", &|r| {
        let at: u64 = r.headers()["x-kgate-timestamp"].to_str().unwrap().parse().unwrap();
        set(r, "x-kgate-timestamp", &(at + 1).to_string());
    });
    for name in [
        "x-request-id",
        "x-consumer-id",
        "x-consumer-name",
        "x-consumer-external-id",
        "x-consumer-scopes",
        "x-consumer-plan",
        "x-key-id",
        "x-ratelimit-remaining",
        "x-consumer-meta-tier",
    ] {
        refused(name, &|r| set(r, name, "evil"));
        refused(&format!("{name} twice"), &|r| {
            for _ in 0..2 {
                r.headers_mut().append(name, HeaderValue::from_static("evil"));
            }
        });
        refused(&format!("{name} and another"), &|r| {
            let mine = r.headers().get(name).cloned().unwrap_or(HeaderValue::from_static(""));
            r.headers_mut().insert(name, mine);
            r.headers_mut().append(name, HeaderValue::from_static("evil"));
        });
    }
}
