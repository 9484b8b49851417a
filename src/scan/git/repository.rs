//! Where the parts of a repository are: its directories, its object stores, its format.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use std::ffi::OsStr;

use gix_hash::{Kind as Hash, ObjectId};

use super::files;
use super::settings::Settings;
use crate::scan::walk::describe;

/// A repository, found but not read.
pub(super) struct Repository {
    /// What belongs to this work tree: `HEAD`, the index.
    pub(super) git_dir: PathBuf,
    /// What all work trees share: refs, objects. Often the same directory.
    pub(super) common_dir: PathBuf,
    /// Where objects are: its own store, then those it borrows from.
    pub(super) stores: Vec<PathBuf>,
    pub(super) hash: Hash,
    /// Whether refs are kept in tables.
    pub(super) has_tables: bool,
    /// Commits whose parents were left out on purpose.
    pub(super) shallow: HashSet<ObjectId>,
    /// Which objects were left out on purpose: git's name of the filter.
    pub(super) partial: Option<String>,
    /// Stores it borrows from that are not there.
    pub(super) missing_stores: Vec<PathBuf>,
}

impl Repository {
    /// Finds the repository that `path` is, or is in.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) fn discover(path: &Path) -> Result<Self, String> {
        let start = fs::canonicalize(path).map_err(|e| describe(&e))?;
        let at = |folder: &Path| {
            if is_git_dir(folder) { Some(Self::open(folder.to_owned())) } else { Self::of(folder) }
        };
        start.ancestors().find_map(at).unwrap_or_else(|| Err("not a git repository, nor in one".to_owned()))
    }

    /// Opens the repository of the work tree `folder`, if it is one.
    pub(super) fn of(folder: &Path) -> Option<Result<Self, String>> {
        let dot_git = folder.join(".git");
        match fs::metadata(&dot_git) {
            Ok(metadata) if metadata.is_dir() && is_git_dir(&dot_git) => Some(Self::open(dot_git)),
            Ok(metadata) if metadata.is_file() => Some(follow(&dot_git).and_then(Self::open)),
            _ => None,
        }
    }

    /// Opens the repository whose git directory is `git_dir`.
    pub(super) fn open(git_dir: PathBuf) -> Result<Self, String> {
        let common_dir = match files::read(&git_dir.join("commondir")) {
            Ok(text) => git_dir.join(path_of(&text)),
            Err(_) => git_dir.clone(),
        };
        let settings = Settings::read(&common_dir.join("config"));
        let hash = match settings.value("extensions", "objectformat") {
            None | Some("sha1") => Hash::Sha1,
            Some("sha256") => Hash::Sha256,
            Some(other) => return Err(format!("objects are named by {other}, which is not known here")),
        };
        let has_tables = match settings.value("extensions", "refstorage") {
            None | Some("files") => false,
            Some("reftable") => true,
            Some(other) => return Err(format!("its refs are kept as {other}, which is not known here")),
        };
        let partial = settings.partial_filter();
        let mut repository = Self {
            shallow: ids_in(&common_dir.join("shallow"), hash).into_iter().collect(),
            stores: Vec::new(),
            missing_stores: Vec::new(),
            git_dir,
            hash,
            has_tables,
            partial,
            common_dir,
        };
        repository.add_store(repository.common_dir.join("objects"), MAX_BORROWING);
        Ok(repository)
    }

    /// Adds a store of objects and those it borrows from.
    pub(super) fn add_store(&mut self, store: PathBuf, depth: u8) {
        let store = fs::canonicalize(&store).unwrap_or(store);
        if self.stores.contains(&store) || depth == 0 {
            return;
        }
        if !store.is_dir() {
            self.missing_stores.push(store);
            return;
        }
        self.stores.push(store.clone());
        let Ok(text) = files::read(&store.join("info/alternates")) else { return };
        for line in text.split(|&b| b == b'\n').filter(|line| !line.is_empty() && line[0] != b'#') {
            self.add_store(store.join(path_of(line)), depth - 1);
        }
    }

    /// Returns the git directories of its submodules, whether checked out or not.
    pub(super) fn modules(&self) -> Vec<PathBuf> {
        let mut modules = Vec::new();
        let mut folders = vec![self.common_dir.join("modules")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                // Names of submodules may have slashes in them.
                match entry.file_type() {
                    Ok(kind) if kind.is_dir() && is_git_dir(&entry.path()) => modules.push(entry.path()),
                    Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                    _ => {}
                }
            }
        }
        modules.sort_unstable();
        modules
    }

    /// Returns the git directories of all its work trees.
    pub(super) fn work_trees(&self) -> Vec<PathBuf> {
        let mut all = vec![self.common_dir.clone()];
        if self.git_dir != self.common_dir {
            all.push(self.git_dir.clone());
        }
        let linked = fs::read_dir(self.common_dir.join("worktrees")).into_iter().flatten().flatten();
        all.extend(linked.map(|entry| entry.path()).filter(|path| *path != self.git_dir));
        all
    }
}

/// Reads the names at the beginning of the lines of a file, if it is there.
pub(super) fn ids_in(path: &Path, hash: Hash) -> Vec<ObjectId> {
    let text = files::read(path).unwrap_or_default();
    text.split(|&b| b == b'\n').filter_map(|line| leading_id(line, hash)).collect()
}

/// Returns the name a line begins with.
pub(super) fn leading_id(line: &[u8], hash: Hash) -> Option<ObjectId> {
    let (hex, rest) = line.split_at_checked(hash.len_in_hex())?;
    let ends = rest.first().is_none_or(u8::is_ascii_whitespace);
    ends.then(|| ObjectId::from_hex(hex).ok())?.filter(|id| !id.is_null())
}

fn is_git_dir(path: &Path) -> bool {
    path.join("HEAD").symlink_metadata().is_ok()
        && (path.join("commondir").is_file() || path.join("objects").is_dir() && path.join("refs").is_dir())
}

/// Returns where a `.git` file leads.
fn follow(dot_git: &Path) -> Result<PathBuf, String> {
    let text = read_short(dot_git).map_err(|e| describe(&e))?;
    let target =
        text.strip_prefix(b"gitdir: ").ok_or("the file .git does not say where the repository is")?;
    let git_dir = dot_git.with_file_name("").join(path_of(target));
    if is_git_dir(&git_dir) { Ok(git_dir) } else { Err("the file .git leads to no repository".to_owned()) }
}

fn read_short(path: &Path) -> io::Result<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    files::open(path)?.0.take(SHORT).read_to_end(&mut text)?;
    Ok(text)
}

fn path_of(text: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(text.trim_ascii_end()))
}

/// A `.git` file has one path in it.
const SHORT: u64 = 8 << 10;
/// How far a store may borrow from one that borrows: as git.
const MAX_BORROWING: u8 = 6;
