//! Real proxies that ask kgate, configured exactly as `docs/fronts/` says: the same verdict, the same
//! identity at the backend and the same words to the client as through the gateway.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr as UnixAddress, UnixListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use kgate::key::{Networks, Peppers, RevokeReason, Token};
use kgate::store::{Act, NewConsumer, NewKey, Store};
use rustix::process::{Resource, getrlimit, setrlimit};

use crate::harness::{Answer, Client, PATIENCE, act, is_quick, new_key, now, read_head, scopes_of, until};
use crate::process::{Process, Site};

pub const CONFIG: &str = r#"
data_dir = "data"

[listen]
proxy = ["127.0.0.1:0"]
admin = "127.0.0.1:0"

[sidecar]
listen = ["127.0.0.1:0"]

[server]
workers = 1
realm = "acme"
default_plan = "free"
trusted_proxies = ["127.0.0.1/32"]
# However busy the machine is.
fresh_within = "1min"

[[key_type]]
name = "live"
prefix = "acme_live"

[[key_type]]
name = "test"
prefix = "acme_test"

[[key_type]]
name = "web"
prefix = "acme_web"
kind = "publishable"
origins = ["https://app.example.com"]
per_address = "off"

[plans.free]
limits = [{ name = "burst", rate = "1000000/s" }]

[plans.tiny]
limits = [{ name = "tiny", rate = "1/h", burst = 1 }]

[[upstream]]
name = "echo"
servers = ["{echo}"]

[[route]]
name = "products"
path = "/v1/products/**"
methods = ["GET", "POST"]
scopes = "products:read"
key_types = ["live"]
upstream = "echo"

[[route]]
name = "header"
path = "/header/**"
key_header = "X-Api-Key"
upstream = "echo"

[[route]]
name = "cookie"
path = "/cookie/**"
credentials = ["cookie:key"]
upstream = "echo"

[[route]]
name = "query"
path = "/query/**"
credentials = ["query:api_key"]
upstream = "echo"

[[route]]
name = "basic"
path = "/basic/**"
credentials = ["basic-user"]
upstream = "echo"

[[route]]
name = "socket"
path = "/socket/**"
credentials = ["websocket"]
upstream = "echo"

[[route]]
name = "several"
path = "/several/**"
credentials = ["bearer", "cookie:key", "query:api_key"]
upstream = "echo"

[[route]]
name = "public"
path = "/public/**"
public = true
upstream = "echo"

[[route]]
name = "anonymous"
path = "/anyone/**"
anonymous = "free"
upstream = "echo"
"#;

/// A front under test.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    Nginx,
    Envoy,
    Traefik,
    Caddy,
    Haproxy,
}

impl Kind {
    const ALL: [Self; 5] = [Self::Nginx, Self::Envoy, Self::Traefik, Self::Caddy, Self::Haproxy];

    /// Says whether spellings of header names with `_` stop at it, or at kgate behind it.
    const fn drops_underscores(self) -> bool {
        !matches!(self, Self::Traefik)
    }

    const fn page(self) -> &'static str {
        match self {
            Self::Nginx => "nginx",
            Self::Envoy => "envoy",
            Self::Traefik => "traefik",
            Self::Caddy => "caddy",
            Self::Haproxy => "haproxy",
        }
    }
}

/// A running front. Dropping it kills it.
struct Front {
    address: SocketAddr,
    child: Child,
    _dir: tempfile::TempDir,
}

