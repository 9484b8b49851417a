//! Does what holders ask for on the gateway's listener: off the request threads, since it may wait for
//! the store, and so many at once.

use std::collections::HashSet;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task;

use super::running::Core;
use crate::config::Config;
use crate::edge::Own;
use crate::gateway::{Asked, Holders};
use crate::key::{KeyId, RevokeReason};
use crate::policy::{LimitLeft, SelfService};
use crate::store::{
    Access, Act, Actor, Of, Options, Part, Period, Query, Rotation, Store, StoreError, Usage, Used, Via,
    Whose,
};

/// Answers holders under whatever configuration is in force.
pub(super) struct SelfServed {
    /// Weak, since the gateway that it serves is part of it.
    core: Weak<Core>,
    places: Arc<Semaphore>,
    /// The keys whose holders are being answered: one at a time, so that none takes all places.
    keys: Arc<Mutex<HashSet<KeyId>>>,
}

impl SelfServed {
    pub(super) fn new(core: Weak<Core>) -> Self {
        Self { core, places: Arc::new(Semaphore::new(AT_ONCE)), keys: Arc::default() }
    }

    fn turn(&self, key: KeyId) -> Option<Turn> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let is_new = lock(&self.keys).insert(key);
        is_new.then(|| Turn { keys: Arc::clone(&self.keys), key, _place: place })
    }
}

impl Holders for SelfServed {
    fn serve(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Own> + Send>> {
        let (Some(core), Some(turn)) = (self.core.upgrade(), self.turn(asked.key)) else {
            return Box::pin(async { Own::Busy });
        };
        Box::pin(async move {
            let work = task::spawn_blocking(move || {
                let _turn = turn;
                answer(&core.config(), &asked).unwrap_or_else(|error| refused(&error))
            });
            // It panicked, and said so on standard error.
            work.await.unwrap_or(Own::OutcomeUnknown)
        })
    }
}

/// The place of one who is being answered. Dropping it gives the place back.
struct Turn {
    keys: Arc<Mutex<HashSet<KeyId>>>,
    key: KeyId,
    _place: OwnedSemaphorePermit,
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&self.keys).remove(&self.key);
    }
}

fn answer(config: &Config, asked: &Asked) -> Result<Own, StoreError> {
    match asked.act {
        SelfService::Rotate => rotate(config, asked),
        SelfService::Revoke => revoke(config, asked),
        SelfService::Usage => usage(config, asked),
    }
}

fn rotate(config: &Config, asked: &Asked) -> Result<Own, StoreError> {
    // Looked at for reading first: to open the store for writing is a commit, which every gateway loads.
    let old = Store::open(&config.data_dir, Access::Read, &options())?.key(asked.key)?;
    let age = asked.at.since(old.created_at);
    if old.rotated_to.is_some() {
        return Ok(Own::AlreadyRotated);
    }
    if age < YOUNGEST {
        return Ok(Own::TooSoon(YOUNGEST.saturating_sub(age)));
    }
    let store = open(config)?;
    let rotation =
        Rotation { grace: config.rotation_grace, expires_at: config.successors_end(&old, asked.at) };
    let done = store.rotate(old.id, rotation, &config.peppers, &act(asked), &mut rand::rng())?;
    store.close()?;
    let new = &done.new.record;
    let scopes: Vec<&str> = new.scopes.as_slice().iter().map(crate::key::Scope::as_str).collect();
    Ok(done_with(&json!({
        "key_id": new.id.to_string(),
        "token": done.new.token.expose(),
        "name": new.name,
        "key_type": new.key_type,
        "scopes": scopes,
        "created_at": new.created_at.to_string(),
        "expires_at": new.expires_at.map(|at| at.to_string()),
        "replaces": {
            "key_id": done.old.id.to_string(),
            "works_until": new.replaces_until.map(|at| at.to_string()),
        },
    })))
}

