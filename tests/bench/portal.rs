//! How long the portal takes for each page of a store with 100,000 consumers, one of which has 10,000 keys, each
//! used on each of thirty days: from the first byte of the request to the last of the page, over loopback.
//!
//! Starts the program `KGATE` (the release build if nothing is said) and prints one line of JSON with the median
//! and the slowest of each page in milliseconds. The bar is 100 ms for every page; a slower one makes it end with 1.
//! `CONSUMERS` and `KEYS` set other numbers, `STORE` a directory in which the store is kept for the next run.

#![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "a benchmark reads the clock")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use kgate::key::{ConsumerId, Metadata, Networks, Peppers, Role, Scopes, Timestamp};
use kgate::store::{
    Access, Act, Actor, LastUse, NewAdminKey, NewConsumer, NewKey, Options, Retention, Store, Usage,
    UsageBatch, Used, Via,
};

/// The most a page may take.
const BAR: Duration = Duration::from_millis(100);

/// How often each page is asked for.
const TIMES: usize = 15;

const CONFIG: &str = r#"
data_dir = "data"
[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
portal = "127.0.0.1:0"
[portal]
max_keys = 400
[[key_type]]
name = "live"
prefix = "acme_live"
[plans.free]
limits = [{ name = "burst", rate = "100/s" }]
[[upstream]]
name = "nowhere"
servers = ["127.0.0.1:9"]
[[route]]
name = "all"
path = "/**"
upstream = "nowhere"
"#;

/// A consumer with many keys, the last of them, and an admin key.
struct Population {
    holder: ConsumerId,
    key: String,
    admin_key: String,
}

fn main() {
    let number = |name, usual| std::env::var(name).ok().and_then(|n| n.parse().ok()).unwrap_or(usual);
    let (consumers, keys) = (number("CONSUMERS", 100_000), number("KEYS", 10_000));
    // In memory, where there is such a place: 100,000 commits take a minute on a disk.
    let memory = Path::new("/dev/shm");
    let place = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let temporary = tempfile::tempdir_in(place).expect("a temporary directory");
    let dir = std::env::var_os("STORE").map_or_else(|| temporary.path().to_owned(), PathBuf::from);
    std::fs::create_dir_all(&dir).expect("a directory");
    let config = dir.join("kgate.toml");
    std::fs::write(&config, CONFIG).expect("a place for a file");
    let people = populated(&dir.join("data"), consumers, keys);

    let kgate = std::env::var_os("KGATE").unwrap_or_else(|| "target/release/kgate".into());
    let link = said(Command::new(&kgate).arg("--config").arg(&config).args([
        "portal",
        "invite",
        &people.holder.to_string(),
    ]));
    let (_server, portal) = serve(&kgate, &config);
    let code = link.trim().split_once('#').expect("a link has a code").1.to_owned();
    let consumer = Visitor::sign_in(portal, "/invite", "code", &code);
    let operator = Visitor::sign_in(portal, "/sign-in", "admin_key", &people.admin_key);

    let (holder, key) = (people.holder, &people.key);
    let own = ["/keys", "/keys?show=ended", "/keys/new", "/usage", "/account"].map(str::to_owned);
    let own = own.into_iter().chain([format!("/keys/{key}")]).map(|path| (&consumer, path));
    let theirs = [
        "/operator",
        "/operator?since=24h",
        "/operator?since=30d",
        "/operator/consumers",
        "/operator/consumers?name=4711",
        "/operator/consumers?name=nobody",
        "/operator/consumers?external_id=nobody",
        "/operator/consumers?tag=nothing",
        "/operator/keys",
        "/operator/keys?name=nothing",
        "/operator/keys?ends=zzzz",
        "/operator/keys?status=active&expiring=7d",
        "/operator/keys?unused_for=90d",
        "/operator/keys?tag=nothing",
        "/operator/keys?consumer=consumer+number+4711",
        "/operator/keys/prune",
        "/operator/rotations",
        "/operator/alerts",
        "/operator/audit",
        "/operator/audit?action=admin_key",
        "/operator/audit?since=30d",
        "/operator/gateway",
        "/operator/access",
    ]
    .map(str::to_owned);
    let about = [
        format!("/operator/consumers/{holder}"),
        format!("/operator/consumers/{holder}/delete"),
        format!("/operator/keys?consumer={holder}"),
        format!("/operator/keys?consumer={holder}&name=nothing"),
        format!("/operator/keys/{key}"),
        format!("/operator/audit?subject={holder}"),
    ];
    let theirs = theirs.into_iter().chain(about).map(|path| (&operator, path));
    let (mut rows, mut is_over) = (Vec::new(), false);
    for (visitor, path) in own.chain(theirs) {
        let mut times: Vec<Duration> = (0..TIMES).map(|_| visitor.time(&path)).collect();
        times.sort_unstable();
        let (median, slowest) = (times[TIMES / 2], times[TIMES - 1]);
        is_over |= median > BAR;
        let shown = path.replace(&holder.to_string(), "ID").replace(key.as_str(), "ID");
        let ms = |time: Duration| time.as_secs_f64() * 1000.0;
        rows.push(format!("\"{shown}\":{{\"p50\":{:.1},\"max\":{:.1}}}", ms(median), ms(slowest)));
    }
    println!(
        "{{\"consumers\":{consumers},\"keys_of_one\":{keys},\"bar_ms\":100,\"ms\":{{{}}}}}",
        rows.join(",")
    );
    std::process::exit(i32::from(is_over));
}

fn populated(dir: &Path, consumers: usize, keys: usize) -> Population {
    let options = Options::default();
    let store = if Store::exists(dir) {
        Store::open(dir, Access::Write, &options).expect("the store is well")
    } else {
        Store::create(dir, &options, &act(), &mut rand::rng()).expect("an empty place")
    };
    if store.find_consumer("the one").is_err() {
        fill(&store, consumers, keys);
    }
    let holder = store.find_consumer("the one").expect("it was made").id;
    use_keys(&store, dir, holder);
    let last = store.key_ids_of(holder).expect("the store is well").pop();
    let new = NewAdminKey { name: "bench".to_owned(), role: Role::Admin, expires_at: None };
    let admin_key = store.issue_admin_key(&new, &act(), &mut rand::rng()).expect("the store is well");
    Population {
        holder,
        key: last.expect("it has keys").to_string(),
        admin_key: admin_key.token.expose().to_owned(),
    }
}

fn fill(store: &Store, consumers: usize, keys: usize) {
    let make = |name: String, external_id| {
        let new = NewConsumer { name, external_id, ..NewConsumer::default() };
        store.create_consumer(&new, &act(), &mut rand::rng()).expect("the store is well").id
    };
    let mut there = 0;
    store
        .consumers(&mut |_| {
            there += 1;
            true
        })
        .expect("the store is well");
    for number in there + 1..consumers {
        make(format!("consumer number {number}"), Some(format!("ext-{number}")));
    }
    let new = NewKey {
        consumer: make("the one".to_owned(), None),
        name: "a key".to_owned(),
        key_type: "live".to_owned(),
        prefix: "acme_live".parse().expect("a prefix"),
        scopes: Scopes::default(),
        plan: None,
        networks: Networks::default(),
        metadata: Metadata::new(),
        not_before: None,
        expires_at: None,
    };
    let each = &mut |_| ControlFlow::Continue(());
    store.issue_many(&new, keys, &Peppers::default(), &act(), &mut rand::rng(), each).expect("well");
}

fn use_keys(store: &Store, dir: &Path, holder: ConsumerId) {
    let ids = store.key_ids_of(holder).expect("the store is well");
    let usage = Usage::open(dir, Access::Write, &Options::default()).expect("a file for usage");
    if !usage.last_used().expect("the file is well").is_empty() {
        return;
    }
    let (route, now): (Arc<str>, _) = (Arc::from("all"), wall());
    for hours in [0, 1, 2].into_iter().chain((1..30).map(|day| day * 24)) {
        let at = now.minus(Duration::from_hours(hours));
        let mut batch = UsageBatch::default();
        for id in &ids {
            batch.counts.add(*id, Some(holder), &route, Used::Allowed, at);
            batch.last.insert(*id, LastUse { at, from: None });
        }
        usage.record(batch, Retention::default(), now).expect("the file is well");
    }
}

fn act() -> Act {
    let actor = Actor { user: "bench".to_owned(), via: Via::Library };
    Act { actor, at: wall(), note: None, request: None }
}

fn wall() -> Timestamp {
    kgate::verify::wall()
}

fn said(command: &mut Command) -> String {
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// A server, ended when it is dropped.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(kgate: &std::ffi::OsStr, config: &Path) -> (Server, SocketAddr) {
    let mut command = Command::new(kgate);
    command.arg("--config").arg(config).arg("serve").stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().expect("the program runs");
    let mut lines = BufReader::new(child.stderr.take().expect("it is piped")).lines().map_while(Result::ok);
    let portal = lines.find_map(|line| {
        line.split_once(" (portal on ").and_then(|(_, rest)| rest.split(')').next()?.parse().ok())
    });
    // Read on, so that it never waits for a reader.
    std::thread::spawn(move || lines.for_each(drop));
    (Server(child), portal.expect("it says where its portal is"))
}

/// A browser that is signed in.
struct Visitor {
    portal: SocketAddr,
    cookie: String,
}

impl Visitor {
    fn sign_in(portal: SocketAddr, path: &str, field: &str, secret: &str) -> Self {
        let body = format!("{field}={secret}");
        let answer = ask(
            portal,
            &format!(
                "POST {path} HTTP/1.1\r\nHost: {portal}\r\nOrigin: http://{portal}\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            ),
        );
        let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a session");
        Self { portal, cookie: cookie.split(';').next().unwrap_or_default().to_owned() }
    }

    fn time(&self, path: &str) -> Duration {
        let (portal, cookie) = (self.portal, &self.cookie);
        let head =
            format!("GET {path} HTTP/1.1\r\nHost: {portal}\r\nCookie: {cookie}\r\nConnection: close\r\n\r\n");
        let started = Instant::now();
        let answer = ask(portal, &head);
        let took = started.elapsed();
        let good = ["HTTP/1.1 200", "HTTP/1.1 303"];
        assert!(good.iter().any(|status| answer.starts_with(status)), "{path}: {answer}");
        took
    }
}

fn ask(portal: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(portal).expect("it listens");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    String::from_utf8_lossy(&answer).into_owned()
}
