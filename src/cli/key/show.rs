//! `kgate key show`

use clap::Args;

use crate::admin::shape::KeyShape;
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::view::KeyView;

/// Show a key
#[derive(Args)]
pub(in crate::cli) struct Show {
    /// Its identifier, key_…
    key: String,
}

pub(super) fn run(args: &Show, session: &Session) -> Outcome {
    let key = session.books()?.key(&args.key)?;
    session.ui.show(&KeyView { key: &key, now: session.now() })?;
    Ok(Answer::Yes)
}

/// Prints a key after a change, for programs.
pub(super) fn show_changed(key: &KeyShape, session: &Session) -> Result<(), Failure> {
    session.ui.show_to_programs(&KeyView { key, now: session.now() })
}
