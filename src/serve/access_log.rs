//! The access log, off the request path: a request renders its line into a bounded buffer, one thread
//! writes it out. When the reader of the log cannot keep up, or its disk is full, lines are dropped and
//! counted; a request never waits.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::Notice;
use super::log_file::LogFile;
use super::traces::spans_of;
use super::usage::Use;
use crate::config::Sample;
use crate::edge::{AccessLine, AccessSink, Verdict};
use crate::key::Timestamp;
use crate::tell::Exporter;
use crate::verify::wall;

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AccessFormat {
    /// For people, one short line a request.
    Human,
    /// One JSON object a line.
    Json,
    /// No lines at all; uses of keys are still noted.
    Off,
}

/// Lines that wait for the writer: some 10,000 of them.
const CAPACITY: usize = 4 << 20;

/// Uses of keys that wait; more are not counted.
const USES: usize = 64 << 10;

/// How long lines gather before they are written: one write for many lines.
const GATHER: Duration = Duration::from_millis(20);

/// Lost lines are told of once in this time.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Takes lines from every worker.
pub(super) struct AccessLog {
    format: AtomicU8,
    sampling: Sampling,
    queue: Mutex<Queue>,
    filled: Condvar,
    lost: Lost,
    /// Where traces go, if requests are traced. Only requests that are recorded look here.
    exporter: Mutex<Option<Arc<Exporter>>>,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    uses: Vec<Use>,
    is_closed: bool,
    wants_reopen: bool,
    /// Where lines go from now on.
    moves_to: Option<Output>,
}

/// What was lost since the start.
#[derive(Default)]
struct Lost {
    full: AtomicU64,
    failed: AtomicU64,
    uses: AtomicU64,
}

/// What was dropped since the start, by what there was no room for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Dropped {
    /// Lines, since the queue was full.
    pub(super) full: u64,
    /// Lines that could not be written.
    pub(super) failed: u64,
    /// Uses of keys.
    pub(super) uses: u64,
}

/// Where lines end up.
pub(super) enum Output {
    /// Standard output, or what a program that embeds the server gave.
    Stream(Box<dyn Write + Send>),
    /// A file of our own.
    File(LogFile),
}

/// What the writer took out of the queue.
struct Batch {
    uses: Vec<Use>,
    is_closed: bool,
    wants_reopen: bool,
    moves_to: Option<Output>,
}

impl AccessFormat {
    const ALL: [Self; 3] = [Self::Human, Self::Json, Self::Off];
}

impl AccessLog {
    pub(super) fn new(format: AccessFormat, sample: Sample, exporter: Option<Arc<Exporter>>) -> Arc<Self> {
        Arc::new(Self {
            format: AtomicU8::new(format as u8),
            sampling: Sampling::new(sample),
            queue: Mutex::default(),
            filled: Condvar::new(),
            lost: Lost::default(),
            exporter: Mutex::new(exporter),
        })
    }

    /// Has lines written to another place, or in another form, from now on. Those that wait are written to where
    /// they were meant for.
    pub(super) fn move_to(&self, format: AccessFormat, out: Option<Output>) {
        if let Some(out) = out {
            self.lock().moves_to = Some(out);
            self.filled.notify_all();
        }
        self.format.store(format as u8, Ordering::Relaxed);
    }

    /// Has traces go there from now on.
    pub(super) fn export_to(&self, exporter: Option<Arc<Exporter>>) {
        *self.exporter.lock().unwrap_or_else(PoisonError::into_inner) = exporter;
    }

    fn format(&self) -> AccessFormat {
        // Relaxed: it guards no other memory.
        AccessFormat::ALL[usize::from(self.format.load(Ordering::Relaxed))]
    }

    /// Puts another share of lines into force.
    pub(super) fn set_sample(&self, sample: Sample) {
        self.sampling.set(sample);
    }

