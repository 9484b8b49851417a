//! Keeps the engine's snapshot current from the store, and answers with it. No HTTP here: a program
//! that wants kgate's verdicts in process uses this room alone.
//!
//! A snapshot is kept with the *tag* of the store's header it was taken under. Every check reads the
//! tag again, one lock-free `pread`, and compares. Equal: the snapshot is current. Different: one
//! thread, the only one that calls redb, takes a newer snapshot, and requests wait for it up to a
//! budget, then fail closed. The tag is read *before* the snapshot's read begins, so a race can only
//! cause one refresh too many, never a stale verdict.
//!
//! An open file says nothing about its path, and a `stat` for every request would double the cost of
//! the check. So a second thread looks every [`PATROL`] whether the path still leads to the open
//! file: a store file that was deleted or replaced by hand is noticed within that time. kgate itself
//! never replaces a store file that may be in use.

mod clock;
mod grants;
mod health;
mod patrol;
mod refresh;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use arc_swap::{ArcSwapOption, Guard};
use tokio::sync::watch;

use crate::key::KeyId;
use crate::policy::{Attributes, Decision, Engine, NeedsGrant, Now, Rules, Spent};

use crate::store::{Revision, Signal, StoreError, Tag};
use grants::Grants;

pub use clock::{Clock, wall};
pub use grants::GrantTrouble;
pub use health::{Health, Unready};
pub use patrol::PATROL;

/// How a [`Verifier`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a request waits for a changed store to be read before it fails closed; for a quota to be granted it
    /// waits as long, but at least a second and ten at most.
    pub budget: Duration,
    /// How long opening waits for another process that holds the store.
    pub patience: Duration,
    /// Serves the snapshot without comparing for this long after each comparison. It breaks the
    /// promise that a revoked key is refused at once; it exists so that a test can show that it
    /// would notice.
    #[doc(hidden)]
    pub danger_skip_compare: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            budget: Duration::from_millis(50),
            patience: Duration::from_secs(5),
            danger_skip_compare: None,
        }
    }
}

/// Answers requests from a snapshot that is never older than the request.
pub struct Verifier {
    shared: Arc<Shared>,
    grants: Arc<Grants>,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

impl Verifier {
    /// Opens the store in `data_dir`, proves its freshness signal, loads it, and starts keeping it
    /// current.
    ///
    /// # Errors
    /// [`OpenError`] if the store is absent, not ours, older than one served before, or unreadable.
    pub fn open(data_dir: &Path, rules: Arc<Rules>, options: Options) -> Result<Arc<Self>, OpenError> {
        let is_proven = refresh::prove(data_dir, options.patience)?;
        let budget = options.budget;
        let shared = Arc::new(Shared::new(data_dir, rules, options, is_proven));
        let mut threads = vec![refresh::spawn(&shared)?];
        // The first pass: load everything. It ends, since whoever held the store was waited for.
        if let Err(unready) = shared.first_pass() {
            shared.stop();
            return Err(unready.into());
        }
        threads.push(patrol::spawn(&shared)?);
        let grants = Arc::new(Grants::new(data_dir, shared.clock, budget));
        threads.push(grants.spawn()?);
        Ok(Arc::new(Self { shared, grants, threads: Mutex::new(threads) }))
    }

    /// Returns the engine if it is current, without blocking or allocating: the fast path.
    ///
    /// `None` means that the store changed or cannot be trusted: await [`Verifier::fresh`].
    #[inline]
    pub fn current(&self) -> Option<Current> {
        let snapshot = self.shared.snapshot.load();
        let is_current = snapshot.as_ref().is_some_and(|s| self.shared.is_current(s));
        is_current.then_some(Current(snapshot))
    }

    /// Returns an engine that holds everything that was committed before this call.
    ///
    /// Works on any runtime. Do not keep the engine across an await: ask again.
    ///
    /// # Errors
    /// [`Unavailable`] if it cannot be had within the budget: answer 503, never the old verdict.
    pub async fn fresh(&self) -> Result<Current, Unavailable> {
        if let Some(current) = self.current() {
            return Ok(current);
        }
        self.shared.wait().await
    }

