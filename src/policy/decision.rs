//! What comes out: a permit, or a denial that knows more than it tells.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::combos::{Combo, Combos};
use super::index::{self, Consumer, Profile};
use super::limit::Held;
use super::meter::Standing;
use super::{LimitRef, NeedsGrant, PathFault, Rules, SelfService};
use crate::key::{ConsumerId, Digest, KeyId, Limit, Malformed, Requirement, Timestamp};

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

/// Leave to forward one request. Only the engine makes one.
#[derive(Debug)]
pub struct Permit {
    pub(super) route: usize,
    pub(super) upstream: usize,
    pub(super) target: Option<String>,
    pub(super) holder: Holder,
    /// Its place among those in work, given back at the latest when the permit is dropped.
    pub(super) held: Option<Held>,
    pub(super) asks: Option<Box<NeedsGrant>>,
}

/// On whose behalf a request passes.
#[derive(Debug)]
pub(super) enum Holder {
    /// On a public route.
    Anyone(Arc<Rules>),
    /// Without a key, where that is allowed.
    Anonymous(Charged),
    Known(Identity),
}

/// By what a request was limited.
#[derive(Debug)]
pub(super) struct Charged {
    pub(super) combos: Arc<Combos>,
    pub(super) combo: Combo,
    pub(super) standing: Option<Standing>,
    pub(super) shadowed: Option<LimitRef>,
}

impl Charged {
    fn rules(&self) -> &Arc<Rules> {
        self.combos.rules()
    }

    fn shown(&self) -> &[LimitRef] {
        &self.combos.meters(self.combo).shown
    }
}

impl Permit {
    /// Gives back its place among the requests in work.
    pub fn leave(&mut self) {
        self.held = None;
    }

    /// Returns the rules it was made under.
    pub fn rules(&self) -> &Arc<Rules> {
        match &self.holder {
            Holder::Anyone(rules) => rules,
            Holder::Anonymous(charged) => charged.rules(),
            Holder::Known(identity) => identity.charged.rules(),
        }
    }

    /// Returns the route's index and name.
    pub fn route(&self) -> (usize, &str) {
        (self.route, &self.rules().spec().routes[self.route].name)
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

    /// Returns who asks; `None` on public routes and of callers without a key.
    pub fn identity(&self) -> Option<&Identity> {
        match &self.holder {
            Holder::Anyone(_) | Holder::Anonymous(_) => None,
            Holder::Known(identity) => Some(identity),
        }
    }

    /// Says whether it passes without a key on a route that is not public.
    pub const fn is_anonymous(&self) -> bool {
        matches!(self.holder, Holder::Anonymous(_))
    }

    /// Returns what kgate itself is to do, if the request is for none of the upstreams: do not forward it.
    pub fn self_service(&self) -> Option<SelfService> {
        self.rules().spec().routes[self.route].self_service
    }

    /// Turns it into the refusal of a door that does nothing for holders: there, there is no such route.
    pub fn refuse_here(self) -> Denial {
        let rules = Arc::clone(self.rules());
        Denial { rules, reason: Reason::NoRoute, route: None, key: None, consumer: None, limit: None }
    }

    fn charged(&self) -> Option<&Charged> {
        match &self.holder {
            Holder::Anyone(_) => None,
            Holder::Anonymous(charged) => Some(charged),
            Holder::Known(identity) => Some(&identity.charged),
        }
    }

    /// Returns the limit closest to refusing, after this request; `None` where nothing is limited.
    pub fn limit(&self) -> Option<LimitState<'_>> {
        let charged = self.charged()?;
        Some(limit_state(charged.rules(), charged.standing?))
    }

    /// Returns every limit that applies and is not in shadow mode, for `RateLimit-Policy`.
    pub fn limits(&self) -> impl Iterator<Item = (&str, Limit)> {
        let known = self.charged().map(|charged| (charged.rules(), charged.shown()));
        known.into_iter().flat_map(|(rules, shown)| {
            shown.iter().map(|limit| rules.limit(*limit)).map(|limit| (limit.name.as_str(), limit.limit))
        })
    }

