//! `kgate audit`

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::admin::api::{AlertShape, AuditReportShape, AuditRowShape};
use crate::key::{KeyId, Past};
use crate::store::NotedHead;

use super::books::{AuditWanted, Books};
use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Item, List, Object, Tone};
use super::values::{counted, to_the_second};
use super::view::{Field, named};

/// What `audit` prints of a row.
pub(super) const AUDIT_ROW: &[Field] = &[
    ("number", "its number, from 1, without gaps"),
    ("at", "time it was asked for"),
    (
        "effective_at",
        "time it takes effect: that of the end of the grace period for a rotated key, else `at`",
    ),
    (
        "actor",
        "who: the operating-system user, the admin key's or portal user's name, or the key whose holder asked",
    ),
    ("via", "through which door: `cli`, `api`, `portal`, `library`, `system` or `holder`"),
    ("action", "what, for example `key.revoked`"),
    ("subjects", "array of the identifiers of the consumers and keys it touched"),
    ("details", "object; what else is known of the action"),
    ("note", "why, in the actor's words, or null"),
    ("previous", "hash of the row before it, in hexadecimal"),
];

/// What `audit verify` prints.
pub(super) const AUDIT_REPORT: &[Field] = &[
    ("rows", "how many rows were read"),
    ("head", "number and hash of the last row, `COUNT:HASH`, for --head"),
    ("faults", "array of sentences; empty if the log is whole"),
];

/// What `audit --alerts` prints of an alert.
pub(super) const ALERT: &[Field] = &[
    ("kind", "`use_after_revocation` or `use_after_expiry`"),
    ("key_id", "the key that had ended"),
    ("key_name", "what people call it, or null if it was pruned"),
    ("consumer_id", "who held it, or null if it was pruned"),
    ("consumer_name", "what people call them, or null"),
    ("first_at", "time of the first request of that day"),
    ("last_at", "time of the last"),
    ("requests", "how many there were"),
    ("from", "address the last came from, or null"),
];

/// Show who did what, when and why
///
/// Each row carries the hash of the row before it, and a row is written in the same commit as what it
/// tells of. Keep the head that `kgate audit verify` prints somewhere else, and nobody can rewrite the
/// log unseen: pass it again with --head. Export with `--format jsonl -n 0`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(super) struct Audit {
    #[command(subcommand)]
    check: Option<Check>,
    #[command(flatten)]
    rows: Rows,
}

#[derive(Subcommand)]
enum Check {
    Verify(Verify),
}

/// Check the whole chain: changed rows, missing rows, a log cut short
///
/// The exit code is 1 if something is wrong with it.
#[derive(Args)]
struct Verify {
    /// A head that was printed, logged or sent before, of a log that must still contain it
    #[arg(long, value_name = "[COUNT:]HASH")]
    head: Option<String>,
}

#[derive(Args)]
struct Rows {
    /// Only the last rows; all with 0
    #[arg(long, short = 'n', value_name = "N", default_value_t = 100)]
    last: usize,
    /// Only rows about this key or admin key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only rows about this consumer: identifier, external id or unambiguous name
    #[arg(long, value_name = "CONSUMER", conflicts_with = "key")]
    consumer: Option<String>,
    /// Only rows of this action, such as key.revoked, or of all that begin so, such as key
    #[arg(long)]
    action: Option<String>,
    /// Only rows by this user
    #[arg(long, value_name = "USER")]
    actor: Option<String>,
    /// Only rows since then: 24h ago, a date, or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    since: Option<Past>,
    /// Show uses of keys that had ended instead: one row a key and day, the latest first
    #[arg(long, conflicts_with_all = ["action", "actor", "follow"])]
    alerts: bool,
    /// Go on and show new rows as they come, until interrupted; as JSON, one a line
    #[arg(long, short)]
    follow: bool,
}

pub(super) fn run(args: &Audit, session: &Session) -> Outcome {
    let books = session.books()?;
    if let Some(Check::Verify(args)) = &args.check {
        return verify(args, &*books, session);
    }
    let args = &args.rows;
    let most = (args.last > 0).then_some(args.last);
    let wanted = AuditWanted {
        key: args.key.clone(),
        consumer: args.consumer.clone(),
        action: args.action.clone(),
        actor: args.actor.clone(),
        since: args.since,
    };
    if args.alerts {
        return alerts(&wanted, most, &*books, session);
    }
    // What comes while the first rows are printed is new.
    let seen = if args.follow { books.audit_end()? } else { u64::MAX };
    let rows = books.audit(&wanted, most)?;
    let as_lines = session.ui.as_lines();
    let ui = if args.follow { &as_lines } else { &session.ui };
    let mut list = ui.list();
    for row in rows.iter().filter(|row| row.number <= seen) {
        list.row(row)?;
    }
    if args.follow {
        return follow(seen, &wanted, list, &*books);
    }
    if list.end()? == 0 {
        session.ui.status("no rows");
    }
    Ok(Answer::Yes)
}

/// How often `--follow` looks.
const LOOK: Duration = Duration::from_millis(500);

