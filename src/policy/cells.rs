//! Where counts lie: rows of subjects, columns of limits.
//!
//! A row belongs to a key, a consumer or a route; a column to a limit's name and kind. Rows are handed
//! out when a subject appears and come back when it goes; their memory is first touched when the
//! subject is first used.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use prefetch_index::prefetch_index;

use super::rules::LimitSpec;
use crate::key::{Limit, Window};

/// The row of a subject; fewer than 2^28.
pub(super) type Row = u32;

/// The rows of one kind of subject.
#[derive(Debug, Default)]
pub(super) struct Space {
    handout: Mutex<Handout>,
    tables: Mutex<Vec<Arc<Table>>>,
}

#[derive(Debug, Default)]
struct Handout {
    next: Row,
    free: VecDeque<Row>,
}

/// The cells of some limits, for every row. Limits first seen together share a table, so that a
/// plan's cells for one key lie side by side.
#[derive(Debug)]
pub(super) struct Table {
    columns: Box<[Column]>,
    width: usize,
    blocks: Box<[OnceLock<Box<[Block]>>]>,
}

type Block = OnceLock<Box<[AtomicU64]>>;

/// Limits of one name and kind share a column, whatever their plans.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Column {
    name: String,
    kind: Kind,
    /// The first of its words in a row.
    at: usize,
}

/// What the words of a cell mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    Rate,
    Quota(Window),
    Concurrent,
}

impl Space {
    /// Hands out a row with nothing counted.
    pub(super) fn take_row(&self) -> Row {
        let row = {
            let mut handout = lock(&self.handout);
            // A request that began under an older index may still charge a row given back a moment
            // ago, so rows rest until many others were given back after them.
            if handout.free.len() > RESTING {
                handout.free.pop_front().expect("just counted")
            } else {
                let row = handout.next;
                assert!(row < MAX_ROWS, "more than {MAX_ROWS} keys in memory");
                handout.next += 1;
                return row;
            }
        };
        self.forget(row);
        row
    }

    /// Forgets what was counted in a row.
    pub(super) fn forget(&self, row: Row) {
        for table in lock(&self.tables).iter() {
            table.clear(row);
        }
    }

    /// Takes back the row of a subject that is gone.
    pub(super) fn give_back(&self, row: Row) {
        lock(&self.handout).free.push_back(row);
    }

    /// Gives each group of limits its columns. Counts of limits in no group are dropped with their whole
    /// table.
    pub(super) fn prepare<'a, G>(&self, groups: impl Iterator<Item = G> + Clone)
    where
        G: Iterator<Item = &'a LimitSpec>,
    {
        let mut tables = lock(&self.tables);
        tables.retain(|table| groups.clone().flatten().any(|limit| table.column(limit).is_some()));
        for group in groups {
            let is_new = |limit: &&LimitSpec| !tables.iter().any(|table| table.column(limit).is_some());
            let new: Vec<&LimitSpec> = group.filter(is_new).collect();
            if !new.is_empty() {
                tables.push(Arc::new(Table::new(&new)));
            }
        }
    }

    /// Returns where a limit was given its cells: the table's number, the table, the first word.
    pub(super) fn place(&self, limit: &LimitSpec) -> (usize, Arc<Table>, usize) {
        let tables = lock(&self.tables);
        let found = tables.iter().enumerate().find_map(|(i, table)| Some((i, table.column(limit)?.at)));
        let (number, at) = found.expect("every limit was given a column before");
        (number, Arc::clone(&tables[number]), at)
    }
}

impl Table {
    fn new(limits: &[&LimitSpec]) -> Self {
        let mut width = 0;
        let mut columns = Vec::new();
        for limit in limits {
            let kind = Kind::of(limit.limit);
            columns.push(Column { name: limit.name.clone(), kind, at: width });
            width += kind.words();
        }
        let blocks = (0..MAX_ROWS / SUPER_ROWS).map(|_| OnceLock::new()).collect();
        Self { columns: columns.into(), width, blocks }
    }

    fn column(&self, limit: &LimitSpec) -> Option<&Column> {
        let kind = Kind::of(limit.limit);
        self.columns.iter().find(|column| column.kind == kind && column.name == limit.name)
    }

