//! The operator's door: health, readiness, metrics, alerts of leaked keys, and the API by which kgate is
//! managed, on addresses of their own, loopback or a Unix socket unless configured otherwise. What the
//! gateway knows is injected by whoever wires the process; consumers and keys are in the store.
//!
//! One request a connection, few connections, small heads, short deadlines: this door must not be a
//! way to hurt the other one. The `Host` is checked because a browser on the operator's machine can
//! be made to call any name that resolves to it (DNS rebinding). A request of the API goes: `host` ->
//! `caller` (who, and by the table of `api` whether they may) -> an endpoint, on a thread that may wait for
//! the store -> `problem` or JSON.

mod alerts;
pub mod api;
mod caller;
mod desk;
mod door;
mod endpoint;
mod host;
mod openapi;
mod problem;
pub mod shape;

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::config::Config;
use crate::key::Role;
use crate::policy::Now;
use crate::tls::peer_certificate;

use caller::Peer;
use door::{Came, Door};

pub use alerts::{AlertAnswer, AlertRequest, AlertTaker};

/// An endpoint of the API, for whoever documents or tries them all.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// `GET`, `POST`, …
    pub method: String,
    /// With names in braces for what varies: `/v1/keys/{key}`.
    pub path: &'static str,
    /// Who may call it at least; `None` is anybody.
    pub role: Option<Role>,
    /// What it does.
    pub summary: &'static str,
}

/// Returns every endpoint of the API.
pub fn places() -> Vec<Place> {
    let place = |endpoint: endpoint::Endpoint| Place {
        method: endpoint.method.to_string(),
        path: endpoint.path,
        role: endpoint.role,
        summary: endpoint.summary,
    };
    api::endpoints().into_iter().map(place).collect()
}

/// Returns the OpenAPI document of the API.
pub fn contract() -> serde_json::Value {
    openapi::document(&api::endpoints())
}

/// What the endpoints answer. Called on the admin thread or one of its helpers; must not block for long.
pub struct Handlers {
    /// Whether traffic should be sent here: for `/readyz`.
    pub ready: Box<dyn Fn() -> Result<(), NotReady> + Send + Sync>,
    /// The Prometheus text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The public parts of the signing keys: for `/.well-known/jwks.json`.
    pub jwks: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// What would become of the request a JSON text describes: for `/explain`.
    pub explain: Box<dyn Fn(Vec<u8>) -> Replying + Send + Sync>,
    /// Who takes alerts of leaked keys: for `POST /leaks…`.
    pub alerts: Arc<dyn AlertTaker>,
    /// The configuration in force.
    pub config: Box<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// What runs here, as an object: for `/v1/status`.
    pub status: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// The time.
    pub now: Box<dyn Fn() -> Now + Send + Sync>,
}

/// A status and the JSON of an answer.
pub type Reply = (u16, serde_json::Value);

/// An answer on its way.
pub type Replying = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Why no traffic should be sent here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotReady {
    /// A short stable word for monitors.
    pub code: &'static str,
    /// A sentence for people.
    pub reason: String,
}

/// A bound socket to accept on.
pub enum Socket {
    /// Of TCP.
    Tcp(TcpListener),
    /// Of a path; the kernel says who connects.
    Unix(UnixListener),
}

/// The bound listeners of the operator's door.
pub struct Admin {
    sockets: Vec<Socket>,
    front: Arc<Front>,
}

/// What all connections share.
struct Front {
    door: Arc<Door>,
    router: Router,
    connections: Arc<Semaphore>,
}

/// Connections at once; a monitor needs one.
const MAX_CONNECTIONS: usize = 64;

/// For a whole head, and for what is left when an answer is sent.
const DEADLINE: Duration = Duration::from_secs(5);

/// For a whole exchange, but for a file on its way.
const LONGEST: Duration = Duration::from_mins(1);

/// For a file on its way.
const LONGEST_FILE: Duration = Duration::from_hours(1);

/// The longest head; Prometheus sends some 300 bytes.
const MAX_HEAD: usize = 8 * 1024;

impl Admin {
    /// Takes over bound sockets. Call it on the runtime that will serve. `hosts` are names accepted in
    /// `Host` besides loopback ones and the address called.
    pub fn new(sockets: Vec<Socket>, handlers: Handlers, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        let door = Arc::new(Door::new(handlers, hosts));
        let router = door::router(&door);
        let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
        Self { sockets, front: Arc::new(Front { door, router, connections }) }
    }

    /// Answers until `stop` becomes true or its sender is gone, and then finishes what is being answered,
    /// as far as that is quickly done.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        let mut loops = JoinSet::new();
        for socket in self.sockets {
            loops.spawn(accept_all(socket, Arc::clone(&self.front), stop.clone()));
        }
        while loops.join_next().await.is_some() {}
    }
}

async fn accept_all(socket: Socket, front: Arc<Front>, mut stop: watch::Receiver<bool>) {
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
        // Over the cap the connection is closed: a monitor tries again.
        let Ok(place) = Arc::clone(&front.connections).try_acquire_owned() else { continue };
        let front = Arc::clone(&front);
        open.spawn(async move {
            if let Some((stream, came)) = secured(&front, stream, came).await {
                converse(&front, stream, came).await;
            }
            drop(place);
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

/// Shakes hands where the configuration in force has TLS: on every address but Unix sockets. `None` is a
/// client that did not get so far.
async fn secured(front: &Front, stream: Box<dyn Duplex>, came: Came) -> Option<(Box<dyn Duplex>, Came)> {
    let config = front.door.config();
    let (Some(admin), Peer::Ip(_)) = (&config.listen.admin_tls, came.from) else {
        return Some((stream, came));
    };
    let stream = admin.tls.server.accept(stream, DEADLINE).await.ok()?;
    let certificate = peer_certificate(&stream).map(Arc::new);
    Some((Box::new(stream), Came { certificate, ..came }))
}

/// Answers one request.
async fn converse(front: &Front, stream: Box<dyn Duplex>, came: Came) {
    // Whether a file is on its way, which may take long.
    let is_long = Arc::new(AtomicBool::new(false));
    let noted = Arc::clone(&is_long);
    let service = service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
        let (door, router, noted) = (Arc::clone(&front.door), front.router.clone(), Arc::clone(&noted));
        let came = came.clone();
        async move {
            let response = door.answer(router, request.map(Body::new), came).await;
            // Relaxed: it only says how long to wait.
            noted.store(response.headers().contains_key("content-disposition"), Ordering::Relaxed);
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(DEADLINE).max_buf_size(MAX_HEAD).keep_alive(false);
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
