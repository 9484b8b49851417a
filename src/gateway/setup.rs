//! One configuration, compiled for the request path.

use std::io;
use std::sync::Arc;

use http::HeaderValue;

use super::h2::H2Limits;
use super::route::Route;
use super::upstream::{Upstream, look_up_new_names};
use super::wire::WireLimits;
use crate::config::{self, Address, Config, RequestIdTrust, TrustedProxies};
use crate::edge::{Answers, Cors, Identification};
use crate::key::KeyTypes;
use crate::metrics::{Metrics, Series};
use crate::policy::{RouteSpec, Rules};
use crate::sign::Keys;
use crate::tls::Server;

/// Everything a request needs of a configuration. Never changes.
pub(super) struct Setup {
    rules: Arc<Rules>,
    pub(super) caps: Caps,
    pub(super) wire: WireLimits,
    pub(super) h2: H2Limits,
    /// By listener, in the order they were bound.
    pub(super) doors: Vec<Arc<Listening>>,
    pub(super) trusted: TrustedProxies,
    pub(super) trust_request_id: RequestIdTrust,
    pub(super) key_types: KeyTypes,
    pub(super) answers: Answers,
    pub(super) identification: Identification,
    pub(super) upstreams: Vec<Upstream>,
    /// How each route forwards, by its index.
    routes: Vec<Route>,
    /// By route: whether its key comes in `Authorization`.
    bearer: Vec<bool>,
    /// By route: which pages of other origins may read, and whether answers are compressed.
    answering: Vec<(Option<Cors>, bool)>,
    pub(super) series: Series,
    /// One in how many requests is traced, if they are.
    pub(super) traced: Option<u32>,
}

/// What a listener does with a connection.
#[derive(Debug)]
pub(super) struct Listening {
    /// TLS, and how long a handshake may take.
    pub(super) tls: Option<Arc<Server>>,
    /// Whether HTTP/2 is spoken in clear text to who begins with it.
    pub(super) h2c: bool,
    /// Who begins each connection by saying for whom it is.
    pub(super) announcing: TrustedProxies,
    /// What `Strict-Transport-Security` says.
    pub(super) hsts: Option<HeaderValue>,
    /// The port of `https://` every request is sent to instead of being served.
    pub(super) redirect: Option<u16>,
}

/// What one request may take.
pub(super) struct Caps {
    pub(super) head_bytes: usize,
    pub(super) head_fields: usize,
    pub(super) url_bytes: usize,
    /// The most any route allows.
    pub(super) body_bytes: u64,
    pub(super) in_flight: usize,
    pub(super) body_timeout: std::time::Duration,
    pub(super) upgrade_idle_timeout: std::time::Duration,
    pub(super) cut_within: std::time::Duration,
    pub(super) handshake_timeout: std::time::Duration,
    pub(super) connections_per_address: usize,
    pub(super) requests_per_connection: u32,
    /// Bytes a second.
    pub(super) body_rate: u64,
}

/// A configuration cannot be put into force.
#[derive(Debug, thiserror::Error)]
#[error("a server of the upstream `{upstream}` cannot be used")]
pub struct SetupError {
    /// Its name.
    pub upstream: String,
    /// Why not.
    #[source]
    pub source: io::Error,
}

impl Setup {
    /// Makes one that knows what `previous` has learned of backends. `addresses` are those that are bound; what
    /// the configuration no longer has does what it did in `previous`.
    pub(super) fn new(
        config: &Config,
        metrics: &Metrics,
        keys: &Arc<Keys>,
        addresses: &[Address],
        previous: Option<&Self>,
    ) -> Result<Self, SetupError> {
        let upstreams = config
            .upstreams
            .iter()
            .map(|spec| {
                let before =
                    previous.and_then(|previous| previous.upstreams.iter().find(|u| u.name == spec.name));
                let upstream = Upstream::new(spec, before);
                upstream.map_err(|source| SetupError { upstream: spec.name.clone(), source })
            })
            .collect::<Result<Vec<_>, _>>()?;
        look_up_new_names(&upstreams);
        let routes = &config.rules.spec().routes;
        Ok(Self {
            rules: Arc::clone(&config.rules),
            caps: caps(config),
            wire: wire(&config.server),
            h2: h2(&config.server),
            doors: doors(config, addresses, previous),
            trusted: config.server.trusted_proxies.clone(),
            trust_request_id: config.server.trust_request_id,
            key_types: config.key_types.clone(),
            answers: Answers::new(&config.server),
            identification: Identification::new(config, keys),
            upstreams,
            routes: config.forwards.iter().map(|spec| Route::new(spec, config.server.max_body)).collect(),
            answering: answering(config),
            bearer: routes.iter().map(RouteSpec::takes_authorization).collect(),
            traced: config.traces.as_ref().map(|traces| traces.one_in),
            series: metrics.series(
                config.route_names.iter().map(String::as_str),
                config.upstreams.iter().map(|upstream| upstream.name.as_str()),
            ),
        })
    }

