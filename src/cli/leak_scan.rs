//! `kgate leak-scan`

use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::{Value, json};

use crate::key::{Digest, Status};
use crate::scan::{
    Detector, Finding, Known, Lookup, Options, Outcome as End, Report, Scan, Standing, printable,
};
use crate::store::{Access, Store};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Format, Item, Object, Tone};
use super::values::counted;
use super::view::{Field, named};

/// What `leak-scan` prints.
pub(super) const REPORT: &[Field] = &[
    ("findings", "array, one for each key found; see below"),
    ("faults", "array of `{\"path\",\"problem\"}`: what could not be read"),
    ("files", "how many files were read"),
    ("bytes", "how many bytes were read"),
    ("complete", "whether everything was read and looked up"),
];

/// What `leak-scan` prints of each key found.
pub(super) const FINDING: &[Field] = &[
    ("digest", "SHA-256 of the key, in hexadecimal: its name in reports"),
    ("hint", "prefix and last four characters"),
    ("type", "its key type"),
    ("kind", "`secret` or `publishable`; the latter is information, no alarm"),
    ("status", "as of a key, or `unknown`, or `unverified` if the store could not be asked"),
    ("key_id", "its identifier, or null"),
    ("key_name", "what people call it, or null"),
    ("consumer_id", "who holds it, or null"),
    ("consumer_name", "what people call them, or null"),
    ("place_count", "in how many places it is"),
    ("places", "array of `{\"path\",\"line\",\"column\",\"offset\"}`, the first thousand"),
];

/// Find keys in files, and say which of them work
///
/// A key is known by its prefix and its checksum, so hardly anything else is reported; whether it
/// works is asked of the store, if there is one. Exit code 0 if no secret key was found, 1 if some
/// were, 2 if something could not be read.
#[derive(Args)]
pub(super) struct LeakScan {
    /// Files and directories; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
}

pub(super) fn run(args: &LeakScan, session: &Session) -> Outcome {
    let config = session.config()?;
    let detector = Detector::new(&config.key_types).map_err(|e| Failure::cannot(e.to_string()))?;
    for name in detector.unscannable() {
        session.ui.warn(format!("keys of type {name} have no mark to find them by and are not looked for"));
    }
    let store = open_store(session)?;
    let mut scan = Scan::new(&detector, config.peppers.clone(), Options::default());
    let (stdin, paths): (Vec<PathBuf>, Vec<PathBuf>) =
        args.paths.iter().cloned().partition(|path| path == Path::new("-"));
    if !stdin.is_empty() {
        scan.stream(Path::new("-"), io::stdin().lock());
    }
    if !paths.is_empty() {
        let progress = scan.progress();
        session.ui.spin("scanning", || counted(progress.totals().files, "file"), || scan.paths(&paths));
    }
    let look_up = store.map(|store| {
        let now = session.now();
        move |digest: &Digest| look_up(&store, digest, now)
    });
    let report = scan.finish(look_up.as_ref().map(|f| f as &dyn Lookup));
    print(&report, session)?;
    answer(&report, session)
}

/// A scanner in a build has a configuration and no store; what it finds is then unverified.
fn open_store(session: &Session) -> Result<Option<Store>, Failure> {
    let dir = session.data_dir()?;
    if !Store::exists(&dir) {
        session.ui.status(format!("there is no store in {}: whether keys work is not known", dir.display()));
        return Ok(None);
    }
    Ok(Some(Store::open(&dir, Access::Read, &crate::store::Options::default())?))
}

fn look_up(store: &Store, digest: &Digest, now: crate::key::Timestamp) -> Result<Option<Known>, String> {
    let Some(key) = store.key_by_digest(digest).map_err(|e| e.to_string())? else { return Ok(None) };
    Ok(Some(Known {
        key: key.id,
        status: key.status(now),
        consumer: key.consumer,
        consumer_name: store.consumer(key.consumer).ok().map(|consumer| consumer.name),
        key_name: key.name,
    }))
}

