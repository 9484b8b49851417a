//! `kgate key revoke`

use std::collections::{BTreeSet, HashSet};
use std::io::{self, BufRead, Read};
use std::ops::ControlFlow;

use clap::{Args, ValueEnum};
use serde_json::{Value, json};

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::values::counted;
use crate::cli::view::{Field, named};
use crate::key::{ConsumerId, KeyId, KeyRecord, RevokeReason, State, Status, Token};
use crate::store::{Store, StoreError};

use super::list::{consumers, list_keys};
use super::show::holder_name;
use super::verify::find;

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
    /// Identifiers or the keys themselves on standard input, one a line
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
    wanted: Vec<KeyId>,
    revoked: Vec<KeyId>,
    already: Vec<KeyId>,
    failed: Vec<(String, String)>,
}

pub(super) fn run(args: &Revoke, session: &Session) -> Outcome {
    let store = session.store_mut()?;
    let mut tally = args.select(&store, session)?;
    if args.dry_run {
        rehearse(&store, session, &mut tally)?;
    } else if !tally.wanted.is_empty() {
        let question = format!("Revoke {} for good?", describe(&tally.wanted, &store));
        if !args.yes && !session.ui.confirm(&question, "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        revoke(args, &store, session, &mut tally)?;
    }
    report(args, &store, session, &tally)
}

/// Says what would be revoked.
fn rehearse(store: &Store, session: &Session, tally: &mut Tally) -> Result<(), Failure> {
    let wanted: HashSet<KeyId> = tally.wanted.drain(..).collect();
    let found = list_keys(&wanted, store, session)?;
    for id in wanted.iter().filter(|id| !found.contains_key(id)) {
        tally.fail(&id.to_string(), no_such_key(*id), session);
    }
    for (id, is_revoked) in found {
        if is_revoked { &mut tally.already } else { &mut tally.revoked }.push(id);
    }
    session.ui.status(format!("would revoke {}", describe(&tally.revoked, store)));
    Ok(())
}

fn revoke(args: &Revoke, store: &Store, session: &Session, tally: &mut Tally) -> Result<(), Failure> {
    let ids = std::mem::take(&mut tally.wanted);
    let bar = session.ui.bar(ids.len() as u64, "revoking");
    let act = session.act(args.note.as_deref());
    let done = store.revoke_many(&ids, args.reason.into(), &act, &mut |batch| {
        bar.add(batch.len() as u64);
        for one in batch {
            match one.result {
                Ok(outcome) if outcome.changed => tally.revoked.push(one.id),
                Ok(_) => tally.already.push(one.id),
                Err(error) => bar.aside(|| tally.fail(&one.id.to_string(), error.to_string(), session)),
            }
        }
        ControlFlow::Continue(())
    });
    drop(bar);
    done.map_err(|error| {
        if !tally.revoked.is_empty() {
            let done = tally.revoked.len();
            session.ui.warn(format!("{done} of {} were revoked before this", counted(ids.len(), "key")));
        }
        error.into()
    })
}

fn report(args: &Revoke, store: &Store, session: &Session, tally: &Tally) -> Outcome {
    if !args.dry_run {
        match tally.revoked.as_slice() {
            [] => {}
            [id] => session.ui.status(format!("revoked {id}")),
            ids => session.ui.status(format!("revoked {}", counted(ids.len(), "key"))),
        }
    }
    match tally.already.as_slice() {
        [] => {}
        [id] => session.ui.status(format!("{id} was revoked before, and stays so")),
        ids => session.ui.status(format!("{} were revoked before, and stay so", counted(ids.len(), "key"))),
    }
    if matches!(args.reason, Reason::Leak | Reason::Abuse) {
        name_successors(&tally.revoked, store, session);
    }
    let texts = |ids: &[KeyId]| json!(ids.iter().map(ToString::to_string).collect::<Vec<_>>());
    let failed: Vec<Value> = tally.failed.iter().map(|(id, e)| json!({"id": id, "error": e})).collect();
    let values = [
        json!(args.dry_run),
        json!(RevokeReason::from(args.reason).as_str()),
        texts(&tally.revoked),
        texts(&tally.already),
        json!(failed),
    ];
    session.ui.object_to_programs(&Object(named(REVOKED, values)))?;
    if tally.failed.is_empty() {
        return Ok(Answer::Yes);
    }
    let failure = Failure::no(format!("{} could not be revoked", counted(tally.failed.len(), "key")));
    let near = tally.failed.iter().take(NEAR_OF).filter_map(|(id, _)| lookup::near_key(store, id));
    Err(near.fold(failure, Failure::help))
}

/// Where holders may rotate keys, whoever found one may have: its successor is another key, and goes on.
fn name_successors(ids: &[KeyId], store: &Store, session: &Session) {
    let works = |key: &KeyRecord| !matches!(key.status(session.now()), Status::Revoked | Status::Expired);
    for id in ids {
        let successor = store.key(*id).ok().and_then(|key| store.key(key.rotated_to?).ok());
        if let Some(successor) = successor.filter(works) {
            session.ui.warn(format!(
                "{id} was replaced by {0}, which still works: `kgate audit --key {0}` says who did that, and from where",
                successor.id
            ));
        }
    }
}

impl Revoke {
    /// Says which keys are meant. Those named that cannot be are failures already.
    fn select(&self, store: &Store, session: &Session) -> Result<Tally, Failure> {
        let mut tally = Tally::default();
        if let [only] = self.keys.as_slice()
            && !self.stdin
        {
            let key = lookup::key(store, only)?;
            let is_revoked = matches!(key.state, State::Revoked { .. });
            if is_revoked { &mut tally.already } else { &mut tally.wanted }.push(key.id);
            return Ok(tally);
        }
        let mut seen = HashSet::new();
        let mut name = |tally: &mut Tally, text: &str| {
            match lookup::parse_key_id(text)? {
                Some(id) if seen.insert(id) => tally.wanted.push(id),
                Some(_) => {}
                None => tally.fail(text, format!("`{text}` is not the identifier of a key"), session),
            }
            Ok(())
        };
        for text in &self.keys {
            name(&mut tally, text)?;
        }
        if self.stdin {
            let peppers = session.config_if_any()?.map(|config| config.peppers.clone()).unwrap_or_default();
            each_line(io::stdin().lock(), &mut |text| {
                if text.parse::<KeyId>().is_ok() {
                    return name(&mut tally, text);
                }
                if let Some(key) = find(&Token::from_presented(text), &peppers, store)? {
                    return name(&mut tally, &key.id.to_string());
                }
                // It may be a token of another store, and is not repeated.
                let problem = "a line is neither the identifier of a key nor a key of this store";
                tally.fail("[redacted]", problem.to_owned(), session);
                Ok(())
            })?;
        }
        if let Some(holders) = consumers(store, self.consumer.as_deref(), &self.tags)? {
            tally.wanted.extend(live_keys(&holders, store)?);
        }
        if tally.wanted.is_empty() && tally.failed.is_empty() {
            session.ui.status("no keys");
        }
        Ok(tally)
    }
}

impl Tally {
    /// One line of trouble for one key; the others go on.
    fn fail(&mut self, id: &str, problem: String, session: &Session) {
        session.ui.warn(&problem);
        self.failed.push((id.to_owned(), problem));
    }
}

/// Returns the keys of these consumers that are not revoked yet.
fn live_keys(holders: &BTreeSet<ConsumerId>, store: &Store) -> Result<Vec<KeyId>, Failure> {
    let mut live = Vec::new();
    let mut problem: Option<StoreError> = None;
    let mut each = |key: Result<KeyRecord, StoreError>| {
        match key {
            Ok(key) => {
                if holders.contains(&key.consumer) && !matches!(key.state, State::Revoked { .. }) {
                    live.push(key.id);
                }
            }
            // Whose it is cannot be told: rather nothing revoked than one forgotten unsaid.
            Err(error) => problem = Some(error),
        }
        problem.is_none()
    };
    match holders.first() {
        Some(only) if holders.len() == 1 => store.keys_of(*only, &mut each)?,
        _ => store.keys(&mut each)?,
    }
    problem.map_or(Ok(live), |error| Err(error.into()))
}

fn no_such_key(id: KeyId) -> String {
    StoreError::NoSuchKey { wanted: id.to_string() }.to_string()
}

fn describe(ids: &[KeyId], store: &Store) -> String {
    match ids {
        [id] => {
            let Ok(key) = store.key(*id) else { return id.to_string() };
            format!("{id} ({}, {})", key.hint(), holder_name(store, &key))
        }
        ids => counted(ids.len(), "key"),
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

/// For how many unknown keys near ones are named: each costs a look at all keys.
const NEAR_OF: usize = 3;

/// An identifier has 30 bytes; a longer line than this is some other file.
const LONGEST_LINE: u64 = 4096;
