//! The table `[portal]`: what consumers may do for themselves in a browser, and who may sign in how.

use std::time::Duration;

use super::build::{Names, trusted_proxies};
use super::headers::is_header_name;
use super::reader::{Section, shown};
use super::{Address, Listen, TrustedProxies, Upstream};
use crate::key::{KeyTypes, Scope, Timestamp};
use crate::policy::is_host_name;
use crate::store::PortalSession;

/// The table `[portal]`.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Portal {
    /// What browsers call it: `https://portal.example.com`, without a slash at the end.
    pub url: Option<String>,
    /// Whether its own listener speaks TLS.
    pub is_tls: bool,
    /// What its pages are headed with.
    pub title: String,
    /// Whom people may ask.
    pub support: Option<String>,
    /// Where the API itself is, for examples.
    pub api_url: Option<String>,
    /// The names of the key types consumers may make keys of.
    pub key_types: Vec<String>,
    /// The scopes they may give them.
    pub scopes: Vec<Scope>,
    /// How many keys of a consumer may work at once.
    pub max_keys: usize,
    /// The longest a key made here may live.
    pub max_expires: Duration,
    /// The longest a key replaced here may go on working.
    pub max_grace: Duration,
    /// How long a link to sign in is good, unless its maker says otherwise.
    pub invite_expires: Duration,
    /// How long a session may be unused.
    pub session_idle: Duration,
    /// How long a session lasts at most.
    pub session_max: Duration,
    /// Whether operators may sign in.
    pub operators: bool,
    /// Whose word it is taken on who a consumer is.
    pub identity_proxy: Option<IdentityProxy>,
}

/// A proxy that knows who a consumer is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct IdentityProxy {
    /// The header it says so in: the consumer's external id. In lower case.
    pub header: String,
    /// Where it is.
    pub from: TrustedProxies,
}

impl Portal {
    /// Says whether browsers reach it by TLS, so that its cookies may say so.
    pub fn is_secure(&self) -> bool {
        self.url.as_deref().map_or(self.is_tls, |url| url.starts_with("https://"))
    }

    /// Returns when a session is over if nothing more comes.
    pub fn over_at(&self, session: &PortalSession) -> Timestamp {
        session.created_at.plus(self.session_max).min(session.seen_at.plus(self.session_idle))
    }

    /// Returns the host of its URL, with the port if that is given.
    pub fn authority(&self) -> Option<&str> {
        self.url.as_deref()?.split_once("://").map(|(_, authority)| authority)
    }
}

/// Reads the table. `listen` says where the portal listens, which may be nowhere.
pub(super) fn portal(section: &Section<'_>, is_given: bool, listen: &Listen, key_types: &KeyTypes) -> Portal {
    let (listens, is_tls) = (&listen.portal, listen.portal_tls.is_some());
    let url = url(section, "url");
    if is_given && listens.is_empty() {
        let hint = "set `portal` in [listen]: portal = \"127.0.0.1:8083\"";
        section.warn(section.span.clone(), "the portal listens nowhere", hint);
    }
    if url.is_none() && listens.iter().any(|address| matches!(address, Address::Unix(_))) {
        let hint = "say what browsers call it: url = \"https://portal.example.com\"";
        section.warn(section.span.clone(), "nobody can call the portal by its socket's name", hint);
    }
    if let Some(url) = &url
        && url.starts_with("http://")
        && is_tls
    {
        let hint = format!("write \"https{}\", or take `portal_tls` away", url.trim_start_matches("http"));
        section.error(section.span_of("url"), "the portal speaks TLS, and its `url` does not", Some(hint));
    } else if let Some(url) = &url
        && url.starts_with("http://")
        && !is_loopback(url)
    {
        let hint = "put TLS in front of it and write https://";
        section.warn(
            section.span_of("url"),
            "sessions and new keys would cross the network in clear text",
            hint,
        );
    }
    let session_idle = section.duration("session_idle", MINUTE..=YEAR);
    let session_max = section.duration("session_max", MINUTE..=YEAR);
    if session_idle > session_max {
        let span = section.span_of(if section.has("session_idle") { "session_idle" } else { "session_max" });
        section.error(span, "`session_idle` is longer than `session_max`, and would never end one", None);
    }
    Portal {
        url,
        is_tls,
        title: text(section, "title").unwrap_or_default(),
        support: text(section, "support"),
        api_url: self::url(section, "api_url"),
        key_types: taken(section, key_types),
        scopes: scopes(section),
        max_keys: usize::try_from(section.number("max_keys", 0..=400).unwrap_or_default())
            .unwrap_or_default(),
        max_expires: section.duration("max_expires", Duration::from_mins(1)..=100 * YEAR),
        max_grace: section.duration("max_grace", Duration::ZERO..=YEAR),
        invite_expires: section.duration("invite_expires", MINUTE..=YEAR),
        session_idle,
        session_max,
        operators: section.flag("operators"),
        identity_proxy: section
            .section("identity_proxy", "portal.identity_proxy")
            .and_then(|section| identity_proxy(&section)),
    }
}

