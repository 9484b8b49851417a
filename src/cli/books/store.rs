//! The books of the data directory at hand.

use std::collections::{BTreeSet, HashMap};
use std::ops::ControlFlow;

use crate::admin::api::{
    AdminKeyRotated, BulkRevokeBody, ConsumerDeleted, ConsumerEditBody, KeyEditBody, KeyRotated, KeysPruned,
    KeysRevoked, NewAdminKeyBody, NewConsumerBody, NewKeyBody, PruneBody, RotateAdminKeyBody, RotateBody,
    RotationShape,
};
use crate::admin::shape::{
    AdminKeyShape, Change, ConsumerShape, KeyShape, NewAdminKeyShape, NewKeyShape, Spelled, TokenText,
};
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::cli::{consumer, key, lookup, values};
use crate::key::{AdminKeyId, ConsumerId, KeyId, KeyRecord, KeyType, Moment, Span, State, Timestamp};
use crate::store::{
    ConsumerFilter, Issued, KeyEdit, KeyFilter, NewAdminKey, NewConsumer, NewKey, Rotation, Store, StoreError,
};

use super::{Books, Changed, ConsumersWanted, Each, KeysWanted, Switch};

/// The store of a data directory, and what a session knows: configuration, clock, who acts.
pub(in crate::cli) struct Local<'s> {
    pub(super) session: &'s Session,
}

impl<'s> Local<'s> {
    pub(in crate::cli) fn new(session: &'s Session) -> Self {
        Self { session }
    }

    /// Opens the store, for reading where nothing is to be done.
    fn open(&self, dry_run: bool) -> Result<Store, Failure> {
        if dry_run { self.session.store() } else { self.session.store_mut() }
    }

    fn check_plan(&self, plan: Option<&str>) -> Result<(), Failure> {
        plan.map_or(Ok(()), |plan| consumer::check_plan(self.session, plan))
    }

    /// Shows a key as it is now.
    fn show(&self, store: &Store, key: &KeyRecord) -> Result<KeyShape, Failure> {
        let last_used = self.session.usage().map(|usage| usage.last_used_at(key.id)).transpose()?.flatten();
        Ok(KeyShape::new(key, name_of(store, key.consumer), last_used, self.session.now()))
    }
}

/// What a new key's end is: what is said, or else what its type says.
fn expiry(said: Option<Moment>, key_type: &KeyType, now: Timestamp) -> Result<Option<Timestamp>, Failure> {
    let default = key_type.default_expires.map_or(Moment::Never, |span| Moment::In(span.as_duration()));
    values::resolve_expiry(said.unwrap_or(default), now)
}

/// Warns of records that cannot be read, and fails at the end of a walk if there were any.
struct Damage<'s> {
    session: &'s Session,
    records: u64,
}

impl Damage<'_> {
    fn tell(&mut self, error: &StoreError) {
        self.records += 1;
        self.session.ui.warn(error.to_string());
    }

    fn end(self) -> Result<(), Failure> {
        match self.records {
            0 => Ok(()),
            count => {
                Err(Failure::cannot(format!("{count} records could not be read")).help("run `kgate doctor`"))
            }
        }
    }
}

