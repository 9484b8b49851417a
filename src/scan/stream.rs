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

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::super::detect::tests::{detector, token};
    use super::*;

    /// Hands out at most the given numbers of bytes, in turn.
    struct Dripping<'b> {
        bytes: &'b [u8],
        portions: Vec<usize>,
        turn: usize,
    }

    impl Read for Dripping<'_> {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            self.turn += 1;
            let portion = self.portions[self.turn % self.portions.len()].max(1);
            let n = portion.min(into.len()).min(self.bytes.len());
            into[..n].copy_from_slice(&self.bytes[..n]);
            self.bytes = &self.bytes[n..];
            Ok(n)
        }
    }

    fn sightings(source: impl Read, buffer_bytes: usize) -> Vec<Sighting> {
        let detector = detector(&["acme", "acme_live"]);
        let mut all = Vec::new();
        let mut buffer = Buffer::new(&detector, buffer_bytes);
        search(&detector, &mut buffer, source, |s| all.push(s)).1.unwrap();
        all
    }

    #[test]
    fn a_key_across_any_buffer_boundary_is_found_once() {
        let token = token("acme_live", 1);
        for wide in [false, true] {
            let planted: Vec<u8> =
                if wide { token.bytes().flat_map(|b| [b, 0]).collect() } else { token.clone().into_bytes() };
            // Longer than two buffers, at every offset.
            for offset in 0..500 {
                let text = [vec![b'\n'; offset], planted.clone(), vec![b'x'; 300]].concat();
                let all = sightings(Cursor::new(&text), 1);
                assert_eq!(all.len(), 1, "offset {offset}");
                assert_eq!(all[0].token.expose(), token);
                assert_eq!(
                    (all[0].offset, all[0].line, all[0].column),
                    (offset as u64, offset as u64 + 1, 1)
                );
            }
        }
    }

    #[test]
    fn lines_and_columns_are_those_of_an_editor() {
        let [a, b, c] = [token("acme", 1), token("acme", 2), token("acme", 3)];
        let filler = "z".repeat(1000);
        let text = format!("{a}\r\nkey: {b} {c}\n{filler}\n\n  {a}");
        let places: Vec<_> = sightings(Cursor::new(&text), 1).iter().map(|s| (s.line, s.column)).collect();
        assert_eq!(places, [(1, 1), (2, 6), (2, 50), (5, 3)]);
        let wide: Vec<u8> = format!("\nkey: {a}").encode_utf16().flat_map(u16::to_be_bytes).collect();
        assert_eq!(sightings(Cursor::new(&wide), 1)[0].column, 6);
    }

    #[test]
    fn lines_are_counted_once_across_buffers() {
        let text = (0..200).map(|seed| token("acme", seed)).collect::<Vec<_>>().join("\n\n");
        for buffer_bytes in [1, 250, 301, 1000] {
            let lines: Vec<_> = sightings(Cursor::new(&text), buffer_bytes).iter().map(|s| s.line).collect();
            assert_eq!(lines, (0..200).map(|i| 2 * i + 1).collect::<Vec<_>>());
        }
    }

    #[test]
    fn a_source_that_breaks_off_gives_what_came_before() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("the disk is gone"))
            }
        }
        let detector = detector(&["acme"]);
        let token = token("acme", 1);
        let mut all = Vec::new();
        let source = Cursor::new(token.as_bytes()).chain(Broken);
        let (bytes, result) =
            search(&detector, &mut Buffer::new(&detector, 0), source, |s| all.push(s.token));
        assert!(result.is_err());
        assert_eq!((bytes, all.len()), (token.len() as u64, 1));
    }

    proptest! {
        #[test]
        fn a_key_at_any_offset_of_any_bytes_in_any_chunking_is_found(
            before in proptest::collection::vec(any::<u8>(), 0..700),
            after in proptest::collection::vec(any::<u8>(), 0..300),
            portions in proptest::collection::vec(1usize..200, 1..8),
            buffer in 0usize..600,
            wide: bool,
            nested: bool,
            seed: u64,
        ) {
            let token = token(if nested { "acme_live" } else { "acme" }, seed);
            let planted: Vec<u8> =
                if wide { token.bytes().flat_map(|b| [b, 0]).collect() } else { token.clone().into_bytes() };
            let bytes = [&before[..], &planted, &after].concat();
            let all = sightings(Dripping { bytes: &bytes, portions, turn: 0 }, buffer);
            let at: Vec<_> = all.iter().filter(|s| s.token.expose() == token).map(|s| s.offset).collect();
            prop_assert_eq!(at, [before.len() as u64]);
        }
    }
}
