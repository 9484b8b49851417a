//! The operator's door: `/healthz`, `/readyz`, `/metrics`, `/.well-known/jwks.json`, `POST /explain` and `POST /leaks…` on an
//! address of their own, loopback unless configured otherwise. What each answers is injected by whoever wires the process.
//!
//! One request a connection, few connections, small heads, short deadlines: this door must not be a
//! way to hurt the other one. The `Host` is checked because a browser on the operator's machine can
//! be made to call any name that resolves to it (DNS rebinding).

mod alerts;
mod http;

use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::timeout;

use alerts::Alerts;
use http::{Answer, EXPLAIN, Head, Refusal};

pub use alerts::{AlertAnswer, AlertRequest, AlertTaker};

/// What the endpoints answer. Called on the admin thread; must not block for long.
pub struct Handlers {
    /// Whether traffic should be sent here: for `/readyz`.
    pub ready: Box<dyn Fn() -> Result<(), NotReady> + Send + Sync>,
    /// The Prometheus text of `/metrics`.
    pub metrics: Box<dyn Fn() -> String + Send + Sync>,
    /// The public parts of the signing keys: for `/.well-known/jwks.json`.
    pub jwks: Box<dyn Fn() -> serde_json::Value + Send + Sync>,
    /// What would become of the request a JSON text describes: for `/explain`.
    pub explain: Box<dyn Fn(Vec<u8>) -> Replying + Send + Sync>,
    /// Who takes alerts of leaked keys: for `POST /leaks…`.
    pub alerts: Arc<dyn AlertTaker>,
}

/// A status and the JSON of an answer.
pub type Reply = (u16, serde_json::Value);

/// An answer on its way.
pub type Replying = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// Why no traffic should be sent here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotReady {
    /// A short stable word for monitors.
    pub code: &'static str,
    /// A sentence for people.
    pub reason: String,
}

/// The bound listener of the operator's door.
pub struct Admin {
    listener: TcpListener,
    handlers: Arc<Handlers>,
    alerts: Arc<Alerts>,
    /// Host names accepted besides loopback ones and the address called.
    hosts: Arc<[String]>,
    connections: Arc<Semaphore>,
}

/// Connections at once; a monitor needs one.
const MAX_CONNECTIONS: usize = 64;

/// For the whole head, and again for the whole answer.
const DEADLINE: Duration = Duration::from_secs(5);

/// The longest head; Prometheus sends some 300 bytes.
const MAX_HEAD: usize = 8 * 1024;

impl Admin {
    /// Takes over a bound, listening socket. Call it on the runtime that will serve.
    pub fn new(
        listener: std::net::TcpListener,
        handlers: Handlers,
        hosts: impl IntoIterator<Item = String>,
    ) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        Ok(Self {
            listener: TcpListener::from_std(listener)?,
            alerts: Arc::new(Alerts::new(Arc::clone(&handlers.alerts))),
            handlers: Arc::new(handlers),
            hosts: hosts.into_iter().map(|host| host.to_ascii_lowercase()).collect(),
            connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
        })
    }

    /// Returns the address it listens on.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Answers until `stop` becomes true or its sender is gone.
    pub async fn serve(self, mut stop: watch::Receiver<bool>) {
        loop {
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let Ok((stream, _)) = accepted else {
                // Out of file descriptors, most likely: accepting again at once would spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            // Over the cap the connection is closed: a monitor tries again.
            let Ok(permit) = Arc::clone(&self.connections).try_acquire_owned() else { continue };
            let (handlers, hosts) = (Arc::clone(&self.handlers), Arc::clone(&self.hosts));
            let alerts = Arc::clone(&self.alerts);
            tokio::spawn(async move {
                answer_one(stream, &handlers, &alerts, &hosts).await;
                drop(permit);
            });
        }
    }
}

async fn answer_one(mut stream: TcpStream, handlers: &Handlers, alerts: &Alerts, hosts: &[String]) {
    let Ok(begun) = timeout(DEADLINE, read_head(&mut stream)).await else { return };
    let alert = begun.as_ref().ok().and_then(|bytes| alerts.head_of(bytes).map(|head| (head, bytes)));
    let answer = match alert {
        Some((head, bytes)) => alerts.answer(&head, &bytes[head.len()..], &mut stream).await,
        None => match asked(begun, &mut stream, handlers, hosts).await {
            Ok(answer) => answer,
            Err(ReadError::Refused(refusal)) => refusal.answer(),
            Err(ReadError::Gone) => return,
        },
    };
    // The peer's trouble, if it does not read.
    let _ = timeout(DEADLINE, write(&mut stream, &answer.into_bytes())).await;
}

