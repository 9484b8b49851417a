//! The life of a key: issue, update, disable, rotate, revoke, prune.

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::time::Duration;

use rand::CryptoRng;

use crate::key::{
    ConsumerId, KeyId, KeyRecord, Metadata, Networks, Peppers, Prefix, RevokeReason, Scopes, State,
    Timestamp, Token,
};

use super::write::{
    MAX_TEXT, RecordTag, Writer, check, check_act, check_filled, check_metadata, check_optional, refuse_stale,
};
use super::{Act, Action, BATCH, Outcome, PrunedKey, Store, StoreError};

/// What keys are made from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewKey {
    /// Who will hold them.
    pub consumer: ConsumerId,
    /// What people call them; may be empty.
    pub name: String,
    /// The name of their key type.
    pub key_type: String,
    /// The prefix of that key type.
    pub prefix: Prefix,
    /// What they may do.
    pub scopes: Scopes,
    /// Their own plan.
    pub plan: Option<String>,
    /// Where they may be used from; empty is anywhere.
    pub networks: Networks,
    /// Free pairs.
    pub metadata: Metadata,
    /// When they begin to work; `None` is at once.
    pub not_before: Option<Timestamp>,
    /// When they stop working; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// A key just made, with its token: the one place where the token is in the clear.
#[derive(Clone, Debug)]
pub struct Issued {
    /// What is kept.
    pub record: KeyRecord,
    /// What is handed out.
    pub token: Token,
}

/// A change to a key: `None` leaves a field, `Some(None)` clears it. Scopes cannot be changed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyEdit {
    /// Another name.
    pub name: Option<String>,
    /// Another plan of its own.
    pub plan: Option<Option<String>>,
    /// Other networks; empty is anywhere.
    pub networks: Option<Networks>,
    /// Pairs to add or replace.
    pub set_metadata: Metadata,
    /// Metadata keys to remove.
    pub unset_metadata: BTreeSet<String>,
    /// Another start.
    pub not_before: Option<Option<Timestamp>>,
    /// Another end. A key with a successor cannot get a later one.
    pub expires_at: Option<Option<Timestamp>>,
    /// Only if the record still has this tag: see [`super::RecordTag`].
    pub if_tag: Option<String>,
}

/// How a key is rotated.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotation {
    /// How long the old key goes on working; zero revokes it at once.
    pub grace: Duration,
    /// When the new key stops working; `None` is never.
    pub expires_at: Option<Timestamp>,
}

/// What a rotation did.
#[derive(Clone, Debug)]
pub struct Rotated {
    /// The old key as it is now.
    pub old: KeyRecord,
    /// Its successor.
    pub new: Issued,
}

/// What became of one key of a bulk revocation.
#[derive(Debug)]
pub struct Revocation {
    /// Which key.
    pub id: KeyId,
    /// The key as it is now and whether this changed it (a key revoked before stays as it was), or
    /// why it could not be revoked.
    pub result: Result<Outcome<KeyRecord>, StoreError>,
}

/// What a prune removed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Pruned {
    /// The keys removed.
    pub ids: Vec<KeyId>,
}

impl Store {
    /// Makes one key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchConsumer`], [`StoreError::NeverValid`], [`StoreError::ExpiryInPast`], and
    /// [`StoreError::Text`] and its kin for what cannot be stored.
    pub fn issue(
        &self,
        new: &NewKey,
        peppers: &Peppers,
        act: &Act,
        rng: &mut impl CryptoRng,
    ) -> Result<Issued, StoreError> {
        new.check(act)?;
        let id = KeyId::new(act.at, rng);
        let mut issued = self.issue_batch(vec![new.mint(id, peppers, act.at, rng)], act)?;
        Ok(issued.pop().expect("one went in"))
    }

    /// Makes `count` keys alike, at most [`super::BATCH`] a commit, and calls `each` after every
    /// commit with the keys it made durable. `Break` ends it early. Returns how many were made.
    ///
    /// # Errors
    /// Those of [`Store::issue`]. What `each` was given stays made.
    pub fn issue_many(
        &self,
        new: &NewKey,
        count: usize,
        peppers: &Peppers,
        act: &Act,
        rng: &mut impl CryptoRng,
        each: &mut dyn FnMut(Vec<Issued>) -> ControlFlow<()>,
    ) -> Result<usize, StoreError> {
        new.check(act)?;
        let mut made = 0;
        let mut id = KeyId::new(act.at, rng);
        while made < count {
            let batch = BATCH.min(count - made);
            let mut mint = || {
                let issued = new.mint(id, peppers, act.at, rng);
                id = following(id, rng);
                issued
            };
            let minted = std::iter::repeat_with(&mut mint).take(batch).collect();
            let issued = self.issue_batch(minted, act)?;
            made += batch;
            if each(issued).is_break() {
                break;
            }
        }
        Ok(made)
    }

