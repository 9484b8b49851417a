//! Commands with `--server`: what a gateway elsewhere does for them, over a real socket, is what they would do
//! at its machine.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kgate::key::{Peppers, RevokeReason};
use kgate::store::{
    Access, Act, Alert, AlertKind, Issued, Options, Retention, Rotation, Usage, UsageBatch, Used,
};
use kgate::verify::wall;
use serde_json::{Value, json};

use crate::admin::{Api, Scene};
use crate::admin_tls;
use crate::harness::{act, is_quick};
use crate::process::{CONFIG, Site};

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

/// Puts into the store and the usage file what is to be seen: of a key that was replaced, and of one that was revoked.
fn seen_things(scene: &Scene) -> (Issued, Issued) {
    let store = scene.site.store();
    let (key, gone) = (Site::issue(&store), Site::issue(&store));
    store
        .revoke(gone.record.id, RevokeReason::Leak, &Act { note: Some("ticket 42".into()), ..act() })
        .unwrap();
    let rotation = Rotation { grace: Duration::from_hours(48), expires_at: None };
    store.rotate(key.record.id, rotation, &Peppers::default(), &act(), &mut rand::rng()).unwrap();
    let now = wall();
    let mut batch = UsageBatch::default();
    for (used, ago, count) in [(Used::Allowed, 5, 40), (Used::Limited, 3, 7), (Used::Allowed, 120, 3)] {
        let at = now.minus(Duration::from_mins(ago));
        for route in ["all", "other"] {
            (0..count).for_each(|_| {
                batch.counts.add(key.record.id, Some(key.record.consumer), &route.into(), used, at);
            });
        }
    }
    let alert = Alert { first: now, last: now, requests: 9, from: Some([192, 0, 2, 9].into()) };
    for day in 0..3 {
        let last = now.minus(Duration::from_hours(24 * day));
        let usage = Usage::open(&scene.site.data(), Access::Write, &Options::default()).unwrap();
        let alerts =
            [((gone.record.id, AlertKind::UseAfterRevocation), Alert { first: last, last, ..alert })];
        let counts = std::mem::take(&mut batch.counts);
        let batch = UsageBatch { alerts: alerts.into(), counts, ..UsageBatch::default() };
        usage.record(batch, Retention::default(), now).unwrap();
    }
    (key, gone)
}

