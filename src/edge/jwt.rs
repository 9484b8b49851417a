//! The signed token by which a backend knows who calls.
//!
//! A signature costs more than all the rest of a request, so a token is kept and sent again for as long as
//! it would say the same: `iat` advances in steps. Kept tokens are found by the very bytes they claim, so
//! that one can never say what is no longer true.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

use http::header::{HeaderName, HeaderValue};

use super::RequestId;
use crate::config::{Config, Jwt, JwtAlgorithm, Upstream};
use crate::key::Timestamp;
use crate::policy::Identity;
use crate::sign::{Algorithm, CodeKey, Keys, Ring, Signer, compact};

/// Makes one upstream's tokens.
#[derive(Debug)]
pub(super) struct Minter {
    pub(super) header: HeaderName,
    /// The beginning of every token's claims.
    preamble: Vec<u8>,
    metadata: Vec<String>,
    by: By,
    keys: Arc<Keys>,
    jti: bool,
    kept: Kept,
}

#[derive(Debug)]
enum By {
    Key(Algorithm),
    Shared(CodeKey),
}

/// There is no key that could sign a token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("there is no {0} signing key")]
pub struct NoSigningKey(pub Algorithm);

/// An upstream wants tokens that no key can sign.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the upstream `{upstream}` wants {algorithm} tokens, and there is no {algorithm} signing key")]
pub struct Unsigned {
    /// Its name.
    pub upstream: String,
    /// The algorithm.
    pub algorithm: Algorithm,
}

/// Returns every upstream whose tokens no key of `ring` can sign.
pub fn unsigned(config: &Config, ring: &Ring) -> Vec<Unsigned> {
    let lacks = |algorithm| ring.signing(algorithm, Timestamp::default()).is_none();
    let wanted = config.upstreams.iter().filter_map(|upstream| {
        let algorithm = algorithm_of(&upstream.jwt.as_ref()?.algorithm)?;
        Some((upstream, algorithm))
    });
    let unsigned = wanted.filter(|(_, algorithm)| lacks(*algorithm));
    unsigned.map(|(upstream, algorithm)| Unsigned { upstream: upstream.name.clone(), algorithm }).collect()
}

/// Returns whose keys are needed, if keys are.
fn algorithm_of(wanted: &JwtAlgorithm) -> Option<Algorithm> {
    match wanted {
        JwtAlgorithm::EdDsa => Some(Algorithm::EdDsa),
        JwtAlgorithm::Es256 => Some(Algorithm::Es256),
        JwtAlgorithm::Hs256(_) => None,
    }
}

impl Minter {
    pub(super) fn new(jwt: &Jwt, upstream: &Upstream, header: HeaderName, keys: &Arc<Keys>) -> Self {
        let mut preamble = b"{\"iss\":".to_vec();
        push_text(&jwt.issuer, &mut preamble);
        preamble.extend_from_slice(b",\"aud\":");
        push_text(&jwt.audience, &mut preamble);
        Self {
            header,
            preamble,
            metadata: upstream.forward_metadata.clone(),
            by: match &jwt.algorithm {
                JwtAlgorithm::EdDsa => By::Key(Algorithm::EdDsa),
                JwtAlgorithm::Es256 => By::Key(Algorithm::Es256),
                JwtAlgorithm::Hs256(secret) => By::Shared(CodeKey::new(secret.expose())),
            },
            keys: Arc::clone(keys),
            jti: jwt.jti,
            kept: Kept::default(),
        }
    }

    /// Returns the token of a request at `now`. `unique` is called where each is to have a name of its own.
    pub(super) fn mint(
        &self,
        identity: &Identity,
        now: Timestamp,
        unique: fn() -> RequestId,
    ) -> Result<HeaderValue, NoSigningKey> {
        let issued = now.as_secs() - now.as_secs().rem_euclid(STEP);
        let mut claims = self.claims(identity, issued);
        if self.jti {
            claims.pop();
            claims.extend_from_slice(b",\"jti\":");
            push_text(unique().as_str(), &mut claims);
            claims.push(b'}');
            return self.sign(&claims, now);
        }
        let moment = (issued, self.keys.generation());
        self.kept.find_or(claims, moment, |claims| self.sign(claims, now))
    }

