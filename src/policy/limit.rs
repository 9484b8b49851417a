//! Counts against limits: GCRA cells that outlive indexes and rules.

/// The counts of every key and consumer, in memory.
#[derive(Debug, Default)]
pub struct Limiter {}

impl Limiter {
    /// Makes a limiter that has counted nothing.
    pub fn new() -> Self {
        Self::default()
    }
}
