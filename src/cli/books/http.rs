//! The way to the admin API of a gateway elsewhere: over HTTPS, HTTP on loopback, or a Unix socket.
//!
//! One request a connection, as the server has it. What makes something is sent under a name of its own
//! (`Idempotency-Key`), so that it can be sent again when its answer is lost, and is done once.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use serde::de::DeserializeOwned;
use serde_json::Value;
use ureq::http::Uri;
use ureq::tls::{Certificate, ClientCert, PrivateKey, RootCerts, TlsConfig};
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{
    Buffers, ConnectionDetails, Connector, LazyBuffers, NextTimeout, Transport,
};
use ureq::{Agent, Error};

use crate::cli::failure::Failure;
use crate::key::Token;
use crate::tls::{Authorities, Identity, provider};

/// A gateway elsewhere, as named on the command line.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Remote {
    /// `https://HOST:PORT`, `http://…` on loopback, or `unix:PATH`.
    pub(in crate::cli) server: String,
    /// The admin key, if there is one.
    pub(in crate::cli) key: Option<Token>,
    /// Who vouches for the server, in place of the machine's authorities.
    pub(in crate::cli) ca: Option<PathBuf>,
    /// A certificate to show, and its key.
    pub(in crate::cli) identity: Option<(PathBuf, PathBuf)>,
}

/// Asks one server.
pub(in crate::cli) struct Client {
    agent: Agent,
    base: String,
    server: String,
    key: Option<Token>,
}

/// A call.
pub(in crate::cli) struct Call<'c> {
    pub(in crate::cli) method: &'static str,
    /// Path and query, encoded.
    pub(in crate::cli) target: String,
    pub(in crate::cli) body: Option<&'c dyn erased::Body>,
    /// Whether it makes something, and may be sent again under the same name.
    pub(in crate::cli) creates: bool,
}

/// Bodies of any type.
pub(in crate::cli) mod erased {
    use serde::Serialize;

    /// What can be sent.
    pub(in crate::cli) trait Body {
        /// Writes it as JSON.
        fn json(&self) -> Vec<u8>;
    }

    impl<T: Serialize> Body for T {
        fn json(&self) -> Vec<u8> {
            serde_json::to_vec(self).expect("these values have a JSON form")
        }
    }
}

/// What came back.
pub(in crate::cli) struct Answered {
    pub(in crate::cli) value: Value,
    /// Whether a record is other than before.
    pub(in crate::cli) changed: bool,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    /// An address that is none, or would carry the key in clear text over a network; files that cannot be read.
    pub(in crate::cli) fn new(remote: &Remote) -> Result<Self, Failure> {
        let config = Agent::config_builder()
            .user_agent(concat!("kgate/", env!("CARGO_PKG_VERSION")))
            .proxy(None)
            .max_redirects(0)
            .max_idle_connections(0)
            .http_status_as_error(false)
            .timeout_global(Some(LONGEST));
        let server = remote.server.trim_end_matches('/').to_owned();
        let key = remote.key.clone();
        if let Some(path) = server.strip_prefix("unix:") {
            let connector = AtSocket(PathBuf::from(path));
            let agent = Agent::with_parts(config.build(), connector, Nowhere);
            return Ok(Self { agent, base: "http://localhost".to_owned(), server, key });
        }
        let uri: Uri = server.parse().map_err(|_| no_address(&server))?;
        let host = uri.host().ok_or_else(|| no_address(&server))?;
        let config = match uri.scheme_str() {
            _ if uri.path() != "/" || uri.query().is_some() => return Err(no_address(&server)),
            // A name and a password there would be sent, and shown with every failure.
            _ if server.contains('@') => return Err(no_address(&server)),
            Some("https") => config.tls_config(tls(remote)?),
            Some("http") if is_loopback(host) => config,
            Some("http") => {
                return Err(Failure::cannot(format!("{server} would carry the admin key in clear text"))
                    .help("give the server [listen.admin_tls] and say https://, or go through a tunnel"));
            }
            _ => return Err(no_address(&server)),
        };
        Ok(Self { agent: config.build().new_agent(), base: server.clone(), server, key })
    }

