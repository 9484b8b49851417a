//! Which web pages a publishable key may be used from.
//!
//! A browser says where a page came from in `Origin` (RFC 6454 §7) or, where it leaves that out, in
//! `Referer`; no page can say otherwise. Any other program can: this keeps a key from other people's
//! pages, not from their servers.

use std::fmt;
use std::str::FromStr;

use super::Fields;

/// Where pages come from: `https://app.example.com`, `https://*.example.com`, `http://localhost:3000`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// `http` or `https`.
    scheme: &'static str,
    /// Without the `*`: then the dot comes first, and every subdomain is meant.
    host: Box<str>,
    /// As written, if it is not the scheme's own.
    port: Option<u16>,
}

/// Why a text is no origin.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum OriginError {
    /// Neither `https://` nor `http://` comes first.
    #[error("an origin begins with `https://` or `http://`")]
    Scheme,
    /// Something follows host and port.
    #[error("an origin ends after host and port, without a path")]
    Rest,
    /// Not a host.
    #[error("the host is no name or address; `*.` may only come first, before two labels or more")]
    Host,
    /// Not a port.
    #[error("the port is no number from 1 to 65535")]
    Port,
}

impl Origin {
    /// Says whether a serialised origin (RFC 6454 §6.2) is this one or, with `*`, below it.
    fn takes(&self, text: &[u8]) -> bool {
        let Some((scheme, host, port)) = split(text) else { return false };
        let is_host = match host.len().checked_sub(self.host.len()) {
            Some(0) => !self.is_family() && host.eq_ignore_ascii_case(self.host.as_bytes()),
            Some(more) => self.is_family() && host[more..].eq_ignore_ascii_case(self.host.as_bytes()),
            None => false,
        };
        is_host && scheme == self.scheme && port == self.port
    }

    fn is_family(&self) -> bool {
        self.host.starts_with('.')
    }
}

/// Says whether a request comes from a page of one of `origins`. One that says so twice, or not at all,
/// does not.
pub(super) fn is_from(origins: &[Origin], fields: &dyn Fields) -> bool {
    let is_listed = |text: &[u8]| origins.iter().any(|origin| origin.takes(text));
    match sole(fields, "origin") {
        Sole::One(text) => is_listed(text),
        Sole::Several => false,
        Sole::None => match sole(fields, "referer") {
            Sole::One(url) => is_listed(origin_of(url)),
            Sole::None | Sole::Several => false,
        },
    }
}

enum Sole<'a> {
    None,
    One(&'a [u8]),
    Several,
}

fn sole<'a>(fields: &'a dyn Fields, name: &str) -> Sole<'a> {
    let mut found = Sole::None;
    fields.each_value(name, &mut |value| {
        found = match found {
            Sole::None => Sole::One(value),
            Sole::One(_) | Sole::Several => Sole::Several,
        };
    });
    found
}

/// Returns a URL up to its path.
fn origin_of(url: &[u8]) -> &[u8] {
    let Some(from) = url.windows(3).position(|w| w == b"://") else { return url };
    let rest = &url[from + 3..];
    let end = rest.iter().position(|b| matches!(b, b'/' | b'?' | b'#' | b'\\')).unwrap_or(rest.len());
    &url[..from + 3 + end]
}

/// Splits into scheme, host, and the port where it is not the scheme's own. `user@host` has no host that
/// would be listed.
fn split(text: &[u8]) -> Option<(&'static str, &[u8], Option<u16>)> {
    let (scheme, own, rest) = match (text.strip_prefix(b"https://"), text.strip_prefix(b"http://")) {
        (Some(rest), _) => ("https", 443, rest),
        (_, Some(rest)) => ("http", 80, rest),
        _ => return None,
    };
    let after_host = match rest.first() {
        Some(b'[') => rest.iter().position(|b| *b == b']')? + 1,
        _ => rest.iter().position(|b| *b == b':').unwrap_or(rest.len()),
    };
    let (host, port) = rest.split_at(after_host);
    let port = match port {
        [] => None,
        [b':', digits @ ..] if digits.iter().all(u8::is_ascii_digit) => {
            Some(std::str::from_utf8(digits).ok()?.parse::<u16>().ok().filter(|port| *port > 0)?)
        }
        _ => return None,
    };
    Some((scheme, host, port.filter(|port| *port != own)))
}

impl FromStr for Origin {
    type Err = OriginError;