    /// Decides one request, now. It spends the request's limits.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Verifier::fresh`] and [`Verifier::grant`].
    pub async fn verify(&self, attributes: &Attributes<'_>) -> Result<Decision, Unavailable> {
        for _ in 0..GRANTS_A_REQUEST {
            let decision = self.fresh().await?.decide(attributes, self.now());
            match decision {
                Decision::NeedsGrant(needs) => self.grant(needs).await?,
                Decision::Allow(mut permit) => {
                    if let Some(needs) = permit.take_asks() {
                        self.grant_ahead(needs);
                    }
                    return Ok(Decision::Allow(permit));
                }
                denied @ Decision::Deny(_) => return Ok(denied),
            }
        }
        Err(Unavailable::NoGrant)
    }

    /// Waits until more of some quotas is granted, or until it is known that there is no more: then
    /// decide again. Others may have spent it by then, so do it again, [`GRANTS_A_REQUEST`] times at
    /// most.
    ///
    /// # Errors
    /// [`Unavailable::NoGrant`] if the usage file cannot be written.
    pub async fn grant(&self, needs: NeedsGrant) -> Result<(), Unavailable> {
        self.grants.fetch(needs).await
    }

    /// Has more of some quotas granted, ahead of need.
    pub fn grant_ahead(&self, needs: NeedsGrant) {
        self.grants.fetch_ahead(needs);
    }

    /// Returns how many grants were made since the start, and how many attempts failed.
    pub fn grants(&self) -> (u64, u64) {
        self.grants.counts()
    }

    /// Has somebody told when grants cannot be had, and when they can again. The first one is.
    pub fn on_grant_trouble(&self, tell: impl Fn(&GrantTrouble) + Send + Sync + 'static) {
        self.grants.set_tell(Box::new(tell));
    }

    /// Replaces the rules; every request that begins afterwards is decided by the new ones.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        self.shared.set_rules(rules);
    }

    /// Returns whether the store can be trusted, and if not, why.
    pub fn health(&self) -> Health {
        self.shared.health()
    }

    /// Returns the revision of the snapshot, if there is one.
    pub fn revision(&self) -> Option<Revision> {
        self.shared.snapshot.load().as_ref().map(|s| s.revision)
    }

    /// Returns how many keys and consumers the snapshot holds.
    pub fn counts(&self) -> (usize, usize) {
        let snapshot = self.shared.snapshot.load();
        snapshot.as_ref().map_or((0, 0), |s| (s.engine.index().keys(), s.engine.index().consumers()))
    }

    /// Returns how many times the store was read since the start, for metrics.
    pub fn refreshes(&self) -> u64 {
        self.shared.refreshes.load(Ordering::Relaxed)
    }

    /// Returns how long ago the patrol or a refresh last found the snapshot current.
    pub fn age(&self) -> Duration {
        self.shared.clock.elapsed().saturating_sub(*lock(&self.shared.current_at))
    }

    /// Returns for how long the store has been ahead of the snapshot, as the patrol sees it: zero while
    /// they agree. Requests wait meanwhile, and get 503 when their budget is over.
    pub fn lag(&self) -> Duration {
        self.shared.lag()
    }

    /// Returns for each of `spans` how many keys work now and end within it, leaving out those that have a
    /// successor.
    pub fn expiring<const N: usize>(&self, spans: [Duration; N]) -> [u64; N] {
        let snapshot = self.shared.snapshot.load();
        snapshot.as_ref().map_or([0; N], |s| s.engine.index().expiring(self.now().wall, spans))
    }

    /// Returns the first `most` to end of the keys that have a successor and have not ended; `None` without a
    /// snapshot.
    pub fn replaced(&self, most: usize) -> Option<Vec<KeyId>> {
        let snapshot = self.shared.snapshot.load_full()?;
        Some(snapshot.engine.index().replaced(self.now().wall, most))
    }

    /// Returns every quota of which at least so many percent are spent, as this process knows it.
    pub fn spent(&self, percent: u64) -> Vec<Spent> {
        let snapshot = self.shared.snapshot.load_full();
        snapshot.map_or_else(Vec::new, |s| s.engine.spent(self.now().wall, percent))
    }

    /// Returns for each of `firsts` the keys that work now and are counted under its name, as this process knows
    /// it: itself or what replaced it, the oldest first.
    pub fn lines(&self, firsts: &HashSet<KeyId>) -> HashMap<KeyId, Vec<KeyId>> {
        let snapshot = self.shared.snapshot.load_full();
        snapshot.map_or_else(HashMap::new, |s| s.engine.index().lines(firsts, self.now().wall))
    }

