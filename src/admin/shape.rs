//! What goes in and out of the API, as JSON: names, forms and limits are said here once, and the OpenAPI
//! document is made of them. Unknown members are errors: nobody sets what is not theirs to set.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::key::{
    AdminKeyId, AdminKeyRecord, ConsumerId, ConsumerRecord, KeyId, KeyRecord, Moment, Networks, Past,
    RevokeReason, Role, Scope, Span, State, Status, Timestamp, Token,
};

/// A value that is a text in JSON and something narrower here.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Spelled<T>(pub T);

/// What the text of a [`Spelled`] value looks like.
pub trait Spelling: Sized {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with the text, in a sentence.
    fn read(text: &str) -> Result<Self, String>;
    /// Writes it.
    fn write(&self) -> String;
    /// Its JSON Schema.
    fn schema() -> Schema;
}

impl<T: Spelling> Serialize for Spelled<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0.write())
    }
}

impl<'de, T: Spelling> Deserialize<'de> for Spelled<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text<T>(std::marker::PhantomData<T>);
        impl<T: Spelling> Visitor<'_> for Text<T> {
            type Value = Spelled<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
                T::read(text).map(Spelled).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Text(std::marker::PhantomData))
    }
}

impl<T: Spelling> JsonSchema for Spelled<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Spelled".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::schema()
    }
}

/// What is parsed and printed by its own `FromStr` and `Display`.
macro_rules! spelling {
    ($($name:ty => $schema:tt)*) => {$(
        impl Spelling for $name {
            fn read(text: &str) -> Result<Self, String> {
                <$name as FromStr>::from_str(text).map_err(|error| error.to_string())
            }

            fn write(&self) -> String {
                self.to_string()
            }

            fn schema() -> Schema {
                json_schema!($schema)
            }
        }
    )*};
}

spelling! {
    KeyId => { "type": "string", "pattern": "^key_[0-7][0-9a-hjkmnp-tv-z]{25}$" }
    ConsumerId => { "type": "string", "pattern": "^cust_[0-7][0-9a-hjkmnp-tv-z]{25}$" }
    AdminKeyId => { "type": "string", "pattern": "^akey_[0-7][0-9a-hjkmnp-tv-z]{25}$" }
    Role => { "type": "string", "enum": ["viewer", "operator", "admin"] }
    Scope => { "type": "string", "minLength": 1, "maxLength": 128, "pattern": "^(\\*|[A-Za-z0-9_.-]+)(:(\\*|[A-Za-z0-9_.-]+))*$" }
    Span => { "type": "string", "pattern": "^([0-9]{1,6}(ms|s|m|h)|[0-9]{1,5}d|[0-9]{1,4}w)$", "description": "A length of time: 30s, 15m, 24h, 90d, 2w." }
}

impl Spelling for IpAddr {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| "that is no IP address".to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }] })
    }
}

impl Spelling for Timestamp {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::key::TimestampError| error.to_string())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "format": "date-time" })
    }
}

impl Spelling for Moment {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::key::MomentError| error.to_string())
    }

    fn write(&self) -> String {
        match self {
            Self::Never => "never".to_owned(),
            Self::In(span) => format!("{}ms", span.as_millis()),
            Self::At(at) => at.to_string(),
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time from now (90d), a date (2026-12-31), an RFC 3339 time, or `never`.",
            "pattern": "^(never|[0-9]{1,4}(ms|s|m|h|d|w)|2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$",
            "examples": ["90d"],
        })
    }
}

impl Spelling for Past {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|error: crate::key::MomentError| error.to_string())
    }

    fn write(&self) -> String {
        match self {
            Self::Ago(span) => format!("{}ms", span.as_millis()),
            Self::At(at) => at.to_string(),
        }
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "description": "A length of time ago (24h), a date (2026-12-31) or an RFC 3339 time.",
            "pattern": "^([0-9]{1,4}(ms|s|m|h|d|w)|2[0-9]{3}-(0[1-9]|1[0-2])-(0[1-9]|1[0-9]|2[0-8])(T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]Z)?)$",
            "examples": ["24h"],
        })
    }
}

