//! How many requests each key made: by minute, hour and day, by route, and by what became of them.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use redb::{ReadableTable, Table};

use crate::key::{KeyId, Timestamp};

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

/// Requests gathered in memory before they are written. Bounded by [`Counts::MAX`].
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// By key, route, outcome and minute.
    cells: HashMap<(KeyId, Arc<str>, Used, u32), u64>,
    lost: u64,
}

impl Counts {
    /// The most different cells that are gathered; requests that would need more are not counted,
    /// and that is.
    pub const MAX: usize = 1 << 18;

    /// Counts one request.
    pub fn add(&mut self, key: KeyId, route: &Arc<str>, used: Used, at: Timestamp) {
        let cell = (key, Arc::clone(route), used, Period::Minute.bucket(at));
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

    pub(super) fn add_to(&self, table: &mut Table<'_, &[u8], u64>) -> Result<(), redb::Error> {
        // In order, so that neighbours are written together.
        let mut rows: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
        for ((key, route, used, minute), count) in &self.cells {
            let at = Period::Minute.begins(*minute);
            for period in Period::ALL {
                let row = Row { period, key: *key, bucket: period.bucket(at), used: *used, route };
                *rows.entry(row.encode()).or_default() += count;
            }
        }
        for (row, count) in rows {
            let before = table.get(&row[..])?.map_or(0, |count| count.value());
            table.insert(&row[..], before.saturating_add(count))?;
        }
        Ok(())
    }
}

/// A row's key: so ordered that one key's buckets stand together.
struct Row<'r> {
    period: Period,
    key: KeyId,
    bucket: u32,
    used: Used,
    route: &'r str,
}

impl<'r> Row<'r> {
    fn encode(&self) -> Vec<u8> {
        let mut row = Vec::with_capacity(22 + self.route.len());
        row.extend(start(self.period, self.key, self.bucket));
        row.push(self.used.to_byte());
        row.extend(self.route.as_bytes());
        row
    }

    /// Returns `None` for what is no row of ours: usage may be lost, so it is passed over.
    fn decode(row: &'r [u8]) -> Option<Self> {
        let (period, rest) = row.split_first()?;
        let (key, rest) = rest.split_first_chunk::<16>()?;
        let (bucket, rest) = rest.split_first_chunk::<4>()?;
        let (used, route) = rest.split_first()?;
        Some(Self {
            period: Period::from_byte(*period)?,
            key: KeyId::from_bytes(*key),
            bucket: u32::from_be_bytes(*bucket),
            used: Used::from_byte(*used)?,
            route: std::str::from_utf8(route).ok()?,
        })
    }
}

fn start(period: Period, key: KeyId, bucket: u32) -> [u8; 21] {
    let mut start = [0; 21];
    start[0] = period.to_byte();
    start[1..17].copy_from_slice(key.as_bytes());
    start[17..].copy_from_slice(&bucket.to_be_bytes());
    start
}

/// Which counts are wanted, and along what they are added up.
#[derive(Clone, Debug)]
pub struct Query {
    /// Only these keys; `None` is all.
    pub keys: Option<Vec<KeyId>>,
    /// The width of the buckets to read.
    pub period: Period,
    /// The first bucket.
    pub from: u32,
    /// The last bucket.
    pub to: u32,
    /// Keeps keys apart.
    pub by_key: bool,
    /// Keeps routes apart.
    pub by_route: bool,
}

/// Requests of one bucket and outcome.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Count {
    /// The key, if they were to be kept apart.
    pub key: Option<KeyId>,
    /// The route, if they were to be kept apart.
    pub route: Option<String>,
    /// What became of them.
    pub used: Used,
    /// The bucket.
    pub bucket: u32,
    /// How many.
    pub requests: u64,
}

/// Requests by key, route, outcome and bucket.
type Sums = BTreeMap<(Option<KeyId>, Option<String>, Used, u32), u64>;

impl Query {
    pub(super) fn answer(
        &self,
        table: &impl ReadableTable<&'static [u8], u64>,
    ) -> Result<Vec<Count>, redb::StorageError> {
        let mut sums = Sums::new();
        if let Some(keys) = &self.keys {
            for key in keys {
                let from = start(self.period, *key, self.from);
                let to = start(self.period, *key, self.to.saturating_add(1));
                self.add_up(table, &from, &to, &mut sums)?;
            }
        } else {
            let (period, next) = ([self.period.to_byte()], [self.period.to_byte() + 1]);
            self.add_up(table, &period, &next, &mut sums)?;
        }
        let count = |((key, route, used, bucket), requests)| Count { key, route, used, bucket, requests };
        Ok(sums.into_iter().map(count).collect())
    }

