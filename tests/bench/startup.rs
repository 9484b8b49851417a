//! How long a gateway with a million keys takes to be ready, and a commit of 500 keys to reach its
//! snapshot; and what `verify` costs beside the decision in it: a read of the store's header and of two
//! clocks.
//!
//! Prints one line of JSON. The bars: 2 s, 5 ms, and 1.3 decisions. `KEYS` sets another number, `STORE` a directory in
//! which the store is kept for the next run.

#![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "a benchmark reads the clock")]

use std::future::Future;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kgate::key::{ConsumerId, Metadata, Networks, Peppers, Scopes};
use kgate::policy::{Attributes, Fields};
use kgate::store::{Access, Act, Actor, BATCH, Issued, NewConsumer, NewKey, Options, Store, Via};
use kgate::verify::{self, Verifier, wall};

mod population;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts measured; the median counts.
const STARTS: usize = 5;
/// Commits measured.
const COMMITS: usize = 100;
/// Checks and decisions timed together: few enough that most are not interrupted.
const BATCH_OF_CHECKS: usize = 64;

fn main() {
    let keys: usize = std::env::var("KEYS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let temporary = tempfile::tempdir().expect("a temporary directory");
    let dir = std::env::var_os("STORE").map_or_else(|| temporary.path().join("data"), Into::into);
    let (store, created) = populated(&dir, keys);

    let mut starts: Vec<f64> = (0..STARTS).map(|_| seconds(|| drop(open(&dir)))).collect();
    let verifier = open(&dir);
    let consumer = consumer(&store);
    let mut refreshes: Vec<f64> =
        (0..COMMITS).map(|_| refresh(&store, &verifier, consumer).as_secs_f64() * 1000.0).collect();

    let (verify, decide) = verify_and_decide(&store, &verifier, consumer);
    println!(
        "{{\"keys\":{keys},\"verify_ns\":{verify:.0},\"decide_ns\":{decide:.0},\"verify_ratio\":{:.2},\"created_per_second\":{created:.0},\"ready_seconds\":{:.3},\
         \"refresh_of_{BATCH}_ms\":{{\"p50\":{:.2},\"max\":{:.2}}}}}",
        verify / decide,
        median(&mut starts),
        median(&mut refreshes),
        refreshes.last().expect("some were measured"),
    );
}

/// From the return of a commit of 500 keys to a snapshot that has them.
fn refresh(store: &Store, verifier: &Verifier, consumer: ConsumerId) -> Duration {
    let mut committed = Instant::now();
    issue(store, consumer, BATCH, &mut |_| committed = Instant::now());
    let revision = store.revision().expect("the store is well");
    while verifier.revision() < Some(revision) || verifier.current().is_none() {
        // What a request does: it notices, asks, and waits.
        let _ = wait(verifier);
    }
    committed.elapsed()
}

/// Nanoseconds of a check, from the call to the verdict, and of the decision in it, on keys spread among the
/// others.
fn verify_and_decide(store: &Store, verifier: &Verifier, consumer: ConsumerId) -> (f64, f64) {
    let mut headers: Vec<Vec<u8>> = Vec::new();
    issue(store, consumer, 50_000, &mut |issued| {
        headers.extend(issued.iter().map(|key| format!("Bearer {}", key.token.expose()).into_bytes()));
    });
    while verifier.revision() < store.revision().ok() || verifier.current().is_none() {
        let _ = wait(verifier);
    }
    let (mut checks, mut decisions) = (Vec::new(), Vec::new());
    for batch in headers.chunks(BATCH_OF_CHECKS).cycle().take(4 * headers.len() / BATCH_OF_CHECKS) {
        let check = |header: &Vec<u8>| at_once(verifier.verify(&attributes(&Bearer(header)))).is_some();
        let now = verifier.now();
        let current = verifier.current().expect("nobody writes");
        let decide = |header: &Vec<u8>| current.decide(&attributes(&Bearer(header)), now);
        // By turns, so that each finds the keys as cold as the other.
        let (first, second) = batch.split_at(batch.len() / 2);
        let each = |n: usize| 1e9 / n as f64;
        checks.push(seconds(|| assert!(first.iter().all(check))) * each(first.len()));
        decisions
            .push(seconds(|| second.iter().for_each(|h| drop(black_box(decide(h))))) * each(second.len()));
    }
    (median(&mut checks), median(&mut decisions))
}

struct Bearer<'a>(&'a [u8]);