    fn issue_batch(&self, minted: Vec<Issued>, act: &Act) -> Result<Vec<Issued>, StoreError> {
        let ids: Vec<KeyId> = minted.iter().map(|issued| issued.record.id).collect();
        let subjects = ids.iter().map(KeyId::to_string).collect();
        let act = act.clone();
        self.write("issuing keys", subjects, move |writer| {
            let consumer = minted.first().expect("a batch is never empty").record.consumer;
            writer.consumer(consumer)?;
            writer.insert_keys(minted.iter().map(|issued| &issued.record))?;
            writer.log(&act, Action::KeysIssued { consumer, ids })?;
            Ok(minted)
        })
    }

    /// Changes a key.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`]; [`StoreError::Revoked`]; [`StoreError::AlreadyRotated`] if a key
    /// with a successor would live longer; [`StoreError::NeverValid`]; [`StoreError::Stale`].
    pub fn update_key(&self, id: KeyId, edit: &KeyEdit, act: &Act) -> Result<Outcome<KeyRecord>, StoreError> {
        let edit = edit.clone();
        self.edit_key(id, act, "update", "updating a key", move |before| {
            refuse_stale(edit.if_tag.as_deref(), RecordTag::of_key(before), id)?;
            let after = edit.apply(before);
            check_key(&after)?;
            if let Some(by) = before.rotated_to
                && lives_longer(&after, before)
            {
                return Err(StoreError::AlreadyRotated { action: "prolong", id, by });
            }
            let fields = changed_fields(before, &after);
            Ok((after, Action::KeyUpdated { id, fields }))
        })
    }

    /// Switches a key on.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::Revoked`].
    pub fn enable_key(&self, id: KeyId, act: &Act) -> Result<Outcome<KeyRecord>, StoreError> {
        self.edit_key(id, act, "enable", "enabling a key", move |before| {
            Ok((KeyRecord { state: State::Enabled, ..before.clone() }, Action::KeyEnabled { id }))
        })
    }

    /// Switches a key off, until it is switched on again.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`], [`StoreError::Revoked`].
    pub fn disable_key(&self, id: KeyId, act: &Act) -> Result<Outcome<KeyRecord>, StoreError> {
        self.edit_key(id, act, "disable", "disabling a key", move |before| {
            Ok((KeyRecord { state: State::Disabled, ..before.clone() }, Action::KeyDisabled { id }))
        })
    }

    fn edit_key(
        &self,
        id: KeyId,
        act: &Act,
        verb: &'static str,
        action: &'static str,
        edit: impl FnOnce(&KeyRecord) -> Result<(KeyRecord, Action), StoreError> + Send + 'static,
    ) -> Result<Outcome<KeyRecord>, StoreError> {
        check_act(act)?;
        let act = act.clone();
        self.write(action, vec![id.to_string()], move |writer| {
            let before = writer.key(id)?;
            refuse_revoked(&before, verb)?;
            let (after, what) = edit(&before)?;
            let changed = after != before;
            if changed {
                writer.put_key(&after)?;
                writer.log(&act, what)?;
            }
            Ok(Outcome { record: after, changed })
        })
    }

    /// Makes a successor with the same name, type, scopes, plan, networks and metadata. The old key
    /// then ends at the earlier of its own expiry and the end of the grace period.
    ///
    /// # Errors
    /// A key that is revoked, expired, disabled or already rotated cannot be rotated:
    /// [`StoreError::Revoked`], [`StoreError::Expired`], [`StoreError::Disabled`],
    /// [`StoreError::AlreadyRotated`].
    pub fn rotate(
        &self,
        id: KeyId,
        rotation: Rotation,
        peppers: &Peppers,
        act: &Act,
        rng: &mut impl CryptoRng,
    ) -> Result<Rotated, StoreError> {
        check_act(act)?;
        // The token needs the prefix, and randomness stays on this thread: look first, and look again
        // when writing.
        let seen = self.key(id)?;
        let prefix =
            seen.prefix.parse().map_err(|_| StoreError::Prefix { id, prefix: seen.prefix.clone() })?;
        let token = Token::mint(&prefix, rng);
        let (digest, scheme) = peppers.digest_new(token.expose().as_bytes());
        let successor = KeyId::new(act.at, rng);
        let act = act.clone();
        self.write("rotating a key", vec![id.to_string(), successor.to_string()], move |writer| {
            let old = writer.key(id)?;
            refuse_rotation(&old, act.at)?;
            let (old, until) = retire(old, successor, rotation.grace, act.at);
            let new = KeyRecord {
                id: successor,
                digest,
                scheme,
                last_four: token.last_four().to_owned(),
                state: State::Enabled,
                created_at: act.at,
                expires_at: rotation.expires_at,
                rotated_from: Some(id),
                rotated_to: None,
                replaces_until: until,
                ..old.clone()
            };
            check_times(&new, act.at)?;
            writer.put_key(&old)?;
            writer.insert_key(&new)?;
            writer.log(&act, Action::KeyRotated { id, successor, until })?;
            Ok(Rotated { old, new: Issued { record: new, token } })
        })
    }

