//! What comes out: a permit, or a denial that knows more than it tells.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::{Consumer, PathFault, Rules};
use crate::key::{KeyId, Malformed, Rate, Requirement, Timestamp};

/// The answer to a request.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// It may pass.
    Allow(Permit),
    /// It may not.
    Deny(Denial),
    /// A quota's grant ran out: fetch more and decide again. Nothing was spent.
    NeedsGrant(NeedsGrant),
}

/// What to fetch before deciding again. No limit asks for grants yet, so there is no value of it.
#[derive(Debug)]
pub enum NeedsGrant {}

/// Leave to forward one request. Only the engine makes one.
#[derive(Debug)]
pub struct Permit {
    rules: Arc<Rules>,
    route: usize,
    upstream: usize,
    target: Option<String>,
    identity: Option<Identity>,
}

impl Permit {
    /// Returns the route's index and name.
    pub fn route(&self) -> (usize, &str) {
        (self.route, &self.rules.spec().routes[self.route].name)
    }

    /// Returns the index of the upstream to forward to.
    pub fn upstream(&self) -> usize {
        self.upstream
    }

    /// Returns the canonical path and query where it differs from what was sent: exactly this is to
    /// be forwarded. `None` is: forward what was sent.
    pub fn target(&self) -> Option<&str> {
        self.target.as_deref()
    }

    /// Returns who asks; `None` on public routes.
    pub fn identity(&self) -> Option<&Identity> {
        self.identity.as_ref()
    }

    /// Returns the limit closest to refusing, after this request; `None` where nothing is limited.
    pub fn limit(&self) -> Option<LimitState<'_>> {
        todo!()
    }

    /// Returns every limit that applies: name, rate and burst, for `RateLimit-Policy`.
    pub fn limits(&self) -> impl Iterator<Item = (&str, Rate, u64)> {
        todo!() as std::iter::Empty<_>
    }
}

/// Who asks.
#[derive(Debug)]
pub struct Identity {
    consumer: Arc<Consumer>,
}

impl Identity {
    /// Returns which key was used.
    pub fn key_id(&self) -> KeyId {
        todo!()
    }

    /// Returns who holds the key.
    pub fn consumer(&self) -> &Arc<Consumer> {
        &self.consumer
    }

    /// Returns the key's scopes, comma-joined.
    pub fn scopes(&self) -> &str {
        todo!()
    }

    /// Returns the name of the key's type.
    pub fn key_type(&self) -> &str {
        todo!()
    }

    /// Returns the name of the plan that applies.
    pub fn plan(&self) -> Option<&str> {
        todo!()
    }

    /// Returns the metadata called `name`: the key's own, else its consumer's.
    pub fn metadata(&self, _name: &str) -> Option<&str> {
        todo!()
    }

    /// Returns when the key stops working.
    pub fn expires_at(&self) -> Option<Timestamp> {
        todo!()
    }

    /// Says whether a successor has replaced the key, which lives on for a while.
    pub fn is_in_grace(&self) -> bool {
        todo!()
    }
}

/// How it stands with a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitState<'a> {
    /// Its name.
    pub name: &'a str,
    /// How often.
    pub rate: Rate,
    /// How many at once.
    pub burst: u64,
    /// How many more would pass right now.
    pub remaining: u64,
    /// How long until all of `burst` would pass, if nothing comes meanwhile.
    pub reset: Duration,
    /// How long until one more passes; zero while any remain.
    pub retry_after: Duration,
}

/// Why and how a request is refused.
#[derive(Debug)]
pub struct Denial {
    rules: Arc<Rules>,
    route: Option<usize>,
    reason: Reason,
    key: Option<KeyId>,
    consumer: Option<Arc<Consumer>>,
}

