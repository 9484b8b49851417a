//! Keys checked in the process.

use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{CONTENT_LENGTH, HOST, HeaderValue};
use http::request::Parts;
use http::{Method, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::Caller;
use crate::config::{Config, RequestIdTrust, TrustedProxies};
use crate::edge::{
    Answer, Answers, Failure, HeadCaps, Identification, RequestId, X_REQUEST_ID, client_address, is_trusted,
};
use crate::policy::{Attributes, Decision, Permit, RouteSpec};
use crate::verify::Verifier;

/// The address a connection came from. Put it into a request's extensions where networks or limits by
/// address are used; without it the address is unknown, and a key bound to networks is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ClientAddress(pub IpAddr);

/// Lets a request through to the service inside if its key may make it, and answers like the gateway if
/// not.
///
/// Routes, scopes, plans and key types are those of the configuration. What passes has the key and
/// every spoofable header removed, `X-Request-Id` set, and a [`Caller`] in its extensions; its answer gets
/// the rate headers. Rates are counted by each process for itself.
#[derive(Clone)]
pub struct KeyLayer {
    shared: Arc<Shared>,
}

struct Shared {
    verifier: Arc<Verifier>,
    caps: HeadCaps,
    answers: Answers,
    identification: Identification,
    trusted: TrustedProxies,
    trust_request_id: RequestIdTrust,
    bearer: Vec<bool>,
}

impl KeyLayer {
    /// Makes one of a configuration and a verifier that holds its rules.
    pub fn new(config: &Config, verifier: Arc<Verifier>) -> Self {
        let routes = &config.rules.spec().routes;
        Self {
            shared: Arc::new(Shared {
                verifier,
                caps: HeadCaps::new(&config.server),
                answers: Answers::new(&config.server),
                // It only removes: in the process there is nothing to prove.
                identification: Identification::new(config, &Arc::default()),
                trusted: config.server.trusted_proxies.clone(),
                trust_request_id: config.server.trust_request_id,
                bearer: routes.iter().map(RouteSpec::takes_authorization).collect(),
            }),
        }
    }
}

impl<S> Layer<S> for KeyLayer {
    type Service = KeyService<S>;

    fn layer(&self, inner: S) -> KeyService<S> {
        KeyService { shared: Arc::clone(&self.shared), inner }
    }
}

/// What [`KeyLayer`] makes of a service.
#[derive(Clone)]
pub struct KeyService<S> {
    shared: Arc<Shared>,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for KeyService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: From<Vec<u8>> + Send,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let fresh = self.inner.clone();
        // The one that was polled ready.
        let mut inner = std::mem::replace(&mut self.inner, fresh);
        let shared = Arc::clone(&self.shared);
        Box::pin(async move {
            let (mut head, body) = request.into_parts();
            let is_head = head.method == Method::HEAD;
            let (id, judged) = shared.judge(&head).await;
            match judged {
                Ok(permit) => {
                    shared.admit(&mut head, &permit, &id);
                    let mut response = inner.call(Request::from_parts(head, body)).await?;
                    shared.tell(&mut response, &permit, &id);
                    Ok(response)
                }
                Err(answer) => Ok(respond(answer, is_head)),
            }
        })
    }
}

impl Shared {
    async fn judge(&self, head: &Parts) -> (RequestId, Result<Permit, Answer>) {
        let fields = &head.headers;
        let peer = head.extensions.get::<ClientAddress>().map(|client| client.0);
        let is_trusted = peer.is_some() && is_trusted(peer, &self.trusted);
        let id = RequestId::take_or_make(fields, is_trusted, self.trust_request_id, &mut rand::rng());
        let authority = head.uri.authority().map(http::uri::Authority::as_str);
        let host = fields.get(HOST).and_then(|host| host.to_str().ok()).or(authority).unwrap_or_default();
        let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if let Some(failure) = self.caps.exceeded(target.as_bytes(), fields) {
            return (id.clone(), Err(self.answers.failure(failure, &id)));
        }
        let attributes = Attributes {
            method: head.method.as_str(),
            host,
            target: target.as_bytes(),
            client: peer.and_then(|peer| client_address(Some(peer), fields, &self.trusted)),
            certificate: &[],
            fields,
        };
        let verdict = match self.verifier.verify(&attributes).await {
            Ok(Decision::Allow(permit)) if permit.self_service().is_some() => Err(permit.refuse_here()),
            Ok(Decision::Allow(permit)) => Ok(permit),
            Ok(Decision::Deny(denial)) => Err(denial),
            Ok(Decision::NeedsGrant(_)) | Err(_) => {
                let answer = self.answers.failure(Failure::Unavailable, &id);
                return (id, Err(answer));
            }
        };
        let verdict = verdict.map_err(|denial| self.answers.denial(&denial, &id, self.verifier.now().wall));
        (id, verdict)
    }

    /// Makes a request ready for the service inside.
    fn admit(&self, head: &mut Parts, permit: &Permit, id: &RequestId) {
        let was_bearer = self.bearer.get(permit.route().0).copied().unwrap_or(true);
        self.identification.strip(&mut head.headers, was_bearer);
        head.headers.insert(X_REQUEST_ID, id.as_value().clone());
        // The service routes by what was judged.
        if let Some(target) = permit.target()
            && let Ok(target) = target.parse()
        {
            let mut parts = head.uri.clone().into_parts();
            parts.path_and_query = Some(target);
            if let Ok(uri) = http::Uri::from_parts(parts) {
                head.uri = uri;
            }
        }
        if let Some(caller) = Caller::of(permit) {
            head.extensions.insert(caller);
        }
    }

    /// Tells the client how it stands.
    fn tell<R>(&self, response: &mut Response<R>, permit: &Permit, id: &RequestId) {
        let headers = response.headers_mut();
        headers.insert(X_REQUEST_ID, id.as_value().clone());
        self.answers.each_permit_header(permit, self.verifier.now().wall, |name, value| {
            headers.insert(name, value);
        });
    }
}

pub(super) fn respond<R: From<Vec<u8>>>(answer: Answer, is_head: bool) -> Response<R> {
    let Answer { status, headers, body } = answer;
    let length = HeaderValue::from(body.len());
    let mut response = Response::new(R::from(if is_head { Vec::new() } else { body }));
    *response.status_mut() = status;
    *response.headers_mut() = headers;
    response.headers_mut().insert(CONTENT_LENGTH, length);
    response
}