    /// Returns the name of the limit in shadow mode that would have refused, if one would.
    pub fn shadowed(&self) -> Option<&str> {
        let charged = self.charged()?;
        Some(&charged.rules().limit(charged.shadowed?).name)
    }

    /// Returns by what the request, which came from `client`, can be judged again while it lasts; `None`
    /// where no key was asked for.
    pub fn tenure(&self, client: Option<IpAddr>) -> Option<Tenure> {
        let Holder::Known(identity) = &self.holder else { return None };
        let Identity { digest, key, .. } = *identity;
        Some(Tenure { digest, key, client, rules: Arc::clone(identity.charged.rules()), route: self.route })
    }

    /// Takes what of quotas should be fetched ahead of need, if anything.
    pub fn take_asks(&mut self) -> Option<NeedsGrant> {
        self.asks.take().map(|asks| *asks)
    }
}

impl Tenure {
    /// Returns the rules the request passed by.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }
}

/// What a request that passed is judged by while it lasts. It keeps no token.
#[derive(Clone, Debug)]
pub struct Tenure {
    pub(super) digest: Digest,
    pub(super) key: KeyId,
    pub(super) client: Option<IpAddr>,
    /// Those it passed by: a reload does not end what is under way.
    pub(super) rules: Arc<Rules>,
    pub(super) route: usize,
}

/// Who asks.
#[derive(Debug)]
pub struct Identity {
    pub(super) charged: Charged,
    pub(super) holder: index::Holder,
    pub(super) profile: Arc<Profile>,
    /// Where the key is found again.
    pub(super) digest: Digest,
    pub(super) key: KeyId,
    pub(super) plan: Option<usize>,
    pub(super) expires_at: Option<Timestamp>,
    pub(super) is_in_grace: bool,
}

impl Identity {
    /// Returns which key was used.
    pub fn key_id(&self) -> KeyId {
        self.key
    }

    /// Returns who holds the key.
    pub fn consumer(&self) -> &Arc<Consumer> {
        self.holder.consumer()
    }

    /// Returns the key's scopes, comma-joined.
    pub fn scopes(&self) -> &str {
        &self.profile.scopes_text
    }

    /// Returns the name of the key's type.
    pub fn key_type(&self) -> &str {
        self.profile.key_type_name()
    }

    /// Returns the name of the plan that applies: the key's, else its consumer's.
    pub fn plan(&self) -> Option<&str> {
        Some(&self.charged.rules().spec().plans[self.plan?].name)
    }

    /// Returns the metadata called `name`: the key's own, else its consumer's.
    pub fn metadata(&self, name: &str) -> Option<&str> {
        let own = self.profile.metadata().get(name);
        own.or_else(|| self.consumer().record().metadata.get(name)).map(String::as_str)
    }

    /// Returns when the key stops working.
    pub fn expires_at(&self) -> Option<Timestamp> {
        self.expires_at
    }

    /// Says whether a successor has replaced the key, which lives on for a while.
    pub fn is_in_grace(&self) -> bool {
        self.is_in_grace
    }
}

/// How it stands with a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LimitState<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it allows.
    pub limit: Limit,
    /// How many more would pass right now, at a cost of 1.
    pub remaining: u64,
    /// How long until it is whole again, if nothing comes meanwhile.
    pub reset: Duration,
    /// How long until one more passes; zero while any remain.
    pub retry_after: Duration,
}

/// Puts names to the numbers of a standing.
fn limit_state(rules: &Rules, standing: Standing) -> LimitState<'_> {
    let limit = rules.limit(standing.limit);
    LimitState {
        name: &limit.name,
        limit: limit.limit,
        remaining: standing.remaining,
        reset: standing.reset(),
        retry_after: standing.retry_after(),
    }
}

