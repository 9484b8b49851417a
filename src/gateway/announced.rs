//! Reads the header of the PROXY protocol, versions 1 and 2, told apart by their first bytes. What it says is
//! `edge`'s to understand.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::edge::Announced;

/// Reads the header, and not a byte of what follows it.
///
/// # Errors
/// [`io::ErrorKind::InvalidData`]: there is none, or it is malformed.
pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Announced> {
    let mut begin = [0; V2_SIGNATURE.len()];
    from.read_exact(&mut begin).await?;
    if begin == V2_SIGNATURE {
        let mut rest = [0; 4];
        from.read_exact(&mut rest).await?;
        let length = usize::from(u16::from_be_bytes([rest[2], rest[3]]));
        if length > V2_LONGEST {
            return Err(malformed());
        }
        let mut addresses = vec![0; length];
        from.read_exact(&mut addresses).await?;
        return Announced::from_v2(rest[0], rest[1], &addresses).ok_or_else(malformed);
    }
    let mut line = begin.to_vec();
    // No further than the end of the line: what follows is TLS, or a request.
    while !line.ends_with(b"\r\n") {
        if line.len() >= V1_LONGEST || !V1_SIGNATURE.iter().eq(&line[..V1_SIGNATURE.len()]) {
            return Err(malformed());
        }
        line.push(from.read_u8().await?);
    }
    Announced::from_v1(&line).ok_or_else(malformed)
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

const V1_SIGNATURE: &[u8] = b"PROXY ";

/// With its line end.
const V1_LONGEST: usize = 107;

const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Addresses take 216 bytes at most; what balancers add beside them is short.
const V2_LONGEST: usize = 4096;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What is announced, and how many bytes were left.
    fn look(bytes: &[u8]) -> (Option<Announced>, usize) {
        let mut rest = bytes;
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let found = runtime.block_on(read(&mut rest)).ok();
        (found, rest.len())
    }

    fn header(version: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let length = u16::try_from(rest.len()).unwrap().to_be_bytes();
        [&V2_SIGNATURE[..], &[version, family], &length, rest].concat()
    }

    fn client(address: &str) -> Announced {
        Announced::Client(address.parse().unwrap())
    }

    #[test]
    fn both_versions_name_the_client_and_end_where_they_end() {
        let v4 = [192, 0, 2, 7, 203, 0, 113, 1, 0xdc, 4, 1, 0xbb];
        let mut v6 = [0; 36];
        v6[15] = 1;
        for (bytes, wanted) in [
            (b"PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\r\n".to_vec(), Some(client("192.0.2.7"))),
            (b"PROXY TCP6 2001:db8::7 ::1 0 65535\r\n".to_vec(), Some(client("2001:db8::7"))),
            (b"PROXY UNKNOWN\r\n".to_vec(), Some(Announced::Unknown)),
            (b"PROXY UNKNOWN whatever it says\r\n".to_vec(), Some(Announced::Unknown)),
            (header(0x21, 0x11, &v4), Some(client("192.0.2.7"))),
            (header(0x21, 0x11, &[&v4[..], b"\x04\0\x03abc"].concat()), Some(client("192.0.2.7"))),
            (header(0x21, 0x21, &v6), Some(client("::1"))),
            (header(0x20, 0x00, b""), Some(Announced::Itself)),
            (header(0x21, 0x00, b""), Some(Announced::Unknown)),
            (header(0x21, 0x31, &[0; 216]), Some(Announced::Unknown)),
        ] {
            let more = [&bytes[..], b"GET / HTTP/1.1\r\n"].concat();
            assert_eq!(look(&more), (wanted, 16), "{}", bytes.escape_ascii());
            for cut in 0..bytes.len() {
                assert_eq!(look(&bytes[..cut]).0, None, "{}", bytes[..cut].escape_ascii());
            }
        }
    }

    #[test]
    fn what_is_not_exactly_one_is_malformed() {
        for bytes in [
            &b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..],
            b"PROXY TCP4 192.0.2.7 203.0.113.1 56324 443\n",
            b"PROXY TCP4 192.0.2.7 203.0.113.1 56324\r\n",
            b"PROXY TCP4 192.0.2.7 203.0.113.1 56324 443 x\r\n",
            b"PROXY TCP4  192.0.2.7 203.0.113.1 56324 443\r\n",
            b"PROXY TCP4 192.0.2.7 203.0.113.1 056324 443\r\n",
            b"PROXY TCP4 192.0.2.7 203.0.113.1 +5 443\r\n",
            b"PROXY TCP4 192.0.2.7 203.0.113.1 70000 443\r\n",
            b"PROXY TCP4 ::1 ::1 1 2\r\n",
            b"PROXY TCP6 192.0.2.7 192.0.2.7 1 2\r\n",
            b"PROXY TCP4 192.0.2.007 192.0.2.7 1 2\r\n",
            b"PROXY UDP4 192.0.2.7 192.0.2.7 1 2\r\n",
            b"proxy TCP4 192.0.2.7 192.0.2.7 1 2\r\n",
            b"PROXY UNKNOWNx\r\n",
            &header(0x11, 0x11, &[0; 12]),
            &header(0x22, 0x11, &[0; 12]),
            &header(0x21, 0x11, &[0; 11]),
            &header(0x21, 0x21, &[0; 35]),
            &header(0x21, 0x12, &[0; 12]),
            &header(0x21, 0x11, &[0; 5000]),
            &[b"PROXY UNKNOWN ", &[b'a'; 200][..], b"\r\n"].concat(),
        ] {
            assert_eq!(look(bytes).0, None, "{}", bytes.escape_ascii());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..300), kind in 0..3u8) {
            let bytes = match kind {
                0 => bytes,
                1 => [V1_SIGNATURE, &bytes].concat(),
                _ => [&V2_SIGNATURE[..], &bytes].concat(),
            };
            let (_, left) = look(&bytes);
            prop_assert!(left <= bytes.len());
        }
    }
}
