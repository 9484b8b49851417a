//! The gateway as clients meet it over TLS, HTTP/2, the PROXY protocol and Unix sockets: with programs other
//! people wrote, and with bytes nobody should send.

mod alike;
mod announced;
mod bodies;
mod browsers;
mod cost;
mod grpc;
pub mod http2;
mod slow;
mod tls;
mod transports;

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use kgate::key::Timestamp;
use kgate::tls::{Authorities, Identity, client_config};
use kgate::verify::wall;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

use crate::harness::{CONFIG, Client, Gate, PATIENCE};

/// An authority with a directory for what it issues.
pub struct Office {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

impl Office {
    /// Opens one; its certificate is `ca.pem`.
    pub fn open(dir: &Path) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "office");
        let key = KeyPair::generate().unwrap();
        std::fs::write(dir.join("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        Self { dir: dir.to_owned(), issuer: Issuer::new(params, key) }
    }

    /// Issues `NAME.pem` and `NAME.key`, with the common name `cn`, for hosts, until a year.
    pub fn issue(&self, name: &str, cn: &str, hosts: &[&str], until: i32) {
        self.issue_with(name, cn, hosts, |params| params.not_after = rcgen::date_time_ymd(until, 1, 1));
    }

    /// Issues one as [`issue`](Self::issue) does, changed first.
    pub fn issue_with(
        &self,
        name: &str,
        cn: &str,
        hosts: &[&str],
        change: impl FnOnce(&mut CertificateParams),
    ) {
        let hosts: Vec<String> = hosts.iter().map(ToString::to_string).collect();
        let mut params = CertificateParams::new(hosts).unwrap();
        params.distinguished_name.push(DnType::CommonName, cn);
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let pem = params.signed_by(&key, &self.issuer).unwrap().pem();
        // The key first: a server that looks in between finds a pair that does not match, and waits.
        std::fs::write(self.dir.join(format!("{name}.key")), key.serialize_pem()).unwrap();
        std::fs::write(self.dir.join(format!("{name}.pem")), pem).unwrap();
    }

    /// Issues a client's certificate that expires in a moment, has `show` show it before, and returns when it expires
    /// and who shows it. What `show` returns judges what came of that, if the machine did not stand still meanwhile:
    /// then a longer moment is tried.
    pub fn shown_in_time<J: FnOnce()>(
        &self,
        cn: &str,
        mut show: impl FnMut(&Arc<rustls::ClientConfig>) -> J,
    ) -> (Timestamp, Arc<rustls::ClientConfig>) {
        for seconds in [4, 8, 16, 32] {
            let ends = wall().as_secs() + seconds;
            self.issue_with("brief", cn, &[], |params| {
                let from_epoch = Duration::from_secs(u64::try_from(ends).unwrap());
                params.not_after = rcgen::date_time_ymd(1970, 1, 1) + from_epoch;
            });
            let path = |name: &str| self.dir.join(name);
            let identity = Identity::read(&path("brief.pem"), &path("brief.key")).unwrap();
            let authorities = Authorities::read(&path("ca.pem")).unwrap();
            let config = client_config(&authorities, Some(&identity), &[]).unwrap();
            let judge = show(&config);
            let ends = Timestamp::from_secs(ends);
            if wall() < ends {
                judge();
                return (ends, config);
            }
        }
        panic!("no certificate was shown before it expired");
    }
}

/// What [`tls_gate`] listens with.
pub const TLS: &str = "certificate = \"server.pem\", key = \"server.key\"";

/// A gate that speaks TLS, with more in its `tls` table and at the end of its file, and certificates of one
/// office: `server` for `localhost` and `api.example.com`, `partner` and `other` for clients.
pub fn tls_gate(tls: &str, more: &str) -> Gate {
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {tls} }} }}]");
    let config = CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen) + more;
    Gate::start_with(&config, |dir| {
        let office = Office::open(dir);
        office.issue("server", "server", &["localhost", "api.example.com"], 2100);
        office.issue("partner", "partner", &["partner.example.com"], 2100);
        office.issue("other", "other", &[], 2100);
    })
}

/// Opens a TLS connection as the office's clients do, naming a host, perhaps with a certificate.
pub fn tls_client(gate: &Gate, host: &str, identity: Option<&str>) -> std::io::Result<Client> {
    tls_client_of(gate, host, identity, &[])
}

/// Opens one as [`tls_client`] does, offering protocols.
fn tls_client_of(gate: &Gate, host: &str, identity: Option<&str>, alpn: &[&[u8]]) -> std::io::Result<Client> {
    shake_hands(TcpStream::connect(gate.address)?, gate, host, identity, alpn)
}

/// Opens one on a connection that is there.
fn shake_hands(
    mut socket: TcpStream,
    gate: &Gate,
    host: &str,
    identity: Option<&str>,
    alpn: &[&[u8]],
) -> std::io::Result<Client> {
    let dir = gate.dir.path();
    let identity = identity.map(|name| {
        Identity::read(&dir.join(format!("{name}.pem")), &dir.join(format!("{name}.key"))).unwrap()
    });
    let authorities = Authorities::read(&dir.join("ca.pem")).unwrap();
    let config = client_config(&authorities, identity.as_ref(), alpn).unwrap();
    let name = rustls::pki_types::ServerName::try_from(host.to_owned()).unwrap();
    let mut connection =
        rustls::ClientConnection::new(Arc::clone(&config), name).map_err(std::io::Error::other)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    Ok(Client::over(rustls::StreamOwned::new(connection, socket)))
}

/// Runs a program with its output in case it fails.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{text}\n{said}", output.status);
    text
}

/// Runs one of the Python programs beside the tests, with the packages of `tests/setup.sh`.
pub fn python(program: &str, arguments: &[&str]) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    let python = target.join("tools/bin/python");
    let program = root.join("tests/it/downstream").join(program);
    let all: Vec<&str> = [program.to_str().unwrap()].iter().chain(arguments).copied().collect();
    run(python.to_str().unwrap(), &all)
}
