//! Bringing back what a backup holds, without reviving what was ended since.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::Arc;

use redb::{ConcurrencyMode, ReadableTableMetadata};

use crate::key::{
    AdminKeyId, AdminKeyRecord, ConsumerId, ConsumerRecord, KeyId, KeyRecord, RevokeReason, State, Timestamp,
};

use super::backup::{Counts, copy_tables};
use super::guard::{Call, Gate, Out, streamed};
use super::open::{ensure_usage_file, fault, make_db, open_backup};
use super::place::{STORE_FILE, beside, make_dir, name_new, refuse_network};
use super::read::Snapshot;
use super::tables::{AUDIT, CONSUMERS, Id, KEYS};
use super::write::{Writer, check_act, damaged};
use super::{
    Access, Act, Action, AuditRow, BATCH, Options, Revision, Store, StoreError, Subject, audit, codec,
};

/// What a restore did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RestoreReport {
    /// The revision of the backup.
    pub backup_revision: Revision,
    /// Whether there was no store: everything came back, and revocations made after the backup are
    /// lost.
    pub into_empty: bool,
    /// Consumers that came back.
    pub consumers_restored: u64,
    /// Keys that came back.
    pub keys_restored: u64,
    /// Records that became stricter, because the backup had them revoked or disabled.
    pub made_stricter: u64,
    /// Records the store has already and keeps as they are.
    pub kept: u64,
    /// Records that did not come back, and why, the first thousand.
    pub notes: Vec<RestoreNote>,
}

/// Why a record of the backup did not come back as it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreNote {
    /// It was deleted or pruned after the backup.
    #[error("{0} was deleted after the backup and stays so")]
    Deleted(Subject),
    /// Its consumer was deleted after the backup.
    #[error("{0} belongs to a consumer that was deleted and stays so")]
    ConsumerGone(Subject),
    /// Its external id now belongs to another consumer; it came back without.
    #[error("{subject} came back without its external id `{external_id}`, which {holder} has now")]
    ExternalIdTaken {
        /// Which consumer.
        subject: Subject,
        /// What it lost.
        external_id: String,
        /// Who has it.
        holder: Subject,
    },
    /// Its digest now belongs to another key.
    #[error("{0} has the digest of another key")]
    DigestTaken(Subject),
    /// The store's record could not be read; the backup's took its place, switched off, since what
    /// was done to it after the backup is not known.
    #[error("{0} was damaged and came back from the backup, disabled")]
    Mended(Subject),
    /// The backup's record cannot be read.
    #[error("{subject} is damaged in the backup: {problem}")]
    Damaged {
        /// Which record.
        subject: Subject,
        /// What is wrong with it.
        problem: String,
    },
}

/// Whether to do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restore {
    /// Do it.
    Apply,
    /// Only say what would be done.
    DryRun,
}

impl Store {
    /// Merges a backup into the store of `dir`: what is absent comes back unless it was deleted or
    /// pruned later, what is there stays, statuses only become stricter. Into a directory without a
    /// store everything goes.
    ///
    /// A backup whose last audit row the store also has is its ancestor, so what the store holds is
    /// newer and stays. Otherwise (the store itself was replaced by an older one, say) the stricter
    /// status of both counts.
    ///
    /// # Errors
    /// Those of opening either file; nothing is changed if the backup is foreign, truncated, newer
    /// or its audit log was tampered with ([`StoreError::Damaged`]).
    pub fn restore(
        dir: &Path,
        from: &Path,
        mode: Restore,
        options: &Options,
        act: &Act,
    ) -> Result<RestoreReport, StoreError> {
        check_act(act)?;
        if Self::exists(dir) {
            merge(dir, from, mode, options, act)
        } else {
            fill(dir, from, mode, options, act)
        }
    }
}

fn backup_call(from: &Path, options: &Options) -> Call {
    Call {
        file: from.to_owned(),
        action: "reading the backup",
        subjects: Vec::new(),
        patience: options.patience,
    }
}