/// Audit log, alerts, usage, verdicts, digests, peppers: every command that only looks, here and from
/// elsewhere, as JSON, as CSV and as people read it.
#[test]
fn what_can_be_seen_from_elsewhere_is_what_can_be_seen_there() {
    let scene = Scene::with(
        &CONFIG.replace("\"1000000/s\" }", "\"1000000/s\" }, { name = \"q\", quota = \"9/day\" }"),
    );
    let (key, gone) = seen_things(&scene);
    let (id, ended, token) = (key.record.id.to_string(), gone.record.id.to_string(), key.token.expose());
    let consumer = key.record.consumer.to_string();
    let admin_key = scene.viewer.id.unwrap().to_string();
    let head = json_of(&scene.site.command(&["audit", "verify", "--json"]).output().unwrap());
    let head = head["head"].as_str().unwrap().to_owned();
    let (count, hash) = head.split_once(':').unwrap();
    let more = format!("{}:{hash}", count.parse::<u64>().unwrap() + 1);
    let other = format!("{count}:{}", "0".repeat(64));
    let missing = "key_01jq0000000000000000000000";
    let long = "x".repeat(1025);
    for (args, input) in [
        (&["audit"][..], ""),
        (&["audit", "-n", "0"], ""),
        (&["audit", "-n", "3"], ""),
        (&["audit", "--key", &ended], ""),
        (&["audit", "--key", &admin_key], ""),
        (&["audit", "--key", missing], ""),
        (&["audit", "--key", "nonsense"], ""),
        (&["audit", "--consumer", "Acme Corp"], ""),
        (&["audit", "--consumer", "nobody"], ""),
        (&["audit", "--action", "key", "-n", "2"], ""),
        (&["audit", "--actor", "nobody"], ""),
        (&["audit", "--since", "1h"], ""),
        (&["audit", "--alerts"], ""),
        (&["audit", "--alerts", "-n", "2"], ""),
        (&["audit", "--alerts", "-n", "0", "--since", "36h"], ""),
        (&["audit", "--alerts", "--key", &id], ""),
        (&["audit", "--alerts", "--consumer", &consumer], ""),
        (&["audit", "verify"], ""),
        (&["audit", "verify", "--head", &head], ""),
        (&["audit", "verify", "--head", hash], ""),
        (&["audit", "verify", "--head", &more], ""),
        (&["audit", "verify", "--head", &other], ""),
        (&["audit", "verify", "--head", "x"], ""),
        (&["usage", "--since", "1h"], ""),
        (&["usage", "--since", "7d", "--by", "route"], ""),
        (&["usage", "--by", "consumer"], ""),
        (&["usage", "--by", "call", "--since", "1h"], ""),
        (&["usage", "--by", "time", "--since", "3h"], ""),
        (&["usage", &id], ""),
        (&["usage", "Acme Corp", "--by", "route"], ""),
        (&["usage", missing], ""),
        (&["usage", "nobody"], ""),
        (&["explain", "GET", "/x?a=b", "--key-id", &id, "--ip", "192.0.2.7"], ""),
        (&["explain", "GET", "/x", "--key-id", &ended], ""),
        (&["explain", "GET", "/a/../b"], ""),
        (&["explain", "GET", "/x", "--key-id", missing], ""),
        (&["explain", "GET", "/x", "--key-id", token], ""),
        (&["key", "verify", "--path", "/x"], token),
        (&["key", "verify", "--path", "/x", "--method", "PUT", "--ip", "192.0.2.7"], gone.token.expose()),
        (&["key", "verify"], "acme_live_nonsense"),
        (&["key", "verify"], "acme_live_ünsinn"),
        (&["key", "verify", "--path", "/x"], "two\nlines"),
        (&["key", "verify"], &long),
        (&["key", "verify"], ""),
        (&["key", "export", "--digests"], ""),
        (&["key", "export", "--digests", "--details"], ""),
        (&["key", "rehash-status"], ""),
        (&["key", "rotation-status"], ""),
    ] {
        for format in ["json", "csv", "table", "jsonl"] {
            let with = [args, &["--format", format]].concat();
            let by = if args.get(1) == Some(&"export") { &scene.operator } else { &scene.viewer };
            // What is counted by the minute is asked for twice within one.
            let (here, afar) = loop {
                let minute = wall().as_secs() / 60;
                let here = fed(scene.site.command(&with), input);
                let afar = fed(elsewhere(&server(&scene), Some(&by.token), &with), input);
                if args[0] != "usage" || wall().as_secs() / 60 == minute {
                    break (here, afar);
                }
            };
            let (a, b) = (comparable(&here), comparable(&afar));
            assert_eq!(b, a, "{with:?}: {} {}", said(&afar), said(&here));
            assert_eq!(afar.status.code(), here.status.code(), "{with:?}: {}", said(&afar));
            let error = |output: &Output| {
                said(output).lines().find(|line| line.starts_with("error:")).unwrap_or_default().to_owned()
            };
            assert_eq!(error(&afar), error(&here), "{with:?}");
            assert!(!said(&afar).contains(token), "a key is not repeated");
        }
    }
    // A viewer sees no digest, and the counts that were told are the gateway's own.
    assert!(said(&as_who(&scene, &scene.viewer, &["key", "export", "--digests"])).contains("role operator"));
    let live = as_who(&scene, &scene.viewer, &["explain", "GET", "/x", "--key-id", &id, "--json"]);
    let live = json_of(&live);
    assert_eq!((&live["counts"], live["limits"][1]["remaining"].is_u64()), (&json!("live"), true), "{live}");
}