    /// Returns the time of both clocks.
    #[inline]
    pub fn now(&self) -> Now {
        self.shared.clock.now()
    }

    /// Returns the clock that [`Verifier::now`] reads.
    pub fn clock(&self) -> Clock {
        self.shared.clock
    }

    /// Says whether the signal was proven at the start. If not, every check begins a read of the
    /// store: correct, and slow.
    pub fn is_proven(&self) -> bool {
        self.shared.is_proven
    }

    /// Stops all threads and gives back what quotas have left; from then on everything is refused. Waits for them a second at most: one
    /// that is stuck in the store behind a stopped process is left behind.
    pub fn close(&self) {
        let last = self.shared.snapshot.load_full();
        self.shared.stop();
        let now = self.shared.clock.now().wall;
        self.grants.close(last.map_or_else(Vec::new, |last| last.engine.take_leftovers(now)));
        let clock = self.shared.clock;
        let deadline = clock.elapsed() + Duration::from_secs(1);
        for handle in lock(&self.threads).drain(..) {
            while !handle.is_finished() && clock.elapsed() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            if handle.is_finished() && handle.join().is_err() {
                // It panicked, and said so on stderr; nothing is left to stop.
            }
        }
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Verifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verifier").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

/// An engine that was current when it was handed out.
pub struct Current(Guard<Option<Arc<Snapshot>>>);

impl Deref for Current {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0.as_ref().expect("a current snapshot was there when this was made").engine
    }
}

/// The store changed and could not be read in time, or it cannot be trusted: fail closed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unavailable {
    /// The changed store was not read within the budget.
    #[error("the store changed and could not be read within {} ms", .0.as_millis())]
    Late(Duration),
    /// The store cannot be trusted.
    #[error(transparent)]
    Unready(#[from] Unready),
    /// What was granted of a quota is used up, and the usage file gives no more.
    #[error("a quota's grant is used up, and no more of it can be had")]
    NoGrant,
}

/// How often a request asks for a grant that others then spend, before it is given up.
pub const GRANTS_A_REQUEST: usize = 32;

/// Why a [`Verifier`] could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be trusted.
    #[error(transparent)]
    Unready(#[from] Unready),
    /// The system refused a thread.
    #[error("cannot start a thread: {0}")]
    Thread(std::io::Error),
}

/// What is held in memory at one revision, and the header it was read under.
struct Snapshot {
    engine: Engine,
    revision: Revision,
    tag: Tag,
    signal: Arc<Signal>,
}

/// What the last pass of the refresher came to.
#[derive(Clone, Default)]
struct Pass {
    number: u64,
    failure: Option<Unready>,
}

/// What the refresher is asked to do.
#[derive(Default)]
struct Work {
    is_wanted: bool,
    publish_unflushed: bool,
}

/// What requests, the refresher and the patrol share.
struct Shared {
    dir: PathBuf,
    options: Options,
    clock: Clock,
    /// Whether equal tags may be believed.
    is_proven: bool,
    /// `None` while the file itself is in doubt.
    snapshot: ArcSwapOption<Snapshot>,
    /// The rules in force. Whoever replaces the snapshot holds this lock, so that a refresh and a
    /// reload cannot lose each other's work. Requests never take it.
    rules: Mutex<Arc<Rules>>,
    /// Passes begun. A request is content with any pass begun after it asked.
    begun: AtomicU64,
    refreshes: AtomicU64,
    /// When (on the clock) the snapshot was last found current.
    current_at: Mutex<Duration>,
    /// The last pass ended, and the tick by which waiting requests see their deadline.
    ended: watch::Sender<Pass>,
    waiting: AtomicUsize,
    work: Mutex<Work>,
    work_there: Condvar,
    patrol: Mutex<()>,
    patrol_wanted: Condvar,
    stop: AtomicBool,
    /// Records that cannot be read, as the snapshot knows them.
    damaged: Mutex<Option<Unready>>,
    /// Since when (on the clock) the store differs from the snapshot of this tag, as the patrol saw it.
    behind_since: Mutex<Option<(Tag, Duration)>>,
    /// When the last comparison was made, in nanoseconds: only for [`Options::danger_skip_compare`].
    compared_at: AtomicU64,
}

impl Shared {
    fn new(dir: &Path, rules: Arc<Rules>, options: Options, is_proven: bool) -> Self {
        Self {
            dir: dir.to_owned(),
            options,
            clock: Clock::start(),
            is_proven,
            snapshot: ArcSwapOption::empty(),
            rules: Mutex::new(rules),
            begun: AtomicU64::new(0),
            refreshes: AtomicU64::new(0),
            current_at: Mutex::default(),
            ended: watch::Sender::new(Pass::default()),
            waiting: AtomicUsize::new(0),
            work: Mutex::default(),
            work_there: Condvar::new(),
            patrol: Mutex::new(()),
            patrol_wanted: Condvar::new(),
            stop: AtomicBool::new(false),
            damaged: Mutex::default(),
            behind_since: Mutex::default(),
            compared_at: AtomicU64::new(0),
        }
    }

