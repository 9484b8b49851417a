//! The servers of an upstream that take requests, as of one moment.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use pingora::upstreams::peer::{HttpPeer, Peer};

use super::{AddressReport, ServerState};

/// Who takes requests. Made anew when a server fails, comes back or gets another address.
#[derive(Default)]
pub(super) struct Pool {
    all: Vec<Arc<Endpoint>>,
    /// Those that take requests, by their place in `all`. All of them if none is fit to.
    usable: Vec<usize>,
    /// Places in `all`, each as often as its weight says, evenly spread.
    turns: Vec<usize>,
    /// When the first of those that failed is to be tried again, monotonic nanoseconds.
    pub(super) revisit_at: u64,
}

/// One address of a server.
pub(in crate::gateway) struct Endpoint {
    /// As it is printed.
    pub(super) address: String,
    /// Made once: a request copies it.
    pub(super) peer: HttpPeer,
    weight: u32,
    /// The same as that of an endpoint before it only if a connection to one is a connection to the other.
    id: u64,
    /// What places it among callers, the same in every process.
    seed: u64,
    /// Outlives reloads.
    pub(super) vitals: Arc<Vitals>,
}

/// How an endpoint is.
#[derive(Default)]
pub(super) struct Vitals {
    /// Requests that failed, one after the other.
    failures: AtomicU32,
    /// Monotonic nanoseconds until which it is passed over; 0 is not.
    ejected_until: AtomicU64,
    /// Answers to questions after its health: how many good ones in a row, or bad ones, below zero.
    streak: AtomicI32,
    /// 1 if it failed those questions.
    unhealthy: AtomicU32,
    in_flight: AtomicU32,
}

impl Endpoint {
    /// Makes one. If one of that address is among `known`, what is known of it goes along.
    pub(super) fn new(address: String, peer: HttpPeer, weight: u32, known: &[Arc<Self>]) -> Self {
        // Relaxed: the numbers need only differ.
        static MADE: AtomicU64 = AtomicU64::new(0);
        let before = known.iter().find(|other| other.address == address);
        // A connection that was made under the same settings is as good as a new one.
        let same = before.filter(|other| other.peer.reuse_hash() == peer.reuse_hash());
        Self {
            id: same.map_or_else(|| MADE.fetch_add(1, Ordering::Relaxed), |other| other.id),
            seed: hash(address.as_bytes()),
            vitals: before.map(|other| Arc::clone(&other.vitals)).unwrap_or_default(),
            address,
            peer,
            weight,
        }
    }

    /// Returns what Pingora needs to connect to it.
    pub(in crate::gateway) fn peer(&self) -> &HttpPeer {
        &self.peer
    }

    /// Returns what tells its connections from all others, in this process.
    pub(in crate::gateway) fn id(&self) -> u64 {
        self.id
    }

    pub(super) fn socket_address(&self) -> Option<SocketAddr> {
        self.peer._address.as_inet().copied()
    }

    /// Returns what is known of it at `now`, monotonic nanoseconds.
    pub(super) fn report(&self, now: u64) -> AddressReport {
        let returns_at = self.returns_at().map(|at| Duration::from_nanos(at.saturating_sub(now)));
        AddressReport {
            address: self.address.clone(),
            state: self.vitals.state(),
            in_flight: self.vitals.in_flight.load(Ordering::Relaxed),
            failures: self.vitals.failures.load(Ordering::Relaxed),
            tried_again_in: returns_at,
        }
    }

    fn is_fit(&self) -> bool {
        self.vitals.state() == ServerState::Up
    }

    /// Returns how strongly it draws a caller. Each draws its share of callers, and one that comes or goes
    /// moves only those it gets or had: the weighted rendezvous of Schindelhauer and Schomaker.
    #[allow(clippy::cast_precision_loss, reason = "53 bits are all that is asked for")]
    fn draws(&self, caller: u64) -> f64 {
        let uniform = ((mixed(caller ^ self.seed) >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        f64::from(self.weight) / -uniform.ln()
    }
}

impl Vitals {
    pub(super) fn state(&self) -> ServerState {
        if self.unhealthy.load(Ordering::Relaxed) != 0 {
            ServerState::Unhealthy
        } else if self.ejected_until.load(Ordering::Relaxed) != 0 {
            ServerState::Ejected
        } else {
            ServerState::Up
        }
    }

    /// Counts a failure. Says whether it is passed over from now on.
    pub(super) fn failed(&self, at_most: u32, until: u64) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1);
        // What happened between was a success: `failures` begins anew.
        failures >= at_most && self.ejected_until.swap(until, Ordering::Relaxed) == 0
    }

