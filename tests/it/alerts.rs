//! Leaked keys that others report, to a running `kgate serve`. Signatures are made by OpenSSL.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kgate::key::{Digest, Peppers, RevokeReason, State, Status};
use kgate::store::{Act, Issued, Rotation};
use kgate::verify::wall;
use serde_json::{Value, json};

use crate::harness::{Client, act, is_quick, new_key, until};
use crate::process::{CONFIG, Process, Site};
use crate::seeing::receiver::Receiver;

const LEAKS: &str = r#"
[leaks]
github_keys = "github.json"
gitlab_keys = "gitlab.json"
secret_file = "secret"
"#;

const SECRET: &str = "0123456789abcdef0123456789abcdef";

/// A site that takes alerts, and somebody who can sign them.
struct Scene {
    site: Site,
    process: Process,
}

impl Scene {
    fn start(more: &str) -> Self {
        let publishable = "\n[[key_type]]\nname = \"public\"\nprefix = \"acme_pk\"\nkind = \"publishable\"\n";
        let site = Site::with(&format!("{CONFIG}{publishable}{LEAKS}{more}"));
        let scene_dir = site.dir.path();
        fs::write(scene_dir.join("secret"), SECRET).unwrap();
        make_key(scene_dir);
        for name in ["github.json", "gitlab.json"] {
            publish(scene_dir, name, "k1");
        }
        let process = site.serve(&[]);
        Self { site, process }
    }

    fn issue(&self) -> Issued {
        Site::issue(&self.site.store())
    }

    fn state(&self, key: &Issued) -> State {
        self.site.store().key(key.record.id).unwrap().state
    }

    /// Sends an alert as GitHub or GitLab does.
    fn send(&self, host: &str, body: &str) -> (u16, Value) {
        self.send_signed(host, "k1", body, &sign(self.site.dir.path(), body))
    }

    fn send_signed(&self, host: &str, key: &str, body: &str, signature: &str) -> (u16, Value) {
        let name = if host == "github" { "Github" } else { "Gitlab" };
        let headers =
            format!("{name}-Public-Key-Identifier: {key}\r\n{name}-Public-Key-Signature: {signature}\r\n");
        self.post(&format!("/leaks/{host}"), &headers, body)
    }

    /// Sends an alert of another sender, signed `offset` seconds from now.
    fn send_other(&self, offset: i64, body: &str) -> (u16, Value) {
        let headers = shared_headers(wall().as_secs() + offset, body);
        self.post("/leaks", &headers, body)
    }

    fn post(&self, path: &str, headers: &str, body: &str) -> (u16, Value) {
        post_to(self.process.admin, path, headers, body)
    }
}

fn post_to(address: std::net::SocketAddr, path: &str, headers: &str, body: &str) -> (u16, Value) {
    let mut client = Client::tcp(address);
    client.send(format!(
        "POST {path} HTTP/1.1\r\nHost: api.example.com\r\nContent-Length: {}\r\n{headers}\r\n{body}",
        body.len()
    ));
    let answer = client.answer();
    let body = String::from_utf8(answer.body).unwrap();
    (answer.status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{body}")))
}

fn make_key(dir: &Path) {
    openssl(dir, &["ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "key.pem"], b"");
    openssl(dir, &["ec", "-in", "key.pem", "-pubout", "-out", "public.pem"], b"");
}

fn publish(dir: &Path, name: &str, id: &str) {
    let pem = fs::read_to_string(dir.join("public.pem")).unwrap();
    let list = json!({"public_keys": [{"key_identifier": id, "key": pem, "is_current": true}]});
    fs::write(dir.join("list.new"), list.to_string()).unwrap();
    fs::rename(dir.join("list.new"), dir.join(name)).unwrap();
}

fn sign(dir: &Path, body: &str) -> String {
    let der = openssl(dir, &["dgst", "-sha256", "-sign", "key.pem"], body.as_bytes());
    let base64 = openssl(dir, &["base64", "-A"], &der);
    String::from_utf8(base64).unwrap().trim().to_owned()
}

fn shared_headers(at: i64, body: &str) -> String {
    let message = format!("{at}.{body}");
    let hmac = ["dgst", "-sha256", "-hmac", SECRET, "-r"];
    let hex = String::from_utf8(openssl(&PathBuf::from("/"), &hmac, message.as_bytes())).unwrap();
    let hex = hex.split_whitespace().next().unwrap();
    format!("Kgate-Leaks-Timestamp: {at}\r\nKgate-Leaks-Signature: sha256={hex}\r\n")
}

fn openssl(dir: &Path, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "openssl {args:?}");
    output.stdout
}

fn alert(key: &Issued) -> String {
    alert_at(key, "https://github.com/octocat/hello/blob/1234/.env")
}

fn alert_at(key: &Issued, url: &str) -> String {
    json!([{"source": "Content", "token": key.token.expose(), "type": "acme_key", "url": url}]).to_string()
}

#[test]
fn a_key_that_github_reports_is_refused_from_the_answer_on() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("");
    let key = scene.issue();
    assert_eq!(scene.process.status(&key), 200);
    let url = format!("https://github.com/x?{}\u{1b}", key.token.expose());
    let (status, feedback) = scene.send("github", &alert_at(&key, &url));
    assert_eq!(scene.process.status(&key), 401, "the very next request");
    let digest = Digest::sha256(key.token.expose().as_bytes()).to_string();
    let expected = json!([{"token_hash": digest, "token_type": "acme_key", "label": "true_positive"}]);
    assert_eq!((status, feedback), (200, expected));
    assert!(matches!(scene.state(&key), State::Revoked { reason: RevokeReason::Leak, .. }));
    let row = scene.site.store().audit_tail(1).unwrap().pop().unwrap();
    assert_eq!(row.note.as_deref(), Some("reported by github: Content https://github.com/x?…\\u{1b}"));
    assert_eq!(row.actor.user, "github");
    scene.process.until_it_says("github reported 1 token as leaked: 1 key ended");
    assert!(!scene.process.said().contains(&key.token.expose()[10..]));
}

#[test]
fn gitlab_and_senders_with_the_secret_are_heard_too() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("");
    let [first, second] = [scene.issue(), scene.issue()];
    assert_eq!(scene.send("gitlab", &alert(&first)).0, 200);
    assert_eq!(scene.send_other(-60, &alert(&second)).0, 200);
    for key in [&first, &second] {
        assert!(matches!(scene.state(key), State::Revoked { .. }));
    }
}

