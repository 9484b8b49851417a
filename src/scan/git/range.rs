//! The commits some revisions have and others do not: what a branch adds, what a push brings.
//!
//! Only what a commit has that none of its parents has is looked at: what a parent has is in the range
//! itself, or was there before.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_hash::ObjectId;

use super::facts::{self, CommitFacts, EntryKind};
use super::lookout::{self, Lookout};
use super::repository::Repository;
use super::{Kind, Update, refs, revision};
use crate::scan::place::Commit;
use crate::scan::walk::Readers;

/// Scans the commits that `new` have and `old` do not.
pub(super) fn scan(
    readers: &Readers<'_>,
    repository: &Repository,
    lookout: &mut Lookout<'_>,
    new: &[ObjectId],
    old: &[ObjectId],
) {
    let commits = between(repository, lookout, new, old);
    let mut seen = HashSet::new();
    for facts in commits {
        if lookout.is_stopped() {
            return;
        }
        let id = PathBuf::from(facts.id.to_hex().to_string());
        let Some((_, bytes)) = lookout.read(&facts.id, &id) else { continue };
        let commit = lookout::commit(readers, &facts, &bytes);
        lookout.text(&bytes, &id, Some(&commit));
        let parents =
            facts.parents.iter().filter_map(|parent| revision::facts_of(&mut lookout.objects, parent));
        let parents: Vec<ObjectId> = parents.map(|parent| parent.tree).collect();
        let mut news = News { hash: repository.hash, lookout, commit: Some(&commit), seen: &mut seen };
        news.tree(facts.tree, &parents, Path::new(""));
    }
}

/// Scans what `updates` bring that no ref leads to yet, and the names of the refs.
pub(super) fn scan_pushed(
    readers: &Readers<'_>,
    repository: &Repository,
    updates: &[Update],
) -> Result<(), String> {
    let mut lookout = Lookout::new(readers, repository);
    let mut faults = Vec::new();
    let known: HashSet<ObjectId> = refs::tips(repository, &mut faults)
        .into_iter()
        .filter(|tip| !tip.is_staged)
        .map(|tip| tip.id)
        .collect();
    let mut new = Vec::new();
    for update in updates {
        let name = update.name.as_os_str().as_bytes();
        lookout.count(name.len() as u64);
        lookout.name(name, &update.name, None);
        let id = ObjectId::from_hex(update.new.as_bytes())
            .map_err(|_| format!("`{}` is no name of an object", update.new))?;
        if !id.is_null() && !known.contains(&id) {
            new.extend(tip(&mut lookout, id, &update.name));
        }
    }
    let mut old: Vec<ObjectId> = Vec::new();
    for id in known {
        old.extend(revision::peel(&mut lookout.objects, id));
    }
    scan(readers, repository, &mut lookout, &new, &old);
    Ok(())
}

/// Looks at what a ref shall name; returns the commit it leads to.
fn tip(lookout: &mut Lookout<'_>, id: ObjectId, name: &Path) -> Option<ObjectId> {
    let mut id = id;
    for _ in 0..MAX_TAGS {
        let (kind, bytes) = lookout.read(&id, name)?;
        match kind {
            Kind::Commit => return Some(id),
            Kind::Tag => {
                lookout.text(&bytes, name, None);
                id = facts::tag_target(&bytes)?;
            }
            Kind::Blob => {
                lookout.file(&id, EntryKind::File, name, None);
                return None;
            }
            Kind::Tree => {
                let hash = id.kind();
                News { hash, lookout, commit: None, seen: &mut HashSet::new() }.tree(id, &[], name);
                return None;
            }
        }
    }
    None
}

