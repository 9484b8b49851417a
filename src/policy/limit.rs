//! Counts against limits, which outlive indexes and rules: who is charged what, all or none.
//!
//! One rate is charged by compare-and-swap. Several limits are locked one by one through the lock bits
//! of their cells, in one order for everybody, then weighed, then all charged or all left: optimistic
//! charging with roll-back would refuse requests that should pass.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use super::Now;
use super::addresses::{Addresses, Entered};
use super::cells::{LOCKED, NOBODY, Row, Space, Wait, lock};
use super::failures::Failures;
use super::meter::{
    Fate, Load, MAX_TIME, Meter, MeterKind, QuotaCell, Rows, Standing, TARIFF_MASK, TICK_NANOS, TIME_SHIFT,
    Weighed,
};
use super::rules::{LimitRef, LimitSpec, LimitSubject, Rules};
use crate::key::Limit;

/// The counts of every key, consumer and route, in memory.
#[derive(Debug, Default)]
pub struct Limiter {
    keys: Space,
    consumers: Space,
    routes: Space,
    by_address: Space,
    addresses: Addresses,
    /// The rows of routes by name: they are never given back, being as few as were ever configured.
    route_rows: Mutex<HashMap<String, Row>>,
    tariffs: Tariffs,
    failures: Failures,
}

/// The intervals of the tariffs, in ticks. Tariff 0 is none.
#[derive(Debug, Default)]
pub(super) struct Tariffs(Mutex<Vec<u64>>);

/// The limits that apply together to a request, in the order in which their cells are locked.
#[derive(Debug, Default)]
pub(super) struct Meters {
    pub(super) all: Box<[Meter]>,
    /// Those that clients are told of, in the order of their plans.
    pub(super) shown: Box<[LimitRef]>,
    has_concurrent: bool,
    has_address: bool,
}

/// What charging a request came to.
pub(super) enum Outcome {
    /// What more there is to say is where the caller wanted it.
    Passed,
    /// A limit refuses: of several, the one that takes longest.
    Refused(Standing),
    /// Nothing refuses, and what was granted of a quota does not suffice: of the first such quota, as if it did.
    Lacks(Standing),
}

/// A request that was charged.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Passed {
    /// The most restrictive limit, after the charge.
    pub(super) standing: Option<Standing>,
    /// The limit in shadow mode that would have refused.
    pub(super) shadowed: Option<LimitRef>,
    /// Whether more of a quota should be asked for, ahead of need.
    pub(super) asks: bool,
}

/// A request's place among those in work. Dropping it gives the place back, whatever happened.
pub(super) struct Held {
    meters: Arc<Meters>,
    rows: Rows,
}

impl Limiter {
    /// Makes a limiter that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out a row with nothing counted.
    pub(super) fn take_row(&self, subject: LimitSubject) -> Row {
        self.space(subject).take_row()
    }

    /// Takes back the row of a key or consumer that is gone.
    pub(super) fn give_back(&self, subject: LimitSubject, row: Row) {
        self.space(subject).give_back(row);
    }

    /// Returns the row of a route, the same for the same name.
    pub(super) fn route_row(&self, name: &str) -> Row {
        let mut rows = lock(&self.route_rows);
        if let Some(row) = rows.get(name) {
            return *row;
        }
        let row = self.routes.take_row();
        rows.insert(name.to_owned(), row);
        row
    }

    /// Finds or makes the cells of every plan's limits, in the plans' order. Counts of limits that
    /// `rules` no longer has are dropped with their whole table.
    pub(super) fn meters(&self, rules: &Rules) -> Vec<Box<[Meter]>> {
        let plans = rules.plans();
        if rules.failed_auth().is_some() {
            self.failures.prepare();
        }
        if plans.iter().flat_map(|plan| &plan.limits).any(|limit| limit.per == LimitSubject::Address) {
            self.addresses.prepare();
        }
        for subject in LimitSubject::ALL {
            let of = move |limit: &&LimitSpec| limit.per == subject;
            self.space(subject).prepare(plans.iter().map(|plan| plan.limits.iter().filter(of)));
        }
        let meter = |plan, (limit, spec)| self.meter(LimitRef::new(plan, limit), spec);
        let meters = plans.iter().enumerate();
        meters.map(|(i, plan)| plan.limits.iter().enumerate().map(|l| meter(i, l)).collect()).collect()
    }

