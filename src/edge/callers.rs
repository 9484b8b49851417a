//! How many connections each address has, so that one cannot take all places: of the gateway, and of the doors
//! for operators and holders.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The addresses that have connections. As many as the cap on connections lets it become.
#[derive(Default)]
pub struct Callers(Mutex<HashMap<IpAddr, usize>>);

/// A connection of an address; dropping it takes it out.
pub struct Counted {
    callers: Arc<Callers>,
    address: IpAddr,
}

impl Callers {
    /// Counts a connection of an address, IPv6 by /64; `None` if it has `most` already.
    pub fn enter(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Counted> {
        let address = network_of(address);
        let mut all = self.lock();
        let open = all.entry(address).or_default();
        if *open >= most {
            return None;
        }
        *open += 1;
        drop(all);
        Some(Counted { callers: Arc::clone(self), address })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let mut all = self.callers.lock();
        if let Some(open) = all.get_mut(&self.address) {
            *open -= 1;
            if *open == 0 {
                all.remove(&self.address);
            }
        }
    }
}

/// Whoever has one address of IPv6 has the whole /64 (RFC 6177).
fn network_of(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let mut segments = address.segments();
            segments[4..].fill(0);
            Ipv6Addr::from(segments).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_has_so_many_and_nothing_is_kept_of_it() {
        let callers = Arc::new(Callers::default());
        let enter = |address: &str| callers.enter(address.parse().unwrap(), 2);
        let held = [enter("192.0.2.1"), enter("192.0.2.1")];
        assert!(held.iter().all(Option::is_some));
        assert!(enter("192.0.2.1").is_none() && enter("192.0.2.2").is_some());
        drop(held);
        assert!(enter("192.0.2.1").is_some());
        let both = [enter("2001:db8::1"), enter("2001:db8::ffff")];
        assert!(enter("2001:db8::2:0:0:1").is_none() && enter("2001:db8:0:1::1").is_some());
        drop(both);
        assert!(callers.lock().is_empty());
    }
}
