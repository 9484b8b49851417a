//! Who did what, and who used what had ended.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::key::{ConsumerId, Digest, KeyId, Past, Timestamp};
use crate::store::{Action, AlertRow, AuditFilter, AuditRow, NotedHead, Store, StoreError, Subject};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{Page, Spelled};
use super::{Gather, limit, named_consumer};

/// Which rows are listed; filters combine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only rows about this key, admin key or consumer.
    subject: Option<String>,
    /// Only rows of this action, such as `key.revoked`, or of all that begin so, such as `key`.
    action: Option<String>,
    /// Only rows by this actor.
    actor: Option<String>,
    /// Only rows since then.
    since: Option<Spelled<Past>>,
    /// `newest` first, or `oldest` first.
    order: Option<Order>,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The `next` of the page before: the number of its last row.
    #[schemars(range(min = 0, max = 1_000_000_000_000_u64))]
    cursor: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Order {
    #[default]
    Newest,
    Oldest,
}

/// Which alerts are listed.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct AlertQuery {
    /// Only those of this key or consumer.
    subject: Option<String>,
    /// Only those since then.
    since: Option<Spelled<Past>>,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The `next` of the page before.
    #[schemars(regex(
        pattern = "^[0-9]{1,15}-key_[0-7][0-9a-hjkmnp-tv-z]{25}-use_after_(revocation|expiry)$"
    ))]
    cursor: Option<String>,
}

/// How the audit log is checked.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyQuery {
    /// A head that was noted before, `COUNT:HASH` or the hash alone: where in the log is it?
    #[schemars(regex(pattern = "^([0-9]{1,12}:)?[0-9a-f]{64}$"))]
    head: Option<String>,
}

/// A row of the audit log.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuditRow")]
pub struct AuditRowShape {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When it was asked for.
    pub at: Spelled<Timestamp>,
    /// When it takes effect: of a rotation the end of the grace period, else `at`.
    pub effective_at: Spelled<Timestamp>,
    /// Who.
    pub actor: String,
    /// Through which door: `cli`, `api`, `portal`, `library`, `system` or `holder`.
    pub via: String,
    /// What, for example `key.revoked`.
    pub action: String,
    /// The consumers, keys and admin keys it touched.
    pub subjects: Vec<String>,
    /// What else is known of it.
    pub details: Value,
    /// Why, in the actor's words.
    pub note: Option<String>,
    /// The hash of the row before it, in hexadecimal.
    pub previous: String,
}

impl From<&AuditRow> for AuditRowShape {
    fn from(row: &AuditRow) -> Self {
        Self {
            number: row.number,
            at: Spelled(row.at),
            effective_at: Spelled(row.effective_at()),
            actor: row.actor.user.clone(),
            via: row.actor.via.as_str().to_owned(),
            action: row.action.name().to_owned(),
            subjects: row.action.subjects().iter().map(ToString::to_string).collect(),
            details: details(&row.action),
            note: row.note.clone(),
            previous: Digest::from_bytes(row.previous).to_string(),
        }
    }
}

/// What a check of the audit log found.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "AuditReport")]
pub struct AuditReportShape {
    /// Rows read.
    pub rows: u64,
    /// Number and hash of the last row, `COUNT:HASH`.
    pub head: String,
    /// What is wrong; empty if the log is whole.
    pub faults: Vec<String>,
    /// The number of the row the given head is of; null: none was given, or the log does not contain it.
    #[serde(default)]
    pub head_at: Option<u64>,
}

impl AuditReportShape {
    /// Checks the whole log, and looks for a head that was noted before.
    ///
    /// # Errors
    /// Those of reading.
    pub fn of(store: &Store, noted: Option<&NotedHead>) -> Result<Self, StoreError> {
        let report = store.verify_audit()?;
        // In a log with faults its place would say nothing.
        let noted = noted.filter(|_| report.faults.is_empty());
        let head_at = noted.map(|noted| store.audit_row_hashed(&noted.hash)).transpose()?.flatten();
        Ok(Self {
            rows: report.rows,
            head: report.head.to_string(),
            faults: report.faults.iter().map(ToString::to_string).collect(),
            head_at,
        })
    }
}

