//! Finds tokens in bytes: a search for each declared prefix, then alphabet and checksum.
//!
//! No word boundary is asked for: a key glued to other text is still a key, and the checksum tells.

use memchr::memmem::Finder;

use crate::key::{self, Format, KeyType, KeyTypes, TAIL_LEN, Token};

/// Knows what tokens look like.
pub struct Detector {
    types: Vec<KeyType>,
    /// `prefix_` of each type, by index in `types`.
    stems: Vec<Box<[u8]>>,
    /// What is searched for: the stems that do not begin with another stem, which finds them all.
    roots: Vec<Root>,
    /// The names of types whose tokens cannot be told from other text.
    unscannable: Vec<String>,
}

struct Root {
    narrow: Finder<'static>,
    /// The same characters with a NUL between each two: UTF-16 of either byte order.
    wide: Finder<'static>,
    /// The types whose stem begins with this root.
    types: Vec<usize>,
}

/// None of the key types has tokens that can be recognised in other text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no key type with a prefix and a checksum is declared, so no key could be recognised")]
pub struct NothingToFind;

/// A token in a buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Hit {
    pub(super) start: usize,
    /// Exclusive.
    pub(super) end: usize,
    /// The index in [`Detector::types`].
    pub(super) key_type: usize,
    /// Bytes from one character to the next: 2 in UTF-16, otherwise 1.
    pub(super) stride: usize,
}

impl Detector {
    /// Prepares to find tokens of `types`. Those of opaque format have no mark to find them by and
    /// are left out; see [`unscannable`](Self::unscannable).
    pub fn new(types: &KeyTypes) -> Result<Self, NothingToFind> {
        let (known, opaque): (Vec<KeyType>, Vec<KeyType>) =
            types.as_slice().iter().cloned().partition(|t| t.format == Format::Kgate);
        let stems: Vec<Box<[u8]>> =
            known.iter().map(|t| format!("{}_", t.prefix).into_bytes().into_boxed_slice()).collect();
        let is_root = |stem: &[u8]| !stems.iter().any(|s| **s != *stem && stem.starts_with(s));
        let mut roots: Vec<&[u8]> = stems.iter().map(|s| &**s).filter(|s| is_root(s)).collect();
        roots.sort_unstable();
        roots.dedup();
        let roots: Vec<Root> = roots
            .into_iter()
            .map(|root| Root {
                narrow: Finder::new(root).into_owned(),
                wide: Finder::new(&widen(root)).into_owned(),
                types: (0..stems.len()).filter(|&i| stems[i].starts_with(root)).collect(),
            })
            .collect();
        if roots.is_empty() {
            return Err(NothingToFind);
        }
        Ok(Self { types: known, stems, roots, unscannable: opaque.into_iter().map(|t| t.name).collect() })
    }

    /// Returns the names of the declared types whose keys this cannot find.
    pub fn unscannable(&self) -> &[String] {
        &self.unscannable
    }

    pub(super) fn key_type(&self, hit: &Hit) -> &KeyType {
        &self.types[hit.key_type]
    }

    /// Returns the most bytes one token can take.
    pub(super) fn max_span(&self) -> usize {
        self.stems.iter().map(|s| span(s.len() + TAIL_LEN, 2)).max().unwrap_or(0)
    }

    /// Appends every token in `bytes` to `hits`, in no order.
    pub(super) fn search(&self, bytes: &[u8], hits: &mut Vec<Hit>) {
        let has_nul = memchr::memchr(0, bytes).is_some();
        for root in &self.roots {
            self.search_root(root, &root.narrow, 1, bytes, hits);
            if has_nul {
                self.search_root(root, &root.wide, 2, bytes, hits);
            }
        }
    }

    fn search_root(
        &self,
        root: &Root,
        finder: &Finder<'_>,
        stride: usize,
        bytes: &[u8],
        hits: &mut Vec<Hit>,
    ) {
        let mut from = 0;
        while let Some(at) = finder.find(&bytes[from..]) {
            let start = from + at;
            hits.extend(root.types.iter().filter_map(|&t| self.check(t, bytes, start, stride)));
            // Not past the match: the stem `a_a_` overlaps itself.
            from = start + 1;
        }
    }

    /// Says whether a token of type `key_type` stands at `start`.
    fn check(&self, key_type: usize, bytes: &[u8], start: usize, stride: usize) -> Option<Hit> {
        let stem = &*self.stems[key_type];
        let length = stem.len() + TAIL_LEN;
        let end = start + span(length, stride);
        let text = bytes.get(start..end)?;
        let gaps_are_nul = stride == 1 || text.iter().skip(1).step_by(2).all(|&b| b == 0);
        let mut token = [0; key::Prefix::MAX_LEN + 1 + TAIL_LEN];
        let token = &mut token[..length];
        token.iter_mut().zip(text.iter().step_by(stride)).for_each(|(to, from)| *to = *from);
        let (found_stem, tail) = token.split_at(stem.len());
        let is_shaped = gaps_are_nul && found_stem == stem && tail.iter().all(u8::is_ascii_alphanumeric);
        let (body, sum) = token.split_at(length - key::CHECKSUM_LEN);
        (is_shaped && key::checksum(body) == *sum).then_some(Hit { start, end, key_type, stride })
    }
}

impl Hit {
    /// Returns the token out of the buffer it was found in.
    pub(super) fn token(&self, bytes: &[u8]) -> Token {
        let text = &bytes[self.start..self.end];
        Token::from_presented(text.iter().step_by(self.stride).map(|&b| char::from(b)).collect::<String>())
    }
}

/// Returns the bytes `length` characters take, from the first to the last. In UTF-16 the NUL before
/// (big endian) or after (little endian) belongs to neither, so one form serves both.
const fn span(length: usize, stride: usize) -> usize {
    length * stride - (stride - 1)
}

fn widen(text: &[u8]) -> Vec<u8> {
    let mut wide: Vec<u8> = text.iter().flat_map(|&b| [b, 0]).collect();
    wide.pop();
    wide
}
