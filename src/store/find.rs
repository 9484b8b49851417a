//! Finding records: filters for lists, and near matches for what was not found.

use std::collections::BTreeSet;

use crate::key::{ConsumerId, KeyRecord, Scope, Status, Timestamp};

use super::{Store, StoreError};

/// Which keys a list shows. Filters combine; an empty one lets everything through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyFilter {
    /// Only keys of these consumers, if not `None`. (A tag becomes such a list.)
    pub consumers: Option<BTreeSet<ConsumerId>>,
    /// Only keys with one of these statuses; empty is any.
    pub statuses: Vec<Status>,
    /// Only keys of this key type.
    pub key_type: Option<String>,
    /// Only keys that work now or later and expire before this.
    pub expiring_before: Option<Timestamp>,
    /// Only keys that hold a scope granting this one.
    pub scope: Option<Scope>,
    /// Only keys whose name contains this, whatever the case.
    pub name: Option<String>,
}

impl KeyFilter {
    /// Says whether the filter lets `key` through at `now`.
    pub fn matches(&self, key: &KeyRecord, now: Timestamp) -> bool {
        let status = key.status(now);
        self.consumers.as_ref().is_none_or(|ids| ids.contains(&key.consumer))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && self.key_type.as_ref().is_none_or(|t| *t == key.key_type)
            && self.expiring_before.is_none_or(|limit| {
                !matches!(status, Status::Expired | Status::Revoked)
                    && key.expires_at.is_some_and(|at| at < limit)
            })
            && self.scope.as_ref().is_none_or(|scope| key.scopes.grant(scope))
            && self.name.as_ref().is_none_or(|part| key.name.to_lowercase().contains(&part.to_lowercase()))
    }
}

/// Something called nearly what was asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Near {
    /// Its identifier.
    pub id: String,
    /// Its name; may be empty.
    pub name: String,
}

impl Store {
    /// Returns up to `count` keys whose identifier, hint or name is near `wanted`, nearest first.
    pub fn near_keys(&self, wanted: &str, count: usize) -> Result<Vec<Near>, StoreError> {
        todo!()
    }

    /// Returns up to `count` consumers whose identifier, external id or name is near `wanted`,
    /// nearest first.
    pub fn near_consumers(&self, wanted: &str, count: usize) -> Result<Vec<Near>, StoreError> {
        todo!()
    }
}
