//! The operator's door: health, readiness, metrics, alerts of leaked keys, and the API by which kgate is
//! managed, on addresses of their own, loopback or a Unix socket unless configured otherwise. What the
//! gateway knows is injected by whoever wires the process; consumers and keys are in the store.
//!
//! One request a connection, few connections, small heads, short deadlines: this door must not be a
//! way to hurt the other one. The `Host` is checked because a browser on the operator's machine can
//! be made to call any name that resolves to it (DNS rebinding). A request of the API goes: `host` ->
//! `caller` (who, and by the table of `api` whether they may) -> an endpoint, on a thread that may wait for
//! the store -> `problem` or JSON.

mod acts;
mod alerts;
pub mod api;
mod caller;
mod desk;
mod door;
mod endpoint;
mod host;
mod openapi;
mod problem;
mod server;
pub mod shape;
pub mod status;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use tokio::sync::watch;

use crate::config::Config;
use crate::edge::Question;
use crate::key::{Digest, KeyId, Role};
use crate::policy::{LimitLeft, Now};
use crate::tls;

use door::Door;

pub use acts::{Acts, Ask};
pub use alerts::{AlertAnswer, AlertRequest, AlertTaker};
pub use caller::{Caller, Peer};
pub use desk::Desk;
pub(crate) use door::sending;
pub use host::names as names_host;
pub use problem::{Fault, Problem};
pub use server::{Answering, Answers, Came, Caps, Socket, serve};

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
    /// What would become of a request, as JSON; or why nobody knows.
    pub explain: Box<dyn Fn(Question) -> Explaining + Send + Sync>,
    /// Who takes alerts of leaked keys: for `POST /leaks…`.
    pub alerts: Arc<dyn AlertTaker>,
    /// The configuration in force.
    pub config: Box<dyn Fn() -> Arc<Config> + Send + Sync>,
    /// What runs here: for `/status` and `/v1/status`.
    pub status: Box<dyn Fn() -> status::Status + Send + Sync>,
    /// The time.
    pub now: Box<dyn Fn() -> Now + Send + Sync>,
    /// How the limits of a key stand, by its digest.
    pub limits: LimitsOf,
    /// The first so many to end of the replaced keys that have not; `None` if that is not known.
    pub replaced: ReplacedKeys,
    /// The backends: each an upstream, one of its servers, and whether that is up.
    pub servers: Box<dyn Fn() -> Vec<(String, String, bool)> + Send + Sync>,
}

/// Says how the limits of the key with a digest stand; empty if there is none.
pub type LimitsOf = Box<dyn Fn(&Digest) -> Vec<LimitLeft> + Send + Sync>;

/// Names replaced keys that have not ended, at most so many, the first to end first.
pub type ReplacedKeys = Box<dyn Fn(usize) -> Option<Vec<KeyId>> + Send + Sync>;

/// A status and the JSON of an answer.
pub type Reply = (u16, serde_json::Value);

/// An explanation on its way.
pub type Explaining = Pin<Box<dyn Future<Output = Result<serde_json::Value, String>> + Send>>;

/// Why no traffic should be sent here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotReady {
    /// A short stable word for monitors.
    pub code: &'static str,
    /// A sentence for people.
    pub reason: String,
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
}

impl Answers for Front {
    fn answer(self: Arc<Self>, request: Request<Body>, came: Came) -> Answering {
        Box::pin(async move { self.door.answer(self.router.clone(), request, came).await })
    }

    fn tls(&self) -> Option<Arc<tls::Server>> {
        Some(Arc::clone(&self.door.config().listen.admin_tls.as_ref()?.tls.server))
    }
}

/// A monitor needs one connection, and Prometheus sends some 300 bytes.
const CAPS: Caps = Caps { connections: 64, head: 8 * 1024 };

impl Admin {
    /// Takes over bound sockets. Call it on the runtime that will serve. `hosts` are names accepted in
    /// `Host` besides loopback ones and the address called.
    pub fn new(sockets: Vec<Socket>, desk: Arc<Desk>, hosts: impl IntoIterator<Item = String>) -> Self {
        let hosts = hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect();
        let door = Arc::new(Door::new(desk, hosts));
        let router = door::router(&door);
        Self { sockets, front: Arc::new(Front { door, router }) }
    }

    /// Answers until `stop` becomes true or its sender is gone, and then finishes what is being answered,
    /// as far as that is quickly done.
    pub async fn serve(self, stop: watch::Receiver<bool>) {
        server::serve(self.sockets, self.front, CAPS, stop).await;
    }
}
