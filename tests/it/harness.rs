//! A gateway in this process, on a free port, over a store of its own, and a client that sends bytes
//! as they are.
//!
//!     let gate = Gate::start(CONFIG);                  // `{echo}` in the text is the echo backend
//!     let token = gate.issue(&["products:read"]);
//!     let answer = gate.get("/v1/products", &token);
//!     assert_eq!(answer.status, 200);

#![allow(dead_code, reason = "each module of tests uses a part")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use kgate::config::{Config, Loaded};
use kgate::edge::{AccessLine, AccessSink};
use kgate::gateway::echo::Echo;
use kgate::gateway::{Bound, Gateway, ListenAddress, Stop};
use kgate::key::{ConsumerId, KeyId, Networks, Scopes, Timestamp, Token};
use kgate::metrics::Metrics;
use kgate::sign::Keys;
use kgate::store::{Act, Actor, Issued, NewConsumer, NewKey, Options, Store, Via};
use kgate::verify::{Verifier, wall};
use tokio::sync::watch;

/// How long a test waits for what must happen. Only a failing test waits that long; a machine that does much besides
/// takes its time over what is done in a moment elsewhere.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running gateway. Dropping it stops it and removes its store.
pub struct Gate {
    /// Where it listens on TCP, the last place if there are several.
    pub address: SocketAddr,
    /// All of them, as they are in the configuration.
    pub addresses: Vec<SocketAddr>,
    /// The echo backend, behind `{echo}` of the configuration.
    pub echo: Echo,
    /// A second handle on its store, as a command would have.
    pub store: Store,
    /// What it counts.
    pub metrics: Arc<Metrics>,
    /// What it logs.
    pub lines: Arc<Lines>,
    pub gateway: Arc<Gateway>,
    /// What signs for backends.
    pub keys: Arc<Keys>,
    pub verifier: Arc<Verifier>,
    pub loaded: Loaded,
    pub dir: tempfile::TempDir,
    stop: watch::Sender<Stop>,
    workers: Vec<thread::JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
}

/// A configuration most tests can live with.
pub const CONFIG: &str = r#"
data_dir = "data"

[listen]
proxy = ["127.0.0.1:0"]

[server]
workers = 1
realm = "acme"
default_plan = "free"
failed_auth = { exempt = ["127.0.0.0/8"] }

[[key_type]]
name = "live"
prefix = "acme_live"

[[key_type]]
name = "test"
prefix = "acme_test"

[plans.free]
limits = [{ name = "burst", rate = "1000000/s" }]

[plans.tiny]
limits = [{ name = "few", rate = "2/h", burst = 2 }]

[[upstream]]
name = "echo"
servers = ["{echo}"]
shared_secret_file = "secret"
forward_metadata = ["tier"]

[[route]]
name = "products"
path = "/v1/products/**"
methods = ["GET", "POST", "PUT", "HEAD"]
scopes = "products:read"
upstream = "echo"

[[route]]
name = "header"
path = "/header/**"
key_header = "X-Api-Key"
upstream = "echo"

[[route]]
name = "public"
path = "/public/**"
public = true
upstream = "echo"
"#;

/// What the shared secret of [`CONFIG`] is.
pub const SECRET: &str = "correct-horse-battery-staple-42";

impl Gate {
    /// Starts one; `{echo}` in `config` becomes the address of an echo backend and `{dir}` a temporary
    /// directory, in which there is a file `secret`.
    pub fn start(config: &str) -> Self {
        Self::start_with(config, |_| {})
    }

