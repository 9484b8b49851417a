//! A persistent hash table in small shards: a change copies one group of 16 shards, about 80 entries,
//! and the list of groups; everything else is shared with the table before.
//!
//! Shards are added one at a time (linear hashing), so that no change ever rehashes everything. The
//! entries of a group lie together in the order of its shards, and where each shard ends is said in the
//! list of groups, which is small. So a look-up knows every line of its shard before it has read any, and
//! asks for all of them at the same time.

use std::ops::Range;
use std::sync::Arc;

/// What can be an entry.
pub(super) trait Keyed: Clone {
    /// What entries are found by.
    type Key: PartialEq;

    /// Returns the entry's key.
    fn key(&self) -> &Self::Key;

    /// Returns 64 evenly spread bits.
    fn hash(key: &Self::Key) -> u64;

    /// Returns the number of the row elsewhere that belongs to it, if there is one: see [`Near`].
    fn row(&self) -> u32 {
        0
    }

    /// Asks for its memory, without reading it.
    fn prefetch(&self) {}
}

/// The table.
#[derive(Debug)]
pub(super) struct Table<E> {
    groups: Vec<Group<E>>,
    shards: usize,
    len: usize,
}

/// The entries of some shards, side by side in the order of the shards.
#[derive(Debug)]
struct Group<E> {
    entries: Arc<[E]>,
    /// Where the entries of each shard end. The last number stands for the end of them all, so that a
    /// group that is fuller than a byte can say is still searched.
    ends: [u8; GROUP],
    /// The row of its first entry when the group was made: those after it have the following ones, unless
    /// they were added later.
    row: u32,
}

