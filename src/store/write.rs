//! Write transactions: every mutation goes through here, and so into both logs.

use std::path::Path;

use redb::{ReadableTable, Table, WriteTransaction};

use crate::key::{
    AdminKeyId, AdminKeyRecord, ConsumerId, ConsumerRecord, KeyId, KeyRecord, TextError, check_text,
};

use super::codec::{self, Ends, Touched};
use super::open::fault;
use super::tables::{
    ADMIN_DIGESTS, ADMIN_KEYS, AUDIT, CHANGES, CHANGES_KEPT, CONSUMERS, DIGESTS, EXTERNAL_IDS, Id, KEYS,
    KEYS_BY_CONSUMER, META, META_FORMAT, META_STATE, by_consumer,
};
use super::{Act, Action, AuditRow, StoreError, request};

/// What a mutation left, and whether it changed anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome<T> {
    /// The record as it is now.
    pub record: T,
    /// Whether this call changed it.
    pub changed: bool,
}

/// Which version of a record somebody has seen: it differs after every change of the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RecordTag([u8; 16]);

impl RecordTag {
    /// Returns the tag of a key's record.
    pub fn of_key(key: &KeyRecord) -> Self {
        Self::of(&codec::encode_key(key))
    }

    /// Returns the tag of a consumer's record.
    pub fn of_consumer(consumer: &ConsumerRecord) -> Self {
        Self::of(&codec::encode_consumer(consumer))
    }

    fn of(record: &[u8]) -> Self {
        Self(*codec::hash(record).first_chunk().expect("a hash has 32 bytes"))
    }
}

/// 32 hexadecimal digits.
impl std::fmt::Display for RecordTag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Refuses a change that was meant for another version of the record.
pub(super) fn refuse_stale(
    wanted: Option<&str>,
    found: RecordTag,
    id: impl std::fmt::Display,
) -> Result<(), StoreError> {
    match wanted {
        Some(wanted) if wanted != found.to_string() => Err(StoreError::Stale { id: id.to_string() }),
        _ => Ok(()),
    }
}

/// How many records one commit touches at most, so that no refresh is long and nobody waits for
/// the lock.
pub const BATCH: usize = 500;

/// The tables in one write transaction. Whatever it puts or removes gets a row in the change log.
pub(super) struct Writer<'t> {
    path: &'t Path,
    txn: &'t WriteTransaction,
    meta: Table<'t, &'static str, &'static [u8]>,
    consumers: Table<'t, &'static Id, &'static [u8]>,
    external_ids: Table<'t, &'static str, &'static Id>,
    keys: Table<'t, &'static Id, &'static [u8]>,
    digests: Table<'t, &'static [u8; 32], &'static Id>,
    by_consumer: Table<'t, &'static [u8; 32], ()>,
    changes: Table<'t, u64, &'static [u8]>,
    audit: Table<'t, u64, &'static [u8]>,
    before: Ends,
    ends: Ends,
}

impl<'t> Writer<'t> {
    pub(super) fn new(txn: &'t WriteTransaction, path: &'t Path) -> Result<Self, StoreError> {
        let fail = |error: redb::TableError| fault(path, error);
        let meta = txn.open_table(META).map_err(fail)?;
        let ends = {
            let row = meta.get(META_STATE).map_err(|error| fault(path, error))?;
            let row = row.ok_or_else(|| damaged("the ends of the logs", "it is missing"))?;
            Ends::decode(row.value()).map_err(|problem| damaged("the ends of the logs", problem))?
        };
        Ok(Self {
            path,
            txn,
            meta,
            consumers: txn.open_table(CONSUMERS).map_err(fail)?,
            external_ids: txn.open_table(EXTERNAL_IDS).map_err(fail)?,
            keys: txn.open_table(KEYS).map_err(fail)?,
            digests: txn.open_table(DIGESTS).map_err(fail)?,
            by_consumer: txn.open_table(KEYS_BY_CONSUMER).map_err(fail)?,
            changes: txn.open_table(CHANGES).map_err(fail)?,
            audit: txn.open_table(AUDIT).map_err(fail)?,
            before: ends,
            ends,
        })
    }

