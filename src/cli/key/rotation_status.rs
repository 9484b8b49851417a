//! `kgate key rotation-status`

use clap::Args;
use serde_json::json;

use crate::admin::api::RotationShape;
use crate::admin::shape::Spelled;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::{Cell, Item, Object, Tone};
use crate::cli::values::{counted, relative};
use crate::cli::view::{Field, named};
use crate::key::Timestamp;

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
    let replaced = session.books()?.rotation_status(args.consumer.as_deref())?;
    let mut list = session.ui.list();
    for key in &replaced {
        list.row(&Rotation { key, now: session.now() })?;
    }
    list.end()?;
    session.ui.status(match replaced.len() {
        0 => "no replaced key still works".to_owned(),
        1 => "1 replaced key still works: end it with `kgate key revoke ID`".to_owned(),
        count => format!("{} still work: end one with `kgate key revoke ID`", counted(count, "replaced key")),
    });
    Ok(Answer::Yes)
}

/// A replaced key.
struct Rotation<'k> {
    key: &'k RotationShape,
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
                json!(key.id),
                json!(key.name),
                json!(key.consumer_id),
                json!(key.consumer_name),
                json!(key.hint),
                json!(key.successor),
                json!(key.works_until),
                json!(key.requests_24h),
                json!(key.last_used_at),
                json!(key.last_used_from),
                json!(key.successor_last_used_at),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        let key = self.key;
        let ago = |at: Option<Spelled<Timestamp>>| {
            at.map_or_else(|| Cell::toned("never", Tone::Faint), |at| Cell::plain(relative(at.0, self.now)))
        };
        let tone = if key.requests_24h == 0 { Tone::Good } else { Tone::Attention };
        vec![
            Cell::plain(key.id.0.to_string()),
            Cell::or_none(key.name.as_str()),
            Cell::or_none(key.consumer_name.as_deref().unwrap_or_default()),
            key.works_until
                .map_or_else(|| Cell::plain("never ends"), |at| Cell::plain(relative(at.0, self.now))),
            Cell::toned(key.requests_24h.to_string(), tone),
            ago(key.last_used_at),
            Cell::or_none(key.last_used_from.as_deref().unwrap_or_default()),
            ago(key.successor_last_used_at),
        ]
    }
}