/// Opens a backup whose history is whole.
fn open_whole(from: &Path, step: &mut dyn FnMut()) -> Result<Snapshot, StoreError> {
    let backup = open_backup(from)?;
    match audit::verify(&backup, step)?.faults.first() {
        None => Ok(backup),
        Some(fault) => Err(damaged("the backup's audit log", fault.to_string())),
    }
}

/// Makes a store of everything in the backup.
fn fill(
    dir: &Path,
    from: &Path,
    mode: Restore,
    options: &Options,
    act: &Act,
) -> Result<RestoreReport, StoreError> {
    let path = dir.join(STORE_FILE);
    let beside = if mode == Restore::Apply {
        make_dir(dir)?;
        refuse_network(dir)?;
        Some(beside(&path)?)
    } else {
        None
    };
    let (backup, copy, copy_act) = (from.to_owned(), beside.clone(), act.clone());
    let job = move |_: &Gate, out: &mut Out<'_, ()>| {
        let backup = open_whole(&backup, &mut || out.step())?;
        let ends = backup.ends()?;
        let counts = match &copy {
            Some(copy) => fill_file(&backup, copy, &copy_act, &mut || out.step())?,
            None => backup.counts()?,
        };
        Ok((counts, ends, damaged_notes(&backup)?))
    };
    let filled = streamed(&backup_call(from, options), job, &mut |()| true);
    let named = filled.and_then(|filled| {
        beside.as_ref().map_or(Ok(()), |beside| name_new(beside, &path))?;
        Ok(filled)
    });
    let (counts, ends, notes) = named.inspect_err(|_| {
        if let Some(beside) = &beside {
            let _ = std::fs::remove_file(beside);
        }
    })?;
    if mode == Restore::Apply {
        ensure_usage_file(dir, options)?;
        // What was last seen here belongs to a store that is gone.
        let store = Store::open(dir, Access::Read, options)?;
        store.seen_now()?.write(dir)?;
    }
    Ok(RestoreReport {
        backup_revision: Revision(ends.revision),
        into_empty: true,
        consumers_restored: counts.consumers,
        keys_restored: counts.keys,
        notes,
        ..RestoreReport::default()
    })
}

fn fill_file(
    backup: &Snapshot,
    path: &Path,
    act: &Act,
    step: &mut dyn FnMut(),
) -> Result<Counts, StoreError> {
    let fail = |error: redb::Error| fault(path, error);
    let db = make_db(path, ConcurrencyMode::MultiWriter, 32 << 20)?;
    let counts = copy_tables(backup, &db, path, step)?;
    let txn = db.begin_write().map_err(|e| fail(e.into()))?;
    let mut writer = Writer::new(&txn, path)?;
    let revision = writer.ends().revision;
    writer.log(act, Action::Restored { revision, subjects: Vec::new() })?;
    writer.finish()?;
    txn.commit().map_err(|e| fail(e.into()))?;
    db.close().map_err(|e| fail(e.into()))?;
    Ok(counts)
}

fn damaged_notes(backup: &Snapshot) -> Result<Vec<RestoreNote>, StoreError> {
    let mut notes = Vec::new();
    backup.each_row(&mut |row| {
        if let Err((subject, problem)) = row {
            note(&mut notes, RestoreNote::Damaged { subject, problem });
        }
        Ok(())
    })?;
    Ok(notes)
}

const NOTES_LISTED: usize = 1000;

fn note(notes: &mut Vec<RestoreNote>, note: RestoreNote) {
    if notes.len() < NOTES_LISTED {
        notes.push(note);
    }
}

/// What the audit log of a store says was ended.
#[derive(Debug, Default)]
struct Ended {
    consumers: HashSet<ConsumerId>,
    pruned: HashSet<KeyId>,
    revoked: HashMap<KeyId, (Timestamp, RevokeReason)>,
    admin_keys: HashSet<AdminKeyId>,
}

