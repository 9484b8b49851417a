//! The configuration, checked and resolved: what `config` fills in and the engine reads.

use std::collections::HashMap;
use std::fmt;
use std::net::IpAddr;

use super::Ambiguity;
use super::credential::{self, Carriers, Source};
use super::failures::Budget;
use super::origin::Origin;
use super::path::{self, PathFault};
use super::route::{Methods, Routes, without_port};
use crate::key::{Format, KeyTypes, Kind, Limit, Networks, Peppers, Rate, Requirement};

/// The configuration as typed, every name still a name.
#[derive(Clone, Debug, Default)]
pub struct Spec {
    /// The declared key types.
    pub key_types: KeyTypes,
    /// The secrets mixed into digests.
    pub peppers: Peppers,
    /// The named sets of limits.
    pub plans: Vec<PlanSpec>,
    /// The plan of keys whose consumer has none.
    pub default_plan: Option<String>,
    /// The routes. Their order means nothing.
    pub routes: Vec<RouteSpec>,
    /// How many upstreams there are; routes name them by index.
    pub upstreams: usize,
    /// How many failed authentications are taken from one source address; `None` is any number.
    pub failed_auth: Option<FailedAuth>,
    /// What holds for keys of publishable types; those not named are bound to nothing.
    pub publishable: Vec<Publishable>,
}

/// What a key type's keys are bound to that everybody may see.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Publishable {
    /// The name of the key type.
    pub key_type: String,
    /// Where the pages come from that may use its keys; none is anywhere, pages or not.
    pub origins: Vec<Origin>,
    /// How often one source address may use its keys, all of them together; `None` is any number.
    pub per_address: Option<Rate>,
}

/// A limit on failed authentications, counted by source address: IPv4 alone, IPv6 by /64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FailedAuth {
    /// How often.
    pub rate: Rate,
    /// How many at once; at least 1.
    pub burst: u64,
    /// Addresses that are never limited: those that stand for many, such as proxies.
    pub exempt: Networks,
}

/// A named set of limits.
#[derive(Clone, Debug, Default)]
pub struct PlanSpec {
    /// Its name, unique.
    pub name: String,
    /// Its limits, at most [`Rules::MAX_LIMITS`]. None is no limit.
    pub limits: Vec<LimitSpec>,
}

/// One limit of a plan.
#[derive(Clone, Debug)]
pub struct LimitSpec {
    /// Its name, unique in its plan. Limits of the same name and subject in different plans share
    /// their counts, so that a key keeps them when its plan changes.
    pub name: String,
    /// What it allows. Limits of one name but different kinds have counts of their own.
    pub limit: Limit,
    /// Who is counted.
    pub per: LimitSubject,
    /// Whether it only says what it would have refused.
    pub shadow: bool,
}

/// A limit by its plan's index and its own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct LimitRef {
    pub(super) plan: u32,
    pub(super) limit: u32,
}

impl LimitRef {
    pub(super) fn new(plan: usize, limit: usize) -> Self {
        let index = |index| u32::try_from(index).expect("plans and limits are fewer than 2^32");
        Self { plan: index(plan), limit: index(limit) }
    }
}

/// Who is counted by a limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum LimitSubject {
    /// Every key for itself.
    #[default]
    Key,
    /// All keys of a consumer together.
    Consumer,
    /// Everybody on a route together.
    Route,
    /// Every source address for itself, IPv6 by /64, whatever key it brings. Of rates only.
    Address,
}

impl LimitSubject {
    pub(super) const ALL: [Self; 4] = [Self::Key, Self::Consumer, Self::Route, Self::Address];
}

/// What a holder may do with a key as the only proof, answered by kgate itself.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum SelfService {
    /// Replace the key by a new one.
    Rotate,
    /// End the key.
    Revoke,
    /// See what the key was used for and what is left of its limits.
    Usage,
}

impl SelfService {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Rotate, Self::Revoke, Self::Usage];

    /// Returns its name in the configuration.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rotate => "rotate",
            Self::Revoke => "revoke",
            Self::Usage => "usage",
        }
    }

    /// Returns the method and the path by which it is asked for.
    pub const fn asked_by(self) -> (&'static str, &'static str) {
        match self {
            Self::Rotate => ("POST", "/.kgate/keys/rotate"),
            Self::Revoke => ("POST", "/.kgate/keys/revoke"),
            Self::Usage => ("GET", "/.kgate/usage"),
        }
    }
}

