//! The last revision served, kept beside the store, so that an older file in its place is noticed.

use std::io::ErrorKind;
use std::path::Path;

use super::place::{io_fault, replace};
use super::read::Snapshot;
use super::write::{check_act, damaged};
use super::{Act, Action, AuditHead, Revision, Store, StoreError};

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

/// The file beside the store.
pub(super) const FILE: &str = "last-seen";

impl LastSeen {
    /// Reads what was last seen in `dir`; `None` if nothing was.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if the note cannot be read: then nobody knows.
    pub fn read(dir: &Path) -> Result<Option<Self>, StoreError> {
        let path = dir.join(FILE);
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&text)
                .map(Some)
                .ok_or_else(|| damaged(path.display(), "it is not a note of what was last seen")),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(io_fault(&path, error)),
        }
    }

    /// Notes it in `dir`, replacing the file as a whole. Not synced: it may lag after a power loss.
    ///
    /// # Errors
    /// Those of the system.
    pub fn write(&self, dir: &Path) -> Result<(), StoreError> {
        let text = format!(
            "kgate-last-seen 1\nstore {}\nrevision {}\naudit {} {}\n",
            hex(&self.store_id),
            self.revision,
            self.head.count,
            hex(&self.head.hash)
        );
        replace(&dir.join(FILE), text.as_bytes())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let mut field = |name: &str| lines.next()?.strip_prefix(name)?.strip_prefix(' ').map(str::to_owned);
        field("kgate-last-seen").filter(|version| version == "1")?;
        let store_id = unhex(&field("store")?)?;
        let revision = Revision(field("revision")?.parse().ok()?);
        let audit = field("audit")?;
        let (count, hash) = audit.split_once(' ')?;
        let head = AuditHead { count: count.parse().ok()?, hash: unhex(hash)? };
        Some(Self { store_id, revision, head })
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn unhex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    if text.len() != 2 * N || !text.is_ascii() {
        return None;
    }
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

impl Store {
    /// Returns what is to be noted of the store as it is now.
    ///
    /// # Errors
    /// Those of reading.
    pub fn seen_now(&self) -> Result<LastSeen, StoreError> {
        self.read(seen_now)
    }

    /// Checks that the store has not gone back behind what was last seen in its directory.
    ///
    /// # Errors
    /// [`StoreError::Older`]; [`StoreError::Diverged`] if it is another store, or went back and then on
    /// by another way; [`StoreError::Damaged`] if the note cannot be read.
    pub fn check_not_older(&self) -> Result<(), StoreError> {
        let Some(seen) = LastSeen::read(self.dir())? else { return Ok(()) };
        self.read(move |snapshot| {
            let found = seen_now(snapshot)?;
            if found.store_id != seen.store_id {
                return Err(StoreError::Diverged { seen: seen.revision });
            }
            if found.revision < seen.revision || found.head.count < seen.head.count {
                return Err(StoreError::Older { seen: seen.revision, found: found.revision });
            }
            if snapshot.audit_hash(seen.head.count)? == Some(seen.head.hash) {
                Ok(())
            } else {
                Err(StoreError::Diverged { seen: seen.revision })
            }
        })
    }

    /// Returns what [`Store::accept_older`] would give up.
    ///
    /// # Errors
    /// Those of reading.
    pub fn older_than_seen(&self) -> Result<AcceptedOlder, StoreError> {
        // A damaged note is what may have to be given up.
        let seen = match LastSeen::read(self.dir()) {
            Err(StoreError::Damaged { .. }) => None,
            other => other?,
        };
        Ok(AcceptedOlder { seen, found: self.seen_now()? })
    }

    /// Takes the store as it is for the truth, and notes that in the audit log.
    ///
    /// # Errors
    /// Those of writing.
    pub fn accept_older(&self, act: &Act) -> Result<AcceptedOlder, StoreError> {
        check_act(act)?;
        let accepted = self.older_than_seen()?;
        let seen = accepted.seen.map_or(0, |seen| seen.revision.0);
        let act = act.clone();
        self.write("accepting an older store", Vec::new(), move |writer| {
            writer.log(&act, Action::OlderAccepted { seen })
        })?;
        self.seen_now()?.write(self.dir())?;
        Ok(accepted)
    }
}

fn seen_now(snapshot: &Snapshot) -> Result<LastSeen, StoreError> {
    let ends = snapshot.ends()?;
    Ok(LastSeen { store_id: snapshot.store_id()?, revision: Revision(ends.revision), head: ends.head() })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, act, consumer};
    use super::*;

    #[test]
    fn an_older_file_in_the_stores_place_is_noticed_and_can_be_accepted() {
        let (dir, store) = testing::store();
        let path = dir.path().join("kgate.redb");
        consumer(&store, "one");
        store.close().unwrap();
        std::fs::copy(&path, dir.path().join("old")).unwrap();

        let store = testing::open(dir.path());
        store.check_not_older().unwrap();
        consumer(&store, "two");
        store.seen_now().unwrap().write(dir.path()).unwrap();
        store.check_not_older().unwrap();
        store.close().unwrap();

        std::fs::rename(dir.path().join("old"), &path).unwrap();
        let store = testing::open(dir.path());
        assert!(matches!(
            store.check_not_older(),
            Err(StoreError::Older { seen: Revision(2), found: Revision(1) })
        ));
        // Catching up by another way does not hide it.
        consumer(&store, "other");
        assert!(matches!(store.check_not_older(), Err(StoreError::Diverged { seen: Revision(2) })));
        let accepted = store.accept_older(&act()).unwrap();
        assert_eq!(accepted.seen.unwrap().revision, Revision(2));
        store.check_not_older().unwrap();
        assert!(store.verify_audit().unwrap().faults.is_empty());
    }

    #[test]
    fn a_spoilt_note_is_an_error_until_accepted() {
        let (dir, store) = testing::store();
        std::fs::write(dir.path().join(FILE), "kgate-last-seen 1\nstore x\n").unwrap();
        assert!(matches!(store.check_not_older(), Err(StoreError::Damaged { .. })));
        store.accept_older(&act()).unwrap();
        store.check_not_older().unwrap();
    }
}