    /// Returns the counts of failed authentications.
    pub(super) fn failures(&self) -> &Failures {
        &self.failures
    }

    /// Returns the addresses that limits count.
    pub(super) fn addresses(&self) -> &Addresses {
        &self.addresses
    }

    fn meter(&self, limit: LimitRef, spec: &LimitSpec) -> Meter {
        let (number, table, at) = self.space(spec.per).place(spec);
        let kind = match spec.limit {
            Limit::Rate { rate, burst } => {
                let nanos = u64::try_from(rate.per().as_nanos()).expect("a period is at most a day");
                let interval = nanos.div_ceil(rate.count() * TICK_NANOS);
                let depth = interval.saturating_mul(burst).min(MAX_TIME);
                MeterKind::Rate { interval, depth, tariff: self.tariffs.number(interval) }
            }
            Limit::Quota(quota) => MeterKind::Quota(quota),
            Limit::Concurrent(most) => MeterKind::Concurrent(most),
        };
        let order = (spec.per, number, at);
        Meter { limit, subject: spec.per, is_shadow: spec.shadow, kind, table, at, order }
    }

    fn space(&self, subject: LimitSubject) -> &Space {
        match subject {
            LimitSubject::Key => &self.keys,
            LimitSubject::Consumer => &self.consumers,
            LimitSubject::Route => &self.routes,
            LimitSubject::Address => &self.by_address,
        }
    }

    /// Charges one request to every limit, or to none. If it passes, says more in `passed`. `client` is who
    /// is counted by address.
    #[inline]
    pub(super) fn charge(
        &self,
        meters: &Meters,
        rows: Rows,
        client: Option<IpAddr>,
        now: Now,
        cost: u64,
        passed: &mut Passed,
    ) -> Outcome {
        let load = Load::new(now, cost);
        let entered = meters.has_address.then(|| self.enter(client, now));
        let rows = entered.as_ref().map_or(rows, |entered| Rows { address: entered.row(), ..rows });
        match &*meters.all {
            [] => Outcome::Passed,
            [only] if only.is_rate() => self.charge_rate(only, rows, load, passed),
            [first, second] if first.is_rate() && second.is_rate() => {
                let pair = meters.all[..].try_into().expect("there are two");
                self.charge_pair(pair, rows, load, passed)
            }
            several => self.charge_all(several, rows, load, passed),
        }
    }

    /// Reads a key's first cell and nothing else: memory takes longer than all the rest of a
    /// decision, so it is asked early, and for refused keys just the same.
    pub(super) fn touch(meters: &Meters, rows: Rows) -> u64 {
        meters.all.first().map_or(0, |meter| meter.peek(rows).first)
    }

