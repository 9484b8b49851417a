//! Where the gateway listens, and how: plain addresses, or tables that say more.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::PathBuf;
use std::time::Duration;

use super::build::{Builder, listen_address, named_certificate, trusted_proxies};
use super::reader::{Entry, Section};
use super::{Address, TrustedProxies};
use crate::key::{Role, Timestamp};

/// One place where the gateway listens.
#[derive(Clone, Debug)]
pub struct Listener {
    /// The address.
    pub address: Address,
    /// TLS; `None` speaks clear text.
    pub tls: Option<ListenTls>,
    /// Whether HTTP/2 is spoken in clear text to who begins with it.
    pub h2c: bool,
    /// Who begins every connection by saying, by the PROXY protocol, for whom it is.
    pub proxy_protocol: TrustedProxies,
    /// The port of `https://` every request is sent to instead of being served.
    pub redirect: Option<u16>,
}

/// TLS on a listener.
#[derive(Clone, Debug)]
pub struct ListenTls {
    /// The files it was made from, to be looked at for changes.
    pub files: Vec<PathBuf>,
    /// What `Strict-Transport-Security` says, if it is sent.
    pub hsts: Option<String>,
    /// Whether clients are asked for certificates.
    pub asks_clients: bool,
    /// What accepts connections.
    #[cfg(feature = "tls")]
    pub server: std::sync::Arc<crate::tls::Server>,
}

/// TLS on the admin listener.
#[derive(Clone, Debug)]
pub struct AdminTls {
    /// How connections are accepted.
    pub tls: ListenTls,
    /// What whoever shows a certificate may do without an admin key: a name in it, `cn:alice`, and the role.
    pub roles: Vec<(String, Role)>,
}

/// From when to when a certificate the file names holds.
#[derive(Clone, Debug)]
pub(super) struct Dated {
    pub(super) span: Range<usize>,
    pub(super) path: PathBuf,
    /// For whom it is: the names of hosts, or else its subject.
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

/// A certificate of a file the configuration names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Certificate {
    /// The file.
    pub path: PathBuf,
    /// For whom it is: the names of hosts, or else its subject.
    pub names: Vec<String>,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

impl From<&Dated> for Certificate {
    fn from(dated: &Dated) -> Self {
        Self {
            path: dated.path.clone(),
            names: dated.names.clone(),
            not_before: dated.not_before,
            not_after: dated.not_after,
        }
    }
}

impl Dated {
    /// Says what is wrong with it at `now`, and whether it is so bad that clients refuse it.
    pub(super) fn problem(&self, now: Timestamp) -> Option<(bool, String)> {
        let path = self.path.display();
        if now < self.not_before {
            Some((true, format!("the certificate in {path} does not hold before {}", self.not_before)))
        } else if now >= self.not_after {
            Some((true, format!("the certificate in {path} expired at {}", self.not_after)))
        } else if self.not_after.since(now) < SOON {
            Some((false, format!("the certificate in {path} expires at {}", self.not_after)))
        } else {
            None
        }
    }
}

impl Builder<'_> {
    /// Reads where the gateway listens, which may be nowhere.
    pub(super) fn doors(&self, section: &Section<'_>, may_be_none: bool) -> Vec<Listener> {
        let mut doors: Vec<Listener> = Vec::new();
        let entries = section.entries_of("proxy", "listen.proxy");
        if entries.is_empty() && !may_be_none {
            section.error(section.span_of("proxy"), "`proxy` names no address", None);
        }
        for entry in entries {
            let (door, span) = match entry {
                Entry::Text(text) => (self.plain_door(section, &text), text.span),
                Entry::Table(table) => (self.door(&table), table.span_of("address")),
            };
            let Some(door) = door else { continue };
            if let Address::Tcp(at) = &door.address
                && !at.ip().is_loopback()
                && door.tls.is_none()
                && door.redirect.is_none()
            {
                section.warn(
                    span.clone(),
                    format!("keys sent to `{at}` cross the network in clear text"),
                    "give the listener `tls`, listen at 127.0.0.1 or a Unix socket behind a TLS proxy, or be sure that one is in front",
                );
            }
            if doors.iter().any(|other| other.address == door.address) {
                section.error(span, format!("`{}` is listed twice", door.address), None);
            } else {
                doors.push(door);
            }
        }
        doors
    }

