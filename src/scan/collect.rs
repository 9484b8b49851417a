//! Gathers hits from all threads into one finding per key. Tokens are not kept, only digests.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::detect::{Detector, Hit};
use super::report::{Fault, Finding, Lookup, Place, Report, Standing, Totals};
use crate::key::{Digest, Peppers, Token};

pub(super) struct Collector {
    peppers: Peppers,
    max_places: usize,
    max_findings: usize,
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
    hit: Hit,
    /// What may be shown of the token.
    masked: String,
    /// Under every scheme in use.
    digests: Vec<Digest>,
    /// The first ones; the last is dropped when there are too many, so that the choice does not
    /// depend on which thread came first.
    places: BTreeSet<Place>,
    place_count: u64,
}

impl Collector {
    pub(super) fn new(peppers: Peppers, max_places: usize, max_findings: usize) -> Self {
        Self { peppers, max_places, max_findings, gathered: Mutex::default() }
    }

    pub(super) fn found(&self, detector: &Detector, hit: Hit, token: &Token, place: Place) {
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
            let masked = format!("{}…{}", detector.key_type(&hit).prefix, token.last_four());
            Draft { hit, masked, digests, places: BTreeSet::new(), place_count: 0 }
        });
        if draft.places.insert(place) {
            draft.place_count += 1;
        }
        if draft.places.len() > self.max_places {
            draft.places.pop_last();
        }
    }

    pub(super) fn fault(&self, fault: Fault) {
        self.lock().faults.push(fault);
    }

    pub(super) fn into_report(
        self,
        detector: &Detector,
        totals: Totals,
        lookup: Option<&dyn Lookup>,
    ) -> Report {
        let gathered = self.gathered.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut findings: Vec<Finding> = gathered
            .drafts
            .into_iter()
            .map(|(digest, draft)| {
                let key_type = detector.key_type(&draft.hit);
                Finding {
                    digest,
                    hint: draft.masked,
                    key_type: key_type.name.clone(),
                    kind: key_type.kind,
                    standing: standing(lookup, &draft.digests),
                    places: draft.places.into_iter().collect(),
                    place_count: draft.place_count,
                }
            })
            .collect();
        findings.sort_by(|a, b| a.places.cmp(&b.places).then(a.digest.cmp(&b.digest)));
        let mut faults = gathered.faults;
        faults.sort();
        Report { findings, faults, totals, overflow: gathered.overflow }
    }

    fn lock(&self) -> MutexGuard<'_, Gathered> {
        // What was gathered before a thread died is still true.
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
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
    Standing::Unknown
}
