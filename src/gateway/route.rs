//! How a route forwards, compiled from the configuration, which has seen to it that no edit touches who
//! calls, what carries keys or how a message is framed.

use std::borrow::Cow;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::config::{Forward, HeaderEdits, RewrittenPrefix as Prefix};

/// How a route forwards.
pub(super) struct Route {
    prefix: Option<Prefix>,
    pub(super) host: Option<HeaderValue>,
    pub(super) request: Edits,
    pub(super) response: Edits,
    pub(super) response_timeout: Option<Duration>,
    pub(super) total_timeout: Option<Duration>,
    /// The longest body of a request, in bytes.
    pub(super) body_bytes: u64,
}

impl Route {
    /// `body_bytes` is the cap of routes that have none of their own.
    pub(super) fn new(spec: &Forward, body_bytes: u64) -> Self {
        Self {
            prefix: spec.prefix.clone(),
            host: spec.host.as_ref().and_then(|host| HeaderValue::from_str(host).ok()),
            request: Edits::new(&spec.request_headers),
            response: Edits::new(&spec.response_headers),
            response_timeout: spec.response_timeout,
            total_timeout: spec.total_timeout,
            body_bytes: spec.max_body.unwrap_or(body_bytes),
        }
    }

    /// Returns the target the backend gets for one that matched.
    pub(super) fn target<'t>(&self, matched: &'t [u8]) -> Option<Cow<'t, [u8]>> {
        match &self.prefix {
            None => Some(Cow::Borrowed(matched)),
            Some(prefix) => prefix.replaced_in(matched).map(Cow::Owned),
        }
    }
}

/// Edits of header fields.
pub(super) struct Edits {
    remove: Vec<HeaderName>,
    set: Vec<(HeaderName, HeaderValue)>,
    add: Vec<(HeaderName, HeaderValue)>,
}

impl Edits {
    fn new(spec: &HeaderEdits) -> Self {
        let name = |name: &String| HeaderName::from_bytes(name.as_bytes()).ok();
        let pairs = |list: &[(String, String)]| {
            list.iter().filter_map(|(n, value)| name(n).zip(HeaderValue::from_str(value).ok())).collect()
        };
        Self {
            remove: spec.remove.iter().filter_map(name).collect(),
            set: pairs(&spec.set),
            add: pairs(&spec.add),
        }
    }

    /// Takes away what they take away or replace, of a head that comes before the one they are made on.
    pub(super) fn withhold(&self, headers: &mut HeaderMap) {
        for name in self.remove.iter().chain(self.set.iter().map(|(name, _)| name)) {
            headers.remove(name);
        }
    }

    /// Makes them.
    pub(super) fn apply(&self, headers: &mut HeaderMap) {
        for name in &self.remove {
            headers.remove(name);
        }
        for (name, value) in &self.set {
            headers.insert(name, value.clone());
        }
        for (name, value) in &self.add {
            headers.append(name, value.clone());
        }
    }
}
