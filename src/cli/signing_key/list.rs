//! `kgate signing-key list`

use clap::Args;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;

/// List the signing keys, and which of them signs
#[derive(Args)]
pub(in crate::cli) struct List {}

pub(super) fn run(_: &List, session: &Session) -> Outcome {
    let (_, ring) = super::load(session)?;
    let mut list = session.ui.list();
    for shown in super::Shown::all(&ring, session.now()) {
        list.row(&shown)?;
    }
    if list.end()? == 0 {
        session.ui.status("no signing keys; `kgate signing-key create` makes one");
    }
    Ok(Answer::Yes)
}