#[test]
fn publishable_revoked_and_foreign_keys_are_told_apart_and_left_alone() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("");
    let store = scene.site.store();
    let consumer = Site::consumer(&store);
    let public = kgate::store::NewKey {
        key_type: "public".to_owned(),
        prefix: "acme_pk".parse().unwrap(),
        ..new_key(consumer)
    };
    let public = store.issue(&public, &kgate::key::Peppers::default(), &act(), &mut rand::rng()).unwrap();
    let dead = Site::issue(&store);
    store.revoke(dead.record.id, RevokeReason::Rotation, &act()).unwrap();
    drop(store);
    let foreign = kgate::key::Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
    let tokens = [public.token.expose(), dead.token.expose(), foreign.expose(), "nonsense", ""];
    let body: Vec<Value> = tokens.iter().map(|t| json!({"token": t})).collect();
    let (status, feedback) = scene.send("github", &json!(body).to_string());
    let labels: Vec<&str> =
        feedback.as_array().unwrap().iter().map(|v| v["label"].as_str().unwrap()).collect();
    assert_eq!(status, 200);
    assert_eq!(
        labels,
        ["true_positive", "true_positive", "false_positive", "false_positive", "false_positive"]
    );
    assert_eq!(scene.state(&public), State::Enabled);
    assert!(matches!(scene.state(&dead), State::Revoked { reason: RevokeReason::Rotation, .. }));
}

#[test]
fn what_is_not_signed_well_changes_nothing() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("");
    let key = scene.issue();
    let body = alert(&key);
    let dir = scene.site.dir.path();
    let good = sign(dir, &body);
    let mut cases = vec![
        ("another body", scene.send_signed("github", "k1", &alert_at(&key, "x"), &good), 401),
        ("an unknown key", scene.send_signed("github", "k2", &body, &good), 401),
        ("no base64", scene.send_signed("github", "k1", &body, "%%%"), 401),
        ("no DER", scene.send_signed("github", "k1", &body, "AAAA"), 401),
        ("no headers", scene.post("/leaks/github", "", &body), 400),
        (
            "the other host's headers",
            scene.post("/leaks/gitlab", "Github-Public-Key-Identifier: k1\r\n", &body),
            400,
        ),
        ("too old", scene.send_other(-400, &body), 401),
        ("from the future", scene.send_other(400, &body), 401),
        ("no such path, under a foreign name", scene.post("/leaks/other", "", ""), 421),
    ];
    let twice =
        format!("Github-Public-Key-Identifier: k1\r\nGithub-Public-Key-Signature: {good}\r\n").repeat(2);
    cases.push(("headers twice", scene.post("/leaks/github", &twice, &body), 400));
    let forged = shared_headers(wall().as_secs(), "another body");
    cases.push(("a forged tag", scene.post("/leaks", &forged, &body), 401));
    for (what, (status, answer), expected) in cases {
        assert_eq!(status, expected, "{what}: {answer}");
    }
    let not_json = "{\"token\":";
    assert_eq!(scene.send("github", not_json).0, 400);
    assert_eq!(scene.state(&key), State::Enabled);
    // The list of keys is read anew when it changes.
    publish(dir, "github.json", "k2");
    assert_eq!(scene.send_signed("github", "k1", &body, &good).0, 401);
    assert_eq!(scene.send_signed("github", "k2", &body, &good).0, 200);
    fs::write(dir.join("gitlab.json"), "{}").unwrap();
    assert_eq!(scene.send("gitlab", &body).0, 503);
    let metrics = scene.process.ask_admin("/metrics").1;
    for (source, result) in
        [("github", "unsigned"), ("alert", "unsigned"), ("github", "refused"), ("gitlab", "failed")]
    {
        let series = format!("kgate_leak_alerts_total{{result=\"{result}\",source=\"{source}\"}}");
        assert!(metrics.contains(&series), "{series}\n{metrics}");
    }
}

