//! `kgate key rotate`

use clap::Args;

use crate::admin::api::{KeyRotated, RotateBody};
use crate::admin::shape::Spelled;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::{Moment, Span};

use super::create::print_one;

/// Replace a key by a new one and print that, once
///
/// The new key has the name, type, scopes, plan, networks and metadata of the old one, which goes on
/// working through the grace period, or until its own expiry if that comes first.
#[derive(Args)]
pub(in crate::cli) struct Rotate {
    /// The old key's identifier, key_…
    key: String,
    /// How long the old key goes on working; 0s ends it at once
    #[arg(long, value_name = "SPAN", value_parser = values::span, default_value = "24h")]
    grace: Span,
    /// When the new key stops working: 90d, a date, an RFC 3339 time, or never; its type's
    /// `default_expires` otherwise
    #[arg(long, value_name = "WHEN")]
    expires: Option<Moment>,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Rotate, session: &Session) -> Outcome {
    let now = session.now();
    if let Some(moment) = args.expires {
        values::resolve_expiry(moment, now)?;
    }
    let how = RotateBody {
        grace: Some(Spelled(args.grace)),
        expires: args.expires.map(Spelled),
        note: args.note.clone().into(),
    };
    let KeyRotated { old, new } = session.books()?.rotate_key(&args.key, &how)?;
    let (old, key) = (old.id.0, &new.key);
    let expiry = super::expiry_phrase(key.expires_at.map(|at| at.0), now);
    session.ui.status(format!("rotated {old} to {}; the new key {expiry}", key.id.0));
    match key.replaces_until {
        Some(Spelled(at)) => session.ui.status(format!(
            "the old key works until {} ({}); `kgate key revoke {old}` ends it sooner",
            values::to_the_second(at),
            values::relative(at, now),
        )),
        None => session.ui.status("the old key no longer works"),
    }
    print_one(&session.ui, &new)?;
    Ok(Answer::Yes)
}
