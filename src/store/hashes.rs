//! Which keys depend on which pepper: a digest cannot be made anew without its token, so a pepper is needed for
//! as long as keys were digested under it.

use crate::key::{Peppers, Scheme, Status, Timestamp};

use super::{Store, StoreError};

/// A way digests are made, and what depends on it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HashUse {
    /// Which way.
    pub scheme: Scheme,
    /// What the configuration has it for.
    pub dependence: Dependence,
    /// Keys that work or may work again.
    pub keys: u64,
    /// Keys that are revoked or expired.
    pub ended: u64,
}

/// What the configuration has a hash for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Dependence {
    /// New keys.
    New,
    /// Keys made earlier.
    Old,
    /// Nothing: its pepper is not there.
    Undeclared,
}

impl HashUse {
    /// Returns the pepper's id.
    pub fn pepper(&self) -> Option<&str> {
        match &self.scheme {
            Scheme::HmacSha256(pepper) => Some(pepper),
            Scheme::Sha256 => None,
        }
    }
}

impl Store {
    /// Returns every hash that is declared or in use, that of new keys first.
    ///
    /// # Errors
    /// The store cannot be read. A damaged record is left out: `kgate doctor` tells of it.
    pub fn hashes(&self, peppers: &Peppers, now: Timestamp) -> Result<Vec<HashUse>, StoreError> {
        let declared = peppers.as_slice().iter().map(|pepper| Scheme::HmacSha256(pepper.id().to_owned()));
        let mut hashes: Vec<HashUse> =
            declared.chain([Scheme::Sha256]).map(|scheme| unused(scheme, Dependence::Old)).collect();
        hashes[0].dependence = Dependence::New;
        self.keys(&mut |key| {
            let Ok(key) = key else { return true };
            let at = hashes.iter().position(|hash| hash.scheme == key.scheme).unwrap_or_else(|| {
                hashes.push(unused(key.scheme.clone(), Dependence::Undeclared));
                hashes.len() - 1
            });
            match key.status(now) {
                Status::Revoked | Status::Expired => hashes[at].ended += 1,
                Status::Active | Status::Scheduled | Status::Disabled => hashes[at].keys += 1,
            }
            true
        })?;
        Ok(hashes)
    }
}

fn unused(scheme: Scheme, dependence: Dependence) -> HashUse {
    HashUse { scheme, dependence, keys: 0, ended: 0 }
}
