//! `kgate serve`

use std::io::{self, Write as _};
use std::path::Path;

use clap::Args;

use super::advice::config_failure;
use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use crate::config::Config;
use crate::serve::{self, ServeError, ServeOptions};
use crate::verify::OpenError;

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
    let path = session.config_path()?;
    let loaded = Config::read(&path).map_err(|error| config_failure(&error))?;
    let options = ServeOptions {
        is_shared: args.shared,
        data_dir: session.named_data_dir().map(Path::to_owned),
        // The server's threads speak, too, so this cannot be the session's.
        notify: Box::new(|notice| drop(writeln!(io::stderr(), "{notice}"))),
        ..ServeOptions::default()
    };
    serve::run(loaded, options).map_err(failure)?;
    Ok(Answer::Yes)
}

fn failure(error: ServeError) -> Failure {
    let help = match &error {
        ServeError::Config(error) => return config_failure(error),
        ServeError::Store(OpenError::Store(_)) => {
            let ServeError::Store(OpenError::Store(error)) = error else { unreachable!("just matched") };
            return Failure::from(error);
        }
        ServeError::AlreadyServed { .. } => {
            "stop that one, or start both with --shared; rates then count per process"
        }
        ServeError::Bind(_) | ServeError::BindAdmin { .. } => {
            "stop whatever listens there, or choose another address under [listen]"
        }
        _ => return Failure::cannot(error.to_string()),
    };
    Failure::cannot(error.to_string()).help(help)
}
