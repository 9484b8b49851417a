//! What operators do and are refused, over real sockets.

use kgate::key::{KeyId, Role, State};
use kgate::portal::{Guard, places};
use kgate::store::{AuditRow, NewConsumer, Via};

use super::{Browser, Scene, text, token};
use crate::harness::{act, new_key};
use crate::process::Site;

const KEY: &str = "/operator/keys/key_01jq0000000000000000000000";

/// Returns the path an answer leads to.
fn led(answer: &crate::harness::Answer) -> String {
    assert_eq!(answer.status, 303, "{}", text(answer));
    answer.header("location").unwrap_or_default().to_owned()
}

/// Puts something into what varies in a path.
pub(super) fn concrete(path: &str) -> String {
    path.replace("{key}", "key_01jq0000000000000000000000")
        .replace("{consumer}", "cust_01jq0000000000000000000000")
        .replace("{admin_key}", "akey_01jq0000000000000000000000")
}

impl Scene {
    /// Issues a key for a consumer and returns its page and token.
    fn key(&self, holder: kgate::key::ConsumerId, name: &str) -> (String, String) {
        let mut new = new_key(holder);
        name.clone_into(&mut new.name);
        let peppers = kgate::key::Peppers::default();
        let issued = self.site.store().issue(&new, &peppers, &act(), &mut rand::rng()).unwrap();
        (format!("/operator/keys/{}", issued.record.id), issued.token.expose().to_owned())
    }
}

#[test]
fn an_operator_makes_a_consumer_and_a_key_and_ends_them() {
    let scene = Scene::new();
    let mut browser = scene.operator(Role::Operator);
    assert!(browser.page("/operator/consumers").contains("There are no consumers yet"));
    let fields =
        [("name", "Acme Corp"), ("external_id", "acme-1"), ("tags", "gold\neu"), ("metadata", "tier = gold")];
    let answer = browser.submit("/operator/consumers/new", "/operator/consumers", &fields);
    let consumer = led(&answer);
    let shown = browser.page(&consumer);
    for part in ["Acme Corp", "acme-1", "gold", "tier", "It has no keys"] {
        assert!(shown.contains(part), "{part}");
    }
    let fields = [("consumer", "acme-1"), ("name", "billing"), ("scopes", "products:read\nproducts:write")];
    let answer = browser.submit("/operator/keys/new", "/operator/keys", &fields);
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let old = token(&text(&answer)).expect("the token of the new key");
    assert_eq!(scene.gateway(&old), 200);
    // The token is in that one page.
    let list = browser.page("/operator/keys?name=BILL");
    let key = list.split("href=\"").find(|rest| rest.starts_with("/operator/keys/key_")).expect("a key");
    let key = key.split('"').next().unwrap().to_owned();
    for page in [&key, &consumer, "/operator/keys", "/operator/audit"] {
        assert!(!browser.page(page).contains(&old), "{page}");
    }
    let answer = browser.submit(&format!("{key}/disable"), &format!("{key}/disable"), &[("note", "T-1")]);
    assert_eq!((led(&answer), scene.gateway(&old)), (key.clone(), 401));
    let answer = browser.submit(&format!("{key}/enable"), &format!("{key}/enable"), &[]);
    assert_eq!((led(&answer), scene.gateway(&old)), (key.clone(), 200));
    let rotate = format!("{key}/rotate");
    let answer = browser.submit(&rotate, &rotate, &[("grace", "1d")]);
    let new = token(&text(&answer)).unwrap_or_else(|| panic!("{}", text(&answer)));
    assert_eq!((scene.gateway(&old), scene.gateway(&new)), (200, 200));
    assert!(browser.page("/operator/rotations").contains("billing"));
    let revoke = format!("{key}/revoke");
    let answer = browser.submit(&revoke, &revoke, &[("confirm", "nope"), ("reason", "leak")]);
    assert_eq!((answer.status, scene.gateway(&old)), (422, 200));
    let answer = browser.submit(&revoke, &revoke, &[("confirm", &old[old.len() - 4..]), ("reason", "leak")]);
    assert_eq!((led(&answer), scene.gateway(&old), scene.gateway(&new)), (key.clone(), 401, 200));
    assert!(browser.page(&key).contains("Whoever uses it gets 401"));
    // Its consumer goes, and the key that is left with it.
    let delete = format!("{consumer}/delete");
    assert!(browser.page(&delete).contains("1 key of it will be revoked"));
    assert_eq!(browser.submit(&delete, &delete, &[("confirm", "Acme")]).status, 422);
    let answer = browser.submit(&delete, &delete, &[("confirm", "Acme Corp")]);
    assert_eq!((led(&answer), scene.gateway(&new)), ("/operator/consumers".to_owned(), 401));
    // Each act says who did it, through which door, and in whose words why.
    let rows: Vec<AuditRow> = scene.site.store().audit_tail(7).unwrap();
    let names: Vec<&str> = rows.iter().map(|row| row.action.name()).collect();
    assert_eq!(
        names,
        [
            "consumer.created",
            "key.issued",
            "key.disabled",
            "key.enabled",
            "key.rotated",
            "key.revoked",
            "consumer.deleted"
        ]
    );
    assert!(rows.iter().all(|row| row.actor.via == Via::Portal && row.actor.user.contains("test operator")));
    assert_eq!(rows[2].note.as_deref(), Some("T-1 (from 127.0.0.1)"));
}

