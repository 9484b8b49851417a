//! How fast leaks are looked for in a tree, beside ripgrep searching it for a text that is not there.
//!
//! Prints one line of JSON with the fastest of several runs of each, which take turns. The bar: 1.8 times
//! ripgrep. `KGATE_BENCH_TREE` names a directory to scan; otherwise one of 17,000 files and 178 MB is
//! generated.

#![allow(clippy::disallowed_methods, clippy::cast_precision_loss, reason = "a benchmark reads the clock")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use kgate::key::{Format, KeyType, KeyTypes, Kind, Peppers};
use kgate::scan::{Detector, Options, Scan, Totals};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// As in the program.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const THREADS: usize = 2;

fn main() {
    let generated = tempfile::tempdir().expect("a temporary directory");
    let tree = std::env::var_os("KGATE_BENCH_TREE").map_or_else(
        || {
            generate(generated.path());
            generated.path().to_owned()
        },
        PathBuf::from,
    );
    let rounds = std::env::var("ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(10);
    let key_type = KeyType {
        name: "live".to_owned(),
        prefix: "acme_live".parse().expect("a prefix"),
        environment: "live".to_owned(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    };
    let detector = Detector::new(&KeyTypes::new(vec![key_type])).expect("something to find");
    let (mut ours, mut theirs) = (Duration::MAX, None);
    let mut totals = Totals::default();
    for _ in 0..rounds {
        let begun = Instant::now();
        let options = Options { threads: THREADS, ..Options::default() };
        let mut scan = Scan::new(&detector, Peppers::default(), options);
        scan.paths(std::slice::from_ref(&tree));
        totals = scan.finish(None).totals;
        ours = ours.min(begun.elapsed());
        theirs = theirs.into_iter().chain(ripgrep(&tree)).min();
    }
    let ratio = theirs.map(|t: Duration| ours.as_secs_f64() / t.as_secs_f64());
    println!(
        "{{\"files\":{},\"megabytes\":{},\"threads\":{THREADS},\"kgate_ms\":{:.1},\"ripgrep_ms\":{},\"ratio\":{},\"bar\":1.8}}",
        totals.files,
        totals.bytes / 1_000_000,
        ours.as_secs_f64() * 1e3,
        theirs.map_or("null".to_owned(), |t| format!("{:.1}", t.as_secs_f64() * 1e3)),
        ratio.map_or("null".to_owned(), |r| format!("{r:.2}")),
    );
}

/// Returns how long ripgrep takes, if it is installed.
fn ripgrep(tree: &Path) -> Option<Duration> {
    let begun = Instant::now();
    let threads = THREADS.to_string();
    let mut command = Command::new("rg");
    command.args(["-uu", "-a", "-j", &threads, "-F", "acme_live_impossible"]).arg(tree).stdout(Stdio::null());
    command.status().ok().map(|_| begun.elapsed())
}

/// Writes 17,000 files of source-like text, of very different sizes.
fn generate(root: &Path) {
    const WORDS: &[&str] = &[
        "self", "value", "return", "(", ")", "{", "}", ";", "=", "let", "struct", "match", "\"text\"",
        "0x5f", "&mut", "name", "index", "%d", "->", "::", "acme", "live", "//", "for", "if", "0", "1",
        "key_type",
    ];
    let mut random = StdRng::seed_from_u64(1);
    for number in 0..17_000_u32 {
        let folder = root.join(format!("{:02}/{:02}", number % 40, number / 40 % 20));
        fs::create_dir_all(&folder).expect("a writable directory");
        // Mostly some kilobytes, some hundred thousand now and then: 10.5 kB on average.
        let size = if number % 100 == 0 { 400_000 } else { random.random_range(500..13_000) };
        let mut text = String::with_capacity(size + 80);
        while text.len() < size {
            for _ in 0..random.random_range(1..14) {
                let _ = write!(text, "{} ", WORDS[random.random_range(0..WORDS.len())]);
            }
            text.push('\n');
        }
        fs::write(folder.join(format!("{number}.rs")), text).expect("room on the disk");
    }
}
