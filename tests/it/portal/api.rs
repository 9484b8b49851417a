//! Invitations and sessions by the admin API and by the command line: the same ones as at the portal.

use kgate::key::{ConsumerId, Role};
use kgate::store::NewConsumer;
use serde_json::{Value, json};

use super::{Scene, admin_key, text};
use crate::harness::{Answer, Client, act};

impl Scene {
    /// Calls the admin API with an admin key.
    fn api(&self, key: &str, method: &str, path: &str, headers: &str, body: &Value) -> (Answer, Value) {
        let mut client = Client::tcp(self.process.admin);
        let body = if body.is_null() { String::new() } else { body.to_string() };
        client.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\n{headers}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        let answer = client.answer();
        let json = serde_json::from_slice(&answer.body).unwrap_or(Value::Null);
        (answer, json)
    }

    fn opens(&self, link: &str) -> bool {
        let code = link.split_once("/invite#").expect("a link").1;
        self.nobody().post("/invite", &[("code", code)]).status == 303
    }
}

/// The commands through the API: what they print, what they do, and what they say cannot be done, is the same.
#[test]
fn the_commands_do_from_elsewhere_what_they_do_there() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let operator = admin_key(&scene.site.store(), Role::Operator);
    let there = |args: &[&str]| scene.site.command(args).output().unwrap();
    let afar = |args: &[&str]| {
        let server = format!("http://{}", scene.process.admin);
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_kgate"));
        command.args(["--server", &server]).args(args).current_dir("/").env("KGATE_ADMIN_KEY", &operator);
        command.output().unwrap()
    };
    let out = |output: &std::process::Output| String::from_utf8(output.stdout.clone()).unwrap();
    let said = |output: &std::process::Output| String::from_utf8(output.stderr.clone()).unwrap();
    let made = afar(&["portal", "invite", "Acme Corp", "--expires", "2h", "--note", "ticket 7"]);
    assert!(made.status.success() && said(&made).contains("invited Acme Corp"), "{}", said(&made));
    let link = out(&made).trim().to_owned();
    let second = afar(&["portal", "invite", "Acme Corp", "--json"]);
    let second: Value = serde_json::from_slice(&second.stdout).unwrap();
    assert!(second["link"].as_str().unwrap().contains("/invite#"), "{second}");
    let id = second["id"].as_str().unwrap();
    let alike = |args: &[&str]| {
        let (here, elsewhere) = (there(args), afar(args));
        assert_eq!(out(&elsewhere), out(&here), "{args:?}: {} {}", said(&elsewhere), said(&here));
        assert_eq!(said(&elsewhere), said(&here), "{args:?}");
        assert_eq!(elsewhere.status.code(), here.status.code(), "{args:?}");
        out(&here)
    };
    let listed = alike(&["portal", "list", "--json"]);
    assert!(listed.matches("\"invitation\"").count() == 2 && listed.contains(id), "{listed}");
    alike(&["portal", "list", "--consumer", &acme.to_string(), "--format", "csv"]);
    alike(&["portal", "list", "--consumer", "nobody"]);
    alike(&["portal", "invite", "nobody"]);
    alike(&["portal", "withdraw", "0000000000000000"]);
    alike(&["portal", "sign-out", "nobody"]);
    alike(&["portal", "sign-out", "akey_01jq0000000000000000000000"]);
    assert!(afar(&["portal", "withdraw", id]).status.success());
    assert!(!alike(&["portal", "list", "--json"]).contains(id));
    assert!(scene.opens(&link), "the other one still works");
    assert!(alike(&["portal", "list", "--json"]).contains("\"session\""));
    let ended = afar(&["portal", "sign-out", "Acme Corp", "--json"]);
    let ended: Value = serde_json::from_slice(&ended.stdout).unwrap();
    assert_eq!((&ended["sessions"], &ended["invitations"]), (&json!(1), &json!(0)));
    assert_eq!(alike(&["portal", "list", "--json"]).trim(), "[]");
    let mut rows = Vec::new();
    scene
        .site
        .store()
        .audit(1, &mut |row| {
            rows.push((row.action.name(), row.actor.via, row.note));
            true
        })
        .unwrap();
    let api = kgate::store::Via::Admin;
    assert!(rows.contains(&("portal.invited", api, Some("ticket 7".to_owned()))), "{rows:?}");
    assert_eq!(rows.iter().filter(|row| row.0 == "portal.signed_out" && row.1 == api).count(), 2);
}