/// Why and how a request is refused.
#[derive(Debug)]
pub struct Denial {
    pub(super) rules: Arc<Rules>,
    pub(super) reason: Reason,
    pub(super) route: Option<usize>,
    pub(super) key: Option<KeyId>,
    pub(super) consumer: Option<Arc<Consumer>>,
    /// Of a limit: how it stands.
    pub(super) limit: Option<Box<Standing>>,
}

impl Denial {
    /// Returns the rules it was made under.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// Returns exactly why, for the operator's log only.
    pub fn reason(&self) -> &Reason {
        &self.reason
    }

    /// Returns what the client may be told.
    pub fn class(&self) -> Class<'_> {
        match &self.reason {
            Reason::Path(_) => Class::BadRequest,
            Reason::NoRoute => Class::NotFound,
            Reason::Method(allow) => Class::MethodNotAllowed { allow },
            Reason::NoCredential => Class::Unauthorized { credential_sent: false },
            Reason::AmbiguousCredential
            | Reason::Malformed(_)
            | Reason::UnknownKey
            | Reason::DamagedRecord
            | Reason::Revoked
            | Reason::Disabled
            | Reason::NotYetValid(_)
            | Reason::Expired(_)
            | Reason::ConsumerDisabled
            | Reason::ConsumerMissing
            | Reason::KeyType(_)
            | Reason::KeyTypeOnRoute(_)
            | Reason::PlanMissing(_) => Class::Unauthorized { credential_sent: true },
            Reason::Network(_) => Class::Forbidden(Forbidden::Network),
            Reason::Certificate => Class::Forbidden(Forbidden::Certificate),
            Reason::Origin => Class::Forbidden(Forbidden::Origin),
            Reason::Scope => match self.route {
                Some(route) => Class::Forbidden(Forbidden::Scope(&self.rules.spec().routes[route].scopes)),
                None => Class::NotFound,
            },
            Reason::Limited { .. } => {
                let standing = self.limit.as_ref().expect("a limited denial has its limit");
                Class::Limited(limit_state(&self.rules, **standing))
            }
            Reason::TooManyFailures { retry_after } => Class::TooManyFailures { retry_after: *retry_after },
        }
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
    /// 429: too many requests from this address brought no good key. Whether this one did is not known.
    TooManyFailures {
        /// How long until one is looked at again; exact, not rounded.
        retry_after: Duration,
    },
}

/// What a good key lacks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Forbidden<'a> {
    /// It may not be used from this address.
    Network,
    /// The client showed no certificate that is taken here. Nothing of a key was looked at.
    Certificate,
    /// It may not be used from this page.
    Origin,
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
    /// Its address has used up its failed authentications.
    TooManyFailures {
        /// How long until one more is taken.
        retry_after: Duration,
    },
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
    /// The client showed no certificate the route takes.
    Certificate,
    /// Its key type is bound to pages, and it comes from none of them.
    Origin,
    /// Its scopes do not suffice.
    Scope,
    /// Too often, or too many at once.
    Limited {
        /// Which limit.
        limit: LimitRef,
        /// What it allows.
        allows: Limit,
        /// How long until one more passes.
        retry_after: Duration,
    },
}

impl Reason {
    /// Says whether a credential was sent and does not work, for whatever reason.
    pub(super) fn is_failed_authentication(&self) -> bool {
        match self {
            Self::AmbiguousCredential
            | Self::Malformed(_)
            | Self::UnknownKey
            | Self::DamagedRecord
            | Self::Revoked
            | Self::Disabled
            | Self::NotYetValid(_)
            | Self::Expired(_)
            | Self::ConsumerDisabled
            | Self::ConsumerMissing
            | Self::KeyType(_)
            | Self::KeyTypeOnRoute(_)
            | Self::PlanMissing(_) => true,
            Self::Path(_)
            | Self::NoRoute
            | Self::Method(_)
            | Self::TooManyFailures { .. }
            | Self::NoCredential
            | Self::Network(_)
            | Self::Certificate
            | Self::Origin
            | Self::Scope
            | Self::Limited { .. } => false,
        }
    }

