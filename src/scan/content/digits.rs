//! Base64 and hexadecimal around a place: digits of a fixed number of bits, with line breaks between.

use super::super::place::Encoding;
use super::decoded::Decoded;

/// A way to write bytes as digits.
pub(super) struct Alphabet {
    /// Bits of a digit.
    bits: usize,
    /// Digits after which digits and bytes begin together again.
    group: usize,
    /// The value of each character, or [`NONE`].
    values: [u8; 256],
    /// The most digits a token takes.
    need: usize,
    encoding: Encoding,
}

/// Base64 and base64url, which differ in nothing a token needs.
pub(super) static BASE64: Alphabet = Alphabet {
    bits: 6,
    group: 4,
    values: values(&[b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", B64_URL]),
    // 63 characters, twice encoded, or as UTF-16.
    need: 176,
    encoding: Encoding::Base64,
};
const B64_URL: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Hexadecimal of either case.
pub(super) static HEX: Alphabet = Alphabet {
    bits: 4,
    group: 2,
    values: values(&[b"0123456789abcdef", b"0123456789ABCDEF"]),
    need: 128,
    encoding: Encoding::Hex,
};

/// Decodes around clues, and knows what was decoded already.
pub(super) struct Digits {
    alphabet: &'static Alphabet,
    /// The last stretches decoded, one for each place in a group a byte can begin with.
    stretches: [Stretch; 4],
    oldest: usize,
}

#[derive(Default)]
struct Stretch {
    /// Places and values.
    digits: Vec<(usize, u8)>,
    /// The number in its group of the first digit.
    phase: usize,
    /// Every token that begins before this is in it.
    end: usize,
}

impl Digits {
    pub(super) fn new(alphabet: &'static Alphabet) -> Self {
        Self { alphabet, stretches: Default::default(), oldest: 0 }
    }

    /// Forgets what was decoded, for other bytes.
    pub(super) fn reset(&mut self) {
        self.stretches.iter_mut().for_each(|stretch| stretch.end = 0);
    }

    /// Decodes what stands around `at`, a digit that is number `phase` of its group, into `decoded`,
    /// unless that was done.
    ///
    /// A text full of clues is decoded about twice for each phase.
    pub(super) fn decode(&mut self, bytes: &[u8], at: usize, phase: usize, decoded: &mut Decoded) -> bool {
        if self.stretches.iter().any(|s| s.covers(at, phase, self.alphabet.group)) {
            return false;
        }
        self.oldest = (self.oldest + 1) % self.stretches.len();
        let stretch = &mut self.stretches[self.oldest];
        stretch.gather(self.alphabet, bytes, at, phase);
        let skipped = (self.alphabet.group - stretch.phase) % self.alphabet.group;
        self.alphabet.combine(stretch.digits.get(skipped..).unwrap_or_default(), decoded);
        true
    }

    pub(super) fn encoding(&self) -> Encoding {
        self.alphabet.encoding
    }
}

impl Stretch {
    fn covers(&self, at: usize, phase: usize, group: usize) -> bool {
        at < self.end
            && self
                .digits
                .binary_search_by_key(&at, |&(place, _)| place)
                .is_ok_and(|number| (self.phase + number) % group == phase)
    }

    fn gather(&mut self, alphabet: &Alphabet, bytes: &[u8], at: usize, phase: usize) {
        self.digits.clear();
        alphabet.gather_before(bytes, at, &mut self.digits);
        let before = self.digits.len();
        self.phase = (phase + alphabet.group * BACK - before) % alphabet.group;
        let end = alphabet.gather_from(bytes, at, before + FORWARD, &mut self.digits);
        let is_cut = self.digits.len() == before + FORWARD;
        self.end = if is_cut { self.digits[self.digits.len() - alphabet.need].0 } else { end };
    }
}

impl Alphabet {
    fn value(&self, byte: u8) -> Option<u8> {
        Some(self.values[usize::from(byte)]).filter(|&v| v != NONE)
    }

    /// Gathers up to [`BACK`] digits before `at`, in order.
    fn gather_before(&self, bytes: &[u8], at: usize, digits: &mut Vec<(usize, u8)>) {
        let mut i = at;
        let mut last = at;
        while digits.len() < BACK {
            let skip = break_before(bytes.get(last.saturating_sub(BREAK)..i).unwrap_or_default());
            if skip > 0 {
                i -= skip;
            } else if let Some(value) = i.checked_sub(1).and_then(|i| self.value(bytes[i])) {
                i -= 1;
                last = i;
                digits.push((i, value));
            } else {
                break;
            }
        }
        digits.reverse();
    }

    /// Gathers digits from `at` on, until there are `most`. Returns where it stopped.
    fn gather_from(&self, bytes: &[u8], at: usize, most: usize, digits: &mut Vec<(usize, u8)>) -> usize {
        let mut i = at;
        let mut last = at;
        while digits.len() < most {
            let skip = break_after(&bytes[i..bytes.len().min(last + BREAK).max(i)]);
            if skip > 0 {
                i += skip;
            } else if let Some(value) = bytes.get(i).and_then(|&b| self.value(b)) {
                digits.push((i, value));
                i += 1;
                last = i;
            } else {
                break;
            }
        }
        i
    }

    fn combine(&self, digits: &[(usize, u8)], decoded: &mut Decoded) {
        decoded.clear();
        let mut held = 0_u32;
        let mut bits = 0;
        let mut start = 0;
        for &(at, value) in digits {
            if bits == 0 {
                start = at;
            }
            held = held << self.bits | u32::from(value);
            bits += self.bits;
            if bits >= 8 {
                bits -= 8;
                decoded.push((held >> bits & 0xff) as u8, start, at + 1, 0);
                // What is left of this digit begins the next byte.
                start = at;
            }
        }
    }
}

/// Returns the bytes of the break that `bytes` begin with: white space, as itself or as an escape in a
/// string, or a backslash before a line break, a slash or another backslash.
fn break_after(bytes: &[u8]) -> usize {
    match bytes {
        [b'\\', b'n' | b'r' | b't', ..] => 2,
        [b' ' | b'\t' | b'\r' | b'\n', ..] | [b'\\', b'\\' | b'/' | b'\r' | b'\n', ..] => 1,
        _ => 0,
    }
}

/// Returns the bytes of the break that `bytes` end with.
fn break_before(bytes: &[u8]) -> usize {
    match bytes {
        [.., b' ' | b'\t' | b'\r' | b'\n' | b'\\'] => 1,
        [.., b'\\', b'n' | b'r' | b't'] => 2,
        _ => 0,
    }
}

const fn values(alphabets: &[&[u8]]) -> [u8; 256] {
    let mut values = [NONE; 256];
    let mut a = 0;
    while a < alphabets.len() {
        let mut value = 0_u8;
        while (value as usize) < alphabets[a].len() {
            values[alphabets[a][value as usize] as usize] = value;
            value += 1;
        }
        a += 1;
    }
    values
}

const NONE: u8 = 255;
/// Digits looked at before a clue: as many as a prefix takes, twice encoded.
const BACK: usize = 64;
/// Digits looked at from a clue on: some tokens, so that a text full of clues is decoded about twice.
const FORWARD: usize = 512;
/// The longest break between two digits, in bytes.
const BREAK: usize = 128;
