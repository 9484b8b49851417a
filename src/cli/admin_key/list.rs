//! `kgate admin-key list`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
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
    let walked = session.books()?.admin_keys(&mut |key| {
        if args.all || key.status.0 == Status::Active {
            list.row(&Shown { key: &key, token: None, now })?;
        }
        Ok(())
    });
    list.end_walk(walked, "no admin keys").map(|()| Answer::Yes)
}
