//! What is counted, with closed sets of labels: routes, upstreams, verdicts, reasons. A key id or a
//! client address is never a label, so the number of time series is bounded by the configuration.
//! `gateway` counts, `serve` sets what it knows before a scrape, `admin` renders.
//!
//! The request path resolves nothing: [`Metrics::series`] looks up every series of a configuration
//! once, and counting is then an atomic add.

mod table;

use std::sync::Arc;
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

pub use table::{Kind, Metric, TABLE, reference};

/// How a request ended, seen from the outside; one of a closed set, a label of `kgate_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Forwarded, whatever the backend then answered.
    Allowed,
    /// 400: the request is ambiguous or malformed.
    BadRequest,
    /// 404: no route.
    NotFound,
    /// 405: a route, but not with this method.
    MethodNotAllowed,
    /// 401: no valid key.
    Unauthorized,
    /// 403: the key may not be used from this address, or lacks a scope.
    Forbidden,
    /// 429: over a limit.
    Limited,
    /// 413, 414 or 431: over a cap.
    TooLarge,
    /// 503: too many requests at once.
    Overloaded,
    /// 503: the store cannot be trusted, so nobody can be told apart.
    Unavailable,
}

impl Verdict {
    /// Every verdict, in the order of [`Verdict::index`].
    pub const ALL: [Self; 10] = [
        Self::Allowed,
        Self::BadRequest,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::Unauthorized,
        Self::Forbidden,
        Self::Limited,
        Self::TooLarge,
        Self::Overloaded,
        Self::Unavailable,
    ];

    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::BadRequest => "bad_request",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Limited => "limited",
            Self::TooLarge => "too_large",
            Self::Overloaded => "overloaded",
            Self::Unavailable => "unavailable",
        }
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What went wrong between kgate and a backend; a label of `kgate_upstream_errors_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpstreamFault {
    /// The connection was refused or the address cannot be reached.
    Connect,
    /// No connection within the connect time-out.
    ConnectTimeout,
    /// No answer within the response time-out.
    Timeout,
    /// The connection broke before the answer was complete.
    Broken,
    /// The backend's answer is no valid HTTP.
    Protocol,
}

impl UpstreamFault {
    /// Every fault.
    pub const ALL: [Self; 5] =
        [Self::Connect, Self::ConnectTimeout, Self::Timeout, Self::Broken, Self::Protocol];

    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::ConnectTimeout => "connect_timeout",
            Self::Timeout => "timeout",
            Self::Broken => "broken",
            Self::Protocol => "protocol",
        }
    }
}

/// Why a connection was ended before it carried a request to an answer; a label of
/// `kgate_connection_faults_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectionFault {
    /// The cap on connections was reached.
    Cap,
    /// The request head did not arrive in time.
    HeadTimeout,
    /// The request head is over a cap.
    HeadTooLarge,
    /// The bytes are no HTTP/1.1 request.
    Malformed,
    /// The peer stopped reading or writing in the middle of an exchange.
    Stalled,
}

impl ConnectionFault {
    /// Every fault.
    pub const ALL: [Self; 5] =
        [Self::Cap, Self::HeadTimeout, Self::HeadTooLarge, Self::Malformed, Self::Stalled];

    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::HeadTimeout => "head_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::Malformed => "malformed",
            Self::Stalled => "stalled",
        }
    }
}

/// What became of an alert of leaked keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AlertResult {
    /// It was dealt with.
    Taken,
    /// It had been dealt with before.
    Repeated,
    /// Its sender did not show who they are.
    Unsigned,
    /// It was signed, and cannot be read or is too old or too large.
    Refused,
    /// The store or the list of public keys could not be read: the sender should try again.
    Failed,
}

impl AlertResult {
    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Taken => "taken",
            Self::Repeated => "repeated",
            Self::Unsigned => "unsigned",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// All series of one process. Cheap to share; made once and kept across reloads.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    responses: IntCounterVec,
    durations: HistogramVec,
    refusals: IntCounterVec,
    shadow_refusals: IntCounterVec,
    grants: [IntCounter; 2],
    upstream_durations: HistogramVec,
    upstream_errors: IntCounterVec,
    upstream_retries: IntCounterVec,
    upstream_down: IntGaugeVec,
    connections: IntGauge,
    connections_total: IntCounter,
    connection_faults: Vec<IntCounter>,
    in_flight: IntGauge,
    cut: IntCounter,
    ready: IntGauge,
    revision: IntGauge,
    age: Gauge,
    keys: IntGauge,
    refreshes: IntCounter,
    unavailable: IntCounter,
    log_dropped: IntCounter,
    reloads: IntCounterVec,
    alerts: IntCounterVec,
    alert_keys_ended: IntCounterVec,
}

