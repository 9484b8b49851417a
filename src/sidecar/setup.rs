//! One configuration, compiled for questions.

use std::sync::Arc;

use http::header::HeaderMap;

use crate::config::{Config, RequestIdTrust, TrustedProxies};
use crate::edge::{Answers, HeadCaps, Identification, Trace};
use crate::key::KeyTypes;
use crate::metrics::{Metrics, Series};
use crate::policy::{RouteSpec, Rules};
use crate::sign::Keys;

/// Everything a question needs of a configuration. Never changes.
pub(super) struct Setup {
    pub(super) rules: Arc<Rules>,
    /// Who may ask.
    pub(super) fronts: TrustedProxies,
    /// Whose `X-Forwarded-For` is believed: the fronts, and the proxies before them.
    pub(super) trusted: TrustedProxies,
    pub(super) trust_request_id: RequestIdTrust,
    /// One in how many questions is traced, if they are.
    traced: Option<u32>,
    pub(super) caps: HeadCaps,
    pub(super) key_types: KeyTypes,
    pub(super) answers: Answers,
    pub(super) identification: Identification,
    /// By route: whether its key comes in `Authorization`.
    bearer: Vec<bool>,
    pub(super) series: Series,
}

impl Setup {
    /// Compiles it; `None` where there is no sidecar.
    pub(super) fn new(config: &Config, metrics: &Metrics, keys: &Arc<Keys>) -> Option<Self> {
        let fronts = config.sidecar.as_ref()?.fronts.clone();
        let before = &config.server.trusted_proxies;
        let trusted = TrustedProxies {
            networks: fronts.networks.as_slice().iter().chain(before.networks.as_slice()).copied().collect(),
            unix: fronts.unix || before.unix,
        };
        let routes = &config.rules.spec().routes;
        Some(Self {
            rules: Arc::clone(&config.rules),
            fronts,
            trusted,
            trust_request_id: config.server.trust_request_id,
            traced: config.traces.as_ref().map(|traces| traces.one_in),
            caps: HeadCaps::new(&config.server),
            key_types: config.key_types.clone(),
            answers: Answers::new(&config.server),
            identification: Identification::new(config, keys),
            bearer: routes.iter().map(RouteSpec::takes_authorization).collect(),
            series: metrics.series(
                config.route_names.iter().map(String::as_str),
                config.upstreams.iter().map(|upstream| upstream.name.as_str()),
            ),
        })
    }

    /// Goes on with the trace that a front is in, or begins one. A front is trusted, so it says whether it is
    /// recorded.
    pub(super) fn trace(&self, fields: &HeaderMap) -> Option<Trace> {
        self.traced.map(|one_in| Trace::begin(fields, true, one_in, &mut rand::rng()))
    }

    /// Says whether the route takes its key from `Authorization`.
    pub(super) fn is_bearer(&self, route: usize) -> bool {
        self.bearer.get(route).copied().unwrap_or(true)
    }
}
