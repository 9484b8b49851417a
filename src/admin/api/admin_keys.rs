//! The keys of those who manage kgate. Every endpoint here is an admin's, so nobody mints above themselves.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::{AdminKeyId, Moment, Role, Span};
use crate::store::{Action, NewAdminKey};

use super::super::endpoint::{Call, Reply};
use super::super::problem::Problem;
use super::super::shape::{AdminKeyShape, NewAdminKeyShape, Note, Spelled, TokenText};
use super::consumers::{changed, not_made};
use super::{NoteBody, action_of, location, once};

/// What an admin key is made from.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AdminKeyRequest")]
pub struct NewAdminKeyBody {
    /// Whose it is.
    #[schemars(length(min = 1, max = 128))]
    pub name: String,
    /// What it may do.
    pub role: Spelled<Role>,
    /// When it stops working; a year from now if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Spelled<Moment>>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// How an admin key is rotated.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RotateAdminKey")]
pub struct RotateAdminKeyBody {
    /// How long the old one goes on working; a day if nothing is said, `0s` ends it at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace: Option<Spelled<Span>>,
    /// When the new one stops working; a year from now if nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Spelled<Moment>>,
    /// Why, in your words, for the audit log.
    #[serde(default, skip_serializing_if = "Note::is_none")]
    pub note: Note,
}

/// A replaced admin key and its successor.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "RotatedAdminKey")]
pub struct AdminKeyRotated {
    /// The old one, as it is now.
    pub old: AdminKeyShape,
    /// Its successor.
    pub new: NewAdminKeyShape,
}

pub(super) fn list(call: &Call<'_>) -> Result<Reply, Problem> {
    let keys = call.desk.store()?.admin_keys()?;
    let keys: Result<Vec<_>, _> =
        keys.into_iter().map(|k| k.map(|k| AdminKeyShape::new(&k, call.now))).collect();
    Ok(Reply::json(&keys?))
}

pub(super) fn show(call: &Call<'_>) -> Result<Reply, Problem> {
    let key = call.desk.store()?.admin_key(id(call)?)?;
    Ok(Reply::json(&AdminKeyShape::new(&key, call.now)))
}

pub(super) fn create(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NewAdminKeyBody = call.body()?;
    let expires_at = body.expires.map_or(DEFAULT_EXPIRES, |expires| expires.0).resolve(call.now);
    let new = NewAdminKey { name: body.name, role: body.role.0, expires_at };
    let store = call.desk.store()?;
    let made = |key: NewAdminKeyShape| {
        let path = format!("/v1/admin-keys/{}", key.key.id.0);
        location(Reply::created(&key), path)
    };
    once(
        call,
        &store,
        || {
            let issued = store.issue_admin_key(&new, &call.act(body.note.clone()), &mut rand::rng())?;
            let token = Some(TokenText::of(&issued.token));
            Ok(made(NewAdminKeyShape { token, key: AdminKeyShape::new(&issued.record, call.now) }))
        },
        |row| match action_of(&store, row)? {
            Action::AdminKeyCreated { id, .. } => {
                let key = AdminKeyShape::new(&store.admin_key(id)?, call.now);
                Ok(made(NewAdminKeyShape { token: None, key }))
            }
            other => Err(not_made(&other)),
        },
    )
}

pub(super) fn rotate(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: RotateAdminKeyBody = call.body()?;
    let id = id(call)?;
    let grace = body.grace.map_or(DEFAULT_GRACE, |grace| grace.0.as_duration());
    let expires_at = body.expires.map_or(DEFAULT_EXPIRES, |expires| expires.0).resolve(call.now);
    let store = call.desk.store()?;
    once(
        call,
        &store,
        || {
            let act = call.act(body.note.clone());
            let rotated = store.rotate_admin_key(id, grace, expires_at, &act, &mut rand::rng())?;
            let token = Some(TokenText::of(&rotated.new.token));
            Ok(Reply::created(&AdminKeyRotated {
                old: AdminKeyShape::new(&rotated.old, call.now),
                new: NewAdminKeyShape { token, key: AdminKeyShape::new(&rotated.new.record, call.now) },
            }))
        },
        |row| match action_of(&store, row)? {
            Action::AdminKeyRotated { id, successor, .. } => Ok(Reply::created(&AdminKeyRotated {
                old: AdminKeyShape::new(&store.admin_key(id)?, call.now),
                new: NewAdminKeyShape {
                    token: None,
                    key: AdminKeyShape::new(&store.admin_key(successor)?, call.now),
                },
            })),
            other => Err(not_made(&other)),
        },
    )
}

pub(super) fn revoke(call: &Call<'_>) -> Result<Reply, Problem> {
    let body: NoteBody = call.body()?;
    let outcome = call.desk.store()?.revoke_admin_key(id(call)?, &call.act(body.note))?;
    Ok(changed(Reply::json(&AdminKeyShape::new(&outcome.record, call.now)), outcome.changed))
}

fn id(call: &Call<'_>) -> Result<AdminKeyId, Problem> {
    let text = call.param("admin_key");
    text.parse()
        .map_err(|_| Problem::new(404, "no_such_admin_key", "that is not the identifier of an admin key"))
}

/// What an admin key gets that says nothing: none should be forgotten for ever.
const DEFAULT_EXPIRES: Moment = Moment::In(std::time::Duration::from_hours(365 * 24));

/// Time to put the new one in place.
const DEFAULT_GRACE: std::time::Duration = std::time::Duration::from_hours(24);
