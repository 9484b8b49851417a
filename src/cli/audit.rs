//! `kgate audit`

use std::thread;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::admin::api::action_details;
use crate::key::{KeyRecord, Past, Timestamp};
use crate::store::{AlertRow, AuditHead, AuditReport, AuditRow, Store, Subject};

use super::failure::{Answer, Failure, Outcome};
use super::lookup;
use super::session::Session;
use super::ui::{Cell, Item, List, Object, Tone};
use super::values::{counted, to_the_second};
use super::view::{Field, named, time};

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
    /// Only rows about this key
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
    let store = session.store()?;
    if let Some(Check::Verify(args)) = &args.check {
        return verify(args, &store, session);
    }
    let args = &args.rows;
    let filter = Filter::new(args, &store, session.now())?;
    if args.alerts {
        return alerts(args, &filter, &store, session);
    }
    // What comes while the first rows are printed is new.
    let seen = store.audit_head()?.count;
    let rows = filter.collect(&store, args.last)?;
    drop(store);
    let as_lines = session.ui.as_lines();
    let ui = if args.follow { &as_lines } else { &session.ui };
    let mut list = ui.list();
    for row in rows.iter().filter(|row| !args.follow || row.number <= seen) {
        list.row(row)?;
    }
    if args.follow {
        return follow(seen, &filter, list, session);
    }
    if list.end()? == 0 {
        session.ui.status("no rows");
    }
    Ok(Answer::Yes)
}

/// How often `--follow` looks.
const LOOK: Duration = Duration::from_millis(500);

/// Prints new rows until interrupted. The store is opened anew for each look: a handle that stays open
/// holds locks.
fn follow(mut seen: u64, filter: &Filter<'_>, mut list: List<'_>, session: &Session) -> Outcome {
    loop {
        list.pause()?;
        thread::sleep(LOOK);
        let mut rows = Vec::new();
        let store = session.store()?;
        store.audit(seen + 1, &mut |row| {
            rows.push(row);
            true
        })?;
        drop(store);
        for row in rows {
            seen = row.number;
            if filter.passes(&row) {
                list.row(&row)?;
            }
        }
    }
}

fn alerts(args: &Rows, filter: &Filter<'_>, store: &Store, session: &Session) -> Outcome {
    let Some(usage) = session.usage() else {
        return Err(Failure::cannot("the usage file cannot be read").help("run `kgate doctor`"));
    };
    let at_most = if args.last == 0 { usize::MAX } else { args.last };
    let known = |row: AlertRow| Alerted { row, key: store.key(row.key).ok() };
    let alerts = usage.alerts()?.into_iter().map(known).filter(|alert| filter.passes_alert(alert));
    let mut list = session.ui.list();
    for alert in alerts.take(at_most) {
        let consumer = alert.key.as_ref().and_then(|key| store.consumer(key.consumer).ok());
        list.row(&AlertView { alert, consumer: consumer.map(|consumer| consumer.name) })?;
    }
    if list.end()? == 0 {
        session.ui.status("no alerts: no key was used after its end");
    }
    Ok(Answer::Yes)
}

fn verify(args: &Verify, store: &Store, session: &Session) -> Outcome {
    let expected = args.head.as_deref().map(Expected::parse).transpose()?;
    let report = store.verify_audit()?;
    session.ui.show(&report)?;
    if !report.faults.is_empty() {
        return Err(Failure::no(format!(
            "the audit log was changed: {}",
            counted(report.faults.len(), "fault")
        ))
        .help("compare it with a backup: the rows before the first fault are whole"));
    }
    if let Some(expected) = expected {
        expected.must_be_in(store, report.head)?;
    }
    session.ui.status(format!("the audit log is whole: {}", counted(report.rows, "row")));
    Ok(Answer::Yes)
}

/// A head that was noted before.
struct Expected {
    count: Option<u64>,
    hash: [u8; 32],
}

