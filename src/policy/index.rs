//! Keys and consumers of one revision, in memory.
//!
//! A key is 80 bytes: its digest, its id, its times, its consumer's number and its *profile*, which is
//! whatever many keys have in common (type, plan, scopes, networks, metadata) and is kept once.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::slice;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prefetch_index::prefetch_index;

use super::cells::Row;
use super::limit::Limiter;
use super::lineage::Lines;
use super::rules::LimitSubject;
use super::table::{Keyed, Look, Near, Table};
use crate::key::{
    ConsumerId, ConsumerRecord, Digest, KeyId, KeyRecord, Metadata, Networks, Scopes, State, Timestamp,
};

/// Every key and consumer of one revision. Cheap to clone; a change copies one small shard.
#[derive(Clone)]
pub struct Index {
    keys: Table<KeyEntry>,
    consumers: Consumers,
    shared: Arc<Shared>,
}

/// Takes a whole store and makes an index at once.
#[derive(Debug)]
pub struct IndexBuilder {
    entries: Vec<KeyEntry>,
    consumers: Consumers,
    /// Saves the look-up for keys that follow one another.
    last_consumer: Option<(ConsumerId, Row)>,
    /// What each successor replaced.
    replaced: HashMap<KeyId, KeyId>,
    shared: Arc<Shared>,
    previous: Option<Index>,
}

/// One change of the store, as the engine needs it.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "nearly every one is a key, and none is kept for long")]
pub enum Update {
    /// A key is new or changed.
    Key(KeyRecord),
    /// A key is no more.
    KeyRemoved {
        /// Which.
        id: KeyId,
        /// What is kept of its token.
        digest: Digest,
    },
    /// A consumer is new or changed.
    Consumer(ConsumerRecord),
    /// A consumer is no more, or its record cannot be read: its keys are refused.
    ConsumerRemoved(ConsumerId),
    /// The record of a key cannot be read: it is refused.
    DamagedDigest(Digest),
}

/// A consumer, shared by all permits of its keys.
#[derive(Debug)]
pub struct Consumer {
    record: ConsumerRecord,
}

/// What many keys have in common, kept once.
#[derive(Debug)]
pub(super) struct Profile {
    facts: Facts,
    pub(super) key_type: NameId,
    pub(super) plan: Option<NameId>,
    /// Comma-joined.
    pub(super) scopes_text: String,
}

#[derive(PartialEq, Eq, Hash, Debug, Default)]
struct Facts {
    key_type: String,
    plan: Option<String>,
    scopes: Scopes,
    networks: Networks,
    metadata: Metadata,
}

/// A key type's or plan's name as a number, so that new rules resolve it once and not per request.
pub(super) type NameId = u32;

/// One key: two lines of a cache, whose first and last fields are these.
#[derive(Clone, Debug)]
#[repr(C)]
pub(super) struct KeyEntry {
    digest: Digest,
    pub(super) profile: Arc<Profile>,
    not_before: i64,
    expires_at: i64,
    /// The row of its counts, and above it two bits of [`Standing`] and one for a successor.
    row_and_flags: u32,
    pub(super) consumer: Row,
    pub(super) id: KeyId,
}

/// Whether a key can work at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Enabled,
    Disabled,
    Revoked,
    Damaged,
}

/// Consumers by number, which is also the row of their counts, and their numbers by id.
#[derive(Clone, Debug)]
struct Consumers {
    numbers: Table<Number>,
    chunks: Vec<Arc<Chunk>>,
}

/// Consumers whose numbers follow one another.
#[derive(Clone, Debug)]
pub(super) struct Chunk {
    /// What decisions need, apart: that of all consumers then stays in a core's cache.
    briefs: [Brief; CHUNK],
    places: [Held; CHUNK],
}

/// What decisions need of a consumer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Brief {
    plan: NameId,
    has_plan: bool,
    is_there: bool,
    is_enabled: bool,
}

/// A consumer, shared by all permits of its keys: they count who shares the chunk, which is in the cache,
/// and not who shares the consumer.
#[derive(Clone)]
pub(super) struct Holder {
    chunk: Arc<Chunk>,
    at: usize,
}