/// Reads a text for people.
fn text(section: &Section<'_>, name: &str) -> Option<String> {
    let text = section.text(name)?;
    if text.value.trim().is_empty()
        || text.value.chars().count() > 100
        || text.value.contains(char::is_control)
    {
        section.error(text.span, format!("`{name}` must be one line of 1 to 100 characters"), None);
        return None;
    }
    Some(text.value.to_owned())
}

/// Reads a scheme with a host, and nothing behind it.
fn url(section: &Section<'_>, name: &str) -> Option<String> {
    let text = section.text(name)?;
    let url = text.value.strip_suffix('/').unwrap_or(text.value).to_ascii_lowercase();
    let authority = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    if authority.is_some_and(is_authority) {
        return Some(url);
    }
    let hint = "write \"https://HOST\" or \"https://HOST:PORT\", without a path".to_owned();
    section.error(text.span, format!("`{}` is not the address of a site", shown(text.value)), Some(hint));
    None
}

fn is_authority(authority: &str) -> bool {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let is_ip = host.trim_start_matches('[').trim_end_matches(']').parse::<std::net::IpAddr>().is_ok();
    (is_ip || is_host_name(host)) && port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0))
}

fn is_loopback(url: &str) -> bool {
    let authority = url.split_once("://").map_or(url, |(_, authority)| authority);
    let host = match authority.rsplit_once(':') {
        Some((host, port)) if !port.contains(']') => host,
        _ => authority,
    };
    let literal = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || literal.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Returns the names of the key types: those listed, or all.
fn taken(section: &Section<'_>, key_types: &KeyTypes) -> Vec<String> {
    let all: Vec<String> = key_types.as_slice().iter().map(|key_type| key_type.name.clone()).collect();
    if !section.has("key_types") {
        return all;
    }
    let names = Names { what: "key type", names: all };
    let listed = section.texts("key_types");
    listed
        .iter()
        .filter_map(|text| names.find(section, text).map(|index| names.names[index].clone()))
        .collect()
}

fn scopes(section: &Section<'_>) -> Vec<Scope> {
    let mut scopes: Vec<Scope> = Vec::new();
    for text in section.texts("scopes") {
        match text.value.parse::<Scope>() {
            Ok(scope) if scopes.contains(&scope) => {
                section.error(text.span, format!("`{scope}` is listed twice"), None);
            }
            Ok(scope) => scopes.push(scope),
            Err(error) => section.error(text.span, error.to_string(), None),
        }
    }
    if scopes.len() > 64 {
        section.error(section.span_of("scopes"), "a key has at most 64 scopes", None);
    }
    scopes
}

/// Refuses an identity proxy beside a gateway that leads to the portal itself: what clients say of
/// themselves would come from where the proxy is.
pub(super) fn check_way(top: &Section<'_>, portal: &Portal, listens: &[Address], upstreams: &[Upstream]) {
    if portal.identity_proxy.is_none() {
        return;
    }
    let leads_here = |upstream: &&Upstream| {
        upstream.servers.iter().any(|server| listens.contains(server) || is_same_port(server, listens))
    };
    if let Some(upstream) = upstreams.iter().find(leads_here) {
        let message = format!(
            "the upstream `{}` is the portal, so clients could send the header of `identity_proxy` themselves",
            upstream.name
        );
        let hint = "let the route lead to the identity proxy, and that to the portal".to_owned();
        top.error(top.span_of("portal"), message, Some(hint));
    }
}

/// Says whether an address is this machine at a port of the portal.
fn is_same_port(server: &Address, listens: &[Address]) -> bool {
    let port = match server {
        Address::Name(host, port) if host == "localhost" => *port,
        Address::Tcp(at) if at.ip().is_loopback() => at.port(),
        Address::Tcp(_) | Address::Unix(_) | Address::Name(..) => return false,
    };
    listens.iter().any(|address| matches!(address, Address::Tcp(at) if at.port() == port))
}

fn identity_proxy(section: &Section<'_>) -> Option<IdentityProxy> {
    let from = trusted_proxies(section, "from");
    let header = section.text("header")?;
    let name = header.value.to_ascii_lowercase();
    if !is_header_name(&name) || TAKEN.contains(&name.as_str()) {
        let message = format!("`{}` is no header for this", shown(header.value));
        let hint = "the one your proxy sets and takes away from clients: \"X-Auth-Request-User\"".to_owned();
        section.error(header.span, message, Some(hint));
        return None;
    }
    if from.networks.is_empty() && !from.unix {
        let hint = "from = [\"127.0.0.1\"], or \"unix\" for whoever connects through the socket".to_owned();
        section.error(section.span_of("from"), "`from` names no proxy", Some(hint));
        return None;
    }
    if from.networks.as_slice().iter().any(|network| network.prefix_len() < 8) {
        let message = "whoever connects from there can be any consumer by saying so";
        section.warn(section.span_of("from"), message, "name the addresses of your proxy alone");
    }
    Some(IdentityProxy { header: name, from })
}

/// What browsers and clients send themselves.
const TAKEN: &[&str] =
    &["authorization", "cookie", "host", "origin", "referer", "user-agent", "content-type", "content-length"];

const MINUTE: Duration = Duration::from_mins(1);

const YEAR: Duration = Duration::from_hours(365 * 24);
