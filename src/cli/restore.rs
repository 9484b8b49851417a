//! `kgate restore`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::store::{Options, Restore as Mode, RestoreReport, Store, StoreError};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::Object;
use super::values::counted;
use super::view::{Field, named};

/// What `restore` prints.
pub(super) const RESTORE: &[Field] = &[
    ("dry_run", "whether nothing was done"),
    ("backup_revision", "number of the last change the backup has"),
    ("into_empty", "whether there was no store before"),
    ("consumers_restored", "how many came back"),
    ("keys_restored", "how many came back"),
    ("made_stricter", "records that became stricter, because the backup had them revoked or disabled"),
    ("kept", "records that were there and stayed as they were"),
    ("notes", "array of sentences about records that did not come back as they were"),
];

/// Merge a backup into the store
///
/// What is absent comes back, unless it was deleted or revoked after the backup; what is newer stays;
/// nothing revoked or disabled comes alive. It is safe to run while `kgate serve` does.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup
    file: PathBuf,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Restore, session: &Session) -> Outcome {
    let dir = session.data_dir()?;
    let act = session.act(args.note.as_deref());
    let restore = |mode| Store::restore(&dir, &args.file, mode, &Options::default(), &act);
    let plan = restore(Mode::DryRun).map_err(|error| unfit(error, args))?;
    if plan.into_empty {
        session.ui.warn(format!(
            "there is no store in {}: everything of the backup goes there, and revocations made after it are lost",
            dir.display()
        ));
    }
    if args.dry_run {
        return report(&plan, args, session);
    }
    let question = format!(
        "Bring back {} and {}, and make {} stricter?",
        counted(plan.keys_restored, "key"),
        counted(plan.consumers_restored, "consumer"),
        counted(plan.made_stricter, "record")
    );
    if !args.yes && !session.ui.confirm(&question, "--yes")? {
        session.ui.status("nothing was done");
        return Ok(Answer::No);
    }
    report(&restore(Mode::Apply)?, args, session)
}

/// What is wrong with the backup is put right otherwise than what is wrong with the store.
fn unfit(error: StoreError, args: &Restore) -> Failure {
    match &error {
        StoreError::Foreign { path, .. } | StoreError::NoStore { dir: path } if *path == args.file => {
            Failure::cannot(error.to_string()).help("name a file that `kgate backup` wrote")
        }
        StoreError::Truncated { path, .. } | StoreError::Corrupted { path, .. } if *path == args.file => {
            Failure::cannot(error.to_string()).help("take another backup; nothing was changed")
        }
        _ => error.into(),
    }
}

fn report(report: &RestoreReport, args: &Restore, session: &Session) -> Outcome {
    for note in &report.notes {
        session.ui.warn(note.to_string());
    }
    let verb = if args.dry_run { "would bring" } else { "brought" };
    session.ui.status(format!(
        "{verb} back {} and {}; {} became stricter, {} stayed as they were",
        counted(report.keys_restored, "key"),
        counted(report.consumers_restored, "consumer"),
        report.made_stricter,
        report.kept
    ));
    let notes: Vec<String> = report.notes.iter().map(ToString::to_string).collect();
    let values = [
        json!(args.dry_run),
        json!(report.backup_revision.0),
        json!(report.into_empty),
        json!(report.consumers_restored),
        json!(report.keys_restored),
        json!(report.made_stricter),
        json!(report.kept),
        json!(notes),
    ];
    session.ui.object_to_programs(&Object(named(RESTORE, values)))?;
    Ok(Answer::Yes)
}