/// One route as typed.
#[derive(Clone, Debug, Default)]
pub struct RouteSpec {
    /// Its name, unique.
    pub name: String,
    /// The host it is for, without port; `None` is every host.
    pub host: Option<String>,
    /// Its path pattern: segments, `*` for one that is not empty, a last `**` for zero or more. A
    /// trailing slash is an empty last segment: `/a/` is not `/a`.
    pub path: String,
    /// The methods it takes, in upper case as sent; empty is all but `TRACE` and `CONNECT`.
    pub methods: Vec<String>,
    /// Whether it asks for no key.
    pub public: bool,
    /// The plan of those who bring no key, if they may pass. What it counts by key or consumer is counted by
    /// source address.
    pub anonymous: Option<String>,
    /// What it asks of a key's scopes.
    pub scopes: Requirement,
    /// The names of the key types it takes; empty is all.
    pub key_types: Vec<String>,
    /// Where it looks for the key; nowhere named is [`Source::Bearer`]. If none of them is in
    /// `Authorization`, that is the backend's.
    pub credentials: Vec<Source>,
    /// Where it leads, as an index.
    pub upstream: usize,
    /// What kgate itself does there, if it leads nowhere.
    pub self_service: Option<SelfService>,
    /// Where it leads for keys of a named type, before [`RouteSpec::upstream`].
    pub upstream_by_type: Vec<(String, usize)>,
    /// Whether ambiguous spellings of a path are let through. Dot segments never are.
    pub lax_path: bool,
    /// The plan of whoever uses it, beside the key's and the consumer's: of limits with one name theirs
    /// count.
    pub plan: Option<String>,
    /// How much a request is charged to rates and quotas; without it, 1.
    pub cost: Option<u64>,
    /// Names of clients' certificates it takes, with their kind: `cn:a`, `dns:a.example.com`, `email:…`, `uri:…`,
    /// `subject:…`; empty asks for none.
    pub client_certificates: Vec<String>,
}

impl RouteSpec {
    /// Says whether its key can be in `Authorization`, which is then not the backend's.
    pub fn takes_authorization(&self) -> bool {
        !self.public && (self.credentials.is_empty() || self.credentials.iter().any(Source::is_authorization))
    }
}

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    spec: Spec,
    routes: Routes,
    /// In the order of [`Spec::routes`].
    facts: Vec<RouteFacts>,
    credential_headers: Vec<String>,
    carriers: Carriers,
    common_sources: Option<Box<[Source]>>,
    default_plan: Option<usize>,
    failed_auth: Option<Budget>,
    /// Those of [`Spec::plans`], and after them those made of them.
    plans: Vec<PlanSpec>,
    key_types: Vec<KeyTypeFacts>,
}

/// What a key type comes to.
#[derive(Debug, Default)]
pub(super) struct KeyTypeFacts {
    pub(super) origins: Box<[Origin]>,
    /// The plan with its limit by address.
    pub(super) plan: Option<usize>,
}

/// How callers without a key are limited.
#[derive(Debug)]
pub(super) struct AnonymousFacts {
    /// The plan as it was named.
    pub(super) plan: usize,
    /// That plan and the route's, as they count callers without a key.
    pub(super) counted: Vec<usize>,
}

/// What a route comes to once names are resolved.
#[derive(Debug)]
pub(super) struct RouteFacts {
    pub(super) sources: Box<[Source]>,
    /// By key type: where its keys are led, `None` where they are not taken.
    pub(super) upstream_by_type: Box<[Option<usize>]>,
    pub(super) plan: Option<usize>,
    pub(super) anonymous: Option<AnonymousFacts>,
    pub(super) cost: u64,
}

impl Rules {
    /// The most limits a plan may have: they are weighed on the stack.
    pub const MAX_LIMITS: usize = 16;

    /// The longest time a limit may need to refill, in seconds: 400 days. Counts are kept as times,
    /// which must not run out of bits; longer periods are quotas.
    pub const MAX_REFILL_SECS: u64 = 400 * 86_400;

