//! What a running server does, in lines for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use crate::admin::status::{Address, Server, Status, Upstream};
use crate::key::Timestamp;

use super::super::ui::{Line, Tone};
use super::super::values::relative;

/// Draws it. With what was seen `before`, and how long before, each verdict has its rate, too.
pub(super) fn of(now: &Status, before: Option<(&Status, Duration)>, at: Timestamp) -> Vec<Line> {
    let mut lines = vec![head(now)];
    lines.extend(requests(now, before));
    lines.extend(connections(now));
    lines.extend(upstreams(now));
    lines.extend(certificates(now, at));
    lines.extend(told(now));
    lines
}

fn head(status: &Status) -> Line {
    let (word, tone) = if status.ready { ("ready", Tone::Good) } else { ("NOT READY", Tone::Bad) };
    let lag = status.snapshot_lag_seconds;
    let behind = if lag > 0.0 { format!("{lag:.3} s behind the store") } else { "current".to_owned() };
    let line = Line::new()
        .put(&format!("kgate {}", status.version), 0)
        .put("  ", 0)
        .toned(word, 0, tone)
        .put(
            &format!(
                "  up {}  process {}  revision {}, ",
                span(status.uptime_seconds),
                status.pid,
                status.revision
            ),
            0,
        )
        .toned(&behind, 0, if lag > 1.0 { Tone::Bad } else { Tone::Plain });
    let held = [(status.keys, "key"), (status.consumers, "consumer")].map(|(count, what)| {
        format!("{} {what}{}", grouped(count as u64), if count == 1 { "" } else { "s" })
    });
    line.put(&format!("  {} of {}", held[0], held[1]), 0)
}

fn requests(status: &Status, before: Option<(&Status, Duration)>) -> Vec<Line> {
    let requests = &status.requests;
    let summary = format!(
        "{}/s   {}/s over a minute   {} in flight   {} since the start",
        rate(requests.per_second),
        rate(requests.per_second_of_a_minute),
        grouped(requests.in_flight),
        grouped(requests.total),
    );
    let mut lines = vec![Line::heading("REQUESTS").put(&summary, 0)];
    for (verdict, count) in sorted(&requests.verdicts) {
        let tone = match verdict {
            "allowed" | "anonymous" | "answered" => Tone::Good,
            "unavailable" | "overloaded" => Tone::Bad,
            _ => Tone::Attention,
        };
        let per_second = before.and_then(|(before, span)| {
            let earlier = before.requests.verdicts.get(verdict).copied().unwrap_or_default();
            // Fewer than before: another process answers.
            (span > Duration::ZERO && before.pid == status.pid)
                .then(|| format!("{}/s", rate(float(count.saturating_sub(earlier)) / span.as_secs_f64())))
        });
        let line = Line::new().put("", 2).toned(verdict, 20, tone).right(&grouped(count), 14);
        lines.push(match per_second {
            Some(per_second) => line.right(&per_second, 12),
            None => line,
        });
    }
    if !requests.reasons.is_empty() {
        lines.push(
            Line::new()
                .put("", 2)
                .toned("refused because", 20, Tone::Faint)
                .put(&listed(&requests.reasons), 0),
        );
    }
    if requests.cut > 0 {
        let text = format!("{} under way, since their keys stopped working", grouped(requests.cut));
        lines.push(Line::new().put("", 2).toned("cut", 20, Tone::Faint).put(&text, 0));
    }
    lines
}

fn connections(status: &Status) -> Vec<Line> {
    let connections = &status.connections;
    let summary =
        format!("{} open   {} since the start", grouped(connections.open), grouped(connections.accepted));
    let mut lines = vec![Line::heading("CONNECTIONS").put(&summary, 0)];
    for listener in &status.listeners {
        let line = Line::new().put("", 2).toned(&listener.door, 9, Tone::Faint).put(&listener.address, 34);
        lines.push(match listener.open {
            Some(open) => line.put(&format!("{} open", grouped(open)), 0),
            None => line,
        });
    }
    if !connections.faults.is_empty() {
        let text = listed(&connections.faults);
        lines.push(Line::new().put("", 2).toned("ended early", 20, Tone::Faint).put(&text, 0));
    }
    lines
}

fn upstreams(status: &Status) -> Vec<Line> {
    if status.upstreams.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::heading("UPSTREAMS")];
    let width =
        status.upstreams.iter().map(|upstream| upstream.name.chars().count()).max().unwrap_or_default();
    for upstream in &status.upstreams {
        let mut name = upstream.name.as_str();
        for server in &upstream.servers {
            for (at, address) in addresses(server) {
                let line = Line::new().put("", 2).put(std::mem::take(&mut name), width + 2).put(&at, 34);
                lines.push(state(line, address));
            }
        }
        let trouble = trouble(upstream);
        if !trouble.is_empty() {
            lines.push(Line::new().put("", width + 4).toned(&trouble, 0, Tone::Faint));
        }
    }
    lines
}

