//! One signing key.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use ed25519_dalek::Signer as _;
use rand::Rng;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::key::Timestamp;

/// How a key signs. Both are asymmetric: a backend verifies by what anybody may know.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    #[default]
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
}

impl Algorithm {
    /// Both.
    pub const ALL: [Self; 2] = [Self::EdDsa, Self::Es256];

    /// Returns its name in a token's header.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A text names no algorithm.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("expected EdDSA or ES256")]
pub struct UnknownAlgorithm;

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(text: &str) -> Result<Self, UnknownAlgorithm> {
        let named = |algorithm: &Self| algorithm.as_str().eq_ignore_ascii_case(text);
        Self::ALL.into_iter().find(named).ok_or(UnknownAlgorithm)
    }
}

/// The name of a signing key, `sig_` and 16 hexadecimal digits: the beginning of its public part's
/// thumbprint (RFC 7638), so that a name cannot come to mean another key.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct SigningKeyId(String);

impl SigningKeyId {
    /// Returns the name as text, the `kid` of tokens.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A private key, and when it begins to sign.
pub struct SigningKey {
    id: SigningKeyId,
    created_at: Timestamp,
    signs_from: Timestamp,
    private: Private,
}

enum Private {
    EdDsa(Box<ed25519_dalek::SigningKey>),
    Es256(Box<p256::ecdsa::SigningKey>),
}

impl SigningKey {
    /// Makes a new one. From `signs_from` on it signs; before, it is only published.
    pub fn make(
        algorithm: Algorithm,
        created_at: Timestamp,
        signs_from: Timestamp,
        rng: &mut impl Rng,
    ) -> Self {
        let mut seed = Zeroizing::new([0; SEED]);
        let private = loop {
            rng.fill_bytes(&mut *seed);
            // Of 2^32 seeds one is no number below the order of P-256.
            if let Some(private) = Private::from_seed(algorithm, &seed) {
                break private;
            }
        };
        Self { id: private.id(), created_at, signs_from, private }
    }

    /// Returns its name.
    pub fn id(&self) -> &SigningKeyId {
        &self.id
    }

    /// Returns how it signs.
    pub fn algorithm(&self) -> Algorithm {
        match self.private {
            Private::EdDsa(_) => Algorithm::EdDsa,
            Private::Es256(_) => Algorithm::Es256,
        }
    }

    /// Returns when it was made.
    pub fn created_at(&self) -> Timestamp {
        self.created_at
    }

    /// Returns when it begins to sign.
    pub fn signs_from(&self) -> Timestamp {
        self.signs_from
    }

    /// Returns the signature of `bytes`, in the form tokens carry: 64 bytes (RFC 7518 §3.4, RFC 8037 §3.1).
    pub fn sign(&self, bytes: &[u8]) -> [u8; 64] {
        match &self.private {
            Private::EdDsa(key) => key.sign(bytes).to_bytes(),
            Private::Es256(key) => {
                let signature: p256::ecdsa::Signature = key.sign(bytes);
                signature.to_bytes().into()
            }
        }
    }

    /// Returns its public part as a JSON Web Key (RFC 7517).
    pub fn public(&self) -> Value {
        let mut jwk = self.private.public();
        jwk["kid"] = json!(self.id.as_str());
        jwk["alg"] = json!(self.algorithm().as_str());
        jwk["use"] = json!("sig");
        jwk
    }

    /// Returns what its file holds.
    pub(super) fn to_file(&self) -> Zeroizing<Vec<u8>> {
        let written = Written {
            version: VERSION,
            id: self.id.0.clone(),
            algorithm: self.algorithm().as_str().to_owned(),
            created_at: self.created_at.to_string(),
            signs_from: self.signs_from.to_string(),
            private: BASE64.encode(self.private.seed()),
        };
        let mut text = Zeroizing::new(Vec::with_capacity(512));
        serde_json::to_writer_pretty(&mut *text, &written).expect("texts and a number have a JSON form");
        text.push(b'\n');
        text
    }

