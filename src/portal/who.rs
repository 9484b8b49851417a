//! Who is signed in: sessions, and the ways to begin one.
//!
//! A session's secret is in a cookie, and its digest in the usage file, under whoever is signed in. It is a
//! new one at every sign-in. Whether its holder may still do anything is asked of the store with every
//! request: a consumer who is switched off and an admin key that is revoked are out at once.

use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use axum::http::HeaderMap;
use axum::http::header::COOKIE;
use rand::CryptoRng;

use crate::admin::Problem;
use crate::config::{Config, Portal};
use crate::edge::is_trusted;
use crate::key::{ConsumerRecord, Digest, Networks, Rate, Status, Timestamp, Token};
use crate::policy::{Attempts, FailedAuth};
use crate::store::{Action, PortalSession, SignedInBy, Store, StoreError, Usage, Visitor};

use super::visit::{Known, Visit, Who, short};

/// Attempts to begin sessions, and whose turn it is to make keys.
pub(super) struct Book {
    attempts: Attempts,
    rule: FailedAuth,
    /// Held while a consumer makes keys: how many there are is counted before.
    pub(super) making: Mutex<()>,
}

/// What a cookie says.
pub(super) struct Shown {
    visitor: Visitor,
    secret: Token,
}

impl Shown {
    /// What the cookie of a session says that has just begun.
    pub(super) fn new(visitor: Visitor, beginning: &Beginning) -> Self {
        Self { visitor, secret: beginning.secret.clone() }
    }
}

impl Book {
    pub(super) fn new() -> Self {
        let rate: Rate = "10/min".parse().expect("it is a rate");
        Self {
            attempts: Attempts::default(),
            rule: FailedAuth { rate, burst: 10, exempt: Networks::default() },
            making: Mutex::new(()),
        }
    }

    /// Returns how long an address has to wait before it may try to sign in; zero if it may now. Those
    /// whose address is unknown are one.
    pub(super) fn wait(&self, client: Option<IpAddr>, mono: u64) -> Duration {
        self.attempts.wait(client.unwrap_or(UNKNOWN), &self.rule, mono)
    }

    /// Counts a failed attempt.
    pub(super) fn failed(&self, client: Option<IpAddr>, mono: u64) {
        self.attempts.failed(client.unwrap_or(UNKNOWN), &self.rule, mono);
    }
}

const UNKNOWN: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

/// Returns the name of the cookie. With `__Host-` no other host or path can have set it.
pub(super) fn cookie_name(portal: &Portal) -> &'static str {
    if portal.is_secure() { "__Host-kgate" } else { "kgate_portal" }
}

/// Returns the field that sets the cookie, or takes it away.
pub(super) fn set_cookie(portal: &Portal, value: Option<&str>) -> String {
    let (name, secure) = (cookie_name(portal), if portal.is_secure() { "; Secure" } else { "" });
    match value {
        Some(value) => format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}"),
        None => format!("{name}=; Path=/; HttpOnly; SameSite=Lax{secure}; Max-Age=0"),
    }
}

/// Reads the cookie. Of several none counts: one of them may be somebody else's doing.
pub(super) fn shown(headers: &HeaderMap, portal: &Portal) -> Option<Shown> {
    let name = cookie_name(portal);
    let fields = headers.get_all(COOKIE).iter().filter_map(|field| field.to_str().ok());
    let pairs = fields.flat_map(|field| field.split(';')).filter_map(|pair| pair.trim().split_once('='));
    let mut ours = pairs.filter(|(n, _)| *n == name);
    let (Some((_, value)), None) = (ours.next(), ours.next()) else { return None };
    let (visitor, secret) = value.split_once('.')?;
    let visitor = match (visitor.parse(), visitor.parse()) {
        (Ok(consumer), _) => Visitor::Consumer(consumer),
        (_, Ok(admin_key)) => Visitor::Operator(admin_key),
        _ => return None,
    };
    (secret.len() <= 100).then(|| Shown { visitor, secret: Token::from_presented(secret) })
}

