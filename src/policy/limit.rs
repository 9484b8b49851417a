//! Counts against limits: GCRA cells that outlive indexes and rules.
//!
//! A cell is one word: the theoretical arrival time (TAT) of the generic cell rate algorithm (ITU-T
//! I.371), the rate it was counted under, and a lock bit.
//!
//! ```text
//! 63                                     10 9          1 0
//! [ TAT, in ticks of 16 ns: 54 bits = 9 years | tariff | lock ]
//! ```
//!
//! - Time is monotonic and begins with the process, so jumps of the wall clock do nothing.
//! - The *tariff* names the interval between requests that the TAT was reached with. A cell read
//!   under another interval is converted, so a raised limit helps at once and keeps its count.
//! - One limit is charged by compare-and-swap. Several are locked one by one through their own lock
//!   bits, in one order for everybody, then weighed, then all charged or all left: optimistic
//!   charging with roll-back would refuse requests that should pass.
//!
//! Cells lie in rows: a row belongs to a key or a consumer, a column to a limit's name. Rows are
//! handed out when a key is loaded and come back when it goes; their memory is first touched when
//! the key is first used.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use super::rules::{LimitSpec, LimitSubject, Rules};

/// The counts of every key and consumer, in memory.
#[derive(Debug, Default)]
pub struct Limiter {
    keys: Space,
    consumers: Space,
    /// The intervals of the tariffs, in ticks. Tariff 0 is none.
    tariffs: Mutex<Vec<u64>>,
}

/// The row of a key or consumer; fewer than 2^28.
pub(super) type Row = u32;

/// The rows of one kind of subject.
#[derive(Debug, Default)]
struct Space {
    rows: Mutex<Rows>,
    tables: Mutex<Vec<Arc<Table>>>,
}

#[derive(Debug, Default)]
struct Rows {
    next: Row,
    free: VecDeque<Row>,
}

/// The cells of some limits, for every row. Limits first seen together share a table, so that a
/// plan's cells for one key lie side by side.
#[derive(Debug)]
struct Table {
    names: Box<[String]>,
    blocks: Box<[OnceLock<Box<[Block]>>]>,
}

type Block = OnceLock<Box<[AtomicU64]>>;

/// A limit of a plan, with all it takes to charge it.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    /// The limit's index in its plan.
    pub(super) limit: usize,
    subject: LimitSubject,
    table: Arc<Table>,
    column: usize,
    /// Ticks between two requests at the full rate, rounded up: never more than the rate.
    interval: u64,
    /// Ticks the TAT may run ahead of the time: `burst * interval`.
    depth: u64,
    tariff: u64,
}

/// How a limit stands, in numbers. The most restrictive of several is the one reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) limit: usize,
    pub(super) remaining: u64,
    /// In ticks, like the next.
    reset: u64,
    /// Zero while any remain.
    retry_after: u64,
}

impl Standing {
    /// Returns how long until the limit is whole again.
    pub(super) fn reset(&self) -> Duration {
        Duration::from_nanos(self.reset.saturating_mul(TICK_NANOS))
    }

    /// Returns how long until one more passes; zero while any remain.
    pub(super) fn retry_after(&self) -> Duration {
        Duration::from_nanos(self.retry_after.saturating_mul(TICK_NANOS))
    }
}

impl Limiter {
    /// Makes a limiter that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Hands out a row with nothing counted.
    pub(super) fn take_row(&self, subject: LimitSubject) -> Row {
        let space = self.space(subject);
        let row = {
            let mut rows = lock(&space.rows);
            // A request that began under an older index may still charge a row given back a moment
            // ago, so rows rest until many others were given back after them.
            if rows.free.len() > RESTING {
                rows.free.pop_front().expect("just counted")
            } else {
                let row = rows.next;
                assert!(row < MAX_ROWS, "more than {MAX_ROWS} keys in memory");
                rows.next += 1;
                return row;
            }
        };
        for table in lock(&space.tables).iter() {
            table.clear(row);
        }
        row
    }

    /// Takes back the row of a key or consumer that is gone.
    pub(super) fn give_back(&self, subject: LimitSubject, row: Row) {
        lock(&self.space(subject).rows).free.push_back(row);
    }