/// What is known about the snapshot when a scrape asks; `serve` fills it in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SnapshotFacts {
    /// The revision requests are judged by.
    pub revision: u64,
    /// How long ago it was last proven current.
    pub age: Duration,
    /// How many keys it holds.
    pub keys: u64,
    /// How often it was refreshed since the start.
    pub refreshes: u64,
    /// How many grants of quotas were made since the start, and how many attempts failed.
    pub grants: (u64, u64),
    /// Whether the store can be trusted now.
    pub ready: bool,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Registers every metric of [`TABLE`].
    pub fn new() -> Self {
        let registry = Registry::new();
        let faults = counters(&registry, "kgate_connection_faults_total");
        let build = gauges(&registry, "kgate_build_info");
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let grants = counters(&registry, "kgate_quota_grants_total");
        Self {
            requests: counters(&registry, "kgate_requests_total"),
            responses: counters(&registry, "kgate_responses_total"),
            durations: histograms(&registry, "kgate_request_duration_seconds"),
            refusals: counters(&registry, "kgate_refusals_total"),
            shadow_refusals: counters(&registry, "kgate_shadow_refusals_total"),
            grants: ["ok", "failed"].map(|result| grants.with_label_values(&[result])),
            upstream_durations: histograms(&registry, "kgate_upstream_response_seconds"),
            upstream_errors: counters(&registry, "kgate_upstream_errors_total"),
            upstream_retries: counters(&registry, "kgate_upstream_retries_total"),
            upstream_down: gauges(&registry, "kgate_upstream_servers_down"),
            connections: gauge(&registry, "kgate_connections"),
            connections_total: counter(&registry, "kgate_connections_total"),
            connection_faults: ConnectionFault::ALL
                .iter()
                .map(|f| faults.with_label_values(&[f.as_str()]))
                .collect(),
            in_flight: gauge(&registry, "kgate_requests_in_flight"),
            cut: counter(&registry, "kgate_requests_cut_total"),
            ready: gauge(&registry, "kgate_ready"),
            revision: gauge(&registry, "kgate_snapshot_revision"),
            age: registered(
                &registry,
                Gauge::with_opts(opts("kgate_snapshot_age_seconds")).expect("a valid name"),
            ),
            keys: gauge(&registry, "kgate_snapshot_keys"),
            refreshes: counter(&registry, "kgate_snapshot_refreshes_total"),
            unavailable: counter(&registry, "kgate_snapshot_unavailable_total"),
            log_dropped: counter(&registry, "kgate_access_log_dropped_total"),
            reloads: counters(&registry, "kgate_config_reloads_total"),
            alerts: counters(&registry, "kgate_leak_alerts_total"),
            alert_keys_ended: counters(&registry, "kgate_leak_alert_keys_ended_total"),
            registry,
        }
    }

    /// Looks up every series a configuration can touch, so that requests need not.
    ///
    /// `routes` and `upstreams` are names in configuration order. Names that were there before a
    /// reload go on counting; names that are gone stay readable until the restart.
    pub fn series<'n>(
        &self,
        routes: impl IntoIterator<Item = &'n str>,
        upstreams: impl IntoIterator<Item = &'n str>,
    ) -> Series {
        Series {
            no_route: self.route("-"),
            routes: routes.into_iter().map(|name| self.route(name)).collect(),
            upstreams: upstreams.into_iter().map(|name| self.upstream(name)).collect(),
            refusals: self.refusals.clone(),
            shadow_refusals: self.shadow_refusals.clone(),
            in_flight: self.in_flight.clone(),
        }
    }

    fn route(&self, name: &str) -> RouteSeries {
        let requests = |v: &Verdict| self.requests.with_label_values(&[name, v.as_str()]);
        RouteSeries {
            verdicts: Verdict::ALL.iter().map(requests).collect(),
            classes: CLASSES.iter().map(|class| self.responses.with_label_values(&[name, class])).collect(),
            duration: self.durations.with_label_values(&[name]),
        }
    }

    fn upstream(&self, name: &str) -> UpstreamSeries {
        UpstreamSeries {
            duration: self.upstream_durations.with_label_values(&[name]),
            errors: UpstreamFault::ALL
                .iter()
                .map(|fault| self.upstream_errors.with_label_values(&[name, fault.as_str()]))
                .collect(),
            retries: self.upstream_retries.with_label_values(&[name]),
            down: self.upstream_down.with_label_values(&[name]),
        }
    }

    /// Counts a connection as open until the returned guard drops.
    pub fn connection(self: &Arc<Self>) -> OpenConnection {
        self.connections.inc();
        self.connections_total.inc();
        OpenConnection(self.connections.clone())
    }

    /// Counts a connection that was ended before its time.
    pub fn connection_fault(&self, fault: ConnectionFault) {
        self.connection_faults[fault as usize].inc();
    }

    /// Counts access lines that were dropped because the writer could not keep up.
    pub fn access_log_dropped(&self, lines: u64) {
        self.log_dropped.inc_by(lines);
    }

    /// Counts a request that was cut because its key stopped working.
    pub fn request_cut(&self) {
        self.cut.inc();
    }

    /// Counts a request that could not be judged because the store could not be read in time.
    pub fn unavailable(&self) {
        self.unavailable.inc();
    }

    /// Counts an attempt to load a changed configuration.
    pub fn reloaded(&self, ok: bool) {
        self.reloads.with_label_values(&[if ok { "ok" } else { "failed" }]).inc();
    }

    /// Counts an alert of leaked keys and the keys it ended. `source` is one of a closed set.
    pub fn leak_alert(&self, source: &'static str, result: AlertResult, ended: usize) {
        self.alerts.with_label_values(&[source, result.as_str()]).inc();
        self.alert_keys_ended.with_label_values(&[source]).inc_by(ended as u64);
    }

    /// Takes over what is known about the snapshot; called before [`Metrics::render`].
    pub fn set_snapshot(&self, facts: SnapshotFacts) {
        let gauge = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        self.ready.set(i64::from(facts.ready));
        self.revision.set(gauge(facts.revision));
        self.keys.set(gauge(facts.keys));
        self.age.set(facts.age.as_secs_f64());
        for (counter, total) in self.grants.iter().zip([facts.grants.0, facts.grants.1]) {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        self.refreshes.inc_by(facts.refreshes.saturating_sub(self.refreshes.get()));
    }

    /// Renders everything in the Prometheus text format, version 0.0.4.
    pub fn render(&self) -> String {
        let mut text = Vec::with_capacity(16 * 1024);
        TextEncoder::new()
            .encode(&self.registry.gather(), &mut text)
            .expect("metrics of one kind each, written to memory");
        String::from_utf8(text).expect("names and labels are UTF-8")
    }

    /// The `Content-Type` of [`Metrics::render`].
    pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
}

