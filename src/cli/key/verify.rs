//! `kgate key verify`

use std::io::{self, Read};
use std::net::IpAddr;

use clap::Args;

use crate::admin::api::VerifyBody;
use crate::admin::shape::{Presented, Spelled};
use crate::cli::explain;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::session::Session;

/// Say what the gateway would answer to a key, and why, spending nothing
///
/// The key is read from standard input, never from the command line. It counts as sent where the
/// route takes keys from. Exit code 0 if the request may pass, 1 if not.
#[derive(Args)]
pub(in crate::cli) struct Verify {
    /// Path of the request, and its query
    #[arg(long, default_value = "/")]
    path: String,
    /// Method of the request
    #[arg(long, default_value = "GET")]
    method: String,
    /// Address of the client
    #[arg(long, value_name = "ADDRESS")]
    ip: Option<IpAddr>,
    /// Host of the request
    #[arg(long, default_value = "", hide_default_value = true)]
    host: String,
    /// The certificate the client would show: a name in it (`cn:NAME`, `dns:NAME`, `email:NAME`, `uri:NAME`,
    /// `subject:NAME`), several times for several, or its file (PEM)
    #[arg(long, value_name = "NAME|FILE", value_parser = explain::certificate)]
    client_certificate: Vec<explain::Shown>,
    /// Page the request comes from, `https://app.example.com`, for keys whose type is bound to origins
    #[arg(long, value_name = "ORIGIN")]
    origin: Option<String>,
}

pub(super) fn run(args: &Verify, session: &Session) -> Outcome {
    let books = session.books()?;
    let question = VerifyBody {
        token: read_token(session)?,
        path: Some(args.path.clone()),
        method: Some(args.method.clone()),
        host: Some(args.host.clone()),
        ip: args.ip.map(Spelled),
        origin: args.origin.clone(),
        client_certificate: explain::names(&args.client_certificate, session.now()),
    };
    explain::show(books.verify_key(question)?, session)
}

/// Reads the token from standard input: all of it, without the line's end.
fn read_token(session: &Session) -> Result<Presented, Failure> {
    if session.ui.can_ask() {
        session.ui.status("paste the key, then press Enter and Ctrl-D");
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        // One more than with the longest line's end, so that it is seen to be too long.
        .take(LONGEST as u64 + 3)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::cannot("cannot read standard input").because(&e))?;
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::cannot("standard input is not text, so it is no key"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |rest| rest.strip_suffix('\r').unwrap_or(rest));
    if text.len() > LONGEST {
        return Err(Failure::cannot(format!(
            "standard input has more than {LONGEST} bytes; no key is that long"
        )));
    }
    if text.is_empty() {
        return Err(
            Failure::cannot("standard input is empty").help("pipe the key in: kgate key verify < FILE")
        );
    }
    Ok(Presented::new(text.to_owned()))
}

/// Far more than any key has, and what a gateway elsewhere takes; standard input may be anything.
const LONGEST: usize = 1024;
