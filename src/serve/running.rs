//! The server as a value: started, asked, reloaded, stopped, joined.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::sync::watch;

use super::access_log::{AccessFormat, AccessLog, Output};
use super::alerts::Taker;
use super::holders::SelfServed;
use super::lock::{ServeLock, Taken};
use super::log_file::LogFile;
use super::reload::Watches;
use super::service::{Crew, Posts, Service, join_all};
use super::signing::Signing;
use super::status::{self, BEAT, Pulse};
use super::tellers::Tellers;
use super::upgrade::{self, Door, Estate, Inheritance, Socket};
use super::usage::UsageBook;
use super::{Inherited, Notice, ServeError, ServeOptions, access_format, explain, limits, reload};
use crate::admin::{Desk, Handlers, NotReady};
use crate::config::{Address, Config, Loaded};
use crate::edge::AccessSink;
use crate::gateway::{Bound, Gateway, ListenAddress};
use crate::metrics::{Drops, EXPIRING, LimitKind, Metrics, SnapshotFacts};
use crate::sidecar::Sidecar;
use crate::store::LOCK_FILE;
use crate::verify::{Health, Verifier, wall};

/// A running server. Dropping it cuts everything; [`Running::shutdown`] and [`Running::join`] let what
/// is being asked finish.
pub struct Running {
    core: Arc<Core>,
    posts: Posts,
    service: Arc<Service>,
    tending: Option<JoinHandle<()>>,
    /// Ends it.
    over: watch::Sender<bool>,
    /// What would be handed to another process.
    estate: Option<Arc<Estate>>,
    never: watch::Sender<bool>,
    log: Arc<AccessLog>,
    log_thread: Option<JoinHandle<()>>,
    usage: Arc<UsageBook>,
    usage_thread: Option<JoinHandle<()>>,
    /// `None` once it is another process's alone.
    lock: Option<ServeLock>,
    /// From before it said that it serves: a change right after that is none to miss.
    looking: Option<Watches>,
}

/// Where a server listens.
pub(super) struct Doors {
    pub(super) proxy: Vec<ListenAddress>,
    pub(super) sidecar: Vec<ListenAddress>,
    pub(super) admin: Vec<ListenAddress>,
    pub(super) portal: Vec<ListenAddress>,
}

impl Doors {
    fn of(posts: &Posts) -> Self {
        let Posts { proxy, sidecar, admin, portal } = posts;
        let [proxy, sidecar, admin, portal] = [proxy, sidecar, admin, portal].map(|bound| addresses(bound));
        Self { proxy, sidecar, admin, portal }
    }
}

fn addresses(bound: &[Bound]) -> Vec<ListenAddress> {
    bound.iter().map(|bound| bound.address().clone()).collect()
}

/// What reloads and endpoints need.
pub(super) struct Core {
    config: Mutex<Arc<Config>>,
    verifier: Arc<Verifier>,
    gateway: Arc<Gateway>,
    sidecar: Option<Arc<Sidecar>>,
    signing: Signing,
    metrics: Arc<Metrics>,
    log: Arc<AccessLog>,
    notify: Arc<dyn Fn(&Notice) + Send + Sync>,
    usage: Arc<UsageBook>,
    tellers: Arc<Tellers>,
    pulse: Pulse,
    /// Whether the data directory is not the configuration's.
    has_own_data_dir: bool,
    /// What of the access log is not the configuration's.
    log_format: Option<AccessFormat>,
    has_own_log: bool,
    is_draining: AtomicBool,
}

