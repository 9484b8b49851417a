//! The life of keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::ControlFlow;
use std::time::Duration;

use ipnet::IpNet;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::config::Config;
use crate::edge::{Bringing, Question};
use crate::key::{
    ConsumerId, KeyId, KeyRecord, KeyType, Moment, Past, RevokeReason, Scope, Span, Status, Timestamp, Token,
};
use crate::store::{
    Action, BATCH, Issued, KeyEdit, KeyFilter, NewKey, Of, Outcome, Part, Period, Query, RecordTag, Rotation,
    Store, StoreError, Usage, Whose,
};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{Change, KeyShape, NewKeyShape, Note, Pairs, Presented, Spelled, TokenText};
use super::consumers::{changed, not_made};
use super::{Gather, NoteBody, action_of, check_plan, etag, limit, location, named_consumer, once, selected};

/// Which keys are listed; filters combine.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ListQuery {
    /// Only those of this consumer: identifier, external id or unambiguous name.
    consumer: Option<String>,
    /// Only those of consumers with this tag; several: with all of them.
    #[serde(default)]
    tag: Vec<String>,
    /// Only those with this status; several: with any of them.
    #[serde(default)]
    status: Vec<Spelled<Status>>,
    /// Only those of this key type.
    r#type: Option<String>,
    /// Only those that still work and expire within this time.
    expiring: Option<Spelled<Span>>,
    /// Only those not used (or, if never, not made) for this long.
    unused_for: Option<Spelled<Span>>,
    /// Only those neither made by a rotation nor replaced.
    #[serde(default)]
    never_rotated: bool,
    /// Only those that hold this scope, themselves or by a wildcard.
    scope: Option<Spelled<Scope>>,
    /// Only those whose name contains this, whatever the case.
    name: Option<String>,
    /// Only those whose token ends so: up to its last four characters.
    ends: Option<String>,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The `next` of the page before.
    cursor: Option<Spelled<KeyId>>,
}

