//! `kgate consumer create`

use clap::Args;

use crate::admin::api::NewConsumerBody;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::Format;
use crate::cli::values;

/// Create a consumer
///
/// Prints its identifier, which every other command takes; so do they its external id, and its name
/// where that is unambiguous.
#[derive(Args)]
pub(in crate::cli) struct Create {
    /// What people call it; need not be unique
    name: String,
    /// Its name in your own system; unique
    #[arg(long, value_name = "ID")]
    external_id: Option<String>,
    /// Whom to ask, for example an e-mail address
    #[arg(long)]
    contact: Option<String>,
    /// Its plan, one of the configuration's; the default plan otherwise
    #[arg(long)]
    plan: Option<String>,
    /// Metadata, which may be forwarded to backends; repeatable
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = values::pair)]
    meta: Vec<(String, String)>,
    /// Label for lists and bulk acts, never forwarded; repeatable
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Create, session: &Session) -> Outcome {
    let new = NewConsumerBody {
        name: args.name.clone(),
        external_id: args.external_id.clone(),
        contact: args.contact.clone(),
        plan: args.plan.clone(),
        metadata: values::metadata(&args.meta),
        tags: args.tags.iter().cloned().collect(),
        note: args.note.clone().into(),
    };
    let (made, namesake) = session.books()?.create_consumer(&new)?;
    session.ui.status(format!("created consumer {}", made.name));
    if let Some(other) = namesake {
        session.ui.warn(format!(
            "{other} has the same name: name either by its identifier or an external id from now on"
        ));
    }
    match session.ui.format() {
        Format::Table => session.ui.line(&made.id.0.to_string())?,
        Format::Json | Format::Jsonl | Format::Csv => session.ui.show(&made)?,
    }
    Ok(Answer::Yes)
}