#[test]
fn an_alert_that_does_not_revoke_is_told_as_one_that_does() {
    for (word, reason) in [("disable", "disabled"), ("report", "reported")] {
        let receiver = Receiver::start(&["204 No Content"]);
        let hook = format!(
            "on_alert = \"{word}\"\n[[webhook]]\nname = \"ops\"\nurl = \"http://{}/hook\"\nsecret_file = \"secret\"\n\
             networks = [\"127.0.0.0/8\"]\n",
            receiver.address
        );
        let scene = Scene::start(&hook);
        let key = scene.issue();
        let body = alert(&key);
        assert_eq!(scene.send_other(0, &body).0, 200);
        until("it is told", || !receiver.events("key.leaked").is_empty());
        let data = &receiver.events("key.leaked")[0]["data"];
        assert_eq!(data["key_ids"], json!([key.record.id.to_string()]));
        assert_eq!((&data["reason"], &data["actor"]), (&json!(reason), &json!("alert")));
    }
}

/// Whoever found a key may have rotated it: then what is to be ended is another key than the one reported.
#[test]
fn an_alert_names_what_came_of_the_keys_it_reports() {
    if is_quick() {
        return;
    }
    for word in ["revoke", "disable", "report"] {
        let receiver = Receiver::start(&["204 No Content"]);
        let hook = format!(
            "on_alert = \"{word}\"\n[[webhook]]\nname = \"ops\"\nurl = \"http://{}/hook\"\nsecret_file = \"secret\"\n\
             networks = [\"127.0.0.0/8\"]\nevents = [\"key.leaked\"]\n",
            receiver.address
        );
        let scene = Scene::start(&hook);
        let key = scene.issue();
        let grace = Rotation { grace: std::time::Duration::from_hours(1), expires_at: None };
        let now = Act { at: wall(), ..act() };
        let rotated =
            scene.site.store().rotate(key.record.id, grace, &Peppers::default(), &now, &mut rand::rng());
        let successor = rotated.unwrap().new;
        assert_eq!(scene.send("github", &alert(&key)).0, 200);
        let id = successor.record.id.to_string();
        scene.process.until_it_says(&format!("{id} replaced one of them and still works"));
        until("it is told", || !receiver.events("key.leaked").is_empty());
        let data = &receiver.events("key.leaked")[0]["data"];
        assert_eq!(
            (&data["key_ids"], &data["successors"]),
            (&json!([key.record.id.to_string()]), &json!([id]))
        );
        assert_eq!(scene.state(&successor), State::Enabled, "it may be its holder's: a person has to look");
    }
}

/// Whoever can reach the endpoint can send half of something: that must not be a way to go unnoticed with a key.
#[test]
fn who_only_promises_an_alert_keeps_nobody_elses_out() {
    let scene = Scene::start("");
    let key = scene.issue();
    let promise = |_| {
        let mut client = Client::tcp(scene.process.admin);
        client.send("POST /leaks HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\n\r\n{");
        client
    };
    let promised: Vec<Client> = (0..30).map(promise).collect();
    assert_eq!(scene.send("github", &alert(&key)).0, 200);
    assert!(matches!(scene.state(&key), State::Revoked { .. }));
    drop(promised);
}

