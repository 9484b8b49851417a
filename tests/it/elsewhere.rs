//! Commands with `--server`: what a gateway elsewhere does for them, over a real socket, is what they would do
//! at its machine.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::admin::{Api, Scene};
use crate::admin_tls;
use crate::harness::{act, is_quick};
use crate::process::Site;

/// A command on a machine that has neither configuration nor data.
fn elsewhere(server: &str, key: Option<&str>, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
    command.args(["--server", server]).args(args).current_dir("/");
    for name in ["KGATE_CONFIG", "KGATE_DATA_DIR", "KGATE_SERVER", "KGATE_ADMIN_KEY", "KGATE_CA"] {
        command.env_remove(name);
    }
    if let Some(key) = key {
        command.env("KGATE_ADMIN_KEY", key);
    }
    command
}

fn server(scene: &Scene) -> String {
    format!("http://{}", scene.process.admin)
}

fn as_who(scene: &Scene, who: &Api, args: &[&str]) -> Output {
    elsewhere(&server(scene), Some(&who.token), args).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    let (out, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}{said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {out}{said}"))
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn what_is_shown_from_elsewhere_is_what_is_shown_there() {
    let scene = Scene::new();
    let store = scene.site.store();
    for _ in 0..3 {
        Site::issue(&store);
    }
    let key = Site::issue(&store).record;
    let disabled = Site::issue(&store).record;
    store.disable_key(disabled.id, &act()).unwrap();
    let gone = Site::issue(&store).record;
    store.revoke(gone.id, kgate::key::RevokeReason::Leak, &act()).unwrap();
    drop(store);
    let (key, gone, consumer) = (key.id.to_string(), gone.id.to_string(), key.consumer.to_string());
    scene.site.run(&["key", "rotate", &key, "--grace", "2d", "--quiet"]);
    scene.site.run(&["consumer", "create", "Ümlaut / & Söhne", "--tag", "gold", "--external-id", "a/b"]);
    let admin_key = scene.viewer.id.unwrap().to_string();
    let missing = "key_01jq0000000000000000000000";
    for args in [
        &["consumer", "list"][..],
        &["consumer", "list", "--tag", "gold"],
        &["consumer", "list", "--state", "disabled"],
        &["consumer", "show", &consumer],
        &["consumer", "show", "a/b"],
        &["consumer", "show", "Ümlaut / & Söhne"],
        &["consumer", "show", "nobody"],
        &["consumer", "delete", &consumer, "--dry-run"],
        &["key", "list"],
        &["key", "list", "--status", "revoked,disabled"],
        &["key", "list", "--expiring", "7d"],
        &["key", "list", "--never-rotated", "--unused-for", "0s"],
        &["key", "list", "--consumer", &consumer],
        &["key", "show", &key],
        &["key", "show", missing],
        &["key", "rotation-status"],
        &["key", "revoke", &key, &gone, missing, "x", "--dry-run"],
        &["key", "revoke", missing, "--yes"],
        &["key", "revoke", &gone, "--yes"],
        &["key", "rotate", &gone],
        &["key", "enable", &gone],
        &["key", "prune", "--revoked-before", "0s", "--dry-run"],
        &["admin-key", "list", "--all"],
        &["admin-key", "show", &admin_key],
        &["consumer", "create", "taken", "--external-id", "a/b"],
    ] {
        for format in ["json", "csv"] {
            let with = [args, &["--format", format]].concat();
            let here = scene.site.command(&with).output().unwrap();
            let afar = as_who(&scene, &scene.admin, &with);
            let code = |output: &Output| output.status.code();
            assert_eq!(code(&afar), code(&here), "{args:?}: {} {}", said(&afar), said(&here));
            let (mut a, mut b) = (here.stdout.clone(), afar.stdout.clone());
            // The moment of asking is not the same.
            for text in [&mut a, &mut b].into_iter().filter(|_| args[1] == "prune") {
                text.truncate(20);
            }
            assert_eq!(String::from_utf8_lossy(&b), String::from_utf8_lossy(&a), "{args:?}");
            let error = |output: &Output| {
                said(output).lines().find(|line| line.starts_with("error:")).unwrap_or_default().to_owned()
            };
            if args[..2] != ["key", "show"] {
                assert_eq!(error(&afar), error(&here), "{args:?}");
            }
        }
    }
}

#[test]
fn what_is_changed_from_elsewhere_is_changed_there_and_audited_as_the_callers() {
    let scene = Scene::new();
    let run = |args: &[&str]| json_of(&as_who(&scene, &scene.operator, &[args, &["--json"]].concat()));
    let id = |value: &Value| value["id"].as_str().unwrap().to_owned();
    let acme = run(&["consumer", "create", "Acme", "--tag", "a", "--meta", "tier=gold", "--note", "first"]);
    let consumer = id(&acme);
    let edited = run(&["consumer", "update", "Acme", "--contact", "x@example.com", "--untag", "a"]);
    assert_eq!((&edited["contact"], &edited["tags"]), (&json!("x@example.com"), &json!([])));
    assert_eq!(run(&["consumer", "update", "Acme", "--contact", ""])["contact"], Value::Null);
    assert_eq!(run(&["consumer", "disable", &consumer])["enabled"], false);
    assert_eq!(run(&["consumer", "enable", &consumer])["enabled"], true);

    let made = run(&[
        "key",
        "create",
        "--consumer",
        "Acme",
        "--scope",
        "products:read,products:write",
        "--ip",
        "10.0.0.0/8",
        "--expires",
        "30d",
        "--name",
        "ci",
    ]);
    assert_eq!(
        (&made["scopes"], &made["networks"]),
        (&json!(["products:read", "products:write"]), &json!(["10.0.0.0/8"]))
    );
    let key = id(&made);
    let fields = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    let here = scene.site.command(&["key", "create", "--consumer", "Acme", "--json"]).output().unwrap();
    assert_eq!(fields(&json_of(&here)), fields(&made));
    assert_eq!(run(&["key", "update", &key, "--any-ip", "--plan", "free"])["networks"], json!([]));
    assert_eq!(run(&["key", "disable", &key])["status"], "disabled");
    assert_eq!(run(&["key", "enable", &key])["status"], "active");
    let rotated = run(&["key", "rotate", &key, "--grace", "1h"]);
    assert_eq!(rotated["rotated_from"], key.as_str());
    let token = rotated["token"].as_str().unwrap();
    assert_eq!(scene.gateway(token), 200, "the key that was printed works");
    let many = run(&["key", "create", "--consumer", "Acme", "--count", "1201"]);
    let many = many.as_array().unwrap();
    assert_eq!(many.len(), 1201, "made in three steps");
    assert!(many.iter().all(|key| key["token"].is_string()));
    let revoked = run(&["key", "revoke", &id(&rotated), "--yes", "--reason", "leak", "--note", "seen"]);
    assert_eq!(revoked["revoked"], json!([id(&rotated)]));
    assert_eq!(scene.gateway(token), 401, "refused once the command returned");
    let all = run(&["key", "revoke", "--consumer", "Acme", "--yes"]);
    assert_eq!(all["revoked"].as_array().unwrap().len(), 1203);
    assert_eq!(run(&["consumer", "delete", "Acme", "--yes"])["dry_run"], false);

    let admin = |args: &[&str]| json_of(&as_who(&scene, &scene.admin, &[args, &["--json"]].concat()));
    assert_eq!(
        admin(&["key", "prune", "--revoked-before", "0s", "--yes"])["pruned"].as_array().unwrap().len(),
        1204
    );
    let made = admin(&["admin-key", "create", "--name", "ci", "--role", "viewer"]);
    let successor = admin(&["admin-key", "rotate", &id(&made), "--grace", "0s"]);
    assert_eq!(admin(&["admin-key", "show", &id(&made)])["status"], "revoked");
    assert_eq!(admin(&["admin-key", "revoke", &id(&successor)])["status"], "revoked");

    let rows = json_of(
        &scene.site.command(&["audit", "--json", "-n", "0", "--action", "key.revoked"]).output().unwrap(),
    );
    let row = &rows[0];
    assert_eq!((&row["via"], &row["note"]), (&json!("api"), &json!("seen")));
    assert!(row["actor"].as_str().unwrap().starts_with(&scene.operator.id.unwrap().to_string()));
    let whole = scene.site.command(&["audit", "verify"]).output().unwrap();
    assert!(whole.status.success());
}

#[test]
fn who_cannot_be_asked_or_may_not_ask_is_told_why_and_keys_are_never_repeated() {
    let scene = Scene::new();
    let refused = |output: Output, code: i32, wanted: &str| {
        let text = said(&output);
        assert_eq!(output.status.code(), Some(code), "{text}");
        assert!(text.contains(wanted), "{wanted}: {text}");
        assert!(!text.contains(&scene.viewer.token) && !text.contains("kgate_admin_x"), "{text}");
    };
    let list = ["key", "list"];
    let here = server(&scene);
    let ask = |server: &str, key: Option<&str>, args: &[&str]| elsewhere(server, key, args).output().unwrap();
    refused(ask(&here, None, &list), 2, "KGATE_ADMIN_KEY");
    refused(ask(&here, Some("kgate_admin_x"), &list), 2, "valid admin key");
    refused(ask(&here, Some("two words"), &list), 2, "cannot be one");
    refused(as_who(&scene, &scene.viewer, &["consumer", "create", "x"]), 2, "needs the role operator");
    refused(as_who(&scene, &scene.operator, &["admin-key", "list"]), 2, "needs the role admin");
    refused(ask("http://127.0.0.1:1", Some(&scene.viewer.token), &list), 2, "cannot ask http://127.0.0.1:1");
    refused(ask("unix:/nowhere.sock", None, &list), 2, "cannot ask unix:/nowhere.sock");
    refused(ask("http://192.0.2.1:8081", Some(&scene.viewer.token), &list), 2, "clear text");
    for bad in ["ftp://localhost", "localhost", "https://localhost/v1", "http://", "https://a:b@localhost"] {
        refused(ask(bad, None, &list), 2, "is not the address");
    }
    let gateway = format!("http://{}", scene.process.address);
    refused(ask(&gateway, Some(&scene.viewer.token), &list), 2, "valid admin key");
    for local in [&["serve"][..], &["backup", "x"], &["doctor"], &["init"], &["key", "export", "--digests"]] {
        refused(ask(&here, Some(&scene.viewer.token), local), 2, "not through --server");
    }
    let wrong = as_who(&scene, &scene.operator, &["key", "create", "--consumer", "nobody", "--plan", "none"]);
    refused(wrong, 2, "the plans are");
    // From a file, which may end with a line's end.
    let file = scene.site.dir.path().join("admin.key");
    std::fs::write(&file, format!("{}\n", scene.viewer.token)).unwrap();
    let by_file = ask(&here, None, &["key", "list", "--json", "--admin-key-file", file.to_str().unwrap()]);
    assert_eq!(json_of(&by_file), json!([]));
}

/// A server that answers every request with `body`, whatever it is.
fn impostor(body: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let body = body.to_string();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 16 * 1024]);
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes());
        }
    });
    address
}

