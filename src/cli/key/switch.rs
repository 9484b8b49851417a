//! `kgate key disable` and `enable`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::key::Status;

use super::show::show_changed;

/// Make a key stop working, until it is enabled again
#[derive(Args)]
pub(in crate::cli) struct Disable {
    /// Its identifier, key_…
    key: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

/// Let a disabled key work again
#[derive(Args)]
pub(in crate::cli) struct Enable {
    /// Its identifier, key_…
    key: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn disable(args: &Disable, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let key = lookup::key(&store, &args.key)?;
    let outcome = store.disable_key(key.id, &session.act(args.note.as_deref()))?;
    let word = if outcome.changed { "disabled" } else { "already disabled:" };
    session.ui.status(format!("{word} {} ({})", key.id, key.hint()));
    show_changed(&outcome.record, &store, session)?;
    Ok(Answer::Yes)
}

pub(super) fn enable(args: &Enable, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let key = lookup::key(&store, &args.key)?;
    let outcome = store.enable_key(key.id, &session.act(args.note.as_deref()))?;
    let word = if outcome.changed { "enabled" } else { "already enabled:" };
    session.ui.status(format!("{word} {} ({})", key.id, key.hint()));
    let status = outcome.record.status(session.now());
    if status != Status::Active {
        session.ui.warn(format!("the key is {status}, so it still does not work"));
    }
    show_changed(&outcome.record, &store, session)?;
    Ok(Answer::Yes)
}
