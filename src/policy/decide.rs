//! The decision itself, step by step.

use std::net::IpAddr;
use std::sync::Arc;

use super::credential::Presented;
use super::decision::{Decision, Denial, Explanation, Finding, Holder, Identity, Permit, Reason, Step};
use super::index::{Index, KeyEntry, NameId, Standing, Update};
use super::limit::Meter;
use super::path;
use super::route::Match;
use super::rules::Rules;
use super::table::Look;
use crate::key::{Digest, Format, Parsed, Timestamp};

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
    bound: Arc<Bound>,
}

/// What comes of rules and index together: names become numbers, limits become cells.
#[derive(Clone, Debug)]
struct Bound {
    /// By plan.
    meters: Arc<[Box<[Meter]>]>,
    /// By the number of a name: the plan and the key type called so.
    plans: Box<[Option<usize>]>,
    key_types: Box<[Option<usize>]>,
}

impl Engine {
    /// Puts rules and an index together; the index brings its limiter.
    pub fn new(rules: Arc<Rules>, index: Index) -> Self {
        let bound = Bound::new(index.limiter().meters(&rules).into(), &rules, &index);
        Self { rules, index, bound: Arc::new(bound) }
    }

    /// Returns the engine under other rules. Counts stay.
    #[must_use]
    pub fn with_rules(&self, rules: Arc<Rules>) -> Self {
        Self::new(rules, self.index.clone())
    }

    /// Returns the engine with another index of the same limiter, after a reload. Counts stay.
    #[must_use]
    pub fn with_index(&self, index: Index) -> Self {
        Self::new(Arc::clone(&self.rules), index)
    }

    /// Returns the engine after `changes`, applied in order. Only the touched shards are copied.
    /// Apply changes to the newest engine only: counts of what goes are freed.
    #[must_use]
    pub fn with_changes(&self, changes: &[Update]) -> Self {
        let index = self.index.with_changes(changes);
        let bound = if index.name_count() == self.bound.plans.len() {
            Arc::clone(&self.bound)
        } else {
            Arc::new(Bound::new(Arc::clone(&self.bound.meters), &self.rules, &index))
        };
        Self { rules: Arc::clone(&self.rules), index, bound }
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
    ///
    /// Allocates nothing if the request passes and was sent in canonical form, but for the counts of
    /// the first of some hundred neighbouring keys to be used.
    pub fn decide(&self, request: &Attributes<'_>, now: Now) -> Decision {
        let mut walk = Walk { engine: self, request, now, spend: Spend::Charge, route: None, log: Silent };
        match walk.run() {
            Ok(permit) => Decision::Allow(permit),
            Err(refusal) => Decision::Deny(refusal.denial(self, walk.route)),
        }
    }

    /// Says what [`Engine::decide`] would, and why, spending nothing.
    pub fn explain(&self, request: &Attributes<'_>, now: Now) -> Explanation {
        let log = Written(Vec::new());
        let mut walk = Walk { engine: self, request, now, spend: Spend::Peek, route: None, log };
        let (denial, identity) = match walk.run() {
            Ok(Permit { holder: Holder::Known(identity), .. }) => (None, Some(identity)),
            Ok(_) => (None, None),
            Err(refusal) => {
                walk.log.0.push(Finding {
                    step: refusal.step,
                    held: false,
                    detail: refusal.reason.to_string(),
                });
                (Some(refusal.denial(self, walk.route)), None)
            }
        };
        Explanation { denial, route: walk.route, identity, findings: walk.log.0 }
    }
}

impl Bound {
    fn new(meters: Arc<[Box<[Meter]>]>, rules: &Rules, index: &Index) -> Self {
        let spec = rules.spec();
        let names = index.names();
        let plan = |name: &Arc<str>| spec.plans.iter().position(|plan| *plan.name == **name);
        let key_type = |name: &Arc<str>| spec.key_types.by_name(name).map(|(index, _)| index);
        Self {
            meters,
            plans: names.iter().map(plan).collect(),
            key_types: names.iter().map(key_type).collect(),
        }
    }

    fn plan(&self, name: NameId) -> Option<usize> {
        self.plans.get(name as usize).copied().flatten()
    }

