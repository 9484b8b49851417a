//! As much of HTTP/1.1 as a few endpoints need: a head and perhaps a small body in, one answer out, then
//! the connection closes.

use std::fmt::Write as _;
use std::net::IpAddr;

/// The one endpoint for operators that takes a body.
pub(super) const EXPLAIN: &str = "/explain";

/// The longest body, in bytes: a path, a host and a key's identifier are far less.
const MAX_BODY: usize = 16 * 1024;

/// More than any monitor sends.
const MAX_HEADERS: usize = 64;

/// A parsed request head.
pub(super) struct Head {
    method: String,
    target: String,
    /// Minor version: HTTP/1.0 or HTTP/1.1.
    minor: u8,
    hosts: Vec<String>,
    /// How long the head is, in bytes.
    len: usize,
    /// How long the body is; `None` if that cannot be told, or is too long.
    body: Option<usize>,
    is_json: bool,
    headers: Vec<(String, Vec<u8>)>,
}

impl Head {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, Refusal> {
        let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
        let mut request = httparse::Request::new(&mut headers);
        let len = match request.parse(bytes) {
            Ok(httparse::Status::Complete(len)) => len,
            Err(httparse::Error::TooManyHeaders) => return Err(Refusal::HeadTooLong),
            Ok(httparse::Status::Partial) | Err(_) => return Err(Refusal::Malformed),
        };
        let named = |name: &str| {
            let name = name.to_owned();
            request.headers.iter().filter(move |h| h.name.eq_ignore_ascii_case(&name))
        };
        let lengths: Vec<_> = named("content-length").collect();
        let types: Vec<_> = named("content-type").collect();
        Ok(Self {
            method: request.method.unwrap_or_default().to_owned(),
            target: request.path.unwrap_or_default().to_owned(),
            minor: request.version.unwrap_or_default(),
            hosts: named("host").map(|h| String::from_utf8_lossy(h.value).into_owned()).collect(),
            len,
            body: match (named("transfer-encoding").next(), lengths.as_slice()) {
                (None, []) => Some(0),
                (None, [length]) => std::str::from_utf8(length.value).ok().and_then(small_number),
                _ => None,
            },
            is_json: matches!(types.as_slice(), [only] if is_json(only.value)),
            headers: request.headers.iter().map(|h| (h.name.to_owned(), h.value.to_vec())).collect(),
        })
    }

    /// Checks everything but the path. `here` is the address the peer connected to.
    pub(super) fn check(&self, here: Option<IpAddr>, hosts: &[String]) -> Result<(), Refusal> {
        if self.body.is_none() {
            return Err(Refusal::Malformed);
        }
        match self.hosts.as_slice() {
            // A browser always names a host, so nothing is lost by allowing a plain probe.
            [] if self.minor == 0 => {}
            [host] if is_ours(host, here, hosts) => {}
            [_] => return Err(Refusal::Misdirected),
            _ => return Err(Refusal::Malformed),
        }
        match (self.method.as_str(), self.path()) {
            // A page in a browser can send anything here but this type, for which it would have to ask first.
            ("POST", EXPLAIN) if !self.is_json => Err(Refusal::NotJson),
            ("POST", EXPLAIN) => Ok(()),
            (_, EXPLAIN) => Err(Refusal::Method("POST")),
            ("GET" | "HEAD", _) if self.body == Some(0) => Ok(()),
            ("GET" | "HEAD", _) => Err(Refusal::Malformed),
            _ => Err(Refusal::Method("GET, HEAD")),
        }
    }

    /// Returns where the body begins and where it ends.
    pub(super) fn body(&self) -> std::ops::Range<usize> {
        self.len..self.len + self.body.unwrap_or(0)
    }

