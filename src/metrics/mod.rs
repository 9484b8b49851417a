//! What is counted, with closed sets of labels: routes, upstreams, verdicts, reasons. A key id or a
//! client address is never a label, so the number of time series is bounded by the configuration.
//! `gateway` counts, `serve` sets what it knows before a scrape, `admin` renders.
//!
//! The request path resolves nothing: [`Metrics::series`] looks up every series of a configuration
//! once, and counting is then an atomic add.

mod table;
mod tally;

use std::collections::BTreeMap;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::{
    Encoder, Gauge, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec,
    Opts, Registry, TextEncoder,
};

use crate::key::{Limit, Timestamp};

pub use table::{Kind, Metric, TABLE, reference};
pub use tally::Tally;

/// How a request ended, seen from the outside; one of a closed set, a label of `kgate_requests_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// Forwarded, whatever the backend then answered.
    Allowed,
    /// Answered by kgate without asking anybody: a CORS pre-flight, a redirect to TLS.
    Answered,
    /// Forwarded without a key, on a route that lets such callers in.
    Anonymous,
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
    pub const ALL: [Self; 12] = [
        Self::Allowed,
        Self::Answered,
        Self::Anonymous,
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
            Self::Answered => "answered",
            Self::Anonymous => "anonymous",
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
    /// The cap on connections of one address was reached.
    AddressCap,
    /// The TLS handshake failed, or took too long.
    Handshake,
    /// A load balancer did not say, by the PROXY protocol, for whom the connection is.
    Announcement,
    /// Over HTTP/2, more requests were given up than answered.
    Abuse,
}

impl ConnectionFault {
    /// Every fault.
    pub const ALL: [Self; 9] = [
        Self::Cap,
        Self::HeadTimeout,
        Self::HeadTooLarge,
        Self::Malformed,
        Self::Stalled,
        Self::AddressCap,
        Self::Handshake,
        Self::Announcement,
        Self::Abuse,
    ];

    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cap => "cap",
            Self::HeadTimeout => "head_timeout",
            Self::HeadTooLarge => "head_too_large",
            Self::Malformed => "malformed",
            Self::Stalled => "stalled",
            Self::AddressCap => "address_cap",
            Self::Handshake => "handshake",
            Self::Announcement => "announcement",
            Self::Abuse => "abuse",
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

/// What a limit counts; a label of `kgate_limit_refusals_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LimitKind {
    /// Requests in a time.
    Rate,
    /// Requests in a window of the calendar.
    Quota,
    /// Requests in work at once.
    Concurrent,
}

impl LimitKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Rate, Self::Quota, Self::Concurrent];

    /// Returns what a limit counts.
    pub const fn of(limit: &Limit) -> Self {
        match limit {
            Limit::Rate { .. } => Self::Rate,
            Limit::Quota(_) => Self::Quota,
            Limit::Concurrent(_) => Self::Concurrent,
        }
    }

    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rate => "rate",
            Self::Quota => "quota",
            Self::Concurrent => "concurrent",
        }
    }
}

/// How a key that was used had ended; a label of `kgate_ended_key_uses_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndedKey {
    /// It had been revoked.
    Revoked,
    /// Its time was over.
    Expired,
}

impl EndedKey {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::Revoked, Self::Expired];

    /// Returns the label's value.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

/// What was dropped, and why: the labels of `kgate_dropped_total`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Drops {
    /// Access lines that came faster than they were written.
    LinesFull,
    /// Access lines that could not be written.
    LinesFailed,
    /// Uses of keys that came faster than they were counted.
    UsesFull,
    /// Uses of keys that could not be written to the usage file.
    UsesFailed,
    /// Events for which their receiver's share of the outbox had no room.
    EventsFull,
    /// Events that their receiver did not take in time.
    EventsFailed,
    /// Spans that came faster than the collector took them.
    SpansFull,
    /// Spans that the collector did not take.
    SpansFailed,
}

impl Drops {
    /// Everything that can be dropped.
    pub const ALL: [Self; 8] = [
        Self::LinesFull,
        Self::LinesFailed,
        Self::UsesFull,
        Self::UsesFailed,
        Self::EventsFull,
        Self::EventsFailed,
        Self::SpansFull,
        Self::SpansFailed,
    ];

