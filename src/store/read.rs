//! Typed reads.

use crate::key::{ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord};

use super::{Store, StoreError};

impl Store {
    /// Returns a key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`]; [`StoreError::Damaged`] if it is there and cannot be read.
    pub fn key(&self, id: KeyId) -> Result<KeyRecord, StoreError> {
        todo!()
    }

    /// Returns the key with a digest, if there is one.
    pub fn key_by_digest(&self, digest: &Digest) -> Result<Option<KeyRecord>, StoreError> {
        todo!()
    }

    /// Returns a consumer.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`]; [`StoreError::Damaged`] if it is there and cannot be read.
    pub fn consumer(&self, id: ConsumerId) -> Result<ConsumerRecord, StoreError> {
        todo!()
    }

    /// Returns the consumer with this identifier, external id or unambiguous name, in that order.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`], [`StoreError::AmbiguousConsumer`].
    pub fn find_consumer(&self, wanted: &str) -> Result<ConsumerRecord, StoreError> {
        todo!()
    }

    /// Calls `each` with every key in order of creation until it returns `false`. A record that
    /// cannot be read is passed as the error it is.
    pub fn keys(
        &self,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Calls `each` with every key of a consumer in order of creation until it returns `false`.
    pub fn keys_of(
        &self,
        consumer: ConsumerId,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        todo!()
    }

    /// Calls `each` with every consumer in order of creation until it returns `false`.
    pub fn consumers(
        &self,
        each: &mut dyn FnMut(Result<ConsumerRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        todo!()
    }
}
