//! `kgate key prune`

use std::ops::ControlFlow;

use clap::Args;
use serde_json::json;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::values::{counted, to_the_second};
use crate::cli::view::{Field, named, time};
use crate::key::{KeyId, Past};

use super::list::list_keys;

/// What `key prune` prints.
pub(in crate::cli) const PRUNED: &[Field] = &[
    ("dry_run", "whether nothing was done"),
    ("revoked_before", "time before which keys had to be revoked"),
    ("pruned", "array of the identifiers of the keys that were, or would be, removed"),
];

/// Remove keys that were revoked long ago
///
/// Their digests and the reasons of their revocation stay in the audit log.
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
    let before = args.revoked_before.resolve(session.now());
    let store = session.store_mut()?;
    let mut ids = store.prunable(before)?;
    let what = format!("{} revoked before {}", counted(ids.len(), "key"), to_the_second(before));
    if args.dry_run {
        list_keys(&ids.iter().copied().collect(), &store, session)?;
        session.ui.status(format!("would remove {what}"));
    } else if ids.is_empty() {
        session.ui.status(format!("no keys were revoked before {}", to_the_second(before)));
    } else {
        if !args.yes && !session.ui.confirm(&format!("Remove {what}?"), "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        let bar = session.ui.bar(ids.len() as u64, "removing");
        let pruned = store.prune(before, &session.act(args.note.as_deref()), &mut |batch| {
            bar.add(batch.len() as u64);
            ControlFlow::Continue(())
        });
        drop(bar);
        ids = pruned?.ids;
        session.ui.status(format!("removed {}", counted(ids.len(), "key")));
    }
    let texts: Vec<String> = ids.iter().map(KeyId::to_string).collect();
    session
        .ui
        .object_to_programs(&Object(named(PRUNED, [json!(args.dry_run), time(before), json!(texts)])))?;
    Ok(Answer::Yes)
}
