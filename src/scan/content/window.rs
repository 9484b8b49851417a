//! Searches contents of any length through one buffer, so that memory stays bounded and no token is
//! missed where two reads meet: the end of each stretch is carried into the next.

use std::io::{self, ErrorKind, Read};

use super::super::detect::Detector;
use super::super::place::ALLOW;
use super::marks::Marks;
use super::search::{Find, SPAN, Search};
use super::{Seen, Sighting};

/// Searches bytes and tells where the tokens in them stand.
pub(super) struct Seeker<'d> {
    detector: &'d Detector,
    search: Search,
    finds: Vec<Find>,
}

impl<'d> Seeker<'d> {
    pub(super) fn new(detector: &'d Detector) -> Self {
        Self { detector, search: Search::default(), finds: Vec::new() }
    }

    pub(super) fn detector(&self) -> &'d Detector {
        self.detector
    }

    /// Searches a content that is in memory as a whole.
    pub(super) fn whole(&mut self, bytes: &[u8], seen: &mut dyn FnMut(Seen)) {
        self.search.search(self.detector, bytes, None, &mut self.finds);
        self.tell(bytes, 0, &Lines::default(), seen);
    }

    /// Searches a content of which it is known where needles are, if it is.
    pub(super) fn marked(&mut self, bytes: &[u8], marks: Option<&Marks>, seen: &mut dyn FnMut(Seen)) {
        if marks.is_none_or(|marks| !marks.is_empty()) {
            self.search.search(self.detector, bytes, marks, &mut self.finds);
            self.tell(bytes, 0, &Lines::default(), seen);
        }
    }

    /// Searches part of a content, of which the first `known` bytes were searched with what came
    /// before.
    fn part(&mut self, bytes: &[u8], known: usize, lines: &Lines, seen: &mut dyn FnMut(Seen)) {
        self.search.search(self.detector, bytes, None, &mut self.finds);
        self.tell(bytes, known, lines, seen);
    }

    fn tell(&mut self, bytes: &[u8], known: usize, lines: &Lines, seen: &mut dyn FnMut(Seen)) {
        if self.finds.is_empty() {
            return;
        }
        let mut lines = lines.clone();
        for find in self.finds.drain(..) {
            // What ends within what was searched before was seen then.
            if find.end > known {
                lines.advance_to(bytes, find.start);
                seen(Seen::Key(lines.sighting(find, bytes)));
            }
        }
    }
}

/// The part of a content that is looked at.
pub(super) struct Window {
    bytes: Vec<u8>,
    filled: usize,
    /// Bytes that were searched already.
    known: usize,
    lines: Lines,
}

impl Window {
    /// `bytes` is its size, unless that is too small to carry anything over.
    pub(super) fn new(bytes: usize) -> Self {
        Self { bytes: vec![0; bytes.max(2 * SPAN)], filled: 0, known: 0, lines: Lines::default() }
    }

    /// Begins a new content.
    pub(super) fn clear(&mut self) {
        (self.filled, self.known, self.lines) = (0, 0, Lines::default());
    }

    /// Reads until it is full or `source` ends. Returns how much was read.
    pub(super) fn fill(&mut self, source: &mut (impl Read + ?Sized)) -> (usize, io::Result<()>) {
        let (read, result) = fill(source, &mut self.bytes[self.filled..]);
        self.filled += read;
        (read, result)
    }

    /// Reads once.
    pub(super) fn fill_some(&mut self, source: &mut dyn Read) -> io::Result<()> {
        loop {
            match source.read(&mut self.bytes[self.filled..]) {
                Ok(read) => {
                    self.filled += read;
                    return Ok(());
                }
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e),
            }
        }
    }

    /// Returns what is in it, first of all what was carried over.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.filled]
    }

    pub(super) fn is_full(&self) -> bool {
        self.filled == self.bytes.len()
    }

    /// Searches what is new in it and makes room.
    pub(super) fn search(&mut self, seeker: &mut Seeker<'_>, seen: &mut dyn FnMut(Seen)) {
        seeker.part(&self.bytes[..self.filled], self.known, &self.lines, seen);
        let dropped = self.filled.saturating_sub(SPAN);
        self.lines.shift(&self.bytes[..self.filled], dropped);
        self.bytes.copy_within(dropped..self.filled, 0);
        self.filled -= dropped;
        self.known = self.filled;
    }
}

