//! `kgate admin-key create`

use clap::Args;

use crate::admin::api::NewAdminKeyBody;
use crate::admin::shape::Spelled;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::{Moment, Role};

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
    let now = session.now();
    values::resolve_expiry(args.expires, now)?;
    let new = NewAdminKeyBody {
        name: args.name.clone(),
        role: Spelled(args.role),
        expires: Some(Spelled(args.expires)),
        note: args.note.clone().into(),
    };
    let made = session.books()?.create_admin_key(&new)?;
    let key = &made.key;
    let expiry = crate::cli::key::expiry_phrase(key.expires_at.map(|at| at.0), now);
    session.ui.status(format!("created {} ({}) for {}; {expiry}", key.id.0, args.role, args.name));
    print_new(&session.ui, &made, now)?;
    Ok(Answer::Yes)
}
