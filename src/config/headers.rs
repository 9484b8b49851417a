//! The headers that tell a backend who calls, under the names it wants.

use std::fmt;

/// A header the gateway sets for a backend and never lets a client set.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum IdentityHeader {
    /// `X-Consumer-Id`.
    ConsumerId,
    /// `X-Consumer-Name`.
    ConsumerName,
    /// `X-Consumer-External-Id`.
    ConsumerExternalId,
    /// `X-Consumer-Scopes`, comma-joined.
    ConsumerScopes,
    /// `X-Consumer-Plan`.
    ConsumerPlan,
    /// `X-Key-Id`.
    KeyId,
    /// `X-RateLimit-Remaining`, of the most restrictive limit.
    RateLimitRemaining,
}

impl IdentityHeader {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::ConsumerId,
        Self::ConsumerName,
        Self::ConsumerExternalId,
        Self::ConsumerScopes,
        Self::ConsumerPlan,
        Self::KeyId,
        Self::RateLimitRemaining,
    ];

    /// Returns the name it has unless it is renamed.
    pub const fn default_name(self) -> &'static str {
        match self {
            Self::ConsumerId => "X-Consumer-Id",
            Self::ConsumerName => "X-Consumer-Name",
            Self::ConsumerExternalId => "X-Consumer-External-Id",
            Self::ConsumerScopes => "X-Consumer-Scopes",
            Self::ConsumerPlan => "X-Consumer-Plan",
            Self::KeyId => "X-Key-Id",
            Self::RateLimitRemaining => "X-RateLimit-Remaining",
        }
    }
}

impl fmt::Display for IdentityHeader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.default_name())
    }
}

/// What the identity headers are called. All names are valid header names and canonically distinct.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityHeaders {
    names: [String; 7],
    meta_prefix: String,
    meta: Vec<(String, String)>,
}

impl Default for IdentityHeaders {
    fn default() -> Self {
        Self {
            names: IdentityHeader::ALL.map(|header| header.default_name().to_owned()),
            meta_prefix: Self::META_PREFIX.to_owned(),
            meta: Vec::new(),
        }
    }
}

impl IdentityHeaders {
    /// What a header with metadata starts with unless renamed; the metadata's key follows.
    pub const META_PREFIX: &'static str = "X-Consumer-Meta-";

    /// The header with an upstream's shared secret. It cannot be renamed.
    pub const SECRET: &'static str = "X-Kgate-Secret";

    /// The header with the time a request was signed at, in Unix seconds.
    pub const TIMESTAMP: &'static str = "X-Kgate-Timestamp";

    /// The header with the code over a request.
    pub const SIGNATURE: &'static str = "X-Kgate-Signature";

    /// What all headers by which a backend knows kgate begin with. No client's gets through.
    pub const OWN_PREFIX: &'static str = "X-Kgate-";

    /// Returns the name `header` is sent under.
    pub fn name(&self, header: IdentityHeader) -> &str {
        &self.names[header as usize]
    }

    /// Returns the prefix metadata is sent under.
    pub fn meta_prefix(&self) -> &str {
        &self.meta_prefix
    }

    /// Returns the name the metadata `key` is sent under: every character of the key that may not
    /// be in a header name becomes `-`.
    pub fn meta_name(&self, key: &str) -> String {
        let plain = format!("{}{}", Self::META_PREFIX, header_part(key));
        let canonical = canonical_name(&plain);
        match self.meta.iter().find(|(from, _)| canonical_name(from) == canonical) {
            Some((_, to)) => to.clone(),
            None => format!("{}{}", self.meta_prefix, header_part(key)),
        }
    }

    /// Returns the single metadata headers that were renamed: (plain name, name).
    pub fn renamed_meta(&self) -> &[(String, String)] {
        &self.meta
    }

    /// Returns the canonical forms of all single names in use.
    pub(super) fn all_canonical(&self) -> Vec<String> {
        let single = self.names.iter().chain(self.meta.iter().map(|(_, to)| to));
        single.map(|name| canonical_name(name)).collect()
    }

    /// Renames a header (`X-Consumer-Name`), one metadata header (`X-Consumer-Meta-Tier`) or the family
    /// (`X-Consumer-Meta-*` to `X-Tenant-*`). Returns whether `from` is one of those.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> bool {
        let canonical = canonical_name(from);
        if let Some(header) =
            IdentityHeader::ALL.into_iter().find(|h| canonical_name(h.default_name()) == canonical)
        {
            to.clone_into(&mut self.names[header as usize]);
        } else if from.eq_ignore_ascii_case("X-Consumer-Meta-*") {
            to.trim_end_matches('*').clone_into(&mut self.meta_prefix);
        } else if canonical.len() > Self::META_PREFIX.len()
            && canonical.starts_with(&canonical_name(Self::META_PREFIX))
        {
            self.meta.push((from.to_owned(), to.to_owned()));
        } else {
            return false;
        }
        true
    }
}

/// Returns the form under which two header names count as the same: lower case, every
/// non-alphanumeric a `-`, because backends that follow CGI see `X_Consumer.Id` as `X-Consumer-Id`.
pub fn canonical_name(name: &str) -> String {
    header_part(&name.to_ascii_lowercase())
}

fn header_part(text: &str) -> String {
    text.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect()
}

/// Says whether `name` can be sent and is read the same by every backend: letters, digits and `-`.
pub(super) fn is_header_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Says whether a header has a meaning of its own, so that it can carry neither keys nor identity.
pub(super) fn is_reserved(name: &str) -> bool {
    const RESERVED: &[&str] = &[
        "accept",
        "accept-encoding",
        "authorization",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "date",
        "expect",
        "forwarded",
        "host",
        "keep-alive",
        "origin",
        "proxy-authorization",
        "proxy-connection",
        "range",
        "referer",
        "te",
        "trailer",
        "traceparent",
        "tracestate",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
        "x-forwarded-for",
        "x-forwarded-host",
        "x-forwarded-proto",
        "x-kgate-secret",
        "x-kgate-signature",
        "x-kgate-timestamp",
        "x-request-id",
    ];
    RESERVED.contains(&canonical_name(name).as_str())
}
