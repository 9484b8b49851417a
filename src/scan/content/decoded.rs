//! A decoded stretch of a content, and where each of its bytes comes from.

use super::super::place::Encoding;

/// What a decoder makes, in buffers that are used again.
#[derive(Default)]
pub(super) struct Decoded {
    pub(super) bytes: Vec<u8>,
    origins: Vec<Origin>,
}

/// Where a decoded byte comes from.
#[derive(Clone, Copy)]
struct Origin {
    start: usize,
    /// Exclusive.
    end: usize,
    /// How it was written, as bits by the index in [`WRITTEN`]; 0 is plainly.
    written: u8,
}

impl Decoded {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.origins.clear();
    }

    /// Appends a byte that was written as `start..end`.
    pub(super) fn push(&mut self, byte: u8, start: usize, end: usize, written: u8) {
        #[cfg(test)]
        WORK.with(|work| work.set(work.get() + 1));
        self.bytes.push(byte);
        self.origins.push(Origin { start, end, written });
    }

    /// Returns where the bytes `start..end` come from.
    pub(super) fn origin(&self, start: usize, end: usize) -> (usize, usize) {
        (self.origins[start].start, self.origins[end - 1].end)
    }

    /// Returns how the bytes `start..end` were written; nothing if plainly.
    pub(super) fn written(&self, start: usize, end: usize) -> Vec<Encoding> {
        // Where two parts join matters after the first byte only.
        let first = self.origins[start].written & !(SPLIT | SOFT_BREAK);
        let bits = self.origins[start + 1..end].iter().fold(first, |bits, o| bits | o.written);
        let mut encodings: Vec<_> = WRITTEN.iter().filter(|w| bits & w.0 != 0).map(|w| w.1).collect();
        encodings.dedup();
        encodings
    }
}

#[cfg(test)]
thread_local! {
    /// How many bytes were decoded on this thread: what proves that hostile bytes cost no more than others.
    pub(super) static WORK: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

pub(super) const PERCENT: u8 = 1;
pub(super) const HTML: u8 = 2;
pub(super) const ESCAPE: u8 = 4;
pub(super) const QUOTED: u8 = 8;
/// After a soft line break of quoted-printable.
pub(super) const SOFT_BREAK: u8 = 16;
/// After a place where one literal ends and the next begins.
pub(super) const SPLIT: u8 = 32;

const WRITTEN: [(u8, Encoding); 6] = [
    (PERCENT, Encoding::Percent),
    (HTML, Encoding::HtmlEntity),
    (ESCAPE, Encoding::Escape),
    (QUOTED, Encoding::QuotedPrintable),
    (SOFT_BREAK, Encoding::QuotedPrintable),
    (SPLIT, Encoding::Split),
];
