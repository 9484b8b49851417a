//! What is searched for: every declared prefix in each form it can be written in.
//!
//! One vectorised pass looks for all of them together. A needle that is found is only a clue; what
//! it leads to is decoded on the spot, and the checksum decides. Needles long enough are cut in two,
//! so that where a line break, a quotation mark or an escape falls into one half, the other is found.

use std::collections::BTreeMap;

use aho_corasick::{AhoCorasick, MatchKind, packed};

/// What finding a needle means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::scan) enum Clue {
    /// Part of the prefix of type `key_type`, `at` bytes after its beginning.
    Plain { key_type: usize, at: usize },
    /// The prefix of type `key_type` with NULs between its characters, one each `stride` bytes.
    Wide { key_type: usize, stride: usize },
    /// Part of a prefix in base64, beginning with the character `phase` of a group of four.
    Base64 { phase: usize },
    /// Part of a prefix in hexadecimal.
    Hex,
    /// An underscore written as an escape. Every prefix has one at its end.
    Escape,
}

/// All needles, ready to be searched for.
pub(in crate::scan) struct Needles {
    groups: Vec<Group>,
    /// Bytes of the longest.
    longest: usize,
}

/// A needle and where it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::scan) struct Mark {
    pub(in crate::scan) at: usize,
    pub(in crate::scan) group: u16,
    pattern: u16,
}

/// Needles looked for in one pass.
pub(in crate::scan) struct Group {
    search: Search,
    /// By pattern.
    clues: Vec<Vec<Clue>>,
    /// Bytes of each, by pattern.
    lengths: Vec<usize>,
}

enum Search {
    /// Vectorised, for processors that can.
    Packed(packed::Searcher),
    Automaton(AhoCorasick),
}

impl Needles {
    /// `stems` are the prefixes of all types, each with the underscore after it.
    pub(in crate::scan) fn new(stems: &[Box<[u8]>]) -> Self {
        let mut clues: BTreeMap<Vec<u8>, Vec<Clue>> = BTreeMap::new();
        let mut add = |needle: Vec<u8>, clue| {
            let clues = clues.entry(needle).or_default();
            if !clues.contains(&clue) {
                clues.push(clue);
            }
        };
        for (key_type, stem) in stems.iter().enumerate() {
            plain(stem, key_type, &mut add);
            encoded(stem, &mut add);
        }
        for escape in ESCAPED_UNDERSCORES {
            add(escape.to_vec(), Clue::Escape);
        }
        let needles = without_continuations(clues);
        Self {
            longest: needles.iter().map(|(needle, _)| needle.len()).max().unwrap_or(1),
            groups: needles.chunks(GROUP).map(Group::new).collect(),
        }
    }

    /// All of them are to be looked for, one group after another.
    pub(in crate::scan) fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Returns how many bytes the longest has.
    pub(in crate::scan) fn longest(&self) -> usize {
        self.longest
    }

    /// Calls `found` with every needle in `bytes` and its length, as long as that says to go on. Returns
    /// `None` if it did not.
    pub(in crate::scan) fn mark(
        &self,
        bytes: &[u8],
        mut found: impl FnMut(Mark, usize) -> bool,
    ) -> Option<()> {
        for (number, group) in (0..).zip(&self.groups) {
            let mut from = 0;
            while let Some((pattern, at)) = group.search.find(bytes, from) {
                let mark = Mark { at, group: number, pattern: u16::try_from(pattern).ok()? };
                found(mark, group.lengths[pattern]).then_some(())?;
                from = at + 1;
            }
        }
        Some(())
    }

    /// Returns what a mark means.
    pub(in crate::scan) fn clues(&self, mark: Mark) -> &[Clue] {
        &self.groups[usize::from(mark.group)].clues[usize::from(mark.pattern)]
    }

    /// Returns how many bytes the needle at a mark has.
    pub(in crate::scan) fn length(&self, mark: Mark) -> usize {
        self.groups[usize::from(mark.group)].lengths[usize::from(mark.pattern)]
    }
}

