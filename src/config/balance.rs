//! How requests are shared among an upstream's servers, and which of them are fit to take any.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::de::DeTable;

use super::reader::{Section, shown};
use super::{Address, TIMEOUTS};

/// Whose turn it is among the servers of an upstream.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Balance {
    /// One after the other.
    #[default]
    RoundRobin,
    /// The one with the fewest requests in work.
    LeastInFlight,
    /// The same one for every request of a key, as long as it is there.
    ByKey,
    /// The same one for all keys of a consumer.
    ByConsumer,
}

/// How servers are asked whether they are well.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HealthCheck {
    /// What is asked for, with a query perhaps.
    pub path: String,
    /// The `Host` of the question; `None` is the server's own address.
    pub host: Option<String>,
    /// From one question to the next.
    pub interval: Duration,
    /// For the head of the answer.
    pub timeout: Duration,
    /// How many good answers in a row bring a server back.
    pub healthy: u32,
    /// How many bad ones in a row take it out.
    pub unhealthy: u32,
}

/// When a server is passed over because requests to it fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ejection {
    /// How many failures in a row.
    pub failures: u32,
    /// How long until one request is let through to see whether it is back.
    pub lasts: Duration,
    /// Whether answers of 500 to 599 are failures.
    pub server_errors: bool,
}

/// Reads how the servers of an upstream take turns.
pub(super) fn balance(section: &Section<'_>) -> Balance {
    section.choice(
        "balance",
        &[
            ("round-robin", Balance::RoundRobin),
            ("least-in-flight", Balance::LeastInFlight),
            ("by-key", Balance::ByKey),
            ("by-consumer", Balance::ByConsumer),
        ],
    )
}

/// Reads the weight of each server, in their order; 1 where none is given.
pub(super) fn weights(section: &Section<'_>, servers: &[(&str, Address)]) -> Vec<u32> {
    let mut weights = vec![1; servers.len()];
    for (server, weight) in section.numbers("weights", WEIGHTS) {
        let Some(at) = servers.iter().position(|(written, _)| *written == server.value) else {
            let hint = "write it as in `servers`".to_owned();
            let message = format!("`{}` is not among the servers", shown(server.value));
            section.error(server.span, message, Some(hint));
            continue;
        };
        weights[at] = u32::try_from(weight).unwrap_or(u32::MAX);
    }
    weights
}

/// Reads how servers are asked, if they are.
pub(super) fn health(section: &Section<'_>) -> Option<HealthCheck> {
    let section = section.section("health", "upstream.health")?;
    let path = section.text("path")?;
    if !path.value.starts_with('/')
        || path.value.len() > 1024
        || !path.value.bytes().all(|b| b.is_ascii_graphic() && b != b'#')
    {
        let hint = "\"/healthz\"".to_owned();
        section.error(path.span, format!("`{}` cannot be asked for", shown(path.value)), Some(hint));
    }
    let host = section.text("host");
    if let Some(host) = host.as_ref().filter(|host| !is_host(host.value)) {
        section.error(host.span.clone(), format!("`{}` is not a host", shown(host.value)), None);
    }
    let interval = section.duration("interval", INTERVALS);
    let timeout = section.duration("timeout", TIMEOUTS);
    if timeout > interval {
        let message = "`timeout` is longer than `interval`: questions would pile up";
        section.error(section.span_of("timeout"), message, None);
    }
    let times = |name| section.number(name, 1..=100).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    Some(HealthCheck {
        path: path.value.to_owned(),
        host: host.map(|host| host.value.to_owned()),
        interval,
        timeout,
        healthy: times("healthy"),
        unhealthy: times("unhealthy"),
    })
}

/// Reads when servers are passed over; `None` is never.
pub(super) fn ejection<'t>(section: &Section<'t>, empty: &'t DeTable<'t>) -> Option<Ejection> {
    let section = section.section_or_off("ejection", "upstream.ejection", empty)?;
    let failures = section.number("failures", 1..=1000).and_then(|n| u32::try_from(n).ok());
    Some(Ejection {
        failures: failures.unwrap_or(1),
        lasts: section.duration("lasts", INTERVALS),
        server_errors: section.flag("server_errors"),
    })
}

/// Says whether this can be sent as `Host`: a name or an address, and perhaps a port.
pub(super) fn is_host(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b':' | b'[' | b']'))
}

/// A hundredfold of a server is a hundred turns in a row of requests; more says nothing.
const WEIGHTS: RangeInclusive<u64> = 1..=100;

/// Oftener would be a load of its own; beyond an hour nobody waits.
const INTERVALS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_hours(1);