#[test]
fn no_page_of_operators_is_for_anybody_else_or_for_too_small_a_role() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let (mut nobody, mut consumer) = (scene.nobody(), scene.signed_in(acme));
    let mut by_role = Role::ALL.map(|role| (role, scene.operator(role)));
    let (their_csrf, revision) = (consumer.csrf(), scene.site.store().audit_tail(1).unwrap()[0].number);
    let csrf = by_role.each_mut().map(|(_, browser)| browser.operators_csrf());
    let mut tried = 0;
    for place in places() {
        let Guard::Operator(needed) = place.guard else { continue };
        let (path, is_get) = (concrete(place.path), place.method == "GET");
        // What changes something is no viewer's, but for their own sessions.
        let only_asks = ["/operator/keys/find", "/operator/access/mine"].contains(&place.path);
        assert!(is_get || only_asks || needed >= Role::Operator, "{place:?}");
        let ask = |browser: &mut Browser, csrf: &str| {
            if is_get { browser.get(&path).status } else { browser.post(&path, &[("csrf", csrf)]).status }
        };
        assert_eq!(ask(&mut nobody, ""), if is_get { 303 } else { 401 }, "{place:?}");
        assert_eq!(ask(&mut consumer, &their_csrf), 404, "{place:?}");
        for ((role, browser), csrf) in by_role.iter_mut().zip(&csrf) {
            let status = ask(browser, csrf);
            assert_eq!(status == 403, *role < needed, "{role} {place:?}: {status}");
            // A form without the code of its session is nobody's.
            if !is_get {
                assert_eq!(ask(browser, &their_csrf), 403, "{place:?}");
            }
        }
        tried += 1;
    }
    assert!(tried > 50, "{tried}");
    // Of what was sent with a role that suffices nothing was whole enough to be done, but a backup asks for nothing.
    let last = scene.site.store().audit_tail(1).unwrap().remove(0);
    assert_eq!((last.number, last.action.name()), (revision + 1, "store.backed_up"));
}

#[test]
fn a_viewer_is_shown_no_act() {
    let scene = Scene::new();
    let (key, _) = scene.key(scene.consumer("Acme Corp"), "billing");
    let mut viewer = scene.operator(Role::Viewer);
    let mut operator = scene.operator(Role::Operator);
    let consumer = viewer.page(&key);
    let consumer = consumer.split("href=\"").find(|rest| rest.starts_with("/operator/consumers/cust_"));
    let consumer = consumer.unwrap().split('"').next().unwrap().to_owned();
    for page in [&key, &consumer, "/operator/keys", "/operator/consumers", "/operator/access"] {
        for act in
            ["/edit\"", "/revoke\"", "/rotate\"", "/disable\"", "/delete\"", "/new", "/prune\"", "invite\""]
        {
            assert!(!viewer.page(page).contains(act), "{page} {act}");
        }
    }
    assert!(operator.page(&key).contains("/revoke\""));
}

