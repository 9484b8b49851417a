//! The one way out: requests to URLs of the configuration, on threads of their own.
//!
//! Who controls a name chooses its addresses. Each is looked at before it is connected to, and the
//! connection goes to what was looked at; redirects are answers like others; no proxy of the environment
//! comes between.

use std::fmt;
use std::sync::Arc;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};
use ureq::{Agent, Error};

use crate::config::{Outlet, may_reach};
use crate::key::Networks;
use crate::tls::{Authorities, TlsError, provider};

/// Sends to one URL.
pub struct Client {
    agent: Agent,
    url: String,
}

impl Client {
    /// Makes a client for an outlet of the configuration.
    ///
    /// # Errors
    /// The authorities that vouch for it cannot be read.
    pub fn new(outlet: &Outlet) -> Result<Self, TlsError> {
        let is_tls = outlet.url.starts_with("https://");
        let mut config = Config::builder()
            .user_agent(concat!("kgate/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .max_redirects(0)
            .https_only(is_tls)
            .http_status_as_error(false)
            .timeout_global(Some(outlet.timeout))
            // Answers are not read beyond their status.
            .max_response_header_size(16 << 10);
        if is_tls {
            let authorities = match &outlet.ca_file {
                Some(file) => Authorities::read(&file.path)?,
                None => Authorities::of_system()?,
            };
            let roots: Vec<_> =
                authorities.certificates().map(|der| Certificate::from_der(der).to_owned()).collect();
            let tls = TlsConfig::builder()
                .root_certs(RootCerts::Specific(Arc::new(roots)))
                .unversioned_rustls_crypto_provider(provider());
            config = config.tls_config(tls.build());
        }
        let guard = Guard { networks: outlet.networks.clone(), is_tls, names: DefaultResolver::default() };
        let agent = Agent::with_parts(config.build(), DefaultConnector::default(), guard);
        Ok(Self { agent, url: outlet.url.clone() })
    }

    /// Sends a body and returns the status of the answer.
    ///
    /// # Errors
    /// What went wrong, for the operator; never a part of the body.
    pub fn post(&self, headers: &[(&str, &str)], body: &[u8]) -> Result<u16, String> {
        let mut request = self.agent.post(&self.url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = request.send(body).map_err(|error| error.to_string())?;
        Ok(answer.status().as_u16())
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("url", &self.url).finish_non_exhaustive()
    }
}

/// Finds addresses, and lets only those through that may be reached.
#[derive(Debug)]
struct Guard {
    networks: Networks,
    is_tls: bool,
    names: DefaultResolver,
}

impl Resolver for Guard {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let found = self.names.resolve(uri, config, timeout)?;
        let mut allowed = self.empty();
        for address in &found {
            if may_reach(address.ip(), &self.networks, self.is_tls) {
                allowed.push(*address);
            }
        }
        match found.iter().next() {
            Some(_) if !allowed.is_empty() => Ok(allowed),
            Some(address) => Err(Error::Other(Box::new(Refused(address.ip().to_string())))),
            None => Err(Error::HostNotFound),
        }
    }
}

/// An address that may not be connected to.
#[derive(Debug, thiserror::Error)]
#[error("its address is {0}, which is not of the public internet nor in its `networks`")]
struct Refused(String);
