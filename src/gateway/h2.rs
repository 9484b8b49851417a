//! HTTP/2: one connection, many requests at once, each judged and served by itself. The loop that accepts them
//! is ours, since Pingora's has no cap on requests, no deadline for bodies, and no way to end one of them.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use http::header::{COOKIE, HOST, HeaderValue};
use pingora::apps::HttpServerApp;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{H2Accept, H2Options, HttpSession, default_h2_options, handshake};
use pingora::protocols::{Digest, Stream as Io};
use pingora::proxy::HttpProxy;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::connection::{LAST_LOOK, LINGER, Words};
use super::door::Door;
use super::live::{Entered, LAST_WORDS, Live, Lives};
use super::setup::Setup;
use super::wire::{PACE_GRACE, Peer, Refusals};
use super::{FIRST_WORDS, Gateway, LATECOMERS};
use crate::edge::Counted;
use crate::metrics::ConnectionFault;

/// What a connection may take, from the configuration at the time it was accepted.
#[derive(Clone, Copy, Debug)]
pub(super) struct H2Limits {
    /// Requests at once.
    pub(super) streams: u32,
    /// Header fields of a request, decoded, in bytes.
    pub(super) head_bytes: u32,
    /// Requests in all.
    pub(super) requests: u32,
    /// How long it may have none.
    pub(super) idle_timeout: Duration,
    /// For its first frames.
    pub(super) head_timeout: Duration,
}

impl H2Limits {
    /// From Pingora's own defaults: options made from nothing have no limits at all.
    fn options(self) -> H2Options {
        let mut options = default_h2_options();
        options
            .max_header_list_size(self.head_bytes)
            .max_concurrent_streams(self.streams)
            .max_concurrent_reset_streams(RESETS_KEPT)
            .max_pending_accept_reset_streams(PENDING_RESETS)
            .max_local_error_reset_streams(Some(FAULTS))
            .max_send_buffer_size(SEND_BUFFER);
        options
    }
}

/// One request of a connection, as the hooks find it among the request's extensions.
#[derive(Clone)]
pub(super) struct Caller(Arc<Call>);

struct Call {
    peer: Peer,
    live: Arc<Live>,
    began: Instant,
    /// When its body last moved, milliseconds after it began.
    moved: AtomicU64,
    /// How long the body may stand still, in milliseconds; 0 while nobody waits for one.
    patience: AtomicU64,
    /// Whether an answer was begun.
    is_answered: AtomicBool,
}

impl Caller {
    fn new(peer: Peer, live: Arc<Live>) -> Self {
        Self(Arc::new(Call {
            peer,
            live,
            began: Instant::now(),
            moved: AtomicU64::new(0),
            patience: AtomicU64::new(0),
            is_answered: AtomicBool::new(false),
        }))
    }

    /// Returns who is at the other end.
    pub(super) fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Returns what is under way on the stream.
    pub(super) fn live(&self) -> &Arc<Live> {
        &self.0.live
    }

    /// A body is waited for, no longer than this between two pieces of it.
    pub(super) fn expect_body(&self, patience: Duration) {
        self.body_moved();
        let patience = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX).max(1);
        self.0.patience.store(patience, Ordering::Relaxed);
    }

    /// A piece of the body came.
    pub(super) fn body_moved(&self) {
        self.0.moved.store(self.elapsed(), Ordering::Relaxed);
    }

    /// Says whether a body of which so much came is fast enough. Counted from when it was first waited for: Pingora
    /// does not tell who waited for whom since.
    pub(super) fn keeps_pace(&self, received: u64, rate: u64) -> bool {
        let elapsed = self.0.began.elapsed();
        elapsed <= PACE_GRACE || received >= rate.saturating_mul(elapsed.as_secs())
    }

    /// Nobody waits for the body any more: it is over, or an answer is under way, which has time-outs of its
    /// own.
    pub(super) fn body_is_over(&self) {
        self.0.patience.store(0, Ordering::Relaxed);
    }

    /// An answer was begun.
    pub(super) fn answered(&self) {
        self.0.is_answered.store(true, Ordering::Relaxed);
        self.body_is_over();
    }

    fn elapsed(&self) -> u64 {
        u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits until the body has stood still for too long.
    async fn stalled(&self) {
        loop {
            let patience = self.0.patience.load(Ordering::Relaxed);
            let moved = self.0.moved.load(Ordering::Relaxed);
            if patience > 0 && self.elapsed() >= moved.saturating_add(patience) {
                return;
            }
            // Often enough that nobody stands still for long beyond his time.
            let look = if patience == 0 { LOOK } else { (patience / 8).clamp(5, LOOK) };
            tokio::time::sleep(Duration::from_millis(look)).await;
        }
    }
}