impl Ended {
    fn note(&mut self, row: AuditRow) {
        let mut revoke = |ids: Vec<KeyId>, reason| {
            for id in ids {
                // The first time counts: revoking again changes nothing.
                self.revoked.entry(id).or_insert((row.at, reason));
            }
        };
        match row.action {
            Action::ConsumerDeleted { id, revoked } => {
                revoke(revoked, RevokeReason::Closure);
                self.consumers.insert(id);
            }
            Action::KeysRevoked { ids, reason } => revoke(ids, reason),
            Action::KeyRotated { id, until: None, .. } => revoke(vec![id], RevokeReason::Rotation),
            Action::AdminKeyRevoked { id } | Action::AdminKeyRotated { id, until: None, .. } => {
                self.admin_keys.insert(id);
            }
            Action::KeysPruned { keys } => self.pruned.extend(keys.iter().map(|key| key.id)),
            _ => {}
        }
    }

    fn of(snapshot: &Snapshot, step: &mut dyn FnMut()) -> Result<Self, StoreError> {
        let mut ended = Self::default();
        for row in snapshot.open(AUDIT)?.range::<u64>(..).map_err(snapshot.fail())? {
            step();
            let (number, row) = row.map_err(snapshot.fail())?;
            let row = codec::decode_audit(row.value())
                .map_err(|problem| damaged(format_args!("audit row {}", number.value()), problem))?;
            ended.note(row);
        }
        Ok(ended)
    }
}

/// One record of the backup.
#[expect(clippy::large_enum_variant, reason = "most are keys, and a box would cost each an allocation")]
enum Row {
    Consumer(ConsumerRecord),
    Key(KeyRecord),
    Damaged(Subject, String),
}

/// Merges the backup into the store in `dir`, batch by batch.
fn merge(
    dir: &Path,
    from: &Path,
    mode: Restore,
    options: &Options,
    act: &Act,
) -> Result<RestoreReport, StoreError> {
    let store = Store::open(dir, Access::Write, options)?;
    let backup_path = from.to_owned();
    let (ends, ended_there) = streamed(
        &backup_call(from, options),
        move |_, out: &mut Out<'_, ()>| {
            let backup = open_whole(&backup_path, &mut || out.step())?;
            Ok((backup.ends()?, Ended::of(&backup, &mut || out.step())?))
        },
        &mut |()| true,
    )?;
    let (ended, hash_here) = store.reading(
        move |here, out: &mut Out<'_, ()>| {
            Ok((Ended::of(here, &mut || out.step())?, here.audit_hash(ends.audit_count)?))
        },
        &mut |()| true,
    )?;
    let is_ancestor = hash_here == Some(ends.audit_hash);
    let report = RestoreReport { backup_revision: Revision(ends.revision), ..RestoreReport::default() };
    let mut merge = Merge {
        ended,
        // Of an ancestor the store knows it all.
        ended_there: if is_ancestor { Ended::default() } else { ended_there },
        is_ancestor,
        mode,
        act: act.clone(),
        restored: HashSet::new(),
        report,
    };
    let rows = read_backup(from, options)?;
    for batch in rows.chunks(BATCH) {
        merge = merge.batch(&store, batch)?;
    }
    merge = merge.ended_there(&store)?;
    store.close()?;
    Ok(merge.report)
}

fn read_backup(from: &Path, options: &Options) -> Result<Rows, StoreError> {
    let path = from.to_owned();
    let mut rows = Vec::new();
    streamed(
        &backup_call(from, options),
        move |_, out: &mut Out<'_, Row>| {
            open_backup(&path)?.each_row(&mut |row| {
                out.push(row.unwrap_or_else(|(subject, problem)| Row::Damaged(subject, problem)));
                Ok(())
            })
        },
        &mut |row| {
            rows.push(Arc::new(row));
            true
        },
    )?;
    Ok(rows)
}

/// Consumers first. All of the backup in memory, once: as much as a gateway holds anyway.
type Rows = Vec<Arc<Row>>;

