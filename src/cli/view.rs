//! The forms keys and consumers are shown in. `docs/cli.md` describes them from these lists.

use serde_json::{Value, json};

use crate::admin::shape::{ConsumerShape, KeyShape, NewKeyShape, Pairs, Spelled, TokenText};
use crate::key::{Status, Timestamp};

use super::ui::{Cell, Item, Object, Tone};
use super::values::{relative, to_the_second};

/// A name in a JSON object and what it means.
pub(super) type Field = (&'static str, &'static str);

/// What `key create` and `key rotate` print of a key, with its token.
pub(super) const NEW_KEY: &[Field] = &[
    ("id", "the key's identifier, `key_…`"),
    ("token", "the key itself; printed here once and stored nowhere"),
    ("consumer_id", "who holds it, `cust_…`"),
    ("name", "what people call it; may be empty"),
    ("type", "its key type"),
    ("prefix", "what its token starts with"),
    ("hint", "prefix and last four characters, for recognition"),
    ("scopes", "array of scopes"),
    ("plan", "its own plan; null: its consumer's"),
    ("networks", "array of CIDRs it may be used from; empty: anywhere"),
    ("metadata", "object of strings; over its consumer's"),
    ("status", "`active`, `scheduled`, `disabled`, `expired` or `revoked`"),
    ("created_at", "time"),
    ("not_before", "time it begins to work, or null"),
    ("expires_at", "time it stops working, or null: never"),
    ("rotated_from", "the key it replaces, or null"),
    ("replaces_until", "until when the replaced key still works, or null"),
];

/// What `key list` and `key show` add, in place of the token.
pub(super) const KEY_HISTORY: &[Field] = &[
    ("last_used_at", "time of its last use known, or null"),
    ("revoked_at", "time it was revoked, or null"),
    ("revoke_reason", "`unspecified`, `rotation`, `leak`, `abuse` or `closure`, or null"),
];

/// What every `consumer` command prints.
pub(super) const CONSUMER: &[Field] = &[
    ("id", "the consumer's identifier, `cust_…`"),
    ("external_id", "its name in your own system, or null"),
    ("name", "what people call it"),
    ("contact", "whom to ask, or null"),
    ("plan", "its plan; null: the configuration's `default_plan`"),
    ("enabled", "whether its keys work at all"),
    ("metadata", "object of strings; may be forwarded to backends"),
    ("tags", "array of labels; never forwarded"),
    ("created_at", "time"),
];

/// A key as lists show it.
pub(super) struct KeyView<'a> {
    pub(super) key: &'a KeyShape,
    pub(super) now: Timestamp,
}

impl Item for KeyView<'_> {
    const HEADINGS: &'static [&'static str] =
        &["ID", "NAME", "CONSUMER", "TYPE", "HINT", "STATUS", "EXPIRES", "LAST USED"];

    fn object(&self) -> Object {
        let key = self.key;
        let mut values = key_values(key, None);
        values.retain(|(name, _)| *name != "token");
        let history = [json!(key.last_used_at), json!(key.revoked_at), json!(key.revoke_reason)];
        values.extend(named(KEY_HISTORY, history));
        Object(values)
    }

    fn cells(&self) -> Vec<Cell> {
        let key = self.key;
        let expires = expiry_cell(key.status.0, key.expires_at.map(|at| at.0), self.now);
        vec![
            Cell::plain(key.id.0.to_string()),
            Cell::or_none(shorten(&key.name)),
            Cell::or_none(shorten(self.consumer())),
            Cell::plain(key.key_type.as_str()),
            Cell::plain(key.hint.as_str()),
            status_cell(key.status.0),
            expires,
            key.last_used_at.map_or_else(Cell::none, |at| Cell::plain(relative(at.0, self.now))),
        ]
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let key = self.key;
        let moment = |at: Spelled<Timestamp>| {
            Cell::plain(format!("{} ({})", to_the_second(at.0), relative(at.0, self.now)))
        };
        let maybe = |at: Option<Spelled<Timestamp>>| at.map_or_else(Cell::none, moment);
        let mut rows = vec![
            ("id", Cell::plain(key.id.0.to_string())),
            ("name", Cell::or_none(key.name.as_str())),
            ("consumer", Cell::plain(format!("{} {}", key.consumer_id.0, self.consumer()))),
            ("type", Cell::plain(key.key_type.as_str())),
            ("hint", Cell::plain(key.hint.as_str())),
            ("status", status_cell(key.status.0)),
            ("scopes", Cell::or_none(listed(&key.scopes))),
            (
                "plan",
                key.plan.as_deref().map_or_else(|| Cell::toned("its consumer's", Tone::Faint), Cell::plain),
            ),
            ("networks", networks_cell(key)),
            ("metadata", Cell::or_none(pairs(&key.metadata))),
            ("created", moment(key.created_at)),
            ("expires", key.expires_at.map_or_else(|| Cell::plain("never"), moment)),
            ("last used", maybe(key.last_used_at)),
        ];
        if let Some(at) = key.not_before {
            rows.push(("starts", moment(at)));
        }
        if let Some(from) = key.rotated_from {
            rows.push(("replaces", Cell::plain(from.0.to_string())));
            rows.push(("until", maybe(key.replaces_until)));
        }
        if let Some(to) = key.rotated_to {
            rows.push(("replaced by", Cell::plain(to.0.to_string())));
        }
        if let Some(at) = key.revoked_at {
            rows.push(("revoked", moment(at)));
            let reason = key.revoke_reason.map_or_else(String::new, |reason| reason.0.to_string());
            rows.push(("reason", Cell::plain(reason)));
        }
        rows
    }
}