    /// Returns the values of `queue` and `cause`.
    pub const fn labels(self) -> [&'static str; 2] {
        match self {
            Self::LinesFull => ["access_log", "full"],
            Self::LinesFailed => ["access_log", "failed"],
            Self::UsesFull => ["usage", "full"],
            Self::UsesFailed => ["usage", "failed"],
            Self::EventsFull => ["events", "full"],
            Self::EventsFailed => ["events", "failed"],
            Self::SpansFull => ["traces", "full"],
            Self::SpansFailed => ["traces", "failed"],
        }
    }
}

/// All series of one process. Cheap to share; made once and kept across reloads.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    /// Those of every route there ever was, by name.
    answered: Mutex<BTreeMap<String, Histogram>>,
    decisions: Histogram,
    failed_authentications: IntCounterVec,
    ended_uses: [IntCounter; EndedKey::ALL.len()],
    limit_refusals: IntCounterVec,
    refusals: IntCounterVec,
    shadow_refusals: IntCounterVec,
    grants: [IntCounter; 2],
    upstream_durations: HistogramVec,
    upstream_errors: IntCounterVec,
    upstream_retries: IntCounterVec,
    upstream_down: IntGaugeVec,
    upstream_up: IntGaugeVec,
    upstream_in_flight: IntGaugeVec,
    connections: IntGaugeVec,
    connections_total: IntCounter,
    connection_faults: Vec<IntCounter>,
    in_flight: IntGauge,
    cut: IntCounter,
    ready: IntGauge,
    revision: IntGauge,
    age: Gauge,
    lag: Gauge,
    keys: IntGauge,
    expiring: [IntGauge; EXPIRING.len()],
    refreshes: IntCounter,
    unavailable: IntCounter,
    dropped: [IntCounter; Drops::ALL.len()],
    webhook_events: IntCounterVec,
    webhook_waiting: IntGaugeVec,
    reloads: IntCounterVec,
    alerts: IntCounterVec,
    alert_keys_ended: IntCounterVec,
    certificates: IntGaugeVec,
    started: Gauge,
}

