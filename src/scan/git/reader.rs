//! Reads every object of a repository's stores, on all cores.
//!
//! In two goes: contents first, trees second. When the trees are read it is known which blobs have keys,
//! so each tree is looked at once for that, too.

use std::collections::{HashMap, HashSet};
use std::io::Read;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use gix_hash::{Kind as Hash, ObjectId, oid};

use super::facts::{self, CommitFacts, EntryKind, Short};
use super::forest::{Forest, Root};
use super::loose::{self, Loose};
use super::pack::Pack;
use super::resolve::{Made, Resolver, Visitor};
use super::{Damage, Kind};
use crate::scan::content::{Examiner, Marks, Seen, Sighting};
use crate::scan::walk::Readers;

/// Everything one go gathers.
#[derive(Default)]
pub(super) struct Gathered {
    pub(super) sights: Vec<Sight>,
    pub(super) commits: Vec<CommitFacts>,
    /// Annotated tags and what they are put on.
    pub(super) tags: Vec<(ObjectId, ObjectId)>,
    /// Trees of loose stores, to be read in the second go.
    pub(super) loose_trees: Vec<(PathBuf, ObjectId)>,
    pub(super) edges: Vec<Edge>,
    /// Names that edges refer to.
    pub(super) names: Names,
    pub(super) faults: Vec<(ObjectId, String)>,
    /// Sights that were too many to keep.
    pub(super) overflow: u64,
    /// What trees have and no store does, up to [`MAX_MISSING`].
    pub(super) missing: HashSet<ObjectId>,
}

/// Which objects there are.
pub(super) struct Present<'p> {
    packs: Vec<&'p Pack>,
    loose: HashSet<ObjectId>,
}

impl<'p> Present<'p> {
    pub(super) fn new(packs: &'p [Pack], loose: &[(PathBuf, ObjectId)]) -> Self {
        Self { packs: packs.iter().collect(), loose: loose.iter().map(|(_, id)| *id).collect() }
    }

    pub(super) fn has(&self, id: &oid) -> bool {
        self.packs.iter().any(|pack| pack.find(id).is_some()) || self.loose.contains(id)
    }
}

/// Something seen in an object.
pub(super) struct Sight {
    pub(super) id: ObjectId,
    pub(super) in_what: InWhat,
    pub(super) seen: Sighting,
}

/// What a sight is in.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum InWhat {
    Blob,
    /// The part of a commit or tag.
    Text(crate::scan::place::Part),
    /// The name of an entry of the tree.
    Name(Vec<u8>),
}

/// A tree has something under a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Edge {
    pub(super) child: Short,
    pub(super) parent: Short,
    pub(super) name: u32,
    pub(super) is_link: bool,
}

/// Names by number.
#[derive(Default)]
pub(super) struct Names {
    numbers: HashMap<Vec<u8>, u32>,
    texts: Vec<Vec<u8>>,
}

impl Names {
    fn number(&mut self, name: &[u8]) -> u32 {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.push(name.to_vec());
        self.numbers.insert(name.to_vec(), number);
        number
    }

    pub(super) fn text(&self, number: u32) -> &[u8] {
        &self.texts[number as usize]
    }
}

impl Gathered {
    /// Adds what another thread gathered.
    pub(super) fn merge(&mut self, other: Self) {
        let numbers: Vec<u32> = other.names.texts.iter().map(|name| self.names.number(name)).collect();
        self.edges
            .extend(other.edges.into_iter().map(|edge| Edge { name: numbers[edge.name as usize], ..edge }));
        self.sights.extend(other.sights);
        self.commits.extend(other.commits);
        self.tags.extend(other.tags);
        self.loose_trees.extend(other.loose_trees);
        self.faults.extend(other.faults);
        self.overflow += other.overflow;
        self.missing.extend(other.missing);
    }
}

/// What a go is after.
#[derive(Clone, Copy)]
pub(super) enum Go<'n> {
    /// Blobs, commits and tags.
    Contents,
    /// Trees: the names in them.
    Names,
    /// Trees: the names in them, and which tree has which tree or one of these.
    Edges(&'n HashSet<Short>),
}

impl Go<'_> {
    fn wants(self, kind: Kind) -> bool {
        (kind == Kind::Tree) != matches!(self, Self::Contents)
    }
}

