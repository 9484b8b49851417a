//! Requests that may come again, over a network that lost the answer, and must not be done twice.
//!
//! What a request did is noted in the transaction that did it, so a crash leaves both or neither, and of
//! two that come at once only one commits. Names are kept for [`KEPT_FOR`], at most [`KEPT`] of them.

use std::path::Path;
use std::time::Duration;

use redb::{ReadableTable, ReadableTableMetadata, WriteTransaction};

use crate::key::{Digest, Timestamp};

use super::codec::{self, DoneShape};
use super::open::fault;
use super::tables::{REQUESTS, REQUESTS_BY_ROW};
use super::write::damaged;
use super::{Store, StoreError};

/// A request by the name its sender gave it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Request {
    name: [u8; 32],
    fingerprint: [u8; 32],
}

impl Request {
    /// Names a request: `sender` keeps the names of one from those of another, and `content` tells whether
    /// what comes again is the same.
    pub fn new(sender: &str, name: &str, content: &[u8]) -> Self {
        // The length keeps (`a`, `bc`) from being (`ab`, `c`).
        let name = format!("{}:{sender}{name}", sender.len());
        Self {
            name: *Digest::sha256(name.as_bytes()).as_bytes(),
            fingerprint: *Digest::sha256(content).as_bytes(),
        }
    }
}

/// What became of an earlier request of the same name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Done {
    /// When it was done.
    pub at: Timestamp,
    /// The row of the audit log that says what.
    pub row: u64,
}

impl Store {
    /// Returns what a request did that was carried out before, as far as that is still known at `now`.
    ///
    /// # Errors
    /// [`StoreError::RequestReused`] if it was another one.
    pub fn done(&self, request: &Request, now: Timestamp) -> Result<Option<Done>, StoreError> {
        let request = *request;
        self.read(move |snapshot| {
            let Some(table) = snapshot.open_if_there(REQUESTS)? else { return Ok(None) };
            let row = table.get(&request.name).map_err(snapshot.fail())?;
            row.map_or(Ok(None), |row| judge(&request, row.value(), now))
        })
    }
}

/// Notes that the row `number` of the audit log is what `request` did.
///
/// # Errors
/// [`StoreError::AlreadyDone`], [`StoreError::RequestReused`]: nothing may be committed then.
pub(super) fn note(
    txn: &WriteTransaction,
    path: &Path,
    request: &Request,
    now: Timestamp,
    number: u64,
) -> Result<(), StoreError> {
    let fail = |error: redb::TableError| fault(path, error);
    let at = |error: redb::StorageError| fault(path, error);
    let mut requests = txn.open_table(REQUESTS).map_err(fail)?;
    let mut by_row = txn.open_table(REQUESTS_BY_ROW).map_err(fail)?;
    let known = requests.get(&request.name).map_err(at)?;
    if let Some(done) = known.map_or(Ok(None), |row| judge(request, row.value(), now))? {
        return Err(StoreError::AlreadyDone { at: done.at, row: done.row });
    }
    loop {
        let Some((row, name)) = by_row.first().map_err(at)?.map(|(r, n)| (r.value(), *n.value())) else {
            break;
        };
        let old = requests.get(&name).map_err(at)?.map(|done| codec::decode_done(&name, done.value()));
        // One that came again after its time is known by its newer row.
        let is_its = matches!(&old, Some(Ok(done)) if done.row == row);
        let is_over = !matches!(&old, Some(Ok(done)) if !is_past(done, now));
        if !is_over && by_row.len().map_err(at)? < KEPT {
            break;
        }
        by_row.remove(row).map_err(at)?;
        if is_its {
            requests.remove(&name).map_err(at)?;
        }
    }
    let done = DoneShape { fingerprint: request.fingerprint, at: now.as_millis(), row: number };
    let bytes = codec::encode_done(&request.name, &done);
    requests.insert(&request.name, bytes.as_slice()).map_err(at)?;
    by_row.insert(number, &request.name).map_err(at)?;
    Ok(())
}

fn judge(request: &Request, bytes: &[u8], now: Timestamp) -> Result<Option<Done>, StoreError> {
    let done = codec::decode_done(&request.name, bytes)
        .map_err(|problem| damaged("a request carried out before", problem))?;
    let at = Timestamp::from_millis(done.at);
    if is_past(&done, now) {
        return Ok(None);
    }
    if done.fingerprint != request.fingerprint {
        return Err(StoreError::RequestReused { at });
    }
    Ok(Some(Done { at, row: done.row }))
}

fn is_past(done: &DoneShape, now: Timestamp) -> bool {
    now.since(Timestamp::from_millis(done.at)) >= KEPT_FOR
}

/// How long a name is kept: clients that try again do so within minutes.
const KEPT_FOR: Duration = Duration::from_hours(24);

/// How many names are kept; the oldest go first.
const KEPT: u64 = if cfg!(test) { 20 } else { 10_000 };

#[cfg(test)]
mod tests {
    use super::super::testing::{act, act_at, now, store};
    use super::super::{Act, NewConsumer};
    use super::*;

    fn create(store: &Store, name: &str, request: Request, at: Timestamp) -> Result<(), StoreError> {
        let new = NewConsumer { name: name.to_owned(), ..NewConsumer::default() };
        let act = Act { request: Some(request), ..act_at(at) };
        store.create_consumer(&new, &act, &mut rand::rng()).map(drop)
    }

    fn count(store: &Store) -> usize {
        let mut count = 0;
        store
            .consumers(&mut |_| {
                count += 1;
                true
            })
            .unwrap();
        count
    }

    #[test]
    fn a_request_is_carried_out_once_within_its_time() {
        let (dir, store) = store();
        let request = Request::new("akey_1", "once", b"{}");
        create(&store, "Acme", request, now()).unwrap();
        let row = store.audit_tail(1).unwrap()[0].number;
        drop(store);
        let store = super::super::testing::open(dir.path());
        let again = create(&store, "Acme", request, now());
        assert!(matches!(again, Err(StoreError::AlreadyDone { row: r, .. }) if r == row), "{again:?}");
        assert_eq!(store.done(&request, now()).unwrap(), Some(Done { at: now(), row }));
        let other = Request::new("akey_1", "once", b"{ }");
        assert!(matches!(create(&store, "Acme", other, now()), Err(StoreError::RequestReused { .. })));
        let stranger = Request::new("akey_2", "once", b"{}");
        create(&store, "Acme", stranger, now()).unwrap();
        assert_eq!(count(&store), 2);
        let later = now().plus(KEPT_FOR);
        assert_eq!(store.done(&request, later).unwrap(), None);
        create(&store, "Acme", request, later).unwrap();
        assert_eq!(count(&store), 3);
    }

    #[test]
    fn names_are_bounded() {
        let (_dir, store) = store();
        for number in 0..KEPT + 5 {
            create(&store, "Acme", Request::new("a", &number.to_string(), b""), now()).unwrap();
        }
        let known = |number: u64| store.done(&Request::new("a", &number.to_string(), b""), now()).unwrap();
        assert_eq!(known(0), None);
        assert!(known(KEPT + 4).is_some());
        assert!(store.verify_audit().unwrap().faults.is_empty());
        store
            .create_consumer(
                &NewConsumer { name: "x".into(), ..NewConsumer::default() },
                &act(),
                &mut rand::rng(),
            )
            .unwrap();
    }
}
