//! `kgate consumer delete`

use clap::Args;
use serde_json::json;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::values::counted;
use crate::cli::view::{Field, named};
use crate::key::{KeyId, State};

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
    let store = session.store_mut()?;
    let consumer = lookup::consumer(&store, &args.consumer)?;
    let mut live: Vec<KeyId> = Vec::new();
    let mut problem = None;
    store.keys_of(consumer.id, &mut |key| {
        match key {
            Ok(key) if !matches!(key.state, State::Revoked { .. }) => live.push(key.id),
            Ok(_) => {}
            Err(error) => problem = Some(error),
        }
        true
    })?;
    if let Some(error) = problem {
        session.ui.warn(error.to_string());
    }
    let what =
        format!("{} ({}) and revoke {} of its", consumer.id, consumer.name, counted(live.len(), "key"));
    let mut revoked = live;
    if args.dry_run {
        session.ui.status(format!("would delete {what}"));
    } else {
        if !args.yes && !session.ui.confirm(&format!("Delete {what}?"), "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        revoked = store.delete_consumer(consumer.id, &session.act(args.note.as_deref()))?.revoked;
        session.ui.status(format!(
            "deleted {} ({}), revoked {}",
            consumer.id,
            consumer.name,
            counted(revoked.len(), "key")
        ));
    }
    let ids: Vec<String> = revoked.iter().map(ToString::to_string).collect();
    let values = [json!(consumer.id.to_string()), json!(consumer.name), json!(args.dry_run), json!(ids)];
    session.ui.object_to_programs(&Object(named(DELETED, values)))?;
    Ok(Answer::Yes)
}
