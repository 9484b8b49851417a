//! The freshness signal: redb's own commit, seen in the first 320 bytes of the file.
//!
//! A commit writes a new transaction id into one of two slots and flips a bit that says which slot
//! counts. One lock-free `pread` of the header therefore says whether anything was committed since
//! the last look. Read the tag *before* the transaction whose snapshot it stands for, and a commit in
//! between can only cause one refresh too many.

use std::path::Path;

use super::{Store, StoreError};

/// What a header looked like. Equal tags: nothing was committed in between.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Tag {
    god: u8,
    slots: [u64; 2],
}

impl Tag {
    /// Says whether the last commit is not visible to readers yet: its writer is still flushing, or
    /// died doing so. See [`Store::publish_unflushed`].
    pub const fn is_unflushed(self) -> bool {
        self.god & 8 != 0
    }
}

/// Why the signal cannot be read. All of them mean: refuse.
#[derive(Debug, thiserror::Error)]
pub enum SignalError {
    /// The file is shorter than its header.
    #[error("the store file is truncated")]
    Truncated,
    /// The header is not that of a database.
    #[error("the store file is no longer a kgate store")]
    Foreign,
    /// Another file took the path.
    #[error("another file took the store's place")]
    Replaced,
    /// The path cannot be looked up, or the file not be read.
    #[error("the store file cannot be read: {0}")]
    Io(#[from] std::io::Error),
}

/// An open eye on a store file. Reading takes no lock and is fine from any thread.
#[derive(Debug)]
pub struct Signal {
    file: std::fs::File,
}

impl Signal {
    /// Opens the signal of the store file at `path`.
    pub fn open(path: &Path) -> Result<Self, SignalError> {
        todo!()
    }

    /// Reads the tag: one `pread`.
    #[inline]
    pub fn read(&self) -> Result<Tag, SignalError> {
        todo!()
    }

    /// Checks that the path still leads to the file that was opened: one `stat`.
    pub fn check_place(&self) -> Result<(), SignalError> {
        todo!()
    }

    /// Proves the signal: commits (without touching a record) and checks that the tag changed.
    ///
    /// # Errors
    /// [`StoreError::Signal`] if it did not: then nothing but a read transaction is fresh.
    pub fn prove(&self, store: &Store) -> Result<(), StoreError> {
        todo!()
    }
}

impl Store {
    /// Opens the signal of this store's file.
    pub fn signal(&self) -> Result<Signal, SignalError> {
        todo!()
    }

    /// Makes a commit visible whose writer died before it could: begins a write, which repairs that,
    /// and gives it up. Returns `false` if somebody else is writing, who then does it anyway.
    pub fn publish_unflushed(&self) -> Result<bool, StoreError> {
        todo!()
    }
}
