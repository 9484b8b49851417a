//! One line for each request: what was asked, what was decided, how long it took.

use std::borrow::Cow;
use std::cell::RefCell;
use std::fmt::Write as _;
use std::io::Write as _;
use std::net::IpAddr;
use std::time::Duration;

use super::Trace;
use super::value::push_number;
use crate::key::{ConsumerId, Format, KeyId, KeyTypes, TAIL_LEN, Timestamp};

/// Where access lines go. Called once for each request, on its thread: must not block.
pub trait AccessSink: Send + Sync {
    /// Takes one line; it borrows from the request, so what is kept must be rendered or copied.
    fn record(&self, line: &AccessLine<'_>);
}

/// What became of a request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Verdict {
    /// A key was accepted, or the route is public.
    Allow,
    /// The engine refused.
    Deny,
    /// The request was refused or failed for other reasons: caps, backends, an unreadable store.
    Error,
}

impl Verdict {
    /// Returns its name in logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "allow",
            Self::Deny => "deny",
            Self::Error => "error",
        }
    }
}

/// One request, for the operator. Never has a token or a query: pass paths through [`redacted`].
#[derive(Clone, Copy, Debug)]
pub struct AccessLine<'a> {
    /// When the request arrived.
    pub time: Timestamp,
    /// Its id.
    pub request_id: &'a str,
    /// The client's address, where known.
    pub client: Option<IpAddr>,
    /// The method.
    pub method: &'a str,
    /// The path as sent, without query and tokens.
    pub path: &'a str,
    /// The host as sent.
    pub host: &'a str,
    /// The status answered; 0 if the client left before.
    pub status: u16,
    /// The name of the route, if one matched.
    pub route: Option<&'a str>,
    /// The name of the upstream, if one was asked.
    pub upstream: Option<&'a str>,
    /// The key, if one was recognised, even if it was refused.
    pub key: Option<KeyId>,
    /// Who holds it.
    pub consumer: Option<ConsumerId>,
    /// What became of it.
    pub verdict: Verdict,
    /// Why, in the words of the engine or the gateway; clients never see it.
    pub reason: Option<&'a str>,
    /// The limit in shadow mode that would have refused it.
    pub shadow: Option<&'a str>,
    /// Whether it passed without a key on a route that lets such callers in.
    pub is_anonymous: bool,
    /// Bytes of the request's body.
    pub bytes_in: u64,
    /// Bytes of the answer's body.
    pub bytes_out: u64,
    /// From the first byte of the request to the last of the answer.
    pub total: Duration,
    /// Of that, deciding.
    pub verify: Duration,
    /// Of that, the backend, to the first byte of its answer.
    pub upstream_time: Option<Duration>,
    /// The trace it is a part of, if requests are traced.
    pub trace: Option<Trace>,
    /// How many requests like it this line stands for: 1 unless lines are sampled.
    pub one_in: u32,
}

