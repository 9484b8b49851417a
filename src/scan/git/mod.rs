//! Repositories: every object, where it is in history, and what git keeps beside objects.
//!
//! Nothing of a repository is run: no git command, hook, filter or attribute. Its files are parsed, and
//! nothing else is done with them.

mod delta;
mod facts;
mod files;
mod forest;
mod history;
mod lookout;
mod loose;
mod objects;
mod pack;
mod range;
mod reader;
mod refs;
mod reftable;
mod repository;
mod resolve;
mod revision;
mod settings;
mod staged;
mod trace;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use super::report::Fault;
use super::walk::Readers;
use lookout::Lookout;
use repository::Repository;

/// Which objects of a repository count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// What refs of any namespace, stashes and the index lead to.
    Refs,
    /// What is there, whether anything leads to it or not.
    Everything,
}

/// What a push asks for: a ref, where it is, and where it shall be, both in hexadecimal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Update {
    /// Where the ref is; zeros if it is new.
    pub old: String,
    /// Where it shall be; zeros if it is to go.
    pub new: String,
    /// Its name.
    pub name: PathBuf,
}

/// Where git keeps what is pushed until it is accepted, as it tells its hooks.
#[derive(Debug, Clone, Default)]
pub struct Quarantine {
    /// `GIT_OBJECT_DIRECTORY`
    pub objects: Option<PathBuf>,
    /// `GIT_ALTERNATE_OBJECT_DIRECTORIES`, one by one.
    pub alternates: Vec<PathBuf>,
}

/// Scans what is staged in the repository that `path` is in.
pub(super) fn staged(readers: &Readers<'_>, path: &Path, index: Option<&Path>) {
    let done = Repository::discover(path).and_then(|repository| staged::scan(readers, &repository, index));
    fault_if(readers, path, done);
}

/// Scans what the index of the work tree `path` has that the work tree does not, if it is one.
pub(super) fn unlike_work_tree(readers: &Readers<'_>, path: &Path) {
    if let Some(repository) = Repository::of(path) {
        let done = repository.and_then(|repository| staged::scan_unlike(readers, &repository, path));
        fault_if(readers, path, done);
    }
}

/// Scans the commits that `new` has and `old` does not, two revisions as people write them.
pub(super) fn range(readers: &Readers<'_>, path: &Path, old: &str, new: &str) {
    let done = Repository::discover(path).and_then(|repository| {
        let mut lookout = Lookout::new(readers, &repository);
        let old = revision::commit(&repository, &mut lookout.objects, old)?;
        let new = revision::commit(&repository, &mut lookout.objects, new)?;
        // So that an empty range is not "nothing was read".
        lookout.read(&new, path);
        range::scan(readers, &repository, &mut lookout, &[new], &[old]);
        Ok(())
    });
    fault_if(readers, path, done);
}

/// Scans what a push brings.
pub(super) fn pushed(readers: &Readers<'_>, path: &Path, updates: &[Update], quarantine: &Quarantine) {
    let done = Repository::discover(path).and_then(|mut repository| {
        for store in quarantine.objects.iter().chain(&quarantine.alternates) {
            repository.add_store(store.clone(), 2);
        }
        range::scan_pushed(readers, &repository, updates)
    });
    fault_if(readers, path, done);
}

fn fault_if(readers: &Readers<'_>, path: &Path, done: Result<(), String>) {
    if let Err(problem) = done {
        readers.collector.fault(Fault { path: path.to_owned(), problem });
    }
}

/// Scans the repository that `path` is, or is in.
pub(super) fn history(readers: &Readers<'_>, path: &Path, reach: Reach) {
    let done = Repository::discover(path).map(|repository| history::scan(readers, &repository, path, reach));
    fault_if(readers, path, done);
}

/// What an object is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Commit,
    Tree,
    Blob,
    Tag,
}

impl Kind {
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "commit" => Self::Commit,
            "tree" => Self::Tree,
            "blob" => Self::Blob,
            "tag" => Self::Tag,
            _ => return None,
        })
    }
}

/// Why an object of a pack could not be made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Damage {
    /// Its entry is not what it must be.
    #[error("damaged pack entry")]
    Entry,
    /// The delta it is made by is no delta, or of another base.
    #[error("damaged delta")]
    Delta,
    /// What it is made from is not there.
    #[error("the object it is a delta to is missing or damaged")]
    NoBase,
    /// It is larger than the memory that may be used.
    #[error("too large for the memory allowed; see --memory")]
    TooLarge,
    /// It was packed or pruned while the repository was read.
    #[error("gone since the scan began; scan again")]
    Gone,
    /// Its loose file is damaged or cannot be read.
    #[error("damaged loose object")]
    Loose,
}
