#![allow(clippy::todo)]
//! Keeps the engine's snapshot current from the store, and answers with it. No HTTP here: a program
//! that wants kgate's verdicts in process uses this room alone.
//!
//! A snapshot is kept with the *tag* of the store's header it was taken under. Every check reads the
//! tag again, one lock-free `pread`, and compares. Equal: the snapshot is current. Different: one
//! thread, the only one that calls redb, takes a newer snapshot, and requests wait for it up to a
//! budget, then fail closed. The tag is read *before* the snapshot's read begins, so a race can only
//! cause one refresh too many, never a stale verdict.

mod clock;
mod health;

use std::future::Future;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::policy::{Attributes, Decision, Engine, Now, Rules};
use crate::store::StoreError;

pub use clock::{Clock, wall};
pub use health::{Health, Unready};

/// How a [`Verifier`] behaves.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Options {
    /// How long a request waits for a changed store to be read before it fails closed.
    pub budget: Duration,
    /// Serves the snapshot without comparing for this long after each comparison. It breaks the
    /// promise that a revoked key is refused at once; it exists so that a test can show that it
    /// would notice.
    #[doc(hidden)]
    pub danger_skip_compare: Option<Duration>,
}

impl Default for Options {
    fn default() -> Self {
        Self { budget: Duration::from_millis(50), danger_skip_compare: None }
    }
}

/// Answers requests from a snapshot that is never older than the request.
pub struct Verifier {}

impl Verifier {
    /// Opens the store in `data_dir`, loads it, and starts keeping it current.
    ///
    /// # Errors
    /// [`OpenError`] if the store is absent, not ours, older than one served before, or unreadable.
    pub fn open(data_dir: &Path, rules: Arc<Rules>, options: Options) -> Result<Arc<Self>, OpenError> {
        let _ = (data_dir, rules, options);
        todo!()
    }

    /// Returns the engine if it is current, without blocking or allocating: the fast path.
    ///
    /// `None` means that the store changed or cannot be trusted: await [`Verifier::fresh`].
    pub fn current(&self) -> Option<Current> {
        todo!()
    }

    /// Returns an engine that holds everything that was committed before this call.
    ///
    /// Works on any runtime. Do not keep the engine across an await: ask again.
    ///
    /// # Errors
    /// [`Unavailable`] if it cannot be had within the budget: answer 503, never the old verdict.
    pub fn fresh(&self) -> impl Future<Output = Result<Current, Unavailable>> + Send + '_ {
        async { todo!() }
    }

    /// Decides one request, now. It spends the request's limits.
    ///
    /// # Errors
    /// [`Unavailable`] as for [`Verifier::fresh`].
    pub async fn verify(&self, attributes: &Attributes<'_>) -> Result<Decision, Unavailable> {
        let _ = attributes;
        todo!()
    }

    /// Replaces the rules; every request that begins afterwards is decided by the new ones.
    pub fn set_rules(&self, rules: Arc<Rules>) {
        let _ = rules;
        todo!()
    }

    /// Returns whether the store can be trusted, and if not, why.
    pub fn health(&self) -> Health {
        todo!()
    }

    /// Returns the revision of the snapshot, if there is one.
    pub fn revision(&self) -> Option<u64> {
        todo!()
    }

    /// Returns the time of both clocks.
    pub fn now(&self) -> Now {
        todo!()
    }

    /// Returns the clock that [`Verifier::now`] reads.
    pub fn clock(&self) -> Clock {
        todo!()
    }
}

/// An engine that was current when it was handed out.
pub struct Current(Arc<Engine>);

impl Deref for Current {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

/// The store changed and could not be read in time, or it cannot be trusted: fail closed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Unavailable {
    /// The changed store was not read within the budget.
    #[error("the store changed and could not be read within {} ms", .0.as_millis())]
    Late(Duration),
    /// The store cannot be trusted.
    #[error(transparent)]
    Unready(#[from] Unready),
}

/// Why a [`Verifier`] could not start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store said no.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store cannot be trusted.
    #[error(transparent)]
    Unready(#[from] Unready),
}