    /// Counts a success. Says whether it had been passed over.
    pub(super) fn succeeded(&self) -> bool {
        // Looked at first: a store at every request would make the cache line travel between workers.
        if self.failures.load(Ordering::Relaxed) == 0 {
            return false;
        }
        self.failures.store(0, Ordering::Relaxed);
        self.ejected_until.swap(0, Ordering::Relaxed) != 0
    }

    /// Counts an answer to a question after its health. Says whether it comes or goes by it.
    pub(super) fn checked(&self, is_well: bool, healthy: u32, unhealthy: u32) -> bool {
        let before = self.streak.load(Ordering::Relaxed);
        let streak = if is_well { before.max(0).saturating_add(1) } else { before.min(0).saturating_sub(1) };
        self.streak.store(streak, Ordering::Relaxed);
        let is_enough = streak.unsigned_abs() >= if is_well { healthy } else { unhealthy };
        is_enough && self.unhealthy.swap(u32::from(!is_well), Ordering::Relaxed) != u32::from(!is_well)
    }

    /// Forgets what nobody will tell any more.
    pub(super) fn keep_only(&self, is_asked: bool, is_ejected: bool) {
        if !is_asked {
            self.unhealthy.store(0, Ordering::Relaxed);
            self.streak.store(0, Ordering::Relaxed);
        }
        if !is_ejected {
            self.ejected_until.store(0, Ordering::Relaxed);
        }
    }
}

impl Pool {
    pub(super) fn new(all: Vec<Arc<Endpoint>>) -> Self {
        let everybody = 0..all.len();
        let mut usable: Vec<usize> = everybody.clone().filter(|i| all[*i].is_fit()).collect();
        let revisit_at = if usable.is_empty() {
            // An answer may still come from any of them; a refusal helps nobody.
            usable = everybody.collect();
            u64::MAX
        } else {
            all.iter().filter_map(|endpoint| endpoint.returns_at()).min().unwrap_or(u64::MAX)
        };
        let turns = turns(&usable, &all);
        Self { all, usable, turns, revisit_at }
    }

    /// Returns how many take no requests.
    pub(super) fn passed_over(&self) -> usize {
        self.all.iter().filter(|endpoint| !endpoint.is_fit()).count()
    }

    /// Returns every endpoint.
    pub(super) fn all(&self) -> &[Arc<Endpoint>] {
        &self.all
    }

    /// Says whether there is nothing to choose.
    pub(super) fn is_single(&self) -> bool {
        self.all.len() <= 1
    }

    pub(super) fn first(&self) -> Option<Arc<Endpoint>> {
        self.all.first().cloned()
    }

    pub(super) fn in_turn(&self, turn: usize) -> Option<Arc<Endpoint>> {
        let at = self.turns.get(turn.checked_rem(self.turns.len())?)?;
        Some(Arc::clone(&self.all[*at]))
    }

    /// Returns the one with the fewest requests in work for its weight; among equals, who comes first from
    /// `turn` on.
    pub(super) fn idlest(&self, turn: usize) -> Option<Arc<Endpoint>> {
        let load = |endpoint: &Endpoint| u64::from(endpoint.vitals.in_flight.load(Ordering::Relaxed)) + 1;
        let count = self.usable.len();
        let in_turn = (0..count).map(|i| &self.all[self.usable[turn.wrapping_add(i) % count]]);
        // a/v < b/w without a division.
        in_turn
            .reduce(|a, b| if load(b) * u64::from(a.weight) < load(a) * u64::from(b.weight) { b } else { a })
            .cloned()
    }

