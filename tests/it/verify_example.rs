//! What a Rust backend needs to know who calls: `ed25519-dalek`, `base64`, `hmac`, `sha2`, `serde_json`.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD as BASE64};
use ed25519_dalek::{Signature, VerifyingKey};
use hmac::{Hmac, KeyInit, Mac};
use serde_json::Value;
use sha2::Sha256;

/// How far the clocks may be apart, in seconds.
const LEEWAY: u64 = 5;

/// Takes the keys of a JWKS by their `kid`. Fetch it anew when a `kid` is missing, once a minute at most.
pub fn keys(jwks: &Value) -> HashMap<String, VerifyingKey> {
    let key = |jwk: &Value| {
        if jwk["kty"] != "OKP" || jwk["crv"] != "Ed25519" {
            return None;
        }
        let x = BASE64.decode(jwk["x"].as_str()?).ok()?;
        let key = VerifyingKey::from_bytes(x.as_slice().try_into().ok()?).ok()?;
        Some((jwk["kid"].as_str()?.to_owned(), key))
    };
    jwks["keys"].as_array().into_iter().flatten().filter_map(key).collect()
}

/// Returns what a token claims, if it is kgate's, meant for `audience`, and of now (Unix seconds).
pub fn verify_token(
    token: &str,
    keys: &HashMap<String, VerifyingKey>,
    audience: &str,
    now: u64,
) -> Option<Value> {
    let (signed, signature) = token.rsplit_once('.')?;
    let (header, claims) = signed.split_once('.')?;
    let json = |part: &str| serde_json::from_slice::<Value>(&BASE64.decode(part).ok()?).ok();
    let header = json(header)?;
    // The backend says how tokens are signed; a token that could choose would choose `none`.
    if header["alg"] != "EdDSA" {
        return None;
    }
    let key = keys.get(header["kid"].as_str()?)?;
    let signature = Signature::from_slice(&BASE64.decode(signature).ok()?).ok()?;
    key.verify_strict(signed.as_bytes(), &signature).ok()?;
    let claims = json(claims)?;
    let is_now = claims["exp"].as_u64()?.checked_add(LEEWAY)? > now
        && claims["iat"].as_u64()? <= now.checked_add(LEEWAY)?;
    (is_now && claims["iss"] == "kgate" && claims["aud"] == audience).then_some(claims)
}

/// The identity headers in the order they are covered in: these seven, or what `[identity_headers]` calls
/// them, then those of `forward_metadata` as it lists them.
pub const COVERED: &[&str] = &[
    "x-consumer-id",
    "x-consumer-name",
    "x-consumer-external-id",
    "x-consumer-scopes",
    "x-consumer-plan",
    "x-key-id",
    "x-ratelimit-remaining",
    "x-consumer-meta-tier",
];

/// Says whether kgate sent this request, to this upstream, as it is, just now.
///
/// `target` is the request line's: path and query, byte for byte. `values` returns all values of a header.
pub fn verify_request<'h>(
    secret: &[u8],
    upstream: &str,
    (method, target): (&str, &str),
    values: impl Fn(&str) -> Vec<&'h str>,
    now: u64,
) -> bool {
    let ours = ["x-kgate-timestamp", "x-kgate-signature", "x-request-id"];
    // Of two values the code could cover one and the backend act on the other.
    if ours.iter().chain(COVERED).any(|name| values(name).len() > 1) {
        return false;
    }
    let value = |name| values(name).first().copied().unwrap_or_default();
    let at = value("x-kgate-timestamp");
    let mut text =
        format!("kgate-hmac-v1\n{upstream}\n{method}\n{target}\n{at}\n{}\n", value("x-request-id"));
    for name in COVERED {
        text.extend([name, ":", value(name), "\n"]);
    }
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret) else { return false };
    mac.update(text.as_bytes());
    let digits = value("x-kgate-signature").strip_prefix("v1=").unwrap_or_default();
    let code: Option<Vec<u8>> =
        (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok()).collect();
    let is_now = at.parse::<u64>().is_ok_and(|at| at.abs_diff(now) <= 30);
    // `verify_slice` takes the same time wherever the codes differ.
    is_now && code.is_some_and(|code| mac.verify_slice(&code).is_ok())
}
