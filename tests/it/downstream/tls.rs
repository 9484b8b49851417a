//! TLS: which certificate, who gets in, what a route takes, and certificates that change.

use std::sync::Arc;
use std::time::Duration;

use kgate::config::Config;
use kgate::gateway::FIRST_WORDS;
use kgate::verify::wall;

use super::{Office, TLS, run, shake_hands, tls_client, tls_gate};
use crate::harness::{CONFIG, Client, Gate, is_quick, now, request, unless_it_stands_still, until};
use crate::process::Site;

#[test]
fn a_request_over_tls_is_judged_as_any_other_and_the_backend_learns_of_it() {
    let gate = tls_gate(&format!("{TLS}, hsts = \"365d\", hsts_subdomains = true"), "");
    let token = gate.issue(&["products:read"]);
    let mut client = tls_client(&gate, "localhost", None).unwrap();
    for _ in 0..2 {
        client.send(request("GET", "/v1/products", &token));
        let answer = client.answer();
        assert_eq!(answer.status, 200);
        assert_eq!(answer.seen("x-forwarded-proto"), ["https"]);
        assert_eq!(answer.header("strict-transport-security"), Some("max-age=31536000; includeSubDomains"));
    }
    client.send("GET /v1/products HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let refused = client.answer();
    assert_eq!((refused.status, refused.code().as_str()), (401, "unauthorized"));
    assert!(refused.header("strict-transport-security").is_some());
    // Clear text at a TLS port, and the other way round.
    let mut plain = gate.connect();
    plain.send(request("GET", "/v1/products", &token));
    assert!(!String::from_utf8_lossy(&plain.rest()).contains("HTTP/1.1 200"));
    until("it is counted", || gate.count("kgate_connection_faults_total{fault=\"handshake\"}") >= 1.0);
}

#[test]
fn openssl_and_curl_agree_that_only_modern_tls_is_spoken() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let token = gate.issue(&["products:read"]);
    let ca = gate.dir.path().join("ca.pem");
    let ca = ca.to_str().unwrap();
    let url = format!("https://localhost:{}/v1/products", gate.address.port());
    let key = format!("Authorization: Bearer {}", token.expose());
    for (version, wanted) in [("--http1.1", "200 1.1"), ("--http2", "200 2")] {
        for tls in ["1.2", "1.3"] {
            let said = run(
                "curl",
                &[
                    "-s",
                    version,
                    "--tls-max",
                    tls,
                    "--cacert",
                    ca,
                    "-H",
                    &key,
                    "-o",
                    "/dev/null",
                    "-w",
                    "%{http_code} %{http_version}",
                    &url,
                ],
            );
            assert_eq!(said, wanted, "TLS {tls}");
        }
    }
    let at = gate.address.to_string();
    let s_client = |more: &[&str]| {
        let all = [&["s_client", "-connect", &at, "-servername", "localhost", "-CAfile", ca], more].concat();
        let output =
            std::process::Command::new("openssl").args(all).stdin(std::process::Stdio::null()).output();
        let output = output.unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let modern = s_client(&["-tls1_2", "-alpn", "h2"]);
    assert!(modern.contains("Verify return code: 0") && modern.contains("ALPN protocol: h2"), "{modern}");
    assert!(modern.contains("ECDHE"), "{modern}");
    for old in [&["-tls1_1", "-cipher", "DEFAULT:@SECLEVEL=0"][..], &["-tls1_2", "-cipher", "AES128-SHA"]] {
        let refused = s_client(old);
        assert!(
            !refused.contains("Verify return code: 0 (ok)") || refused.contains("Cipher is (NONE)"),
            "{refused}"
        );
    }
}

#[test]
fn a_listener_may_ask_for_tls_1_3_and_leave_http2_out() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(&format!("{TLS}, min_version = \"1.3\", http2 = false"), "");
    let key = format!("Authorization: Bearer {}", gate.issue(&["products:read"]).expose());
    let url = format!("https://localhost:{}/v1/products", gate.address.port());
    let ca = gate.dir.path().join("ca.pem");
    let ask = |more: &[&str]| {
        let common = ["-s", "--http2", "--cacert", ca.to_str().unwrap(), "-H", &key, "-o", "/dev/null"];
        let format = ["-w", "%{http_code} %{http_version}", &url];
        let output = std::process::Command::new("curl").args([&common, more, &format].concat()).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    assert_eq!(ask(&[]), "200 1.1", "HTTP/2 was asked for, and is not offered");
    assert!(ask(&["--tls-max", "1.2"]).starts_with("000"), "TLS 1.2 is not spoken");
    until("it is counted", || gate.count("kgate_connection_faults_total{fault=\"handshake\"}") >= 1.0);
}

#[test]
fn each_host_gets_its_certificate() {
    let list = "certificates = [{ certificate = \"server.pem\", key = \"server.key\" }, \
                { certificate = \"partner.pem\", key = \"partner.key\" }]";
    let gate = tls_gate(list, "");
    for host in ["localhost", "api.example.com", "partner.example.com"] {
        tls_client(&gate, host, None).unwrap_or_else(|error| panic!("{host}: {error}"));
    }
    let error = tls_client(&gate, "unknown.example.com", None).err().expect("nobody vouches for that name");
    assert!(error.to_string().contains("not valid for name"), "{error}");
}

/// Routes that ask for a partner's certificate, with a key and without.
const PARTNERS: &str = r#"
[[route]]
name = "partners"
path = "/partners/**"
client_certificates = ["cn:partner", "dns:PARTNER.example.com"]
upstream = "echo"

[[route]]
name = "partners-public"
path = "/partners-public/**"
client_certificates = ["cn:partner"]
public = true
upstream = "echo"
"#;

#[test]
fn a_route_takes_only_whose_certificate_it_names() {
    let tls = format!("{TLS}, client_certificates = \"optional\", client_ca = \"ca.pem\"");
    let gate = tls_gate(&tls, PARTNERS);
    let token = gate.issue(&["products:read"]);
    for (identity, status) in [(Some("partner"), 200), (Some("other"), 403), (None, 403)] {
        let mut client = tls_client(&gate, "localhost", identity).unwrap();
        client.send(request("GET", "/partners/a", &token));
        let answer = client.answer();
        assert_eq!(answer.status, status, "{identity:?}");
        if status == 403 {
            assert_eq!(answer.code(), "client_certificate");
        }
        client.send("GET /partners-public/a HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, status, "{identity:?}, public");
        client.send(request("GET", "/v1/products", &token));
        assert_eq!(client.answer().status, 200, "{identity:?}, elsewhere");
        // A good certificate is no key.
        client.send("GET /partners/a HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(client.answer().status, if status == 200 { 401 } else { 403 });
    }
}

#[test]
fn without_a_required_certificate_nobody_gets_in() {
    let tls = format!("{TLS}, client_certificates = \"required\", client_ca = \"ca.pem\"");
    let gate = tls_gate(&tls, "");
    let token = gate.issue(&["products:read"]);
    let ask = |identity| {
        let mut client = tls_client(&gate, "localhost", identity).ok()?;
        client.try_send(request("GET", "/v1/products", &token)).then(|| client.try_answer())?
    };
    assert_eq!(ask(Some("partner")).unwrap().status, 200);
    assert!(ask(None).is_none());
    // A stranger's authority made one with the same name.
    let stranger = tempfile::tempdir().unwrap();
    Office::open(stranger.path()).issue("stranger", "partner", &[], 2100);
    for file in ["stranger.pem", "stranger.key"] {
        std::fs::copy(stranger.path().join(file), gate.dir.path().join(file)).unwrap();
    }
    assert!(ask(Some("stranger")).is_none());
    until("both are counted", || gate.count("kgate_connection_faults_total{fault=\"handshake\"}") >= 2.0);
}

/// Who resumes a session shows no certificate again, and who keeps a connection none either.
#[test]
fn a_certificate_that_expires_is_none_on_resumed_sessions_and_kept_connections() {
    let tls = format!("{TLS}, client_certificates = \"optional\", client_ca = \"ca.pem\"");
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {tls} }} }}]");
    let config = CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen) + PARTNERS;
    let mut office = None;
    let gate = Gate::start_with(&config, |dir| {
        let opened = Office::open(dir);
        opened.issue("server", "server", &["localhost"], 2100);
        office = Some(opened);
    });
    let ask = |client: &mut Client| {
        client
            .try_send("GET /partners-public/a HTTP/1.1\r\nHost: a\r\n\r\n")
            .then(|| client.try_answer().map(|answer| answer.status))
            .flatten()
    };
    let connect = |config: &Arc<rustls::ClientConfig>| {
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(Arc::clone(config), name).unwrap();
        let mut socket = std::net::TcpStream::connect(gate.address).unwrap();
        socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).unwrap();
        }
        let is_resumed = connection.handshake_kind() == Some(rustls::HandshakeKind::Resumed);
        (Client::over(rustls::StreamOwned::new(connection, socket)), is_resumed)
    };
    let mut kept = None;
    let (ends, config) = office.unwrap().shown_in_time("partner", |config| {
        kept = None;
        let shown = [(); 2].map(|()| {
            let (mut client, is_resumed) = connect(config);
            let status = ask(&mut client);
            kept.get_or_insert(client);
            (status, is_resumed)
        });
        move || assert_eq!(shown, [(Some(200), false), (Some(200), true)])
    });
    until("the certificate has expired", || wall() > ends.plus(Duration::from_secs(1)));
    assert_eq!(ask(&mut kept.unwrap()), Some(403));
    let (mut again, is_resumed) = connect(&config);
    assert!(is_resumed, "else nothing is shown");
    assert_eq!(ask(&mut again), None);
}

