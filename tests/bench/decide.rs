//! What a decision costs with a million keys, in units of hashing the token once.
//!
//! Prints two lines of JSON: with two rates and one scope, where the bar is 3.0; and with five limits, four
//! networks and three scopes, where it is 4.0. That nothing is allocated is a unit test of the engine.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark reads the clock and prints ratios"
)]

use std::hint::black_box;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;

use kgate::key::Digest;
use kgate::policy::{Attributes, Decision, Engine, Fields, Now};
use rand::seq::SliceRandom;

mod population;

/// As in the program: it asks the system for large pages, without which memory is slower.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

struct Bearer<'a>(&'a [u8]);

impl Fields for Bearer<'_> {
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        if name == "authorization" {
            visit(self.0);
        }
    }
}

/// Requests timed together: few enough that most batches are not interrupted, so that the median is
/// right on a busy machine too.
const BATCH: usize = 64;

fn main() {
    let keys: usize = std::env::var("KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let read = random_read();
    measure("decide", 3.0, population::engine(keys), read);
    let loaded = population::engine_under(population::loaded_rules(), keys, &population::loaded);
    measure("decide_loaded", 4.0, loaded, read);
}

fn measure(name: &str, bar: f64, (engine, mut headers): (Arc<Engine>, Vec<Vec<u8>>), read: f64) {
    let keys = headers.len();
    for header in &headers {
        assert!(decide(&engine, header, 1), "every key is good");
    }
    headers.shuffle(&mut rand::rng());
    let (mut decisions, mut misses, mut hashes) = (Vec::new(), Vec::new(), Vec::new());
    let unknown = population::unknown(headers.len().min(50_000));
    let batches = headers.chunks(BATCH).cycle().zip(unknown.chunks(BATCH).cycle());
    for (second, (known, unknown)) in (2..).zip(batches.take((headers.len() / BATCH).max(5_000))) {
        // The token has just been parsed out of the request, so it is in the cache, in all three.
        for header in known.iter().chain(unknown) {
            black_box(Digest::sha256(&header[7..]));
        }
        decisions.push(nanos(known, |header| decide(&engine, header, second)));
        misses.push(nanos(unknown, |header| refuse(&engine, header, second)));
        hashes.push(nanos(known, |header| Digest::sha256(black_box(&header[7..]))));
    }
    let (decision, miss, hash) = (median(decisions), median(misses), median(hashes));
    println!(
        "{{\"bench\":\"{name}\",\"keys\":{keys},\"decide_ns\":{decision:.0},\"unknown_ns\":{miss:.0},\"sha256_ns\":{hash:.0},\"random_read_ns\":{read:.0},\"ratio\":{:.2},\"bar\":{bar:.1}}}",
        decision / hash
    );
}

fn decide(engine: &Arc<Engine>, header: &[u8], second: u64) -> bool {
    decide_from(Some([192, 0, 2, 1].into()), engine, header, second)
}

/// From nowhere known, since an address would soon be refused before its token is looked at.
fn refuse(engine: &Arc<Engine>, header: &[u8], second: u64) -> bool {
    decide_from(None, engine, header, second)
}

fn decide_from(client: Option<IpAddr>, engine: &Arc<Engine>, header: &[u8], second: u64) -> bool {
    let fields = Bearer(header);
    let request = Attributes {
        method: "GET",
        host: "api.example.com",
        target: b"/v1/products/4711?fields=name",
        client,
        certificate: &[],
        fields: &fields,
    };
    let now = Now { wall: population::now(), mono: second * 1_000_000_000 };
    matches!(black_box(engine.decide(&request, now)), Decision::Allow(_))
}

/// What one dependent read from 128 MiB takes here: a decision among a million keys waits for one at least,
/// and on a busy or virtual machine that is most of it.
fn random_read() -> f64 {
    let mut order: Vec<usize> = (1..(128 << 20) / 64).collect();
    order.shuffle(&mut rand::rng());
    let mut lines = vec![[0_usize; 8]; order.len() + 1];
    let mut at = 0;
    for next in order {
        lines[at][0] = next;
        at = next;
    }
    let steps = [[0_u8; 0]; 200].map(Vec::from);
    let mut times = Vec::new();
    for _ in 0..2_000 {
        times.push(nanos(&steps, |_| at = lines[at][0]));
    }
    median(times)
}

fn nanos<T>(headers: &[Vec<u8>], mut each: impl FnMut(&[u8]) -> T) -> f64 {
    let start = Instant::now();
    for header in headers {
        black_box(each(header));
    }
    start.elapsed().as_secs_f64() * 1e9 / headers.len() as f64
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