#[test]
fn a_server_that_is_none_of_ours_holds_nobody_up_and_has_nothing_obeyed() {
    let id = "cust_01m8d6b0q54edn2z4q8w15ypa3";
    let consumer = json!({
        "id": id, "external_id": null, "name": "x", "contact": null, "plan": null, "enabled": true,
        "metadata": {}, "tags": [], "created_at": "2026-11-27T00:20:52.306Z",
    });
    // A list that never comes to its end.
    let endless = impostor(json!({ "items": [consumer], "next": id }));
    let listed = elsewhere(&endless, None, &["consumer", "list"]).output().unwrap();
    assert_eq!(listed.status.code(), Some(2), "{}", said(&listed));
    assert!(said(&listed).contains("the same part of a list again"), "{}", said(&listed));
    // A key goes into scripts as it is, so it must be one.
    let id = "akey_01m8d6b0q54edn2z4q8w15ypa3";
    for token in ["kgate_admin_x\nevil", "\u{1b}]0;evil\u{7}", "", "a b"] {
        let server = impostor(json!({
            "id": id, "name": "x", "role": "admin", "status": "active", "hint": "x", "token": token,
            "created_at": "2026-11-27T00:20:52.306Z", "expires_at": null, "revoked_at": null,
            "rotated_from": null, "rotated_to": null, "replaces_until": null,
        }));
        let create = ["admin-key", "create", "--name", "x", "--role", "admin"];
        let made = elsewhere(&server, None, &create).output().unwrap();
        assert_eq!((made.status.code(), made.stdout.as_slice()), (Some(2), &b""[..]), "{token:?}");
        assert!(said(&made).contains("not one this kgate knows"), "{}", said(&made));
    }
}