#[test]
fn a_plain_listener_sends_browsers_on_to_tls() {
    let listen = "proxy = [{ address = \"127.0.0.1:0\", redirect_to_https = 8443 }]";
    let gate = Gate::start(&CONFIG.replace("proxy = [\"127.0.0.1:0\"]", listen));
    let token = gate.issue(&["products:read"]);
    let ask = |target: &str, host: &str| {
        gate.send(format!(
            "GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {}\r\n\r\n",
            token.expose()
        ))
    };
    let answer = ask("/v1/products?a=b", "api.example.com:80");
    assert_eq!(answer.status, 308);
    assert_eq!(answer.header("location"), Some("https://api.example.com:8443/v1/products?a=b"));
    assert_eq!(ask("/", "[::1]:80").header("location"), Some("https://[::1]:8443/"));
    for (target, host) in [("http://evil.example/", "a"), ("*", "a"), ("//evil.example", "a b"), ("/", "a@b")]
    {
        assert_eq!(ask(target, host).status, 400, "{target} {host}");
    }
}

#[test]
fn check_finds_what_is_wrong_with_certificates() {
    let dir = tempfile::tempdir().unwrap();
    let office = Office::open(dir.path());
    office.issue("good", "good", &["localhost"], 2100);
    office.issue("old", "old", &["localhost"], 2021);
    let parse = |text: &str| Config::parse(&dir.path().join("kgate.toml"), text);
    let base = CONFIG.replace("shared_secret_file = \"secret\"", "").replace("{echo}", "127.0.0.1:9");
    let listener = |tls: &str| {
        let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {tls} }} }}]");
        base.replace("proxy = [\"127.0.0.1:0\"]", &listen)
    };
    for (tls, wanted) in [
        ("certificate = \"good.pem\", key = \"old.key\"", "is not that of the certificate"),
        ("certificate = \"good.key\", key = \"good.pem\"", "holds no certificate, but a private key"),
        ("certificate = \"gone.pem\", key = \"good.key\"", "cannot read"),
        ("certificate = \"good.pem\"", "holds no private key, but a certificate"),
        ("", "`tls` needs a certificate"),
        (
            "certificate = \"good.pem\", key = \"good.key\", client_ca = \"ca.pem\"",
            "`client_ca` checks nobody",
        ),
        (
            "certificate = \"good.pem\", key = \"good.key\", client_certificates = \"required\"",
            "nobody says which client certificates are good",
        ),
        ("certificate = \"good.pem\", key = \"good.key\", hsts_subdomains = true", "belongs to `hsts`"),
    ] {
        let error = parse(&listener(tls)).err().unwrap_or_else(|| panic!("{tls}: taken")).to_string();
        assert!(error.contains(wanted), "{tls}: {error}");
        assert!(error.contains("kgate.toml:"), "{tls}: {error}");
    }
    // Wherever one is named, it is told of while there is time, and when there is none.
    let good = "certificate = \"good.pem\", key = \"good.key\"";
    let old = "certificate = \"old.pem\", key = \"old.key\"";
    let door = |name: &str| {
        let tls = format!("{name} = \"127.0.0.1:0\"\n{name}_tls = {{ {old} }}\n\n[server]\n");
        base.replace("[server]\n", &tls)
    };
    let upstream = |tls: &str| {
        let servers = "servers = [\"127.0.0.1:9\"]";
        base.replace(servers, &format!("{servers}\ntls = {{ server_name = \"localhost\", {tls} }}"))
    };
    let clients = "client_certificates = \"required\", client_ca = \"old.pem\"";
    for (what, text) in [
        ("a listener", listener(old)),
        ("its clients' authority", listener(&format!("{good}, {clients}"))),
        ("the admin listener", door("admin")),
        ("the portal", door("portal")),
        ("a backend's authority", upstream("ca = \"old.pem\"")),
        ("what a backend is shown", upstream(&format!("ca = \"good.pem\", {old}"))),
    ] {
        for (now, is_error, wanted) in [
            ("2019-12-31", true, Some("does not hold before")),
            ("2020-06-01", false, None),
            ("2020-12-25", false, Some("expires at")),
            ("2021-01-01", true, Some("expired at")),
        ] {
            let mut loaded = parse(&text).unwrap_or_else(|error| panic!("{what}: {error}"));
            assert!(!loaded.warnings.has_errors(), "{what}");
            loaded.note_dates(now.parse().unwrap());
            let told = loaded.warnings.to_string();
            let said =
                ["does not hold before", "expires at", "expired at"].into_iter().find(|w| told.contains(w));
            assert_eq!((loaded.warnings.has_errors(), said), (is_error, wanted), "{what}, {now}: {told}");
        }
    }
}