/// Finds out who is signed in by a cookie. `proxied` is who an identity proxy says it is.
pub(super) fn find(
    shown: &Shown,
    proxied: Option<&str>,
    (store, usage): (&Store, &Usage),
    config: &Config,
    now: Timestamp,
) -> Result<Option<Known>, StoreError> {
    let digest = Digest::sha256(shown.secret.expose().as_bytes());
    let Some(session) = usage.session(shown.visitor, &digest)? else { return Ok(None) };
    if config.portal.over_at(&session) <= now {
        return Ok(None);
    }
    let who = match shown.visitor {
        Visitor::Consumer(id) => match store.consumer(id) {
            Ok(consumer) if consumer.enabled => Who::Consumer(consumer),
            Ok(_) | Err(StoreError::NoSuchConsumer { .. }) => return Ok(None),
            Err(error) => return Err(error),
        },
        Visitor::Operator(id) => match store.admin_key(id) {
            Ok(key) if config.portal.operators && key.status(now) == Status::Active => Who::Operator(key),
            Ok(_) | Err(StoreError::NoSuchAdminKey { .. }) => return Ok(None),
            Err(error) => return Err(error),
        },
    };
    // What the proxy no longer says is no longer so.
    if session.by == SignedInBy::Proxy {
        let Who::Consumer(consumer) = &who else { return Ok(None) };
        if proxied.is_none() || consumer.external_id.as_deref() != proxied {
            return Ok(None);
        }
    }
    if now.since(session.seen_at) >= SEEN_EVERY.min(config.portal.session_idle / 4) {
        usage.see_session(shown.visitor, &digest, now)?;
    }
    Ok(Some(Known { who, session, csrf: csrf(&shown.secret) }))
}

/// Returns what the identity proxy says, if a request came from it and says it once.
pub(super) fn proxied<'h>(headers: &'h HeaderMap, peer: Option<IpAddr>, portal: &Portal) -> Option<&'h str> {
    let proxy = portal.identity_proxy.as_ref()?;
    if !is_trusted(peer, &proxy.from) {
        return None;
    }
    let mut values = headers.get_all(&proxy.header).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    value.to_str().ok().map(str::trim).filter(|value| !value.is_empty())
}

/// Returns the consumer of an external id.
pub(super) fn consumer_of(store: &Store, external_id: &str) -> Result<Option<ConsumerRecord>, StoreError> {
    // Neither an identifier nor a name is meant.
    Ok(store.consumer_by_external_id(external_id)?.filter(|consumer| consumer.enabled))
}

/// Refuses to sign somebody in more often than people do. A program that keeps no cookie would be signed in with
/// each of its requests, each a row of the audit log, and have its holder's browser signed out for it.
pub(super) fn check_pace(usage: &Usage, visitor: Visitor, now: Timestamp) -> Result<(), Problem> {
    let of_late = |session: &PortalSession| session.created_at.plus(PACE.1) > now;
    if usage.sessions_of(visitor)?.iter().filter(|session| of_late(session)).count() < PACE.0 {
        return Ok(());
    }
    let text = "You were signed in too often of late: does your browser keep cookies? Try again in a while.";
    Err(Problem::new(429, "too_many_sessions", text))
}

/// What every form of a session brings along: it comes of the secret, which no other page can read.
fn csrf(secret: &Token) -> String {
    Digest::sha256(format!("kgate portal form {}", secret.expose()).as_bytes()).to_string()
}

/// A session about to begin.
pub(super) struct Beginning {
    pub(super) secret: Token,
    pub(super) session: PortalSession,
}

impl Beginning {
    pub(super) fn new(visit: &Visit<'_>, by: SignedInBy, rng: &mut impl CryptoRng) -> Self {
        let mut id = [0; 8];
        rng.fill_bytes(&mut id);
        let session = PortalSession {
            id: id.iter().map(|byte| format!("{byte:02x}")).collect(),
            by,
            created_at: visit.now,
            seen_at: visit.now,
            agent: short(&visit.agent, 160),
            from: visit.client,
        };
        let secret = Token::mint(&SESSION_PREFIX.parse().expect("it is a prefix"), rng);
        Self { secret, session }
    }

