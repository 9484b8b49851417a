//! Backends: whose turn it is, who is skipped, and the connection settings Pingora wants for each.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use pingora::upstreams::peer::{HttpPeer, PeerOptions};

use crate::config::{self, Address};

/// A backend and its servers.
pub(super) struct Upstream {
    pub(super) name: String,
    servers: Vec<Server>,
    turn: AtomicUsize,
}

struct Server {
    place: Place,
    /// Monotonic nanoseconds until which it is skipped; 0 is not.
    down_until: AtomicU64,
}

enum Place {
    /// Made once: a request copies it.
    Fixed(Box<HttpPeer>),
    /// A name, looked up again when the last answer is old.
    Name(Box<Name>),
}

struct Name {
    host: String,
    port: u16,
    options: PeerOptions,
    known: Mutex<Known>,
}

#[derive(Default)]
struct Known {
    addresses: Vec<SocketAddr>,
    turn: usize,
    /// Monotonic nanoseconds.
    until: u64,
}

/// Which server of an upstream was chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct ServerIndex(usize);

/// A server's name did not resolve, and never has.
#[derive(Debug)]
pub(super) struct Unresolved;

impl Upstream {
    pub(super) fn new(spec: &config::Upstream) -> io::Result<Self> {
        let server = |address: &Address| {
            let place = match address {
                Address::Tcp(address) => {
                    let mut peer = HttpPeer::new(address, false, String::new());
                    peer.options = options(spec);
                    Place::Fixed(Box::new(peer))
                }
                Address::Unix(path) => {
                    let path = path.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
                    let mut peer = HttpPeer::new_uds(path, false, String::new())
                        .map_err(|_| io::Error::other("the path is no name for a socket"))?;
                    peer.options = options(spec);
                    Place::Fixed(Box::new(peer))
                }
                Address::Name(host, port) => Place::Name(Box::new(Name {
                    host: host.clone(),
                    port: *port,
                    options: options(spec),
                    known: Mutex::default(),
                })),
            };
            Ok(Server { place, down_until: AtomicU64::new(0) })
        };
        let servers = spec.servers.iter().map(server).collect::<io::Result<_>>()?;
        Ok(Self { name: spec.name.clone(), servers, turn: AtomicUsize::new(0) })
    }

    /// Returns whose turn it is. Servers that could not be reached lately are passed over, unless that
    /// leaves none; `but_not` is passed over too, if there is another.
    pub(super) fn choose(&self, now: u64, but_not: Option<ServerIndex>) -> ServerIndex {
        let count = self.servers.len();
        if count == 1 {
            return ServerIndex(0);
        }
        // Relaxed: a turn taken twice in a race costs nothing.
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let in_turn = || (0..count).map(|i| ServerIndex(first.wrapping_add(i) % count));
        let others = || in_turn().filter(|server| Some(*server) != but_not);
        others()
            .find(|server| self.servers[server.0].down_until.load(Ordering::Relaxed) <= now)
            .or_else(|| others().next())
            .unwrap_or(ServerIndex(0))
    }

    /// Returns what Pingora needs to connect to a server.
    ///
    /// # Errors
    /// [`Unresolved`]: the name has no address.
    pub(super) async fn peer(&self, server: ServerIndex, now: u64) -> Result<Box<HttpPeer>, Unresolved> {
        match &self.servers[server.0].place {
            Place::Fixed(peer) => Ok(peer.clone()),
            Place::Name(name) => name.peer(now).await,
        }
    }

    /// Notes that a server could not be reached. Returns how many are down now.
    pub(super) fn is_down(&self, server: ServerIndex, now: u64) -> usize {
        let until = now.saturating_add(SKIP_FOR);
        self.servers[server.0].down_until.store(until, Ordering::Relaxed);
        self.servers.iter().filter(|s| s.down_until.load(Ordering::Relaxed) > now).count()
    }

    /// Notes that a server was reached. Returns how many are down now if that has changed.
    pub(super) fn is_up(&self, server: ServerIndex, now: u64) -> Option<usize> {
        let down = &self.servers[server.0].down_until;
        // Looked at first: a store at every request would make the cache line travel between workers.
        (down.load(Ordering::Relaxed) != 0).then(|| {
            down.store(0, Ordering::Relaxed);
            self.servers.iter().filter(|s| s.down_until.load(Ordering::Relaxed) > now).count()
        })
    }
}