impl KeyView<'_> {
    /// Returns the name of who holds it; empty if that record is missing.
    fn consumer(&self) -> &str {
        self.key.consumer_name.as_deref().unwrap_or_default()
    }
}

impl Item for NewKeyShape {
    /// In the form for people the token stands alone, so that it can be piped.
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        Object(key_values(&self.key, self.token.as_ref()))
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }
}

impl Item for ConsumerShape {
    const HEADINGS: &'static [&'static str] =
        &["ID", "NAME", "EXTERNAL ID", "PLAN", "STATE", "TAGS", "CREATED"];

    fn object(&self) -> Object {
        Object(named(
            CONSUMER,
            [
                json!(self.id),
                json!(self.external_id),
                json!(self.name),
                json!(self.contact),
                json!(self.plan),
                json!(self.enabled),
                json!(self.metadata),
                json!(self.tags),
                json!(self.created_at),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::plain(self.id.0.to_string()),
            Cell::plain(shorten(&self.name)),
            Cell::or_none(shorten(self.external_id.as_deref().unwrap_or_default())),
            Cell::or_none(self.plan.as_deref().unwrap_or_default()),
            enabled_cell(self.enabled),
            Cell::or_none(shorten(&self.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" "))),
            Cell::plain(date(self.created_at.0)),
        ]
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        vec![
            ("id", Cell::plain(self.id.0.to_string())),
            ("name", Cell::plain(self.name.as_str())),
            ("external id", Cell::or_none(self.external_id.as_deref().unwrap_or_default())),
            ("contact", Cell::or_none(self.contact.as_deref().unwrap_or_default())),
            (
                "plan",
                self.plan.as_deref().map_or_else(|| Cell::toned("the default", Tone::Faint), Cell::plain),
            ),
            ("state", enabled_cell(self.enabled)),
            ("metadata", Cell::or_none(pairs(&self.metadata))),
            ("tags", Cell::or_none(self.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" "))),
            ("created", Cell::plain(to_the_second(self.created_at.0))),
        ]
    }
}

/// Puts names to values; both lists are written side by side, so their lengths agree.
pub(super) fn named<const N: usize>(fields: &[Field], values: [Value; N]) -> Vec<(&'static str, Value)> {
    debug_assert_eq!(fields.len(), N, "every field has its value");
    fields.iter().map(|(name, _)| *name).zip(values).collect()
}

/// A time in JSON.
pub(super) fn time(at: Timestamp) -> Value {
    json!(at.to_string())
}

/// A time in JSON, or null.
pub(super) fn maybe_time(at: Option<Timestamp>) -> Value {
    at.map_or(Value::Null, time)
}

/// Says when something ends.
pub(super) fn expiry_cell(status: Status, expires_at: Option<Timestamp>, now: Timestamp) -> Cell {
    match expires_at {
        // It no longer matters.
        _ if status == Status::Revoked => Cell::none(),
        Some(at) => Cell::plain(relative(at, now)),
        None => Cell::plain("never"),
    }
}

/// A status in its colour.
pub(super) fn status_cell(status: Status) -> Cell {
    let tone = match status {
        Status::Active => Tone::Good,
        Status::Scheduled | Status::Disabled => Tone::Attention,
        Status::Expired => Tone::Faint,
        Status::Revoked => Tone::Bad,
    };
    Cell::toned(status.as_str(), tone)
}

fn key_values(key: &KeyShape, token: Option<&TokenText>) -> Vec<(&'static str, Value)> {
    named(
        NEW_KEY,
        [
            json!(key.id),
            json!(token.map(TokenText::expose)),
            json!(key.consumer_id),
            json!(key.name),
            json!(key.key_type),
            json!(key.prefix),
            json!(key.hint),
            json!(key.scopes),
            json!(key.plan),
            json!(key.networks),
            json!(key.metadata),
            json!(key.status),
            json!(key.created_at),
            json!(key.not_before),
            json!(key.expires_at),
            json!(key.rotated_from),
            json!(key.replaces_until),
        ],
    )
}

fn enabled_cell(enabled: bool) -> Cell {
    if enabled { Cell::toned("enabled", Tone::Good) } else { Cell::toned("disabled", Tone::Attention) }
}

fn networks_cell(key: &KeyShape) -> Cell {
    if key.networks.is_empty() { Cell::plain("anywhere") } else { Cell::plain(listed(&key.networks)) }
}

fn listed<T: std::fmt::Display>(values: &[Spelled<T>]) -> String {
    values.iter().map(|value| value.0.to_string()).collect::<Vec<_>>().join(",")
}

fn pairs(metadata: &Pairs) -> String {
    metadata.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ")
}

/// The day of a time, for tables.
fn date(at: Timestamp) -> String {
    at.to_string().chars().take(10).collect()
}

/// Keeps a name from pushing the other columns off the screen.
fn shorten(text: &str) -> String {
    if text.chars().count() <= LONGEST_NAME {
        return text.to_owned();
    }
    text.chars().take(LONGEST_NAME - 1).chain(['…']).collect()
}

/// Characters of a name in a table; JSON and CSV have it whole.
const LONGEST_NAME: usize = 28;
