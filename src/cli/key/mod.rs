//! `kgate key …`: the life of a key.

mod create;
mod export;
mod list;
mod prune;
mod rehash_status;
mod revoke;
mod rotate;
mod rotation_status;
mod show;
mod switch;
mod update;
mod verify;

use clap::Subcommand;
use ipnet::IpNet;

use crate::admin::shape::Spelled;
use crate::config::Config;
use crate::key::{KeyType, Networks, Scope, ScopeError, Timestamp};

use super::failure::{Failure, Outcome};
use super::session::Session;
use super::values::{relative, to_the_second};

pub(super) use prune::PRUNED;
pub(super) use rehash_status::{REHASH, complaint};
pub(super) use revoke::{REVOKED, warn_of_successor};
pub(super) use rotation_status::ROTATION;

/// Create, list, change, rotate and revoke keys
#[derive(Subcommand)]
pub(super) enum Key {
    Create(create::Create),
    List(list::List),
    Export(export::Export),
    Show(show::Show),
    Update(update::Update),
    Rotate(rotate::Rotate),
    RotationStatus(rotation_status::RotationStatus),
    RehashStatus(rehash_status::RehashStatus),
    Revoke(revoke::Revoke),
    Disable(switch::Disable),
    Enable(switch::Enable),
    Prune(prune::Prune),
    Verify(verify::Verify),
}

pub(super) fn run(command: Key, session: &Session) -> Outcome {
    match command {
        Key::Create(args) => create::run(&args, session),
        Key::Export(args) => export::run(&args, session),
        Key::List(args) => list::run(&args, session),
        Key::Show(args) => show::run(&args, session),
        Key::Update(args) => update::run(&args, session),
        Key::Rotate(args) => rotate::run(&args, session),
        Key::RehashStatus(args) => rehash_status::run(&args, session),
        Key::RotationStatus(args) => rotation_status::run(&args, session),
        Key::Revoke(args) => revoke::run(&args, session),
        Key::Disable(args) => switch::disable(&args, session),
        Key::Enable(args) => switch::enable(&args, session),
        Key::Prune(args) => prune::run(&args, session),
        Key::Verify(args) => verify::run(&args, session),
    }
}

/// Finds a declared key type, or the first if none is named.
pub(super) fn key_type<'c>(config: &'c Config, wanted: Option<&str>) -> Result<&'c KeyType, Failure> {
    let types = config.key_types.as_slice();
    let found = match wanted {
        Some(name) => types.iter().find(|t| t.name == name),
        None => types.first(),
    };
    found.ok_or_else(|| {
        let names: Vec<&str> = types.iter().map(|t| t.name.as_str()).collect();
        let advice = match names.as_slice() {
            [] => "declare one with [[key_type]]".to_owned(),
            names => format!("the key types are {}", names.join(", ")),
        };
        Failure::cannot(format!(
            "there is no key type `{}` in {}",
            wanted.unwrap_or_default(),
            config.path.display()
        ))
        .help(advice)
    })
}

fn scopes(typed: &[String]) -> Result<Vec<Spelled<Scope>>, Failure> {
    let parse =
        |text: &String| text.parse().map(Spelled).map_err(|e: ScopeError| Failure::cannot(e.to_string()));
    typed.iter().map(parse).collect()
}

fn networks(typed: &[String]) -> Result<Vec<Spelled<IpNet>>, Failure> {
    let parse =
        |text: &String| Networks::parse_one(text).map(Spelled).map_err(|e| Failure::cannot(e.to_string()));
    typed.iter().map(parse).collect()
}

/// Says when a key ends: `expires 2027-02-21T22:00:00Z (in 90d)`.
pub(super) fn expiry_phrase(expires_at: Option<Timestamp>, now: Timestamp) -> String {
    match expires_at {
        Some(at) => format!("expires {} ({})", to_the_second(at), relative(at, now)),
        None => "never expires".to_owned(),
    }
}
