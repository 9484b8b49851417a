//! Services behind the gateway: nothing but the gateway may call them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::proof::{OriginTokens, Proof, Spoofable};
use crate::config::{IdentityHeaders, Secret};
use crate::edge::CodeCheck;

/// Refuses every request the gateway did not send, and gives the others the [`Caller`](super::Caller) it tells of.
///
/// There are three ways to know, each a setting of the `[[upstream]]`; `docs/verify-backend.md` compares
/// them. What proves a request is removed before the service inside sees it.
#[derive(Clone)]
pub struct OriginLayer {
    proof: Arc<Proof>,
}

impl OriginLayer {
    /// Believes requests with the upstream's shared secret, the content of its `shared_secret_file`. The
    /// identity headers are called [`IdentityHeaders::default`] unless the gateway's configuration renames
    /// them.
    pub fn new(secret: Secret, names: IdentityHeaders) -> Self {
        Self::by(Proof::Secret(secret, names))
    }

    /// Believes requests with a token of the upstream's `jwt`, and what it claims. Identity headers, of which it
    /// proves nothing, are removed. There is no token on public routes: their requests are refused.
    pub fn by_token(tokens: OriginTokens, names: &IdentityHeaders) -> Self {
        Self::by(Proof::Token(tokens, Spoofable::new(names)))
    }

    /// Believes requests with a code under the content of `hmac_secret_file`. `upstream` is the upstream's
    /// name and `metadata` its `forward_metadata`: the code covers both, in this order.
    pub fn by_code(secret: &Secret, upstream: &str, names: IdentityHeaders, metadata: &[String]) -> Self {
        Self::by(Proof::Code(CodeCheck::new(secret, upstream, &names, metadata), names))
    }

    fn by(proof: Proof) -> Self {
        Self { proof: Arc::new(proof) }
    }
}

impl<S> Layer<S> for OriginLayer {
    type Service = OriginService<S>;

    fn layer(&self, inner: S) -> OriginService<S> {
        OriginService { proof: Arc::clone(&self.proof), inner }
    }
}

/// What [`OriginLayer`] makes of a service.
#[derive(Clone)]
pub struct OriginService<S> {
    proof: Arc<Proof>,
    inner: S,
}

impl<S, B, R> Service<Request<B>> for OriginService<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    R: From<Vec<u8>> + Send + 'static,
    S::Error: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (mut head, body) = request.into_parts();
        if !self.proof.admit(&mut head) {
            let mut refused =
                Response::new(R::from(b"this service is reached through its gateway\n".to_vec()));
            *refused.status_mut() = StatusCode::FORBIDDEN;
            return Box::pin(std::future::ready(Ok(refused)));
        }
        Box::pin(self.inner.call(Request::from_parts(head, body)))
    }
}
