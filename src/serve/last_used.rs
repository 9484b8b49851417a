//! When keys were last used, written to the usage file at most once a minute by a thread of its own:
//! it may wait for other processes there, and nobody waits for it.

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::key::{KeyId, Timestamp};
use crate::store::{Access, BATCH, Options, Usage};

/// How often uses are written.
const EVERY: Duration = Duration::from_mins(1);

/// Uses since the last write: at most one for each key.
#[derive(Default)]
pub(super) struct LastUsed {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    uses: HashMap<KeyId, Timestamp>,
    is_closed: bool,
}

impl LastUsed {
    pub(super) fn note(&self, uses: Vec<(KeyId, Timestamp)>) {
        if uses.is_empty() {
            return;
        }
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for (key, at) in uses {
            let latest = state.uses.entry(key).or_insert(at);
            *latest = at.max(*latest);
        }
    }

    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.woken.notify_all();
    }

    pub(super) fn spawn(self: &Arc<Self>, dir: &Path) -> io::Result<JoinHandle<()>> {
        let (this, dir) = (Arc::clone(self), dir.to_owned());
        thread::Builder::new().name("kgate-usage".to_owned()).spawn(move || this.run(&dir))
    }

    fn run(&self, dir: &Path) {
        loop {
            let (uses, is_closed) = self.wait();
            // Lost if it fails: "last used" is then older than it should be, nothing else.
            let _ = write(dir, uses);
            if is_closed {
                return;
            }
        }
    }

    fn wait(&self) -> (HashMap<KeyId, Timestamp>, bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .woken
            .wait_timeout_while(state, EVERY, |state| !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.uses), state.is_closed)
    }
}

/// Opens the file for one write: a handle that stays open would hold its locks.
fn write(dir: &Path, uses: HashMap<KeyId, Timestamp>) -> Result<(), crate::store::StoreError> {
    if uses.is_empty() {
        return Ok(());
    }
    let usage = Usage::open(dir, Access::Write, &Options::default())?;
    let uses: Vec<_> = uses.into_iter().collect();
    uses.chunks(BATCH * 20).try_for_each(|batch| usage.record_last_used(batch))
}