    /// Finds or makes the cells of every plan's limits, in the plans' order. Within a plan the
    /// meters are in the order in which cells are locked. Counts of names that `rules` no longer has
    /// are dropped with their whole table.
    pub(super) fn meters(&self, rules: &Rules) -> Vec<Box<[Meter]>> {
        for subject in [LimitSubject::Key, LimitSubject::Consumer] {
            self.prepare(subject, rules);
        }
        rules
            .spec()
            .plans
            .iter()
            .map(|plan| {
                let mut meters: Vec<(usize, Meter)> =
                    plan.limits.iter().enumerate().map(|(i, limit)| self.meter(i, limit)).collect();
                // One order for all: subject, table, column. Two requests that share cells share the
                // row too, so they lock what they share in the same order.
                meters.sort_by_key(|(table, m)| (m.subject == LimitSubject::Consumer, *table, m.column));
                meters.into_iter().map(|(_, meter)| meter).collect()
            })
            .collect()
    }

    fn prepare(&self, subject: LimitSubject, rules: &Rules) {
        let limits = || rules.spec().plans.iter().flat_map(|p| &p.limits).filter(|l| l.per == subject);
        let mut tables = lock(&self.space(subject).tables);
        tables.retain(|table| limits().any(|limit| table.names.contains(&limit.name)));
        for plan in &rules.spec().plans {
            let is_new = |limit: &&LimitSpec| {
                limit.per == subject && !tables.iter().any(|table| table.names.contains(&limit.name))
            };
            let names: Box<[String]> = plan.limits.iter().filter(is_new).map(|l| l.name.clone()).collect();
            if !names.is_empty() {
                tables.push(Arc::new(Table::new(names)));
            }
        }
    }

    fn meter(&self, index: usize, limit: &LimitSpec) -> (usize, Meter) {
        let tables = lock(&self.space(limit.per).tables);
        let (number, column) = tables
            .iter()
            .enumerate()
            .find_map(|(i, t)| Some((i, t.names.iter().position(|name| *name == limit.name)?)))
            .expect("every limit was given a column before");
        let nanos = u64::try_from(limit.rate.per().as_nanos()).expect("a period is at most a day");
        let interval = nanos.div_ceil(limit.rate.count() * TICK_NANOS);
        let meter = Meter {
            limit: index,
            subject: limit.per,
            table: Arc::clone(&tables[number]),
            column,
            interval,
            depth: interval.saturating_mul(limit.burst).min(MAX_TIME),
            tariff: self.tariff(interval),
        };
        (number, meter)
    }

