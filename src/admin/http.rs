//! As much of HTTP/1.1 as three read-only endpoints need: a head in, one answer out, then the
//! connection closes.

use std::fmt::Write as _;
use std::net::IpAddr;

/// More than any monitor sends.
const MAX_HEADERS: usize = 64;

/// A parsed request head.
pub(super) struct Head {
    method: String,
    target: String,
    /// Minor version: HTTP/1.0 or HTTP/1.1.
    minor: u8,
    hosts: Vec<String>,
    has_body: bool,
}

impl Head {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        match request.parse(bytes) {
            Ok(httparse::Status::Complete(_)) => {}
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
            Ok(httparse::Status::Partial) | Err(_) => return Err(Refusal::Malformed),
        }
        let named = |name: &str| {
            let name = name.to_owned();
            request.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(&name))
        };
        Ok(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            minor: request.version.unwrap_or_default(),
            hosts: named("host").map(|h| String::from_utf8_lossy(h.value).into_owned()).collect(),
            has_body: named("transfer-encoding").next().is_some()
                || named("content-length").any(|h| h.value != b"0"),
        })
    }

    /// Checks everything but the path. `here` is the address the peer connected to.
    pub(super) fn check(&self, here: Option<IpAddr>, hosts: &[String]) -> Result<(), Refusal> {
        if self.has_body {
            return Err(Refusal::Malformed);
        }
        match self.hosts.as_slice() {
            // A browser always names a host, so nothing is lost by allowing a plain probe.
            [] if self.minor == 0 => {}
            [host] if is_ours(host, here, hosts) => {}
            [_] => return Err(Refusal::Misdirected),
            _ => return Err(Refusal::Malformed),
        }
        if !matches!(self.method.as_str(), "GET" | "HEAD") {
            return Err(Refusal::Method);
        }
        Ok(())
    }

    /// The path without its query, which no endpoint has a use for.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub(super) fn wants_body(&self) -> bool {
        self.method != "HEAD"
    }
}

/// Whether `host` cannot have been made up by a page that rebinds its name to this machine: a
/// loopback name or address, the address called, or a configured name.
fn is_ours(host: &str, here: Option<IpAddr>, hosts: &[String]) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if !port.contains(']') => {
            if port.is_empty() || !port.bytes().all(|b| b.is_ascii_digit()) {
                return false;
            }
            name
        }
        _ => host,
    };
    let name = name.to_ascii_lowercase();
    let literal = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(&name);
    match literal.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || here == Some(ip) || hosts.iter().any(|h| *h == literal),
        Err(_) => name == "localhost" || hosts.contains(&name),
    }
}

/// Why a request is not answered as asked.
#[derive(Clone, Copy)]
pub(super) enum Refusal {
    Malformed,
    HeadTooLong,
    Misdirected,
    Method,
    NotFound,
}

impl Refusal {
    pub(super) fn answer(self) -> Answer {
        let (status, what) = match self {
            Self::Malformed => (400, "bad request"),
            Self::NotFound => (404, "not found"),
            Self::Method => (405, "method not allowed"),
            Self::Misdirected => (421, "this host name is not served here"),
            Self::HeadTooLong => (431, "request header too large"),
        };
        Answer::json(status, &serde_json::json!({ "error": what }))
    }
}

/// One whole response.
pub(super) struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    with_body: bool,
}

impl Answer {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self { status, content_type: "application/json", body: format!("{body}\n"), with_body: true }
    }

    /// The Prometheus text exposition format.
    pub(super) fn metrics(body: String) -> Self {
        Self { status: 200, content_type: "text/plain; version=0.0.4; charset=utf-8", body, with_body: true }
    }

    pub(super) fn without_body(self) -> Self {
        Self { with_body: false, ..self }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            404 => "Not Found",
            405 => "Method Not Allowed",
            421 => "Misdirected Request",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        if self.status == 405 {
            text.push_str("Allow: GET, HEAD\r\n");
        }
        let _ = write!(
            text,
            "Content-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n",
            self.content_type,
            self.body.len()
        );
        if self.with_body {
            text.push_str(&self.body);
        }
        text.into_bytes()
    }
}
