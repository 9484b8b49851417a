//! A whole repository: its objects, where in history they are, and the files beside them.

use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_hash::ObjectId;

use super::facts::Short;
use super::forest::Forest;
use super::lookout::{self, Lookout};
use super::objects::{Objects, packs_in};
use super::pack::Pack;
use super::reader::{self, Gathered, Go, InWhat, Present, Sight};
use super::refs::{self, Tip};
use super::repository::Repository;
use super::trace::{Ascent, History, Trace};
use super::{Reach, loose};
use crate::key::Digest;
use crate::scan::place::{Commit, Part, Place};
use crate::scan::report::Fault;
use crate::scan::walk::{self, Readers};

/// Scans `repository` and its submodules; `name` is what people call it.
pub(super) fn scan(readers: &Readers<'_>, repository: &Repository, name: &Path, reach: Reach) {
    let mut open = vec![(name.to_owned(), None)];
    while let Some((name, module)) = open.pop() {
        let opened = match &module {
            None => Ok(None),
            Some(git_dir) => Repository::open(PathBuf::clone(git_dir)).map(Some),
        };
        match opened {
            Ok(opened) => {
                let repository = opened.as_ref().unwrap_or(repository);
                scan_one(readers, repository, &name, reach);
                for module in repository.modules() {
                    let inner = module.strip_prefix(repository.common_dir.join("modules")).unwrap_or(&module);
                    open.push((name.join(inner), Some(module.clone())));
                }
            }
            Err(problem) => readers.collector.fault(Fault { path: name, problem }),
        }
    }
}

fn scan_one(readers: &Readers<'_>, repository: &Repository, name: &Path, reach: Reach) {
    let mut faults = Vec::new();
    say_what_is_missing(repository, &mut faults);
    let tips = refs::tips(repository, &mut faults);
    let mut gathered = read_objects(readers, repository, &mut faults);
    let history = History::of(
        std::mem::take(&mut gathered.commits),
        &gathered.tags,
        &tips,
        &repository.shallow,
        reach == Reach::Everything,
    );
    if let Some(missing) = history.missing.first().filter(|_| !readers.progress.is_stopped()) {
        let count = history.missing.len();
        faults.push((object_path(missing), format!("a commit that is not there, one of {count}")));
    }
    faults.extend(gathered.faults.drain(..).map(|(id, problem)| (object_path(&id), problem)));
    readers.collector.overflow(gathered.overflow);
    let ascent = Ascent::new(&history, std::mem::take(&mut gathered.edges), &gathered.names);
    if !readers.progress.is_stopped() {
        faults.extend(hole(repository, &ascent, &gathered, reach));
    }
    Teller {
        readers,
        repository,
        history: &history,
        ascent,
        tips: &tips,
        name,
        reach,
        known: HashMap::new(),
    }
    .tell(&gathered.sights);
    for (path, problem) in faults {
        readers.collector.fault(Fault { path, problem });
    }
    beside(readers, repository);
}

fn read_objects(
    readers: &Readers<'_>,
    repository: &Repository,
    faults: &mut Vec<(PathBuf, String)>,
) -> Gathered {
    let hash = repository.hash;
    let mut packs = Vec::new();
    for path in packs_in(&repository.stores) {
        match Pack::open(&path, hash) {
            Ok(pack) => packs.push(pack),
            Err(problem) => faults.push((path, problem)),
        }
    }
    let mut loose: Vec<(PathBuf, ObjectId)> = Vec::new();
    for store in &repository.stores {
        loose.extend(loose::list(store, hash).into_iter().map(|id| (store.clone(), id)));
    }
    let packed: u64 = packs.iter().map(|pack| u64::from(pack.len())).sum();
    readers.progress.expect_objects(packed + loose.len() as u64);
    let forests: Vec<Forest<'_>> = packs.iter().map(Forest::of).collect();
    for forest in &forests {
        let lost = forest.lost().iter();
        faults.extend(lost.map(|(entry, damage)| (object_path(forest.name(*entry)), damage.to_string())));
    }
    let present = Present::new(&packs, &loose);
    let mut gathered = reader::read(readers, hash, &forests, &loose, &present, Go::Contents);
    let mut wanted: HashSet<Short> = gathered.sights.iter().map(|sight| Short::of(&sight.id)).collect();
    let loose_trees = std::mem::take(&mut gathered.loose_trees);
    let go = |go: Go<'_>| reader::read(readers, hash, &forests, &loose_trees, &present, go);
    let mut trees = if wanted.is_empty() { go(Go::Names) } else { go(Go::Edges(&wanted)) };
    if repository.partial.is_some() {
        // That objects are not there was said.
        trees.missing.clear();
    }
    if !trees.missing.is_empty() || (wanted.is_empty() && !trees.sights.is_empty()) {
        // Only names have keys, or something is missing, which is rare: then the trees are read twice.
        let missing = std::mem::take(&mut trees.missing);
        wanted.extend(missing.iter().map(|id| Short::of(id)));
        trees = go(Go::Edges(&wanted));
        trees.missing = missing;
    }
    let roots = gathered.commits.iter().map(|commit| commit.tree);
    if repository.partial.is_none() {
        trees.missing.extend(roots.filter(|tree| !present.has(tree)));
    }
    gathered.merge(trees);
    gathered
}