impl Running {
    #[allow(clippy::too_many_lines, reason = "where everything is put together, once, in order")]
    pub(super) fn start(mut loaded: Loaded, mut options: ServeOptions) -> Result<Self, ServeError> {
        loaded.note_dates(wall());
        let Loaded { mut config, warnings, .. } = loaded;
        if let Some(dir) = &options.data_dir {
            config.data_dir.clone_from(dir);
        }
        let config = Arc::new(config);
        let looking = Some(Watches::of(&config));
        if !warnings.is_empty() {
            (options.notify)(&Notice::Warning(warnings.to_string()));
        }
        let mut taken = None;
        if options.is_upgrade {
            taken = Some(Inheritance::ask(&config.data_dir).map_err(no_upgrade(&config))?);
        }
        // Everything that can fail for a reason of the machine's comes before the store is loaded.
        let Opened { lock, workers, posts } = Opened::new(&config, &mut options, &mut taken)?;
        if let Some(warning) = limits::raise_open_files(config.server.max_connections) {
            (options.notify)(&Notice::Warning(warning));
        }
        let signing = Signing::open(&config)?;
        options.verify.budget = config.server.fresh_within;
        let verifier = Verifier::open(&config.data_dir, Arc::clone(&config.rules), options.verify)?;
        if !verifier.is_proven() {
            (options.notify)(&Notice::Warning(
                "the store cannot be written from here, so every request reads it: this is slow".to_owned(),
            ));
        }
        if options.is_shared {
            (options.notify)(&Notice::Shared);
        }
        let metrics = Arc::new(Metrics::new());
        metrics.expect_limits(limits_of(&config));
        metrics.set_started(wall());
        let has_own_log = options.access_out.is_some();
        let format = access_format(options.access_format, has_own_log, &config.access_log);
        let notify: Arc<dyn Fn(&Notice) + Send + Sync> = Arc::from(options.notify);
        let tellers = Tellers::new(&config, &verifier, &notify)?;
        let log = AccessLog::new(format, config.access_log.sample, tellers.exporter());
        let sink: Arc<dyn AccessSink> = Arc::clone(&log) as _;
        let keys = Arc::clone(signing.keys());
        let (watched, counts) = (Arc::clone(&verifier), Arc::clone(&metrics));
        let sidecar = Sidecar::new(&config, watched, counts, Arc::clone(&sink), Arc::clone(&keys));
        let gateway = Gateway::new(&config, Arc::clone(&verifier), Arc::clone(&metrics), sink, keys)?;
        let usage = Arc::new(UsageBook::new(config.usage));
        let usage_thread = usage.spawn(&config.data_dir).map_err(system("the usage thread"))?;
        let out = open_log(options.access_out.take(), &config)?;
        let log_thread = spawn_log(&log, out, &usage, &tellers, &notify)?;
        let tell = Arc::clone(&notify);
        verifier.on_grant_trouble(move |trouble| tell(&Notice::of_grants(trouble)));
        let core = Arc::new(Core {
            config: Mutex::new(Arc::clone(&config)),
            verifier,
            gateway,
            sidecar,
            signing,
            metrics,
            log: Arc::clone(&log),
            notify,
            usage: Arc::clone(&usage),
            tellers: Arc::clone(&tellers),
            pulse: Pulse::default(),
            has_own_data_dir: options.data_dir.is_some(),
            log_format: options.access_format,
            has_own_log,
            is_draining: AtomicBool::new(false),
        });
        core.gateway.serve_holders(Arc::new(SelfServed::new(Arc::downgrade(&core))));
        let service = Service::new(&core, desk(&core, Doors::of(&posts)), workers);
        let mut estate = None;
        if !options.is_shared {
            let kept = copies(&posts).map_err(system("the copies of sockets"))?;
            let lock = lock.copy().map_err(system("the copy of the lock"))?;
            estate = Some(Estate::new(kept, lock, Arc::clone(&service)));
        }
        if let Some(taken) = &mut taken {
            // From here on the other process stands by.
            taken.ready(&core.verifier, service.desk()).map_err(no_upgrade(&config))?;
        }
        tellers.spawn().map_err(system("those who tell others"))?;
        let mut running = Self {
            posts,
            service,
            tending: None,
            over: watch::Sender::new(false),
            estate: estate.clone(),
            never: watch::Sender::new(false),
            log,
            log_thread: Some(log_thread),
            usage,
            usage_thread: Some(usage_thread),
            lock: Some(lock),
            looking,
            core: Arc::clone(&core),
        };
        running.service.begin(&mut running.posts)?;
        let over = running.over.subscribe();
        running.tending = Some(spawn_tending(&core, estate.clone(), over)?);
        running.say_started();
        if let Some(taken) = taken {
            // From here on it is gone, and what it leaves is ours.
            running.posts.each().for_each(Bound::own);
            running.lock.iter_mut().for_each(ServeLock::sign);
            taken.serving(&core, estate);
        }
        Ok(running)
    }

