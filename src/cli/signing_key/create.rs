//! `kgate signing-key create`

use clap::Args;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::sign::{Algorithm, SigningKey};

/// Make the first signing key, which signs at once
#[derive(Args)]
pub(in crate::cli) struct Create {
    /// `EdDSA` or `ES256`
    #[arg(long, value_parser = super::algorithm, default_value_t = Algorithm::EdDsa)]
    algorithm: Algorithm,
}

pub(super) fn run(args: &Create, session: &Session) -> Outcome {
    let (dir, ring) = super::load(session)?;
    let now = session.now();
    if let Some(key) = ring.signing(args.algorithm, now) {
        return Err(Failure::no(format!("there is an {} key already: {}", args.algorithm, key.id()))
            .help("`kgate signing-key rotate` replaces it, and lets backends learn of the new one first"));
    }
    super::add(&SigningKey::make(args.algorithm, now, now, &mut rand::rng()), &dir, session)?;
    session.ui.status("backends find its public part at /.well-known/jwks.json of the admin listener");
    Ok(Answer::Yes)
}
