//! What runs here, as of now, put together from what is counted anyway.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::running::{Core, Doors};
use crate::admin::shape::Spelled;
use crate::admin::status::{
    Address, Certificate, Connections, Dropped, Listener, Requests, Server, Status, Unready, Upstream,
    Webhook,
};
use crate::gateway::{AddressReport, ServerReport};
use crate::metrics::{Tally, Verdict};

/// How many requests had ended at each of the last seconds.
#[derive(Default)]
pub(super) struct Pulse(Mutex<VecDeque<(Duration, u64)>>);

impl Pulse {
    /// Notes how many had ended `at` some moment.
    pub(super) fn beat(&self, at: Duration, answered: u64) {
        let mut beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        beats.push_back((at, answered));
        while beats.len() > BEATS {
            beats.pop_front();
        }
    }

    /// Returns how many ended a second since the last beat before `span`, or since the first one.
    fn rate(&self, now: Duration, answered: u64, span: Duration) -> f64 {
        let beats = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_old = |beat: &&(Duration, u64)| now.saturating_sub(beat.0) >= span;
        let (at, before) = beats.iter().rev().find(is_old).or(beats.front()).copied().unwrap_or_default();
        let seconds = now.saturating_sub(at).as_secs_f64();
        if seconds < 0.001 { 0.0 } else { float(answered.saturating_sub(before)) / seconds }
    }
}

/// How often requests are counted for their rate.
pub(super) const BEAT: Duration = Duration::from_secs(1);

/// A minute of them, and where it begins.
const BEATS: usize = 61;

/// Puts it together.
pub(super) fn status(core: &Core, doors: &Doors) -> Status {
    let (verifier, config) = (core.verifier(), core.config());
    core.bring_up_to_date();
    let tally = core.metrics().tally();
    let (keys, consumers) = verifier.counts();
    let unready = core.readiness().err();
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        pid: std::process::id(),
        uptime_seconds: verifier.clock().elapsed().as_secs(),
        ready: unready.is_none(),
        unready: unready.map(|not| Unready { code: not.code.to_owned(), reason: not.reason }),
        configuration: config.path.display().to_string(),
        routes: config.route_names.clone(),
        revision: verifier.revision().unwrap_or_default().0,
        snapshot_age_seconds: verifier.age().as_secs_f64(),
        snapshot_lag_seconds: verifier.lag().as_secs_f64(),
        keys,
        consumers,
        requests: requests(core, &tally),
        connections: Connections {
            open: whole(tally.sum("kgate_connections")),
            accepted: whole(tally.sum("kgate_connections_total")),
            faults: counts(&tally, "kgate_connection_faults_total", "fault"),
        },
        listeners: listeners(core, doors),
        upstreams: core.gateway().report().iter().map(|one| upstream(one, &tally)).collect(),
        certificates: certificates(core),
        dropped: dropped(&tally),
        webhooks: config.webhooks.iter().map(|webhook| told(&webhook.name, &tally)).collect(),
    }
}

fn requests(core: &Core, tally: &Tally) -> Requests {
    let verdicts = counts(tally, "kgate_requests_total", "verdict");
    let total = verdicts.values().sum();
    let is_let_in = |name: &str| {
        [Verdict::Allowed, Verdict::Anonymous, Verdict::Answered].iter().any(|one| one.as_str() == name)
    };
    let let_in = verdicts.iter().filter(|(name, _)| is_let_in(name)).map(|(_, count)| count).sum();
    let (now, answered) = (core.verifier().clock().elapsed(), core.metrics().answered());
    let rate = |span| core.pulse().rate(now, answered, span);
    Requests {
        per_second: rate(Duration::from_secs(10)),
        per_second_of_a_minute: rate(Duration::from_mins(1)),
        in_flight: whole(tally.sum("kgate_requests_in_flight")),
        total,
        let_in,
        refused: total - let_in,
        verdicts,
        reasons: counts(tally, "kgate_refusals_total", "reason"),
        cut: whole(tally.sum("kgate_requests_cut_total")),
    }
}

fn listeners(core: &Core, doors: &Doors) -> Vec<Listener> {
    let listener = |door: &str, address: &dyn std::fmt::Display, open| Listener {
        door: door.to_owned(),
        address: address.to_string(),
        open,
    };
    let counted = core.gateway().connections().map(|(_, open)| open);
    let proxy = doors.proxy.iter().zip(counted).map(|(at, open)| listener("proxy", at, Some(open)));
    let sidecar = doors.sidecar.iter().map(|at| listener("sidecar", at, None));
    let admin = doors.admin.iter().map(|at| listener("admin", at, None));
    let portal = doors.portal.iter().map(|at| listener("portal", at, None));
    proxy.chain(sidecar).chain(admin).chain(portal).collect()
}

