//! What a backend is told of the consumer, and what no client may tell it.

use std::sync::Arc;

use http::header::{
    AUTHORIZATION, COOKIE, HeaderMap, HeaderName, HeaderValue, REFERER, SEC_WEBSOCKET_PROTOCOL,
};

use super::RequestId;
use super::code::Coder;
use super::jwt::{Minter, NoSigningKey};
use super::value::{Values, push_number};
use crate::config::{Config, IdentityHeader, IdentityHeaders, canonical_name};
use crate::key::Timestamp;
use crate::policy::{Identity, Passage, Permit, Rules};
use crate::sign::Keys;

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
    fixed: Vec<HeaderName>,
}

/// What one upstream is told beyond the rest.
#[derive(Debug)]
struct Told {
    metadata: Vec<(String, HeaderName)>,
    secret: Option<HeaderValue>,
    token: Option<Minter>,
    code: Option<Coder>,
}

/// What there is to be said of a request as it is sent on, but for its headers.
#[derive(Clone, Copy, Debug)]
pub struct Sent<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its target, byte for byte as it is sent.
    pub target: &'a [u8],
    /// The time.
    pub at: Timestamp,
}

impl Identification {
    /// Compiles the headers, the upstreams' metadata, secrets and tokens, and the routes' key headers.
    pub fn new(config: &Config, keys: &Arc<Keys>) -> Self {
        let names = &config.identity_headers;
        let single = IdentityHeader::ALL.map(|header| header_name(names.name(header)));
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
            token: upstream
                .jwt
                .as_ref()
                .map(|jwt| Minter::new(jwt, upstream, header_name(&jwt.header), keys)),
            code: upstream.hmac_secret.as_ref().map(|secret| {
                let metadata = upstream.forward_metadata.iter().map(|key| header_name(&names.meta_name(key)));
                Coder::new(secret, &upstream.name, single.iter().cloned().chain(metadata).collect())
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
        let strip = StripSet::new(names, &upstreams, &key_headers);
        Self {
            rules: config.rules.clone(),
            names: single,
            secret_name: header_name(IdentityHeaders::SECRET),
            fixed: strip.names.iter().map(|name| header_name(name)).collect(),
            strip,
            upstreams,
            key_headers,
        }
    }

    /// Returns the names of the headers routes take keys from, `Authorization` excepted.
    pub fn key_headers(&self) -> &[HeaderName] {
        &self.key_headers
    }

    /// Returns every name that no client may send, metadata families excepted, in canonical spelling.
    pub fn names(&self) -> &[HeaderName] {
        &self.fixed
    }

    /// Tells the backend who calls: sets the identity headers of a permit, its upstream's token, made at
    /// `now`, and its shared secret. Call it after hop-by-hop headers were removed: a client may name any
    /// header in `Connection`. `unique` makes names that no other request has.
    ///
    /// Text goes through [`super::header_safe`]. A header without a value is not sent.
    ///
    /// # Errors
    /// [`NoSigningKey`]: do not send the request.
    pub fn inject(
        &self,
        head: &mut impl Head,
        permit: &Permit,
        now: Timestamp,
        unique: fn() -> RequestId,
    ) -> Result<(), NoSigningKey> {
        let told = &self.upstreams[permit.upstream()];
        if let Some(identity) = permit.identity() {
            self.inject_identity(head, identity, permit.upstream(), permit.limit().map(|l| l.remaining));
            if let Some(minter) = &told.token {
                head.set(&minter.header, minter.mint(identity, now, unique)?);
            }
        }
        self.inject_secret(head, permit.upstream());
        Ok(())
    }

    /// Sets the code over a request by which its upstream knows that kgate sent it, where it wants one. Call
    /// it last, when every header is what will be sent.
    pub fn seal(&self, headers: &mut HeaderMap, permit: &Permit, sent: &Sent<'_>) {
        if let Some(coder) = &self.upstreams[permit.upstream()].code {
            let (at, code) = coder.code(headers, sent);
            headers.insert(TIMESTAMP, at);
            headers.insert(SIGNATURE, code);
        }
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
        let mut told = Values::with_room(12, 384);
        told.push(self.name(H::ConsumerId), |out| consumer.id.push_to(out));
        told.text(self.name(H::ConsumerName), Some(&consumer.name));
        told.text(self.name(H::ConsumerExternalId), consumer.external_id.as_deref());
        told.text(self.name(H::ConsumerScopes), Some(identity.scopes()));
        told.text(self.name(H::ConsumerPlan), identity.plan());
        told.push(self.name(H::KeyId), |out| identity.key_id().push_to(out));
        if let Some(remaining) = remaining {
            told.push(self.name(H::RateLimitRemaining), |out| push_number(remaining, out));
        }
        for (key, name) in &self.upstreams[upstream].metadata {
            told.text(name, identity.metadata(key));
        }
        told.each(|name, value| head.set(name, value));
    }

    /// Returns what [`Identification::inject`] would set, by name. What is secret or made anew for each
    /// request is only named. `remaining` is of the limit closest to refusing, if it is known.
    pub fn preview(&self, passage: &Passage, remaining: Option<u64>) -> Vec<(String, String)> {
        let mut head = HeaderMap::new();
        if let Some(identity) = &passage.identity {
            self.inject_identity(&mut head, identity, passage.upstream, remaining);
        }
        self.inject_secret(&mut head, passage.upstream);
        let text = |value: &HeaderValue| match value.to_str() {
            Ok(text) if !value.is_sensitive() => text.to_owned(),
            _ => "[redacted]".to_owned(),
        };
        let told = &self.upstreams[passage.upstream];
        let token = told.token.as_ref().filter(|_| passage.identity.is_some());
        let code = told.code.iter().flat_map(|_| [TIMESTAMP, SIGNATURE]);
        let made = token.map(|minter| minter.header.clone()).into_iter().chain(code);
        let made = made.map(|name| (name.as_str().to_owned(), "[made for each request]".to_owned()));
        head.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).chain(made).collect()
    }

    /// Returns what the token of a request would claim, as JSON; `None` if there is no token.
    pub fn claims(&self, passage: &Passage, now: Timestamp) -> Option<Vec<u8>> {
        let minter = self.upstreams[passage.upstream].token.as_ref()?;
        Some(minter.claims(passage.identity.as_ref()?, now.as_secs()))
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
    /// header, every route's key header, `Authorization` if it carries a well-formed token of a declared
    /// type or `key_was_in_authorization`, a `Referer` with such a token, and what any route takes keys from among cookies and protocols.
    /// Keys in queries are taken out by the engine, with the rest of the target.
    ///
    /// Does not allocate unless there is something suspicious to remove.
    pub fn strip(&self, head: &mut impl Head, key_was_in_authorization: bool) {
        let fields = head.fields();
        let carries_key = |value: &HeaderValue| self.rules.carries_token(value.as_bytes());
        let remove_authorization = fields.contains_key(AUTHORIZATION)
            && (key_was_in_authorization || fields.get_all(AUTHORIZATION).iter().any(carries_key));
        // A page that was asked for with its key in the query says so in every request it makes.
        let tells_key =
            |name: &HeaderName| *name == REFERER && fields.get_all(REFERER).iter().any(carries_key);
        let spoofed: Vec<HeaderName> = fields
            .keys()
            .filter(|name| self.strip.contains(name.as_str()) || tells_key(name))
            .cloned()
            .collect();
        if remove_authorization {
            head.remove(&AUTHORIZATION);
        }
        for name in &spoofed {
            head.remove(name);
        }
        if self.rules.has_carriers() {
            let rules = &self.rules;
            take_out(head, &COOKIE, b"; ", |field| rules.cookies_without_keys(field));
            take_out(head, &SEC_WEBSOCKET_PROTOCOL, b", ", |field| rules.protocols_without_keys(field));
        }
    }
}

/// Has keys taken out of a field that holds other things too. What is left of several fields is joined.
fn take_out(
    head: &mut impl Head,
    name: &HeaderName,
    separator: &[u8],
    without_keys: impl Fn(&[u8]) -> Option<Vec<u8>>,
) {
    let values: Vec<&[u8]> = head.fields().get_all(name).iter().map(HeaderValue::as_bytes).collect();
    let rests: Vec<Option<Vec<u8>>> = values.iter().map(|value| without_keys(value)).collect();
    if rests.iter().all(Option::is_none) {
        return;
    }
    let left = values.iter().zip(&rests).map(|(value, rest)| rest.as_deref().unwrap_or(value));
    let left: Vec<&[u8]> = left.filter(|value| !value.is_empty()).collect();
    match HeaderValue::from_bytes(&left.join(separator)) {
        Ok(value) if !left.is_empty() => head.set(name, value),
        _ => head.remove(name),
    }
}

pub(super) const TIMESTAMP: HeaderName = HeaderName::from_static("x-kgate-timestamp");
pub(super) const SIGNATURE: HeaderName = HeaderName::from_static("x-kgate-signature");

fn header_name(text: &str) -> HeaderName {
    HeaderName::from_bytes(text.as_bytes()).expect("`config` checked the name")
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
        let tokens = upstreams.iter().filter_map(|told| Some(told.token.as_ref()?.header.as_str()));
        let metadata = upstreams.iter().flat_map(|told| told.metadata.iter().map(|(_, name)| name.as_str()));
        let renamed_metadata = headers.renamed_meta().iter().flat_map(|(from, to)| [from.as_str(), to]);
        let mut names: Vec<String> = originals
            .chain(renamed)
            .chain(metadata)
            .chain(renamed_metadata)
            .chain([IdentityHeaders::SECRET, IdentityHeaders::TIMESTAMP, IdentityHeaders::SIGNATURE])
            .chain(tokens)
            .chain(key_headers.iter().map(HeaderName::as_str))
            .map(canonical_name)
            .collect();
        names.sort();
        names.dedup();
        let mut families = [IdentityHeaders::META_PREFIX, headers.meta_prefix(), IdentityHeaders::OWN_PREFIX]
            .map(canonical_name)
            .to_vec();
        families.sort();
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