/// Reads until `bytes` is full or the source ends.
pub(in crate::scan) fn fill(source: &mut (impl Read + ?Sized), bytes: &mut [u8]) -> (usize, io::Result<()>) {
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
#[derive(Clone, Default)]
struct Lines {
    /// Bytes of the content before the window.
    base: u64,
    /// Bytes of the window counted already.
    counted: usize,
    /// Line feeds in everything counted.
    feeds: u64,
    /// Where the current line begins in the content.
    line_start: u64,
}

impl Lines {
    fn advance_to(&mut self, bytes: &[u8], to: usize) {
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

    fn sighting(&self, find: Find, bytes: &[u8]) -> Sighting {
        let offset = self.base + find.start as u64;
        Sighting {
            key_type: find.key_type,
            allowed: is_allowed(bytes, find.start, find.end),
            token: find.token,
            members: Vec::new(),
            in_name: false,
            decoded: find.decoded,
            offset,
            line: self.feeds + 1,
            column: offset.saturating_sub(self.line_start) / find.stride as u64 + 1,
        }
    }

    /// Forgets the first `dropped` bytes of the window.
    fn shift(&mut self, bytes: &[u8], dropped: usize) {
        self.advance_to(bytes, dropped);
        self.base += dropped as u64;
        self.counted -= dropped;
    }
}

/// Says whether [`ALLOW`] stands on the line of `start..end`, as far as that is in `bytes`.
fn is_allowed(bytes: &[u8], start: usize, end: usize) -> bool {
    // A line of megabytes is not searched again for each key on it.
    let before = &bytes[start.saturating_sub(LINE)..start];
    let after = &bytes[end..bytes.len().min(end + LINE)];
    let before = memchr::memrchr(b'\n', before).map_or(before, |feed| &before[feed..]);
    let after = memchr::memchr(b'\n', after).map_or(after, |feed| &after[..feed]);
    [before, after].iter().any(|part| memchr::memmem::find(part, ALLOW.as_bytes()).is_some())
}

/// How far from a key its line is looked at, in bytes.
const LINE: usize = 1 << 10;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use proptest::prelude::*;

    use super::*;
    use crate::scan::content::{Bounds, Examiner};
    use crate::scan::detect::tests::{detector, token};

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
        let (_, result) = examine(&detector, buffer_bytes, source, &mut |s| all.push(s));
        result.unwrap();
        all
    }

    fn examine(
        detector: &Detector,
        buffer_bytes: usize,
        source: impl Read,
        sighted: &mut dyn FnMut(Sighting),
    ) -> (u64, io::Result<()>) {
        let mut examiner = Examiner::new(detector, &Bounds::default(), buffer_bytes);
        examiner.stream(source, &mut |seen| match seen {
            Seen::Key(sighting) => sighted(sighting),
            Seen::Fault(problem) => panic!("{problem}"),
        })
    }

    #[test]
    fn a_key_across_any_buffer_boundary_is_found_once() {
        let token = token("acme_live", 1);
        for wide in [false, true] {
            let planted: Vec<u8> =
                if wide { token.bytes().flat_map(|b| [b, 0]).collect() } else { token.clone().into_bytes() };
            // The first window ends at two spans.
            for offset in 2 * SPAN - 2 * planted.len()..2 * SPAN + 10 {
                let text = [vec![b'\n'; offset], planted.clone(), vec![b'x'; 2 * SPAN]].concat();
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
        let text = (0..2_000).map(|seed| token("acme", seed)).collect::<Vec<_>>().join("\n\n");
        for buffer_bytes in [1, 9_001, 20_000] {
            let lines: Vec<_> = sightings(Cursor::new(&text), buffer_bytes).iter().map(|s| s.line).collect();
            assert_eq!(lines, (0..2_000).map(|i| 2 * i + 1).collect::<Vec<_>>());
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
        let (bytes, result) = examine(&detector, 0, source, &mut |s| all.push(s.token));
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
