//! `kgate consumer delete`

use clap::Args;
use serde_json::json;

use crate::admin::api::ConsumerDeleted;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::values::counted;
use crate::cli::view::{Field, named as named_values};

/// What `consumer delete` prints.
pub(in crate::cli) const DELETED: &[Field] = &[
    ("id", "the consumer's identifier"),
    ("name", "what it was called"),
    ("dry_run", "whether nothing was done"),
    ("revoked", "array of the identifiers of its keys that were, or would be, revoked with it"),
];

/// Revoke all keys of a consumer and delete it
///
/// The keys stay in lists as revoked, so that their use can be recognised, until `kgate key prune`.
#[derive(Args)]
pub(in crate::cli) struct Delete {
    /// Its identifier, external id or unambiguous name
    consumer: String,
    /// Only say which keys would be revoked
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Delete, session: &Session) -> Outcome {
    let books = session.books()?;
    let mut deleted = books.delete_consumer(&args.consumer, true, None)?;
    let named = |deleted: &ConsumerDeleted| format!("{} ({})", deleted.id.0, deleted.name);
    let what = format!("{} and revoke {} of its", named(&deleted), counted(deleted.revoked.len(), "key"));
    if args.dry_run {
        session.ui.status(format!("would delete {what}"));
    } else {
        if !args.yes && !session.ui.confirm(&format!("Delete {what}?"), "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        deleted = books.delete_consumer(&deleted.id.0.to_string(), false, args.note.as_deref())?;
        let revoked = counted(deleted.revoked.len(), "key");
        session.ui.status(format!("deleted {}, revoked {revoked}", named(&deleted)));
    }
    let values = [json!(deleted.id), json!(deleted.name), json!(args.dry_run), json!(deleted.revoked)];
    session.ui.object_to_programs(&Object(named_values(DELETED, values)))?;
    Ok(Answer::Yes)
}
