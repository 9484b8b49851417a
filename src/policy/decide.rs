//! The decision itself, step by step.

use std::net::IpAddr;
use std::sync::Arc;

use super::{Decision, Explanation, Index, Rules, Update};
use crate::key::Timestamp;

/// The header fields of a request.
pub trait Fields {
    /// Calls `visit` with each value of the field called `name` (in lower case), in order.
    fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8]));
}

/// What the engine looks at.
#[derive(Clone, Copy)]
pub struct Attributes<'a> {
    /// The method as sent.
    pub method: &'a str,
    /// The host as sent; it may carry a port. Empty if there is none.
    pub host: &'a str,
    /// The request target as sent: path and query.
    pub target: &'a [u8],
    /// The client's address, if it has one.
    pub client: Option<IpAddr>,
    /// The header fields.
    pub fields: &'a (dyn Fields + Sync),
}

/// The time, twice: expiry goes by the wall clock, rates by one that never jumps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// UTC.
    pub wall: Timestamp,
    /// Nanoseconds since some moment fixed for the life of the process; never backwards.
    pub mono: u64,
}

/// Rules, index and limiter of one moment.
#[derive(Clone, Debug)]
pub struct Engine {
    rules: Arc<Rules>,
    index: Index,
}

impl Engine {
    /// Puts rules and an index together; the index brings its limiter.
    pub fn new(rules: Arc<Rules>, index: Index) -> Self {
        Self { rules, index }
    }

    /// Returns the engine under other rules. Counts stay.
    #[must_use]
    pub fn with_rules(&self, rules: Arc<Rules>) -> Self {
        Self::new(rules, self.index.clone())
    }

    /// Returns the engine after `changes`, applied in order. Only the touched shards are copied.
    #[must_use]
    pub fn with_changes(&self, changes: &[Update]) -> Self {
        Self::new(Arc::clone(&self.rules), self.index.with_changes(changes))
    }

    /// Returns the rules.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns the index.
    pub fn index(&self) -> &Index {
        &self.index
    }

    /// Decides, and charges the limits if the request may pass.
    pub fn decide(&self, _request: &Attributes<'_>, _now: Now) -> Decision {
        todo!()
    }

    /// Says what [`Engine::decide`] would, and why, spending nothing.
    pub fn explain(&self, _request: &Attributes<'_>, _now: Now) -> Explanation {
        todo!()
    }
}
