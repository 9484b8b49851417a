//! One limit with all it takes to weigh a request against it and to charge it.
//!
//! A cell's first word has the lock bit lowest. Above it:
//!
//! ```text
//! rate        63                                     10 9          1
//!             [ TAT, in ticks of 16 ns: 54 bits = 9 years | tariff ]
//! concurrent  [ requests in work                                   ]
//! quota       63      46 45          40 39                      2 1
//!             [ unused  | low mark: log2 | left of what was granted | asked ]
//!             [ window: 26 bits | granted in it, by the file: 38 bits       ]   second word
//! ```
//!
//! - The TAT is the theoretical arrival time of the generic cell rate algorithm (ITU-T I.371), in
//!   monotonic time, so jumps of the wall clock do nothing to rates.
//! - The *tariff* names the interval between requests that the TAT was reached with. A cell read
//!   under another interval is converted, so a raised limit helps at once and keeps its count.
//! - A quota is spent from what was granted for its window by the file, which says so before it is
//!   spent. When what is left falls to the low mark, more is asked for, once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::Now;
use super::cells::{LOCKED, Row, Table, Wait, lock_word};
use super::limit::Tariffs;
use super::rules::{LimitRef, LimitSubject};
use crate::key::{Quota, Timestamp, Window};

/// The rows a request is counted in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rows {
    pub(super) key: Row,
    pub(super) consumer: Row,
    pub(super) route: Row,
    /// [`super::cells::NOBODY`] until a limit by address is charged.
    pub(super) address: Row,
}

/// A limit, and where its counts are.
#[derive(Debug, Clone)]
pub(super) struct Meter {
    pub(super) limit: LimitRef,
    pub(super) subject: LimitSubject,
    pub(super) is_shadow: bool,
    pub(super) kind: MeterKind,
    pub(super) table: Arc<Table>,
    /// The first word of the cell in its row.
    pub(super) at: usize,
    /// Where it comes when cells are locked: the subject, the table's number, the word.
    pub(super) order: (LimitSubject, usize, usize),
}

#[derive(Debug, Clone, Copy)]
pub(super) enum MeterKind {
    Rate {
        /// Ticks between two requests at the full rate, rounded up: never more than the rate.
        interval: u64,
        /// Ticks the TAT may run ahead of the time: `burst * interval`.
        depth: u64,
        tariff: u64,
    },
    Quota(Quota),
    Concurrent(u64),
}

/// What a request is weighed with.
#[derive(Clone, Copy)]
pub(super) struct Load {
    /// Monotonic time in ticks.
    pub(super) ticks: u64,
    pub(super) wall: Timestamp,
    pub(super) cost: u64,
}

impl Load {
    pub(super) fn new(now: Now, cost: u64) -> Self {
        Self { ticks: (now.mono / TICK_NANOS).min(MAX_TIME), wall: now.wall, cost }
    }
}

/// The words of a cell, without the lock bit.
#[derive(Clone, Copy, Default)]
pub(super) struct Words {
    pub(super) first: u64,
    /// Only of a quota.
    pub(super) second: u64,
}

/// What weighing a request against one limit comes to.
#[derive(Clone, Copy)]
pub(super) struct Weighed {
    pub(super) fate: Fate,
    /// The first word after the charge.
    pub(super) after: u64,
    pub(super) remaining: u64,
    /// Whether more of a quota should be asked for now.
    pub(super) asks: bool,
    reset: Until,
    retry_after: Until,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Fits,
    Refused,
    /// What was granted of a quota is used up, and there may be more.
    Lacks,
}

/// How long something takes, not worked out before somebody asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Until {
    Ticks(u64),
    End { window: Window, number: u32, from: Timestamp },
}

impl Until {
    fn duration(self) -> Duration {
        match self {
            Self::Ticks(ticks) => Duration::from_nanos(ticks.saturating_mul(TICK_NANOS)),
            Self::End { window, number, from } => window.ends(number).since(from),
        }
    }
}

/// How a limit stands, in numbers. The most restrictive of several is the one reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Standing {
    pub(super) limit: LimitRef,
    pub(super) remaining: u64,
    reset: Until,
    retry_after: Until,
}

impl Standing {
    /// Returns how long until the limit is whole again.
    pub(super) fn reset(&self) -> Duration {
        self.reset.duration()
    }

    /// Returns how long until one more passes; zero while any remain.
    pub(super) fn retry_after(&self) -> Duration {
        self.retry_after.duration()
    }
}

impl Weighed {
    pub(super) fn standing(&self, meter: &Meter) -> Standing {
        Standing {
            limit: meter.limit,
            remaining: self.remaining,
            reset: self.reset,
            retry_after: self.retry_after,
        }
    }
}

