//! The life of a key: issue, update, disable, rotate, revoke, prune.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use rand::CryptoRng;

use crate::key::{
    ConsumerId, KeyId, KeyRecord, Metadata, Networks, Peppers, Prefix, RevokeReason, Scopes, Timestamp, Token,
};

use super::{Act, Outcome, Store, StoreError};

/// What keys are made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Who will hold them.
    pub consumer: ConsumerId,
    /// What people call them; may be empty.
    pub name: String,
    /// The name of their key type.
    pub key_type: String,
    /// The prefix of that key type.
    pub prefix: Prefix,
    /// What they may do.
    pub scopes: Scopes,
    /// Their own plan.
    pub plan: Option<String>,
    /// Where they may be used from; empty is anywhere.
    pub networks: Networks,
    /// Free pairs.
    pub metadata: Metadata,
    /// When they begin to work; `None` is at once.
    pub not_before: Option<Timestamp>,
    /// When they stop working; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// A key just made, with its token: the one place where the token is in the clear.
#[derive(Clone, Debug)]
pub struct Issued {
    /// What is kept.
    pub record: KeyRecord,
    /// What is handed out.
    pub token: Token,
}

/// A change to a key: `None` leaves a field, `Some(None)` clears it. Scopes cannot be changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyEdit {
    /// Another name.
    pub name: Option<String>,
    /// Another plan of its own.
    pub plan: Option<Option<String>>,
    /// Other networks; empty is anywhere.
    pub networks: Option<Networks>,
    /// Pairs to add or replace.
    pub set_metadata: Metadata,
    /// Metadata keys to remove.
    pub unset_metadata: BTreeSet<String>,
    /// Another start.
    pub not_before: Option<Option<Timestamp>>,
    /// Another end. A key with a successor cannot get a later one.
    pub expires_at: Option<Option<Timestamp>>,
}

/// How a key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// How long the old key goes on working; zero revokes it at once.
    pub grace: Duration,
    /// When the new key stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The old key as it is now.
    pub old: KeyRecord,
    /// Its successor.
    pub new: Issued,
}

/// What became of one key of a bulk revocation.
#[derive(Debug)]
pub struct Revocation {
    /// Which key.
    pub id: KeyId,
    /// The key as it is now and whether this changed it (a key revoked before stays as it was), or
    /// why it could not be revoked.
    pub result: Result<Outcome<KeyRecord>, StoreError>,
}

/// What a prune removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pruned {
    /// The keys removed.
    pub ids: Vec<KeyId>,
}

impl Store {
    /// Makes one key.
    pub fn issue(
        &self,
        new: &NewKey,
        peppers: &Peppers,
        act: &Act,
        rng: &mut impl CryptoRng,
    ) -> Result<Issued, StoreError> {
        todo!()
    }

    /// Makes `count` keys alike, at most [`super::BATCH`] a commit, and calls `each` after every
    /// commit with the keys it made durable. `Break` ends it early. Returns how many were made.
    pub fn issue_many(
        &self,
        new: &NewKey,
        count: usize,
        peppers: &Peppers,
        act: &Act,
        rng: &mut impl CryptoRng,
        each: &mut dyn FnMut(Vec<Issued>) -> ControlFlow<()>,
    ) -> Result<usize, StoreError> {
        todo!()
    }

    /// Changes a key.
    ///
    /// # Errors
    /// [`StoreError::Revoked`]; [`StoreError::AlreadyRotated`] if a key with a successor would live
    /// longer.
    pub fn update_key(&self, id: KeyId, edit: &KeyEdit, act: &Act) -> Result<Outcome<KeyRecord>, StoreError> {
        todo!()
    }

    /// Switches a key on.
    pub fn enable_key(&self, id: KeyId, act: &Act) -> Result<Outcome<KeyRecord>, StoreError> {
        todo!()
    }

    /// Switches a key off, until it is switched on again.
    pub fn disable_key(&self, id: KeyId, act: &Act) -> Result<Outcome<KeyRecord>, StoreError> {
        todo!()
    }

    /// Makes a successor with the same name, type, scopes, plan, networks and metadata. The old key
    /// then ends at the earlier of its own expiry and the end of the grace period.
    ///
    /// # Errors
    /// A key that is revoked, expired, disabled or already rotated cannot be rotated.
    pub fn rotate(
        &self,
        id: KeyId,
        rotation: Rotation,
        peppers: &Peppers,
        act: &Act,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotated, StoreError> {
        todo!()
    }

    /// Ends a key for good. Revoking it again changes nothing and says so.
    pub fn revoke(
        &self,
        id: KeyId,
        reason: RevokeReason,
        act: &Act,
    ) -> Result<Outcome<KeyRecord>, StoreError> {
        todo!()
    }

    /// Ends many keys, at most [`super::BATCH`] a commit, and calls `each` after every commit.
    /// `Break` ends it early. An error ends it; what `each` was told stays done.
    pub fn revoke_many(
        &self,
        ids: &[KeyId],
        reason: RevokeReason,
        act: &Act,
        each: &mut dyn FnMut(Vec<Revocation>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Returns the keys that [`Store::prune`] would remove.
    pub fn prunable(&self, revoked_before: Timestamp) -> Result<Vec<KeyId>, StoreError> {
        todo!()
    }

    /// Removes the keys revoked before `revoked_before`; their digests and reasons stay in the audit
    /// log. Calls `each` after every commit. `Break` ends it early.
    pub fn prune(
        &self,
        revoked_before: Timestamp,
        act: &Act,
        each: &mut dyn FnMut(&[KeyId]) -> ControlFlow<()>,
    ) -> Result<Pruned, StoreError> {
        todo!()
    }
}
