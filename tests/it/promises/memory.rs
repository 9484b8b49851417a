//! Memory is bounded by the keys in the store, never by traffic.

use std::fmt::Write as _;
use std::net::{Ipv6Addr, SocketAddr};

use kgate::key::{Prefix, Token};

use crate::fronts::free_port;
use crate::harness::{Client, full_or};
use crate::process::{CONFIG, Process, Site};

/// Kilobytes of memory in use.
fn resident(process: &Process) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.pid().as_raw_nonzero())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").trim().parse().unwrap()
}

/// Asks `count` times, each time another request, over a few connections that are opened anew now and then.
fn flood(process: &Process, count: usize, wanted: u16, mut write: impl FnMut(&mut String)) {
    const AT_ONCE: usize = 100;
    let mut client = Client::tcp(process.address);
    for round in 0..count / AT_ONCE {
        if round % 50 == 49 {
            client = Client::tcp(process.address);
        }
        let mut all = String::new();
        (0..AT_ONCE).for_each(|_| write(&mut all));
        client.send(&all);
        for _ in 0..AT_ONCE {
            assert_eq!(client.answer().status, wanted);
        }
    }
}

/// Asks with another token, path, host and address each time.
fn strangers(process: &Process, count: usize) {
    let prefix: Prefix = "acme_live".parse().unwrap();
    let mut rng = rand::rng();
    flood(process, count, 401, |all| {
        let token = Token::mint(&prefix, &mut rng);
        let text = token.expose();
        let unique = &text["acme_live_".len()..];
        let client = Ipv6Addr::from(rand::random::<u128>());
        // 200 bytes that are never the same again: a map keyed by any of it would show.
        let _ = write!(
            all,
            "GET /{unique}/{unique}/{unique} HTTP/1.1\r\nHost: {unique}.example.com\r\n\
             Authorization: Bearer {text}\r\nX-{unique}: {unique}\r\nX-Forwarded-For: {client}\r\n\r\n"
        );
    });
}

/// Asks without a key, from another address each time.
fn passers_by(process: &Process, count: usize) {
    flood(process, count, 200, |all| {
        let (client, path) = (Ipv6Addr::from(rand::random::<u128>()), rand::random::<u128>());
        let _ = write!(all, "GET /{path} HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: {client}\r\n\r\n");
    });
}

/// Connects as often, announced by a load balancer to be for another address each time.
fn announced(address: SocketAddr, count: usize) {
    for _ in 0..count {
        let client = Ipv6Addr::from(rand::random::<u128>());
        let mut connection = Client::tcp(address);
        connection.send(format!(
            "PROXY TCP6 {client} ::1 4711 80\r\nGET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
        ));
        assert_eq!(connection.answer().status, 200);
    }
}

/// Returns by how many kilobytes `act` has memory grow: on a busy machine buffers may find another size in
/// between, once or twice. What grows with traffic grows every time.
fn growth(process: &Process, bound: u64, act: impl Fn()) -> u64 {
    let grown = || {
        let before = resident(process);
        act();
        let after = resident(process);
        println!("{before} kB before, {after} kB after");
        after.saturating_sub(before)
    };
    let mut least = u64::MAX;
    for _ in 0..3 {
        least = least.min(grown());
        if least <= bound {
            break;
        }
    }
    least
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
    // Buffers grow in steps of 2 MiB, so 50,000 show what costs a hundred bytes a request (a map by path,
    // host or token), and only a million show what costs twenty (a map by digest).
    let bound = full_or(16, 4) as u64 * 1024;
    let growth = growth(&process, bound, || strangers(&process, count));
    assert!(growth <= bound, "{count} unknown tokens cost {growth} kB, each time");
    assert_eq!(series_before, series(), "no label comes from a request");
    assert_eq!(process.status(&key), 200);
}

/// Whoever needs no key is counted by address, and a proxy or a load balancer can say as many addresses as there
/// are. One that goes on is limited all the same.
#[test]
fn callers_without_a_key_leave_memory_where_it_was() {
    let config = CONFIG
        .replace("failed_auth = ", "trusted_proxies = [\"127.0.0.1\"]\nfailed_auth = ")
        .replace(
            "proxy = [\"127.0.0.1:0\"]",
            "proxy = [\"127.0.0.1:0\", { address = \"{announced}\", proxy_protocol = [\"127.0.0.1\"] }]",
        )
        .replace("upstream = \"echo\"\n", "upstream = \"echo\"\nanonymous = \"few\"\n")
        + "\n[plans.few]\nlimits = [{ name = \"few\", rate = \"3/h\", burst = 3 }]\n";
    let door = free_port();
    let site = Site::with(&config.replace("{announced}", &door.to_string()));
    let process = site.serve(&[]);
    let one = || {
        let mut client = Client::tcp(process.address);
        client.send("GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n");
        client.answer().status
    };
    assert_eq!([one(), one(), one(), one()], [200, 200, 200, 429]);
    let flood = |many: usize, some: usize| {
        // So few are between that seven of them do not fall into one set of 16,384, but once in ten thousand
        // million times.
        for _ in 0..many / 2_000 {
            passers_by(&process, 2_000);
            assert_eq!(one(), 429, "one who goes on keeps the count");
        }
        announced(door, some);
    };
    // Buffers find their size, and the table of addresses is touched throughout.
    flood(full_or(200_000, 20_000), 1_000);
    let (many, some) = (full_or(1_000_000, 30_000), full_or(100_000, 3_000));
    let bound = full_or(16, 4) as u64 * 1024;
    let growth = growth(&process, bound, || flood(many, some));
    assert!(growth <= bound, "{many} requests and {some} connections cost {growth} kB, each time");
}
