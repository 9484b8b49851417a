//! Events, as their receivers get them: signed, until they are taken, and never at the cost of a request.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kgate::key::{Peppers, RevokeReason};
use kgate::store::NewKey;
use kgate::verify::wall;
use rustix::process::Signal;

use super::receiver::{Heard, Receiver};
use super::tool;
use crate::downstream::Office;
use crate::harness::{act, away_from_midnight, is_quick, new_key, now, until};
use crate::process::{CONFIG, Site};

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A site that tells a receiver.
fn site(config: &str, url: &str, more: &str) -> Site {
    let hook =
        format!("\n[[webhook]]\nname = \"ops\"\nurl = \"{url}\"\nsecret_file = \"hook-secret\"\n{more}\n");
    // Written before the configuration is read.
    let site = Site::with(CONFIG);
    std::fs::write(site.dir.path().join("hook-secret"), SECRET).unwrap();
    site.configure(&format!("{config}{hook}"));
    site
}

const LOOPBACK: &str = "networks = [\"127.0.0.0/8\"]";

fn url(receiver: &Receiver) -> String {
    format!("http://{}/hook", receiver.address)
}

/// Has a receiver's own library check a signature.
fn verify(heard: &Heard) {
    const SCRIPT: &str = "
import base64, json, sys
from standardwebhooks.webhooks import Webhook
asked = json.load(sys.stdin)
hook = Webhook(base64.b64encode(asked['secret'].encode()).decode())
print(hook.verify(asked['body'], asked['headers'])['type'])
for changed in ({'body': asked['body'] + ' '}, {'headers': {**asked['headers'], 'webhook-id': 'evt_0'}},
                {'headers': {**asked['headers'], 'webhook-timestamp': '1'}}):
    try:
        hook.verify(changed.get('body', asked['body']), changed.get('headers', asked['headers']))
        print('a change was not noticed')
    except Exception:
        pass
";
    let body = String::from_utf8(heard.body.clone()).unwrap();
    let asked = serde_json::json!({ "secret": SECRET, "body": body, "headers": heard.headers });
    assert_eq!(tool(SCRIPT, asked.to_string().as_bytes()).trim(), heard.json()["type"].as_str().unwrap());
}

#[test]
fn a_leak_is_told_until_it_is_taken_even_if_kgate_is_killed_meanwhile() {
    let receiver = Receiver::start(&["500 Oops", "204 No Content"]);
    let site =
        site(CONFIG, &url(&receiver), &format!("{LOOPBACK}\nevents = [\"key.revoked\", \"key.leaked\"]"));
    let (leaked, other) = (Site::issue(&site.store()), Site::issue(&site.store()));
    let process = site.serve(&[]);
    site.store().revoke(leaked.record.id, RevokeReason::Leak, &act()).unwrap();
    until("it was tried", || receiver.heard().len() == 1);
    process.until_it_says("the webhook `ops` does not take what it is told");
    process.signal(Signal::KILL);
    drop(process);
    // While nobody serves.
    site.store().revoke(other.record.id, RevokeReason::Abuse, &act()).unwrap();
    let process = site.serve(&[]);
    until("both are taken", || receiver.heard().len() == 3);
    let heard = receiver.heard();
    assert_eq!(heard.iter().filter(|heard| heard.answered.starts_with("204")).count(), 2);
    let leaks = receiver.events("key.leaked");
    assert_eq!(leaks.len(), 2, "tried twice under one id: {leaks:?}");
    assert_eq!(leaks[0], leaks[1]);
    assert_eq!(leaks[0]["data"]["key_ids"], serde_json::json!([leaked.record.id.to_string()]));
    let revoked = receiver.events("key.revoked");
    assert_eq!((revoked.len(), &revoked[0]["data"]["reason"]), (1, &"abuse".into()));
    for heard in &heard {
        assert_eq!(heard.headers["webhook-id"], heard.json()["id"].as_str().unwrap());
        assert!(!String::from_utf8_lossy(&heard.body).contains(&leaked.token.expose()[10..]));
        if !is_quick() {
            verify(heard);
        }
    }
    until("the outbox is empty", || {
        let text = process.ask_admin("/metrics").1;
        text.contains("kgate_webhook_events_waiting{webhook=\"ops\"} 0\n")
    });
    // And nothing is told again after another restart.
    process.signal(Signal::TERM);
    process.wait();
    let process = site.serve(&[]);
    process.until_it_says("audit head ");
    assert_eq!(receiver.heard().len(), 3);
}