/// Answers what is no alert.
async fn asked(
    begun: Result<Vec<u8>, ReadError>,
    stream: &mut TcpStream,
    handlers: &Handlers,
    hosts: &[String],
) -> Result<Answer, ReadError> {
    let here = stream.local_addr().ok().map(|address| address.ip());
    let rest = timeout(DEADLINE, read_rest(stream, begun?, here, hosts)).await;
    let (head, body) = rest.unwrap_or(Err(ReadError::Gone))?;
    Ok(respond(&head, body, handlers).await)
}

async fn respond(head: &Head, body: Vec<u8>, handlers: &Handlers) -> Answer {
    let answer = match head.path() {
        "/healthz" => Answer::json(200, &serde_json::json!({ "status": "ok" })),
        "/readyz" => readiness(&(handlers.ready)()),
        "/metrics" => Answer::metrics((handlers.metrics)()),
        "/.well-known/jwks.json" => Answer::json(200, &(handlers.jwks)()),
        EXPLAIN => {
            let (status, json) = (handlers.explain)(body).await;
            Answer::json(status, &json)
        }
        _ => Refusal::NotFound.answer(),
    };
    if head.wants_body() { answer } else { answer.without_body() }
}

fn readiness(ready: &Result<(), NotReady>) -> Answer {
    match ready {
        Ok(()) => Answer::json(200, &serde_json::json!({ "status": "ready" })),
        Err(not) => Answer::json(
            503,
            &serde_json::json!({ "status": "unready", "code": not.code, "reason": not.reason }),
        ),
    }
}

enum ReadError {
    Refused(Refusal),
    Gone,
}

/// Reads a request that may be answered, of which the head is there: its body. `here` is the address
/// called.
async fn read_rest(
    stream: &mut (impl AsyncRead + Unpin),
    mut bytes: Vec<u8>,
    here: Option<IpAddr>,
    hosts: &[String],
) -> Result<(Head, Vec<u8>), ReadError> {
    let head = Head::parse(&bytes).map_err(ReadError::Refused)?;
    head.check(here, hosts).map_err(ReadError::Refused)?;
    let body = head.body();
    while bytes.len() < body.end {
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Err(ReadError::Gone),
            Ok(_) => {}
        }
    }
    Ok((head, bytes[body].to_vec()))
}

async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> Result<Vec<u8>, ReadError> {
    let mut bytes = Vec::with_capacity(1024);
    loop {
        let before = bytes.len();
        match stream.read_buf(&mut bytes).await {
            Ok(0) | Err(_) => return Err(ReadError::Gone),
            Ok(_) => {}
        }
        // The end may straddle two reads.
        if bytes[before.saturating_sub(3)..].windows(4).any(|w| w == b"\r\n\r\n") {
            return Ok(bytes);
        }
        if bytes.len() > MAX_HEAD {
            return Err(ReadError::Refused(Refusal::HeadTooLong));
        }
    }
}

