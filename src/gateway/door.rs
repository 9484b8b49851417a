//! Pingora's hooks: where a request is judged, refused or sent on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, EXPECT, HOST, HeaderMap, HeaderName, HeaderValue, LOCATION,
    ORIGIN, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING,
};
use http::response::Parts;
use http::{Method, StatusCode, Version, request};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::prelude::HttpPeer;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v1::server::HttpSession;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::sync::watch;

use super::Gateway;
use super::compress;
use super::exchange::{End, Exchange, Forwarding, InFlight, OwnWork, Stage};
use super::forward;
use super::framing::{Coding, Framing};
use super::h2::Caller;
use super::head::{MAX_METHOD, has_length};
use super::links::Links;
use super::live::Live;
use super::plain;
use super::reply;
use super::wire::{Peer, Wire};
use crate::edge::{Answer, Cors, Failure, RequestId, Trace, X_REQUEST_ID, client_address, without_tokens};
use crate::metrics::UpstreamFault;
use crate::policy::{Attributes, Decision, Engine, Now, is_host_name};
use crate::verify::GRANTS_A_REQUEST;

/// The gateway as Pingora sees it, one for each worker.
pub(super) struct Door {
    gateway: Arc<Gateway>,
    draining: watch::Receiver<bool>,
    /// To backends, of plain requests.
    pub(super) links: Arc<Links>,
}

impl Door {
    pub(super) fn new(gateway: Arc<Gateway>, draining: watch::Receiver<bool>, links: Arc<Links>) -> Self {
        Self { gateway, draining, links }
    }

