//! A key in every context that kgate promises to see into, in repositories made by git: all are found,
//! each by name. And five hundred decoys: none is.

mod contents;
mod hooks;
mod repositories;

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use kgate::key::{Digest, Format, KeyType, KeyTypes, Kind, Peppers, Prefix, Token};
use kgate::scan::{Detector, Finding, Options, Reach, Report, Scan};
use rand::SeedableRng;
use rand::rngs::StdRng;
use tempfile::TempDir;

/// What a context is called, and the key planted in it.
pub type Planted = BTreeMap<&'static str, String>;

pub fn detector() -> Detector {
    let declared = KeyType {
        name: "acme_live".to_owned(),
        prefix: "acme_live".parse().unwrap(),
        environment: "live".to_owned(),
        kind: Kind::Secret,
        format: Format::Kgate,
        default_expires: None,
    };
    Detector::new(&KeyTypes::new(vec![declared])).unwrap()
}

pub fn mint(seed: usize) -> String {
    let prefix: Prefix = "acme_live".parse().unwrap();
    Token::mint(&prefix, &mut StdRng::seed_from_u64(seed as u64)).expose().to_owned()
}

pub fn scan(work: impl FnOnce(&mut Scan<'_>)) -> Report {
    let detector = detector();
    let mut scan = Scan::new(&detector, Peppers::default(), Options::default());
    work(&mut scan);
    scan.finish(None)
}

pub fn history(path: &Path) -> Report {
    scan(|scan| scan.history(path, Reach::Refs))
}

pub fn everything(path: &Path) -> Report {
    scan(|scan| scan.history(path, Reach::Everything))
}

pub fn finding<'r>(report: &'r Report, token: &str) -> Option<&'r Finding> {
    let digest = Digest::sha256(token.as_bytes());
    report.findings.iter().find(|finding| finding.digest == digest)
}

/// Demands every planted key, and names the contexts of those that are missing.
pub fn assert_found(report: &Report, planted: &Planted) {
    let missing: Vec<_> = planted.iter().filter(|(_, token)| finding(report, token).is_none()).collect();
    let names: Vec<_> = missing.iter().map(|(name, _)| name).collect();
    assert!(names.is_empty(), "{} of {} are missed: {names:#?}", names.len(), planted.len());
}

/// A repository driven by the real git, with a clock of its own.
pub struct Repo {
    pub folder: TempDir,
    clock: std::cell::Cell<u64>,
}

impl Repo {
    pub fn new(arguments: &[&str]) -> Self {
        let repo = Self { folder: TempDir::new().unwrap(), clock: 1_700_000_000.into() };
        repo.git(&[&["init", "-q"], arguments].concat());
        repo
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub fn git(&self, arguments: &[&str]) -> String {
        self.git_with(arguments, &[], b"")
    }

    /// Runs git with `environment` and `input`; returns what it prints, trimmed.
    pub fn git_with(&self, arguments: &[&str], environment: &[(&str, &str)], input: &[u8]) -> String {
        self.clock.set(self.clock.get() + 60);
        let date = format!("{} +0000", self.clock.get());
        let mut command = command(self.path());
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        command.envs(environment.iter().copied()).args(arguments);
        let mut child =
            command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input).unwrap();
        let output = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, content).unwrap();
        path
    }

    /// Writes a file and commits it; returns the commit.
    pub fn commit(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        self.write(name, content);
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "-m", &format!("change {}", name.len())]);
        self.git(&["rev-parse", "HEAD"])
    }

    /// Stores an object as it is.
    pub fn object(&self, kind: &str, content: impl AsRef<[u8]>) -> String {
        self.git_with(&["hash-object", "-w", "-t", kind, "--literally", "--stdin"], &[], content.as_ref())
    }
}

/// A git without the configuration of whoever runs the tests.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new("git");
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("GIT_")) {
        command.env_remove(name);
    }
    command.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_CONFIG_NOSYSTEM", "1");
    for setting in [
        "user.name=Jane Doe",
        "user.email=jane@example.com",
        "init.defaultBranch=main",
        "protocol.file.allow=always",
        "gc.auto=0",
        "advice.detachedHead=false",
    ] {
        command.args(["-c", setting]);
    }
    command.arg("-C").arg(folder);
    command
}