async fn write(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), bytes: &[u8]) -> io::Result<()> {
    stream.write_all(bytes).await?;
    stream.shutdown().await?;
    // Closing with unread bytes would reset the connection and may destroy the answer on its way.
    let mut rest = [0; 1024];
    while stream.read(&mut rest).await? > 0 {}
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn handlers() -> Handlers {
        Handlers {
            ready: Box::new(|| Err(NotReady { code: "store_missing", reason: "it is \"gone\"".into() })),
            metrics: Box::new(|| "kgate_up 1\n".into()),
            jwks: Box::new(|| serde_json::json!({"keys": []})),
            explain: Box::new(|body| Box::pin(async move { (200, serde_json::json!(body.len())) })),
            alerts: Arc::new(NoAlerts),
        }
    }

    struct NoAlerts;

    impl AlertTaker for NoAlerts {
        fn takes(&self, _path: &str) -> bool {
            false
        }

        fn take(&self, _alert: AlertRequest) -> AlertAnswer {
            unreachable!("nothing is taken")
        }
    }

    fn status(request: &str) -> (u16, String) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let answer = runtime.block_on(async {
            let mut stream = request.as_bytes();
            let read = async {
                let head = read_head(&mut stream).await?;
                read_rest(&mut stream, head, "10.0.0.5".parse().ok(), &["gw.example".into()]).await
            };
            match read.await {
                Ok((head, body)) => respond(&head, body, &handlers()).await,
                Err(ReadError::Refused(refusal)) => refusal.answer(),
                // As it is on the wire, where the rest never comes.
                Err(ReadError::Gone) => Refusal::Malformed.answer(),
            }
        });
        let text = String::from_utf8(answer.into_bytes()).unwrap();
        (text[9..12].parse().unwrap(), text)
    }

    #[test]
    fn endpoints_answer() {
        let (code, text) = status("GET /healthz HTTP/1.1\r\nHost: localhost:8081\r\n\r\n");
        assert_eq!(code, 200, "{text}");
        assert!(text.ends_with("{\"status\":\"ok\"}\n"), "{text}");
        let (code, text) = status("GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        assert_eq!(code, 503);
        let body: serde_json::Value = serde_json::from_str(text.split("\r\n\r\n").nth(1).unwrap()).unwrap();
        assert_eq!(body["code"], "store_missing");
        assert_eq!(body["reason"], "it is \"gone\"");
        let (code, text) = status("GET /metrics HTTP/1.1\r\nHost: [::1]:9\r\n\r\n");
        assert_eq!(code, 200);
        assert!(text.ends_with("\r\n\r\nkgate_up 1\n"));
        let (code, text) = status(
            "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}",
        );
        assert!(code == 200 && text.ends_with("\r\n\r\n2\n"), "{text}");
        let (code, text) = status("HEAD /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        assert_eq!(code, 200);
        assert!(text.ends_with("\r\n\r\n") && text.contains("Content-Length: 11\r\n"), "{text}");
    }

    #[test]
    fn everything_else_is_refused() {
        for (request, expected) in [
            ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("GET /readyz/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("GET //readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("GET /%72eadyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("GET http://localhost/readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
            ("POST /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            ("get /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            ("GET /readyz HTTP/1.1\r\n\r\n", 400),
            ("GET /readyz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
            ("GET /readyz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 400),
            ("GET /readyz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET /explain HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
            ("POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", 415),
            (
                "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}",
                415,
            ),
            (
                "POST /explain HTTP/1.1\r\nHost: evil.example\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}",
                421,
            ),
            (
                "POST /explain HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 20000\r\n\r\n{}",
                400,
            ),
            ("nonsense\r\n\r\n", 400),
            ("GET /readyz HTTP/1.1\r\nHo st: x\r\n\r\n", 400),
        ] {
            assert_eq!(status(request).0, expected, "{request:?}");
        }
    }

    #[test]
    fn a_rebound_name_is_misdirected() {
        for (host, expected) in [
            ("localhost", 200),
            ("LOCALHOST:80", 200),
            ("127.9.9.9:1", 200),
            ("[::1]", 200),
            ("10.0.0.5", 200),
            ("gw.example", 200),
            ("GW.example:8081", 200),
            ("10.0.0.6", 421),
            ("evil.example", 421),
            ("localhost.evil.example", 421),
            ("127.0.0.1.evil.example", 421),
            ("localhost:x", 421),
            ("", 421),
        ] {
            let request = format!("GET /healthz HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(status(&request).0, expected, "{host}");
        }
        assert_eq!(status("GET /healthz HTTP/1.0\r\n\r\n").0, 200, "a probe of HTTP/1.0 names no host");
    }

    #[test]
    fn slow_and_long_heads_are_cut() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            let admin = Admin::new(listener, handlers(), []).unwrap();
            let address = admin.local_addr().unwrap();
            let (stop, stopped) = watch::channel(false);
            let served = tokio::spawn(admin.serve(stopped));
            let mut long = TcpStream::connect(address).await.unwrap();
            let head = format!("GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: {}", "a".repeat(MAX_HEAD));
            long.write_all(head.as_bytes()).await.unwrap();
            let mut answer = [0; 12];
            long.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 431");
            let mut whole = TcpStream::connect(address).await.unwrap();
            whole.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r").await.unwrap();
            whole.write_all(b"\n").await.unwrap();
            whole.read_exact(&mut answer).await.unwrap();
            assert_eq!(&answer, b"HTTP/1.1 200");
            stop.send(true).unwrap();
            served.await.unwrap();
        });
    }
}
