//! Usage, in a file of its own: every commit makes other processes drop their page cache, and usage
//! is written all the time. If it is lost, so are the counts of quotas: they begin anew.
//!
//! Four things are kept: when and from where each key was last used, how many requests it made
//! ([`count`]), uses of keys that had ended ([`alert`]), and what was granted of quotas ([`quota`]); beside
//! them who may use the portal ([`portal`]). All but the last two are written once a minute at most, whatever the traffic, and what is old is removed in
//! the same commits, a stretch at a time.

mod alert;
mod count;
mod outbox;
mod portal;
mod quota;
mod report;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use redb::{Key, ReadOnlyTable, ReadableTable, TableDefinition, Value, WriteTransaction};

use crate::key::{KeyId, QuotaWindow, Timestamp};

use super::guard::watched;
use super::open::{DbFile, ensure_usage_file, fault};
use super::place::{USAGE_FILE, refuse_network};
use super::read::Snapshot;
use super::tables::{
    ALERTS, BUSIEST, COUNTS, EVENT_MARKS, EVENT_PLACES, EVENTS, Id, LAST_FROM, LAST_USED, QUOTAS,
    USAGE_TRIMMED,
};
use super::{Access, Options, StoreError};

pub use alert::{Alert, AlertKind, AlertRow};
pub use count::{Count, Counts, Of, Part, Period, Place, Query, Retention, Used, Whose};
pub use outbox::{Due, Outgoing, Parcel, Posted, Told, Waiting};
pub use portal::{Invite, PortalSession, SignedInBy, Visitor};
pub use quota::{Granted, Granting};
pub use report::{UsageAsked, UsageBy, UsageOf, UsageRow, UsageWindow};

/// The open usage file. Opened for reading where there is none, it is empty.
#[derive(Clone)]
pub struct Usage {
    file: Option<Arc<DbFile>>,
}

impl std::fmt::Debug for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Usage")
    }
}

/// What happened since the last write.
#[derive(Clone, Debug, Default)]
pub struct UsageBatch {
    /// The latest use of each key that was let through.
    pub last: HashMap<KeyId, LastUse>,
    /// Requests with known keys.
    pub counts: Counts,
    /// Uses of keys that had ended.
    pub alerts: HashMap<(KeyId, AlertKind), Alert>,
}

impl UsageBatch {
    /// Says whether there is nothing to write.
    pub fn is_empty(&self) -> bool {
        self.last.is_empty() && self.counts.is_empty() && self.alerts.is_empty()
    }

    /// Takes it apart into batches that are each written long before anybody's patience is over, however much there
    /// is. Alerts, which matter most, are in the first.
    pub fn parts(self) -> impl Iterator<Item = Self> {
        let (mut last, mut alerts) = (self.last.into_iter(), self.alerts);
        let mut counts = self.counts.parts(PART);
        std::iter::from_fn(move || {
            let alerts = std::mem::take(&mut alerts);
            let counts = counts.next().unwrap_or_default();
            Some(Self { last: last.by_ref().take(PART).collect(), counts, alerts })
        })
        .take_while(|part| !part.is_empty())
    }
}

/// The most keys, or cells of counts, that are written in one commit. A cell makes up to nine rows.
const PART: usize = 4_096;

/// When a key was last let through, and from where.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// The client's address, where it was known.
    pub from: Option<IpAddr>,
}

impl Usage {
    /// Opens the usage file in `dir`. To write, it is made if it was lost.
    ///
    /// # Errors
    /// Those of [`super::Store::open`].
    pub fn open(dir: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        let path = dir.join(USAGE_FILE);
        if access == Access::Write {
            ensure_usage_file(dir, options)?;
        } else if path.symlink_metadata().is_err() {
            return Ok(Self { file: None });
        }
        refuse_network(dir)?;
        Ok(Self { file: Some(Arc::new(DbFile::open(&path, access, options)?)) })
    }

    /// Says whether its path still leads to the file that is open.
    pub fn is_in_place(&self) -> bool {
        self.file.as_ref().is_none_or(|file| file.is_in_place())
    }

