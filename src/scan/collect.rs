//! Gathers hits from all threads into one finding per key. Tokens are not kept, only digests.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::detect::Detector;
use super::mask::{mask_path, mask_place};
use super::place::{Commit, Place};
use super::report::{Fault, Finding, Lookup, Report, Standing};
use super::{Options, Progress};
use crate::key::{Digest, Peppers, Token};

pub(super) struct Collector {
    peppers: Peppers,
    max_places: usize,
    max_findings: usize,
    reveal: bool,
    progress: Arc<Progress>,
    /// Taken once a hit or fault, both rare.
    gathered: Mutex<Gathered>,
}

#[derive(Default)]
struct Gathered {
    drafts: HashMap<Digest, Draft>,
    faults: Vec<Fault>,
    overflow: u64,
}

/// A finding before its key is looked up.
struct Draft {
    /// The index of its type in the detector.
    key_type: usize,
    /// What may be shown of the token.
    masked: String,
    /// Under every scheme in use.
    digests: Vec<Digest>,
    /// The first ones; the last is dropped when there are too many, so that the choice does not
    /// depend on which thread came first.
    places: BTreeSet<Place>,
    place_count: u64,
    first_commit: Option<Arc<Commit>>,
    last_commit: Option<Arc<Commit>>,
    token: Option<Token>,
}

impl Collector {
    pub(super) fn new(peppers: Peppers, options: &Options, progress: Arc<Progress>) -> Self {
        Self {
            peppers,
            // One at least, so that every finding has a place.
            max_places: options.max_places.max(1),
            max_findings: options.max_findings,
            reveal: options.reveal,
            progress,
            gathered: Mutex::default(),
        }
    }

    pub(super) fn found(&self, detector: &Detector, key_type: usize, token: &Token, place: Place) {
        let digest = Digest::sha256(token.expose().as_bytes());
        let mut gathered = self.lock();
        let gathered = &mut *gathered;
        if gathered.drafts.len() >= self.max_findings && !gathered.drafts.contains_key(&digest) {
            gathered.overflow += 1;
            return;
        }
        let draft = gathered.drafts.entry(digest).or_insert_with(|| {
            let mut digests = Vec::new();
            self.peppers.each_digest(token.expose().as_bytes(), |d| digests.push(d));
            let masked = format!("{}…{}", detector.key_type(key_type).prefix, token.last_four());
            self.progress.found.fetch_add(1, Ordering::Relaxed);
            Draft {
                key_type,
                masked,
                digests,
                places: BTreeSet::new(),
                place_count: 0,
                first_commit: None,
                last_commit: None,
                token: self.reveal.then(|| token.clone()),
            }
        });
        if let Some(commit) = &place.commit {
            draft.note_commit(commit);
        }
        if draft.places.insert(place) {
            draft.place_count += 1;
        }
        if draft.places.len() > self.max_places {
            draft.places.pop_last();
        }
    }

    /// As [`found`](Self::found), where `last` is the newest commit that has the key in this place.
    pub(super) fn found_in_history(
        &self,
        detector: &Detector,
        key_type: usize,
        token: &Token,
        place: Place,
        last: Option<&Arc<Commit>>,
    ) {
        self.found(detector, key_type, token, place);
        let digest = Digest::sha256(token.expose().as_bytes());
        if let (Some(draft), Some(last)) = (self.lock().drafts.get_mut(&digest), last) {
            draft.note_commit(last);
        }
    }

    /// Counts places that were too many to be kept.
    pub(super) fn overflow(&self, places: u64) {
        self.lock().overflow += places;
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    pub(super) fn into_report(self, detector: &Detector, lookup: Option<&dyn Lookup>) -> Report {
        let gathered = self.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut findings: Vec<Finding> = gathered
            .drafts
            .into_iter()
            .map(|(digest, draft)| {
                let key_type = detector.key_type(draft.key_type);
                let places = draft.places.into_iter().map(|mut place| {
                    mask_place(detector, &mut place);
                    place
                });
                Finding {
                    digest,
                    hint: draft.masked,
                    key_type: key_type.name.clone(),
                    kind: key_type.kind,
                    standing: standing(lookup, &draft.digests),
                    places: places.collect(),
                    place_count: draft.place_count,
                    first_commit: draft.first_commit,
                    last_commit: draft.last_commit,
                    suppressed: None,
                    token: draft.token,
                }
            })
            .collect();
        findings.sort_by(|a, b| a.places.cmp(&b.places).then(a.digest.cmp(&b.digest)));
        let mut faults = gathered.faults;
        faults.iter_mut().for_each(|fault| mask_path(detector, &mut fault.path));
        faults.sort();
        Report {
            findings,
            faults,
            totals: self.progress.totals(),
            overflow: gathered.overflow,
            interrupted: self.progress.is_stopped(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        // What was gathered before a thread died is still true.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Draft {
    fn note_commit(&mut self, commit: &Arc<Commit>) {
        if self.first_commit.as_ref().is_none_or(|first| commit < first) {
            self.first_commit = Some(Arc::clone(commit));
        }
        if self.last_commit.as_ref().is_none_or(|last| commit > last) {
            self.last_commit = Some(Arc::clone(commit));
        }
    }
}

fn standing(lookup: Option<&dyn Lookup>, digests: &[Digest]) -> Standing {
    let Some(lookup) = lookup else { return Standing::Unverified };
    for digest in digests {
        match lookup.look_up(digest) {
            Ok(Some(known)) => return Standing::Known(known),
            Ok(None) => {}
            Err(problem) => return Standing::LookupFailed(problem),
        }
    }
    lookup.missed()
}
