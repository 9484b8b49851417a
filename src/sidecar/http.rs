//! Fronts that ask over HTTP, each under a path of its own.
//!
//! | path | front | the original request is in | refusals |
//! |---|---|---|---|
//! | `/nginx` | NGINX `auth_request` | `X-Original-Method`, `X-Original-URI`, `X-Original-Host` or `Host` | 401, else 403 and `X-Kgate-Status`, `X-Kgate-Body` |
//! | `/forward-auth` | Traefik, Caddy, APISIX | `X-Forwarded-Method`, `-Uri`, `-Host` | as they are |
//! | `/envoy/…` | Envoy's HTTP `ext_authz` with `path_prefix: /envoy` | the request itself | as they are |
//!
//! The client's address is the right-most hop of `X-Forwarded-For` that is no configured proxy.

use std::net::IpAddr;

use http::header::{AUTHORIZATION, COOKIE, HOST, HeaderMap, HeaderName, HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::{Request, Response, StatusCode};

use super::Sidecar;
use super::check::{Allowed, Question, Verdict};
use super::setup::Setup;
use crate::edge::{Answer, Failure, RequestId, client_address};

/// Which front asks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Front {
    Nginx,
    ForwardAuth,
    Envoy,
}

impl Front {
    /// Tells it by the path asked for.
    fn of(path: &str) -> Option<Self> {
        match path {
            "/nginx" => Some(Self::Nginx),
            "/forward-auth" => Some(Self::ForwardAuth),
            _ => path.strip_prefix(ENVOY).is_some_and(|rest| rest.starts_with('/')).then_some(Self::Envoy),
        }
    }

    /// Says whether it forwards the target it is told, and not the one it got.
    const fn takes_target(self) -> bool {
        matches!(self, Self::Nginx)
    }
}

impl Sidecar {
    /// Answers a question asked over HTTP.
    pub(super) async fn answer_http<B>(
        &self,
        setup: &Setup,
        request: &Request<B>,
        peer: Option<IpAddr>,
    ) -> Response<Vec<u8>> {
        let id = RequestId::take_or_make(request.headers(), false, setup.trust_request_id, &mut rand::rng());
        let Some(front) = Front::of(request.uri().path()) else {
            return nowhere();
        };
        let Some(question) = question(front, request, peer, setup, id.clone()) else {
            return refused(front, setup.answers.failure(Failure::BadRequest, &id));
        };
        match self.check(question).await {
            Verdict::Allowed(allowed) => permitted(front, *allowed, request.headers()),
            Verdict::Refused(answer) => refused(front, answer),
        }
    }
}

/// Reads the original request; `None` if the front does not tell it, or tells it twice.
fn question<B>(
    front: Front,
    request: &Request<B>,
    peer: Option<IpAddr>,
    setup: &Setup,
    id: RequestId,
) -> Option<Question> {
    let fields = request.headers();
    let asked_host = || one(fields, &HOST).or_else(|| request.uri().authority().map(ToString::to_string));
    let (method, target, host) = match front {
        Front::Nginx => {
            let host = if fields.contains_key(X_ORIGINAL_HOST) {
                one(fields, &X_ORIGINAL_HOST)
            } else {
                asked_host()
            };
            (one(fields, &X_ORIGINAL_METHOD)?, one(fields, &X_ORIGINAL_URI)?, host?)
        }
        Front::ForwardAuth => (
            one(fields, &X_FORWARDED_METHOD)?,
            one(fields, &X_FORWARDED_URI)?,
            one(fields, &X_FORWARDED_HOST)?,
        ),
        Front::Envoy => {
            let target = request.uri().path_and_query()?.as_str().strip_prefix(ENVOY)?;
            (request.method().as_str().to_owned(), target.to_owned(), asked_host()?)
        }
    };
    Some(Question {
        method,
        host,
        target: target.into_bytes(),
        fields: fields.clone(),
        client: client_address(peer, fields, &setup.trusted),
        id,
        trace: setup.trace(fields),
        takes_target: front.takes_target(),
    })
}

/// Returns the one value of a field.
fn one(fields: &HeaderMap, name: &HeaderName) -> Option<String> {
    let mut values = fields.get_all(name).iter();
    let value = values.next()?.to_str().ok()?.to_owned();
    values.next().is_none().then_some(value)
}

