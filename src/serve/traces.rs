//! A request's line as the spans of a trace.

use std::time::Duration;

use crate::edge::{AccessLine, Verdict};
use crate::tell::{Fact, Side, Span};

/// Returns the spans of a request that is recorded: as it came in and, if a backend answered, as it went on.
pub(super) fn spans_of(line: &AccessLine<'_>) -> impl Iterator<Item = Span> {
    let trace = line.trace.filter(|trace| trace.is_sampled);
    let spans = trace.map(|trace| {
        let text = |text: &str| Fact::Text(text.to_owned());
        let method = clipped(line.method, METHOD);
        let status = ("http.response.status_code", Fact::Number(i64::from(line.status)));
        let mut facts = vec![
            ("http.request.method", text(method)),
            ("url.path", text(line.path)),
            ("server.address", text(clipped(line.host, HOST))),
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
        let name = format!("{method} {}", line.route.unwrap_or("-"));
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
            name: format!("{method} {}", line.upstream.unwrap_or("-")),
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

/// A client may make method and host as long as a head. Of spans that wait, the number is what is bounded.
fn clipped(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// Longer than any method that is one.
const METHOD: usize = 32;

/// The longest name of a host.
const HOST: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Trace;

    #[test]
    fn what_a_client_makes_long_is_not_kept_long() {
        let long = "\u{e9}".repeat(20_000);
        let trace = Trace { id: [1; 16], parent: None, span: [2; 8], outgoing: [3; 8], is_sampled: true };
        let line = AccessLine {
            time: crate::key::Timestamp::default(),
            request_id: "abc",
            client: None,
            method: &long,
            path: "/",
            host: &long,
            status: 200,
            route: None,
            upstream: None,
            key: None,
            consumer: None,
            verdict: Verdict::Allow,
            reason: None,
            shadow: None,
            is_anonymous: false,
            bytes_in: 0,
            bytes_out: 0,
            total: Duration::ZERO,
            verify: Duration::ZERO,
            upstream_time: Some(Duration::ZERO),
            trace: Some(trace),
            one_in: 1,
        };
        let spans: Vec<_> = spans_of(&line).collect();
        assert_eq!(spans.len(), 2);
        let sizes = spans.iter().flat_map(|span| {
            let facts =
                span.facts.iter().map(|(_, fact)| if let Fact::Text(text) = fact { text.len() } else { 0 });
            facts.chain([span.name.len()])
        });
        assert!(sizes.sum::<usize>() < 500);
    }
}
