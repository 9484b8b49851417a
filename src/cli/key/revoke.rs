//! `kgate key revoke`

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::view::{Field, named};
use crate::key::{KeyId, KeyRecord, RevokeReason, State};
use crate::store::{Store, StoreError};

use super::list::consumers;
use super::list::list_keys;
use super::show::holder_name;

/// What `key revoke` prints.
pub(in crate::cli) const REVOKED: &[Field] = &[
    ("dry_run", "whether nothing was done"),
    ("reason", "why"),
    ("revoked", "array of the identifiers of the keys that were, or would be, revoked"),
    ("already_revoked", "array of the identifiers of those that were revoked before"),
    ("failed", "array of `{\"id\",\"error\"}`"),
];

/// Revoke keys, for good
///
/// Every request that begins after this command returned is refused. Several identifiers,
/// --consumer, --tag or --stdin revoke many, at most 500 in one step.
#[derive(Args)]
#[command(group = clap::ArgGroup::new("which").required(true).multiple(true))]
pub(in crate::cli) struct Revoke {
    /// Their identifiers, key_…
    #[arg(group = "which", value_name = "KEY")]
    keys: Vec<String>,
    /// All keys of this consumer: identifier, external id or unambiguous name
    #[arg(long, group = "which", conflicts_with = "keys")]
    consumer: Option<String>,
    /// All keys of consumers with this tag; repeatable, and then with all of them
    #[arg(long = "tag", value_name = "TAG", group = "which", conflicts_with = "keys")]
    tags: Vec<String>,
    /// The identifiers on standard input, one a line
    #[arg(long, group = "which", conflicts_with_all = ["consumer", "tags"])]
    stdin: bool,
    /// Why
    #[arg(long, value_enum, default_value_t)]
    reason: Reason,
    /// Why, in your words, for the audit log
    #[arg(long)]
    note: Option<String>,
    /// Only say what would be revoked
    #[arg(long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Reason {
    /// Nobody said
    #[default]
    Unspecified,
    /// A successor took its place
    Rotation,
    /// It was seen where it should not be
    Leak,
    /// Its holder misused it
    Abuse,
    /// Its holder left
    Closure,
}

/// What was selected, and what became of it.
#[derive(Default)]
struct Tally {
    live: Vec<KeyId>,
    revoked: Vec<KeyId>,
    already: Vec<KeyId>,
    failed: BTreeMap<String, String>,
}

