//! The tables `[[webhook]]` and `[traces]`: whom kgate tells of what happens, and how it reaches them.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Section;
use super::report::did_you_mean;
use super::{Secret, build};
use crate::key::{Digest, Networks};

/// Somebody who is told of events.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Its name in logs and metrics.
    pub name: String,
    /// Where it is and how it is reached.
    pub outlet: Outlet,
    /// What events are signed with.
    pub secret: Secret,
    /// The events it is told of.
    pub events: Vec<EventKind>,
    /// How long an event is tried before it is given up.
    pub retry_for: Duration,
}

impl PartialEq for Webhook {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
            && self.outlet == other.outlet
            && self.secret.is(other.secret.expose())
            && self.events == other.events
            && self.retry_for == other.retry_for
    }
}

/// Where traces go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Traces {
    /// The collector.
    pub outlet: Outlet,
    /// One in how many requests is traced that nobody decided about; 0 is none.
    pub one_in: u32,
    /// What this service is called.
    pub service: String,
}

/// A URL, and what keeps requests to it where they belong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outlet {
    /// The URL, `https://…` or `http://…`.
    pub url: String,
    /// Networks that are not of the public internet in which its host may be. Without TLS it must be in one
    /// of them.
    pub networks: Networks,
    /// A file with the certificates of authorities that vouch for it, instead of the machine's.
    pub ca_file: Option<NamedFile>,
    /// How long a request to it may take.
    pub timeout: Duration,
}

/// A file that was named, and what was in it: another in its place is not the same.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NamedFile {
    /// Where it is.
    pub path: PathBuf,
    /// The digest of what was in it.
    pub content: Digest,
}

/// What happened.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum EventKind {
    /// Keys were revoked, for another reason than a leak.
    KeyRevoked,
    /// Keys were revoked since they leaked.
    KeyLeaked,
    /// A key will expire in 30, 7 or 1 days.
    KeyExpiring,
    /// A key was used that had been revoked or had expired.
    KeyUsedAfterEnd,
    /// 80 or 100 % of a quota are used.
    QuotaReached,
    /// The audit log has a new end.
    AuditHead,
}

impl EventKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::KeyRevoked,
        Self::KeyLeaked,
        Self::KeyExpiring,
        Self::KeyUsedAfterEnd,
        Self::QuotaReached,
        Self::AuditHead,
    ];

    /// Returns its name in the configuration and in events.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::KeyRevoked => "key.revoked",
            Self::KeyLeaked => "key.leaked",
            Self::KeyExpiring => "key.expiring",
            Self::KeyUsedAfterEnd => "key.used_after_end",
            Self::QuotaReached => "quota.reached",
            Self::AuditHead => "audit.head",
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

pub(super) fn webhooks(builder: &build::Builder<'_>, sections: &[Section<'_>]) -> Vec<Webhook> {
    let mut seen = BTreeSet::new();
    let hook = |section| webhook(builder, section, &mut seen);
    sections.iter().filter_map(hook).collect()
}

fn webhook(
    builder: &build::Builder<'_>,
    section: &Section<'_>,
    seen: &mut BTreeSet<String>,
) -> Option<Webhook> {
    let name = build::name_of(section, "name", seen);
    let outlet = outlet(builder, section, "webhook");
    let secret = builder.secret(section, "secret_file");
    if let Some(short) = secret.as_ref().filter(|secret| secret.expose().len() < 32) {
        let message = format!("the secret has only {} bytes", short.expose().len());
        let hint = "use 32 random bytes or more: `openssl rand -hex 32`";
        section.warn(section.span_of("secret_file"), message, hint);
    }
    let mut events = Vec::new();
    for text in section.texts("events") {
        let names = || EventKind::ALL.iter().map(|kind| kind.as_str());
        match EventKind::ALL.iter().find(|kind| kind.as_str() == text.value) {
            Some(kind) if events.contains(kind) => {
                section.error(text.span, format!("`{kind}` is listed twice"), None);
            }
            Some(kind) => events.push(*kind),
            None => {
                let hint = did_you_mean(text.value, names()).map_or_else(
                    || format!("there are {}", names().collect::<Vec<_>>().join(", ")),
                    |meant| format!("did you mean `{meant}`?"),
                );
                let message = format!("there is no event `{}`", super::reader::shown(text.value));
                section.error(text.span, message, Some(hint));
            }
        }
    }
    if events.is_empty() {
        section.warn(
            section.span_of("events"),
            "it is told of nothing",
            "leave `events` out for all of them",
        );
    }
    let retry_for = section.duration("retry_for", Duration::from_mins(1)..=Duration::from_hours(24 * 30));
    Some(Webhook { name: name?, outlet: outlet?, secret: secret?, events, retry_for })
}

pub(super) fn traces(builder: &build::Builder<'_>, section: &Section<'_>) -> Option<Traces> {
    let outlet = outlet(builder, section, "traces");
    let one_in = section.number("one_in", 0..=1_000_000).and_then(|n| u32::try_from(n).ok()).unwrap_or(1);
    let service = section.text("service").map_or_else(String::new, |text| text.value.to_owned());
    Some(Traces { outlet: outlet?, one_in, service })
}