#[derive(Clone, Debug)]
struct Number {
    id: ConsumerId,
    number: Row,
}

/// A consumer's place. It stays while keys point to it, with or without a consumer in it.
#[derive(Clone, Debug, Default)]
struct Held {
    id: Option<ConsumerId>,
    keys: u32,
    consumer: Option<Arc<Consumer>>,
}

/// What all indexes descended from one share: nothing in it changes what an index says.
struct Shared {
    limiter: Arc<Limiter>,
    interned: Mutex<Interned>,
    lines: Mutex<Lines>,
}

#[derive(Default)]
struct Interned {
    profiles: HashSet<ByFacts>,
    /// When to look for profiles nobody uses.
    sweep_at: usize,
    numbers: HashMap<Arc<str>, NameId>,
    names: Vec<Arc<str>>,
}

impl Index {
    /// Returns an index of nothing whose counts will live in `limiter`.
    pub fn empty(limiter: Arc<Limiter>) -> Self {
        IndexBuilder::new(limiter).finish()
    }

    /// Returns the index after `changes`, applied in order. This one stays as it is.
    ///
    /// Counts of keys and consumers that go are freed, so apply changes to the newest index only.
    #[must_use]
    pub fn with_changes(&self, changes: &[Update]) -> Self {
        let mut next = self.clone();
        for change in changes {
            next.apply(change.clone());
        }
        next
    }

    /// Returns how many keys there are, damaged ones included.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Returns how many consumers there are.
    pub fn consumers(&self) -> usize {
        self.consumers.all().filter(|held| held.consumer.is_some()).count()
    }

    /// Returns where its counts live.
    pub fn limiter(&self) -> &Arc<Limiter> {
        &self.shared.limiter
    }

    /// Asks for the memory that [`Index::look`] will read, and says which rows the key's counts may have.
    pub(super) fn approach(&self, digest: &Digest) -> Near {
        self.keys.approach(digest)
    }

