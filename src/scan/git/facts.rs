//! What is read out of commits, tags and trees. Tolerant: what is not understood is left out, since a
//! malformed object may hold a key all the same, and is searched whatever it is.

use gix_hash::{Kind as Hash, ObjectId, oid};

use crate::scan::place::Part;

/// The first eight bytes of an object's name: enough to tell objects of one repository apart when only
/// those with a key in them are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(super) struct Short(u64);

impl Short {
    pub(super) fn of(id: &oid) -> Self {
        let mut first = [0; 8];
        first.copy_from_slice(&id.as_bytes()[..8]);
        Self(u64::from_be_bytes(first))
    }

    /// Returns its place in a table of `count` places, a power of two.
    pub(super) fn place(self, count: usize) -> usize {
        usize::try_from(self.0 & (count as u64 - 1)).expect("less than a usize")
    }
}

/// What history needs of a commit.
#[derive(Debug)]
pub(super) struct CommitFacts {
    pub(super) id: ObjectId,
    pub(super) tree: ObjectId,
    pub(super) parents: Vec<ObjectId>,
    /// When it was committed, in seconds since 1970.
    pub(super) time: i64,
}

impl CommitFacts {
    pub(super) fn of(id: &oid, bytes: &[u8]) -> Self {
        let mut facts = Self { id: id.to_owned(), tree: id.kind().null(), parents: Vec::new(), time: 0 };
        for line in header(bytes) {
            if let Some(id) = named(line, b"tree ") {
                facts.tree = id;
            } else if let Some(id) = named(line, b"parent ") {
                facts.parents.push(id);
            } else if let Some(person) = line.strip_prefix(b"committer ") {
                facts.time = time_of(person);
            }
        }
        facts
    }
}

/// Returns who wrote a commit: name and address.
pub(super) fn author(commit: &[u8]) -> String {
    let person = header(commit).find_map(|line| line.strip_prefix(b"author ")).unwrap_or_default();
    let end = memchr::memrchr(b'>', person).map_or(person.len(), |at| at + 1);
    String::from_utf8_lossy(&person[..end]).into_owned()
}

/// Returns what a tag is put on.
pub(super) fn tag_target(bytes: &[u8]) -> Option<ObjectId> {
    header(bytes).find_map(|line| named(line, b"object "))
}

/// Returns which part of a commit or tag is at `offset`.
pub(super) fn part_at(bytes: &[u8], offset: u64) -> Part {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let end = memchr::memmem::find(bytes, b"\n\n").unwrap_or(bytes.len());
    if offset > end {
        return Part::Message;
    }
    let start = memchr::memrchr(b'\n', &bytes[..offset]).map_or(0, |feed| feed + 1);
    let people: [&[u8]; 3] = [b"author ", b"committer ", b"tagger "];
    if people.iter().any(|word| bytes[start..].starts_with(word)) { Part::Person } else { Part::Header }
}

/// One entry of a tree.
pub(super) struct TreeEntry<'t> {
    pub(super) kind: EntryKind,
    pub(super) name: &'t [u8],
    pub(super) id: &'t oid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum EntryKind {
    Tree,
    File,
    Link,
    /// A commit of a submodule, which is in another repository.
    Module,
}

/// Goes through the entries of a tree, as far as it is one.
pub(super) fn entries(tree: &[u8], hash: Hash) -> impl Iterator<Item = TreeEntry<'_>> {
    gix_object::TreeRefIter::from_bytes(tree, hash).map_while(Result::ok).map(|entry| TreeEntry {
        kind: match entry.mode.kind() {
            gix_object::tree::EntryKind::Tree => EntryKind::Tree,
            gix_object::tree::EntryKind::Link => EntryKind::Link,
            gix_object::tree::EntryKind::Commit => EntryKind::Module,
            _ => EntryKind::File,
        },
        name: entry.filename,
        id: entry.oid,
    })
}

fn header(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|&b| b == b'\n').take_while(|line| !line.is_empty())
}

fn named(line: &[u8], word: &[u8]) -> Option<ObjectId> {
    ObjectId::from_hex(line.strip_prefix(word)?).ok()
}

/// Reads the time out of `Name <address> 1700000000 +0100`.
fn time_of(person: &[u8]) -> i64 {
    let after = memchr::memrchr(b'>', person).map_or(0, |at| at + 1);
    let mut words = person[after..].split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    words.next().and_then(|word| str::from_utf8(word).ok()?.parse().ok()).unwrap_or(0)
}
