//! `kgate man`: manual pages made from the same definitions as `--help`.

use std::path::PathBuf;

use clap::Args;

use super::failure::{Answer, Failure, Outcome};
use super::session::Session;

/// Print a manual page, or write all of them
///
/// `kgate man | man -l -` shows the first page; `kgate man key create | man -l -` that of a command.
#[derive(Args)]
pub(super) struct Man {
    /// The command whose page to print
    #[arg(value_name = "COMMAND", conflicts_with = "dir")]
    command: Vec<String>,
    /// Write every page into this directory instead
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Man, session: &Session) -> Outcome {
    let mut root = super::command().disable_help_subcommand(true);
    root.build();
    match &args.dir {
        Some(dir) => write_all(root, dir, session),
        None => print_one(&root, &args.command, session),
    }
}

fn write_all(root: clap::Command, dir: &PathBuf, session: &Session) -> Outcome {
    let failed =
        |e: std::io::Error| Failure::cannot(format!("cannot write to `{}`", dir.display())).because(&e);
    std::fs::create_dir_all(dir).map_err(failed)?;
    clap_mangen::generate_to(root, dir).map_err(failed)?;
    session.ui.status(format!("wrote the manual pages to {}", dir.display()));
    Ok(Answer::Yes)
}

/// Finds a command by its name, or by that of its page: `key-create` for `key create`.
fn find<'c>(within: &'c clap::Command, name: &str) -> Option<&'c clap::Command> {
    within.find_subcommand(name).or_else(|| {
        let dashes = name.match_indices('-').map(|(at, _)| name.split_at(at));
        let mut found = dashes.filter_map(|(first, rest)| find(within.find_subcommand(first)?, &rest[1..]));
        found.next()
    })
}

fn print_one(root: &clap::Command, path: &[String], session: &Session) -> Outcome {
    let mut command = root;
    for name in path {
        command = find(command, name).ok_or_else(|| {
            Failure::no(format!("there is no command `{}`", path.join(" "))).help("run `kgate help`")
        })?;
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut page)
        .map_err(|e| Failure::cannot("cannot make the page").because(&e))?;
    session.ui.raw(&page)?;
    Ok(Answer::Yes)
}
