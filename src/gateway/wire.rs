//! The byte stream under Pingora's HTTP/1.1 session, with what Pingora lacks: a deadline for the whole
//! request head (its own restarts with every byte), a deadline for idle connections, caps on the head,
//! write buffering (header and body leave in one send), and a deadline for a client that stops reading.
//!
//! A head is held back until its blank line has come, so Pingora parses it once however slowly it
//! arrives, and a head that breaks a rule is answered here, before any of it is parsed. Pingora is handed
//! one message at a time, to its last byte and no further: so every head of a connection takes this way.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::{Instant, Sleep};

use super::alarm::Alarm;
use super::framing::Framing;
use super::head::{Found, Scan};
use super::live::Live;
use super::setup::Listening;
use crate::config::TrustedProxies;
use crate::edge::is_trusted;
use crate::metrics::ConnectionFault;
use crate::tls::{PeerCertificate, ServerStream};

/// A client's socket.
#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
    /// TLS over one of the others.
    Tls(Box<ServerStream<Socket>>),
}

/// What a connection may take, from the configuration at the time it was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct WireLimits {
    /// The longest head, in bytes.
    pub(super) head_bytes: usize,
    /// The most header fields.
    pub(super) head_fields: usize,
    /// From the first byte of a head (or the accept) to its last.
    pub(super) head_timeout: Duration,
    /// From the end of a response to the first byte of the next request.
    pub(super) idle_timeout: Duration,
    /// How long a write may make no progress.
    pub(super) stall_timeout: Duration,
    /// The slowest a body may come, in bytes a second; 0 is any.
    pub(super) body_rate: u64,
}

/// Where a connection is in the exchange of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
enum Phase {
    /// Nothing of the next request has come.
    Waiting,
    /// Part of a head has come.
    Head,
    /// A whole head was delivered; Pingora has not said that it could parse it.
    Delivered,
    /// What comes now is body, as far as its framing says.
    Exchange,
}

/// What is left of a connection once Pingora has let go of its stream: the socket, to be closed in a
/// way that lets the client read the last answer.
#[derive(Default)]
pub(super) struct Handback {
    left: Mutex<Option<(Socket, Vec<u8>)>>,
}

impl Handback {
    /// Takes the socket and what was not yet written to it; `None` if the client closed it or it broke.
    pub(super) fn take(&self) -> Option<(Socket, Vec<u8>)> {
        self.left.lock().expect("no panic while it is held").take()
    }
}

/// A client's stream. It lives as long as its connection, over all its requests.
pub(super) struct Wire {
    /// `None` only after it was handed back.
    socket: Option<Socket>,
    fd: RawFd,
    peer: Peer,
    limits: WireLimits,
    refusals: Arc<dyn Refusals>,
    handback: Arc<Handback>,
    live: Arc<Live>,
    phase: AtomicU8,
    /// `read[start..end]` was read and not yet delivered.
    read: Vec<u8>,
    start: usize,
    end: usize,
    /// Where the head in `read` ends, once its blank line has come.
    head_end: usize,
    scan: Scan,
    /// What is still to come of the request's body, and how long it may be silent.
    body: Mutex<Body>,
    /// When the phase must be over.
    alarm: Alarm,
    write: Vec<u8>,
    written: usize,
    /// Armed while a write makes no progress.
    stall: Option<Pin<Box<Sleep>>>,
    /// The client closed its end, or the connection broke: there is nobody to linger for.
    ended: bool,
}

/// What follows a head.
#[derive(Debug)]
struct Body {
    framing: Framing,
    /// How long neither side may send anything, where the wire is to see to it.
    silence: Option<Duration>,
    /// Whether the deadline of that is still to be set.
    is_new: bool,
    pace: Pace,
}

/// How fast a body comes, by the time that was spent waiting for it: a backend may take its time.
#[derive(Debug, Default)]
struct Pace {
    since: Option<Instant>,
    waited: Duration,
    received: u64,
}

impl Pace {
    /// Counts what came, or that nothing did. Says whether it is fast enough.
    fn note(&mut self, came: Poll<usize>, rate: u64) -> bool {
        match came {
            Poll::Pending => {
                self.since.get_or_insert_with(now);
            }
            Poll::Ready(bytes) => {
                self.received += bytes as u64;
                self.waited += self.since.take().map_or(Duration::ZERO, |since| since.elapsed());
            }
        }
        self.waited <= PACE_GRACE || self.received >= rate.saturating_mul(self.waited.as_secs())
    }
}

