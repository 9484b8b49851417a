//! TLS to an upstream's servers: who must vouch for them, what they are called, what we show of ourselves.

use std::path::PathBuf;

use super::Address;
use super::balance::is_host;
use super::build::Builder;
use super::reader::{Section, shown};

/// Which version of HTTP an upstream's servers are spoken to in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Protocol {
    /// HTTP/1.1.
    #[default]
    Http1,
    /// HTTP/2 from the first byte.
    Http2,
    /// HTTP/2 where the server takes it in the TLS handshake, else HTTP/1.1.
    Auto,
}

/// TLS to the servers of an upstream.
#[derive(Clone, Debug)]
pub struct UpstreamTls {
    /// The files it was made from, to be looked at for changes.
    pub files: Vec<PathBuf>,
    /// The name that must be in the servers' certificates; `None` is each one's own name or address.
    pub server_name: Option<String>,
    /// Who must have signed them; `None` is those this machine trusts.
    #[cfg(feature = "tls")]
    pub authorities: Option<crate::tls::Authorities>,
    /// The certificate by which they know us.
    #[cfg(feature = "tls")]
    pub identity: Option<crate::tls::Identity>,
}

/// Reads the version of HTTP.
pub(super) fn protocol(section: &Section<'_>) -> Protocol {
    let words = [("http/1.1", Protocol::Http1), ("http/2", Protocol::Http2), ("auto", Protocol::Auto)];
    let protocol = section.choice("protocol", &words);
    if protocol == Protocol::Auto && !section.has("tls") {
        let hint = "name the version, or give it `tls`: it is agreed on in the handshake".to_owned();
        section.error(section.span_of("protocol"), "`auto` needs `tls`", Some(hint));
    }
    protocol
}

impl Builder<'_> {
    /// Reads how TLS is spoken to the servers, if it is. Of what is wrong with a file, nothing is left to use.
    pub(super) fn upstream_tls(&self, section: &Section<'_>, servers: &[Address]) -> Option<UpstreamTls> {
        let section = section.section("tls", "upstream.tls")?;
        let name = section.text("server_name");
        if let Some(name) = name.as_ref().filter(|name| !is_name(name.value)) {
            let hint = "a host name or an address, without a port".to_owned();
            section.error(
                name.span.clone(),
                format!("`{}` is no name of a server", shown(name.value)),
                Some(hint),
            );
        }
        if name.is_none() && servers.iter().any(|server| matches!(server, Address::Unix(_))) {
            let hint = "server_name = \"backend.internal\"".to_owned();
            let message = "a Unix socket has no name to look for in its certificate";
            section.error(section.span.clone(), message, Some(hint));
        }
        if section.has("key") && !section.has("certificate") {
            section.error(section.span_of("key"), "`key` without `certificate`", None);
        }
        let ca = self.path_of(&section, "ca");
        let certificate = self.path_of(&section, "certificate");
        // They may be in one file.
        let key = self.path_of(&section, "key").or_else(|| certificate.clone());
        let files: Vec<PathBuf> = [&ca, &certificate, &key].into_iter().flatten().cloned().collect();
        self.with_files(&section, files, name.map(|name| name.value.to_owned()), ca, certificate.zip(key))
    }

    #[cfg(feature = "tls")]
    fn with_files(
        &self,
        section: &Section<'_>,
        files: Vec<PathBuf>,
        server_name: Option<String>,
        ca: Option<PathBuf>,
        pair: Option<(PathBuf, PathBuf)>,
    ) -> Option<UpstreamTls> {
        use crate::tls::{Authorities, Identity, TlsError};

        let fault = |field: &str, error: &TlsError| {
            let hint = "the path is relative to the configuration file".to_owned();
            section.error(section.span_of(field), error.to_string(), Some(hint));
        };
        let authorities = match ca.map(|path| Authorities::read(&path)) {
            Some(Ok(authorities)) => {
                let span = || section.span_of("ca");
                authorities.facts().iter().for_each(|facts| self.dated(span(), &files[0], facts));
                Some(authorities)
            }
            Some(Err(error)) => {
                fault("ca", &error);
                return None;
            }
            None if section.has("ca") => return None,
            None => {
                if let Err(error) = Authorities::of_system() {
                    section.error(
                        section.span.clone(),
                        error.to_string(),
                        Some("ca = \"ca.pem\"".to_owned()),
                    );
                }
                None
            }
        };
        let identity = match pair.map(|(certificate, key)| Identity::read(&certificate, &key)) {
            Some(Ok(identity)) => {
                let path = &files[usize::from(section.has("ca"))];
                self.dated(section.span_of("certificate"), path, identity.facts());
                Some(identity)
            }
            Some(Err(error)) => {
                fault("certificate", &error);
                return None;
            }
            None => None,
        };
        Some(UpstreamTls { files, server_name, authorities, identity })
    }

    /// Whoever has no gateway has no upstreams to speak to.
    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn with_files(
        &self,
        _section: &Section<'_>,
        files: Vec<PathBuf>,
        server_name: Option<String>,
        _ca: Option<PathBuf>,
        _pair: Option<(PathBuf, PathBuf)>,
    ) -> Option<UpstreamTls> {
        Some(UpstreamTls { files, server_name })
    }
}

fn is_name(text: &str) -> bool {
    text.parse::<std::net::IpAddr>().is_ok() || is_host(text) && !text.contains([':', '[', ']'])
}
