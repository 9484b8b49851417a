//! What a reader follows: everything at one revision, or what changed since another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::key::{ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord};

use super::codec::{self, Touched};
use super::guard::Out;
use super::read::Snapshot;
use super::tables::{CHANGES, CONSUMERS, DIGESTS, Id, KEYS};
use super::{Store, StoreError, Subject};

/// The number of the last change: it grows by one for each record touched, without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Revision(pub u64);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One record, as [`Store::load`] delivers it: consumers first, then keys.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A consumer.
    Consumer(ConsumerRecord),
    /// A key. If its consumer is not there (it was deleted), the key is revoked.
    Key(KeyRecord),
    /// A record that cannot be read: its digest must be refused, and the store not be called well.
    Damaged(Damage),
}

/// A record that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Whose record it is.
    pub subject: Subject,
    /// Of a key: its digest, if the digest table still tells.
    pub digest: Option<Digest>,
    /// What is wrong with it.
    pub problem: String,
}

/// What became of one record: its state now, however often it changed in between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// The consumer is new or different.
    Consumer(ConsumerRecord),
    /// The consumer is gone.
    ConsumerRemoved(ConsumerId),
    /// The key is new or different.
    Key(KeyRecord),
    /// The key is gone (pruned). It was revoked long before.
    KeyRemoved {
        /// Which.
        id: KeyId,
        /// What it was found by.
        digest: Digest,
    },
    /// The record changed and cannot be read.
    Damaged(Damage),
}

/// The way from one revision to the present.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Changes {
    /// Apply these, in any order but consumers before keys (as they come), and be at `revision`.
    Rows {
        /// The present.
        revision: Revision,
        /// What changed; empty if nothing did.
        changes: Vec<Change>,
    },
    /// The rows are gone or unreadable, or the revision asked for was never reached: load anew.
    Reload,
}

impl Store {
    /// Returns the number of the last change.
    pub fn revision(&self) -> Result<Revision, StoreError> {
        self.read(|snapshot| Ok(Revision(snapshot.ends()?.revision)))
    }

    /// Delivers everything the store holds at one moment, and returns its revision.
    ///
    /// A damaged record is delivered as [`Item::Damaged`], not skipped and not an error.
    pub fn load(&self, each: &mut dyn FnMut(Item)) -> Result<Revision, StoreError> {
        self.reading(load, &mut |item| {
            each(item);
            true
        })
    }

    /// Returns what changed since `revision`, all read at one moment.
    pub fn changes_since(&self, revision: Revision) -> Result<Changes, StoreError> {
        self.read(move |snapshot| changes_since(snapshot, revision.0))
    }
}

fn load(snapshot: &Snapshot, out: &mut Out<'_, Item>) -> Result<Revision, StoreError> {
    let consumers = snapshot.open(CONSUMERS)?;
    for row in consumers.range::<&Id>(..).map_err(snapshot.fail())? {
        let (id, row) = row.map_err(snapshot.fail())?;
        out.push(match codec::decode_consumer(id.value(), row.value()) {
            Ok(consumer) => Item::Consumer(consumer),
            Err(problem) => Item::Damaged(damaged_consumer(id.value(), problem)),
        });
    }
    let mut damaged = Vec::new();
    let keys = snapshot.open(KEYS)?;
    for row in keys.range::<&Id>(..).map_err(snapshot.fail())? {
        let (id, row) = row.map_err(snapshot.fail())?;
        match codec::decode_key(id.value(), row.value()) {
            Ok(key) => {
                out.push(Item::Key(key));
            }
            Err(problem) => damaged.push((KeyId::from_bytes(*id.value()), problem)),
        }
    }
    for damage in with_digests(snapshot, damaged)? {
        out.push(Item::Damaged(damage));
    }
    Ok(Revision(snapshot.ends()?.revision))
}

fn damaged_consumer(id: &Id, problem: String) -> Damage {
    Damage { subject: Subject::Consumer(ConsumerId::from_bytes(*id)), digest: None, problem }
}

/// The record of a damaged key does not tell its digest; the digest table, read backwards, does.
fn with_digests(snapshot: &Snapshot, damaged: Vec<(KeyId, String)>) -> Result<Vec<Damage>, StoreError> {
    if damaged.is_empty() {
        return Ok(Vec::new());
    }
    let wanted: HashSet<KeyId> = damaged.iter().map(|(id, _)| *id).collect();
    let mut digests = HashMap::new();
    let table = snapshot.open(DIGESTS)?;
    for row in table.range::<&[u8; 32]>(..).map_err(snapshot.fail())? {
        let (digest, id) = row.map_err(snapshot.fail())?;
        let id = KeyId::from_bytes(*id.value());
        if wanted.contains(&id) {
            digests.insert(id, Digest::from_bytes(*digest.value()));
        }
    }
    let damage =
        |(id, problem)| Damage { subject: Subject::Key(id), digest: digests.get(&id).copied(), problem };
    Ok(damaged.into_iter().map(damage).collect())
}

fn changes_since(snapshot: &Snapshot, since: u64) -> Result<Changes, StoreError> {
    let present = snapshot.ends()?.revision;
    if since > present {
        return Ok(Changes::Reload);
    }
    let Some(touched) = touched_since(snapshot, since, present)? else { return Ok(Changes::Reload) };
    let mut changes = Vec::with_capacity(touched.len());
    let mut damaged_keys = Vec::new();
    // Consumers sort before keys.
    for touched in touched.values() {
        match *touched {
            Touched::Consumer(id) => changes.push(match snapshot.consumer(id) {
                Ok(Some(consumer)) => Change::Consumer(consumer),
                Ok(None) => Change::ConsumerRemoved(id),
                Err(StoreError::Damaged { problem, .. }) => {
                    Change::Damaged(damaged_consumer(id.as_bytes(), problem))
                }
                Err(error) => return Err(error),
            }),
            Touched::Key(id) | Touched::KeyRemoved(id, _) => match (snapshot.key(id), touched) {
                (Ok(Some(key)), _) => changes.push(Change::Key(key)),
                (Ok(None), Touched::KeyRemoved(_, digest)) => {
                    changes.push(Change::KeyRemoved { id, digest: *digest });
                }
                // Gone without a row that says so: the log is not to be trusted.
                (Ok(None), _) => return Ok(Changes::Reload),
                (Err(StoreError::Damaged { problem, .. }), _) => damaged_keys.push((id, problem)),
                (Err(error), _) => return Err(error),
            },
        }
    }
    changes.extend(with_digests(snapshot, damaged_keys)?.into_iter().map(Change::Damaged));
    Ok(Changes::Rows { revision: Revision(present), changes })
}

/// Returns the last row of each record touched in `since + 1 ..= present`, or `None` if a row is
/// missing or unreadable.
fn touched_since(
    snapshot: &Snapshot,
    since: u64,
    present: u64,
) -> Result<Option<BTreeMap<Subject, Touched>>, StoreError> {
    let mut touched = BTreeMap::new();
    let table = snapshot.open(CHANGES)?;
    let mut expected = since;
    for row in table.range(since + 1..=present).map_err(snapshot.fail())? {
        let (revision, row) = row.map_err(snapshot.fail())?;
        expected += 1;
        match Touched::decode(row.value()) {
            Some(row) if revision.value() == expected => touched.insert(row.subject(), row),
            _ => return Ok(None),
        };
    }
    Ok((expected == present).then_some(touched))
}
