//! Where a request's body ends, byte by byte. Pingora reads bodies; this follows them beside it, so that
//! Pingora is never handed a byte of what comes after, and refuses chunks that servers read in different
//! ways: a size without digits, which Pingora takes for zero, ends a body that others go on reading.

use http::header::{HeaderMap, TRANSFER_ENCODING};

/// What a head says of its body's coding.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Coding {
    /// Nothing.
    None,
    /// One `chunked`.
    Chunked,
    /// Another one or several: they are read in many ways, or lost on the way (RFC 9112 §6.1).
    Other,
}

impl Coding {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut codings = headers.get_all(TRANSFER_ENCODING).iter();
        match (codings.next(), codings.next()) {
            (None, _) => Self::None,
            (Some(coding), None) if coding.as_bytes().eq_ignore_ascii_case(b"chunked") => Self::Chunked,
            _ => Self::Other,
        }
    }
}

/// What ends the body of a message, and how much of it has passed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Framing {
    /// So many bytes are still to come.
    Length(u64),
    /// The last chunk and its trailer end it (RFC 9112 §7.1).
    Chunked(Chunk),
    /// The connection was upgraded: there is no end but its own.
    Endless,
}

/// Where in a chunked body the next byte is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Chunk {
    /// In the size, after so many digits.
    Size { size: u64, digits: u8 },
    /// In an extension, of which so many bytes have come.
    Extension { size: u64, length: u16 },
    /// At the LF that ends a size.
    SizeEnd { size: u64 },
    /// In the data, of which so much is left.
    Data(u64),
    /// At the CR after the data.
    DataCr,
    /// At the LF after it.
    DataLf,
    /// At the start of a line of the trailer, after so many bytes of it.
    Line { length: u16 },
    /// In such a line.
    Field { length: u16 },
    /// At its LF.
    FieldEnd { length: u16 },
    /// At the last LF of all.
    End,
    /// Behind it.
    Done,
}

/// A body breaks the rules of its framing.
#[derive(Debug, thiserror::Error)]
#[error("a chunk is malformed")]
pub(super) struct Malformed;

impl Framing {
    /// A request without a body.
    pub(super) const NONE: Self = Self::Length(0);

    /// A chunked body of which nothing has come.
    pub(super) const CHUNKED: Self = Self::Chunked(Chunk::Size { size: 0, digits: 0 });

    /// Says whether the whole body has passed.
    pub(super) fn is_done(self) -> bool {
        matches!(self, Self::Length(0) | Self::Chunked(Chunk::Done))
    }

    /// Returns how many bytes are the body's whatever they are.
    pub(super) fn free(self) -> u64 {
        match self {
            Self::Length(left) | Self::Chunked(Chunk::Data(left)) => left,
            Self::Endless => u64::MAX,
            Self::Chunked(_) => 0,
        }
    }

    /// Notes that bytes have passed that are the body's whatever they are, at most [`free`](Self::free).
    pub(super) fn pass(&mut self, count: u64) {
        match self {
            Self::Length(left) => *left = left.saturating_sub(count),
            Self::Chunked(chunk) => {
                if let Chunk::Data(left) = chunk {
                    *chunk = data(left.saturating_sub(count));
                }
            }
            Self::Endless => {}
        }
    }

    /// Returns how many of the bytes are the body's, and notes that they have passed.
    ///
    /// # Errors
    /// [`Malformed`]: they break the rules of chunks, from which on nothing can be told.
    pub(super) fn follow(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() && !self.is_done() {
            let free = usize::try_from(self.free()).unwrap_or(usize::MAX).min(bytes.len() - at);
            if free > 0 {
                self.pass(free as u64);
                at += free;
            } else if let Self::Chunked(chunk) = self {
                *chunk = chunk.after(bytes[at]).ok_or(Malformed)?;
                at += 1;
            }
        }
        Ok(at)
    }
}

impl Chunk {
    /// Returns where the byte after this one is; `None` if this one may not be here. Within data any may.
    fn after(self, byte: u8) -> Option<Self> {
        match self {
            Self::Size { size, digits } => match (hex(byte), byte) {
                (Some(digit), _) if digits < MAX_DIGITS => {
                    Some(Self::Size { size: size << 4 | digit, digits: digits + 1 })
                }
                (None, b'\r') if digits > 0 => Some(Self::SizeEnd { size }),
                (None, b';') if digits > 0 => Some(Self::Extension { size, length: 0 }),
                _ => None,
            },
            Self::Extension { size, length } => match byte {
                b'\r' => Some(Self::SizeEnd { size }),
                _ if is_text(byte) && length < MAX_EXTENSION => {
                    Some(Self::Extension { size, length: length + 1 })
                }
                _ => None,
            },
            Self::SizeEnd { size: 0 } => (byte == b'\n').then_some(Self::Line { length: 0 }),
            Self::SizeEnd { size } => (byte == b'\n').then_some(Self::Data(size)),
            Self::Data(left) => Some(data(left.saturating_sub(1))),
            Self::DataCr => (byte == b'\r').then_some(Self::DataLf),
            Self::DataLf => (byte == b'\n').then_some(Self::Size { size: 0, digits: 0 }),
            Self::Line { length } => match byte {
                b'\r' => Some(Self::End),
                // A line that begins with a space would go on with the one before (obs-fold).
                b' ' | b'\t' => None,
                _ => Self::field(length, byte),
            },
            Self::Field { length } => match byte {
                b'\r' => Some(Self::FieldEnd { length }),
                _ => Self::field(length, byte),
            },
            Self::FieldEnd { length } => (byte == b'\n').then_some(Self::Line { length }),
            Self::End => (byte == b'\n').then_some(Self::Done),
            Self::Done => None,
        }
    }

