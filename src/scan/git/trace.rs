//! From objects with keys to commits and paths.
//!
//! Nothing is read again: the trees told which tree has which, and this goes up from what was found.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use gix_hash::{ObjectId, oid};

use super::facts::{CommitFacts, Short};
use super::reader::{Edge, Names};
use super::refs::Tip;

/// Where an object is in history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Trace {
    pub(super) path: PathBuf,
    /// The oldest and the newest commit that has it there, by number; `None` if no commit has it.
    pub(super) commits: Option<(u32, u32)>,
    pub(super) is_link: bool,
}

/// The commits of a repository, and what they have.
pub(super) struct History {
    commits: Vec<CommitFacts>,
    numbers: HashMap<ObjectId, u32>,
    /// Which commits count.
    reached: Vec<bool>,
    /// Tags that count.
    tags: HashSet<ObjectId>,
    roots: HashMap<Short, Root>,
    /// Parents that are not there, of commits that count.
    pub(super) missing: Vec<ObjectId>,
}

/// A tree, or a blob, that something names without a tree above.
#[derive(Debug, Clone, Default)]
struct Root {
    commits: Option<(u32, u32)>,
    /// What names it that is no commit, and whether that is its path.
    names: Vec<(PathBuf, bool)>,
}

impl History {
    /// Finds out what counts: what `tips` lead to, or, if `all`, every commit there is.
    pub(super) fn of(
        mut commits: Vec<CommitFacts>,
        tags: &[(ObjectId, ObjectId)],
        tips: &[Tip],
        shallow: &HashSet<ObjectId>,
        all: bool,
    ) -> Self {
        // Objects can be in several packs.
        commits.sort_by_key(|commit| (commit.time, commit.id));
        commits.dedup_by_key(|commit| commit.id);
        let numbers: HashMap<ObjectId, u32> =
            (0..).zip(&commits).map(|(at, commit)| (commit.id, at)).collect();
        let mut history = Self {
            reached: vec![all; commits.len()],
            tags: HashSet::new(),
            roots: HashMap::new(),
            missing: Vec::new(),
            numbers,
            commits,
        };
        let targets: HashMap<ObjectId, ObjectId> = tags.iter().copied().collect();
        if all {
            history.tags.extend(targets.keys());
        }
        history.reach(tips, &targets, shallow);
        history.root_commits();
        history
    }

    fn reach(&mut self, tips: &[Tip], targets: &HashMap<ObjectId, ObjectId>, shallow: &HashSet<ObjectId>) {
        let mut open = Vec::new();
        for tip in tips {
            let mut id = tip.id;
            while let Some(target) = targets.get(&id) {
                if !self.tags.insert(id) && *target == id {
                    break;
                }
                id = *target;
            }
            if let Some(number) = self.numbers.get(&id) {
                open.push(*number);
            } else {
                let root = self.roots.entry(Short::of(&id)).or_default();
                root.names.push((tip.name.clone(), tip.is_staged));
            }
        }
        let mut seen = vec![false; self.commits.len()];
        while let Some(number) = open.pop() {
            if std::mem::replace(&mut seen[number as usize], true) {
                continue;
            }
            self.reached[number as usize] = true;
            let commit = &self.commits[number as usize];
            for parent in &commit.parents {
                match self.numbers.get(parent) {
                    Some(parent) => open.push(*parent),
                    None if shallow.contains(&commit.id) => {}
                    None => self.missing.push(*parent),
                }
            }
        }
    }

    fn root_commits(&mut self) {
        // They are in order of time, so the first that comes is the oldest.
        for (number, commit) in (0..).zip(&self.commits) {
            if self.reached[number as usize] {
                let root = self.roots.entry(Short::of(&commit.tree)).or_default();
                root.commits = Some((root.commits.map_or(number, |(first, _)| first), number));
            }
        }
    }

    pub(super) fn commit(&self, number: u32) -> &CommitFacts {
        &self.commits[number as usize]
    }

    /// Returns the number of a commit that counts.
    pub(super) fn reached(&self, id: &oid) -> Option<u32> {
        self.numbers.get(id).copied().filter(|number| self.reached[*number as usize])
    }

    /// Says whether a tag counts.
    pub(super) fn has_tag(&self, id: &ObjectId) -> bool {
        self.tags.contains(id)
    }
}

/// Which tree has which, from below.
pub(super) struct Ascent<'h> {
    history: &'h History,
    /// Ordered by child.
    edges: Vec<Edge>,
    names: &'h Names,
}

impl<'h> Ascent<'h> {
    pub(super) fn new(history: &'h History, mut edges: Vec<Edge>, names: &'h Names) -> Self {
        edges.sort_unstable();
        // Trees can be in several packs.
        edges.dedup();
        Self { history, edges, names }
    }

    /// Returns every path of the object `id`, or of the entry `below` of the tree `id`, in what counts.
    pub(super) fn traces(&self, id: &oid, below: Option<&[u8]>) -> Vec<Trace> {
        let mut found: BTreeMap<PathBuf, Trace> = BTreeMap::new();
        let mut seen = HashSet::new();
        let mut open = vec![(Short::of(id), below.unwrap_or_default().to_vec(), false)];
        while let Some((node, path, is_link)) = open.pop() {
            // A few small trees can make more paths than there are atoms.
            if seen.len() >= MAX_STEPS || !seen.insert((node, path.clone())) {
                continue;
            }
            self.note(node, &path, is_link, &mut found);
            let from = self.edges.partition_point(|edge| edge.child < node);
            for edge in self.edges[from..].iter().take_while(|edge| edge.child == node) {
                let name = self.names.text(edge.name);
                let above = if path.is_empty() { name.to_vec() } else { [name, b"/", &path].concat() };
                open.push((edge.parent, above, is_link || edge.is_link));
            }
        }
        found.into_values().collect()
    }

    /// Notes what has `node` as its root.
    fn note(&self, node: Short, path: &[u8], is_link: bool, found: &mut BTreeMap<PathBuf, Trace>) {
        let Some(root) = self.history.roots.get(&node) else { return };
        let path = Path::new(std::ffi::OsStr::from_bytes(path));
        if let Some((first, last)) = root.commits {
            let trace = found.entry(path.to_owned()).or_insert_with(|| Trace {
                path: path.to_owned(),
                commits: Some((first, last)),
                is_link,
            });
            let known = trace.commits.unwrap_or((first, last));
            trace.commits = Some((known.0.min(first), known.1.max(last)));
        }
        for (name, is_path) in &root.names {
            // A staged file is where its path says; what a ref names has none.
            let path = if *is_path || path.as_os_str().is_empty() { name.clone() } else { name.join(path) };
            found.entry(path.clone()).or_insert(Trace { path, commits: None, is_link });
        }
    }
}

/// Trees and paths looked at for one object.
const MAX_STEPS: usize = 1_000_000;
