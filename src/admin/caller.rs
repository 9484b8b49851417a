//! Who calls: an admin key, somebody with a certificate, or a process of this machine on the Unix socket.

use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;

use crate::config::Config;
use crate::key::{Digest, Role, Status, Timestamp, Token};
use crate::store::{Act, Actor, Request, Via};

use super::desk::Desk;
use super::problem::Problem;
use super::server::Came;

/// The other end of a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Peer {
    /// Over TCP, from this address.
    Ip(IpAddr),
    /// On a Unix socket: the user the kernel says it is, unless it is this process itself or speaks for
    /// somebody else.
    Unix(Option<u32>),
}

/// Somebody who may call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// As the audit log names them.
    pub name: String,
    /// What they may do.
    pub role: Role,
    /// The admin key's identifier, if it is one.
    pub admin_key: Option<String>,
    /// Through which door they come.
    pub via: Via,
}

impl Caller {
    /// Returns what they do now.
    pub fn act(&self, at: Timestamp, note: Option<String>, request: Option<Request>) -> Act {
        Act { actor: Actor { user: self.name.clone(), via: self.via }, at, note, request }
    }
}

/// What a request brings to show who sends it.
pub(super) enum Credential {
    /// Nothing.
    None,
    /// Something that may be an admin key.
    Token(Token),
    /// Something that cannot be one: several, or another scheme.
    Bad,
}

impl Credential {
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let (Some(value), None) = (values.next(), values.next()) else {
            return if headers.contains_key(AUTHORIZATION) { Self::Bad } else { Self::None };
        };
        let token = value.to_str().ok().and_then(|text| {
            let (scheme, token) = text.split_at_checked(SCHEME.len())?;
            (scheme.eq_ignore_ascii_case(SCHEME) && token.len() <= LONGEST).then(|| token.trim_start())
        });
        token.map_or(Self::Bad, |token| Self::Token(Token::from_presented(token)))
    }
}

/// Finds out who calls. It reads the store, so an admin key that was revoked before this began is refused.
///
/// # Errors
/// One answer whatever is wrong with the credential; 429 before any look-up if too many were wrong.
pub(super) fn authenticate(desk: &Desk, credential: &Credential, came: &Came) -> Result<Caller, Problem> {
    let config = desk.config();
    let rule = config.server.failed_auth.as_ref();
    let now = desk.now();
    let limited = match came.from {
        Peer::Ip(address) => rule.map(|rule| (address, rule)),
        Peer::Unix(_) => None,
    };
    if let Some((address, rule)) = limited {
        let wait = desk.attempts().wait(address, rule, now.mono);
        if !wait.is_zero() {
            let seconds = (wait.as_secs() + 1).to_string();
            let text = "too many wrong credentials came from this address";
            return Err(
                Problem::new(429, "too_many_failures", text).with(axum::http::header::RETRY_AFTER, seconds)
            );
        }
    }
    let known = match credential {
        Credential::None => {
            let known = by_peer(desk, came.from).or_else(|| by_certificate(&config, came));
            return known.ok_or_else(Problem::unauthorized);
        }
        Credential::Token(token) => by_key(desk, token, now.wall)?,
        Credential::Bad => None,
    };
    known.ok_or_else(|| {
        if let Some((address, rule)) = limited {
            desk.attempts().failed(address, rule, now.mono);
        }
        Problem::unauthorized()
    })
}

/// Says whether a request was passed on by a proxy, by what every proxy adds, and kgate too. Whoever sent it is not
/// whom the kernel sees at the socket: this gateway before an upgrade, or another one on the same data.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    FORWARDED.iter().any(|name| headers.contains_key(*name))
}

fn by_key(desk: &Desk, token: &Token, now: Timestamp) -> Result<Option<Caller>, Problem> {
    let digest = Digest::sha256(token.expose().as_bytes());
    let key = desk.store()?.admin_key_by_digest(&digest)?;
    Ok(key.filter(|key| key.status(now) == Status::Active).map(|key| Caller {
        name: format!("{} ({})", key.id, key.name),
        role: key.role,
        admin_key: Some(key.id.to_string()),
        via: Via::Admin,
    }))
}

/// Whoever could open the data directory anyway may do everything: its owner, and root.
fn by_peer(desk: &Desk, peer: Peer) -> Option<Caller> {
    let Peer::Unix(Some(uid)) = peer else { return None };
    let owner = std::fs::metadata(&desk.config().data_dir).ok()?.uid();
    (uid == 0 || uid == owner).then(|| Caller {
        name: format!("uid {uid}"),
        role: Role::Admin,
        admin_key: None,
        via: Via::Admin,
    })
}

/// Whoever shows a certificate that has a role: of several names that have one the highest.
fn by_certificate(config: &Config, came: &Came) -> Option<Caller> {
    let names = came.certificate.as_ref()?.names();
    let roles = config.listen.admin_tls.as_ref()?.roles.iter();
    let (name, role) = roles.filter(|(name, _)| names.contains(name)).max_by_key(|(_, role)| *role)?;
    Some(Caller { name: name.clone(), role: *role, admin_key: None, via: Via::Admin })
}

const FORWARDED: &[&str] =
    &["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip"];

const SCHEME: &str = "Bearer ";

/// An admin key has 50 bytes; what is longer is none.
const LONGEST: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exactly_one_bearer_is_a_credential() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, value.parse().unwrap());
            }
            Credential::of(&headers)
        };
        assert!(matches!(of(&[]), Credential::None));
        for good in ["Bearer x", "bearer x", "BEARER  x"] {
            assert!(matches!(of(&[good]), Credential::Token(token) if token.expose() == "x"), "{good}");
        }
        let long = format!("Bearer {}", "x".repeat(LONGEST + 1));
        for bad in
            [&["Basic eDp4"][..], &["x"], &["Bearer x", "Bearer x"], &["Bearer x", "Basic y"], &[&long]]
        {
            assert!(matches!(of(bad), Credential::Bad), "{bad:?}");
        }
    }
}
