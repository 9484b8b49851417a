//! What the gateway counts and the commands show: usage, replaced keys, uses of ended keys.

use std::time::Duration;

use kgate::key::{Peppers, RevokeReason};
use kgate::store::{Access, Act, Issued, LastUse, Options, Retention, Rotation, Usage, UsageBatch, Used};
use kgate::verify::wall;
use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Client, act, new_key};
use crate::process::{Process, Site};

fn json(site: &Site, args: &[&str]) -> Vec<Value> {
    let mut args = args.to_vec();
    args.push("--json");
    let output = site.command(&args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn ask(process: &Process, key: &Issued, times: usize) -> Vec<u16> {
    (0..times).map(|_| process.status(key)).collect()
}

/// Usage is written once a minute, and when the server ends.
fn end(process: Process) -> String {
    process.signal(Signal::TERM);
    let (status, said) = process.wait();
    assert!(status.success(), "{said}");
    said
}

#[test]
fn what_keys_did_is_counted_and_an_ended_key_raises_an_alert() {
    let site = Site::new();
    let store = site.store();
    let consumer = Site::consumer(&store);
    let issue = || store.issue(&new_key(consumer), &Peppers::default(), &act(), &mut rand::rng()).unwrap();
    let (used, revoked) = (issue(), issue());
    store.revoke(revoked.record.id, RevokeReason::Leak, &act()).unwrap();

    let process = site.serve(&[]);
    assert_eq!(ask(&process, &used, 3), [200; 3]);
    assert_eq!(ask(&process, &revoked, 2), [401; 2]);
    let said = end(process);
    let alerts: Vec<&str> = said.lines().filter(|line| line.contains("use_after_revocation")).collect();
    assert_eq!(alerts.len(), 1, "told of once: {said}");
    assert!(alerts[0].contains(&revoked.record.id.to_string()) && alerts[0].contains(&consumer.to_string()));

    let rows = json(&site, &["usage"]);
    let row = |key: &Issued| {
        let id = key.record.id.to_string();
        rows.iter().find(|row| row["key_id"] == *id).unwrap_or_else(|| panic!("{id} in {rows:?}"))
    };
    assert_eq!((&row(&used)["allowed"], &row(&used)["requests"]), (&3.into(), &3.into()));
    assert_eq!((&row(&revoked)["refused"], &row(&revoked)["allowed"]), (&2.into(), &0.into()));
    assert_eq!(row(&used)["consumer_name"], "Acme Corp");
    let calls = json(&site, &["usage", "--since", "1h", "--by", "call"]);
    let call = calls.iter().find(|call| call["key_id"] == used.record.id.to_string()).unwrap();
    assert_eq!(
        (&call["route"], &call["consumer_name"]),
        (&"all".into(), &"Acme Corp".into()),
        "who called what"
    );
    assert_eq!(call["requests"], row(&used)["requests"]);
    let series: u64 = row(&used)["series"].as_array().unwrap().iter().filter_map(Value::as_u64).sum();
    assert_eq!(series, 3);
    let routes = json(&site, &["usage", "Acme Corp", "--by", "route", "--since", "1h"]);
    assert_eq!((&routes[0]["route"], &routes[0]["requests"]), (&"all".into(), &5.into()));
    let days = json(&site, &["usage", "--by", "consumer", "--since", "30d"]);
    assert_eq!((days.len(), &days[0]["requests"]), (1, &5.into()));

    // For people with a line of blocks, for spreadsheets with a row each.
    let said = |args: &[&str]| String::from_utf8(site.command(args).output().unwrap().stdout).unwrap();
    let table = said(&["usage", "--since", "1h", "--format", "table"]);
    assert!(table.contains("TREND") && table.contains('█') && table.contains("Acme Corp"), "{table}");
    let csv = said(&["usage", "--since", "1h", "--format", "csv"]);
    let lines: Vec<&str> = csv.lines().collect();
    assert!(
        lines[0].starts_with("key_id,key_name,consumer_id,consumer_name,route,from,to,requests,allowed"),
        "{csv}"
    );
    assert_eq!(lines.len(), 3, "{csv}");
    // What others chose as a name is neither a formula nor a column more.
    site.run(&["consumer", "update", &consumer.to_string(), "--name", "=1+1, \"x\""]);
    let named = said(&["usage", "--since", "1h", "--by", "consumer", "--format", "csv"]);
    assert!(named.contains(&format!("\r\n,,{consumer},\"'=1+1, \"\"x\"\"\",,")), "{named}");
    site.run(&["consumer", "update", &consumer.to_string(), "--name", "Acme Corp"]);
    assert!(
        lines
            .iter()
            .any(|line| line.starts_with(&used.record.id.to_string()) && line.contains(",3,3,0,0,0,0,")),
        "{csv}"
    );

    let alerts = json(&site, &["audit", "--alerts"]);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0]["key_id"], *revoked.record.id.to_string());
    assert_eq!((&alerts[0]["requests"], &alerts[0]["from"]), (&2.into(), &"127.0.0.1".into()));
    assert!(json(&site, &["audit", "--alerts", "--key", &used.record.id.to_string()]).is_empty());
}

