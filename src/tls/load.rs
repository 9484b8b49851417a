//! Certificates, keys and authorities from PEM files.

use std::fmt;
use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::{PemObject, SectionKind};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::{Error, InconsistentKeys, RootCertStore};
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use super::{TlsError, provider};
use crate::key::Timestamp;

/// A certificate chain and its key: what a server or a client shows of itself.
#[derive(Clone)]
pub struct Identity {
    certified: Arc<CertifiedKey>,
    key: Arc<PrivateKeyDer<'static>>,
    facts: Facts,
}

/// Certificates of those whose word on others' counts.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    certificates: Vec<CertificateDer<'static>>,
    facts: Vec<Facts>,
}

/// What a certificate says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Its subject, `CN=api.example.com`.
    pub subject: String,
    /// The host names and addresses it is for, lower case; a `*` stands for one label.
    pub names: Vec<String>,
    /// From when it holds.
    pub not_before: Timestamp,
    /// Until when it holds.
    pub not_after: Timestamp,
}

/// Whether a certificate holds at some moment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Standing {
    /// It does.
    Holds,
    /// It does, for no longer than this.
    Ends(Duration),
    /// Not yet.
    NotYet,
    /// No longer.
    Expired,
}

impl Identity {
    /// Reads a chain, the server's own certificate first, and the key that belongs to it. They may be in
    /// one file.
    ///
    /// # Errors
    /// [`TlsError`]: which file, and what is wrong with it. An expired certificate is no error: see
    /// [`Facts::standing`].
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain = chain(certificate)?;
        let facts = facts(certificate, 0, &chain[0])?;
        let key_der = private_key(key)?;
        let bad_key = |why: Error| TlsError::BadKey { path: key.to_owned(), why: why.to_string() };
        let signing = provider().key_provider.load_private_key(key_der.clone_key()).map_err(bad_key)?;
        let certified = CertifiedKey::new(chain, signing);
        match certified.keys_match() {
            Ok(()) | Err(Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(Error::InconsistentKeys(_)) => {
                return Err(TlsError::Mismatch { certificate: certificate.to_owned(), key: key.to_owned() });
            }
            Err(why) => {
                let path = certificate.to_owned();
                return Err(TlsError::BadCertificate { path, number: 1, why: why.to_string() });
            }
        }
        Ok(Self { certified: Arc::new(certified), key: Arc::new(key_der), facts })
    }

    /// Returns what its own certificate says.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Returns its certificates in DER, its own first.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certified.cert.iter().map(AsRef::as_ref)
    }

    /// Returns the private key in DER, for a library that wants the bytes. Never to be printed.
    pub fn expose_key(&self) -> &[u8] {
        self.key.secret_der()
    }

    pub(super) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }

    pub(super) fn parts(&self) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        (self.certified.cert.clone(), self.key.clone_key())
    }
}

impl fmt::Debug for Identity {
    /// Says what the certificate says, and nothing of the key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity").field("facts", &self.facts).finish_non_exhaustive()
    }
}

impl Authorities {
    /// Reads certificates of authorities.
    ///
    /// # Errors
    /// [`TlsError`]: the file holds none, or one that is no authority's.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let certificates = certificates(path)?;
        let mut facts = Vec::with_capacity(certificates.len());
        for (at, certificate) in certificates.iter().enumerate() {
            facts.push(self::facts(path, at, certificate)?);
            roots.add(certificate.clone()).map_err(|why| bad_certificate(path, at, why))?;
        }
        Ok(Self { roots: Arc::new(roots), certificates, facts })
    }

    /// Returns the authorities this machine trusts.
    ///
    /// # Errors
    /// [`TlsError::Setup`]: it names none.
    pub fn of_system() -> Result<Self, TlsError> {
        let why = "this machine has no authorities: install `ca-certificates`, or name a file";
        let found = rustls_native_certs::load_native_certs().unwrap_or_default();
        let mut roots = RootCertStore::empty();
        // A system's list has some that nobody understands.
        let certificates: Vec<_> = found.into_iter().filter(|der| roots.add(der.clone()).is_ok()).collect();
        if certificates.is_empty() {
            return Err(TlsError::Setup(why.to_owned()));
        }
        Ok(Self { roots: Arc::new(roots), certificates, facts: Vec::new() })
    }

    /// Returns the certificates in DER.
    pub fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.certificates.iter().map(AsRef::as_ref)
    }

    /// Returns what those from a file say of themselves; nothing of the system's.
    pub fn facts(&self) -> &[Facts] {
        &self.facts
    }

    pub(super) fn roots(&self) -> &Arc<RootCertStore> {
        &self.roots
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorities").field("certificates", &self.certificates.len()).finish_non_exhaustive()
    }
}

