//! Finding records: filters for lists, and near matches for what was not found.

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use crate::key::{
    ConsumerId, ConsumerRecord, KeyId, KeyRecord, Peppers, Scope, State, Status, Timestamp, Token,
};

use super::write::MAX_TEXT;
use super::{AuditRow, Store, StoreError, Subject};

/// Which consumers a list shows. Filters combine; an empty one lets everything through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ConsumerFilter {
    /// Only those with all of these tags.
    pub tags: Vec<String>,
    /// Only those of this plan.
    pub plan: Option<String>,
    /// Only those whose keys work, or do not.
    pub enabled: Option<bool>,
    /// Only those whose name contains this, whatever the case.
    pub name: Option<String>,
}

impl ConsumerFilter {
    /// Says whether the filter lets `consumer` through.
    pub fn matches(&self, consumer: &ConsumerRecord) -> bool {
        self.tags.iter().all(|tag| consumer.tags.contains(tag))
            && self.plan.as_ref().is_none_or(|plan| consumer.plan.as_ref() == Some(plan))
            && self.enabled.is_none_or(|enabled| consumer.enabled == enabled)
            && self.name.as_ref().is_none_or(|part| contains(&consumer.name, part))
    }
}

/// Which rows of the audit log a list shows. Filters combine; an empty one lets everything through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AuditFilter {
    /// Only rows about this.
    pub subject: Option<Subject>,
    /// Only rows of this action, such as `key.revoked`, or of all that begin so, such as `key`.
    pub action: Option<String>,
    /// Only rows by this actor.
    pub actor: Option<String>,
    /// Only rows since then.
    pub since: Option<Timestamp>,
}

impl AuditFilter {
    /// Says whether the filter lets `row` through.
    pub fn matches(&self, row: &AuditRow) -> bool {
        let name = row.action.name();
        self.subject.is_none_or(|subject| row.action.subjects().contains(&subject))
            && self.action.as_deref().is_none_or(|action| {
                name == action || name.strip_prefix(action).is_some_and(|rest| rest.starts_with('.'))
            })
            && self.actor.as_deref().is_none_or(|actor| row.actor.user == actor)
            && self.since.is_none_or(|since| row.at >= since)
    }
}

/// Says whether a name contains a part, whatever the case.
fn contains(name: &str, part: &str) -> bool {
    name.to_lowercase().contains(&part.to_lowercase())
}

/// Which keys a list shows. Filters combine; an empty one lets everything through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct KeyFilter {
    /// Only keys of these consumers, if not `None`. (A tag becomes such a list.)
    pub consumers: Option<BTreeSet<ConsumerId>>,
    /// Only keys with one of these statuses; empty is any.
    pub statuses: Vec<Status>,
    /// Only keys of this key type.
    pub key_type: Option<String>,
    /// Only keys that work now or later and expire before this.
    pub expiring_before: Option<Timestamp>,
    /// Only keys that hold a scope granting this one.
    pub scope: Option<Scope>,
    /// Only keys whose name contains this, whatever the case.
    pub name: Option<String>,
    /// Only keys whose token ends so: up to its last four characters.
    pub ends: Option<String>,
    /// Only keys neither made by a rotation nor replaced.
    pub never_rotated: bool,
    /// Only keys not used (or, if never, not made) for this long.
    pub unused_for: Option<Duration>,
}

impl KeyFilter {
    /// Says whether the filter lets `key`, last used at `last_used`, through at `now`.
    pub fn matches(&self, key: &KeyRecord, last_used: Option<Timestamp>, now: Timestamp) -> bool {
        let status = key.status(now);
        self.consumers.as_ref().is_none_or(|ids| ids.contains(&key.consumer))
            && (self.statuses.is_empty() || self.statuses.contains(&status))
            && self.key_type.as_ref().is_none_or(|t| *t == key.key_type)
            && self.expiring_before.is_none_or(|limit| {
                !matches!(status, Status::Expired | Status::Revoked)
                    && key.expires_at.is_some_and(|at| at < limit)
            })
            && self.scope.as_ref().is_none_or(|scope| key.scopes.grant(scope))
            && self.name.as_ref().is_none_or(|part| contains(&key.name, part))
            && self.ends.as_ref().is_none_or(|ends| key.hint().ends_with(ends))
            && (!self.never_rotated || (key.rotated_from.is_none() && key.rotated_to.is_none()))
            && self.unused_for.is_none_or(|span| now.since(last_used.unwrap_or(key.created_at)) >= span)
    }
}