impl Drop for Front {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Front {
    /// Starts one as its page says, but for the ports.
    fn start(kind: Kind, gate: &Process, backend: SocketAddr) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let address = free_port();
        let sidecar = gate.sidecar.expect("the configuration has a sidecar");
        let blocks: Vec<String> = blocks(kind.page())
            .into_iter()
            .map(|text| {
                text.replace("127.0.0.1:8082", &sidecar.to_string())
                    .replace("port_value: 8082", &format!("port_value: {}", sidecar.port()))
                    .replace("127.0.0.1:9000", &backend.to_string())
                    .replace("port_value: 9000", &format!("port_value: {}", backend.port()))
                    .replace("127.0.0.1:8000", &address.to_string())
                    .replace("port_value: 8000", &format!("port_value: {}", address.port()))
                    .replace("http://:8000", &format!("http://:{}", address.port()))
                    .replace("127.0.0.1:8080", &gate.address.to_string())
                    .replace("port 8081", &format!("port {}", gate.admin.port()))
                    // However busy the machine is: nobody asks a kgate here that does not answer.
                    .replace("timeout: 1s", "timeout: 60s")
                    .replace("proxy_connect_timeout 1s", "proxy_connect_timeout 60s")
                    .replace("proxy_read_timeout 2s", "proxy_read_timeout 60s")
                    .replace("timeout connect 1s", "timeout connect 60s")
                    .replace("inter 2s", "inter 2s fall 30")
            })
            .collect();
        let mut command = command(kind, dir.path(), &blocks);
        let log = fs::File::create(dir.path().join("log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        let mut child =
            command.spawn().unwrap_or_else(|e| panic!("{kind:?}: {e}; `tests/setup.sh test` installs it"));
        until(&format!("{kind:?} listens"), || {
            if let Some(status) = child.try_wait().unwrap() {
                panic!("{kind:?} ended, {status}: {}", fs::read_to_string(dir.path().join("log")).unwrap());
            }
            TcpStream::connect(address).is_ok()
        });
        let front = Self { address, child, _dir: dir };
        // Traefik reads its routes after it listens, HAProxy takes kgate for dead until its first check.
        until(&format!("{kind:?} asks kgate"), || {
            let mut client = Client::tcp(front.address);
            let was_sent = client.try_send("GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n");
            was_sent.then(|| client.try_answer()).flatten().is_some_and(|answer| {
                answer.header("content-type") == Some("application/problem+json") && answer.status == 404
            })
        });
        front
    }

    fn ask(&self, request: &str) -> Answer {
        let mut client = Client::tcp(self.address);
        client.send(request);
        client.answer()
    }
}

/// Returns the fenced blocks of a page that are configurations of the front itself.
fn blocks(page: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("docs/fronts/{page}.md"));
    let text = fs::read_to_string(path).unwrap();
    let mut blocks = Vec::new();
    for block in text.split("\n```").skip(1).step_by(2) {
        let (language, body) = block.split_once('\n').unwrap();
        if language != "toml" {
            blocks.push(format!("{body}\n"));
        }
    }
    blocks
}

fn command(kind: Kind, dir: &Path, blocks: &[String]) -> Command {
    let write = |name: &str, text: &str| {
        let path = dir.join(name);
        fs::write(&path, text).unwrap();
        path
    };
    let mut command;
    match kind {
        Kind::Nginx => {
            let mut text = format!("pid {0}/pid;\nerror_log stderr;\nworker_processes 1;\n", dir.display());
            text += "daemon off;\nmaster_process off;\nevents {}\nhttp {\naccess_log off;\n";
            for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"] {
                let _ = writeln!(text, "{name}_temp_path {}/{name};", dir.display());
            }
            let conf = write("nginx.conf", &format!("{text}{}}}\n", blocks[0]));
            command = Command::new("nginx");
            command.args(["-e", "stderr", "-c"]).arg(conf).arg("-p").arg(dir);
        }
        Kind::Envoy => {
            let conf = write("envoy.yaml", &blocks[0]);
            command = Command::new(tool("envoy"));
            command
                .args(["--concurrency", "1", "--log-level", "warn", "--use-dynamic-base-id", "-c"])
                .arg(conf);
        }
        Kind::Traefik => {
            let dynamic = write("dynamic.yml", &blocks[1]);
            let fixed = blocks[0].replace("dynamic.yml", dynamic.to_str().unwrap());
            let conf = write("traefik.yml", &fixed);
            command = Command::new(tool("traefik"));
            command.arg(format!("--configfile={}", conf.display()));
        }
        Kind::Caddy => {
            let conf = write("Caddyfile", &blocks[0]);
            command = Command::new(tool("caddy"));
            command.args(["run", "--adapter", "caddyfile", "--config"]).arg(conf);
            command.env("XDG_DATA_HOME", dir).env("XDG_CONFIG_HOME", dir);
        }
        Kind::Haproxy => {
            let conf = write("haproxy.cfg", &blocks[0]);
            command = Command::new("haproxy");
            command.arg("-db").arg("-f").arg(conf);
        }
    }
    command.current_dir(dir);
    command
}

/// Programs from `PyPI`, where `tests/setup.sh test` puts them.
pub fn tool(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_BIN_EXE_kgate")).parent().and_then(Path::parent).unwrap();
    target.join("tools/bin").join(name)
}

/// Returns an address where nobody listens, and which is no other test's while this process lives: for a program
/// that must be told its port, for one that comes back to its own, and where nobody shall answer.
///
/// A port that the kernel chose and got back is soon another's: of a connection that goes out, of a listener on port
/// 0. And who connects to one where nobody listens may be given the same to come from, and meet itself. So this is
/// one the kernel never chooses by itself. Other processes of these tests see by a name that it is taken; the kernel
/// forgets it with the process.
pub fn free_port() -> SocketAddr {
    static TAKEN: Mutex<Vec<UnixListener>> = Mutex::new(Vec::new());
    let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let chosen_from: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    assert!(chosen_from > 12_000, "the kernel leaves no ports: {range}");
    for _ in 0..10_000 {
        let port = rand::random_range(10_000..chosen_from);
        let name = UnixAddress::from_abstract_name(format!("kgate-test-port-{port}")).unwrap();
        let Ok(taken) = UnixListener::bind_addr(&name) else { continue };
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        if TcpListener::bind(address).is_ok() {
            TAKEN.lock().unwrap().push(taken);
            return address;
        }
    }
    panic!("no port is free");
}