/// The series of one configuration: counting is an atomic add.
pub struct Series {
    no_route: RouteSeries,
    routes: Vec<RouteSeries>,
    upstreams: Vec<UpstreamSeries>,
    refusals: IntCounterVec,
    shadow_refusals: IntCounterVec,
    in_flight: IntGauge,
}

impl Series {
    /// Counts a finished request: its verdict, the class of its status and how long it took.
    ///
    /// `route` is `None` where none was found. A status outside 100–599 (nothing was sent, since the
    /// client had gone) counts as no class.
    pub fn finished(&self, route: Option<usize>, verdict: Verdict, status: u16, took: Duration) {
        let series = route.and_then(|i| self.routes.get(i)).unwrap_or(&self.no_route);
        series.verdicts[verdict.index()].inc();
        if let Some(class) = usize::from(status / 100).checked_sub(1).and_then(|i| series.classes.get(i)) {
            class.inc();
        }
        series.duration.observe(took.as_secs_f64());
    }

    /// Counts why a request was refused. The reason is a word of the program, never of the request.
    ///
    /// Looked up here, at some 100 ns: which reasons there are is known only to whoever refuses.
    pub fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }

    /// Counts a request that a limit in shadow mode would have refused. The name is one of the
    /// configuration.
    pub fn shadowed(&self, limit: &str) {
        self.shadow_refusals.with_label_values(&[limit]).inc();
    }

    /// Returns the series of an upstream, by its index in the configuration.
    pub fn upstream(&self, index: usize) -> Option<&UpstreamSeries> {
        self.upstreams.get(index)
    }

    /// Sets how many requests are being worked on.
    pub fn in_flight(&self, change: i64) {
        self.in_flight.add(change);
    }
}

struct RouteSeries {
    verdicts: Vec<IntCounter>,
    classes: Vec<IntCounter>,
    duration: Histogram,
}

/// The series of one upstream.
pub struct UpstreamSeries {
    duration: Histogram,
    errors: Vec<IntCounter>,
    retries: IntCounter,
    down: IntGauge,
}

impl UpstreamSeries {
    /// Counts an answer: the time from choosing a server to its response header.
    pub fn answered(&self, took: Duration) {
        self.duration.observe(took.as_secs_f64());
    }

    /// Counts a failed attempt.
    pub fn failed(&self, fault: UpstreamFault) {
        self.errors[fault as usize].inc();
    }

    /// Counts a second attempt.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// Sets how many servers are being skipped.
    pub fn set_down(&self, servers: usize) {
        self.down.set(i64::try_from(servers).unwrap_or(i64::MAX));
    }
}

/// An open connection; dropping it counts it as closed.
pub struct OpenConnection(IntGauge);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.dec();
    }
}

fn row(name: &str) -> &'static Metric {
    TABLE.iter().find(|metric| metric.name == name).expect("every metric is in the table")
}

