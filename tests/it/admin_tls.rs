//! The admin listener over TLS, as curl and openssl meet it: who gets in, and who is who by a certificate.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use kgate::config::Config;
use kgate::key::Role;
use kgate::store::NewAdminKey;
use kgate::verify::wall;
use serde_json::Value;

use crate::downstream::Office;
use crate::harness::{Client, PATIENCE, act, is_quick, until};
use crate::process::{CONFIG, Process, Site};

/// A site whose admin listener speaks TLS, with more in its table, and certificates of one office: `server`
/// for `localhost` and `kgate.internal`, `alice`, `bob` and `prometheus` for clients.
pub fn site(tls: &str) -> (Site, Office) {
    let site = Site::with(&config(tls));
    let office = Office::open(site.dir.path());
    office.issue("server", "server", &["localhost", "kgate.internal"], 2100);
    for name in ["alice", "bob", "prometheus"] {
        office.issue(name, name, &[&format!("{name}.example.com")], 2100);
    }
    (site, office)
}

fn config(tls: &str) -> String {
    let listen = "admin = [\"127.0.0.1:0\", \"unix:admin.sock\"]\nadmin_hosts = [\"kgate.internal\"]";
    let config = CONFIG.replace("admin = \"127.0.0.1:0\"", listen);
    format!("{config}\n[listen.admin_tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n{tls}\n")
}

/// Calls by curl; the status and the body, or curl's exit code and what it said.
fn curl(dir: &Path, serving: &Process, path: &str, more: &[&str]) -> Result<(u16, String), (i32, String)> {
    let url = format!("https://localhost:{}{path}", serving.admin.port());
    let output = Command::new("curl")
        .args(["-sS", "--max-time", "60", "--cacert", "ca.pem", "-w", "\n%{http_code}"])
        .args(more)
        .arg(url)
        .current_dir(dir)
        .output()
        .unwrap();
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err((output.status.code().unwrap(), said));
    }
    let text = String::from_utf8(output.stdout).unwrap();
    let (body, status) = text.rsplit_once('\n').unwrap();
    Ok((status.parse().unwrap(), body.to_owned()))
}

const OPTIONAL: &str = "client_certificates = \"optional\"\nclient_ca = \"ca.pem\"\n\
                        roles = { \"cn:alice\" = \"operator\", \"dns:alice.example.com\" = \"viewer\", \"cn:prometheus\" = \"viewer\" }";

