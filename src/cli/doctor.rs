//! `kgate doctor`

use clap::Args;
use serde_json::json;

use crate::store::{self, Access, Check, Level, Migrated, Options, Store, StoreError};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::view::{Field, named};

/// What `doctor` prints of each thing it looked at.
pub(super) const CHECK: &[Field] = &[
    ("check", "what was looked at"),
    ("level", "`good`, `warning` or `fault`"),
    ("detail", "what was found, in a sentence"),
];

/// Look at everything that can be wrong with the data directory
///
/// Reads only, unless told otherwise. Exit code 1 if something is broken.
#[derive(Args)]
pub(super) struct Doctor {
    /// Back an older store up and bring it to this version's format
    #[arg(long, conflicts_with = "accept_older_store")]
    migrate: bool,
    /// Say what would be lost by going on with a store that is older than the one last served, and go on
    #[arg(long)]
    accept_older_store: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
    /// Why, for the audit log, of what is changed
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Doctor, session: &Session) -> Outcome {
    if args.migrate {
        return migrate(args, session);
    }
    if args.accept_older_store {
        return accept_older(args, session);
    }
    let dir = session.data_dir()?;
    if !dir.exists() {
        return Err(StoreError::NoStore { dir }.into());
    }
    let report = store::doctor(&dir, &Options::default());
    let mut list = session.ui.list();
    for check in &report.checks {
        list.row(check)?;
    }
    list.end()?;
    match report.worst() {
        Level::Good => Ok(Answer::Yes),
        Level::Warning => {
            session.ui.status("works, but look at the warnings");
            Ok(Answer::Yes)
        }
        Level::Fault => Err(Failure::no(format!("{} is not well", dir.display())).help(
            "put right what is marked fault; a broken file is moved away and a backup brought back with `kgate restore FILE`",
        )),
    }
}

fn migrate(args: &Doctor, session: &Session) -> Outcome {
    let dir = session.data_dir()?;
    match store::migrate(&dir, &Options::default(), &session.act(args.note.as_deref()))? {
        Migrated::AlreadyCurrent => {
            session.ui.status(format!("the store has the present format {} already", store::FORMAT));
        }
        Migrated::Done { from, backup } => session.ui.status(format!(
            "migrated the store from format {from} to {}; as it was before, it is in {}",
            store::FORMAT,
            backup.display()
        )),
    }
    Ok(Answer::Yes)
}

fn accept_older(args: &Doctor, session: &Session) -> Outcome {
    let store = Store::open(&session.data_dir()?, Access::Write, &Options::default())?;
    let what = store.older_than_seen()?;
    let Some(seen) = what.seen else {
        session.ui.status("nothing was served from this directory before: nothing to accept");
        return Ok(Answer::Yes);
    };
    session.ui.status(format!(
        "served last: revision {} with {} audit rows; the store here: revision {} with {} audit rows",
        seen.revision, seen.head.count, what.found.revision, what.found.head.count
    ));
    if store.check_not_older().is_ok() {
        session.ui.status("the store is not older than the one last served: nothing to accept");
        return Ok(Answer::Yes);
    }
    let lost = seen.revision.0.saturating_sub(what.found.revision.0);
    session.ui.warn(format!("{lost} changes are lost for good, revocations among them maybe"));
    if !args.yes && !session.ui.confirm("Go on with this store?", "--yes")? {
        session.ui.status("nothing was done");
        return Ok(Answer::No);
    }
    store.accept_older(&session.act(args.note.as_deref()))?;
    session.ui.status("accepted; a running `kgate serve` goes on with this store by itself");
    Ok(Answer::Yes)
}

impl Item for Check {
    const HEADINGS: &'static [&'static str] = &["CHECK", "RESULT", "DETAIL"];

    fn object(&self) -> Object {
        Object(named(CHECK, [json!(self.name), json!(level(self.level)), json!(self.detail)]))
    }

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.level {
            Level::Good => Tone::Good,
            Level::Warning => Tone::Attention,
            Level::Fault => Tone::Bad,
        };
        vec![Cell::plain(self.name), Cell::toned(level(self.level), tone), Cell::plain(self.detail.as_str())]
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Good => "good",
        Level::Warning => "warning",
        Level::Fault => "fault",
    }
}
