//! What a backend says of its answer, made fit for a client: what is between the backend and us stays there, and
//! what says where the message ends says it once. Whoever is between us and the client may read two ways where we
//! read one, and take the rest of an answer for that to somebody else's request.

use std::any::Any;

use async_trait::async_trait;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING};
use http::response::Parts;
use http::{Method, StatusCode, Version, response};
use pingora::http::ResponseHeader;
use pingora::modules::http::{HttpModule, HttpModuleBuilder, HttpModuleCtx, HttpModules, Module};
use pingora::{Error, ErrorType, Result};

use super::door::{KEEP_ALIVE, PROXY_CONNECTION};
use super::framing::Coding;
use crate::edge::X_REQUEST_ID;

/// Says whether an answer comes before the one that was asked for (RFC 9110 §15.2), and is not the end of HTTP on
/// this connection.
pub(super) fn is_interim(status: StatusCode) -> bool {
    status.is_informational() && status != StatusCode::SWITCHING_PROTOCOLS
}

/// The backend answers what nobody asked: from here on it would speak for itself, in our name.
#[allow(clippy::unnecessary_box_returns, reason = "as Pingora's errors are")]
pub(super) fn unasked_upgrade() -> Box<Error> {
    Error::explain(ErrorType::InvalidHTTPHeader, "nobody asked for an upgrade").into_up()
}

/// Refuses an answer in a coding that nobody asked for (RFC 9112 §7.4), or in chunks said twice: whoever is between us
/// and the client may see its end where we do not.
pub(super) fn check_coding(head: &ResponseHeader) -> Result<()> {
    match Coding::of(&head.headers) {
        Coding::None | Coding::Chunked => Ok(()),
        Coding::Other => {
            Err(Error::explain(ErrorType::InvalidHTTPHeader, "nobody asked for this coding").into_up())
        }
    }
}

/// Says whether it shows where the answer ends.
pub(super) fn is_delimited(parts: &Parts, method: &Method) -> bool {
    parts.headers.contains_key(CONTENT_LENGTH) || is_bodiless(parts.status, method)
}

/// Says whether an answer has no body whatever its head says (RFC 9112 §6.3).
pub(super) fn is_bodiless(status: StatusCode, asked: &Method) -> bool {
    *asked == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// Takes the chunks out of an answer. Pingora promises them where an answer over HTTP/2 has no length, whoever asked,
/// and after every hook.
pub(super) fn without_chunks() -> HttpModuleCtx {
    let mut modules = HttpModules::new();
    modules.add_module(Box::new(WithoutChunks));
    modules.build_ctx()
}

struct WithoutChunks;

impl HttpModuleBuilder for WithoutChunks {
    fn init(&self) -> Module {
        Box::new(Self)
    }
}

#[async_trait]
impl HttpModule for WithoutChunks {
    async fn response_header_filter(&mut self, head: &mut ResponseHeader, _is_end: bool) -> Result<()> {
        head.remove_header(&TRANSFER_ENCODING);
        Ok(())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Returns an interim answer as the client gets it. It has no body whatever it says, and the request's id is ours
/// to tell.
pub(super) fn interim(mut parts: Parts) -> Parts {
    parts.version = Version::HTTP_11;
    remove_hop_by_hop(&mut parts.headers);
    for name in [CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, X_REQUEST_ID] {
        parts.headers.remove(name);
    }
    parts
}

/// Leaves what frames the message for the client, once.
pub(super) fn settle_framing(parts: &mut response::Parts) {
    if parts.status == StatusCode::NO_CONTENT {
        // RFC 9110 §8.6, RFC 9112 §6.1: there is neither, and who believes one waits for a body.
        parts.headers.remove(CONTENT_LENGTH);
        parts.headers.remove(TRANSFER_ENCODING);
        return;
    }
    if parts.status == StatusCode::NOT_MODIFIED {
        // There are no chunks, whatever there would have been.
        parts.headers.remove(TRANSFER_ENCODING);
    }
    let mut lengths = parts.headers.get_all(CONTENT_LENGTH).iter();
    let Some(first) = lengths.next() else { return };
    if lengths.next().is_none() && !first.as_bytes().contains(&b',') {
        return;
    }
    // Pingora takes equal ones for one, and lets no others through (RFC 9110 §8.6).
    let one = first.as_bytes().split(|byte| *byte == b',').next().unwrap_or_default().trim_ascii();
    let one = HeaderValue::from_bytes(one);
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.extend(one.ok().map(|one| (CONTENT_LENGTH, one)));
}

/// Removes what is between the backend and us only (RFC 9110 §7.6.1). `Transfer-Encoding` stays: Pingora
/// frames the body by it.
///
/// One look at every name, since there is nearly always nothing to remove.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let is_hop =
        |name: &&HeaderName| **name == CONNECTION || **name == KEEP_ALIVE || **name == PROXY_CONNECTION;
    if !headers.keys().any(|name| is_hop(&name)) {
        return;
    }
    headers.remove(KEEP_ALIVE);
    headers.remove(PROXY_CONNECTION);
    let nominated: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|b| *b == b','))
        .filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
        // `Connection` itself is replaced by Pingora, and the body is framed by the other two.
        .filter(|name| ![CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING].contains(name))
        .collect();
    for name in nominated {
        headers.remove(name);
    }
}
