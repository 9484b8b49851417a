//! The forms keys and consumers are shown in. `docs/cli.md` describes them from these lists.

use serde_json::{Value, json};

use crate::key::{ConsumerRecord, KeyRecord, Metadata, State, Status, Timestamp, Token};

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
    pub(super) key: &'a KeyRecord,
    /// The name of who holds it; empty if that record is missing.
    pub(super) consumer: &'a str,
    pub(super) last_used: Option<Timestamp>,
    pub(super) now: Timestamp,
}

impl Item for KeyView<'_> {
    const HEADINGS: &'static [&'static str] =
        &["ID", "NAME", "CONSUMER", "TYPE", "HINT", "STATUS", "EXPIRES", "LAST USED"];

    fn object(&self) -> Object {
        let (revoked_at, reason) = match self.key.state {
            State::Revoked { at, reason } => (time(at), json!(reason.as_str())),
            State::Enabled | State::Disabled => (Value::Null, Value::Null),
        };
        let mut values = key_values(self.key, None, self.now);
        values.retain(|(name, _)| *name != "token");
        values.extend(named(KEY_HISTORY, [maybe_time(self.last_used), revoked_at, reason]));
        Object(values)
    }

    fn cells(&self) -> Vec<Cell> {
        let expires = match self.key.expires_at {
            // It no longer matters.
            _ if self.key.status(self.now) == Status::Revoked => Cell::none(),
            Some(at) => Cell::plain(relative(at, self.now)),
            None => Cell::plain("never"),
        };
        vec![
            Cell::plain(self.key.id.to_string()),
            Cell::or_none(shorten(&self.key.name)),
            Cell::or_none(shorten(self.consumer)),
            Cell::plain(self.key.key_type.as_str()),
            Cell::plain(self.key.hint()),
            status_cell(self.key.status(self.now)),
            expires,
            self.last_used.map_or_else(Cell::none, |at| Cell::plain(relative(at, self.now))),
        ]
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        let key = self.key;
        let moment =
            |at: Timestamp| Cell::plain(format!("{} ({})", to_the_second(at), relative(at, self.now)));
        let maybe = |at: Option<Timestamp>| at.map_or_else(Cell::none, moment);
        let mut rows = vec![
            ("id", Cell::plain(key.id.to_string())),
            ("name", Cell::or_none(key.name.as_str())),
            ("consumer", Cell::plain(format!("{} {}", key.consumer, self.consumer))),
            ("type", Cell::plain(key.key_type.as_str())),
            ("hint", Cell::plain(key.hint())),
            ("status", status_cell(key.status(self.now))),
            ("scopes", Cell::or_none(key.scopes.to_string())),
            (
                "plan",
                key.plan.as_deref().map_or_else(|| Cell::toned("its consumer's", Tone::Faint), Cell::plain),
            ),
            ("networks", networks_cell(key)),
            ("metadata", Cell::or_none(pairs(&key.metadata))),
            ("created", moment(key.created_at)),
            ("expires", key.expires_at.map_or_else(|| Cell::plain("never"), moment)),
            ("last used", maybe(self.last_used)),
        ];
        if let Some(at) = key.not_before {
            rows.push(("starts", moment(at)));
        }
        if let Some(from) = key.rotated_from {
            rows.push(("replaces", Cell::plain(from.to_string())));
            rows.push(("until", maybe(key.replaces_until)));
        }
        if let Some(to) = key.rotated_to {
            rows.push(("replaced by", Cell::plain(to.to_string())));
        }
        if let State::Revoked { at, reason } = key.state {
            rows.push(("revoked", moment(at)));
            rows.push(("reason", Cell::plain(reason.as_str())));
        }
        rows
    }
}

/// A key just made, with its token.
pub(super) struct NewKeyView<'a> {
    pub(super) key: &'a KeyRecord,
    pub(super) token: &'a Token,
    pub(super) now: Timestamp,
}

impl Item for NewKeyView<'_> {
    /// In the form for people the token stands alone, so that it can be piped.
    const HEADINGS: &'static [&'static str] = &[];

    fn object(&self) -> Object {
        Object(key_values(self.key, Some(self.token), self.now))
    }

    fn cells(&self) -> Vec<Cell> {
        Vec::new()
    }
}

impl Item for ConsumerRecord {
    const HEADINGS: &'static [&'static str] =
        &["ID", "NAME", "EXTERNAL ID", "PLAN", "STATE", "TAGS", "CREATED"];

    fn object(&self) -> Object {
        Object(named(
            CONSUMER,
            [
                json!(self.id.to_string()),
                json!(self.external_id),
                json!(self.name),
                json!(self.contact),
                json!(self.plan),
                json!(self.enabled),
                json!(self.metadata),
                json!(self.tags),
                time(self.created_at),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        vec![
            Cell::plain(self.id.to_string()),
            Cell::plain(shorten(&self.name)),
            Cell::or_none(shorten(self.external_id.as_deref().unwrap_or_default())),
            Cell::or_none(self.plan.as_deref().unwrap_or_default()),
            enabled_cell(self.enabled),
            Cell::or_none(shorten(&self.tags.iter().map(String::as_str).collect::<Vec<_>>().join(" "))),
            Cell::plain(date(self.created_at)),
        ]
    }

    fn details(&self) -> Vec<(&'static str, Cell)> {
        vec![
            ("id", Cell::plain(self.id.to_string())),
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
            ("created", Cell::plain(to_the_second(self.created_at))),
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

fn key_values(key: &KeyRecord, token: Option<&Token>, now: Timestamp) -> Vec<(&'static str, Value)> {
    let scopes: Vec<&str> = key.scopes.as_slice().iter().map(crate::key::Scope::as_str).collect();
    let networks: Vec<String> = key.networks.as_slice().iter().map(ToString::to_string).collect();
    named(
        NEW_KEY,
        [
            json!(key.id.to_string()),
            json!(token.map(Token::expose)),
            json!(key.consumer.to_string()),
            json!(key.name),
            json!(key.key_type),
            json!(key.prefix),
            json!(key.hint()),
            json!(scopes),
            json!(key.plan),
            json!(networks),
            json!(key.metadata),
            json!(key.status(now).as_str()),
            time(key.created_at),
            maybe_time(key.not_before),
            maybe_time(key.expires_at),
            json!(key.rotated_from.map(|id| id.to_string())),
            maybe_time(key.replaces_until),
        ],
    )
}

fn enabled_cell(enabled: bool) -> Cell {
    if enabled { Cell::toned("enabled", Tone::Good) } else { Cell::toned("disabled", Tone::Attention) }
}

fn networks_cell(key: &KeyRecord) -> Cell {
    if key.networks.is_empty() { Cell::plain("anywhere") } else { Cell::plain(key.networks.to_string()) }
}

fn pairs(metadata: &Metadata) -> String {
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
