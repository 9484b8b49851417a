//! A report as GitLab takes it from a job (`artifacts: reports: secret_detection`), in version 15 of its
//! schema. One entry a place, told apart by digest and place. Tokens are never in it.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::ui::json_clean;
use crate::key::{Digest, Timestamp};
use crate::scan::{Fault, Finding, Outcome, Place, Report, Standing, printable};

/// Writes what was found between `begun` and `ended`. What is accepted is left out: GitLab knows no such
/// thing.
pub(super) fn write(
    report: &Report,
    begun: Timestamp,
    ended: Timestamp,
    out: &mut dyn Write,
) -> io::Result<()> {
    let shown = report.findings.iter().filter(|finding| finding.suppressed.is_none());
    let entries: Vec<Value> =
        shown.flat_map(|finding| finding.places.iter().map(|place| entry(finding, place))).collect();
    let program = json!({
        "id": "kgate",
        "name": "kgate",
        "version": env!("CARGO_PKG_VERSION"),
        "vendor": { "name": "kgate" },
    });
    let is_whole = report.outcome() != Outcome::Incomplete;
    let log = json!({
        "version": "15.0.7",
        "scan": {
            "analyzer": program,
            "scanner": program,
            "type": "secret_detection",
            "start_time": to_the_second(begun),
            "end_time": to_the_second(ended),
            "status": if is_whole { "success" } else { "failure" },
            "messages": report.faults.iter().map(message).collect::<Vec<_>>(),
        },
        "vulnerabilities": entries,
    });
    let text = serde_json::to_string_pretty(&log)?;
    writeln!(out, "{}", json_clean(&text))
}

fn entry(finding: &Finding, place: &Place) -> Value {
    let status = finding.standing.as_str();
    let name = format!("{} key {}", finding.key_type, finding.hint);
    // Where no commit is known, GitLab's own analyzer names this one.
    let commit = place.commit.as_ref().map_or_else(
        || json!({ "sha": "0000000" }),
        |commit| json!({ "sha": commit.id, "author": commit.author, "date": commit.date.to_string() }),
    );
    let name_of_place = format!("{}:{place}:{}", finding.digest, commit["sha"]);
    json!({
        "id": Digest::sha256(name_of_place.as_bytes()).to_string(),
        "name": name,
        "description": format!("The key {} is {status}. It is in {place}.", finding.hint),
        "severity": severity(finding),
        "solution": "Revoke it with `kgate leak-scan --revoke`, then take it out of here.",
        "location": {
            "file": printable(&place.path),
            "start_line": place.line.max(1),
            "commit": commit,
        },
        "identifiers": [{ "type": "kgate_digest", "name": name, "value": finding.digest.to_string() }],
    })
}

fn severity(finding: &Finding) -> &'static str {
    match &finding.standing {
        _ if finding.is_informational() => "Info",
        standing if standing.is_dead() => "Low",
        Standing::Unverified | Standing::LookupFailed(_) => "High",
        standing if standing.is_live() => "Critical",
        _ => "Medium",
    }
}

fn message(fault: &Fault) -> Value {
    json!({ "level": "warn", "value": format!("{}: {}", printable(&fault.path), fault.problem) })
}

/// `2026-11-24T01:02:03`, in UTC, as the schema asks.
fn to_the_second(at: Timestamp) -> String {
    at.to_string().chars().take("2026-11-24T01:02:03".len()).collect()
}