impl Name {
    async fn peer(&self, now: u64) -> Result<Box<HttpPeer>, Unresolved> {
        if self.is_due(now)
            && let Ok(found) = tokio::net::lookup_host((self.host.as_str(), self.port)).await
        {
            let found: Vec<SocketAddr> = found.collect();
            if !found.is_empty() {
                self.known().addresses = found;
            }
        }
        let mut known = self.known();
        if known.addresses.is_empty() {
            known.until = 0;
            return Err(Unresolved);
        }
        known.turn = (known.turn + 1) % known.addresses.len();
        let mut peer = HttpPeer::new(known.addresses[known.turn], false, String::new());
        peer.options = self.options.clone();
        Ok(Box::new(peer))
    }

    /// Says whether this request is to look the name up; others go on with what is known meanwhile.
    fn is_due(&self, now: u64) -> bool {
        let mut known = self.known();
        let is_due = known.until <= now || known.addresses.is_empty();
        if is_due {
            known.until = now + RESOLVE_EVERY;
        }
        is_due
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options(spec: &config::Upstream) -> PeerOptions {
    let mut options = PeerOptions::new();
    options.connection_timeout = Some(spec.connect_timeout);
    options.total_connection_timeout = Some(spec.connect_timeout);
    options.read_timeout = Some(spec.response_timeout);
    options.write_timeout = Some(spec.response_timeout);
    options.idle_timeout = Some(spec.idle_timeout);
    options
}

/// How long a server that could not be reached is passed over: long enough that a dead one costs few
/// requests a retry, short enough that a restarted one is used again soon.
const SKIP_FOR: u64 = 5 * NANOS_PER_SECOND;

/// How long an address of a name is used. The resolver does not tell the record's own time to live.
const RESOLVE_EVERY: u64 = 10 * NANOS_PER_SECOND;

const NANOS_PER_SECOND: u64 = 1_000_000_000;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn upstream(servers: &[&str]) -> Upstream {
        let second = Duration::from_secs(1);
        Upstream::new(&config::Upstream {
            name: "u".to_owned(),
            servers: servers.iter().map(|s| Address::Tcp(s.parse().unwrap())).collect(),
            shared_secret: None,
            jwt: None,
            hmac_secret: None,
            forward_metadata: Vec::new(),
            connect_timeout: second,
            response_timeout: second,
            idle_timeout: second,
        })
        .unwrap()
    }

    #[test]
    fn servers_take_turns_and_a_dead_one_is_passed_over_for_a_while() {
        let upstream = upstream(&["127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3"]);
        let turns = |now| (0..6).map(|_| upstream.choose(now, None).0).collect::<Vec<_>>();
        assert_eq!(turns(1), [0, 1, 2, 0, 1, 2]);
        assert_eq!(upstream.is_down(ServerIndex(1), 1), 1);
        assert!(!turns(2).contains(&1));
        assert!(turns(1 + SKIP_FOR).contains(&1));
        assert_eq!(upstream.is_up(ServerIndex(1), 3), Some(0));
        assert_eq!(upstream.is_up(ServerIndex(1), 3), None);
        assert!(turns(4).contains(&1));
    }

    #[test]
    fn a_second_attempt_goes_to_another_server_if_there_is_one() {
        let two = upstream(&["127.0.0.1:1", "127.0.0.1:2"]);
        for _ in 0..10 {
            let first = two.choose(1, None);
            assert_ne!(two.choose(1, Some(first)), first);
        }
        let one = upstream(&["127.0.0.1:1"]);
        assert_eq!(one.choose(1, Some(ServerIndex(0))), ServerIndex(0));
    }

    #[test]
    fn with_all_servers_dead_they_are_still_tried() {
        let upstream = upstream(&["127.0.0.1:1", "127.0.0.1:2"]);
        upstream.is_down(ServerIndex(0), 1);
        assert_eq!(upstream.is_down(ServerIndex(1), 1), 2);
        let tried: Vec<_> = (0..2).map(|_| upstream.choose(2, None).0).collect();
        assert_eq!(tried, [0, 1]);
    }

    #[tokio::test]
    async fn a_name_is_looked_up_when_used() {
        let mut spec = config::Upstream {
            name: "u".to_owned(),
            servers: vec![Address::Name("localhost".to_owned(), 4711)],
            shared_secret: None,
            jwt: None,
            hmac_secret: None,
            forward_metadata: Vec::new(),
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(1),
            idle_timeout: Duration::from_secs(1),
        };
        let peer = Upstream::new(&spec).unwrap().peer(ServerIndex(0), 1).await.unwrap();
        assert!(peer._address.as_inet().unwrap().ip().is_loopback());
        assert_eq!(peer._address.as_inet().unwrap().port(), 4711);
        spec.servers = vec![Address::Name("does-not-exist.invalid".to_owned(), 1)];
        assert!(Upstream::new(&spec).unwrap().peer(ServerIndex(0), 1).await.is_err());
    }
}