/// One that is used again meanwhile stands further in front, and moves no other.
#[test]
fn alerts_come_by_the_page_whatever_is_used_meanwhile() {
    let scene = Scene::new();
    let (_, gone) = seen_things(&scene);
    let page = |cursor: &str| scene.viewer.get(&format!("/v1/alerts?limit=1{cursor}"));
    let (first, mut seen) = (page(""), Vec::new());
    let mut next = first["next"].as_str().map(ToOwned::to_owned);
    let again = Alert { first: wall(), last: wall(), requests: 1, from: None };
    let again = [((gone.record.id, AlertKind::UseAfterRevocation), again)];
    let usage = Usage::open(&scene.site.data(), Access::Write, &Options::default()).unwrap();
    let again = UsageBatch { alerts: again.into(), ..UsageBatch::default() };
    usage.record(again, Retention::default(), wall()).unwrap();
    while let Some(cursor) = next {
        let more = page(&format!("&cursor={cursor}"));
        seen.extend(more["items"].as_array().unwrap().iter().map(|alert| alert["last_at"].clone()));
        next = more["next"].as_str().map(ToOwned::to_owned);
    }
    assert_eq!(seen.len(), 2, "{seen:?}");
    assert!(!seen.contains(&first["items"][0]["last_at"]) && seen[0].as_str() > seen[1].as_str());
    for bad in ["x", "1-2", "1-key_0-x"] {
        let answer = scene.viewer.call("GET", &format!("/v1/alerts?cursor={bad}"), &Value::Null);
        assert_eq!(answer.status, 400, "{bad}");
    }
}

fn fed(mut command: Command, input: &str) -> Output {
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Nobody may read it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// What was printed, but for what two runs cannot agree on: the moment of a list, and counts that only the
/// running gateway knows.
fn comparable(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if let Ok(mut account @ Value::Object(_)) = serde_json::from_str::<Value>(&text)
        && account.get("counts").is_some()
    {
        account["counts"].take();
        for limit in account["limits"].as_array_mut().into_iter().flatten() {
            for count in ["remaining", "reset_seconds", "retry_after_seconds"] {
                limit[count].take();
            }
        }
        if let Some(headers) = account["forward"]["headers"].as_object_mut() {
            headers.remove("x-ratelimit-remaining");
        }
        return account.to_string();
    }
    let is_account = text.contains("decided_by") || text.starts_with("verdict");
    let lines = text.lines().filter(|line| !line.contains("kgate_digests"));
    let lines = lines.filter(|line| {
        let counts = [" counts", " limit ", "x-ratelimit-remaining", "allow,", "deny,"];
        !is_account || !counts.iter().any(|part| line.contains(part))
    });
    lines.fold(String::new(), |all, line| all + line.trim_end() + "\n")
}

#[test]
fn new_rows_are_followed_from_elsewhere() {
    let scene = Scene::new();
    let store = scene.site.store();
    Site::issue(&store);
    let mut command = elsewhere(
        &server(&scene),
        Some(&scene.viewer.token),
        &["audit", "--follow", "--json", "--action", "key", "-n", "1"],
    );
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&lines.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!(first["action"], "key.issued", "{first}");
    // What is not asked for comes between.
    store.disable_consumer(Site::consumer(&store), &act()).unwrap();
    let issued = Site::issue(&store);
    let made = next();
    assert_eq!(made["number"].as_u64().unwrap(), store.audit_head().unwrap().count, "{made}");
    store.revoke(issued.record.id, RevokeReason::Leak, &act()).unwrap();
    assert_eq!(next()["details"]["reason"], "leak");
    child.kill().unwrap();
    child.wait().unwrap();
}

/// The live picture of a gateway elsewhere: over HTTP with a viewer's key, over TLS with a certificate, and what
/// is said when nobody answers, or not to everybody.
#[test]
fn the_status_of_a_gateway_elsewhere_is_that_there() {
    let scene = Scene::new();
    seen_things(&scene);
    let keys = |value: &Value| {
        let checks = value["checks"].as_array().unwrap().iter();
        checks.map(|check| (check["check"].to_string(), check["level"].to_string())).collect::<Vec<_>>()
    };
    let afar = as_who(&scene, &scene.viewer, &["status", "--json"]);
    let afar_status: Value =
        serde_json::from_slice(&afar.stdout).unwrap_or_else(|e| panic!("{e} {}", said(&afar)));
    assert_eq!(afar_status["server"]["pid"], scene.process.pid().as_raw_nonzero().get());
    let names: Vec<_> = keys(&afar_status).into_iter().map(|(name, _)| name).collect();
    for wanted in ["\"server\"", "\"expiry\"", "\"ended keys\""] {
        assert!(names.iter().any(|name| name == wanted), "{wanted}: {names:?}");
    }
    let level = |name: &str| {
        let all = afar_status["checks"].as_array().unwrap().iter();
        all.clone().find(|check| check["check"] == name).unwrap()["level"].clone()
    };
    assert_eq!((level("server"), level("ended keys")), (json!("good"), json!("warning")));
    let refused = elsewhere(&server(&scene), None, &["status"]).output().unwrap();
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));
    assert!(said(&refused).contains("valid admin key"));
    let nobody = elsewhere("http://127.0.0.1:1", Some(&scene.viewer.token), &["status"]).output().unwrap();
    let shown = String::from_utf8_lossy(&nobody.stdout);
    assert_eq!(nobody.status.code(), Some(1), "{}", said(&nobody));
    assert!(shown.contains("fault") && shown.contains("cannot ask http://127.0.0.1:1"), "{shown}");
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
    for local in [&["serve"][..], &["backup", "x"], &["doctor"], &["init"], &["leak-scan"], &["check"]] {
        refused(ask(&here, Some(&scene.viewer.token), local), 2, "not through --server");
    }
    let wrong = as_who(&scene, &scene.operator, &["key", "create", "--consumer", "nobody", "--plan", "none"]);
    refused(wrong, 2, "the plans are");
    // From a file, which may end with a line's end.
    let file = scene.site.dir.path().join("admin.key");
    std::fs::write(&file, format!("{}\n", scene.viewer.token)).unwrap();
    for (mode, is_open) in [(0o600, false), (0o640, true), (0o604, true)] {
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode)).unwrap();
        let by_file =
            ask(&here, None, &["key", "list", "--json", "--admin-key-file", file.to_str().unwrap()]);
        assert_eq!(json_of(&by_file), json!([]));
        assert_eq!(said(&by_file).contains("can be read by others: `chmod 600"), is_open, "{mode:o}");
    }
}

