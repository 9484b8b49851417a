//! `kgate backup`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::store::Overwrite;

use super::failure::{Answer, Outcome};
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
/// It holds digests, never keys; guard it like the store all the same. Usage is not part of it.
#[derive(Args)]
pub(super) struct Backup {
    /// The file
    file: PathBuf,
    /// Replace the file if it exists
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(args: &Backup, session: &Session) -> Outcome {
    let store = session.store()?;
    let overwrite = if args.overwrite { Overwrite::Replace } else { Overwrite::Refuse };
    let report = store.backup(&args.file, overwrite)?;
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
