//! The canonical path: what is matched is exactly what is forwarded.
//!
//! Servers disagree on `//`, `;x`, `%2f`, `..` and the like, so a gateway that reads them one way in
//! front of a backend that reads them another can be walked around. They are refused, not repaired.
//! What is left is normalised as RFC 3986 §6.2.2 allows: characters that need no percent code lose
//! it, other codes are upper-cased, and characters that may not stand in a path get one. A trailing
//! slash stays: `/a/` has an empty last segment and is not `/a`.

use std::borrow::Cow;

use super::credential::Carriers;

/// Why a request target is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathFault {
    /// It does not start with `/`: absolute-form, authority-form, `*`, or empty.
    #[error("not in origin form")]
    NotOrigin,
    /// A `#`.
    #[error("a fragment")]
    Fragment,
    /// A control byte or space, or a percent code of a control byte.
    #[error("a control byte")]
    Control,
    /// A `%` without two hexadecimal digits after it.
    #[error("a bad percent code")]
    BadPercent,
    /// Bytes that are no UTF-8, raw or percent-encoded; overlong forms of `/` among them.
    #[error("invalid UTF-8")]
    NotUtf8,
    /// `.` or `..` as a segment, however it is spelled. No route can let it through, since it would
    /// lead out of the route.
    #[error("a dot segment")]
    DotSegment,
    /// A spelling that two servers may read as two paths.
    #[error("{0}")]
    Ambiguous(Ambiguity),
}

/// A spelling that two servers may read as two paths; a route can let it through.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Ambiguity {
    /// `//`.
    #[error("an empty segment")]
    EmptySegment,
    /// `%2F`.
    #[error("an encoded slash")]
    EncodedSlash,
    /// `\` or `%5C`.
    #[error("a backslash")]
    Backslash,
    /// `;` or `%3B`.
    #[error("a path parameter")]
    Parameter,
    /// `%25` followed by two hexadecimal digits: a server that decodes twice reads another path.
    #[error("a doubly encoded character")]
    DoubleEncoded,
    /// A segment that ends in a dot or a space, which some file systems drop.
    #[error("a trailing dot or space")]
    TrailingDot,
}

/// A request target taken apart.
#[derive(Debug)]
pub(super) struct Target<'a> {
    /// The canonical path; borrowed if it was sent like this.
    pub(super) path: Cow<'a, str>,
    /// The query with its `?`, as sent; may be empty.
    pub(super) query: &'a str,
    /// A spelling the route must let through.
    pub(super) ambiguity: Option<Ambiguity>,
}

impl Target<'_> {
    /// Returns what to forward if it is not what was sent: the canonical path, and the query without keys.
    pub(super) fn rewritten(&self, carriers: &Carriers) -> Option<String> {
        match (&self.path, carriers.query_without_keys(self.query)) {
            (Cow::Borrowed(_), None) => None,
            (path, None) => Some(format!("{path}{}", self.query)),
            (path, Some(query)) => Some(format!("{path}{query}")),
        }
    }
}

/// Takes a request target apart and brings its path into canonical form.
pub(super) fn canonical(target: &[u8]) -> Result<Target<'_>, PathFault> {
    if target.first() != Some(&b'/') {
        return Err(PathFault::NotOrigin);
    }
    let text = std::str::from_utf8(target).map_err(|_| PathFault::NotUtf8)?;
    let plain = plain_len(target);
    let (path, query) = match plain {
        Some(length) => text.split_at(length),
        None => text.split_at(text.find('?').unwrap_or(text.len())),
    };
    check_query(query.as_bytes())?;
    if plain.is_some() {
        return Ok(Target { path: Cow::Borrowed(path), query, ambiguity: None });
    }
    let (rewritten, ambiguity) = rewrite(path)?;
    let path = if rewritten == path { Cow::Borrowed(path) } else { Cow::Owned(rewritten) };
    Ok(Target { path, query, ambiguity })
}