    fn key_type(&self, name: NameId) -> Option<usize> {
        self.key_types.get(name as usize).copied().flatten()
    }
}

/// One request on its way through the steps.
struct Walk<'a, L> {
    engine: &'a Engine,
    request: &'a Attributes<'a>,
    now: Now,
    spend: Spend,
    route: Option<usize>,
    log: L,
}

#[derive(Clone, Copy)]
enum Spend {
    Charge,
    Peek,
}

/// Where the steps write what they saw; nowhere, when deciding.
trait Log {
    fn held(&mut self, step: Step, detail: impl FnOnce() -> String);
}

struct Silent;

impl Log for Silent {
    fn held(&mut self, _step: Step, _detail: impl FnOnce() -> String) {}
}

struct Written(Vec<Finding>);

impl Log for Written {
    fn held(&mut self, step: Step, detail: impl FnOnce() -> String) {
        self.0.push(Finding { step, held: true, detail: detail() });
    }
}

/// Why the walk ended early.
struct Refusal<'a> {
    step: Step,
    reason: Reason,
    entry: Option<&'a KeyEntry>,
    limit: Option<(usize, super::limit::Standing)>,
}

impl<'a> Refusal<'a> {
    fn new(step: Step, reason: Reason) -> Self {
        Self { step, reason, entry: None, limit: None }
    }

    fn of(entry: &'a KeyEntry, step: Step, reason: Reason) -> Self {
        Self { entry: Some(entry), ..Self::new(step, reason) }
    }

    #[cold]
    fn denial(self, engine: &Engine, route: Option<usize>) -> Denial {
        let known = self.entry.filter(|entry| entry.standing() != Standing::Damaged);
        Denial {
            rules: Arc::clone(&engine.rules),
            reason: self.reason,
            route,
            key: known.map(|entry| entry.id),
            consumer: known.and_then(|entry| engine.index.consumer(entry.consumer).cloned()),
            limit: self.limit,
        }
    }
}

/// What is known of a key before anything of it is judged.
#[derive(Clone, Copy)]
struct Facts {
    standing: Standing,
    key_type: Option<usize>,
    plan: Result<Option<usize>, ()>,
    consumer: Option<bool>,
}

