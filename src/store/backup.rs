//! A consistent copy of the store while it is in use.

use std::path::{Path, PathBuf};

use super::{Revision, Store, StoreError};

/// What to do if the backup file exists.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Overwrite {
    /// Leave it alone and fail.
    #[default]
    Refuse,
    /// Replace it, all at once, when the new one is complete.
    Replace,
}

/// What a backup holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BackupReport {
    /// The file.
    pub path: PathBuf,
    /// The revision it has.
    pub revision: Revision,
    /// How many consumers.
    pub consumers: u64,
    /// How many keys.
    pub keys: u64,
    /// How many audit rows.
    pub audit_rows: u64,
    /// The size of the file.
    pub bytes: u64,
}

impl Store {
    /// Writes a copy of the store at one moment to a new file (0600), synced before it gets its
    /// name. Usage is not part of it. The store goes on being read and written meanwhile.
    pub fn backup(&self, to: &Path, overwrite: Overwrite) -> Result<BackupReport, StoreError> {
        todo!()
    }
}
