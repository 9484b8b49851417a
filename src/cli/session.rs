//! What a command works with: the terminal, the configuration, the store, the clock.
//!
//! This is the edge where the environment and the clock are read; below it they are arguments.

use std::cell::OnceCell;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::config::{self, Address, Config};
use crate::key::{Timestamp, Token};
use crate::store::{Access, Act, Actor, Options, Store, Usage, Via};

use super::Common;
use super::advice::config_failure;
use super::books::{Books, Client, Local, Remote, Server};
use super::failure::Failure;
use super::ui::{Format, Talk, Ui};

/// One run of the program.
pub(super) struct Session {
    /// Where output goes.
    pub(super) ui: Ui,
    common: Common,
    config: OnceCell<Config>,
    data_dir: OnceCell<PathBuf>,
}

impl Session {
    pub(super) fn new(common: Common) -> Self {
        // A command with forms of its own reads their names itself.
        let named = <Format as clap::ValueEnum>::from_str(&common.format, false).unwrap_or_default();
        let format = if common.json { Format::Json } else { named };
        let talk = if common.quiet { Talk::Quiet } else { Talk::Normal };
        Self { ui: Ui::new(format, talk), common, config: OnceCell::new(), data_dir: OnceCell::new() }
    }

    /// Says whether JSON was asked for.
    pub(super) fn wants_json(&self) -> bool {
        self.ui.format() == Format::Json
    }

    /// Returns the time.
    #[allow(clippy::unused_self, reason = "commands ask their session, whatever it asks")]
    pub(super) fn now(&self) -> Timestamp {
        #[allow(clippy::disallowed_methods, reason = "the one place the command line reads the clock")]
        let now = std::time::SystemTime::now();
        let since = now.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp::from_millis(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }

    /// Returns the act of whoever runs this command, now.
    pub(super) fn act(&self, note: Option<&str>) -> Act {
        Act {
            actor: Actor { user: user(), via: Via::Cli },
            at: self.now(),
            note: note.map(ToOwned::to_owned),
            request: None,
        }
    }

    /// Returns where the configuration is.
    ///
    /// # Errors
    /// A [`Failure`] that says where was looked, and advises `kgate init`.
    pub(super) fn config_path(&self) -> Result<PathBuf, Failure> {
        if let Some(path) = self.find_config() {
            return Ok(path);
        }
        let candidates = config_candidates();
        let places: Vec<String> = candidates.iter().map(|p| p.display().to_string()).collect();
        Err(Failure::cannot(format!("there is no configuration: looked for {}", places.join(", ")))
            .help("run `kgate init` to make one, or name one with --config"))
    }

    fn find_config(&self) -> Option<PathBuf> {
        let found = || config_candidates().into_iter().find(|path| path.exists());
        self.common.config.clone().or_else(found)
    }

    /// Returns the configuration if there is one. One with mistakes is an error all the same.
    pub(super) fn config_if_any(&self) -> Result<Option<&Config>, Failure> {
        if self.find_config().is_none() { Ok(None) } else { self.config().map(Some) }
    }

    /// Returns the configuration, read once.
    pub(super) fn config(&self) -> Result<&Config, Failure> {
        if let Some(config) = self.config.get() {
            return Ok(config);
        }
        let loaded = Config::read(&self.config_path()?).map_err(|e| config_failure(&e))?;
        Ok(self.config.get_or_init(|| loaded.config))
    }

    /// Returns the configuration file named by a flag or the environment, whether it exists or not.
    pub(super) fn named_config(&self) -> Option<&Path> {
        self.common.config.as_deref()
    }

    /// Returns the data directory named by a flag or the environment.
    pub(super) fn named_data_dir(&self) -> Option<&Path> {
        self.common.data_dir.as_deref()
    }

    /// Returns the data directory.
    ///
    /// A key can be revoked while half a configuration is being edited: only `data_dir` itself has
    /// to be readable.
    pub(super) fn data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = self.data_dir.get() {
            return Ok(dir.clone());
        }
        let dir = self.find_data_dir()?;
        Ok(self.data_dir.get_or_init(|| dir).clone())
    }

    fn find_data_dir(&self) -> Result<PathBuf, Failure> {
        if let Some(dir) = self.named_data_dir() {
            return Ok(dir.to_owned());
        }
        match self.config() {
            Ok(config) => Ok(config.data_dir.clone()),
            Err(failure) => {
                let dir = self.config_path().ok().and_then(|path| config::data_dir_alone(&path));
                let dir = dir.ok_or(failure)?;
                self.ui
                    .warn("the configuration has mistakes, of which `kgate check` tells; using its data_dir");
                Ok(dir)
            }
        }
    }

