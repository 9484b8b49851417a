//! The endpoints of the API, one table: who may call what is said here and nowhere else.

mod admin_keys;
mod audit;
mod consumers;
mod digests;
mod keys;
mod many;
mod pages;
mod portal;
mod system;
mod usage;

use std::collections::BTreeSet;

use axum::http::Method;
use axum::http::header::{ETAG, LOCATION};
use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::{Config, certificate_name};
use crate::key::{ConsumerId, ConsumerRecord, Role};
use crate::store::{RecordTag, Store, StoreError};

use super::endpoint::{Call, Endpoint, Reply};
use super::problem::Problem;
use super::shape::{AdminKeyShape, ConsumerShape, KeyShape, NewAdminKeyShape, Note, Page};
use super::status::Status;

pub use admin_keys::{AdminKeyRotated, NewAdminKeyBody, RotateAdminKeyBody};
pub use audit::{AlertShape, AuditReportShape, AuditRowShape};
pub use consumers::{ConsumerDeleted, ConsumerEditBody, NewConsumerBody};
pub use digests::{DigestShape, HashShape};
pub use keys::{
    KeyEditBody, KeyRotated, KeysMade, KeysPruned, NewKeyBody, PruneBody, RevokeBody, RotateBody,
    RotationShape, Verified, VerifyBody,
};
pub use many::{BulkRevokeBody, KeysRevoked, RevokeFailure};
pub use portal::{
    InvitationShape, InviteError, NewInvitationBody, NewInvitationShape, PortalSessionShape, SignOutBody,
    SignedOut, invite, sign_out, withdraw,
};
pub use system::{ExplainBody, Whoami};
pub use usage::UsageRow;

