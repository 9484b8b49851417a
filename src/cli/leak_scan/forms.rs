//! A report as JSON, JSON Lines and CSV.

use std::io::{self, Write};

use serde_json::{Value, json};

use crate::cli::ui::{Object, csv_heading, csv_line, json_clean};
use crate::cli::view::{Field, maybe_time, named, time};
use crate::scan::{Commit, Finding, Known, Place, Report, Standing, printable, printable_text};

/// What `leak-scan` prints.
pub(in crate::cli) const REPORT: &[Field] = &[
    ("findings", "array, one for each key found; see below"),
    ("faults", "array of `{\"path\",\"problem\"}`: what could not be read"),
    ("files", "how many files were read"),
    ("objects", "how many objects of repositories were read"),
    ("bytes", "how many bytes were read"),
    ("skipped", "how many pipes, sockets and devices were not"),
    ("suppressed", "how many of the findings are accepted"),
    ("left_out", "places of keys left out because there were too many different keys"),
    ("complete", "whether everything was read and looked up"),
    ("interrupted", "whether it was ended early"),
];

/// What `leak-scan` prints of each key found.
pub(in crate::cli) const FINDING: &[Field] = &[
    ("digest", "SHA-256 of the key, in hexadecimal: its name in reports, baselines and ignore files"),
    ("hint", "prefix and last four characters"),
    ("type", "its key type"),
    ("kind", "`secret` or `publishable`; the latter is information, no alarm"),
    ("status", "as of a key, or `unknown`, or `unverified` if nobody could be asked"),
    ("key_id", "its identifier, `akey_…` of an admin key, or null"),
    ("key_name", "what people call it, or null"),
    ("consumer_id", "who holds it, or null"),
    ("consumer_name", "what people call them, or null"),
    ("role", "of an admin key `viewer`, `operator` or `admin`, else null"),
    ("last_used_at", "time of its last use known, or null"),
    ("suppressed", "why it is accepted: `baseline`, `ignored`, `allowed`, or null"),
    ("place_count", "in how many places it is"),
    ("first_commit", "the oldest commit that has it, or null"),
    ("last_commit", "the newest commit that has it, or null"),
    ("token", "the key itself with --reveal, else null"),
    ("places", "array, the first ones; see below"),
];

/// What `leak-scan` prints of each place.
pub(in crate::cli) const PLACE: &[Field] = &[
    ("place", "all of it but the commit, for people"),
    ("path", "the file; in history, its path in the commit"),
    ("members", "array of the members of archives on the way to it, outermost first"),
    ("part", "`content`, `name`, `link_target`, or what else of a repository it is in"),
    ("decoded", "array of how it was written there, outermost first; empty: plainly"),
    ("line", "from 1"),
    ("column", "from 1, in bytes"),
    ("offset", "bytes before it, or before the text it was decoded from"),
    ("allowed", "whether `kgate:allow` is on the line"),
    ("commit", "in history the commit, or null"),
];

/// What `leak-scan` prints of a commit.
pub(in crate::cli) const COMMIT: &[Field] =
    &[("id", "its name in hexadecimal"), ("author", "as recorded"), ("date", "time it was committed")];

pub(super) fn write_json(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let findings: Vec<Value> = report.findings.iter().map(|f| value(finding(f))).collect();
    let text = serde_json::to_string_pretty(&Object(with_findings(report, &findings)))?;
    writeln!(out, "{}", json_clean(&text))
}

pub(super) fn write_jsonl(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    for found in &report.findings {
        write_line(&Object(finding(found)), out)?;
    }
    let mut rest = with_findings(report, &[]);
    rest.retain(|(name, _)| *name != "findings");
    write_line(&Object(rest), out)
}

pub(super) fn write_csv(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut headed = false;
    for found in &report.findings {
        let mut fields = finding(found);
        fields.retain(|(name, _)| *name != "places");
        for (name, commit) in [("first_commit", &found.first_commit), ("last_commit", &found.last_commit)] {
            let id = commit.as_ref().map(|commit| commit.id.clone());
            fields.iter_mut().filter(|(n, _)| *n == name).for_each(|(_, value)| *value = json!(id));
        }
        fields.push(("place", json!(found.places.first().map(ToString::to_string))));
        let object = Object(fields);
        if !headed {
            out.write_all(csv_heading(&object).as_bytes())?;
            headed = true;
        }
        out.write_all(csv_line(&object).as_bytes())?;
    }
    Ok(())
}

fn write_line(object: &Object, out: &mut dyn Write) -> io::Result<()> {
    let text = serde_json::to_string(object)?;
    writeln!(out, "{}", json_clean(&text))
}

type Fields = Vec<(&'static str, Value)>;

fn with_findings(report: &Report, findings: &[Value]) -> Fields {
    let faults: Vec<Value> =
        report.faults.iter().map(|f| json!({"path": printable(&f.path), "problem": f.problem})).collect();
    let suppressed = report.findings.iter().filter(|f| f.suppressed.is_some()).count();
    named(
        REPORT,
        [
            json!(findings),
            json!(faults),
            json!(report.totals.files),
            json!(report.totals.objects),
            json!(report.totals.bytes),
            json!(report.totals.skipped),
            json!(suppressed),
            json!(report.overflow),
            json!(report.outcome() != crate::scan::Outcome::Incomplete),
            json!(report.interrupted),
        ],
    )
}

fn finding(found: &Finding) -> Fields {
    let known = known(found);
    named(
        FINDING,
        [
            json!(found.digest.to_string()),
            json!(found.hint),
            json!(found.key_type),
            json!(found.kind.to_string()),
            json!(found.standing.as_str()),
            json!(known.and_then(Known::id)),
            json!(known.map(|k| k.key_name.as_str())),
            json!(known.and_then(|k| k.consumer).map(|id| id.to_string())),
            json!(known.and_then(|k| k.consumer_name.as_deref())),
            json!(known.and_then(|k| k.admin).map(|(_, role)| role.to_string())),
            maybe_time(known.and_then(|k| k.last_used)),
            json!(found.suppressed.map(crate::scan::Suppression::as_str)),
            json!(found.place_count),
            json!(found.first_commit.as_ref().map(|c| commit(c))),
            json!(found.last_commit.as_ref().map(|c| commit(c))),
            json!(found.token.as_ref().map(crate::key::Token::expose)),
            json!(found.places.iter().map(place).collect::<Vec<_>>()),
        ],
    )
}

fn place(place: &Place) -> Value {
    let members: Vec<String> = place.members.iter().map(|m| printable(m)).collect();
    let decoded: Vec<&str> = place.decoded.iter().map(|e| e.as_str()).collect();
    value(named(
        PLACE,
        [
            json!(place.to_string()),
            json!(printable(&place.path)),
            json!(members),
            json!(place.part.as_str()),
            json!(decoded),
            json!(place.line),
            json!(place.column),
            json!(place.offset),
            json!(place.allowed),
            json!(place.commit.as_ref().map(|c| commit(c))),
        ],
    ))
}

fn commit(commit: &Commit) -> Value {
    value(named(COMMIT, [json!(commit.id), json!(printable_text(&commit.author)), time(commit.date)]))
}

/// What the look-up knew.
pub(super) fn known(found: &Finding) -> Option<&Known> {
    match &found.standing {
        Standing::Known(known) => Some(known),
        _ => None,
    }
}

fn value(fields: Fields) -> Value {
    serde_json::to_value(Object(fields)).expect("these values have a JSON form")
}
