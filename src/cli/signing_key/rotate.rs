//! `kgate signing-key rotate`

use std::time::Duration;

use clap::Args;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::Span;
use crate::sign::{self, Algorithm, Role, SigningKey};

/// Replace the signing key by a new one, with an overlap
///
/// The new key is published at once and signs after the lead, so that backends that keep the key set for a
/// while know it by then. The old one stays published. Keys that were replaced more than a day ago are
/// removed.
#[derive(Args)]
pub(in crate::cli) struct Rotate {
    /// `EdDSA` or `ES256`
    #[arg(long, value_parser = super::algorithm, default_value_t = Algorithm::EdDsa)]
    algorithm: Algorithm,
    /// How long the new key is published before it signs: longer than backends keep the key set
    #[arg(long, value_name = "SPAN", value_parser = values::span, default_value = "10m")]
    lead: Span,
}

pub(super) fn run(args: &Rotate, session: &Session) -> Outcome {
    let (dir, ring) = super::load(session)?;
    let now = session.now();
    if ring.signing(args.algorithm, now).is_none() {
        return Err(Failure::no(format!("there is no {} key to replace", args.algorithm))
            .help(format!("`kgate signing-key create --algorithm {}` makes the first", args.algorithm)));
    }
    let waiting = ring.iter(now).find(|(key, role)| *role == Role::Next && key.algorithm() == args.algorithm);
    if let Some((key, _)) = waiting
        && !args.lead.as_duration().is_zero()
    {
        let at = values::relative(key.signs_from(), now);
        return Err(Failure::no(format!("a rotation is under way: {} signs {at}", key.id()))
            .help("wait for it, or pass --lead 0s to have a new key sign at once"));
    }
    let from = now.plus(args.lead.as_duration());
    super::add(&SigningKey::make(args.algorithm, now, from, &mut rand::rng()), &dir, session)?;
    let is_old = |at| now.since(at) > KEPT;
    for (key, role) in ring.iter(now) {
        if role == Role::Retired && ring.retired_at(key).is_some_and(is_old) {
            sign::remove(&dir, key.id())?;
            session.ui.status(format!("removed {}, which was replaced more than a day ago", key.id()));
        }
    }
    Ok(Answer::Yes)
}

/// How long a replaced key is published: far longer than its last token lives.
const KEPT: Duration = Duration::from_hours(24);