impl Books for Local<'_> {
    fn consumers(&self, wanted: &ConsumersWanted, each: Each<'_, ConsumerShape>) -> Result<(), Failure> {
        let filter = wanted.filter();
        let mut failed = None;
        let mut damage = Damage { session: self.session, records: 0 };
        self.session.store()?.consumers(&mut |record| {
            match record {
                Ok(consumer) if filter.matches(&consumer) => {
                    failed = each(ConsumerShape::from(&consumer)).err();
                }
                Ok(_) => {}
                Err(error) => damage.tell(&error),
            }
            failed.is_none()
        })?;
        failed.map_or_else(|| damage.end(), Err)
    }

    fn consumer(&self, named: &str) -> Result<ConsumerShape, Failure> {
        Ok(ConsumerShape::from(&lookup::consumer(&self.session.store()?, named)?))
    }

    fn create_consumer(&self, new: &NewConsumerBody) -> Result<(ConsumerShape, Option<ConsumerId>), Failure> {
        self.check_plan(new.plan.as_deref())?;
        let store = self.session.store_mut()?;
        let mut namesake = None;
        store.consumers(&mut |consumer| {
            namesake = consumer.ok().filter(|consumer| consumer.name == new.name).map(|consumer| consumer.id);
            namesake.is_none()
        })?;
        let act = self.session.act(new.note.as_deref());
        let made = store.create_consumer(&NewConsumer::from(new), &act, &mut rand::rng())?;
        Ok((ConsumerShape::from(&made), namesake))
    }

    fn update_consumer(
        &self,
        named: &str,
        edit: &ConsumerEditBody,
    ) -> Result<Changed<ConsumerShape>, Failure> {
        if let Change::Set(plan) = &edit.plan {
            self.check_plan(Some(plan))?;
        }
        let store = self.session.store_mut()?;
        let id = lookup::consumer(&store, named)?.id;
        let act = self.session.act(edit.note.as_deref());
        let outcome = store.update_consumer(id, &edit.edit(None), &act)?;
        Ok((ConsumerShape::from(&outcome.record), outcome.changed))
    }

    fn switch_consumer(
        &self,
        named: &str,
        to: Switch,
        note: Option<&str>,
    ) -> Result<Changed<ConsumerShape>, Failure> {
        let store = self.session.store_mut()?;
        let (id, act) = (lookup::consumer(&store, named)?.id, self.session.act(note));
        let outcome = match to {
            Switch::Off => store.disable_consumer(id, &act),
            Switch::On => store.enable_consumer(id, &act),
        }?;
        Ok((ConsumerShape::from(&outcome.record), outcome.changed))
    }

    fn delete_consumer(
        &self,
        named: &str,
        dry_run: bool,
        note: Option<&str>,
    ) -> Result<ConsumerDeleted, Failure> {
        let store = self.open(dry_run)?;
        let consumer = lookup::consumer(&store, named)?;
        let mut revoked = Vec::new();
        if dry_run {
            store.keys_of(consumer.id, &mut |key| {
                match key {
                    Ok(key) if !matches!(key.state, State::Revoked { .. }) => revoked.push(key.id),
                    Ok(_) => {}
                    Err(error) => self.session.ui.warn(error.to_string()),
                }
                true
            })?;
        } else {
            revoked = store.delete_consumer(consumer.id, &self.session.act(note))?.revoked;
        }
        let revoked = revoked.into_iter().map(Spelled).collect();
        Ok(ConsumerDeleted { id: Spelled(consumer.id), name: consumer.name, dry_run, revoked })
    }

    fn keys(&self, wanted: &KeysWanted, each: Each<'_, KeyShape>) -> Result<(), Failure> {
        let now = self.session.now();
        let store = self.session.store()?;
        let filter = wanted.filter(&store, now)?;
        let names = consumer_names(&store)?;
        let last_used = self.session.usage().map(|usage| usage.last_used()).transpose()?.unwrap_or_default();
        let mut failed = None;
        let mut damage = Damage { session: self.session, records: 0 };
        let mut walk = |record: Result<KeyRecord, StoreError>| {
            let key = match record {
                Ok(key) => key,
                Err(error) => {
                    damage.tell(&error);
                    return true;
                }
            };
            let used = last_used.get(&key.id).copied();
            if filter.matches(&key, used, now) {
                let name = names.get(&key.consumer).cloned();
                failed = each(KeyShape::new(&key, name, used, now)).err();
            }
            failed.is_none()
        };
        match filter.consumers.as_ref().map(|ids| (ids.len(), ids.first().copied())) {
            Some((1, Some(only))) => store.keys_of(only, &mut walk)?,
            _ => store.keys(&mut walk)?,
        }
        failed.map_or_else(|| damage.end(), Err)
    }

    fn key(&self, named: &str) -> Result<KeyShape, Failure> {
        let store = self.session.store()?;
        let key = lookup::key(&store, named)?;
        self.show(&store, &key)
    }

    fn create_keys(&self, new: &NewKeyBody, each: Each<'_, Vec<NewKeyShape>>) -> Result<(), Failure> {
        let config = self.session.config()?;
        let key_type = key::key_type(config, new.key_type.as_deref())?;
        self.check_plan(new.plan.as_deref())?;
        let act = self.session.act(new.note.as_deref());
        let expires_at = expiry(new.expires.map(|moment| moment.0), key_type, act.at)?;
        let store = self.session.store_mut()?;
        let holder = lookup::consumer(&store, &new.consumer)?;
        let record = NewKey { expires_at, ..new.key(holder.id, key_type, act.at) };
        let count = usize::try_from(new.count.unwrap_or(1)).unwrap_or(usize::MAX);
        let mut failed = None;
        let shape = |issued: &Issued| NewKeyShape {
            token: Some(TokenText::of(&issued.token)),
            key: KeyShape::new(&issued.record, Some(holder.name.clone()), None, act.at),
        };
        store.issue_many(&record, count, &config.peppers, &act, &mut rand::rng(), &mut |batch| {
            failed = each(batch.iter().map(shape).collect()).err();
            if failed.is_none() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
        })?;
        failed.map_or(Ok(()), Err)
    }

    fn update_key(&self, named: &str, edit: &KeyEditBody) -> Result<Changed<KeyShape>, Failure> {
        if let Change::Set(plan) = &edit.plan {
            self.check_plan(Some(plan))?;
        }
        let act = self.session.act(edit.note.as_deref());
        let expires_at = edit.expires.map(|moment| values::resolve_expiry(moment.0, act.at)).transpose()?;
        let store = self.session.store_mut()?;
        let id = lookup::key(&store, named)?.id;
        let edit = KeyEdit { expires_at, ..edit.edit(act.at) };
        let outcome = store.update_key(id, &edit, &act)?;
        Ok((self.show(&store, &outcome.record)?, outcome.changed))
    }

    fn rotate_key(&self, named: &str, how: &RotateBody) -> Result<KeyRotated, Failure> {
        let config = self.session.config()?;
        let act = self.session.act(how.note.as_deref());
        let store = self.session.store_mut()?;
        let old = lookup::key(&store, named)?;
        let expires_at = match how.expires {
            Some(moment) => values::resolve_expiry(moment.0, act.at)?,
            None => expiry(None, key::key_type(config, Some(&old.key_type))?, act.at)?,
        };
        let grace = how.grace.map_or(super::GRACE, |grace| grace.0.as_duration());
        let rotated =
            store.rotate(old.id, Rotation { grace, expires_at }, &config.peppers, &act, &mut rand::rng())?;
        let old = self.show(&store, &rotated.old)?;
        let new = NewKeyShape {
            token: Some(TokenText::of(&rotated.new.token)),
            key: KeyShape::new(&rotated.new.record, old.consumer_name.clone(), None, act.at),
        };
        Ok(KeyRotated { old, new })
    }

    fn switch_key(&self, named: &str, to: Switch, note: Option<&str>) -> Result<Changed<KeyShape>, Failure> {
        let store = self.session.store_mut()?;
        let (id, act) = (lookup::key(&store, named)?.id, self.session.act(note));
        let outcome = match to {
            Switch::Off => store.disable_key(id, &act),
            Switch::On => store.enable_key(id, &act),
        }?;
        Ok((self.show(&store, &outcome.record)?, outcome.changed))
    }

    fn revoke_keys(&self, which: &BulkRevokeBody, progress: &dyn Fn(usize)) -> Result<KeysRevoked, Failure> {
        let store = self.open(which.dry_run)?;
        let holders = selected(&store, which.consumer.as_deref(), &which.tags)?;
        // Digests need the peppers, and identifiers nothing.
        let needs_peppers = which.keys.iter().any(|text| text.parse::<KeyId>().is_err());
        let config = if needs_peppers { self.session.config_if_any()? } else { None };
        let peppers = config.map(|config| config.peppers.clone()).unwrap_or_default();
        let act = self.session.act(which.note.as_deref());
        let mut done = KeysRevoked::none(which);
        let ended = done.revoke(which, holders.as_ref(), &store, &peppers, &act, &mut |more| progress(more));
        if ended.is_err() && !done.revoked.is_empty() {
            let some = values::counted(done.revoked.len(), "key");
            self.session.ui.warn(format!("{some} were revoked before this"));
        }
        ended?;
        Ok(done)
    }

    fn prune_keys(&self, which: &PruneBody, progress: &dyn Fn(usize)) -> Result<KeysPruned, Failure> {
        let before = which.revoked_before.0.resolve(self.session.now());
        let store = self.open(which.dry_run)?;
        let pruned = if which.dry_run {
            store.prunable(before)?
        } else {
            let act = self.session.act(which.note.as_deref());
            store
                .prune(before, &act, &mut |batch| {
                    progress(batch.len());
                    ControlFlow::Continue(())
                })?
                .ids
        };
        let pruned = pruned.into_iter().map(Spelled).collect();
        Ok(KeysPruned { dry_run: which.dry_run, revoked_before: Spelled(before), pruned })
    }

    fn rotation_status(&self, consumer: Option<&str>) -> Result<Vec<RotationShape>, Failure> {
        let now = self.session.now();
        let store = self.session.store()?;
        let consumer = consumer.map(|text| lookup::consumer(&store, text)).transpose()?;
        let usage = self.session.usage();
        let replaced = store.replaced(consumer.map(|consumer| consumer.id), now, usize::MAX)?;
        let shapes = replaced.iter().map(|key| RotationShape::new(key, &store, usage.as_ref(), now));
        Ok(shapes.collect::<Result<_, StoreError>>()?)
    }

    fn admin_keys(&self, each: Each<'_, AdminKeyShape>) -> Result<(), Failure> {
        let now = self.session.now();
        let mut damage = Damage { session: self.session, records: 0 };
        for key in self.session.store()?.admin_keys()? {
            match key {
                Ok(key) => each(AdminKeyShape::new(&key, now))?,
                Err(error) => damage.tell(&error),
            }
        }
        damage.end()
    }

    fn admin_key(&self, id: AdminKeyId) -> Result<AdminKeyShape, Failure> {
        Ok(AdminKeyShape::new(&self.session.store()?.admin_key(id)?, self.session.now()))
    }

    fn create_admin_key(&self, new: &NewAdminKeyBody) -> Result<NewAdminKeyShape, Failure> {
        let act = self.session.act(new.note.as_deref());
        let expires = new.expires.map_or(super::ADMIN_EXPIRES, |moment| moment.0);
        let expires_at = values::resolve_expiry(expires, act.at)?;
        let record = NewAdminKey { name: new.name.clone(), role: new.role.0, expires_at };
        let issued = self.session.store_mut()?.issue_admin_key(&record, &act, &mut rand::rng())?;
        let token = Some(TokenText::of(&issued.token));
        Ok(NewAdminKeyShape { token, key: AdminKeyShape::new(&issued.record, act.at) })
    }

    fn rotate_admin_key(&self, id: AdminKeyId, how: &RotateAdminKeyBody) -> Result<AdminKeyRotated, Failure> {
        let act = self.session.act(how.note.as_deref());
        let expires = how.expires.map_or(super::ADMIN_EXPIRES, |moment| moment.0);
        let expires_at = values::resolve_expiry(expires, act.at)?;
        let grace = how.grace.map_or(super::GRACE, |grace| grace.0.as_duration());
        let store = self.session.store_mut()?;
        let rotated = store.rotate_admin_key(id, grace, expires_at, &act, &mut rand::rng())?;
        let token = Some(TokenText::of(&rotated.new.token));
        Ok(AdminKeyRotated {
            old: AdminKeyShape::new(&rotated.old, act.at),
            new: NewAdminKeyShape { token, key: AdminKeyShape::new(&rotated.new.record, act.at) },
        })
    }

    fn revoke_admin_key(
        &self,
        id: AdminKeyId,
        note: Option<&str>,
    ) -> Result<Changed<AdminKeyShape>, Failure> {
        let act = self.session.act(note);
        let outcome = self.session.store_mut()?.revoke_admin_key(id, &act)?;
        Ok((AdminKeyShape::new(&outcome.record, act.at), outcome.changed))
    }
}

