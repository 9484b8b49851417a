//! What the server has to say to the person who runs it. The library does not print: whoever started
//! it is handed these.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::gateway::ListenAddress;
use crate::key::{ConsumerId, KeyId};
use crate::store::{AlertKind, AuditHead};
use crate::verify::GrantTrouble;

/// Something worth a line. `Display` is that line.
#[derive(Debug)]
#[non_exhaustive]
pub enum Notice {
    /// It serves.
    Started {
        /// Where the gateway listens.
        proxy: Vec<ListenAddress>,
        /// Where the sidecar listens.
        sidecar: Vec<ListenAddress>,
        /// Where health, readiness, metrics and the admin API are.
        admin: Vec<ListenAddress>,
        /// Where the portal is.
        portal: Vec<ListenAddress>,
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
    /// A key that had ended was used; said once a minute at most of each key.
    EndedKeyUsed {
        /// What was wrong with it.
        kind: AlertKind,
        /// The key.
        key: KeyId,
        /// Who held it.
        consumer: Option<ConsumerId>,
        /// Where the request came from.
        from: Option<IpAddr>,
    },
    /// The access log cannot be written; said once a minute at most. Requests go on.
    AccessLogFails(String),
    /// The access log can be written again.
    AccessLogWorks {
        /// How many lines were lost since the start.
        lost: u64,
    },
    /// Lines came faster than they could be written; said once a minute at most.
    AccessLinesLost {
        /// How many were lost since it was last said.
        lost: u64,
    },
    /// The end of the audit log, told so that it is kept elsewhere.
    AuditHead(AuditHead),
    /// Somebody who is to be told of events or traces does not take them, or takes them again.
    Telling {
        /// Who.
        who: String,
        /// Why not; `None`: they take them again.
        problem: Option<String>,
    },
    /// Quotas cannot be granted; said every ten seconds at most.
    GrantsFailed(String),
    /// Quotas can be granted again.
    GrantsWork,
    /// A changed configuration is in force.
    Reloaded {
        /// How many routes there are now.
        routes: usize,
        /// Settings that changed and need a restart.
        needs_restart: Vec<&'static str>,
    },
    /// Other signing keys are in force.
    SigningKeys,
    /// A changed configuration is bad; the old one stays in force.
    ReloadFailed(String),
    /// Somebody reported leaked keys.
    Alert {
        /// Who.
        source: &'static str,
        /// How many tokens.
        tokens: usize,
        /// How many keys were ended for it.
        ended: usize,
        /// Keys that were only switched off, or only reported.
        spared: Vec<KeyId>,
        /// Keys that replaced reported ones, and have not ended.
        successors: Vec<KeyId>,
        /// Whether it was dealt with before.
        repeated: bool,
    },
    /// Somebody sent an alert that is not taken.
    AlertRefused {
        /// Who it claims to be from.
        source: &'static str,
        /// Why.
        problem: String,
    },
    /// Another process serves in its place.
    HandedOver {
        /// Which, if it said.
        pid: Option<u32>,
    },
    /// It was told to end and waits for what is being asked.
    Draining(Duration),
    /// What was being asked when the wait was over was cut.
    Cut,
    /// It ended.
    Stopped,
}

impl Notice {
    pub(super) fn of_grants(trouble: &GrantTrouble) -> Self {
        match trouble {
            GrantTrouble::Failed(error) => Self::GrantsFailed(error.to_string()),
            GrantTrouble::Over => Self::GrantsWork,
        }
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Started { proxy, sidecar, admin, portal, revision, keys, routes, workers } => {
                let listed = |all: &[ListenAddress]| {
                    all.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
                };
                write!(f, "kgate serves")?;
                if !proxy.is_empty() {
                    write!(f, " on {}", listed(proxy))?;
                }
                if !sidecar.is_empty() {
                    let and = if proxy.is_empty() { "" } else { "," };
                    write!(f, "{and} other proxies on {}", listed(sidecar))?;
                }
                if !admin.is_empty() {
                    write!(f, " (admin on {})", listed(admin))?;
                }
                if !portal.is_empty() {
                    write!(f, " (portal on {})", listed(portal))?;
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
            Self::EndedKeyUsed { kind, key, consumer, from } => {
                write!(f, "alert: {}: {key}", kind.as_str())?;
                if let Some(consumer) = consumer {
                    write!(f, " of {consumer}")?;
                }
                if let Some(from) = from {
                    write!(f, ", from {from}")?;
                }
                f.write_str("; see `kgate audit --alerts`")
            }
            Self::AccessLogFails(why) => write!(
                f,
                "warning: the access log cannot be written, its lines are lost and counted, requests go on: {why}"
            ),
            Self::AccessLogWorks { lost } => {
                write!(f, "the access log is written again; {} lost since the start", lines(*lost))
            }
            Self::AccessLinesLost { lost } => {
                write!(f, "warning: the access log cannot keep up: {} lost", lines(*lost))
            }
            Self::AuditHead(head) => write!(f, "audit head {head}"),
            Self::Telling { who, problem: Some(problem) } => {
                write!(f, "warning: {who} does not take what it is told, which is tried again: {problem}")
            }
            Self::Telling { who, problem: None } => write!(f, "{who} takes what it is told again"),
            Self::GrantsFailed(why) => {
                write!(f, "error: quotas cannot be granted, so keys that used up their grant get 503: {why}")
            }
            Self::GrantsWork => f.write_str("quotas can be granted again"),
            Self::Reloaded { routes, needs_restart } => {
                write!(f, "configuration reloaded: {}", counted(*routes, "route"))?;
                if !needs_restart.is_empty() {
                    write!(f, "; changed, but in force only after a restart: {}", needs_restart.join(", "))?;
                }
                Ok(())
            }
            Self::SigningKeys => f.write_str("signing keys read anew"),
            Self::ReloadFailed(text) => {
                write!(f, "error: configuration not reloaded, the old one stays in force\n{}", text.trim_end())
            }
            Self::Alert { source, tokens, ended, repeated, successors, spared: _ } => {
                let again = if *repeated { ", as it did before" } else { "" };
                write!(
                    f,
                    "{source} reported {} as leaked{again}: {} ended",
                    counted(*tokens, "token"),
                    counted(*ended, "key")
                )?;
                warn_of(successors, f)
            }
            Self::AlertRefused { source, problem } => {
                write!(f, "warning: an alert from {source} was refused: {problem}")
            }
            Self::HandedOver { pid } => {
                let pid = pid.map(|pid| format!(" ({pid})")).unwrap_or_default();
                write!(f, "another process{pid} serves now")
            }
            Self::Draining(budget) => {
                write!(f, "stopping: waiting up to {} s for requests in work", budget.as_secs())
            }
            Self::Cut => f.write_str("warning: requests were cut: they took longer than drain_timeout"),
            Self::Stopped => f.write_str("stopped"),
        }
    }
}

fn lines(count: u64) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), "line")
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Whoever found a key may have rotated it.
fn warn_of(successors: &[KeyId], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Some(newest) = successors.last() else { return Ok(()) };
    write!(
        f,
        "\nwarning: {newest} replaced one of them and still works: `kgate audit --key {newest}` says who did that, \
         and from where"
    )?;
    match successors.len() {
        1 => Ok(()),
        more => write!(f, "; so do {} before it", counted(more - 1, "key")),
    }
}