#[test]
fn an_invitation_made_by_the_api_opens_the_portal_once_and_is_listed_until_then() {
    let scene = Scene::new();
    let acme = scene.consumer("Acme Corp");
    let [viewer, operator, _] = Role::ALL.map(|role| admin_key(&scene.site.store(), role));
    let invitations = "/v1/portal/invitations";
    let ask = json!({ "consumer": "Acme Corp", "expires": "2h", "note": "ticket 7" });
    assert_eq!(scene.api(&viewer, "POST", invitations, "", &ask).0.status, 403);
    let (answer, made) = scene.api(&operator, "POST", invitations, "Idempotency-Key: a-name\r\n", &ask);
    assert_eq!(answer.status, 201, "{made}");
    let link = made["link"].as_str().unwrap().to_owned();
    // The same request again makes no other, and shows no link.
    let (answer, again) = scene.api(&operator, "POST", invitations, "Idempotency-Key: a-name\r\n", &ask);
    assert_eq!((answer.status, &again["link"]), (201, &Value::Null));
    assert_eq!(again["invitation"], made["invitation"]);
    let listed = |subject: &str| {
        let path = format!("{invitations}?subject={subject}");
        scene.api(&operator, "GET", &path, "", &Value::Null).1
    };
    assert_eq!(listed(&acme.to_string()), json!([made["invitation"]]));
    assert_eq!(listed(&scene.consumer("Other").to_string()), json!([]));
    assert!(!listed(&acme.to_string()).to_string().contains(&link[link.len() - 20..]));
    assert!(scene.opens(&link) && !scene.opens(&link));
    assert_eq!(listed(&acme.to_string()), json!([]));
    // Whom nobody can invite.
    for (body, status, code) in [
        (json!({ "consumer": acme.to_string(), "expires": "never" }), 422, "invalid"),
        (json!({ "consumer": acme.to_string(), "expires": "2001-01-01" }), 422, "invalid"),
        (json!({ "consumer": "nobody" }), 404, "no_such_consumer"),
        (json!({ "consumer": acme.to_string(), "link": "mine" }), 400, "malformed"),
    ] {
        let (answer, said) = scene.api(&operator, "POST", invitations, "", &body);
        assert_eq!((answer.status, said["code"].as_str()), (status, Some(code)), "{body}");
    }
    scene.site.store().disable_consumer(acme, &act()).unwrap();
    let (answer, said) =
        scene.api(&operator, "POST", invitations, "", &json!({ "consumer": acme.to_string() }));
    assert_eq!((answer.status, said["code"].as_str()), (409, Some("disabled")));
    // Made by a command it is listed too, and one that is withdrawn lets nobody in.
    scene.site.store().enable_consumer(acme, &act()).unwrap();
    for by_api in [true, false] {
        let output = scene.site.command(&["portal", "invite", &acme.to_string(), "--json"]).output().unwrap();
        let made: Value = serde_json::from_slice(&output.stdout).unwrap();
        let id = made["id"].as_str().unwrap();
        assert_eq!(listed(&acme.to_string())[0]["id"], id);
        assert!(scene.operator(Role::Operator).page("/operator/access").contains(id));
        let withdraw = format!("{invitations}/{id}/withdraw");
        if by_api {
            assert_eq!(scene.api(&operator, "POST", &withdraw, "", &Value::Null).0.status, 200);
        } else {
            scene.site.run(&["portal", "withdraw", id]);
        }
        assert!(!scene.opens(made["link"].as_str().unwrap()));
        let (answer, said) = scene.api(&operator, "POST", &withdraw, "", &Value::Null);
        assert_eq!((answer.status, said["code"].as_str()), (404, Some("no_such_invitation")));
        assert!(!scene.site.command(&["portal", "withdraw", id]).output().unwrap().status.success());
    }
}

#[test]
fn sessions_are_listed_and_ended_by_the_api() {
    let scene = Scene::new();
    let store = scene.site.store();
    let new =
        NewConsumer { name: "Acme".into(), external_id: Some("acme-1".into()), ..NewConsumer::default() };
    let acme: ConsumerId = store.create_consumer(&new, &act(), &mut rand::rng()).unwrap().id;
    let [viewer, operator, admin] = Role::ALL.map(|role| admin_key(&store, role));
    let (mut here, mut there) = (scene.signed_in(acme), scene.signed_in(acme));
    let mut boss = scene.operator(Role::Admin);
    let sessions = |key: &str, query: &str| {
        let (answer, list) = scene.api(key, "GET", &format!("/v1/portal/sessions{query}"), "", &Value::Null);
        assert_eq!(answer.status, 200, "{}", text(&answer));
        list.as_array().unwrap().clone()
    };
    assert_eq!(scene.api(&viewer, "GET", "/v1/portal/sessions", "", &Value::Null).0.status, 403);
    assert_eq!(sessions(&operator, "").len(), 3);
    assert_eq!(sessions(&operator, "?limit=2").len(), 2);
    let theirs = sessions(&operator, "?subject=acme-1");
    assert_eq!(theirs.len(), 2);
    assert!(
        theirs.iter().all(|one| one["name"] == "Acme" && one["from"] == "127.0.0.1" && one["by"] == "link")
    );
    let secret = here.cookie.clone().unwrap();
    let secret = secret.split('.').next_back().unwrap();
    assert!(!Value::from(theirs.clone()).to_string().contains(secret));
    let end = |key: &str, body: Value| scene.api(key, "POST", "/v1/portal/sign-out", "", &body);
    // One, by its name.
    let ended = end(&operator, json!({ "subject": "acme-1", "session": theirs[0]["id"] })).1;
    assert_eq!(ended, json!({ "subject": acme.to_string(), "sessions": 1, "invitations": 0 }));
    let left = [here.get("/keys").status, there.get("/keys").status];
    assert!(left == [200, 303] || left == [303, 200], "{left:?}");
    // All, and open links with them.
    let code = scene.invite(acme);
    let ended = end(&operator, json!({ "subject": acme.to_string(), "note": "T-1" })).1;
    assert_eq!((&ended["sessions"], &ended["invitations"]), (&json!(1), &json!(1)));
    assert_eq!(scene.nobody().post("/invite", &[("code", &code)]).status, 422);
    // Those of an admin key are an admin's to end.
    let subject = sessions(&admin, "").pop().unwrap()["subject"].clone();
    assert_eq!(end(&operator, json!({ "subject": subject })).0.status, 403);
    assert_eq!(boss.get("/operator").status, 200);
    assert_eq!(end(&admin, json!({ "subject": subject })).1["sessions"], 1);
    assert_eq!(boss.get("/operator").status, 303);
    let row = store.audit_tail(1).unwrap().pop().unwrap();
    assert_eq!(row.action.name(), "portal.signed_out");
    // What ends nothing is no act.
    assert_eq!(end(&admin, json!({ "subject": subject })).1["sessions"], 0);
    assert_eq!(store.audit_tail(1).unwrap().pop().unwrap().number, row.number);
}
