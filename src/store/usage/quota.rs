//! What was granted of quotas. The file says so before it is spent, so that whatever dies, no more than
//! the quota is ever spent; what a process dies with is lost to the key.
//!
//! A row is one subject's quota: who, the quota's name, and what windows it counts in. Its value are the
//! windows and what was granted in each, [`WINDOWS`] at most: a clock that is set back to one of them
//! finds it as it was left. Of more, the one farthest from the newest goes.

use redb::{ReadableTable, Table};

use crate::key::{QuotaSubject, QuotaWindow, Timestamp, Window};

/// So much of a quota.
#[derive(Clone, Debug)]
pub struct Granting {
    /// Of what.
    pub window: QuotaWindow,
    /// How many.
    pub amount: u64,
}

/// What a grant came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Granted {
    /// All that is granted in the window now, to all processes.
    pub granted: u64,
    /// What of it is new, for who asked.
    pub added: u64,
}

/// How many windows of a quota are kept.
const WINDOWS: usize = 8;

/// How long a row stays after its last window.
const KEEP_SECS: i64 = 400 * 86_400;

/// Rows looked at for removal at once.
const STRETCH: usize = 256;

/// Where the removal of old rows has come, in the table of those places.
const TRIMMED: &str = "quotas";

type Quotas<'a> = Table<'a, &'static [u8], &'static [u8]>;

pub(super) fn grant(table: &mut Quotas<'_>, wanted: &[Granting]) -> Result<Vec<Granted>, redb::Error> {
    wanted
        .iter()
        .map(|want| {
            let mut added = 0;
            let granted = change(table, &want.window, |granted| {
                added = want.window.quota.count().saturating_sub(granted).min(want.amount);
                granted + added
            })?;
            Ok(Granted { granted, added })
        })
        .collect()
}

pub(super) fn give_back(table: &mut Quotas<'_>, unspent: &[Granting]) -> Result<(), redb::Error> {
    for part in unspent {
        change(table, &part.window, |granted| granted.saturating_sub(part.amount))?;
    }
    Ok(())
}

pub(super) fn granted(
    table: &impl ReadableTable<&'static [u8], &'static [u8]>,
    window: &QuotaWindow,
) -> Result<u64, redb::StorageError> {
    let row = table.get(&key_of(window)[..])?;
    let windows = row.map_or_else(Vec::new, |row| decode(row.value()));
    Ok(windows.iter().find(|(number, _)| *number == window.number).map_or(0, |(_, granted)| *granted))
}

/// Changes what is granted in a window, and returns it.
fn change(
    table: &mut Quotas<'_>,
    window: &QuotaWindow,
    change: impl FnOnce(u64) -> u64,
) -> Result<u64, redb::Error> {
    let key = key_of(window);
    let mut windows = table.get(&key[..])?.map_or_else(Vec::new, |row| decode(row.value()));
    let at = windows.iter().position(|(number, _)| *number == window.number).unwrap_or_else(|| {
        windows.push((window.number, 0));
        windows.len() - 1
    });
    let granted = change(windows[at].1);
    windows[at].1 = granted;
    if windows.len() > WINDOWS {
        let farthest = (0..windows.len()).max_by_key(|i| windows[*i].0.abs_diff(window.number));
        windows.swap_remove(farthest.unwrap_or_default());
    }
    let value: Vec<u8> = windows
        .iter()
        .flat_map(|(number, granted)| number.to_le_bytes().into_iter().chain(granted.to_le_bytes()))
        .collect();
    table.insert(&key[..], &value[..])?;
    Ok(granted)
}

/// Removes some of the rows whose last window is long over, and notes how far it came.
pub(super) fn trim(
    table: &mut Quotas<'_>,
    trimmed: &mut Table<'_, &'static str, &'static [u8]>,
    now: Timestamp,
) -> Result<(), redb::Error> {
    let from = trimmed.get(TRIMMED)?.map_or_else(Vec::new, |at| at.value().to_vec());
    let mut old = Vec::new();
    let mut last = Vec::new();
    for row in table.range::<&[u8]>(&from[..]..)?.take(STRETCH) {
        let (key, value) = row?;
        last = key.value().to_vec();
        if is_old(key.value(), value.value(), now) {
            old.push(last.clone());
        }
    }
    for key in old {
        table.remove(&key[..])?;
    }
    if last == from {
        last.clear();
    }
    if from != last {
        trimmed.insert(TRIMMED, &last[..])?;
    }
    Ok(())
}

fn is_old(key: &[u8], value: &[u8], now: Timestamp) -> bool {
    let window = key.last().and_then(|byte| Window::from_byte(*byte));
    let newest = decode(value).into_iter().map(|(number, _)| number).max();
    match (window, newest) {
        (Some(window), Some(newest)) => window.ends(newest).as_secs() + KEEP_SECS < now.as_secs(),
        _ => true,
    }
}

