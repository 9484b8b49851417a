//! The audit log: who did what, when and why, each row carrying the hash of the row before it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::key::{AdminKeyId, ConsumerId, Digest, KeyId, RevokeReason, Timestamp};

use super::codec::{self, Ends};
use super::guard::Out;
use super::read::Snapshot;
use super::tables::AUDIT;
use super::write::damaged;
use super::{Request, Store, StoreError};

/// Who acts.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Actor {
    /// The operating-system user, the admin key with its name, or the portal user's name.
    pub user: String,
    /// Through which door.
    pub via: Via,
}

/// Through which door something was done.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Via {
    /// The command line.
    Cli,
    /// The admin API.
    Admin,
    /// The portal.
    Portal,
    /// A program that uses the library.
    Library,
    /// kgate itself.
    System,
    /// Whoever holds the key, with the key as proof; the actor's name is the key's identifier.
    Holder,
}

impl Via {
    /// Returns its name in lists and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cli => "cli",
            Self::Admin => "api",
            Self::Portal => "portal",
            Self::Library => "library",
            Self::System => "system",
            Self::Holder => "holder",
        }
    }
}

/// The act behind a mutation: who, when, and in whose words why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// Who.
    pub actor: Actor,
    /// When; it is also the `created_at` or `revoked_at` of what the act makes or ends.
    pub at: Timestamp,
    /// A note for the audit log, for example a ticket number.
    pub note: Option<String>,
    /// The request it answers, if that may come again and must not be done twice.
    pub request: Option<Request>,
}

/// What a record is about.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub enum Subject {
    /// A consumer.
    Consumer(ConsumerId),
    /// A key.
    Key(KeyId),
    /// An admin key.
    AdminKey(AdminKeyId),
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Consumer(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
            Self::AdminKey(id) => id.fmt(f),
        }
    }
}

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Action {
    /// The store was made.
    StoreCreated,
    /// A consumer was made.
    ConsumerCreated {
        /// Which.
        id: ConsumerId,
    },
    /// A consumer was changed.
    ConsumerUpdated {
        /// Which.
        id: ConsumerId,
        /// The names of the fields that changed.
        fields: Vec<String>,
    },
    /// A consumer's keys work again.
    ConsumerEnabled {
        /// Which.
        id: ConsumerId,
    },
    /// A consumer's keys no longer work.
    ConsumerDisabled {
        /// Which.
        id: ConsumerId,
    },
    /// A consumer was deleted; its keys were revoked in this or earlier rows.
    ConsumerDeleted {
        /// Which.
        id: ConsumerId,
        /// Its keys revoked with this row.
        revoked: Vec<KeyId>,
    },
    /// Keys were made.
    KeysIssued {
        /// For whom.
        consumer: ConsumerId,
        /// Which.
        ids: Vec<KeyId>,
    },
    /// A key was changed.
    KeyUpdated {
        /// Which.
        id: KeyId,
        /// The names of the fields that changed.
        fields: Vec<String>,
    },
    /// A key was switched on.
    KeyEnabled {
        /// Which.
        id: KeyId,
    },
    /// A key was switched off.
    KeyDisabled {
        /// Which.
        id: KeyId,
    },
    /// A key got a successor.
    KeyRotated {
        /// The old key.
        id: KeyId,
        /// The new one.
        successor: KeyId,
        /// Until when the old one works; `None`: it was revoked at once.
        until: Option<Timestamp>,
    },
    /// Keys were ended for good.
    KeysRevoked {
        /// Which.
        ids: Vec<KeyId>,
        /// Why.
        reason: RevokeReason,
    },
    /// Revoked keys were removed; what is left of them is here.
    KeysPruned {
        /// Which.
        keys: Vec<PrunedKey>,
    },
    /// Records came back from a backup.
    Restored {
        /// The revision of the backup.
        revision: u64,
        /// Consumers and keys that came back or became stricter.
        subjects: Vec<Subject>,
    },
    /// An older store was accepted as the truth.
    OlderAccepted {
        /// The revision last seen before.
        seen: u64,
    },
    /// The store was migrated.
    Migrated {
        /// From this format.
        from: u32,
        /// To this one.
        to: u32,
    },
    /// An admin key was made.
    AdminKeyCreated {
        /// Which.
        id: AdminKeyId,
        /// What it may do.
        role: String,
    },
    /// An admin key was ended for good.
    AdminKeyRevoked {
        /// Which.
        id: AdminKeyId,
    },
    /// An admin key got a successor.
    AdminKeyRotated {
        /// The old one.
        id: AdminKeyId,
        /// The new one.
        successor: AdminKeyId,
        /// Until when the old one works; `None`: it was revoked at once.
        until: Option<Timestamp>,
    },
    /// A consumer was sent a link to sign in at the portal.
    PortalInvited {
        /// Who.
        consumer: ConsumerId,
        /// Until when it is good.
        until: Timestamp,
    },
    /// Somebody signed in at the portal; the actor is who.
    PortalSignedIn {
        /// The consumer or the admin key.
        subject: Subject,
    },
    /// Sessions and open invitations were ended by somebody.
    PortalSignedOut {
        /// Whose: a consumer or an admin key.
        subject: Subject,
    },
    /// A copy of the store was handed out.
    BackedUp {
        /// The revision it has.
        revision: u64,
    },
}

