//! Reads every file under the given paths, on all cores, and every name.

use std::ffi::OsStr;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

use ignore::{DirEntry, ParallelVisitor, ParallelVisitorBuilder, WalkBuilder, WalkState};
use rustix::fs::OFlags;

use super::collect::Collector;
use super::content::{Examiner, Seen, fill};
use super::detect::Detector;
use super::place::Part;
use super::report::Fault;
use super::{Options, Progress};

pub(super) fn scan_paths(readers: &mut Readers<'_>, paths: &[PathBuf]) {
    let mut trees = Vec::new();
    let mut reader = readers.reader();
    for path in paths {
        match fs::metadata(path) {
            // The empty last component makes a named link to a directory a directory.
            Ok(metadata) if metadata.is_dir() => trees.push(path.join("")),
            Ok(metadata) if metadata.is_file() => reader.file(path, OFlags::empty()),
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
    walk.standard_filters(false).follow_links(readers.options.follow_links);
    walk.threads(readers.options.threads);
    walk.build_parallel().visit(readers);
}

/// What all threads share; makes the reader of each.
#[derive(Clone)]
pub(super) struct Readers<'s> {
    pub(super) detector: &'s Detector,
    pub(super) options: &'s Options,
    pub(super) progress: &'s Progress,
    pub(super) collector: &'s Collector,
}

impl<'s> Readers<'s> {
    pub(super) fn reader(&self) -> Reader<'s> {
        Reader {
            progress: self.progress,
            desk: Desk { progress: self.progress, detector: self.detector, collector: self.collector },
            examiner: self.options.examiner(self.detector),
            follows: self.options.follow_links,
            whole: vec![0; self.options.buffer_bytes],
        }
    }
}

impl<'s> ParallelVisitorBuilder<'s> for Readers<'s> {
    fn build(&mut self) -> Box<dyn ParallelVisitor + 's> {
        Box::new(self.reader())
    }
}

/// One thread's part of the walk.
pub(super) struct Reader<'s> {
    progress: &'s Progress,
    desk: Desk<'s>,
    examiner: Examiner<'s>,
    /// Whether links are followed.
    follows: bool,
    /// Where a file is read into that fits.
    whole: Vec<u8>,
}

/// Reads a source until the scan is to end. What is missing then is no fault of the source's.
struct Stoppable<'s, R> {
    source: R,
    progress: &'s Progress,
}

impl<R: Read> Read for Stoppable<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.progress.is_stopped() { Ok(0) } else { self.source.read(into) }
    }
}

/// Takes down what is seen.
#[derive(Clone, Copy)]
struct Desk<'s> {
    progress: &'s Progress,
    detector: &'s Detector,
    collector: &'s Collector,
}

impl Desk<'_> {
    fn take(&self, path: &Path, part: Part, seen: Seen) {
        match seen {
            Seen::Key(s) => {
                let place = s.place(path.to_owned(), part);
                self.collector.found(self.detector, s.key_type, &s.token, place);
            }
            // An archive that was not read to its end looks damaged.
            Seen::Fault(_) if self.progress.is_stopped() => {}
            Seen::Fault(problem) => self.collector.fault(Fault { path: path.to_owned(), problem }),
        }
    }
}

impl ParallelVisitor for Reader<'_> {
    fn visit(&mut self, entry: Result<DirEntry, ignore::Error>) -> WalkState {
        if self.progress.is_stopped() {
            return WalkState::Quit;
        }
        match entry {
            Ok(entry) => self.entry(&entry),
            Err(error) => match unwrap_error(&error) {
                // Back to where it was met, or to nowhere: there is nothing else to read.
                (Some(path), _) if self.follows && path.is_symlink() && !path.is_file() => {
                    path.file_name().into_iter().for_each(|name| self.text(path, Part::Name, name));
                    self.link(path);
                    self.skip();
                }
                (path, problem) => self.fault(path.unwrap_or(Path::new("")), &problem),
            },
        }
        WalkState::Continue
    }
}

