//! The configuration: TOML as written, then checked and typed, with every mistake reported at once.
//!
//! [`Config::read`] is the one door; `serve`, `check` and every command that needs the data directory
//! or the key types use it. Every setting is declared once, in [`SETTINGS`], from which come its
//! default, the check for unknown names and `docs/config.md`. Reads files and the variables the file
//! names, but no clock.

mod access_log;
mod balance;
mod build;
mod data_dir;
mod forward;
mod headers;
mod holders;
mod leaks;
mod listen;
mod portal;
mod reader;
mod report;
mod secret;
mod settings;
mod tell;
mod template;
mod upstream_tls;

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::key::{KeyRecord, KeyTypes, Networks, Peppers, Timestamp};
use crate::policy::{FailedAuth, PlanSpec, Rules};
use crate::store::Retention;

pub use access_log::{AccessLog, LogFormat, Rotation, Sample};
pub use balance::{Balance, Ejection, HealthCheck};
pub use build::certificate_name;
pub use data_dir::data_dir_alone;
pub use forward::{Forward, HeaderEdits, RewrittenPrefix};
pub use headers::{IdentityHeader, IdentityHeaders, canonical_name};
pub use leaks::{Leaks, OnAlert};
pub use listen::{AdminTls, Certificate, ListenTls, Listener};
pub use portal::{IdentityProxy, Portal};
pub use report::{Problem, Report, Severity};
pub use secret::{Secret, SecretFault};
pub use settings::{SETTINGS, Setting, docs};
pub use tell::{EventKind, Outlet, Traces, Webhook, may_reach};
pub use template::{candidates, template};
pub use upstream_tls::{Protocol, UpstreamTls};

/// A checked configuration.
#[derive(Debug)]
pub struct Config {
    /// The file it was read from.
    pub path: PathBuf,
    /// Where the store is; absolute or relative to the working directory.
    pub data_dir: PathBuf,
    /// Where to listen.
    pub listen: Listen,
    /// Where other proxies ask for verdicts; `None` is nowhere.
    pub sidecar: Option<Sidecar>,
    /// Caps, time-outs and what holds for every request.
    pub server: Server,
    /// What the headers that tell a backend who calls are called.
    pub identity_headers: IdentityHeaders,
    /// Where lines of requests go.
    pub access_log: AccessLog,
    /// Who is told of events.
    pub webhooks: Vec<Webhook>,
    /// Where traces go; `None`: nothing is traced.
    pub traces: Option<Traces>,
    /// How long counts of requests are kept.
    pub usage: Retention,
    /// Who may report leaked keys.
    pub leaks: Leaks,
    /// What consumers may do in a browser.
    pub portal: Portal,
    /// The declared key types; the same are in `rules`.
    pub key_types: KeyTypes,
    /// The peppers; the same are in `rules`.
    pub peppers: Peppers,
    /// The plans as written, for lists and messages; compiled in `rules`.
    pub plans: Vec<PlanSpec>,
    /// The backends. A route's `upstream` is an index into these.
    pub upstreams: Vec<Upstream>,
    /// How long a key goes on working that its holder rotated.
    pub rotation_grace: Duration,
    /// The names of the routes, in the order of their indices.
    pub route_names: Vec<String>,
    /// How each route forwards, in the same order.
    pub forwards: Vec<Forward>,
    /// How their answers reach clients, in the same order.
    pub route_answers: Vec<RouteAnswers>,
    /// The certificates of listeners, of authorities and for upstreams, each once.
    pub certificates: Vec<Certificate>,
    /// Routes, plans, key types and peppers, compiled for the engine.
    pub rules: Arc<Rules>,
}

/// Where the server listens.
#[derive(Clone, Debug)]
pub struct Listen {
    /// The gateway; none only where there is a sidecar.
    pub proxy: Vec<Listener>,
    /// Health, readiness, metrics and the admin API; none if empty.
    pub admin: Vec<Address>,
    /// Host names under which the admin API is called, besides loopback ones and the address itself. In
    /// lower case.
    pub admin_hosts: Vec<String>,
    /// TLS of every admin address but Unix sockets; `None` speaks clear text.
    pub admin_tls: Option<AdminTls>,
    /// The portal; none if empty.
    pub portal: Vec<Address>,
    /// TLS of every address of the portal but Unix sockets; `None` speaks clear text.
    pub portal_tls: Option<ListenTls>,
}

/// Where other proxies ask for verdicts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sidecar {
    /// Where it listens; at least one.
    pub listen: Vec<Address>,
    /// The proxies that may ask, and whose word on the original request counts.
    pub fronts: TrustedProxies,
}

/// How a route's answers reach clients.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RouteAnswers {
    /// Which pages of other origins may ask and read; `None` leaves that to the backend.
    pub cors: Option<Cors>,
    /// Whether they are compressed for who takes that.
    pub compress: bool,
}

