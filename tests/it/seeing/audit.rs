//! The audit log as an operator uses it: every change exactly once whatever was killed when, followed
//! and exported, and checked against heads noted before.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::thread;

use kgate::key::RevokeReason;
use kgate::store::Action;
use serde_json::Value;

use crate::harness::{act, is_soak, now};
use crate::process::Site;

/// Commands are killed at moments spread over a little more than the time they take, so that some die
/// before they do anything, some within their commit, and some when they are done.
#[test]
fn every_change_has_one_row_whenever_its_command_is_killed() {
    let kills = if is_soak() { 200 } else { 40 };
    let site = Site::new();
    let began = now();
    site.run(&["consumer", "create", "first"]);
    let usual = began.elapsed();
    let mut acknowledged = Vec::new();
    for n in 0..kills {
        let name = format!("killed {n}");
        let mut command = site.command(&["consumer", "create", &name]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // The golden ratio spreads the moments without a pattern.
        let share = f64::from(n) * 0.618_034 % 1.0;
        thread::sleep(usual.mul_f64(share * 1.3));
        let _ = child.kill();
        if child.wait().unwrap().success() {
            acknowledged.push(name);
        }
    }
    assert!(acknowledged.len() < usize::try_from(kills).unwrap(), "something was killed");

    let store = site.store();
    let mut rows: HashMap<String, u32> = HashMap::new();
    store
        .audit(1, &mut |row| {
            if let Action::ConsumerCreated { id } = row.action {
                *rows.entry(id.to_string()).or_default() += 1;
            }
            true
        })
        .unwrap();
    let mut there = Vec::new();
    store
        .consumers(&mut |consumer| {
            let consumer = consumer.unwrap();
            assert_eq!(rows.remove(&consumer.id.to_string()), Some(1), "{}", consumer.name);
            there.push(consumer.name);
            true
        })
        .unwrap();
    assert!(rows.is_empty(), "rows of what is not there: {rows:?}");
    assert!(acknowledged.iter().all(|name| there.contains(name)), "{acknowledged:?} {there:?}");
    assert_eq!(store.verify_audit().unwrap().faults, []);
}

#[test]
fn new_rows_are_followed_and_all_are_exported_by_the_line() {
    let site = Site::new();
    let key = Site::issue(&site.store());
    let id = key.record.id.to_string();
    let mut command = site.command(&["audit", "--follow", "--json", "--key", &id]);
    let mut follower = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut rows = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || serde_json::from_str::<Value>(&rows.next().unwrap().unwrap()).unwrap();
    let first = next();
    assert_eq!(first["action"], "key.issued");
    // Of another key, and so not shown.
    Site::issue(&site.store());
    site.store().disable_key(key.record.id, &act()).unwrap();
    site.store().revoke(key.record.id, RevokeReason::Abuse, &act()).unwrap();
    assert_eq!(next()["action"], "key.disabled");
    let last = next();
    assert_eq!((&last["action"], &last["details"]["reason"]), (&"key.revoked".into(), &"abuse".into()));
    follower.kill().unwrap();
    follower.wait().unwrap();

    let output = site.command(&["audit", "--format", "jsonl", "-n", "0"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let numbers: Vec<u64> = rows.iter().map(|row| row["number"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "all of it, without gaps");
    assert!(rows.contains(&last));
}

#[test]
fn a_head_noted_before_finds_a_log_cut_short_or_rewritten() {
    let site = Site::new();
    let head = || {
        let output = site.command(&["audit", "verify", "--json"]).output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        report["head"].as_str().unwrap().to_owned()
    };
    let verify = |head: &str| {
        let output = site.command(&["audit", "verify", "--head", head]).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    site.run(&["consumer", "create", "one"]);
    let early = head();
    let older = std::fs::read(site.store_file()).unwrap();
    site.run(&["consumer", "create", "two"]);
    let late = head();
    let hash = |head: &str| head.split_once(':').unwrap().1.to_owned();
    for good in [&early, &late, &hash(&early), &hash(&late)] {
        assert_eq!(verify(good).0, 0, "{good}");
    }
    // Somebody puts the older file back, and removes what tells.
    std::fs::write(site.store_file(), older).unwrap();
    let _ = std::fs::remove_file(site.data().join("last-seen"));
    assert_eq!(verify(&early).0, 0);
    let (code, said) = verify(&late);
    assert!(code == 1 && said.contains("cut short"), "{code} {said}");
    assert_eq!(verify(&hash(&late)).0, 1);
    // And goes on from there, so that the count fits again.
    site.run(&["consumer", "create", "other"]);
    let (code, said) = verify(&late);
    assert!(code == 1 && said.contains("not the one"), "{code} {said}");
}

#[test]
fn who_changed_a_key_is_one_command() {
    let site = Site::new();
    let key = Site::issue(&site.store());
    let id = key.record.id.to_string();
    site.run(&["key", "update", &id, "--name", "renamed", "--note", "ticket 7"]);
    site.run(&["key", "rotate", &id, "--grace", "1h"]);
    let output = site.command(&["audit", "--key", &id, "--json"]).output().unwrap();
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let actions: Vec<&str> = rows.iter().map(|row| row["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["key.issued", "key.updated", "key.rotated"]);
    assert_eq!((&rows[1]["note"], &rows[1]["via"]), (&"ticket 7".into(), &"cli".into()));
    assert_eq!(rows[2]["effective_at"], rows[2]["details"]["until"], "the old key works until then");
    assert_ne!(rows[2]["effective_at"], rows[2]["at"]);
}
