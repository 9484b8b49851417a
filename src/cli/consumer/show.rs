//! `kgate consumer show`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;

/// Show a consumer
#[derive(Args)]
pub(in crate::cli) struct Show {
    /// Its identifier, external id or unambiguous name
    consumer: String,
}

pub(super) fn run(args: &Show, session: &Session) -> Outcome {
    session.ui.show(&session.books()?.consumer(&args.consumer)?)?;
    Ok(Answer::Yes)
}
