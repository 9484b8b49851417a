//! The same request gets the same verdict, whatever carries it: HTTP/1.1 or HTTP/2, clear text or TLS.

use std::collections::BTreeMap;

use rand::prelude::*;
use rand::rngs::StdRng;
use serde_json::{Value, json};

use super::http2::Peer;
use super::{TLS, tls_client, tls_gate};
use crate::harness::{Gate, full_or, is_quick, set_number};

/// One request, before it has a form.
struct Made {
    method: &'static str,
    path: &'static str,
    host: &'static str,
    fields: Vec<(&'static str, String)>,
}

const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "get", "PURGE"];

const PATHS: &[&str] = &[
    "/v1/products",
    "/v1/products/1",
    "/v1/products/1?a=b&c=%20",
    "/v1/products/",
    "/v1/Products",
    "/v1/products/../products",
    "/v1//products",
    "/v1/products;x=1",
    "/v1%2fproducts",
    "/v1/%2e%2e/products",
    "/v1/products/%zz",
    "/v1/products/%41",
    "/v1\\products",
    "/public/a",
    "/public/../v1/products",
    "/header/a",
    "/header/a/",
    "/",
    "/none",
    "/v1/products?x=/../",
    "/v1/products/%00",
    "/v1/products/a%2Fb",
];

const HOSTS: &[&str] =
    &["api.example.com", "API.example.com", "api.example.com:443", "a.", "a..b", "a:b", "[::1]:80"];

impl Made {
    fn by_chance(rng: &mut StdRng, keys: &[String]) -> Self {
        let key = |rng: &mut StdRng| keys.choose(rng).unwrap().clone();
        let mut fields = Vec::new();
        for _ in 0..*[0, 1, 1, 1, 1, 2].choose(rng).unwrap() {
            let scheme = *["Bearer ", "bearer ", "Basic ", "", "Bearer  "].choose(rng).unwrap();
            fields.push(("authorization", format!("{scheme}{}", key(rng))));
        }
        if rng.random_bool(0.3) {
            fields.push(("x-api-key", key(rng)));
        }
        for (name, value) in [
            ("x-consumer-id", "cust_evil"),
            ("x_api_key", "a"),
            ("accept", "*/*"),
            ("x-forwarded-for", "1.2.3.4"),
        ] {
            if rng.random_bool(0.1) {
                fields.push((name, value.to_owned()));
            }
        }
        let (method, path) = (METHODS.choose(rng).unwrap(), PATHS.choose(rng).unwrap());
        Self { method, path, host: HOSTS.choose(rng).unwrap(), fields }
    }

    fn http1(&self) -> String {
        let fields: String = self.fields.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        format!("{} {} HTTP/1.1\r\nHost: {}\r\n{fields}\r\n", self.method, self.path, self.host)
    }

    fn http2(&self) -> Value {
        let pseudo =
            [(":method", self.method), (":scheme", "https"), (":authority", self.host), (":path", self.path)];
        let fields = self.fields.iter().map(|(name, value)| json!([name, value]));
        pseudo.iter().map(|(name, value)| json!([name, value])).chain(fields).collect()
    }
}

fn verdict(answer: &crate::harness::Answer) -> Value {
    let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
    json!([answer.status, body["code"]])
}

#[test]
fn one_request_gets_one_verdict_over_every_protocol() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let plain = Gate::start(crate::harness::CONFIG);
    // The same keys, good for both: by what they are, not by their bytes.
    let good = |gate: &Gate| gate.issue(&["products:read"]).expose().to_owned();
    let poor = |gate: &Gate| gate.issue(&["other:read"]).expose().to_owned();
    let bad = |_: &Gate| "acme_live_00000000000000000000000000000000000000".to_owned();
    let kinds = |gate: &Gate| vec![good(gate), poor(gate), bad(gate), "nonsense".to_owned(), String::new()];
    let (of_tls, of_plain) = (kinds(&gate), kinds(&plain));
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut faults = Vec::new();
    let seed = set_number("KGATE_SEED").unwrap_or(11);
    let (mut one, mut two) = (StdRng::seed_from_u64(seed), StdRng::seed_from_u64(seed));
    let requests = set_number("KGATE_REQUESTS").unwrap_or(full_or(100_000, 500) as u64);
    let mut peer = Peer::tls(&gate);
    for _ in 0..requests / 50 {
        let over_tls: Vec<Made> = (0..50).map(|_| Made::by_chance(&mut one, &of_tls)).collect();
        let over_plain: Vec<Made> = (0..50).map(|_| Made::by_chance(&mut two, &of_plain)).collect();
        // A request that HTTP/2 itself refuses may cost the connection, and the next comes over another.
        let requests: Vec<Value> = over_tls.iter().map(Made::http2).collect();
        let results = peer.run(&json!({ "do": "many", "requests": requests }));
        let results = results.as_array().unwrap().clone();
        assert_eq!(results.len(), over_tls.len());
        let mut secure = tls_client(&gate, "localhost", None).unwrap();
        for ((tls, plain_made), http2) in over_tls.iter().zip(&over_plain).zip(results) {
            let clear = verdict(&plain.send(plain_made.http1()));
            secure.send(tls.http1());
            let over_tls = secure.answer();
            if over_tls.header("connection") == Some("close") {
                secure = tls_client(&gate, "localhost", None).unwrap();
            }
            *counts.entry(clear.to_string()).or_default() += 1;
            let https = verdict(&over_tls);
            // What is malformed may be refused by the rules of HTTP/2, before anybody words it.
            let is_malformed = clear[0] == 400 && (http2 == "reset" || http2 == "ended" || http2[0] == 400);
            if https != clear || !(http2 == clear || is_malformed) {
                faults.push(format!("{}clear {clear}\nTLS {https}\nHTTP/2 {http2}", tls.http1()));
            }
        }
    }
    println!("{requests} requests from {seed}: {counts:?}");
    faults.truncate(10);
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    for status in [200, 400, 401, 403, 404, 405] {
        assert!(counts.keys().any(|key| key.starts_with(&format!("[{status},"))), "{status} never came");
    }
}
