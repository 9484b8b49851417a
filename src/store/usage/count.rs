//! How many requests each key made: by minute, hour and day, by route, and by what became of them. Added up as
//! they are written for each consumer, and for all: what is asked of them does not grow with the keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadableTable, Table};

use crate::key::{ConsumerId, KeyId, Timestamp};

/// What became of a request with a key the store knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Used {
    /// It was let through.
    Allowed,
    /// 429: a limit.
    Limited,
    /// 403: its address or its scopes.
    Forbidden,
    /// 401: revoked, expired, disabled, not valid yet, or not for this route.
    Refused,
    /// It was let through, or would have been, and no answer came of it: the backend, or a cap.
    Failed,
}

impl Used {
    /// Every value, in the order tables show them.
    pub const ALL: [Self; 5] = [Self::Allowed, Self::Limited, Self::Forbidden, Self::Refused, Self::Failed];

    /// Returns its name in tables and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Limited => "limited",
            Self::Forbidden => "forbidden",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }

    const fn to_byte(self) -> u8 {
        self as u8
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// The width of a bucket.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Period {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day, from midnight to midnight UTC.
    Day,
}

impl Period {
    const ALL: [Self; 3] = [Self::Minute, Self::Hour, Self::Day];

    /// Returns how long it is, in seconds.
    pub const fn secs(self) -> i64 {
        match self {
            Self::Minute => 60,
            Self::Hour => 3_600,
            Self::Day => 86_400,
        }
    }

    /// Returns the number of the bucket that holds `at`, counted from 1970.
    pub fn bucket(self, at: Timestamp) -> u32 {
        u32::try_from(at.as_millis().div_euclid(self.secs() * 1000)).unwrap_or_default()
    }

    /// Returns when a bucket begins.
    pub fn begins(self, bucket: u32) -> Timestamp {
        Timestamp::from_secs(i64::from(bucket) * self.secs())
    }

    const fn to_byte(self) -> u8 {
        self as u8
    }

    fn from_byte(byte: u8) -> Option<Self> {
        Self::ALL.get(usize::from(byte)).copied()
    }
}

/// How long counts are kept. Finer ones cost more room: each key in use makes a row per bucket, route
/// and outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Counts by the minute.
    pub minutes: Duration,
    /// Counts by the hour.
    pub hours: Duration,
    /// Counts by the day, and alerts.
    pub days: Duration,
}

impl Default for Retention {
    /// Two hours, eight days, 400 days.
    fn default() -> Self {
        Self {
            minutes: Duration::from_hours(2),
            hours: Duration::from_hours(8 * 24),
            days: Duration::from_hours(400 * 24),
        }
    }
}

impl Retention {
    /// Returns how long buckets of this width are kept.
    pub const fn of(&self, period: Period) -> Duration {
        match period {
            Period::Minute => self.minutes,
            Period::Hour => self.hours,
            Period::Day => self.days,
        }
    }
}

/// What is counted apart: a key and its consumer, a route, what became of the request, and the minute.
type Cell = (KeyId, Option<ConsumerId>, Arc<str>, Used, u32);

/// Requests gathered in memory before they are written. Bounded by [`Counts::MAX`].
#[derive(Clone, Debug, Default)]
pub struct Counts {
    cells: HashMap<Cell, u64>,
    lost: u64,
}

impl Counts {
    /// The most different cells that are gathered; requests that would need more are not counted,
    /// and that is.
    pub const MAX: usize = 1 << 18;

    /// Counts one request with a key of `consumer`, if that is known.
    pub fn add(
        &mut self,
        key: KeyId,
        consumer: Option<ConsumerId>,
        route: &Arc<str>,
        used: Used,
        at: Timestamp,
    ) {
        let cell = (key, consumer, Arc::clone(route), used, Period::Minute.bucket(at));
        if self.cells.len() >= Self::MAX && !self.cells.contains_key(&cell) {
            self.lost += 1;
            return;
        }
        *self.cells.entry(cell).or_default() += 1;
    }

    /// Says whether nothing was counted.
    pub fn is_empty(&self) -> bool {
        self.cells.is_empty()
    }

    /// Returns how many requests were counted.
    pub fn requests(&self) -> u64 {
        self.cells.values().sum()
    }

