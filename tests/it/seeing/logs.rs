//! The access log's file: whose it is, that it can be moved away, and that a full disk holds nobody up.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rustix::process::Signal;

use super::{lines, page};
use crate::harness::{Client, request, until};
use crate::process::{CONFIG, Site};

#[test]
fn lines_go_to_a_file_that_can_be_moved_away_and_hold_no_secret() {
    let site = Site::with(&format!("{CONFIG}\n[access_log]\nfile = \"access.log\"\n"));
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let path = site.dir.path().join("access.log");
    assert_eq!(process.status(&key), 200);
    until("the line is there", || lines(&path).len() == 1);
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    // As logrotate does.
    let moved = site.dir.path().join("access.log.moved");
    for (n, signal) in [Signal::USR1, Signal::HUP].into_iter().enumerate() {
        fs::rename(&path, &moved).unwrap();
        process.signal(signal);
        until("it is opened anew", || path.exists());
        assert_eq!(process.status(&key), 200, "{n}");
        until("the next line is in the new file", || lines(&path).len() == 1);
    }

    // A token and a secret in the query, and a refusal with its reason.
    let token = key.token.expose();
    let mut client = Client::tcp(process.address);
    client.send(format!("GET /a?key={token}&api_key=s3cr3t HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(client.answer().status, 401);
    until("the refusal is there", || lines(&path).len() == 2);
    let line = lines(&path).pop().unwrap();
    assert_eq!((&line["path"], &line["reason"]), (&"/a".into(), &"no_credential".into()));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains("s3cr3t") && !text.contains(&token[10..]), "{text}");

    // Every field is explained.
    let page = page("seeing.md");
    for field in
        line.as_object().unwrap().keys().map(String::as_str).chain(["shadow_limit", "one_in", "trace_id"])
    {
        assert!(page.contains(&format!("| `{field}` |")), "docs/seeing.md does not explain `{field}`");
    }
}

#[test]
fn a_full_disk_under_the_log_loses_lines_and_no_request() {
    let site = Site::with(&format!("{CONFIG}\n[access_log]\nfile = \"/dev/full\"\n"));
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    for _ in 0..20 {
        assert_eq!(process.status(&key), 200);
    }
    process.until_it_says("the access log cannot be written");
    until("all are counted", || {
        process
            .ask_admin("/metrics")
            .1
            .contains("kgate_dropped_total{cause=\"failed\",queue=\"access_log\"} 20\n")
    });
    assert_eq!(process.said().matches("access log").count(), 1, "said once: {}", process.said());
}

#[test]
fn a_log_that_cannot_be_opened_is_named_by_check_and_at_start() {
    let site = Site::with(&format!("{CONFIG}\n[access_log]\nfile = \"nowhere/access.log\"\n"));
    let output = site.command(&["check"]).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && said.contains("there is no directory"), "{said}");
}

/// Each verdict has its own share, exactly, and a line says how many it stands for; another share takes effect with a
/// reload.
#[test]
fn of_each_verdict_the_share_that_was_asked_for_is_written() {
    let with = |sample: &str| format!("{CONFIG}\n[access_log]\nfile = \"access.log\"\nsample = {sample}\n");
    let site = Site::with(&with("{ allow = 10, deny = 2 }"));
    let store = site.store();
    let (good, bad) = (Site::issue(&store), Site::issue(&store));
    store.revoke(bad.record.id, kgate::key::RevokeReason::Abuse, &crate::harness::act()).unwrap();
    let process = site.serve(&[]);
    let path = site.dir.path().join("access.log");
    let ask = |good_ones: usize, bad_ones: usize| {
        assert!((0..good_ones).all(|_| process.status(&good) == 200));
        assert!((0..bad_ones).all(|_| process.status(&bad) == 401));
    };
    let of = |verdict: &str| -> Vec<_> {
        let all = lines(&path).into_iter().filter(|line| line["verdict"] == verdict);
        all.map(|line| line["one_in"].as_u64()).collect()
    };
    ask(40, 6);
    until("both are written", || of("allow").len() == 4 && of("deny").len() == 3);
    assert!(of("allow").iter().all(|one_in| *one_in == Some(10)), "{:?}", of("allow"));
    assert!(of("deny").iter().all(|one_in| *one_in == Some(2)), "{:?}", of("deny"));
    site.configure(&with("{ allow = 0 }"));
    process.signal(Signal::HUP);
    process.until_it_says("configuration reloaded");
    ask(10, 2);
    until("the refusals are there", || of("deny").len() == 5);
    assert_eq!((of("allow").len(), &of("deny")[3..]), (4, &[None, None][..]));
}

#[test]
fn a_large_log_is_put_aside_under_way() {
    let rotation = "\n[access_log]\nfile = \"access.log\"\nmax_size = \"64KiB\"\nkeep = 2\n";
    let site = Site::with(&format!("{CONFIG}{rotation}"));
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let mut client = Client::tcp(process.address);
    for n in 0..600 {
        client.send(request("GET", &format!("/{n}/{}", "x".repeat(200)), &key.token));
        assert_eq!(client.answer().status, 200);
    }
    let path = |suffix: &str| site.dir.path().join(format!("access.log{suffix}"));
    until("all lines are written", || {
        let all: Vec<_> = ["", ".1", ".2", ".3"].iter().flat_map(|suffix| lines(&path(suffix))).collect();
        all.iter().any(|line| line["path"].as_str().is_some_and(|path| path.starts_with("/599/")))
    });
    assert!(path(".2").exists() && !path(".3").exists());
    for suffix in ["", ".1", ".2"] {
        assert!(fs::metadata(path(suffix)).unwrap().len() <= 64 * 1024);
    }
}
