//! `kgate leak-hook`

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::{Args, Subcommand};
use serde_json::json;

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;
use super::ui::Object;
use super::view::{Field, named};

/// What `leak-hook` prints.
pub(super) const HOOK: &[Field] = &[
    ("path", "the hook"),
    ("state", "`installed`, `absent`, or `foreign`: there is a hook, and it is not kgate's"),
    ("chained", "whether another hook runs before it"),
];

/// Have git refuse commits and pushes that bring keys
#[derive(Subcommand)]
pub(super) enum LeakHook {
    Install(Install),
    /// Say whether a hook of kgate's is there
    ///
    /// If none is named, pre-receive in a bare repository, pre-commit elsewhere.
    Status(Which),
    /// Remove kgate's hook, and put back the one it ran first
    ///
    /// If none is named, pre-receive in a bare repository, pre-commit elsewhere.
    Remove(Which),
}

/// Install a hook that runs `kgate leak-scan`
///
/// Where git looks for hooks: core.hooksPath, if set. A hook that is there is left alone, or run first,
/// with --chain. If kgate cannot scan, nothing is let through; `git commit --no-verify` overrules it.
#[derive(Args)]
pub(super) struct Install {
    #[command(flatten)]
    which: Which,
    /// Run the hook that is there first, and kgate if it agrees
    #[arg(long)]
    chain: bool,
    /// What else to give to `kgate leak-scan`, after --
    #[arg(last = true, value_name = "ARGUMENT")]
    arguments: Vec<String>,
}

/// Which hook
///
/// If none is named, pre-receive in a bare repository, pre-commit elsewhere.
#[derive(Args)]
pub(super) struct Which {
    /// The hook before a commit, which looks at what is staged
    #[arg(long, conflicts_with = "pre_receive")]
    pre_commit: bool,
    /// The hook of a server before a push is accepted, which looks at what it brings
    #[arg(long)]
    pre_receive: bool,
}

pub(super) fn run(command: &LeakHook, session: &Session) -> Outcome {
    match command {
        LeakHook::Install(args) => install(args, session),
        LeakHook::Status(which) => status(which, session),
        LeakHook::Remove(which) => remove(which, session),
    }
}

fn install(args: &Install, session: &Session) -> Outcome {
    let hook = Hook::find(&args.which)?;
    match hook.state() {
        State::Foreign if args.chain && hook.before().exists() => {
            return Err(Failure::cannot(format!("{} is in the way", hook.before().display())));
        }
        State::Foreign if args.chain => {
            fs::rename(&hook.path, hook.before()).map_err(|e| hook.failure("move", &e))?;
        }
        State::Foreign => {
            return Err(Failure::cannot(format!("there is a hook already: {}", hook.path.display())).help(
                format!("run it first, with --chain; or have it run `kgate leak-scan {}`", hook.kind.flag()),
            ));
        }
        State::Absent | State::Installed => {}
    }
    let program =
        std::env::current_exe().map_err(|e| Failure::cannot("cannot tell where kgate is").because(&e))?;
    let mut words = vec![program.display().to_string(), "leak-scan".to_owned(), hook.kind.flag().to_owned()];
    for (flag, path) in [("--config", session.named_config()), ("--data-dir", session.named_data_dir())] {
        let path = path.map(|path| fs::canonicalize(path).unwrap_or_else(|_| path.to_owned()));
        words.extend(path.into_iter().flat_map(|path| [flag.to_owned(), path.display().to_string()]));
    }
    words.extend(args.arguments.iter().cloned());
    hook.write(&words)?;
    session.ui.status(format!("installed {}", hook.path.display()));
    hook.show(session)?;
    Ok(Answer::Yes)
}

fn status(which: &Which, session: &Session) -> Outcome {
    let hook = Hook::find(which)?;
    session.ui.status(format!("{}: {}", hook.path.display(), hook.state().as_str()));
    hook.show(session)?;
    Ok(if hook.state() == State::Installed { Answer::Yes } else { Answer::No })
}

