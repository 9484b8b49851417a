//! Failed authentications by source address, in memory of one size however many addresses come.
//!
//! A new address takes the way of its set ([`super::sources`]) whose count is the least filled and the oldest. So many who failed once drive out each other, not
//! one who goes on failing. Whose count was driven out begins anew: in a flood from more addresses than
//! the table has, counts err towards letting attempts be made.

use std::net::IpAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::FailedAuth;
use super::handover::{Counted, SourceTable};
use super::sources::{Place, Set, Sources, WAYS};
use crate::key::Rate;

/// How many failures are taken from one address, for the arithmetic of GCRA.
#[derive(Clone, Copy, Debug)]
pub(super) struct Budget {
    /// Nanoseconds for one failure to be forgotten.
    interval: u64,
    /// Nanoseconds of failures that fit.
    depth: u64,
}

impl Budget {
    /// `burst` is at least 1.
    pub(super) fn new(rate: Rate, burst: u64) -> Self {
        let nanos = u64::try_from(rate.per().as_nanos()).expect("a period is at most a day");
        let interval = nanos.div_ceil(rate.count());
        Self { interval, depth: interval.saturating_mul(burst) }
    }

    /// Returns how long until one more failure fits, by the time an address's count will be empty.
    fn wait(self, empty_at: u64, now: u64) -> Duration {
        let filled = empty_at.saturating_sub(now).min(self.depth);
        Duration::from_nanos((filled + self.interval).saturating_sub(self.depth))
    }
}

/// Failed attempts at a door beside the gateway, counted apart from its own by the same rule.
#[derive(Debug, Default)]
pub struct Attempts(Failures);

impl Attempts {
    /// Returns how long until one more failure of `address` fits; zero if it does at `mono` nanoseconds.
    pub fn wait(&self, address: IpAddr, rule: &FailedAuth, mono: u64) -> Duration {
        if rule.exempt.contain(address) {
            return Duration::ZERO;
        }
        self.0.wait(address, Budget::new(rule.rate, rule.burst), mono)
    }

    /// Counts a failure.
    pub fn failed(&self, address: IpAddr, rule: &FailedAuth, mono: u64) {
        if !rule.exempt.contain(address) {
            // Over its budget it is refused before it can fail again.
            let _ = self.0.charge(address, Budget::new(rule.rate, rule.burst), mono);
        }
    }

    /// Returns every count that is not empty at `mono`, for a process that is to go on with them.
    pub fn counted(&self, mono: u64) -> Vec<Counted> {
        let mut all = vec![Counted::Secrets { table: SourceTable::Attempts, secrets: self.0.secrets() }];
        self.0.each(mono, |tag, ahead| all.push(Counted::Attempt { tag, ahead }));
        // By what nobody is found need not be known.
        if all.len() == 1 { Vec::new() } else { all }
    }

    /// Goes on with what another process counted, before anybody is served.
    pub fn go_on(&self, counted: &[Counted], mono: u64) {
        let mut knows_secrets = false;
        for count in counted {
            match count {
                Counted::Secrets { table: SourceTable::Attempts, secrets } => {
                    knows_secrets = true;
                    self.0.take_secrets(*secrets);
                }
                Counted::Attempt { tag, ahead } if knows_secrets => {
                    self.0.go_on(*tag, mono.saturating_add(*ahead));
                }
                _ => {}
            }
        }
    }
}

/// The counts of all addresses: when each will be empty, in the nanoseconds of [`super::Now::mono`].
#[derive(Debug, Default)]
pub(super) struct Failures(Sources);

impl Failures {
    /// Makes the table, so that no request has to.
    pub(super) fn prepare(&self) {
        self.0.prepare();
    }

    /// Returns how long until one more failure of `address` fits; zero if it does now.
    pub(super) fn wait(&self, address: IpAddr, budget: Budget, now: u64) -> Duration {
        let Place { set, tag, .. } = self.0.place(Some(address));
        let Some(way) = set.way_of(tag) else { return Duration::ZERO };
        let empty_at = set.kept[way].load(Ordering::Acquire);
        // Another address may have taken the way between the two.
        let is_still = set.tags[way].load(Ordering::Relaxed) == tag;
        if is_still { budget.wait(empty_at, now) } else { Duration::ZERO }
    }

