//! What a reader follows: everything at one revision, or what changed since another.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;

use crate::key::{AdminKeyRecord, ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord};

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
#[expect(clippy::large_enum_variant, reason = "most are keys, and a box would cost each an allocation")]
pub enum Item {
    /// A consumer.
    Consumer(ConsumerRecord),
    /// A key. If its consumer is not there (it was deleted), the key is revoked.
    Key(KeyRecord),
    /// An admin key, of no concern to who decides about requests.
    AdminKey(AdminKeyRecord),
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
#[expect(clippy::large_enum_variant, reason = "most are keys, and a box would cost each an allocation")]
pub enum Change {
    /// The consumer is new or different.
    Consumer(ConsumerRecord),
    /// The consumer is gone. The reader need not have known it.
    ConsumerRemoved(ConsumerId),
    /// The key is new or different.
    Key(KeyRecord),
    /// The key is gone (pruned); it was revoked before. The reader need not have known it: it may
    /// have come and gone since.
    KeyRemoved {
        /// Which.
        id: KeyId,
        /// What it was found by.
        digest: Digest,
    },
    /// The admin key is new or different.
    AdminKey(AdminKeyRecord),
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
    snapshot.each_admin_key(&mut |key| {
        out.push(match key {
            Ok(key) => Item::AdminKey(key),
            Err((id, problem)) => {
                Item::Damaged(Damage { subject: Subject::AdminKey(id), digest: None, problem })
            }
        });
    })?;
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
    let keys = snapshot.open(KEYS)?;
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
            Touched::Key(id) | Touched::KeyRemoved(id, _) => match (snapshot.key_in(&keys, id), touched) {
                (Ok(Some(key)), _) => changes.push(Change::Key(key)),
                (Ok(None), Touched::KeyRemoved(_, digest)) => {
                    changes.push(Change::KeyRemoved { id, digest: *digest });
                }
                // Gone without a row that says so: the log is not to be trusted.
                (Ok(None), _) => return Ok(Changes::Reload),
                (Err(StoreError::Damaged { problem, .. }), _) => damaged_keys.push((id, problem)),
                (Err(error), _) => return Err(error),
            },
            Touched::AdminKey(id) => match snapshot.admin_key(id) {
                Ok(Some(key)) => changes.push(Change::AdminKey(key)),
                // They are never removed: the log is not to be trusted.
                Ok(None) => return Ok(Changes::Reload),
                Err(StoreError::Damaged { problem, .. }) => changes.push(Change::Damaged(Damage {
                    subject: Subject::AdminKey(id),
                    digest: None,
                    problem,
                })),
                Err(error) => return Err(error),
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

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow;
    use std::time::Duration;

    use proptest::prelude::*;

    use super::super::tables;
    use super::super::testing::{self, act, act_at, consumer, key, new_key, now};
    use super::super::{ConsumerEdit, KeyEdit, Rotation};
    use super::*;
    use crate::key::{Peppers, RevokeReason};

    type State = (BTreeMap<ConsumerId, ConsumerRecord>, BTreeMap<KeyId, KeyRecord>);

    fn load(store: &Store) -> (Revision, State) {
        let mut state = State::default();
        let revision = store
            .load(&mut |item| match item {
                Item::Consumer(consumer) => drop(state.0.insert(consumer.id, consumer)),
                Item::Key(key) => drop(state.1.insert(key.id, key)),
                Item::AdminKey(_) => {}
                Item::Damaged(damage) => panic!("{damage:?}"),
            })
            .unwrap();
        (revision, state)
    }

    fn follow(store: &Store, revision: &mut Revision, state: &mut State) {
        let Changes::Rows { revision: new, changes } = store.changes_since(*revision).unwrap() else {
            panic!("the rows are gone")
        };
        for change in changes {
            match change {
                Change::Consumer(consumer) => drop(state.0.insert(consumer.id, consumer)),
                Change::ConsumerRemoved(id) => drop(state.0.remove(&id)),
                Change::Key(key) => drop(state.1.insert(key.id, key)),
                Change::KeyRemoved { id, digest } => {
                    let removed = state.1.remove(&id);
                    assert!(removed.is_none_or(|key| key.digest == digest));
                }
                Change::AdminKey(_) => {}
                Change::Damaged(damage) => panic!("{damage:?}"),
            }
        }
        *revision = new;
    }

    /// Does something to the store; what fails fails.
    fn mutate(store: &Store, what: u8, which: usize, step: i64) {
        let (_, (consumers, keys)) = load(store);
        let act = act_at(now().plus(Duration::from_secs(step.unsigned_abs())));
        let mut rng = rand::rng();
        let consumer_id = consumers.keys().nth(which % consumers.len().max(1)).copied();
        let key_id = keys.keys().nth(which % keys.len().max(1)).copied();
        match (what, consumer_id, key_id) {
            (0, ..) | (_, None, _) => drop(consumer(store, "c")),
            (1..=3, Some(id), _) | (_, Some(id), None) => drop(key(store, id)),
            (4, Some(id), _) => drop(store.disable_consumer(id, &act)),
            (5, Some(id), _) => drop(store.enable_consumer(id, &act)),
            (6, Some(id), _) => {
                let plan = Some(Some(format!("p{step}")));
                drop(store.update_consumer(id, &ConsumerEdit { plan, ..ConsumerEdit::default() }, &act));
            }
            (7, Some(id), _) => drop(store.delete_consumer(id, &act)),
            (8, _, Some(id)) => drop(store.disable_key(id, &act)),
            (9, _, Some(id)) => {
                let name = Some(format!("n{step}"));
                drop(store.update_key(id, &KeyEdit { name, ..KeyEdit::default() }, &act));
            }
            (10, _, Some(id)) => {
                let grace = Duration::from_secs((which % 2) as u64 * 60);
                let rotation = Rotation { grace, expires_at: None };
                drop(store.rotate(id, rotation, &Peppers::default(), &act, &mut rng));
            }
            (11, _, Some(id)) => drop(store.revoke(id, RevokeReason::Leak, &act)),
            _ => drop(store.prune(act.at, &act, &mut |_| ControlFlow::Continue(()))),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(6))]

        #[test]
        fn following_the_changes_equals_loading_anew(
            steps in prop::collection::vec((0u8..13, any::<prop::sample::Index>(), any::<bool>()), 1..25),
        ) {
            let (_dir, store) = testing::store();
            let (mut revision, mut state) = load(&store);
            for (i, (what, which, look)) in steps.into_iter().enumerate() {
                mutate(&store, what, which.index(1000), i64::try_from(i).unwrap());
                if look {
                    follow(&store, &mut revision, &mut state);
                    prop_assert_eq!((revision, state.clone()), load(&store));
                }
            }
            follow(&store, &mut revision, &mut state);
            prop_assert_eq!((revision, state), load(&store));
            prop_assert!(store.verify_audit().unwrap().faults.is_empty());
        }
    }