/// Keys of every kind.
pub struct Keys(BTreeMap<&'static str, Token>);

impl Keys {
    pub fn make(store: &Store) -> Self {
        let external_id = format!("org_{}", kgate::key::KeyId::new(act().at, &mut rand::rng()));
        let new = NewConsumer {
            name: "Acmé Corp".to_owned(),
            external_id: Some(external_id),
            ..NewConsumer::default()
        };
        let consumer = store.create_consumer(&new, &act(), &mut rand::rng()).unwrap().id;
        let reader = || NewKey { scopes: scopes_of(&["products:read"]), ..new_key(consumer) };
        let issue = |new: &NewKey| store.issue(new, &Peppers::default(), &act(), &mut rand::rng()).unwrap();
        let mut keys = BTreeMap::new();
        keys.insert("good", issue(&reader()).token);
        keys.insert("narrow", issue(&NewKey { scopes: scopes_of(&["orders:write"]), ..reader() }).token);
        keys.insert("tiny", issue(&NewKey { plan: Some("tiny".to_owned()), ..reader() }).token);
        let elsewhere: Networks = "10.0.0.0/8".parse().unwrap();
        keys.insert("elsewhere", issue(&NewKey { networks: elsewhere, ..reader() }).token);
        let of_test: kgate::key::Prefix = "acme_test".parse().unwrap();
        let test = NewKey { key_type: "test".to_owned(), prefix: of_test, ..reader() };
        keys.insert("test", issue(&test).token);
        let of_web: kgate::key::Prefix = "acme_web".parse().unwrap();
        let web = NewKey { key_type: "web".to_owned(), prefix: of_web, ..reader() };
        keys.insert("web", issue(&web).token);
        let later = |seconds| Some(kgate::key::Timestamp::from_secs(act().at.as_secs() + seconds));
        keys.insert("early", issue(&NewKey { not_before: later(3_600), ..reader() }).token);
        let old = Act { at: kgate::key::Timestamp::from_secs(act().at.as_secs() - 7_200), ..act() };
        let expired = NewKey { expires_at: Some(old.at.plus(Duration::from_hours(1))), ..reader() };
        let expired = store.issue(&expired, &Peppers::default(), &old, &mut rand::rng()).unwrap();
        keys.insert("expired", expired.token);
        let stopped = NewConsumer { name: "Stopped".to_owned(), ..NewConsumer::default() };
        let stopped = store.create_consumer(&stopped, &act(), &mut rand::rng()).unwrap().id;
        keys.insert("stopped", issue(&new_key(stopped)).token);
        store.disable_consumer(stopped, &act()).unwrap();
        let revoked = issue(&reader());
        store.revoke(revoked.record.id, RevokeReason::Leak, &act()).unwrap();
        keys.insert("revoked", revoked.token);
        let disabled = issue(&reader());
        store.disable_key(disabled.record.id, &act()).unwrap();
        keys.insert("disabled", disabled.token);
        keys.insert("unknown", Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng()));
        Self(keys)
    }

    /// Returns `text` with `{name}` replaced by the key of that name, `{name:}` by what `Basic` makes of it
    /// as a user's name, and `{long}` by more than a target may have.
    pub fn fill(&self, text: &str) -> String {
        let text = text.replace("{long}", &"a".repeat(9_000));
        self.0.iter().fold(text, |text, (name, token)| {
            let basic = BASE64_STANDARD.encode(format!("{}:", token.expose()));
            text.replace(&format!("{{{name}}}"), token.expose()).replace(&format!("{{{name}:}}"), &basic)
        })
    }

    /// Says whether any key is in these bytes, as it is or as a user's name.
    pub fn are_in(&self, bytes: &[u8]) -> bool {
        let bytes = String::from_utf8_lossy(bytes);
        self.0.keys().any(|name| {
            bytes.contains(&self.fill(&format!("{{{name}}}")))
                || bytes.contains(self.fill(&format!("{{{name}:}}")).trim_end_matches('='))
        })
    }
}