/// Which pages of other origins may ask and read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cors {
    /// The origins, `https://app.example.com`, or `*`.
    pub origins: Vec<String>,
    /// The request headers they may set.
    pub headers: Vec<String>,
    /// The response headers they may read.
    pub expose: Vec<String>,
    /// Whether the browser may send cookies.
    pub credentials: bool,
    /// How long the browser may go by an answer to a pre-flight.
    pub max_age: Duration,
}

/// A place to listen at or to connect to.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Address {
    /// An address and port.
    Tcp(SocketAddr),
    /// A host name and port, resolved when used. Of upstreams only.
    Name(String, u16),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(f, "{address}"),
            Self::Name(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The table `[server]`.
#[derive(Clone, Debug)]
pub struct Server {
    /// Worker threads; `None` is one for each core.
    pub workers: Option<usize>,
    /// Whose `X-Forwarded-For` and request ids are believed.
    pub trusted_proxies: TrustedProxies,
    /// The realm of `WWW-Authenticate`. Printable ASCII without `"` and `\`.
    pub realm: String,
    /// The plan of consumers that have none.
    pub default_plan: Option<String>,
    /// Client connections open at once; more wait to be accepted.
    pub max_connections: usize,
    /// Those of one address, IPv6 by /64; more are closed.
    pub max_connections_per_address: usize,
    /// Requests of one connection, after which it is closed.
    pub max_requests_per_connection: usize,
    /// Requests at once of one connection of HTTP/2.
    pub max_streams: usize,
    /// Requests in work at once; more are answered with 503.
    pub max_in_flight: usize,
    /// The request line and all header fields, in bytes.
    pub max_header_bytes: usize,
    /// Header fields of a request.
    pub max_header_fields: usize,
    /// The request target, in bytes.
    pub max_url_bytes: usize,
    /// A request's body, in bytes.
    pub max_body: u64,
    /// For the PROXY header and the TLS handshake, from the accept on; each.
    pub handshake_timeout: Duration,
    /// From the first byte of a request to the end of its header.
    pub header_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// The longest pause between two pieces of a request's body, or of an answer to a slow client.
    pub body_timeout: Duration,
    /// The slowest a request's body may come, in bytes a second once it is some seconds under way; 0 is any.
    pub min_body_rate: u64,
    /// How long both sides of an upgraded connection (`WebSocket`) may be silent at once.
    pub upgrade_idle_timeout: Duration,
    /// How soon after its key stops working a request under way is cut.
    pub cut_within: Duration,
    /// How long a request waits until a changed store is read, before it fails closed.
    pub fresh_within: Duration,
    /// Idle connections kept to backends, in all.
    pub keepalive_pool: usize,
    /// How long requests in work may go on after SIGTERM.
    pub drain_timeout: Duration,
    /// Whose `X-Request-Id` is taken.
    pub trust_request_id: RequestIdTrust,
    /// Which rate headers are sent.
    pub rate_headers: RateHeaders,
    /// How many failed authentications are taken from one address; `None` is any number. Besides those it
    /// exempts, trusted proxies and fronts are.
    pub failed_auth: Option<FailedAuth>,
}

/// Peers whose word on the client's address counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TrustedProxies {
    /// By address; empty trusts none.
    pub networks: Networks,
    /// Whether whoever connects through a Unix-socket listener is one of them.
    pub unix: bool,
}

/// Whose request ids are taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RequestIdTrust {
    /// Those of trusted proxies.
    #[default]
    TrustedProxies,
    /// Anybody's.
    Anyone,
    /// Nobody's: every request gets a new one.
    Nobody,
}

/// Which families of rate headers are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum RateHeaders {
    /// Both.
    #[default]
    Both,
    /// `RateLimit` and `RateLimit-Policy`.
    Ietf,
    /// `X-RateLimit-Limit`, `-Remaining`, `-Reset`.
    X,
    /// Neither.
    Off,
}

/// A backend.
#[derive(Clone, Debug)]
pub struct Upstream {
    /// Its name.
    pub name: String,
    /// Its servers; at least one.
    pub servers: Vec<Address>,
    /// What share of the requests each of them takes, in their order; at least 1.
    pub weights: Vec<u32>,
    /// Whose turn it is among them.
    pub balance: Balance,
    /// How they are asked whether they are well, if they are.
    pub health: Option<HealthCheck>,
    /// When one is passed over because requests to it fail; `None` is never.
    pub ejection: Option<Ejection>,
    /// TLS to them; `None` is clear text.
    pub tls: Option<UpstreamTls>,
    /// Which version of HTTP they are spoken to in.
    pub protocol: Protocol,
    /// Sent as `X-Kgate-Secret`, so that the backend can tell kgate from others who reach it.
    pub shared_secret: Option<Secret>,
    /// How to tell the backend who calls by a signed token, if at all.
    pub jwt: Option<Jwt>,
    /// Under which every request to the backend carries a code.
    pub hmac_secret: Option<Secret>,
    /// Which metadata is forwarded as `X-Consumer-Meta-…`.
    pub forward_metadata: Vec<String>,
    /// For a connection.
    pub connect_timeout: Duration,
    /// From the end of the request to the first byte of the answer, and between two pieces of it.
    pub response_timeout: Duration,
    /// From the choice of a server to the end of the answer; `None` is no limit.
    pub total_timeout: Option<Duration>,
    /// How long an idle connection is kept for the next request.
    pub idle_timeout: Duration,
}

