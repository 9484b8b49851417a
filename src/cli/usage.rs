//! `kgate usage`

use std::collections::{BTreeMap, HashMap};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::key::{ConsumerId, KeyId, Timestamp};
use crate::store::{Count, Period, Query, Retention, Store, Used};

use super::failure::{Answer, Failure, Outcome};
use super::lookup;
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::values::{Past, counted, to_the_second};
use super::view::{Field, time};

/// What `usage` prints of each row.
pub(super) const USAGE: &[Field] = &[
    ("key_id", "the key, with --by key, else null"),
    ("key_name", "what people call it, or null"),
    ("consumer_id", "who holds it, with --by key or consumer, else null"),
    ("consumer_name", "what people call them, or null"),
    ("route", "the route, with --by route, else null"),
    ("from", "time the row begins"),
    ("to", "time the row ends"),
    ("requests", "how many requests there were"),
    ("allowed", "of them, let through"),
    ("limited", "of them, 429: a limit"),
    ("forbidden", "of them, 403: address or scopes"),
    ("refused", "of them, 401: revoked, expired, disabled, not valid yet, not for this route"),
    ("failed", "of them, without an answer: the backend, or a cap"),
    ("series", "array of requests in each step, the first one first"),
    ("step_seconds", "how long a step is"),
];

/// Show how much keys, consumers and routes were used
///
/// Counts requests whose key the store knows, by what became of them. The gateway writes them once a
/// minute, so the last minute may be missing. How far back one can look is set in [usage] of
/// kgate.toml.
#[derive(Args)]
pub(super) struct UsageArgs {
    /// Only this key or consumer: identifier, external id or unambiguous name
    #[arg(value_name = "KEY|CONSUMER")]
    subject: Option<String>,
    /// Since then: 24h ago, a date, or an RFC 3339 time
    #[arg(long, value_name = "WHEN", default_value = "24h")]
    since: Past,
    /// One row for each of these; by default keys, or routes if a key was named
    #[arg(long, value_enum)]
    by: Option<By>,
}

/// What makes a row.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    /// A key
    Key,
    /// A consumer, with all its keys
    Consumer,
    /// A route
    Route,
    /// A minute, hour or day, as --since allows
    Time,
}

pub(super) fn run(args: &UsageArgs, session: &Session) -> Outcome {
    let now = session.now();
    let store = session.store()?;
    let subject = args.subject.as_deref().map(|text| Subject::find(&store, text)).transpose()?;
    let by = args.by.unwrap_or(if matches!(subject, Some(Subject::Key(_))) { By::Route } else { By::Key });
    let retention = session.config().map_or_else(|_| Retention::default(), |config| config.usage);
    let window = Window::new(args.since.resolve(now), now, retention);
    let keys = subject.map(|subject| subject.keys(&store)).transpose()?;
    let Some(usage) = session.usage() else {
        return Err(Failure::cannot("the usage file cannot be read").help("run `kgate doctor`"));
    };
    let counts = usage.counts(Query {
        keys,
        period: window.period,
        from: window.from,
        to: window.to,
        by_key: matches!(by, By::Key | By::Consumer),
        by_route: by == By::Route,
    })?;
    let rows = rows(&counts, by, window, &store);
    let total: u64 = rows.iter().map(Row::requests).sum();
    let mut list = session.ui.list();
    for row in &rows {
        match by {
            By::Key => list.row(&ByKey(row))?,
            By::Consumer => list.row(&ByConsumer(row))?,
            By::Route => list.row(&ByRoute(row))?,
            By::Time => list.row(&ByTime(row))?,
        }
    }
    if list.end()? == 0 {
        session.ui.status(format!("no requests since {}", to_the_second(window.begins())));
    } else {
        session.ui.status(format!("{} since {}", counted(total, "request"), to_the_second(window.begins())));
    }
    Ok(Answer::Yes)
}

/// Whose usage is wanted.
enum Subject {
    Key(KeyId),
    Consumer(ConsumerId),
}

impl Subject {
    fn find(store: &Store, text: &str) -> Result<Self, Failure> {
        match lookup::parse_key_id(text)? {
            // A pruned key is gone, and its counts are not.
            Some(key) => Ok(Self::Key(key)),
            None => Ok(Self::Consumer(lookup::consumer(store, text)?.id)),
        }
    }

