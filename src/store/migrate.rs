//! Bringing an older store to the present format: only when asked, and backed up first.

use std::path::{Path, PathBuf};

use super::{Act, Options, StoreError};

/// What a migration did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Migrated {
    /// Nothing: the store has the present format.
    AlreadyCurrent,
    /// It changed the store.
    Done {
        /// The format before.
        from: u32,
        /// The copy made before.
        backup: PathBuf,
    },
}

/// Migrates the store in `dir` to the present format.
///
/// # Errors
/// [`StoreError::TooNew`]; [`StoreError::TooOld`] if there is no way from its format.
pub fn migrate(dir: &Path, options: &Options, act: &Act) -> Result<Migrated, StoreError> {
    todo!()
}
