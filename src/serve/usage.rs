//! What keys are used for, written to the usage file at most once a minute by a thread of its own: it
//! may wait for other processes there, and nobody waits for it.

use std::io;
use std::net::IpAddr;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Notice;
use crate::edge::{AccessLine, Verdict};
use crate::key::{ConsumerId, KeyId, Timestamp};
use crate::store::{Access, Alert, AlertKind, LastUse, Options, Retention, Usage, UsageBatch, Used};
use crate::verify;

/// How often usage is written.
const EVERY: Duration = Duration::from_mins(1);

/// The most keys whose alerts are gathered between two writes: tombstones may be many, and whoever
/// has their tokens must not choose how much memory this takes.
const ALERTS: usize = 1 << 14;

/// One request with a key the store knows.
#[derive(Clone, Debug)]
pub(super) struct Use {
    key: KeyId,
    consumer: Option<ConsumerId>,
    route: Arc<str>,
    used: Used,
    alert: Option<AlertKind>,
    at: Timestamp,
    from: Option<IpAddr>,
}

impl Use {
    /// Returns what to count of a request; `None` if no known key was shown, or on no route.
    /// `intern` shares the names of routes.
    pub(super) fn of(line: &AccessLine<'_>, intern: impl FnOnce(&str) -> Arc<str>) -> Option<Self> {
        let (key, route) = line.key.zip(line.route)?;
        let used = match (line.verdict, line.status) {
            (Verdict::Allow, _) => Used::Allowed,
            (Verdict::Deny, 429) => Used::Limited,
            (Verdict::Deny, 403) => Used::Forbidden,
            (Verdict::Deny, _) => Used::Refused,
            (Verdict::Error, _) => Used::Failed,
        };
        let alert = match line.reason {
            Some("revoked") => Some(AlertKind::UseAfterRevocation),
            Some("expired") => Some(AlertKind::UseAfterExpiry),
            _ => None,
        };
        Some(Self {
            key,
            consumer: line.consumer,
            route: intern(route),
            used,
            alert: alert.filter(|_| used == Used::Refused),
            at: line.time,
            from: line.client,
        })
    }
}

/// Usage since the last write.
#[derive(Default)]
pub(super) struct UsageBook {
    state: Mutex<State>,
    /// Requests that were not counted: no room, and not written.
    lost: (AtomicU64, AtomicU64),
    woken: Condvar,
}

#[derive(Default)]
struct State {
    batch: UsageBatch,
    retention: Retention,
    is_closed: bool,
}

impl UsageBook {
    pub(super) fn new(retention: Retention) -> Self {
        Self { state: Mutex::new(State { retention, ..State::default() }), ..Self::default() }
    }

    /// Returns how many requests were not counted since the start: for want of room, and since they could
    /// not be written.
    pub(super) fn lost(&self) -> (u64, u64) {
        // Relaxed: the counts guard no other memory.
        (self.lost.0.load(Ordering::Relaxed), self.lost.1.load(Ordering::Relaxed))
    }

    pub(super) fn keep_for(&self, retention: Retention) {
        self.lock().retention = retention;
    }

    /// Takes uses in. Returns those that raise an alert nobody was told of since the last write.
    pub(super) fn note(&self, uses: Vec<Use>) -> Vec<Notice> {
        if uses.is_empty() {
            return Vec::new();
        }
        let mut state = self.lock();
        uses.into_iter().filter_map(|one| state.batch_in(&one)).collect()
    }

    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.woken.notify_all();
    }

    pub(super) fn spawn(self: &Arc<Self>, dir: &Path) -> io::Result<JoinHandle<()>> {
        let (this, dir) = (Arc::clone(self), dir.to_owned());
        thread::Builder::new().name("kgate-usage".to_owned()).spawn(move || this.run(&dir))
    }

    fn run(&self, dir: &Path) {
        loop {
            let (batch, retention, is_closed) = self.wait();
            self.lost.0.fetch_add(batch.counts.lost(), Ordering::Relaxed);
            // Lost if it fails: usage is then less than it should be, nothing else.
            self.lost.1.fetch_add(write(dir, batch, retention), Ordering::Relaxed);
            if is_closed {
                return;
            }
        }
    }

    fn wait(&self) -> (UsageBatch, Retention, bool) {
        let (mut state, _) = self
            .woken
            .wait_timeout_while(self.lock(), EVERY, |state| !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.batch), state.retention, state.is_closed)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn batch_in(&mut self, one: &Use) -> Option<Notice> {
        self.batch.counts.add(one.key, one.consumer, &one.route, one.used, one.at);
        if one.used == Used::Allowed {
            let now = LastUse { at: one.at, from: one.from };
            let last = self.batch.last.entry(one.key).or_insert(now);
            if last.at < now.at {
                *last = now;
            }
        }
        let kind = one.alert?;
        let alert = Alert { first: one.at, last: one.at, requests: 1, from: one.from };
        if let Some(known) = self.batch.alerts.get_mut(&(one.key, kind)) {
            known.merge(&alert);
            return None;
        }
        if self.batch.alerts.len() >= ALERTS {
            return None;
        }
        self.batch.alerts.insert((one.key, kind), alert);
        Some(Notice::EndedKeyUsed { kind, key: one.key, consumer: one.consumer, from: one.from })
    }
}

