//! The decision itself, step by step.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::cells::{NOBODY, Row, Table};
use super::combos::{Combo, Combos};
use super::credential::{self, Presented};
use super::decision::{
    Charged, Decision, Denial, Explanation, Finding, Holder, Identity, LimitLeft, Passage, Permit, Reason,
    Step, Tenure,
};
use super::failures::Budget;
use super::index::{Brief, Index, KeyEntry, NameId, Standing, Update};
use super::limit::{Held, Limiter, Meters, Outcome, Passed};
use super::meter::{self, Load, Meter, Rows};
use super::route::Match;
use super::rules::{LimitSubject, Rules};
use super::table::{Look, Near};
use super::want::{Leftover, NeedsGrant, Spent, Want};
use super::{origin, path};
use crate::key::{Digest, Format, KeyId, Parsed, QuotaSubject, Timestamp};

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
    /// Every name of the certificate the client showed, with its kind: `cn:a`, `dns:a.example.com`; none if it
    /// showed none that an authority vouched for.
    pub certificate: &'a [String],
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
    combos: Arc<Combos>,
    /// By route.
    route_rows: Box<[Row]>,
    /// By the number of a name: the plan and the key type called so.
    plans: Box<[Option<usize>]>,
    key_types: Box<[Option<usize>]>,
    /// Where the counts of most keys are, if they are counted.
    cells: Option<Arc<Table>>,
}

impl Engine {
    /// Puts rules and an index together; the index brings its limiter.
    pub fn new(rules: Arc<Rules>, index: Index) -> Self {
        let combos = Combos::new(index.limiter().meters(&rules), &rules);
        let bound = Bound::new(Arc::new(combos), &rules, &index);
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
            Arc::new(Bound::new(Arc::clone(&self.bound.combos), &self.rules, &index))
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
    /// the first of some hundred neighbouring keys to be used, for the first key with its plans, and for
    /// the one request that asks for more of a quota ahead of need.
    pub fn decide(&self, request: &Attributes<'_>, now: Now) -> Decision {
        let mut walk = Walk::new(self, request, now, Spend::Charge, Silent);
        match walk.run() {
            // Here, once: a permit is large, and copies of it cost as much as an atomic counter each.
            Ok(way) => Decision::Allow(walk.permit(way)),
            Err(Stop::Refused(refusal)) => Decision::Deny(refusal.denial(self, walk.route)),
            Err(Stop::Needs(needs)) => Decision::NeedsGrant(needs),
        }
    }

    /// Judges a request again that passed and is still under way: its key, the key's consumer, networks
    /// and scopes as they are now. Limits are neither looked at nor charged.
    ///
    /// # Errors
    /// Why a request like it would be refused now.
    pub fn judge_again(&self, tenure: &Tenure, now: Now) -> Result<(), Reason> {
        let Look::Hit(entry) = self.index.look(&tenure.digest) else { return Err(Reason::UnknownKey) };
        if entry.id != tenure.key {
            return Err(Reason::UnknownKey);
        }
        let Tenure { client, .. } = *tenure;
        let request =
            Attributes { method: "", host: "", target: b"", client, certificate: &[], fields: &NoFields };
        let mut walk = Walk::new(self, &request, now, Spend::Peek, Silent);
        let consumer = self.index.brief(entry.consumer).map(Brief::is_enabled);
        let standing = entry.standing();
        let facts = Facts { standing, key_type: None, applies: Err(()), consumer, cell: 0 };
        let judged = walk.status(entry, &facts).and_then(|()| walk.consumer(entry, &facts));
        judged.and_then(|()| walk.network(entry)).map_err(|refusal| refusal.reason)?;
        let required = &tenure.rules.spec().routes[tenure.route].scopes;
        if required.is_met_by(entry.profile.scopes()) { Ok(()) } else { Err(Reason::Scope) }
    }

    /// Says how every limit of a key stands after a request with it that passed under these rules, spending
    /// nothing; and what of quotas must be granted before that is known.
    pub fn limits_left(&self, tenure: &Tenure, now: Now) -> (Vec<LimitLeft>, Option<NeedsGrant>) {
        let Look::Hit(entry) = self.index.look(&tenure.digest) else { return (Vec::new(), None) };
        let Tenure { client, route, .. } = *tenure;
        let request =
            Attributes { method: "", host: "", target: b"", client, certificate: &[], fields: &NoFields };
        let walk = Walk::new(self, &request, now, Spend::Peek, Silent);
        let Ok(applies) = walk.facts(route, entry).applies else { return (Vec::new(), None) };
        // Such a request costs nothing; what is told is how many that cost 1 would pass.
        let applies = Applies { cost: 1, ..applies };
        let rows = applies.rows(Some(entry));
        let limiter = self.index.limiter();
        let outcome = limiter.peek(&applies.meters.all, rows, client, now, 1, &mut Passed::default());
        let lacks = matches!(outcome, Outcome::Lacks(_));
        let needs = lacks.then(|| walk.wants(route, Some(entry), &applies));
        (self.limits_of(Some(entry), &applies, client, now), needs)
    }

    /// Says how every limit stands that a request with a key may meet, on whatever route, spending nothing.
    /// Those that several routes have alike are one. Empty for a key that is unknown.
    pub fn limits_of_key(&self, digest: &Digest, now: Now) -> Vec<LimitLeft> {
        let Look::Hit(entry) = self.index.look(digest) else { return Vec::new() };
        let request = Attributes {
            method: "",
            host: "",
            target: b"",
            client: None,
            certificate: &[],
            fields: &NoFields,
        };
        let walk = Walk::new(self, &request, now, Spend::Peek, Silent);
        let mut all: Vec<LimitLeft> = Vec::new();
        for (route, spec) in self.rules.spec().routes.iter().enumerate() {
            let takes = spec.key_types.is_empty() || {
                let key_type = walk.facts(route, entry).key_type;
                key_type
                    .is_some_and(|t| spec.key_types.contains(&self.rules.spec().key_types.as_slice()[t].name))
            };
            let (false, true, Ok(applies)) = (spec.public, takes, walk.facts(route, entry).applies) else {
                continue;
            };
            let applies = Applies { cost: 1, ..applies };
            for left in self.limits_of(Some(entry), &applies, None, now) {
                if !all.iter().any(|known| (&known.name, known.limit) == (&left.name, left.limit)) {
                    all.push(left);
                }
            }
        }
        all
    }

    /// Says what [`Engine::decide`] would, and why, spending nothing.
    pub fn explain(&self, request: &Attributes<'_>, now: Now) -> Explanation {
        self.explain_as(request, Given::AsSent, now)
    }

    /// As [`Engine::explain`], as if `token` had come from where the route takes keys; the fields are not
    /// looked at.
    pub fn explain_token(&self, request: &Attributes<'_>, token: &[u8], now: Now) -> Explanation {
        self.explain_as(request, Given::Token(token), now)
    }

    /// As [`Engine::explain`], as if the request had brought the key `key`; the fields are not looked at.
    ///
    /// Looks at every key for it: for people, not for requests.
    pub fn explain_key(&self, request: &Attributes<'_>, key: KeyId, now: Now) -> Explanation {
        self.explain_as(request, Given::Key(key), now)
    }

    fn explain_as(&self, request: &Attributes<'_>, given: Given<'_>, now: Now) -> Explanation {
        let log = Written { findings: Vec::new(), given, seen: None };
        let mut walk = Walk::new(self, request, now, Spend::Peek, log);
        let outcome = walk.run().map(|way| walk.permit(way));
        let Walk { route, log: Written { mut findings, seen, .. }, .. } = walk;
        let (entry, applies) = seen.unwrap_or_default();
        // A damaged record has no facts of its own.
        let is_damaged = entry.is_some_and(|entry| entry.standing() == Standing::Damaged);
        let (entry, applies) = if is_damaged { (None, None) } else { (entry, applies) };
        let (denial, permit) = match outcome {
            Ok(permit) => (None, Some(permit)),
            Err(Stop::Refused(refusal)) => {
                let detail = refusal.reason.to_string();
                findings.push(Finding { step: refusal.step, held: false, detail });
                (Some(refusal.denial(self, route)), None)
            }
            Err(Stop::Needs(_)) => unreachable!("peeking needs no grant"),
        };
        let forwarded = permit.filter(|permit| permit.self_service().is_none());
        let passage = forwarded.map(|permit| Passage {
            upstream: permit.upstream,
            target: permit.target,
            identity: match permit.holder {
                Holder::Known(identity) => Some(identity),
                Holder::Anyone(_) | Holder::Anonymous(_) => None,
            },
        });
        let key = entry.map(|entry| {
            (entry.id, self.index.consumer(entry.consumer).map(|consumer| consumer.record().id))
        });
        let limits =
            applies.map_or_else(Vec::new, |applies| self.limits_of(entry, &applies, request.client, now));
        let plan = applies.and_then(|applies| applies.plan);
        let plan = plan.map(|plan| self.rules.spec().plans[plan].name.clone());
        Explanation { denial, route, passage, key, plan, limits, findings }
    }

    /// Says how every limit of a key, or of a caller without one, stands, each for itself.
    fn limits_of(
        &self,
        entry: Option<&KeyEntry>,
        applies: &Applies,
        client: Option<IpAddr>,
        now: Now,
    ) -> Vec<LimitLeft> {
        let left = |meter: &Meter| {
            let one = std::slice::from_ref(meter);
            let limit = self.rules.limit(meter.limit);
            let mut passed = Passed::default();
            let rows = applies.rows(entry);
            let outcome = self.index.limiter().peek(one, rows, client, now, applies.cost, &mut passed);
            let standing = match &outcome {
                Outcome::Passed => passed.standing,
                Outcome::Refused(standing) | Outcome::Lacks(standing) => Some(*standing),
            };
            LimitLeft {
                name: limit.name.clone(),
                limit: limit.limit,
                fits: !matches!(outcome, Outcome::Refused(_)),
                remaining: standing.map_or(limit.limit.most(), |standing| standing.remaining),
                reset: standing.map_or(Duration::ZERO, |standing| standing.reset()),
                retry_after: standing.map_or(Duration::ZERO, |standing| standing.retry_after()),
            }
        };
        applies.meters.all.iter().map(left).collect()
    }

    /// Takes what is left of every quota's grant: nobody is to be served by this engine any more.
    pub fn take_leftovers(&self, now: Timestamp) -> Vec<Leftover> {
        let mut all = Vec::new();
        self.each_quota(&mut |meter, row, name, subject| {
            all.extend(Leftover::take(meter, row, now, name, subject));
        });
        all
    }

    /// Returns every quota of which at least so many percent are spent in the window of now. Looks at every
    /// key: some 10 ms for a million of them and a quota.
    pub fn spent(&self, now: Timestamp, percent: u64) -> Vec<Spent> {
        let mut all = Vec::new();
        self.each_quota(&mut |meter, row, name, subject| {
            all.extend(Spent::of(meter, row, now, name, percent, subject));
        });
        all
    }

    /// Visits the count of every quota of everybody it counts, with its name.
    fn each_quota(&self, visit: &mut QuotaVisit<'_>) {
        for meter in self.bound.combos.quotas() {
            let name = &self.rules.limit(meter.limit).name;
            self.each_row(meter.subject, &mut |row, subject| visit(meter, row, name, subject));
        }
    }

    /// Returns which limits apply together.
    pub(super) fn combos(&self) -> &Combos {
        &self.bound.combos
    }

    /// Visits every row that is counted in for a kind of subject, with whose it is. Of addresses none: see
    /// [`super::addresses`].
    pub(super) fn each_row(
        &self,
        subject: LimitSubject,
        visit: &mut dyn FnMut(Row, &dyn Fn() -> QuotaSubject),
    ) {
        match subject {
            LimitSubject::Key => {
                let counted_as = |entry| QuotaSubject::Key(self.index.counted_as(entry));
                self.index.entries().for_each(|entry| visit(entry.row(), &|| counted_as(entry)));
            }
            LimitSubject::Consumer => {
                self.index.holders().for_each(|(id, number)| visit(number, &|| QuotaSubject::Consumer(id)));
            }
            LimitSubject::Route => {
                for (route, row) in self.rules.spec().routes.iter().zip(&self.bound.route_rows) {
                    visit(*row, &|| QuotaSubject::Route(route.name.as_str().into()));
                }
            }
            LimitSubject::Address => {}
        }
    }
}

/// Sees the meter of a quota, a row that it counts, the quota's name, and who that is.
type QuotaVisit<'v> = dyn FnMut(&Meter, Row, &str, &dyn Fn() -> QuotaSubject) + 'v;

impl Bound {
    fn new(combos: Arc<Combos>, rules: &Rules, index: &Index) -> Self {
        let spec = rules.spec();
        let names = index.names();
        let plan = |name: &Arc<str>| spec.plans.iter().position(|plan| *plan.name == **name);
        let key_type = |name: &Arc<str>| spec.key_types.by_name(name).map(|(index, _)| index);
        let cells = combos.key_cells(rules.default_plan());
        Self {
            combos,
            cells,
            plans: names.iter().map(plan).collect(),
            key_types: names.iter().map(key_type).collect(),
            route_rows: spec.routes.iter().map(|r| index.limiter().route_row(&r.name)).collect(),
        }
    }