/// What the audit log keeps of a pruned key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PrunedKey {
    /// Its identifier.
    pub id: KeyId,
    /// Its digest, so that its use can still be recognised.
    pub digest: Digest,
    /// When it was revoked.
    pub revoked_at: Timestamp,
    /// Why it was revoked.
    pub reason: RevokeReason,
}

impl Action {
    /// Returns its name in lists and JSON, for example `key.rotated`.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StoreCreated => "store.created",
            Self::ConsumerCreated { .. } => "consumer.created",
            Self::ConsumerUpdated { .. } => "consumer.updated",
            Self::ConsumerEnabled { .. } => "consumer.enabled",
            Self::ConsumerDisabled { .. } => "consumer.disabled",
            Self::ConsumerDeleted { .. } => "consumer.deleted",
            Self::KeysIssued { .. } => "key.issued",
            Self::KeyUpdated { .. } => "key.updated",
            Self::KeyEnabled { .. } => "key.enabled",
            Self::KeyDisabled { .. } => "key.disabled",
            Self::KeyRotated { .. } => "key.rotated",
            Self::KeysRevoked { .. } => "key.revoked",
            Self::KeysPruned { .. } => "key.pruned",
            Self::Restored { .. } => "store.restored",
            Self::OlderAccepted { .. } => "store.older_accepted",
            Self::Migrated { .. } => "store.migrated",
            Self::AdminKeyCreated { .. } => "admin_key.created",
            Self::AdminKeyRevoked { .. } => "admin_key.revoked",
            Self::AdminKeyRotated { .. } => "admin_key.rotated",
            Self::PortalInvited { .. } => "portal.invited",
            Self::PortalSignedIn { .. } => "portal.signed_in",
            Self::PortalSignedOut { .. } => "portal.signed_out",
            Self::BackedUp { .. } => "store.backed_up",
        }
    }

    /// Returns the keys and consumers it touched.
    pub fn subjects(&self) -> Vec<Subject> {
        let keys = |ids: &[KeyId]| ids.iter().copied().map(Subject::Key).collect::<Vec<_>>();
        match self {
            Self::StoreCreated
            | Self::OlderAccepted { .. }
            | Self::Migrated { .. }
            | Self::BackedUp { .. } => Vec::new(),
            Self::ConsumerCreated { id }
            | Self::ConsumerUpdated { id, .. }
            | Self::ConsumerEnabled { id }
            | Self::ConsumerDisabled { id } => vec![Subject::Consumer(*id)],
            Self::ConsumerDeleted { id, revoked } => {
                let mut all = keys(revoked);
                all.insert(0, Subject::Consumer(*id));
                all
            }
            Self::KeysIssued { consumer, ids } => {
                let mut all = keys(ids);
                all.insert(0, Subject::Consumer(*consumer));
                all
            }
            Self::KeyUpdated { id, .. } | Self::KeyEnabled { id } | Self::KeyDisabled { id } => keys(&[*id]),
            Self::KeyRotated { id, successor, .. } => keys(&[*id, *successor]),
            Self::KeysRevoked { ids, .. } => keys(ids),
            Self::KeysPruned { keys } => keys.iter().map(|k| Subject::Key(k.id)).collect(),
            Self::Restored { subjects, .. } => subjects.clone(),
            Self::AdminKeyCreated { id, .. } | Self::AdminKeyRevoked { id } => vec![Subject::AdminKey(*id)],
            Self::AdminKeyRotated { id, successor, .. } => {
                vec![Subject::AdminKey(*id), Subject::AdminKey(*successor)]
            }
            Self::PortalInvited { consumer, .. } => vec![Subject::Consumer(*consumer)],
            Self::PortalSignedIn { subject } | Self::PortalSignedOut { subject } => vec![*subject],
        }
    }
}