impl Snapshot {
    /// Calls `each` with every consumer and then every key.
    fn each_row(
        &self,
        each: &mut dyn FnMut(Result<Row, (Subject, String)>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        for row in self.open(CONSUMERS)?.range::<&Id>(..).map_err(self.fail())? {
            let (id, row) = row.map_err(self.fail())?;
            let subject = Subject::Consumer(ConsumerId::from_bytes(*id.value()));
            let consumer = codec::decode_consumer(id.value(), row.value());
            each(consumer.map(Row::Consumer).map_err(|problem| (subject, problem)))?;
        }
        for row in self.open(KEYS)?.range::<&Id>(..).map_err(self.fail())? {
            let (id, row) = row.map_err(self.fail())?;
            let subject = Subject::Key(KeyId::from_bytes(*id.value()));
            let key = codec::decode_key(id.value(), row.value());
            each(key.map(Row::Key).map_err(|problem| (subject, problem)))?;
        }
        Ok(())
    }

    /// Returns how many consumers and keys there are.
    pub(super) fn counts(&self) -> Result<Counts, StoreError> {
        let consumers = self.open(CONSUMERS)?.len().map_err(self.fail())?;
        let keys = self.open(KEYS)?.len().map_err(self.fail())?;
        Ok(Counts { consumers, keys })
    }
}

struct Merge {
    ended: Ended,
    ended_there: Ended,
    is_ancestor: bool,
    mode: Restore,
    act: Act,
    /// Consumers brought back, for the dry run, which never sees them in the store.
    restored: HashSet<ConsumerId>,
    report: RestoreReport,
}

impl Merge {
    fn batch(mut self, store: &Store, batch: &[Arc<Row>]) -> Result<Self, StoreError> {
        let batch = batch.to_vec();
        store.write(
            "restoring",
            vec![format!("the backup at revision {}", self.report.backup_revision)],
            move |writer| {
                let mut subjects = Vec::new();
                for row in batch {
                    let changed = match &*row {
                        Row::Consumer(consumer) => self.consumer(writer, consumer)?,
                        Row::Key(key) => self.key(writer, key)?,
                        Row::Damaged(subject, problem) => {
                            self.note(RestoreNote::Damaged { subject: *subject, problem: problem.clone() });
                            None
                        }
                    };
                    subjects.extend(changed);
                }
                self.log(writer, subjects)?;
                Ok(self)
            },
        )
    }

    /// Ends here what ended in a backup that is no ancestor: what it pruned or deleted.
    fn ended_there(mut self, store: &Store) -> Result<Self, StoreError> {
        let pruned: Vec<KeyId> = std::mem::take(&mut self.ended_there.pruned).into_iter().collect();
        let deleted: Vec<ConsumerId> = std::mem::take(&mut self.ended_there.consumers).into_iter().collect();
        let admin_keys = std::mem::take(&mut self.ended_there.admin_keys);
        let all = pruned
            .into_iter()
            .map(Subject::Key)
            .chain(deleted.into_iter().map(Subject::Consumer))
            .chain(admin_keys.into_iter().map(Subject::AdminKey));
        for batch in all.collect::<Vec<_>>().chunks(BATCH) {
            let batch = batch.to_vec();
            self = store.write("restoring", Vec::new(), move |writer| {
                let mut subjects = Vec::new();
                for subject in batch {
                    subjects.extend(self.end(writer, subject)?);
                }
                self.log(writer, subjects)?;
                Ok(self)
            })?;
        }
        Ok(self)
    }

    fn end(&mut self, writer: &mut Writer<'_>, subject: Subject) -> Result<Option<Subject>, StoreError> {
        match subject {
            Subject::Key(id) => {
                let Some(mut key) = writer.key_if_any(id)? else { return Ok(None) };
                if matches!(key.state, State::Revoked { .. }) {
                    return Ok(None);
                }
                let (at, reason) = self
                    .ended_there
                    .revoked
                    .get(&id)
                    .copied()
                    .unwrap_or((self.act.at, RevokeReason::default()));
                key.state = State::Revoked { at, reason };
                writer.put_key(&key)?;
            }
            Subject::Consumer(id) => {
                let Some(consumer) = writer.consumer_if_any(id)?.filter(|c| c.enabled) else {
                    return Ok(None);
                };
                let disabled = ConsumerRecord { enabled: false, ..consumer.clone() };
                writer.put_consumer(&disabled, Some(&consumer))?;
            }
            // They never come back by a merge, only end: a backup is no way in.
            Subject::AdminKey(id) => match writer.admin_key(id) {
                Ok(key) if key.revoked_at.is_none() => {
                    writer.put_admin_key(&AdminKeyRecord { revoked_at: Some(self.act.at), ..key })?;
                }
                Ok(_) | Err(StoreError::NoSuchAdminKey { .. }) => return Ok(None),
                Err(error) => return Err(error),
            },
        }
        self.report.made_stricter += 1;
        Ok(Some(subject))
    }