    /// Asks for the memory of counts that will probably be charged.
    fn approach(&self, rows: Near) {
        if let Some(cells) = &self.cells {
            cells.approach(rows);
        }
    }

    fn plan(&self, name: NameId) -> Option<usize> {
        self.plans.get(name as usize).copied().flatten()
    }

    fn key_type(&self, name: NameId) -> Option<usize> {
        self.key_types.get(name as usize).copied().flatten()
    }
}

/// What limits a request: of which plan, by which meters, at what cost.
#[derive(Clone, Copy)]
struct Applies<'a> {
    /// The key's or its consumer's.
    plan: Option<usize>,
    combo: Combo,
    meters: &'a Arc<Meters>,
    route: Row,
    cost: u64,
}

impl Applies<'_> {
    /// Returns where a key's request is counted, or that of a caller without one.
    fn rows(&self, entry: Option<&KeyEntry>) -> Rows {
        let (key, consumer) = entry.map_or((NOBODY, NOBODY), |entry| (entry.row(), entry.consumer));
        Rows { key, consumer, route: self.route, address: NOBODY }
    }
}

/// What was found out about a token before its turn came.
#[derive(Clone, Copy)]
struct Ahead {
    parsed: Parsed,
    digest: Digest,
}

/// One request on its way through the steps.
struct Walk<'a, L> {
    engine: &'a Engine,
    request: &'a Attributes<'a>,
    now: Now,
    spend: Spend,
    route: Option<usize>,
    paid: Paid,
    log: L,
}

/// What was charged, the place among those in work, and what to fetch ahead.
#[derive(Default)]
struct Paid {
    passed: Passed,
    held: Option<Held>,
    asks: Option<Box<NeedsGrant>>,
}

/// Where a request that may pass goes, and on what account.
struct Way<'a> {
    route: usize,
    target: Option<String>,
    grant: Grant<'a>,
}

/// On what account a request may pass.
#[derive(Clone, Copy)]
enum Grant<'a> {
    /// No key is asked for.
    Public,
    /// None was brought where none is needed.
    Anonymous(Combo),
    Key(Granted<'a>),
}

/// What a key is granted.
#[derive(Clone, Copy)]
struct Granted<'a> {
    entry: &'a KeyEntry,
    plan: Option<usize>,
    combo: Combo,
    upstream: usize,
}

#[derive(Clone, Copy)]
enum Spend {
    Charge,
    Peek,
}

/// Where the steps write what they saw; nowhere, when deciding.
trait Log<'a> {
    fn held(&mut self, step: Step, detail: impl FnOnce() -> String);

    /// Takes the key found, if one is needed, and what limits it.
    fn saw(&mut self, _entry: Option<&'a KeyEntry>, _applies: Option<Applies<'a>>) {}

    /// Returns the key to go on with instead of what was sent. Never, when deciding.
    fn assumed(&self) -> Option<KeyId> {
        None
    }

    /// Returns the token to go on with instead of what was sent. Never, when deciding.
    fn presented(&self) -> Option<&'a [u8]> {
        None
    }
}

struct Silent;

impl Log<'_> for Silent {
    fn held(&mut self, _step: Step, _detail: impl FnOnce() -> String) {}
}

/// What an explanation goes by.
#[derive(Clone, Copy)]
enum Given<'a> {
    /// The credential in the request.
    AsSent,
    /// This token, wherever the route takes it from.
    Token(&'a [u8]),
    /// The key so named.
    Key(KeyId),
}

struct Written<'a> {
    findings: Vec<Finding>,
    given: Given<'a>,
    seen: Option<(Option<&'a KeyEntry>, Option<Applies<'a>>)>,
}

impl<'a> Log<'a> for Written<'a> {
    fn held(&mut self, step: Step, detail: impl FnOnce() -> String) {
        self.findings.push(Finding { step, held: true, detail: detail() });
    }

    fn saw(&mut self, entry: Option<&'a KeyEntry>, applies: Option<Applies<'a>>) {
        self.seen = Some((entry, applies));
    }

    fn assumed(&self) -> Option<KeyId> {
        match self.given {
            Given::Key(id) => Some(id),
            Given::AsSent | Given::Token(_) => None,
        }
    }

    fn presented(&self) -> Option<&'a [u8]> {
        match self.given {
            Given::Token(token) => Some(token),
            Given::AsSent | Given::Key(_) => None,
        }
    }
}

/// Why the walk ended early.
struct Refusal<'a> {
    step: Step,
    reason: Reason,
    entry: Option<&'a KeyEntry>,
    /// Another key, where none was found: what is read of a found one is read of it.
    decoy: Option<&'a KeyEntry>,
    limit: Option<Box<meter::Standing>>,
}

/// Why there is no permit.
#[allow(clippy::large_enum_variant, reason = "a refusal is told apart once, not carried far")]
enum Stop<'a> {
    Refused(Refusal<'a>),
    Needs(NeedsGrant),
}

impl<'a> From<Refusal<'a>> for Stop<'a> {
    fn from(refusal: Refusal<'a>) -> Self {
        Self::Refused(refusal)
    }
}

impl<'a> Refusal<'a> {
    fn new(step: Step, reason: Reason) -> Self {
        Self { step, reason, entry: None, decoy: None, limit: None }
    }

    fn of(entry: &'a KeyEntry, step: Step, reason: Reason) -> Self {
        Self { entry: Some(entry), ..Self::new(step, reason) }
    }

    #[cold]
    fn denial(self, engine: &Engine, route: Option<usize>) -> Denial {
        // The consumer lies in memory that was not read yet, which takes longer than the rest of a refusal:
        // by it, an unknown key could be told from a revoked one.
        let is_known = self.entry.is_some();
        let read = self.entry.or(self.decoy).filter(|entry| entry.standing() != Standing::Damaged);
        let key = read.map(|entry| entry.id);
        let consumer = read.and_then(|entry| engine.index.consumer(entry.consumer).cloned());
        let (key, consumer) = std::hint::black_box((key, consumer));
        Denial {
            rules: Arc::clone(&engine.rules),
            reason: self.reason,
            route,
            key: key.filter(|_| is_known),
            consumer: consumer.filter(|_| is_known),
            limit: self.limit,
        }
    }
}

/// What is known of a key before anything of it is judged.
#[derive(Clone, Copy)]
struct Facts<'a> {
    standing: Standing,
    key_type: Option<usize>,
    /// `Err` if the key's or the consumer's is not configured.
    applies: Result<Applies<'a>, ()>,
    consumer: Option<bool>,
    /// Nobody's business: it only brings the cell's memory near.
    cell: u64,
}

