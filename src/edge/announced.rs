//! The PROXY protocol: a load balancer's word, at the very beginning of a connection, for whom it is
//! (haproxy's proxy-protocol.txt of 2020). Reading it off a connection is a server's.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// For whom a connection is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Announced {
    /// For this client.
    Client(IpAddr),
    /// For the balancer itself, which looks whether we live.
    Itself,
    /// For somebody the balancer cannot name: over a Unix socket, or unknown.
    Unknown,
}

impl Announced {
    /// Reads `PROXY TCP4 192.0.2.7 203.0.113.1 56324 443`, with its line end; `None` if it is anything else.
    pub fn from_v1(line: &[u8]) -> Option<Self> {
        let line = std::str::from_utf8(line).ok()?.strip_prefix("PROXY ")?.strip_suffix("\r\n")?;
        if line == "UNKNOWN" || line.starts_with("UNKNOWN ") {
            return Some(Self::Unknown);
        }
        let mut words = line.split(' ');
        let is_v6 = match words.next()? {
            "TCP4" => false,
            "TCP6" => true,
            _ => return None,
        };
        let mut address = || words.next()?.parse::<IpAddr>().ok().filter(|a| a.is_ipv6() == is_v6);
        let (source, _destination) = (address()?, address()?);
        let mut port = || {
            let word = words.next()?;
            let is_plain =
                word.bytes().all(|b| b.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
            word.parse::<u16>().ok().filter(|_| is_plain)
        };
        port()?;
        port()?;
        words.next().is_none().then_some(Self::Client(source))
    }

    /// Reads what follows the signature of version 2: version and command, family and protocol, and the rest, of
    /// which further fields (TLV) are passed over. `None` if they are malformed.
    pub fn from_v2(version: u8, family: u8, rest: &[u8]) -> Option<Self> {
        match version {
            0x20 => return Some(Self::Itself),
            0x21 => {}
            _ => return None,
        }
        match family {
            0x11 => {
                let octets: [u8; 4] = rest.get(..12)?[..4].try_into().ok()?;
                Some(Self::Client(Ipv4Addr::from(octets).into()))
            }
            0x21 => {
                let octets: [u8; 16] = rest.get(..36)?[..16].try_into().ok()?;
                Some(Self::Client(Ipv6Addr::from(octets).into()))
            }
            // A Unix socket, or something unspecified.
            0x00 | 0x31 | 0x32 => Some(Self::Unknown),
            // Datagrams are no connection.
            _ => None,
        }
    }
}
