//! A whole repository's history, as a ratio to git's own reading of it.
//!
//! `KGATE_BENCH_REPOS` names repositories, separated by colons; `KGATE_BENCH_THREADS` the threads.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kgate::key::{Format, KeyType, KeyTypes, Kind, Peppers};
use kgate::scan::{Detector, Options, Reach, Scan};
use mimalloc::MiMalloc;

#[global_allocator]
static GLOBAL: MiMalloc = MiMalloc;

fn main() {
    let repositories = std::env::var("KGATE_BENCH_REPOS").unwrap_or_else(|_| ".".to_owned());
    let threads = std::env::var("KGATE_BENCH_THREADS").map_or(0, |n| n.parse().expect("a number"));
    let prefix = std::env::var("KGATE_BENCH_PREFIX").unwrap_or_else(|_| "acme_live".to_owned());
    for repository in repositories.split(':') {
        let (ours, text) = timed(|| scan(Path::new(repository), threads, &prefix));
        let (git, ()) = timed(|| cat_file(repository));
        let ratio = ours.as_secs_f64() / git.as_secs_f64();
        println!("{repository}: {ours:.2?} : git cat-file {git:.2?} = {ratio:.3}; {text}");
    }
}

fn scan(repository: &Path, threads: usize, prefix: &str) -> String {
    let types = vec![KeyType {
        name: "acme".to_owned(),
        prefix: prefix.parse().expect("a prefix"),
        environment: "live".to_owned(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    }];
    let detector = Detector::new(&KeyTypes::new(types)).expect("a type to look for");
    let mut scan = Scan::new(&detector, Peppers::default(), Options { threads, ..Options::default() });
    scan.history(repository, Reach::Everything);
    let report = scan.finish(None);
    for fault in report.faults.iter().take(5) {
        println!("  {}: {}", fault.path.display(), fault.problem);
    }
    for finding in report.findings.iter().take(5) {
        println!("  {} in {} places: {}", finding.hint, finding.place_count, finding.places[0]);
    }
    let totals = report.totals;
    format!(
        "{} keys, {} objects, {} files, {} MB",
        report.findings.len(),
        totals.objects,
        totals.files,
        totals.bytes >> 20
    )
}

/// The yardstick of the budget: every object inflated, nothing looked at.
fn cat_file(repository: &str) {
    let arguments = ["cat-file", "--batch-all-objects", "--batch", "--buffer", "--unordered"];
    let status = Command::new("git").arg("-C").arg(repository).args(arguments).stdout(Stdio::null()).status();
    assert!(status.expect("git runs").success());
}

#[allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]
fn timed<T>(work: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let result = work();
    (start.elapsed(), result)
}