    fn plain_door(&self, section: &Section<'_>, text: &super::reader::At<&str>) -> Option<Listener> {
        let address = listen_address(self, section, text)?;
        let proxy_protocol = TrustedProxies::default();
        // Whoever can open a Unix socket of ours is one of us.
        let h2c = matches!(address, Address::Unix(_));
        Some(Listener { address, tls: None, h2c, proxy_protocol, redirect: None })
    }

    fn door(&self, table: &Section<'_>) -> Option<Listener> {
        let text = table.text("address");
        let address = text.and_then(|text| listen_address(self, table, &text));
        let tls = table.section("tls", "listen.proxy.tls");
        let is_tls = tls.is_some();
        let tls = tls.and_then(|section| {
            let (h2, hsts) = (section.flag("http2"), hsts(&section));
            self.listen_tls(&section, h2, hsts)
        });
        let is_unix = matches!(address, Some(Address::Unix(_)));
        let h2c = if table.has("h2c") { table.flag("h2c") } else { is_unix };
        if h2c && is_tls {
            let hint = "take it away: `http2` of `tls` offers HTTP/2 there".to_owned();
            table.error(table.span_of("h2c"), "`h2c` is HTTP/2 without TLS", Some(hint));
        } else if h2c && !is_unix && !table.flag("trusted") {
            let hint = "give it `tls`, or say `trusted = true` where only machines of yours can connect";
            table.error(
                table.span_of("h2c"),
                "`h2c` is for Unix sockets and trusted networks",
                Some(hint.into()),
            );
        }
        let redirect = table
            .number("redirect_to_https", 1..=u64::from(u16::MAX))
            .and_then(|port| u16::try_from(port).ok());
        if redirect.is_some() && is_tls {
            let span = table.span_of("redirect_to_https");
            table.error(span, "a listener with `tls` is what others redirect to", None);
        }
        let proxy_protocol = trusted_proxies(table, "proxy_protocol");
        Some(Listener { address: address?, tls, h2c: h2c && !is_tls, proxy_protocol, redirect })
            .filter(|door| door.tls.is_some() == is_tls)
    }

    /// Reads TLS on the admin listener, which speaks HTTP/1.1.
    pub(super) fn admin_tls(&self, section: &Section<'_>) -> Option<AdminTls> {
        let mut roles = Vec::new();
        for (name, role) in section.pairs("roles") {
            match role.value.parse::<Role>() {
                Ok(role) => roles.extend(named_certificate(section, &name).map(|name| (name, role))),
                Err(error) => section.error(role.span, error.to_string(), None),
            }
        }
        if !roles.is_empty() && !section.has("client_certificates") {
            let hint =
                "say `client_certificates = \"optional\"`, or \"required\", and whose are good: `client_ca`";
            let span = section.span_of("roles");
            section.error(
                span,
                "`roles` are nobody's: clients are not asked for certificates",
                Some(hint.into()),
            );
        }
        Some(AdminTls { tls: self.listen_tls(section, false, None)?, roles })
    }

    /// Reads TLS on the portal's listener, which speaks HTTP/1.1.
    pub(super) fn portal_tls(&self, section: &Section<'_>) -> Option<ListenTls> {
        self.listen_tls(section, false, hsts(section))
    }

