//! `kgate consumer …`: who holds keys.

mod create;
mod delete;
mod list;
mod show;
mod switch;
mod update;

use clap::Subcommand;

use crate::config::Config;

use super::failure::{Failure, Outcome};
use super::session::Session;

pub(super) use delete::DELETED;

/// Create, list and change those who hold keys
#[derive(Subcommand)]
pub(super) enum Consumer {
    Create(create::Create),
    List(list::List),
    Show(show::Show),
    Update(update::Update),
    Disable(switch::Disable),
    Enable(switch::Enable),
    Delete(delete::Delete),
}

pub(super) fn run(command: Consumer, session: &Session) -> Outcome {
    match command {
        Consumer::Create(args) => create::run(&args, session),
        Consumer::List(args) => list::run(&args, session),
        Consumer::Show(args) => show::run(&args, session),
        Consumer::Update(args) => update::run(&args, session),
        Consumer::Disable(args) => switch::disable(&args, session),
        Consumer::Enable(args) => switch::enable(&args, session),
        Consumer::Delete(args) => delete::run(&args, session),
    }
}

/// Checks that the configuration declares a plan.
pub(super) fn check_plan(session: &Session, plan: &str) -> Result<(), Failure> {
    let config = session.config()?;
    if config.plans.iter().any(|declared| declared.name == plan) {
        return Ok(());
    }
    Err(Failure::cannot(format!("there is no plan `{plan}` in {}", config.path.display()))
        .help(plans_help(config)))
}

fn plans_help(config: &Config) -> String {
    let names: Vec<&str> = config.plans.iter().map(|p| p.name.as_str()).collect();
    match names.as_slice() {
        [] => format!("declare it with [plans.NAME] in {}", config.path.display()),
        names => format!("the plans are {}", names.join(", ")),
    }
}
