//! Clients that take their time: at the handshake, at the head, at nothing. They are let go when their time is
//! over, and others are served meanwhile.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::{Office, TLS, run, tls_client};
use crate::fronts::free_port;
use crate::harness::{CONFIG, Client, Gate, full_or, is_quick, is_soak, now, request, until};
use crate::process::{self, Process, Site, exists};

fn gate() -> Gate {
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let caps = "realm = \"acme\"\nmax_connections_per_address = 10000\nhandshake_timeout = \"5s\"\nheader_timeout = \"5s\"\nidle_timeout = \"5s\"\nbody_timeout = \"5s\"";
    let config = CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen).replace("realm = \"acme\"", caps);
    Gate::start_with(&config, |dir| Office::open(dir).issue("server", "server", &["localhost"], 2100))
}

/// Returns the median and the slowest of so many requests over a connection each.
fn ask(gate: &Gate, token: &kgate::key::Token, count: usize) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let began = now();
            let mut client = tls_client(gate, "localhost", None).unwrap();
            client.send(request("GET", "/v1/products", token));
            assert_eq!(client.answer().status, 200);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[count / 2], times[count * 99 / 100])
}

/// What this process holds in memory, in bytes.
fn held() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    resident.trim().trim_end_matches(" kB").parse::<u64>().unwrap() << 10
}