/// One row of the audit log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditRow {
    /// Its number, from 1, without gaps.
    pub number: u64,
    /// When.
    pub at: Timestamp,
    /// Who.
    pub actor: Actor,
    /// What.
    pub action: Action,
    /// Why, in the actor's words.
    pub note: Option<String>,
    /// The hash of the row before it.
    pub previous: [u8; 32],
}

impl AuditRow {
    /// When a row takes effect.
    pub fn effective_at(&self) -> Timestamp {
        match self.action {
            Action::KeyRotated { until: Some(until), .. }
            | Action::AdminKeyRotated { until: Some(until), .. } => until,
            _ => self.at,
        }
    }
}

/// The end of the chain: keep it elsewhere, and nobody can rewrite the log unseen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AuditHead {
    /// How many rows there are.
    pub count: u64,
    /// The hash of the last one.
    pub hash: [u8; 32],
}

/// `COUNT:HASH`, as it is printed, logged and sent.
impl fmt::Display for AuditHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.count, Digest::from_bytes(self.hash))
    }
}

/// A head of the audit log that was printed, logged or sent before: `COUNT:HASH`, or the hash alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotedHead {
    /// How many rows there were, if that was noted, too.
    pub count: Option<u64>,
    /// The hash of the last one.
    pub hash: [u8; 32],
}

impl FromStr for NotedHead {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (count, hash) = text.split_once(':').map_or((None, text), |(count, hash)| (Some(count), hash));
        match (count.map(str::parse).transpose(), hash.parse::<Digest>()) {
            (Ok(count), Ok(hash)) => Ok(Self { count, hash: *hash.as_bytes() }),
            _ => Err(format!(
                "`{text}` is not a head as `kgate audit verify` prints it: COUNT:HASH, or the hash alone"
            )),
        }
    }
}

impl fmt::Display for NotedHead {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.count {
            Some(count) => AuditHead { count, hash: self.hash }.fmt(f),
            None => Digest::from_bytes(self.hash).fmt(f),
        }
    }
}

/// What a check of the audit log found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AuditReport {
    /// The head the store claims.
    pub head: AuditHead,
    /// Rows read.
    pub rows: u64,
    /// What is wrong, the first hundred; empty if the log is whole.
    pub faults: Vec<AuditFault>,
}

/// Something wrong with the audit log.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuditFault {
    /// A row does not follow from the one before it.
    #[error("row {number} does not follow from the row before it: one of them was changed")]
    Changed {
        /// Which.
        number: u64,
    },
    /// Rows are missing in between.
    #[error("rows {from} to {to} are missing")]
    Gap {
        /// The first missing.
        from: u64,
        /// The last missing.
        to: u64,
    },
    /// The last rows are missing, or rows were added past the head.
    #[error("the log has {found} rows and its head says {expected}")]
    Length {
        /// How many there are.
        found: u64,
        /// How many the head counts.
        expected: u64,
    },
    /// The last row is not the one the head names.
    #[error("the last row is not the one the head names")]
    Head,
    /// A row cannot be read.
    #[error("row {number} cannot be read: {problem}")]
    Unreadable {
        /// Which.
        number: u64,
        /// What is wrong with it.
        problem: String,
    },
}

impl Store {
    /// Notes what somebody did at the portal or for it, where nothing else changed.
    ///
    /// # Errors
    /// Those of writing.
    pub fn note_portal(&self, action: Action, act: &Act) -> Result<(), StoreError> {
        super::write::check_act(act)?;
        let act = act.clone();
        let subjects = action.subjects().iter().map(ToString::to_string).collect();
        self.write("noting an act at the portal", subjects, move |writer| writer.log(&act, action))
    }

    /// Calls `each` with the rows before number `before`, or all, the newest first, until it returns
    /// `false`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first row that cannot be read.
    pub fn audit_back(
        &self,
        before: Option<u64>,
        each: &mut dyn FnMut(AuditRow) -> bool,
    ) -> Result<(), StoreError> {
        self.reading(
            move |snapshot, out| {
                let table = snapshot.open(AUDIT)?;
                for row in table.range(..before.unwrap_or(u64::MAX)).map_err(snapshot.fail())?.rev() {
                    let (number, row) = row.map_err(snapshot.fail())?;
                    let row = codec::decode_audit(row.value())
                        .map_err(|problem| damaged(format_args!("audit row {}", number.value()), problem))?;
                    if !out.push(row) {
                        break;
                    }
                }
                Ok(())
            },
            each,
        )
    }

