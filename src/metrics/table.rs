//! The one list of metrics. Registration reads names, labels and help from it, and `docs/metrics.md`
//! is generated from it, so that neither can drift.

use std::fmt::Write;

/// What kind of metric a row is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only goes up, starts at zero with the process.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts observations by size.
    Histogram,
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// The name, with its unit as suffix.
    pub name: &'static str,
    /// Its kind.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it tells, one sentence.
    pub help: &'static str,
}

const fn metric(
    kind: Kind,
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric { name, kind, labels, help }
}

use Kind::{Counter, Gauge, Histogram};

/// Every metric kgate exports.
pub const TABLE: &[Metric] = &[
    metric(
        Counter,
        "kgate_requests_total",
        &["route", "verdict"],
        "Requests by route and verdict; route \"-\" is none.",
    ),
    metric(
        Counter,
        "kgate_responses_total",
        &["route", "class"],
        "Responses sent to clients, by class of status (2xx, 4xx, ...).",
    ),
    metric(
        Histogram,
        "kgate_request_duration_seconds",
        &["route"],
        "Time from the request head to the end of the response.",
    ),
    metric(
        Counter,
        "kgate_refusals_total",
        &["reason"],
        "Refused requests by internal reason, which clients are never told.",
    ),
    metric(
        Counter,
        "kgate_shadow_refusals_total",
        &["limit"],
        "Requests let through that a limit in shadow mode would have refused.",
    ),
    metric(
        Counter,
        "kgate_quota_grants_total",
        &["result"],
        "Grants of quotas asked of the usage file: ok, or failed, when whoever has used up what was granted before gets 503.",
    ),
    metric(
        Histogram,
        "kgate_upstream_response_seconds",
        &["upstream"],
        "Time from choosing a server of an upstream to its response head.",
    ),
    metric(
        Counter,
        "kgate_upstream_errors_total",
        &["upstream", "fault"],
        "Failed attempts to get an answer from an upstream.",
    ),
    metric(
        Counter,
        "kgate_upstream_retries_total",
        &["upstream"],
        "Second attempts, made where nothing was sent or the request may be repeated.",
    ),
    metric(
        Gauge,
        "kgate_upstream_servers_down",
        &["upstream"],
        "Servers of an upstream that are being skipped because they could not be reached.",
    ),
    metric(Gauge, "kgate_connections", &[], "Open client connections."),
    metric(Counter, "kgate_connections_total", &[], "Client connections accepted."),
    metric(
        Counter,
        "kgate_connection_faults_total",
        &["fault"],
        "Client connections ended before a request on them was answered.",
    ),
    metric(Gauge, "kgate_requests_in_flight", &[], "Requests being worked on."),
    metric(
        Counter,
        "kgate_requests_cut_total",
        &[],
        "Requests under way that were cut because their key stopped working.",
    ),
    metric(Gauge, "kgate_ready", &[], "1 while the store can be trusted, else 0."),
    metric(Gauge, "kgate_snapshot_revision", &[], "The revision of the store that requests are judged by."),
    metric(
        Gauge,
        "kgate_snapshot_age_seconds",
        &[],
        "How long ago the snapshot was last refreshed; it is compared with the store at every request.",
    ),
    metric(Gauge, "kgate_snapshot_keys", &[], "Keys in the snapshot."),
    metric(
        Counter,
        "kgate_snapshot_refreshes_total",
        &[],
        "Times the snapshot was brought up to a changed store.",
    ),
    metric(
        Counter,
        "kgate_snapshot_unavailable_total",
        &[],
        "Requests refused because a changed store could not be read in time.",
    ),
    metric(
        Counter,
        "kgate_access_log_dropped_total",
        &[],
        "Access lines dropped because their writer could not keep up.",
    ),
    metric(
        Counter,
        "kgate_config_reloads_total",
        &["result"],
        "Attempts to load a changed configuration, ok or failed.",
    ),
    metric(
        Counter,
        "kgate_leak_alerts_total",
        &["source", "result"],
        "Alerts of leaked keys by who sent them and what became of them; unsigned ones prove nothing about their sender.",
    ),
    metric(
        Counter,
        "kgate_leak_alert_keys_ended_total",
        &["source"],
        "Keys revoked or switched off because an alert reported them.",
    ),
    metric(Gauge, "kgate_build_info", &["version"], "Always 1; the label tells which release runs."),
];

/// Writes the reference page, `docs/metrics.md`.
pub fn reference() -> String {
    let mut page = String::from(HEAD);
    for metric in TABLE {
        let kind = match metric.kind {
            Counter => "counter",
            Gauge => "gauge",
            Histogram => "histogram",
        };
        let labels = metric.labels.iter().map(|l| format!("`{l}`")).collect::<Vec<_>>().join(", ");
        let _ = writeln!(page, "| `{}` | {kind} | {labels} | {} |", metric.name, metric.help);
    }
    let values = |list: Vec<&str>| list.iter().map(|v| format!("`{v}`")).collect::<Vec<_>>().join(", ");
    let _ = write!(
        page,
        "\n## Values of labels\n\n\
         - `route`, `upstream`, `limit`: names from `kgate.toml`; `-` is a request no route matched.\n\
         - `verdict`: {}.\n- `fault` of an upstream: {}.\n- `fault` of a connection: {}.\n\
         - `class`: `1xx`, `2xx`, `3xx`, `4xx`, `5xx`.\n- `result`: `ok`, `failed`.\n",
        values(super::Verdict::ALL.iter().map(|v| v.as_str()).collect()),
        values(super::UpstreamFault::ALL.iter().map(|v| v.as_str()).collect()),
        values(super::ConnectionFault::ALL.iter().map(|v| v.as_str()).collect()),
    );
    page
}

const HEAD: &str = "\
# Metrics

<!-- Generated from src/metrics/table.rs; `make bless` rewrites it. -->

`GET /metrics` on the admin listener answers in the Prometheus text format. Every set of label values
is closed: it comes from the configuration or from the program, never from traffic, so a scan with a
million keys or paths adds no series. Key ids, consumers and client addresses are in the access log,
not here.

| name | kind | labels | what it tells |
|---|---|---|---|
";
