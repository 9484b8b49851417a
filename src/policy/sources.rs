//! Places for source addresses, in memory of one size however many addresses come.
//!
//! A table of sets, each with a few ways: an address belongs to one set and takes a way of it. Which one a newcomer
//! takes, and so who is forgotten, is up to whoever keeps something there: [`super::failures`] and
//! [`super::addresses`].

use std::hash::{BuildHasher, RandomState};
use std::net::IpAddr;
use std::slice;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use prefetch_index::prefetch_index;

use super::cells::lock_word;

/// The table.
#[derive(Debug)]
pub(super) struct Sources {
    /// Drawn at random: nobody can choose addresses that share a set.
    secrets: [AtomicU64; 4],
    sets: OnceLock<Box<[Set]>>,
}

/// Two cache lines: one to find an address in, one with what is kept of it.
#[derive(Debug, Default)]
#[repr(C, align(64))]
pub(super) struct Set {
    lock: AtomicU64,
    /// Hashes of addresses; 0 is nobody.
    pub(super) tags: [AtomicU64; WAYS],
    pub(super) kept: [AtomicU64; WAYS],
}

/// Where an address belongs.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) set: &'a Set,
    pub(super) number: usize,
    /// What tells it from others of the set.
    pub(super) tag: u64,
}

impl Default for Sources {
    fn default() -> Self {
        let random = RandomState::new();
        let secrets = [0, 1, 2, 3].map(|number| AtomicU64::new(random.hash_one(number)));
        Self { secrets, sets: OnceLock::new() }
    }
}

impl Sources {
    /// Makes the table, so that no request has to.
    pub(super) fn prepare(&self) {
        self.sets();
    }

    /// Returns what addresses are hashed with.
    pub(super) fn secrets(&self) -> [u64; 4] {
        // Relaxed: they change, if at all, before anybody is served.
        [0, 1, 2, 3].map(|at: usize| self.secrets[at].load(Ordering::Relaxed))
    }

    /// Has addresses hashed as another process did, to go on with what it kept. Before anybody is served: who is
    /// here already would not be found again.
    pub(super) fn take_secrets(&self, secrets: [u64; 4]) {
        for (secret, taken) in self.secrets.iter().zip(secrets) {
            secret.store(taken, Ordering::Relaxed);
        }
    }

    /// Returns where a tag belongs.
    pub(super) fn place_of(&self, tag: u64) -> Place<'_> {
        let number = set_of(tag);
        Place { set: &self.sets()[number], number, tag }
    }

    /// Visits all that are kept: the number of the set, the way, and the tag. Nothing is locked.
    pub(super) fn each(&self, mut visit: impl FnMut(Place<'_>, usize)) {
        for (number, set) in self.sets.get().into_iter().flatten().enumerate() {
            for way in 0..WAYS {
                match set.tags[way].load(Ordering::Acquire) {
                    0 => {}
                    tag => visit(Place { set, number, tag }, way),
                }
            }
        }
    }

    /// Returns where an address belongs. Those that are unknown are one.
    pub(super) fn place(&self, address: Option<IpAddr>) -> Place<'_> {
        let hash = self.hash(address);
        self.place_of(hash.max(1))
    }

    /// Asks for the memory of an address's place, without reading it.
    pub(super) fn approach(&self, address: IpAddr) {
        let Place { set, .. } = self.place(Some(address));
        prefetch_index(slice::from_ref(&set.lock), 0);
        prefetch_index(set.kept.as_slice(), WAYS - 1);
    }

    pub(super) fn sets(&self) -> &[Set] {
        self.sets.get_or_init(|| (0..SETS).map(|_| Set::default()).collect())
    }

    /// Two rounds of multiplying and folding with secrets: an address sees only whether it is refused, which
    /// is too little to learn them by, and the general hasher takes as long as a tenth of a decision.
    #[allow(clippy::cast_possible_truncation, reason = "the low half is wanted")]
    fn hash(&self, address: Option<IpAddr>) -> u64 {
        let fold = |a: u64, b: u64| {
            let product = u128::from(a) * u128::from(b);
            (product >> 64) as u64 ^ product as u64
        };
        let [first, second, third, fourth] = self.secrets();
        let once = fold(number(address.map(source)) ^ first, second | 1);
        fold(once ^ third, fourth | 1)
    }
}

impl Set {
    /// Locks the set until [`Set::unlock`]: nothing in between may panic.
    pub(super) fn lock(&self) {
        lock_word(&self.lock);
    }

    pub(super) fn unlock(&self) {
        // Release pairs with the acquire that locks: the next one sees whose the ways are.
        self.lock.store(0, Ordering::Release);
    }

    /// Returns the way of a tag.
    pub(super) fn way_of(&self, tag: u64) -> Option<usize> {
        // Acquire: what is kept is not read before the tag it belongs to.
        (0..WAYS).find(|way| self.tags[*way].load(Ordering::Acquire) == tag)
    }
}

/// Returns whom an address stands for: itself, or of IPv6 its /64, which one holder has as a whole.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 @ IpAddr::V4(_) => v4,
    }
}

/// The upper half of a tag chooses the set; the whole tells addresses apart.
fn set_of(tag: u64) -> usize {
    usize::try_from(tag >> 32).unwrap_or_default() % SETS
}

/// Returns a number for whom an address stands for, another for each.
fn number(source: Option<IpAddr>) -> u64 {
    match source {
        // Prefixes with these first bits are of no sender: they are multicast.
        None => 0xffff_fffe << 32,
        Some(IpAddr::V4(address)) => (0xffff_ffff << 32) | u64::from(u32::from(address)),
        Some(IpAddr::V6(address)) => u64::try_from(u128::from(address) >> 64).expect("64 bits"),
    }
}

pub(super) const WAYS: usize = 7;

/// 114,688 addresses in 2 MiB.
pub(super) const SETS: usize = 1 << 14;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv6_counts_by_its_64_and_mapped_ipv4_as_ipv4() {
        let same = |a: &str, b: &str| source(a.parse().unwrap()) == source(b.parse().unwrap());
        assert!(same("2001:db8:1:2::1", "2001:db8:1:2:ffff:ffff:ffff:ffff"));
        assert!(!same("2001:db8:1:2::1", "2001:db8:1:3::1"));
        assert!(same("::ffff:192.0.2.1", "192.0.2.1"));
        assert!(!same("192.0.2.1", "192.0.2.2"));
        assert!(!same("::ffff:192.0.2.1", "::ffff:192.0.2.2"));
    }

    #[test]
    fn the_table_has_one_size() {
        let sources = Sources::default();
        sources.prepare();
        assert_eq!(std::mem::size_of_val(sources.sets()), 2 << 20);
    }
}
