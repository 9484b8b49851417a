//! `kgate key revoke`

use std::io::{self, BufRead, Read};

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::admin::api::{BulkRevokeBody, KeysRevoked, RevokeFailure};
use crate::admin::shape::{KeyShape, Spelled};
use crate::cli::books::Books;
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::ui::Object;
use crate::cli::values::counted;
use crate::cli::view::{Field, named};
use crate::key::{KeyId, RevokeReason, Status};

use super::list::show_keys;

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

pub(super) fn run(args: &Revoke, session: &Session) -> Outcome {
    let books = session.books()?;
    let (which, mut failed) = args.select(&*books, session)?;
    let mut done = match &which {
        Some(which) => books.revoke_keys(which, &|_| ())?,
        None => args.nothing(),
    };
    if args.dry_run {
        show_keys(&done.revoked, &*books, session)?;
        session.ui.status(format!("would revoke {}", describe(&done.revoked, &*books)));
    } else if !done.revoked.is_empty() {
        let question = format!("Revoke {} for good?", describe(&done.revoked, &*books));
        if !args.yes && !session.ui.confirm(&question, "--yes")? {
            session.ui.status("nothing was done");
            return Ok(Answer::No);
        }
        let rehearsed = done;
        done = revoke(args, &rehearsed.revoked, &*books, session)?;
        done.already_revoked.extend(rehearsed.already_revoked);
        done.failed.extend(rehearsed.failed);
    }
    failed.append(&mut done.failed);
    done.failed = failed;
    if !args.dry_run && matches!(args.reason, Reason::Leak | Reason::Abuse) {
        name_successors(&done.revoked, &*books, session);
    }
    report(args, &done, session)
}

/// Where holders may rotate keys, whoever found one may have: its successor is another key, and goes on.
fn name_successors(ids: &[Spelled<KeyId>], books: &dyn Books, session: &Session) {
    let works = |key: &KeyShape| !matches!(key.status.0, Status::Revoked | Status::Expired);
    let find = |id: KeyId| books.key(&id.to_string()).ok();
    let mut questions = 0..MOST_QUESTIONS;
    for id in ids {
        // One after another: each may have been replaced in turn.
        let mut next = find(id.0).and_then(|key| key.rotated_to);
        while let Some(successor) = next.filter(|_| questions.next().is_some()).and_then(|id| find(id.0)) {
            if works(&successor) {
                warn_of_successor(id.0, successor.id.0, session);
            }
            next = successor.rotated_to;
        }
    }
}

/// Tells of a key that goes on in the place of one that leaked.
pub(in crate::cli) fn warn_of_successor(leaked: KeyId, successor: KeyId, session: &Session) {
    session.ui.warn(format!(
        "{leaked} was replaced by {successor}, which still works: `kgate audit --key {successor}` says who did that, \
         and from where"
    ));
}

fn revoke(
    args: &Revoke,
    ids: &[Spelled<KeyId>],
    books: &dyn Books,
    session: &Session,
) -> Result<KeysRevoked, Failure> {
    let bar = session.ui.bar(ids.len() as u64, "revoking");
    let keys = ids.iter().map(|id| id.0.to_string()).collect();
    let which = BulkRevokeBody { keys, dry_run: false, ..args.body() };
    let done = books.revoke_keys(&which, &|more| bar.add(more as u64));
    drop(bar);
    done
}

fn report(args: &Revoke, done: &KeysRevoked, session: &Session) -> Outcome {
    if !args.dry_run {
        match done.revoked.as_slice() {
            [] => {}
            [id] => session.ui.status(format!("revoked {}", id.0)),
            ids => session.ui.status(format!("revoked {}", counted(ids.len(), "key"))),
        }
    }
    match done.already_revoked.as_slice() {
        [] => {}
        [id] => session.ui.status(format!("{} was revoked before, and stays so", id.0)),
        ids => session.ui.status(format!("{} were revoked before, and stay so", counted(ids.len(), "key"))),
    }
    done.failed.iter().for_each(|failure| session.ui.warn(&failure.error));
    let values = [
        json!(args.dry_run),
        json!(done.reason),
        json!(done.revoked),
        json!(done.already_revoked),
        json!(done.failed),
    ];
    session.ui.object_to_programs(&Object(named(REVOKED, values)))?;
    match done.failed.len() {
        0 => Ok(Answer::Yes),
        count => Err(Failure::no(format!("{} could not be revoked", counted(count, "key")))
            .help("`kgate key list` shows all keys")),
    }
}

impl Revoke {
    /// Returns which keys are meant, and what was named and is none. `None` is no key at all.
    fn select(
        &self,
        books: &dyn Books,
        session: &Session,
    ) -> Result<(Option<BulkRevokeBody>, Vec<RevokeFailure>), Failure> {
        let mut failed = Vec::new();
        if let [only] = self.keys.as_slice()
            && !self.stdin
        {
            let keys = vec![books.key(only)?.id.0.to_string()];
            return Ok((Some(BulkRevokeBody { keys, ..self.body() }), failed));
        }
        let mut keys = Vec::new();
        for text in &self.keys {
            match lookup::parse_key_id(text)? {
                Some(id) => keys.push(id.to_string()),
                None => failed.push(RevokeFailure {
                    id: text.clone(),
                    error: format!("`{text}` is not the identifier of a key"),
                }),
            }
        }
        if self.stdin {
            each_line(io::stdin().lock(), &mut |text| {
                keys.push(text.to_owned());
                Ok(())
            })?;
        }
        let by_holder = self.consumer.is_some() || !self.tags.is_empty();
        if keys.is_empty() && !by_holder {
            if failed.is_empty() {
                session.ui.status("no keys");
            }
            return Ok((None, failed));
        }
        let (consumer, tags) = (self.consumer.clone(), self.tags.clone());
        Ok((Some(BulkRevokeBody { keys, consumer, tags, ..self.body() }), failed))
    }

    /// What is asked first: which keys would be revoked.
    fn body(&self) -> BulkRevokeBody {
        BulkRevokeBody {
            reason: Some(Spelled(self.reason.into())),
            dry_run: true,
            note: self.note.clone().into(),
            ..BulkRevokeBody::default()
        }
    }

    fn nothing(&self) -> KeysRevoked {
        KeysRevoked {
            dry_run: self.dry_run,
            reason: Spelled(self.reason.into()),
            revoked: Vec::new(),
            already_revoked: Vec::new(),
            failed: Vec::new(),
        }
    }
}

fn describe(ids: &[Spelled<KeyId>], books: &dyn Books) -> String {
    match ids {
        [id] => {
            let Ok(key) = books.key(&id.0.to_string()) else { return id.0.to_string() };
            format!("{} ({}, {})", id.0, key.hint, key.consumer_name.unwrap_or_default())
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

/// How many successors are asked for: elsewhere each costs a request.
const MOST_QUESTIONS: usize = 1_000;

/// An identifier has 30 bytes; a longer line than this is some other file.
const LONGEST_LINE: u64 = 4096;