fn revoke(config: &Config, asked: &Asked) -> Result<Own, StoreError> {
    let store = open(config)?;
    let done = store.revoke(asked.key, RevokeReason::Unspecified, &act(asked))?;
    store.close()?;
    let at = match done.record.state {
        crate::key::State::Revoked { at, .. } => at,
        _ => asked.at,
    };
    let id = asked.key.to_string();
    Ok(done_with(&json!({ "key_id": id, "status": "revoked", "revoked_at": at.to_string() })))
}

fn usage(config: &Config, asked: &Asked) -> Result<Own, StoreError> {
    let usage = Usage::open(&config.data_dir, Access::Read, &options())?;
    let day = requests(&usage, asked, Period::Hour, 24)?;
    let month = requests(&usage, asked, Period::Day, 30)?;
    let limits: Vec<Value> = asked.limits.iter().map(limit).collect();
    Ok(done_with(&json!({
        "key_id": asked.key.to_string(),
        "consumer_id": asked.consumer.to_string(),
        "plan": asked.plan,
        "expires_at": asked.expires_at.map(|at| at.to_string()),
        "limits": limits,
        "last_24_hours": day,
        "last_30_days": month,
    })))
}

/// Returns the requests of the last so many buckets, that of now among them.
fn requests(usage: &Usage, asked: &Asked, period: Period, buckets: u32) -> Result<Value, StoreError> {
    let to = period.bucket(asked.at);
    let from = to.saturating_sub(buckets - 1);
    let of = Whose::One(Of::Key(asked.key));
    let counts = usage.counts(Query { of, period, from, to, by_route: false, part: Part::All })?;
    let of = |used: Used| counts.iter().filter(|count| count.used == used).map(|count| count.requests).sum();
    let mut said: Map<String, Value> = Used::ALL
        .into_iter()
        .map(|used| {
            let count: u64 = of(used);
            (used.as_str().to_owned(), count.into())
        })
        .collect();
    let all: u64 = counts.iter().map(|count| count.requests).sum();
    said.insert("requests".to_owned(), all.into());
    said.insert("since".to_owned(), period.begins(from).to_string().into());
    Ok(said.into())
}

fn limit(limit: &LimitLeft) -> Value {
    json!({
        "name": limit.name,
        "allows": limit.limit.to_string(),
        // What would pass now: the engine says what would after one more.
        "remaining": if limit.fits { limit.remaining + 1 } else { 0 },
        "reset_seconds": limit.reset.as_secs() + u64::from(limit.reset.subsec_nanos() > 0),
    })
}

/// What stands in the way, as a holder may know it.
fn refused(error: &StoreError) -> Own {
    match error {
        StoreError::AlreadyRotated { .. } => Own::AlreadyRotated,
        StoreError::NoSuchKey { .. }
        | StoreError::Revoked { .. }
        | StoreError::Expired { .. }
        | StoreError::Disabled { .. } => Own::Ended,
        StoreError::OutcomeUnknown { .. } => Own::OutcomeUnknown,
        _ => Own::Unavailable,
    }
}

fn open(config: &Config) -> Result<Store, StoreError> {
    Store::open(&config.data_dir, Access::Write, &options())
}

/// A holder waits for this, and a place is taken meanwhile.
fn options() -> Options {
    Options { patience: Some(Duration::from_secs(2)), ..Options::default() }
}

fn act(asked: &Asked) -> Act {
    Act {
        actor: Actor { user: asked.key.to_string(), via: Via::Holder },
        at: asked.at,
        note: asked.client.map(|client| format!("from {client}")),
        request: None,
    }
}

fn done_with(body: &Value) -> Own {
    let mut text = body.to_string().into_bytes();
    text.push(b'\n');
    Own::Done(text)
}

/// A lock is only poisoned by a panic between two plain calls on a set, which cannot be.
fn lock(keys: &Mutex<HashSet<KeyId>>) -> std::sync::MutexGuard<'_, HashSet<KeyId>> {
    keys.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A commit takes milliseconds, and more than one at a time waits for the others.
const AT_ONCE: usize = 8;

/// How old a key must be to be rotated by its holder. So whoever goes on rotating makes no more than one
/// key a minute.
const YOUNGEST: Duration = Duration::from_mins(1);
