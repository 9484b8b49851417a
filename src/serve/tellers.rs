//! Those who tell others: the watch, a courier for each webhook, and the exporter of traces.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::watch::Watch;
use super::{Notice, ServeError};
use crate::config::{Config, Webhook};
use crate::metrics::{Drops, Metrics};
use crate::tell::{Courier, Exporter};
use crate::verify::{Clock, Verifier, wall};

/// Hears what there is to say.
type Notify = Arc<dyn Fn(&Notice) + Send + Sync>;

/// All of them.
pub(super) struct Tellers {
    watch: Arc<Watch>,
    exporter: Option<Arc<Exporter>>,
    notify: Notify,
}

impl Tellers {
    pub(super) fn new(
        config: &Config,
        verifier: &Arc<Verifier>,
        notify: &Notify,
    ) -> Result<Arc<Self>, ServeError> {
        let exporter = config.traces.as_ref().map(Exporter::new).transpose();
        let exporter = exporter.map_err(|source| ServeError::Tell { who: COLLECTOR.to_owned(), source })?;
        let courier = |webhook: &Webhook| {
            Courier::new(webhook, &config.data_dir, wall)
                .map_err(|source| ServeError::Tell { who: named(&webhook.name), source })
        };
        let couriers = config.webhooks.iter().map(courier).collect::<Result<Vec<_>, _>>()?;
        let watch = Watch::new(&config.data_dir, verifier, &config.webhooks, couriers, Arc::clone(notify));
        Ok(Arc::new(Self { watch, exporter, notify: Arc::clone(notify) }))
    }

    /// Returns where traces go, if requests are traced.
    pub(super) fn exporter(&self) -> Option<Arc<Exporter>> {
        self.exporter.clone()
    }

    /// Takes what was said, if somebody is to be told of it.
    pub(super) fn note(&self, notice: &Notice) {
        self.watch.note(notice);
    }

    /// Starts them.
    pub(super) fn spawn(&self) -> std::io::Result<Vec<JoinHandle<()>>> {
        let mut threads = vec![self.watch.spawn()?];
        let telling = |notify: &Notify, who: &str, problem: Option<&str>| {
            notify(&Notice::Telling { who: who.to_owned(), problem: problem.map(ToOwned::to_owned) });
        };
        for courier in self.watch.couriers() {
            let notify = Arc::clone(&self.notify);
            threads.push(courier.spawn(move |name, problem| telling(&notify, &named(name), problem))?);
        }
        if let Some(exporter) = &self.exporter {
            let notify = Arc::clone(&self.notify);
            threads.push(exporter.spawn(move |problem| telling(&notify, COLLECTOR, problem))?);
        }
        Ok(threads)
    }

    /// Ends them. One that waits for a receiver who does not answer is left behind: what it did not deliver is
    /// in the outbox.
    pub(super) fn stop(
        &self,
        threads: impl Iterator<Item = JoinHandle<()>>,
        clock: Clock,
        at_most: Duration,
    ) {
        self.watch.close();
        self.watch.couriers().iter().for_each(|courier| courier.close());
        if let Some(exporter) = &self.exporter {
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
        let mut given_up = 0;
        for courier in self.watch.couriers() {
            let delivered = courier.delivered();
            given_up += delivered.given_up;
            metrics.set_webhook(courier.name(), delivered.taken, delivered.failed, delivered.waiting);
        }
        let exported = self.exporter.as_ref().map(|exporter| exporter.exported()).unwrap_or_default();
        metrics.set_dropped(Drops::EventsFull, self.watch.dropped());
        metrics.set_dropped(Drops::EventsFailed, given_up);
        metrics.set_dropped(Drops::SpansFull, exported.full);
        metrics.set_dropped(Drops::SpansFailed, exported.failed);
    }
}

const COLLECTOR: &str = "the collector of [traces]";

fn named(webhook: &str) -> String {
    format!("the webhook `{webhook}`")
}