    /// Returns how many requests there was no room for.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// Takes them apart into so many cells each, a key's next to each other.
    pub(super) fn parts(self, most: usize) -> impl Iterator<Item = Self> {
        let mut cells: Vec<_> = self.cells.into_iter().collect();
        cells.sort_unstable_by_key(|((key, ..), _)| *key);
        let mut cells = cells.into_iter();
        std::iter::from_fn(move || Some(Self { cells: cells.by_ref().take(most).collect(), lost: 0 }))
            .take_while(|part| !part.is_empty())
    }

    /// Adds them to what was counted before. Returns how many rows that wrote.
    pub(super) fn add_to(
        &self,
        table: &mut Table<'_, &[u8], u64>,
        busiest: &mut Table<'_, &[u8], &[u8]>,
    ) -> Result<usize, redb::Error> {
        // In order, so that neighbours are written together.
        let mut rows: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for ((key, consumer, route, used, minute), count) in &self.cells {
            let at = Period::Minute.begins(*minute);
            let subjects = [Some(Of::Key(*key)), consumer.map(Of::Consumer), Some(Of::All)];
            for of in subjects.into_iter().flatten() {
                for period in Period::ALL {
                    let row = Row { period, of, bucket: period.bucket(at), used: *used, route };
                    *rows.entry(row.encode()).or_default() += count;
                }
            }
        }
        let written = rows.len();
        let mut touched: HashMap<(Period, u32), HashMap<KeyId, u64>> = HashMap::new();
        for (row, count) in rows {
            let sum = table.get(&row[..])?.map_or(0, |count| count.value()).saturating_add(count);
            table.insert(&row[..], sum)?;
            if let Some(Row { of: Of::Key(key), period, bucket, .. }) = Row::decode(&row) {
                *touched.entry((period, bucket)).or_default().entry(key).or_default() += sum;
            }
        }
        touched.into_iter().try_for_each(|(of, sums)| rank(busiest, of, sums))?;
        Ok(written)
    }
}

/// Brings up to date who was busiest in a bucket, with the sums of the rows just written. What a key did on
/// other routes is not looked up, which would cost a read for each: who is chosen is near enough, and what is
/// told of them is then read.
fn rank(
    busiest: &mut Table<'_, &[u8], &[u8]>,
    (period, bucket): (Period, u32),
    mut sums: HashMap<KeyId, u64>,
) -> Result<(), redb::Error> {
    let row = ranking(period, bucket);
    let known = busiest.get(&row[..])?.map_or_else(Ranks::new, |row| ranks(row.value()));
    for (sum, key) in known {
        let now = sums.entry(key).or_default();
        *now = sum.max(*now);
    }
    let mut ranks: Ranks = sums.into_iter().map(|(key, sum)| (sum, key)).collect();
    ranks.sort_unstable_by(|a, b| b.cmp(a));
    ranks.truncate(RANKED);
    let bytes = postcard::to_stdvec(&ranks).expect("numbers always encode");
    busiest.insert(&row[..], &bytes[..])?;
    Ok(())
}

/// The busiest keys of a bucket, the first the most.
type Ranks = Vec<(u64, KeyId)>;

/// How many of them are kept: more than a page shows.
const RANKED: usize = 64;

fn ranking(period: Period, bucket: u32) -> [u8; 5] {
    let mut row = [0; 5];
    row[0] = period.to_byte();
    row[1..].copy_from_slice(&bucket.to_be_bytes());
    row
}

/// What cannot be read is empty: usage may be lost.
fn ranks(bytes: &[u8]) -> Ranks {
    postcard::from_bytes(bytes).unwrap_or_default()
}

/// Whose requests a row counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Of {
    /// A key's.
    Key(KeyId),
    /// A consumer's, with all its keys.
    Consumer(ConsumerId),
    /// Everybody's.
    All,
}

impl Of {
    /// What rows of a kind and period begin with.
    const fn kind(self, period: Period) -> u8 {
        let kind = match self {
            Self::Key(_) => 0,
            Self::Consumer(_) => 1,
            Self::All => 2,
        };
        kind * 3 + period.to_byte()
    }

    fn decode(kind: u8, id: [u8; 16]) -> Option<(Self, Period)> {
        let of = match kind / 3 {
            0 => Self::Key(KeyId::from_bytes(id)),
            1 => Self::Consumer(ConsumerId::from_bytes(id)),
            2 => Self::All,
            _ => return None,
        };
        Some((of, Period::from_byte(kind % 3)?))
    }

