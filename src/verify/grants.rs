//! Fetches what quotas may spend. One thread asks the usage file for more, for all who wait in one
//! commit, and hands it to the counts in memory; no request ever calls redb.
//!
//! A process that dies loses what it was granted and did not spend, so a grant is no larger than the
//! largest of a hundredth of the quota, 64 requests, what is waiting, and what was spent in a second.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::oneshot;

use super::clock::Clock;
use super::{OpenError, Unavailable, lock};
use crate::key::QuotaWindow;
use crate::policy::{Leftover, NeedsGrant, Want};
use crate::store::{Access, Granting, Options, StoreError, Usage};

/// How many requests a process may lose at least.
const LEAST: u64 = 64;

/// How long the file may take, at least and at most: requests wait for it, and for a sync to the disk.
const PATIENCE: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));

/// The pause after a failure.
const RETRY: Duration = Duration::from_millis(100);

/// How often somebody is told of failures that go on.
const TELL: Duration = Duration::from_secs(10);

/// How many quotas' pace is remembered; of those forgotten the next grant is small.
const PACES: usize = 1 << 16;

/// What is asked of the thread, and how it went.
pub(super) struct Grants {
    dir: PathBuf,
    clock: Clock,
    /// How long the file may take.
    patience: Duration,
    queue: Mutex<Queue>,
    there: Condvar,
    tell: OnceLock<Tell>,
    granted: AtomicU64,
    failed: AtomicU64,
}

/// Who is told of trouble.
type Tell = Box<dyn Fn(&GrantTrouble) + Send + Sync>;

/// Grants cannot be had, or can again.
#[derive(Debug)]
pub enum GrantTrouble {
    /// The usage file cannot be written. Whoever has used up what was granted before is refused.
    Failed(StoreError),
    /// It can be written again.
    Over,
}

#[derive(Default)]
struct Queue {
    wanted: HashMap<QuotaWindow, Pending>,
    /// Set once it is over: what is to be given back.
    end: Option<Vec<Leftover>>,
}

/// One quota that is asked for.
struct Pending {
    want: Want,
    /// What those who wait will be charged.
    waiting: u64,
    answers: Vec<oneshot::Sender<bool>>,
}

/// How fast a quota is spent.
#[derive(Clone, Copy, Default)]
struct Pace {
    /// When the second began, on the clock.
    began: Duration,
    this_second: u64,
    last_second: u64,
    /// What was left when the last grant had been added.
    left: u64,
}

impl Grants {
    /// `budget` is how long requests wait for a changed store: as long for a grant, within bounds.
    pub(super) fn new(dir: &Path, clock: Clock, budget: Duration) -> Self {
        Self {
            dir: dir.to_owned(),
            clock,
            patience: budget.clamp(PATIENCE.0, PATIENCE.1),
            queue: Mutex::default(),
            there: Condvar::new(),
            tell: OnceLock::new(),
            granted: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }

    pub(super) fn spawn(self: &Arc<Self>) -> Result<JoinHandle<()>, OpenError> {
        let this = Arc::clone(self);
        thread::Builder::new()
            .name("kgate-grants".to_owned())
            .spawn(move || Granter { shared: this, usage: None, paces: HashMap::new(), told: None }.run())
            .map_err(OpenError::Thread)
    }

    /// Waits until more was granted, or until it is clear that there is no more.
    pub(super) async fn fetch(&self, needs: NeedsGrant) -> Result<(), Unavailable> {
        for answer in self.ask(needs, true) {
            if !answer.await.unwrap_or(false) {
                return Err(Unavailable::NoGrant);
            }
        }
        Ok(())
    }

    /// Has more fetched, and waits for nothing.
    pub(super) fn fetch_ahead(&self, needs: NeedsGrant) {
        self.ask(needs, false);
    }

    /// Returns how many grants were made and how many attempts failed.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.granted.load(Ordering::Relaxed), self.failed.load(Ordering::Relaxed))
    }

    pub(super) fn set_tell(&self, tell: Tell) {
        // A second one is not listened to: there is one log.
        let _ = self.tell.set(tell);
    }

    /// Ends the thread, after it gave back what is left.
    pub(super) fn close(&self, unspent: Vec<Leftover>) {
        lock(&self.queue).end.get_or_insert(unspent);
        self.there.notify_all();
    }

    fn ask(&self, needs: NeedsGrant, waits: bool) -> Vec<oneshot::Receiver<bool>> {
        let mut receivers = Vec::new();
        let mut queue = lock(&self.queue);
        if queue.end.is_some() {
            if waits {
                // Dropped at once, which is a refusal.
                receivers.push(oneshot::channel().1);
            }
            return receivers;
        }
        for want in needs.into_wants() {
            let waiting = if waits { want.cost() } else { 0 };
            let pending = match queue.wanted.entry(want.window().clone()) {
                Entry::Occupied(old) => {
                    let old = old.into_mut();
                    // The newest cell: an older one may be of rules no longer in force.
                    old.want = want;
                    old
                }
                Entry::Vacant(new) => new.insert(Pending { want, waiting: 0, answers: Vec::new() }),
            };
            pending.waiting += waiting;
            if waits {
                let (sender, receiver) = oneshot::channel();
                pending.answers.push(sender);
                receivers.push(receiver);
            }
        }
        self.there.notify_one();
        receivers
    }
}

