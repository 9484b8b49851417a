//! The threads that answer: workers, the admin API, the portal. They serve a *term*: from when they accept until they
//! are told not to, because this process stops or another takes its place. If the other one fails, there is
//! another term, with threads of its own, while those of the first finish what they were asked.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::ServeError;
use super::asked;
use super::running::{CUT, Core, current_thread, system};
use crate::admin::{self, Admin, Desk};
use crate::gateway::{Bound, Listener, Stop};
use crate::portal::Portal;
use crate::verify::Clock;

/// Every thread that answers.
pub(super) struct Service {
    core: Arc<Core>,
    /// What the admin API and the portal work with.
    desk: Arc<Desk>,
    workers: usize,
    crew: watch::Sender<Crew>,
    terms: Mutex<Vec<Term>>,
    is_cut: AtomicBool,
}

/// How the workers of all terms are.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct Crew {
    /// How many have not ended.
    pub(super) left: usize,
    /// Whether one ended that nobody had told to.
    pub(super) is_short: bool,
}

/// Where a process listens.
pub(super) struct Posts {
    pub(super) proxy: Vec<Bound>,
    pub(super) sidecar: Vec<Bound>,
    pub(super) admin: Vec<Bound>,
    pub(super) portal: Vec<Bound>,
}

impl Posts {
    pub(super) fn each(&mut self) -> impl Iterator<Item = &mut Bound> {
        let Self { proxy, sidecar, admin, portal } = self;
        proxy.iter_mut().chain(sidecar).chain(admin).chain(portal)
    }
}

struct Term {
    stop: watch::Sender<Stop>,
    admin_stop: watch::Sender<bool>,
    workers: Vec<JoinHandle<()>>,
    /// Those of the admin API and of the portal.
    desks: Vec<JoinHandle<()>>,
}

impl Term {
    fn drain(&self) {
        self.stop.send_if_modified(|stop| {
            let was_running = *stop == Stop::Running;
            *stop = (*stop).max(Stop::Draining);
            was_running
        });
    }
}

impl Service {
    pub(super) fn new(core: &Arc<Core>, desk: Arc<Desk>, workers: usize) -> Arc<Self> {
        Arc::new(Self {
            core: Arc::clone(core),
            desk,
            workers,
            crew: watch::Sender::default(),
            terms: Mutex::default(),
            is_cut: AtomicBool::new(false),
        })
    }

    /// Returns what the admin API and the portal work with.
    pub(super) fn desk(&self) -> &Desk {
        &self.desk
    }

    /// Returns how many workers serve a term.
    pub(super) fn workers(&self) -> usize {
        self.workers
    }

    /// Tells how the workers are.
    pub(super) fn crew(&self) -> watch::Receiver<Crew> {
        self.crew.subscribe()
    }

    /// Begins a term: takes a listener for each worker, and serves.
    pub(super) fn begin(&self, posts: &mut Posts) -> Result<(), ServeError> {
        let (stop, admin_stop) = (watch::Sender::new(Stop::Running), watch::Sender::new(false));
        let mut terms = self.terms();
        // Noted before it is whole: whatever fails on the way, what has begun is told to end.
        terms.push(Term { stop, admin_stop, workers: Vec::new(), desks: Vec::new() });
        let term = terms.last_mut().expect("just pushed");
        let keepalive = self.core.config().server.keepalive_pool.div_ceil(self.workers);
        for number in 0..self.workers {
            let ended = Ended::count(&self.crew, &term.stop);
            let worker = NewWorker { number, keepalive, ended };
            let (proxy, sidecar) = (&mut posts.proxy, &mut posts.sidecar);
            term.workers.push(worker.spawn(&self.core, proxy, sidecar, term.stop.subscribe())?);
        }
        if !posts.admin.is_empty() {
            let runtime = current_thread().map_err(system("the admin runtime"))?;
            let admin = {
                let _on = runtime.enter();
                let sockets = sockets(&mut posts.admin).map_err(system("the admin listener"))?;
                let hosts = self.core.config().listen.admin_hosts.clone();
                Admin::new(sockets, Arc::clone(&self.desk), hosts)
            };
            let serving = admin.serve(term.admin_stop.subscribe());
            let thread = serve_apart("kgate-admin", runtime, serving);
            term.desks.push(thread.map_err(system("the admin thread"))?);
        }
        if !posts.portal.is_empty() {
            let runtime = current_thread().map_err(system("the portal's runtime"))?;
            let portal = {
                let _on = runtime.enter();
                let sockets = sockets(&mut posts.portal).map_err(system("the portal's listener"))?;
                Portal::new(sockets, Arc::clone(&self.desk))
            };
            let serving = portal.serve(term.admin_stop.subscribe());
            let thread = serve_apart("kgate-portal", runtime, serving);
            term.desks.push(thread.map_err(system("the portal's thread"))?);
        }
        Ok(())
    }