impl Denial {
    /// Returns exactly why, for the operator's log only.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Returns what the client may be told.
    pub fn class(&self) -> Class<'_> {
        todo!()
    }

    /// Returns the route's index and name, if one matched.
    pub fn route(&self) -> Option<(usize, &str)> {
        self.route.map(|r| (r, self.rules.spec().routes[r].name.as_str()))
    }

    /// Returns which key was presented, where it is known.
    pub fn key_id(&self) -> Option<KeyId> {
        self.key
    }

    /// Returns who holds the key presented, where it is known.
    pub fn consumer(&self) -> Option<&Arc<Consumer>> {
        self.consumer.as_ref()
    }
}

/// What a client may be told. All reasons of a class look the same from outside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class<'a> {
    /// 400: the target is not in canonical form.
    BadRequest,
    /// 404: no route.
    NotFound,
    /// 405: a route, but not for this method.
    MethodNotAllowed {
        /// What to put into `Allow`.
        allow: &'a str,
    },
    /// 401: no usable key.
    Unauthorized {
        /// Whether a credential was sent, and so `error="invalid_token"` is due (RFC 6750 §3.1).
        credential_sent: bool,
    },
    /// 403: a good key, but not for this.
    Forbidden(Forbidden<'a>),
    /// 429: a good key, but too often. Its `retry_after` is exact, not rounded.
    Limited(LimitState<'a>),
}

/// What a good key lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forbidden<'a> {
    /// It may not be used from this address.
    Network,
    /// It lacks scopes.
    Scope(&'a Requirement),
}

/// Exactly why a request is refused, for the operator's log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// The target is not in canonical form.
    Path(PathFault),
    /// No route.
    NoRoute,
    /// A route, but not for this method. What to put into `Allow`.
    Method(Box<str>),
    /// No credential.
    NoCredential,
    /// Several credentials.
    AmbiguousCredential,
    /// Not the form of any key type.
    Malformed(Malformed),
    /// No such key.
    UnknownKey,
    /// The key's record cannot be read.
    DamagedRecord,
    /// The key was revoked.
    Revoked,
    /// The key is switched off.
    Disabled,
    /// The key does not work yet.
    NotYetValid(Timestamp),
    /// The key's time is over.
    Expired(Timestamp),
    /// Its consumer is switched off.
    ConsumerDisabled,
    /// Its consumer is gone.
    ConsumerMissing,
    /// Its key type is not declared, or not the one its token shows.
    KeyType(Box<str>),
    /// Its key type is not taken on this route.
    KeyTypeOnRoute(Box<str>),
    /// Its plan is not configured.
    PlanMissing(Box<str>),
    /// Not from this address; `None` where it is unknown.
    Network(Option<IpAddr>),
    /// Its scopes do not suffice.
    Scope,
    /// Too often.
    Limited {
        /// The limit's index in its plan.
        limit: usize,
        /// How long until one more passes.
        retry_after: Duration,
    },
}

impl Reason {
    /// Returns a short fixed name, fit for a metric label.
    pub fn code(&self) -> &'static str {
        todo!()
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}

/// What the engine would decide, and what it saw on the way.
#[derive(Debug)]
pub struct Explanation {
    /// The decision. Its permit spent nothing and is not to be forwarded by.
    pub denial: Option<Denial>,
    /// Each step taken, in order; the last one is the one that refused, if any did.
    pub findings: Vec<Finding>,
}

/// What one step found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// Which step.
    pub step: Step,
    /// Whether the request got past it.
    pub held: bool,
    /// What was seen, for people.
    pub detail: String,
}

/// The steps of a decision, in their order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Step {
    /// The target is in canonical form.
    Path,
    /// A route takes it.
    Route,
    /// Exactly one credential.
    Credential,
    /// It is well formed.
    Token,
    /// It is known, and its record can be read.
    Key,
    /// It is enabled, and its time is now.
    Status,
    /// Its consumer is there and enabled.
    Consumer,
    /// Its key type is taken here.
    KeyType,
    /// Its address is allowed.
    Network,
    /// Its scopes suffice.
    Scope,
    /// Its limits have room.
    Limit,
}
