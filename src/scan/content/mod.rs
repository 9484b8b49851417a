//! What one content can hide: a file, a member of an archive, an object of a repository, a name.
//!
//! Sources hand their bytes to an [`Examiner`] and are told what is in them.

mod archive;
mod budget;
mod decoded;
mod digits;
mod marks;
pub(super) mod needle;
pub(super) mod search;
mod unpack;
mod unravel;
mod window;

#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Duration;

use super::detect::Detector;
use super::place::{Encoding, Part, Place};
use crate::key::Token;
use archive::Format;
use budget::Budget;
use marks::Marker;
pub(super) use marks::{Marks, Stretch};
use unpack::Unpacker;
pub(super) use window::fill;
use window::{Seeker, Window};

/// How far archives are taken apart. What lies beyond is a fault of the report.
#[derive(Debug, Clone)]
pub struct Bounds {
    /// Archives and compressed data opened one inside another: a compressed archive counts twice.
    pub depth: usize,
    /// Bytes that one file, with all archives in it, may expand to.
    pub expanded_bytes: u64,
    /// How many times larger than itself compressed data may become.
    pub ratio: u64,
    /// Expanded bytes up to which any ratio will do: a small file of zeros is no bomb.
    pub ratio_from: u64,
    /// Members that one file, with all archives in it, may have.
    pub members: u64,
    /// CPU time that one file, with all archives in it, may take. Decoders differ in speed by a factor
    /// of fifty, so bytes alone are no bound for it.
    pub time: Duration,
    /// Bytes of a PDF, or of a zip that is inside something else: they are held in memory.
    pub held_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            depth: 6,
            expanded_bytes: 4 << 30,
            ratio: 500,
            ratio_from: 64 << 20,
            members: 1_000_000,
            time: Duration::from_mins(2),
            held_bytes: 128 << 20,
        }
    }
}

/// One thread's examiner of contents: its buffers are used again and again.
pub(super) struct Examiner<'d> {
    seeker: Seeker<'d>,
    marker: Marker,
    window: Window,
    bounds: Bounds,
    /// Windows for members of archives.
    spare: Vec<Window>,
}

/// What an examiner has to say of a content.
pub(super) enum Seen {
    /// A key is in it.
    Key(Sighting),
    /// Part of it could not be read; a sentence for people, neutralised, lower case.
    Fault(String),
}

/// A token and where it stands in the content.
pub(super) struct Sighting {
    /// The index of its type in the detector.
    pub(super) key_type: usize,
    pub(super) token: Token,
    pub(super) members: Vec<PathBuf>,
    /// Whether it stands in the name of the last member.
    pub(super) in_name: bool,
    pub(super) decoded: Vec<Encoding>,
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) column: u64,
    /// Whether [`ALLOW`](super::ALLOW) stands on the same line.
    pub(super) allowed: bool,
}

impl Sighting {
    /// Makes a place of it, in `part` of the file `path`.
    pub(super) fn place(&self, path: PathBuf, part: Part) -> Place {
        Place {
            members: self.members.clone(),
            part: if self.in_name { Part::Name } else { part },
            decoded: self.decoded.clone(),
            allowed: self.allowed,
            ..Place::in_content(path, self.offset, self.line, self.column)
        }
    }
}

impl<'d> Examiner<'d> {
    /// `buffer_bytes` is how much of a stream is looked at at a time.
    pub(super) fn new(detector: &'d Detector, bounds: &Bounds, buffer_bytes: usize) -> Self {
        Self {
            seeker: Seeker::new(detector),
            marker: Marker::default(),
            window: Window::new(buffer_bytes),
            bounds: bounds.clone(),
            spare: Vec::new(),
        }
    }

    /// Examines a whole content in memory: a small file, an object of a repository.
    pub(super) fn bytes(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        match Format::of(bytes) {
            None => self.seeker.whole(bytes, seen),
            Some(format) => {
                let budget = Budget::new(&self.bounds);
                self.unpacker(&budget, seen).1.bytes(format, bytes);
            }
        }
    }

    /// Examines a whole content that is no archive, and that others may be made of. If it was made of
    /// another itself, of which the marks are known, it is searched only where it is new. Returns its
    /// marks, unless there are too many.
    pub(super) fn version(
        &mut self,
        bytes: &[u8],
        origin: Option<(&Marks, &[Stretch])>,
        seen: &mut dyn FnMut(Seen),
    ) -> Option<Marks> {
        let needles = self.seeker.detector().needles();
        let marks = match origin {
            Some((base, stretches)) => self.marker.derive(needles, bytes, base, stretches),
            None => Marker::find(needles, bytes),
        };
        self.seeker.marked(bytes, marks.as_ref(), seen);
        marks
    }

    /// Says whether a content holds others, so that it is more than a version of another one.
    pub(super) fn is_archive(bytes: &[u8]) -> bool {
        Format::of(bytes).is_some()
    }

    /// Examines what is never an archive: a name, a message.
    pub(super) fn text(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        self.seeker.whole(bytes, seen);
    }

    /// Examines a source to its end, whatever its length. Returns the bytes read, and the error that
    /// ended the reading early.
    pub(super) fn stream(&mut self, source: impl Read, seen: &mut dyn FnMut(Seen)) -> (u64, io::Result<()>) {
        let mut source = Counted { source, read: 0 };
        self.window.clear();
        let result = match self.window.fill(&mut source).1 {
            Ok(()) => match Format::of(self.window.bytes()) {
                None => self.rest(&mut source, seen),
                Some(format) => {
                    let budget = Budget::new(&self.bounds);
                    let (window, mut unpacker) = self.unpacker(&budget, seen);
                    unpacker.archive(format, window, &mut source)
                }
            },
            Err(e) => {
                self.window.search(&mut self.seeker, seen);
                Err(e)
            }
        };
        (source.read, result)
    }

    /// Examines a file, of which `source` gives as much as is wanted. As [`stream`](Self::stream), but any
    /// archive may be as large as it likes.
    pub(super) fn file(
        &mut self,
        file: &File,
        source: impl Read,
        seen: &mut dyn FnMut(Seen),
    ) -> (u64, io::Result<()>) {
        let mut head = [0; archive::HEAD];
        let is_zip = file.read_at(&mut head, 0).is_ok_and(|n| Format::of(&head[..n]) == Some(Format::Zip));
        if !is_zip {
            return self.stream(source, seen);
        }
        let mut raw = Vec::new();
        let mut source = Counted { source, read: 0 };
        self.window.clear();
        let result = self.rest(&mut source, &mut |seen| raw.push(seen));
        let read = source.read;
        let budget = Budget::new(&self.bounds);
        self.unpacker(&budget, seen).1.zip_file(file, raw);
        (read, result)
    }

    /// Searches what is in the window and the rest of `source`, which is no archive.
    fn rest(&mut self, source: &mut impl Read, seen: &mut dyn FnMut(Seen)) -> io::Result<()> {
        loop {
            let result = self.window.fill(source).1;
            let is_full = self.window.is_full();
            self.window.search(&mut self.seeker, seen);
            if result.is_err() || !is_full {
                return result;
            }
        }
    }

    fn unpacker<'u>(
        &'u mut self,
        budget: &'u Budget,
        seen: &'u mut dyn FnMut(Seen),
    ) -> (&'u mut Window, Unpacker<'u, 'd>) {
        let detector = self.seeker.detector();
        (&mut self.window, Unpacker::new(detector, &self.bounds, budget, &mut self.spare, seen))
    }
}

/// Counts what is read.
struct Counted<R> {
    source: R,
    read: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.source.read(into)?;
        self.read += read as u64;
        Ok(read)
    }
}