    /// Returns a short fixed name, fit for a metric label.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Path(_) => "bad_path",
            Self::NoRoute => "no_route",
            Self::Method(_) => "method_not_allowed",
            Self::TooManyFailures { .. } => "too_many_failures",
            Self::NoCredential => "no_credential",
            Self::AmbiguousCredential => "ambiguous_credential",
            Self::Malformed(_) => "malformed_key",
            Self::UnknownKey => "unknown_key",
            Self::DamagedRecord => "damaged_record",
            Self::Revoked => "revoked",
            Self::Disabled => "disabled",
            Self::NotYetValid(_) => "not_yet_valid",
            Self::Expired(_) => "expired",
            Self::ConsumerDisabled => "consumer_disabled",
            Self::ConsumerMissing => "consumer_missing",
            Self::KeyType(_) => "key_type",
            Self::KeyTypeOnRoute(_) => "key_type_on_route",
            Self::PlanMissing(_) => "plan_missing",
            Self::Network(_) => "network",
            Self::Certificate => "client_certificate",
            Self::Origin => "origin",
            Self::Scope => "scope",
            Self::Limited { allows: Limit::Rate { .. }, .. } => "limited",
            Self::Limited { allows: Limit::Quota(_), .. } => "quota",
            Self::Limited { allows: Limit::Concurrent(_), .. } => "concurrent",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(fault) => write!(f, "the request target is refused: {fault}"),
            Self::NoRoute => f.write_str("no route has this host and path"),
            Self::Method(allow) => write!(f, "the route takes only {allow}"),
            Self::TooManyFailures { retry_after } => {
                let wait = InWords(*retry_after);
                write!(f, "its address sent too many bad credentials; one more is looked at in {wait}")
            }
            Self::NoCredential => f.write_str("no credential was sent"),
            Self::AmbiguousCredential => f.write_str("more than one credential was sent"),
            Self::Malformed(fault) => write!(f, "the credential is no key: {fault}"),
            Self::UnknownKey => f.write_str("the key is well formed but unknown"),
            Self::DamagedRecord => f.write_str("the key's record in the store is damaged"),
            Self::Revoked => f.write_str("the key was revoked"),
            Self::Disabled => f.write_str("the key is disabled"),
            Self::NotYetValid(from) => write!(f, "the key works from {from} on"),
            Self::Expired(at) => write!(f, "the key expired at {at}"),
            Self::ConsumerDisabled => f.write_str("the key's consumer is disabled"),
            Self::ConsumerMissing => f.write_str("the key's consumer is missing"),
            Self::KeyType(name) => {
                write!(f, "the key's type `{name}` is not declared, or its token is of another")
            }
            Self::KeyTypeOnRoute(name) => write!(f, "the route does not take keys of type `{name}`"),
            Self::PlanMissing(name) => write!(f, "the plan `{name}` is not configured"),
            Self::Network(Some(address)) => write!(f, "the key may not be used from {address}"),
            Self::Network(None) => f.write_str("the key is bound to networks and the client has no address"),
            Self::Certificate => f.write_str("the client showed no certificate that the route takes"),
            Self::Origin => {
                f.write_str("the key's type is bound to origins, and the request comes from none of them")
            }
            Self::Scope => f.write_str("the key's scopes do not suffice"),
            Self::Limited { allows: Limit::Concurrent(most), .. } => {
                write!(f, "{most} requests are in work, as many as may be at once")
            }
            Self::Limited { allows, retry_after, .. } => {
                let what = if matches!(allows, Limit::Quota(_)) { "quota" } else { "limit" };
                write!(f, "the {what} is used up; one more passes in {}", InWords(*retry_after))
            }
        }
    }
}

/// A wait as a person would say it, rounded up: `0.4 s`, `45 s`, `17 min`, `5 h`, `4 days`. To the second it is
/// in `Retry-After`.
struct InWords(Duration);