#[test]
fn why_a_caller_is_refused_is_three_clicks_away() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let (key, _) = scene.key(acme, "billing");
    let mut browser = scene.operator(Role::Viewer);
    let list = browser.page("/operator/keys");
    assert!(list.contains(&key));
    let page = browser.page(&key);
    let try_it = format!("/operator/explain?key={}", key.rsplit('/').next().unwrap());
    // The third click is the answer.
    let third =
        page.split("href=\"").find(|rest| rest.starts_with(&try_it)).unwrap_or_else(|| panic!("{page}"));
    let third = third.split('"').next().unwrap().replace("&amp;", "&");
    assert!(browser.page(&third).contains("It would be let through"), "{third}");
    let allowed = browser.page(&format!("{try_it}&path=%2Fx&method=GET"));
    assert!(allowed.contains("It would be let through") && allowed.contains("echo"), "{allowed}");
    scene.site.store().disable_consumer(acme, &act()).unwrap();
    assert!(browser.page(&key).contains("Its consumer is switched off, so it gets 401"));
    let refused = browser.page(&format!("{try_it}&path=%2Fx&method=GET"));
    assert!(refused.contains("It would be refused with 401") && refused.contains("consumer_disabled"));
    // What cannot be asked is said beside its field.
    let answer = browser.get("/operator/explain?key=nonsense&path=%2Fx");
    assert_eq!(answer.status, 422);
    assert!(text(&answer).contains("aria-invalid=\"true\""));
}

#[test]
fn a_key_is_found_by_itself_its_end_and_its_identifier_and_is_never_shown() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let (key, token) = scene.key(acme, "billing");
    scene.key(acme, "other");
    let mut browser = scene.operator(Role::Viewer);
    let answer = browser.submit("/operator/keys/find", "/operator/keys/find", &[("token", &token)]);
    assert_eq!(led(&answer), key);
    let wrong = format!("{}x", &token[..token.len() - 1]);
    let answer = browser.submit("/operator/keys/find", "/operator/keys/find", &[("token", &wrong)]);
    assert_eq!(answer.status, 422);
    assert!(!text(&answer).contains(&wrong));
    let ends = &token[token.len() - 4..];
    let list = browser.page(&format!("/operator/keys?ends={ends}"));
    assert!(list.contains("billing") && !list.contains(">other<"), "{list}");
    let id = key.rsplit('/').next().unwrap();
    assert_eq!(led(&browser.get(&format!("/operator/keys?name={id}"))), key);
}

#[test]
fn what_comes_from_data_is_text_on_every_page() {
    let scene = Scene::new();
    let evil = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>";
    let new = NewConsumer {
        name: evil.to_owned(),
        external_id: Some(evil.to_owned()),
        contact: Some(evil.to_owned()),
        tags: [evil.to_owned()].into(),
        metadata: [("note".to_owned(), evil.to_owned())].into(),
        ..NewConsumer::default()
    };
    let consumer = scene.site.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap().id;
    let (key, _) = scene.key(consumer, evil);
    let mut browser = scene.operator(Role::Admin);
    let disable = format!("{key}/disable");
    led(&browser.submit(&disable, &disable, &[("note", evil)]));
    let encoded = "%3Cscript%3Ealert(1)%3C/script%3E%22%27%3E%3Cimg%20src=x%20onerror=alert(1)%3E";
    let mut pages: Vec<String> = Vec::new();
    for place in
        places().into_iter().filter(|place| place.method == "GET" && place.path.starts_with("/operator"))
    {
        let path = place
            .path
            .replace("{consumer}", &consumer.to_string())
            .replace("/operator/keys/{key}", &key)
            .replace("{admin_key}", "akey_01jq0000000000000000000000");
        pages.push(path);
    }
    for filtered in [
        "keys?name=",
        "keys?consumer=",
        "keys?tag=",
        "keys/new?consumer=",
        "consumers?name=",
        "consumers?external_id=",
        "audit?subject=",
        "audit?actor=",
        "explain?path=/&key=",
        "explain?path=",
        "keys/revoke?consumer=",
    ] {
        pages.push(format!("/operator/{filtered}{encoded}"));
    }
    for page in pages {
        let answer = browser.get(&page);
        let text = text(&answer);
        assert!(!text.contains("<script>") && !text.contains("<img src=x"), "{page}: {text}");
        assert!(!text.contains(" style=") && !text.contains("onclick"), "{page}");
        assert!(answer.status < 500, "{page}: {text}");
    }
}

