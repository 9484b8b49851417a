//! The books of a gateway elsewhere: each question a call of its admin API.

use std::fmt::Write as _;

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::admin::api::{
    AdminKeyRotated, BulkRevokeBody, ConsumerDeleted, ConsumerEditBody, KeyEditBody, KeyRotated, KeysMade,
    KeysPruned, KeysRevoked, NewAdminKeyBody, NewConsumerBody, NewKeyBody, PruneBody, RotateAdminKeyBody,
    RotateBody, RotationShape,
};
use crate::admin::shape::{AdminKeyShape, ConsumerShape, KeyShape, NewAdminKeyShape, NewKeyShape, Page};
use crate::cli::advice::outcome_advice;
use crate::cli::failure::Failure;
use crate::cli::lookup::refuse_token;
use crate::key::{AdminKeyId, ConsumerId, Timestamp};

use super::http::{Answered, Call, Client, erased, read};
use super::{Books, Changed, ConsumersWanted, Each, KeysWanted, Switch};

/// A gateway elsewhere.
pub(in crate::cli) struct Server {
    pub(super) client: Client,
    /// When the command began.
    pub(super) now: Timestamp,
}

impl Server {
    pub(in crate::cli) fn new(client: Client, now: Timestamp) -> Self {
        Self { client, now }
    }

    /// Asks for what is there.
    pub(in crate::cli) fn get<T: DeserializeOwned>(&self, target: Target) -> Result<T, Failure> {
        let call = Call { method: "GET", target: target.0, body: None, creates: false };
        read(self.client.call(&call)?.value)
    }

    /// Walks through a list, page by page.
    pub(in crate::cli) fn pages<T: DeserializeOwned>(
        &self,
        target: &Target,
        each: Each<'_, T>,
    ) -> Result<(), Failure> {
        self.walk(target, None, None, each)
    }

    /// As [`Server::pages`], from behind a place in the list, and of the first `most` items.
    pub(super) fn walk<T: DeserializeOwned>(
        &self,
        target: &Target,
        mut cursor: Option<String>,
        most: Option<usize>,
        each: Each<'_, T>,
    ) -> Result<(), Failure> {
        let mut left = most.map_or(u64::MAX, |most| u64::try_from(most).unwrap_or(u64::MAX));
        while left > 0 {
            let page = target.clone().with("limit", Some(PAGE.min(left))).with("cursor", cursor.as_ref());
            let page: Page<T> = self.get(page)?;
            left = left.saturating_sub(page.items.len() as u64);
            page.items.into_iter().try_for_each(&mut *each)?;
            match page.next {
                Some(next) if cursor.as_ref() == Some(&next) => {
                    return Err(Failure::cannot("the server sends the same part of a list again and again")
                        .help("check --server: it is the address of the admin listener of kgate"));
                }
                Some(next) => cursor = Some(next),
                None => break,
            }
        }
        Ok(())
    }

    /// Asks what takes a body and changes nothing.
    pub(super) fn ask(&self, path: &str, body: &dyn erased::Body) -> Result<Value, Failure> {
        Ok(self.change("POST", Target::new(path), body)?.value)
    }

    fn change(
        &self,
        method: &'static str,
        target: Target,
        body: &dyn erased::Body,
    ) -> Result<Answered, Failure> {
        self.client.call(&Call { method, target: target.0, body: Some(body), creates: false })
    }

    fn changed<T: DeserializeOwned>(
        &self,
        method: &'static str,
        target: Target,
        body: &dyn erased::Body,
    ) -> Result<Changed<T>, Failure> {
        let answered = self.change(method, target, body)?;
        Ok((read(answered.value)?, answered.changed))
    }

    /// Has something done whose answer is all there is to say.
    pub(super) fn done<T: DeserializeOwned>(
        &self,
        target: Target,
        body: &dyn erased::Body,
    ) -> Result<T, Failure> {
        read(self.change("POST", target, body)?.value)
    }

    pub(super) fn create<T: DeserializeOwned>(
        &self,
        target: Target,
        body: &dyn erased::Body,
    ) -> Result<T, Failure> {
        let call = Call { method: "POST", target: target.0, body: Some(body), creates: true };
        read(self.client.call(&call)?.value)
    }
}

