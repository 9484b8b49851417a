//! What runs here, as of now: what `kgate status` shows. The server fills it in from what is counted anyway.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::key::Timestamp;

use super::shape::Spelled;

/// A running server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Which release it is.
    pub version: String,
    /// Its process.
    pub pid: u32,
    /// How long it has been serving.
    pub uptime_seconds: u64,
    /// Whether traffic should be sent to it.
    pub ready: bool,
    /// Why not, if not.
    pub unready: Option<Unready>,
    /// The configuration it read.
    pub configuration: String,
    /// The names of its routes.
    pub routes: Vec<String>,
    /// The revision of the store that requests are judged by.
    pub revision: u64,
    /// How long ago the snapshot was last refreshed; it is compared with the store at every request.
    pub snapshot_age_seconds: f64,
    /// For how long the store has been ahead of the snapshot; 0 while they agree.
    pub snapshot_lag_seconds: f64,
    /// Keys in the snapshot.
    pub keys: usize,
    /// Consumers in the snapshot.
    pub consumers: usize,
    /// What was asked.
    pub requests: Requests,
    /// Connections of clients.
    pub connections: Connections,
    /// Where it listens.
    pub listeners: Vec<Listener>,
    /// Its backends.
    pub upstreams: Vec<Upstream>,
    /// The certificates its configuration names, the first to end first.
    pub certificates: Vec<Certificate>,
    /// What a queue had no room for, or what could not be delivered, since the start, where that is not nothing.
    pub dropped: Vec<Dropped>,
    /// Who is told of events.
    pub webhooks: Vec<Webhook>,
}

/// Why no traffic should be sent there.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Unready {
    /// A short stable word.
    pub code: String,
    /// A sentence for people.
    pub reason: String,
}

/// What was asked.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Requests {
    /// Requests a second over the last ten seconds.
    pub per_second: f64,
    /// Requests a second over the last minute.
    pub per_second_of_a_minute: f64,
    /// Requests being worked on.
    pub in_flight: u64,
    /// Requests that ended since the start.
    pub total: u64,
    /// Of them, let in: with a key, or without on a route that needs none, or answered by kgate itself.
    pub let_in: u64,
    /// Of them, refused, whatever the reason.
    pub refused: u64,
    /// How many ended in each way: `allowed`, `unauthorized`, `limited`, and the others of `docs/metrics.md`,
    /// where any did.
    pub verdicts: BTreeMap<String, u64>,
    /// Why they were refused, which clients are not told.
    pub reasons: BTreeMap<String, u64>,
    /// Requests under way that were cut because their key stopped working.
    pub cut: u64,
}

/// Connections of clients.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct Connections {
    /// Open now.
    pub open: u64,
    /// Accepted since the start.
    pub accepted: u64,
    /// How many ended before a request on them was answered, by why.
    pub faults: BTreeMap<String, u64>,
}

/// An address connections come to.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Listener {
    /// `proxy`, `sidecar`, `admin` or `portal`.
    pub door: String,
    /// The address.
    pub address: String,
    /// Open connections, where they are counted: at the gateway.
    pub open: Option<u64>,
}

/// A backend.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its servers.
    pub servers: Vec<Server>,
    /// Failed attempts to get an answer from it since the start, by what went wrong.
    pub faults: BTreeMap<String, u64>,
    /// Second attempts since the start.
    pub retries: u64,
}

/// A server of a backend.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Server {
    /// As it is configured.
    pub server: String,
    /// Its share.
    pub weight: u32,
    /// Whether it takes requests, at one of its addresses at least.
    pub is_up: bool,
    /// Its addresses: several if it is a name, none while that is not found.
    pub addresses: Vec<Address>,
}

/// An address of a server.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Address {
    /// The address.
    pub address: String,
    /// `up`; `unhealthy`, when it fails the questions after its health; `ejected`, when requests to it failed.
    pub state: String,
    /// Requests it is working on.
    pub in_flight: u32,
    /// Requests to it that failed, one after the other.
    pub failures: u32,
    /// When a request is sent there again, if it is ejected.
    pub tried_again_in_seconds: Option<f64>,
}

/// A certificate.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Certificate {
    /// Its file.
    pub file: String,
    /// For whom it is: the names of hosts, or else its subject.
    pub names: Vec<String>,
    /// From when it holds.
    pub not_before: Spelled<Timestamp>,
    /// Until when it holds.
    pub not_after: Spelled<Timestamp>,
    /// How much of that is left; negative when it is over.
    pub seconds_left: i64,
}

/// What was dropped.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Dropped {
    /// `access_log`, `usage`, `events` or `traces`.
    pub queue: String,
    /// `full`, or `failed`.
    pub cause: String,
    /// How many lines, uses, events or spans.
    pub count: u64,
}

/// A receiver of events.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct Webhook {
    /// Its name.
    pub name: String,
    /// Events that wait for it.
    pub waiting: u64,
    /// Events it took since the start.
    pub taken: u64,
    /// Attempts that failed since the start.
    pub failed: u64,
}
