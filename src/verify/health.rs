//! Whether the store can be trusted.

use std::time::Duration;

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
    /// The file is gone from its path.
    #[error("the store is gone from {0}")]
    Missing(String),
    /// Another file is at its path.
    #[error("another file took the place of the store at {0}")]
    Replaced(String),
    /// The file is too short to have a header.
    #[error("the store is truncated: {0}")]
    Truncated(String),
    /// The file is older than what was served before.
    #[error("the store is at revision {found}, older than revision {seen}, which was served before")]
    WentBackwards {
        /// The highest revision served.
        seen: u64,
        /// The store's revision.
        found: u64,
    },
    /// Some records cannot be decoded; their keys are refused.
    #[error("{count} records of the store are damaged, the first is {first}")]
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
}

impl Unready {
    /// Returns a short stable word for monitors.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Missing(_) => "store_missing",
            Self::Replaced(_) => "store_replaced",
            Self::Truncated(_) => "store_truncated",
            Self::WentBackwards { .. } => "store_older",
            Self::Damaged { .. } => "store_damaged",
            Self::Behind(_) => "store_behind",
            Self::Unreadable(_) => "store_unreadable",
        }
    }
}
