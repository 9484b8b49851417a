//! What the commands say when the disk, another process or the store itself is in the way: always an
//! error that names it, always within seconds, and nothing is lost.

#![allow(clippy::disallowed_methods, reason = "a test's deadline is no decision")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::cli::{Home, Said, kgate, said};

/// Longer than the store's patience of five seconds, on a machine that takes its time over the rest, and shorter than for
/// ever, which is what it guards against.
const SOON: Duration = Duration::from_secs(40);

#[test]
fn a_full_disk_is_named_and_loses_nothing() {
    let Some(fault) = Namespace::try_new() else { return };
    // Half a megabyte beyond what an empty store takes.
    let said = fault.run(
        "mount -t tmpfs -o size=3m tmpfs disk && cd disk &&
         $KGATE -q init --yes &&
         $KGATE -q consumer create Acme > /dev/null &&
         $KGATE -q key create --consumer Acme > /dev/null &&
         { $KGATE key create --consumer Acme --count 100000 > /dev/null; echo \"code $?\"; } &&
         dd if=/dev/zero of=filler bs=4k 2> /dev/null;
         $KGATE key create --consumer Acme --count 2000 > /dev/null; echo \"code $?\";
         rm -f filler;
         $KGATE key list --format csv | head -2 | tail -1 | cut -c1-4;
         $KGATE audit verify",
    );
    assert!(said.stdout.starts_with("code 2\ncode 2\nkey_\n"), "{}\n{}", said.stdout, said.stderr);
    assert!(said.stderr.contains("no space left"), "{}", said.stderr);
    assert!(said.stderr.contains("help: make room"), "{}", said.stderr);
    assert!(said.stderr.contains("the audit log is whole"), "{}", said.stderr);
    assert_eq!(said.code, 0, "{}", said.stderr);
}

#[test]
fn a_read_only_directory_can_be_read_and_says_why_it_cannot_be_written() {
    let Some(fault) = Namespace::try_new() else { return };
    let said = fault.run(
        "mount -t tmpfs tmpfs disk && cd disk &&
         $KGATE -q init --yes && $KGATE -q consumer create Acme > /dev/null &&
         mount -o remount,ro disk . 2> /dev/null || mount -o remount,ro tmpfs .;
         $KGATE consumer list --format csv | wc -l;
         $KGATE consumer create Other; echo \"code $?\";
         $KGATE init --yes --config other.toml --data-dir elsewhere; echo \"code $?\"",
    );
    assert_eq!(said.stdout, "2\ncode 2\ncode 2\n", "{}", said.stderr);
    assert!(said.stderr.contains("cannot be written"), "{}", said.stderr);
    assert!(said.stderr.contains("read-only"), "{}", said.stderr);
}

#[test]
fn a_stopped_process_that_holds_the_store_is_named_within_seconds() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme"]);
    let (mut holder, pid) = stopped_writer(&home);
    let begun = Instant::now();
    let said = home.run(&["key", "create", "--consumer", "Acme"]);
    let took = begun.elapsed();
    kill_process(pid, Signal::CONT).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    holder.wait().unwrap();
    assert!(took < SOON, "{took:?}");
    assert_eq!((said.code, said.stdout.as_str()), (2, ""), "{}", said.stderr);
    let named = format!("process {} ", holder.id());
    assert!(said.stderr.contains(&named) && said.stderr.contains("stopped"), "{}", said.stderr);
    assert!(said.stderr.contains(&format!("kill -CONT {}", holder.id())), "{}", said.stderr);
    home.ok(&["key", "create", "--consumer", "Acme"]);
}

#[test]
fn a_store_that_is_none_of_ours_is_left_alone() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme"]);
    let file = home.path("kgate-data/kgate.redb");
    let whole = fs::read(&file).unwrap();
    for (name, bytes, words) in [
        ("empty", &[][..], "kgate.redb"),
        ("truncated", &whole[..100], "truncated"),
        ("cut in half", &whole[..whole.len() / 2], "kgate.redb"),
        ("foreign", b"SQLite format 3\0 and something else that fills a header and more ....................................................................................................................................................................................................................................................................", "is not a kgate store"),
    ] {
        fs::write(&file, bytes).unwrap();
        for args in [&["key", "list"][..], &["key", "create", "--consumer", "Acme"], &["serve"]] {
            let said = within(SOON, home.command(args));
            assert_eq!(said.code, 2, "{name} {args:?}: {}{}", said.stdout, said.stderr);
            assert!(said.stderr.lines().any(|line| line.starts_with("error: ") && line.contains(words)), "{name} {args:?}: {}", said.stderr);
            assert!(!said.stderr.contains("panicked"), "{name} {args:?}: {}", said.stderr);
            assert!(said.stderr.contains("help: "), "{name} {args:?}: {}", said.stderr);
        }
        assert_eq!(fs::read(&file).unwrap(), bytes, "{name}: the file was touched");
        let said = home.run(&["doctor"]);
        assert_eq!(said.code, 1, "{name}: {}{}", said.stdout, said.stderr);
    }
    fs::remove_file(&file).unwrap();
    let said = home.run(&["key", "list"]);
    assert_eq!(said.code, 2);
    assert!(
        said.stderr.contains("there is no store") && said.stderr.contains("kgate init"),
        "{}",
        said.stderr
    );
    fs::write(&file, &whole).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(home.ok(&["consumer", "list", "--format", "csv"]).lines().count(), 2);
    home.ok(&["doctor"]);
}

