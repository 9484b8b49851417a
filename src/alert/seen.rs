//! Which alerts were dealt with: the last so many, in bounded memory.

use std::collections::{HashSet, VecDeque};

/// The alerts seen last. Forgotten when the process ends: then a repeated alert is dealt with again,
/// which ends keys that are ended already.
#[derive(Default)]
pub(super) struct Seen {
    proofs: HashSet<[u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    pub(super) fn contains(&self, proof: &[u8; 32]) -> bool {
        self.proofs.contains(proof)
    }

    pub(super) fn insert(&mut self, proof: [u8; 32]) {
        if !self.proofs.insert(proof) {
            return;
        }
        self.order.push_back(proof);
        if self.order.len() > REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.proofs.remove(&oldest);
        }
    }
}

/// Some 10 MB. Only senders that signed get in here.
const REMEMBERED: usize = 100_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_are_forgotten_and_memory_stays() {
        let proof = |n: usize| {
            let mut proof = [0; 32];
            proof[..8].copy_from_slice(&n.to_be_bytes());
            proof
        };
        let mut seen = Seen::default();
        (0..REMEMBERED + 10).for_each(|n| seen.insert(proof(n)));
        seen.insert(proof(REMEMBERED));
        assert_eq!((seen.proofs.len(), seen.order.len()), (REMEMBERED, REMEMBERED));
        assert!(!seen.contains(&proof(9)) && seen.contains(&proof(10)));
    }
}