/// Uses of a key that had ended, on one day.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Alert")]
pub struct AlertShape {
    /// `use_after_revocation` or `use_after_expiry`.
    pub kind: String,
    /// The key.
    pub key_id: Spelled<KeyId>,
    /// What people call it; null if it was pruned.
    pub key_name: Option<String>,
    /// Who held it.
    pub consumer_id: Option<Spelled<ConsumerId>>,
    /// What they are called.
    pub consumer_name: Option<String>,
    /// The first request of that day.
    pub first_at: Spelled<Timestamp>,
    /// The last.
    pub last_at: Spelled<Timestamp>,
    /// How many there were.
    pub requests: u64,
    /// Where the last came from.
    pub from: Option<String>,
}

impl AlertShape {
    /// Shows alerts as they were found, with what keys and their holders are called now; only those about
    /// `subject`, of uses at or after `since`.
    pub fn of(
        rows: Vec<AlertRow>,
        subject: Option<Subject>,
        since: Option<Timestamp>,
        store: &Store,
    ) -> impl Iterator<Item = (AlertRow, Self)> + '_ {
        rows.into_iter().filter_map(move |row| {
            let key = store.key(row.key).ok();
            let is_about = match subject {
                None => true,
                Some(Subject::Key(id)) => id == row.key,
                Some(Subject::Consumer(id)) => key.as_ref().is_some_and(|key| key.consumer == id),
                Some(Subject::AdminKey(_)) => false,
            };
            if !is_about || since.is_some_and(|since| row.alert.last < since) {
                return None;
            }
            let consumer = key.as_ref().and_then(|key| store.consumer(key.consumer).ok());
            let shape = Self {
                kind: row.kind.as_str().to_owned(),
                key_id: Spelled(row.key),
                key_name: key.as_ref().map(|key| key.name.clone()),
                consumer_id: key.as_ref().map(|key| Spelled(key.consumer)),
                consumer_name: consumer.map(|consumer| consumer.name),
                first_at: Spelled(row.alert.first),
                last_at: Spelled(row.alert.last),
                requests: row.alert.requests,
                from: row.alert.from.map(|from| from.to_string()),
            };
            Some((row, shape))
        })
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: ListQuery = call.query()?;
    let store = call.desk.store()?;
    let filter = AuditFilter {
        subject: query.subject.as_deref().map(|text| subject(&store, text)).transpose()?,
        action: query.action,
        actor: query.actor,
        since: query.since.as_ref().map(|since| since.0.resolve(call.now)),
    };
    if query.cursor.is_some_and(|cursor| cursor > LAST_ROW) {
        return Err(Problem::malformed("?cursor", "pass the `next` of an answer, unchanged"));
    }
    let order = query.order.unwrap_or_default();
    let mut gather = Gather::new(limit(query.limit)?);
    let mut each = |row: AuditRow| {
        if order == Order::Newest && filter.since.is_some_and(|since| row.at < since) {
            // The clock may have been set back between two rows, but not for long.
            return gather.scanned_past();
        }
        let wanted = filter.matches(&row);
        gather.take(&row.number.to_string(), wanted.then(|| AuditRowShape::from(&row)))
    };
    match order {
        Order::Newest => store.audit_back(query.cursor, &mut each)?,
        Order::Oldest => store.audit(query.cursor.map_or(1, |cursor| cursor.saturating_add(1)), &mut each)?,
    }
    Ok(Reply::json(&gather.page()?))
}

fn subject(store: &Store, text: &str) -> Result<Subject, Problem> {
    // A key may be pruned and a consumer deleted: their rows are still here.
    if let Ok(key) = text.parse() {
        return Ok(Subject::Key(key));
    }
    if let Ok(consumer) = text.parse() {
        return Ok(Subject::Consumer(consumer));
    }
    if let Ok(admin_key) = text.parse() {
        return Ok(Subject::AdminKey(admin_key));
    }
    Ok(Subject::Consumer(named_consumer(store, text, "?subject")?.id))
}

pub(super) fn verify(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: VerifyQuery = call.query()?;
    let noted = query.head.as_deref().map(str::parse::<NotedHead>).transpose();
    let noted = noted.map_err(|error| Problem::malformed("?head", error))?;
    Ok(Reply::json(&AuditReportShape::of(&call.desk.store()?, noted.as_ref())?))
}

