//! Where consumers, keys and admin keys are kept, as commands see it: the store of a data directory, or the
//! admin API of a gateway elsewhere (`--server`). Commands ask one of the two and do not know which; what
//! goes in and out is what the API takes and answers, so that both show the same.

mod http;
mod seen;
mod server;
mod store;
mod visitors;

use crate::admin::api::{
    AdminKeyRotated, BulkRevokeBody, ConsumerDeleted, ConsumerEditBody, KeyEditBody, KeyRotated, KeysPruned,
    KeysRevoked, NewAdminKeyBody, NewConsumerBody, NewKeyBody, PruneBody, RotateAdminKeyBody, RotateBody,
    RotationShape,
};
use crate::admin::shape::{AdminKeyShape, ConsumerShape, KeyShape, NewAdminKeyShape, NewKeyShape};
use crate::key::{AdminKeyId, ConsumerId, Span, Status};

use super::failure::Failure;

pub(super) use http::{Client, Remote};
pub(super) use seen::{AuditWanted, Seen, UsageWanted, Verdict};
pub(super) use server::{PAGE, Server};
pub(super) use store::Local;
pub(super) use visitors::Visitors;

/// Takes what a walk finds; an error ends the walk.
pub(super) type Each<'e, T> = &'e mut dyn FnMut(T) -> Result<(), Failure>;

/// A record after a change, and whether it is other than before.
pub(super) type Changed<T> = (T, bool);

/// Off or on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Switch {
    Off,
    On,
}

impl Switch {
    /// Says what was done.
    pub(super) fn word(self, changed: bool) -> &'static str {
        match (self, changed) {
            (Self::Off, true) => "disabled",
            (Self::Off, false) => "already disabled:",
            (Self::On, true) => "enabled",
            (Self::On, false) => "already enabled:",
        }
    }
}

/// Which consumers are meant; filters combine.
#[derive(Default)]
pub(super) struct ConsumersWanted {
    pub(super) tags: Vec<String>,
    pub(super) plan: Option<String>,
    pub(super) enabled: Option<bool>,
    pub(super) name: Option<String>,
}

/// Which keys are meant; filters combine.
#[derive(Default)]
pub(super) struct KeysWanted {
    pub(super) consumer: Option<String>,
    pub(super) tags: Vec<String>,
    pub(super) status: Vec<Status>,
    pub(super) key_type: Option<String>,
    pub(super) expiring: Option<Span>,
    pub(super) unused_for: Option<Span>,
    pub(super) never_rotated: bool,
    pub(super) scope: Option<String>,
    pub(super) name: Option<String>,
}

/// Where records are kept. What can be seen beside them is in [`Seen`], and who uses the portal in [`Visitors`].
///
/// Consumers are named by identifier, external id or unambiguous name; keys by identifier. Records that cannot
/// be read are told of while walking, and make the walk fail at its end.
pub(super) trait Books: Seen + Visitors {
    fn consumers(&self, wanted: &ConsumersWanted, each: Each<'_, ConsumerShape>) -> Result<(), Failure>;
    fn consumer(&self, named: &str) -> Result<ConsumerShape, Failure>;
    /// Makes a consumer. Says who had the same name before.
    fn create_consumer(&self, new: &NewConsumerBody) -> Result<(ConsumerShape, Option<ConsumerId>), Failure>;
    fn update_consumer(
        &self,
        named: &str,
        edit: &ConsumerEditBody,
    ) -> Result<Changed<ConsumerShape>, Failure>;
    fn switch_consumer(
        &self,
        named: &str,
        to: Switch,
        note: Option<&str>,
    ) -> Result<Changed<ConsumerShape>, Failure>;
    /// Deletes a consumer, or only says which keys would be revoked with it.
    fn delete_consumer(
        &self,
        named: &str,
        dry_run: bool,
        note: Option<&str>,
    ) -> Result<ConsumerDeleted, Failure>;

    fn keys(&self, wanted: &KeysWanted, each: Each<'_, KeyShape>) -> Result<(), Failure>;
    fn key(&self, named: &str) -> Result<KeyShape, Failure>;
    /// Makes keys, in steps of which each is done wholly or not at all. `each` gets every step's before the next
    /// is begun.
    fn create_keys(&self, new: &NewKeyBody, each: Each<'_, Vec<NewKeyShape>>) -> Result<(), Failure>;
    fn update_key(&self, named: &str, edit: &KeyEditBody) -> Result<Changed<KeyShape>, Failure>;
    fn rotate_key(&self, named: &str, how: &RotateBody) -> Result<KeyRotated, Failure>;
    fn switch_key(&self, named: &str, to: Switch, note: Option<&str>) -> Result<Changed<KeyShape>, Failure>;
    /// Revokes keys; `progress` hears how many more were dealt with.
    fn revoke_keys(&self, which: &BulkRevokeBody, progress: &dyn Fn(usize)) -> Result<KeysRevoked, Failure>;
    fn prune_keys(&self, which: &PruneBody, progress: &dyn Fn(usize)) -> Result<KeysPruned, Failure>;
    fn rotation_status(&self, consumer: Option<&str>) -> Result<Vec<RotationShape>, Failure>;

    fn admin_keys(&self, each: Each<'_, AdminKeyShape>) -> Result<(), Failure>;
    fn admin_key(&self, id: AdminKeyId) -> Result<AdminKeyShape, Failure>;
    fn create_admin_key(&self, new: &NewAdminKeyBody) -> Result<NewAdminKeyShape, Failure>;
    fn rotate_admin_key(&self, id: AdminKeyId, how: &RotateAdminKeyBody) -> Result<AdminKeyRotated, Failure>;
    fn revoke_admin_key(&self, id: AdminKeyId, note: Option<&str>)
    -> Result<Changed<AdminKeyShape>, Failure>;
}

/// How long a replaced key goes on working if nothing is said: time to put the new one in place.
const GRACE: std::time::Duration = std::time::Duration::from_hours(24);

/// When an admin key ends if nothing is said: none should be forgotten for ever.
const ADMIN_EXPIRES: crate::key::Moment = crate::key::Moment::In(std::time::Duration::from_hours(365 * 24));
