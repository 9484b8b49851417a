//! Finds tokens in bytes: a search for each declared prefix, then alphabet and checksum.
//!
//! No word boundary is asked for: a key glued to other text is still a key, and the checksum tells.

use super::content::needle::{Clue, Needles};
use crate::key::{self, Format, KeyType, KeyTypes, TAIL_LEN, Token};

/// Knows what tokens look like.
pub struct Detector {
    types: Vec<KeyType>,
    /// `prefix_` of each type, by index in `types`.
    stems: Vec<Box<[u8]>>,
    needles: Needles,
    /// The names of types whose tokens cannot be told from other text.
    unscannable: Vec<String>,
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
    /// Bytes from one character to the next: 2 in UTF-16, 4 in UTF-32, otherwise 1.
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
        if stems.is_empty() {
            return Err(NothingToFind);
        }
        let needles = Needles::new(&stems);
        Ok(Self { types: known, stems, needles, unscannable: opaque.into_iter().map(|t| t.name).collect() })
    }

    /// Returns the names of the declared types whose keys this cannot find.
    pub fn unscannable(&self) -> &[String] {
        &self.unscannable
    }

    pub(super) fn key_type(&self, index: usize) -> &KeyType {
        &self.types[index]
    }

    /// Returns the prefix of a type, with the underscore after it.
    pub(super) fn stem(&self, key_type: usize) -> &[u8] {
        &self.stems[key_type]
    }

    pub(super) fn needles(&self) -> &Needles {
        &self.needles
    }

    /// Appends every token that is plainly written in `bytes` to `hits`, in no order.
    pub(super) fn search(&self, bytes: &[u8], hits: &mut Vec<Hit>) {
        for group in self.needles.groups() {
            group.find(bytes, |clue, at| match clue {
                Clue::Plain { key_type, at: 0 } => hits.extend(self.check(key_type, bytes, at, 1)),
                Clue::Wide { key_type, stride } => hits.extend(self.check(key_type, bytes, at, stride)),
                _ => {}
            });
        }
    }

    /// Says whether a token of type `key_type` stands at `start`.
    pub(super) fn check(&self, key_type: usize, bytes: &[u8], start: usize, stride: usize) -> Option<Hit> {
        let stem = &*self.stems[key_type];
        let length = stem.len() + TAIL_LEN;
        let end = start + span(length, stride);
        let text = bytes.get(start..end)?;
        let gaps_are_nul = text.chunks(stride).all(|unit| unit[1..].iter().all(|&b| b == 0));
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

/// Returns the bytes `length` characters take, from the first to the last. In UTF-16 and UTF-32 the NULs
/// before (big endian) or after (little endian) belong to neither, so one form serves both.
const fn span(length: usize, stride: usize) -> usize {
    length * stride - (stride - 1)
}

#[cfg(test)]
pub(super) mod tests {
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::key::Kind;

    pub(in crate::scan) fn detector(prefixes: &[&str]) -> Detector {
        let declare = |p: &&str| KeyType {
            name: (*p).to_owned(),
            prefix: p.parse().unwrap(),
            environment: "live".to_owned(),
            kind: Kind::Secret,
            format: Format::Kgate,
            default_expires: None,
        };
        Detector::new(&KeyTypes::new(prefixes.iter().map(declare).collect())).unwrap()
    }

    pub(in crate::scan) fn token(prefix: &str, seed: u64) -> String {
        Token::mint(&prefix.parse().unwrap(), &mut StdRng::seed_from_u64(seed)).expose().to_owned()
    }

    fn found(detector: &Detector, bytes: &[u8]) -> Vec<String> {
        let mut hits = Vec::new();
        detector.search(bytes, &mut hits);
        hits.sort_unstable();
        hits.iter().map(|hit| hit.token(bytes).expose().to_owned()).collect()
    }

    #[test]
    fn keys_glued_to_anything_are_found() {
        let detector = detector(&["acme_live"]);
        let [a, b, c] = [token("acme_live", 1), token("acme_live", 2), token("acme_live", 3)];
        for text in [
            a.clone(),
            format!("x{a}"),
            format!("Bearer_{a}9Zz"),
            format!("{a}\n"),
            format!("\"{a}\""),
            format!("acme_live_{a}"),
            format!("acme_live_acme_{a}_acme_live_"),
        ] {
            assert_eq!(found(&detector, text.as_bytes()), [&*a], "{text}");
        }
        assert_eq!(found(&detector, format!("{a}{b}").as_bytes()), [&*a, &*b]);
        assert_eq!(found(&detector, format!("{a}{b}{c}").as_bytes()), [a, b, c]);
        assert!(found(&detector, b"").is_empty());
    }

    #[test]
    fn nested_and_self_overlapping_prefixes_are_found() {
        let detector = detector(&["acme", "acme_live", "live", "a_a"]);
        for (prefix, seed) in [("acme", 1), ("acme_live", 2), ("live", 3), ("a_a", 4)] {
            let token = token(prefix, seed);
            let text = format!("a_{token}");
            let mut hits = Vec::new();
            detector.search(text.as_bytes(), &mut hits);
            assert_eq!(hits.len(), 1, "{prefix}");
            assert_eq!(detector.key_type(hits[0].key_type).name, prefix);
            assert_eq!(hits[0].token(text.as_bytes()).expose(), token);
        }
    }

    #[test]
    fn utf_16_of_either_order_is_found() {
        let detector = detector(&["acme_live"]);
        let [a, b] = [token("acme_live", 1), token("acme_live", 2)];
        for text in [a.clone(), format!("\u{feff}key={a}{b}\r\n{a}"), format!("ключ {a}")] {
            let expected = found(&detector, text.as_bytes());
            let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
            let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
            assert_eq!(found(&detector, &little), expected);
            assert_eq!(found(&detector, &big), expected);
        }
    }

    #[test]
    fn five_hundred_decoys_give_nothing() {
        let detector = detector(&["acme_live"]);
        for seed in 0..125_usize {
            let token = token("acme_live", seed as u64);
            let at = 10 + (seed * 7) % TAIL_LEN;
            let mut changed = token.clone().into_bytes();
            changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
            let mut transposed = token.clone().into_bytes();
            let pair = (10..47).find(|&i| transposed[i] != transposed[i + 1]).unwrap();
            transposed.swap(pair, pair + 1);
            let folded = if seed % 2 == 0 { token.to_lowercase() } else { token.to_uppercase() };
            for decoy in [&changed[..], &token.as_bytes()[..token.len() - 1], &transposed, folded.as_bytes()]
            {
                let text = [b"key = \"", decoy, b"\"\n"].concat();
                assert!(found(&detector, &text).is_empty(), "{}", String::from_utf8_lossy(&text));
            }
        }
    }

    #[test]
    fn opaque_types_are_named_as_out_of_reach() {
        let mut types = detector(&["acme"]).types;
        types.push(KeyType {
            name: "legacy".into(),
            format: Format::Opaque { min_len: 20, max_len: 30 },
            ..types[0].clone()
        });
        let detector = Detector::new(&KeyTypes::new(types.clone())).unwrap();
        assert_eq!(detector.unscannable(), ["legacy"]);
        assert!(Detector::new(&KeyTypes::new(types.split_off(1))).is_err());
    }
}
