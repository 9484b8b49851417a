//! The places of a request a route can take its key from.

use std::fmt;
use std::str::FromStr;

/// A place a key can be in. Names are as configured; a header's is in lower case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Source {
    /// `Authorization: Bearer` (RFC 6750 §2.1).
    Bearer,
    /// The user name of `Authorization: Basic` (RFC 7617).
    BasicUser,
    /// The password of `Authorization: Basic`.
    BasicPassword,
    /// A field that holds nothing but the key.
    Header(Box<str>),
    /// A cookie.
    Cookie(Box<str>),
    /// An argument of the query.
    Query(Box<str>),
    /// A protocol offered in `Sec-WebSocket-Protocol`, after [`super::PROTOCOL`]: browsers can set no
    /// other field of a WebSocket's request.
    WebSocket,
}

impl Source {
    /// Says whether it is a part of `Authorization`.
    pub fn is_authorization(&self) -> bool {
        matches!(self, Self::Bearer | Self::BasicUser | Self::BasicPassword)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bearer => f.write_str("bearer"),
            Self::BasicUser => f.write_str("basic-user"),
            Self::BasicPassword => f.write_str("basic-password"),
            Self::Header(name) => write!(f, "header:{name}"),
            Self::Cookie(name) => write!(f, "cookie:{name}"),
            Self::Query(name) => write!(f, "query:{name}"),
            Self::WebSocket => f.write_str("websocket"),
        }
    }
}

/// Reads what `Display` writes.
impl FromStr for Source {
    type Err = SourceError;

    fn from_str(text: &str) -> Result<Self, SourceError> {
        let (kind, name) = text.split_once(':').map_or((text, None), |(kind, name)| (kind, Some(name)));
        match (kind, name) {
            ("bearer", None) => Ok(Self::Bearer),
            ("basic-user", None) => Ok(Self::BasicUser),
            ("basic-password", None) => Ok(Self::BasicPassword),
            ("websocket", None) => Ok(Self::WebSocket),
            ("header" | "cookie" | "query", None | Some("")) => Err(SourceError::NoName),
            ("header", Some(name)) => is_key_header(name)
                .then(|| Self::Header(name.to_ascii_lowercase().into()))
                .ok_or(SourceError::Header),
            ("cookie", Some(name)) => {
                name.bytes().all(is_token_byte).then(|| Self::Cookie(name.into())).ok_or(SourceError::Cookie)
            }
            ("query", Some(name)) => {
                let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~".contains(&b);
                name.bytes().all(is_plain).then(|| Self::Query(name.into())).ok_or(SourceError::Query)
            }
            _ => Err(SourceError::Unknown),
        }
    }
}

/// The text names no place a key can be in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SourceError {
    /// No such kind of place.
    #[error("not a place a key can be in")]
    Unknown,
    /// A kind of place that needs a name.
    #[error("no place without a name after the colon")]
    NoName,
    /// Not the name of a header, or of one with another meaning.
    #[error("not a header that can carry a key")]
    Header,
    /// RFC 6265 §4.1.1.
    #[error("not the name of a cookie")]
    Cookie,
    /// A name that would need percent codes.
    #[error("not the name of an argument: letters, digits, and - . _ ~")]
    Query,
}

/// RFC 9110 §5.6.2, without the fields that frame a message or mean something of their own.
pub(in crate::policy) fn is_key_header(name: &str) -> bool {
    const TAKEN: [&str; 13] = [
        "authorization",
        "connection",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "proxy-authorization",
        "sec-websocket-protocol",
        "te",
        "transfer-encoding",
        "upgrade",
    ];
    !name.is_empty()
        && name.bytes().all(is_token_byte)
        && !TAKEN.iter().any(|taken| name.eq_ignore_ascii_case(taken))
}

fn is_token_byte(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_reads_what_it_prints_and_nothing_else() {
        for text in [
            "bearer",
            "basic-user",
            "basic-password",
            "header:x-api-key",
            "cookie:sid",
            "query:key",
            "websocket",
        ] {
            assert_eq!(text.parse::<Source>().map(|s| s.to_string()).as_deref(), Ok(text));
        }
        assert_eq!("header:X-Key".parse(), Ok(Source::Header("x-key".into())));
        for (text, error) in [
            ("", SourceError::Unknown),
            ("Bearer", SourceError::Unknown),
            ("bearer:x", SourceError::Unknown),
            ("basic", SourceError::Unknown),
            ("header", SourceError::NoName),
            ("cookie:", SourceError::NoName),
            ("header:Host", SourceError::Header),
            ("header:Sec-WebSocket-Protocol", SourceError::Header),
            ("header:a b", SourceError::Header),
            ("cookie:a;b", SourceError::Cookie),
            ("query:a&b", SourceError::Query),
            ("query:a%5fb", SourceError::Query),
        ] {
            assert_eq!(text.parse::<Source>(), Err(error), "{text}");
        }
    }
}