/// Who is at the other end.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// Its address; `None` on a Unix socket, or if who announced it does not know it.
    pub(super) address: Option<IpAddr>,
    /// Whether it is at the other end of a Unix socket: without an address, and no stranger.
    pub(super) is_unix: bool,
    /// The address as `X-Forwarded-For` has it.
    pub(super) text: Option<HeaderValue>,
    /// Whether it speaks TLS.
    pub(super) is_tls: bool,
    /// What its certificate says, if it showed one.
    pub(super) certificate: Option<Arc<PeerCertificate>>,
    /// What the listener it came through does.
    pub(super) door: Option<Arc<Listening>>,
}

impl Peer {
    /// Somebody of whom nothing is known.
    pub(super) const fn nobody() -> Self {
        Self { address: None, is_unix: false, text: None, is_tls: false, certificate: None, door: None }
    }

    /// Says whether its word on clients counts. Without an address that of a Unix socket's peer may, and
    /// nobody else's: a balancer that cannot name its client says nothing for it.
    pub(super) fn is_among(&self, trusted: &TrustedProxies) -> bool {
        (self.is_unix || self.address.is_some()) && is_trusted(self.address, trusted)
    }
}

/// Words and counts the answers that are given before a request can be told apart.
pub(super) trait Refusals: Send + Sync {
    /// Counts the fault and returns the whole answer, ready to send; empty is to close without one.
    fn refuse(&self, fault: ConnectionFault) -> Vec<u8>;
}

impl Wire {
    /// Takes over a fresh connection. Must be called on a runtime with a clock.
    pub(super) fn new(
        socket: Socket,
        peer: Peer,
        limits: WireLimits,
        refusals: Arc<dyn Refusals>,
        handback: Arc<Handback>,
        live: Arc<Live>,
    ) -> Self {
        Self {
            fd: socket.as_raw_fd(),
            socket: Some(socket),
            peer,
            limits,
            refusals,
            handback,
            live,
            phase: AtomicU8::new(Phase::Waiting as u8),
            read: vec![0; READ_BUFFER],
            start: 0,
            end: 0,
            head_end: 0,
            scan: Scan::default(),
            body: Mutex::new(Body {
                framing: Framing::NONE,
                silence: None,
                is_new: false,
                pace: Pace::default(),
            }),
            alarm: Alarm::after(limits.head_timeout),
            write: Vec::new(),
            written: 0,
            stall: None,
            ended: false,
        }
    }

    /// Takes what was read of the connection before.
    #[must_use]
    pub(super) fn with_ahead(mut self, ahead: &[u8]) -> Self {
        self.read[..ahead.len()].copy_from_slice(ahead);
        self.end = ahead.len();
        if !ahead.is_empty() {
            self.enter(Phase::Head);
        }
        self
    }

    /// Returns who is at the other end.
    pub(super) fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Returns what is under way on the connection.
    pub(super) fn live(&self) -> &Arc<Live> {
        &self.live
    }

    /// Fails if what is under way was cut: from then on no byte passes, either way.
    fn uncut(&self) -> io::Result<()> {
        if self.live.is_cut() { Err(io::ErrorKind::PermissionDenied.into()) } else { Ok(()) }
    }

    /// Tells the stream that Pingora has parsed a head, and what body it says will follow.
    pub(super) fn head_is_parsed(&self, framing: Framing) {
        self.body().framing = framing;
        self.phase.store(Phase::Exchange as u8, Ordering::Relaxed);
    }

    /// Ends the connection when neither side sends anything for so long during this exchange.
    pub(super) fn limit_silence(&self, silence: Duration) {
        let mut body = self.body();
        (body.silence, body.is_new) = (Some(silence), true);
    }

    /// Tells the stream that the connection was upgraded: what comes now is no HTTP.
    pub(super) fn is_upgraded(&self, silence: Duration) {
        self.body().framing = Framing::Endless;
        self.limit_silence(silence);
    }

