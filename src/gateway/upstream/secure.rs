//! TLS and HTTP/2 to servers, in Pingora's terms.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use pingora::protocols::ALPN;
use pingora::protocols::tls::CaType;
use pingora::upstreams::peer::HttpPeer;
use pingora::utils::tls::{CertKey, WrappedX509, parse_x509};

use crate::config::{Address, Protocol, UpstreamTls};

/// What every connection to an upstream's servers is secured by.
pub(super) struct Secured {
    server_name: Option<String>,
    authorities: Option<Arc<CaType>>,
    identity: Option<Arc<CertKey>>,
    /// Stands for all of the above: a connection that was made under other certificates is not used again.
    group: u64,
}

impl Secured {
    pub(super) fn new(spec: &UpstreamTls) -> Self {
        let mut group = DefaultHasher::new();
        spec.server_name.hash(&mut group);
        let authorities = spec.authorities.as_ref().map(|authorities| {
            let certificates = authorities.certificates().inspect(|der| der.hash(&mut group));
            certificates.map(|der| WrappedX509::new(der.to_vec(), parse_x509)).collect::<Arc<CaType>>()
        });
        let identity = spec.identity.as_ref().map(|identity| {
            identity.expose_key().hash(&mut group);
            let chain = identity.certificates().inspect(|der| der.hash(&mut group)).map(<[u8]>::to_vec);
            Arc::new(CertKey::new(chain.collect(), identity.expose_key().to_vec()))
        });
        Self { server_name: spec.server_name.clone(), authorities, identity, group: group.finish() }
    }

    /// Has connections to `peer` secured. It goes by the name it is configured under unless another is given;
    /// without a name Pingora would check nothing, so there is always one.
    pub(super) fn secure(&self, peer: &mut HttpPeer, address: &Address) {
        peer.scheme = pingora::upstreams::peer::Scheme::HTTPS;
        peer.sni = self.server_name.clone().unwrap_or_else(|| match address {
            Address::Tcp(at) => at.ip().to_string(),
            Address::Name(host, _) => host.trim_end_matches('.').to_owned(),
            // The configuration asks for a name. No certificate has this one.
            Address::Unix(_) => "unnamed.invalid".to_owned(),
        });
        peer.options.ca.clone_from(&self.authorities);
        peer.client_cert_key.clone_from(&self.identity);
        peer.group_key = self.group;
    }
}

/// Returns what a server is asked to speak.
pub(super) fn alpn(protocol: Protocol) -> ALPN {
    match protocol {
        Protocol::Http1 => ALPN::H1,
        Protocol::Http2 => ALPN::H2,
        Protocol::Auto => ALPN::H2H1,
    }
}