impl fmt::Display for InWords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        let (tenths, seconds) = (millis.div_ceil(100), millis.div_ceil(1000));
        match seconds {
            ..=9 => write!(f, "{}.{} s", tenths / 10, tenths % 10),
            10..=119 => write!(f, "{seconds} s"),
            120..=7_199 => write!(f, "{} min", seconds.div_ceil(60)),
            7_200..=172_799 => write!(f, "{} h", seconds.div_ceil(3_600)),
            _ => write!(f, "{} days", seconds.div_ceil(86_400)),
        }
    }
}

/// What the engine would decide, and what it saw on the way.
#[derive(Debug)]
pub struct Explanation {
    /// The refusal; `None` if it would pass.
    pub denial: Option<Denial>,
    /// The route's index, if one matched.
    pub route: Option<usize>,
    /// What would be forwarded; `None` if it would not pass.
    pub passage: Option<Passage>,
    /// The key and who holds it, where they are known.
    pub key: Option<(KeyId, Option<ConsumerId>)>,
    /// The plan that applies, where the key is known or none is needed.
    pub plan: Option<String>,
    /// How each of its limits stands, likewise.
    pub limits: Vec<LimitLeft>,
    /// Each step taken, in order; the last one is the one that refused, if any did.
    pub findings: Vec<Finding>,
}

/// Where a request would go. Unlike a [`Permit`] it is no leave to send it there: nothing was spent.
#[derive(Debug)]
pub struct Passage {
    /// The index of the upstream.
    pub upstream: usize,
    /// The canonical path and query, where it differs from what was sent.
    pub target: Option<String>,
    /// Who asks; `None` on public routes and of callers without a key.
    pub identity: Option<Identity>,
}

impl Passage {
    /// Returns how many more would pass the limit closest to refusing; `None` where nothing is limited.
    pub fn remaining(&self) -> Option<u64> {
        self.identity.as_ref()?.charged.standing.map(|standing| standing.remaining)
    }
}

/// How one limit stands before a request is made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LimitLeft {
    /// Its name.
    pub name: String,
    /// What it allows.
    pub limit: Limit,
    /// Whether one request would pass.
    pub fits: bool,
    /// How many more would pass after it.
    pub remaining: u64,
    /// How long after it until the limit would be whole.
    pub reset: Duration,
    /// How long until one more passes; zero while any remain.
    pub retry_after: Duration,
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
    /// The client's certificate is taken there.
    Certificate,
    /// Its address has not failed too often.
    Address,
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
    /// It comes from a page its key type is bound to.
    Origin,
    /// Its scopes suffice.
    Scope,
    /// Its limits have room.
    Limit,
}

impl Step {
    /// All of them, in their order.
    pub const ALL: [Self; 14] = [
        Self::Path,
        Self::Route,
        Self::Certificate,
        Self::Address,
        Self::Credential,
        Self::Token,
        Self::Key,
        Self::Status,
        Self::Consumer,
        Self::KeyType,
        Self::Network,
        Self::Origin,
        Self::Scope,
        Self::Limit,
    ];

    /// Returns its fixed name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Path => "path",
            Self::Route => "route",
            Self::Certificate => "certificate",
            Self::Address => "address",
            Self::Credential => "credential",
            Self::Token => "token",
            Self::Key => "key",
            Self::Status => "status",
            Self::Consumer => "consumer",
            Self::KeyType => "key_type",
            Self::Network => "network",
            Self::Origin => "origin",
            Self::Scope => "scope",
            Self::Limit => "limit",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_said_as_people_say_them_and_never_too_short() {
        let said = |millis| InWords(Duration::from_millis(millis)).to_string();
        assert_eq!(
            [0, 1, 330, 9_001, 10_001, 119_999, 120_001, 349_316_029, 7_200_000].map(said),
            ["0.0 s", "0.1 s", "0.4 s", "10 s", "11 s", "2 min", "3 min", "5 days", "2 h"]
        );
    }
}
