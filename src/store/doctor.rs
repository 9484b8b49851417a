//! A look at everything that can be wrong with a data directory.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::key::{ConsumerId, Digest, KeyId, State};

use super::codec::{Ends, Touched};
use super::guard::Out;
use super::place::{STORE_FILE, USAGE_FILE, filesystem_of};
use super::read::Snapshot;
use super::tables::{CHANGES, DIGESTS, EXTERNAL_IDS, KEYS_BY_CONSUMER};
use super::{Access, AuditFault, AuditHead, Options, Revision, Store, StoreError, Usage, audit};

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Level {
    /// As it should be.
    Good,
    /// Works, but should be looked at.
    Warning,
    /// Broken.
    Fault,
}

/// One thing looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    /// What was looked at, for example `audit log`.
    pub name: &'static str,
    /// How it is.
    pub level: Level,
    /// What was found, in a sentence.
    pub detail: String,
}

/// Everything looked at.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DoctorReport {
    /// In the order they were made.
    pub checks: Vec<Check>,
    /// The store's format, if it could be read.
    pub format: Option<u32>,
    /// The store's revision, if it could be read.
    pub revision: Option<Revision>,
    /// The end of the audit log, if it could be read.
    pub audit_head: Option<AuditHead>,
    /// How many consumers and keys there are, if they could be counted.
    pub counts: Option<(u64, u64)>,
}

impl DoctorReport {
    /// Returns the worst level found.
    pub fn worst(&self) -> Level {
        self.checks.iter().map(|c| c.level).max().unwrap_or(Level::Good)
    }
}

/// Looks at a data directory: files, modes, filesystem, format, records, orphans both ways, change
/// log, audit log, what was last seen. Reads only. It does not fail: what it cannot read is a finding.
pub fn doctor(dir: &Path, options: &Options) -> DoctorReport {
    let mut report = DoctorReport::default();
    check_place(dir, &mut report);
    match Store::open(dir, Access::Read, options) {
        Ok(store) => check_store(&store, &mut report),
        Err(error) => report.add("store", Level::Fault, error.to_string()),
    }
    match Usage::open(dir, Access::Read, options).and_then(|usage| usage.last_used()) {
        Ok(used) => report.add("usage", Level::Good, format!("{} keys were used", used.len())),
        // It may be lost without harm.
        Err(error) => report.add("usage", Level::Warning, error.to_string()),
    }
    report
}

impl DoctorReport {
    fn add(&mut self, name: &'static str, level: Level, detail: impl Into<String>) {
        self.checks.push(Check { name, level, detail: detail.into() });
    }
}

fn check_place(dir: &Path, report: &mut DoctorReport) {
    match filesystem_of(dir) {
        Ok(None) => report.add("filesystem", Level::Good, "local"),
        Ok(Some(network)) => {
            report.add("filesystem", Level::Fault, format!("{network}, a network filesystem"));
        }
        Err(error) => report.add("filesystem", Level::Fault, error.to_string()),
    }
    let files = [("directory", dir.to_owned(), 0o700), ("store file", dir.join(STORE_FILE), 0o600)];
    let usage = ("usage file", dir.join(USAGE_FILE), 0o600);
    for (name, path, wanted) in files.into_iter().chain([usage]) {
        let (level, detail) = match path.symlink_metadata() {
            Err(error) if name == "usage file" => (Level::Warning, error.to_string()),
            Err(error) => (Level::Fault, error.to_string()),
            Ok(meta) if name != "directory" && !meta.is_file() => {
                (Level::Fault, format!("{} is not a regular file", path.display()))
            }
            // Of a directory reached through a link, its own mode counts.
            Ok(_) => mode_of(&path, wanted),
        };
        report.add(name, level, detail);
    }
}

fn mode_of(path: &Path, wanted: u32) -> (Level, String) {
    match path.metadata() {
        Err(error) => (Level::Fault, error.to_string()),
        Ok(meta) => match meta.permissions().mode() & 0o7777 {
            mode if mode & !wanted == 0 => (Level::Good, format!("mode {mode:04o}")),
            mode => (Level::Fault, format!("mode {mode:04o} lets others in; {wanted:04o} does not")),
        },
    }
}

/// What a walk over all tables found.
struct Findings {
    format: u32,
    ends: Ends,
    consumers: u64,
    keys: u64,
    damaged: Vec<String>,
    orphans: Vec<String>,
    changes: Result<u64, String>,
    audit: Vec<AuditFault>,
}

