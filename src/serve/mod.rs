//! The running server: puts store, gateway, admin endpoints and logs together from a configuration,
//! and takes them down again. The one place that knows all of them.
//!
//! [`start`] returns a [`Running`] that can be reloaded, stopped and joined, in process; [`run`] adds
//! the signals and the watch on the configuration file that a server process has.

mod access_log;
mod alerts;
mod asked;
mod counts;
mod explain;
mod holders;
mod limits;
mod lock;
mod log_file;
mod log_filter;
mod notice;
mod reload;
mod running;
mod service;
mod signals;
mod signing;
mod status;
mod tellers;
mod traces;
mod upgrade;
mod usage;
mod watch;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use crate::config::{AccessLog, ConfigError, Loaded, LogFormat};
use crate::gateway::{BindError, SetupError};
use crate::verify;

pub use access_log::AccessFormat;
pub use log_filter::install_log_filter;
pub use notice::Notice;
pub use running::Running;

/// A listening socket that was made by whoever started this process.
#[derive(Debug)]
pub enum Inherited {
    /// On an address and port.
    Tcp(std::net::TcpListener),
    /// On a path.
    Unix(std::os::unix::net::UnixListener),
}

/// How a server runs, beyond its configuration.
pub struct ServeOptions {
    /// Whether other processes may serve the directory too.
    pub is_shared: bool,
    /// Whether to take over from the process that serves the directory.
    pub is_upgrade: bool,
    /// Listening sockets that somebody made for this process.
    pub inherited: Vec<Inherited>,
    /// The data directory, before the configuration's.
    pub data_dir: Option<PathBuf>,
    /// How access lines look, before the configuration.
    pub access_format: Option<AccessFormat>,
    /// Where access lines go, before the configuration.
    pub access_out: Option<Box<dyn Write + Send>>,
    /// Takes what there is to say. Called from several threads.
    pub notify: Box<dyn Fn(&Notice) + Send + Sync>,
    /// How the verifier behaves; its budget is the configuration's, `fresh_within`.
    pub verify: verify::Options,
}

impl Default for ServeOptions {
    /// Alone, access lines as the configuration says, silent otherwise.
    fn default() -> Self {
        Self {
            is_shared: false,
            is_upgrade: false,
            inherited: Vec::new(),
            data_dir: None,
            access_format: None,
            access_out: None,
            notify: Box::new(|_| {}),
            verify: verify::Options::default(),
        }
    }
}

/// Returns how lines look: as `said`, or as the configuration has it for where they go.
fn access_format(said: Option<AccessFormat>, has_own_out: bool, config: &AccessLog) -> AccessFormat {
    said.unwrap_or(match config.format {
        LogFormat::Json => AccessFormat::Json,
        LogFormat::Text => AccessFormat::Human,
        LogFormat::Off => AccessFormat::Off,
        LogFormat::Auto => {
            let is_stdout = !has_own_out && config.file.is_none();
            if is_stdout && io::stdout().is_terminal() { AccessFormat::Human } else { AccessFormat::Json }
        }
    })
}

/// Why a server did not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] verify::OpenError),
    /// Another process serves the directory.
    #[error(
        "another process{} already serves {}",
        .pid.map(|pid| format!(" ({pid})")).unwrap_or_default(),
        .dir.display()
    )]
    AlreadyServed {
        /// The data directory.
        dir: PathBuf,
        /// Which process, if it said.
        pid: Option<u32>,
    },
    /// There is no process to take over from, or it did not let go.
    #[error("cannot take over from the process that serves {}: {source}", .dir.display())]
    Upgrade {
        /// The data directory.
        dir: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The lock file of the directory cannot be used.
    #[error("cannot lock {}", .path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The signing keys cannot be used.
    #[error(transparent)]
    Sign(#[from] crate::sign::SignError),
    /// An upstream wants tokens that nothing can sign.
    #[error(transparent)]
    NoSigningKey(crate::edge::Unsigned),
    /// An address cannot be listened on.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The gateway cannot be put together.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// Whoever is to be told of events or traces cannot be reached as configured.
    #[error("cannot tell {who} anything: {source}")]
    Tell {
        /// Who.
        who: String,
        /// Why not.
        source: crate::tls::TlsError,
    },
    /// The file of the access log cannot be opened.
    #[error("cannot open the access log {}: {source}", .path.display())]
    AccessLog {
        /// The file of the configuration.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system refused a thread, a runtime or a signal handler.
    #[error("cannot start {what}: {source}")]
    System {
        /// What for.
        what: &'static str,
        /// Why.
        source: io::Error,
    },
    /// A worker ended although nobody asked it to.
    #[error("a worker ended unexpectedly")]
    WorkerEnded,
}

/// Starts serving and returns. Everything is bound, loaded and answering when it does.
pub fn start(loaded: Loaded, options: ServeOptions) -> Result<Running, ServeError> {
    Running::start(loaded, options)
}

/// Serves until SIGTERM or SIGINT, then drains and returns. SIGHUP or a changed file reloads the
/// configuration; a second SIGTERM or SIGINT cuts what is left.
///
/// The calling thread handles the signals.
pub fn run(loaded: Loaded, options: ServeOptions) -> Result<(), ServeError> {
    let signals = signals::Signals::listen()?;
    install_log_filter();
    signals.serve(start(loaded, options)?)
}
