//! What pages do and refuse, over real sockets.

use kgate::key::Role;
use kgate::portal::{Guard, places};
use kgate::store::{AuditRow, Via};

use super::{Scene, text, token};

#[test]
fn a_consumer_makes_uses_rotates_and_revokes_a_key() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let mut browser = scene.signed_in(acme);
    assert!(browser.page("/keys").contains("You have no keys yet"));
    let old = browser.create("billing");
    assert_eq!(scene.gateway(&old), 200);
    let path = browser.keys().pop().unwrap();
    // Only a hint is shown from now on.
    for page in ["/keys", &path, "/usage", "/account"] {
        assert!(!browser.page(page).contains(&old), "{page}");
    }
    let answer = browser.submit(&path, &format!("{path}/rotate"), &[("grace", "1d")]);
    let new = token(&text(&answer)).unwrap_or_else(|| panic!("{}", text(&answer)));
    assert_eq!((scene.gateway(&old), scene.gateway(&new)), (200, 200));
    // What is replaced cannot be replaced again, and is ended by typing how it ends.
    assert!(!browser.page(&path).contains("/rotate\""));
    let answer = browser.submit(&path, &format!("{path}/revoke"), &[("confirm", "nope")]);
    assert_eq!(answer.status, 422);
    assert!(text(&answer).contains("Nothing was done"));
    assert_eq!(scene.gateway(&old), 200);
    let answer = browser.submit(&path, &format!("{path}/revoke"), &[("confirm", &old[old.len() - 4..])]);
    assert_eq!(answer.status, 303);
    assert_eq!((scene.gateway(&old), scene.gateway(&new)), (401, 200));
    assert!(browser.page("/keys?show=ended").contains("revoked"));
    // Each act says who did it.
    let store = scene.site.store();
    let rows: Vec<AuditRow> = store.audit_tail(5).unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.action.name()).collect();
    assert_eq!(names, ["portal.invited", "portal.signed_in", "key.issued", "key.rotated", "key.revoked"]);
    for row in &rows[1..] {
        assert_eq!(row.actor.via, Via::Portal);
        assert_eq!(row.actor.user, format!("{acme} (Acme Corp)"));
        assert_eq!(row.note.as_deref(), Some("from 127.0.0.1"));
    }
}

#[test]
fn every_page_asks_for_who_may_see_it() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let (mut consumer, mut viewer) = (scene.signed_in(acme), scene.operator(Role::Viewer));
    let mut nobody = scene.nobody();
    for place in places() {
        let path = super::operator::concrete(place.path);
        let ask = |browser: &mut super::Browser| match place.method.as_str() {
            "GET" => browser.get(&path).status,
            _ => browser.post(&path, &[]).status,
        };
        let is_get = place.method == "GET";
        if place.guard != Guard::Anybody {
            assert_eq!(ask(&mut nobody), if is_get { 303 } else { 401 }, "{place:?}");
        }
        match place.guard {
            Guard::Consumer => assert_eq!(ask(&mut viewer), 404, "{place:?}"),
            Guard::Operator(role) => {
                assert_eq!(ask(&mut consumer), 404, "{place:?}");
                if role > Role::Viewer {
                    assert_eq!(ask(&mut viewer), 403, "{place:?}");
                }
            }
            Guard::Anybody | Guard::SignedIn => {}
        }
        // A form without the code of its session is nobody's.
        if !is_get && matches!(place.guard, Guard::Consumer | Guard::SignedIn) {
            assert_eq!(ask(&mut consumer), 403, "{place:?}");
        }
    }
    assert!(viewer.page("/operator").contains("Overview"));
}

#[test]
fn a_key_of_somebody_else_is_one_that_is_not_there() {
    let scene = Scene::new();
    let (acme, evil) = (scene.consumer("Acme Corp"), scene.consumer("Evil Inc"));
    let mut victim = scene.signed_in(acme);
    let token = victim.create("billing");
    let path = victim.keys().pop().unwrap();
    let mut thief = scene.signed_in(evil);
    let csrf = thief.csrf();
    let nothing = "/keys/key_01jq0000000000000000000000";
    let confirm = &token[token.len() - 4..];
    let once = "0123456789abcdef0123456789abcdef";
    for fields in [&[("confirm", confirm)][..], &[("grace", "1h"), ("once", once)]] {
        for act in ["revoke", "rotate"] {
            let all: Vec<_> = [("csrf", csrf.as_str())].into_iter().chain(fields.iter().copied()).collect();
            let theirs = thief.post(&format!("{path}/{act}"), &all);
            let none = thief.post(&format!("{nothing}/{act}"), &all);
            assert_eq!((theirs.status, none.status), (404, 404));
            assert_eq!(theirs.body, none.body);
        }
    }
    assert_eq!(thief.get(&path).body, thief.get(nothing).body);
    assert!(thief.keys().is_empty() && !thief.page("/usage").contains("billing"));
    assert_eq!(scene.gateway(&token), 200);
}

#[test]
fn whoever_is_signed_in_can_sign_in_anew_and_is_then_nobody_else() {
    let scene = Scene::new();
    let (acme, other) = (scene.consumer("Acme Corp"), scene.consumer("Other Ltd"));
    let mut browser = scene.signed_in(acme);
    browser.create("billing");
    let before = super::Browser { address: browser.address, cookie: browser.cookie.clone() };
    let code = scene.invite(other);
    assert_eq!(browser.submit("/invite", "/invite", &[("code", &code)]).status, 303);
    assert!(browser.page("/account").contains("Other Ltd") && browser.keys().is_empty());
    let mut before = before;
    assert_eq!(before.get("/keys").status, 303, "the session before is over");
}