    /// Calls `each` with the rows from number `from` on, oldest first, until it returns `false`.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first row that cannot be read.
    pub fn audit(&self, from: u64, each: &mut dyn FnMut(AuditRow) -> bool) -> Result<(), StoreError> {
        self.reading(
            move |snapshot, out| {
                let table = snapshot.open(AUDIT)?;
                for row in table.range(from..).map_err(snapshot.fail())? {
                    let (number, row) = row.map_err(snapshot.fail())?;
                    let row = codec::decode_audit(row.value())
                        .map_err(|problem| damaged(format_args!("audit row {}", number.value()), problem))?;
                    if !out.push(row) {
                        break;
                    }
                }
                Ok(())
            },
            each,
        )
    }

    /// Returns the last `count` rows, oldest first.
    pub fn audit_tail(&self, count: usize) -> Result<Vec<AuditRow>, StoreError> {
        let last = self.read(|snapshot| Ok(snapshot.ends()?.audit_count))?;
        let mut rows = Vec::new();
        self.audit((last + 1).saturating_sub(count as u64), &mut |row| {
            rows.push(row);
            true
        })?;
        Ok(rows)
    }

    /// Returns the end of the audit log.
    pub fn audit_head(&self) -> Result<AuditHead, StoreError> {
        self.read(|snapshot| Ok(snapshot.ends()?.head()))
    }

    /// Returns the number of the row with this hash, or `None` if the log has no such row.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] at the first row that cannot be read.
    pub fn audit_row_hashed(&self, hash: &[u8; 32]) -> Result<Option<u64>, StoreError> {
        let head = self.audit_head()?;
        let mut found = (head.hash == *hash).then_some(head.count);
        if found.is_none() {
            self.audit(1, &mut |row| {
                // Each row says of the one before it.
                found = (row.previous == *hash).then(|| row.number - 1);
                found.is_none()
            })?;
        }
        Ok(found)
    }

    /// Reads the whole audit log and checks that nothing was changed, left out or cut off.
    pub fn verify_audit(&self) -> Result<AuditReport, StoreError> {
        self.reading(|snapshot, out: &mut Out<'_, ()>| verify(snapshot, &mut || out.step()), &mut |()| true)
    }
}

/// A log this broken is not described row by row.
const FAULTS_LISTED: usize = 100;

/// Walks the chain from its beginning, which is made of the store's own id, to the head.
pub(super) fn verify(snapshot: &Snapshot, step: &mut dyn FnMut()) -> Result<AuditReport, StoreError> {
    let ends = snapshot.ends()?;
    let mut report = AuditReport { head: ends.head(), rows: 0, faults: Vec::new() };
    let (mut number, mut previous) = (0, Ends::new(&snapshot.store_id()?).audit_hash);
    let table = snapshot.open(AUDIT)?;
    for row in table.range::<u64>(..).map_err(snapshot.fail())? {
        step();
        let (at, row) = row.map_err(snapshot.fail())?;
        let (at, row) = (at.value(), row.value());
        let mut faults = Vec::new();
        if at != number + 1 {
            faults.push(AuditFault::Gap { from: number + 1, to: at.saturating_sub(1) });
        }
        match codec::decode_audit(row) {
            // After a gap the link is broken as a matter of course.
            Ok(found) if found.number != at || (found.previous != previous && at == number + 1) => {
                faults.push(AuditFault::Changed { number: at });
            }
            Ok(_) => {}
            Err(problem) => faults.push(AuditFault::Unreadable { number: at, problem }),
        }
        report.faults.extend(faults.into_iter().take(FAULTS_LISTED.saturating_sub(report.faults.len())));
        (number, previous) = (at, codec::hash(row));
        report.rows += 1;
    }
    if report.rows != ends.audit_count || number != ends.audit_count {
        report.faults.push(AuditFault::Length { found: report.rows, expected: ends.audit_count });
    } else if previous != ends.audit_hash {
        report.faults.push(AuditFault::Head);
    }
    Ok(report)
}

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::super::testing::{self, act, consumer};
    use super::*;

    fn faults(change: impl FnOnce(&mut redb::Table<'_, u64, &'static [u8]>)) -> Vec<AuditFault> {
        let (dir, store) = testing::store();
        for i in 0..5 {
            consumer(&store, &format!("c{i}"));
        }
        assert_eq!(store.verify_audit().unwrap().faults, []);
        store.close().unwrap();
        testing::meddle(&dir.path().join("kgate.redb"), |txn| {
            change(&mut txn.open_table(tables::AUDIT).unwrap());
        });
        testing::open(dir.path()).verify_audit().unwrap().faults
    }