    fn id(&self) -> &[u8; 16] {
        match self {
            Self::Key(id) => id.as_bytes(),
            Self::Consumer(id) => id.as_bytes(),
            Self::All => &[0; 16],
        }
    }
}

/// A row's key: so ordered that the buckets of one key, or of one consumer, stand together.
struct Row<'r> {
    period: Period,
    of: Of,
    bucket: u32,
    used: Used,
    route: &'r str,
}

impl<'r> Row<'r> {
    fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(22 + self.route.len());
        row.extend(start(self.period, self.of, self.bucket));
        row.push(self.used.to_byte());
        row.extend(self.route.as_bytes());
        row
    }

    /// Returns `None` for what is no row of ours: usage may be lost, so it is passed over.
    fn decode(row: &'r [u8]) -> Option<Self> {
        let (kind, rest) = row.split_first()?;
        let (id, rest) = rest.split_first_chunk::<16>()?;
        let (bucket, rest) = rest.split_first_chunk::<4>()?;
        let (used, route) = rest.split_first()?;
        let (of, period) = Of::decode(*kind, *id)?;
        Some(Self {
            period,
            of,
            bucket: u32::from_be_bytes(*bucket),
            used: Used::from_byte(*used)?,
            route: std::str::from_utf8(route).ok()?,
        })
    }
}

fn start(period: Period, of: Of, bucket: u32) -> [u8; 21] {
    let mut start = [0; 21];
    start[0] = of.kind(period);
    start[1..17].copy_from_slice(of.id());
    start[17..].copy_from_slice(&bucket.to_be_bytes());
    start
}

/// Which counts are wanted, and along what they are added up.
#[derive(Clone, Debug)]
pub struct Query {
    /// Whose.
    pub of: Whose,
    /// The width of the buckets to read.
    pub period: Period,
    /// The first bucket.
    pub from: u32,
    /// The last bucket.
    pub to: u32,
    /// Keeps routes apart.
    pub by_route: bool,
    /// How much of them.
    pub part: Part,
}

/// Whose requests a row of an answer is of, and of which route, if they were to be kept apart.
pub type Place = (Of, Option<String>);

/// Which part of the counts is wanted: what is held in memory grows with it, and not with what there is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Part {
    /// Everything.
    #[default]
    All,
    /// The so many places with the most requests.
    Top(usize),
    /// What comes behind a place, or from the first on: so many places, and if there are more of them, more.
    After(Option<Place>, usize),
}

/// Whose counts are wanted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Whose {
    /// Everybody's together, one consumer's or one key's.
    One(Of),
    /// Those of each of these keys.
    Keys(Vec<KeyId>),
    /// Those of each key, which reads the rows of all.
    EachKey,
    /// Those of the busiest so many keys, at most 64: chosen among those that were busiest in any bucket. What
    /// this reads does not grow with the keys.
    Busiest(usize),
    /// Those of each consumer, which reads the rows of all.
    EachConsumer,
}

/// Requests of one bucket and outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// Whose.
    pub of: Of,
    /// The route, if they were to be kept apart.
    pub route: Option<String>,
    /// What became of them.
    pub used: Used,
    /// The bucket.
    pub bucket: u32,
    /// How many.
    pub requests: u64,
}

/// Requests by place, outcome and bucket.
type Sums = BTreeMap<(Place, Used, u32), u64>;

