//! Requests that last. A key may stop working while a request with it is under way: a `WebSocket`, a
//! stream of events, a long upload. Each worker judges what is under way on its connections again from
//! time to time, by the snapshot alone and without charging a limit, and cuts what would now be refused.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::Gateway;
use crate::policy::{Reason, Tenure};

/// The open connections of one worker. As large as the cap on connections lets it become.
#[derive(Default)]
pub(super) struct Lives {
    all: Mutex<HashMap<u64, Arc<Live>>>,
    next: AtomicU64,
}

/// What is under way on one connection, or on one stream of HTTP/2. One for all requests of an HTTP/1.1
/// connection, which come one after the other.
#[derive(Default)]
pub(super) struct Live {
    /// `None` between requests, and where no key was asked for.
    tenure: Mutex<Option<Tenure>>,
    /// Why it was cut, once it was: then the connection is of no more use.
    cut: OnceLock<&'static str>,
    told: Notify,
}

impl Lives {
    /// Takes in a connection until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>) -> Entered {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let live = Arc::new(Live::default());
        self.lock().insert(id, Arc::clone(&live));
        Entered { lives: Arc::clone(self), id, live }
    }

    /// Judges everything under way again and again, until it is dropped.
    ///
    /// While the store cannot be read nothing is cut: whoever was let in goes on, whoever comes is refused.
    pub(super) async fn watch(self: Arc<Self>, gateway: Arc<Gateway>) {
        loop {
            tokio::time::sleep(gateway.setup().caps.cut_within / 2).await;
            if let Ok(engine) = gateway.verifier.fresh().await {
                let now = gateway.verifier.now();
                for live in self.lock().values() {
                    if live.end_if(|tenure| engine.judge_again(tenure, now)) {
                        gateway.metrics.request_cut();
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Arc<Live>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    /// A request passed; `None` if it needed no key.
    pub(super) fn begin(&self, tenure: Option<Tenure>) {
        *self.lock() = tenure;
    }

    /// The request is over. Returns why it was cut, if it was.
    pub(super) fn end(&self) -> Option<&'static str> {
        *self.lock() = None;
        self.cut.get().copied()
    }

    /// Says whether the request under way was cut, and its connection with it.
    pub(super) fn is_cut(&self) -> bool {
        self.cut.get().is_some()
    }

    /// Ends what is under way, for a reason that has nothing to do with its key.
    pub(super) fn stop(&self, reason: &'static str) {
        let _ = self.cut.set(reason);
        self.told.notify_one();
    }

    /// Waits until it is cut.
    pub(super) async fn cut(&self) {
        while !self.is_cut() {
            self.told.notified().await;
        }
    }

    /// Cuts what is under way if it is judged to be refused. Says whether it was cut now.
    fn end_if(&self, judge: impl FnOnce(&Tenure) -> Result<(), Reason>) -> bool {
        let mut tenure = self.lock();
        let Some(Err(reason)) = tenure.as_ref().map(judge) else { return false };
        *tenure = None;
        let is_new = self.cut.set(word(&reason)).is_ok();
        self.told.notify_one();
        is_new
    }

    fn lock(&self) -> MutexGuard<'_, Option<Tenure>> {
        self.tenure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection among those of its worker; dropping it takes it out.
pub(super) struct Entered {
    lives: Arc<Lives>,
    id: u64,
    live: Arc<Live>,
}

impl Entered {
    pub(super) fn live(&self) -> &Arc<Live> {
        &self.live
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.lives.lock().remove(&self.id);
    }
}

/// The `reason` of a cut request in the access log, apart from those of refusals.
fn word(reason: &Reason) -> &'static str {
    match reason {
        Reason::Revoked => "cut_revoked",
        Reason::Disabled => "cut_disabled",
        Reason::Expired(_) => "cut_expired",
        Reason::NotYetValid(_) => "cut_not_yet_valid",
        Reason::ConsumerDisabled => "cut_consumer_disabled",
        Reason::ConsumerMissing => "cut_consumer_missing",
        Reason::DamagedRecord => "cut_damaged_record",
        Reason::Network(_) => "cut_network",
        Reason::Scope => "cut_scope",
        _ => "cut_unknown_key",
    }
}

/// How long after the word Pingora may take to end a request; then it is dropped as it is. It does not
/// look at a client while a backend takes no more of an upload.
pub(super) const LAST_WORDS: Duration = Duration::from_millis(500);