#[test]
fn a_repeated_alert_acts_once() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("on_alert = \"disable\"\n");
    let key = scene.issue();
    let body = alert(&key);
    let (status, first) = scene.send("github", &body);
    assert_eq!((status, scene.state(&key)), (200, State::Disabled));
    scene.site.store().enable_key(key.record.id, &act()).unwrap();
    let (status, again) = scene.send("github", &body);
    assert_eq!((status, again), (200, first), "its sender may not have had the answer");
    assert_eq!(scene.state(&key), State::Enabled, "or somebody listened in");
    // Others sign the time, so that a second time is never theirs.
    let headers = shared_headers(wall().as_secs(), &body);
    assert_eq!(scene.post("/leaks", &headers, &body).0, 200);
    assert_eq!(scene.post("/leaks", &headers, &body).0, 409);
    let metrics = scene.process.ask_admin("/metrics").1;
    for line in [
        "kgate_leak_alerts_total{result=\"taken\",source=\"github\"} 1",
        "kgate_leak_alerts_total{result=\"repeated\",source=\"github\"} 1",
        "kgate_leak_alerts_total{result=\"repeated\",source=\"alert\"} 1",
        "kgate_leak_alert_keys_ended_total{source=\"github\"} 1",
        "kgate_leak_alert_keys_ended_total{source=\"alert\"} 1",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
}

#[test]
fn ten_thousand_tokens_are_dealt_with_and_more_are_refused() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("");
    let store = scene.site.store();
    let consumer = Site::consumer(&store);
    let mut tokens = Vec::new();
    store
        .issue_many(
            &new_key(consumer),
            600,
            &kgate::key::Peppers::default(),
            &act(),
            &mut rand::rng(),
            &mut |batch| {
                tokens.extend(batch.into_iter().map(|issued| issued.token.expose().to_owned()));
                std::ops::ControlFlow::Continue(())
            },
        )
        .unwrap();
    drop(store);
    tokens.resize_with(10_000, || {
        kgate::key::Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng()).expose().to_owned()
    });
    let body = |tokens: &[String]| {
        let list: Vec<Value> = tokens.iter().map(|t| json!({"token": t, "type": "k", "url": "u"})).collect();
        json!(list).to_string()
    };
    let (status, feedback) = scene.send("github", &body(&tokens));
    assert_eq!((status, feedback.as_array().unwrap().len()), (200, 10_000));
    let store = scene.site.store();
    let mut revoked = 0;
    store
        .keys(&mut |key| {
            revoked += usize::from(key.unwrap().status(wall()) == Status::Revoked);
            true
        })
        .unwrap();
    assert_eq!(revoked, 600);
    drop(store);
    tokens.push("one more".to_owned());
    assert_eq!(scene.send("github", &body(&tokens)).0, 413);
    let headers = "Github-Public-Key-Identifier: k1\r\nGithub-Public-Key-Signature: AAAA\r\n";
    let mut client = Client::tcp(scene.process.admin);
    client
        .send(format!("POST /leaks/github HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n{headers}\r\n"));
    assert_eq!(client.answer().status, 413);
    let mut client = Client::tcp(scene.process.admin);
    client.send(format!(
        "POST /leaks/github HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n{headers}\r\n0\r\n\r\n"
    ));
    assert_eq!(client.answer().status, 411);
}

/// As docs/leaks.md has it.
#[test]
fn a_public_route_can_lead_alerts_in_and_nothing_else() {
    if is_quick() {
        return;
    }
    let scene = Scene::start("");
    let key = scene.issue();
    let text = fs::read_to_string(scene.site.config_path()).unwrap();
    let route = format!(
        "\n[[upstream]]\nname = \"leaks\"\nservers = [\"{}\"]\n\n[[route]]\nname = \"leaks\"\n\
         path = \"/leaks/github\"\nmethods = [\"POST\"]\npublic = true\nupstream = \"leaks\"\n",
        scene.process.admin
    );
    scene.site.configure(&format!("{text}{route}"));
    scene.process.until_it_says("configuration reloaded");
    let body = alert(&key);
    let signature = sign(scene.site.dir.path(), &body);
    let headers = format!("Github-Public-Key-Identifier: k1\r\nGithub-Public-Key-Signature: {signature}\r\n");
    let (status, feedback) = post_to(scene.process.address, "/leaks/github", &headers, &body);
    assert_eq!((status, feedback[0]["label"].as_str()), (200, Some("true_positive")));
    assert_eq!(scene.process.status(&key), 401);
    assert_eq!(post_to(scene.process.address, "/leaks", &headers, &body).0, 401, "no key, no way");
}

#[test]
fn without_a_configuration_there_are_no_such_endpoints() {
    let site = Site::new();
    let process = site.serve(&[]);
    let mut client = Client::tcp(process.admin);
    client.send("POST /leaks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 404);
}
