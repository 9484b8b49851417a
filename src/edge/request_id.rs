//! What a request is called in answers, logs and at the backend; and the trace it belongs to.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use rand::Rng;

use crate::config::RequestIdTrust;

/// `X-Request-Id`.
pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The name of one request: 1 to 128 characters of `A-Z a-z 0-9 . _ -`, so that it can stand in
/// JSON, a log line and a header as it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The longest id that is taken from others.
    pub const MAX_LEN: usize = 128;

    /// Makes a new one of 128 random bits, as 32 hexadecimal digits.
    pub fn make(rng: &mut impl Rng) -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let bits = (u128::from(rng.next_u64()) << 64) | u128::from(rng.next_u64());
        let mut text = [0; 32];
        for (byte, pair) in bits.to_be_bytes().into_iter().zip(text.chunks_exact_mut(2)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(HeaderValue::from_bytes(&text).expect("hexadecimal digits fit a header"))
    }

    /// Takes the one the client sent if it may name requests and this one is sane and single, else
    /// makes one.
    pub fn take_or_make(
        headers: &HeaderMap,
        peer_is_trusted: bool,
        trust: RequestIdTrust,
        rng: &mut impl Rng,
    ) -> Self {
        let is_believed = match trust {
            RequestIdTrust::TrustedProxies => peer_is_trusted,
            RequestIdTrust::Anyone => true,
            RequestIdTrust::Nobody => false,
        };
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(id), None) if is_believed && is_sane(id.as_bytes()) => Self(id.clone()),
            _ => Self::make(rng),
        }
    }

    /// Returns the id of a request that was never made, and is only asked about.
    pub(super) fn of_nothing() -> Self {
        Self(HeaderValue::from_static("-"))
    }

    /// Returns the id as text.
    pub fn as_str(&self) -> &str {
        self.0.to_str().expect("a request id is ASCII")
    }

    /// Returns the id as a header's value, to send on and back.
    pub fn as_value(&self) -> &HeaderValue {
        &self.0
    }
}

fn is_sane(id: &[u8]) -> bool {
    (1..=RequestId::MAX_LEN).contains(&id.len())
        && id.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn take(sent: &[&str], peer_is_trusted: bool, trust: RequestIdTrust) -> Option<String> {
        let mut map = HeaderMap::new();
        for id in sent {
            map.append(X_REQUEST_ID, HeaderValue::from_bytes(id.as_bytes()).unwrap());
        }
        let id = RequestId::take_or_make(&map, peer_is_trusted, trust, &mut rand::rng());
        sent.contains(&id.as_str()).then(|| id.as_str().to_owned())
    }

    #[test]
    fn only_sane_ids_of_believed_peers_are_taken() {
        use RequestIdTrust::{Anyone, Nobody, TrustedProxies};
        let long = "x".repeat(129);
        for (sent, peer_is_trusted, trust, taken) in [
            (&["a-B.9_z"][..], true, TrustedProxies, true),
            (&["a"], false, TrustedProxies, false),
            (&["a"], false, Anyone, true),
            (&["a"], true, Nobody, false),
            (&["a", "b"], true, TrustedProxies, false),
            (&[""], true, TrustedProxies, false),
            (&["a b"], true, TrustedProxies, false),
            (&["a\"b"], true, TrustedProxies, false),
            (&["ä"], true, TrustedProxies, false),
            (&[&long[..128]], true, TrustedProxies, true),
            (&[&long], true, TrustedProxies, false),
            (&[], true, TrustedProxies, false),
        ] {
            assert_eq!(take(sent, peer_is_trusted, trust).is_some(), taken, "{sent:?} {trust:?}");
        }
    }

    #[test]
    fn made_ids_differ_and_have_128_bits() {
        let mut rng = rand::rng();
        let ids: HashSet<String> = (0..1000).map(|_| RequestId::make(&mut rng).as_str().to_owned()).collect();
        assert_eq!(ids.len(), 1000);
        assert!(ids.iter().all(|id| id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())));
    }
}
