//! What is written by people and balancers: keys, configurations, announcements, and what is logged of targets.

use std::path::Path;

use kgate::config::Config;
use kgate::edge::{Announced, redacted};

use super::detect::{TOKEN, TYPES};

/// A token has one spelling: with another byte anywhere it is none. Whatever else is taken for one is of a
/// declared type, and plain.
pub fn token(data: &[u8]) {
    if TYPES.parse(data).is_ok() {
        let text = std::str::from_utf8(data).expect("a token is ASCII");
        let is_plain = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        assert!(is_plain && TYPES.as_slice().iter().any(|t| text.starts_with(t.prefix.as_str())), "{text}");
    }
    let (Some(at), Some(byte)) = (data.first(), data.get(1)) else { return };
    let mut changed = TOKEN.as_bytes().to_vec();
    let at = usize::from(*at) % changed.len();
    let is_same = changed[at] == *byte;
    changed[at] = *byte;
    assert_eq!(TYPES.parse(&changed).is_ok(), is_same, "{}", changed.escape_ascii());
}

/// It is read, or every mistake is said with its place; twice alike.
pub fn config(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let read = |text: &str| Config::parse(Path::new("/nowhere/kgate.toml"), text);
    match (read(&text), read(&text)) {
        (Ok(_), Ok(_)) => {}
        (Err(one), Err(two)) => {
            assert_eq!(one.to_string(), two.to_string());
            assert!(one.to_string().contains("kgate.toml:"), "a mistake has a place: {one}");
        }
        _ => panic!("once it is sound and once it is not"),
    }
}

/// Whoever is announced is announced in one spelling, and a line goes no further than its end.
pub fn proxy(data: &[u8]) {
    if let Some(Announced::Client(client)) = Announced::from_v1(data) {
        let text = std::str::from_utf8(data).expect("it was read as text");
        assert_eq!(text.split(' ').nth(2).and_then(|word| word.parse().ok()), Some(client));
        assert_eq!(text.find("\r\n"), Some(text.len() - 2));
        assert_eq!(text.split(' ').count(), 6);
    }
    let Some((&[version, family], rest)) = data.split_first_chunk::<2>() else { return };
    match Announced::from_v2(version, family, rest) {
        Some(Announced::Client(client)) => {
            assert!(version == 0x21 && rest.len() >= if client.is_ipv4() { 12 } else { 36 });
        }
        Some(Announced::Itself) => assert_eq!(version, 0x20),
        Some(Announced::Unknown) | None => {}
    }
}

/// A key in a target, plain or in percent codes, is in no log.
pub fn log(data: &[u8]) {
    let at = data.first().map_or(0, |first| usize::from(*first) * data.len() / 256);
    let which = data.get(1).copied().unwrap_or(0);
    let spelled: String = TOKEN
        .bytes()
        .map(|b| {
            if which != 0 && b & which & 0x1f != 0 { format!("%{b:02X}") } else { char::from(b).to_string() }
        })
        .collect();
    let target = [b"/", &data[..at], b"/", spelled.as_bytes(), b"/", &data[at..]].concat();
    let shown = redacted(&target, &TYPES);
    assert!(!shown.contains(TOKEN), "{shown}");
    assert!(shown.len() <= 1024 + '…'.len_utf8() && !shown.contains('?'), "{shown}");
}
