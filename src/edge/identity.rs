//! What a backend is told of the consumer, and what no client may tell it.

use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};

use super::value::push_header_safe;
use crate::config::{Config, IdentityHeader, IdentityHeaders, canonical_name};
use crate::policy::{Identity, Permit, Rules};

/// A request header on its way to a backend.
pub trait Head {
    /// Returns its fields.
    fn fields(&self) -> &HeaderMap;
    /// Removes every field of that name.
    fn remove(&mut self, name: &HeaderName);
    /// Sets the one field of that name.
    fn set(&mut self, name: &HeaderName, value: HeaderValue);
}

impl Head for HeaderMap {
    fn fields(&self) -> &HeaderMap {
        self
    }

    fn remove(&mut self, name: &HeaderName) {
        HeaderMap::remove(self, name);
    }

    fn set(&mut self, name: &HeaderName, value: HeaderValue) {
        self.insert(name, value);
    }
}

/// The identity headers of a configuration, compiled: what to set, and what to remove, which is derived
/// from it so that the two cannot drift apart.
#[derive(Debug)]
pub struct Identification {
    rules: Arc<Rules>,
    /// By [`IdentityHeader`].
    names: [HeaderName; IdentityHeader::ALL.len()],
    secret_name: HeaderName,
    upstreams: Vec<Told>,
    key_headers: Vec<HeaderName>,
    strip: StripSet,
}

/// What one upstream is told beyond the rest.
#[derive(Debug)]
struct Told {
    metadata: Vec<(String, HeaderName)>,
    secret: Option<HeaderValue>,
}

impl Identification {
    /// Compiles the headers, the upstreams' metadata and secrets, and the routes' key headers.
    pub fn new(config: &Config) -> Self {
        let names = &config.identity_headers;
        let told = config.upstreams.iter().map(|upstream| Told {
            metadata: upstream
                .forward_metadata
                .iter()
                .map(|key| (key.clone(), header_name(&names.meta_name(key))))
                .collect(),
            secret: upstream.shared_secret.as_ref().map(|secret| {
                let value = HeaderValue::from_bytes(secret.expose());
                let mut value = value.expect("`config` checked that the secret can be sent");
                value.set_sensitive(true);
                value
            }),
        });
        let upstreams: Vec<Told> = told.collect();
        let key_headers: Vec<HeaderName> = config
            .rules
            .credential_headers()
            .iter()
            .map(|name| header_name(name))
            .filter(|name| *name != AUTHORIZATION)
            .collect();
        Self {
            rules: config.rules.clone(),
            names: IdentityHeader::ALL.map(|header| header_name(names.name(header))),
            secret_name: header_name(IdentityHeaders::SECRET),
            strip: StripSet::new(names, &upstreams, &key_headers),
            upstreams,
            key_headers,
        }
    }

    /// Returns the names of the headers routes take keys from, `Authorization` excepted.
    pub fn key_headers(&self) -> &[HeaderName] {
        &self.key_headers
    }

    /// Tells the backend who calls: sets the identity headers of a permit and its upstream's shared secret.
    /// Call it last, after hop-by-hop headers were removed: a client may name any header in `Connection`.
    ///
    /// Text goes through [`super::header_safe`]. A header without a value is not sent.
    pub fn inject(&self, head: &mut impl Head, permit: &Permit) {
        if let Some(identity) = permit.identity() {
            self.inject_identity(head, identity, permit.upstream(), permit.limit().map(|l| l.remaining));
        }
        self.inject_secret(head, permit.upstream());
    }

    fn inject_identity(
        &self,
        head: &mut impl Head,
        identity: &Identity,
        upstream: usize,
        remaining: Option<u64>,
    ) {
        use IdentityHeader as H;
        let consumer = identity.consumer().record();
        let mut told = Values::default();
        told.print(self.name(H::ConsumerId), consumer.id);
        told.text(self.name(H::ConsumerName), Some(&consumer.name));
        told.text(self.name(H::ConsumerExternalId), consumer.external_id.as_deref());
        told.text(self.name(H::ConsumerScopes), Some(identity.scopes()));
        told.text(self.name(H::ConsumerPlan), identity.plan());
        told.print(self.name(H::KeyId), identity.key_id());
        if let Some(remaining) = remaining {
            told.print(self.name(H::RateLimitRemaining), remaining);
        }
        for (key, name) in &self.upstreams[upstream].metadata {
            told.text(name, identity.metadata(key));
        }
        told.set(head);
    }

    fn inject_secret(&self, head: &mut impl Head, upstream: usize) {
        if let Some(secret) = &self.upstreams[upstream].secret {
            head.set(&self.secret_name, secret.clone());
        }
    }

    fn name(&self, header: IdentityHeader) -> &HeaderName {
        &self.names[header as usize]
    }

