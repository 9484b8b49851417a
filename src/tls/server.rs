//! What is needed to accept connections.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::load::{Authorities, Identity};
use super::{PeerCertificate, TlsError, provider};

/// What a server shows and asks for.
#[derive(Clone, Debug)]
pub struct ServerSpec {
    /// Its certificates. The first is for clients that name no server, or one none is for.
    pub identities: Vec<Identity>,
    /// Whether clients show certificates.
    pub clients: ClientCertificates,
    /// The oldest version spoken.
    pub least: LeastVersion,
    /// Whether HTTP/2 is offered, before HTTP/1.1.
    pub h2: bool,
}

/// Whether clients show certificates.
#[derive(Clone, Debug, Default)]
pub enum ClientCertificates {
    /// They are not asked.
    #[default]
    Ignored,
    /// They are asked, and let in without.
    Optional(Authorities),
    /// Nobody gets in without.
    Required(Authorities),
}

/// The oldest version of TLS that is spoken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LeastVersion {
    /// TLS 1.2, with forward secrecy and authenticated ciphers only.
    #[default]
    Tls12,
    /// TLS 1.3.
    Tls13,
}

/// Accepts TLS connections. Never changes: whoever reloads makes another, and connections that are open go
/// on under the one they were accepted by.
pub struct Server {
    acceptor: TlsAcceptor,
}

/// An accepted connection.
pub type ServerStream<S> = tokio_rustls::server::TlsStream<S>;

impl Server {
    /// Puts it together.
    ///
    /// # Errors
    /// [`TlsError::Setup`]: there is no certificate, or no authority to check clients by.
    pub fn new(spec: &ServerSpec) -> Result<Self, TlsError> {
        let setup = |why: &dyn fmt::Display| TlsError::Setup(why.to_string());
        let versions: &[_] = match spec.least {
            LeastVersion::Tls12 => &[&version::TLS13, &version::TLS12],
            LeastVersion::Tls13 => &[&version::TLS13],
        };
        let verifier = |authorities: &Authorities| {
            WebPkiClientVerifier::builder_with_provider(Arc::clone(authorities.roots()), provider())
        };
        let builder = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(versions)
            .map_err(|why| setup(&why))?;
        let builder = match &spec.clients {
            ClientCertificates::Ignored => builder.with_no_client_auth(),
            ClientCertificates::Optional(authorities) => {
                let checked = verifier(authorities).allow_unauthenticated().build();
                builder.with_client_cert_verifier(checked.map_err(|why| setup(&why))?)
            }
            ClientCertificates::Required(authorities) => {
                let checked = verifier(authorities).build();
                builder.with_client_cert_verifier(checked.map_err(|why| setup(&why))?)
            }
        };
        let mut config = builder.with_cert_resolver(Arc::new(ByName::new(&spec.identities)?));
        // Resumption without memory of ours. The keys last as long as this server: after a reload clients
        // are checked against the authorities that hold then.
        config.ticketer = rustls::crypto::ring::Ticketer::new().map_err(|why| setup(&why))?;
        // Early data could be replayed.
        config.max_early_data_size = 0;
        let alpn: &[&[u8]] = if spec.h2 { &[b"h2", b"http/1.1"] } else { &[b"http/1.1"] };
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Ok(Self { acceptor: TlsAcceptor::from(Arc::new(config)) })
    }

    /// Shakes hands over a fresh connection, within a time.
    ///
    /// # Errors
    /// [`io::ErrorKind::TimedOut`] when it took longer; else what went wrong, of which the client was told.
    pub async fn accept<S>(&self, socket: S, within: Duration) -> io::Result<ServerStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        match tokio::time::timeout(within, self.acceptor.accept(socket)).await {
            Ok(accepted) => accepted,
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").finish_non_exhaustive()
    }
}

/// Says whether client and server agreed on HTTP/2.
pub fn is_h2<S>(stream: &ServerStream<S>) -> bool {
    stream.get_ref().1.alpn_protocol() == Some(b"h2")
}

/// Returns what the client's certificate says, if it showed one; an authority vouched for it.
pub fn peer_certificate<S>(stream: &ServerStream<S>) -> Option<PeerCertificate> {
    let chain = stream.get_ref().1.peer_certificates()?;
    chain.first().map(|certificate| PeerCertificate::from_der(certificate))
}

/// Finds a certificate for the name a client asks for.
struct ByName {
    exact: HashMap<String, Arc<CertifiedKey>>,
    /// By what follows the `*.`.
    wildcard: HashMap<String, Arc<CertifiedKey>>,
    default: Arc<CertifiedKey>,
}

impl ByName {
    fn new(identities: &[Identity]) -> Result<Self, TlsError> {
        let Some(default) = identities.first() else {
            return Err(TlsError::Setup("there is no certificate".to_owned()));
        };
        let default = Arc::clone(default.certified());
        let mut found = Self { exact: HashMap::new(), wildcard: HashMap::new(), default };
        for identity in identities {
            for name in &identity.facts().names {
                let (names, name) = match name.strip_prefix("*.") {
                    Some(rest) => (&mut found.wildcard, rest),
                    None => (&mut found.exact, name.as_str()),
                };
                // The first named is meant, as everywhere in the file.
                names.entry(name.to_owned()).or_insert_with(|| Arc::clone(identity.certified()));
            }
        }
        Ok(found)
    }

    fn find(&self, name: &str) -> &Arc<CertifiedKey> {
        let name = name.to_ascii_lowercase();
        let name = name.strip_suffix('.').unwrap_or(&name);
        let wildcard = || self.wildcard.get(name.split_once('.')?.1);
        self.exact.get(name).or_else(wildcard).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(hello.server_name().map_or(&self.default, |name| self.find(name))))
    }
}

impl fmt::Debug for ByName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ByName").field("names", &self.exact.len()).finish_non_exhaustive()
    }
}
