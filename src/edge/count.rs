//! How refusals and failures are counted, whatever front they came through.

use super::Failure;
use crate::metrics::{EndedKey, LimitKind, Refusal, Verdict};
use crate::policy::{Class, Denial, Permit, Reason};

/// Returns how a request that passes is counted.
pub const fn allowed_as(permit: &Permit) -> Verdict {
    if permit.is_anonymous() { Verdict::Anonymous } else { Verdict::Allowed }
}

/// Returns how a refusal by the engine is counted.
pub const fn denied_as(class: &Class<'_>) -> Verdict {
    match class {
        Class::BadRequest => Verdict::BadRequest,
        Class::NotFound => Verdict::NotFound,
        Class::MethodNotAllowed { .. } => Verdict::MethodNotAllowed,
        Class::Unauthorized { .. } => Verdict::Unauthorized,
        Class::Forbidden(_) => Verdict::Forbidden,
        Class::Limited(_) | Class::TooManyFailures { .. } => Verdict::Limited,
    }
}

/// Returns how a request is counted that failed before it was judged.
pub const fn failed_as(failure: Failure) -> Verdict {
    match failure {
        Failure::BodyTooLarge | Failure::UrlTooLong | Failure::HeaderTooLarge => Verdict::TooLarge,
        Failure::Overloaded => Verdict::Overloaded,
        Failure::Unavailable | Failure::Internal => Verdict::Unavailable,
        _ => Verdict::BadRequest,
    }
}

/// Returns what else is counted of a refusal by the engine.
pub fn refusal_of(denial: &Denial) -> Refusal<'_> {
    let class = denial.class();
    Refusal {
        is_failed_authentication: matches!(class, Class::Unauthorized { credential_sent: true }),
        ended: match denial.reason() {
            Reason::Revoked => Some(EndedKey::Revoked),
            Reason::Expired(_) => Some(EndedKey::Expired),
            _ => None,
        },
        limit: match class {
            Class::Limited(state) => Some((state.name, LimitKind::of(&state.limit))),
            _ => None,
        },
    }
}