    fn field(length: u16, byte: u8) -> Option<Self> {
        (is_text(byte) && length < MAX_TRAILER).then_some(Self::Field { length: length + 1 })
    }
}

fn data(left: u64) -> Chunk {
    if left == 0 { Chunk::DataCr } else { Chunk::Data(left) }
}

fn hex(byte: u8) -> Option<u64> {
    char::from(byte).to_digit(16).map(u64::from)
}

fn is_text(byte: u8) -> bool {
    byte == b'\t' || !byte.is_ascii_control()
}

/// Sixteen would fit; nobody's chunk needs more than fifteen, and no sum of such sizes overflows.
const MAX_DIGITS: u8 = 15;

/// Nobody uses extensions; what they cost us is bounded.
const MAX_EXTENSION: u16 = 256;

/// Bytes of all lines of a trailer. Nothing of it is passed on.
const MAX_TRAILER: u16 = 8 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where a chunked body ends; `None` while it has not, or an error.
    fn end(bytes: &[u8]) -> Result<Option<usize>, ()> {
        let mut framing = Framing::CHUNKED;
        let at = framing.follow(bytes).map_err(|Malformed| ())?;
        Ok(framing.is_done().then_some(at))
    }

    #[test]
    fn a_body_ends_where_its_framing_says() {
        let mut framing = Framing::Length(3);
        assert_eq!(framing.follow(b"ab").unwrap(), 2);
        assert_eq!(framing.follow(b"cGET /").unwrap(), 1);
        assert!(framing.is_done() && Framing::NONE.is_done());
        let mut framing = Framing::Endless;
        assert_eq!(framing.follow(b"anything\n").unwrap(), 9);
        assert!(!framing.is_done());
        for body in [
            "0\r\n\r\n",
            "000\r\n\r\n",
            "5\r\nhello\r\n0\r\n\r\n",
            "A\r\n0\r\n\r\n\n\n\n\n\n\r\n0\r\n\r\n",
            "1;a=b\r\nx\r\n0;c=\"d\"\r\n\r\n",
            "0\r\nDigest: abc\r\nB:\r\n\r\n",
        ] {
            let more = format!("{body}GET / HTTP/1.1\r\n\r\n");
            assert_eq!(end(more.as_bytes()), Ok(Some(body.len())), "{body:?}");
            assert_eq!(end(&body.as_bytes()[..body.len() - 1]), Ok(None), "{body:?}");
        }
    }

    #[test]
    fn chunks_that_servers_read_in_different_ways_are_malformed() {
        let long_extension = format!("1;{}\r\n", "a".repeat(300));
        let long_trailer = format!("0\r\n{}", "a: b\r\n".repeat(3000));
        for bytes in [
            "\r\n",
            ";ext\r\n",
            "\n",
            "-1\r\n",
            "+1\r\n",
            " 1\r\n",
            "1 \r\n",
            "0x1\r\n",
            "g\r\n",
            "1\nx",
            "1\rx",
            "1;a\nx",
            "1;a\rb\r\n",
            "1;a\0\r\n",
            "1\r\nxx",
            "1\r\nx\n",
            "1\r\nx\rx",
            "0\n\n",
            "0\r\n\n",
            "0\r\n\rx",
            "0\r\n folded: x\r\n",
            "0\r\na: b\n",
            "0\r\na: b\rc",
            "1234567890abcdef\r\n",
            &long_extension,
            &long_trailer,
        ] {
            assert_eq!(end(bytes.as_bytes()), Err(()), "{bytes:.40?}");
        }
    }

    proptest! {
        #[test]
        fn it_makes_no_difference_how_a_body_is_cut(
            parts in prop::collection::vec(
                prop::sample::select(vec!["0\r\n", "\r\n", "3\r\nabc\r\n", "1;x\r\ny\r\n", "a: b\r\n", "\n", "f"]),
                0..8,
            ),
            cuts in prop::collection::vec(0usize..60, 0..6),
        ) {
            let bytes = parts.concat().into_bytes();
            let whole = end(&bytes);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
            cuts.push(bytes.len());
            cuts.sort_unstable();
            let (mut framing, mut at, mut outcome) = (Framing::CHUNKED, 0, Ok(None));
            for cut in cuts {
                while at < cut && outcome == Ok(None) {
                    match framing.follow(&bytes[at..cut]) {
                        Ok(n) => at += n,
                        Err(Malformed) => outcome = Err(()),
                    }
                    if framing.is_done() {
                        outcome = Ok(Some(at));
                    }
                }
            }
            prop_assert_eq!(outcome, whole);
        }
    }
}