    /// Ends a key for good. Revoking it again changes nothing and says so.
    ///
    /// # Errors
    /// [`StoreError::NoSuchKey`].
    pub fn revoke(
        &self,
        id: KeyId,
        reason: RevokeReason,
        act: &Act,
    ) -> Result<Outcome<KeyRecord>, StoreError> {
        let mut revocations = self.revoke_batch(vec![id], reason, act)?;
        revocations.pop().expect("one went in").result
    }

    /// Ends many keys, at most [`super::BATCH`] a commit, and calls `each` after every commit.
    /// `Break` ends it early. An error ends it; what `each` was told stays done.
    ///
    /// # Errors
    /// Those of the store as a whole; what is wrong with one key is told to `each`.
    pub fn revoke_many(
        &self,
        ids: &[KeyId],
        reason: RevokeReason,
        act: &Act,
        each: &mut dyn FnMut(Vec<Revocation>) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        for batch in ids.chunks(BATCH) {
            if each(self.revoke_batch(batch.to_vec(), reason, act)?).is_break() {
                break;
            }
        }
        Ok(())
    }

    fn revoke_batch(
        &self,
        ids: Vec<KeyId>,
        reason: RevokeReason,
        act: &Act,
    ) -> Result<Vec<Revocation>, StoreError> {
        check_act(act)?;
        let act = act.clone();
        let subjects = ids.iter().map(KeyId::to_string).collect();
        self.write("revoking keys", subjects, move |writer| {
            let mut revoked = Vec::new();
            let mut revocations = Vec::with_capacity(ids.len());
            for id in ids {
                let result = match writer.key(id) {
                    Ok(record) if matches!(record.state, State::Revoked { .. }) => {
                        Ok(Outcome { record, changed: false })
                    }
                    Ok(mut record) => {
                        record.state = State::Revoked { at: act.at, reason };
                        writer.put_key(&record)?;
                        revoked.push(id);
                        Ok(Outcome { record, changed: true })
                    }
                    Err(error @ (StoreError::NoSuchKey { .. } | StoreError::Damaged { .. })) => Err(error),
                    Err(error) => return Err(error),
                };
                revocations.push(Revocation { id, result });
            }
            if !revoked.is_empty() {
                writer.log(&act, Action::KeysRevoked { ids: revoked, reason })?;
            }
            Ok(revocations)
        })
    }

    /// Returns the keys that [`Store::prune`] would remove.
    pub fn prunable(&self, revoked_before: Timestamp) -> Result<Vec<KeyId>, StoreError> {
        let mut ids = Vec::new();
        self.keys(&mut |key| {
            ids.extend(key.ok().filter(|key| is_prunable(key, revoked_before)).map(|key| key.id));
            true
        })?;
        Ok(ids)
    }

    /// Removes the keys revoked before `revoked_before`; their digests and reasons stay in the audit
    /// log. What they replaced and what replaced them then name each other. Calls `each` after every commit. `Break` ends it early.
    ///
    /// # Errors
    /// Those of the store as a whole; what `each` was told stays done.
    pub fn prune(
        &self,
        revoked_before: Timestamp,
        act: &Act,
        each: &mut dyn FnMut(&[KeyId]) -> ControlFlow<()>,
    ) -> Result<Pruned, StoreError> {
        check_act(act)?;
        let mut pruned = Pruned::default();
        for batch in self.prunable(revoked_before)?.chunks(BATCH) {
            let (ids, act) = (batch.to_vec(), act.clone());
            let subjects = ids.iter().map(KeyId::to_string).collect();
            let removed = self.write("pruning keys", subjects, move |writer| {
                prune_batch(writer, &ids, revoked_before, &act)
            })?;
            pruned.ids.extend(&removed);
            if each(&removed).is_break() {
                break;
            }
        }
        Ok(pruned)
    }
}

