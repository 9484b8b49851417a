//! Services behind the gateway: nothing but the gateway may call them.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{HeaderMap, HeaderName};
use http::{Request, Response, StatusCode};
use tower_layer::Layer;
use tower_service::Service;

use super::Caller;
use crate::config::{IdentityHeaders, Secret};

/// Refuses every request that does not carry the upstream's shared secret, and gives the others the
/// [`Caller`] the gateway's headers tell of.
///
/// The secret is what `shared_secret_file` of the `[[upstream]]` holds. It says that the gateway sent
/// the request, so that its identity headers can be believed; it is removed before the service
/// inside sees the request.
#[derive(Clone)]
pub struct OriginLayer {
    shared: Arc<Shared>,
}

struct Shared {
    secret: Secret,
    names: IdentityHeaders,
}

impl OriginLayer {
    /// Takes the secret, and the names of the identity headers: [`IdentityHeaders::default`] unless
    /// the gateway's configuration renames them.
    pub fn new(secret: Secret, names: IdentityHeaders) -> Self {
        Self { shared: Arc::new(Shared { secret, names }) }
    }
}

impl<S> Layer<S> for OriginLayer {
    type Service = OriginService<S>;

    fn layer(&self, inner: S) -> OriginService<S> {
        OriginService { shared: Arc::clone(&self.shared), inner }
    }
}

/// What [`OriginLayer`] makes of a service.
#[derive(Clone)]
pub struct OriginService<S> {
    shared: Arc<Shared>,
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

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        let name = HeaderName::from_static(SECRET);
        if !self.shared.is_from_gateway(request.headers(), &name) {
            let mut refused =
                Response::new(R::from(b"this service is reached through its gateway\n".to_vec()));
            *refused.status_mut() = StatusCode::FORBIDDEN;
            return Box::pin(std::future::ready(Ok(refused)));
        }
        request.headers_mut().remove(&name);
        if let Some(caller) = Caller::from_headers(request.headers(), &self.shared.names) {
            request.extensions_mut().insert(caller);
        }
        Box::pin(self.inner.call(request))
    }
}

impl Shared {
    fn is_from_gateway(&self, headers: &HeaderMap, name: &HeaderName) -> bool {
        let mut sent = headers.get_all(name).iter();
        match (sent.next(), sent.next()) {
            (Some(sent), None) => self.secret.is(sent.as_bytes()),
            _ => false,
        }
    }
}

const SECRET: &str = "x-kgate-secret";
