//! `kgate check`

use clap::Args;

use crate::admin::api::HashShape;
use crate::config::{Config, ConfigError, Report, Severity};
use crate::store::{Access, Options, Store};
use crate::tell::Client;

use super::advice::config_failure;
use super::failure::{Answer, Failure, Outcome};
use super::key;
use super::session::Session;
use super::signing_key;
use super::ui::{Cell, Format, Item, Object, Tone};
use super::values::counted;
use super::view::{Field, named};

/// What `check` prints of each problem.
pub(super) const PROBLEM: &[Field] = &[
    ("severity", "`error` or `warning`"),
    ("file", "the configuration"),
    ("line", "from 1"),
    ("column", "from 1, in characters"),
    ("message", "what is wrong or doubtful"),
    ("help", "what to do about it, or null"),
];

/// Check the configuration, with every mistake at once
///
/// Runs the code that `kgate serve` runs, and looks into the store, if there is one, for keys that depend
/// on a pepper that is not declared. Exit code 0 if it can be used, 2 if not; with --strict 1 if
/// there are warnings.
#[derive(Args)]
pub(super) struct Check {
    /// Let warnings fail, too
    #[arg(long)]
    strict: bool,
}

pub(super) fn run(args: &Check, session: &Session) -> Outcome {
    let path = session.config_path()?;
    match Config::read(&path) {
        Ok(mut loaded) => {
            loaded.note_dates(session.now());
            print(&loaded.warnings, session)?;
            if loaded.warnings.has_errors() {
                let message = format!("{} names certificates that clients refuse", path.display());
                return Err(Failure::cannot(message));
            }
            let config = &loaded.config;
            check_peppers(config, session)?;
            signing_key::check(config)?;
            check_outlets(config)?;
            session.ui.status(format!(
                "{} can be used: {}, {}, {}, {}",
                path.display(),
                counted(config.route_names.len(), "route"),
                counted(config.upstreams.len(), "upstream"),
                counted(config.plans.len(), "plan"),
                counted(config.key_types.as_slice().len(), "key type")
            ));
            let fails = args.strict && !loaded.warnings.is_empty();
            Ok(if fails { Answer::No } else { Answer::Yes })
        }
        Err(ConfigError::Invalid(report)) => {
            print(&report, session)?;
            let errors = report.problems().iter().filter(|p| p.severity == Severity::Error).count();
            let what = if errors == 1 { "a mistake".to_owned() } else { format!("{errors} mistakes") };
            Err(Failure::cannot(format!("{} has {what} and cannot be used", path.display())))
        }
        Err(error) => Err(config_failure(&error)),
    }
}

/// Refuses webhooks and a collector whose authorities cannot be read.
fn check_outlets(config: &Config) -> Result<(), Failure> {
    let webhooks = config.webhooks.iter().map(|hook| (format!("the webhook `{}`", hook.name), &hook.outlet));
    let traces = config.traces.iter().map(|traces| ("[traces]".to_owned(), &traces.outlet));
    for (who, outlet) in webhooks.chain(traces) {
        Client::new(outlet).map_err(|error| Failure::cannot(format!("{who} cannot be reached: {error}")))?;
    }
    Ok(())
}

/// Refuses a configuration without a pepper that keys in the store depend on: they would all be unknown.
fn check_peppers(config: &Config, session: &Session) -> Result<(), Failure> {
    let dir = session.named_data_dir().unwrap_or(&config.data_dir);
    if !Store::exists(dir) {
        return Ok(());
    }
    let store = Store::open(dir, Access::Read, &Options::default());
    let hashes = match store.and_then(|store| store.hashes(&config.peppers, session.now())) {
        Ok(hashes) => hashes,
        Err(error) => {
            session.ui.warn(format!("cannot tell whether a pepper is missing: {error}"));
            return Ok(());
        }
    };
    match hashes.iter().map(HashShape::from).find(HashShape::is_missing) {
        Some(hash) => Err(Failure::cannot(key::complaint(&hash))
            .help("put its [[pepper]] back, after the first if new keys are to use another")
            .help("rotate or revoke its keys first; `kgate key rehash-status` counts them")),
        None => Ok(()),
    }
}

/// Problems are what this command is asked for: results, for people in the form compilers use.
fn print(report: &Report, session: &Session) -> Result<(), Failure> {
    match session.ui.format() {
        Format::Table if report.is_empty() => Ok(()),
        Format::Table => session.ui.lines(&report.to_string()),
        Format::Json | Format::Jsonl | Format::Csv => {
            let mut list = session.ui.list();
            for problem in report.problems() {
                let (line, column) = report.line_and_column(problem);
                let severity = match problem.severity {
                    Severity::Error => "error",
                    Severity::Warning => "warning",
                };
                let file = session.config_path()?.display().to_string();
                let message = problem.message.clone();
                list.row(&Row { severity, file, line, column, message, hint: problem.hint.clone() })?;
            }
            list.end().map(|_| ())
        }
    }
}

struct Row {
    severity: &'static str,
    file: String,
    line: usize,
    column: usize,
    message: String,
    hint: Option<String>,
}

impl Item for Row {
    const HEADINGS: &'static [&'static str] = &["SEVERITY", "PLACE", "PROBLEM"];

    fn object(&self) -> Object {
        use serde_json::json;
        let values = [
            json!(self.severity),
            json!(self.file),
            json!(self.line),
            json!(self.column),
            json!(self.message),
            json!(self.hint),
        ];
        Object(named(PROBLEM, values))
    }

    fn cells(&self) -> Vec<Cell> {
        let tone = if self.severity == "error" { Tone::Bad } else { Tone::Attention };
        let place = format!("{}:{}:{}", self.file, self.line, self.column);
        vec![Cell::toned(self.severity, tone), Cell::plain(place), Cell::plain(self.message.as_str())]
    }
}
