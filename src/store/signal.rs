//! The freshness signal: redb's own commit, seen in the first 320 bytes of the file.
//!
//! A commit writes a new transaction id into one of two slots and flips a bit that says which slot
//! counts. One lock-free `pread` of the header therefore says whether anything was committed since
//! the last look. Read the tag *before* the transaction whose snapshot it stands for, and a commit in
//! between can only cause one refresh too many.

use std::fs::File;
use std::io::ErrorKind;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::guard::watched;
use super::open::fault;
use super::place::{HEADER_LEN, MAGIC};
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
        self.god & UNFLUSHED != 0
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
    file: File,
    path: PathBuf,
    /// Device and inode.
    place: (u64, u64),
}

// Offsets in the header, from redb's `tree_store/page_store/header.rs`: one byte of flags behind the
// magic number, and the transaction id at offset 104 of each 128-byte commit slot, which start at 64.
const GOD_BYTE: usize = 9;
const SLOT_IDS: [usize; 2] = [64 + 104, 64 + 128 + 104];
/// The commit slots' version, the file format this layout belongs to, is the first byte of each.
const SLOT_VERSIONS: [usize; 2] = [64, 64 + 128];
const FILE_FORMAT: u8 = 3;
const UNFLUSHED: u8 = 8;

impl Signal {
    /// Opens the signal of the store file at `path`.
    ///
    /// # Errors
    /// [`SignalError::Foreign`] also if the file has a format whose header may look different.
    pub fn open(path: &Path) -> Result<Self, SignalError> {
        let file = File::open(path)?;
        let meta = file.metadata()?;
        let signal = Self { file, path: path.to_owned(), place: (meta.dev(), meta.ino()) };
        let header = signal.header()?;
        // The slot never written yet has version 0 or the same.
        if SLOT_VERSIONS.iter().all(|at| header[*at] != FILE_FORMAT) {
            return Err(SignalError::Foreign);
        }
        Ok(signal)
    }

    /// Reads the tag: one `pread`.
    ///
    /// # Errors
    /// Every one of them means that the store cannot be trusted now.
    #[inline]
    pub fn read(&self) -> Result<Tag, SignalError> {
        let header = self.header()?;
        let id = |at: usize| u64::from_le_bytes(*header[at..].first_chunk().expect("within the header"));
        Ok(Tag { god: header[GOD_BYTE], slots: SLOT_IDS.map(id) })
    }

