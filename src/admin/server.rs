//! Connections: accepted here, each with one request, answered by whoever was given.
//!
//! Shared with the portal, which is another door of the same kind.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::edge::Callers;
use crate::tls::{PeerCertificate, Server, peer_certificate};

use super::caller::Peer;

/// A bound socket to accept on.
pub enum Socket {
    /// Of TCP.
    Tcp(TcpListener),
    /// Of a path; the kernel says who connects.
    Unix(UnixListener),
}

/// How a request came.
#[derive(Clone, Debug)]
pub struct Came {
    /// From whom.
    pub from: Peer,
    /// The address called; `None` on a Unix socket.
    pub here: Option<IpAddr>,
    /// What the client's certificate says, if it showed one.
    pub certificate: Option<Arc<PeerCertificate>>,
}

/// An answer on its way.
pub type Answering = Pin<Box<dyn Future<Output = Response<Body>> + Send>>;

/// Answers requests.
pub trait Answers: Send + Sync + 'static {
    /// Begins with an answer. Only the future may take time.
    fn answer(self: Arc<Self>, request: Request<Body>, came: Came) -> Answering;

    /// Returns what shakes hands on every address but Unix sockets; `None` speaks clear text.
    fn tls(&self) -> Option<Arc<Server>> {
        None
    }
}

/// What a door takes.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Connections at once, and three quarters of them of one address; beyond them one is closed.
    pub connections: usize,
    /// The longest head, in bytes.
    pub head: usize,
}

/// What all connections share.
struct Front<A> {
    answers: Arc<A>,
    connections: Arc<Semaphore>,
    callers: Arc<Callers>,
    caps: Caps,
}

/// For a whole head, and for what is left when an answer is sent.
const DEADLINE: Duration = Duration::from_secs(5);

/// For a whole exchange, but for a file on its way.
const LONGEST: Duration = Duration::from_mins(1);

/// For a file on its way.
const LONGEST_FILE: Duration = Duration::from_hours(1);

/// Answers until `stop` becomes true or its sender is gone, and then finishes what is being answered, as far
/// as that is quickly done.
pub async fn serve<A: Answers>(
    sockets: Vec<Socket>,
    answers: Arc<A>,
    caps: Caps,
    stop: watch::Receiver<bool>,
) {
    let connections = Arc::new(Semaphore::new(caps.connections));
    let front = Arc::new(Front { answers, connections, callers: Arc::default(), caps });
    let mut loops = JoinSet::new();
    for socket in sockets {
        loops.spawn(accept_all(socket, Arc::clone(&front), stop.clone()));
    }
    while loops.join_next().await.is_some() {}
}

async fn accept_all<A: Answers>(socket: Socket, front: Arc<Front<A>>, mut stop: watch::Receiver<bool>) {
    let mut open = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = accept(&socket) => accepted,
            _ = open.join_next(), if !open.is_empty() => continue,
            _ = stop.wait_for(|stop| *stop) => break,
        };
        let Ok((stream, came)) = accepted else {
            // Out of file descriptors, most likely: accepting again at once would spin.
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        // Over the cap the connection is closed: whoever it was tries again.
        let Ok(place) = Arc::clone(&front.connections).try_acquire_owned() else { continue };
        // A proxy in front may need nearly all; a stranger must not be able to take all.
        let counted = match came.from {
            Peer::Unix(_) => None,
            Peer::Ip(address) => match front.callers.enter(address, front.caps.connections * 3 / 4) {
                None => continue,
                counted => counted,
            },
        };
        let front = Arc::clone(&front);
        open.spawn(async move {
            if let Some((stream, came)) = secured(&*front.answers, stream, came).await {
                converse(&front, stream, came).await;
            }
            drop((place, counted));
        });
    }
    drop(socket);
    let _ = timeout(FINISH, async { while open.join_next().await.is_some() {} }).await;
}

/// How long what is being answered may take when told to stop.
const FINISH: Duration = Duration::from_secs(2);

/// A stream of bytes both ways.
trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

async fn accept(socket: &Socket) -> io::Result<(Box<dyn Duplex>, Came)> {
    match socket {
        Socket::Tcp(listener) => {
            let (stream, peer) = listener.accept().await?;
            let here = stream.local_addr().ok().map(|address| address.ip());
            // An answer is one write.
            let _ = stream.set_nodelay(true);
            Ok((Box::new(stream), Came { from: Peer::Ip(peer.ip()), here, certificate: None }))
        }
        Socket::Unix(listener) => {
            let (stream, _) = listener.accept().await?;
            // What this very process sends is a request of somebody else that the gateway forwards.
            let is_other = |pid: i32| u32::try_from(pid).is_ok_and(|pid| pid != std::process::id());
            let peer = stream.peer_cred().ok().filter(|peer| peer.pid().is_some_and(is_other));
            let uid = peer.map(|peer| peer.uid());
            Ok((Box::new(stream), Came { from: Peer::Unix(uid), here: None::<IpAddr>, certificate: None }))
        }
    }
}

/// Shakes hands where TLS is in force. `None` is a client that did not get so far.
async fn secured<A: Answers>(
    answers: &A,
    stream: Box<dyn Duplex>,
    came: Came,
) -> Option<(Box<dyn Duplex>, Came)> {
    let (Some(server), Peer::Ip(_)) = (answers.tls(), came.from) else {
        return Some((stream, came));
    };
    let stream = server.accept(stream, DEADLINE).await.ok()?;
    let certificate = peer_certificate(&stream).map(Arc::new);
    Some((Box::new(stream), Came { certificate, ..came }))
}

/// Answers one request.
async fn converse<A: Answers>(front: &Front<A>, stream: Box<dyn Duplex>, came: Came) {
    // Whether a file is on its way, which may take long.
    let is_long = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_long);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (answers, noted) = (Arc::clone(&front.answers), Arc::clone(&noted));
        let came = came.clone();
        async move {
            let response = answers.answer(request.map(Body::new), came).await;
            // Relaxed: it only says how long to wait.
            noted.store(response.headers().contains_key("content-disposition"), Ordering::Relaxed);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(DEADLINE)
        .max_buf_size(front.caps.head)
        .keep_alive(false);
    let connection = builder.serve_connection(TokioIo::new(stream), service).without_shutdown();
    tokio::pin!(connection);
    let ended = match timeout(LONGEST, connection.as_mut()).await {
        Err(_) if is_long.load(Ordering::Relaxed) => timeout(LONGEST_FILE, connection).await,
        ended => ended,
    };
    // The peer's trouble, if it broke off or was too slow.
    if let Ok(Ok(parts)) = ended {
        let _ = timeout(DEADLINE, finish(parts.io.into_inner())).await;
    }
}

/// Ends a connection: closing with unread bytes would reset it and may destroy the answer on its way.
async fn finish(mut stream: Box<dyn Duplex>) -> io::Result<()> {
    stream.shutdown().await?;
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}