    #[test]
    fn a_reader_too_far_behind_or_ahead_loads_anew() {
        let (dir, store) = testing::store();
        for i in 0..3 {
            consumer(&store, &format!("c{i}"));
        }
        assert_eq!(store.changes_since(Revision(4)).unwrap(), Changes::Reload);
        let none = Changes::Rows { revision: Revision(3), changes: Vec::new() };
        assert_eq!(store.changes_since(Revision(3)).unwrap(), none);
        store.close().unwrap();
        testing::meddle(&dir.path().join("kgate.redb"), |txn| {
            txn.open_table(tables::CHANGES).unwrap().remove(1).unwrap();
            txn.open_table(tables::CHANGES).unwrap().insert(3, b"?".as_slice()).unwrap();
        });
        let store = testing::open(dir.path());
        assert_eq!(store.changes_since(Revision(0)).unwrap(), Changes::Reload);
        assert_eq!(store.changes_since(Revision(1)).unwrap(), Changes::Reload);
        assert_eq!(store.changes_since(Revision(2)).unwrap(), Changes::Reload);
    }

    #[test]
    fn the_log_is_trimmed_to_what_is_kept() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let kept = tables::CHANGES_KEPT;
        let count = usize::try_from(kept).unwrap() + 4;
        let mut each = |_| ControlFlow::Continue(());
        let new = new_key(acme.id);
        store.issue_many(&new, count, &Peppers::default(), &act(), &mut rand::rng(), &mut each).unwrap();
        let (revision, state) = load(&store);
        assert_eq!(revision.0, kept + 5);
        assert_eq!(store.changes_since(Revision(4)).unwrap(), Changes::Reload);
        let Changes::Rows { revision: followed, changes } = store.changes_since(Revision(5)).unwrap() else {
            panic!("a row that should be kept is gone")
        };
        assert_eq!((followed, changes.len() as u64), (revision, kept));
        assert_eq!(state.1.len() as u64, kept + 4);
        let rows = store.reading(
            |snapshot, _: &mut super::super::guard::Out<'_, ()>| {
                use redb::ReadableTableMetadata as _;
                snapshot.open(CHANGES)?.len().map_err(snapshot.fail())
            },
            &mut |()| true,
        );
        assert_eq!(rows.unwrap(), kept);
    }

    #[test]
    fn a_damaged_record_is_told_with_its_digest_and_never_not_found() {
        let (dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let [broken, fine] = [(); 2].map(|()| key(&store, acme.id).record);
        store.close().unwrap();
        testing::damage_key(dir.path(), broken.id);
        let store = testing::open(dir.path());
        assert!(
            matches!(store.key(broken.id), Err(StoreError::Damaged { what, .. }) if what == broken.id.to_string())
        );
        assert!(matches!(store.key_by_digest(&broken.digest), Err(StoreError::Damaged { .. })));
        assert!(matches!(
            store.revoke(broken.id, RevokeReason::Leak, &act()),
            Err(StoreError::Damaged { .. })
        ));
        let items = testing::contents(&store);
        let is_it = |damage: &Damage| {
            damage.digest == Some(broken.digest) && damage.subject == Subject::Key(broken.id)
        };
        assert!(items.iter().any(|item| matches!(item, Item::Damaged(damage) if is_it(damage))));
        assert!(items.contains(&Item::Key(fine)));
        let Changes::Rows { changes, .. } = store.changes_since(Revision(0)).unwrap() else { panic!() };
        assert!(changes.iter().any(|change| matches!(change, Change::Damaged(damage) if is_it(damage))));
    }

    #[test]
    fn a_record_under_another_key_is_damaged() {
        let (dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let [a, b] = [(); 2].map(|()| key(&store, acme.id).record);
        store.close().unwrap();
        testing::meddle(&dir.path().join("kgate.redb"), |txn| {
            let mut table = txn.open_table(tables::KEYS).unwrap();
            let record = super::codec::encode_key(&b);
            table.insert(a.id.as_bytes(), record.as_slice()).unwrap();
        });
        assert!(matches!(testing::open(dir.path()).key(a.id), Err(StoreError::Damaged { .. })));
    }

    #[test]
    fn bulk_commits_stay_followable() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let (mut revision, mut state) = load(&store);
        store
            .issue_many(&new_key(acme.id), 1200, &Peppers::default(), &act(), &mut rand::rng(), &mut |_| {
                follow(&store, &mut revision, &mut state);
                ControlFlow::Continue(())
            })
            .unwrap();
        assert_eq!((revision, state), load(&store));
    }
}