    /// Returns the number of an interval. When they run out, counts are taken over as times.
    fn tariff(&self, interval: u64) -> u64 {
        let mut tariffs = lock(&self.tariffs);
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

    fn space(&self, subject: LimitSubject) -> &Space {
        match subject {
            LimitSubject::Key => &self.keys,
            LimitSubject::Consumer => &self.consumers,
        }
    }

    /// Charges one request to every meter, or to none.
    ///
    /// Returns the most restrictive standing: after the charge, or of the refusing limit that takes
    /// longest.
    pub(super) fn charge(
        &self,
        meters: &[Meter],
        key: Row,
        consumer: Row,
        mono: u64,
    ) -> Result<Option<Standing>, Standing> {
        let now = (mono / TICK_NANOS).min(MAX_TIME);
        match meters {
            [] => Ok(None),
            [only] => self.charge_one(only, key, consumer, now).map(Some),
            several => self.charge_all(several, key, consumer, now).map(Some),
        }
    }

    /// Reads a key's first cell and nothing else: memory takes longer than all the rest of a
    /// decision, so it is asked early, and for refused keys just the same.
    pub(super) fn touch(meters: &[Meter], key: Row, consumer: Row) -> u64 {
        meters.first().map_or(0, |meter| meter.peek(key, consumer))
    }

    /// Says what [`Limiter::charge`] would, and charges nothing.
    pub(super) fn peek(
        &self,
        meters: &[Meter],
        key: Row,
        consumer: Row,
        mono: u64,
    ) -> Result<Option<Standing>, Standing> {
        let now = (mono / TICK_NANOS).min(MAX_TIME);
        let mut verdict = Verdict::default();
        for meter in meters {
            let word = meter.peek(key, consumer);
            verdict.weigh(meter, self.time(meter, word, now), now);
        }
        verdict.result()
    }

    fn charge_one(&self, meter: &Meter, key: Row, consumer: Row, now: u64) -> Result<Standing, Standing> {
        let cell = meter.cell(key, consumer);
        let mut word = cell.load(Ordering::Relaxed);
        let mut wait = Wait::default();
        loop {
            if word & LOCKED != 0 {
                wait.a_little();
                word = cell.load(Ordering::Relaxed);
                continue;
            }
            let mut verdict = Verdict::default();
            let after = verdict.weigh(meter, self.time(meter, word, now), now);
            if let Some(refused) = verdict.refused {
                return Err(refused);
            }
            // Relaxed: the word is all there is; nothing else is published by it.
            match cell.compare_exchange_weak(word, meter.word(after), Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(verdict.tightest.expect("one limit was weighed")),
                Err(current) => word = current,
            }
        }
    }

    fn charge_all(&self, meters: &[Meter], key: Row, consumer: Row, now: u64) -> Result<Standing, Standing> {
        let mut before = [0; Rules::MAX_LIMITS];
        let mut after = [0; Rules::MAX_LIMITS];
        let mut verdict = Verdict::default();
        // Nothing between the first lock and the last unlock can panic: a lock left set would hold
        // every later request of this key for ever.
        for (i, meter) in meters.iter().enumerate() {
            before[i] = lock_cell(meter.cell(key, consumer));
            after[i] = verdict.weigh(meter, self.time(meter, before[i], now), now);
        }
        for (i, meter) in meters.iter().enumerate() {
            let word = if verdict.refused.is_some() { before[i] } else { meter.word(after[i]) };
            meter.cell(key, consumer).store(word, Ordering::Release);
        }
        verdict.result().map(|s| s.expect("several limits were weighed"))
    }

    /// Returns when the cell will be empty, in ticks, under the meter's own interval.
    fn time(&self, meter: &Meter, word: u64, now: u64) -> u64 {
        let time = word >> TIME_SHIFT;
        let tariff = (word >> 1) & TARIFF_MASK;
        if time <= now || tariff == meter.tariff || tariff == 0 || meter.tariff == 0 {
            return time.max(now);
        }
        self.converted(meter, time, tariff, now)
    }

    /// Converts a time reached under another interval: what counts is how many requests it stands for.
    #[cold]
    fn converted(&self, meter: &Meter, time: u64, tariff: u64, now: u64) -> u64 {
        let index = usize::try_from(tariff - 1).expect("a tariff is a small number");
        let Some(interval) = lock(&self.tariffs).get(index).copied() else { return time };
        let ahead = u128::from(time - now) * u128::from(meter.interval);
        let ahead = u64::try_from(ahead.div_ceil(u128::from(interval))).unwrap_or(MAX_TIME);
        now.saturating_add(ahead)
    }
}

impl Table {
    fn new(names: Box<[String]>) -> Self {
        Self { names, blocks: (0..MAX_ROWS / SUPER_ROWS).map(|_| OnceLock::new()).collect() }
    }

    fn existing(&self, row: Row, column: usize) -> Option<&AtomicU64> {
        let (outer, inner, cell) = self.place(row, column);
        Some(&self.blocks[outer].get()?[inner].get()?[cell])
    }

    fn cell(&self, row: Row, column: usize) -> &AtomicU64 {
        let (outer, inner, cell) = self.place(row, column);
        let blocks = self.blocks[outer]
            .get_or_init(|| (0..SUPER_ROWS / BLOCK_ROWS).map(|_| OnceLock::new()).collect());
        let block = blocks[inner]
            .get_or_init(|| (0..BLOCK_ROWS as usize * self.names.len()).map(|_| AtomicU64::new(0)).collect());
        &block[cell]
    }

    fn place(&self, row: Row, column: usize) -> (usize, usize, usize) {
        let outer = (row / SUPER_ROWS) as usize;
        let inner = (row % SUPER_ROWS / BLOCK_ROWS) as usize;
        (outer, inner, (row % BLOCK_ROWS) as usize * self.names.len() + column)
    }

