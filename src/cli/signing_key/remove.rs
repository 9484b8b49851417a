//! `kgate signing-key remove`

use clap::Args;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::sign::{self, Role};

/// Remove a signing key for good: backends refuse its tokens once they fetch the key set anew
#[derive(Args)]
pub(in crate::cli) struct Remove {
    /// The key's name, sig_…
    id: String,
    /// Even if it is the one that signs
    #[arg(long)]
    force: bool,
}

pub(super) fn run(args: &Remove, session: &Session) -> Outcome {
    let (dir, ring) = super::load(session)?;
    let Some((key, role)) = ring.iter(session.now()).find(|(key, _)| key.id().as_str() == args.id) else {
        return Err(Failure::no(format!("there is no signing key `{}`", args.id))
            .help("`kgate signing-key list` shows all of them"));
    };
    if role == Role::Signing && !args.force {
        return Err(Failure::no(format!("{} is the {} key that signs", key.id(), key.algorithm()))
            .help("replace it first with `kgate signing-key rotate --lead 0s`, or pass --force"));
    }
    sign::remove(&dir, key.id())?;
    session.ui.status(format!("removed {}", key.id()));
    Ok(Answer::Yes)
}
