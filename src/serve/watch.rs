//! Watches what happens and puts it into the outbox for those who are to be told: rows of the audit log,
//! uses of ended keys, keys that will expire, quotas that are used up. Says the head of the audit log, so
//! that it is kept where whoever can write the store cannot.
//!
//! One thread, which may wait for other processes; nobody waits for it.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::json;

use super::Notice;
use crate::config::{EventKind, Webhook};
use crate::key::{Digest, KeyId, KeyRecord, QuotaSubject, RevokeReason, State, Timestamp};
use crate::policy::Spent;
use crate::store::{Access, Action, AuditHead, AuditRow, Options, Revision, Store, StoreError, Told, Usage};
use crate::tell::{Courier, Event, event_id};
use crate::verify::{Verifier, wall};

/// How often the watch looks whether the store changed.
const LOOK: Duration = Duration::from_secs(1);

/// How often quotas are looked at.
const QUOTAS: Duration = Duration::from_secs(5);

/// How often all keys are looked at for those that will expire.
const EXPIRIES: Duration = Duration::from_hours(1);

/// How often a head of the audit log is told while it changes.
const HEADS: Duration = Duration::from_mins(5);

/// Rows of the audit log taken at once.
const ROWS: usize = 256;

/// Uses of ended keys that wait to be told.
const USES: usize = 1_024;

/// How long before its end it is told that a key will expire, in days, and what is used of a quota, in
/// percent.
const DAYS: [u64; 3] = [1, 7, 30];
const PERCENT: u64 = 80;

/// Watches, and sends who must be told on their way.
pub(super) struct Watch {
    dir: PathBuf,
    verifier: Arc<Verifier>,
    webhooks: Vec<Webhook>,
    couriers: Vec<Arc<Courier>>,
    notify: Arc<dyn Fn(&Notice) + Send + Sync>,
    state: Mutex<Pending>,
    woken: Condvar,
    dropped: AtomicU64,
}

/// What others handed in.
#[derive(Default)]
struct Pending {
    events: Vec<Event>,
    is_closed: bool,
}

/// What the thread knows.
#[derive(Default)]
struct Seen {
    revision: Option<Revision>,
    /// The row of the audit log that was told last.
    cursor: Option<u64>,
    head: Option<AuditHead>,
    /// Whether the head is yet to be told.
    is_news: bool,
    heads_at: Option<Timestamp>,
    quotas_at: Option<Timestamp>,
    /// The marks of quotas that were told and are as much used up still.
    quotas_told: HashSet<String>,
    expiries_at: Option<Timestamp>,
}

impl Watch {
    pub(super) fn new(
        dir: &Path,
        verifier: &Arc<Verifier>,
        webhooks: &[Webhook],
        couriers: Vec<Arc<Courier>>,
        notify: Arc<dyn Fn(&Notice) + Send + Sync>,
    ) -> Arc<Self> {
        Arc::new(Self {
            dir: dir.to_owned(),
            verifier: Arc::clone(verifier),
            webhooks: webhooks.to_vec(),
            couriers,
            notify,
            state: Mutex::default(),
            woken: Condvar::new(),
            dropped: AtomicU64::new(0),
        })
    }

    /// Notes where the audit log ends, and starts the thread: what happens from now on is told.
    pub(super) fn spawn(self: &Arc<Self>) -> std::io::Result<JoinHandle<()>> {
        let this = Arc::clone(self);
        let mut seen = Seen::default();
        // If it fails now, the thread tries it again.
        let _ = self.follow_audit(&mut seen, wall());
        thread::Builder::new().name("kgate-watch".to_owned()).spawn(move || this.run(seen))
    }

    /// Returns who brings events to their receivers.
    pub(super) fn couriers(&self) -> &[Arc<Courier>] {
        &self.couriers
    }

    /// Returns who brings events to a receiver.
    pub(super) fn courier(&self, receiver: &str) -> Option<Arc<Courier>> {
        self.couriers.iter().find(|courier| courier.name() == receiver).map(Arc::clone)
    }

    /// Returns how many events there was no room for since the start.
    pub(super) fn dropped(&self) -> u64 {
        // Relaxed: the count guards no other memory.
        self.dropped.load(Ordering::Relaxed)
    }