    fn listen_tls(&self, section: &Section<'_>, h2: bool, hsts: Option<String>) -> Option<ListenTls> {
        let pairs = self.certificate_pairs(section);
        let clients = section.choice(
            "client_certificates",
            &[("off", Clients::Off), ("optional", Clients::Optional), ("required", Clients::Required)],
        );
        let authorities = self.path_of(section, "client_ca");
        match (clients, &authorities) {
            (Clients::Off, Some(_)) => {
                let hint = "say `client_certificates = \"required\"`, or \"optional\"".to_owned();
                section.error(section.span_of("client_ca"), "`client_ca` checks nobody", Some(hint));
            }
            (Clients::Optional | Clients::Required, None) if !section.has("client_ca") => {
                let hint = "name the file with your authority's certificate: `client_ca = \"ca.pem\"`";
                let span = section.span_of("client_certificates");
                section.error(span, "nobody says which client certificates are good", Some(hint.into()));
            }
            _ => {}
        }
        let is_modern = section.choice("min_version", &[("1.2", false), ("1.3", true)]);
        self.server(section, Parts { pairs, clients, authorities, is_modern, h2, hsts })
    }

    /// Reads `certificate` and `key`, or the list `certificates` of such pairs.
    fn certificate_pairs(&self, section: &Section<'_>) -> Vec<Pair> {
        let pair = |section: &Section<'_>| {
            let certificate = self.path_of(section, "certificate")?;
            // They may be in one file.
            let key = self.path_of(section, "key").unwrap_or_else(|| certificate.clone());
            Some(Pair { certificate, key, span: section.span_of("certificate") })
        };
        let listed = section.sections("certificates", "listen.proxy.tls.certificates");
        if section.has("certificate") && section.has("certificates") {
            let hint = "name it in the list".to_owned();
            let span = section.span_of("certificate");
            section.error(span, "`certificate` beside `certificates`", Some(hint));
        }
        let mut pairs: Vec<Pair> = if section.has("certificates") {
            listed.iter().filter_map(pair).collect()
        } else {
            pair(section).into_iter().collect()
        };
        if pairs.is_empty() && !section.has("certificate") && !section.has("certificates") {
            let hint =
                "certificate = \"chain.pem\", key = \"key.pem\"; `kgate tls self-signed` makes a pair to try";
            section.error(section.span.clone(), "`tls` needs a certificate", Some(hint.to_owned()));
        }
        let mut seen = BTreeSet::new();
        pairs.retain(|pair| {
            let is_new = seen.insert(pair.certificate.clone());
            if !is_new {
                let message = format!("{} is named twice", pair.certificate.display());
                section.error(pair.span.clone(), message, None);
            }
            is_new
        });
        pairs
    }

    #[cfg(feature = "tls")]
    fn server(&self, section: &Section<'_>, parts: Parts) -> Option<ListenTls> {
        use crate::tls::{Authorities, ClientCertificates, Identity, LeastVersion, Server, ServerSpec};

        let fault = |span, error: crate::tls::TlsError| {
            section.error(span, error.to_string(), Some(advice(&error).to_owned()));
        };
        let mut identities = Vec::new();
        for Pair { certificate, key, span } in &parts.pairs {
            match Identity::read(certificate, key) {
                Ok(identity) => {
                    self.dated(span.clone(), certificate, identity.facts());
                    if identity.facts().names.is_empty() {
                        section.warn(
                            span.clone(),
                            format!("the certificate in {} names no host", certificate.display()),
                            "clients go by its subject alternative names, and refuse it without",
                        );
                    }
                    identities.push(identity);
                }
                Err(error) => fault(span.clone(), error),
            }
        }
        let authorities = match parts.authorities.as_ref().map(|path| Authorities::read(path)) {
            Some(Ok(authorities)) => {
                let path = parts.authorities.as_ref().expect("it was just read");
                let facts = authorities.facts().iter();
                facts.for_each(|facts| self.dated(section.span_of("client_ca"), path, facts));
                Some(authorities)
            }
            Some(Err(error)) => {
                fault(section.span_of("client_ca"), error);
                return None;
            }
            None => None,
        };
        let clients = match (parts.clients, authorities) {
            (Clients::Optional, Some(authorities)) => ClientCertificates::Optional(authorities),
            (Clients::Required, Some(authorities)) => ClientCertificates::Required(authorities),
            (Clients::Off, _) => ClientCertificates::Ignored,
            // That was said.
            (_, None) => return None,
        };
        if identities.len() < parts.pairs.len() || identities.is_empty() {
            return None;
        }
        let least = if parts.is_modern { LeastVersion::Tls13 } else { LeastVersion::Tls12 };
        let server = Server::new(&ServerSpec { identities, clients, least, h2: parts.h2 });
        let server = server.map_err(|error| fault(section.span.clone(), error)).ok()?;
        let asks_clients = parts.clients != Clients::Off;
        let (files, server) = (parts.files(), std::sync::Arc::new(server));
        Some(ListenTls { files, hsts: parts.hsts, asks_clients, server })
    }

    #[cfg(feature = "tls")]
    pub(super) fn dated(&self, span: Range<usize>, path: &std::path::Path, facts: &crate::tls::Facts) {
        let (not_before, not_after) = (facts.not_before, facts.not_after);
        let names = if facts.names.is_empty() { vec![facts.subject.clone()] } else { facts.names.clone() };
        self.dates.borrow_mut().push(Dated { span, path: path.to_owned(), names, not_before, not_after });
    }

    /// Whoever has no gateway listens nowhere.
    #[cfg(not(feature = "tls"))]
    #[allow(clippy::unused_self, clippy::unnecessary_wraps)]
    fn server(&self, _section: &Section<'_>, parts: Parts) -> Option<ListenTls> {
        let asks_clients = parts.clients != Clients::Off;
        Some(ListenTls { files: parts.files(), hsts: parts.hsts, asks_clients })
    }
}