impl AccessLine<'_> {
    /// Appends the line as a JSON object and a line end.
    ///
    /// By hand: this runs once a request, on its thread, and a general serialiser looks at every byte of
    /// every name for something to escape, which cost as much as the decision.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let micros = |d: Duration| u64::try_from(d.as_micros()).unwrap_or(u64::MAX);
        let mut json = Object { out };
        json.shown("{\"time\":", Some(self.time), push_time);
        json.text(",\"request_id\":", Some(self.request_id));
        json.shown(",\"client\":", self.client, push_address);
        json.text(",\"method\":", Some(self.method));
        json.text(",\"host\":", Some(self.host));
        json.text(",\"path\":", Some(self.path));
        json.number(",\"status\":", Some(u64::from(self.status)));
        json.text(",\"verdict\":", Some(self.verdict.as_str()));
        json.text(",\"reason\":", self.reason);
        if self.shadow.is_some() {
            json.text(",\"shadow_limit\":", self.shadow);
        }
        if self.is_anonymous {
            json.out.extend_from_slice(b",\"anonymous\":true");
        }
        json.text(",\"route\":", self.route);
        json.text(",\"upstream\":", self.upstream);
        json.shown(",\"key_id\":", self.key, |id, out| id.push_to(out));
        json.shown(",\"consumer_id\":", self.consumer, |id, out| id.push_to(out));
        json.number(",\"bytes_in\":", Some(self.bytes_in));
        json.number(",\"bytes_out\":", Some(self.bytes_out));
        json.number(",\"total_us\":", Some(micros(self.total)));
        json.number(",\"verify_us\":", Some(micros(self.verify)));
        json.number(",\"upstream_us\":", self.upstream_time.map(micros));
        if let Some(trace) = &self.trace {
            json.text(",\"trace_id\":", Some(&trace.id_text()));
        }
        if self.one_in != 1 {
            json.number(",\"one_in\":", Some(u64::from(self.one_in)));
        }
        out.extend_from_slice(b"}\n");
    }

    /// Appends the line for people, and a line end. Control characters become `?`.
    pub fn write_human(&self, out: &mut Vec<u8>) {
        let mut line = format!(
            "{} {} {} {} {} {:.1}ms {}",
            self.time,
            self.client.map_or_else(|| "-".to_owned(), |a| a.to_string()),
            self.method,
            self.path,
            self.status,
            self.total.as_secs_f64() * 1000.0,
            self.verdict.as_str(),
        );
        let mut field = |name: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _ = write!(line, " {name}={value}");
            }
        };
        field("reason", self.reason);
        field("shadow_limit", self.shadow);
        field("anonymous", self.is_anonymous.then_some("true"));
        field("route", self.route);
        field("upstream", self.upstream);
        field("key", self.key.map(|id| id.to_string()).as_deref());
        field("consumer", self.consumer.map(|id| id.to_string()).as_deref());
        field("id", Some(self.request_id));
        out.extend(line.chars().map(|c| if is_harmless(c) { c } else { '?' }).collect::<String>().bytes());
        out.push(b'\n');
    }
}

/// Control characters move the cursor, text-direction marks reorder the line.
fn is_harmless(c: char) -> bool {
    !(c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'))
}

/// Writes members of a JSON object; `name` comes with its quotes, colon and leading comma.
struct Object<'o> {
    out: &'o mut Vec<u8>,
}

impl Object<'_> {
    fn text(&mut self, name: &str, text: Option<&str>) {
        let Some(text) = text else { return self.null(name) };
        self.out.extend_from_slice(name.as_bytes());
        // What needs no escape (RFC 8259 §7), which is nearly everything, is copied.
        if text.bytes().all(|b| b >= b' ' && b != b'"' && b != b'\\') {
            self.out.push(b'"');
            self.out.extend_from_slice(text.as_bytes());
            self.out.push(b'"');
        } else {
            serde_json::to_writer(&mut *self.out, text).expect("writing to memory does not fail");
        }
    }

    /// For what prints as harmless ASCII; `push` appends it.
    fn shown<T>(&mut self, name: &str, value: Option<T>, push: impl FnOnce(T, &mut Vec<u8>)) {
        let Some(value) = value else { return self.null(name) };
        self.out.extend_from_slice(name.as_bytes());
        self.out.push(b'"');
        push(value, self.out);
        self.out.push(b'"');
    }

    fn number(&mut self, name: &str, number: Option<u64>) {
        let Some(number) = number else { return self.null(name) };
        self.out.extend_from_slice(name.as_bytes());
        push_number(number, self.out);
    }

    fn null(&mut self, name: &str) {
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"null");
    }
}

/// Appends an instant as it prints. All but its fraction is kept for the requests of the same second.
fn push_time(time: Timestamp, out: &mut Vec<u8>) {
    thread_local! {
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != time.as_secs() {
            *second = time.as_secs();
            *text = Timestamp::from_secs(*second).to_string();
        }
        let millis = u64::try_from(time.as_millis().rem_euclid(1000)).expect("less than 1000");
        let Some(whole) = text.strip_suffix('Z').filter(|_| millis > 0) else {
            return out.extend_from_slice(text.as_bytes());
        };
        out.extend_from_slice(whole.as_bytes());
        let point = out.len();
        push_number(1000 + millis, out);
        out[point] = b'.';
        while out.last() == Some(&b'0') {
            out.pop();
        }
        out.push(b'Z');
    });
}

fn push_address(address: IpAddr, out: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            for (i, octet) in address.octets().into_iter().enumerate() {
                if i > 0 {
                    out.push(b'.');
                }
                push_number(u64::from(octet), out);
            }
        }
        IpAddr::V6(address) => write!(out, "{address}").expect("writing to memory does not fail"),
    }
}

