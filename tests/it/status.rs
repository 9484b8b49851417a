//! `kgate status` and the admin door's `/status`: what runs, under load, and what is wrong with it.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use kgate::gateway::echo::Echo;
use kgate::key::RevokeReason;
use serde_json::Value;

use crate::fronts::free_port;
use crate::harness::{Client, act, is_quick, until};
use crate::process::{CONFIG, Process, Site, request, status};

/// Two servers behind it, a listener with a certificate, and an admin door on a port and on a socket.
fn site(other: &Echo) -> Site {
    let text = CONFIG
        // Long enough for whoever looks at it.
        .replace(
            "servers = [\"{echo}\"]",
            &format!("servers = [\"{{echo}}\", \"{}\"]\nejection = {{ lasts = \"10m\" }}", other.address()),
        )
        .replace(
            "proxy = [\"127.0.0.1:0\"]",
            "proxy = [\"127.0.0.1:0\", { address = \"127.0.0.2:0\", tls = { certificate = \"cert.pem\", key = \"key.pem\" } }]",
        )
        .replace("admin = \"127.0.0.1:0\"", &format!("admin = [\"{}\", \"unix:admin.sock\"]", free_port()));
    let site = Site::with(CONFIG);
    site.run(&["tls", "self-signed", "--dir", site.dir.path().to_str().unwrap()]);
    site.configure(&text);
    site
}

fn run(site: &Site, args: &[&str]) -> Output {
    site.command(args).current_dir(site.dir.path()).output().unwrap()
}

/// Returns what `kgate status --json` prints, and its exit code.
fn seen(site: &Site) -> (Value, i32) {
    let output = run(site, &["status", "--json"]);
    let value = serde_json::from_slice(&output.stdout);
    let value = value.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr)));
    (value, output.status.code().unwrap())
}

fn check<'v>(seen: &'v Value, name: &str) -> &'v str {
    let checks = seen["checks"].as_array().unwrap();
    checks.iter().find(|check| check["check"] == name).unwrap()["level"].as_str().unwrap()
}

fn serve(site: &Site) -> Process {
    let mut command = site.command(&["serve"]);
    command.current_dir(site.dir.path());
    Process::start(command).unwrap_or_else(|said| panic!("{said}"))
}

