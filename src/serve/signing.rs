//! The signing keys of a running server: read at start, and again when they changed.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Notice, ServeError};
use crate::config::Config;
use crate::edge::unsigned;
use crate::sign::{self, Keys, SignError};

/// Keeps the keys in force those of the data directory.
pub(super) struct Signing {
    keys: Arc<Keys>,
    data_dir: PathBuf,
    seen: Mutex<Seen>,
}

/// What the last look found.
struct Seen {
    names: Vec<String>,
    trouble: Option<String>,
}

impl Signing {
    /// Reads the keys, of which there must be one for every algorithm an upstream wants.
    pub(super) fn open(config: &Config) -> Result<Self, ServeError> {
        let names = sign::names(&config.data_dir)?;
        let ring = sign::load(&config.data_dir)?;
        if let Some(missing) = unsigned(config, &ring).into_iter().next() {
            return Err(ServeError::NoSigningKey(missing));
        }
        let seen = Mutex::new(Seen { names, trouble: None });
        Ok(Self { keys: Arc::new(Keys::new(ring)), data_dir: config.data_dir.clone(), seen })
    }

    pub(super) fn keys(&self) -> &Arc<Keys> {
        &self.keys
    }

    /// Says why a changed configuration cannot be put in force with these keys, if it cannot.
    pub(super) fn lacks(&self, config: &Config) -> Option<ServeError> {
        unsigned(config, &self.keys.ring()).into_iter().next().map(ServeError::NoSigningKey)
    }

    /// Reads the keys again if their files are others than at the last look. If they cannot be read, the
    /// ones in force stay.
    pub(super) fn look(&self, config: &Config) -> Option<Notice> {
        let mut seen = self.lock();
        let read = || -> Result<_, SignError> {
            let names = sign::names(&self.data_dir)?;
            if names == seen.names && seen.trouble.is_none() {
                return Ok(None);
            }
            Ok(Some((names, sign::load(&self.data_dir)?)))
        };
        match read() {
            Ok(None) => None,
            Ok(Some((names, ring))) => {
                *seen = Seen { names, trouble: None };
                let missing = unsigned(config, &ring).into_iter().next();
                self.keys.replace(ring);
                Some(missing.map_or(Notice::SigningKeys, |missing| {
                    Notice::Warning(format!("{missing}: requests to it are answered with 500"))
                }))
            }
            Err(error) => {
                let text = super::running::described(&error);
                let is_new = seen.trouble.as_ref() != Some(&text);
                seen.trouble = Some(text.clone());
                is_new.then(|| Notice::Warning(format!("the signing keys in force stay: {text}")))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
