//! Keys among other things: the arguments of a query, cookies, offered protocols. What holds the key is
//! found, and taken out before the rest is passed on, byte for byte and in order.

use std::borrow::Cow;

/// What a protocol in `Sec-WebSocket-Protocol` begins with if the rest is a key.
pub const PROTOCOL: &str = "kgate.key.";

/// Calls `visit` with each value of the argument `name`, percent codes decoded.
pub(super) fn each_argument<'q>(query: &'q [u8], name: &str, mut visit: impl FnMut(Cow<'q, [u8]>)) {
    for piece in query.split(|b| *b == b'&') {
        let (found, value) = parts(piece);
        if is_named(found, name) {
            visit(decoded(value));
        }
    }
}

/// Returns the query without the arguments of these names; `None` if there is none of them.
///
/// A `;` ends an argument here, since some backends read it so: what they would find goes too.
pub(super) fn without_arguments(query: &str, names: &[Box<str>]) -> Option<String> {
    let is_key = |piece: &str| {
        let (found, _) = parts(piece.as_bytes());
        names.iter().any(|name| is_named(found, name))
    };
    if !query.split(['&', ';']).any(is_key) {
        return None;
    }
    let mut rest = String::with_capacity(query.len());
    for piece in query.split_inclusive(['&', ';']) {
        let bare = piece.strip_suffix(['&', ';']).unwrap_or(piece);
        if !is_key(bare) {
            rest.push_str(piece);
        }
    }
    // What was last stood behind a separator that now separates nothing.
    if rest.ends_with(['&', ';']) && !query.ends_with(['&', ';']) {
        rest.pop();
    }
    Some(rest)
}

/// Calls `visit` with each value of the cookie `name` in a `Cookie` field.
pub(super) fn each_cookie<'f>(field: &'f [u8], name: &str, mut visit: impl FnMut(&'f [u8])) {
    for piece in field.split(|b| *b == b';') {
        let (found, value) = parts(piece.trim_ascii());
        if found.trim_ascii() == name.as_bytes() {
            let value = value.trim_ascii();
            // RFC 6265 §4.1.1: a value may stand in quotes.
            visit(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value));
        }
    }
}

/// Returns a `Cookie` field without the cookies of these names; `None` if there is none of them. It may
/// be empty then.
pub(super) fn without_cookies(field: &[u8], names: &[Box<str>]) -> Option<Vec<u8>> {
    let is_key = |piece: &[u8]| {
        let found = parts(piece).0.trim_ascii();
        names.iter().any(|name| found == name.as_bytes())
    };
    without(field, b';', is_key)
}

/// Calls `visit` with each key in a `Sec-WebSocket-Protocol` field.
pub(super) fn each_protocol<'f>(field: &'f [u8], mut visit: impl FnMut(&'f [u8])) {
    for piece in field.split(|b| *b == b',') {
        if let Some(key) = piece.trim_ascii().strip_prefix(PROTOCOL.as_bytes()) {
            visit(key);
        }
    }
}

/// Returns a `Sec-WebSocket-Protocol` field without keys; `None` if there are none. It may be empty then.
pub(super) fn without_protocols(field: &[u8]) -> Option<Vec<u8>> {
    without(field, b',', |piece| piece.trim_ascii().starts_with(PROTOCOL.as_bytes()))
}

fn without(field: &[u8], separator: u8, is_key: impl Fn(&[u8]) -> bool) -> Option<Vec<u8>> {
    let pieces = || field.split(|b| *b == separator);
    if !pieces().any(&is_key) {
        return None;
    }
    let rest: Vec<&[u8]> = pieces().filter(|piece| !is_key(piece)).collect();
    Some(rest.join(&separator).trim_ascii().to_vec())
}

/// Returns the name and the value.
fn parts(piece: &[u8]) -> (&[u8], &[u8]) {
    match piece.iter().position(|b| *b == b'=') {
        Some(at) => (&piece[..at], &piece[at + 1..]),
        None => (piece, b""),
    }
}

/// Compares the name of an argument, whose percent codes are decoded, with a plain one.
fn is_named(found: &[u8], name: &str) -> bool {
    found == name.as_bytes() || (found.contains(&b'%') && *decoded(found) == *name.as_bytes())
}

/// Decodes percent codes; what is none stays. `+` stays too: no key has a space.
fn decoded(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'%') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let code = super::super::path::percent(&text[at..]);
        out.push(code.unwrap_or(byte));
        at += if code.is_some() { 3 } else { 1 };
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Vec<Box<str>> {
        vec!["api_key".into(), "k".into()]
    }

    #[test]
    fn other_arguments_stay_byte_for_byte() {
        for (query, rest) in [
            ("", None),
            ("a=1&b=%2f+%zz&&c", None),
            ("api_key", Some("")),
            ("api_key=x", Some("")),
            ("api_key=x&a=%2f+%zz&&c=", Some("a=%2f+%zz&&c=")),
            ("a=1&api_key=x&b=2", Some("a=1&b=2")),
            ("a=1&api_key=x", Some("a=1")),
            ("a=1&api_key=x&", Some("a=1&")),
            ("a=1&k=x&b=2&api_key=y&c=3", Some("a=1&b=2&c=3")),
            ("a=1&api%5Fkey=x&b", Some("a=1&b")),
            ("a=1&%61%70%69%5f%6b%65%79=%78&b", Some("a=1&b")),
            ("a=1;api_key=x&b=2", Some("a=1;b=2")),
            ("API_KEY=x&api_keys=y&xapi_key=z", None),
            ("a=api_key=x", None),
        ] {
            assert_eq!(without_arguments(query, &names()).as_deref(), rest, "{query}");
        }
    }

    #[test]
    fn arguments_are_found_however_they_are_spelled() {
        let values = |query: &str| {
            let mut found = Vec::new();
            each_argument(query.as_bytes(), "api_key", |v| {
                found.push(String::from_utf8(v.to_vec()).unwrap());
            });
            found
        };
        assert_eq!(values("a=1&b"), [""; 0]);
        assert_eq!(values("api_key=x"), ["x"]);
        assert_eq!(values("a&api%5fkey=%78%zz&api_key"), ["x%zz", ""]);
    }

    #[test]
    fn other_cookies_and_protocols_stay() {
        let names = names();
        let cookies =
            |field: &str| without_cookies(field.as_bytes(), &names).map(|v| String::from_utf8(v).unwrap());
        assert_eq!(cookies("a=1; b=\"2\";c"), None);
        assert_eq!(cookies("k=x").as_deref(), Some(""));
        assert_eq!(cookies("a=1; k=x; b=2").as_deref(), Some("a=1; b=2"));
        assert_eq!(cookies("k=x; b=\"2\";  k = y;c").as_deref(), Some("b=\"2\";c"));
        let protocols =
            |field: &str| without_protocols(field.as_bytes()).map(|v| String::from_utf8(v).unwrap());
        assert_eq!(protocols("chat, superchat"), None);
        assert_eq!(protocols("kgate.key.x").as_deref(), Some(""));
        assert_eq!(protocols("chat, kgate.key.x, v2").as_deref(), Some("chat, v2"));
    }
}
