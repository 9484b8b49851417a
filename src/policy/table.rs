//! A persistent hash table in small shards: a change copies one shard of about ten entries and the
//! list of the 32 shards around it; everything else is shared with the table before.
//!
//! Shards are added one at a time (linear hashing), so that no change ever rehashes everything.
//! One-byte fingerprints lie beside the shard's pointer: a look-up reads that half line, then the
//! entry itself.

use std::sync::Arc;

/// What can be an entry.
pub(super) trait Keyed: Clone {
    /// What entries are found by.
    type Key: PartialEq;

    /// Returns the entry's key.
    fn key(&self) -> &Self::Key;

    /// Returns 64 evenly spread bits.
    fn hash(key: &Self::Key) -> u64;
}

/// The table.
#[derive(Debug)]
pub(super) struct Table<E> {
    groups: Vec<Arc<Group<E>>>,
    shards: usize,
    len: usize,
}

/// Shards side by side, on cache lines of their own.
#[derive(Debug)]
#[repr(align(64))]
struct Group<E> {
    shards: [Shard<E>; GROUP],
}

#[derive(Debug)]
struct Shard<E> {
    /// Of the first entries; those beyond are compared one by one.
    fingerprints: [u8; FINGERPRINTS],
    entries: Arc<[E]>,
}

/// What a look-up found.
pub(super) enum Look<'a, E> {
    /// The entry.
    Hit(&'a E),
    /// Another one, for callers who must spend the same time either way. `None` is rare.
    Miss(Option<&'a E>),
}

impl<E: Keyed> Table<E> {
    pub(super) fn new() -> Self {
        Self { groups: vec![Arc::new(Group::default())], shards: 1, len: 0 }
    }

    /// Makes a table of many entries at once; of several with one key the last stays, and the others
    /// are passed to `dropped`.
    pub(super) fn from_entries(entries: &[E], mut dropped: impl FnMut(E)) -> Self {
        let mut table = Self::new();
        table.shards = (entries.len() / BUILT_LOAD).max(1);
        let mut starts = vec![0_u32; table.shards + 1];
        let places: Vec<u32> = entries.iter().map(|e| table.shard_of(E::hash(e.key()))).map(to_u32).collect();
        for place in &places {
            starts[*place as usize + 1] += 1;
        }
        for i in 1..starts.len() {
            starts[i] += starts[i - 1];
        }
        let mut order = vec![0_u32; entries.len()];
        let mut next = starts.clone();
        for (index, place) in places.iter().enumerate() {
            let at = &mut next[*place as usize];
            order[*at as usize] = to_u32(index);
            *at += 1;
        }
        table.groups.clear();
        let mut number = 0;
        while number < table.shards {
            let shards = std::array::from_fn(|i| {
                let Some(range) = starts.get(number + i..number + i + 2) else { return Shard::default() };
                let members = &order[range[0] as usize..range[1] as usize];
                let shard = Shard::from_members(members, entries, &mut dropped);
                table.len += shard.entries.len();
                shard
            });
            table.groups.push(Arc::new(Group { shards }));
            number += GROUP;
        }
        table
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.groups.iter().flat_map(|g| &g.shards).flat_map(|s| s.entries.iter())
    }

    pub(super) fn look(&self, key: &E::Key) -> Look<'_, E> {
        let hash = E::hash(key);
        let number = self.shard_of(hash);
        self.groups[number / GROUP].shards[number % GROUP].look(key, fingerprint(hash))
    }

    pub(super) fn find(&self, key: &E::Key) -> Option<&E> {
        match self.look(key) {
            Look::Hit(entry) => Some(entry),
            Look::Miss(_) => None,
        }
    }

    /// Puts an entry in and returns the one it replaces.
    #[allow(clippy::needless_pass_by_value, reason = "the table keeps what it is given")]
    pub(super) fn insert(&mut self, entry: E) -> Option<E> {
        let hash = E::hash(entry.key());
        let shard = self.shard_mut(self.shard_of(hash));
        let old = shard.entries.iter().position(|e| e.key() == entry.key());
        let replaced = old.map(|at| shard.entries[at].clone());
        let kept = shard.entries.iter().filter(|e| e.key() != entry.key()).cloned();
        *shard = Shard::from_entries(kept.chain(std::iter::once(entry.clone())).collect());
        if replaced.is_none() {
            self.len += 1;
            if self.len > self.shards * FULL_LOAD {
                self.split_one();
            }
        }
        replaced
    }

    /// Takes an entry out.
    pub(super) fn remove(&mut self, key: &E::Key) -> Option<E> {
        let removed = self.find(key)?.clone();
        let number = self.shard_of(E::hash(key));
        let shard = self.shard_mut(number);
        *shard = Shard::from_entries(shard.entries.iter().filter(|e| e.key() != key).cloned().collect());
        self.len -= 1;
        Some(removed)
    }

    /// Adds one shard and moves there what belongs there now, from the one shard that held it.
    fn split_one(&mut self) {
        let new = self.shards;
        let from = shard_among(new as u64, new);
        self.shards += 1;
        if new.is_multiple_of(GROUP) {
            self.groups.push(Arc::new(Group::default()));
        }
        let entries = Arc::clone(&self.shard_mut(from).entries);
        let here = |number: usize| {
            let stays = |e: &&E| self.shard_of(E::hash(e.key())) == number;
            Shard::from_entries(entries.iter().filter(stays).cloned().collect())
        };
        let (kept, moved) = (here(from), here(new));
        *self.shard_mut(from) = kept;
        *self.shard_mut(new) = moved;
    }

    fn shard_of(&self, hash: u64) -> usize {
        shard_among(hash, self.shards)
    }

    fn shard_mut(&mut self, number: usize) -> &mut Shard<E> {
        &mut Arc::make_mut(&mut self.groups[number / GROUP]).shards[number % GROUP]
    }
}

