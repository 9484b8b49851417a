//! What a client's certificate says of it.

use std::path::Path;

use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;
use x509_parser::x509::X509Name;

use super::{TlsError, load};
use crate::key::Timestamp;

/// Who a client proved to be by a certificate an authority signed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct PeerCertificate {
    names: Vec<String>,
    /// Until when it holds; `None` if that cannot be read, which is never.
    not_after: Option<Timestamp>,
}

impl PeerCertificate {
    /// Reads a certificate whose signature was verified; names it cannot be known by are left out.
    pub fn from_der(der: &[u8]) -> Self {
        let Ok((_, certificate)) = X509Certificate::from_der(der) else { return Self::default() };
        let mut names = Vec::new();
        if is_plain(certificate.subject()) {
            names.push(format!("subject:{}", certificate.subject()));
        }
        let common = certificate.subject().iter_common_name().filter_map(|name| name.as_str().ok());
        names.extend(common.map(|name| format!("cn:{name}")));
        if let Ok(Some(alternatives)) = certificate.subject_alternative_name() {
            names.extend(alternatives.value.general_names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(format!("dns:{}", name.to_ascii_lowercase())),
                GeneralName::RFC822Name(name) => Some(format!("email:{name}")),
                GeneralName::URI(name) => Some(format!("uri:{name}")),
                _ => None,
            }));
        }
        let not_after = Some(Timestamp::from_secs(certificate.validity().not_after.timestamp()));
        Self { names, not_after }
    }

    /// Reads a client's certificate from a PEM file: the first, if others follow that vouch for it. Nobody has
    /// verified it: to be asked about, not to be believed.
    ///
    /// # Errors
    /// [`TlsError`]: what is wrong with the file.
    pub fn read(path: &Path) -> Result<Self, TlsError> {
        Ok(Self::from_der(&load::chain(path)?[0]))
    }

    /// Says whether it holds no more. A session that is resumed, or a connection that is kept, may outlive it.
    pub fn is_expired(&self, now: Timestamp) -> bool {
        self.not_after.is_none_or(|end| now > end)
    }

    /// Returns its names as [`names`](Self::names) does; none once it has expired.
    pub fn names_at(&self, now: Timestamp) -> &[String] {
        if self.is_expired(now) { &[] } else { &self.names }
    }

    /// Returns every name it gives, with its kind: `subject:CN=a, O=b`, `cn:a`, `dns:a.example.com`,
    /// `email:a@example.com`, `uri:spiffe://example.com/a`.
    pub fn names(&self) -> &[String] {
        &self.names
    }
}

/// Says whether a subject is no other's when written out: nothing is escaped there, so a common name
/// `a, O=b` would read as the common name `a` of the organisation `b`.
fn is_plain(subject: &X509Name<'_>) -> bool {
    subject.iter_attributes().all(|attribute| {
        attribute.as_str().is_ok_and(|text| !(text.contains('=') && text.contains([',', '+'])))
    })
}
