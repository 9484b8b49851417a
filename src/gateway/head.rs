//! Looks at the bytes of a request head as they come: where it ends, and whether it is worth parsing.
//! Not a parser: Pingora parses. It finds the blank line, so that a head is parsed once, and refuses
//! what servers disagree about, so that nobody behind us reads another request than we did.

use memchr::{memchr, memchr_iter};

/// How far a head has been looked at.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// Where the head begins, after empty lines.
    start: usize,
    /// Everything before this has been looked at.
    seen: usize,
    /// Where the current line begins.
    line: usize,
    lines: usize,
}

/// What there is so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    /// The head is `bytes[start..end]`, its blank line included.
    Complete { start: usize, end: usize },
    /// More must come.
    Partial,
    /// It has more bytes or fields than allowed.
    TooLarge,
    /// It is no HTTP/1 request.
    Malformed,
}

impl Scan {
    /// Looks at what has come since the last call; `bytes` begins where it began then.
    pub(super) fn advance(&mut self, bytes: &[u8], max_bytes: usize, max_fields: usize) -> Found {
        if self.lines == 0 && self.line == self.start {
            // RFC 9112 §2.2: empty lines before a request line are ignored. A few are enough.
            while self.start < MAX_EMPTY && bytes[self.start..].starts_with(b"\r\n") {
                self.start += 2;
            }
            self.line = self.start;
            self.seen = self.seen.max(self.start);
        }
        while let Some(at) = memchr(b'\n', &bytes[self.seen..]).map(|i| self.seen + i) {
            self.seen = at + 1;
            // Before anything else, so that the answer is the same however the bytes were cut.
            if at + 1 - self.start > max_bytes {
                return Found::TooLarge;
            }
            let line = &bytes[self.line..at];
            // A bare LF ends a line for some and not for others (RFC 9112 §2.2 lets us choose).
            let Some(line) = line.strip_suffix(b"\r") else { return Found::Malformed };
            if self.lines == 0 {
                if !is_request_line(line) {
                    return Found::Malformed;
                }
            } else if line.is_empty() {
                return Found::Complete { start: self.start, end: at + 1 };
            }
            self.lines += 1;
            self.line = at + 1;
            if self.lines > max_fields.saturating_add(1) {
                return Found::TooLarge;
            }
        }
        self.seen = bytes.len();
        if bytes.len() - self.start > max_bytes { Found::TooLarge } else { Found::Partial }
    }
}

/// Says whether a whole head has a `Content-Length`, of whatever value. Pingora takes it out of a head that has a
/// `Transfer-Encoding`, too, before anybody can ask.
pub(super) fn has_length(head: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length:";
    memchr_iter(b'\n', head).any(|at| {
        head.get(at + 1..)
            .and_then(|line| line.get(..NAME.len()))
            .is_some_and(|n| n.eq_ignore_ascii_case(NAME))
    })
}

/// `method SP target SP HTTP/1.x`, with exactly two spaces and no control byte: an escaping parser
/// would read another target than a splitting one.
fn is_request_line(line: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b' ');
    let (Some(method), Some(target), Some(version), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return false;
    };
    !method.is_empty()
        && method.len() <= MAX_METHOD
        && !target.is_empty()
        && matches!(version, b"HTTP/1.1" | b"HTTP/1.0")
        && !line.iter().any(u8::is_ascii_control)
}

/// Bytes of empty lines before a request line.
const MAX_EMPTY: usize = 8;

/// The longest registered method has 17 bytes.
pub(super) const MAX_METHOD: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn scan(bytes: &[u8]) -> Found {
        Scan::default().advance(bytes, 200, 3)
    }

    #[test]
    fn a_head_ends_with_its_blank_line() {
        let head = b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
        assert_eq!(scan(head), Found::Complete { start: 0, end: head.len() });
        let more = [&head[..], b"body\r\n\r\n"].concat();
        assert_eq!(scan(&more), Found::Complete { start: 0, end: head.len() });
        assert_eq!(scan(b"GET / HTTP/1.0\r\n\r\n"), Found::Complete { start: 0, end: 18 });
        assert_eq!(scan(b"\r\n\r\nGET / HTTP/1.0\r\n\r\n"), Found::Complete { start: 4, end: 22 });
    }

    #[test]
    fn what_servers_disagree_about_is_malformed() {
        for head in [
            &b"GET / HTTP/1.1\nHost: a\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nHost: a\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\n\n",
            b"GET /a b HTTP/1.1\r\n\r\n",
            b"GET  / HTTP/1.1\r\n\r\n",
            b"GET /\tb HTTP/1.1\r\n\r\n",
            b"GET /\0 HTTP/1.1\r\n\r\n",
            b"GET /\x7f HTTP/1.1\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET / HTTP/0.9\r\n\r\n",
            b"GET / http/1.1\r\n\r\n",
            b"GET /\r\n\r\n",
            b" / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1 \r\n\r\n",
            b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n",
            b"\n\nGET / HTTP/1.1\r\n\r\n",
        ] {
            assert_eq!(scan(head), Found::Malformed, "{}", head.escape_ascii());
        }
    }

    #[test]
    fn a_length_is_found_wherever_it_stands_and_nowhere_else() {
        for (fields, has) in [
            ("Content-Length: 1\r\n", true),
            ("A: b\r\ncontent-LENGTH:1\r\nC: d\r\n", true),
            ("A: b\r\nContent-Length:\r\n", true),
            ("A: Content-Length: 1\r\n", false),
            ("X-Content-Length: 1\r\n", false),
            ("Content-Lengths: 1\r\n", false),
            ("Content_Length: 1\r\n", false),
            ("", false),
        ] {
            let head = format!("GET /content-length:1 HTTP/1.1\r\n{fields}\r\n");
            assert_eq!(has_length(head.as_bytes()), has, "{fields:?}");
        }
    }

    #[test]
    fn caps_are_exact() {
        let head = |fields: usize| format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(fields));
        assert!(matches!(scan(head(3).as_bytes()), Found::Complete { .. }));
        assert_eq!(scan(head(4).as_bytes()), Found::TooLarge);
        let long = |n: usize| format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(n - 23));
        assert_eq!(scan(long(200).as_bytes()), Found::Complete { start: 0, end: 200 });
        assert_eq!(scan(long(201).as_bytes()), Found::TooLarge);
        assert_eq!(scan(&long(300).as_bytes()[..200]), Found::Partial);
        assert_eq!(scan(&long(300).as_bytes()[..201]), Found::TooLarge);
        assert_eq!(scan(&[b'A'; 201]), Found::TooLarge);
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_the_bytes_are_cut(
            bytes in prop::collection::vec(
                prop::sample::select(vec![&b"\r\n"[..], b"\n", b"\r", b"GET / HTTP/1.1\r\n", b"a: b\r\n", b"x"]),
                0..12,
            ),
            cuts in prop::collection::vec(0usize..100, 0..6),
        ) {
            let bytes = bytes.concat();
            let whole = scan(&bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let mut parts = Scan::default();
            let mut found = Found::Partial;
            for cut in cuts {
                if found == Found::Partial {
                    found = parts.advance(&bytes[..cut], 200, 3);
                }
            }
            prop_assert_eq!(found, whole);
        }
    }
}
