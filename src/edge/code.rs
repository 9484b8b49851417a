//! The code over a request by which a backend knows that kgate sent it, and as it is.

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::identity::Sent;
use crate::config::Secret;
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
        let mut value = *b"v1=0000000000000000000000000000000000000000000000000000000000000000";
        let code = self.key.code(&[self.preamble.as_bytes(), &text]);
        for (byte, pair) in code.iter().zip(value[3..].chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        (at, HeaderValue::from_bytes(&value).expect("hexadecimal digits fit a header"))
    }
}
