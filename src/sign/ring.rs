//! All signing keys of a data directory, and which of them signs.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};

use super::key::{Algorithm, SigningKey};
use crate::key::Timestamp;

/// The keys of one moment. All of them are published; one of each algorithm signs.
#[derive(Debug, Default)]
pub struct Ring {
    /// By the time they begin to sign, oldest first.
    keys: Vec<SigningKey>,
}

/// What a key is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It will sign; it is published already, so that backends know it by then.
    Next,
    /// It signs.
    Signing,
    /// It signed; it is published for the tokens that are still on their way.
    Retired,
}

impl Role {
    /// Returns its name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Retired => "retired",
        }
    }
}

impl Ring {
    /// Takes keys in any order.
    pub fn new(mut keys: Vec<SigningKey>) -> Self {
        keys.sort_by(|a, b| (a.signs_from(), a.id()).cmp(&(b.signs_from(), b.id())));
        Self { keys }
    }

    /// Returns every key, with what it is there for.
    pub fn iter(&self, now: Timestamp) -> impl Iterator<Item = (&SigningKey, Role)> {
        self.keys.iter().map(move |key| {
            let signing = self.signing(key.algorithm(), now).expect("there is this one at least");
            let role = match key.id() == signing.id() {
                true => Role::Signing,
                false if key.signs_from() > now => Role::Next,
                false => Role::Retired,
            };
            (key, role)
        })
    }

    /// Returns the key that signs: the last to have begun, or the first to begin if none has.
    pub fn signing(&self, algorithm: Algorithm, now: Timestamp) -> Option<&SigningKey> {
        let mut ours = self.keys.iter().filter(|key| key.algorithm() == algorithm);
        let first = ours.next()?;
        Some(ours.take_while(|key| key.signs_from() <= now).last().unwrap_or(first))
    }

    /// Returns when `key` was or will be succeeded by another of its algorithm.
    pub fn retired_at(&self, key: &SigningKey) -> Option<Timestamp> {
        let mut later = self.keys.iter().skip_while(|other| other.id() != key.id()).skip(1);
        later.find(|other| other.algorithm() == key.algorithm()).map(SigningKey::signs_from)
    }

    /// Returns the public parts, for `/.well-known/jwks.json` (RFC 7517 §5).
    pub fn jwks(&self) -> Value {
        json!({ "keys": self.keys.iter().map(SigningKey::public).collect::<Vec<_>>() })
    }
}

/// The ring in force. It can be replaced while it is used.
#[derive(Debug, Default)]
pub struct Keys {
    ring: RwLock<Arc<Ring>>,
    generation: AtomicU64,
}

impl Keys {
    /// Begins with a ring.
    pub fn new(ring: Ring) -> Self {
        Self { ring: RwLock::new(Arc::new(ring)), generation: AtomicU64::new(0) }
    }

    /// Returns the ring in force.
    pub fn ring(&self) -> Arc<Ring> {
        Arc::clone(&self.ring.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another ring in force.
    pub fn replace(&self, ring: Ring) {
        *self.ring.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(ring);
        self.generation.fetch_add(1, Ordering::Release);
    }

    /// Returns a number that changes with the ring: what was signed under another is to be signed again.
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::Algorithm::{EdDsa, Es256};
    use super::Role::{Next, Retired, Signing};
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn key(algorithm: Algorithm, from: i64) -> SigningKey {
        SigningKey::make(algorithm, at(0), at(from), &mut rand::rng())
    }

    #[test]
    fn a_key_is_published_before_it_signs_and_after() {
        let ring = Ring::new(vec![
            key(Algorithm::EdDsa, 30),
            key(Algorithm::EdDsa, 10),
            key(Algorithm::Es256, 20),
            key(Algorithm::EdDsa, 20),
        ]);
        let roles = |now| ring.iter(at(now)).map(|(key, role)| (key.algorithm(), role)).collect::<Vec<_>>();
        for (now, ed) in [
            (0, [Signing, Next, Next]),
            (10, [Signing, Next, Next]),
            (19, [Signing, Next, Next]),
            (20, [Retired, Signing, Next]),
            (29, [Retired, Signing, Next]),
            (30, [Retired, Retired, Signing]),
        ] {
            let found: Vec<_> = roles(now).into_iter().filter(|(a, _)| *a == EdDsa).map(|(_, r)| r).collect();
            assert_eq!(found, ed, "{now}");
            assert!(roles(now).contains(&(Es256, Signing)), "algorithms do not disturb each other");
        }
        assert_eq!(ring.jwks()["keys"].as_array().unwrap().len(), 4, "all are published");
        assert!(Ring::default().signing(EdDsa, at(0)).is_none());
    }
}