    pub(super) fn look(&self, digest: &Digest) -> Look<'_, KeyEntry> {
        self.keys.look(digest)
    }

    /// Returns under which key's name a key is counted: the first of those that replaced one another.
    pub(super) fn counted_as(&self, entry: &KeyEntry) -> KeyId {
        lock(&self.shared.lines).first(entry.id)
    }

    /// Returns for each of `firsts` the keys that are counted under its name and work at `now`, the oldest first.
    /// Looks at every key: some 10 ms for a million.
    pub fn lines(&self, firsts: &HashSet<KeyId>, now: Timestamp) -> HashMap<KeyId, Vec<KeyId>> {
        // Nearly always: and requests that wait for a grant wait for this lock.
        if firsts.is_empty() {
            return HashMap::new();
        }
        let lines = lock(&self.shared.lines);
        let mut found: HashMap<KeyId, Vec<(bool, KeyId)>> = HashMap::new();
        for entry in self.entries() {
            let first = lines.first(entry.id);
            let works = entry.standing() == Standing::Enabled
                && entry.not_before(now).is_none()
                && entry.expires_at().is_none_or(|at| now < at);
            if works && firsts.contains(&first) {
                found.entry(first).or_default().push((!entry.is_replaced(), entry.id));
            }
        }
        // Identifiers sort by time, but for those of one millisecond: the newest is what nothing replaced.
        let sorted = |mut line: Vec<(bool, KeyId)>| {
            line.sort_unstable();
            line.into_iter().map(|(_, id)| id).collect()
        };
        found.into_iter().map(|(first, line)| (first, sorted(line))).collect()
    }

    /// Finds a key by its id, looking at every one.
    pub(super) fn named(&self, id: KeyId) -> Option<&KeyEntry> {
        self.keys.iter().find(|entry| entry.id == id && entry.standing() != Standing::Damaged)
    }

    pub(super) fn consumer(&self, number: Row) -> Option<&Arc<Consumer>> {
        self.consumers.held(number)?.consumer.as_ref()
    }

    /// Returns what decisions need of a consumer, if it is there.
    pub(super) fn brief(&self, number: Row) -> Option<Brief> {
        let (chunk, at) = self.consumers.place(number)?;
        Some(chunk.briefs[at]).filter(|brief| brief.is_there)
    }

    /// Returns a consumer that [`Index::brief`] said is there.
    pub(super) fn holder(&self, number: Row) -> Option<Holder> {
        let (chunk, at) = self.consumers.place(number)?;
        chunk.briefs[at].is_there.then(|| Holder { chunk: Arc::clone(chunk), at })
    }

    /// Returns every key, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &KeyEntry> {
        self.keys.iter().filter(|entry| entry.standing() != Standing::Damaged)
    }

    /// Returns for each of `spans` how many keys work now and end within it, leaving out those that have a
    /// successor. Looks at every key: some 10 ms for a million.
    pub fn expiring<const N: usize>(&self, now: Timestamp, spans: [Duration; N]) -> [u64; N] {
        let ends = spans.map(|span| now.plus(span).as_millis());
        let mut counts = [0; N];
        for entry in self.entries() {
            let is_live = entry.standing() == Standing::Enabled && !entry.is_replaced();
            if is_live && entry.expires_at > now.as_millis() {
                for (count, end) in counts.iter_mut().zip(ends) {
                    *count += u64::from(entry.expires_at <= end);
                }
            }
        }
        counts
    }

    /// Returns the first `most` to end of the keys that have a successor and have not ended. Looks at every key,
    /// as [`Index::expiring`] does.
    pub fn replaced(&self, now: Timestamp, most: usize) -> Vec<KeyId> {
        let goes_on = |entry: &&KeyEntry| {
            entry.is_replaced() && entry.standing() != Standing::Revoked && entry.expires_at > now.as_millis()
        };
        let mut found: Vec<_> =
            self.entries().filter(goes_on).map(|entry| (entry.expires_at, entry.id)).collect();
        found.sort_unstable();
        found.truncate(most);
        found.into_iter().map(|(_, id)| id).collect()
    }

    /// Returns every consumer that is there, with its number.
    pub(super) fn holders(&self) -> impl Iterator<Item = (ConsumerId, Row)> {
        self.consumers.numbers.iter().map(|number| (number.id, number.number))
    }

    /// Returns every name of a key type or plan seen so far, in the order of their numbers.
    pub(super) fn names(&self) -> Vec<Arc<str>> {
        lock(&self.shared.interned).names.clone()
    }

    pub(super) fn name_count(&self) -> usize {
        lock(&self.shared.interned).names.len()
    }

    fn apply(&mut self, change: Update) {
        match change {
            Update::Key(record) => {
                let consumer = self.consumers.hold(record.consumer, &self.shared.limiter);
                if let Some(before) = record.rotated_from {
                    lock(&self.shared.lines).follow(record.id, before);
                }
                self.put(|shared, row| KeyEntry::new(record, row, consumer, shared));
            }
            Update::DamagedDigest(digest) => self.put(|shared, row| KeyEntry::damaged(digest, row, shared)),
            Update::KeyRemoved { id, digest } => {
                if let Some(entry) = self.keys.remove(&digest) {
                    if lock(&self.shared.lines).leave(id, entry.row()) {
                        self.shared.limiter.give_back(LimitSubject::Key, entry.row());
                    }
                    self.consumers.release(entry.consumer, &self.shared.limiter);
                }
            }
            Update::Consumer(record) => self.consumers.put(record, &self.shared),
            Update::ConsumerRemoved(id) => self.consumers.remove(&id, &self.shared.limiter),
        }
    }

    fn put(&mut self, make: impl FnOnce(&Shared, Row) -> KeyEntry) {
        let mut entry = make(&self.shared, 0);
        let limiter = &self.shared.limiter;
        let old = self.keys.find(&entry.digest).map(KeyEntry::row);
        let mut lines = lock(&self.shared.lines);
        entry.set_row(match (lines.line(entry.id, entry.is_replaced()), old) {
            (None, old) => old.unwrap_or_else(|| limiter.take_row(LimitSubject::Key)),
            (Some(_), Some(row)) if lines.has(row) => row,
            (Some(first), old) => {
                let row = old.or_else(|| lines.row(first));
                let row = row.or_else(|| {
                    // Its successor is told of before it is: it joins now.
                    let row = self.named(first)?.row();
                    lines.join(first, row);
                    Some(row)
                });
                let row = row.unwrap_or_else(|| limiter.take_row(LimitSubject::Key));
                lines.join(first, row);
                row
            }
        });
        drop(lines);
        if let Some(old) = self.keys.insert(entry) {
            self.consumers.release(old.consumer, limiter);
        }
    }
}

