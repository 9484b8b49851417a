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
        &["route", "verdict", "code"],
        "Requests by route, verdict and status code; route \"-\" is none, code \"-\" a client that left.",
    ),
    metric(
        Histogram,
        "kgate_request_duration_seconds",
        &["route"],
        "Time from the request head to the end of the response.",
    ),
    metric(
        Histogram,
        "kgate_decision_duration_seconds",
        &[],
        "Time from the request head to the verdict: key, route, scopes and limits, and waiting for a changed store.",
    ),
    metric(
        Counter,
        "kgate_failed_authentications_total",
        &["route"],
        "Requests with a credential that does not work, whatever is wrong with it (401).",
    ),
    metric(
        Counter,
        "kgate_ended_key_uses_total",
        &["kind"],
        "Requests with a key that had been revoked or had expired: somebody still has it.",
    ),
    metric(
        Counter,
        "kgate_limit_refusals_total",
        &["limit", "kind"],
        "Requests refused by a limit (429), by its name and by what it limits.",
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
        "Addresses of an upstream's servers that are passed over because requests or health checks failed.",
    ),
    metric(
        Gauge,
        "kgate_upstream_server_up",
        &["upstream", "server"],
        "1 while a server of the configuration takes requests, else 0; a name is up while one of its addresses is.",
    ),
    metric(
        Gauge,
        "kgate_upstream_server_in_flight",
        &["upstream", "server"],
        "Requests being worked on by a server of the configuration, those of all its addresses together.",
    ),
    metric(
        Gauge,
        "kgate_connections",
        &["listener"],
        "Open client connections, by the address they came to.",
    ),
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
    metric(
        Gauge,
        "kgate_snapshot_lag_seconds",
        &[],
        "For how long the store has been ahead of the snapshot; 0 while they agree.",
    ),
    metric(Gauge, "kgate_snapshot_keys", &[], "Keys in the snapshot."),
    metric(
        Gauge,
        "kgate_keys_expiring",
        &["within"],
        "Keys that work now and expire within that time, without those that have a successor.",
    ),
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
        "kgate_dropped_total",
        &["queue", "cause"],
        "What a queue had no room for, or what could not be delivered and was given up; requests go on.",
    ),
    metric(
        Counter,
        "kgate_webhook_attempts_total",
        &["webhook", "result"],
        "Attempts to deliver an event to a webhook: ok, or failed, when it is tried again.",
    ),
    metric(
        Gauge,
        "kgate_webhook_events_waiting",
        &["webhook"],
        "Events that wait for a webhook's receiver, as of the last delivery or half a minute ago.",
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
    metric(
        Gauge,
        "kgate_certificate_not_after_timestamp_seconds",
        &["file"],
        "Until when the certificates of a file of the configuration hold, the first to end, in Unix time.",
    ),
    metric(Gauge, "kgate_start_timestamp_seconds", &[], "When this process began to serve, in Unix time."),
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
         - `route`, `upstream`, `server`, `listener`, `limit`, `webhook`, `file`: names from `kgate.toml`; `-` is a request no route matched.\n\
         - `verdict`: {}.\n- `fault` of an upstream: {}.\n- `fault` of a connection: {}.\n\
         - `code`: {}.\n- `kind` of an ended key: {}.\n- `kind` of a limit: {}.\n\
         - `queue` and `cause`: {}.\n- `within`: {}.\n- `result`: `ok`, `failed`.\n\n{REST}",
        values(super::Verdict::ALL.iter().map(|v| v.as_str()).collect()),
        values(super::UpstreamFault::ALL.iter().map(|v| v.as_str()).collect()),
        values(super::ConnectionFault::ALL.iter().map(|v| v.as_str()).collect()),
        values(super::CODES.iter().map(|(_, name)| *name).chain(super::OTHER_CODES).collect()),
        values(super::EndedKey::ALL.iter().map(|v| v.as_str()).collect()),
        values(super::LimitKind::ALL.iter().map(|v| v.as_str()).collect()),
        super::Drops::ALL
            .iter()
            .map(|drops| format!("`{}` with `{}`", drops.labels()[0], drops.labels()[1]))
            .collect::<Vec<_>>()
            .join(", "),
        values(super::EXPIRING.iter().map(|(_, name)| *name).collect()),
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

const REST: &str = "\
## A dashboard and alerts

[dashboards/kgate.json](dashboards/kgate.json) is a dashboard for Grafana, [alerts/kgate.yml](alerts/kgate.yml) are alert rules
for Prometheus; both are explained in [seeing.md](seeing.md).
";