    /// Returns a key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::Damaged`].
    pub(super) fn key(&self, id: KeyId) -> Result<KeyRecord, StoreError> {
        self.key_if_any(id)?.ok_or_else(|| StoreError::NoSuchKey { wanted: id.to_string() })
    }

    pub(super) fn key_if_any(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        let row = self.keys.get(id.as_bytes()).map_err(at(self.path))?;
        row.map(|row| codec::decode_key(id.as_bytes(), row.value()).map_err(|problem| damaged(id, problem)))
            .transpose()
    }

    /// Returns a consumer.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`], [`StoreError::Damaged`].
    pub(super) fn consumer(&self, id: ConsumerId) -> Result<ConsumerRecord, StoreError> {
        self.consumer_if_any(id)?.ok_or_else(|| StoreError::NoSuchConsumer { wanted: id.to_string() })
    }

    pub(super) fn consumer_if_any(&self, id: ConsumerId) -> Result<Option<ConsumerRecord>, StoreError> {
        let row = self.consumers.get(id.as_bytes()).map_err(at(self.path))?;
        row.map(|row| {
            codec::decode_consumer(id.as_bytes(), row.value()).map_err(|problem| damaged(id, problem))
        })
        .transpose()
    }

    /// Returns who has an external id.
    pub(super) fn external_id_holder(&self, external_id: &str) -> Result<Option<ConsumerId>, StoreError> {
        let row = self.external_ids.get(external_id).map_err(at(self.path))?;
        Ok(row.map(|row| ConsumerId::from_bytes(*row.value())))
    }

    /// Returns which key has a digest.
    pub(super) fn digest_holder(&self, digest: &[u8; 32]) -> Result<Option<KeyId>, StoreError> {
        let row = self.digests.get(digest).map_err(at(self.path))?;
        Ok(row.map(|row| KeyId::from_bytes(*row.value())))
    }

    /// Returns the identifiers of a consumer's keys.
    pub(super) fn keys_of(&self, consumer: ConsumerId) -> Result<Vec<KeyId>, StoreError> {
        let from = by_consumer(consumer.as_bytes(), &[0; 16]);
        let to = by_consumer(consumer.as_bytes(), &[0xff; 16]);
        let rows = self.by_consumer.range::<&[u8; 32]>(&from..=&to).map_err(at(self.path))?;
        rows.map(|row| {
            let (row, ()) = row.map(|(k, _)| (k, ())).map_err(at(self.path))?;
            Ok(KeyId::from_bytes(*row.value().last_chunk().expect("32 bytes have a last half")))
        })
        .collect()
    }