#[test]
fn a_second_server_and_a_port_in_use_are_told_apart() {
    let home = Home::new();
    let text = fs::read_to_string(home.path("kgate.toml")).unwrap();
    let free = text.replace("127.0.0.1:8080", "127.0.0.1:0").replace("127.0.0.1:8081", "127.0.0.1:0");
    fs::write(home.path("kgate.toml"), &free).unwrap();
    let mut server = Server::start(&home);
    let said = within(SOON, home.command(&["serve"]));
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains(&server.child.id().to_string()), "{}", said.stderr);
    assert!(said.stderr.contains("--shared"), "{}", said.stderr);
    server.stop();

    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    fs::write(
        home.path("kgate.toml"),
        text.replace("127.0.0.1:8080", &address).replace("127.0.0.1:8081", "127.0.0.1:0"),
    )
    .unwrap();
    let said = within(SOON, home.command(&["serve"]));
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(said.stderr.contains(&address), "{}", said.stderr);
    assert!(said.stderr.contains("help: another program listens there"), "{}", said.stderr);
}

#[test]
fn strange_bytes_in_arguments_and_input_are_errors_in_words() {
    let home = Home::new();
    home.ok(&["consumer", "create", "Acme"]);
    for args in [
        &["key", "create", "--consumer", "Acme", "--name", "a\nb"][..],
        &["key", "create", "--consumer", "Acme", "--meta", "a=\u{1b}[31m"],
        &["consumer", "create", "\u{202e}evil"],
        &["consumer", "create", ""],
        &["consumer", "show", "\u{1b}]0;x\u{7}"],
        &["key", "show", "key_\u{1b}[2J"],
    ] {
        let said = home.run(args);
        assert!([1, 2].contains(&said.code), "{args:?}: {}", said.stderr);
        assert!(!said.stderr.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{args:?}: {}", said.stderr);
    }
    let input = "\u{1b}[2J\0\n".to_owned() + &"x".repeat(1 << 20);
    let said = home.run_with(&["key", "revoke", "--stdin", "--yes"], &input);
    assert_eq!(said.code, 2, "{}", said.stderr);
    assert!(!said.stderr.contains('\u{1b}'), "{}", said.stderr);
    let mut not_text = home.command(&["key", "verify"]);
    not_text.stdin(fs::File::open(env!("CARGO_BIN_EXE_kgate")).unwrap());
    let output = not_text.output().unwrap();
    assert_eq!(output.status.code(), Some(2));
}

/// Starts a bulk creation and stops it in the middle of its writing.
fn stopped_writer(home: &Home) -> (Child, Pid) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let child = home
            .command(&["key", "create", "--consumer", "Acme", "--count", "2000000"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = Pid::from_child(&child);
        let mut child = child;
        // Stopped at any moment; that it holds the write lock then is likely, and looked for.
        while !holds_write_lock(child.id()) && Instant::now() < deadline {
            thread::yield_now();
        }
        kill_process(pid, Signal::STOP).unwrap();
        // The threads stop one after the other; until the last has, the lock may still be given up.
        while !is_stopped(child.id()) && Instant::now() < deadline {
            thread::yield_now();
        }
        if holds_write_lock(child.id()) {
            return (child, pid);
        }
        kill_process(pid, Signal::KILL).unwrap();
        child.wait().unwrap();
        assert!(Instant::now() < deadline, "no writer was ever stopped while it held the lock");
    }
}

/// Says whether every thread of a process is stopped.
fn is_stopped(pid: u32) -> bool {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    threads.filter_map(Result::ok).all(|thread| {
        let stat = fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    })
}

fn holds_write_lock(pid: u32) -> bool {
    let Ok(open) = fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return false };
    open.filter_map(Result::ok).any(|entry| {
        let info = fs::read_to_string(entry.path()).unwrap_or_default();
        info.lines().any(|line| line.starts_with("lock:") && line.contains(" WRITE "))
    })
}

/// A running `kgate serve`.
struct Server {
    child: Child,
}

impl Server {
    /// Starts it and waits until it says that it serves.
    fn start(home: &Home) -> Self {
        use std::io::{BufRead, BufReader};
        let mut child =
            home.command(&["serve"]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let first = lines.find(|line| line.as_ref().is_ok_and(|line| line.contains("serves on")));
        assert!(first.is_some(), "it did not start");
        // What it says later must not block it.
        thread::spawn(move || lines.for_each(drop));
        Self { child }
    }

    fn stop(&mut self) {
        kill_process(Pid::from_child(&self.child), Signal::TERM).unwrap();
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a command that must end by itself in time.
fn within(limit: Duration, mut command: Command) -> Said {
    let begun = Instant::now();
    let mut child =
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while child.try_wait().unwrap().is_none() {
        if begun.elapsed() > limit {
            child.kill().unwrap();
            let output = child.wait_with_output().unwrap();
            panic!("{command:?} did not end: {}", String::from_utf8_lossy(&output.stderr));
        }
        thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    Said {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A mount namespace of its own, where disks can be made full or read-only.
struct Namespace {
    dir: tempfile::TempDir,
}

impl Namespace {
    /// `None`, said aloud, where the system allows none (a container without user namespaces).
    fn try_new() -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("disk")).unwrap();
        let works = unshare(dir.path(), "mount -t tmpfs tmpfs disk").status().is_ok_and(|s| s.success());
        if !works {
            eprintln!("skipped: no mount namespaces here");
        }
        works.then_some(Self { dir })
    }

    fn run(&self, script: &str) -> Said {
        said(&mut unshare(self.dir.path(), script), "")
    }
}

fn unshare(dir: &Path, script: &str) -> Command {
    let environment = kgate(dir);
    let mut command = Command::new("unshare");
    command.args(["-rm", "sh", "-c", script]).current_dir(dir).env_clear();
    for (name, value) in environment.get_envs() {
        command.env(name, value.unwrap_or_default());
    }
    command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").env("KGATE", env!("CARGO_BIN_EXE_kgate"));
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}