#[test]
fn a_renewed_certificate_is_taken_up_and_open_connections_go_on() {
    let listen = format!("proxy = [{{ address = \"127.0.0.1:0\", tls = {{ {TLS} }} }}]");
    let config = crate::process::CONFIG.replace("proxy = [\"127.0.0.1:0\"]", &listen);
    let dir = tempfile::tempdir().unwrap();
    let office = Office::open(dir.path());
    office.issue("server", "first", &["localhost"], 2100);
    let config = config.replace("server.", &format!("{}/server.", dir.path().display()));
    let site = Site::with(&config);
    let store = site.store();
    let token = Site::issue(&store).token;
    drop(store);
    let serving = site.serve(&[]);

    let authorities = kgate::tls::Authorities::read(&dir.path().join("ca.pem")).unwrap();
    let client = || {
        let config = kgate::tls::client_config(&authorities, None, &[]).unwrap();
        let name = rustls::pki_types::ServerName::try_from("localhost").unwrap();
        let mut connection = rustls::ClientConnection::new(config, name).unwrap();
        let mut socket = std::net::TcpStream::connect(serving.address).unwrap();
        socket.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
        while connection.is_handshaking() {
            connection.complete_io(&mut socket).unwrap();
        }
        let seen = connection.peer_certificates().unwrap()[0].to_vec();
        (Client::over(rustls::StreamOwned::new(connection, socket)), seen)
    };
    let (mut open, first) = client();
    open.send(request("GET", "/", &token));
    assert_eq!(open.answer().status, 200);

    // A file that does not fit leaves the old one in force.
    std::fs::write(dir.path().join("server.key"), "no key").unwrap();
    until("it is told of", || serving.said().contains("holds no private key"));
    assert_eq!(client().1, first);
    office.issue("server", "second", &["localhost"], 2100);
    until("the new one is shown", || client().1 != first);
    open.send(request("GET", "/", &token));
    assert_eq!(open.answer().status, 200, "the open connection goes on");
}

