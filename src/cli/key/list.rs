//! `kgate key list`

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use clap::{Args, ValueEnum};

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::lookup;
use crate::cli::session::Session;
use crate::cli::ui::Format;
use crate::cli::values;
use crate::cli::view::KeyView;
use crate::key::{ConsumerId, KeyId, KeyRecord, Span, Status, Timestamp};
use crate::store::{KeyFilter, Store, StoreError};

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
    let store = session.store()?;
    let filter = args.filter(&store, now)?;
    let names = consumer_names(&store)?;
    let last_used = session.usage().map(|usage| usage.last_used()).transpose()?.unwrap_or_default();
    let mut list = session.ui.list();
    let mut failed: Option<Failure> = None;
    let mut damaged = 0_u64;
    let mut each = |record: Result<KeyRecord, StoreError>| {
        let key = match record {
            Ok(key) => key,
            Err(error) => {
                damaged += 1;
                session.ui.warn(error.to_string());
                return true;
            }
        };
        let used = last_used.get(&key.id).copied();
        if filter.matches(&key, now) && args.is_unused(&key, used, now) && args.is_in_first_life(&key) {
            let consumer = names.get(&key.consumer).map_or("", String::as_str);
            failed = list.row(&KeyView { key: &key, consumer, last_used: used, now }).err();
        }
        failed.is_none()
    };
    match filter.consumers.as_ref().and_then(single) {
        Some(only) => store.keys_of(only, &mut each)?,
        None => store.keys(&mut each)?,
    }
    if let Some(failure) = failed {
        return Err(failure);
    }
    if list.end()? == 0 {
        session.ui.status("no keys");
    }
    if damaged > 0 {
        return Err(
            Failure::cannot(format!("{damaged} records could not be read")).help("run `kgate doctor`")
        );
    }
    Ok(Answer::Yes)
}

impl List {
    fn filter(&self, store: &Store, now: Timestamp) -> Result<KeyFilter, Failure> {
        let scope = self.scope.as_deref().map(str::parse).transpose();
        Ok(KeyFilter {
            consumers: consumers(store, self.consumer.as_deref(), &self.tags)?,
            statuses: self.status.iter().map(|name| name.status()).collect(),
            key_type: self.key_type.clone(),
            expiring_before: self.expiring.map(|span| now.plus(span.as_duration())),
            scope: scope.map_err(|e: crate::key::ScopeError| Failure::cannot(e.to_string()))?,
            name: self.name.clone(),
        })
    }

    fn is_in_first_life(&self, key: &KeyRecord) -> bool {
        !self.never_rotated || (key.rotated_from.is_none() && key.rotated_to.is_none())
    }

    fn is_unused(&self, key: &KeyRecord, last_used: Option<Timestamp>, now: Timestamp) -> bool {
        self.unused_for
            .is_none_or(|span| now.since(last_used.unwrap_or(key.created_at)) >= span.as_duration())
    }
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

/// Returns the consumers that `--consumer` and `--tag` select together; `None` is all.
pub(super) fn consumers(
    store: &Store,
    wanted: Option<&str>,
    tags: &[String],
) -> Result<Option<BTreeSet<ConsumerId>>, Failure> {
    let named = wanted.map(|wanted| lookup::consumer(store, wanted)).transpose()?;
    if tags.is_empty() {
        return Ok(named.map(|consumer| BTreeSet::from([consumer.id])));
    }
    let mut tagged = BTreeSet::new();
    let mut problem = None;
    store.consumers(&mut |record| {
        match record {
            Ok(c) if tags.iter().all(|tag| c.tags.contains(tag)) => {
                tagged.insert(c.id);
            }
            Ok(_) => {}
            Err(error) => problem = Some(error),
        }
        problem.is_none()
    })?;
    // A record that cannot be read may carry the tag: rather no answer than half of one.
    if let Some(error) = problem {
        return Err(error.into());
    }
    if let Some(consumer) = named {
        tagged.retain(|id| *id == consumer.id);
    }
    Ok(Some(tagged))
}

/// Shows people which keys are meant (programs get identifiers from the command itself), and says
/// of each that was found whether it is revoked already.
pub(super) fn list_keys(
    wanted: &HashSet<KeyId>,
    store: &Store,
    session: &Session,
) -> Result<BTreeMap<KeyId, bool>, Failure> {
    let now = session.now();
    let names = consumer_names(store)?;
    let last_used = session.usage().map(|usage| usage.last_used()).transpose()?.unwrap_or_default();
    let mut found = BTreeMap::new();
    let mut list = session.ui.list();
    let mut failed: Option<Failure> = None;
    store.keys(&mut |key| {
        let Ok(key) = key else { return true };
        if wanted.contains(&key.id) {
            let status = key.status(now);
            found.insert(key.id, status == Status::Revoked);
            if session.ui.format() == Format::Table {
                let consumer = names.get(&key.consumer).map_or("", String::as_str);
                let last_used = last_used.get(&key.id).copied();
                failed = list.row(&KeyView { key: &key, consumer, last_used, now }).err();
            }
        }
        failed.is_none() && found.len() < wanted.len()
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if session.ui.format() == Format::Table {
        list.end()?;
    }
    Ok(found)
}

fn consumer_names(store: &Store) -> Result<HashMap<ConsumerId, String>, Failure> {
    let mut names = HashMap::new();
    store.consumers(&mut |record| {
        // A damaged consumer has no name to show; `kgate consumer list` tells of it.
        if let Ok(consumer) = record {
            names.insert(consumer.id, consumer.name);
        }
        true
    })?;
    Ok(names)
}

fn single(ids: &BTreeSet<ConsumerId>) -> Option<ConsumerId> {
    if ids.len() == 1 { ids.first().copied() } else { None }
}
