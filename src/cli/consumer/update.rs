//! `kgate consumer update`

use clap::Args;

use crate::admin::api::ConsumerEditBody;
use crate::admin::shape::{Change, Note};
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::values;

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
    if edit == ConsumerEditBody::default() {
        return Err(Failure::cannot("nothing to change")
            .help("name what to change; see `kgate consumer update --help`"));
    }
    let edit = ConsumerEditBody { note: args.note.clone().into(), ..edit };
    let (consumer, changed) = session.books()?.update_consumer(&args.consumer, &edit)?;
    let word = if changed { "updated" } else { "unchanged:" };
    session.ui.status(format!("{word} {} ({})", consumer.id.0, consumer.name));
    session.ui.show_to_programs(&consumer)?;
    Ok(Answer::Yes)
}

impl Update {
    fn edit(&self) -> ConsumerEditBody {
        let change = |text: &Option<String>| text.as_deref().map_or(Change::Keep, values::empty_clears);
        ConsumerEditBody {
            name: self.name.clone(),
            external_id: change(&self.external_id),
            contact: change(&self.contact),
            plan: change(&self.plan),
            set_metadata: values::metadata(&self.meta),
            unset_metadata: self.unset_meta.iter().cloned().collect(),
            add_tags: self.tags.iter().cloned().collect(),
            remove_tags: self.untags.iter().cloned().collect(),
            note: Note::default(),
        }
    }
}
