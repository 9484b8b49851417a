//! What the API and the portal work with: the store, the configuration in force, the clock.

use std::sync::{Arc, Mutex, PoisonError};

use crate::config::Config;
use crate::policy::{Attempts, Now};
use crate::store::{Access, Options, Store, StoreError, Usage};

use super::Handlers;
use super::problem::Problem;

/// The handles of this process. Every call may wait for others for as long as the store's watchdog lets it,
/// so none is made on a thread that others need.
pub struct Desk {
    handlers: Arc<Handlers>,
    /// Kept open: opening for writing commits, and every commit is a refresh of every gateway.
    held: Mutex<Option<Store>>,
    /// Likewise.
    held_usage: Mutex<Option<Usage>>,
    /// Those of the API that failed. They outlive a term, and are handed to the process that goes on in this one's place.
    attempts: Attempts,
    /// Held while a copy is made: one at a time.
    pub(super) backing_up: Mutex<()>,
}

impl Desk {
    /// Sets it up. Nothing is opened yet.
    pub fn new(handlers: Handlers) -> Arc<Self> {
        let handlers = Arc::new(handlers);
        Arc::new(Self {
            handlers,
            held: Mutex::new(None),
            held_usage: Mutex::new(None),
            attempts: Attempts::default(),
            backing_up: Mutex::new(()),
        })
    }

    /// Returns what was injected.
    pub fn handlers(&self) -> &Handlers {
        &self.handlers
    }

    /// Returns the configuration in force.
    pub fn config(&self) -> Arc<Config> {
        (self.handlers.config)()
    }

    /// Returns the attempts to call the API that failed, by source address.
    pub fn attempts(&self) -> &Attempts {
        &self.attempts
    }

    /// Returns the time.
    pub fn now(&self) -> Now {
        (self.handlers.now)()
    }

    /// Returns the store, opened anew if it failed or another file took its place. One that cannot be
    /// written is opened for reading.
    ///
    /// # Errors
    /// Those of opening, as a client is told of them.
    pub fn store(&self) -> Result<Store, Problem> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(store) = held.as_ref().filter(|store| store.is_in_place()) {
            return Ok(store.clone());
        }
        *held = None;
        let dir = &self.config().data_dir;
        let store = match Store::open(dir, Access::Write, &Options::default()) {
            Err(StoreError::NotWritable { .. }) => Store::open(dir, Access::Read, &Options::default()),
            opened => opened,
        }?;
        *held = Some(store.clone());
        Ok(store)
    }

    /// Lets go of files that failed: after an error of the disk a handle is useless.
    pub fn forget_store(&self) {
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = None;
        *self.held_usage.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns the usage file, open for writing.
    ///
    /// # Errors
    /// Those of opening.
    pub fn usage_to_write(&self) -> Result<Usage, StoreError> {
        let mut held = self.held_usage.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(usage) = held.as_ref().filter(|usage| usage.is_in_place()) {
            return Ok(usage.clone());
        }
        *held = None;
        let usage = Usage::open(&self.config().data_dir, Access::Write, &Options::default())?;
        *held = Some(usage.clone());
        Ok(usage)
    }

    /// Opens the usage file for reading.
    ///
    /// # Errors
    /// Those of opening.
    pub fn usage(&self) -> Result<Usage, StoreError> {
        Usage::open(&self.config().data_dir, Access::Read, &Options::default())
    }
}
