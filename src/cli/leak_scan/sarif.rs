//! A report as SARIF 2.1.0 (OASIS), which code hosts show beside the code.
//!
//! One result a key, with all its places; told apart by the key's digest, so that moving a file makes no
//! new alert. Tokens are never in it, `--reveal` or not: it is made to be uploaded.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{self, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path};

use serde_json::{Value, json};

use crate::cli::ui::json_clean;
use crate::scan::{Fault, Finding, Part, Place, Report, Standing, Suppression, printable, printable_text};

use super::forms::known;

pub(super) fn write(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    for finding in &report.findings {
        rules.entry(&finding.key_type).or_default();
    }
    for (index, value) in rules.values_mut().enumerate() {
        *value = index;
    }
    let results: Vec<Value> = report.findings.iter().map(|f| result(f, rules[f.key_type.as_str()])).collect();
    let declared: Vec<Value> = rules.keys().map(|name| rule(name)).collect();
    let faults: Vec<Value> = report.faults.iter().map(notification).collect();
    let complete = report.outcome() != crate::scan::Outcome::Incomplete;
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "kgate",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": declared,
            }},
            "invocations": [{ "executionSuccessful": complete, "toolExecutionNotifications": faults }],
            "results": results,
            "properties": {
                "files": report.totals.files,
                "objects": report.totals.objects,
                "bytes": report.totals.bytes,
            },
        }],
    });
    let text = serde_json::to_string_pretty(&log)?;
    writeln!(out, "{}", json_clean(&text))
}

fn rule(key_type: &str) -> Value {
    json!({
        "id": rule_id(key_type),
        "name": "LeakedKey",
        "shortDescription": { "text": format!("A key of type {key_type}") },
        "help": { "text": "Revoke the key with `kgate leak-scan --revoke` or `kgate key revoke ID --reason leak`, \
                           then take it out of here. It must be taken for known to others." },
        "properties": { "tags": ["security", "secret"] },
    })
}

fn rule_id(key_type: &str) -> String {
    format!("kgate/{key_type}")
}

fn result(finding: &Finding, rule_index: usize) -> Value {
    let mut result = json!({
        "ruleId": rule_id(&finding.key_type),
        "ruleIndex": rule_index,
        "message": { "text": message(finding) },
        "locations": finding.places.iter().map(location).collect::<Vec<_>>(),
        "partialFingerprints": { "kgateDigest/v1": finding.digest.to_string() },
        "properties": {
            "status": finding.standing.as_str(),
            "kind": finding.kind.to_string(),
            "hint": finding.hint,
            "placeCount": finding.place_count,
        },
    });
    // A result that is no failure has no level (§3.27.10).
    if finding.is_informational() {
        result["kind"] = json!("informational");
        result["level"] = json!("none");
    } else {
        result["level"] = json!(level(finding));
    }
    if let Some(suppression) = finding.suppressed {
        result["suppressions"] = json!([suppressed(suppression)]);
    }
    result
}

fn level(finding: &Finding) -> &'static str {
    match &finding.standing {
        standing if standing.is_dead() => "note",
        Standing::Unverified | Standing::LookupFailed(_) => "error",
        standing if standing.is_live() => "error",
        _ => "warning",
    }
}

fn suppressed(suppression: Suppression) -> Value {
    let kind = if suppression == Suppression::Allowed { "inSource" } else { "external" };
    json!({ "kind": kind, "status": "accepted", "justification": suppression.as_str() })
}

fn message(finding: &Finding) -> String {
    let mut text = format!("The key {} is {}", finding.hint, finding.standing.as_str());
    if let Some(known) = known(finding)
        && let Some(id) = known.id()
    {
        let _ = write!(text, ": {id}");
        if let Some(name) = &known.consumer_name {
            let _ = write!(text, " of {}", printable_text(name));
        }
    }
    let plural = if finding.place_count == 1 { "" } else { "s" };
    let _ = write!(text, ". It is in {} place{plural}.", finding.place_count);
    text
}

fn location(place: &Place) -> Value {
    let mut physical = json!({ "artifactLocation": { "uri": uri(&place.path) } });
    // Lines of a member say nothing about the archive.
    if place.part == Part::Content && place.members.is_empty() {
        physical["region"] = json!({ "startLine": place.line.max(1), "startColumn": place.column.max(1) });
    }
    let mut text = place.to_string();
    if let Some(commit) = &place.commit {
        let _ = write!(text, " in {commit}");
    }
    json!({ "physicalLocation": physical, "message": { "text": text } })
}

fn notification(fault: &Fault) -> Value {
    json!({
        "level": "error",
        "message": { "text": format!("{}: {}", printable(&fault.path), fault.problem) },
    })
}

/// Writes a path as a URI reference (RFC 3986), relative unless it is absolute.
fn uri(path: &Path) -> String {
    let mut uri = String::new();
    for component in path.components().filter(|c| !matches!(c, Component::CurDir)) {
        match component {
            Component::RootDir => uri.push_str("file://"),
            other => {
                if !uri.is_empty() {
                    uri.push('/');
                }
                for &byte in other.as_os_str().as_bytes() {
                    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                        uri.push(char::from(byte));
                    } else {
                        let _ = write!(uri, "%{byte:02X}");
                    }
                }
            }
        }
    }
    uri
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_uris_that_hide_nothing() {
        assert_eq!(uri(Path::new("./src/a b.rs")), "src/a%20b.rs");
        assert_eq!(uri(Path::new("/etc/x:y")), "file:///etc/x%3Ay");
        assert_eq!(uri(Path::new("../ü/\u{1b}[2J")), "../%C3%BC/%1B%5B2J");
        assert_eq!(uri(Path::new("javascript:alert(1)")), "javascript%3Aalert%281%29");
    }
}