impl Query {
    pub(super) fn answer(
        &self,
        table: &impl ReadableTable<&'static [u8], u64>,
        busiest: Option<&impl ReadableTable<&'static [u8], &'static [u8]>>,
    ) -> Result<Vec<Count>, redb::StorageError> {
        let (first, last) = ([0; 16], [0xff; 16]);
        let key = |key: KeyId| (Of::Key(key), Of::Key(key));
        let ranges = match &self.of {
            Whose::One(of) => vec![(*of, *of)],
            Whose::Keys(keys) => keys.iter().copied().map(key).collect(),
            Whose::EachKey => vec![(Of::Key(KeyId::from_bytes(first)), Of::Key(KeyId::from_bytes(last)))],
            Whose::EachConsumer => {
                let consumer = |id| Of::Consumer(ConsumerId::from_bytes(id));
                vec![(consumer(first), consumer(last))]
            }
            Whose::Busiest(most) => {
                let keys = busiest.map_or(Ok(Vec::new()), |busiest| self.busiest(busiest, *most))?;
                keys.into_iter().map(key).collect()
            }
        };
        let sums = match &self.part {
            Part::All => self.add_up(table, &ranges, &mut |_| true)?,
            Part::Top(most) => {
                let top = self.top(table, &ranges, *most)?;
                self.add_up(table, &top, &mut |_| true)?
            }
            Part::After(place, most) => {
                // Of whom it was told last, routes may be left.
                let from = |(first, last): (Of, Of)| match place {
                    Some((of, _)) if first < *of => (*of <= last).then_some((*of, last)),
                    _ => Some((first, last)),
                };
                let ranges: Vec<_> = ranges.into_iter().filter_map(from).collect();
                let (mut seen, mut last) = (BTreeSet::new(), None);
                self.add_up(table, &ranges, &mut |at| {
                    if seen.len() > *most && last != Some(at.0) {
                        return false;
                    }
                    last = Some(at.0);
                    if place.as_ref() < Some(at) && !seen.contains(at) {
                        seen.insert(at.clone());
                    }
                    true
                })?
            }
        };
        let is_wanted = |(of, route): &Place| match &self.part {
            Part::After(Some((told, told_route)), _) => (told, told_route) < (of, route),
            _ => true,
        };
        let sums = sums.into_iter().filter(|((place, ..), _)| is_wanted(place));
        let count = |(((of, route), used, bucket), requests)| Count { of, route, used, bucket, requests };
        Ok(sums.map(count).collect())
    }

    /// Returns whose the places with the most requests are. Only what each has in all is held.
    fn top(
        &self,
        table: &impl ReadableTable<&'static [u8], u64>,
        ranges: &[(Of, Of)],
        most: usize,
    ) -> Result<Vec<(Of, Of)>, redb::StorageError> {
        let mut totals: HashMap<Place, u64> = HashMap::new();
        for (first, last) in ranges {
            self.each(table, *first, *last, &mut |row, requests| {
                *totals.entry(self.place(&row)).or_default() += requests;
                true
            })?;
        }
        let mut totals: Vec<_> = totals.into_iter().collect();
        totals.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let of: BTreeSet<Of> = totals.into_iter().take(most).map(|((of, _), _)| of).collect();
        Ok(of.into_iter().map(|of| (of, of)).collect())
    }

    fn place(&self, row: &Row<'_>) -> Place {
        (row.of, self.by_route.then(|| row.route.to_owned()))
    }

    /// Returns the keys that were busiest in the buckets together.
    fn busiest(
        &self,
        busiest: &impl ReadableTable<&'static [u8], &'static [u8]>,
        most: usize,
    ) -> Result<Vec<KeyId>, redb::StorageError> {
        let mut sums: HashMap<KeyId, u64> = HashMap::new();
        let (from, to) = (ranking(self.period, self.from), ranking(self.period, self.to));
        for row in busiest.range::<&[u8]>(&from[..]..=&to[..])? {
            for (requests, key) in ranks(row?.1.value()) {
                *sums.entry(key).or_default() += requests;
            }
        }
        let mut keys: Ranks = sums.into_iter().map(|(key, requests)| (requests, key)).collect();
        keys.sort_unstable_by(|a, b| b.cmp(a));
        Ok(keys.into_iter().take(most.min(RANKED)).map(|(_, key)| key).collect())
    }

    fn add_up(
        &self,
        table: &impl ReadableTable<&'static [u8], u64>,
        ranges: &[(Of, Of)],
        goes_on: &mut dyn FnMut(&Place) -> bool,
    ) -> Result<Sums, redb::StorageError> {
        let mut sums = Sums::new();
        for (first, last) in ranges {
            let is_over = !self.each(table, *first, *last, &mut |row, requests| {
                let place = self.place(&row);
                let goes_on = goes_on(&place);
                if goes_on {
                    *sums.entry((place, row.used, row.bucket)).or_default() += requests;
                }
                goes_on
            })?;
            if is_over {
                break;
            }
        }
        Ok(sums)
    }

