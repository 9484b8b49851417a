//! The engine: attributes in, a decision out. Pure: no I/O, no clock, no HTTP types.
//!
//! [`Rules`] are the configuration, [`Index`] the keys and consumers of one revision, [`Limiter`] the
//! counts that outlive both. An [`Engine`] puts the three together and decides.

mod addresses;
mod cells;
mod combos;
mod credential;
mod decide;
mod decision;
mod failures;
mod handover;
mod index;
mod limit;
mod lineage;
mod meter;
mod origin;
mod path;
mod route;
mod rules;
mod sources;
mod table;
mod want;

pub use credential::{PROTOCOL, Source, SourceError};
pub use decide::{Attributes, Engine, Fields, Now};
pub use decision::{
    Class, Decision, Denial, Explanation, Finding, Forbidden, Identity, LimitLeft, LimitState, Passage,
    Permit, Reason, Step, Tenure,
};
pub use failures::Attempts;
pub use handover::{Counted, SourceTable, Working};
pub use index::{Consumer, Index, IndexBuilder, Update};
pub use limit::Limiter;
pub use origin::{Origin, OriginError};
pub use path::{Ambiguity, PathFault};
pub use rules::{
    FailedAuth, Fault, LimitRef, LimitSpec, LimitSubject, Place, PlanSpec, Problem, Publishable, RouteSpec,
    Rules, SelfService, Spec, is_host_name,
};
pub use want::{Leftover, NeedsGrant, Spent, Want};