    /// Checks and resolves a configuration.
    ///
    /// # Errors
    /// Every fault, not just the first.
    pub fn compile(spec: Spec) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        check_key_types(&spec, &mut faults);
        check_plans(&spec, &mut faults);
        check_failed_auth(&spec, &mut faults);
        let mut plans = Plans::new(&spec);
        let key_types = resolve_key_types(&spec, &mut plans, &mut faults);
        let default_plan = resolve_default_plan(&spec, &mut faults);
        let mut routes = Routes::default();
        let mut names = HashMap::new();
        let mut facts = Vec::new();
        for (index, route) in spec.routes.iter().enumerate() {
            if names.insert(route.name.as_str(), index).is_some() {
                faults
                    .push(Place::RouteField(index, "name").fault(Problem::DuplicateName(route.name.clone())));
            }
            check_public(index, route, &mut faults);
            facts.push(resolve_route(index, route, &spec, &mut plans, &mut faults));
            add_route(index, route, &spec, &mut routes, &mut faults);
        }
        let credential_headers = credential_headers(&spec);
        if faults.is_empty() {
            let carriers = Carriers::of(spec.routes.iter().flat_map(|route| &route.credentials));
            let failed_auth = spec.failed_auth.as_ref().map(|limit| Budget::new(limit.rate, limit.burst));
            let common_sources = common_sources(&spec, &facts);
            let plans = plans.all;
            Ok(Self {
                spec,
                routes,
                facts,
                credential_headers,
                carriers,
                common_sources,
                default_plan,
                failed_auth,
                plans,
                key_types,
            })
        } else {
            Err(faults)
        }
    }

    /// Returns the configuration it was made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Returns the names of all headers that may carry a key, in lower case, `authorization` first.
    pub fn credential_headers(&self) -> &[String] {
        &self.credential_headers
    }

    /// Says whether a header value holds a well-formed kgate token, under whatever scheme and between
    /// whatever marks. Where `Authorization` is the backend's, such a value must not reach it all the same.
    pub fn carries_token(&self, value: &[u8]) -> bool {
        let is_mark = |byte: &u8| !byte.is_ascii_alphanumeric() && *byte != b'_';
        let is_token = |word: &[u8]| self.spec.key_types.parse(word).is_ok_and(|parsed| !parsed.is_opaque);
        let has_token = |value: &[u8]| value.split(is_mark).any(is_token);
        has_token(value) || credential::hides_in_basic(value, has_token)
    }

    /// Says whether `Authorization` of a route's requests is kgate's and must not go on.
    pub fn takes_authorization(&self, route: usize) -> bool {
        self.spec.routes.get(route).is_none_or(RouteSpec::takes_authorization)
    }

    /// Says whether any route takes its key from a cookie or from `Sec-WebSocket-Protocol`.
    pub fn has_carriers(&self) -> bool {
        !self.carriers.cookies.is_empty() || self.carriers.protocols
    }

    /// Returns a `Cookie` field without keys, maybe empty; `None` if it has none.
    pub fn cookies_without_keys(&self, field: &[u8]) -> Option<Vec<u8>> {
        self.carriers.cookies_without_keys(field)
    }

    /// Returns a `Sec-WebSocket-Protocol` field without keys, maybe empty; `None` if it has none.
    pub fn protocols_without_keys(&self, field: &[u8]) -> Option<Vec<u8>> {
        self.carriers.protocols_without_keys(field)
    }

    pub(super) fn carriers(&self) -> &Carriers {
        &self.carriers
    }

    /// Returns a limit of these rules.
    pub(super) fn limit(&self, limit: LimitRef) -> &LimitSpec {
        &self.plans[limit.plan as usize].limits[limit.limit as usize]
    }

    /// Returns every plan: those that were named, and after them those made of them.
    pub(super) fn plans(&self) -> &[PlanSpec] {
        &self.plans
    }

    pub(super) fn key_type(&self, key_type: usize) -> &KeyTypeFacts {
        &self.key_types[key_type]
    }

    /// Returns the route a request would take with another method than its own, by index; `None` if it takes
    /// none, or its target is refused.
    pub fn route_of(&self, host: &str, target: &[u8], method: &str) -> Option<usize> {
        let target = super::path::canonical(target).ok()?;
        let super::route::Match::Route(route) = self.routes.find(host, &target.path, method) else {
            return None;
        };
        (target.ambiguity.is_none() || self.spec.routes[route].lax_path).then_some(route)
    }

    pub(super) fn routes(&self) -> &Routes {
        &self.routes
    }

    pub(super) fn facts(&self, route: usize) -> &RouteFacts {
        &self.facts[route]
    }

    /// Returns where keys are taken from, if every route takes them from the same places and one digest is
    /// made of them.
    pub(super) fn common_sources(&self) -> Option<&[Source]> {
        self.common_sources.as_deref()
    }

    pub(super) fn default_plan(&self) -> Option<usize> {
        self.default_plan
    }

    /// Returns the budget of failed authentications, if there is one.
    pub(super) fn failed_auth(&self) -> Option<Budget> {
        self.failed_auth
    }

    /// Says whether an address may fail as often as it likes.
    pub(super) fn may_fail(&self, address: IpAddr) -> bool {
        self.spec.failed_auth.as_ref().is_none_or(|limit| limit.exempt.contain(address))
    }
}

fn common_sources(spec: &Spec, facts: &[RouteFacts]) -> Option<Box<[Source]>> {
    let mut keyed = facts.iter().zip(&spec.routes).filter(|(_, route)| !route.public);
    let (first, _) = keyed.next().filter(|_| spec.peppers.as_slice().is_empty())?;
    keyed.all(|(facts, _)| facts.sources == first.sources).then(|| first.sources.clone())
}

fn check_key_types(spec: &Spec, faults: &mut Vec<Fault>) {
    let types = spec.key_types.as_slice();
    for (index, this) in types.iter().enumerate() {
        let before = &types[..index];
        if before.iter().any(|other| other.name == this.name) {
            faults.push(Place::KeyType(index).fault(Problem::DuplicateName(this.name.clone())));
        }
        if let Some(other) = before.iter().find(|other| other.prefix == this.prefix) {
            faults.push(
                Place::KeyType(index).fault(Problem::SamePrefix {
                    prefix: this.prefix.to_string(),
                    other: other.name.clone(),
                }),
            );
        }
        if let Format::Opaque { min_len, max_len } = this.format
            && (min_len == 0 || min_len > max_len)
        {
            faults.push(Place::KeyType(index).fault(Problem::OpaqueLength { min_len, max_len }));
        }
    }
}