/// The addresses of a server, with its name if it has one; one without is shown by its name alone.
fn addresses(server: &Server) -> Vec<(String, Option<&Address>)> {
    let named = |address: &Address| match &address.address {
        same if *same == server.server => same.clone(),
        other => format!("{} at {other}", server.server),
    };
    if server.addresses.is_empty() {
        return vec![(server.server.clone(), None)];
    }
    server.addresses.iter().map(|address| (named(address), Some(address))).collect()
}

fn state(line: Line, address: Option<&Address>) -> Line {
    let Some(address) = address else { return line.toned("no address found", 0, Tone::Bad) };
    let tone = if address.state == "up" { Tone::Good } else { Tone::Bad };
    let mut text = format!("{} in flight", grouped(u64::from(address.in_flight)));
    if address.failures > 0 {
        let _ = write!(text, ", {} failed in a row", grouped(u64::from(address.failures)));
    }
    if let Some(seconds) = address.tried_again_in_seconds {
        let _ = write!(text, ", tried again in {seconds:.0} s");
    }
    line.toned(&address.state, 11, tone).put(&text, 0)
}

fn trouble(upstream: &Upstream) -> String {
    let mut parts = Vec::new();
    if !upstream.faults.is_empty() {
        parts.push(format!("failed since the start: {}", listed(&upstream.faults)));
    }
    if upstream.retries > 0 {
        parts.push(format!("second attempts: {}", grouped(upstream.retries)));
    }
    parts.join("; ")
}

fn certificates(status: &Status, at: Timestamp) -> Vec<Line> {
    if status.certificates.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![Line::heading("CERTIFICATES")];
    for certificate in &status.certificates {
        let tone = match certificate.seconds_left {
            ..=0 => Tone::Bad,
            left if left < super::checks::SOON => Tone::Attention,
            _ => Tone::Good,
        };
        let ends = format!("{} ({})", certificate.not_after.0, relative(certificate.not_after.0, at));
        let line = Line::new().put("", 2).put(&certificate.names.join(", "), 34);
        lines.push(line.toned(&ends, 34, tone).toned(&certificate.file, 0, Tone::Faint));
    }
    lines
}

fn told(status: &Status) -> Vec<Line> {
    let mut lines = Vec::new();
    if !status.webhooks.is_empty() {
        lines.push(Line::heading("WEBHOOKS"));
    }
    for webhook in &status.webhooks {
        let text = format!(
            "{} waiting, {} taken, {} failed",
            grouped(webhook.waiting),
            grouped(webhook.taken),
            grouped(webhook.failed)
        );
        lines.push(Line::new().put("", 2).put(&webhook.name, 20).put(&text, 0));
    }
    if !status.dropped.is_empty() {
        lines.push(Line::heading("DROPPED"));
    }
    for dropped in &status.dropped {
        let text = format!("{} ({})", grouped(dropped.count), dropped.cause);
        lines.push(Line::new().put("", 2).toned(&dropped.queue, 20, Tone::Attention).put(&text, 0));
    }
    lines
}

/// The largest first.
fn sorted(counts: &BTreeMap<String, u64>) -> Vec<(&str, u64)> {
    let mut all: Vec<_> = counts.iter().map(|(name, count)| (name.as_str(), *count)).collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    all
}

fn listed(counts: &BTreeMap<String, u64>) -> String {
    let all = sorted(counts).into_iter();
    all.map(|(name, count)| format!("{name} {}", grouped(count))).collect::<Vec<_>>().join(", ")
}

/// `1,234,567`.
fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "rounded, and never negative")]
fn rate(per_second: f64) -> String {
    if per_second > 0.0 && per_second < 9.95 {
        format!("{per_second:.1}")
    } else {
        grouped(per_second.round().max(0.0) as u64)
    }
}

/// `3d 4h`, `12m`, `5s`.
fn span(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h {}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d {}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53")]
fn float(value: u64) -> f64 {
    value as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_as_people_read_them() {
        assert_eq!([0, 7, 999, 1_000, 1_234_567].map(grouped), ["0", "7", "999", "1,000", "1,234,567"]);
        assert_eq!([0.0, 0.25, 9.9, 9.96, 1234.4].map(rate), ["0", "0.2", "9.9", "10", "1,234"]);
        assert_eq!([5, 125, 7_500, 100_000].map(span), ["5s", "2m", "2h 5m", "1d 3h"]);
    }
}