impl<'a, L: Log<'a>> Walk<'a, L> {
    fn new(engine: &'a Engine, request: &'a Attributes<'a>, now: Now, spend: Spend, log: L) -> Self {
        Self { engine, request, now, spend, route: None, paid: Paid::default(), log }
    }

    /// Turns the end of the way into leave to go it.
    #[inline]
    fn permit(&mut self, way: Way<'a>) -> Permit {
        let Way { route, target, grant } = way;
        let Engine { rules, index, bound } = self.engine;
        let Paid { passed, held, asks } = std::mem::take(&mut self.paid);
        let charged = |combo| {
            let combos = Arc::clone(&bound.combos);
            Charged { combos, combo, standing: passed.standing, shadowed: passed.shadowed }
        };
        let Granted { entry, plan, combo, upstream } = match grant {
            Grant::Key(granted) => granted,
            Grant::Public | Grant::Anonymous(_) => {
                let upstream = rules.spec().routes[route].upstream;
                let holder = match grant {
                    Grant::Anonymous(combo) => Holder::Anonymous(charged(combo)),
                    _ => Holder::Anyone(Arc::clone(rules)),
                };
                return Permit { route, upstream, target, holder, held, asks };
            }
        };
        let identity = Identity {
            charged: charged(combo),
            holder: index.holder(entry.consumer).expect("its consumer was seen enabled"),
            profile: Arc::clone(&entry.profile),
            digest: *entry.digest(),
            key: entry.id,
            plan,
            expires_at: entry.expires_at(),
            is_in_grace: entry.is_replaced(),
        };
        Permit { route, upstream, target, holder: Holder::Known(identity), held, asks }
    }

    /// The order of the steps is part of the contract: what is refused earlier says less about keys.
    #[inline]
    fn run(&mut self) -> Result<Way<'a>, Stop<'a>> {
        let ahead = self.ahead();
        let target =
            path::canonical(self.request.target).map_err(|f| Refusal::new(Step::Path, Reason::Path(f)))?;
        let matched = self.engine.rules.routes().find(self.request.host, &target.path, self.request.method);
        if let Some(ambiguity) = target.ambiguity
            && !matches!(matched, Match::Route(route) if self.engine.rules.spec().routes[route].lax_path)
        {
            let fault = path::PathFault::Ambiguous(ambiguity);
            return Err(Refusal::new(Step::Path, Reason::Path(fault)).into());
        }
        self.log.held(Step::Path, || format!("canonical: {}{}", target.path, target.query));
        let route = self.route(matched)?;
        self.certificate(route)?;
        let target = target.rewritten(self.engine.rules.carriers());
        if self.engine.rules.spec().routes[route].public {
            return Ok(Way { route, target, grant: Grant::Public });
        }
        self.address()?;
        let grant = match (ahead, self.log.assumed()) {
            (Some(Ahead { parsed, digest }), _) => {
                self.looked_up(route, parsed, self.look(&digest)).map(Grant::Key)
            }
            (None, None) => self.sent(route),
            (None, Some(id)) => self.assumed_key(route, id).map(Grant::Key),
        };
        let grant = grant.map_err(|stop| self.failed(stop))?;
        Ok(Way { route, target, grant })
    }

    /// Where every route takes its key from the same places, digests it before anything else is done, and
    /// asks for the memory the key is in: that takes as long as all the steps before it is needed. Nothing
    /// is decided here. A well-formed token is all it speaks of; anything else is left to the steps.
    #[inline]
    fn ahead(&self) -> Option<Ahead> {
        let Engine { rules, index, bound } = self.engine;
        let sources = rules.common_sources().filter(|_| matches!(self.spend, Spend::Charge))?;
        if let Some((address, _)) = self.counted() {
            index.limiter().failures().approach(address);
        }
        let Presented::One(Cow::Borrowed(token)) =
            credential::look(sources, self.request.fields, self.request.target)
        else {
            return None;
        };
        let parsed = rules.spec().key_types.parse(token).ok()?;
        let digest = Digest::sha256(token);
        bound.approach(index.approach(&digest));
        Some(Ahead { parsed, digest })
    }

    /// Goes by the credential that was sent. One that is no good is refused where none is needed, too:
    /// whoever sends it is to learn that it does not work.
    fn sent(&mut self, route: usize) -> Result<Grant<'a>, Stop<'a>> {
        match self.credential(route) {
            Ok(token) => self.key(route, &token).map(Grant::Key),
            Err(refusal) => match &self.engine.rules.facts(route).anonymous {
                Some(anonymous) if refusal.reason == Reason::NoCredential => {
                    self.anonymous(route, anonymous.plan)
                }
                _ => Err(refusal.into()),
            },
        }
    }

    /// Lets a caller without a key pass as far as the limits on its address allow.
    #[inline(never)]
    fn anonymous(&mut self, route: usize, plan: usize) -> Result<Grant<'a>, Stop<'a>> {
        let Engine { rules, bound, .. } = self.engine;
        self.log.held(Step::Credential, || "none, and none is needed here".to_owned());
        let combo = bound.combos.anonymous(route);
        let (meters, cost) = (bound.combos.meters(combo), rules.facts(route).cost);
        let applies = Applies { plan: Some(plan), combo, meters, route: bound.route_rows[route], cost };
        self.log.saw(None, Some(applies));
        self.limits(route, None, &applies)?;
        Ok(Grant::Anonymous(combo))
    }

    fn route(&mut self, matched: Match<'_>) -> Result<usize, Refusal<'a>> {
        match matched {
            Match::Nothing => Err(Refusal::new(Step::Route, Reason::NoRoute)),
            Match::OtherMethods(allow) => Err(Refusal::new(Step::Route, Reason::Method(allow.into()))),
            Match::Route(route) => {
                self.route = Some(route);
                self.log.held(Step::Route, || {
                    let route = &self.engine.rules.spec().routes[route];
                    let more = match (route.public, route.self_service) {
                        (true, _) => ", public: no key is asked for",
                        (false, Some(_)) => ", answered by kgate itself",
                        (false, None) => "",
                    };
                    format!("`{}` ({}){more}", route.name, route.path)
                });
                Ok(route)
            }
        }
    }

    /// Refuses whoever showed no certificate a route asks for, before any key is looked at.
    fn certificate(&mut self, route: usize) -> Result<(), Refusal<'a>> {
        let taken = &self.engine.rules.spec().routes[route].client_certificates;
        if taken.is_empty() {
            return Ok(());
        }
        let Some(name) = self.request.certificate.iter().find(|name| taken.contains(name)) else {
            return Err(Refusal::new(Step::Certificate, Reason::Certificate));
        };
        self.log.held(Step::Certificate, || format!("{name} is taken on this route"));
        Ok(())
    }

    /// Refuses an address that failed too often, whatever it brings: nothing of a credential is looked at,
    /// so that the answer says nothing about it.
    fn address(&mut self) -> Result<(), Refusal<'a>> {
        let Some((address, budget)) = self.counted() else {
            self.log.held(Step::Address, || match self.request.client {
                Some(address) => format!("{address} may fail as often as it likes"),
                None => "unknown, so its failures are not counted".to_owned(),
            });
            return Ok(());
        };
        let wait = self.engine.index.limiter().failures().wait(address, budget, self.now.mono);
        if !wait.is_zero() {
            return Err(Refusal::new(Step::Address, Reason::TooManyFailures { retry_after: wait }));
        }
        self.log.held(Step::Address, || format!("{address} has not failed too often"));
        Ok(())
    }

    /// Counts a failed authentication. Each costs the same, so that no key can be told from another by it.
    #[cold]
    fn failed(&self, stop: Stop<'a>) -> Stop<'a> {
        if let Stop::Refused(refusal) = &stop
            && refusal.reason.is_failed_authentication()
            && matches!(self.spend, Spend::Charge)
            && let Some((address, budget)) = self.counted()
            && let Err(wait) = self.engine.index.limiter().failures().charge(address, budget, self.now.mono)
        {
            // Others of this address failed while this one was judged, and took what was left.
            return Refusal::new(Step::Address, Reason::TooManyFailures { retry_after: wait }).into();
        }
        stop
    }

    /// Returns the address whose failures are counted, and how many it may have.
    fn counted(&self) -> Option<(IpAddr, Budget)> {
        let (address, budget) = (self.request.client?, self.engine.rules.failed_auth()?);
        (!self.engine.rules.may_fail(address)).then_some((address, budget))
    }

    fn credential(&mut self, route: usize) -> Result<Cow<'a, [u8]>, Refusal<'a>> {
        if let Some(token) = self.log.presented() {
            return Ok(Cow::Borrowed(token));
        }
        let refuse = |reason| Err(Refusal::new(Step::Credential, reason));
        let sources = &self.engine.rules.facts(route).sources;
        match credential::look(sources, self.request.fields, self.request.target) {
            Presented::Nothing => refuse(Reason::NoCredential),
            Presented::Several => refuse(Reason::AmbiguousCredential),
            Presented::One(token) => {
                self.log.held(Step::Credential, || "exactly one".to_owned());
                Ok(token)
            }
        }
    }

    /// From the token to who holds it and what they may do here.
    fn key(&mut self, route: usize, token: &[u8]) -> Result<Granted<'a>, Stop<'a>> {
        let parsed = self.token(token)?;
        let mut looked = Looked::default();
        // Under every digest in use, whatever is found.
        self.engine.rules.spec().peppers.each_digest(token, |digest| {
            self.engine.bound.approach(self.engine.index.approach(&digest));
            looked = looked.or(self.look(&digest));
        });
        self.looked_up(route, parsed, looked)
    }

    /// From what was found under a token's digest to what its holder may do here.
    #[inline]
    fn looked_up(
        &mut self,
        route: usize,
        parsed: Parsed,
        looked: Looked<'a>,
    ) -> Result<Granted<'a>, Stop<'a>> {
        let Looked { entry, is_found } = looked;
        let Some(entry) = entry else { return Err(Refusal::new(Step::Key, Reason::UnknownKey).into()) };
        let facts = self.facts(route, entry);
        // The last of the facts, which needs the others; none can be put off now.
        std::hint::black_box(facts.cell);
        // Up to here every well-formed token has cost the same, be it unknown, revoked or good.
        if !is_found {
            let refusal = Refusal::new(Step::Key, Reason::UnknownKey);
            return Err(Refusal { decoy: Some(entry), ..refusal }.into());
        }
        self.judge(route, entry, &facts, Some(parsed))
    }

    /// As [`Walk::key`] for a key that is named, not presented.
    fn assumed_key(&mut self, route: usize, id: KeyId) -> Result<Granted<'a>, Stop<'a>> {
        self.log.held(Step::Credential, || "assumed: the key named".to_owned());
        match self.engine.index.named(id) {
            Some(entry) => self.judge(route, entry, &self.facts(route, entry), None),
            None => Err(Refusal::new(Step::Key, Reason::UnknownKey).into()),
        }
    }

    /// Judges a key that is known. `parsed` is what its token showed, if there was one.
    #[inline]
    fn judge(
        &mut self,
        route: usize,
        entry: &'a KeyEntry,
        facts: &Facts<'a>,
        parsed: Option<Parsed>,
    ) -> Result<Granted<'a>, Stop<'a>> {
        self.log.saw(Some(entry), facts.applies.ok());
        self.status(entry, facts)?;
        self.consumer(entry, facts)?;
        let upstream = self.key_type(route, entry, facts, parsed)?;
        let applies = facts.applies.map_err(|()| {
            Refusal::of(entry, Step::Limit, Reason::PlanMissing(self.missing_plan(entry).into()))
        })?;
        self.network(entry)?;
        self.origin(entry, facts)?;
        self.scopes(route, entry)?;
        self.limits(route, Some(entry), &applies)?;
        Ok(Granted { entry, plan: applies.plan, combo: applies.combo, upstream })
    }

    /// Returns the plan that is named and not configured.
    fn missing_plan(&self, entry: &'a KeyEntry) -> &'a str {
        let is_missing = |name: &&str| !self.engine.rules.spec().plans.iter().any(|plan| plan.name == **name);
        let consumer = self.engine.index.consumer(entry.consumer);
        let of_consumer = consumer.and_then(|consumer| consumer.record().plan.as_deref());
        entry.profile.plan_name().into_iter().chain(of_consumer).find(is_missing).unwrap_or_default()
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

    /// Looks under a digest.
    #[inline]
    fn look(&self, digest: &Digest) -> Looked<'a> {
        match self.engine.index.look(digest) {
            Look::Hit(entry) => Looked { entry: Some(entry), is_found: true },
            Look::Miss(other) => Looked { entry: other, is_found: false },
        }
    }

    fn facts(&self, route: usize, entry: &KeyEntry) -> Facts<'a> {
        let engine = self.engine;
        let consumer = engine.index.brief(entry.consumer);
        let key_type = engine.bound.key_type(entry.profile.key_type);
        let applies = self.applies(route, entry, key_type, consumer.and_then(Brief::plan));
        Facts {
            standing: entry.standing(),
            key_type,
            applies,
            consumer: consumer.map(Brief::is_enabled),
            cell: applies.map_or(0, |applies| Limiter::touch(applies.meters, applies.rows(Some(entry)))),
        }
    }

    /// Resolves the plans of a key and of its consumer. One that is named must be there.
    fn applies(
        &self,
        route: usize,
        entry: &KeyEntry,
        key_type: Option<usize>,
        of_consumer: Option<NameId>,
    ) -> Result<Applies<'a>, ()> {
        let Engine { rules, bound, .. } = self.engine;
        let resolve = |name: NameId| bound.plan(name).ok_or(());
        let key = entry.profile.plan.map(resolve).transpose()?;
        let consumer = of_consumer.map(resolve).transpose()?.or_else(|| rules.default_plan());
        let combo = bound.combos.number(key, consumer, key_type, route);
        Ok(Applies {
            plan: key.or(consumer),
            combo,
            meters: bound.combos.meters(combo),
            route: bound.route_rows[route],
            cost: rules.facts(route).cost,
        })
    }

    fn status(&mut self, entry: &'a KeyEntry, facts: &Facts<'a>) -> Result<(), Refusal<'a>> {
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

    fn consumer(&mut self, entry: &'a KeyEntry, facts: &Facts<'a>) -> Result<(), Refusal<'a>> {
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
        facts: &Facts<'a>,
        parsed: Option<Parsed>,
    ) -> Result<usize, Refusal<'a>> {
        let name = || entry.profile.key_type_name();
        let refuse = |reason| Err(Refusal::of(entry, Step::KeyType, reason));
        let Some(key_type) = facts.key_type else { return refuse(Reason::KeyType(name().into())) };
        let is_opaque = self.engine.rules.spec().key_types.as_slice()[key_type].format != Format::Kgate;
        let is_same = parsed.is_none_or(|p| if p.is_opaque { is_opaque } else { key_type == p.key_type });
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

    /// Checks that a publishable key is used from a page its type is bound to, if it is.
    fn origin(&mut self, entry: &'a KeyEntry, facts: &Facts<'a>) -> Result<(), Refusal<'a>> {
        let Some(key_type) = facts.key_type else { return Ok(()) };
        let origins = &self.engine.rules.key_type(key_type).origins;
        if origins.is_empty() {
            return Ok(());
        }
        if !origin::is_from(origins, self.request.fields) {
            return Err(Refusal::of(entry, Step::Origin, Reason::Origin));
        }
        self.log.held(Step::Origin, || "from a page the key's type is bound to".to_owned());
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
        route: usize,
        entry: Option<&'a KeyEntry>,
        applies: &Applies<'a>,
    ) -> Result<(), Stop<'a>> {
        let Applies { meters, cost, .. } = *applies;
        let (limiter, rows) = (self.engine.index.limiter(), applies.rows(entry));
        let (passed, client) = (&mut self.paid.passed, self.request.client);
        let outcome = match self.spend {
            Spend::Charge => limiter.charge(meters, rows, client, self.now, cost, passed),
            Spend::Peek => limiter.peek(&meters.all, rows, client, self.now, cost, passed),
        };
        match (outcome, self.spend) {
            (Outcome::Passed, Spend::Charge) => {
                if passed.asks {
                    self.paid.asks = Some(Box::new(self.wants(route, entry, applies)));
                }
                self.paid.held = meters.hold(rows);
                return Ok(());
            }
            (Outcome::Refused(standing), _) => {
                let allows = self.engine.rules.limit(standing.limit).limit;
                let reason =
                    Reason::Limited { limit: standing.limit, allows, retry_after: standing.retry_after() };
                let refusal = Refusal::new(Step::Limit, reason);
                return Err(Refusal { entry, limit: Some(Box::new(standing)), ..refusal }.into());
            }
            (Outcome::Lacks(_), Spend::Charge) => return Err(Stop::Needs(self.wants(route, entry, applies))),
            // Of what is lacking there is more to be had, as far as memory tells.
            (Outcome::Passed | Outcome::Lacks(_), Spend::Peek) => {}
        }
        self.log.held(Step::Limit, || match applies.plan.map(|plan| &self.engine.rules.spec().plans[plan]) {
            None if meters.all.is_empty() => "no plan, so no limits".to_owned(),
            None => format!("{} limits, room in each", meters.all.len()),
            Some(plan) => format!("plan `{}`, {} limits, room in each", plan.name, meters.all.len()),
        });
        Ok(())
    }

    /// Says what of which quotas is to be fetched.
    #[cold]
    fn wants(&self, route: usize, entry: Option<&KeyEntry>, applies: &Applies<'_>) -> NeedsGrant {
        let Engine { rules, index, .. } = self.engine;
        let subject = |subject| match subject {
            LimitSubject::Key => Some(QuotaSubject::Key(index.counted_as(entry?))),
            LimitSubject::Consumer => {
                Some(QuotaSubject::Consumer(index.consumer(entry?.consumer)?.record().id))
            }
            LimitSubject::Address => None,
            LimitSubject::Route => Some(QuotaSubject::Route(rules.spec().routes[route].name.as_str().into())),
        };
        let (rows, load) = (applies.rows(entry), Load::new(self.now, applies.cost));
        let want = |meter: &Meter| Want::of(meter, &rules.limit(meter.limit).name, rows, load, subject);
        NeedsGrant::new(applies.meters.all.iter().filter_map(want).collect())
    }
}