    /// The path without its query, which no endpoint has a use for.
    pub(super) fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// How many bytes of a request's beginning are its head.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn is_post(&self) -> bool {
        self.method == "POST"
    }

    pub(super) fn headers(&self) -> Vec<(String, Vec<u8>)> {
        self.headers.clone()
    }

    pub(super) fn expects_continue(&self) -> bool {
        self.named("expect").any(|value| value.eq_ignore_ascii_case(b"100-continue"))
    }

    /// Returns the declared length of a body that may be long. One without is refused, and so is one
    /// whose length two readers could read differently.
    pub(super) fn declared_length(&self) -> Result<usize, Refusal> {
        if self.named("transfer-encoding").next().is_some() {
            return Err(Refusal::LengthRequired);
        }
        let mut lengths = self.named("content-length");
        let (Some(length), None) = (lengths.next(), lengths.next()) else {
            return Err(Refusal::LengthRequired);
        };
        let text = std::str::from_utf8(length).ok().filter(|t| t.bytes().all(|b| b.is_ascii_digit()));
        let length = text.filter(|t| !t.is_empty()).ok_or(Refusal::Malformed)?;
        // What does not fit a number is too long in any case.
        Ok(length.parse().unwrap_or(usize::MAX))
    }

    fn named<'h>(&'h self, name: &'h str) -> impl Iterator<Item = &'h [u8]> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_slice())
    }

    pub(super) fn wants_body(&self) -> bool {
        self.method != "HEAD"
    }
}

fn small_number(digits: &str) -> Option<usize> {
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    digits.parse().ok().filter(|number| is_number && *number <= MAX_BODY)
}

fn is_json(content_type: &[u8]) -> bool {
    let kind = content_type.split(|b| *b == b';').next().unwrap_or_default();
    kind.trim_ascii().eq_ignore_ascii_case(b"application/json")
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
    /// With what to put into `Allow`.
    Method(&'static str),
    NotJson,
    NotFound,
    LengthRequired,
    BodyTooLong,
    Busy,
}

impl Refusal {
    pub(super) fn answer(self) -> Answer {
        let (status, what) = match self {
            Self::Malformed => (400, "bad request"),
            Self::NotFound => (404, "not found"),
            Self::Method(_) => (405, "method not allowed"),
            Self::LengthRequired => (411, "the length of the body must be declared"),
            Self::BodyTooLong => (413, "the body is too long"),
            Self::Busy => (503, "busy: try again"),
            Self::NotJson => (415, "send a JSON object, with Content-Type: application/json"),
            Self::Misdirected => (421, "this host name is not served here"),
            Self::HeadTooLong => (431, "request header too large"),
        };
        let answer = Answer::json(status, &serde_json::json!({ "error": what }));
        match self {
            Self::Method(allow) => Answer { allow: Some(allow), ..answer },
            _ => answer,
        }
    }
}

/// One whole response.
pub(super) struct Answer {
    status: u16,
    content_type: &'static str,
    body: String,
    with_body: bool,
    allow: Option<&'static str>,
}

impl Answer {
    pub(super) fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            content_type: "application/json",
            body: format!("{body}\n"),
            with_body: true,
            allow: None,
        }
    }

    /// The Prometheus text exposition format.
    pub(super) fn metrics(body: String) -> Self {
        let content_type = "text/plain; version=0.0.4; charset=utf-8";
        Self { status: 200, content_type, body, with_body: true, allow: None }
    }

    pub(super) fn without_body(self) -> Self {
        Self { with_body: false, ..self }
    }

    pub(super) fn into_bytes(self) -> Vec<u8> {
        let reason = match self.status {
            200 => "OK",
            400 => "Bad Request",
            401 => "Unauthorized",
            404 => "Not Found",
            405 => "Method Not Allowed",
            409 => "Conflict",
            411 => "Length Required",
            413 => "Content Too Large",
            415 => "Unsupported Media Type",
            421 => "Misdirected Request",
            431 => "Request Header Fields Too Large",
            _ => "Service Unavailable",
        };
        let mut text = format!("HTTP/1.1 {} {reason}\r\n", self.status);
        if let Some(allow) = self.allow {
            let _ = write!(text, "Allow: {allow}\r\n");
        }
        if self.status == 503 {
            text.push_str("Retry-After: 5\r\n");
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