    /// Returns the rules this configuration belongs to.
    pub(super) fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns how a route forwards.
    pub(super) fn route(&self, index: usize) -> &Route {
        &self.routes[index]
    }

    /// Sets how many servers of an upstream are passed over.
    pub(super) fn set_down(&self, upstream: usize, servers: usize) {
        if let Some(series) = self.series.upstream(upstream) {
            series.set_down(servers);
        }
    }

    /// Returns which pages of other origins may read the route's answers; `None` is the backend's business.
    pub(super) fn cors(&self, route: usize) -> Option<&Cors> {
        self.answering.get(route)?.0.as_ref()
    }

    /// Says whether the route's answers are compressed.
    pub(super) fn compresses(&self, route: usize) -> bool {
        self.answering.get(route).is_some_and(|(_, compress)| *compress)
    }

    /// Says whether the route takes its key from `Authorization`.
    pub(super) fn is_bearer(&self, route: usize) -> bool {
        self.bearer.get(route).copied().unwrap_or(true)
    }
}

fn answering(config: &Config) -> Vec<(Option<Cors>, bool)> {
    let routes = config.rules.spec().routes.iter().zip(&config.route_answers);
    let cors = |route: &RouteSpec, cors| Cors::new(cors, &route.methods);
    routes.map(|(route, a)| (a.cors.as_ref().map(|c| cors(route, c)), a.compress)).collect()
}

fn doors(config: &Config, addresses: &[Address], before: Option<&Setup>) -> Vec<Arc<Listening>> {
    let door = |(at, address): (usize, &Address)| {
        let listener = config.listen.proxy.iter().find(|listener| listener.address == *address);
        match (listener, before) {
            (None, Some(before)) => before.doors.get(at).cloned(),
            (listener, _) => listener.map(|listener| Arc::new(Listening::new(listener))),
        }
    };
    addresses.iter().enumerate().filter_map(door).collect()
}

impl Listening {
    fn new(listener: &config::Listener) -> Self {
        let hsts = listener.tls.as_ref().and_then(|tls| tls.hsts.as_deref());
        Self {
            tls: listener.tls.as_ref().map(|tls| Arc::clone(&tls.server)),
            h2c: listener.h2c,
            announcing: listener.proxy_protocol.clone(),
            hsts: hsts.and_then(|text| HeaderValue::from_str(text).ok()),
            redirect: listener.redirect,
        }
    }
}

fn h2(server: &config::Server) -> H2Limits {
    let capped = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    H2Limits {
        streams: capped(server.max_streams),
        head_bytes: capped(server.max_header_bytes),
        requests: capped(server.max_requests_per_connection),
        idle_timeout: server.idle_timeout,
        head_timeout: server.header_timeout,
    }
}

fn caps(config: &Config) -> Caps {
    let server = &config.server;
    let largest = config.forwards.iter().filter_map(|route| route.max_body).max().unwrap_or(0);
    Caps {
        head_bytes: server.max_header_bytes,
        head_fields: server.max_header_fields,
        url_bytes: server.max_url_bytes,
        body_bytes: server.max_body.max(largest),
        in_flight: server.max_in_flight,
        body_timeout: server.body_timeout,
        upgrade_idle_timeout: server.upgrade_idle_timeout,
        cut_within: server.cut_within,
        handshake_timeout: server.handshake_timeout,
        connections_per_address: server.max_connections_per_address,
        requests_per_connection: u32::try_from(server.max_requests_per_connection).unwrap_or(u32::MAX),
        body_rate: server.min_body_rate,
    }
}

fn wire(server: &config::Server) -> WireLimits {
    WireLimits {
        head_bytes: server.max_header_bytes,
        head_fields: server.max_header_fields,
        head_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        stall_timeout: server.body_timeout,
        body_rate: server.min_body_rate,
    }
}
