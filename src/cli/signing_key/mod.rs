//! `kgate signing-key …`: what signs the tokens that backends check.

mod create;
mod jwks;
mod list;
mod remove;
mod rotate;

use std::path::Path;

use clap::Subcommand;
use serde_json::json;

use crate::config::Config;
use crate::edge::{Unsigned, unsigned};
use crate::key::Timestamp;
use crate::sign::{self, Algorithm, Ring, Role, SignError, SigningKey};

use super::failure::{Failure, Outcome};
use super::session::Session;
use super::ui::{Cell, Item, Object, Tone};
use super::values::{relative, to_the_second};
use super::view::{Field, maybe_time, named, time};

/// What every `signing-key` command but `jwks` prints.
pub(super) const SIGNING_KEY: &[Field] = &[
    ("id", "the key's name, `sig_…`: the `kid` of its tokens"),
    ("algorithm", "`EdDSA` or `ES256`"),
    ("role", "`next`: published, not yet signing; `signing`; `retired`: published for tokens on their way"),
    ("created_at", "time"),
    ("signs_from", "time it begins or began to sign"),
    ("signs_until", "time its successor begins or began, or null"),
];

/// Make, rotate and list the keys that sign tokens for backends
///
/// For upstreams with `jwt` in kgate.toml. Private keys are files in the data directory, readable by their
/// owner only; they are in no backup, since whoever has one can pass for this gateway. A running gateway
/// takes up every change within a second. How a backend checks a token: docs/verify-backend.md.
#[derive(Subcommand)]
pub(super) enum SigningKeys {
    Create(create::Create),
    Rotate(rotate::Rotate),
    List(list::List),
    Jwks(jwks::Jwks),
    Remove(remove::Remove),
}

pub(super) fn run(command: SigningKeys, session: &Session) -> Outcome {
    match command {
        SigningKeys::Create(args) => create::run(&args, session),
        SigningKeys::Rotate(args) => rotate::run(&args, session),
        SigningKeys::List(args) => list::run(&args, session),
        SigningKeys::Jwks(args) => jwks::run(&args, session),
        SigningKeys::Remove(args) => remove::run(&args, session),
    }
}

/// A key in the ring it belongs to.
struct Shown<'a> {
    key: &'a SigningKey,
    role: Role,
    until: Option<Timestamp>,
    now: Timestamp,
}

impl<'a> Shown<'a> {
    fn all(ring: &'a Ring, now: Timestamp) -> impl Iterator<Item = Self> {
        ring.iter(now).map(move |(key, role)| Self { key, role, until: ring.retired_at(key), now })
    }
}

impl Item for Shown<'_> {
    const HEADINGS: &'static [&'static str] = &["ID", "ALGORITHM", "ROLE", "CREATED", "SIGNS FROM", "UNTIL"];

    fn object(&self) -> Object {
        Object(named(
            SIGNING_KEY,
            [
                json!(self.key.id().as_str()),
                json!(self.key.algorithm().as_str()),
                json!(self.role.as_str()),
                time(self.key.created_at()),
                time(self.key.signs_from()),
                maybe_time(self.until),
            ],
        ))
    }

    fn cells(&self) -> Vec<Cell> {
        let tone = match self.role {
            Role::Next => Tone::Attention,
            Role::Signing => Tone::Good,
            Role::Retired => Tone::Faint,
        };
        let moment = |at: Timestamp| Cell::plain(relative(at, self.now));
        vec![
            Cell::plain(self.key.id().as_str()),
            Cell::plain(self.key.algorithm().as_str()),
            Cell::toned(self.role.as_str(), tone),
            moment(self.key.created_at()),
            moment(self.key.signs_from()),
            self.until.map_or_else(Cell::none, moment),
        ]
    }
}

impl From<SignError> for Failure {
    fn from(error: SignError) -> Self {
        sign_failure(&error)
    }
}

/// Turns an error of the keys' files into what a person reads.
pub(super) fn sign_failure(error: &SignError) -> Failure {
    let failure = Failure::cannot(error.to_string());
    match error {
        SignError::Io { source, .. } => failure.because(source),
        SignError::Exposed { path } => failure.help(format!("run `chmod 600 {}`", path.display())).help(
            "if others have read it, they can pass for this gateway: `kgate signing-key rotate --lead 0s`",
        ),
        SignError::Damaged { path, .. } => failure
            .help(format!("remove {}, then run `kgate signing-key create` if none is left", path.display())),
    }
}

/// Says what to do about tokens that nothing can sign.
pub(super) fn no_signing_key(missing: &Unsigned) -> Failure {
    let command = format!("kgate signing-key create --algorithm {}", missing.algorithm);
    Failure::cannot(missing.to_string()).help(format!("run `{command}`"))
}

/// Says what is wrong with the keys in the data directory, for this configuration.
pub(super) fn check(config: &Config) -> Result<(), Failure> {
    let ring = sign::load(&config.data_dir)?;
    unsigned(config, &ring).first().map_or(Ok(()), |missing| Err(no_signing_key(missing)))
}

/// Reads the keys of a directory that has a store: a mistyped one is not to be filled with keys.
fn load(session: &Session) -> Result<(std::path::PathBuf, Ring), Failure> {
    let dir = session.data_dir()?;
    drop(session.store()?);
    let ring = sign::load(&dir)?;
    Ok((dir, ring))
}

/// Writes a key and shows it.
fn add(key: &SigningKey, dir: &Path, session: &Session) -> Result<(), Failure> {
    sign::add(dir, key)?;
    let now = session.now();
    let (algorithm, from) = (key.algorithm(), key.signs_from());
    let when = if from <= now {
        "signs from now on".to_owned()
    } else {
        format!("is published now and signs from {} ({})", to_the_second(from), relative(from, now))
    };
    session.ui.status(format!("made {} ({algorithm}), which {when}", key.id()));
    let ring = sign::load(dir)?;
    for shown in Shown::all(&ring, now).filter(|shown| shown.key.id() == key.id()) {
        session.ui.show_to_programs(&shown)?;
    }
    Ok(())
}

fn algorithm(text: &str) -> Result<Algorithm, String> {
    text.parse().map_err(|error: sign::UnknownAlgorithm| error.to_string())
}