/// Under load, a server that is killed is shown as passed over, and a revoked key's refusals are counted with
/// their reason; so is everything else an operator looks for first.
#[test]
fn what_runs_is_told_under_load_and_what_is_wrong_is_the_exit_code() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = runtime.block_on(Echo::start()).unwrap();
    let victim = other.address().to_string();
    let site = site(&other);
    let (before, code) = seen(&site);
    assert_eq!((&before["server"], check(&before, "server"), code), (&Value::Null, "fault", 1));

    let server = serve(&site);
    let store = site.store();
    let (key, revoked) = (Site::issue(&store), Site::issue(&store));
    until("the keys are known", || [&key, &revoked].iter().all(|key| status(server.address, key) == 200));
    store.revoke(revoked.record.id, RevokeReason::Leak, &act()).unwrap();
    let refused = (0..7).filter(|_| status(server.address, &revoked) == 401).count();
    assert_eq!(refused, 7);
    let (ends, mut down) = (AtomicBool::new(false), Some(other));
    thread::scope(|scope| {
        for target in ["/x", "/x", "/x?delay=300"] {
            let (ends, key) = (&ends, &key);
            let asked = request(key).replace("/x", target);
            scope.spawn(move || {
                let mut client = Client::tcp(server.address);
                while !ends.load(Ordering::SeqCst) {
                    client.send(&asked);
                    // 502 when the dead server was asked, which may end the connection.
                    if client.answer().header("connection") == Some("close") {
                        client = Client::tcp(server.address);
                    }
                }
            });
        }
        // A failed check must not leave the load going on.
        let _ends = Ends(&ends);
        let mut now = Value::Null;
        until("load is seen", || {
            let (seen, code) = seen(&site);
            assert_eq!(code, 0, "{seen}");
            now = seen["server"].clone();
            let states = now["upstreams"][0]["servers"].as_array().unwrap().iter();
            let busy = states.map(|s| s["addresses"][0]["in_flight"].as_u64().unwrap()).sum::<u64>();
            // Those that asked before have been let go.
            now["requests"]["per_second"].as_f64() > Some(1.0) && busy > 0 && now["connections"]["open"] == 3
        });
        assert_eq!(now["version"], env!("CARGO_PKG_VERSION"));
        assert_eq!(now["pid"], server.pid().as_raw_nonzero().get());
        assert_eq!((&now["ready"], &now["unready"]), (&Value::Bool(true), &Value::Null));
        assert_eq!(now["revision"], store.revision().unwrap().0);
        assert_eq!((now["keys"].as_u64(), now["consumers"].as_u64()), (Some(2), Some(2)));
        let requests = &now["requests"];
        assert_eq!(
            (&requests["verdicts"]["unauthorized"], &requests["reasons"]["revoked"]),
            (&7.into(), &7.into())
        );
        assert_eq!(requests["refused"], 7);
        assert_eq!(requests["let_in"], requests["verdicts"]["allowed"]);
        let listeners = now["listeners"].as_array().unwrap();
        let doors: Vec<_> = listeners.iter().map(|l| (l["door"].as_str().unwrap(), &l["open"])).collect();
        assert_eq!(doors[0], ("proxy", &3.into()), "three connections are kept");
        assert_eq!(doors[1..], [("proxy", &0.into()), ("admin", &Value::Null), ("admin", &Value::Null)]);
        assert_eq!(listeners[0]["address"], server.address.to_string());
        assert_eq!(now["connections"]["open"], 3);
        assert_eq!(now["certificates"][0]["names"][0], "localhost");
        assert!(now["certificates"][0]["seconds_left"].as_i64() > Some(80 * 86_400));

        drop(down.take());
        until("the dead server is passed over", || {
            let (seen, code) = seen(&site);
            let servers = &seen["server"]["upstreams"][0]["servers"];
            let dead = servers.as_array().unwrap().iter().find(|server| server["server"] == *victim).unwrap();
            let is_ejected = dead["addresses"][0]["state"] == "ejected";
            if is_ejected {
                assert_eq!((code, check(&seen, "backends")), (1, "fault"));
                assert_eq!((&dead["is_up"], &servers[0]["is_up"]), (&Value::Bool(false), &Value::Bool(true)));
                assert!(dead["addresses"][0]["failures"].as_u64() >= Some(3));
                assert!(dead["addresses"][0]["tried_again_in_seconds"].is_number());
            }
            is_ejected
        });
        for line in [
            &format!("kgate_upstream_server_up{{server=\"{victim}\",upstream=\"echo\"}} 0"),
            // Whoever got 502 comes anew.
            "kgate_connections{listener=\"127.0.0.1:0\"} 3",
            "kgate_start_timestamp_seconds 1",
            "kgate_certificate_not_after_timestamp_seconds{file=\"",
            "kgate_upstream_server_in_flight{server=\"",
        ] {
            until(&format!("{line} is in the metrics"), || server.ask_admin("/metrics").1.contains(line));
        }
    });

    // People get the same, without the socket, too.
    let text = std::fs::read_to_string(site.config_path()).unwrap();
    assert!(text.contains(", \"unix:admin.sock\""));
    std::fs::write(site.config_path(), text.replace(", \"unix:admin.sock\"", "")).unwrap();
    let output = run(&site, &["status"]);
    let shown = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1));
    for part in
        ["ready", "REQUESTS", "unauthorized", "revoked 7", "ejected", "CERTIFICATES", "taking no requests"]
    {
        assert!(shown.contains(part), "{part} is missing from {shown}");
    }
    assert!(!shown.contains('\u{1b}'), "no colours and no screen where there is no terminal");
}

struct Ends<'a>(&'a AtomicBool);

impl Drop for Ends<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// A person at a terminal, played by Python: waits for the third picture, and presses Ctrl-C.
const PERSON: &str = r#"
import os, pty, sys, time
child, screen = pty.fork()
if child == 0:
    os.environ["TERM"] = "xterm"
    os.execv(sys.argv[1], sys.argv[1:])
seen, pressed, end = b"", False, time.monotonic() + 60
while time.monotonic() < end:
    try:
        part = os.read(screen, 65536)
    except OSError:
        break
    if not part:
        break
    seen += part
    if not pressed and seen.count(b"REQUESTS") >= 3:
        pressed = True
        os.write(screen, b"\x03")
sys.stdout.buffer.write(seen)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

#[test]
fn a_terminal_shows_it_anew_until_ctrl_c_and_is_given_back() {
    if is_quick() {
        return;
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let other = runtime.block_on(Echo::start()).unwrap();
    let site = site(&other);
    let server = serve(&site);
    let watch = |server: &str| {
        let mut command = Command::new("python3");
        command.args(["-c", PERSON, env!("CARGO_BIN_EXE_kgate"), "--config"]).arg(site.config_path());
        command.args(["status", "--every", server]).current_dir(site.dir.path());
        let output = command.output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.code())
    };
    let (shown, code) = watch("100ms");
    assert_eq!(code, Some(0), "{shown}");
    let (inside, after) = shown.split_once("\u{1b}[?1049h").unwrap().1.split_once("\u{1b}[?1049l").unwrap();
    assert!(inside.matches("\u{1b}[H").count() >= 3 && inside.contains("NOTHING IS WRONG"), "{shown}");
    assert!(inside.ends_with("\u{1b}[?25h"), "the cursor is back: {shown:?}");
    assert!(after.contains("nothing is wrong"), "{shown}");
    drop(server);
    let output = run(&site, &["status", "--once"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stdout).contains("nobody answers"));
}
