//! Typed reads.

use std::ops::Bound;
use std::path::PathBuf;

use redb::{Key, ReadOnlyTable, ReadTransaction, TableDefinition, TableError, Value};

use crate::key::{ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord};

use super::codec::{self, Ends};
use super::guard::Out;
use super::open::fault;
use super::tables::{
    AUDIT, CONSUMERS, DIGESTS, EXTERNAL_IDS, Id, KEYS, KEYS_BY_CONSUMER, META, META_FORMAT, META_STATE,
    META_STORE_ID, by_consumer,
};
use super::write::damaged;
use super::{Store, StoreError};

/// The store as it is at one moment.
pub(super) struct Snapshot {
    txn: ReadTransaction,
    path: PathBuf,
}

impl Snapshot {
    pub(super) const fn new(txn: ReadTransaction, path: PathBuf) -> Self {
        Self { txn, path }
    }

    pub(super) fn fail(&self) -> impl Fn(redb::StorageError) -> StoreError + 'static {
        let path = self.path.clone();
        move |error| fault(&path, error)
    }

    pub(super) fn open<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<ReadOnlyTable<K, V>, StoreError> {
        self.txn.open_table(table).map_err(|error| fault(&self.path, error))
    }

    /// Opens a table that may never have been written to.
    pub(super) fn open_if_there<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Option<ReadOnlyTable<K, V>>, StoreError> {
        match self.txn.open_table(table) {
            Ok(table) => Ok(Some(table)),
            Err(TableError::TableDoesNotExist(_)) => Ok(None),
            Err(error) => Err(fault(&self.path, error)),
        }
    }

    fn meta(&self, name: &'static str) -> Result<Vec<u8>, StoreError> {
        let row = self.open(META)?.get(name).map_err(self.fail())?;
        row.map(|row| row.value().to_vec()).ok_or_else(|| damaged(name, "it is missing"))
    }

    pub(super) fn format(&self) -> Result<u32, StoreError> {
        let bytes = self.meta(META_FORMAT)?;
        let bytes = bytes.try_into().map_err(|_| damaged("the format version", "it is not four bytes"))?;
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn store_id(&self) -> Result<Id, StoreError> {
        self.meta(META_STORE_ID)?.try_into().map_err(|_| damaged("the store's id", "it is not 16 bytes"))
    }

    pub(super) fn ends(&self) -> Result<Ends, StoreError> {
        Ends::decode(&self.meta(META_STATE)?).map_err(|problem| damaged("the ends of the logs", problem))
    }

    /// Returns the hash of a row of the audit log; of row 0, what the first one follows.
    pub(super) fn audit_hash(&self, number: u64) -> Result<Option<[u8; 32]>, StoreError> {
        if number == 0 {
            return Ok(Some(Ends::new(&self.store_id()?).audit_hash));
        }
        let row = self.open(AUDIT)?.get(number).map_err(self.fail())?;
        Ok(row.map(|row| codec::hash(row.value())))
    }

    pub(super) fn key(&self, id: KeyId) -> Result<Option<KeyRecord>, StoreError> {
        self.key_in(&self.open(KEYS)?, id)
    }

    /// Returns a key from the opened table: opening costs more than reading.
    pub(super) fn key_in(
        &self,
        keys: &ReadOnlyTable<&'static Id, &'static [u8]>,
        id: KeyId,
    ) -> Result<Option<KeyRecord>, StoreError> {
        let row = keys.get(id.as_bytes()).map_err(self.fail())?;
        row.map(|row| codec::decode_key(id.as_bytes(), row.value()).map_err(|problem| damaged(id, problem)))
            .transpose()
    }

    pub(super) fn consumer(&self, id: ConsumerId) -> Result<Option<ConsumerRecord>, StoreError> {
        let row = self.open(CONSUMERS)?.get(id.as_bytes()).map_err(self.fail())?;
        row.map(|row| {
            codec::decode_consumer(id.as_bytes(), row.value()).map_err(|problem| damaged(id, problem))
        })
        .transpose()
    }

    fn by_external_id(&self, external_id: &str) -> Result<Option<ConsumerRecord>, StoreError> {
        let Some(id) = self.open(EXTERNAL_IDS)?.get(external_id).map_err(self.fail())? else {
            return Ok(None);
        };
        let id = ConsumerId::from_bytes(*id.value());
        let missing = || damaged(id, "an external id leads to it and it is missing");
        self.consumer(id)?.map(Some).ok_or_else(missing)
    }

    /// Calls `each` with every consumer until it returns `false`.
    pub(super) fn each_consumer(
        &self,
        each: &mut dyn FnMut(Result<ConsumerRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        for row in self.open(CONSUMERS)?.range::<&Id>(..).map_err(self.fail())? {
            let (id, row) = row.map_err(self.fail())?;
            let id = id.value();
            let record = codec::decode_consumer(id, row.value());
            if !each(record.map_err(|problem| damaged(ConsumerId::from_bytes(*id), problem))) {
                break;
            }
        }
        Ok(())
    }

    /// Calls `each` with every key until it returns `false`.
    pub(super) fn each_key(
        &self,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        for row in self.open(KEYS)?.range::<&Id>(..).map_err(self.fail())? {
            let (id, row) = row.map_err(self.fail())?;
            let id = id.value();
            let record = codec::decode_key(id, row.value());
            if !each(record.map_err(|problem| damaged(KeyId::from_bytes(*id), problem))) {
                break;
            }
        }
        Ok(())
    }
}

impl Store {
    /// Returns a key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`]; [`StoreError::Damaged`] if it is there and cannot be read.
    pub fn key(&self, id: KeyId) -> Result<KeyRecord, StoreError> {
        self.read(move |snapshot| {
            snapshot.key(id)?.ok_or_else(|| StoreError::NoSuchKey { wanted: id.to_string() })
        })
    }

    /// Returns the key with a digest, if there is one.
    pub fn key_by_digest(&self, digest: &Digest) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.keys_by_digests(vec![vec![*digest]])?.pop().flatten())
    }

    /// Returns for each of `wanted`, in their order, the key that the first of its digests with one leads to: in one
    /// reading, since each is a thread under the watchdog, and thousands of them are seconds on a busy machine.
    pub(super) fn keys_by_digests(
        &self,
        wanted: Vec<Vec<Digest>>,
    ) -> Result<Vec<Option<KeyRecord>>, StoreError> {
        let mut found = Vec::with_capacity(wanted.len());
        let job = move |snapshot: &Snapshot, out: &mut Out<'_, _>| {
            let table = snapshot.open(DIGESTS)?;
            let lead = |digest: &Digest| -> Result<Option<KeyRecord>, StoreError> {
                let Some(id) = table.get(digest.as_bytes()).map_err(snapshot.fail())? else {
                    return Ok(None);
                };
                let id = KeyId::from_bytes(*id.value());
                let missing = || damaged(id, "a digest leads to it and it is missing");
                let key = snapshot.key(id)?.ok_or_else(missing)?;
                let is_it = key.digest == *digest;
                if is_it { Ok(Some(key)) } else { Err(damaged(id, "another digest leads to it")) }
            };
            for digests in wanted {
                let key = digests.iter().find_map(|digest| lead(digest).transpose()).transpose()?;
                if !out.push(key) {
                    break;
                }
            }
            Ok(())
        };
        self.reading(job, &mut |key| {
            found.push(key);
            true
        })?;
        Ok(found)
    }

    /// Returns a consumer.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`]; [`StoreError::Damaged`] if it is there and cannot be read.
    pub fn consumer(&self, id: ConsumerId) -> Result<ConsumerRecord, StoreError> {
        self.read(move |snapshot| {
            snapshot.consumer(id)?.ok_or_else(|| StoreError::NoSuchConsumer { wanted: id.to_string() })
        })
    }

    /// Returns the consumer with this identifier, external id or unambiguous name, in that order.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`], [`StoreError::AmbiguousConsumer`].
    pub fn find_consumer(&self, wanted: &str) -> Result<ConsumerRecord, StoreError> {
        let wanted = wanted.to_owned();
        self.read(move |snapshot| {
            if let Ok(id) = wanted.parse()
                && let Some(consumer) = snapshot.consumer(id)?
            {
                return Ok(consumer);
            }
            if let Some(consumer) = snapshot.by_external_id(&wanted)? {
                return Ok(consumer);
            }
            let mut named = Vec::new();
            snapshot.each_consumer(&mut |consumer| {
                // A damaged record cannot be the one asked for by name.
                named.extend(consumer.ok().filter(|c| c.name == wanted));
                true
            })?;
            match (named.pop(), named.as_slice()) {
                (None, _) => Err(StoreError::NoSuchConsumer { wanted }),
                (Some(only), []) => Ok(only),
                (Some(last), others) => {
                    let ids = others.iter().map(|c| c.id).chain([last.id]).collect();
                    Err(StoreError::AmbiguousConsumer { wanted, ids })
                }
            }
        })
    }

    /// Calls `each` with every key in order of creation until it returns `false`. A record that
    /// cannot be read is passed as the error it is.
    pub fn keys(
        &self,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        self.reading(|snapshot, out: &mut Out<'_, _>| snapshot.each_key(&mut |key| out.push(key)), each)
    }

    /// Calls `each` with every key of a consumer in order of creation until it returns `false`.
    pub fn keys_of(
        &self,
        consumer: ConsumerId,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        self.keys_of_after(consumer, None, each)
    }

    /// Calls `each` with the keys made after `after` in order of creation until it returns `false`.
    pub fn keys_after(
        &self,
        after: Option<KeyId>,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        self.reading(
            move |snapshot, out: &mut Out<'_, _>| {
                let keys = snapshot.open(KEYS)?;
                for row in
                    keys.range::<&Id>(behind(after.as_ref().map(KeyId::as_bytes))).map_err(snapshot.fail())?
                {
                    let (id, row) = row.map_err(snapshot.fail())?;
                    let record = codec::decode_key(id.value(), row.value());
                    if !out.push(record.map_err(|problem| damaged(KeyId::from_bytes(*id.value()), problem))) {
                        break;
                    }
                }
                Ok(())
            },
            each,
        )
    }

    /// As [`Store::keys_after`], of the keys of one consumer.
    pub fn keys_of_after(
        &self,
        consumer: ConsumerId,
        after: Option<KeyId>,
        each: &mut dyn FnMut(Result<KeyRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        let from = by_consumer(consumer.as_bytes(), after.as_ref().map_or(&[0; 16], KeyId::as_bytes));
        let to = by_consumer(consumer.as_bytes(), &[0xff; 16]);
        self.reading(
            move |snapshot, out: &mut Out<'_, _>| {
                let keys = snapshot.open(KEYS)?;
                let rows = snapshot.open(KEYS_BY_CONSUMER)?;
                let range = (
                    if after.is_some() { Bound::Excluded(&from) } else { Bound::Included(&from) },
                    Bound::Included(&to),
                );
                for row in rows.range::<&[u8; 32]>(range).map_err(snapshot.fail())? {
                    let (row, _) = row.map_err(snapshot.fail())?;
                    let id = KeyId::from_bytes(*row.value().last_chunk().expect("32 bytes have a last half"));
                    let key = snapshot
                        .key_in(&keys, id)
                        .and_then(|key| key.ok_or_else(|| damaged(id, "it is missing")));
                    if !out.push(key) {
                        break;
                    }
                }
                Ok(())
            },
            each,
        )
    }

    /// Returns the identifiers of a consumer's keys in order of creation, without reading the keys.
    pub fn key_ids_of(&self, consumer: ConsumerId) -> Result<Vec<KeyId>, StoreError> {
        let from = by_consumer(consumer.as_bytes(), &[0; 16]);
        let to = by_consumer(consumer.as_bytes(), &[0xff; 16]);
        self.read(move |snapshot| {
            let mut ids = Vec::new();
            let rows = snapshot.open(KEYS_BY_CONSUMER)?;
            for row in rows.range::<&[u8; 32]>(&from..=&to).map_err(snapshot.fail())? {
                let (row, _) = row.map_err(snapshot.fail())?;
                ids.push(KeyId::from_bytes(*row.value().last_chunk().expect("32 bytes have a last half")));
            }
            Ok(ids)
        })
    }

    /// Returns the consumer with an external id, if there is one.
    pub fn consumer_by_external_id(&self, external_id: &str) -> Result<Option<ConsumerRecord>, StoreError> {
        let external_id = external_id.to_owned();
        self.read(move |snapshot| snapshot.by_external_id(&external_id))
    }

    /// Calls `each` with the consumers made after `after` in order of creation until it returns `false`.
    pub fn consumers_after(
        &self,
        after: Option<ConsumerId>,
        each: &mut dyn FnMut(Result<ConsumerRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        self.reading(
            move |snapshot, out: &mut Out<'_, _>| {
                let range = behind(after.as_ref().map(ConsumerId::as_bytes));
                for row in snapshot.open(CONSUMERS)?.range::<&Id>(range).map_err(snapshot.fail())? {
                    let (id, row) = row.map_err(snapshot.fail())?;
                    let record = codec::decode_consumer(id.value(), row.value());
                    let id = ConsumerId::from_bytes(*id.value());
                    if !out.push(record.map_err(|problem| damaged(id, problem))) {
                        break;
                    }
                }
                Ok(())
            },
            each,
        )
    }

    /// Calls `each` with every consumer in order of creation until it returns `false`.
    pub fn consumers(
        &self,
        each: &mut dyn FnMut(Result<ConsumerRecord, StoreError>) -> bool,
    ) -> Result<(), StoreError> {
        self.reading(|snapshot, out: &mut Out<'_, _>| snapshot.each_consumer(&mut |c| out.push(c)), each)
    }
}

/// What comes behind an identifier, or everything.
fn behind(after: Option<&Id>) -> (Bound<&Id>, Bound<&Id>) {
    (after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded)
}
