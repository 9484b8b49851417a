//! What a reader follows: everything at one revision, or what changed since another.

use std::fmt;

use crate::key::{ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord};

use super::{Store, StoreError, Subject};

/// The number of the last change: it grows by one for each record touched, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One record, as [`Store::load`] delivers it: consumers first, then keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A consumer.
    Consumer(ConsumerRecord),
    /// A key. If its consumer is not there (it was deleted), the key is revoked.
    Key(KeyRecord),
    /// A record that cannot be read: its digest must be refused, and the store not be called well.
    Damaged(Damage),
}

/// A record that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Whose record it is.
    pub subject: Subject,
    /// Of a key: its digest, if the digest table still tells.
    pub digest: Option<Digest>,
    /// What is wrong with it.
    pub problem: String,
}

/// What became of one record: its state now, however often it changed in between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The consumer is new or different.
    Consumer(ConsumerRecord),
    /// The consumer is gone.
    ConsumerRemoved(ConsumerId),
    /// The key is new or different.
    Key(KeyRecord),
    /// The key is gone (pruned). It was revoked long before.
    KeyRemoved {
        /// Which.
        id: KeyId,
        /// What it was found by.
        digest: Digest,
    },
    /// The record changed and cannot be read.
    Damaged(Damage),
}

/// The way from one revision to the present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changes {
    /// Apply these, in any order but consumers before keys (as they come), and be at `revision`.
    Rows {
        /// The present.
        revision: Revision,
        /// What changed; empty if nothing did.
        changes: Vec<Change>,
    },
    /// The rows are gone or unreadable, or the revision asked for was never reached: load anew.
    Reload,
}

impl Store {
    /// Returns the number of the last change.
    pub fn revision(&self) -> Result<Revision, StoreError> {
        todo!()
    }

    /// Delivers everything the store holds at one moment, and returns its revision.
    ///
    /// A damaged record is delivered as [`Item::Damaged`], not skipped and not an error.
    pub fn load(&self, each: &mut dyn FnMut(Item)) -> Result<Revision, StoreError> {
        todo!()
    }

    /// Returns what changed since `revision`, all read at one moment.
    pub fn changes_since(&self, revision: Revision) -> Result<Changes, StoreError> {
        todo!()
    }
}