impl<E: Keyed> Shard<E> {
    fn from_members(members: &[u32], entries: &[E], dropped: &mut impl FnMut(E)) -> Self {
        let key = |member: u32| entries[member as usize].key();
        let is_last = |i: usize| !members[i + 1..].iter().any(|later| key(*later) == key(members[i]));
        if (0..members.len()).all(is_last) {
            return Self::from_entries(members.iter().map(|m| entries[*m as usize].clone()).collect());
        }
        let (last, others): (Vec<usize>, Vec<usize>) = (0..members.len()).partition(|i| is_last(*i));
        let entry = |i: &usize| entries[members[*i] as usize].clone();
        others.iter().map(entry).for_each(dropped);
        Self::from_entries(last.iter().map(entry).collect())
    }

    fn from_entries(entries: Arc<[E]>) -> Self {
        let mut fingerprints = [0; FINGERPRINTS];
        for (slot, entry) in fingerprints.iter_mut().zip(entries.iter()) {
            *slot = fingerprint(E::hash(entry.key()));
        }
        Self { fingerprints, entries }
    }

    fn look(&self, key: &E::Key, fingerprint: u8) -> Look<'_, E> {
        let mut decoy = None;
        // Sixteen bytes are compared at once; the entries' memory is not touched for it.
        let mut candidates = equal_bytes(u128::from_le_bytes(self.fingerprints), fingerprint);
        while candidates != 0 {
            let Some(entry) = self.entries.get(candidates.trailing_zeros() as usize / 8) else { break };
            if entry.key() == key {
                return Look::Hit(entry);
            }
            decoy = Some(entry);
            candidates &= candidates - 1;
        }
        for entry in self.entries.iter().skip(FINGERPRINTS) {
            if entry.key() == key {
                return Look::Hit(entry);
            }
            decoy = Some(entry);
        }
        // A hit reads a whole entry from memory, so a miss does too.
        let any = || self.entries.get(usize::from(fingerprint) % self.entries.len().max(1));
        Look::Miss(decoy.or_else(any).inspect(|entry| {
            std::hint::black_box(entry.key() == key);
        }))
    }
}

impl<E> Default for Group<E> {
    fn default() -> Self {
        Self { shards: std::array::from_fn(|_| Shard::default()) }
    }
}

impl<E> Clone for Group<E> {
    fn clone(&self) -> Self {
        Self { shards: std::array::from_fn(|i| self.shards[i].clone()) }
    }
}

