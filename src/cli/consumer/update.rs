//! `kgate consumer update`

use clap::Args;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::{lookup, values};
use crate::store::ConsumerEdit;

/// Change a consumer; what is not named stays
///
/// A new plan holds for the next request of every key of the consumer that has no plan of its own.
#[derive(Args)]
pub(in crate::cli) struct Update {
    /// Its identifier, external id or unambiguous name
    consumer: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Another external id; empty removes it
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Another contact; empty removes it
    #[arg(long)]
    contact: Option<String>,
    /// Another plan; empty goes back to the default plan
    #[arg(long)]
    plan: Option<String>,
    /// Metadata to add or replace; repeatable
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = values::pair)]
    meta: Vec<(String, String)>,
    /// Metadata to remove; repeatable
    #[arg(long, value_name = "KEY")]
    unset_meta: Vec<String>,
    /// Label to add; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Label to remove; repeatable
    #[arg(long = "untag", value_name = "TAG")]
    untags: Vec<String>,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Update, session: &Session) -> Outcome {
    let edit = args.edit();
    if edit == ConsumerEdit::default() {
        return Err(Failure::cannot("nothing to change")
            .help("name what to change; see `kgate consumer update --help`"));
    }
    if let Some(Some(plan)) = &edit.plan {
        super::check_plan(session, plan)?;
    }
    let store = session.store_mut()?;
    let consumer = lookup::consumer(&store, &args.consumer)?;
    let outcome = store.update_consumer(consumer.id, &edit, &session.act(args.note.as_deref()))?;
    let word = if outcome.changed { "updated" } else { "unchanged:" };
    session.ui.status(format!("{word} {} ({})", outcome.record.id, outcome.record.name));
    session.ui.show_to_programs(&outcome.record)?;
    Ok(Answer::Yes)
}

impl Update {
    fn edit(&self) -> ConsumerEdit {
        ConsumerEdit {
            name: self.name.clone(),
            external_id: self.external_id.as_deref().map(values::empty_is_none),
            contact: self.contact.as_deref().map(values::empty_is_none),
            plan: self.plan.as_deref().map(values::empty_is_none),
            set_metadata: values::metadata(&self.meta),
            unset_metadata: self.unset_meta.iter().cloned().collect(),
            add_tags: self.tags.iter().cloned().collect(),
            remove_tags: self.untags.iter().cloned().collect(),
            if_tag: None,
        }
    }
}