impl Spelling for IpNet {
    fn read(text: &str) -> Result<Self, String> {
        Networks::parse_one(text).map_err(|error| error.to_string())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn schema() -> Schema {
        json_schema!({
            "type": "string",
            "description": "A network such as 10.0.0.0/8 or 2001:db8::/32, or one address.",
            "anyOf": [{ "format": "ipv4" }, { "format": "ipv6" }, {
                "pattern": "^(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(\\.(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])){3}/([12]?[0-9]|3[0-2])$"
            }, { "pattern": "^[0-9a-f]{1,4}(:[0-9a-f]{1,4}){0,6}::/(1[01][0-9]|12[0-8]|[1-9]?[0-9])$" }],
            "examples": ["10.0.0.0/8"],
        })
    }
}

impl Spelling for Status {
    fn read(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| "a status is active, scheduled, disabled, expired or revoked".to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "enum": ["active", "scheduled", "disabled", "expired", "revoked"] })
    }
}

impl Spelling for RevokeReason {
    fn read(text: &str) -> Result<Self, String> {
        text.parse().map_err(|()| "a reason is unspecified, rotation, leak, abuse or closure".to_owned())
    }

    fn write(&self) -> String {
        self.to_string()
    }

    fn schema() -> Schema {
        json_schema!({ "type": "string", "enum": ["unspecified", "rotation", "leak", "abuse", "closure"] })
    }
}

/// A field of a change: absent, null, or a value.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Change<T> {
    /// It stays.
    #[default]
    Keep,
    /// It is cleared.
    Clear,
    /// It becomes this.
    Set(T),
}

impl<T> Change<T> {
    /// Returns it as the store's edits have it.
    pub fn into_edit(self) -> Option<Option<T>> {
        match self {
            Self::Keep => None,
            Self::Clear => Some(None),
            Self::Set(value) => Some(Some(value)),
        }
    }

    /// Says whether nothing changes.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::<T>::deserialize(deserializer)?.map_or(Self::Clear, Self::Set))
    }
}

impl<T: Serialize> Serialize for Change<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Keep | Self::Clear => serializer.serialize_none(),
            Self::Set(value) => value.serialize(serializer),
        }
    }
}

impl<T: JsonSchema> JsonSchema for Change<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Nullable{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Option::<T>::json_schema(generator)
    }
}

/// Pairs of texts.
pub type Pairs = BTreeMap<String, String>;

/// A consumer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Consumer")]
pub struct ConsumerShape {
    /// Its identifier.
    pub id: Spelled<ConsumerId>,
    /// Its name in your own system.
    pub external_id: Option<String>,
    /// What people call it.
    pub name: String,
    /// Whom to ask.
    pub contact: Option<String>,
    /// Its plan; null: the configuration's default plan.
    pub plan: Option<String>,
    /// Whether its keys work at all.
    pub enabled: bool,
    /// May be forwarded to backends.
    pub metadata: Pairs,
    /// Never forwarded.
    pub tags: BTreeSet<String>,
    /// When it was made.
    pub created_at: Spelled<Timestamp>,
}

impl From<&ConsumerRecord> for ConsumerShape {
    fn from(record: &ConsumerRecord) -> Self {
        Self {
            id: Spelled(record.id),
            external_id: record.external_id.clone(),
            name: record.name.clone(),
            contact: record.contact.clone(),
            plan: record.plan.clone(),
            enabled: record.enabled,
            metadata: record.metadata.clone(),
            tags: record.tags.clone(),
            created_at: Spelled(record.created_at),
        }
    }
}

