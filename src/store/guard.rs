//! The watchdog: a call that may wait for another process runs on a thread of its own, and whoever
//! asked gives up after a while, names the holder, and makes sure that nothing happens later.
//!
//! redb's file locks have no time-out, and a stopped process keeps its locks. Giving up means that
//! the thread stays behind; before it commits it asks whether anybody still waits ([`Gate`]), so an
//! abandoned mutation is never made.

use std::any::Any;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::{Holder, StoreError};

/// A call: which file it is about, what it does and to what, and how long it may take.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) file: PathBuf,
    pub(super) action: &'static str,
    pub(super) subjects: Vec<String>,
    pub(super) patience: Option<Duration>,
}

/// Decides between the one who gives up and the one who commits: only one of them can be first.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: AtomicU8,
    /// The caller wants no more items. A hint only, hence relaxed.
    has_enough: AtomicBool,
}

const OPEN: u8 = 0;
const COMMITTING: u8 = 1;
const ABANDONED: u8 = 2;

impl Gate {
    /// Says whether the commit may begin; from then on its outcome is unknown until it returns.
    pub(super) fn enter_commit(&self) -> bool {
        self.state.compare_exchange(OPEN, COMMITTING, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }

    /// Says whether nothing was or will be committed.
    fn abandon(&self) -> bool {
        self.state.compare_exchange(OPEN, ABANDONED, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    }
}

enum Message<T, R> {
    Items(Vec<T>),
    Alive,
    End(Result<R, StoreError>),
}

/// Where a job hands over what it finds, and shows that it is alive.
pub(super) struct Out<'a, T> {
    sink: &'a mut dyn FnMut(T) -> bool,
    alive: &'a mut dyn FnMut(),
    steps: u32,
}

/// Items handed over at once: enough that the channel does not count.
const HANDOVER: usize = 1024;

impl<T> Out<'_, T> {
    /// Hands over an item; `false` means that nobody wants more.
    pub(super) fn push(&mut self, item: T) -> bool {
        (self.sink)(item)
    }

    /// Shows that the job goes on; cheap enough for every row.
    pub(super) fn step(&mut self) {
        self.steps += 1;
        if self.steps.is_multiple_of(1024) {
            (self.alive)();
        }
    }
}

