//! One question: what a front says of a request, judged, and what follows from the verdict.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use super::Sidecar;
use super::setup::Setup;
use crate::edge::{
    AccessLine, Answer, Failure, Head, NoSigningKey, RequestId, Trace, Verdict as Logged, X_REQUEST_ID,
    allowed_as, denied_as, failed_as, redacted, refusal_of, without_tokens,
};
use crate::key::{ConsumerId, KeyId};
use crate::metrics::{self, Finished, Refusal};
use crate::policy::{Attributes, Decision, Denial, Now, Permit};

/// The original request, as a front tells it.
pub(super) struct Question {
    pub(super) method: String,
    pub(super) host: String,
    /// Path and query as the client sent them.
    pub(super) target: Vec<u8>,
    pub(super) fields: HeaderMap,
    pub(super) client: Option<IpAddr>,
    pub(super) id: RequestId,
    /// The trace it is a part of, if questions are traced.
    pub(super) trace: Option<Trace>,
    /// Whether the front forwards the target it is told, and not the one it got.
    pub(super) takes_target: bool,
}

/// What the front is to do.
pub(super) enum Verdict {
    Allowed(Box<Allowed>),
    /// Answer the client with this.
    Refused(Answer),
}

/// The front may forward the request, so changed.
pub(super) struct Allowed {
    /// What the backend is told, by header.
    pub(super) set: HeaderMap,
    /// What no client may tell it, and the key: to be removed unless it is in `set`.
    pub(super) remove: Vec<HeaderName>,
    /// Exactly what was judged: path and query.
    pub(super) target: String,
    /// Whether that differs from what the client sent.
    pub(super) is_rewritten: bool,
    /// What the client is told in the answer.
    pub(super) answer: HeaderMap,
    /// Who asks, for the front's own log and rules.
    pub(super) identity: Vec<(&'static str, String)>,
}

impl Sidecar {
    /// Judges a question and logs it.
    pub(super) async fn check(&self, question: Question) -> Verdict {
        let setup = self.setup();
        let began = self.verifier.now();
        match self.judge(&setup, &question).await {
            Ok(judged) => {
                // A reload may have come between: the answer is worded by the rules that judged.
                let Some(setup) = self.setup_of(judged.rules()) else {
                    return self.failed(&setup, &question, Failure::Unavailable, began);
                };
                self.judged(&setup, &question, &judged, began)
            }
            Err(failure) => self.failed(&setup, &question, failure, began),
        }
    }

    async fn judge(&self, setup: &Setup, question: &Question) -> Result<Judged, Failure> {
        if let Some(failure) = setup.caps.exceeded(&question.target, &question.fields) {
            return Err(failure);
        }
        let Ok(_place) = self.places.try_acquire() else { return Err(Failure::Overloaded) };
        let attributes = Attributes {
            method: &question.method,
            host: &question.host,
            target: &question.target,
            client: question.client,
            certificate: &[],
            fields: &question.fields,
        };
        match self.verifier.verify(&attributes).await {
            Ok(Decision::Allow(permit)) if permit.self_service().is_some() => {
                Ok(Judged::Denial(permit.refuse_here()))
            }
            Ok(Decision::Allow(permit)) => Ok(Judged::Permit(permit)),
            Ok(Decision::Deny(denial)) => Ok(Judged::Denial(denial)),
            Ok(Decision::NeedsGrant(_)) | Err(_) => Err(Failure::Unavailable),
        }
    }

    fn judged(&self, setup: &Setup, question: &Question, judged: &Judged, began: Now) -> Verdict {
        let (verdict, line) = match judged {
            Judged::Permit(permit) => {
                let Ok(allowed) = allowed(setup, question, permit, began) else {
                    return self.failed(setup, question, Failure::Internal, began);
                };
                // What would be forwarded is not what was judged, or has the key in it.
                if allowed.is_rewritten && !question.takes_target {
                    return self.failed(setup, question, Failure::NotForwardable, began);
                }
                let identity = permit.identity();
                let line = Line {
                    status: 200,
                    route: Some(permit.route()),
                    key: identity.map(crate::policy::Identity::key_id),
                    consumer: identity.map(|identity| identity.consumer().record().id),
                    logged: Logged::Allow,
                    counted: allowed_as(permit),
                    reason: None,
                    refusal: Refusal::default(),
                    shadow: permit.shadowed(),
                    is_anonymous: permit.is_anonymous(),
                };
                (Verdict::Allowed(Box::new(allowed)), line)
            }
            Judged::Denial(denial) => {
                let answer = setup.answers.denial(denial, &question.id, began.wall);
                let line = Line {
                    status: answer.status.as_u16(),
                    route: denial.route(),
                    key: denial.key_id(),
                    consumer: denial.consumer().map(|consumer| consumer.record().id),
                    logged: Logged::Deny,
                    counted: denied_as(&denial.class()),
                    reason: Some(denial.reason().code()),
                    refusal: refusal_of(denial),
                    shadow: None,
                    is_anonymous: false,
                };
                (Verdict::Refused(answer), line)
            }
        };
        self.record(setup, question, &line, began);
        verdict
    }

