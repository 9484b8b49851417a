//! The gateway itself.

#![allow(clippy::unnecessary_wraps, reason = "every endpoint may fail")]

use axum::http::header::{CONTENT_DISPOSITION, HeaderName};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::edge::{Bringing, Question};
use crate::key::{KeyId, Role};
use crate::store::{Level, Options, Overwrite, Revision, StoreError, doctor as examine};

use super::super::endpoint::{Call, Reply, ReplyBody};
use super::super::problem::Problem;
use super::super::shape::{Note, Spelled};

/// A request that is asked about and never made.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Question")]
pub struct ExplainBody {
    /// Its target: path, and query.
    #[schemars(regex(pattern = "^/"), length(max = 4096))]
    pub path: String,
    /// Its method; GET if nothing is said.
    #[serde(default = "get")]
    pub method: String,
    /// Its host.
    #[serde(default)]
    pub host: String,
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
    /// The key it would bring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_id: Option<Spelled<KeyId>>,
}

impl From<ExplainBody> for Question {
    fn from(body: ExplainBody) -> Self {
        Self {
            method: body.method,
            path: body.path,
            host: body.host,
            ip: body.ip.map(|ip| ip.0),
            origin: body.origin,
            client_certificate: body.client_certificate,
            bringing: body.key_id.map_or(Bringing::Nothing, |id| Bringing::Key(id.0)),
        }
    }
}

fn get() -> String {
    "GET".to_owned()
}

/// Who calls.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Whoami {
    /// As the audit log names them.
    pub actor: String,
    /// What they may do.
    pub role: Spelled<Role>,
    /// The admin key, if it is one.
    pub admin_key_id: Option<String>,
}

/// Something that was looked at.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Check")]
pub(super) struct CheckShape {
    /// What.
    name: String,
    /// `good`, `warning` or `fault`.
    level: String,
    /// What was found.
    detail: String,
}

/// Why a copy is taken.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupQuery {
    /// Why, in your words, for the audit log.
    #[serde(default)]
    note: Note,
}

pub(super) fn explain(call: &Call<'_>) -> Result<Reply, Problem> {
    let mut body: ExplainBody = call.body()?;
    super::check_target(&body.path)?;
    body.client_certificate = super::certificate_names(&body.client_certificate)?;
    Ok(Reply::json(&ask(call, body.into())?))
}

/// Has the running gateway explain a request. This thread is one that may wait.
pub(super) fn ask(call: &Call<'_>, question: Question) -> Result<Value, Problem> {
    let asked = (call.desk.handlers().explain)(question);
    tokio::runtime::Handle::current().block_on(asked).map_err(Problem::unavailable)
}

pub(super) fn status(call: &Call<'_>) -> Result<Reply, Problem> {
    Ok(Reply::json(&(call.desk.handlers().status)()))
}

pub(super) fn doctor(call: &Call<'_>) -> Result<Reply, Problem> {
    let report = examine(&call.desk.config().data_dir, &Options::default());
    let checks: Vec<_> = report
        .checks
        .iter()
        .map(|check| CheckShape {
            name: check.name.to_owned(),
            level: match check.level {
                Level::Good => "good",
                Level::Warning => "warning",
                Level::Fault => "fault",
            }
            .to_owned(),
            detail: check.detail.clone(),
        })
        .collect();
    Ok(Reply::json(&checks))
}

pub(super) fn whoami(call: &Call<'_>) -> Result<Reply, Problem> {
    let caller = call.caller.ok_or_else(Problem::unauthorized)?;
    Ok(Reply::json(&Whoami {
        actor: caller.name.clone(),
        role: Spelled(caller.role),
        admin_key_id: caller.admin_key.clone(),
    }))
}

/// Makes a copy beside the store, which has no name any more when it is sent: a client names no path.
pub(super) fn backup(call: &Call<'_>) -> Result<Reply, Problem> {
    let query: BackupQuery = call.query()?;
    let store = call.desk.store()?;
    let sent = |body, revision: Revision| {
        Reply { status: 200, body, headers: Vec::new() }
            .with(CONTENT_DISPOSITION, "attachment; filename=\"kgate.backup\"")
            .with(HeaderName::from_static("kgate-revision"), revision.to_string())
    };
    if call.is_head {
        // Nobody gets a copy, so there is none to make and none to note.
        return Ok(sent(ReplyBody::Unsaid, store.revision()?));
    }
    let Ok(_alone) = call.desk.backing_up.try_lock() else { return Err(Problem::busy()) };
    let path = store.dir().join(COPY);
    // One left behind by a crash is replaced.
    let report = store.backup(&path, Overwrite::Replace, &call.act(query.note))?;
    let opened = std::fs::File::open(&path);
    let removed = std::fs::remove_file(&path);
    let file =
        opened.and_then(|file| removed.map(|()| file)).map_err(|error| StoreError::Io { path, error })?;
    Ok(sent(ReplyBody::File(file, report.bytes), report.revision))
}

const COPY: &str = "kgate-api.backup";