/// Returns the commits that `new` lead to and `old` do not, the oldest first.
fn between(
    repository: &Repository,
    lookout: &mut Lookout<'_>,
    new: &[ObjectId],
    old: &[ObjectId],
) -> Vec<CommitFacts> {
    let mut walk = Walk::default();
    for id in old {
        walk.open(lookout, *id, true);
    }
    for id in new {
        walk.open(lookout, *id, false);
    }
    let mut within = Vec::new();
    while walk.wanted > 0 && !lookout.is_stopped() {
        let Some((_, id)) = walk.heap.pop() else { break };
        let Some(state) = walk.states.get_mut(&id) else { continue };
        let is_old = state.is_old;
        walk.wanted -= usize::from(std::mem::take(&mut state.is_wanted));
        let parents = state.facts.parents.clone();
        if !is_old {
            within.push(id);
        }
        for parent in parents {
            if !walk.open(lookout, parent, is_old) && !is_old {
                let why = if repository.shallow.contains(&id) {
                    "history ends here: a shallow clone; fetch more of it"
                } else {
                    "its parent is missing"
                };
                lookout.fault(PathBuf::from(format!("commit {}", id.to_hex())), why.to_owned());
            }
        }
    }
    let mut within: Vec<CommitFacts> = within
        .into_iter()
        .filter_map(|id| walk.states.remove(&id).filter(|state| !state.is_old))
        .map(|state| state.facts)
        .collect();
    within.reverse();
    within
}

/// A walk from the newest commit to older ones, until only known ones are left. Where clocks were wrong
/// it may take old commits for new, never new ones for old.
#[derive(Default)]
struct Walk {
    heap: BinaryHeap<(i64, ObjectId)>,
    states: HashMap<ObjectId, State>,
    /// Commits in the heap that are not known to be old.
    wanted: usize,
}

struct State {
    facts: CommitFacts,
    is_old: bool,
    /// Whether it is in the heap and counted there.
    is_wanted: bool,
}

impl Walk {
    /// Adds a commit, or what is now known of it. Returns whether it is there.
    fn open(&mut self, lookout: &mut Lookout<'_>, id: ObjectId, is_old: bool) -> bool {
        if let Some(state) = self.states.get_mut(&id) {
            if is_old && !state.is_old {
                state.is_old = true;
                self.wanted -= usize::from(std::mem::take(&mut state.is_wanted));
                self.heap.push((state.facts.time, id));
            }
            return true;
        }
        let Some(facts) = revision::facts_of(&mut lookout.objects, &id) else { return false };
        self.heap.push((facts.time, id));
        self.wanted += usize::from(!is_old);
        self.states.insert(id, State { facts, is_old, is_wanted: !is_old });
        true
    }
}

/// What one commit brings.
struct News<'n, 's> {
    hash: gix_hash::Kind,
    lookout: &'n mut Lookout<'s>,
    commit: Option<&'n Arc<Commit>>,
    /// Files looked at, and where.
    seen: &'n mut HashSet<(ObjectId, PathBuf)>,
}

impl News<'_, '_> {
    /// Looks at what `tree` has and none of `parents`, the trees at the same path before.
    fn tree(&mut self, tree: ObjectId, parents: &[ObjectId], path: &Path) {
        if parents.contains(&tree) || path.components().count() > MAX_DEPTH {
            return;
        }
        let hash = self.hash;
        let Some((Kind::Tree, bytes)) = self.lookout.read(&tree, path) else { return };
        let before: Vec<_> = parents
            .iter()
            .filter_map(|parent| match self.lookout.objects.read(parent) {
                Ok(Some((Kind::Tree, bytes))) => Some(bytes),
                _ => None,
            })
            .collect();
        let before: Vec<HashMap<&[u8], (EntryKind, &gix_hash::oid)>> = before
            .iter()
            .map(|tree| {
                facts::entries(tree, hash).map(|entry| (entry.name, (entry.kind, entry.id))).collect()
            })
            .collect();
        for entry in facts::entries(&bytes, hash) {
            let known: Vec<_> = before.iter().filter_map(|tree| tree.get(entry.name)).collect();
            if known.contains(&&(entry.kind, entry.id)) {
                continue;
            }
            let path = path.join(OsStr::from_bytes(entry.name));
            if known.is_empty() {
                self.lookout.name(entry.name, &path, self.commit);
            }
            let id = entry.id.to_owned();
            if entry.kind == EntryKind::Tree {
                let trees: Vec<ObjectId> = known
                    .iter()
                    .filter(|(kind, _)| *kind == EntryKind::Tree)
                    .map(|(_, id)| (*id).to_owned())
                    .collect();
                self.tree(id, &trees, &path);
            } else if self.seen.insert((id, path.clone())) {
                self.lookout.file(&id, entry.kind, &path, self.commit);
            }
        }
    }
}

/// Deeper trees are a trap; git's own limit is 2048.
const MAX_DEPTH: usize = 2048;
/// Tags put on tags.
const MAX_TAGS: usize = 10;
