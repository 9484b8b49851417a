//! One configuration, compiled for the request path.

use std::io;
use std::sync::Arc;

use super::upstream::Upstream;
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
    /// By route: whether its key comes in `Authorization`.
    bearer: Vec<bool>,
    pub(super) series: Series,
}

/// What one request may take.
pub(super) struct Caps {
    pub(super) head_bytes: usize,
    pub(super) head_fields: usize,
    pub(super) url_bytes: usize,
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
    pub(super) fn new(config: &Config, metrics: &Metrics, keys: &Arc<Keys>) -> Result<Self, SetupError> {
        let upstreams = config
            .upstreams
            .iter()
            .map(|spec| {
                Upstream::new(spec).map_err(|source| SetupError { upstream: spec.name.clone(), source })
            })
            .collect::<Result<_, _>>()?;
        let routes = &config.rules.spec().routes;
        Ok(Self {
            rules: Arc::clone(&config.rules),
            caps: caps(&config.server),
            wire: wire(&config.server),
            trusted: config.server.trusted_proxies.clone(),
            trust_request_id: config.server.trust_request_id,
            key_types: config.key_types.clone(),
            answers: Answers::new(&config.server),
            identification: Identification::new(config, keys),
            upstreams,
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

    /// Says whether the route takes its key from `Authorization`.
    pub(super) fn is_bearer(&self, route: usize) -> bool {
        self.bearer.get(route).copied().unwrap_or(true)
    }
}

fn caps(server: &Server) -> Caps {
    Caps {
        head_bytes: server.max_header_bytes,
        head_fields: server.max_header_fields,
        url_bytes: server.max_url_bytes,
        body_bytes: server.max_body,
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
