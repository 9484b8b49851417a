//! What keys look like, and who is asked whether they work: the store, a list of digests, or nobody.

use std::cell::OnceCell;
use std::collections::HashSet;

use crate::cli::digests::DigestList;
use crate::cli::failure::Failure;
use crate::cli::session::Session;
use crate::config::Secret;
use crate::key::{
    ADMIN_PREFIX, Digest, Format, KeyType, KeyTypes, Kind, Pepper, Peppers, Prefix, Scheme, Timestamp,
};
use crate::scan::{Known, Lookup, Report, Standing};
use crate::store::{Access, Options, Store, Usage};

use super::args::LeakScan;

/// Returns the key types to look for: those of `--prefix`, or the configuration's.
pub(in crate::cli) fn key_types(prefixes: &[Prefix], session: &Session) -> Result<KeyTypes, Failure> {
    if prefixes.is_empty() {
        let advice = "name what your keys begin with, and no configuration is needed: --prefix acme_live";
        return session.config().map(|config| config.key_types.clone()).map_err(|e| e.help(advice));
    }
    let config = session.config_if_any()?;
    let declared = config.map(|config| config.key_types.as_slice()).unwrap_or_default();
    let mut seen = HashSet::new();
    let types = prefixes.iter().filter(|prefix| seen.insert(*prefix)).map(|prefix| {
        let known = declared.iter().find(|t| t.prefix == *prefix && t.format == Format::Kgate);
        known.cloned().unwrap_or_else(|| undeclared(prefix))
    });
    Ok(KeyTypes::new(types.collect()))
}

/// Adds what admin keys look like: whoever has one has more than any consumer.
pub(super) fn with_admin_keys(types: &KeyTypes) -> KeyTypes {
    let prefix = ADMIN_PREFIX.parse().expect("it is a prefix");
    let admin = KeyType { name: ADMIN_TYPE.to_owned(), ..undeclared(&prefix) };
    KeyTypes::new(types.as_slice().iter().cloned().chain([admin]).collect())
}

/// What admin keys are called in reports. No key type of a configuration can be called so.
const ADMIN_TYPE: &str = "admin key";

/// A prefix of which nothing else is known: better an alarm too many.
fn undeclared(prefix: &Prefix) -> KeyType {
    KeyType {
        name: prefix.to_string(),
        prefix: prefix.clone(),
        environment: String::new(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    }
}

/// Who says whether a key works.
pub(super) struct Judge {
    peppers: Peppers,
    witness: Witness,
}

enum Witness {
    Store(StoreWitness),
    List(DigestList),
    Nobody,
}

impl Judge {
    pub(super) fn open(args: &LeakScan, session: &Session) -> Result<Self, Failure> {
        let config = session.config_if_any()?;
        let mut peppers: Vec<Pepper> =
            config.map(|config| config.peppers.as_slice().to_vec()).unwrap_or_default();
        let mut unnamed = 0;
        for file in &args.peppers {
            unnamed += usize::from(file.name.is_none());
            peppers
                .push(Pepper::new(file.name.clone().unwrap_or_default(), read_pepper(&file.path)?.expose()));
        }
        let witness = match &args.digests {
            Some(path) => Witness::List(DigestList::read(path, session.now(), &named(&peppers), unnamed)?),
            None => match open_store(session, config.is_some())? {
                Some(store) => Witness::Store(StoreWitness {
                    store,
                    usage: session.usage(),
                    now: session.now(),
                    known: named(&peppers),
                    unnamed,
                    missed: OnceCell::new(),
                }),
                None => Witness::Nobody,
            },
        };
        Ok(Self { peppers: Peppers::new(peppers), witness })
    }

    pub(super) fn peppers(&self) -> Peppers {
        self.peppers.clone()
    }

    /// Takes back what was said of admin keys by a witness who knows of none.
    pub(super) fn correct(&self, report: &mut Report) {
        if let Witness::List(_) = self.witness {
            let admin = report.findings.iter_mut().filter(|finding| finding.key_type == ADMIN_TYPE);
            admin.for_each(|finding| finding.standing = Standing::Unverified);
        }
    }

    pub(super) fn as_lookup(&self) -> Option<&dyn Lookup> {
        match &self.witness {
            Witness::Store(store) => Some(store),
            Witness::List(list) => Some(list),
            Witness::Nobody => None,
        }
    }
}

fn named(peppers: &[Pepper]) -> HashSet<String> {
    peppers.iter().map(|pepper| pepper.id().to_owned()).filter(|id| !id.is_empty()).collect()
}

fn read_pepper(path: &std::path::Path) -> Result<Secret, Failure> {
    Secret::from_file(path)
        .map_err(|e| Failure::cannot(format!("cannot use the pepper {}", path.display())).because(&e))
}

/// A scanner in a build has a configuration and no store, or neither; what it finds is unverified.
fn open_store(session: &Session, has_config: bool) -> Result<Option<Store>, Failure> {
    if !has_config && session.named_data_dir().is_none() {
        session.ui.status("there is no store to ask: whether keys work is not known");
        return Ok(None);
    }
    let dir = session.data_dir()?;
    if !Store::exists(&dir) {
        session.ui.status(format!("there is no store in {}: whether keys work is not known", dir.display()));
        return Ok(None);
    }
    Ok(Some(Store::open(&dir, Access::Read, &Options::default())?))
}

struct StoreWitness {
    store: Store,
    usage: Option<Usage>,
    now: Timestamp,
    /// The names of the peppers at hand, and how many more there are without a name.
    known: HashSet<String>,
    unnamed: usize,
    missed: OnceCell<Standing>,
}

impl Lookup for StoreWitness {
    fn look_up(&self, digest: &Digest) -> Result<Option<Known>, String> {
        let Some(key) = self.store.key_by_digest(digest).map_err(|e| e.to_string())? else {
            return self.admin_key(digest);
        };
        Ok(Some(Known {
            status: key.status(self.now),
            consumer_name: self.store.consumer(key.consumer).ok().map(|consumer| consumer.name),
            last_used: self.usage.as_ref().and_then(|usage| usage.last_used_at(key.id).ok()).flatten(),
            key: Some(key.id),
            key_name: key.name,
            consumer: Some(key.consumer),
            admin: None,
        }))
    }

    fn missed(&self) -> Standing {
        self.missed.get_or_init(|| self.look_for_other_peppers()).clone()
    }
}

impl StoreWitness {
    /// Admin keys are digested without a pepper.
    fn admin_key(&self, digest: &Digest) -> Result<Option<Known>, String> {
        let key = self.store.admin_key_by_digest(digest).map_err(|e| e.to_string())?;
        Ok(key.map(|key| Known {
            status: key.status(self.now),
            key: None,
            key_name: key.name,
            consumer: None,
            consumer_name: None,
            last_used: None,
            admin: Some((key.id, key.role)),
        }))
    }

    /// Says what a key is that was not found: unknown, unless a record is under a pepper that is not at
    /// hand and so may be that key's. Looks at all keys, once, and only when a key was not found.
    fn look_for_other_peppers(&self) -> Standing {
        let mut others = HashSet::new();
        let result = self.store.keys(&mut |key| {
            if let Ok(key) = key
                && let Scheme::HmacSha256(pepper) = key.scheme
                && !self.known.contains(&pepper)
            {
                others.insert(pepper);
            }
            true
        });
        match result {
            Ok(()) if others.len() <= self.unnamed => Standing::Unknown,
            Ok(()) => Standing::Unverified,
            Err(error) => Standing::LookupFailed(error.to_string()),
        }
    }
}
