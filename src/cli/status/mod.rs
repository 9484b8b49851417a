//! `kgate status`: what the running server does, live on a terminal, and whether anything is wrong.

mod checks;
mod live;
mod picture;

use clap::Args;
use serde::Serialize;

use crate::admin::status::Status as Served;
use crate::config::Address;
use crate::key::Span;
use crate::store::{Check, Level};

use super::demo::http;
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
/// week and for uses of keys that had ended. On a terminal the picture is refreshed until Ctrl-C; elsewhere,
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
        let server = ask(session)?;
        let mut checks = checks::of_server(&server);
        checks.extend(checks::of_store(session)?);
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

/// Asks the running server; `Err` says why it cannot be.
fn ask(session: &Session) -> Result<Result<Box<Served>, String>, Failure> {
    let listen = &session.config()?.listen;
    let is_socket = |address: &&Address| matches!(address, Address::Unix(_));
    let Some(admin) = listen.admin.iter().find(is_socket).or(listen.admin.first()) else {
        return Ok(Err("there is no `admin` in [listen] to ask".to_owned()));
    };
    if listen.admin_tls.is_some() && !is_socket(&admin) {
        let text = "`admin` speaks TLS everywhere: add a Unix socket to it, `unix:PATH`, for this command";
        return Ok(Err(text.to_owned()));
    }
    let answer = match admin {
        Address::Tcp(address) => http::request(*address, "GET", "/status", &[]),
        Address::Unix(path) => http::request_unix(path, "GET", "/status"),
        Address::Name(..) => unreachable!("the configuration takes names for upstreams only"),
    };
    Ok(match answer {
        Err(error) => Err(format!("nobody answers at {admin}: {error}")),
        Ok(answer) if answer.status() != 200 => {
            Err(format!("{admin} answers with {}; is it a kgate of this version?", answer.status()))
        }
        Ok(answer) => serde_json::from_str(&answer.body)
            .map(Box::new)
            .map_err(|error| format!("{admin} is no kgate of this version: {error}")),
    })
}
