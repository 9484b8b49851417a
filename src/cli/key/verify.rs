//! `kgate key verify`

use std::io::{self, Read};
use std::net::IpAddr;

use clap::Args;

use crate::admin::api::VerifyBody;
use crate::admin::shape::{Spelled, TokenText};
use crate::cli::explain;
use crate::cli::failure::{Failure, Outcome};
use crate::cli::session::Session;
use crate::key::Token;

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
        token: TokenText::of(&read_token(session)?),
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
fn read_token(session: &Session) -> Result<Token, Failure> {
    if session.ui.can_ask() {
        session.ui.status("paste the key, then press Enter and Ctrl-D");
    }
    let mut bytes = Vec::new();
    io::stdin()
        .lock()
        .take(LONGEST_INPUT + 1)
        .read_to_end(&mut bytes)
        .map_err(|e| Failure::cannot("cannot read standard input").because(&e))?;
    if bytes.len() as u64 > LONGEST_INPUT {
        return Err(Failure::cannot(format!(
            "standard input has more than {LONGEST_INPUT} bytes; no key is that long"
        )));
    }
    let text = String::from_utf8(bytes)
        .map_err(|_| Failure::cannot("standard input is not text, so it is no key"))?;
    let text = text.strip_suffix('\n').map_or(text.as_str(), |rest| rest.strip_suffix('\r').unwrap_or(rest));
    if text.is_empty() {
        return Err(
            Failure::cannot("standard input is empty").help("pipe the key in: kgate key verify < FILE")
        );
    }
    Ok(Token::from_presented(text))
}

/// Far more than any key has; a bound, because standard input may be anything.
const LONGEST_INPUT: u64 = 64 * 1024;