    /// Stops accepting and lets what is being asked finish. The admin API and the portal go on.
    pub(super) fn drain(&self) {
        self.terms().iter().for_each(Term::drain);
    }

    /// Stops accepting everywhere: another process is about to.
    pub(super) fn step_back(&self) {
        for term in self.terms().iter() {
            term.drain();
            term.admin_stop.send_replace(true);
        }
    }

    /// Cuts what is left. Says whether nobody had before.
    pub(super) fn cut(&self) -> bool {
        for term in self.terms().iter() {
            term.stop.send_replace(Stop::Now);
        }
        !self.is_cut.swap(true, Ordering::SeqCst)
    }

    /// Waits until all workers have ended, so long at most. Says whether they have.
    pub(super) fn wait(&self, clock: Clock, at_most: Duration) -> bool {
        let deadline = clock.elapsed() + at_most;
        while self.crew.borrow().left > 0 {
            if clock.elapsed() >= deadline {
                return false;
            }
            thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Ends every thread. A worker that does not even end when cut is left behind.
    pub(super) fn take_down(&self, clock: Clock) {
        self.cut();
        let have_ended = self.wait(clock, CUT);
        let terms = std::mem::take(&mut *self.terms());
        for term in terms {
            if have_ended {
                join_all(term.workers);
            }
            term.admin_stop.send_replace(true);
            join_all(term.desks);
        }
    }

    /// Says that nobody answers, and that nothing can be done about it.
    pub(super) fn give_up(&self) {
        self.crew.send_modify(|crew| crew.is_short = true);
    }

    fn terms(&self) -> MutexGuard<'_, Vec<Term>> {
        self.terms.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a worker as ended, even one that panicked.
struct Ended {
    crew: watch::Sender<Crew>,
    stop: watch::Receiver<Stop>,
}

impl Ended {
    fn count(crew: &watch::Sender<Crew>, stop: &watch::Sender<Stop>) -> Self {
        crew.send_modify(|crew| crew.left += 1);
        Self { crew: crew.clone(), stop: stop.subscribe() }
    }
}

impl Drop for Ended {
    fn drop(&mut self) {
        let was_told = *self.stop.borrow() != Stop::Running || self.stop.has_changed().is_err();
        self.crew.send_modify(|crew| {
            crew.left -= 1;
            crew.is_short |= !was_told;
        });
    }
}

/// A worker about to start.
struct NewWorker {
    number: usize,
    /// How many idle connections to backends it keeps.
    keepalive: usize,
    ended: Ended,
}

impl NewWorker {
    fn spawn(
        self,
        core: &Arc<Core>,
        bound: &mut [Bound],
        asked: &mut [Bound],
        stop: watch::Receiver<Stop>,
    ) -> Result<JoinHandle<()>, ServeError> {
        let runtime = current_thread().map_err(system("a worker's runtime"))?;
        let on = runtime.enter();
        let listeners = |bound: &mut [Bound]| -> Result<Vec<Listener>, ServeError> {
            bound.iter_mut().map(Bound::listener).collect::<io::Result<_>>().map_err(system("a listener"))
        };
        let (listeners, asked) = (listeners(bound)?, listeners(asked)?);
        drop(on);
        let (gateway, sidecar) = (Arc::clone(core.gateway()), core.sidecar().cloned());
        thread::Builder::new()
            .name(format!("kgate-worker-{}", self.number))
            .spawn(move || {
                let _ended = self.ended;
                runtime.block_on(async {
                    let mut questions = JoinSet::new();
                    for (sidecar, at) in sidecar.iter().flat_map(std::iter::repeat).zip(asked) {
                        questions.spawn(asked::accept_all(Arc::clone(sidecar), at, stop.clone()));
                    }
                    gateway.worker(self.keepalive).run(listeners, stop).await;
                    questions.join_all().await;
                });
            })
            .map_err(system("a worker"))
    }
}

/// Takes the sockets over, on the runtime that will accept from them.
fn sockets(bound: &mut [Bound]) -> io::Result<Vec<admin::Socket>> {
    let socket = |bound: &mut Bound| {
        Ok(match bound.listener()? {
            Listener::Tcp(listener) => admin::Socket::Tcp(listener),
            Listener::Unix(listener) => admin::Socket::Unix(listener),
        })
    };
    bound.iter_mut().map(socket).collect()
}

/// Serves on a thread of its own until told to stop.
fn serve_apart(
    name: &str,
    runtime: Runtime,
    serving: impl Future<Output = ()> + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        runtime.block_on(serving);
        // A call that waits for the store is left behind, not waited for.
        runtime.shutdown_timeout(CUT);
    })
}

/// Joins threads that were told to end. One that panicked said so on stderr.
pub(super) fn join_all(threads: impl IntoIterator<Item = JoinHandle<()>>) {
    for thread in threads {
        let _ = thread.join();
    }
}
