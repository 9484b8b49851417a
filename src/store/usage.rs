//! Usage, in a file of its own: every commit makes other processes drop their page cache, and usage
//! is written all the time. It may be lost without harm.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use redb::{AccessGuard, ReadOnlyTable, ReadableTable};

use crate::key::{KeyId, Timestamp};

use super::guard::watched;
use super::open::{DbFile, ensure_usage_file, fault};
use super::place::{USAGE_FILE, refuse_network};
use super::read::Snapshot;
use super::tables::{Id, LAST_USED};
use super::{Access, Options, StoreError};

/// The open usage file. Opened for reading where there is none, it is empty.
#[derive(Clone)]
pub struct Usage {
    file: Option<Arc<DbFile>>,
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Usage")
    }
}

impl Usage {
    /// Opens the usage file in `dir`. To write, it is made if it was lost.
    ///
    /// # Errors
    /// Those of [`super::Store::open`].
    pub fn open(dir: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        let path = dir.join(USAGE_FILE);
        if access == Access::Write {
            ensure_usage_file(dir, options)?;
        } else if path.symlink_metadata().is_err() {
            return Ok(Self { file: None });
        }
        refuse_network(dir)?;
        Ok(Self { file: Some(Arc::new(DbFile::open(&path, access, options)?)) })
    }

    /// Returns when a key was last let through, if ever.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_used_at(&self, id: KeyId) -> Result<Option<Timestamp>, StoreError> {
        self.read(None, move |table| {
            Ok(table.get(id.as_bytes())?.map(|millis| Timestamp::from_millis(millis.value())))
        })
    }

    /// Returns when every key that was ever used was last let through.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_used(&self) -> Result<HashMap<KeyId, Timestamp>, StoreError> {
        self.read(HashMap::new(), |table| {
            let row = |row: Result<(AccessGuard<'_, &Id>, AccessGuard<'_, i64>), _>| {
                row.map(|(id, millis)| {
                    (KeyId::from_bytes(*id.value()), Timestamp::from_millis(millis.value()))
                })
            };
            table.range::<&Id>(..)?.map(row).collect()
        })
    }

    fn read<R: Send + 'static>(
        &self,
        without_file: R,
        job: impl FnOnce(&ReadOnlyTable<&'static Id, i64>) -> Result<R, redb::StorageError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let Some(file) = self.file.clone() else { return Ok(without_file) };
        watched(&file.clone().call("reading usage", Vec::new()), move |_| {
            let snapshot = Snapshot::new(file.begin_read()?, file.path().to_owned());
            job(&snapshot.open(LAST_USED)?).map_err(snapshot.fail())
        })
    }

    /// Notes uses, in one commit. An earlier time than the one noted changes nothing.
    ///
    /// # Errors
    /// Those of writing.
    pub fn record_last_used(&self, batch: &[(KeyId, Timestamp)]) -> Result<(), StoreError> {
        let Some(file) = self.file.clone() else { return Err(StoreError::ReadOnly) };
        let batch = batch.to_vec();
        watched(&file.clone().call("noting usage", Vec::new()), move |_| {
            let fail = |error: redb::Error| fault(file.path(), error);
            let txn = file.begin_write()?;
            {
                let mut table = txn.open_table(LAST_USED).map_err(|e| fail(e.into()))?;
                for (id, at) in batch {
                    let noted =
                        table.get(id.as_bytes()).map_err(|e| fail(e.into()))?.map(|millis| millis.value());
                    if noted.is_none_or(|noted| noted < at.as_millis()) {
                        table.insert(id.as_bytes(), at.as_millis()).map_err(|e| fail(e.into()))?;
                    }
                }
            }
            txn.commit().map_err(|e| fail(e.into()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    #[test]
    fn the_latest_use_stays_and_a_lost_file_is_empty() {
        let (dir, _store) = testing::store();
        let (a, b) = (KeyId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        let t = Timestamp::from_secs;
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        usage.record_last_used(&[(a, t(5)), (b, t(7))]).unwrap();
        usage.record_last_used(&[(a, t(9)), (b, t(6))]).unwrap();
        let reader = Usage::open(dir.path(), Access::Read, &testing::options()).unwrap();
        assert_eq!(reader.last_used().unwrap(), HashMap::from([(a, t(9)), (b, t(7))]));
        assert_eq!(reader.last_used_at(KeyId::from_bytes([3; 16])).unwrap(), None);
        assert!(matches!(reader.record_last_used(&[(a, t(9))]), Err(StoreError::ReadOnly)));
        drop((usage, reader));
        std::fs::remove_file(dir.path().join(USAGE_FILE)).unwrap();
        let reader = Usage::open(dir.path(), Access::Read, &testing::options()).unwrap();
        assert!(reader.last_used().unwrap().is_empty());
    }
}