impl NewKey {
    fn check(&self, act: &Act) -> Result<(), StoreError> {
        check_act(act)?;
        check("the name", &self.name, MAX_TEXT)?;
        check_filled("the key type", &self.key_type, MAX_TEXT)?;
        check_optional("the plan", self.plan.as_deref())?;
        check_metadata(&self.metadata)?;
        check_counts(&self.scopes, &self.networks)?;
        check_span(self.not_before, self.expires_at)?;
        check_future(self.expires_at, act.at)
    }

    fn mint(&self, id: KeyId, peppers: &Peppers, now: Timestamp, rng: &mut impl CryptoRng) -> Issued {
        let token = Token::mint(&self.prefix, rng);
        let (digest, scheme) = peppers.digest_new(token.expose().as_bytes());
        let record = KeyRecord {
            id,
            consumer: self.consumer,
            name: self.name.clone(),
            key_type: self.key_type.clone(),
            prefix: self.prefix.as_str().to_owned(),
            last_four: token.last_four().to_owned(),
            digest,
            scheme,
            scopes: self.scopes.clone(),
            plan: self.plan.clone(),
            networks: self.networks.clone(),
            metadata: self.metadata.clone(),
            state: State::Enabled,
            created_at: now,
            not_before: self.not_before,
            expires_at: self.expires_at,
            rotated_from: None,
            rotated_to: None,
            replaces_until: None,
        };
        Issued { record, token }
    }
}

/// Returns an identifier a random step after `id`, as the ULID specification has it for several in one
/// millisecond. So the keys of a bulk lie side by side in the file, and a commit of 500 writes 30
/// leaves of the table and not 500.
fn following(id: KeyId, rng: &mut impl CryptoRng) -> KeyId {
    let step = u128::from(rng.next_u32()) + 1;
    KeyId::from_bytes(u128::from_be_bytes(*id.as_bytes()).saturating_add(step).to_be_bytes())
}

impl KeyEdit {
    fn apply(self, before: &KeyRecord) -> KeyRecord {
        let mut after = before.clone();
        after.name = self.name.unwrap_or(after.name);
        after.plan = self.plan.unwrap_or(after.plan);
        after.networks = self.networks.unwrap_or(after.networks);
        after.metadata.retain(|key, _| !self.unset_metadata.contains(key));
        after.metadata.extend(self.set_metadata);
        after.not_before = self.not_before.unwrap_or(after.not_before);
        after.expires_at = self.expires_at.unwrap_or(after.expires_at);
        after
    }
}

fn changed_fields(before: &KeyRecord, after: &KeyRecord) -> Vec<String> {
    let fields = [
        ("name", before.name != after.name),
        ("plan", before.plan != after.plan),
        ("networks", before.networks != after.networks),
        ("metadata", before.metadata != after.metadata),
        ("not_before", before.not_before != after.not_before),
        ("expires_at", before.expires_at != after.expires_at),
    ];
    fields.iter().filter(|(_, changed)| *changed).map(|(name, _)| (*name).to_owned()).collect()
}

fn check_key(key: &KeyRecord) -> Result<(), StoreError> {
    check("the name", &key.name, MAX_TEXT)?;
    check_optional("the plan", key.plan.as_deref())?;
    check_metadata(&key.metadata)?;
    check_counts(&key.scopes, &key.networks)?;
    check_span(key.not_before, key.expires_at)
}

/// The most scopes or networks of a key.
const MAX_LIST: usize = 256;

fn check_counts(scopes: &Scopes, networks: &Networks) -> Result<(), StoreError> {
    for (field, count) in [("scopes", scopes.as_slice().len()), ("networks", networks.as_slice().len())] {
        if count > MAX_LIST {
            return Err(StoreError::TooMany { field, max: MAX_LIST });
        }
    }
    Ok(())
}

fn check_times(key: &KeyRecord, now: Timestamp) -> Result<(), StoreError> {
    check_span(key.not_before, key.expires_at)?;
    check_future(key.expires_at, now)
}

fn check_span(not_before: Option<Timestamp>, expires_at: Option<Timestamp>) -> Result<(), StoreError> {
    match (not_before, expires_at) {
        (Some(not_before), Some(expires_at)) if expires_at <= not_before => {
            Err(StoreError::NeverValid { not_before, expires_at })
        }
        _ => Ok(()),
    }
}

fn check_future(expires_at: Option<Timestamp>, now: Timestamp) -> Result<(), StoreError> {
    match expires_at {
        Some(expires_at) if expires_at <= now => Err(StoreError::ExpiryInPast { expires_at }),
        _ => Ok(()),
    }
}