    /// Puts a key that is there already, or with [`Writer::insert_key`] a new one.
    pub(super) fn put_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        let record = codec::encode_key(key);
        self.keys.insert(key.id.as_bytes(), record.as_slice()).map_err(at(self.path))?;
        self.touch(Touched::Key(key.id))
    }

    /// Puts a new key with its digest.
    pub(super) fn insert_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        self.insert_keys(std::iter::once(key))
    }

    /// Puts new keys with their digests. Digests are random; in order, each leaf is visited once.
    pub(super) fn insert_keys<'k>(
        &mut self,
        keys: impl Iterator<Item = &'k KeyRecord> + Clone,
    ) -> Result<(), StoreError> {
        let mut digests: Vec<_> = keys.clone().map(|key| (key.digest, key.id)).collect();
        digests.sort_unstable();
        for (digest, id) in digests {
            self.digests.insert(digest.as_bytes(), id.as_bytes()).map_err(at(self.path))?;
        }
        for key in keys {
            let row = by_consumer(key.consumer.as_bytes(), key.id.as_bytes());
            self.by_consumer.insert(&row, ()).map_err(at(self.path))?;
            self.put_key(key)?;
        }
        Ok(())
    }

    /// Removes a key and its digest.
    pub(super) fn remove_key(&mut self, key: &KeyRecord) -> Result<(), StoreError> {
        self.keys.remove(key.id.as_bytes()).map_err(at(self.path))?;
        self.digests.remove(key.digest.as_bytes()).map_err(at(self.path))?;
        let row = by_consumer(key.consumer.as_bytes(), key.id.as_bytes());
        self.by_consumer.remove(&row).map_err(at(self.path))?;
        self.touch(Touched::KeyRemoved(key.id, key.digest))
    }

    /// Puts a consumer, new or not. `before` is its record until now.
    ///
    /// # Errors
    /// [`StoreError::ExternalIdTaken`].
    pub(super) fn put_consumer(
        &mut self,
        consumer: &ConsumerRecord,
        before: Option<&ConsumerRecord>,
    ) -> Result<(), StoreError> {
        let old = before.and_then(|b| b.external_id.as_deref());
        let new = consumer.external_id.as_deref();
        if old != new {
            if let Some(external_id) = new
                && let Some(holder) = self.external_id_holder(external_id)?
                && holder != consumer.id
            {
                return Err(StoreError::ExternalIdTaken { external_id: external_id.to_owned(), holder });
            }
            if let Some(external_id) = old {
                self.external_ids.remove(external_id).map_err(at(self.path))?;
            }
            if let Some(external_id) = new {
                self.external_ids.insert(external_id, consumer.id.as_bytes()).map_err(at(self.path))?;
            }
        }
        let record = codec::encode_consumer(consumer);
        self.consumers.insert(consumer.id.as_bytes(), record.as_slice()).map_err(at(self.path))?;
        self.touch(Touched::Consumer(consumer.id))
    }

    /// Removes a consumer and its external id.
    pub(super) fn remove_consumer(&mut self, consumer: &ConsumerRecord) -> Result<(), StoreError> {
        if let Some(external_id) = &consumer.external_id {
            self.external_ids.remove(external_id.as_str()).map_err(at(self.path))?;
        }
        self.consumers.remove(consumer.id.as_bytes()).map_err(at(self.path))?;
        self.touch(Touched::Consumer(consumer.id))
    }

    /// Returns an admin key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAdminKey`], [`StoreError::Damaged`].
    pub(super) fn admin_key(&self, id: AdminKeyId) -> Result<AdminKeyRecord, StoreError> {
        let table = self.txn.open_table(ADMIN_KEYS).map_err(|error| fault(self.path, error))?;
        let row = table.get(id.as_bytes()).map_err(at(self.path))?;
        let row = row.ok_or_else(|| StoreError::NoSuchAdminKey { wanted: id.to_string() })?;
        codec::decode_admin_key(id.as_bytes(), row.value()).map_err(|problem| damaged(id, problem))
    }

    /// Puts an admin key, new or not. There are few, so their tables are opened when they are needed.
    pub(super) fn put_admin_key(&mut self, key: &AdminKeyRecord) -> Result<(), StoreError> {
        let fail = |error: redb::TableError| fault(self.path, error);
        let record = codec::encode_admin_key(key);
        let mut keys = self.txn.open_table(ADMIN_KEYS).map_err(fail)?;
        keys.insert(key.id.as_bytes(), record.as_slice()).map_err(at(self.path))?;
        let mut digests = self.txn.open_table(ADMIN_DIGESTS).map_err(fail)?;
        digests.insert(key.digest.as_bytes(), key.id.as_bytes()).map_err(at(self.path))?;
        drop((keys, digests));
        self.touch(Touched::AdminKey(key.id))
    }

    fn touch(&mut self, touched: Touched) -> Result<(), StoreError> {
        self.ends.revision += 1;
        let row = touched.encode();
        self.changes.insert(self.ends.revision, row.as_slice()).map_err(at(self.path))?;
        Ok(())
    }

    /// Appends a row to the audit log.
    pub(super) fn log(&mut self, act: &Act, action: Action) -> Result<(), StoreError> {
        let number = self.ends.audit_count + 1;
        if let Some(wanted) = &act.request {
            request::note(self.txn, self.path, wanted, act.at, number)?;
        }
        let row = codec::encode_audit(AuditRow {
            number,
            at: act.at,
            actor: act.actor.clone(),
            action,
            note: act.note.clone(),
            previous: self.ends.audit_hash,
        });
        self.audit.insert(number, row.as_slice()).map_err(at(self.path))?;
        self.ends.audit_count = number;
        self.ends.audit_hash = codec::hash(&row);
        Ok(())
    }

    /// Makes the commit differ from the one before without touching anything.
    pub(super) const fn nudge(&mut self) {
        self.ends.nudges += 1;
    }

    /// Notes that the tables have the shapes of `format` now.
    pub(super) fn set_format(&mut self, format: u32) -> Result<(), StoreError> {
        self.meta.insert(META_FORMAT, format.to_le_bytes().as_slice()).map_err(at(self.path))?;
        Ok(())
    }

    /// Makes the transaction end without a commit: it was only tried.
    pub(super) const fn discard(&mut self) {
        self.ends = self.before;
    }

    pub(super) const fn ends(&self) -> &Ends {
        &self.ends
    }

    /// Trims the change log and writes the new ends, or returns `None` if there is nothing to commit.
    pub(super) fn finish(mut self) -> Result<Option<Ends>, StoreError> {
        if self.ends == self.before {
            return Ok(None);
        }
        debug_assert!(
            self.ends.revision == self.before.revision || self.ends.audit_count > self.before.audit_count,
            "a change without an audit row"
        );
        if let Some(last) = self.ends.revision.checked_sub(CHANGES_KEPT) {
            self.changes.retain_in(..=last, |_, _| false).map_err(at(self.path))?;
        }
        self.meta.insert(META_STATE, self.ends.encode().as_slice()).map_err(at(self.path))?;
        Ok(Some(self.ends))
    }
}

