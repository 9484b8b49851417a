//! `kgate key show`

use clap::Args;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::view::KeyView;
use crate::key::KeyRecord;
use crate::store::Store;

/// Show a key
#[derive(Args)]
pub(in crate::cli) struct Show {
    /// Its identifier, key_…
    key: String,
}

pub(super) fn run(args: &Show, session: &Session) -> Outcome {
    let store = session.store()?;
    let key = lookup::key(&store, &args.key)?;
    let consumer = holder_name(&store, &key);
    let last_used = session.usage().map(|usage| usage.last_used_at(key.id)).transpose()?.flatten();
    session.ui.show(&KeyView { key: &key, consumer: &consumer, last_used, now: session.now() })?;
    Ok(Answer::Yes)
}

/// Prints a key after a change, for programs.
pub(super) fn show_changed(key: &KeyRecord, store: &Store, session: &Session) -> Result<(), Failure> {
    let consumer = holder_name(store, key);
    let last_used = session.usage().map(|usage| usage.last_used_at(key.id)).transpose()?.flatten();
    session.ui.show_to_programs(&KeyView { key, consumer: &consumer, last_used, now: session.now() })
}

/// Returns the name of who holds a key; empty if that record is gone.
pub(super) fn holder_name(store: &Store, key: &KeyRecord) -> String {
    store.consumer(key.consumer).map(|consumer| consumer.name).unwrap_or_default()
}