fn opts(name: &str) -> Opts {
    let row = row(name);
    Opts::new(row.name, row.help)
}

fn registered<C: Collector + Clone + 'static>(registry: &Registry, metric: C) -> C {
    registry.register(Box::new(metric.clone())).expect("every metric is registered once");
    metric
}

fn counter(registry: &Registry, name: &str) -> IntCounter {
    registered(registry, IntCounter::with_opts(opts(name)).expect("a valid name"))
}

fn counters(registry: &Registry, name: &str) -> IntCounterVec {
    registered(registry, IntCounterVec::new(opts(name), row(name).labels).expect("valid names"))
}

fn gauge(registry: &Registry, name: &str) -> IntGauge {
    registered(registry, IntGauge::with_opts(opts(name)).expect("a valid name"))
}

fn gauges(registry: &Registry, name: &str) -> IntGaugeVec {
    registered(registry, IntGaugeVec::new(opts(name), row(name).labels).expect("valid names"))
}

fn histograms(registry: &Registry, name: &str) -> HistogramVec {
    let row = row(name);
    let opts = HistogramOpts::new(row.name, row.help).buckets(BUCKETS.to_vec());
    registered(registry, HistogramVec::new(opts, row.labels).expect("valid names"))
}

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Seconds. From a quarter millisecond, which is what a gateway on the same host adds, to beyond the
/// default time-out of a backend.
const BUCKETS: [f64; 12] = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_rendered_under_its_labels() {
        let metrics = Metrics::new();
        let series = metrics.series(["products"], ["catalog"]);
        series.finished(Some(0), Verdict::Allowed, 200, Duration::from_millis(3));
        series.finished(None, Verdict::NotFound, 404, Duration::from_micros(20));
        series.finished(Some(7), Verdict::BadRequest, 400, Duration::ZERO);
        series.refused("unknown_key");
        series.upstream(0).unwrap().failed(UpstreamFault::Timeout);
        let text = metrics.render();
        for line in [
            "kgate_requests_total{route=\"products\",verdict=\"allowed\"} 1",
            "kgate_requests_total{route=\"-\",verdict=\"not_found\"} 1",
            "kgate_requests_total{route=\"-\",verdict=\"bad_request\"} 1",
            "kgate_responses_total{class=\"2xx\",route=\"products\"} 1",
            "kgate_refusals_total{reason=\"unknown_key\"} 1",
            "kgate_upstream_errors_total{fault=\"timeout\",upstream=\"catalog\"} 1",
            "kgate_request_duration_seconds_bucket{route=\"products\",le=\"0.005\"} 1",
        ] {
            assert!(text.contains(line), "{line} is missing from\n{text}");
        }
    }

    #[test]
    fn every_verdict_has_its_own_index_and_label() {
        for (index, verdict) in Verdict::ALL.iter().enumerate() {
            assert_eq!(verdict.index(), index);
            assert_eq!(Verdict::ALL.iter().filter(|v| v.as_str() == verdict.as_str()).count(), 1);
        }
        for (index, fault) in UpstreamFault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, index);
        }
        for (index, fault) in ConnectionFault::ALL.iter().enumerate() {
            assert_eq!(*fault as usize, index);
        }
    }

    #[test]
    fn every_metric_of_the_table_is_registered() {
        let metrics = Metrics::new();
        let series = metrics.series(["r"], ["u"]);
        series.refused("reason");
        series.shadowed("limit");
        metrics.leak_alert("github", AlertResult::Taken, 1);
        metrics.reloaded(true);
        let text = metrics.render();
        for metric in TABLE {
            assert!(text.contains(&format!("# TYPE {} ", metric.name)), "{} is missing", metric.name);
        }
    }

    #[test]
    fn snapshot_counters_follow_their_source_and_never_go_back() {
        let metrics = Metrics::new();
        metrics.set_snapshot(SnapshotFacts { refreshes: 5, ready: true, ..SnapshotFacts::default() });
        metrics.set_snapshot(SnapshotFacts { refreshes: 3, ready: true, ..SnapshotFacts::default() });
        metrics.set_snapshot(SnapshotFacts { refreshes: 9, ready: false, ..SnapshotFacts::default() });
        let text = metrics.render();
        assert!(text.contains("kgate_snapshot_refreshes_total 9\n"), "{text}");
        assert!(text.contains("kgate_ready 0\n"));
    }

    #[test]
    fn a_connection_counts_as_open_until_its_guard_drops() {
        let metrics = Arc::new(Metrics::new());
        let one = metrics.connection();
        let _two = metrics.connection();
        drop(one);
        let text = metrics.render();
        assert!(text.contains("kgate_connections 1\n") && text.contains("kgate_connections_total 2\n"));
    }
}