pub(super) fn alerts(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: AlertQuery = call.query()?;
    let store = call.desk.store()?;
    let subject = query.subject.as_deref().map(|text| subject(&store, text)).transpose()?;
    let since = query.since.map(|since| since.0.resolve(call.now));
    let limit = limit(query.limit)?;
    let usage = call.desk.usage()?;
    let from = since.unwrap_or(Timestamp::from_millis(0));
    let mut rows = match subject {
        None => usage.alerts_of(None, from)?,
        Some(Subject::Key(id)) => usage.alerts_of(Some(vec![id]), from)?,
        Some(Subject::Consumer(id)) => usage.alerts_of(Some(store.key_ids_of(id)?), from)?,
        Some(Subject::AdminKey(_)) => Vec::new(),
    };
    if let Some(cursor) = query.cursor.as_deref() {
        let at = rows.iter().position(|row| place(row) == cursor);
        // An alert that was used again stands further in front, and one too old is gone.
        let after = at.map_or_else(|| behind(cursor, &rows), |at| Ok(at + 1))?;
        rows.drain(..after);
    }
    let mut shown: Vec<_> = AlertShape::of(rows, subject, since, &store).take(limit + 1).collect();
    let is_more = shown.len() > limit;
    shown.truncate(limit);
    let next = shown.last().filter(|_| is_more).map(|(row, _)| place(row));
    Ok(Reply::json(&Page { items: shown.into_iter().map(|(_, shape)| shape).collect(), next }))
}

/// Says where in the list an alert stands.
fn place(row: &AlertRow) -> String {
    format!("{}-{}-{}", row.alert.last.as_millis(), row.key, row.kind.as_str())
}

/// Returns how many alerts stand before a place where none is any more.
fn behind(cursor: &str, rows: &[AlertRow]) -> Result<usize, Problem> {
    let read = || {
        let (at, rest) = cursor.split_once('-')?;
        let (key, kind) = rest.split_once('-')?;
        Some((at.parse::<i64>().ok()?, key.parse::<KeyId>().ok()?, kind))
    };
    let (at, key, kind) =
        read().ok_or_else(|| Problem::malformed("?cursor", "pass the `next` of an answer, unchanged"))?;
    let is_before = |row: &AlertRow| {
        let last = row.alert.last.as_millis();
        last > at || (last == at && (row.key, row.kind.as_str()) < (key, kind))
    };
    Ok(rows.iter().take_while(|row| is_before(row)).count())
}

/// More rows than there will be.
const LAST_ROW: u64 = 1_000_000_000_000;

/// Says what is known of an action beyond its name and subjects, as an object.
fn details(action: &Action) -> Value {
    match action {
        Action::ConsumerUpdated { fields, .. } | Action::KeyUpdated { fields, .. } => {
            json!({ "fields": fields })
        }
        Action::KeyRotated { successor, until, .. } => {
            json!({ "successor": successor.to_string(), "until": until.map(|at| at.to_string()) })
        }
        Action::KeysRevoked { reason, .. } => json!({ "reason": reason.as_str() }),
        Action::KeysPruned { keys } => {
            let kept = keys.iter().map(|k| {
                json!({
                    "id": k.id.to_string(),
                    "digest": k.digest.to_string(),
                    "revoked_at": k.revoked_at.to_string(),
                    "reason": k.reason.as_str(),
                })
            });
            json!({ "keys": kept.collect::<Vec<_>>() })
        }
        Action::Restored { revision, .. } | Action::BackedUp { revision } => json!({ "revision": revision }),
        Action::OlderAccepted { seen } => json!({ "seen": seen }),
        Action::Migrated { from, to } => json!({ "from": from, "to": to }),
        Action::AdminKeyCreated { role, .. } => json!({ "role": role }),
        Action::AdminKeyRotated { successor, until, .. } => {
            json!({ "successor": successor.to_string(), "until": until.map(|at| at.to_string()) })
        }
        Action::PortalInvited { until, .. } => json!({ "until": until.to_string() }),
        _ => json!({}),
    }
}
