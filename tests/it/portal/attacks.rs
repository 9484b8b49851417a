//! What others try on the portal, each against a running server.

use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use kgate::key::Role;
use kgate::store::NewConsumer;
use socket2::{Domain, Socket, Type};

use super::{Scene, admin_key, text};
use crate::harness::{act, now};

const SCRIPT: &str = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";

#[test]
fn nothing_from_data_is_markup() {
    let scene = Scene::new();
    let new = NewConsumer {
        name: SCRIPT.into(),
        plan: Some(SCRIPT.into()),
        external_id: Some(SCRIPT.into()),
        ..NewConsumer::default()
    };
    let consumer = scene.site.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap().id;
    let mut browser = scene.signed_in(consumer);
    browser.create(SCRIPT);
    let path = browser.keys().pop().unwrap();
    // A browser that says it is a script signs in, too.
    let code = scene.invite(consumer);
    let mut other = scene.nobody();
    let body = format!("code={code}");
    let head = format!(
        "POST /invite HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nUser-Agent: {SCRIPT}\r\nContent-Type: application/x-www-form-urlencoded\r\n",
        other.address
    );
    assert_eq!(other.send(&head, &body).status, 303);
    for page in [
        "/keys",
        path.as_str(),
        "/usage",
        "/account",
        "/keys/new",
        "/keys?cursor=%22%3E%3Cscript%3E",
        "/%3Cscript%3E",
    ] {
        let text = text(&browser.get(page));
        assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "{page}: {text}");
    }
    assert!(browser.page("/account").contains("&lt;script&gt;"));
    let mut operator = scene.operator(Role::Admin);
    for page in ["/operator/access", &format!("/operator/consumers/{consumer}"), "/operator/audit"] {
        let text = operator.page(page);
        assert!(!text.contains("<script>alert") && !text.contains("<img src=x"), "{page}: {text}");
    }
    assert!(operator.page("/operator/access").contains("&lt;script&gt;"));
}

