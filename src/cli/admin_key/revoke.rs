//! `kgate admin-key revoke`

use clap::Args;

use crate::admin::shape::AdminKeyShape;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::{Format, Item};

use super::{Shown, parse};

/// Revoke an admin key, for good
///
/// Every call that begins after this command returned is refused.
#[derive(Args)]
pub(in crate::cli) struct Revoke {
    /// Its identifier, akey_…
    admin_key: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Revoke, session: &Session) -> Outcome {
    let act = session.act(args.note.as_deref());
    let outcome = session.store_mut()?.revoke_admin_key(parse(&args.admin_key)?, &act)?;
    let key = &outcome.record;
    let word = if outcome.changed { "revoked" } else { "already revoked:" };
    session.ui.status(format!("{word} {} ({}, {})", key.id, key.role, key.name));
    if session.ui.format() != Format::Table {
        let shape = AdminKeyShape::new(key, act.at);
        session.ui.object_to_programs(&Shown { key: &shape, token: None, now: act.at }.object())?;
    }
    Ok(Answer::Yes)
}
