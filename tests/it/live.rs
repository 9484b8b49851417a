//! Requests under way when their key stops working: a WebSocket, a stream of events, an upload.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kgate::key::{Networks, Timestamp, Token};
use kgate::store::{Issued, KeyEdit, NewKey};
use kgate::verify::wall;

use crate::harness::{CONFIG, Gate, PATIENCE, acme, act, new_key, now, read_head, until};

/// What is promised where `cut_within` says nothing.
const WITHIN: Duration = Duration::from_secs(5);

/// A backend by path: `/live/ws` is upgraded and repeats what comes, `/live/events` never ends, and of
/// `/live/upload` nothing is read but the head.
pub fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || serve(stream.unwrap()));
        }
    });
    address
}

fn serve(mut stream: TcpStream) {
    let Some(head) = read_head(&mut stream) else { return };
    if head.starts_with(b"GET /live/ws ") {
        let answer = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
        let _ = stream.write_all(answer);
        let mut buffer = [0; 4096];
        while let Ok(n) = stream.read(&mut buffer) {
            if n == 0 || stream.write_all(&buffer[..n]).is_err() {
                return;
            }
        }
    } else if head.starts_with(b"GET /live/events ") {
        let _ = stream.write_all(
            b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        while stream.write_all(b"9\r\ndata: x\n\n\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    } else {
        thread::sleep(PATIENCE);
    }
}

/// A gate before such a backend, with more lines in `[server]`.
fn gate(lines: &str) -> Gate {
    let config = CONFIG
        .replace("{echo}", &backend().to_string())
        .replace("realm = \"acme\"", &format!("realm = \"acme\"\n{lines}"));
    let route = "\n[[route]]\nname = \"live\"\npath = \"/live/**\"\nupstream = \"echo\"\n";
    Gate::start(&(config + route))
}

fn key(gate: &Gate) -> Issued {
    gate.issue_key(&new_key(gate.consumer(&acme())))
}

fn ask(gate: &Gate, line: &str, token: &Token, fields: &str) -> TcpStream {
    let mut client = TcpStream::connect(gate.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    let token = token.expose();
    let head =
        format!("{line} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {token}\r\n{fields}\r\n");
    client.write_all(head.as_bytes()).unwrap();
    client
}

fn websocket(gate: &Gate, token: &Token) -> TcpStream {
    let mut client = ask(
        gate,
        "GET /live/ws",
        token,
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    );
    assert!(read_head(&mut client).unwrap().starts_with(b"HTTP/1.1 101"));
    assert!(echoes(&mut client));
    client
}

fn events(gate: &Gate, token: &Token) -> TcpStream {
    let mut client = ask(gate, "GET /live/events", token, "");
    assert!(read_head(&mut client).unwrap().starts_with(b"HTTP/1.1 200"));
    assert!(flows(&mut client));
    client
}

/// A body that the backend does not take: in the end it stands still.
fn upload(gate: &Gate, token: &Token) -> TcpStream {
    let client = ask(gate, "POST /live/upload", token, "Content-Length: 16000000\r\n");
    let mut writer = client.try_clone().unwrap();
    thread::spawn(move || {
        let _ = writer.write_all(&vec![b'x'; 16_000_000]);
    });
    client
}

fn echoes(client: &mut TcpStream) -> bool {
    let mut back = [0; 4];
    client.write_all(b"ping").is_ok() && client.read_exact(&mut back).is_ok() && &back == b"ping"
}

fn flows(client: &mut TcpStream) -> bool {
    client.read(&mut [0; 4096]).is_ok_and(|n| n > 0)
}

/// Reads until the connection is closed, one way or another; when that was.
fn closed_at(mut client: TcpStream) -> Instant {
    let began = now();
    let mut sink = [0; 4096];
    loop {
        match client.read(&mut sink) {
            Ok(0) => return now(),
            Ok(_) if now() - began < PATIENCE => {}
            Ok(_) => panic!("it goes on"),
            Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => return now(),
            Err(error) => panic!("it stands still: {error}"),
        }
    }
}

/// How long this process, in which the gateway runs, stood in the queue for a processor while something is measured: a
/// promise of seconds is one to a machine that has them.
struct Lost {
    ends: Arc<AtomicBool>,
    thread: thread::JoinHandle<Duration>,
}

impl Lost {
    fn begin() -> Self {
        let ends = Arc::<AtomicBool>::default();
        let told = Arc::clone(&ends);
        let thread = thread::spawn(move || {
            let pause = Duration::from_millis(20);
            let mut lost = Duration::ZERO;
            while !told.load(Ordering::SeqCst) {
                let began = now();
                thread::sleep(pause);
                lost += (now() - began).saturating_sub(pause);
            }
            lost
        });
        Self { ends, thread }
    }

    fn end(self) -> Duration {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap()
    }
}

/// A WebSocket and a stream are cut when `change` is made, and not before; `requests` with this key are. `beside` is
/// another request with it that was begun before, and is cut as soon.
fn cut_by(
    gate: &Gate,
    key: &Issued,
    reason: &str,
    requests: usize,
    beside: Option<TcpStream>,
    change: impl FnOnce(),
) {
    let (mut socket, stream) = (websocket(gate, &key.token), events(gate, &key.token));
    let before = gate.count("kgate_requests_cut_total");
    assert!(echoes(&mut socket));
    let lost = Lost::begin();
    change();
    let changed = now();
    let all = [socket, stream].into_iter().chain(beside);
    let closing: Vec<_> = all.map(|client| thread::spawn(move || closed_at(client))).collect();
    let took: Vec<_> = closing.into_iter().map(|closed| closed.join().unwrap() - changed).collect();
    let lost = lost.end();
    assert!(took.iter().all(|took| *took < WITHIN + lost), "{reason}: {took:?}, of which {lost:?} were lost");
    until("all are logged", || {
        gate.lines.all().iter().filter(|line| line["reason"] == reason).count() >= requests
    });
    assert!(gate.count("kgate_requests_cut_total") - before > 1.9, "{reason}");
}

#[test]
fn what_is_under_way_is_cut_within_five_seconds_of_its_keys_revocation_and_nothing_else() {
    let gate = gate("");
    let (gone, stays) = (key(&gate), key(&gate));
    let (mut socket, mut stream) = (websocket(&gate, &stays.token), events(&gate, &stays.token));
    let stuck = upload(&gate, &gone.token);
    cut_by(&gate, &gone, "cut_revoked", 3, Some(stuck), || gate.revoke(gone.record.id));
    assert!(echoes(&mut socket) && flows(&mut stream), "another key's requests go on");
    let line = gate.lines.all().into_iter().find(|line| line["reason"] == "cut_revoked").unwrap();
    assert_eq!(line["key_id"], gone.record.id.to_string(), "{line}");
    // The upload was dropped by force, since its backend takes no more of it.
    let lines: Vec<_> = gate.lines.all().into_iter().filter(|line| line["reason"] == "cut_revoked").collect();
    assert!(lines.iter().any(|line| line["method"] == "POST"), "{lines:?}");
    assert!(lines.iter().all(|line| line["host"] == "api.example.com" && line["method"] != ""), "{lines:?}");
}

#[test]
fn whatever_would_refuse_the_request_now_cuts_it() {
    let gate = gate("cut_within = \"2s\"");
    let disabled = key(&gate);
    cut_by(&gate, &disabled, "cut_disabled", 2, None, || {
        gate.store.disable_key(disabled.record.id, &act()).unwrap();
    });
    let orphan = key(&gate);
    cut_by(&gate, &orphan, "cut_consumer_disabled", 2, None, || {
        gate.store.disable_consumer(orphan.record.consumer, &act()).unwrap();
    });
    let moved = key(&gate);
    cut_by(&gate, &moved, "cut_network", 2, None, || {
        let networks = "10.0.0.0/8".parse::<Networks>().ok();
        let edit = KeyEdit { networks, ..KeyEdit::default() };
        gate.store.update_key(moved.record.id, &edit, &act()).unwrap();
    });
    // Its end comes by itself, when nothing changes.
    let brief = key(&gate);
    cut_by(&gate, &brief, "cut_expired", 2, None, || {
        let soon = Timestamp::from_millis(wall().as_millis() + 1_500);
        let edit = KeyEdit { expires_at: Some(Some(soon)), ..KeyEdit::default() };
        gate.store.update_key(brief.record.id, &edit, &act()).unwrap();
        until("it has expired", || wall() >= soon);
    });
}

/// An edit that does not concern the request, a limit that is used up, and a public route cut nothing.
#[test]
fn a_change_that_would_not_refuse_the_request_cuts_nothing() {
    let gate = gate("cut_within = \"2s\"");
    let consumer = gate.consumer(&acme());
    let key = gate.issue_key(&NewKey { plan: Some("tiny".to_owned()), ..new_key(consumer) });
    let (mut socket, mut stream) = (websocket(&gate, &key.token), events(&gate, &key.token));
    assert_eq!(gate.get("/live/x", &key.token).status, 429, "no more may begin");
    let networks = "127.0.0.0/8".parse::<Networks>().ok();
    let edit = KeyEdit { networks, ..KeyEdit::default() };
    gate.store.update_key(key.record.id, &edit, &act()).unwrap();
    thread::sleep(Duration::from_secs(3));
    assert!(echoes(&mut socket) && flows(&mut stream));
    assert!(gate.count("kgate_requests_cut_total") < 0.1);
}