    fn mono(&self) -> u64 {
        u64::try_from(self.gateway.verifier.clock().elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Takes down who asks and what for.
    fn note(session: &Session, exchange: &mut Exchange) {
        let head = session.req_header();
        let peer = peer_of(session);
        let trusted = &exchange.setup.trusted;
        exchange.peer_is_trusted = peer.is_among(trusted);
        exchange.client = if exchange.peer_is_trusted {
            client_address(peer.address, &head.headers, trusted)
        } else {
            peer.address
        };
        let id = RequestId::take_or_make(
            &head.headers,
            exchange.peer_is_trusted,
            exchange.setup.trust_request_id,
            &mut rand::rng(),
        );
        // An id is logged, returned and passed on: a key in its place is none.
        let is_key = without_tokens(id.as_str().into(), &exchange.setup.key_types) != id.as_str();
        exchange.id = Some(if is_key { RequestId::make(&mut rand::rng()) } else { id });
        exchange.target = target_of(session);
        exchange.method = head.method.clone();
        exchange.host = head.headers.get(HOST).cloned();
        exchange.trace = exchange
            .setup
            .traced
            .map(|one_in| Trace::begin(&head.headers, exchange.peer_is_trusted, one_in, &mut rand::rng()));
    }

    /// Returns why the request cannot be served, whoever asks.
    fn fault_of(session: &Session, exchange: &Exchange) -> Option<Failure> {
        let head = session.req_header();
        let caps = &exchange.setup.caps;
        if exchange.target.len() > caps.url_bytes {
            return Some(Failure::UrlTooLong);
        }
        let raw = session.as_http1().map(HttpSession::get_headers_raw_bytes).unwrap_or_default();
        if raw.len() > caps.head_bytes || head.headers.len() > caps.head_fields {
            return Some(Failure::HeaderTooLarge);
        }
        let mut lengths = head.headers.get_all(CONTENT_LENGTH).iter();
        if let Some(length) = lengths.next() {
            // RFC 9112 §6.3 lets us take a list of equal lengths for one. Pingora does, and passes the list
            // on to backends, some of which read it as no length and the body as the next request.
            if lengths.next().is_some() || !is_number(length) {
                return Some(Failure::BadRequest);
            }
            if declared_length(length).is_none_or(|length| length > caps.body_bytes) {
                return Some(Failure::BodyTooLarge);
            }
        }
        let host_is_sound = match head.headers.get(HOST) {
            Some(host) => is_host(host.as_bytes()),
            // RFC 9112 §3.2: an HTTP/1.1 request without one is answered with 400.
            None => head.version == Version::HTTP_10,
        };
        let body_is_sound = match Coding::of(&head.headers) {
            Coding::None => true,
            // RFC 9112 §6.1: a length beside a coding is the beginning of every smuggler's request. Whoever passed it
            // on to us may have gone by the one of the two that we do not.
            Coding::Chunked => !has_length(&raw),
            Coding::Other => false,
        };
        // RFC 9110 §10.1.1 knows one expectation. Servers disagree on what another one, or two, mean for when a
        // body comes, and so on where the next request begins.
        let mut expects = head.headers.get_all(EXPECT).iter();
        let expects_what_is_known =
            expects.next().is_none_or(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
                && expects.next().is_none();
        // Over HTTP/1.1 a longer one was refused with its head.
        let method_is_sound = head.method != Method::CONNECT && head.method.as_str().len() <= MAX_METHOD;
        if !host_is_sound || !body_is_sound || !expects_what_is_known || !method_is_sound {
            return Some(Failure::BadRequest);
        }
        None
    }

    /// Answers a CORS pre-flight on a route that says who may ask.
    fn preflight(session: &Session, exchange: &mut Exchange) -> Option<Answer> {
        let head = session.req_header();
        let method = Cors::asked(&head.method, &head.headers)?;
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let route = exchange.setup.rules().route_of(host, &exchange.target, &method)?;
        let id = exchange.id();
        let answer = exchange.setup.cors(route)?.preflight(&head.headers, &id);
        exchange.stage = Stage::Answered("preflight", Some(route));
        Some(answer)
    }

    /// Has the request judged. The one way to a [`Forwarding`].
    async fn judge(&self, session: &Session, exchange: &mut Exchange) -> std::result::Result<(), Failure> {
        let verifier = &self.gateway.verifier;
        let mut now = exchange.began;
        for _ in 0..GRANTS_A_REQUEST {
            let decision = {
                let engine = if let Some(engine) = verifier.current() {
                    engine
                } else {
                    let engine = verifier.fresh().await.map_err(|_| Failure::Unavailable)?;
                    now = verifier.now();
                    engine
                };
                // Two reloads came in between: the next engine goes with a configuration that is there.
                let Some(decision) = self.decide(&engine, session, exchange, now) else { continue };
                decision
            };
            exchange.judged_at = self.mono();
            exchange.stage = match decision {
                Decision::Allow(mut permit) => {
                    if let Some(needs) = permit.take_asks() {
                        verifier.grant_ahead(needs);
                    }
                    match permit.self_service() {
                        Some(_) => Stage::Own(Box::new(OwnWork { permit, reason: None })),
                        None => Stage::Forwarding(Box::new(Forwarding::new(permit))),
                    }
                }
                Decision::Deny(denial) => Stage::Denied(denial),
                Decision::NeedsGrant(needs) => {
                    verifier.grant(needs).await.map_err(|_| Failure::Unavailable)?;
                    now = verifier.now();
                    continue;
                }
            };
            return Ok(());
        }
        Err(Failure::Unavailable)
    }

    /// Decides, by the configuration that goes with the engine's rules. `None` if that is kept no more.
    fn decide(
        &self,
        engine: &Engine,
        session: &Session,
        exchange: &mut Exchange,
        now: Now,
    ) -> Option<Decision> {
        if !Arc::ptr_eq(engine.rules(), exchange.setup.rules()) {
            // A reload is under way. The configuration that goes with the rules must be used for all of
            // the request: a route's upstream is an index.
            exchange.setup = self.gateway.setup_of(engine.rules())?;
        }
        let head = session.req_header();
        let host = head.headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let attributes = Attributes {
            method: head.method.as_str(),
            host,
            target: &exchange.target,
            client: exchange.client,
            certificate: peer_of(session).certificate.as_ref().map_or(&[], |shown| shown.names_at(now.wall)),
            fields: &head.headers,
        };
        Some(engine.decide(&attributes, now))
    }

    /// Turns a head that comes before the backend's answer into the client's. What a route takes away or says itself
    /// no backend says beforehand.
    pub(super) fn interim_head(exchange: &Exchange, parts: Parts) -> Parts {
        let mut parts = reply::interim(parts);
        if let Some(route) = exchange.route() {
            route.response.withhold(&mut parts.headers);
        }
        parts
    }

    /// Turns the backend's head into the client's.
    pub(super) fn answer_head(
        &self,
        session: &mut Session,
        exchange: &mut Exchange,
        mut parts: Parts,
    ) -> Result<Parts> {
        exchange.answered = parts.status.as_u16();
        let Stage::Forwarding(forwarding) = &exchange.stage else { return Err(Self::unpermitted()) };
        // Room for all that is added: growing the map moves and hashes everything again.
        parts.headers.reserve(8);
        // RFC 9112 §2.3: a version says what its sender can do, and that is us.
        parts.version = Version::HTTP_11;
        let is_upgrade = parts.status == http::StatusCode::SWITCHING_PROTOCOLS;
        if !is_upgrade {
            reply::remove_hop_by_hop(&mut parts.headers);
            reply::settle_framing(&mut parts);
        } else if session.is_upgrade_req() {
            // From here on either side may be silent while the other talks.
            session.set_read_timeout(None);
            if let Some(wire) = wire_of(session) {
                wire.is_upgraded(exchange.setup.caps.upgrade_idle_timeout);
            }
        }
        if session.req_header().version == Version::HTTP_10 {
            // RFC 9112 §6.1: chunks are not for HTTP/1.0 clients; the end of the connection ends the body. An answer
            // over HTTP/2 need not say how long it is.
            let is_chunked = parts.headers.remove(TRANSFER_ENCODING).is_some();
            if is_chunked || !reply::is_delimited(&parts, &session.req_header().method) {
                session.set_keepalive(None);
            }
        }
        exchange.setup.route(forwarding.permit().route().0).response.apply(&mut parts.headers);
        if let Some(id) = &exchange.id {
            parts.headers.insert(X_REQUEST_ID, id.as_value().clone());
        }
        if let Some(cors) = exchange.setup.cors(forwarding.permit().route().0) {
            cors.decorate(session.req_header().headers.get(ORIGIN), &mut parts.headers);
        }
        if let Some(hsts) = peer_of(session).door.as_ref().and_then(|door| door.hsts.as_ref()) {
            parts.headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if let Some(caller) = &exchange.caller {
            caller.answered();
        }
        exchange.setup.answers.each_permit_header(forwarding.permit(), exchange.began.wall, |name, value| {
            parts.headers.insert(name, value);
        });
        self.settle_keepalive(session);
        Ok(parts)
    }

    /// Decides, before the head of an answer leaves, whether the connection goes on.
    fn settle_keepalive(&self, session: &mut Session) {
        let head = session.req_header();
        let expects = head.headers.contains_key(EXPECT);
        let is_plain = !head.headers.contains_key(TRANSFER_ENCODING) && head.version == Version::HTTP_11;
        if *self.draining.borrow() {
            session.set_keepalive(None);
        } else if expects && is_plain && session.is_body_done() {
            // Pingora gave the connection up when it passed on `100 Continue`, since the body had not
            // come; now it has.
            session.set_keepalive(Some(0));
        }
    }

    /// Chooses the server of the next attempt. Returns how long it may be silent.
    pub(super) fn choose_server(&self, session: &Session, exchange: &mut Exchange) -> Result<Duration> {
        let Exchange { setup, stage, judged_at, .. } = exchange;
        // The first attempt follows the decision at once.
        let now = match stage {
            Stage::Forwarding(forwarding) if forwarding.attempts == 0 => *judged_at,
            _ => self.mono(),
        };
        let Stage::Forwarding(forwarding) = stage else { return Err(Self::unpermitted()) };
        let Some(upstream) = setup.upstreams.get(forwarding.permit().upstream()) else {
            return Error::e_explain(ErrorType::InternalError, "the route has no upstream");
        };
        let route = setup.route(forwarding.permit().route().0);
        forwarding.attempts += 1;
        forwarding.fault = None;
        if forwarding.attempts == 1 {
            forwarding.chosen_at = now;
            let total = route.total_timeout.or(upstream.total_timeout).filter(|_| !session.is_upgrade_req());
            forwarding.until = total.map_or(u64::MAX, |total| now.saturating_add(nanos(total)));
        }
        if let Some(server) = upstream.choose(forwarding.permit(), now, forwarding.server.as_deref()) {
            forwarding.server = Some(server);
            let pause = route.response_timeout.unwrap_or(upstream.response_timeout);
            return Ok(pause.min(left(forwarding.until, now)));
        }
        let mut error = Error::explain(ErrorType::ConnectNoRoute, "no server has an address");
        error.as_up();
        exchange.attempt_failed(UpstreamFault::Connect);
        Err(error)
    }

    /// There is no permit where there has to be one: nothing is forwarded.
    #[allow(clippy::unnecessary_box_returns, reason = "as Pingora's errors are")]
    pub(super) fn unpermitted() -> Box<Error> {
        Error::explain(ErrorType::InternalError, "nothing permits this request")
    }

    /// Notes that a server cannot be reached, and has another one tried, once: nothing was sent, so any
    /// request may be.
    pub(super) fn unreachable(&self, exchange: &mut Exchange, error: &mut Error) {
        exchange.attempt_failed(match error.etype() {
            ErrorType::ConnectTimedout => UpstreamFault::ConnectTimeout,
            _ => UpstreamFault::Connect,
        });
        if let Stage::Forwarding(forwarding) = &exchange.stage
            && let Some((upstream, series)) = exchange.upstream()
        {
            let now = self.mono();
            if let Some(down) = forwarding.server.as_deref().and_then(|server| upstream.failed(server, now)) {
                series.set_down(down);
            }
            if forwarding.attempts == 1 && upstream.may_retry(series.answers(), now) {
                series.retried();
                error.set_retry(true);
            }
        }
    }

    /// Notes that an exchange with a server broke, and says whether it is tried once more. `reused`: the
    /// connection had been idle.
    #[allow(clippy::unnecessary_box_returns, reason = "as Pingora's errors are")]
    pub(super) fn broken(
        &self,
        session: &Session,
        mut error: Box<Error>,
        exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        if *error.esource() != ErrorSource::Upstream {
            error.set_retry(false);
            return error;
        }
        // RFC 9110 §9.2.2: only what is idempotent may be sent twice, and only a connection that was idle
        // breaks for no fault of the request. What was not kept cannot be sent again.
        if session.req_header().method.is_idempotent() && !session.as_ref().retry_buffer_truncated() {
            error.retry.decide_reuse(reused);
        } else {
            error.set_retry(false);
        }
        let is_stale = error.retry();
        if let (Stage::Forwarding(forwarding), Some((upstream, series))) =
            (&exchange.stage, exchange.upstream())
        {
            let now = self.mono();
            if is_stale && (forwarding.attempts > 1 || !upstream.may_retry(series.answers(), now)) {
                error.set_retry(false);
            }
            // That a kept connection had been closed says nothing about the server.
            let server = forwarding.server.as_deref().filter(|_| !is_stale);
            if let Some(down) = server.and_then(|server| upstream.failed(server, now)) {
                series.set_down(down);
            }
        }
        let will_retry = error.retry();
        exchange.attempt_failed(match error.etype() {
            ErrorType::ReadTimedout | ErrorType::WriteTimedout => UpstreamFault::Timeout,
            ErrorType::ReadError | ErrorType::WriteError | ErrorType::ConnectionClosed => {
                UpstreamFault::Broken
            }
            _ => UpstreamFault::Protocol,
        });
        if will_retry && let Some((_, series)) = exchange.upstream() {
            series.retried();
        }
        error
    }

    /// Notes that the server of this request answered.
    pub(super) fn note_answer(&self, exchange: &mut Exchange, status: StatusCode) {
        let now = self.mono();
        let Stage::Forwarding(forwarding) = &mut exchange.stage else { return };
        let took = Duration::from_nanos(now.saturating_sub(forwarding.chosen_at));
        forwarding.answered_in = Some(took);
        if let (Stage::Forwarding(forwarding), Some((upstream, series))) =
            (&exchange.stage, exchange.upstream())
        {
            series.answered(took);
            let server = forwarding.server.as_deref();
            if let Some(down) = server.and_then(|server| upstream.answered(server, status.as_u16(), now)) {
                series.set_down(down);
            }
        }
    }

    /// Does what a holder asks kgate itself for, and words the answer.
    async fn own(&self, exchange: &mut Exchange) -> Answer {
        let (client, at, id) = (exchange.client, exchange.began.wall, exchange.id());
        let Exchange { setup, stage, .. } = exchange;
        let Stage::Own(work) = stage else { return setup.answers.failure(Failure::Internal, &id) };
        let done = self.gateway.serve_holder(&work.permit, client, at).await;
        work.reason = done.reason();
        let mut answer = setup.answers.own(done, &id, at);
        setup.answers.each_permit_header(&work.permit, at, |name, value| {
            answer.headers.insert(name, value);
        });
        answer
    }

    /// Ends an answer that takes too long in all. One that only pauses too long is ended by the time-out of
    /// each read.
    pub(super) fn in_time(&self, session: &Session, exchange: &Exchange) -> Result<()> {
        if let Stage::Forwarding(forwarding) = &exchange.stage
            && forwarding.until != u64::MAX
            && !session.was_upgraded()
            && self.mono() > forwarding.until
        {
            let mut error = Error::explain(ErrorType::ReadTimedout, "the answer takes too long");
            error.as_up();
            return Err(error);
        }
        Ok(())
    }

    async fn fail(&self, session: &mut Session, exchange: &mut Exchange, failure: Failure) -> Result<()> {
        exchange.failure = Some(failure);
        if failure == Failure::Unavailable {
            self.gateway.metrics.unavailable();
        }
        let id = exchange.id();
        let answer = exchange.setup.answers.failure(failure, &id);
        exchange.leave();
        self.send(session, answer, exchange).await
    }

    /// Sends an answer of ours, and sees to it that the rest of the request does not become the next.
    async fn send(&self, session: &mut Session, answer: Answer, exchange: &Exchange) -> Result<()> {
        if *self.draining.borrow() {
            session.set_keepalive(None);
        }
        if !session.is_body_done() {
            let head = session.req_header();
            let is_short =
                head.headers.get(CONTENT_LENGTH).and_then(declared_length).is_some_and(|n| n <= DRAIN);
            let is_chunked = head.headers.contains_key(TRANSFER_ENCODING);
            if is_short && !is_chunked && !head.headers.contains_key(EXPECT) {
                // Read after the answer is sent, by Pingora, which gives up on the connection if the
                // body does not come in time.
                session.set_close_on_response_before_downstream_finish(false);
                session.set_read_timeout(Some(exchange.setup.caps.body_timeout));
                session.set_total_drain_timeout(Some(DRAIN_TIME));
            } else {
                // A client that expects `100 Continue` may or may not send its body now (RFC 9110
                // §10.1.1), and a long one is not worth reading.
                session.set_keepalive(None);
            }
        }
        if let Some(caller) = &exchange.caller {
            caller.answered();
        }
        let is_call = session.is_http2() && is_grpc(session.req_header());
        let Answer { status, headers, body } = if is_call { answer.for_grpc() } else { answer };
        let (mut parts, ()) = http::Response::new(()).into_parts();
        parts.status = status;
        parts.headers = headers;
        if let Some(cors) = exchange.stage.judged_on().and_then(|route| exchange.setup.cors(route)) {
            cors.decorate(session.req_header().headers.get(ORIGIN), &mut parts.headers);
        }
        if let Some(hsts) = peer_of(session).door.as_ref().and_then(|door| door.hsts.as_ref()) {
            parts.headers.insert(STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
        if is_call && let ServerSession::H2(stream) = session.as_mut() {
            // A head that ends its stream is all there is: trailers only.
            return stream.write_response_header(Box::new(ResponseHeader::from(parts)), true);
        }
        parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(body.len()));
        let is_bodiless = body.is_empty() || session.req_header().method == Method::HEAD;
        session.write_response_header(Box::new(ResponseHeader::from(parts)), is_bodiless).await?;
        if is_bodiless {
            session.finish_body().await
        } else {
            session.write_response_body(Some(Bytes::from(body)), true).await
        }
    }

    /// The answer is over. A client that is still sending to a backend that may still listen goes on, with no longer
    /// pauses than before it was answered; over HTTP/1.1 the session sees to that.
    fn answer_is_over(session: &mut Session, exchange: &mut Exchange) {
        if session.is_body_done() {
            exchange.leave();
        } else if let Some(caller) = &exchange.caller {
            caller.expect_body(exchange.setup.caps.body_timeout);
        }
    }

    /// Reads what is left of a short body over HTTP/2. Without it the stream is reset, and what the client had sent of it
    /// breaks rules when it comes: who is refused often would lose the connection, and whoever shares it.
    async fn read_out(session: &mut Session) {
        if session.is_body_done() {
            return;
        }
        let all = async {
            let mut left = DRAIN;
            while let Ok(Some(piece)) = session.read_request_body().await {
                left = left.checked_sub(piece.len() as u64)?;
            }
            Some(())
        };
        let _ = tokio::time::timeout(READ_OUT_TIME, all).await;
    }
}

#[async_trait]
impl ProxyHttp for Door {
    type CTX = Exchange;

    fn new_ctx(&self) -> Exchange {
        Exchange::new(self.gateway.setup(), self.gateway.verifier.now())
    }

    /// None: Pingora's default brings compression, which is the backend's business.
    fn init_downstream_modules(&self, _modules: &mut HttpModules) {}

    async fn early_request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<()> {
        if let Some(wire) = wire_of(session) {
            wire.head_is_parsed(framing_of(session.req_header()));
        } else {
            // The wire of HTTP/1.1 looks after who stops reading; a stream has only this.
            session.set_write_timeout(Some(exchange.setup.caps.body_timeout));
            exchange.caller = caller_of(session).cloned();
        }
        Self::note(session, exchange);
        Ok(())
    }

    async fn request_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if let Some(fault) = Self::fault_of(session, exchange) {
            // Where its parts are in doubt, so is where it ends.
            if fault == Failure::BadRequest {
                session.set_keepalive(None);
            }
            self.fail(session, exchange, fault).await?;
            return Ok(true);
        }
        if let Some(port) = peer_of(session).door.as_ref().and_then(|door| door.redirect) {
            let id = exchange.id();
            let answer = redirection(session.req_header(), &exchange.target, port, &id);
            let Some(answer) = answer else {
                self.fail(session, exchange, Failure::BadRequest).await?;
                return Ok(true);
            };
            exchange.stage = Stage::Answered("redirect", None);
            self.send(session, answer, exchange).await?;
            return Ok(true);
        }
        if let Some(answer) = Self::preflight(session, exchange) {
            self.send(session, answer, exchange).await?;
            return Ok(true);
        }
        exchange.in_flight = InFlight::enter(&self.gateway, &exchange.setup);
        if exchange.in_flight.is_none() {
            self.fail(session, exchange, Failure::Overloaded).await?;
            return Ok(true);
        }
        if let Err(failure) = self.judge(session, exchange).await {
            self.fail(session, exchange, failure).await?;
            return Ok(true);
        }
        let answer = match &exchange.stage {
            Stage::Forwarding(forwarding) => {
                let cap = exchange.setup.route(forwarding.permit().route().0).body_bytes;
                let length = session.req_header().headers.get(CONTENT_LENGTH).and_then(declared_length);
                if length.is_some_and(|length| length > cap) {
                    self.fail(session, exchange, Failure::BodyTooLarge).await?;
                    return Ok(true);
                }
                if let Some(live) = live_of(session) {
                    live.begin(forwarding.permit().tenure(exchange.client));
                    exchange.live = Some(Arc::clone(live));
                }
                if let Some(caller) = &exchange.caller
                    && !session.is_body_done()
                {
                    // A call of gRPC may begin with silence, and the client's half stay open to its end.
                    let caps = &exchange.setup.caps;
                    let may_be_silent = exchange.is_call(session.req_header());
                    caller.expect_body(if may_be_silent {
                        caps.upgrade_idle_timeout
                    } else {
                        caps.body_timeout
                    });
                }
                let head = session.req_header();
                if exchange.setup.compresses(forwarding.permit().route().0) && compress::is_welcome(head) {
                    session.upstream_compression.adjust_level(compress::LEVEL);
                }
                session.set_read_timeout(Some(exchange.setup.caps.body_timeout));
                if session.req_header().version == Version::HTTP_10 {
                    // RFC 9110 §15.2: an HTTP/1.0 client gets no interim answers.
                    session.set_ignore_info_resp(true);
                    session.downstream_modules_ctx = reply::without_chunks();
                }
                return Ok(false);
            }
            Stage::Denied(denial) => {
                let id = exchange.id.as_ref().expect("the first hook makes one");
                exchange.setup.answers.denial(denial, id, exchange.began.wall)
            }
            Stage::Own(_) => self.own(exchange).await,
            Stage::Fresh | Stage::Answered(..) => {
                return Error::e_explain(ErrorType::InternalError, "not judged");
            }
        };
        exchange.leave();
        self.send(session, answer, exchange).await?;
        Ok(true)
    }

    /// Forwards what need not go Pingora's way.
    async fn proxy_upstream_filter(&self, session: &mut Session, exchange: &mut Exchange) -> Result<bool> {
        if !exchange.is_straight() || !plain::is_plain(session, &exchange.target) {
            return Ok(true);
        }
        self.forward_plainly(session, exchange).await?;
        Ok(false)
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if let Some(caller) = &exchange.caller {
            if end { caller.body_is_over() } else { caller.body_moved() }
        }
        let Some(body) = body else { return Ok(()) };
        exchange.received += body.len() as u64;
        let cap = exchange.route().map_or(exchange.setup.caps.body_bytes, |route| route.body_bytes);
        if exchange.received > cap && !session.was_upgraded() {
            return Error::e_explain(ErrorType::HTTPStatus(413), "the body is over the cap");
        }
        if let Some(caller) = &exchange.caller
            && !end
            && !exchange.is_call(session.req_header())
            && !caller.keeps_pace(exchange.received, exchange.setup.caps.body_rate)
        {
            return Error::e_explain(ErrorType::HTTPStatus(408), "the body comes too slowly");
        }
        Ok(())
    }

    async fn upstream_peer(&self, session: &mut Session, exchange: &mut Exchange) -> Result<Box<HttpPeer>> {
        let pause = self.choose_server(session, exchange)?;
        let Stage::Forwarding(forwarding) = &exchange.stage else { return Err(Self::unpermitted()) };
        let Some(server) = &forwarding.server else { return Err(Self::unpermitted()) };
        let mut peer = Box::new(server.peer().clone());
        peer.options.read_timeout = Some(pause);
        if session.is_upgrade_req()
            && let Some(wire) = wire_of(session)
        {
            // Pingora's time-out would go on after the upgrade, and cut who only listens.
            wire.limit_silence(pause);
            peer.options.read_timeout = None;
        }
        Ok(peer)
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        head: &mut RequestHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        // Pingora sends the beginning of a body again when it tries again.
        exchange.received = 0;
        let Stage::Forwarding(forwarding) = &exchange.stage else { return Err(Self::unpermitted()) };
        let version = session.req_header().version;
        let blank = RequestHeader::from(http::Request::new(()).into_parts().0);
        // Pingora keeps the spelling of field names in a second map, which doubles the cost of every change.
        // Names are case-insensitive (RFC 9110 §5.1), so the map is dropped.
        let parts = request::Parts::from(std::mem::replace(head, blank));
        *head = forward::rewrite(parts, version, forwarding, exchange, peer_of(session))?;
        Ok(())
    }

    /// Decides whether an answer is compressed before what compresses has seen its head: afterwards it is decided.
    async fn adjust_upstream_modules(
        &self,
        session: &mut Session,
        head: &ResponseHeader,
        is_end: bool,
        exchange: &mut Exchange,
    ) -> Result<()> {
        exchange.is_head_all = is_end;
        if session.upstream_compression.is_enabled() && !compress::is_fit(head) {
            session.upstream_compression.adjust_level(0);
        }
        Ok(())
    }

    async fn upstream_response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        if reply::is_interim(head.status) {
            return Ok(());
        }
        // RFC 9110 §15.2, RFC 9113 §8.6: neither HTTP/1.0 nor HTTP/2 knows upgrades.
        let can_upgrade = session.is_upgrade_req() && head.version == Version::HTTP_11;
        if head.status == StatusCode::SWITCHING_PROTOCOLS && !can_upgrade {
            return Err(reply::unasked_upgrade());
        }
        reply::check_coding(head)?;
        self.note_answer(exchange, head.status);
        Ok(())
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        head: &mut ResponseHeader,
        exchange: &mut Exchange,
    ) -> Result<()> {
        let parts = Parts::from(std::mem::replace(head, blank()));
        if reply::is_interim(parts.status) {
            self.in_time(session, exchange)?;
            *head = ResponseHeader::from(Self::interim_head(exchange, parts));
            return Ok(());
        }
        *head = ResponseHeader::from(self.answer_head(session, exchange, parts)?);
        if exchange.is_head_all {
            Self::answer_is_over(session, exchange);
        }
        Ok(())
    }

    fn response_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        is_end: bool,
        exchange: &mut Exchange,
    ) -> Result<Option<Duration>> {
        exchange.passed += body.as_ref().map_or(0, |body| body.len() as u64);
        if is_end {
            Self::answer_is_over(session, exchange);
        } else {
            self.in_time(session, exchange)?;
        }
        Ok(None)
    }

    async fn response_trailer_filter(
        &self,
        session: &mut Session,
        _trailers: &mut HeaderMap,
        exchange: &mut Exchange,
    ) -> Result<Option<Bytes>> {
        Self::answer_is_over(session, exchange);
        Ok(None)
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        exchange: &mut Exchange,
        mut error: Box<Error>,
    ) -> Box<Error> {
        self.unreachable(exchange, &mut error);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        error: Box<Error>,
        exchange: &mut Exchange,
        reused: bool,
    ) -> Box<Error> {
        self.broken(session, error, exchange, reused)
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        exchange: &mut Exchange,
    ) -> FailToProxy {
        // Pingora does not use a connection again after this, and the answer must say so.
        session.set_keepalive(None);
        let failure = failure_of(error);
        let is_answered = session.was_upgraded()
            || session.response_written().is_some_and(|sent| !sent.status.is_informational());
        let error_code = match failure {
            Some(failure) if !is_answered => {
                let _ = self.fail(session, exchange, failure).await;
                session.response_written().map_or(0, |sent| sent.status.as_u16())
            }
            _ => {
                exchange.failure = exchange.failure.or(failure);
                0
            }
        };
        FailToProxy { error_code, can_reuse_downstream: false }
    }

    async fn logging(&self, session: &mut Session, _error: Option<&Error>, exchange: &mut Exchange) {
        exchange.cut = exchange.live.take().and_then(|live| live.end());
        let status = session.response_written().map_or(0, |sent| sent.status.as_u16());
        let end = End {
            status,
            bytes_out: session.body_bytes_sent() as u64,
            total: Duration::from_nanos(self.mono().saturating_sub(exchange.began.mono)),
            reason: exchange.reason(),
        };
        exchange.count(&end);
        exchange.in_flight = None;
        exchange.log(&end, &*self.gateway.sink);
        if exchange.caller.is_some() && status > 0 && exchange.failure != Some(Failure::RequestTimeout) {
            // What it held others may have now, its client first: for who got the answer it is over.
            exchange.stage = Stage::Fresh;
            Self::read_out(session).await;
        }
    }

    /// Pingora would log the path, the query and the host.
    fn request_summary(&self, _session: &Session, exchange: &Exchange) -> String {
        exchange.id.as_ref().map_or_else(String::new, |id| id.as_str().to_owned())
    }

    /// Error texts hold bytes of requests; the access line has the reason.
    fn suppress_error_log(&self, _session: &Session, _exchange: &Exchange, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _exchange: &Exchange,
        _error: &Error,
        _context: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

/// Returns how long it is until then; a moment if it is past, since no time at all would be no time-out.
fn left(until: u64, now: u64) -> Duration {
    Duration::from_nanos(until.saturating_sub(now)).max(Duration::from_millis(1))
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Returns what to tell the client; `None` where there is nobody to tell.
fn failure_of(error: &Error) -> Option<Failure> {
    if let ErrorType::HTTPStatus(413) = error.etype() {
        return Some(Failure::BodyTooLarge);
    }
    if let ErrorType::HTTPStatus(408) = error.etype() {
        return Some(Failure::RequestTimeout);
    }
    // The wire's own verdicts on a body.
    let cause = error.root_cause().downcast_ref::<io::Error>().map(io::Error::kind);
    match (error.esource(), error.etype()) {
        (ErrorSource::Downstream, ErrorType::ReadError) if cause == Some(io::ErrorKind::InvalidData) => {
            Some(Failure::BadRequest)
        }
        (ErrorSource::Downstream, ErrorType::ReadError)
            if cause == Some(io::ErrorKind::ConnectionAborted) =>
        {
            Some(Failure::RequestTimeout)
        }
        (ErrorSource::Downstream, ErrorType::ReadError) if cause == Some(io::ErrorKind::TimedOut) => {
            Some(Failure::GatewayTimeout)
        }
        (
            ErrorSource::Upstream,
            ErrorType::ConnectTimedout | ErrorType::ReadTimedout | ErrorType::WriteTimedout,
        ) => Some(Failure::GatewayTimeout),
        (ErrorSource::Upstream, _) => Some(Failure::BadGateway),
        (
            ErrorSource::Downstream,
            ErrorType::WriteError
            | ErrorType::ReadError
            | ErrorType::ConnectionClosed
            | ErrorType::WriteTimedout
            // A stream that was given up, or its connection.
            | ErrorType::H2Error,
        ) => None,
        (ErrorSource::Downstream, ErrorType::ReadTimedout) => Some(Failure::RequestTimeout),
        (ErrorSource::Downstream, _) => Some(Failure::BadRequest),
        (ErrorSource::Internal | ErrorSource::Unset, _) => Some(Failure::Internal),
    }
}

fn caller_of(session: &Session) -> Option<&Caller> {
    session.req_header().extensions.get::<Caller>()
}

fn live_of(session: &Session) -> Option<&Arc<Live>> {
    wire_of(session).map(Wire::live).or_else(|| caller_of(session).map(Caller::live))
}

pub(super) fn wire_of(session: &Session) -> Option<&Wire> {
    // The deref matters: a boxed stream is a stream too.
    session.stream().and_then(|stream| (**stream).as_any().downcast_ref::<Wire>())
}

pub(super) fn peer_of(session: &Session) -> &Peer {
    static NOBODY: Peer = Peer::nobody();
    wire_of(session).map(Wire::peer).or_else(|| caller_of(session).map(Caller::peer)).unwrap_or(&NOBODY)
}

/// Returns the request target as it was sent. Pingora's own copy has lost a fragment, which must be seen
/// to be refused.
fn target_of(session: &Session) -> Bytes {
    let Some(http1) = session.as_http1() else {
        return Bytes::copy_from_slice(session.req_header().raw_path());
    };
    let raw = http1.get_headers_raw_bytes();
    let begin = raw.iter().position(|b| !matches!(b, b'\r' | b'\n')).unwrap_or(raw.len());
    let Some(from) = memchr::memchr(b' ', &raw[begin..]).map(|at| begin + at + 1) else {
        return Bytes::new();
    };
    let to = memchr::memchr2(b' ', b'\r', &raw[from..]).map_or(raw.len(), |at| from + at);
    raw.slice(from..to)
}

/// Says whether a request is a call of gRPC, which reads refusals as statuses of its own.
pub(super) fn is_grpc(head: &RequestHeader) -> bool {
    let Some(kind) = head.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes) else { return false };
    let rest =
        kind.get(..GRPC.len()).filter(|begin| begin.eq_ignore_ascii_case(GRPC)).map(|_| &kind[GRPC.len()..]);
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Sends a request on to the same place under TLS; `None` where that cannot be named.
fn redirection(head: &RequestHeader, target: &[u8], port: u16, id: &RequestId) -> Option<Answer> {
    let host = head.headers.get(HOST)?.to_str().ok()?;
    let name = match host.rsplit_once(':') {
        Some((name, _)) if !host.ends_with(']') => name,
        _ => host,
    };
    let target = std::str::from_utf8(target).ok()?;
    let is_plain = target.starts_with('/') && target.bytes().all(|b| b.is_ascii_graphic());
    if name.is_empty() || !is_plain {
        return None;
    }
    let place = if port == 443 {
        format!("https://{name}{target}")
    } else {
        format!("https://{name}:{port}{target}")
    };
    let mut headers = HeaderMap::with_capacity(4);
    headers.insert(LOCATION, HeaderValue::from_str(&place).ok()?);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_REQUEST_ID, id.as_value().clone());
    Some(Answer { status: StatusCode::PERMANENT_REDIRECT, headers, body: Vec::new() })
}

/// Returns what body a head says will follow. Where that is in doubt the request is refused and nothing
/// after it is read, so that none is as good as any.
fn framing_of(head: &RequestHeader) -> Framing {
    if head.headers.contains_key(TRANSFER_ENCODING) {
        return Framing::CHUNKED;
    }
    head.headers.get(CONTENT_LENGTH).and_then(declared_length).map_or(Framing::NONE, Framing::Length)
}

/// Returns a length in bytes; `None` if it is none, or beyond all bounds.
fn declared_length(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok().filter(|_| is_number(value))?.parse().ok()
}

/// RFC 9110 §8.6: digits and nothing else.
fn is_number(value: &HeaderValue) -> bool {
    !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit)
}

/// Says whether this is a name or an address, and perhaps a port (RFC 3986 §3.2.2), in the one spelling
/// that everybody reads alike: a backend that cut `admin.example.com:x` at the colon would see another
/// host than the routes did.
fn is_host(host: &[u8]) -> bool {
    let Ok(host) = std::str::from_utf8(host) else { return false };
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !host.ends_with(']') => (name, Some(port)),
        _ => (host, None),
    };
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_host_name(name) && port.is_none_or(is_port)
}

/// An empty head, to be swapped in while the real one is worked on.
fn blank() -> ResponseHeader {
    ResponseHeader::from(http::Response::new(()).into_parts().0)
}

/// What the types of gRPC's messages begin with.
const GRPC: &[u8] = b"application/grpc";

pub(super) const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
pub(super) const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// A refused body up to this long is read, to keep the connection; a longer one ends it.
const DRAIN: u64 = 64 * 1024;

/// How long such a body may take over HTTP/2, where nothing but its own stream is won by waiting.
const READ_OUT_TIME: Duration = Duration::from_secs(1);

/// How long such a body may take.
const DRAIN_TIME: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::is_host;

    #[test]
    fn a_host_has_one_spelling_that_everybody_reads_alike() {
        for good in
            ["a", "api.example.com", "api.example.com.", "a_b:8080", "127.0.0.1:80", "[::1]", "[::1]:443"]
        {
            assert!(is_host(good.as_bytes()), "{good}");
        }
        for bad in [
            "", ":80", "a:", "a:b", "a:80:90", "a..", ".a", "a..b", "a%2eb", "[a]", "[::1", "::1", "a:99999",
            "a b", "[::1]x", "user@a", "a,b", "a:+80",
        ] {
            assert!(!is_host(bad.as_bytes()), "{bad}");
        }
    }
}