/// Returns every endpoint.
#[expect(clippy::too_many_lines, reason = "one table, read from top to bottom")]
pub(super) fn endpoints() -> Vec<Endpoint> {
    use Role::{Admin, Operator, Viewer};
    let get = |path, role, id, summary, run| Endpoint::new(Method::GET, path, role, id, summary, run);
    let post = |path, role, id, summary, run| Endpoint::new(Method::POST, path, role, id, summary, run);
    let patch = |path, role, id, summary, run| Endpoint::new(Method::PATCH, path, role, id, summary, run);
    let delete = |path, role, id, summary, run| Endpoint::new(Method::DELETE, path, role, id, summary, run);
    vec![
        get(
            "/v1/consumers",
            Some(Viewer),
            "listConsumers",
            "Lists consumers, the oldest first",
            consumers::list,
        )
        .query::<consumers::ListQuery>()
        .answers::<Page<ConsumerShape>>(),
        post("/v1/consumers", Some(Operator), "createConsumer", "Makes a consumer", consumers::create)
            .body::<NewConsumerBody>()
            .answers::<ConsumerShape>()
            .creates(),
        get("/v1/consumers/{consumer}", Some(Viewer), "showConsumer", "Shows a consumer", consumers::show)
            .answers::<ConsumerShape>()
            .tagged(),
        patch(
            "/v1/consumers/{consumer}",
            Some(Operator),
            "updateConsumer",
            "Changes a consumer",
            consumers::update,
        )
        .body::<ConsumerEditBody>()
        .answers::<ConsumerShape>()
        .tagged(),
        delete(
            "/v1/consumers/{consumer}",
            Some(Operator),
            "deleteConsumer",
            "Revokes all keys of a consumer and deletes it",
            consumers::delete,
        )
        .query::<consumers::DeleteQuery>()
        .answers::<ConsumerDeleted>(),
        post(
            "/v1/consumers/{consumer}/disable",
            Some(Operator),
            "disableConsumer",
            "Makes all keys of a consumer stop working",
            consumers::disable,
        )
        .body::<NoteBody>()
        .answers::<ConsumerShape>(),
        post(
            "/v1/consumers/{consumer}/enable",
            Some(Operator),
            "enableConsumer",
            "Lets the keys of a consumer work again",
            consumers::enable,
        )
        .body::<NoteBody>()
        .answers::<ConsumerShape>(),
        get("/v1/keys", Some(Viewer), "listKeys", "Lists keys, the oldest first", keys::list)
            .query::<keys::ListQuery>()
            .answers::<Page<KeyShape>>(),
        post(
            "/v1/keys",
            Some(Operator),
            "createKeys",
            "Makes one key, or up to 500 alike, all or none",
            keys::create,
        )
        .body::<NewKeyBody>()
        .answers::<KeysMade>()
        .creates(),
        get("/v1/keys/{key}", Some(Viewer), "showKey", "Shows a key", keys::show)
            .answers::<KeyShape>()
            .tagged(),
        patch(
            "/v1/keys/{key}",
            Some(Operator),
            "updateKey",
            "Changes a key; its scopes cannot be changed",
            keys::update,
        )
        .body::<KeyEditBody>()
        .answers::<KeyShape>()
        .tagged(),
        post(
            "/v1/keys/{key}/rotate",
            Some(Operator),
            "rotateKey",
            "Replaces a key, which goes on working for a while",
            keys::rotate,
        )
        .body::<RotateBody>()
        .answers::<KeyRotated>()
        .creates(),
        post("/v1/keys/{key}/revoke", Some(Operator), "revokeKey", "Ends a key for good", keys::revoke)
            .body::<RevokeBody>()
            .answers::<KeyShape>(),
        post("/v1/keys/{key}/disable", Some(Operator), "disableKey", "Switches a key off", keys::disable)
            .body::<NoteBody>()
            .answers::<KeyShape>(),
        post("/v1/keys/{key}/enable", Some(Operator), "enableKey", "Switches a key on", keys::enable)
            .body::<NoteBody>()
            .answers::<KeyShape>(),
        post(
            "/v1/keys/revoke",
            Some(Operator),
            "revokeKeys",
            "Ends many keys for good, 500 in a step",
            many::revoke,
        )
        .body::<BulkRevokeBody>()
        .answers::<KeysRevoked>()
        .max_body(MANY_BODY),
        post(
            "/v1/keys/prune",
            Some(Admin),
            "pruneKeys",
            "Removes keys that were revoked long ago",
            keys::prune,
        )
        .body::<PruneBody>()
        .answers::<KeysPruned>(),
        post(
            "/v1/keys/verify",
            Some(Viewer),
            "verifyKey",
            "Says whose a key is, and whether it works",
            keys::verify,
        )
        .body::<keys::VerifyBody>()
        .answers::<keys::Verified>(),
        get(
            "/v1/rotation-status",
            Some(Viewer),
            "rotationStatus",
            "Lists replaced keys that still work",
            keys::rotation_status,
        )
        .query::<keys::RotationQuery>()
        .answers::<Vec<RotationShape>>(),
        get(
            "/v1/rehash-status",
            Some(Viewer),
            "rehashStatus",
            "Counts the keys that depend on each pepper",
            digests::hashes,
        )
        .answers::<Vec<HashShape>>(),
        get("/v1/digests", Some(Operator), "listDigests", "Lists what is kept of tokens", digests::list)
            .query::<digests::DigestQuery>()
            .answers::<Page<DigestShape>>(),
        get("/v1/admin-keys", Some(Admin), "listAdminKeys", "Lists admin keys", admin_keys::list)
            .answers::<Vec<AdminKeyShape>>(),
        post("/v1/admin-keys", Some(Admin), "createAdminKey", "Makes an admin key", admin_keys::create)
            .body::<NewAdminKeyBody>()
            .answers::<NewAdminKeyShape>()
            .creates(),
        get(
            "/v1/admin-keys/{admin_key}",
            Some(Admin),
            "showAdminKey",
            "Shows an admin key",
            admin_keys::show,
        )
        .answers::<AdminKeyShape>(),
        post(
            "/v1/admin-keys/{admin_key}/rotate",
            Some(Admin),
            "rotateAdminKey",
            "Replaces an admin key, which goes on working for a while",
            admin_keys::rotate,
        )
        .body::<RotateAdminKeyBody>()
        .answers::<AdminKeyRotated>()
        .creates(),
        post(
            "/v1/admin-keys/{admin_key}/revoke",
            Some(Admin),
            "revokeAdminKey",
            "Ends an admin key for good",
            admin_keys::revoke,
        )
        .body::<NoteBody>()
        .answers::<AdminKeyShape>(),
        get(
            "/v1/portal/invitations",
            Some(Operator),
            "listInvitations",
            "Lists open invitations to the portal, the latest first",
            portal::invitations,
        )
        .query::<portal::ListQuery>()
        .answers::<Vec<InvitationShape>>(),
        post(
            "/v1/portal/invitations",
            Some(Operator),
            "createInvitation",
            "Makes a link by which a consumer signs in at the portal, once",
            portal::create_invitation,
        )
        .body::<NewInvitationBody>()
        .answers::<NewInvitationShape>()
        .creates(),
        post(
            "/v1/portal/invitations/{invitation}/withdraw",
            Some(Operator),
            "withdrawInvitation",
            "Withdraws an open invitation",
            portal::withdraw_invitation,
        )
        .body::<NoteBody>()
        .answers::<SignedOut>(),
        get(
            "/v1/portal/sessions",
            Some(Operator),
            "listPortalSessions",
            "Lists who is signed in at the portal, the latest seen first",
            portal::sessions,
        )
        .query::<portal::ListQuery>()
        .answers::<Vec<PortalSessionShape>>(),
        post(
            "/v1/portal/sign-out",
            Some(Operator),
            "signOut",
            "Ends sessions at the portal, and open invitations with them",
            portal::end,
        )
        .body::<SignOutBody>()
        .answers::<SignedOut>(),
        get("/v1/audit", Some(Viewer), "listAudit", "Shows who did what, when and why", audit::list)
            .query::<audit::ListQuery>()
            .answers::<Page<AuditRowShape>>(),
        get(
            "/v1/audit/verify",
            Some(Viewer),
            "verifyAudit",
            "Checks the whole chain of the audit log",
            audit::verify,
        )
        .query::<audit::VerifyQuery>()
        .answers::<AuditReportShape>(),
        get(
            "/v1/alerts",
            Some(Viewer),
            "listAlerts",
            "Shows uses of keys that had ended, the latest first",
            audit::alerts,
        )
        .query::<audit::AlertQuery>()
        .answers::<Page<AlertShape>>(),
        get(
            "/v1/usage",
            Some(Viewer),
            "usage",
            "Shows how much keys, consumers and routes were used",
            usage::usage,
        )
        .query::<usage::UsageQuery>()
        .answers::<Page<UsageRow>>(),
        post("/v1/explain", Some(Viewer), "explain", "Says what would become of a request", system::explain)
            .body::<system::ExplainBody>(),
        get("/v1/status", Some(Viewer), "status", "Shows what runs here", system::status).answers::<Status>(),
        get("/v1/doctor", Some(Viewer), "doctor", "Looks at the data directory", system::doctor)
            .answers::<Vec<system::CheckShape>>(),
        get("/v1/whoami", Some(Viewer), "whoami", "Says who calls", system::whoami).answers::<Whoami>(),
        get("/v1/backup", Some(Admin), "backup", "Sends a copy of the store at one moment", system::backup)
            .query::<system::BackupQuery>(),
        get("/v1/openapi.json", None, "openapi", "This document", pages::openapi),
        get("/v1/docs", None, "docs", "A page that shows this document", pages::docs),
        get("/v1/docs.css", None, "docsStyle", "The style of that page", pages::css),
    ]
}

