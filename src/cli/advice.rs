//! What the command line advises for what the rooms below report.
//!
//! One table an error family. The rooms state facts; which command helps is known only here.

use crate::config::ConfigError;
use crate::store::{Holder, StoreError};

use super::failure::Failure;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        store_failure(&error)
    }
}

/// Turns a store's error into what a person reads.
pub(super) fn store_failure(error: &StoreError) -> Failure {
    let failure =
        if says_no(error) { Failure::no(error.to_string()) } else { Failure::cannot(error.to_string()) };
    let failure = match std::error::Error::source(error) {
        Some(source) if !error.to_string().ends_with(&source.to_string()) => failure.because(source),
        _ => failure,
    };
    store_advice(error).into_iter().fold(failure, Failure::help)
}

/// Says whether the error is an answer ("no such key", "it was revoked") and not a fault.
fn says_no(error: &StoreError) -> bool {
    matches!(
        error,
        StoreError::NoSuchKey { .. }
            | StoreError::NoSuchConsumer { .. }
            | StoreError::Revoked { .. }
            | StoreError::Expired { .. }
            | StoreError::Disabled { .. }
            | StoreError::AlreadyRotated { .. }
            | StoreError::ExternalIdTaken { .. }
            | StoreError::NoSuchAdminKey { .. }
            | StoreError::AdminKeyEnded { .. }
    )
}

fn store_advice(error: &StoreError) -> Vec<String> {
    let one = |text: &str| vec![text.to_owned()];
    match error {
        StoreError::NoStore { .. } => {
            one("run `kgate init` to make one, or name another directory with --data-dir")
        }
        StoreError::AlreadyThere { .. } => one("use it as it is, or name another directory with --data-dir"),
        StoreError::FileExists { .. } => one("name another file, or pass --overwrite to replace it"),
        StoreError::OwnFile { .. } => one("name another file: a backup in its place would be the end of it"),
        StoreError::Foreign { .. } | StoreError::NotRegular { .. } => {
            one("check data_dir in kgate.toml and --data-dir; kgate never touches a file it did not make")
        }
        StoreError::Truncated { .. } | StoreError::Corrupted { .. } => vec![
            "run `kgate doctor` to see what can still be read".to_owned(),
            "move the file away and bring a backup back with `kgate restore FILE`".to_owned(),
        ],
        StoreError::TooNew { .. } => one("use the newer kgate that made it; nothing was changed"),
        StoreError::TooOld { .. } => {
            one("stop kgate on this directory, then run `kgate doctor --migrate`: it makes a backup first")
        }
        StoreError::Older { .. } | StoreError::Diverged { .. } => one(
            "if this is meant, `kgate doctor --accept-older-store` lists what would be lost and goes on from here",
        ),
        StoreError::NetworkFilesystem { .. } => {
            one("put the data directory on a local disk: locks of network filesystems lose changes")
        }
        StoreError::DiskFull { .. } => {
            one("make room and run the command again; only what was reported as done was done")
        }
        StoreError::Io { error, .. } if error.kind() == std::io::ErrorKind::NotFound => {
            one("check the path, and that its directory is there")
        }
        StoreError::Io { .. } => one(
            "look what the system says of the disk (`dmesg`), then run `kgate doctor`; only what was reported as done was done",
        ),
        StoreError::NotWritable { .. } => one(
            "check the owner and mode of the data directory and whether its filesystem is mounted read-only",
        ),
        StoreError::Held { holders, .. } => holder_advice(holders),
        StoreError::OutcomeUnknown { subjects, .. } => outcome_advice(subjects),
        StoreError::Poisoned { .. } => one("run the command again"),
        StoreError::Damaged { .. } => {
            one("run `kgate doctor`; a backup that has the record brings it back with `kgate restore FILE`")
        }
        StoreError::NoSuchKey { .. } => one("`kgate key list` shows all keys"),
        StoreError::NoSuchConsumer { .. } => one("`kgate consumer list` shows all consumers"),
        StoreError::AmbiguousConsumer { ids, .. } => vec![format!(
            "name one by its id: {}",
            ids.iter().take(10).map(ToString::to_string).collect::<Vec<_>>().join(", ")
        )],
        StoreError::ExternalIdTaken { holder, .. } => {
            vec![format!("`kgate consumer show {holder}` shows it")]
        }
        StoreError::Revoked { .. } | StoreError::Expired { .. } => {
            one("create a new key with `kgate key create --consumer …`")
        }
        StoreError::Disabled { id, .. } => vec![format!("enable it first with `kgate key enable {id}`")],
        StoreError::AlreadyRotated { by, .. } => {
            vec![format!("its successor is {by}: `kgate key show {by}`")]
        }
        StoreError::NoSuchAdminKey { .. } => one("`kgate admin-key list` shows all admin keys"),
        StoreError::AdminKeyEnded { .. } => one("create another with `kgate admin-key create`"),
        _ => Vec::new(),
    }
}

