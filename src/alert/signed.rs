//! Signatures: ECDSA P-256 over SHA-256 of the raw body, or HMAC-SHA-256 of time and body.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use p256::ecdsa::Signature;
use p256::ecdsa::signature::Verifier;
use sha2::{Digest, Sha256};

use super::keys::KeyList;
use super::{Alert, AlertError};
use crate::config::Secret;
use crate::key::Timestamp;

/// The header fields of a source.
#[derive(Clone, Copy)]
pub(super) struct Names {
    pub(super) key: &'static str,
    pub(super) signature: &'static str,
}

/// When an alert of another sender was signed, in Unix seconds.
const TIMESTAMP: &str = "Kgate-Leaks-Timestamp";
/// `sha256=` and the HMAC of timestamp, `.` and body, in hexadecimal.
const SIGNATURE: &str = "Kgate-Leaks-Signature";

/// Checks an alert signed with a private key. Returns what tells it from other alerts.
///
/// That is the body, not the signature: for one body there are many.
pub(super) fn check_public(alert: &Alert<'_>, list: &KeyList, names: Names) -> Result<[u8; 32], AlertError> {
    let id = header(alert, names.key)?;
    let signature = header(alert, names.signature)?;
    let key = std::str::from_utf8(id).ok().and_then(|id| list.get(id)).ok_or(AlertError::UnknownKey)?;
    let der = STANDARD.decode(signature).map_err(|_| AlertError::Signature)?;
    let signature = Signature::from_der(&der).map_err(|_| AlertError::Signature)?;
    key.verify(alert.body, &signature).map_err(|_| AlertError::Signature)?;
    Ok(Sha256::digest(alert.body).into())
}

/// Checks an alert signed with the shared secret. Returns what tells it from other alerts.
pub(super) fn check_shared(
    alert: &Alert<'_>,
    secret: &Secret,
    window: Duration,
    now: Timestamp,
) -> Result<[u8; 32], AlertError> {
    let timestamp = header(alert, TIMESTAMP)?;
    let signature = header(alert, SIGNATURE)?;
    let tag = signature.strip_prefix(b"sha256=").and_then(from_hex).ok_or(AlertError::Signature)?;
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.expose()).expect("HMAC takes keys of any length");
    mac.update(timestamp);
    mac.update(b".");
    mac.update(alert.body);
    // In constant time.
    mac.verify_slice(&tag).map_err(|_| AlertError::Signature)?;
    // Only now is the time anybody's word.
    let seconds: i64 = std::str::from_utf8(timestamp)
        .ok()
        .filter(|text| text.bytes().all(|b| b.is_ascii_digit()))
        .and_then(|text| text.parse().ok())
        .ok_or(AlertError::Header(TIMESTAMP))?;
    let off = now.as_secs().abs_diff(seconds);
    if off > window.as_secs() { Err(AlertError::Stale) } else { Ok(tag) }
}

/// Returns the one value of a header field.
fn header<'r>(alert: &Alert<'r>, name: &'static str) -> Result<&'r [u8], AlertError> {
    let mut values = alert.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name));
    match (values.next(), values.next()) {
        (Some((_, value)), None) => Ok(value.trim_ascii()),
        _ => Err(AlertError::Header(name)),
    }
}

fn from_hex(text: &[u8]) -> Option<[u8; 32]> {
    let digest: crate::key::Digest = std::str::from_utf8(text).ok()?.parse().ok()?;
    Some(*digest.as_bytes())
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::VerifyingKey;
    use p256::pkcs8::DecodePublicKey;

    use super::super::Source;
    use super::*;

    /// A signed body that GitHub's documentation gave as its example, and the key that fits.
    #[test]
    fn githubs_own_example_fits() {
        let pem = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE9MJJHnMfn2+H4xL4YaPDA4RpJqUq\n\
                   kCmRCBnYERxZanmcpzQSXs1X/AljlKkbJ8qpVIW4clayyef9gWhFbNHWAA==\n-----END PUBLIC KEY-----\n";
        let id = "90a421169f0a406205f1563a953312f0be898d3c7b6c06b681aa86a874555f4a";
        let body = br#"[{"type":"github_oauth_token","token":"cb4985f91f740272c0234202299f43808034d7f5","url":" https://github.com/github/faketestrepo/blob/b0dd59c0b500650cacd4551ca5989a6194001b10/production.env"}]"#;
        let signature = "MEQCIAfgjgz6Ou/3DXMYZBervz1TKCHFsvwMcbuJhNZse622AiAG86/cku2XdcmFWNHl2WSJi2fkE8t+auvB24eURaOd2A==";
        let list = KeyList::from([(id.to_owned(), VerifyingKey::from_public_key_pem(pem).unwrap())]);
        let headers = [
            ("github-public-key-identifier".to_owned(), id.into()),
            ("github-public-key-signature".to_owned(), signature.into()),
        ];
        let alert = |body| Alert { source: Source::Github, headers: &headers, body };
        assert!(check_public(&alert(body), &list, super::super::GITHUB).is_ok());
        let changed = [&body[..], b" "].concat();
        assert!(matches!(
            check_public(&alert(&changed), &list, super::super::GITHUB),
            Err(AlertError::Signature)
        ));
    }
}