fn permitted(front: Front, allowed: Allowed, sent: &HeaderMap) -> Response<Vec<u8>> {
    let Allowed { set, remove, target, answer, .. } = allowed;
    let mut response = Response::new(Vec::new());
    let headers = response.headers_mut();
    if front == Front::Envoy {
        let list: Vec<&str> = remove.iter().map(HeaderName::as_str).collect();
        headers.extend(HeaderValue::from_str(&list.join(",")).ok().map(|list| (ENVOY_REMOVE, list)));
    } else {
        // Fields a key can be in beside other things: fronts copy them from here, as they came unless
        // there was a key in them.
        for name in [&AUTHORIZATION, &COOKIE, &SEC_WEBSOCKET_PROTOCOL] {
            for value in sent.get_all(name) {
                headers.append(name, value.clone());
            }
        }
        // Empty, lest a front that copies what is there leave the client's own.
        for name in remove {
            headers.insert(name, HeaderValue::from_static(""));
        }
        headers.extend(HeaderValue::from_str(&target).ok().map(|target| (X_KGATE_TARGET, target)));
    }
    headers.extend(answer);
    headers.extend(set);
    response
}

fn refused(front: Front, answer: Answer) -> Response<Vec<u8>> {
    let Answer { status, headers, body } = answer;
    let mut response = Response::new(body);
    *response.headers_mut() = headers;
    *response.status_mut() = status;
    if front == Front::Nginx {
        // `auth_request` knows 401 and 403 and makes 500 of all else; it drops the body. The shipped
        // configuration puts both together again from these.
        let body = response.body().trim_ascii_end().to_vec();
        let headers = response.headers_mut();
        headers.insert(X_KGATE_STATUS, HeaderValue::from(status.as_u16()));
        headers.extend(HeaderValue::from_bytes(&body).ok().map(|body| (X_KGATE_BODY, body)));
        if status != StatusCode::UNAUTHORIZED {
            *response.status_mut() = StatusCode::FORBIDDEN;
        }
    }
    response
}

fn nowhere() -> Response<Vec<u8>> {
    let text = "no front asks here: /nginx, /forward-auth, /envoy, or Envoy's gRPC; see docs/fronts\n";
    let mut response = Response::new(text.into());
    // Not 404: a front that asks at the wrong place must not take it for leave.
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

const ENVOY: &str = "/envoy";
const ENVOY_REMOVE: HeaderName = HeaderName::from_static("x-envoy-auth-headers-to-remove");
const X_ORIGINAL_METHOD: HeaderName = HeaderName::from_static("x-original-method");
const X_ORIGINAL_URI: HeaderName = HeaderName::from_static("x-original-uri");
const X_ORIGINAL_HOST: HeaderName = HeaderName::from_static("x-original-host");
const X_FORWARDED_METHOD: HeaderName = HeaderName::from_static("x-forwarded-method");
const X_FORWARDED_URI: HeaderName = HeaderName::from_static("x-forwarded-uri");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_KGATE_STATUS: HeaderName = HeaderName::from_static("x-kgate-status");
const X_KGATE_BODY: HeaderName = HeaderName::from_static("x-kgate-body");
const X_KGATE_TARGET: HeaderName = HeaderName::from_static("x-kgate-target");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fronts_are_told_by_their_path() {
        for (path, front) in [
            ("/nginx", Some(Front::Nginx)),
            ("/forward-auth", Some(Front::ForwardAuth)),
            ("/envoy/v1/x", Some(Front::Envoy)),
            ("/envoy", None),
            ("/envoyx/v1", None),
            ("/", None),
            ("/nginx/", None),
        ] {
            assert_eq!(Front::of(path), front, "{path}");
        }
    }

    #[test]
    fn what_is_told_twice_is_not_told() {
        let mut fields = HeaderMap::new();
        assert_eq!(one(&fields, &X_ORIGINAL_URI), None);
        fields.append(X_ORIGINAL_URI, HeaderValue::from_static("/a"));
        assert_eq!(one(&fields, &X_ORIGINAL_URI).as_deref(), Some("/a"));
        fields.append(X_ORIGINAL_URI, HeaderValue::from_static("/b"));
        assert_eq!(one(&fields, &X_ORIGINAL_URI), None);
    }

    #[test]
    fn nginx_gets_a_status_it_knows_and_the_rest_beside_it() {
        let answer = |status| Answer { status, headers: HeaderMap::new(), body: b"{\"a\":1}\n".to_vec() };
        let limited = refused(Front::Nginx, answer(StatusCode::TOO_MANY_REQUESTS));
        assert_eq!(limited.status(), 403);
        assert_eq!(limited.headers()["x-kgate-status"], "429");
        assert_eq!(limited.headers()["x-kgate-body"], "{\"a\":1}");
        assert_eq!(refused(Front::Nginx, answer(StatusCode::UNAUTHORIZED)).status(), 401);
        assert_eq!(refused(Front::ForwardAuth, answer(StatusCode::TOO_MANY_REQUESTS)).status(), 429);
    }
}
