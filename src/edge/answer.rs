//! The one table from refusals and failures to HTTP.

use std::time::Duration;

use http::StatusCode;
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE,
};

use super::value::{Values, push_number};
use super::{RequestId, X_REQUEST_ID};
use crate::config::{RateHeaders, Server};
use crate::key::{Limit, Requirement, Timestamp};
use crate::policy::{Class, Denial, Forbidden, LimitState, Permit};

/// A whole answer of kgate's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers but `Content-Length`, `Date` and `Connection`, which are the server's.
    pub headers: HeaderMap,
    /// The body, `application/problem+json` (RFC 9457). Leave it out for HEAD.
    pub body: Vec<u8>,
}

/// What went wrong in the gateway itself, as opposed to a denial by the engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// 400: it parses, but cannot be served.
    BadRequest,
    /// 400: it would pass, but only with another target than the front can forward.
    NotForwardable,
    /// 408: the header or body came too slowly.
    RequestTimeout,
    /// 413: the body is larger than `max_body`.
    BodyTooLarge,
    /// 414: the target is longer than `max_url_bytes`.
    UrlTooLong,
    /// 431: more header bytes or fields than allowed.
    HeaderTooLarge,
    /// 500: a fault of kgate's own.
    Internal,
    /// 502: the backend cannot be reached, or answered nonsense.
    BadGateway,
    /// 503: `max_in_flight` requests are in work, or the server is shutting down.
    Overloaded,
    /// 503: it cannot be told whether the key is valid now.
    Unavailable,
    /// 504: the backend did not answer in time.
    GatewayTimeout,
}

impl Failure {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::BadRequest,
        Self::NotForwardable,
        Self::RequestTimeout,
        Self::BodyTooLarge,
        Self::UrlTooLong,
        Self::HeaderTooLarge,
        Self::Internal,
        Self::BadGateway,
        Self::Overloaded,
        Self::Unavailable,
        Self::GatewayTimeout,
    ];

    /// Returns its fixed name, as in the answer's `code`; fit for a metric label and a log.
    pub const fn code(self) -> &'static str {
        self.problem().code
    }

    /// Returns the status it is answered with.
    pub const fn status(self) -> StatusCode {
        self.problem().status
    }

    const fn problem(self) -> &'static Problem {
        match self {
            Self::BadRequest => &BAD_REQUEST,
            Self::NotForwardable => &NOT_FORWARDABLE,
            Self::RequestTimeout => &REQUEST_TIMEOUT,
            Self::BodyTooLarge => &BODY_TOO_LARGE,
            Self::UrlTooLong => &URL_TOO_LONG,
            Self::HeaderTooLarge => &HEADER_TOO_LARGE,
            Self::Internal => &INTERNAL,
            Self::BadGateway => &BAD_GATEWAY,
            Self::Overloaded => &OVERLOADED,
            Self::Unavailable => &UNAVAILABLE,
            Self::GatewayTimeout => &GATEWAY_TIMEOUT,
        }
    }
}

/// What became of what a holder asked kgate itself for.
#[derive(Debug)]
pub enum Own {
    /// 200, and this JSON.
    Done(Vec<u8>),
    /// 401: the key ended since it was looked at.
    Ended,
    /// 409: it has a successor.
    AlreadyRotated,
    /// 429: it is too new to be rotated; how long until it may be.
    TooSoon(Duration),
    /// 503: as many as can be are being answered, or one with the same key.
    Busy,
    /// 503: the store cannot be read or written now. Nothing was changed.
    Unavailable,
    /// 503: the store did not say in time whether it was done.
    OutcomeUnknown,
}

impl Own {
    /// Returns why it was not done, for the operator's log.
    pub const fn reason(&self) -> Option<&'static str> {
        match self {
            Self::Done(_) => None,
            Self::Ended => Some("ended"),
            Self::AlreadyRotated => Some("already_rotated"),
            Self::TooSoon(_) => Some("rotated_too_soon"),
            Self::Busy => Some("overloaded"),
            Self::Unavailable => Some("unavailable"),
            Self::OutcomeUnknown => Some("outcome_unknown"),
        }
    }
}

/// Words answers for one configuration.
#[derive(Debug)]
pub struct Answers {
    realm: String,
    rate_headers: RateHeaders,
}

impl Answers {
    /// Takes the realm and which rate headers are on.
    pub fn new(server: &Server) -> Self {
        Self { realm: server.realm.clone(), rate_headers: server.rate_headers }
    }

    /// Returns the answer to a request the engine refused. `now` is for `X-RateLimit-Reset`.
    pub fn denial(&self, denial: &Denial, id: &RequestId, now: Timestamp) -> Answer {
        self.class(denial.class(), id, now)
    }