/// A server that answers every request with `body`, whatever it is.
fn impostor(body: Value) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        let body = body.to_string();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            taken(&mut stream);
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
    // Nor when only the last rows are wanted, and none comes.
    let empty = impostor(json!({ "items": [], "next": "7" }));
    for args in [&["audit", "-n", "5"][..], &["audit", "--alerts"]] {
        let listed = elsewhere(&empty, None, args).output().unwrap();
        assert!(said(&listed).contains("the same part of a list again"), "{}", said(&listed));
    }
    // A key goes into scripts as it is, so it must be one.
    let id = "akey_01m8d6b0q54edn2z4q8w15ypa3";
    for token in ["kgate_admin_x\nevil", "\u{1b}]0;evil\u{7}", ""] {
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
    let with_cert = ["--ca", &ca, "--client-cert", &alice, "--client-key", &key];
    for args in [&["status", "--json"][..], &["audit", "--json"], &["usage", "--json"]] {
        json_of(&elsewhere(&https, None, &[args, &with_cert].concat()).output().unwrap());
    }
    let socket = format!("unix:{}", path("admin.sock"));
    json_of(&elsewhere(&socket, None, &["status", "--json"]).output().unwrap());
    let listed = elsewhere(&socket, None, &["consumer", "list", "--json"]).output().unwrap();
    assert_eq!(json_of(&listed)[0]["name"], "Acme");
}

/// Something between a command and the gateway that swallows the first `lost` answers, once they have come.
struct Swallowing {
    address: SocketAddr,
    swallowed: Arc<AtomicUsize>,
}

