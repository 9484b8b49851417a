//! Memory is bounded by the keys in the store, never by traffic.

use std::fmt::Write as _;

use kgate::key::{Prefix, Token};

use crate::harness::{Client, full_or};
use crate::process::{CONFIG, Process, Site};

/// Kilobytes of memory in use.
fn resident(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Asks `count` times, each time with another token, path, host and address, over a few connections that are
/// opened anew now and then.
fn strangers(process: &Process, count: usize) {
    const AT_ONCE: usize = 100;
    let prefix: Prefix = "acme_live".parse().unwrap();
    let mut rng = rand::rng();
    let mut client = Client::tcp(process.address);
    for round in 0..count / AT_ONCE {
        if round % 50 == 49 {
            client = Client::tcp(process.address);
        }
        let mut all = String::new();
        for _ in 0..AT_ONCE {
            let token = Token::mint(&prefix, &mut rng);
            let text = token.expose();
            let unique = &text["acme_live_".len()..];
            let client = std::net::Ipv6Addr::from(rand::random::<u128>());
            // 200 bytes that are never the same again: a map keyed by any of it would show.
            let _ = write!(
                all,
                "GET /{unique}/{unique}/{unique} HTTP/1.1\r\nHost: {unique}.example.com\r\n\
                 Authorization: Bearer {text}\r\nX-{unique}: {unique}\r\nX-Forwarded-For: {client}\r\n\r\n"
            );
        }
        client.send(&all);
        for _ in 0..AT_ONCE {
            assert_eq!(client.answer().status, 401);
        }
    }
}

#[test]
fn unknown_tokens_leave_memory_where_it_was() {
    // Each stranger has an address of its own, and fails to authenticate once.
    let config = CONFIG.replace("failed_auth = ", "trusted_proxies = [\"127.0.0.1\"]\nfailed_auth = ");
    assert_ne!(config, CONFIG);
    let site = Site::with(&config);
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    assert_eq!(process.status(&key), 200);
    let series = || process.ask_admin("/metrics").1.lines().filter(|line| !line.starts_with('#')).count();
    // Buffers find their size.
    strangers(&process, 10_000);
    let series_before = series();
    let count = full_or(1_000_000, 50_000);
    let grown = || {
        let before = resident(&process);
        strangers(&process, count);
        let after = resident(&process);
        println!("{count} unknown tokens: {before} kB before, {after} kB after");
        after.saturating_sub(before)
    };
    // Buffers grow in steps of 2 MiB, so 50,000 show what costs a hundred bytes a request (a map by path,
    // host or token), and only a million show what costs twenty (a map by digest).
    let bound = full_or(16, 4) as u64 * 1024;
    // On a busy machine buffers may find another size in between, once. What grows with traffic grows again.
    let growth = grown();
    let again = if growth > bound { grown() } else { 0 };
    assert!(again <= bound, "{count} unknown tokens cost {growth} kB, and as many more {again} kB");
    assert_eq!(series_before, series(), "no label comes from a request");
    assert_eq!(process.status(&key), 200);
}
