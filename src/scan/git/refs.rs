//! What keeps objects alive: everything that names one.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix_hash::ObjectId;

use super::files;
use super::reftable::{Stack, Value};
use super::repository::{Repository, ids_in, leading_id};
use crate::scan::walk::describe;

/// Something that names an object.
#[derive(Debug, Clone)]
pub(super) struct Tip {
    /// What people call it: a ref, or a path in the index.
    pub(super) name: PathBuf,
    pub(super) id: ObjectId,
    /// Whether it is an entry of the index, whose objects are files.
    pub(super) is_staged: bool,
}

/// Lists everything in `repository` that names an object: refs of every namespace and of every work
/// tree, `HEAD` and its kin, what is stashed, what is staged. And what could not be read.
pub(super) fn tips(repository: &Repository, faults: &mut Vec<(PathBuf, String)>) -> Vec<Tip> {
    let mut tips = Vec::new();
    let hash = repository.hash;
    let named = |path: &Path, name: &Path| {
        let name = name.to_owned();
        ids_in(path, hash).into_iter().map(move |id| Tip { name: name.clone(), id, is_staged: false })
    };
    for dir in repository.work_trees() {
        for file in files_below(&dir.join("refs")) {
            tips.extend(named(&file, file.strip_prefix(&dir).unwrap_or(&file)));
        }
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            // `HEAD`, `FETCH_HEAD`, `MERGE_HEAD`, `BISECT_…`: what git names in capitals.
            let name = entry.file_name();
            if name.as_bytes().iter().all(|b| b.is_ascii_uppercase() || *b == b'_') {
                tips.extend(named(&entry.path(), Path::new(&name)));
            }
        }
        staged(&dir.join("index"), repository, &mut tips, faults);
        let stack = tables(repository, &dir, faults);
        tips.extend(
            stack
                .logs
                .iter()
                .filter(|log| log.name == b"refs/stash")
                .filter_map(|log| log.new.map(|id| Tip { name: "stash".into(), id, is_staged: false })),
        );
        tips.extend(stack.refs.into_iter().filter_map(|(name, value)| match value {
            Value::Object(id) => Some(Tip { name: path_of(&name), id, is_staged: false }),
            Value::Symbolic(_) => None,
        }));
    }
    let path = repository.common_dir.join("packed-refs");
    let text = files::read(&path).unwrap_or_else(|error| {
        if error.kind() != io::ErrorKind::NotFound {
            faults.push((path, describe(&error)));
        }
        Vec::new()
    });
    let packed = packed(repository, &text);
    tips.extend(packed.map(|(name, id)| Tip { name: path_of(name), id, is_staged: false }));
    let stashes = files::read(&repository.common_dir.join("logs/refs/stash")).unwrap_or_default();
    for line in stashes.split(|&b| b == b'\n') {
        let id = line.get(hash.len_in_hex() + 1..).and_then(|rest| leading_id(rest, hash));
        tips.extend(id.map(|id| Tip { name: "stash".into(), id, is_staged: false }));
    }
    tips
}

/// Reads the tables of refs of a git directory, as far as they can be read.
pub(super) fn tables(repository: &Repository, dir: &Path, faults: &mut Vec<(PathBuf, String)>) -> Stack {
    let mut stack = Stack::default();
    if repository.has_tables
        && let Err(problem) = stack.read(dir, repository.hash)
    {
        faults.push((dir.join("reftable"), problem));
    }
    stack
}

fn path_of(name: &[u8]) -> PathBuf {
    PathBuf::from(std::ffi::OsStr::from_bytes(name))
}

/// Returns what the packed ref `name` names.
pub(super) fn packed_ref(repository: &Repository, name: &str) -> Option<ObjectId> {
    let text = files::read(&repository.common_dir.join("packed-refs")).unwrap_or_default();
    packed(repository, &text).find(|(packed, _)| *packed == name.as_bytes()).map(|(_, id)| id)
}

/// Reads packed refs.
fn packed<'t>(repository: &Repository, text: &'t [u8]) -> impl Iterator<Item = (&'t [u8], ObjectId)> {
    let hash = repository.hash;
    text.split(|&b| b == b'\n').filter_map(move |line| {
        let id = leading_id(line, hash)?;
        Some((line.get(hash.len_in_hex() + 1..)?.trim_ascii_end(), id))
    })
}

fn staged(path: &Path, repository: &Repository, tips: &mut Vec<Tip>, faults: &mut Vec<(PathBuf, String)>) {
    match index(path, repository) {
        Ok(Some(index)) => {
            let entries = index.entries().iter().filter(|entry| entry.mode != gix_index::entry::Mode::COMMIT);
            tips.extend(entries.map(|entry| Tip {
                name: path_of(entry.path(&index)),
                id: entry.id,
                is_staged: true,
            }));
        }
        Ok(None) => {}
        Err(problem) => faults.push((path.to_owned(), problem)),
    }
}

/// Reads an index; `None` if there is none.
pub(super) fn index(path: &Path, repository: &Repository) -> Result<Option<gix_index::File>, String> {
    if !path.exists() {
        return Ok(None);
    }
    // Opened once more by `gix_index`, which would wait for a pipe.
    files::open(path).map_err(|e| describe(&e))?;
    // One thread: starting more takes longer than most indexes do. Its checksum is not verified: what
    // can be read is read.
    let options = gix_index::decode::Options { thread_limit: Some(1), ..Default::default() };
    match gix_index::File::at(path, repository.hash, true, options) {
        Ok(index) => Ok(Some(index)),
        Err(_) => Err("damaged index".to_owned()),
    }
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let (mut folders, mut files) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() => files.push(entry.path()),
                _ => {}
            }
        }
    }
    files
}
