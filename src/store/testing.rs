//! What the tests of this room share.

use std::path::Path;

use tempfile::TempDir;

use crate::key::{ConsumerId, ConsumerRecord, Networks, Peppers, Scopes, Timestamp};

use super::{Access, Act, Actor, Issued, NewConsumer, NewKey, Options, Store, Via};

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
    Act { actor: Actor { user: "tess".into(), via: Via::Library }, at, note: None }
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