/// A key. Nobody can show its token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Key")]
pub struct KeyShape {
    /// Its identifier.
    pub id: Spelled<KeyId>,
    /// Who holds it.
    pub consumer_id: Spelled<ConsumerId>,
    /// What they are called; null if that record is gone.
    pub consumer_name: Option<String>,
    /// What people call it; may be empty.
    pub name: String,
    /// Its key type.
    #[serde(rename = "type")]
    pub key_type: String,
    /// What its token starts with.
    pub prefix: String,
    /// Prefix and last four characters, for recognition.
    pub hint: String,
    /// What it may do.
    pub scopes: Vec<Spelled<Scope>>,
    /// Its own plan; null: its consumer's.
    pub plan: Option<String>,
    /// Networks it may be used from; empty: anywhere.
    pub networks: Vec<Spelled<IpNet>>,
    /// Over its consumer's.
    pub metadata: Pairs,
    /// What it is now.
    pub status: Spelled<Status>,
    /// When it was made.
    pub created_at: Spelled<Timestamp>,
    /// When it begins to work.
    pub not_before: Option<Spelled<Timestamp>>,
    /// When it stops working; null: never.
    pub expires_at: Option<Spelled<Timestamp>>,
    /// The key it replaces.
    pub rotated_from: Option<Spelled<KeyId>>,
    /// The key that replaces it.
    pub rotated_to: Option<Spelled<KeyId>>,
    /// Until when the key it replaces still works.
    pub replaces_until: Option<Spelled<Timestamp>>,
    /// Its last use known; written once a minute.
    pub last_used_at: Option<Spelled<Timestamp>>,
    /// When it was revoked.
    pub revoked_at: Option<Spelled<Timestamp>>,
    /// Why it was revoked.
    pub revoke_reason: Option<Spelled<RevokeReason>>,
}

impl KeyShape {
    /// Shows a record.
    pub fn new(
        key: &KeyRecord,
        consumer_name: Option<String>,
        last_used: Option<Timestamp>,
        now: Timestamp,
    ) -> Self {
        let (revoked_at, reason) = match key.state {
            State::Revoked { at, reason } => (Some(Spelled(at)), Some(Spelled(reason))),
            State::Enabled | State::Disabled => (None, None),
        };
        Self {
            id: Spelled(key.id),
            consumer_id: Spelled(key.consumer),
            consumer_name,
            name: key.name.clone(),
            key_type: key.key_type.clone(),
            prefix: key.prefix.clone(),
            hint: key.hint(),
            scopes: key.scopes.as_slice().iter().cloned().map(Spelled).collect(),
            plan: key.plan.clone(),
            networks: key.networks.as_slice().iter().copied().map(Spelled).collect(),
            metadata: key.metadata.clone(),
            status: Spelled(key.status(now)),
            created_at: Spelled(key.created_at),
            not_before: key.not_before.map(Spelled),
            expires_at: key.expires_at.map(Spelled),
            rotated_from: key.rotated_from.map(Spelled),
            rotated_to: key.rotated_to.map(Spelled),
            replaces_until: key.replaces_until.map(Spelled),
            last_used_at: last_used.map(Spelled),
            revoked_at,
            revoke_reason: reason,
        }
    }
}

/// A key just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NewKey")]
pub struct NewKeyShape {
    /// The key itself. It is in the one answer that made it; null when the request is answered again.
    pub token: Option<TokenText>,
    /// What is kept of it.
    #[serde(flatten)]
    pub key: KeyShape,
}

/// Why something is done, in the words of whoever does it, for the audit log: at most 256 characters.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(transparent)]
pub struct Note(Option<String>);

impl Note {
    /// The most characters.
    const MAX: usize = 256;

    /// Says whether nothing is said.
    pub const fn is_none(&self) -> bool {
        self.0.is_none()
    }

    /// Returns what is said.
    pub fn as_deref(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl From<Option<String>> for Note {
    fn from(said: Option<String>) -> Self {
        Self(said)
    }
}

impl From<Note> for Option<String> {
    fn from(note: Note) -> Self {
        note.0
    }
}

impl<'de> Deserialize<'de> for Note {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        match Option::<String>::deserialize(input)? {
            Some(said) if said.chars().count() > Self::MAX => {
                Err(de::Error::custom(format_args!("at most {} characters", Self::MAX)))
            }
            said => Ok(Self(said)),
        }
    }
}

impl JsonSchema for Note {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Note".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["string", "null"], "maxLength": Self::MAX })
    }
}