    fn failed(&self, setup: &Setup, question: &Question, failure: Failure, began: Now) -> Verdict {
        if failure == Failure::Unavailable {
            self.metrics.unavailable();
        }
        let answer = setup.answers.failure(failure, &question.id);
        let line = Line {
            status: answer.status.as_u16(),
            route: None,
            key: None,
            consumer: None,
            logged: Logged::Error,
            counted: failed_as(failure),
            reason: Some(failure.code()),
            refusal: Refusal::default(),
            shadow: None,
            is_anonymous: false,
        };
        self.record(setup, question, &line, began);
        Verdict::Refused(answer)
    }

    fn record(&self, setup: &Setup, question: &Question, line: &Line<'_>, began: Now) {
        let took = Duration::from_nanos(self.verifier.now().mono.saturating_sub(began.mono));
        setup.series.finished(&Finished {
            route: line.route.map(|(index, _)| index),
            verdict: line.counted,
            status: line.status,
            total: took,
            decision: (line.logged != Logged::Error).then_some(took),
            reason: line.reason,
            refusal: line.refusal,
            shadow: line.shadow,
        });
        self.sink.record(&AccessLine {
            time: began.wall,
            request_id: question.id.as_str(),
            client: question.client,
            method: &without_tokens((&*question.method).into(), &setup.key_types),
            path: &redacted(&question.target, &setup.key_types),
            host: &without_tokens((&*question.host).into(), &setup.key_types),
            status: line.status,
            route: line.route.map(|(_, name)| name),
            upstream: None,
            key: line.key,
            consumer: line.consumer,
            verdict: line.logged,
            reason: line.reason,
            shadow: line.shadow,
            is_anonymous: line.is_anonymous,
            bytes_in: 0,
            bytes_out: 0,
            total: took,
            verify: took,
            upstream_time: None,
            trace: question.trace,
            one_in: 1,
        });
    }
}

/// What is logged of a verdict.
struct Line<'a> {
    status: u16,
    route: Option<(usize, &'a str)>,
    key: Option<KeyId>,
    consumer: Option<ConsumerId>,
    logged: Logged,
    counted: metrics::Verdict,
    reason: Option<&'static str>,
    refusal: Refusal<'a>,
    shadow: Option<&'a str>,
    is_anonymous: bool,
}

enum Judged {
    Permit(Permit),
    Denial(Denial),
}

impl Judged {
    fn rules(&self) -> &Arc<crate::policy::Rules> {
        match self {
            Self::Permit(permit) => permit.rules(),
            Self::Denial(denial) => denial.rules(),
        }
    }
}

/// Says what a front is to change of a request that passes. A code over it cannot be made here: what is
/// sent in the end is the front's doing.
fn allowed(setup: &Setup, question: &Question, permit: &Permit, now: Now) -> Result<Allowed, NoSigningKey> {
    let mut changes = Changes { sent: &question.fields, set: HeaderMap::new(), removed: Vec::new() };
    setup.identification.strip(&mut changes, setup.is_bearer(permit.route().0));
    let unique = || RequestId::make(&mut rand::rng());
    setup.identification.inject(&mut changes, permit, now.wall, unique)?;
    let Changes { mut set, removed, .. } = changes;
    set.insert(X_REQUEST_ID, question.id.as_value().clone());
    // All of them, sent or not: a front that sees only part of the request removes what it did not show.
    let mut remove: Vec<HeaderName> = setup
        .identification
        .names()
        .iter()
        .chain(&removed)
        .filter(|name| !set.contains_key(*name))
        .cloned()
        .collect();
    remove.sort_unstable_by(|a, b| a.as_str().cmp(b.as_str()));
    remove.dedup();
    let mut answer = HeaderMap::new();
    setup.answers.each_permit_header(permit, now.wall, |name, value| {
        answer.insert(name, value);
    });
    let sent = String::from_utf8_lossy(&question.target);
    let target = permit.target().map_or_else(|| sent.into_owned(), str::to_owned);
    let is_rewritten = target.as_bytes() != question.target;
    Ok(Allowed { set, remove, target, is_rewritten, answer, identity: identity_of(permit) })
}

fn identity_of(permit: &Permit) -> Vec<(&'static str, String)> {
    let mut facts = vec![("route", permit.route().1.to_owned())];
    if let Some(identity) = permit.identity() {
        let consumer = identity.consumer().record();
        facts.push(("consumer_id", consumer.id.to_string()));
        facts.push(("consumer_name", consumer.name.clone()));
        facts.push(("key_id", identity.key_id().to_string()));
        facts.push(("key_type", identity.key_type().to_owned()));
        facts.push(("scopes", identity.scopes().to_owned()));
        facts.extend(identity.plan().map(|plan| ("plan", plan.to_owned())));
        facts.extend(consumer.external_id.clone().map(|id| ("external_id", id)));
    }
    facts
}

/// Writes down what would be changed of a head that is not here.
struct Changes<'q> {
    sent: &'q HeaderMap,
    set: HeaderMap,
    removed: Vec<HeaderName>,
}

impl Head for Changes<'_> {
    fn fields(&self) -> &HeaderMap {
        self.sent
    }

    fn remove(&mut self, name: &HeaderName) {
        self.removed.push(name.clone());
    }

    fn set(&mut self, name: &HeaderName, value: HeaderValue) {
        self.set.insert(name, value);
    }
}
