//! Which keys depend on which pepper: for `kgate key rehash-status`, and for `kgate check`, which refuses
//! the removal of one that is still needed.

use crate::key::{Peppers, Scheme, Status, Timestamp};
use crate::store::{Store, StoreError};

use super::values::counted;

/// A way digests are made, and what depends on it.
pub(super) struct Hash {
    pub(super) scheme: Scheme,
    pub(super) dependence: Dependence,
    /// Keys that work or may work again.
    pub(super) keys: usize,
    /// Keys that are revoked or expired.
    pub(super) ended: usize,
}

/// What the configuration has a hash for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dependence {
    /// New keys.
    New,
    /// Keys made earlier.
    Old,
    /// Nothing: its pepper is not there.
    Undeclared,
}

impl Hash {
    /// Returns the pepper's id.
    pub(super) fn pepper(&self) -> Option<&str> {
        match &self.scheme {
            Scheme::HmacSha256(pepper) => Some(pepper),
            Scheme::Sha256 => None,
        }
    }

    /// Says whether keys are refused for want of it.
    pub(super) fn is_missing(&self) -> bool {
        self.dependence == Dependence::Undeclared && self.keys > 0
    }

    /// Says what is wrong if it is missing.
    pub(super) fn complaint(&self) -> String {
        let pepper = super::ui::clean(self.pepper().unwrap_or_default());
        let depend = if self.keys == 1 { "depends" } else { "depend" };
        format!("{} {depend} on the pepper `{pepper}`, which is not declared", counted(self.keys, "key"))
    }
}

/// Returns every hash that is declared or in use, that of new keys first.
///
/// # Errors
/// The store cannot be read. A damaged record is left out: `kgate doctor` tells of it.
pub(super) fn hashes(store: &Store, peppers: &Peppers, now: Timestamp) -> Result<Vec<Hash>, StoreError> {
    let declared = peppers.as_slice().iter().map(|pepper| Scheme::HmacSha256(pepper.id().to_owned()));
    let mut hashes: Vec<Hash> = declared.chain([Scheme::Sha256]).map(|s| hash(s, Dependence::Old)).collect();
    hashes[0].dependence = Dependence::New;
    store.keys(&mut |key| {
        let Ok(key) = key else { return true };
        let at = hashes.iter().position(|hash| hash.scheme == key.scheme).unwrap_or_else(|| {
            hashes.push(hash(key.scheme.clone(), Dependence::Undeclared));
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

fn hash(scheme: Scheme, dependence: Dependence) -> Hash {
    Hash { scheme, dependence, keys: 0, ended: 0 }
}