impl Expected {
    fn parse(text: &str) -> Result<Self, Failure> {
        let parse = || {
            let (count, hash) = match text.split_once(':') {
                Some((count, hash)) => (Some(count.parse().ok()?), hash),
                None => (None, text),
            };
            let mut bytes = [0; 32];
            if hash.len() != 64 || !hash.is_ascii() {
                return None;
            }
            for (byte, pair) in bytes.iter_mut().zip(hash.as_bytes().chunks(2)) {
                *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
            }
            Some(Self { count, hash: bytes })
        };
        parse().ok_or_else(|| {
            Failure::cannot(format!(
                "`{text}` is not a head as `kgate audit verify` prints it: COUNT:HASH, or the hash alone"
            ))
        })
    }

    /// Looks for the row with this hash in a log that is whole.
    fn must_be_in(&self, store: &Store, head: AuditHead) -> Result<(), Failure> {
        let mut found = (head.hash == self.hash).then_some(head.count);
        store.audit(1, &mut |row| {
            // Each row says of the one before it.
            if row.previous == self.hash {
                found = Some(row.number - 1);
            }
            found.is_none()
        })?;
        match (found, self.count) {
            (Some(number), count) if count.is_none_or(|count| count == number) => Ok(()),
            (_, Some(count)) if count > head.count => Err(Failure::no(format!(
                "the audit log was cut short: it had {} when that head was noted and has {}",
                counted(count, "row"),
                head.count
            ))
            .help("an older store was put in its place, or rows were removed: compare it with a backup")),
            _ => Err(Failure::no("the audit log is not the one that head was noted of").help(
                "the log was rewritten, or the store replaced by an older one, since that head was noted",
            )),
        }
    }
}

fn head_text(head: AuditHead) -> String {
    format!("{}:{}", head.count, hex(&head.hash))
}

struct Filter<'a> {
    subject: Option<Subject>,
    action: Option<&'a str>,
    actor: Option<&'a str>,
    since: Option<Timestamp>,
}

impl<'a> Filter<'a> {
    fn new(args: &'a Rows, store: &Store, now: Timestamp) -> Result<Self, Failure> {
        // A key may be pruned and a consumer deleted: their rows are still here.
        let subject = match (args.key.as_deref(), args.consumer.as_deref()) {
            (Some(text), _) => Some(match lookup::parse_key_id(text)? {
                Some(key) => Subject::Key(key),
                None => Subject::Key(lookup::key(store, text)?.id),
            }),
            (None, Some(text)) => Some(match text.parse() {
                Ok(consumer) => Subject::Consumer(consumer),
                Err(_) => Subject::Consumer(lookup::consumer(store, text)?.id),
            }),
            (None, None) => None,
        };
        Ok(Self {
            subject,
            action: args.action.as_deref(),
            actor: args.actor.as_deref(),
            since: args.since.map(|since| since.resolve(now)),
        })
    }

    /// Returns the last rows that pass, oldest first. `0` is all.
    fn collect(&self, store: &Store, last: usize) -> Result<Vec<AuditRow>, Failure> {
        if self.passes_all() && last > 0 {
            return Ok(store.audit_tail(last)?);
        }
        let mut rows = std::collections::VecDeque::new();
        store.audit(1, &mut |row| {
            if self.passes(&row) {
                if last > 0 && rows.len() == last {
                    rows.pop_front();
                }
                rows.push_back(row);
            }
            true
        })?;
        Ok(rows.into())
    }

    fn passes_all(&self) -> bool {
        self.subject.is_none() && self.action.is_none() && self.actor.is_none() && self.since.is_none()
    }

    fn passes_alert(&self, alert: &Alerted) -> bool {
        let is_about = |subject: Subject| match subject {
            Subject::Key(key) => key == alert.row.key,
            Subject::Consumer(consumer) => alert.key.as_ref().is_some_and(|key| key.consumer == consumer),
            Subject::AdminKey(_) => false,
        };
        self.subject.is_none_or(is_about) && self.since.is_none_or(|since| alert.row.alert.last >= since)
    }