fn check_plans(spec: &Spec, faults: &mut Vec<Fault>) {
    for (index, plan) in spec.plans.iter().enumerate() {
        if spec.plans[..index].iter().any(|other| other.name == plan.name) {
            faults.push(Place::Plan(index).fault(Problem::DuplicateName(plan.name.clone())));
        }
        if plan.limits.len() > Rules::MAX_LIMITS {
            faults.push(Place::Plan(index).fault(Problem::TooManyLimits(plan.limits.len())));
        }
        for (number, limit) in plan.limits.iter().enumerate() {
            let place = Place::Limit(index, number);
            if plan.limits[..number].iter().any(|other| other.name == limit.name) {
                faults.push(place.fault(Problem::DuplicateName(limit.name.clone())));
            }
            if limit.limit.most() == 0 {
                faults.push(place.fault(Problem::NoBurst));
            }
            if let Limit::Rate { rate, burst } = limit.limit
                && refill_secs(rate, burst) > u128::from(Rules::MAX_REFILL_SECS)
            {
                faults.push(place.fault(Problem::SlowRefill { rate, burst }));
            }
            if limit.per == LimitSubject::Address && !matches!(limit.limit, Limit::Rate { .. }) {
                faults.push(place.fault(Problem::NotByAddress));
            }
        }
    }
}

/// The plans, and those made of them, which nobody names.
struct Plans {
    all: Vec<PlanSpec>,
    /// By plan: the one that counts it by address.
    by_address: Vec<Option<usize>>,
}

impl Plans {
    fn new(spec: &Spec) -> Self {
        Self { all: spec.plans.clone(), by_address: vec![None; spec.plans.len()] }
    }

    fn add(&mut self, plan: PlanSpec) -> usize {
        self.all.push(plan);
        self.all.len() - 1
    }

    /// Returns a plan as it counts callers without a key: an address stands for key and consumer.
    ///
    /// # Errors
    /// The name of a limit that cannot be counted so.
    fn by_address(&mut self, plan: usize) -> Result<usize, String> {
        if let Some(made) = self.by_address[plan] {
            return Ok(made);
        }
        let mut counted = self.all[plan].clone();
        for limit in counted.limits.iter_mut().filter(|limit| limit.per != LimitSubject::Route) {
            if !matches!(limit.limit, Limit::Rate { .. }) {
                return Err(limit.name.clone());
            }
            limit.per = LimitSubject::Address;
        }
        let made = self.add(counted);
        self.by_address[plan] = Some(made);
        Ok(made)
    }
}

fn resolve_key_types(spec: &Spec, plans: &mut Plans, faults: &mut Vec<Fault>) -> Vec<KeyTypeFacts> {
    let types = spec.key_types.as_slice();
    let mut facts: Vec<KeyTypeFacts> = types.iter().map(|_| KeyTypeFacts::default()).collect();
    for Publishable { key_type, origins, per_address } in &spec.publishable {
        let Some((index, found)) = spec.key_types.by_name(key_type) else { continue };
        if found.kind != Kind::Publishable {
            faults.push(Place::KeyType(index).fault(Problem::NotPublishable));
        }
        let plan = per_address.map(|rate| {
            let limit = Limit::Rate { rate, burst: rate.count() };
            let limit =
                LimitSpec { name: BY_ADDRESS.into(), limit, per: LimitSubject::Address, shadow: false };
            plans.add(PlanSpec { name: String::new(), limits: vec![limit] })
        });
        facts[index] = KeyTypeFacts { origins: origins.as_slice().into(), plan };
    }
    if spec.publishable.iter().any(|publishable| publishable.per_address.is_some()) {
        check_by_address(spec, faults);
    }
    facts
}

/// A plan's limit of the same name counts before that of the key type, and would end it.
fn check_by_address(spec: &Spec, faults: &mut Vec<Fault>) {
    for (index, plan) in spec.plans.iter().enumerate() {
        for (number, limit) in plan.limits.iter().enumerate() {
            if limit.name == BY_ADDRESS && limit.per != LimitSubject::Address {
                faults.push(Place::Limit(index, number).fault(Problem::NameByAddress));
            }
        }
    }
}

/// The name of the limit that [`Publishable::per_address`] makes.
const BY_ADDRESS: &str = "address";

fn check_failed_auth(spec: &Spec, faults: &mut Vec<Fault>) {
    let Some(FailedAuth { rate, burst, .. }) = spec.failed_auth else { return };
    if burst == 0 {
        faults.push(Place::FailedAuth.fault(Problem::NoBurst));
    }
    if refill_secs(rate, burst) > u128::from(Rules::MAX_REFILL_SECS) {
        faults.push(Place::FailedAuth.fault(Problem::SlowRefill { rate, burst }));
    }
}