    fn keys(self, store: &Store) -> Result<Vec<KeyId>, Failure> {
        let mut keys = Vec::new();
        match self {
            Self::Key(key) => keys.push(key),
            Self::Consumer(consumer) => store.keys_of(consumer, &mut |record| {
                keys.extend(record.map(|key| key.id));
                true
            })?,
        }
        Ok(keys)
    }
}

/// The buckets that are read.
#[derive(Clone, Copy)]
struct Window {
    period: Period,
    from: u32,
    to: u32,
}

impl Window {
    /// Takes the finest buckets that reach back to `since` and are not too many to look at.
    fn new(since: Timestamp, now: Timestamp, retention: Retention) -> Self {
        let span = now.since(since);
        let period = [Period::Minute, Period::Hour]
            .into_iter()
            .find(|period| {
                span <= retention.of(*period) && span.as_secs() / period.secs().unsigned_abs() <= FINEST
            })
            .unwrap_or(Period::Day);
        Self { period, from: period.bucket(since), to: period.bucket(now) }
    }

    fn begins(self) -> Timestamp {
        self.period.begins(self.from)
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
struct Row {
    key: Option<(KeyId, Option<String>)>,
    consumer: Option<(ConsumerId, Option<String>)>,
    route: Option<String>,
    window: Window,
    by_used: [u64; Used::ALL.len()],
    series: Vec<u64>,
}

impl Row {
    fn new(window: Window) -> Self {
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

    fn requests(&self) -> u64 {
        self.by_used.iter().sum()
    }

    fn object(&self) -> Object {
        let name = |named: Option<&Option<String>>| json!(named.and_then(Option::as_deref));
        let mut values = vec![
            json!(self.key.as_ref().map(|(id, _)| id.to_string())),
            name(self.key.as_ref().map(|(_, name)| name)),
            json!(self.consumer.as_ref().map(|(id, _)| id.to_string())),
            name(self.consumer.as_ref().map(|(_, name)| name)),
            json!(self.route),
            time(self.window.begins()),
            time(self.window.period.begins(self.window.to + 1)),
            json!(self.requests()),
        ];
        values.extend(self.by_used.iter().map(|count| json!(count)));
        values.push(json!(self.series));
        values.push(json!(self.window.period.secs()));
        Object(USAGE.iter().map(|(name, _)| *name).zip(values).collect())
    }

    /// Returns the cells after those that say whose the row is.
    fn numbers(&self) -> impl Iterator<Item = Cell> {
        let counts = self.by_used.iter().enumerate().map(|(i, count)| match (count, i) {
            (0, _) => Cell::toned("0", Tone::Faint),
            (_, 0) => Cell::plain(count.to_string()),
            _ => Cell::toned(count.to_string(), Tone::Attention),
        });
        counts.chain([Cell::plain(sparkline(&self.series))])
    }
}

/// Adds counts up into rows, the busiest first; by time, the first first.
fn rows(counts: &[Count], by: By, window: Window, store: &Store) -> Vec<Row> {
    if by == By::Time {
        return by_time(counts, window);
    }
    let mut names = Names { store, consumers: HashMap::new() };
    let mut rows: BTreeMap<String, Row> = BTreeMap::new();
    for count in counts {
        let key = count.key.map(|id| (id, names.key(id)));
        let id = match (by, &key) {
            (By::Key, Some((id, _))) => id.to_string(),
            (By::Consumer, Some((_, Some((_, consumer))))) => consumer.to_string(),
            (By::Route, _) => count.route.clone().unwrap_or_default(),
            _ => String::new(),
        };
        let row = rows.entry(id).or_insert_with(|| {
            let mut row = Row::new(window);
            row.route.clone_from(&count.route);
            if let Some((id, known)) = &key {
                row.consumer = known.as_ref().map(|(_, consumer)| (*consumer, names.consumer(*consumer)));
                row.key = (by == By::Key).then(|| (*id, known.as_ref().map(|(name, _)| name.clone())));
            }
            row
        });
        row.add(count);
    }
    let mut rows: Vec<Row> = rows.into_values().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.requests()));
    rows
}

fn by_time(counts: &[Count], window: Window) -> Vec<Row> {
    let mut rows: BTreeMap<u32, Row> = BTreeMap::new();
    for count in counts {
        let at = Window { from: count.bucket, to: count.bucket, ..window };
        rows.entry(count.bucket).or_insert_with(|| Row::new(at)).add(count);
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

/// Draws numbers as a line of blocks, at most [`WIDTH`] of them, the highest as high as they go.
fn sparkline(series: &[u64]) -> String {
    const BLOCKS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let per_block = series.len().div_ceil(WIDTH).max(1);
    let sums: Vec<u64> = series.chunks(per_block).map(|chunk| chunk.iter().sum()).collect();
    let highest = sums.iter().copied().max().unwrap_or_default().max(1);
    let block = |sum: &u64| match sum {
        0 => '·',
        sum => {
            let level = (u128::from(*sum) * 7).div_ceil(u128::from(highest));
            BLOCKS[usize::try_from(level).unwrap_or(7).min(7)]
        }
    };
    sums.iter().map(block).collect()
}

/// How wide a line of blocks is at most.
const WIDTH: usize = 24;

struct ByKey<'r>(&'r Row);
struct ByConsumer<'r>(&'r Row);
struct ByRoute<'r>(&'r Row);
struct ByTime<'r>(&'r Row);