/// Prints new rows until interrupted.
fn follow(mut seen: u64, wanted: &AuditWanted, mut list: List<'_>, books: &dyn Books) -> Outcome {
    loop {
        list.pause()?;
        thread::sleep(LOOK);
        let end = books.audit_end()?;
        if end == seen {
            continue;
        }
        // Rows that are not meant are not looked at twice; what comes meanwhile may be shown now.
        let after = std::mem::replace(&mut seen, end);
        books.audit_after(wanted, after, &mut |row| {
            seen = seen.max(row.number);
            list.row(&row)
        })?;
    }
}

fn alerts(wanted: &AuditWanted, most: Option<usize>, books: &dyn Books, session: &Session) -> Outcome {
    let mut list = session.ui.list();
    books.alerts(wanted, most, &mut |alert| list.row(&alert))?;
    if list.end()? == 0 {
        session.ui.status("no alerts: no key was used after its end");
    }
    Ok(Answer::Yes)
}

fn verify(args: &Verify, books: &dyn Books, session: &Session) -> Outcome {
    let noted = args.head.as_deref().map(str::parse::<NotedHead>).transpose().map_err(Failure::cannot)?;
    let report = books.verify_audit(noted.as_ref())?;
    session.ui.show(&report)?;
    if !report.faults.is_empty() {
        return Err(Failure::no(format!(
            "the audit log was changed: {}",
            counted(report.faults.len(), "fault")
        ))
        .help("compare it with a backup: the rows before the first fault are whole"));
    }
    if let Some(noted) = noted {
        must_contain(&report, &noted)?;
    }
    session.ui.status(format!("the audit log is whole: {}", counted(report.rows, "row")));
    Ok(Answer::Yes)
}

/// A log that is whole must still have the row that was its last one then.
fn must_contain(report: &AuditReportShape, noted: &NotedHead) -> Result<(), Failure> {
    match (report.head_at, noted.count) {
        (Some(number), count) if count.is_none_or(|count| count == number) => Ok(()),
        (_, Some(count)) if count > report.rows => Err(Failure::no(format!(
            "the audit log was cut short: it had {} when that head was noted and has {}",
            counted(count, "row"),
            report.rows
        ))
        .help("an older store was put in its place, or rows were removed: compare it with a backup")),
        _ => Err(Failure::no("the audit log is not the one that head was noted of")
            .help("the log was rewritten, or the store replaced by an older one, since that head was noted")),
    }
}

impl Item for AlertShape {
    const HEADINGS: &'static [&'static str] =
        &["LAST", "KIND", "KEY", "NAME", "CONSUMER", "REQUESTS", "FROM"];

    fn object(&self) -> Object {
        let values = [
            json!(self.kind),
            json!(self.key_id),
            json!(self.key_name),
            json!(self.consumer_id),
            json!(self.consumer_name),
            json!(self.first_at),
            json!(self.last_at),
            json!(self.requests),
            json!(self.from),
        ];
        Object(named(ALERT, values))
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::plain(to_the_second(self.last_at.0)),
            Cell::toned(self.kind.as_str(), Tone::Bad),
            Cell::plain(self.key_id.0.to_string()),
            Cell::or_none(self.key_name.as_deref().unwrap_or_default()),
            Cell::or_none(self.consumer_name.as_deref().unwrap_or_default()),
            Cell::plain(self.requests.to_string()),
            Cell::or_none(self.from.as_deref().unwrap_or_default()),
        ]
    }
}

impl Item for AuditRowShape {
    const HEADINGS: &'static [&'static str] = &["NO", "AT", "ACTOR", "VIA", "ACTION", "SUBJECT", "NOTE"];

    fn object(&self) -> Object {
        let values = [
            json!(self.number),
            json!(self.at),
            json!(self.effective_at),
            json!(self.actor),
            json!(self.via),
            json!(self.action),
            json!(self.subjects),
            self.details.clone(),
            json!(self.note),
            json!(self.previous),
        ];
        Object(named(AUDIT_ROW, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let subject = match self.subjects.as_slice() {
            [] => Cell::none(),
            [one] => Cell::plain(one.as_str()),
            [first, rest @ ..] => {
                // A consumer stands first where keys were made for it; the keys are the news.
                let key = self.subjects.iter().find(|id| id.starts_with(KeyId::PREFIX)).unwrap_or(first);
                Cell::plain(format!("{key} +{}", rest.len()))
            }
        };
        vec![
            Cell::plain(self.number.to_string()),
            Cell::plain(to_the_second(self.at.0)),
            Cell::plain(self.actor.as_str()),
            Cell::plain(self.via.as_str()),
            Cell::plain(self.action.as_str()),
            subject,
            Cell::or_none(self.note.as_deref().unwrap_or_default()),
        ]
    }
}

impl Item for AuditReportShape {
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        Object(named(AUDIT_REPORT, [json!(self.rows), json!(self.head), json!(self.faults)]))
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let mut rows =
            vec![("rows", Cell::plain(self.rows.to_string())), ("head", Cell::plain(self.head.as_str()))];
        rows.extend(self.faults.iter().map(|fault| ("fault", Cell::toned(fault.as_str(), Tone::Bad))));
        rows
    }
}