/// A path and a query.
#[derive(Clone)]
pub(in crate::cli) struct Target(String);

impl Target {
    /// Begins with a path, of which nothing has to be encoded.
    pub(in crate::cli) fn new(path: &str) -> Self {
        Self(path.to_owned())
    }

    /// Adds a segment, whatever is in it.
    pub(super) fn segment(mut self, text: &str) -> Self {
        self.0.push('/');
        encode(&mut self.0, text);
        self
    }

    /// Adds a parameter, if there is one.
    pub(in crate::cli) fn with(mut self, name: &str, value: Option<impl ToString>) -> Self {
        let Some(value) = value else { return self };
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        encode(&mut self.0, &value.to_string());
        self
    }

    pub(super) fn into_text(self) -> String {
        self.0
    }

    fn with_each(self, name: &str, values: &[impl ToString]) -> Self {
        values.iter().fold(self, |target, value| target.with(name, Some(value.to_string())))
    }
}

/// Percent-encodes all but what RFC 3986 leaves to everybody.
fn encode(into: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => into.push(byte.into()),
            _ => drop(write!(into, "%{byte:02X}")),
        }
    }
}

fn consumer(named: &str) -> Result<Target, Failure> {
    refuse_token(named)?;
    Ok(Target::new("/v1/consumers").segment(named))
}

fn key(named: &str) -> Result<Target, Failure> {
    refuse_token(named)?;
    Ok(Target::new("/v1/keys").segment(named))
}

fn admin_key(id: AdminKeyId) -> Target {
    Target::new("/v1/admin-keys").segment(&id.to_string())
}

impl Switch {
    fn segment(self) -> &'static str {
        match self {
            Self::Off => "disable",
            Self::On => "enable",
        }
    }
}

impl Books for Server {
    fn consumers(&self, wanted: &ConsumersWanted, each: Each<'_, ConsumerShape>) -> Result<(), Failure> {
        let target = Target::new("/v1/consumers")
            .with_each("tag", &wanted.tags)
            .with("plan", wanted.plan.as_ref())
            .with("enabled", wanted.enabled)
            .with("name", wanted.name.as_ref());
        self.pages(&target, each)
    }

    fn consumer(&self, named: &str) -> Result<ConsumerShape, Failure> {
        self.get(consumer(named)?)
    }

    fn create_consumer(&self, new: &NewConsumerBody) -> Result<(ConsumerShape, Option<ConsumerId>), Failure> {
        let mut namesake = None;
        let alike = ConsumersWanted { name: Some(new.name.clone()), ..ConsumersWanted::default() };
        self.consumers(&alike, &mut |consumer| {
            if consumer.name == new.name {
                namesake.get_or_insert(consumer.id.0);
            }
            Ok(())
        })?;
        Ok((self.create(Target::new("/v1/consumers"), new)?, namesake))
    }

    fn update_consumer(
        &self,
        named: &str,
        edit: &ConsumerEditBody,
    ) -> Result<Changed<ConsumerShape>, Failure> {
        self.changed("PATCH", consumer(named)?, edit)
    }

    fn switch_consumer(
        &self,
        named: &str,
        to: Switch,
        note: Option<&str>,
    ) -> Result<Changed<ConsumerShape>, Failure> {
        self.changed("POST", consumer(named)?.segment(to.segment()), &json!({ "note": note }))
    }

    fn delete_consumer(
        &self,
        named: &str,
        dry_run: bool,
        note: Option<&str>,
    ) -> Result<ConsumerDeleted, Failure> {
        let target = consumer(named)?.with("dry_run", Some(dry_run)).with("note", note);
        let call = Call { method: "DELETE", target: target.0, body: None, creates: false };
        read(self.client.call(&call)?.value)
    }