    /// Returns when a key was last let through, if ever.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_used_at(&self, id: KeyId) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.last_use(id)?.map(|last| last.at))
    }

    /// Returns when and from where a key was last let through, if ever.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_use(&self, id: KeyId) -> Result<Option<LastUse>, StoreError> {
        self.read(None, move |rows| {
            let Some(times) = rows.table(LAST_USED)? else { return Ok(None) };
            let Some(at) = times.get(id.as_bytes()).map_err(rows.fail())? else { return Ok(None) };
            let from = match rows.table(LAST_FROM)? {
                Some(table) => table.get(id.as_bytes()).map_err(rows.fail())?.map(|row| address(row.value())),
                None => None,
            };
            Ok(Some(LastUse { at: Timestamp::from_millis(at.value()), from }))
        })
    }

    /// Returns when each of these keys was last let through, of those that ever were.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_used_of(&self, keys: Vec<KeyId>) -> Result<HashMap<KeyId, Timestamp>, StoreError> {
        self.read(HashMap::new(), move |rows| {
            let Some(table) = rows.table(LAST_USED)? else { return Ok(HashMap::new()) };
            let mut last = HashMap::with_capacity(keys.len());
            for id in keys {
                let millis = table.get(id.as_bytes()).map_err(rows.fail())?.map(|millis| millis.value());
                last.extend(millis.map(|millis| (id, Timestamp::from_millis(millis))));
            }
            Ok(last)
        })
    }

    /// Returns when every key that was ever used was last let through.
    ///
    /// # Errors
    /// Those of reading.
    pub fn last_used(&self) -> Result<HashMap<KeyId, Timestamp>, StoreError> {
        self.read(HashMap::new(), |rows| {
            let Some(table) = rows.table(LAST_USED)? else { return Ok(HashMap::new()) };
            let mut all = HashMap::new();
            for row in table.range::<&Id>(..).map_err(rows.fail())? {
                let (id, millis) = row.map_err(rows.fail())?;
                all.insert(KeyId::from_bytes(*id.value()), Timestamp::from_millis(millis.value()));
            }
            Ok(all)
        })
    }

    /// Returns counted requests, added up as `query` asks.
    ///
    /// # Errors
    /// Those of reading.
    pub fn counts(&self, query: Query) -> Result<Vec<Count>, StoreError> {
        self.read(Vec::new(), move |rows| {
            let Some(table) = rows.table(COUNTS)? else { return Ok(Vec::new()) };
            let busiest = rows.table(BUSIEST)?;
            query.answer(&table, busiest.as_ref()).map_err(rows.fail())
        })
    }

    /// Returns uses of ended keys, the latest first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn alerts(&self) -> Result<Vec<AlertRow>, StoreError> {
        self.alerts_of(None, Timestamp::from_millis(0))
    }

    /// As [`Usage::alerts`], of these keys or all, and of those not before a time. Neither days before it nor
    /// other keys are read.
    ///
    /// # Errors
    /// Those of reading.
    pub fn alerts_of(&self, keys: Option<Vec<KeyId>>, since: Timestamp) -> Result<Vec<AlertRow>, StoreError> {
        self.read(Vec::new(), move |rows| match rows.table(ALERTS)? {
            Some(table) => alert::of(&table, keys.as_deref(), since).map_err(rows.fail()),
            None => Ok(Vec::new()),
        })
    }

    /// Writes what happened, in one commit, and removes some of what is older than `retention`. An
    /// earlier time of use than the one noted changes nothing.
    ///
    /// # Errors
    /// Those of writing.
    pub fn record(&self, batch: UsageBatch, retention: Retention, now: Timestamp) -> Result<(), StoreError> {
        self.write("noting usage", move |txn| write(txn, &batch, retention, now))
    }

    /// Grants more of quotas, each as much as was asked or as there is, in one durable commit: once this
    /// returns, the grants may be spent.
    ///
    /// # Errors
    /// Those of writing; nothing may be spent then.
    pub fn grant(&self, wanted: Vec<Granting>) -> Result<Vec<Granted>, StoreError> {
        self.write("granting quotas", move |txn| quota::grant(&mut txn.open_table(QUOTAS)?, &wanted))
    }

    /// Takes back grants that nobody will spend.
    ///
    /// # Errors
    /// Those of writing.
    pub fn give_back(&self, unspent: Vec<Granting>) -> Result<(), StoreError> {
        self.write("giving quotas back", move |txn| quota::give_back(&mut txn.open_table(QUOTAS)?, &unspent))
    }

    /// Returns what was granted of a quota, to all processes together.
    ///
    /// # Errors
    /// Those of reading.
    pub fn granted(&self, window: QuotaWindow) -> Result<u64, StoreError> {
        self.read(0, move |rows| match rows.table(QUOTAS)? {
            Some(table) => quota::granted(&table, &window).map_err(rows.fail()),
            None => Ok(0),
        })
    }

    /// Puts events into the outbox, in one commit; with `told` only if nobody told of these rows of the audit
    /// log before.
    ///
    /// # Errors
    /// Those of writing; nothing was put in then.
    pub fn post(&self, parcels: Vec<Parcel>, told: Option<Told>) -> Result<Posted, StoreError> {
        self.write("noting events", move |txn| {
            let (mut events, mut marks, mut places) =
                (txn.open_table(EVENTS)?, txn.open_table(EVENT_MARKS)?, txn.open_table(EVENT_PLACES)?);
            outbox::post((&mut events, &mut marks, &mut places), &parcels, told)
        })
    }

    /// Returns the row of the audit log that was told last, by any process; `None` before the first.
    ///
    /// # Errors
    /// Those of reading.
    pub fn told(&self) -> Result<Option<u64>, StoreError> {
        self.read(None, move |rows| match rows.table(EVENT_PLACES)? {
            Some(table) => outbox::told(&table).map_err(rows.fail()),
            None => Ok(None),
        })
    }

    /// Forgets events for others than `receivers` and marks whose time is over. Returns the row of the audit
    /// log that was told last: the first time, and if the log has become shorter, that is its `head`.
    ///
    /// `before` is what [`Usage::told`] said before `head` was read. A log that is shorter than that was replaced;
    /// one that is only shorter than what was told since is not, but was looked at too early.
    ///
    /// # Errors
    /// Those of writing.
    pub fn tidy_outbox(
        &self,
        receivers: Vec<String>,
        before: Option<u64>,
        head: u64,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        self.write("tidying events", move |txn| {
            let (mut events, mut marks, mut places) =
                (txn.open_table(EVENTS)?, txn.open_table(EVENT_MARKS)?, txn.open_table(EVENT_PLACES)?);
            outbox::tidy((&mut events, &mut marks, &mut places), &receivers, (before, head), now)
        })
    }

    /// Returns what is due for a receiver, at most so many.
    ///
    /// # Errors
    /// Those of reading.
    pub fn due(&self, receiver: &str, now: Timestamp, at_most: usize) -> Result<Due, StoreError> {
        let receiver = receiver.to_owned();
        self.read(Due::default(), move |rows| match rows.table(EVENTS)? {
            Some(table) => outbox::due(&table, &receiver, now, at_most).map_err(rows.fail()),
            None => Ok(Due::default()),
        })
    }

    /// Removes events that were delivered or given up, by their numbers, and puts back those that are to be
    /// tried again.
    ///
    /// # Errors
    /// Those of writing; what was delivered is then delivered again.
    pub fn settle(&self, done: Vec<u64>, again: Vec<Waiting>) -> Result<(), StoreError> {
        self.write("settling events", move |txn| outbox::settle(&mut txn.open_table(EVENTS)?, &done, &again))
    }

    fn write<R: Send + 'static>(
        &self,
        action: &'static str,
        job: impl FnOnce(&WriteTransaction) -> Result<R, redb::Error> + Send + 'static,
    ) -> Result<R, StoreError> {
        let Some(file) = self.file.clone() else { return Err(StoreError::ReadOnly) };
        watched(&file.clone().call(action, Vec::new()), move |gate| {
            let txn = file.begin_write()?;
            let result = job(&txn).map_err(|error| fault(file.path(), error))?;
            if !gate.enter_commit() {
                // The caller gave up.
                return Err(StoreError::Held { waited: Duration::ZERO, holders: Vec::new() });
            }
            txn.commit().map_err(|e| fault(file.path(), redb::Error::from(e)))?;
            Ok(result)
        })
    }

    fn read<R: Send + 'static>(
        &self,
        without_file: R,
        job: impl FnOnce(&Rows) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let Some(file) = self.file.clone() else { return Ok(without_file) };
        watched(&file.clone().call("reading usage", Vec::new()), move |_| {
            job(&Rows(Snapshot::new(file.begin_read()?, file.path().to_owned())))
        })
    }
}