/// What keys are made from.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyRequest")]
pub struct NewKeyBody {
    /// Who will hold them: identifier, external id or unambiguous name.
    #[schemars(length(min = 1, max = 256))]
    pub consumer: String,
    /// What people call them.
    #[serde(default)]
    #[schemars(length(max = 256))]
    pub name: String,
    /// Their key type; the configuration's first if nothing is said.
    #[serde(default, rename = "type", skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// What they may do.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub scopes: Vec<Spelled<Scope>>,
    /// When they stop working; what their type says if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Spelled<Moment>>,
    /// When they begin to work; at once if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Spelled<Moment>>,
    /// Where they may be used from; anywhere if nothing is said.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub networks: Vec<Spelled<IpNet>>,
    /// A plan of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plan: Option<String>,
    /// Over their consumer's.
    #[serde(default)]
    pub metadata: Pairs,
    /// How many alike.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "super::whole")]
    #[schemars(range(min = 1, max = 500))]
    pub count: Option<u64>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// Keys just made.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "NewKeys")]
pub struct KeysMade {
    /// All of them, or none was made.
    pub keys: Vec<NewKeyShape>,
}

/// A change to a key: what is absent stays, null clears.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "KeyEdit")]
pub struct KeyEditBody {
    /// Another name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub name: Option<String>,
    /// Another plan of its own; null goes back to its consumer's.
    #[serde(default, skip_serializing_if = "Change::is_keep")]
    pub plan: Change<String>,
    /// The networks it may be used from instead; none: anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub networks: Option<Vec<Spelled<IpNet>>>,
    /// Pairs to add or replace.
    #[serde(default)]
    pub set_metadata: Pairs,
    /// Metadata to remove.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub unset_metadata: BTreeSet<String>,
    /// When it begins to work; `never` means at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Spelled<Moment>>,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Spelled<Moment>>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

impl NewKeyBody {
    /// Returns what a key of a type for a consumer is made from, at `now`; when it ends is not said.
    pub fn key(&self, consumer: ConsumerId, key_type: &KeyType, now: Timestamp) -> NewKey {
        NewKey {
            consumer,
            name: self.name.clone(),
            key_type: key_type.name.clone(),
            prefix: key_type.prefix.clone(),
            scopes: self.scopes.iter().map(|scope| scope.0.clone()).collect(),
            plan: self.plan.clone(),
            networks: self.networks.iter().map(|network| network.0).collect(),
            metadata: self.metadata.clone(),
            not_before: self.not_before.and_then(|moment| moment.0.resolve(now)),
            expires_at: None,
        }
    }
}

impl KeyEditBody {
    /// Returns what is changed, at `now`, of any version of the key; of its end nothing.
    pub fn edit(&self, now: Timestamp) -> KeyEdit {
        let body = self.clone();
        KeyEdit {
            name: body.name,
            plan: body.plan.into_edit(),
            networks: body.networks.map(|list| list.into_iter().map(|network| network.0).collect()),
            set_metadata: body.set_metadata,
            unset_metadata: body.unset_metadata,
            not_before: body.not_before.map(|moment| moment.0.resolve(now)),
            expires_at: None,
            if_tag: None,
        }
    }
}

/// How a key is rotated.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RotateKey")]
pub struct RotateBody {
    /// How long the old key goes on working; a day if nothing is said, `0s` ends it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Spelled<Span>>,
    /// When the new key stops working; what its type says if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Spelled<Moment>>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// A replaced key and its successor.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RotatedKey")]
pub struct KeyRotated {
    /// The old key, as it is now.
    pub old: KeyShape,
    /// Its successor.
    pub new: NewKeyShape,
}

/// Why a key is revoked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevokeKey")]
pub struct RevokeBody {
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Spelled<RevokeReason>>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// Which keys are pruned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PruneKeys")]
pub struct PruneBody {
    /// Those revoked before this.
    pub revoked_before: Spelled<Past>,
    /// Only say which would be removed.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// What was pruned.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "PrunedKeys")]
pub struct KeysPruned {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Before when keys had to be revoked.
    pub revoked_before: Spelled<Timestamp>,
    /// Those that were, or would be, removed.
    pub pruned: Vec<Spelled<KeyId>>,
}

/// A key, and what it is asked about.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "VerifyKey")]
pub struct VerifyBody {
    /// What is asked about: the key itself. Whatever cannot be one is refused like any other wrong key.
    #[schemars(length(min = 1, max = 1024))]
    pub token: Presented,
    /// Of the request it would come with; without, only the key itself is looked at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^/"), length(max = 4096))]
    pub path: Option<String>,
    /// GET if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// The host called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The client's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<Spelled<std::net::IpAddr>>,
    /// The page it comes from, `https://app.example.com`, for keys whose type is bound to origins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// Names in the certificate the client would show, with their kind: `cn:alice`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(inner(regex(pattern = "^(cn|dns|email|uri|subject):.")))]
    pub client_certificate: Vec<String>,
}

/// Whose a key is.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "VerifiedKey")]
pub struct Verified {
    /// The key; null: the store does not know it.
    pub key: Option<KeyShape>,
    /// Whether it works by itself, whatever the request.
    pub works: bool,
    /// What would become of the request, if a path was given: as `explain` answers.
    pub explanation: Option<Value>,
}

/// Of which consumer.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RotationQuery {
    /// Only those of this consumer.
    consumer: Option<String>,
    /// How many at most, those that end first; 500 if nothing is said.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
}

/// A replaced key that still works.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "ReplacedKey")]
pub struct RotationShape {
    /// The replaced key.
    pub id: Spelled<KeyId>,
    /// What people call it.
    pub name: String,
    /// Who holds it.
    pub consumer_id: Spelled<ConsumerId>,
    /// What they are called.
    pub consumer_name: Option<String>,
    /// Prefix and last four characters.
    pub hint: String,
    /// The key that replaces it.
    pub successor: Option<Spelled<KeyId>>,
    /// When it stops working; null: never.
    pub works_until: Option<Spelled<Timestamp>>,
    /// Requests with it in the last 24 hours, whatever became of them.
    pub requests_24h: u64,
    /// When it was last let through.
    pub last_used_at: Option<Spelled<Timestamp>>,
    /// Where that came from.
    pub last_used_from: Option<String>,
    /// When its successor was last let through.
    pub successor_last_used_at: Option<Spelled<Timestamp>>,
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: ListQuery = call.query()?;
    let store = call.desk.store()?;
    let filter = KeyFilter {
        consumers: selected(&store, query.consumer.as_deref(), &query.tag, "?consumer")?,
        statuses: query.status.iter().map(|status| status.0).collect(),
        key_type: query.r#type,
        expiring_before: query.expiring.as_ref().map(|span| call.now.plus(span.0.as_duration())),
        scope: query.scope.as_ref().map(|scope| scope.0.clone()),
        name: query.name,
        ends: query.ends,
        never_rotated: query.never_rotated,
        unused_for: query.unused_for.map(|span| span.0.as_duration()),
    };
    let is_wanted = |key: &KeyRecord, used: &HashMap<KeyId, Timestamp>| {
        filter.matches(key, used.get(&key.id).copied(), call.now)
    };
    // When keys were last used is looked up only where a filter asks for it, a stretch of keys at a time.
    let usage = filter.unused_for.and_then(|_| call.desk.usage().ok());
    let mut gather = Gather::new(limit(query.limit)?);
    let mut after = query.cursor.as_ref().map(|id| id.0);
    loop {
        let stretch = stretch(&store, filter.consumers.as_ref(), after)?;
        let ids = stretch.iter().map(|key| key.id).collect();
        let used = usage.as_ref().map_or(Ok(HashMap::new()), |usage| usage.last_used_of(ids))?;
        let is_last = stretch.len() < STRETCH;
        after = stretch.last().map(|key| key.id);
        let mut take = |key: KeyRecord| {
            let id = key.id.to_string();
            let item = is_wanted(&key, &used).then_some(key);
            gather.take(&id, item)
        };
        if !stretch.into_iter().all(&mut take) || is_last {
            break;
        }
    }
    let page = gather.page()?;
    let items = Shower::new(call, store).all(&page.items)?;
    Ok(Reply::json(&super::Page { items, next: page.next }))
}

/// Returns the next keys after one, of one consumer, of several or of all. A record that cannot be read is an
/// error: rather no answer than half of one.
fn stretch(
    store: &Store,
    holders: Option<&BTreeSet<ConsumerId>>,
    after: Option<KeyId>,
) -> Result<Vec<KeyRecord>, StoreError> {
    let mut keys = Vec::new();
    let mut error = None;
    let mut each = |record: Result<KeyRecord, StoreError>| {
        match record {
            Ok(key) => keys.push(key),
            Err(found) => error = Some(found),
        }
        error.is_none() && keys.len() < STRETCH
    };
    match holders {
        Some(ids) if ids.is_empty() => {}
        Some(ids) if ids.len() == 1 => {
            store.keys_of_after(*ids.first().expect("there is one"), after, &mut each)?;
        }
        _ => store.keys_after(after, &mut each)?,
    }
    error.map_or(Ok(keys), Err)
}

/// Keys read at once: what the store hands over anyway.
const STRETCH: usize = 1_000;

/// Shows keys: looks up what their consumers are called, and when they were last used.
struct Shower {
    now: Timestamp,
    store: Store,
    usage: Option<Usage>,
    names: BTreeMap<ConsumerId, Option<String>>,
}

impl Shower {
    fn new(call: &Call<'_>, store: Store) -> Self {
        // Usage may be lost: keys are shown without.
        let usage = call.desk.usage().ok();
        Self { now: call.now, store, usage, names: BTreeMap::new() }
    }

