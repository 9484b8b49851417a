//! The command line: one short file a command.
//!
//! A command is an argument struct whose doc comment is its help, and a function that reads from
//! top to bottom: resolve what was named, check, one store call, one status line. Everything
//! printed goes through [`ui::Ui`]; everything that fails becomes a [`failure::Failure`].

mod admin_key;
mod advice;
mod audit;
mod backup;
mod books;
mod check;
mod completions;
mod consumer;
mod demo;
mod digests;
mod doctor;
mod explain;
mod failure;
mod init;
mod key;
mod leak_hook;
mod leak_rules;
mod leak_scan;
mod lookup;
mod man;
mod output;
mod portal;
mod reference;
mod restore;
mod serve;
mod session;
mod signing_key;
mod status;
mod systemd;
mod tls;
mod ui;
mod usage;
mod values;
mod view;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::key::redact_tokens;

use failure::{Answer, Outcome};
use session::Session;
use ui::Format;

pub use completions::{Shell, completion_script};
pub use reference::reference;

/// Issues API keys, finds leaked ones, and serves a gateway that honours every change at once
///
/// Keys and the consumers who hold them live in a data directory; routes, plans, key types and
/// upstreams are in kgate.toml. `kgate init` makes both and says what to do next; `kgate demo` shows
/// everything in a minute.
///
/// Exit codes: 0 done, or clean (an empty list is 0); 1 the answer is "no" (findings, refused, not
/// found); 2 could not do it (usage, configuration, input or output).
#[derive(Parser)]
#[command(
    name = "kgate",
    version = version(),
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Common options")]
struct Common {
    /// Configuration file
    ///
    /// Otherwise the first that exists of ./kgate.toml, kgate/kgate.toml in the user's configuration
    /// directory, and /etc/kgate/kgate.toml.
    #[arg(long, global = true, value_name = "FILE", env = "KGATE_CONFIG", hide_env_values = true)]
    config: Option<PathBuf>,
    /// Data directory, instead of the configuration's
    #[arg(long, global = true, value_name = "DIR", env = "KGATE_DATA_DIR", hide_env_values = true)]
    data_dir: Option<PathBuf>,
    /// Admin listener of a gateway elsewhere, instead of a data directory: https://HOST:PORT or unix:PATH
    ///
    /// For `consumer`, `key`, `admin-key`, `portal`, `usage`, `audit`, `explain` and `status`. The admin key is taken
    /// from `KGATE_ADMIN_KEY` or --admin-key-file; at a Unix socket kgate's user needs none.
    #[arg(long, global = true, value_name = "URL", env = "KGATE_SERVER", hide_env_values = true)]
    server: Option<String>,
    /// File with the admin key for --server
    #[arg(long, global = true, value_name = "FILE", env = "KGATE_ADMIN_KEY_FILE", hide_env_values = true)]
    admin_key_file: Option<PathBuf>,
    /// Authorities that vouch for --server, PEM, instead of this machine's
    #[arg(long, global = true, value_name = "FILE", env = "KGATE_CA", hide_env_values = true)]
    ca: Option<PathBuf>,
    /// Certificate to show to --server, PEM
    #[arg(long, global = true, value_name = "FILE", requires = "client_key")]
    client_cert: Option<PathBuf>,
    /// Private key of --client-cert, PEM
    #[arg(long, global = true, value_name = "FILE", requires = "client_cert")]
    client_key: Option<PathBuf>,
    /// Form of the result
    #[arg(
        long, global = true, value_parser = Format::parser(), default_value = "table", hide_default_value = true
    )]
    format: String,
    /// Short for --format json
    #[arg(long, global = true, conflicts_with = "format")]
    json: bool,
    /// Print results, warnings and errors only
    #[arg(short, long, global = true)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Command {
    Init(init::Init),
    Demo(demo::Demo),
    Serve(serve::Serve),
    Check(check::Check),
    Explain(explain::Explain),
    #[command(subcommand)]
    Consumer(consumer::Consumer),
    #[command(subcommand)]
    Key(key::Key),
    LeakScan(leak_scan::LeakScan),
    #[command(subcommand)]
    LeakHook(leak_hook::LeakHook),
    LeakRules(leak_rules::LeakRules),
    Usage(usage::UsageArgs),
    #[command(subcommand)]
    SigningKey(signing_key::SigningKeys),
    #[command(subcommand)]
    Tls(tls::Tls),
    #[command(subcommand)]
    AdminKey(admin_key::AdminKeys),
    #[command(subcommand)]
    Portal(portal::Portal),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Status(status::Status),
    Doctor(doctor::Doctor),
    Completions(completions::Completions),
    Man(man::Man),
}

