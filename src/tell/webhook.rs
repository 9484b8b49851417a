//! Brings events to the receivers of webhooks, one thread for each, until they are taken or too old.
//!
//! Signed as Standard Webhooks are (standardwebhooks.com): `webhook-id`, `webhook-timestamp` in Unix
//! seconds, and `webhook-signature`, `v1,` and the Base64 of HMAC-SHA-256 over `ID.TIMESTAMP.BODY`.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::Client;
use crate::config::Webhook;
use crate::key::Timestamp;
use crate::sign::CodeKey;
use crate::store::{Access, Options, StoreError, Usage, Waiting};
use crate::tls::TlsError;

/// The pauses after failures: doubled from the first to the longest.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_hours(1));

/// How often the outbox is looked at without being told of something new.
const LOOK: Duration = Duration::from_secs(30);

/// Events sent between two looks into the outbox.
const AT_ONCE: usize = 32;

/// What became of events for one receiver since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Delivered {
    /// Events it took.
    pub taken: u64,
    /// Attempts that failed.
    pub failed: u64,
    /// Events given up, since they were too old.
    pub given_up: u64,
    /// Events that wait for it.
    pub waiting: u64,
}

/// Brings events to one receiver.
pub struct Courier {
    webhook: Webhook,
    client: Client,
    key: CodeKey,
    dir: PathBuf,
    now: fn() -> Timestamp,
    state: Mutex<State>,
    woken: Condvar,
    counts: [AtomicU64; 4],
}

#[derive(Default)]
struct State {
    is_closed: bool,
    is_poked: bool,
}