/// Reads the packs and loose objects that `go` wants.
pub(super) fn read(
    readers: &Readers<'_>,
    hash: Hash,
    forests: &[Forest<'_>],
    loose: &[(PathBuf, ObjectId)],
    present: &Present<'_>,
    go: Go<'_>,
) -> Gathered {
    let mut work: Vec<(usize, Root)> = Vec::new();
    for (at, forest) in forests.iter().enumerate() {
        work.extend(forest.roots().iter().filter(|root| go.wants(root.kind)).map(|root| (at, *root)));
    }
    // The heaviest first, so that no thread is left alone with one at the end.
    work.sort_by_key(|(_, root)| std::cmp::Reverse(if root.weight >= HEAVY { root.weight } else { 0 }));
    let threads = readers.options.thread_count();
    let room = readers.options.memory / 2 / threads as u64;
    let (next, again) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    let worker = |room: u64| Worker::new(readers, hash, go, present, room);
    let mut all = Gathered::default();
    std::thread::scope(|scope| {
        let run = || {
            let (mut worker, mut resolver) = (worker(room), Resolver::new(room));
            let take = || next.fetch_add(1, Ordering::Relaxed);
            loop {
                let at = take();
                if worker.is_stopped() {
                    break;
                } else if let Some((forest, root)) = work.get(at) {
                    resolver.resolve(&forests[*forest], *root, &mut worker);
                    if let Some(large) = worker.end_of_tree() {
                        lock(&again).push((*forest, *root, large));
                    }
                } else if let Some((store, id)) = loose.get(at - work.len()) {
                    worker.loose(store, *id);
                } else {
                    break;
                }
            }
            worker.finish()
        };
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(run)).collect();
        all.merge(run());
        others.into_iter().for_each(|other| all.merge(other.join().unwrap_or_default()));
    });
    // What was too large for one thread's share has all of it, one after the other.
    for (forest, root, large) in again.into_inner().unwrap_or_else(PoisonError::into_inner) {
        let room = readers.options.memory / 4 * 3;
        let mut worker = worker(room);
        worker.only = Some(large);
        Resolver::new(room).resolve(&forests[forest], root, &mut worker);
        all.merge(worker.finish());
    }
    all
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One thread's part.
struct Worker<'s> {
    readers: &'s Readers<'s>,
    examiner: Examiner<'s>,
    hash: Hash,
    go: Go<'s>,
    present: &'s Present<'s>,
    /// Objects that were found to be there: most entries of a tree are those of the one before.
    found: Vec<Short>,
    gathered: Gathered,
    /// What did not fit into this thread's share of the memory.
    large: HashSet<ObjectId>,
    /// If set, what is looked at; the rest was seen before.
    only: Option<HashSet<ObjectId>>,
    objects: u64,
    bytes: u64,
    room: u64,
}

impl<'s> Worker<'s> {
    fn new(readers: &'s Readers<'s>, hash: Hash, go: Go<'s>, present: &'s Present<'s>, room: u64) -> Self {
        Self {
            present,
            found: vec![Short::default(); FOUND],
            readers,
            examiner: readers.options.examiner(readers.detector),
            hash,
            go,
            gathered: Gathered::default(),
            large: HashSet::new(),
            only: None,
            objects: 0,
            bytes: 0,
            room,
        }
    }

    fn is_stopped(&self) -> bool {
        self.readers.progress.is_stopped()
    }

    /// Publishes what was read, and returns what was too large.
    fn end_of_tree(&mut self) -> Option<HashSet<ObjectId>> {
        self.readers.progress.add_objects(self.objects, self.bytes);
        (self.objects, self.bytes) = (0, 0);
        (!self.large.is_empty()).then(|| std::mem::take(&mut self.large))
    }

    fn finish(mut self) -> Gathered {
        if let Some(large) = self.end_of_tree() {
            let problem = Damage::TooLarge.to_string();
            self.gathered.faults.extend(large.into_iter().map(|id| (id, problem.clone())));
        }
        self.gathered
    }

    fn loose(&mut self, store: &std::path::Path, id: ObjectId) {
        let path = loose::path(store, &id);
        match Loose::open(&path) {
            Ok(object) if object.kind == Kind::Tree && !self.go.wants(Kind::Tree) => {
                self.gathered.loose_trees.push((store.to_owned(), id));
            }
            Ok(mut object) if object.size > self.room.min(LARGE_LOOSE) => {
                let size = object.size;
                self.large(&id, size, object.source());
            }
            Ok(object) => {
                let kind = object.kind;
                match object.bytes() {
                    Ok(bytes) => {
                        self.object(&id, kind, &bytes, None);
                    }
                    Err(_) => self.damaged(&id, Damage::Loose),
                }
            }
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => self.damaged(&id, Damage::Gone),
            Err(_) => self.damaged(&id, Damage::Loose),
        }
        self.end_of_tree();
    }

    fn blob(&mut self, id: &oid, bytes: &[u8], made: Option<Made<'_>>) -> Option<Marks> {
        let gathered = &mut self.gathered;
        let take = &mut |seen| gathered.take(id, InWhat::Blob, seen);
        if Examiner::is_archive(bytes) {
            self.examiner.bytes(bytes, take);
            return None;
        }
        version(&mut self.examiner, bytes, made, take)
    }

