use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, SanType,
};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::key::Timestamp;

/// A directory with an authority that signs what is asked.
struct Office {
    dir: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Office {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "office");
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        fs::write(dir.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { dir, issuer: Issuer::new(params, key) }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn write(&self, name: &str, text: impl AsRef<[u8]>) -> PathBuf {
        fs::write(self.path(name), text).unwrap();
        self.path(name)
    }

    /// Issues `NAME.pem` and `NAME.key` for host names, valid from one year to another.
    fn issue(&self, name: &str, names: &[&str], years: (i32, i32)) -> (PathBuf, PathBuf) {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(names).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.subject_alt_names.push(SanType::URI(format!("spiffe://test/{name}").try_into().unwrap()));
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let pem = self.write(&format!("{name}.pem"), certificate.pem());
        (pem, self.write(&format!("{name}.key"), key.serialize_pem()))
    }

    fn identity(&self, name: &str, names: &[&str]) -> Identity {
        let (certificate, key) = self.issue(name, names, (2000, 2100));
        Identity::read(&certificate, &key).unwrap()
    }

    fn authorities(&self) -> Authorities {
        Authorities::read(&self.path("ca.pem")).unwrap()
    }
}

fn at(date: &str) -> Timestamp {
    date.parse().unwrap()
}

fn read(certificate: &Path, key: &Path) -> TlsError {
    Identity::read(certificate, key).expect_err("it is no use")
}

#[test]
fn every_fault_of_a_file_is_named_with_the_file() {
    let office = Office::new();
    let (a_pem, a_key) = office.issue("a", &["a.test"], (2000, 2100));
    let (b_pem, b_key) = office.issue("b", &["b.test"], (2000, 2100));
    let text = |path: &Path| fs::read_to_string(path).unwrap();
    let gone = office.path("gone");
    let empty = office.write("empty", "");
    let cut = office.write("cut", &text(&a_pem)[..200]);
    let two = office.write("two", text(&a_key) + &text(&b_key));
    let locked = office.write("locked", text(&a_key).replace("PRIVATE", "ENCRYPTED PRIVATE"));
    let wrong_order = office.write("order", text(&a_pem) + &text(&b_pem));
    let garbage = office.write("garbage", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let bad_key = office.write("badkey", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
    let large = office.write("large", vec![b'\n'; 2 << 20]);

    assert!(matches!(read(&gone, &a_key), TlsError::Unreadable { path, .. } if path == gone));
    assert!(matches!(read(&empty, &a_key), TlsError::NoCertificate { holds_key: false, .. }));
    assert!(matches!(read(&a_key, &a_pem), TlsError::NoCertificate { holds_key: true, .. }));
    assert!(matches!(read(&a_pem, &a_pem), TlsError::NoKey { holds_certificate: true, .. }));
    assert!(matches!(read(&cut, &a_key), TlsError::Damaged { path, .. } if path == cut));
    assert!(matches!(read(&a_pem, &two), TlsError::SeveralKeys { count: 2, .. }));
    assert!(matches!(read(&a_pem, &locked), TlsError::EncryptedKey { .. }));
    assert!(matches!(read(&wrong_order, &a_key), TlsError::BrokenChain { number: 1, .. }));
    assert!(matches!(read(&garbage, &a_key), TlsError::BadCertificate { number: 1, .. }));
    assert!(matches!(read(&a_pem, &bad_key), TlsError::BadKey { .. }));
    assert!(matches!(read(&large, &a_key), TlsError::TooLarge { .. }));
    let mismatch = read(&a_pem, &b_key);
    assert!(matches!(mismatch, TlsError::Mismatch { .. }));
    assert!(mismatch.to_string().contains("b.key") && mismatch.to_string().contains("a.pem"));
    assert!(Authorities::read(&a_key).is_err() && Authorities::read(&gone).is_err());
}

#[test]
fn a_certificate_holds_between_its_dates() {
    let office = Office::new();
    let (pem, key) = office.issue("old", &["old.test", "*.old.test", "127.0.0.1"], (2020, 2030));
    let identity = Identity::read(&pem, &key).unwrap();
    let facts = identity.facts();
    assert_eq!(facts.names, ["old.test", "*.old.test", "127.0.0.1"]);
    let month = Duration::from_hours(30 * 24);
    assert_eq!(facts.standing(at("2019-12-31"), month), Standing::NotYet);
    assert_eq!(facts.standing(at("2025-01-01"), month), Standing::Holds);
    assert_eq!(facts.standing(at("2029-12-22"), month), Standing::Ends(Duration::from_hours(240)));
    assert_eq!(facts.standing(at("2030-01-01"), month), Standing::Expired);
    assert!(!format!("{identity:?}").contains("PRIVATE"));
}

/// Lets a client and a server of this room talk; what each says of the other.
async fn talk(
    server: &Server,
    client: std::sync::Arc<rustls::ClientConfig>,
    name: &str,
) -> io::Result<(Vec<String>, Option<PeerCertificate>, bool)> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let call = async {
        let mut stream = tokio_rustls::TlsConnector::from(client).connect(name, near).await?;
        // A refusal of TLS 1.3 comes after the client's last word.
        stream.write_all(b"?").await?;
        stream.read_exact(&mut [0]).await?;
        let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
        io::Result::Ok(PeerCertificate::from_der(&chain[0]).names().to_vec())
    };
    let answer = async {
        let mut stream = server.accept(far, Duration::from_secs(10)).await?;
        stream.read_exact(&mut [0]).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        io::Result::Ok((peer_certificate(&stream), is_h2(&stream)))
    };
    let (seen, (shown, h2)) = tokio::try_join!(call, answer)?;
    Ok((seen, shown, h2))
}

fn spec(identities: Vec<Identity>, clients: ClientCertificates) -> ServerSpec {
    ServerSpec { identities, clients, least: LeastVersion::Tls12, h2: true }
}

#[tokio::test]
async fn each_name_gets_its_certificate_and_any_other_the_first() {
    let office = Office::new();
    let identities = vec![
        office.identity("first", &["first.test"]),
        office.identity("exact", &["exact.wild.test"]),
        office.identity("wild", &["*.wild.test"]),
    ];
    let server = Server::new(&spec(identities, ClientCertificates::Ignored)).unwrap();
    let client = client_config(&office.authorities(), None, &[b"h2"]).unwrap();
    for (name, wanted) in [
        ("first.test", "cn:first"),
        ("exact.wild.test", "cn:exact"),
        ("EXACT.wild.test", "cn:exact"),
        ("other.wild.test", "cn:wild"),
    ] {
        let (seen, shown, h2) = talk(&server, client.clone(), name).await.unwrap();
        assert!(seen.iter().any(|n| n == wanted), "{name}: {seen:?}");
        assert!(shown.is_none() && h2);
    }
    // It gets the first, and says that it is not whom it wanted.
    for name in ["deep.other.wild.test", "unknown.test"] {
        let error = talk(&server, client.clone(), name).await.unwrap_err();
        assert!(error.to_string().contains("not valid for"), "{error}");
    }
}

#[tokio::test]
async fn clients_are_known_by_certificates_of_the_right_authority_only() {
    let (office, stranger) = (Office::new(), Office::new());
    let identity = office.identity("server", &["server.test"]);
    let required = ClientCertificates::Required(office.authorities());
    let required = Server::new(&spec(vec![identity.clone()], required)).unwrap();
    let optional = ClientCertificates::Optional(office.authorities());
    let optional = Server::new(&spec(vec![identity], optional)).unwrap();
    let ours = office.identity("partner", &["partner.test"]);
    let theirs = stranger.identity("partner", &["partner.test"]);
    let client = |identity: Option<&Identity>| client_config(&office.authorities(), identity, &[]).unwrap();

    for server in [&required, &optional] {
        let (_, shown, h2) = talk(server, client(Some(&ours)), "server.test").await.unwrap();
        let names = shown.unwrap().names().to_vec();
        for name in ["cn:partner", "dns:partner.test", "uri:spiffe://test/partner"] {
            assert!(names.iter().any(|n| n == name), "{names:?}");
        }
        assert!(!h2);
        assert!(talk(server, client(Some(&theirs)), "server.test").await.is_err());
    }
    assert!(talk(&required, client(None), "server.test").await.is_err());
    assert!(talk(&optional, client(None), "server.test").await.unwrap().1.is_none());
}

#[tokio::test]
async fn a_handshake_that_takes_too_long_ends() {
    let office = Office::new();
    let server = Server::new(&spec(vec![office.identity("a", &["a.test"])], ClientCertificates::Ignored));
    let (_silent, far) = tokio::io::duplex(1024);
    let refused = server.unwrap().accept(far, Duration::from_millis(20)).await.err().unwrap();
    assert_eq!(refused.kind(), io::ErrorKind::TimedOut);
}

#[test]
fn a_self_signed_certificate_can_be_read_back() {
    let dir = tempfile::tempdir().unwrap();
    let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
    let made = self_signed(&names, at("2026-11-26"), at("2027-02-24")).unwrap();
    let (pem, key) = (dir.path().join("pem"), dir.path().join("key"));
    fs::write(&pem, &made.certificate).unwrap();
    fs::write(&key, made.key.as_bytes()).unwrap();
    let facts = Identity::read(&pem, &key).unwrap().facts().clone();
    assert_eq!(facts.names, names);
    assert_eq!((facts.not_before, facts.not_after), (at("2026-11-25"), at("2027-02-25")));
    assert!(self_signed(&["no name".to_owned()], at("2026-01-01"), at("2027-01-01")).is_err());
}

#[test]
fn a_common_name_cannot_be_written_so_that_the_subject_reads_as_another() {
    let names = |parts: &[(DnType, &str)]| {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        for (kind, text) in parts {
            params.distinguished_name.push(kind.clone(), *text);
        }
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        PeerCertificate::from_der(certificate.der()).names().to_vec()
    };
    let real = names(&[(DnType::CommonName, "acme"), (DnType::OrganizationName, "Acme, Inc.")]);
    assert_eq!(real, ["subject:CN=acme, O=Acme, Inc.", "cn:acme"]);
    for posing in ["acme, O=Acme, Inc.", "acme + O=Acme"] {
        assert_eq!(names(&[(DnType::CommonName, posing)]), [format!("cn:{posing}")]);
    }
}
