//! `kgate key prune`

use clap::Args;
use serde_json::json;

use crate::admin::api::PruneBody;
use crate::admin::shape::Spelled;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::values::{counted, to_the_second};
use crate::cli::view::{Field, named};
use crate::key::Past;

use super::list::show_keys;

/// What `key prune` prints.
pub(in crate::cli) const PRUNED: &[Field] = &[
    ("dry_run", "whether nothing was done"),
    ("revoked_before", "time before which keys had to be revoked"),
    ("pruned", "array of the identifiers of the keys that were, or would be, removed"),
];

/// Remove keys that were revoked long ago
///
/// Their digests and the reasons of their revocation stay in the audit log. Of keys that replaced one another,
/// those on either side of one that is removed then name each other, and go on with the same counts.
#[derive(Args)]
pub(in crate::cli) struct Prune {
    /// Those revoked before this: 1y ago, a date, or an RFC 3339 time
    #[arg(long, value_name = "WHEN")]
    revoked_before: Past,
    /// Only say which would be removed
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Prune, session: &Session) -> Outcome {
    let books = session.books()?;
    let which = PruneBody {
        revoked_before: Spelled(args.revoked_before),
        dry_run: true,
        note: args.note.clone().into(),
    };
    let mut pruned = books.prune_keys(&which, &|_| ())?;
    let before = to_the_second(pruned.revoked_before.0);
    let what = format!("{} revoked before {before}", counted(pruned.pruned.len(), "key"));
    if args.dry_run {
        show_keys(&pruned.pruned, &*books, session)?;
        session.ui.status(format!("would remove {what}"));
    } else if pruned.pruned.is_empty() {
        session.ui.status(format!("no keys were revoked before {before}"));
    } else {
        if !args.yes && !session.ui.confirm(&format!("Remove {what}?"), "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        let bar = session.ui.bar(pruned.pruned.len() as u64, "removing");
        let done = books.prune_keys(&PruneBody { dry_run: false, ..which }, &|more| bar.add(more as u64));
        drop(bar);
        pruned = done?;
        session.ui.status(format!("removed {}", counted(pruned.pruned.len(), "key")));
    }
    let values = [json!(args.dry_run), json!(pruned.revoked_before), json!(pruned.pruned)];
    session.ui.object_to_programs(&Object(named(PRUNED, values)))?;
    Ok(Answer::Yes)
}
