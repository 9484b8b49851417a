//! A look at everything that can be wrong with a data directory.

use std::path::Path;

use super::{AuditHead, Options, Revision};

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

/// Looks at a data directory: files, modes, filesystem, format, integrity, records, orphans both
/// ways, change log, audit log. Reads only. It does not fail: what it cannot read is a finding.
pub fn doctor(dir: &Path, options: &Options) -> DoctorReport {
    todo!()
}
