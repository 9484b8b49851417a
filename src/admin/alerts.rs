//! `POST /leaks…`: a body in, whoever was injected decides, an answer out.
//!
//! The signature of the body is all the authentication there is, so the `Host` is not asked: a route of
//! the gateway may lead here. Bodies are bounded, and so is how many are held at once.

use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::time::timeout;

use super::http::{Answer, Head, Refusal};

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
    places: Semaphore,
}

impl Alerts {
    pub(super) fn new(taker: Arc<dyn AlertTaker>) -> Self {
        Self { taker, places: Semaphore::new(AT_ONCE) }
    }

    /// Returns the head of a request that is an alert.
    pub(super) fn head_of(&self, bytes: &[u8]) -> Option<Head> {
        Head::parse(bytes).ok().filter(|head| head.is_post() && self.taker.takes(head.path()))
    }

    /// Reads the body, of which `begun` is there already, and answers.
    pub(super) async fn answer(&self, head: &Head, begun: &[u8], stream: &mut TcpStream) -> Answer {
        let length = match head.declared_length() {
            Ok(length) if length > MAX_BODY => return Refusal::BodyTooLong.answer(),
            Ok(length) => length,
            Err(refusal) => return refusal.answer(),
        };
        let Ok(_place) = self.places.try_acquire() else { return Refusal::Busy.answer() };
        let Some(body) = read_body(head, begun, length, stream).await else {
            return Refusal::Malformed.answer();
        };
        let request = AlertRequest { path: head.path().to_owned(), headers: head.headers(), body };
        let taker = Arc::clone(&self.taker);
        match tokio::task::spawn_blocking(move || taker.take(request)).await {
            Ok(answer) => Answer::json(answer.status, &answer.body),
            // It panicked, and said so on standard error.
            Err(_) => Refusal::Busy.answer(),
        }
    }
}

async fn read_body(head: &Head, begun: &[u8], length: usize, stream: &mut TcpStream) -> Option<Vec<u8>> {
    if begun.len() > length {
        return None;
    }
    let read = async {
        if head.expects_continue() && begun.is_empty() {
            stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.ok()?;
        }
        // Grown as bytes come: a promised length is no reason to set memory aside.
        let mut body = begun.to_vec();
        let rest = (length - begun.len()) as u64;
        stream.take(rest).read_to_end(&mut body).await.ok()?;
        (body.len() == length).then_some(body)
    };
    timeout(DEADLINE, read).await.ok().flatten()
}

/// 10,000 tokens, each with a long URL, have some 3 MB.
const MAX_BODY: usize = 4 << 20;

/// Alerts are rare; this many bodies are 16 MB.
const AT_ONCE: usize = 4;

/// For the whole body.
const DEADLINE: Duration = Duration::from_secs(10);
