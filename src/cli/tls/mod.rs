//! `kgate tls …`: certificates to try TLS with.

mod self_signed;

use clap::Subcommand;

use super::failure::Outcome;
use super::session::Session;

pub(super) use self_signed::CERTIFICATE;

/// Make certificates to try TLS with
///
/// For clients that are told to believe in them, as with `curl --cacert`. For everybody else take those of an
/// authority: kgate reads what certbot, acme.sh and the like write, and takes up renewed files by itself.
#[derive(Subcommand)]
pub(super) enum Tls {
    SelfSigned(self_signed::SelfSigned),
}

pub(super) fn run(command: &Tls, session: &Session) -> Outcome {
    match command {
        Tls::SelfSigned(args) => self_signed::run(args, session),
    }
}
