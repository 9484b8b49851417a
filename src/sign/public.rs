//! The other side: what a backend needs to know a token of kgate's.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use p256::ecdsa::signature::Verifier as _;
use serde_json::Value;

use super::code::CodeKey;
use super::key::Algorithm;

/// The public parts of signing keys, by their names.
#[derive(Clone, Debug, Default)]
pub struct PublicKeys {
    keys: Vec<(String, PublicKey)>,
}

#[derive(Clone, Debug)]
enum PublicKey {
    EdDsa(Box<ed25519_dalek::VerifyingKey>),
    Es256(Box<p256::ecdsa::VerifyingKey>),
}

/// A text is no set of public keys.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum JwksError {
    /// It is not in the form of RFC 7517 §5.
    #[error("it is no JSON Web Key Set")]
    Form,
    /// It has keys, and none that kgate signs with.
    #[error("there is no EdDSA or ES256 key in it")]
    Empty,
}

impl PublicKeys {
    /// Reads a JSON Web Key Set: what `/.well-known/jwks.json` and `kgate signing-key jwks` give. Keys of
    /// other kinds in it are passed over.
    ///
    /// # Errors
    /// [`JwksError`]: with these keys every token would be refused.
    pub fn from_jwks(text: &[u8]) -> Result<Self, JwksError> {
        let set: Value = serde_json::from_slice(text).map_err(|_| JwksError::Form)?;
        let keys = set["keys"].as_array().ok_or(JwksError::Form)?;
        let named = |jwk: &Value| Some((jwk["kid"].as_str()?.to_owned(), PublicKey::from_jwk(jwk)?));
        let keys: Vec<_> = keys.iter().filter_map(named).collect();
        if keys.is_empty() { Err(JwksError::Empty) } else { Ok(Self { keys }) }
    }

    /// Returns what a token claims if one of these keys signed it, by that key's own algorithm: a token
    /// that could choose would choose `none`.
    pub fn claims(&self, token: &str) -> Option<Value> {
        let parts = Parts::of(token)?;
        let named = |(name, _): &&(String, PublicKey)| parts.header["kid"] == name.as_str();
        let (_, key) = self.keys.iter().find(named)?;
        if parts.header["alg"] != key.algorithm().as_str() || !key.has_signed(parts.signed, &parts.signature)
        {
            return None;
        }
        parts.claims()
    }
}

/// Returns what a token claims if it was signed under a shared secret (HS256).
pub fn shared_claims(token: &str, secret: &CodeKey) -> Option<Value> {
    let parts = Parts::of(token)?;
    if parts.header["alg"] != "HS256" || !secret.has_made(&parts.signature, &[parts.signed.as_bytes()]) {
        return None;
    }
    parts.claims()
}

impl PublicKey {
    fn from_jwk(jwk: &Value) -> Option<Self> {
        let part = |name: &str| BASE64.decode(jwk[name].as_str()?).ok();
        match (jwk["kty"].as_str()?, jwk["crv"].as_str()?) {
            ("OKP", "Ed25519") => {
                let x = <[u8; 32]>::try_from(part("x")?).ok()?;
                Some(Self::EdDsa(Box::new(ed25519_dalek::VerifyingKey::from_bytes(&x).ok()?)))
            }
            ("EC", "P-256") => {
                // An uncompressed point: 4, then both coordinates (SEC 1 §2.3.3).
                let point = [vec![4], part("x")?, part("y")?].concat();
                Some(Self::Es256(Box::new(p256::ecdsa::VerifyingKey::from_sec1_bytes(&point).ok()?)))
            }
            _ => None,
        }
    }

    const fn algorithm(&self) -> Algorithm {
        match self {
            Self::EdDsa(_) => Algorithm::EdDsa,
            Self::Es256(_) => Algorithm::Es256,
        }
    }

    fn has_signed(&self, text: &str, signature: &[u8]) -> bool {
        match self {
            Self::EdDsa(key) => ed25519_dalek::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(text.as_bytes(), &signature).is_ok()),
            Self::Es256(key) => p256::ecdsa::Signature::from_slice(signature)
                .is_ok_and(|signature| key.verify(text.as_bytes(), &signature).is_ok()),
        }
    }
}

/// A token taken apart and not yet believed.
struct Parts<'t> {
    signed: &'t str,
    header: Value,
    claims: &'t str,
    signature: Vec<u8>,
}

impl<'t> Parts<'t> {
    fn of(token: &'t str) -> Option<Self> {
        // Longer than any of kgate's: metadata has bounds.
        if token.len() > MAX_LEN {
            return None;
        }
        let (signed, signature) = token.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let signature = BASE64.decode(signature).ok()?;
        Some(Self { signed, header: json(header)?, claims, signature })
    }

    fn claims(&self) -> Option<Value> {
        json(self.claims)
    }
}

fn json(part: &str) -> Option<Value> {
    serde_json::from_slice(&BASE64.decode(part).ok()?).ok()
}

const MAX_LEN: usize = 64 * 1024;