fn remove(which: &Which, session: &Session) -> Outcome {
    let hook = Hook::find(which)?;
    match hook.state() {
        State::Installed => {
            fs::remove_file(&hook.path).map_err(|e| hook.failure("remove", &e))?;
            if hook.before().exists() {
                fs::rename(hook.before(), &hook.path).map_err(|e| hook.failure("restore", &e))?;
            }
            session.ui.status(format!("removed kgate from {}", hook.path.display()));
        }
        State::Absent => session.ui.status("there is no such hook"),
        State::Foreign => {
            return Err(Failure::cannot(format!("{} is not kgate's", hook.path.display())));
        }
    }
    hook.show(session)?;
    Ok(Answer::Yes)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    PreCommit,
    PreReceive,
}

impl Kind {
    fn file(self) -> &'static str {
        match self {
            Self::PreCommit => "pre-commit",
            Self::PreReceive => "pre-receive",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::PreCommit => "--staged",
            Self::PreReceive => "--pre-receive",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Installed,
    Absent,
    Foreign,
}

impl State {
    fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Absent => "absent",
            Self::Foreign => "foreign",
        }
    }
}

/// A hook's place.
struct Hook {
    kind: Kind,
    path: PathBuf,
}

impl Hook {
    fn find(which: &Which) -> Result<Self, Failure> {
        let is_bare = ask_git(&["rev-parse", "--is-bare-repository"])? == "true";
        let kind = match which {
            Which { pre_commit: true, .. } => Kind::PreCommit,
            Which { pre_receive: true, .. } => Kind::PreReceive,
            _ if is_bare => Kind::PreReceive,
            _ => Kind::PreCommit,
        };
        let folder = ask_git(&["rev-parse", "--path-format=absolute", "--git-path", "hooks"])?;
        Ok(Self { kind, path: Path::new(&folder).join(kind.file()) })
    }

    /// Where a hook is kept that runs before.
    fn before(&self) -> PathBuf {
        self.path.with_extension("before-kgate")
    }

    fn state(&self) -> State {
        match fs::read(&self.path) {
            Ok(text) if text.starts_with(MARK.as_bytes()) => State::Installed,
            Ok(_) => State::Foreign,
            Err(_) if self.path.symlink_metadata().is_ok() => State::Foreign,
            Err(_) => State::Absent,
        }
    }

    fn write(&self, words: &[String]) -> Result<(), Failure> {
        let command = words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ");
        // A pre-receive hook is told on standard input what is pushed; both are to hear it.
        let text = match (self.before().exists(), self.kind) {
            (false, _) => format!("{MARK}exec {command}\n"),
            (true, Kind::PreCommit) => format!("{MARK}\"$0.before-kgate\" \"$@\" || exit\nexec {command}\n"),
            (true, Kind::PreReceive) => format!(
                "{MARK}updates=$(cat)\nprintf '%s\\n' \"$updates\" | \"$0.before-kgate\" \"$@\" || exit\n\
                 printf '%s\\n' \"$updates\" | {command}\n"
            ),
        };
        let folder = self.path.parent().unwrap_or(Path::new("."));
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&self.path, text))
            .and_then(|()| fs::set_permissions(&self.path, fs::Permissions::from_mode(0o755)))
            .map_err(|e| self.failure("write", &e))
    }

    fn show(&self, session: &Session) -> Result<(), Failure> {
        let values = [
            json!(self.path.display().to_string()),
            json!(self.state().as_str()),
            json!(self.state() == State::Installed && self.before().exists()),
        ];
        session.ui.object_to_programs(&Object(named(HOOK, values)))
    }

    fn failure(&self, what: &str, error: &std::io::Error) -> Failure {
        Failure::cannot(format!("cannot {what} {}", self.path.display())).because(error)
    }
}

fn ask_git(arguments: &[&str]) -> Result<String, Failure> {
    let output = Command::new("git").args(arguments).output();
    let output = output.map_err(|e| Failure::cannot("cannot run git").because(&e))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned());
    }
    Err(Failure::cannot("this is no git repository").help("run it in the repository the hook is for"))
}

fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// How a hook of ours begins, and what it is known by.
const MARK: &str = "#!/bin/sh\n# Installed by `kgate leak-hook`, which also removes it.\n";
