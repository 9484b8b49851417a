//! How much was used.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{ConsumerId, KeyId, Past, Timestamp};
use crate::store::{Of, Part, Place, UsageAsked, UsageBy, UsageOf, UsageWindow};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{Page, Spelled};
use super::named_consumer;

/// What is counted, and how it is added up.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UsageQuery {
    /// Only this key or consumer: identifier, external id or unambiguous name.
    subject: Option<String>,
    /// Since then; 24 hours ago if nothing is said.
    since: Option<Spelled<Past>>,
    /// One row for each of these (`call`: a key on a route); keys if nothing is said, or routes if a key was named.
    by: Option<By>,
    /// `id`, if nothing is said: page by page, in the order of identifiers and routes, or of time. `busiest`: those
    /// with the most requests first, and `limit` ends the list; of the keys of all, 64 at most are known so.
    order: Option<Order>,
    /// How many rows at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The `next` of the page before, of the same question. Not with `order=busiest`.
    #[schemars(regex(pattern = "^[!-~]{1,256}$"))]
    cursor: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum Order {
    #[default]
    Id,
    Busiest,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
enum By {
    Key,
    Consumer,
    Route,
    Call,
    Time,
}

/// How much one key, consumer or route was used, or everything in one stretch of time.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Usage")]
pub struct UsageRow {
    /// The key.
    pub key_id: Option<Spelled<KeyId>>,
    /// What people call it.
    pub key_name: Option<String>,
    /// Who holds it.
    pub consumer_id: Option<Spelled<ConsumerId>>,
    /// What they are called.
    pub consumer_name: Option<String>,
    /// The route.
    pub route: Option<String>,
    /// When the row begins.
    pub from: Spelled<Timestamp>,
    /// When it ends.
    pub to: Spelled<Timestamp>,
    /// How many requests there were.
    pub requests: u64,
    /// Of them, let through.
    pub allowed: u64,
    /// Of them, 429: a limit.
    pub limited: u64,
    /// Of them, 403: address or scopes.
    pub forbidden: u64,
    /// Of them, 401.
    pub refused: u64,
    /// Of them, without an answer: the backend, or a cap.
    pub failed: u64,
    /// Requests in each step, the first one first.
    pub series: Vec<u64>,
    /// How long a step is.
    pub step_seconds: i64,
}

impl From<&crate::store::UsageRow> for UsageRow {
    fn from(row: &crate::store::UsageRow) -> Self {
        let [allowed, limited, forbidden, refused, failed] = row.by_used;
        Self {
            key_id: row.key.as_ref().map(|(id, _)| Spelled(*id)),
            key_name: row.key.as_ref().and_then(|(_, name)| name.clone()),
            consumer_id: row.consumer.as_ref().map(|(id, _)| Spelled(*id)),
            consumer_name: row.consumer.as_ref().and_then(|(_, name)| name.clone()),
            route: row.route.clone(),
            from: Spelled(row.window.begins()),
            to: Spelled(row.window.ends()),
            requests: row.requests(),
            allowed,
            limited,
            forbidden,
            refused,
            failed,
            series: row.series.clone(),
            step_seconds: row.window.period.secs(),
        }
    }
}

pub(super) fn usage(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: UsageQuery = call.query()?;
    let store = call.desk.store()?;
    let of = match query.subject.as_deref() {
        None => UsageOf::All,
        // A pruned key is gone, and its counts are not.
        Some(text) => match text.parse() {
            Ok(key) => UsageOf::Key(key),
            Err(_) => UsageOf::Consumer(named_consumer(&store, text, "?subject")?.id),
        },
    };
    let by = match query.by {
        Some(By::Consumer) => UsageBy::Consumer,
        Some(By::Route) => UsageBy::Route,
        Some(By::Call) => UsageBy::Call,
        Some(By::Time) => UsageBy::Time,
        None if matches!(of, UsageOf::Key(_)) => UsageBy::Route,
        Some(By::Key) | None => UsageBy::Key,
    };
    let since = query.since.map_or(DEFAULT, |since| since.0).resolve(call.now);
    let window = UsageWindow::reaching(since, call.now, call.desk.config().usage);
    let limit = super::limit(query.limit)?;
    let told = "pass the `next` of an answer, to the same question";
    if let Some(cursor) = &query.cursor
        && !((1..=256).contains(&cursor.len()) && cursor.bytes().all(|byte| byte.is_ascii_graphic()))
    {
        return Err(Problem::malformed("?cursor", told));
    }
    if query.cursor.is_some() && query.order == Some(Order::Busiest) {
        return Err(Problem::invalid(
            "?cursor",
            "the busiest are one page: ask for more of them with `limit`",
        ));
    }
    let wrong = || Problem::invalid("?cursor", told);
    let place = match query.cursor.as_deref() {
        Some(cursor) if by != UsageBy::Time => Some(place(cursor, of, by).ok_or_else(wrong)?),
        _ => None,
    };
    let is_top = query.order == Some(Order::Busiest);
    let part = if is_top { Part::Top(limit) } else { Part::After(place, limit) };
    let rows = call.desk.usage()?.report(&UsageAsked { of, by, window, part }, &store)?;
    let mut rows: Vec<_> = rows.iter().map(UsageRow::from).collect();
    if let (UsageBy::Time, Some(cursor)) = (by, &query.cursor) {
        let told: Timestamp = cursor.parse().map_err(|_| wrong())?;
        rows.retain(|row| row.from.0 > told);
    }
    let is_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| is_more).map(|row| row.place(by));
    Ok(Reply::json(&Page { items: rows, next }))
}

impl UsageRow {
    /// Says where in the list it stands.
    fn place(&self, by: UsageBy) -> String {
        let key = || self.key_id.map(|id| id.0.to_string()).unwrap_or_default();
        let route = || self.route.clone().unwrap_or_default();
        match by {
            UsageBy::Key => key(),
            UsageBy::Consumer => self.consumer_id.map(|id| id.0.to_string()).unwrap_or_default(),
            UsageBy::Route => route(),
            UsageBy::Call => format!("{}:{}", key(), route()),
            UsageBy::Time => self.from.0.to_string(),
        }
    }
}

/// Reads what [`UsageRow::place`] wrote.
fn place(cursor: &str, of: UsageOf, by: UsageBy) -> Option<Place> {
    let key = |text: &str| Some(Of::Key(text.parse().ok()?));
    Some(match by {
        UsageBy::Key => (key(cursor)?, None),
        UsageBy::Consumer => (Of::Consumer(cursor.parse().ok()?), None),
        UsageBy::Call => {
            let (id, route) = cursor.split_once(':')?;
            (key(id)?, Some(route.to_owned()))
        }
        UsageBy::Route | UsageBy::Time => {
            let of = match of {
                UsageOf::All => Of::All,
                UsageOf::Consumer(id) => Of::Consumer(id),
                UsageOf::Key(id) => Of::Key(id),
            };
            (of, Some(cursor.to_owned()))
        }
    })
}

const DEFAULT: Past = Past::Ago(std::time::Duration::from_hours(24));