    /// Takes what was said, if somebody is to be told of it.
    pub(super) fn note(&self, notice: &Notice) {
        if let Notice::Alert { source, spared, ended, successors, .. } = notice
            && !spared.is_empty()
            && self.wants(EventKind::KeyLeaked)
        {
            // Of what is revoked the audit log tells.
            let event = Event {
                kind: EventKind::KeyLeaked,
                at: wall(),
                data: json!({
                    "key_ids": texts(spared),
                    "reason": if *ended > 0 { "disabled" } else { "reported" },
                    "actor": source,
                    "note": null,
                    "audit_row": null,
                    "successors": texts(successors),
                }),
                mark: None,
            };
            self.put_back(vec![event]);
        }
        let Notice::EndedKeyUsed { kind, key, consumer, from } = notice else { return };
        if !self.wants(EventKind::KeyUsedAfterEnd) {
            return;
        }
        let now = wall();
        let day = now.as_secs() / 86_400;
        let event = Event {
            kind: EventKind::KeyUsedAfterEnd,
            at: now,
            data: json!({
                "kind": kind.as_str(),
                "key_id": key.to_string(),
                "consumer_id": consumer.map(|id| id.to_string()),
                "from": from.map(|from| from.to_string()),
            }),
            // Once a day, as alerts are kept.
            mark: Some((format!("used {key} {} {day}", kind.as_str()), now.plus(Duration::from_hours(48)))),
        };
        self.put_back(vec![event]);
    }

