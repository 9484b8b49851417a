//! `kgate key rotate`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::{Moment, Span};
use crate::store::Rotation;

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
    let config = session.config()?;
    let act = session.act(args.note.as_deref());
    let now = act.at;
    let store = session.store_mut()?;
    let old = lookup::key(&store, &args.key)?;
    let expires = match args.expires {
        Some(moment) => moment,
        None => super::key_type(config, Some(&old.key_type))?
            .default_expires
            .map_or(Moment::Never, |span| Moment::In(span.as_duration())),
    };
    let expires_at = values::resolve_expiry(expires, now)?;
    let rotation = Rotation { grace: args.grace.as_duration(), expires_at };
    let rotated = store.rotate(old.id, rotation, &config.peppers, &act, &mut rand::rng())?;
    let new = &rotated.new.record;
    let expiry = super::expiry_phrase(new.expires_at, now);
    session.ui.status(format!("rotated {} to {}; the new key {expiry}", old.id, new.id));
    match new.replaces_until {
        Some(at) => session.ui.status(format!(
            "the old key works until {} ({}); `kgate key revoke {}` ends it sooner",
            values::to_the_second(at),
            values::relative(at, now),
            old.id
        )),
        None => session.ui.status("the old key no longer works"),
    }
    print_one(&session.ui, &rotated.new, now)?;
    Ok(Answer::Yes)
}
