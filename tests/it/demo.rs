//! `kgate demo`: it does what it says, and leaves nothing behind.

use std::io::{BufRead, BufReader};
use std::net::{SocketAddr, TcpStream};
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use crate::harness::until;

fn demo(temporary: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
    command.arg("demo").env("TMPDIR", temporary.path()).env("NO_COLOR", "1").stdin(Stdio::null());
    command
}

fn is_empty(folder: &TempDir) -> bool {
    std::fs::read_dir(folder.path()).unwrap().next().is_none()
}

#[test]
fn the_demonstration_does_what_it_says_and_cleans_up() {
    let temporary = TempDir::new().unwrap();
    let output = demo(&temporary).output().unwrap();
    let transcript = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{transcript}\n{}", String::from_utf8_lossy(&output.stderr));
    for said in [
        "$ kgate init",
        "HTTP/1.1 200",
        "x-consumer-name: Acme Corp",
        "HTTP/1.1 401",
        "HTTP/1.1 403",
        "HTTP/1.1 429",
        "$ NEW=$(kgate key rotate key_",
        "$ kgate key revoke key_",
        "$ kgate leak-scan shop",
        "What to try next",
    ] {
        assert!(transcript.contains(said), "`{said}` is missing from\n{transcript}");
    }
    assert!(!transcript.contains('\u{1b}'), "NO_COLOR is set");
    assert!(!transcript.contains('✗'));
    assert!(is_empty(&temporary));
}

#[test]
fn an_interrupted_demonstration_cleans_up() {
    let temporary = TempDir::new().unwrap();
    let mut child = demo(&temporary).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("serves on ")).unwrap();
    let gateway = line.split("serves on ").nth(1).unwrap().split([' ', ',']).next().unwrap();
    let gateway: SocketAddr = gateway.trim_end_matches(':').parse().unwrap();
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    // Read on, so that it is the signal and not a closed pipe that ends it.
    lines.for_each(drop);
    let status = child.wait().unwrap();
    assert!(matches!(status.code(), Some(143 | 0)), "{status}");
    assert!(is_empty(&temporary));
    // Somebody else may have been given its port, for a while.
    until("the server is gone", || TcpStream::connect(gateway).is_err());
}