#[cfg(test)]
thread_local! {
    /// Items handed over to this thread: what a page cost.
    pub(crate) static HANDED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Runs `job` under the watchdog.
pub(super) fn watched<R: Send + 'static>(
    call: &Call,
    job: impl FnOnce(&Gate) -> Result<R, StoreError> + Send + 'static,
) -> Result<R, StoreError> {
    streamed(call, move |gate, _: &mut Out<'_, ()>| job(gate), &mut |()| true)
}

/// Runs `job` under the watchdog, passing what it hands over to `each` on the caller's thread until
/// that returns `false`. The clock starts anew with everything handed over.
pub(super) fn streamed<T: Send + 'static, R: Send + 'static>(
    call: &Call,
    job: impl FnOnce(&Gate, &mut Out<'_, T>) -> Result<R, StoreError> + Send + 'static,
    each: &mut dyn FnMut(T) -> bool,
) -> Result<R, StoreError> {
    #[cfg(test)]
    let each = &mut |item| {
        HANDED.set(HANDED.get() + 1);
        each(item)
    };
    let gate = Arc::new(Gate::default());
    let Some(patience) = call.patience else {
        return run(&call.file, &gate, job, each, &mut || {});
    };
    let (sender, receiver) = sync_channel::<Message<T, R>>(4);
    let (file, worker_gate) = (call.file.clone(), gate.clone());
    let worker = move || {
        let mut pending = Vec::with_capacity(HANDOVER);
        let mut sink = |item| {
            pending.push(item);
            if pending.len() < HANDOVER {
                return true;
            }
            let items = std::mem::replace(&mut pending, Vec::with_capacity(HANDOVER));
            !worker_gate.has_enough.load(Ordering::Relaxed) && sender.send(Message::Items(items)).is_ok()
        };
        // If the channel is full, the receiver has enough signs of life.
        let mut alive = || drop(sender.try_send(Message::Alive));
        let end = run(&file, &worker_gate, job, &mut sink, &mut alive);
        // Fails if the caller gave up; then nobody is left to tell.
        let _ = sender.send(Message::Items(pending)).and_then(|()| sender.send(Message::End(end)));
    };
    thread::Builder::new()
        .name("kgate-store".to_owned())
        .spawn(worker)
        .map_err(|error| StoreError::Io { path: call.file.clone(), error })?;
    loop {
        match next(&receiver, patience) {
            Ok(Message::Alive) => {}
            Ok(Message::Items(items)) => {
                if !items.into_iter().all(&mut *each) {
                    return finish_early(&receiver, call, patience, &gate);
                }
            }
            Ok(Message::End(end)) => return end,
            Err(RecvTimeoutError::Timeout) => return Err(give_up(call, patience, &gate)),
            Err(RecvTimeoutError::Disconnected) => unreachable!("the worker sends its end, panic or not"),
        }
    }
}

/// After the caller wants no more: throws items away until the job notices, which is at its next
/// hand-over.
fn finish_early<T, R>(
    receiver: &Receiver<Message<T, R>>,
    call: &Call,
    patience: Duration,
    gate: &Gate,
) -> Result<R, StoreError> {
    gate.has_enough.store(true, Ordering::Relaxed);
    loop {
        match next(receiver, patience) {
            Ok(Message::End(end)) => return end,
            Ok(_) => {}
            Err(_) => return Err(give_up(call, patience, gate)),
        }
    }
}

/// Waits so long for the next message, by the time in which this process ran: while the machine stood still (a virtual
/// one was paused, a laptop slept) or the process was stopped, nobody kept it waiting.
fn next<M>(receiver: &Receiver<M>, patience: Duration) -> Result<M, RecvTimeoutError> {
    let mut left = patience;
    loop {
        let piece = left.min(PIECE);
        left -= piece;
        match receiver.recv_timeout(piece) {
            Err(RecvTimeoutError::Timeout) if !left.is_zero() => {}
            outcome => return outcome,
        }
    }
}

/// Of patience. However long a pause is, it costs no more than this.
const PIECE: Duration = Duration::from_millis(100);

fn run<T, R>(
    file: &Path,
    gate: &Gate,
    job: impl FnOnce(&Gate, &mut Out<'_, T>) -> Result<R, StoreError>,
    sink: &mut dyn FnMut(T) -> bool,
    alive: &mut dyn FnMut(),
) -> Result<R, StoreError> {
    // redb may panic on a file that was altered behind its back.
    catch_unwind(AssertUnwindSafe(|| job(gate, &mut Out { sink, alive, steps: 0 }))).unwrap_or_else(|panic| {
        Err(StoreError::Corrupted { path: file.to_owned(), problem: panic_text(&*panic) })
    })
}

fn panic_text(panic: &(dyn Any + Send)) -> String {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("the database gave up")
        .to_owned()
}

fn give_up(call: &Call, waited: Duration, gate: &Gate) -> StoreError {
    let holders = holders_of(&call.file);
    let held = StoreError::Held { waited, holders };
    if gate.abandon() {
        held
    } else {
        StoreError::OutcomeUnknown {
            action: call.action,
            subjects: call.subjects.clone(),
            problem: held.to_string(),
        }
    }
}

/// Returns the processes that have `file` open, those with a write lock first. Processes of other
/// users show only to root.
///
/// redb's locks belong to open file descriptions, so `/proc/locks` does not tell their owner; the
/// `lock:` lines of `/proc/PID/fdinfo/FD` do.
pub(super) fn holders_of(file: &Path) -> Vec<Holder> {
    let Ok(wanted) = fs::metadata(file) else { return Vec::new() };
    let Ok(processes) = fs::read_dir("/proc") else { return Vec::new() };
    let mut holders: Vec<Holder> = processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter_map(|pid| holder(pid, &wanted))
        .collect();
    // Ourselves only if nobody else can be it.
    let own = std::process::id();
    if holders.iter().any(|h| h.pid != own && (h.is_writing || h.is_stopped)) {
        holders.retain(|h| h.pid != own);
    }
    holders.sort_by_key(|h| (!h.is_writing, !h.is_stopped, h.pid));
    holders
}

fn holder(pid: u32, wanted: &fs::Metadata) -> Option<Holder> {
    let mut has_it_open = false;
    let mut is_writing = false;
    for fd in fs::read_dir(format!("/proc/{pid}/fd")).ok()?.filter_map(Result::ok) {
        let Ok(meta) = fs::metadata(fd.path()) else { continue };
        if meta.ino() != wanted.ino() || meta.dev() != wanted.dev() {
            continue;
        }
        has_it_open = true;
        let info = format!("/proc/{pid}/fdinfo/{}", fd.file_name().to_string_lossy());
        let info = fs::read_to_string(info).unwrap_or_default();
        // Every exclusive lock of redb in this mode is one that others wait for.
        is_writing |= info.lines().any(|line| line.starts_with("lock:") && line.contains(" WRITE "));
    }
    has_it_open.then(|| {
        let (command, is_stopped) = command_and_state(pid);
        Holder { pid, command, is_stopped, is_writing }
    })
}

/// Reads `PID (command) S …`; the command may itself contain parentheses.
fn command_and_state(pid: u32) -> (String, bool) {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let command = stat.split_once('(').and_then(|(_, rest)| rest.rsplit_once(')')).map_or("?", |(c, _)| c);
    let state = stat.rsplit_once(") ").and_then(|(_, rest)| rest.chars().next());
    // A process may call itself anything; what it says ends on a terminal.
    let command = command.chars().filter(|c| !c.is_control()).collect();
    (command, matches!(state, Some('T' | 't')))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::super::testing::{self, consumer};
    use super::super::{Access, Options, Store};
    use super::*;

    fn call(patience: Duration) -> Call {
        let patience = Some(patience);
        Call { file: "/dev/null".into(), action: "testing", subjects: vec!["key_1".into()], patience }
    }

    const SHORT: Duration = Duration::from_millis(50);

    #[test]
    fn a_call_that_waits_too_long_is_given_up_and_never_commits() {
        let (let_go, wait) = channel::<()>();
        let (tell, told) = channel();
        let error = watched(&call(SHORT), move |gate| {
            wait.recv().ok();
            tell.send(gate.enter_commit()).unwrap();
            Ok(())
        })
        .unwrap_err();
        assert!(matches!(error, StoreError::Held { waited: SHORT, .. }));
        let_go.send(()).unwrap();
        assert!(!told.recv().unwrap(), "an abandoned call committed");
    }

    #[test]
    fn a_commit_that_takes_too_long_has_an_unknown_outcome() {
        let commit = || {
            let (_keep, wait) = channel::<()>();
            watched(&call(Duration::from_secs(2)), move |gate| {
                assert!(gate.enter_commit());
                wait.recv().ok();
                Ok(())
            })
            .unwrap_err()
        };
        // A machine that is busy enough does not begin it in that time.
        let error = (0..5).map(|_| commit()).find(|error| !matches!(error, StoreError::Held { .. }));
        let Some(StoreError::OutcomeUnknown { action, subjects, .. }) = error else { panic!("{error:?}") };
        assert_eq!((action, subjects), ("testing", vec!["key_1".to_owned()]));
    }

    #[test]
    fn a_panic_is_an_error_and_items_come_in_order_until_enough() {
        let error =
            watched::<()>(&call(Duration::from_mins(1)), |_| panic!("page {} is torn", 7)).unwrap_err();
        assert!(error.to_string().contains("page 7 is torn"));
        for patience in [Some(Duration::from_mins(1)), None] {
            let call = Call { patience, ..call(SHORT) };
            let mut seen = Vec::new();
            let count =
                |_: &Gate, out: &mut Out<'_, u32>| Ok((0..10_000_000).take_while(|i| out.push(*i)).count());
            let pushed = streamed(&call, count, &mut |i| {
                seen.push(i);
                seen.len() < 3000
            })
            .unwrap();
            assert_eq!(seen, (0..3000).collect::<Vec<_>>());
            assert!(pushed < 100_000, "it went on for {pushed} items");
        }
    }

    /// The other process of the tests below: this test binary, told by its environment what to do.
    #[test]
    fn child() {
        let Ok(dir) = std::env::var("KGATE_TEST_CHILD_DIR") else { return };
        println!("opening");
        let store = testing::open(Path::new(&dir));
        if std::env::var("KGATE_TEST_CHILD_HOLDS").is_ok() {
            store
                .write("holding", Vec::new(), |_| -> Result<(), StoreError> {
                    println!("holding");
                    // Until the parent closes the pipe.
                    std::io::stdin().read_line(&mut String::new()).unwrap();
                    Ok(())
                })
                .ok();
        } else {
            for i in 0..40 {
                consumer(&store, &format!("child {i}"));
            }
        }
    }

    fn spawn_child(dir: &Path, holds: bool) -> std::process::Child {
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "store::guard::tests::child", "--nocapture"])
            .env("KGATE_TEST_CHILD_DIR", dir);
        if holds {
            command.env("KGATE_TEST_CHILD_HOLDS", "1");
        }
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped()).spawn().unwrap()
    }

    /// Waits until it says so. What it says afterwards is for whoever keeps what this returns.
    fn hear(child: &mut std::process::Child, word: &str) -> impl Sized + use<> {
        use std::io::BufRead as _;
        let mut lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.by_ref().map_while(Result::ok).any(|line| line.ends_with(word)));
        lines
    }

    /// As when a virtual machine was paused, or a laptop slept: nobody kept it waiting meanwhile.
    #[test]
    fn a_process_that_stood_still_has_not_waited() {
        use rustix::process::{Pid, Signal, kill_process};
        let (dir, store) = testing::store();
        drop(store);
        let mut holder = spawn_child(dir.path(), true);
        let _held = hear(&mut holder, "holding");
        let mut waiting = spawn_child(dir.path(), false);
        let _said = hear(&mut waiting, "opening");
        let pid = Pid::from_child(&waiting);
        thread::sleep(Duration::from_millis(500));
        kill_process(pid, Signal::STOP).unwrap();
        // Longer than its patience.
        thread::sleep(Options::default().patience.unwrap() + Duration::from_secs(1));
        kill_process(pid, Signal::CONT).unwrap();
        drop(holder.stdin.take());
        holder.wait().unwrap();
        assert!(waiting.wait().unwrap().success(), "it gave up");
        assert_eq!(testing::open(dir.path()).revision().unwrap().0, 40);
    }

    #[test]
    fn the_error_names_the_process_that_holds_the_store() {
        let (dir, store) = testing::store();
        drop(store);
        let mut child = spawn_child(dir.path(), true);
        let _said = hear(&mut child, "holding");
        // Reading goes on beside a writer.
        let reader = Store::open(dir.path(), Access::Read, &testing::options()).unwrap();
        assert!(reader.revision().is_ok());
        let options = Options { patience: Some(Duration::from_millis(300)), ..testing::options() };
        let error = Store::open(dir.path(), Access::Write, &options).unwrap_err();
        let StoreError::Held { holders, .. } = error else { panic!("{error}") };
        assert_eq!((holders[0].pid, holders[0].is_writing), (child.id(), true), "{holders:?}");
        assert!(holders[0].command.starts_with("kgate"), "{holders:?}");
        drop(child.stdin.take());
        child.wait().unwrap();
        let store = testing::open(dir.path());
        consumer(&store, "after");
        assert_eq!(store.revision().unwrap().0, 1);
    }

    #[test]
    fn two_processes_and_two_handles_write_one_history() {
        let (dir, store) = testing::store();
        let mut child = spawn_child(dir.path(), false);
        let other = testing::open(dir.path());
        for i in 0..20 {
            consumer(&store, &format!("a{i}"));
            consumer(&other, &format!("b{i}"));
        }
        assert!(child.wait().unwrap().success());
        assert_eq!(store.revision().unwrap().0, 80);
        assert_eq!(other.audit_head().unwrap(), store.audit_head().unwrap());
        let report = store.verify_audit().unwrap();
        assert_eq!((report.rows, report.faults), (81, Vec::new()));
    }
}
