//! Usage, in a file of its own: every commit makes other processes drop their page cache, and usage
//! is written all the time. It may be lost without harm.

use std::collections::HashMap;
use std::path::Path;

use crate::key::{KeyId, Timestamp};

use super::{Access, Options, StoreError};

/// The open usage file.
#[derive(Clone, Debug)]
pub struct Usage {}

impl Usage {
    /// Opens the usage file in `dir`, which [`super::Store::create`] made.
    pub fn open(dir: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        todo!()
    }

    /// Returns when a key was last let through, if ever.
    pub fn last_used_at(&self, id: KeyId) -> Result<Option<Timestamp>, StoreError> {
        todo!()
    }

    /// Returns when every key that was ever used was last let through.
    pub fn last_used(&self) -> Result<HashMap<KeyId, Timestamp>, StoreError> {
        todo!()
    }

    /// Notes uses, in one commit. An earlier time than the one noted changes nothing.
    pub fn record_last_used(&self, batch: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        todo!()
    }
}