impl fmt::Debug for Index {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Index({} keys)", self.keys())
    }
}

impl IndexBuilder {
    /// Starts empty. Counts will live in `limiter`.
    pub fn new(limiter: Arc<Limiter>) -> Self {
        let (interned, lines) = (Mutex::default(), Mutex::default());
        Self::start(Arc::new(Shared { limiter, interned, lines }), None)
    }

    /// Starts empty, to replace `previous`: what is in both keeps its counts.
    pub fn replacing(previous: &Index) -> Self {
        Self::start(Arc::clone(&previous.shared), Some(previous.clone()))
    }

    fn start(shared: Arc<Shared>, previous: Option<Index>) -> Self {
        let consumers = match &previous {
            Some(previous) => previous.consumers.emptied(),
            None => Consumers::new(),
        };
        Self {
            entries: Vec::new(),
            consumers,
            last_consumer: None,
            replaced: HashMap::new(),
            shared,
            previous,
        }
    }

    /// Makes room for as many keys as there will be.
    pub fn reserve(&mut self, keys: usize) {
        self.entries.reserve(keys);
    }

    /// Takes one row. Rows may come in any order; of two for one key the last counts. Removals mean
    /// nothing here.
    pub fn push(&mut self, row: Update) {
        match row {
            Update::Key(record) => {
                let consumer = self.hold(record.consumer);
                self.replaced.extend(record.rotated_from.map(|before| (record.id, before)));
                self.entries.push(KeyEntry::new(record, 0, consumer, &self.shared));
            }
            Update::DamagedDigest(digest) => {
                self.entries.push(KeyEntry::damaged(digest, 0, &self.shared));
            }
            Update::Consumer(record) => self.consumers.put(record, &self.shared),
            Update::KeyRemoved { .. } | Update::ConsumerRemoved(_) => {}
        }
    }

    /// Makes the index.
    pub fn finish(mut self) -> Index {
        let entries = std::mem::take(&mut self.entries);
        let mut consumers = std::mem::replace(&mut self.consumers, Consumers::new());
        let (shared, previous) = (Arc::clone(&self.shared), self.previous.take());
        let limiter = &shared.limiter;
        let old_row = |digest: &Digest| previous.as_ref()?.keys.find(digest).map(KeyEntry::row);
        let dropped = |twice: KeyEntry| consumers.release(twice.consumer, limiter);
        let mut old_lines = lock(&shared.lines);
        let mut lines = Lines::of(&std::mem::take(&mut self.replaced));
        let mut line_rows: HashMap<KeyId, Row> = HashMap::new();
        for entry in &entries {
            let line = lines.line(entry.id, entry.is_replaced());
            line_rows.extend(line.and_then(|first| Some((first, old_row(&entry.digest)?))));
        }
        // Rows follow one another as their keys do, so that where counts are is known before the key is.
        let settle = |entry: &mut KeyEntry| {
            let take = || limiter.take_row(LimitSubject::Key);
            entry.set_row(match lines.line(entry.id, entry.is_replaced()) {
                // One of a line that is damaged now has no line to be counted in.
                None => old_row(&entry.digest).filter(|row| !old_lines.has(*row)).unwrap_or_else(take),
                Some(first) => {
                    let row = *line_rows.entry(first).or_insert_with(take);
                    lines.join(first, row);
                    row
                }
            });
        };
        let keys = Table::from_entries(&entries, dropped, settle);
        let gone = previous.iter().flat_map(|p| p.keys.iter()).filter(|old| keys.find(&old.digest).is_none());
        for old in gone {
            if old_lines.leave(old.id, old.row()) && !lines.has(old.row()) {
                limiter.give_back(LimitSubject::Key, old.row());
            }
        }
        *old_lines = lines;
        drop(old_lines);
        consumers.drop_unused(limiter);
        Index { keys, consumers, shared }
    }

