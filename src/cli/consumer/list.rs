//! `kgate consumer list`

use clap::{Args, ValueEnum};

use crate::cli::books::ConsumersWanted;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::session::Session;

/// List consumers; filters combine
#[derive(Args)]
pub(in crate::cli) struct List {
    /// Only those with this tag; repeatable, and then with all of them
    #[arg(long = "tag", value_name = "TAG")]
    tags: Vec<String>,
    /// Only those with this plan of their own
    #[arg(long)]
    plan: Option<String>,
    /// Only enabled or only disabled ones
    #[arg(long, value_enum)]
    state: Option<State>,
    /// Only those whose name contains this, whatever the case
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Enabled,
    Disabled,
}

pub(super) fn run(args: &List, session: &Session) -> Outcome {
    let wanted = ConsumersWanted {
        tags: args.tags.clone(),
        plan: args.plan.clone(),
        enabled: args.state.map(|state| state == State::Enabled),
        name: args.name.clone(),
    };
    let mut list = session.ui.list();
    let walked = session.books()?.consumers(&wanted, &mut |consumer| list.row(&consumer));
    list.end_walk(walked, "no consumers").map(|()| Answer::Yes)
}