/// The signed token an upstream gets.
#[derive(Clone, Debug)]
pub struct Jwt {
    /// The name of the header that carries it.
    pub header: String,
    /// How it is signed.
    pub algorithm: JwtAlgorithm,
    /// The claim `iss`.
    pub issuer: String,
    /// The claim `aud`.
    pub audience: String,
    /// Whether every request gets one of its own.
    pub jti: bool,
}

/// How a token is signed.
#[derive(Clone, Debug)]
pub enum JwtAlgorithm {
    /// By an Ed25519 key of the data directory.
    EdDsa,
    /// By a P-256 key of the data directory.
    Es256,
    /// By a secret the backend has, too.
    Hs256(Secret),
}

/// A configuration that can be used, and what is doubtful about it.
#[derive(Debug)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// Its warnings; maybe none.
    pub warnings: Report,
    /// When the certificates it names hold.
    dates: Vec<listen::Dated>,
}

impl Loaded {
    /// Adds what is wrong with the dates of certificates at `now`: errors where clients refuse them, warnings
    /// where they soon will.
    pub fn note_dates(&mut self, now: Timestamp) {
        for (dated, (is_error, message)) in self.dates.iter().filter_map(|d| Some((d, d.problem(now)?))) {
            let hint = "renew it; a changed file is read again, without a restart";
            if is_error {
                self.warnings.error(dated.span.clone(), message, Some(hint.to_owned()));
            } else {
                self.warnings.warn(dated.span.clone(), message, hint);
            }
        }
        self.warnings.sort();
    }
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read; [`std::io::ErrorKind::NotFound`] if it is not there.
    #[error("cannot read the configuration {}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It has mistakes, all listed.
    #[error("{0}")]
    Invalid(Report),
}

impl Config {
    /// Returns the files besides its own that it was made from: certificates, keys, authorities.
    pub fn certificate_files(&self) -> impl Iterator<Item = &Path> {
        let proxy = self.listen.proxy.iter().filter_map(|listener| listener.tls.as_ref());
        let admin = self.listen.admin_tls.as_ref().map(|admin| &admin.tls);
        let tls = proxy.chain(admin).chain(&self.listen.portal_tls);
        let upstreams = self.upstreams.iter().filter_map(|upstream| upstream.tls.as_ref());
        let files = tls.flat_map(|tls| &tls.files).chain(upstreams.flat_map(|tls| &tls.files));
        let told = self.webhooks.iter().map(|webhook| &webhook.outlet);
        let told = told.chain(self.traces.iter().map(|traces| &traces.outlet));
        let vouchers = told.filter_map(|outlet| Some(&outlet.ca_file.as_ref()?.path));
        files.chain(vouchers).map(PathBuf::as_path)
    }

    /// Returns when the successor of a key ends that its holder rotates at `now`. A key that lives as long as its
    /// type says gets a successor that does; any other end was somebody's decision, and no holder puts it off.
    pub fn successors_end(&self, old: &KeyRecord, now: Timestamp) -> Option<Timestamp> {
        let end = old.expires_at?;
        let of_type =
            self.key_types.by_name(&old.key_type).and_then(|(_, key_type)| key_type.default_expires);
        match of_type.map(crate::key::Span::as_duration) {
            Some(span) if old.created_at.plus(span) == end => Some(now.plus(span)),
            _ => Some(end),
        }
    }

    /// Reads and checks a file. Relative paths in it are relative to it.
    ///
    /// # Errors
    /// [`ConfigError`]: the file cannot be read, or every mistake in it.
    pub fn read(path: &Path) -> Result<Loaded, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = String::from_utf8(bytes).map_err(|error| {
            unreadable(std::io::Error::new(std::io::ErrorKind::InvalidData, error.utf8_error()))
        })?;
        Self::parse(path, &text)
    }

    /// Checks `text` as if it had been read from `path`; reads the secret files it names.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every mistake.
    pub fn parse(path: &Path, text: &str) -> Result<Loaded, ConfigError> {
        build::build(path, text).map_err(ConfigError::Invalid)
    }
}

/// Zero would end everything at once; more than a day is as good as none.
const TIMEOUTS: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_hours(24);