/// Everything a connection's requests share.
pub(super) struct Shared {
    pub(super) gateway: Arc<Gateway>,
    pub(super) proxy: Arc<HttpProxy<Door>>,
    pub(super) draining: watch::Receiver<bool>,
    pub(super) lives: Arc<Lives>,
    pub(super) setup: Arc<Setup>,
    pub(super) peer: Peer,
    /// Its place among the connections of its address.
    pub(super) counted: Option<Counted>,
}

/// Serves a connection to its end.
pub(super) async fn converse(io: Io, mut shared: Shared) {
    let limits = shared.setup.h2;
    let greeting = tokio::time::timeout(limits.head_timeout, handshake(io, Some(limits.options())));
    let Ok(Ok(mut connection)) = greeting.await else {
        shared.gateway.metrics.connection_fault(ConnectionFault::Malformed);
        return;
    };
    let digest = Arc::new(Digest::default());
    let mut streams: JoinSet<bool> = JoinSet::new();
    let mut count = Count::default();
    let mut is_leaving = *shared.draining.borrow();
    if is_leaving {
        connection.graceful_shutdown();
    }
    let mut last_call = pin!(shared.last_call());
    // Whoever has not said by then that it heard of the end may be gone, or mean to stay: it is asked nothing more. What
    // it was answered last is still on its way.
    let mut is_over = false;
    let mut leave = pin!(tokio::time::sleep(LINGER));
    loop {
        let idle = tokio::time::sleep(limits.idle_timeout);
        tokio::select! {
            biased;
            ended = streams.join_next(), if !streams.is_empty() => {
                let was_answered = matches!(ended, Some(Ok(true)));
                if count.ended(was_answered) {
                    shared.gateway.metrics.connection_fault(ConnectionFault::Abuse);
                    break;
                }
                if is_over {
                    leave.as_mut().reset(Instant::now() + LINGER);
                }
            }
            _ = shared.draining.changed(), if !is_leaving => {
                is_leaving = true;
                connection.graceful_shutdown();
            }
            () = &mut last_call, if !is_over => {
                is_over = true;
                leave.as_mut().reset(Instant::now() + LINGER);
            }
            () = &mut leave, if is_over && streams.is_empty() => {
                // Where the machine stood still that long the answer has not even begun to leave.
                let leaves = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest));
                let _ = tokio::time::timeout(LAST_LOOK, leaves).await;
                break;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, Arc::clone(&digest)) => match accepted {
                // Its stream is reset.
                Ok(Some(H2Accept::Session(session))) if is_over => drop(session),
                Ok(Some(H2Accept::Session(session))) => {
                    streams.spawn(shared.serve(session));
                    count.begun += 1;
                    if count.begun >= limits.requests && !is_leaving {
                        is_leaving = true;
                        connection.graceful_shutdown();
                    }
                }
                Ok(Some(H2Accept::Rejected)) => {
                    // Pingora has answered, with a bare 400 or a reset: counted and logged it is as every other.
                    let _ = shared.words().refuse(ConnectionFault::Malformed);
                    count.malformed += 1;
                    if count.malformed >= MALFORMED {
                        break;
                    }
                }
                Ok(None) => break,
                Err(_) => {
                    shared.gateway.metrics.connection_fault(ConnectionFault::Malformed);
                    break;
                }
            },
            () = idle, if streams.is_empty() => break,
        }
    }
    // What is left has nobody to answer. From here on reading and writing fails, by which each request sees it
    // and is logged; one that does not look is dropped, which logs it too.
    drop(connection);
    let ended = async { while streams.join_next().await.is_some() {} };
    let _ = tokio::time::timeout(LAST_WORDS, ended).await;
}

