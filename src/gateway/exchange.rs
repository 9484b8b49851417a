//! What is known of one request on its way through Pingora's hooks.

use std::borrow::Cow;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderValue, Method};
use pingora::http::RequestHeader;

use super::Gateway;
use super::door::is_grpc;
use super::h2::Caller;
use super::live::Live;
use super::route::Route;
use super::setup::Setup;
use super::upstream::{Chosen, Upstream};
use crate::edge::{AccessLine, AccessSink, Failure, RequestId, Trace, redacted, refusal_of, without_tokens};
use crate::key::{ConsumerId, KeyId};
use crate::metrics::{Finished, Refusal, UpstreamFault, UpstreamSeries};
use crate::policy::{Denial, Identity, Now, Permit};
use crate::{edge, metrics};

/// One request.
pub(super) struct Exchange {
    pub(super) setup: Arc<Setup>,
    pub(super) began: Now,
    /// Set by the first hook.
    pub(super) id: Option<RequestId>,
    pub(super) client: Option<IpAddr>,
    pub(super) peer_is_trusted: bool,
    pub(super) method: Method,
    pub(super) host: Option<HeaderValue>,
    /// The request target as it was sent.
    pub(super) target: Bytes,
    pub(super) stage: Stage,
    pub(super) in_flight: Option<InFlight>,
    /// When the decision was made, monotonic nanoseconds; 0 if it was not.
    pub(super) judged_at: u64,
    /// Body bytes received in this attempt.
    pub(super) received: u64,
    /// The status of the backend's answer, once its head was on its way to the client; 0 before.
    pub(super) answered: u16,
    /// Bytes of that answer's body that were passed on.
    pub(super) passed: u64,
    /// What went wrong, if anything did after the decision.
    pub(super) failure: Option<Failure>,
    /// Why it was cut while it was under way, if it was.
    pub(super) cut: Option<&'static str>,
    /// Where that is said first.
    pub(super) live: Option<Arc<Live>>,
    /// Whether the head of the backend's answer is all of it.
    pub(super) is_head_all: bool,
    /// Its stream, over HTTP/2.
    pub(super) caller: Option<Caller>,
    /// The trace it is a part of, if requests are traced.
    pub(super) trace: Option<Trace>,
}

/// How far it has come.
pub(super) enum Stage {
    /// Not yet judged, or refused before it could be.
    Fresh,
    /// The engine refused.
    Denied(Denial),
    /// It may be forwarded.
    Forwarding(Box<Forwarding>),
    /// It was answered here without asking for a key: what it was, and of which route.
    Answered(&'static str, Option<usize>),
    /// It was for kgate itself.
    Own(Box<OwnWork>),
}

impl Stage {
    /// Returns the route the request was judged on, if it came so far.
    pub(super) fn judged_on(&self) -> Option<usize> {
        match self {
            Self::Denied(denial) => denial.route().map(|(route, _)| route),
            Self::Forwarding(forwarding) => Some(forwarding.permit.route().0),
            Self::Own(own) => Some(own.permit.route().0),
            // A pre-flight says what there is to say itself.
            Self::Fresh | Self::Answered(..) => None,
        }
    }
}

/// A request that kgate itself answers.
pub(super) struct OwnWork {
    pub(super) permit: Permit,
    /// Why it was not done, if it was not.
    pub(super) reason: Option<&'static str>,
}

/// A request that may be forwarded. There is no way to make one without a permit, and what reaches a
/// backend takes one as an argument.
pub(super) struct Forwarding {
    permit: Permit,
    /// The server of this attempt.
    pub(super) server: Option<Chosen>,
    pub(super) attempts: u32,
    /// When its server was chosen, monotonic nanoseconds.
    pub(super) chosen_at: u64,
    /// When all of the answer must be there, monotonic nanoseconds; `u64::MAX` is whenever.
    pub(super) until: u64,
    /// How long the head of the answer took.
    pub(super) answered_in: Option<Duration>,
    /// What went wrong with the last attempt.
    pub(super) fault: Option<UpstreamFault>,
}

impl Forwarding {
    pub(super) fn new(permit: Permit) -> Self {
        Self {
            permit,
            server: None,
            attempts: 0,
            chosen_at: 0,
            until: u64::MAX,
            answered_in: None,
            fault: None,
        }
    }

    pub(super) fn permit(&self) -> &Permit {
        &self.permit
    }
}

impl Exchange {
    pub(super) fn new(setup: Arc<Setup>, began: Now) -> Self {
        Self {
            setup,
            began,
            id: None,
            client: None,
            peer_is_trusted: false,
            method: Method::default(),
            host: None,
            target: Bytes::new(),
            stage: Stage::Fresh,
            in_flight: None,
            judged_at: 0,
            received: 0,
            answered: 0,
            passed: 0,
            is_head_all: false,
            failure: None,
            cut: None,
            live: None,
            caller: None,
            trace: None,
        }
    }