impl Mark {
    /// Returns the same needle at another place.
    pub(in crate::scan) fn moved(self, at: usize) -> Self {
        Self { at, ..self }
    }
}

impl Group {
    fn new(needles: &[(Vec<u8>, Vec<Clue>)]) -> Self {
        let patterns = || needles.iter().map(|(needle, _)| needle);
        let packed = packed::Config::new().builder().extend(patterns()).build();
        let search = packed.map_or_else(
            || {
                let automaton = AhoCorasick::builder().match_kind(MatchKind::LeftmostFirst).build(patterns());
                Search::Automaton(automaton.expect("a few short needles"))
            },
            Search::Packed,
        );
        Self {
            search,
            clues: needles.iter().map(|(_, clues)| clues.clone()).collect(),
            lengths: needles.iter().map(|(needle, _)| needle.len()).collect(),
        }
    }

    /// Calls `found` with every clue in `bytes` and where it begins, in order.
    pub(in crate::scan) fn find(&self, bytes: &[u8], mut found: impl FnMut(Clue, usize)) {
        let mut from = 0;
        while let Some((pattern, start)) = self.search.find(bytes, from) {
            self.clues[pattern].iter().for_each(|clue| found(*clue, start));
            // Not past the match: needles overlap each other and themselves.
            from = start + 1;
        }
    }
}

impl Search {
    fn find(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        match self {
            Self::Packed(searcher) => {
                let found = searcher.find_in(bytes, (from..bytes.len()).into())?;
                Some((found.pattern().as_usize(), found.start()))
            }
            Self::Automaton(automaton) => {
                let found = automaton.find(aho_corasick::Input::new(bytes).range(from..))?;
                Some((found.pattern().as_usize(), found.start()))
            }
        }
    }
}

fn plain(stem: &[u8], key_type: usize, add: &mut impl FnMut(Vec<u8>, Clue)) {
    for (at, piece) in pieces(stem, cut(stem)) {
        add(piece.to_vec(), Clue::Plain { key_type, at });
    }
    for stride in [2, 4] {
        add(widened(stem, stride), Clue::Wide { key_type, stride });
    }
}

fn encoded(stem: &[u8], add: &mut impl FnMut(Vec<u8>, Clue)) {
    for shift in 0..3 {
        let (phase, text) = in_base64(stem, shift);
        base64_pieces(phase, &text, add);
        for outer in 0..3 {
            let (phase, twice) = in_base64(&text, outer);
            base64_pieces(phase, &twice, add);
        }
        // What PowerShell takes as `-EncodedCommand`.
        let (phase, wide) = in_base64(&widened(stem, 2), shift);
        add(wide, Clue::Base64 { phase });
    }
    for digits in [b"0123456789abcdef", b"0123456789ABCDEF"] {
        let text: Vec<u8> =
            stem.iter().flat_map(|&b| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]]).collect();
        for (_, piece) in pieces(&text, text.len() / 4 * 2) {
            add(piece.to_vec(), Clue::Hex);
        }
    }
}

fn base64_pieces(phase: usize, text: &[u8], add: &mut impl FnMut(Vec<u8>, Clue)) {
    for (at, piece) in pieces(text, text.len() / 2) {
        add(piece.to_vec(), Clue::Base64 { phase: (phase + at) % 4 });
    }
}

/// Cuts `text` at `cut`, unless a piece would be so short that it is everywhere.
fn pieces(text: &[u8], cut: usize) -> impl Iterator<Item = (usize, &[u8])> {
    let cut = if cut.min(text.len() - cut) < SHORTEST { text.len() } else { cut };
    [(0, &text[..cut]), (cut, &text[cut..])].into_iter().filter(|(_, piece)| !piece.is_empty())
}

/// Returns where to cut a stem: after the underscore nearest to the middle, since other stems have
/// the same beginning or end.
fn cut(stem: &[u8]) -> usize {
    let middle = stem.len() / 2;
    (SHORTEST..=stem.len().saturating_sub(SHORTEST))
        .filter(|&i| stem[i - 1] == b'_')
        .min_by_key(|i| i.abs_diff(middle))
        .unwrap_or(middle)
}

