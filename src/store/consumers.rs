//! The life of a consumer.

use std::collections::BTreeSet;

use rand::Rng;

use crate::key::{ConsumerId, ConsumerRecord, KeyId, Metadata, RevokeReason, State};

use super::write::{
    MAX_ENTRIES, MAX_LABEL, MAX_TEXT, RecordTag, Writer, check_act, check_filled, check_metadata,
    check_optional, refuse_stale,
};
use super::{Act, Action, BATCH, Outcome, Store, StoreError};

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
    /// Only if the record still has this tag: see [`super::RecordTag`].
    pub if_tag: Option<String>,
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
        let new = new.clone();
        let consumer = ConsumerRecord {
            id: ConsumerId::new(act.at, rng),
            external_id: new.external_id,
            name: new.name,
            contact: new.contact,
            plan: new.plan,
            enabled: true,
            metadata: new.metadata,
            tags: new.tags,
            created_at: act.at,
        };
        check_consumer(&consumer)?;
        check_act(act)?;
        let (id, act) = (consumer.id, act.clone());
        self.write("creating a consumer", vec![id.to_string()], move |writer| {
            writer.put_consumer(&consumer, None)?;
            writer.log(&act, Action::ConsumerCreated { id })?;
            Ok(consumer)
        })
    }

    /// Changes a consumer.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`], [`StoreError::ExternalIdTaken`], and [`StoreError::Text`] and
    /// its kin for what cannot be stored.
    pub fn update_consumer(
        &self,
        id: ConsumerId,
        edit: &ConsumerEdit,
        act: &Act,
    ) -> Result<Outcome<ConsumerRecord>, StoreError> {
        let edit = edit.clone();
        self.edit_consumer(id, act, "updating a consumer", move |before| {
            refuse_stale(edit.if_tag.as_deref(), RecordTag::of_consumer(before), id)?;
            let after = edit.apply(before);
            check_consumer(&after)?;
            let fields = changed_fields(before, &after);
            Ok((after, Action::ConsumerUpdated { id, fields }))
        })
    }

    /// Lets a consumer's keys work again.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`].
    pub fn enable_consumer(&self, id: ConsumerId, act: &Act) -> Result<Outcome<ConsumerRecord>, StoreError> {
        self.edit_consumer(id, act, "enabling a consumer", move |before| {
            Ok((ConsumerRecord { enabled: true, ..before.clone() }, Action::ConsumerEnabled { id }))
        })
    }

    /// Makes all of a consumer's keys stop working until it is enabled again.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`].
    pub fn disable_consumer(&self, id: ConsumerId, act: &Act) -> Result<Outcome<ConsumerRecord>, StoreError> {
        self.edit_consumer(id, act, "disabling a consumer", move |before| {
            Ok((ConsumerRecord { enabled: false, ..before.clone() }, Action::ConsumerDisabled { id }))
        })
    }

    fn edit_consumer(
        &self,
        id: ConsumerId,
        act: &Act,
        action: &'static str,
        edit: impl FnOnce(&ConsumerRecord) -> Result<(ConsumerRecord, Action), StoreError> + Send + 'static,
    ) -> Result<Outcome<ConsumerRecord>, StoreError> {
        check_act(act)?;
        let act = act.clone();
        self.write(action, vec![id.to_string()], move |writer| {
            let before = writer.consumer(id)?;
            let (after, what) = edit(&before)?;
            let changed = after != before;
            if changed {
                writer.put_consumer(&after, Some(&before))?;
                writer.log(&act, what)?;
            }
            Ok(Outcome { record: after, changed })
        })
    }

    /// Revokes a consumer's keys (reason: closure) and removes it. The keys stay as tombstones.
    ///
    /// With more than [`super::BATCH`] keys it takes several commits, the first of which disables the
    /// consumer, so that none of its keys works after the first.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`]. After an error in between the consumer is disabled, and
    /// deleting it again finishes the work.
    pub fn delete_consumer(&self, id: ConsumerId, act: &Act) -> Result<Deletion, StoreError> {
        check_act(act)?;
        let mut revoked = Vec::new();
        let mut original = None;
        loop {
            let step_act = act.clone();
            let step = self.write("deleting a consumer", vec![id.to_string()], move |writer| {
                delete_step(writer, id, &step_act)
            })?;
            revoked.extend(step.revoked);
            let consumer = original.get_or_insert(step.consumer);
            if step.is_last {
                return Ok(Deletion { consumer: consumer.clone(), revoked });
            }
        }
    }
}

struct DeleteStep {
    consumer: ConsumerRecord,
    revoked: Vec<KeyId>,
    is_last: bool,
}