/// Opens the file for one write: a handle that stays open would hold its locks. Much is written in parts, since
/// what takes too long is given up. Returns how many requests could not be written.
fn write(dir: &Path, batch: UsageBatch, retention: Retention) -> u64 {
    let mut lost = batch.counts.requests();
    if batch.is_empty() {
        return 0;
    }
    let Ok(usage) = Usage::open(dir, Access::Write, &Options::default()) else { return lost };
    for part in batch.parts() {
        let requests = part.counts.requests();
        if usage.record(part, retention, verify::wall()).is_err() {
            break;
        }
        lost -= requests;
    }
    lost
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(reason: Option<&'static str>, status: u16, verdict: Verdict) -> Option<Use> {
        let line = AccessLine {
            time: Timestamp::from_secs(1),
            request_id: "r",
            client: None,
            method: "GET",
            path: "/",
            host: "h",
            status,
            route: Some("all"),
            upstream: None,
            key: Some(KeyId::from_bytes([7; 16])),
            consumer: None,
            verdict,
            shadow: None,
            is_anonymous: false,
            reason,
            bytes_in: 0,
            bytes_out: 0,
            total: Duration::ZERO,
            verify: Duration::ZERO,
            upstream_time: None,
            trace: None,
            one_in: 1,
        };
        Use::of(&line, |name| Arc::from(name))
    }

    #[test]
    fn what_became_of_a_request_is_told_by_verdict_and_status() {
        let of = |reason, status, verdict| used(reason, status, verdict).map(|one| (one.used, one.alert));
        assert_eq!(of(None, 403, Verdict::Allow), Some((Used::Allowed, None)), "the backend said 403");
        assert_eq!(of(Some("limited"), 429, Verdict::Deny), Some((Used::Limited, None)));
        assert_eq!(of(Some("scope"), 403, Verdict::Deny), Some((Used::Forbidden, None)));
        assert_eq!(of(Some("upstream"), 502, Verdict::Error), Some((Used::Failed, None)));
        let revoked = Some(AlertKind::UseAfterRevocation);
        assert_eq!(of(Some("revoked"), 401, Verdict::Deny), Some((Used::Refused, revoked)));
    }

    #[test]
    fn the_last_use_never_goes_back() {
        let book = UsageBook::default();
        let one = used(None, 200, Verdict::Allow).unwrap();
        let earlier = Use { at: one.at.minus(Duration::from_secs(5)), from: None, ..one.clone() };
        let (key, last) = (one.key, LastUse { at: one.at, from: one.from });
        book.note(vec![one, earlier]);
        book.close();
        let (batch, ..) = book.wait();
        assert_eq!(batch.last.get(&key), Some(&last));
    }

    #[test]
    fn an_ended_key_is_told_of_once_and_counted_always() {
        let book = UsageBook::default();
        let one = used(Some("revoked"), 401, Verdict::Deny).unwrap();
        assert_eq!(book.note(vec![one.clone(), one.clone()]).len(), 1);
        assert!(book.note(vec![one]).is_empty());
        let (batch, ..) = {
            book.close();
            book.wait()
        };
        let alert = batch.alerts.values().next().unwrap();
        assert_eq!(alert.requests, 3);
        assert!(batch.last.is_empty(), "a refusal is no use");
    }

    /// However many come, a minute's uses are one commit: every commit makes other processes drop what they read.
    #[test]
    fn uses_are_gathered_and_written_together() {
        let dir = tempfile::tempdir().unwrap();
        let actor = crate::store::Actor { user: "test".into(), via: crate::store::Via::Library };
        let act = crate::store::Act { actor, at: verify::wall(), note: None, request: None };
        drop(crate::store::Store::create(dir.path(), &Options::default(), &act, &mut rand::rng()).unwrap());
        let file = || std::fs::read(dir.path().join(crate::store::USAGE_FILE)).unwrap();
        let book = Arc::new(UsageBook::default());
        let writer = book.spawn(dir.path()).unwrap();
        let (before, mut one) = (file(), used(None, 200, Verdict::Allow).unwrap());
        // A pause is what is tested: it takes a minute until something may be written.
        for _ in 0..150 {
            one.at = verify::wall();
            book.note(vec![one.clone(); 100]);
            thread::sleep(Duration::from_millis(10));
        }
        assert!(file() == before, "written before its time");
        book.close();
        writer.join().unwrap();
        let usage = Usage::open(dir.path(), Access::Read, &Options::default()).unwrap();
        let last = usage.last_use(one.key).unwrap().unwrap();
        assert_eq!(last.at.as_millis(), one.at.as_millis());
        assert!(file() != before && book.lost() == (0, 0));
    }
}