fn refill_secs(rate: Rate, burst: u64) -> u128 {
    u128::from(burst) * u128::from(rate.per().as_secs()) / u128::from(rate.count())
}

fn resolve_default_plan(spec: &Spec, faults: &mut Vec<Fault>) -> Option<usize> {
    let name = spec.default_plan.as_ref()?;
    let found = spec.plans.iter().position(|plan| plan.name == *name);
    if found.is_none() {
        faults.push(Place::DefaultPlan.fault(Problem::UnknownPlan(name.clone())));
    }
    found
}

/// A public route asks for no key, so whatever it says about keys would silently not happen.
fn check_public(index: usize, route: &RouteSpec, faults: &mut Vec<Fault>) {
    if !route.public {
        return;
    }
    for (field, is_set) in [
        ("anonymous", route.anonymous.is_some()),
        ("scopes", route.scopes != Requirement::Nothing),
        ("key_types", !route.key_types.is_empty()),
        ("credentials", !route.credentials.is_empty()),
        ("upstream_by_type", !route.upstream_by_type.is_empty()),
        ("plan", route.plan.is_some()),
        ("cost", route.cost.is_some()),
    ] {
        if is_set {
            faults.push(Place::RouteField(index, field).fault(Problem::OnPublicRoute(field)));
        }
    }
}

fn resolve_route(
    index: usize,
    route: &RouteSpec,
    spec: &Spec,
    plans: &mut Plans,
    faults: &mut Vec<Fault>,
) -> RouteFacts {
    let mut fault = |field, problem| faults.push(Place::RouteField(index, field).fault(problem));
    let types = spec.key_types.as_slice();
    for name in &route.key_types {
        if spec.key_types.by_name(name).is_none() {
            fault("key_types", Problem::UnknownKeyType(name.clone()));
        }
    }
    if route.upstream >= spec.upstreams && route.self_service.is_none() {
        fault("upstream", Problem::UnknownUpstream(route.upstream));
    }
    for (number, (name, upstream)) in route.upstream_by_type.iter().enumerate() {
        if spec.key_types.by_name(name).is_none() {
            fault("upstream_by_type", Problem::UnknownKeyType(name.clone()));
        }
        if route.upstream_by_type[..number].iter().any(|(other, _)| other == name) {
            fault("upstream_by_type", Problem::DuplicateName(name.clone()));
        }
        if *upstream >= spec.upstreams {
            fault("upstream_by_type", Problem::UnknownUpstream(*upstream));
        }
    }
    let plan = route.plan.as_ref().and_then(|name| {
        let found = spec.plans.iter().position(|plan| plan.name == *name);
        if found.is_none() {
            fault("plan", Problem::UnknownPlan(name.clone()));
        }
        found
    });
    let anonymous =
        resolve_anonymous(route, plan, spec, plans).map_err(|problem| fault("anonymous", problem));
    if let Some(problem) = cost_problem(route, spec) {
        fault("cost", problem);
    }
    for (number, source) in route.credentials.iter().enumerate() {
        if let Source::Header(name) = source
            && (!credential::is_key_header(name) || name.bytes().any(|b| b.is_ascii_uppercase()))
        {
            fault("credentials", Problem::BadHeader(name.to_string()));
        }
        if route.credentials[..number].contains(source) {
            fault("credentials", Problem::DuplicateSource(source.clone()));
        }
    }
    let sources = match route.credentials.as_slice() {
        [] => vec![Source::Bearer],
        sources => sources.to_vec(),
    };
    let upstream_of = |name: &str| {
        let is_taken = route.key_types.is_empty() || route.key_types.iter().any(|t| t == name);
        let chosen = route.upstream_by_type.iter().find(|(t, _)| t == name);
        is_taken.then(|| chosen.map_or(route.upstream, |(_, upstream)| *upstream))
    };
    RouteFacts {
        sources: sources.into(),
        upstream_by_type: types.iter().map(|t| upstream_of(&t.name)).collect(),
        plan,
        anonymous: anonymous.unwrap_or_default(),
        cost: route.cost.unwrap_or(1),
    }
}

/// Resolves how a route's callers without a key are limited; `of_route` is the route's own plan.
fn resolve_anonymous(
    route: &RouteSpec,
    of_route: Option<usize>,
    spec: &Spec,
    plans: &mut Plans,
) -> Result<Option<AnonymousFacts>, Problem> {
    let Some(name) = &route.anonymous else { return Ok(None) };
    // Whoever left the key out would be let in where the key is not.
    if route.scopes != Requirement::Nothing {
        return Err(Problem::AnonymousScopes);
    }
    let plan = spec.plans.iter().position(|plan| plan.name == *name);
    let plan = plan.ok_or_else(|| Problem::UnknownPlan(name.clone()))?;
    let counted = [Some(plan), of_route].into_iter().flatten().map(|plan| {
        plans.by_address(plan).map_err(|limit| {
            let plan = spec.plans[plan].name.clone();
            Problem::AnonymousLimit { plan, limit }
        })
    });
    Ok(Some(AnonymousFacts { plan, counted: counted.collect::<Result<_, _>>()? }))
}

