//! `kgate completions`: what a shell needs to complete a command line.

use clap::Args;

use super::failure::{Answer, Outcome};
use super::session::Session;

/// Print the completion script of a shell
///
/// Bash: `kgate completions bash > ~/.local/share/bash-completion/completions/kgate`.
/// Zsh: write it as `_kgate` into a directory of `$fpath`.
/// Fish: `kgate completions fish > ~/.config/fish/completions/kgate.fish`.
#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    #[arg(value_enum)]
    shell: Shell,
}

/// The shells completion scripts exist for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Shell {
    /// GNU Bash.
    Bash,
    /// The Z shell.
    Zsh,
    /// fish.
    Fish,
}

pub(super) fn run(args: &Completions, session: &Session) -> Outcome {
    session.ui.raw(completion_script(args.shell).as_bytes())?;
    Ok(Answer::Yes)
}

/// Returns the completion script of `shell`.
pub fn completion_script(shell: Shell) -> String {
    let generator = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(generator, &mut super::command(), "kgate", &mut script);
    String::from_utf8(script).expect("clap writes UTF-8")
}