/// What is known about the snapshot when a scrape asks; `serve` fills it in.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SnapshotFacts {
    /// The revision requests are judged by.
    pub revision: u64,
    /// How long ago it was last proven current.
    pub age: Duration,
    /// For how long the store has been ahead of it.
    pub lag: Duration,
    /// How many keys it holds.
    pub keys: u64,
    /// How many of them end within each span of [`EXPIRING`].
    pub expiring: [u64; EXPIRING.len()],
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
        let ended = counters(&registry, "kgate_ended_key_uses_total");
        let expiring = gauges(&registry, "kgate_keys_expiring");
        let dropped = counters(&registry, "kgate_dropped_total");
        Self {
            requests: counters(&registry, "kgate_requests_total"),
            durations: histograms(&registry, "kgate_request_duration_seconds", &BUCKETS),
            answered: Mutex::default(),
            decisions: histograms(&registry, "kgate_decision_duration_seconds", &DECISION_BUCKETS)
                .with_label_values::<&str>(&[]),
            failed_authentications: counters(&registry, "kgate_failed_authentications_total"),
            ended_uses: EndedKey::ALL.map(|kind| ended.with_label_values(&[kind.as_str()])),
            limit_refusals: counters(&registry, "kgate_limit_refusals_total"),
            refusals: counters(&registry, "kgate_refusals_total"),
            shadow_refusals: counters(&registry, "kgate_shadow_refusals_total"),
            grants: ["ok", "failed"].map(|result| grants.with_label_values(&[result])),
            upstream_durations: histograms(&registry, "kgate_upstream_response_seconds", &BUCKETS),
            upstream_errors: counters(&registry, "kgate_upstream_errors_total"),
            upstream_retries: counters(&registry, "kgate_upstream_retries_total"),
            upstream_down: gauges(&registry, "kgate_upstream_servers_down"),
            upstream_up: gauges(&registry, "kgate_upstream_server_up"),
            upstream_in_flight: gauges(&registry, "kgate_upstream_server_in_flight"),
            connections: gauges(&registry, "kgate_connections"),
            connections_total: counter(&registry, "kgate_connections_total"),
            connection_faults: ConnectionFault::ALL
                .iter()
                .map(|f| faults.with_label_values(&[f.as_str()]))
                .collect(),
            in_flight: gauge(&registry, "kgate_requests_in_flight"),
            cut: counter(&registry, "kgate_requests_cut_total"),
            ready: gauge(&registry, "kgate_ready"),
            revision: gauge(&registry, "kgate_snapshot_revision"),
            age: seconds(&registry, "kgate_snapshot_age_seconds"),
            lag: seconds(&registry, "kgate_snapshot_lag_seconds"),
            expiring: EXPIRING.map(|(_, within)| expiring.with_label_values(&[within])),
            keys: gauge(&registry, "kgate_snapshot_keys"),
            refreshes: counter(&registry, "kgate_snapshot_refreshes_total"),
            unavailable: counter(&registry, "kgate_snapshot_unavailable_total"),
            dropped: Drops::ALL.map(|drops| dropped.with_label_values(&drops.labels())),
            webhook_events: counters(&registry, "kgate_webhook_attempts_total"),
            webhook_waiting: gauges(&registry, "kgate_webhook_events_waiting"),
            reloads: counters(&registry, "kgate_config_reloads_total"),
            alerts: counters(&registry, "kgate_leak_alerts_total"),
            alert_keys_ended: counters(&registry, "kgate_leak_alert_keys_ended_total"),
            certificates: gauges(&registry, "kgate_certificate_not_after_timestamp_seconds"),
            started: seconds(&registry, "kgate_start_timestamp_seconds"),
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
            requests: self.requests.clone(),
            decisions: self.decisions.clone(),
            ended_uses: self.ended_uses.clone(),
            limit_refusals: self.limit_refusals.clone(),
            refusals: self.refusals.clone(),
            shadow_refusals: self.shadow_refusals.clone(),
            in_flight: self.in_flight.clone(),
        }
    }

    fn route(&self, name: &str) -> RouteSeries {
        let series = RouteSeries {
            name: name.to_owned(),
            requests: (0..Verdict::ALL.len() * CODE_COUNT).map(|_| OnceLock::new()).collect(),
            failed_authentications: self.failed_authentications.with_label_values(&[name]),
            duration: self.durations.with_label_values(&[name]),
        };
        // What every route has sooner or later is there from the start, so that its rate can be told.
        series.requests(&self.requests, Verdict::Allowed, 200);
        series.requests(&self.requests, Verdict::Unauthorized, 401);
        let mut answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.insert(name.to_owned(), series.duration.clone());
        series
    }

    /// Returns how many requests ended since the start; never less than before.
    pub fn answered(&self) -> u64 {
        let answered = self.answered.lock().unwrap_or_else(PoisonError::into_inner);
        answered.values().map(Histogram::get_sample_count).sum()
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

    /// Makes the series of limits, so that a rate can be told from the first refusal on.
    pub fn expect_limits<'n>(&self, limits: impl IntoIterator<Item = (&'n str, LimitKind)>) {
        for (name, kind) in limits {
            self.limit_refusals.with_label_values(&[name, kind.as_str()]);
        }
    }

    /// Looks up the series of a listener, by its address in the configuration.
    pub fn listener(&self, address: &str) -> ListenerSeries {
        let open = self.connections.with_label_values(&[address]);
        ListenerSeries { open, total: self.connections_total.clone() }
    }

    /// Counts a connection that was ended before its time.
    pub fn connection_fault(&self, fault: ConnectionFault) {
        self.connection_faults[fault as usize].inc();
    }

    /// Takes over how much was dropped since the start; called before [`Metrics::render`].
    pub fn set_dropped(&self, drops: Drops, total: u64) {
        let counter = &self.dropped[drops as usize];
        counter.inc_by(total.saturating_sub(counter.get()));
    }

    /// Takes over what became of events for a webhook of the configuration; called before
    /// [`Metrics::render`].
    pub fn set_webhook(&self, name: &str, taken: u64, failed: u64, waiting: u64) {
        for (result, total) in [("ok", taken), ("failed", failed)] {
            let counter = self.webhook_events.with_label_values(&[name, result]);
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        self.webhook_waiting.with_label_values(&[name]).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }

    /// Forgets a webhook that is no more.
    pub fn forget_webhook(&self, name: &str) {
        // What nobody counted yet is not there to be removed.
        let _ = self.webhook_waiting.remove_label_values(&[name]);
        for result in ["ok", "failed"] {
            let _ = self.webhook_events.remove_label_values(&[name, result]);
        }
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
        self.lag.set(facts.lag.as_secs_f64());
        for (held, count) in self.expiring.iter().zip(facts.expiring) {
            held.set(gauge(count));
        }
        for (counter, total) in self.grants.iter().zip([facts.grants.0, facts.grants.1]) {
            counter.inc_by(total.saturating_sub(counter.get()));
        }
        self.refreshes.inc_by(facts.refreshes.saturating_sub(self.refreshes.get()));
    }

    /// Takes over which servers take requests: (upstream, server, whether it does, how many it has). Called
    /// before [`Metrics::render`]; servers that are not named are forgotten.
    pub fn set_servers<'n>(&self, servers: impl IntoIterator<Item = (&'n str, &'n str, bool, u32)>) {
        self.upstream_up.reset();
        self.upstream_in_flight.reset();
        for (upstream, server, is_up, in_flight) in servers {
            let labels = [upstream, server];
            self.upstream_up.with_label_values(&labels).set(i64::from(is_up));
            self.upstream_in_flight.with_label_values(&labels).set(i64::from(in_flight));
        }
    }

    /// Takes over until when certificates hold, by their files. Called before [`Metrics::render`]; files that
    /// are not named are forgotten.
    pub fn set_certificates<'n>(&self, files: impl IntoIterator<Item = (&'n str, Timestamp)>) {
        self.certificates.reset();
        for (file, until) in files {
            let held = self.certificates.with_label_values(&[file]);
            let until = until.as_millis() / 1000;
            // Of several in one file the first to end.
            held.set(if held.get() == 0 { until } else { held.get().min(until) });
        }
    }

    /// Takes over when this process began to serve.
    #[expect(clippy::cast_precision_loss, reason = "milliseconds are exact for 285,000 years")]
    pub fn set_started(&self, at: Timestamp) {
        self.started.set(at.as_millis() as f64 / 1000.0);
    }

    /// Reads everything, to be asked about.
    pub fn tally(&self) -> Tally {
        Tally::new(self.registry.gather())
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

/// A finished request, as it is counted.
#[derive(Clone, Copy, Debug)]
pub struct Finished<'a> {
    /// The route, by its index in the configuration; `None` where none was found.
    pub route: Option<usize>,
    /// How it ended.
    pub verdict: Verdict,
    /// The status that was answered; 0 if nothing was sent, since the client had gone.
    pub status: u16,
    /// From the request head to the end of the answer.
    pub total: Duration,
    /// From the request head to the verdict, if there was one.
    pub decision: Option<Duration>,
    /// Why it was refused, if it was: a word of the program, never of the request.
    pub reason: Option<&'static str>,
    /// What else is known of the refusal.
    pub refusal: Refusal<'a>,
    /// The limit in shadow mode that would have refused it.
    pub shadow: Option<&'a str>,
}

