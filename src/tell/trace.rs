//! Brings spans to a collector: gathered for a second or until there are many, sent as OTLP over HTTP by a
//! thread of its own. A collector that is slow or dead costs spans, which are counted.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use prost::Message;

use super::{Client, otlp};
use crate::config::Traces;
use crate::key::Timestamp;
use crate::tls::TlsError;

/// Spans that wait: some 4 MiB of them, 12 where paths are as long as they may be.
const CAPACITY: usize = 8_192;

/// Spans sent at once.
const BATCH: usize = 512;

/// How long spans gather.
const GATHER: Duration = Duration::from_secs(1);

/// The pause after a failure.
const PAUSE: Duration = Duration::from_secs(5);

/// One step of a request.
#[derive(Clone, PartialEq, Debug)]
pub struct Span {
    /// The trace it belongs to.
    pub trace: [u8; 16],
    /// Its own id.
    pub id: [u8; 8],
    /// The step it is a part of.
    pub parent: Option<[u8; 8]>,
    /// What is done.
    pub name: String,
    /// Which side does it.
    pub side: Side,
    /// When it began.
    pub begins: Timestamp,
    /// How long after that its work began.
    pub after: Duration,
    /// How long it took.
    pub took: Duration,
    /// What is known of it.
    pub facts: Vec<(&'static str, Fact)>,
    /// Whether it failed.
    pub has_failed: bool,
}

/// Which side of a request a span is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The request as it came in.
    Server,
    /// The request as it went on.
    Client,
}

/// A value of an attribute.
#[derive(Clone, PartialEq, Debug)]
pub enum Fact {
    /// Text.
    Text(String),
    /// A number.
    Number(i64),
}

/// What became of spans since the start.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Exported {
    /// Spans the collector took.
    pub taken: u64,
    /// Spans for which there was no room.
    pub full: u64,
    /// Spans the collector did not take.
    pub failed: u64,
}

/// Brings spans to the collector.
pub struct Exporter {
    client: Client,
    service: String,
    state: Mutex<State>,
    woken: Condvar,
    counts: [AtomicU64; 3],
}

#[derive(Default)]
struct State {
    spans: Vec<Span>,
    is_closed: bool,
}

impl Exporter {
    /// Makes one for the collector of the configuration.
    ///
    /// # Errors
    /// The authorities that vouch for the collector cannot be read.
    pub fn new(traces: &Traces) -> Result<Arc<Self>, TlsError> {
        Ok(Arc::new(Self {
            client: Client::new(&traces.outlet)?,
            service: traces.service.clone(),
            state: Mutex::default(),
            woken: Condvar::new(),
            counts: Default::default(),
        }))
    }

    /// Starts its thread. `tell` hears of the first failure after a success, and of the first success after
    /// a failure.
    pub fn spawn(
        self: &Arc<Self>,
        tell: impl Fn(Option<&str>) + Send + 'static,
    ) -> std::io::Result<JoinHandle<()>> {
        let this = Arc::clone(self);
        thread::Builder::new().name("kgate-traces".to_owned()).spawn(move || this.run(&tell))
    }

    /// Takes the spans of a request, if there is room.
    pub fn push(&self, spans: impl IntoIterator<Item = Span>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let before = state.spans.len();
        for span in spans {
            if state.spans.len() < CAPACITY {
                state.spans.push(span);
            } else {
                self.count(1, 1);
            }
        }
        let is_batch = before < BATCH && state.spans.len() >= BATCH;
        drop(state);
        if is_batch {
            self.woken.notify_one();
        }
    }

    /// Returns what became of spans since the start.
    pub fn exported(&self) -> Exported {
        // Relaxed: the counts guard no other memory.
        let [taken, full, failed] = [0, 1, 2].map(|at: usize| self.counts[at].load(Ordering::Relaxed));
        Exported { taken, full, failed }
    }

    /// Ends the thread once it sent what is there, or tried to.
    pub fn close(&self) {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).is_closed = true;
        self.woken.notify_all();
    }

    fn run(&self, tell: &dyn Fn(Option<&str>)) {
        let mut was_well = true;
        loop {
            let (spans, is_closed) = self.gather();
            if !spans.is_empty() {
                let count = spans.len() as u64;
                let outcome = self.send(spans);
                self.count(if outcome.is_ok() { 0 } else { 2 }, count);
                match &outcome {
                    Err(why) if was_well => tell(Some(why)),
                    Ok(()) if !was_well => tell(None),
                    _ => {}
                }
                was_well = outcome.is_ok();
                if !was_well && !is_closed {
                    self.pause();
                }
            }
            if is_closed {
                return;
            }
        }
    }

    fn gather(&self) -> (Vec<Span>, bool) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let goes_on = |state: &mut State| !state.is_closed && state.spans.len() < BATCH;
        let (mut state, _) =
            self.woken.wait_timeout_while(state, GATHER, goes_on).unwrap_or_else(PoisonError::into_inner);
        let some = state.spans.len().min(BATCH);
        let is_closed = state.is_closed && some == state.spans.len();
        (state.spans.drain(..some).collect(), is_closed)
    }

    fn pause(&self) {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = self.woken.wait_timeout_while(state, PAUSE, |state| !state.is_closed);
    }

    fn send(&self, spans: Vec<Span>) -> Result<(), String> {
        let body = encode(&self.service, spans);
        match self.client.post(&[("content-type", "application/x-protobuf")], &body)? {
            200..=299 => Ok(()),
            status => Err(format!("it answered {status}")),
        }
    }

    fn count(&self, at: usize, by: u64) {
        self.counts[at].fetch_add(by, Ordering::Relaxed);
    }
}

fn encode(service: &str, spans: Vec<Span>) -> Vec<u8> {
    let scope = otlp::InstrumentationScope {
        name: "kgate".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let spans = spans.into_iter().map(encoded).collect();
    let resource =
        otlp::Resource { attributes: vec![attribute("service.name", Fact::Text(service.to_owned()))] };
    let resource_spans = vec![otlp::ResourceSpans {
        resource: Some(resource),
        scope_spans: vec![otlp::ScopeSpans { scope: Some(scope), spans }],
    }];
    otlp::ExportTraceServiceRequest { resource_spans }.encode_to_vec()
}

fn encoded(span: Span) -> otlp::Span {
    let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
    let begins = u64::try_from(span.begins.as_millis()).unwrap_or_default().saturating_mul(1_000_000);
    let start = begins.saturating_add(nanos(span.after));
    otlp::Span {
        trace_id: span.trace.to_vec(),
        span_id: span.id.to_vec(),
        parent_span_id: span.parent.map_or_else(Vec::new, |id| id.to_vec()),
        name: span.name,
        kind: match span.side {
            Side::Server => 2,
            Side::Client => 3,
        },
        start_time_unix_nano: start,
        end_time_unix_nano: start.saturating_add(nanos(span.took)),
        attributes: span.facts.into_iter().map(|(key, fact)| attribute(key, fact)).collect(),
        status: span.has_failed.then_some(otlp::Status { code: 2 }),
    }
}

fn attribute(key: &str, fact: Fact) -> otlp::KeyValue {
    let value = match fact {
        Fact::Text(text) => otlp::Value::String(text),
        Fact::Number(number) => otlp::Value::Int(number),
    };
    otlp::KeyValue { key: key.to_owned(), value: Some(otlp::AnyValue { value: Some(value) }) }
}
