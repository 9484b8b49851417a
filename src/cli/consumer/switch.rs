//! `kgate consumer disable` and `enable`

use clap::Args;

use crate::cli::books::Switch;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;

/// Make all keys of a consumer stop working, until it is enabled again
#[derive(Args)]
pub(in crate::cli) struct Disable {
    /// Its identifier, external id or unambiguous name
    consumer: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

/// Let the keys of a consumer work again
#[derive(Args)]
pub(in crate::cli) struct Enable {
    /// Its identifier, external id or unambiguous name
    consumer: String,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn disable(args: &Disable, session: &Session) -> Outcome {
    switch(&args.consumer, Switch::Off, args.note.as_deref(), session)
}

pub(super) fn enable(args: &Enable, session: &Session) -> Outcome {
    switch(&args.consumer, Switch::On, args.note.as_deref(), session)
}

fn switch(named: &str, to: Switch, note: Option<&str>, session: &Session) -> Outcome {
    let (consumer, changed) = session.books()?.switch_consumer(named, to, note)?;
    session.ui.status(format!("{} {} ({})", to.word(changed), consumer.id.0, consumer.name));
    session.ui.show_to_programs(&consumer)?;
    Ok(Answer::Yes)
}
