//! What becomes of a request and its answer on a route's way to the backend: edits that can touch
//! neither who calls nor how bodies are framed.

use std::time::Duration;

use super::balance::is_host;
use super::headers::{canonical_name, is_header_name};
use super::reader::{At, Section, shown};
use super::{IdentityHeader, IdentityHeaders, TIMEOUTS};

/// How a route forwards.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Forward {
    /// What becomes of the beginning of the path, if anything.
    pub prefix: Option<RewrittenPrefix>,
    /// The `Host` the backend gets; `None` is the client's.
    pub host: Option<String>,
    /// What is changed about the request's fields.
    pub request_headers: HeaderEdits,
    /// What is changed about the answer's.
    pub response_headers: HeaderEdits,
    /// Instead of the upstream's.
    pub response_timeout: Option<Duration>,
    /// Instead of the upstream's.
    pub total_timeout: Option<Duration>,
    /// Instead of the server's, in bytes.
    pub max_body: Option<u64>,
}

/// A beginning of paths, and what the backend gets in its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RewrittenPrefix {
    /// What stands before the first wildcard of the route's path. Ends without `/`: the root is empty.
    from: String,
    /// What takes its place, in the same form.
    to: String,
}

impl RewrittenPrefix {
    /// Returns `target`, a path and query, with the prefix replaced; `None` if it does not begin with it as
    /// whole segments, which a target that matched the route does.
    pub fn replaced_in(&self, target: &[u8]) -> Option<Vec<u8>> {
        let rest = target.strip_prefix(self.from.as_bytes())?;
        let mut rewritten = self.to.as_bytes().to_vec();
        match rest.first() {
            // The root has no name of its own.
            None | Some(b'?') if self.to.is_empty() => rewritten.push(b'/'),
            None | Some(b'/' | b'?') => {}
            Some(_) => return None,
        }
        rewritten.extend_from_slice(rest);
        Some(rewritten)
    }
}

/// Edits of header fields, made in this order. All names and values can be sent.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct HeaderEdits {
    /// Taken away, by name.
    pub remove: Vec<String>,
    /// Put in the place of all of that name: (name, value).
    pub set: Vec<(String, String)>,
    /// Put beside those of that name.
    pub add: Vec<(String, String)>,
}

impl HeaderEdits {
    /// Says whether nothing is edited.
    pub fn is_empty(&self) -> bool {
        self.remove.is_empty() && self.set.is_empty() && self.add.is_empty()
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let pairs = self.set.iter().chain(&self.add).map(|(name, _)| name.as_str());
        self.remove.iter().map(String::as_str).chain(pairs)
    }
}

/// Reads how a route forwards. `tokens` are the headers of upstreams' tokens, canonical.
pub(super) fn forward(section: &Section<'_>, headers: &IdentityHeaders, tokens: &[String]) -> Forward {
    let refused = |name: &str| request_problem(name, headers, tokens);
    Forward {
        prefix: prefix(section),
        host: host(section),
        request_headers: edits(section, "request_headers", &refused),
        response_headers: edits(section, "response_headers", &|name| response_problem(name, headers)),
        response_timeout: section.duration_if_given("response_timeout", TIMEOUTS),
        total_timeout: section.duration_if_given("total_timeout", TIMEOUTS),
        max_body: section.has("max_body").then(|| section.size("max_body", 0..=1 << 50)),
    }
}

