//! The tables, and the version of what is in them.

/// The store format this program writes.
pub const FORMAT: u32 = 1;
