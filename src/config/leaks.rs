//! The table `[leaks]`: who may report leaked keys, and what happens to them then.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::reader::Section;
use super::{Secret, build};

/// The table `[leaks]`.
#[derive(Clone, Debug, Default)]
pub struct Leaks {
    /// The file of GitHub's public keys; `None`: its alerts are not taken.
    pub github_keys: Option<PathBuf>,
    /// The file of GitLab's public keys; `None`: its alerts are not taken.
    pub gitlab_keys: Option<PathBuf>,
    /// What other senders sign with; `None`: there are none.
    pub secret: Option<Secret>,
    /// How far the clock of such a sender may be off, and for how long an alert of it is good.
    pub window: Duration,
    /// What happens to a live secret key that was reported.
    pub on_alert: OnAlert,
}

/// What happens to a live secret key that was reported.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnAlert {
    /// It is revoked.
    #[default]
    Revoke,
    /// It is switched off.
    Disable,
    /// Nothing but a line in the log.
    Report,
}

impl Leaks {
    /// Says whether anybody's alerts are taken.
    pub fn is_on(&self) -> bool {
        self.github_keys.is_some() || self.gitlab_keys.is_some() || self.secret.is_some()
    }
}

pub(super) fn leaks(builder: &build::Builder<'_>, section: &Section<'_>, has_admin: bool) -> Leaks {
    let leaks = Leaks {
        github_keys: builder.path_of(section, "github_keys"),
        gitlab_keys: builder.path_of(section, "gitlab_keys"),
        secret: builder.secret(section, "secret_file"),
        window: section.duration("window", Duration::from_secs(10)..=Duration::from_hours(24)),
        on_alert: section.choice(
            "on_alert",
            &[("revoke", OnAlert::Revoke), ("disable", OnAlert::Disable), ("report", OnAlert::Report)],
        ),
    };
    for (name, path) in [("github_keys", &leaks.github_keys), ("gitlab_keys", &leaks.gitlab_keys)] {
        if path.as_deref().is_some_and(|path| !Path::is_file(path)) {
            // It may come with the first refresh; until then alerts are refused.
            let hint = "fetch the sender's list of public keys into it; see docs/leaks.md";
            section.warn(section.span_of(name), format!("`{name}` is not there yet"), hint);
        }
    }
    if let Some(secret) = leaks.secret.as_ref().filter(|secret| secret.expose().len() < 32) {
        let message = format!("the secret has only {} bytes", secret.expose().len());
        section.warn(
            section.span_of("secret_file"),
            message,
            "use 32 random bytes or more: `openssl rand -hex 32`",
        );
    }
    if leaks.is_on() && !has_admin {
        let name = ["github_keys", "gitlab_keys", "secret_file"].into_iter().find(|name| section.has(name));
        let hint = "alerts are taken on the admin listener: set `admin` in [listen]".to_owned();
        section.error(
            section.span_of(name.unwrap_or_default()),
            "there is no admin listener to take alerts on",
            Some(hint),
        );
    }
    leaks
}
