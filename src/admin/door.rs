//! A request comes in, is checked, and goes to whoever answers it.

use std::convert::Infallible;
use std::io::Read;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::RawPathParams;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, IF_MATCH, RETRY_AFTER, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use axum::routing::{MethodFilter, MethodRouter, get, on};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body as _, Frame};
use serde_json::{Value, json as value};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tower_service::Service;

use crate::config::Config;
use crate::store;

use super::alerts::Alerts;
use super::caller::{Caller, Credential, Peer, authenticate, is_forwarded};
use super::desk::Desk;
use super::endpoint::{Call, Endpoint, Reply, ReplyBody};
use super::problem::Problem;
use super::server::Came;
use super::{NotReady, api, host};

/// What answers requests, shared by all connections.
pub(super) struct Door {
    desk: Arc<Desk>,
    alerts: Alerts,
    /// Host names accepted besides loopback ones and the address called.
    hosts: Vec<String>,
    endpoints: Vec<Endpoint>,
    /// Calls that may wait for the store at once.
    places: Arc<Semaphore>,
}

impl Door {
    pub(super) fn new(desk: Arc<Desk>, hosts: Vec<String>) -> Self {
        Self {
            alerts: Alerts::new(Arc::clone(&desk.handlers().alerts)),
            desk,
            hosts,
            endpoints: api::endpoints(),
            places: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// Returns the configuration in force.
    pub(super) fn config(&self) -> Arc<Config> {
        self.desk.config()
    }

    /// Answers a request.
    pub(super) async fn answer(
        self: &Arc<Self>,
        mut router: Router,
        mut request: Request<Body>,
        came: Came,
    ) -> Response<Body> {
        // Who resumes a session of TLS shows no certificate again, so nobody has looked at its dates.
        let now = self.desk.now().wall;
        if came.certificate.as_ref().is_some_and(|shown| shown.is_expired(now)) {
            return dressed(Problem::expired_certificate().into_response());
        }
        if self.alerts.take(&request) {
            return dressed(self.alerts.answer(request).await.unwrap_or_else(Problem::into_response));
        }
        let checked = host::check(&request, came.here, &self.hosts)
            .and_then(|()| host::check_site(&request))
            .and_then(|()| check_form(&request));
        if let Err(problem) = checked {
            return dressed(problem.into_response());
        }
        request.extensions_mut().insert(came);
        match router.call(request).await {
            Ok(response) => dressed(response),
            Err(never) => match never {},
        }
    }

    /// Calls an endpoint of the API.
    async fn call(
        self: Arc<Self>,
        index: usize,
        params: Vec<(String, String)>,
        request: Request<Body>,
    ) -> Result<Response<Body>, Problem> {
        let endpoint = &self.endpoints[index];
        let mut came = request.extensions().get::<Came>().expect("every request came somehow").clone();
        if matches!(came.from, Peer::Unix(_)) && is_forwarded(request.headers()) {
            came.from = Peer::Unix(None);
        }
        let caller = match endpoint.role {
            None => None,
            Some(role) => {
                let credential = Credential::of(request.headers());
                let caller = Arc::clone(&self).authenticated(credential, came).await?;
                if caller.role < role {
                    let text = format!("this needs the role {role}, and the admin key's is {}", caller.role);
                    return Err(Problem::new(403, "insufficient_role", text));
                }
                Some(caller)
            }
        };
        let (head, body) = request.into_parts();
        let body = read_body(body, endpoint.max_body, BODY_TIME).await?;
        check_body(endpoint, &head.headers, &body)?;
        if endpoint.query.is_none() && head.uri.query().is_some_and(|query| !query.is_empty()) {
            return Err(Problem::malformed("?", "this endpoint takes no parameters"));
        }
        let if_match = if_match(endpoint, &head.headers)?;
        let again = request_name(endpoint, &head, &body, caller.as_ref())?;
        let door = Arc::clone(&self);
        let reply = self
            .blocking(move || {
                let call = Call {
                    desk: &door.desk,
                    caller: caller.as_ref(),
                    endpoint: &door.endpoints[index],
                    params: &params,
                    query: head.uri.query(),
                    is_head: head.method == Method::HEAD,
                    body: &body,
                    if_match,
                    request: again,
                    now: door.desk.now().wall,
                };
                (call.endpoint.run)(&call).inspect_err(|problem| {
                    if problem.is_of_the_store() {
                        door.desk.forget_store();
                    }
                })
            })
            .await?;
        Ok(rendered(reply))
    }

    async fn authenticated(self: Arc<Self>, credential: Credential, came: Came) -> Result<Caller, Problem> {
        let door = Arc::clone(&self);
        let caller = self.blocking(move || authenticate(&door.desk, &credential, &came)).await;
        // Nobody is known yet who may hear of paths and processes: the operator has the log and `/readyz`.
        caller.map_err(|problem| if problem.is_of_the_store() { Problem::no_store() } else { problem })
    }

    /// Runs what may wait for the store.
    async fn blocking<T: Send + 'static>(
        &self,
        job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        blocking(Arc::clone(&self.places), job).await
    }
}

/// Runs what may wait for the store on a thread that nobody else needs, as soon as there is a place.
async fn blocking<T: Send + 'static>(
    places: Arc<Semaphore>,
    job: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let Ok(Ok(place)) = timeout(QUEUE_TIME, places.acquire_owned()).await else {
        return Err(Problem::busy());
    };
    // The work goes on when whoever asked has left, and so does its claim to the place.
    let job = move || {
        let _place = place;
        job()
    };
    match tokio::task::spawn_blocking(job).await {
        Ok(done) => done,
        // It panicked, and said so on standard error. A change may have been made.
        Err(_) => Err(Problem::new(500, "internal", "something is wrong with kgate itself")),
    }
}

