//! Backends: whose turn it is, who is passed over, and the connection settings Pingora wants for each.
//!
//! Which servers take requests is worked out when something changes: a server fails or comes back, a name
//! gets another address. Requests find the outcome in a [`Pool`] that never changes, and decide nothing.

mod budget;
mod pool;
mod secure;
mod tend;

use std::io;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

use arc_swap::ArcSwap;
use http::HeaderValue;
use pingora::upstreams::peer::{HttpPeer, PeerOptions};

use crate::config::{self, Address, Balance, Ejection, HealthCheck, Protocol};
use crate::policy::Permit;

use budget::Budget;
use pool::Pool;
pub(super) use pool::{Chosen, Endpoint};
use secure::{Secured, alpn};
pub(super) use tend::tend;

/// A backend and its servers.
pub(super) struct Upstream {
    pub(super) name: String,
    balance: Balance,
    health: Option<HealthCheck>,
    ejection: Option<Ejection>,
    /// Sent with questions after a server's health, too.
    secret: Option<HeaderValue>,
    pub(super) response_timeout: Duration,
    pub(super) total_timeout: Option<Duration>,
    /// Whether nothing else is agreed on with its servers.
    speaks_http1: bool,
    servers: Vec<Server>,
    pool: ArcSwap<Pool>,
    turn: AtomicUsize,
    /// Held while a pool is made, by whoever saw a server change.
    making: Mutex<()>,
    budget: Mutex<Budget>,
}

/// A server as it is written in the configuration.
struct Server {
    address: Address,
    weight: u32,
    /// What every connection to it is made by.
    options: PeerOptions,
    secured: Option<Arc<Secured>>,
    /// One, or as many as a name has addresses.
    endpoints: Mutex<Vec<Arc<Endpoint>>>,
}

impl Upstream {
    /// Makes one that knows what `previous`, of the same name, has learned of its servers.
    pub(super) fn new(spec: &config::Upstream, previous: Option<&Self>) -> io::Result<Self> {
        let known = previous.map(Self::endpoints).unwrap_or_default();
        let secured = spec.tls.as_ref().map(|tls| Arc::new(Secured::new(tls)));
        let servers = spec
            .servers
            .iter()
            .zip(&spec.weights)
            .map(|(address, weight)| Server::new(address, *weight, spec, secured.as_ref(), &known))
            .collect::<io::Result<Vec<_>>>()?;
        let upstream = Self {
            name: spec.name.clone(),
            balance: spec.balance,
            health: spec.health.clone(),
            ejection: spec.ejection,
            secret: spec
                .shared_secret
                .as_ref()
                .and_then(|secret| HeaderValue::from_bytes(secret.expose()).ok()),
            response_timeout: spec.response_timeout,
            total_timeout: spec.total_timeout,
            speaks_http1: spec.protocol == Protocol::Http1,
            servers,
            pool: ArcSwap::from_pointee(Pool::default()),
            turn: AtomicUsize::new(0),
            making: Mutex::default(),
            budget: Mutex::default(),
        };
        for endpoint in upstream.endpoints() {
            endpoint.vitals.keep_only(upstream.health.is_some(), upstream.ejection.is_some());
        }
        if let Some(previous) = previous {
            upstream.take_over_names(previous);
        }
        upstream.remake();
        Ok(upstream)
    }

    /// Returns whose turn it is; `None` if no server has an address. `but_not` is passed over if there is
    /// another.
    pub(super) fn choose(&self, permit: &Permit, now: u64, but_not: Option<&Endpoint>) -> Option<Chosen> {
        let caller = || {
            let identity = permit.identity()?;
            match self.balance {
                Balance::ByKey => Some(pool::hash(identity.key_id().as_bytes())),
                Balance::ByConsumer => Some(pool::hash(identity.consumer().record().id.as_bytes())),
                Balance::RoundRobin | Balance::LeastInFlight => None,
            }
        };
        self.pick(caller, now, but_not)
    }

    fn pick(
        &self,
        caller: impl FnOnce() -> Option<u64>,
        now: u64,
        but_not: Option<&Endpoint>,
    ) -> Option<Chosen> {
        let pool = self.pool.load();
        if pool.revisit_at <= now
            && but_not.is_none()
            && let Some(ejection) = self.ejection
            && let Some(endpoint) = pool.returning(now, nanos(ejection.lasts))
        {
            self.remake();
            return Some(Chosen::new(endpoint));
        }
        // Relaxed: a turn taken twice in a race costs nothing.
        let turn = || self.turn.fetch_add(1, Ordering::Relaxed);
        let endpoint = match (self.balance, but_not) {
            _ if pool.is_single() => pool.first(),
            (Balance::LeastInFlight, None) => pool.idlest(turn()),
            (Balance::ByKey | Balance::ByConsumer, None) => match caller() {
                Some(caller) => pool.home_of(caller),
                None => pool.in_turn(turn()),
            },
            (_, None) => pool.in_turn(turn()),
            (_, Some(tried)) => pool.another(turn(), tried),
        };
        endpoint.map(Chosen::new)
    }

