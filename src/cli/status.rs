//! `kgate status`

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;

use crate::config::Address;
use crate::key::State;
use crate::store::{Check, Level, Store};

use super::demo::http;
use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::values::counted;

/// Say whether anything is wrong, now
///
/// Asks the running server on its admin listener, and looks into the store for keys that expire within a
/// week and for uses of keys that had ended. Exit code 1 if something is wrong. `kgate doctor` looks at
/// the data directory in depth.
#[derive(Args)]
pub(super) struct Status {}

pub(super) fn run(_args: &Status, session: &Session) -> Outcome {
    let mut checks = Vec::new();
    let on_tcp = session.config()?.listen.admin.iter().find_map(|address| match address {
        Address::Tcp(address) => Some(*address),
        Address::Name(..) | Address::Unix(_) => None,
    });
    match on_tcp {
        Some(admin) => server(admin, &mut checks),
        None => checks.push(Check {
            name: "server",
            level: Level::Warning,
            detail: "there is no `admin` on TCP in [listen] to ask".to_owned(),
        }),
    }
    checks.push(expiring(&session.store()?, session)?);
    checks.extend(ended(session));
    let worst = checks.iter().map(|check| check.level).max().unwrap_or(Level::Good);
    let mut list = session.ui.list();
    for check in &checks {
        list.row(check)?;
    }
    list.end()?;
    match worst {
        Level::Good => session.ui.status("nothing is wrong"),
        Level::Warning => session.ui.status("it works, but look at the warnings"),
        Level::Fault => return Err(Failure::no("something is wrong").help("see what is marked fault")),
    }
    Ok(Answer::Yes)
}

/// Asks the running server.
fn server(admin: SocketAddr, checks: &mut Vec<Check>) {
    let mut say = |name, level, detail| checks.push(Check { name, level, detail });
    let answers = http::request(admin, "GET", "/readyz", &[])
        .and_then(|ready| Ok((ready, http::request(admin, "GET", "/metrics", &[])?)));
    let (ready, metrics) = match answers {
        Ok(answers) => answers,
        Err(error) => {
            return say("server", Level::Fault, format!("nobody answers at {admin}: {error}"));
        }
    };
    if ready.status() != 200 {
        let body: serde_json::Value = serde_json::from_str(&ready.body).unwrap_or_default();
        let why = body["detail"].as_str().or(body["code"].as_str()).unwrap_or("it does not say why");
        return say("server", Level::Fault, format!("not ready: {why}"));
    }
    let series = Series(&metrics.body);
    say("server", Level::Good, format!("ready, at revision {}", series.sum("kgate_snapshot_revision", "")));
    let lag = series.sum("kgate_snapshot_lag_seconds", "");
    say("snapshot", if lag > 1.0 { Level::Fault } else { Level::Good }, format!("{lag} s behind the store"));
    let all = series.sum("kgate_requests_total", "");
    let failed = series.sum("kgate_requests_total", "verdict=\"unavailable\"")
        + series.sum("kgate_requests_total", "verdict=\"overloaded\"");
    let let_in = series.sum("kgate_requests_total", "verdict=\"allowed\"");
    let level = if failed > 0.0 { Level::Warning } else { Level::Good };
    say(
        "requests",
        level,
        format!("{all} since the start: {let_in} let in, {failed} answered with 503 by kgate"),
    );
    for (name, metric, what) in [
        ("backends", "kgate_upstream_servers_down", "servers of upstreams cannot be reached"),
        ("dropped", "kgate_dropped_total", "lines, uses, events or spans dropped since the start"),
        ("webhooks", "kgate_webhook_events_waiting", "events wait for their receivers"),
    ] {
        let count = series.sum(metric, "");
        let level = match (count > 0.0, name) {
            (false, _) => Level::Good,
            (true, "backends") => Level::Fault,
            (true, _) => Level::Warning,
        };
        say(name, level, format!("{count} {what}"));
    }
}

/// Metrics as they are rendered.
struct Series<'t>(&'t str);

impl Series<'_> {
    /// Adds up the series of a metric whose labels contain `label`.
    fn sum(&self, metric: &str, label: &str) -> f64 {
        let values = self.0.lines().filter_map(|line| {
            let rest = line.strip_prefix(metric)?;
            let is_whole = rest.starts_with(['{', ' ']) && rest.contains(label);
            rest.rsplit(' ').next()?.parse::<f64>().ok().filter(|_| is_whole)
        });
        // The sum of nothing is -0.
        values.sum::<f64>() + 0.0
    }
}

fn expiring(store: &Store, session: &Session) -> Result<Check, Failure> {
    let now = session.now();
    let week = now.plus(Duration::from_hours(7 * 24));
    let mut count = 0_u64;
    store.keys(&mut |key| {
        count += u64::from(key.is_ok_and(|key| {
            let is_soon = key.expires_at.is_some_and(|at| at > now && at <= week);
            is_soon && key.state == State::Enabled && key.rotated_to.is_none()
        }));
        true
    })?;
    let level = if count > 0 { Level::Warning } else { Level::Good };
    let detail = format!("{} without a successor expire within 7 days", counted(count, "key"));
    let hint = if count > 0 { ": `kgate key list --expiring 7d`" } else { "" };
    Ok(Check { name: "expiry", level, detail: detail + hint })
}

/// Keys that had ended and were used in the last day.
fn ended(session: &Session) -> Option<Check> {
    let since = session.now().minus(Duration::from_hours(24));
    let alerts = session.usage()?.alerts().ok()?;
    let count = alerts.iter().filter(|row| row.alert.last >= since).count();
    let (level, hint) =
        if count > 0 { (Level::Warning, ": `kgate audit --alerts`") } else { (Level::Good, "") };
    let detail = format!("{} used after their end in the last day{hint}", counted(count, "key"));
    Some(Check { name: "ended keys", level, detail })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_of_one_metric_are_added_up() {
        let series =
            Series("# HELP a b\na_total{x=\"1\",y=\"2\"} 3\na_total{x=\"2\"} 4\na_total_more 9\nb 0.5\n");
        assert_eq!(
            (series.sum("a_total", ""), series.sum("a_total", "x=\"1\""), series.sum("b", "")),
            (7.0, 3.0, 0.5)
        );
    }
}
