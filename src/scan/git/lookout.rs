//! Examines single objects, and says where they are: for what is new, where there are few.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_hash::ObjectId;

use super::facts::{self, CommitFacts, EntryKind};
use super::objects::{Object, Objects};
use super::repository::Repository;
use crate::key::Timestamp;
use crate::scan::content::{Examiner, Seen};
use crate::scan::mask::masked;
use crate::scan::place::{Commit, Part, Place};
use crate::scan::report::Fault;
use crate::scan::walk::Readers;

/// Objects of one repository, and where to report what is in them.
pub(super) struct Lookout<'s> {
    readers: &'s Readers<'s>,
    examiner: Examiner<'s>,
    pub(super) objects: Objects,
}

impl<'s> Lookout<'s> {
    pub(super) fn new(readers: &'s Readers<'s>, repository: &Repository) -> Self {
        let room = readers.options.memory / 4;
        Self {
            examiner: readers.options.examiner(readers.detector),
            objects: Objects::new(&repository.stores, repository.hash, room),
            readers,
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        self.readers.progress.is_stopped()
    }

    /// Counts bytes read that are no object.
    pub(super) fn count(&self, bytes: u64) {
        self.readers.progress.add_objects(0, bytes);
    }

    /// Examines the file `id` at `path`.
    pub(super) fn file(&mut self, id: &ObjectId, kind: EntryKind, path: &Path, commit: Option<&Arc<Commit>>) {
        let part = match kind {
            EntryKind::File => Part::Content,
            EntryKind::Link => Part::LinkTarget,
            EntryKind::Tree | EntryKind::Module => return,
        };
        let Some((_, bytes)) = self.read(id, path) else { return };
        let readers = self.readers;
        self.examiner.bytes(&bytes, &mut |seen| take(readers, seen, path, |_| part, commit));
    }

    /// Examines a name; `path` is what is called so.
    pub(super) fn name(&mut self, name: &[u8], path: &Path, commit: Option<&Arc<Commit>>) {
        let readers = self.readers;
        self.examiner.text(name, &mut |seen| take(readers, seen, path, |_| Part::Name, commit));
    }

    /// Examines a line of the file `path`.
    pub(super) fn line(&mut self, text: &[u8], path: &Path) {
        let readers = self.readers;
        self.examiner.text(text, &mut |seen| take(readers, seen, path, |_| Part::Content, None));
    }

    /// Examines what a commit or tag says; `name` is what it is called.
    pub(super) fn text(&mut self, bytes: &[u8], name: &Path, commit: Option<&Arc<Commit>>) {
        let readers = self.readers;
        let part = |offset| facts::part_at(bytes, offset);
        self.examiner.text(bytes, &mut |seen| take(readers, seen, name, part, commit));
    }

    /// Reads an object that ought to be there.
    pub(super) fn read(&mut self, id: &ObjectId, path: &Path) -> Option<Object> {
        let problem = match self.objects.read(id) {
            Ok(Some((kind, bytes))) => {
                self.readers.progress.add_objects(1, bytes.len() as u64);
                return Some((kind, bytes));
            }
            Ok(None) => format!("object {} is missing", id.to_hex()),
            Err(damage) => format!("object {}: {damage}", id.to_hex()),
        };
        self.fault(path.to_owned(), problem);
        None
    }

    pub(super) fn fault(&self, path: PathBuf, problem: String) {
        self.readers.collector.fault(Fault { path, problem });
    }
}

fn take(
    readers: &Readers<'_>,
    seen: Seen,
    path: &Path,
    part: impl Fn(u64) -> Part,
    commit: Option<&Arc<Commit>>,
) {
    match seen {
        Seen::Key(seen) => {
            let place = seen.place(path.to_owned(), part(seen.offset));
            let place = Place { commit: commit.map(Arc::clone), ..place };
            readers.collector.found(readers.detector, seen.key_type, &seen.token, place);
        }
        Seen::Fault(problem) => readers.collector.fault(Fault { path: path.to_owned(), problem }),
    }
}

/// Returns what a report says of a commit.
pub(super) fn commit(readers: &Readers<'_>, facts: &CommitFacts, bytes: &[u8]) -> Arc<Commit> {
    let author = facts::author(bytes);
    let author = match masked(readers.detector, author.as_bytes()) {
        Some(masked) => String::from_utf8_lossy(&masked).into_owned(),
        None => author,
    };
    let id = facts.id.to_hex().to_string();
    Arc::new(Commit { date: Timestamp::from_secs(facts.time), id, author })
}
