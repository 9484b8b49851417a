//! Why a request is not answered as asked: `application/problem+json` (RFC 9457), with a stable `code` for
//! programs and, where fields are at fault, a JSON pointer to each.

use axum::body::Body;
use axum::http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderName, HeaderValue, Response, StatusCode};
use schemars::JsonSchema;
use serde::Serialize;

use crate::store::StoreError;

/// A refusal of the API.
#[derive(Clone, Debug)]
pub struct Problem {
    /// The HTTP status.
    pub status: u16,
    /// A stable word for programs.
    pub code: &'static str,
    /// A sentence for people.
    pub detail: String,
    /// Fields at fault.
    pub errors: Vec<Fault>,
    subjects: Vec<String>,
    headers: Vec<(HeaderName, String)>,
}

/// Something wrong with a field.
#[derive(Clone, Debug, Serialize, JsonSchema)]
#[schemars(rename = "FieldError", inline)]
pub struct Fault {
    /// Where: a JSON pointer into the body, or `?name` of the query.
    pub pointer: String,
    /// What is wrong there.
    pub detail: String,
}

/// What a problem looks like.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemShape {
    /// A page about it, or `about:blank`.
    r#type: String,
    /// The meaning of the status.
    title: String,
    /// The status of the answer.
    status: u16,
    /// A stable word for programs.
    code: String,
    /// A sentence for people.
    detail: String,
    /// Fields at fault.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Fault>,
    /// What to look at, if the outcome is unknown: identifiers of keys and consumers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    subjects: Vec<String>,
}

impl Problem {
    /// Makes one.
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self {
            status,
            code,
            detail: detail.into(),
            errors: Vec::new(),
            subjects: Vec::new(),
            headers: Vec::new(),
        }
    }

    /// What was sent does not have the right form.
    pub fn malformed(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(400, "malformed", "the request does not have the form this endpoint takes")
            .at(pointer, detail)
    }

    /// What was sent has the right form and cannot be done.
    pub fn invalid(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(422, "invalid", "a value cannot be used").at(pointer, detail)
    }

    /// Adds a field at fault.
    #[must_use]
    pub fn at(mut self, pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        self.errors.push(Fault { pointer: pointer.into(), detail: detail.into() });
        self
    }

    /// One answer whatever is wrong with the credential.
    pub(super) fn unauthorized() -> Self {
        Self::new(401, "unauthorized", "a valid admin key is needed: Authorization: Bearer kgate_admin_…")
            .with(WWW_AUTHENTICATE, "Bearer realm=\"kgate admin\"")
    }

    /// A session was resumed that began under a certificate which holds no more.
    pub(super) fn expired_certificate() -> Self {
        Self::new(401, "unauthorized", "the certificate shown has expired")
            .with(WWW_AUTHENTICATE, "Bearer realm=\"kgate admin\"")
    }

    /// Too much is asked at once.
    pub fn busy() -> Self {
        Self::new(503, "busy", "too much is being asked at once: try again").with(RETRY_AFTER, "1")
    }

    /// The store fails before anybody is known: what and where is not said.
    pub(super) fn no_store() -> Self {
        Self::new(503, "store_unavailable", "the store cannot be read, so no key can be checked")
            .with(RETRY_AFTER, "5")
    }

    pub(super) fn not_found() -> Self {
        Self::new(404, "no_such_endpoint", "there is nothing at this path")
    }

    pub(super) fn method(allow: &str) -> Self {
        Self::new(405, "method_not_allowed", "this path does not take this method").with(ALLOW, allow)
    }

    /// Says whether the request was carried out before.
    pub fn is_already_done(&self) -> bool {
        self.code == "already_done"
    }

    /// Says whether the store's handle may be at fault.
    pub fn is_of_the_store(&self) -> bool {
        matches!(self.code, "store_unavailable" | "outcome_unknown" | "disk_full" | "store_busy")
    }

    #[must_use]
    pub(super) fn with(mut self, name: HeaderName, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let shape = ProblemShape {
            r#type: "about:blank".to_owned(),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: self.status,
            code: self.code.to_owned(),
            detail: self.detail,
            errors: self.errors,
            subjects: self.subjects,
        };
        let body = serde_json::to_vec(&shape).expect("a problem has a JSON form");
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        for (name, value) in self.headers {
            headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
        }
        response
    }

    /// Turns an answer of an injected handler, a status and JSON, into a problem.
    pub(super) fn unavailable(detail: String) -> Self {
        Self::new(503, "unavailable", detail).with(RETRY_AFTER, "1")
    }
}

/// One table: what each situation of the store is to a client.
impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::NoSuchKey { .. } => Self::new(404, "no_such_key", text),
            StoreError::NoSuchConsumer { .. } => Self::new(404, "no_such_consumer", text),
            StoreError::NoSuchAdminKey { .. } => Self::new(404, "no_such_admin_key", text),
            StoreError::AmbiguousConsumer { ids, .. } => {
                let subjects = ids.iter().map(ToString::to_string).collect();
                Self { subjects, ..Self::new(409, "ambiguous_consumer", text) }
            }
            StoreError::ExternalIdTaken { .. } => {
                Self::new(409, "external_id_taken", text.clone()).at("/external_id", text)
            }
            StoreError::Revoked { .. } => Self::new(409, "revoked", text),
            StoreError::Expired { .. } => Self::new(409, "expired", text),
            StoreError::Disabled { .. } => Self::new(409, "disabled", text),
            StoreError::AlreadyRotated { .. } => Self::new(409, "already_rotated", text),
            StoreError::AdminKeyEnded { .. } => Self::new(409, "ended", text),
            StoreError::Prefix { .. } => Self::new(409, "prefix", text),
            StoreError::Stale { .. } => Self::new(412, "stale", text),
            StoreError::AlreadyDone { .. } => Self::new(409, "already_done", text),
            StoreError::RequestReused { .. } => Self::new(422, "idempotency_key_reused", text),
            StoreError::Text { field, .. }
            | StoreError::Empty { field }
            | StoreError::TooMany { field, .. } => Self::invalid(pointer(field), text),
            StoreError::NeverValid { .. } => Self::invalid("/not_before", text),
            StoreError::ExpiryInPast { .. } => Self::invalid("/expires", text),
            StoreError::Held { .. } => Self::new(503, "store_busy", text).with(RETRY_AFTER, "5"),
            StoreError::OutcomeUnknown { subjects, .. } => {
                Self { subjects, ..Self::new(504, "outcome_unknown", text) }
            }
            StoreError::DiskFull { .. } => Self::new(507, "disk_full", text),
            StoreError::Damaged { .. } => Self::new(503, "damaged", text),
            _ => Self::new(503, "store_unavailable", text).with(RETRY_AFTER, "5"),
        }
    }
}

/// Which field of a body the store means.
fn pointer(field: &str) -> String {
    let name = match field {
        "the name" => "name",
        "the external id" => "external_id",
        "the contact" => "contact",
        "the plan" => "plan",
        "the note" => "note",
        "the key type" => "type",
        "a tag" | "tags" => "tags",
        "scopes" => "scopes",
        "networks" => "networks",
        text if text.contains("metadata") => "metadata",
        _ => return String::new(),
    };
    format!("/{name}")
}