    /// Asks, and returns what the answer holds.
    ///
    /// # Errors
    /// What the server refused, as a command on its machine would say it; or that it could not be asked.
    pub(in crate::cli) fn call(&self, call: &Call<'_>) -> Result<Answered, Failure> {
        self.reach(call)?
    }

    /// As [`Client::call`]; the outer error is that it could not be asked, the inner one what it refused.
    pub(in crate::cli) fn reach(&self, call: &Call<'_>) -> Result<Result<Answered, Failure>, Failure> {
        let body = call.body.map(erased::Body::json);
        let name = call
            .creates
            .then(|| format!("cli-{:016x}{:016x}", rand::rng().next_u64(), rand::rng().next_u64()));
        let mut sent = self.send(call, body.as_deref(), name.as_deref());
        if call.creates && sent.as_ref().is_err_and(is_lost) {
            // It may have been done: under its name it is not done twice.
            sent = self.send(call, body.as_deref(), name.as_deref());
        }
        let (status, headers, bytes) = sent.map_err(|error| self.unreachable(&error, call))?;
        let said = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let value: Value = serde_json::from_slice(&bytes).unwrap_or_default();
        if !(200..300).contains(&status) {
            return Ok(Err(super::server::refused(status, &value, &self.server)));
        }
        if value.is_null() {
            let text = format!("what answers at {} is no admin API of kgate", self.server);
            return Ok(Err(Failure::cannot(text)));
        }
        Ok(Ok(Answered { value, changed: said("kgate-changed") != Some("false") }))
    }

    fn send(&self, call: &Call<'_>, body: Option<&[u8]>, name: Option<&str>) -> Result<Received, Error> {
        let mut request =
            ureq::http::Request::builder().method(call.method).uri(format!("{}{}", self.base, call.target));
        if let Some(key) = &self.key {
            request = request.header("authorization", format!("Bearer {}", key.expose()));
        }
        if let Some(name) = name {
            request = request.header("idempotency-key", name);
        }
        let answer = match body {
            Some(body) => self.agent.run(request.header("content-type", "application/json").body(body)?),
            None => self.agent.run(request.body(())?),
        }?;
        let (head, mut body) = answer.into_parts();
        let bytes = body.with_config().limit(LARGEST).read_to_vec()?;
        Ok((head.status.as_u16(), head.headers, bytes))
    }

    fn unreachable(&self, error: &Error, call: &Call<'_>) -> Failure {
        let text = error.to_string();
        let failure = Failure::cannot(format!("cannot ask {}", self.server)).because(error);
        let failure = match &text {
            text if text.contains("UnknownIssuer") => {
                failure.help("name the authority that vouches for it with --ca FILE")
            }
            text if text.contains("CertificateRequired") || text.contains("certificate required") => {
                failure.help("it wants a certificate: --client-cert FILE --client-key FILE")
            }
            _ => failure.help("check --server, and that kgate serves there with `admin` in [listen]"),
        };
        if call.method != "GET" && is_lost(error) {
            return failure.help("whether it was done is not known: look with `kgate audit`");
        }
        failure
    }
}

/// Reads an answer as what it must be.
///
/// # Errors
/// The server is of another version, most likely.
pub(in crate::cli) fn read<T: DeserializeOwned>(value: Value) -> Result<T, Failure> {
    serde_json::from_value(value).map_err(|error| {
        Failure::cannot("the server's answer is not one this kgate knows")
            .because(&error)
            .help("use the version of kgate that runs there")
    })
}

type Received = (u16, ureq::http::HeaderMap, Vec<u8>);

/// Says whether a request may have arrived although no answer did.
fn is_lost(error: &Error) -> bool {
    match error {
        Error::Io(error) => error.kind() != std::io::ErrorKind::ConnectionRefused,
        Error::Timeout(_) | Error::Protocol(_) => true,
        _ => false,
    }
}

fn no_address(server: &str) -> Failure {
    Failure::cannot(format!("`{server}` is not the address of an admin listener"))
        .help("write https://HOST:PORT, http://127.0.0.1:PORT or unix:PATH")
}