    fn hold(&mut self, id: ConsumerId) -> Row {
        match self.last_consumer {
            Some((last, number)) if last == id => {
                self.consumers.held_mut(number).keys += 1;
                number
            }
            _ => {
                let number = self.consumers.hold(id, &self.shared.limiter);
                self.last_consumer = Some((id, number));
                number
            }
        }
    }
}

impl Drop for IndexBuilder {
    /// Gives back what was taken for an index that was never made.
    fn drop(&mut self) {
        let limiter = &self.shared.limiter;
        for Number { id, number } in self.consumers.numbers.iter() {
            if self.previous.as_ref().is_none_or(|p| p.consumers.numbers.find(id).is_none()) {
                limiter.give_back(LimitSubject::Consumer, *number);
            }
        }
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Self { briefs: [Brief::default(); CHUNK], places: std::array::from_fn(|_| Held::default()) }
    }
}

impl Brief {
    pub(super) fn is_enabled(self) -> bool {
        self.is_enabled
    }

    pub(super) fn plan(self) -> Option<NameId> {
        self.has_plan.then_some(self.plan)
    }
}

impl Holder {
    pub(super) fn consumer(&self) -> &Arc<Consumer> {
        self.chunk.places[self.at].consumer.as_ref().expect("a holder is made of a consumer that is there")
    }
}

impl fmt::Debug for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.consumer().fmt(f)
    }
}

impl Consumer {
    /// Returns what is known of it.
    pub fn record(&self) -> &ConsumerRecord {
        &self.record
    }
}

impl Profile {
    pub(super) fn key_type_name(&self) -> &str {
        &self.facts.key_type
    }

    pub(super) fn plan_name(&self) -> Option<&str> {
        self.facts.plan.as_deref()
    }

    pub(super) fn scopes(&self) -> &Scopes {
        &self.facts.scopes
    }

    pub(super) fn networks(&self) -> &Networks {
        &self.facts.networks
    }

    pub(super) fn metadata(&self) -> &Metadata {
        &self.facts.metadata
    }
}

impl KeyEntry {
    fn new(record: KeyRecord, row: Row, consumer: Row, shared: &Shared) -> Self {
        let standing = match record.state {
            State::Enabled => Standing::Enabled,
            State::Disabled => Standing::Disabled,
            State::Revoked { .. } => Standing::Revoked,
        };
        let profile = shared.profile(Facts {
            key_type: record.key_type,
            plan: record.plan,
            scopes: record.scopes,
            networks: record.networks,
            metadata: record.metadata,
        });
        Self {
            digest: record.digest,
            id: record.id,
            profile,
            not_before: record.not_before.map_or(i64::MIN, Timestamp::as_millis),
            expires_at: record.expires_at.map_or(i64::MAX, Timestamp::as_millis),
            row_and_flags: row | standing.bits() | if record.rotated_to.is_some() { REPLACED } else { 0 },
            consumer,
        }
    }

    fn damaged(digest: Digest, row: Row, shared: &Shared) -> Self {
        Self {
            digest,
            id: KeyId::from_bytes([0; 16]),
            profile: shared.profile(Facts::default()),
            not_before: i64::MIN,
            expires_at: i64::MAX,
            row_and_flags: row | Standing::Damaged.bits(),
            consumer: Row::MAX,
        }
    }

    pub(super) fn digest(&self) -> &Digest {
        &self.digest
    }

    pub(super) fn row(&self) -> Row {
        self.row_and_flags & ROW_MASK
    }

    fn set_row(&mut self, row: Row) {
        self.row_and_flags = (self.row_and_flags & !ROW_MASK) | row;
    }

    pub(super) fn standing(&self) -> Standing {
        match (self.row_and_flags >> STANDING_SHIFT) & 3 {
            0 => Standing::Enabled,
            1 => Standing::Disabled,
            2 => Standing::Revoked,
            _ => Standing::Damaged,
        }
    }

    /// Says whether a successor has replaced it.
    pub(super) fn is_replaced(&self) -> bool {
        self.row_and_flags & REPLACED != 0
    }