    fn class(&self, class: Class<'_>, id: &RequestId, now: Timestamp) -> Answer {
        match class {
            Class::BadRequest => BAD_TARGET.answer(id),
            Class::NotFound => NOT_FOUND.answer(id),
            Class::MethodNotAllowed { allow } => METHOD_NOT_ALLOWED.answer(id).with(ALLOW, allow),
            Class::Unauthorized { credential_sent } => {
                // RFC 6750 §3.1: without a credential, no error code.
                let error = if credential_sent { ", error=\"invalid_token\"" } else { "" };
                UNAUTHORIZED.answer(id).with(WWW_AUTHENTICATE, &self.challenge(error))
            }
            Class::Forbidden(Forbidden::Network) => NETWORK.answer(id),
            Class::Forbidden(Forbidden::Certificate) => CERTIFICATE.answer(id),
            Class::Forbidden(Forbidden::Origin) => ORIGIN.answer(id),
            Class::Forbidden(Forbidden::Scope(requirement)) => self.insufficient_scope(requirement, id),
            Class::Limited(limit) => {
                let problem = match limit.limit {
                    Limit::Rate { .. } => &LIMITED,
                    Limit::Quota(_) => &QUOTA,
                    Limit::Concurrent(_) => &CONCURRENT,
                };
                let mut answer =
                    problem.answer(id).with(RETRY_AFTER, &retry_after(limit.retry_after).to_string());
                let headers = &mut answer.headers;
                self.each_rate_header(limit, [(limit.name, limit.limit)], now, |name, value| {
                    headers.insert(name, value);
                });
                answer
            }
            Class::TooManyFailures { retry_after: wait } => {
                TOO_MANY_FAILURES.answer(id).with(RETRY_AFTER, &retry_after(wait).to_string())
            }
        }
    }

    /// Returns the answer to a request that failed.
    pub fn failure(&self, failure: Failure, id: &RequestId) -> Answer {
        let answer = failure.problem().answer(id);
        match failure {
            Failure::Overloaded | Failure::Unavailable => answer.with(RETRY_AFTER, "1"),
            _ => answer,
        }
    }

    /// Returns the answer to a holder who asked kgate itself for something.
    pub fn own(&self, own: Own, id: &RequestId, now: Timestamp) -> Answer {
        match own {
            Own::Done(body) => {
                let mut headers = Problem::headers(id);
                headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
                Answer { status: StatusCode::OK, headers, body }
            }
            Own::Ended => self.class(Class::Unauthorized { credential_sent: true }, id, now),
            Own::AlreadyRotated => ALREADY_ROTATED.answer(id),
            Own::TooSoon(wait) => TOO_SOON.answer(id).with(RETRY_AFTER, &retry_after(wait).to_string()),
            Own::Busy => self.failure(Failure::Overloaded, id),
            Own::Unavailable => self.failure(Failure::Unavailable, id),
            Own::OutcomeUnknown => OUTCOME_UNKNOWN.answer(id).with(RETRY_AFTER, "5"),
        }
    }

    /// Calls `visit` with each header an allowed request's answer gets: rate headers, and
    /// `X-Api-Key-Expires` for keys in grace or in their last week. None on public routes.
    pub fn each_permit_header(
        &self,
        permit: &Permit,
        now: Timestamp,
        mut visit: impl FnMut(&HeaderName, HeaderValue),
    ) {
        if let Some(limit) = permit.limit() {
            self.each_rate_header(limit, permit.limits(), now, &mut visit);
        }
        if let Some(identity) = permit.identity()
            && let Some(at) = identity.expires_at()
            && (identity.is_in_grace() || at.since(now) <= LAST_WEEK)
        {
            visit(&X_API_KEY_EXPIRES, value(at.to_string()));
        }
    }

    /// draft-ietf-httpapi-ratelimit-headers-10 §3, §4; and the familiar three.
    fn each_rate_header<'a>(
        &self,
        limit: LimitState<'_>,
        policies: impl IntoIterator<Item = (&'a str, Limit)>,
        now: Timestamp,
        visit: impl FnMut(&HeaderName, HeaderValue),
    ) {
        let seconds = seconds_up(limit.reset);
        let mut told = Values::with_room(5, 192);
        if matches!(self.rate_headers, RateHeaders::Both | RateHeaders::Ietf) {
            told.push(&RATELIMIT_POLICY, |out| push_policies(policies, now, out));
            let state = [("r", limit.remaining), ("t", seconds)];
            told.push(&RATELIMIT, |out| push_item(limit.name, state, out));
        }
        if matches!(self.rate_headers, RateHeaders::Both | RateHeaders::X) {
            // Rounded up: nobody who waits until then comes too early.
            let reset = now.plus(limit.reset).plus(Duration::from_millis(999)).as_secs();
            told.push(&X_RATELIMIT_LIMIT, |out| push_number(limit.limit.most(), out));
            told.push(&X_RATELIMIT_REMAINING, |out| push_number(limit.remaining, out));
            told.push(&X_RATELIMIT_RESET, |out| push_number(reset.unsigned_abs(), out));
        }
        told.each(visit);
    }