    /// Says whether its servers are asked in HTTP/1.1, come what may.
    pub(super) fn speaks_http1(&self) -> bool {
        self.speaks_http1
    }

    /// Notes that a request to a server failed. Returns how many are passed over if that has changed.
    pub(super) fn failed(&self, endpoint: &Endpoint, now: u64) -> Option<usize> {
        let ejection = self.ejection?;
        endpoint
            .vitals
            .failed(ejection.failures, now.saturating_add(nanos(ejection.lasts)))
            .then(|| self.remake())
    }

    /// Notes that a server answered. Returns how many are passed over if that has changed.
    pub(super) fn answered(&self, endpoint: &Endpoint, status: u16, now: u64) -> Option<usize> {
        if status >= 500 && self.ejection.is_some_and(|ejection| ejection.server_errors) {
            return self.failed(endpoint, now);
        }
        endpoint.vitals.succeeded().then(|| self.remake())
    }

    /// Says whether another attempt fits the budget. `answers` is how many this upstream gave since the start.
    pub(super) fn may_retry(&self, answers: u64, now: u64) -> bool {
        self.budget.lock().unwrap_or_else(PoisonError::into_inner).take(answers, now)
    }

    /// Returns each server as it is configured, and what is known of it at `now`, monotonic nanoseconds.
    pub(super) fn report(&self, now: u64) -> Vec<ServerReport> {
        self.servers
            .iter()
            .map(|server| {
                let endpoints = server.endpoints();
                ServerReport {
                    server: server.address.to_string(),
                    weight: server.weight,
                    addresses: endpoints.iter().map(|endpoint| endpoint.report(now)).collect(),
                }
            })
            .collect()
    }

    /// Works out who takes requests now. Returns how many are passed over.
    fn remake(&self) -> usize {
        let _one_at_a_time = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        let pool = Pool::new(self.endpoints());
        let passed_over = pool.passed_over();
        self.pool.store(Arc::new(pool));
        passed_over
    }

    fn endpoints(&self) -> Vec<Arc<Endpoint>> {
        self.servers.iter().flat_map(|server| server.endpoints().clone()).collect()
    }

    /// Takes the addresses of names that were known before: they need not be looked up first.
    fn take_over_names(&self, previous: &Self) {
        for server in self.servers.iter().filter(|server| matches!(server.address, Address::Name(..))) {
            if let Some(before) = previous.servers.iter().find(|other| other.address == server.address) {
                let addresses =
                    before.endpoints().iter().filter_map(|e| e.socket_address()).collect::<Vec<_>>();
                server.is_at(&addresses, &previous.endpoints());
            }
        }
    }

    /// A name was looked up: it has these addresses. Returns how many servers are passed over if that has
    /// changed. An empty answer changes nothing: the old addresses may still be good.
    fn found(&self, server: usize, addresses: &[SocketAddr]) -> Option<usize> {
        let known = self.endpoints();
        self.servers[server].is_at(addresses, &known).then(|| self.remake())
    }

    /// Returns the names among the servers, with their index.
    fn names(&self) -> impl Iterator<Item = (usize, &str, u16)> {
        self.servers.iter().enumerate().filter_map(|(index, server)| match &server.address {
            Address::Name(host, port) => Some((index, host.as_str(), *port)),
            Address::Tcp(_) | Address::Unix(_) => None,
        })
    }
}

/// What is known of a server.
pub struct ServerReport {
    /// As it is configured.
    pub server: String,
    /// Its share.
    pub weight: u32,
    /// Its addresses: several if it is a name, none while that is not found.
    pub addresses: Vec<AddressReport>,
}

/// What is known of one address of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AddressReport {
    /// As it is printed.
    pub address: String,
    /// How it is.
    pub state: ServerState,
    /// Requests it is working on.
    pub in_flight: u32,
    /// Requests to it that failed, one after the other.
    pub failures: u32,
    /// When a request is sent there again, if it is [`ServerState::Ejected`].
    pub tried_again_in: Option<Duration>,
}

impl ServerReport {
    /// Says whether it takes requests, at one of its addresses at least.
    pub fn is_up(&self) -> bool {
        self.addresses.iter().any(|address| address.state == ServerState::Up)
    }

    /// Returns how many requests it is working on.
    pub fn in_flight(&self) -> u32 {
        self.addresses.iter().map(|address| address.in_flight).sum()
    }
}