fn key_of(window: &QuotaWindow) -> Vec<u8> {
    let (kind, subject) = match &window.subject {
        QuotaSubject::Key(id) => (1, &id.as_bytes()[..]),
        QuotaSubject::Consumer(id) => (2, &id.as_bytes()[..]),
        QuotaSubject::Route(name) => (3, name.as_bytes()),
    };
    // Names hold no zero bytes, and identifiers are of one length.
    let mut key = vec![kind];
    key.extend_from_slice(subject);
    key.push(0);
    key.extend_from_slice(window.name.as_bytes());
    key.extend_from_slice(&[0, window.quota.window().to_byte()]);
    key
}

fn decode(value: &[u8]) -> Vec<(u32, u64)> {
    let (rows, _) = value.as_chunks::<12>();
    let row = |row: &[u8; 12]| {
        let (number, granted) = row.split_first_chunk::<4>()?;
        Some((u32::from_le_bytes(*number), u64::from_le_bytes(granted.try_into().ok()?)))
    };
    rows.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::super::{Retention, Usage, UsageBatch};
    use super::*;
    use crate::key::{ConsumerId, KeyId};
    use crate::store::Access;

    fn window(subject: QuotaSubject, quota: &str, number: u32) -> QuotaWindow {
        QuotaWindow { subject, name: "q".into(), quota: quota.parse().unwrap(), number }
    }

    fn of_key(number: u32) -> QuotaWindow {
        window(QuotaSubject::Key(KeyId::from_bytes([7; 16])), "100/day", number)
    }

    fn grant(usage: &Usage, window: QuotaWindow, amount: u64) -> (u64, u64) {
        let granted = usage.grant(vec![Granting { window, amount }]).unwrap()[0];
        (granted.granted, granted.added)
    }

    #[test]
    fn no_more_is_granted_than_the_quota_by_whatever_handle() {
        let (dir, _store) = testing::store();
        let open = || Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let (one, two) = (open(), open());
        assert_eq!(grant(&one, of_key(5), 64), (64, 64));
        assert_eq!(grant(&two, of_key(5), 64), (100, 36));
        assert_eq!(grant(&one, of_key(5), 1), (100, 0));
        drop(one);
        assert_eq!(grant(&open(), of_key(5), 1), (100, 0), "opened again");
        two.give_back(vec![Granting { window: of_key(5), amount: 6 }]).unwrap();
        assert_eq!(grant(&two, of_key(5), 64), (100, 6));
        assert_eq!(grant(&two, of_key(6), 64), (64, 64), "another window");
        let raised = QuotaWindow { quota: "150/day".parse().unwrap(), ..of_key(5) };
        assert_eq!(grant(&two, raised, 64), (150, 50), "a raised quota keeps its count");
        let consumer = window(QuotaSubject::Consumer(ConsumerId::from_bytes([7; 16])), "100/day", 5);
        assert_eq!(grant(&two, consumer, 1), (1, 1), "another subject");
        assert_eq!(grant(&two, window(QuotaSubject::Route("r".into()), "9/day", 5), 64), (9, 9));
        assert_eq!(two.granted(of_key(5)).unwrap(), 150);
    }

    #[test]
    fn a_clock_set_back_finds_windows_as_they_were() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        for number in 100..107 {
            assert_eq!(grant(&usage, of_key(number), 100), (100, 100));
        }
        assert_eq!(grant(&usage, of_key(9_000), 100), (100, 100), "a glitch into the future");
        for number in 100..107 {
            assert_eq!(grant(&usage, of_key(number), 100), (100, 0), "{number}");
        }
        assert_eq!(grant(&usage, of_key(107), 100), (100, 100));
        assert_eq!(grant(&usage, of_key(101), 100), (100, 0), "the glitch is what was forgotten");
    }

    #[test]
    fn rows_of_long_ago_are_removed() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        for id in 0..2 {
            let subject = QuotaSubject::Key(KeyId::from_bytes([id; 16]));
            grant(&usage, window(subject, "100/day", u32::from(id) * 300), 7);
        }
        let left = |id| {
            let subject = QuotaSubject::Key(KeyId::from_bytes([id; 16]));
            usage.granted(window(subject, "100/day", u32::from(id) * 300)).unwrap()
        };
        for days in [0, 420, 420] {
            usage
                .record(UsageBatch::default(), Retention::default(), Timestamp::from_secs(days * 86_400))
                .unwrap();
        }
        assert_eq!((left(0), left(1)), (0, 7));
    }
}
