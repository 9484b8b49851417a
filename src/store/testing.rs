//! What the tests of this room share.

use std::path::Path;

use redb::ReadableTable;
use tempfile::TempDir;

use crate::key::{ConsumerId, ConsumerRecord, KeyId, Networks, Peppers, Scopes, Timestamp};

use super::place::STORE_FILE;
use super::{Access, Act, Actor, Issued, Item, NewConsumer, NewKey, Options, Store, Via, tables};

pub(super) fn options() -> Options {
    Options { cache_bytes: 4 << 20, ..Options::default() }
}

/// The present of every test.
pub(super) fn now() -> Timestamp {
    Timestamp::from_secs(1_800_000_000)
}

pub(super) fn act() -> Act {
    act_at(now())
}

pub(super) fn act_at(at: Timestamp) -> Act {
    Act { actor: Actor { user: "tess".into(), via: Via::Library }, at, note: None, request: None }
}

pub(super) fn store() -> (TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::create(dir.path(), &options(), &act(), &mut rand::rng()).unwrap();
    (dir, store)
}

pub(super) fn open(dir: &Path) -> Store {
    Store::open(dir, Access::Write, &options()).unwrap()
}

pub(super) fn consumer(store: &Store, name: &str) -> ConsumerRecord {
    let new = NewConsumer { name: name.into(), ..NewConsumer::default() };
    store.create_consumer(&new, &act(), &mut rand::rng()).unwrap()
}

pub(super) fn new_key(consumer: ConsumerId) -> NewKey {
    NewKey {
        consumer,
        name: "CI".into(),
        key_type: "live".into(),
        prefix: "acme_live".parse().unwrap(),
        scopes: ["products:read", "orders:write"].map(|s| s.parse().unwrap()).into_iter().collect::<Scopes>(),
        plan: Some("pro".into()),
        networks: "10.0.0.0/8,2001:db8::/32".parse::<Networks>().unwrap(),
        metadata: [("tier".to_owned(), "gold".to_owned())].into(),
        not_before: None,
        expires_at: None,
    }
}

pub(super) fn key(store: &Store, consumer: ConsumerId) -> Issued {
    store.issue(&new_key(consumer), &Peppers::default(), &act(), &mut rand::rng()).unwrap()
}

/// Everything in the store.
pub(super) fn contents(store: &Store) -> Vec<Item> {
    let mut items = Vec::new();
    store.load(&mut |item| items.push(item)).unwrap();
    items
}

/// Changes a file behind the store's back; nobody may have it open.
pub(super) fn meddle(file: &Path, change: impl FnOnce(&redb::WriteTransaction)) {
    let db = redb::Builder::new().open(file).unwrap();
    let txn = db.begin_write().unwrap();
    change(&txn);
    txn.commit().unwrap();
}

/// Flips a bit in the record of a key.
pub(super) fn damage_key(dir: &Path, id: KeyId) {
    meddle(&dir.join(STORE_FILE), |txn| {
        let mut table = txn.open_table(tables::KEYS).unwrap();
        let mut record = table.get(id.as_bytes()).unwrap().unwrap().value().to_vec();
        record[20] ^= 4;
        table.insert(id.as_bytes(), record.as_slice()).unwrap();
    });
}

/// Flips a bit in a row of the audit log.
pub(super) fn tamper_audit(file: &Path, number: u64) {
    meddle(file, |txn| {
        let mut table = txn.open_table(tables::AUDIT).unwrap();
        let mut row = table.get(number).unwrap().unwrap().value().to_vec();
        row[4] ^= 1;
        table.insert(number, row.as_slice()).unwrap();
    });
}
