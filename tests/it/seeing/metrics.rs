//! Metrics under Prometheus' own checker, and the rules and the dashboard that use them.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use kgate::key::RevokeReason;
use kgate::metrics::TABLE;

use super::page;
use crate::harness::{Client, act, away_from_midnight, is_quick, until};
use crate::process::{CONFIG, Site};

/// Runs promtool, which must be content and have nothing to say against what it read.
fn promtool(args: &[&str], input: &str) {
    let alerts = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/alerts");
    let mut child = Command::new("promtool")
        .args(args)
        .current_dir(alerts)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool runs (`make test` installs it)");
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {said}");
    assert!(args[0] == "test" || args[1] == "rules" || said.trim().is_empty(), "promtool {args:?}: {said}");
}

#[test]
fn promtool_finds_nothing_in_the_metrics_of_a_busy_server() {
    if is_quick() {
        return;
    }
    away_from_midnight();
    let config = CONFIG.replace("limits = [", "limits = [{ name = \"few\", quota = \"3/day\" }, ");
    let site = Site::with(&config);
    let store = site.store();
    let (key, revoked) = (Site::issue(&store), Site::issue(&store));
    store.revoke(revoked.record.id, RevokeReason::Leak, &act()).unwrap();
    let process = site.serve(&[]);
    let statuses: Vec<u16> = (0..4).map(|_| process.status(&key)).collect();
    assert_eq!(statuses, [200, 200, 200, 429]);
    assert_eq!(process.status(&revoked), 401);
    let mut client = Client::tcp(process.address);
    client.send("GET /../x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer().status, 400);
    let mut text = String::new();
    // A request is counted once its answer has left.
    until("all are counted", || {
        text = process.ask_admin("/metrics").1;
        text.contains("kgate_decision_duration_seconds_count 6\n")
    });
    promtool(&["check", "metrics"], &text);
    for line in [
        "kgate_requests_total{code=\"429\",route=\"all\",verdict=\"limited\"} 1",
        "kgate_limit_refusals_total{kind=\"quota\",limit=\"few\"} 1",
        "kgate_limit_refusals_total{kind=\"rate\",limit=\"burst\"} 0",
        "kgate_failed_authentications_total{route=\"all\"} 1",
        "kgate_ended_key_uses_total{kind=\"revoked\"} 1",
        "kgate_snapshot_lag_seconds 0",
        // 90 days: not yet.
        "kgate_keys_expiring{within=\"30d\"} 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is missing from\n{text}");
    }
    for metric in TABLE {
        let is_there = text.contains(&format!("# TYPE {} ", metric.name));
        let needs_more = [
            "kgate_shadow",
            "kgate_upstream_errors",
            "kgate_leak",
            "kgate_config_reloads",
            "kgate_webhook",
            "kgate_certificate",
        ];
        assert!(is_there || needs_more.iter().any(|name| metric.name.starts_with(name)), "{}", metric.name);
    }
}

#[test]
fn keys_that_will_end_are_counted_by_how_soon() {
    let site = Site::new();
    let store = site.store();
    let consumer = Site::consumer(&store);
    for hours in [1, 100, 700, 3000] {
        let expires = kgate::verify::wall().plus(std::time::Duration::from_hours(hours));
        let new = kgate::store::NewKey { expires_at: Some(expires), ..crate::harness::new_key(consumer) };
        let issued = store.issue(&new, &kgate::key::Peppers::default(), &act(), &mut rand::rng()).unwrap();
        if hours == 1 {
            // One that was revoked does not expire any more.
            let other = store.issue(&new, &kgate::key::Peppers::default(), &act(), &mut rand::rng()).unwrap();
            store.revoke(other.record.id, RevokeReason::Leak, &act()).unwrap();
        }
        drop(issued);
    }
    let text = site.serve(&[]).ask_admin("/metrics").1;
    for (within, count) in [("1d", 1), ("7d", 2), ("30d", 3)] {
        let line = format!("kgate_keys_expiring{{within=\"{within}\"}} {count}");
        assert!(text.lines().any(|found| found == line), "{line}");
    }
}

#[test]
fn the_alert_rules_are_sound_and_fire_when_they_should() {
    if is_quick() {
        return;
    }
    promtool(&["check", "rules", "kgate.yml"], "");
    promtool(&["test", "rules", "kgate_test.yml"], "");
}

#[test]
fn rules_and_dashboard_name_only_metrics_that_are_there() {
    for file in ["alerts/kgate.yml", "alerts/kgate_test.yml", "dashboards/kgate.json"] {
        let text = page(file);
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let words = text.split(|c| !is_word(c)).filter(|word| word.starts_with("kgate_"));
        for word in words.filter(|word| !["kgate_test"].contains(word)) {
            let name =
                ["_bucket", "_count", "_sum"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word);
            assert!(TABLE.iter().any(|metric| metric.name == name), "{file} names {word}");
        }
    }
    serde_json::from_str::<serde_json::Value>(&page("dashboards/kgate.json")).unwrap();
}
