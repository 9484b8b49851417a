//! `kgate serve`

use clap::Args;

use super::failure::{Failure, Outcome};
use super::session::Session;

/// Run the gateway
///
/// Stops on SIGTERM once requests in work are done, reads the configuration anew on SIGHUP and when
/// the file changes.
#[derive(Args)]
pub(super) struct Serve {
    /// Serve beside another `kgate serve` on the same data directory; rates then count per process
    #[arg(long)]
    shared: bool,
}

pub(super) fn run(args: &Serve, session: &Session) -> Outcome {
    let _ = args.shared;
    session.config()?;
    Err(Failure::cannot("the server is not in this build"))
}