/// Returns `text` with NULs between its characters, so that each takes `stride` bytes.
fn widened(text: &[u8], stride: usize) -> Vec<u8> {
    let mut wide = vec![0; (text.len() - 1) * stride + 1];
    wide.iter_mut().step_by(stride).zip(text).for_each(|(to, from)| *to = *from);
    wide
}

/// Returns the base64 characters that stand for nothing but `text` where it begins `shift` bytes
/// into a group of three, and the place of the first in its group of four.
///
/// The two alphabets differ in no character of a token's base64.
fn in_base64(text: &[u8], shift: usize) -> (usize, Vec<u8>) {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let first = [0, 2, 3][shift];
    let end = (shift + text.len()) * 8 / 6;
    let bit = |i: usize| text[i / 8 - shift] >> (7 - i % 8) & 1;
    let digit = |c: usize| DIGITS[usize::from((c * 6..c * 6 + 6).fold(0, |d, i| d << 1 | bit(i)))];
    (first, (first..end).map(digit).collect())
}

/// Drops needles that begin with another, which then stands for both: of those that begin at one
/// place only one is reported.
fn without_continuations(needles: BTreeMap<Vec<u8>, Vec<Clue>>) -> Vec<(Vec<u8>, Vec<Clue>)> {
    let mut kept: Vec<(Vec<u8>, Vec<Clue>)> = Vec::new();
    // In order, so that a needle comes right before its continuations.
    for (needle, clues) in needles {
        match kept.last_mut() {
            Some((short, known)) if needle.starts_with(short) => known.extend(clues),
            _ => kept.push((needle, clues)),
        }
    }
    kept
}

/// As a URL, quoted-printable, source code, HTML or XML has it; as much as all spellings share.
const ESCAPED_UNDERSCORES: [&[u8]; 16] = [
    b"%5F",
    b"%5f",
    b"=5F",
    b"=5f",
    b"\\x5F",
    b"\\x5f",
    b"\\u005",
    b"\\u{",
    b"\\U0000005",
    b"\\137",
    b"&#9",
    b"&#0",
    b"&#x",
    b"&#X",
    b"&lowb",
    b"&Under",
];

/// The fewest bytes of a needle that is part of one. Shorter ones are found all over.
const SHORTEST: usize = 3;
/// What a vectorised search takes at most.
const GROUP: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_needles_are_in_what_base64_makes_of_any_context() {
        // Made with coreutils' base64 of `xacme_live_x`, `xxacme…`, `xxxacme…`.
        for (shift, text) in
            [(0, "eHh4YWNtZV9saXZlX3g="), (1, "eGFjbWVfbGl2ZV94"), (2, "eHhhY21lX2xpdmVfeA==")]
        {
            let (phase, needle) = in_base64(b"acme_live_", shift);
            let needle = String::from_utf8(needle).unwrap();
            let at = text.find(&needle).unwrap();
            assert_eq!(at % 4, phase, "{needle}");
            assert_eq!(needle.len(), [13, 12, 13][shift]);
        }
    }

    #[test]
    fn one_type_fits_one_group() {
        let stems = [b"acme_live_".to_vec().into_boxed_slice()];
        assert_eq!(Needles::new(&stems).groups.len(), 1);
        assert_eq!(cut(b"acme_live_"), 5);
        assert_eq!(cut(b"acme_sk_test_"), 5);
    }

    #[test]
    fn a_needle_that_begins_another_stands_for_both() {
        let stems = [b"acme_".to_vec().into_boxed_slice(), b"acme_live_".to_vec().into_boxed_slice()];
        let mut found = Vec::new();
        let needles = Needles::new(&stems);
        needles.groups.iter().for_each(|g| g.find(b"xacme_live_", |clue, at| found.push((clue, at))));
        let plain = |key_type, at| Clue::Plain { key_type, at };
        assert_eq!(found, [(plain(0, 0), 1), (plain(1, 0), 1), (plain(1, 5), 6)]);
    }
}