    /// Returns when it begins to work, if that is later than `now`.
    pub(super) fn not_before(&self, now: Timestamp) -> Option<Timestamp> {
        (now.as_millis() < self.not_before).then_some(Timestamp::from_millis(self.not_before))
    }

    pub(super) fn expires_at(&self) -> Option<Timestamp> {
        (self.expires_at != i64::MAX).then_some(Timestamp::from_millis(self.expires_at))
    }
}

impl Keyed for KeyEntry {
    type Key = Digest;

    fn key(&self) -> &Digest {
        &self.digest
    }

    fn hash(digest: &Digest) -> u64 {
        u64::from_le_bytes(*digest.as_bytes().first_chunk().expect("32 bytes"))
    }

    fn row(&self) -> Row {
        self.row()
    }

    fn prefetch(&self) {
        prefetch_index(slice::from_ref(&self.digest), 0);
        prefetch_index(slice::from_ref(&self.id), 0);
    }
}

impl Keyed for Number {
    type Key = ConsumerId;

    fn key(&self) -> &ConsumerId {
        &self.id
    }

    /// The end of an id is random.
    fn hash(id: &ConsumerId) -> u64 {
        u64::from_le_bytes(*id.as_bytes().last_chunk().expect("16 bytes"))
    }
}

impl Standing {
    const fn bits(self) -> u32 {
        let bits = match self {
            Self::Enabled => 0,
            Self::Disabled => 1,
            Self::Revoked => 2,
            Self::Damaged => 3,
        };
        bits << STANDING_SHIFT
    }
}

impl Consumers {
    fn new() -> Self {
        Self { numbers: Table::new(), chunks: Vec::new() }
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        self.chunks.iter().flat_map(|chunk| &chunk.places)
    }

    fn place(&self, number: Row) -> Option<(&Arc<Chunk>, usize)> {
        let number = number as usize;
        Some((self.chunks.get(number / CHUNK)?, number % CHUNK))
    }

    fn held(&self, number: Row) -> Option<&Held> {
        self.place(number).map(|(chunk, at)| &chunk.places[at])
    }

    fn held_mut(&mut self, number: Row) -> &mut Held {
        &mut self.chunk_mut(number).places[number as usize % CHUNK]
    }

    fn chunk_mut(&mut self, number: Row) -> &mut Chunk {
        let number = number as usize;
        while self.chunks.len() <= number / CHUNK {
            self.chunks.push(Arc::default());
        }
        Arc::make_mut(&mut self.chunks[number / CHUNK])
    }

    /// Sets or removes who is at a place.
    fn set(&mut self, number: Row, consumer: Option<ConsumerRecord>, plan: Option<NameId>) {
        let chunk = self.chunk_mut(number);
        let at = number as usize % CHUNK;
        chunk.briefs[at] = Brief {
            plan: plan.unwrap_or_default(),
            has_plan: plan.is_some(),
            is_there: consumer.is_some(),
            is_enabled: consumer.as_ref().is_some_and(|record| record.enabled),
        };
        chunk.places[at].consumer = consumer.map(|record| Arc::new(Consumer { record }));
    }

    /// Counts one more key of a consumer, known or not yet, and returns its number.
    fn hold(&mut self, id: ConsumerId, limiter: &Limiter) -> Row {
        let number = self.number(id, limiter);
        self.held_mut(number).keys += 1;
        number
    }

    /// Counts one key less.
    fn release(&mut self, number: Row, limiter: &Limiter) {
        if number != Row::MAX {
            self.held_mut(number).keys -= 1;
            self.drop_if_unused(number, limiter);
        }
    }

    fn put(&mut self, record: ConsumerRecord, shared: &Shared) {
        let plan = record.plan.as_deref().map(|plan| lock(&shared.interned).number(plan));
        let number = self.number(record.id, &shared.limiter);
        self.set(number, Some(record), plan);
    }

    fn remove(&mut self, id: &ConsumerId, limiter: &Limiter) {
        if let Some(Number { number, .. }) = self.numbers.find(id) {
            let number = *number;
            self.set(number, None, None);
            self.drop_if_unused(number, limiter);
        }
    }

