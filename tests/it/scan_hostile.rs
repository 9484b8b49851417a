//! Leak detection in what was made to break it: each scan ends, panics nowhere, and says what it could not read.
//!
//! `KGATE_FUZZ=SECONDS` goes on for so long with each kind (`make fuzz`); a fault names the seed.

use std::fs;
use std::io::Cursor;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use kgate::key::Peppers;
use kgate::scan::{Bounds, Options, Outcome, Reach, Report, Scan};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tempfile::TempDir;

use crate::planting::{self, Repo, finding, history, mint};
use crate::scan_archives::{MAKE, detector, python};

/// Calls `each` with as many seeds as there are to try.
#[allow(clippy::disallowed_methods, reason = "a test reads the clock")]
fn seeds(few: u64, mut each: impl FnMut(u64, &mut StdRng)) {
    let seconds = std::env::var("KGATE_FUZZ").ok().and_then(|n| n.parse().ok());
    let (first, begun) = (if seconds.is_some() { rand::rng().random() } else { 0_u64 }, Instant::now());
    for turn in 0.. {
        let goes_on = seconds.map_or(turn < few, |n| begun.elapsed() < Duration::from_secs(n));
        if !goes_on {
            return;
        }
        let seed = first.wrapping_add(turn);
        let said = Said(seed);
        each(seed, &mut StdRng::seed_from_u64(seed));
        std::mem::forget(said);
    }
}

/// Names the seed if the test ends while it lives.
struct Said(u64);

impl Drop for Said {
    fn drop(&mut self) {
        eprintln!("seed {}", self.0);
    }
}

/// Damages `bytes` in some places, in ways files are damaged in.
fn damage(bytes: &mut Vec<u8>, random: &mut StdRng) {
    for _ in 0..random.random_range(1..6) {
        if bytes.is_empty() {
            return;
        }
        let at = random.random_range(0..bytes.len());
        // What is at the beginning and the end decides most.
        let at = match random.random_range(0..4) {
            0 => at.min(at % 64),
            1 => bytes.len() - 1 - at % bytes.len().min(64),
            _ => at,
        };
        let length = random.random_range(0..40).min(bytes.len() - at);
        match random.random_range(0..7) {
            0 => bytes.truncate(at),
            1 => bytes[at..at + length].fill(0xff),
            2 => bytes[at..at + length].fill(0),
            3 => drop(bytes.drain(at..at + length)),
            4 => {
                let again = bytes[at..at + length].to_vec();
                let to = random.random_range(0..bytes.len());
                bytes.splice(to..to, again);
            }
            _ => bytes[at] ^= 1 << random.random_range(0..8),
        }
    }
}

#[test]
fn archives_damaged_at_random_end_and_panic_nowhere() {
    let folder = TempDir::new().unwrap();
    python(folder.path(), MAKE, &[&mint(9_000)]);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().path()).collect();
    paths.sort();
    let archives: Vec<Vec<u8>> = paths.iter().map(|path| fs::read(path).unwrap()).collect();
    let bounds = Bounds { expanded_bytes: 8 << 20, ratio_from: 1 << 20, ..Bounds::default() };
    let detector = detector();
    let path = folder.path().join("damaged");
    seeds(400, |seed, random| {
        let mut bytes = archives[random.random_range(0..archives.len())].clone();
        damage(&mut bytes, random);
        fs::write(&path, &bytes).unwrap();
        let buffer_bytes = random.random_range(8..300) << 10;
        let options = Options { bounds: bounds.clone(), buffer_bytes, threads: 1, ..Options::default() };
        let mut scan = Scan::new(&detector, Peppers::default(), options);
        scan.paths(std::slice::from_ref(&path));
        scan.stream(Path::new("-"), Cursor::new(&bytes));
        let report = scan.finish(None);
        assert_eq!(report.totals.bytes, 2 * bytes.len() as u64, "seed {seed}: all is read, whatever it is");
    });
}

#[test]
fn archives_that_take_too_long_are_told_of_and_not_read_to_the_end() {
    let folder = TempDir::new().unwrap();
    let (key, plain) = (mint(9_220), mint(9_221));
    let make = "import sys,zipfile,tarfile,io,gzip,os\n\
        z=zipfile.ZipFile('a.zip','w',zipfile.ZIP_DEFLATED)\n\
        [z.writestr(str(n), os.urandom(2000).hex()) for n in range(300)]\n\
        z.writestr('last', sys.argv[1]); z.close()\n\
        open('b.gz','wb').write(gzip.compress(os.urandom(600000).hex().encode()+sys.argv[1].encode()))";
    python(folder.path(), make, &[&key]);
    fs::write(folder.path().join("plain"), &plain).unwrap();
    for (time, is_whole) in [(Duration::from_mins(2), true), (Duration::ZERO, false)] {
        let detector = detector();
        let bounds = Bounds { time, ..Bounds::default() };
        let options = Options { bounds, ..Options::default() };
        let mut scan = Scan::new(&detector, Peppers::default(), options);
        scan.paths(&[folder.path().to_owned()]);
        let report = scan.finish(None);
        assert!(finding(&report, &plain).is_some(), "what is no archive is read");
        assert_eq!(finding(&report, &key).is_some(), is_whole);
        let slow = report.faults.iter().filter(|fault| fault.problem.contains("take more than 0 s")).count();
        assert_eq!(
            (slow, report.faults.len()),
            if is_whole { (0, 0) } else { (2, 2) },
            "{:?}",
            report.faults
        );
    }
    let (code, said) = kgate(folder.path(), &["--unpack-time", "0s"]);
    assert!(code == Some(2) && said.contains("a.zip: its archives take more than"), "{code:?} {said}");
    let (code, said) = kgate(folder.path(), &["--unpack-bytes", "1KiB"]);
    assert!(code == Some(2) && said.contains("expands to more than"), "{code:?} {said}");
}