    fn clear(&self, row: Row) {
        for column in 0..self.names.len() {
            if let Some(cell) = self.existing(row, column) {
                cell.store(0, Ordering::Relaxed);
            }
        }
    }
}

impl Meter {
    fn row(&self, key: Row, consumer: Row) -> Row {
        match self.subject {
            LimitSubject::Key => key,
            LimitSubject::Consumer => consumer,
        }
    }

    fn cell(&self, key: Row, consumer: Row) -> &AtomicU64 {
        self.table.cell(self.row(key, consumer), self.column)
    }

    fn peek(&self, key: Row, consumer: Row) -> u64 {
        let cell = self.table.existing(self.row(key, consumer), self.column);
        cell.map_or(0, |cell| cell.load(Ordering::Relaxed))
    }

    fn word(&self, time: u64) -> u64 {
        (time << TIME_SHIFT) | (self.tariff << 1)
    }
}

/// What the limits weighed so far come to.
#[derive(Default)]
struct Verdict {
    tightest: Option<Standing>,
    refused: Option<Standing>,
}

impl Verdict {
    /// Weighs one more request against a cell that is empty at `time` (not before `now`) and returns
    /// when it would be empty after it.
    fn weigh(&mut self, meter: &Meter, time: u64, now: u64) -> u64 {
        let after = time.saturating_add(meter.interval);
        let ahead = after - now;
        if ahead > meter.depth || after > MAX_TIME {
            let standing = meter.standing(0, time - now, ahead.saturating_sub(meter.depth).max(1));
            if self.refused.is_none_or(|s| s.retry_after < standing.retry_after) {
                self.refused = Some(standing);
            }
            return time;
        }
        let remaining = (meter.depth - ahead) / meter.interval;
        if self.tightest.is_none_or(|s| remaining < s.remaining) {
            // With none remaining, the next one passes when the TAT is `depth - interval` ahead.
            let wait = if remaining == 0 { (ahead + meter.interval).saturating_sub(meter.depth) } else { 0 };
            self.tightest = Some(meter.standing(remaining, ahead, wait));
        }
        after
    }