impl<E> Default for Shard<E> {
    fn default() -> Self {
        Self { fingerprints: [0; FINGERPRINTS], entries: Arc::default() }
    }
}

impl<E> Clone for Shard<E> {
    fn clone(&self) -> Self {
        Self { fingerprints: self.fingerprints, entries: Arc::clone(&self.entries) }
    }
}

impl<E> Clone for Table<E> {
    fn clone(&self) -> Self {
        Self { groups: self.groups.clone(), shards: self.shards, len: self.len }
    }
}

/// Linear hashing: shards beyond the last power of two have been split, the others not yet.
fn shard_among(hash: u64, shards: usize) -> usize {
    let size = shards.next_power_of_two();
    let number = usize::try_from(hash & (size as u64 - 1)).expect("smaller than the number of shards");
    if number < shards { number } else { number - size / 2 }
}

/// The bits a shard is not chosen by.
fn fingerprint(hash: u64) -> u8 {
    hash.to_be_bytes()[0]
}

/// Returns a bit for each byte of `bytes` that equals `byte`; rarely one for a byte above such a one that
/// does not.
fn equal_bytes(bytes: u128, byte: u8) -> u128 {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    let differences = bytes ^ (ONES * u128::from(byte));
    differences.wrapping_sub(ONES) & !differences & (ONES << 7)
}

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 entries")
}

const GROUP: usize = 32;
const FINGERPRINTS: usize = 16;
/// Entries a shard on average: when built, and when another shard is added.
const BUILT_LOAD: usize = 8;
const FULL_LOAD: usize = 10;

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord)]
    struct Pair(u64, u8);

    impl Keyed for Pair {
        type Key = u64;
        fn key(&self) -> &u64 {
            &self.0
        }
        fn hash(key: &u64) -> u64 {
            key.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
        }
    }

    proptest! {
        #[test]
        fn it_is_a_map_whatever_is_done_to_it(
            first in prop::collection::vec((0u64..300, any::<u8>()), 0..400),
            then in prop::collection::vec((0u64..300, any::<Option<u8>>()), 0..600),
        ) {
            let mut model: BTreeMap<u64, u8> = first.iter().copied().collect();
            let mut dropped = 0;
            let mut table = Table::from_entries(&first.iter().map(|(k, v)| Pair(*k, *v)).collect::<Vec<_>>(), |_| dropped += 1);
            prop_assert_eq!(dropped, first.len() - model.len());
            let (before, snapshot) = (model.clone(), table.clone());
            for (key, value) in then {
                if let Some(value) = value {
                    let old = table.insert(Pair(key, value)).map(|p| p.1);
                    prop_assert_eq!(old, model.insert(key, value));
                } else { prop_assert_eq!(table.remove(&key).map(|p| p.1), model.remove(&key)) }
            }
            for (table, model) in [(&table, &model), (&snapshot, &before)] {
                prop_assert_eq!(table.len(), model.len());
                for key in 0..300 {
                    prop_assert_eq!(table.find(&key).map(|p| p.1), model.get(&key).copied());
                }
                let mut all: Vec<Pair> = table.iter().cloned().collect();
                all.sort();
                prop_assert_eq!(all, model.iter().map(|(k, v)| Pair(*k, *v)).collect::<Vec<_>>());
            }
        }
    }

    #[test]
    fn it_grows_from_nothing_without_losing_anything() {
        let mut table = Table::new();
        for key in 0..20_000 {
            assert_eq!(table.insert(Pair(key, 1)), None);
        }
        assert!((0..20_000).all(|key| table.find(&key).is_some()));
        assert!(table.find(&20_000).is_none());
    }

    #[test]
    fn a_change_shares_all_but_one_group() {
        let table = Table::from_entries(&(0..10_000).map(|k| Pair(k, 0)).collect::<Vec<_>>(), drop);
        let mut changed = table.clone();
        changed.insert(Pair(77, 1));
        let copied = table.groups.iter().zip(&changed.groups).filter(|(a, b)| !Arc::ptr_eq(a, b)).count();
        assert_eq!(copied, 1);
        assert_eq!(table.find(&77).unwrap().1, 0);
    }
}
