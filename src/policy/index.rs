//! Keys and consumers of one revision, in memory.

use std::sync::Arc;

use super::Limiter;
use crate::key::{ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord};

/// Every key and consumer of one revision. Cheap to clone; a change copies one small shard.
#[derive(Clone, Debug)]
pub struct Index {}

impl Index {
    /// Returns an index of nothing whose counts will live in `limiter`.
    pub fn empty(_limiter: Arc<Limiter>) -> Self {
        todo!()
    }

    /// Returns the index after `changes`, applied in order. This one stays as it is.
    #[must_use]
    pub fn with_changes(&self, _changes: &[Update]) -> Self {
        todo!()
    }

    /// Returns how many keys there are, damaged ones included.
    pub fn keys(&self) -> usize {
        todo!()
    }

    /// Returns how many consumers there are.
    pub fn consumers(&self) -> usize {
        todo!()
    }
}

/// Takes a whole store and makes an index at once.
#[derive(Debug)]
pub struct IndexBuilder {}

impl IndexBuilder {
    /// Starts empty. Counts will live in `limiter`.
    pub fn new(_limiter: Arc<Limiter>) -> Self {
        todo!()
    }

    /// Starts empty, to replace `previous`: what is in both keeps its counts.
    pub fn replacing(_previous: &Index) -> Self {
        todo!()
    }

    /// Takes one row. Rows may come in any order; of two for one key the last counts.
    pub fn push(&mut self, _row: Update) {
        todo!()
    }

    /// Makes the index.
    pub fn finish(self) -> Index {
        todo!()
    }
}

/// One change of the store, as the engine needs it.
#[derive(Clone, Debug)]
pub enum Update {
    /// A key is new or changed.
    Key(KeyRecord),
    /// A key is no more.
    KeyRemoved {
        /// Which.
        id: KeyId,
        /// What is kept of its token.
        digest: Digest,
    },
    /// A consumer is new or changed.
    Consumer(ConsumerRecord),
    /// A consumer is no more, or its record cannot be read: its keys are refused.
    ConsumerRemoved(ConsumerId),
    /// The record of a key cannot be read: it is refused.
    DamagedDigest(Digest),
}

/// A consumer, shared by all permits of its keys.
#[derive(Debug)]
pub struct Consumer {
    record: ConsumerRecord,
}

impl Consumer {
    /// Returns what is known of it.
    pub fn record(&self) -> &ConsumerRecord {
        &self.record
    }
}