    /// Starts the thread that writes lines to `out`, passes uses to `used` and says what is wrong, until
    /// closed.
    pub(super) fn spawn_writer(
        self: &Arc<Self>,
        out: Output,
        used: impl Fn(Vec<Use>) + Send + 'static,
        tell: impl Fn(&Notice) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let log = Arc::clone(self);
        thread::Builder::new().name("kgate-log".to_owned()).spawn(move || {
            let mut lines = Vec::with_capacity(64 << 10);
            let mut writer = Writer { out, lost: &log.lost, is_torn: false, told: Told::default(), tell };
            loop {
                let batch = log.take(&mut lines);
                used(batch.uses);
                if batch.wants_reopen {
                    writer.reopen();
                }
                writer.write(&lines);
                lines.clear();
                if let Some(out) = batch.moves_to {
                    (writer.out, writer.is_torn) = (out, false);
                }
                if batch.is_closed {
                    return;
                }
                thread::sleep(GATHER);
            }
        })
    }

    /// Waits for something to do and takes all of it. The emptied `lines` take its place, so that
    /// nobody allocates.
    fn take(&self, lines: &mut Vec<u8>) -> Batch {
        let mut queue = self.lock();
        while queue.lines.is_empty()
            && queue.uses.is_empty()
            && !queue.is_closed
            && !queue.wants_reopen
            && queue.moves_to.is_none()
        {
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.lines, lines);
        Batch {
            uses: std::mem::take(&mut queue.uses),
            is_closed: queue.is_closed,
            wants_reopen: std::mem::take(&mut queue.wants_reopen),
            moves_to: queue.moves_to.take(),
        }
    }

    /// Ends the writer once it wrote what is there.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    /// Has the file opened anew, since it may have been moved.
    pub(super) fn reopen(&self) {
        self.lock().wants_reopen = true;
        self.filled.notify_all();
    }

    /// Returns what was dropped since the start.
    pub(super) fn dropped(&self) -> Dropped {
        // Relaxed: the counts guard no other memory.
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Dropped { full: of(&self.lost.full), failed: of(&self.lost.failed), uses: of(&self.lost.uses) }
    }

    fn push(&self, line: &[u8], used: Option<Use>) {
        let mut queue = self.lock();
        let was_empty = queue.lines.is_empty() && queue.uses.is_empty();
        if queue.lines.len() + line.len() <= CAPACITY {
            queue.lines.extend_from_slice(line);
        } else {
            self.lost.full.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(used) = used {
            if queue.uses.len() < USES {
                queue.uses.push(used);
            } else {
                self.lost.uses.fetch_add(1, Ordering::Relaxed);
            }
        }
        drop(queue);
        if was_empty {
            self.filled.notify_one();
        }
    }

    /// Held for a copy of one line, or a swap of two pointers; never across a system call.
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AccessSink for AccessLog {
    fn record(&self, line: &AccessLine<'_>) {
        if line.trace.is_some_and(|trace| trace.is_sampled) {
            let exporter = self.exporter.lock().unwrap_or_else(PoisonError::into_inner).clone();
            if let Some(exporter) = exporter {
                exporter.push(spans_of(line));
            }
        }
        let format = self.format();
        thread_local! {
            static RENDERED: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
            // The names of routes this worker saw: as many as the configuration ever had.
            static ROUTES: RefCell<HashSet<Arc<str>>> = RefCell::default();
        }
        let used = Use::of(line, |name| {
            ROUTES.with_borrow_mut(|routes| {
                if let Some(route) = routes.get(name) {
                    return Arc::clone(route);
                }
                let route: Arc<str> = name.into();
                routes.insert(Arc::clone(&route));
                route
            })
        });
        let one_in = if format == AccessFormat::Off { None } else { self.sampling.takes(line.verdict) };
        let line = AccessLine { one_in: one_in.unwrap_or(1), ..*line };
        RENDERED.with_borrow_mut(|rendered| {
            rendered.clear();
            match format {
                _ if one_in.is_none() && used.is_none() => return,
                _ if one_in.is_none() => {}
                AccessFormat::Human => line.write_human(rendered),
                AccessFormat::Json => line.write_json(rendered),
                AccessFormat::Off => {}
            }
            self.push(rendered, used);
        });
    }
}

/// Which lines are written. Exact: of every `n` lines of a verdict, one.
struct Sampling {
    one_in: [AtomicU32; 3],
    seen: [AtomicU64; 3],
}

impl Sampling {
    fn new(sample: Sample) -> Self {
        let sampling = Self { one_in: Default::default(), seen: Default::default() };
        sampling.set(sample);
        sampling
    }

    fn set(&self, sample: Sample) {
        for (held, one_in) in self.one_in.iter().zip([sample.allow, sample.deny, sample.error]) {
            held.store(one_in, Ordering::Relaxed);
        }
    }

    /// Returns how many lines this one stands for, if it is written.
    fn takes(&self, verdict: Verdict) -> Option<u32> {
        let index = match verdict {
            Verdict::Allow => 0,
            Verdict::Deny => 1,
            Verdict::Error => 2,
        };
        // Relaxed: neither guards other memory.
        match self.one_in[index].load(Ordering::Relaxed) {
            0 => None,
            1 => Some(1),
            n => self.seen[index].fetch_add(1, Ordering::Relaxed).is_multiple_of(u64::from(n)).then_some(n),
        }
    }
}

/// Writes lines out, and keeps count of those it could not.
struct Writer<'l, T> {
    out: Output,
    lost: &'l Lost,
    /// Whether the last write ended within a line.
    is_torn: bool,
    told: Told,
    tell: T,
}

/// What was said of lost lines.
#[derive(Default)]
struct Told {
    at: Option<Timestamp>,
    lost: u64,
    is_failing: bool,
}

impl<T: Fn(&Notice)> Writer<'_, T> {
    fn reopen(&mut self) {
        if let Output::File(file) = &mut self.out
            && let Err(error) = file.reopen(wall())
        {
            (self.tell)(&Notice::Warning(format!("the access log cannot be opened anew: {error}")));
        }
        self.is_torn = false;
    }

