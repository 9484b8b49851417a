//! `kgate admin-key create`

use clap::Args;

use crate::admin::shape::{AdminKeyShape, NewAdminKeyShape, TokenText};
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::{Moment, Role};
use crate::store::NewAdminKey;

use super::print_new;

/// Create an admin key and print it, once
///
/// Standard output gets the key alone. Nobody can show it again: only its digest is stored.
#[derive(Args)]
pub(in crate::cli) struct Create {
    /// Whose it is: a person, or the system that will use it
    #[arg(long)]
    name: String,
    /// What it may do
    #[arg(long, value_name = "viewer|operator|admin")]
    role: Role,
    /// When it stops working: 90d, a date, an RFC 3339 time, or never
    #[arg(long, value_name = "WHEN", default_value = "1y")]
    expires: Moment,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Create, session: &Session) -> Outcome {
    let act = session.act(args.note.as_deref());
    let now = act.at;
    let new = NewAdminKey {
        name: args.name.clone(),
        role: args.role,
        expires_at: values::resolve_expiry(args.expires, now)?,
    };
    let issued = session.store_mut()?.issue_admin_key(&new, &act, &mut rand::rng())?;
    let made = NewAdminKeyShape {
        token: Some(TokenText::of(&issued.token)),
        key: AdminKeyShape::new(&issued.record, now),
    };
    let expiry = crate::cli::key::expiry_phrase(issued.record.expires_at, now);
    session.ui.status(format!("created {} ({}) for {}; {expiry}", issued.record.id, args.role, args.name));
    print_new(&session.ui, &made, now)?;
    Ok(Answer::Yes)
}