/// Returns what leads each request to whoever answers it.
pub(super) fn router(door: &Arc<Door>) -> Router {
    let mut router = Router::new();
    let mut paths: Vec<(&str, MethodRouter)> = Vec::new();
    for (index, endpoint) in door.endpoints.iter().enumerate() {
        let door = Arc::clone(door);
        let handler = move |params: Params, request: Request<Body>| {
            let door = Arc::clone(&door);
            async move {
                let called = match params.0 {
                    Ok(params) => door.call(index, params, request).await,
                    Err(problem) => Err(problem),
                };
                called.unwrap_or_else(Problem::into_response)
            }
        };
        let filter = MethodFilter::try_from(endpoint.method.clone()).expect("the table has plain methods");
        match paths.iter_mut().find(|(path, _)| *path == endpoint.path) {
            Some((_, methods)) => *methods = std::mem::take(methods).on(filter, handler),
            None => paths.push((endpoint.path, on(filter, handler))),
        }
    }
    for (path, methods) in paths {
        router = router.route(path, methods);
    }
    open(router, &door.desk)
}

/// What asks for no credential.
fn open(router: Router, desk: &Arc<Desk>) -> Router {
    let with = |answer: fn(&Desk) -> Response<Body>| {
        let desk = Arc::clone(desk);
        get(move || {
            let response = answer(&desk);
            async move { response }
        })
    };
    router
        .route("/healthz", with(|_| json(200, &value!({ "status": "ok" }))))
        .route("/readyz", with(|desk| readiness(&(desk.handlers().ready)())))
        .route("/metrics", with(|desk| metrics((desk.handlers().metrics)())))
        .route("/status", with(|desk| json(200, &value!((desk.handlers().status)()))))
        .route("/.well-known/jwks.json", with(|desk| json(200, &(desk.handlers().jwks)())))
}

fn readiness(ready: &Result<(), NotReady>) -> Response<Body> {
    match ready {
        Ok(()) => json(200, &value!({ "status": "ready" })),
        Err(not) => json(503, &value!({ "status": "unready", "code": not.code, "reason": not.reason })),
    }
}

/// The Prometheus text exposition format.
fn metrics(text: String) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

