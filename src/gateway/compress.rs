//! Which answers are made small on their way, on routes that say so. The codings are Pingora's, which takes the first
//! one a client names whatever weight it has there, and keeps back what comes of an answer until it is worth a block:
//! so it is asked only where that does no harm.

use http::header::{ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RANGE};
use http::{Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};

use super::door::is_grpc;

/// Of each coding: halfway between quick and small.
pub(super) const LEVEL: u32 = 5;

/// Says whether an answer to this request may be made small.
pub(super) fn is_welcome(asked: &RequestHeader) -> bool {
    asked.method != Method::HEAD
        && !asked.headers.contains_key(RANGE)
        && !is_grpc(asked)
        && !excludes_codings(&asked.headers)
}

/// Says whether this answer may: not one of which each piece matters when it comes, nor a part of a whole.
pub(super) fn is_fit(answer: &ResponseHeader) -> bool {
    answer.status != StatusCode::PARTIAL_CONTENT
        && !has(&answer.headers, &CACHE_CONTROL, &["no-transform"])
        && !has(&answer.headers, &CONTENT_TYPE, PIECEMEAL)
}

/// Says whether a client names a coding in order not to get it (RFC 9110 §12.4.2).
fn excludes_codings(headers: &HeaderMap) -> bool {
    let is_excluded = |item: &[u8]| {
        let mut parts = item.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
        let is_coding =
            parts.next().is_some_and(|name| !name.eq_ignore_ascii_case(b"identity") && name != b"*");
        is_coding && parts.any(is_zero)
    };
    let items = |value: &HeaderValue| value.as_bytes().split(|byte| *byte == b',').any(is_excluded);
    headers.get_all(ACCEPT_ENCODING).iter().any(items)
}

/// Says whether a parameter is a weight of nothing: `q=0`, `q=0.000`.
fn is_zero(parameter: &[u8]) -> bool {
    let Some((name, value)) = parameter.split_at_checked(2) else { return false };
    name.eq_ignore_ascii_case(b"q=")
        && !value.is_empty()
        && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

fn has(headers: &HeaderMap, name: &HeaderName, words: &[&str]) -> bool {
    headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).any(|value| {
        let value = value.to_ascii_lowercase();
        words.iter().any(|word| value.contains(word))
    })
}

/// What the types say of answers whose pieces are read as they come: events, lines of JSON, calls of gRPC from
/// browsers, what Kubernetes calls a watch.
const PIECEMEAL: &[&str] =
    &["text/event-stream", "ndjson", "jsonl", "json-seq", "stream+json", "stream=", "application/grpc"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_coding_is_excluded_by_its_weight_alone() {
        for (value, excludes) in [
            ("gzip", false),
            ("gzip;q=0.5, identity", false),
            ("identity;q=0, gzip", false),
            ("gzip, *;q=0", false),
            ("gzip;q=0.001", false),
            ("gzip;q=", false),
            ("gzip;q=1.0", false),
            ("gzip;q=0", true),
            ("br, GZIP ; Q=0.000 , zstd", true),
            ("gzip;x=y;q=0", true),
        ] {
            let headers = HeaderMap::from_iter([(ACCEPT_ENCODING, HeaderValue::from_static(value))]);
            assert_eq!(excludes_codings(&headers), excludes, "{value}");
        }
        assert!(!excludes_codings(&HeaderMap::new()));
    }

    #[test]
    fn what_is_read_as_it_comes_is_left_as_it_is() {
        for (name, value, fits) in [
            (CONTENT_TYPE, "application/json", true),
            (CONTENT_TYPE, "application/json;stream=watch", false),
            (CONTENT_TYPE, "Text/Event-Stream; charset=utf-8", false),
            (CONTENT_TYPE, "application/x-ndjson", false),
            (CONTENT_TYPE, "application/jsonl", false),
            (CONTENT_TYPE, "application/grpc-web+proto", false),
            (CACHE_CONTROL, "public, No-Transform", false),
            (CACHE_CONTROL, "public", true),
        ] {
            let (mut parts, ()) = http::Response::new(()).into_parts();
            parts.headers.insert(&name, HeaderValue::from_static(value));
            assert_eq!(is_fit(&ResponseHeader::from(parts)), fits, "{name}: {value}");
        }
    }
}
