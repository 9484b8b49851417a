//! Who holds keys.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{ConsumerId, ConsumerRecord, KeyId, State};
use crate::store::{Action, ConsumerEdit, ConsumerFilter, NewConsumer, Outcome, RecordTag};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{Change, ConsumerShape, Note, Pairs, Spelled};
use super::{Gather, NoteBody, action_of, check_plan, consumer, cursor, etag, limit, location, once};

/// Which consumers are listed; filters combine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those with this tag; several: with all of them.
    #[serde(default)]
    tag: Vec<String>,
    /// Only those with this plan of their own.
    plan: Option<String>,
    /// Only enabled, or only disabled ones.
    enabled: Option<bool>,
    /// Only those whose name contains this, whatever the case.
    name: Option<String>,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The `next` of the page before.
    cursor: Option<Spelled<ConsumerId>>,
}

/// What a consumer is made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "NewConsumer")]
pub struct NewConsumerBody {
    /// What people call it; need not be unique.
    #[schemars(length(min = 1, max = 256))]
    pub name: String,
    /// Its name in your own system; unique.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub external_id: Option<String>,
    /// Whom to ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub contact: Option<String>,
    /// Its plan, one of the configuration's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// May be forwarded to backends.
    #[serde(default)]
    pub metadata: Pairs,
    /// Never forwarded.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub tags: BTreeSet<String>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// A change to a consumer: what is absent stays, null clears.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ConsumerEdit")]
pub struct ConsumerEditBody {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub name: Option<String>,
    /// Another external id.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub external_id: Change<String>,
    /// Another contact.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub contact: Change<String>,
    /// Another plan; null goes back to the default plan.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub plan: Change<String>,
    /// Pairs to add or replace.
    #[serde(default)]
    pub set_metadata: Pairs,
    /// Metadata to remove.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub unset_metadata: BTreeSet<String>,
    /// Tags to add.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub add_tags: BTreeSet<String>,
    /// Tags to remove.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub remove_tags: BTreeSet<String>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

impl From<&NewConsumerBody> for NewConsumer {
    fn from(body: &NewConsumerBody) -> Self {
        let NewConsumerBody { name, external_id, contact, plan, metadata, tags, note: _ } = body.clone();
        Self { name, external_id, contact, plan, metadata, tags }
    }
}

impl ConsumerEditBody {
    /// Returns what is changed, of the version that `if_tag` names or of any.
    pub fn edit(&self, if_tag: Option<String>) -> ConsumerEdit {
        let body = self.clone();
        ConsumerEdit {
            name: body.name,
            external_id: body.external_id.into_edit(),
            contact: body.contact.into_edit(),
            plan: body.plan.into_edit(),
            set_metadata: body.set_metadata,
            unset_metadata: body.unset_metadata,
            add_tags: body.add_tags,
            remove_tags: body.remove_tags,
            if_tag,
        }
    }
}

/// How a consumer is deleted.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteQuery {
    /// Only say which keys would be revoked.
    #[serde(default)]
    dry_run: bool,
    /// Why, in your words, for the audit log.
    #[serde(default)]
    note: Note,
}

/// A deleted consumer.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "DeletedConsumer")]
pub struct ConsumerDeleted {
    /// Its identifier.
    pub id: Spelled<ConsumerId>,
    /// What it was called.
    pub name: String,
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Its keys that were, or would be, revoked with it.
    pub revoked: Vec<Spelled<KeyId>>,
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: ListQuery = call.query()?;
    let after = cursor(query.cursor.map(|id| id.0.to_string()).as_deref())?;
    let mut gather = Gather::new(limit(query.limit)?);
    let filter =
        ConsumerFilter { tags: query.tag, plan: query.plan, enabled: query.enabled, name: query.name };
    call.desk.store()?.consumers_after(after, &mut |record| match record {
        Ok(record) => {
            let item = filter.matches(&record).then(|| ConsumerShape::from(&record));
            gather.take(&record.id.to_string(), item)
        }
        Err(error) => gather.fail(error),
    })?;
    Ok(Reply::json(&gather.page()?))
}

pub(super) fn create(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NewConsumerBody = call.body()?;
    check_plan(&call.desk.config(), body.plan.as_deref())?;
    let store = call.desk.store()?;
    let new = NewConsumer::from(&body);
    let made = |record: &ConsumerRecord| {
        let reply = Reply::created(&ConsumerShape::from(record));
        location(etag(reply, RecordTag::of_consumer(record)), format!("/v1/consumers/{}", record.id))
    };
    once(
        call,
        &store,
        || Ok(made(&store.create_consumer(&new, &call.act(body.note.clone()), &mut rand::rng())?)),
        |row| match action_of(&store, row)? {
            Action::ConsumerCreated { id } => Ok(made(&store.consumer(id)?)),
            other => Err(not_made(&other)),
        },
    )
}

/// The same request did something else: only a damaged store can say so.
pub(super) fn not_made(action: &Action) -> Problem {
    Problem::new(409, "already_done", format!("it was carried out before, as {}", action.name()))
}

pub(super) fn show(call: &Call<'_>) -> Result<Reply, Problem> {
    let record = consumer(&call.desk.store()?, call.param("consumer"))?;
    Ok(shown(&record))
}

fn shown(record: &ConsumerRecord) -> Reply {
    etag(Reply::json(&ConsumerShape::from(record)), RecordTag::of_consumer(record))
}

pub(super) fn update(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: ConsumerEditBody = call.body()?;
    if let Change::Set(plan) = &body.plan {
        check_plan(&call.desk.config(), Some(plan))?;
    }
    let store = call.desk.store()?;
    let id = consumer(&store, call.param("consumer"))?.id;
    let edit = body.edit(call.if_match.clone());
    Ok(shown(&store.update_consumer(id, &edit, &call.act(body.note))?.record))
}

pub(super) fn disable(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NoteBody = call.body()?;
    let store = call.desk.store()?;
    let id = consumer(&store, call.param("consumer"))?.id;
    Ok(switched(&store.disable_consumer(id, &call.act(body.note))?))
}

pub(super) fn enable(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NoteBody = call.body()?;
    let store = call.desk.store()?;
    let id = consumer(&store, call.param("consumer"))?.id;
    Ok(switched(&store.enable_consumer(id, &call.act(body.note))?))
}

fn switched(outcome: &Outcome<ConsumerRecord>) -> Reply {
    changed(shown(&outcome.record), outcome.changed)
}

/// Says whether the record is other than before.
pub(super) fn changed(reply: Reply, changed: bool) -> Reply {
    let name = axum::http::HeaderName::from_static("kgate-changed");
    reply.with(name, if changed { "true" } else { "false" })
}

pub(super) fn delete(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: DeleteQuery = call.query()?;
    let store = call.desk.store()?;
    let record = consumer(&store, call.param("consumer"))?;
    let mut revoked = Vec::new();
    if query.dry_run {
        store.keys_of(record.id, &mut |key| {
            let live = key.ok().filter(|key| !matches!(key.state, State::Revoked { .. }));
            revoked.extend(live.map(|key| key.id));
            true
        })?;
    } else {
        revoked = store.delete_consumer(record.id, &call.act(query.note))?.revoked;
    }
    Ok(Reply::json(&ConsumerDeleted {
        id: Spelled(record.id),
        name: record.name,
        dry_run: query.dry_run,
        revoked: revoked.into_iter().map(Spelled).collect(),
    }))
}
