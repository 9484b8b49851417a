//! `kgate key create`

use std::ops::ControlFlow;

use clap::Args;

use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::{Format, List, Ui};
use crate::cli::values;
use crate::cli::view::NewKeyView;
use crate::cli::{consumer, lookup};
use crate::key::{ConsumerRecord, Moment, Timestamp};
use crate::store::{Act, Issued, NewKey, Store};

/// Create a key and print it, once
///
/// Standard output gets the key alone; everything else goes to standard error. Nobody can show the
/// key again: only its digest is stored.
#[derive(Args)]
pub(in crate::cli) struct Create {
    /// Who will hold it: identifier, external id or unambiguous name
    #[arg(long)]
    consumer: String,
    /// What people call it
    #[arg(long, default_value = "", hide_default_value = true)]
    name: String,
    /// Its key type, one of the configuration's; the first otherwise
    #[arg(long = "type", value_name = "TYPE")]
    key_type: Option<String>,
    /// What it may do, such as products:read; repeatable, or separated by commas
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// When it stops working: 90d, a date, an RFC 3339 time, or never; its type's `default_expires`
    /// otherwise
    #[arg(long, value_name = "WHEN", allow_hyphen_values = true)]
    expires: Option<Moment>,
    /// When it begins to work; at once otherwise
    #[arg(long, value_name = "WHEN")]
    not_before: Option<Moment>,
    /// Network it may be used from, such as 10.0.0.0/8; repeatable; anywhere otherwise
    #[arg(long = "ip", value_name = "CIDR", value_delimiter = ',')]
    networks: Vec<String>,
    /// A plan of its own, instead of its consumer's
    #[arg(long)]
    plan: Option<String>,
    /// Metadata, over its consumer's; repeatable
    #[arg(long = "meta", value_name = "KEY=VALUE", value_parser = values::pair)]
    meta: Vec<(String, String)>,
    /// Create this many alike; JSON is then an array
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=MOST))]
    count: Option<u64>,
    /// Why, for the audit log
    #[arg(long)]
    note: Option<String>,
}

pub(super) fn run(args: &Create, session: &Session) -> Outcome {
    let config = session.config()?;
    let key_type = super::key_type(config, args.key_type.as_deref())?;
    if let Some(plan) = &args.plan {
        consumer::check_plan(session, plan)?;
    }
    let act = session.act(args.note.as_deref());
    let now = act.at;
    let default_expires =
        key_type.default_expires.map_or(Moment::Never, |span| Moment::In(span.as_duration()));
    let expires_at = values::resolve_expiry(args.expires.unwrap_or(default_expires), now)?;
    let store = session.store_mut()?;
    let holder = lookup::consumer(&store, &args.consumer)?;
    let new = NewKey {
        consumer: holder.id,
        name: args.name.clone(),
        key_type: key_type.name.clone(),
        prefix: key_type.prefix.clone(),
        scopes: super::scopes(&args.scopes)?,
        plan: args.plan.clone(),
        networks: super::networks(&args.networks)?,
        metadata: values::metadata(&args.meta),
        not_before: args.not_before.and_then(|moment| moment.resolve(now)),
        expires_at,
    };
    match args.count {
        None => create_one(&new, &holder, &store, session, &act),
        Some(count) => create_many(&new, count, &holder, &store, session, &act),
    }
}

fn create_one(new: &NewKey, holder: &ConsumerRecord, store: &Store, session: &Session, act: &Act) -> Outcome {
    let peppers = &session.config()?.peppers;
    let issued = store.issue(new, peppers, act, &mut rand::rng())?;
    let mut expiry = super::expiry_phrase(new.expires_at, act.at);
    if let Some(start) = new.not_before.filter(|start| *start > act.at) {
        expiry = format!("works from {}, {expiry}", values::to_the_second(start));
    }
    session
        .ui
        .status(format!("created {} ({}) for {}; {expiry}", issued.record.id, new.key_type, holder.name));
    if !holder.enabled {
        session.ui.warn(format!("consumer {} is disabled, so its keys do not work", holder.id));
    }
    print_one(&session.ui, &issued, act.at)?;
    Ok(Answer::Yes)
}

/// Prints a key just made and makes sure it arrived: a key whose token nobody has is of no use, and
/// should not stay unnoticed.
pub(super) fn print_one(ui: &Ui, issued: &Issued, now: Timestamp) -> Result<(), Failure> {
    let view = NewKeyView { key: &issued.record, token: &issued.token, now };
    let printed = match ui.format() {
        Format::Table => ui.line(issued.token.expose()),
        Format::Json | Format::Jsonl | Format::Csv => ui.show(&view),
    };
    printed.and_then(|()| ui.flush()).map_err(|failure| {
        let id = issued.record.id;
        Failure::cannot(format!("key {id} was created, but it could not be printed: {}", failure.one_line()))
            .help(format!("nobody has its token: revoke it with `kgate key revoke {id}` and create another"))
    })
}

fn create_many(
    new: &NewKey,
    count: u64,
    holder: &ConsumerRecord,
    store: &Store,
    session: &Session,
    act: &Act,
) -> Outcome {
    let peppers = &session.config()?.peppers;
    let bar = session.ui.bar(count, "creating");
    let mut list = session.ui.list();
    let mut undelivered: Option<(Failure, Vec<Issued>)> = None;
    let mut printed = 0;
    let wanted = usize::try_from(count).unwrap_or(usize::MAX);
    let made = store.issue_many(new, wanted, peppers, act, &mut rand::rng(), &mut |batch| {
        bar.add(batch.len() as u64);
        // Each batch leaves before the next is made, so that a broken pipe strands one at most.
        match print_batch(&session.ui, &mut list, &batch, act.at) {
            Ok(()) => {
                printed += batch.len();
                ControlFlow::Continue(())
            }
            Err(failure) => {
                undelivered = Some((failure, batch));
                ControlFlow::Break(())
            }
        }
    });
    drop(bar);
    if let Some((failure, batch)) = undelivered {
        return Err(stranded(&failure, &batch, session));
    }
    // What was made before a failure has been printed: the list must end well for its reader.
    list.end()?;
    let made = made.map_err(|error| {
        if printed > 0 {
            session
                .ui
                .warn(format!("{} were created and printed before this", values::counted(printed, "key")));
        }
        Failure::from(error)
    })?;
    let expiry = super::expiry_phrase(new.expires_at, act.at);
    session.ui.status(format!(
        "created {} ({}) for {}; {expiry}",
        values::counted(made, "key"),
        new.key_type,
        holder.name
    ));
    Ok(Answer::Yes)
}

fn print_batch(ui: &Ui, list: &mut List<'_>, batch: &[Issued], now: Timestamp) -> Result<(), Failure> {
    for issued in batch {
        match ui.format() {
            Format::Table => ui.line(issued.token.expose())?,
            Format::Json | Format::Jsonl | Format::Csv => {
                list.row(&NewKeyView { key: &issued.record, token: &issued.token, now })?;
            }
        }
    }
    ui.flush()
}

/// The reader of our output left: the last batch exists and nobody has its tokens.
fn stranded(failure: &Failure, batch: &[Issued], session: &Session) -> Failure {
    let ids: Vec<String> = batch.iter().map(|issued| issued.record.id.to_string()).collect();
    session.ui.warn(format!("some of these keys were created but not printed: {}", ids.join(" ")));
    Failure::cannot(format!("stopped creating keys: {}", failure.one_line()))
        .help("revoke those that nobody has with `kgate key revoke ID…`")
}

/// More keys at once than this are a mistake of typing.
const MOST: u64 = 10_000_000;
