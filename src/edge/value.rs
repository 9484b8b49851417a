//! Text from records as header values.

use std::borrow::Cow;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

/// Returns `text` in a form that is the same header value for every reader.
///
/// Bytes that are control characters, non-ASCII (of the UTF-8 form) or `%`, and a space at either end,
/// become `%` and two upper-case hexadecimal digits; the rest stays. Percent-decoding gives the text
/// back, so the encoding loses nothing and nothing can end a header or begin another. A comma stays:
/// only names and metadata contain one, and those are single values.
pub fn header_safe(text: &str) -> Cow<'_, str> {
    if is_safe(text.as_bytes()) {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len() + 16);
    push_header_safe(text, &mut out);
    Cow::Owned(String::from_utf8(out).expect("the encoding is ASCII"))
}

/// Appends what [`header_safe`] returns.
pub fn push_header_safe(text: &str, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let bytes = text.as_bytes();
    if is_safe(bytes) {
        return out.extend_from_slice(bytes);
    }
    for (at, byte) in bytes.iter().copied().enumerate() {
        let is_edge_space = byte == b' ' && (at == 0 || at + 1 == bytes.len());
        if is_plain(byte) && !is_edge_space {
            out.push(byte);
        } else {
            out.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
        }
    }
}

/// Appends a number in decimal, without the cost of formatting.
pub(super) fn push_number(mut number: u64, out: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        digits[at] = b'0' + u8::try_from(number % 10).expect("a digit");
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Header values written into one buffer: one allocation for all of them, not one each.
pub(super) struct Values<'n> {
    buffer: Vec<u8>,
    /// Where each value ends.
    ends: Vec<(&'n HeaderName, usize)>,
}

impl<'n> Values<'n> {
    /// Makes room for so many values, and so many bytes of them all.
    pub(super) fn with_room(values: usize, bytes: usize) -> Self {
        Self { buffer: Vec::with_capacity(bytes), ends: Vec::with_capacity(values) }
    }

    /// Adds text, header-safe; nothing if there is none.
    pub(super) fn text(&mut self, name: &'n HeaderName, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        self.push(name, |out| push_header_safe(text, out));
    }

    /// Has plain ASCII appended: identifiers, names of limits and numbers.
    pub(super) fn push(&mut self, name: &'n HeaderName, push: impl FnOnce(&mut Vec<u8>)) {
        push(&mut self.buffer);
        self.ends.push((name, self.buffer.len()));
    }

    /// Calls `visit` with each value, in the order in which they were added.
    pub(super) fn each(self, mut visit: impl FnMut(&HeaderName, HeaderValue)) {
        let all = Bytes::from(self.buffer);
        let mut start = 0;
        for (name, end) in self.ends {
            let value = HeaderValue::from_maybe_shared(all.slice(start..end));
            visit(name, value.expect("header-safe text fits a header"));
            start = end;
        }
    }
}

fn is_safe(bytes: &[u8]) -> bool {
    bytes.iter().copied().all(is_plain) && bytes.first() != Some(&b' ') && bytes.last() != Some(&b' ')
}

const fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'%'
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn decode(text: &str) -> Vec<u8> {
        let mut bytes = text.bytes();
        let mut out = Vec::new();
        while let Some(byte) = bytes.next() {
            if byte == b'%' {
                let digits = [bytes.next().unwrap(), bytes.next().unwrap()];
                out.push(u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap());
            } else {
                out.push(byte);
            }
        }
        out
    }

    #[test]
    fn ordinary_text_stays_and_the_rest_is_percent_encoded() {
        for (text, safe) in [
            ("Acme Corp", "Acme Corp"),
            ("a, \"b\"; c=d", "a, \"b\"; c=d"),
            ("", ""),
            ("100%", "100%25"),
            ("Söhne", "S%C3%B6hne"),
            ("a\r\nX-Admin: 1", "a%0D%0AX-Admin: 1"),
            ("\0\t\u{7f}", "%00%09%7F"),
            (" a ", "%20a%20"),
            (" ", "%20"),
        ] {
            assert_eq!(header_safe(text), safe);
        }
        assert!(matches!(header_safe("Acme"), Cow::Borrowed(_)));
    }

    proptest! {
        #[test]
        fn any_text_is_one_value_and_comes_back(text in any::<String>()) {
            let safe = header_safe(&text);
            prop_assert!(safe.bytes().all(|b| (b' '..=b'~').contains(&b)));
            prop_assert_eq!(safe.trim(), safe.as_ref());
            prop_assert!(HeaderValue::from_str(&safe).is_ok());
            prop_assert_eq!(decode(&safe), text.as_bytes());
        }

        #[test]
        fn different_texts_stay_different(a in any::<String>(), b in any::<String>()) {
            prop_assert_eq!(header_safe(&a) == header_safe(&b), a == b);
        }
    }
}