impl<'a, L: Log> Walk<'a, L> {
    /// The order of the steps is part of the contract: what is refused earlier says less about keys.
    fn run(&mut self) -> Result<Permit, Refusal<'a>> {
        let target =
            path::canonical(self.request.target).map_err(|f| Refusal::new(Step::Path, Reason::Path(f)))?;
        let matched = self.engine.rules.routes().find(self.request.host, &target.path, self.request.method);
        if let Some(ambiguity) = target.ambiguity
            && !matches!(matched, Match::Route(route) if self.engine.rules.spec().routes[route].lax_path)
        {
            return Err(Refusal::new(Step::Path, Reason::Path(path::PathFault::Ambiguous(ambiguity))));
        }
        self.log.held(Step::Path, || format!("canonical: {}{}", target.path, target.query));
        let route = self.route(matched)?;
        let target = target.rewritten();
        if self.engine.rules.spec().routes[route].public {
            let upstream = self.engine.rules.spec().routes[route].upstream;
            let holder = Holder::Anyone(Arc::clone(&self.engine.rules));
            return Ok(Permit { route, upstream, target, holder });
        }
        let token = self.credential(route)?;
        let (identity, upstream) = self.key(route, token)?;
        Ok(Permit { route, upstream, target, holder: Holder::Known(identity) })
    }

    fn route(&mut self, matched: Match<'_>) -> Result<usize, Refusal<'a>> {
        match matched {
            Match::Nothing => Err(Refusal::new(Step::Route, Reason::NoRoute)),
            Match::OtherMethods(allow) => Err(Refusal::new(Step::Route, Reason::Method(allow.into()))),
            Match::Route(route) => {
                self.route = Some(route);
                self.log.held(Step::Route, || {
                    let route = &self.engine.rules.spec().routes[route];
                    let public = if route.public { ", public: no key is asked for" } else { "" };
                    format!("`{}` ({}){public}", route.name, route.path)
                });
                Ok(route)
            }
        }
    }

    fn credential(&mut self, route: usize) -> Result<&'a [u8], Refusal<'a>> {
        let refuse = |reason| Err(Refusal::new(Step::Credential, reason));
        match self.engine.rules.facts(route).source.look(self.request.fields) {
            Presented::Nothing => refuse(Reason::NoCredential),
            Presented::Several => refuse(Reason::AmbiguousCredential),
            Presented::One(token) => {
                self.log.held(Step::Credential, || "exactly one".to_owned());
                Ok(token)
            }
        }
    }

    /// From the token to who holds it and what they may do here.
    fn key(&mut self, route: usize, token: &[u8]) -> Result<(Identity, usize), Refusal<'a>> {
        let parsed = self.token(token)?;
        let (entry, is_known) = self.look(token);
        let Some(entry) = entry else { return Err(Refusal::new(Step::Key, Reason::UnknownKey)) };
        let facts = std::hint::black_box(self.facts(entry));
        // Up to here every well-formed token has cost the same, be it unknown, revoked or good.
        if !is_known {
            return Err(Refusal::new(Step::Key, Reason::UnknownKey));
        }
        self.status(entry, facts)?;
        self.consumer(entry, facts)?;
        let upstream = self.key_type(route, entry, facts, parsed)?;
        let plan = facts.plan.map_err(|()| {
            let consumer = self.engine.index.consumer(entry.consumer);
            let name = entry.profile.plan_name().or_else(|| consumer?.record().plan.as_deref());
            Refusal::of(entry, Step::Limit, Reason::PlanMissing(name.unwrap_or_default().into()))
        })?;
        self.network(entry)?;
        self.scopes(route, entry)?;
        let standing = self.limits(entry, plan)?;
        let consumer = self.engine.index.consumer(entry.consumer).expect("its consumer was seen enabled");
        let identity = Identity {
            rules: Arc::clone(&self.engine.rules),
            consumer: Arc::clone(consumer),
            profile: Arc::clone(&entry.profile),
            key: entry.id,
            plan,
            expires_at: entry.expires_at(),
            is_in_grace: entry.is_replaced(),
            standing,
        };
        Ok((identity, upstream))
    }

    fn token(&mut self, token: &[u8]) -> Result<Parsed, Refusal<'a>> {
        let types = &self.engine.rules.spec().key_types;
        let parsed = types.parse(token).map_err(|m| Refusal::new(Step::Token, Reason::Malformed(m)))?;
        self.log.held(Step::Token, || {
            let name = &types.as_slice()[parsed.key_type].name;
            if parsed.is_opaque {
                "of an opaque type's length".to_owned()
            } else {
                format!("of type `{name}`")
            }
        });
        Ok(parsed)
    }

    /// Looks under every digest in use, whatever is found, and returns another key's entry if nothing
    /// is, so that the same work can be done.
    fn look(&self, token: &[u8]) -> (Option<&'a KeyEntry>, bool) {
        let engine = self.engine;
        let mut hit = None;
        let mut decoy = None;
        engine.rules.spec().peppers.each_digest(token, |digest: Digest| match engine.index.look(&digest) {
            Look::Hit(entry) => hit = Some(entry),
            Look::Miss(other) => decoy = other,
        });
        (hit.or(decoy), hit.is_some())
    }

    fn facts(&self, entry: &KeyEntry) -> Facts {
        let engine = self.engine;
        let consumer = engine.index.consumer(entry.consumer);
        let plan = match entry.profile.plan.or_else(|| consumer?.plan()) {
            Some(name) => engine.bound.plan(name).map(Some).ok_or(()),
            None => Ok(engine.rules.default_plan()),
        };
        Facts {
            standing: entry.standing(),
            key_type: engine.bound.key_type(entry.profile.key_type),
            plan,
            consumer: consumer.map(|consumer| consumer.record().enabled),
        }
    }

    fn status(&mut self, entry: &'a KeyEntry, facts: Facts) -> Result<(), Refusal<'a>> {
        let now = self.now.wall;
        let refuse = |reason| Err(Refusal::of(entry, Step::Status, reason));
        if facts.standing == Standing::Damaged {
            return Err(Refusal::new(Step::Key, Reason::DamagedRecord));
        }
        self.log.held(Step::Key, || format!("{}", entry.id));
        match facts.standing {
            Standing::Revoked => return refuse(Reason::Revoked),
            Standing::Disabled => return refuse(Reason::Disabled),
            Standing::Enabled | Standing::Damaged => {}
        }
        if let Some(from) = entry.not_before(now) {
            return refuse(Reason::NotYetValid(from));
        }
        if let Some(at) = entry.expires_at()
            && at <= now
        {
            return refuse(Reason::Expired(at));
        }
        self.log.held(Step::Status, || match entry.expires_at() {
            Some(at) => format!("active until {at}"),
            None => "active, never expires".to_owned(),
        });
        Ok(())
    }

    fn consumer(&mut self, entry: &'a KeyEntry, facts: Facts) -> Result<(), Refusal<'a>> {
        match facts.consumer {
            None => Err(Refusal::of(entry, Step::Consumer, Reason::ConsumerMissing)),
            Some(false) => Err(Refusal::of(entry, Step::Consumer, Reason::ConsumerDisabled)),
            Some(true) => {
                self.log.held(Step::Consumer, || {
                    let consumer = self.engine.index.consumer(entry.consumer).map(|c| c.record());
                    consumer.map_or_else(String::new, |c| format!("`{}` ({}), enabled", c.name, c.id))
                });
                Ok(())
            }
        }
    }

    /// Checks that the token's type is the record's and taken here, and returns where its keys go.
    fn key_type(
        &mut self,
        route: usize,
        entry: &'a KeyEntry,
        facts: Facts,
        parsed: Parsed,
    ) -> Result<usize, Refusal<'a>> {
        let name = || entry.profile.key_type_name();
        let refuse = |reason| Err(Refusal::of(entry, Step::KeyType, reason));
        let Some(key_type) = facts.key_type else { return refuse(Reason::KeyType(name().into())) };
        let is_opaque = self.engine.rules.spec().key_types.as_slice()[key_type].format != Format::Kgate;
        let is_same = if parsed.is_opaque { is_opaque } else { key_type == parsed.key_type };
        if !is_same {
            return refuse(Reason::KeyType(name().into()));
        }
        match self.engine.rules.facts(route).upstream_by_type[key_type] {
            None => refuse(Reason::KeyTypeOnRoute(name().into())),
            Some(upstream) => {
                self.log.held(Step::KeyType, || format!("`{}` is taken on this route", name()));
                Ok(upstream)
            }
        }
    }

    fn network(&mut self, entry: &'a KeyEntry) -> Result<(), Refusal<'a>> {
        let networks = entry.profile.networks();
        let client = self.request.client;
        if !networks.is_empty() && !client.is_some_and(|address| networks.contain(address)) {
            return Err(Refusal::of(entry, Step::Network, Reason::Network(client)));
        }
        self.log.held(Step::Network, || match (networks.is_empty(), client) {
            (false, Some(address)) => format!("{address} is in {networks}"),
            _ => "any address".to_owned(),
        });
        Ok(())
    }

    fn scopes(&mut self, route: usize, entry: &'a KeyEntry) -> Result<(), Refusal<'a>> {
        let required = &self.engine.rules.spec().routes[route].scopes;
        if !required.is_met_by(entry.profile.scopes()) {
            return Err(Refusal::of(entry, Step::Scope, Reason::Scope));
        }
        self.log.held(Step::Scope, || format!("required: {required}; held: {}", entry.profile.scopes_text));
        Ok(())
    }

    fn limits(
        &mut self,
        entry: &'a KeyEntry,
        plan: Option<usize>,
    ) -> Result<Option<super::limit::Standing>, Refusal<'a>> {
        let Some(plan) = plan else {
            self.log.held(Step::Limit, || "no plan, so no limits".to_owned());
            return Ok(None);
        };
        let limiter = self.engine.index.limiter();
        let meters = &self.engine.bound.meters[plan];
        let outcome = match self.spend {
            Spend::Charge => limiter.charge(meters, entry.row(), entry.consumer, self.now.mono),
            Spend::Peek => limiter.peek(meters, entry.row(), entry.consumer, self.now.mono),
        };
        match outcome {
            Ok(standing) => {
                self.log.held(Step::Limit, || {
                    let name = &self.engine.rules.spec().plans[plan].name;
                    format!("plan `{name}`, {} limits, room in each", meters.len())
                });
                Ok(standing)
            }
            Err(standing) => {
                let reason = Reason::Limited { limit: standing.limit, retry_after: standing.retry_after };
                Err(Refusal { limit: Some((plan, standing)), ..Refusal::of(entry, Step::Limit, reason) })
            }
        }
    }
}
