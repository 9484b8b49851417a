//! A report for people: a block for each key.

use std::fmt::Write as _;
use std::io::{self, Write};

use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::ui::{Tone, clean};
use crate::cli::values::{counted, relative};
use crate::key::Timestamp;
use crate::scan::{Finding, Place, Report};

use super::args::LeakScan;
use super::forms::known;

pub(super) fn write(
    args: &LeakScan,
    report: &Report,
    session: &Session,
    out: &mut Output<'_>,
) -> io::Result<()> {
    let now = session.now();
    let coloured = out.is_stdout();
    let mut is_first = true;
    // Accepted ones are counted in the summary and listed by the other forms.
    for finding in report.findings.iter().filter(|f| f.suppressed.is_none()) {
        if !is_first {
            writeln!(out)?;
        }
        is_first = false;
        let status = finding.standing.as_str();
        let status =
            if coloured { session.ui.paint_result(status, tone(finding).code()) } else { status.into() };
        writeln!(out, "{status}  {}  {}", finding.hint, about(finding))?;
        if let Some(line) = holder(finding, now) {
            writeln!(out, "  {line}")?;
        }
        if let Some(token) = &finding.token {
            writeln!(out, "  {}", token.expose())?;
        }
        write_places(finding, args.max_places.unwrap_or(SHOWN), out)?;
        write_commits(finding, out)?;
    }
    Ok(())
}

/// `live, in 3 places`.
fn about(finding: &Finding) -> String {
    let kind = if finding.is_informational() { ", made to be seen" } else { "" };
    format!("{}{kind}, in {}", clean(&finding.key_type), counted(finding.place_count, "place"))
}

/// `key_01… "CI" of Acme Corp (cust_01…), last used 2h ago`.
fn holder(finding: &Finding, now: Timestamp) -> Option<String> {
    let known = known(finding)?;
    let mut text = known.id()?;
    if !known.key_name.is_empty() {
        let _ = write!(text, " \"{}\"", clean(&known.key_name));
    }
    let _ = match (&known.consumer_name, known.consumer) {
        (Some(name), Some(id)) => write!(text, " of {} ({id})", clean(name)),
        (Some(name), None) => write!(text, " of {}", clean(name)),
        (None, Some(id)) => write!(text, " of {id}"),
        (None, None) => Ok(()),
    };
    if let Some((_, role)) = known.admin {
        let _ = write!(text, ", with the role {role}");
    }
    if let Some(at) = known.last_used {
        let _ = write!(text, ", last used {}", relative(at, now));
    }
    Some(text)
}

fn write_places(finding: &Finding, shown: usize, out: &mut dyn Write) -> io::Result<()> {
    for place in finding.places.iter().take(shown.max(1)) {
        writeln!(out, "  {}", with_commit(place))?;
    }
    let listed = finding.places.len().min(shown.max(1)) as u64;
    if finding.place_count > listed {
        writeln!(out, "  … and {}", counted(finding.place_count - listed, "more place"))?;
    }
    Ok(())
}

fn with_commit(place: &Place) -> String {
    match &place.commit {
        Some(commit) => format!("{place}  in {commit}"),
        None => place.to_string(),
    }
}

fn write_commits(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    let (Some(first), Some(last)) = (&finding.first_commit, &finding.last_commit) else { return Ok(()) };
    // Where there is one commit, the place has said it.
    if first == last {
        return Ok(());
    }
    writeln!(out, "  first in {first}")?;
    writeln!(out, "  last in {last}")
}

fn tone(finding: &Finding) -> Tone {
    if finding.is_informational() {
        Tone::Faint
    } else if finding.is_alarming() {
        Tone::Bad
    } else {
        Tone::Attention
    }
}

/// Places shown of each key where `--max-places` says nothing.
const SHOWN: usize = 10;
