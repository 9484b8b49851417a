//! What can be typed after `kgate leak-scan`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};

use super::history::Repositories;
use crate::cli::session::Session;
use crate::cli::ui;
use crate::cli::values::{size, span};
use crate::key::{Prefix, Span, Status};
use crate::scan::{Bounds, Finding, Options, Standing};

/// Find leaked keys, say which of them work, and end them
///
/// Reads every file below the paths, hidden and ignored ones too. A key is known by its prefix and its
/// checksum, so hardly anything else is reported; whether it works is asked of the store, or of a list
/// of digests, if there is one. Files and repositories are only read; nothing in them is run.
///
/// Exit code 0 if nothing found is a reason to fail (see --fail-on), 1 if something is, 2 if something
/// could not be read, or nothing was: then it says what, and reports the rest.
///
/// .kgateignore, in the working directory and in each directory scanned, accepts what its lines name:
/// paths as in .gitignore, or sha256:DIGEST. A comment `kgate:allow` on the line of a key accepts it
/// there. What is accepted is still read and counted, and a key that works is reported all the same.
#[derive(Args)]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(in crate::cli) struct LeakScan {
    /// Files and directories; - is standard input. The working directory, if none is named
    #[arg(value_name = "PATH")]
    pub(super) paths: Vec<PathBuf>,
    /// Read standard input
    #[arg(long)]
    pub(super) stdin: bool,
    /// Follow symbolic links inside directories, also out of them
    ///
    /// Without this their names and where they lead are read, and nothing behind them. A path that is
    /// named is followed in any case.
    #[arg(long)]
    pub(super) follow_links: bool,

    #[command(flatten)]
    pub(super) repositories: Repositories,
    /// Read also what no ref leads to: dropped stashes, amended commits
    #[arg(long, requires = "history", help_heading = "Repositories")]
    pub(super) all_objects: bool,

    /// What keys begin with, instead of the configuration's key types; repeatable
    ///
    /// Needs neither configuration nor store. Keys of prefixes that are not configured are taken for
    /// secret.
    #[arg(long = "prefix", value_name = "PREFIX", help_heading = "What keys are")]
    pub(super) prefixes: Vec<Prefix>,
    /// Ask this list of digests instead of a store; `kgate key export --digests` makes one
    #[arg(long, value_name = "FILE", help_heading = "What keys are")]
    pub(super) digests: Option<PathBuf>,
    /// A pepper some digests are under; repeatable
    ///
    /// NAME is what the configuration it comes from calls it; it may be left out where there is only
    /// one. Keys that may be under a pepper that is not at hand are reported as unverified.
    #[arg(long = "pepper-file", value_name = "[NAME=]FILE", help_heading = "What keys are")]
    pub(super) peppers: Vec<PepperFile>,

    /// Form of the report
    #[arg(
        long, value_parser = ui::names_of::<Form>(), default_value = "text", hide_default_value = true,
        help_heading = "Report"
    )]
    format: String,
    /// Write the report to this file, readable by its owner only
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(super) output: Option<PathBuf>,
    /// Print the keys themselves, too
    #[arg(long, help_heading = "Report")]
    pub(super) reveal: bool,
    /// Places remembered of each key; all are counted [default: 1000, of which 10 are shown as text]
    #[arg(long, value_name = "N", help_heading = "Report")]
    pub(super) max_places: Option<usize>,
    /// Which keys are a reason to exit with 1; comma-separated
    ///
    /// By default all that work or are not known to be dead: active, scheduled, disabled, unknown,
    /// unverified. `any` is all, `none` is none. Keys of publishable types never are.
    #[arg(long, value_enum, value_name = "STATUS", value_delimiter = ',', help_heading = "Report")]
    pub(super) fail_on: Vec<FailOn>,
    /// Accept the keys of this baseline
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(super) baseline: Option<PathBuf>,
    /// Write what is found now as a baseline
    #[arg(long, value_name = "FILE", help_heading = "Report")]
    pub(super) write_baseline: Option<PathBuf>,
    /// Accept what this file names, as .kgateignore; repeatable
    #[arg(long = "ignore-file", value_name = "FILE", help_heading = "Report")]
    pub(super) ignore_files: Vec<PathBuf>,
    /// Let baseline, .kgateignore and kgate:allow accept keys that work, too
    #[arg(long, help_heading = "Report")]
    pub(super) allow_active: bool,

    /// Revoke the keys found that work, after asking; where they were found goes to the audit log
    ///
    /// Only keys of this store, and none of publishable types.
    #[arg(long, conflicts_with = "digests", help_heading = "Act")]
    pub(super) revoke: bool,
    /// Do not ask
    #[arg(short, long, requires = "revoke", help_heading = "Act")]
    pub(super) yes: bool,
    /// Only say what would be revoked
    #[arg(long, requires = "revoke", help_heading = "Act")]
    pub(super) dry_run: bool,

    /// Threads; one for each core, if not given
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true, help_heading = "Effort")]
    pub(super) threads: usize,
    /// Memory to use, roughly
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "512MiB", help_heading = "Effort")]
    pub(super) memory: u64,
    /// What one file may expand to, with all archives in it; the rest is not read, and told of
    #[arg(long, value_name = "SIZE", value_parser = size, default_value = "4GiB", help_heading = "Effort")]
    pub(super) unpack_bytes: u64,
    /// CPU time one file may take, with all archives in it; the rest is not read, and told of
    #[arg(long, value_name = "SPAN", value_parser = span, default_value = "2m", help_heading = "Effort")]
    pub(super) unpack_time: Span,
}