    fn rewrite(table: &mut redb::Table<'_, u64, &'static [u8]>, number: u64, user: &str) {
        use redb::ReadableTable;
        let mut row = codec::decode_audit(table.get(number).unwrap().unwrap().value()).unwrap();
        row.actor.user = user.into();
        table.insert(number, codec::encode_audit(row).as_slice()).unwrap();
    }

    #[test]
    fn a_changed_row_is_found_wherever_it_is() {
        for number in 1..=5 {
            let found = faults(|table| rewrite(table, number, "mallory"));
            assert_eq!(found, [AuditFault::Changed { number: number + 1 }]);
        }
        assert_eq!(faults(|table| rewrite(table, 6, "mallory")), [AuditFault::Head]);
    }

    #[test]
    fn gaps_and_truncation_are_found() {
        let gap = faults(|table| drop(table.remove(3).unwrap()));
        assert!(gap.contains(&AuditFault::Gap { from: 3, to: 3 }), "{gap:?}");
        let cut = faults(|table| drop(table.remove(6).unwrap()));
        assert_eq!(cut, [AuditFault::Length { found: 5, expected: 6 }]);
        let first = faults(|table| drop(table.remove(1).unwrap()));
        assert!(first.contains(&AuditFault::Gap { from: 1, to: 1 }), "{first:?}");
        let added = faults(|table| drop(table.insert(7, b"\x01".as_slice()).unwrap()));
        assert!(added.contains(&AuditFault::Length { found: 7, expected: 6 }), "{added:?}");
        let garbage = faults(|table| drop(table.insert(2, b"junk".as_slice()).unwrap()));
        assert!(matches!(garbage[0], AuditFault::Unreadable { number: 2, .. }), "{garbage:?}");
    }

    #[test]
    fn a_head_is_read_as_it_is_printed_and_nothing_else_is() {
        let head = AuditHead { count: 7, hash: [0xa5; 32] };
        let text = head.to_string();
        assert_eq!(text, format!("7:{}", "a5".repeat(32)));
        let noted = |text: &str| text.parse::<NotedHead>();
        assert_eq!(noted(&text), Ok(NotedHead { count: Some(7), hash: head.hash }));
        assert_eq!(noted(&text[2..]), Ok(NotedHead { count: None, hash: head.hash }));
        for same in [&text, &text[2..]] {
            assert_eq!(&noted(same).unwrap().to_string(), same);
        }
        let signs = format!("7:{}", "+5".repeat(32));
        for none in ["", "7", "7:", &text[..65], ":a5", &format!("x{text}"), &format!("7:{text}"), &signs] {
            assert!(noted(none).is_err(), "{none}");
        }
    }

    #[test]
    fn every_mutation_has_one_row_that_says_who_and_when() {
        let (_dir, store) = testing::store();
        let note = Act { note: Some("ticket 42".into()), ..act() };
        let id = consumer(&store, "Acme").id;
        store.disable_consumer(id, &note).unwrap();
        let rows = store.audit_tail(10).unwrap();
        let names: Vec<&str> = rows.iter().map(|row| row.action.name()).collect();
        assert_eq!(names, ["store.created", "consumer.created", "consumer.disabled"]);
        assert_eq!((rows[2].number, rows[2].at, &rows[2].actor), (3, note.at, &note.actor));
        assert_eq!(rows[2].note.as_deref(), Some("ticket 42"));
        assert_eq!(store.audit_head().unwrap().count, 3);
    }

    #[test]
    fn the_stored_form_of_a_row_does_not_change() {
        let row = AuditRow {
            number: 300,
            at: Timestamp::from_millis(1_800_000_000_123),
            actor: Actor { user: "ops".into(), via: Via::Cli },
            action: Action::KeysRevoked { ids: vec![KeyId::from_bytes([7; 16])], reason: RevokeReason::Leak },
            note: None,
            previous: [9; 32],
        };
        let bytes = codec::encode_audit(row.clone());
        assert_eq!(bytes[..13], [1, 0xac, 2, 0xf6, 0xc1, 0xe2, 0x85, 0xe3, 0x68, 3, b'o', b'p', b's']);
        assert_eq!((bytes[13], bytes[14], bytes[15]), (0, 11, 1));
        assert_eq!(codec::decode_audit(&bytes), Ok(row));
    }
}