pub(super) fn run(args: &Revoke, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let mut tally = Tally::default();
    args.select(&store, session, &mut tally)?;
    if args.dry_run {
        list_keys(&tally.live, &store, session)?;
        session.ui.status(format!("would revoke {}", describe(&tally.live, &store)));
        tally.revoked = std::mem::take(&mut tally.live);
    } else if !tally.live.is_empty() {
        let question = format!("Revoke {} for good?", describe(&tally.live, &store));
        if !args.yes && !session.ui.confirm(&question, "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        revoke(args, &store, session, &mut tally)?;
    }
    report(args, session, &tally)
}

fn revoke(args: &Revoke, store: &Store, session: &Session, tally: &mut Tally) -> Result<(), Failure> {
    let ids = std::mem::take(&mut tally.live);
    let bar = session.ui.bar(ids.len() as u64, "revoking");
    let act = session.act(args.note.as_deref());
    let done = store.revoke_many(&ids, args.reason.into(), &act, &mut |batch| {
        bar.add(batch.len() as u64);
        for one in batch {
            match one.result {
                Ok(outcome) if outcome.changed => tally.revoked.push(one.id),
                Ok(_) => tally.already.push(one.id),
                Err(error) => {
                    bar.warn(&session.ui, &format!("{}: {error}", one.id));
                    tally.failed.insert(one.id.to_string(), error.to_string());
                }
            }
        }
        ControlFlow::Continue(())
    });
    drop(bar);
    done.map_err(|error| {
        if !tally.revoked.is_empty() {
            session.ui.warn(format!(
                "{} of {} keys were revoked before this",
                tally.revoked.len(),
                ids.len()
            ));
        }
        error.into()
    })
}

fn report(args: &Revoke, session: &Session, tally: &Tally) -> Outcome {
    if !args.dry_run {
        match tally.revoked.as_slice() {
            [] => {}
            [id] => session.ui.status(format!("revoked {id}")),
            ids => session.ui.status(format!("revoked {} keys", ids.len())),
        }
    }
    match tally.already.as_slice() {
        [] => {}
        [id] => session.ui.status(format!("{id} was revoked before, and stays so")),
        ids => session.ui.status(format!("{} keys were revoked before", ids.len())),
    }
    let texts = |ids: &[KeyId]| json!(ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    let failed: Vec<Value> = tally.failed.iter().map(|(id, e)| json!({"id": id, "error": e})).collect();
    let reason = RevokeReason::from(args.reason);
    let values = [
        json!(args.dry_run),
        json!(reason.as_str()),
        texts(&tally.revoked),
        texts(&tally.already),
        json!(failed),
    ];
    session.ui.object_to_programs(&Object(named(REVOKED, values)))?;
    match tally.failed.len() {
        0 => Ok(Answer::Yes),
        1 => Err(Failure::no("one key was not revoked")),
        many => Err(Failure::no(format!("{many} keys were not revoked"))),
    }
}

impl Revoke {
    /// Fills in which keys are meant, those that cannot be found, and those that are revoked already.
    fn select(&self, store: &Store, session: &Session, tally: &mut Tally) -> Result<(), Failure> {
        if let [only] = self.keys.as_slice()
            && !self.stdin
        {
            tally.add(lookup::key(store, only)?);
            return Ok(());
        }
        for id in &self.keys {
            tally.look_up(id, store, session)?;
        }
        if self.stdin {
            each_line(io::stdin().lock(), &mut |id| tally.look_up(id, store, session))?;
        }
        if self.consumer.is_some() || !self.tags.is_empty() {
            let holders = consumers(store, self.consumer.as_deref(), &self.tags)?.unwrap_or_default();
            for holder in holders {
                tally.add_all(holder, store)?;
            }
        }
        if tally.live.is_empty() && tally.already.is_empty() && tally.failed.is_empty() {
            session.ui.status("no keys");
        }
        Ok(())
    }
}

impl Tally {
    fn add(&mut self, key: KeyRecord) {
        let list = match key.state {
            State::Revoked { .. } => &mut self.already,
            State::Enabled | State::Disabled => &mut self.live,
        };
        list.push(key.id);
    }

    fn add_all(&mut self, holder: crate::key::ConsumerId, store: &Store) -> Result<(), Failure> {
        let mut problem: Option<StoreError> = None;
        store.keys_of(holder, &mut |key| {
            match key {
                Ok(key) => {
                    // Those revoked long ago are no news when a whole consumer is meant.
                    if !matches!(key.state, State::Revoked { .. }) {
                        self.live.push(key.id);
                    }
                }
                Err(error) => problem = Some(error),
            }
            true
        })?;
        problem.map_or(Ok(()), |error| Err(error.into()))
    }

    /// One line of trouble for one key; the others go on.
    fn look_up(&mut self, wanted: &str, store: &Store, session: &Session) -> Result<(), Failure> {
        match lookup::key(store, wanted) {
            Ok(key) => self.add(key),
            Err(failure) if failure.exit_code() == 1 => {
                session.ui.warn(failure.one_line());
                self.failed.insert(wanted.to_owned(), failure.one_line());
            }
            Err(failure) => return Err(failure),
        }
        Ok(())
    }
}

fn describe(ids: &[KeyId], store: &Store) -> String {
    match ids {
        [id] => {
            let Ok(key) = store.key(*id) else { return id.to_string() };
            let holder = holder_name(store, &key);
            format!("{id} ({}, {holder})", key.hint())
        }
        ids => format!("{} keys", ids.len()),
    }
}

/// Calls `each` with the first word of every line that has one and is not a comment.
fn each_line(input: impl BufRead, each: &mut dyn FnMut(&str) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut input = input;
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut input)
            .take(LONGEST_LINE)
            .read_until(b'\n', &mut line)
            .map_err(|e| Failure::cannot("cannot read standard input").because(&e))?;
        if read == 0 {
            return Ok(());
        }
        if read as u64 == LONGEST_LINE && line.last() != Some(&b'\n') {
            return Err(Failure::cannot(format!(
                "a line of standard input is longer than {LONGEST_LINE} bytes"
            )));
        }
        let text = String::from_utf8_lossy(&line);
        if let Some(word) = text.split_whitespace().next().filter(|word| !word.starts_with('#')) {
            each(word)?;
        }
    }
}

impl From<Reason> for RevokeReason {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::Unspecified => Self::Unspecified,
            Reason::Rotation => Self::Rotation,
            Reason::Leak => Self::Leak,
            Reason::Abuse => Self::Abuse,
            Reason::Closure => Self::Closure,
        }
    }
}

/// An identifier has 30 bytes; a longer line than this is some other file.
const LONGEST_LINE: u64 = 4096;