/// A small repository with packs, indexes, loose objects, refs of both kinds and a key in each commit.
fn repository() -> (Repo, Vec<String>) {
    let repo = Repo::new(&[]);
    let keys: Vec<String> = (0..6).map(|n| mint(9_100 + n)).collect();
    for (number, key) in keys.iter().enumerate() {
        repo.commit("file", format!("{}\n{key}\n", "line\n".repeat(200)));
        repo.git(&["tag", "-a", "-m", "x", &format!("t{number}")]);
        if number == 3 {
            repo.git(&["repack", "-qad"]);
            repo.git(&["pack-refs", "--all"]);
        }
    }
    repo.write("staged", mint(9_110));
    repo.git(&["add", "staged"]);
    (repo, keys)
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let walk = ignore::WalkBuilder::new(folder).standard_filters(false).build();
    let files = walk.filter_map(Result::ok).filter(|e| e.file_type().is_some_and(|kind| kind.is_file()));
    let mut paths: Vec<PathBuf> = files.map(ignore::DirEntry::into_path).collect();
    paths.sort();
    paths
}

#[test]
fn repositories_damaged_at_random_are_scanned_to_the_end() {
    let (repo, _) = repository();
    let dot_git = repo.path().join(".git");
    let is_sample = |path: &PathBuf| path.extension().is_some_and(|e| e == "sample");
    let paths: Vec<PathBuf> = files_below(&dot_git).into_iter().filter(|path| !is_sample(path)).collect();
    seeds(250, |_, random| {
        let path = &paths[random.random_range(0..paths.len())];
        let intact = fs::read(path).unwrap();
        let mut bytes = intact.clone();
        damage(&mut bytes, random);
        // Git makes its objects read-only.
        fs::remove_file(path).unwrap();
        fs::write(path, bytes).unwrap();
        planting::scan(|scan| {
            scan.history(repo.path(), Reach::Everything);
            scan.staged(repo.path(), None);
            scan.range(repo.path(), "HEAD~2", "HEAD");
            scan.paths(&[repo.path().to_owned()]);
        });
        fs::write(path, intact).unwrap();
    });
    assert!(planting::everything(repo.path()).findings.len() >= 7, "all is as it was");
}

#[test]
fn a_repository_that_changes_while_it_is_scanned_loses_no_key_in_silence() {
    let (repo, keys) = repository();
    let (path, done) = (repo.path().to_owned(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let scanning = scope.spawn(|| {
            let silent = (0..20).find(|_| {
                let report = history(&path);
                let is_lost = keys.iter().any(|key| finding(&report, key).is_none());
                is_lost && report.outcome() != Outcome::Incomplete
            });
            done.store(true, Ordering::Relaxed);
            silent
        });
        while !done.load(Ordering::Relaxed) {
            repo.git(&["repack", "-qad"]);
            repo.git(&["prune-packed"]);
            repo.git(&["commit", "-q", "--allow-empty", "-m", "more"]);
        }
        assert_eq!(scanning.join().unwrap(), None, "a key was lost in silence");
    });
}

#[test]
fn links_in_circles_and_to_nowhere_are_read_as_names() {
    let folder = TempDir::new().unwrap();
    let key = mint(9_200);
    fs::create_dir(folder.path().join("inner")).unwrap();
    fs::write(folder.path().join("file"), &key).unwrap();
    symlink("..", folder.path().join("inner/up")).unwrap();
    symlink("itself", folder.path().join("itself")).unwrap();
    symlink("/nowhere", folder.path().join("dangling")).unwrap();
    let report: Report = planting::scan(|scan| scan.paths(&[folder.path().to_owned()]));
    assert_eq!(report.faults, []);
    assert_eq!(finding(&report, &key).unwrap().place_count, 1);
}