#[test]
fn ends_quotas_and_uses_after_the_end_are_told_once() {
    away_from_midnight();
    let receiver = Receiver::start(&["200 OK"]);
    let config = CONFIG.replace("limits = [", "limits = [{ name = \"daily\", quota = \"10/day\" }, ");
    let site = site(&config, &url(&receiver), LOOPBACK);
    let store = site.store();
    let (used, revoked) = (Site::issue(&store), Site::issue(&store));
    store.revoke(revoked.record.id, RevokeReason::Abuse, &act()).unwrap();
    let soon = Some(wall().plus(Duration::from_hours(100)));
    let expiring = NewKey { expires_at: soon, ..new_key(used.record.consumer) };
    let expiring = store.issue(&expiring, &Peppers::default(), &act(), &mut rand::rng()).unwrap();
    drop(store);
    let process = site.serve(&[]);
    assert_eq!((0..2).map(|_| process.status(&revoked)).collect::<Vec<_>>(), [401, 401]);
    assert_eq!((0..9).map(|_| process.status(&used)).collect::<Vec<_>>(), [200; 9]);
    until("most of the quota is told", || !receiver.events("quota.reached").is_empty());
    assert_eq!((process.status(&used), process.status(&used)), (200, 429));
    until("all of the quota is told", || receiver.events("quota.reached").len() == 2);
    let quotas = receiver.events("quota.reached");
    let told: Vec<_> = quotas.iter().map(|event| &event["data"]["percent"]).collect();
    assert_eq!(told, [80, 100]);
    assert_eq!(quotas[0]["data"]["key_id"], used.record.id.to_string());
    // Quotas are looked at now and then: after the eighth of nine, too.
    let used = quotas[0]["data"]["used"].as_u64();
    assert!([Some(8), Some(9)].contains(&used) && quotas[0]["data"]["limit"] == "daily", "{quotas:?}");
    until("the rest is told", || {
        ["key.expiring", "key.used_after_end", "audit.head"]
            .iter()
            .all(|kind| !receiver.events(kind).is_empty())
    });
    let expires = receiver.events("key.expiring");
    assert_eq!((expires.len(), &expires[0]["data"]["days"]), (1, &7.into()), "{expires:?}");
    assert_eq!(expires[0]["data"]["key_id"], expiring.record.id.to_string());
    let ended = receiver.events("key.used_after_end");
    assert_eq!((ended.len(), &ended[0]["data"]["key_id"]), (1, &revoked.record.id.to_string().into()));
    let heads = receiver.events("audit.head");
    assert!(heads[0]["data"]["head"].as_str().unwrap().len() > 64);
}

#[test]
fn a_receiver_that_never_answers_holds_nothing_up() {
    // It accepts, in the kernel, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap();
    let site = site(CONFIG, &format!("http://{address}/"), LOOPBACK);
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let _taken = silent.accept().expect("it is told the head of the audit log");
    for _ in 0..100 {
        assert_eq!(process.status(&key), 200);
    }
    site.store().revoke(key.record.id, RevokeReason::Leak, &act()).unwrap();
    assert_eq!(process.status(&key), 401);
    let began = now();
    process.signal(Signal::TERM);
    let (status, said) = process.wait();
    assert!(status.success() && began.elapsed() < Duration::from_secs(8), "{:?}: {said}", began.elapsed());
}

#[test]
fn no_url_leads_where_only_we_can_go() {
    // A name of this machine's own, and a redirect.
    let inside = Receiver::start(&["200 OK"]);
    let redirecting = format!("307 Elsewhere\r\nLocation: http://{}/secret", inside.address);
    let receiver = Receiver::start(&[&redirecting]);
    for (url, networks, said) in [
        (format!("https://localhost:{}/", inside.address.port()), "", "not of the public internet"),
        (format!("http://{}/", receiver.address), LOOPBACK, "it answered 307"),
    ] {
        let site = site(CONFIG, &url, networks);
        let process = site.serve(&[]);
        process.until_it_says(said);
        assert!(inside.heard().is_empty(), "{url}");
    }
}

#[test]
fn check_finds_what_is_wrong_with_a_webhook() {
    for (url, more, said) in [
        ("http://hooks.example.com/", "", "clear text"),
        ("https://169.254.169.254/latest/meta-data", "", "not an address of the public internet"),
        ("https://[::ffff:127.0.0.1]/", "", "not an address of the public internet"),
        ("hooks.example.com", "", "not a URL"),
        ("https://user:secret@hooks.example.com/", "", "not a URL"),
        ("https://hooks.example.com/", "events = [\"key.leakd\"]", "did you mean `key.leaked`?"),
        ("https://hooks.example.com/", "ca_file = \"nowhere.pem\"", "there is no file"),
        ("https://hooks.example.com/", "ca_file = \"hook-secret\"", "hook-secret"),
        ("https://hooks.example.com/", "retry_for = \"1s\"", "must be from"),
    ] {
        let site = site(CONFIG, url, more);
        let output = site.command(&["check"]).output().unwrap();
        let all = [output.stdout, output.stderr].concat();
        let all = String::from_utf8_lossy(&all);
        assert!(!output.status.success() && all.contains(said), "{url} {more}: {all}");
    }
}