/// A handshake takes as long as the client is far away, whatever happens meanwhile.
#[test]
fn whose_handshake_is_under_way_when_it_is_time_to_drain_may_still_ask() {
    unless_it_stands_still(FIRST_WORDS, |began| {
        let mut gate = tls_gate(TLS, "");
        let token = gate.issue(&["products:read"]);
        let begun = std::net::TcpStream::connect(gate.address).unwrap();
        let mut silent = tls_client(&gate, "localhost", None).unwrap();
        began.set(now());
        gate.stop(kgate::gateway::Stop::Draining);
        std::thread::sleep(Duration::from_millis(100));
        let mut late = shake_hands(begun, &gate, "localhost", None, &[]).unwrap();
        for client in [&mut silent, &mut late] {
            client.send(request("GET", "/v1/products", &token));
            let answer = client.answer();
            assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
        }
        gate.wait();
    });
}

#[test]
fn no_request_fails_while_certificates_and_configuration_change_under_load() {
    if is_quick() {
        return;
    }
    let gate = tls_gate(TLS, "");
    let token = gate.issue(&["products:read"]);
    let url = format!("https://localhost:{}/v1/products", gate.address.port());
    let key = format!("Authorization: Bearer {}", token.expose());
    // As many as eight connections may carry: h2load makes none anew when one has had its number.
    let count = crate::harness::full_or(64_000, 2_000).to_string();
    let load = |protocol: &'static str| {
        let (url, key, count) = (url.clone(), key.clone(), count.clone());
        std::thread::spawn(move || {
            run("h2load", &["-n", &count, "-c", "8", "-m", "4", "-H", &key, protocol, &url])
        })
    };
    for protocol in ["--npn-list=h2", "--h1"] {
        let running = load(protocol);
        let mut changes = 0;
        while !running.is_finished() {
            Office::open(gate.dir.path()).issue("server", "server", &["localhost"], 2100);
            let loaded = Config::read(&gate.loaded.config.path).unwrap();
            gate.gateway.reconfigure(&loaded.config).unwrap();
            changes += 1;
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let said = running.join().unwrap();
        assert!(said.contains(&format!("{count} succeeded, 0 failed, 0 errored, 0 timeout")), "{said}");
        assert!(said.contains(&format!("status codes: {count} 2xx")), "{said}");
        assert!(changes > 1, "nothing changed meanwhile");
    }
}