/// Returns the length of the path if nothing in it needs a second look. This is the way nearly every
/// request goes: one pass, one table.
fn plain_len(target: &[u8]) -> Option<usize> {
    // It starts with a slash.
    let mut before = CLASSES[usize::from(b'/')];
    let mut bad = 0;
    let mut len = 1;
    for &byte in &target[1..] {
        let class = CLASSES[usize::from(byte)];
        bad |= class & (before >> NOT_BEFORE);
        if class & QUERY != 0 {
            break;
        }
        bad |= class & OTHER;
        before = class;
        len += 1;
    }
    let ends_in_dot = before & DOT != 0;
    (bad == 0 && !ends_in_dot).then_some(len)
}

/// The query is the backend's to read; only what could split a line is refused.
fn check_query(query: &[u8]) -> Result<(), PathFault> {
    if query.iter().fold(0, |bad, byte| bad | CLASSES[usize::from(*byte)]) & NOT_IN_QUERY == 0 {
        return Ok(());
    }
    for &byte in query {
        match byte {
            0..=b' ' | 0x7f => return Err(PathFault::Control),
            b'#' => return Err(PathFault::Fragment),
            _ => {}
        }
    }
    Ok(())
}

/// Spells a path in canonical form and says what is ambiguous in it.
fn rewrite(path: &str) -> Result<(String, Option<Ambiguity>), PathFault> {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(path.len() + 16);
    let mut decoded = Vec::with_capacity(path.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (value, is_encoded) = match byte {
            b'%' => (percent(&bytes[at..]).ok_or(PathFault::BadPercent)?, true),
            _ => (byte, false),
        };
        at += if is_encoded { 3 } else { 1 };
        match value {
            0..0x20 | 0x7f => return Err(PathFault::Control),
            b' ' if !is_encoded => return Err(PathFault::Control),
            b'#' if !is_encoded => return Err(PathFault::Fragment),
            // A `+` is left as it was sent: some servers read it as a space, and `%2B` as a plus.
            b'/' | b';' | b'+' if !is_encoded => out.push(char::from(value)),
            _ if is_decoded_in_paths(value) => out.push(char::from(value)),
            _ => push_percent(&mut out, value),
        }
        decoded.push(value);
    }
    let text = std::str::from_utf8(&decoded).map_err(|_| PathFault::NotUtf8)?;
    // Servers may decode again and again; what they could arrive at in the end counts.
    let deepest = decode_fully(text.as_bytes());
    if deepest.split(|b| matches!(b, b'/' | b'\\')).any(is_dot_segment) {
        return Err(PathFault::DotSegment);
    }
    let ambiguity = ambiguity_of(&out, deepest.len() < decoded.len());
    Ok((out, ambiguity))
}

/// Says whether `segment` is `.` or `..`, also before a parameter or trailing spaces.
fn is_dot_segment(segment: &[u8]) -> bool {
    let name = segment.split(|b| *b == b';').next().unwrap_or_default().trim_ascii_end();
    matches!(name, b"." | b"..")
}

fn ambiguity_of(path: &str, decodes_again: bool) -> Option<Ambiguity> {
    let mut segments = path[1..].split('/').peekable();
    while let Some(segment) = segments.next() {
        if segment.is_empty() && segments.peek().is_some() {
            return Some(Ambiguity::EmptySegment);
        }
        if segment.ends_with('.') || segment.ends_with("%20") {
            return Some(Ambiguity::TrailingDot);
        }
    }
    if decodes_again {
        return Some(Ambiguity::DoubleEncoded);
    }
    [
        ("%2F", Ambiguity::EncodedSlash),
        ("%5C", Ambiguity::Backslash),
        (";", Ambiguity::Parameter),
        ("%3B", Ambiguity::Parameter),
    ]
    .into_iter()
    .find_map(|(spelling, ambiguity)| path.contains(spelling).then_some(ambiguity))
}

fn decode_fully(bytes: &[u8]) -> Vec<u8> {
    let mut current = bytes.to_vec();
    loop {
        let mut next = Vec::with_capacity(current.len());
        let mut at = 0;
        while let Some(&byte) = current.get(at) {
            let value = percent(&current[at..]);
            next.push(value.unwrap_or(byte));
            at += if value.is_some() { 3 } else { 1 };
        }
        if next.len() == current.len() {
            return current;
        }
        current = next;
    }
}