    /// Returns the one whose callers include this one.
    pub(super) fn home_of(&self, caller: u64) -> Option<Arc<Endpoint>> {
        let mut best: Option<(f64, usize)> = None;
        for at in &self.usable {
            let draws = self.all[*at].draws(caller);
            if best.is_none_or(|(most, _)| draws > most) {
                best = Some((draws, *at));
            }
        }
        best.map(|(_, at)| Arc::clone(&self.all[at]))
    }

    /// Returns another one than was tried, of those that take requests if there is one, of all else; the
    /// same one if there is no other.
    pub(super) fn another(&self, turn: usize, tried: &Endpoint) -> Option<Arc<Endpoint>> {
        let from = |places: &[usize]| {
            let count = places.len();
            (0..count)
                .map(|i| &self.all[places[turn.wrapping_add(i) % count]])
                .find(|endpoint| !std::ptr::eq(&raw const *endpoint.vitals, &raw const *tried.vitals))
                .cloned()
        };
        let everybody: Vec<usize> = (0..self.all.len()).collect();
        from(&self.usable).or_else(|| from(&everybody)).or_else(|| self.first())
    }

    /// Returns one that failed and whose time to be tried again has come, for this request alone: the next
    /// trial is `lasts` nanoseconds away.
    pub(super) fn returning(&self, now: u64, lasts: u64) -> Option<Arc<Endpoint>> {
        let is_due = |endpoint: &&Arc<Endpoint>| {
            let until = &endpoint.vitals.ejected_until;
            endpoint.returns_at().is_some_and(|at| {
                let next = now.saturating_add(lasts);
                at <= now && until.compare_exchange(at, next, Ordering::Relaxed, Ordering::Relaxed).is_ok()
            })
        };
        self.all.iter().find(is_due).cloned()
    }
}

impl Endpoint {
    /// Returns when it is to be tried again, if it only waits for that.
    fn returns_at(&self) -> Option<u64> {
        let is_waiting = self.vitals.state() == ServerState::Ejected;
        is_waiting.then(|| self.vitals.ejected_until.load(Ordering::Relaxed)).filter(|until| *until != 0)
    }
}

/// A server that was chosen for a request, until that is done.
pub(in crate::gateway) struct Chosen(Arc<Endpoint>);

impl Chosen {
    pub(super) fn new(endpoint: Arc<Endpoint>) -> Self {
        // Relaxed: it orders nothing. The line travels between workers anyway, with the count of references.
        endpoint.vitals.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(endpoint)
    }

    pub(in crate::gateway) fn endpoint(&self) -> Arc<Endpoint> {
        Arc::clone(&self.0)
    }
}

impl std::ops::Deref for Chosen {
    type Target = Endpoint;

    fn deref(&self) -> &Endpoint {
        &self.0
    }
}

impl Drop for Chosen {
    fn drop(&mut self) {
        self.0.vitals.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Lays out turns so that each comes as often as its weight says, and not all at once: the smooth weighted
/// round robin of nginx, worked out beforehand.
fn turns(usable: &[usize], all: &[Arc<Endpoint>]) -> Vec<usize> {
    let weight = |at: &usize| i64::from(all[*at].weight);
    let common = usable.iter().map(weight).fold(0, gcd).max(1);
    let total: i64 = usable.iter().map(|at| weight(at) / common).sum();
    let mut credit = vec![0; usable.len()];
    let mut turns = Vec::with_capacity(usize::try_from(total).unwrap_or_default());
    for _ in 0..total {
        for (credit, at) in credit.iter_mut().zip(usable) {
            *credit += weight(at) / common;
        }
        let Some(richest) = (0..usable.len()).rev().max_by_key(|i| credit[*i]) else { break };
        credit[richest] -= total;
        turns.push(usable[richest]);
    }
    turns
}

fn gcd(a: i64, b: i64) -> i64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// FNV-1a and a finisher. Not against people who choose what is hashed: those are our own identifiers and
/// the operator's addresses. The same in every process, so that an upgrade moves nobody.
pub(super) fn hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    mixed(bytes.iter().fold(0xcbf2_9ce4_8422_2325, step))
}

/// The finisher of `SplitMix64`: every bit of the argument tips every bit of the result.
fn mixed(mut x: u64) -> u64 {
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
