//! `kgate key rehash-status`

use clap::Args;
use serde_json::json;

use crate::cli::failure::{Answer, Outcome};
use crate::cli::peppers::{self, Dependence, Hash};
use crate::cli::session::Session;
use crate::cli::ui::{Cell, Item, Object, Tone};
use crate::cli::view::{Field, named};

/// What `key rehash-status` prints of each way digests were made.
pub(in crate::cli) const REHASH: &[Field] = &[
    ("hash", "`sha256`, or `hmac-sha256:` and the pepper's id"),
    ("pepper", "the pepper's id, or null"),
    ("is_declared", "whether the configuration has the pepper; true without one"),
    ("is_for_new_keys", "whether new keys are digested so"),
    ("keys", "keys digested so that still work or may again: not revoked, not expired"),
    ("ended", "keys digested so that are revoked or expired"),
];

/// Show how many keys depend on each pepper
///
/// A digest cannot be made anew without its token: a key moves to the first pepper when it is rotated.
/// A pepper that no key depends on can be taken out of the configuration; `kgate check` refuses the others'
/// removal. Exit code 1 if keys depend on a pepper that is not declared.
#[derive(Args)]
pub(in crate::cli) struct RehashStatus {}

pub(super) fn run(_args: &RehashStatus, session: &Session) -> Outcome {
    let config = session.config()?;
    let hashes = peppers::hashes(&session.store()?, &config.peppers, session.now())?;
    let mut list = session.ui.list();
    for hash in &hashes {
        list.row(hash)?;
    }
    list.end()?;
    let missing: Vec<&Hash> = hashes.iter().filter(|hash| hash.is_missing()).collect();
    for hash in &missing {
        session.ui.warn(hash.complaint());
    }
    Ok(if missing.is_empty() { Answer::Yes } else { Answer::No })
}

impl Item for Hash {
    const HEADINGS: &'static [&'static str] = &["HASH", "KEYS", "ENDED", "STATE"];

    fn object(&self) -> Object {
        Object(named(
            REHASH,
            [
                json!(self.scheme.to_string()),
                json!(self.pepper()),
                json!(self.dependence != Dependence::Undeclared),
                json!(self.dependence == Dependence::New),
                json!(self.keys),
                json!(self.ended),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        let state = match self.dependence {
            Dependence::New => Cell::toned("new keys", Tone::Good),
            Dependence::Undeclared if self.keys > 0 => Cell::toned("not declared", Tone::Bad),
            Dependence::Undeclared => Cell::toned("not declared, not needed", Tone::Faint),
            Dependence::Old if self.keys == 0 && self.pepper().is_some() => {
                Cell::toned("can be removed", Tone::Attention)
            }
            Dependence::Old => Cell::plain("older keys"),
        };
        vec![
            Cell::plain(self.scheme.to_string()),
            Cell::plain(self.keys.to_string()),
            Cell::plain(self.ended.to_string()),
            state,
        ]
    }
}
