//! The parts of repositories that `kgate leak-scan` can be told to read.

use std::io::{self, BufRead};
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::failure::Failure;
use crate::scan::{Quarantine, Reach, Scan, Update};

/// What to read of repositories, instead of files.
#[derive(Args)]
#[group(id = "repository", multiple = false)]
pub(super) struct Repositories {
    /// Read a whole repository: every commit, tag, note and stash of all refs, and git's own files
    ///
    /// Each object is read once, then the keys found are traced to commits and paths. Submodules and
    /// borrowed object stores are read, too. REPO is the working directory, if not given.
    #[arg(
        long, value_name = "REPO", num_args = 0..=1, default_missing_value = ".", help_heading = "Repositories"
    )]
    pub(super) history: Option<PathBuf>,
    /// Read what is staged: for pre-commit hooks; see `kgate leak-hook`
    #[arg(long, help_heading = "Repositories")]
    staged: bool,
    /// Read what a push brings, from "old new ref" lines on standard input: for pre-receive hooks
    #[arg(long, help_heading = "Repositories")]
    pre_receive: bool,
    /// Read the commits of HEAD that REV does not have
    #[arg(long, value_name = "REV", help_heading = "Repositories")]
    since: Option<String>,
    /// Read the commits that B has and A does not, written A..B
    #[arg(long, value_name = "A..B", value_parser = range, help_heading = "Repositories")]
    range: Option<(String, String)>,
}

fn range(text: &str) -> Result<(String, String), String> {
    let (old, new) = text.split_once("..").ok_or("two revisions with .. between them, as main..HEAD")?;
    let new = new.strip_prefix('.').unwrap_or(new);
    let or_head = |text: &str| if text.is_empty() { "HEAD".to_owned() } else { text.to_owned() };
    Ok((or_head(old), or_head(new)))
}

impl Repositories {
    /// Says whether anything was asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.history.is_some()
            || self.staged
            || self.pre_receive
            || self.since.is_some()
            || self.range.is_some()
    }

    /// Reads it.
    pub(super) fn scan(&self, scan: &mut Scan<'_>, everything: bool, updates: &[Update]) {
        let here = Path::new(".");
        if let Some(repository) = &self.history {
            scan.history(repository, if everything { Reach::Everything } else { Reach::Refs });
        }
        if self.staged {
            // `git commit -a` has its hook look at an index of its own.
            let index = std::env::var_os("GIT_INDEX_FILE").map(PathBuf::from);
            scan.staged(here, index.as_deref());
        }
        if self.pre_receive {
            scan.pushed(here, updates, &quarantine());
        }
        if let Some(old) = &self.since {
            scan.range(here, old, "HEAD");
        }
        if let Some((old, new)) = &self.range {
            scan.range(here, old, new);
        }
    }

    /// Reads what git tells its pre-receive hook, if that is what this runs for.
    ///
    /// # Errors
    /// If a line is not "old new ref".
    pub(super) fn updates(&self) -> Result<Vec<Update>, Failure> {
        if !self.pre_receive {
            return Ok(Vec::new());
        }
        let lines = io::stdin().lock().lines();
        lines.map(|line| update(&line.unwrap_or_default())).collect()
    }
}

fn update(line: &str) -> Result<Update, Failure> {
    let mut words = line.splitn(3, ' ');
    match (words.next(), words.next(), words.next()) {
        (Some(old), Some(new), Some(name)) => {
            Ok(Update { old: old.to_owned(), new: new.to_owned(), name: name.into() })
        }
        _ => Err(Failure::cannot("standard input has a line that is not \"old new ref\"")
            .help("--pre-receive is for git's pre-receive hook: `kgate leak-hook install --pre-receive`")),
    }
}

/// Git says in the environment where it keeps what is not accepted yet (git-receive-pack(1)).
fn quarantine() -> Quarantine {
    let alternates = std::env::var_os("GIT_ALTERNATE_OBJECT_DIRECTORIES").unwrap_or_default();
    Quarantine {
        objects: std::env::var_os("GIT_OBJECT_DIRECTORY").map(PathBuf::from),
        alternates: std::env::split_paths(&alternates).filter(|path| !path.as_os_str().is_empty()).collect(),
    }
}
