//! `POST /leaks…`: a body in, whoever was injected decides, an answer out.
//!
//! The signature of the body is all the authentication there is, so the `Host` is not asked: a route of
//! the gateway may lead here. Bodies are bounded, and so is what is held of all of them: what has come, so that
//! whoever only promises a body keeps nobody else's out.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::door::json;
use super::problem::Problem;

/// Takes alerts in. Called on a thread of its own, so it may wait.
pub trait AlertTaker: Send + Sync {
    /// Says whether alerts are taken at `path`.
    fn takes(&self, path: &str) -> bool;

    /// Deals with an alert.
    fn take(&self, alert: AlertRequest) -> AlertAnswer;
}

/// A request as it came.
pub struct AlertRequest {
    /// Without the query.
    pub path: String,
    /// Its header fields.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The whole body.
    pub body: Vec<u8>,
}

/// What to answer.
pub struct AlertAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: serde_json::Value,
}

/// The alerts' part of the door.
pub(super) struct Alerts {
    taker: Arc<dyn AlertTaker>,
    /// Alerts dealt with at once.
    places: Arc<Semaphore>,
    /// Bytes that may be held of bodies.
    room: Arc<Semaphore>,
}

impl Alerts {
    pub(super) fn new(taker: Arc<dyn AlertTaker>) -> Self {
        let (places, room) = (Semaphore::new(AT_ONCE), Semaphore::new(AT_ONCE * MAX_BODY));
        Self { taker, places: Arc::new(places), room: Arc::new(room) }
    }

    /// Says whether a request is an alert.
    pub(super) fn take(&self, request: &Request<Body>) -> bool {
        request.method() == Method::POST && self.taker.takes(request.uri().path())
    }

    /// Reads the body and answers.
    pub(super) async fn answer(&self, request: Request<Body>) -> Result<Response<Body>, Problem> {
        if declared_length(request.headers())? > MAX_BODY {
            return Err(too_long());
        }
        let (head, body) = request.into_parts();
        let (body, room) = self.read(body).await?;
        let Ok(Ok(place)) = timeout(QUEUE_TIME, Arc::clone(&self.places).acquire_owned()).await else {
            return Err(Problem::busy());
        };
        let headers = head.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec()));
        let alert = AlertRequest { path: head.uri.path().to_owned(), headers: headers.collect(), body };
        let taker = Arc::clone(&self.taker);
        // The work goes on when whoever asked has left, and so does its claim to the place.
        let job = move || {
            let _held = (place, room);
            taker.take(alert)
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(answer) => Ok(json(answer.status, &answer.body)),
            // It panicked, and said so on standard error.
            Err(_) => Err(Problem::busy()),
        }
    }
}

impl Alerts {
    /// Reads a body, as far as there is room for what comes of it.
    async fn read(&self, mut body: Body) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
        let reading = async {
            let (mut read, mut held) = (Vec::new(), None::<OwnedSemaphorePermit>);
            while let Some(frame) = body.frame().await {
                let frame = frame.map_err(|_| Problem::malformed("", "the body broke off"))?;
                let Some(piece) = frame.data_ref() else { continue };
                if read.len() + piece.len() > MAX_BODY {
                    return Err(too_long());
                }
                let bytes = u32::try_from(piece.len()).map_err(|_| too_long())?;
                let room = Arc::clone(&self.room).try_acquire_many_owned(bytes);
                let room = room.map_err(|_| Problem::busy())?;
                match &mut held {
                    Some(held) => held.merge(room),
                    None => held = Some(room),
                }
                read.extend_from_slice(piece);
            }
            Ok((read, held))
        };
        let too_slow = || Problem::new(408, "too_slow", "the body took too long");
        timeout(DEADLINE, reading).await.unwrap_or_else(|_| Err(too_slow()))
    }
}

/// Returns the declared length of a body that may be long. One without is refused, so that what is too
/// long is known before it is read.
fn declared_length(headers: &HeaderMap) -> Result<usize, Problem> {
    let required = || Problem::new(411, "length_required", "the length of the body must be declared");
    if headers.contains_key(TRANSFER_ENCODING) {
        return Err(required());
    }
    let length = headers.get(CONTENT_LENGTH).ok_or_else(required)?;
    // hyper has seen to it that it is one number; what does not fit one is too long in any case.
    Ok(length.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(usize::MAX))
}

fn too_long() -> Problem {
    Problem::new(413, "body_too_long", "the body is too long")
}

/// 10,000 tokens, each with a long URL, have some 3 MB.
const MAX_BODY: usize = 4 << 20;

/// Alerts are rare; this many of the longest bodies are 16 MB.
const AT_ONCE: usize = 4;

/// How long an alert that has come waits for its turn.
const QUEUE_TIME: Duration = Duration::from_secs(5);

/// For the whole body.
const DEADLINE: Duration = Duration::from_secs(10);