impl Courier {
    /// Makes one for a webhook, over the outbox in the data directory `dir`.
    ///
    /// # Errors
    /// The authorities that vouch for the receiver cannot be read.
    pub fn new(webhook: &Webhook, dir: &Path, now: fn() -> Timestamp) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self {
            client: Client::new(&webhook.outlet)?,
            key: CodeKey::new(webhook.secret.expose()),
            webhook: webhook.clone(),
            dir: dir.to_owned(),
            now,
            state: Mutex::default(),
            woken: Condvar::new(),
            counts: Default::default(),
        }))
    }

    /// Starts its thread. `tell` hears of the first failure after a success, and of the first success after
    /// a failure.
    pub fn spawn(
        self: &Arc<Self>,
        tell: impl Fn(&str, Option<&str>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let this = Arc::clone(self);
        thread::Builder::new().name("kgate-webhook".to_owned()).spawn(move || this.run(&tell))
    }

    /// Returns the receiver's name.
    pub fn name(&self) -> &str {
        &self.webhook.name
    }

    /// Returns what became of events since the start.
    pub fn delivered(&self) -> Delivered {
        // Relaxed: the counts guard no other memory.
        let [taken, failed, given_up, waiting] =
            [0, 1, 2, 3].map(|at: usize| self.counts[at].load(Ordering::Relaxed));
        Delivered { taken, failed, given_up, waiting }
    }

    /// Has the outbox looked at now.
    pub fn poke(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_poked = true;
        self.woken.notify_all();
    }

    /// Ends the thread after the attempt under way.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.woken.notify_all();
    }

    fn run(&self, tell: &dyn Fn(&str, Option<&str>)) {
        let (mut pause, mut was_well) = (PAUSE.0, true);
        let mut wait = Wait::For(Duration::ZERO);
        while self.wait(wait) {
            let round = self.round();
            (wait, pause) = match &round {
                Ok(Round::Idle(next)) => {
                    let next = next.map_or(LOOK, |next| next.since((self.now)()));
                    (Wait::OrPoke(next.min(LOOK)), PAUSE.0)
                }
                Ok(Round::Sent) => (Wait::For(Duration::ZERO), PAUSE.0),
                Ok(Round::Failed(_)) => (Wait::For(pause), (pause * 2).min(PAUSE.1)),
                // The file is held or the disk full: what was delivered is delivered again.
                Err(_) => (Wait::For(PAUSE.0), pause),
            };
            match &round {
                Ok(Round::Failed(why)) if was_well => tell(self.name(), Some(why)),
                Ok(Round::Sent) if !was_well => tell(self.name(), None),
                _ => {}
            }
            was_well = match round {
                Ok(Round::Failed(_)) => false,
                Ok(Round::Sent) => true,
                _ => was_well,
            };
        }
    }

    /// Waits. `false` once closed.
    fn wait(&self, wait: Wait) -> bool {
        let (at_most, is_spared) = match wait {
            Wait::For(span) => (span, true),
            Wait::OrPoke(span) => (span, false),
        };
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |state: &mut State| !state.is_closed && (!state.is_poked || is_spared);
        let (mut state, _) =
            self.woken.wait_timeout_while(state, at_most, goes_on).unwrap_or_else(PoisonError::into_inner);
        state.is_poked = false;
        !state.is_closed
    }

    fn is_closed(&self) -> bool {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed
    }

    /// Sends what is due, up to the first failure, and notes in one commit what came of it.
    fn round(&self) -> Result<Round, StoreError> {
        let now = (self.now)();
        let usage = Usage::open(&self.dir, Access::Read, &Options::default())?;
        let due = usage.due(self.name(), now, AT_ONCE)?;
        drop(usage);
        self.counts[3].store(due.waiting, Ordering::Relaxed);
        let (mut done, mut again, mut round) = (Vec::new(), Vec::new(), Round::Idle(due.next));
        for waiting in due.events {
            if self.is_closed() {
                break;
            }
            match self.send(&waiting) {
                Ok(()) => {
                    self.count(0);
                    done.push(waiting.number);
                    round = Round::Sent;
                }
                Err(why) => {
                    self.count(1);
                    let now = (self.now)();
                    if now.since(waiting.event.since) >= self.webhook.retry_for {
                        self.count(2);
                        done.push(waiting.number);
                    } else {
                        again.push(later(waiting, now));
                    }
                    round = Round::Failed(why);
                    break;
                }
            }
        }
        if !done.is_empty() || !again.is_empty() {
            self.counts[3].fetch_sub(done.len() as u64, Ordering::Relaxed);
            Usage::open(&self.dir, Access::Write, &Options::default())?.settle(done, again)?;
        }
        Ok(round)
    }

    fn send(&self, waiting: &Waiting) -> Result<(), String> {
        let event = &waiting.event;
        let at = (self.now)().as_secs().to_string();
        let signature = sign(&self.key, &event.id, &at, &event.body);
        let headers = [
            ("content-type", "application/json"),
            ("webhook-id", &*event.id),
            ("webhook-timestamp", &*at),
            ("webhook-signature", &*signature),
        ];
        match self.client.post(&headers, &event.body)? {
            200..=299 => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }

    fn count(&self, at: usize) {
        self.counts[at].fetch_add(1, Ordering::Relaxed);
    }
}

/// How long to wait for the next look into the outbox.
#[derive(Clone, Copy)]
enum Wait {
    /// So long: the receiver is spared after a failure.
    For(Duration),
    /// So long, or until there is something new.
    OrPoke(Duration),
}

/// What came of a look into the outbox.
enum Round {
    /// Nothing is due; the next event is then, if there is one.
    Idle(Option<Timestamp>),
    Sent,
    Failed(String),
}

fn later(mut waiting: Waiting, now: Timestamp) -> Waiting {
    let pause = PAUSE.0.saturating_mul(1 << waiting.event.attempts.min(10)).min(PAUSE.1);
    waiting.event.due = now.plus(pause);
    waiting.event.attempts = waiting.event.attempts.saturating_add(1);
    waiting
}

/// Returns what `webhook-signature` says of an event.
pub fn sign(key: &CodeKey, id: &str, at: &str, body: &[u8]) -> String {
    let code = key.code(&[id.as_bytes(), b".", at.as_bytes(), b".", body]);
    format!("v1,{}", STANDARD.encode(code))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification, whose secret is `whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw`.
    #[test]
    fn the_example_of_standard_webhooks_comes_out() {
        let secret = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature = sign(
            &CodeKey::new(&secret),
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "1614265330",
            br#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
