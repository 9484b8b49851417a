//! `kgate init`

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::config;
use crate::key::Prefix;
use crate::store::{Options, Store, StoreError};

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;

/// Write a configuration and make a data directory
///
/// On a terminal it asks for what no flag gives; elsewhere, and with --yes, defaults are taken.
/// Nothing that exists is overwritten: beside a configuration that came from elsewhere, only the
/// data directory it names is made.
#[derive(Args)]
pub(super) struct Init {
    /// What every key starts with, such as acme: keys will be `acme_live_…` and `acme_test_…`
    #[arg(long)]
    prefix: Option<String>,
    /// The service behind the gateway
    #[arg(long, value_name = "HOST:PORT")]
    upstream: Option<String>,
    /// Take defaults instead of asking
    #[arg(short, long)]
    yes: bool,
}

pub(super) fn run(args: &Init, session: &Session) -> Outcome {
    let path = session.named_config().unwrap_or(Path::new("kgate.toml")).to_owned();
    if path.symlink_metadata().is_ok() {
        return args.make_only_the_store(&path, session);
    }
    let answers = args.complete(session)?;
    let text = config::template(&answers.prefix, &answers.upstream);
    let text = with_data_dir(&text, session.named_data_dir(), &path);
    // Checked before it is written: a template that its own check refuses must not reach the disk.
    let loaded = config::Config::parse(&path, &text).map_err(|e| super::advice::config_failure(&e))?;
    let dir = loaded.config.data_dir;
    let made_store = make_store(&dir, session)?;
    write_new(&path, &text)?;
    session.ui.status(format!("wrote {}", path.display()));
    if made_store {
        session.ui.status(format!("made the data directory {}", dir.display()));
    } else {
        session.ui.status(format!("using the store that is in {}", dir.display()));
    }
    print_next(&path, &answers, session);
    Ok(Answer::Yes)
}

struct Answers {
    prefix: String,
    upstream: String,
}

impl Init {
    /// The configuration came from elsewhere, a repository perhaps: it stays, and gets its store.
    fn make_only_the_store(&self, path: &Path, session: &Session) -> Outcome {
        if self.prefix.is_some() || self.upstream.is_some() {
            return Err(Failure::cannot(format!("{} exists already, and is left as it is", path.display()))
                .help("without --prefix and --upstream, `kgate init` makes the store it names; or name another file with --config"));
        }
        let loaded = config::Config::read(path).map_err(|e| super::advice::config_failure(&e))?;
        let dir = session.named_data_dir().unwrap_or(&loaded.config.data_dir);
        if !make_store(dir, session)? {
            return Err(Failure::cannot(format!(
                "{} and the store in {} exist already",
                path.display(),
                dir.display()
            ))
            .help("they are left as they are; `kgate check` and `kgate doctor` look at them"));
        }
        session.ui.status(format!("made the data directory {} for {}", dir.display(), path.display()));
        Ok(Answer::Yes)
    }

    fn complete(&self, session: &Session) -> Result<Answers, Failure> {
        let asks = !self.yes && session.ui.can_ask();
        let prefix = match &self.prefix {
            Some(prefix) => prefix.clone(),
            None if asks => session.ui.ask("What every key starts with", DEFAULT_PREFIX, check_prefix)?,
            None => DEFAULT_PREFIX.to_owned(),
        };
        check_prefix(&prefix).map_err(Failure::cannot)?;
        let upstream = match &self.upstream {
            Some(upstream) => upstream.clone(),
            None if asks => {
                session.ui.ask("The service behind the gateway", DEFAULT_UPSTREAM, check_upstream)?
            }
            None => DEFAULT_UPSTREAM.to_owned(),
        };
        check_upstream(&upstream).map_err(Failure::cannot)?;
        Ok(Answers { prefix, upstream })
    }
}

fn check_prefix(prefix: &str) -> Result<(), String> {
    let longest = format!("{prefix}_live");
    prefix.parse::<Prefix>().and_then(|_| longest.parse::<Prefix>()).map(|_| ()).map_err(|e| e.to_string())
}

/// Only what would break the file's syntax; the configuration's own check knows the rest.
fn check_upstream(upstream: &str) -> Result<(), String> {
    let bad = |c: char| c.is_control() || c.is_whitespace() || matches!(c, '"' | '\\' | '\'');
    if upstream.is_empty() || upstream.contains(bad) || upstream.contains("://") {
        return Err(format!("`{upstream}` is not HOST:PORT or unix:PATH"));
    }
    Ok(())
}

/// Puts the data directory named by a flag into the template, whose own is beside the file.
fn with_data_dir(text: &str, dir: Option<&Path>, config: &Path) -> String {
    let Some(dir) = dir else { return text.to_owned() };
    // Relative paths in the file are relative to it, those on the command line to where we are.
    let beside = config.parent().is_none_or(|parent| parent.as_os_str().is_empty());
    let dir: PathBuf = match std::path::absolute(dir) {
        Ok(absolute) if !beside => absolute,
        _ => dir.to_owned(),
    };
    let quoted = serde_json::to_string(&dir.display().to_string()).expect("a string has a JSON form");
    text.lines()
        .map(|line| match line.strip_prefix("data_dir") {
            Some(rest) if rest.trim_start().starts_with('=') => format!("data_dir = {quoted}\n"),
            _ => format!("{line}\n"),
        })
        .collect()
}

/// Makes a store, unless there is one; says whether it did.
fn make_store(dir: &Path, session: &Session) -> Result<bool, Failure> {
    match Store::create(dir, &Options::default(), &session.act(None), &mut rand::rng()) {
        Ok(store) => {
            store.close()?;
            Ok(true)
        }
        Err(StoreError::AlreadyThere { .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Writes a file that did not exist. 0640: it names the way to the keys, and holds none.
fn write_new(path: &Path, text: &str) -> Result<(), Failure> {
    let written = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o640)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()));
    written.map_err(|e| Failure::cannot(format!("cannot write {}", path.display())).because(&e))
}

/// Prints the three commands that end in a 200.
fn print_next(path: &Path, answers: &Answers, session: &Session) {
    let flag = if path == Path::new("kgate.toml") {
        String::new()
    } else {
        format!(" --config {}", shell_quoted(&path.display().to_string()))
    };
    session.ui.status(format!(
        "now, with a service listening on {}:\n\n  \
           kgate{flag} serve &\n  \
           KEY=$(kgate{flag} key create --consumer \"$(kgate{flag} consumer create 'First customer')\")\n  \
           curl -i -H \"Authorization: Bearer $KEY\" http://127.0.0.1:8080/",
        answers.upstream
    ));
}

fn shell_quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_');
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

const DEFAULT_PREFIX: &str = "acme";
const DEFAULT_UPSTREAM: &str = "127.0.0.1:9000";
