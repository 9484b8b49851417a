//! `kgate admin-key rotate`

use clap::Args;

use crate::admin::shape::{AdminKeyShape, NewAdminKeyShape, TokenText};
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
    let act = session.act(args.note.as_deref());
    let now = act.at;
    let expires_at = values::resolve_expiry(args.expires, now)?;
    let grace = args.grace.as_duration();
    let store = session.store_mut()?;
    let rotated =
        store.rotate_admin_key(parse(&args.admin_key)?, grace, expires_at, &act, &mut rand::rng())?;
    let new = &rotated.new;
    let expiry = crate::cli::key::expiry_phrase(new.record.expires_at, now);
    session.ui.status(format!("rotated {} to {}; the new one {expiry}", rotated.old.id, new.record.id));
    match rotated.old.expires_at.filter(|_| rotated.old.revoked_at.is_none()) {
        Some(at) => session.ui.status(format!(
            "the old one works until {} ({})",
            values::to_the_second(at),
            values::relative(at, now)
        )),
        None => session.ui.status("the old one no longer works"),
    }
    let made = NewAdminKeyShape {
        token: Some(TokenText::of(&new.token)),
        key: AdminKeyShape::new(&new.record, now),
    };
    print_new(&session.ui, &made, now)?;
    Ok(Answer::Yes)
}
