//! What floods cost whom: kgate, as a process of its own, in processor time and memory, against what the attacker
//! sent and computed. Others are served meanwhile.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Office, TLS};
use crate::downstream::http2::Peer;
use crate::harness::{PATIENCE, full_or, is_quick, now};
use crate::process::Site;

/// Processor time of a process so far, and the most memory it held.
fn spent(pid: u32) -> (Duration, u64) {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    (Duration::from_millis(ticks * 10), peak * 1024)
}

fn commands(what: &str, key: &str, times: usize) -> Vec<Value> {
    let head = |more: &[(&str, &str)]| -> Vec<Value> {
        let all = [(":method", "POST"), (":scheme", "https"), (":authority", "localhost"), (":path", "/x")];
        let all = [&all[..], &[("authorization", key)], more].concat();
        all.iter().map(|(name, value)| json!([name, value])).collect()
    };
    let open = json!({ "do": "headers", "stream": 1, "headers": head(&[]), "end": false });
    let frames = |kind: u8, stream: u32, hex: &str| json!({ "do": "frame", "type": kind, "stream": stream, "hex": hex, "times": times, "listen": true });
    match what {
        "rapid reset" => vec![json!({ "do": "resets", "stream": 1, "times": times, "headers": head(&[]) })],
        "CONTINUATION" => vec![
            json!({ "do": "frame", "type": 1, "flags": 1, "stream": 1, "hex": "82" }),
            frames(9, 1, &("4001617f8101".to_owned() + &"61".repeat(256))),
        ],
        "HPACK bomb" => {
            let long = "a".repeat(3000);
            let bomb = head(&vec![("x-bomb", long.as_str()); 4000]);
            (0..times / 1000)
                .map(|n| json!({ "do": "headers", "stream": 2 * n + 1, "headers": bomb, "end": true }))
                .collect()
        }
        "PING" => vec![frames(6, 0, "0000000000000000")],
        "SETTINGS" => vec![frames(4, 0, "000300000064")],
        "PRIORITY" => vec![frames(2, 3, "0000000000")],
        "WINDOW_UPDATE" => vec![open, frames(8, 1, "00000001")],
        "empty DATA" => vec![open, frames(0, 1, "")],
        "unknown frames" => vec![frames(99, 0, "00")],
        "zero windows" => (0..100)
            .map(|n| {
                let mut asked = head(&[]);
                asked[0] = json!([":method", "GET"]);
                asked[3] = json!([":path", "/x?bytes=1000000"]);
                json!({ "do": "headers", "stream": 2 * n + 1, "headers": asked, "end": true })
            })
            .collect(),
        // With windows without bounds, and nothing is read.
        "unread answers" => {
            let mut asked = head(&[]);
            asked[0] = json!([":method", "GET"]);
            asked[3] = json!([":path", "/x?bytes=4000000"]);
            let all = (0..100)
                .map(|n| json!({ "do": "headers", "stream": 2 * n + 1, "headers": asked, "end": true }));
            let window = json!({ "do": "frame", "type": 8, "hex": "7fff0000" });
            std::iter::once(window).chain(all).chain([json!({ "do": "rest", "seconds": 3 })]).collect()
        }
        _ => unreachable!("a flood of nothing"),
    }
}

#[test]
fn a_flood_costs_kgate_no_more_than_a_hundred_times_what_it_costs_the_attacker() {
    if is_quick() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    Office::open(dir.path()).issue("server", "server", &["localhost"], 2100);
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let config = crate::process::CONFIG
        .replace("proxy = [\"127.0.0.1:0\"]", &listen)
        .replace("server.", &format!("{}/server.", dir.path().display()));
    let site = Site::with(&config);
    let store = site.store();
    let token = Site::issue(&store).token;
    drop(store);
    let serving = site.serve(&[]);
    let pid = serving.pid().as_raw_nonzero().get().unsigned_abs();
    let key = format!("Bearer {}", token.expose());
    let ca = dir.path().join("ca.pem");
    let (port, ca) = (serving.address.port().to_string(), ca.to_str().unwrap());
    let arguments = ["tls", "localhost", &port, ca];
    let good: Vec<(&str, &str)> = vec![
        (":method", "GET"),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", "/x"),
        ("authorization", &key),
    ];
    let served = |what: &str| {
        let began = now();
        assert_eq!(Peer::open(&arguments).ask(&good)["status"], 200, "{what}");
        now() - began
    };
    // Code and tables are there before anything is counted.
    let usual = served("nothing");
    println!("| flood | bytes sent | attacker's CPU | kgate's CPU | kgate's memory |\n|---|---|---|---|---|");
    for what in [
        "rapid reset",
        "CONTINUATION",
        "HPACK bomb",
        "PING",
        "SETTINGS",
        "PRIORITY",
        "WINDOW_UPDATE",
        "empty DATA",
        "unknown frames",
        "zero windows",
        "unread answers",
    ] {
        let measure = || {
            let settings = match what {
                "zero windows" => json!([[4, 0]]),
                "unread answers" => json!([[4, 0x7fff_ffff]]),
                _ => json!([]),
            };
            let mut peer = Peer::open_with(&arguments, &settings);
            // The most that is held begins anew.
            std::fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
            let (before, attacker) = (spent(pid), spent(peer.id()).0);
            let mut report = Value::Null;
            for command in commands(what, &key, full_or(100_000, 4_000)) {
                report = peer.run(&command);
                if report["closed"] == true {
                    break;
                }
            }
            let report = if report["closed"] == true || what == "unread answers" {
                report
            } else {
                peer.run(&json!({ "do": "listen", "seconds": 0.5 }))
            };
            let took = served(what);
            assert!(took < (PATIENCE / 2).max(usual * 10), "{what}: others wait {took:?}, not {usual:?}");
            let (after, attacker) = (spent(pid), spent(peer.id()).0.saturating_sub(attacker));
            let (cpu, memory) = (after.0.saturating_sub(before.0), after.1.saturating_sub(before.1));
            let sent = report["sent"].as_u64().unwrap();
            println!("| {what} | {sent} | {attacker:?} | {cpu:?} | {} KiB |", memory >> 10);
            (sent, attacker, cpu, memory)
        };
        let (sent, attacker, cpu, memory) = measure();
        // The clock of the kernel ticks every 10 ms, and serving somebody else is in it.
        assert!(cpu <= (attacker * 100).max(Duration::from_secs(1)), "{what}: {cpu:?} for {attacker:?}");
        // Whoever asks for large answers and takes none of them holds what is on its way to each stream, of which
        // there are a hundred here: not by what was sent, but by the cap on streams.
        let is_by_streams = ["zero windows", "unread answers"].contains(&what);
        let bar = if is_by_streams { 100 << 20 } else { (sent * 100).max(4 << 20) };
        // Buffers find their size, once; what grows with a flood grows with the next.
        let memory = if memory > bar { measure().3 } else { memory };
        assert!(memory <= bar, "{what}: {memory} bytes for {sent}, twice");
    }
}
