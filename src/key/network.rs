//! Networks a key may be used from.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// A list of CIDR networks, sorted, without duplicates. Empty means anywhere.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Returns the networks in order.
    pub fn as_slice(&self) -> &[IpNet] {
        &self.0
    }

    /// Says whether the list restricts nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Says whether `address` is in one of the networks. An IPv4-mapped IPv6 address counts as
    /// the IPv4 address it stands for. An empty list holds nothing.
    pub fn contain(&self, address: IpAddr) -> bool {
        let address = canonical_ip(address);
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Parses one network: a CIDR (`10.0.0.0/8`, `2001:db8::/32`) or a single address.
    ///
    /// Host bits below the mask are cleared, and IPv4-mapped networks become IPv4.
    ///
    /// # Errors
    /// [`NetworkError`] if the text is neither.
    pub fn parse_one(text: &str) -> Result<IpNet, NetworkError> {
        let error = || NetworkError(text.to_owned());
        let network = match text.parse::<IpNet>() {
            Ok(network) => network,
            Err(_) => IpNet::from(text.parse::<IpAddr>().map_err(|_| error())?),
        };
        if let IpNet::V6(v6) = network
            && let Some(v4) = v6.addr().to_ipv4_mapped()
        {
            let length = v6.prefix_len().checked_sub(96).ok_or_else(error)?;
            return ipnet::Ipv4Net::new(v4, length).map(|n| IpNet::V4(n.trunc())).map_err(|_| error());
        }
        Ok(network.trunc())
    }
}

/// Returns the IPv4 address an IPv4-mapped IPv6 address stands for, any other unchanged.
pub fn canonical_ip(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

impl FromIterator<IpNet> for Networks {
    fn from_iter<I: IntoIterator<Item = IpNet>>(networks: I) -> Self {
        let mut list: Vec<IpNet> = networks.into_iter().collect();
        list.sort();
        list.dedup();
        Self(list)
    }
}

impl FromStr for Networks {
    type Err = NetworkError;

    /// Parses a comma-separated list.
    fn from_str(text: &str) -> Result<Self, NetworkError> {
        text.split(',').map(|part| Self::parse_one(part.trim())).collect()
    }
}

impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, network) in self.0.iter().enumerate() {
            write!(f, "{}{network}", if i > 0 { "," } else { "" })?;
        }
        Ok(())
    }
}

/// The text is not a network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a network such as 10.0.0.0/8, 2001:db8::/32 or 192.0.2.7")]
pub struct NetworkError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mapped_addresses_count_as_ipv4() {
        let networks: Networks = "10.0.0.0/8".parse().unwrap();
        assert!(networks.contain("10.1.2.3".parse().unwrap()));
        assert!(networks.contain("::ffff:10.1.2.3".parse().unwrap()));
        assert!(!networks.contain("::10.1.2.3".parse().unwrap()));
        assert!(!networks.contain("11.0.0.1".parse().unwrap()));
        assert_eq!(Networks::parse_one("::ffff:10.0.0.0/104").unwrap().to_string(), "10.0.0.0/8");
    }

    #[test]
    fn everything_and_nothing() {
        assert!("0.0.0.0/0".parse::<Networks>().unwrap().contain("1.2.3.4".parse().unwrap()));
        assert!(!"0.0.0.0/0".parse::<Networks>().unwrap().contain("::1".parse().unwrap()));
        assert!("::/0".parse::<Networks>().unwrap().contain("::1".parse().unwrap()));
        assert!(!Networks::default().contain("::1".parse().unwrap()));
        for bad in
            ["", "10.0.0.0/33", "10.0.0", "010.0.0.1", "fe80::1%eth0", "example.com", "::ffff:10.0.0.0/8"]
        {
            assert!(Networks::parse_one(bad).is_err(), "{bad}");
        }
        assert_eq!(Networks::parse_one("10.1.2.3/8").unwrap().to_string(), "10.0.0.0/8");
    }
}
