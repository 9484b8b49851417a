//! kgate issues API keys, finds leaked ones, and puts a gateway in front of services that honours
//! every change to a key the moment it is made.
//!
//! The library is the rooms below; each imports only rooms on lower floors (see
//! `docs/architecture.md`, enforced by `tests/it/layering.rs`). It never prints and never reads the
//! environment; time and randomness are arguments except at the edges that own them.

pub mod config;
pub mod key;
pub mod policy;
pub mod store;
pub mod verify;

#[cfg(feature = "scan")]
pub mod scan;

#[cfg(feature = "gateway")]
pub mod admin;
#[cfg(feature = "gateway")]
pub mod alert;
#[cfg(feature = "edge")]
pub mod edge;
#[cfg(feature = "gateway")]
pub mod gateway;
#[cfg(feature = "gateway")]
pub mod metrics;
#[cfg(feature = "gateway")]
pub mod portal;
#[cfg(feature = "gateway")]
pub mod serve;
#[cfg(feature = "gateway")]
pub mod sidecar;
#[cfg(feature = "edge")]
pub mod sign;
#[cfg(feature = "gateway")]
pub mod tell;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "layer")]
pub mod layer;

#[cfg(feature = "cli")]
pub mod cli;

/// The code of `docs/library.md`, compiled.
#[cfg(all(doctest, feature = "layer"))]
#[doc = include_str!("../docs/library.md")]
mod library {}
