//! Connections: accepting them up to the cap, running requests over them, and closing them so that the
//! last answer arrives.

use std::io;
use std::net::IpAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use pingora::apps::{HttpPersistentSettings, HttpServerApp};
use pingora::http::ResponseHeader;
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{OwnedSemaphorePermit, watch};
use tokio::task::JoinSet;

use super::announced;
use super::door::Door;
use super::h2::{self, Shared};
use super::live::{LAST_WORDS, Live, Lives};
use super::pipe::Pipe;
use super::setup::{Listening, Setup};
use super::wire::{Handback, Peer, Refusals, Socket, Wire};
use super::{Gateway, Listener, Stop, Stopped, first_words};
use crate::edge::{AccessLine, Announced, Answer, Failure, RequestId, Verdict, is_trusted};
use crate::key::canonical_ip;
use crate::metrics::ConnectionFault;
use crate::tls::{self, peer_certificate};

/// The connections of one listener on one worker.
pub(super) struct Connections {
    gateway: Arc<Gateway>,
    proxy: Arc<HttpProxy<Door>>,
    draining: watch::Receiver<bool>,
    lives: Arc<Lives>,
    /// Which listener.
    number: usize,
}

impl Connections {
    pub(super) fn new(
        gateway: Arc<Gateway>,
        proxy: Arc<HttpProxy<Door>>,
        draining: watch::Receiver<bool>,
        lives: Arc<Lives>,
        number: usize,
    ) -> Self {
        Self { gateway, proxy, draining, lives, number }
    }

    /// Accepts and serves until told to stop, then until the last connection is done.
    ///
    /// Over the cap on connections nothing is accepted: who comes then waits in the kernel's queue.
    pub(super) async fn accept_on(self, listener: Listener, mut stop: Stopped) {
        let mut open = JoinSet::new();
        'accepting: loop {
            let place = tokio::select! {
                biased;
                () = stop.reaches(Stop::Draining) => break 'accepting,
                place = self.place() => place,
            };
            let accepted = loop {
                tokio::select! {
                    biased;
                    () = stop.reaches(Stop::Draining) => break 'accepting,
                    _ = open.join_next(), if !open.is_empty() => {}
                    accepted = accept(&listener) => break accepted,
                }
            };
            match accepted {
                Ok((socket, peer)) => {
                    open.spawn(self.converse(socket, peer, place, stop.clone()));
                }
                // Out of file descriptors or memory: others will be freed, and trying at once would
                // only burn the processor.
                Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
            }
        }
        drop(listener);
        tokio::select! {
            biased;
            () = async { while open.join_next().await.is_some() {} } => {}
            () = stop.reaches(Stop::Now) => open.shutdown().await,
        }
    }

    /// Waits for a place under the cap on connections.
    async fn place(&self) -> OwnedSemaphorePermit {
        let places = &self.gateway.places;
        if let Ok(place) = Arc::clone(places).try_acquire_owned() {
            return place;
        }
        self.gateway.metrics.connection_fault(ConnectionFault::Cap);
        Arc::clone(places).acquire_owned().await.expect("the semaphore is never closed")
    }

    /// Serves one connection to its end.
    fn converse(
        &self,
        socket: Socket,
        peer: Peer,
        place: OwnedSemaphorePermit,
        stop: Stopped,
    ) -> impl Future<Output = ()> + Send + 'static {
        let setup = self.gateway.setup();
        let counted = self.gateway.listeners[self.number].connection();
        let door = setup.doors.get(self.number).cloned();
        let shared = Shared {
            gateway: Arc::clone(&self.gateway),
            proxy: Arc::clone(&self.proxy),
            draining: self.draining.clone(),
            lives: Arc::clone(&self.lives),
            setup,
            peer: Peer { door, ..peer },
            counted: None,
        };
        async move {
            match open(socket, shared).await {
                Some(Opened::Http1(socket, ahead, shared)) => {
                    converse_http1(socket, &ahead, shared, stop).await;
                }
                Some(Opened::Http2(socket, ahead, shared)) => {
                    let stall = shared.setup.wire.stall_timeout;
                    h2::converse(Box::new(Pipe::new(socket, ahead, stall)), shared).await;
                }
                None => {}
            }
            drop((counted, place));
        }
    }
}

