//! The printed token: `prefix_` + 32 random base62 characters + 6 base62 characters of CRC-32.
//!
//! The format is written down in `docs/key-format.md`, with vectors in `tests/vectors/`.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use rand::CryptoRng;

/// Random characters in a token: 32 of 62 possible, 190 bits.
pub const RANDOM_LEN: usize = 32;
/// Characters of checksum at the end of a token.
pub const CHECKSUM_LEN: usize = 6;
/// What follows `prefix_`: the random part and the checksum.
pub const TAIL_LEN: usize = RANDOM_LEN + CHECKSUM_LEN;

const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What every token of a key type starts with: `acme_live`.
///
/// 1–24 characters, `[a-z][a-z0-9]*(_[a-z0-9]+)*`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Prefix(Box<str>);

impl Prefix {
    /// The longest prefix, in bytes.
    pub const MAX_LEN: usize = 24;

    /// Returns the prefix without the underscore that follows it in a token.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Prefix {
    type Err = PrefixError;

    fn from_str(text: &str) -> Result<Self, PrefixError> {
        let segment =
            |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let good = text.len() <= Self::MAX_LEN
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.split('_').all(segment);
        if good { Ok(Self(text.into())) } else { Err(PrefixError(text.to_owned())) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The text cannot be a prefix.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a prefix: 1 to 24 characters of a-z, 0-9 and single inner underscores, a letter first")]
pub struct PrefixError(String);

/// A whole token, in the clear. It prints itself as `[redacted]` and leaves only through
/// [`Token::expose`]; its memory is overwritten when it is dropped.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(zeroize::Zeroizing<String>);

impl Token {
    /// Makes a new token under `prefix`.
    ///
    /// Characters are drawn by rejection sampling, so every one is equally likely.
    pub fn mint(prefix: &Prefix, rng: &mut impl CryptoRng) -> Self {
        let mut text = String::with_capacity(prefix.as_str().len() + 1 + TAIL_LEN);
        text.push_str(prefix.as_str());
        text.push('_');
        while text.len() < prefix.as_str().len() + 1 + RANDOM_LEN {
            let mut batch = zeroize::Zeroizing::new([0; RANDOM_LEN]);
            rng.fill_bytes(&mut *batch);
            for byte in *batch {
                // 62 of 64 values of the low six bits are characters; the other two are thrown away.
                if let Some(&c) = ALPHABET.get(usize::from(byte & 63))
                    && text.len() < prefix.as_str().len() + 1 + RANDOM_LEN
                {
                    text.push(char::from(c));
                }
            }
        }
        let sum = checksum(text.as_bytes());
        text.push_str(std::str::from_utf8(&sum).expect("base62 is ASCII"));
        Self(zeroize::Zeroizing::new(text))
    }

    /// Wraps a token someone presented. Nothing is checked.
    pub fn from_presented(text: impl Into<String>) -> Self {
        Self(zeroize::Zeroizing::new(text.into()))
    }

    /// Returns the token in the clear: the one way out. Never log it.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the last four characters, or fewer if there are fewer.
    pub fn last_four(&self) -> &str {
        let start = self.0.char_indices().rev().nth(3).map_or(0, |(i, _)| i);
        &self.0[start..]
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Returns the CRC-32 (ISO-HDLC) of `bytes` as six zero-padded base62 digits, most significant first.
///
/// It finds typos and garbage; anyone can compute it, so it secures nothing.
pub fn checksum(bytes: &[u8]) -> [u8; CHECKSUM_LEN] {
    let mut rest = crc32fast::hash(bytes);
    let mut digits = [b'0'; CHECKSUM_LEN];
    for digit in digits.iter_mut().rev() {
        *digit = ALPHABET[(rest % 62) as usize];
        rest /= 62;
    }
    digits
}

/// Returns `text` with every whole token in it replaced by its prefix and `…`.
///
/// It goes by the checksum and needs no declared prefixes: for messages that repeat what a person
/// typed, and for texts that will be stored.
pub fn redact_tokens(text: &str) -> Cow<'_, str> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut clean = String::new();
    let mut kept = 0;
    for word in text.split(|c| !is_word(c)) {
        let Some(start) = word.len().checked_sub(TAIL_LEN + 1) else { continue };
        let (prefix, rest) = word.split_at(start);
        if prefix.is_empty()
            || !rest.starts_with('_')
            || check_tail(word.as_bytes(), &rest.as_bytes()[1..]).is_err()
        {
            continue;
        }
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        clean.push_str(&text[kept..at]);
        clean.push_str(prefix);
        clean.push_str("_…");
        kept = at + word.len();
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    clean.push_str(&text[kept..]);
    Cow::Owned(clean)
}

/// Says whether `tail`, what follows `prefix_` in `token`, has the right length, alphabet and
/// checksum.
pub(super) fn check_tail(token: &[u8], tail: &[u8]) -> Result<(), TailFault> {
    if tail.len() != TAIL_LEN {
        return Err(TailFault::Length);
    }
    // Without an early end, so that it is done many bytes at a time.
    if tail.iter().fold(0, |bad, byte| bad | u8::from(!byte.is_ascii_alphanumeric())) != 0 {
        return Err(TailFault::Alphabet);
    }
    let (body, sum) = token.split_at(token.len() - CHECKSUM_LEN);
    if u64::from(crc32fast::hash(body)) == number(sum) { Ok(()) } else { Err(TailFault::Checksum) }
}

/// Returns what base62 digits stand for. Of a fixed number of digits each number has one spelling, so
/// comparing numbers is comparing texts, and need not wait for the other side to be printed.
fn number(digits: &[u8]) -> u64 {
    digits.iter().fold(0, |number, digit| number * 62 + u64::from(VALUES[usize::from(*digit)]))
}

/// The digit that each byte of the alphabet is.
const VALUES: [u8; 256] = {
    let mut values = [0; 256];
    let mut digit: u8 = 0;
    while digit < 62 {
        values[ALPHABET[digit as usize] as usize] = digit;
        digit += 1;
    }
    values
};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TailFault {
    Length,
    Alphabet,
    Checksum,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_lower_case_words() {
        for good in ["a", "acme", "acme_live", "acme_sk_test", "a1_2", "abcdefghijklmnopqrstuvwx"] {
            assert!(good.parse::<Prefix>().is_ok(), "{good}");
        }
        for bad in ["", "1a", "_a", "a_", "a__b", "A", "a-b", "ä", "abcdefghijklmnopqrstuvwxy", "a b"] {
            assert!(bad.parse::<Prefix>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_token_never_prints_itself() {
        let token = Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
        assert_eq!(format!("{token:?}"), "[redacted]");
        assert_eq!(token.expose().len(), "acme_live_".len() + TAIL_LEN);
        assert!(token.expose().ends_with(token.last_four()));
    }

    #[test]
    fn checksum_is_crc32_iso_hdlc_in_base62() {
        // The check value of CRC-32/ISO-HDLC over "123456789" is 0xCBF43926 = 3421780262.
        assert_eq!(&checksum(b"123456789"), b"3jZRME");
    }

    #[test]
    fn whole_tokens_are_redacted_and_nothing_else() {
        let token = Token::mint(&"acme_live".parse().unwrap(), &mut rand::rng());
        let text = format!("unexpected argument '{0}' found: --{0}=\u{e9} {0}", token.expose());
        let clean = redact_tokens(&text);
        assert!(!clean.contains(token.expose()), "{clean}");
        assert_eq!(clean, "unexpected argument 'acme_live_…' found: --acme_live_…=\u{e9} acme_live_…");
        let decoy = token.expose().replace("acme_live_", "acme_test_");
        assert_eq!(redact_tokens(&decoy), decoy);
        assert_eq!(redact_tokens(""), "");
    }

    #[test]
    fn every_character_is_drawn() {
        let prefix = "p".parse().unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..200 {
            seen.extend(Token::mint(&prefix, &mut rand::rng()).expose()[2..34].chars());
        }
        assert_eq!(seen.len(), 62);
    }
}