fn upstream((name, servers): &(String, Vec<ServerReport>), tally: &Tally) -> Upstream {
    let mine = |metric: &'static str| {
        tally.series(metric).filter(|(labels, _)| labels.contains(&("upstream", name.as_str())))
    };
    let faults = mine("kgate_upstream_errors_total").filter(|(_, value)| *value > 0.0);
    let fault = |labels: &[(&str, &str)]| {
        labels
            .iter()
            .find(|(label, _)| *label == "fault")
            .map_or(String::new(), |(_, fault)| (*fault).to_owned())
    };
    Upstream {
        name: name.clone(),
        servers: servers.iter().map(server).collect(),
        faults: faults.map(|(labels, value)| (fault(&labels), whole(value))).collect(),
        retries: whole(mine("kgate_upstream_retries_total").map(|(_, value)| value).sum()),
    }
}

fn server(report: &ServerReport) -> Server {
    let address = |one: &AddressReport| Address {
        address: one.address.clone(),
        state: one.state.as_str().to_owned(),
        in_flight: one.in_flight,
        failures: one.failures,
        tried_again_in_seconds: one.tried_again_in.map(|span| span.as_secs_f64()),
    };
    Server {
        server: report.server.clone(),
        weight: report.weight,
        is_up: report.is_up(),
        addresses: report.addresses.iter().map(address).collect(),
    }
}

fn certificates(core: &Core) -> Vec<Certificate> {
    let now = core.verifier().now().wall;
    let config = core.config();
    let mut all: Vec<_> = config
        .certificates
        .iter()
        .map(|one| Certificate {
            file: one.path.display().to_string(),
            names: one.names.clone(),
            not_before: Spelled(one.not_before),
            not_after: Spelled(one.not_after),
            seconds_left: (one.not_after.as_millis() - now.as_millis()).div_euclid(1000),
        })
        .collect();
    all.sort_by_key(|one| one.not_after);
    all
}

fn dropped(tally: &Tally) -> Vec<Dropped> {
    let dropped = |(labels, value): (Vec<(&str, &str)>, f64)| {
        let of =
            |name| labels.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value).to_owned();
        (value > 0.0).then(|| Dropped { queue: of("queue"), cause: of("cause"), count: whole(value) })
    };
    tally.series("kgate_dropped_total").filter_map(dropped).collect()
}

fn told(name: &str, tally: &Tally) -> Webhook {
    let attempts = |result: &str| {
        let series = tally.series("kgate_webhook_attempts_total");
        let mine = series.filter(|(labels, _)| {
            labels.contains(&("webhook", name)) && labels.contains(&("result", result))
        });
        whole(mine.map(|(_, value)| value).sum())
    };
    let waiting = tally.by("kgate_webhook_events_waiting", "webhook").get(name).copied();
    Webhook {
        name: name.to_owned(),
        waiting: whole(waiting.unwrap_or_default()),
        taken: attempts("ok"),
        failed: attempts("failed"),
    }
}

/// Returns the sums by a label that are not nothing.
fn counts(tally: &Tally, metric: &str, label: &str) -> BTreeMap<String, u64> {
    let sums = tally.by(metric, label).into_iter();
    sums.filter(|(_, value)| *value > 0.0).map(|(name, value)| (name, whole(value))).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts, exact up to 2^53")]
fn whole(value: f64) -> u64 {
    value.max(0.0) as u64
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_that_of_the_span_or_of_what_there_is() {
        let pulse = Pulse::default();
        let at = Duration::from_secs;
        assert!(pulse.rate(at(0), 7, at(10)).abs() < f64::EPSILON, "no time has passed");
        assert!((pulse.rate(at(2), 7, at(10)) - 3.5).abs() < 1e-9, "since the start");
        for second in 0..100 {
            // One a second, and from the 90th on a hundred.
            let answered = if second <= 90 { second } else { 90 + (second - 90) * 100 };
            pulse.beat(at(second), answered);
        }
        assert_eq!(pulse.0.lock().unwrap().len(), BEATS);
        assert!((pulse.rate(at(99), 990, at(9)) - 100.0).abs() < 1e-9);
        assert!((pulse.rate(at(99), 990, at(60)) - (990.0 - 39.0) / 60.0).abs() < 1e-9);
    }
}
