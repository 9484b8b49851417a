//! Finds the tokens of one stretch of bytes, however they are written.

use std::mem;

use super::super::detect::Detector;
use super::super::place::Encoding;
use super::decoded::Decoded;
use super::digits::{BASE64, Digits, HEX};
use super::marks::Marks;
use super::needle::Clue;
use super::unravel::{self, Progress};
use crate::key::{TAIL_LEN, Token};

/// A token and where it stands.
pub(in crate::scan) struct Find {
    pub(in crate::scan) start: usize,
    /// Exclusive.
    pub(in crate::scan) end: usize,
    pub(in crate::scan) key_type: usize,
    /// Bytes from one character to the next.
    pub(in crate::scan) stride: usize,
    pub(in crate::scan) token: Token,
    pub(in crate::scan) decoded: Vec<Encoding>,
}

/// The most bytes one token takes in any form, so that streams overlap by as much.
pub(in crate::scan) const SPAN: usize = unravel::SPAN;

/// Encodings undone one inside another.
const DEPTH: usize = 3;

/// One thread's search; its buffers are used again.
#[derive(Default)]
pub(in crate::scan) struct Search {
    layers: [Layer; DEPTH],
}

/// What is needed to decode parts of one stretch of bytes.
struct Layer {
    base64: Digits,
    hex: Digits,
    unravelled: Progress,
    decoded: Decoded,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            base64: Digits::new(&BASE64),
            hex: Digits::new(&HEX),
            unravelled: Progress::default(),
            decoded: Decoded::default(),
        }
    }
}

impl Layer {
    /// Forgets what was decoded already.
    fn reset(&mut self) {
        self.base64.reset();
        self.hex.reset();
        self.unravelled = Progress::default();
    }
}

impl Search {
    /// Puts every token in `bytes` into `finds`, in order, each once for each way it is written. If it
    /// is known where needles are, only there is looked.
    pub(in crate::scan) fn search(
        &mut self,
        detector: &Detector,
        bytes: &[u8],
        marks: Option<&Marks>,
        finds: &mut Vec<Find>,
    ) {
        finds.clear();
        search(detector, bytes, marks, &mut self.layers, finds);
        if finds.len() > 1 {
            let order = |a: &Find, b: &Find| {
                (a.start, a.key_type, &a.decoded).cmp(&(b.start, b.key_type, &b.decoded))
            };
            finds.sort_unstable_by(order);
            // Each half of a prefix is a clue to the same token.
            finds.dedup_by(|a, b| order(a, b).is_eq());
        }
    }
}

fn search(
    detector: &Detector,
    bytes: &[u8],
    marks: Option<&Marks>,
    layers: &mut [Layer],
    finds: &mut Vec<Find>,
) {
    let needles = detector.needles();
    for (number, group) in needles.groups().iter().enumerate() {
        if let Some(layer) = layers.first_mut() {
            layer.reset();
        }
        let mut decoder = Decoder { detector, bytes, layers, finds };
        let follow = |clue, at| decoder.follow(clue, at);
        match marks {
            Some(marks) => marks.each(needles, number, follow),
            None => group.find(bytes, follow),
        }
    }
}

/// Follows the clues in one stretch of bytes.
struct Decoder<'s> {
    detector: &'s Detector,
    bytes: &'s [u8],
    /// For these bytes, for what is decoded of them, and so on.
    layers: &'s mut [Layer],
    finds: &'s mut Vec<Find>,
}

