//! `kgate key rotation-status`

use clap::Args;
use serde_json::json;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::ui::{Cell, Item, Object, Tone};
use crate::cli::values::{counted, relative};
use crate::cli::view::{Field, maybe_time, named};
use crate::key::{KeyRecord, Status, Timestamp};
use crate::store::{LastUse, Period, Query, Usage};

/// What `key rotation-status` prints of each replaced key.
pub(in crate::cli) const ROTATION: &[Field] = &[
    ("id", "the replaced key, which still works"),
    ("name", "what people call it; may be empty"),
    ("consumer_id", "who holds it"),
    ("consumer_name", "what people call them, or null"),
    ("hint", "prefix and last four characters"),
    ("successor", "the key that replaces it"),
    ("works_until", "time it stops working, or null: never"),
    ("requests_24h", "requests with it in the last 24 hours, whatever became of them"),
    ("last_used_at", "time it was last let through, or null"),
    ("last_used_from", "address that came from, or null"),
    ("successor_last_used_at", "time its successor was last let through, or null"),
];

/// Show replaced keys that still work: may they be let go?
///
/// Lists every key that has a successor and has not ended: how many requests still come with the old
/// key, when and from where the last came, and whether the new one is in use. Counts are written once
/// a minute.
#[derive(Args)]
pub(in crate::cli) struct RotationStatus {
    /// Only those of this consumer: identifier, external id or unambiguous name
    #[arg(long)]
    consumer: Option<String>,
}

pub(super) fn run(args: &RotationStatus, session: &Session) -> Outcome {
    let now = session.now();
    let store = session.store()?;
    let consumer = args.consumer.as_deref().map(|text| lookup::consumer(&store, text)).transpose()?;
    let mut replaced = Vec::new();
    let mut each = |record: Result<KeyRecord, _>| {
        if let Ok(key) = record
            && key.rotated_to.is_some()
            && matches!(key.status(now), Status::Active | Status::Scheduled | Status::Disabled)
        {
            replaced.push(key);
        }
        true
    };
    match &consumer {
        Some(consumer) => store.keys_of(consumer.id, &mut each)?,
        None => store.keys(&mut each)?,
    }
    replaced.sort_by_key(|key| (key.expires_at.is_none(), key.expires_at, key.id));
    let usage = session.usage();
    let mut list = session.ui.list();
    for key in &replaced {
        list.row(&Rotation {
            key,
            consumer: store.consumer(key.consumer).ok().map(|consumer| consumer.name),
            requests: usage
                .as_ref()
                .map(|usage| requests_of(usage, key, now))
                .transpose()?
                .unwrap_or_default(),
            last: usage.as_ref().map(|usage| usage.last_use(key.id)).transpose()?.flatten(),
            successor_last: match (&usage, key.rotated_to) {
                (Some(usage), Some(successor)) => usage.last_used_at(successor)?,
                _ => None,
            },
            now,
        })?;
    }
    list.end()?;
    session.ui.status(match replaced.len() {
        0 => "no replaced key still works".to_owned(),
        1 => "1 replaced key still works: end it with `kgate key revoke ID`".to_owned(),
        count => format!("{} still work: end one with `kgate key revoke ID`", counted(count, "replaced key")),
    });
    Ok(Answer::Yes)
}

fn requests_of(usage: &Usage, key: &KeyRecord, now: Timestamp) -> Result<u64, crate::store::StoreError> {
    let counts = usage.counts(Query {
        keys: Some(vec![key.id]),
        period: Period::Hour,
        from: Period::Hour.bucket(now).saturating_sub(24),
        to: Period::Hour.bucket(now),
        by_key: false,
        by_route: false,
    })?;
    Ok(counts.iter().map(|count| count.requests).sum())
}

/// A replaced key.
struct Rotation<'k> {
    key: &'k KeyRecord,
    consumer: Option<String>,
    requests: u64,
    last: Option<LastUse>,
    successor_last: Option<Timestamp>,
    now: Timestamp,
}

impl Item for Rotation<'_> {
    const HEADINGS: &'static [&'static str] =
        &["ID", "NAME", "CONSUMER", "WORKS UNTIL", "LAST 24H", "LAST USED", "FROM", "SUCCESSOR USED"];

    fn object(&self) -> Object {
        let key = self.key;
        Object(named(
            ROTATION,
            [
                json!(key.id.to_string()),
                json!(key.name),
                json!(key.consumer.to_string()),
                json!(self.consumer),
                json!(key.hint()),
                json!(key.rotated_to.map(|id| id.to_string())),
                maybe_time(key.expires_at),
                json!(self.requests),
                maybe_time(self.last.map(|last| last.at)),
                json!(self.last.and_then(|last| last.from).map(|from| from.to_string())),
                maybe_time(self.successor_last),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        let ago = |at: Option<Timestamp>| {
            at.map_or_else(|| Cell::toned("never", Tone::Faint), |at| Cell::plain(relative(at, self.now)))
        };
        let requests = Cell::toned(
            self.requests.to_string(),
            if self.requests == 0 { Tone::Good } else { Tone::Attention },
        );
        let from = self.last.and_then(|last| last.from).map(|from| from.to_string());
        vec![
            Cell::plain(self.key.id.to_string()),
            Cell::or_none(self.key.name.as_str()),
            Cell::or_none(self.consumer.as_deref().unwrap_or_default()),
            self.key
                .expires_at
                .map_or_else(|| Cell::plain("never ends"), |at| Cell::plain(relative(at, self.now))),
            requests,
            ago(self.last.map(|last| last.at)),
            Cell::or_none(from.unwrap_or_default()),
            ago(self.successor_last),
        ]
    }
}
