//! Whether the store can be trusted.

use std::time::Duration;

use crate::store::{SignalError, StoreError};

/// Whether the store can be trusted, as `/readyz` reports it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Health {
    /// Yes.
    Ready,
    /// No; what is not affected may still be served.
    Unready(Unready),
}

/// Why the store cannot be trusted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unready {
    /// The file is gone from its path, or its path cannot be looked up.
    #[error("{0}")]
    Missing(String),
    /// Another file is at its path.
    #[error("another file took the store's place")]
    Replaced,
    /// The file is too short, or not ours.
    #[error("{0}")]
    Broken(String),
    /// The file is older than, or of another history than, what was served before.
    #[error("{0}")]
    Older(String),
    /// Some records cannot be read; their keys are refused.
    #[error("{count} damaged: {first}")]
    Damaged {
        /// How many.
        count: usize,
        /// What is known of the first.
        first: String,
    },
    /// The store changed and has not been read since.
    #[error("the store changed {} ms ago and could not be read since", .0.as_millis())]
    Behind(Duration),
    /// The store cannot be read.
    #[error("the store cannot be read: {0}")]
    Unreadable(String),
    /// Nothing keeps the snapshot current any more.
    #[error("the verifier was closed")]
    Closed,
}

impl Unready {
    /// Returns a short stable word for monitors.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "store_missing",
            Self::Replaced => "store_replaced",
            Self::Broken(_) => "store_broken",
            Self::Older(_) => "store_older",
            Self::Damaged { .. } => "store_damaged",
            Self::Behind(_) => "store_behind",
            Self::Unreadable(_) => "store_unreadable",
            Self::Closed => "closed",
        }
    }

    /// Says whether the file itself is in doubt, so that not even an unchanged header can vouch for
    /// the snapshot. Otherwise the snapshot stays good for as long as the header stays as it was.
    pub(super) const fn is_about_the_file(&self) -> bool {
        !matches!(self, Self::Unreadable(_) | Self::Behind(_) | Self::Damaged { .. })
    }
}

impl From<&StoreError> for Unready {
    fn from(error: &StoreError) -> Self {
        let text = error.to_string();
        match error {
            StoreError::NoStore { .. } => Self::Missing(text),
            StoreError::Older { .. } | StoreError::Diverged { .. } => Self::Older(text),
            StoreError::Foreign { .. }
            | StoreError::Truncated { .. }
            | StoreError::Corrupted { .. }
            | StoreError::TooNew { .. }
            | StoreError::TooOld { .. }
            | StoreError::NotRegular { .. }
            | StoreError::NetworkFilesystem { .. } => Self::Broken(text),
            _ => Self::Unreadable(text),
        }
    }
}

impl From<&SignalError> for Unready {
    fn from(error: &SignalError) -> Self {
        match error {
            SignalError::Truncated | SignalError::Foreign => Self::Broken(error.to_string()),
            SignalError::Replaced => Self::Replaced,
            // The path leads nowhere, or nowhere we may look: what is there now is unknown.
            SignalError::Io(_) => Self::Missing(error.to_string()),
        }
    }
}