/// A limit smaller than a request's cost would refuse it for ever. Any key may have any plan.
fn cost_problem(route: &RouteSpec, spec: &Spec) -> Option<Problem> {
    let cost = route.cost?;
    let limits = spec.plans.iter().flat_map(|plan| plan.limits.iter().map(move |limit| (plan, limit)));
    let mut paid = limits.filter(|(_, limit)| !matches!(limit.limit, Limit::Concurrent(_)));
    let (plan, limit) = paid.find(|(_, limit)| limit.limit.most() < cost)?;
    Some(Problem::CostOverLimit {
        cost,
        plan: plan.name.clone(),
        limit: limit.name.clone(),
        most: limit.limit.most(),
    })
}

fn add_route(index: usize, route: &RouteSpec, spec: &Spec, routes: &mut Routes, faults: &mut Vec<Fault>) {
    let before = faults.len();
    let mut fault = |field, problem| faults.push(Place::RouteField(index, field).fault(problem));
    for (number, method) in route.methods.iter().enumerate() {
        if Methods::REFUSED.iter().any(|refused| method.eq_ignore_ascii_case(refused)) {
            fault("methods", Problem::RefusedMethod(method.clone()));
        } else if method.is_empty()
            || !method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-' || b == b'_')
        {
            fault("methods", Problem::BadMethod(method.clone()));
        }
        if route.methods[..number].contains(method) {
            fault("methods", Problem::DuplicateName(method.clone()));
        }
    }
    let host = route.host.as_ref().map(|host| host.to_ascii_lowercase());
    if let Some(host) = &host
        && !is_host_name(host)
    {
        fault("host", Problem::BadHost(host.clone()));
    }
    let pattern = match canonical_pattern(&route.path, route.lax_path) {
        Ok(pattern) => pattern,
        Err(problem) => return fault("path", problem),
    };
    let methods = match route.methods.as_slice() {
        [] => Methods::All,
        list => Methods::These(list.to_vec()),
    };
    let host = host.as_deref().map(without_port);
    if faults.len() == before
        && let Err(other) = routes.add(host, &pattern, methods, index)
    {
        let other = spec.routes[other].name.clone();
        faults.push(Place::Route(index).fault(Problem::SameRoute { other }));
    }
}

/// Spells a pattern as requests are spelled, so that the two can be compared byte by byte.
fn canonical_pattern(pattern: &str, lax: bool) -> Result<String, Problem> {
    let segments: Vec<&str> = pattern.split('/').collect();
    let stars = |segment: &&str| segment.contains('*') && !matches!(*segment, "*" | "**");
    if let Some(segment) = segments.iter().find(|s| stars(s)) {
        return Err(Problem::StarInSegment((*segment).to_owned()));
    }
    if segments.iter().rev().skip(1).any(|segment| *segment == "**") {
        return Err(Problem::InnerDoubleStar);
    }
    if pattern.contains('?') {
        return Err(Problem::QueryInPattern);
    }
    let target = path::canonical(pattern.as_bytes()).map_err(Problem::BadPath)?;
    match target.ambiguity {
        Some(ambiguity) if !lax => Err(Problem::AmbiguousPath(ambiguity)),
        _ => Ok(target.path.into_owned()),
    }
}

/// Says whether a text is the name or the address of a host, without a port, as a route may want it and a
/// request may have it: words of letters, digits, `-` and `_` joined by dots, or `[IPv6]`.
pub fn is_host_name(host: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    let is_name = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']').is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok()),
        // The dot of the root zone may end a name.
        None => host.strip_suffix('.').unwrap_or(host).split('.').all(is_label),
    };
    is_name && host.len() <= 255
}

fn credential_headers(spec: &Spec) -> Vec<String> {
    let mut names = vec!["authorization".to_owned()];
    for source in spec.routes.iter().flat_map(|route| &route.credentials) {
        if let Source::Header(name) = source
            && !names.iter().any(|known| **known == **name)
        {
            names.push(name.to_string());
        }
    }
    names
}

/// What is wrong with a configuration, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// Where.
    pub place: Place,
    /// What.
    pub problem: Problem,
}

/// Where a fault is. Numbers are indices into the [`Spec`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// A key type.
    KeyType(usize),
    /// `default_plan`.
    DefaultPlan,
    /// `failed_auth`.
    FailedAuth,
    /// A plan.
    Plan(usize),
    /// A limit of a plan.
    Limit(usize, usize),
    /// A route.
    Route(usize),
    /// A field of a route, by the name it has in [`RouteSpec`].
    RouteField(usize, &'static str),
}

