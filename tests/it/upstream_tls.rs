//! TLS and HTTP/2 to real backends: nginx with every kind of certificate there is trouble with.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use kgate::config::Config;

use crate::fronts::{free_port, tool};
use crate::harness::{Answer, CONFIG, Gate, is_quick, until};

/// Makes authorities and certificates: good, expired, for another name, signed by a stranger.
const MAKE: &str = r#"
import datetime, ipaddress, sys
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
day, now = datetime.timedelta(days=1), datetime.datetime.now(datetime.timezone.utc)
def name(text): return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])
def write(path, cert, key):
    pem = cert.public_bytes(serialization.Encoding.PEM)
    open(f"{path}.pem", "wb").write(pem)
    open(f"{path}.key", "wb").write(key.private_bytes(serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
def cert(subject, key, issuer, signer, begins, ends, ca=False, names=()):
    b = (x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(key.public_key())
        .serial_number(x509.random_serial_number()).not_valid_before(begins).not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True))
    if names:
        b = b.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return b.sign(signer, hashes.SHA256())
def authority(title):
    key = ec.generate_private_key(ec.SECP256R1())
    write(title, cert(title, key, title, key, now - day, now + 30 * day, ca=True), key)
    return key
ours, strangers = authority("ca"), authority("other-ca")
def leaf(path, names, signer=ours, issuer="ca", begins=now - day, ends=now + 30 * day):
    key = ec.generate_private_key(ec.SECP256R1())
    write(path, cert(path, key, issuer, signer, begins, ends, names=names), key)
here = [x509.DNSName("backend.internal"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
leaf("good", here)
leaf("expired", here, begins=now - 3 * day, ends=now - day)
leaf("other-name", [x509.DNSName("other.internal")])
leaf("untrusted", here, signer=strangers, issuer="other-ca")
leaf("client", [x509.DNSName("kgate")])
leaf("strange-client", [x509.DNSName("kgate")], signer=strangers, issuer="other-ca")
"#;

/// An nginx that says which of its servers was reached, over what, and by whom.
struct Nginx {
    child: Child,
}

impl Drop for Nginx {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server: its certificate, and what else its block has.
struct Tls {
    certificate: &'static str,
    more: &'static str,
    listen: &'static str,
}

fn nginx(dir: &Path, servers: &[Tls]) -> (Nginx, Vec<SocketAddr>) {
    let ports: Vec<SocketAddr> = servers.iter().map(|_| free_port()).collect();
    let blocks: String = servers
        .iter()
        .zip(&ports)
        .map(|(Tls { certificate, more, listen }, port)| {
            let d = dir.display();
            let tls = if certificate.is_empty() {
                String::new()
            } else {
                format!("ssl_certificate {d}/{certificate}.pem; ssl_certificate_key {d}/{certificate}.key;")
            };
            format!(
                "server {{ listen {port} {listen}; {tls} {more}\n location / {{ default_type text/plain; \
                 return 200 \"$server_protocol|$ssl_client_verify|$host|$http_x_consumer_id|$ssl_session_reused\"; }} }}\n"
            )
        })
        .collect();
    let conf = format!(
        "daemon off; master_process off; pid {0}/nginx.pid; error_log stderr crit;\nevents {{}}\nhttp {{ access_log off; \
         client_body_temp_path {0}/b; proxy_temp_path {0}/p; fastcgi_temp_path {0}/f; uwsgi_temp_path {0}/u; \
         scgi_temp_path {0}/s;\n{blocks}}}\n",
        dir.display()
    );
    std::fs::write(dir.join("nginx.conf"), conf).unwrap();
    let child = Command::new("nginx")
        .args(["-p", dir.to_str().unwrap(), "-c", dir.join("nginx.conf").to_str().unwrap()])
        .stdout(Stdio::null())
        .spawn()
        .expect("`tests/setup.sh test` installs nginx");
    let nginx = Nginx { child };
    for port in &ports {
        until("nginx listens", || std::net::TcpStream::connect(port).is_ok());
    }
    (nginx, ports)
}

fn certificates() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let made = Command::new(tool("python")).args(["-c", MAKE]).current_dir(dir.path()).status().unwrap();
    assert!(made.success());
    dir
}

/// [`CONFIG`] with another backend.
fn config(dir: &Path, server: &SocketAddr, lines: &str) -> String {
    // However busy the machine is: a handshake is part of it.
    let settings = format!("servers = [\"{server}\"]\nconnect_timeout = \"1m\"\n{lines}");
    CONFIG.replace("servers = [\"{echo}\"]", &settings).replace("{certs}", dir.to_str().unwrap())
}

fn ask(gate: &Gate) -> Answer {
    let token = gate.issue(&["products:read"]);
    gate.get("/v1/products/1", &token)
}

/// What nginx said: protocol, verdict on our certificate, host, consumer.
fn said(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{} {}", answer.head, answer.body.escape_ascii());
    String::from_utf8(answer.body.clone()).unwrap().split('|').map(str::to_owned).collect()
}

fn path(dir: &Path, name: &str) -> PathBuf {
    dir.join(name)
}

#[test]
fn only_a_backend_with_a_good_certificate_gets_requests() {
    if is_quick() {
        return;
    }
    let dir = certificates();
    let plain = |certificate| Tls { certificate, more: "", listen: "ssl" };
    let servers = [plain("good"), plain("expired"), plain("other-name"), plain("untrusted")];
    let (_nginx, ports) = nginx(dir.path(), &servers);
    let tls = "tls = { ca = \"{certs}/ca.pem\", server_name = \"backend.internal\" }";
    let gate = Gate::start(&config(dir.path(), &ports[0], tls));
    let reached = said(&ask(&gate));
    assert_eq!((reached[0].as_str(), reached[2].as_str()), ("HTTP/1.1", "api.example.com"));
    assert!(reached[3].starts_with("cust_"), "{reached:?}");
    // By its own address, which is in the certificate, too.
    let by_address = "tls = { ca = \"{certs}/ca.pem\" }";
    said(&ask(&Gate::start(&config(dir.path(), &ports[0], by_address))));
    for (port, tls) in [
        (&ports[1], tls),
        (&ports[2], tls),
        (&ports[3], tls),
        (&ports[0], "tls = { ca = \"{certs}/other-ca.pem\" }"),
        (&ports[0], "tls = { ca = \"{certs}/ca.pem\", server_name = \"elsewhere.internal\" }"),
        // The authorities of this machine do not know ours.
        (&ports[0], "tls = { server_name = \"backend.internal\" }"),
    ] {
        let gate = Gate::start(&config(dir.path(), port, tls));
        let answer = ask(&gate);
        assert_eq!((answer.status, answer.code().as_str()), (502, "bad_gateway"), "{port} {tls}");
    }
    // Clear text to a TLS port, and TLS to one that has none.
    let gate = Gate::start(&config(dir.path(), &ports[0], ""));
    assert_eq!(ask(&gate).status, 400, "nginx's own word on it");
    let text = format!("servers = [\"{{echo}}\"]\n{by_address}");
    let text =
        CONFIG.replace("servers = [\"{echo}\"]", &text).replace("{certs}", dir.path().to_str().unwrap());
    let gate = Gate::start(&(text.replace("connect_timeout", "#")));
    assert!(matches!(ask(&gate).status, 502 | 504));
    assert_eq!(gate.echo.requests(), 0);
}

#[test]
fn a_backend_that_asks_for_our_certificate_refuses_others_and_http2_is_spoken() {
    if is_quick() {
        return;
    }
    let dir = certificates();
    let asks = format!("ssl_client_certificate {}/ca.pem; ssl_verify_client on;", dir.path().display());
    let asks: &'static str = asks.leak();
    let servers = [
        Tls { certificate: "good", more: asks, listen: "ssl" },
        Tls { certificate: "good", more: asks, listen: "ssl http2" },
        Tls { certificate: "", more: "", listen: "http2" },
    ];
    let (_nginx, ports) = nginx(dir.path(), &servers);
    let tls = |more: &str| {
        format!("tls = {{ ca = \"{{certs}}/ca.pem\", server_name = \"backend.internal\"{more} }}")
    };
    let shown = ", certificate = \"{certs}/client.pem\", key = \"{certs}/client.key\"";
    let gate = Gate::start(&config(dir.path(), &ports[0], &tls(shown)));
    assert_eq!(said(&ask(&gate))[..2], ["HTTP/1.1", "SUCCESS"]);
    let strange = ", certificate = \"{certs}/strange-client.pem\", key = \"{certs}/strange-client.key\"";
    for more in ["", strange] {
        let gate = Gate::start(&config(dir.path(), &ports[0], &tls(more)));
        let answer = ask(&gate);
        assert_ne!(answer.status, 200, "nginx refuses who has no certificate of ours");
        assert!(!String::from_utf8_lossy(&answer.body).contains("cust_"));
    }
    for (port, protocol) in [(&ports[1], "http/2"), (&ports[1], "auto")] {
        let lines = format!("{}\nprotocol = \"{protocol}\"", tls(shown));
        let gate = Gate::start(&config(dir.path(), port, &lines));
        let reached = said(&ask(&gate));
        assert_eq!(reached[..3], ["HTTP/2.0", "SUCCESS", "api.example.com"]);
        assert!(reached[3].starts_with("cust_"));
    }
    let lines = format!("{}\nprotocol = \"auto\"", tls(shown));
    let gate = Gate::start(&config(dir.path(), &ports[0], &lines));
    assert_eq!(said(&ask(&gate))[0], "HTTP/1.1", "what the server takes");
    // Without TLS, from the first byte; its health is asked the same way.
    let lines = "protocol = \"http/2\"\nhealth = { path = \"/\", interval = \"2s\", timeout = \"2s\", unhealthy = 1 }";
    let gate = Gate::start(&config(dir.path(), &ports[2], lines));
    assert_eq!(said(&ask(&gate))[0], "HTTP/2.0");
    std::thread::sleep(std::time::Duration::from_millis(2_500));
    // One that was asked in another way is never well.
    until("it is well", || gate.count("kgate_upstream_servers_down{upstream=\"echo\"}") == 0.0);
}

/// A connection made under other certificates is not used again.
#[test]
fn changed_certificates_hold_for_the_next_request() {
    if is_quick() {
        return;
    }
    let dir = certificates();
    let (_nginx, ports) = nginx(dir.path(), &[Tls { certificate: "good", more: "", listen: "ssl" }]);
    std::fs::copy(path(dir.path(), "ca.pem"), path(dir.path(), "now.pem")).unwrap();
    let gate = Gate::start(&config(dir.path(), &ports[0], "tls = { ca = \"{certs}/now.pem\" }"));
    said(&ask(&gate));
    let reload = |authority: &str| {
        std::fs::copy(path(dir.path(), authority), path(dir.path(), "now.pem")).unwrap();
        gate.gateway.reconfigure(&Config::read(&gate.loaded.config.path).unwrap().config).unwrap();
    };
    reload("other-ca.pem");
    assert_eq!(ask(&gate).status, 502);
    reload("ca.pem");
    said(&ask(&gate));
    std::fs::write(path(dir.path(), "now.pem"), "nonsense").unwrap();
    let report = Config::read(&gate.loaded.config.path).unwrap_err().to_string();
    assert!(report.contains("now.pem"), "{report}");
    said(&ask(&gate));
}