/// Revokes up to [`BATCH`] keys, and removes the consumer with the last of them.
fn delete_step(writer: &mut Writer<'_>, id: ConsumerId, act: &Act) -> Result<DeleteStep, StoreError> {
    let consumer = writer.consumer(id)?;
    let mut live = Vec::new();
    for key in writer.keys_of(id)? {
        let key = writer.key(key)?;
        if !matches!(key.state, State::Revoked { .. }) {
            live.push(key);
        }
        if live.len() > BATCH {
            break;
        }
    }
    let is_last = live.len() <= BATCH;
    let reason = RevokeReason::Closure;
    for key in live.iter_mut().take(BATCH) {
        key.state = State::Revoked { at: act.at, reason };
        writer.put_key(key)?;
    }
    let revoked: Vec<KeyId> = live.iter().take(BATCH).map(|key| key.id).collect();
    if is_last {
        writer.remove_consumer(&consumer)?;
        writer.log(act, Action::ConsumerDeleted { id, revoked: revoked.clone() })?;
    } else {
        if consumer.enabled {
            writer.put_consumer(&ConsumerRecord { enabled: false, ..consumer.clone() }, Some(&consumer))?;
            writer.log(act, Action::ConsumerDisabled { id })?;
        }
        writer.log(act, Action::KeysRevoked { ids: revoked.clone(), reason })?;
    }
    Ok(DeleteStep { consumer, revoked, is_last })
}

impl ConsumerEdit {
    fn apply(self, before: &ConsumerRecord) -> ConsumerRecord {
        let mut after = before.clone();
        after.name = self.name.unwrap_or(after.name);
        after.external_id = self.external_id.unwrap_or(after.external_id);
        after.contact = self.contact.unwrap_or(after.contact);
        after.plan = self.plan.unwrap_or(after.plan);
        after.metadata.retain(|key, _| !self.unset_metadata.contains(key));
        after.metadata.extend(self.set_metadata);
        after.tags.retain(|tag| !self.remove_tags.contains(tag));
        after.tags.extend(self.add_tags);
        after
    }
}

fn changed_fields(before: &ConsumerRecord, after: &ConsumerRecord) -> Vec<String> {
    let fields = [
        ("name", before.name != after.name),
        ("external_id", before.external_id != after.external_id),
        ("contact", before.contact != after.contact),
        ("plan", before.plan != after.plan),
        ("metadata", before.metadata != after.metadata),
        ("tags", before.tags != after.tags),
    ];
    fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| (*name).to_owned()).collect()
}

