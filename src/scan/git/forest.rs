//! The delta trees of one pack: which object is made from which.
//!
//! Every entry is whole, and the root of a tree, or a delta to another entry. Going down from the roots,
//! each object is made once, from a base that was just made.

use super::pack::{Made, Pack};
use super::{Damage, Kind};

/// All delta trees of a pack. Entries are numbered by their offset.
pub(super) struct Forest<'p> {
    pub(super) pack: &'p Pack,
    /// Where each entry begins, and where the last one ends.
    offsets: Vec<u64>,
    /// The place of each in the index.
    names: Vec<u32>,
    /// Where the children of each begin in `children`, and where those of the last one end.
    first_child: Vec<u32>,
    /// The one with the most descendants comes last among its siblings: nothing needs their common base
    /// then, so that what is alive at once grows with the logarithm of the tree only.
    children: Vec<u32>,
    roots: Vec<Root>,
    /// Entries without a way to a root.
    lost: Vec<(u32, Damage)>,
}

/// An entry that is no delta.
#[derive(Debug, Clone, Copy)]
pub(super) struct Root {
    pub(super) entry: u32,
    /// Its kind, which is that of all its descendants.
    pub(super) kind: Kind,
    /// Entries in its tree.
    pub(super) weight: u32,
}

const NONE: u32 = u32::MAX;
/// After how much of the pack the mapping is given back.
const STRETCH: u64 = 16 << 20;

impl<'p> Forest<'p> {
    /// Reads the head of every entry of `pack`.
    pub(super) fn of(pack: &'p Pack) -> Self {
        let mut order: Vec<(u64, u32)> = (0..pack.len()).map(|at| (pack.offset(at), at)).collect();
        order.sort_unstable();
        let mut offsets: Vec<u64> = order.iter().map(|(offset, _)| *offset).collect();
        let names = order.into_iter().map(|(_, at)| at).collect();
        let mut bases = vec![NONE; offsets.len()];
        let (mut roots, mut lost) = (Vec::new(), Vec::new());
        let (mut view, mut viewed) = (pack.view(0), 0);
        for entry in 0..pack.len() {
            let offset = offsets[entry as usize];
            if offset > viewed + STRETCH {
                view = pack.view(offset - viewed);
                viewed = offset;
            }
            let base =
                |offset: u64| offsets.binary_search(&offset).ok().and_then(|at| u32::try_from(at).ok());
            match view.entry(offset).map(|head| head.made) {
                Ok(Made::Whole(kind)) => roots.push(Root { entry, kind, weight: 1 }),
                Ok(Made::At(offset)) => bases[entry as usize] = base(offset).unwrap_or(NONE),
                Ok(Made::Of(id)) => bases[entry as usize] = pack.find(&id).and_then(base).unwrap_or(NONE),
                Err(damage) => lost.push((entry, damage)),
            }
        }
        offsets.push(view.end());
        let mut forest =
            Self { pack, offsets, names, first_child: Vec::new(), children: Vec::new(), roots, lost };
        forest.plant(&bases);
        forest
    }

    /// Turns the base of each entry into the children of each entry.
    fn plant(&mut self, bases: &[u32]) {
        let mut first_child = vec![0_u32; bases.len() + 1];
        for &base in bases.iter().filter(|&&base| base != NONE) {
            first_child[base as usize + 1] += 1;
        }
        for at in 1..first_child.len() {
            first_child[at] += first_child[at - 1];
        }
        let mut free = first_child.clone();
        let mut children = vec![0; first_child[bases.len()] as usize];
        for (entry, &base) in (0_u32..).zip(bases).filter(|(_, base)| **base != NONE) {
            let place = &mut free[base as usize];
            children[*place as usize] = entry;
            *place += 1;
        }
        drop(free);
        self.first_child = first_child;
        self.children = children;
        self.weigh(bases);
    }

    /// Puts the heaviest child last, and finds what no root leads to.
    fn weigh(&mut self, bases: &[u32]) {
        let mut order: Vec<u32> = self.roots.iter().map(|root| root.entry).collect();
        let mut at = 0;
        while let Some(&entry) = order.get(at) {
            order.extend_from_slice(self.children(entry));
            at += 1;
        }
        // 0 is out of reach; every base comes before what is made of it.
        let mut weights = vec![0_u32; bases.len()];
        for &entry in order.iter().rev() {
            weights[entry as usize] += 1;
            let base = bases[entry as usize];
            if base != NONE {
                weights[base as usize] += weights[entry as usize];
            }
        }
        for entry in 0..bases.len() {
            let range = self.first_child[entry] as usize..self.first_child[entry + 1] as usize;
            let siblings = &mut self.children[range];
            if let Some(heaviest) = (0..siblings.len()).max_by_key(|&i| weights[siblings[i] as usize]) {
                let last = siblings.len() - 1;
                siblings.swap(heaviest, last);
            }
        }
        self.roots.iter_mut().for_each(|root| root.weight = weights[root.entry as usize]);
        let known: Vec<u32> = self.lost.iter().map(|(entry, _)| *entry).collect();
        let unreached =
            (0_u32..).zip(&weights).filter(|(entry, weight)| **weight == 0 && !known.contains(entry));
        self.lost.extend(unreached.map(|(entry, _)| (entry, Damage::NoBase)));
    }

    /// Returns the entries that are no deltas.
    pub(super) fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Returns the entries that cannot be made, and why.
    pub(super) fn lost(&self) -> &[(u32, Damage)] {
        &self.lost
    }

    /// Returns the entries made from `entry`.
    pub(super) fn children(&self, entry: u32) -> &[u32] {
        let at = entry as usize;
        &self.children[self.first_child[at] as usize..self.first_child[at + 1] as usize]
    }

    /// Returns where `entry` begins and a place past its end.
    pub(super) fn span(&self, entry: u32) -> (u64, u64) {
        (self.offsets[entry as usize], self.offsets[entry as usize + 1])
    }

    /// Returns the name of the object `entry` gives.
    pub(super) fn name(&self, entry: u32) -> &gix_hash::oid {
        self.pack.name(self.names[entry as usize])
    }
}
