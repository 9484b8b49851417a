//! What is kept of tokens: digests, for those who look for leaked keys elsewhere, and which pepper they hang on.

use std::collections::{BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{ConsumerId, KeyId, KeyRecord, Status, Timestamp};
use crate::store::{Dependence, HashUse, StoreError};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::Spelled;
use super::{Gather, Page, limit};

/// What is told of each key.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct DigestQuery {
    /// Tell identifiers, names and key types, and the consumers' names, too.
    #[serde(default)]
    details: bool,
    /// How many at most.
    #[schemars(range(min = 1, max = 500))]
    limit: Option<u64>,
    /// The `next` of the page before.
    cursor: Option<Spelled<KeyId>>,
}

/// What is kept of a key's token. Its times are there so that what was told yesterday is right today.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Digest")]
pub struct DigestShape {
    /// The digest, in hexadecimal.
    pub digest: String,
    /// How it was made: `sha256`, or `hmac-sha256:` and the pepper's id.
    pub scheme: String,
    /// What the key was when this was told.
    #[schemars(with = "Spelled<Status>")]
    pub status: String,
    /// When it begins to work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Spelled<Timestamp>>")]
    pub not_before: Option<String>,
    /// When it stops working.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Spelled<Timestamp>>")]
    pub expires_at: Option<String>,
    /// With details: its identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<String>,
    /// With details: what people call it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_name: Option<String>,
    /// With details: its key type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_type: Option<String>,
    /// With details: who holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_id: Option<String>,
    /// With details: what they are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consumer_name: Option<String>,
}

impl DigestShape {
    /// Shows a key. `names`, if given, are those of the consumers, and what else people go by is told, too.
    pub fn new(key: &KeyRecord, names: Option<&HashMap<ConsumerId, String>>, now: Timestamp) -> Self {
        let told = names.is_some();
        Self {
            digest: key.digest.to_string(),
            scheme: key.scheme.to_string(),
            status: key.status(now).as_str().to_owned(),
            not_before: key.not_before.map(|at| at.to_string()),
            expires_at: key.expires_at.map(|at| at.to_string()),
            key_id: told.then(|| key.id.to_string()),
            key_name: told.then(|| key.name.clone()),
            key_type: told.then(|| key.key_type.clone()),
            consumer_id: told.then(|| key.consumer.to_string()),
            consumer_name: names.and_then(|names| names.get(&key.consumer)).cloned(),
        }
    }
}

/// A way digests are made, and what depends on it.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Hash")]
pub struct HashShape {
    /// `sha256`, or `hmac-sha256:` and the pepper's id.
    pub hash: String,
    /// The pepper's id.
    pub pepper: Option<String>,
    /// Whether the configuration has the pepper; true without one.
    pub is_declared: bool,
    /// Whether new keys are digested so.
    pub is_for_new_keys: bool,
    /// Keys digested so that still work or may again: not revoked, not expired.
    pub keys: u64,
    /// Keys digested so that are revoked or expired.
    pub ended: u64,
}

impl From<&HashUse> for HashShape {
    fn from(hash: &HashUse) -> Self {
        Self {
            hash: hash.scheme.to_string(),
            pepper: hash.pepper().map(ToOwned::to_owned),
            is_declared: hash.dependence != Dependence::Undeclared,
            is_for_new_keys: hash.dependence == Dependence::New,
            keys: hash.keys,
            ended: hash.ended,
        }
    }
}

impl HashShape {
    /// Says whether keys are refused for want of its pepper.
    pub fn is_missing(&self) -> bool {
        !self.is_declared && self.keys > 0
    }
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: DigestQuery = call.query()?;
    let store = call.desk.store()?;
    let mut gather = Gather::new(limit(query.limit)?);
    store.keys_after(query.cursor.map(|id| id.0), &mut |record| match record {
        Ok(key) => gather.take(&key.id.to_string(), Some(key)),
        // A list without it would call a working key unknown.
        Err(error) => gather.fail(error),
    })?;
    let page = gather.page()?;
    let mut names = HashMap::new();
    let holders: BTreeSet<ConsumerId> = page.items.iter().map(|key| key.consumer).collect();
    for holder in holders.into_iter().filter(|_| query.details) {
        match store.consumer(holder) {
            Ok(consumer) => drop(names.insert(holder, consumer.name)),
            // It has no name to show.
            Err(StoreError::NoSuchConsumer { .. } | StoreError::Damaged { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    let names = query.details.then_some(&names);
    let items = page.items.iter().map(|key| DigestShape::new(key, names, call.now)).collect();
    Ok(Reply::json(&Page { items, next: page.next }))
}

pub(super) fn hashes(call: &Call<'_>) -> Result<Reply, Problem> {
    let hashes = call.desk.store()?.hashes(&call.desk.config().peppers, call.now)?;
    Ok(Reply::json(&hashes.iter().map(HashShape::from).collect::<Vec<_>>()))
}