/// A connection whose protocol is known, what was read of it to know that, and whose it is.
enum Opened {
    Http1(Socket, Vec<u8>, Shared),
    Http2(Socket, Vec<u8>, Shared),
}

/// Brings a connection to its first request: for whom it is, TLS, which HTTP. `None` if it does not get there.
async fn open(mut socket: Socket, mut shared: Shared) -> Option<Opened> {
    let setup = Arc::clone(&shared.setup);
    let within = setup.caps.handshake_timeout;
    let fault = |fault| shared.gateway.metrics.connection_fault(fault);
    let Some(door) = shared.peer.door.clone() else { return Some(Opened::Http1(socket, Vec::new(), shared)) };
    let announces = shared.peer.is_among(&door.announcing);
    if announces {
        match tokio::time::timeout(within, announced::read(&mut socket)).await {
            Ok(Ok(Announced::Client(address))) => {
                shared.peer = Peer { door: shared.peer.door.take(), ..peer(canonical_ip(address)) };
            }
            Ok(Ok(Announced::Itself)) => {}
            // Nobody's address: what is bound to networks is refused.
            Ok(Ok(Announced::Unknown)) => {
                shared.peer = Peer { door: shared.peer.door.take(), ..Peer::nobody() };
            }
            Ok(Err(_)) | Err(_) => {
                fault(ConnectionFault::Announcement);
                return None;
            }
        }
    }
    // Until it is over, whatever comes of the connection.
    shared.counted = match shared.peer.address.filter(|a| !stands_for_many(*a, &setup, &door)) {
        Some(address) => {
            let counted = shared.gateway.callers.enter(address, setup.caps.connections_per_address);
            if counted.is_none() {
                fault(ConnectionFault::AddressCap);
                return None;
            }
            counted
        }
        None => None,
    };
    let mut is_h2 = false;
    if let Some(tls) = &door.tls {
        let Ok(stream) = tls.accept(socket, within).await else {
            fault(ConnectionFault::Handshake);
            return None;
        };
        shared.peer.is_tls = true;
        shared.peer.certificate = peer_certificate(&stream).map(Arc::new);
        // Who resumes a session shows no certificate again, so nobody has looked at its dates.
        let now = shared.gateway.verifier.now().wall;
        if shared.peer.certificate.as_ref().is_some_and(|shown| shown.is_expired(now)) {
            fault(ConnectionFault::Handshake);
            return None;
        }
        is_h2 = tls::is_h2(&stream);
        socket = Socket::Tls(Box::new(stream));
    }
    let mut ahead = Vec::new();
    if door.h2c {
        let greeted = tokio::select! {
            biased;
            greeted = tokio::time::timeout(setup.wire.head_timeout, greeting(&mut socket, &mut ahead)) => greeted,
            () = shared.last_call() => return None,
        };
        match greeted {
            Ok(Ok(greeted)) => is_h2 = greeted,
            Ok(Err(_)) => return None,
            Err(_) => {
                // What came of a head so far is answered as every head that comes too slowly.
                if !ahead.is_empty() {
                    let answer = shared.words().refuse(ConnectionFault::HeadTimeout);
                    let _ = tokio::time::timeout(LINGER, linger(socket, &answer)).await;
                }
                return None;
            }
        }
    }
    Some(if is_h2 { Opened::Http2(socket, ahead, shared) } else { Opened::Http1(socket, ahead, shared) })
}