    fn write(&mut self, mut lines: &[u8]) {
        let mut outcome = Ok(());
        let is_any = !lines.is_empty();
        while !lines.is_empty() {
            let (some, rotated) = match &mut self.out {
                Output::File(file) => {
                    let some = file.fitting(lines);
                    (some, file.rotate_for(some, wall()))
                }
                Output::Stream(_) => (lines.len(), Ok(())),
            };
            // A file that cannot be put aside is still written to.
            outcome = self.write_all(&lines[..some]).and(rotated).and(outcome);
            lines = &lines[some..];
        }
        if is_any {
            self.told_of(outcome.err());
        }
    }

    /// Writes all of it, or counts the lines that are not whole in the log.
    fn write_all(&mut self, lines: &[u8]) -> io::Result<()> {
        let out: &mut dyn Write = match &mut self.out {
            Output::Stream(out) => out,
            Output::File(file) => file,
        };
        let mut rest = lines;
        let outcome = loop {
            if rest.is_empty() {
                break out.flush();
            }
            if self.is_torn {
                match out.write_all(b"\n") {
                    Ok(()) => self.is_torn = false,
                    Err(error) => break Err(error),
                }
            }
            match out.write(rest) {
                Ok(0) => break Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => rest = &rest[written..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        if !rest.is_empty() {
            self.is_torn |= rest.len() < lines.len() && lines[lines.len() - rest.len() - 1] != b'\n';
            self.lost.failed.fetch_add(count_lines(rest), Ordering::Relaxed);
        }
        outcome
    }

    /// Says what is wrong, at most once a minute, and when it is over.
    fn told_of(&mut self, error: Option<io::Error>) {
        let lost = self.lost.full.load(Ordering::Relaxed) + self.lost.failed.load(Ordering::Relaxed);
        let now = wall();
        let is_time = self.told.at.is_none_or(|at| now.since(at) >= TELL_EVERY);
        match error {
            Some(error) if is_time => {
                (self.tell)(&Notice::AccessLogFails(error.to_string()));
                self.told = Told { at: Some(now), lost, is_failing: true };
            }
            None if self.told.is_failing => {
                (self.tell)(&Notice::AccessLogWorks { lost });
                self.told = Told { lost, is_failing: false, ..self.told };
            }
            None if is_time && lost > self.told.lost => {
                (self.tell)(&Notice::AccessLinesLost { lost: lost - self.told.lost });
                self.told = Told { at: Some(now), lost, is_failing: false };
            }
            _ => {}
        }
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |count, byte| count + u64::from(*byte == b'\n'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::edge::Verdict;
    use crate::key::{KeyId, Timestamp};
    use std::sync::mpsc;

    fn line(request_id: &str) -> AccessLine<'_> {
        AccessLine {
            time: Timestamp::from_secs(1),
            request_id,
            client: None,
            method: "GET",
            path: "/",
            host: "h",
            status: 200,
            route: Some("all"),
            upstream: None,
            key: Some(KeyId::from_bytes([7; 16])),
            consumer: None,
            verdict: Verdict::Allow,
            shadow: None,
            is_anonymous: false,
            reason: None,
            bytes_in: 0,
            bytes_out: 0,
            total: Duration::ZERO,
            verify: Duration::ZERO,
            upstream_time: None,
            trace: None,
            one_in: 1,
        }
    }

    /// A reader of the log that does not read.
    struct Stuck(mpsc::Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_stuck_reader_costs_lines_and_never_a_request() {
        let log = AccessLog::new(AccessFormat::Json, Sample::default(), None);
        let (go, gate) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let out = Output::Stream(Box::new(Stuck(gate, Arc::clone(&written))));
        let writer = log.spawn_writer(out, |_| {}, |_| {}).unwrap();
        let wide = "x".repeat(4000);
        let total = 3 * CAPACITY / 4000;
        for _ in 0..total {
            log.record(&line(&wide));
        }
        let dropped = log.dropped().full;
        assert!(dropped > 0, "the buffer is bounded");
        drop(go);
        log.close();
        writer.join().unwrap();
        let kept = count_lines(&written.lock().unwrap());
        assert_eq!(kept + dropped, total as u64, "every line is written or counted");
    }

    #[test]
    fn uses_are_passed_on_even_without_lines() {
        let log = AccessLog::new(AccessFormat::Off, Sample::default(), None);
        let (sender, noted) = mpsc::channel();
        let writer = log
            .spawn_writer(
                Output::Stream(Box::new(io::sink())),
                move |batch| sender.send(batch.len()).unwrap(),
                |_| {},
            )
            .unwrap();
        log.record(&line("a"));
        assert_eq!(noted.recv().unwrap(), 1);
        // Neither a public route nor a stranger's token is a use.
        log.record(&AccessLine { key: None, ..line("b") });
        log.close();
        writer.join().unwrap();
        assert!(noted.iter().all(|uses| uses == 0));
    }

    /// A disk with room for so many bytes, and more later.
    struct Disk(Arc<Mutex<(usize, Vec<u8>)>>);

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let mut disk = self.0.lock().unwrap();
            let some = bytes.len().min(disk.0);
            if some == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            disk.0 -= some;
            disk.1.extend_from_slice(&bytes[..some]);
            Ok(some)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_full_disk_costs_whole_lines_that_are_counted_and_told_of() {
        let lost = Lost::default();
        let disk = Arc::new(Mutex::new((15, Vec::new())));
        let said = RefCell::new(Vec::new());
        let mut writer = Writer {
            out: Output::Stream(Box::new(Disk(Arc::clone(&disk)))),
            lost: &lost,
            is_torn: false,
            told: Told::default(),
            tell: |notice: &Notice| said.borrow_mut().push(notice.to_string()),
        };
        writer.write(b"first line\nsecond line\nthird line\n");
        writer.write(b"fourth line\n");
        assert_eq!(lost.failed.load(Ordering::Relaxed), 3);
        disk.lock().unwrap().0 = 1000;
        writer.write(b"fifth line\n");
        assert_eq!(disk.lock().unwrap().1, b"first line\nseco\nfifth line\n");
        let said = said.borrow();
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].contains("access log") && said[1].contains("3 lines"), "{said:?}");
    }

    #[test]
    fn of_sampled_lines_exactly_the_share_is_written_and_every_use_counted() {
        let log = AccessLog::new(AccessFormat::Json, Sample { allow: 10, deny: 1, error: 0 }, None);
        for _ in 0..100 {
            log.record(&line("a"));
            log.record(&AccessLine { verdict: Verdict::Deny, status: 401, ..line("b") });
            log.record(&AccessLine { verdict: Verdict::Error, status: 503, ..line("c") });
        }
        let queue = log.lock();
        let text = String::from_utf8(queue.lines.clone()).unwrap();
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        assert_eq!(
            (count("\"verdict\":\"allow\""), count("\"verdict\":\"deny\""), count("\"error\"")),
            (10, 100, 0)
        );
        assert_eq!(count("\"one_in\":10}"), 10, "a line says what it stands for");
        assert_eq!(queue.uses.len(), 300);
    }
}
