//! Bringing back what a backup holds, without reviving what was ended since.

use std::path::Path;

use super::{Act, Options, Revision, Store, StoreError, Subject};

/// What a restore did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RestoreReport {
    /// The revision of the backup.
    pub backup_revision: Revision,
    /// Whether there was no store: everything came back, and revocations made after the backup are
    /// lost.
    pub into_empty: bool,
    /// Consumers that came back.
    pub consumers_restored: u64,
    /// Keys that came back.
    pub keys_restored: u64,
    /// Records that became stricter, because the backup had them revoked or disabled.
    pub made_stricter: u64,
    /// Records the store has already and keeps as they are.
    pub kept: u64,
    /// Records that did not come back, and why, the first thousand.
    pub notes: Vec<RestoreNote>,
}

/// Why a record of the backup did not come back as it was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum RestoreNote {
    /// It was deleted or pruned after the backup.
    #[error("{0} was deleted after the backup and stays so")]
    Deleted(Subject),
    /// Its consumer was deleted after the backup.
    #[error("{0} belongs to a consumer that was deleted and stays so")]
    ConsumerGone(Subject),
    /// Its external id now belongs to another consumer; it came back without.
    #[error("{subject} came back without its external id `{external_id}`, which {holder} has now")]
    ExternalIdTaken {
        /// Which consumer.
        subject: Subject,
        /// What it lost.
        external_id: String,
        /// Who has it.
        holder: Subject,
    },
    /// Its digest now belongs to another key.
    #[error("{0} has the digest of another key")]
    DigestTaken(Subject),
    /// The backup's record cannot be read.
    #[error("{subject} is damaged in the backup: {problem}")]
    Damaged {
        /// Which record.
        subject: Subject,
        /// What is wrong with it.
        problem: String,
    },
}

/// Whether to do it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restore {
    /// Do it.
    Apply,
    /// Only say what would be done.
    DryRun,
}

impl Store {
    /// Merges a backup into the store of `dir`: what is absent comes back unless it was deleted or
    /// pruned later, what is there stays, statuses only become stricter. Into a directory without a
    /// store everything goes.
    ///
    /// # Errors
    /// Those of opening either file; nothing is changed if the backup is foreign, truncated, newer
    /// or its audit log was tampered with.
    pub fn restore(
        dir: &Path,
        from: &Path,
        mode: Restore,
        options: &Options,
        act: &Act,
    ) -> Result<RestoreReport, StoreError> {
        todo!()
    }
}
