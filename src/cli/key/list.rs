//! `kgate key list`

use std::collections::BTreeSet;

use clap::{Args, ValueEnum};

use crate::admin::shape::Spelled;
use crate::cli::books::{Books, KeysWanted};
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::Format;
use crate::cli::values;
use crate::cli::view::KeyView;
use crate::key::{KeyId, Span, Status};

/// List keys; filters combine
#[derive(Args)]
pub(in crate::cli) struct List {
    /// Only those of this consumer: identifier, external id or unambiguous name
    #[arg(long)]
    consumer: Option<String>,
    /// Only those of consumers with this tag; repeatable, and then with all of them
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only those with this status; repeatable, and then with any of them
    #[arg(long, value_enum, value_delimiter = ',')]
    status: Vec<StatusName>,
    /// Only those of this key type
    #[arg(long = "type", value_name = "TYPE")]
    key_type: Option<String>,
    /// Only those that still work and expire within this time
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    expiring: Option<Span>,
    /// Only those not used (or, if never, not created) for this long
    #[arg(long, value_name = "SPAN", value_parser = values::span)]
    unused_for: Option<Span>,
    /// Only those that were never rotated: neither made by a rotation nor replaced
    #[arg(long)]
    never_rotated: bool,
    /// Only those that hold this scope, themselves or by a wildcard
    #[arg(long)]
    scope: Option<String>,
    /// Only those whose name contains this, whatever the case
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum StatusName {
    Active,
    Scheduled,
    Disabled,
    Expired,
    Revoked,
}

pub(super) fn run(args: &List, session: &Session) -> Outcome {
    let now = session.now();
    let wanted = KeysWanted {
        consumer: args.consumer.clone(),
        tags: args.tags.clone(),
        status: args.status.iter().map(|name| name.status()).collect(),
        key_type: args.key_type.clone(),
        expiring: args.expiring,
        unused_for: args.unused_for,
        never_rotated: args.never_rotated,
        scope: args.scope.clone(),
        name: args.name.clone(),
    };
    let mut list = session.ui.list();
    let walked = session.books()?.keys(&wanted, &mut |key| list.row(&KeyView { key: &key, now }));
    list.end_walk(walked, "no keys").map(|()| Answer::Yes)
}

impl StatusName {
    fn status(self) -> Status {
        match self {
            Self::Active => Status::Active,
            Self::Scheduled => Status::Scheduled,
            Self::Disabled => Status::Disabled,
            Self::Expired => Status::Expired,
            Self::Revoked => Status::Revoked,
        }
    }
}

/// Shows people which keys are meant; programs get identifiers from the command itself.
pub(super) fn show_keys(ids: &[Spelled<KeyId>], books: &dyn Books, session: &Session) -> Result<(), Failure> {
    if session.ui.format() != Format::Table || ids.is_empty() {
        return Ok(());
    }
    let now = session.now();
    let mut list = session.ui.list();
    if ids.len() <= ONE_BY_ONE {
        for id in ids {
            list.row(&KeyView { key: &books.key(&id.0.to_string())?, now })?;
        }
    } else {
        let wanted: BTreeSet<KeyId> = ids.iter().map(|id| id.0).collect();
        books.keys(&KeysWanted::default(), &mut |key| {
            if wanted.contains(&key.id.0) { list.row(&KeyView { key: &key, now }) } else { Ok(()) }
        })?;
    }
    list.end().map(drop)
}

/// For more keys than this it is less work to walk through all.
const ONE_BY_ONE: usize = 20;
