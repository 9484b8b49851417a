//! A certificate nobody vouches for, to try things with.

use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair};
use rustls::pki_types::ServerName;

use super::TlsError;
use crate::key::Timestamp;

/// A certificate and its key, in PEM.
pub struct SelfSigned {
    /// The certificate.
    pub certificate: String,
    /// The private key.
    pub key: zeroize::Zeroizing<String>,
}

/// Makes a certificate for host names and addresses that holds from the day before `from` to the end of
/// `until`'s day, and its key (ECDSA over P-256).
///
/// # Errors
/// [`TlsError::Setup`]: a name is none.
pub fn self_signed(names: &[String], from: Timestamp, until: Timestamp) -> Result<SelfSigned, TlsError> {
    let setup = |why: rcgen::Error| TlsError::Setup(why.to_string());
    if let Some(bad) = names.iter().find(|name| ServerName::try_from(without_star(name)).is_err()) {
        return Err(TlsError::Setup(format!("`{bad}` is no host name or address")));
    }
    let mut params = CertificateParams::new(names).map_err(setup)?;
    params.distinguished_name = DistinguishedName::new();
    let common = names.first().map_or("localhost", String::as_str);
    params.distinguished_name.push(DnType::CommonName, common);
    let midnight = |(year, month, day)| rcgen::date_time_ymd(year, month, day);
    params.not_before = midnight(day(from, -1));
    params.not_after = midnight(day(until, 1));
    let key = KeyPair::generate().map_err(setup)?;
    let certificate = params.self_signed(&key).map_err(setup)?;
    Ok(SelfSigned { certificate: certificate.pem(), key: zeroize::Zeroizing::new(key.serialize_pem()) })
}

fn without_star(name: &str) -> &str {
    name.strip_prefix("*.").unwrap_or(name)
}

/// Returns year, month and day in UTC, so many days later: to the day, so that a clock that is a little off
/// does not matter.
fn day(at: Timestamp, later: i64) -> (i32, u8, u8) {
    let at = Timestamp::from_secs(at.as_secs().saturating_add(later * DAY)).to_string();
    let mut parts = at.splitn(3, '-');
    let year = parts.next().and_then(|year| year.parse().ok()).unwrap_or(9999);
    let month = parts.next().and_then(|month| month.parse().ok()).unwrap_or(12);
    let day = parts.next().and_then(|day| day.get(..2)?.parse().ok()).unwrap_or(31);
    (year, month, day)
}

const DAY: i64 = 24 * 60 * 60;