    #[inline]
    fn is_current(&self, snapshot: &Snapshot) -> bool {
        if let Some(span) = self.options.danger_skip_compare {
            return self.is_current_by_danger(snapshot, span);
        }
        self.is_proven && snapshot.signal.read().is_ok_and(|tag| tag == snapshot.tag)
    }

    #[cold]
    fn is_current_by_danger(&self, snapshot: &Snapshot, span: Duration) -> bool {
        let now = self.clock.now().mono;
        let span = u64::try_from(span.as_nanos()).unwrap_or(u64::MAX);
        if now.saturating_sub(self.compared_at.load(Ordering::SeqCst)) < span {
            return true;
        }
        self.compared_at.store(now, Ordering::SeqCst);
        snapshot.signal.read().is_ok_and(|tag| tag == snapshot.tag)
    }

    /// Waits for a pass that begins after this call.
    async fn wait(&self) -> Result<Current, Unavailable> {
        let mut ended = self.ended.subscribe();
        let begun = self.begun.load(Ordering::SeqCst);
        if self.stop.load(Ordering::SeqCst) {
            return Err(Unready::Closed.into());
        }
        if self.snapshot.load().is_none()
            && let Some(failure) = &ended.borrow().failure
        {
            // The file itself is in doubt; the refresher tries again by itself, at its own pace.
            return Err(failure.clone().into());
        }
        let deadline = self.clock.elapsed() + self.options.budget;
        let _waiting = self.begin_waiting();
        self.ask();
        loop {
            {
                let pass = ended.borrow_and_update();
                if pass.number > begun {
                    return self.outcome(&pass);
                }
            }
            if self.clock.elapsed() >= deadline {
                return Err(Unavailable::Late(self.options.budget));
            }
            if ended.changed().await.is_err() {
                return Err(Unready::Closed.into());
            }
        }
    }

    fn outcome(&self, pass: &Pass) -> Result<Current, Unavailable> {
        if let Some(failure) = &pass.failure {
            return Err(failure.clone().into());
        }
        let snapshot = self.snapshot.load();
        // Gone again already: the patrol found the file replaced.
        if snapshot.is_some() { Ok(Current(snapshot)) } else { Err(Unready::Replaced.into()) }
    }

    fn begin_waiting(&self) -> Waiting<'_> {
        // The patrol ticks faster while somebody waits.
        if self.waiting.fetch_add(1, Ordering::SeqCst) == 0 {
            let _patrol = lock(&self.patrol);
            self.patrol_wanted.notify_one();
        }
        Waiting(self)
    }

    /// Asks the refresher for a pass.
    fn ask(&self) {
        lock(&self.work).is_wanted = true;
        self.work_there.notify_one();
    }

    fn first_pass(&self) -> Result<(), Unready> {
        self.ask();
        loop {
            let pass = self.ended.borrow().clone();
            match pass {
                Pass { failure: Some(failure), .. } => return Err(failure),
                Pass { number: 1.., .. } => return Ok(()),
                Pass { .. } => thread::sleep(Duration::from_micros(200)),
            }
        }
    }

    fn set_rules(&self, rules: Arc<Rules>) {
        let mut held = lock(&self.rules);
        *held = Arc::clone(&rules);
        if let Some(old) = self.snapshot.load_full() {
            self.snapshot.store(Some(Arc::new(Snapshot {
                engine: old.engine.with_rules(rules),
                revision: old.revision,
                tag: old.tag,
                signal: Arc::clone(&old.signal),
            })));
        }
    }

    /// Stops serving `doubted`, or whatever is there: its file is in doubt.
    fn distrust(&self, doubted: Option<&Arc<Snapshot>>) {
        let _held = lock(&self.rules);
        let is_there = match (doubted, &*self.snapshot.load()) {
            (Some(doubted), Some(snapshot)) => Arc::ptr_eq(doubted, snapshot),
            _ => true,
        };
        if is_there {
            self.snapshot.store(None);
        }
    }