/// A request: its name, method, target and fields.
pub type Case = (&'static str, &'static str, &'static str, &'static [&'static str]);

const GOOD: &str = "Authorization: Bearer {good}";
const WEB: &str = "Authorization: Bearer {web}";

pub const CASES: &[Case] = &[
    ("a good key", "GET", "/v1/products/7", &[GOOD]),
    ("with a query", "GET", "/v1/products/7?a=1&b=%20c", &[GOOD]),
    ("with an encoded character", "GET", "/v1/products/a%20b", &[GOOD]),
    ("with an umlaut", "GET", "/v1/products/%C3%BC", &[GOOD]),
    ("the scheme in lower case", "GET", "/v1/products/7", &["Authorization: bearer {good}"]),
    ("spaces after the scheme", "GET", "/v1/products/7", &["Authorization: Bearer   {good}"]),
    ("the empty target below a route", "GET", "/v1/products", &[GOOD]),
    ("no key", "GET", "/v1/products/7", &[]),
    ("an empty field", "GET", "/v1/products/7", &["Authorization: "]),
    ("a bare scheme", "GET", "/v1/products/7", &["Authorization: Bearer"]),
    ("another scheme", "GET", "/v1/products/7", &["Authorization: Basic dXNlcjpwYXNz"]),
    ("an unknown key", "GET", "/v1/products/7", &["Authorization: Bearer {unknown}"]),
    ("a revoked key", "GET", "/v1/products/7", &["Authorization: Bearer {revoked}"]),
    ("a disabled key", "GET", "/v1/products/7", &["Authorization: Bearer {disabled}"]),
    ("garbage", "GET", "/v1/products/7", &["Authorization: Bearer garbage"]),
    ("a key and more", "GET", "/v1/products/7", &["Authorization: Bearer {good}x"]),
    ("two keys in a field", "GET", "/v1/products/7", &["Authorization: Bearer {good}, Bearer {good}"]),
    ("a key in the wrong field", "GET", "/v1/products/7", &["X-Api-Key: {good}"]),
    ("a key in the query", "GET", "/v1/products/7?api_key={good}", &[]),
    ("scopes that do not suffice", "GET", "/v1/products/7", &["Authorization: Bearer {narrow}"]),
    ("an address that may not", "GET", "/v1/products/7", &["Authorization: Bearer {elsewhere}"]),
    (
        "an address made up",
        "GET",
        "/v1/products/7",
        &["Authorization: Bearer {elsewhere}", "X-Forwarded-For: 10.1.1.1"],
    ),
    (
        "an address made up otherwise",
        "GET",
        "/v1/products/7",
        &["Authorization: Bearer {elsewhere}", "X-Real-IP: 10.1.1.1", "Forwarded: for=10.1.1.1"],
    ),
    ("a good key and a made-up address", "GET", "/v1/products/7", &[GOOD, "X-Forwarded-For: 10.1.1.1"]),
    ("a method the route does not take", "DELETE", "/v1/products/7", &[GOOD]),
    (
        "a method made up",
        "GET",
        "/v1/products/7",
        &[GOOD, "X-Forwarded-Method: DELETE", "X-Original-Method: DELETE"],
    ),
    (
        "a target made up",
        "GET",
        "/v1/products/7",
        &["X-Original-URI: /public/x", "X-Forwarded-Uri: /public/x"],
    ),
    (
        "a host made up",
        "GET",
        "/v1/products/7",
        &[GOOD, "X-Forwarded-Host: evil.example", "X-Original-Host: evil.example"],
    ),
    ("no route", "GET", "/nowhere", &[GOOD]),
    ("no route and no key", "GET", "/nowhere", &[]),
    ("a public route", "GET", "/public/x", &[]),
    ("a public route and a key", "GET", "/public/x", &[GOOD]),
    ("a public route and another credential", "GET", "/public/x", &["Authorization: Basic dXNlcjpwYXNz"]),
    ("a public route and a bad key", "GET", "/public/x", &["Authorization: Bearer {revoked}"]),
    ("a key header", "GET", "/header/x", &["X-Api-Key: {good}"]),
    (
        "a key header and another credential",
        "GET",
        "/header/x",
        &["X-Api-Key: {good}", "Authorization: Basic dXNlcjpwYXNz"],
    ),
    ("a key header with a revoked key", "GET", "/header/x", &["X-Api-Key: {revoked}"]),
    ("a bearer key where a key header is due", "GET", "/header/x", &[GOOD]),
    (
        "spoofed consumer",
        "GET",
        "/v1/products/7",
        &[GOOD, "X-Consumer-Id: cust_root", "X-Consumer-Name: root"],
    ),
    ("spoofed scopes", "GET", "/v1/products/7", &[GOOD, "X-Consumer-Scopes: admin", "X-Consumer-Plan: gold"]),
    ("spoofed key", "GET", "/v1/products/7", &[GOOD, "X-Key-Id: key_root", "x-consumer-external-id: evil"]),
    ("spoofed remaining", "GET", "/v1/products/7", &[GOOD, "X-RateLimit-Remaining: 999"]),
    ("spoofed secret", "GET", "/v1/products/7", &[GOOD, "X-Kgate-Secret: guess"]),
    (
        "spoofed on a public route",
        "GET",
        "/public/x",
        &["X-Consumer-Id: cust_root", "X-Key-Id: key_root", "X-Consumer-Plan: gold"],
    ),
    ("spoofed in capitals", "GET", "/public/x", &["X-CONSUMER-ID: cust_root", "X-CONSUMER-NAME: root"]),
    ("spoofed twice", "GET", "/v1/products/7", &[GOOD, "X-Consumer-Id: a", "X-Consumer-Id: b"]),
    ("named in Connection", "GET", "/v1/products/7", &[GOOD, "Connection: X-Consumer-Id, X-Key-Id"]),
    ("other fields stay", "GET", "/v1/products/7", &[GOOD, "Cookie: a=1; b=2", "X-Other: kept"]),
    ("a parameter in the path", "GET", "/v1/products/7;a=1", &[GOOD]),
    ("a double slash", "GET", "/v1//products/7", &[GOOD]),
    ("an encoded slash", "GET", "/v1/products%2f7", &[GOOD]),
    ("an encoded dot segment", "GET", "/v1/products/%2e%2e/7", &[GOOD]),
    ("a backslash", "GET", "/v1/products/a%5cb", &[GOOD]),
    ("an encoded null", "GET", "/v1/products/a%00", &[GOOD]),
    ("public then up", "GET", "/public/%2e%2e/v1/products/7", &[]),
    ("public then an encoded slash up", "GET", "/public/..%2fv1/products/7", &[]),
    ("the case of a route", "GET", "/V1/Products/7", &[GOOD]),
    ("a letter encoded", "GET", "/v1/%70roducts/7", &[GOOD]),
    ("a tilde encoded", "GET", "/v1/products/%7Ea", &[GOOD]),
    ("a post without a body", "POST", "/v1/products/7", &[GOOD, "Content-Length: 0"]),
    ("a target too long", "GET", "/v1/products/{long}", &[GOOD]),
    ("an expired key", "GET", "/v1/products/7", &["Authorization: Bearer {expired}"]),
    ("a key before its time", "GET", "/v1/products/7", &["Authorization: Bearer {early}"]),
    ("a key of another type", "GET", "/v1/products/7", &["Authorization: Bearer {test}"]),
    ("a key of a disabled consumer", "GET", "/v1/products/7", &["Authorization: Bearer {stopped}"]),
    ("two fields with keys", "GET", "/v1/products/7", &[GOOD, "Authorization: Bearer {narrow}"]),
    ("a key in a cookie", "GET", "/cookie/x", &["Cookie: a=1; key={good}; b=\"2\""]),
    ("a key in the only cookie", "GET", "/cookie/x", &["Cookie: key={good}"]),
    ("a revoked key in a cookie", "GET", "/cookie/x", &["Cookie: a=1; key={revoked}"]),
    ("two cookies with keys", "GET", "/cookie/x", &["Cookie: key={good}; key={narrow}"]),
    ("cookies without a key", "GET", "/cookie/x", &["Cookie: a=1; keys={good}"]),
    ("a cookie with a key where none belongs", "GET", "/v1/products/7", &[GOOD, "Cookie: a=1; key={narrow}"]),
    ("a cookie with a key and no other", "GET", "/v1/products/7", &["Cookie: key={good}"]),
    ("a cookie with a key on a public route", "GET", "/public/x", &["Cookie: a=1; key={good}; b=2"]),
    ("a key as an argument", "GET", "/query/x?a=%20&api_key={good}&b=2", &[]),
    ("a key as the only argument", "GET", "/query/x?api_key={good}", &[]),
    ("a key as an argument in codes", "GET", "/query/x?%61pi%5Fkey={good}", &[]),
    ("a revoked key as an argument", "GET", "/query/x?api_key={revoked}", &[]),
    ("two arguments with keys", "GET", "/query/x?api_key={good}&api_key={narrow}", &[]),
    ("an argument with a key where none belongs", "GET", "/v1/products/7?api_key={narrow}&a=1", &[GOOD]),
    ("an argument with a key on a public route", "GET", "/public/x?api_key={good}", &[]),
    ("a key as a user's name", "GET", "/basic/x", &["Authorization: Basic {good:}"]),
    ("a revoked key as a user's name", "GET", "/basic/x", &["Authorization: Basic {revoked:}"]),
    (
        "a key as a user's name where none belongs",
        "GET",
        "/header/x",
        &["X-Api-Key: {good}", "Authorization: Basic {narrow:}"],
    ),
    ("a key as a user's name on a public route", "GET", "/public/x", &["Authorization: Basic {good:}"]),
    ("a bearer key where a user's name is due", "GET", "/basic/x", &[GOOD]),
    ("a key among protocols", "GET", "/socket/x", &["Sec-WebSocket-Protocol: chat, kgate.key.{good}, v2"]),
    ("a key as the only protocol", "GET", "/socket/x", &["Sec-WebSocket-Protocol: kgate.key.{good}"]),
    (
        "a revoked key among protocols",
        "GET",
        "/socket/x",
        &["Sec-WebSocket-Protocol: chat, kgate.key.{revoked}"],
    ),
    ("protocols without a key", "GET", "/socket/x", &["Sec-WebSocket-Protocol: chat"]),
    (
        "a protocol with a key where none belongs",
        "GET",
        "/v1/products/7",
        &[GOOD, "Sec-WebSocket-Protocol: kgate.key.{narrow}, chat"],
    ),
    ("one of several places", "GET", "/several/x", &["Cookie: key={good}"]),
    ("two of several places", "GET", "/several/x", &[GOOD, "Cookie: key={good}"]),
    ("a cookie and an argument", "GET", "/several/x?api_key={good}", &["Cookie: key={good}"]),
    ("nobody where nobody need be known", "GET", "/anyone/x", &[]),
    ("a key where nobody need be known", "GET", "/anyone/x", &[GOOD]),
    ("a revoked key where nobody need be known", "GET", "/anyone/x", &["Authorization: Bearer {revoked}"]),
    ("an unknown key where nobody need be known", "GET", "/anyone/x", &["Authorization: Bearer {unknown}"]),
    ("a key elsewhere where nobody need be known", "GET", "/anyone/x", &["Cookie: key={good}"]),
    (
        "another credential where nobody need be known",
        "GET",
        "/anyone/x",
        &["Authorization: Basic dXNlcjpwYXNz"],
    ),
    (
        "spoofed where nobody need be known",
        "GET",
        "/anyone/x",
        &["X-Consumer-Id: cust_root", "X-Key-Id: key_root", "X-Consumer-Plan: gold"],
    ),
    ("a publishable key from its page", "GET", "/anyone/x", &[WEB, "Origin: https://app.example.com"]),
    (
        "a publishable key, its page told by Referer",
        "GET",
        "/anyone/x",
        &[WEB, "Referer: https://app.example.com/cart?a=1"],
    ),
    ("a publishable key from another page", "GET", "/anyone/x", &[WEB, "Origin: https://evil.example"]),
    (
        "a publishable key from a page with a longer name",
        "GET",
        "/anyone/x",
        &[WEB, "Origin: https://app.example.com.evil.example"],
    ),
    (
        "a publishable key from two pages",
        "GET",
        "/anyone/x",
        &[WEB, "Origin: https://app.example.com", "Origin: https://evil.example"],
    ),
    (
        "a publishable key, one page by Origin and one by Referer",
        "GET",
        "/anyone/x",
        &[WEB, "Origin: https://evil.example", "Referer: https://app.example.com/"],
    ),
    ("a publishable key from no page", "GET", "/anyone/x", &[WEB]),
    ("a publishable key from a page without a name", "GET", "/anyone/x", &[WEB, "Origin: null"]),
    (
        "a publishable key where none belongs",
        "GET",
        "/v1/products/7",
        &[WEB, "Origin: https://app.example.com"],
    ),
    (
        "a publishable key in a cookie",
        "GET",
        "/cookie/x",
        &["Cookie: key={web}", "Origin: https://app.example.com"],
    ),
];

pub fn request(case: &Case, keys: &Keys) -> String {
    let (_, method, target, fields) = case;
    let mut text = format!("{method} {} HTTP/1.1\r\nHost: api.example.com\r\n", keys.fill(target));
    for field in *fields {
        let _ = write!(text, "{}\r\n", keys.fill(field));
    }
    text + "\r\n"
}

/// The names a backend decides by.
const IDENTITY: &[&str] = &[
    "X-Consumer-Id",
    "X-Consumer-Name",
    "X-Consumer-External-Id",
    "X-Consumer-Scopes",
    "X-Consumer-Plan",
    "X-Key-Id",
    "X-Kgate-Secret",
    "Authorization",
    "X-Api-Key",
    "X-Other",
    "Cookie",
    "Sec-WebSocket-Protocol",
];

/// What has to be the same whatever the way: status, what the backend saw, what the client was told.
type Essence = (u16, String, BTreeMap<&'static str, Vec<String>>);

fn essence(answer: &Answer) -> Essence {
    let mut seen = BTreeMap::new();
    let mut told = String::new();
    if answer.status == 200 && answer.body.starts_with(b"{") {
        for name in IDENTITY {
            // An empty field and none are the same to a backend that asks for a value.
            seen.insert(*name, answer.seen(name).into_iter().filter(|value| !value.is_empty()).collect());
        }
        answer.json()["target"].as_str().unwrap().clone_into(&mut told);
    } else if answer.header("content-type") == Some("application/problem+json") {
        let mut body = answer.json();
        body["request_id"] = "".into();
        told = format!("{body} {:?} {:?}", answer.header("www-authenticate"), answer.header("allow"));
    }
    (answer.status, told, seen)
}

#[test]
fn every_front_gives_the_gateways_verdict_identity_and_words() {
    if is_quick() {
        return;
    }
    let site = Site::with(CONFIG);
    let keys = Keys::make(&site.store());
    let gate = site.serve(&["--shared"]);
    // Asked directly, as nobody's proxy.
    let alone = site.dir.path().join("alone.toml");
    let config = fs::read_to_string(site.config_path()).unwrap();
    fs::write(&alone, config.replace("trusted_proxies", "# trusted_proxies")).unwrap();
    let direct = site.serve(&["--shared", "--config", alone.to_str().unwrap()]);
    let mut faults = String::new();
    for kind in Kind::ALL {
        let front = Front::start(kind, &gate, site.echo.address());
        for case in CASES {
            let request = request(case, &keys);
            let mut client = Client::tcp(direct.address);
            client.send(&request);
            let (wanted, got) = (client.answer(), front.ask(&request));
            for answer in [&wanted, &got] {
                assert!(!keys.are_in(&answer.body), "{kind:?}, {}: {}", case.0, answer.body.escape_ascii());
            }
            let (wanted, got) = (essence(&wanted), essence(&got));
            if is_known(kind, case.0, &wanted, &got) {
                continue;
            }
            if wanted != got {
                let _ = writeln!(faults, "{kind:?}, {}:\n  gateway {wanted:?}\n  front   {got:?}", case.0);
            }
        }
    }
    assert!(faults.is_empty(), "{faults}");
}

/// What a front cannot do, as its page says. Never is it less strict than the gateway.
fn is_known(kind: Kind, case: &str, gateway: &Essence, front: &Essence) -> bool {
    let statuses = (gateway.0, front.0);
    match (kind, case) {
        // Refused where the gateway would forward another spelling than the front could.
        (Kind::Traefik | Kind::Caddy, "a letter encoded" | "a tilde encoded") => statuses == (200, 400),
        // Refused before kgate is asked, in the front's own words.
        (Kind::Nginx, "an encoded null") => statuses == (400, 400),
        (Kind::Nginx, "two fields with keys") => statuses == (401, 400),
        // Traefik tidies paths up before it asks: what is judged is what it forwards.
        (Kind::Traefik, "a double slash") => statuses == (400, 200) && front.1 == "/v1/products/7",
        (Kind::Traefik, "an encoded dot segment") => statuses == (400, 404),
        // A key these cannot take out of the target: refused, where the gateway takes it out.
        (
            Kind::Traefik | Kind::Caddy,
            "a key as an argument"
            | "a key as the only argument"
            | "a key as an argument in codes"
            | "an argument with a key where none belongs"
            | "an argument with a key on a public route",
        ) => statuses == (200, 400) && front.1.contains("not_forwardable"),
        (Kind::Traefik, "public then up") => statuses == (400, 401),
        _ => false,
    }
}

/// A backend that takes every WebSocket and notes what it was asked with.
fn sockets() -> (SocketAddr, mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let (heads, seen) = mpsc::channel();
    // It ends with the test's process: nothing tells a blocking accept that nobody comes any more.
    thread::spawn(move || {
        for stream in listener.incoming() {
            let (mut stream, heads) = (stream.unwrap(), heads.clone());
            thread::spawn(move || {
                let Some(head) = read_head(&mut stream) else { return };
                let _ = heads.send(String::from_utf8(head).unwrap());
                let answer = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                              Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: v2\r\n\r\nhello";
                let _ = stream.write_all(answer.as_bytes());
                let _ = stream.read(&mut [0]);
            });
        }
    });
    (address, seen)
}

#[test]
fn a_browser_brings_its_key_to_a_websocket_through_every_front() {
    if is_quick() {
        return;
    }
    let (backend, seen) = sockets();
    let site = Site::with(&CONFIG.replace("{echo}", &backend.to_string()));
    let keys = Keys::make(&site.store());
    let gate = site.serve(&[]);
    for kind in Kind::ALL {
        let front = Front::start(kind, &gate, backend);
        let asked = |key: &str| {
            let mut client = Client::tcp(front.address);
            client.send(format!(
                "GET /socket/x HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: v2, kgate.key.{}\r\n\r\n",
                keys.fill(key)
            ));
            client.answer()
        };
        assert_eq!(asked("{revoked}").status, 401, "{kind:?}");
        let answer = asked("{good}");
        assert_eq!((answer.status, answer.header("sec-websocket-protocol")), (101, Some("v2")), "{kind:?}");
        let head = seen.recv_timeout(PATIENCE).unwrap();
        assert!(!keys.are_in(head.as_bytes()), "{kind:?}: {head}");
        let lower = head.to_ascii_lowercase();
        assert!(lower.contains("\r\nsec-websocket-protocol: v2\r\n"), "{kind:?}: {head}");
        assert!(lower.contains("\r\nx-consumer-id: cust_"), "{kind:?}: {head}");
        assert!(seen.try_recv().is_err(), "{kind:?}: the revoked key came through");
    }
}

#[test]
fn a_limited_key_gets_429_with_its_wait_through_every_front() {
    if is_quick() {
        return;
    }
    let site = Site::with(CONFIG);
    for kind in Kind::ALL {
        // Limits are per process: each front begins with a fresh count.
        let keys = Keys::make(&site.store());
        let gate = site.serve(&[]);
        let front = Front::start(kind, &gate, site.echo.address());
        let request = request(&("", "GET", "/v1/products/7", &["Authorization: Bearer {tiny}"]), &keys);
        assert_eq!(front.ask(&request).status, 200, "{kind:?}");
        let limited = front.ask(&request);
        assert_eq!((limited.status, limited.code().as_str()), (429, "rate_limited"), "{kind:?}");
        let wait: u64 = limited.header("retry-after").expect("a wait").parse().unwrap();
        assert!((3_500..=3_600).contains(&wait), "{kind:?}: {wait}");
    }
}

#[test]
fn grpc_callers_get_grpc_statuses_through_envoy() {
    if is_quick() {
        return;
    }
    let site = Site::with(CONFIG);
    let keys = Keys::make(&site.store());
    let gate = site.serve(&[]);
    let front = Front::start(Kind::Envoy, &gate, site.echo.address());
    // A client of gRPC's own, which fails on any answer that is not gRPC.
    let ask = |path: &str, key: &str| {
        let script = "import sys, grpc\n\
            call = grpc.insecure_channel(sys.argv[1]).unary_unary(sys.argv[2])\n\
            try: call(b'', timeout=50, metadata=[('authorization', 'Bearer ' + sys.argv[3])])\n\
            except grpc.RpcError as e: print(e.code().value[0], e.details())\n";
        let output = Command::new(tool("python"))
            .args(["-c", script, &front.address.to_string(), path, &keys.fill(key)])
            .output()
            .expect("`tests/setup.sh test` installs it");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{said}");
        // Of what grpcio says on standard error nothing is an answer.
        eprint!("{said}");
        String::from_utf8(output.stdout).unwrap()
    };
    for (path, key, wanted) in [
        ("/v1/products/7", "{unknown}", "16 Unauthorized\n"),
        ("/v1/products/7", "{revoked}", "16 Unauthorized\n"),
        ("/v1/products/7", "{narrow}", "7 Forbidden\n"),
        ("/nowhere", "{good}", "5 Not Found\n"),
    ] {
        assert_eq!(ask(path, key), wanted, "{path} {key}");
    }
    ask("/v1/products/7", "{tiny}");
    assert_eq!(ask("/v1/products/7", "{tiny}"), "8 Too Many Requests\n");
    drop(gate);
    assert!(ask("/v1/products/7", "{good}").starts_with("14 "), "without kgate");
}

#[test]
fn a_revocation_is_seen_at_once_and_a_dead_kgate_lets_nothing_pass() {
    if is_quick() {
        return;
    }
    let site = Site::with(CONFIG);
    let store = site.store();
    for kind in Kind::ALL {
        let gate = site.serve(&[]);
        let front = Front::start(kind, &gate, site.echo.address());
        for _ in 0..10 {
            let keys = Keys::make(&store);
            let good = &keys.0["good"];
            let ask = || front.ask(&request(&("", "GET", "/v1/products/7", &[GOOD]), &keys)).status;
            assert_eq!(ask(), 200, "{kind:?}");
            let id = store
                .key_by_digest(&kgate::key::Digest::sha256(good.expose().as_bytes()))
                .unwrap()
                .unwrap()
                .id;
            store.revoke(id, RevokeReason::Leak, &act()).unwrap();
            assert_eq!(ask(), 401, "{kind:?}: revoked, and the command had returned");
        }
        let keys = Keys::make(&store);
        drop(gate);
        let requests = site.echo.requests();
        for case in [("", "GET", "/v1/products/7", &[GOOD][..]), ("", "GET", "/public/x", &[])] {
            let status = front.ask(&request(&case, &keys)).status;
            assert!(status >= 500, "{kind:?} without kgate: {status}");
        }
        assert_eq!(site.echo.requests(), requests, "{kind:?} let something pass");
    }
}

#[test]
fn strangers_are_not_answered_and_spellings_stop_where_the_page_says() {
    if is_quick() {
        return;
    }
    let site = Site::with(&CONFIG.replace("[sidecar]", "[sidecar]\nfronts = [\"192.0.2.1\"]"));
    let keys = Keys::make(&site.store());
    let gate = site.serve(&[]);
    for path in ["/nginx", "/forward-auth", "/envoy/v1/products/7", "/"] {
        let mut client = Client::tcp(gate.sidecar.unwrap());
        client.send(format!("GET {path} HTTP/1.1\r\nHost: a\r\n{}\r\nX-Original-Method: GET\r\nX-Original-URI: /v1/products/7\r\n\r\n", keys.fill(GOOD)));
        assert_eq!(client.answer().status, 403, "{path}");
    }
    drop(gate);
    site.configure(&CONFIG.replace("{echo}", &site.echo.address().to_string()));
    let gate = site.serve(&[]);
    let spelled = request(&("", "GET", "/v1/products/7", &[GOOD, "X_Consumer_Id: root"]), &keys);
    for kind in Kind::ALL {
        let front = Front::start(kind, &gate, site.echo.address());
        let answer = front.ask(&spelled);
        let passed = answer.seen("X-Consumer-Id").contains(&"root".to_owned());
        assert_eq!(passed, !kind.drops_underscores(), "{kind:?}");
    }
}

/// Nobody is waited for who asks nothing, whatever else it does or leaves undone; a question that has begun is answered.
#[test]
fn who_does_not_hear_that_it_is_time_to_drain_holds_nobody_up() {
    const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    // `GET /nginx` of `a`, as HPACK has it, and how the head of its answer begins.
    const ASKED: &[u8] = b"\0\0\x0d\x01\x05\0\0\0\x01\x82\x86\x04\x06/nginx\x01\x01a";
    const ANSWERED: &[u8] = b"\x01\x04\0\0\0\x01";
    let site = Site::with(&CONFIG.replace("workers = 1", "workers = 1\ndrain_timeout = \"10m\""));
    let serving = site.serve(&[]);
    let [mut deaf, mut halfway, mut slow] = [(); 3].map(|()| Client::tcp(serving.sidecar.unwrap()));
    deaf.send([PREFACE, ASKED].concat());
    deaf.until(ANSWERED);
    halfway.send(&PREFACE[..7]);
    slow.send("GET /nginx HT");
    // They are accepted in the order they came in.
    let mut last = Client::tcp(serving.sidecar.unwrap());
    last.send("GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(last.answer().status, 403);
    let began = now();
    serving.signal(rustix::process::Signal::TERM);
    serving.until_it_says("stopping");
    std::thread::sleep(Duration::from_millis(200));
    halfway.send([&PREFACE[7..], ASKED].concat());
    halfway.until(ANSWERED);
    let (ended, said) = serving.wait();
    assert!(ended.success() && !said.contains("cut"), "{said}");
    assert!(now() - began < PATIENCE / 2, "in less than it takes to find that somebody is gone");
    assert!(slow.is_closed());
}

/// All the connections there may be are kept open, and one more waits for room.
#[test]
fn fronts_that_keep_every_connection_are_told_to_leave_when_it_is_time_to_drain() {
    const ALL: usize = 1024;
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let text = CONFIG.replace("workers = 1", "workers = 1\ndrain_timeout = \"40s\"");
    let site = Site::with(&text);
    let serving = site.serve(&[]);
    let address = serving.sidecar.unwrap();
    let mut kept: Vec<_> = (0..ALL).map(|_| Client::tcp(address)).collect();
    let asked = "GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n";
    kept.iter_mut().for_each(|client| client.send(asked));
    assert!(kept.iter_mut().all(|client| client.answer().status == 403));
    let _waiting = TcpStream::connect(address).unwrap();
    serving.signal(rustix::process::Signal::TERM);
    let (ended, said) = serving.wait();
    assert!(ended.success() && !said.contains("cut"), "{said}");
    assert!(kept.iter_mut().all(Client::is_closed));
}