    pub(super) fn digest(&self) -> Digest {
        Digest::sha256(self.secret.expose().as_bytes())
    }

    /// Returns what the cookie says.
    pub(super) fn cookie(&self, visitor: Visitor) -> String {
        match visitor {
            Visitor::Consumer(id) => format!("{id}.{}", self.secret.expose()),
            Visitor::Operator(id) => format!("{id}.{}", self.secret.expose()),
        }
    }
}

/// Notes that somebody signed in, and who they were before is signed out. A sign-in that the audit log does
/// not know of is none.
pub(super) fn signed_in(
    visit: &Visit<'_>,
    visitor: Visitor,
    beginning: &Beginning,
    known: &Known,
) -> Result<(), StoreError> {
    let usage = visit.usage()?;
    let act = known.caller().act(visit.now, Some(visit.origin()), None);
    let store = visit.acts.desk().store();
    let noted = store
        .map_err(|_| StoreError::ReadOnly)
        .and_then(|store| store.note_portal(Action::PortalSignedIn { subject: visitor.into() }, &act));
    if let Err(error) = noted {
        usage.end_sessions(visitor, Some(beginning.session.id.clone()))?;
        return Err(error);
    }
    if let Some(before) = visit.known {
        usage.end_sessions(before.visitor(), Some(before.session.id.clone()))?;
    }
    let portal = &visit.config.portal;
    usage.trim_sessions(visit.now.minus(portal.session_max), visit.now.minus(portal.session_idle))
}

/// What the secrets of sessions begin with.
const SESSION_PREFIX: &str = "kgate_session";

/// So many sessions of one holder begin in so long by the word of an identity proxy: fewer than are kept.
const PACE: (usize, Duration) = (10, Duration::from_mins(10));

/// How often it is noted that a session is in use.
const SEEN_EVERY: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::key::ConsumerId;

    fn portal(url: &str) -> Portal {
        let text = format!(
            "data_dir = \"d\"\n[portal]\nurl = \"{url}\"\n[[key_type]]\nname = \"a\"\nprefix = \"a\"\n[[upstream]]\nname = \"b\"\nservers = [\"127.0.0.1:1\"]\n[[route]]\nname = \"r\"\npath = \"/**\"\nupstream = \"b\"\n"
        );
        Config::parse(Path::new("kgate.toml"), &text).unwrap_or_else(|error| panic!("{error}")).config.portal
    }

    #[test]
    fn of_several_cookies_none_counts() {
        let portal = portal("https://portal.example");
        let id = ConsumerId::from_bytes([1; 16]);
        let read = |fields: &[String]| {
            let mut headers = HeaderMap::new();
            for field in fields {
                headers.append(COOKIE, field.parse().unwrap());
            }
            shown(&headers, &portal).is_some()
        };
        let good = format!("__Host-kgate={id}.kgate_session_x");
        assert!(read(&[format!("a=b; {good}; c=d")]));
        assert!(!read(&[format!("{good}; {good}")]));
        assert!(!read(&[good.clone(), good]));
        for bad in [
            format!("kgate_portal={id}.x"),
            format!("__Host-kgate={id}"),
            "__Host-kgate=key_1.x".to_owned(),
            format!("__Host-kgate={id}.{}", "x".repeat(101)),
        ] {
            assert!(!read(&[bad]));
        }
    }

    #[test]
    fn a_cookie_over_tls_is_for_its_host_alone() {
        let set = set_cookie(&portal("https://portal.example"), Some("v"));
        assert_eq!(set, "__Host-kgate=v; Path=/; HttpOnly; SameSite=Lax; Secure");
        let set = set_cookie(&portal("http://127.0.0.1:8083"), None);
        assert_eq!(set, "kgate_portal=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    }
}