/// Finds edits of fields that some route takes keys from: what was removed must not come back.
pub(super) fn check_against_credentials(
    sections: &[Section<'_>],
    forwards: &[(usize, &Forward)],
    keys: &[String],
) {
    for (section, forward) in forwards {
        let touched = forward.request_headers.names().find(|name| keys.contains(&canonical_name(name)));
        if let Some(name) = touched {
            let section = &sections[*section];
            let message = format!("`{}` carries keys, which no edit may touch", shown(name));
            section.error(section.span_of("request_headers"), message, None);
        }
    }
}

fn prefix(section: &Section<'_>) -> Option<RewrittenPrefix> {
    let to = section.text("rewrite_prefix")?;
    let path = section.text("path")?;
    let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~' | b'/');
    let stays_there = |part: &str| !part.is_empty() && part != "." && part != "..";
    let bare = to.value.strip_suffix('/').unwrap_or(to.value);
    if !to.value.starts_with('/') || !bare.bytes().all(is_plain) || !bare.split('/').skip(1).all(stays_there)
    {
        let hint = "whole segments of letters, digits and -._~: \"/\" or \"/internal/v2\"".to_owned();
        section.error(to.span, format!("`{}` cannot take a prefix's place", shown(to.value)), Some(hint));
        return None;
    }
    if !section.flag("strict_path") {
        let hint = "take away `strict_path` or `rewrite_prefix`".to_owned();
        let message = "a path that is forwarded as it was spelled cannot be rewritten";
        section.error(section.span_of("rewrite_prefix"), message, Some(hint));
    }
    let literal: Vec<&str> =
        path.value.split('/').skip(1).take_while(|segment| !segment.contains('*')).collect();
    let from: String =
        literal.iter().filter(|segment| !segment.is_empty()).map(|s| format!("/{s}")).collect();
    Some(RewrittenPrefix { from, to: bare.to_owned() })
}

fn host(section: &Section<'_>) -> Option<String> {
    let host = section.text("rewrite_host")?;
    if !is_host(host.value) {
        section.error(host.span, format!("`{}` is not a host", shown(host.value)), None);
    }
    Some(host.value.to_owned())
}

fn edits(section: &Section<'_>, name: &str, refused: &dyn Fn(&str) -> Option<&'static str>) -> HeaderEdits {
    let table = if name == "request_headers" { "route.request_headers" } else { "route.response_headers" };
    let Some(section) = section.section(name, table) else { return HeaderEdits::default() };
    let is_fine = |name: &At<&str>| {
        let problem =
            if is_header_name(name.value) { refused(name.value) } else { Some("is not a header's name") };
        if let Some(problem) = problem {
            section.error(name.span.clone(), format!("`{}` {problem}", shown(name.value)), None);
        }
        problem.is_none()
    };
    let pairs = |list: &str| {
        let pairs = section.pairs(list).into_iter().filter(|(name, value)| {
            let is_value = value.value.len() <= 4096
                && value.value.trim() == value.value
                && value.value.bytes().all(|b| b == b' ' || b.is_ascii_graphic());
            if !is_value {
                let hint = "printable ASCII without space around it".to_owned();
                section.error(value.span.clone(), "the value cannot be sent in a header", Some(hint));
            }
            is_fine(name) && is_value
        });
        pairs.map(|(name, value)| (name.value.to_owned(), value.value.to_owned())).collect()
    };
    let removed = section.texts("remove").into_iter().filter(|name| is_fine(name));
    let edits = HeaderEdits {
        remove: removed.map(|name| name.value.to_owned()).collect(),
        set: pairs("set"),
        add: pairs("add"),
    };
    if let Some(twice) = edits.set.iter().find(|(name, _)| {
        let is_same = |(other, _): &&(String, String)| other.eq_ignore_ascii_case(name);
        edits.set.iter().filter(is_same).count() > 1
    }) {
        section.error(section.span_of("set"), format!("`{}` is set twice", twice.0), None);
    }
    edits
}

/// Says why a field of a request may not be edited, if it may not.
fn request_problem(name: &str, headers: &IdentityHeaders, tokens: &[String]) -> Option<&'static str> {
    let canonical = canonical_name(name);
    if is_identity(&canonical, headers) || tokens.contains(&canonical) {
        Some("tells the backend who calls, which only kgate does")
    } else if canonical == "authorization" {
        Some("carries keys, which no edit may touch")
    } else if canonical == "host" {
        Some("is set by `rewrite_host`")
    } else if FRAMING.contains(&canonical.as_str()) || FORWARDED.contains(&canonical.as_str()) {
        Some("is kgate's own to write")
    } else {
        None
    }
}

/// Says why a field of an answer may not be edited, if it may not.
fn response_problem(name: &str, headers: &IdentityHeaders) -> Option<&'static str> {
    let canonical = canonical_name(name);
    let is_ours = FRAMING.contains(&canonical.as_str())
        || is_identity(&canonical, headers)
        || ["x-request-id", "x-api-key-expires", "ratelimit", "ratelimit-policy"]
            .contains(&canonical.as_str())
        || canonical.starts_with("x-ratelimit-");
    is_ours.then_some("is kgate's own to write")
}

/// Says whether a canonical name is one a backend knows the caller or kgate by, renamed or not.
fn is_identity(canonical: &str, headers: &IdentityHeaders) -> bool {
    IdentityHeader::ALL.iter().any(|header| canonical_name(header.default_name()) == canonical)
        || headers.all_canonical().iter().any(|name| name == canonical)
        || [IdentityHeaders::META_PREFIX, headers.meta_prefix(), IdentityHeaders::OWN_PREFIX]
            .iter()
            .any(|prefix| canonical.starts_with(&canonical_name(prefix)))
}

/// What frames a message or belongs to one connection, canonical.
const FRAMING: [&str; 11] = [
    "connection",
    "content-length",
    "expect",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "http2-settings",
];

/// What tells a backend how it was asked, canonical.
const FORWARDED: [&str; 13] = [
    "forwarded",
    "x-request-id",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-port",
    "x-forwarded-proto",
    "x-forwarded-scheme",
    "x-forwarded-server",
    "x-forwarded-ssl",
    "x-real-ip",
    "x-client-ip",
    "true-client-ip",
    "traceparent",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_is_replaced_by_whole_segments() {
        for (from, to, sent, forwarded) in [
            ("/v1/products", "/catalog", "/v1/products/7?a=/v1/products", Some("/catalog/7?a=/v1/products")),
            ("/v1/products", "/catalog", "/v1/products", Some("/catalog")),
            ("/v1/products", "/catalog", "/v1/products?x", Some("/catalog?x")),
            ("/v1/products", "", "/v1/products/7", Some("/7")),
            ("/v1/products", "", "/v1/products", Some("/")),
            ("/v1/products", "", "/v1/products?x", Some("/?x")),
            ("/v1/products", "", "/v1/products/", Some("/")),
            ("", "/all", "/v1", Some("/all/v1")),
            ("", "/all", "/", Some("/all/")),
            ("/v1/products", "/catalog", "/v1/productsx", None),
            ("/v1/products", "/catalog", "/v2/products/7", None),
        ] {
            let prefix = RewrittenPrefix { from: from.to_owned(), to: to.to_owned() };
            let target = prefix.replaced_in(sent.as_bytes()).map(|target| String::from_utf8(target).unwrap());
            assert_eq!(target.as_deref(), forwarded, "{sent}");
        }
    }
}
