//! Uses of keys that had ended: somebody still has one, who should not or does not know. One row a
//! key, kind and day, however many requests.

use std::collections::HashMap;
use std::net::IpAddr;
use std::time::Duration;

use redb::{ReadableTable, Table};
use serde::{Deserialize, Serialize};

use crate::key::{KeyId, Timestamp};

use super::count::Period;

/// What was wrong with the key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AlertKind {
    /// It had been revoked.
    UseAfterRevocation,
    /// Its time was over.
    UseAfterExpiry,
}

impl AlertKind {
    /// Returns its name in tables, JSON and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::UseAfterRevocation => "use_after_revocation",
            Self::UseAfterExpiry => "use_after_expiry",
        }
    }

    fn from_byte(byte: u8) -> Option<Self> {
        [Self::UseAfterRevocation, Self::UseAfterExpiry].get(usize::from(byte)).copied()
    }
}

/// Uses of one key, taken together.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Alert {
    /// The first.
    pub first: Timestamp,
    /// The last.
    pub last: Timestamp,
    /// How many.
    pub requests: u64,
    /// Where the last came from, if that is known.
    pub from: Option<IpAddr>,
}

impl Alert {
    /// Takes another's uses in.
    pub fn merge(&mut self, other: &Self) {
        if other.last >= self.last {
            self.last = other.last;
            self.from = other.from;
        }
        self.first = self.first.min(other.first);
        self.requests = self.requests.saturating_add(other.requests);
    }
}

/// Uses of one key on one day.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlertRow {
    /// The key.
    pub key: KeyId,
    /// What was wrong with it.
    pub kind: AlertKind,
    /// The uses.
    pub alert: Alert,
}

fn row_key(key: KeyId, kind: AlertKind, day: u32) -> [u8; 21] {
    let mut row = [0; 21];
    row[..4].copy_from_slice(&day.to_be_bytes());
    row[4..20].copy_from_slice(key.as_bytes());
    row[20] = kind as u8;
    row
}

pub(super) fn add(
    table: &mut Table<'_, &[u8], &[u8]>,
    alerts: &HashMap<(KeyId, AlertKind), Alert>,
) -> Result<(), redb::Error> {
    for ((key, kind), alert) in alerts {
        let row = row_key(*key, *kind, Period::Day.bucket(alert.last));
        let mut sum = *alert;
        if let Some(before) =
            table.get(&row[..])?.and_then(|row| postcard::from_bytes::<Alert>(row.value()).ok())
        {
            sum = before;
            sum.merge(alert);
        }
        let bytes = postcard::to_stdvec(&sum).expect("an alert has an encoding");
        table.insert(&row[..], &bytes[..])?;
    }
    Ok(())
}

/// Returns the rows of these keys, or all, whose last use was not before `since`, the latest first. What cannot
/// be read is passed over: usage may be lost.
pub(super) fn of(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    keys: Option<&[KeyId]>,
    since: Timestamp,
) -> Result<Vec<AlertRow>, redb::StorageError> {
    let first = Period::Day.bucket(since);
    let mut rows = Vec::new();
    let mut read = |from: &[u8], to: &[u8]| -> Result<(), redb::StorageError> {
        for row in table.range::<&[u8]>(from..to)? {
            let (key, value) = row?;
            rows.extend(decode(key.value(), value.value()));
        }
        Ok(())
    };
    match (keys, table.last()?) {
        (_, None) => {}
        (None, _) => read(&first.to_be_bytes(), &[0xff; 4])?,
        // Of each day there is at most a row or two of a key.
        (Some(keys), Some((last, _))) => {
            let day = |row: &[u8]| row.first_chunk().map_or(0, |day| u32::from_be_bytes(*day));
            let oldest = table.first()?.map_or(0, |(row, _)| day(row.value()));
            for day in first.max(oldest)..=day(last.value()) {
                for key in keys {
                    let from = row_key(*key, AlertKind::UseAfterRevocation, day);
                    read(&from, &[&from[..20], &[0xff]].concat())?;
                }
            }
        }
    }
    rows.retain(|row| row.alert.last >= since);
    rows.sort_by_key(|row| (std::cmp::Reverse(row.alert.last), row.key, row.kind));
    Ok(rows)
}

fn decode(row: &[u8], value: &[u8]) -> Option<AlertRow> {
    Some(AlertRow {
        key: KeyId::from_bytes(row.get(4..20)?.try_into().ok()?),
        kind: AlertKind::from_byte(*row.get(20)?)?,
        alert: postcard::from_bytes(value).ok()?,
    })
}

/// Removes days older than `kept`; they come first.
pub(super) fn trim(
    table: &mut Table<'_, &[u8], &[u8]>,
    kept: Duration,
    now: Timestamp,
) -> Result<(), redb::Error> {
    let day = Period::Day.bucket(now.minus(kept));
    table.retain_in::<&[u8], _>(..&day.to_be_bytes()[..], |_, _| false)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::super::{Access, testing};
    use super::super::{Retention, Usage, UsageBatch};
    use super::*;

    #[test]
    fn uses_of_a_day_are_one_row_and_old_days_go() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let day = 86_400;
        let key = KeyId::from_bytes([7; 16]);
        let see = |at: i64, from: &str| {
            let at = Timestamp::from_secs(at);
            let alert = Alert { first: at, last: at, requests: 2, from: Some(from.parse().unwrap()) };
            let alerts = HashMap::from([((key, AlertKind::UseAfterRevocation), alert)]);
            usage.record(UsageBatch { alerts, ..UsageBatch::default() }, Retention::default(), at).unwrap();
        };
        see(1000 * day + 5, "192.0.2.1");
        see(1000 * day + 9, "2001:db8::1");
        see(1001 * day, "192.0.2.2");
        let rows = usage.alerts().unwrap();
        assert_eq!(rows.len(), 2);
        // Of one key it is the same as of all; of another, or later, less.
        let of = |n, day: i64| {
            let since = Timestamp::from_secs(day * 86_400);
            usage.alerts_of(Some(vec![KeyId::from_bytes([n; 16])]), since).unwrap()
        };
        assert_eq!((of(7, 0), of(7, 1001), of(6, 0)), (rows.clone(), rows[..1].to_vec(), Vec::new()));
        let earlier = rows[1].alert;
        assert_eq!((earlier.requests, earlier.from), (4, Some("2001:db8::1".parse().unwrap())));
        assert_eq!(earlier.first, Timestamp::from_secs(1000 * day + 5));
        see(1401 * day, "192.0.2.2");
        assert_eq!(usage.alerts().unwrap().len(), 2, "the first day is gone");
    }
}
