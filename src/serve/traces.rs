//! A request's line as the spans of a trace.

use std::time::Duration;

use crate::edge::{AccessLine, Verdict};
use crate::tell::{Fact, Side, Span};

/// Returns the spans of a request that is recorded: as it came in and, if a backend answered, as it went on.
pub(super) fn spans_of(line: &AccessLine<'_>) -> impl Iterator<Item = Span> {
    let trace = line.trace.filter(|trace| trace.is_sampled);
    let spans = trace.map(|trace| {
        let text = |text: &str| Fact::Text(text.to_owned());
        let status = ("http.response.status_code", Fact::Number(i64::from(line.status)));
        let mut facts = vec![
            ("http.request.method", text(line.method)),
            ("url.path", text(line.path)),
            ("server.address", text(line.host)),
            ("kgate.verdict", text(line.verdict.as_str())),
            ("kgate.request_id", text(line.request_id)),
            ("kgate.decision_us", Fact::Number(i64::try_from(line.verify.as_micros()).unwrap_or(i64::MAX))),
            status.clone(),
        ];
        facts.extend(line.client.map(|client| ("client.address", Fact::Text(client.to_string()))));
        facts.extend(line.route.map(|route| ("http.route", text(route))));
        facts.extend(line.reason.map(|reason| ("kgate.reason", text(reason))));
        facts.extend(line.key.map(|key| ("kgate.key_id", Fact::Text(key.to_string()))));
        facts.extend(line.consumer.map(|id| ("kgate.consumer_id", Fact::Text(id.to_string()))));
        let name = format!("{} {}", line.method, line.route.unwrap_or("-"));
        let server = Span {
            trace: trace.id,
            id: trace.span,
            parent: trace.parent,
            name,
            side: Side::Server,
            begins: line.time,
            after: Duration::ZERO,
            took: line.total,
            facts,
            has_failed: line.verdict == Verdict::Error || line.status >= 500,
        };
        let client = line.upstream_time.map(|took| Span {
            trace: trace.id,
            id: trace.outgoing,
            parent: Some(trace.span),
            name: format!("{} {}", line.method, line.upstream.unwrap_or("-")),
            side: Side::Client,
            begins: line.time,
            after: line.verify,
            took,
            facts: vec![("kgate.upstream", text(line.upstream.unwrap_or_default())), status],
            has_failed: line.status >= 500,
        });
        std::iter::once(server).chain(client)
    });
    spans.into_iter().flatten()
}
