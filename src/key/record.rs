//! The stored facts of keys and consumers.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{ConsumerId, Digest, KeyId, Networks, Scheme, Scopes, Timestamp};

/// Free key-value pairs of a consumer or key. They may be forwarded to a backend.
pub type Metadata = BTreeMap<String, String>;

/// Everything kgate knows of a key, except the token itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyRecord {
    /// Its name for ever.
    pub id: KeyId,
    /// Who holds it.
    pub consumer: ConsumerId,
    /// What people call it; may be empty.
    pub name: String,
    /// The name of its key type.
    pub key_type: String,
    /// The prefix its token starts with.
    pub prefix: String,
    /// The last four characters of its token, for recognition.
    pub last_four: String,
    /// What is kept of its token.
    pub digest: Digest,
    /// How the digest was made.
    pub scheme: Scheme,
    /// What it may do. Immutable: other scopes need another key.
    pub scopes: Scopes,
    /// Its own plan, before its consumer's.
    pub plan: Option<String>,
    /// Where it may be used from; empty is anywhere.
    pub networks: Networks,
    /// Free pairs; they win over its consumer's.
    pub metadata: Metadata,
    /// Usable, switched off, or ended.
    pub state: State,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it begins to work; `None` is at once.
    pub not_before: Option<Timestamp>,
    /// When it stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// The key it replaces; once that is pruned, the one that one replaced, if any.
    pub rotated_from: Option<KeyId>,
    /// The key that replaces it; once that is pruned, the one that replaced that one, if any.
    pub rotated_to: Option<KeyId>,
    /// Of a successor: until when the key it replaces works.
    pub replaces_until: Option<Timestamp>,
}

/// What was done to a key, as opposed to what time does to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum State {
    /// Nothing.
    Enabled,
    /// Switched off; can be switched on again.
    Disabled,
    /// Ended for good.
    Revoked {
        /// When.
        at: Timestamp,
        /// Why.
        reason: RevokeReason,
    },
}

impl KeyRecord {
    /// Returns what the key is at `now`, as lists show it.
    pub fn status(&self, now: Timestamp) -> Status {
        match self.state {
            State::Revoked { .. } => Status::Revoked,
            _ if self.expires_at.is_some_and(|at| at <= now) => Status::Expired,
            State::Disabled => Status::Disabled,
            State::Enabled if self.not_before.is_some_and(|at| now < at) => Status::Scheduled,
            State::Enabled => Status::Active,
        }
    }

    /// Returns what is shown of the token: `acme_live…w3Fk`.
    pub fn hint(&self) -> String {
        format!("{}…{}", self.prefix, self.last_four)
    }
}

/// What a key is at some moment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Status {
    /// It works.
    Active,
    /// It will work from its `not_before` on.
    Scheduled,
    /// It is switched off.
    Disabled,
    /// Its time is over.
    Expired,
    /// It was ended for good.
    Revoked,
}

impl Status {
    /// Every status, in the order lists explain them.
    pub const ALL: [Self; 5] = [Self::Active, Self::Scheduled, Self::Disabled, Self::Expired, Self::Revoked];

    /// Returns its name in lists and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Scheduled => "scheduled",
            Self::Disabled => "disabled",
            Self::Expired => "expired",
            Self::Revoked => "revoked",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Why a key was ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub enum RevokeReason {
    /// Nobody said.
    #[default]
    Unspecified,
    /// A successor took its place.
    Rotation,
    /// It was seen where it should not be.
    Leak,
    /// Its holder misused it.
    Abuse,
    /// Its holder left.
    Closure,
}

impl RevokeReason {
    /// Every reason.
    pub const ALL: [Self; 5] = [Self::Unspecified, Self::Rotation, Self::Leak, Self::Abuse, Self::Closure];

    /// Returns its name on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unspecified => "unspecified",
            Self::Rotation => "rotation",
            Self::Leak => "leak",
            Self::Abuse => "abuse",
            Self::Closure => "closure",
        }
    }
}