    fn say_started(&self) {
        let config = self.core.config();
        self.notify(&Notice::Started {
            proxy: self.addresses(),
            sidecar: self.sidecar(),
            admin: self.managed(),
            portal: self.visited(),
            revision: self.core.verifier.revision().unwrap_or_default().0,
            keys: self.core.verifier.counts().0,
            routes: config.route_names.len(),
            workers: self.service.workers(),
        });
    }

    /// Returns where the gateway listens, with the ports the kernel chose.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        addresses(&self.posts.proxy)
    }

    /// Returns where the sidecar listens.
    pub fn sidecar(&self) -> Vec<ListenAddress> {
        addresses(&self.posts.sidecar)
    }

    /// Returns where health, readiness, metrics and the admin API are.
    pub fn managed(&self) -> Vec<ListenAddress> {
        addresses(&self.posts.admin)
    }

    /// Returns where the portal listens.
    pub fn visited(&self) -> Vec<ListenAddress> {
        addresses(&self.posts.portal)
    }

    /// Returns the first address of the admin API on TCP.
    pub fn admin(&self) -> Option<SocketAddr> {
        self.posts.admin.iter().find_map(|bound| match bound.address() {
            ListenAddress::Tcp(address) => Some(*address),
            ListenAddress::Unix(_) => None,
        })
    }

    /// Returns what decides.
    pub fn verifier(&self) -> &Arc<Verifier> {
        &self.core.verifier
    }

    /// Returns what is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.core.metrics
    }

    /// Reads the configuration file again and puts it in force, or says why not and changes nothing.
    pub fn reload_and_say(&self) {
        // What the file asks for may have been made a moment ago.
        self.look_at_signing_keys();
        self.notify(&self.core.reload());
    }

    /// Puts the signing keys of the data directory in force, if they are others than before.
    pub fn look_at_signing_keys(&self) {
        if let Some(notice) = self.core.signing.look(&self.core.config()) {
            self.notify(&notice);
        }
    }

    /// Opens the access log's file anew: it may have been moved away.
    pub fn reopen_log(&self) {
        self.log.reopen();
    }

    /// Stops accepting and lets what is being asked finish. Returns at once; then [`Running::join`].
    pub fn shutdown(&self) {
        self.core.begin_draining();
        if let Some(estate) = &self.estate {
            estate.let_go();
        }
        self.service.drain();
    }

    /// Waits until everything that was being asked is answered, at most the configured time, cuts
    /// what is left, and takes the server down. Stops it first, if nobody did.
    pub fn join(mut self) {
        self.shutdown();
        let deadline = self.drain_timeout();
        let clock = self.core.verifier.clock();
        if !self.service.wait(clock, deadline) {
            self.cut();
            self.service.wait(clock, CUT);
        }
        self.take_down();
        self.notify(&Notice::Stopped);
    }

    /// Takes what looks for changes of the configuration file, and of the files it names.
    pub(super) fn take_watches(&mut self) -> Watches {
        self.looking.take().unwrap_or_else(|| Watches::of(&self.core.config()))
    }

    /// Has the files watched that the configuration in force names.
    pub(super) fn watch_certificates(&self, watches: &mut Watches) {
        watches.follow(&self.core.config());
    }

    pub(super) fn drain_timeout(&self) -> Duration {
        self.core.config().server.drain_timeout
    }

    pub(super) fn crew(&self) -> watch::Receiver<Crew> {
        self.service.crew()
    }

    /// Tells when another process serves in this one's place. Never, where that cannot be.
    pub(super) fn handed(&self) -> watch::Receiver<bool> {
        self.estate.as_ref().map_or_else(|| self.never.subscribe(), |estate| estate.handed())
    }

    /// Tells when nobody has to hear from this server any more: at once, unless another process goes on with its counts.
    pub(super) fn told(&self) -> watch::Receiver<bool> {
        let estate = self.estate.as_ref().filter(|estate| estate.is_spent());
        estate.map_or_else(|| watch::Sender::new(true).subscribe(), |estate| estate.told())
    }

    /// Says whether this server stops because another process takes its place.
    pub(super) fn is_handing_over(&self) -> bool {
        self.estate.as_ref().is_some_and(|estate| estate.is_spent())
    }

    /// Lets go of the data directory, which another process serves: should that one end before this one has, the next
    /// need not wait.
    pub(super) fn unlock(&mut self) {
        self.lock = None;
    }

    pub(super) fn notify(&self, notice: &Notice) {
        (self.core.notify)(notice);
    }

    /// Cuts what is left.
    pub(super) fn cut(&self) {
        // Asked before they are told: they may end at once.
        let are_left = self.service.crew().borrow().left > 0;
        if self.service.cut() && are_left {
            self.notify(&Notice::Cut);
        }
    }

    /// Ends every thread.
    fn take_down(&mut self) {
        self.service.take_down(self.core.verifier.clock());
        self.over.send_replace(true);
        join_all(self.tending.take());
        self.core.verifier.close();
        self.log.close();
        join_all(self.log_thread.take());
        // The last lines may have brought uses.
        self.usage.close();
        join_all(self.usage_thread.take());
        self.core.tellers.stop(self.core.verifier.clock(), CUT);
        if self.is_handing_over() {
            self.posts.each().for_each(Bound::disown);
        }
        let Posts { proxy, sidecar, admin, portal } = &mut self.posts;
        [proxy, sidecar, admin, portal].into_iter().for_each(Vec::clear);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.take_down();
    }
}