fn name_cell<T>(named: Option<&(T, Option<String>)>) -> Cell {
    Cell::or_none(named.and_then(|(_, name)| name.clone()).unwrap_or_default())
}

impl Item for ByKey<'_> {
    const HEADINGS: &'static [&'static str] =
        &["KEY", "NAME", "CONSUMER", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        self.0.object()
    }

    fn cells(&self) -> Vec<Cell> {
        let id = self.0.key.as_ref().map_or_else(Cell::none, |(id, _)| Cell::plain(id.to_string()));
        [id, name_cell(self.0.key.as_ref()), name_cell(self.0.consumer.as_ref())]
            .into_iter()
            .chain(self.0.numbers())
            .collect()
    }
}

impl Item for ByConsumer<'_> {
    const HEADINGS: &'static [&'static str] =
        &["CONSUMER", "NAME", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        self.0.object()
    }

    fn cells(&self) -> Vec<Cell> {
        let id = self.0.consumer.as_ref().map_or_else(Cell::none, |(id, _)| Cell::plain(id.to_string()));
        [id, name_cell(self.0.consumer.as_ref())].into_iter().chain(self.0.numbers()).collect()
    }
}

impl Item for ByRoute<'_> {
    const HEADINGS: &'static [&'static str] =
        &["ROUTE", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED", "TREND"];

    fn object(&self) -> Object {
        self.0.object()
    }

    fn cells(&self) -> Vec<Cell> {
        let route = Cell::or_none(self.0.route.clone().unwrap_or_default());
        [route].into_iter().chain(self.0.numbers()).collect()
    }
}

impl Item for ByTime<'_> {
    const HEADINGS: &'static [&'static str] =
        &["FROM", "ALLOWED", "LIMITED", "FORBIDDEN", "REFUSED", "FAILED"];

    fn object(&self) -> Object {
        self.0.object()
    }

    fn cells(&self) -> Vec<Cell> {
        let from = Cell::plain(to_the_second(self.0.window.begins()));
        [from].into_iter().chain(self.0.numbers().take(Used::ALL.len())).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_blocks_shows_nothing_as_nothing_and_the_most_as_the_most() {
        assert_eq!(sparkline(&[0, 1, 50, 100]), "·▂▅█");
        assert_eq!(sparkline(&[]), "");
        assert_eq!(sparkline(&vec![u64::MAX / 4_000; 4_000]).chars().count(), 24);
    }

    #[test]
    fn the_finest_buckets_that_reach_back_are_read() {
        let now = Timestamp::from_secs(100 * 86_400);
        let period = |hours| {
            let since = now.minus(std::time::Duration::from_hours(hours));
            Window::new(since, now, Retention::default()).period
        };
        assert_eq!(
            [1, 2, 24, 7 * 24, 30 * 24].map(period),
            [Period::Minute, Period::Minute, Period::Hour, Period::Hour, Period::Day]
        );
    }
}