fn outlet(builder: &build::Builder<'_>, section: &Section<'_>, what: &str) -> Option<Outlet> {
    let networks = networks(section);
    let ca_file = builder.path_of(section, "ca_file").and_then(|path| {
        let content = path.is_file().then(|| std::fs::read(&path).ok()).flatten();
        if content.is_none() {
            let hint = "the path is relative to the configuration file".to_owned();
            let message = format!("there is no file {}, or it cannot be read", path.display());
            section.error(section.span_of("ca_file"), message, Some(hint));
        }
        Some(NamedFile { content: Digest::sha256(&content?), path })
    });
    let timeout = section.duration("timeout", Duration::from_millis(100)..=Duration::from_mins(1));
    let url = section.text("url")?;
    let fault = |message: String, hint: &str| {
        section.error(url.span.clone(), message, Some(hint.to_owned()));
        None
    };
    let Some(parts) = Url::parse(url.value) else {
        return fault("`url` is not a URL".to_owned(), "write \"https://host/path\"");
    };
    if !parts.is_tls && networks.is_empty() {
        return fault(
            format!("what is sent to this {what} would cross the network in clear text"),
            "use https, or name the private network it is in: networks = [\"127.0.0.0/8\"]",
        );
    }
    if let Ok(address) = parts.host.parse::<IpAddr>()
        && !may_reach(address, &networks, parts.is_tls)
    {
        return fault(
            format!("`{address}` is not an address of the public internet"),
            "if it is meant, name its network: networks = [\"10.1.2.0/24\"]",
        );
    }
    Some(Outlet { url: url.value.to_owned(), networks, ca_file, timeout })
}

fn networks(section: &Section<'_>) -> Networks {
    let mut networks = Vec::new();
    for text in section.texts("networks") {
        match Networks::parse_one(text.value) {
            Ok(network) => networks.push(network),
            Err(error) => section.error(text.span, error.to_string(), None),
        }
    }
    networks.into_iter().collect()
}

/// Says whether an address may be connected to: one of the public internet with TLS, or one of a network
/// that was named. Whoever can choose a URL, or a name's address, must not reach what only we can: metadata
/// services, databases, our own admin listener.
pub fn may_reach(address: IpAddr, networks: &Networks, is_tls: bool) -> bool {
    let address = address.to_canonical();
    networks.contain(address) || (is_tls && is_public(address))
}

/// RFC 6890 and its successors, from what is not to be reached from outside.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            let is_special = v4.is_unspecified()
                || v4.is_loopback()
                || v4.is_private()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                // Carriers' NAT, protocol assignments, benchmarks.
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19));
            !is_special
        }
        IpAddr::V6(v6) => {
            let segments = v6.segments();
            // Global unicast is 2000::/3; out of it go tunnels, which lead to IPv4 addresses, and examples.
            let is_global = segments[0] & 0xe000 == 0x2000;
            let is_tunnel = segments[0] == 0x2002 || (segments[0] == 0x2001 && segments[1] < 0x200);
            let is_example = (segments[0] == 0x2001 && segments[1] == 0xdb8) || segments[0] == 0x3fff;
            is_global && !is_tunnel && !is_example
        }
    }
}

/// What a URL says of where it leads.
struct Url<'u> {
    is_tls: bool,
    host: &'u str,
}

impl<'u> Url<'u> {
    /// Reads `https://host[:port][/path]`. User names are refused: a secret has a file.
    fn parse(url: &'u str) -> Option<Self> {
        let (is_tls, rest) = match url.strip_prefix("https://") {
            Some(rest) => (true, rest),
            None => (false, url.strip_prefix("http://")?),
        };
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        let (host, port) = match authority.strip_prefix('[') {
            Some(rest) => {
                let (host, port) = rest.split_once(']')?;
                host.parse::<std::net::Ipv6Addr>().ok()?;
                (host, port)
            }
            None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
        };
        let is_port = port.is_empty()
            || port.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
        let is_plain = url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['#', '@', '\\']);
        (is_plain && is_port && !host.is_empty()).then_some(Self { is_tls, host })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_public_or_named_is_reached() {
        let reach = |text: &str, networks: &[&str], is_tls| {
            let networks = networks.iter().map(|text| Networks::parse_one(text).unwrap()).collect();
            may_reach(text.parse().unwrap(), &networks, is_tls)
        };
        for public in ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1"] {
            assert!(reach(public, &[], true), "{public}");
            assert!(!reach(public, &[], false), "{public} without TLS");
        }
        for inside in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fc00::1",
            "fd00:ec2::254",
            "fec0::1",
            "ff02::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "2001::1",
            "3fff::1",
        ] {
            assert!(!reach(inside, &[], true), "{inside}");
        }
        assert!(reach("127.0.0.1", &["127.0.0.0/8"], false));
        assert!(reach("::ffff:10.1.2.3", &["10.1.2.0/24"], true));
        assert!(!reach("10.1.3.3", &["10.1.2.0/24"], true));
    }

    #[test]
    fn urls_are_taken_apart_and_tricks_refused() {
        for (url, host) in [
            ("https://hooks.example.com", "hooks.example.com"),
            ("https://hooks.example.com:8443/a?b=c", "hooks.example.com"),
            ("http://127.0.0.1:4318/v1/traces", "127.0.0.1"),
            ("https://[::1]:1/", "::1"),
        ] {
            assert_eq!(Url::parse(url).unwrap().host, host, "{url}");
        }
        for url in [
            "",
            "https://",
            "https:///a",
            "ftp://a",
            "a.example.com",
            "https://u:p@a/",
            "https://a#b",
            "https://a b/",
            "https://a:0",
            "https://a:99999",
            "https://a:x",
            "https://[::1",
            "https://[a]/",
            "https://a\\@b/",
            "HTTPS://a",
        ] {
            assert!(Url::parse(url).is_none(), "{url}");
        }
    }
}
