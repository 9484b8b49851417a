//! What is to be told to others: events that wait for the receivers of webhooks. They survive a kill, and
//! are removed in the commit that follows their delivery: told at least once, under one id.
//!
//! Events come from the audit log, of which the cursor says how far it was told, and from what happens
//! once: there a *mark* keeps the same from being told again.

use std::collections::BTreeMap;

use redb::{ReadableTable, Table};
use serde::{Deserialize, Serialize};

use crate::key::Timestamp;

/// An event for one receiver.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Outgoing {
    /// Who is to be told, by the name in the configuration.
    pub receiver: String,
    /// Its id, the same for every attempt and every receiver.
    pub id: String,
    /// What is sent.
    pub body: Vec<u8>,
    /// When it was put here.
    pub since: Timestamp,
    /// When it is to be sent.
    pub due: Timestamp,
    /// How often that failed.
    pub attempts: u32,
}

/// An event that was waiting, and its number in the outbox.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Its number.
    pub number: u64,
    /// The event.
    pub event: Outgoing,
}

/// What is to be sent to a receiver.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Due {
    /// What is due now, the oldest first.
    pub events: Vec<Waiting>,
    /// How many events wait in all.
    pub waiting: u64,
    /// When the next of the others is due.
    pub next: Option<Timestamp>,
}

/// Events that belong together: all are put into the outbox, or none.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parcel {
    /// One for each receiver.
    pub events: Vec<Outgoing>,
    /// What happened, and until when that is remembered; the same is not put in again.
    pub mark: Option<(String, Timestamp)>,
}

/// How far the audit log was told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Told {
    /// The row told last, as whoever read on from there knew it.
    pub from: u64,
    /// The row told last now.
    pub to: u64,
}

/// What came of putting events in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Posted {
    /// Events for which their receiver's share had no room.
    pub dropped: u64,
    /// Whether another process had told of these rows before; then nothing was put in.
    pub is_late: bool,
}

/// Events that wait for one receiver at most: a dead one must not take the room of others.
const SHARE: usize = 5_000;

const CURSOR: &str = "audit";
const NEXT: &str = "next";

pub(super) type Events<'t> = Table<'t, u64, &'static [u8]>;
pub(super) type Marks<'t> = Table<'t, &'static str, i64>;
pub(super) type Places<'t> = Table<'t, &'static str, u64>;

