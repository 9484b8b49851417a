//! What is kept of a token: its digest, under a named scheme.
//!
//! A fast hash is right here because a token has 190 random bits; there is nothing to guess.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// 32 bytes that stand for a token in the store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Digest([u8; 32]);

impl Digest {
    /// Makes a digest from its stored bytes.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Returns the bytes to store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Hashes a token with SHA-256.
    pub fn sha256(token: &[u8]) -> Self {
        Self(Sha256::digest(token).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads the 64 hexadecimal digits that `Display` writes, in either case.
impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        if text.len() != 64 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(DigestError);
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).map_err(|_| DigestError)?;
        }
        Ok(Self(bytes))
    }
}

/// The text is not a digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a digest is 64 hexadecimal digits")]
pub struct DigestError;

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a pepper in records and configuration.
pub type PepperId = String;

/// How a digest was made. The list is open-ended: hashes of other systems will join it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Scheme {
    /// SHA-256 of the token.
    #[default]
    Sha256,
    /// HMAC-SHA-256 of the token under the named pepper.
    HmacSha256(PepperId),
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sha256 => f.write_str("sha256"),
            Self::HmacSha256(pepper) => write!(f, "hmac-sha256:{pepper}"),
        }
    }
}

/// A secret mixed into digests, kept outside the store.
#[derive(Clone)]
pub struct Pepper {
    id: PepperId,
    /// The keyed state, so that a check does not derive it again.
    mac: Hmac<Sha256>,
}

impl Pepper {
    /// Makes a pepper from its name and secret bytes (32 or more are wise).
    pub fn new(id: impl Into<PepperId>, secret: &[u8]) -> Self {
        let mac = Hmac::new_from_slice(secret).expect("HMAC takes keys of any length");
        Self { id: id.into(), mac }
    }

    /// Returns its name.
    pub fn id(&self) -> &str {
        &self.id
    }

    fn digest(&self, token: &[u8]) -> Digest {
        let mut mac = self.mac.clone();
        mac.update(token);
        Digest(mac.finalize().into_bytes().into())
    }
}

impl fmt::Debug for Pepper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pepper({})", self.id)
    }
}

/// The peppers in use. New keys are digested under the first; without any, with plain SHA-256.
#[derive(Clone, Debug, Default)]
pub struct Peppers(Vec<Pepper>);

impl Peppers {
    /// Takes the peppers, the one for new keys first.
    pub fn new(peppers: Vec<Pepper>) -> Self {
        Self(peppers)
    }

    /// Returns the peppers, the one for new keys first.
    pub fn as_slice(&self) -> &[Pepper] {
        &self.0
    }

    /// Digests the token of a new key and says how.
    pub fn digest_new(&self, token: &[u8]) -> (Digest, Scheme) {
        match self.0.first() {
            Some(pepper) => (pepper.digest(token), Scheme::HmacSha256(pepper.id.clone())),
            None => (Digest::sha256(token), Scheme::Sha256),
        }
    }

    /// Calls `visit` with the digest under every scheme in use, plain SHA-256 last.
    ///
    /// All of them, always: stopping at a hit would tell hits from misses by time.
    pub fn each_digest(&self, token: &[u8], mut visit: impl FnMut(Digest)) {
        for pepper in &self.0 {
            visit(pepper.digest(token));
        }
        visit(Digest::sha256(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests_match_the_published_vectors() {
        // FIPS 180-2, "abc".
        assert_eq!(
            Digest::sha256(b"abc").to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        // RFC 4231, test case 2.
        let peppers = Peppers::new(vec![Pepper::new("p1", b"Jefe")]);
        let (digest, scheme) = peppers.digest_new(b"what do ya want for nothing?");
        assert_eq!(digest.to_string(), "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
        assert_eq!(scheme.to_string(), "hmac-sha256:p1");
    }

    #[test]
    fn a_digest_reads_what_it_prints_and_nothing_else() {
        let digest = Digest::sha256(b"abc");
        assert_eq!(digest.to_string().parse(), Ok(digest));
        assert_eq!(digest.to_string().to_uppercase().parse(), Ok(digest));
        for text in
            ["", "ba78", &format!("{digest}0"), &format!("+{}", &digest.to_string()[1..]), &"é".repeat(32)]
        {
            assert_eq!(text.parse::<Digest>(), Err(DigestError), "{text}");
        }
    }

    #[test]
    fn old_keys_verify_beside_new_peppers() {
        let peppers = Peppers::new(vec![Pepper::new("new", b"n"), Pepper::new("old", b"o")]);
        let mut seen = Vec::new();
        peppers.each_digest(b"t", |d| seen.push(d));
        assert_eq!(seen.len(), 3);
        assert_eq!(seen[2], Digest::sha256(b"t"));
    }
}
