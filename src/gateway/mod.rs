//! The proxy: its own accept loop, Pingora's request machinery, the upstreams. `serve` makes one
//! [`Gateway`], and one [`Worker`] on each of its single-threaded runtimes.
//!
//! A request's way: [`wire`](self) hands Pingora one whole head; `door` has `verify` judge it; a denial
//! is worded by `edge` and sent, or a permit becomes a [`Forwarding`](exchange), without which nothing
//! is forwarded; `forward` writes the head the backend gets.

mod alarm;
mod announced;
mod compress;
mod connection;
mod door;
pub mod echo;
mod exchange;
mod forward;
mod framing;
mod h2;
mod head;
mod holders;
mod links;
mod listen;
mod live;
mod pipe;
mod plain;
mod reply;
mod route;
mod setup;
mod upstream;
mod wire;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::apps::HttpServerOptions;
use pingora::proxy::HttpProxy;
use pingora::server::configuration::ServerConf;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::config::{Address, Config};
use crate::edge::{AccessSink, Callers};
use crate::metrics::{ListenerSeries, Metrics};
use crate::policy::Rules;
use crate::sign::Keys;
use crate::verify::Verifier;

use connection::Connections;
use door::Door;
pub use holders::{Asked, Holders};
use links::Links;
pub use listen::{BindError, Bound, ListenAddress, Listener};
use live::Lives;
use setup::Setup;
pub use setup::SetupError;
pub use upstream::{AddressReport, ServerReport, ServerState};

/// How a running worker is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Go on.
    #[default]
    Running,
    /// Accept nothing new, answer what is being asked, close idle connections now. Who has just connected, or was
    /// answered just now, may still ask.
    Draining,
    /// Cut what is left.
    Now,
}

/// The receiving end of [`Stop`].
#[derive(Clone)]
struct Stopped(watch::Receiver<Stop>);

impl Stopped {
    /// Waits until told to end this urgently. A sender that is gone is as urgent as can be.
    async fn reaches(&mut self, stop: Stop) {
        let _ = self.0.wait_for(|now| *now >= stop).await;
    }
}

/// What all workers of a process share.
pub struct Gateway {
    setups: ArcSwap<Setups>,
    /// Told when there is another configuration.
    changed: watch::Sender<()>,
    verifier: Arc<Verifier>,
    metrics: Arc<Metrics>,
    sink: Arc<dyn AccessSink>,
    keys: Arc<Keys>,
    /// Who does what holders ask for.
    holders: OnceLock<Arc<dyn Holders>>,
    /// Requests in work.
    in_flight: AtomicUsize,
    /// One permit for each connection that may be open.
    places: Arc<Semaphore>,
    /// The connections of each address.
    callers: Arc<Callers>,
    /// Where it listens, in the order of the configuration it was started with.
    addresses: Vec<Address>,
    /// What is counted of each of them.
    listeners: Vec<ListenerSeries>,
}

/// The configuration in force, and the one before it: a request may have been judged by its rules.
struct Setups {
    current: Arc<Setup>,
    previous: Option<Arc<Setup>>,
}

impl Gateway {
    /// Puts a gateway together. The verifier must hold `config.rules`; `keys` sign for backends.
    ///
    /// # Errors
    /// [`SetupError`]: a server of an upstream cannot be an address.
    pub fn new(
        config: &Config,
        verifier: Arc<Verifier>,
        metrics: Arc<Metrics>,
        sink: Arc<dyn AccessSink>,
        keys: Arc<Keys>,
    ) -> Result<Arc<Self>, SetupError> {
        let addresses: Vec<_> = config.listen.proxy.iter().map(|l| l.address.clone()).collect();
        let current = Arc::new(Setup::new(config, &metrics, &keys, &addresses, None)?);
        let listeners = addresses.iter().map(|address| metrics.listener(&address.to_string())).collect();
        Ok(Arc::new(Self {
            listeners,
            setups: ArcSwap::from_pointee(Setups { current, previous: None }),
            changed: watch::Sender::new(()),
            verifier,
            metrics,
            sink,
            keys,
            holders: OnceLock::new(),
            in_flight: AtomicUsize::new(0),
            places: Arc::new(Semaphore::new(config.server.max_connections)),
            callers: Arc::default(),
            addresses,
        }))
    }

    /// Has somebody do what holders ask for. The first one does; without one they get 503.
    pub fn serve_holders(&self, holders: Arc<dyn Holders>) {
        let _ = self.holders.set(holders);
    }

    /// Takes over a changed configuration and gives its rules to the verifier. Requests in work are
    /// finished under the old one. Addresses, workers, the connection cap and the size of the
    /// keep-alive pool need a restart.
    ///
    /// # Errors
    /// [`SetupError`]; the old configuration then goes on.
    pub fn reconfigure(&self, config: &Config) -> Result<(), SetupError> {
        let before = Arc::clone(&self.setups.load().current);
        let current = Setup::new(config, &self.metrics, &self.keys, &self.addresses, Some(&before))?;
        let (current, previous) = (Arc::new(current), Some(before));
        // First here, then there: a permit made under the new rules must find its upstreams.
        self.setups.store(Arc::new(Setups { current, previous }));
        self.verifier.set_rules(Arc::clone(&config.rules));
        self.changed.send_replace(());
        Ok(())
    }

