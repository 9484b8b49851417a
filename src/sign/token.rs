//! Tokens in their compact form (RFC 7515 §7.1).

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;

use super::code::CodeKey;
use super::key::SigningKey;

/// What signs a token.
#[derive(Clone, Copy, Debug)]
pub enum Signer<'k> {
    /// A key of the ring.
    Key(&'k SigningKey),
    /// A secret the backend has, too: HS256 (RFC 7518 §3.2).
    Shared(&'k CodeKey),
}

/// Signs `claims`, a JSON object, and returns the whole token: printable ASCII.
pub fn compact(signer: Signer<'_>, claims: &[u8]) -> String {
    let header = match signer {
        Signer::Key(key) => format!(r#"{{"alg":"{}","kid":"{}","typ":"JWT"}}"#, key.algorithm(), key.id()),
        Signer::Shared(_) => r#"{"alg":"HS256","typ":"JWT"}"#.to_owned(),
    };
    let mut token = String::with_capacity(256 + claims.len() * 4 / 3);
    BASE64.encode_string(header, &mut token);
    token.push('.');
    BASE64.encode_string(claims, &mut token);
    let signature = match signer {
        Signer::Key(key) => BASE64.encode(key.sign(token.as_bytes())),
        Signer::Shared(secret) => BASE64.encode(secret.code(&[token.as_bytes()])),
    };
    token.push('.');
    token.push_str(&signature);
    token
}
