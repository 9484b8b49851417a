//! What would become of a request: the same answer from the command line, the admin listener and, when
//! it is made, the gateway; and nothing is spent by asking.

use kgate::verify::wall;
use serde_json::{Value, json};

use crate::admin::{Api, Scene};
use crate::harness::Client;
use crate::process::{CONFIG, Site};

/// Asks the admin API.
fn explain(viewer: &Api, body: &str) -> (u16, Value) {
    post(viewer, "application/json", body)
}

fn post(viewer: &Api, content_type: &str, body: &str) -> (u16, Value) {
    let answer = viewer.post_as("/v1/explain", content_type, body);
    (answer.status, answer.json())
}

fn scene() -> Scene {
    let config = CONFIG
        .replace("\"1000000/s\" }", "\"3/h\" }, { name = \"all\", rate = \"100/h\", per = \"consumer\" }")
        .replace("path = \"/**\"", "path = \"/**\"\nmethods = [\"GET\"]");
    Scene::with(&config)
}

#[test]
fn the_running_gateway_explains_with_its_counts_and_spends_nothing() {
    let scene = scene();
    let site = &scene.site;
    let issued = Site::issue(&site.store());
    let id = issued.record.id.to_string();
    let (process, viewer) = (&scene.process, &scene.viewer);
    let body = json!({"path": "/a/%62?c=1", "key_id": id, "ip": "192.0.2.1"}).to_string();
    for _ in 0..5 {
        let (status, account) = explain(viewer, &body);
        assert_eq!((status, &account["verdict"]), (200, &json!("allow")), "{account}");
        assert_eq!(account["limits"][0]["remaining"], 2, "asking spends nothing");
        assert_eq!(account["limits"][1]["remaining"], 99);
        assert_eq!((&account["counts"], &account["decided_by"]), (&json!("live"), &json!("limit")));
    }
    let (_, account) = explain(viewer, &body);
    let forward = &account["forward"];
    assert_eq!((&forward["upstream"], &forward["target"]), (&json!("echo"), &json!("/a/b?c=1")));
    assert_eq!(forward["headers"]["x-key-id"], json!(id));
    assert_eq!(forward["headers"]["x-consumer-name"], "Acme Corp");
    // What was said is what the backend then gets.
    let mut client = Client::tcp(process.address);
    client.send(crate::harness::request("GET", "/a/%62?c=1", &issued.token));
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    for (name, value) in forward["headers"].as_object().unwrap() {
        assert_eq!(answer.seen(name), [value.as_str().unwrap()], "{name}");
    }
    let (_, account) = explain(viewer, &body);
    assert_eq!(account["limits"][0]["remaining"], 1, "what was spent shows");
    for _ in 0..2 {
        assert_eq!(process.status(&issued), 200);
    }
    let (_, account) = explain(viewer, &body);
    let said = (&account["verdict"], &account["status"], &account["decided_by"], &account["reason"]);
    assert_eq!(said, (&json!("deny"), &json!(429), &json!("limit"), &json!("limited")));
    assert!(account["limits"][0]["retry_after_seconds"].as_f64().unwrap() > 0.0, "{account}");
    assert_eq!(account["forward"], Value::Null);
    // A change shows in the next answer.
    site.run(&["key", "revoke", &id, "--yes"]);
    let (_, account) = explain(viewer, &body);
    assert_eq!((&account["reason"], &account["status"]), (&json!("revoked"), &json!(401)));
}

