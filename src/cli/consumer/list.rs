//! `kgate consumer list`

use clap::{Args, ValueEnum};

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::key::ConsumerRecord;

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
    let store = session.store()?;
    let mut list = session.ui.list();
    let mut failed: Option<Failure> = None;
    let mut damaged = 0_u64;
    store.consumers(&mut |record| {
        let written = match record {
            Ok(consumer) if args.wants(&consumer) => list.row(&consumer),
            Ok(_) => Ok(()),
            Err(error) => {
                damaged += 1;
                session.ui.warn(error.to_string());
                Ok(())
            }
        };
        failed = written.err();
        failed.is_none()
    })?;
    if let Some(failure) = failed {
        return Err(failure);
    }
    if list.end()? == 0 {
        session.ui.status("no consumers");
    }
    if damaged > 0 {
        return Err(
            Failure::cannot(format!("{damaged} records could not be read")).help("run `kgate doctor`")
        );
    }
    Ok(Answer::Yes)
}

impl List {
    fn wants(&self, consumer: &ConsumerRecord) -> bool {
        self.tags.iter().all(|tag| consumer.tags.contains(tag))
            && self.plan.as_ref().is_none_or(|plan| consumer.plan.as_ref() == Some(plan))
            && self.state.is_none_or(|state| consumer.enabled == (state == State::Enabled))
            && self
                .name
                .as_ref()
                .is_none_or(|part| consumer.name.to_lowercase().contains(&part.to_lowercase()))
    }
}