impl ConsumersWanted {
    fn filter(&self) -> ConsumerFilter {
        ConsumerFilter {
            tags: self.tags.clone(),
            plan: self.plan.clone(),
            enabled: self.enabled,
            name: self.name.clone(),
        }
    }
}

impl KeysWanted {
    fn filter(&self, store: &Store, now: Timestamp) -> Result<KeyFilter, Failure> {
        let scope = self.scope.as_deref().map(str::parse).transpose();
        Ok(KeyFilter {
            consumers: selected(store, self.consumer.as_deref(), &self.tags)?,
            statuses: self.status.clone(),
            key_type: self.key_type.clone(),
            expiring_before: self.expiring.map(|span: Span| now.plus(span.as_duration())),
            scope: scope.map_err(|e: crate::key::ScopeError| Failure::cannot(e.to_string()))?,
            name: self.name.clone(),
            ends: None,
            never_rotated: self.never_rotated,
            unused_for: self.unused_for.map(Span::as_duration),
        })
    }
}

fn name_of(store: &Store, consumer: ConsumerId) -> Option<String> {
    store.consumer(consumer).ok().map(|consumer| consumer.name)
}

/// Returns the consumers that a name and tags select together; `None` is all.
fn selected(
    store: &Store,
    wanted: Option<&str>,
    tags: &[String],
) -> Result<Option<BTreeSet<ConsumerId>>, Failure> {
    let named = wanted.map(|wanted| lookup::consumer(store, wanted)).transpose()?;
    Ok(store.selected(named.map(|consumer| consumer.id), tags)?)
}

fn consumer_names(store: &Store) -> Result<HashMap<ConsumerId, String>, Failure> {
    let mut names = HashMap::new();
    store.consumers(&mut |record| {
        // A damaged consumer has no name to show; `kgate consumer list` tells of it.
        names.extend(record.ok().map(|consumer| (consumer.id, consumer.name)));
        true
    })?;
    Ok(names)
}
