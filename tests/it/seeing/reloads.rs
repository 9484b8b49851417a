//! What is seen and who is told is changed while kgate runs.

use std::fs::File;
use std::path::Path;

use kgate::key::RevokeReason;
use rustix::process::Signal;
use serde_json::Value;

use super::lines;
use super::receiver::Receiver;
use crate::harness::{Client, act, away_from_midnight, until};
use crate::process::{CONFIG, Process, Site};

/// Puts another configuration in force, and waits until it is. The file is looked at, so it is read once; a signal
/// might come after that.
fn reload(site: &Site, process: &Process, more: &str) {
    let before = process.said().matches("configuration reloaded").count();
    site.configure(&format!("{CONFIG}\n{more}"));
    until("it is reloaded", || process.said().matches("configuration reloaded").count() > before);
}

fn hook(name: &str, receiver: &Receiver) -> String {
    format!(
        "[[webhook]]\nname = \"{name}\"\nurl = \"http://{}/\"\nsecret_file = \"hook-secret\"\n\
         networks = [\"127.0.0.0/8\"]\nevents = [\"key.revoked\", \"key.leaked\"]\n",
        receiver.address
    )
}

fn ids(events: &[Value]) -> Vec<String> {
    events.iter().map(|event| event["data"]["key_ids"][0].as_str().unwrap().to_owned()).collect()
}

