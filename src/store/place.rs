//! The data directory and its files: names, modes, kinds, filesystem.

/// The file of consumers, keys, the change log and the audit log.
pub const STORE_FILE: &str = "kgate.redb";
/// The file of usage.
pub const USAGE_FILE: &str = "usage.redb";
/// The file that the serving process locks, so that a second one notices.
pub const LOCK_FILE: &str = "serve.lock";
