//! `kgate key disable` and `enable`

use clap::Args;

use crate::cli::books::Switch;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::key::Status;

use super::show::show_changed;

/// Make a key stop working, until it is enabled again
#[derive(Args)]
pub(in crate::cli) struct Disable {
    /// Its identifier, key_…
    key: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

/// Let a disabled key work again
#[derive(Args)]
pub(in crate::cli) struct Enable {
    /// Its identifier, key_…
    key: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn disable(args: &Disable, session: &Session) -> Outcome {
    switch(&args.key, Switch::Off, args.note.as_deref(), session)
}

pub(super) fn enable(args: &Enable, session: &Session) -> Outcome {
    switch(&args.key, Switch::On, args.note.as_deref(), session)
}

fn switch(named: &str, to: Switch, note: Option<&str>, session: &Session) -> Outcome {
    let (key, changed) = session.books()?.switch_key(named, to, note)?;
    session.ui.status(format!("{} {} ({})", to.word(changed), key.id.0, key.hint));
    if to == Switch::On && key.status.0 != Status::Active {
        session.ui.warn(format!("the key is {}, so it still does not work", key.status.0));
    }
    show_changed(&key, session)?;
    Ok(Answer::Yes)
}