    fn health(&self) -> Health {
        if self.stop.load(Ordering::SeqCst) {
            return Health::Unready(Unready::Closed);
        }
        let last = self.ended.borrow().failure.clone();
        if let Some(failure) = last {
            return Health::Unready(failure);
        }
        let Some(tag) = self.snapshot.load().as_ref().map(|snapshot| snapshot.tag) else {
            return Health::Unready(Unready::Replaced);
        };
        if let Some((of, since)) = *lock(&self.behind_since)
            && of == tag
        {
            let span = self.clock.elapsed().saturating_sub(since);
            if span > self.options.budget {
                return Health::Unready(Unready::Behind(span));
            }
        }
        match &*lock(&self.damaged) {
            Some(damaged) => Health::Unready(damaged.clone()),
            None => Health::Ready,
        }
    }

    fn lag(&self) -> Duration {
        let tag = self.snapshot.load().as_ref().map(|snapshot| snapshot.tag);
        match *lock(&self.behind_since) {
            Some((of, since)) if Some(of) == tag => self.clock.elapsed().saturating_sub(since),
            _ => Duration::ZERO,
        }
    }

    fn stop(&self) {
        self.stop.store(true, Ordering::SeqCst);
        self.distrust(None);
        {
            let _work = lock(&self.work);
            self.work_there.notify_all();
        }
        let _patrol = lock(&self.patrol);
        self.patrol_wanted.notify_all();
        self.ended.send_modify(|pass| pass.failure = Some(Unready::Closed));
    }
}

