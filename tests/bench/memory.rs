//! What a million keys of ten thousand consumers take in memory, two rates of each used, and how
//! long the index takes to build and a bulk of 500 keys to add.
//!
//! Prints one line of JSON. The bar: at most 128 bytes a key and 32 MiB, in all.

#![allow(
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a benchmark reads the clock and prints ratios"
)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kgate::key::{ConsumerId, KeyId, Token};
use kgate::policy::{Attributes, Decision, Engine, Fields, IndexBuilder, Limiter, Now, Update};

mod population;

struct Bearer(Vec<u8>);

impl Fields for Bearer {
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        if name == "authorization" {
            visit(&self.0);
        }
    }
}

fn main() {
    let keys: usize = std::env::var("KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let mut building = Duration::ZERO;
    let mut builder = IndexBuilder::new(Arc::new(Limiter::new()));
    let mut rng = rand::rng();
    let prefix = "acme_live".parse().expect("a prefix");
    let start_rss = rss();
    let holders: Vec<ConsumerId> =
        (0..10_000).map(|_| ConsumerId::new(population::now(), &mut rng)).collect();
    for id in &holders {
        builder.push(Update::Consumer(population::consumer(*id)));
    }
    // Tokens are minted again from their seeds, so that they themselves take no memory.
    for batch in 0..keys.div_ceil(1000) {
        let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(batch as u64);
        let records: Vec<_> = (0..1000.min(keys - batch * 1000))
            .map(|i| {
                let token = Token::mint(&prefix, &mut rng);
                let id = KeyId::new(population::now(), &mut rand::rng());
                population::key(id, holders[(batch * 1000 + i) % holders.len()], &token)
            })
            .collect();
        let start = Instant::now();
        for record in records {
            builder.push(Update::Key(record));
        }
        building += start.elapsed();
    }
    let start = Instant::now();
    let engine = Engine::new(population::rules(), builder.finish());
    let finish = start.elapsed();
    building += finish;
    let unused = rss();
    for batch in 0..keys.div_ceil(1000) {
        let mut rng = <rand::rngs::StdRng as rand::SeedableRng>::seed_from_u64(batch as u64);
        for _ in 0..1000.min(keys - batch * 1000) {
            let token = Token::mint(&prefix, &mut rng);
            let fields = Bearer(format!("Bearer {}", token.expose()).into_bytes());
            let (method, host, target) = ("GET", "api.example.com", b"/v1/products/1".as_slice());
            let request =
                Attributes { method, host, target, client: None, certificate: &[], fields: &fields };
            let now = Now { wall: population::now(), mono: 1 };
            assert!(matches!(engine.decide(&request, now), Decision::Allow(_)));
        }
    }
    let used = rss();
    let fresh: Vec<Update> = (0..500)
        .map(|i| {
            let token = Token::mint(&prefix, &mut rng);
            let id = KeyId::new(population::now(), &mut rng);
            Update::Key(population::key(id, holders[i % holders.len()], &token))
        })
        .collect();
    let start = Instant::now();
    let next = black_box(engine.with_changes(&fresh));
    let bulk = start.elapsed();
    drop(engine);
    let bulk_and_drop = start.elapsed();
    assert_eq!(next.index().keys(), keys + 500);
    let bar = 128 * keys + (32 << 20);
    println!(
        "{{\"bench\":\"memory\",\"keys\":{keys},\"rss_start\":{start_rss},\"rss_loaded\":{unused},\"rss_used\":{used},\"bytes_a_key\":{:.1},\"bar_bytes\":{bar},\"ratio\":{:.2},\"build_ms\":{:.0},\"finish_ms\":{:.0},\"bulk_500_ms\":{:.2},\"bulk_500_and_drop_ms\":{:.2}}}",
        (used - start_rss) as f64 / keys as f64,
        used as f64 / bar as f64,
        building.as_secs_f64() * 1e3,
        finish.as_secs_f64() * 1e3,
        bulk.as_secs_f64() * 1e3,
        bulk_and_drop.as_secs_f64() * 1e3,
    );
}

/// The resident memory of this process, in bytes.
fn rss() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find(|l| l.starts_with("VmRSS:")).expect("a process has memory");
    line.split_ascii_whitespace().nth(1).and_then(|kib| kib.parse::<usize>().ok()).expect("a number") * 1024
}
