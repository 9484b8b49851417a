//! The one table from refusals and failures to HTTP.

use http::StatusCode;
use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::RequestId;
use crate::config::Server;
use crate::key::Timestamp;
use crate::policy::{Denial, Permit};

/// A whole answer of kgate's own.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// All headers but `Content-Length`, `Date` and `Connection`, which are the server's.
    pub headers: HeaderMap,
    /// The body, `application/problem+json`. Leave it out for HEAD.
    pub body: Vec<u8>,
}

/// What went wrong in the gateway itself, as opposed to a denial by the engine.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Failure {
    /// 400: it parses, but cannot be served.
    BadRequest,
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

/// Words answers for one configuration.
#[derive(Debug)]
pub struct Answers {}

impl Answers {
    /// Takes the realm and which rate headers are on.
    pub fn new(_server: &Server) -> Self {
        todo!()
    }

    /// Returns the answer to a request the engine refused. `now` is for `X-RateLimit-Reset`.
    pub fn denial(&self, _denial: &Denial, _id: &RequestId, _now: Timestamp) -> Answer {
        todo!()
    }

    /// Calls `visit` with each header an allowed request's answer gets: rate headers, and
    /// `X-Api-Key-Expires` for keys in grace or in their last week. None on public routes.
    pub fn each_permit_header(
        &self,
        _permit: &Permit,
        _now: Timestamp,
        _visit: impl FnMut(&HeaderName, HeaderValue),
    ) {
        todo!()
    }

    /// Returns the answer to a request that failed.
    pub fn failure(&self, _failure: Failure, _id: &RequestId) -> Answer {
        todo!()
    }
}