pub(super) fn json(status: u16, body: &Value) -> Response<Body> {
    let mut response = Response::new(Body::from(format!("{body}\n")));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The parts of a path between slashes that have names.
struct Params(Result<Vec<(String, String)>, Problem>);

impl<S: Send + Sync> axum::extract::FromRequestParts<S> for Params {
    type Rejection = Infallible;

    async fn from_request_parts(
        parts: &mut axum::http::request::Parts,
        state: &S,
    ) -> Result<Self, Self::Rejection> {
        let read = RawPathParams::from_request_parts(parts, state).await;
        Ok(Self(match read {
            Ok(params) => Ok(params.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()),
            Err(_) => Err(Problem::malformed("", "the path is not UTF-8")),
        }))
    }
}

/// What no endpoint has a use for is refused before any is asked.
fn check_form(request: &Request<Body>) -> Result<(), Problem> {
    if request.uri().authority().is_some() {
        return Err(Problem::not_found());
    }
    // The API's endpoints say themselves whether they take one.
    if request.uri().path().starts_with("/v1/") {
        return Ok(());
    }
    let headers = request.headers();
    let has_body = headers.contains_key(TRANSFER_ENCODING)
        || headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    if has_body && [Method::GET, Method::HEAD].contains(request.method()) {
        return Err(Problem::malformed("", "no body belongs to this method"));
    }
    Ok(())
}

fn check_body(endpoint: &Endpoint, headers: &HeaderMap, body: &Bytes) -> Result<(), Problem> {
    match (endpoint.body.is_some(), body.is_empty()) {
        (false, false) => Err(Problem::malformed("", "this endpoint takes no body")),
        (true, false) if !is_json(headers) => Err(not_json()),
        // A form of another site cannot send this type, so an act without a body needs it, too.
        (true, true) if headers.contains_key(CONTENT_TYPE) && !is_json(headers) => Err(not_json()),
        _ => Ok(()),
    }
}

fn not_json() -> Problem {
    Problem::new(415, "not_json", "send a JSON object, with Content-Type: application/json")
}

fn is_json(headers: &HeaderMap) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(kind), None) = (types.next(), types.next()) else { return false };
    let kind = kind.as_bytes().split(|b| *b == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
}

/// Returns the tag of the version that is to be changed; `None` is any.
fn if_match(endpoint: &Endpoint, headers: &HeaderMap) -> Result<Option<String>, Problem> {
    if !endpoint.tagged {
        // It must not be done as if the condition held (RFC 9110 §13.1.1). What only reads does no harm.
        let is_ignored = headers.contains_key(IF_MATCH) && endpoint.method != Method::GET;
        return if is_ignored {
            Err(Problem::malformed("If-Match", "this endpoint looks at no version: leave it out"))
        } else {
            Ok(None)
        };
    }
    // What is no tag of ours is that of no version.
    let none = || Problem::new(412, "stale", "no version has the ETag of If-Match");
    let mut values = headers.get_all(IF_MATCH).iter();
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) if value == "*" => Ok(None),
        (Some(value), None) => {
            let text = value.to_str().ok().and_then(|text| text.strip_prefix('"')?.strip_suffix('"'));
            text.map(|text| Some(text.to_owned())).ok_or_else(none)
        }
        _ => Err(none()),
    }
}

/// Returns the name under which a request may come again.
fn request_name(
    endpoint: &Endpoint,
    head: &axum::http::request::Parts,
    body: &[u8],
    caller: Option<&Caller>,
) -> Result<Option<store::Request>, Problem> {
    let mut values = head.headers.get_all(IDEMPOTENCY_KEY).iter();
    let (Some(value), caller, true) = (values.next(), caller, endpoint.creates) else { return Ok(None) };
    let name = value
        .to_str()
        .ok()
        .filter(|name| (1..=128).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_graphic()));
    let (Some(name), None, Some(caller)) = (name, values.next(), caller) else {
        return Err(Problem::malformed("Idempotency-Key", "one text of 1 to 128 visible ASCII characters"));
    };
    let mut content = format!("{} {}\n", head.method, head.uri).into_bytes();
    content.extend_from_slice(body);
    let sender = caller.admin_key.as_deref().unwrap_or(&caller.name);
    Ok(Some(store::Request::new(sender, name, &content)))
}