/// The thread.
struct Granter {
    shared: Arc<Grants>,
    /// Opened when the first grant is asked for, and again after a failure.
    usage: Option<Usage>,
    paces: HashMap<QuotaWindow, Pace>,
    /// When somebody was last told of a failure that goes on.
    told: Option<Duration>,
}

impl Granter {
    fn run(mut self) {
        loop {
            let (wanted, end) = self.next();
            if !wanted.is_empty() {
                self.grant(wanted.into_values().collect());
            }
            if let Some(unspent) = end {
                self.give_back(unspent);
                return;
            }
        }
    }

    fn next(&self) -> (HashMap<QuotaWindow, Pending>, Option<Vec<Leftover>>) {
        let mut queue = self
            .shared
            .there
            .wait_while(lock(&self.shared.queue), |queue| queue.wanted.is_empty() && queue.end.is_none())
            .unwrap_or_else(PoisonError::into_inner);
        // The end stays: whoever asks later is refused.
        let end = queue.end.as_mut().map(std::mem::take);
        (std::mem::take(&mut queue.wanted), end)
    }

    fn grant(&mut self, all: Vec<Pending>) {
        let sizes: Vec<u64> = all.iter().map(|pending| self.size(pending)).collect();
        let granting = all.iter().zip(&sizes).map(|(pending, full)| Granting {
            window: pending.want.window().clone(),
            amount: full.saturating_sub(pending.want.left()),
        });
        let granting = granting.collect();
        let outcome = self.usage().and_then(|usage| usage.grant(granting));
        match outcome {
            Ok(granted) => {
                for ((pending, full), granted) in all.iter().zip(sizes).zip(&granted) {
                    pending.want.deposit(granted.granted, granted.added, full);
                    if let Some(pace) = self.paces.get_mut(pending.want.window()) {
                        pace.left = pending.want.left();
                    }
                }
                self.shared.granted.fetch_add(all.len() as u64, Ordering::Relaxed);
                if self.told.take().is_some() {
                    self.tell(&GrantTrouble::Over);
                }
                answer(all, true);
            }
            Err(error) => {
                self.usage = None;
                self.shared.failed.fetch_add(1, Ordering::Relaxed);
                let now = self.shared.clock.elapsed();
                if self.told.is_none_or(|told| now.saturating_sub(told) > TELL) {
                    self.told = Some(now);
                    self.tell(&GrantTrouble::Failed(error));
                }
                all.iter().for_each(|pending| pending.want.ask_again());
                answer(all, false);
                thread::sleep(RETRY);
            }
        }
    }

    fn tell(&self, trouble: &GrantTrouble) {
        if let Some(tell) = self.shared.tell.get() {
            tell(trouble);
        }
    }

    fn usage(&mut self) -> Result<&Usage, StoreError> {
        match self.usage.take() {
            // One that was replaced by hand counts nothing any more.
            Some(usage) if usage.is_in_place() => Ok(self.usage.insert(usage)),
            _ => {
                let options = Options { patience: Some(self.shared.patience), cache_bytes: 4 << 20 };
                Ok(self.usage.insert(Usage::open(&self.shared.dir, Access::Write, &options)?))
            }
        }
    }

    /// Returns how much there should be to spend after a grant.
    fn size(&mut self, pending: &Pending) -> u64 {
        let window = pending.want.window();
        let now = self.shared.clock.elapsed();
        if self.paces.len() >= PACES {
            self.paces.retain(|_, pace| now.saturating_sub(pace.began) < Duration::from_secs(2));
            if self.paces.len() >= PACES {
                self.paces.clear();
            }
        }
        let pace = self.paces.entry(window.clone()).or_default();
        let in_a_second = pace.spent(pending.want.left(), now);
        let quota = window.quota.count();
        (quota / 100).max(LEAST).max(pending.waiting).max(in_a_second).min(quota)
    }

    fn give_back(&mut self, unspent: Vec<Leftover>) {
        // Without an open file nothing was granted.
        let Some(usage) = &self.usage else { return };
        let unspent: Vec<Granting> =
            unspent.into_iter().map(|rest| Granting { window: rest.window, amount: rest.left }).collect();
        if !unspent.is_empty() {
            // If it fails, the keys have that much less, as after a crash.
            let _ = usage.give_back(unspent);
        }
    }
}

impl Pace {
    /// Notes that `left` is left now, and returns how much was spent in a second, this one or the last.
    fn spent(&mut self, left: u64, now: Duration) -> u64 {
        let spent = self.left.saturating_sub(left);
        let age = now.saturating_sub(self.began);
        if age < Duration::from_secs(1) {
            self.this_second += spent;
        } else {
            self.last_second = if age < Duration::from_secs(2) { self.this_second } else { 0 };
            self.this_second = spent;
            self.began = now;
        }
        self.left = left;
        self.this_second.max(self.last_second)
    }
}

/// Answers all who wait. Some may have gone.
fn answer(all: Vec<Pending>, is_granted: bool) {
    for sender in all.into_iter().flat_map(|pending| pending.answers) {
        let _ = sender.send(is_granted);
    }
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Grants")
    }
}
