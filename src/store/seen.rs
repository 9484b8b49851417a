//! The last revision served, kept beside the store, so that an older file in its place is noticed.

use std::path::Path;

use super::{Act, AuditHead, Revision, Store, StoreError};

/// What was last seen of a store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastSeen {
    /// Which store.
    pub store_id: [u8; 16],
    /// Its revision.
    pub revision: Revision,
    /// The end of its audit log.
    pub head: AuditHead,
}

/// What accepting an older store gave up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AcceptedOlder {
    /// What had been seen, if anything.
    pub seen: Option<LastSeen>,
    /// What is there.
    pub found: LastSeen,
}

impl LastSeen {
    /// Reads what was last seen in `dir`; `None` if nothing was.
    pub fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        todo!()
    }

    /// Notes it in `dir`, replacing the file as a whole. Not synced: it may lag after a power loss.
    pub fn write(&self, dir: &Path) -> Result<(), StoreError> {
        todo!()
    }
}

impl Store {
    /// Returns what is to be noted of the store as it is now.
    pub fn seen_now(&self) -> Result<LastSeen, StoreError> {
        todo!()
    }

    /// Checks that the store has not gone back behind what was last seen in its directory.
    ///
    /// # Errors
    /// [`StoreError::Older`], [`StoreError::Diverged`].
    pub fn check_not_older(&self) -> Result<(), StoreError> {
        todo!()
    }

    /// Returns what would be given up by [`Store::accept_older`].
    pub fn older_than_seen(&self) -> Result<AcceptedOlder, StoreError> {
        todo!()
    }

    /// Takes the store as it is for the truth, and notes that in the audit log.
    pub fn accept_older(&self, act: &Act) -> Result<AcceptedOlder, StoreError> {
        todo!()
    }
}