#[test]
fn links_are_followed_out_of_the_tree_if_asked_and_circles_end() {
    let (folder, outside) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let keys: Vec<String> = (0..5).map(|n| mint(9_210 + n)).collect();
    fs::create_dir_all(outside.path().join("deep/er")).unwrap();
    fs::write(outside.path().join("deep/er/file"), &keys[0]).unwrap();
    fs::write(outside.path().join("alone"), &keys[1]).unwrap();
    let root = folder.path().join("tree");
    fs::create_dir_all(root.join("inner")).unwrap();
    fs::write(root.join("inner/own"), &keys[2]).unwrap();
    symlink(outside.path().join("deep"), root.join("folder")).unwrap();
    symlink(outside.path().join("alone"), root.join("file")).unwrap();
    symlink("..", root.join("inner/up")).unwrap();
    symlink("itself", root.join("itself")).unwrap();
    symlink(&keys[3], root.join("dangling")).unwrap();
    symlink("/dev/zero", root.join(&keys[4])).unwrap();
    for follow_links in [false, true] {
        let detector = detector();
        let options = Options { follow_links, ..Options::default() };
        let mut scan = Scan::new(&detector, Peppers::default(), options);
        scan.paths(std::slice::from_ref(&root));
        let report = scan.finish(None);
        assert_eq!(report.faults, [], "follows: {follow_links}");
        let found: Vec<bool> = keys.iter().map(|key| finding(&report, key).is_some()).collect();
        assert_eq!(found, [follow_links, follow_links, true, true, true]);
        assert_eq!(finding(&report, &keys[2]).unwrap().place_count, 1);
    }
    let (code, said) = kgate(&root, &["--follow-links"]);
    assert_eq!(code, Some(1), "{said}");
}

/// Runs kgate, and fails if it does not end.
fn kgate(folder: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new("timeout");
    command.args(["-k", "1", "30", env!("CARGO_BIN_EXE_kgate"), "leak-scan", "--prefix", "acme_live"]);
    command.args(arguments).current_dir(folder).env("HOME", folder);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!said.contains("panicked"), "{arguments:?}: {said}");
    (output.status.code(), said)
}

#[test]
fn pipes_and_devices_where_git_has_files_hold_nothing_up() {
    for name in ["HEAD", "index", "packed-refs", "config", "shallow", "FETCH_HEAD", "objects/info/alternates"]
    {
        for is_device in [false, true] {
            let (repo, _) = repository();
            let path = repo.path().join(".git").join(name);
            let _ = fs::remove_file(&path);
            if is_device {
                symlink("/dev/zero", &path).unwrap();
            } else {
                assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
            }
            for arguments in [&["--history"][..], &["--staged"], &["--since", "HEAD~1"], &["."]] {
                let (code, said) = kgate(repo.path(), arguments);
                assert!(
                    matches!(code, Some(0..=2)),
                    "{name}, device: {is_device}, {arguments:?}: {code:?} {said}"
                );
            }
        }
    }
    let (repo, _) = repository();
    let objects = files_below(&repo.path().join(".git/objects"));
    for path in objects {
        fs::remove_file(&path).unwrap();
        assert!(Command::new("mkfifo").arg(&path).status().unwrap().success());
    }
    let (code, said) = kgate(repo.path(), &["--history"]);
    assert_eq!(code, Some(2), "{said}");
}

#[test]
fn a_git_file_may_point_anywhere() {
    let elsewhere = repository().0;
    for (target, expected) in [
        (elsewhere.path().join(".git").to_str().unwrap(), 1),
        ("/nowhere", 2),
        (".", 2),
        (".git", 2),
        ("/dev/zero", 2),
        ("/proc/self", 2),
        ("", 2),
    ] {
        let folder = TempDir::new().unwrap();
        fs::write(folder.path().join(".git"), format!("gitdir: {target}\n")).unwrap();
        let (code, said) = kgate(folder.path(), &["--history"]);
        assert_eq!(code, Some(expected), "{target}: {said}");
    }
    // Stores that borrow from each other.
    let (one, other) = (repository().0, repository().0);
    for (from, to) in [(&one, &other), (&other, &one)] {
        let path = from.path().join(".git/objects/info/alternates");
        fs::write(path, format!("{}\n", to.path().join(".git/objects").display())).unwrap();
    }
    assert_eq!(kgate(one.path(), &["--history"]).0, Some(1));
}

#[test]
fn an_object_of_history_that_is_missing_is_a_fault() {
    let repo = Repo::new(&[]);
    repo.write("a/one.txt", "one");
    repo.commit("a/two.txt", "two");
    repo.commit("a/two.txt", "three");
    // What nothing reaches may have lost what was in it.
    let gone = "100644 blob 1234567890123456789012345678901234567890\tx\n";
    repo.git_with(&["mktree", "--missing"], &[], gone.as_bytes());
    let object = |name: &str| repo.git(&["rev-parse", name]).trim().to_owned();
    let path = |id: &str| repo.path().join(format!(".git/objects/{}/{}", &id[..2], &id[2..]));
    for name in ["HEAD~1:a/two.txt", "HEAD~1:a", "HEAD~1^{tree}"] {
        let id = object(name);
        let (code, said) = kgate(repo.path(), &["--history"]);
        assert_eq!(code, Some(0), "{said}");
        let kept = fs::read(path(&id)).unwrap();
        fs::remove_file(path(&id)).unwrap();
        let (code, said) = kgate(repo.path(), &["--history"]);
        assert!(code == Some(2) && said.contains(&format!("object {id}")), "{name}: {said}");
        fs::write(path(&id), kept).unwrap();
    }
    let (code, said) = kgate(repo.path(), &["--history", "--all-objects"]);
    assert!(code == Some(2) && said.contains("object 12345678"), "{said}");
}