/// Returns the byte a percent code at the start of `bytes` stands for.
pub(super) fn percent(bytes: &[u8]) -> Option<u8> {
    let &[b'%', high, low, ..] = bytes else { return None };
    let digit = |b: u8| char::from(b).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

fn push_percent(out: &mut String, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(HEX[usize::from(byte >> 4)]));
    out.push(char::from(HEX[usize::from(byte & 15)]));
}

/// RFC 3986's `pchar` without `;` and `+`. The reserved ones among them mean nothing in a path, so
/// leaving `%21` beside `!` would give one resource two names.
const fn is_decoded_in_paths(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
        || matches!(
            byte,
            b'-' | b'.'
                | b'_'
                | b'~'
                | b'!'
                | b'$'
                | b'&'
                | b'\''
                | b'('
                | b')'
                | b'*'
                | b','
                | b'='
                | b':'
                | b'@'
        )
}

const DOT: u8 = 1;
const SLASH: u8 = 2;
const QUERY: u8 = 4;
const OTHER: u8 = 8;
/// Above this bit of a class are those of the classes below that may not follow it.
const NOT_BEFORE: u32 = 4;
const NOT_IN_QUERY: u8 = 128;

/// What a byte is; no bit if it may stand anywhere.
const CLASSES: [u8; 256] = {
    let mut classes = [OTHER; 256];
    let mut byte: u8 = 0;
    while byte < 128 {
        classes[byte as usize] = match byte {
            b'.' => DOT | ((SLASH | QUERY) << NOT_BEFORE),
            b'/' => SLASH | ((SLASH | DOT) << NOT_BEFORE),
            b'?' => QUERY,
            _ if is_decoded_in_paths(byte) || byte == b'+' => 0,
            0..=b' ' | 0x7f | b'#' => OTHER | NOT_IN_QUERY,
            _ => OTHER,
        };
        byte += 1;
    }
    classes
};

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn outcome(target: &str) -> Result<String, PathFault> {
        let target = canonical(target.as_bytes())?;
        match target.ambiguity {
            Some(ambiguity) => Err(PathFault::Ambiguous(ambiguity)),
            None => Ok(format!("{}{}", target.path, target.query)),
        }
    }

    #[test]
    fn good_targets_are_spelled_one_way() {
        for (sent, forwarded) in [
            ("/", "/"),
            ("/?", "/?"),
            ("/v1/products", "/v1/products"),
            ("/v1/products/", "/v1/products/"),
            ("/v1/%70roducts", "/v1/products"),
            ("/%7euser", "/~user"),
            ("/a%2db%5fc", "/a-b_c"),
            ("/a%c3%a9", "/a%C3%A9"),
            ("/aé", "/a%C3%A9"),
            ("/a%20b", "/a%20b"),
            ("/a%3fb%23c", "/a%3Fb%23c"),
            ("/a%21b%3a%40", "/a!b:@"),
            ("/a+b%2bc", "/a+b%2Bc"),
            ("/a|b{c}", "/a%7Cb%7Bc%7D"),
            ("/a.b/..c/.d/e...f", "/a.b/..c/.d/e...f"),
            ("/100%25", "/100%25"),
            ("/100%25/x", "/100%25/x"),
            ("/.well-known/x", "/.well-known/x"),
            ("/a?b=../..//;\\%2f%zz&c=é", "/a?b=../..//;\\%2f%zz&c=é"),
            ("/%61?%61", "/a?%61"),
        ] {
            assert_eq!(outcome(sent).as_deref(), Ok(forwarded), "{sent}");
        }
    }

    #[test]
    fn sixty_confusing_spellings_are_refused() {
        use Ambiguity::*;
        use PathFault::*;
        for (sent, fault) in [
            ("", NotOrigin),
            ("*", NotOrigin),
            ("admin", NotOrigin),
            ("http://host/admin", NotOrigin),
            ("//host/admin", Ambiguous(EmptySegment)),
            ("host:443", NotOrigin),
            ("?a", NotOrigin),
            ("\\admin", NotOrigin),
            ("%2fadmin", NotOrigin),
            (" /admin", NotOrigin),
            ("/a/../admin", DotSegment),
            ("/a/..", DotSegment),
            ("/..", DotSegment),
            ("/.", DotSegment),
            ("/a/./b", DotSegment),
            ("/a/.", DotSegment),
            ("/./", DotSegment),
            ("/..?x", DotSegment),
            ("/a/%2e%2e/b", DotSegment),
            ("/a/%2E%2E/b", DotSegment),
            ("/a/.%2e/b", DotSegment),
            ("/a/%2e./b", DotSegment),
            ("/a/%2e/b", DotSegment),
            ("/a/%252e%252e/b", DotSegment),
            ("/a/%25%32%65%25%32%65/b", DotSegment),
            ("/a/%25252e%25252e/b", DotSegment),
            ("/a/..%2fb", DotSegment),
            ("/a/..%5cb", DotSegment),
            ("/a/..\\b", DotSegment),
            ("/a%2f..%2fb", DotSegment),
            ("/a%2f%2e%2e%2fb", DotSegment),
            ("/a%252f..%252fb", DotSegment),
            ("/a/..;/b", DotSegment),
            ("/a/..;x=1/b", DotSegment),
            ("/a/.;/b", DotSegment),
            ("/a/..%3b/b", DotSegment),
            ("/a/%2e%2e;x/b", DotSegment),
            ("/a/..%20/b", DotSegment),
            ("/a//b", Ambiguous(EmptySegment)),
            ("//", Ambiguous(EmptySegment)),
            ("/a//", Ambiguous(EmptySegment)),
            ("/a;x/b", Ambiguous(Parameter)),
            ("/a;", Ambiguous(Parameter)),
            ("/a%3bx", Ambiguous(Parameter)),
            ("/a%2fb", Ambiguous(EncodedSlash)),
            ("/a%2Fb", Ambiguous(EncodedSlash)),
            ("/a%5cb", Ambiguous(Backslash)),
            ("/a\\b", Ambiguous(Backslash)),
            ("/file%252etxt", Ambiguous(DoubleEncoded)),
            ("/a%252fb", Ambiguous(DoubleEncoded)),
            ("/admin.", Ambiguous(TrailingDot)),
            ("/admin./x", Ambiguous(TrailingDot)),
            ("/admin%20", Ambiguous(TrailingDot)),
            ("/.../x", Ambiguous(TrailingDot)),
            ("/a%00b", Control),
            ("/a\0b", Control),
            ("/a%0d%0ab", Control),
            ("/a\r\nb", Control),
            ("/a%7fb", Control),
            ("/a b", Control),
            ("/a\tb", Control),
            ("/a?b\nc", Control),
            ("/a?b c", Control),
            ("/a?b\0", Control),
            ("/a%", BadPercent),
            ("/a%2", BadPercent),
            ("/a%zz", BadPercent),
            ("/a%u002e", BadPercent),
            ("/a%+1", BadPercent),
            ("/a%c0%afb", NotUtf8),
            ("/a%e0%80%afb", NotUtf8),
            ("/a%ff", NotUtf8),
            ("/a#b", Fragment),
            ("/a%61#b", Fragment),
            ("/a?b#c", Fragment),
        ] {
            assert_eq!(outcome(sent), Err(fault), "{sent:?}");
        }
        assert_eq!(canonical(b"/a\xff").unwrap_err(), NotUtf8);
        assert_eq!(canonical(b"/a?\xff").unwrap_err(), NotUtf8);
    }

    proptest! {
        #[test]
        fn canonical_form_is_idempotent(target in "/([a-c./;%\\\\ é!+?25efEF]|%[0-9a-fA-F]{2}){0,12}") {
            if let Ok(once) = canonical(target.as_bytes()) {
                let text = format!("{}{}", once.path, once.query);
                let twice = canonical(text.as_bytes()).unwrap();
                prop_assert_eq!(&twice.path, &once.path);
                prop_assert!(twice.rewritten(&Carriers::default()).is_none());
                prop_assert_eq!(twice.ambiguity, once.ambiguity);
            }
        }

        #[test]
        fn the_short_way_agrees_with_the_long_one(target in "/[a-c./%2e?+]{0,10}") {
            let path = target.split('?').next().unwrap();
            if plain_len(target.as_bytes()).is_some() {
                prop_assert_eq!(rewrite(path).unwrap(), (path.to_owned(), None));
            }
        }

        #[test]
        fn no_bytes_panic(target: Vec<u8>) {
            let _ = canonical(&target);
            let _ = canonical(&[b"/".as_slice(), &target].concat());
        }
    }
}
