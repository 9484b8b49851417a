//! Many keys that end at once: by name, by what they are, or by who holds them. The command line, which does
//! the same with a store of its own, does it by what is here, too.

use std::collections::{BTreeSet, HashSet};
use std::ops::ControlFlow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{ConsumerId, KeyId, Peppers, RevokeReason, State, Token};
use crate::store::{Act, Store, StoreError};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{Note, Spelled};
use super::selected;

/// Which keys are revoked: those listed, or all of a consumer and of tags together.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RevokeKeys")]
pub struct BulkRevokeBody {
    /// Their identifiers, or the keys themselves.
    #[serde(default)]
    #[schemars(length(max = 10000))]
    pub keys: Vec<String>,
    /// All keys of this consumer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub consumer: Option<String>,
    /// All keys of consumers with all of these tags.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub tags: Vec<String>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Spelled<RevokeReason>>,
    /// Only say what would be revoked.
    #[serde(default)]
    pub dry_run: bool,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// What became of keys that were to be revoked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RevokedKeys")]
pub struct KeysRevoked {
    /// Whether nothing was done.
    pub dry_run: bool,
    /// Why.
    pub reason: Spelled<RevokeReason>,
    /// Those that were, or would be, revoked.
    pub revoked: Vec<Spelled<KeyId>>,
    /// Those that were revoked before.
    pub already_revoked: Vec<Spelled<KeyId>>,
    /// Those that could not be.
    pub failed: Vec<RevokeFailure>,
}

/// A key that could not be revoked.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct RevokeFailure {
    /// Which; a key itself is not repeated.
    pub id: String,
    /// Why.
    pub error: String,
}

pub(super) fn revoke(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: BulkRevokeBody = call.body()?;
    let store = call.desk.store()?;
    let by_holder = body.consumer.is_some() || !body.tags.is_empty();
    if body.keys.len() > MOST_REVOKED {
        return Err(Problem::malformed("/keys", "at most 10000"));
    }
    if body.tags.len() > 64 {
        return Err(Problem::malformed("/tags", "at most 64"));
    }
    if by_holder != body.keys.is_empty() {
        return Err(Problem::invalid("/keys", "name keys, or else a consumer or tags"));
    }
    let holders = selected(&store, body.consumer.as_deref(), &body.tags, "/consumer")?;
    let act = call.act(body.note.clone());
    let mut done = KeysRevoked::none(&body);
    done.revoke(&body, holders.as_ref(), &store, &call.desk.config().peppers, &act, &mut |_| {})?;
    Ok(Reply::json(&done))
}

impl KeysRevoked {
    /// Returns what became of none so far.
    pub fn none(body: &BulkRevokeBody) -> Self {
        Self {
            dry_run: body.dry_run,
            reason: Spelled(body.reason.map_or_else(RevokeReason::default, |reason| reason.0)),
            revoked: Vec::new(),
            already_revoked: Vec::new(),
            failed: Vec::new(),
        }
    }

    /// Revokes the keys that `body` names and all of `holders`, or only says which would be. `progress` hears
    /// how many more were dealt with.
    ///
    /// # Errors
    /// Those of the store as a whole; what was done before is noted here.
    pub fn revoke(
        &mut self,
        body: &BulkRevokeBody,
        holders: Option<&BTreeSet<ConsumerId>>,
        store: &Store,
        peppers: &Peppers,
        act: &Act,
        progress: &mut dyn FnMut(usize),
    ) -> Result<(), StoreError> {
        let mut wanted = Vec::new();
        for (text, named) in body.keys.iter().zip(keys_named(&body.keys, store, peppers)?) {
            match named {
                Some(id) => wanted.push(id),
                None => self.failed.push(RevokeFailure {
                    // It may be a key of another store, and is not repeated.
                    id: if text.starts_with(KeyId::PREFIX) { text.clone() } else { "[redacted]".to_owned() },
                    error: "that is neither the identifier of a key nor a key of this store".to_owned(),
                }),
            }
        }
        if let Some(holders) = holders {
            wanted.extend(store.live_keys(holders)?);
        }
        let mut seen = HashSet::new();
        wanted.retain(|id| seen.insert(*id));
        if body.dry_run {
            for id in wanted {
                match store.key(id) {
                    Ok(key) => self.note(id, !matches!(key.state, State::Revoked { .. })),
                    Err(error) => self.fail(id, &error),
                }
            }
            return Ok(());
        }
        store.revoke_many(&wanted, self.reason.0, act, &mut |batch| {
            progress(batch.len());
            for one in batch {
                match one.result {
                    Ok(outcome) => self.note(one.id, outcome.changed),
                    Err(error) => self.fail(one.id, &error),
                }
            }
            ControlFlow::Continue(())
        })
    }

    fn note(&mut self, id: KeyId, is_changed: bool) {
        let list = if is_changed { &mut self.revoked } else { &mut self.already_revoked };
        list.push(Spelled(id));
    }

    fn fail(&mut self, id: KeyId, error: &StoreError) {
        self.failed.push(RevokeFailure { id: id.to_string(), error: error.to_string() });
    }
}

/// Finds the keys that identifiers, or the keys themselves, name.
fn keys_named(texts: &[String], store: &Store, peppers: &Peppers) -> Result<Vec<Option<KeyId>>, StoreError> {
    let ids: Vec<Option<KeyId>> = texts.iter().map(|text| text.parse().ok()).collect();
    let others = texts.iter().zip(&ids).filter(|(_, id)| id.is_none());
    let tokens: Vec<Token> = others.map(|(text, _)| Token::from_presented(text)).collect();
    let mut found = store.keys_by_tokens(&tokens, peppers)?.into_iter();
    let mut next = || found.next().flatten().map(|key| key.id);
    Ok(ids.into_iter().map(|id| id.or_else(&mut next)).collect())
}

const MOST_REVOKED: usize = 10_000;