/// A body of 10,000 identifiers or tokens.
const MANY_BODY: usize = 1 << 20;

/// Why something is done, for the audit log.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Note")]
pub struct NoteBody {
    /// Why, in your words, for the audit log.
    #[serde(default)]
    pub note: Note,
}

/// Reads a whole number, which JSON may write as 5.0.
fn whole<'de, D: serde::Deserializer<'de>>(input: D) -> Result<Option<u64>, D::Error> {
    let Some(number) = Option::<serde_json::Number>::deserialize(input)? else { return Ok(None) };
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "looked at before")]
    let whole = |float: f64| (float.fract() == 0.0 && (0.0..1e15).contains(&float)).then_some(float as u64);
    let value = number.as_u64().or_else(|| number.as_f64().and_then(whole));
    value.map(Some).ok_or_else(|| serde::de::Error::custom("a whole number is needed"))
}

/// Checks the target of a request that is asked about.
fn check_target(path: &str) -> Result<(), Problem> {
    if path.starts_with('/') && path.chars().count() <= 4096 {
        return Ok(());
    }
    Err(Problem::malformed("/path", "a path begins with `/` and has at most 4096 characters"))
}

/// Reads the names of a certificate that a request which is asked about would come with.
fn certificate_names(names: &[String]) -> Result<Vec<String>, Problem> {
    let read = |(at, name): (usize, &String)| {
        certificate_name(name).ok_or_else(|| {
            let kinds = "a name in a certificate is cn:NAME, dns:NAME, email:NAME, uri:NAME or subject:NAME";
            Problem::malformed(format!("/client_certificate/{at}"), kinds)
        })
    };
    names.iter().enumerate().map(read).collect()
}

/// How much of a list to return.
const LIMIT: u64 = 100;

/// The most items of a page.
const LIMIT_MAX: u64 = 500;

/// How many records a page looks at before it says "more follow": filters may let few through, and nobody
/// must wait for a walk through a million.
const SCANNED: usize = 20_000;

fn limit(wanted: Option<u64>) -> Result<usize, Problem> {
    match wanted.unwrap_or(LIMIT) {
        limit @ 1..=LIMIT_MAX => Ok(usize::try_from(limit).unwrap_or(usize::MAX)),
        _ => Err(Problem::malformed("?limit", format!("1 to {LIMIT_MAX}"))),
    }
}

fn cursor<T: std::str::FromStr>(text: Option<&str>) -> Result<Option<T>, Problem> {
    let read = text.map(str::parse).transpose();
    read.map_err(|_| Problem::malformed("?cursor", "pass the `next` of an answer, unchanged"))
}

/// Gathers a page of what a walk through the store hands over.
struct Gather<T> {
    items: Vec<T>,
    limit: usize,
    scanned: usize,
    last: Option<String>,
    error: Option<StoreError>,
}