/// What a look-up came to: if nothing was found, another key's entry, so that the same work can be done.
#[derive(Clone, Copy, Default)]
struct Looked<'a> {
    entry: Option<&'a KeyEntry>,
    is_found: bool,
}

impl Looked<'_> {
    fn or(self, other: Self) -> Self {
        if self.is_found || (self.entry.is_some() && !other.is_found) { self } else { other }
    }
}

/// Of a request whose head is not looked at again.
struct NoFields;

impl Fields for NoFields {
    fn each_value<'s>(&'s self, _name: &str, _visit: &mut dyn FnMut(&'s [u8])) {}
}

#[cfg(test)]
#[allow(clippy::result_large_err, reason = "a refusal is told apart once, not carried far")]
mod tests {
    use std::net::Ipv4Addr;

    use proptest::prelude::*;

    use super::*;
    use crate::key::{
        ConsumerId, ConsumerRecord, KeyId, KeyRecord, KeyType, KeyTypes, Kind, Limit, Metadata, Networks,
        Pepper, Peppers, RevokeReason, Scheme, Scopes, State, Token,
    };
    use crate::policy::{
        Class, Counted, FailedAuth, Forbidden, IndexBuilder, LimitRef, LimitSpec, LimitSubject, PlanSpec,
        RouteSpec, Spec,
    };

    struct Headers(Vec<(String, Vec<u8>)>);

    impl Fields for Headers {
        fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
            self.0.iter().filter(|(n, _)| n == name).for_each(|(_, v)| visit(v));
        }
    }

    fn at(seconds: i64) -> Now {
        Now { wall: Timestamp::from_secs(seconds), mono: u64::try_from(seconds).unwrap() * 1_000_000_000 }
    }

    fn key_type(name: &str) -> KeyType {
        KeyType {
            name: name.into(),
            prefix: format!("acme_{name}").parse().unwrap(),
            environment: name.into(),
            kind: Kind::Secret,
            format: Format::Kgate,
            default_expires: None,
        }
    }

    fn plan(name: &str, rate: &str) -> PlanSpec {
        let rate: crate::key::Rate = rate.parse().unwrap();
        let limit = |name: &str, per| LimitSpec {
            name: name.into(),
            limit: Limit::Rate { rate, burst: rate.count() },
            per,
            shadow: false,
        };
        PlanSpec {
            name: name.into(),
            limits: vec![limit("key", LimitSubject::Key), limit("all", LimitSubject::Consumer)],
        }
    }

    fn spec() -> Spec {
        let route = |name: &str, path: &str| RouteSpec {
            name: name.into(),
            path: path.into(),
            ..RouteSpec::default()
        };
        let mut own = plan("own", "2/min");
        own.limits.truncate(1);
        Spec {
            key_types: KeyTypes::new(vec![key_type("live"), key_type("test")]),
            peppers: Peppers::default(),
            plans: vec![plan("pro", "100/min"), plan("tiny", "2/min"), own],
            default_plan: Some("pro".into()),
            routes: vec![
                route("all", "/**"),
                RouteSpec { public: true, upstream: 1, ..route("health", "/healthz") },
                RouteSpec {
                    scopes: "products:read".parse().unwrap(),
                    methods: vec!["GET".into()],
                    key_types: vec!["live".into()],
                    ..route("products", "/v1/products/**")
                },
                RouteSpec {
                    credentials: vec![crate::policy::Source::Header("x-api-key".into())],
                    lax_path: true,
                    ..route("header", "/h/**")
                },
                RouteSpec { upstream_by_type: vec![("test".into(), 1)], ..route("split", "/split") },
            ],
            upstreams: 2,
            failed_auth: None,
            publishable: Vec::new(),
        }
    }

    fn consumer(id: u8) -> ConsumerRecord {
        ConsumerRecord {
            id: ConsumerId::from_bytes([id; 16]),
            external_id: None,
            name: format!("consumer {id}"),
            contact: None,
            plan: None,
            enabled: true,
            metadata: Metadata::from([("tier".into(), "gold".into()), ("area".into(), "eu".into())]),
            tags: std::collections::BTreeSet::default(),
            created_at: Timestamp::default(),
        }
    }

    fn key(id: u8, holder: u8, kind: &str) -> (Token, KeyRecord) {
        let prefix = format!("acme_{kind}");
        let token = Token::mint(&prefix.parse().unwrap(), &mut rand::rng());
        let record = KeyRecord {
            id: KeyId::from_bytes([id; 16]),
            consumer: ConsumerId::from_bytes([holder; 16]),
            name: String::new(),
            key_type: kind.into(),
            prefix,
            last_four: token.last_four().into(),
            digest: Digest::sha256(token.expose().as_bytes()),
            scheme: Scheme::Sha256,
            scopes: ["products:*"].map(|s| s.parse().unwrap()).into_iter().collect(),
            plan: None,
            networks: Networks::default(),
            metadata: Metadata::from([("area".into(), "us".into())]),
            state: State::Enabled,
            created_at: Timestamp::default(),
            not_before: None,
            expires_at: None,
            rotated_from: None,
            rotated_to: None,
            replaces_until: None,
        };
        (token, record)
    }

    fn engine(rows: Vec<Update>) -> Engine {
        let mut builder = IndexBuilder::new(Arc::new(Limiter::new()));
        rows.into_iter().for_each(|row| builder.push(row));
        Engine::new(Arc::new(Rules::compile(spec()).unwrap()), builder.finish())
    }

    fn ask(engine: &Engine, target: &str, headers: &[(&str, &str)], now: Now) -> Result<Permit, Denial> {
        let fields = Headers(headers.iter().map(|(n, v)| ((*n).to_owned(), v.as_bytes().to_vec())).collect());
        let request = Attributes {
            method: "GET",
            host: "h",
            target: target.as_bytes(),
            client: Some(Ipv4Addr::new(10, 1, 2, 3).into()),
            certificate: &[],
            fields: &fields,
        };
        let explained = engine.explain(&request, now);
        let decision = match engine.decide(&request, now) {
            Decision::Allow(permit) => Ok(permit),
            Decision::Deny(denial) => Err(denial),
            Decision::NeedsGrant(needs) => panic!("{needs:?}"),
        };
        let reason = decision.as_ref().err().map(|d| d.reason().clone());
        assert_eq!(explained.denial.map(|d| d.reason().clone()), reason, "explain says what decide does");
        assert_eq!(explained.findings.iter().all(|f| f.held), reason.is_none());
        decision
    }

    fn ask_from(engine: &Engine, token: &Token, client: Ipv4Addr, now: Now) -> Result<Permit, Denial> {
        let fields =
            Headers(vec![("authorization".to_owned(), format!("Bearer {}", token.expose()).into_bytes())]);
        let (client, target) = (Some(client.into()), b"/".as_slice());
        let request =
            Attributes { method: "GET", host: "h", target, client, certificate: &[], fields: &fields };
        match engine.decide(&request, now) {
            Decision::Allow(permit) => Ok(permit),
            Decision::Deny(denial) => Err(denial),
            Decision::NeedsGrant(needs) => panic!("{needs:?}"),
        }
    }

    fn with_token(engine: &Engine, target: &str, token: &Token, now: Now) -> Result<Permit, Denial> {
        ask(engine, target, &[("authorization", &format!("Bearer {}", token.expose()))], now)
    }

