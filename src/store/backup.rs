//! A consistent copy of the store while it is in use.

use std::path::{Path, PathBuf};

use redb::{ConcurrencyMode, Database, Key, ReadableTable, TableDefinition, Value};

use super::guard::Out;
use super::open::{fault, make_db};
use super::place::{
    LOCK_FILE, STORE_FILE, USAGE_FILE, beside, check_file, io_fault, name_new, parent_of, sync_parent,
};
use super::read::Snapshot;
use super::seen::FILE as SEEN_FILE;
use super::tables::{
    ADMIN_DIGESTS, ADMIN_KEYS, AUDIT, CHANGES, CONSUMERS, DIGESTS, EXTERNAL_IDS, KEYS, KEYS_BY_CONSUMER, META,
};
use super::write::check_act;
use super::{Act, Action, Revision, Store, StoreError};

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
    ///
    /// The audit log notes it before the copy gets its name, so the copy does not hold that row.
    ///
    /// # Errors
    /// [`StoreError::FileExists`], [`StoreError::OwnFile`]; those of reading the one file and writing the other; those
    /// of writing to the store. There is no copy then.
    pub fn backup(&self, to: &Path, overwrite: Overwrite, act: &Act) -> Result<BackupReport, StoreError> {
        check_act(act)?;
        self.copy_noted(to, overwrite, &|revision| {
            let act = act.clone();
            self.write("noting a backup", Vec::new(), move |writer| {
                writer.log(&act, Action::BackedUp { revision: revision.0 })
            })
        })
    }

    /// As [`Store::backup`], of which the audit log says nothing: where the store cannot be written. Whoever can
    /// do this can read its file.
    ///
    /// # Errors
    /// [`StoreError::FileExists`], [`StoreError::OwnFile`]; those of reading the one file and writing the other.
    pub fn backup_unlogged(&self, to: &Path, overwrite: Overwrite) -> Result<BackupReport, StoreError> {
        self.copy_noted(to, overwrite, &|_| Ok(()))
    }

    fn copy_noted(
        &self,
        to: &Path,
        overwrite: Overwrite,
        note: &dyn Fn(Revision) -> Result<(), StoreError>,
    ) -> Result<BackupReport, StoreError> {
        if overwrite == Overwrite::Refuse && to.symlink_metadata().is_ok() {
            return Err(StoreError::FileExists { path: to.to_owned() });
        }
        if is_own(to, self.dir()) {
            return Err(StoreError::OwnFile { path: to.to_owned() });
        }
        let beside = beside(to)?;
        let copy = beside.clone();
        let copied = self.reading(
            move |snapshot, out: &mut Out<'_, ()>| {
                // A file of one user: whole-file locks, which any filesystem has.
                let db = make_db(&copy, ConcurrencyMode::ExclusiveWriter, BACKUP_CACHE)?;
                let counts = copy_tables(snapshot, &db, &copy, &mut || out.step())?;
                db.close().map_err(|error| fault(&copy, error))?;
                Ok((counts, snapshot.ends()?))
            },
            &mut |()| true,
        );
        let named = copied.and_then(|(counts, ends)| {
            let bytes = std::fs::metadata(&beside).map_err(|error| io_fault(&beside, error))?.len();
            note(Revision(ends.revision))?;
            match overwrite {
                Overwrite::Refuse => name_new(&beside, to)?,
                Overwrite::Replace => {
                    std::fs::rename(&beside, to).map_err(|error| io_fault(to, error))?;
                    sync_parent(to)?;
                }
            }
            Ok((counts, ends, bytes))
        });
        let (counts, ends, bytes) = named.inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })?;
        Ok(BackupReport {
            path: to.to_owned(),
            revision: Revision(ends.revision),
            consumers: counts.consumers,
            keys: counts.keys,
            audit_rows: ends.audit_count,
            bytes,
        })
    }
}

/// Says whether a path leads to what a data directory is made of. What others keep below it, keys that sign say, is
/// nothing a backup is: of what is there only a backup is replaced by another.
fn is_own(path: &Path, dir: &Path) -> bool {
    let (Ok(parent), Ok(dir)) = (parent_of(path).canonicalize(), dir.canonicalize()) else { return false };
    let own = [STORE_FILE, USAGE_FILE, LOCK_FILE, SEEN_FILE];
    let is_named = parent == dir && path.file_name().is_some_and(|name| own.iter().any(|own| name == *own));
    let is_other = parent.starts_with(&dir) && path.symlink_metadata().is_ok() && check_file(path).is_err();
    is_named || is_other
}

const BACKUP_CACHE: usize = 32 << 20;

/// How many rows one commit of the copy takes: what is not committed must fit into memory.
const ROWS_A_COMMIT: usize = 50_000;

/// What was copied.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) consumers: u64,
    pub(super) keys: u64,
}

/// Copies every table as it is. The copy has no name yet, so it may take several commits.
pub(super) fn copy_tables(
    from: &Snapshot,
    to: &Database,
    path: &Path,
    step: &mut dyn FnMut(),
) -> Result<Counts, StoreError> {
    copy_table(from, to, path, META, step)?;
    let consumers = copy_table(from, to, path, CONSUMERS, step)?;
    copy_table(from, to, path, EXTERNAL_IDS, step)?;
    let keys = copy_table(from, to, path, KEYS, step)?;
    copy_table(from, to, path, DIGESTS, step)?;
    copy_table(from, to, path, KEYS_BY_CONSUMER, step)?;
    copy_table(from, to, path, CHANGES, step)?;
    copy_table(from, to, path, AUDIT, step)?;
    copy_table(from, to, path, ADMIN_KEYS, step)?;
    copy_table(from, to, path, ADMIN_DIGESTS, step)?;
    Ok(Counts { consumers, keys })
}

