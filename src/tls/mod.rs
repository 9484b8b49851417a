//! TLS: certificate chains, keys and authorities from files, with everything that can be wrong with them
//! said by name; what they make, for whoever accepts connections (the gateway, the admin listener) and for
//! whoever opens them (backends).
//!
//! One provider of cryptography, `ring`, since that is what Pingora brings; TLS 1.2 with forward secrecy and
//! authenticated ciphers only, TLS 1.3, and no early data, which could be replayed. No clock: whoever asks
//! what holds now says when that is.

mod client;
mod load;
mod peer;
mod self_signed;
mod server;

use std::io;
use std::path::PathBuf;

pub use client::client_config;
pub use load::{Authorities, Facts, Identity, Standing};
pub use peer::PeerCertificate;
pub use self_signed::{SelfSigned, self_signed};
pub use server::{
    ClientCertificates, LeastVersion, Server, ServerSpec, ServerStream, is_h2, peer_certificate,
};

/// Why certificates are no use.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is larger than any list of certificates.
    #[error("{} is larger than {} bytes", path.display(), load::MAX_LEN)]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// A file is damaged, or no PEM at all.
    #[error("{} is damaged: {why}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no certificate in a file that should hold some.
    #[error("{} holds no certificate{}", path.display(), instead(*holds_key, "a private key"))]
    NoCertificate {
        /// The file.
        path: PathBuf,
        /// Whether it holds a key: the two files were mixed up, perhaps.
        holds_key: bool,
    },
    /// There is no private key in a file that should hold one.
    #[error("{} holds no private key{}", path.display(), instead(*holds_certificate, "a certificate"))]
    NoKey {
        /// The file.
        path: PathBuf,
        /// Whether it holds a certificate.
        holds_certificate: bool,
    },
    /// There are several private keys in a file, of which nobody says which.
    #[error("{} holds {count} private keys, of which one must be chosen", path.display())]
    SeveralKeys {
        /// The file.
        path: PathBuf,
        /// How many.
        count: usize,
    },
    /// The private key is encrypted, and nobody is there to say the passphrase.
    #[error("the private key in {} is encrypted", path.display())]
    EncryptedKey {
        /// The file.
        path: PathBuf,
    },
    /// A certificate is not one.
    #[error("certificate {number} of {} cannot be used: {why}", path.display())]
    BadCertificate {
        /// The file.
        path: PathBuf,
        /// Which of its certificates, from 1.
        number: usize,
        /// Why not.
        why: String,
    },
    /// A key is of a kind that is not supported.
    #[error("the private key in {} cannot be used: {why}", path.display())]
    BadKey {
        /// The file.
        path: PathBuf,
        /// Why not.
        why: String,
    },
    /// The certificates of a chain do not sign each other, server first.
    #[error("certificate {number} of {} was not issued by the one that follows it", path.display())]
    BrokenChain {
        /// The file.
        path: PathBuf,
        /// Which, from 1.
        number: usize,
    },
    /// The key is another one's.
    #[error("the key in {} is not that of the certificate in {}", key.display(), certificate.display())]
    Mismatch {
        /// The file with the certificate.
        certificate: PathBuf,
        /// The file with the key.
        key: PathBuf,
    },
    /// The parts are sound and do not go together.
    #[error("TLS cannot be set up: {0}")]
    Setup(String),
}

fn instead(holds: bool, what: &str) -> String {
    if holds { format!(", but {what}") } else { String::new() }
}

/// The one provider of cryptography.
pub fn provider() -> std::sync::Arc<rustls::crypto::CryptoProvider> {
    std::sync::Arc::new(rustls::crypto::ring::default_provider())
}

#[cfg(test)]
mod tests;
