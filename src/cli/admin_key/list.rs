//! `kgate admin-key list`

use clap::Args;

use crate::admin::shape::AdminKeyShape;
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::key::Status;

use super::Shown;

/// List admin keys
#[derive(Args)]
pub(in crate::cli) struct List {
    /// Those that no longer work, too
    #[arg(long)]
    all: bool,
}

pub(super) fn run(args: &List, session: &Session) -> Outcome {
    let now = session.now();
    let mut list = session.ui.list();
    let mut damaged = 0_u64;
    for key in session.store()?.admin_keys()? {
        match key {
            Ok(key) if args.all || key.status(now) == Status::Active => {
                list.row(&Shown { key: &AdminKeyShape::new(&key, now), token: None, now })?;
            }
            Ok(_) => {}
            Err(error) => {
                damaged += 1;
                session.ui.warn(error.to_string());
            }
        }
    }
    if list.end()? == 0 {
        session.ui.status("no admin keys");
    }
    if damaged > 0 {
        return Err(
            Failure::cannot(format!("{damaged} records could not be read")).help("run `kgate doctor`")
        );
    }
    Ok(Answer::Yes)
}