#[test]
fn every_page_says_that_nobody_may_frame_keep_or_extend_it() {
    let scene = Scene::new();
    let mut browser = scene.signed_in(scene.consumer("Acme"));
    for path in ["/keys", "/sign-in", "/nowhere", "/account", "/"] {
        let answer = browser.get(path);
        let policy = answer.header("content-security-policy").unwrap_or_default().to_owned();
        for part in ["default-src 'none'", "frame-ancestors 'none'", "form-action 'self'", "base-uri 'none'"]
        {
            assert!(policy.contains(part), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{path}");
        assert_eq!(answer.header("referrer-policy"), Some("same-origin"), "{path}");
        let page = text(&answer);
        assert!(!page.contains("style=\"") && !page.contains(" onclick"), "{path}");
    }
}

#[test]
fn a_form_of_another_site_does_nothing() {
    let scene = Scene::new();
    let mut browser = scene.signed_in(scene.consumer("Acme"));
    let csrf = browser.csrf();
    let once = "0123456789abcdef0123456789abcdef";
    let good = [("csrf", csrf.as_str()), ("once", once), ("name", "x"), ("type", "live"), ("expires", "7d")];
    let ours = format!("http://{}", browser.address);
    for (origin, csrf) in [
        ("https://evil.example", csrf.as_str()),
        ("null", csrf.as_str()),
        (&ours, ""),
        (&ours, &"0".repeat(64)),
    ] {
        let mut fields = good;
        fields[0].1 = csrf;
        assert_eq!(browser.post_from("/keys", origin, &fields).status, 403, "{origin} {csrf}");
    }
    // The code of one session is not that of another.
    let mut other = scene.signed_in(scene.consumer("Other"));
    assert_eq!(other.post("/keys", &good).status, 403);
    assert!(browser.keys().is_empty() && other.keys().is_empty());
    assert_eq!(browser.post("/keys", &good).status, 201);
    // Sent again it makes no second one, and shows nothing.
    let again = browser.post("/keys", &good);
    assert_eq!((again.status, super::token(&text(&again))), (200, None));
    assert_eq!(browser.keys().len(), 1);
    // Nor may anybody make more than they may, or of what they may not.
    for change in [("expires", "31d"), ("expires", "never"), ("type", "other"), ("scope", "admin:all")] {
        let mut fields: Vec<_> = good.iter().copied().filter(|(name, _)| *name != change.0).collect();
        fields.push(change);
        assert_eq!(browser.post("/keys", &fields).status, 422, "{change:?}");
    }
}

#[test]
fn another_host_name_gets_nothing() {
    let scene = Scene::new();
    let mut browser = scene.signed_in(scene.consumer("Acme"));
    for host in ["evil.example", "localhost.evil.example", "127.0.0.1.evil.example"] {
        assert_eq!(
            browser.send(&format!("GET /keys HTTP/1.1\r\nHost: {host}\r\n"), "").status,
            421,
            "{host}"
        );
    }
}

#[test]
fn a_link_lets_in_once_and_a_session_ends_when_it_must() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme");
    let code = scene.invite(acme);
    let mut browser = scene.nobody();
    // Looking does not use it up; a session given beforehand is not taken over.
    browser.get("/invite");
    browser.cookie = Some(format!("kgate_portal={acme}.kgate_session_chosen_by_somebody"));
    let planted = browser.cookie.clone();
    assert_eq!(browser.post("/invite", &[("code", &code)]).status, 303);
    assert!(browser.cookie.is_some() && browser.cookie != planted);
    let mut second = scene.nobody();
    assert_eq!(second.post("/invite", &[("code", &code)]).status, 422);
    // Signing in again makes another session and ends this one.
    let before = browser.cookie.clone();
    assert_eq!(browser.post("/invite", &[("code", &scene.invite(acme))]).status, 303);
    let mut old = super::Browser { address: browser.address, cookie: before };
    assert_eq!(old.get("/keys").status, 303);
    assert_eq!(browser.get("/keys").status, 200);
    // Switched off is out, with the next page.
    scene.site.run(&["consumer", "disable", &acme.to_string()]);
    assert_eq!(browser.get("/keys").status, 303);
    scene.site.run(&["consumer", "enable", &acme.to_string()]);
    scene.site.run(&["portal", "sign-out", &acme.to_string()]);
    assert_eq!(browser.get("/keys").status, 303);
    // An admin key that is revoked is out, too.
    let mut operator = scene.operator(Role::Admin);
    assert_eq!(operator.get("/operator").status, 200);
    let store = scene.site.store();
    let key = store.admin_keys().unwrap().pop().unwrap().unwrap();
    store.revoke_admin_key(key.id, &act()).unwrap();
    assert_eq!(operator.get("/operator").status, 303);
}

#[test]
fn an_address_that_guesses_is_refused_even_what_is_right() {
    assert!(
        (0..5).any(|_| guesses_are_refused()),
        "one attempt is forgotten in six seconds, and the machine too busy"
    );
}

/// Says whether it was tried before the first attempt was forgotten.
fn guesses_are_refused() -> bool {
    let scene = Scene::new();
    let key = admin_key(&scene.site.store(), Role::Admin);
    let code = scene.invite(scene.consumer("Acme"));
    let (mut browser, began) = (scene.nobody(), now());
    for attempt in 0..10 {
        let answer = browser.post("/sign-in", &[("admin_key", &format!("kgate_admin_{attempt}"))]);
        assert_eq!(answer.status, 422, "{attempt}");
    }
    let right = [("/sign-in", "admin_key", &key), ("/invite", "code", &code)];
    let statuses = right.map(|(page, name, value)| browser.post(page, &[(name, value)]).status);
    if began.elapsed() > Duration::from_secs(5) {
        return false;
    }
    assert_eq!((statuses, browser.cookie), ([429, 429], None));
    true
}

#[test]
fn one_address_cannot_keep_everybody_out() {
    let scene = Scene::new();
    for door in [scene.process.portal.unwrap(), scene.process.admin] {
        let stranger = || {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
            socket.bind(&SocketAddr::from(([127, 0, 0, 9], 0)).into()).unwrap();
            socket.connect(&door.into()).unwrap();
            let mut stream = TcpStream::from(socket);
            // As many as are too many may be closed before.
            let _ = stream.write_all(b"GET / HTTP/1.1\r\nHost: ");
            stream
        };
        let held: Vec<TcpStream> = (0..520).map(|_| stranger()).collect();
        let mut browser = super::Browser { address: door, cookie: None };
        assert!([200, 404].contains(&browser.get("/sign-in").status));
        drop(held);
    }
}

/// A program behind an identity proxy that keeps no cookie would be signed in with each of its requests.
#[test]
fn whoever_forgets_his_session_each_time_fills_no_log() {
    let scene = Scene::with("identity_proxy = { header = \"X-Auth-User\", from = [\"127.0.0.1\"] }");
    for who in ["acme-1", "other"] {
        let new = NewConsumer { name: who.into(), external_id: Some(who.into()), ..NewConsumer::default() };
        scene.site.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap();
    }
    let head = |who: &str| {
        format!("GET /keys HTTP/1.1\r\nHost: {}\r\nX-Auth-User: {who}\r\n", scene.nobody().address)
    };
    let mut browser = scene.nobody();
    assert_eq!(browser.send(&head("acme-1"), "").status, 200);
    let statuses: Vec<u16> = (0..40).map(|_| scene.nobody().send(&head("acme-1"), "").status).collect();
    assert_eq!((statuses[0], statuses[39]), (200, 429), "{statuses:?}");
    let rows = scene.site.command(&["audit", "--json", "-n", "200"]).output().unwrap();
    let rows: serde_json::Value = serde_json::from_slice(&rows.stdout).unwrap();
    let signed_in = rows.as_array().unwrap().iter().filter(|row| row["action"] == "portal.signed_in").count();
    assert!(signed_in <= 20, "{signed_in}");
    // It costs nobody else anything, and not even a browser of theirs that is signed in.
    assert_eq!(scene.nobody().send(&head("other"), "").status, 200);
    assert_eq!(browser.send(&head("acme-1"), "").status, 200);
}

#[test]
fn an_identity_proxy_is_believed_from_its_address_alone() {
    let scene = Scene::with("identity_proxy = { header = \"X-Auth-User\", from = [\"127.0.0.1\"] }");
    let new =
        NewConsumer { name: "Acme".into(), external_id: Some("acme-1".into()), ..NewConsumer::default() };
    scene.site.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap();
    let mut browser = scene.nobody();
    let head = |who: &str| format!("GET /keys HTTP/1.1\r\nHost: {}\r\n{who}", browser.address);
    let (said, twice, wrong, none) = (
        head("X-Auth-User: acme-1\r\n"),
        head("X-Auth-User: acme-1\r\nX-Auth-User: acme-1\r\n"),
        head("X-Auth-User: Acme\r\n"),
        head(""),
    );
    for head in [&twice, &wrong, &none] {
        assert_eq!(browser.send(head, "").status, 303, "{head}");
    }
    assert_eq!(browser.send(&said, "").status, 200);
    assert!(browser.cookie.is_some());
    assert_eq!(browser.send(&said, "").status, 200);
    // The cookie alone, without the proxy's word, is nothing.
    assert_eq!(browser.send(&none, "").status, 303);
    drop(scene);
    let scene = Scene::with("identity_proxy = { header = \"X-Auth-User\", from = [\"192.0.2.1\"] }");
    scene.site.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap();
    let mut browser = scene.nobody();
    let head = format!("GET /keys HTTP/1.1\r\nHost: {}\r\nX-Auth-User: acme-1\r\n", browser.address);
    assert_eq!(browser.send(&head, "").status, 303);
}
