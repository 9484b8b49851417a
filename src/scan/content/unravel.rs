//! Escapes and split literals around a place, undone together: percent codes, HTML entities, the
//! escapes of strings, quoted-printable, and where one literal ends and the next begins.
//!
//! Only what stands for a character of a token is decoded, so that the `=` of an assignment is not
//! taken for quoted-printable: no token begins with a digit.

use super::decoded::{Decoded, ESCAPE, HTML, PERCENT, QUOTED, SOFT_BREAK, SPLIT};

/// How far a content has been unravelled.
#[derive(Default)]
pub(super) struct Progress {
    /// Every token that begins before this was seen.
    covered: usize,
    /// Something stands before this that no token goes across.
    barrier: usize,
}

impl Progress {
    /// Unravels what stands around the clue at `at` into `decoded`, unless that was done.
    ///
    /// Each byte is looked at about once, however many clues there are.
    pub(super) fn unravel(&mut self, bytes: &[u8], at: usize, decoded: &mut Decoded) -> bool {
        if at < self.covered {
            return false;
        }
        decoded.clear();
        let mut i = at.saturating_sub(BACK).max(self.barrier);
        let mut joined = 0;
        while let Some(&byte) = bytes.get(i) {
            let written = escaped(&bytes[i..]).unwrap_or(Written::plain(byte));
            let end = i + written.length;
            match written.byte {
                None => joined |= written.how,
                Some(byte) => {
                    decoded.push(byte, i, end, written.how | joined);
                    joined = 0;
                    if i > at && !is_of_token(byte) {
                        self.covered = i;
                        self.barrier = i;
                        return true;
                    }
                }
            }
            i = end;
            if decoded.bytes.len() >= MOST {
                self.covered = i.saturating_sub(SPAN).max(at + 1);
                return true;
            }
        }
        self.covered = bytes.len();
        true
    }
}

/// Says whether `byte` may begin an escape or end a literal, between two characters of a token.
pub(super) fn may_begin(byte: u8) -> bool {
    matches!(byte, b'%' | b'&' | b'\\' | b'=' | b'"' | b'\'' | b'`' | b'\r' | b'\n')
}

/// Says whether `bytes` may end with an escape or with what joins two literals.
pub(super) fn may_end(bytes: &[u8]) -> bool {
    match bytes.last() {
        Some(b'"' | b'\'' | b'`' | b';' | b'}' | b'\n') => true,
        Some(b' ' | b'\t') => {
            let indent = bytes.iter().rev().take(JOIN).take_while(|b| matches!(b, b' ' | b'\t')).count();
            bytes[..bytes.len() - indent].ends_with(b"\n")
        }
        Some(last) if last.is_ascii_hexdigit() => {
            bytes.iter().rev().take(LONGEST_ESCAPE).any(|b| matches!(b, b'%' | b'=' | b'\\'))
        }
        _ => false,
    }
}

/// What some bytes stand for.
struct Written {
    /// The character, or none for what joins two.
    byte: Option<u8>,
    length: usize,
    how: u8,
}

impl Written {
    fn plain(byte: u8) -> Self {
        Self { byte: Some(byte), length: 1, how: 0 }
    }

    fn join(length: usize, how: u8) -> Self {
        Self { byte: None, length, how }
    }

    /// A character written as `length` bytes, if it is one of a token.
    fn character(value: u32, length: usize, how: u8) -> Option<Self> {
        let byte = u8::try_from(value).ok().filter(|&b| is_of_token(b))?;
        Some(Self { byte: Some(byte), length, how })
    }
}

/// Returns what `bytes` begin with, if not a plain character.
fn escaped(bytes: &[u8]) -> Option<Written> {
    match bytes[0] {
        b'%' => Written::character(hex(bytes, 1, 2)?, 3, PERCENT),
        b'=' => quoted_printable(bytes),
        b'&' => entity(bytes),
        b'\\' => backslashes(bytes),
        b'"' | b'\'' | b'`' => joint(bytes, 0),
        b'\r' | b'\n' => fold(bytes),
        _ => None,
    }
}

/// What goes on in the next line, with or without indentation: a folded scalar of YAML, a value that was
/// wrapped. Without a token on both sides it joins nothing.
fn fold(bytes: &[u8]) -> Option<Written> {
    let feed = line_break(bytes)?;
    let indent = count(&bytes[feed..], JOIN, |b| matches!(b, b' ' | b'\t'));
    bytes.get(feed + indent).filter(|b| is_of_token(**b))?;
    Some(Written::join(feed + indent, SPLIT))
}

