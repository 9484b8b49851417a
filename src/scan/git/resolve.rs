//! Makes every object of a delta tree, each once.

use std::io::Read;

use flate2::bufread::ZlibDecoder;
use gix_hash::oid;
use libdeflater::Decompressor;

use super::forest::{Forest, Root};
use super::pack::View;
use super::{Damage, Kind, delta};
use crate::scan::content::{Marks, Stretch};

/// Is shown the objects of a repository.
pub(super) trait Visitor {
    /// An object. Returns its marks, which it is shown with what is made of it.
    fn object(&mut self, name: &oid, kind: Kind, bytes: &[u8], made: Option<Made<'_>>) -> Option<Marks>;
    /// A blob too large to be held.
    fn large(&mut self, name: &oid, size: u64, source: &mut dyn Read);
    /// An object that could not be made.
    fn damaged(&mut self, name: &oid, damage: Damage);
    /// Says whether to go on.
    fn goes_on(&self) -> bool;
}

/// How an object was made of another one.
#[derive(Clone, Copy)]
pub(super) struct Made<'m> {
    /// Those of the other one.
    pub(super) marks: &'m Marks,
    pub(super) stretches: &'m [Stretch],
}

/// One thread's means to make objects: buffers are used again and again.
pub(super) struct Resolver {
    inflater: Decompressor,
    delta: Vec<u8>,
    /// What the last delta made of what.
    stretches: Vec<Stretch>,
    spare: Vec<Vec<u8>>,
    /// The way from the root to where we are; what has no more children is not kept.
    stack: Vec<Frame>,
    /// Bytes it may hold.
    room: u64,
    /// Bytes in `stack`.
    held: u64,
    /// Bytes of the pack read since it was viewed.
    read: u64,
}

/// A forest and the pack it grows from.
struct Ground<'f> {
    forest: &'f Forest<'f>,
    view: View,
}

struct Frame {
    entry: u32,
    /// How many of its children were made.
    done: usize,
    bytes: Vec<u8>,
    marks: Option<Marks>,
}

impl Resolver {
    /// `room` is how many bytes of objects it may hold at once.
    pub(super) fn new(room: u64) -> Self {
        Self {
            inflater: Decompressor::new(),
            delta: Vec::new(),
            stretches: Vec::new(),
            spare: Vec::new(),
            stack: Vec::new(),
            room,
            held: 0,
            read: 0,
        }
    }

    /// Shows `visitor` every object of the tree of `root`. What needs more room than there is is
    /// damaged: [`Damage::TooLarge`].
    pub(super) fn resolve(&mut self, forest: &Forest<'_>, root: Root, visitor: &mut dyn Visitor) {
        let ground = &Ground { forest, view: forest.pack.view(std::mem::take(&mut self.read)) };
        let mut bytes = self.spare.pop().unwrap_or_default();
        match self.whole(ground, root, &mut bytes, visitor) {
            Ok(true) => self.descend(ground, root.entry, bytes, root.kind, visitor),
            Ok(false) => self.spare.push(bytes),
            Err(damage) => {
                self.spare.push(bytes);
                condemn(forest, root.entry, damage, visitor);
            }
        }
    }

    /// Inflates a root into `bytes`, or shows it in a stream and returns false.
    fn whole(
        &mut self,
        ground: &Ground<'_>,
        root: Root,
        bytes: &mut Vec<u8>,
        visitor: &mut dyn Visitor,
    ) -> Result<bool, Damage> {
        let Ground { forest, view } = ground;
        let (start, end) = forest.span(root.entry);
        let entry = view.entry(start)?;
        self.read += end - start;
        let is_leaf = forest.children(root.entry).is_empty();
        if entry.size > LARGE && is_leaf && root.kind == Kind::Blob {
            let mut source = ZlibDecoder::new(view.compressed(&entry, end)?).take(entry.size);
            visitor.large(forest.name(root.entry), entry.size, &mut source);
            return Ok(false);
        }
        if entry.size > self.room {
            return Err(Damage::TooLarge);
        }
        view.inflate(&entry, end, &mut self.inflater, bytes)?;
        Ok(true)
    }

    fn descend(
        &mut self,
        ground: &Ground<'_>,
        root: u32,
        bytes: Vec<u8>,
        kind: Kind,
        visitor: &mut dyn Visitor,
    ) {
        let forest = ground.forest;
        let marks = visitor.object(forest.name(root), kind, &bytes, None);
        self.keep(forest, root, bytes, marks);
        while let Some(mut frame) = self.stack.pop() {
            if !visitor.goes_on() {
                self.stack.clear();
                self.held = 0;
                return;
            }
            self.held -= frame.bytes.len() as u64;
            let children = forest.children(frame.entry);
            let child = children[frame.done];
            frame.done += 1;
            let is_last = frame.done == children.len();
            let mut bytes = self.spare.pop().unwrap_or_default();
            let made = self.derive(ground, child, &frame.bytes, &mut bytes).map(|()| {
                let made = frame.marks.as_ref().map(|marks| Made { marks, stretches: &self.stretches });
                visitor.object(forest.name(child), kind, &bytes, made)
            });
            if is_last {
                self.recycle(frame.bytes);
            } else {
                self.held += frame.bytes.len() as u64;
                self.stack.push(frame);
            }
            match made {
                Ok(marks) => self.keep(forest, child, bytes, marks),
                Err(damage) => {
                    self.recycle(bytes);
                    condemn(forest, child, damage, visitor);
                }
            }
        }
    }

    /// Makes `child` of its base.
    fn derive(
        &mut self,
        ground: &Ground<'_>,
        child: u32,
        base: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Damage> {
        let (start, end) = ground.forest.span(child);
        let entry = ground.view.entry(start)?;
        self.read += end - start;
        let used = self.held + base.len() as u64;
        if used + entry.size > self.room {
            return Err(Damage::TooLarge);
        }
        ground.view.inflate(&entry, end, &mut self.inflater, &mut self.delta)?;
        let len = delta::result_len(&self.delta)?;
        if used + entry.size + len > self.room {
            return Err(Damage::TooLarge);
        }
        delta::apply(base, &self.delta, out, &mut self.stretches)
    }

    /// Keeps an object that others are made of.
    fn keep(&mut self, forest: &Forest<'_>, entry: u32, bytes: Vec<u8>, marks: Option<Marks>) {
        if forest.children(entry).is_empty() {
            self.recycle(bytes);
        } else {
            self.held += bytes.len() as u64;
            self.stack.push(Frame { entry, done: 0, bytes, marks });
        }
    }

    fn recycle(&mut self, bytes: Vec<u8>) {
        // A rare large buffer must not stay for good.
        if bytes.capacity() <= SPARE_BYTES && self.spare.len() < SPARES {
            self.spare.push(bytes);
        }
    }
}

/// Says of a whole tree that it cannot be made.
fn condemn(forest: &Forest<'_>, entry: u32, damage: Damage, visitor: &mut dyn Visitor) {
    let mut entries = vec![entry];
    while let Some(entry) = entries.pop() {
        visitor.damaged(forest.name(entry), damage);
        entries.extend_from_slice(forest.children(entry));
    }
}

/// Blobs of more bytes than this are read in a stream if nothing is made of them.
const LARGE: u64 = 16 << 20;
/// Buffers kept for reuse, and the most bytes of each: enough for nearly all of a repository's files.
const SPARES: usize = 8;
const SPARE_BYTES: usize = 4 << 20;