fn is_loopback(host: &str) -> bool {
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || literal.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn tls(remote: &Remote) -> Result<TlsConfig, Failure> {
    let fault = |error: crate::tls::TlsError| Failure::cannot(error.to_string());
    let authorities = match &remote.ca {
        Some(path) => Authorities::read(path),
        None => Authorities::of_system(),
    };
    let authorities = authorities.map_err(fault)?;
    let roots = authorities.certificates().map(|der| Certificate::from_der(der).to_owned()).collect();
    let identity =
        remote.identity.as_ref().map(|(certificate, key)| identity(certificate, key)).transpose()?;
    let config = TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .client_cert(identity)
        .unversioned_rustls_crypto_provider(provider());
    Ok(config.build())
}

fn identity(certificate: &Path, key: &Path) -> Result<ClientCert, Failure> {
    // What can be wrong with them is said by name.
    Identity::read(certificate, key).map_err(|error| Failure::cannot(error.to_string()))?;
    let read = |path: &Path| {
        std::fs::read(path)
            .map_err(|error| Failure::cannot(format!("cannot read {}", path.display())).because(&error))
    };
    let chain: Result<Vec<_>, Error> = ureq::tls::parse_pem(&read(certificate)?)
        .filter_map(|item| match item {
            Ok(ureq::tls::PemItem::Certificate(certificate)) => Some(Ok(certificate)),
            Ok(_) => None,
            Err(error) => Some(Err(error)),
        })
        .collect();
    let unusable = |error: Error| Failure::cannot("the certificate cannot be used").because(&error);
    let key = PrivateKey::from_pem(&read(key)?).map_err(unusable)?;
    Ok(ClientCert::new_with_certs(&chain.map_err(unusable)?, key))
}

/// There is nothing to look up: the connector knows where to go.
#[derive(Debug)]
struct Nowhere;

impl Resolver for Nowhere {
    fn resolve(
        &self,
        _: &Uri,
        _: &ureq::config::Config,
        _: NextTimeout,
    ) -> Result<ResolvedSocketAddrs, Error> {
        let mut found = self.empty();
        found.push(SocketAddr::from(([127, 0, 0, 1], 0)));
        Ok(found)
    }
}

/// Connects to a Unix socket, whatever the address.
#[derive(Debug)]
struct AtSocket(PathBuf);

impl Connector<()> for AtSocket {
    type Out = OverSocket;

    fn connect(&self, details: &ConnectionDetails, _: Option<()>) -> Result<Option<OverSocket>, Error> {
        let stream = UnixStream::connect(&self.0)?;
        let buffers =
            LazyBuffers::new(details.config.input_buffer_size(), details.config.output_buffer_size());
        Ok(Some(OverSocket { stream, buffers }))
    }
}

struct OverSocket {
    stream: UnixStream,
    buffers: LazyBuffers,
}

impl std::fmt::Debug for OverSocket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OverSocket").finish_non_exhaustive()
    }
}

impl Transport for OverSocket {
    fn buffers(&mut self) -> &mut dyn Buffers {
        &mut self.buffers
    }

    fn transmit_output(&mut self, amount: usize, timeout: NextTimeout) -> Result<(), Error> {
        self.stream.set_write_timeout(timeout.not_zero().map(|left| *left))?;
        self.stream.write_all(&self.buffers.output()[..amount])?;
        Ok(())
    }

    fn await_input(&mut self, timeout: NextTimeout) -> Result<bool, Error> {
        self.stream.set_read_timeout(timeout.not_zero().map(|left| *left))?;
        let read = self.stream.read(self.buffers.input_append_buf())?;
        self.buffers.input_appended(read);
        Ok(read > 0)
    }

    fn is_open(&mut self) -> bool {
        // One request a connection.
        false
    }
}

/// For a whole exchange: the server waits 10 seconds at most, and a minute for what is long.
const LONGEST: Duration = Duration::from_secs(75);

/// More than any page of a list.
const LARGEST: u64 = 64 << 20;
