//! The portal's own TLS, as curl meets it.

use std::path::Path;
use std::process::Command;

use kgate::config::Config;

use super::{Scene, config};
use crate::downstream::Office;
use crate::harness::{is_quick, until};
use crate::process::{Process, Site};

const TLS: &str =
    "\n[listen.portal_tls]\ncertificate = \"server.pem\"\nkey = \"server.key\"\nhsts = \"365d\"\n";

fn curl(dir: &Path, serving: &Process, path: &str, more: &[&str]) -> Result<String, String> {
    let url = format!("https://localhost:{}{path}", serving.portal.unwrap().port());
    let output = Command::new("curl")
        .args(["-sSi", "--max-time", "60", "--cacert", "ca.pem", "--cookie-jar", "jar", "--cookie", "jar"])
        .args(more)
        .arg(url)
        .current_dir(dir)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

#[test]
fn the_portal_speaks_tls_itself_and_takes_up_another_certificate() {
    if is_quick() {
        return;
    }
    let site = Site::with(&format!("{}{TLS}", config("title = \"Acme\"")));
    let office = Office::open(site.dir.path());
    office.issue("server", "server", &["localhost"], 2100);
    let process = site.serve(&[]);
    let scene = Scene { site, process };
    let dir = scene.site.dir.path();
    let ask =
        |path: &str, more: &[&str]| curl(dir, &scene.process, path, more).unwrap_or_else(|e| panic!("{e}"));
    let page = ask("/sign-in", &[]);
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(page.contains("strict-transport-security: max-age=31536000"), "{page}");
    // In clear text nobody gets anything.
    assert!(!String::from_utf8_lossy(&plain(&scene)).contains("Acme"));
    // A link says so, and the session's cookie is for TLS alone.
    let acme = scene.consumer("Acme");
    let output = scene.site.command(&["portal", "invite", &acme.to_string()]).output().unwrap();
    let link = String::from_utf8(output.stdout).unwrap();
    assert!(link.starts_with("https://"), "{link}");
    let port = scene.process.portal.unwrap().port();
    let origin = format!("Origin: https://localhost:{port}");
    let code = format!("code={}", link.trim().split_once('#').unwrap().1);
    let signed_in = ask("/invite", &["-H", &origin, "-d", &code]);
    assert!(signed_in.starts_with("HTTP/1.1 303"), "{signed_in}");
    assert!(signed_in.contains("set-cookie: __Host-kgate=") && signed_in.contains("; Secure"), "{signed_in}");
    assert!(ask("/keys", &[]).contains("You have no keys yet"));
    // A certificate of another authority takes the place of the first, without a restart.
    let other = Site::with(&config(""));
    Office::open(other.dir.path()).issue("server", "server", &["localhost"], 2100);
    for file in ["server.key", "server.pem"] {
        std::fs::copy(other.dir.path().join(file), dir.join(file)).unwrap();
    }
    scene.process.signal(rustix::process::Signal::HUP);
    let by_the_other = || {
        std::fs::copy(other.dir.path().join("ca.pem"), dir.join("other-ca.pem")).unwrap();
        curl(dir, &scene.process, "/sign-in", &["--cacert", "other-ca.pem"]).is_ok()
    };
    until("the other certificate is shown", by_the_other);
    assert!(curl(dir, &scene.process, "/sign-in", &[]).is_err(), "the first one is shown no more");
}

/// What the configuration says is done, and said: from the next connection on it is clear text. What was opened over
/// TLS opens nothing then, and is there again with it.
#[test]
fn tls_that_is_taken_away_at_a_reload_is_gone_and_said_to_be() {
    if is_quick() {
        return;
    }
    let with = format!("{}{}", config("title = \"Acme\""), TLS.replace("hsts = \"365d\"\n", ""));
    let site = Site::with(&with);
    Office::open(site.dir.path()).issue("server", "server", &["localhost"], 2100);
    let process = site.serve(&[]);
    let scene = Scene { site, process };
    let dir = scene.site.dir.path();
    let acme = scene.consumer("Acme");
    let link = || {
        let output = scene.site.command(&["portal", "invite", &acme.to_string()]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let code = format!("code={}", link().trim().split_once('#').unwrap().1);
    let port = scene.process.portal.unwrap().port();
    let origin = format!("Origin: https://localhost:{port}");
    let ask = |path: &str, more: &[&str]| curl(dir, &scene.process, path, more);
    assert!(ask("/invite", &["-H", &origin, "-d", &code]).unwrap().starts_with("HTTP/1.1 303"));
    assert!(ask("/keys", &[]).unwrap().contains("You have no keys yet"));
    let jar = std::fs::read_to_string(dir.join("jar")).unwrap();
    let cookie = jar.lines().find_map(|line| line.split_once("__Host-kgate\t")).expect("a cookie").1.trim();
    // Nothing that asks for it, and it is said.
    scene.site.configure(&config("title = \"Acme\""));
    scene.process.until_it_says("in clear text from now on, as the configuration says: listen.portal");
    assert!(!scene.process.said().contains("only after a restart"), "{}", scene.process.said());
    assert!(String::from_utf8_lossy(&plain(&scene)).contains("Acme"));
    assert!(ask("/keys", &[]).is_err());
    assert!(link().starts_with("http://"));
    for name in ["__Host-kgate", "kgate_portal"] {
        let mut browser = scene.nobody();
        browser.cookie = Some(format!("{name}={cookie}"));
        let status = browser.get("/keys").status;
        assert_eq!(status, if name == "kgate_portal" { 200 } else { 303 }, "{name}");
    }
    scene.site.configure(&with);
    until("TLS is back", || ask("/keys", &[]).is_ok_and(|page| page.contains("You have no keys yet")));
    assert!(plain(&scene).is_empty() || !String::from_utf8_lossy(&plain(&scene)).contains("Acme"));
}

fn plain(scene: &Scene) -> Vec<u8> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(scene.process.portal.unwrap()).unwrap();
    stream.set_read_timeout(Some(crate::harness::PATIENCE)).unwrap();
    stream.write_all(b"GET /sign-in HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

#[test]
fn an_address_that_others_reach_is_warned_of_unless_it_speaks_tls() {
    let dir = tempfile::tempdir().unwrap();
    Office::open(dir.path()).issue("server", "server", &["localhost"], 2100);
    let read = |listen: &str, portal: &str| {
        let text =
            config(portal).replace("portal = \"127.0.0.1:0\"", listen).replace("{echo}", "127.0.0.1:1");
        let path = dir.path().join("kgate.toml");
        std::fs::write(&path, text).unwrap();
        match Config::read(&path) {
            Ok(loaded) => format!("{:?}", loaded.warnings),
            Err(error) => error.to_string(),
        }
    };
    let clear = "sessions and new keys sent to";
    assert!(read("portal = \"0.0.0.0:83\"", "").contains(clear));
    let said = read("portal = \"0.0.0.0:83\"", TLS);
    assert!(!said.contains(clear), "{said}");
    let said = read("portal = \"0.0.0.0:83\"", &format!("url = \"http://portal.example\"{TLS}"));
    assert!(said.contains("the portal speaks TLS, and its `url` does not"), "{said}");
    assert!(said.contains("https://portal.example"), "{said}");
}
