//! The keys of those who manage kgate.

use std::time::Duration;

use rand::CryptoRng;

use crate::key::{ADMIN_PREFIX, AdminKeyId, AdminKeyRecord, Digest, Role, Status, Timestamp, Token};

use super::codec;
use super::read::Snapshot;
use super::tables::{ADMIN_DIGESTS, ADMIN_KEYS, Id};
use super::write::{check_act, check_filled, damaged};
use super::{Act, Action, Outcome, Store, StoreError};

/// What an admin key is made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewAdminKey {
    /// Whose it is; must not be empty, at most [`MAX_NAME`] bytes.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// An admin key just made, with its token: the one place where the token is in the clear.
#[derive(Clone, Debug)]
pub struct IssuedAdminKey {
    /// What is kept.
    pub record: AdminKeyRecord,
    /// What is handed out.
    pub token: Token,
}

/// What rotating an admin key did.
#[derive(Clone, Debug)]
pub struct AdminRotated {
    /// The old key as it is now.
    pub old: AdminKeyRecord,
    /// Its successor.
    pub new: IssuedAdminKey,
}

/// Shorter than other names: it stands in the audit log beside the identifier.
const MAX_NAME: usize = 128;

impl Store {
    /// Makes an admin key.
    ///
    /// # Errors
    /// [`StoreError::ExpiryInPast`], [`StoreError::Text`] and its kin.
    pub fn issue_admin_key(
        &self,
        new: &NewAdminKey,
        act: &Act,
        rng: &mut impl CryptoRng,
    ) -> Result<IssuedAdminKey, StoreError> {
        check_act(act)?;
        check_filled("the name", &new.name, MAX_NAME)?;
        check_future(new.expires_at, act.at)?;
        let issued = mint(new, None, act.at, rng);
        let act = act.clone();
        let id = issued.record.id;
        self.write("issuing an admin key", vec![id.to_string()], move |writer| {
            writer.put_admin_key(&issued.record)?;
            let role = issued.record.role.as_str().to_owned();
            writer.log(&act, Action::AdminKeyCreated { id, role })?;
            Ok(issued)
        })
    }

    /// Ends an admin key for good. Revoking it again changes nothing and says so.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAdminKey`].
    pub fn revoke_admin_key(&self, id: AdminKeyId, act: &Act) -> Result<Outcome<AdminKeyRecord>, StoreError> {
        check_act(act)?;
        let act = act.clone();
        self.write("revoking an admin key", vec![id.to_string()], move |writer| {
            let mut record = writer.admin_key(id)?;
            let changed = record.revoked_at.is_none();
            if changed {
                record.revoked_at = Some(act.at);
                writer.put_admin_key(&record)?;
                writer.log(&act, Action::AdminKeyRevoked { id })?;
            }
            Ok(Outcome { record, changed })
        })
    }

    /// Makes a successor with the same name and role. The old key then ends at the earlier of its own
    /// expiry and the end of `grace`; with none, at once.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAdminKey`]; [`StoreError::AdminKeyEnded`] if it is revoked, expired or has a
    /// successor.
    pub fn rotate_admin_key(
        &self,
        id: AdminKeyId,
        grace: Duration,
        expires_at: Option<Timestamp>,
        act: &Act,
        rng: &mut impl CryptoRng,
    ) -> Result<AdminRotated, StoreError> {
        check_act(act)?;
        check_future(expires_at, act.at)?;
        // Randomness stays on this thread: look first, and look again when writing.
        let seen = self.admin_key(id)?;
        let new = NewAdminKey { name: seen.name, role: seen.role, expires_at };
        let issued = mint(&new, Some(id), act.at, rng);
        let (successor, act) = (issued.record.id, act.clone());
        self.write("rotating an admin key", vec![id.to_string(), successor.to_string()], move |writer| {
            let mut old = writer.admin_key(id)?;
            refuse_ended(&old, act.at)?;
            old.rotated_to = Some(successor);
            let until = if grace.is_zero() {
                old.revoked_at = Some(act.at);
                None
            } else {
                let end = act.at.plus(grace);
                let until = old.expires_at.map_or(end, |at| at.min(end));
                old.expires_at = Some(until);
                Some(until)
            };
            writer.put_admin_key(&old)?;
            writer.put_admin_key(&issued.record)?;
            writer.log(&act, Action::AdminKeyRotated { id, successor, until })?;
            Ok(AdminRotated { old, new: issued })
        })
    }

