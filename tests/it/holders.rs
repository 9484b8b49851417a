//! What holders can do with a key as the only proof: `/.kgate/keys/rotate`, `/.kgate/keys/revoke` and
//! `/.kgate/usage`.

use std::fs;
use std::process::Stdio;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use kgate::key::{Peppers, RevokeReason, Timestamp, Token};
use kgate::layer::KeyLayer;
use kgate::store::{Act, Issued, NewKey, Rotation, Store};
use kgate::verify::{Verifier, wall};
use rustix::process::{Signal, kill_process};
use serde_json::{Value, json};
use tower::{Layer as _, Service as _, ServiceExt as _};

use crate::faults::stopped_writer;
use crate::fronts;
use crate::harness::{
    Answer, Client, PATIENCE, act, away_from_midnight, new_key, now, patient, scopes_of, until,
};
use crate::layer::{inside, parsed};
use crate::process::{CONFIG, Process, Site};

const ALLOWED: &str = r#"
[self_service]
allow = ["rotate", "revoke", "usage"]
"#;

const ROTATE: &str = "POST /.kgate/keys/rotate";
const REVOKE: &str = "POST /.kgate/keys/revoke";
const USAGE: &str = "GET /.kgate/usage";

fn site() -> Site {
    Site::with(&format!("{CONFIG}{ALLOWED}"))
}

fn ago(seconds: i64) -> Timestamp {
    Timestamp::from_millis(wall().as_millis() - seconds * 1000)
}

/// Makes a key that is old enough to be rotated.
fn key(store: &Store, edit: impl FnOnce(&mut NewKey)) -> Issued {
    let mut new = new_key(Site::consumer(store));
    edit(&mut new);
    store.issue(&new, &Peppers::default(), &Act { at: ago(120), ..act() }, &mut rand::rng()).unwrap()
}

fn act_now() -> Act {
    Act { at: wall(), ..act() }
}

fn ask(process: &Process, what: &str, token: &str) -> Answer {
    let mut client = Client::tcp(process.address);
    client.send(format!("{what} HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n"));
    client.answer()
}

fn code(answer: &Answer) -> Value {
    answer.json()["code"].clone()
}