/// Says whether `after` ends later than `before` did; `None` is never.
fn lives_longer(after: &KeyRecord, before: &KeyRecord) -> bool {
    match (after.expires_at, before.expires_at) {
        (Some(after), Some(before)) => after > before,
        (after, before) => after.is_none() && before.is_some(),
    }
}

fn refuse_revoked(key: &KeyRecord, action: &'static str) -> Result<(), StoreError> {
    match key.state {
        State::Revoked { at, .. } => Err(StoreError::Revoked { action, id: key.id, at }),
        _ => Ok(()),
    }
}

fn refuse_rotation(key: &KeyRecord, now: Timestamp) -> Result<(), StoreError> {
    let (action, id) = ("rotate", key.id);
    // Said first, since it is why such a key is revoked or expired.
    if let Some(by) = key.rotated_to {
        return Err(StoreError::AlreadyRotated { action, id, by });
    }
    refuse_revoked(key, action)?;
    if let Some(at) = key.expires_at.filter(|at| *at <= now) {
        return Err(StoreError::Expired { action, id, at });
    }
    if key.state == State::Disabled {
        return Err(StoreError::Disabled { action, id });
    }
    Ok(())
}

/// Returns the old key as rotation leaves it, and until when it works.
fn retire(
    mut old: KeyRecord,
    successor: KeyId,
    grace: Duration,
    now: Timestamp,
) -> (KeyRecord, Option<Timestamp>) {
    old.rotated_to = Some(successor);
    if grace.is_zero() {
        old.state = State::Revoked { at: now, reason: RevokeReason::Rotation };
        return (old, None);
    }
    let end = now.plus(grace);
    let until = old.expires_at.map_or(end, |at| at.min(end));
    old.expires_at = Some(until);
    (old, Some(until))
}

fn is_prunable(key: &KeyRecord, revoked_before: Timestamp) -> bool {
    matches!(key.state, State::Revoked { at, .. } if at < revoked_before)
}

fn prune_batch(
    writer: &mut Writer<'_>,
    ids: &[KeyId],
    revoked_before: Timestamp,
    act: &Act,
) -> Result<Vec<KeyId>, StoreError> {
    let mut keys = Vec::with_capacity(ids.len());
    for id in ids {
        // Somebody else may have pruned it meanwhile.
        let Some(key) = writer.key_if_any(*id)? else { continue };
        let State::Revoked { at, reason } = key.state else { continue };
        if !is_prunable(&key, revoked_before) {
            continue;
        }
        writer.remove_key(&key)?;
        join_neighbours(writer, &key)?;
        keys.push(PrunedKey { id: key.id, digest: key.digest, revoked_at: at, reason });
    }
    let removed = keys.iter().map(|key| key.id).collect();
    if !keys.is_empty() {
        writer.log(act, Action::KeysPruned { keys })?;
    }
    Ok(removed)
}

