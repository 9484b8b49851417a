//! `kgate key update`

use clap::Args;

use crate::admin::api::KeyEditBody;
use crate::admin::shape::{Change, Note, Spelled};
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::values;
use crate::key::Moment;

use super::show::show_changed;

/// Change a key; what is not named stays
///
/// It holds from the next request on. Scopes cannot be changed: create a new key for others.
#[derive(Args)]
pub(in crate::cli) struct Update {
    /// Its identifier, key_…
    key: String,
    /// Another name
    #[arg(long)]
    name: Option<String>,
    /// Another plan of its own; empty goes back to its consumer's
    #[arg(long)]
    plan: Option<String>,
    /// The networks it may be used from, instead of those it has; repeatable
    #[arg(long = "ip", value_name = "CIDR", value_delimiter = ',', conflicts_with = "any_ip")]
    networks: Vec<String>,
    /// Let it be used from anywhere
    #[arg(long)]
    any_ip: bool,
    /// When it stops working: 90d, a date, an RFC 3339 time, or never
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    expires: Option<Moment>,
    /// When it begins to work; `never` is no time to begin and means at once
    #[arg(long, value_name = "WHEN")]
    not_before: Option<Moment>,
    /// Metadata to add or replace; repeatable
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = values::pair)]
    meta: Vec<(String, String)>,
    /// Metadata to remove; repeatable
    #[arg(long, value_name = "KEY")]
    unset_meta: Vec<String>,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Update, session: &Session) -> Outcome {
    let edit = args.edit()?;
    if edit == KeyEditBody::default() {
        return Err(
            Failure::cannot("nothing to change").help("name what to change; see `kgate key update --help`")
        );
    }
    if let Some(moment) = args.expires {
        values::resolve_expiry(moment, session.now())?;
    }
    let edit = KeyEditBody { note: args.note.clone().into(), ..edit };
    let (key, changed) = session.books()?.update_key(&args.key, &edit)?;
    let word = if changed { "updated" } else { "unchanged:" };
    session.ui.status(format!("{word} {}", key.id.0));
    show_changed(&key, session)?;
    Ok(Answer::Yes)
}

impl Update {
    fn edit(&self) -> Result<KeyEditBody, Failure> {
        let networks = super::networks(&self.networks)?;
        Ok(KeyEditBody {
            name: self.name.clone(),
            plan: self.plan.as_deref().map_or(Change::Keep, values::empty_clears),
            networks: (self.any_ip || !networks.is_empty()).then_some(networks),
            set_metadata: values::metadata(&self.meta),
            unset_metadata: self.unset_meta.iter().cloned().collect(),
            not_before: self.not_before.map(Spelled),
            expires: self.expires.map(Spelled),
            note: Note::default(),
        })
    }
}
