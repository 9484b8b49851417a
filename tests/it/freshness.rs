//! The promise that a change holds for every request begun after the command that made it returned,
//! on every gateway of the host.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, RwLock};
use std::thread;
use std::time::Duration;

use kgate::gateway::ListenAddress;
use kgate::key::{KeyId, Networks, Peppers, RevokeReason};
use kgate::serve::{AccessFormat, Running, ServeOptions};
use kgate::store::{ConsumerEdit, Issued, KeyEdit, Rotation, Store};

use crate::harness::{Client, PATIENCE, act, full_or, new_key, now, until};
use crate::process::{CONFIG, Process, Site, request};

/// What the last command made true: this key is answered with this status.
#[derive(Clone)]
struct Truth {
    number: u64,
    request: Arc<str>,
    status: u16,
    what: &'static str,
}

/// Asks gateways over and over for what the last command made true.
struct Detector {
    truth: Arc<RwLock<Truth>>,
    /// For each thread: the number of the last truth it asked for and got an answer to.
    checked: Vec<Arc<AtomicU64>>,
    checks: Arc<AtomicU64>,
    stale: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
    threads: Vec<thread::JoinHandle<()>>,
    number: u64,
}

impl Detector {
    fn start(gateways: &[SocketAddr], first: &Issued) -> Self {
        let truth = Truth { number: 0, request: request(first).into(), status: 200, what: "start" };
        let mut detector = Self {
            truth: Arc::new(RwLock::new(truth)),
            checked: Vec::new(),
            checks: Arc::default(),
            stale: Arc::default(),
            stop: Arc::default(),
            threads: Vec::new(),
            number: 0,
        };
        // Two for each: one may be in the middle of a request when a command returns.
        for address in gateways.iter().chain(gateways) {
            detector.add_thread(*address);
        }
        detector
    }

    fn add_thread(&mut self, address: SocketAddr) {
        let checked = Arc::new(AtomicU64::new(u64::MAX));
        self.checked.push(Arc::clone(&checked));
        let (truth, stop) = (Arc::clone(&self.truth), Arc::clone(&self.stop));
        let (checks, stale) = (Arc::clone(&self.checks), Arc::clone(&self.stale));
        self.threads.push(thread::spawn(move || {
            let mut client = Client::tcp(address);
            while !stop.load(Ordering::Relaxed) {
                let before = truth.read().unwrap().clone();
                // A connection lasts for so many requests, then another begins.
                let sent = client.try_send(before.request.as_bytes());
                let Some(answer) = sent.then(|| client.try_answer()).flatten() else {
                    client = Client::tcp(address);
                    continue;
                };
                let status = answer.status;
                if answer.header("connection") == Some("close") {
                    client = Client::tcp(address);
                }
                let after = truth.read().unwrap().number;
                // While the next command was at work, either verdict was right. The number changes
                // before a command begins and again after it returned.
                if before.number == after && before.number % 2 == 0 {
                    checks.fetch_add(1, Ordering::Relaxed);
                    if status != before.status {
                        let what = before.what;
                        stale.lock().unwrap().push(format!("{what}: {status}, not {}", before.status));
                    }
                    checked.store(before.number, Ordering::SeqCst);
                }
            }
        }));
    }

    /// Runs a command, and has every thread check what it made true.
    fn command(&mut self, what: &'static str, status: u16, command: impl FnOnce() -> Issued) -> Issued {
        self.truth.write().unwrap().number = self.number + 1;
        let key = command();
        self.number += 2;
        let request = request(&key).into();
        *self.truth.write().unwrap() = Truth { number: self.number, request, status, what };
        until("every thread asked", || self.checked.iter().all(|c| c.load(Ordering::SeqCst) == self.number));
        key
    }

    /// Returns how many answers were checked, and what was wrong with those that were stale.
    fn end(mut self) -> (u64, Vec<String>) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            thread.join().unwrap();
        }
        (self.checks.load(Ordering::Relaxed), std::mem::take(&mut self.stale.lock().unwrap()))
    }
}

/// The life of a key, each step checked. Some ten commands.
fn live_and_die(store: &Store, detector: &mut Detector) {
    let peppers = Peppers::default();
    let consumer = Site::consumer(store);
    let key = detector.command("create", 200, || {
        store.issue(&new_key(consumer), &peppers, &act(), &mut rand::rng()).unwrap()
    });
    let id = key.record.id;
    let mut step = |what, status, change: &dyn Fn()| {
        let same = key.clone();
        detector.command(what, status, || {
            change();
            same
        });
    };
    step("disable", 401, &|| drop(store.disable_key(id, &act()).unwrap()));
    step("enable", 200, &|| drop(store.enable_key(id, &act()).unwrap()));
    step("narrow", 403, &|| narrow(store, id, "192.0.2.0/24"));
    step("widen", 200, &|| narrow(store, id, "127.0.0.0/8"));
    step("disable its consumer", 401, &|| drop(store.disable_consumer(consumer, &act()).unwrap()));
    step("enable its consumer", 200, &|| drop(store.enable_consumer(consumer, &act()).unwrap()));
    step("rename its consumer", 200, &|| {
        let edit = ConsumerEdit { name: Some("Acme Inc".to_owned()), ..ConsumerEdit::default() };
        drop(store.update_consumer(consumer, &edit, &act()).unwrap());
    });
    let rotation = Rotation { grace: Duration::ZERO, expires_at: None };
    let mut successor = None;
    let old = key.clone();
    detector.command("rotate", 401, || {
        successor = Some(store.rotate(id, rotation, &peppers, &act(), &mut rand::rng()).unwrap().new);
        old
    });
    let new = successor.unwrap();
    let new = detector.command("nothing: the successor works", 200, || new);
    detector.command("revoke", 401, || {
        store.revoke(new.record.id, RevokeReason::Leak, &act()).unwrap();
        new
    });
}