    /// Returns an admin key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchAdminKey`]; [`StoreError::Damaged`] if it is there and cannot be read.
    pub fn admin_key(&self, id: AdminKeyId) -> Result<AdminKeyRecord, StoreError> {
        self.read(move |snapshot| {
            snapshot.admin_key(id)?.ok_or_else(|| StoreError::NoSuchAdminKey { wanted: id.to_string() })
        })
    }

    /// Returns the admin key with a digest, if there is one.
    pub fn admin_key_by_digest(&self, digest: &Digest) -> Result<Option<AdminKeyRecord>, StoreError> {
        let digest = *digest;
        self.read(move |snapshot| {
            let Some(table) = snapshot.open_if_there(ADMIN_DIGESTS)? else { return Ok(None) };
            let Some(id) = table.get(digest.as_bytes()).map_err(snapshot.fail())? else { return Ok(None) };
            let id = AdminKeyId::from_bytes(*id.value());
            let key = snapshot.admin_key(id)?.ok_or_else(|| damaged(id, "its record is missing"))?;
            if key.digest == digest { Ok(Some(key)) } else { Err(damaged(id, "another digest leads to it")) }
        })
    }

    /// Returns all admin keys in order of creation. They are few, and never removed.
    pub fn admin_keys(&self) -> Result<Vec<Result<AdminKeyRecord, StoreError>>, StoreError> {
        self.read(|snapshot| {
            let mut keys = Vec::new();
            snapshot
                .each_admin_key(&mut |key| keys.push(key.map_err(|(id, problem)| damaged(id, problem))))?;
            Ok(keys)
        })
    }
}

impl Snapshot {
    pub(super) fn admin_key(&self, id: AdminKeyId) -> Result<Option<AdminKeyRecord>, StoreError> {
        let Some(table) = self.open_if_there(ADMIN_KEYS)? else { return Ok(None) };
        let row = table.get(id.as_bytes()).map_err(self.fail())?;
        row.map(|row| {
            codec::decode_admin_key(id.as_bytes(), row.value()).map_err(|problem| damaged(id, problem))
        })
        .transpose()
    }

    pub(super) fn each_admin_key(
        &self,
        each: &mut dyn FnMut(Result<AdminKeyRecord, (AdminKeyId, String)>),
    ) -> Result<(), StoreError> {
        let Some(table) = self.open_if_there(ADMIN_KEYS)? else { return Ok(()) };
        for row in table.range::<&Id>(..).map_err(self.fail())? {
            let (id, row) = row.map_err(self.fail())?;
            let record = codec::decode_admin_key(id.value(), row.value());
            each(record.map_err(|problem| (AdminKeyId::from_bytes(*id.value()), problem)));
        }
        Ok(())
    }
}

fn mint(
    new: &NewAdminKey,
    rotated_from: Option<AdminKeyId>,
    now: Timestamp,
    rng: &mut impl CryptoRng,
) -> IssuedAdminKey {
    let token = Token::mint(&ADMIN_PREFIX.parse().expect("it is a prefix"), rng);
    let record = AdminKeyRecord {
        id: AdminKeyId::new(now, rng),
        name: new.name.clone(),
        role: new.role,
        last_four: token.last_four().to_owned(),
        digest: Digest::sha256(token.expose().as_bytes()),
        created_at: now,
        expires_at: new.expires_at,
        revoked_at: None,
        rotated_from,
        rotated_to: None,
    };
    IssuedAdminKey { record, token }
}

fn refuse_ended(key: &AdminKeyRecord, now: Timestamp) -> Result<(), StoreError> {
    let why = match (key.rotated_to, key.revoked_at, key.status(now)) {
        (Some(by), ..) => format!("was already rotated, {by} replaces it"),
        (None, Some(at), _) => format!("was revoked at {at}"),
        (None, None, Status::Expired) => "has expired".to_owned(),
        _ => return Ok(()),
    };
    Err(StoreError::AdminKeyEnded { action: "rotate", id: key.id, why })
}

