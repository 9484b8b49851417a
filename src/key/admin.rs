//! Keys of those who manage kgate itself, as opposed to those it checks for others.

use std::fmt;
use std::str::FromStr;

use super::{AdminKeyId, Digest, Status, Timestamp};

/// What every admin key starts with. No key type may declare it.
pub const ADMIN_PREFIX: &str = "kgate_admin";

/// What an admin key may do. Each role may do what those before it may.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Role {
    /// Sees everything but backups and admin keys; changes nothing.
    Viewer,
    /// Manages consumers and keys.
    Operator,
    /// Does everything, and says who else may.
    Admin,
}

impl Role {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Returns its name on the command line and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Role {
    type Err = RoleError;

    fn from_str(text: &str) -> Result<Self, RoleError> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(RoleError)
    }
}

/// The text is not a role.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a role is viewer, operator or admin")]
pub struct RoleError;

/// Everything kgate knows of an admin key, except the token itself.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AdminKeyRecord {
    /// Its name for ever.
    pub id: AdminKeyId,
    /// Whose it is, in people's words.
    pub name: String,
    /// What it may do. Immutable: another role needs another key.
    pub role: Role,
    /// The last four characters of its token, for recognition.
    pub last_four: String,
    /// The SHA-256 of its token. No pepper: it must work whatever the configuration says.
    pub digest: Digest,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
    /// When it was ended for good.
    pub revoked_at: Option<Timestamp>,
    /// The admin key it replaces.
    pub rotated_from: Option<AdminKeyId>,
    /// The admin key that replaces it.
    pub rotated_to: Option<AdminKeyId>,
}

impl AdminKeyRecord {
    /// Returns what it is at `now`: active, expired or revoked.
    pub fn status(&self, now: Timestamp) -> Status {
        match (self.revoked_at, self.expires_at) {
            (Some(_), _) => Status::Revoked,
            (None, Some(at)) if at <= now => Status::Expired,
            (None, _) => Status::Active,
        }
    }

    /// Returns what is shown of the token: `kgate_admin…w3Fk`.
    pub fn hint(&self) -> String {
        format!("{ADMIN_PREFIX}…{}", self.last_four)
    }
}