#[test]
fn a_form_that_changed_meanwhile_changes_nothing() {
    let scene = Scene::new();
    let (key, _) = scene.key(scene.consumer("Acme Corp"), "billing");
    let mut browser = scene.operator(Role::Operator);
    let edit = format!("{key}/edit");
    let form = browser.page(&edit);
    let tag = form.split("name=\"tag\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    led(&browser.submit(&edit, &edit, &[("name", "first"), ("expires", "never")]));
    let csrf = browser.operators_csrf();
    let fields = [("csrf", csrf.as_str()), ("tag", &tag), ("name", "second"), ("expires", "never")];
    let answer = browser.post(&edit, &fields);
    assert_eq!(answer.status, 422, "{}", text(&answer));
    let id: KeyId = key.rsplit('/').next().unwrap().parse().unwrap();
    assert_eq!(scene.site.store().key(id).unwrap().name, "first");
}

#[test]
fn many_keys_are_revoked_after_their_number_was_typed() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let (first, token) = scene.key(acme, "one");
    let (second, _) = scene.key(acme, "two");
    let mut browser = scene.operator(Role::Operator);
    let path = "/operator/keys/revoke";
    let answer = browser.submit(path, path, &[("keys", &token), ("reason", "leak")]);
    let shown = text(&answer);
    assert!(shown.contains("1 key would be revoked") && !shown.contains(&token), "{shown}");
    assert_eq!(scene.gateway(&token), 200);
    let id = |page: &str| page.rsplit('/').next().unwrap().to_owned();
    let answer = browser.submit(path, path, &[("consumer", "Acme Corp"), ("confirm", "3")]);
    assert_eq!((answer.status, scene.gateway(&token)), (422, 200));
    let answer =
        browser.submit(path, path, &[("consumer", "Acme Corp"), ("confirm", "2"), ("reason", "leak")]);
    assert!(text(&answer).contains("2 keys were revoked"), "{}", text(&answer));
    assert_eq!(scene.gateway(&token), 401);
    for page in [first, second] {
        let key = scene.site.store().key(id(&page).parse().unwrap()).unwrap();
        assert!(matches!(key.state, State::Revoked { .. }));
    }
    assert!(browser.page("/operator/alerts").contains("key.revoked"));
}

