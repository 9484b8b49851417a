//! `kgate serve` as a process of its own, over a store that the test changes.

#![allow(dead_code, unreachable_pub, reason = "each module of tests uses a part")]

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use kgate::config::Config;
use kgate::gateway::echo::Echo;
use kgate::key::{ConsumerId, Peppers};
use kgate::store::{Access, Issued, NewConsumer, Options, Store};

use crate::harness::{Client, PATIENCE, act, new_key, now, until};

/// A directory with a configuration, a store and a backend.
pub struct Site {
    pub dir: tempfile::TempDir,
    pub echo: Echo,
    runtime: tokio::runtime::Runtime,
}

/// What a site serves unless a test says otherwise.
pub const CONFIG: &str = r#"
data_dir = "data"

[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[server]
workers = 1
realm = "acme"
default_plan = "free"
failed_auth = { exempt = ["127.0.0.0/8"] }
drain_timeout = "10s"
# However busy the machine is.
fresh_within = "1min"

[[key_type]]
name = "live"
prefix = "acme_live"

[plans.free]
limits = [{ name = "burst", rate = "1000000/s" }]

[[upstream]]
name = "echo"
servers = ["{echo}"]

[[route]]
name = "all"
path = "/**"
upstream = "echo"
"#;

impl Site {
    pub fn new() -> Self {
        Self::with(CONFIG)
    }

    pub fn with(config: &str) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .expect("a runtime for the backend");
        let echo = runtime.block_on(Echo::start()).expect("an echo backend");
        let dir = tempfile::tempdir().unwrap();
        let site = Self { dir, echo, runtime };
        site.configure(config);
        drop(Store::create(&site.data(), &Options::default(), &act(), &mut rand::rng()).unwrap());
        site
    }

    /// Writes the configuration; `{echo}` becomes the backend's address.
    pub fn configure(&self, config: &str) {
        let text = config.replace("{echo}", &self.echo.address().to_string());
        std::fs::write(self.dir.path().join("new.toml"), text).unwrap();
        std::fs::rename(self.dir.path().join("new.toml"), self.config_path()).unwrap();
    }

    pub fn config_path(&self) -> PathBuf {
        self.dir.path().join("kgate.toml")
    }

    pub fn config(&self) -> kgate::config::Loaded {
        Config::read(&self.config_path()).unwrap_or_else(|error| panic!("{error}"))
    }

    pub fn data(&self) -> PathBuf {
        self.dir.path().join("data")
    }

    pub fn store_file(&self) -> PathBuf {
        self.data().join(kgate::store::STORE_FILE)
    }

    /// Opens the store as a command does.
    pub fn store(&self) -> Store {
        Store::open(&self.data(), Access::Write, &Options::default()).unwrap()
    }

    /// Makes a consumer.
    pub fn consumer(store: &Store) -> ConsumerId {
        let new = NewConsumer { name: "Acme Corp".to_owned(), ..NewConsumer::default() };
        store.create_consumer(&new, &act(), &mut rand::rng()).unwrap().id
    }

    /// Makes a key that works.
    pub fn issue(store: &Store) -> Issued {
        let consumer = Self::consumer(store);
        store.issue(&new_key(consumer), &Peppers::default(), &act(), &mut rand::rng()).unwrap()
    }

    /// Returns a command on this site.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
        command.arg("--config").arg(self.config_path()).args(args);
        command.env_remove("KGATE_CONFIG").env_remove("KGATE_DATA_DIR").stdin(Stdio::null());
        command
    }

    /// Runs a command that must succeed.
    pub fn run(&self, args: &[&str]) {
        let output = self.command(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }

    /// Starts `kgate serve` and waits until it serves.
    pub fn serve(&self, args: &[&str]) -> Process {
        let mut command = self.command(&["serve"]);
        command.args(args);
        Process::start(command).unwrap_or_else(|said| panic!("it did not start: {said}"))
    }

    /// Has a new process take over from `serving`, and returns the one before, which ends.
    ///
    /// Where the machine does so much besides that the new one is not ready in the time the one before waits for it,
    /// that one says so and serves on. Then, and for no other reason, another one is started.
    pub fn upgrade(&self, serving: &mut Process) -> Process {
        const TOO_LATE: &str = "an upgrade came to nothing: Resource temporarily unavailable";
        let late = |said: &str| said.matches(TOO_LATE).count();
        for number in 0..20 {
            let before = late(&serving.said());
            let mut command = self.command(&["serve"]);
            command.arg("--upgrade");
            let next = Process::start(command);
            // One that was given up may have begun to listen where upgrades are asked for, and was killed: the one that
            // serves looks there once a second.
            let is_refused = |said: &String| number > 0 && said.contains("Connection refused");
            if next.as_ref().is_err_and(is_refused) {
                thread::sleep(Duration::from_millis(200));
                continue;
            }
            // What it says of one that failed comes a moment later.
            let began = now();
            until("it hands over or serves on", || {
                let said = serving.said();
                let has_failed = next.is_err() && began.elapsed() > PATIENCE / 4;
                said.contains("serves now") || late(&said) > before || has_failed
            });
            match next {
                Ok(next) if late(&serving.said()) == before => return std::mem::replace(serving, next),
                Err(said) if late(&serving.said()) == before => panic!("it did not start: {said}"),
                _ => {}
            }
        }
        panic!("the machine is too busy for an upgrade: {}", serving.said())
    }
}

