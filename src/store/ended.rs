//! Ending keys for reasons that differ: leaks, each found in its own place.

use crate::key::{KeyId, KeyRecord, RevokeReason, State};

use super::keys::Revocation;
use super::write::{BATCH, Outcome, check_act};
use super::{Act, Action, Store, StoreError};

/// What becomes of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// It is ended for good.
    Revoke(RevokeReason),
    /// It is switched off, until somebody switches it on.
    Disable,
}

impl Store {
    /// Ends keys, each with a note of its own and so a row of its own in the audit log; at most
    /// [`BATCH`] a commit. A key that is already revoked stays as it is. Returns what became of each,
    /// in order.
    ///
    /// # Errors
    /// Those of the store as a whole; batches before the one that failed stay done.
    pub fn end_noted(
        &self,
        keys: &[(KeyId, String)],
        end: End,
        act: &Act,
    ) -> Result<Vec<Revocation>, StoreError> {
        let mut done = Vec::with_capacity(keys.len());
        for batch in keys.chunks(BATCH) {
            done.extend(self.end_batch(batch.to_vec(), end, act)?);
        }
        Ok(done)
    }

    fn end_batch(
        &self,
        keys: Vec<(KeyId, String)>,
        end: End,
        act: &Act,
    ) -> Result<Vec<Revocation>, StoreError> {
        let act = act.clone();
        let subjects = keys.iter().map(|(id, _)| id.to_string()).collect();
        for (_, note) in &keys {
            check_act(&Act { note: Some(note.clone()), ..act.clone() })?;
        }
        self.write("ending leaked keys", subjects, move |writer| {
            let mut done = Vec::with_capacity(keys.len());
            for (id, note) in keys {
                let result = match writer.key(id) {
                    Ok(before) => {
                        let record = ended(&before, end, &act);
                        let changed = record.state != before.state;
                        if changed {
                            writer.put_key(&record)?;
                            let action = match end {
                                End::Revoke(reason) => Action::KeysRevoked { ids: vec![id], reason },
                                End::Disable => Action::KeyDisabled { id },
                            };
                            writer.log(&Act { note: Some(note), ..act.clone() }, action)?;
                        }
                        Ok(Outcome { record, changed })
                    }
                    Err(error @ (StoreError::NoSuchKey { .. } | StoreError::Damaged { .. })) => Err(error),
                    Err(error) => return Err(error),
                };
                done.push(Revocation { id, result });
            }
            Ok(done)
        })
    }
}

fn ended(before: &KeyRecord, end: End, act: &Act) -> KeyRecord {
    let state = match (&before.state, end) {
        (State::Revoked { .. }, _) => before.state.clone(),
        (_, End::Revoke(reason)) => State::Revoked { at: act.at, reason },
        (_, End::Disable) => State::Disabled,
    };
    KeyRecord { state, ..before.clone() }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{act, consumer, key, store};
    use super::*;

    #[test]
    fn each_key_has_its_own_note_and_a_revoked_one_stays() {
        let (_dir, store) = store();
        let acme = consumer(&store, "Acme");
        let [first, second, gone] = [(); 3].map(|()| key(&store, acme.id).record.id);
        store.revoke(gone, RevokeReason::Rotation, &act()).unwrap();
        let ended = store
            .end_noted(
                &[(first, "in a".to_owned()), (second, "in b".to_owned()), (gone, "in c".to_owned())],
                End::Revoke(RevokeReason::Leak),
                &act(),
            )
            .unwrap();
        let changed: Vec<bool> = ended.iter().map(|e| e.result.as_ref().unwrap().changed).collect();
        assert_eq!(changed, [true, true, false]);
        let rows = store.audit_tail(2).unwrap();
        let notes: Vec<_> = rows.iter().map(|row| row.note.as_deref().unwrap()).collect();
        assert_eq!(notes, ["in a", "in b"]);
        assert!(store.verify_audit().unwrap().faults.is_empty());
        let state = store.key(gone).unwrap().state;
        assert!(matches!(state, State::Revoked { reason: RevokeReason::Rotation, .. }));
    }

    #[test]
    fn switched_off_keys_can_come_back() {
        let (_dir, store) = store();
        let id = key(&store, consumer(&store, "Acme").id).record.id;
        store.end_noted(&[(id, "seen".to_owned())], End::Disable, &act()).unwrap();
        assert_eq!(store.key(id).unwrap().state, State::Disabled);
        store.enable_key(id, &act()).unwrap();
        assert_eq!(store.key(id).unwrap().state, State::Enabled);
    }
}
