//! What holders ask kgate itself for, with their key as the only proof.
//!
//! The key was judged like that of any request, so what is answered to a bad one is what every bad key
//! gets everywhere. What is done then is `serve`'s, which knows the store; this room only waits for it.

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use super::Gateway;
use crate::edge::Own;
use crate::key::{ConsumerId, KeyId, Timestamp};
use crate::policy::{LimitLeft, Permit, SelfService, Tenure};

/// Does what holders ask for.
pub trait Holders: Send + Sync {
    /// Begins with it. Called on a request's thread: only the future may take time, and it must not block.
    fn serve(&self, asked: Asked) -> Pin<Box<dyn Future<Output = Own> + Send>>;
}

/// What a holder asks for.
#[derive(Debug)]
pub struct Asked {
    /// What.
    pub act: SelfService,
    /// The key that was shown, and with which it is to be done.
    pub key: KeyId,
    /// Who holds it.
    pub consumer: ConsumerId,
    /// The name of the plan that applies.
    pub plan: Option<String>,
    /// When the key stops working.
    pub expires_at: Option<Timestamp>,
    /// How its limits stand; only where its usage is asked for.
    pub limits: Vec<LimitLeft>,
    /// Where from.
    pub client: Option<IpAddr>,
    /// When.
    pub at: Timestamp,
}

impl Gateway {
    /// Does what a permit allows its holder. The key was judged under the permit's rules.
    pub(super) async fn serve_holder(&self, permit: &Permit, client: Option<IpAddr>, at: Timestamp) -> Own {
        let (Some(holders), Some(act)) = (self.holders.get(), permit.self_service()) else {
            return Own::Unavailable;
        };
        let (Some(identity), Some(tenure)) = (permit.identity(), permit.tenure(client)) else {
            return Own::Unavailable;
        };
        let limits = match act {
            SelfService::Usage => self.limits_left(&tenure).await,
            SelfService::Rotate | SelfService::Revoke => Some(Vec::new()),
        };
        let Some(limits) = limits else { return Own::Unavailable };
        let asked = Asked {
            act,
            key: identity.key_id(),
            consumer: identity.consumer().record().id,
            plan: identity.plan().map(str::to_owned),
            expires_at: identity.expires_at(),
            limits,
            client,
            at,
        };
        holders.serve(asked).await
    }

    /// Returns how the limits of a key stand, once what is left of its quotas is known.
    async fn limits_left(&self, tenure: &Tenure) -> Option<Vec<LimitLeft>> {
        for is_last in [false, true] {
            let (limits, needs) = {
                let engine = self.verifier.fresh().await.ok()?;
                // A reload came between: its routes are others.
                if !Arc::ptr_eq(engine.rules(), tenure.rules()) {
                    return None;
                }
                engine.limits_left(tenure, self.verifier.now())
            };
            match needs {
                Some(needs) if !is_last => self.verifier.grant(needs).await.ok()?,
                _ => return Some(limits),
            }
        }
        None
    }
}