/// A certificate and its key.
struct Pair {
    certificate: PathBuf,
    key: PathBuf,
    span: Range<usize>,
}

/// Whether clients show certificates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Clients {
    Off,
    Optional,
    Required,
}

/// The table as written.
#[cfg_attr(not(feature = "tls"), allow(dead_code, reason = "without a gateway nothing is made of it"))]
struct Parts {
    pairs: Vec<Pair>,
    clients: Clients,
    authorities: Option<PathBuf>,
    is_modern: bool,
    h2: bool,
    hsts: Option<String>,
}

impl Parts {
    fn files(&self) -> Vec<PathBuf> {
        let pairs = self.pairs.iter().flat_map(|pair| [&pair.certificate, &pair.key]);
        let all: BTreeSet<_> = pairs.chain(&self.authorities).cloned().collect();
        all.into_iter().collect()
    }
}

/// RFC 6797 §6.1.
fn hsts(section: &Section<'_>) -> Option<String> {
    let subdomains = section.flag("hsts_subdomains");
    let given = section.has("hsts").then(|| section.parsed::<crate::key::Span>("hsts")).flatten();
    if subdomains && !section.has("hsts") {
        let span = section.span_of("hsts_subdomains");
        section.error(span, "`hsts_subdomains` belongs to `hsts`", Some("hsts = \"365d\"".to_owned()));
    }
    let seconds = given?.value.as_duration().as_secs();
    let rest = if subdomains { "; includeSubDomains" } else { "" };
    Some(format!("max-age={seconds}{rest}"))
}

/// What to do about a file.
#[cfg(feature = "tls")]
fn advice(error: &crate::tls::TlsError) -> &'static str {
    use crate::tls::TlsError;
    match error {
        TlsError::Unreadable { .. } => {
            "the path is relative to the configuration file, and whoever runs kgate must be able to read it"
        }
        TlsError::Mismatch { .. } => "name the key the certificate was asked for with; renew both together",
        TlsError::BrokenChain { .. } => {
            "put the server's own certificate first and after each the one that signed it, as in fullchain.pem"
        }
        TlsError::EncryptedKey { .. } => {
            "take the passphrase away: `openssl pkey -in key.pem -out plain.pem`"
        }
        TlsError::NoCertificate { holds_key: true, .. } | TlsError::NoKey { holds_certificate: true, .. } => {
            "are `certificate` and `key` the right way round?"
        }
        _ => "certificates and keys are PEM files, with BEGIN and END lines",
    }
}

/// When a certificate's end is near enough to speak of: renewals are due well before.
const SOON: Duration = Duration::from_hours(14 * 24);