impl Place {
    fn fault(self, problem: Problem) -> Fault {
        Fault { place: self, problem }
    }
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// Two things of a kind have one name.
    #[error("the name `{0}` is already taken")]
    DuplicateName(String),
    /// Two key types have one prefix, so tokens could not be told apart.
    #[error("the prefix `{prefix}` is already that of key type `{other}`")]
    SamePrefix {
        /// The prefix.
        prefix: String,
        /// The key type declared before.
        other: String,
    },
    /// No token can have such a length.
    #[error("an opaque token cannot be {min_len} to {max_len} bytes long")]
    OpaqueLength {
        /// The shortest token.
        min_len: usize,
        /// The longest token.
        max_len: usize,
    },
    /// More limits than a plan can have.
    #[error("{0} limits in one plan, where {max} fit", max = Rules::MAX_LIMITS)]
    TooManyLimits(usize),
    /// Nothing would ever pass.
    #[error("a burst of 0 lets nothing pass")]
    NoBurst,
    /// Requests of this cost would never pass.
    #[error("a cost of {cost} never fits limit `{limit}` of plan `{plan}`, which allows {most}")]
    CostOverLimit {
        /// The route's cost.
        cost: u64,
        /// The plan.
        plan: String,
        /// Its limit.
        limit: String,
        /// The most that limit lets pass at once.
        most: u64,
    },
    /// It would take more than 400 days to refill.
    #[error("a burst of {burst} at {rate} takes more than 400 days to refill")]
    SlowRefill {
        /// How often.
        rate: Rate,
        /// How many at once.
        burst: u64,
    },
    /// Counts by address are kept in memory of one size, and forgotten.
    #[error("only a `rate` can be counted by address, and no `quota` or `concurrent`")]
    NotByAddress,
    /// Its name is taken.
    #[error(
        "a limit called `{BY_ADDRESS}` takes the place of that on publishable keys, so it must be `per = \"address\"`"
    )]
    NameByAddress,
    /// A limit of callers without a key that cannot be counted by address.
    #[error(
        "limit `{limit}` of plan `{plan}` cannot count callers without a key: by address only a `rate` can be counted, everything else `per = \"route\"`"
    )]
    AnonymousLimit {
        /// The plan.
        plan: String,
        /// Its limit.
        limit: String,
    },
    /// Without a key one would be allowed more than with one.
    #[error("callers without a key have no scopes, and would be let in where a key without them is not")]
    AnonymousScopes,
    /// What binds publishable keys, on keys that are secret.
    #[error("only keys of `kind = \"publishable\"` are bound to origins and limited by address")]
    NotPublishable,
    /// A plan that is not declared.
    #[error("there is no plan `{0}`")]
    UnknownPlan(String),
    /// A key type that is not declared.
    #[error("there is no key type `{0}`")]
    UnknownKeyType(String),
    /// An upstream that is not declared.
    #[error("there is no upstream number {0}")]
    UnknownUpstream(usize),
    /// Something about keys on a route that asks for none.
    #[error("a public route asks for no key, so `{0}` would do nothing")]
    OnPublicRoute(&'static str),
    /// Not a header name, or one with another meaning.
    #[error("`{0}` is not a header that can carry a key")]
    BadHeader(String),
    /// A place for keys named twice.
    #[error("`{0}` is named twice")]
    DuplicateSource(Source),
    /// A method that is always refused.
    #[error("the method {0} is never let through")]
    RefusedMethod(String),
    /// Not a method.
    #[error("`{0}` is not a method in upper case")]
    BadMethod(String),
    /// Not a host name or IPv6 address in brackets.
    #[error("`{0}` is not a host name without port")]
    BadHost(String),
    /// No request can have such a path.
    #[error("no request can match the path: {0}")]
    BadPath(PathFault),
    /// Requests with such a path are refused unless the route sets `lax_path`.
    #[error("no request can match the path without `lax_path`: {0}")]
    AmbiguousPath(Ambiguity),
    /// A star that is not a whole segment.
    #[error("`{0}`: a star stands for a whole segment")]
    StarInSegment(String),
    /// `**` before the end.
    #[error("`**` can only be the last segment")]
    InnerDoubleStar,
    /// A `?`.
    #[error("a path has no query")]
    QueryInPattern,
    /// Two routes would take the same requests.
    #[error("route `{other}` has the same host and path, and methods in common")]
    SameRoute {
        /// The route declared before.
        other: String,
    },
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;
    use crate::key::{KeyType, Kind};

    fn key_type(name: &str, prefix: &str) -> KeyType {
        KeyType {
            name: name.into(),
            prefix: prefix.parse().unwrap(),
            environment: name.into(),
            kind: Kind::Secret,
            format: Format::Kgate,
            default_expires: None,
        }
    }

    fn limit(name: &str, rate: &str, burst: u64) -> LimitSpec {
        let limit = Limit::Rate { rate: rate.parse().unwrap(), burst };
        LimitSpec { name: name.into(), limit, per: LimitSubject::Key, shadow: false }
    }

    fn route(name: &str, path: &str) -> RouteSpec {
        RouteSpec { name: name.into(), path: path.into(), ..RouteSpec::default() }
    }

    fn faults(spec: Spec) -> Vec<(Place, String)> {
        let faults = Rules::compile(Spec { upstreams: 1, ..spec }).unwrap_err();
        faults.into_iter().map(|f| (f.place, f.to_string())).collect()
    }

    #[test]
    fn every_fault_is_told_at_once_and_where() {
        let spec = Spec {
            key_types: KeyTypes::new(vec![key_type("live", "a"), key_type("live", "b"), key_type("x", "a")]),
            plans: vec![
                PlanSpec { name: "p".into(), limits: vec![limit("l", "1/s", 0), limit("l", "1/d", 1000)] },
                PlanSpec { name: "p".into(), limits: vec![] },
            ],
            default_plan: Some("q".into()),
            routes: vec![
                route("r", "/a"),
                RouteSpec { upstream: 1, key_types: vec!["dev".into()], ..route("r", "/b") },
                RouteSpec {
                    public: true,
                    credentials: vec![Source::Header("x y".into())],
                    ..route("s", "/c/../d")
                },
                route("t", "/a"),
                RouteSpec { methods: vec!["get".into(), "TRACE".into()], ..route("u", "/u") },
            ],
            ..Spec::default()
        };
        let places: Vec<Place> = faults(spec).into_iter().map(|(place, _)| place).collect();
        assert_eq!(
            places,
            [
                Place::KeyType(1),
                Place::KeyType(2),
                Place::Limit(0, 0),
                Place::Limit(0, 1),
                Place::Limit(0, 1),
                Place::Plan(1),
                Place::DefaultPlan,
                Place::RouteField(1, "name"),
                Place::RouteField(1, "key_types"),
                Place::RouteField(1, "upstream"),
                Place::RouteField(2, "credentials"),
                Place::RouteField(2, "credentials"),
                Place::RouteField(2, "path"),
                Place::Route(3),
                Place::RouteField(4, "methods"),
                Place::RouteField(4, "methods"),
            ]
        );
    }

    #[test]
    fn bad_patterns_and_hosts_are_refused() {
        for path in
            ["", "a", "*", "/**/a", "/a*", "/a/b**", "/a?b", "/a//b", "/a;b", "/a/../b", "/a%2fb", "/a b"]
        {
            let spec = Spec { routes: vec![route("r", path)], ..Spec::default() };
            assert_eq!(faults(spec)[0].0, Place::RouteField(0, "path"), "{path}");
        }
        for host in ["", "a:80", "*.example.com", "a/b", "::1", "[::g]", "ä.example"] {
            let spec = Spec {
                routes: vec![RouteSpec { host: Some(host.into()), ..route("r", "/") }],
                ..Spec::default()
            };
            assert_eq!(faults(spec)[0].0, Place::RouteField(0, "host"), "{host}");
        }
        for header in ["", "authorization", "a b", "host", "content-length", "é", "X-Key"] {
            let spec = Spec {
                routes: vec![RouteSpec {
                    credentials: vec![Source::Header(header.into())],
                    ..route("r", "/")
                }],
                ..Spec::default()
            };
            assert_eq!(faults(spec)[0].0, Place::RouteField(0, "credentials"), "{header}");
        }
    }

    #[test]
    fn patterns_are_spelled_as_requests_are() {
        assert_eq!(canonical_pattern("/café/%7ea/*/**", false).as_deref(), Ok("/caf%C3%A9/~a/*/**"));
        assert_eq!(canonical_pattern("/a%2fb", true).as_deref(), Ok("/a%2Fb"));
        // `/a` and `/%61` are one path, so these two are one route.
        let spec = Spec { routes: vec![route("r", "/a"), route("s", "/%61")], ..Spec::default() };
        assert_eq!(faults(spec)[0].0, Place::Route(1));
    }

    #[test]
    fn tokens_are_seen_wherever_a_header_hides_them() {
        let rules = Rules::compile(Spec {
            key_types: KeyTypes::new(vec![key_type("live", "acme")]),
            ..Spec::default()
        })
        .unwrap();
        let token = crate::key::Token::mint(&"acme".parse().unwrap(), &mut rand::rng());
        let token = token.expose();
        let in_basic = format!("basic {}", base64::prelude::BASE64_STANDARD.encode(format!("u:{token}")));
        for value in
            [token.to_owned(), format!("bearer  {token}"), format!("Basic x, Bearer {token} "), in_basic]
        {
            assert!(rules.carries_token(value.as_bytes()), "{value}");
        }
        assert!(!rules.carries_token(b"Bearer something-else"));
        assert_eq!(rules.credential_headers(), ["authorization"]);
    }
}
