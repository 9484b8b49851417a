//! `kgate admin-key revoke`

use clap::Args;

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
    let id = parse(&args.admin_key)?;
    let (key, changed) = session.books()?.revoke_admin_key(id, args.note.as_deref())?;
    let word = if changed { "revoked" } else { "already revoked:" };
    session.ui.status(format!("{word} {id} ({}, {})", key.role.0, key.name));
    if session.ui.format() != Format::Table {
        let shown = Shown { key: &key, token: None, now: session.now() };
        session.ui.object_to_programs(&shown.object())?;
    }
    Ok(Answer::Yes)
}