#[test]
fn a_certificate_is_a_caller_with_its_role_and_a_key_still_counts() {
    if is_quick() {
        return;
    }
    let (site, _office) = site(OPTIONAL);
    let new = NewAdminKey { name: "key".to_owned(), role: Role::Viewer, expires_at: None };
    let key = site.store().issue_admin_key(&new, &act(), &mut rand::rng()).unwrap();
    let serving = site.serve(&[]);
    let dir = site.dir.path();
    let ask = |path: &str, more: &[&str]| curl(dir, &serving, path, more).unwrap();
    let who = |more: &[&str]| {
        let (status, body) = ask("/v1/whoami", more);
        assert_eq!(status, 200, "{body}");
        let body: Value = serde_json::from_str(&body).unwrap();
        format!("{} {}", body["actor"].as_str().unwrap(), body["role"].as_str().unwrap())
    };
    let [alice, bob] =
        [["--cert", "alice.pem", "--key", "alice.key"], ["--cert", "bob.pem", "--key", "bob.key"]];
    let bearer = format!("Authorization: Bearer {}", key.token.expose());
    assert_eq!(who(&alice), "cn:alice operator", "of two names that fit the higher role counts");
    // A key says more than a certificate, also when it may less.
    let both = [&alice[..], &["-H", &bearer]].concat();
    assert!(who(&both).ends_with(" viewer"));
    let wrong = [&alice[..], &["-H", "Authorization: Bearer kgate_admin_x"]].concat();
    assert_eq!(ask("/v1/whoami", &wrong).0, 401, "a wrong key is not made good by a certificate");
    // An office's certificate without a role is nobody, and so is none.
    assert_eq!(ask("/v1/whoami", &bob).0, 401);
    assert_eq!(ask("/v1/whoami", &[]).0, 401);
    assert_eq!(ask("/healthz", &[]).0, 200);

    let json = ["-H", "Content-Type: application/json", "-d", "{\"name\":\"Acme\",\"note\":\"why\"}"];
    let (status, body) = ask("/v1/consumers", &[&alice[..], &json].concat());
    assert_eq!(status, 201, "{body}");
    let monitor = ["--cert", "prometheus.pem", "--key", "prometheus.key"];
    assert_eq!(ask("/v1/consumers", &[&monitor[..], &json].concat()).0, 403);
    assert_eq!(ask("/v1/admin-keys", &alice).0, 403, "an operator sees no admin keys");
    let output = site.command(&["audit", "--json", "-n", "1"]).output().unwrap();
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&rows[0]["actor"], &rows[0]["note"]), (&"cn:alice".into(), &"why".into()));

    // A browser shows the certificate to whoever's page is open, and sends an empty body without asking.
    let disable =
        |more: &[&str]| ask("/v1/consumers/Acme/disable", &[&alice[..], &["-X", "POST"], more].concat()).0;
    let elsewhere = ["-H", "Origin: https://evil.example", "-H", "Sec-Fetch-Site: cross-site"];
    assert_eq!((disable(&elsewhere), disable(&elsewhere[2..]), disable(&elsewhere[..2])), (403, 403, 403));
    assert_eq!(disable(&[]), 200);

    // The host is checked as without TLS.
    let port = serving.admin.port();
    for (host, wanted) in [("kgate.internal", 200), ("evil.example", 421)] {
        assert_eq!(ask("/healthz", &["-H", &format!("Host: {host}:{port}")]).0, wanted, "{host}");
    }
    // The kernel says who is at a Unix socket, without TLS.
    let socket = Command::new("curl")
        .args(["-sS", "--unix-socket", "admin.sock", "http://localhost/v1/whoami"])
        .current_dir(dir)
        .output()
        .unwrap();
    assert!(String::from_utf8_lossy(&socket.stdout).contains("\"uid "), "{socket:?}");
}

#[test]
fn without_a_required_certificate_not_even_metrics_are_shown() {
    if is_quick() {
        return;
    }
    let required = OPTIONAL.replace("optional", "required");
    let (site, _office) = site(&required);
    let dir = site.dir.path();
    let stranger = tempfile::tempdir().unwrap();
    Office::open(stranger.path()).issue("stranger", "alice", &["alice.example.com"], 2100);
    for file in ["stranger.pem", "stranger.key"] {
        std::fs::copy(stranger.path().join(file), dir.join(file)).unwrap();
    }
    let serving = site.serve(&[]);
    let shows = |name: &str| {
        let (certificate, key) = (format!("{name}.pem"), format!("{name}.key"));
        curl(dir, &serving, "/metrics", &["--cert", &certificate, "--key", &key])
    };
    assert_eq!(shows("bob").unwrap().0, 200);
    for refused in [shows("stranger"), curl(dir, &serving, "/metrics", &[])] {
        let (code, said) = refused.unwrap_err();
        // While it shook hands, while it waited, while it sent or while it read.
        assert!([35, 52, 55, 56].contains(&code), "curl says it was cut: {code} {said}");
    }
    // Clear text gets no answer, and whoever is silent no place for long.
    let plain = format!("http://{}/metrics", serving.admin);
    let output = Command::new("curl").args(["-sS", "--max-time", "60", &plain]).output().unwrap();
    assert!(!output.status.success(), "{output:?}");
    let old = Command::new("openssl")
        .args([
            "s_client",
            "-connect",
            &serving.admin.to_string(),
            "-tls1_1",
            "-cipher",
            "DEFAULT:@SECLEVEL=0",
        ])
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(!old.status.success(), "TLS 1.1 is not spoken");
}