/// Something called nearly what was asked for.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Near {
    /// Its identifier.
    pub id: String,
    /// Its name; may be empty.
    pub name: String,
}

impl Store {
    /// Returns the consumers that a consumer and tags select together: those with all the tags. `None` is all.
    ///
    /// # Errors
    /// Also of a record that cannot be read: it may carry the tag, and rather no answer than half of one.
    pub fn selected(
        &self,
        named: Option<ConsumerId>,
        tags: &[String],
    ) -> Result<Option<BTreeSet<ConsumerId>>, StoreError> {
        if tags.is_empty() {
            return Ok(named.map(|consumer| BTreeSet::from([consumer])));
        }
        let mut tagged = BTreeSet::new();
        let mut problem = None;
        self.consumers(&mut |record| {
            match record {
                Ok(c) if tags.iter().all(|tag| c.tags.contains(tag)) => drop(tagged.insert(c.id)),
                Ok(_) => {}
                Err(error) => problem = Some(error),
            }
            problem.is_none()
        })?;
        if let Some(error) = problem {
            return Err(error);
        }
        if let Some(consumer) = named {
            tagged.retain(|id| *id == consumer);
        }
        Ok(Some(tagged))
    }

    /// Returns what came of a key: those that replaced it, one after another, and have not ended at `now`. A
    /// key that is not there has none; a damaged record ends the line.
    ///
    /// # Errors
    /// Those of reading.
    pub fn successors(&self, id: KeyId, now: Timestamp) -> Result<Vec<KeyRecord>, StoreError> {
        let (mut live, mut seen) = (Vec::new(), HashSet::new());
        let mut next = Some(id);
        // A damaged store may have a circle.
        while let Some(at) = next.filter(|at| seen.insert(*at)) {
            let key = match self.key(at) {
                Ok(key) => key,
                Err(StoreError::NoSuchKey { .. } | StoreError::Damaged { .. }) => break,
                Err(error) => return Err(error),
            };
            next = key.rotated_to;
            let goes_on = !matches!(key.status(now), Status::Expired | Status::Revoked);
            live.extend(Some(key).filter(|key| key.id != id && goes_on));
        }
        Ok(live)
    }

    /// Returns the keys of these consumers that are not revoked yet.
    ///
    /// # Errors
    /// Also of a record that cannot be read: whose it is cannot be told, and rather no key is revoked than one
    /// forgotten unsaid.
    pub fn live_keys(&self, holders: &BTreeSet<ConsumerId>) -> Result<Vec<KeyId>, StoreError> {
        let mut live = Vec::new();
        let mut problem = None;
        let mut each = |key: Result<KeyRecord, StoreError>| {
            match key {
                Ok(key) if holders.contains(&key.consumer) && !matches!(key.state, State::Revoked { .. }) => {
                    live.push(key.id);
                }
                Ok(_) => {}
                Err(error) => problem = Some(error),
            }
            problem.is_none()
        };
        match holders.first() {
            Some(only) if holders.len() == 1 => self.keys_of(*only, &mut each)?,
            Some(_) => self.keys(&mut each)?,
            None => {}
        }
        problem.map_or(Ok(live), Err)
    }

    /// Finds the record of a token under any digest it may be stored by.
    ///
    /// # Errors
    /// Those of reading, also of the record.
    pub fn key_by_token(&self, token: &Token, peppers: &Peppers) -> Result<Option<KeyRecord>, StoreError> {
        Ok(self.keys_by_tokens([token], peppers)?.pop().flatten())
    }

