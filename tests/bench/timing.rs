//! Whether the time a refusal takes tells what was wrong with a well-formed token.
//!
//! Prints one line of JSON with the median of a decision on tokens that are unknown, revoked, and one
//! character off a good one (with a checksum that is right). The bar: within 100 ns of each other.

#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use kgate::key::{CHECKSUM_LEN, ConsumerId, KeyId, Prefix, RevokeReason, State, Token, checksum};
use kgate::policy::{Attributes, Decision, Engine, Fields, IndexBuilder, Limiter, Now, Update};
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

const CLASSES: [&str; 3] = ["unknown", "revoked", "off_by_one"];
const EACH: usize = 20_000;
const ROUNDS: usize = 15;
const BAR_NS: f64 = 100.0;

fn main() {
    let keys: usize = std::env::var("KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(100_000);
    let (engine, headers) = engine(keys);
    // The classes take turns, so that what disturbs one disturbs the others.
    let mut order: Vec<(usize, usize)> =
        (0..CLASSES.len()).flat_map(|class| (0..EACH).map(move |i| (class, i))).collect();
    let mut times: Vec<Vec<u64>> = CLASSES.iter().map(|_| Vec::with_capacity(EACH * ROUNDS)).collect();
    for round in 0..=ROUNDS {
        order.shuffle(&mut rand::rng());
        for &(class, i) in &order {
            let start = Instant::now();
            refuse(&engine, &headers[class][i]);
            let took = u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
            // The first round finds everything cold.
            if round > 0 {
                times[class].push(took);
            }
        }
    }
    let medians: Vec<f64> = times.into_iter().map(median).collect();
    let spread =
        medians.iter().copied().fold(0.0, f64::max) - medians.iter().copied().fold(f64::MAX, f64::min);
    let shown: Vec<String> =
        CLASSES.iter().zip(&medians).map(|(name, ns)| format!("\"{name}_ns\":{ns:.0}")).collect();
    println!(
        "{{\"bench\":\"timing\",\"keys\":{keys},{},\"spread_ns\":{spread:.0},\"bar_ns\":{BAR_NS:.0}}}",
        shown.join(",")
    );
    assert!(spread <= BAR_NS, "the time of a refusal tells what is wrong with a token");
}

/// An engine with good keys and, among them and of the same consumers, revoked ones; and `Authorization`
/// values of each class. Revoked keys apart, or all of one consumer, would be read from warmer memory
/// than the keys a miss is compared with.
fn engine(keys: usize) -> (Engine, Vec<Vec<Vec<u8>>>) {
    let mut rng = rand::rng();
    let now = population::now();
    let prefix: Prefix = "acme_live".parse().expect("a prefix");
    let mut builder = IndexBuilder::new(Arc::new(Limiter::new()));
    let total = keys.max(2 * EACH);
    builder.reserve(total);
    let holders: Vec<ConsumerId> = (0..10_000).map(|_| ConsumerId::new(now, &mut rng)).collect();
    for id in &holders {
        builder.push(Update::Consumer(population::consumer(*id)));
    }
    let (mut good, mut revoked) = (Vec::new(), Vec::new());
    let every = total / EACH;
    for i in 0..total {
        let token = Token::mint(&prefix, &mut rng);
        // The holder does not depend on whether a key is revoked.
        let holder = holders[(i / every) % holders.len()];
        let mut record = population::key(KeyId::new(now, &mut rng), holder, &token);
        let header = format!("Bearer {}", token.expose()).into_bytes();
        if i % every == 0 && revoked.len() < EACH {
            record.state = State::Revoked { at: now, reason: RevokeReason::Leak };
            revoked.push(header);
        } else if good.len() < EACH {
            good.push(header);
        }
        builder.push(Update::Key(record));
    }
    let off_by_one = good.iter().map(|header| off_by_one(header)).collect();
    (Engine::new(population::rules(), builder.finish()), vec![population::unknown(EACH), revoked, off_by_one])
}

/// Changes the last random character of the token in a header and makes its checksum right again.
fn off_by_one(header: &[u8]) -> Vec<u8> {
    const SCHEME: usize = "Bearer ".len();
    let mut header = header[..header.len() - CHECKSUM_LEN].to_vec();
    let last = header.last_mut().expect("a token is not empty");
    *last = if *last == b'a' { b'b' } else { b'a' };
    let sum = checksum(&header[SCHEME..]);
    header.extend_from_slice(&sum);
    header
}

fn refuse(engine: &Engine, header: &[u8]) {
    let fields = Bearer(header);
    let request = Attributes {
        method: "GET",
        host: "api.example.com",
        target: b"/v1/products/4711",
        client: None,
        certificate: &[],
        fields: &fields,
    };
    let now = Now { wall: population::now(), mono: 1_000_000_000 };
    assert!(matches!(black_box(engine.decide(&request, now)), Decision::Deny(_)));
}

#[allow(clippy::cast_precision_loss, reason = "nanoseconds")]
fn median(mut times: Vec<u64>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2] as f64
}