    /// The plan is `own`, two a minute for each key. A successor has no more of it, by whatever way it becomes known, and what
    /// it replaced may go.
    #[test]
    fn a_successor_is_counted_with_what_it_replaced() {
        let (first, mut old) = key(1, 1, "live");
        old.plan = Some("own".into());
        let (second, mut new) = key(2, 1, "live");
        new.plan.clone_from(&old.plan);
        (old.rotated_to, new.rotated_from) = (Some(new.id), Some(old.id));
        let unrotated = KeyRecord { rotated_to: None, ..old.clone() };
        let (other, apart) = key(3, 1, "live");
        let rows =
            [Update::Consumer(consumer(1)), Update::Key(KeyRecord { plan: old.plan.clone(), ..apart })];
        let with = |more: &[&KeyRecord]| {
            let more = more.iter().map(|record| Update::Key((*record).clone()));
            rows.iter().cloned().chain(more).collect::<Vec<_>>()
        };
        let passes = |engine: &Engine, token: &Token| with_token(engine, "/", token, at(60)).is_ok();
        let removed = Update::KeyRemoved { id: old.id, digest: old.digest };
        let (older, newer) = (Update::Key(old.clone()), Update::Key(new.clone()));
        let reloaded = |engine: &Engine, rows: Vec<Update>| {
            let mut builder = IndexBuilder::replacing(engine.index());
            rows.into_iter().for_each(|row| builder.push(row));
            engine.with_index(builder.finish())
        };
        for (way, rotate) in [
            (
                "in order",
                &(|e: &Engine| e.with_changes(&[older.clone(), newer.clone()])) as &dyn Fn(&Engine) -> Engine,
            ),
            ("the successor first", &|e: &Engine| e.with_changes(&[newer.clone(), older.clone()])),
            ("by a reload", &|e: &Engine| reloaded(e, with(&[&new, &old]))),
            ("and again", &|e: &Engine| reloaded(&reloaded(e, with(&[&old, &new])), with(&[&old, &new]))),
            ("and the old one is pruned", &|e: &Engine| {
                e.with_changes(&[older.clone(), newer.clone(), removed.clone()])
            }),
            ("and is gone after a reload", &|e: &Engine| {
                reloaded(&e.with_changes(&[older.clone(), newer.clone()]), with(&[&new]))
            }),
            ("and was damaged meanwhile", &|e: &Engine| {
                let damaged = Update::DamagedDigest(old.digest);
                e.with_changes(&[older.clone(), newer.clone(), damaged, older.clone()])
            }),
        ] {
            let before = engine(with(&[&unrotated]));
            assert!(passes(&before, &first));
            let after = rotate(&before);
            assert_eq!([(); 2].map(|()| passes(&after, &second)), [true, false], "{way}");
            assert!(!passes(&after, &first), "{way}: they share it");
            assert_eq!([(); 3].map(|()| passes(&after, &other)), [true, true, false], "{way}: others do not");
            let entry = after.index().entries().find(|entry| entry.id == new.id).unwrap();
            assert_eq!(after.index().counted_as(entry), old.id, "{way}");
            // What is left of it goes, and nobody else is counted with it.
            let gone =
                after.with_changes(&[removed.clone(), Update::KeyRemoved { id: new.id, digest: new.digest }]);
            assert_eq!(gone.index().keys(), 1);
        }
    }

    /// The engine, and one whose routes all take keys from the same place, so that it looks ahead.
    fn with_and_without_a_look_ahead(rows: &[Update]) -> [Engine; 2] {
        let build = |spec: Spec| {
            let mut builder = IndexBuilder::new(Arc::new(Limiter::new()));
            rows.iter().for_each(|row| builder.push(row.clone()));
            Engine::new(Arc::new(Rules::compile(spec).unwrap()), builder.finish())
        };
        let mut common = spec();
        common.routes.retain(|route| route.credentials.is_empty());
        let engines = [build(spec()), build(common)];
        assert_eq!(engines.each_ref().map(|e| e.rules().common_sources().is_some()), [false, true]);
        engines
    }

    #[test]
    fn to_look_ahead_of_the_route_changes_no_verdict() {
        let (good, record) = key(1, 1, "live");
        let (revoked, mut other) = key(2, 1, "test");
        other.state = State::Revoked { at: Timestamp::default(), reason: RevokeReason::Leak };
        let rows = [Update::Consumer(consumer(1)), Update::Key(record), Update::Key(other)];
        let engines = with_and_without_a_look_ahead(&rows);
        let unknown = key(3, 1, "live").0;
        let bearer = |token: &Token| format!("Bearer {}", token.expose());
        let (good, revoked, unknown) = (bearer(&good), bearer(&revoked), bearer(&unknown));
        let (two, typo) = (format!("{good}, {good}"), format!("{good}0"));
        for value in [&good, &revoked, &unknown, &two, &typo, "Bearer", "Basic x", ""] {
            for target in ["/x", "/v1/products/1", "/healthz", "/split", "/a//b", "/../x", "x"] {
                let verdicts = engines.each_ref().map(|engine| {
                    let fields: &[(&str, &str)] =
                        if value.is_empty() { &[] } else { &[("authorization", value)] };
                    match ask(engine, target, fields, at(1)) {
                        Ok(permit) => {
                            format!("{:?} {:?}", permit.route().1, permit.identity().map(Identity::key_id))
                        }
                        Err(denial) => format!("{:?} {:?}", denial.reason(), denial.key_id()),
                    }
                });
                assert_eq!(verdicts[0], verdicts[1], "{value} {target}");
            }
        }
    }

    #[test]
    fn a_request_that_passes_allocates_nothing() {
        let (token, record) = key(1, 1, "live");
        let header = [("authorization".to_owned(), format!("Bearer {}", token.expose()).into_bytes())];
        let fields = Headers(header.into());
        let rows = [Update::Consumer(consumer(1)), Update::Key(record)];
        for engine in with_and_without_a_look_ahead(&rows) {
            let decide = |second| {
                let (method, host, target) = ("GET", "h", b"/v1/products/1?a=b".as_slice());
                let client = Some(Ipv4Addr::new(10, 1, 2, 3).into());
                let request = Attributes { method, host, target, client, certificate: &[], fields: &fields };
                matches!(engine.decide(&request, at(second)), Decision::Allow(_))
            };
            assert!(decide(1), "the first of its neighbours brings their counts into being");
            let allocations = allocation_counter::measure(|| assert!((2..100).all(decide)));
            assert_eq!(allocations.count_total, 0);
        }
    }

    /// Nor does one of a key with five limits, four networks and three scopes.
    #[test]
    fn a_request_that_passes_allocates_nothing_whatever_its_key_has() {
        let limit = |name: &str, limit, per| LimitSpec { name: name.into(), limit, per, shadow: false };
        let rate = |name, per| limit(name, Limit::Rate { rate: "1000/s".parse().unwrap(), burst: 1000 }, per);
        let limits = vec![
            rate("a", LimitSubject::Key),
            rate("b", LimitSubject::Key),
            rate("c", LimitSubject::Consumer),
            rate("d", LimitSubject::Route),
            limit("e", Limit::Concurrent(10), LimitSubject::Key),
        ];
        let plans = vec![PlanSpec { name: "full".into(), limits }];
        let rules = Rules::compile(Spec { plans, default_plan: None, ..spec() }).unwrap();
        let (token, record) = key(1, 1, "live");
        let record = KeyRecord {
            plan: Some("full".into()),
            scopes: ["orders:read", "products:*", "users:read"]
                .map(|s| s.parse().unwrap())
                .into_iter()
                .collect(),
            networks: "192.0.2.0/24,198.51.100.0/24,2001:db8::/32,10.0.0.0/8".parse().unwrap(),
            ..record
        };
        let engine =
            engine(vec![Update::Consumer(consumer(1)), Update::Key(record)]).with_rules(Arc::new(rules));
        let header = [("authorization".to_owned(), format!("Bearer {}", token.expose()).into_bytes())];
        let fields = Headers(header.into());
        let decide = |second| {
            let (method, host, target) = ("GET", "h", b"/v1/products/1?a=b".as_slice());
            let client = Some(Ipv4Addr::new(10, 1, 2, 3).into());
            let request = Attributes { method, host, target, client, certificate: &[], fields: &fields };
            matches!(engine.decide(&request, at(second)), Decision::Allow(_))
        };
        assert!(decide(1), "the first of its neighbours brings their counts into being");
        let allocations = allocation_counter::measure(|| assert!((2..100).all(decide)));
        assert_eq!(allocations.count_total, 0);
    }

    fn refused(engine: &Engine, target: &str, token: &Token, now: Now) -> Reason {
        with_token(engine, target, token, now).unwrap_err().reason().clone()
    }

    #[test]
    fn a_good_key_passes_and_says_who_it_is() {
        let (token, record) = key(7, 1, "live");
        let engine = engine(vec![Update::Key(record), Update::Consumer(consumer(1))]);
        let permit = with_token(&engine, "/v1/products/%31?q=%31", &token, at(1)).unwrap();
        assert_eq!(permit.route(), (2, "products"));
        assert_eq!(permit.target(), Some("/v1/products/1?q=%31"));
        assert_eq!(permit.upstream(), 0);
        let identity = permit.identity().unwrap();
        assert_eq!(identity.key_id(), KeyId::from_bytes([7; 16]));
        assert_eq!(identity.consumer().record().name, "consumer 1");
        assert_eq!(
            (identity.scopes(), identity.key_type(), identity.plan()),
            ("products:*", "live", Some("pro"))
        );
        assert_eq!(identity.metadata("area"), Some("us"));
        assert_eq!(identity.metadata("tier"), Some("gold"));
        assert_eq!(identity.metadata("none"), None);
        let limit = permit.limit().unwrap();
        assert_eq!((limit.name, limit.limit.most(), limit.remaining), ("key", 100, 99));
        assert_eq!(permit.limits().map(|(name, _)| name).collect::<Vec<_>>(), ["key", "all"]);
        assert!(with_token(&engine, "/v1/products/1", &token, at(1)).unwrap().target().is_none());
    }

    #[test]
    fn every_unusable_key_is_one_and_the_same_refusal() {
        type Change = fn(&mut KeyRecord);
        let mut rows = vec![Update::Consumer(consumer(1))];
        let mut off = consumer(2);
        off.enabled = false;
        rows.push(Update::Consumer(off));
        let mut tokens = Vec::new();
        let at_10 = Timestamp::from_secs(10);
        let changes: [(Change, Reason); 9] = [
            (
                |k| k.state = State::Revoked { at: Timestamp::default(), reason: RevokeReason::Leak },
                Reason::Revoked,
            ),
            (|k| k.state = State::Disabled, Reason::Disabled),
            (|k| k.expires_at = Some(Timestamp::from_secs(10)), Reason::Expired(at_10)),
            (
                |k| k.not_before = Some(Timestamp::from_millis(10_001)),
                Reason::NotYetValid(Timestamp::from_millis(10_001)),
            ),
            (|k| k.consumer = ConsumerId::from_bytes([2; 16]), Reason::ConsumerDisabled),
            (|k| k.consumer = ConsumerId::from_bytes([3; 16]), Reason::ConsumerMissing),
            (|k| k.key_type = "test".into(), Reason::KeyType("test".into())),
            (|k| k.key_type = "gone".into(), Reason::KeyType("gone".into())),
            (|k| k.plan = Some("gone".into()), Reason::PlanMissing("gone".into())),
        ];
        for (change, reason) in changes {
            let (token, mut record) = key(1, 1, "live");
            change(&mut record);
            rows.push(Update::Key(record));
            tokens.push((token, reason));
        }
        let (damaged, record) = key(1, 1, "live");
        rows.push(Update::DamagedDigest(record.digest));
        tokens.push((damaged, Reason::DamagedRecord));
        tokens.push((key(1, 1, "live").0, Reason::UnknownKey));
        let (test, record) = key(1, 1, "test");
        rows.push(Update::Key(record));
        tokens.push((test, Reason::KeyTypeOnRoute("test".into())));
        let engine = engine(rows);
        for (token, reason) in tokens {
            let denial = with_token(&engine, "/v1/products/1", &token, at(10)).unwrap_err();
            assert_eq!(*denial.reason(), reason);
            assert_eq!(denial.class(), Class::Unauthorized { credential_sent: true });
        }
    }

