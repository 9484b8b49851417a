//! Counts added up into rows, as people and programs ask for them.

use std::collections::{BTreeMap, HashMap};

use crate::key::{ConsumerId, KeyId, Timestamp};

use super::super::{Store, StoreError};
use super::{Count, Period, Query, Retention, Usage, Used};

/// What makes a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageBy {
    /// A key.
    Key,
    /// A consumer, with all its keys.
    Consumer,
    /// A route.
    Route,
    /// A key on a route: who called what.
    Call,
    /// A bucket of time.
    Time,
}

impl Usage {
    /// Returns how much was used in the buckets of `window`, the busiest row first; by time, the first
    /// first. `keys` are those counted; `None` is all. `store` knows what keys and consumers are called.
    pub fn report(
        &self,
        keys: Option<Vec<KeyId>>,
        by: UsageBy,
        window: UsageWindow,
        store: &Store,
    ) -> Result<Vec<UsageRow>, StoreError> {
        let counts = self.counts(Query {
            keys,
            period: window.period,
            from: window.from,
            to: window.to,
            by_key: matches!(by, UsageBy::Key | UsageBy::Consumer | UsageBy::Call),
            by_route: matches!(by, UsageBy::Route | UsageBy::Call),
        })?;
        Ok(rows(&counts, by, window, store))
    }
}

/// The buckets that are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsageWindow {
    /// How wide they are.
    pub period: Period,
    /// The first.
    pub from: u32,
    /// The last.
    pub to: u32,
}

impl UsageWindow {
    /// Takes the finest buckets that reach back to `since` and are not too many to look at.
    pub fn reaching(since: Timestamp, now: Timestamp, retention: Retention) -> Self {
        let span = now.since(since);
        let period = [Period::Minute, Period::Hour]
            .into_iter()
            .find(|period| {
                span <= retention.of(*period) && span.as_secs() / period.secs().unsigned_abs() <= FINEST
            })
            .unwrap_or(Period::Day);
        Self { period, from: period.bucket(since), to: period.bucket(now) }
    }

    /// Returns when the first begins.
    pub fn begins(self) -> Timestamp {
        self.period.begins(self.from)
    }

    /// Returns when the last ends.
    pub fn ends(self) -> Timestamp {
        self.period.begins(self.to.saturating_add(1))
    }

    fn steps(self) -> usize {
        usize::try_from(self.to.saturating_sub(self.from))
            .unwrap_or(usize::MAX)
            .saturating_add(1)
            .min(STEPS_MAX)
    }
}

/// The most buckets of a kind before coarser ones are taken.
const FINEST: u64 = 240;

/// More steps than the longest retention has days.
const STEPS_MAX: usize = 4_000;

/// One row of the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UsageRow {
    /// The key and what it is called, if rows are keys or calls.
    pub key: Option<(KeyId, Option<String>)>,
    /// The consumer and what it is called, if rows are keys, consumers or calls.
    pub consumer: Option<(ConsumerId, Option<String>)>,
    /// The route, if rows are routes or calls.
    pub route: Option<String>,
    /// The buckets the row is of.
    pub window: UsageWindow,
    /// Requests by what became of them, in the order of [`Used::ALL`].
    pub by_used: [u64; Used::ALL.len()],
    /// Requests in each bucket, the first one first.
    pub series: Vec<u64>,
}

impl UsageRow {
    fn new(window: UsageWindow) -> Self {
        Self {
            key: None,
            consumer: None,
            route: None,
            window,
            by_used: [0; Used::ALL.len()],
            series: vec![0; window.steps()],
        }
    }

    fn add(&mut self, count: &Count) {
        self.by_used[count.used as usize] += count.requests;
        let step = usize::try_from(count.bucket.saturating_sub(self.window.from)).unwrap_or(usize::MAX);
        if let Some(sum) = self.series.get_mut(step) {
            *sum += count.requests;
        }
    }

    /// Returns how many requests there were.
    pub fn requests(&self) -> u64 {
        self.by_used.iter().sum()
    }
}

/// Adds counts up into rows, the busiest first; by time, the first first.
fn rows(counts: &[Count], by: UsageBy, window: UsageWindow, store: &Store) -> Vec<UsageRow> {
    if by == UsageBy::Time {
        return by_time(counts, window);
    }
    let mut names = Names { store, consumers: HashMap::new() };
    let mut rows: BTreeMap<String, UsageRow> = BTreeMap::new();
    for count in counts {
        let key = count.key.map(|id| (id, names.key(id)));
        let id = match (by, &key) {
            (UsageBy::Key, Some((id, _))) => id.to_string(),
            (UsageBy::Consumer, Some((_, Some((_, consumer))))) => consumer.to_string(),
            (UsageBy::Route, _) => count.route.clone().unwrap_or_default(),
            (UsageBy::Call, Some((id, _))) => format!("{id} {}", count.route.as_deref().unwrap_or_default()),
            _ => String::new(),
        };
        let row = rows.entry(id).or_insert_with(|| {
            let mut row = UsageRow::new(window);
            row.route.clone_from(&count.route);
            if let Some((id, known)) = &key {
                row.consumer = known.as_ref().map(|(_, consumer)| (*consumer, names.consumer(*consumer)));
                row.key = matches!(by, UsageBy::Key | UsageBy::Call)
                    .then(|| (*id, known.as_ref().map(|(name, _)| name.clone())));
            }
            row
        });
        row.add(count);
    }
    let mut rows: Vec<UsageRow> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.requests()));
    rows
}

fn by_time(counts: &[Count], window: UsageWindow) -> Vec<UsageRow> {
    let mut rows: BTreeMap<u32, UsageRow> = BTreeMap::new();
    for count in counts {
        let at = UsageWindow { from: count.bucket, to: count.bucket, ..window };
        rows.entry(count.bucket).or_insert_with(|| UsageRow::new(at)).add(count);
    }
    rows.into_values().collect()
}

/// Looks up what keys and consumers are called, each consumer once.
struct Names<'s> {
    store: &'s Store,
    consumers: HashMap<ConsumerId, Option<String>>,
}

impl Names<'_> {
    fn key(&self, id: KeyId) -> Option<(String, ConsumerId)> {
        self.store.key(id).ok().map(|key| (key.name, key.consumer))
    }

    fn consumer(&mut self, id: ConsumerId) -> Option<String> {
        let store = self.store;
        self.consumers.entry(id).or_insert_with(|| store.consumer(id).ok().map(|c| c.name)).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_finest_buckets_that_reach_back_are_read() {
        let now = Timestamp::from_secs(100 * 86_400);
        let period = |hours| {
            let since = now.minus(std::time::Duration::from_hours(hours));
            UsageWindow::reaching(since, now, Retention::default()).period
        };
        assert_eq!(
            [1, 2, 24, 7 * 24, 30 * 24].map(period),
            [Period::Minute, Period::Minute, Period::Hour, Period::Hour, Period::Day]
        );
    }
}