/// Puts events in.
pub(super) fn post(
    (events, marks, places): (&mut Events<'_>, &mut Marks<'_>, &mut Places<'_>),
    parcels: &[Parcel],
    told: Option<Told>,
) -> Result<Posted, redb::Error> {
    let mut posted = Posted::default();
    if let Some(told) = told {
        let from = places.get(CURSOR)?.map(|row| row.value());
        if from.is_some_and(|from| from != told.from) {
            return Ok(Posted { is_late: true, ..posted });
        }
        places.insert(CURSOR, told.to)?;
    }
    let mut shares = shares(events)?;
    let mut next = places.get(NEXT)?.map_or(0, |row| row.value());
    for parcel in parcels {
        if let Some((mark, until)) = &parcel.mark {
            if marks.get(mark.as_str())?.is_some() {
                continue;
            }
            marks.insert(mark.as_str(), until.as_millis())?;
        }
        for event in &parcel.events {
            let share = shares.entry(event.receiver.clone()).or_default();
            if *share >= SHARE {
                posted.dropped += 1;
                continue;
            }
            *share += 1;
            let bytes = postcard::to_stdvec(event).expect("an event has an encoding");
            events.insert(next, &bytes[..])?;
            next += 1;
        }
    }
    places.insert(NEXT, next)?;
    Ok(posted)
}

/// Returns the row told last.
pub(super) fn told(
    places: &impl ReadableTable<&'static str, u64>,
) -> Result<Option<u64>, redb::StorageError> {
    Ok(places.get(CURSOR)?.map(|row| row.value()))
}

/// Sets how far the audit log was told, and forgets marks whose time is over and events for receivers
/// that are no more. `before` was told before `head` was read.
pub(super) fn tidy(
    (events, marks, places): (&mut Events<'_>, &mut Marks<'_>, &mut Places<'_>),
    receivers: &[String],
    (before, head): (Option<u64>, u64),
    now: Timestamp,
) -> Result<u64, redb::Error> {
    marks.retain(|_, until| until > now.as_millis())?;
    events.retain(|_, row| decode(row).is_some_and(|event| receivers.contains(&event.receiver)))?;
    // The first time there is no history to tell; and a log that is shorter than what was told of it before it was
    // looked at was replaced. What was told meanwhile, by another process, may be beyond the head seen here.
    let told = told(places)?;
    let cursor = told.filter(|cursor| *cursor <= head || told != before).unwrap_or(head);
    places.insert(CURSOR, cursor)?;
    Ok(cursor)
}

/// Returns what is due for a receiver.
pub(super) fn due(
    events: &impl ReadableTable<u64, &'static [u8]>,
    receiver: &str,
    now: Timestamp,
    at_most: usize,
) -> Result<Due, redb::StorageError> {
    let mut due = Due::default();
    for row in events.iter()? {
        let (number, row) = row?;
        let Some(event) = decode(row.value()).filter(|event| event.receiver == receiver) else { continue };
        due.waiting += 1;
        if event.due > now {
            due.next = Some(due.next.map_or(event.due, |next| next.min(event.due)));
        } else if due.events.len() < at_most {
            due.events.push(Waiting { number: number.value(), event });
        }
    }
    Ok(due)
}

/// Removes what was delivered or given up, and puts back what is to be tried again.
pub(super) fn settle(events: &mut Events<'_>, done: &[u64], again: &[Waiting]) -> Result<(), redb::Error> {
    for number in done {
        events.remove(number)?;
    }
    for waiting in again {
        let bytes = postcard::to_stdvec(&waiting.event).expect("an event has an encoding");
        events.insert(waiting.number, &bytes[..])?;
    }
    Ok(())
}

fn shares(events: &Events<'_>) -> Result<BTreeMap<String, usize>, redb::StorageError> {
    let mut shares = BTreeMap::new();
    for row in events.iter()? {
        let (_, row) = row?;
        if let Some(event) = decode(row.value()) {
            *shares.entry(event.receiver).or_default() += 1;
        }
    }
    Ok(shares)
}

/// What cannot be read is passed over, and removed at the next start: usage may be lost.
fn decode(row: &[u8]) -> Option<Outgoing> {
    postcard::from_bytes(row).ok()
}

#[cfg(test)]
mod tests {
    use super::super::super::{Access, testing};
    use super::super::Usage;
    use super::*;

    fn event(receiver: &str, id: &str) -> Outgoing {
        Outgoing {
            receiver: receiver.into(),
            id: id.into(),
            body: b"{}".to_vec(),
            since: Timestamp::from_secs(1),
            due: Timestamp::from_secs(1),
            attempts: 0,
        }
    }

    fn parcel(receiver: &str, id: &str, mark: Option<&str>) -> Parcel {
        let mark = mark.map(|mark| (mark.to_owned(), Timestamp::from_secs(100)));
        Parcel { events: vec![event(receiver, id)], mark }
    }

    fn ids(usage: &Usage, receiver: &str, now: i64) -> Vec<String> {
        let due = usage.due(receiver, Timestamp::from_secs(now), 10).unwrap();
        due.events.into_iter().map(|waiting| waiting.event.id).collect()
    }

    #[test]
    fn events_wait_until_they_are_settled_and_what_is_marked_comes_once() {
        let (dir, _store) = testing::store();
        let open = || Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let usage = open();
        usage.post(vec![parcel("a", "1", Some("m")), parcel("b", "2", None)], None).unwrap();
        usage.post(vec![parcel("a", "3", Some("m")), parcel("a", "4", None)], None).unwrap();
        drop(usage);
        let usage = open();
        assert_eq!(ids(&usage, "a", 1), ["1", "4"]);
        assert_eq!(ids(&usage, "b", 1), ["2"]);
        let Due { events: due, waiting, next } = usage.due("a", Timestamp::from_secs(1), 1).unwrap();
        assert_eq!((due.len(), waiting, next), (1, 2, None));
        let mut later = due[0].clone();
        (later.event.due, later.event.attempts) = (Timestamp::from_secs(50), 1);
        usage.settle(Vec::new(), vec![later]).unwrap();
        assert_eq!(ids(&usage, "a", 1), ["4"]);
        let later = usage.due("a", Timestamp::from_secs(1), 10).unwrap();
        assert_eq!(later.next, Some(Timestamp::from_secs(50)));
        assert_eq!(ids(&usage, "a", 50), ["1", "4"]);
        usage.settle(vec![due[0].number], Vec::new()).unwrap();
        assert_eq!(ids(&usage, "a", 50), ["4"]);
        // A mark is forgotten in time, and what is for nobody goes.
        usage.tidy_outbox(vec!["a".into()], None, 0, Timestamp::from_secs(101)).unwrap();
        assert_eq!((ids(&usage, "a", 50).len(), ids(&usage, "b", 50).len()), (1, 0));
        usage.post(vec![parcel("a", "5", Some("m"))], None).unwrap();
        assert_eq!(ids(&usage, "a", 50), ["4", "5"]);
    }

    #[test]
    fn rows_of_the_audit_log_are_told_by_one_process_only() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let now = Timestamp::from_secs(1);
        let tidy = |before, head| usage.tidy_outbox(vec!["a".into()], before, head, now).unwrap();
        assert_eq!((usage.told().unwrap(), tidy(None, 7)), (None, 7), "no history is told");
        let told = Some(Told { from: 7, to: 9 });
        let post = |id| usage.post(vec![parcel("a", id, None)], told).unwrap();
        assert!(!post("1").is_late);
        assert!(post("2").is_late);
        assert_eq!(ids(&usage, "a", 1), ["1"]);
        assert_eq!((usage.told().unwrap(), tidy(Some(9), 20)), (Some(9), 9), "and it goes on from there");
        assert_eq!(tidy(Some(9), 3), 3, "an older store was put back");
    }

    /// One that looked at the log before another told more of it: what was told is not told again.
    #[test]
    fn a_head_that_was_read_too_early_takes_nothing_back() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let now = Timestamp::from_secs(1);
        let tidy = |before, head| usage.tidy_outbox(vec!["a".into()], before, head, now).unwrap();
        assert_eq!(tidy(None, 7), 7);
        let (before, head) = (usage.told().unwrap(), 8);
        let post = |id, from, to| usage.post(vec![parcel("a", id, None)], Some(Told { from, to })).unwrap();
        assert!(!post("1", 7, 9).is_late);
        assert_eq!(tidy(before, head), 9);
        assert!(post("2", 8, 9).is_late);
        assert_eq!(ids(&usage, "a", 1), ["1"]);
    }

    #[test]
    fn a_dead_receiver_fills_its_own_share_only() {
        let (dir, _store) = testing::store();
        let usage = Usage::open(dir.path(), Access::Write, &testing::options()).unwrap();
        let many = (0..SHARE + 3).map(|n| parcel("dead", &n.to_string(), None)).collect();
        assert_eq!(usage.post(many, None).unwrap().dropped, 3);
        assert_eq!(
            usage.post(vec![parcel("dead", "x", None), parcel("a", "1", None)], None).unwrap().dropped,
            1
        );
        assert_eq!(ids(&usage, "a", 1), ["1"]);
    }
}