    /// Ends the thread after a last look.
    pub(super) fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.woken.notify_all();
    }

    fn wants(&self, kind: EventKind) -> bool {
        self.webhooks.iter().any(|webhook| webhook.events.contains(&kind))
    }

    fn run(&self, mut seen: Seen) {
        loop {
            let (events, is_closed) = self.wait();
            if self.post(&events, None).is_err() {
                self.put_back(events);
            }
            // What fails is tried again with the next look; the cursor and the marks see to it that nothing
            // is told twice.
            let _ = self.look(&mut seen, is_closed);
            if is_closed {
                return;
            }
        }
    }

    fn wait(&self) -> (Vec<Event>, bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (mut state, _) = self
            .woken
            .wait_timeout_while(state, LOOK, |state| !state.is_closed)
            .unwrap_or_else(PoisonError::into_inner);
        (std::mem::take(&mut state.events), state.is_closed)
    }

    /// Keeps events for the next look, as far as there is room.
    fn put_back(&self, events: Vec<Event>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            if state.events.len() < USES {
                state.events.push(event);
            } else {
                self.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    fn look(&self, seen: &mut Seen, is_last: bool) -> Result<(), StoreError> {
        let now = wall();
        let revision = self.verifier.revision();
        if seen.revision != revision || seen.cursor.is_none() {
            self.follow_audit(seen, now)?;
            seen.revision = revision;
        }
        if seen.is_news && (is_last || is_due(seen.heads_at, HEADS, now)) {
            self.tell_head(seen, now)?;
        }
        if is_last {
            return Ok(());
        }
        if self.wants(EventKind::QuotaReached) && is_due(seen.quotas_at, QUOTAS, now) {
            seen.quotas_at = Some(now);
            self.tell_quotas(seen, now)?;
        }
        if self.wants(EventKind::KeyExpiring) && is_due(seen.expiries_at, EXPIRIES, now) {
            self.tell_expiries(now)?;
            seen.expiries_at = Some(now);
        }
        Ok(())
    }

    /// Tells of quotas that became used up since the last look: the file is not written for those told before.
    fn tell_quotas(&self, seen: &mut Seen, now: Timestamp) -> Result<(), StoreError> {
        let spent = self.verifier.spent(PERCENT).into_iter();
        let marked: Vec<(String, Spent)> = spent.map(|spent| (quota_mark(&spent), spent)).collect();
        let mut news: Vec<&(String, Spent)> =
            marked.iter().filter(|(mark, _)| !seen.quotas_told.contains(mark)).collect();
        // Keys that replaced one another have one count, and each of them shows it.
        news.sort_by(|a, b| a.0.cmp(&b.0));
        news.dedup_by(|a, b| a.0 == b.0);
        let lines = self.verifier.lines(&news.iter().filter_map(|(_, spent)| key_of(spent)).collect());
        let events: Vec<Event> = news.iter().map(|(_, spent)| quota_event(spent, &lines, now)).collect();
        self.post(&events, None)?;
        seen.quotas_told = marked.into_iter().map(|(mark, _)| mark).collect();
        Ok(())
    }

    /// Takes in the rows of the audit log that are new.
    fn follow_audit(&self, seen: &mut Seen, now: Timestamp) -> Result<(), StoreError> {
        loop {
            let store = Store::open(&self.dir, Access::Read, &Options::default())?;
            let head = store.audit_head()?;
            if seen.head != Some(head) {
                (seen.head, seen.is_news) = (Some(head), true);
            }
            if self.webhooks.is_empty() {
                seen.cursor = Some(head.count);
                return Ok(());
            }
            let cursor = match seen.cursor {
                Some(cursor) if cursor <= head.count => cursor,
                _ => self.tidy(&store, now)?,
            };
            seen.cursor = Some(cursor);
            let mut rows = Vec::new();
            store.audit(cursor + 1, &mut |row| {
                rows.push(row);
                rows.len() < ROWS
            })?;
            let Some(last) = rows.last().map(|row| row.number) else { return Ok(()) };
            let events = rows.iter().filter_map(|row| audit_event(row, &store, now).transpose());
            let events = events.collect::<Result<Vec<Event>, StoreError>>()?;
            drop(store);
            let is_late = self.post(&events, Some(Told { from: cursor, to: last }))?;
            // Another process told of them: it knows how far.
            seen.cursor = if is_late { None } else { Some(last) };
        }
    }

    /// Returns the row of the audit log told last, as all processes know it.
    fn tidy(&self, store: &Store, now: Timestamp) -> Result<u64, StoreError> {
        let names = self.webhooks.iter().map(|webhook| webhook.name.clone()).collect();
        let usage = Usage::open(&self.dir, Access::Write, &Options::default())?;
        // In this order: another process goes on telling.
        let before = usage.told()?;
        let head = store.audit_head()?.count;
        usage.tidy_outbox(names, before, head, now)
    }

    fn tell_head(&self, seen: &mut Seen, now: Timestamp) -> Result<(), StoreError> {
        let Some(head) = seen.head else { return Ok(()) };
        (self.notify)(&Notice::AuditHead(head));
        (seen.is_news, seen.heads_at) = (false, Some(now));
        let hash = Digest::from_bytes(head.hash).to_string();
        let event = Event {
            kind: EventKind::AuditHead,
            at: now,
            data: json!({ "count": head.count, "hash": hash, "head": head.to_string() }),
            mark: Some((format!("head {hash}"), now.plus(Duration::from_hours(24)))),
        };
        self.post(&[event], None).map(drop)
    }

    fn tell_expiries(&self, now: Timestamp) -> Result<(), StoreError> {
        let store = Store::open(&self.dir, Access::Read, &Options::default())?;
        let mut events = Vec::new();
        let mut outcome = Ok(());
        store.keys(&mut |key| {
            events.extend(key.ok().and_then(|key| expiry_event(&key, now)));
            if events.len() >= ROWS {
                outcome = self.post(&std::mem::take(&mut events), None).map(drop);
            }
            outcome.is_ok()
        })?;
        outcome?;
        self.post(&events, None).map(drop)
    }

    /// Puts events into the outbox. Says whether another process had told of these rows before.
    fn post(&self, events: &[Event], told: Option<Told>) -> Result<bool, StoreError> {
        if self.webhooks.is_empty() || (events.is_empty() && told.is_none()) {
            return Ok(false);
        }
        let now = wall();
        let parcel = |event: &Event| event.parcel(&event_id(&mut rand::rng()), &self.webhooks, now);
        let parcels = events.iter().map(parcel).filter(|parcel| !parcel.events.is_empty()).collect();
        let usage = Usage::open(&self.dir, Access::Write, &Options::default())?;
        let posted = usage.post(parcels, told)?;
        self.dropped.fetch_add(posted.dropped, Ordering::Relaxed);
        self.couriers.iter().for_each(|courier| courier.poke());
        Ok(posted.is_late)
    }
}

fn is_due(last: Option<Timestamp>, every: Duration, now: Timestamp) -> bool {
    last.is_none_or(|last| now.since(last) >= every)
}

fn texts(ids: &[KeyId]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

/// What of a row others are told. Names what came of its keys and goes on: whoever found a leaked key may have
/// rotated it.
fn audit_event(row: &AuditRow, store: &Store, now: Timestamp) -> Result<Option<Event>, StoreError> {
    let (keys, reason) = match &row.action {
        Action::KeysRevoked { ids, reason } => (ids.clone(), reason.as_str()),
        Action::ConsumerDeleted { revoked, .. } if !revoked.is_empty() => {
            (revoked.clone(), "consumer_deleted")
        }
        Action::KeyRotated { id, until: None, .. } => (vec![*id], "rotated"),
        _ => return Ok(None),
    };
    let mut successors = Vec::new();
    for key in &keys {
        successors.extend(store.successors(*key, now)?.iter().map(|key| key.id));
    }
    let is_leak = matches!(row.action, Action::KeysRevoked { reason: RevokeReason::Leak, .. });
    Ok(Some(Event {
        kind: if is_leak { EventKind::KeyLeaked } else { EventKind::KeyRevoked },
        at: row.at,
        data: json!({
            "key_ids": texts(&keys),
            "reason": reason,
            "actor": row.actor.user,
            "note": row.note,
            "audit_row": row.number,
            "successors": texts(&successors),
        }),
        mark: None,
    }))
}

/// What is told of a key that will expire and has no successor.
fn expiry_event(key: &KeyRecord, now: Timestamp) -> Option<Event> {
    let expires = key.expires_at.filter(|at| *at > now)?;
    if key.state != State::Enabled || key.rotated_to.is_some() {
        return None;
    }
    let day = Duration::from_hours(24);
    let left = expires.since(now);
    let days = DAYS.into_iter().find(|days| left <= day * u32::try_from(*days).unwrap_or(u32::MAX))?;
    Some(Event {
        kind: EventKind::KeyExpiring,
        at: now,
        data: json!({
            "key_id": key.id.to_string(),
            "key_name": key.name,
            "consumer_id": key.consumer.to_string(),
            "expires_at": expires.to_string(),
            "days": days,
        }),
        mark: Some((format!("expiring {} {} {days}", key.id, expires.as_millis()), expires.plus(day))),
    })
}

/// Says what is told once of a quota: whose, which, in which window, and how much of it is used.
fn quota_mark(spent: &Spent) -> String {
    let window = &spent.window;
    let of: &dyn std::fmt::Display = match &window.subject {
        QuotaSubject::Key(id) => id,
        QuotaSubject::Consumer(id) => id,
        QuotaSubject::Route(name) => name,
    };
    let resets = window.quota.window().ends(window.number);
    format!("quota {of} {} {} {}", window.name, resets.as_millis(), percent(spent))
}

fn percent(spent: &Spent) -> u64 {
    if spent.used >= spent.window.quota.count() { 100 } else { PERCENT }
}

fn key_of(spent: &Spent) -> Option<KeyId> {
    match spent.window.subject {
        QuotaSubject::Key(id) => Some(id),
        QuotaSubject::Consumer(_) | QuotaSubject::Route(_) => None,
    }
}

/// `lines` are the keys that work, by the first of those that replaced one another.
fn quota_event(spent: &Spent, lines: &HashMap<KeyId, Vec<KeyId>>, now: Timestamp) -> Event {
    let window = &spent.window;
    let resets = window.quota.window().ends(window.number);
    let mut data = json!({
        "limit": &*window.name,
        "percent": percent(spent),
        "used": spent.used,
        "allowed": window.quota.count(),
        "resets_at": resets.to_string(),
    });
    match &window.subject {
        QuotaSubject::Key(first) => {
            let line = lines.get(first).map_or(&[][..], Vec::as_slice);
            // The newest is what its holder uses, or will.
            data["key_id"] = line.last().unwrap_or(first).to_string().into();
            data["key_ids"] = texts(line).into();
        }
        QuotaSubject::Consumer(id) => data["consumer_id"] = id.to_string().into(),
        QuotaSubject::Route(name) => data["route"] = name.to_string().into(),
    }
    let until = resets.plus(Duration::from_hours(24));
    Event { kind: EventKind::QuotaReached, at: now, data, mark: Some((quota_mark(spent), until)) }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::key::{Metadata, Networks, Peppers, Quota, QuotaWindow, Scopes};
    use crate::policy::{Attributes, Decision, Fields};
    use crate::store::{Act, Actor, NewConsumer, NewKey, Rotation, USAGE_FILE, Via};

    #[test]
    fn of_a_quota_eighty_and_a_hundred_percent_are_told_once_each() {
        let quota: Quota = "100/day".parse().unwrap();
        let event = |used| {
            let window = QuotaWindow {
                subject: QuotaSubject::Route("all".into()),
                name: "daily".into(),
                quota,
                number: 20_000,
            };
            quota_event(&Spent { window, used }, &HashMap::new(), Timestamp::from_secs(1))
        };
        assert_eq!((&event(80).data["percent"], &event(99).data["percent"]), (&80.into(), &80.into()));
        assert_eq!(event(80).mark, event(99).mark);
        assert_eq!((&event(100).data["percent"], &event(100).data["route"]), (&100.into(), &"all".into()));
        assert_ne!(event(100).mark, event(99).mark);
    }

    const CONFIG: &str = r#"
data_dir = "data"
[server]
default_plan = "free"
[[key_type]]
name = "live"
prefix = "acme_live"
[plans.free]
limits = [{ name = "month", quota = "10/month" }]
[[upstream]]
name = "echo"
servers = ["127.0.0.1:1"]
[[route]]
name = "all"
path = "/**"
upstream = "echo"
[[webhook]]
name = "ops"
url = "https://hooks.example.com/"
secret_file = "secret"
"#;

    struct Bearer(String);

    impl Fields for Bearer {
        fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
            if name == "authorization" {
                visit(self.0.as_bytes());
            }
        }
    }

    /// What waits for the receiver, and the header of the file, which every commit changes.
    fn outbox(data: &Path) -> (Vec<Value>, Vec<u8>) {
        let usage = Usage::open(data, Access::Read, &Options::default()).unwrap();
        let due = usage.due("ops", wall(), 100).unwrap();
        let data_of = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["data"].clone();
        let events = due.events.iter().map(|waiting| data_of(&waiting.event.body)).collect();
        (events, std::fs::read(data.join(USAGE_FILE)).unwrap()[..320].to_vec())
    }

    /// A used-up quota stays so until its window ends: that is no reason to write a file every five seconds, which
    /// makes other processes drop what they have read of it.
    #[test]
    fn a_quota_is_written_once_and_names_the_key_that_is_used() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "x".repeat(32)).unwrap();
        std::fs::write(dir.path().join("kgate.toml"), CONFIG).unwrap();
        let config = crate::config::Config::read(&dir.path().join("kgate.toml")).unwrap().config;
        let data = config.data_dir.clone();
        let actor = Actor { user: "test".into(), via: Via::Library };
        let act = Act { actor, at: wall(), note: None, request: None };
        let (options, peppers) = (Options::default(), Peppers::default());
        let store = Store::create(&data, &options, &act, &mut rand::rng()).unwrap();
        let acme = NewConsumer { name: "Acme".into(), ..NewConsumer::default() };
        let consumer = store.create_consumer(&acme, &act, &mut rand::rng()).unwrap().id;
        let new = NewKey {
            consumer,
            name: String::new(),
            key_type: "live".into(),
            prefix: "acme_live".parse().unwrap(),
            scopes: Scopes::default(),
            plan: None,
            networks: Networks::default(),
            metadata: Metadata::new(),
            not_before: None,
            expires_at: None,
        };
        let first = store.issue(&new, &peppers, &act, &mut rand::rng()).unwrap().record.id;
        let rotate = |id, grace| {
            let rotation = Rotation { grace, expires_at: None };
            store.rotate(id, rotation, &peppers, &act, &mut rand::rng()).unwrap().new
        };
        let second = rotate(first, Duration::ZERO).record.id;
        let third = rotate(second, Duration::from_hours(1));
        let newest = third.record.id;
        drop(store);

        let patient =
            crate::verify::Options { budget: Duration::from_mins(1), ..crate::verify::Options::default() };
        let verifier = Verifier::open(&data, Arc::clone(&config.rules), patient).unwrap();
        let watch = Watch::new(&data, &verifier, &config.webhooks, Vec::new(), Arc::new(|_: &Notice| {}));
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let spend = |times: usize| {
            let fields = Bearer(format!("Bearer {}", third.token.expose()));
            let request = Attributes {
                method: "GET",
                host: "a",
                target: b"/x",
                client: None,
                certificate: &[],
                fields: &fields,
            };
            for _ in 0..times {
                let decision = runtime.block_on(verifier.verify(&request)).unwrap();
                assert!(matches!(decision, Decision::Allow(_)));
            }
        };
        let mut seen = Seen::default();
        spend(9);
        watch.tell_quotas(&mut seen, wall()).unwrap();
        let (events, header) = outbox(&data);
        assert_eq!((events.len(), &events[0]["percent"]), (1, &json!(80)));
        assert_eq!(events[0]["key_id"], newest.to_string(), "not {first}, under whose name it is counted");
        assert_eq!(events[0]["key_ids"], json!([second.to_string(), newest.to_string()]), "those that work");
        for _ in 0..3 {
            watch.tell_quotas(&mut seen, wall()).unwrap();
        }
        assert!(outbox(&data).1 == header, "nothing was written");
        spend(1);
        watch.tell_quotas(&mut seen, wall()).unwrap();
        let (events, header) = outbox(&data);
        assert_eq!((events.len(), &events[1]["percent"]), (2, &json!(100)));
        // Another process may have told of it: the mark in the file decides.
        watch.tell_quotas(&mut Seen::default(), wall()).unwrap();
        let (events, after) = outbox(&data);
        assert_eq!(events.len(), 2);
        assert!(after != header, "the header says whether something was written");
    }
}