    /// Returns where the running gateway could be asked, `unix:PATH` if it has a socket; `None` if it is asked
    /// anyway, or nowhere.
    pub(super) fn asked_at(&self) -> Option<String> {
        if self.is_elsewhere() {
            return None;
        }
        let listen = &self.config().ok()?.listen;
        let socket = listen.admin.iter().find(|address| matches!(address, Address::Unix(_)));
        let scheme = if listen.admin_tls.is_some() { "https" } else { "http" };
        Some(match socket.or(listen.admin.first())? {
            socket @ Address::Unix(_) => socket.to_string(),
            address => format!("{scheme}://{address}"),
        })
    }

    /// Says whether commands are for a gateway elsewhere.
    pub(super) fn is_elsewhere(&self) -> bool {
        self.common.server.is_some()
    }

    /// Returns where what commands ask is: in the store at hand, or with a gateway elsewhere.
    pub(super) fn books(&self) -> Result<Box<dyn Books + '_>, Failure> {
        let Some(server) = &self.common.server else { return Ok(Box::new(Local::new(self))) };
        let common = &self.common;
        let remote = Remote {
            server: server.clone(),
            key: self.admin_key()?,
            ca: common.ca.clone(),
            identity: common.client_cert.clone().zip(common.client_key.clone()),
        };
        Ok(Box::new(Server::new(Client::new(&remote)?, self.now())))
    }

    /// Returns the admin key: from the file that was named, or the environment; never from the command line.
    fn admin_key(&self) -> Result<Option<Token>, Failure> {
        let text = match &self.common.admin_key_file {
            Some(path) => {
                let text = std::fs::read_to_string(path).map_err(|error| {
                    Failure::cannot(format!("cannot read {}", path.display())).because(&error)
                })?;
                if is_open_to_others(path) {
                    self.ui.warn(format!("{0} can be read by others: `chmod 600 {0}`", path.display()));
                }
                Some(text)
            }
            None => std::env::var("KGATE_ADMIN_KEY").ok(),
        };
        let Some(text) = text.filter(|text| !text.trim().is_empty()) else { return Ok(None) };
        let text = text.trim();
        if text.len() > LONGEST_KEY || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(Failure::cannot("what was given as the admin key cannot be one")
                .help("it is what `kgate admin-key create` printed, kgate_admin_…, alone"));
        }
        Ok(Some(Token::from_presented(text)))
    }

    /// Opens the store for reading.
    pub(super) fn store(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.data_dir()?, Access::Read, &Options::default())?)
    }

    /// Opens the store for changing it.
    pub(super) fn store_mut(&self) -> Result<Store, Failure> {
        Ok(Store::open(&self.data_dir()?, Access::Write, &Options::default())?)
    }

    /// Opens the usage file for reading. Its absence is no reason to fail: usage may be lost.
    pub(super) fn usage(&self) -> Option<Usage> {
        let dir = self.data_dir().ok()?;
        match Usage::open(&dir, Access::Read, &Options::default()) {
            Ok(usage) => Some(usage),
            Err(error) => {
                self.ui.warn(format!("cannot tell how keys were used: {error}"));
                None
            }
        }
    }
}

/// Says whether other users of the machine can read a file.
fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o077 != 0)
}

/// An admin key has 50 bytes; a longer text is some other file.
const LONGEST_KEY: usize = 256;

/// Where a configuration is looked for when none is named, best first.
fn config_candidates() -> Vec<PathBuf> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    config::candidates(variable("HOME").as_deref(), variable("XDG_CONFIG_HOME").as_deref())
}

/// Who runs this command, for the audit log: the login name, and who is behind `sudo`.
///
/// The environment can be made to lie, but only by somebody who can write the file anyway.
fn user() -> String {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let name = variable("USER").or_else(|| variable("LOGNAME"));
    let uid = rustix::process::getuid().as_raw();
    let name = name.map_or_else(|| format!("uid {uid}"), |name| super::ui::clean(&name).into_owned());
    match variable("SUDO_USER") {
        Some(behind) => format!("{name} (sudo by {})", super::ui::clean(&behind)),
        None => name,
    }
}
