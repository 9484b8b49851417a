//! Leaked keys that others report: GitHub's and GitLab's secret scanning, and whoever shares a secret.
//!
//! A signed body goes in, keys end, a verdict on each token comes out. The door that takes the request
//! is somebody else's. Nothing of a body is believed, or even read, before its signature fits; no token
//! of it is logged or stored. Called off the request threads, because it waits for the store.

mod keys;
mod reported;
mod seen;
mod signed;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::config::{Config, Leaks};
use crate::key::{KeyId, Timestamp};
use crate::store::StoreError;

pub use reported::{Label, Verdict};

use keys::KeyLists;
use reported::{Acted, Reported};
use seen::Seen;

/// Who reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source {
    /// GitHub's secret scanning partner program.
    Github,
    /// GitLab's leaked-credential notifications.
    Gitlab,
    /// Somebody who has the shared secret.
    Other,
}

/// A request as it came.
#[derive(Clone, Copy)]
pub struct Alert<'r> {
    /// Where it was sent: who claims to report.
    pub source: Source,
    /// Its header fields.
    pub headers: &'r [(String, Vec<u8>)],
    /// Its body.
    pub body: &'r [u8],
}

/// What became of an alert.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// One for each token, in order.
    pub verdicts: Vec<Verdict>,
    /// How many keys it ended or switched off.
    pub ended: usize,
    /// Keys that were only switched off, or only reported: the audit log says of no revocation.
    pub spared: Vec<KeyId>,
    /// Keys that replaced reported ones, and have not ended: whoever found a key may have rotated it.
    pub successors: Vec<KeyId>,
    /// Whether the same alert was dealt with before, so that nothing was done.
    pub repeated: bool,
}

/// Why an alert is not taken.
#[derive(Debug, thiserror::Error)]
pub enum AlertError {
    /// This source is not configured.
    #[error("alerts from here are not taken")]
    Off,
    /// A header that must be there once is not.
    #[error("the header {0} is missing, or there is more than one")]
    Header(&'static str),
    /// The signature is by a key that is not on the list.
    #[error("the signing key is not known here")]
    UnknownKey,
    /// The signature does not fit the body.
    #[error("the signature does not fit")]
    Signature,
    /// The time it was signed at is too far off.
    #[error("the alert is too old, or its clock is off")]
    Stale,
    /// The very same signed alert was taken before.
    #[error("this alert was taken before")]
    Replayed,
    /// The body is not what an alert looks like.
    #[error("the body is not an array of {{\"type\",\"token\",\"url\",\"source\"}}")]
    Body,
    /// It reports more tokens than one alert may.
    #[error("an alert reports at most {} tokens", Alerts::MAX_TOKENS)]
    TooMany,
    /// The list of public keys cannot be used.
    #[error("cannot use the list of public keys: {0}")]
    KeyList(String),
    /// The store could not be asked or changed. The sender should try again.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Takes alerts in; remembers which.
#[derive(Default)]
pub struct Alerts {
    lists: KeyLists,
    seen: Mutex<Seen>,
}

impl Alerts {
    /// The longest body, in bytes.
    pub const MAX_BODY: usize = 4 << 20;
    /// The most tokens in one alert.
    pub const MAX_TOKENS: usize = 10_000;

    /// Says which source a path stands for, if alerts are taken there at all.
    pub fn source(leaks: &Leaks, path: &str) -> Option<Source> {
        match path {
            "/leaks/github" if leaks.github_keys.is_some() => Some(Source::Github),
            "/leaks/gitlab" if leaks.gitlab_keys.is_some() => Some(Source::Gitlab),
            "/leaks" if leaks.secret.is_some() => Some(Source::Other),
            _ => None,
        }
    }

    /// Checks an alert, ends the keys it reports, and says which tokens were keys.
    ///
    /// GitHub and GitLab send an alert again when they got no answer: the second time it is answered
    /// alike and does nothing. Other senders sign the time, so the same signature twice is refused.
    ///
    /// # Errors
    /// [`AlertError`]; after [`AlertError::Store`] the same alert may be sent again.
    pub fn take(&self, config: &Config, alert: Alert<'_>, now: Timestamp) -> Result<Outcome, AlertError> {
        let proof = match alert.source {
            Source::Github => self.check_public(&alert, config.leaks.github_keys.as_deref(), GITHUB)?,
            Source::Gitlab => self.check_public(&alert, config.leaks.gitlab_keys.as_deref(), GITLAB)?,
            Source::Other => {
                let secret = config.leaks.secret.as_ref().ok_or(AlertError::Off)?;
                signed::check_shared(&alert, secret, config.leaks.window, now)?
            }
        };
        let repeated = self.seen().contains(&proof);
        if repeated && alert.source == Source::Other {
            return Err(AlertError::Replayed);
        }
        let reported = Reported::parse(alert.body)?;
        let Acted { verdicts, ended, spared, successors } =
            reported.act(config, alert.source, !repeated, now)?;
        self.seen().insert(proof);
        Ok(Outcome { verdicts, ended, spared, successors, repeated })
    }

    fn check_public(
        &self,
        alert: &Alert<'_>,
        list: Option<&Path>,
        names: signed::Names,
    ) -> Result<[u8; 32], AlertError> {
        let list = self.lists.read(list.ok_or(AlertError::Off)?)?;
        signed::check_public(alert, &list, names)
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        // What it holds is whole between two calls.
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Source {
    /// Returns its name in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Github => "github",
            Self::Gitlab => "gitlab",
            Self::Other => "alert",
        }
    }
}

/// docs.github.com, "Secret scanning partner program".
const GITHUB: signed::Names =
    signed::Names { key: "Github-Public-Key-Identifier", signature: "Github-Public-Key-Signature" };

/// docs.gitlab.com, "Automatic response to leaked secrets".
const GITLAB: signed::Names =
    signed::Names { key: "Gitlab-Public-Key-Identifier", signature: "Gitlab-Public-Key-Signature" };