    fn from_str(text: &str) -> Result<Self, OriginError> {
        let Some((_, rest)) = text.split_once("://") else { return Err(OriginError::Scheme) };
        if !text.starts_with("https://") && !text.starts_with("http://") {
            return Err(OriginError::Scheme);
        }
        if rest.contains(['/', '?', '#', '\\']) {
            return Err(OriginError::Rest);
        }
        let (scheme, host, port) = split(text.as_bytes()).ok_or(OriginError::Port)?;
        let host = std::str::from_utf8(host).map_err(|_| OriginError::Host)?.to_ascii_lowercase();
        let name = host.strip_prefix("*.").unwrap_or(&host);
        let is_label = |l: &str| {
            !l.is_empty() && l.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
        };
        let is_name = name.len() <= 253 && name.split('.').all(is_label);
        let is_family = name.len() < host.len();
        let is_address = host
            .strip_prefix('[')
            .and_then(|h| h.strip_suffix(']'))
            .is_some_and(|h| h.parse::<std::net::Ipv6Addr>().is_ok());
        if is_address || is_name && (!is_family || name.contains('.')) {
            Ok(Self { scheme, host: host.strip_prefix('*').unwrap_or(&host).into(), port })
        } else {
            Err(OriginError::Host)
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let star = if self.is_family() { "*" } else { "" };
        write!(f, "{}://{star}{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pairs(Vec<(&'static str, &'static str)>);

    impl Fields for Pairs {
        fn each_value<'s>(&'s self, name: &str, visit: &mut dyn FnMut(&'s [u8])) {
            self.0.iter().filter(|(n, _)| *n == name).for_each(|(_, v)| visit(v.as_bytes()));
        }
    }

    fn origins(texts: &[&str]) -> Vec<Origin> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn pages_are_told_by_origin_and_by_referer_where_there_is_none() {
        let origins = origins(&[
            "https://app.example.com",
            "https://*.example.org",
            "http://localhost:3000",
            "http://[::1]",
        ]);
        for (fields, is_listed) in [
            (vec![("origin", "https://app.example.com")], true),
            (vec![("origin", "https://APP.example.com:443")], true),
            (vec![("origin", "http://app.example.com")], false),
            (vec![("origin", "https://app.example.com:8443")], false),
            (vec![("origin", "https://app.example.com.evil.net")], false),
            (vec![("origin", "https://xapp.example.com")], false),
            (vec![("origin", "https://app.example.com/")], false),
            (vec![("origin", "https://app.example.com@evil.net")], false),
            (vec![("origin", "https://a.example.org")], true),
            (vec![("origin", "https://a.b.example.org")], true),
            (vec![("origin", "https://example.org")], false),
            (vec![("origin", "https://.example.org")], false),
            (vec![("origin", "https://evilexample.org")], false),
            (vec![("origin", "http://localhost:3000")], true),
            (vec![("origin", "http://localhost")], false),
            (vec![("origin", "http://[::1]:80")], true),
            (vec![("origin", "null")], false),
            (vec![("origin", "")], false),
            (vec![], false),
            (vec![("referer", "https://app.example.com/a?b#c")], true),
            (vec![("referer", "https://app.example.com")], true),
            (vec![("referer", "https://app.example.com@evil.net/")], false),
            (vec![("referer", "https://evil.net/https://app.example.com/")], false),
            (vec![("referer", "https://evil.net\\.app.example.com")], false),
            (vec![("referer", "//app.example.com/")], false),
            // What `Origin` says counts, whatever `Referer` does.
            (vec![("origin", "null"), ("referer", "https://app.example.com/")], false),
            (vec![("origin", "https://app.example.com"), ("referer", "https://evil.net/")], true),
            (vec![("origin", "https://app.example.com"), ("origin", "https://app.example.com")], false),
            (vec![("referer", "https://app.example.com/"), ("referer", "https://app.example.com/")], false),
        ] {
            assert_eq!(is_from(&origins, &Pairs(fields.clone())), is_listed, "{fields:?}");
        }
    }

    #[test]
    fn only_origins_are_origins() {
        use OriginError::{Host, Port, Rest, Scheme};
        for (text, error) in [
            ("app.example.com", Scheme),
            ("ftp://app.example.com", Scheme),
            ("*", Scheme),
            ("null", Scheme),
            ("https://app.example.com/", Rest),
            ("https://app.example.com/a", Rest),
            ("https://", Host),
            ("https://*", Host),
            ("https://*.com", Host),
            ("https://a.*.com", Host),
            ("https://a b", Host),
            ("https://ä.example", Host),
            ("https://a:0", Port),
            ("https://a:99999", Port),
            ("https://a:x", Port),
        ] {
            assert_eq!(text.parse::<Origin>(), Err(error), "{text}");
        }
        for text in
            ["https://app.example.com", "https://*.example.com", "http://localhost:3000", "http://[::1]:8080"]
        {
            assert_eq!(text.parse::<Origin>().unwrap().to_string(), text);
        }
        assert_eq!("https://A.example:443".parse::<Origin>().unwrap().to_string(), "https://a.example");
    }
}