fn at(path: &Path) -> impl Fn(redb::StorageError) -> StoreError + '_ {
    move |error| fault(path, error)
}

pub(super) fn damaged(what: impl std::fmt::Display, problem: impl Into<String>) -> StoreError {
    StoreError::Damaged { what: what.to_string(), problem: problem.into() }
}

/// The most bytes of a name, external id, contact, plan, metadata value or note.
pub(super) const MAX_TEXT: usize = 256;
/// The most bytes of a tag or metadata key.
pub(super) const MAX_LABEL: usize = 64;
/// The most tags or metadata pairs of a record.
pub(super) const MAX_ENTRIES: usize = 64;

pub(super) fn check(field: &'static str, text: &str, max_bytes: usize) -> Result<(), StoreError> {
    check_text(text, max_bytes).map_err(|error: TextError| StoreError::Text { field, error })
}

pub(super) fn check_filled(field: &'static str, text: &str, max_bytes: usize) -> Result<(), StoreError> {
    if text.trim().is_empty() {
        return Err(StoreError::Empty { field });
    }
    check(field, text, max_bytes)
}

pub(super) fn check_optional(field: &'static str, text: Option<&str>) -> Result<(), StoreError> {
    text.map_or(Ok(()), |text| check_filled(field, text, MAX_TEXT))
}

pub(super) fn check_metadata(metadata: &crate::key::Metadata) -> Result<(), StoreError> {
    if metadata.len() > MAX_ENTRIES {
        return Err(StoreError::TooMany { field: "metadata pairs", max: MAX_ENTRIES });
    }
    metadata.iter().try_for_each(|(key, value)| {
        check_filled("a metadata key", key, MAX_LABEL)?;
        check("a metadata value", value, MAX_TEXT)
    })
}

pub(super) fn check_act(act: &Act) -> Result<(), StoreError> {
    check("the actor", &act.actor.user, MAX_TEXT)?;
    act.note.as_deref().map_or(Ok(()), |note| check("the note", note, MAX_TEXT))
}