    #[test]
    fn the_instants_of_start_and_end_are_exact() {
        let (token, mut record) = key(1, 1, "live");
        record.not_before = Some(Timestamp::from_secs(10));
        record.expires_at = Some(Timestamp::from_secs(20));
        let engine = engine(vec![Update::Key(record), Update::Consumer(consumer(1))]);
        let now = |millis| Now { wall: Timestamp::from_millis(millis), mono: 0 };
        for (millis, passes) in [(9_999, false), (10_000, true), (19_999, true), (20_000, false)] {
            assert_eq!(with_token(&engine, "/", &token, now(millis)).is_ok(), passes, "{millis}");
        }
    }

    #[test]
    fn the_steps_come_in_their_order() {
        let (token, mut record) = key(1, 1, "live");
        record.networks = "192.0.2.0/24".parse().unwrap();
        record.scopes = Scopes::default();
        let engine = engine(vec![Update::Key(record), Update::Consumer(consumer(1))]);
        let no_key = |target| ask(&engine, target, &[], at(1)).unwrap_err();
        assert_eq!(no_key("/v1/products//1").class(), Class::BadRequest);
        assert_eq!(no_key("/v1/products/1").class(), Class::Unauthorized { credential_sent: false });
        let denial = with_token(&engine, "/v1/products/1", &token, at(1)).unwrap_err();
        assert_eq!(denial.class(), Class::Forbidden(Forbidden::Network));
        assert_eq!(denial.key_id(), Some(KeyId::from_bytes([1; 16])));
    }

    #[test]
    fn scopes_and_addresses_are_403_and_limits_429() {
        let (token, mut record) = key(1, 1, "live");
        record.scopes = Scopes::default();
        record.plan = Some("tiny".into());
        record.networks = "10.0.0.0/8".parse().unwrap();
        let engine = engine(vec![Update::Key(record), Update::Consumer(consumer(1))]);
        let denial = with_token(&engine, "/v1/products/1", &token, at(1)).unwrap_err();
        assert!(
            matches!(denial.class(), Class::Forbidden(Forbidden::Scope(r)) if r.to_string() == "products:read")
        );
        assert!(with_token(&engine, "/", &token, at(1)).is_ok());
        assert!(with_token(&engine, "/", &token, at(1)).is_ok());
        let denial = with_token(&engine, "/", &token, at(1)).unwrap_err();
        let Class::Limited(state) = denial.class() else { panic!("{denial:?}") };
        assert_eq!((state.remaining, state.retry_after), (0, Duration::from_secs(30)));
        assert!(with_token(&engine, "/", &token, at(31)).is_ok());
    }

    #[test]
    fn keys_of_a_consumer_share_its_limit_and_changes_show_at_once() {
        let (a, first) = key(1, 1, "live");
        let (b, second) = key(2, 1, "live");
        let mut holder = consumer(1);
        holder.plan = Some("tiny".into());
        let rows = vec![Update::Key(first), Update::Key(second.clone()), Update::Consumer(holder.clone())];
        let engine = engine(rows);
        assert!(with_token(&engine, "/", &a, at(1)).is_ok());
        assert!(with_token(&engine, "/", &b, at(1)).is_ok());
        assert!(matches!(refused(&engine, "/", &a, at(1)), Reason::Limited { .. }));
        holder.plan = Some("pro".into());
        let raised = engine.with_changes(&[Update::Consumer(holder.clone())]);
        let permit = with_token(&raised, "/", &a, at(1)).unwrap();
        assert_eq!(permit.limit().unwrap().remaining, 97, "the two before count");
        holder.enabled = false;
        let off = raised.with_changes(&[Update::Consumer(holder)]);
        assert_eq!(refused(&off, "/", &a, at(1)), Reason::ConsumerDisabled);
        let one_left = raised.with_changes(&[Update::KeyRemoved { id: second.id, digest: second.digest }]);
        assert!(with_token(&one_left, "/", &a, at(1)).is_ok());
        assert_eq!(refused(&one_left, "/", &b, at(1)), Reason::UnknownKey);
        assert!(with_token(&raised, "/", &b, at(1)).is_ok(), "the engine before stays as it was");
    }