    /// Finds the records of tokens, in their order, as [`Store::key_by_token`] does that of each: all at one moment.
    ///
    /// # Errors
    /// Those of reading, also of a record.
    pub fn keys_by_tokens<'a>(
        &self,
        tokens: impl IntoIterator<Item = &'a Token>,
        peppers: &Peppers,
    ) -> Result<Vec<Option<KeyRecord>>, StoreError> {
        let digests = |token: &Token| {
            let mut digests = Vec::new();
            peppers.each_digest(token.expose().as_bytes(), |digest| digests.push(digest));
            digests
        };
        self.keys_by_digests(tokens.into_iter().map(digests).collect())
    }

    /// Returns replaced keys that have not ended at `now`, of one consumer or all, the first to end first; of the
    /// first `most` found.
    pub fn replaced(
        &self,
        consumer: Option<ConsumerId>,
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<KeyRecord>, StoreError> {
        let mut replaced = Vec::new();
        let mut each = |record: Result<KeyRecord, StoreError>| {
            let goes_on = |key: &KeyRecord| !matches!(key.status(now), Status::Expired | Status::Revoked);
            replaced.extend(record.ok().filter(|key| key.rotated_to.is_some() && goes_on(key)));
            replaced.len() < most
        };
        match consumer {
            Some(consumer) => self.keys_of(consumer, &mut each)?,
            None => self.keys(&mut each)?,
        }
        replaced.sort_by_key(|key| (key.expires_at.is_none(), key.expires_at, key.id));
        Ok(replaced)
    }

    /// Returns up to `count` keys whose identifier, hint or name is near `wanted`, nearest first.
    ///
    /// # Errors
    /// Those of reading. Damaged records are passed over.
    pub fn near_keys(&self, wanted: &str, count: usize) -> Result<Vec<Near>, StoreError> {
        let mut nearest = Nearest::new(wanted, count);
        self.keys(&mut |key| {
            if let Ok(key) = key {
                let id = key.id.to_string();
                let hint = key.hint();
                nearest.offer(&id, &key.name, &[&id, &key.name, &hint, &key.last_four]);
            }
            true
        })?;
        Ok(nearest.into_vec())
    }

    /// Returns up to `count` consumers whose identifier, external id or name is near `wanted`,
    /// nearest first.
    ///
    /// # Errors
    /// Those of reading. Damaged records are passed over.
    pub fn near_consumers(&self, wanted: &str, count: usize) -> Result<Vec<Near>, StoreError> {
        let mut nearest = Nearest::new(wanted, count);
        self.consumers(&mut |consumer| {
            if let Ok(consumer) = consumer {
                let id = consumer.id.to_string();
                let external_id = consumer.external_id.as_deref().unwrap_or_default();
                nearest.offer(&id, &consumer.name, &[&id, &consumer.name, external_id]);
            }
            true
        })?;
        Ok(nearest.into_vec())
    }
}

/// The best matches so far.
struct Nearest {
    wanted: String,
    count: usize,
    best: Vec<(usize, Near)>,
}

impl Nearest {
    fn new(wanted: &str, count: usize) -> Self {
        // Nobody types more by mistake, and the distance is quadratic.
        let wanted = wanted.chars().take(MAX_TEXT).flat_map(char::to_lowercase).collect();
        Self { wanted, count, best: Vec::new() }
    }

    fn offer(&mut self, id: &str, name: &str, texts: &[&str]) {
        let Some(distance) = texts.iter().filter_map(|text| self.distance(text)).min() else { return };
        let near = Near { id: id.to_owned(), name: name.to_owned() };
        let at = self.best.partition_point(|best| *best <= (distance, near.clone()));
        self.best.insert(at, (distance, near));
        self.best.truncate(self.count);
    }

