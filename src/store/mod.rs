//! The store: consumers, keys, the change log and the audit log in redb files.