/// How a connection's requests went.
#[derive(Default)]
struct Count {
    begun: u32,
    answered: u32,
    unanswered: u32,
    malformed: u32,
}

impl Count {
    /// Counts a request that is over. Says whether too many were given up before there was an answer, which is
    /// how a client makes work for nothing (rapid reset, CVE-2023-44487).
    fn ended(&mut self, was_answered: bool) -> bool {
        if was_answered {
            self.answered += 1;
        } else {
            self.unanswered += 1;
        }
        self.unanswered > GIVEN_UP && self.unanswered > self.answered
    }
}

impl Shared {
    /// Waits until it has been time to drain for so long that who has said nothing yet is heard no more.
    pub(super) fn last_call(&self) -> impl Future<Output = ()> + use<> {
        let mut draining = self.draining.clone();
        async move {
            let _ = draining.wait_for(|draining| *draining).await;
            tokio::time::sleep(LATECOMERS + FIRST_WORDS).await;
        }
    }

    pub(super) fn words(&self) -> Words {
        let (setup, gateway) = (Arc::clone(&self.setup), Arc::clone(&self.gateway));
        Words { setup, gateway, client: self.peer.address }
    }

    /// Serves one request. Says whether it was answered.
    fn serve(&self, session: HttpSession) -> impl Future<Output = bool> + Send + 'static {
        let entered = self.lives.enter();
        let caller = Caller::new(self.peer.clone(), Arc::clone(entered.live()));
        let (proxy, draining) = (Arc::clone(&self.proxy), self.draining.clone());
        let mut session = ServerSession::new_http2(session);
        let head = session.req_header_mut();
        as_http1(head);
        head.extensions_mut().insert(caller.clone());
        async move {
            let entered: Entered = entered;
            // Dropping it resets the stream, and no other.
            tokio::select! {
                biased;
                _ = proxy.process_new_http(session, &draining) => {}
                () = entered.live().cut() => {}
                // Said before the request is dropped, which logs it.
                () = async { caller.stalled().await; entered.live().stop("body_too_slow") } => {}
            }
            caller.0.is_answered.load(Ordering::Relaxed)
        }
    }
}

/// Gives a head the form the rest of the gateway knows: the host in `Host`, which Pingora has compared with
/// `:authority`, and one `Cookie` (RFC 9113 §8.2.3).
fn as_http1(head: &mut pingora::http::RequestHeader) {
    if !head.headers.contains_key(HOST)
        && let Some(authority) = head.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        let _ = head.insert_header(HOST, host);
    }
    let crumbs: Vec<_> = head.headers.get_all(COOKIE).iter().map(HeaderValue::as_bytes).collect();
    if crumbs.len() > 1
        && let Ok(whole) = HeaderValue::from_bytes(&crumbs.join(&b"; "[..]))
    {
        let _ = head.insert_header(COOKIE, whole);
    }
}

/// Streams that were reset within a second, and are remembered for frames of theirs still on the way: some half a
/// kilobyte each. What comes on others is a fault.
const RESETS_KEPT: usize = 128;

/// Streams that their client gave up before they were looked at, before they cost the connection.
const PENDING_RESETS: usize = 32;

/// Faults of a client's that cost a stream each, over the life of a connection, before they cost the connection. As many
/// as the library itself would take: each waits as a frame for a client that may not read.
const FAULTS: usize = 1024;

/// Requests that cannot be served as HTTP, before they cost the connection.
const MALFORMED: u32 = 32;

/// Requests given up before there was an answer, before they count: a page that is left gives up many.
const GIVEN_UP: u32 = 128;

/// Bytes of an answer that wait for a client's window, by stream.
const SEND_BUFFER: usize = 64 * 1024;

/// How often a request is looked at whose body is not waited for, in milliseconds.
const LOOK: u64 = 500;
