//! `kgate status`: what the running server does, live on a terminal, and whether anything is wrong.

mod checks;
mod live;
mod picture;

use clap::Args;
use serde::Serialize;

use crate::admin::status::Status as Served;
use crate::key::Span;
use crate::store::{Check, Level};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Format, Item, Object};
use super::values::span;
use super::view::Field;

/// What `status` prints for programs.
pub(super) const STATUS: &[Field] = &[
    ("server", "what runs, as `GET /v1/status` of the admin API tells it; null if nobody answers"),
    ("checks", "array of checks, as of `doctor`; the worst of them makes the exit code"),
];

/// Show what the running server does, live, and whether anything is wrong
///
/// Asks the running server on its admin listener, and looks into the store for keys that expire within a
/// week and for uses of keys that had ended; with --server all of it is asked there. On a terminal the picture is refreshed until Ctrl-C; elsewhere,
/// or with --once, it is printed once. Exit code 1 if something is wrong. `kgate doctor` looks at the data
/// directory in depth.
#[derive(Args)]
pub(super) struct Status {
    /// Print it once, on a terminal, too
    #[arg(long)]
    once: bool,
    /// How often the picture is refreshed: 1s, 500ms, 1m
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = span, conflicts_with = "once")]
    every: Span,
}

pub(super) fn run(args: &Status, session: &Session) -> Outcome {
    if !args.once && session.ui.can_be_watched() {
        return live::run(args.every.as_duration(), session);
    }
    let seen = Seen::now(session)?;
    match session.ui.format() {
        Format::Table => {
            if let Ok(server) = &seen.server {
                session.ui.picture(&picture::of(server, None, session.now()))?;
            }
            list(&seen.checks, session)?;
        }
        Format::Csv => list(&seen.checks, session)?,
        Format::Json => session.ui.object(&seen.printed())?,
        Format::Jsonl => session.ui.object_line(&seen.printed())?,
    }
    verdict(seen.worst(), session)
}

fn list(checks: &[Check], session: &Session) -> Result<(), Failure> {
    let mut list = session.ui.list();
    for check in checks {
        list.row(check)?;
    }
    list.end().map(drop)
}

fn verdict(worst: Level, session: &Session) -> Outcome {
    match worst {
        Level::Good => session.ui.status("nothing is wrong"),
        Level::Warning => session.ui.status("it works, but look at the warnings"),
        Level::Fault => return Err(Failure::no("something is wrong").help("see what is marked fault")),
    }
    Ok(Answer::Yes)
}

/// What there was to see at one moment.
struct Seen {
    server: Result<Box<Served>, String>,
    checks: Vec<Check>,
}

impl Seen {
    fn now(session: &Session) -> Result<Self, Failure> {
        let books = session.books()?;
        let server = books.status()?;
        let mut checks = checks::of_server(&server);
        // Elsewhere, nobody answers for the store of a server that does not.
        if server.is_ok() || !session.is_elsewhere() {
            checks.extend(checks::of_store(&*books, session.now())?);
        }
        Ok(Self { server, checks })
    }

    fn worst(&self) -> Level {
        self.checks.iter().map(|check| check.level).max().unwrap_or(Level::Good)
    }

    fn printed(&self) -> Printed<'_> {
        let checks = self.checks.iter().map(Item::object).collect();
        Printed { server: self.server.as_ref().ok().map(|server| &**server), checks }
    }
}

/// As [`STATUS`] documents it.
#[derive(Serialize)]
struct Printed<'s> {
    server: Option<&'s Served>,
    checks: Vec<Object>,
}
