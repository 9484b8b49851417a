//! What the server has to say to the person who runs it. The library does not print: whoever started
//! it is handed these.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use crate::gateway::ListenAddress;

/// Something worth a line. `Display` is that line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// It serves.
    Started {
        /// Where the gateway listens.
        proxy: Vec<ListenAddress>,
        /// Where health, readiness and metrics are.
        admin: Option<SocketAddr>,
        /// The revision of the store.
        revision: u64,
        /// How many keys it holds.
        keys: usize,
        /// How many routes there are.
        routes: usize,
        /// How many workers there are.
        workers: usize,
    },
    /// Other processes may serve the directory too.
    Shared,
    /// Something is doubtful, and it goes on.
    Warning(String),
    /// A changed configuration is in force.
    Reloaded {
        /// How many routes there are now.
        routes: usize,
        /// Settings that changed and need a restart.
        needs_restart: Vec<&'static str>,
    },
    /// A changed configuration is bad; the old one stays in force.
    ReloadFailed(String),
    /// It was told to end and waits for what is being asked.
    Draining(Duration),
    /// What was being asked when the wait was over was cut.
    Cut,
    /// It ended.
    Stopped,
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { proxy, admin, revision, keys, routes, workers } => {
                let proxy: Vec<String> = proxy.iter().map(ToString::to_string).collect();
                write!(f, "kgate serves on {}", proxy.join(", "))?;
                if let Some(admin) = admin {
                    write!(f, " (admin on {admin})")?;
                }
                write!(
                    f,
                    ": {}, {}, {}, revision {revision}",
                    counted(*keys, "key"),
                    counted(*routes, "route"),
                    counted(*workers, "worker"),
                )
            }
            Self::Shared => f.write_str(
                "note: with --shared, rates are counted by each process alone: together they let more through",
            ),
            Self::Warning(text) => write!(f, "warning: {text}"),
            Self::Reloaded { routes, needs_restart } => {
                write!(f, "configuration reloaded: {}", counted(*routes, "route"))?;
                if !needs_restart.is_empty() {
                    write!(f, "; changed, but in force only after a restart: {}", needs_restart.join(", "))?;
                }
                Ok(())
            }
            Self::ReloadFailed(text) => {
                write!(f, "error: configuration not reloaded, the old one stays in force\n{}", text.trim_end())
            }
            Self::Draining(budget) => {
                write!(f, "stopping: waiting up to {} s for requests in work", budget.as_secs())
            }
            Self::Cut => f.write_str("warning: requests were cut: they took longer than drain_timeout"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