impl Reader<'_> {
    fn entry(&mut self, entry: &DirEntry) {
        self.text(entry.path(), Part::Name, entry.file_name());
        if entry.path_is_symlink() {
            self.link(entry.path());
        }
        let flags = if self.follows { OFlags::empty() } else { OFlags::NOFOLLOW };
        match entry.file_type() {
            Some(kind) if kind.is_file() => self.content(entry.path(), flags),
            Some(kind) if kind.is_dir() || kind.is_symlink() => {}
            _ => self.skip(),
        }
    }

    fn file(&mut self, path: &Path, flags: OFlags) {
        if let Some(name) = path.file_name() {
            self.text(path, Part::Name, name);
        }
        self.content(path, flags);
    }

    fn link(&mut self, path: &Path) {
        match fs::read_link(path) {
            Ok(target) => self.text(path, Part::LinkTarget, target.as_os_str()),
            Err(e) => self.fault(path, &describe(&e)),
        }
    }

    fn text(&mut self, path: &Path, part: Part, text: &OsStr) {
        let desk = self.desk;
        self.examiner.text(text.as_bytes(), &mut |seen| desk.take(path, part, seen));
    }

    fn content(&mut self, path: &Path, flags: OFlags) {
        match open(path, flags) {
            Ok(Some((file, size))) => self.opened(path, file, size),
            Ok(None) => self.skip(),
            Err(e) => self.fault(path, &describe(&e)),
        }
    }

    fn opened(&mut self, path: &Path, mut file: File, size: u64) {
        match usize::try_from(size) {
            Ok(size) if 0 < size && size <= self.whole.len() => {
                let (read, result) = fill(&mut file, &mut self.whole[..size]);
                let desk = self.desk;
                self.examiner.bytes(&self.whole[..read], &mut |seen| desk.take(path, Part::Content, seen));
                self.count(path, read as u64, result);
            }
            // A file that grows as fast as it is read must end: what was there when it was opened
            // is what is scanned. Some virtual files say 0 and have content.
            _ => {
                let limit = if size == 0 { u64::MAX } else { size };
                let desk = self.desk;
                let source = Stoppable { source: (&file).take(limit), progress: desk.progress };
                let (bytes, result) = self.examiner.file(&file, source, &mut |seen| {
                    desk.take(path, Part::Content, seen);
                });
                self.count(path, bytes, result);
            }
        }
    }

    /// Examines one source under the name `path`.
    pub(super) fn source(&mut self, path: &Path, source: impl Read) {
        let desk = self.desk;
        let source = Stoppable { source, progress: desk.progress };
        let (bytes, result) = self.examiner.stream(source, &mut |seen| desk.take(path, Part::Content, seen));
        self.count(path, bytes, result);
    }

    fn count(&self, path: &Path, bytes: u64, result: io::Result<()>) {
        // Relaxed: counters for people; the report reads them after the threads are joined.
        self.progress.files.fetch_add(1, Ordering::Relaxed);
        self.progress.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Err(e) = result {
            self.fault(path, &describe(&e));
        }
    }

    fn skip(&self) {
        self.progress.skipped.fetch_add(1, Ordering::Relaxed);
    }

    fn fault(&self, path: &Path, problem: &str) {
        self.desk.take(path, Part::Content, Seen::Fault(problem.to_owned()));
    }
}

/// Opens a file and returns it with its size; `None` if it is not a file after all.
///
/// Between listing a directory and opening a file in it anyone may put a pipe or a link there, so
/// the open does not wait for a writer, and what was opened is asked again.
pub(super) fn open(path: &Path, flags: OFlags) -> io::Result<Option<(File, u64)>> {
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
        ignore::Error::Loop { child, .. } => (Some(child), error.to_string()),
        ignore::Error::Io(e) => (None, describe(e)),
        other => (None, other.to_string()),
    }
}

/// Returns an I/O error in our style: `permission denied`.
pub(super) fn describe(error: &io::Error) -> String {
    let text = error.to_string();
    let text = text.split(" (os error").next().unwrap_or_default();
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}