/// Says that objects are missing that history has, if some are: what was in them was not read.
fn hole(
    repository: &Repository,
    ascent: &Ascent<'_>,
    gathered: &Gathered,
    reach: Reach,
) -> Option<(PathBuf, String)> {
    let mut missing: Vec<&ObjectId> = gathered.missing.iter().collect();
    missing.sort_unstable();
    // One may have come, or moved, since the stores were listed.
    let objects = Objects::new(&repository.stores, repository.hash, 0);
    // Git keeps trees that nothing reaches longer than what is in them.
    missing.retain(|id| {
        let is_history = reach == Reach::Everything || !ascent.traces(id, None).is_empty();
        is_history && !objects.has(id)
    });
    let (first, count) = (missing.first()?, missing.len());
    Some((
        object_path(first),
        format!("an object of history that is not there, one of {count}; `git fsck` lists them"),
    ))
}

fn object_path(id: &gix_hash::oid) -> PathBuf {
    PathBuf::from(format!("object {}", id.to_hex()))
}

fn say_what_is_missing(repository: &Repository, faults: &mut Vec<(PathBuf, String)>) {
    let here = &repository.common_dir;
    if !repository.shallow.is_empty() {
        faults.push((
            here.clone(),
            "shallow clone: older history is not here; `git fetch --unshallow` brings it".to_owned(),
        ));
    }
    if let Some(filter) = &repository.partial {
        faults.push((here.clone(), format!("partial clone ({filter}): objects may not be here; `git fetch --refetch --no-filter` brings them")));
    }
    for store in &repository.missing_stores {
        faults.push((
            store.clone(),
            "the repository borrows objects from here, and it is not there".to_owned(),
        ));
    }
}

/// Reads what git keeps in files: configuration, hooks, logs, names of refs, large files (LFS), messages
/// being written.
fn beside(readers: &Readers<'_>, repository: &Repository) {
    let mut paths = Vec::new();
    for dir in [&repository.common_dir, &repository.git_dir] {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            if entry.file_name() != "objects" && entry.file_name() != "modules" {
                paths.push(entry.path());
            }
        }
    }
    paths.sort_unstable();
    paths.dedup();
    walk::scan_paths(&mut readers.clone(), &paths);
    if repository.has_tables {
        tables(readers, repository);
    }
}

/// Reads the names and logs of refs in tables, where they are shortened and compressed.
fn tables(readers: &Readers<'_>, repository: &Repository) {
    let mut lookout = Lookout::new(readers, repository);
    for dir in repository.work_trees() {
        // What cannot be read was said when the refs were.
        let stack = refs::tables(repository, &dir, &mut Vec::new());
        for name in stack.refs.keys() {
            lookout.name(name, &dir.join(OsStr::from_bytes(name)), None);
        }
        for log in &stack.logs {
            let path = dir.join("logs").join(OsStr::from_bytes(&log.name));
            lookout.name(&log.name, &path, None);
            lookout.line(&log.text, &path);
        }
    }
}

/// Tells the collector what was seen, and where.
struct Teller<'s> {
    readers: &'s Readers<'s>,
    repository: &'s Repository,
    history: &'s History,
    ascent: Ascent<'s>,
    tips: &'s [Tip],
    name: &'s Path,
    reach: Reach,
    known: HashMap<u32, Arc<Commit>>,
}

/// One key at one path: the oldest object that has it there tells the line.
struct Told<'g> {
    sights: Vec<&'g Sight>,
    trace: Trace,
    part: Part,
}

