//! The client's address behind trusted proxies.

use std::net::IpAddr;

use http::HeaderMap;

use crate::config::TrustedProxies;
use crate::key::canonical_ip;

/// Returns whether the peer's word on clients counts. `None` is a peer on a Unix socket.
pub fn is_trusted(peer: Option<IpAddr>, trusted: &TrustedProxies) -> bool {
    match peer {
        Some(address) => trusted.networks.contain(address),
        None => trusted.unix,
    }
}

/// Returns the address of the client, or `None` if it is not known.
///
/// A peer that is no trusted proxy is the client, whatever it says. Behind trusted ones it is the
/// right-most hop of all `X-Forwarded-For` fields that is not itself trusted: everything left of it
/// was written by somebody who is not. If all hops are trusted, it is the left-most. A hop that is no
/// address (`unknown`, a name, a zone id) ends the search without an answer, so that a network
/// allow-list refuses rather than guesses. IPv4-mapped addresses come out as IPv4.
pub fn client_address(peer: Option<IpAddr>, headers: &HeaderMap, trusted: &TrustedProxies) -> Option<IpAddr> {
    let peer = peer.map(canonical_ip);
    if !is_trusted(peer, trusted) {
        return peer;
    }
    let mut nearest = peer;
    for field in headers.get_all("x-forwarded-for").iter().rev() {
        for hop in field.as_bytes().rsplit(|byte| *byte == b',') {
            let hop = hop.trim_ascii();
            // RFC 9110 §5.6.1: empty list elements are to be ignored.
            if hop.is_empty() {
                continue;
            }
            let address = parse_hop(hop)?;
            if !trusted.networks.contain(address) {
                return Some(address);
            }
            nearest = Some(address);
        }
    }
    nearest
}

/// Parses `192.0.2.7`, `192.0.2.7:4711`, `2001:db8::7`, `[2001:db8::7]` or `[2001:db8::7]:4711`.
fn parse_hop(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?;
    let address = if let Some(rest) = text.strip_prefix('[') {
        let (inside, after) = rest.split_once(']')?;
        if !(after.is_empty() || after.strip_prefix(':').is_some_and(is_port)) {
            return None;
        }
        IpAddr::V6(inside.parse().ok()?)
    } else if let Some((before, port)) = text.split_once(':')
        && !port.contains(':')
    {
        if !is_port(port) {
            return None;
        }
        IpAddr::V4(before.parse().ok()?)
    } else {
        text.parse().ok()?
    };
    Some(canonical_ip(address))
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && text.parse::<u16>().is_ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn proxies(list: &str) -> TrustedProxies {
        TrustedProxies { networks: list.parse().unwrap(), unix: false }
    }

    fn client(peer: &str, fields: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-for", HeaderValue::from_bytes(field.as_bytes()).unwrap());
        }
        client_address(peer.parse().ok(), &headers, &proxies("10.0.0.0/8,::1")).map(|a| a.to_string())
    }

    #[test]
    fn the_client_is_the_right_most_untrusted_hop() {
        for (peer, fields, wanted) in [
            ("192.0.2.1", &[][..], Some("192.0.2.1")),
            ("192.0.2.1", &["1.1.1.1"], Some("192.0.2.1")),
            ("10.0.0.1", &[], Some("10.0.0.1")),
            ("10.0.0.1", &["1.1.1.1"], Some("1.1.1.1")),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1"], Some("1.1.1.1")),
            ("10.0.0.1", &["6.6.6.6, 1.1.1.1, 10.9.9.9"], Some("1.1.1.1")),
            ("10.0.0.1", &["6.6.6.6", "1.1.1.1"], Some("1.1.1.1")),
            ("10.0.0.1", &["1.1.1.1", "10.2.2.2"], Some("1.1.1.1")),
            ("10.0.0.1", &["10.1.1.1,10.2.2.2"], Some("10.1.1.1")),
            ("10.0.0.1", &["1.1.1.1,,", ""], Some("1.1.1.1")),
            ("::ffff:10.0.0.1", &["::ffff:1.1.1.1"], Some("1.1.1.1")),
            ("10.0.0.1", &["::ffff:10.3.3.3, 2001:db8::7"], Some("2001:db8::7")),
            ("::1", &["[2001:db8::7]:4711"], Some("2001:db8::7")),
            ("::1", &["[2001:db8::7]"], Some("2001:db8::7")),
            ("10.0.0.1", &["1.1.1.1:80"], Some("1.1.1.1")),
            ("10.0.0.1", &["1.1.1.1, unknown"], None),
            ("10.0.0.1", &["unknown, 1.1.1.1"], Some("1.1.1.1")),
            ("10.0.0.1", &["1.1.1.1, unknown, 10.2.2.2"], None),
            ("10.0.0.1", &["010.1.1.1"], None),
            ("10.0.0.1", &["fe80::1%eth0"], None),
            ("10.0.0.1", &["1.1.1.1:"], None),
            ("10.0.0.1", &["1.1.1.1:99999"], None),
            ("10.0.0.1", &["[::1]x"], None),
            ("10.0.0.1", &["1.1.1.1 2.2.2.2"], None),
            ("unix", &["1.1.1.1"], None),
            ("unix", &[], None),
        ] {
            assert_eq!(client(peer, fields).as_deref(), wanted, "{peer} {fields:?}");
        }
    }

    #[test]
    fn a_unix_socket_peer_is_believed_only_when_trusted() {
        let mut headers = HeaderMap::new();
        headers.append("x-forwarded-for", HeaderValue::from_static("1.1.1.1"));
        let mut trusted = TrustedProxies::default();
        assert_eq!(client_address(None, &headers, &trusted), None);
        trusted.unix = true;
        assert_eq!(client_address(None, &headers, &trusted), "1.1.1.1".parse().ok());
        assert_eq!(client_address(None, &HeaderMap::new(), &trusted), None);
    }

    proptest! {
        #[test]
        fn nothing_to_the_left_of_an_untrusted_hop_matters(
            left in prop::collection::vec(prop::collection::vec(32u8..=255, 0..20), 0..4),
            client: [u8; 4],
            right in prop::collection::vec(any::<[u8; 3]>(), 0..3),
        ) {
            prop_assume!(client[0] != 10);
            let mut headers = HeaderMap::new();
            for field in &left {
                if let Ok(value) = HeaderValue::from_bytes(field) {
                    headers.append("x-forwarded-for", value);
                }
            }
            let client = IpAddr::from(client);
            let mut last = client.to_string();
            for [a, b, c] in right {
                last = format!("{last} , 10.{a}.{b}.{c}");
            }
            headers.append("x-forwarded-for", HeaderValue::from_str(&last).unwrap());
            let trusted = proxies("10.0.0.0/8");
            prop_assert_eq!(client_address("10.0.0.1".parse().ok(), &headers, &trusted), Some(client));
            let outsider: IpAddr = "192.0.2.9".parse().unwrap();
            prop_assert_eq!(client_address(Some(outsider), &headers, &trusted), Some(outsider));
        }
    }
}