impl Rows {
    /// Every subject's row is this one.
    pub(super) fn all(row: Row) -> Self {
        Self { key: row, consumer: row, route: row, address: row }
    }
}

impl Meter {
    pub(super) fn row(&self, rows: Rows) -> Row {
        match self.subject {
            LimitSubject::Key => rows.key,
            LimitSubject::Consumer => rows.consumer,
            LimitSubject::Route => rows.route,
            LimitSubject::Address => rows.address,
        }
    }

    pub(super) fn is_rate(&self) -> bool {
        matches!(self.kind, MeterKind::Rate { .. })
    }

    /// Returns the first words of two cells, found in one go if they lie in one row.
    #[inline]
    pub(super) fn pair([first, second]: [&Self; 2], rows: Rows) -> [&AtomicU64; 2] {
        let ((subject, table, at), (other_subject, other_table, other_at)) = (first.order, second.order);
        if (subject, table) == (other_subject, other_table) {
            let words = first.table.words(first.row(rows), 0);
            [&words[at], &words[other_at]]
        } else {
            [&first.cell(rows)[0], &second.cell(rows)[0]]
        }
    }

    pub(super) fn cell(&self, rows: Rows) -> &[AtomicU64] {
        self.table.words(self.row(rows), self.at)
    }

    /// Reads the cell without locking it: two words of a quota may be of two moments.
    pub(super) fn peek(&self, rows: Rows) -> Words {
        let Some(cell) = self.table.existing(self.row(rows), self.at) else { return Words::default() };
        let first = cell[0].load(Ordering::Relaxed) & !LOCKED;
        Words { first, second: self.second(cell) }
    }

    /// Locks the cell, and reads it.
    pub(super) fn lock(&self, rows: Rows) -> Words {
        let cell = self.cell(rows);
        let first = lock_word(&cell[0]);
        Words { first, second: self.second(cell) }
    }

    /// Reads the cell that this thread has locked.
    pub(super) fn reread(&self, rows: Rows) -> Words {
        self.peek(rows)
    }

    /// Writes the first word and unlocks.
    pub(super) fn unlock(&self, rows: Rows, first: u64) {
        self.cell(rows)[0].store(first, Ordering::Release);
    }

    fn second(&self, cell: &[AtomicU64]) -> u64 {
        match self.kind {
            MeterKind::Quota(_) => cell[1].load(Ordering::Relaxed),
            MeterKind::Rate { .. } | MeterKind::Concurrent(_) => 0,
        }
    }

    /// Weighs a request against the words of the cell. Changes nothing.
    #[inline]
    pub(super) fn weigh(&self, words: Words, load: Load, tariffs: &Tariffs) -> Weighed {
        match self.kind {
            MeterKind::Rate { interval, depth, tariff } => {
                let time = tariffs.time(words.first, load.ticks, interval, tariff);
                weigh_rate(time, load, interval, depth, tariff)
            }
            MeterKind::Quota(quota) => weigh_quota(words, load, quota),
            MeterKind::Concurrent(most) => weigh_concurrent(words.first, most),
        }
    }

    /// Says whether a request that passes is counted although this limit would refuse it: one in work is
    /// counted down when it ends.
    pub(super) fn is_counted_anyway(&self) -> bool {
        self.is_shadow && matches!(self.kind, MeterKind::Concurrent(_))
    }

    /// Returns how many requests are in work.
    pub(super) fn in_work(&self, rows: Rows) -> u64 {
        self.peek(rows).first >> COUNT_SHIFT
    }

    /// Counts so many requests more in work, whatever the limit is.
    pub(super) fn enter(&self, rows: Rows, count: u64) {
        let before = self.lock(rows).first;
        self.unlock(rows, before.saturating_add(count << COUNT_SHIFT));
    }

    /// Counts so many requests that have ended out of a limit on requests in work.
    pub(super) fn release(&self, rows: Rows, count: u64) {
        let cell = &self.cell(rows)[0];
        let mut word = cell.load(Ordering::Relaxed);
        let mut wait = Wait::default();
        loop {
            if word & LOCKED != 0 {
                wait.a_little();
                word = cell.load(Ordering::Relaxed);
                continue;
            }
            let after = word.saturating_sub(count << COUNT_SHIFT);
            match cell.compare_exchange_weak(word, after, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return,
                Err(current) => word = current,
            }
        }
    }
}

