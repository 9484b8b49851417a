//! Reads every file under the given paths, on all cores.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};
use rustix::fs::OFlags;

use super::collect::Collector;
use super::detect::Detector;
use super::report::{Fault, Place};
use super::stream::{self, Buffer};
use super::{Options, Progress};

pub(super) fn scan_paths(
    detector: &Detector,
    options: &Options,
    progress: &Progress,
    collector: &Collector,
    paths: &[PathBuf],
) {
    let mut readers = Readers { detector, options, progress, collector };
    let mut trees = Vec::new();
    let mut reader = readers.reader();
    for path in paths {
        match fs::metadata(path) {
            // The empty last component makes a named link to a directory a directory.
            Ok(metadata) if metadata.is_dir() => trees.push(path.join("")),
            Ok(metadata) if metadata.is_file() => reader.read(path, OFlags::empty()),
            Ok(_) => reader.fault(path, "neither a file nor a directory"),
            Err(e) => reader.fault(path, &describe(&e)),
        }
    }
    let Some((first, rest)) = trees.split_first() else { return };
    let mut walk = WalkBuilder::new(first);
    for tree in rest {
        walk.add(tree);
    }
    // No filters: a key in an ignored or hidden file is leaked all the same.
    walk.standard_filters(false).follow_links(false).threads(options.threads);
    walk.build_parallel().visit(&mut readers);
}

/// Searches one source under the name `path`.
pub(super) fn scan_source(
    detector: &Detector,
    progress: &Progress,
    collector: &Collector,
    buffer: &mut Buffer,
    path: &Path,
    source: impl Read,
) {
    let (bytes, result) = stream::search(detector, buffer, source, |sighting| {
        let stream::Sighting { hit, token, offset, line, column } = sighting;
        collector.found(detector, hit, &token, Place { path: path.to_owned(), offset, line, column });
    });
    // Relaxed: counters for people; the report reads them after the threads are joined.
    progress.files.fetch_add(1, Ordering::Relaxed);
    progress.bytes.fetch_add(bytes, Ordering::Relaxed);
    if let Err(e) = result {
        collector.fault(Fault { path: path.to_owned(), problem: describe(&e) });
    }
}

struct Readers<'s> {
    detector: &'s Detector,
    options: &'s Options,
    progress: &'s Progress,
    collector: &'s Collector,
}

impl<'s> Readers<'s> {
    fn reader(&self) -> Reader<'s> {
        Reader {
            detector: self.detector,
            progress: self.progress,
            collector: self.collector,
            buffer: Buffer::new(self.detector, self.options.buffer_bytes),
        }
    }
}

impl<'s> ParallelVisitorBuilder<'s> for Readers<'s> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 's> {
        Box::new(self.reader())
    }
}

/// One thread's part of the walk.
struct Reader<'s> {
    detector: &'s Detector,
    progress: &'s Progress,
    collector: &'s Collector,
    buffer: Buffer,
}

impl ParallelVisitor for Reader<'_> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) -> WalkState {
        match entry {
            Ok(entry) => self.visit_entry(&entry),
            Err(error) => {
                let (path, problem) = unwrap_error(&error);
                self.fault(path.unwrap_or(Path::new("")), &problem);
            }
        }
        WalkState::Continue
    }
}

impl Reader<'_> {
    fn visit_entry(&mut self, entry: &DirEntry) {
        match entry.file_type() {
            Some(kind) if kind.is_file() => self.read(entry.path(), OFlags::NOFOLLOW),
            Some(kind) if kind.is_dir() || kind.is_symlink() => {}
            _ => self.skip(),
        }
    }

    fn read(&mut self, path: &Path, flags: OFlags) {
        match open(path, flags) {
            Ok(Some((file, size))) => {
                // A file that grows as fast as it is read must end: what was there when it was opened
                // is what is scanned. Some virtual files say 0 and have content.
                let limit = if size == 0 { u64::MAX } else { size };
                let source = file.take(limit);
                scan_source(self.detector, self.progress, self.collector, &mut self.buffer, path, source);
            }
            Ok(None) => self.skip(),
            Err(e) => self.fault(path, &describe(&e)),
        }
    }

    fn skip(&self) {
        self.progress.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn fault(&self, path: &Path, problem: &str) {
        self.collector.fault(Fault { path: path.to_owned(), problem: problem.to_owned() });
    }
}

/// Opens a file and returns it with its size; `None` if it is not a file after all.
///
/// Between listing a directory and opening a file in it anyone may put a pipe or a link there, so
/// the open does not wait for a writer, and what was opened is asked again.
fn open(path: &Path, flags: OFlags) -> io::Result<Option<(File, u64)>> {
    let flags = (flags | OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    Ok(metadata.is_file().then_some((file, metadata.len())))
}

/// Returns the path an error of the walk is about, and what is wrong with it.
fn unwrap_error(error: &ignore::Error) -> (Option<&Path>, String) {
    match error {
        ignore::Error::WithPath { path, err } => (Some(path), unwrap_error(err).1),
        ignore::Error::WithDepth { err, .. } | ignore::Error::WithLineNumber { err, .. } => unwrap_error(err),
        ignore::Error::Io(e) => (None, describe(e)),
        other => (None, other.to_string()),
    }
}

/// Returns an I/O error in our style: `permission denied`.
fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