    #[test]
    fn a_key_is_explained_by_its_id_as_by_its_token_and_nothing_is_spent() {
        let (token, mut record) = key(1, 1, "live");
        record.plan = Some("tiny".into());
        let id = record.id;
        let mut revoked = key(2, 1, "live").1;
        revoked.state = State::Revoked { at: Timestamp::default(), reason: RevokeReason::Leak };
        let gone = revoked.id;
        let engine = engine(vec![Update::Key(record), Update::Key(revoked), Update::Consumer(consumer(1))]);
        let explain = |target: &'static str, id| {
            let fields = Headers(vec![]);
            let request = Attributes {
                method: "GET",
                host: "",
                target: target.as_bytes(),
                client: Some(Ipv4Addr::LOCALHOST.into()),
                certificate: &[],
                fields: &fields,
            };
            engine.explain_key(&request, id, at(1))
        };
        let left = || {
            let limits = explain("/v1/products/%31", id).limits;
            limits.into_iter().map(|limit| (limit.name, limit.fits, limit.remaining)).collect::<Vec<_>>()
        };
        let two = |fits, count| vec![("key".to_owned(), fits, count), ("all".to_owned(), fits, count)];
        for _ in 0..3 {
            assert_eq!(left(), two(true, 1), "asking spends nothing");
        }
        let explained = explain("/v1/products/%31", id);
        let passage = explained.passage.expect("it would pass");
        assert_eq!((passage.upstream, passage.target.as_deref()), (0, Some("/v1/products/1")));
        assert_eq!((passage.identity.as_ref().unwrap().key_id(), passage.remaining()), (id, Some(1)));
        assert_eq!((explained.key.unwrap().0, explained.plan.as_deref()), (id, Some("tiny")));
        assert!(with_token(&engine, "/", &token, at(1)).is_ok());
        assert_eq!(left(), two(true, 0), "what was spent shows");
        assert!(with_token(&engine, "/", &token, at(1)).is_ok());
        assert_eq!(left(), two(false, 0));
        let refused = explain("/", id);
        assert!(refused.passage.is_none() && refused.denial.unwrap().reason().code() == "limited");
        let reason = |id| explain("/", id).denial.unwrap().reason().code();
        assert_eq!((reason(gone), reason(KeyId::from_bytes([9; 16]))), ("revoked", "unknown_key"));
    }

    /// Rates, requests in work, rates by address and failed authentications: what is left of each is the same
    /// there, whatever its clock says, and what ends in the old one ends in the new one when it is told.
    #[test]
    fn the_next_process_goes_on_with_what_was_counted() {
        let (token, record) = key(1, 1, "live");
        let id = record.id;
        let limit = |name: &str, limit, per| LimitSpec { name: name.into(), limit, per, shadow: false };
        let rate = |text: &str, burst| Limit::Rate { rate: text.parse().unwrap(), burst };
        let mut spec = spec();
        spec.plans[0].limits = vec![
            limit("rate", rate("8/min", 8), LimitSubject::Key),
            limit("work", Limit::Concurrent(3), LimitSubject::Consumer),
            limit("near", rate("9/min", 9), LimitSubject::Address),
        ];
        spec.failed_auth =
            Some(FailedAuth { rate: "2/min".parse().unwrap(), burst: 2, exempt: Networks::default() });
        let rules = Arc::new(Rules::compile(spec).unwrap());
        let process = || {
            let mut builder = IndexBuilder::new(Arc::new(Limiter::new()));
            builder.push(Update::Key(record.clone()));
            builder.push(Update::Consumer(consumer(1)));
            Engine::new(Arc::clone(&rules), builder.finish())
        };
        let left = |engine: &Engine, now| {
            let fields = Headers(vec![]);
            let client = Some(Ipv4Addr::new(10, 1, 2, 3).into());
            let request = Attributes {
                method: "GET",
                host: "",
                target: b"/",
                client,
                certificate: &[],
                fields: &fields,
            };
            let limits = engine.explain_key(&request, id, now).limits;
            let left = |name: &str| limits.iter().find(|limit| limit.name == name).unwrap().remaining;
            [left("rate"), left("near")]
        };
        let fails = |engine: &Engine, now| {
            let denial = ask(engine, "/", &[("authorization", "Bearer acme_live_x")], now).unwrap_err();
            denial.reason().code()
        };
        let old = process();
        let held = with_token(&old, "/", &token, at(3600)).unwrap();
        assert!(with_token(&old, "/", &token, at(3600)).is_ok(), "and it has ended");
        assert_ne!(fails(&old, at(3600)), "too_many_failures");
        assert_eq!(left(&old, at(3600)), [5, 6]);
        let counted = old.counted(at(3600));

        let new = process();
        let working = new.go_on(&counted, at(5));
        assert_eq!(left(&new, at(5)), [5, 6]);
        assert_ne!(fails(&new, at(5)), "too_many_failures", "one of two was left");
        assert_eq!(fails(&new, at(5)), "too_many_failures");
        // Three may be in work, and one is, in the other process.
        assert_eq!(working.iter().map(|(one, count)| (one.count(), *count)).collect::<Vec<_>>(), [(1, 1)]);
        let client = || ask_from(&new, &token, Ipv4Addr::new(10, 9, 9, 9), at(5));
        let (one, other) = (client().unwrap(), client().unwrap());
        assert_eq!(client().unwrap_err().reason().code(), "concurrent");
        assert_eq!(old.working().len(), 1);
        drop(held);
        assert_eq!(old.working().len(), 0);
        working[0].0.release(1);
        assert!(client().is_ok());
        drop((one, other));
        assert_eq!(working[0].0.count(), 0);

        // What was found by other secrets cannot be found here.
        let stranger = process();
        let unfound: Vec<Counted> =
            counted.into_iter().filter(|count| !matches!(count, Counted::Secrets { .. })).collect();
        stranger.go_on(&unfound, at(5));
        assert_eq!(left(&stranger, at(5)), [5, 8]);
    }

    #[test]
    fn the_log_tells_a_quota_from_a_rate() {
        let code = |allows| {
            let limit = LimitRef { plan: 0, limit: 0 };
            Reason::Limited { limit, allows, retry_after: Duration::ZERO }.code()
        };
        let rate = Limit::Rate { rate: "1/s".parse().unwrap(), burst: 1 };
        assert_eq!((code(rate), code(Limit::Concurrent(5))), ("limited", "concurrent"));
        assert_eq!(code(Limit::Quota("5/day".parse().unwrap())), "quota");
    }

    #[test]
    fn a_request_under_way_is_judged_again_by_what_became_of_its_key() {
        let (token, record) = key(1, 1, "live");
        let engine = engine(vec![Update::Key(record.clone()), Update::Consumer(consumer(1))]);
        let permit = with_token(&engine, "/", &token, at(1)).unwrap();
        let tenure = permit.tenure(Some("192.0.2.1".parse().unwrap())).unwrap();
        assert_eq!(engine.judge_again(&tenure, at(1)), Ok(()));
        let after = |change: &dyn Fn(&mut KeyRecord)| {
            let mut record = record.clone();
            change(&mut record);
            engine.with_changes(&[Update::Key(record)]).judge_again(&tenure, at(1)).map_err(|r| r.code())
        };
        assert_eq!(after(&|record| record.name = "renamed".into()), Ok(()));
        assert_eq!(after(&|record| record.networks = "192.0.2.0/24".parse().unwrap()), Ok(()));
        assert_eq!(after(&|record| record.networks = "10.0.0.0/8".parse().unwrap()), Err("network"));
        assert_eq!(after(&|record| record.expires_at = Some(at(1).wall)), Err("expired"));
        assert_eq!(after(&|record| record.plan = Some("absent".into())), Ok(()), "limits end nothing");
        let gone = engine.with_changes(&[Update::KeyRemoved { id: record.id, digest: record.digest }]);
        assert_eq!(gone.judge_again(&tenure, at(1)), Err(Reason::UnknownKey));
        // No command narrows scopes; who puts another store in place may have.
        let permit = with_token(&engine, "/v1/products/1", &token, at(1)).unwrap();
        let narrowed = Update::Key(KeyRecord { scopes: Scopes::default(), ..record.clone() });
        let tenure = permit.tenure(None).unwrap();
        assert_eq!(engine.judge_again(&tenure, at(1)), Ok(()));
        assert_eq!(engine.with_changes(&[narrowed]).judge_again(&tenure, at(1)), Err(Reason::Scope));
    }

    #[test]
    fn counts_survive_changes_new_rules_and_a_reload() {
        let (token, mut record) = key(1, 1, "live");
        record.plan = Some("own".into());
        let engine = engine(vec![Update::Key(record.clone()), Update::Consumer(consumer(1))]);
        assert!(with_token(&engine, "/", &token, at(1)).is_ok());
        let engine = engine.with_rules(Arc::new(Rules::compile(spec()).unwrap()));
        assert!(with_token(&engine, "/", &token, at(1)).is_ok());
        record.name = "renamed".into();
        let engine = engine.with_changes(&[Update::Key(record.clone())]);
        assert!(matches!(refused(&engine, "/", &token, at(1)), Reason::Limited { .. }));
        let mut builder = IndexBuilder::replacing(engine.index());
        builder.push(Update::Consumer(consumer(1)));
        builder.push(Update::Key(record));
        let engine = engine.with_index(builder.finish());
        assert!(matches!(refused(&engine, "/", &token, at(1)), Reason::Limited { .. }));
        let mut other = spec();
        other.plans.truncate(1);
        let engine = engine.with_rules(Arc::new(Rules::compile(other).unwrap()));
        assert_eq!(refused(&engine, "/", &token, at(1)), Reason::PlanMissing("own".into()));
    }

    #[test]
    fn routes_choose_source_upstream_and_strictness() {
        let (live, a) = key(1, 1, "live");
        let (test, b) = key(2, 1, "test");
        let engine = engine(vec![Update::Key(a), Update::Key(b), Update::Consumer(consumer(1))]);
        assert_eq!(with_token(&engine, "/split", &live, at(1)).unwrap().upstream(), 0);
        assert_eq!(with_token(&engine, "/split", &test, at(1)).unwrap().upstream(), 1);
        let public = ask(&engine, "/healthz", &[("authorization", "Bearer x")], at(1)).unwrap();
        assert!(public.identity().is_none() && public.limit().is_none());
        assert_eq!(refused(&engine, "/h/x", &live, at(1)), Reason::NoCredential);
        let header = |target| ask(&engine, target, &[("x-api-key", live.expose())], at(1));
        assert!(header("/h/x").is_ok());
        assert!(header("/h/a//b;c/%2f").is_ok(), "this route lets ambiguous spellings through");
        assert_eq!(header("/h/%2e%2e/v1").unwrap_err().class(), Class::BadRequest, "but none that climb");
    }

    fn with_failed_auth(engine: &Engine, rate: &str, burst: u64, exempt: &str) -> Engine {
        let exempt = if exempt.is_empty() { Networks::default() } else { exempt.parse().unwrap() };
        let failed_auth = Some(FailedAuth { rate: rate.parse().unwrap(), burst, exempt });
        engine.with_rules(Arc::new(Rules::compile(Spec { failed_auth, ..spec() }).unwrap()))
    }

    /// Decides from the address `client` with `token` in `Authorization`, if one is given.
    fn reason_from(
        engine: &Engine,
        client: Option<&str>,
        target: &str,
        token: Option<&Token>,
    ) -> &'static str {
        let fields =
            token.map(|t| ("authorization".to_owned(), format!("Bearer {}", t.expose()).into_bytes()));
        let fields = Headers(fields.into_iter().collect());
        let client = client.map(|address| address.parse().unwrap());
        let request = Attributes {
            method: "GET",
            host: "h",
            target: target.as_bytes(),
            client,
            certificate: &[],
            fields: &fields,
        };
        match engine.decide(&request, at(1)) {
            Decision::Deny(denial) => denial.reason().code(),
            _ => "allowed",
        }
    }

    #[test]
    fn an_address_that_failed_too_often_is_refused_before_its_key_is_looked_at() {
        let (good, record) = key(1, 1, "live");
        let mut revoked = key(2, 1, "live");
        revoked.1.state = State::Revoked { at: Timestamp::default(), reason: RevokeReason::Leak };
        let unknown = key(3, 1, "live").0;
        let rows = vec![Update::Key(record), Update::Key(revoked.1), Update::Consumer(consumer(1))];
        let engine = with_failed_auth(&engine(rows), "60/min", 3, "");
        let from = |client, token| reason_from(&engine, Some(client), "/v1/products/1", token);
        // What is no attempt costs nothing.
        for _ in 0..10 {
            assert_eq!(from("192.0.2.1", Some(&good)), "allowed");
            assert_eq!(from("192.0.2.1", None), "no_credential");
        }
        assert_eq!(from("192.0.2.1", Some(&unknown)), "unknown_key");
        assert_eq!(from("192.0.2.1", Some(&revoked.0)), "revoked");
        assert_eq!(from("192.0.2.1", Some(&good)), "allowed");
        assert_eq!(from("192.0.2.1", Some(&unknown)), "unknown_key");
        for token in [Some(&good), Some(&revoked.0), Some(&unknown), None] {
            assert_eq!(from("192.0.2.1", token), "too_many_failures", "one answer, whatever is sent");
            assert_eq!(from("::ffff:192.0.2.1", token), "too_many_failures", "the same address");
        }
        assert_eq!(from("192.0.2.2", Some(&good)), "allowed", "another address");
        assert_eq!(reason_from(&engine, Some("192.0.2.1"), "/healthz", None), "allowed", "a public route");
        assert_eq!(reason_from(&engine, Some("192.0.2.1"), "/v1//x", None), "bad_path");
        let later = with_token(&engine, "/", &good, at(3));
        assert!(later.is_ok(), "counts of one address are not another's");
    }

    /// The specification with plan `free` for callers without a key on route `all`.
    fn with_anonymous() -> Spec {
        let mut spec = spec();
        let mut free = plan("free", "2/min");
        free.limits[1].per = LimitSubject::Route;
        free.limits[1].limit = Limit::Rate { rate: "1000/min".parse().unwrap(), burst: 5 };
        spec.plans.push(free);
        spec.routes[0].anonymous = Some("free".into());
        spec
    }

    #[test]
    fn callers_without_a_key_are_limited_by_address_and_bad_keys_are_still_refused() {
        let (good, record) = key(1, 1, "live");
        let engine = engine(vec![Update::Key(record), Update::Consumer(consumer(1))]);
        let engine = engine.with_rules(Arc::new(Rules::compile(with_anonymous()).unwrap()));
        let (unknown, garbage) = (key(9, 1, "live").0, Token::from_presented("x"));
        let from = |client, token| reason_from(&engine, client, "/a", token);
        let permit = ask(&engine, "/a", &[], at(1)).unwrap();
        assert!(permit.is_anonymous() && permit.identity().is_none() && permit.tenure(None).is_none());
        let limit = permit.limit().unwrap();
        assert_eq!((limit.name, limit.remaining, permit.limits().count()), ("key", 1, 2));
        assert_eq!(from(Some("10.1.2.3"), None), "allowed");
        let denial = ask(&engine, "/a", &[], at(1)).unwrap_err();
        assert!(matches!(denial.class(), Class::Limited(state) if state.name == "key"));
        assert_eq!((denial.key_id(), denial.consumer().is_none()), (None, true));
        assert_eq!(from(Some("10.1.2.3"), Some(&good)), "allowed", "a key has counts of its own");
        // Whoever sends a key learns that it is none.
        assert_eq!(from(Some("10.9.9.9"), Some(&unknown)), "unknown_key");
        assert_eq!(from(Some("10.9.9.9"), Some(&garbage)), "malformed_key");
        let bearer = format!("Bearer {}", good.expose());
        let two = ask(&engine, "/a", &[("authorization", &bearer), ("authorization", &bearer)], at(1));
        assert_eq!(two.unwrap_err().reason().code(), "ambiguous_credential", "nor is one of several none");
        // A /64 is one address, and so are those that have none.
        assert_eq!(from(Some("2001:db8::1"), None), "allowed");
        assert_eq!(from(Some("2001:db8::ffff:2"), None), "allowed");
        assert_eq!(from(Some("2001:db8::3"), None), "limited");
        // What is counted per route is shared: five in all.
        assert_eq!((from(None, None), from(None, None)), ("allowed", "limited"));
        assert_eq!(reason_from(&engine, None, "/v1/products/1", None), "no_credential", "another route");
    }

    #[test]
    fn callers_without_a_key_never_get_more_than_those_with_one() {
        let fault = |change: &dyn Fn(&mut Spec)| {
            let mut spec = with_anonymous();
            change(&mut spec);
            let faults = Rules::compile(spec).unwrap_err();
            faults.into_iter().map(|fault| (fault.place, fault.to_string())).collect::<Vec<_>>().remove(0)
        };
        let on_route = |field| crate::policy::Place::RouteField(0, field);
        let (place, text) = fault(&|spec| spec.routes[0].scopes = "a:b".parse().unwrap());
        assert_eq!(place, on_route("anonymous"), "{text}");
        let (place, text) = fault(&|spec| spec.routes[0].anonymous = Some("gone".into()));
        assert_eq!((place, &*text), (on_route("anonymous"), "there is no plan `gone`"));
        let (place, text) = fault(&|spec| spec.plans[3].limits[0].limit = Limit::Concurrent(1));
        assert_eq!(place, on_route("anonymous"));
        assert!(text.contains("limit `key` of plan `free`"), "{text}");
        let (place, text) = fault(&|spec| {
            spec.plans[0].limits[0].limit = Limit::Quota("5/day".parse().unwrap());
            spec.routes[0].plan = Some("pro".into());
        });
        assert_eq!(place, on_route("anonymous"), "the route's own plan counts them, too");
        assert!(text.contains("limit `key` of plan `pro`"), "{text}");
        let (place, text) = fault(&|spec| spec.routes[0].public = true);
        assert_eq!(place, on_route("anonymous"), "{text}");
    }

    fn publishable(origins: &[&str], per_address: &str) -> Spec {
        let origins = origins.iter().map(|origin| origin.parse().unwrap()).collect();
        let per_address = Some(per_address.parse().unwrap());
        let mut spec = spec();
        let mut types = spec.key_types.as_slice().to_vec();
        types[1].kind = Kind::Publishable;
        spec.key_types = KeyTypes::new(types);
        spec.publishable = vec![crate::policy::Publishable { key_type: "test".into(), origins, per_address }];
        spec
    }

    #[test]
    fn publishable_keys_are_bound_to_pages_and_limited_by_address() {
        let (shown, a) = key(1, 1, "test");
        let (other, b) = key(2, 2, "test");
        let (secret, c) = key(3, 1, "live");
        let mut revoked = key(4, 1, "test");
        revoked.1.state = State::Revoked { at: Timestamp::default(), reason: RevokeReason::Leak };
        let rows = [a, b, c, revoked.1].map(Update::Key).into_iter();
        let rows = rows.chain([1, 2].map(|id| Update::Consumer(consumer(id)))).collect();
        let rules = publishable(&["https://app.example.com"], "3/min");
        let engine = engine(rows).with_rules(Arc::new(Rules::compile(rules).unwrap()));
        let page = |token: &Token, field: &str, page: &str| {
            let value = format!("Bearer {}", token.expose());
            ask(&engine, "/", &[("authorization", &value), (field, page)], at(1))
        };
        let own = "https://app.example.com";
        assert!(page(&shown, "origin", own).is_ok());
        assert!(page(&shown, "referer", "https://app.example.com/a?b").is_ok());
        for (field, text) in [("origin", "https://evil.example"), ("origin", "null"), ("x-none", "")] {
            let denial = page(&shown, field, text).unwrap_err();
            assert_eq!(denial.class(), Class::Forbidden(Forbidden::Origin), "{field}: {text}");
            let bad = page(&revoked.0, field, text).unwrap_err();
            assert_eq!(*bad.reason(), Reason::Revoked, "nothing is said of a key that does not work");
        }
        assert!(with_token(&engine, "/", &secret, at(1)).is_ok(), "secret keys are not bound");
        let permit = page(&other, "origin", own).unwrap();
        assert_eq!(permit.limit().map(|limit| (limit.name, limit.remaining)), Some(("address", 0)));
        let denial = page(&shown, "origin", own).unwrap_err();
        assert!(matches!(denial.class(), Class::Limited(limit) if limit.name == "address"));
        for _ in 0..5 {
            assert!(with_token(&engine, "/", &secret, at(1)).is_ok(), "secret keys are not counted so");
        }
    }

    #[test]
    fn the_limit_on_publishable_keys_cannot_be_named_away() {
        let mut rules = publishable(&[], "3/min");
        rules.plans[0].limits[0].name = "address".into();
        let fault = |rules: &Spec| Rules::compile(rules.clone()).unwrap_err().remove(0).place;
        assert_eq!(fault(&rules), crate::policy::Place::Limit(0, 0));
        rules.plans[0].limits[0].per = LimitSubject::Address;
        assert!(Rules::compile(rules.clone()).is_ok(), "another limit by address may take its place");
        rules.publishable[0].key_type = "live".into();
        assert_eq!(fault(&rules), crate::policy::Place::KeyType(0));
    }

    #[test]
    fn failures_of_one_64_are_one_count_and_who_is_exempt_or_unknown_has_none() {
        let unknown = key(3, 1, "live").0;
        let engine = with_failed_auth(&engine(vec![]), "60/min", 2, "10.0.0.0/8,2001:db8:ffff::/48");
        let from = |client| reason_from(&engine, client, "/", Some(&unknown));
        assert_eq!(from(Some("2001:db8:0:1::1")), "unknown_key");
        assert_eq!(from(Some("2001:db8:0:1:ff::2")), "unknown_key");
        assert_eq!(from(Some("2001:db8:0:1::3")), "too_many_failures");
        assert_eq!(from(Some("2001:db8:0:2::3")), "unknown_key");
        for client in [Some("10.1.2.3"), Some("::ffff:10.1.2.3"), Some("2001:db8:ffff::1"), None] {
            for _ in 0..10 {
                assert_eq!(from(client), "unknown_key", "{client:?}");
            }
        }
    }

    #[test]
    fn every_401_with_a_credential_is_counted_the_same_and_explaining_counts_nothing() {
        type Change = fn(&mut KeyRecord);
        let (good, record) = key(1, 1, "live");
        let mut cases = vec![("unknown_key", key(9, 1, "live").0)];
        let mut rows = vec![Update::Key(record), Update::Consumer(consumer(1))];
        let changes: [(&str, Change); 7] = [
            ("revoked", |k| {
                k.state = State::Revoked { at: Timestamp::default(), reason: RevokeReason::Leak };
            }),
            ("disabled", |k| k.state = State::Disabled),
            ("expired", |k| k.expires_at = Some(Timestamp::from_millis(1))),
            ("not_yet_valid", |k| k.not_before = Some(Timestamp::from_secs(100))),
            ("consumer_missing", |k| k.consumer = ConsumerId::from_bytes([3; 16])),
            ("key_type", |k| k.key_type = "gone".into()),
            ("plan_missing", |k| k.plan = Some("gone".into())),
        ];
        for (number, (code, change)) in (10..).zip(changes) {
            let (token, mut record) = key(number, 1, "live");
            change(&mut record);
            rows.push(Update::Key(record));
            cases.push((code, token));
        }
        let (damaged, record) = key(1, 1, "live");
        rows.push(Update::DamagedDigest(record.digest));
        cases.push(("damaged_record", damaged));
        cases.push(("malformed_key", Token::from_presented("not a key")));
        let fresh = engine(rows);
        let engine = with_failed_auth(&fresh, "1/h", 1, "");
        for (number, (code, token)) in cases.iter().enumerate() {
            let client = format!("192.0.2.{number}");
            let from = |token| reason_from(&engine, Some(&client), "/", Some(token));
            for _ in 0..3 {
                let value = format!("Bearer {}", token.expose()).into_bytes();
                let fields = Headers(vec![("authorization".into(), value)]);
                let request = Attributes {
                    method: "GET",
                    host: "h",
                    target: b"/",
                    client: client.parse().ok(),
                    certificate: &[],
                    fields: &fields,
                };
                let denial = engine.explain(&request, at(1)).denial.unwrap();
                assert_eq!(denial.reason().code(), *code);
            }
            assert_eq!((from(&good), from(token)), ("allowed", *code));
            assert_eq!(from(&good), "too_many_failures", "{code}");
        }
    }

    #[test]
    fn digests_characters_appended_and_garbage_are_no_keys() {
        let (token, record) = key(1, 1, "live");
        let digest = record.digest.to_string();
        let engine = engine(vec![Update::Key(record), Update::Consumer(consumer(1))]);
        let token = token.expose();
        for bad in [
            digest,
            format!("{token}abc"),
            format!("{token}\u{0}"),
            token.to_uppercase(),
            "x".repeat(1 << 20),
        ] {
            let denial =
                ask(&engine, "/", &[("authorization", &format!("Bearer {bad}"))], at(1)).unwrap_err();
            assert!(matches!(denial.reason(), Reason::Malformed(_)), "{denial:?}");
        }
    }

    #[test]
    fn a_peppered_key_is_found_beside_plain_ones() {
        let (token, mut record) = key(1, 1, "live");
        let peppers = Peppers::new(vec![Pepper::new("p", b"secret")]);
        (record.digest, record.scheme) = peppers.digest_new(token.expose().as_bytes());
        let (plain, other) = key(2, 1, "live");
        let without = engine(vec![Update::Key(record), Update::Key(other), Update::Consumer(consumer(1))]);
        assert_eq!(refused(&without, "/", &token, at(1)), Reason::UnknownKey);
        let with = without.with_rules(Arc::new(Rules::compile(Spec { peppers, ..spec() }).unwrap()));
        assert!(with_token(&with, "/", &token, at(1)).is_ok());
        assert!(with_token(&with, "/", &plain, at(1)).is_ok());
    }

    proptest! {
        #[test]
        fn no_bytes_panic(method in ".{0,8}", host in ".{0,20}", target: Vec<u8>, value: Vec<u8>, wall: i64, mono: u64) {
            let engine = engine(vec![]);
            let fields = Headers(vec![("authorization".into(), [b"Bearer ".as_slice(), &value].concat())]);
            for target in [target.clone(), [b"/".as_slice(), &target].concat()] {
                let request = Attributes { method: &method, host: &host, target: &target, client: None, certificate: &[], fields: &fields };
                let now = Now { wall: Timestamp::from_millis(wall), mono };
                let _ = engine.decide(&request, now);
                engine.explain(&request, now);
            }
        }

        #[test]
        fn an_index_after_updates_equals_a_rebuilt_one(steps in prop::collection::vec((0u8..12, 0u8..4, 0u8..6), 0..60)) {
            let keys: Vec<(Token, KeyRecord)> = (0..12).map(|i| key(i, 0, "live")).collect();
            let mut live: std::collections::BTreeMap<u8, Update> = std::collections::BTreeMap::default();
            let mut holders: std::collections::BTreeMap<u8, Update> = std::collections::BTreeMap::default();
            let mut changed = engine(vec![]);
            for (k, holder, act) in steps {
                let record = &keys[usize::from(k)].1;
                let update = match act {
                    0 => Update::Consumer(consumer(holder)),
                    1 => Update::ConsumerRemoved(ConsumerId::from_bytes([holder; 16])),
                    2 => Update::KeyRemoved { id: record.id, digest: record.digest },
                    3 => Update::DamagedDigest(record.digest),
                    _ => Update::Key(KeyRecord { consumer: ConsumerId::from_bytes([holder; 16]), ..record.clone() }),
                };
                match act {
                    0 => drop(holders.insert(holder, update.clone())),
                    1 => drop(holders.remove(&holder)),
                    2 => drop(live.remove(&k)),
                    _ => drop(live.insert(k, update.clone())),
                }
                changed = changed.with_changes(&[update]);
            }
            let counts = (live.len(), holders.len());
            let rebuilt = engine(live.into_values().chain(holders.into_values()).collect());
            for index in [changed.index(), rebuilt.index()] {
                prop_assert_eq!((index.keys(), index.consumers()), counts);
            }
            for (token, _) in &keys {
                let says = |e: &Engine| match with_token(e, "/", token, at(1)) {
                    Ok(permit) => format!("{} {:?}", permit.identity().unwrap().consumer().record().name, permit.identity().unwrap().key_id()),
                    Err(denial) => format!("{:?}", denial.reason()),
                };
                prop_assert_eq!(says(&changed), says(&rebuilt));
            }
        }
    }
}