    fn log(&self, writer: &mut Writer<'_>, subjects: Vec<Subject>) -> Result<(), StoreError> {
        if self.mode == Restore::DryRun {
            writer.discard();
        } else if !subjects.is_empty() {
            let revision = self.report.backup_revision.0;
            writer.log(&self.act, Action::Restored { revision, subjects })?;
        }
        Ok(())
    }

    fn note(&mut self, new: RestoreNote) {
        note(&mut self.report.notes, new);
    }

    fn consumer(
        &mut self,
        writer: &mut Writer<'_>,
        theirs: &ConsumerRecord,
    ) -> Result<Option<Subject>, StoreError> {
        let subject = Subject::Consumer(theirs.id);
        let ours = match writer.consumer_if_any(theirs.id) {
            Err(StoreError::Damaged { .. }) => return self.mend_consumer(writer, theirs).map(Some),
            ours => ours?,
        };
        let Some(ours) = ours else {
            if self.ended.consumers.contains(&theirs.id) {
                self.note(RestoreNote::Deleted(subject));
                return Ok(None);
            }
            self.bring_consumer(writer, theirs.clone())?;
            self.report.consumers_restored += 1;
            return Ok(Some(subject));
        };
        if self.is_ancestor || theirs.enabled || !ours.enabled {
            self.report.kept += 1;
            return Ok(None);
        }
        writer.put_consumer(&ConsumerRecord { enabled: false, ..ours.clone() }, Some(&ours))?;
        self.report.made_stricter += 1;
        Ok(Some(subject))
    }

    fn bring_consumer(
        &mut self,
        writer: &mut Writer<'_>,
        mut consumer: ConsumerRecord,
    ) -> Result<(), StoreError> {
        if let Some(external_id) = consumer.external_id.clone()
            && let Some(holder) = writer.external_id_holder(&external_id)?
            && holder != consumer.id
        {
            let subject = Subject::Consumer(consumer.id);
            self.note(RestoreNote::ExternalIdTaken {
                subject,
                external_id,
                holder: Subject::Consumer(holder),
            });
            consumer.external_id = None;
        }
        self.restored.insert(consumer.id);
        writer.put_consumer(&consumer, None)
    }

    /// Replaces a record that cannot be read. What was done to it since the backup is not known, so
    /// it comes back switched off.
    fn mend_consumer(
        &mut self,
        writer: &mut Writer<'_>,
        theirs: &ConsumerRecord,
    ) -> Result<Subject, StoreError> {
        let subject = Subject::Consumer(theirs.id);
        self.bring_consumer(writer, ConsumerRecord { enabled: false, ..theirs.clone() })?;
        self.report.consumers_restored += 1;
        self.note(RestoreNote::Mended(subject));
        Ok(subject)
    }

