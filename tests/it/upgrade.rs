//! `kgate serve --upgrade` under load, and sockets and words for systemd.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use kgate::store::{Issued, NewKey, Store};

use crate::fronts::free_port;
use crate::harness::{Client, act, full_or, is_quick, new_key, now, until};
use crate::process::{CONFIG, Process, Site, exists, request, status};

/// Ports that stay the same from one process to the next, a sidecar, and a plan whose counts can be seen.
fn config() -> String {
    CONFIG
        .replace("[server]", "[sidecar]\nlisten = [\"127.0.0.1:0\"]\n\n[server]")
        .replace("workers = 1", "workers = 2")
        + "\n[plans.few]\nlimits = [{ name = \"few\", rate = \"6/h\", burst = 6 }]\n"
}

fn limited(store: &Store) -> Issued {
    let new = NewKey { plan: Some("few".to_owned()), ..new_key(Site::consumer(store)) };
    store.issue(&new, &kgate::key::Peppers::default(), &act(), &mut rand::rng()).unwrap()
}

/// One process after another takes over under load, on kept and on new connections: no request fails, no
/// connection is refused, a key that was revoked is refused from then on by whoever answers, and a limit lets
/// exactly as many pass as if there had been one process.
#[test]
fn an_upgrade_under_load_drops_nothing_and_nothing_is_stale() {
    let site = Site::with(&config());
    let store = site.store();
    let (key, few) = (Site::issue(&store), limited(&store));
    let mut serving = site.serve(&[]);
    let (address, admin, sidecar) = (serving.address, serving.admin, serving.sidecar);
    until("the keys are known", || status(address, &key) == 200);
    assert_eq!((0..2).map(|_| status(address, &few)).collect::<Vec<_>>(), [200; 2]);
    let (ends, count) = (AtomicBool::new(false), AtomicUsize::new(0));
    thread::scope(|scope| {
        for is_kept in [true, true, false, false] {
            let (ends, count, key) = (&ends, &count, &key);
            scope.spawn(move || {
                let mut client = Client::tcp(address);
                while !ends.load(Ordering::SeqCst) {
                    client.send(request(key));
                    let answer = client.answer();
                    // On a busy machine the first request after a change of the store may have to be refused.
                    if !(answer.status == 503 && answer.code() == "unavailable") {
                        assert_eq!(answer.status, 200, "{}", answer.head);
                        count.fetch_add(1, Ordering::SeqCst);
                    }
                    if !is_kept || answer.header("connection") == Some("close") {
                        client = Client::tcp(address);
                    }
                }
            });
        }
        for round in 0..full_or(20, 3) {
            let revoked = Site::issue(&store);
            until("the new key works", || status(address, &revoked) == 200);
            let slow = thread::spawn({
                let asked = request(&key).replace("/x", "/x?delay=1500");
                move || {
                    let mut client = Client::tcp(address);
                    client.send(asked);
                    client.answer().status
                }
            });
            let before = count.load(Ordering::SeqCst);
            let next = site.serve(&["--upgrade"]);
            assert_eq!((next.address, next.admin, next.sidecar), (address, admin, sidecar), "round {round}");
            store.revoke(revoked.record.id, kgate::key::RevokeReason::Leak, &act()).unwrap();
            for _ in 0..20 {
                assert_ne!(status(address, &revoked), 200, "whoever answers knows of it");
            }
            assert_eq!(slow.join().unwrap(), 200, "what was asked before is answered");
            let (ended, said) = std::mem::replace(&mut serving, next).wait();
            assert!(ended.success() && said.contains("serves now"), "{said}");
            until("requests went on", || count.load(Ordering::SeqCst) > before + 50);
            assert_eq!(serving.readiness(), "ready");
        }
        ends.store(true, Ordering::SeqCst);
    });
    // Two of six were used up three processes ago.
    assert_eq!(
        (0..8).map(|_| status(address, &few)).collect::<Vec<_>>(),
        [200, 200, 200, 200, 429, 429, 429, 429]
    );
    let mut asks = Client::tcp(sidecar.unwrap());
    asks.send("GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(asks.answer().status >= 400, "the sidecar answers, too");
}

/// A client that knows nothing of kgate finds nothing to complain about while certificates, configuration and
/// processes change under it, over TLS and in clear text.
#[test]
fn wrk_loses_no_request_to_upgrades_reloads_and_other_certificates() {
    if is_quick() {
        return;
    }
    let (plain, secure) = (free_port(), free_port());
    let tls =
        format!("{{ address = \"{secure}\", tls = {{ certificate = \"cert.pem\", key = \"key.pem\" }} }}");
    let text = config().replace("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"{plain}\", {tls}]"));
    let site = Site::with(CONFIG);
    let renew = |days: u32| {
        let dir = site.dir.path().to_str().unwrap();
        site.run(&["tls", "self-signed", "--force", "--expires", &format!("{days}d"), "--dir", dir]);
    };
    renew(30);
    site.configure(&text);
    let key = Site::issue(&site.store());
    let mut serving = site.serve(&[]);
    until("the key is known", || status(plain, &key) == 200);
    let seconds = full_or(60, 8);
    let loads = [format!("http://{plain}/x"), format!("https://{secure}/x")].map(|url| {
        let mut command = Command::new("wrk");
        command.args(["-t1", "-c4", &format!("-d{seconds}s"), "-H"]);
        command.arg(format!("Authorization: Bearer {}", key.token.expose())).arg(url);
        command.stdout(Stdio::piped()).spawn().expect("`tests/setup.sh test` installs it")
    });
    let started = now();
    let (mut days, mut upgrades) = (31, 0);
    while now() - started < Duration::from_secs(seconds as u64 - 2) {
        renew(days);
        // One change is found by looking, the other is told of.
        site.configure(&text.replace("realm = \"acme\"", &format!("realm = \"acme {days}\"")));
        serving.signal(rustix::process::Signal::HUP);
        until("the new certificate is shown", || left(&serving) > (i64::from(days) - 1) * 86_400);
        let next = site.serve(&["--upgrade"]);
        let (ended, said) = std::mem::replace(&mut serving, next).wait();
        assert!(ended.success() && said.contains("serves now"), "{said}");
        (days, upgrades) = (days + 1, upgrades + 1);
    }
    assert!(upgrades >= 2, "{upgrades} upgrades under load");
    for load in loads {
        let said = String::from_utf8(load.wait_with_output().unwrap().stdout).unwrap();
        let requests = said.lines().find_map(|line| line.trim().split_once(" requests in"));
        let requests: u64 = requests.expect("wrk says how many").0.parse().unwrap();
        println!("{requests} requests, {upgrades} upgrades");
        assert!(requests > 100, "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    }
}

/// How long the certificate in force holds, in seconds.
fn left(serving: &Process) -> i64 {
    let (_, status) = serving.ask_admin("/status");
    let status: serde_json::Value = serde_json::from_str(&status).unwrap();
    status["certificates"][0]["seconds_left"].as_i64().unwrap()
}

#[test]
fn an_upgrade_that_fails_leaves_the_old_process_as_it_was() {
    let site = Site::with(&config());
    let key = Site::issue(&site.store());
    let refused = site.command(&["serve", "--upgrade"]).stdout(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(2), "{said}");
    assert!(said.contains("start without --upgrade"), "{said}");

    let old = site.serve(&[]);
    assert!(exists(&site.data().join("run/upgrade.sock")));
    // Something else has the port that the new configuration wants besides.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let more = format!("proxy = [\"127.0.0.1:0\", \"{}\"]", taken.local_addr().unwrap());
    let text = std::fs::read_to_string(site.config_path()).unwrap();
    let other = site.dir.path().join("other.toml");
    std::fs::write(&other, text.replace("proxy = [\"127.0.0.1:0\"]", &more)).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
    command.arg("--config").arg(&other).args(["serve", "--upgrade"]);
    let failed = command.stdout(Stdio::null()).output().unwrap();
    assert_eq!(failed.status.code(), Some(2), "{}", String::from_utf8_lossy(&failed.stderr));
    assert_eq!((old.status(&key), old.readiness().as_str()), (200, "ready"));
    until("it says so", || old.said().contains("came to nothing"));
    // And the next one succeeds.
    let new = site.serve(&["--upgrade"]);
    assert_eq!(new.address, old.address);
    assert!(old.wait().0.success());
    assert_eq!(new.status(&key), 200);
}

/// The sockets of a path, too: a new process that fails takes none of them away, one that succeeds goes on with
/// them, and the last one removes them.
#[test]
fn the_files_of_unix_sockets_go_with_the_last_process_only() {
    let text = config()
        .replace("proxy = [\"127.0.0.1:0\"]", "proxy = [\"127.0.0.1:0\", \"unix:proxy.sock\"]")
        .replace("admin = \"127.0.0.1:0\"", "admin = [\"127.0.0.1:0\", \"unix:admin.sock\"]");
    let site = Site::with(&text);
    let key = Site::issue(&site.store());
    let paths = ["proxy.sock", "admin.sock"].map(|name| site.dir.path().join(name));
    let ask = || {
        let mut client = Client::unix(&paths[0]);
        client.send(request(&key));
        client.answer().status
    };
    let old = site.serve(&[]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    for (from, to) in [
        // What cannot be bound, and what fails later.
        (
            "admin = [\"127.0.0.1:0\"",
            format!("admin = [\"127.0.0.1:0\", \"{}\"", taken.local_addr().unwrap()),
        ),
        ("[server]", "[access_log]\nfile = \"no/such/directory/access.log\"\n[server]".to_owned()),
    ] {
        let text = std::fs::read_to_string(site.config_path()).unwrap();
        let other = site.dir.path().join("other.toml");
        std::fs::write(&other, text.replace(from, &to)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_kgate"));
        command.arg("--config").arg(&other).args(["serve", "--upgrade"]);
        let failed = command.stdout(Stdio::null()).output().unwrap();
        assert_eq!(failed.status.code(), Some(2), "{}", String::from_utf8_lossy(&failed.stderr));
        assert!(paths.iter().all(|path| exists(path)), "the one that serves needs them");
        assert_eq!((ask(), old.status(&key)), (200, 200));
    }
    let new = site.serve(&["--upgrade"]);
    assert!(old.wait().0.success());
    assert!(paths.iter().all(|path| exists(path)));
    assert_eq!((ask(), new.status(&key)), (200, 200));
    new.signal(rustix::process::Signal::TERM);
    assert!(new.wait().0.success());
    assert!(!paths.iter().any(|path| exists(path)), "nobody listens there any more");
}

/// systemd's side is played by a few lines of Python: it makes the sockets, says how many there are, and listens
/// to what it is told.
#[test]
fn sockets_of_systemd_are_served_and_systemd_is_told() {
    let (proxy, admin) = (free_port(), free_port());
    let text = CONFIG
        .replace("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"{proxy}\", \"unix:proxy.sock\"]"))
        .replace("admin = \"127.0.0.1:0\"", &format!("admin = \"{admin}\""))
        .replace("workers = 1", "workers = 2");
    let site = Site::with(&text);
    let key = Site::issue(&site.store());
    let heard = UnixDatagram::bind(site.dir.path().join("notify")).unwrap();
    heard.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let make = r#"
import os, socket, sys
def made(text):
    if text.startswith("/"):
        s = socket.socket(socket.AF_UNIX)
        s.bind(text)
        s.listen(64)
        return s
    host, port = text.split(":")
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind((host, int(port)))
    s.listen(64)
    return s
given = [made(text) for text in sys.argv[1:4]]
for at, s in enumerate(given):
    os.dup2(s.fileno(), 10 + at)
for at in range(len(given)):
    os.dup2(10 + at, 3 + at, inheritable=True)
os.environ.update(LISTEN_FDS="3", LISTEN_PID=str(os.getpid()))
os.execv(sys.argv[4], sys.argv[4:])
"#;
    let mut command = Command::new("python3");
    let path = site.dir.path().join("proxy.sock");
    let kgate = env!("CARGO_BIN_EXE_kgate");
    command.args(["-c", make, &proxy.to_string(), &admin.to_string(), path.to_str().unwrap(), kgate]);
    command.arg("--config").arg(site.config_path()).arg("serve");
    command.env("NOTIFY_SOCKET", site.dir.path().join("notify")).stdin(Stdio::null());
    let process = Process::start(command).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!((process.address, process.admin), (proxy, admin));
    let mut word = [0; 256];
    let hear = |word: &mut [u8]| {
        let length = heard.recv(word).expect("systemd is told");
        String::from_utf8(word[..length].to_vec()).unwrap()
    };
    let ready = hear(&mut word);
    assert!(ready.contains("READY=1") && ready.contains("MAINPID="), "{ready}");
    for _ in 0..20 {
        assert_eq!(process.status(&key), 200);
    }
    assert_eq!(process.readiness(), "ready");
    process.signal(rustix::process::Signal::TERM);
    assert_eq!(hear(&mut word), "STOPPING=1");
    assert!(process.wait().0.success());
    assert!(exists(&path), "systemd goes on listening there, for the next one");
}
