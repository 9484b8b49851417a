#![allow(clippy::todo, unused_variables, dead_code)]
//! The server as a value: started, asked, reloaded, stopped, joined.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::{Notice, ServeError, ServeOptions};
use crate::config::Loaded;
use crate::gateway::ListenAddress;
use crate::metrics::Metrics;
use crate::verify::Verifier;

/// A running server. Dropping it cuts everything; [`Running::shutdown`] and [`Running::join`] let what
/// is being asked finish.
#[derive(Debug)]
pub struct Running {}

impl Running {
    pub(super) fn start(loaded: Loaded, options: ServeOptions) -> Result<Self, ServeError> {
        todo!()
    }

    /// Returns where the gateway listens, with the ports the kernel chose.
    pub fn addresses(&self) -> Vec<ListenAddress> {
        todo!()
    }

    /// Returns where health, readiness and metrics are.
    pub fn admin(&self) -> Option<SocketAddr> {
        todo!()
    }

    /// Returns what decides.
    pub fn verifier(&self) -> &Arc<Verifier> {
        todo!()
    }

    /// Returns what is counted.
    pub fn metrics(&self) -> &Arc<Metrics> {
        todo!()
    }

    /// Reads the configuration file again and puts it in force, or says why not and changes nothing.
    pub fn reload_and_say(&self) {
        todo!()
    }

    /// Stops accepting and lets what is being asked finish. Returns at once; then [`Running::join`].
    pub fn shutdown(&self) {
        todo!()
    }

    /// Waits until everything that was being asked is answered, at most the configured time, cuts
    /// what is left, and takes the server down. Stops it first, if nobody did.
    pub fn join(self) {
        todo!()
    }

    pub(super) fn config_path(&self) -> PathBuf {
        todo!()
    }

    pub(super) fn drain_timeout(&self) -> Duration {
        todo!()
    }

    pub(super) fn ended(&self) -> watch::Receiver<usize> {
        todo!()
    }

    pub(super) fn workers(&self) -> usize {
        todo!()
    }

    pub(super) fn notify(&self, notice: &Notice) {
        todo!()
    }

    pub(super) fn cut(&self) {
        todo!()
    }
}
