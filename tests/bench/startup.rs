//! How long a gateway with a million keys takes to be ready, and a commit of 500 keys to reach its
//! snapshot.
//!
//! Prints one line of JSON. The bars: 2 s and 5 ms. `KEYS` sets another number, `STORE` a directory in
//! which the store is kept for the next run.

#![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "a benchmark reads the clock")]

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kgate::key::{ConsumerId, Metadata, Networks, Peppers, Scopes};
use kgate::store::{Access, Act, Actor, BATCH, NewConsumer, NewKey, Options, Store, Via};
use kgate::verify::{self, Verifier, wall};

mod population;

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Starts measured; the median counts.
const STARTS: usize = 5;
/// Commits measured.
const COMMITS: usize = 100;

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

    println!(
        "{{\"keys\":{keys},\"created_per_second\":{created:.0},\"ready_seconds\":{:.3},\
         \"refresh_of_{BATCH}_ms\":{{\"p50\":{:.2},\"max\":{:.2}}}}}",
        median(&mut starts),
        median(&mut refreshes),
        refreshes.last().expect("some were measured"),
    );
}

/// From the return of a commit of 500 keys to a snapshot that has them.
fn refresh(store: &Store, verifier: &Verifier, consumer: ConsumerId) -> Duration {
    let mut committed = Instant::now();
    issue(store, consumer, BATCH, &mut || committed = Instant::now());
    let revision = store.revision().expect("the store is well");
    while verifier.revision() < Some(revision) || verifier.current().is_none() {
        // What a request does: it notices, asks, and waits.
        let _ = wait(verifier);
    }
    committed.elapsed()
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
        issue(&store, *consumer, per_consumer, &mut || {});
    }
    let rate = keys as f64 / started.elapsed().as_secs_f64();
    (store, rate)
}

fn consumer(store: &Store) -> ConsumerId {
    let new = NewConsumer { name: "Acme Corp".to_owned(), ..NewConsumer::default() };
    store.create_consumer(&new, &act(), &mut rand::rng()).expect("the store is well").id
}

fn issue(store: &Store, consumer: ConsumerId, count: usize, committed: &mut dyn FnMut()) {
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
    let each = &mut |_| {
        committed();
        ControlFlow::Continue(())
    };
    let issued = store.issue_many(&new, count, &Peppers::default(), &act(), &mut rand::rng(), each);
    assert_eq!(issued.expect("the store is well"), count);
}

fn act() -> Act {
    Act { actor: Actor { user: "bench".to_owned(), via: Via::Library }, at: wall(), note: None }
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