    fn keys(&self, wanted: &KeysWanted, each: Each<'_, KeyShape>) -> Result<(), Failure> {
        let target = Target::new("/v1/keys")
            .with("consumer", wanted.consumer.as_ref())
            .with_each("tag", &wanted.tags)
            .with_each("status", &wanted.status)
            .with("type", wanted.key_type.as_ref())
            .with("expiring", wanted.expiring)
            .with("unused_for", wanted.unused_for)
            .with("never_rotated", wanted.never_rotated.then_some(true))
            .with("scope", wanted.scope.as_ref())
            .with("name", wanted.name.as_ref());
        self.pages(&target, each)
    }

    fn key(&self, named: &str) -> Result<KeyShape, Failure> {
        self.get(key(named)?)
    }

    fn create_keys(&self, new: &NewKeyBody, each: Each<'_, Vec<NewKeyShape>>) -> Result<(), Failure> {
        let mut left = new.count.unwrap_or(1);
        while left > 0 {
            let step = NewKeyBody { count: Some(left.min(PAGE)), ..new.clone() };
            left -= left.min(PAGE);
            let made: KeysMade = self.create(Target::new("/v1/keys"), &step)?;
            each(made.keys)?;
        }
        Ok(())
    }

    fn update_key(&self, named: &str, edit: &KeyEditBody) -> Result<Changed<KeyShape>, Failure> {
        self.changed("PATCH", key(named)?, edit)
    }

    fn rotate_key(&self, named: &str, how: &RotateBody) -> Result<KeyRotated, Failure> {
        self.create(key(named)?.segment("rotate"), how)
    }

    fn switch_key(&self, named: &str, to: Switch, note: Option<&str>) -> Result<Changed<KeyShape>, Failure> {
        self.changed("POST", key(named)?.segment(to.segment()), &json!({ "note": note }))
    }

    fn revoke_keys(&self, which: &BulkRevokeBody, progress: &dyn Fn(usize)) -> Result<KeysRevoked, Failure> {
        let mut all: Option<KeysRevoked> = None;
        for keys in which.keys.chunks(MOST_NAMED).chain(which.keys.is_empty().then_some(&[][..])) {
            let step = BulkRevokeBody { keys: keys.to_vec(), ..which.clone() };
            let done: KeysRevoked = self.done(Target::new("/v1/keys/revoke"), &step)?;
            progress(done.revoked.len() + done.already_revoked.len() + done.failed.len());
            match &mut all {
                None => all = Some(done),
                Some(all) => {
                    all.revoked.extend(done.revoked);
                    all.already_revoked.extend(done.already_revoked);
                    all.failed.extend(done.failed);
                }
            }
        }
        all.ok_or_else(|| Failure::cannot("no keys were named"))
    }

    fn prune_keys(&self, which: &PruneBody, progress: &dyn Fn(usize)) -> Result<KeysPruned, Failure> {
        let done: KeysPruned = self.done(Target::new("/v1/keys/prune"), which)?;
        progress(done.pruned.len());
        Ok(done)
    }

    fn rotation_status(&self, consumer: Option<&str>) -> Result<Vec<RotationShape>, Failure> {
        self.get(Target::new("/v1/rotation-status").with("consumer", consumer))
    }

    fn admin_keys(&self, each: Each<'_, AdminKeyShape>) -> Result<(), Failure> {
        let keys: Vec<AdminKeyShape> = self.get(Target::new("/v1/admin-keys"))?;
        keys.into_iter().try_for_each(each)
    }

    fn admin_key(&self, id: AdminKeyId) -> Result<AdminKeyShape, Failure> {
        self.get(admin_key(id))
    }

    fn create_admin_key(&self, new: &NewAdminKeyBody) -> Result<NewAdminKeyShape, Failure> {
        self.create(Target::new("/v1/admin-keys"), new)
    }

    fn rotate_admin_key(&self, id: AdminKeyId, how: &RotateAdminKeyBody) -> Result<AdminKeyRotated, Failure> {
        self.create(admin_key(id).segment("rotate"), how)
    }

    fn revoke_admin_key(
        &self,
        id: AdminKeyId,
        note: Option<&str>,
    ) -> Result<Changed<AdminKeyShape>, Failure> {
        self.changed("POST", admin_key(id).segment("revoke"), &json!({ "note": note }))
    }
}