/// A running `kgate serve`. Dropping it kills it.
pub struct Process {
    child: Child,
    pub address: SocketAddr,
    pub admin: SocketAddr,
    /// Where other proxies ask, if they can.
    pub sidecar: Option<SocketAddr>,
    /// Where browsers go, if they can.
    pub portal: Option<SocketAddr>,
    said: Arc<Mutex<String>>,
    reader: Option<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts it, or returns what it said before it ended.
    pub fn start(command: Command) -> Result<Self, String> {
        Self::start_writing(command, Stdio::null())
    }

    /// Starts it with its access log written to `out`.
    pub fn start_writing(mut command: Command, out: Stdio) -> Result<Self, String> {
        let mut child = command.stdout(out).stderr(Stdio::piped()).spawn().unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let into = Arc::clone(&said);
        let reader = thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let mut said = into.lock().unwrap();
                said.push_str(&line);
                said.push('\n');
            }
        });
        let mut started = None;
        until("it serves or ends", || {
            started = started_line(&said.lock().unwrap());
            started.is_some() || reader.is_finished()
        });
        if let Some((address, sidecar, admin)) = started {
            let portal = portal_of(&said.lock().unwrap());
            return Ok(Self { child, address, admin, sidecar, portal, said, reader: Some(reader) });
        }
        let _ = child.wait();
        let _ = reader.join();
        let said = said.lock().unwrap().clone();
        Err(said)
    }

    /// Returns what it has said so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Waits until it says something.
    pub fn until_it_says(&self, text: &str) {
        until(&format!("it says {text:?}; so far: {}", self.said()), || self.said().contains(text));
    }

    pub fn pid(&self) -> rustix::process::Pid {
        rustix::process::Pid::from_child(&self.child)
    }

    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(self.pid(), signal).unwrap();
    }

    /// Waits until it ends.
    pub fn wait(mut self) -> (ExitStatus, String) {
        let (mut status, began) = (None, now());
        until("it ends", || {
            status = self.child.try_wait().unwrap();
            // What it waits for is in its words, if anywhere.
            assert!(
                status.is_some() || now() - began < PATIENCE * 9 / 10,
                "it does not end: {}",
                self.said()
            );
            status.is_some()
        });
        let _ = self.reader.take().unwrap().join();
        (status.unwrap(), self.said())
    }

    /// Asks once with a key and returns the status.
    pub fn status(&self, key: &Issued) -> u16 {
        status(self.address, key)
    }

    /// Asks the admin door.
    pub fn ask_admin(&self, path: &str) -> (u16, String) {
        let mut client = Client::tcp(self.admin);
        client.send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
        let answer = client.answer();
        (answer.status, String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Returns the code of `/readyz`, `ready` if it is.
    pub fn readiness(&self) -> String {
        let (status, body) = self.ask_admin("/readyz");
        if status == 200 {
            return "ready".to_owned();
        }
        assert_eq!(status, 503);
        let body: serde_json::Value = serde_json::from_str(&body).unwrap();
        body["code"].as_str().unwrap().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Asks once with a key on a new connection and returns the status.
pub fn status(address: SocketAddr, key: &Issued) -> u16 {
    let mut client = Client::tcp(address);
    client.send(request(key));
    client.answer().status
}

pub fn request(key: &Issued) -> String {
    crate::harness::request("GET", "/x", &key.token)
}

/// Asks for `span` and returns every status answered.
pub fn statuses_for(span: std::time::Duration, process: &Process, key: &Issued) -> Vec<u16> {
    let started = now();
    let mut statuses = Vec::new();
    while now() - started < span {
        statuses.push(process.status(key));
    }
    statuses
}

fn started_line(said: &str) -> Option<(SocketAddr, Option<SocketAddr>, SocketAddr)> {
    let line = said.lines().find_map(|line| line.strip_prefix("kgate serves on "))?;
    let (doors, rest) = line.split_once(" (admin on ")?;
    let (admin, _) = rest.split_once(')')?;
    let (proxy, sidecar) = doors.split_once(", other proxies on ").unwrap_or((doors, ""));
    let admin = admin.split(", ").find_map(|address| address.parse().ok())?;
    let proxy = proxy.split(", ").find_map(|address| address.parse().ok())?;
    Some((proxy, sidecar.parse().ok(), admin))
}

fn portal_of(said: &str) -> Option<SocketAddr> {
    said.split_once(" (portal on ")?.1.split_once(')')?.0.parse().ok()
}

/// Returns whether `path` exists, for conditions.
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
