//! Those who tell others: the watch, a courier for each webhook, and the exporter of traces. A reload puts others in
//! their place; what waits for whom stays, and what was counted stays counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::watch::Watch;
use super::{Notice, ServeError};
use crate::config::{Config, Traces, Webhook};
use crate::metrics::{Drops, Metrics};
use crate::tell::{Courier, Exported, Exporter};
use crate::verify::{Clock, Verifier, wall};

/// Hears what there is to say.
type Notify = Arc<dyn Fn(&Notice) + Send + Sync>;

/// All of them.
pub(super) struct Tellers {
    verifier: Arc<Verifier>,
    notify: Notify,
    state: Mutex<State>,
}

struct State {
    crew: Crew,
    /// Those that run, and those that were told to end.
    threads: Vec<JoinHandle<()>>,
    /// Exporters that send what they still have.
    leaving: Vec<Arc<Exporter>>,
    gone: Gone,
    /// The names of webhooks that are no more and are still counted.
    forgotten: Vec<String>,
}

/// What was counted by those who have gone.
#[derive(Default)]
struct Gone {
    spans_full: u64,
    spans_failed: u64,
    events_full: u64,
    events_failed: u64,
}

/// Who tells whom, by one configuration.
#[derive(Clone)]
pub(super) struct Crew {
    webhooks: Vec<Webhook>,
    traces: Option<Traces>,
    watch: Arc<Watch>,
    exporter: Option<Arc<Exporter>>,
}

impl Crew {
    /// Puts it together, with those of `before` who have the same to do; nobody is started.
    fn new(
        config: &Config,
        before: Option<&Self>,
        verifier: &Arc<Verifier>,
        notify: &Notify,
    ) -> Result<Self, ServeError> {
        let kept = before.filter(|before| before.traces == config.traces);
        let exporter = match kept {
            Some(before) => before.exporter.clone(),
            None => config
                .traces
                .as_ref()
                .map(Exporter::new)
                .transpose()
                .map_err(|source| ServeError::Tell { who: COLLECTOR.to_owned(), source })?,
        };
        let courier = |webhook: &Webhook| {
            let before = before.filter(|before| before.webhooks.contains(webhook));
            let same = before.and_then(|before| before.watch.courier(&webhook.name));
            match same {
                Some(courier) => Ok(courier),
                None => Courier::new(webhook, &config.data_dir, wall)
                    .map_err(|source| ServeError::Tell { who: named(&webhook.name), source }),
            }
        };
        let kept = before.filter(|before| before.webhooks == config.webhooks);
        let watch = if let Some(before) = kept {
            Arc::clone(&before.watch)
        } else {
            let couriers = config.webhooks.iter().map(courier).collect::<Result<Vec<_>, _>>()?;
            Watch::new(&config.data_dir, verifier, &config.webhooks, couriers, Arc::clone(notify))
        };
        Ok(Self { webhooks: config.webhooks.clone(), traces: config.traces.clone(), watch, exporter })
    }
}

impl Tellers {
    pub(super) fn new(
        config: &Config,
        verifier: &Arc<Verifier>,
        notify: &Notify,
    ) -> Result<Arc<Self>, ServeError> {
        let crew = Crew::new(config, None, verifier, notify)?;
        let state = State {
            crew,
            threads: Vec::new(),
            leaving: Vec::new(),
            gone: Gone::default(),
            forgotten: Vec::new(),
        };
        let (verifier, notify) = (Arc::clone(verifier), Arc::clone(notify));
        Ok(Arc::new(Self { verifier, notify, state: Mutex::new(state) }))
    }

    /// Returns where traces go, if requests are traced.
    pub(super) fn exporter(&self) -> Option<Arc<Exporter>> {
        self.lock().crew.exporter.clone()
    }

    /// Takes what was said, if somebody is to be told of it.
    pub(super) fn note(&self, notice: &Notice) {
        // Under the lock: a watch that was told to end takes nothing any more.
        self.lock().crew.watch.note(notice);
    }

    /// Starts them.
    pub(super) fn spawn(&self) -> std::io::Result<()> {
        let crew = self.lock().crew.clone();
        let threads = self.start(&crew, None)?;
        self.lock().threads.extend(threads);
        Ok(())
    }

    /// Puts together who tells by another configuration; nothing is done yet.
    ///
    /// # Errors
    /// The authorities that vouch for somebody cannot be read.
    pub(super) fn prepare(&self, config: &Config) -> Result<Crew, ServeError> {
        let before = self.lock().crew.clone();
        Crew::new(config, Some(&before), &self.verifier, &self.notify)
    }