fn check_store(store: &Store, report: &mut DoctorReport) {
    let findings = match store
        .reading(|snapshot, out: &mut Out<'_, ()>| walk(snapshot, &mut || out.step()), &mut |()| true)
    {
        Ok(findings) => findings,
        Err(error) => return report.add("store", Level::Fault, error.to_string()),
    };
    let ends = findings.ends;
    report.format = Some(findings.format);
    report.revision = Some(Revision(ends.revision));
    report.audit_head = Some(ends.head());
    report.counts = Some((findings.consumers, findings.keys));
    report.add("store", Level::Good, format!("format {}, revision {}", findings.format, ends.revision));
    let whole = format!("{} consumers and {} keys can be read", findings.consumers, findings.keys);
    report.add_list("records", whole, &findings.damaged);
    report.add_list("references", "every one leads to its record, and back".to_owned(), &findings.orphans);
    match findings.changes {
        Ok(rows) => report.add("change log", Level::Good, format!("{rows} rows without a gap")),
        Err(problem) => report.add("change log", Level::Fault, problem),
    }
    let faults: Vec<String> = findings.audit.iter().map(AuditFault::to_string).collect();
    report.add_list("audit log", format!("{} rows, the chain is whole", ends.audit_count), &faults);
    match store.check_not_older() {
        Ok(()) => report.add("last seen", Level::Good, "the store has not gone back in time"),
        Err(error) => report.add("last seen", Level::Fault, error.to_string()),
    }
}

impl DoctorReport {
    fn add_list(&mut self, name: &'static str, good: String, faults: &[String]) {
        const SHOWN: usize = 5;
        if faults.is_empty() {
            return self.add(name, Level::Good, good);
        }
        let mut detail = faults.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join("; ");
        if faults.len() > SHOWN {
            let _ = write!(detail, "; and {} more", faults.len() - SHOWN);
        }
        self.add(name, Level::Fault, detail);
    }
}

fn walk(snapshot: &Snapshot, step: &mut dyn FnMut()) -> Result<Findings, StoreError> {
    let ends = snapshot.ends()?;
    let mut findings = Findings {
        format: snapshot.format()?,
        ends,
        changes: check_changes(snapshot, &ends)?,
        consumers: 0,
        keys: 0,
        damaged: Vec::new(),
        orphans: Vec::new(),
        audit: Vec::new(),
    };
    let mut consumers = HashMap::new();
    snapshot.each_consumer(&mut |consumer| {
        step();
        findings.consumers += 1;
        match consumer {
            Ok(consumer) => drop(consumers.insert(consumer.id, consumer.external_id)),
            Err(error) => findings.damaged.push(error.to_string()),
        }
        true
    })?;
    snapshot.each_admin_key(&mut |key| {
        if let Err((id, problem)) = key {
            findings.damaged.push(super::write::damaged(id, problem).to_string());
        }
    })?;
    let mut keys = HashMap::new();
    snapshot.each_key(&mut |key| {
        step();
        findings.keys += 1;
        match key {
            Ok(key) => {
                if !matches!(key.state, State::Revoked { .. }) && !consumers.contains_key(&key.consumer) {
                    findings
                        .orphans
                        .push(format!("{} works and its consumer {} is missing", key.id, key.consumer));
                }
                keys.insert(key.id, (key.digest, key.consumer));
            }
            Err(error) => findings.damaged.push(error.to_string()),
        }
        true
    })?;
    // A damaged record says nothing of its references.
    if findings.damaged.is_empty() {
        check_external_ids(snapshot, &consumers, &mut findings.orphans)?;
        check_digests(snapshot, &keys, &mut findings.orphans)?;
        check_by_consumer(snapshot, &keys, &mut findings.orphans)?;
    }
    findings.audit = audit::verify(snapshot, step)?.faults;
    Ok(findings)
}

fn check_changes(snapshot: &Snapshot, ends: &Ends) -> Result<Result<u64, String>, StoreError> {
    let (mut rows, mut last) = (0, None);
    for row in snapshot.open(CHANGES)?.range::<u64>(..).map_err(snapshot.fail())? {
        let (revision, row) = row.map_err(snapshot.fail())?;
        let revision = revision.value();
        if last.is_some_and(|last| revision != last + 1) {
            return Ok(Err(format!("row {revision} does not follow the one before it")));
        }
        if Touched::decode(row.value()).is_none() {
            return Ok(Err(format!("row {revision} cannot be read")));
        }
        (rows, last) = (rows + 1, Some(revision));
    }
    if last.unwrap_or_default() != ends.revision {
        return Ok(Err(format!(
            "it ends at {} and the store is at {}",
            last.unwrap_or_default(),
            ends.revision
        )));
    }
    Ok(Ok(rows))
}

fn check_external_ids(
    snapshot: &Snapshot,
    consumers: &HashMap<ConsumerId, Option<String>>,
    orphans: &mut Vec<String>,
) -> Result<(), StoreError> {
    let mut found = 0;
    for row in snapshot.open(EXTERNAL_IDS)?.range::<&str>(..).map_err(snapshot.fail())? {
        let (external_id, id) = row.map_err(snapshot.fail())?;
        let id = ConsumerId::from_bytes(*id.value());
        if consumers.get(&id).and_then(Option::as_deref) == Some(external_id.value()) {
            found += 1;
        } else {
            orphans.push(format!(
                "the external id `{}` leads to {id}, which does not have it",
                external_id.value()
            ));
        }
    }
    let missing = consumers.values().flatten().count() - found;
    if missing > 0 {
        orphans.push(format!("{missing} external ids do not lead to their consumers"));
    }
    Ok(())
}

fn check_digests(snapshot: &Snapshot, keys: &Keys, orphans: &mut Vec<String>) -> Result<(), StoreError> {
    let mut found = 0;
    for row in snapshot.open(DIGESTS)?.range::<&[u8; 32]>(..).map_err(snapshot.fail())? {
        let (digest, id) = row.map_err(snapshot.fail())?;
        let id = KeyId::from_bytes(*id.value());
        if keys.get(&id).is_some_and(|(of_key, _)| of_key.as_bytes() == digest.value()) {
            found += 1;
        } else {
            orphans.push(format!("a digest leads to {id}, which does not have it"));
        }
    }
    if found < keys.len() {
        orphans.push(format!("{} keys cannot be found by their digests", keys.len() - found));
    }
    Ok(())
}

fn check_by_consumer(snapshot: &Snapshot, keys: &Keys, orphans: &mut Vec<String>) -> Result<(), StoreError> {
    let mut found = 0;
    for row in snapshot.open(KEYS_BY_CONSUMER)?.range::<&[u8; 32]>(..).map_err(snapshot.fail())? {
        let (row, _) = row.map_err(snapshot.fail())?;
        let (consumer, id) = row.value().split_at(16);
        let id = KeyId::from_bytes(id.try_into().expect("32 bytes have a last half"));
        if keys.get(&id).is_some_and(|(_, of_key)| of_key.as_bytes() == consumer) {
            found += 1;
        } else {
            orphans.push(format!("a consumer's list names {id}, which is not its key"));
        }
    }
    if found < keys.len() {
        orphans.push(format!("{} keys are missing in the lists of their consumers", keys.len() - found));
    }
    Ok(())
}

type Keys = HashMap<KeyId, (Digest, ConsumerId)>;

#[cfg(test)]
mod tests {
    use super::super::tables;
    use super::super::testing::{self, consumer, key, options};
    use super::*;

    fn level(report: &DoctorReport, name: &str) -> Level {
        report.checks.iter().find(|check| check.name == name).unwrap_or_else(|| panic!("{report:?}")).level
    }

    #[test]
    fn a_healthy_store_has_no_findings() {
        let (dir, store) = testing::store();
        let acme = consumer(&store, "Acme");
        key(&store, acme.id);
        let report = doctor(dir.path(), &options());
        assert_eq!(report.worst(), Level::Good, "{report:#?}");
        assert_eq!(report.counts, Some((1, 1)));
    }

    #[test]
    fn every_kind_of_damage_is_found() {
        type Damage = fn(&Path, KeyId);
        let table: [(&str, Damage); 8] = [
            ("records", testing::damage_key),
            ("audit log", |dir, _| testing::tamper_audit(&dir.join(STORE_FILE), 2)),
            ("references", |dir, _| {
                testing::meddle(&dir.join(STORE_FILE), |txn| {
                    txn.open_table(tables::DIGESTS).unwrap().insert(&[7; 32], &[7; 16]).unwrap();
                });
            }),
            ("references", |dir, id| {
                testing::meddle(&dir.join(STORE_FILE), |txn| {
                    txn.open_table(tables::KEYS).unwrap().remove(id.as_bytes()).unwrap();
                });
            }),
            ("change log", |dir, _| {
                testing::meddle(&dir.join(STORE_FILE), |txn| {
                    txn.open_table(tables::CHANGES).unwrap().remove(1).unwrap();
                    txn.open_table(tables::CHANGES).unwrap().remove(2).unwrap();
                });
            }),
            ("store file", |dir, _| {
                let open = std::fs::Permissions::from_mode(0o644);
                std::fs::set_permissions(dir.join(STORE_FILE), open).unwrap();
            }),
            ("store", |dir, _| std::fs::write(dir.join(STORE_FILE), "hello").unwrap()),
            ("store", |dir, _| {
                std::fs::File::options()
                    .write(true)
                    .open(dir.join(STORE_FILE))
                    .unwrap()
                    .set_len(8192)
                    .unwrap();
            }),
        ];
        for (name, damage) in table {
            let (dir, store) = testing::store();
            let acme = consumer(&store, "Acme");
            let id = key(&store, acme.id).record.id;
            store.close().unwrap();
            damage(dir.path(), id);
            let report = doctor(dir.path(), &options());
            assert_eq!(level(&report, name), Level::Fault, "{report:#?}");
        }
    }
}
