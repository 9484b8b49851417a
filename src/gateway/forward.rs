//! The request head a backend gets. Written in Pingora's last hook before it is sent, after hop-by-hop
//! fields were removed: what is set earlier, a client can have removed by naming it in `Connection`.

use http::Version;
use http::header::{EXPECT, FORWARDED, HOST, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use pingora::http::RequestHeader;

use super::exchange::{Exchange, Forwarding};
use super::wire::Peer;
use crate::edge::{RequestId, Sent, TRACEPARENT, X_REQUEST_ID, trace_is_sound};

/// Turns the client's head into the backend's; `version` is the client's. That it takes a [`Forwarding`] is what keeps an unjudged
/// request from being sent.
pub(super) fn rewrite(
    mut parts: Parts,
    version: Version,
    forwarding: &Forwarding,
    exchange: &Exchange,
    peer: &Peer,
) -> pingora::Result<RequestHeader> {
    let permit = forwarding.permit();
    let headers = &mut parts.headers;
    // Room for all that is added: growing the map moves and hashes everything again.
    headers.reserve(16);

    let was_bearer = exchange.setup.is_bearer(permit.route().0);
    exchange.setup.identification.strip(headers, was_bearer);
    let seen = Seen::in_fields(headers);
    if seen.override_or_alias {
        remove_overrides(headers);
    }
    if seen.trace && !trace_is_sound(headers) {
        headers.remove(TRACEPARENT);
        headers.remove(TRACESTATE);
    }
    if let Some(trace) = &exchange.trace {
        headers.insert(TRACEPARENT, trace.to_value());
    }
    if version == Version::HTTP_10 {
        // It goes on as HTTP/1.1, which has a Host always; empty if there is none (RFC 9112 §3.2).
        headers.entry(HOST).or_insert(HeaderValue::from_static(""));
        // RFC 9110 §10.1.1: the expectation of an HTTP/1.0 client is ignored.
        headers.remove(EXPECT);
    }
    forwarded(headers, peer, exchange.peer_is_trusted, seen.forwarding);
    if let Some(id) = &exchange.id {
        headers.insert(X_REQUEST_ID, id.as_value().clone());
    }
    let route = exchange.setup.route(permit.route().0);
    if let Some(host) = &route.host {
        headers.insert(HOST, host.clone());
    }
    // Before who calls is told, so that no edit could unsay it even if the configuration let one through.
    route.request.apply(headers);
    let matched = permit.target().map_or(&exchange.target[..], str::as_bytes);
    let Some(target) = route.target(matched) else {
        return pingora::Error::e_explain(pingora::ErrorType::InternalError, "the prefix is another");
    };
    let target = &*target;
    let sent = Sent { method: parts.method.as_str(), target, at: exchange.began.wall };
    let identification = &exchange.setup.identification;
    identification
        .inject(headers, permit, sent.at, || RequestId::make(&mut rand::rng()))
        .map_err(|error| pingora::Error::because(pingora::ErrorType::InternalError, "signing", error))?;
    identification.seal(headers, permit, &sent);

    let mut head = RequestHeader::from(parts);
    if head.raw_path() != target {
        head.set_raw_path(target)?;
    }
    Ok(head)
}

/// What a client sent of the names looked after here. Found in one look at every name: most requests
/// have none of them, and asking the map for each would cost more than all the rest.
#[derive(Default)]
struct Seen {
    /// One of [`FORWARDING`], or `Forwarded`.
    forwarding: bool,
    /// One of [`OVERRIDES`], or a spelling of one of [`ALIASED`].
    override_or_alias: bool,
    /// `traceparent` or `tracestate`.
    trace: bool,
}

impl Seen {
    fn in_fields(headers: &HeaderMap) -> Self {
        let mut seen = Self::default();
        for name in headers.keys() {
            let name = name.as_str();
            match name.as_bytes()[0] {
                b'x' => {
                    seen.forwarding |= FORWARDING.iter().any(|ours| ours.as_str() == name);
                    seen.override_or_alias |= is_override(name);
                }
                b'f' => seen.forwarding |= name == "forwarded",
                b't' => {
                    seen.forwarding |= name == "true-client-ip";
                    seen.trace |= matches!(name, "traceparent" | "tracestate");
                }
                _ => {}
            }
            seen.override_or_alias |= is_alias(name);
        }
        seen
    }
}

/// Tells the backend the client's address, and how it was asked. What a trusted proxy says is added to;
/// what anybody else says is replaced.
///
/// `were_sent` is false if the client sent none of the fields concerned.
fn forwarded(headers: &mut HeaderMap, peer: &Peer, peer_is_trusted: bool, were_sent: bool) {
    if were_sent && !peer_is_trusted {
        for name in FORWARDING {
            headers.remove(name);
        }
        headers.remove(FORWARDED);
    }
    let may_be_there = were_sent && peer_is_trusted;
    if let Some(text) = &peer.text {
        let chain = if may_be_there && headers.contains_key(X_FORWARDED_FOR) {
            joined(headers, text)
        } else {
            Some(text.clone())
        };
        match chain {
            Some(chain) => drop(headers.insert(X_FORWARDED_FOR, chain)),
            None => drop(headers.remove(X_FORWARDED_FOR)),
        }
    }
    if !(may_be_there && headers.contains_key(X_FORWARDED_PROTO)) {
        headers.insert(X_FORWARDED_PROTO, if peer.is_tls { HTTPS } else { HTTP });
    }
    if !(may_be_there && headers.contains_key(X_FORWARDED_HOST))
        && let Some(host) = headers.get(HOST).cloned()
    {
        headers.insert(X_FORWARDED_HOST, host);
    }
}

/// All hops so far, in one field, and the one that asks.
fn joined(headers: &HeaderMap, last: &HeaderValue) -> Option<HeaderValue> {
    let mut chain = Vec::with_capacity(64);
    for field in headers.get_all(X_FORWARDED_FOR) {
        chain.extend_from_slice(field.as_bytes());
        chain.extend_from_slice(b", ");
    }
    chain.extend_from_slice(last.as_bytes());
    HeaderValue::from_maybe_shared(bytes::Bytes::from(chain)).ok()
}

/// Removes fields by which a client can make a backend see another path or method than were judged.
///
/// By canonical name, since a CGI-style backend reads `X_Original_URL` as `X-Original-URL`.
fn remove_overrides(headers: &mut HeaderMap) {
    while let Some(name) =
        headers.keys().find(|name| is_override(name.as_str()) || is_alias(name.as_str())).cloned()
    {
        headers.remove(name);
    }
}

fn is_override(name: &str) -> bool {
    // Every one of them begins with this; most names do not.
    name.starts_with('x') && OVERRIDES.iter().any(|wanted| is_canonically(name, wanted))
}

/// A spelling of one of [`ALIASED`] that only some backends read as such.
fn is_alias(name: &str) -> bool {
    name.bytes().any(|b| !b.is_ascii_alphanumeric() && b != b'-')
        && ALIASED.iter().any(|wanted| is_canonically(name, wanted))
}

/// Compares names with every character that is no letter or digit read as `-`.
fn is_canonically(name: &str, wanted: &str) -> bool {
    name.len() == wanted.len()
        && name.bytes().zip(wanted.bytes()).all(|(a, b)| {
            let a = if a.is_ascii_alphanumeric() { a.to_ascii_lowercase() } else { b'-' };
            a == b
        })
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const TRACESTATE: HeaderName = HeaderName::from_static("tracestate");
const HTTP: HeaderValue = HeaderValue::from_static("http");
const HTTPS: HeaderValue = HeaderValue::from_static("https");

/// What only a trusted proxy may say about the client.
const FORWARDING: [HeaderName; 10] = [
    X_FORWARDED_FOR,
    X_FORWARDED_PROTO,
    X_FORWARDED_HOST,
    HeaderName::from_static("x-forwarded-port"),
    HeaderName::from_static("x-forwarded-server"),
    HeaderName::from_static("x-forwarded-scheme"),
    HeaderName::from_static("x-forwarded-ssl"),
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("true-client-ip"),
];

/// What makes some framework act on another path or method than the request line's.
const OVERRIDES: [&str; 9] = [
    "x-original-url",
    "x-original-uri",
    "x-rewrite-url",
    "x-forwarded-uri",
    "x-forwarded-path",
    "x-forwarded-prefix",
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Names whose other spellings are removed, since the proper one is checked or rewritten.
const ALIASED: [&str; 14] = [
    "authorization",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-proto",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-server",
    "x-forwarded-scheme",
    "x-forwarded-ssl",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "content-length",
    "transfer-encoding",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&str, &str)]) -> HeaderMap {
        list.iter()
            .map(|(name, value)| {
                (HeaderName::from_bytes(name.as_bytes()).unwrap(), HeaderValue::from_str(value).unwrap())
            })
            .collect()
    }

    fn peer(address: &str) -> Peer {
        Peer { address: address.parse().ok(), text: HeaderValue::from_str(address).ok(), ..Peer::nobody() }
    }

    fn values<'h>(headers: &'h HeaderMap, name: &str) -> Vec<&'h str> {
        headers.get_all(name).iter().map(|v| v.to_str().unwrap()).collect()
    }

    #[test]
    fn a_stranger_says_nothing_about_the_client() {
        let mut sent = headers(&[
            ("Host", "api.example.com"),
            ("X-Forwarded-For", "1.1.1.1"),
            ("X-Forwarded-For", "2.2.2.2"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "evil.example"),
            ("Forwarded", "for=1.1.1.1"),
            ("X-Real-IP", "1.1.1.1"),
        ]);
        forwarded(&mut sent, &peer("192.0.2.7"), false, true);
        assert_eq!(values(&sent, "x-forwarded-for"), ["192.0.2.7"]);
        assert_eq!(values(&sent, "x-forwarded-proto"), ["http"]);
        assert_eq!(values(&sent, "x-forwarded-host"), ["api.example.com"]);
        assert!(!sent.contains_key("forwarded") && !sent.contains_key("x-real-ip"));
    }

    #[test]
    fn every_name_looked_after_is_seen() {
        for name in FORWARDING.iter().map(HeaderName::as_str).chain(["forwarded"]) {
            assert!(Seen::in_fields(&headers(&[("accept", "a"), (name, "x")])).forwarding, "{name}");
        }
        for name in OVERRIDES {
            assert!(Seen::in_fields(&headers(&[(name, "x")])).override_or_alias, "{name}");
            let spelled = name.replace('-', "_");
            assert!(Seen::in_fields(&headers(&[(&spelled, "x")])).override_or_alias, "{spelled}");
        }
        for name in ALIASED.iter().filter(|name| name.contains('-')) {
            assert!(!Seen::in_fields(&headers(&[(name, "x")])).override_or_alias, "{name}");
            let spelled = name.replacen('-', ".", 1);
            assert!(Seen::in_fields(&headers(&[(&spelled, "x")])).override_or_alias, "{spelled}");
        }
        for name in ["traceparent", "tracestate"] {
            assert!(Seen::in_fields(&headers(&[(name, "x")])).trace, "{name}");
        }
    }

    #[test]
    fn a_trusted_proxy_is_added_to() {
        let mut sent = headers(&[
            ("Host", "internal"),
            ("X-Forwarded-For", "1.1.1.1"),
            ("X-Forwarded-For", "2.2.2.2, 3.3.3.3"),
            ("X-Forwarded-Proto", "https"),
            ("X-Forwarded-Host", "api.example.com"),
        ]);
        forwarded(&mut sent, &peer("10.0.0.1"), true, true);
        assert_eq!(values(&sent, "x-forwarded-for"), ["1.1.1.1, 2.2.2.2, 3.3.3.3, 10.0.0.1"]);
        assert_eq!(values(&sent, "x-forwarded-proto"), ["https"]);
        assert_eq!(values(&sent, "x-forwarded-host"), ["api.example.com"]);
    }

    #[test]
    fn overrides_of_path_and_method_are_removed_in_every_spelling() {
        let mut sent = headers(&[
            ("X-Original-URL", "/admin"),
            ("x_rewrite_url", "/admin"),
            ("X.HTTP_Method-Override", "DELETE"),
            ("X_Forwarded_For", "6.6.6.6"),
            ("x-real_ip", "6.6.6.6"),
            ("X-Original", "stays"),
            ("Accept", "*/*"),
            ("x_harmless", "stays"),
        ]);
        assert!(Seen::in_fields(&sent).override_or_alias);
        remove_overrides(&mut sent);
        let mut left: Vec<_> = sent.keys().map(HeaderName::as_str).collect();
        left.sort_unstable();
        assert_eq!(left, ["accept", "x-original", "x_harmless"]);
    }
}