/// What is counted of a refusal beside its reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Refusal<'a> {
    /// Whether a credential was sent that does not work.
    pub is_failed_authentication: bool,
    /// How its key had ended, if that is why.
    pub ended: Option<EndedKey>,
    /// The limit that refused it, a name of the configuration.
    pub limit: Option<(&'a str, LimitKind)>,
}

/// The series of one configuration: counting is an atomic add.
pub struct Series {
    no_route: RouteSeries,
    routes: Vec<RouteSeries>,
    upstreams: Vec<UpstreamSeries>,
    requests: IntCounterVec,
    decisions: Histogram,
    ended_uses: [IntCounter; EndedKey::ALL.len()],
    limit_refusals: IntCounterVec,
    refusals: IntCounterVec,
    shadow_refusals: IntCounterVec,
    in_flight: IntGauge,
}

impl Series {
    /// Counts a finished request.
    ///
    /// Reasons and limits are looked up here, at some 100 ns each: which there are is known only to
    /// whoever refuses.
    pub fn finished(&self, request: &Finished<'_>) {
        let series = request.route.and_then(|i| self.routes.get(i)).unwrap_or(&self.no_route);
        series.requests(&self.requests, request.verdict, request.status).inc();
        series.duration.observe(request.total.as_secs_f64());
        if let Some(decision) = request.decision {
            self.decisions.observe(decision.as_secs_f64());
        }
        if let Some(reason) = request.reason {
            self.refusals.with_label_values(&[reason]).inc();
        }
        if request.refusal.is_failed_authentication {
            series.failed_authentications.inc();
        }
        if let Some(ended) = request.refusal.ended {
            self.ended_uses[ended as usize].inc();
        }
        if let Some((limit, kind)) = request.refusal.limit {
            self.limit_refusals.with_label_values(&[limit, kind.as_str()]).inc();
        }
        if let Some(limit) = request.shadow {
            self.shadow_refusals.with_label_values(&[limit]).inc();
        }
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
    name: String,
    /// By verdict and code. Most never come, and what never came is no series.
    requests: Vec<OnceLock<IntCounter>>,
    failed_authentications: IntCounter,
    duration: Histogram,
}

impl RouteSeries {
    /// Returns the counter of a verdict and a code: found without a lock but the first time.
    fn requests(&self, all: &IntCounterVec, verdict: Verdict, status: u16) -> &IntCounter {
        let (code, name) = code_of(status);
        self.requests[verdict.index() * CODE_COUNT + code]
            .get_or_init(|| all.with_label_values(&[&*self.name, verdict.as_str(), name]))
    }
}

/// Returns a code's place among all codes and the label's value.
fn code_of(status: u16) -> (usize, &'static str) {
    if let Ok(place) = CODES.binary_search_by_key(&status, |(code, _)| *code) {
        return (place, CODES[place].1);
    }
    let other = match status / 100 {
        class @ 1..=5 => usize::from(class),
        _ => 0,
    };
    (CODES.len() + other, OTHER_CODES[other])
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

    /// Returns how many answers were counted.
    pub fn answers(&self) -> u64 {
        self.duration.get_sample_count()
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

/// The series of one listener.
pub struct ListenerSeries {
    open: IntGauge,
    total: IntCounter,
}

impl ListenerSeries {
    /// Counts a connection as open until the returned guard drops.
    pub fn connection(&self) -> OpenConnection {
        self.open.inc();
        self.total.inc();
        OpenConnection(self.open.clone())
    }

    /// Returns how many are open.
    pub fn open(&self) -> u64 {
        u64::try_from(self.open.get()).unwrap_or_default()
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

fn seconds(registry: &Registry, name: &str) -> Gauge {
    registered(registry, Gauge::with_opts(opts(name)).expect("a valid name"))
}

fn histograms(registry: &Registry, name: &str, buckets: &[f64]) -> HistogramVec {
    let row = row(name);
    let opts = HistogramOpts::new(row.name, row.help).buckets(buckets.to_vec());
    registered(registry, HistogramVec::new(opts, row.labels).expect("valid names"))
}

/// Status codes that are counted one by one, in order: a backend must not choose how many series there
/// are.
const CODES: [(u16, &str); 49] = [
    (101, "101"),
    (200, "200"),
    (201, "201"),
    (202, "202"),
    (203, "203"),
    (204, "204"),
    (205, "205"),
    (206, "206"),
    (207, "207"),
    (301, "301"),
    (302, "302"),
    (303, "303"),
    (304, "304"),
    (307, "307"),
    (308, "308"),
    (400, "400"),
    (401, "401"),
    (402, "402"),
    (403, "403"),
    (404, "404"),
    (405, "405"),
    (406, "406"),
    (408, "408"),
    (409, "409"),
    (410, "410"),
    (411, "411"),
    (412, "412"),
    (413, "413"),
    (414, "414"),
    (415, "415"),
    (416, "416"),
    (417, "417"),
    (421, "421"),
    (422, "422"),
    (423, "423"),
    (424, "424"),
    (425, "425"),
    (426, "426"),
    (428, "428"),
    (429, "429"),
    (431, "431"),
    (451, "451"),
    (499, "499"),
    (500, "500"),
    (501, "501"),
    (502, "502"),
    (503, "503"),
    (504, "504"),
    (507, "507"),
];

/// All others, by class; the first is none, since the client had gone.
const OTHER_CODES: [&str; 6] = ["-", "1xx", "2xx", "3xx", "4xx", "5xx"];

const CODE_COUNT: usize = CODES.len() + OTHER_CODES.len();

/// The spans within which keys that expire are counted, and the label's value.
pub const EXPIRING: [(Duration, &str); 3] = [
    (Duration::from_hours(24), "1d"),
    (Duration::from_hours(7 * 24), "7d"),
    (Duration::from_hours(30 * 24), "30d"),
];

/// Seconds. A decision takes some microseconds; one that waited for a changed store, up to 50 ms.
const DECISION_BUCKETS: [f64; 12] = [
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_05,
    0.000_1,
    0.000_25,
    0.001,
    0.005,
    0.025,
    0.05,
    0.1,
];

/// Seconds. From a quarter millisecond, which is what a gateway on the same host adds, to beyond the
/// default time-out of a backend.
const BUCKETS: [f64; 12] = [0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.25, 1.0, 5.0, 30.0];

#[cfg(test)]
mod tests {
    use super::*;

    fn finished(route: Option<usize>, verdict: Verdict, status: u16) -> Finished<'static> {
        Finished {
            route,
            verdict,
            status,
            total: Duration::ZERO,
            decision: None,
            reason: None,
            refusal: Refusal::default(),
            shadow: None,
        }
    }

    #[test]
    fn a_backend_does_not_choose_how_many_series_there_are() {
        let metrics = Metrics::new();
        let series = metrics.series(["r"], ["u"]);
        for status in 0..=u16::MAX {
            series.finished(&finished(Some(0), Verdict::Allowed, status));
        }
        let text = metrics.render();
        let lines =
            text.lines().filter(|line| line.starts_with("kgate_requests_total{") && line.contains("\"r\""));
        assert_eq!(lines.count(), CODE_COUNT + 1, "and the 401 that is there from the start");
        assert!(CODES.windows(2).all(|pair| pair[0].0 < pair[1].0));
        assert!(CODES.iter().all(|(code, name)| code.to_string() == *name));
    }

    #[test]
    fn what_is_counted_is_rendered_under_its_labels() {
        let metrics = Metrics::new();
        let series = metrics.series(["products"], ["catalog"]);
        series.finished(&Finished {
            total: Duration::from_millis(3),
            decision: Some(Duration::from_micros(4)),
            ..finished(Some(0), Verdict::Allowed, 200)
        });
        series.finished(&finished(None, Verdict::NotFound, 404));
        series.finished(&finished(Some(7), Verdict::BadRequest, 400));
        series.finished(&finished(Some(0), Verdict::Allowed, 299));
        series.finished(&finished(Some(0), Verdict::Allowed, 0));
        let revoked = Refusal { is_failed_authentication: true, ended: Some(EndedKey::Revoked), limit: None };
        let denied = finished(Some(0), Verdict::Unauthorized, 401);
        series.finished(&Finished { reason: Some("unknown_key"), refusal: revoked, ..denied });
        let limited = Refusal { limit: Some(("month", LimitKind::Quota)), ..Refusal::default() };
        series.finished(&Finished { refusal: limited, ..finished(Some(0), Verdict::Limited, 429) });
        series.upstream(0).unwrap().failed(UpstreamFault::Timeout);
        let text = metrics.render();
        for line in [
            "kgate_requests_total{code=\"200\",route=\"products\",verdict=\"allowed\"} 1",
            "kgate_requests_total{code=\"2xx\",route=\"products\",verdict=\"allowed\"} 1",
            "kgate_requests_total{code=\"-\",route=\"products\",verdict=\"allowed\"} 1",
            "kgate_requests_total{code=\"404\",route=\"-\",verdict=\"not_found\"} 1",
            "kgate_requests_total{code=\"400\",route=\"-\",verdict=\"bad_request\"} 1",
            "kgate_requests_total{code=\"401\",route=\"-\",verdict=\"unauthorized\"} 0",
            "kgate_failed_authentications_total{route=\"products\"} 1",
            "kgate_ended_key_uses_total{kind=\"revoked\"} 1",
            "kgate_ended_key_uses_total{kind=\"expired\"} 0",
            "kgate_limit_refusals_total{kind=\"quota\",limit=\"month\"} 1",
            "kgate_decision_duration_seconds_bucket{le=\"0.000005\"} 1",
            "kgate_refusals_total{reason=\"unknown_key\"} 1",
            "kgate_upstream_errors_total{fault=\"timeout\",upstream=\"catalog\"} 1",
            "kgate_request_duration_seconds_bucket{route=\"products\",le=\"0.005\"} 5",
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
        for (index, drops) in Drops::ALL.iter().enumerate() {
            assert_eq!(*drops as usize, index);
        }
        for (index, ended) in EndedKey::ALL.iter().enumerate() {
            assert_eq!(*ended as usize, index);
        }
    }

    #[test]
    fn every_metric_of_the_table_is_registered() {
        let metrics = Metrics::new();
        let series = metrics.series(["r"], ["u"]);
        let refusal = Refusal { limit: Some(("limit", LimitKind::Rate)), ..Refusal::default() };
        let all = finished(None, Verdict::Limited, 429);
        series.finished(&Finished { reason: Some("limited"), refusal, shadow: Some("limit"), ..all });
        metrics.set_webhook("ops", 1, 1, 1);
        metrics.leak_alert("github", AlertResult::Taken, 1);
        metrics.reloaded(true);
        metrics.set_servers([("u", "127.0.0.1:9000", true, 1)]);
        metrics.set_certificates([("chain.pem", Timestamp::from_millis(1_000))]);
        drop(metrics.listener("127.0.0.1:8080").connection());
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
        let metrics = Metrics::new();
        let listener = metrics.listener("127.0.0.1:8080");
        let one = listener.connection();
        let _two = listener.connection();
        drop(one);
        let text = metrics.render();
        assert!(text.contains("kgate_connections{listener=\"127.0.0.1:8080\"} 1\n"), "{text}");
        assert!(text.contains("kgate_connections_total 2\n"));
        assert_eq!(listener.open(), 1);
    }

    #[test]
    fn of_the_certificates_of_a_file_the_first_to_end_counts() {
        let metrics = Metrics::new();
        let at = |seconds: i64| Timestamp::from_millis(seconds * 1000);
        metrics.set_certificates([("gone.pem", at(1))]);
        metrics.set_certificates([("a.pem", at(30)), ("a.pem", at(20)), ("a.pem", at(40)), ("b.pem", at(7))]);
        let tally = metrics.tally();
        let expiry = "kgate_certificate_not_after_timestamp_seconds";
        let held = [("a.pem".to_owned(), 20.0), ("b.pem".to_owned(), 7.0)];
        assert_eq!(tally.by(expiry, "file"), held.into());
    }

    #[test]
    fn what_was_answered_outlives_its_route() {
        let metrics = Metrics::new();
        let before = metrics.series(["old", "kept"], []);
        before.finished(&finished(Some(0), Verdict::Allowed, 200));
        before.finished(&finished(Some(1), Verdict::Allowed, 200));
        let after = metrics.series(["kept"], []);
        after.finished(&finished(Some(0), Verdict::Allowed, 200));
        after.finished(&finished(None, Verdict::NotFound, 404));
        assert_eq!(metrics.answered(), 4);
        let tally = metrics.tally();
        let requests = tally.by("kgate_requests_total", "verdict");
        let held = [("allowed", 3.0), ("not_found", 1.0), ("unauthorized", 0.0)];
        assert_eq!(requests, held.map(|(name, count)| (name.to_owned(), count)).into());
        assert!((tally.sum("kgate_requests_total") - 4.0).abs() < 0.5);
    }
}