fn check_consumer(consumer: &ConsumerRecord) -> Result<(), StoreError> {
    check_filled("the name", &consumer.name, MAX_TEXT)?;
    check_optional("the external id", consumer.external_id.as_deref())?;
    check_optional("the contact", consumer.contact.as_deref())?;
    check_optional("the plan", consumer.plan.as_deref())?;
    check_metadata(&consumer.metadata)?;
    if consumer.tags.len() > MAX_ENTRIES {
        return Err(StoreError::TooMany { field: "tags", max: MAX_ENTRIES });
    }
    consumer.tags.iter().try_for_each(|tag| check_filled("a tag", tag, MAX_LABEL))
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;

    use super::super::testing::{self, act, consumer, key, new_key};
    use super::*;
    use crate::key::Peppers;

    fn with_external_id(name: &str, external_id: &str) -> NewConsumer {
        NewConsumer { name: name.into(), external_id: Some(external_id.into()), ..NewConsumer::default() }
    }

    #[test]
    fn a_consumer_is_found_by_id_external_id_and_unambiguous_name() {
        let (_dir, store) = testing::store();
        let mut rng = rand::rng();
        let acme = store.create_consumer(&with_external_id("Acme", "org_42"), &act(), &mut rng).unwrap();
        let id = acme.id.to_string();
        for wanted in ["Acme", "org_42", id.as_str()] {
            assert_eq!(store.find_consumer(wanted).unwrap(), acme);
        }
        consumer(&store, "Acme");
        assert!(matches!(
            store.find_consumer("Acme"),
            Err(StoreError::AmbiguousConsumer { ids, .. }) if ids.len() == 2
        ));
        assert!(matches!(store.find_consumer("acme"), Err(StoreError::NoSuchConsumer { .. })));
    }

    #[test]
    fn external_ids_are_unique_and_free_again_when_given_up() {
        let (_dir, store) = testing::store();
        let mut rng = rand::rng();
        let acme = store.create_consumer(&with_external_id("Acme", "org_42"), &act(), &mut rng).unwrap();
        let taken = store.create_consumer(&with_external_id("Other", "org_42"), &act(), &mut rng);
        assert!(matches!(taken, Err(StoreError::ExternalIdTaken { holder, .. }) if holder == acme.id));
        let other = consumer(&store, "Other");
        let take = ConsumerEdit { external_id: Some(Some("org_42".into())), ..ConsumerEdit::default() };
        assert!(store.update_consumer(other.id, &take, &act()).is_err());
        let give = ConsumerEdit { external_id: Some(None), ..ConsumerEdit::default() };
        assert!(store.update_consumer(acme.id, &give, &act()).unwrap().changed);
        assert!(store.update_consumer(other.id, &take, &act()).unwrap().changed);
        assert_eq!(store.find_consumer("org_42").unwrap().id, other.id);
        store.delete_consumer(other.id, &act()).unwrap();
        assert!(store.update_consumer(acme.id, &take, &act()).unwrap().changed);
    }

    #[test]
    fn updates_change_what_they_name_and_log_it() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let edit = ConsumerEdit {
            plan: Some(Some("pro".into())),
            set_metadata: [("tier".to_owned(), "gold".to_owned())].into(),
            add_tags: ["pilot".to_owned()].into(),
            ..ConsumerEdit::default()
        };
        let updated = store.update_consumer(acme.id, &edit, &act()).unwrap();
        assert!(updated.changed);
        assert_eq!(updated.record.name, "Acme");
        assert!(!store.update_consumer(acme.id, &edit, &act()).unwrap().changed);
        let fields = ["plan", "metadata", "tags"].map(str::to_owned).to_vec();
        assert_eq!(store.audit_tail(1).unwrap()[0].action, Action::ConsumerUpdated { id: acme.id, fields });
        let undo = ConsumerEdit {
            plan: Some(None),
            unset_metadata: ["tier".to_owned()].into(),
            remove_tags: ["pilot".to_owned()].into(),
            ..ConsumerEdit::default()
        };
        assert_eq!(store.update_consumer(acme.id, &undo, &act()).unwrap().record, acme);
    }

    #[test]
    fn text_is_checked_at_the_door() {
        let (_dir, store) = testing::store();
        let create = |change: fn(&mut NewConsumer)| {
            let mut new = with_external_id("Acme", "org");
            change(&mut new);
            store.create_consumer(&new, &act(), &mut rand::rng()).unwrap_err()
        };
        assert!(matches!(create(|c| c.name = "  ".into()), StoreError::Empty { field: "the name" }));
        assert!(matches!(create(|c| c.name = "a\r\nSet-Cookie: x".into()), StoreError::Text { .. }));
        assert!(matches!(create(|c| c.contact = Some("x".repeat(257))), StoreError::Text { .. }));
        assert!(matches!(create(|c| c.tags.extend(["\0".to_owned()])), StoreError::Text { .. }));
        assert!(matches!(
            create(|c| c.tags.extend((0..65).map(|i| i.to_string()))),
            StoreError::TooMany { field: "tags", .. }
        ));
        assert_eq!(store.revision().unwrap().0, 0);
    }

    #[test]
    fn disabling_is_reversible_and_says_whether_it_changed_anything() {
        let (_dir, store) = testing::store();
        let id = consumer(&store, "Acme").id;
        assert!(store.disable_consumer(id, &act()).unwrap().changed);
        assert!(!store.disable_consumer(id, &act()).unwrap().changed);
        assert!(!store.consumer(id).unwrap().enabled);
        assert!(store.enable_consumer(id, &act()).unwrap().record.enabled);
    }

    #[test]
    fn deleting_revokes_every_key_and_keeps_them_as_tombstones() {
        let (_dir, store) = testing::store();
        let (acme, other) = (consumer(&store, "Acme"), consumer(&store, "Other"));
        let theirs = key(&store, other.id).record;
        let peppers = Peppers::default();
        store
            .issue_many(&new_key(acme.id), BATCH + 5, &peppers, &act(), &mut rand::rng(), &mut |_| {
                ControlFlow::Continue(())
            })
            .unwrap();
        let deletion = store.delete_consumer(acme.id, &act()).unwrap();
        assert_eq!((deletion.consumer, deletion.revoked.len()), (acme.clone(), BATCH + 5));
        assert!(matches!(store.consumer(acme.id), Err(StoreError::NoSuchConsumer { .. })));
        let reason = RevokeReason::Closure;
        for id in deletion.revoked {
            assert!(matches!(store.key(id).unwrap().state, State::Revoked { reason: r, .. } if r == reason));
        }
        assert_eq!(store.key(theirs.id).unwrap(), theirs);
    }
}