    /// Returns the request's id; one that failed before it had one gets it now.
    pub(super) fn id(&mut self) -> RequestId {
        self.id.get_or_insert_with(|| RequestId::make(&mut rand::rng())).clone()
    }

    /// Returns the host as it is logged.
    pub(super) fn logged_host(&self) -> Cow<'_, str> {
        let host = self.host.as_ref().and_then(|host| host.to_str().ok()).unwrap_or_default();
        without_tokens(host.into(), &self.setup.key_types)
    }

    /// Returns the upstream being asked, and its counters.
    pub(super) fn upstream(&self) -> Option<(&Upstream, &UpstreamSeries)> {
        let Stage::Forwarding(forwarding) = &self.stage else { return None };
        let index = forwarding.permit.upstream();
        self.setup.upstreams.get(index).zip(self.setup.series.upstream(index))
    }

    /// Returns how its route forwards.
    pub(super) fn route(&self) -> Option<&Route> {
        let Stage::Forwarding(forwarding) = &self.stage else { return None };
        Some(self.setup.route(forwarding.permit.route().0))
    }

    /// Says whether its answer is passed on as it is, by a server that is asked in HTTP/1.1.
    pub(super) fn is_straight(&self) -> bool {
        let Stage::Forwarding(forwarding) = &self.stage else { return false };
        let permit = &forwarding.permit;
        let upstream = self.setup.upstreams.get(permit.upstream());
        !self.setup.compresses(permit.route().0) && upstream.is_some_and(Upstream::speaks_http1)
    }

    /// Says whether a request is a call of gRPC that a backend can take for one. On other routes the word of a
    /// client that it is would only free it of the pace its body has to keep.
    pub(super) fn is_call(&self, head: &RequestHeader) -> bool {
        is_grpc(head) && self.upstream().is_some_and(|(upstream, _)| !upstream.speaks_http1())
    }

    /// Notes a failed attempt.
    pub(super) fn attempt_failed(&mut self, fault: UpstreamFault) {
        if let Some((_, series)) = self.upstream() {
            series.failed(fault);
        }
        if let Stage::Forwarding(forwarding) = &mut self.stage {
            forwarding.fault = Some(fault);
        }
    }

    /// Returns how the request is counted.
    pub(super) fn counted_as(&self) -> metrics::Verdict {
        use metrics::Verdict;
        match (&self.stage, self.failure) {
            (Stage::Denied(denial), _) => edge::denied_as(&denial.class()),
            (Stage::Fresh, Some(failure)) => edge::failed_as(failure),
            (Stage::Fresh, None) => Verdict::BadRequest,
            (_, Some(Failure::BodyTooLarge)) => Verdict::TooLarge,
            (Stage::Answered(..), _) => Verdict::Answered,
            (Stage::Forwarding(forwarding), _) => edge::allowed_as(&forwarding.permit),
            (Stage::Own(own), _) => edge::allowed_as(&own.permit),
        }
    }

    /// Returns how the request is logged.
    pub(super) fn logged_as(&self) -> edge::Verdict {
        match (&self.stage, self.failure) {
            (Stage::Denied(_), _) => edge::Verdict::Deny,
            (Stage::Forwarding(_) | Stage::Answered(..), None) => edge::Verdict::Allow,
            (Stage::Own(own), None) if own.reason.is_none() => edge::Verdict::Allow,
            _ => edge::Verdict::Error,
        }
    }