fn copy_table<K: Key + 'static, V: Value + 'static>(
    from: &Snapshot,
    to: &Database,
    path: &Path,
    table: TableDefinition<'static, K, V>,
    step: &mut dyn FnMut(),
) -> Result<u64, StoreError> {
    let fail = |error: redb::Error| fault(path, error);
    // A store made before there were admin keys has no table of them.
    let Some(source) = from.open_if_there(table)? else { return Ok(0) };
    let mut rows = source.iter().map_err(from.fail())?.peekable();
    let mut copied = 0;
    loop {
        let txn = to.begin_write().map_err(|e| fail(e.into()))?;
        {
            let mut target = txn.open_table(table).map_err(|e| fail(e.into()))?;
            for row in rows.by_ref().take(ROWS_A_COMMIT) {
                step();
                let (key, value) = row.map_err(from.fail())?;
                target.insert(key.value(), value.value()).map_err(|e| fail(e.into()))?;
                copied += 1;
            }
        }
        txn.commit().map_err(|e| fail(e.into()))?;
        if rows.peek().is_none() {
            return Ok(copied);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::testing::{self, act, consumer, key};
    use super::super::{Access, Options};
    use super::*;

    #[test]
    fn a_backup_is_the_store_at_one_moment_and_never_overwrites_unasked() {
        let (dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let issued = key(&store, acme.id);
        let file = dir.path().join("backup");
        let report = store.backup(&file, Overwrite::Refuse, &act()).unwrap();
        assert_eq!((report.consumers, report.keys, report.revision), (1, 1, Revision(2)));
        assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(store.backup(&file, Overwrite::Refuse, &act()), Err(StoreError::FileExists { .. })));
        key(&store, acme.id);
        assert_eq!(store.backup(&file, Overwrite::Replace, &act()).unwrap().keys, 2);

        let other = tempfile::tempdir().unwrap();
        std::fs::copy(&file, other.path().join("kgate.redb")).unwrap();
        let copy = Store::open(other.path(), Access::Read, &Options::default()).unwrap();
        assert_eq!(copy.key(issued.record.id).unwrap(), issued.record);
        assert_eq!(store.audit_row_hashed(&copy.audit_head().unwrap().hash).unwrap(), Some(5));
        assert_eq!(store.verify_audit().unwrap().faults, []);
        let names: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert!(!names.iter().any(|name| name.to_string_lossy().contains(".new-")), "{names:?}");
    }

    #[test]
    fn no_backup_takes_the_place_of_what_it_is_a_copy_of() {
        let (dir, store) = testing::store();
        key(&store, consumer(&store, "Acme").id);
        let before = store.audit_head().unwrap();
        let through = dir.path().join("..").join(dir.path().file_name().unwrap());
        for place in [dir.path(), &through] {
            for name in ["kgate.redb", "usage.redb", "serve.lock", "last-seen"] {
                let error = store.backup(&place.join(name), Overwrite::Replace, &act()).unwrap_err();
                assert!(matches!(error, StoreError::OwnFile { .. }), "{name}: {error}");
            }
        }
        store.backup_unlogged(&dir.path().join("usage.redb"), Overwrite::Replace).unwrap_err();
        assert_eq!(store.audit_head().unwrap(), before);
        // Nor of what others keep there.
        let keys = dir.path().join("signing-keys");
        std::fs::create_dir(&keys).unwrap();
        std::fs::write(keys.join("sig_1.key"), "a secret").unwrap();
        let error = store.backup(&keys.join("sig_1.key"), Overwrite::Replace, &act()).unwrap_err();
        assert!(matches!(error, StoreError::OwnFile { .. }), "{error}");
        assert_eq!(std::fs::read(keys.join("sig_1.key")).unwrap(), b"a secret");
        for _ in 0..2 {
            store.backup(&dir.path().join("backup"), Overwrite::Replace, &act()).unwrap();
        }
    }

    #[test]
    fn a_backup_into_nowhere_says_so_and_leaves_nothing() {
        let (_dir, store) = testing::store();
        let error = store.backup(Path::new("/nonexistent/backup"), Overwrite::Refuse, &act()).unwrap_err();
        assert!(matches!(error, StoreError::Io { .. }), "{error}");
    }

    #[test]
    fn every_backup_that_was_handed_out_is_in_the_audit_log_and_no_other() {
        let (dir, store) = testing::store();
        key(&store, consumer(&store, "Acme").id);
        let file = dir.path().join("backup");
        let by = Act { note: Some("ticket 42".to_owned()), ..act() };
        store.backup(&file, Overwrite::Refuse, &by).unwrap();
        let row = store.audit_tail(1).unwrap().remove(0);
        assert_eq!((row.action, row.actor, row.note), (Action::BackedUp { revision: 2 }, by.actor, by.note));
        let count = || store.audit_head().unwrap().count;
        let noted = count();
        store.backup(&file, Overwrite::Refuse, &act()).unwrap_err();
        store.backup(Path::new("/nonexistent/backup"), Overwrite::Refuse, &act()).unwrap_err();
        store.backup_unlogged(&file, Overwrite::Replace).unwrap();
        assert_eq!(count(), noted);

        // What cannot be noted is not handed out.
        let reader = Store::open(dir.path(), Access::Read, &Options::default()).unwrap();
        let other = dir.path().join("other");
        assert!(matches!(reader.backup(&other, Overwrite::Refuse, &act()), Err(StoreError::ReadOnly)));
        assert!(!other.exists());
        reader.backup_unlogged(&other, Overwrite::Refuse).unwrap();
    }
}