    /// Starts one as [`Gate::start`] does; `prepare` may fill its directory first.
    pub fn start_with(config: &str, prepare: impl FnOnce(&std::path::Path)) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the backend");
        let echo = runtime.block_on(Echo::start()).expect("an echo backend");
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), SECRET).unwrap();
        prepare(dir.path());
        let path = dir.path().join("kgate.toml");
        let text = config
            .replace("{echo}", &echo.address().to_string())
            .replace("{dir}", dir.path().to_str().unwrap());
        std::fs::write(&path, text).unwrap();
        let loaded = Config::read(&path).unwrap_or_else(|error| panic!("{error}"));
        let config = &loaded.config;
        let store = Store::create(&config.data_dir, &Options::default(), &act(), &mut rand::rng()).unwrap();
        let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
        let metrics = Arc::new(Metrics::new());
        let lines = Arc::new(Lines::default());
        let sink: Arc<dyn AccessSink> = Arc::clone(&lines) as Arc<dyn AccessSink>;
        let keys = Arc::new(Keys::new(kgate::sign::load(&config.data_dir).unwrap()));
        let gateway =
            Gateway::new(config, Arc::clone(&verifier), Arc::clone(&metrics), sink, Arc::clone(&keys))
                .unwrap();

        runtime.spawn(Arc::clone(&gateway).tend());
        let (stop, stopped) = watch::channel(Stop::Running);
        let count = config.server.workers.unwrap_or(1);
        let mut addresses = Vec::new();
        let mut shares: Vec<Vec<_>> = (0..count).map(|_| Vec::new()).collect();
        for wanted in &config.listen.proxy {
            let wanted = match &wanted.address {
                kgate::config::Address::Tcp(address) => ListenAddress::Tcp(*address),
                kgate::config::Address::Unix(path) => ListenAddress::Unix(path.clone()),
                kgate::config::Address::Name(..) => unreachable!("not a place to listen"),
            };
            let bound = Arc::new(Mutex::new(Bound::bind(&wanted, count).unwrap()));
            if let ListenAddress::Tcp(actual) = bound.lock().unwrap().address() {
                addresses.push(*actual);
            }
            shares.iter_mut().for_each(|share| share.push(Arc::clone(&bound)));
        }
        let workers = shares
            .into_iter()
            .map(|share| {
                let gateway = Arc::clone(&gateway);
                let stopped = stopped.clone();
                let keepalive = loaded.config.server.keepalive_pool;
                thread::spawn(move || {
                    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                    runtime.block_on(async {
                        let listeners =
                            share.iter().map(|bound| bound.lock().unwrap().listener().unwrap()).collect();
                        gateway.worker(keepalive).run(listeners, stopped).await;
                    });
                })
            })
            .collect();
        Self {
            address: addresses.last().copied().unwrap_or(([127, 0, 0, 1], 0).into()),
            addresses,
            echo,
            store,
            metrics,
            lines,
            gateway,
            keys,
            verifier,
            loaded,
            dir,
            stop,
            workers,
            runtime,
        }
    }

    /// Makes a consumer.
    pub fn consumer(&self, new: &NewConsumer) -> ConsumerId {
        self.store.create_consumer(new, &act(), &mut rand::rng()).unwrap().id
    }

    /// Makes a live key with these scopes for a new consumer, `Acme Corp`.
    pub fn issue(&self, scopes: &[&str]) -> Token {
        self.issue_to(self.consumer(&acme()), scopes).token
    }

    /// Makes a live key with these scopes.
    pub fn issue_to(&self, consumer: ConsumerId, scopes: &[&str]) -> Issued {
        self.issue_key(&NewKey { scopes: scopes_of(scopes), ..new_key(consumer) })
    }

    /// Makes a key.
    pub fn issue_key(&self, new: &NewKey) -> Issued {
        let issued = self.store.issue(new, &self.loaded.config.peppers, &act(), &mut rand::rng()).unwrap();
        self.settle();
        issued
    }

    /// Waits until the gateway has taken in every change so far. On a busy machine the first request after
    /// one may else be answered with 503.
    pub fn settle(&self) {
        until("the snapshot is current", || self.runtime.block_on(self.verifier.fresh()).is_ok());
    }

    /// Revokes a key.
    pub fn revoke(&self, id: KeyId) {
        self.store.revoke(id, kgate::key::RevokeReason::Leak, &act()).unwrap();
    }

    /// Opens a connection.
    pub fn connect(&self) -> Client {
        Client::tcp(self.address)
    }

    /// Sends raw bytes on a new connection and returns the first answer.
    pub fn send(&self, bytes: impl AsRef<[u8]>) -> Answer {
        let mut client = self.connect();
        client.send(bytes);
        client.answer()
    }

    /// Asks for `target` with a key.
    pub fn get(&self, target: &str, token: &Token) -> Answer {
        self.send(request("GET", target, token))
    }

    /// Tells the workers to end.
    pub fn stop(&self, stop: Stop) {
        let _ = self.stop.send(stop);
    }

    /// Waits until every worker has ended.
    pub fn wait(&mut self) {
        let started = now();
        while self.workers.iter().any(|worker| !worker.is_finished()) {
            assert!(now() - started < PATIENCE, "a worker did not end");
            thread::sleep(Duration::from_millis(1));
        }
        for worker in self.workers.drain(..) {
            worker.join().expect("a worker panicked");
        }
    }

    /// Returns the value of a series, 0 if it is not there. `series` is as it is rendered.
    pub fn count(&self, series: &str) -> f64 {
        let text = self.metrics.render();
        let line = text.lines().find(|line| line.strip_prefix(series).is_some_and(|l| l.starts_with(' ')));
        line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or(0.0)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.stop(Stop::Now);
        for worker in self.workers.drain(..) {
            let ended = worker.join();
            if !thread::panicking() {
                ended.expect("a worker panicked");
            }
        }
    }
}