    /// Looks after the backends beside requests, on whatever runtime it is polled, until it is dropped: asks
    /// servers whether they are well, looks names up again. One for the process is enough.
    pub async fn tend(self: Arc<Self>) {
        upstream::tend(self).await;
    }

    /// Returns the upstreams of the configuration in force and how their servers are.
    pub fn report(&self) -> Vec<(String, Vec<ServerReport>)> {
        let now = self.verifier.now().mono;
        self.setup().upstreams.iter().map(|upstream| (upstream.name.clone(), upstream.report(now))).collect()
    }

    /// Returns where it listens, in the order of the configuration it was started with, and how many
    /// connections are open there.
    pub fn connections(&self) -> impl Iterator<Item = (&Address, u64)> {
        self.addresses.iter().zip(self.listeners.iter().map(ListenerSeries::open))
    }

    /// Returns how many requests are in work.
    pub fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Makes a worker, on the runtime it is to run on, with its own connections to the backends.
    /// `keepalive` is how many of those it keeps idle.
    pub fn worker(self: &Arc<Self>, keepalive: usize) -> Worker {
        let (draining, watched) = watch::channel(false);
        let conf = ServerConf {
            // Attempts, not repetitions.
            max_retries: 2,
            threads: 1,
            upstream_keepalive_pool_size: keepalive,
            ..ServerConf::default()
        };
        let links = Arc::new(Links::new(self.verifier.clock(), keepalive));
        let door = Door::new(Arc::clone(self), watched.clone(), Arc::clone(&links));
        let mut proxy = HttpProxy::new(door, Arc::new(conf));
        let mut options = HttpServerOptions::default();
        // Not to proxy it: Pingora's own refusal would pass by our answers and logs.
        options.allow_connect_method_proxying = true;
        proxy.server_options = Some(options);
        proxy.handle_init_modules();
        Worker { gateway: Arc::clone(self), proxy: Arc::new(proxy), links, draining, watched }
    }

    fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setups.load().current)
    }

    /// Returns the configuration that goes with `rules`.
    fn setup_of(&self, rules: &Arc<Rules>) -> Option<Arc<Setup>> {
        let setups = self.setups.load();
        [Some(&setups.current), setups.previous.as_ref()]
            .into_iter()
            .flatten()
            .find(|setup| Arc::ptr_eq(setup.rules(), rules))
            .map(Arc::clone)
    }
}

/// One thread's share of the work.
pub struct Worker {
    gateway: Arc<Gateway>,
    proxy: Arc<HttpProxy<Door>>,
    links: Arc<Links>,
    draining: watch::Sender<bool>,
    watched: watch::Receiver<bool>,
}

impl Worker {
    /// Serves connections until told to stop; `listeners` in the order of the configuration. Returns when none is left: after [`Stop::Draining`] as
    /// soon as the last answer is sent, after [`Stop::Now`] at once. A dropped sender is `Now`.
    pub async fn run(self, listeners: Vec<Listener>, stop: watch::Receiver<Stop>) {
        let mut stop = Stopped(stop);
        let (inner, stopped) = watch::channel(Stop::Running);
        let mut loops = JoinSet::new();
        let lives = Arc::new(Lives::default());
        // Ends with this call.
        let mut watching = JoinSet::new();
        watching.spawn(Arc::clone(&lives).watch(Arc::clone(&self.gateway)));
        watching.spawn(Arc::clone(&self.links).watch());
        for (number, listener) in listeners.into_iter().enumerate() {
            let connections = Connections::new(
                Arc::clone(&self.gateway),
                Arc::clone(&self.proxy),
                self.watched.clone(),
                Arc::clone(&lives),
                number,
            );
            loops.spawn(connections.accept_on(listener, Stopped(stopped.clone())));
        }
        stop.reaches(Stop::Draining).await;
        // From here on every answer closes its connection. What had been sent before is still taken in:
        // a connection in the kernel's queue, a request on its way to an idle connection.
        let _ = self.draining.send(true);
        tokio::select! {
            biased;
            () = stop.reaches(Stop::Now) => {}
            () = tokio::time::sleep(LATECOMERS) => {}
        }
        let _ = inner.send(Stop::Draining);
        tokio::select! {
            biased;
            () = async { while loops.join_next().await.is_some() {} } => return,
            () = stop.reaches(Stop::Now) => {}
        }
        let _ = inner.send(Stop::Now);
        while loops.join_next().await.is_some() {}
    }
}

/// How long after the word to drain a request that was sent before it may arrive.
pub const LATECOMERS: Duration = Duration::from_millis(50);

/// How much later than that the first request of a connection may come, or the next of one that is in use: who has
/// been let in cannot know that nobody is there any more.
pub const FIRST_WORDS: Duration = Duration::from_secs(2);

/// Waits so long for the first word of somebody who has been let in, by the time in which this process ran: while the
/// machine stood still nobody could say anything. Returns what was waited for, if it came.
pub async fn first_words<T>(word: impl Future<Output = T>) -> Option<T> {
    let mut word = std::pin::pin!(word);
    for _ in 0..PIECES {
        if let Ok(said) = tokio::time::timeout(FIRST_WORDS / PIECES, &mut word).await {
            return Some(said);
        }
    }
    None
}

const PIECES: u32 = 20;