/// Turns a refusal of the server into what a command on its machine would say.
pub(super) fn refused(status: u16, problem: &Value, server: &str) -> Failure {
    let text = |name: &str| problem[name].as_str().unwrap_or_default();
    let (code, detail) = (text("code"), text("detail"));
    if code.is_empty() {
        return Failure::cannot(format!("{server} answered {status}, which the admin API of kgate does not"))
            .help("check --server: it is the address of the admin listener, not of the gateway");
    }
    let failure = match code {
        "unauthorized" => {
            return Failure::cannot(format!("{server} takes no calls without a valid admin key")).help(
                "put one into KGATE_ADMIN_KEY, or name its file with --admin-key-file; `kgate admin-key create` makes one",
            );
        }
        "misdirected" => Failure::cannot(format!("{server} is not served under that name"))
            .help("add the name to `admin_hosts` in [listen] there"),
        code if NO.contains(&code) => Failure::no(detail),
        _ => Failure::cannot(detail),
    };
    let errors = problem["errors"].as_array().into_iter().flatten();
    let faults = errors.filter_map(|error| Some((error["pointer"].as_str()?, error["detail"].as_str()?)));
    let failure = faults.filter(|(_, said)| *said != detail).fold(failure, |failure, (at, said)| {
        let at = at.trim_start_matches(['/', '?']);
        failure.help(if at.is_empty() { said.to_owned() } else { format!("{at}: {said}") })
    });
    let subjects = problem["subjects"].as_array().into_iter().flatten();
    let subjects: Vec<String> = subjects.filter_map(|id| Some(id.as_str()?.to_owned())).collect();
    let advice = match code {
        "no_such_key" => vec!["`kgate key list` shows all keys".to_owned()],
        "no_such_consumer" => vec!["`kgate consumer list` shows all consumers".to_owned()],
        "no_such_admin_key" => vec!["`kgate admin-key list` shows all admin keys".to_owned()],
        "no_such_invitation" => vec![super::visitors::NO_INVITATION.to_owned()],
        "no_portal" => vec![super::visitors::NO_PORTAL.to_owned()],
        "ambiguous_consumer" => vec![format!("name one by its id: {}", subjects.join(", "))],
        "revoked" | "expired" => vec!["create a new key with `kgate key create --consumer …`".to_owned()],
        "insufficient_role" => vec!["ask an admin, or use an admin key of that role".to_owned()],
        "outcome_unknown" => outcome_advice(&subjects),
        "too_many_failures" | "busy" | "store_busy" => vec!["try again in a moment".to_owned()],
        _ => Vec::new(),
    };
    advice.into_iter().fold(failure, Failure::help)
}

/// What is an answer ("no such key", "it was revoked") and not a fault.
const NO: &[&str] = &[
    "no_such_key",
    "no_such_consumer",
    "no_such_admin_key",
    "no_such_invitation",
    "revoked",
    "expired",
    "disabled",
    "already_rotated",
    "external_id_taken",
    "ended",
];

/// How many keys are named in one call.
const MOST_NAMED: usize = 10_000;

/// How many items come at once, and how many keys are made in one step.
pub(in crate::cli) const PAGE: u64 = 500;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_a_name_is_it_stays_one_segment_and_one_value() {
        let target = consumer("a/b c?d&é").unwrap().with("note", Some("x=1&y")).with("n", None::<&str>);
        assert_eq!(target.0, "/v1/consumers/a%2Fb%20c%3Fd%26%C3%A9?note=x%3D1%26y");
    }

    #[test]
    fn refusals_are_what_a_command_there_would_say() {
        let refused = |status, code, detail| {
            let failure = refused(status, &json!({ "code": code, "detail": detail }), "unix:a");
            (failure.exit_code(), failure.message().to_owned())
        };
        assert_eq!(refused(404, "no_such_key", "there is no key `x`"), (1, "there is no key `x`".to_owned()));
        assert_eq!(refused(409, "revoked", "it was revoked").0, 1);
        assert_eq!(refused(403, "insufficient_role", "this needs").0, 2);
        assert!(refused(401, "unauthorized", "x").1.contains("valid admin key"));
        assert!(refused(404, "", "").1.contains("404"));
    }
}