fn check_future(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), StoreError> {
    match expires_at {
        Some(expires_at) if expires_at <= now => Err(StoreError::ExpiryInPast { expires_at }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{act, contents, now, store};
    use super::super::{Change, Changes, Item, Overwrite, Revision, Subject};
    use super::*;

    fn new(role: Role) -> NewAdminKey {
        NewAdminKey { name: "Ada".to_owned(), role, expires_at: None }
    }

    #[test]
    fn an_admin_key_is_found_by_its_digest_and_ends_for_good() {
        let (dir, store) = store();
        assert!(store.admin_keys().unwrap().is_empty());
        let issued = store.issue_admin_key(&new(Role::Operator), &act(), &mut rand::rng()).unwrap();
        let digest = Digest::sha256(issued.token.expose().as_bytes());
        assert_eq!(store.admin_key_by_digest(&digest).unwrap().as_ref(), Some(&issued.record));
        let id = issued.record.id;
        let revoked = store.revoke_admin_key(id, &act()).unwrap();
        assert!(revoked.changed && revoked.record.status(now()) == Status::Revoked);
        assert!(!store.revoke_admin_key(id, &act()).unwrap().changed);
        let error = store.rotate_admin_key(id, Duration::ZERO, None, &act(), &mut rand::rng()).unwrap_err();
        assert!(matches!(error, StoreError::AdminKeyEnded { .. }), "{error}");
        let bytes = std::fs::read(dir.path().join(super::super::STORE_FILE)).unwrap();
        let token = issued.token.expose().as_bytes();
        assert!(!bytes.windows(token.len()).any(|window| window == token));
    }

    #[test]
    fn a_rotated_admin_key_lives_through_its_grace() {
        let (_dir, store) = store();
        let old = store.issue_admin_key(&new(Role::Admin), &act(), &mut rand::rng()).unwrap().record;
        let hour = Duration::from_hours(1);
        let rotated = store.rotate_admin_key(old.id, hour, None, &act(), &mut rand::rng()).unwrap();
        assert_eq!(rotated.old.expires_at, Some(now().plus(hour)));
        assert_eq!(rotated.old.status(now()), Status::Active);
        assert_eq!(rotated.new.record.rotated_from, Some(old.id));
        assert_eq!(rotated.new.record.role, Role::Admin);
        assert!(store.rotate_admin_key(old.id, hour, None, &act(), &mut rand::rng()).is_err());
        let at_once = rotated.new.record.id;
        let again = store.rotate_admin_key(at_once, Duration::ZERO, None, &act(), &mut rand::rng()).unwrap();
        assert_eq!(again.old.status(now()), Status::Revoked);
    }

    #[test]
    fn every_change_is_in_both_logs_and_in_backups() {
        let (dir, store) = store();
        let issued = store.issue_admin_key(&new(Role::Viewer), &act(), &mut rand::rng()).unwrap().record;
        store.revoke_admin_key(issued.id, &act()).unwrap();
        let revoked = store.admin_key(issued.id).unwrap();
        assert!(contents(&store).contains(&Item::AdminKey(revoked.clone())));
        let Changes::Rows { changes, .. } = store.changes_since(Revision(0)).unwrap() else { panic!() };
        assert_eq!(changes, [Change::AdminKey(revoked.clone())]);
        let rows = store.audit_tail(2).unwrap();
        let actions: Vec<_> = rows.iter().map(|row| row.action.name()).collect();
        assert_eq!(actions, ["admin_key.created", "admin_key.revoked"]);
        assert!(rows.iter().all(|row| row.action.subjects() == [Subject::AdminKey(issued.id)]));
        let copy = dir.path().join("copy");
        store.backup_unlogged(&copy, Overwrite::Refuse).unwrap();
        let other = tempfile::tempdir().unwrap();
        let into = other.path().join("data");
        Store::restore(&into, &copy, super::super::Restore::Apply, &super::super::testing::options(), &act())
            .unwrap();
        assert_eq!(super::super::testing::open(&into).admin_key(issued.id).unwrap(), revoked);
    }
}
