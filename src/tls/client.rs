//! What is needed to open connections.

use std::sync::Arc;

use rustls::ClientConfig;

use super::load::{Authorities, Identity};
use super::{TlsError, provider};

/// Returns how to open connections to servers that `authorities` vouch for, under TLS 1.2 or 1.3. The server's
/// name is checked against the one given with each connection. With an identity, a server that asks for a
/// certificate gets it. `alpn` is what is offered, best first: `[b"h2", b"http/1.1"]`.
///
/// # Errors
/// [`TlsError::Setup`]: the parts do not go together.
pub fn client_config(
    authorities: &Authorities,
    identity: Option<&Identity>,
    alpn: &[&[u8]],
) -> Result<Arc<ClientConfig>, TlsError> {
    let setup = |why: rustls::Error| TlsError::Setup(why.to_string());
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(setup)?
        .with_root_certificates(Arc::clone(authorities.roots()));
    let mut config = match identity {
        Some(identity) => {
            let (chain, key) = identity.parts();
            builder.with_client_auth_cert(chain, key).map_err(setup)?
        }
        None => builder.with_no_client_auth(),
    };
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    Ok(Arc::new(config))
}
