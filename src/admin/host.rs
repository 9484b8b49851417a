//! Whether a request names a host that is served here: a page in a browser can be made to call any name
//! that resolves to this machine (DNS rebinding).

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::{Request, Version};

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