/// Returns options under which a busy machine does not make a test fail closed; what happens when the
/// budget runs out is tested where the budget is the subject.
pub fn patient() -> kgate::verify::Options {
    let mut options = kgate::verify::Options::default();
    options.budget = PATIENCE;
    options
}

/// Returns a request with a key in `Authorization`.
pub fn request(method: &str, target: &str, token: &Token) -> String {
    format!(
        "{method} {target} HTTP/1.1\r\nHost: api.example.com\r\nAuthorization: Bearer {}\r\n\r\n",
        token.expose()
    )
}

/// Says whether the tests run at full counts (`make soak`).
pub fn is_soak() -> bool {
    std::env::var_os("KGATE_SOAK").is_some()
}

/// Returns a number from the environment, for who runs a full count in pieces: which, and how much of it.
pub fn set_number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Says whether to leave out what needs more than Rust (`make test-quick`).
pub fn is_quick() -> bool {
    std::env::var_os("KGATE_TEST_QUICK").is_some()
}

/// Returns an act of this test.
pub fn act() -> Act {
    Act { actor: Actor { user: "test".to_owned(), via: Via::Library }, at: wall(), note: None, request: None }
}

/// Returns a consumer with everything a backend can be told.
pub fn acme() -> NewConsumer {
    NewConsumer {
        name: "Acme Corp".to_owned(),
        metadata: BTreeMap::from([("tier".to_owned(), "gold".to_owned())]),
        ..NewConsumer::default()
    }
}

/// Returns a live key without scopes.
pub fn new_key(consumer: ConsumerId) -> NewKey {
    NewKey {
        consumer,
        name: "test".to_owned(),
        key_type: "live".to_owned(),
        prefix: "acme_live".parse().unwrap(),
        scopes: Scopes::default(),
        plan: None,
        networks: Networks::default(),
        metadata: BTreeMap::new(),
        not_before: None,
        expires_at: Some(Timestamp::from_millis(wall().as_millis() + 90 * 86_400_000)),
    }
}

/// Reads scopes.
pub fn scopes_of(scopes: &[&str]) -> Scopes {
    scopes.iter().map(|scope| scope.parse().unwrap()).collect()
}

#[allow(clippy::disallowed_methods, reason = "a test's deadline is no decision")]
pub fn now() -> Instant {
    Instant::now()
}

/// Sets a flag when it is dropped: those who wait for it end even if the test fails.
pub struct SetsAtLast<'a>(pub &'a std::sync::atomic::AtomicBool);

impl Drop for SetsAtLast<'_> {
    fn drop(&mut self) {
        self.0.store(true, std::sync::atomic::Ordering::SeqCst);
    }
}

