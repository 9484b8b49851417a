//! `kgate consumer disable` and `enable`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;

/// Make all keys of a consumer stop working, until it is enabled again
#[derive(Args)]
pub(in crate::cli) struct Disable {
    /// Its identifier, external id or unambiguous name
    consumer: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

/// Let the keys of a consumer work again
#[derive(Args)]
pub(in crate::cli) struct Enable {
    /// Its identifier, external id or unambiguous name
    consumer: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn disable(args: &Disable, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let consumer = lookup::consumer(&store, &args.consumer)?;
    let outcome = store.disable_consumer(consumer.id, &session.act(args.note.as_deref()))?;
    let word = if outcome.changed { "disabled" } else { "already disabled:" };
    session.ui.status(format!("{word} {} ({})", consumer.id, consumer.name));
    session.ui.show_to_programs(&outcome.record)?;
    Ok(Answer::Yes)
}

pub(super) fn enable(args: &Enable, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let consumer = lookup::consumer(&store, &args.consumer)?;
    let outcome = store.enable_consumer(consumer.id, &session.act(args.note.as_deref()))?;
    let word = if outcome.changed { "enabled" } else { "already enabled:" };
    session.ui.status(format!("{word} {} ({})", consumer.id, consumer.name));
    session.ui.show_to_programs(&outcome.record)?;
    Ok(Answer::Yes)
}