/// The form of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Form {
    /// For people
    #[value(alias = "table")]
    Text,
    /// One object with everything
    Json,
    /// A line for each key, then one for the rest
    Jsonl,
    /// SARIF 2.1.0, for code hosts
    Sarif,
    /// GitLab's report of secrets detected
    Gitlab,
    /// XML that CI servers read: keys as failed tests
    Junit,
    /// A line for each key
    Csv,
}

/// A status that makes the scan fail.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, ValueEnum)]
pub(super) enum FailOn {
    /// It works
    Active,
    /// It will work
    Scheduled,
    /// It is switched off, and can be switched on
    Disabled,
    /// Its time is over
    Expired,
    /// It was ended for good
    Revoked,
    /// The store does not know it
    Unknown,
    /// Nobody could be asked
    Unverified,
    /// Whatever it is
    Any,
    /// Nothing
    None,
}

/// `[NAME=]FILE`.
#[derive(Clone, Debug)]
pub(super) struct PepperFile {
    pub(super) name: Option<String>,
    pub(super) path: PathBuf,
}

impl std::str::FromStr for PepperFile {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(match text.split_once('=') {
            Some((name, path)) if !name.is_empty() && !name.contains('/') => {
                Self { name: Some(name.to_owned()), path: path.into() }
            }
            _ => Self { name: None, path: text.into() },
        })
    }
}

impl LeakScan {
    /// Returns the form of the report, whichever of the two flags asked for it.
    pub(super) fn form(&self, session: &Session) -> Form {
        if session.wants_json() {
            return Form::Json;
        }
        Form::from_str(&self.format, false).unwrap_or(Form::Text)
    }

    /// Says whether standard input is to be read.
    pub(super) fn reads_stdin(&self) -> bool {
        self.stdin || self.paths.iter().any(|path| path == Path::new("-"))
    }

    /// Returns the files and directories to read.
    pub(super) fn trees(&self) -> Vec<PathBuf> {
        if self.paths.is_empty() && !self.stdin && !self.repositories.is_asked() {
            return vec![PathBuf::from(".")];
        }
        self.paths.iter().filter(|path| *path != Path::new("-")).cloned().collect()
    }

    pub(super) fn options(&self) -> Options {
        let defaults = Options::default();
        let bounds = Bounds {
            expanded_bytes: self.unpack_bytes,
            time: self.unpack_time.as_duration(),
            ..Bounds::default()
        };
        Options {
            bounds,
            follow_links: self.follow_links,
            threads: self.threads,
            max_places: self.max_places.unwrap_or(defaults.max_places),
            memory: self.memory,
            reveal: self.reveal,
            ..defaults
        }
    }

    /// Returns what makes the scan fail.
    pub(super) fn failing(&self) -> BTreeSet<FailOn> {
        use FailOn::{Active, Any, Disabled, Expired, None, Revoked, Scheduled, Unknown, Unverified};
        let given: BTreeSet<FailOn> = match self.fail_on.as_slice() {
            [] => [Active, Scheduled, Disabled, Unknown, Unverified].into(),
            given => given.iter().copied().collect(),
        };
        if given.contains(&Any) {
            return [Active, Scheduled, Disabled, Expired, Revoked, Unknown, Unverified].into();
        }
        given.into_iter().filter(|one| *one != None).collect()
    }
}

impl FailOn {
    /// Returns what a finding is, in the words of the flag.
    pub(super) fn of(finding: &Finding) -> Self {
        match &finding.standing {
            Standing::Known(known) => match known.status {
                Status::Active => Self::Active,
                Status::Scheduled => Self::Scheduled,
                Status::Disabled => Self::Disabled,
                Status::Expired => Self::Expired,
                Status::Revoked => Self::Revoked,
            },
            Standing::Unknown => Self::Unknown,
            Standing::Unverified | Standing::LookupFailed(_) => Self::Unverified,
        }
    }
}