/// Returns the path of a request target fit for a log: without query, fragment and user information,
/// at most 1024 bytes, and [`without_tokens`]. Borrows in the common case.
pub fn redacted<'a>(target: &'a [u8], key_types: &KeyTypes) -> Cow<'a, str> {
    const MAX_LEN: usize = 1024;
    let end = target.iter().position(|b| matches!(b, b'?' | b'#')).unwrap_or(target.len());
    let path = String::from_utf8_lossy(&target[..end]);
    let path = if path.starts_with('/') { path } else { without_user(path) };
    let mut path = without_tokens(path, key_types);
    if path.len() > MAX_LEN {
        let mut short = path.into_owned();
        short.truncate(short.floor_char_boundary(MAX_LEN));
        short.push('…');
        path = Cow::Owned(short);
    }
    path
}

/// An absolute-form target may carry `user:password@`.
fn without_user(target: Cow<'_, str>) -> Cow<'_, str> {
    let Some(at) = target.find("://").map(|i| i + 3) else { return target };
    let authority_end = target[at..].find('/').map_or(target.len(), |i| at + i);
    match target[at..authority_end].rfind('@') {
        Some(user) => Cow::Owned(format!("{}{}", &target[..at], &target[at + user + 1..])),
        None => target,
    }
}

/// Returns text of a client's with `[redacted]` for whatever looks like a token of one of `key_types`,
/// since a key pasted into a path or a host must not end in a file. A token that is spelled with percent
/// codes is one too: the text is then shown decoded. Borrows if there is none.
pub fn without_tokens<'a>(text: Cow<'a, str>, key_types: &KeyTypes) -> Cow<'a, str> {
    if text.contains('%') {
        let plain = without_plain_tokens(Cow::Borrowed(&text), key_types);
        let decoded = without_plain_tokens(Cow::Owned(fully_decoded(&plain)), key_types);
        return if decoded.contains(REDACTED) { Cow::Owned(decoded.into_owned()) } else { text };
    }
    without_plain_tokens(text, key_types)
}

fn without_plain_tokens<'a>(mut text: Cow<'a, str>, key_types: &KeyTypes) -> Cow<'a, str> {
    for declared in key_types.as_slice() {
        if declared.format != Format::Kgate || text.len() < declared.prefix.as_str().len() + TAIL_LEN {
            continue;
        }
        let mut from = 0;
        while let Some(found) = text[from..].find(declared.prefix.as_str()) {
            let tail = from + found + declared.prefix.as_str().len();
            let length = text[tail..].bytes().skip(1).take_while(u8::is_ascii_alphanumeric).count();
            if text.as_bytes().get(tail) == Some(&b'_') && length >= TAIL_LEN {
                text.to_mut().replace_range(tail + 1..tail + 1 + length, REDACTED);
            }
            from = tail;
        }
    }
    text
}

/// Decodes the percent codes of what tokens consist of, and of `%`, until there are none: what a server
/// that decodes twice would read counts too. One pass: a decoded `%` begins the next code.
fn fully_decoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        out.push(c);
        while let Some(&[b'%', high, low]) = out.as_bytes().last_chunk() {
            let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok());
            let (Some(high), Some(low)) = (digit(high), digit(low)) else { break };
            let byte = high << 4 | low;
            if !byte.is_ascii_alphanumeric() && !matches!(byte, b'_' | b'%') {
                break;
            }
            out.truncate(out.len() - 3);
            out.push(char::from(byte));
        }
    }
    out
}