/// What of a quota was not fetched yet is left of it all the same.
#[test]
fn a_quota_is_told_as_if_it_had_been_asked_for() {
    let scene = Scene::with(&CONFIG.replace("rate = \"1000000/s\"", "quota = \"9/month\""));
    let month = || wall().to_string()[..7].to_owned();
    loop {
        let begins = month();
        let issued = Site::issue(&scene.site.store());
        let body = json!({"path": "/a", "key_id": issued.record.id.to_string()}).to_string();
        let told: Vec<_> = (0..10)
            .map(|_| {
                let (_, account) = explain(&scene.viewer, &body);
                let remaining = account["limits"][0]["remaining"].as_u64();
                (account["verdict"].clone(), remaining, scene.process.status(&issued))
            })
            .collect();
        if month() == begins {
            let allowed = (0..9).map(|used| (json!("allow"), Some(8 - used), 200));
            assert_eq!(told, allowed.chain([(json!("deny"), Some(0), 429)]).collect::<Vec<_>>());
            return;
        }
    }
}

#[test]
fn what_is_no_question_is_refused_and_not_repeated() {
    let scene = scene();
    let site = &scene.site;
    let issued = Site::issue(&site.store());
    let token = issued.token.expose();
    let viewer = &scene.viewer;
    for body in [
        "{}".to_owned(),
        "[]".to_owned(),
        r#"{"path": 7}"#.to_owned(),
        r#"{"path": "/", "ip": "nowhere"}"#.to_owned(),
        format!(r#"{{"path": "/", "token": "{token}"}}"#),
        format!(r#"{{"path": "/", "{token}": 1}}"#),
        format!(r#"{{"path": "/", "key_id": "{token}"}}"#),
    ] {
        let (status, answer) = explain(viewer, &body);
        assert_eq!(status, 400, "{body}: {answer}");
        assert!(!answer.to_string().contains(token), "{answer}");
    }
    assert_eq!(post(viewer, "text/plain", r#"{"path":"/"}"#).0, 415, "no page of a browser can ask");
    let (status, account) = explain(viewer, r#"{"path": "/", "method": "DELETE"}"#);
    assert_eq!((status, &account["status"]), (200, &json!(405)));
    let (_, account) = explain(viewer, r#"{"path": "/"}"#);
    assert_eq!(account["reason"], "no_credential");
}

#[test]
fn the_command_says_the_same_but_for_the_counts() {
    let scene = scene();
    let site = &scene.site;
    let issued = Site::issue(&site.store());
    let id = issued.record.id.to_string();
    let viewer = &scene.viewer;
    for (method, path, key) in [
        ("GET", "/a/%62?c=1", Some(&id)),
        ("PUT", "/", Some(&id)),
        ("GET", "/a/../b", Some(&id)),
        ("GET", "/", None),
    ] {
        let mut args = vec!["explain", method, path, "--json", "--ip", "192.0.2.1"];
        args.extend(key.iter().flat_map(|id| ["--key-id", id.as_str()]));
        let output = site.command(&args).output().unwrap();
        let mut said: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        let question = json!({"method": method, "path": path, "key_id": key, "ip": "192.0.2.1"});
        let (_, mut live) = explain(viewer, &question.to_string());
        assert_eq!(output.status.code(), Some(i32::from(live["verdict"] != "allow")), "{live}");
        assert_eq!((said["counts"].take(), live["counts"].take()), (json!("unknown"), json!("live")));
        assert!(said["forward"]["headers"].get("x-ratelimit-remaining").is_none(), "{said}");
        for limit in said["limits"].as_array().unwrap() {
            assert!(limit["remaining"].is_null(), "nobody knows here: {limit}");
        }
        for account in [&mut said, &mut live] {
            account["limits"].take();
            // Not told where it is not known: the number would be made up.
            if let Some(headers) = account["forward"]["headers"].as_object_mut() {
                headers.remove("x-ratelimit-remaining");
            }
        }
        assert_eq!(said, live);
    }
    let text =
        String::from_utf8(site.command(&["explain", "GET", "/x", "--key-id", &id]).output().unwrap().stdout);
    let text = text.unwrap();
    for part in ["verdict", "allow", "forward to", "`echo`", "x-key-id", "counts", "not known here"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    // A key itself is refused without being repeated.
    let output = site.command(&["explain", "GET", "/", "--key-id", issued.token.expose()]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(said.contains("kgate key verify") && !said.contains(issued.token.expose()), "{said}");
    let unknown =
        site.command(&["explain", "GET", "/", "--key-id", "key_00000000000000000000000000"]).output();
    assert_eq!(unknown.unwrap().status.code(), Some(1));
}

/// The certificate a client would show is part of the question: by a name in it, or as its file.
#[test]
fn a_route_that_takes_certificates_is_asked_about_with_and_without() {
    let partners =
        CONFIG.replace("upstream = \"echo\"", "upstream = \"echo\"\nclient_certificates = [\"cn:partner\"]");
    let listen = "proxy = [\"127.0.0.1:0\", { address = \"127.0.0.2:0\", tls = { certificate = \"cert.pem\", key = \"key.pem\", \
                  client_certificates = \"optional\", client_ca = \"ca.pem\" } }]";
    let site = Site::with(CONFIG);
    let dir = &site.dir.path().to_owned();
    site.run(&["tls", "self-signed", "--dir", dir.to_str().unwrap()]);
    let office = crate::downstream::Office::open(dir);
    office.issue("partner", "partner", &[], 2100);
    office.issue("other", "other", &[], 2100);
    office.issue("old", "partner", &[], 2021);
    site.configure(&partners.replace("proxy = [\"127.0.0.1:0\"]", listen));
    let issued = Site::issue(&site.store());
    let id = issued.record.id.to_string();
    let scene = Scene::of(site);
    for (names, reason) in [
        (json!(["cn:partner", "dns:partner.example.com"]), Value::Null),
        (json!(["dns:partner"]), json!("client_certificate")),
        (json!(["cn:other"]), json!("client_certificate")),
        (json!([]), json!("client_certificate")),
    ] {
        let question = json!({"path": "/a", "key_id": id, "client_certificate": names});
        let (status, account) = explain(&scene.viewer, &question.to_string());
        assert_eq!((status, &account["reason"]), (200, &reason), "{names}");
        let step = account["steps"].as_array().unwrap().iter().find(|s| s["step"] == "certificate").unwrap();
        assert_eq!(step["passed"], reason.is_null(), "{step}");
    }
    for bad in [r#"["partner"]"#, r#"["cn:"]"#, r#""cn:partner""#, "[7]"] {
        let (status, answer) =
            explain(&scene.viewer, &format!(r#"{{"path": "/a", "client_certificate": {bad}}}"#));
        assert!(status == 400 && answer.to_string().contains("/client_certificate"), "{answer}");
    }
    let file = |name: &str| dir.join(name).display().to_string();
    let token = dir.join("token");
    std::fs::write(&token, issued.token.expose()).unwrap();
    for (shown, code) in [
        (vec!["cn:partner".to_owned()], 0),
        (vec!["cn:other".to_owned(), "cn:partner".to_owned()], 0),
        (vec![file("partner.pem")], 0),
        (vec![file("other.pem")], 1),
        // What has expired names nobody.
        (vec![file("old.pem")], 1),
        (vec![], 1),
        (vec!["partner".to_owned()], 2),
        (vec![file("partner.key")], 2),
    ] {
        let shown: Vec<&str> = shown.iter().flat_map(|one| ["--client-certificate", one]).collect();
        let explained =
            scene.site.command(&[&["explain", "GET", "/a", "--key-id", &id], &shown[..]].concat()).output();
        let explained = explained.unwrap();
        let said = String::from_utf8_lossy(&explained.stderr);
        assert_eq!(explained.status.code(), Some(code), "{shown:?}: {said}");
        assert!(code != 2 || said.contains("neither a name such as `cn:NAME`"), "{said}");
        let mut verify = scene.site.command(&[&["key", "verify", "--path", "/a"], &shown[..]].concat());
        let verified = verify.stdin(std::fs::File::open(&token).unwrap()).output().unwrap();
        assert_eq!(verified.status.code(), Some(code), "{shown:?}");
    }
}