impl Facts {
    /// Says whether the certificate holds at `now`, and whether for less than `soon`.
    pub fn standing(&self, now: Timestamp, soon: Duration) -> Standing {
        if now < self.not_before {
            Standing::NotYet
        } else if now >= self.not_after {
            Standing::Expired
        } else if self.not_after.since(now) < soon {
            Standing::Ends(self.not_after.since(now))
        } else {
            Standing::Holds
        }
    }
}

/// Reads a chain, each certificate issued by the next.
pub(super) fn chain(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain = certificates(path)?;
    for (at, pair) in chain.windows(2).enumerate() {
        let (this, next) = (parsed(path, at, &pair[0])?, parsed(path, at + 1, &pair[1])?);
        if this.issuer().as_raw() != next.subject().as_raw() {
            return Err(TlsError::BrokenChain { path: path.to_owned(), number: at + 1 });
        }
    }
    Ok(chain)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let sections = sections(path)?;
    let holds_key = sections.iter().any(|(kind, _)| is_key(*kind));
    let certificates: Vec<_> = sections
        .into_iter()
        .filter(|(kind, _)| *kind == SectionKind::Certificate)
        .map(|(_, der)| CertificateDer::from(der))
        .collect();
    if certificates.is_empty() {
        return Err(TlsError::NoCertificate { path: path.to_owned(), holds_key });
    }
    Ok(certificates)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    let sections = sections_of(path, &text)?;
    let holds_certificate = sections.iter().any(|(kind, _)| *kind == SectionKind::Certificate);
    let mut keys: Vec<_> =
        sections.into_iter().filter_map(|(kind, der)| PrivateKeyDer::from_pem(kind, der)).collect();
    match keys.len() {
        1 => Ok(keys.remove(0)),
        0 if text.windows(9).any(|word| word == b"ENCRYPTED") => {
            Err(TlsError::EncryptedKey { path: path.to_owned() })
        }
        0 => Err(TlsError::NoKey { path: path.to_owned(), holds_certificate }),
        count => Err(TlsError::SeveralKeys { path: path.to_owned(), count }),
    }
}

fn sections(path: &Path) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
    sections_of(path, &read(path)?)
}

fn sections_of(path: &Path, text: &[u8]) -> Result<Vec<(SectionKind, Vec<u8>)>, TlsError> {
    <(SectionKind, Vec<u8>)>::pem_slice_iter(text)
        .collect::<Result<_, _>>()
        .map_err(|why| TlsError::Damaged { path: path.to_owned(), why: worded(&why) })
}

/// What the parser says, without the bytes it says it of: they may be a key's.
fn worded(why: &rustls::pki_types::pem::Error) -> String {
    use rustls::pki_types::pem::Error;
    match why {
        Error::MissingSectionEnd { .. } => "a section has no END line",
        Error::IllegalSectionStart { .. } => "a BEGIN line is malformed",
        Error::Base64Decode(_) => "what is between BEGIN and END is not base64",
        _ => "it is not PEM",
    }
    .to_owned()
}

fn is_key(kind: SectionKind) -> bool {
    matches!(kind, SectionKind::PrivateKey | SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey)
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, TlsError> {
    let unreadable = |source| TlsError::Unreadable { path: path.to_owned(), source };
    if fs::metadata(path).map_err(unreadable)?.len() > MAX_LEN {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    fs::read(path).map(zeroize::Zeroizing::new).map_err(unreadable)
}

fn facts(path: &Path, at: usize, der: &CertificateDer<'_>) -> Result<Facts, TlsError> {
    let certificate = parsed(path, at, der)?;
    let moment = |time: x509_parser::time::ASN1Time| Timestamp::from_secs(time.timestamp());
    let validity = certificate.validity();
    Ok(Facts {
        subject: certificate.subject().to_string(),
        names: names(&certificate),
        not_before: moment(validity.not_before),
        not_after: moment(validity.not_after),
    })
}

/// Returns whom a certificate is for. A common name is no host name (RFC 6125 §6.4.4).
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(alternatives)) = certificate.subject_alternative_name() else { return Vec::new() };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::Ipv4Addr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::Ipv6Addr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    };
    alternatives.value.general_names.iter().filter_map(name).collect()
}

fn parsed<'d>(path: &Path, at: usize, der: &'d CertificateDer<'_>) -> Result<X509Certificate<'d>, TlsError> {
    match X509Certificate::from_der(der) {
        Ok((_, certificate)) => Ok(certificate),
        Err(why) => Err(bad_certificate(path, at, why)),
    }
}

fn bad_certificate(path: &Path, at: usize, why: impl fmt::Display) -> TlsError {
    TlsError::BadCertificate { path: path.to_owned(), number: at + 1, why: why.to_string() }
}

/// No list of authorities is larger.
pub(super) const MAX_LEN: u64 = 1 << 20;