    /// Counts a failure of `address`, if it fits: of attempts made at the same moment, too, no more
    /// fail than the budget has.
    ///
    /// # Errors
    /// How long until one more fits.
    pub(super) fn charge(&self, address: IpAddr, budget: Budget, now: u64) -> Result<(), Duration> {
        let Place { set, tag, .. } = self.0.place(Some(address));
        set.lock();
        let charged = charge(set, tag, budget, now);
        set.unlock();
        charged
    }

    /// Returns what addresses are found by.
    pub(super) fn secrets(&self) -> [u64; 4] {
        self.0.secrets()
    }

    /// Finds addresses as another process did: see [`Sources::take_secrets`].
    pub(super) fn take_secrets(&self, secrets: [u64; 4]) {
        self.0.take_secrets(secrets);
    }

    /// Visits every count that is not empty at `now`: whose, and in how many nanoseconds it will be.
    pub(super) fn each(&self, now: u64, mut visit: impl FnMut(u64, u64)) {
        self.0.each(|Place { set, tag, .. }, way| {
            if let Some(ahead) = set.kept[way].load(Ordering::Relaxed).checked_sub(now).filter(|a| *a > 0) {
                visit(tag, ahead);
            }
        });
    }

    /// Goes on with the count of a tag, which will be empty at `empty_at`.
    pub(super) fn go_on(&self, tag: u64, empty_at: u64) {
        let Place { set, tag, .. } = self.0.place_of(tag.max(1));
        set.lock();
        let way = set.way_of(tag).unwrap_or_else(|| least_filled(set));
        set.tags[way].store(0, Ordering::Release);
        set.kept[way].store(empty_at, Ordering::Release);
        set.tags[way].store(tag, Ordering::Release);
        set.unlock();
    }

    /// Asks for the memory of an address's count, without reading it.
    pub(super) fn approach(&self, address: IpAddr) {
        self.0.approach(address);
    }
}

/// The caller holds the lock of the set.
fn charge(set: &Set, tag: u64, budget: Budget, now: u64) -> Result<(), Duration> {
    let known = set.way_of(tag);
    let filled_to = known.map_or(now, |way| empty_at(set, way).clamp(now, now.saturating_add(budget.depth)));
    let wait = budget.wait(filled_to, now);
    if !wait.is_zero() {
        return Err(wait);
    }
    let way = known.unwrap_or_else(|| {
        let way = least_filled(set);
        // Readers find nobody until the count is the newcomer's.
        set.tags[way].store(0, Ordering::Release);
        way
    });
    set.kept[way].store(filled_to.saturating_add(budget.interval), Ordering::Release);
    set.tags[way].store(tag, Ordering::Release);
    Ok(())
}

fn least_filled(set: &Set) -> usize {
    (0..WAYS).min_by_key(|way| empty_at(set, *way)).expect("a set has ways")
}