    /// Finds or makes the row of an address. Always taken before the cells of any row, so that nobody
    /// waits for it with a cell locked.
    fn enter(&self, client: Option<IpAddr>, now: Now) -> Entered<'_> {
        self.addresses.enter(client, now.mono, |row| self.by_address.forget(row))
    }

    /// Says what [`Limiter::charge`] would, and charges nothing.
    pub(super) fn peek(
        &self,
        meters: &[Meter],
        rows: Rows,
        client: Option<IpAddr>,
        now: Now,
        cost: u64,
        passed: &mut Passed,
    ) -> Outcome {
        let load = Load::new(now, cost);
        let by_address = meters.iter().any(|meter| meter.subject == LimitSubject::Address);
        let known = by_address.then(|| self.addresses.row(client)).flatten();
        let rows = Rows { address: known.unwrap_or(NOBODY), ..rows };
        let mut verdict = Verdict::default();
        for meter in meters {
            verdict.add(meter, &meter.weigh(meter.peek(rows), load, &self.tariffs));
        }
        verdict.outcome(passed)
    }

    fn charge_rate(&self, meter: &Meter, rows: Rows, load: Load, passed: &mut Passed) -> Outcome {
        let cell = &meter.cell(rows)[0];
        let mut word = cell.load(Ordering::Relaxed);
        let mut wait = Wait::default();
        loop {
            if word & LOCKED != 0 {
                wait.a_little();
                word = cell.load(Ordering::Relaxed);
                continue;
            }
            let words = super::meter::Words { first: word, second: 0 };
            let weighed = meter.weigh(words, load, &self.tariffs);
            let mut verdict = Verdict::default();
            verdict.add(meter, &weighed);
            if weighed.fate != Fate::Fits {
                return verdict.outcome(passed);
            }
            // Relaxed: the word is all there is; nothing else is published by it.
            match cell.compare_exchange_weak(word, weighed.after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return verdict.outcome(passed),
                Err(current) => word = current,
            }
        }
    }

    /// Charges two rates, the usual number. Both are weighed before anything is locked; then the first is
    /// locked if it is still what was weighed, and the second charged if it is: between the two nobody else
    /// is charged.
    #[inline]
    fn charge_pair(&self, all: &[Meter; 2], rows: Rows, load: Load, passed: &mut Passed) -> Outcome {
        let meters = [&all[0], &all[1]];
        let [first, second] = Meter::pair(meters, rows);
        let mut wait = Wait::default();
        loop {
            let words = [first.load(Ordering::Relaxed), second.load(Ordering::Relaxed)];
            if (words[0] | words[1]) & LOCKED != 0 {
                wait.a_little();
                continue;
            }
            let weigh = |meter: &Meter, first| {
                meter.weigh(super::meter::Words { first, second: 0 }, load, &self.tariffs)
            };
            let weighed = [weigh(meters[0], words[0]), weigh(meters[1], words[1])];
            let fits = weighed.map(|weighed| weighed.fate == Fate::Fits);
            if fits != [true; 2] || meters[0].is_shadow || meters[1].is_shadow {
                // Not what is usual, so there is time to do it as with any number of limits.
                return self.charge_all(all, rows, load, passed);
            }
            let after = [weighed[0].after, weighed[1].after];
            // Acquire and release as for every lock; nothing in between can panic.
            let (acquire, relaxed) = (Ordering::Acquire, Ordering::Relaxed);
            if first.compare_exchange(words[0], words[0] | LOCKED, acquire, relaxed).is_err() {
                continue;
            }
            let is_charged = second.compare_exchange(words[1], after[1], relaxed, relaxed).is_ok();
            first.store(if is_charged { after[0] } else { words[0] }, Ordering::Release);
            if is_charged {
                let tighter = usize::from(weighed[1].remaining < weighed[0].remaining);
                passed.standing = Some(weighed[tighter].standing(meters[tighter]));
                return Outcome::Passed;
            }
        }
    }

    fn charge_all(&self, meters: &[Meter], rows: Rows, load: Load, passed: &mut Passed) -> Outcome {
        let mut verdict = Verdict::default();
        // Nothing between the first lock and the last unlock can panic: a lock left set would hold
        // every later request of this key for ever.
        for meter in meters {
            verdict.add(meter, &meter.weigh(meter.lock(rows), load, &self.tariffs));
        }
        let is_charged = verdict.passes();
        for meter in meters {
            let words = meter.reread(rows);
            // Weighed again rather than remembered: that is quicker than to write it down.
            let weighed = meter.weigh(words, load, &self.tariffs);
            let is_counted = is_charged && (weighed.fate == Fate::Fits || meter.is_counted_anyway());
            meter.unlock(rows, if is_counted { weighed.after } else { words.first });
        }
        verdict.outcome(passed)
    }

    /// Adds what was granted to a quota's cell. `granted` is all that the file says was granted in the
    /// window, `added` what of it is new and for this process; more is to be asked for at `low`.
    pub(super) fn deposit(meter: &Meter, row: Row, window: u32, granted: u64, added: u64, low: u32) {
        let rows = Rows::all(row);
        let cell = QuotaCell::from_words(meter.lock(rows)).in_window(window);
        let left = (cell.left + added).min(granted);
        let cell = QuotaCell { window, granted, left, low, is_asked: false };
        let words = cell.words();
        meter.cell(rows)[1].store(words.second, Ordering::Relaxed);
        meter.unlock(rows, words.first);
    }

    /// Lets more be asked for again after it could not be had.
    pub(super) fn ask_again(meter: &Meter, row: Row) {
        let rows = Rows::all(row);
        let words = meter.lock(rows);
        let cell = QuotaCell { is_asked: false, ..QuotaCell::from_words(words) };
        meter.unlock(rows, cell.words().first);
    }

    /// Returns how far a rate's count is ahead of the time, and the interval between requests it was
    /// reached with, both in ticks; `None` if nothing is counted.
    pub(super) fn ahead(&self, meter: &Meter, row: Row, ticks: u64) -> Option<(u64, u64)> {
        let MeterKind::Rate { interval, .. } = meter.kind else { return None };
        let word = meter.table.existing(row, meter.at)?[0].load(Ordering::Relaxed) & !LOCKED;
        let ahead = (word >> TIME_SHIFT).checked_sub(ticks).filter(|ahead| *ahead > 0)?;
        let index = usize::try_from((word >> 1) & TARIFF_MASK).ok()?.checked_sub(1);
        let reached_with = index.and_then(|index| lock(&self.tariffs.0).get(index).copied());
        Some((ahead, reached_with.unwrap_or(interval)))
    }

    /// Has a rate's count go on from where another process left it, unless it is further already.
    pub(super) fn go_on(&self, meter: &Meter, row: Row, ticks: u64, (ahead, interval): (u64, u64)) {
        let rows = Rows::all(row);
        let word =
            (ticks.saturating_add(ahead).min(MAX_TIME) << TIME_SHIFT) | (self.tariffs.number(interval) << 1);
        let before = meter.lock(rows).first;
        meter.unlock(rows, before.max(word));
    }

    /// Takes what is left of a grant out of a cell, for good.
    pub(super) fn withdraw(meter: &Meter, row: Row) -> QuotaCell {
        let rows = Rows::all(row);
        let cell = QuotaCell::from_words(meter.lock(rows));
        meter.unlock(rows, QuotaCell { left: 0, ..cell }.words().first);
        cell
    }
}