/// A few thousand keys on two routes: the API tells part after part, each as long as was asked for, and all parts
/// together are what the command tells, here and from elsewhere.
#[test]
fn usage_of_thousands_of_keys_comes_page_by_page_and_is_told_whole() {
    const KEYS: usize = 3_000;
    let site = Site::new();
    let store = site.store();
    let consumers = [Site::consumer(&store), Site::consumer(&store)];
    let mut keys = Vec::new();
    for consumer in consumers {
        let each = &mut |batch: Vec<Issued>| {
            keys.extend(batch.iter().map(|issued| (issued.record.id, issued.record.consumer)));
            std::ops::ControlFlow::Continue(())
        };
        let new = new_key(consumer);
        store.issue_many(&new, KEYS / 2, &Peppers::default(), &act(), &mut rand::rng(), each).unwrap();
    }
    drop(store);
    let mut batch = UsageBatch::default();
    for (n, (key, consumer)) in keys.iter().enumerate() {
        for (route, times) in [("all", 1 + n % 7), ("other", 1)] {
            let at = wall().minus(Duration::from_mins(n as u64 % 50));
            (0..times).for_each(|_| {
                batch.counts.add(*key, Some(*consumer), &route.into(), Used::Allowed, at);
            });
        }
    }
    let usage = Usage::open(&site.data(), Access::Write, &Options::default()).unwrap();
    for part in batch.parts() {
        usage.record(part, Retention::default(), wall()).unwrap();
    }
    drop(usage);
    let token = site.command(&["admin-key", "create", "--role", "viewer", "--name", "t"]).output().unwrap();
    let token = String::from_utf8(token.stdout).unwrap();
    let process = site.serve(&[]);
    let get = |query: &str| {
        let mut client = Client::tcp(process.admin);
        let token = token.trim();
        client.send(format!(
            "GET /v1/usage?since=6h&{query} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ));
        let answer = client.answer();
        (answer.status, answer.json())
    };
    let walk = |query: &str, limit: usize| {
        let (mut rows, mut pages, mut cursor) = (Vec::new(), 0, String::new());
        loop {
            let (status, page) = get(&format!("{query}&limit={limit}{cursor}"));
            assert_eq!(status, 200, "{page}");
            let items = page["items"].as_array().unwrap();
            assert!(items.len() <= limit, "{} rows", items.len());
            rows.extend(items.iter().cloned());
            pages += 1;
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        (rows, pages)
    };
    let total = |rows: &[Value]| rows.iter().map(|row| row["requests"].as_u64().unwrap()).sum::<u64>();
    let (by_key, pages) = walk("by=key", 500);
    assert_eq!((by_key.len(), pages), (KEYS, 6));
    let ids: std::collections::BTreeSet<_> =
        by_key.iter().map(|row| row["key_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), KEYS, "each once");
    let (calls, pages) = walk("by=call", 499);
    assert_eq!((calls.len(), pages, total(&calls)), (2 * KEYS, 13, total(&by_key)));
    let (theirs, _) = walk(&format!("by=call&subject={}", consumers[1]), 333);
    assert_eq!(theirs.len(), KEYS);
    for (query, rows) in [("by=consumer", 2), ("by=route", 2)] {
        let (told, pages) = walk(query, 1);
        assert_eq!((told.len(), pages, total(&told)), (rows, rows, total(&by_key)), "{query}");
    }
    let (times, _) = walk("by=time", 7);
    assert_eq!(total(&times), total(&by_key));
    assert!(times.windows(2).all(|pair| pair[0]["from"].as_str() < pair[1]["from"].as_str()));
    // Without a word nobody gets more than a page.
    let (_, first) = get("by=call");
    assert_eq!((first["items"].as_array().unwrap().len(), first["next"].is_string()), (100, true));
    // The busiest, first; each of the first ones had seven requests on one route.
    let (_, busiest) = get(&format!("by=call&order=busiest&limit=5&subject={}", consumers[0]));
    let requests: Vec<_> = busiest["items"].as_array().unwrap().iter().map(|row| &row["requests"]).collect();
    assert_eq!((requests, &busiest["next"]), (vec![&Value::from(7); 5], &Value::Null));
    for (query, status) in [
        ("by=key&limit=501", 400),
        ("by=key&limit=0", 400),
        ("by=key&cursor=a%20b", 400),
        ("by=key&cursor=x", 422),
        ("by=call&cursor=x", 422),
        ("by=time&cursor=x", 422),
        ("by=route&order=busiest&cursor=all", 422),
        ("by=route&cursor=nowhere", 200),
    ] {
        assert_eq!(get(query).0, status, "{query}");
    }
    for by in ["key", "call", "consumer", "route", "time"] {
        let args = ["usage", "--since", "6h", "--by", by];
        let (here, afar) = here_and_afar(&site, &process, token.trim(), &args);
        assert_eq!((here.len(), total(&here)), (afar.len(), total(&by_key)), "{by}");
        assert!(here == afar, "by {by} it is not the same");
    }
}

/// Returns what a command tells where the store is, and from elsewhere.
fn here_and_afar(site: &Site, process: &Process, token: &str, args: &[&str]) -> (Vec<Value>, Vec<Value>) {
    let server = format!("http://{}", process.admin);
    loop {
        let here = json(site, args);
        let mut afar = site.command(&[&["--server", &server], args, &["--json"]].concat());
        let afar = afar.env("KGATE_ADMIN_KEY", token).output().unwrap();
        // The hours that are asked for go on: where their beginning did in between, it is not to be compared.
        if json(site, args) == here {
            return (here, serde_json::from_slice(&afar.stdout).unwrap());
        }
    }
}

/// By when it was last used; one never used, by when it was made.
#[test]
fn unused_keys_are_those_not_used_for_so_long() {
    let site = Site::new();
    let store = site.store();
    let consumer = Site::consumer(&store);
    let ago = |days: u64| wall().minus(Duration::from_hours(24 * days));
    let made = |days| {
        let act = Act { at: ago(days), ..act() };
        store.issue(&new_key(consumer), &Peppers::default(), &act, &mut rand::rng()).unwrap().record.id
    };
    let [long_ago, lately, never, _new] = [100, 100, 50, 0].map(made);
    drop(store);
    let last = [(long_ago, 40), (lately, 1)].map(|(id, days)| (id, LastUse { at: ago(days), from: None }));
    let usage = Usage::open(&site.data(), Access::Write, &Options::default()).unwrap();
    let batch = UsageBatch { last: last.into(), ..UsageBatch::default() };
    usage.record(batch, Retention::default(), wall()).unwrap();
    drop(usage);
    let token =
        site.command(&["admin-key", "create", "--role", "viewer", "--name", "t"]).output().unwrap().stdout;
    let token = String::from_utf8(token).unwrap();
    let process = site.serve(&[]);
    for (span, wanted) in [("30d", vec![long_ago, never]), ("45d", vec![never]), ("200d", vec![])] {
        let sorted = |rows: &[Value]| {
            let mut ids: Vec<_> = rows.iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect();
            ids.sort();
            ids
        };
        let mut wanted: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        wanted.sort();
        assert_eq!(sorted(&json(&site, &["key", "list", "--unused-for", span])), wanted, "{span}");
        let mut client = Client::tcp(process.admin);
        let token = token.trim();
        client.send(format!(
            "GET /v1/keys?unused_for={span} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n"
        ));
        let answer = client.answer();
        assert_eq!(sorted(answer.json()["items"].as_array().unwrap()), wanted, "{span}: {}", answer.head);
    }
}

#[test]
fn rotation_status_says_whether_the_old_key_may_be_let_go() {
    let site = Site::new();
    let store = site.store();
    let old = Site::issue(&store);
    let never = Site::issue(&store);
    assert!(json(&site, &["key", "rotation-status"]).is_empty());
    let grace = Rotation { grace: Duration::from_hours(24), expires_at: None };
    let new = store.rotate(old.record.id, grace, &Peppers::default(), &act(), &mut rand::rng()).unwrap().new;
    let process = site.serve(&[]);
    assert_eq!(ask(&process, &old, 2), [200; 2]);
    end(process);

    let rows = json(&site, &["key", "rotation-status"]);
    assert_eq!(rows.len(), 1);
    let row = &rows[0];
    assert_eq!((&row["id"], &row["requests_24h"]), (&old.record.id.to_string().into(), &2.into()));
    assert_eq!(row["last_used_from"], "127.0.0.1");
    assert_eq!(row["successor"], *new.record.id.to_string());
    assert_eq!(row["successor_last_used_at"], Value::Null);

    // All of the last 24 hours counts, and nothing before.
    let mut batch = UsageBatch::default();
    for hours in [3, 20, 26, 40] {
        let at = wall().minus(Duration::from_hours(hours));
        batch.counts.add(old.record.id, Some(old.record.consumer), &"all".into(), Used::Allowed, at);
    }
    let usage = Usage::open(&site.data(), Access::Write, &Options::default()).unwrap();
    usage.record(batch, Retention::default(), wall()).unwrap();
    drop(usage);
    assert_eq!(json(&site, &["key", "rotation-status"])[0]["requests_24h"], 4);

    let process = site.serve(&[]);
    assert_eq!(ask(&process, &new, 1), [200]);
    end(process);
    assert_ne!(json(&site, &["key", "rotation-status"])[0]["successor_last_used_at"], Value::Null);
    let unrotated = json(&site, &["key", "list", "--never-rotated"]);
    assert_eq!((unrotated.len(), &unrotated[0]["id"]), (1, &never.record.id.to_string().into()));
}
