//! `kgate admin-key rotate`

use clap::Args;

use crate::admin::api::RotateAdminKeyBody;
use crate::admin::shape::Spelled;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::{Moment, Span};

use super::{parse, print_new};

/// Replace an admin key by a new one of the same name and role, and print that, once
#[derive(Args)]
pub(in crate::cli) struct Rotate {
    /// The old one's identifier, akey_…
    admin_key: String,
    /// How long the old one goes on working; 0s ends it at once
    #[arg(long, value_name = "SPAN", value_parser = values::span, default_value = "24h")]
    grace: Span,
    /// When the new one stops working: 90d, a date, an RFC 3339 time, or never
    #[arg(long, value_name = "WHEN", default_value = "1y")]
    expires: Moment,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Rotate, session: &Session) -> Outcome {
    let now = session.now();
    values::resolve_expiry(args.expires, now)?;
    let how = RotateAdminKeyBody {
        grace: Some(Spelled(args.grace)),
        expires: Some(Spelled(args.expires)),
        note: args.note.clone().into(),
    };
    let rotated = session.books()?.rotate_admin_key(parse(&args.admin_key)?, &how)?;
    let (old, new) = (&rotated.old, &rotated.new);
    let expiry = crate::cli::key::expiry_phrase(new.key.expires_at.map(|at| at.0), now);
    session.ui.status(format!("rotated {} to {}; the new one {expiry}", old.id.0, new.key.id.0));
    match old.expires_at.filter(|_| old.revoked_at.is_none()) {
        Some(Spelled(at)) => session.ui.status(format!(
            "the old one works until {} ({})",
            values::to_the_second(at),
            values::relative(at, now)
        )),
        None => session.ui.status("the old one no longer works"),
    }
    print_new(&session.ui, new, now)?;
    Ok(Answer::Yes)
}
