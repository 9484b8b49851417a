//! The short way, for requests that are no more than a head, over HTTP/1.1 on both sides: nearly all of an
//! API's. Pingora forwards every request as two halves that hand each other pieces over channels, one of
//! them waiting for a body that never comes. Here what is asked and what is answered go one after the other.
//! Heads, framing and connections are Pingora's all the same, and what is judged, changed and counted is
//! `door`'s; nothing a client or a backend sees tells the two ways apart. Whatever needs more, or is in
//! doubt, goes Pingora's.

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Method, StatusCode, Version, response};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::door::{Door, KEEP_ALIVE, PROXY_CONNECTION, peer_of, wire_of};
use super::exchange::{Exchange, Stage};
use super::forward;
use super::upstream::Chosen;

/// Says whether a head asks for nothing but itself to be forwarded: no body, no upgrade, and nothing that is
/// between the client and us but whether the connection goes on.
pub(super) fn is_plain(session: &Session, target: &[u8]) -> bool {
    let head = session.req_header();
    let is_origin_form = target.first() == Some(&b'/') && target.get(1) != Some(&b'/');
    head.version == Version::HTTP_11
        && is_origin_form
        && wire_of(session).is_some()
        && is_for_backends_alone(&head.headers)
}

fn is_for_backends_alone(headers: &HeaderMap) -> bool {
    headers.iter().all(|(name, value)| match *name {
        CONNECTION => {
            [&b"keep-alive"[..], b"close"].iter().any(|word| value.as_bytes().eq_ignore_ascii_case(word))
        }
        CONTENT_LENGTH => value.as_bytes() == b"0",
        EXPECT | PROXY_AUTHENTICATE | PROXY_AUTHORIZATION | TE | TRAILER | TRANSFER_ENCODING | UPGRADE => {
            false
        }
        _ => ![KEEP_ALIVE, PROXY_CONNECTION, HTTP2_SETTINGS].contains(name),
    })
}

impl Door {
    /// Sends a plain request on, and its answer back. Tries once more where that may be.
    ///
    /// # Errors
    /// Why there is no answer, or no whole one.
    pub(super) async fn forward_plainly(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        for _ in 1..ATTEMPTS {
            match self.attempt(session, exchange).await {
                Err(error) if error.retry() => {}
                outcome => return outcome,
            }
        }
        self.attempt(session, exchange).await
    }

    async fn attempt(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        let pause = self.choose_server(session, exchange)?;
        let Stage::Forwarding(forwarding) = &exchange.stage else { return Err(Self::unpermitted()) };
        let Some(server) = forwarding.server.as_ref().map(Chosen::endpoint) else {
            return Err(Self::unpermitted());
        };
        let (stream, reused) = match self.links.to(&server).await {
            Ok(link) => link,
            Err(mut error) => {
                error.as_up();
                self.unreachable(exchange, &mut error);
                return Err(error);
            }
        };
        let mut backend = HttpSession::new_with_options(stream, server.peer());
        backend.read_timeout = Some(pause);
        backend.write_timeout = server.peer().options.write_timeout;
        if let Err(error) = self.converse(session, &mut backend, exchange).await {
            return Err(self.broken(session, error, exchange, reused));
        }
        backend.respect_keepalive();
        if let Some(stream) = backend.reuse().await {
            self.links.keep(&server, stream);
        }
        Ok(())
    }

    async fn converse(
        &self,
        session: &mut Session,
        backend: &mut HttpSession,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let head = Box::new(Self::asked(session, exchange)?);
        backend.write_request_header(head).await.map_err(Error::into_up)?;
        loop {
            tokio::select! {
                biased;
                read = backend.read_response() => read.map_err(Error::into_up)?,
                gone = left(session) => return Err(gone),
            };
            let Some(head) = backend.resp_header().filter(|head| head.status.is_informational()) else {
                break;
            };
            if head.status == StatusCode::SWITCHING_PROTOCOLS {
                return Err(
                    Error::explain(ErrorType::InvalidHTTPHeader, "nobody asked for an upgrade").into_up()
                );
            }
            let head = Box::new(head.clone());
            session.write_response_header(head, false).await.map_err(Error::into_down)?;
        }
        let is_over = backend.is_body_done();
        let Some(head) = backend.resp_header() else { return Err(Self::unpermitted()) };
        self.note_answer(exchange, head.status);
        let parts = self.answer_head(session, exchange, answered(session, head, is_over))?;
        let head = Box::new(ResponseHeader::from(parts));
        session.write_response_header(head, is_over).await.map_err(Error::into_down)?;
        self.pass_body(session, backend, exchange).await
    }

    async fn pass_body(
        &self,
        session: &mut Session,
        backend: &mut HttpSession,
        exchange: &Exchange,
    ) -> Result<()> {
        while !backend.is_body_done() {
            let read = tokio::select! {
                biased;
                read = backend.read_body_ref() => read.map_err(Error::into_up)?,
                gone = left(session) => return Err(gone),
            };
            let Some(piece) = read else { break };
            self.in_time(session, exchange)?;
            if let (ServerSession::H1(client), false) = (session.as_mut(), piece.is_empty()) {
                client.write_body(piece).await.map_err(Error::into_down)?;
            }
        }
        session.finish_body().await.map_err(Error::into_down)
    }

    /// Returns the head the backend gets.
    fn asked(session: &Session, exchange: &mut Exchange) -> Result<RequestHeader> {
        exchange.received = 0;
        let Stage::Forwarding(forwarding) = &exchange.stage else { return Err(Self::unpermitted()) };
        let asked = session.req_header();
        let (mut head, ()) = http::Request::new(()).into_parts();
        head.method = asked.method.clone();
        head.uri = asked.uri.clone();
        head.version = Version::HTTP_11;
        head.headers = asked.headers.clone();
        head.headers.remove(CONNECTION);
        forward::rewrite(head, asked.version, forwarding, exchange, peer_of(session))
    }
}

/// Returns the head of an answer, framed for the client.
fn answered(session: &Session, head: &ResponseHeader, is_over: bool) -> response::Parts {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = head.status;
    parts.version = head.version;
    parts.headers = head.headers.clone();
    let is_bodiless = session.req_header().method == Method::HEAD
        || matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let is_framed =
        parts.headers.contains_key(CONTENT_LENGTH) || parts.headers.contains_key(TRANSFER_ENCODING);
    // Its end is that of the backend's connection; ours goes on.
    if !is_bodiless && !is_framed && !is_over {
        parts.version = Version::HTTP_11;
        parts.headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts
}

/// Waits for the client to leave. What it sends meanwhile is its next request, and stays where it is.
#[allow(clippy::unnecessary_box_returns, reason = "as Pingora's errors are")]
async fn left(session: &mut Session) -> Box<Error> {
    match session.downstream_session.read_body_or_idle(true).await {
        Ok(_) => Error::explain(ErrorType::ConnectionClosed, "the client left").into_down(),
        Err(error) => error.into_down(),
    }
}

const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// As many as Pingora makes.
const ATTEMPTS: usize = 2;