/// Reads as far as it takes to tell HTTP/2 from HTTP/1.1 (RFC 9113 §3.4).
async fn greeting(socket: &mut Socket, ahead: &mut Vec<u8>) -> io::Result<bool> {
    while ahead.len() < PREFACE.len() {
        let mut more = [0; PREFACE.len()];
        let wanted = PREFACE.len() - ahead.len();
        // Kept only when it has come: whoever waits for this may give up.
        let count = socket.read(&mut more[..wanted]).await?;
        ahead.extend_from_slice(&more[..count]);
        if !PREFACE.starts_with(ahead) || count == 0 {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Says whether an address is that of a proxy, whose connections are many clients'.
fn stands_for_many(address: IpAddr, setup: &Setup, door: &Listening) -> bool {
    is_trusted(Some(address), &setup.trusted) || is_trusted(Some(address), &door.announcing)
}

async fn converse_http1(socket: Socket, ahead: &[u8], shared: Shared, stop: Stopped) {
    let Shared { gateway, proxy, draining, lives, setup, peer, counted } = shared;
    let limits = setup.wire;
    let requests = setup.caps.requests_per_connection;
    let refusals = Arc::new(Words { setup, gateway, client: peer.address });
    let entered = lives.enter();
    let live = entered.live();
    let handback = Arc::new(Handback::default());
    let wire = Wire::new(socket, peer, limits, refusals, Arc::clone(&handback), Arc::clone(live));
    exchange_all(&proxy, Box::new(wire.with_ahead(ahead)), stop, &draining, live, requests).await;
    if let Some((socket, unwritten)) = handback.take() {
        let _ = tokio::time::timeout(LINGER, linger(socket, &unwritten)).await;
    }
    drop((counted, entered));
}

/// Runs requests over a connection, one after the other, until it is not to be used again.
async fn exchange_all(
    proxy: &Arc<HttpProxy<Door>>,
    mut wire: Box<Wire>,
    mut stop: Stopped,
    draining: &watch::Receiver<bool>,
    live: &Live,
    requests: u32,
) {
    let mut cut = pin!(live.cut());
    let mut closing = pin!(async {
        stop.reaches(Stop::Draining).await;
        // Of what has just come the runtime may not know before it has asked the kernel once more.
        tokio::time::sleep(LAST_LOOK).await;
    });
    let mut kept: Option<Option<HttpPersistentSettings>> = None;
    let mut is_last = false;
    loop {
        let is_heard = tokio::select! {
            biased;
            is_heard = wire.hears() => is_heard,
            // What is heard after this is the last: it is not polled again.
            () = &mut closing => {
                is_last = true;
                (kept.is_none() || wire.is_lively())
                    && first_words(wire.hears()).await.unwrap_or(false)
            }
        };
        if !is_heard {
            return;
        }
        let mut session = session(wire);
        match kept {
            None => session.set_keepalive_reuses_remaining(Some(requests.saturating_sub(1))),
            Some(Some(settings)) => settings.apply_to_session(&mut session),
            Some(None) => {}
        }
        let mut exchange = proxy.process_new_http(session, draining);
        let reused = tokio::select! {
            biased;
            reused = &mut exchange => reused,
            // Its next look at the wire fails.
            () = &mut cut => tokio::time::timeout(LAST_WORDS, exchange).await.unwrap_or(None),
        };
        let Some(reused) = reused else { return };
        let (stream, settings) = reused.consume();
        // An answer whose head left before it was time to drain did not say that it was the last: there may be one more
        // request behind it.
        if is_last || live.is_cut() {
            return;
        }
        let Ok(same) = stream.into_any().downcast::<Wire>() else { return };
        wire = same;
        if !wire.next_request() {
            return;
        }
        kept = Some(settings);
    }
}

fn session(wire: Stream) -> ServerSession {
    let mut session = ServerSession::new_http1(wire);
    // No time-out of Pingora's while waiting for a head: the wire has its own.
    session.set_keepalive(Some(0));
    session.set_read_timeout(None);
    session
}

/// Sends what is left, says that nothing more will come, and reads on for a while: closing a socket
/// with unread bytes in it sends a reset, which can overtake the answer (RFC 9112 §9.6).
async fn linger(mut socket: Socket, unwritten: &[u8]) -> io::Result<()> {
    socket.write_all(unwritten).await?;
    socket.shutdown().await?;
    let mut sink = [0; 4096];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match socket.read(&mut sink).await? {
            0 => break,
            n => left = left.saturating_sub(n),
        }
    }
    Ok(())
}

async fn accept(listener: &Listener) -> io::Result<(Socket, Peer)> {
    match listener {
        Listener::Tcp(listener) => loop {
            let (socket, address) = match listener.accept().await {
                // The client left before it was its turn.
                Err(e) if e.kind() == io::ErrorKind::ConnectionAborted => continue,
                accepted => accepted?,
            };
            // An answer is one write: there is nothing for Nagle's algorithm to merge.
            let _ = socket.set_nodelay(true);
            return Ok((Socket::Tcp(socket), peer(canonical_ip(address.ip()))));
        },
        Listener::Unix(listener) => {
            let (socket, _) = listener.accept().await?;
            Ok((Socket::Unix(socket), Peer { is_unix: true, ..Peer::nobody() }))
        }
    }
}

fn peer(address: IpAddr) -> Peer {
    let text = HeaderValue::from_str(&address.to_string()).expect("an address is ASCII");
    Peer { address: Some(address), text: Some(text), ..Peer::nobody() }
}

/// Words refusals of heads as all refusals are worded, and logs them.
pub(super) struct Words {
    pub(super) setup: Arc<Setup>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) client: Option<IpAddr>,
}

impl Refusals for Words {
    fn refuse(&self, fault: ConnectionFault) -> Vec<u8> {
        self.gateway.metrics.connection_fault(fault);
        let (failure, reason) = match fault {
            ConnectionFault::HeadTimeout => (Failure::RequestTimeout, "header_too_slow"),
            ConnectionFault::HeadTooLarge => (Failure::HeaderTooLarge, "header_too_large"),
            ConnectionFault::Malformed => (Failure::BadRequest, "malformed_header"),
            ConnectionFault::Cap
            | ConnectionFault::Stalled
            | ConnectionFault::AddressCap
            | ConnectionFault::Handshake
            | ConnectionFault::Announcement
            | ConnectionFault::Abuse => return Vec::new(),
        };
        let id = RequestId::make(&mut rand::rng());
        let answer = self.setup.answers.failure(failure, &id);
        self.log(&id, &answer, reason);
        wording(&answer)
    }
}

impl Words {
    /// Logs a refusal. Nothing that was sent is in the line: it could not be told apart.
    fn log(&self, id: &RequestId, answer: &Answer, reason: &str) {
        self.gateway.sink.record(&AccessLine {
            time: self.gateway.verifier.now().wall,
            request_id: id.as_str(),
            client: self.client,
            method: "",
            path: "",
            host: "",
            status: answer.status.as_u16(),
            route: None,
            upstream: None,
            key: None,
            consumer: None,
            verdict: Verdict::Error,
            reason: Some(reason),
            shadow: None,
            is_anonymous: false,
            bytes_in: 0,
            bytes_out: answer.body.len() as u64,
            total: Duration::ZERO,
            verify: Duration::ZERO,
            upstream_time: None,
            trace: None,
            one_in: 1,
        });
    }
}

/// Returns an answer as it is sent, after which the connection ends.
fn wording(answer: &Answer) -> Vec<u8> {
    let mut head = ResponseHeader::build_no_case(answer.status, None).expect("a valid status");
    for (name, value) in &answer.headers {
        let _ = head.append_header(name, value.clone());
    }
    let _ = head.insert_header(http::header::CONTENT_LENGTH, answer.body.len());
    let _ = head.insert_header(http::header::CONNECTION, HeaderValue::from_static("close"));
    let status = answer.status;
    let mut bytes =
        format!("HTTP/1.1 {} {}\r\n", status.as_str(), status.canonical_reason().unwrap_or_default())
            .into_bytes();
    head.header_to_h1_wire(&mut bytes);
    bytes.extend_from_slice(b"\r\n");
    bytes.extend_from_slice(&answer.body);
    bytes
}

/// What every connection of HTTP/2 begins with.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How long a client may take to read the last answer and close.
pub(super) const LINGER: Duration = Duration::from_secs(2);

/// How much of a refused body is read and thrown away for the answer's sake.
const LINGER_BYTES: usize = 256 * 1024;

/// Longer than the timer's resolution, so that the runtime has to look at its sockets before it is over.
pub(super) const LAST_LOOK: Duration = Duration::from_millis(5);

const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
