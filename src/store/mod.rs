//! The store: consumers, keys, the change log and the audit log in redb files, and the signal by
//! which a running gateway knows that something changed.
//!
//! A data directory (0700) holds two files (0600): `kgate.redb`, which is the truth, and
//! `usage.redb`, which is written all the time and may be lost. Every mutation is one durable write
//! transaction: the records, one row of the change log for each record touched, and one row of the
//! audit log, chained to the row before it. Time and randomness are arguments.
//!
//! Every call that can wait for another process runs under a watchdog ([`Options::patience`]), so
//! that a stopped peer makes an error that names it and not a hang.

mod admin_keys;
mod audit;
mod backup;
mod changes;
mod codec;
mod consumers;
mod doctor;
mod ended;
mod error;
mod find;
mod guard;
mod hashes;
mod keys;
mod migrate;
mod open;
mod place;
mod read;
mod request;
mod restore;
mod seen;
mod signal;
mod tables;
#[cfg(test)]
mod testing;
mod usage;
mod write;

pub use admin_keys::{AdminRotated, IssuedAdminKey, NewAdminKey};
pub use audit::{
    Act, Action, Actor, AuditFault, AuditHead, AuditReport, AuditRow, NotedHead, PrunedKey, Subject, Via,
};
pub use backup::{BackupReport, Overwrite};
pub use changes::{Change, Changes, Damage, Item, Revision};
#[doc(hidden)]
pub use codec::read_as_each;
pub use consumers::{ConsumerEdit, Deletion, NewConsumer};
pub use doctor::{Check, DoctorReport, Level, doctor};
pub use ended::End;
pub use error::{Holder, StoreError};
pub use find::{AuditFilter, ConsumerFilter, KeyFilter, Near};
#[cfg(test)]
pub(crate) use guard::HANDED;
pub use hashes::{Dependence, HashUse};
pub use keys::{Issued, KeyEdit, NewKey, Pruned, Revocation, Rotated, Rotation};
pub use migrate::{Migrated, migrate};
pub use open::{Access, Options, Store};
pub use place::{LOCK_FILE, STORE_FILE, USAGE_FILE};
pub use request::{Done, Request};
pub use restore::{Restore, RestoreNote, RestoreReport};
pub use seen::{AcceptedOlder, LastSeen};
pub use signal::{Signal, SignalError, Tag};
pub use tables::FORMAT;
pub use usage::{
    Alert, AlertKind, AlertRow, Count, Counts, Due, Granted, Granting, Invite, LastUse, Of, Outgoing, Parcel,
    Part, Period, Place, PortalSession, Posted, Query, Retention, SignedInBy, Told, Usage, UsageAsked,
    UsageBatch, UsageBy, UsageOf, UsageRow, UsageWindow, Used, Visitor, Waiting, Whose,
};
pub use write::{BATCH, Outcome, RecordTag};