fn print(report: &Report, session: &Session) -> Result<(), Failure> {
    if session.ui.format() == Format::Json {
        return session.ui.object(&report_object(report));
    }
    let mut list = session.ui.list();
    for finding in &report.findings {
        list.row(finding)?;
    }
    list.end().map(|_| ())
}

fn answer(report: &Report, session: &Session) -> Outcome {
    for fault in &report.faults {
        session.ui.warn(format!("{}: {}", printable(&fault.path), fault.problem));
    }
    let live = report.findings.iter().filter(|f| is_live(f)).count();
    let read =
        format!("in {} ({})", counted(report.totals.files, "file"), counted(report.totals.bytes, "byte"));
    match report.outcome() {
        End::Clean => {
            session.ui.status(format!("no secret key {read}"));
            Ok(Answer::Yes)
        }
        End::Found => {
            session.ui.status(format!(
                "{} {read}, {live} to be taken for live",
                counted(report.findings.len(), "key")
            ));
            if live > 0 {
                session.ui.status("revoke them with `kgate key revoke ID… --reason leak`");
            }
            Ok(Answer::No)
        }
        End::Incomplete => Err(Failure::cannot(match report.totals.bytes {
            0 => "nothing was read".to_owned(),
            _ => format!("not everything could be read: {} {read}", counted(report.findings.len(), "key")),
        })),
    }
}

/// A key that works, or of which nobody knows that it does not.
fn is_live(finding: &Finding) -> bool {
    match &finding.standing {
        Standing::Known(known) => !matches!(known.status, Status::Revoked | Status::Expired),
        Standing::Unknown => false,
        Standing::Unverified | Standing::LookupFailed(_) => true,
    }
}

fn report_object(report: &Report) -> Object {
    let findings: Vec<Object> = report.findings.iter().map(Item::object).collect();
    let faults: Vec<Value> =
        report.faults.iter().map(|f| json!({"path": printable(&f.path), "problem": f.problem})).collect();
    let values = [
        json!(findings),
        json!(faults),
        json!(report.totals.files),
        json!(report.totals.bytes),
        json!(report.outcome() != End::Incomplete),
    ];
    Object(named(REPORT, values))
}

impl Item for Finding {
    const HEADINGS: &'static [&'static str] = &["STATUS", "HINT", "KEY", "CONSUMER", "PLACE", "PLACES"];

    fn object(&self) -> Object {
        let known = match &self.standing {
            Standing::Known(known) => Some(known),
            _ => None,
        };
        let places: Vec<Value> = self
            .places
            .iter()
            .map(|p| json!({"path": printable(&p.path), "line": p.line, "column": p.column, "offset": p.offset}))
            .collect();
        let values = [
            json!(self.digest.to_string()),
            json!(self.hint),
            json!(self.key_type),
            json!(self.kind.to_string()),
            json!(self.standing.as_str()),
            json!(known.map(|k| k.key.to_string())),
            json!(known.map(|k| k.key_name.as_str())),
            json!(known.map(|k| k.consumer.to_string())),
            json!(known.and_then(|k| k.consumer_name.as_deref())),
            json!(self.place_count),
            json!(places),
        ];
        Object(named(FINDING, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let tone = if is_live(self) { Tone::Bad } else { Tone::Attention };
        let (key, consumer) = match &self.standing {
            Standing::Known(known) => (
                Cell::plain(known.key.to_string()),
                Cell::or_none(known.consumer_name.as_deref().unwrap_or_default()),
            ),
            _ => (Cell::none(), Cell::none()),
        };
        let place = self.places.first().map(|p| format!("{}:{}:{}", printable(&p.path), p.line, p.column));
        vec![
            Cell::toned(self.standing.as_str(), tone),
            Cell::plain(self.hint.as_str()),
            key,
            consumer,
            Cell::or_none(place.unwrap_or_default()),
            Cell::plain(self.place_count.to_string()),
        ]
    }
}