impl Decoder<'_> {
    fn follow(&mut self, clue: Clue, at: usize) {
        match clue {
            Clue::Plain { key_type, at: inside } => self.plain(key_type, at, inside),
            Clue::Wide { key_type, stride } => self.check(key_type, at, stride),
            Clue::Base64 { phase } => self.digits(|layer| &mut layer.base64, at, phase),
            Clue::Hex => self.digits(|layer| &mut layer.hex, at, 0),
            Clue::Escape => {
                let before = at.checked_sub(1).map(|i| self.bytes[i]);
                let may_follow = |b: u8| b.is_ascii_alphanumeric() || b == b'\\';
                if before.is_some_and(|b| may_follow(b) || unravel::may_end(&self.bytes[..at])) {
                    self.unravel(at);
                }
            }
        }
    }

    /// Part of a prefix, beginning `inside` bytes after its beginning.
    fn plain(&mut self, key_type: usize, at: usize, inside: usize) {
        let stem = self.detector.stem(key_type);
        let bytes = self.bytes;
        let whole = at.checked_sub(inside).filter(|&start| bytes[start..].starts_with(stem));
        let is_clue = match whole {
            // The other part was the clue.
            Some(_) if inside > 0 => false,
            Some(start) => {
                let found = self.finds.len();
                self.check(key_type, start, 1);
                self.finds.len() == found && breaks_off(&bytes[start + stem.len()..])
            }
            None if inside == 0 => {
                let matched = bytes[at..].iter().zip(stem).take_while(|(a, b)| a == b).count();
                bytes.get(at + matched).is_some_and(|&b| unravel::may_begin(b))
            }
            None => {
                let before = bytes[..at].iter().rev().zip(stem[..inside].iter().rev());
                let matched = before.take_while(|(a, b)| a == b).count();
                unravel::may_end(&bytes[..at - matched])
            }
        };
        if is_clue {
            self.unravel(at);
        }
    }

    fn check(&mut self, key_type: usize, start: usize, stride: usize) {
        if let Some(hit) = self.detector.check(key_type, self.bytes, start, stride) {
            let token = hit.token(self.bytes);
            // UTF-16 is text as people write it; four bytes a character is not.
            let decoded = if stride == 4 { vec![Encoding::Utf32] } else { Vec::new() };
            let find = Find { start, end: hit.end, key_type, stride, token, decoded };
            self.finds.push(find);
        }
    }

    fn digits(&mut self, digits: impl Fn(&mut Layer) -> &mut Digits, at: usize, phase: usize) {
        let Some((layer, inner)) = self.layers.split_first_mut() else { return };
        let mut decoded = mem::take(&mut layer.decoded);
        let digits = digits(layer);
        if digits.decode(self.bytes, at, phase, &mut decoded) {
            let first = self.finds.len();
            search(self.detector, &decoded.bytes, None, inner, self.finds);
            for find in &mut self.finds[first..] {
                find.rise(&decoded, [digits.encoding()]);
            }
        }
        layer.decoded = decoded;
    }

    fn unravel(&mut self, at: usize) {
        let Some((layer, inner)) = self.layers.split_first_mut() else { return };
        if !layer.unravelled.unravel(self.bytes, at, &mut layer.decoded) {
            return;
        }
        let decoded = &layer.decoded;
        let first = self.finds.len();
        search(self.detector, &decoded.bytes, None, inner, self.finds);
        // What is plainly written here is found without this.
        let is_plain = |find: &mut Find| decoded.written(find.start, find.end).is_empty();
        self.finds.extract_if(first.., is_plain).for_each(drop);
        for find in &mut self.finds[first..] {
            find.rise(decoded, decoded.written(find.start, find.end));
        }
    }
}

impl Find {
    /// Makes it one of what it was decoded from.
    fn rise(&mut self, decoded: &Decoded, encodings: impl IntoIterator<Item = Encoding>) {
        (self.start, self.end) = decoded.origin(self.start, self.end);
        self.stride = 1;
        self.decoded.splice(0..0, encodings);
    }
}

/// Says whether what follows a prefix is broken off by what may be an escape or the end of a literal.
fn breaks_off(tail: &[u8]) -> bool {
    let tail = &tail[..tail.len().min(TAIL_LEN)];
    tail.iter().find(|b| !b.is_ascii_alphanumeric()).is_some_and(|&b| unravel::may_begin(b))
}