#[test]
fn slow_clients_are_let_go_in_time_and_others_are_served() {
    let gate = gate();
    let token = gate.issue(&["products:read"]);
    let quiet = ask(&gate, &token, 50);
    let began = now();
    let mut slow = Vec::new();
    let memory = held();
    for number in 0..full_or(4_000, 150) {
        let mut socket = TcpStream::connect(gate.address).unwrap();
        match number % 3 {
            0 => {}
            // The beginning of a ClientHello.
            1 => socket.write_all(b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03").unwrap(),
            _ => socket.write_all(b"\x16").unwrap(),
        }
        slow.push(socket);
    }
    let mut halves = Vec::new();
    for number in 0..full_or(1_000, 40) {
        let mut client = tls_client(&gate, "localhost", None).unwrap();
        match number % 4 {
            0 => client.send("GET /v1/products HTTP/1.1\r\nHost: a\r\nX-Slow: "),
            1 => {}
            // A body of which two bytes come.
            2 => client.send(
                request("POST", "/v1/products", &token)
                    .replace("\r\n\r\n", "\r\nContent-Length: 9999\r\n\r\nab"),
            ),
            // An answer that nobody reads.
            _ => client.send(request("GET", "/v1/products?bytes=4000000", &token)),
        }
        halves.push(client);
    }
    let beside = ask(&gate, &token, 50);
    let grown = held().saturating_sub(memory) >> 10;
    let all = slow.len() + halves.len();
    println!("quiet {quiet:?}, beside {all} slow clients {beside:?}, {} KiB each", grown / all as u64);
    // Elsewhere other tests share this process, its memory and its cores.
    if is_soak() {
        // The clients themselves are in it, and the backend with its answers.
        assert!(grown < 256 * all as u64 + (64 << 10), "{grown} KiB");
        assert!(beside.1 < quiet.1 * 2 + Duration::from_millis(20), "{quiet:?} {beside:?}");
    }
    until("all of them are let go", || gate.count("kgate_connections{listener=\"127.0.0.1:0\"}") == 0.0);
    assert!(began.elapsed() < Duration::from_mins(1));
    let handshakes = gate.count("kgate_connection_faults_total{fault=\"handshake\"}");
    let silent = u32::try_from(slow.len()).unwrap();
    assert!(handshakes >= f64::from(silent), "{handshakes}");
    assert!(gate.count("kgate_connection_faults_total{fault=\"head_timeout\"}") >= 10.0);
    assert!(ask(&gate, &token, 5).0 < Duration::from_secs(20));
}

/// `slowhttptest` in its four ways, over clear text and TLS, all at once, from one address that is allowed as
/// many connections: half heads, half bodies, ranges without end, answers that are read byte by byte. It never finds
/// the service gone; a client of its own accord is served meanwhile as before; and those who take too long are
/// let go while it still runs.
#[test]
fn slowhttptest_takes_the_service_from_nobody() {
    if is_quick() {
        return;
    }
    let (plain, secure) = (free_port(), free_port());
    let tls =
        format!("{{ address = \"{secure}\", tls = {{ certificate = \"cert.pem\", key = \"key.pem\" }} }}");
    let caps = "realm = \"acme\"\nmax_connections_per_address = 9000\nheader_timeout = \"4s\"\nidle_timeout = \"4s\"\nbody_timeout = \"4s\"";
    let config = process::CONFIG
        .replace("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"{plain}\", {tls}]"))
        .replace("realm = \"acme\"", caps)
        .replace("workers = 1", "workers = 2")
        + "\n[[route]]\nname = \"public\"\npath = \"/public/**\"\npublic = true\nupstream = \"echo\"\n";
    let site = Site::with(process::CONFIG);
    site.run(&["tls", "self-signed", "--dir", site.dir.path().to_str().unwrap()]);
    assert!(exists(&site.dir.path().join("cert.pem")));
    site.configure(&config);
    let key = Site::issue(&site.store());
    let gate = site.serve(&[]);
    until("the key is known", || gate.status(&key) == 200);
    let asked = process::request(&key);
    let before = served(plain, &asked, 100);
    let (count, rate, seconds) =
        (full_or(1_000, 40).to_string(), full_or(100, 40).to_string(), full_or(20, 10).to_string());
    let few = full_or(300, 20).to_string();
    let left = AtomicUsize::new(8);
    let beside = thread::scope(|scope| {
        for (scheme, port) in [("http", plain.port()), ("https", secure.port())] {
            for (mode, path) in [
                (&["-H", "-i", "1"][..], "x"),
                (&["-B", "-i", "1"], "x"),
                (&["-R"], "x"),
                (&["-X", "-n", "1", "-w", "256", "-y", "512"], "x?bytes=4000000"),
            ] {
                let url = format!("{scheme}://localhost:{port}/public/{path}");
                // Each answer that nobody reads fills some megabytes of the kernel's.
                let count = if mode[0] == "-X" { &few } else { &count };
                let (rate, seconds, left) = (&rate, &seconds, &left);
                scope.spawn(move || {
                    let common = ["-c", count, "-r", rate, "-l", seconds, "-p", "15", "-v", "1", "-u", &url];
                    let said = run("slowhttptest", &[mode, &common].concat());
                    left.fetch_sub(1, Ordering::SeqCst);
                    // Between its words it sets colours.
                    let found: Vec<&str> =
                        said.lines().filter(|line| line.contains("service available")).collect();
                    let is_up = |line: &&str| line.contains("YES");
                    assert!(!found.is_empty() && found.iter().all(is_up), "{scheme} {mode:?}: {said}");
                });
            }
        }
        // From when the most of them are there; while they come, they cost handshakes as anybody does.
        let most = full_or(3_000, 100);
        until("they are there", || open(&gate) > most || left.load(Ordering::SeqCst) < 4);
        let mut times = Vec::new();
        while left.load(Ordering::SeqCst) > 6 || times.is_empty() {
            times.push(served(plain, &asked, 100));
        }
        times.sort_unstable();
        times[times.len() / 2]
    });
    let after = served(plain, &asked, 100);
    println!("median and slowest: {before:?} before, {beside:?} beside, {after:?} after");
    if is_soak() {
        // What else the machine did then is in the quiet ones, too.
        let quiet = before.1.max(after.1);
        assert!(beside.1 < quiet * 2 + Duration::from_millis(20), "{before:?} {beside:?} {after:?}");
    }
    until("all of them are let go", || open(&gate) == 0);
    let faults = |name: &str| metric(&gate, &format!("kgate_connection_faults_total{{fault=\"{name}\"}}"));
    let each = full_or(1_000, 40);
    // Half heads; the same of TLS may be half a handshake when it ends.
    assert!(faults("head_timeout") >= each / 2, "{}", faults("head_timeout"));
    assert!(faults("stalled") > 0, "whose answers nobody read");
    assert_eq!((faults("cap"), faults("address_cap")), (0, 0));
}

/// Asks so often, over a connection each, and returns the median and the 99th percentile.
fn served(at: SocketAddr, asked: &str, count: usize) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..count)
        .map(|_| {
            let began = now();
            let mut client = Client::tcp(at);
            client.send(asked);
            assert_eq!(client.answer().status, 200);
            began.elapsed()
        })
        .collect();
    times.sort_unstable();
    (times[count / 2], times[count * 99 / 100])
}

fn open(gate: &Process) -> usize {
    let (_, text) = gate.ask_admin("/metrics");
    let counts = text.lines().filter_map(|line| line.strip_prefix("kgate_connections{"));
    counts.filter_map(|line| line.rsplit(' ').next()?.parse::<usize>().ok()).sum()
}

fn metric(gate: &Process, series: &str) -> usize {
    let (_, text) = gate.ask_admin("/metrics");
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or(0)
}
