//! `kgate demo`: everything in a minute, on a temporary directory.

use clap::Args;

use super::failure::{Failure, Outcome};
use super::session::Session;

/// Show a key's whole life against a bundled backend, in a temporary directory
#[derive(Args)]
pub(super) struct Demo {}

pub(super) fn run(_args: &Demo, _session: &Session) -> Outcome {
    Err(Failure::cannot("the demonstration is not in this build"))
}
