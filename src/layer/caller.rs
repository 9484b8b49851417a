//! Who asks, as a handler sees it.

use std::collections::BTreeMap;

use http::HeaderMap;

use crate::config::{IdentityHeader, IdentityHeaders};
use crate::policy::Permit;

/// Who asks. In the extensions of every request a layer let through with a key.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Caller {
    /// The key, `key_…`.
    pub key_id: String,
    /// Who holds it, `cust_…`.
    pub consumer_id: String,
    /// What people call them. From identity headers, text that does not fit a header is percent-encoded.
    pub consumer_name: String,
    /// Their name in your own system.
    pub external_id: Option<String>,
    /// What the key may do.
    pub scopes: Vec<String>,
    /// The plan that applies.
    pub plan: Option<String>,
    /// Metadata: of the key, else of its consumer; behind the gateway what is forwarded of it.
    pub metadata: BTreeMap<String, String>,
}

impl Caller {
    /// Takes it from a permit; `None` on public routes.
    pub(super) fn of(permit: &Permit) -> Option<Self> {
        let identity = permit.identity()?;
        let consumer = identity.consumer().record();
        let mut metadata = consumer.metadata.clone();
        let own: Vec<_> = metadata.keys().cloned().collect();
        for name in own {
            if let Some(value) = identity.metadata(&name) {
                metadata.insert(name, value.to_owned());
            }
        }
        Some(Self {
            key_id: identity.key_id().to_string(),
            consumer_id: consumer.id.to_string(),
            consumer_name: consumer.name.clone(),
            external_id: consumer.external_id.clone(),
            scopes: split(identity.scopes()),
            plan: identity.plan().map(str::to_owned),
            metadata,
        })
    }

    /// Takes it from the claims of a token; `None` if they do not say who calls.
    pub(super) fn from_claims(claims: &serde_json::Value) -> Option<Self> {
        let owned = |name: &str| claims[name].as_str().map(str::to_owned);
        Some(Self {
            key_id: owned("key_id")?,
            consumer_id: owned("sub")?,
            consumer_name: owned("name").unwrap_or_default(),
            external_id: owned("external_id"),
            scopes: claims["scope"].as_str()?.split_whitespace().map(str::to_owned).collect(),
            plan: owned("plan"),
            metadata: texts(&claims["metadata"]),
        })
    }

    /// Takes it from the identity headers of a gateway; `None` if there is no key in them.
    pub(super) fn from_headers(headers: &HeaderMap, names: &IdentityHeaders) -> Option<Self> {
        use IdentityHeader as H;
        let text = |header: H| headers.get(names.name(header)).and_then(|value| value.to_str().ok());
        let owned = |header: H| text(header).map(str::to_owned);
        let prefix = names.meta_prefix().to_ascii_lowercase();
        let metadata = headers.iter().filter_map(|(name, value)| {
            let name = name.as_str().strip_prefix(&prefix)?;
            Some((name.to_owned(), value.to_str().ok()?.to_owned()))
        });
        Some(Self {
            key_id: owned(H::KeyId)?,
            consumer_id: owned(H::ConsumerId)?,
            consumer_name: owned(H::ConsumerName).unwrap_or_default(),
            external_id: owned(H::ConsumerExternalId),
            scopes: split(text(H::ConsumerScopes).unwrap_or_default()),
            plan: owned(H::ConsumerPlan),
            metadata: metadata.collect(),
        })
    }
}

fn texts(claim: &serde_json::Value) -> BTreeMap<String, String> {
    let pairs = claim.as_object().into_iter().flatten();
    pairs.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned()))).collect()
}

fn split(scopes: &str) -> Vec<String> {
    scopes.split(',').filter(|scope| !scope.is_empty()).map(str::to_owned).collect()
}
