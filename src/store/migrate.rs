//! Bringing an older store to the present format: only when asked, and backed up first.

use std::path::{Path, PathBuf};

use super::place::STORE_FILE;
use super::read::Snapshot;
use super::write::{Writer, check_act};
use super::{Access, Act, Action, FORMAT, Options, Overwrite, Store, StoreError};

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
/// The copy lies beside the store, named after the format it has. All steps are one transaction.
///
/// # Errors
/// [`StoreError::TooNew`]; [`StoreError::TooOld`] if there is no way from its format;
/// [`StoreError::FileExists`] if a copy of an earlier try is in the way.
pub fn migrate(dir: &Path, options: &Options, act: &Act) -> Result<Migrated, StoreError> {
    check_act(act)?;
    let path = dir.join(STORE_FILE);
    let store = Store::open_any_format(dir, Access::Write, options)?;
    let from = store.read(Snapshot::format)?;
    if from == FORMAT {
        return Ok(Migrated::AlreadyCurrent);
    }
    if from > FORMAT {
        return Err(StoreError::TooNew { path, found: from, known: FORMAT });
    }
    let steps: Option<Vec<Step>> = (from..FORMAT).map(step).collect();
    let Some(steps) = steps else { return Err(StoreError::TooOld { path, found: from, known: FORMAT }) };
    let backup = dir.join(format!("kgate-format-{from}.backup"));
    store.backup_unlogged(&backup, Overwrite::Refuse)?;
    let act = act.clone();
    store.write("migrating the store", Vec::new(), move |writer| {
        steps.iter().try_for_each(|step| step(writer))?;
        writer.set_format(FORMAT)?;
        writer.log(&act, Action::Migrated { from, to: FORMAT })
    })?;
    store.close()?;
    Ok(Migrated::Done { from, backup })
}

type Step = fn(&mut Writer<'_>) -> Result<(), StoreError>;

/// Returns what leads from one format to the next. The first format has no predecessor; a new one
/// adds its step here, and a store in its predecessor's format to the tests.
const fn step(from: u32) -> Option<Step> {
    match from {
        // A format that never was, so that the way is walked.
        #[cfg(test)]
        0 => Some(|_| Ok(())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tables::{META, META_FORMAT};
    use super::super::testing::{self, act, consumer, options};
    use super::*;

    fn set_format(dir: &Path, format: u32) {
        testing::meddle(&dir.join(STORE_FILE), |txn| {
            let mut meta = txn.open_table(META).unwrap();
            meta.insert(META_FORMAT, format.to_le_bytes().as_slice()).unwrap();
        });
    }

    #[test]
    fn a_newer_store_is_refused_by_everything() {
        let (dir, store) = testing::store();
        store.close().unwrap();
        set_format(dir.path(), FORMAT + 1);
        for access in [Access::Read, Access::Write] {
            let error = Store::open(dir.path(), access, &options()).unwrap_err();
            assert!(matches!(error, StoreError::TooNew { found: 2, known: 1, .. }), "{error}");
        }
        assert!(matches!(migrate(dir.path(), &options(), &act()), Err(StoreError::TooNew { .. })));
    }

    #[test]
    fn an_older_store_is_refused_until_it_is_migrated_which_keeps_a_copy() {
        let (dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        store.close().unwrap();
        set_format(dir.path(), 0);
        assert!(matches!(
            Store::open(dir.path(), Access::Write, &options()),
            Err(StoreError::TooOld { found: 0, known: 1, .. })
        ));
        let Migrated::Done { from: 0, backup } = migrate(dir.path(), &options(), &act()).unwrap() else {
            panic!("it did nothing")
        };
        assert!(backup.exists());
        assert_eq!(testing::open(dir.path()).consumer(acme.id).unwrap(), acme);
        assert_eq!(migrate(dir.path(), &options(), &act()).unwrap(), Migrated::AlreadyCurrent);
    }
}