    fn body(&self) -> MutexGuard<'_, Body> {
        self.body.lock().expect("no panic while it is held")
    }

    fn body_mut(&mut self) -> &mut Body {
        self.body.get_mut().expect("no panic while it is held")
    }

    /// Makes the stream ready for the next request on it. Says whether it can be: not if the end of the
    /// last one did not pass, whatever Pingora took for it.
    #[must_use]
    pub(super) fn next_request(&mut self) -> bool {
        let body = self.body_mut();
        body.silence = None;
        body.pace = Pace::default();
        if !body.framing.is_done() {
            return false;
        }
        self.scan = Scan::default();
        self.head_end = 0;
        self.read.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        // What one large request needed is not kept for the life of a connection.
        if self.read.len() > READ_BUFFER && self.end <= READ_BUFFER {
            self.read.truncate(READ_BUFFER);
            self.read.shrink_to_fit();
        }
        if self.write.capacity() > WRITE_BUFFER {
            self.write = Vec::new();
        }
        self.enter(if self.end > 0 { Phase::Head } else { Phase::Waiting });
        true
    }

    fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Waiting,
            1 => Phase::Head,
            2 => Phase::Delivered,
            _ => Phase::Exchange,
        }
    }

    fn enter(&mut self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        match phase {
            Phase::Waiting => self.alarm.set(self.limits.idle_timeout),
            Phase::Head => self.alarm.set(self.limits.head_timeout),
            Phase::Delivered | Phase::Exchange => {}
        }
    }

    /// Reads once into `read`; how many bytes came. There must be nothing left before `start`.
    fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.end == self.read.len() {
            let longer = (self.read.len() * 2).min(self.limits.head_bytes + READ_BUFFER);
            self.read.resize(longer, 0);
        }
        let mut space = ReadBuf::new(&mut self.read[self.end..]);
        let socket = Pin::new(self.socket.as_mut().expect("taken only by drop"));
        let polled = ready!(socket.poll_read(cx, &mut space));
        let new = space.filled().len();
        self.end += new;
        self.ended |= new == 0 || polled.is_err();
        Poll::Ready(polled.map(|()| new))
    }

    /// Reads more of a head, within its deadline. Ready with zero where there will be none: the client
    /// left between two requests.
    fn poll_more_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        match self.poll_fill(cx) {
            Poll::Ready(Ok(0)) if self.phase() != Phase::Waiting => {
                Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
            }
            Poll::Ready(Ok(n)) => {
                if n > 0 && self.phase() == Phase::Waiting {
                    self.enter(Phase::Head);
                }
                Poll::Ready(Ok(n))
            }
            Poll::Ready(Err(e)) => Poll::Ready(Err(e)),
            Poll::Pending => {
                ready!(self.alarm.poll(cx));
                if self.phase() == Phase::Waiting {
                    // An idle connection is closed without a word, as every server does.
                    self.ended = true;
                    return Poll::Ready(Ok(0));
                }
                Poll::Ready(self.refuse(ConnectionFault::HeadTimeout).map(|()| 0))
            }
        }
    }

    /// Waits for a whole head, which is then there to be read. Says whether one came, in time and well formed.
    pub(super) async fn hears(&mut self) -> bool {
        matches!(poll_fn(|cx| self.poll_whole_head(cx)).await, Ok(true))
    }

    /// Says whether there is probably another request: part of its head has come, or the one before was answered so
    /// recently that it may be on its way.
    pub(super) fn is_lively(&self) -> bool {
        self.phase() == Phase::Head || self.alarm.age(self.limits.idle_timeout) < LIVELY
    }

    /// Reads until a whole head is there. Ready with `false` where there will be none.
    fn poll_whole_head(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        while self.head_end == 0 {
            match self.scan.advance(&self.read[..self.end], self.limits.head_bytes, self.limits.head_fields) {
                Found::Complete { start, end } => {
                    (self.start, self.head_end) = (start, end);
                }
                Found::Partial => {
                    if ready!(self.poll_more_head(cx))? == 0 {
                        return Poll::Ready(Ok(false));
                    }
                }
                Found::TooLarge => {
                    return Poll::Ready(self.refuse(ConnectionFault::HeadTooLarge).map(|()| false));
                }
                Found::Malformed => {
                    return Poll::Ready(self.refuse(ConnectionFault::Malformed).map(|()| false));
                }
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Delivers a whole head up to its blank line and not a byte more: what Pingora does not have, it cannot take
    /// for the next request.
    fn poll_head(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if !ready!(self.poll_whole_head(cx))? {
            return Poll::Ready(Ok(()));
        }
        let n = (self.head_end - self.start).min(into.remaining());
        into.put_slice(&self.read[self.start..self.start + n]);
        self.start += n;
        if self.start == self.head_end {
            self.enter(Phase::Delivered);
        }
        Poll::Ready(Ok(()))
    }

    /// Delivers what is left of the body.
    fn poll_body(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let polled = if self.body_mut().framing.is_done() {
            self.poll_behind_body(cx)
        } else {
            let polled = self.poll_more_body(cx, into);
            let rate = self.limits.body_rate;
            let body = self.body_mut();
            let came =
                if polled.is_ready() { Poll::Ready(into.filled().len() - before) } else { Poll::Pending };
            if body.framing != Framing::Endless && !body.pace.note(came, rate) {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            polled
        };
        let Body { silence, is_new, .. } = *self.body_mut();
        let Some(silence) = silence else { return polled };
        if is_new || into.filled().len() > before {
            self.body_mut().is_new = false;
            self.alarm.set(silence);
        }
        if polled.is_pending() {
            ready!(self.alarm.poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        polled
    }

    fn poll_more_body(&mut self, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.start == self.end {
            (self.start, self.end) = (0, 0);
            // What is data whatever it is needs no look, and no copy.
            let free = self.body_mut().framing.free();
            let room = usize::try_from(free).unwrap_or(usize::MAX).min(into.remaining());
            if room >= READ_BUFFER {
                let mut space = ReadBuf::new(into.initialize_unfilled_to(room));
                let socket = Pin::new(self.socket.as_mut().expect("taken only by drop"));
                let polled = ready!(socket.poll_read(cx, &mut space));
                let new = space.filled().len();
                into.advance(new);
                self.body_mut().framing.pass(new as u64);
                self.ended |= new == 0 || polled.is_err();
                return Poll::Ready(polled);
            }
            ready!(self.poll_fill(cx))?;
        }
        let end = self.end.min(self.start + into.remaining());
        let bytes = &self.read[self.start..end];
        let body = self.body.get_mut().expect("no panic while it is held");
        let n = body.framing.follow(bytes).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
        into.put_slice(&bytes[..n]);
        self.start += n;
        Poll::Ready(Ok(()))
    }

    /// Waits for the client to leave, as Pingora does while a backend works. What the client sends
    /// meanwhile is its next request, and stays here.
    ///
    /// A client that closed its end may still listen (RFC 9112 §9.6) or may have gone: that shows only
    /// when an answer is sent. So it has left when nothing was sent for [`HALF_CLOSED`].
    fn poll_behind_body(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // There is no more of the answer yet: what there is of it does not wait for the rest.
        if !self.write.is_empty()
            && let Poll::Ready(Err(error)) = self.poll_drain(cx)
        {
            return Poll::Ready(Err(error));
        }
        if self.start == self.end && !self.ended {
            (self.start, self.end) = (0, 0);
            if ready!(self.poll_fill(cx))? == 0 {
                self.alarm.set(HALF_CLOSED);
            }
        }
        if !self.ended {
            return Poll::Pending;
        }
        self.alarm.poll(cx).map(Ok)
    }

    /// Answers a head that breaks a rule, and ends the connection.
    fn refuse(&mut self, fault: ConnectionFault) -> io::Result<()> {
        let answer = self.refusals.refuse(fault);
        self.write.extend_from_slice(&answer);
        Err(io::Error::new(io::ErrorKind::InvalidData, "request head refused"))
    }

    /// Writes out what is buffered.
    fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.written < self.write.len() {
            let socket = Pin::new(self.socket.as_mut().expect("taken only by drop"));
            let polled = socket.poll_write(cx, &self.write[self.written..]);
            self.written += ready!(self.poll_progress(cx, polled))?;
        }
        self.write.clear();
        self.written = 0;
        Poll::Ready(Ok(()))
    }

    /// Passes on the outcome of a write, or fails it if there was no progress for too long.
    fn poll_progress(
        &mut self,
        cx: &mut Context<'_>,
        polled: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        let outcome = match polled {
            Poll::Ready(Ok(0)) => Err(io::ErrorKind::WriteZero.into()),
            Poll::Ready(outcome) => outcome,
            Poll::Pending => {
                let after = self.limits.stall_timeout;
                let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
                ready!(stall.as_mut().poll(cx));
                self.refusals.refuse(ConnectionFault::Stalled);
                Err(io::ErrorKind::TimedOut.into())
            }
        };
        self.stall = None;
        self.ended |= outcome.is_err();
        Poll::Ready(outcome)
    }
}

/// How recently a client that keeps asking was answered, however far away and busy it is.
const LIVELY: Duration = Duration::from_secs(5);

impl Drop for Wire {
    fn drop(&mut self) {
        // Between two requests nothing is unread or unsent: there is nothing to linger for either.
        if self.ended || self.live.is_cut() || (self.phase() == Phase::Waiting && self.write.is_empty()) {
            return;
        }
        if let (Some(socket), Ok(mut left)) = (self.socket.take(), self.handback.left.lock()) {
            let unwritten = self.write.split_off(self.written);
            *left = Some((socket, unwritten));
        }
    }
}

impl AsyncRead for Wire {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.uncut()?;
        match wire.phase() {
            Phase::Waiting | Phase::Head => wire.poll_head(cx, into),
            // Pingora does not see the end of a head where we saw it.
            Phase::Delivered => Poll::Ready(wire.refuse(ConnectionFault::Malformed)),
            Phase::Exchange => wire.poll_body(cx, into),
        }
    }
}

impl AsyncWrite for Wire {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let wire = self.get_mut();
        wire.uncut()?;
        if wire.phase() != Phase::Exchange {
            // An answer before anybody said that the head was parsed is Pingora's bare 400. Ours is sent
            // in its place, in the one form all refusals have.
            if wire.write.is_empty() {
                let _ = wire.refuse(ConnectionFault::Malformed);
            }
            return Poll::Ready(Ok(bytes.len()));
        }
        if let Some(silence) = wire.body_mut().silence {
            wire.alarm.set(silence);
        } else if wire.ended {
            wire.alarm.set(HALF_CLOSED);
        }
        if wire.write.len() + bytes.len() > WRITE_BUFFER {
            ready!(wire.poll_drain(cx))?;
            if bytes.len() >= WRITE_BUFFER {
                let socket = Pin::new(wire.socket.as_mut().expect("taken only by drop"));
                let polled = socket.poll_write(cx, bytes);
                return wire.poll_progress(cx, polled);
            }
        }
        wire.write.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wire = self.get_mut();
        wire.uncut()?;
        wire.poll_drain(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // The socket itself is closed when it has been handed back.
        self.poll_flush(cx)
    }
}

#[async_trait]
impl Shutdown for Wire {
    async fn shutdown(&mut self) {
        let _ = self.flush().await;
    }
}

impl UniqueID for Wire {
    fn id(&self) -> UniqueIDType {
        self.fd
    }
}

impl Ssl for Wire {}

#[async_trait]
impl Peek for Wire {}

impl GetTimingDigest for Wire {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Wire {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Wire {
    /// Nothing: the client's address is known from the accept, and asking the socket is a system call.
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl fmt::Debug for Wire {
    /// Names the socket and no byte that came over it: Pingora logs streams.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire").field("fd", &self.fd).field("phase", &self.phase()).finish_non_exhaustive()
    }
}

impl AsRawFd for Socket {
    fn as_raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
            Self::Tls(socket) => socket.get_ref().0.as_raw_fd(),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_read(cx, into),
            Self::Unix(socket) => Pin::new(socket).poll_read(cx, into),
            Self::Tls(socket) => Pin::new(socket).poll_read(cx, into),
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Unix(socket) => Pin::new(socket).poll_write(cx, bytes),
            Self::Tls(socket) => Pin::new(socket).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_flush(cx),
            Self::Unix(socket) => Pin::new(socket).poll_flush(cx),
            Self::Tls(socket) => Pin::new(socket).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Unix(socket) => Pin::new(socket).poll_shutdown(cx),
            Self::Tls(socket) => Pin::new(socket).poll_shutdown(cx),
        }
    }
}

/// Reads the clock of the runtime's timers: the pace of a body is no decision.
fn now() -> Instant {
    Instant::now()
}

/// How long a client that closed its end is taken for one that waits for an answer.
const HALF_CLOSED: Duration = Duration::from_secs(5);

/// How long a body is waited for before its pace counts.
pub(super) const PACE_GRACE: Duration = Duration::from_secs(10);

/// Holds nearly every head. One idle connection costs this much.
const READ_BUFFER: usize = 4096;

/// Holds a header and a small body, so that they leave in one send.
const WRITE_BUFFER: usize = 16 * 1024;
