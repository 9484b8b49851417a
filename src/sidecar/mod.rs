//! The door for other proxies: Envoy, NGINX, Traefik, Caddy and the like keep the traffic and ask here
//! for a verdict on each request. `serve` accepts connections and hands them over.
//!
//! A question's way: [`http`] or [`grpc`] reads what the front says of the original request; `check`
//! has `verify` judge it and writes down what the backend is to be told and what is to be removed;
//! the front's own way of saying so goes back. Only configured fronts are listened to, since who asks
//! says who the client is.

mod check;
mod grpc;
mod http;
mod server;
mod setup;

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Semaphore, watch};

use crate::config::Config;
use crate::edge::AccessSink;
use crate::metrics::Metrics;
use crate::policy::Rules;
use crate::sign::Keys;
use crate::verify::Verifier;

use setup::Setup;

/// What answers other proxies, shared by all workers.
pub struct Sidecar {
    setups: ArcSwap<Setups>,
    verifier: Arc<Verifier>,
    metrics: Arc<Metrics>,
    sink: Arc<dyn AccessSink>,
    keys: Arc<Keys>,
    /// One permit for each question in work.
    places: Semaphore,
}

/// The configuration in force, and the one before it: a question may have been judged by its rules.
struct Setups {
    current: Arc<Setup>,
    previous: Option<Arc<Setup>>,
}

impl Sidecar {
    /// Puts it together; `None` where the configuration has no sidecar. The verifier must hold
    /// `config.rules`; `keys` sign for backends.
    pub fn new(
        config: &Config,
        verifier: Arc<Verifier>,
        metrics: Arc<Metrics>,
        sink: Arc<dyn AccessSink>,
        keys: Arc<Keys>,
    ) -> Option<Arc<Self>> {
        let current = Arc::new(Setup::new(config, &metrics, &keys)?);
        Some(Arc::new(Self {
            setups: ArcSwap::from_pointee(Setups { current, previous: None }),
            verifier,
            metrics,
            sink,
            keys,
            places: Semaphore::new(config.server.max_in_flight),
        }))
    }

    /// Takes over a changed configuration. Call it before the verifier gets its rules. One without a
    /// sidecar changes nothing: to end it takes a restart.
    pub fn reconfigure(&self, config: &Config) {
        let Some(setup) = Setup::new(config, &self.metrics, &self.keys) else { return };
        let previous = Some(Arc::clone(&self.setups.load().current));
        self.setups.store(Arc::new(Setups { current: Arc::new(setup), previous }));
    }

    /// Answers the questions of one connection until it ends, or until `draining` and the last answer
    /// is sent. `peer` is `None` on a Unix socket.
    pub async fn converse(
        self: Arc<Self>,
        socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        peer: Option<IpAddr>,
        draining: watch::Receiver<bool>,
    ) {
        server::converse(self, socket, peer, draining).await;
    }

    fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setups.load().current)
    }

    /// Returns the configuration that goes with `rules`.
    fn setup_of(&self, rules: &Arc<Rules>) -> Option<Arc<Setup>> {
        let setups = self.setups.load();
        [Some(&setups.current), setups.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|setup| Arc::ptr_eq(&setup.rules, rules))
            .map(Arc::clone)
    }
}
