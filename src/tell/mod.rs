//! What kgate tells others by itself: events to webhooks, traces to a collector. Everything here runs on
//! threads of its own, behind bounded queues: nobody who is slow or dead holds anything up, and what is
//! dropped is counted. `serve` says what happened; who is told and how is in the configuration.

mod client;
mod event;
mod otlp;
mod trace;
mod webhook;

pub use client::Client;
pub use event::{Event, event_id};
pub use trace::{Exported, Exporter, Fact, Side, Span};
pub use webhook::{Courier, Delivered, sign};
