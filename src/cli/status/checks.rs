//! Whether anything is wrong.

use std::time::Duration;

use crate::admin::api::AlertShape;
use crate::admin::status::{Certificate, Server, Status};
use crate::key::{Past, Timestamp};
use crate::store::{Check, Level};

use super::super::books::{AuditWanted, Books};
use super::super::failure::Failure;
use super::super::values::{counted, relative};

/// What the running server says of itself.
pub(super) fn of_server(server: &Result<Box<Status>, String>) -> Vec<Check> {
    let status = match server {
        Ok(status) => status,
        Err(why) => return vec![check("server", Level::Fault, why.clone())],
    };
    if let Some(unready) = &status.unready {
        return vec![check("server", Level::Fault, format!("not ready: {}", unready.reason))];
    }
    let lag = status.snapshot_lag_seconds;
    let mut checks = vec![
        check("server", Level::Good, format!("ready, at revision {}", status.revision)),
        check("snapshot", fault_if(lag > 1.0), format!("{lag} s behind the store")),
        requests(status),
        backends(status),
    ];
    checks.extend(certificates(&status.certificates));
    let dropped: u64 = status.dropped.iter().map(|dropped| dropped.count).sum();
    let detail = format!("{dropped} lines, uses, events or spans dropped since the start");
    checks.push(check("dropped", warning_if(dropped > 0), detail));
    let waiting: u64 = status.webhooks.iter().map(|webhook| webhook.waiting).sum();
    let detail = format!("{waiting} events wait for their receivers");
    checks.push(check("webhooks", warning_if(waiting > 0), detail));
    checks
}

fn requests(status: &Status) -> Check {
    let count = |verdict| status.requests.verdicts.get(verdict).copied().unwrap_or_default();
    let failed = count("unavailable") + count("overloaded");
    let (total, let_in) = (status.requests.total, status.requests.let_in);
    let detail = format!("{total} since the start: {let_in} let in, {failed} answered with 503 by kgate");
    check("requests", warning_if(failed > 0), detail)
}

fn backends(status: &Status) -> Check {
    let all = status
        .upstreams
        .iter()
        .flat_map(|upstream| upstream.servers.iter().map(|server| (upstream.name.as_str(), server)));
    let (all, down): (Vec<_>, Vec<_>) = all.partition(|(_, server)| server.is_up);
    if down.is_empty() {
        return check("backends", Level::Good, format!("all {} take requests", counted(all.len(), "server")));
    }
    let named: Vec<_> = down.iter().map(|(upstream, server)| down_as(upstream, server)).collect();
    check("backends", Level::Fault, format!("taking no requests: {}", named.join(", ")))
}

fn down_as(upstream: &str, server: &Server) -> String {
    let state = server.addresses.first().map_or("has no address", |address| address.state.as_str());
    format!("{} of `{upstream}` ({state})", server.server)
}

/// The one that ends first is the one to worry about.
fn certificates(certificates: &[Certificate]) -> Option<Check> {
    let first = certificates.first()?;
    let level = match first.seconds_left {
        ..=0 => Level::Fault,
        left if left < SOON => Level::Warning,
        _ => Level::Good,
    };
    let word = if level == Level::Fault { "ended at" } else { "the first to end holds until" };
    Some(check("certificates", level, format!("{}: {word} {}", first.file, first.not_after.0)))
}

/// What the store says.
pub(super) fn of_store(books: &dyn Books, now: Timestamp) -> Result<Vec<Check>, Failure> {
    let count = books.expiring()?;
    let detail = format!("{} without a successor expire within 7 days", counted(count, "key"));
    let hint = if count > 0 { ": `kgate key list --expiring 7d`" } else { "" };
    let mut checks = vec![check("expiry", warning_if(count > 0), detail + hint)];
    checks.extend(ended(books, now));
    Ok(checks)
}

/// Keys that had ended and were used in the last day. Without the usage file nobody knows.
fn ended(books: &dyn Books, now: Timestamp) -> Option<Check> {
    let since = Some(Past::At(now.minus(Duration::from_hours(24))));
    let (mut count, mut latest) = (0_u64, None);
    let mut each = |alert: AlertShape| {
        (count, latest) = (count + 1, latest.max(Some(alert.last_at.0)));
        Ok(())
    };
    books.alerts(&AuditWanted { since, ..AuditWanted::default() }, None, &mut each).ok()?;
    let hint = latest.map_or(String::new(), |at| format!(", {}: `kgate audit --alerts`", relative(at, now)));
    let detail = format!("{} used after their end in the last day{hint}", counted(count, "key"));
    Some(check("ended keys", warning_if(count > 0), detail))
}

fn check(name: &'static str, level: Level, detail: String) -> Check {
    Check { name, level, detail }
}

fn warning_if(is_wrong: bool) -> Level {
    if is_wrong { Level::Warning } else { Level::Good }
}

fn fault_if(is_wrong: bool) -> Level {
    if is_wrong { Level::Fault } else { Level::Good }
}

/// As `kgate check` warns.
pub(super) const SOON: i64 = 14 * 24 * 3600;

#[cfg(test)]
mod tests {
    use crate::admin::shape::Spelled;

    use super::*;

    #[test]
    fn the_first_certificate_to_end_is_judged() {
        let certificate = |left: i64| Certificate {
            file: "chain.pem".to_owned(),
            names: vec!["api.example.com".to_owned()],
            not_before: Spelled(Timestamp::from_millis(0)),
            not_after: Spelled(Timestamp::from_millis(0)),
            seconds_left: left,
        };
        let level = |left| certificates(&[certificate(left), certificate(9 * SOON)]).unwrap().level;
        assert_eq!([level(SOON), level(SOON - 1), level(0)], [Level::Good, Level::Warning, Level::Fault]);
        assert!(certificates(&[]).is_none());
    }
}
