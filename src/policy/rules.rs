//! The configuration, checked and resolved: what `config` fills in and the engine reads.

use std::fmt;

use crate::key::{KeyTypes, Peppers, Rate, Requirement};

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
    /// How often.
    pub rate: Rate,
    /// How many at once. `rate.count()` is a good default.
    pub burst: u64,
    /// Who is counted.
    pub per: LimitSubject,
}

/// Who is counted by a limit.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub enum LimitSubject {
    /// Every key for itself.
    #[default]
    Key,
    /// All keys of a consumer together.
    Consumer,
}

/// One route as typed.
#[derive(Clone, Debug, Default)]
pub struct RouteSpec {
    /// Its name, unique.
    pub name: String,
    /// The host it is for, without port; `None` is every host.
    pub host: Option<String>,
    /// Its path pattern: segments, `*` for one, a last `**` for zero or more.
    pub path: String,
    /// The methods it takes, in upper case as sent; empty is all but `TRACE` and `CONNECT`.
    pub methods: Vec<String>,
    /// Whether it asks for no key.
    pub public: bool,
    /// What it asks of a key's scopes.
    pub scopes: Requirement,
    /// The names of the key types it takes; empty is all.
    pub key_types: Vec<String>,
    /// The header that carries the key, instead of `Authorization: Bearer`.
    pub key_header: Option<String>,
    /// Where it leads, as an index.
    pub upstream: usize,
    /// Where it leads for keys of a named type, before [`RouteSpec::upstream`].
    pub upstream_by_type: Vec<(String, usize)>,
    /// Whether ambiguous spellings of a path are let through. Dot segments never are.
    pub lax_path: bool,
}

/// The checked configuration.
#[derive(Debug)]
pub struct Rules {
    spec: Spec,
}

impl Rules {
    /// The most limits a plan may have.
    pub const MAX_LIMITS: usize = 16;

    /// Checks and resolves a configuration.
    ///
    /// # Errors
    /// Every fault, not just the first.
    pub fn compile(spec: Spec) -> Result<Self, Vec<Fault>> {
        Ok(Self { spec })
    }

    /// Returns the configuration it was made of.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// Returns the names of all headers that may carry a key, in lower case, `authorization` first.
    pub fn credential_headers(&self) -> &[String] {
        todo!()
    }

    /// Says whether a header value holds a well-formed kgate token, bare or after a scheme.
    pub fn carries_token(&self, _value: &[u8]) -> bool {
        todo!()
    }
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
    /// A plan.
    Plan(usize),
    /// A limit of a plan.
    Limit(usize, usize),
    /// A route.
    Route(usize),
    /// A field of a route, by the name it has in the configuration file.
    RouteField(usize, &'static str),
}

/// What is wrong.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Problem {
    /// Two things of a kind have one name.
    #[error("the name `{0}` is already taken")]
    DuplicateName(String),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.problem.fmt(f)
    }
}
