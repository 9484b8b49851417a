//! `kgate key export`

use std::collections::HashMap;
use std::path::PathBuf;

use clap::Args;

use crate::cli::digests::DigestWriter;
use crate::cli::failure::{Answer, Outcome};
use crate::cli::output::Output;
use crate::cli::session::Session;
use crate::cli::values::counted;
use crate::store::StoreError;

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
    let store = session.store()?;
    let mut names = HashMap::new();
    if args.details {
        store.consumers(&mut |consumer| {
            names.extend(consumer.ok().map(|consumer| (consumer.id, consumer.name)));
            true
        })?;
    }
    let mut out = Output::open(args.output.as_deref(), session)?;
    let mut damaged: Option<StoreError> = None;
    let written = DigestWriter::begin(&mut out, session.now()).and_then(|mut list| {
        let mut failed = None;
        let read = store.keys(&mut |key| {
            match key {
                Ok(key) => {
                    failed = list.key(&key, args.details.then_some(&names)).err();
                }
                // A list without it would call a working key unknown.
                Err(error) => damaged = Some(error),
            }
            failed.is_none() && damaged.is_none()
        });
        damaged = damaged.take().or(read.err());
        match failed {
            Some(error) => Err(error),
            None => list.end(),
        }
    });
    if let Some(error) = damaged {
        return Err(error.into());
    }
    let keys = written.map_err(|e| out.failure(&e))?;
    out.finish()?;
    session.ui.status(format!(
        "wrote the {}",
        if keys == 1 { "digest of 1 key".to_owned() } else { format!("digests of {}", counted(keys, "key")) }
    ));
    Ok(Answer::Yes)
}