/// How a server is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ServerState {
    /// It takes requests.
    Up,
    /// It fails the questions after its health.
    Unhealthy,
    /// Requests to it failed lately.
    Ejected,
}

impl ServerState {
    /// Returns a stable word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Unhealthy => "unhealthy",
            Self::Ejected => "ejected",
        }
    }
}

/// Looks up the names that no upstream knows an address of yet, all at once, and waits for them a while:
/// a request that comes first is not to find a server without an address.
pub(super) fn look_up_new_names(upstreams: &[Upstream]) {
    let (done, answers) = mpsc::channel();
    let mut open = 0;
    for (index, upstream) in upstreams.iter().enumerate() {
        for (server, host, port) in upstream.names() {
            if !upstream.servers[server].endpoints().is_empty() {
                continue;
            }
            let (done, host) = (done.clone(), host.to_owned());
            let asks = move || {
                let found =
                    (host.as_str(), port).to_socket_addrs().map(Iterator::collect).unwrap_or_default();
                let _ = done.send((index, server, found));
            };
            // A resolver that hangs holds its thread until it gives up by itself.
            open += usize::from(std::thread::Builder::new().spawn(asks).is_ok());
        }
    }
    for _ in 0..open {
        let Ok((index, server, found)) = answers.recv_timeout(FIRST_LOOK) else { return };
        let found: Vec<SocketAddr> = found;
        upstreams[index].found(server, &found);
    }
}

impl Server {
    fn new(
        address: &Address,
        weight: u32,
        spec: &config::Upstream,
        secured: Option<&Arc<Secured>>,
        known: &[Arc<Endpoint>],
    ) -> io::Result<Self> {
        let server = Self {
            address: address.clone(),
            weight,
            options: options(spec),
            secured: secured.cloned(),
            endpoints: Mutex::default(),
        };
        let endpoint = |peer| vec![server.endpoint(address.to_string(), peer, known)];
        let endpoints = match address {
            Address::Tcp(at) => endpoint(HttpPeer::new(at, false, String::new())),
            Address::Unix(path) => {
                let path = path.to_str().ok_or_else(|| io::Error::other("the path is not UTF-8"))?;
                let peer = HttpPeer::new_uds(path, false, String::new());
                endpoint(peer.map_err(|_| io::Error::other("the path is no name for a socket"))?)
            }
            Address::Name(..) => Vec::new(),
        };
        *server.endpoints() = endpoints;
        Ok(server)
    }

    fn endpoint(&self, address: String, mut peer: HttpPeer, known: &[Arc<Endpoint>]) -> Arc<Endpoint> {
        peer.options = self.options.clone();
        if let Some(secured) = &self.secured {
            secured.secure(&mut peer, &self.address);
        }
        Arc::new(Endpoint::new(address, peer, self.weight, known))
    }

    /// Puts it at other addresses. Says whether that changes anything.
    fn is_at(&self, addresses: &[SocketAddr], known: &[Arc<Endpoint>]) -> bool {
        let mut sorted: Vec<SocketAddr> = addresses.to_vec();
        // Resolvers turn their answers round; that is no change.
        sorted.sort_unstable();
        sorted.dedup();
        sorted.truncate(MAX_ADDRESSES);
        let mut endpoints = self.endpoints();
        let before = endpoints.iter().filter_map(|endpoint| endpoint.socket_address());
        if sorted.is_empty() || before.eq(sorted.iter().copied()) {
            return false;
        }
        *endpoints = sorted
            .into_iter()
            .map(|address| {
                self.endpoint(address.to_string(), HttpPeer::new(address, false, String::new()), known)
            })
            .collect();
        true
    }

    fn endpoints(&self) -> MutexGuard<'_, Vec<Arc<Endpoint>>> {
        self.endpoints.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn options(spec: &config::Upstream) -> PeerOptions {
    let mut options = PeerOptions::new();
    options.connection_timeout = Some(spec.connect_timeout);
    options.total_connection_timeout = Some(spec.connect_timeout);
    options.read_timeout = Some(spec.response_timeout);
    options.write_timeout = Some(spec.response_timeout);
    options.idle_timeout = Some(spec.idle_timeout);
    options.alpn = alpn(spec.protocol);
    // Pingora would open a connection for each request at once.
    options.max_h2_streams = MAX_STREAMS;
    options
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Requests at once over one connection of HTTP/2: what servers are used to.
const MAX_STREAMS: usize = 100;

/// How long a start or a reload waits for names that are new.
const FIRST_LOOK: Duration = Duration::from_secs(2);

/// How many addresses of one name are used: whoever answers for a name must not fill our memory.
const MAX_ADDRESSES: usize = 64;

#[cfg(test)]
mod tests;
