//! The code over a request by which a backend knows that kgate sent it, and as it is.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::identity::Sent;
use crate::config::{IdentityHeader, IdentityHeaders, Secret};
use crate::key::Timestamp;
use crate::sign::CodeKey;

/// Makes one upstream's codes. The bytes are told in `docs/verify-backend.md`.
#[derive(Debug)]
pub(super) struct Coder {
    key: CodeKey,
    /// What the text begins with: the version and the upstream.
    preamble: String,
    /// Every header that tells who calls, in the order it is covered in.
    covered: Vec<HeaderName>,
}

impl Coder {
    pub(super) fn new(secret: &Secret, upstream: &str, covered: Vec<HeaderName>) -> Self {
        let preamble = format!("kgate-hmac-v1\n{upstream}\n");
        Self { key: CodeKey::new(secret.expose()), preamble, covered }
    }

    /// Returns the time and the code of a request whose other headers are all set.
    pub(super) fn code(&self, headers: &HeaderMap, sent: &Sent<'_>) -> (HeaderValue, HeaderValue) {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let at = HeaderValue::from(sent.at.as_secs());
        let mut value = *b"v1=0000000000000000000000000000000000000000000000000000000000000000";
        let text = self.text(headers, sent, &at);
        let code = self.key.code(&[self.preamble.as_bytes(), &text]);
        for (byte, pair) in code.iter().zip(value[3..].chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        (at, HeaderValue::from_bytes(&value).expect("hexadecimal digits fit a header"))
    }

    /// Returns what is covered, but for the beginning that is always the same.
    fn text(&self, headers: &HeaderMap, sent: &Sent<'_>, at: &HeaderValue) -> Vec<u8> {
        let mut text = Vec::with_capacity(512 + sent.target.len());
        for line in [
            sent.method.as_bytes(),
            sent.target,
            at.as_bytes(),
            headers.get(super::X_REQUEST_ID).map_or(b"", HeaderValue::as_bytes),
        ] {
            text.extend_from_slice(line);
            text.push(b'\n');
        }
        for name in &self.covered {
            text.extend_from_slice(name.as_str().as_bytes());
            text.push(b':');
            text.extend_from_slice(headers.get(name).map_or(b"", HeaderValue::as_bytes));
            text.push(b'\n');
        }
        text
    }
}

/// Knows by their codes the requests that were sent to one upstream: for the backend's side.
#[derive(Debug)]
pub struct CodeCheck(Coder);

impl CodeCheck {
    /// Takes the secret, the upstream's name, what identity headers are called, and the metadata that is
    /// forwarded, in this order.
    pub fn new(secret: &Secret, upstream: &str, names: &IdentityHeaders, metadata: &[String]) -> Self {
        let single = IdentityHeader::ALL.into_iter().map(|header| names.name(header).to_owned());
        let covered = single.chain(metadata.iter().map(|key| names.meta_name(key)));
        let covered = covered.map(|name| HeaderName::from_bytes(name.as_bytes()));
        Self(Coder::new(secret, upstream, covered.collect::<Result<_, _>>().expect("they are names")))
    }

    /// Says whether a request was sent by the gateway, to this upstream, as it is, within 30 seconds of `now`.
    /// `target` is the request line's, byte for byte.
    pub fn is_sealed(&self, headers: &HeaderMap, method: &str, target: &[u8], now: Timestamp) -> bool {
        let ours = [super::identity::TIMESTAMP, super::identity::SIGNATURE, super::X_REQUEST_ID];
        // Of two values the code could cover one and the backend act on the other.
        let is_twice = |name| headers.get_all(name).iter().nth(1).is_some();
        if ours.iter().chain(&self.0.covered).any(is_twice) {
            return false;
        }
        let (Some(at), Some(code)) = (headers.get(&ours[0]), headers.get(&ours[1])) else { return false };
        let seconds = at.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
        let Some(seconds) = seconds.and_then(|text| text.parse::<i64>().ok()) else { return false };
        if seconds.abs_diff(now.as_secs()) > FRESH {
            return false;
        }
        let sent = Sent { method, target, at: Timestamp::from_secs(seconds) };
        let Some(code) = code.as_bytes().strip_prefix(b"v1=").and_then(bytes) else { return false };
        let text = self.0.text(headers, &sent, at);
        self.0.key.has_made(&code, &[self.0.preamble.as_bytes(), &text])
    }
}

/// Reads 64 lower-case hexadecimal digits.
fn bytes(digits: &[u8]) -> Option<[u8; 32]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    let mut out = [0; 32];
    if digits.len() != 2 * out.len() {
        return None;
    }
    for (pair, byte) in digits.chunks_exact(2).zip(&mut out) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(out)
}

/// How far the clocks of gateway and backend may be apart, in seconds.
const FRESH: u64 = 30;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_believed_within_thirty_seconds() {
        let secret = Secret::new(b"0123456789abcdef0123456789abcdef".to_vec());
        let check = CodeCheck::new(&secret, "echo", &IdentityHeaders::default(), &[]);
        let mut headers = HeaderMap::new();
        headers.insert(super::super::X_REQUEST_ID, HeaderValue::from_static("a"));
        let sent = Sent { method: "GET", target: b"/a?b", at: Timestamp::from_secs(1_000) };
        let (at, code) = check.0.code(&headers, &sent);
        headers.insert(super::super::identity::TIMESTAMP, at);
        headers.insert(super::super::identity::SIGNATURE, code);
        for (now, is_sealed) in [(1_000, true), (970, true), (1_030, true), (969, false), (1_031, false)] {
            let now = Timestamp::from_secs(now);
            assert_eq!(check.is_sealed(&headers, "GET", b"/a?b", now), is_sealed, "{now}");
        }
        assert!(!check.is_sealed(&headers, "GET", b"/a", sent.at));
    }
}
