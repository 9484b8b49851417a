//! `kgate key export`

use std::path::PathBuf;

use clap::Args;

use crate::cli::digests::DigestWriter;
use crate::cli::failure::{Answer, Failure, Outcome};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::values::counted;

/// Write a list of keys for use elsewhere
///
/// With --digests: digests, status and the times at which it changes, and no keys, which the store does
/// not have anyway. `kgate leak-scan --digests FILE` asks the list in place of a store, for instance on
/// a build machine. JSON Lines; revocations made after it was written are not in it.
#[derive(Args)]
pub(in crate::cli) struct Export {
    /// Write digests and status
    #[arg(long, required = true)]
    digests: bool,
    /// Add identifiers, names and key types, and the consumers' names
    #[arg(long)]
    details: bool,
    /// Write to this file, readable by its owner only, in place of standard output
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &Export, session: &Session) -> Outcome {
    let books = session.books()?;
    let mut out = Output::open(args.output.as_deref(), session)?;
    let mut failed = None;
    let mut list = match DigestWriter::begin(&mut out, session.now()) {
        Ok(list) => list,
        Err(error) => return Err(out.failure(&error)),
    };
    let read = books.digests(args.details, &mut |key| {
        // What is wrong with the file is said by what opened it.
        list.key(&key).map_err(|error| {
            let failure = Failure::cannot("cannot write the list");
            failed = Some(error);
            failure
        })
    });
    let written = match (failed, read) {
        (Some(error), _) => Err(error),
        (None, Err(failure)) => return Err(failure),
        (None, Ok(())) => list.end(),
    };
    let keys = written.map_err(|e| out.failure(&e))?;
    out.finish()?;
    session.ui.status(format!(
        "wrote the {}",
        if keys == 1 { "digest of 1 key".to_owned() } else { format!("digests of {}", counted(keys, "key")) }
    ));
    Ok(Answer::Yes)
}