#[test]
fn an_admin_makes_an_admin_key_and_a_link_and_signs_others_out() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let mut admin = scene.operator(Role::Admin);
    let fields = [("name", "Olga"), ("role", "operator")];
    let answer = admin.submit("/operator/access/new", "/operator/access", &fields);
    assert_eq!(answer.status, 201, "{}", text(&answer));
    let key = token(&text(&answer)).unwrap();
    let mut olga = scene.nobody();
    assert_eq!(olga.post("/sign-in", &[("admin_key", &key)]).status, 303);
    assert!(olga.page("/operator/access").contains("Olga"));
    // A link for a consumer is in the one page that made it.
    let invite = format!("/operator/consumers/{acme}/invite");
    let answer = olga.submit(&invite, &invite, &[("expires", "1d")]);
    let link = token(&text(&answer)).unwrap_or_else(|| panic!("{}", text(&answer)));
    let code = link.split_once('#').unwrap().1;
    assert!(!admin.page("/operator/audit").contains(code));
    let mut consumer = scene.nobody();
    assert_eq!(consumer.post("/invite", &[("code", code)]).status, 303);
    assert_eq!(consumer.get("/keys").status, 200);
    // An operator ends the session of a consumer, not that of another operator.
    let page = olga.page("/operator/access");
    let session =
        page.split("name=\"session\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let csrf = olga.operators_csrf();
    let whose = acme.to_string();
    let fields = [("csrf", csrf.as_str()), ("whose", &whose), ("session", &session)];
    assert_eq!(olga.post("/operator/access/sessions", &fields).status, 303);
    assert_eq!(consumer.get("/keys").status, 303);
    // All of them at once, and links that are still open with them.
    let (mut again, mut late) = (scene.signed_in(acme), scene.nobody());
    let open = scene.invite(acme);
    let out = format!("/operator/consumers/{acme}/sign-out");
    led(&olga.submit(&out, &out, &[]));
    assert_eq!((again.get("/keys").status, late.post("/invite", &[("code", &open)]).status), (303, 422));
    let admins = admin.cookie.clone().unwrap();
    let admins = admins.split_once('=').unwrap().1.split('.').next().unwrap().to_owned();
    let fields = [("csrf", csrf.as_str()), ("whose", &admins), ("session", "x")];
    assert_eq!(olga.post("/operator/access/sessions", &fields).status, 403);
    // Whoever's admin key is revoked is out with the next page.
    let page = admin.page("/operator/access");
    let row = page.split("<tr>").find(|row| row.contains("Revoke Olga")).unwrap();
    let revoke = row.split("href=\"").find(|rest| rest.contains("/revoke\"")).unwrap();
    let revoke = revoke.split('"').next().unwrap().to_owned();
    led(&admin.submit(&revoke, &revoke, &[("confirm", "Olga")]));
    assert_eq!(olga.get("/operator").status, 303);
}

#[test]
fn of_the_configuration_no_secret_is_shown() {
    let secret = "a-secret-of-thirty-two-characters";
    let with = "[[upstream]]\nshared_secret_file = \"of-the-backend\"";
    let site = Site::with(&super::config("").replace("[[upstream]]", with));
    std::fs::write(site.dir.path().join("of-the-backend"), secret).unwrap();
    let process = site.serve(&[]);
    let scene = Scene { site, process };
    let page = scene.operator(Role::Viewer).page("/operator/gateway");
    assert!(page.contains("headers, shared secret") && page.contains("acme_live"), "{page}");
    assert!(!page.contains(secret) && !page.contains("of-the-backend"), "{page}");
}

#[test]
fn long_lists_are_read_page_by_page() {
    let scene = Scene::new();
    let store = scene.site.store();
    for number in 0..120 {
        let new = NewConsumer { name: format!("consumer {number:03}"), ..NewConsumer::default() };
        store.create_consumer(&new, &act(), &mut rand::rng()).unwrap();
    }
    let mut browser = scene.operator(Role::Viewer);
    let (mut path, mut seen) = ("/operator/consumers?name=consumer".to_owned(), Vec::new());
    for _ in 0..5 {
        let page = browser.page(&path);
        seen.extend((0..120).filter(|number| page.contains(&format!("consumer {number:03}<"))));
        let Some(next) = page
            .split("href=\"")
            .find(|rest| rest.contains("rel=\"next\"") && rest.starts_with("/operator/consumers?"))
        else {
            break;
        };
        path = next.split('"').next().unwrap().replace("&amp;", "&");
    }
    assert_eq!(seen, (0..120).collect::<Vec<_>>());
}

#[test]
fn nobody_learns_anything_of_a_key_that_is_not_there() {
    let scene = Scene::new();
    let mut browser = scene.operator(Role::Viewer);
    assert_eq!(browser.get(KEY).status, 404);
    assert_eq!(browser.get("/operator/keys/nonsense").status, 404);
    let answer = browser.get("/operator/keys?consumer=nobody");
    assert_eq!(answer.status, 422);
    assert!(text(&answer).contains("aria-invalid=\"true\""));
}

impl Browser {
    /// Returns the code every form of an operator's session brings.
    fn operators_csrf(&mut self) -> String {
        let text = self.page("/operator");
        let (_, rest) = text.split_once("name=\"csrf\" value=\"").expect("a form");
        rest.split('"').next().unwrap_or_default().to_owned()
    }
}