/// Weighs against a cell that is empty at `time`, not before now.
#[inline]
pub(super) fn weigh_rate(time: u64, load: Load, interval: u64, depth: u64, tariff: u64) -> Weighed {
    let after = time.saturating_add(interval.saturating_mul(load.cost));
    let ahead = after - load.ticks;
    let fits = ahead <= depth && after <= MAX_TIME || load.cost == 0;
    let (reset, remaining) =
        if fits { (ahead, depth.saturating_sub(ahead) / interval) } else { (time - load.ticks, 0) };
    let retry = match (fits, remaining) {
        // What passes next is one more; what was refused is as much as was asked.
        (true, 0) => (ahead + interval).saturating_sub(depth),
        (true, _) => 0,
        (false, _) => ahead.saturating_sub(depth).max(1),
    };
    Weighed {
        fate: if fits { Fate::Fits } else { Fate::Refused },
        after: (after << TIME_SHIFT) | (tariff << 1),
        remaining,
        asks: false,
        reset: Until::Ticks(reset),
        retry_after: Until::Ticks(retry),
    }
}

fn weigh_concurrent(word: u64, most: u64) -> Weighed {
    let count = word >> COUNT_SHIFT;
    let fits = count < most;
    // Nobody knows when one of them ends.
    let retry = if fits { 0 } else { 1_000_000_000 / TICK_NANOS };
    Weighed {
        fate: if fits { Fate::Fits } else { Fate::Refused },
        after: word + (1 << COUNT_SHIFT),
        remaining: most.saturating_sub(count + 1),
        asks: false,
        reset: Until::Ticks(retry),
        retry_after: Until::Ticks(retry),
    }
}

fn weigh_quota(words: Words, load: Load, quota: Quota) -> Weighed {
    let number = quota.window().number(load.wall);
    let cell = QuotaCell::from_words(words).in_window(number);
    let used = cell.granted - cell.left;
    // Of a lowered quota less may be left than was granted.
    let free = quota.count().saturating_sub(used);
    let has_more = cell.granted < quota.count();
    let fate = match cell.left.min(free) {
        left if left >= load.cost => Fate::Fits,
        _ if has_more => Fate::Lacks,
        _ => Fate::Refused,
    };
    let left = cell.left.saturating_sub(load.cost);
    let asks = fate == Fate::Fits && load.cost > 0 && has_more && !cell.is_asked && left <= 1 << cell.low;
    // Of what is lacking, as if it were fetched.
    let remaining = if fate == Fate::Refused { 0 } else { free.saturating_sub(load.cost) };
    let end = Until::End { window: quota.window(), number, from: load.wall };
    Weighed {
        fate,
        // What costs nothing leaves even the cell of a past window as it is.
        after: match load.cost {
            0 => words.first,
            _ => QuotaCell { left, is_asked: cell.is_asked | asks, ..cell }.words().first,
        },
        remaining,
        asks,
        reset: end,
        retry_after: if remaining == 0 { end } else { Until::Ticks(0) },
    }
}

/// The cell of a quota, taken apart.
#[derive(Clone, Copy, Default)]
pub(super) struct QuotaCell {
    pub(super) window: u32,
    /// What the file says is granted in the window, to all processes.
    pub(super) granted: u64,
    /// What is left of what was granted to this one.
    pub(super) left: u64,
    /// More is asked for when no more than this power of two is left.
    pub(super) low: u32,
    pub(super) is_asked: bool,
}

impl QuotaCell {
    pub(super) fn from_words(words: Words) -> Self {
        Self {
            window: u32::try_from(words.second >> GRANTED_BITS).expect("26 bits"),
            granted: words.second & MAX_GRANTED,
            left: (words.first >> LEFT_SHIFT) & MAX_GRANTED,
            low: u32::try_from((words.first >> LOW_SHIFT) & 63).expect("6 bits"),
            is_asked: words.first & ASKED != 0,
        }
    }

    pub(super) fn words(self) -> Words {
        Words {
            first: (u64::from(self.low) << LOW_SHIFT)
                | (self.left << LEFT_SHIFT)
                | if self.is_asked { ASKED } else { 0 },
            second: (u64::from(self.window) << GRANTED_BITS) | self.granted,
        }
    }

    /// Returns the cell as it is for a window: what was granted for another one is not for this.
    pub(super) fn in_window(self, number: u32) -> Self {
        if self.window == number { self } else { Self { window: number, ..Self::default() } }
    }
}

/// 16 ns keep every rate up to 600,000 a second within 1 % and leave 9 years of time.
pub(super) const TICK_NANOS: u64 = 16;
pub(super) const TIME_SHIFT: u32 = 10;
pub(super) const TARIFF_MASK: u64 = (1 << 9) - 1;
pub(super) const MAX_TIME: u64 = (1 << (64 - TIME_SHIFT)) - 1;
const COUNT_SHIFT: u32 = 1;
const ASKED: u64 = 1 << 1;
const LEFT_SHIFT: u32 = 2;
const LOW_SHIFT: u32 = LEFT_SHIFT + GRANTED_BITS;
const GRANTED_BITS: u32 = 38;
const MAX_GRANTED: u64 = (1 << GRANTED_BITS) - 1;
