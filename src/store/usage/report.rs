//! Counts added up into rows, as people and programs ask for them.

use std::collections::BTreeMap;

use crate::key::{ConsumerId, KeyId, Timestamp};

use super::super::{Store, StoreError};
use super::{Count, Of, Part, Period, Query, Retention, Usage, Used, Whose};

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

/// What is to be reported.
#[derive(Clone, Debug)]
pub struct UsageAsked {
    /// Whose.
    pub of: UsageOf,
    /// What makes a row.
    pub by: UsageBy,
    /// Of when.
    pub window: UsageWindow,
    /// Which rows: all, the busiest of them, or those behind a place, in the order of identifiers and routes. By
    /// time it is always all.
    pub part: Part,
}

/// Whose use is reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum UsageOf {
    /// Everybody's.
    All,
    /// A consumer's.
    Consumer(ConsumerId),
    /// A key's.
    Key(KeyId),
}

impl Usage {
    /// Returns how much was used, the busiest row first; by time, the first first, and behind a place, in order and
    /// perhaps more than were asked for: there are more then. `store` knows what keys and consumers are called.
    ///
    /// What is asked of a consumer or of all, by route or by time, was added up when it was written: it costs
    /// the same however many keys there are.
    pub fn report(&self, asked: &UsageAsked, store: &Store) -> Result<Vec<UsageRow>, StoreError> {
        let window = asked.window;
        let of = match (asked.of, asked.by) {
            (UsageOf::All, UsageBy::Key | UsageBy::Call) => match asked.part {
                Part::Top(most) => Whose::Busiest(most),
                Part::All | Part::After(..) => Whose::EachKey,
            },
            (UsageOf::All, UsageBy::Consumer) => Whose::EachConsumer,
            (UsageOf::Consumer(id), UsageBy::Key | UsageBy::Call) => Whose::Keys(store.key_ids_of(id)?),
            (UsageOf::All, _) => Whose::One(Of::All),
            (UsageOf::Consumer(id), _) => Whose::One(Of::Consumer(id)),
            (UsageOf::Key(id), _) => Whose::One(Of::Key(id)),
        };
        let by_route = matches!(asked.by, UsageBy::Route | UsageBy::Call);
        let part = if asked.by == UsageBy::Time { Part::All } else { asked.part.clone() };
        let query = Query { of, period: window.period, from: window.from, to: window.to, by_route, part };
        let counts = self.counts(query)?;
        Ok(if asked.by == UsageBy::Time { by_time(&counts, window) } else { rows(&counts, asked, store) })
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
    /// Takes the finest buckets that reach back to `since` and are not too many to look at: none of before what is
    /// kept.
    pub fn reaching(since: Timestamp, now: Timestamp, retention: Retention) -> Self {
        let span = now.since(since);
        let period = [Period::Minute, Period::Hour]
            .into_iter()
            .find(|period| {
                span <= retention.of(*period) && span.as_secs() / period.secs().unsigned_abs() <= FINEST
            })
            .unwrap_or(Period::Day);
        let since = since.max(now.minus(retention.of(period)));
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

/// Adds counts up into rows, the busiest first. Only of those that are returned it is looked up what they are
/// called.
fn rows(counts: &[Count], asked: &UsageAsked, store: &Store) -> Vec<UsageRow> {
    let mut rows: BTreeMap<(Option<Of>, Option<&str>), UsageRow> = BTreeMap::new();
    for count in counts {
        let route = count.route.as_deref();
        let whose = (asked.by != UsageBy::Route).then_some(count.of);
        let row = rows.entry((whose, route)).or_insert_with(|| UsageRow::new(asked.window));
        row.add(count);
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    if !matches!(asked.part, Part::After(..)) {
        rows.sort_by_key(|(_, row)| std::cmp::Reverse(row.requests()));
    }
    if let Part::Top(most) = asked.part {
        rows.truncate(most);
    }
    let mut names = Names { store, consumers: BTreeMap::new() };
    let shown = |((of, route), mut row): ((Option<Of>, Option<&str>), UsageRow)| {
        row.route = route.map(ToOwned::to_owned);
        match of {
            Some(Of::Key(id)) => {
                let known = names.key(id);
                row.consumer = known.as_ref().map(|(_, consumer)| (*consumer, names.consumer(*consumer)));
                row.key = matches!(asked.by, UsageBy::Key | UsageBy::Call)
                    .then(|| (id, known.map(|(name, _)| name)));
            }
            Some(Of::Consumer(id)) => row.consumer = Some((id, names.consumer(id))),
            Some(Of::All) | None => {}
        }
        row
    };
    rows.into_iter().map(shown).collect()
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
    consumers: BTreeMap<ConsumerId, Option<String>>,
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
    /// Each step takes room in each row, so what is kept no more is not asked for.
    #[test]
    fn no_window_begins_before_what_is_kept() {
        let now = Timestamp::from_secs(20_000 * 86_400);
        let window = UsageWindow::reaching(Timestamp::from_secs(0), now, Retention::default());
        assert_eq!((window.period, window.to, window.steps()), (Period::Day, 20_000, 401));
        let window = UsageWindow::reaching(Timestamp::from_secs(19_990 * 86_400), now, Retention::default());
        assert_eq!((window.from, window.steps()), (19_990, 11));
    }
}