    /// Returns how far `text` is away, or `None` if it is too far to be meant.
    fn distance(&self, text: &str) -> Option<usize> {
        if text.is_empty() || self.wanted.is_empty() {
            return None;
        }
        let text = text.to_lowercase();
        // A part of it, long enough not to be chance, is a good match; so is how it begins.
        let is_part = self.wanted.len() >= 4 && text.contains(&self.wanted);
        if is_part || (self.wanted.len() >= 2 && text.starts_with(&self.wanted)) {
            return Some(1);
        }
        let allowed = self.wanted.chars().count() / 4 + 1;
        // Identifiers made in the same week share ten characters and more: two typing errors at most.
        let allowed = allowed.min(if text.len() == 30 || text.len() == 31 { 2 } else { 4 });
        if text.len().abs_diff(self.wanted.len()) > allowed * 4 {
            return None;
        }
        let distance = strsim::damerau_levenshtein(&self.wanted, &text);
        (distance <= allowed).then_some(distance)
    }

    fn into_vec(self) -> Vec<Near> {
        self.best.into_iter().map(|(_, near)| near).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{self, consumer, key, now};
    use super::*;

    #[test]
    fn near_matches_are_found_and_far_ones_are_not() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme Corp");
        consumer(&store, "Globex");
        let issued = key(&store, acme.id);
        let names = |wanted: &str| -> Vec<String> {
            store.near_consumers(wanted, 3).unwrap().into_iter().map(|near| near.name).collect()
        };
        assert_eq!(names("acme corp"), ["Acme Corp"]);
        assert_eq!(names("Amce Corp"), ["Acme Corp"]);
        assert_eq!(names("glob"), ["Globex"]);
        assert!(names("Initech").is_empty());
        assert!(names("").is_empty());
        let id = issued.record.id.to_string();
        let typo = format!("{}{}", &id[..29], if id.ends_with('0') { '1' } else { '0' });
        assert_eq!(store.near_keys(&typo, 3).unwrap()[0].id, id);
        assert_eq!(store.near_keys(&id[..29], 3).unwrap()[0].id, id);
        assert_eq!(store.near_keys(&issued.record.last_four, 3).unwrap()[0].id, id);
    }

    #[test]
    fn filters_combine() {
        let (_dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        let mut key = key(&store, acme.id).record;
        let matches = |filter: &KeyFilter, key: &KeyRecord, now| filter.matches(key, None, now);
        assert!(matches(&KeyFilter::default(), &key, now()));
        let soon = now().plus(std::time::Duration::from_mins(1));
        let expiring = KeyFilter { expiring_before: Some(soon), ..KeyFilter::default() };
        assert!(!matches(&expiring, &key, now()));
        key.expires_at = Some(soon.minus(std::time::Duration::from_secs(1)));
        assert!(matches(&expiring, &key, now()));
        assert!(!matches(&expiring, &key, soon));
        let filter = KeyFilter {
            consumers: Some([acme.id].into()),
            statuses: vec![Status::Active],
            key_type: Some("live".into()),
            scope: Some("products:read".parse().unwrap()),
            name: Some("ci".into()),
            ..expiring
        };
        assert!(matches(&filter, &key, now()));
        for other in [
            KeyFilter { consumers: Some([].into()), ..filter.clone() },
            KeyFilter { statuses: vec![Status::Revoked], ..filter.clone() },
            KeyFilter { scope: Some("x:y".parse().unwrap()), ..filter.clone() },
            KeyFilter { ends: Some("~~~~".into()), ..filter.clone() },
        ] {
            assert!(!matches(&other, &key, now()), "{other:?}");
        }
        let idle = KeyFilter { unused_for: Some(std::time::Duration::from_mins(1)), ..KeyFilter::default() };
        assert!(!idle.matches(&key, Some(now()), soon.minus(std::time::Duration::from_secs(1))));
        assert!(idle.matches(&key, Some(now()), soon) && idle.matches(&key, None, soon));
        key.rotated_to = Some(key.id);
        assert!(matches(&filter, &key, now()));
        assert!(!matches(&KeyFilter { never_rotated: true, ..filter }, &key, now()));
    }
}
