//! `kgate leak-rules`

use clap::{Args, ValueEnum};

use crate::key::{Format, KeyType, Kind, Prefix};
use crate::scan::{Dialect, rules};

use super::failure::{Answer, Failure, Outcome};
use super::leak_scan;
use super::output::Output;
use super::session::Session;
use super::ui;

/// Write our prefixes as rules for other scanners
///
/// They find what looks like a key; whether it works only `kgate leak-scan` says. Of these tools
/// Kingfisher alone checks the checksum. Keys of publishable types are left out: they are meant to be
/// seen.
#[derive(Args)]
pub(super) struct LeakRules {
    /// For which tool
    #[arg(long, value_parser = ui::names_of::<Tool>(), default_value = "gitleaks")]
    format: String,
    /// What keys begin with, instead of the configuration's key types; repeatable
    #[arg(long = "prefix", value_name = "PREFIX")]
    prefixes: Vec<Prefix>,
    /// Write rules for publishable types, too
    #[arg(long)]
    publishable: bool,
    /// Write to this file, in place of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<std::path::PathBuf>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Tool {
    /// gitleaks 8: gitleaks detect --config FILE
    Gitleaks,
    /// betterleaks: betterleaks --config FILE
    Betterleaks,
    /// Kingfisher: kingfisher scan --rules-path FILE --load-builtins=false --no-validate
    Kingfisher,
    /// `TruffleHog`: trufflehog filesystem --config FILE --no-verification
    Trufflehog,
    /// GitHub's custom patterns and its partner program, as JSON
    Github,
    /// ripgrep: rg -uu --text --file FILE
    Ripgrep,
}

pub(super) fn run(args: &LeakRules, session: &Session) -> Outcome {
    let Ok(tool) = Tool::from_str(&args.format, false) else {
        return Err(Failure::cannot(format!("there are no rules in the form `{}`", args.format))
            .help("pass --format after `leak-rules`; `kgate leak-rules --help` lists the tools"));
    };
    let types = leak_scan::key_types(&args.prefixes, session)?;
    let is_wanted = |t: &&KeyType| t.format == Format::Kgate && (args.publishable || t.kind == Kind::Secret);
    let wanted: Vec<KeyType> = types.as_slice().iter().filter(is_wanted).cloned().collect();
    if wanted.is_empty() {
        return Err(Failure::cannot("there is no secret key type with a prefix and a checksum")
            .help("pass --publishable to write rules for types that are meant to be seen"));
    }
    for left_out in types.as_slice().iter().filter(|t| !is_wanted(t)) {
        session.ui.status(format!("left out: key type {}", ui::clean(&left_out.name)));
    }
    let mut out = Output::open(args.output.as_deref(), session)?;
    std::io::Write::write_all(&mut out, rules(&wanted, tool.into()).as_bytes())
        .map_err(|e| out.failure(&e))?;
    out.finish()?;
    Ok(Answer::Yes)
}

impl From<Tool> for Dialect {
    fn from(tool: Tool) -> Self {
        match tool {
            Tool::Gitleaks => Self::Gitleaks,
            Tool::Betterleaks => Self::Betterleaks,
            Tool::Kingfisher => Self::Kingfisher,
            Tool::Trufflehog => Self::Trufflehog,
            Tool::Github => Self::Github,
            Tool::Ripgrep => Self::Ripgrep,
        }
    }
}
