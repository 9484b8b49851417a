//! The canonical path: what is matched is exactly what is forwarded.

/// Why a request target is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PathFault {
    /// It does not start with `/`: absolute-form, authority-form, `*`, or empty.
    #[error("not in origin form")]
    NotOrigin,
    /// A `#`.
    #[error("a fragment")]
    Fragment,
    /// A control byte or space, raw or percent-encoded.
    #[error("a control byte")]
    Control,
    /// A `%` without two hexadecimal digits after it.
    #[error("a bad percent code")]
    BadPercent,
    /// Bytes that are no UTF-8, raw or percent-encoded.
    #[error("invalid UTF-8")]
    NotUtf8,
    /// `.` or `..` as a segment, however it is spelled.
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
    /// `%25` followed by what would be decoded again into something that matters.
    #[error("a doubly encoded character")]
    DoubleEncoded,
}
