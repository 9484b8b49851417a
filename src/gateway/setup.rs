//! One configuration, compiled for the request path.

use std::io;
use std::sync::Arc;

use super::route::Route;
use super::upstream::{Upstream, look_up_new_names};
use super::wire::WireLimits;
use crate::config::{Config, RequestIdTrust, Server, TrustedProxies};
use crate::edge::{Answers, Identification};
use crate::key::KeyTypes;
use crate::metrics::{Metrics, Series};
use crate::policy::{RouteSpec, Rules};
use crate::sign::Keys;

/// Everything a request needs of a configuration. Never changes.
pub(super) struct Setup {
    rules: Arc<Rules>,
    pub(super) caps: Caps,
    pub(super) wire: WireLimits,
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
    pub(super) series: Series,
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
    /// Makes one that knows what `previous` has learned of backends.
    pub(super) fn new(
        config: &Config,
        metrics: &Metrics,
        keys: &Arc<Keys>,
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
            trusted: config.server.trusted_proxies.clone(),
            trust_request_id: config.server.trust_request_id,
            key_types: config.key_types.clone(),
            answers: Answers::new(&config.server),
            identification: Identification::new(config, keys),
            upstreams,
            routes: config.forwards.iter().map(|spec| Route::new(spec, config.server.max_body)).collect(),
            bearer: routes.iter().map(RouteSpec::takes_authorization).collect(),
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

    /// Says whether the route takes its key from `Authorization`.
    pub(super) fn is_bearer(&self, route: usize) -> bool {
        self.bearer.get(route).copied().unwrap_or(true)
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
    }
}

fn wire(server: &Server) -> WireLimits {
    WireLimits {
        head_bytes: server.max_header_bytes,
        head_fields: server.max_header_fields,
        head_timeout: server.header_timeout,
        idle_timeout: server.idle_timeout,
        stall_timeout: server.body_timeout,
    }
}