const REDACTED: &str = "[redacted]";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{KeyType, Kind, Token};

    fn line() -> AccessLine<'static> {
        AccessLine {
            time: "2026-11-23T21:36:25Z".parse().unwrap(),
            request_id: "abc",
            client: "192.0.2.7".parse().ok(),
            method: "GET",
            path: "/v1/products",
            host: "api.example.com",
            status: 401,
            route: Some("products"),
            upstream: None,
            key: None,
            consumer: None,
            verdict: Verdict::Deny,
            shadow: None,
            is_anonymous: false,
            reason: Some("revoked"),
            bytes_in: 1,
            bytes_out: 2,
            total: Duration::from_micros(1250),
            verify: Duration::from_micros(2),
            upstream_time: None,
            trace: None,
            one_in: 1,
        }
    }

    fn rendered<'a>(line: &AccessLine<'a>, write: fn(&AccessLine<'a>, &mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(line, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_json_or_for_people() {
        assert_eq!(
            rendered(&line(), AccessLine::write_json),
            concat!(
                r#"{"time":"2026-11-23T21:36:25Z","request_id":"abc","client":"192.0.2.7","method":"GET","#,
                r#""host":"api.example.com","path":"/v1/products","status":401,"verdict":"deny","#,
                r#""reason":"revoked","route":"products","upstream":null,"key_id":null,"consumer_id":null,"#,
                r#""bytes_in":1,"bytes_out":2,"total_us":1250,"verify_us":2,"upstream_us":null}"#,
                "\n"
            )
        );
        assert_eq!(
            rendered(&line(), AccessLine::write_human),
            "2026-11-23T21:36:25Z 192.0.2.7 GET /v1/products 401 1.2ms deny reason=revoked route=products id=abc\n"
        );
    }

    #[test]
    fn times_and_addresses_are_written_as_they_print() {
        for millis in (-1..1003).chain([1_800_000_000_123, i64::MIN, i64::MAX, -62_135_596_800_001]) {
            let time = Timestamp::from_millis(millis);
            let mut out = Vec::new();
            push_time(time, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), time.to_string());
        }
        for text in ["192.0.2.7", "0.10.100.255", "2001:db8::7", "::ffff:192.0.2.7"] {
            let mut out = Vec::new();
            push_address(text.parse().unwrap(), &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
    }

    #[test]
    fn no_request_forges_a_line() {
        let evil = "/a\n{\"status\":200}\u{1b}[2J\u{202e}\u{2028}\u{85}";
        let line = AccessLine { path: evil, method: evil, host: evil, ..line() };
        for text in [rendered(&line, AccessLine::write_json), rendered(&line, AccessLine::write_human)] {
            assert_eq!(text.bytes().filter(|b| *b < b' ').count(), 1, "{text:?}");
        }
        let text = rendered(&line, AccessLine::write_human);
        assert!(!text.trim_end_matches('\n').contains(|c| !is_harmless(c)), "{text:?}");
        let json = rendered(&line, AccessLine::write_json);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&json).unwrap()["path"], evil);
    }

    #[test]
    fn neither_query_nor_token_is_logged() {
        let prefix = "acme_live".parse().unwrap();
        let token = Token::mint(&prefix, &mut rand::rng());
        let token = token.expose();
        let types = KeyTypes::new(vec![KeyType {
            name: "live".into(),
            prefix,
            environment: "live".into(),
            kind: Kind::Secret,
            format: Format::Kgate,
            default_expires: None,
        }]);
        for (target, logged) in [
            ("/a/b".to_owned(), "/a/b".to_owned()),
            ("/a?key=1".to_owned(), "/a".to_owned()),
            ("/a#x?y".to_owned(), "/a".to_owned()),
            (format!("/{token}/x/{token}"), "/acme_live_[redacted]/x/acme_live_[redacted]".to_owned()),
            (format!("/x{token}abc"), "/xacme_live_[redacted]".to_owned()),
            (format!("/acme_live/{token}"), "/acme_live/acme_live_[redacted]".to_owned()),
            (format!("/{}", token.replace('_', "%5F")), "/acme_live_[redacted]".to_owned()),
            (format!("/{}/%41%2f", token.replace('_', "%25%35f")), "/acme_live_[redacted]/A%2f".to_owned()),
            (format!("/{token}/%41"), "/acme_live_[redacted]/A".to_owned()),
            ("/%41%5f%25".to_owned(), "/%41%5f%25".to_owned()),
            ("/acme_live_short".to_owned(), "/acme_live_short".to_owned()),
            ("http://u:p@h/a?b".to_owned(), "http://h/a".to_owned()),
            ("http://u:p@h".to_owned(), "http://h".to_owned()),
        ] {
            assert_eq!(redacted(target.as_bytes(), &types), logged);
        }
        assert_eq!(redacted(&[b'/', 0xff], &types), "/\u{fffd}");
        assert!(redacted(&[b'a'; 5000], &types).len() < 1100);
        assert!(matches!(redacted(b"/a?b", &types), Cow::Borrowed("/a")));
    }
}