    fn show(&mut self, key: &KeyRecord) -> KeyShape {
        let last_used = self.usage.as_ref().and_then(|usage| usage.last_used_at(key.id).ok().flatten());
        self.named(key, last_used)
    }

    fn all(mut self, keys: &[KeyRecord]) -> Result<Vec<KeyShape>, StoreError> {
        let ids = keys.iter().map(|key| key.id).collect();
        let used = self.usage.as_ref().map_or(Ok(HashMap::new()), |usage| usage.last_used_of(ids))?;
        Ok(keys.iter().map(|key| self.named(key, used.get(&key.id).copied())).collect())
    }

    fn named(&mut self, key: &KeyRecord, last_used: Option<Timestamp>) -> KeyShape {
        let store = &self.store;
        let name = self
            .names
            .entry(key.consumer)
            .or_insert_with(|| store.consumer(key.consumer).ok().map(|consumer| consumer.name));
        KeyShape::new(key, name.clone(), last_used, self.now)
    }
}

fn show_one(call: &Call<'_>, store: Store, key: &KeyRecord) -> Reply {
    let shape = Shower::new(call, store).show(key);
    etag(Reply::json(&shape), RecordTag::of_key(key))
}

pub(super) fn show(call: &Call<'_>) -> Result<Reply, Problem> {
    let store = call.desk.store()?;
    let key = store.key(id(call)?)?;
    Ok(show_one(call, store, &key))
}

fn id(call: &Call<'_>) -> Result<KeyId, Problem> {
    let text = call.param("key");
    text.parse().map_err(|_| Problem::new(404, "no_such_key", "that is not the identifier of a key"))
}

pub(super) fn create(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NewKeyBody = call.body()?;
    let config = call.desk.config();
    let store = call.desk.store()?;
    let count = match body.count.unwrap_or(1) {
        count @ 1..=MOST => usize::try_from(count).unwrap_or(BATCH),
        _ => return Err(Problem::malformed("/count", format!("1 to {MOST}"))),
    };
    let made = |keys: Vec<NewKeyShape>| {
        let path = keys.first().map(|key| format!("/v1/keys/{}", key.key.id.0)).unwrap_or_default();
        let reply = Reply::created(&KeysMade { keys });
        if count == 1 { location(reply, path) } else { reply }
    };
    once(
        call,
        &store,
        || {
            let (new, holder) = new_key(&body, &config, &store, call.now)?;
            let act = call.act(body.note.clone());
            let mut issued = Vec::new();
            store.issue_many(&new, count, &config.peppers, &act, &mut rand::rng(), &mut |batch| {
                issued = batch;
                ControlFlow::Continue(())
            })?;
            Ok(made(issued.iter().map(|issued| new_shape(issued, Some(holder.clone()), call.now)).collect()))
        },
        |row| match action_of(&store, row)? {
            Action::KeysIssued { ids, .. } => {
                let mut show = Shower::new(call, store.clone());
                let keys = ids
                    .into_iter()
                    .map(|id| Ok(NewKeyShape { token: None, key: show.show(&store.key(id)?) }));
                Ok(made(keys.collect::<Result<_, StoreError>>()?))
            }
            other => Err(not_made(&other)),
        },
    )
}

fn new_shape(issued: &Issued, consumer: Option<String>, now: Timestamp) -> NewKeyShape {
    NewKeyShape {
        token: Some(TokenText::of(&issued.token)),
        key: KeyShape::new(&issued.record, consumer, None, now),
    }
}

/// Returns what keys are made from, and what their holder is called.
fn new_key(
    body: &NewKeyBody,
    config: &Config,
    store: &Store,
    now: Timestamp,
) -> Result<(NewKey, String), Problem> {
    let key_type = key_type(config, body.key_type.as_deref())?;
    check_plan(config, body.plan.as_deref())?;
    let holder = named_consumer(store, &body.consumer, "/consumer")?;
    let expires_at = expiry(body.expires.as_ref(), key_type, now);
    Ok((NewKey { expires_at, ..body.key(holder.id, key_type, now) }, holder.name))
}

fn expiry(said: Option<&Spelled<Moment>>, key_type: &KeyType, now: Timestamp) -> Option<Timestamp> {
    let default = key_type.default_expires.map_or(Moment::Never, |span| Moment::In(span.as_duration()));
    said.map_or(default, |moment| moment.0).resolve(now)
}

fn key_type<'c>(config: &'c Config, wanted: Option<&str>) -> Result<&'c KeyType, Problem> {
    let types = config.key_types.as_slice();
    let found = match wanted {
        Some(name) => types.iter().find(|t| t.name == name),
        None => types.first(),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = types.iter().map(|t| t.name.as_str()).collect();
        Problem::invalid("/type", format!("the key types are: {}", names.join(", ")))
    })
}

pub(super) fn update(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: KeyEditBody = call.body()?;
    if let Change::Set(plan) = &body.plan {
        check_plan(&call.desk.config(), Some(plan))?;
    }
    let expires_at = body.expires.map(|moment| moment.0.resolve(call.now));
    if let Some(Some(expires_at)) = expires_at
        && expires_at <= call.now
    {
        return Err(StoreError::ExpiryInPast { expires_at }.into());
    }
    let edit = KeyEdit { expires_at, if_tag: call.if_match.clone(), ..body.edit(call.now) };
    let store = call.desk.store()?;
    let outcome = store.update_key(id(call)?, &edit, &call.act(body.note))?;
    Ok(changed(show_one(call, store, &outcome.record), outcome.changed))
}

pub(super) fn rotate(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: RotateBody = call.body()?;
    let id = id(call)?;
    let config = call.desk.config();
    let store = call.desk.store()?;
    once(
        call,
        &store,
        || {
            let old = store.key(id)?;
            // A type that is declared no more says nothing of expiry.
            let expires_at = match (&body.expires, key_type(&config, Some(&old.key_type))) {
                (Some(moment), _) => moment.0.resolve(call.now),
                (None, key_type) => expiry(None, key_type?, call.now),
            };
            let grace = body.grace.map_or(DEFAULT_GRACE, |grace| grace.0.as_duration());
            let act = call.act(body.note.clone());
            let rotation = Rotation { grace, expires_at };
            let rotated = store.rotate(id, rotation, &config.peppers, &act, &mut rand::rng())?;
            let old = Shower::new(call, store.clone()).show(&rotated.old);
            let new = new_shape(&rotated.new, old.consumer_name.clone(), call.now);
            Ok(Reply::created(&KeyRotated { old, new }))
        },
        |row| match action_of(&store, row)? {
            Action::KeyRotated { id, successor, .. } => {
                let mut show = Shower::new(call, store.clone());
                let old = show.show(&store.key(id)?);
                let key = show.show(&store.key(successor)?);
                Ok(Reply::created(&KeyRotated { old, new: NewKeyShape { token: None, key } }))
            }
            other => Err(not_made(&other)),
        },
    )
}

pub(super) fn revoke(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: RevokeBody = call.body()?;
    let reason = body.reason.map_or_else(RevokeReason::default, |reason| reason.0);
    switch(call, |store, id| store.revoke(id, reason, &call.act(body.note.clone())))
}

pub(super) fn disable(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NoteBody = call.body()?;
    switch(call, |store, id| store.disable_key(id, &call.act(body.note.clone())))
}

pub(super) fn enable(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NoteBody = call.body()?;
    switch(call, |store, id| store.enable_key(id, &call.act(body.note.clone())))
}

fn switch(
    call: &Call<'_>,
    act: impl FnOnce(&Store, KeyId) -> Result<Outcome<KeyRecord>, StoreError>,
) -> Result<Reply, Problem> {
    let store = call.desk.store()?;
    let outcome = act(&store, id(call)?)?;
    Ok(changed(show_one(call, store, &outcome.record), outcome.changed))
}

pub(super) fn prune(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: PruneBody = call.body()?;
    let before = body.revoked_before.0.resolve(call.now);
    let store = call.desk.store()?;
    let pruned = if body.dry_run {
        store.prunable(before)?
    } else {
        store.prune(before, &call.act(body.note), &mut |_| ControlFlow::Continue(()))?.ids
    };
    let pruned = pruned.into_iter().map(Spelled).collect();
    Ok(Reply::json(&KeysPruned { dry_run: body.dry_run, revoked_before: Spelled(before), pruned }))
}

pub(super) fn verify(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: VerifyBody = call.body()?;
    let token = body.token.expose();
    if token.is_empty() || token.chars().count() > 1024 {
        return Err(Problem::malformed("/token", "1 to 1024 characters"));
    }
    body.path.as_deref().map_or(Ok(()), super::check_target)?;
    let client_certificate = super::certificate_names(&body.client_certificate)?;
    let token = Token::from_presented(token);
    let store = call.desk.store()?;
    let found = store.key_by_token(&token, &call.desk.config().peppers)?;
    let question = body.path.map(|path| Question {
        method: body.method.unwrap_or_else(|| "GET".to_owned()),
        path,
        host: body.host.unwrap_or_default(),
        ip: body.ip.map(|ip| ip.0),
        origin: body.origin,
        client_certificate,
        bringing: Bringing::Token(token),
    });
    let explanation = question.map(|question| super::system::ask(call, question)).transpose()?;
    let works = found.as_ref().is_some_and(|key| {
        key.status(call.now) == Status::Active && store.consumer(key.consumer).is_ok_and(|c| c.enabled)
    });
    let key = found.map(|key| Shower::new(call, store).show(&key));
    Ok(Reply::json(&Verified { key, works, explanation }))
}

pub(super) fn rotation_status(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: RotationQuery = call.query()?;
    let store = call.desk.store()?;
    let consumer =
        query.consumer.as_deref().map(|wanted| named_consumer(&store, wanted, "?consumer")).transpose()?;
    let most = limit(query.limit.or(Some(super::LIMIT_MAX)))?;
    let consumer = consumer.map(|consumer| consumer.id);
    // The gateway's index knows which keys these are; without it all keys are read.
    let replaced = match (consumer, (call.desk.handlers().replaced)(most)) {
        (None, Some(ids)) => ids.into_iter().map(|id| store.key(id)).collect::<Result<_, _>>()?,
        _ => store.replaced(consumer, call.now, most)?,
    };
    let usage = call.desk.usage().ok();
    let shapes = replaced.iter().map(|key| RotationShape::new(key, &store, usage.as_ref(), call.now));
    Ok(Reply::json(&shapes.collect::<Result<Vec<_>, _>>()?))
}

impl RotationShape {
    /// Shows a replaced key: how much it and its successor are used. Without the usage file, not at all.
    pub fn new(
        key: &KeyRecord,
        store: &Store,
        usage: Option<&Usage>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let last = usage.map(|usage| usage.last_use(key.id)).transpose()?.flatten();
        let successor_last = match (usage, key.rotated_to) {
            (Some(usage), Some(successor)) => usage.last_used_at(successor)?,
            _ => None,
        };
        Ok(Self {
            id: Spelled(key.id),
            name: key.name.clone(),
            consumer_id: Spelled(key.consumer),
            consumer_name: store.consumer(key.consumer).ok().map(|consumer| consumer.name),
            hint: key.hint(),
            successor: key.rotated_to.map(Spelled),
            works_until: key.expires_at.map(Spelled),
            requests_24h: usage.map_or(Ok(0), |usage| requests_of(usage, key.id, now))?,
            last_used_at: last.map(|last| Spelled(last.at)),
            last_used_from: last.and_then(|last| last.from).map(|from| from.to_string()),
            successor_last_used_at: successor_last.map(Spelled),
        })
    }
}

fn requests_of(usage: &Usage, key: KeyId, now: Timestamp) -> Result<u64, StoreError> {
    let to = Period::Hour.bucket(now);
    let of = Whose::One(Of::Key(key));
    let counts = usage.counts(Query {
        of,
        period: Period::Hour,
        from: to.saturating_sub(24),
        to,
        by_route: false,
        part: Part::All,
    })?;
    Ok(counts.iter().map(|count| count.requests).sum())
}

/// One commit: all of them are made, or none.
const MOST: u64 = BATCH as u64;

/// Time to put the new key in place.
const DEFAULT_GRACE: Duration = Duration::from_hours(24);