/// Has the keys before and after one that is gone name each other. A line of keys is counted under its first
/// one, which only they lead to, and whoever looks for what came of a leaked key follows them.
fn join_neighbours(writer: &mut Writer<'_>, gone: &KeyRecord) -> Result<(), StoreError> {
    let mut change = |id: Option<KeyId>, edit: &dyn Fn(&mut KeyRecord)| {
        let before = match id.map(|id| writer.key_if_any(id)).transpose() {
            Ok(before) => before.flatten(),
            // Nobody can tell what it says; it is refused and told of elsewhere.
            Err(StoreError::Damaged { .. }) => None,
            Err(error) => return Err(error),
        };
        let Some(mut record) = before else { return Ok(()) };
        edit(&mut record);
        writer.put_key(&record)
    };
    let (before, after) = (gone.rotated_from, gone.rotated_to);
    // Without another to name it, a neighbour goes on naming the one that is gone.
    change(before.filter(|_| after.is_some()), &|key| key.rotated_to = after)?;
    change(after.filter(|_| before.is_some()), &|key| key.rotated_from = before)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, act, act_at, consumer, key, new_key, now};
    use super::*;
    use crate::key::{Digest, Status};

    const HOUR: Duration = Duration::from_hours(1);

    fn rotation(grace: Duration) -> Rotation {
        Rotation { grace, expires_at: None }
    }

    fn rotate(store: &Store, id: KeyId, grace: Duration, at: Timestamp) -> Result<Rotated, StoreError> {
        store.rotate(id, rotation(grace), &Peppers::default(), &act_at(at), &mut rand::rng())
    }

    #[test]
    fn an_issued_key_is_found_by_its_token_and_the_token_is_nowhere_in_the_files() {
        let (dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let issued = key(&store, acme.id);
        let digest = Digest::sha256(issued.token.expose().as_bytes());
        assert_eq!(store.key_by_digest(&digest).unwrap(), Some(issued.record.clone()));
        assert_eq!(store.key_by_digest(&Digest::sha256(b"another")).unwrap(), None);
        let (unknown, other) = (Token::from_presented("another"), key(&store, acme.id));
        let asked = [&issued.token, &unknown, &other.token, &issued.token];
        assert_eq!(
            store.keys_by_tokens(asked, &Peppers::default()).unwrap(),
            [Some(issued.record.clone()), None, Some(other.record), Some(issued.record.clone())],
            "each in its place"
        );
        store.close().unwrap();
        let secret = &issued.token.expose().as_bytes()[..30];
        for file in std::fs::read_dir(dir.path()).unwrap() {
            let bytes = std::fs::read(file.unwrap().path()).unwrap();
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }

    #[test]
    fn bulk_issue_reports_after_every_commit_and_stops_when_told() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let mut seen = Vec::new();
        let made = store
            .issue_many(
                &new_key(acme.id),
                1700,
                &Peppers::default(),
                &act(),
                &mut rand::rng(),
                &mut |batch| {
                    seen.extend(batch.into_iter().map(|issued| issued.record));
                    // What was reported is durable.
                    assert_eq!(store.key(seen[seen.len() - 1].id).unwrap(), seen[seen.len() - 1]);
                    if seen.len() >= 1000 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
                },
            )
            .unwrap();
        assert_eq!((made, seen.len()), (1000, 1000));
        assert_eq!(store.revision().unwrap().0, 1001);
        let mut stored = Vec::new();
        store
            .keys_of(acme.id, &mut |key| {
                stored.push(key.unwrap());
                true
            })
            .unwrap();
        seen.sort_by_key(|key| key.id);
        assert_eq!(stored, seen);
    }

    #[test]
    fn what_cannot_be_a_key_is_refused() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let issue = |change: fn(&mut NewKey)| {
            let mut new = new_key(acme.id);
            change(&mut new);
            store.issue(&new, &Peppers::default(), &act(), &mut rand::rng()).unwrap_err()
        };
        assert!(matches!(issue(|k| k.name = "a\nb".into()), StoreError::Text { field: "the name", .. }));
        assert!(matches!(issue(|k| k.plan = Some(String::new())), StoreError::Empty { .. }));
        assert!(matches!(issue(|k| k.expires_at = Some(now())), StoreError::ExpiryInPast { .. }));
        assert!(matches!(
            issue(|k| (k.not_before, k.expires_at) = (Some(now().plus(HOUR)), Some(now().plus(HOUR)))),
            StoreError::NeverValid { .. }
        ));
        assert!(matches!(
            issue(|k| drop(k.metadata.insert("k".into(), "\u{1b}[2J".into()))),
            StoreError::Text { field: "a metadata value", .. }
        ));
        assert!(matches!(
            issue(|k| k.consumer = ConsumerId::from_bytes([9; 16])),
            StoreError::NoSuchConsumer { .. }
        ));
        assert_eq!(store.revision().unwrap().0, 1);
    }

    #[test]
    fn a_successor_has_what_the_old_key_had_and_the_old_one_lives_through_the_grace() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let old = key(&store, acme.id);
        let rotated = rotate(&store, old.record.id, HOUR, now()).unwrap();
        let (was, new) = (&old.record, &rotated.new.record);
        assert_eq!(
            (&new.scopes, &new.plan, &new.networks, &new.metadata, &new.name, &new.key_type, new.consumer),
            (&was.scopes, &was.plan, &was.networks, &was.metadata, &was.name, &was.key_type, was.consumer)
        );
        let end = now().plus(HOUR);
        assert_eq!((new.rotated_from, new.rotated_to, new.replaces_until), (Some(was.id), None, Some(end)));
        assert_eq!((rotated.old.rotated_to, rotated.old.expires_at), (Some(new.id), Some(end)));
        assert_eq!(rotated.old.status(now()), Status::Active);
        assert_eq!(rotated.old.status(end), Status::Expired);
        assert_eq!(store.key(was.id).unwrap(), rotated.old);
        assert_eq!(store.key(new.id).unwrap(), *new);
        assert_ne!(old.token, rotated.new.token);
        // Its own expiry, if that is earlier.
        let soon = now().plus(Duration::from_mins(1));
        let mut short = new_key(acme.id);
        short.expires_at = Some(soon);
        let short = store.issue(&short, &Peppers::default(), &act(), &mut rand::rng()).unwrap();
        let rotated = rotate(&store, short.record.id, HOUR, now()).unwrap();
        assert_eq!((rotated.old.expires_at, rotated.new.record.replaces_until), (Some(soon), Some(soon)));
    }

    #[test]
    fn no_grace_revokes_at_once() {
        let (_dir, store) = testing::store();
        let old = key(&store, consumer(&store, "Acme").id).record;
        let rotated = rotate(&store, old.id, Duration::ZERO, now()).unwrap();
        assert_eq!(rotated.old.state, State::Revoked { at: now(), reason: RevokeReason::Rotation });
        assert_eq!(rotated.new.record.replaces_until, None);
    }

    #[test]
    fn what_cannot_be_rotated_says_why() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let [revoked, disabled, rotated, at_once, fine] = [(); 5].map(|()| key(&store, acme.id).record.id);
        let mut expired = new_key(acme.id);
        expired.expires_at = Some(now().plus(HOUR));
        let expired = store.issue(&expired, &Peppers::default(), &act(), &mut rand::rng()).unwrap().record.id;
        store.revoke(revoked, RevokeReason::Leak, &act()).unwrap();
        store.disable_key(disabled, &act()).unwrap();
        let successor = rotate(&store, rotated, HOUR, now()).unwrap().new.record.id;
        rotate(&store, at_once, Duration::ZERO, now()).unwrap();
        let error = |id| rotate(&store, id, HOUR, now().plus(HOUR)).unwrap_err();
        assert!(matches!(error(revoked), StoreError::Revoked { .. }));
        assert!(matches!(error(disabled), StoreError::Disabled { .. }));
        assert!(matches!(error(expired), StoreError::Expired { .. }));
        assert!(matches!(error(rotated), StoreError::AlreadyRotated { by, .. } if by == successor));
        assert!(matches!(error(at_once), StoreError::AlreadyRotated { .. }));
        assert!(matches!(error(KeyId::from_bytes([1; 16])), StoreError::NoSuchKey { .. }));
        assert!(rotate(&store, fine, HOUR, now().plus(HOUR)).is_ok());
        // A rotated key may end earlier, never later.
        let edit = |at| KeyEdit { expires_at: Some(at), ..KeyEdit::default() };
        let later = edit(Some(now().plus(2 * HOUR)));
        assert!(matches!(
            store.update_key(rotated, &later, &act()),
            Err(StoreError::AlreadyRotated { action: "prolong", .. })
        ));
        assert!(store.update_key(rotated, &edit(None), &act()).is_err());
        assert!(store.update_key(rotated, &edit(Some(now().plus(HOUR / 2))), &act()).unwrap().changed);
    }

    #[test]
    fn revoking_is_for_good_and_twice_is_fine() {
        let (_dir, store) = testing::store();
        let id = key(&store, consumer(&store, "Acme").id).record.id;
        let first = store.revoke(id, RevokeReason::Leak, &act()).unwrap();
        assert!(first.changed);
        let revision = store.revision().unwrap();
        let again = store.revoke(id, RevokeReason::Abuse, &act_at(now().plus(HOUR))).unwrap();
        assert_eq!((again.changed, again.record), (false, first.record));
        assert_eq!(store.revision().unwrap(), revision);
        for refused in [
            store.enable_key(id, &act()),
            store.disable_key(id, &act()),
            store.update_key(id, &KeyEdit { name: Some("x".into()), ..KeyEdit::default() }, &act()),
        ] {
            assert!(matches!(refused, Err(StoreError::Revoked { .. })));
        }
    }

    #[test]
    fn disabling_and_updating_change_once_and_say_whether() {
        let (_dir, store) = testing::store();
        let id = key(&store, consumer(&store, "Acme").id).record.id;
        let changed = |outcome: Result<Outcome<KeyRecord>, StoreError>| outcome.unwrap().changed;
        assert!(changed(store.disable_key(id, &act())));
        assert!(!changed(store.disable_key(id, &act())));
        assert!(changed(store.enable_key(id, &act())));
        let edit = KeyEdit {
            name: Some("deploy".into()),
            networks: Some(Networks::default()),
            plan: Some(None),
            set_metadata: [("tier".to_owned(), "silver".to_owned())].into(),
            ..KeyEdit::default()
        };
        assert!(changed(store.update_key(id, &edit, &act())));
        assert!(!changed(store.update_key(id, &edit, &act())));
        let key = store.key(id).unwrap();
        assert_eq!((key.name.as_str(), key.plan, key.networks.is_empty()), ("deploy", None, true));
        assert_eq!(key.metadata["tier"], "silver");
    }

    #[test]
    fn bulk_revocation_tells_every_key_apart() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let mut ids: Vec<KeyId> = (0..3).map(|_| key(&store, acme.id).record.id).collect();
        store.revoke(ids[1], RevokeReason::Abuse, &act()).unwrap();
        ids.push(KeyId::from_bytes([1; 16]));
        let mut told = Vec::new();
        store
            .revoke_many(&ids, RevokeReason::Closure, &act(), &mut |batch| {
                told.extend(batch.into_iter().map(|r| r.result.map(|outcome| outcome.changed)));
                ControlFlow::Continue(())
            })
            .unwrap();
        assert!(matches!(
            told.as_slice(),
            [Ok(true), Ok(false), Ok(true), Err(StoreError::NoSuchKey { .. })]
        ));
    }

    #[test]
    fn pruning_moves_digest_and_reason_to_the_audit_log() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let [old, young, live] = [(); 3].map(|()| key(&store, acme.id).record);
        store.revoke(old.id, RevokeReason::Leak, &act()).unwrap();
        store.revoke(young.id, RevokeReason::Leak, &act_at(now().plus(HOUR))).unwrap();
        let pruned = store.prune(now().plus(HOUR), &act(), &mut |_| ControlFlow::Continue(())).unwrap();
        assert_eq!(pruned.ids, [old.id]);
        assert!(matches!(store.key(old.id), Err(StoreError::NoSuchKey { .. })));
        assert_eq!(store.key_by_digest(&old.digest).unwrap(), None);
        assert!(store.key(young.id).is_ok() && store.key(live.id).is_ok());
        let row = store.audit_tail(1).unwrap().pop().unwrap();
        let kept =
            PrunedKey { id: old.id, digest: old.digest, revoked_at: now(), reason: RevokeReason::Leak };
        assert_eq!(row.action, Action::KeysPruned { keys: vec![kept] });
    }

    /// First, second, third and fourth, each replaced by the next. Whatever of them is pruned, in whatever order, the
    /// fourth leads to the first, and the first that is left to the fourth.
    #[test]
    fn a_line_hangs_together_whatever_of_it_is_pruned() {
        for order in [[0, 1, 2], [1, 0, 2], [2, 1, 0], [1, 2, 0]] {
            let (_dir, store) = testing::store();
            let acme = consumer(&store, "Acme");
            let mut line = vec![key(&store, acme.id).record.id];
            for hour in 1..4 {
                let at = now().plus(HOUR * hour);
                line.push(rotate(&store, line[line.len() - 1], HOUR * 100, at).unwrap().new.record.id);
            }
            for (number, pruned) in order.into_iter().enumerate() {
                let at = now().plus(HOUR * (10 + u32::try_from(number).unwrap()));
                store.revoke(line[pruned], RevokeReason::Leak, &act_at(at)).unwrap();
                store.prune(at.plus(HOUR), &act_at(at), &mut |_| ControlFlow::Continue(())).unwrap();
                let left: Vec<KeyId> = line.iter().copied().filter(|id| store.key(*id).is_ok()).collect();
                assert_eq!(left.len(), 3 - number, "{order:?}");
                for pair in left.windows(2) {
                    assert_eq!(store.key(pair[0]).unwrap().rotated_to, Some(pair[1]), "{order:?}");
                    assert_eq!(store.key(pair[1]).unwrap().rotated_from, Some(pair[0]), "{order:?}");
                }
                let came_of = store.successors(left[0], at).unwrap();
                assert_eq!(came_of.iter().map(|key| key.id).collect::<Vec<_>>(), left[1..], "{order:?}");
            }
            assert_eq!(
                store.key(line[3]).unwrap().rotated_from,
                Some(line[0]),
                "{order:?}: by its first name"
            );
        }
    }

    #[test]
    fn what_came_of_a_key_is_what_works_of_those_that_replaced_it() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let first = key(&store, acme.id).record.id;
        let next =
            |id, hour| rotate(&store, id, Duration::ZERO, now().plus(HOUR * hour)).unwrap().new.record.id;
        let second = next(first, 1);
        let third = next(second, 2);
        let ids = |id, at| store.successors(id, at).unwrap().iter().map(|key| key.id).collect::<Vec<_>>();
        let at = now().plus(HOUR * 3);
        assert_eq!(ids(first, at), [third], "the second ended when it was rotated");
        assert!(ids(third, at).is_empty());
        store.disable_key(third, &act_at(at)).unwrap();
        assert_eq!(ids(first, at), [third], "it may be switched on again");
        store.revoke(third, RevokeReason::Leak, &act_at(at)).unwrap();
        assert!(ids(first, at).is_empty());
        assert!(ids(KeyId::from_bytes([1; 16]), at).is_empty(), "who is not there has none");
    }
}
