//! The tables of `kgate.redb`, and the version of what is in them.

use redb::TableDefinition;

/// The store format this program writes.
pub const FORMAT: u32 = 1;

pub(super) type Id = [u8; 16];

/// `format` (four bytes, readable by every version), `store_id`, and `state`, a framed record.
pub(super) const META: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
/// Consumer to framed record.
pub(super) const CONSUMERS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("consumers");
/// External id to consumer.
pub(super) const EXTERNAL_IDS: TableDefinition<'_, &str, &Id> = TableDefinition::new("external_ids");
/// Key to framed record.
pub(super) const KEYS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("keys");
/// Digest to key.
pub(super) const DIGESTS: TableDefinition<'_, &[u8; 32], &Id> = TableDefinition::new("digests");
/// Consumer and key, one after the other.
pub(super) const KEYS_BY_CONSUMER: TableDefinition<'_, &[u8; 32], ()> =
    TableDefinition::new("keys_by_consumer");
/// Revision to what was touched: see [`super::codec::Touched`].
pub(super) const CHANGES: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("changes");
/// Number to row: see [`super::codec::encode_audit`].
pub(super) const AUDIT: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("audit");

/// Admin key to framed record.
pub(super) const ADMIN_KEYS: TableDefinition<'_, &Id, &[u8]> = TableDefinition::new("admin_keys");
/// Digest to admin key.
pub(super) const ADMIN_DIGESTS: TableDefinition<'_, &[u8; 32], &Id> = TableDefinition::new("admin_digests");
/// Name of a request to what it did: see [`super::request`].
pub(super) const REQUESTS: TableDefinition<'_, &[u8; 32], &[u8]> = TableDefinition::new("requests");
/// Row of the audit log to the name of the request that made it, so that old ones are found.
pub(super) const REQUESTS_BY_ROW: TableDefinition<'_, u64, &[u8; 32]> =
    TableDefinition::new("requests_by_row");

pub(super) const META_FORMAT: &str = "format";
pub(super) const META_STORE_ID: &str = "store_id";
pub(super) const META_STATE: &str = "state";

/// Key to milliseconds, in `usage.redb`.
pub(super) const LAST_USED: TableDefinition<'_, &Id, i64> = TableDefinition::new("last_used");

/// Key to the client's address at its last use, IPv4 in mapped form, in `usage.redb`.
pub(super) const LAST_FROM: TableDefinition<'_, &Id, [u8; 16]> = TableDefinition::new("last_from");
/// Requests: see `usage::count`, in `usage.redb`.
pub(super) const COUNTS: TableDefinition<'_, &[u8], u64> = TableDefinition::new("counts");
/// The keys with the most requests of each bucket: see `usage::count`, in `usage.redb`.
pub(super) const BUSIEST: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("busiest");
/// Uses of ended keys: see `usage::alert`, in `usage.redb`.
pub(super) const ALERTS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("alerts");
/// What was granted of quotas: see `usage::quota`, in `usage.redb`.
pub(super) const QUOTAS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("quotas");
/// Number to event: see `usage::outbox`, in `usage.redb`.
pub(super) const EVENTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("events");
/// What was told once, to when that may be forgotten, in milliseconds, in `usage.redb`.
pub(super) const EVENT_MARKS: TableDefinition<'_, &str, i64> = TableDefinition::new("event_marks");
/// The next number of an event, and how far the audit log was told, in `usage.redb`.
pub(super) const EVENT_PLACES: TableDefinition<'_, &str, u64> = TableDefinition::new("event_places");
/// For whom a one-time link of the portal is and its digest, to when: see `usage::portal`, in `usage.redb`.
pub(super) const PORTAL_INVITES: TableDefinition<'_, &[u8], &[u8]> =
    TableDefinition::new("portal_invitations");
/// Digest of a one-time link to the consumer it is for, in `usage.redb`.
pub(super) const PORTAL_LINKS: TableDefinition<'_, &[u8; 32], &Id> = TableDefinition::new("portal_links");
/// Who is signed in at the portal and the digest of a secret to their session, in `usage.redb`.
pub(super) const PORTAL_SESSIONS: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("portal_sessions");
/// How far the removal of old rows has come, in `usage.redb`.
pub(super) const USAGE_TRIMMED: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("trimmed");

/// Rows of the change log that are kept: a reader further behind loads everything, which takes about
/// as long as applying this many.
pub(super) const CHANGES_KEPT: u64 = if cfg!(test) { 1_000 } else { 65_536 };

/// Joins the two halves of a row of [`KEYS_BY_CONSUMER`].
pub(super) fn by_consumer(consumer: &Id, key: &Id) -> [u8; 32] {
    let mut row = [0; 32];
    row[..16].copy_from_slice(consumer);
    row[16..].copy_from_slice(key);
    row
}
