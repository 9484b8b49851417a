//! Signals and the changed configuration file, on the thread that runs the server.

use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Notice, Running, ServeError};

/// How often the configuration file is looked at. Waiting for the write to settle is not needed: a
/// half-written file is refused, and the next look finds the rest.
const LOOK: Duration = Duration::from_secs(1);

/// The signals of a server, caught from before it starts.
pub(super) struct Signals {
    runtime: Runtime,
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    reopen: Signal,
}

impl Signals {
    pub(super) fn listen() -> Result<Self, ServeError> {
        let failed = |source| ServeError::System { what: "the signal handlers", source };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
        let entered = runtime.enter();
        let (terminate, interrupt, hangup, reopen) = (
            signal(SignalKind::terminate()).map_err(failed)?,
            signal(SignalKind::interrupt()).map_err(failed)?,
            signal(SignalKind::hangup()).map_err(failed)?,
            signal(SignalKind::user_defined1()).map_err(failed)?,
        );
        drop(entered);
        Ok(Self { runtime, terminate, interrupt, hangup, reopen })
    }

    /// Serves until told to end, then drains.
    pub(super) fn serve(self, mut running: Running) -> Result<(), ServeError> {
        let Self { runtime, mut terminate, mut interrupt, mut hangup, mut reopen } = self;
        let outcome = runtime.block_on(async {
            let mut watches = running.take_watches();
            let mut look = tokio::time::interval(LOOK);
            let mut crew = running.crew();
            let mut handed = running.handed();
            loop {
                tokio::select! {
                    biased;
                    _ = handed.wait_for(|handed| *handed) => break,
                    _ = terminate.recv() => break,
                    _ = interrupt.recv() => break,
                    _ = hangup.recv() => {
                        // What the file is like now is what is being read.
                        watches.changed();
                        running.reopen_log();
                        running.reload_and_say();
                    }
                    _ = reopen.recv() => running.reopen_log(),
                    _ = look.tick() => {
                        running.look_at_signing_keys();
                        running.watch_certificates(&mut watches);
                        if watches.changed() {
                            running.reload_and_say();
                        }
                    }
                    _ = crew.wait_for(|crew| crew.is_short) => return Err(ServeError::WorkerEnded),
                }
            }
            running.shutdown();
            if *handed.borrow() {
                running.unlock();
            }
            if !running.is_handing_over() {
                running.notify(&Notice::Draining(running.drain_timeout()));
            }
            let mut told = running.told();
            let over = async {
                let _ = crew.wait_for(|crew| crew.left == 0).await;
                let _ = told.wait_for(|told| *told).await;
            };
            tokio::select! {
                () = over => {}
                _ = terminate.recv() => running.cut(),
                _ = interrupt.recv() => running.cut(),
                () = tokio::time::sleep(running.drain_timeout()) => running.cut(),
            }
            Ok(())
        });
        running.join();
        outcome
    }
}
