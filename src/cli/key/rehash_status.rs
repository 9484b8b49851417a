//! `kgate key rehash-status`

use clap::Args;
use serde_json::json;

use crate::admin::api::HashShape;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::{Cell, Item, Object, Tone, clean};
use crate::cli::values::counted;
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
    let hashes = session.books()?.hashes()?;
    let mut list = session.ui.list();
    for hash in &hashes {
        list.row(hash)?;
    }
    list.end()?;
    let missing: Vec<&HashShape> = hashes.iter().filter(|hash| hash.is_missing()).collect();
    for hash in &missing {
        session.ui.warn(complaint(hash));
    }
    Ok(if missing.is_empty() { Answer::Yes } else { Answer::No })
}

/// Says what is wrong where a pepper is missing.
pub(in crate::cli) fn complaint(hash: &HashShape) -> String {
    let pepper = clean(hash.pepper.as_deref().unwrap_or_default());
    let depend = if hash.keys == 1 { "depends" } else { "depend" };
    format!("{} {depend} on the pepper `{pepper}`, which is not declared", counted(hash.keys, "key"))
}

impl Item for HashShape {
    const HEADINGS: &'static [&'static str] = &["HASH", "KEYS", "ENDED", "STATE"];

    fn object(&self) -> Object {
        Object(named(
            REHASH,
            [
                json!(self.hash),
                json!(self.pepper),
                json!(self.is_declared),
                json!(self.is_for_new_keys),
                json!(self.keys),
                json!(self.ended),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        let state = match (self.is_declared, self.is_for_new_keys) {
            (_, true) => Cell::toned("new keys", Tone::Good),
            (false, _) if self.keys > 0 => Cell::toned("not declared", Tone::Bad),
            (false, _) => Cell::toned("not declared, not needed", Tone::Faint),
            (true, _) if self.keys == 0 && self.pepper.is_some() => {
                Cell::toned("can be removed", Tone::Attention)
            }
            (true, _) => Cell::plain("older keys"),
        };
        vec![
            Cell::plain(self.hash.as_str()),
            Cell::plain(self.keys.to_string()),
            Cell::plain(self.ended.to_string()),
            state,
        ]
    }
}