fn holder_advice(holders: &[Holder]) -> Vec<String> {
    let mut advice: Vec<String> = holders
        .iter()
        .filter(|h| h.is_stopped)
        .map(|h| {
            format!("process {0} is stopped: `kill -CONT {0}` lets it go on, `kill -9 {0}` ends it", h.pid)
        })
        .collect();
    if advice.is_empty() {
        advice.push("wait for it to finish, or end it, and run the command again".to_owned());
    }
    advice
}

pub(super) fn outcome_advice(subjects: &[String]) -> Vec<String> {
    let shows = |id: &String| {
        let kind = match id {
            id if id.starts_with("akey_") => "admin-key",
            id if id.starts_with("cust_") => "consumer",
            _ => "key",
        };
        format!("run `kgate {kind} show {id}` to see whether it happened")
    };
    match subjects {
        [] => vec!["it happened whole or not at all: look with `kgate audit`".to_owned()],
        [id] => vec![shows(id)],
        [first, ..] => vec![shows(first), format!("all {} of them were in one commit", subjects.len())],
    }
}

/// Turns a configuration's error into what a person reads.
pub(super) fn config_failure(error: &ConfigError) -> Failure {
    match error {
        ConfigError::Unreadable { path, source } if source.kind() == std::io::ErrorKind::NotFound => {
            Failure::cannot(format!("there is no configuration at {}", path.display()))
                .help("run `kgate init` to make one, or name another with --config")
        }
        ConfigError::Unreadable { path, source } => {
            Failure::cannot(format!("cannot read the configuration {}", path.display())).because(source)
        }
        ConfigError::Invalid(report) => {
            let count = report.problems().len();
            let things = if count == 1 { "a mistake" } else { "mistakes" };
            Failure::cannot(format!("the configuration has {things}\n{}", report.to_string().trim_end()))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::time::Duration;

    use super::*;

    #[test]
    fn every_situation_of_the_store_comes_with_what_to_do() {
        let path = || PathBuf::from("d/kgate.redb");
        let stopped = Holder { pid: 7, command: "kgate".to_owned(), is_stopped: true, is_writing: true };
        let id = "key_01jq0000000000000000000000";
        for (error, code, advice) in [
            (StoreError::NoStore { dir: path() }, 2, "kgate init"),
            (StoreError::TooNew { path: path(), found: 9, known: 1 }, 2, "newer kgate"),
            (StoreError::TooOld { path: path(), found: 0, known: 1 }, 2, "kgate doctor --migrate"),
            (StoreError::DiskFull { path: path() }, 2, "make room"),
            (StoreError::Truncated { path: path(), problem: "x".to_owned() }, 2, "kgate restore"),
            (StoreError::Held { waited: Duration::from_secs(5), holders: vec![stopped] }, 2, "kill -CONT 7"),
            (StoreError::NoSuchKey { wanted: id.to_owned() }, 1, "kgate key list"),
            (
                StoreError::OutcomeUnknown {
                    action: "revoke",
                    subjects: vec![id.to_owned()],
                    problem: "x".to_owned(),
                },
                2,
                "kgate key show key_01jq",
            ),
        ] {
            let failure = store_failure(&error);
            assert_eq!(failure.exit_code(), code, "{error}");
            assert!(failure.advice().iter().any(|line| line.contains(advice)), "{error}: {failure:?}");
        }
    }
}