    fn passes(&self, row: &AuditRow) -> bool {
        let name = row.action.name();
        self.subject.is_none_or(|subject| row.action.subjects().contains(&subject))
            && self.action.is_none_or(|action| {
                name == action || name.strip_prefix(action).is_some_and(|rest| rest.starts_with('.'))
            })
            && self.actor.is_none_or(|actor| row.actor.user == actor)
            && self.since.is_none_or(|since| row.at >= since)
    }
}

/// An alert and its key, if that is still there.
struct Alerted {
    row: AlertRow,
    key: Option<KeyRecord>,
}

/// An alert as it is shown.
struct AlertView {
    alert: Alerted,
    consumer: Option<String>,
}

impl Item for AlertView {
    const HEADINGS: &'static [&'static str] =
        &["LAST", "KIND", "KEY", "NAME", "CONSUMER", "REQUESTS", "FROM"];

    fn object(&self) -> Object {
        let Alerted { row, key } = &self.alert;
        let values = [
            json!(row.kind.as_str()),
            json!(row.key.to_string()),
            json!(key.as_ref().map(|key| key.name.as_str())),
            json!(key.as_ref().map(|key| key.consumer.to_string())),
            json!(self.consumer),
            time(row.alert.first),
            time(row.alert.last),
            json!(row.alert.requests),
            json!(row.alert.from.map(|from| from.to_string())),
        ];
        Object(named(ALERT, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let Alerted { row, key } = &self.alert;
        vec![
            Cell::plain(to_the_second(row.alert.last)),
            Cell::toned(row.kind.as_str(), Tone::Bad),
            Cell::plain(row.key.to_string()),
            Cell::or_none(key.as_ref().map(|key| key.name.clone()).unwrap_or_default()),
            Cell::or_none(self.consumer.clone().unwrap_or_default()),
            Cell::plain(row.alert.requests.to_string()),
            Cell::or_none(row.alert.from.map(|from| from.to_string()).unwrap_or_default()),
        ]
    }
}

impl Item for AuditRow {
    const HEADINGS: &'static [&'static str] = &["NO", "AT", "ACTOR", "VIA", "ACTION", "SUBJECT", "NOTE"];

    fn object(&self) -> Object {
        let subjects: Vec<String> = self.action.subjects().iter().map(ToString::to_string).collect();
        let values = [
            json!(self.number),
            time(self.at),
            time(self.effective_at()),
            json!(self.actor.user),
            json!(self.actor.via.as_str()),
            json!(self.action.name()),
            json!(subjects),
            action_details(&self.action),
            json!(self.note),
            json!(hex(&self.previous)),
        ];
        Object(named(AUDIT_ROW, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let subjects = self.action.subjects();
        let subject = match subjects.as_slice() {
            [] => Cell::none(),
            [one] => Cell::plain(one.to_string()),
            [first, rest @ ..] => {
                // A consumer stands first where keys were made for it; the keys are the news.
                let key = subjects.iter().find(|s| matches!(s, Subject::Key(_))).unwrap_or(first);
                Cell::plain(format!("{key} +{}", rest.len()))
            }
        };
        vec![
            Cell::plain(self.number.to_string()),
            Cell::plain(to_the_second(self.at)),
            Cell::plain(self.actor.user.as_str()),
            Cell::plain(self.actor.via.as_str()),
            Cell::plain(self.action.name()),
            subject,
            Cell::or_none(self.note.as_deref().unwrap_or_default()),
        ]
    }
}

impl Item for AuditReport {
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        let faults: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        Object(named(AUDIT_REPORT, [json!(self.rows), json!(head_text(self.head)), json!(faults)]))
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let mut rows =
            vec![("rows", Cell::plain(self.rows.to_string())), ("head", Cell::plain(head_text(self.head)))];
        rows.extend(self.faults.iter().map(|fault| ("fault", Cell::toned(fault.to_string(), Tone::Bad))));
        rows
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