impl<T> Gather<T> {
    fn new(limit: usize) -> Self {
        Self { items: Vec::new(), limit, scanned: 0, last: None, error: None }
    }

    /// Takes a record if there is room; `false` ends the walk. `last` is set only if the walk was ended
    /// before its end.
    fn take(&mut self, id: &str, item: Option<T>) -> bool {
        self.scanned += 1;
        self.items.extend(item);
        let is_full = self.items.len() == self.limit || self.scanned == SCANNED;
        self.last = is_full.then(|| id.to_owned());
        !is_full
    }

    /// Nothing more can be wanted.
    fn scanned_past(&mut self) -> bool {
        self.last = None;
        false
    }

    /// A record that cannot be read: rather no answer than half of one.
    fn fail(&mut self, error: StoreError) -> bool {
        self.error = Some(error);
        false
    }

    fn page(self) -> Result<Page<T>, Problem> {
        match self.error {
            Some(error) => Err(error.into()),
            None => Ok(Page { items: self.items, next: self.last }),
        }
    }
}

/// Finds a consumer by identifier, external id or unambiguous name.
fn consumer(store: &Store, wanted: &str) -> Result<ConsumerRecord, Problem> {
    Ok(store.find_consumer(wanted)?)
}

/// As [`consumer`], of one a body or a query names: that it is not there is a mistake of the request.
fn named_consumer(store: &Store, wanted: &str, pointer: &str) -> Result<ConsumerRecord, Problem> {
    match store.find_consumer(wanted) {
        Err(error @ StoreError::NoSuchConsumer { .. }) => {
            Err(Problem::new(404, "no_such_consumer", error.to_string()).at(pointer, error.to_string()))
        }
        found => Ok(found?),
    }
}

/// Returns the consumers that a name and tags select together; `None` is all.
fn selected(
    store: &Store,
    wanted: Option<&str>,
    tags: &[String],
    pointer: &str,
) -> Result<Option<BTreeSet<ConsumerId>>, Problem> {
    let named = wanted.map(|wanted| named_consumer(store, wanted, pointer)).transpose()?;
    Ok(store.selected(named.map(|consumer| consumer.id), tags)?)
}

/// Checks that the configuration in force declares a plan.
fn check_plan(config: &Config, plan: Option<&str>) -> Result<(), Problem> {
    let Some(plan) = plan else { return Ok(()) };
    if config.plans.iter().any(|declared| declared.name == plan) {
        return Ok(());
    }
    let names: Vec<&str> = config.plans.iter().map(|plan| plan.name.as_str()).collect();
    Err(Problem::invalid("/plan", format!("the plans are: {}", names.join(", "))))
}

fn etag(reply: Reply, tag: RecordTag) -> Reply {
    reply.with(ETAG, format!("\"{tag}\""))
}

fn location(reply: Reply, path: String) -> Reply {
    reply.with(LOCATION, path)
}

/// Runs what makes something, once: the same request again is answered with what the first one made.
///
/// `again` gets the number of the row of the audit log that says what was made.
fn once(
    call: &Call<'_>,
    store: &Store,
    first: impl FnOnce() -> Result<Reply, Problem>,
    again: impl Fn(u64) -> Result<Reply, Problem>,
) -> Result<Reply, Problem> {
    let Some(request) = &call.request else { return first() };
    if let Some(done) = store.done(request, call.now)? {
        return Ok(replayed(again(done.row)?));
    }
    match first() {
        // Another one of the same name was faster.
        Err(problem) if problem.is_already_done() => match store.done(request, call.now)? {
            Some(done) => Ok(replayed(again(done.row)?)),
            None => Err(problem),
        },
        result => result,
    }
}

fn replayed(reply: Reply) -> Reply {
    reply.with(axum::http::HeaderName::from_static("idempotency-replayed"), "true")
}

/// Returns what a row of the audit log says was done.
fn action_of(store: &Store, row: u64) -> Result<crate::store::Action, Problem> {
    let mut found = None;
    store.audit(row, &mut |row| {
        found = Some(row.action);
        false
    })?;
    found.ok_or_else(|| Problem::new(409, "already_done", "it was carried out before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_endpoint_has_its_own_name_and_place() {
        let all = endpoints();
        let names: BTreeSet<_> = all.iter().map(|endpoint| endpoint.id).collect();
        let places: BTreeSet<_> = all.iter().map(|e| (e.method.as_str(), e.path)).collect();
        assert_eq!((names.len(), places.len()), (all.len(), all.len()));
        // What changes something is nobody's but an operator's.
        for endpoint in all.iter().filter(|endpoint| endpoint.method != Method::GET) {
            let only_asks = ["explain", "verifyKey"].contains(&endpoint.id);
            assert!(only_asks || endpoint.role >= Some(Role::Operator), "{}", endpoint.id);
        }
    }
}