/// Counts a request that waits.
struct Waiting<'a>(&'a Shared);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Locks; what these locks guard is replaced as a whole, so a panic elsewhere cannot leave it half
/// done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;
    use std::task::{Context, Poll, Wake, Waker};

    use super::*;
    use crate::key::{
        Format, KeyId, KeyType, KeyTypes, Kind, Metadata, Networks, Peppers, RevokeReason, Scopes,
    };
    use crate::policy::{Fields, RouteSpec, Spec};
    use crate::store::{Access, Act, Actor, Issued, NewConsumer, NewKey, STORE_FILE, Store, Via};

    /// The least a runtime can be: proof that waiting needs no other.
    fn block_on<T>(future: impl Future<Output = T>) -> T {
        struct Unpark(thread::Thread);
        impl Wake for Unpark {
            fn wake(self: Arc<Self>) {
                self.0.unpark();
            }
        }
        let waker = Waker::from(Arc::new(Unpark(thread::current())));
        let mut future = pin!(future);
        loop {
            if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
                return value;
            }
            thread::park();
        }
    }

    struct Bearer(String);

    impl Fields for Bearer {
        fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
            if name == "authorization" {
                visit(self.0.as_bytes());
            }
        }
    }

    fn rules(path: &str) -> Arc<Rules> {
        let live = KeyType {
            name: "live".into(),
            prefix: "acme_live".parse().unwrap(),
            environment: "live".into(),
            kind: Kind::Secret,
            format: Format::Kgate,
            default_expires: None,
        };
        let spec = Spec {
            key_types: KeyTypes::new(vec![live]),
            routes: vec![RouteSpec { name: "all".into(), path: path.into(), ..RouteSpec::default() }],
            upstreams: 1,
            ..Spec::default()
        };
        Arc::new(Rules::compile(spec).unwrap())
    }

    fn act() -> Act {
        Act { actor: Actor { user: "test".into(), via: Via::Library }, at: wall(), note: None, request: None }
    }

    struct World {
        dir: tempfile::TempDir,
        store: Option<Store>,
    }

    impl World {
        fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let store =
                Store::create(dir.path(), &crate::store::Options::default(), &act(), &mut rand::rng())
                    .unwrap();
            Self { dir, store: Some(store) }
        }

        fn store(&self) -> &Store {
            self.store.as_ref().unwrap()
        }

        fn open(&self) -> Arc<Verifier> {
            Verifier::open(self.dir.path(), rules("/**"), patient()).unwrap()
        }

        fn issue(&self) -> Issued {
            let new = NewConsumer { name: "Acme".into(), ..NewConsumer::default() };
            let consumer = self.store().create_consumer(&new, &act(), &mut rand::rng()).unwrap().id;
            let new = NewKey {
                consumer,
                name: String::new(),
                key_type: "live".into(),
                prefix: "acme_live".parse().unwrap(),
                scopes: Scopes::default(),
                plan: None,
                networks: Networks::default(),
                metadata: Metadata::new(),
                not_before: None,
                expires_at: None,
            };
            self.store().issue(&new, &Peppers::default(), &act(), &mut rand::rng()).unwrap()
        }

        fn revoke(&self, id: KeyId) {
            self.store().revoke(id, RevokeReason::Leak, &act()).unwrap();
        }

        fn file(&self) -> PathBuf {
            self.dir.path().join(STORE_FILE)
        }
    }

    /// Options under which a busy machine makes nothing fail closed.
    fn patient() -> Options {
        Options { budget: Duration::from_mins(1), ..Options::default() }
    }

    fn allows(verifier: &Verifier, key: &Issued) -> Result<bool, Unavailable> {
        let fields = Bearer(format!("Bearer {}", key.token.expose()));
        let attributes = Attributes {
            method: "GET",
            host: "h",
            target: b"/x",
            client: None,
            certificate: &[],
            fields: &fields,
        };
        block_on(verifier.verify(&attributes)).map(|decision| matches!(decision, Decision::Allow(_)))
    }

    fn until(what: &str, mut is_so: impl FnMut() -> bool) {
        let clock = Clock::start();
        while !is_so() {
            assert!(clock.elapsed() < Duration::from_mins(1), "waited in vain until {what}");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn every_change_is_seen_by_the_next_check() {
        let world = World::new();
        let verifier = world.open();
        for _ in 0..20 {
            let key = world.issue();
            assert_eq!(allows(&verifier, &key), Ok(true), "a new key");
            world.store().disable_key(key.record.id, &act()).unwrap();
            assert_eq!(allows(&verifier, &key), Ok(false), "a disabled key");
            world.store().enable_key(key.record.id, &act()).unwrap();
            assert_eq!(allows(&verifier, &key), Ok(true), "an enabled key");
            world.revoke(key.record.id);
            assert_eq!(allows(&verifier, &key), Ok(false), "a revoked key");
        }
        assert_eq!(verifier.health(), Health::Ready);
        assert_eq!(verifier.revision(), Some(world.store().revision().unwrap()));
    }

    #[test]
    fn an_unchanged_store_needs_no_refresh() {
        let world = World::new();
        let key = world.issue();
        let verifier = world.open();
        until("the start is over", || verifier.current().is_some());
        let before = verifier.refreshes();
        for _ in 0..1000 {
            assert!(verifier.current().is_some());
            assert_eq!(allows(&verifier, &key), Ok(true));
        }
        assert_eq!(verifier.refreshes(), before);
    }

    #[test]
    fn reloaded_rules_hold_at_once_and_survive_a_refresh() {
        let world = World::new();
        let key = world.issue();
        let verifier = world.open();
        assert_eq!(allows(&verifier, &key), Ok(true));
        verifier.set_rules(rules("/elsewhere"));
        assert_eq!(allows(&verifier, &key), Ok(false));
        let other = world.issue();
        assert_eq!(allows(&verifier, &other), Ok(false));
        verifier.set_rules(rules("/**"));
        assert_eq!(allows(&verifier, &other), Ok(true));
    }

    #[test]
    fn a_deleted_store_fails_closed_and_a_returned_one_is_served() {
        let world = World::new();
        let key = world.issue();
        let verifier = world.open();
        let aside = world.dir.path().join("aside");
        std::fs::rename(world.file(), &aside).unwrap();
        until("it is noticed", || allows(&verifier, &key).is_err());
        assert!(matches!(verifier.health(), Health::Unready(Unready::Missing(_))), "{:?}", verifier.health());
        std::fs::rename(&aside, world.file()).unwrap();
        until("it is served again", || allows(&verifier, &key) == Ok(true));
        until("it is ready", || verifier.health() == Health::Ready);
    }

    #[test]
    fn an_older_copy_in_place_of_the_store_is_refused_even_after_a_restart() {
        let mut world = World::new();
        let key = world.issue();
        drop(world.store.take());
        let copy = std::fs::read(world.file()).unwrap();
        world.store =
            Some(Store::open(world.dir.path(), Access::Write, &crate::store::Options::default()).unwrap());
        let verifier = world.open();
        world.revoke(key.record.id);
        assert_eq!(allows(&verifier, &key), Ok(false));
        let revision = world.store().revision().unwrap();
        until("it is noted", || {
            crate::store::LastSeen::read(world.dir.path()).unwrap().is_some_and(|s| s.revision == revision)
        });
        drop(world.store.take());
        std::fs::write(world.dir.path().join("new"), &copy).unwrap();
        std::fs::rename(world.dir.path().join("new"), world.file()).unwrap();
        until("it is noticed", || allows(&verifier, &key).is_err());
        until("it says why", || matches!(verifier.health(), Health::Unready(Unready::Older(_))));
        assert!(allows(&verifier, &key).is_err());
        drop(verifier);
        let error = Verifier::open(world.dir.path(), rules("/**"), Options::default()).unwrap_err();
        assert!(matches!(error, OpenError::Store(StoreError::Older { .. })), "{error}");
    }

    #[test]
    fn a_truncated_store_or_a_garbled_header_is_refused_by_the_next_check() {
        use std::os::unix::fs::FileExt;
        for damage in ["truncate", "garble"] {
            let world = World::new();
            let key = world.issue();
            let verifier = world.open();
            assert_eq!(allows(&verifier, &key), Ok(true));
            let file = std::fs::File::options().write(true).open(world.file()).unwrap();
            match damage {
                "truncate" => file.set_len(100).unwrap(),
                _ => file.write_all_at(&[0xff; 320], 0).unwrap(),
            }
            assert!(allows(&verifier, &key).is_err(), "{damage}");
            until("it says so", || verifier.health() != Health::Ready);
        }
    }

    #[test]
    fn a_commit_that_its_writer_did_not_publish_is_published() {
        use std::os::unix::fs::FileExt;
        let world = World::new();
        let key = world.issue();
        let verifier = world.open();
        assert_eq!(allows(&verifier, &key), Ok(true));
        // As a writer leaves it that was killed between its two writes of the header.
        let file = std::fs::File::options().read(true).write(true).open(world.file()).unwrap();
        let mut god = [0];
        file.read_exact_at(&mut god, 9).unwrap();
        file.write_all_at(&[god[0] | 8], 9).unwrap();
        until("the last commit is visible again", || {
            file.read_exact_at(&mut god, 9).unwrap();
            god[0] & 8 == 0 && allows(&verifier, &key) == Ok(true)
        });
    }

    #[test]
    fn without_a_proven_signal_every_check_reads_the_store() {
        let world = World::new();
        let shared = Arc::new(Shared::new(world.dir.path(), rules("/**"), patient(), false));
        let threads = vec![refresh::spawn(&shared).unwrap(), patrol::spawn(&shared).unwrap()];
        let grants = Arc::new(Grants::new(world.dir.path(), shared.clock, Duration::ZERO));
        let verifier = Verifier { shared, grants, threads: Mutex::new(threads) };
        let key = world.issue();
        assert_eq!(allows(&verifier, &key), Ok(true));
        world.revoke(key.record.id);
        assert_eq!(allows(&verifier, &key), Ok(false));
        assert!(verifier.current().is_none(), "the fast path is off");
    }

    #[test]
    fn a_request_waits_for_the_budget_and_no_longer() {
        let world = World::new();
        let options = Options::default();
        // Nobody refreshes: as if the refresher were stuck behind a stopped process.
        let shared = Arc::new(Shared::new(world.dir.path(), rules("/**"), options, true));
        let threads = vec![patrol::spawn(&shared).unwrap()];
        let grants = Arc::new(Grants::new(world.dir.path(), shared.clock, Duration::ZERO));
        let verifier = Verifier { shared, grants, threads: Mutex::new(threads) };
        let began = verifier.clock().elapsed();
        let refused = block_on(verifier.fresh()).err();
        let took = verifier.clock().elapsed().saturating_sub(began);
        assert_eq!(refused, Some(Unavailable::Late(Duration::from_millis(50))));
        assert!(took >= Duration::from_millis(50), "{took:?}");
        assert!(took < Duration::from_secs(20), "{took:?}");
    }

    #[test]
    fn a_closed_verifier_refuses() {
        let world = World::new();
        let key = world.issue();
        let verifier = world.open();
        verifier.close();
        assert_eq!(allows(&verifier, &key), Err(Unready::Closed.into()));
    }
}