    /// Reads what a file holds; an error is what is wrong with it, and repeats nothing of it.
    pub(super) fn from_file(text: &[u8]) -> Result<Self, &'static str> {
        let written: Written = serde_json::from_slice(text).map_err(|_| "it is not in the form of one")?;
        if written.version != VERSION {
            return Err("its form is of another version of kgate");
        }
        let algorithm = written.algorithm.parse().map_err(|_| "its algorithm is unknown")?;
        let time = |text: &str| text.parse::<Timestamp>().map_err(|_| "a time in it is none");
        let seed = Zeroizing::new(BASE64.decode(&written.private).unwrap_or_default());
        let private = <&[u8; SEED]>::try_from(&seed[..]).ok();
        let private = private.and_then(|seed| Private::from_seed(algorithm, seed));
        let private = private.ok_or("its private part is none")?;
        let id = private.id();
        if id.0 != written.id {
            return Err("its private part is another key's");
        }
        let (created_at, signs_from) = (time(&written.created_at)?, time(&written.signs_from)?);
        Ok(Self { id, created_at, signs_from, private })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl Private {
    fn from_seed(algorithm: Algorithm, seed: &[u8; SEED]) -> Option<Self> {
        Some(match algorithm {
            Algorithm::EdDsa => Self::EdDsa(Box::new(ed25519_dalek::SigningKey::from_bytes(seed))),
            Algorithm::Es256 => Self::Es256(Box::new(p256::ecdsa::SigningKey::from_slice(seed).ok()?)),
        })
    }

    fn seed(&self) -> Zeroizing<[u8; SEED]> {
        Zeroizing::new(match self {
            Self::EdDsa(key) => key.to_bytes(),
            Self::Es256(key) => key.to_bytes().into(),
        })
    }

    /// The members that make the key, in the order of RFC 7638 §3.2, which is the alphabet's.
    fn public(&self) -> Value {
        match self {
            Self::EdDsa(key) => {
                let x = BASE64.encode(key.verifying_key().as_bytes());
                json!({"crv": "Ed25519", "kty": "OKP", "x": x})
            }
            Self::Es256(key) => {
                let point = key.verifying_key().to_sec1_point(false);
                // 4, then both coordinates (SEC 1 §2.3.3).
                let (x, y) = point.as_bytes()[1..].split_at(SEED);
                json!({"crv": "P-256", "kty": "EC", "x": BASE64.encode(x), "y": BASE64.encode(y)})
            }
        }
    }

    fn id(&self) -> SigningKeyId {
        let thumbprint = Sha256::digest(self.public().to_string());
        let digits: String = thumbprint.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        SigningKeyId(format!("sig_{digits}"))
    }
}

/// A key's file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    version: u32,
    id: String,
    algorithm: String,
    created_at: String,
    signs_from: String,
    private: String,
}

impl Drop for Written {
    fn drop(&mut self) {
        self.private.zeroize();
    }
}

const VERSION: u32 = 1;

/// Bytes of a private part, of both algorithms.
const SEED: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_survives_its_file_and_prints_nothing() {
        for algorithm in Algorithm::ALL {
            let (made, from) = (Timestamp::from_secs(7), Timestamp::from_secs(9));
            let key = SigningKey::make(algorithm, made, from, &mut rand::rng());
            let file = key.to_file();
            let back = SigningKey::from_file(&file).unwrap();
            assert_eq!((back.id(), back.created_at(), back.signs_from()), (key.id(), made, from));
            assert_eq!(back.sign(b"x"), key.sign(b"x"), "both algorithms sign deterministically");
            let seed = BASE64.encode(key.private.seed());
            assert!(!format!("{key:?} {}", key.public()).contains(&seed));
            let text = String::from_utf8(file.to_vec()).unwrap();
            let other = SigningKey::make(algorithm, made, from, &mut rand::rng());
            for (from, to) in [
                ("\"version\": 1", "\"version\": 2"),
                (algorithm.as_str(), "none"),
                (key.id().as_str(), other.id().as_str()),
                (seed.as_str(), "AAAA"),
                ("created_at", "made_at"),
                ("1970-", "197-"),
            ] {
                let error = SigningKey::from_file(text.replacen(from, to, 1).as_bytes()).unwrap_err();
                assert!(!error.contains(&seed));
            }
            assert!(SigningKey::from_file(&file[..file.len() / 2]).is_err());
        }
    }

    /// RFC 8037 appendix A: the key, its thumbprint, and a signature.
    #[test]
    fn the_example_of_the_standard_comes_out() {
        let seed = BASE64.decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        let private = Private::from_seed(Algorithm::EdDsa, &seed.try_into().unwrap()).unwrap();
        assert_eq!(
            private.public().to_string(),
            r#"{"crv":"Ed25519","kty":"OKP","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#
        );
        let thumbprint = BASE64.decode("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k").unwrap();
        let digits: String = thumbprint[..8].iter().map(|byte| format!("{byte:02x}")).collect();
        let id = private.id();
        assert_eq!(id.as_str(), format!("sig_{digits}"));
        let none = Timestamp::default();
        let key = SigningKey { id, created_at: none, signs_from: none, private };
        let signature = key.sign(b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc");
        assert_eq!(
            BASE64.encode(signature),
            "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
        );
    }
}