/// What a look-up found.
pub(super) enum Look<'a, E> {
    /// The entry.
    Hit(&'a E),
    /// Another one, for callers who must spend the same time either way. `None` is rare.
    Miss(Option<&'a E>),
}

/// The rows that what is looked for probably has: a guess, to ask for their memory early.
pub(super) type Near = Range<u32>;

impl<E: Keyed> Table<E> {
    pub(super) fn new() -> Self {
        Self { groups: vec![Group::new(Arc::default(), 0, |_| 0)], shards: 1, len: 0 }
    }

    /// Makes a table of many entries at once. Of several with one key the last stays, and the others
    /// are passed to `dropped`; those that stay are passed to `settle`, in the order in which they lie.
    pub(super) fn from_entries(
        entries: &[E],
        mut dropped: impl FnMut(E),
        mut settle: impl FnMut(&mut E),
    ) -> Self {
        let shards = (entries.len() / BUILT_LOAD).max(1);
        let mut table = Self { groups: Vec::with_capacity(shards.div_ceil(GROUP)), shards, len: 0 };
        let mut starts = vec![0_u32; shards + 1];
        let places: Vec<u32> = entries.iter().map(|e| table.shard_of(e)).map(to_u32).collect();
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
        let key = |member: u32| entries[member as usize].key();
        let mut group: Vec<E> = Vec::new();
        for first in (0..shards).step_by(GROUP) {
            for shard in first..shards.min(first + GROUP) {
                let members = &order[starts[shard] as usize..starts[shard + 1] as usize];
                for (i, member) in members.iter().enumerate() {
                    let mut entry = entries[*member as usize].clone();
                    if members[i + 1..].iter().any(|later| key(*later) == key(*member)) {
                        dropped(entry);
                    } else {
                        settle(&mut entry);
                        group.push(entry);
                    }
                }
            }
            table.len += group.len();
            let row = group.first().map_or(0, E::row);
            let entries = group.drain(..).collect();
            table.groups.push(Group::new(entries, row, |e| shard_among(E::hash(e.key()), shards)));
        }
        table
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &E> {
        self.groups.iter().flat_map(|group| group.entries.iter())
    }

    /// Asks for the memory that [`Table::look`] will read, and says which rows what it finds may have.
    pub(super) fn approach(&self, key: &E::Key) -> Near {
        let number = shard_among(E::hash(key), self.shards);
        let group = &self.groups[number / GROUP];
        let range = group.range(number % GROUP);
        group.entries[range.clone()].iter().for_each(E::prefetch);
        let row = |at: usize| group.row.saturating_add(u32::try_from(at).unwrap_or(0));
        row(range.start)..row(range.end)
    }

    pub(super) fn look(&self, key: &E::Key) -> Look<'_, E> {
        let hash = E::hash(key);
        let number = shard_among(hash, self.shards);
        self.groups[number / GROUP].look(number % GROUP, key, hash)
    }

    pub(super) fn find(&self, key: &E::Key) -> Option<&E> {
        match self.look(key) {
            Look::Hit(entry) => Some(entry),
            Look::Miss(_) => None,
        }
    }

    /// Puts an entry in and returns the one it replaces.
    pub(super) fn insert(&mut self, entry: E) -> Option<E> {
        let number = self.shard_of(&entry);
        let members = self.members(number);
        let entries = &self.groups[number / GROUP].entries;
        let old = members.clone().find(|at| entries[*at].key() == entry.key());
        let replaced = old.map(|at| entries[at].clone());
        let cut = old.map_or(members.end..members.end, |at| at..at + 1);
        self.splice(number, cut, Some(entry));
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
        let number = shard_among(E::hash(key), self.shards);
        let entries = &self.groups[number / GROUP].entries;
        let at = self.members(number).find(|at| entries[*at].key() == key)?;
        let removed = entries[at].clone();
        self.splice(number, at..at + 1, None);
        self.len -= 1;
        Some(removed)
    }

    /// Adds one shard and moves there what belongs there now, from the one shard that held it.
    fn split_one(&mut self) {
        let new = self.shards;
        let from = shard_among(new as u64, new);
        let members = self.members(from);
        let divided = self.groups[from / GROUP].entries[members.clone()].to_vec();
        self.shards += 1;
        let (moved, kept): (Vec<E>, Vec<E>) = divided.into_iter().partition(|e| self.shard_of(e) == new);
        self.splice(from, members, kept);
        if new.is_multiple_of(GROUP) {
            let row = moved.first().map_or(0, E::row);
            self.groups.push(Group::new(moved.into(), row, |_| new));
        } else {
            // It is the last of the last group.
            let end = self.groups[new / GROUP].entries.len();
            self.splice(new, end..end, moved);
        }
    }

    /// Replaces some entries of a shard; nobody else's table changes.
    fn splice<I>(&mut self, number: usize, cut: Range<usize>, put: I)
    where
        I: IntoIterator<Item = E>,
    {
        let shards = self.shards;
        let group = &mut self.groups[number / GROUP];
        let (before, after) = (&group.entries[..cut.start], &group.entries[cut.end..]);
        let entries: Arc<[E]> = before.iter().cloned().chain(put).chain(after.iter().cloned()).collect();
        *group = Group::new(entries, group.row, |e| shard_among(E::hash(e.key()), shards));
    }

    /// Returns where in their group the entries of a shard lie, exactly.
    fn members(&self, number: usize) -> Range<usize> {
        let group = &self.groups[number / GROUP];
        if group.entries.len() < usize::from(u8::MAX) {
            return group.range(number % GROUP);
        }
        let entries = &group.entries;
        let start = entries.partition_point(|e| self.shard_of(e) < number);
        let end = entries.partition_point(|e| self.shard_of(e) <= number);
        start..end
    }

    fn shard_of(&self, entry: &E) -> usize {
        shard_among(E::hash(entry.key()), self.shards)
    }
}

impl<E: Keyed> Group<E> {
    /// `shard_of` tells the shard of an entry, by which they are sorted.
    fn new(entries: Arc<[E]>, row: u32, shard_of: impl Fn(&E) -> usize) -> Self {
        let mut counts = [0_usize; GROUP];
        for entry in entries.iter() {
            counts[shard_of(entry) % GROUP] += 1;
        }
        let mut end = 0;
        let ends = counts.map(|count| {
            end += count;
            u8::try_from(end).unwrap_or(u8::MAX)
        });
        Self { entries, ends, row }
    }

    /// Returns where the entries of a shard lie; in a group that is too full, others are among them.
    fn range(&self, shard: usize) -> Range<usize> {
        let start = if shard == 0 { 0 } else { usize::from(self.ends[shard - 1]) };
        match self.ends[shard] {
            u8::MAX => start..self.entries.len(),
            end => start..usize::from(end),
        }
    }

    fn look(&self, shard: usize, key: &E::Key, hash: u64) -> Look<'_, E> {
        let range = self.range(shard);
        let members = &self.entries[range.clone()];
        // Every entry is compared, by its hash: that takes as long for a hit as for a miss.
        let at = members
            .iter()
            .enumerate()
            .fold(usize::MAX, |found, (at, entry)| if E::hash(entry.key()) == hash { at } else { found });
        match members.get(at) {
            Some(entry) if entry.key() == key => Look::Hit(entry),
            // Two keys of one hash.
            Some(other) => members.iter().find(|e| e.key() == key).map_or(Look::Miss(Some(other)), Look::Hit),
            // A hit reads a whole key, so a miss does too: any of them, as likely one as another, since one
            // that stood for many would be in the cache.
            None => {
                let any = members.get((hash >> 32) as usize % members.len().max(1));
                Look::Miss(any.or_else(|| self.entries.first()).inspect(|other| {
                    std::hint::black_box(other.key() == key);
                }))
            }
        }
    }
}

impl<E> Clone for Group<E> {
    fn clone(&self) -> Self {
        Self { entries: Arc::clone(&self.entries), ends: self.ends, row: self.row }
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

fn to_u32(number: usize) -> u32 {
    u32::try_from(number).expect("fewer than 2^32 entries")
}

/// More would be fewer to list, and slower to change.
const GROUP: usize = 16;
/// Entries a shard on average: when built, and when another shard is added.
const BUILT_LOAD: usize = 5;
const FULL_LOAD: usize = 6;

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
            let mut table = Table::from_entries(&first.iter().map(|(k, v)| Pair(*k, *v)).collect::<Vec<_>>(), |_| dropped += 1, |_| ());
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
        let table = Table::from_entries(&(0..10_000).map(|k| Pair(k, 0)).collect::<Vec<_>>(), drop, |_| ());
        let mut changed = table.clone();
        changed.insert(Pair(77, 1));
        let copied = table
            .groups
            .iter()
            .zip(&changed.groups)
            .filter(|(a, b)| !Arc::ptr_eq(&a.entries, &b.entries))
            .count();
        assert_eq!(copied, 1);
        assert_eq!(table.find(&77).unwrap().1, 0);
    }
}