    /// Returns why it was refused or failed, for the operator.
    pub(super) fn reason(&self) -> Option<&'static str> {
        match &self.stage {
            _ if self.cut.is_some() => self.cut,
            Stage::Denied(denial) => Some(denial.reason().code()),
            Stage::Answered(what, _) => Some(what),
            Stage::Own(own) if own.reason.is_some() => own.reason,
            Stage::Forwarding(forwarding) if self.failure.is_some() && forwarding.fault.is_some() => {
                forwarding.fault.map(|fault| match fault {
                    UpstreamFault::Connect => "upstream_connect",
                    UpstreamFault::ConnectTimeout => "upstream_connect_timeout",
                    UpstreamFault::Timeout => "upstream_timeout",
                    UpstreamFault::Broken => "upstream_broken",
                    UpstreamFault::Protocol => "upstream_protocol",
                })
            }
            _ => self.failure.map(|failure| match failure {
                Failure::RequestTimeout => "body_too_slow",
                failure => failure.code(),
            }),
        }
    }

    /// Counts the request.
    pub(super) fn count(&self, end: &End) {
        let refusal = match &self.stage {
            Stage::Denied(denial) => refusal_of(denial),
            _ => Refusal::default(),
        };
        let is_refused = !matches!(self.stage, Stage::Forwarding(_) | Stage::Answered(..));
        self.setup.series.finished(&Finished {
            route: self.shown().0.map(|(index, _)| index),
            verdict: self.counted_as(),
            status: end.status,
            total: end.total,
            decision: self.decided_in(),
            reason: end.reason.filter(|_| is_refused),
            refusal,
            shadow: self.permit().and_then(Permit::shadowed),
        });
    }

    /// Logs it.
    pub(super) fn log(&self, end: &End, sink: &dyn AccessSink) {
        let (route, key, consumer) = self.shown();
        sink.record(&AccessLine {
            time: self.began.wall,
            request_id: self.id.as_ref().map_or("", RequestId::as_str),
            client: self.client,
            method: &without_tokens(self.method.as_str().into(), &self.setup.key_types),
            path: &redacted(&self.target, &self.setup.key_types),
            host: &self.logged_host(),
            status: end.status,
            route: route.map(|(_, name)| name),
            upstream: self.upstream().map(|(upstream, _)| upstream.name.as_str()),
            key,
            consumer,
            verdict: self.logged_as(),
            reason: end.reason,
            shadow: self.permit().and_then(Permit::shadowed),
            is_anonymous: self.permit().is_some_and(Permit::is_anonymous),
            bytes_in: self.received,
            bytes_out: end.bytes_out,
            total: end.total,
            verify: self.decided_in().unwrap_or_default(),
            upstream_time: match &self.stage {
                Stage::Forwarding(forwarding) => forwarding.answered_in,
                _ => None,
            },
            trace: self.trace,
            one_in: 1,
        });
    }

    /// Returns what it passed with, if it did.
    fn permit(&self) -> Option<&Permit> {
        match &self.stage {
            Stage::Forwarding(forwarding) => Some(&forwarding.permit),
            Stage::Own(own) => Some(&own.permit),
            Stage::Fresh | Stage::Denied(_) | Stage::Answered(..) => None,
        }
    }

    /// Returns what is known of it: its route, its key and who holds that.
    fn shown(&self) -> (Option<(usize, &str)>, Option<KeyId>, Option<ConsumerId>) {
        match &self.stage {
            Stage::Denied(denial) => {
                (denial.route(), denial.key_id(), denial.consumer().map(|consumer| consumer.record().id))
            }
            Stage::Answered(_, route) => {
                let all = &self.setup.rules().spec().routes;
                (route.and_then(|route| Some((route, all.get(route)?.name.as_str()))), None, None)
            }
            Stage::Fresh | Stage::Forwarding(_) | Stage::Own(_) => {
                let identity = self.permit().and_then(Permit::identity);
                let consumer = identity.map(|identity| identity.consumer().record().id);
                (self.permit().map(Permit::route), identity.map(Identity::key_id), consumer)
            }
        }
    }

    /// Returns how long it took to be judged, if it was.
    fn decided_in(&self) -> Option<Duration> {
        (self.judged_at > 0).then(|| Duration::from_nanos(self.judged_at.saturating_sub(self.began.mono)))
    }

    /// Gives its place among the requests in work back, when the last of the answer is about to leave: whoever has that
    /// knows that nothing is in work any more, and may ask again at once, of another worker.
    pub(super) fn leave(&mut self) {
        match &mut self.stage {
            Stage::Forwarding(forwarding) => forwarding.permit.leave(),
            Stage::Own(own) => own.permit.leave(),
            Stage::Fresh | Stage::Denied(_) | Stage::Answered(..) => {}
        }
    }
}

impl Drop for Exchange {
    /// Counts and logs a request that was forwarded and that Pingora did not get to log: it was cut while a backend took
    /// no more of it, or over HTTP/2, or its connection or the gateway itself came to an end.
    fn drop(&mut self) {
        let Some(reason) = self.live.as_ref().map(|live| live.end()) else { return };
        let (Some(in_flight), Stage::Forwarding(_)) = (&self.in_flight, &self.stage) else { return };
        let now = in_flight.gateway.verifier.now().mono;
        let total = Duration::from_nanos(now.saturating_sub(self.began.mono));
        let end = End { status: self.answered, bytes_out: self.passed, total, reason };
        self.count(&end);
        self.log(&end, &*in_flight.gateway.sink);
    }
}

/// How a request ended.
pub(super) struct End {
    /// The status that went out; 0 if none did.
    pub(super) status: u16,
    /// Bytes of the answer's body that were sent.
    pub(super) bytes_out: u64,
    pub(super) total: Duration,
    /// Why it did not end well, if so.
    pub(super) reason: Option<&'static str>,
}

/// A request's place among those in work; dropping it gives the place back.
pub(super) struct InFlight {
    gateway: Arc<Gateway>,
    setup: Arc<Setup>,
}

impl InFlight {
    /// Takes a place, if there is one.
    pub(super) fn enter(gateway: &Arc<Gateway>, setup: &Arc<Setup>) -> Option<Self> {
        // Relaxed: the count guards no other memory.
        let before = gateway.in_flight.fetch_add(1, Ordering::Relaxed);
        if before >= setup.caps.in_flight {
            gateway.in_flight.fetch_sub(1, Ordering::Relaxed);
            return None;
        }
        setup.series.in_flight(1);
        Some(Self { gateway: Arc::clone(gateway), setup: Arc::clone(setup) })
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.gateway.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.setup.series.in_flight(-1);
    }
}
