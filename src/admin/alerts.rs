//! `POST /leaks…`: a body in, whoever was injected decides, an answer out.
//!
//! The signature of the body is all the authentication there is, so the `Host` is not asked: a route of
//! the gateway may lead here. Bodies are bounded, and so is how many are held at once.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use axum::http::{HeaderMap, Method, Request, Response};
use tokio::sync::Semaphore;

use super::door::{json, read_body};
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
    /// Bodies held at once.
    places: Arc<Semaphore>,
}

impl Alerts {
    pub(super) fn new(taker: Arc<dyn AlertTaker>) -> Self {
        Self { taker, places: Arc::new(Semaphore::new(AT_ONCE)) }
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
        let Ok(place) = Arc::clone(&self.places).try_acquire_owned() else { return Err(Problem::busy()) };
        let (head, body) = request.into_parts();
        let body = read_body(body, MAX_BODY, DEADLINE).await?;
        let headers = head.headers.iter().map(|(n, v)| (n.as_str().to_owned(), v.as_bytes().to_vec()));
        let alert = AlertRequest {
            path: head.uri.path().to_owned(),
            headers: headers.collect(),
            body: body.to_vec(),
        };
        let taker = Arc::clone(&self.taker);
        // The work goes on when whoever asked has left, and so does its claim to the place.
        let job = move || {
            let _place = place;
            taker.take(alert)
        };
        match tokio::task::spawn_blocking(job).await {
            Ok(answer) => Ok(json(answer.status, &answer.body)),
            // It panicked, and said so on standard error.
            Err(_) => Err(Problem::busy()),
        }
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

/// Alerts are rare; this many bodies are 16 MB.
const AT_ONCE: usize = 4;

/// For the whole body.
const DEADLINE: Duration = Duration::from_secs(10);
