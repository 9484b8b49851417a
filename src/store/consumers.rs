//! The life of a consumer.

use std::collections::BTreeSet;

use rand::Rng;

use crate::key::{ConsumerId, ConsumerRecord, KeyId, Metadata};

use super::{Act, Outcome, Store, StoreError};

/// What a consumer is made from.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NewConsumer {
    /// What people call it; must not be empty, need not be unique.
    pub name: String,
    /// Its name in the operator's own system; unique where given.
    pub external_id: Option<String>,
    /// Whom to ask.
    pub contact: Option<String>,
    /// Its plan. Whether there is such a plan is the configuration's business.
    pub plan: Option<String>,
    /// Free pairs that may be forwarded.
    pub metadata: Metadata,
    /// Labels; never forwarded.
    pub tags: BTreeSet<String>,
}

/// A change to a consumer: `None` leaves a field, `Some(None)` clears it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsumerEdit {
    /// Another name.
    pub name: Option<String>,
    /// Another external id.
    pub external_id: Option<Option<String>>,
    /// Another contact.
    pub contact: Option<Option<String>>,
    /// Another plan.
    pub plan: Option<Option<String>>,
    /// Pairs to add or replace.
    pub set_metadata: Metadata,
    /// Metadata keys to remove.
    pub unset_metadata: BTreeSet<String>,
    /// Labels to add.
    pub add_tags: BTreeSet<String>,
    /// Labels to remove.
    pub remove_tags: BTreeSet<String>,
}

/// What deleting a consumer did.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deletion {
    /// The consumer as it was.
    pub consumer: ConsumerRecord,
    /// Its keys that were revoked with it; those revoked before are not listed.
    pub revoked: Vec<KeyId>,
}

impl Store {
    /// Makes a consumer.
    ///
    /// # Errors
    /// [`StoreError::ExternalIdTaken`], and [`StoreError::Text`] and its kin for what cannot be stored.
    pub fn create_consumer(
        &self,
        new: &NewConsumer,
        act: &Act,
        rng: &mut impl Rng,
    ) -> Result<ConsumerRecord, StoreError> {
        todo!()
    }

    /// Changes a consumer.
    pub fn update_consumer(
        &self,
        id: ConsumerId,
        edit: &ConsumerEdit,
        act: &Act,
    ) -> Result<Outcome<ConsumerRecord>, StoreError> {
        todo!()
    }

    /// Lets a consumer's keys work again.
    pub fn enable_consumer(&self, id: ConsumerId, act: &Act) -> Result<Outcome<ConsumerRecord>, StoreError> {
        todo!()
    }

    /// Makes all of a consumer's keys stop working until it is enabled again.
    pub fn disable_consumer(&self, id: ConsumerId, act: &Act) -> Result<Outcome<ConsumerRecord>, StoreError> {
        todo!()
    }

    /// Revokes a consumer's keys (reason: closure) and removes it. The keys stay as tombstones.
    ///
    /// With more than [`super::BATCH`] keys it takes several commits, the first of which disables the
    /// consumer, so that none of its keys works after the first.
    pub fn delete_consumer(&self, id: ConsumerId, act: &Act) -> Result<Deletion, StoreError> {
        todo!()
    }
}