/// The usage file at one moment. A table that was never written to is not there.
struct Rows(Snapshot);

impl Rows {
    fn table<K: Key + 'static, V: Value + 'static>(
        &self,
        table: TableDefinition<'_, K, V>,
    ) -> Result<Option<ReadOnlyTable<K, V>>, StoreError> {
        self.0.open_if_there(table)
    }

    fn fail(&self) -> impl Fn(redb::StorageError) -> StoreError + 'static {
        self.0.fail()
    }
}

fn write(
    txn: &WriteTransaction,
    batch: &UsageBatch,
    retention: Retention,
    now: Timestamp,
) -> Result<(), redb::Error> {
    {
        let (mut times, mut places) = (txn.open_table(LAST_USED)?, txn.open_table(LAST_FROM)?);
        for (id, last) in &batch.last {
            let noted = times.get(id.as_bytes())?.map(|millis| millis.value());
            if noted.is_some_and(|noted| noted >= last.at.as_millis()) {
                continue;
            }
            times.insert(id.as_bytes(), last.at.as_millis())?;
            match last.from {
                Some(from) => places.insert(id.as_bytes(), octets(from))?,
                None => places.remove(id.as_bytes())?,
            };
        }
    }
    let mut counts = txn.open_table(COUNTS)?;
    let mut busiest = txn.open_table(BUSIEST)?;
    let written = batch.counts.add_to(&mut counts, &mut busiest)?;
    count::trim_ranks(&mut busiest, retention, now)?;
    let mut alerts = txn.open_table(ALERTS)?;
    alert::add(&mut alerts, &batch.alerts)?;
    let mut trimmed = txn.open_table(USAGE_TRIMMED)?;
    count::trim(&mut counts, &mut trimmed, retention, now, written)?;
    alert::trim(&mut alerts, retention.days, now)?;
    quota::trim(&mut txn.open_table(QUOTAS)?, &mut trimmed, now)?;
    Ok(())
}

