//! Whether a request names a host that is served here: a page in a browser can be made to call any name
//! that resolves to this machine (DNS rebinding). And whether it is another site's page that calls: a browser shows
//! a client certificate by itself, whoever's page it has open.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::{HeaderName, HeaderValue, Request, Version};

use super::problem::Problem;

/// Checks the `Host` of a request to the address `here`.
pub(super) fn check<B>(request: &Request<B>, here: Option<IpAddr>, hosts: &[String]) -> Result<(), Problem> {
    let mut named = request.headers().get_all(HOST).iter();
    match (named.next(), named.next()) {
        // A browser always names a host, so nothing is lost by allowing a plain probe.
        (None, _) if request.version() == Version::HTTP_10 => Ok(()),
        (Some(host), None) => match host.to_str() {
            Ok(host) if is_ours(host, here, hosts) => Ok(()),
            _ => Err(Problem::new(421, "misdirected", "this host name is not served here")),
        },
        _ => Err(Problem::malformed("", "name one host")),
    }
}

/// Refuses an act that a page of another site has a browser do. Every browser says where such a request is from;
/// what only reads tells other sites nothing, since there is no CORS here.
pub(super) fn check_site<B>(request: &Request<B>) -> Result<(), Problem> {
    let headers = request.headers();
    let is_own = |origin: &HeaderValue| {
        let origin = origin.as_bytes();
        let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
        authority
            .is_some_and(|at| headers.get(HOST).is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(at)))
    };
    let is_sent_here = |site: &HeaderValue| ["same-origin", "none"].iter().any(|own| site == own);
    let is_fine = request.method().is_safe()
        || (headers.get_all(ORIGIN).iter().all(is_own)
            && headers.get_all(SEC_FETCH_SITE).iter().all(is_sent_here));
    if is_fine { Ok(()) } else { Err(Problem::new(403, "forged", "a page of another site asked for this")) }
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Says whether `host`, as a `Host` field has it, names this machine or one of `hosts`.
pub fn names(host: &str, here: Option<IpAddr>, hosts: &[String]) -> bool {
    is_ours(host, here, hosts)
}

/// Whether `host` cannot have been made up by a page that rebinds its name to this machine: a
/// loopback name or address, the address called, or a configured name.
fn is_ours(host: &str, here: Option<IpAddr>, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
                return false;
            }
            name
        }
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let literal = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
    match literal.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || here == Some(ip) || hosts.iter().any(|h| *h == literal),
        Err(_) => name == "localhost" || hosts.contains(&name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_sites_page_asks_for_is_not_done() {
        let asked = |method: &str, fields: &[(&str, &str)]| {
            let mut request = Request::builder().method(method).header(HOST, "gw.example:8081");
            for (name, value) in fields {
                request = request.header(*name, *value);
            }
            check_site(&request.body(()).unwrap()).is_ok()
        };
        let (own, same) = (("origin", "https://gw.example:8081"), ("sec-fetch-site", "same-origin"));
        for good in [&[][..], &[own], &[own, same], &[("sec-fetch-site", "none")]] {
            assert!(asked("POST", good), "{good:?}");
        }
        let (other, cross) = (("origin", "https://evil.example"), ("sec-fetch-site", "cross-site"));
        for bad in [
            &[other][..],
            &[cross],
            &[("sec-fetch-site", "same-site")],
            &[("origin", "null")],
            &[("origin", "https://gw.example")],
            &[own, other],
            &[own, cross],
        ] {
            assert!(!asked("POST", bad) && !asked("DELETE", bad) && asked("GET", bad), "{bad:?}");
        }
    }

    #[test]
    fn a_rebound_name_is_not_ours() {
        let here = "10.0.0.5".parse().ok();
        for (host, ours) in [
            ("localhost", true),
            ("LOCALHOST:80", true),
            ("127.9.9.9:1", true),
            ("[::1]", true),
            ("10.0.0.5", true),
            ("gw.example", true),
            ("GW.example:8081", true),
            ("10.0.0.6", false),
            ("evil.example", false),
            ("localhost.evil.example", false),
            ("127.0.0.1.evil.example", false),
            ("localhost:x", false),
            ("", false),
        ] {
            assert_eq!(is_ours(host, here, &["gw.example".to_owned()]), ours, "{host}");
        }
    }
}
