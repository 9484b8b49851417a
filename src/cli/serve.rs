//! `kgate serve`

use std::io;
use std::path::Path;

use clap::Args;

use crate::config::Config;
use crate::gateway::BindError;
use crate::serve::{self, AccessFormat, Notice, ServeError, ServeOptions};
use crate::store::StoreError;
use crate::verify::{OpenError, Unready};

use super::advice::{config_failure, store_failure};
use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::signing_key::{no_signing_key, sign_failure};
use super::systemd;
use super::ui::Voice;

/// Run the gateway
///
/// Standard output gets a line for each request, for people on a terminal and as JSON elsewhere, or the
/// file does that kgate.toml names; --json has JSON always. SIGTERM stops it once the
/// requests in work are done; SIGHUP and a change of the file read the configuration anew, and a bad one
/// leaves the old one in force; SIGUSR1 opens the log's file anew.
#[derive(Args)]
pub(super) struct Serve {
    /// Serve beside another `kgate serve` on the same data directory; rates then count per process
    #[arg(long)]
    shared: bool,
    /// Take over from the `kgate serve` that runs on the same data directory, without a pause
    ///
    /// It hands over its listening sockets and its counts of rates, answers what it was asked, and ends. If
    /// this process does not get as far as serving, the other one goes on as if nothing had been.
    #[arg(long, conflicts_with = "shared")]
    upgrade: bool,
}

pub(super) fn run(args: &Serve, session: &Session) -> Outcome {
    let path = session.config_path()?;
    let loaded = Config::read(&path).map_err(|e| config_failure(&e))?;
    let voice = session.ui.voice();
    let options = ServeOptions {
        is_shared: args.shared,
        is_upgrade: args.upgrade,
        inherited: systemd::sockets(),
        data_dir: session.named_data_dir().map(Path::to_owned),
        access_format: session.wants_json().then_some(AccessFormat::Json),
        notify: Box::new(move |notice| {
            say(voice, notice);
            systemd::tell(notice);
        }),
        ..ServeOptions::default()
    };
    serve::run(loaded, options).map_err(|error| failure(&error))?;
    Ok(Answer::Yes)
}

fn say(voice: Voice, notice: &Notice) {
    match notice {
        Notice::Warning(text) => voice.warn(text),
        Notice::ReloadFailed(text) => voice.fail(
            &Failure::cannot("the configuration was not reloaded, the old one stays in force")
                .help(format!("`kgate check` shows the mistakes\n{}", text.trim_end())),
        ),
        Notice::GrantsFailed(why) => voice.fail(
            &Failure::cannot("quotas cannot be granted: keys that used up their grant get 503")
                .help(format!("make the usage file in the data directory writable again: {why}")),
        ),
        other => voice.status(&other.to_string()),
    }
}

fn failure(error: &ServeError) -> Failure {
    match error {
        ServeError::Config(error) => config_failure(error),
        ServeError::Store(OpenError::Store(error)) => store_failure(error),
        ServeError::Store(OpenError::Unready(error)) => unready(error),
        ServeError::AlreadyServed { .. } => Failure::cannot(error.to_string()).help(
            "stop it first, or pass --shared to serve beside it: rates then count in each process alone",
        ),
        ServeError::Upgrade { source, .. } => {
            let failure = Failure::cannot(error.to_string());
            match source.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                    failure.help("none serves it: start without --upgrade")
                }
                _ => failure,
            }
        }
        ServeError::Bind(error) => bind(error),
        ServeError::Tell { .. } => Failure::cannot(error.to_string())
            .help("name the authorities that vouch for it with `ca_file`, or install `ca-certificates`"),
        ServeError::AccessLog { .. } => Failure::cannot(error.to_string())
            .help("set `file` in [access_log] to one that this user may write, or leave it out for stdout"),
        ServeError::Sign(error) => sign_failure(error),
        ServeError::NoSigningKey(missing) => no_signing_key(missing),
        ServeError::Lock { path, source } if source.kind() == io::ErrorKind::NotFound => {
            store_failure(&StoreError::NoStore { dir: path.parent().unwrap_or(path).to_owned() })
        }
        ServeError::Lock { source, .. } => Failure::cannot(error.to_string()).because(source),
        other => Failure::cannot(other.to_string()),
    }
}

fn unready(error: &Unready) -> Failure {
    let failure = Failure::cannot(format!("the store cannot be trusted: {error}"));
    match error {
        Unready::Older(_) => failure.help(
            "if this is meant, `kgate doctor --accept-older-store` lists what would be lost and goes on from here",
        ),
        _ => failure.help("run `kgate doctor`"),
    }
}

fn bind(error: &BindError) -> Failure {
    Failure::cannot(format!("cannot listen on {}", error.address))
        .because(&error.source)
        .help_maybe(in_use(&error.source))
}

fn in_use(error: &io::Error) -> Option<String> {
    match error.kind() {
        io::ErrorKind::AddrInUse => {
            Some("another program listens there: stop it, or change [listen] in kgate.toml".to_owned())
        }
        io::ErrorKind::PermissionDenied => Some(
            "ports below 1024 need a privilege: use a higher one, or grant CAP_NET_BIND_SERVICE".to_owned(),
        ),
        _ => None,
    }
}