impl fmt::Debug for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Running")
            .field("addresses", &self.addresses())
            .field("admin", &self.managed())
            .finish_non_exhaustive()
    }
}

impl Core {
    pub(super) fn notify(&self, notice: &Notice) {
        (self.notify)(notice);
    }

    /// Has those told who are to be told of such things.
    pub(super) fn note(&self, notice: &Notice) {
        self.tellers.note(notice);
    }

    pub(super) fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// Says from now on that it is no longer ready.
    pub(super) fn begin_draining(&self) {
        self.is_draining.store(true, Ordering::SeqCst);
    }

    /// Takes that back.
    pub(super) fn end_draining(&self) {
        self.is_draining.store(false, Ordering::SeqCst);
    }

    pub(super) fn verifier(&self) -> &Verifier {
        &self.verifier
    }

    pub(super) fn config(&self) -> Arc<Config> {
        Arc::clone(&self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Arc<Config>> {
        self.config.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn reload(&self) -> Notice {
        // Held throughout: two reloads at once would leave a mixture.
        let mut held = self.lock();
        let mut loaded = match Config::read(&held.path) {
            Ok(loaded) => loaded,
            Err(error) => {
                self.metrics.reloaded(false);
                return Notice::ReloadFailed(described(&error));
            }
        };
        loaded.note_dates(self.verifier.now().wall);
        if !loaded.warnings.is_empty() {
            (self.notify)(&Notice::Warning(loaded.warnings.to_string()));
        }
        let mut config = loaded.config;
        if self.has_own_data_dir {
            config.data_dir.clone_from(&held.data_dir);
        }
        let needs_restart = reload::needs_restart(&held, &config);
        // What this process changes it changes in the store it serves, whatever the file says by now.
        config.data_dir.clone_from(&held.data_dir);
        let config = Arc::new(config);
        if let Some(error) = self.signing.lacks(&config) {
            self.metrics.reloaded(false);
            return Notice::ReloadFailed(error.to_string());
        }
        let crew = match self.tellers.prepare(&config) {
            Ok(crew) => crew,
            Err(error) => {
                self.metrics.reloaded(false);
                return Notice::ReloadFailed(described(&error));
            }
        };
        let mut log_out = None;
        if !self.has_own_log && reload::moves_log(&held, &config) {
            match open_log(None, &config) {
                Ok(out) => log_out = Some(out),
                Err(error) => {
                    self.metrics.reloaded(false);
                    return Notice::ReloadFailed(described(&error));
                }
            }
        }
        if let Some(sidecar) = &self.sidecar {
            sidecar.reconfigure(&config);
        }
        if let Err(error) = self.gateway.reconfigure(&config) {
            self.metrics.reloaded(false);
            return Notice::ReloadFailed(described(&error));
        }
        self.metrics.reloaded(true);
        self.metrics.expect_limits(limits_of(&config));
        self.usage.keep_for(config.usage);
        self.log.set_sample(config.access_log.sample);
        let format = access_format(self.log_format, self.has_own_log, &config.access_log);
        self.log.move_to(format, log_out);
        if let Err(error) = self.tellers.replace(crew) {
            let text = format!("who is to be told, and traces, stay as they were: {error}");
            (self.notify)(&Notice::Warning(text));
        }
        self.log.export_to(self.tellers.exporter());
        let clear = reload::drops_tls(&held, &config);
        if !clear.is_empty() {
            let text = format!("in clear text from now on, as the configuration says: {}", clear.join(", "));
            (self.notify)(&Notice::Warning(text));
        }
        *held = Arc::clone(&config);
        Notice::Reloaded { routes: config.route_names.len(), needs_restart }
    }

    pub(super) fn readiness(&self) -> Result<(), NotReady> {
        if self.is_draining.load(Ordering::SeqCst) {
            return Err(NotReady { code: "draining", reason: "it was told to stop".to_owned() });
        }
        match self.verifier.health() {
            Health::Ready => Ok(()),
            Health::Unready(why) => Err(NotReady { code: why.code(), reason: why.to_string() }),
        }
    }

    pub(super) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(super) fn sidecar(&self) -> Option<&Arc<Sidecar>> {
        self.sidecar.as_ref()
    }

    pub(super) fn pulse(&self) -> &Pulse {
        &self.pulse
    }

    /// Notes, again and again, how many requests there were.
    async fn count_beats(&self) {
        let mut beats = tokio::time::interval(BEAT);
        beats.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            beats.tick().await;
            self.pulse.beat(self.verifier.clock().elapsed(), self.metrics.answered());
        }
    }

    fn scrape(&self) -> String {
        self.bring_up_to_date();
        self.metrics.render()
    }

    /// Hands the metrics what is known elsewhere.
    pub(super) fn bring_up_to_date(&self) {
        let verifier = &self.verifier;
        self.metrics.set_snapshot(SnapshotFacts {
            revision: verifier.revision().unwrap_or_default().0,
            age: verifier.age(),
            lag: verifier.lag(),
            keys: verifier.counts().0 as u64,
            expiring: verifier.expiring(EXPIRING.map(|(within, _)| within)),
            refreshes: verifier.refreshes(),
            grants: verifier.grants(),
            ready: self.readiness().is_ok(),
        });
        let dropped = self.log.dropped();
        let (uses_full, uses_failed) = self.usage.lost();
        for (drops, total) in [
            (Drops::LinesFull, dropped.full),
            (Drops::LinesFailed, dropped.failed),
            (Drops::UsesFull, dropped.uses + uses_full),
            (Drops::UsesFailed, uses_failed),
        ] {
            self.metrics.set_dropped(drops, total);
        }
        let report = self.gateway.report();
        let servers = report.iter().flat_map(|(upstream, servers)| {
            servers
                .iter()
                .map(|server| (upstream.as_str(), server.server.as_str(), server.is_up(), server.in_flight()))
        });
        self.metrics.set_servers(servers);
        let config = self.config();
        let files: Vec<_> =
            config.certificates.iter().map(|c| (c.path.to_string_lossy(), c.not_after)).collect();
        self.metrics.set_certificates(files.iter().map(|(path, until)| (&**path, *until)));
        self.tellers.report(&self.metrics);
    }
}

/// An error with its causes, for one notice.
pub(super) fn described(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

/// Starts the thread that writes lines, notes uses of keys, and says what is to be said of them.
fn spawn_log(
    log: &Arc<AccessLog>,
    out: Output,
    usage: &Arc<UsageBook>,
    tellers: &Arc<Tellers>,
    notify: &Arc<dyn Fn(&Notice) + Send + Sync>,
) -> Result<JoinHandle<()>, ServeError> {
    let (book, told) = (Arc::clone(usage), Arc::clone(tellers));
    let (tell, say) = (Arc::clone(notify), Arc::clone(notify));
    let used = move |uses| {
        for notice in book.note(uses) {
            told.note(&notice);
            tell(&notice);
        }
    };
    log.spawn_writer(out, used, move |notice| say(notice)).map_err(system("the log thread"))
}

fn limits_of(config: &Config) -> impl Iterator<Item = (&str, LimitKind)> {
    let limits = config.plans.iter().flat_map(|plan| &plan.limits);
    limits.map(|spec| (spec.name.as_str(), LimitKind::of(&spec.limit)))
}

/// Opens what access lines go to: what the caller gave, the configuration's file, or standard output.
fn open_log(given: Option<Box<dyn Write + Send>>, config: &Config) -> Result<Output, ServeError> {
    if let Some(given) = given {
        return Ok(Output::Stream(given));
    }
    let Some(path) = &config.access_log.file else { return Ok(Output::Stream(Box::new(io::stdout()))) };
    let file = LogFile::open(path, config.access_log.rotation, wall());
    file.map(Output::File).map_err(|source| ServeError::AccessLog { path: path.clone(), source })
}

fn take_lock(config: &Config, is_shared: bool) -> Result<ServeLock, ServeError> {
    ServeLock::take(&config.data_dir, is_shared).map_err(|taken| match taken {
        Taken::By(pid) => ServeError::AlreadyServed { dir: config.data_dir.clone(), pid },
        Taken::Io(source) => ServeError::Lock { path: config.data_dir.join(LOCK_FILE), source },
    })
}

pub(super) fn listen_address(address: &Address) -> ListenAddress {
    match address {
        Address::Tcp(address) => ListenAddress::Tcp(*address),
        Address::Unix(path) => ListenAddress::Unix(path.clone()),
        Address::Name(..) => unreachable!("the configuration takes names for upstreams only"),
    }
}

/// What a server holds before it loads anything.
struct Opened {
    lock: ServeLock,
    workers: usize,
    posts: Posts,
}

impl Opened {
    /// Takes what the process before had and what systemd made, and the rest for itself.
    fn new(
        config: &Config,
        options: &mut ServeOptions,
        taken: &mut Option<Inheritance>,
    ) -> Result<Self, ServeError> {
        let mut sockets = taken.as_mut().map(Inheritance::take_sockets).unwrap_or_default();
        sockets.extend(std::mem::take(&mut options.inherited).into_iter().filter_map(|s| named(s, config)));
        let lock = match taken {
            Some(taken) => taken.take_lock(),
            None => take_lock(config, options.is_shared)?,
        };
        let workers = config.server.workers.unwrap_or_else(cores);
        let workers = workers_for(&sockets, workers, taken.is_some());
        let addresses: Vec<_> = config.listen.proxy.iter().map(|l| l.address.clone()).collect();
        let proxy = upgrade::bind(Door::Proxy, &addresses, workers, &mut sockets)?;
        let asks = config.sidecar.as_ref().map_or(&[][..], |sidecar| &sidecar.listen);
        let sidecar = upgrade::bind(Door::Sidecar, asks, workers, &mut sockets)?;
        let admin = upgrade::bind(Door::Admin, &config.listen.admin, 1, &mut sockets)?;
        let portal = upgrade::bind(Door::Portal, &config.listen.portal, 1, &mut sockets)?;
        for unused in sockets {
            let text =
                format!("a listening socket for {} was given, which is not in `listen`", unused.address);
            (options.notify)(&Notice::Warning(text));
        }
        Ok(Self { lock, workers, posts: Posts { proxy, sidecar, admin, portal } })
    }
}

/// Returns copies of every listening socket, with what each is for.
fn copies(posts: &Posts) -> io::Result<Vec<Socket>> {
    let mut all = Vec::new();
    let Posts { proxy, sidecar, admin, portal } = posts;
    for (door, bound) in
        [(Door::Proxy, proxy), (Door::Sidecar, sidecar), (Door::Admin, admin), (Door::Portal, portal)]
    {
        for one in bound {
            let address = one.address().to_string();
            let is_lent = one.is_lent();
            let sockets = one.copies()?.into_iter();
            all.extend(sockets.map(|fd| Socket { door, address: address.clone(), is_lent, fd }));
        }
    }
    Ok(all)
}

/// Finds out what a socket is for that was made beforehand: what is configured at its address.
fn named(socket: Inherited, config: &Config) -> Option<Socket> {
    let (address, fd): (String, std::os::fd::OwnedFd) = match socket {
        Inherited::Tcp(listener) => (listener.local_addr().ok()?.to_string(), listener.into()),
        Inherited::Unix(listener) => {
            let address = listener.local_addr().ok()?;
            (format!("unix:{}", address.as_pathname()?.display()), listener.into())
        }
    };
    let is_at = |listed: &[Address]| listed.iter().any(|one| one.to_string() == address);
    let door = if is_at(&config.listen.admin) {
        Door::Admin
    } else if is_at(&config.listen.portal) {
        Door::Portal
    } else if config.sidecar.as_ref().is_some_and(|sidecar| is_at(&sidecar.listen)) {
        Door::Sidecar
    } else {
        Door::Proxy
    };
    Some(Socket { door, address, is_lent: true, fd })
}

/// Returns how many workers there are to be: after an upgrade as many as there were, since each of the sockets
/// taken over has a queue of its own.
fn workers_for(sockets: &[Socket], wanted: usize, is_upgrade: bool) -> usize {
    let first =
        sockets.iter().find(|socket| socket.door == Door::Proxy && !socket.address.starts_with("unix:"));
    let count = |of: &Socket| sockets.iter().filter(|s| s.door == of.door && s.address == of.address).count();
    first.filter(|_| is_upgrade).map_or(wanted, count)
}

fn no_upgrade(config: &Config) -> impl Fn(io::Error) -> ServeError + use<> {
    let dir = config.data_dir.clone();
    move |source| ServeError::Upgrade { dir: dir.clone(), source }
}

/// What the admin API and the portal work with.
fn desk(core: &Arc<Core>, doors: Doors) -> Arc<Desk> {
    let of = || Arc::clone(core);
    let (ready, metrics, jwks, asked, config) = (of(), of(), of(), of(), of());
    let (shown, now, limits, replaced, servers) = (of(), of(), of(), of(), of());
    Desk::new(Handlers {
        ready: Box::new(move || ready.readiness()),
        metrics: Box::new(move || metrics.scrape()),
        jwks: Box::new(move || jwks.signing.keys().ring().jwks()),
        explain: Box::new(move |question| {
            let core = Arc::clone(&asked);
            Box::pin(async move { explain::explain(&question, &core.config(), &core.verifier).await })
        }),
        alerts: Arc::new(Taker::new(of())),
        config: Box::new(move || config.config()),
        status: Box::new(move || status::status(&shown, &doors)),
        now: Box::new(move || now.verifier.now()),
        limits: Box::new(move |digest| {
            let engine = limits.verifier.current();
            engine.map_or_else(Vec::new, |engine| engine.limits_of_key(digest, limits.verifier.now()))
        }),
        replaced: Box::new(move |most| replaced.verifier.replaced(most)),
        servers: Box::new(move || {
            let each = servers.gateway.report().into_iter();
            each.flat_map(|(upstream, all)| {
                all.into_iter().map(move |one| (upstream.clone(), one.server.clone(), one.is_up()))
            })
            .collect()
        }),
    })
}

/// Looks after the backends until everything is told to end.
fn spawn_tending(
    core: &Arc<Core>,
    estate: Option<Arc<Estate>>,
    mut over: watch::Receiver<bool>,
) -> Result<JoinHandle<()>, ServeError> {
    let runtime = current_thread().map_err(system("the runtime that looks after backends"))?;
    let (gateway, core) = (Arc::clone(&core.gateway), Arc::clone(core));
    let counting = Arc::clone(&core);
    let upgrades = estate.and_then(|estate| {
        let _on = runtime.enter();
        Some((upgrade::listen(&core)?, estate))
    });
    let upgrades = async move {
        match upgrades {
            Some((listener, estate)) => upgrade::answer(listener, core, estate).await,
            None => std::future::pending().await,
        }
    };
    thread::Builder::new()
        .name("kgate-tend".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    () = gateway.tend() => {}
                    () = counting.count_beats() => {}
                    () = upgrades => {}
                    _ = over.wait_for(|over| *over) => {}
                }
            });
            // A resolver that hangs is not waited for.
            runtime.shutdown_background();
        })
        .map_err(system("the thread that looks after backends"))
}

pub(super) fn current_thread() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()
}

pub(super) fn system(what: &'static str) -> impl Fn(io::Error) -> ServeError {
    move |source| ServeError::System { what, source }
}

fn cores() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// How long cutting may take: no request is waited for any more.
pub(super) const CUT: Duration = Duration::from_secs(2);
