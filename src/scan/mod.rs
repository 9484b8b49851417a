//! Leak detection: sources -> detect -> report.
//!
//! A general scanner guesses; this one knows the declared prefixes and the checksum, so what it
//! reports is a well-formed token and nothing else is. Whether that token is live is asked of a
//! [`Lookup`] at the very end, once per key; the room itself knows no store. Called by
//! `kgate leak-scan`.

mod collect;
mod content;
mod detect;
mod git;
mod mask;
mod place;
mod report;
mod rules;
mod suppress;
mod walk;

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

pub use content::Bounds;
pub use detect::{Detector, NothingToFind};
pub use git::{Quarantine, Reach, Update};
pub use place::{ALLOW, Commit, Encoding, Part, Place};
pub use report::{
    Fault, Finding, Known, Lookup, Outcome, Report, Standing, Suppression, Totals, printable, printable_text,
};
pub use rules::{Dialect, rules};
pub use suppress::{Accepted, IgnoreError};

use crate::key::Peppers;
use collect::Collector;
use content::Examiner;
use walk::Readers;

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
    /// Bytes the scan may hold at once, roughly, over all threads.
    pub memory: u64,
    /// Whether findings carry their tokens, for `--reveal`. Otherwise none outlives the place it was
    /// found in.
    pub reveal: bool,
    /// How far archives are taken apart.
    pub bounds: Bounds,
    /// Whether symbolic links inside a tree are followed, also out of it.
    pub follow_links: bool,
}

impl Options {
    /// Returns how many threads read.
    fn thread_count(&self) -> usize {
        match self.threads {
            0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
            threads => threads,
        }
    }

    fn examiner<'d>(&self, detector: &'d Detector) -> Examiner<'d> {
        Examiner::new(detector, &self.bounds, self.buffer_bytes)
    }
}

impl Default for Options {
    fn default() -> Self {
        // A quarter of a megabyte stays in the second-level cache while several searches pass over it.
        Self {
            threads: 0,
            buffer_bytes: 256 << 10,
            max_places: 1_000,
            max_findings: 100_000,
            memory: 512 << 20,
            reveal: false,
            bounds: Bounds::default(),
            follow_links: false,
        }
    }
}

/// How far a scan has come. Readable from other threads while it runs.
#[derive(Debug, Default)]
pub struct Progress {
    files: AtomicU64,
    /// Objects of repositories.
    objects: AtomicU64,
    /// How many objects there are to read, once that is known; 0 before.
    objects_expected: AtomicU64,
    bytes: AtomicU64,
    skipped: AtomicU64,
    /// Keys found so far.
    found: AtomicU64,
    /// Shared with whoever catches signals.
    stopped: Arc<AtomicBool>,
}

impl Progress {
    /// Returns the totals so far.
    pub fn totals(&self) -> Totals {
        // Relaxed: the numbers are shown to people, or read after the threads were joined.
        Totals {
            files: self.files.load(Ordering::Relaxed),
            objects: self.objects.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
        }
    }

    /// Returns how many objects of repositories there are to read, if that is known yet.
    pub fn objects_expected(&self) -> Option<u64> {
        Some(self.objects_expected.load(Ordering::Relaxed)).filter(|&expected| expected > 0)
    }

    fn add_objects(&self, objects: u64, bytes: u64) {
        self.objects.fetch_add(objects, Ordering::Relaxed);
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    fn expect_objects(&self, objects: u64) {
        self.objects_expected.fetch_add(objects, Ordering::Relaxed);
    }

    /// Returns how many keys were found so far.
    pub fn found(&self) -> u64 {
        self.found.load(Ordering::Relaxed)
    }

    /// Returns what asks the scan to end early, once it is set. What was found so far is reported, as
    /// incomplete.
    pub fn stop_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.stopped)
    }

    /// Says whether the scan was asked to end. Sources look before each file, object and buffer.
    pub fn is_stopped(&self) -> bool {
        // Relaxed: a file more or less is read.
        self.stopped.load(Ordering::Relaxed)
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
        let progress = Arc::new(Progress::default());
        let collector = Collector::new(peppers, &options, Arc::clone(&progress));
        Self { detector, options, progress, collector }
    }

    /// Returns the counters, to show while the scan runs elsewhere.
    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    /// Reads every file under `paths`, hidden and ignored ones too.
    ///
    /// A path that is itself a symbolic link is followed, because it was named; links inside a tree
    /// are not, unless [`Options::follow_links`] says so. Pipes, sockets and devices inside a tree are skipped and counted; named ones are
    /// faults. Whatever cannot be read is a [`Fault`] of the report, and the scan goes on.
    pub fn paths(&mut self, paths: &[PathBuf]) {
        walk::scan_paths(&mut self.readers(), paths);
        for path in paths {
            git::unlike_work_tree(&self.readers(), path);
        }
    }

    /// Reads one stream to its end; `name` stands for its path in places.
    pub fn stream(&mut self, name: &Path, source: impl Read) {
        self.readers().reader().source(name, source);
    }

    /// Reads the repository that `path` is, or is in, and its submodules: every object that `reach` says,
    /// and the files git keeps beside them.
    ///
    /// A key has the places where its oldest commits have it. Nothing of the repository is run.
    pub fn history(&mut self, path: &Path, reach: Reach) {
        git::history(&self.readers(), path, reach);
    }

    /// Reads what would be committed in the repository that `path` is in: what is staged and not as in
    /// `HEAD`, names too. `index` is the index to read, if git names one (`GIT_INDEX_FILE`).
    pub fn staged(&mut self, path: &Path, index: Option<&Path>) {
        git::staged(&self.readers(), path, index);
    }

    /// Reads what the commits bring that `new` leads to and `old` does not, two revisions as people
    /// write them, in the repository that `path` is in.
    pub fn range(&mut self, path: &Path, old: &str, new: &str) {
        git::range(&self.readers(), path, old, new);
    }

    /// Reads what a push brings to the repository that `path` is.
    pub fn pushed(&mut self, path: &Path, updates: &[Update], quarantine: &Quarantine) {
        git::pushed(&self.readers(), path, updates, quarantine);
    }

    fn readers(&self) -> Readers<'_> {
        Readers {
            detector: self.detector,
            options: &self.options,
            progress: &self.progress,
            collector: &self.collector,
        }
    }

    /// Asks `lookup` about each key found, and reports. Without a look-up every key is
    /// [`Standing::Unverified`].
    pub fn finish(self, lookup: Option<&dyn Lookup>) -> Report {
        self.collector.into_report(self.detector, lookup)
    }
}