    fn key(&mut self, writer: &mut Writer<'_>, theirs: &KeyRecord) -> Result<Option<Subject>, StoreError> {
        let subject = Subject::Key(theirs.id);
        match writer.key_if_any(theirs.id) {
            Err(StoreError::Damaged { .. }) => {
                let state = self.state_since(theirs, State::Disabled);
                self.report.keys_restored += 1;
                self.note(RestoreNote::Mended(subject));
                writer.put_key(&KeyRecord { state, ..theirs.clone() })?;
                return Ok(Some(subject));
            }
            Err(error) => return Err(error),
            Ok(Some(ours)) => return self.tighten(writer, &ours, theirs),
            Ok(None) => {}
        }
        if self.ended.pruned.contains(&theirs.id) {
            self.note(RestoreNote::Deleted(subject));
            return Ok(None);
        }
        let is_revoked = matches!(theirs.state, State::Revoked { .. });
        if !is_revoked
            && !self.restored.contains(&theirs.consumer)
            && writer.consumer_if_any(theirs.consumer)?.is_none()
        {
            self.note(RestoreNote::ConsumerGone(subject));
            return Ok(None);
        }
        if writer.digest_holder(theirs.digest.as_bytes())?.is_some() {
            self.note(RestoreNote::DigestTaken(subject));
            return Ok(None);
        }
        let state = self.state_since(theirs, theirs.state.clone());
        writer.insert_key(&KeyRecord { state, ..theirs.clone() })?;
        self.report.keys_restored += 1;
        Ok(Some(subject))
    }

    /// Returns the state of a key that comes back: revoked if it ever was, else `otherwise`.
    fn state_since(&self, theirs: &KeyRecord, otherwise: State) -> State {
        match (self.ended.revoked.get(&theirs.id), &theirs.state) {
            (_, State::Revoked { .. }) => theirs.state.clone(),
            (Some(&(at, reason)), _) => State::Revoked { at, reason },
            (None, _) => otherwise,
        }
    }