    /// RFC 6750 §3.1: the scopes needed are named, space-separated.
    fn insufficient_scope(&self, requirement: &Requirement, id: &RequestId) -> Answer {
        let scopes: Vec<&str> = requirement.scopes().iter().map(crate::key::Scope::as_str).collect();
        let rest = format!(", error=\"insufficient_scope\", scope=\"{}\"", scopes.join(" "));
        SCOPE.answer(id).with(WWW_AUTHENTICATE, &self.challenge(&rest))
    }

    fn challenge(&self, rest: &str) -> String {
        format!("Bearer realm=\"{}\"{rest}", self.realm)
    }
}

impl Answer {
    /// Returns the answer as a call of gRPC reads it: HTTP 200, and a status of its own in a head that has no
    /// body ("trailers only"). What else the headers said stays.
    #[must_use]
    pub fn for_grpc(mut self) -> Self {
        // Nearest in meaning, after gRPC's own table of HTTP statuses (doc/http-grpc-status-mapping.md), which
        // knows neither the caps nor the limits of a gateway.
        let code: u8 = match self.status.as_u16() {
            401 => 16,
            403 => 7,
            404 | 405 => 12,
            408 => 4,
            413 | 414 | 429 | 431 => 8,
            400 => 3,
            500 => 13,
            _ => 14,
        };
        // The title, which needs no escape (gRPC's spec: percent-encoding of all but printable ASCII).
        let title = self.status.canonical_reason().unwrap_or("refused");
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        self.headers.insert(GRPC_STATUS, HeaderValue::from(u16::from(code)));
        self.headers.insert(GRPC_MESSAGE, value(title));
        self.status = StatusCode::OK;
        self.body.clear();
        self
    }

    fn with(mut self, name: HeaderName, text: &str) -> Self {
        self.headers.insert(name, value(text));
        self
    }
}

/// What one kind of refusal says. The same bytes for everybody but for the request id.
struct Problem {
    status: StatusCode,
    code: &'static str,
    title: &'static str,
    detail: &'static str,
}

impl Problem {
    fn answer(&self, id: &RequestId) -> Answer {
        let Self { status, code, title, detail } = self;
        let number = status.as_u16();
        // Every part is a constant without quotes or an id of harmless characters: nothing to escape.
        let body = format!(
            "{{\"type\":\"urn:kgate:problem:{code}\",\"title\":\"{title}\",\"status\":{number},\
             \"detail\":\"{detail}\",\"code\":\"{code}\",\"request_id\":\"{}\"}}\n",
            id.as_str()
        );
        let mut headers = Self::headers(id);
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        Answer { status: *status, headers, body: body.into_bytes() }
    }

    /// What every answer of ours has.
    fn headers(id: &RequestId) -> HeaderMap {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        headers.insert(X_REQUEST_ID, id.as_value().clone());
        headers
    }
}

macro_rules! problems {
    ($( $name:ident $status:ident $code:literal $title:literal $detail:literal; )*) => {
        $( static $name: Problem = Problem {
            status: StatusCode::$status,
            code: $code,
            title: $title,
            detail: $detail,
        }; )*
        #[cfg(test)]
        static PROBLEMS: &[&Problem] = &[$( &$name ),*];
    };
}

