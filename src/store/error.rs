//! What can go wrong with the store, as situations a person can be in. Facts only; what to do about
//! them is said at the command line.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use crate::key::{AdminKeyId, ConsumerId, KeyId, TextError, Timestamp};

use super::Revision;

/// Why a store call did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// There is no store in the directory.
    #[error("there is no store in {}", .dir.display())]
    NoStore {
        /// Where it was looked for.
        dir: PathBuf,
    },
    /// There already is a store in the directory.
    #[error("there already is a store in {}", .dir.display())]
    AlreadyThere {
        /// Where it is.
        dir: PathBuf,
    },
    /// A file that must not be overwritten exists.
    #[error("{} already exists", .path.display())]
    FileExists {
        /// The file.
        path: PathBuf,
    },
    /// A copy was to take the place of what the data directory is made of.
    #[error("{} is a file of the data directory itself", .path.display())]
    OwnFile {
        /// The file.
        path: PathBuf,
    },
    /// The file is not one kgate made.
    #[error("{} is not a kgate store: {problem}", .path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What gave it away.
        problem: String,
    },
    /// The file is shorter than it must be.
    #[error("{} is truncated: {problem}", .path.display())]
    Truncated {
        /// The file.
        path: PathBuf,
        /// What is missing.
        problem: String,
    },
    /// The file's structure is broken.
    #[error("{} is corrupted: {problem}", .path.display())]
    Corrupted {
        /// The file.
        path: PathBuf,
        /// What the database found.
        problem: String,
    },
    /// A newer kgate made this store.
    #[error("{} has store format {found}; this kgate knows formats up to {known}", .path.display())]
    TooNew {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this program knows.
        known: u32,
    },
    /// An older kgate made this store; it must be migrated explicitly.
    #[error("{} has store format {found}; this kgate uses format {known}", .path.display())]
    TooOld {
        /// The file.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The format this program uses.
        known: u32,
    },
    /// The store went back in time: an older file took its place.
    #[error(
        "the store is older than the one last seen: it is at revision {found}, revision {seen} was served"
    )]
    Older {
        /// What was seen.
        seen: Revision,
        /// What is there.
        found: Revision,
    },
    /// The store is another one than was last seen, or its history was rewritten.
    #[error("the store's history differs from the one last seen at revision {seen}")]
    Diverged {
        /// What was seen.
        seen: Revision,
    },
    /// A store file is a symbolic link, or no regular file.
    #[error("{} is not a regular file", .path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// The directory is on a filesystem whose locks cannot be trusted.
    #[error("{} is on {filesystem}, a network filesystem", .dir.display())]
    NetworkFilesystem {
        /// The directory.
        dir: PathBuf,
        /// What it is on.
        filesystem: &'static str,
    },
    /// The disk is full.
    #[error("no space left for {}", .path.display())]
    DiskFull {
        /// The file that could not grow.
        path: PathBuf,
    },
    /// The directory or file cannot be written.
    #[error("{} cannot be written: {problem}", .path.display())]
    NotWritable {
        /// The file or directory.
        path: PathBuf,
        /// The system's words.
        problem: String,
    },
    /// The operating system refused something else.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        #[source]
        error: io::Error,
    },
    /// The store was opened for reading.
    #[error("the store was opened for reading only")]
    ReadOnly,
    /// Somebody else holds the store's lock. Nothing was changed.
    #[error("the store did not answer for {}: it is held by {}", seconds(*.waited), listed(.holders))]
    Held {
        /// How long was waited.
        waited: Duration,
        /// Who has the file open, those with a write lock first.
        holders: Vec<Holder>,
    },
    /// Time ran out, or the disk failed, inside a commit: it happened whole or not at all, and only
    /// looking again will tell.
    #[error("outcome unknown: {action} may or may not have happened ({problem})")]
    OutcomeUnknown {
        /// What was being done.
        action: &'static str,
        /// What it was done to, as printed identifiers.
        subjects: Vec<String>,
        /// What came in between.
        problem: String,
    },
    /// An earlier disk error made this handle useless; the store must be opened again.
    #[error("the store failed earlier and must be opened again: {problem}")]
    Poisoned {
        /// The earlier failure.
        problem: String,
    },
    /// A stored record cannot be read.
    #[error("the record of {what} is damaged: {problem}")]
    Damaged {
        /// Which record.
        what: String,
        /// What is wrong with it.
        problem: String,
    },
    /// No such key.
    #[error("there is no key `{wanted}`")]
    NoSuchKey {
        /// What was asked for.
        wanted: String,
    },
    /// No such consumer.
    #[error("there is no consumer `{wanted}`")]
    NoSuchConsumer {
        /// What was asked for.
        wanted: String,
    },
    /// Several consumers have the name.
    #[error("{} consumers are called `{wanted}`", .ids.len())]
    AmbiguousConsumer {
        /// The name.
        wanted: String,
        /// Who has it.
        ids: Vec<ConsumerId>,
    },
    /// Another consumer has the external id.
    #[error("the external id `{external_id}` belongs to {holder}")]
    ExternalIdTaken {
        /// The external id.
        external_id: String,
        /// Who has it.
        holder: ConsumerId,
    },
    /// A text cannot be stored.
    #[error("{field} {error}")]
    Text {
        /// Which text, for example `name`.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        error: TextError,
    },
    /// A text is empty that must not be.
    #[error("{field} is empty")]
    Empty {
        /// Which text.
        field: &'static str,
    },
    /// More entries than a record may have.
    #[error("more than {max} {field}")]
    TooMany {
        /// Of what.
        field: &'static str,
        /// How many fit.
        max: usize,
    },
    /// The times of a key contradict each other.
    #[error("the key would expire at {expires_at}, before it starts at {not_before}")]
    NeverValid {
        /// When it would start.
        not_before: Timestamp,
        /// When it would stop.
        expires_at: Timestamp,
    },
    /// The key would be expired when made.
    #[error("the expiry {expires_at} is in the past")]
    ExpiryInPast {
        /// When it would stop.
        expires_at: Timestamp,
    },
    /// The key was revoked, which is for good.
    #[error("cannot {action} key {id}: it was revoked at {at}")]
    Revoked {
        /// What was asked.
        action: &'static str,
        /// Which key.
        id: KeyId,
        /// When it was revoked.
        at: Timestamp,
    },
    /// The key has expired.
    #[error("cannot {action} key {id}: it expired at {at}")]
    Expired {
        /// What was asked.
        action: &'static str,
        /// Which key.
        id: KeyId,
        /// When it expired.
        at: Timestamp,
    },
    /// The key is switched off.
    #[error("cannot {action} key {id}: it is disabled")]
    Disabled {
        /// What was asked.
        action: &'static str,
        /// Which key.
        id: KeyId,
    },
    /// The key already has a successor.
    #[error("cannot {action} key {id}: it was already rotated, {by} replaces it")]
    AlreadyRotated {
        /// What was asked.
        action: &'static str,
        /// Which key.
        id: KeyId,
        /// Its successor.
        by: KeyId,
    },
    /// No such admin key.
    #[error("there is no admin key `{wanted}`")]
    NoSuchAdminKey {
        /// What was asked for.
        wanted: String,
    },
    /// The admin key no longer works.
    #[error("cannot {action} admin key {id}: it {why}")]
    AdminKeyEnded {
        /// What was asked.
        action: &'static str,
        /// Which.
        id: AdminKeyId,
        /// How it ended.
        why: String,
    },
    /// The record is not the one the change was meant for any more.
    #[error("{id} was changed meanwhile")]
    Stale {
        /// Whose record.
        id: String,
    },
    /// The request was carried out before.
    #[error("the request was carried out before, at {at}")]
    AlreadyDone {
        /// When.
        at: Timestamp,
        /// The row of the audit log that says what was done.
        row: u64,
    },
    /// Another request has the name this one came under.
    #[error("another request was carried out under the same name at {at}")]
    RequestReused {
        /// When.
        at: Timestamp,
    },
    /// The stored prefix of a key cannot make a new token.
    #[error("cannot rotate key {id}: `{prefix}` is not a prefix kgate can make tokens with")]
    Prefix {
        /// Which key.
        id: KeyId,
        /// Its prefix.
        prefix: String,
    },
    /// The header does not behave as the freshness signal needs.
    #[error("the freshness signal of {} cannot be trusted: {problem}", .path.display())]
    Signal {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
}

/// A process that has a store file open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its command, without arguments.
    pub command: String,
    /// Whether it is stopped (by a signal or a debugger), and so will not let go by itself.
    pub is_stopped: bool,
    /// Whether it holds the lock that writers take.
    pub is_writing: bool,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} ({})", self.pid, self.command)?;
        if self.is_stopped {
            f.write_str(", which is stopped")?;
        }
        Ok(())
    }
}

fn seconds(waited: Duration) -> String {
    format!("{:.1} s", waited.as_secs_f32())
}

fn listed(holders: &[Holder]) -> String {
    match holders {
        [] => "a process that cannot be seen from here".to_owned(),
        several => several.iter().map(Holder::to_string).collect::<Vec<_>>().join("; "),
    }
}