#[test]
fn over_tls_and_a_unix_socket_a_certificate_or_the_user_is_enough() {
    if is_quick() {
        return;
    }
    let optional =
        "client_certificates = \"optional\"\nclient_ca = \"ca.pem\"\nroles = { \"cn:alice\" = \"operator\" }";
    let (site, _office) = admin_tls::site(optional);
    let serving = site.serve(&[]);
    let path = |name: &str| site.dir.path().join(name).display().to_string();
    let https = format!("https://localhost:{}", serving.admin.port());
    let with = |more: &[&str]| {
        elsewhere(&https, None, &[&["consumer", "create", "Acme", "--json"], more].concat()).output().unwrap()
    };
    let (ca, alice, key) = (path("ca.pem"), path("alice.pem"), path("alice.key"));
    let made = with(&["--ca", &ca, "--client-cert", &alice, "--client-key", &key]);
    assert_eq!(json_of(&made)["name"], "Acme");
    let nobody = with(&["--ca", &ca]);
    assert!(said(&nobody).contains("valid admin key"), "{}", said(&nobody));
    let (bob, bobs) = (path("bob.pem"), path("bob.key"));
    let unknown = with(&["--ca", &bob, "--client-cert", &bob, "--client-key", &bobs]);
    assert!(!unknown.status.success() && said(&unknown).contains("cannot ask https"), "{}", said(&unknown));
    let system = with(&[]);
    assert!(said(&system).contains("--ca FILE"), "{}", said(&system));
    let mixed = with(&["--ca", &ca, "--client-cert", &alice, "--client-key", &bobs]);
    assert!(said(&mixed).contains("is not that of the certificate"), "{}", said(&mixed));
    let socket = format!("unix:{}", path("admin.sock"));
    let listed = elsewhere(&socket, None, &["consumer", "list", "--json"]).output().unwrap();
    assert_eq!(json_of(&listed)[0]["name"], "Acme");
}