impl Fields for Bearer<'_> {
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
        if name == "authorization" {
            visit(self.0);
        }
    }
}

fn attributes<'a>(fields: &'a Bearer<'a>) -> Attributes<'a> {
    let client = Some([192, 0, 2, 1].into());
    let (method, host, target) = ("GET", "api.example.com", b"/v1/products/4711".as_slice());
    Attributes { method, host, target, client, certificate: &[], fields }
}

/// Awaits what need not wait: the store has not changed.
fn at_once<T, E>(future: impl Future<Output = Result<T, E>>) -> Option<T> {
    use std::task::{Context, Poll, Waker};
    match std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result.ok(),
        Poll::Pending => None,
    }
}

/// Awaits a current snapshot on a runtime of one thread, as a request does.
fn wait(verifier: &Verifier) -> bool {
    use std::task::{Context, Poll, Wake, Waker};
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut fresh = std::pin::pin!(verifier.fresh());
    loop {
        match fresh.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(result) => return result.is_ok(),
            Poll::Pending => std::thread::park(),
        }
    }
}

fn open(dir: &Path) -> Arc<Verifier> {
    Verifier::open(dir, population::rules(), verify::Options::default()).expect("the store is well")
}

/// Makes or opens the store; returns how many keys a second it took.
fn populated(dir: &Path, keys: usize) -> (Store, f64) {
    if Store::exists(dir) {
        return (Store::open(dir, Access::Write, &Options::default()).expect("the store is well"), 0.0);
    }
    let store = Store::create(dir, &Options::default(), &act(), &mut rand::rng()).expect("an empty place");
    // Few, so that the commits are as large as they may be.
    let consumers: Vec<ConsumerId> = (0..100).map(|_| consumer(&store)).collect();
    let started = Instant::now();
    let per_consumer = keys.div_ceil(consumers.len());
    for consumer in &consumers {
        issue(&store, *consumer, per_consumer, &mut |_| {});
    }
    let rate = keys as f64 / started.elapsed().as_secs_f64();
    (store, rate)
}

fn consumer(store: &Store) -> ConsumerId {
    let new = NewConsumer { name: "Acme Corp".to_owned(), ..NewConsumer::default() };
    store.create_consumer(&new, &act(), &mut rand::rng()).expect("the store is well").id
}

fn issue(store: &Store, consumer: ConsumerId, count: usize, committed: &mut dyn FnMut(&[Issued])) {
    let new = NewKey {
        consumer,
        name: String::new(),
        key_type: "live".to_owned(),
        prefix: "acme_live".parse().expect("a prefix"),
        scopes: ["products:read".parse().expect("a scope")].into_iter().collect::<Scopes>(),
        plan: None,
        networks: Networks::default(),
        metadata: Metadata::new(),
        not_before: None,
        expires_at: None,
    };
    let each = &mut |issued: Vec<Issued>| {
        committed(&issued);
        ControlFlow::Continue(())
    };
    let issued = store.issue_many(&new, count, &Peppers::default(), &act(), &mut rand::rng(), each);
    assert_eq!(issued.expect("the store is well"), count);
}

fn act() -> Act {
    Act {
        actor: Actor { user: "bench".to_owned(), via: Via::Library },
        at: wall(),
        note: None,
        request: None,
    }
}

fn seconds(work: impl FnOnce()) -> f64 {
    let started = Instant::now();
    work();
    started.elapsed().as_secs_f64()
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of[of.len() / 2]
}