    /// Removes what a client may not tell a backend, on every route: every spelling of every identity
    /// header, every route's key header, and `Authorization` if it carries a well-formed token of a declared
    /// type or `key_was_in_authorization`.
    ///
    /// Does not allocate unless there is something suspicious to remove.
    pub fn strip(&self, head: &mut impl Head, key_was_in_authorization: bool) {
        let fields = head.fields();
        let carries_key = |value: &HeaderValue| self.rules.carries_token(value.as_bytes());
        let remove_authorization = fields.contains_key(AUTHORIZATION)
            && (key_was_in_authorization || fields.get_all(AUTHORIZATION).iter().any(carries_key));
        let spoofed: Vec<HeaderName> =
            fields.keys().filter(|name| self.strip.contains(name.as_str())).cloned().collect();
        if remove_authorization {
            head.remove(&AUTHORIZATION);
        }
        for name in &spoofed {
            head.remove(name);
        }
    }
}

fn header_name(text: &str) -> HeaderName {
    HeaderName::from_bytes(text.as_bytes()).expect("`config` checked the name")
}

/// Header values written into one buffer: one allocation for all of them, not one each.
#[derive(Default)]
struct Values<'n> {
    buffer: Vec<u8>,
    /// Where each value ends.
    ends: Vec<(&'n HeaderName, usize)>,
}

impl<'n> Values<'n> {
    fn text(&mut self, name: &'n HeaderName, text: Option<&str>) {
        let Some(text) = text.filter(|text| !text.is_empty()) else { return };
        self.reserve();
        push_header_safe(text, &mut self.buffer);
        self.ends.push((name, self.buffer.len()));
    }

    /// Appends what prints as plain ASCII: identifiers and numbers.
    fn print(&mut self, name: &'n HeaderName, value: impl std::fmt::Display) {
        use std::io::Write as _;
        self.reserve();
        write!(self.buffer, "{value}").expect("writing to memory does not fail");
        self.ends.push((name, self.buffer.len()));
    }

    fn reserve(&mut self) {
        if self.ends.is_empty() {
            self.ends.reserve(12);
            self.buffer.reserve(384);
        }
    }

    fn set(self, head: &mut impl Head) {
        let all = Bytes::from(self.buffer);
        let mut start = 0;
        for (name, end) in self.ends {
            let value = HeaderValue::from_maybe_shared(all.slice(start..end));
            head.set(name, value.expect("header-safe text fits a header"));
            start = end;
        }
    }
}

/// Canonical names no client may send, and the metadata families.
#[derive(Debug)]
struct StripSet {
    /// Bit n is set if a name of n bytes is in `names`; bit 63 stands for 63 and more.
    lengths: u64,
    names: Vec<String>,
    /// Each ends in `-`.
    families: Vec<String>,
}

impl StripSet {
    fn new(headers: &IdentityHeaders, upstreams: &[Told], key_headers: &[HeaderName]) -> Self {
        let originals = IdentityHeader::ALL.map(IdentityHeader::default_name).into_iter();
        let renamed = IdentityHeader::ALL.into_iter().map(|header| headers.name(header));
        let metadata = upstreams.iter().flat_map(|told| told.metadata.iter().map(|(_, name)| name.as_str()));
        let renamed_metadata = headers.renamed_meta().iter().flat_map(|(from, to)| [from.as_str(), to]);
        let mut names: Vec<String> = originals
            .chain(renamed)
            .chain(metadata)
            .chain(renamed_metadata)
            .chain([IdentityHeaders::SECRET])
            .chain(key_headers.iter().map(HeaderName::as_str))
            .map(canonical_name)
            .collect();
        names.sort();
        names.dedup();
        let mut families =
            vec![canonical_name(IdentityHeaders::META_PREFIX), canonical_name(headers.meta_prefix())];
        families.dedup();
        let lengths = names.iter().fold(0, |bits, name| bits | 1 << name.len().min(63));
        Self { lengths, names, families }
    }

    /// Says whether a name, in lower case as the map holds it, means one of ours in any spelling.
    fn contains(&self, name: &str) -> bool {
        let is_name = self.lengths & (1 << name.len().min(63)) != 0
            && self.names.iter().any(|ours| ours.len() == name.len() && is_spelling(name, ours));
        is_name || self.families.iter().any(|ours| is_in_family(name, ours))
    }
}

fn is_in_family(name: &str, family: &str) -> bool {
    name.len() >= family.len()
        && name.as_bytes()[0].eq_ignore_ascii_case(&family.as_bytes()[0])
        && name.get(..family.len()).is_some_and(|start| is_spelling(start, family))
}

/// Says whether `name` is a spelling of the canonical name `ours` of the same length.
fn is_spelling(name: &str, ours: &str) -> bool {
    // From the end: most names begin with `x-`.
    name.bytes().rev().zip(ours.bytes().rev()).all(|(sent, ours)| {
        sent.to_ascii_lowercase() == ours || (ours == b'-' && !sent.is_ascii_alphanumeric())
    })
}

#[cfg(test)]
mod tests;