impl Meters {
    /// Puts the limits of several plans together, the most specific plan first: of limits with one name
    /// its own counts.
    pub(super) fn of(plans: &[&[Meter]], rules: &Rules) -> Self {
        let mut all: Vec<Meter> = Vec::new();
        for meter in plans.iter().copied().flatten() {
            let name = &rules.limit(meter.limit).name;
            if !all.iter().any(|other| rules.limit(other.limit).name == *name) {
                all.push(meter.clone());
            }
        }
        let shown = all.iter().filter(|meter| !meter.is_shadow).map(|meter| meter.limit).collect();
        // One order for all: two requests that share cells lock what they share in the same order.
        all.sort_by_key(|meter| meter.order);
        let has_concurrent = all.iter().any(|meter| matches!(meter.kind, MeterKind::Concurrent(_)));
        let has_address = all.iter().any(|meter| meter.subject == LimitSubject::Address);
        Self { all: all.into(), shown, has_concurrent, has_address }
    }

    /// Returns the place of a request that was charged, if there are limits on requests in work.
    pub(super) fn hold(self: &Arc<Self>, rows: Rows) -> Option<Held> {
        self.has_concurrent.then(|| Held { meters: Arc::clone(self), rows })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for meter in self.meters.all.iter().filter(|m| matches!(m.kind, MeterKind::Concurrent(_))) {
            meter.release(self.rows, 1);
        }
    }
}