/// Waits until `is_so`, which must become so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = now();
    while !is_so() {
        assert!(now() - started < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Tries what holds only while everybody goes on, because the promise itself has a time: again, and only then, if an
/// attempt fails that had longer than that time. A machine that stands still is no proof; a broken promise fails every
/// attempt. `attempt` begins the count anew where that time begins.
pub fn unless_it_stands_still(time: Duration, attempt: impl Fn(&Cell<Instant>)) {
    for _ in 0..4 {
        let began = Cell::new(now());
        let Err(failure) = catch_unwind(AssertUnwindSafe(|| attempt(&began))) else { return };
        if now() - began.get() < time {
            resume_unwind(failure);
        }
    }
    attempt(&Cell::new(now()));
}

/// Every access line, as JSON.
#[derive(Default)]
pub struct Lines(Mutex<Vec<serde_json::Value>>);

impl Lines {
    /// Returns the lines so far.
    pub fn all(&self) -> Vec<serde_json::Value> {
        self.0.lock().unwrap().clone()
    }

    /// Waits for the line of a request.
    pub fn of(&self, request_id: &str) -> serde_json::Value {
        let mut found = None;
        until("the request is logged", || {
            found = self.all().into_iter().find(|line| line["request_id"] == request_id);
            found.is_some()
        });
        found.unwrap()
    }
}

impl AccessSink for Lines {
    fn record(&self, line: &AccessLine<'_>) {
        let mut bytes = Vec::new();
        line.write_json(&mut bytes);
        self.0.lock().unwrap().push(serde_json::from_slice(&bytes).expect("a line is JSON"));
    }
}

/// A client that sends what it is given.
pub struct Client {
    stream: Box<dyn Duplex>,
    /// Read and not yet part of an answer.
    left: Vec<u8>,
}

trait Duplex: Read + Write + Send {
    fn half_close(&self);
}

impl Duplex for TcpStream {
    fn half_close(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Duplex for UnixStream {
    fn half_close(&self) {
        let _ = self.shutdown(std::net::Shutdown::Write);
    }
}

impl Duplex for rustls::StreamOwned<rustls::ClientConnection, TcpStream> {
    fn half_close(&self) {
        self.sock.half_close();
    }
}

impl Client {
    /// Talks TLS.
    pub fn over(stream: rustls::StreamOwned<rustls::ClientConnection, TcpStream>) -> Self {
        Self { stream: Box::new(stream), left: Vec::new() }
    }

    /// Connects over TCP.
    pub fn tcp(address: SocketAddr) -> Self {
        Self::try_tcp(address).expect("the gateway accepts")
    }

    /// Connects over TCP from an address of loopback.
    pub fn tcp_from(from: [u8; 4], to: SocketAddr) -> Self {
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket.bind(&SocketAddr::from((from, 0)).into()).unwrap();
        socket.connect(&to.into()).unwrap();
        Self::on(socket.into())
    }

    /// Talks over a connection.
    pub fn on(stream: TcpStream) -> Self {
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        Self { stream: Box::new(stream), left: Vec::new() }
    }

    /// Connects, if somebody is there.
    pub fn try_tcp(address: SocketAddr) -> Option<Self> {
        Some(Self::on(TcpStream::connect(address).ok()?))
    }

    /// Connects to a Unix socket.
    pub fn unix(path: &PathBuf) -> Self {
        let stream = UnixStream::connect(path).expect("the gateway accepts");
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { stream: Box::new(stream), left: Vec::new() }
    }

    /// Sends bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("the gateway reads");
    }

    /// Sends bytes to a peer that may have closed; whether it took them.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).is_ok()
    }

    /// Says that nothing more will be sent.
    pub fn half_close(&self) {
        self.stream.half_close();
    }

    /// Reads one answer to a request that was not HEAD.
    pub fn answer(&mut self) -> Answer {
        self.read_answer(true).expect("an answer")
    }

    /// Reads one answer to a HEAD request.
    pub fn head_answer(&mut self) -> Answer {
        self.read_answer(false).expect("an answer")
    }

    /// Reads one answer; `None` if the peer closed first.
    pub fn try_answer(&mut self) -> Option<Answer> {
        self.read_answer(true)
    }

    /// Reads so many bytes.
    pub fn take(&mut self, count: usize) -> Vec<u8> {
        while self.left.len() < count {
            assert!(self.fill(), "it was closed");
        }
        self.left.drain(..count).collect()
    }

    /// Reads as far as these bytes, and returns all that came before them.
    pub fn until(&mut self, end: &[u8]) -> Vec<u8> {
        let find = |left: &[u8]| left.windows(end.len()).position(|part| part == end);
        while find(&self.left).is_none() {
            assert!(self.fill(), "it was closed: {}", self.left.escape_ascii());
        }
        let at = find(&self.left).unwrap();
        let before = self.left.drain(..at).collect();
        self.left.drain(..end.len());
        before
    }

    /// Says whether the peer has closed, waiting until it does or sends something.
    pub fn is_closed(&mut self) -> bool {
        self.left.is_empty() && !self.fill()
    }

    fn fill(&mut self) -> bool {
        let mut buffer = [0; 16 * 1024];
        let read = loop {
            match self.stream.read(&mut buffer) {
                // Who was stopped and goes on hears of it (signal(7)), and asks again.
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        match read {
            Ok(0) => false,
            Ok(n) => {
                self.left.extend_from_slice(&buffer[..n]);
                true
            }
            Err(e) if matches!(e.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => false,
            // TLS writes while it reads.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => false,
            // What TLS says of a connection it refuses.
            Err(e) if e.kind() == ErrorKind::InvalidData => false,
            Err(e) => panic!("no answer: {e}; so far: {}", self.left.escape_ascii()),
        }
    }

    /// Reads all there is until the peer closes.
    pub fn rest(mut self) -> Vec<u8> {
        while self.fill() {}
        self.left
    }

    fn read_answer(&mut self, has_body: bool) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.left.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                assert!(self.left.is_empty(), "half an answer: {}", self.left.escape_ascii());
                return None;
            }
        };
        let head: Vec<u8> = self.left.drain(..end).collect();
        let mut answer = Answer::parse(&head);
        let is_bodiless = !has_body || answer.status < 200 || matches!(answer.status, 204 | 304);
        if is_bodiless {
            return Some(answer);
        }
        if answer.header("transfer-encoding") == Some("chunked") {
            answer.body = self.read_chunks();
        } else if let Some(length) = answer.header("content-length").map(|n| n.parse().unwrap()) {
            while self.left.len() < length {
                assert!(self.fill(), "half a body: {}", self.left.escape_ascii());
            }
            answer.body = self.left.drain(..length).collect();
        } else {
            while self.fill() {}
            answer.body = std::mem::take(&mut self.left);
        }
        Some(answer)
    }

    fn read_chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let end = loop {
                if let Some(at) = self.left.windows(2).position(|w| w == b"\r\n") {
                    break at;
                }
                assert!(self.fill(), "half a chunk");
            };
            let size = std::str::from_utf8(&self.left[..end]).unwrap().to_owned();
            let size = usize::from_str_radix(&size, 16).expect("a chunk size");
            while self.left.len() < end + 2 + size + 2 {
                assert!(self.fill(), "half a chunk");
            }
            body.extend_from_slice(&self.left[end + 2..end + 2 + size]);
            self.left.drain(..end + 2 + size + 2);
            if size == 0 {
                return body;
            }
        }
    }
}

