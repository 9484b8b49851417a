//! `kgate admin-key …`: who may manage kgate through the admin API.

mod create;
mod list;
mod revoke;
mod rotate;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use crate::admin::shape::{AdminKeyShape, NewAdminKeyShape, TokenText};
use crate::key::{AdminKeyId, Timestamp};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Format, Item, Object, Ui};
use super::values::relative;
use super::view::{Field, expiry_cell, maybe_time, named, status_cell, time};

/// What every `admin-key` command prints.
pub(super) const ADMIN_KEY: &[Field] = &[
    ("id", "the admin key's identifier, `akey_…`"),
    ("token", "the key itself; printed once by `create` and `rotate`, stored nowhere, else null"),
    ("name", "whose it is"),
    ("role", "`viewer`, `operator` or `admin`"),
    ("hint", "prefix and last four characters, for recognition"),
    ("status", "`active`, `expired` or `revoked`"),
    ("created_at", "time"),
    ("expires_at", "time it stops working, or null: never"),
    ("revoked_at", "time it was revoked, or null"),
    ("rotated_from", "the admin key it replaces, or null"),
    ("rotated_to", "the admin key that replaces it, or null"),
];

/// Create, list, rotate and revoke the keys of those who manage kgate
///
/// An admin key opens the admin API of a running gateway. A viewer sees everything but backups and
/// admin keys; an operator manages consumers and keys; an admin does everything.
#[derive(Subcommand)]
pub(super) enum AdminKeys {
    Create(create::Create),
    List(list::List),
    Show(Show),
    Rotate(rotate::Rotate),
    Revoke(revoke::Revoke),
}

/// Show an admin key
#[derive(Args)]
pub(super) struct Show {
    /// Its identifier, akey_…
    admin_key: String,
}

pub(super) fn run(command: AdminKeys, session: &Session) -> Outcome {
    match command {
        AdminKeys::Create(args) => create::run(&args, session),
        AdminKeys::List(args) => list::run(&args, session),
        AdminKeys::Show(args) => show(&args, session),
        AdminKeys::Rotate(args) => rotate::run(&args, session),
        AdminKeys::Revoke(args) => revoke::run(&args, session),
    }
}

fn show(args: &Show, session: &Session) -> Outcome {
    let id = parse(&args.admin_key)?;
    let key = session.books()?.admin_key(id)?;
    session.ui.show(&Shown { key: &key, token: None, now: session.now() })?;
    Ok(Answer::Yes)
}

/// Reads an identifier.
fn parse(text: &str) -> Result<AdminKeyId, Failure> {
    text.parse().map_err(|_| {
        Failure::no("that is not the identifier of an admin key")
            .help("`kgate admin-key list` shows all admin keys")
    })
}

/// Prints an admin key just made: alone for people, so that it can be piped.
fn print_new(ui: &Ui, new: &NewAdminKeyShape, now: Timestamp) -> Result<(), Failure> {
    let id = new.key.id.0;
    let useless = |failure: Failure| {
        failure
            .help(format!("nobody has it: revoke it with `kgate admin-key revoke {id}` and create another"))
    };
    let Some(token) = new.token.as_ref().map(TokenText::expose) else {
        let text = format!("admin key {id} was created, and the answer with it was lost");
        return Err(useless(Failure::cannot(text)));
    };
    let printed = match ui.format() {
        Format::Table => ui.line(token),
        Format::Json | Format::Jsonl | Format::Csv => {
            ui.show(&Shown { key: &new.key, token: Some(token), now })
        }
    };
    printed.and_then(|()| ui.flush()).map_err(|failure| {
        let said = failure.one_line();
        useless(Failure::cannot(format!("admin key {id} was created, but it could not be printed: {said}")))
    })
}

/// An admin key as it is shown.
struct Shown<'a> {
    key: &'a AdminKeyShape,
    token: Option<&'a str>,
    now: Timestamp,
}

impl Item for Shown<'_> {
    const HEADINGS: &'static [&'static str] = &["ID", "NAME", "ROLE", "HINT", "STATUS", "CREATED", "EXPIRES"];

    fn object(&self) -> Object {
        let key = self.key;
        let values: [Value; 11] = [
            json!(key.id),
            json!(self.token),
            json!(key.name),
            json!(key.role),
            json!(key.hint),
            json!(key.status),
            time(key.created_at.0),
            maybe_time(key.expires_at.map(|at| at.0)),
            maybe_time(key.revoked_at.map(|at| at.0)),
            json!(key.rotated_from),
            json!(key.rotated_to),
        ];
        Object(named(ADMIN_KEY, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let key = self.key;
        let expires = expiry_cell(key.status.0, key.expires_at.map(|at| at.0), self.now);
        vec![
            Cell::plain(key.id.0.to_string()),
            Cell::plain(key.name.as_str()),
            Cell::plain(key.role.0.as_str()),
            Cell::plain(key.hint.as_str()),
            status_cell(key.status.0),
            Cell::plain(relative(key.created_at.0, self.now)),
            expires,
        ]
    }
}