fn audited(site: &Site) -> Vec<Value> {
    let output = site.command(&["audit", "--json"]).output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn a_holder_gets_a_successor_once_and_its_token_is_in_that_one_answer() {
    let site = site();
    let store = site.store();
    let old = key(&store, |new| {
        new.scopes = scopes_of(&["products:read"]);
        new.networks = "127.0.0.0/8".parse().unwrap();
    });
    drop(store);
    let log = site.dir.path().join("access.log");
    let command = site.command(&["serve"]);
    let process = Process::start_writing(command, Stdio::from(fs::File::create(&log).unwrap())).unwrap();
    let token = old.token.expose();
    let answer = ask(&process, ROTATE, token);
    assert_eq!(answer.status, 200, "{}", answer.head);
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert!(answer.header("ratelimit").is_some() && answer.header("x-request-id").is_some());
    let said = answer.json();
    let new = said["token"].as_str().unwrap().to_owned();
    // Both work from now on, and the old one says until when.
    assert_eq!(ask(&process, "GET /x", &new).status, 200);
    let before = ask(&process, "GET /x", token);
    assert_eq!(
        (before.status, before.header("x-api-key-expires")),
        (200, said["replaces"]["works_until"].as_str())
    );
    assert_eq!(said["replaces"]["key_id"], old.record.id.to_string());
    assert_eq!((&said["scopes"], &said["key_type"]), (&json!(["products:read"]), &json!("live")));
    let second = ask(&process, ROTATE, token);
    assert_eq!((second.status, code(&second)), (409, json!("already_rotated")));
    let soon = ask(&process, ROTATE, &new);
    assert_eq!((soon.status, code(&soon)), (429, json!("rotated_too_soon")));
    let wait: u64 = soon.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    let row = audited(&site).into_iter().find(|row| row["action"] == "key.rotated").expect("it is audited");
    assert_eq!((&row["via"], &row["actor"]), (&json!("holder"), &json!(old.record.id.to_string())), "{row}");
    // The token is nowhere else: neither whole nor its random part. The log's last lines are written when it ends.
    process.signal(Signal::TERM);
    let (status, said) = process.wait();
    assert!(status.success() && !said.contains(new.as_str()), "{said}");
    for file in fs::read_dir(site.data()).unwrap().map(|entry| entry.unwrap().path()).chain([log.clone()]) {
        let bytes = if file.is_file() { fs::read(&file).unwrap() } else { Vec::new() };
        let secret = &new.as_bytes()["acme_live_".len()..];
        assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", file.display());
    }
    assert!(fs::read_to_string(log).unwrap().contains("\"reason\":\"already_rotated\""));
}

/// Else whoever asks again and again has every gateway load the store anew, and the disk sync.
#[test]
fn a_rotation_that_is_not_made_changes_nothing_of_the_store() {
    let site = site();
    let store = site.store();
    let young = store
        .issue(&new_key(Site::consumer(&store)), &Peppers::default(), &act_now(), &mut rand::rng())
        .unwrap();
    let rotated = key(&store, |_| {});
    drop(store);
    let process = site.serve(&[]);
    assert_eq!(ask(&process, ROTATE, rotated.token.expose()).status, 200);
    assert_eq!(process.status(&young), 200);
    let refreshes = || {
        let (_, text) = process.ask_admin("/metrics");
        let line = text.lines().find(|line| line.starts_with("kgate_snapshot_refreshes_total ")).unwrap();
        line.to_owned()
    };
    let before = refreshes();
    for (token, wanted) in [(&young.token, 429), (&rotated.token, 409)].repeat(5) {
        assert_eq!(ask(&process, ROTATE, token.expose()).status, wanted);
        assert_eq!(process.status(&young), 200);
    }
    assert_eq!(refreshes(), before);
}

/// What a key may do in an hour or a month is what it and its successors may do together: to rotate wins nothing.
#[test]
fn a_successor_goes_on_with_what_was_spent() {
    away_from_midnight();
    let limits =
        "[{ name = \"hour\", rate = \"40/h\", burst = 40 }, { name = \"month\", quota = \"20/month\" }]";
    let config = CONFIG.replace("[{ name = \"burst\", rate = \"1000000/s\" }]", limits);
    let site = Site::with(&format!("{config}{ALLOWED}"));
    let old = key(&site.store(), |_| {});
    let process = site.serve(&[]);
    let spend = |process: &Process, token: &str, times: usize| {
        (0..times).map(|_| ask(process, "GET /x", token).status).collect::<Vec<_>>()
    };
    assert_eq!(spend(&process, old.token.expose(), 9), [200; 9]);
    let new = ask(&process, ROTATE, old.token.expose()).json()["token"].as_str().unwrap().to_owned();
    assert_eq!(spend(&process, &new, 3), [200; 3]);
    assert_eq!(spend(&process, old.token.expose(), 3), [200; 3], "they share it");
    let left = ask(&process, USAGE, &new).json();
    assert_eq!((&left["limits"][0]["remaining"], &left["limits"][1]["remaining"]), (&json!(24), &json!(4)));
    // In another process, that finds both in the store.
    process.signal(Signal::TERM);
    process.wait();
    let process = site.serve(&[]);
    assert_eq!(spend(&process, &new, 2), [200; 2]);
    assert_eq!(spend(&process, old.token.expose(), 4), [200, 200, 429, 429]);
    assert_eq!(spend(&process, &new, 2), [429; 2]);
}

/// A count is kept under the name of a line's first key: also when that and the next are gone for good, and whoever
/// starts has only the last to go by.
#[test]
fn a_line_goes_on_with_what_was_spent_when_its_first_keys_are_pruned_and_kgate_starts_anew() {
    away_from_midnight();
    let config = CONFIG.replace(
        "[{ name = \"burst\", rate = \"1000000/s\" }]",
        "[{ name = \"month\", quota = \"20/month\" }]",
    );
    let site = Site::with(&config);
    let store = site.store();
    let first = key(&store, |_| {});
    let process = site.serve(&[]);
    let spend = |process: &Process, key: &Issued, times: usize| {
        (0..times).map(|_| process.status(key)).collect::<Vec<_>>()
    };
    assert_eq!(spend(&process, &first, 5), [200; 5]);
    let rotate = |key: &Issued| {
        let grace = Rotation { grace: Duration::from_hours(1), expires_at: None };
        store.rotate(key.record.id, grace, &Peppers::default(), &act_now(), &mut rand::rng()).unwrap().new
    };
    let second = rotate(&first);
    let third = rotate(&second);
    assert_eq!(spend(&process, &third, 3), [200; 3]);
    for gone in [&first, &second] {
        store.revoke(gone.record.id, RevokeReason::Rotation, &act_now()).unwrap();
        let later = wall().plus(Duration::from_mins(1));
        store.prune(later, &act_now(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        assert_eq!(spend(&process, &third, 1), [200]);
        process.signal(Signal::HUP);
    }
    process.signal(Signal::TERM);
    process.wait();
    let process = site.serve(&[]);
    assert_eq!(spend(&process, &third, 12), [vec![200; 10], vec![429; 2]].concat());
    assert_eq!(store.key(third.record.id).unwrap().rotated_from, Some(first.record.id));
}

#[test]
fn an_answer_says_when_its_key_ends_in_its_last_week_and_once_it_was_rotated() {
    let site = site();
    let store = site.store();
    let in_days = |days: i64| Some(ago(-86_400 * days));
    let [soon, later, never] =
        [in_days(6), in_days(8), None].map(|end| key(&store, |new| new.expires_at = end));
    let replaced = key(&store, |_| {});
    let grace = Rotation { grace: Duration::from_hours(24 * 30), expires_at: None };
    let until = store
        .rotate(replaced.record.id, grace, &Peppers::default(), &act_now(), &mut rand::rng())
        .unwrap()
        .old
        .expires_at;
    drop(store);
    let process = site.serve(&[]);
    for (key, end, why) in [
        (&soon, soon.record.expires_at, "its last week"),
        (&later, None, "there is time"),
        (&never, None, "it never ends"),
        (&replaced, until, "it has a successor"),
    ] {
        let answer = ask(&process, "GET /x", key.token.expose());
        let said = answer.header("x-api-key-expires").map(str::to_owned);
        assert_eq!((answer.status, said), (200, end.map(|end| end.to_string())), "{why}");
    }
}

#[test]
fn a_holder_ends_a_key_and_it_is_refused_from_then_on() {
    let site = site();
    let store = site.store();
    let (gone, stays) = (key(&store, |_| {}), key(&store, |_| {}));
    let process = site.serve(&[]);
    for _ in 0..20 {
        let one = key(&store, |_| {});
        let answer = ask(&process, REVOKE, one.token.expose());
        assert_eq!((answer.status, &answer.json()["status"]), (200, &json!("revoked")));
        assert_eq!(process.status(&one), 401, "no request after the answer passes");
    }
    let token = gone.token.expose();
    let said = ask(&process, REVOKE, token).json();
    assert_eq!((&said["key_id"], &said["status"]), (&json!(gone.record.id.to_string()), &json!("revoked")));
    assert_eq!((process.status(&gone), process.status(&stays)), (401, 200));
    assert_eq!(ask(&process, REVOKE, token).status, 401, "a revoked key proves nothing");
    let rows = audited(&site);
    let row = rows.iter().rfind(|row| row["action"] == "key.revoked").expect("it is audited");
    assert_eq!((&row["via"], &row["actor"]), (&json!("holder"), &json!(gone.record.id.to_string())), "{row}");
    assert_eq!(row["note"], "from 127.0.0.1");
}

#[test]
fn to_ask_for_usage_spends_nothing_and_quotas_are_known_after_a_restart() {
    away_from_midnight();
    let limits = "[{ name = \"burst\", rate = \"3/h\" }, { name = \"day\", quota = \"1000/month\" }]";
    let config = CONFIG.replace("[{ name = \"burst\", rate = \"1000000/s\" }]", limits);
    let site = Site::with(&format!("{config}{ALLOWED}"));
    let one = key(&site.store(), |_| {});
    let token = one.token.expose();
    let left = |process: &Process| {
        let answer = ask(process, USAGE, token);
        assert_eq!(answer.status, 200, "{}", answer.head);
        let said = answer.json();
        let remaining = |at: usize| said["limits"][at]["remaining"].as_u64().unwrap();
        assert_eq!(
            (&said["limits"][0]["name"], &said["limits"][1]["name"]),
            (&json!("burst"), &json!("day"))
        );
        (remaining(0), remaining(1), said)
    };
    let process = site.serve(&[]);
    for _ in 0..5 {
        let (burst, day, said) = left(&process);
        assert_eq!((burst, day), (3, 1000), "{said}");
    }
    for _ in 0..3 {
        assert_eq!(process.status(&one), 200);
    }
    assert_eq!(process.status(&one), 429);
    let (burst, day, said) = left(&process);
    assert_eq!((burst, day), (0, 997), "whoever is over a limit may still ask");
    assert_eq!((&said["plan"], &said["key_id"]), (&json!("free"), &json!(one.record.id.to_string())));
    process.signal(Signal::TERM);
    process.wait();
    let process = site.serve(&[]);
    let (burst, day, said) = left(&process);
    assert_eq!((burst, day), (3, 997), "rates begin anew, quotas do not");
    let allowed = said["last_24_hours"]["allowed"].as_u64().unwrap();
    assert_eq!((allowed, &said["last_24_hours"]["limited"]), (9, &json!(1)), "{said}");
    assert_eq!(said["last_30_days"]["requests"], 10);
}

#[test]
fn a_bad_key_learns_nothing_here_that_it_does_not_learn_everywhere() {
    let publishable = "[[key_type]]\nname = \"pub\"\nprefix = \"acme_pub\"\nkind = \"publishable\"\n";
    let site = Site::with(&format!("{CONFIG}{publishable}{ALLOWED}"));
    let store = site.store();
    let revoked = key(&store, |_| {});
    store.revoke(revoked.record.id, RevokeReason::Leak, &act()).unwrap();
    let disabled = key(&store, |_| {});
    store.disable_key(disabled.record.id, &act()).unwrap();
    let expired = key(&store, |new| new.expires_at = Some(ago(60)));
    let shown = key(&store, |new| {
        new.key_type = "pub".to_owned();
        new.prefix = "acme_pub".parse().unwrap();
    });
    let unknown = Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
    let process = site.serve(&[]);
    let anonymized = |answer: &Answer| {
        let mut body = answer.json();
        body["request_id"] = Value::Null;
        format!("{} {:?} {body}", answer.status, answer.header("www-authenticate"))
    };
    let wanted = anonymized(&ask(&process, "GET /x", unknown.expose()));
    assert!(wanted.starts_with("401 "), "{wanted}");
    for what in [ROTATE, REVOKE, USAGE] {
        for (token, why) in [
            (unknown.expose(), "unknown"),
            (revoked.token.expose(), "revoked"),
            (disabled.token.expose(), "disabled"),
            (expired.token.expose(), "expired"),
            (shown.token.expose(), "everybody's"),
            ("nonsense", "malformed"),
        ] {
            assert_eq!(anonymized(&ask(&process, what, token)), wanted, "{what}, {why}");
        }
    }
    assert_eq!(process.status(&shown), 200, "elsewhere it works");
    assert!(audited(&site).iter().all(|row| row["via"] != "holder"), "nothing was done");
}

#[test]
fn only_what_is_allowed_is_done_and_only_by_the_gateway() {
    let config = format!("{}{}", fronts::CONFIG, ALLOWED.replace("\"rotate\", ", ""));
    let site = Site::with(&config);
    let one = key(&site.store(), |_| {});
    let token = one.token.expose();
    let process = site.serve(&[]);
    assert_eq!(ask(&process, USAGE, token).status, 200);
    assert_eq!(ask(&process, ROTATE, token).status, 404, "it is not allowed");
    let other = ask(&process, "GET /.kgate/keys/revoke", token);
    assert_eq!((other.status, other.header("allow")), (405, Some("POST")));
    let text = |prefix: &str| {
        format!("GET {prefix}/.kgate/usage HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {token}\r\n\r\n")
    };
    let mut client = Client::tcp(process.sidecar.unwrap());
    client.send(text("/envoy"));
    assert_eq!(client.answer().status, 404, "the sidecar answers nobody's holder");
    let config = site.config().config;
    let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), patient()).unwrap();
    let mut service = KeyLayer::new(&config, verifier).layer(tower::service_fn(inside));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let asked = parsed(&text("")).unwrap();
    let got = runtime.block_on(async { service.ready().await.unwrap().call(asked).await.unwrap() });
    assert_eq!(got.status(), 404, "nor does a layer");
    let explained = site.command(&["explain", "GET", "/.kgate/usage", "--json", "--key-id"]);
    let mut explained = explained;
    let said = explained.arg(one.record.id.to_string()).output().unwrap();
    let said: Value = serde_json::from_slice(&said.stdout).unwrap();
    assert_eq!((&said["verdict"], &said["forward"]), (&json!("allow"), &Value::Null), "{said}");
}

#[test]
fn a_successor_lives_as_its_type_says_and_no_longer_than_somebody_decided() {
    let config =
        CONFIG.replace("prefix = \"acme_live\"\n", "prefix = \"acme_live\"\ndefault_expires = \"90d\"\n");
    let site = Site::with(&format!("{config}{ALLOWED}grace = \"0s\"\n"));
    let store = site.store();
    let day = 86_400;
    let made = ago(120);
    let in_days = |from: Timestamp, days: i64| Timestamp::from_millis(from.as_millis() + days * day * 1000);
    let issue = |expires_at| {
        let new = NewKey { expires_at, ..new_key(Site::consumer(&store)) };
        store.issue(&new, &Peppers::default(), &Act { at: made, ..act() }, &mut rand::rng()).unwrap()
    };
    let by_type = issue(Some(in_days(made, 90)));
    let (decided, for_ever) = (issue(Some(in_days(made, 30))), issue(None));
    let process = site.serve(&[]);
    let end = |key: &Issued| ask(&process, ROTATE, key.token.expose()).json()["expires_at"].clone();
    let renewed: Timestamp = end(&by_type).as_str().unwrap().parse().unwrap();
    assert!(renewed > in_days(made, 90) && renewed <= in_days(wall(), 90), "{renewed}");
    assert_eq!(end(&decided), json!(in_days(made, 30).to_string()));
    assert_eq!(end(&for_ever), Value::Null);
    for old in [&by_type, &decided, &for_ever] {
        assert_eq!(process.status(old), 401, "without grace the old one ends at once");
    }
}

#[test]
fn of_many_who_rotate_one_key_at_once_one_gets_a_successor() {
    let site = site();
    let one = key(&site.store(), |_| {});
    let process = site.serve(&[]);
    let start = Barrier::new(16);
    let statuses: Vec<u16> = thread::scope(|scope| {
        let ask = || {
            start.wait();
            let answer = ask(&process, ROTATE, one.token.expose());
            assert!(matches!(answer.status, 200 | 409 | 503), "{}", answer.head);
            answer.status
        };
        let threads: Vec<_> = (0..16).map(|_| scope.spawn(ask)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 1, "{statuses:?}");
    let store = site.store();
    let mut keys = 0;
    store
        .keys(&mut |_| {
            keys += 1;
            true
        })
        .unwrap();
    assert_eq!(keys, 2);
}

#[test]
fn a_store_that_is_held_costs_its_holder_a_wait_and_nobody_else() {
    let site = site();
    let store = site.store();
    let (one, other) = (key(&store, |_| {}), key(&store, |_| {}));
    store.close().unwrap();
    let process = site.serve(&[]);
    let (mut holder, pid) = stopped_writer(&site);
    until("it serves", || process.status(&other) == 200);
    thread::scope(|scope| {
        let asking = scope.spawn(|| ask(&process, REVOKE, one.token.expose()));
        let is_under_way = || process.ask_admin("/metrics").1.contains("\nkgate_requests_in_flight 1\n");
        until("it waits", || is_under_way() || asking.is_finished());
        let (began, mut answered) = (now(), 0);
        while !asking.is_finished() && now() - began < PATIENCE {
            assert_eq!(process.status(&other), 200, "the one worker goes on");
            answered += 1;
        }
        let answer = asking.join().unwrap();
        assert_eq!((answer.status, code(&answer)), (503, json!("unavailable")), "{}", answer.head);
        // If the worker had waited with it, the first of these would have been answered after it.
        assert!(answered > 2, "{answered} were answered meanwhile");
    });
    assert_eq!(process.status(&one), 200, "what was not done did not happen");
    kill_process(pid, Signal::KILL).unwrap();
    holder.wait().unwrap();
    assert_eq!(ask(&process, REVOKE, one.token.expose()).status, 200);
    assert_eq!(process.status(&one), 401);
}

/// A successor made by hand meanwhile, and a key that is disabled after it was judged, are no successors of
/// the holder's.
#[test]
fn what_the_operator_did_first_counts() {
    let site = site();
    let store = site.store();
    let one = key(&store, |_| {});
    let process = site.serve(&[]);
    let rotation = Rotation { grace: Duration::from_mins(1), expires_at: None };
    store.rotate(one.record.id, rotation, &Peppers::default(), &act(), &mut rand::rng()).unwrap();
    let answer = ask(&process, ROTATE, one.token.expose());
    assert_eq!((answer.status, code(&answer)), (409, json!("already_rotated")));
}