fn narrow(store: &Store, id: KeyId, network: &str) {
    let networks: Networks = [network.parse().unwrap()].into_iter().collect();
    let edit = KeyEdit { networks: Some(networks), ..KeyEdit::default() };
    drop(store.update_key(id, &edit, &act()).unwrap());
}

fn lives() -> usize {
    full_or(1_000, 25)
}

#[test]
fn no_request_begun_after_a_change_is_answered_by_the_old_verdict() {
    let site = Site::new();
    let store = site.store();
    let gateways: Vec<Process> = (0..2).map(|_| site.serve(&["--shared"])).collect();
    let addresses: Vec<SocketAddr> = gateways.iter().map(|gateway| gateway.address).collect();
    let mut detector = Detector::start(&addresses, &Site::issue(&store));
    let (wanted, mut lived) = (full_or(1_000_000, 0) as u64, 0);
    while lived < lives() || detector.checks.load(Ordering::Relaxed) < wanted {
        live_and_die(&store, &mut detector);
        lived += 1;
    }
    // And through the command itself.
    for _ in 0..3 {
        let key = detector.command("create", 200, || Site::issue(&store));
        let id = key.record.id.to_string();
        for (args, status) in [
            (&["key", "disable", &id][..], 401),
            (&["key", "enable", &id], 200),
            (&["key", "revoke", &id, "--yes"], 401),
        ] {
            let same = key.clone();
            detector.command("the command", status, || {
                site.run(args);
                same
            });
        }
    }
    let commands = detector.number / 2;
    let (checks, stale) = detector.end();
    println!("{checks} answers checked beside {commands} changes");
    assert!(stale.is_empty(), "{} of {checks} answers were stale: {stale:?}", stale.len());
    assert!(checks > lives() as u64 * 10, "{checks}");
    for gateway in &gateways {
        assert_eq!(gateway.readiness(), "ready");
    }
}

#[test]
fn the_detector_finds_a_delay_of_one_millisecond() {
    let site = Site::new();
    let store = site.store();
    let gateways: Vec<Running> = (0..2).map(|_| delayed(&site, Duration::from_millis(1))).collect();
    let addresses: Vec<SocketAddr> = gateways.iter().map(tcp).collect();
    let mut detector = Detector::start(&addresses, &Site::issue(&store));
    // On a machine with much else to do few requests come so soon after a change: chance gets its time.
    let began = now();
    while detector.stale.lock().unwrap().is_empty() && now() - began < PATIENCE {
        live_and_die(&store, &mut detector);
    }
    let (checks, stale) = detector.end();
    assert!(!stale.is_empty(), "none of {checks} answers was stale");
    gateways.into_iter().for_each(Running::join);
}

/// A gateway that looks for changes only once in a while.
fn delayed(site: &Site, delay: Duration) -> Running {
    let mut options = ServeOptions {
        is_shared: true,
        access_format: Some(AccessFormat::Off),
        access_out: Some(Box::new(std::io::sink())),
        ..ServeOptions::default()
    };
    options.verify.danger_skip_compare = Some(delay);
    kgate::serve::start(site.config(), options).unwrap()
}

fn tcp(running: &Running) -> SocketAddr {
    match running.addresses()[0] {
        ListenAddress::Tcp(address) => address,
        ListenAddress::Unix(_) => unreachable!("the site listens on TCP"),
    }
}

/// Who cannot be told within that time what holds now is refused, and served again as soon as it is known.
#[test]
fn a_request_waits_for_a_changed_store_no_longer_than_the_configuration_says() {
    let site = Site::with(&CONFIG.replace("fresh_within = \"1min\"", "fresh_within = \"1ms\""));
    let store = site.store();
    let key = Site::issue(&store);
    let gateway = site.serve(&[]);
    let change_much = || {
        let new = new_key(key.record.consumer);
        let mut goes_on = |_| std::ops::ControlFlow::Continue(());
        store.issue_many(&new, 500, &Peppers::default(), &act(), &mut rand::rng(), &mut goes_on).unwrap();
    };
    until("one is refused", || {
        change_much();
        let mut client = Client::tcp(gateway.address);
        client.send(request(&key));
        let answer = client.answer();
        if answer.status == 503 {
            assert_eq!((answer.code().as_str(), answer.header("retry-after")), ("unavailable", Some("1")));
        }
        answer.status == 503
    });
    until("it is served again", || gateway.status(&key) == 200);
}