    fn number(&mut self, id: ConsumerId, limiter: &Limiter) -> Row {
        if let Some(found) = self.numbers.find(&id) {
            return found.number;
        }
        let number = limiter.take_row(LimitSubject::Consumer);
        self.numbers.insert(Number { id, number });
        self.held_mut(number).id = Some(id);
        number
    }

    fn drop_if_unused(&mut self, number: Row, limiter: &Limiter) {
        let held = self.held_mut(number);
        if held.keys == 0
            && held.consumer.is_none()
            && let Some(id) = held.id.take()
        {
            self.numbers.remove(&id);
            limiter.give_back(LimitSubject::Consumer, number);
        }
    }

    /// The same numbers, nobody in them.
    fn emptied(&self) -> Self {
        let empty = |held: &Held| Held { id: held.id, ..Held::default() };
        let emptied = |chunk: &Arc<Chunk>| {
            let places = std::array::from_fn(|i| empty(&chunk.places[i]));
            Arc::new(Chunk { places, ..Chunk::default() })
        };
        Self { numbers: self.numbers.clone(), chunks: self.chunks.iter().map(emptied).collect() }
    }

    fn drop_unused(&mut self, limiter: &Limiter) {
        let unused = |held: &Held| held.keys == 0 && held.consumer.is_none() && held.id.is_some();
        let ids: Vec<ConsumerId> = self.all().filter(|h| unused(h)).filter_map(|h| h.id).collect();
        for id in ids {
            self.remove(&id, limiter);
        }
    }
}

impl Shared {
    fn profile(&self, facts: Facts) -> Arc<Profile> {
        let mut interned = lock(&self.interned);
        if let Some(ByFacts(profile)) = interned.profiles.get(&facts as &dyn HasFacts) {
            return Arc::clone(profile);
        }
        if interned.profiles.len() >= interned.sweep_at {
            // Twice what is in use: bounded by the keys, and swept rarely enough to cost nothing.
            interned.profiles.retain(|ByFacts(profile)| Arc::strong_count(profile) > 1);
            interned.sweep_at = (interned.profiles.len() * 2).max(1024);
        }
        let profile = Arc::new(Profile {
            key_type: interned.number(&facts.key_type),
            plan: facts.plan.as_deref().map(|plan| interned.number(plan)),
            scopes_text: facts.scopes.to_string(),
            facts,
        });
        interned.profiles.insert(ByFacts(Arc::clone(&profile)));
        profile
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}

impl Interned {
    fn number(&mut self, name: &str) -> NameId {
        if let Some(number) = self.numbers.get(name) {
            return *number;
        }
        let number = NameId::try_from(self.names.len()).expect("fewer than 2^32 names");
        let name: Arc<str> = name.into();
        self.names.push(Arc::clone(&name));
        self.numbers.insert(name, number);
        number
    }
}

/// A profile in a set, found by its facts alone.
struct ByFacts(Arc<Profile>);

trait HasFacts {
    fn facts(&self) -> &Facts;
}

impl HasFacts for Facts {
    fn facts(&self) -> &Facts {
        self
    }
}

impl HasFacts for ByFacts {
    fn facts(&self) -> &Facts {
        &self.0.facts
    }
}

impl<'a> std::borrow::Borrow<dyn HasFacts + 'a> for ByFacts {
    fn borrow(&self) -> &(dyn HasFacts + 'a) {
        self
    }
}

impl PartialEq for dyn HasFacts + '_ {
    fn eq(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}

impl Eq for dyn HasFacts + '_ {}

impl std::hash::Hash for dyn HasFacts + '_ {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.facts().hash(state);
    }
}

impl PartialEq for ByFacts {
    fn eq(&self, other: &Self) -> bool {
        self.facts() == other.facts()
    }
}

impl Eq for ByFacts {}

impl std::hash::Hash for ByFacts {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.facts().hash(state);
    }
}

/// What it guards is changed by calls that cannot panic half way.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Rows are fewer than 2^28.
const ROW_MASK: u32 = (1 << 28) - 1;
const STANDING_SHIFT: u32 = 28;
const REPLACED: u32 = 1 << 30;
const CHUNK: usize = 64;