    /// Returns the words from `at` to the end of the row, if the row was ever used.
    #[inline]
    pub(super) fn existing(&self, row: Row, at: usize) -> Option<&[AtomicU64]> {
        let (outer, inner, cells) = self.range(row, at);
        Some(&self.blocks[outer].get()?[inner].get()?[cells])
    }

    /// Returns the words from `at` to the end of the row.
    #[inline]
    pub(super) fn words(&self, row: Row, at: usize) -> &[AtomicU64] {
        self.existing(row, at).unwrap_or_else(|| self.make(row, at))
    }

    #[cold]
    fn make(&self, row: Row, at: usize) -> &[AtomicU64] {
        let (outer, inner, cells) = self.range(row, at);
        let blocks = self.blocks[outer]
            .get_or_init(|| (0..SUPER_ROWS / BLOCK_ROWS).map(|_| OnceLock::new()).collect());
        let block = blocks[inner]
            .get_or_init(|| (0..BLOCK_ROWS as usize * self.width).map(|_| AtomicU64::new(0)).collect());
        &block[cells]
    }

    /// Asks for the memory of some rows, without reading it.
    pub(super) fn approach(&self, rows: Range<Row>) {
        let Some(first) = self.existing(rows.start.min(MAX_ROWS - 1), 0) else { return };
        // A few short rows are two lines, or three; what is asked for beyond the block is of no harm.
        let words = rows.len() * self.width;
        prefetch_index(first, 0);
        prefetch_index(first, words.saturating_sub(1).min(LINE));
        prefetch_index(first, words.saturating_sub(1).min(2 * LINE));
    }

    fn range(&self, row: Row, at: usize) -> (usize, usize, Range<usize>) {
        let outer = (row / SUPER_ROWS) as usize;
        let inner = (row % SUPER_ROWS / BLOCK_ROWS) as usize;
        let begin = (row % BLOCK_ROWS) as usize * self.width;
        (outer, inner, begin + at..begin + self.width)
    }

    /// Forgets the counts of a row. Requests in work are not forgotten: they end, and are counted down
    /// then.
    fn clear(&self, row: Row) {
        let Some(words) = self.existing(row, 0) else { return };
        for column in self.columns.iter().filter(|column| column.kind != Kind::Concurrent) {
            for word in &words[column.at..column.at + column.kind.words()] {
                word.store(0, Ordering::Relaxed);
            }
        }
    }
}

impl Kind {
    const fn of(limit: Limit) -> Self {
        match limit {
            Limit::Rate { .. } => Self::Rate,
            Limit::Quota(quota) => Self::Quota(quota.window()),
            Limit::Concurrent(_) => Self::Concurrent,
        }
    }

    const fn words(self) -> usize {
        match self {
            Self::Rate | Self::Concurrent => 1,
            Self::Quota(_) => 2,
        }
    }
}

/// Sets the lock bit of a cell, waiting for whoever holds it, and returns the word without it.
pub(super) fn lock_word(cell: &AtomicU64) -> u64 {
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
pub(super) struct Wait(u32);

impl Wait {
    pub(super) fn a_little(&mut self) {
        self.0 += 1;
        if self.0.is_multiple_of(64) {
            std::thread::yield_now();
        } else {
            std::hint::spin_loop();
        }
    }
}

/// A lock is only poisoned by a panic between two plain assignments, which cannot be.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lowest bit of the first word of every cell.
pub(super) const LOCKED: u64 = 1;
/// Rows in a block: the memory that comes into use at once, 16 KiB for two limits. Where the blocks are
/// is looked up for every request, so there should not be too many.
const BLOCK_ROWS: u32 = 1024;
const SUPER_ROWS: u32 = BLOCK_ROWS * 256;
const MAX_ROWS: u32 = 1 << 28;
/// A row that nothing is ever counted in: of whoever is not known to be anybody.
pub(super) const NOBODY: Row = MAX_ROWS - 1;
const RESTING: usize = 1024;
/// Words in a line of a cache.
const LINE: usize = 8;
