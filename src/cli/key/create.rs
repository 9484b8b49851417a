//! `kgate key create`

use clap::Args;

use crate::admin::api::NewKeyBody;
use crate::admin::shape::{NewKeyShape, Spelled};
use crate::cli::books::Books;
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::session::Session;
use crate::cli::ui::{Format, List, Ui};
use crate::cli::values;
use crate::key::{Moment, Timestamp};

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
    let now = session.now();
    if let Some(moment) = args.expires {
        values::resolve_expiry(moment, now)?;
    }
    let books = session.books()?;
    let new = NewKeyBody {
        consumer: args.consumer.clone(),
        name: args.name.clone(),
        key_type: args.key_type.clone(),
        scopes: super::scopes(&args.scopes)?,
        expires: args.expires.map(Spelled),
        not_before: args.not_before.map(Spelled),
        networks: super::networks(&args.networks)?,
        plan: args.plan.clone(),
        metadata: values::metadata(&args.meta),
        count: args.count,
        note: args.note.clone().into(),
    };
    match args.count {
        None => create_one(&new, &*books, session, now),
        Some(count) => create_many(&new, count, &*books, session, now),
    }
}

fn create_one(new: &NewKeyBody, books: &dyn Books, session: &Session, now: Timestamp) -> Outcome {
    books.create_keys(new, &mut |made| {
        for new in &made {
            let key = &new.key;
            let holder = key.consumer_name.as_deref().unwrap_or_default();
            let mut expiry = super::expiry_phrase(key.expires_at.map(|at| at.0), now);
            if let Some(start) = key.not_before.map(|at| at.0).filter(|start| *start > now) {
                expiry = format!("works from {}, {expiry}", values::to_the_second(start));
            }
            session.ui.status(format!("created {} ({}) for {holder}; {expiry}", key.id.0, key.key_type));
            print_one(&session.ui, new)?;
            if books.consumer(&key.consumer_id.0.to_string()).is_ok_and(|holder| !holder.enabled) {
                let holder = key.consumer_id.0;
                session.ui.warn(format!("consumer {holder} is disabled, so its keys do not work"));
            }
        }
        Ok(())
    })?;
    Ok(Answer::Yes)
}

/// Prints a key just made and makes sure it arrived: a key whose token nobody has is of no use, and
/// should not stay unnoticed.
pub(super) fn print_one(ui: &Ui, new: &NewKeyShape) -> Result<(), Failure> {
    let id = new.key.id.0;
    let useless = |failure: Failure| {
        failure
            .help(format!("nobody has its token: revoke it with `kgate key revoke {id}` and create another"))
    };
    let Some(token) = &new.token else {
        return Err(useless(Failure::cannot(format!(
            "key {id} was created, and the answer with it was lost"
        ))));
    };
    let printed = match ui.format() {
        Format::Table => ui.line(token.expose()),
        Format::Json | Format::Jsonl | Format::Csv => ui.show(new),
    };
    printed.and_then(|()| ui.flush()).map_err(|failure| {
        let said = failure.one_line();
        useless(Failure::cannot(format!("key {id} was created, but it could not be printed: {said}")))
    })
}

fn create_many(
    new: &NewKeyBody,
    count: u64,
    books: &dyn Books,
    session: &Session,
    now: Timestamp,
) -> Outcome {
    let bar = session.ui.bar(count, "creating");
    let mut list = session.ui.list();
    let mut is_stranded = false;
    let (mut printed, mut newest) = (0_u64, None);
    let made = books.create_keys(new, &mut |batch| {
        bar.add(batch.len() as u64);
        // Each batch leaves before the next is made, so that a broken pipe strands one at most.
        print_batch(&session.ui, &mut list, &batch).map_err(|failure| {
            is_stranded = true;
            stranded(&failure, &batch, session)
        })?;
        printed += batch.len() as u64;
        newest = batch.into_iter().next_back();
        Ok(())
    });
    drop(bar);
    if is_stranded {
        return made.map(|()| Answer::No);
    }
    // What was made before a failure has been printed: the list must end well for its reader.
    list.end()?;
    if made.is_err() && printed > 0 {
        session.ui.warn(format!("{} were created and printed before this", values::counted(printed, "key")));
    }
    made?;
    if let Some(NewKeyShape { key, .. }) = newest {
        let expiry = super::expiry_phrase(key.expires_at.map(|at| at.0), now);
        let (count, holder) = (values::counted(printed, "key"), key.consumer_name.unwrap_or_default());
        session.ui.status(format!("created {count} ({}) for {holder}; {expiry}", key.key_type));
    }
    Ok(Answer::Yes)
}

fn print_batch(ui: &Ui, list: &mut List<'_>, batch: &[NewKeyShape]) -> Result<(), Failure> {
    for new in batch {
        match (ui.format(), &new.token) {
            (_, None) => return Err(Failure::cannot("the answer with these keys was lost")),
            (Format::Table, Some(token)) => ui.line(token.expose())?,
            (Format::Json | Format::Jsonl | Format::Csv, Some(_)) => list.row(new)?,
        }
    }
    ui.flush()
}

/// The reader of our output left: the last batch exists and nobody has its tokens.
fn stranded(failure: &Failure, batch: &[NewKeyShape], session: &Session) -> Failure {
    let ids: Vec<String> = batch.iter().map(|new| new.key.id.0.to_string()).collect();
    session.ui.warn(format!("some of these keys were created but not printed: {}", ids.join(" ")));
    Failure::cannot(format!("stopped creating keys: {}", failure.one_line()))
        .help("revoke those that nobody has with `kgate key revoke ID…`")
}

/// More keys at once than this are a mistake of typing.
const MOST: u64 = 10_000_000;