    #[inline]
    fn header(&self) -> Result<[u8; HEADER_LEN], SignalError> {
        let mut header = [0; HEADER_LEN];
        // One call is one look: a second one could see the next commit. Reads of a regular file come
        // short only at its end.
        let read = loop {
            match self.file.read_at(&mut header, 0) {
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        if read < HEADER_LEN {
            return Err(SignalError::Truncated);
        }
        if header[..MAGIC.len()] != MAGIC {
            return Err(SignalError::Foreign);
        }
        Ok(header)
    }

    /// Checks that the path still leads to the file that was opened: one `stat`.
    ///
    /// # Errors
    /// [`SignalError::Replaced`]; [`SignalError::Io`] if nothing is there.
    pub fn check_place(&self) -> Result<(), SignalError> {
        let meta = std::fs::symlink_metadata(&self.path)?;
        if (meta.dev(), meta.ino()) == self.place { Ok(()) } else { Err(SignalError::Replaced) }
    }

    /// Proves the signal: commits (without touching a record) and checks that the tag changed.
    ///
    /// # Errors
    /// [`StoreError::Signal`] if it did not: then nothing but a read transaction is fresh.
    pub fn prove(&self, store: &Store) -> Result<(), StoreError> {
        let fault = |problem: String| StoreError::Signal { path: self.path.clone(), problem };
        let read = || self.read().map_err(|error| fault(error.to_string()));
        let before = read()?;
        store.write("proving the signal", Vec::new(), |writer| {
            writer.nudge();
            Ok(())
        })?;
        if read()? == before { Err(fault("a commit left it unchanged".to_owned())) } else { Ok(()) }
    }
}

impl Store {
    /// Opens the signal of this store's file.
    ///
    /// # Errors
    /// Those of [`Signal::open`].
    pub fn signal(&self) -> Result<Signal, SignalError> {
        Signal::open(self.path())
    }

    /// Makes a commit visible whose writer died before it could: begins a write, which repairs that,
    /// and gives it up. Returns `false` if somebody else is writing, who then does it anyway.
    ///
    /// # Errors
    /// [`StoreError::ReadOnly`] if the store was opened for reading.
    pub fn publish_unflushed(&self) -> Result<bool, StoreError> {
        let file = self.file().clone();
        let call = self.file().call("publishing the last commit", Vec::new());
        let path = self.path().to_owned();
        watched(&call, move |_| match file.writable()?.try_begin_write() {
            Ok(txn) => txn.abort().map(|()| true).map_err(|error| fault(&path, error)),
            Err(redb::TransactionError::WouldBlock) => Ok(false),
            Err(error) => Err(fault(&path, error)),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::super::testing::{self, consumer};
    use super::*;

    #[test]
    fn every_commit_of_another_handle_changes_the_tag() {
        let (dir, store) = testing::store();
        let signal = store.signal().unwrap();
        signal.prove(&store).unwrap();
        let other = testing::open(dir.path());
        let mut seen = signal.read().unwrap();
        for i in 0..50 {
            consumer(&other, &format!("c{i}"));
            let now = signal.read().unwrap();
            assert_ne!(now, seen);
            seen = now;
        }
        assert_eq!(signal.read().unwrap(), seen);
    }

    #[test]
    fn reading_does_not_change_the_tag() {
        let (dir, store) = testing::store();
        let signal = store.signal().unwrap();
        let seen = signal.read().unwrap();
        let reader = Store::open(dir.path(), super::super::Access::Read, &testing::options()).unwrap();
        reader.revision().unwrap();
        reader.close().unwrap();
        assert_eq!(signal.read().unwrap(), seen);
    }

    #[test]
    fn replaced_truncated_and_foreign_files_are_noticed() {
        let (dir, store) = testing::store();
        let signal = store.signal().unwrap();
        let path = dir.path().join("kgate.redb");
        signal.check_place().unwrap();
        let copy = dir.path().join("copy");
        std::fs::copy(&path, &copy).unwrap();
        let copied = Signal::open(&copy).unwrap();
        std::fs::rename(&copy, &path).unwrap();
        assert!(matches!(signal.check_place(), Err(SignalError::Replaced)));
        copied.read().unwrap();
        let file = File::options().write(true).open(&path).unwrap();
        file.write_all_at(b"REDB", 0).unwrap();
        assert!(matches!(copied.read(), Err(SignalError::Foreign)));
        file.set_len(300).unwrap();
        assert!(matches!(copied.read(), Err(SignalError::Truncated)));
        std::fs::remove_file(&path).unwrap();
        assert!(matches!(copied.check_place(), Err(SignalError::Io(_))));
        std::mem::forget(store);
    }

    #[test]
    fn a_commit_left_unflushed_is_published() {
        let (dir, store) = testing::store();
        consumer(&store, "one");
        let signal = store.signal().unwrap();
        // What a writer leaves that died between its two header writes.
        let file = File::options().read(true).write(true).open(dir.path().join("kgate.redb")).unwrap();
        let mut god = [0];
        file.read_exact_at(&mut god, GOD_BYTE as u64).unwrap();
        file.write_all_at(&[god[0] | UNFLUSHED], GOD_BYTE as u64).unwrap();
        assert!(signal.read().unwrap().is_unflushed());
        assert!(store.publish_unflushed().unwrap());
        assert!(!signal.read().unwrap().is_unflushed());
        assert!(store.find_consumer("one").is_ok());
    }
}
