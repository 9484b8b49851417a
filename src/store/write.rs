//! Write transactions: every mutation goes through here, and so into both logs.

/// What a mutation left, and whether it changed anything.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome<T> {
    /// The record as it is now.
    pub record: T,
    /// Whether this call changed it.
    pub changed: bool,
}

/// How many records one commit touches at most, so that no refresh is long and nobody waits for
/// the lock.
pub const BATCH: usize = 500;