/// A token on its way out. It prints itself as `[redacted]`, and is read only if it can be one: it goes into
/// scripts as it is.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct TokenText(String);

impl TokenText {
    /// Takes it from where it was made.
    pub fn of(token: &Token) -> Self {
        Self(token.expose().to_owned())
    }

    /// Returns the token in the clear. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

/// What is asked about as a token, whatever it is. It prints itself as `[redacted]`.
#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
#[schemars(inline)]
pub struct Presented(String);

impl Presented {
    /// Takes a text as it came.
    pub const fn new(text: String) -> Self {
        Self(text)
    }

    /// Returns it in the clear. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

impl TryFrom<String> for TokenText {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let is_one = !text.is_empty() && text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
        if is_one { Ok(Self(text)) } else { Err("that is no token") }
    }
}

impl From<TokenText> for String {
    fn from(token: TokenText) -> Self {
        token.0
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An admin key. Nobody can show its token.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AdminKey")]
pub struct AdminKeyShape {
    /// Its identifier.
    pub id: Spelled<AdminKeyId>,
    /// Whose it is.
    pub name: String,
    /// What it may do.
    pub role: Spelled<Role>,
    /// Prefix and last four characters, for recognition.
    pub hint: String,
    /// `active`, `expired` or `revoked`.
    pub status: Spelled<Status>,
    /// When it was made.
    pub created_at: Spelled<Timestamp>,
    /// When it stops working; null: never.
    pub expires_at: Option<Spelled<Timestamp>>,
    /// When it was revoked.
    pub revoked_at: Option<Spelled<Timestamp>>,
    /// The admin key it replaces.
    pub rotated_from: Option<Spelled<AdminKeyId>>,
    /// The admin key that replaces it.
    pub rotated_to: Option<Spelled<AdminKeyId>>,
}

impl AdminKeyShape {
    /// Shows a record.
    pub fn new(key: &AdminKeyRecord, now: Timestamp) -> Self {
        Self {
            id: Spelled(key.id),
            name: key.name.clone(),
            role: Spelled(key.role),
            hint: key.hint(),
            status: Spelled(key.status(now)),
            created_at: Spelled(key.created_at),
            expires_at: key.expires_at.map(Spelled),
            revoked_at: key.revoked_at.map(Spelled),
            rotated_from: key.rotated_from.map(Spelled),
            rotated_to: key.rotated_to.map(Spelled),
        }
    }
}

/// An admin key just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NewAdminKey")]
pub struct NewAdminKeyShape {
    /// The key itself. It is in the one answer that made it; null when the request is answered again.
    pub token: Option<TokenText>,
    /// What is kept of it.
    #[serde(flatten)]
    pub key: AdminKeyShape,
}

/// A part of a list.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "{T}Page")]
pub struct Page<T> {
    /// The items, which may be fewer than asked for although more follow.
    pub items: Vec<T>,
    /// Pass it as `cursor` for what follows; null: nothing does.
    pub next: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_on_its_way_out_prints_nothing() {
        let text = TokenText("acme_live_x".to_owned());
        assert_eq!(format!("{text:?}"), "[redacted]");
        assert_eq!(serde_json::to_value(&text).unwrap(), "acme_live_x");
    }

    #[test]
    fn a_field_is_kept_cleared_or_set() {
        #[derive(Deserialize)]
        struct Edit {
            #[serde(default)]
            plan: Change<String>,
        }
        let read = |text| serde_json::from_str::<Edit>(text).unwrap().plan.into_edit();
        assert_eq!(read("{}"), None);
        assert_eq!(read("{\"plan\":null}"), Some(None));
        assert_eq!(read("{\"plan\":\"pro\"}"), Some(Some("pro".to_owned())));
    }
}