    fn add_up(
        &self,
        table: &impl ReadableTable<&'static [u8], u64>,
        from: &[u8],
        to: &[u8],
        sums: &mut Sums,
    ) -> Result<(), redb::StorageError> {
        for row in table.range::<&[u8]>(from..to)? {
            let (row, requests) = row?;
            let Some(row) = Row::decode(row.value()) else { continue };
            if row.bucket < self.from || row.bucket > self.to {
                continue;
            }
            let route = self.by_route.then(|| row.route.to_owned());
            let cell = (self.by_key.then_some(row.key), route, row.used, row.bucket);
            *sums.entry(cell).or_default() += requests.value();
        }
        Ok(())
    }
}

/// Rows looked at for removal in one commit, so that none takes long.
const TRIMMED_AT_ONCE: usize = 20_000;

/// Removes what is older than it is kept, from where the last call stopped.
pub(super) fn trim(
    counts: &mut Table<'_, &[u8], u64>,
    trimmed: &mut Table<'_, &str, &[u8]>,
    retention: Retention,
    now: Timestamp,
) -> Result<(), redb::Error> {
    const CURSOR: &str = "counts";
    let from = trimmed.get(CURSOR)?.map(|row| row.value().to_vec()).unwrap_or_default();
    let mut old = Vec::new();
    let mut cursor = Vec::new();
    for (i, row) in counts.range::<&[u8]>(&from[..]..)?.enumerate() {
        let (row, _) = row?;
        if i == TRIMMED_AT_ONCE {
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

#[cfg(test)]
mod tests {
    use super::super::super::{Access, testing};
    use super::super::{Usage, UsageBatch};
    use super::*;

    const HOUR: i64 = 3_600;

    fn t(seconds: i64) -> Timestamp {
        Timestamp::from_secs(seconds)
    }

    fn key(n: u8) -> KeyId {
        KeyId::from_bytes([n; 16])
    }

    fn counted(uses: &[(u8, &str, Used, i64)]) -> UsageBatch {
        let mut counts = Counts::default();
        for (n, route, used, at) in uses {
            counts.add(key(*n), &Arc::from(*route), *used, t(*at));
        }
        UsageBatch { counts, ..UsageBatch::default() }
    }

    fn all(period: Period) -> Query {
        Query { keys: None, period, from: 0, to: u32::MAX, by_key: true, by_route: true }
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
        let requests: Vec<_> = minutes.iter().map(|c| (c.key.unwrap(), c.used, c.requests)).collect();
        assert_eq!(
            requests,
            [
                (key(1), Used::Allowed, 4),
                (key(1), Used::Allowed, 2),
                (key(1), Used::Limited, 2),
                (key(2), Used::Refused, 2)
            ]
        );
        let day = Query { by_key: false, by_route: true, ..all(Period::Day) };
        let days = usage.counts(day).unwrap();
        let routes: Vec<_> = days.iter().map(|c| (c.route.as_deref().unwrap(), c.requests)).collect();
        assert_eq!(routes, [("a", 6), ("a", 2), ("b", 2)]);
        let one = Query { keys: Some(vec![key(2)]), ..all(Period::Hour) };
        assert_eq!(usage.counts(one).unwrap().len(), 1);
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
            Period::ALL.map(|period| usage.counts(all(period)).unwrap().len())
        };
        assert_eq!(left(HOUR), [1, 1, 1]);
        assert_eq!(left(3 * HOUR), [0, 1, 1]);
        assert_eq!(left(10 * 24 * HOUR), [0, 0, 1]);
        assert_eq!(left(402 * 24 * HOUR), [0, 0, 0]);
    }

    #[test]
    fn gathering_is_bounded_and_says_what_it_lost() {
        let mut counts = Counts::default();
        let route = Arc::from("a");
        for n in 0..Counts::MAX + 10 {
            let mut id = [0; 16];
            id[..8].copy_from_slice(&n.to_le_bytes());
            counts.add(KeyId::from_bytes(id), &route, Used::Allowed, t(0));
        }
        counts.add(KeyId::from_bytes([0; 16]), &route, Used::Allowed, t(0));
        assert_eq!((counts.cells.len(), counts.lost()), (Counts::MAX, 10));
    }
}