fn empty_at(set: &Set, way: usize) -> u64 {
    set.kept[way].load(Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;
    use std::sync::Barrier;
    use std::sync::atomic::AtomicU64;

    use super::*;
    use crate::key::Networks;

    const SECOND: u64 = 1_000_000_000;

    fn budget(rate: &str, burst: u64) -> Budget {
        Budget::new(rate.parse().unwrap(), burst)
    }

    fn v4(number: u32) -> IpAddr {
        Ipv4Addr::from(number).into()
    }

    #[test]
    fn failures_are_forgotten_at_the_rate_and_a_refused_one_costs_nothing() {
        let failures = Failures::default();
        let (budget, address) = (budget("60/min", 3), v4(1));
        let charge = |now| failures.charge(address, budget, now);
        for _ in 0..3 {
            assert_eq!(failures.wait(address, budget, 5 * SECOND), Duration::ZERO);
            assert_eq!(charge(5 * SECOND), Ok(()));
        }
        for _ in 0..100 {
            assert_eq!(failures.wait(address, budget, 5 * SECOND), Duration::from_secs(1));
            assert_eq!(charge(5 * SECOND), Err(Duration::from_secs(1)));
        }
        assert_eq!(charge(6 * SECOND - 1), Err(Duration::from_nanos(1)));
        assert_eq!((charge(6 * SECOND), charge(6 * SECOND)), (Ok(()), Err(Duration::from_secs(1))));
        assert_eq!(failures.wait(v4(2), budget, 6 * SECOND), Duration::ZERO, "others are not counted");
        let after = 100 * SECOND;
        assert_eq!([charge(after), charge(after), charge(after)], [Ok(()); 3]);
    }

    #[test]
    fn a_count_made_under_another_budget_waits_no_longer_than_the_new_one_says() {
        let failures = Failures::default();
        let (slow, quick) = (budget("1/d", 60), budget("60/min", 60));
        while failures.charge(v4(1), slow, 0).is_ok() {}
        assert_eq!(failures.wait(v4(1), quick, 0), Duration::from_secs(1));
        assert_eq!(failures.charge(v4(1), quick, 0), Err(Duration::from_secs(1)));
    }

    #[test]
    fn attempts_go_on_in_another_process_as_far_as_they_were_counted() {
        let rule = FailedAuth { rate: "60/min".parse().unwrap(), burst: 2, exempt: Networks::default() };
        let (before, after) = (Attempts::default(), Attempts::default());
        assert_eq!(before.counted(0), [], "nothing that nobody needs");
        for _ in 0..2 {
            before.failed(v4(1), &rule, 10 * SECOND);
        }
        before.failed(v4(2), &rule, 10 * SECOND);
        after.go_on(&before.counted(10 * SECOND), 70 * SECOND);
        let wait = |address, at| after.wait(v4(address), &rule, at);
        assert_eq!([wait(1, 70 * SECOND), wait(2, 70 * SECOND)], [Duration::from_secs(1), Duration::ZERO]);
        after.failed(v4(2), &rule, 70 * SECOND);
        assert_eq!([wait(2, 70 * SECOND), wait(3, 70 * SECOND)], [Duration::from_secs(1), Duration::ZERO]);
        assert_eq!(wait(1, 71 * SECOND), Duration::ZERO, "and are forgotten at the rate");
        assert_eq!(before.counted(100 * SECOND), []);
    }

    #[test]
    fn of_failures_at_the_same_moment_exactly_the_burst_is_taken() {
        const BURST: u64 = 400_000;
        let failures = Failures::default();
        let budget = budget("1/h", BURST);
        let (taken, together) = (AtomicU64::new(0), Barrier::new(8));
        failures.prepare();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    for _ in 0..BURST / 4 {
                        let is_taken = failures.charge(v4(7), budget, 1).is_ok();
                        taken.fetch_add(u64::from(is_taken), Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(taken.into_inner(), BURST);
    }

    /// A million addresses, ten million under `KGATE_SOAK`, each failing once, and one that goes on.
    #[test]
    fn many_addresses_take_no_more_memory_and_hide_nobody() {
        let addresses = if std::env::var_os("KGATE_SOAK").is_some() { 10_000_000 } else { 1_000_000 };
        let failures = Failures::default();
        let (budget, offender) = (budget("60/min", 60), v4(u32::MAX));
        failures.prepare();
        let place = failures.0.sets().as_ptr();
        let mut now = 0;
        let mut taken = 0;
        for number in 0..addresses {
            now += 1_000;
            assert_eq!(failures.charge(v4(number), budget, now), Ok(()), "who never failed may");
            if number % 100 == 0 {
                taken += u64::from(failures.charge(offender, budget, now).is_ok());
            }
        }
        assert_eq!(failures.0.sets().as_ptr(), place);
        let fits = 60 + now / SECOND;
        assert!(taken <= fits, "{taken} failures of one address, {fits} fit");
        assert!(!failures.wait(offender, budget, now).is_zero());
    }
}
