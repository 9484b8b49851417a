//! Making and opening a store.

use std::path::Path;
use std::time::Duration;

use rand::Rng;

use super::{Act, StoreError};

/// What a handle is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading. Opening and closing leave the file as it is (unless a crash left it in need of repair).
    Read,
    /// Reading and writing.
    Write,
}

/// How a store is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How much memory pages may take, in bytes.
    pub cache_bytes: usize,
    /// How long a call may wait for another process, and how long it may go without progress. `None`
    /// is for ever: for a thread that has nothing else to do.
    pub patience: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, patience: Some(Duration::from_secs(5)) }
    }
}

/// An open store. Clones share it; calls from several threads are fine.
#[derive(Clone)]
pub struct Store {
    dir: std::sync::Arc<std::path::PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.dir.display())
    }
}

impl Store {
    /// Says whether there is a store in `dir`, whatever its state.
    pub fn exists(dir: &Path) -> bool {
        todo!()
    }

    /// Makes a store in `dir`, which is created (0700) if it does not exist, and opens it for writing.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`]; those of the system.
    pub fn create(dir: &Path, options: &Options, act: &Act, rng: &mut impl Rng) -> Result<Self, StoreError> {
        todo!()
    }

    /// Opens the store in `dir`.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::Foreign`], [`StoreError::Truncated`],
    /// [`StoreError::Corrupted`], [`StoreError::TooNew`], [`StoreError::TooOld`],
    /// [`StoreError::NotRegular`], [`StoreError::NetworkFilesystem`], [`StoreError::Held`] and those
    /// of the system.
    pub fn open(dir: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        todo!()
    }

    /// Returns the data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Closes the handle, waiting no longer than its patience. Dropping it does the same silently.
    pub fn close(self) -> Result<(), StoreError> {
        todo!()
    }
}
