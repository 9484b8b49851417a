//! `kgate leak-scan`: arguments, the scan, what is accepted, the report, revocation, the exit code.

mod accept;
mod args;
mod forms;
mod gitlab;
mod history;
mod junit;
mod lookup;
mod revoke;
mod sarif;
mod stop;
mod text;

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use crate::key::{Peppers, Timestamp};
use crate::scan::{Detector, Outcome as End, Report, Scan, printable};

use super::failure::{Answer, Failure, Outcome};
use super::output::Output;
use super::session::Session;
use super::values::{counted, sized};

pub(super) use args::LeakScan;
pub(super) use forms::{COMMIT, FINDING, PLACE, REPORT};
pub(super) use lookup::key_types;

use args::{FailOn, Form};
use lookup::Judge;

pub(super) fn run(args: &LeakScan, session: &Session) -> Outcome {
    let types = key_types(&args.prefixes, session)?;
    let detector = Detector::new(&types).map_err(|e| Failure::cannot(e.to_string()));
    let detector = detector.and_then(|_| {
        Detector::new(&lookup::with_admin_keys(&types)).map_err(|e| Failure::cannot(e.to_string()))
    })?;
    for name in detector.unscannable() {
        session.ui.warn(format!("keys of type {name} have no mark to find them by and are not looked for"));
    }
    let begun = session.now();
    let accepted = accept::accepted(args)?;
    let judge = Judge::open(args, session)?;
    let mut report = scan(args, &detector, &judge, session)?;
    if let Some(path) = &args.write_baseline {
        accept::write_baseline(path, &report)?;
    }
    accepted.suppress(&mut report);
    print(args, &report, begun, session)?;
    if args.revoke {
        revoke::revoke(args, &report, session)?;
    }
    answer(args, &report, session)
}

fn scan(args: &LeakScan, detector: &Detector, judge: &Judge, session: &Session) -> Result<Report, Failure> {
    let updates = args.repositories.updates()?;
    let peppers: Peppers = judge.peppers();
    let mut scan = Scan::new(detector, peppers, args.options());
    let progress = scan.progress();
    let interrupt = stop::on_interrupt(&progress)?;
    session.ui.spin(
        "scanning",
        |elapsed| stop::so_far(&progress, elapsed),
        || {
            args.repositories.scan(&mut scan, args.all_objects, &updates);
            if args.reads_stdin() {
                scan.stream(Path::new("-"), io::stdin().lock());
            }
            let trees = args.trees();
            if !trees.is_empty() {
                scan.paths(&trees);
            }
        },
    );
    let mut report = scan.finish(judge.as_lookup());
    judge.correct(&mut report);
    interrupt.done();
    Ok(report)
}

fn print(args: &LeakScan, report: &Report, begun: Timestamp, session: &Session) -> Result<(), Failure> {
    let failing = args.failing();
    let mut out = Output::open(args.output.as_deref(), session)?;
    match args.form(session) {
        Form::Text => text::write(args, report, session, &mut out),
        Form::Json => forms::write_json(report, &mut out),
        Form::Jsonl => forms::write_jsonl(report, &mut out),
        Form::Csv => forms::write_csv(report, &mut out),
        Form::Sarif => sarif::write(report, &mut out),
        Form::Gitlab => gitlab::write(report, begun, session.now(), &mut out),
        Form::Junit => junit::write(report, |finding| failing.contains(&FailOn::of(finding)), &mut out),
    }
    .map_err(|e| out.failure(&e))?;
    out.finish()
}

fn answer(args: &LeakScan, report: &Report, session: &Session) -> Outcome {
    for fault in &report.faults {
        session.ui.warn(format!("{}: {}", printable(&fault.path), fault.problem));
    }
    let failing = args.failing();
    let outcome = report.outcome_by(|finding| failing.contains(&FailOn::of(finding)));
    let summary = summary(report);
    match outcome {
        End::Clean => {
            session.ui.status(summary);
            Ok(Answer::Yes)
        }
        End::Found => {
            session.ui.status(summary);
            if !args.revoke && report.findings.iter().any(revoke::is_revocable) {
                session.ui.status("end those that work with `kgate leak-scan --revoke …`");
            }
            Ok(Answer::No)
        }
        End::Incomplete if report.interrupted => Err(Failure::cannot(format!("interrupted: {summary}"))),
        End::Incomplete if report.totals.bytes == 0 => {
            Err(Failure::cannot(format!("nothing was read: {summary}")))
        }
        End::Incomplete => Err(Failure::cannot(format!("not everything could be read: {summary}"))),
    }
}

/// `2 keys (1 active, 1 unknown) in 17 files (178 MB); 1 suppressed (baseline)`.
fn summary(report: &Report) -> String {
    let shown: Vec<_> = report.findings.iter().filter(|f| f.suppressed.is_none()).collect();
    let tally = tally(shown.iter().map(|f| f.standing.as_str()));
    let found = match shown.len() {
        0 => "no key".to_owned(),
        count => format!("{} ({tally})", counted(count, "key")),
    };
    let totals = &report.totals;
    let mut read = Vec::new();
    if totals.files > 0 || totals.objects == 0 {
        read.push(counted(totals.files, "file"));
    }
    if totals.objects > 0 {
        read.push(counted(totals.objects, "object"));
    }
    let mut text = format!("{found} in {} ({})", read.join(" and "), sized(totals.bytes));
    let suppressed: Vec<_> = report.findings.iter().filter_map(|f| f.suppressed).collect();
    if !suppressed.is_empty() {
        let why = self::tally(suppressed.iter().map(|s| s.as_str()));
        let _ = write!(text, "; {} suppressed ({why})", suppressed.len());
    }
    let informational = shown.iter().filter(|f| f.is_informational()).count();
    if informational > 0 {
        let _ = write!(text, "; {informational} of them made to be seen");
    }
    if report.overflow > 0 {
        let _ = write!(
            text,
            "; there are more keys than are kept: {} left out",
            counted(report.overflow, "place")
        );
    }
    text
}

/// `1 active, 2 unknown`, in order of the words.
fn tally<'w>(words: impl Iterator<Item = &'w str>) -> String {
    let mut counts = std::collections::BTreeMap::new();
    words.for_each(|word| *counts.entry(word).or_insert(0) += 1);
    counts.iter().map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}
