//! The short way, for requests that are no more than a head, over HTTP/1.1 on both sides: nearly all of an
//! API's. Pingora forwards every request as two halves that hand each other pieces over channels, one of
//! them waiting for a body that never comes. Here what is asked and what is answered go one after the other.
//! Heads, framing and connections are Pingora's all the same, and what is judged, changed and counted is
//! `door`'s; nothing a client or a backend sees tells the two ways apart. Whatever needs more, or is in
//! doubt, goes Pingora's.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::header::{
    CONNECTION, CONTENT_LENGTH, EXPECT, HeaderMap, HeaderName, HeaderValue, PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{Version, response};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::client::HttpSession;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};

use super::alarm::Alarm;
use super::door::{Door, KEEP_ALIVE, PROXY_CONNECTION, peer_of, wire_of};
use super::exchange::{Exchange, Stage};
use super::forward;
use super::links::Link;
use super::reply;
use super::upstream::{Chosen, Endpoint};

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
        let (link, reused) = match self.links.to(&server, pause).await {
            Ok(link) => link,
            Err(mut error) => {
                error.as_up();
                self.unreachable(exchange, &mut error);
                return Err(error);
            }
        };
        let mut backend = Backend::over(link, &server, pause);
        if let Err(error) = self.converse(session, &mut backend, exchange).await {
            return Err(self.broken(session, error, exchange, reused));
        }
        if let Some(link) = backend.finish().await {
            self.links.keep(&server, link);
        }
        Ok(())
    }

    async fn converse(
        &self,
        session: &mut Session,
        backend: &mut Backend,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let head = Box::new(Self::asked(session, exchange)?);
        backend.http.write_request_header(head).await.map_err(Error::into_up)?;
        loop {
            tokio::select! {
                biased;
                read = backend.read_head() => read?,
                gone = left(session) => return Err(gone),
            };
            let Some(head) = backend.http.resp_header().filter(|head| head.status.is_informational()) else {
                break;
            };
            if !reply::is_interim(head.status) {
                return Err(reply::unasked_upgrade());
            }
            let head = Box::new(ResponseHeader::from(Self::interim_head(exchange, head.clone().into())));
            self.in_time(session, exchange)?;
            session.write_response_header(head, false).await.map_err(Error::into_down)?;
            backend.alarm.set(backend.pause);
        }
        let is_over = backend.http.is_body_done();
        let Some(head) = backend.http.resp_header() else { return Err(Self::unpermitted()) };
        reply::check_coding(head)?;
        self.note_answer(exchange, head.status);
        let parts = self.answer_head(session, exchange, answered(session, head, is_over))?;
        let head = Box::new(ResponseHeader::from(parts));
        if is_over {
            exchange.leave();
        }
        session.write_response_header(head, is_over).await.map_err(Error::into_down)?;
        self.pass_body(session, backend, exchange).await
    }

    async fn pass_body(
        &self,
        session: &mut Session,
        backend: &mut Backend,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let head = backend.http.resp_header();
        let length = head.and_then(|head| head.headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok());
        while !backend.http.is_body_done() {
            // The client may have taken its time.
            backend.alarm.set(backend.pause);
            let read = tokio::select! {
                biased;
                read = backend.http.read_body_ref() => read.map_err(Error::into_up)?,
                () = poll_fn(|cx| backend.alarm.poll(cx)) => return Err(silent()),
                gone = left(session) => return Err(gone),
            };
            let Some(piece) = read else { break };
            self.in_time(session, exchange)?;
            exchange.passed += piece.len() as u64;
            if length == Some(exchange.passed) {
                exchange.leave();
            }
            if let (ServerSession::H1(client), false) = (session.as_mut(), piece.is_empty()) {
                client.write_body(piece).await.map_err(Error::into_down)?;
            }
        }
        exchange.leave();
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

/// The other end of a request.
struct Backend {
    http: HttpSession,
    alarm: Alarm,
    /// How long it may be silent.
    pause: Duration,
}

impl Backend {
    fn over(link: Link, server: &Endpoint, pause: Duration) -> Self {
        let mut http = HttpSession::new_with_options(link.stream, server.peer());
        // No time-out of Pingora's for reads, which would make a timer for each.
        http.write_timeout = server.peer().options.write_timeout;
        Self { http, alarm: link.alarm, pause }
    }

    /// Reads a head, if it comes before the alarm goes off.
    async fn read_head(&mut self) -> Result<()> {
        poll_fn(|cx| {
            // Begun anew at each look, for which Pingora keeps what has come: it has room for the most fields
            // there may be, and within this future all of that would be moved with every request.
            if let Poll::Ready(read) = pin!(self.http.read_response()).poll(cx) {
                return Poll::Ready(read.map(drop).map_err(Error::into_up));
            }
            self.alarm.poll(cx).map(|()| Err(silent()))
        })
        .await
    }

    /// Returns the connection if another request can go over it.
    async fn finish(mut self) -> Option<Link> {
        self.http.respect_keepalive();
        let stream = self.http.reuse().await?;
        Some(Link { stream, alarm: self.alarm })
    }
}

#[allow(clippy::unnecessary_box_returns, reason = "as Pingora's errors are")]
fn silent() -> Box<Error> {
    Error::explain(ErrorType::ReadTimedout, "the backend is silent").into_up()
}

/// Returns the head of an answer, framed for the client.
fn answered(session: &Session, head: &ResponseHeader, is_over: bool) -> response::Parts {
    let (mut parts, ()) = http::Response::new(()).into_parts();
    parts.status = head.status;
    parts.headers = head.headers.clone();
    let is_bodiless = reply::is_bodiless(head.status, &session.req_header().method);
    let is_framed =
        parts.headers.contains_key(CONTENT_LENGTH) || parts.headers.contains_key(TRANSFER_ENCODING);
    // Its end is that of the backend's connection; ours goes on.
    if !is_bodiless && !is_framed && !is_over {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn is_alone(fields: &[(&str, &str)]) -> bool {
        let field = |(name, value): &(&str, &str)| {
            (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        is_for_backends_alone(&fields.iter().map(field).collect())
    }

    #[test]
    fn what_is_between_the_client_and_us_or_announces_a_body_takes_the_long_way() {
        for plain in [
            &[][..],
            &[("Host", "a"), ("Accept", "*/*"), ("Cookie", "a=1")],
            &[("Connection", "keep-alive")],
            &[("connection", "Close"), ("Content-Length", "0")],
        ] {
            assert!(is_alone(plain), "{plain:?}");
        }
        for other in [
            ("Connection", "close, X-Consumer-Id"),
            ("Connection", "Upgrade"),
            ("Connection", ""),
            ("Content-Length", "1"),
            ("Content-Length", "00"),
            ("Content-Length", "0, 0"),
            ("Expect", "100-continue"),
            ("HTTP2-Settings", "a"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Authenticate", "a"),
            ("Proxy-Authorization", "a"),
            ("Proxy-Connection", "keep-alive"),
            ("TE", "trailers"),
            ("Trailer", "a"),
            ("Transfer-Encoding", "chunked"),
            ("Upgrade", "websocket"),
        ] {
            assert!(!is_alone(&[("Host", "a"), other]), "{other:?}");
        }
    }
}