#[test]
fn log_events_and_traces_go_where_a_reload_says_and_nothing_is_lost_or_told_twice() {
    let (first, second, collector) =
        (Receiver::start(&["200 OK"]), Receiver::start(&["200 OK"]), Receiver::start(&["200 OK"]));
    let site = Site::new();
    std::fs::write(site.dir.path().join("hook-secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let store = site.store();
    let keys: Vec<_> = (0..5).map(|_| Site::issue(&store)).collect();
    let good = Site::issue(&store);
    let revoke = |at: usize| {
        let key: &kgate::store::Issued = &keys[at];
        store.revoke(key.record.id, RevokeReason::Abuse, &act()).unwrap();
        key.record.id.to_string()
    };
    let out = site.dir.path().join("out.log");
    let process =
        Process::start_writing(site.command(&["serve"]), File::create(&out).unwrap().into()).unwrap();
    assert_eq!(process.status(&good), 200);
    let untold = revoke(0);
    let log = |name: &str| site.dir.path().join(name);
    let wait_for = |path: &Path, count: usize| until("the lines are there", || lines(path).len() == count);

    // From nothing to all of it.
    let traces = format!("[traces]\nurl = \"http://{}/v1/traces\"\n", collector.address);
    let file = |name: &str| format!("[access_log]\nfile = \"{name}\"\nformat = \"json\"\n");
    reload(&site, &process, &format!("{}{traces}{}", file("one.log"), hook("a", &first)));
    assert_eq!(process.status(&good), 200);
    wait_for(&log("one.log"), 1);
    assert!(lines(&log("one.log"))[0]["trace_id"].is_string());
    until("a trace came", || !collector.heard().is_empty());
    let told = revoke(1);
    until("it is told", || ids(&first.events("key.revoked")).contains(&told));
    assert!(!ids(&first.events("key.revoked")).contains(&untold), "from before there was anybody to tell");

    // Another file, another receiver beside the one that goes on, no traces.
    let heard = collector.heard().len();
    reload(&site, &process, &format!("{}{}{}", file("two.log"), hook("a", &first), hook("b", &second)));
    assert_eq!((process.status(&good), process.status(&good)), (200, 200));
    wait_for(&log("two.log"), 2);
    assert!(lines(&log("two.log"))[0]["trace_id"].is_null());
    let both = revoke(2);
    for receiver in [&first, &second] {
        until("both are told", || ids(&receiver.events("key.revoked")).contains(&both));
    }
    assert_eq!(lines(&log("one.log")).len(), 1, "nothing more goes there");
    assert_eq!(collector.heard().len(), heard);

    // A change while nobody looks at the log is still told: the place in the audit log stays.
    reload(&site, &process, &hook("b", &second));
    let last = revoke(3);
    until("it is told", || ids(&second.events("key.revoked")).contains(&last));
    assert_eq!(ids(&second.events("key.revoked")), [both.clone(), last], "each once");
    assert_eq!(ids(&first.events("key.revoked")), [told, both], "and no more to who was taken out");
    assert_eq!(process.status(&good), 200);
    until("lines are on standard output again", || lines(&out).len() == 2);
    assert_eq!(lines(&log("two.log")).len(), 2);
    let metrics = process.ask_admin("/metrics").1;
    assert!(metrics.contains("webhook=\"b\"") && !metrics.contains("webhook=\"a\""), "{metrics}");
    let said = process.said();
    assert!(!said.contains("only after a restart"), "{said}");
}

/// What was counted against a limit, for usage and for the metrics is not begun anew with another configuration.
#[test]
fn what_was_counted_stays_counted_across_reloads() {
    away_from_midnight();
    let limited = |more: &str| {
        let few = format!(
            "limits = [{{ name = \"few\", quota = \"{more}/day\" }}, {{ name = \"rate\", rate = \"6/h\", burst = 6 }}, "
        );
        CONFIG.replace("limits = [", &few)
    };
    let site = Site::with(&limited("3"));
    let key = Site::issue(&site.store());
    let process = site.serve(&[]);
    let put = |config: &str| {
        let before = process.said().matches("configuration reloaded").count();
        site.configure(config);
        until("it is reloaded", || process.said().matches("configuration reloaded").count() > before);
    };
    let ask = |times: usize| (0..times).map(|_| process.status(&key)).collect::<Vec<_>>();
    assert_eq!(ask(2), [200, 200]);
    put(&format!("{}\n[usage]\nkeep_minutes = \"3h\"\n", limited("3")));
    assert_eq!(ask(2), [200, 429], "the third is the last");
    // A limit that was raised knows what was used of it.
    put(&limited("5"));
    assert_eq!(ask(3), [200, 200, 429]);
    // And one beside it, that stayed as it was.
    put(&limited("9"));
    assert_eq!(ask(2), [200, 429], "six of six in an hour");
    let counts = || {
        ["verdict=\"allowed\"", "verdict=\"limited\""].map(|verdict| {
            let metrics = process.ask_admin("/metrics").1;
            let of = |line: &&str| line.starts_with("kgate_requests_total{") && line.contains(verdict);
            metrics
                .lines()
                .filter(of)
                .filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok())
                .sum::<u64>()
        })
    };
    // A request is counted when its answer has left.
    until("all are counted", || counts() == [6, 3]);
    process.signal(Signal::TERM);
    assert!(process.wait().0.success());
    let usage = site.command(&["usage", "--since", "1h", "--json"]).output().unwrap().stdout;
    let usage: Value = serde_json::from_slice(&usage).unwrap();
    assert_eq!((&usage[0]["allowed"], &usage[0]["limited"]), (&6.into(), &3.into()), "{usage}");
}

/// So is what is counted by address: too many bad keys, there and at the admin API, and requests without a key.
#[test]
fn what_addresses_did_stays_counted_across_reloads() {
    let near = |more: &str| {
        CONFIG.replace("failed_auth = { exempt = [\"127.0.0.0/8\"] }", "failed_auth = { rate = \"4/h\" }")
            + "[plans.near]\nlimits = [{ name = \"near\", rate = \"4/h\", burst = 4, per = \"address\" }]\n"
            + "[[route]]\nname = \"open\"\npath = \"/open/**\"\nanonymous = \"near\"\nupstream = \"echo\"\n"
            + more
    };
    let site = Site::with(&near(""));
    let process = site.serve(&[]);
    let ask = |to, what: &str, times: usize| -> Vec<u16> {
        let once = || {
            let mut client = Client::tcp_from([127, 0, 0, 7], to);
            client.send(format!("GET {what}\r\n\r\n"));
            client.answer().status
        };
        (0..times).map(|_| once()).collect()
    };
    let open = |times| ask(process.address, "/open/a HTTP/1.1\r\nHost: a", times);
    let bad =
        |times| ask(process.address, "/x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer acme_live_x", times);
    let guess = |times| {
        let head = "/v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer kgate_admin_x";
        ask(process.admin, head, times)
    };
    until("it serves", || process.readiness() == "ready");
    assert_eq!((open(2), bad(2), guess(2)), (vec![200; 2], vec![401; 2], vec![401; 2]));
    let before = process.said().matches("configuration reloaded").count();
    site.configure(&near("[usage]\nkeep_minutes = \"3h\"\n"));
    until("it is reloaded", || process.said().matches("configuration reloaded").count() > before);
    assert_eq!(open(3), [200, 200, 429]);
    assert_eq!(bad(3), [401, 401, 429]);
    assert_eq!(guess(3), [401, 401, 429]);
}

/// A file that cannot be opened, an authority that cannot be read: all of the old configuration stays in force, and
/// what waits for a restart is named.
#[test]
fn a_reload_that_cannot_be_done_changes_nothing_and_what_waits_for_a_restart_is_named() {
    let receiver = Receiver::start(&["200 OK"]);
    let site = Site::new();
    std::fs::write(site.dir.path().join("hook-secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let store = site.store();
    let good = Site::issue(&store);
    let process = site.serve(&[]);
    reload(&site, &process, &format!("[access_log]\nfile = \"one.log\"\n{}", hook("a", &receiver)));
    site.configure(&format!("{CONFIG}\n[access_log]\nfile = \"missing/two.log\"\n"));
    process.signal(Signal::HUP);
    process.until_it_says("the configuration was not reloaded");
    assert_eq!(process.status(&good), 200);
    until("the line is where it was", || lines(&site.dir.path().join("one.log")).len() == 1);
    store.revoke(good.record.id, RevokeReason::Leak, &act()).unwrap();
    until("who was told is told", || receiver.events("key.leaked").len() == 1);
    let other = CONFIG.replace("workers = 1", "workers = 2");
    site.configure(&format!("{other}\n[access_log]\nfile = \"one.log\"\n{}", hook("a", &receiver)));
    process.signal(Signal::HUP);
    process.until_it_says("in force only after a restart: server.workers\n");
}
