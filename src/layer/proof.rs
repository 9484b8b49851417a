//! How a service behind the gateway knows that the gateway sent a request, and who calls.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use http::header::{HeaderMap, HeaderName};
use http::request::Parts;
use serde_json::Value;

use super::Caller;
use crate::config::{IdentityHeader, IdentityHeaders, Secret, canonical_name};
use crate::edge::CodeCheck;
use crate::key::Timestamp;
use crate::sign::{CodeKey, JwksError, PublicKeys, shared_claims};
use crate::verify::wall;

/// What proves a request, one of what an `[[upstream]]` can be given.
#[derive(Debug)]
pub(super) enum Proof {
    Secret(Secret, IdentityHeaders),
    Token(OriginTokens, Spoofable),
    Code(CodeCheck, IdentityHeaders),
}

impl Proof {
    /// Says whether the gateway sent the request, and makes it ready for the service inside: with the caller
    /// in its extensions, if one was told of, and without the proof.
    pub(super) fn admit(&self, head: &mut Parts) -> bool {
        let caller = match self {
            Self::Secret(secret, names) => {
                if !one(&head.headers, &SECRET).is_some_and(|sent| secret.is(sent)) {
                    return false;
                }
                head.headers.remove(&SECRET);
                Caller::from_headers(&head.headers, names)
            }
            Self::Code(check, names) => {
                let target = head.uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
                if !check.is_sealed(&head.headers, head.method.as_str(), target.as_bytes(), wall()) {
                    return false;
                }
                Caller::from_headers(&head.headers, names)
            }
            Self::Token(tokens, spoofable) => {
                let claims = one(&head.headers, &tokens.header).and_then(|sent| tokens.claims(sent, wall()));
                let Some(caller) = claims.as_ref().and_then(Caller::from_claims) else { return false };
                head.headers.remove(&tokens.header);
                spoofable.remove(&mut head.headers);
                Some(caller)
            }
        };
        if let Some(caller) = caller {
            head.extensions.insert(caller);
        }
        true
    }
}

/// Returns the one value of a field.
fn one<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h [u8]> {
    let mut sent = headers.get_all(name).iter();
    let value = sent.next()?;
    sent.next().is_none().then_some(value.as_bytes())
}

/// The gateway's public keys as a service holds them. Clones share them, so that one can replace them
/// for all.
#[derive(Clone)]
pub struct OriginKeys(Arc<RwLock<Arc<PublicKeys>>>);

impl OriginKeys {
    /// Takes a JSON Web Key Set: what `/.well-known/jwks.json` of the admin listener answers, and
    /// `kgate signing-key jwks` prints.
    ///
    /// # Errors
    /// [`JwksError`]: no key is in it that kgate signs with.
    pub fn from_jwks(text: &[u8]) -> Result<Self, JwksError> {
        Ok(Self(Arc::new(RwLock::new(Arc::new(PublicKeys::from_jwks(text)?)))))
    }

    /// Replaces the keys. Do it more often than the lead of a rotation, 10 minutes unless asked otherwise.
    ///
    /// # Errors
    /// [`JwksError`]: the keys are left as they were.
    pub fn replace(&self, text: &[u8]) -> Result<(), JwksError> {
        let keys = Arc::new(PublicKeys::from_jwks(text)?);
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = keys;
        Ok(())
    }

    fn keys(&self) -> Arc<PublicKeys> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for OriginKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys().fmt(f)
    }
}

/// Which tokens a service takes: those of an upstream with `jwt`.
#[derive(Clone, Debug)]
pub struct OriginTokens {
    header: HeaderName,
    issuer: String,
    audience: String,
    by: By,
}

#[derive(Clone, Debug)]
enum By {
    Keys(OriginKeys),
    Shared(CodeKey),
}

impl OriginTokens {
    /// Takes tokens signed by the gateway's keys (`EdDSA`, ES256). `audience` is the upstream's name unless its
    /// `jwt` says another.
    pub fn new(keys: OriginKeys, audience: &str) -> Self {
        Self::by(By::Keys(keys), audience)
    }

    /// Takes tokens signed under a secret (HS256): the content of the `secret_file` of the upstream's `jwt`.
    pub fn shared(secret: &Secret, audience: &str) -> Self {
        Self::by(By::Shared(CodeKey::new(secret.expose())), audience)
    }

    fn by(by: By, audience: &str) -> Self {
        let header = HeaderName::from_static("x-kgate-token");
        Self { header, issuer: "kgate".to_owned(), audience: audience.to_owned(), by }
    }

    /// Takes them in another header than `X-Kgate-Token`, as the upstream's `jwt` says.
    #[must_use]
    pub fn in_header(self, header: HeaderName) -> Self {
        Self { header, ..self }
    }

    /// Takes those of another issuer than `kgate`, as the upstream's `jwt` says.
    #[must_use]
    pub fn from_issuer(self, issuer: &str) -> Self {
        Self { issuer: issuer.to_owned(), ..self }
    }

    /// Returns what a token claims, if it is the gateway's, for this service and of now.
    fn claims(&self, token: &[u8], now: Timestamp) -> Option<Value> {
        let token = std::str::from_utf8(token).ok()?;
        let claims = match &self.by {
            By::Keys(keys) => keys.keys().claims(token)?,
            By::Shared(secret) => shared_claims(token, secret)?,
        };
        let now = now.as_secs();
        let is_now = claims["exp"].as_i64()?.saturating_add(LEEWAY) > now
            && claims["iat"].as_i64()? <= now.saturating_add(LEEWAY);
        let is_ours = claims["iss"] == self.issuer.as_str() && claims["aud"] == self.audience.as_str();
        (is_now && is_ours).then_some(claims)
    }
}

/// The identity headers, of which a token proves nothing.
#[derive(Debug)]
pub(super) struct Spoofable {
    names: [String; IdentityHeader::ALL.len()],
    family: String,
}

impl Spoofable {
    pub(super) fn new(names: &IdentityHeaders) -> Self {
        Self {
            names: IdentityHeader::ALL.map(|header| canonical_name(names.name(header))),
            family: canonical_name(names.meta_prefix()),
        }
    }

    fn remove(&self, headers: &mut HeaderMap) {
        let is_ours = |name: &&HeaderName| {
            let name = canonical_name(name.as_str());
            self.names.contains(&name) || name.starts_with(&self.family)
        };
        let claimed: Vec<HeaderName> = headers.keys().filter(is_ours).cloned().collect();
        for name in claimed {
            headers.remove(name);
        }
    }
}

/// How far the clocks of gateway and service may be apart, in seconds.
const LEEWAY: i64 = 5;

const SECRET: HeaderName = HeaderName::from_static("x-kgate-secret");