/// An address as it is stored: IPv4 in its mapped form.
fn octets(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

fn address(octets: [u8; 16]) -> IpAddr {
    Ipv6Addr::from(octets).to_canonical()
}

#[cfg(test)]
mod tests {
    use super::super::testing;
    use super::*;

    fn last(seconds: i64) -> LastUse {
        LastUse { at: Timestamp::from_secs(seconds), from: Some("10.1.2.3".parse().unwrap()) }
    }

    fn used(uses: &[(KeyId, LastUse)]) -> UsageBatch {
        UsageBatch { last: uses.iter().copied().collect(), ..UsageBatch::default() }
    }

    #[test]
    fn however_much_there_is_no_part_of_it_is_long_in_writing() {
        let mut whole = UsageBatch::default();
        let route = Arc::from("a");
        for n in 0..10_000_u64 {
            let key = KeyId::from_bytes([[0; 8], n.to_le_bytes()].concat().try_into().unwrap());
            whole.counts.add(key, None, &route, Used::Allowed, Timestamp::from_secs(1));
            whole.last.insert(key, last(1));
        }
        let key = KeyId::from_bytes([9; 16]);
        let at = Timestamp::from_secs(1);
        let alert = Alert { first: at, last: at, requests: 1, from: None };
        whole.alerts.insert((key, AlertKind::UseAfterRevocation), alert);
        let parts: Vec<_> = whole.parts().collect();
        let counted: Vec<_> = parts.iter().map(|part| part.counts.requests()).collect();
        let told: Vec<_> = parts.iter().map(|part| (part.last.len(), part.alerts.len())).collect();
        assert_eq!(counted, [4_096, 4_096, 1_808]);
        assert_eq!(told, [(4_096, 1), (4_096, 0), (1_808, 0)]);
        assert_eq!(UsageBatch::default().parts().count(), 0);
    }

    #[test]
    fn the_latest_use_stays_and_a_lost_file_is_empty() {
        let (dir, _store) = testing::store();
        let (a, b) = (KeyId::from_bytes([1; 16]), KeyId::from_bytes([2; 16]));
        let t = Timestamp::from_secs;
        let record =
            |usage: &Usage, uses: &[(KeyId, LastUse)]| usage.record(used(uses), Retention::default(), t(10));
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        record(&usage, &[(a, last(5)), (b, last(7))]).unwrap();
        record(&usage, &[(a, last(9)), (b, last(6))]).unwrap();
        let reader = Usage::open(dir.path(), Access::Read, &testing::options()).unwrap();
        assert_eq!(reader.last_used().unwrap(), HashMap::from([(a, t(9)), (b, t(7))]));
        assert_eq!(reader.last_use(a).unwrap(), Some(last(9)));
        assert_eq!(reader.last_used_at(KeyId::from_bytes([3; 16])).unwrap(), None);
        assert!(matches!(record(&reader, &[(a, last(9))]), Err(StoreError::ReadOnly)));
        drop((usage, reader));
        std::fs::remove_file(dir.path().join(USAGE_FILE)).unwrap();
        let reader = Usage::open(dir.path(), Access::Read, &testing::options()).unwrap();
        assert!(reader.last_used().unwrap().is_empty());
        assert!(reader.alerts().unwrap().is_empty());
    }
}