    fn tighten(
        &mut self,
        writer: &mut Writer<'_>,
        ours: &KeyRecord,
        theirs: &KeyRecord,
    ) -> Result<Option<Subject>, StoreError> {
        let mut stricter = ours.clone();
        if !self.is_ancestor {
            if strictness(&theirs.state) > strictness(&ours.state) {
                stricter.state = theirs.state.clone();
            }
            // Rotated there: the grace period ends here too.
            if ours.rotated_to.is_none() && theirs.rotated_to.is_some() {
                stricter.rotated_to = theirs.rotated_to;
                stricter.expires_at = match (ours.expires_at, theirs.expires_at) {
                    (Some(ours), Some(theirs)) => Some(ours.min(theirs)),
                    (ours, theirs) => ours.or(theirs),
                };
            }
        }
        if stricter == *ours {
            self.report.kept += 1;
            return Ok(None);
        }
        writer.put_key(&stricter)?;
        self.report.made_stricter += 1;
        Ok(Some(Subject::Key(ours.id)))
    }
}

const fn strictness(state: &State) -> u8 {
    match state {
        State::Enabled => 0,
        State::Disabled => 1,
        State::Revoked { .. } => 2,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::testing::{self, act, act_at, consumer, key, now, options};
    use super::super::{NewConsumer, Overwrite};
    use super::*;
    use crate::key::Status;

    fn restore(dir: &Path, from: &Path) -> RestoreReport {
        Store::restore(dir, from, Restore::Apply, &options(), &act()).unwrap()
    }

    fn later() -> Timestamp {
        now().plus(Duration::from_hours(1))
    }

    #[test]
    fn what_was_ended_after_the_backup_stays_ended() {
        let (dir, store) = testing::store();
        let file = dir.path().join("backup");
        let (kept, deleted) = (consumer(&store, "Kept"), consumer(&store, "Deleted"));
        let [revoked, pruned, disabled] = [(); 3].map(|()| key(&store, kept.id).record);
        let orphan = key(&store, deleted.id).record;
        store.backup_unlogged(&file, Overwrite::Refuse).unwrap();

        let leak = RevokeReason::Leak;
        store.revoke(revoked.id, leak, &act_at(later())).unwrap();
        store.revoke(pruned.id, leak, &act()).unwrap();
        store.prune(later(), &act(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        store.disable_key(disabled.id, &act()).unwrap();
        store.delete_consumer(deleted.id, &act_at(later())).unwrap();
        let before = testing::contents(&store);
        store.close().unwrap();

        let report = restore(dir.path(), &file);
        assert_eq!((report.keys_restored, report.consumers_restored, report.made_stricter), (0, 0, 0));
        assert!(report.notes.contains(&RestoreNote::Deleted(Subject::Key(pruned.id))));
        assert!(report.notes.contains(&RestoreNote::Deleted(Subject::Consumer(deleted.id))));
        let store = testing::open(dir.path());
        assert_eq!(testing::contents(&store), before);
        assert_eq!(store.key(orphan.id).unwrap().status(now()), Status::Revoked);
    }

    #[test]
    fn what_is_newer_than_the_backup_stays() {
        let (dir, store) = testing::store();
        let file = dir.path().join("backup");
        let acme = consumer(&store, "Acme");
        let old = key(&store, acme.id).record;
        store.disable_key(old.id, &act()).unwrap();
        store.backup_unlogged(&file, Overwrite::Refuse).unwrap();
        store.enable_key(old.id, &act()).unwrap();
        let new = key(&store, acme.id).record;
        store.close().unwrap();
        let report = restore(dir.path(), &file);
        assert_eq!((report.kept, report.keys_restored), (2, 0));
        let store = testing::open(dir.path());
        assert_eq!(store.key(old.id).unwrap().state, State::Enabled);
        assert_eq!(store.key(new.id).unwrap(), new);
    }

    #[test]
    fn what_an_older_store_in_place_lost_comes_back_and_only_gets_stricter() {
        let (dir, store) = testing::store();
        let path = dir.path().join("kgate.redb");
        let acme = consumer(&store, "Acme");
        let [leaked, switched, rotated, pruned] = [(); 4].map(|()| key(&store, acme.id).record);
        let gone = consumer(&store, "Gone");
        store.close().unwrap();
        std::fs::copy(&path, dir.path().join("older")).unwrap();

        let store = testing::open(dir.path());
        store.revoke(leaked.id, RevokeReason::Leak, &act()).unwrap();
        store.disable_key(switched.id, &act()).unwrap();
        let rotation = super::super::Rotation { grace: Duration::from_mins(1), expires_at: None };
        let peppers = crate::key::Peppers::default();
        let successor =
            store.rotate(rotated.id, rotation, &peppers, &act(), &mut rand::rng()).unwrap().new.record;
        store.revoke(pruned.id, RevokeReason::Abuse, &act()).unwrap();
        store.prune(later(), &act(), &mut |_| std::ops::ControlFlow::Continue(())).unwrap();
        store.delete_consumer(gone.id, &act()).unwrap();
        let lost = consumer(&store, "Lost");
        let file = dir.path().join("backup");
        store.backup_unlogged(&file, Overwrite::Refuse).unwrap();
        store.close().unwrap();

        std::fs::rename(dir.path().join("older"), &path).unwrap();
        let dry = Store::restore(dir.path(), &file, Restore::DryRun, &options(), &act()).unwrap();
        let store = testing::open(dir.path());
        assert_eq!(store.key(leaked.id).unwrap().state, State::Enabled, "a dry run changes nothing");
        assert_eq!(store.revision().unwrap(), Revision(6));
        // A change here after the fork, so that neither is the other's ancestor.
        consumer(&store, "Fork");
        store.close().unwrap();
        let report = restore(dir.path(), &file);
        assert_eq!(report.notes, dry.notes);
        assert_eq!(report.made_stricter, dry.made_stricter);
        assert_eq!((report.keys_restored, report.consumers_restored), (1, 1));
        let store = testing::open(dir.path());
        let state = |id| store.key(id).unwrap().state;
        // Pruned there after having been revoked, so it is revoked here.
        assert!(matches!(state(leaked.id), State::Revoked { reason: RevokeReason::Leak, .. }));
        assert!(matches!(state(pruned.id), State::Revoked { reason: RevokeReason::Abuse, .. }));
        assert_eq!(state(switched.id), State::Disabled);
        assert_eq!(store.key(rotated.id).unwrap().rotated_to, Some(successor.id));
        assert_eq!(store.key(rotated.id).unwrap().expires_at, Some(now().plus(Duration::from_mins(1))));
        assert_eq!(store.key(successor.id).unwrap(), successor);
        assert!(store.consumer(lost.id).is_ok());
        assert!(!store.consumer(gone.id).unwrap().enabled);
        assert!(store.verify_audit().unwrap().faults.is_empty());
    }

    #[test]
    fn an_external_id_given_away_meanwhile_stays_where_it_is() {
        let (dir, store) = testing::store();
        let file = dir.path().join("backup");
        let new = |name: &str| NewConsumer {
            name: name.into(),
            external_id: Some("org_42".into()),
            ..NewConsumer::default()
        };
        let (other_dir, other) = testing::store();
        let theirs = other.create_consumer(&new("Theirs"), &act(), &mut rand::rng()).unwrap();
        other.backup_unlogged(&file, Overwrite::Refuse).unwrap();
        let ours = store.create_consumer(&new("Ours"), &act(), &mut rand::rng()).unwrap();
        store.close().unwrap();
        let report = restore(dir.path(), &file);
        assert!(matches!(report.notes.as_slice(), [RestoreNote::ExternalIdTaken { .. }]));
        let store = testing::open(dir.path());
        assert_eq!(store.find_consumer("org_42").unwrap().id, ours.id);
        assert_eq!(store.consumer(theirs.id).unwrap().external_id, None);
        drop((other_dir, other));
    }

    #[test]
    fn into_an_empty_directory_everything_goes() {
        let (dir, store) = testing::store();
        let file = dir.path().join("backup");
        let acme = consumer(&store, "Acme");
        let issued = key(&store, acme.id).record;
        store.backup_unlogged(&file, Overwrite::Refuse).unwrap();
        let empty = tempfile::tempdir().unwrap();
        let target = empty.path().join("data");
        let dry = Store::restore(&target, &file, Restore::DryRun, &options(), &act()).unwrap();
        assert!(!target.exists());
        let report = restore(&target, &file);
        assert_eq!(report, dry);
        assert!(report.into_empty);
        assert_eq!((report.keys_restored, report.consumers_restored), (1, 1));
        let restored = testing::open(&target);
        assert_eq!(restored.key(issued.id).unwrap(), issued);
        restored.check_not_older().unwrap();
        assert!(restored.verify_audit().unwrap().faults.is_empty());
    }

    #[test]
    fn a_damaged_record_is_mended_from_the_backup_but_switched_off() {
        let (dir, store) = testing::store();
        let file = dir.path().join("backup");
        let acme = consumer(&store, "Acme");
        let [plain, revoked] = [(); 2].map(|()| key(&store, acme.id).record);
        store.backup_unlogged(&file, Overwrite::Refuse).unwrap();
        store.revoke(revoked.id, RevokeReason::Leak, &act()).unwrap();
        store.close().unwrap();
        testing::damage_key(dir.path(), plain.id);
        testing::damage_key(dir.path(), revoked.id);
        let report = restore(dir.path(), &file);
        assert_eq!(report.notes.len(), 2);
        let store = testing::open(dir.path());
        assert_eq!(store.key(plain.id).unwrap().state, State::Disabled);
        assert!(matches!(store.key(revoked.id).unwrap().state, State::Revoked { .. }));
    }

    #[test]
    fn a_tampered_or_foreign_backup_changes_nothing() {
        let (dir, store) = testing::store();
        consumer(&store, "Acme");
        let file = dir.path().join("backup");
        store.backup_unlogged(&file, Overwrite::Refuse).unwrap();
        let before = store.seen_now().unwrap();
        store.close().unwrap();
        let go = || Store::restore(dir.path(), &file, Restore::Apply, &options(), &act()).unwrap_err();
        testing::tamper_audit(&file, 1);
        assert!(matches!(go(), StoreError::Damaged { .. }));
        std::fs::write(&file, "hello").unwrap();
        assert!(matches!(go(), StoreError::Foreign { .. }));
        std::fs::write(&file, b"redb\x1a\x0a").unwrap();
        assert!(matches!(go(), StoreError::Truncated { .. }));
        assert_eq!(testing::open(dir.path()).seen_now().unwrap(), before);
    }
}
