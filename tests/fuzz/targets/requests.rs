//! What a request says before anybody is believed: its target, and its fields.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use http::{HeaderMap, HeaderName, HeaderValue};
use kgate::config::{Config, Loaded};
use kgate::edge::Identification;
use kgate::key::Timestamp;
use kgate::policy::{Attributes, Decision, Engine, Index, Limiter, Now};
use kgate::sign::{Keys, Ring};

use super::detect::TOKEN;

const CONFIG: &str = r#"
data_dir = "data"
[server]
default_plan = "free"
[[key_type]]
name = "live"
prefix = "acme_live"
[plans.free]
limits = [{ name = "burst", rate = "100/s" }]
[[upstream]]
name = "backend"
servers = ["127.0.0.1:9"]
forward_metadata = ["tier"]
[[route]]
name = "keyed"
path = "/keyed/**"
credentials = ["bearer", "header:X-Api-Key", "cookie:key", "query:key", "basic-user", "websocket"]
upstream = "backend"
[[route]]
name = "public"
path = "/**"
public = true
upstream = "backend"
"#;

static LOADED: LazyLock<Loaded> =
    LazyLock::new(|| Config::parse(Path::new("/nowhere/kgate.toml"), CONFIG).expect("it is sound"));

/// Rules without a single key.
static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(Arc::clone(&LOADED.config.rules), Index::empty(Arc::new(Limiter::new()))));

static IDENTIFICATION: LazyLock<Identification> =
    LazyLock::new(|| Identification::new(&LOADED.config, &Arc::new(Keys::new(Ring::default()))));

fn decide(target: &[u8], fields: &HeaderMap) -> Decision {
    let request = Attributes { method: "GET", host: "a", target, client: None, certificate: &[], fields };
    ENGINE.decide(&request, Now { wall: Timestamp::from_secs(1_800_000_000), mono: 1 })
}

/// What is forwarded is what was judged, and no decoding leads out of it.
pub fn path(data: &[u8]) {
    let target = [b"/", data].concat();
    let Decision::Allow(permit) = decide(&target, &HeaderMap::new()) else { return };
    let forwarded = permit.target().map_or(&target[..], str::as_bytes);
    let Decision::Allow(again) = decide(forwarded, &HeaderMap::new()) else {
        panic!("what is forwarded is refused: {}", forwarded.escape_ascii());
    };
    assert!(again.target().is_none(), "forwarded otherwise: {}", forwarded.escape_ascii());
    assert_eq!(again.route(), permit.route());
    assert_eq!(permit.route().1, "public", "nobody has a key");
    let end = forwarded.iter().position(|b| *b == b'?').unwrap_or(forwarded.len());
    assert!(forwarded[end..].iter().all(|b| *b > b' ' && *b != 0x7f && *b != b'#'), "a query of one line");
    let mut path = forwarded[..end].to_vec();
    assert!(path.iter().all(u8::is_ascii_graphic), "a path of one line: {}", path.escape_ascii());
    for _ in 0..3 {
        let shown = path.escape_ascii().to_string();
        assert!(!path.starts_with(b"/keyed/"), "a backend that decodes sees another route: {shown}");
        assert!(path.split(|b| *b == b'/').all(|part| part != b"." && part != b".."), "{shown}");
        let inner = path[1..].strip_suffix(b"/").unwrap_or(&path[1..]);
        assert!(inner.is_empty() || inner.split(|b| *b == b'/').all(|part| !part.is_empty()), "{shown}");
        assert!(!path.iter().any(|b| matches!(b, b'\\' | b';') || b.is_ascii_control()), "{shown}");
        path = decoded(&path);
    }
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = path;
    while let Some((&first, more)) = rest.split_first() {
        let code = more.get(..2).filter(|_| first == b'%').and_then(|two| std::str::from_utf8(two).ok());
        let byte = code.filter(|two| two.bytes().all(|b| b.is_ascii_hexdigit()));
        if let Some(byte) = byte.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            out.push(byte);
            rest = &more[2..];
        } else {
            out.push(first);
            rest = more;
        }
    }
    out
}

/// No fields let anybody in where there is no key, and what a client may not say is gone before a backend sees
/// it, the key first of all, whatever stands beside it.
pub fn head(data: &[u8]) {
    let mut fields = HeaderMap::new();
    for line in data.split(|b| *b == b'\n').take(64) {
        let Some(colon) = line.iter().position(|b| *b == b':') else { continue };
        let name = HeaderName::from_bytes(line[..colon].trim_ascii());
        let value = HeaderValue::from_bytes(line[colon + 1..].trim_ascii());
        if let (Ok(name), Ok(value)) = (name, value) {
            fields.append(name, value);
        }
    }
    // Where a key is put, and what stands around it there.
    let (source, before, after) = match data.first().map_or(0, |first| first % 5) {
        0 => ("authorization", "Bearer ", ""),
        1 => ("x-api-key", "", ""),
        2 => ("cookie", "key=", "; c=d"),
        3 => ("referer", "https://a.example/?key=", ""),
        _ => ("sec-websocket-protocol", "kgate.key.", ", chat"),
    };
    let planted = format!("{before}{TOKEN}");
    let has =
        |value: &HeaderValue| value.as_bytes().windows(planted.len()).any(|part| part == planted.as_bytes());
    // Then it may also be where no key is looked for: within a cookie of another name.
    let was_there = fields.get_all(source).iter().any(has);
    fields.append(source, HeaderValue::try_from(format!("{planted}{after}")).expect("it is plain"));
    assert!(!matches!(decide(b"/keyed/a", &fields), Decision::Allow(_)), "nobody has a key");
    IDENTIFICATION.strip(&mut fields, false);
    for (name, value) in &fields {
        let canonical: String =
            name.as_str().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        let is_ours = IDENTIFICATION.names().iter().any(|ours| ours.as_str() == canonical)
            || ["x-consumer-meta-", "x-kgate-"].iter().any(|family| canonical.starts_with(family));
        assert!(!is_ours, "{name} is left");
        assert!(*name != source || was_there || !has(value), "a key is left in {name}: {value:?}");
    }
}
