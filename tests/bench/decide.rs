//! What a decision costs with a million keys, in units of hashing the token once.
//!
//! Prints one line of JSON. The bar: at most 3.0, and no allocation.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use kgate::key::Digest;
use kgate::policy::{Attributes, Decision, Engine, Fields, Now};
use rand::seq::SliceRandom;

mod population;

struct Bearer<'a>(&'a [u8]);

impl Fields for Bearer<'_> {
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        if name == "authorization" {
            visit(self.0);
        }
    }
}

fn main() {
    let keys: usize = std::env::var("KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let requests = keys.min(500_000);
    let (engine, mut headers) = population::engine(keys);
    headers.shuffle(&mut rand::rng());
    headers.truncate(requests);
    for header in &headers {
        assert!(decide(&engine, header, 1), "every key is good");
    }
    let mut decisions = Vec::new();
    let mut hashes = Vec::new();
    let mut misses = Vec::new();
    for round in 0..9 {
        headers.shuffle(&mut rand::rng());
        let start = Instant::now();
        for header in &headers {
            black_box(Digest::sha256(black_box(&header[7..])));
        }
        hashes.push(nanos(start, requests));
        let start = Instant::now();
        for header in &headers {
            black_box(decide(&engine, header, 2 + round));
        }
        decisions.push(nanos(start, requests));
        let unknown = population::unknown(10_000);
        let start = Instant::now();
        for header in &unknown {
            black_box(decide(&engine, header, 2 + round));
        }
        misses.push(nanos(start, unknown.len()));
    }
    let allocations = allocation_counter::measure(|| {
        for header in &headers {
            black_box(decide(&engine, header, 12));
        }
    })
    .count_total;
    let (decision, hash, miss) = (median(decisions), median(hashes), median(misses));
    println!(
        "{{\"bench\":\"decide\",\"keys\":{keys},\"decide_ns\":{decision:.0},\"unknown_ns\":{miss:.0},\"sha256_ns\":{hash:.0},\"ratio\":{:.2},\"bar\":3.0,\"allocations\":{allocations}}}",
        decision / hash
    );
    assert_eq!(allocations, 0, "the allow path allocates nothing");
}

fn decide(engine: &Arc<Engine>, header: &[u8], second: u64) -> bool {
    let fields = Bearer(header);
    let request = Attributes {
        method: "GET",
        host: "api.example.com",
        target: b"/v1/products/4711?fields=name",
        client: None,
        fields: &fields,
    };
    let now = Now { wall: population::now(), mono: second * 1_000_000_000 };
    matches!(black_box(engine.decide(&request, now)), Decision::Allow(_))
}

fn nanos(start: Instant, requests: usize) -> f64 {
    start.elapsed().as_secs_f64() * 1e9 / requests as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