/// An answer, taken apart.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    /// The head as it was received.
    pub head: String,
    /// Names as they were received.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    fn parse(head: &[u8]) -> Self {
        let head = String::from_utf8(head.to_vec()).expect("the head of an answer is text");
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap();
        let status = status.split(' ').nth(1).expect("a status line").parse().unwrap();
        let headers = lines
            .map(|line| line.split_once(": ").unwrap_or_else(|| panic!("a header: {line}")))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Self { status, head: head.clone(), headers, body: Vec::new() }
    }

    /// Returns the one value of a header; a second one is an error.
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut found = self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let value = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in\n{}", self.head);
        value
    }

    /// Returns the body as JSON.
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {}\n{}", self.head, self.body.escape_ascii()))
    }

    /// Returns the `code` of a refusal.
    pub fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }

    /// Returns every value the backend saw of a header, under exactly the names it saw, if the echo
    /// backend answered. The comparison is by canonical name: case, `_` and `.` make no difference.
    pub fn seen(&self, name: &str) -> Vec<String> {
        let canonical = |text: &str| {
            text.chars()
                .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' })
                .collect::<String>()
        };
        let json = self.json();
        let headers = json["headers"].as_array().expect("the echo backend answered");
        headers
            .iter()
            .filter(|pair| canonical(pair[0].as_str().unwrap()) == canonical(name))
            .map(|pair| pair[1].as_str().unwrap().to_owned())
            .collect()
    }
}

/// Returns `full` where promises are tested at full counts (`KGATE_SOAK`), `reduced` elsewhere.
pub fn full_or(full: usize, reduced: usize) -> usize {
    if std::env::var_os("KGATE_SOAK").is_some() { full } else { reduced }
}

/// Returns what of the program's own threads may still be seen after a closed channel. (Used by tests
/// that run a closure with a deadline.)
pub fn within<T: Send + 'static>(limit: Duration, run: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (done, finished) = mpsc::channel();
    thread::spawn(move || {
        let _ = done.send(run());
    });
    finished.recv_timeout(limit).ok()
}

/// Reads a head, to its blank line and no further; `None` if there is none.
pub fn read_head(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    Some(head)
}

/// Waits until a backend is asked, and has read the head; it answers over what this returns.
pub fn asked(backend: &TcpListener) -> TcpStream {
    backend.set_nonblocking(true).unwrap();
    let mut accepted = None;
    until("the backend is asked", || {
        accepted = backend.accept().ok();
        accepted.is_some()
    });
    let (mut stream, _) = accepted.unwrap();
    stream.set_nonblocking(false).unwrap();
    read_head(&mut stream).expect("a head");
    stream
}

/// Windows of quotas end at midnight (UTC), and days of usage with them: waits until it is over where it is near.
pub fn away_from_midnight() {
    const DAY: i64 = 86_400_000;
    let left = DAY - wall().as_millis().rem_euclid(DAY);
    if left < 90_000 {
        thread::sleep(Duration::from_millis(left.unsigned_abs() + 1_000));
    }
}