    /// Calls `each` with the rows of all from `first` to `last`, until it returns `false`, and returns that.
    fn each(
        &self,
        table: &impl ReadableTable<&'static [u8], u64>,
        first: Of,
        last: Of,
        each: &mut dyn FnMut(Row<'_>, u64) -> bool,
    ) -> Result<bool, redb::StorageError> {
        let (from, to) =
            (start(self.period, first, self.from), start(self.period, last, self.to.saturating_add(1)));
        for row in table.range::<&[u8]>(&from[..]..&to[..])? {
            let (row, requests) = row?;
            #[cfg(test)]
            tests::READ.set(tests::READ.get() + 1);
            let Some(row) = Row::decode(row.value()) else { continue };
            if (self.from..=self.to).contains(&row.bucket) && !each(row, requests.value()) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// Rows removed in one commit, so that none takes long; as many as were written in it if that is more.
const TRIMMED_AT_ONCE: usize = if cfg!(test) { 2_000 } else { 20_000 };

/// Removes what is older than it is kept, from where the last call stopped. It looks at twice as many rows as it
/// may remove, and so at more than were just `written`: what is old does not outgrow what is kept.
pub(super) fn trim(
    counts: &mut Table<'_, &[u8], u64>,
    trimmed: &mut Table<'_, &str, &[u8]>,
    retention: Retention,
    now: Timestamp,
    written: usize,
) -> Result<(), redb::Error> {
    const CURSOR: &str = "counts";
    let from = trimmed.get(CURSOR)?.map(|row| row.value().to_vec()).unwrap_or_default();
    let most = TRIMMED_AT_ONCE.max(written);
    let mut old = Vec::new();
    let mut cursor = Vec::new();
    for (i, row) in counts.range::<&[u8]>(&from[..]..)?.enumerate() {
        let (row, _) = row?;
        if i / 2 == most || old.len() == most {
            cursor = row.value().to_vec();
            break;
        }
        let is_old = Row::decode(row.value()).is_none_or(|row| {
            let begins = row.period.begins(row.bucket);
            now.since(begins)
                > retention.of(row.period) + Duration::from_secs(row.period.secs().unsigned_abs())
        });
        if is_old {
            old.push(row.value().to_vec());
        }
    }
    for row in old {
        counts.remove(&row[..])?;
    }
    trimmed.insert(CURSOR, &cursor[..])?;
    Ok(())
}

/// Removes who was busiest in buckets older than they are kept.
pub(super) fn trim_ranks(
    busiest: &mut Table<'_, &[u8], &[u8]>,
    retention: Retention,
    now: Timestamp,
) -> Result<(), redb::Error> {
    for period in Period::ALL {
        let kept = retention.of(period) + Duration::from_secs(period.secs().unsigned_abs());
        let (from, to) = (ranking(period, 0), ranking(period, period.bucket(now.minus(kept))));
        busiest.retain_in::<&[u8], _>(&from[..]..&to[..], |_, _| false)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use redb::ReadableTableMetadata;

    use super::super::super::tables::BUSIEST;
    use super::super::super::{Access, Options, testing};
    use super::super::{Usage, UsageBatch};
    use super::*;

    const HOUR: i64 = 3_600;

    thread_local! {
        /// Rows of counts read on this thread.
        pub(super) static READ: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    }

    fn t(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn key(n: u8) -> KeyId {
        KeyId::from_bytes([n; 16])
    }

    /// Keys 1 and 2 are of one consumer.
    fn holder(n: u8) -> ConsumerId {
        ConsumerId::from_bytes([n.div_ceil(2); 16])
    }

    fn counted(uses: &[(u8, &str, Used, i64)]) -> UsageBatch {
        let mut counts = Counts::default();
        for (n, route, used, at) in uses {
            counts.add(key(*n), Some(holder(*n)), &Arc::from(*route), *used, t(*at));
        }
        UsageBatch { counts, ..UsageBatch::default() }
    }

    fn all(period: Period) -> Query {
        Query { of: Whose::EachKey, period, from: 0, to: u32::MAX, by_route: true, part: Part::All }
    }

    #[test]
    fn requests_are_added_up_along_what_is_asked() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let now = 100 * 24 * HOUR;
        let batch = counted(&[
            (1, "a", Used::Allowed, now),
            (1, "a", Used::Allowed, now + 30),
            (1, "a", Used::Allowed, now + 61),
            (1, "b", Used::Limited, now),
            (2, "a", Used::Refused, now),
        ]);
        usage.record(batch.clone(), Retention::default(), t(now)).unwrap();
        usage.record(batch, Retention::default(), t(now)).unwrap();
        let minutes = usage.counts(all(Period::Minute)).unwrap();
        let requests: Vec<_> = minutes.iter().map(|c| (c.of, c.used, c.requests)).collect();
        assert_eq!(
            requests,
            [
                (Of::Key(key(1)), Used::Allowed, 4),
                (Of::Key(key(1)), Used::Allowed, 2),
                (Of::Key(key(1)), Used::Limited, 2),
                (Of::Key(key(2)), Used::Refused, 2)
            ]
        );
        // Of all together and of their consumer it is the same, read from rows of their own.
        for of in [Of::All, Of::Consumer(holder(1))] {
            let days = usage.counts(Query { of: Whose::One(of), ..all(Period::Day) }).unwrap();
            let routes: Vec<_> = days.iter().map(|c| (c.route.as_deref().unwrap(), c.requests)).collect();
            assert_eq!(routes, [("a", 6), ("a", 2), ("b", 2)]);
            assert!(days.iter().all(|count| count.of == of));
        }
        for of in [Whose::One(Of::Key(key(2))), Whose::Keys(vec![key(2)])] {
            assert_eq!(usage.counts(Query { of, ..all(Period::Hour) }).unwrap().len(), 1);
        }
        let busiest = usage.counts(Query { of: Whose::Busiest(1), ..all(Period::Hour) }).unwrap();
        assert!(busiest.iter().all(|count| count.of == Of::Key(key(1))));
        assert_eq!(busiest.iter().map(|count| count.requests).sum::<u64>(), 8);
        let holders = usage.counts(Query { of: Whose::EachConsumer, ..all(Period::Hour) }).unwrap();
        assert_eq!(holders.iter().map(|c| c.requests).sum::<u64>(), 10);
        let before = Query { to: Period::Hour.bucket(t(now)) - 1, ..all(Period::Hour) };
        assert!(usage.counts(before).unwrap().is_empty());
    }

    #[test]
    fn old_counts_go_and_finer_ones_first() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let now = 1000 * 24 * HOUR;
        usage.record(counted(&[(1, "a", Used::Allowed, now)]), Retention::default(), t(now)).unwrap();
        let left = |after: i64| {
            usage.record(UsageBatch::default(), Retention::default(), t(now + after)).unwrap();
            let kinds = [Whose::EachKey, Whose::EachConsumer, Whose::One(Of::All)];
            let [keys, consumers, everybody] = kinds.map(|of| {
                let of = |period| Query { of: of.clone(), ..all(period) };
                Period::ALL.map(|period| usage.counts(of(period)).unwrap().len())
            });
            assert_eq!((keys, keys), (consumers, everybody));
            let ranked = Period::ALL
                .map(|period| usage.counts(Query { of: Whose::Busiest(9), ..all(period) }).unwrap().len());
            assert_eq!(keys, ranked);
            // Not only unseen: who was busiest then takes no room any more.
            let rows = usage.read(0, |rows| match rows.table(BUSIEST)? {
                Some(table) => table.len().map_err(rows.fail()),
                None => Ok(0),
            });
            assert_eq!(rows.unwrap(), keys.iter().sum::<usize>() as u64);
            keys
        };
        assert_eq!(left(HOUR), [1, 1, 1]);
        assert_eq!(left(3 * HOUR), [0, 1, 1]);
        assert_eq!(left(10 * 24 * HOUR), [0, 0, 1]);
        assert_eq!(left(402 * 24 * HOUR), [0, 0, 0]);
    }

    #[test]
    fn part_after_part_is_everything_once_and_the_top_is_the_top() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let now = 100 * 24 * HOUR;
        let mut uses = Vec::new();
        for n in 1..=20 {
            // The later a key, the busier it is; every third is on several routes.
            let routes: &[&str] = if n % 3 == 0 { &["a", "b", "c"] } else { &["a"] };
            for route in routes {
                uses.extend((0..n).map(|i| (n, *route, Used::Allowed, now + i64::from(i) * 60)));
            }
        }
        usage.record(counted(&uses), Retention::default(), t(now)).unwrap();
        for by_route in [false, true] {
            for whose in [Whose::EachKey, Whose::Keys((1..=20).map(key).collect())] {
                let ask = |part| {
                    let query = Query { of: whose.clone(), by_route, part, ..all(Period::Minute) };
                    usage.counts(query).unwrap()
                };
                let whole = ask(Part::All);
                for most in [1, 2, 3, 7, 100] {
                    let (mut told, mut place) = (Vec::new(), None);
                    loop {
                        let mut counts = ask(Part::After(place.clone(), most));
                        let at = |count: &Count| (count.of, count.route.clone());
                        let mut places: Vec<_> = counts.iter().map(at).collect();
                        places.dedup();
                        let is_more = places.len() > most;
                        // No more than one key's routes beyond what was asked for.
                        assert!(places.len() <= most + 3, "{places:?}");
                        places.truncate(most);
                        counts.retain(|count| places.contains(&at(count)));
                        told.extend(counts);
                        place = places.pop();
                        if !is_more {
                            break;
                        }
                    }
                    assert_eq!(told, whole, "{most}");
                }
                let top = ask(Part::Top(2));
                let of: BTreeSet<_> = top.iter().map(|count| count.of).collect();
                // 18 has three routes of 18 requests each; by route none is above 20's and 19's.
                let wanted = if by_route { [key(19), key(20)] } else { [key(15), key(18)] };
                assert_eq!(of, wanted.map(Of::Key).into(), "by route: {by_route}");
            }
        }
    }

    /// However many keys are in use: what every minute adds does not outrun what every minute takes away.
    #[test]
    fn old_counts_go_as_fast_as_new_ones_come() {
        let (dir, _store) = testing::store();
        let options = Options { patience: None, ..testing::options() };
        let usage = Usage::open(dir.path(), Access::Write, &options).unwrap();
        let retention = Retention { minutes: Duration::ZERO, ..Retention::default() };
        let (keys, route) = (TRIMMED_AT_ONCE + 1_000, Arc::from("a"));
        let mut left = Vec::new();
        for minute in 0..3 {
            let now = t(100 * 24 * HOUR + 120 * minute);
            let mut counts = Counts::default();
            for n in 0..keys {
                let id = [[0; 8], (n as u64).to_be_bytes()].concat().try_into().unwrap();
                counts.add(KeyId::from_bytes(id), None, &route, Used::Allowed, now);
            }
            usage.record(UsageBatch { counts, ..UsageBatch::default() }, retention, now).unwrap();
            left.push(usage.counts(all(Period::Minute)).unwrap().len());
        }
        assert!(left.iter().all(|rows| *rows <= 2 * keys), "{left:?}");
    }

    #[test]
    fn what_is_read_for_all_and_for_a_consumer_does_not_grow_with_the_keys() {
        let (dir, _store) = testing::store();
        // Without a watchdog, so that it is read on this thread.
        let options = Options { patience: None, ..testing::options() };
        let usage = Usage::open(dir.path(), Access::Write, &options).unwrap();
        let (now, route) = (t(100 * 24 * HOUR), Arc::from("a"));
        let one = ConsumerId::from_bytes([9; 16]);
        let number =
            |n: u16| KeyId::from_bytes([[0; 14].as_slice(), &n.to_be_bytes()].concat().try_into().unwrap());
        let mut read = Vec::new();
        for keys in [100, 1_000] {
            let mut counts = Counts::default();
            for n in 0..keys {
                // The later a key, the busier it is.
                for _ in 0..=n / 100 {
                    counts.add(number(n), Some(one), &route, Used::Allowed, now);
                }
            }
            usage.record(UsageBatch { counts, ..UsageBatch::default() }, Retention::default(), now).unwrap();
            let of = [Whose::One(Of::All), Whose::One(Of::Consumer(one)), Whose::Busiest(10)];
            read.push(of.map(|of| {
                READ.set(0);
                let counts = usage.counts(Query { of, ..all(Period::Day) }).unwrap();
                assert!(!counts.is_empty());
                READ.get()
            }));
        }
        assert_eq!(read, [[1, 1, 10], [1, 1, 10]]);
        let busiest = usage.counts(Query { of: Whose::Busiest(10), ..all(Period::Day) }).unwrap();
        assert!(busiest.iter().all(|count| count.requests == 10), "{busiest:?}");
    }

    #[test]
    fn gathering_is_bounded_and_says_what_it_lost() {
        let mut counts = Counts::default();
        let route = Arc::from("a");
        for n in 0..Counts::MAX + 10 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_le_bytes());
            counts.add(KeyId::from_bytes(id), None, &route, Used::Allowed, t(0));
        }
        counts.add(KeyId::from_bytes([0; 16]), None, &route, Used::Allowed, t(0));
        assert_eq!((counts.cells.len(), counts.lost()), (Counts::MAX, 10));
    }
}
