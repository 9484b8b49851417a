//! Reads a source of any length through one buffer, so that memory stays bounded and no token is
//! missed where two reads meet: the end of each stretch is carried into the next.

use std::io::{self, ErrorKind, Read};

use super::detect::{Detector, Hit};
use crate::key::Token;

/// A thread's reading buffer.
pub(super) struct Buffer {
    bytes: Vec<u8>,
    hits: Vec<Hit>,
}

/// A token and where it stands in its source.
pub(super) struct Sighting {
    pub(super) hit: Hit,
    pub(super) token: Token,
    pub(super) offset: u64,
    pub(super) line: u64,
    pub(super) column: u64,
}

impl Buffer {
    pub(super) fn new(detector: &Detector, bytes: usize) -> Self {
        // Room for what is carried over and for something new beside it.
        let capacity = bytes.max(2 * detector.max_span());
        Self { bytes: vec![0; capacity], hits: Vec::new() }
    }
}

/// Searches `source` to its end. Returns the bytes read, and the error that ended the reading early.
pub(super) fn search(
    detector: &Detector,
    buffer: &mut Buffer,
    mut source: impl Read,
    mut sighted: impl FnMut(Sighting),
) -> (u64, io::Result<()>) {
    let overlap = detector.max_span() - 1;
    let Buffer { bytes, hits } = buffer;
    let mut lines = Lines::default();
    let mut total = 0;
    let mut carried = 0;
    loop {
        let (read, result) = fill(&mut source, &mut bytes[carried..]);
        let filled = carried + read;
        total += read as u64;
        hits.clear();
        detector.search(&bytes[..filled], hits);
        // A hit that ends within what was carried over was seen last time.
        hits.retain(|hit| hit.end > carried);
        hits.sort_unstable();
        for hit in hits.iter() {
            lines.advance_to(&bytes[..filled], hit.start);
            sighted(lines.sighting(*hit, &bytes[..filled]));
        }
        if result.is_err() || filled < bytes.len() {
            return (total, result);
        }
        lines.shift(bytes, filled - overlap);
        bytes.copy_within(filled - overlap..filled, 0);
        carried = overlap;
    }
}

/// Reads until `bytes` is full or the source ends.
fn fill(source: &mut impl Read, bytes: &mut [u8]) -> (usize, io::Result<()>) {
    let mut filled = 0;
    while filled < bytes.len() {
        match source.read(&mut bytes[filled..]) {
            Ok(0) => break,
            Ok(n) => filled += n,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return (filled, Err(e)),
        }
    }
    (filled, Ok(()))
}

/// Counts lines, moving only forward so that each byte is looked at once.
#[derive(Default)]
struct Lines {
    /// Bytes of the source before the buffer.
    base: u64,
    /// Bytes of the buffer counted already.
    counted: usize,
    /// Line feeds in everything counted.
    feeds: u64,
    /// Where the current line begins in the source.
    line_start: u64,
}

impl Lines {
    fn advance_to(&mut self, bytes: &[u8], to: usize) {
        // A token has no line feed in it, but one begun in the overlap may lie behind.
        if to <= self.counted {
            return;
        }
        let stretch = &bytes[self.counted..to];
        let feeds = memchr::memchr_iter(b'\n', stretch).count() as u64;
        if let Some(last) = memchr::memrchr(b'\n', stretch) {
            self.line_start = self.base + (self.counted + last) as u64 + 1;
        }
        self.feeds += feeds;
        self.counted = to;
    }

    fn sighting(&self, hit: Hit, bytes: &[u8]) -> Sighting {
        let offset = self.base + hit.start as u64;
        let column = offset.saturating_sub(self.line_start) / hit.stride as u64 + 1;
        Sighting { hit, token: hit.token(bytes), offset, line: self.feeds + 1, column }
    }

    /// Forgets the first `dropped` bytes of the buffer.
    fn shift(&mut self, bytes: &[u8], dropped: usize) {
        self.advance_to(bytes, dropped);
        self.base += dropped as u64;
        self.counted -= dropped;
    }
}