/// Runs the command line of this process and returns its exit code.
pub fn main() -> ExitCode {
    ExitCode::from(run(std::env::args_os()))
}

fn run(arguments: impl IntoIterator<Item = OsString>) -> u8 {
    let cli = match Cli::try_parse_from(arguments) {
        Ok(cli) => cli,
        Err(error) => return print_usage(&error),
    };
    let session = Session::new(cli.common);
    let outcome = dispatch(cli.command, &session).and_then(|answer| session.ui.flush().map(|()| answer));
    match outcome {
        Ok(Answer::Yes) => 0,
        Ok(Answer::No) => 1,
        Err(failure) => {
            session.ui.fail(&failure);
            failure.exit_code()
        }
    }
}

fn dispatch(command: Command, session: &Session) -> Outcome {
    if session.is_elsewhere()
        && let Some(instead) = stays_here(&command)
    {
        return Err(failure::Failure::cannot("this command works where the data is, not through --server")
            .help(instead)
            .help("is KGATE_SERVER set, and this command meant for this machine? Unset it"));
    }
    match command {
        Command::Init(args) => init::run(&args, session),
        Command::Demo(args) => demo::run(&args, session),
        Command::Serve(args) => serve::run(&args, session),
        Command::Check(args) => check::run(&args, session),
        Command::Explain(args) => explain::run(&args, session),
        Command::Consumer(command) => consumer::run(command, session),
        Command::Key(command) => key::run(command, session),
        Command::LeakScan(args) => leak_scan::run(&args, session),
        Command::LeakHook(command) => leak_hook::run(&command, session),
        Command::LeakRules(args) => leak_rules::run(&args, session),
        Command::Usage(args) => usage::run(&args, session),
        Command::SigningKey(command) => signing_key::run(command, session),
        Command::Tls(command) => tls::run(&command, session),
        Command::AdminKey(command) => admin_key::run(command, session),
        Command::Portal(command) => portal::run(command, session),
        Command::Audit(args) => audit::run(&args, session),
        Command::Backup(args) => backup::run(&args, session),
        Command::Restore(args) => restore::run(&args, session),
        Command::Status(args) => status::run(&args, session),
        Command::Doctor(args) => doctor::run(&args, session),
        Command::Completions(args) => completions::run(&args, session),
        Command::Man(args) => man::run(&args, session),
    }
}

/// Says what to do instead, of a command that no gateway elsewhere can do.
fn stays_here(command: &Command) -> Option<&'static str> {
    Some(match command {
        Command::Consumer(_)
        | Command::Key(_)
        | Command::AdminKey(_)
        | Command::Portal(_)
        | Command::Usage(_)
        | Command::Audit(_)
        | Command::Explain(_)
        | Command::Status(_)
        | Command::Completions(_)
        | Command::Man(_) => return None,
        Command::Init(_) | Command::Demo(_) | Command::Serve(_) => {
            "it makes or runs a gateway on its own machine"
        }
        Command::Check(_) => "it reads the configuration file: run it where that is",
        Command::LeakScan(_) => {
            "write a list with `kgate key export --digests --output FILE`, and scan with `--digests FILE` and without --server"
        }
        Command::LeakHook(_) => "it installs a hook into a repository of its own machine",
        Command::LeakRules(_) => "it makes rules of the configuration: run it where that is",
        Command::SigningKey(_) | Command::Tls(_) => {
            "private keys stay on the machine that uses them: run it there"
        }
        Command::Backup(_) => "GET /v1/backup of the admin API sends one to an admin, or run it there",
        Command::Restore(_) => "run it there: it writes what no caller may",
        Command::Doctor(_) => {
            "run it there, or ask `kgate status` from here, or GET /v1/doctor of the admin API"
        }
    })
}

