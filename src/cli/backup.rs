//! `kgate backup`

use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use crate::store::{Access, Options, Overwrite, Store, StoreError};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::Object;
use super::values::counted;
use super::view::{Field, named};

/// What `backup` prints.
pub(super) const BACKUP: &[Field] = &[
    ("path", "the file"),
    ("revision", "number of the last change it has"),
    ("consumers", "how many"),
    ("keys", "how many"),
    ("audit_rows", "how many"),
    ("bytes", "its size"),
];

/// Write a consistent copy of the store to a file, while it is in use
///
/// It holds digests, never keys; guard it like the store all the same. Usage is not part of it. The audit
/// log notes who made it; the copy is of the moment before.
#[derive(Args)]
pub(super) struct Backup {
    /// The file
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
    /// Make it although the audit log will not know of it: where the store cannot be written
    #[arg(long, conflicts_with = "note")]
    unlogged: bool,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Backup, session: &Session) -> Outcome {
    let overwrite = if args.overwrite { Overwrite::Replace } else { Overwrite::Refuse };
    let report = if args.unlogged {
        session.store()?.backup_unlogged(&args.file, overwrite)?
    } else {
        let dir = session.data_dir()?;
        let act = session.act(args.note.as_deref());
        Store::open(&dir, Access::Write, &Options::default())
            .and_then(|store| store.backup(&args.file, overwrite, &act))
            .map_err(|error| unnoted(error, &dir))?
    };
    session.ui.status(format!(
        "wrote {} and {} at revision {} to {}",
        counted(report.keys, "key"),
        counted(report.consumers, "consumer"),
        report.revision,
        report.path.display()
    ));
    let values = [
        json!(report.path.display().to_string()),
        json!(report.revision.0),
        json!(report.consumers),
        json!(report.keys),
        json!(report.audit_rows),
        json!(report.bytes),
    ];
    session.ui.object_to_programs(&Object(named(BACKUP, values)))?;
    Ok(Answer::Yes)
}

/// A store that cannot be written is the more reason for a backup.
fn unnoted(error: StoreError, dir: &Path) -> Failure {
    let is_of_the_store = match &error {
        StoreError::NotWritable { path, .. } | StoreError::DiskFull { path } => path.starts_with(dir),
        StoreError::Held { .. } | StoreError::OutcomeUnknown { .. } | StoreError::Poisoned { .. } => true,
        _ => false,
    };
    let advice = "the audit log has to note a backup; with --unlogged it is made all the same";
    Failure::from(error).help_maybe(is_of_the_store.then(|| advice.to_owned()))
}