impl fmt::Debug for Held {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Held")
    }
}

impl Tariffs {
    /// Returns the number of an interval. When they run out, counts are taken over as times.
    fn number(&self, interval: u64) -> u64 {
        let mut tariffs = lock(&self.0);
        let index = tariffs.iter().position(|t| *t == interval).unwrap_or_else(|| {
            if tariffs.len() < MAX_TARIFFS {
                tariffs.push(interval);
                tariffs.len() - 1
            } else {
                usize::MAX
            }
        });
        u64::try_from(index.wrapping_add(1)).expect("a tariff is a small number")
    }

    /// Returns when a rate's cell will be empty, in ticks, not before now, under the interval given.
    pub(super) fn time(&self, word: u64, now: u64, interval: u64, tariff: u64) -> u64 {
        let time = word >> TIME_SHIFT;
        let before = (word >> 1) & TARIFF_MASK;
        if time <= now || before == tariff || before == 0 || tariff == 0 {
            return time.max(now);
        }
        self.converted(time, before, now, interval)
    }

    /// Converts a time reached under another interval: what counts is how many requests it stands for.
    #[cold]
    fn converted(&self, time: u64, tariff: u64, now: u64, to: u64) -> u64 {
        let index = usize::try_from(tariff - 1).expect("a tariff is a small number");
        let Some(interval) = lock(&self.0).get(index).copied() else { return time };
        let ahead = u128::from(time - now) * u128::from(to);
        let ahead = u64::try_from(ahead.div_ceil(u128::from(interval))).unwrap_or(MAX_TIME);
        now.saturating_add(ahead)
    }
}

/// What the limits weighed so far come to.
#[derive(Default)]
struct Verdict {
    passed: Passed,
    refused: Option<Standing>,
    lacks: Option<Standing>,
}

impl Verdict {
    fn add(&mut self, meter: &Meter, weighed: &Weighed) {
        if meter.is_shadow {
            match weighed.fate {
                Fate::Fits => self.passed.asks |= weighed.asks,
                Fate::Refused => self.passed.shadowed = self.passed.shadowed.or(Some(meter.limit)),
                Fate::Lacks => self.passed.asks = true,
            }
            return;
        }
        match weighed.fate {
            Fate::Fits => {
                self.passed.asks |= weighed.asks;
                let is_tighter = self.passed.standing.is_none_or(|s| weighed.remaining < s.remaining);
                // How many more may be in work is no budget to pace oneself by.
                if is_tighter && !matches!(meter.kind, MeterKind::Concurrent(_)) {
                    self.passed.standing = Some(weighed.standing(meter));
                }
            }
            Fate::Refused => {
                let standing = weighed.standing(meter);
                if self.refused.is_none_or(|s| s.retry_after() < standing.retry_after()) {
                    self.refused = Some(standing);
                }
            }
            Fate::Lacks => self.lacks = self.lacks.or_else(|| Some(weighed.standing(meter))),
        }
    }

    fn passes(&self) -> bool {
        self.refused.is_none() && self.lacks.is_none()
    }

    fn outcome(self, passed: &mut Passed) -> Outcome {
        match (self.refused, self.lacks) {
            (Some(standing), _) => Outcome::Refused(standing),
            (None, Some(standing)) => Outcome::Lacks(standing),
            (None, None) => {
                *passed = self.passed;
                Outcome::Passed
            }
        }
    }
}

const MAX_TARIFFS: usize = (1 << 9) - 1;

#[cfg(test)]
mod tests;