problems! {
    BAD_REQUEST BAD_REQUEST "bad_request" "Bad request" "The request cannot be served as it is.";
    BAD_TARGET BAD_REQUEST "ambiguous_path" "Ambiguous path" "The path must be in canonical form: no dot segments, empty segments, parameters, backslashes or encoded separators.";
    NOT_FORWARDABLE BAD_REQUEST "not_forwardable" "Cannot be forwarded" "This proxy forwards targets as they come: write the path in canonical form, and do not put an API key into the query.";
    UNAUTHORIZED UNAUTHORIZED "unauthorized" "Unauthorized" "A valid API key is required.";
    NETWORK FORBIDDEN "network_not_allowed" "Forbidden" "The API key may not be used from this address.";
    CERTIFICATE FORBIDDEN "client_certificate" "Forbidden" "A client certificate is required that is taken here.";
    ORIGIN FORBIDDEN "origin_not_allowed" "Forbidden" "The API key may not be used from this page.";
    SCOPE FORBIDDEN "insufficient_scope" "Forbidden" "The API key lacks a scope this request needs.";
    NOT_FOUND NOT_FOUND "not_found" "Not found" "There is nothing at this path.";
    METHOD_NOT_ALLOWED METHOD_NOT_ALLOWED "method_not_allowed" "Method not allowed" "The method is not allowed at this path.";
    REQUEST_TIMEOUT REQUEST_TIMEOUT "request_timeout" "Request timeout" "The request came too slowly.";
    BODY_TOO_LARGE PAYLOAD_TOO_LARGE "body_too_large" "Content too large" "The body is larger than allowed.";
    URL_TOO_LONG URI_TOO_LONG "url_too_long" "URI too long" "The request target is longer than allowed.";
    LIMITED TOO_MANY_REQUESTS "rate_limited" "Too many requests" "A rate limit of the plan is used up.";
    QUOTA TOO_MANY_REQUESTS "quota_exceeded" "Quota exceeded" "A quota of the plan is used up.";
    CONCURRENT TOO_MANY_REQUESTS "too_many_concurrent" "Too many concurrent requests" "As many requests are in work as the plan allows at once.";
    TOO_MANY_FAILURES TOO_MANY_REQUESTS "too_many_failures" "Too many failed authentications" "Too many requests from this address came without a valid API key.";
    ALREADY_ROTATED CONFLICT "already_rotated" "Already rotated" "The API key has a successor, and can have no second one.";
    TOO_SOON TOO_MANY_REQUESTS "rotated_too_soon" "Too soon" "The API key is too new to be rotated.";
    OUTCOME_UNKNOWN SERVICE_UNAVAILABLE "outcome_unknown" "Outcome unknown" "It cannot be told now whether this was done: ask for the key's usage.";
    HEADER_TOO_LARGE REQUEST_HEADER_FIELDS_TOO_LARGE "header_too_large" "Request header fields too large" "The header is larger than allowed.";
    INTERNAL INTERNAL_SERVER_ERROR "internal" "Internal server error" "The gateway failed.";
    BAD_GATEWAY BAD_GATEWAY "bad_gateway" "Bad gateway" "The backend cannot be reached.";
    OVERLOADED SERVICE_UNAVAILABLE "overloaded" "Service unavailable" "The gateway has as many requests as it can take.";
    UNAVAILABLE SERVICE_UNAVAILABLE "unavailable" "Service unavailable" "The API key cannot be checked right now.";
    GATEWAY_TIMEOUT GATEWAY_TIMEOUT "gateway_timeout" "Gateway timeout" "The backend did not answer in time.";
}

fn value(text: impl AsRef<[u8]>) -> HeaderValue {
    HeaderValue::from_bytes(text.as_ref()).expect("names and numbers fit a header")
}

/// Appends a list of what each limit allows.
fn push_policies<'a>(
    policies: impl IntoIterator<Item = (&'a str, Limit)>,
    now: Timestamp,
    out: &mut Vec<u8>,
) {
    for (at, (name, limit)) in policies.into_iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(b", ");
        }
        match limit {
            // What can be had in one window from a full start; the window in whole seconds.
            Limit::Rate { rate, burst } => {
                let (quota, window) = (rate.count().max(burst), rate.per().as_secs());
                push_item(name, [("q", quota), ("w", window)], out);
            }
            Limit::Quota(quota) => {
                let window = quota.window().length(now).as_secs();
                push_item(name, [("q", quota.count()), ("w", window)], out);
            }
            Limit::Concurrent(most) => {
                push_item(name, [("q", most)], out);
                out.extend_from_slice(b";qu=\"concurrent-requests\"");
            }
        }
    }
}

/// Appends an item of a structured field with two parameters (RFC 9651 §3.1.2): `"burst";r=99;t=1`.
fn push_item<const N: usize>(name: &str, parameters: [(&str, u64); N], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.push(b'"');
    for (parameter, number) in parameters {
        out.push(b';');
        out.extend_from_slice(parameter.as_bytes());
        out.push(b'=');
        push_number(number, out);
    }
}

/// RFC 9110 §10.2.3: whole seconds. Rounded up, and at least 1 lest clients come back at once.
fn retry_after(wait: Duration) -> u64 {
    seconds_up(wait).max(1)
}

fn seconds_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// How long before its end a key's answers begin to say so.
const LAST_WEEK: Duration = Duration::from_hours(168);

const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
static RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");
static RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
static X_RATELIMIT_LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
static X_RATELIMIT_REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
static X_RATELIMIT_RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");
const X_API_KEY_EXPIRES: HeaderName = HeaderName::from_static("x-api-key-expires");

#[cfg(test)]
mod tests;