/// Who resumes a session shows no certificate again, and nobody looks at its dates but we.
#[test]
fn a_certificate_that_expires_is_nobodys_on_resumed_sessions() {
    for asked in ["optional", "required"] {
        let (site, office) = site(&OPTIONAL.replace("optional", asked));
        let serving = site.serve(&[]);
        let ask = |config: &Arc<rustls::ClientConfig>, path: &str| {
            let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
            let mut connection = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
            let mut socket = std::net::TcpStream::connect(serving.admin).unwrap();
            socket.set_read_timeout(Some(PATIENCE)).unwrap();
            while connection.is_handshaking() {
                connection.complete_io(&mut socket).unwrap();
            }
            let is_resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
            let mut client = Client::over(rustls::StreamOwned::new(connection, socket));
            client.try_send(format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n"));
            (client.try_answer().map(|answer| answer.status), is_resumed)
        };
        let (ends, config) = office.shown_in_time("alice", |config| {
            let shown = [(); 2].map(|()| ask(config, "/v1/whoami"));
            move || assert_eq!(shown, [(Some(200), false), (Some(200), true)])
        });
        until("the certificate has expired", || wall() > ends.plus(Duration::from_secs(1)));
        assert_eq!(ask(&config, "/v1/whoami"), (Some(401), true), "{asked}");
        assert_eq!(ask(&config, "/metrics"), (Some(401), true), "{asked}");
    }
}

#[test]
fn certificates_and_roles_of_the_admin_listener_are_reloaded() {
    if is_quick() {
        return;
    }
    let (site, office) = site(OPTIONAL);
    let serving = site.serve(&[]);
    let dir = site.dir.path();
    let shown = || {
        let output = Command::new("openssl")
            .args(["s_client", "-connect", &serving.admin.to_string(), "-CAfile", "ca.pem"])
            .current_dir(dir)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(shown().contains("CN=server") || shown().contains("CN = server"), "{}", shown());
    office.issue("server", "renewed", &["localhost"], 2100);
    until("the new certificate is shown", || shown().contains("renewed"));
    let alice = ["--cert", "alice.pem", "--key", "alice.key"];
    let status = || curl(dir, &serving, "/v1/whoami", &alice).unwrap().0;
    assert_eq!(status(), 200);
    // Who has no role any more is nobody from then on.
    site.configure(&config(&OPTIONAL.replace("alice", "carol")));
    until("the role is gone", || status() == 401);
    assert!(!serving.said().contains("restart"), "{}", serving.said());
}

#[test]
fn check_wants_tls_where_others_can_reach_the_admin_listener() {
    let (site, _office) = site("");
    let try_with = |listen: &str, tls: &str| {
        let config = CONFIG.replace("admin = \"127.0.0.1:0\"", listen);
        let path = site.dir.path().join("tried.toml");
        std::fs::write(&path, config.replace("{echo}", "127.0.0.1:9") + tls).unwrap();
        Config::read(&path).map(|_| ()).map_err(|error| error.to_string())
    };
    let tls = "\n[listen.admin_tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\n";
    let open = "admin = \"0.0.0.0:8081\"";
    for (listen, tls) in [
        (open, tls.to_owned()),
        ("admin = \"0.0.0.0:8081\"\nadmin_trusted = true", String::new()),
        ("admin = [\"127.0.0.1:8081\", \"unix:a.sock\"]", String::new()),
        (open, format!("{tls}{OPTIONAL}")),
    ] {
        try_with(listen, &tls).unwrap_or_else(|error| panic!("{listen} {tls}: {error}"));
    }
    let roles = "roles = { \"cn:a\" = \"admin\" }";
    for (listen, tls, wanted) in [
        (open, String::new(), "clear text"),
        ("admin = \"unix:a.sock\"", tls.to_owned(), "protects nothing"),
        (open, format!("{tls}{roles}"), "clients are not asked"),
        (open, format!("{tls}{}", OPTIONAL.replace("operator", "root")), "viewer, operator or admin"),
        (open, format!("{tls}{}", OPTIONAL.replace("cn:alice", "alice")), "no name of a certificate"),
        (open, tls.replace("server.key", "gone.key"), "cannot read"),
        (open, format!("{tls}http2 = true"), "http2"),
    ] {
        let error = try_with(listen, &tls).expect_err(&tls);
        assert!(error.contains(wanted), "{wanted}: {error}");
    }
}