impl fmt::Display for RevokeReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RevokeReason {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|r| r.as_str() == text).ok_or(())
    }
}

/// Whoever holds keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsumerRecord {
    /// Its name for ever.
    pub id: ConsumerId,
    /// Its name in the operator's own system; unique where given.
    pub external_id: Option<String>,
    /// What people call it; need not be unique.
    pub name: String,
    /// Whom to ask, for example an e-mail address.
    pub contact: Option<String>,
    /// Its plan; `None` falls back to the configuration's `default_plan`.
    pub plan: Option<String>,
    /// Whether its keys work at all.
    pub enabled: bool,
    /// Free pairs that may be forwarded.
    pub metadata: Metadata,
    /// Labels for lists and bulk acts; never forwarded.
    pub tags: BTreeSet<String>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Checks a name, an external id, a contact, a tag or a metadata key or value.
///
/// Control characters are refused here, at the one door where text comes in, so that nothing
/// stored can forge a log line, a header or a terminal sequence.
///
/// # Errors
/// [`TextError`] says what is wrong with it.
pub fn check_text(text: &str, max_bytes: usize) -> Result<(), TextError> {
    if text.len() > max_bytes {
        return Err(TextError::TooLong { max_bytes });
    }
    if matches!(super::redact_tokens(text), std::borrow::Cow::Owned(_)) {
        return Err(TextError::Token);
    }
    match text.chars().find(|c| {
        c.is_control()
            || matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    }) {
        Some(c) => Err(TextError::Control(c)),
        None => Ok(()),
    }
}

/// A text that cannot be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// More bytes than fit.
    #[error("longer than {max_bytes} bytes")]
    TooLong {
        /// What fits.
        max_bytes: usize,
    },
    /// A whole key: it would be stored, and shown, in clear.
    #[error("contains a whole key, which would be stored in clear")]
    Token,
    /// A control or text-direction character.
    #[error("contains the control character U+{:04X}", *.0 as u32)]
    Control(char),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expiry_and_start_are_exact() {
        let mut rng = rand::rng();
        let t = Timestamp::from_secs;
        let mut key = KeyRecord {
            id: KeyId::new(t(0), &mut rng),
            consumer: ConsumerId::new(t(0), &mut rng),
            name: String::new(),
            key_type: "live".into(),
            prefix: "acme_live".into(),
            last_four: "w3Fk".into(),
            digest: Digest::sha256(b"x"),
            scheme: Scheme::Sha256,
            scopes: Scopes::default(),
            plan: None,
            networks: Networks::default(),
            metadata: Metadata::new(),
            state: State::Enabled,
            created_at: t(0),
            not_before: Some(t(10)),
            expires_at: Some(t(20)),
            rotated_from: None,
            rotated_to: None,
            replaces_until: None,
        };
        let just_before = |s| t(s).minus(std::time::Duration::from_millis(1));
        assert_eq!(key.status(just_before(10)), Status::Scheduled);
        assert_eq!(key.status(t(10)), Status::Active);
        assert_eq!(key.status(just_before(20)), Status::Active);
        assert_eq!(key.status(t(20)), Status::Expired);
        key.state = State::Disabled;
        assert_eq!(key.status(t(15)), Status::Disabled);
        assert_eq!(key.hint(), "acme_live…w3Fk");
    }

    #[test]
    fn control_characters_are_refused() {
        assert!(check_text("Acme & Söhne, \"GmbH\"", 100).is_ok());
        for bad in ["a\nb", "a\0", "\u{1b}[2J", "\u{202e}x", "a\u{85}"] {
            assert!(matches!(check_text(bad, 100), Err(TextError::Control(_))), "{bad:?}");
        }
        assert_eq!(check_text("abc", 2), Err(TextError::TooLong { max_bytes: 2 }));
    }
}
