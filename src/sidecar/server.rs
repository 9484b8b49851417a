//! A connection: HTTP/1.1, or HTTP/2 in clear text.

use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use envoy_types::ext_authz::v3::pb::AuthorizationServer;
use http::header::{CONNECTION, CONTENT_TYPE, HeaderValue};
use http::{Request, Response, StatusCode, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::watch;
use tokio::time::{Instant, timeout};
use tonic::body::Body;
use tonic::codegen::Service;

use super::Sidecar;
use super::grpc::Check;
use crate::edge::is_trusted;
use crate::key::canonical_ip;

pub(super) async fn converse(
    sidecar: Arc<Sidecar>,
    socket: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    peer: Option<IpAddr>,
    mut draining: watch::Receiver<bool>,
) {
    let peer = peer.map(canonical_ip);
    let asked: Arc<Asked> = Arc::default();
    let (noted, is_last) = (Arc::clone(&asked), draining.clone());
    let service = service_fn(move |request: Request<Incoming>| {
        let (sidecar, is_last) = (Arc::clone(&sidecar), is_last.clone());
        let is_http1 = request.version() != Version::HTTP_2;
        let asking = noted.begin(is_http1);
        async move {
            let mut response = answer(&sidecar, request, peer).await;
            if is_http1 && *is_last.borrow() {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            drop(asking);
            Ok::<_, Infallible>(response)
        }
    });
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http1().timer(TokioTimer::new()).header_read_timeout(HEAD_TIME).max_buf_size(HEAD_BYTES);
    builder
        .http2()
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(HEAD_BYTES).unwrap_or(u32::MAX))
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIME);
    let connection = builder.serve_connection(TokioIo::new(socket), service);
    tokio::pin!(connection);
    tokio::select! {
        // What has come is read first.
        biased;
        // The peer's trouble, if it breaks off.
        _ = connection.as_mut() => return,
        () = is_told(&mut draining) => {}
    }
    if asked.may_go_on() && timeout(LAST_QUESTION, connection.as_mut()).await.is_ok() {
        return;
    }
    connection.as_mut().graceful_shutdown();
    // Who is in the middle of a head, or does not say over HTTP/2 that it heard of the end, is not waited for.
    while timeout(LAST_QUESTION, connection.as_mut()).await.is_err() && !asked.is_silent() {}
}

/// What a front asked on a connection.
#[derive(Default)]
struct Asked(Mutex<Talk>);

#[derive(Default)]
struct Talk {
    /// Questions that are not answered yet.
    open: usize,
    /// When the last answer was.
    answered: Option<Instant>,
    is_http1: bool,
}

/// A question that is not answered yet.
struct Asking(Arc<Asked>);

impl Asked {
    fn lock(&self) -> MutexGuard<'_, Talk> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn begin(self: &Arc<Self>, is_http1: bool) -> Asking {
        let mut talk = self.lock();
        (talk.open, talk.is_http1) = (talk.open + 1, is_http1);
        drop(talk);
        Asking(Arc::clone(self))
    }

    /// Says whether there is probably another question: the first one, or the next of a front of HTTP/1.1 that keeps
    /// asking. That one learns from its answer that it is the last.
    fn may_go_on(&self) -> bool {
        let talk = self.lock();
        match talk.answered {
            None => talk.open == 0,
            Some(at) => talk.is_http1 && at.elapsed() < LIVELY,
        }
    }

    /// Says whether nothing was asked or answered for as long as a last question may take.
    fn is_silent(&self) -> bool {
        let talk = self.lock();
        talk.open == 0 && talk.answered.is_none_or(|at| at.elapsed() >= LAST_QUESTION)
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut talk = self.0.lock();
        (talk.open, talk.answered) = (talk.open - 1, Some(Instant::now()));
    }
}

async fn is_told(draining: &mut watch::Receiver<bool>) {
    let _ = draining.wait_for(|draining| *draining).await;
}

async fn answer(sidecar: &Arc<Sidecar>, request: Request<Incoming>, peer: Option<IpAddr>) -> Response<Body> {
    let setup = sidecar.setup();
    let is_front = is_trusted(peer, &setup.fronts);
    let is_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if is_grpc {
        if !is_front {
            return tonic::Status::permission_denied("this address is not in sidecar.fronts").into_http();
        }
        let mut service =
            AuthorizationServer::new(Check(Arc::clone(sidecar))).max_decoding_message_size(MESSAGE_BYTES);
        return match service.call(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        };
    }
    let response = if is_front {
        sidecar.answer_http(&setup, &request, peer).await
    } else {
        let mut stranger = Response::new(b"this address is not in sidecar.fronts\n".to_vec());
        *stranger.status_mut() = StatusCode::FORBIDDEN;
        stranger
    };
    // What the front sends of the body is read, so that the connection can go on, and not kept.
    let mut body = request.into_body();
    let mut read = 0;
    while let Some(Ok(frame)) = body.frame().await {
        read += frame.data_ref().map_or(0, Bytes::len);
        if read > BODY_BYTES {
            break;
        }
    }
    response.map(|body| Body::new(Full::new(Bytes::from(body))))
}

/// How recently a front that keeps asking was answered.
const LIVELY: Duration = Duration::from_secs(5);

/// How long its next question may take when it is time to end.
const LAST_QUESTION: Duration = Duration::from_secs(2);

/// For a whole head: fronts are near.
const HEAD_TIME: Duration = Duration::from_secs(10);

/// More than `server.max_header_bytes` can be: what is too much is refused in our words.
const HEAD_BYTES: usize = 2 << 20;

/// Questions at once on one connection; Envoy keeps few connections and many streams.
const STREAMS: u32 = 1024;

/// A front that went away without a word is noticed.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIME: Duration = Duration::from_secs(10);

/// The longest message: a head, and what Envoy adds of its own.
const MESSAGE_BYTES: usize = 4 << 20;

/// No body belongs to a question.
const BODY_BYTES: usize = 64 << 10;