    fn text(&mut self, id: &oid, bytes: &[u8], made: Option<Made<'_>>) -> Option<Marks> {
        let gathered = &mut self.gathered;
        version(&mut self.examiner, bytes, made, &mut |seen| {
            let offset = if let Seen::Key(sighting) = &seen { sighting.offset } else { 0 };
            gathered.take(id, InWhat::Text(facts::part_at(bytes, offset)), seen);
        })
    }

    /// Notes an object if it is in no store.
    fn look_for(&mut self, id: &oid) {
        let short = Short::of(id);
        let place = &mut self.found[short.place(FOUND)];
        if *place == short {
            return;
        }
        if self.present.has(id) {
            *place = short;
        } else if self.gathered.missing.len() < MAX_MISSING {
            self.gathered.missing.insert(id.to_owned());
        }
    }

    fn tree(&mut self, id: &oid, bytes: &[u8], made: Option<Made<'_>>) -> Option<Marks> {
        let mut is_named = false;
        let marks = version(&mut self.examiner, bytes, made, &mut |_| is_named = true);
        if is_named {
            for entry in facts::entries(bytes, self.hash) {
                let gathered = &mut self.gathered;
                let in_what = || InWhat::Name(entry.name.to_vec());
                self.examiner.text(entry.name, &mut |seen| gathered.take(id, in_what(), seen));
            }
        }
        let parent = Short::of(id);
        for entry in facts::entries(bytes, self.hash) {
            if entry.kind == EntryKind::Module {
                continue;
            }
            self.look_for(entry.id);
            let Go::Edges(wanted) = self.go else { continue };
            let child = Short::of(entry.id);
            if entry.kind == EntryKind::Tree || wanted.contains(&child) {
                let name = self.gathered.names.number(entry.name);
                let is_link = entry.kind == EntryKind::Link;
                self.gathered.edges.push(Edge { child, parent, name, is_link });
            }
        }
        marks
    }
}

/// Examines an object that is no archive.
fn version(
    examiner: &mut Examiner<'_>,
    bytes: &[u8],
    made: Option<Made<'_>>,
    seen: &mut dyn FnMut(Seen),
) -> Option<Marks> {
    examiner.version(bytes, made.map(|made| (made.marks, made.stretches)), seen)
}

impl Visitor for Worker<'_> {
    fn object(&mut self, id: &oid, kind: Kind, bytes: &[u8], made: Option<Made<'_>>) -> Option<Marks> {
        if self.only.as_ref().is_some_and(|only| !only.contains(id)) {
            return None;
        }
        self.objects += 1;
        self.bytes += bytes.len() as u64;
        match kind {
            Kind::Blob => self.blob(id, bytes, made),
            Kind::Tree => self.tree(id, bytes, made),
            Kind::Commit => {
                self.gathered.commits.push(CommitFacts::of(id, bytes));
                self.text(id, bytes, made)
            }
            Kind::Tag => {
                self.gathered.tags.extend(facts::tag_target(bytes).map(|target| (id.to_owned(), target)));
                self.text(id, bytes, made)
            }
        }
    }

    fn large(&mut self, id: &oid, size: u64, source: &mut dyn Read) {
        let gathered = &mut self.gathered;
        let (read, result) = self.examiner.stream(source, &mut |seen| gathered.take(id, InWhat::Blob, seen));
        self.objects += 1;
        self.bytes += read;
        if result.is_err() || read != size {
            self.damaged(id, Damage::Entry);
        }
    }

    fn damaged(&mut self, id: &oid, damage: Damage) {
        if damage == Damage::TooLarge {
            self.large.insert(id.to_owned());
        } else {
            self.gathered.faults.push((id.to_owned(), damage.to_string()));
        }
    }

    fn goes_on(&self) -> bool {
        !self.is_stopped()
    }
}

impl Gathered {
    fn take(&mut self, id: &oid, in_what: InWhat, seen: Seen) {
        match seen {
            Seen::Key(_) if self.sights.len() >= MAX_SIGHTS => self.overflow += 1,
            Seen::Key(seen) => self.sights.push(Sight { id: id.to_owned(), in_what, seen }),
            Seen::Fault(problem) => self.faults.push((id.to_owned(), problem)),
        }
    }
}

/// From this many objects on a delta tree is begun early.
const HEAVY: u32 = 1_000;
/// Loose objects of more bytes are read in a stream.
const LARGE_LOOSE: u64 = 16 << 20;
/// Objects each thread remembers to be there, of eight bytes.
const FOUND: usize = 1 << 15;
/// Missing objects that are told apart.
const MAX_MISSING: usize = 10_000;
/// Kept by each thread until it is known where in history they are; about 200 bytes each.
const MAX_SIGHTS: usize = 250_000;
