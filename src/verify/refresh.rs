//! The refresher: the one thread that calls redb. It may be stuck there behind a stopped process;
//! then requests that need it fail closed after their budget, and a store that has not changed is
//! served all the same.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{OpenError, Pass, Shared, Snapshot, Unready, Work, lock};
use crate::policy::{Engine, Index, IndexBuilder, Limiter, Update};
use crate::store::{
    Access, Change, Changes, Damage, Item, Options, Revision, Signal, Store, StoreError, Subject,
};

/// The pause after a failed pass; doubled up to the longest, so that a store that stays broken is not
/// opened over and over.
const RETRY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));

/// Records handed over at once.
const HANDOVER: usize = 512;

/// Proves that a commit changes the tag. `false` if it cannot be proven, for example because the
/// store cannot be written from here: then tags are not believed.
///
/// Everything that may wait for another process waits no longer than `patience`, and says for whom.
pub(super) fn prove(dir: &Path, patience: Duration) -> Result<bool, StoreError> {
    let options = Options { patience: Some(patience), ..Options::default() };
    let store = match Store::open(dir, Access::Write, &options) {
        Ok(store) => store,
        Err(StoreError::NotWritable { .. }) => {
            Store::open(dir, Access::Read, &options)?.check_not_older()?;
            return Ok(false);
        }
        Err(error) => return Err(error),
    };
    store.check_not_older()?;
    let Ok(signal) = store.signal() else { return Ok(false) };
    match signal.prove(&store) {
        Ok(()) => Ok(true),
        Err(StoreError::Signal { .. } | StoreError::NotWritable { .. } | StoreError::DiskFull { .. }) => {
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

pub(super) fn spawn(shared: &Arc<Shared>) -> Result<JoinHandle<()>, OpenError> {
    let shared = Arc::clone(shared);
    let refresher = Refresher {
        shared,
        limiter: Arc::new(Limiter::new()),
        session: None,
        latest: None,
        damaged: BTreeMap::new(),
        seen: None,
    };
    thread::Builder::new()
        .name("kgate-refresh".to_owned())
        .spawn(move || refresher.run())
        .map_err(OpenError::Thread)
}

struct Refresher {
    shared: Arc<Shared>,
    limiter: Arc<Limiter>,
    /// `None` before the first pass and after an error: redb wants a handle that failed reopened.
    session: Option<Session>,
    /// What was published last, although it may be distrusted by now: counts go on from it.
    latest: Option<Arc<Snapshot>>,
    damaged: BTreeMap<Subject, String>,
    /// The revision noted beside the store.
    seen: Option<Revision>,
}

/// An open store and the eye on its header.
struct Session {
    store: Store,
    signal: Arc<Signal>,
}

impl Session {
    /// Opens for reading, so that a gateway never holds a lock that a command waits for. Without
    /// patience: this thread has nothing else to do.
    fn open(dir: &Path) -> Result<Self, Unready> {
        let options = Options { patience: None, ..Options::default() };
        let store = Store::open(dir, Access::Read, &options).map_err(|e| Unready::from(&e))?;
        store.check_not_older().map_err(|e| Unready::from(&e))?;
        let signal = store.signal().map_err(|e| Unready::from(&e))?;
        Ok(Self { store, signal: Arc::new(signal) })
    }
}

impl Refresher {
    fn run(mut self) {
        let mut retry = RETRY.0;
        while let Some(work) = self.next() {
            let number = self.shared.begun.fetch_add(1, Ordering::SeqCst) + 1;
            // A panic here would leave every later request waiting in vain; as a failure it is said, and
            // tried again with everything opened anew.
            let failure = catch_unwind(AssertUnwindSafe(|| self.pass()))
                .unwrap_or_else(|_| Err(Unready::Unreadable("reading it panicked".to_owned())))
                .err();
            let failed = failure.is_some();
            if let Some(failure) = &failure {
                self.session = None;
                if failure.is_about_the_file() {
                    self.shared.distrust(None);
                }
            }
            self.end_pass(Pass { number, failure });
            if work.publish_unflushed {
                self.publish_unflushed();
            }
            if failed {
                self.pause(retry);
                retry = (retry * 2).min(RETRY.1);
            } else {
                retry = RETRY.0;
                self.note_seen();
            }
        }
    }

    fn end_pass(&self, pass: Pass) {
        self.shared.ended.send_modify(|last| {
            // A verifier that was closed stays closed.
            if last.failure != Some(Unready::Closed) {
                *last = pass;
            }
        });
    }

    /// Waits for work; `None` once stopped.
    fn next(&self) -> Option<Work> {
        let mut work = lock(&self.shared.work);
        loop {
            if self.shared.stop.load(Ordering::SeqCst) {
                return None;
            }
            if work.is_wanted {
                return Some(std::mem::take(&mut *work));
            }
            work = self.shared.work_there.wait(work).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Pauses, unless stopped.
    fn pause(&self, span: Duration) {
        let until = self.shared.clock.elapsed() + span;
        while !self.shared.stop.load(Ordering::SeqCst) {
            let left = until.saturating_sub(self.shared.clock.elapsed());
            if left.is_zero() {
                return;
            }
            thread::sleep(left.min(Duration::from_millis(10)));
        }
    }

    /// Makes the snapshot current, if it is not.
    fn pass(&mut self) -> Result<(), Unready> {
        let session = match self.session.take() {
            Some(session) => self.session.insert(session),
            None => self.session.insert(Session::open(&self.shared.dir)?),
        };
        session.signal.check_place().map_err(|e| Unready::from(&e))?;
        // Before the read begins: what is committed in between costs one refresh too many.
        let tag = session.signal.read().map_err(|e| Unready::from(&e))?;
        let (store, signal) = (session.store.clone(), Arc::clone(&session.signal));
        let held = self.shared.snapshot.load_full();
        if let Some(held) = &held
            && held.tag == tag
            && Arc::ptr_eq(&held.signal, &signal)
            && self.shared.is_proven
        {
            return Ok(());
        }
        let (engine, revision) = match &held {
            Some(held) => self.follow(&store, held),
            None => self.load(&store),
        }
        .map_err(|e| Unready::from(&e))?;
        // Before anybody can have seen it: who finds the snapshot current finds it counted.
        self.shared.refreshes.fetch_add(1, Ordering::Relaxed);
        self.publish(Snapshot { engine, revision, tag, signal });
        *lock(&self.shared.current_at) = self.shared.clock.elapsed();
        Ok(())
    }

    /// Applies what changed since `held`.
    fn follow(&mut self, store: &Store, held: &Snapshot) -> Result<(Engine, Revision), StoreError> {
        let Changes::Rows { revision, changes } = store.changes_since(held.revision)? else {
            // The rows were trimmed, or the store is not the one it was.
            store.check_not_older()?;
            return self.load(store);
        };
        let mut updates = Vec::with_capacity(changes.len());
        for change in changes {
            if let Change::AdminKey(record) = &change {
                // No request is decided by it.
                self.damaged.remove(&Subject::AdminKey(record.id));
                continue;
            }
            let Some(update) = self.update(change) else { return self.load(store) };
            updates.push(update);
        }
        let engine =
            if updates.is_empty() { held.engine.clone() } else { held.engine.with_changes(&updates) };
        Ok((engine, revision))
    }

    /// Translates a change; `None` if only loading everything brings it about.
    fn update(&mut self, change: Change) -> Option<Update> {
        Some(match change {
            Change::Consumer(record) => {
                self.damaged.remove(&Subject::Consumer(record.id));
                Update::Consumer(record)
            }
            Change::ConsumerRemoved(id) => {
                self.damaged.remove(&Subject::Consumer(id));
                Update::ConsumerRemoved(id)
            }
            Change::Key(record) => {
                self.damaged.remove(&Subject::Key(record.id));
                Update::Key(record)
            }
            Change::KeyRemoved { id, digest } => {
                self.damaged.remove(&Subject::Key(id));
                Update::KeyRemoved { id, digest }
            }
            Change::AdminKey(_) => return None,
            Change::Damaged(damage) => self.note_damage(damage)?,
        })
    }

    /// Remembers a damaged record and refuses it; `None` if it cannot be told which digest to refuse.
    fn note_damage(&mut self, damage: Damage) -> Option<Update> {
        self.damaged.insert(damage.subject, damage.problem);
        match (damage.subject, damage.digest) {
            (Subject::Consumer(id), _) => Some(Update::ConsumerRemoved(id)),
            (Subject::Key(_), digest) => digest.map(Update::DamagedDigest),
            (Subject::AdminKey(_), _) => None,
        }
    }

    /// Reads everything. This thread reads and decodes, another one builds the index: with a million
    /// keys either is about half of the work.
    fn load(&mut self, store: &Store) -> Result<(Engine, Revision), StoreError> {
        let mut builder = match &self.latest {
            Some(latest) => IndexBuilder::replacing(latest.engine.index()),
            None => IndexBuilder::new(Arc::clone(&self.limiter)),
        };
        self.damaged.clear();
        let (sender, receiver) = sync_channel::<Vec<Update>>(4);
        let build = move || {
            receiver.into_iter().flatten().for_each(|update| builder.push(update));
            builder.finish()
        };
        let (revision, index) = thread::scope(|scope| {
            let building = thread::Builder::new()
                .name("kgate-index".to_owned())
                .spawn_scoped(scope, build)
                .map_err(|error| StoreError::Io { path: store.dir().to_owned(), error })?;
            let revision = self.read_all(store, &sender);
            drop(sender);
            let index: Index = building.join().unwrap_or_else(|panic| resume_unwind(panic));
            Ok::<_, StoreError>((revision?, index))
        })?;
        let rules = Arc::clone(&lock(&self.shared.rules));
        Ok((Engine::new(rules, index), revision))
    }

    /// Hands everything over in batches: a message for each key would cost more than the key.
    fn read_all(&mut self, store: &Store, out: &SyncSender<Vec<Update>>) -> Result<Revision, StoreError> {
        let mut batch = Vec::with_capacity(HANDOVER);
        let revision = store.load(&mut |item| {
            let update = match item {
                Item::Consumer(record) => Some(Update::Consumer(record)),
                Item::Key(record) => Some(Update::Key(record)),
                Item::AdminKey(_) => None,
                // Without a digest it is in no index, and so refused.
                Item::Damaged(damage) => self.note_damage(damage),
            };
            batch.extend(update);
            if batch.len() >= HANDOVER {
                // It fails if the other side panicked, which the join tells.
                let _ = out.send(std::mem::replace(&mut batch, Vec::with_capacity(HANDOVER)));
            }
        })?;
        let _ = out.send(batch);
        Ok(revision)
    }

    fn publish(&mut self, mut snapshot: Snapshot) {
        *lock(&self.shared.damaged) = self.damaged.iter().next().map(|(subject, problem)| Unready::Damaged {
            count: self.damaged.len(),
            first: format!("{subject}: {problem}"),
        });
        let rules = lock(&self.shared.rules);
        if !Arc::ptr_eq(snapshot.engine.rules(), &rules) {
            // They were reloaded meanwhile.
            snapshot.engine = snapshot.engine.with_rules(Arc::clone(&rules));
        }
        let snapshot = Arc::new(snapshot);
        self.latest = Some(Arc::clone(&snapshot));
        if !self.shared.stop.load(Ordering::SeqCst) {
            self.shared.snapshot.store(Some(snapshot));
        }
    }

    /// Notes the revision beside the store, unless requests wait for the next pass: then that one
    /// will.
    fn note_seen(&mut self) {
        let Some(latest) = &self.latest else { return };
        if self.seen == Some(latest.revision) || lock(&self.shared.work).is_wanted {
            return;
        }
        let Some(session) = &self.session else { return };
        // A directory that cannot be written keeps no note: the check is weaker, nothing else.
        if session.store.seen_now().and_then(|seen| seen.write(&self.shared.dir)).is_ok() {
            self.seen = Some(latest.revision);
        }
    }

    /// Makes the commit of a writer that died visible. Opening for writing is what does it.
    fn publish_unflushed(&self) {
        let options = Options { patience: Some(Duration::from_secs(1)), ..Options::default() };
        // If it fails, its holder lives after all, or the patrol asks again.
        if let Ok(store) = Store::open(&self.shared.dir, Access::Write, &options) {
            let _ = store.publish_unflushed();
            let _ = store.close();
        }
    }
}