/// Reads a body that may have so many bytes, within this time.
async fn read_body(body: Body, most: usize, time: Duration) -> Result<Bytes, Problem> {
    let too_long = || Problem::new(413, "body_too_long", format!("a body has at most {most} bytes here"));
    if body.size_hint().lower() > most as u64 {
        return Err(too_long());
    }
    match timeout(time, Limited::new(body, most).collect()).await {
        Ok(Ok(read)) => Ok(read.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(too_long()),
        Ok(Err(_)) => Err(Problem::malformed("", "the body broke off")),
        Err(_) => Err(Problem::new(408, "too_slow", "the body took too long")),
    }
}

fn rendered(reply: Reply) -> Response<Body> {
    let (kind, body, length) = match reply.body {
        ReplyBody::Json(bytes) => ("application/json", Body::from(bytes), None),
        ReplyBody::Page(kind, text) => (kind, Body::from(text), None),
        ReplyBody::File(file, bytes) => (BYTES, sending(file), Some(bytes)),
        ReplyBody::Unsaid => (BYTES, Body::new(Pieces(mpsc::channel(1).1)), None),
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(reply.status).expect("endpoints answer with statuses");
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.extend(length.map(|length| (CONTENT_LENGTH, HeaderValue::from(length))));
    for (name, value) in reply.headers {
        headers.extend(HeaderValue::from_str(&value).ok().map(|value| (name, value)));
    }
    response
}

/// Adds what every answer has.
fn dressed(mut response: Response<Body>) -> Response<Body> {
    if !response.headers().contains_key(CONTENT_TYPE) {
        // The router's own answers.
        let allow = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok()).unwrap_or_default();
        response = match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Problem::method(allow).into_response(),
            _ => Problem::not_found().into_response(),
        };
    }
    let is_busy = response.status() == StatusCode::SERVICE_UNAVAILABLE;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    if is_busy && !headers.contains_key(RETRY_AFTER) {
        headers.insert(RETRY_AFTER, HeaderValue::from_static("5"));
    }
    response
}

/// Sends a file, read on a thread of its own as far ahead as the client takes it. Call it on a runtime.
pub(crate) fn sending(mut file: std::fs::File) -> Body {
    let (out, pieces) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        loop {
            let mut piece = vec![0; PIECE];
            let read = file.read(&mut piece).map(|read| {
                piece.truncate(read);
                Bytes::from(piece)
            });
            let is_over = !matches!(&read, Ok(piece) if !piece.is_empty());
            let is_end = is_over && read.is_ok();
            // A failure reaches the client as a body that breaks off.
            if is_end || out.blocking_send(read).is_err() || is_over {
                return;
            }
        }
    });
    Body::new(Pieces(pieces))
}

struct Pieces(mpsc::Receiver<std::io::Result<Bytes>>);

impl hyper::body::Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<std::io::Result<Frame<Bytes>>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }
}

const IDEMPOTENCY_KEY: axum::http::HeaderName = axum::http::HeaderName::from_static("idempotency-key");

/// Calls at once that may wait for the store: a stuck store must not hold more threads.
const AT_ONCE: usize = 16;

/// How long a call waits for a place.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// For a whole body.
const BODY_TIME: Duration = Duration::from_secs(10);

const BYTES: &str = "application/octet-stream";

/// How much of a file is read at once.
const PIECE: usize = 64 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    /// Who asks and leaves at once must not have more threads wait for a stuck store than there are places.
    #[tokio::test]
    async fn a_place_is_taken_until_the_work_is_done_whoever_left() {
        let places = Arc::new(Semaphore::new(1));
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let (begins, started) = tokio::sync::oneshot::channel();
        let asked = tokio::spawn(blocking(Arc::clone(&places), move || {
            let _ = begins.send(());
            let _ = wait.recv();
            Ok(())
        }));
        started.await.unwrap();
        asked.abort();
        assert!(asked.await.unwrap_err().is_cancelled());
        assert_eq!(places.available_permits(), 0);
        go.send(()).unwrap();
        let _place = timeout(QUEUE_TIME, places.acquire()).await.expect("it is given back").unwrap();
    }
}