    fn result(self) -> Result<Option<Standing>, Standing> {
        self.refused.map_or(Ok(self.tightest), Err)
    }
}

impl Meter {
    fn standing(&self, remaining: u64, reset: u64, retry_after: u64) -> Standing {
        Standing { limit: self.limit, remaining, reset, retry_after }
    }
}

/// Sets the lock bit of a cell, waiting for whoever holds it, and returns the word without it.
fn lock_cell(cell: &AtomicU64) -> u64 {
    let mut wait = Wait::default();
    loop {
        let word = cell.load(Ordering::Relaxed) & !LOCKED;
        // Acquire pairs with the release that unlocks, so that cells are not read early.
        if cell.compare_exchange_weak(word, word | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok() {
            return word;
        }
        wait.a_little();
    }
}

/// Waits for a lock held for some tens of nanoseconds, unless its holder was put to sleep.
#[derive(Default)]
struct Wait(u32);

impl Wait {
    fn a_little(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(64) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

/// A lock is only poisoned by a panic between two plain assignments, which cannot be.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// 16 ns keep every rate up to 600,000 a second within 1 % and leave 9 years of time.
const TICK_NANOS: u64 = 16;
const LOCKED: u64 = 1;
const TARIFF_MASK: u64 = (1 << 9) - 1;
const MAX_TARIFFS: usize = (1 << 9) - 1;
const TIME_SHIFT: u32 = 10;
const MAX_TIME: u64 = (1 << (64 - TIME_SHIFT)) - 1;
/// Rows in a block: the memory that comes into use at once, 4 KiB for two limits.
const BLOCK_ROWS: u32 = 256;
const SUPER_ROWS: u32 = BLOCK_ROWS * 1024;
const MAX_ROWS: u32 = 1 << 28;
const RESTING: usize = 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::{PlanSpec, Spec};

    const SECOND: u64 = 1_000_000_000;

    fn rules(limits: &[(&str, &str, u64, LimitSubject)]) -> Rules {
        let limit = |(name, rate, burst, per): &(&str, &str, u64, LimitSubject)| LimitSpec {
            name: (*name).into(),
            rate: rate.parse().unwrap(),
            burst: *burst,
            per: *per,
        };
        let plan = PlanSpec { name: "p".into(), limits: limits.iter().map(limit).collect() };
        Rules::compile(Spec { plans: vec![plan], ..Spec::default() }).unwrap()
    }

    fn meters(limiter: &Limiter, limits: &[(&str, &str, u64, LimitSubject)]) -> Box<[Meter]> {
        limiter.meters(&rules(limits)).remove(0)
    }

    use LimitSubject::{Consumer, Key};

    #[test]
    fn a_burst_passes_exactly_and_the_wait_is_exact() {
        let limiter = Limiter::new();
        let meters = meters(&limiter, &[("a", "10/s", 5, Key)]);
        let start = 7 * SECOND;
        for left in (0_u64..5).rev() {
            let standing = limiter.charge(&meters, 0, 0, start).unwrap().unwrap();
            assert_eq!(standing.remaining, left);
            assert_eq!(standing.reset(), Duration::from_millis(100 * (5 - left)));
            assert_eq!(standing.retry_after().is_zero(), left > 0);
        }
        let refused = limiter.charge(&meters, 0, 0, start).unwrap_err();
        assert_eq!(refused.retry_after(), Duration::from_millis(100));
        assert_eq!(refused.remaining, 0);
        let at = start + SECOND / 10;
        assert!(limiter.charge(&meters, 0, 0, at - TICK_NANOS).is_err());
        assert!(limiter.charge(&meters, 0, 0, at).is_ok(), "a refused request spends nothing");
        assert!(limiter.charge(&meters, 1, 0, start).is_ok(), "another key has its own count");
    }

    #[test]
    fn of_several_limits_all_are_charged_or_none() {
        let limiter = Limiter::new();
        let meters = meters(
            &limiter,
            &[("day", "100/d", 100, Key), ("burst", "1/s", 2, Key), ("all", "50/h", 50, Consumer)],
        );
        for _ in 0..2 {
            limiter.charge(&meters, 3, 4, SECOND).unwrap();
        }
        for _ in 0..1000 {
            let refused = limiter.charge(&meters, 3, 4, SECOND).unwrap_err();
            assert_eq!(refused.limit, 1);
        }
        let day = limiter.peek(&meters[..1], 3, 4, SECOND).unwrap().unwrap();
        assert_eq!(day.remaining, 97, "two spent and one peeked at");
        assert_eq!(limiter.peek(&meters[2..], 3, 4, SECOND).unwrap().unwrap().remaining, 47);
        assert_eq!(limiter.peek(&meters[2..], 9, 4, SECOND).unwrap().unwrap().remaining, 47, "keys share it");
    }

    #[test]
    fn a_raised_limit_helps_at_once_and_keeps_its_count() {
        let limiter = Limiter::new();
        let before = meters(&limiter, &[("a", "10/min", 10, Key)]);
        for _ in 0..10 {
            limiter.charge(&before, 0, 0, SECOND).unwrap();
        }
        assert!(limiter.charge(&before, 0, 0, SECOND).is_err());
        let raised = meters(&limiter, &[("a", "100/min", 100, Key)]);
        let standing = limiter.charge(&raised, 0, 0, SECOND).unwrap().unwrap();
        assert_eq!(standing.remaining, 89, "ten were used before, one now");
        let lowered = meters(&limiter, &[("a", "5/min", 5, Key)]);
        assert!(limiter.charge(&lowered, 0, 0, SECOND).is_err());
        let gone = meters(&limiter, &[("b", "5/min", 5, Key)]);
        assert_eq!(limiter.charge(&gone, 0, 0, SECOND).unwrap().unwrap().remaining, 4);
    }

    #[test]
    fn a_row_given_back_comes_again_with_nothing_counted() {
        let limiter = Limiter::new();
        let meters = meters(&limiter, &[("a", "1/d", 1, Key)]);
        let rows: Vec<Row> = (0..2000).map(|_| limiter.take_row(Key)).collect();
        for row in &rows {
            limiter.charge(&meters, *row, 0, SECOND).unwrap();
            limiter.give_back(Key, *row);
        }
        for _ in 0..900 {
            let row = limiter.take_row(Key);
            assert!(rows.contains(&row), "memory is used again");
            assert!(limiter.charge(&meters, row, 0, SECOND).is_ok());
        }
    }

    #[test]
    fn eight_threads_get_exactly_what_the_limit_allows() {
        const FITS: u64 = 400_000;
        for limits in [
            &[("a", "400000/d", FITS, Key)][..],
            &[("a", "500000/d", 500_000, Key), ("b", "400000/d", FITS, Key)],
            &[
                ("a", "500000/d", 500_000, Key),
                ("b", "400000/d", FITS, Consumer),
                ("c", "600000/d", 600_000, Consumer),
            ],
        ] {
            let limiter = Limiter::new();
            let meters = meters(&limiter, limits);
            let passed = AtomicU64::new(0);
            let start = std::sync::Barrier::new(8);
            std::thread::scope(|scope| {
                for _ in 0..8 {
                    scope.spawn(|| {
                        start.wait();
                        let mine =
                            (0..80_000).filter(|_| limiter.charge(&meters, 0, 0, SECOND).is_ok()).count();
                        passed.fetch_add(mine as u64, Ordering::Relaxed);
                    });
                }
            });
            assert_eq!(passed.into_inner(), FITS, "{limits:?}");
            for (i, (_, _, burst, _)) in limits.iter().enumerate() {
                let left = limiter.peek(&meters[i..=i], 0, 0, SECOND).map_or(0, |s| s.unwrap().remaining + 1);
                assert_eq!(left, burst - FITS, "every limit was charged for what passed");
            }
        }
    }

    #[test]
    fn time_that_runs_out_refuses() {
        let limiter = Limiter::new();
        let meters = meters(&limiter, &[("a", "1/s", 5, Key)]);
        assert!(limiter.charge(&meters, 0, 0, u64::MAX).is_err());
    }

    proptest! {
        /// The model is a leaky bucket that counts what is in it, not when it will be empty.
        #[test]
        fn it_agrees_with_a_sequential_model(
            limits in prop::collection::vec((1u64..2000, 0usize..3, 1u64..20, any::<bool>()), 1..4),
            steps in prop::collection::vec((0u64..200_000_000, 0u32..3, 0u32..2), 1..200),
        ) {
            let rates: Vec<String> = limits.iter().map(|l| format!("{}/{}", l.0, ["s", "min", "h"][l.1])).collect();
            let names = ["a", "b", "c"];
            let spec: Vec<_> = limits
                .iter()
                .zip(&rates)
                .zip(names)
                .map(|((l, rate), name)| (name, rate.as_str(), l.2, if l.3 { Key } else { Consumer }))
                .collect();
            let limiter = Limiter::new();
            let meters = meters(&limiter, &spec);
            let mut levels = vec![[(0_u64, 0_u64); 3]; limits.len()];
            let mut now = 0;
            for (wait, key, consumer) in steps {
                now += wait / TICK_NANOS * TICK_NANOS;
                let ticks = now / TICK_NANOS;
                let mut room = true;
                for (i, l) in limits.iter().enumerate() {
                    let interval = ([1, 60, 3600][l.1] * SECOND).div_ceil(l.0 * TICK_NANOS);
                    let (level, at) = &mut levels[i][if l.3 { key } else { consumer } as usize];
                    *level = level.saturating_sub(ticks - *at);
                    *at = ticks;
                    room &= *level + interval <= interval * l.2;
                }
                if room {
                    for (i, l) in limits.iter().enumerate() {
                        let interval = ([1, 60, 3600][l.1] * SECOND).div_ceil(l.0 * TICK_NANOS);
                        levels[i][if l.3 { key } else { consumer } as usize].0 += interval;
                    }
                }
                prop_assert_eq!(limiter.peek(&meters, key, consumer, now).is_ok(), room);
                prop_assert_eq!(limiter.charge(&meters, key, consumer, now).is_ok(), room);
            }
        }
    }
}