/// Help and version go to standard output and are no failure; usage errors are, with exit code 2.
fn print_usage(error: &clap::Error) -> u8 {
    if !error.use_stderr() {
        let _ = error.print();
        return 0;
    }
    // What was typed is repeated here, and a key typed where none belongs must not reach a CI log.
    let rendered = error.render();
    let text =
        if std::io::stderr().is_terminal() { rendered.ansi().to_string() } else { rendered.to_string() };
    let _ = write!(std::io::stderr(), "{}", redact_tokens(&text));
    2
}

/// The forms of JSON output besides keys and consumers, for `docs/cli.md`.
const FORMS: &[(&str, &str, &[view::Field])] = &[
    ("A leak hook", "`leak-hook`.", leak_hook::HOOK),
    ("A revocation", "`key revoke`, for one key or many.", key::REVOKED),
    ("A pruning", "`key prune`.", key::PRUNED),
    ("A verdict", "`explain` and `key verify`.", explain::ACCOUNT),
    ("A signing key", "`signing-key create`, `rotate` and `list`.", signing_key::SIGNING_KEY),
    ("A certificate", "`tls self-signed`.", tls::CERTIFICATE),
    (
        "An admin key",
        "Every `admin-key` command; `token` of `create` and `rotate` only.",
        admin_key::ADMIN_KEY,
    ),
    ("An invitation", "`portal invite`.", portal::INVITE),
    ("A portal session", "`portal list` prints an array of these.", portal::SESSION),
    ("A portal sign-out", "`portal sign-out`.", portal::SIGNED_OUT),
    ("A deleted consumer", "`consumer delete`.", consumer::DELETED),
    (
        "A scan",
        "`leak-scan --format json`. With `jsonl` each finding is a line, and the last line has the rest.",
        leak_scan::REPORT,
    ),
    (
        "A finding",
        "Of `leak-scan`. CSV has these, without `places` but with the first `place`.",
        leak_scan::FINDING,
    ),
    ("A place", "Of a finding.", leak_scan::PLACE),
    ("A commit", "Of a place, or the first or last of a finding.", leak_scan::COMMIT),
    ("A problem", "`check` prints an array of these.", check::PROBLEM),
    ("Usage", "`usage` prints an array of these.", usage::USAGE),
    ("A replaced key", "`key rotation-status` prints an array of these.", key::ROTATION),
    ("A hash", "`key rehash-status` prints an array of these.", key::REHASH),
    ("An alert", "`audit --alerts` prints an array of these.", audit::ALERT),
    ("An audit row", "`audit` prints an array of these.", audit::AUDIT_ROW),
    ("A check of the audit log", "`audit verify`.", audit::AUDIT_REPORT),
    ("A backup", "`backup`.", backup::BACKUP),
    ("A restored backup", "`restore`.", restore::RESTORE),
    ("A check", "`doctor` prints an array of these.", doctor::CHECK),
    ("A status", "`status` prints one; in CSV its checks.", status::STATUS),
];

/// Returns the whole command tree, for generated documents.
fn command() -> clap::Command {
    Cli::command()
}

fn version() -> String {
    format!("{} (store format {})", env!("CARGO_PKG_VERSION"), crate::store::FORMAT)
}
