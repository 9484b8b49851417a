//! No key ever gets more than its quota, whatever dies and however many serve; and hardly less.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kgate::store::{Issued, STORE_FILE, USAGE_FILE};
use rustix::process::Signal;

use crate::harness::{Client, away_from_midnight, full_or, now};
use crate::process::{CONFIG, Process, Site, request};

/// By the month, which does not end while a test runs but at the end of one.
fn site(quota: u64) -> (Site, Issued) {
    away_from_midnight();
    let limits = format!(
        "{{ name = \"quota\", quota = \"{quota}/month\" }}, {{ name = \"burst\", rate = \"1000000/s\" }}"
    );
    let site = Site::with(&CONFIG.replace("{ name = \"burst\", rate = \"1000000/s\" }", &limits));
    let key = Site::issue(&site.store());
    (site, key)
}

/// Asks with a key until it is refused, the process is gone, or `stop` says so.
fn use_up(process: &Process, key: &Issued, stop: &AtomicBool, times: &Mutex<Vec<Instant>>) {
    let Some(mut client) = Client::try_tcp(process.address) else { return };
    let bytes = request(key);
    while !stop.load(Ordering::SeqCst) {
        if !client.try_send(&bytes) {
            return;
        }
        let Some(answer) = client.try_answer() else { return };
        match answer.status {
            200 => times.lock().unwrap().push(now()),
            429 => return assert_eq!(answer.code(), "quota_exceeded"),
            other => panic!("{other}: {}", process.said()),
        }
    }
}

/// Asks with four clients, for `span` or until the quota is used up.
fn load(process: &Process, key: &Issued, span: Option<Duration>, times: &Mutex<Vec<Instant>>) {
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let clients: Vec<_> = (0..4).map(|_| scope.spawn(|| use_up(process, key, &stop, times))).collect();
        if let Some(span) = span {
            let began = now();
            while now() - began < span && !clients.iter().all(thread::ScopedJoinHandle::is_finished) {
                thread::yield_now();
            }
            // In the middle of it, whatever it does.
            process.signal(Signal::KILL);
            stop.store(true, Ordering::SeqCst);
        }
    });
}

#[test]
fn a_gateway_killed_over_and_over_gives_no_more_than_the_quota_and_loses_little() {
    let (kills, quota) = (full_or(100, 6), full_or(50_000, 3_000));
    let (site, key) = site(quota as u64);
    let times = Mutex::new(Vec::new());
    for kill in 0..kills {
        let process = site.serve(&[]);
        load(&process, &key, Some(Duration::from_millis(20 + 37 * (kill as u64 % 7))), &times);
        process.wait();
        assert!(site.echo.requests() <= quota, "{}", site.echo.requests());
    }
    let process = site.serve(&[]);
    load(&process, &key, None, &times);
    let (passed, times) = (site.echo.requests(), times.into_inner().unwrap());
    // The backend may have seen some whose answers died with the gateway.
    assert!(passed <= quota && times.len() <= passed, "{passed} of {quota}");
    let in_a_second = times
        .iter()
        .enumerate()
        .map(|(i, from)| times[i..].partition_point(|at| *at - *from <= Duration::from_secs(1)))
        .max();
    let at_most = (quota / 100).max(64).max(in_a_second.unwrap_or_default());
    assert!(quota - passed <= kills * at_most, "{passed} of {quota}, {at_most} may be lost {kills} times");
    assert!(passed > kills, "it is no use if nothing passes");
    drop(process);
    let process = site.serve(&[]);
    assert_eq!(process.status(&key), 429, "nor does another start give more");
}

#[test]
fn an_orderly_restart_loses_nothing_of_a_quota() {
    let (site, key) = site(100);
    for _ in 0..3 {
        let process = site.serve(&[]);
        for _ in 0..11 {
            assert_eq!(process.status(&key), 200);
        }
        process.signal(Signal::TERM);
        assert!(process.wait().0.success());
    }
    let process = site.serve(&[]);
    load(&process, &key, None, &Mutex::default());
    assert_eq!(site.echo.requests(), 100);
}

#[test]
fn two_processes_share_a_quota_exactly() {
    let (site, key) = site(1_000);
    let (one, two) = (site.serve(&["--shared"]), site.serve(&["--shared"]));
    let times = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for process in [&one, &two] {
            let (key, times) = (&key, &times);
            scope.spawn(move || load(process, key, None, times));
        }
    });
    assert_eq!(site.echo.requests(), 1_000);
    assert_eq!(times.into_inner().unwrap().len(), 1_000);
}

#[test]
fn a_quota_that_cannot_be_granted_is_503_and_said() {
    let (site, key) = site(1_000);
    let process = site.serve(&[]);
    assert_eq!(process.status(&key), 200);
    // What was granted is served on; the file itself is gone for good.
    let usage = site.data().join(USAGE_FILE);
    std::fs::remove_file(&usage).unwrap();
    std::fs::create_dir(&usage).unwrap();
    let mut statuses: Vec<u16> = (0..200).map(|_| process.status(&key)).collect();
    statuses.dedup();
    assert_eq!(statuses, [200, 503]);
    process.until_it_says("quotas cannot be granted");
    assert!(site.echo.requests() <= 64, "{}", site.echo.requests());
    std::fs::remove_dir(&usage).unwrap();
    crate::harness::until("it can be granted again", || process.status(&key) == 200);
    process.until_it_says("quotas can be granted again");
    assert!(process.ask_admin("/metrics").1.contains("kgate_quota_grants_total{result=\"failed\"}"));
    assert!(site.data().join(STORE_FILE).exists());
}

#[test]
fn a_refused_quota_says_until_when() {
    let (site, key) = site(3);
    let process = site.serve(&[]);
    let mut client = Client::tcp(process.address);
    for left in ["2", "1", "0"] {
        client.send(request(&key));
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left));
        let policy = answer.header("ratelimit-policy").unwrap();
        assert!(policy.starts_with("\"quota\";q=3;w=2") && policy.contains(", \"burst\";q="), "{policy}");
    }
    let before = kgate::verify::wall();
    client.send(request(&key));
    let answer = client.answer();
    let at = kgate::verify::wall();
    assert_eq!((answer.status, answer.code().as_str()), (429, "quota_exceeded"));
    let reset: i64 = answer.header("x-ratelimit-reset").unwrap().parse().unwrap();
    let wait: i64 = answer.header("retry-after").unwrap().parse().unwrap();
    let month = kgate::key::Window::Month(1);
    let ends = month.ends(month.number(at)).as_secs();
    assert_eq!(reset, ends);
    assert!((ends - at.as_secs() - 2..=ends - before.as_secs() + 2).contains(&wait), "{wait}");
}
