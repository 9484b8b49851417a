//! What would be committed: entries of the index that are not as in `HEAD`.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use gix_hash::ObjectId;
use gix_index::entry::Mode;
use gix_index::extension::Tree as Known;
use gix_index::{Entry, File};

use super::facts::{self, EntryKind};
use super::lookout::Lookout;
use super::repository::Repository;
use super::{Kind, refs, revision};
use crate::scan::walk::Readers;

/// Scans what is staged, contents and names.
pub(super) fn scan(
    readers: &Readers<'_>,
    repository: &Repository,
    index: Option<&Path>,
) -> Result<(), String> {
    let path = index.map_or_else(|| repository.git_dir.join("index"), Path::to_owned);
    let mut lookout = Lookout::new(readers, repository);
    let Some(index) = refs::index(&path, repository)? else {
        return Err("nothing was ever staged: there is no index".to_owned());
    };
    lookout.count(fs::metadata(&path).map_or(0, |metadata| metadata.len()));
    let head = revision::head(repository, &mut lookout.objects);
    let head = head.and_then(|id| revision::facts_of(&mut lookout.objects, &id)).map(|facts| facts.tree);
    let mut comparison = Comparison { repository, index: &index, lookout };
    comparison.folder(index.entries(), 0, head, index.tree());
    Ok(())
}

/// Scans the files of the index that are not as in the work tree, where they were read.
pub(super) fn scan_unlike(
    readers: &Readers<'_>,
    repository: &Repository,
    work_tree: &Path,
) -> Result<(), String> {
    let path = repository.git_dir.join("index");
    let Some(index) = refs::index(&path, repository)? else { return Ok(()) };
    let mut lookout = Lookout::new(readers, repository);
    for entry in index.entries() {
        let path = work_tree.join(OsStr::from_bytes(entry.path(&index)));
        if !is_as_read(entry, &path) {
            lookout.file(&entry.id, kind(entry), &path, None);
        }
    }
    Ok(())
}

/// Says whether the file is what it was when it was added, as far as its size and time tell.
fn is_as_read(entry: &Entry, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::symlink_metadata(path).is_ok_and(|file| {
        file.len() == u64::from(entry.stat.size)
            && file.mtime() == i64::from(entry.stat.mtime.secs)
            && file.mtime_nsec() == i64::from(entry.stat.mtime.nsecs)
    })
}

struct Comparison<'c, 's> {
    repository: &'c Repository,
    index: &'c File,
    lookout: Lookout<'s>,
}

impl Comparison<'_, '_> {
    /// Compares `entries`, whose paths agree in their first `depth` bytes, with the tree `head`. `known`
    /// is what the index says of the tree they make.
    fn folder(&mut self, entries: &[Entry], depth: usize, head: Option<ObjectId>, known: Option<&Known>) {
        let is_known = known.is_some_and(|known| known.num_entries.is_some() && head == Some(known.id));
        if is_known || self.lookout.is_stopped() {
            return;
        }
        let bytes = head
            .and_then(|id| self.lookout.read(&id, Path::new("HEAD")))
            .filter(|(kind, _)| *kind == Kind::Tree);
        let before: HashMap<&[u8], (EntryKind, ObjectId)> = bytes
            .iter()
            .flat_map(|(_, bytes)| {
                facts::entries(bytes, self.repository.hash)
                    .map(|entry| (entry.name, (entry.kind, entry.id.to_owned())))
            })
            .collect();
        let index = self.index;
        let mut rest = entries;
        while let Some(first) = rest.first() {
            let path = first.path(index);
            let name = path.get(depth..).unwrap_or_default();
            let Some(slash) = memchr::memchr(b'/', name) else {
                rest = &rest[1..];
                self.entry(first, before.get(name).copied());
                continue;
            };
            let prefix = &path[..=depth + slash];
            let inside = rest.iter().take_while(|entry| entry.path(index).starts_with(prefix)).count();
            let (folder, after) = rest.split_at(inside.max(1));
            rest = after;
            let name = &name[..slash];
            let head = before.get(name).filter(|(kind, _)| *kind == EntryKind::Tree).map(|(_, id)| *id);
            let known =
                known.and_then(|known| known.children.iter().find(|child| child.name.as_slice() == name));
            self.folder(folder, depth + slash + 1, head, known);
        }
    }

    fn entry(&mut self, entry: &Entry, head: Option<(EntryKind, ObjectId)>) {
        let kind = kind(entry);
        if head == Some((kind, entry.id)) {
            return;
        }
        let name = entry.path(self.index);
        let path = Path::new(OsStr::from_bytes(name));
        if head.is_none() {
            self.lookout.name(name, path, None);
        }
        self.lookout.file(&entry.id, kind, path, None);
    }
}

fn kind(entry: &Entry) -> EntryKind {
    match entry.mode {
        Mode::SYMLINK => EntryKind::Link,
        Mode::COMMIT => EntryKind::Module,
        Mode::DIR => EntryKind::Tree,
        _ => EntryKind::File,
    }
}