    /// Puts others in their place. Those who have the same to do go on; the others end, once the new ones know where
    /// to begin.
    ///
    /// # Errors
    /// A thread cannot be started; those before go on.
    pub(super) fn replace(&self, crew: Crew) -> std::io::Result<()> {
        let before = self.lock().crew.clone();
        let threads = self.start(&crew, Some(&before))?;
        let mut state = self.lock();
        state.threads.retain(|thread| !thread.is_finished());
        state.threads.extend(threads);
        if !Arc::ptr_eq(&before.watch, &crew.watch) {
            let gone = before.watch.couriers().iter();
            let gone: Vec<_> = gone
                .filter(|one| crew.watch.courier(one.name()).is_none_or(|now| !Arc::ptr_eq(one, &now)))
                .collect();
            for courier in gone {
                courier.close();
                state.gone.events_failed += courier.delivered().given_up;
            }
            // What it holds goes to the outbox before it ends.
            before.watch.close();
            state.gone.events_full += before.watch.dropped();
        }
        if let Some(exporter) = before.exporter
            && crew.exporter.as_ref().is_none_or(|now| !Arc::ptr_eq(&exporter, now))
        {
            exporter.close();
            state.leaving.push(exporter);
        }
        let names = before.webhooks.into_iter().map(|webhook| webhook.name);
        state.forgotten.extend(names.filter(|name| crew.webhooks.iter().all(|now| now.name != *name)));
        state.crew = crew;
        Ok(())
    }

    /// Starts those of a crew who are not in the one before.
    fn start(&self, crew: &Crew, before: Option<&Crew>) -> std::io::Result<Vec<JoinHandle<()>>> {
        let mut threads = Vec::new();
        let telling = |notify: &Notify, who: &str, problem: Option<&str>| {
            notify(&Notice::Telling { who: who.to_owned(), problem: problem.map(ToOwned::to_owned) });
        };
        let is_new = before.is_none_or(|before| !Arc::ptr_eq(&before.watch, &crew.watch));
        if is_new {
            let ran = |courier: &Arc<Courier>| {
                let same = before.and_then(|before| before.watch.courier(courier.name()));
                same.is_some_and(|same| Arc::ptr_eq(&same, courier))
            };
            threads.push(crew.watch.spawn()?);
            for courier in crew.watch.couriers().iter().filter(|courier| !ran(courier)) {
                let notify = Arc::clone(&self.notify);
                threads.push(courier.spawn(move |name, problem| telling(&notify, &named(name), problem))?);
            }
        }
        let ran = before.and_then(|before| before.exporter.as_ref());
        if let Some(exporter) =
            crew.exporter.as_ref().filter(|now| ran.is_none_or(|ran| !Arc::ptr_eq(ran, now)))
        {
            let notify = Arc::clone(&self.notify);
            threads.push(exporter.spawn(move |problem| telling(&notify, COLLECTOR, problem))?);
        }
        Ok(threads)
    }

    /// Ends them. One that waits for a receiver who does not answer is left behind: what it did not deliver is
    /// in the outbox.
    pub(super) fn stop(&self, clock: Clock, at_most: Duration) {
        let (crew, threads) = {
            let mut state = self.lock();
            (state.crew.clone(), std::mem::take(&mut state.threads))
        };
        crew.watch.close();
        crew.watch.couriers().iter().for_each(|courier| courier.close());
        if let Some(exporter) = &crew.exporter {
            exporter.close();
        }
        let deadline = clock.elapsed() + at_most;
        for thread in threads {
            while !thread.is_finished() && clock.elapsed() < deadline {
                thread::sleep(Duration::from_millis(1));
            }
            if thread.is_finished() {
                // One that panicked said so on stderr.
                let _ = thread.join();
            }
        }
    }

    /// Hands over what became of events and spans.
    pub(super) fn report(&self, metrics: &Metrics) {
        let mut state = self.lock();
        let State { crew, leaving, gone, forgotten, .. } = &mut *state;
        forgotten.drain(..).for_each(|name| metrics.forget_webhook(&name));
        // Whoever nobody else holds has sent what there was.
        leaving.retain(|exporter| {
            let is_there = Arc::strong_count(exporter) > 1;
            if !is_there {
                let Exported { full, failed, .. } = exporter.exported();
                (gone.spans_full, gone.spans_failed) = (gone.spans_full + full, gone.spans_failed + failed);
            }
            is_there
        });
        let (mut full, mut failed) = (gone.spans_full, gone.spans_failed);
        for exporter in crew.exporter.iter().chain(leaving.iter()) {
            let exported = exporter.exported();
            (full, failed) = (full + exported.full, failed + exported.failed);
        }
        let mut given_up = gone.events_failed;
        for courier in crew.watch.couriers() {
            let delivered = courier.delivered();
            given_up += delivered.given_up;
            metrics.set_webhook(courier.name(), delivered.taken, delivered.failed, delivered.waiting);
        }
        metrics.set_dropped(Drops::EventsFull, gone.events_full + crew.watch.dropped());
        metrics.set_dropped(Drops::EventsFailed, given_up);
        metrics.set_dropped(Drops::SpansFull, full);
        metrics.set_dropped(Drops::SpansFailed, failed);
    }

    /// Held for a look at who they are; never while somebody is told.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

const COLLECTOR: &str = "the collector of [traces]";

fn named(webhook: &str) -> String {
    format!("the webhook `{webhook}`")
}