fn quoted_printable(bytes: &[u8]) -> Option<Written> {
    if let Some(code) = hex(bytes, 1, 2) {
        return Written::character(code, 3, QUOTED);
    }
    // White space after the sign is not sent, but may have been added on the way.
    let blank = count(&bytes[1..], JOIN, |b| matches!(b, b' ' | b'\t'));
    let feed = line_break(&bytes[1 + blank..])?;
    Some(Written::join(1 + blank + feed, SOFT_BREAK))
}

fn entity(bytes: &[u8]) -> Option<Written> {
    for name in [&b"&lowbar;"[..], b"&UnderBar;"] {
        if bytes.starts_with(name) {
            return Written::character(u32::from(b'_'), name.len(), HTML);
        }
    }
    let rest = bytes.strip_prefix(b"&#")?;
    let (radix, start) = if matches!(rest.first()?, b'x' | b'X') { (16, 1) } else { (10, 0) };
    let digits = count(&rest[start..], LONGEST_ESCAPE, |b| char::from(b).is_digit(radix));
    let (code, end) = (number(&rest[start..start + digits], radix)?, start + digits);
    (rest.get(end) == Some(&b';')).then_some(())?;
    Written::character(code, 2 + end + 1, HTML)
}

/// What one or more backslashes begin: in a string within a string they are doubled.
fn backslashes(bytes: &[u8]) -> Option<Written> {
    let slashes = count(bytes, LONGEST_ESCAPE, |b| b == b'\\');
    let character = |code, length| Written::character(code, slashes + length, ESCAPE);
    match bytes.get(slashes)? {
        b'x' => character(hex(bytes, slashes + 1, 2)?, 3),
        b'u' if bytes.get(slashes + 1) == Some(&b'{') => {
            let digits = count(&bytes[slashes + 2..], 8, |b| b.is_ascii_hexdigit());
            let code = hex(bytes, slashes + 2, digits)?;
            (bytes.get(slashes + 2 + digits) == Some(&b'}')).then_some(())?;
            character(code, digits + 3)
        }
        b'u' => character(hex(bytes, slashes + 1, 4)?, 5),
        b'U' => character(hex(bytes, slashes + 1, 8)?, 9),
        b'0' | b'1' => character(number(bytes.get(slashes..slashes + 3)?, 8)?, 3),
        b'"' | b'\'' | b'`' => joint(bytes, slashes),
        _ => {
            let feed = line_break(&bytes[slashes..])?;
            let indent = count(&bytes[slashes + feed..], JOIN, |b| matches!(b, b' ' | b'\t'));
            Some(Written::join(slashes + feed + indent, SPLIT))
        }
    }
}

/// What joins two literals: a quotation mark, perhaps an operator, another quotation mark. Each may
/// have backslashes before it, of which `slashes` come before the first.
fn joint(bytes: &[u8], slashes: usize) -> Option<Written> {
    let mut i = slashes + 1;
    i += count(&bytes[i..], JOIN, |b| b.is_ascii_whitespace() || b"+.&~<>|\\_".contains(&b));
    if i > slashes + 1 {
        // `f"…"`, `u8"…"`
        i += count(&bytes[i..], 2, |b| b.is_ascii_alphanumeric());
    }
    matches!(bytes.get(i)?, b'"' | b'\'' | b'`').then(|| Written::join(i + 1, SPLIT))
}

fn line_break(bytes: &[u8]) -> Option<usize> {
    match bytes {
        [b'\n', ..] => Some(1),
        [b'\r', b'\n', ..] => Some(2),
        _ => None,
    }
}

fn count(bytes: &[u8], most: usize, is: impl Fn(u8) -> bool) -> usize {
    bytes.iter().take(most).take_while(|&&b| is(b)).count()
}

fn hex(bytes: &[u8], at: usize, digits: usize) -> Option<u32> {
    number(bytes.get(at..at + digits)?, 16)
}

fn number(digits: &[u8], radix: u32) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits
        .iter()
        .try_fold(0_u32, |value, &b| value.checked_mul(radix)?.checked_add(char::from(b).to_digit(radix)?))
}

fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

/// Bytes looked at before a clue: a prefix, every character an escape, with a joint in it.
const BACK: usize = 512;
/// Bytes a token takes at most when it is unravelled.
pub(super) const SPAN: usize = 4 << 10;
/// Bytes unravelled at a time.
const MOST: usize = 64 << 10;
/// The longest joint, in bytes: an operator between two lines, with indentation.
const JOIN: usize = 160;
/// The longest escape: `\U0000005f`, `&#x0005f;`.
const LONGEST_ESCAPE: usize = 12;