    /// Returns what a token claims, as JSON, without a `jti`.
    pub(super) fn claims(&self, identity: &Identity, issued: i64) -> Vec<u8> {
        use std::io::Write as _;
        let consumer = identity.consumer().record();
        let mut out = Vec::with_capacity(512);
        out.extend_from_slice(&self.preamble);
        let expires = issued + LIFE;
        let _ = write!(
            out,
            ",\"sub\":\"{}\",\"iat\":{issued},\"exp\":{expires},\"key_id\":\"{}\",\"name\":",
            consumer.id,
            identity.key_id()
        );
        push_text(&consumer.name, &mut out);
        if let Some(id) = &consumer.external_id {
            out.extend_from_slice(b",\"external_id\":");
            push_text(id, &mut out);
        }
        // RFC 8693 §4.2: separated by spaces. A scope has neither commas nor anything to escape.
        out.extend_from_slice(b",\"scope\":\"");
        out.extend(identity.scopes().bytes().map(|b| if b == b',' { b' ' } else { b }));
        out.push(b'"');
        if let Some(plan) = identity.plan() {
            out.extend_from_slice(b",\"plan\":");
            push_text(plan, &mut out);
        }
        if !self.metadata.is_empty() {
            self.push_metadata(identity, &mut out);
        }
        out.push(b'}');
        out
    }

    fn push_metadata(&self, identity: &Identity, out: &mut Vec<u8>) {
        out.extend_from_slice(b",\"metadata\":{");
        let known = self.metadata.iter().filter_map(|key| Some((key, identity.metadata(key)?)));
        for (at, (key, value)) in known.enumerate() {
            if at > 0 {
                out.push(b',');
            }
            push_text(key, out);
            out.push(b':');
            push_text(value, out);
        }
        out.push(b'}');
    }

    fn sign(&self, claims: &[u8], now: Timestamp) -> Result<HeaderValue, NoSigningKey> {
        let token = match &self.by {
            By::Shared(secret) => compact(Signer::Shared(secret), claims),
            By::Key(algorithm) => {
                let ring = self.keys.ring();
                let key = ring.signing(*algorithm, now).ok_or(NoSigningKey(*algorithm))?;
                compact(Signer::Key(key), claims)
            }
        };
        let mut value = HeaderValue::from_maybe_shared(bytes::Bytes::from(token))
            .expect("a token has only letters, digits, dots and dashes");
        value.set_sensitive(true);
        Ok(value)
    }
}

/// Appends a JSON string.
fn push_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("writing to memory does not fail");
}

/// Signed tokens by what they claim. Those of an earlier step or under other keys are dropped at once.
#[derive(Debug)]
struct Kept {
    hasher: RandomState,
    shards: [Mutex<Shard>; SHARDS],
}

#[derive(Debug, Default)]
struct Shard {
    /// The step, and the generation of the keys.
    moment: (i64, u64),
    tokens: HashMap<Vec<u8>, HeaderValue>,
    bytes: usize,
}

impl Default for Kept {
    fn default() -> Self {
        Self { hasher: RandomState::new(), shards: std::array::from_fn(|_| Mutex::default()) }
    }
}

impl Kept {
    fn find_or<E>(
        &self,
        claims: Vec<u8>,
        moment: (i64, u64),
        make: impl FnOnce(&[u8]) -> Result<HeaderValue, E>,
    ) -> Result<HeaderValue, E> {
        let number = self.hasher.hash_one(&claims);
        let shard = &self.shards[usize::try_from(number % SHARDS as u64).unwrap_or(0)];
        let mut held = shard.lock().unwrap_or_else(PoisonError::into_inner);
        if held.moment != moment {
            *held = Shard { moment, ..Shard::default() };
        }
        if let Some(token) = held.tokens.get(&claims) {
            return Ok(token.clone());
        }
        // Signing takes long: others need not wait for it, even if one is signed twice.
        drop(held);
        let token = make(&claims)?;
        let mut held = shard.lock().unwrap_or_else(PoisonError::into_inner);
        let bytes = claims.len() + token.len() + ENTRY;
        if held.moment == moment && held.bytes + bytes <= SHARD_BYTES {
            held.bytes += bytes;
            held.tokens.insert(claims, token.clone());
        }
        Ok(token)
    }
}

/// `iat` is a multiple of this many seconds.
const STEP: i64 = 5;

/// `exp` is this many seconds after `iat`.
const LIFE: i64 = 30;

const SHARDS: usize = 16;

/// What a shard may hold; 8 MiB for an upstream, some 8,000 tokens a step. Beyond it tokens are signed and
/// not kept.
const SHARD_BYTES: usize = 512 * 1024;

/// What the map and the value's own count take beside the bytes.
const ENTRY: usize = 128;