/// The authority that vouches for a receiver is another one, in the same file: from then on its word counts, and the
/// first one's no more. Nobody has to say that the file changed.
#[test]
fn another_authority_in_the_same_file_takes_the_place_of_the_first() {
    if is_quick() {
        return;
    }
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for dir in [&dir, &other] {
        Office::open(dir.path()).issue("server", "server", &["localhost"], 2100);
    }
    let put = |from: &str, to: &str| {
        // As a whole, as tools that renew certificates do.
        std::fs::copy(other.path().join(from), dir.path().join("new")).unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join(to)).unwrap();
    };
    std::fs::rename(dir.path().join("server.pem"), dir.path().join("cert.pem")).unwrap();
    std::fs::rename(dir.path().join("server.key"), dir.path().join("key.pem")).unwrap();
    let (mut server, port) = tls_receiver(dir.path());
    let heard = || std::fs::read_to_string(dir.path().join("heard")).unwrap_or_default();
    let ca = format!("{LOOPBACK}\nca_file = \"{}\"", dir.path().join("ca.pem").display());
    let site = site(CONFIG, &format!("https://localhost:{port}/"), &ca);
    let keys = [Site::issue(&site.store()), Site::issue(&site.store())];
    let revoke = |at: usize| {
        let key: &kgate::store::Issued = &keys[at];
        site.store().revoke(key.record.id, RevokeReason::Abuse, &act()).unwrap();
        key.record.id.to_string()
    };
    let process = site.serve(&[]);
    until("it is told", || heard().contains("audit.head"));
    // The receiver still shows what the first one signed.
    put("ca.pem", "ca.pem");
    until("the file is noticed", || process.said().contains("configuration reloaded"));
    let untold = revoke(0);
    process.until_it_says("does not take what it is told");
    assert!(!heard().contains(&untold));
    put("server.key", "key.pem");
    put("server.pem", "cert.pem");
    until("what was kept is told", || heard().contains(&untold));
    let told = revoke(1);
    until("and what comes after", || heard().contains(&told));
    server.kill().unwrap();
    server.wait().unwrap();
}

/// Starts a receiver with TLS that writes what it is told into `heard`. Returns its port.
fn tls_receiver(dir: &Path) -> (Child, String) {
    let mut server = Command::new("python3")
        .args(["-c", SERVER])
        .current_dir(dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut port = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(server.stdout.take().unwrap()), &mut port)
        .unwrap();
    (server, port.trim().to_owned())
}

/// A receiver with TLS, which shows the certificate that is there when somebody comes.
const SERVER: &str = "
import http.server, ssl, sys
class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers['content-length']))
        open('heard', 'ab').write(body + b'\\n')
        self.send_response(200); self.end_headers()
    def log_message(self, *args): pass
class Server(http.server.HTTPServer):
    def get_request(self):
        context.load_cert_chain('cert.pem', 'key.pem')
        return super().get_request()
server = Server(('127.0.0.1', 0), Hook)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain('cert.pem', 'key.pem')
server.socket = context.wrap_socket(server.socket, server_side=True)
print(server.server_port, flush=True)
server.serve_forever()
";

/// TLS to a receiver whose authority is named; one that is not is not told.
#[test]
fn over_tls_only_a_receiver_that_is_vouched_for_is_told() {
    if is_quick() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let openssl = |more: &[&str]| {
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"])
            .args(["-days", "2"])
            .args(more)
            .current_dir(dir.path())
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    };
    openssl(&["-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=Our own"]);
    let leaf = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-CA", "ca.pem"];
    let names = ["-addext", "subjectAltName=DNS:localhost", "-addext", "basicConstraints=critical,CA:FALSE"];
    openssl(&[&leaf[..], &["-CAkey", "ca-key.pem"], &names].concat());
    let (mut server, port) = tls_receiver(dir.path());
    let url = format!("https://localhost:{port}/");
    let heard = |dir: &Path| std::fs::read_to_string(dir.join("heard")).unwrap_or_default();
    let stranger = site(CONFIG, &url, LOOPBACK);
    let process = stranger.serve(&[]);
    process.until_it_says("does not take what it is told");
    assert!(heard(dir.path()).is_empty());
    let ca = format!("{LOOPBACK}\nca_file = \"{}\"", dir.path().join("ca.pem").display());
    let vouched = site(CONFIG, &url, &ca);
    let _process = vouched.serve(&[]);
    until("it is told", || heard(dir.path()).contains("audit.head"));
    server.kill().unwrap();
    server.wait().unwrap();
}