impl Teller<'_> {
    fn tell(&mut self, sights: &[Sight]) {
        if sights.is_empty() {
            return;
        }
        let mut told: HashMap<(Digest, PathBuf, Part), Told<'_>> = HashMap::new();
        let mut traces: HashMap<(ObjectId, &InWhat), Vec<(Trace, Part)>> = HashMap::new();
        for sight in sights {
            let digest = Digest::sha256(sight.seen.token.expose().as_bytes());
            let traces = traces.entry((sight.id, &sight.in_what)).or_insert_with(|| self.traces(sight));
            for (trace, part) in traces {
                let told = told.entry((digest, trace.path.clone(), *part)).or_insert_with(|| Told {
                    sights: Vec::new(),
                    trace: trace.clone(),
                    part: *part,
                });
                told.add(sight, trace);
            }
        }
        drop(traces);
        let mut objects =
            Objects::new(&self.repository.stores, self.repository.hash, self.readers.options.memory / 4);
        for told in told.into_values() {
            let commits =
                told.trace.commits.map(|(first, last)| [first, last].map(|n| self.commit(n, &mut objects)));
            for sight in told.sights {
                let place = Place {
                    commit: commits.as_ref().map(|[first, _]| Arc::clone(first)),
                    ..sight.seen.place(self.path(&told.trace.path), told.part)
                };
                let last = commits.as_ref().map(|[_, last]| last);
                let Readers { collector, detector, .. } = self.readers;
                collector.found_in_history(detector, sight.seen.key_type, &sight.seen.token, place, last);
            }
        }
    }

    /// Returns where the object of a sight is, and which part of it the sight is in.
    fn traces(&self, sight: &Sight) -> Vec<(Trace, Part)> {
        let id = &sight.id;
        let everything = self.reach == Reach::Everything;
        let alone = |path, commits| vec![Trace { path, commits, is_link: false }];
        let (traces, part) = match &sight.in_what {
            InWhat::Text(part) => {
                let traces = if let Some(number) = self.history.reached(id) {
                    alone(PathBuf::from(id.to_hex().to_string()), Some((number, number)))
                } else if self.history.has_tag(id) {
                    let tip = self.tips.iter().find(|tip| tip.id == *id).map(|tip| tip.name.clone());
                    alone(tip.unwrap_or_else(|| object_path(id)), None)
                } else {
                    Vec::new()
                };
                (traces, *part)
            }
            InWhat::Blob => (self.ascent.traces(id, None), Part::Content),
            InWhat::Name(name) => (self.ascent.traces(id, Some(name)), Part::Name),
        };
        let traces = if traces.is_empty() && everything { alone(object_path(id), None) } else { traces };
        let part_of = |trace: &Trace| if trace.is_link { Part::LinkTarget } else { part };
        traces
            .into_iter()
            .map(|trace| {
                let part = part_of(&trace);
                (trace, part)
            })
            .collect()
    }

    fn path(&self, path: &Path) -> PathBuf {
        if self.name == Path::new(".") { path.to_owned() } else { self.name.join(path) }
    }

    fn commit(&mut self, number: u32, objects: &mut Objects) -> Arc<Commit> {
        if let Some(commit) = self.known.get(&number) {
            return Arc::clone(commit);
        }
        let facts = self.history.commit(number);
        let bytes = objects.read(&facts.id).ok().flatten().map(|(_, bytes)| bytes).unwrap_or_default();
        let commit = lookout::commit(self.readers, facts, &bytes);
        self.known.insert(number, Arc::clone(&commit));
        commit
    }
}

impl<'g> Told<'g> {
    fn add(&mut self, sight: &'g Sight, trace: &Trace) {
        let Some((first, last)) = trace.commits else {
            // What no commit has is told only where nothing better is known.
            if self.trace.commits.is_none() {
                self.sights.push(sight);
            }
            return;
        };
        let (known_first, known_last) = self.trace.commits.unwrap_or((u32::MAX, 0));
        let is_same = self.sights.first().is_some_and(|other| other.id == sight.id);
        if first < known_first || self.sights.is_empty() {
            self.sights.clear();
            self.sights.push(sight);
        } else if is_same {
            self.sights.push(sight);
        }
        self.trace.commits = Some((known_first.min(first), known_last.max(last)));
    }
}
