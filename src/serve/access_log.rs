//! The access log, off the request path: a request renders its line into a bounded buffer, one thread
//! writes it out. When the reader of the log cannot keep up, lines are dropped and counted; a request
//! never waits.

use std::cell::RefCell;
use std::collections::HashSet;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::usage::Use;
use crate::edge::{AccessLine, AccessSink};

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

/// Takes lines from every worker.
pub(super) struct AccessLog {
    format: AccessFormat,
    queue: Mutex<Queue>,
    filled: Condvar,
    dropped: AtomicU64,
}

#[derive(Default)]
struct Queue {
    lines: Vec<u8>,
    uses: Vec<Use>,
    is_closed: bool,
}

impl AccessLog {
    pub(super) fn new(format: AccessFormat) -> Arc<Self> {
        Arc::new(Self { format, queue: Mutex::default(), filled: Condvar::new(), dropped: AtomicU64::new(0) })
    }

    /// Starts the thread that writes lines to `out` and passes uses to `used`, until closed.
    pub(super) fn spawn_writer(
        self: &Arc<Self>,
        mut out: Box<dyn Write + Send>,
        used: impl Fn(Vec<Use>) + Send + 'static,
    ) -> io::Result<JoinHandle<()>> {
        let log = Arc::clone(self);
        thread::Builder::new().name("kgate-log".to_owned()).spawn(move || {
            let mut lines = Vec::with_capacity(64 << 10);
            loop {
                let (batch, is_closed) = log.take(&mut lines);
                used(batch);
                // A closed pipe or a full disk: those lines are lost, and counted.
                if !lines.is_empty() && out.write_all(&lines).and_then(|()| out.flush()).is_err() {
                    log.dropped.fetch_add(count_lines(&lines), Ordering::Relaxed);
                }
                lines.clear();
                if is_closed {
                    return;
                }
                thread::sleep(GATHER);
            }
        })
    }

    /// Waits for something to write and takes all of it. The emptied `lines` take its place, so that
    /// nobody allocates.
    fn take(&self, lines: &mut Vec<u8>) -> (Vec<Use>, bool) {
        let mut queue = self.lock();
        while queue.lines.is_empty() && queue.uses.is_empty() && !queue.is_closed {
            queue = self.filled.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        std::mem::swap(&mut queue.lines, lines);
        (std::mem::take(&mut queue.uses), queue.is_closed)
    }

    /// Ends the writer once it wrote what is there.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_all();
    }

    /// Returns how many lines were dropped since the last call.
    pub(super) fn take_dropped(&self) -> u64 {
        self.dropped.swap(0, Ordering::Relaxed)
    }

    fn push(&self, line: &[u8], used: Option<Use>) {
        let mut queue = self.lock();
        let was_empty = queue.lines.is_empty() && queue.uses.is_empty();
        if queue.lines.len() + line.len() <= CAPACITY {
            queue.lines.extend_from_slice(line);
        } else {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(used) = used
            && queue.uses.len() < USES
        {
            queue.uses.push(used);
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
        RENDERED.with_borrow_mut(|rendered| {
            rendered.clear();
            match self.format {
                AccessFormat::Human => line.write_human(rendered),
                AccessFormat::Json => line.write_json(rendered),
                AccessFormat::Off if used.is_none() => return,
                AccessFormat::Off => {}
            }
            self.push(rendered, used);
        });
    }
}

fn count_lines(bytes: &[u8]) -> u64 {
    bytes.split(|byte| *byte == b'\n').skip(1).fold(0, |count, _| count + 1)
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
            reason: None,
            bytes_in: 0,
            bytes_out: 0,
            total: Duration::ZERO,
            verify: Duration::ZERO,
            upstream_time: None,
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
        let log = AccessLog::new(AccessFormat::Json);
        let (go, gate) = mpsc::channel();
        let written = Arc::new(Mutex::new(Vec::new()));
        let writer = log.spawn_writer(Box::new(Stuck(gate, Arc::clone(&written))), |_| {}).unwrap();
        let wide = "x".repeat(4000);
        let total = 3 * CAPACITY / 4000;
        for _ in 0..total {
            log.record(&line(&wide));
        }
        let dropped = log.take_dropped();
        assert!(dropped > 0, "the buffer is bounded");
        drop(go);
        log.close();
        writer.join().unwrap();
        let kept = count_lines(&written.lock().unwrap());
        assert_eq!(kept + dropped, total as u64, "every line is written or counted");
    }

    #[test]
    fn uses_are_passed_on_even_without_lines() {
        let log = AccessLog::new(AccessFormat::Off);
        let (sender, noted) = mpsc::channel();
        let writer = log
            .spawn_writer(Box::new(io::sink()), move |batch| {
                sender.send(batch.len()).unwrap();
            })
            .unwrap();
        log.record(&line("a"));
        assert_eq!(noted.recv().unwrap(), 1);
        // Neither a public route nor a stranger's token is a use.
        log.record(&AccessLine { key: None, ..line("b") });
        log.close();
        writer.join().unwrap();
        assert!(noted.iter().all(|uses| uses == 0));
    }
}
