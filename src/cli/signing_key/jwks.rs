//! `kgate signing-key jwks`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;

/// Print the public parts as a JSON Web Key Set, for backends that cannot reach the admin listener
#[derive(Args)]
pub(in crate::cli) struct Jwks {}

pub(super) fn run(_: &Jwks, session: &Session) -> Outcome {
    let (_, ring) = super::load(session)?;
    session.ui.object(&ring.jwks())?;
    Ok(Answer::Yes)
}
