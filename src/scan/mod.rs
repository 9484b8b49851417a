//! Leak detection: sources -> detect -> report.
//!
//! A general scanner guesses; this one knows the declared prefixes and the checksum, so what it
//! reports is a well-formed token and nothing else is. Whether that token is live is asked of a
//! [`Lookup`] at the very end, once per key; the room itself knows no store. Called by
//! `kgate leak-scan`.

mod collect;
mod detect;
mod report;
mod stream;
mod walk;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use detect::{Detector, NothingToFind};
pub use report::{Fault, Finding, Known, Lookup, Outcome, Place, Report, Standing, Totals, printable};

use crate::key::Peppers;
use collect::Collector;

/// Bounds of a scan.
#[derive(Debug, Clone)]
pub struct Options {
    /// Threads that read files; 0 is one per core.
    pub threads: usize,
    /// Bytes each thread reads at a time, at least four times the longest token. Larger files go
    /// through the same buffer.
    pub buffer_bytes: usize,
    /// Places kept of one key: the first ones by path and offset. All are counted.
    pub max_places: usize,
    /// Keys kept. More are counted, and make the report incomplete.
    pub max_findings: usize,
}

impl Default for Options {
    fn default() -> Self {
        // A quarter of a megabyte stays in the second-level cache while several searches pass over it.
        Self { threads: 0, buffer_bytes: 256 << 10, max_places: 1_000, max_findings: 100_000 }
    }
}

/// How far a scan has come. Readable from other threads while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    bytes: AtomicU64,
    skipped: AtomicU64,
}

impl Progress {
    /// Returns the totals so far.
    pub fn totals(&self) -> Totals {
        // Relaxed: the numbers are shown to people, or read after the threads were joined.
        Totals {
            files: self.files.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }
}

/// One scan: feed it sources, then [`finish`](Scan::finish) it.
pub struct Scan<'d> {
    detector: &'d Detector,
    options: Options,
    progress: Arc<Progress>,
    collector: Collector,
}

impl<'d> Scan<'d> {
    /// Begins a scan for what `detector` knows. `peppers` are those the store's digests were made
    /// with.
    pub fn new(detector: &'d Detector, peppers: Peppers, options: Options) -> Self {
        let collector = Collector::new(peppers, options.max_places, options.max_findings);
        Self { detector, options, progress: Arc::default(), collector }
    }

    /// Returns the counters, to show while the scan runs elsewhere.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads every file under `paths`, hidden and ignored ones too.
    ///
    /// A path that is itself a symbolic link is followed, because it was named; links inside a tree
    /// are not. Pipes, sockets and devices inside a tree are skipped and counted; named ones are
    /// faults. Whatever cannot be read is a [`Fault`] of the report, and the scan goes on.
    pub fn paths(&mut self, paths: &[PathBuf]) {
        walk::scan_paths(self.detector, &self.options, &self.progress, &self.collector, paths);
    }

    /// Reads one stream to its end; `name` stands for its path in places.
    pub fn stream(&mut self, name: &Path, source: impl Read) {
        let mut buffer = stream::Buffer::new(self.detector, self.options.buffer_bytes);
        walk::scan_source(self.detector, &self.progress, &self.collector, &mut buffer, name, source);
    }

    /// Asks `lookup` about each key found, and reports. Without a look-up every key is
    /// [`Standing::Unverified`].
    pub fn finish(self, lookup: Option<&dyn Lookup>) -> Report {
        self.collector.into_report(self.detector, self.progress.totals(), lookup)
    }
}