impl Swallowing {
    fn start(to: SocketAddr, lost: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let swallowed = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&swallowed);
        // Ends with the test's process.
        thread::spawn(move || {
            for mut asker in listener.incoming().map_while(Result::ok) {
                let (head, body) = taken(&mut asker);
                let mut server = TcpStream::connect(to).unwrap();
                server.write_all(&[head.as_bytes(), &body].concat()).unwrap();
                let (answer, rest) = taken(&mut server);
                // Only what makes something: what was asked before it gets its answer.
                if head.starts_with("POST") && count.load(Ordering::SeqCst) < lost {
                    count.fetch_add(1, Ordering::SeqCst);
                    continue;
                }
                let _ = asker.write_all(&[answer.as_bytes(), &rest].concat());
            }
        });
        Self { address, swallowed }
    }

    fn run(&self, who: &Api, args: &[&str]) -> Output {
        elsewhere(&format!("http://{}", self.address), Some(&who.token), args).output().unwrap()
    }
}

/// Reads a message with a length: its head, and its body.
fn taken(stream: &mut TcpStream) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    let mut more = |bytes: &mut Vec<u8>| {
        let mut part = [0; 4096];
        let read = stream.read(&mut part).unwrap();
        bytes.extend_from_slice(&part[..read]);
        read
    };
    let end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        assert!(more(&mut bytes) > 0, "it ended within a head");
    };
    let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
    let lower = head.to_lowercase();
    let length = lower.lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < end + length.unwrap_or(0) {
        assert!(more(&mut bytes) > 0, "it ended within a body");
    }
    (head, bytes[end..].to_vec())
}

/// The answer to what makes something gets lost on its way: the command asks again under the same name, and it is
/// there once.
#[test]
fn what_is_asked_again_because_its_answer_was_lost_is_done_once() {
    let scene = Scene::new();
    let rows = |action: &str| {
        let rows =
            json_of(&as_who(&scene, &scene.viewer, &["audit", "--json", "-n", "0", "--action", action]));
        rows.as_array().unwrap().len()
    };
    let through = Swallowing::start(scene.process.admin, 1);
    let made = json_of(&through.run(&scene.operator, &["consumer", "create", "Acme", "--json"]));
    assert_eq!((&made["name"], through.swallowed.load(Ordering::SeqCst)), (&json!("Acme"), 1));
    assert_eq!(rows("consumer.created"), 1);
    let all = json_of(&as_who(&scene, &scene.viewer, &["consumer", "list", "--json"]));
    assert_eq!(all, json!([made]));

    // A token is in one answer. That one is gone, so the key is named, to be revoked.
    let through = Swallowing::start(scene.process.admin, 1);
    let lost = through.run(&scene.operator, &["key", "create", "--consumer", "Acme"]);
    let keys = json_of(&as_who(&scene, &scene.viewer, &["key", "list", "--json"]));
    let id = keys[0]["id"].as_str().unwrap();
    assert_eq!((lost.status.code(), keys.as_array().unwrap().len(), rows("key.issued")), (Some(2), 1, 1));
    assert!(
        lost.stdout.is_empty() && said(&lost).contains(id) && said(&lost).contains("revoke"),
        "{}",
        said(&lost)
    );
    let through = Swallowing::start(scene.process.admin, 1);
    let rotated = through.run(&scene.operator, &["key", "rotate", id]);
    assert_eq!((rotated.status.code(), rows("key.rotated")), (Some(2), 1), "{}", said(&rotated));
    let through = Swallowing::start(scene.process.admin, 1);
    let admin = through.run(&scene.admin, &["admin-key", "create", "--name", "ci", "--role", "viewer"]);
    assert_eq!((admin.status.code(), rows("admin_key.created")), (Some(2), 4), "{}", said(&admin));
    assert!(
        admin.stdout.is_empty() && said(&admin).contains("kgate admin-key revoke akey_"),
        "{}",
        said(&admin)
    );

    // Lost twice it is not tried for ever, and where to look is said.
    let through = Swallowing::start(scene.process.admin, 2);
    let unknown = through.run(&scene.operator, &["consumer", "create", "Globex"]);
    assert_eq!((unknown.status.code(), rows("consumer.created")), (Some(2), 2), "{}", said(&unknown));
    assert!(said(&unknown).contains("kgate audit"), "{}", said(&unknown));
}
