//! `kgate serve --upgrade` under load, and sockets and words for systemd.

use std::io::{BufRead, Write};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use kgate::store::{Issued, NewKey, Store};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::fronts::free_port;
use crate::harness::{
    Answer, Client, PATIENCE, SetsAtLast, act, asked, full_or, is_quick, new_key, now, until,
};
use crate::process::{CONFIG, Process, Site, exists, request, status};
use crate::seeing::receiver::Receiver;

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

/// A connection of one who asks again and again.
struct Line<F> {
    connect: F,
    client: Client,
    /// When it was connected, or the last answer came.
    since: Instant,
}

impl<F: Fn() -> Client> Line<F> {
    fn open(connect: F) -> Self {
        let since = now();
        Self { client: connect(), connect, since }
    }

    fn renew(&mut self) {
        self.since = now();
        self.client = (self.connect)();
    }

    /// Asks once and returns the answer, which there must be: a process that ends waits two seconds for what may be on
    /// its way. Whoever did not get to run for so long comes anew, as clients do.
    fn ask(&mut self, asked: &str, who: &str) -> Answer {
        loop {
            let is_sent = self.client.try_send(asked);
            let was_away = self.since.elapsed() > Duration::from_secs(1);
            if let Some(answer) = is_sent.then(|| self.client.try_answer()).flatten() {
                self.since = now();
                return answer;
            }
            assert!(was_away, "{who}: no answer");
            self.renew();
        }
    }
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
        let at_last = SetsAtLast(&ends);
        for is_kept in [true, true, false, false] {
            let (ends, count, key) = (&ends, &count, &key);
            scope.spawn(move || {
                let mut line = Line::open(|| Client::tcp(address));
                while !ends.load(Ordering::SeqCst) {
                    let answer = line.ask(&request(key), "");
                    assert_eq!(answer.status, 200, "{}", answer.head);
                    count.fetch_add(1, Ordering::SeqCst);
                    if !is_kept || answer.header("connection") == Some("close") {
                        line.renew();
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
            let old = site.upgrade(&mut serving);
            let new = (serving.address, serving.admin, serving.sidecar);
            assert_eq!(new, (address, admin, sidecar), "round {round}");
            store.revoke(revoked.record.id, kgate::key::RevokeReason::Leak, &act()).unwrap();
            for _ in 0..20 {
                assert_ne!(status(address, &revoked), 200, "whoever answers knows of it");
            }
            assert_eq!(slow.join().unwrap(), 200, "what was asked before is answered");
            let (ended, said) = old.wait();
            assert!(ended.success() && said.contains("serves now"), "{said}");
            until("requests went on", || count.load(Ordering::SeqCst) > before + 50);
            assert_eq!(serving.readiness(), "ready");
        }
        drop(at_last);
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
    let seconds = full_or(60, 6);
    let loads = [format!("http://{plain}/x"), format!("https://{secure}/x")].map(|url| {
        let mut command = Command::new("wrk");
        // Until it is told to end, in any case. One that is slow on a slow machine has not failed.
        command.args(["-t1", "-c4", "-d5m", "--timeout", "1m", "-H"]);
        command.arg(format!("Authorization: Bearer {}", key.token.expose())).arg(url);
        command.stdout(Stdio::piped()).spawn().expect("`tests/setup.sh test` installs it")
    });
    let started = now();
    let (mut days, mut upgrades) = (31, 0);
    while now() - started < Duration::from_secs(seconds as u64) || upgrades < 3 {
        let served = site.echo.requests();
        until("requests go on", || site.echo.requests() > served + 50);
        renew(days);
        // One change is found by looking, the other is told of.
        site.configure(&text.replace("realm = \"acme\"", &format!("realm = \"acme {days}\"")));
        serving.signal(rustix::process::Signal::HUP);
        until("the new certificate is shown", || left(&serving) > (i64::from(days) - 1) * 86_400);
        let (ended, said) = site.upgrade(&mut serving).wait();
        assert!(ended.success() && said.contains("serves now"), "{said}");
        (days, upgrades) = (days + 1, upgrades + 1);
    }
    for load in loads {
        rustix::process::kill_process(rustix::process::Pid::from_child(&load), rustix::process::Signal::INT)
            .unwrap();
        let said = String::from_utf8(load.wait_with_output().unwrap().stdout).unwrap();
        let requests = said.lines().find_map(|line| line.trim().split_once(" requests in"));
        let requests: u64 = requests.expect("wrk says how many").0.parse().unwrap();
        println!("{requests} requests, {upgrades} upgrades");
        assert!(requests > 50, "{said}");
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
    let mut new = old;
    let old = site.upgrade(&mut new);
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
    let mut new = old;
    assert!(site.upgrade(&mut new).wait().0.success());
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
    heard.set_read_timeout(Some(PATIENCE)).unwrap();
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

/// The protocol's new side, played as far as it is told.
struct Heir {
    stream: std::io::BufReader<UnixStream>,
    sockets: Vec<serde_json::Value>,
}

impl Heir {
    /// Takes the sockets, and lets them go.
    fn ask(site: &Site) -> Self {
        let stream = UnixStream::connect(site.data().join("run/upgrade.sock")).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        (&stream).write_all(b"kgate 1\n").unwrap();
        let mut heir = Self { stream: std::io::BufReader::new(stream), sockets: Vec::new() };
        let list: serde_json::Value = serde_json::from_str(&heir.line()).unwrap();
        heir.sockets.clone_from(list["sockets"].as_array().unwrap());
        // A byte with each, and one with the lock.
        std::io::Read::read_exact(&mut heir.stream, &mut vec![0; heir.sockets.len() + 1]).unwrap();
        heir
    }

    fn say(&self, text: &str) {
        let _ = self.stream.get_ref().write_all(text.as_bytes());
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.stream.read_line(&mut line).unwrap();
        line
    }

    /// Says that it is ready, and reads every count.
    fn counts(&mut self) -> Vec<String> {
        self.say("ready\n");
        std::iter::repeat_with(|| self.line()).take_while(|line| line != "\n").collect()
    }
}

/// Whatever becomes of a new process before it serves, somebody does: the old one accepts again, on the same sockets,
/// with the same counts, and the next upgrade succeeds.
#[test]
fn a_new_process_that_dies_before_it_serves_leaves_the_old_one_serving() {
    let text = config()
        .replace("proxy = [\"127.0.0.1:0\"]", "proxy = [\"127.0.0.1:0\", \"unix:proxy.sock\"]")
        .replace("admin = \"127.0.0.1:0\"", "admin = [\"127.0.0.1:0\", \"unix:admin.sock\"]");
    let site = Site::with(&text);
    let store = site.store();
    let (key, few) = (Site::issue(&store), limited(&store));
    let old = site.serve(&[]);
    until("the keys are known", || old.status(&key) == 200);
    assert_eq!((0..2).map(|_| old.status(&few)).collect::<Vec<_>>(), [200; 2]);
    let asks = |path: &str, asked: &str| {
        let mut client = Client::unix(&site.dir.path().join(path));
        client.send(asked);
        client.answer().status
    };
    for (round, end) in ["dies", "dies", "hangs"].into_iter().enumerate() {
        let mut heir = Heir::ask(&site);
        assert_eq!(heir.sockets.len(), 7, "two workers each at two doors, two Unix sockets, one admin door");
        let counts = heir.counts();
        assert!(counts.iter().any(|line| line.starts_with("key ")), "{counts:?}");
        assert!(counts.iter().any(|line| line.starts_with("secrets failures ")), "{counts:?}");
        if end == "hangs" {
            // It says nothing for longer than it may take, and then comes too late.
            std::fs::write(site.data().join("serve.lock"), "1\n").unwrap();
            assert_eq!(heir.line(), "back\n");
            heir.say("serving 1\n");
        }
        drop(heir);
        until("the old one serves", || old.said().matches("came to nothing").count() > round);
        assert_eq!((old.status(&key), old.readiness().as_str()), (200, "ready"));
        assert_eq!(holder(&site), old.pid(), "whoever serves has its name there");
        assert_eq!(asks("proxy.sock", &request(&key)), 200);
        assert_eq!(asks("admin.sock", "GET /readyz HTTP/1.1\r\nHost: localhost\r\n\r\n"), 200);
        let mut front = Client::tcp(old.sidecar.unwrap());
        front.send("GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_eq!(front.answer().status, 403);
    }
    // One that was given up begins to listen in the place of the one that serves even so, and dies: the next one
    // is heard again, a moment later.
    let at = site.data().join("run/upgrade.sock");
    let file = || std::fs::symlink_metadata(&at).ok().map(|file| std::os::unix::fs::MetadataExt::ino(&file));
    std::fs::rename(&at, at.with_extension("old")).unwrap();
    // Kept, so that its number is nobody else's.
    let _taken = UnixListener::bind(&at).unwrap();
    let theirs = file();
    until("it listens again", || file().is_some() && file() != theirs);
    // Two of six are used up, by whomever they are counted.
    let mut new = old;
    assert!(site.upgrade(&mut new).wait().0.success());
    assert_eq!(
        (0..5).map(|_| new.status(&few)).collect::<Vec<_>>(),
        [200, 200, 200, 200, 429],
        "{}",
        new.said()
    );
    assert_eq!(holder(&site), new.pid());
}

/// Whoever was given up waits for nobody: that the one before has nothing left in work it does not hear.
#[test]
fn a_new_process_that_came_too_late_ends_as_soon_as_it_has_answered() {
    let site = Site::with(&config().replace("drain_timeout = \"10s\"", "drain_timeout = \"10m\""));
    let run = site.data().join("run");
    std::fs::create_dir(&run).unwrap();
    std::fs::set_permissions(&run, std::fs::Permissions::from_mode(0o700)).unwrap();
    let listener = UnixListener::bind(run.join("upgrade.sock")).unwrap();
    let lock = std::fs::File::create(site.data().join("serve.lock")).unwrap();
    let old = thread::spawn(move || {
        let (stream, _) = listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let mut from = std::io::BufReader::new(&stream);
        let mut line = || {
            let mut line = String::new();
            from.read_line(&mut line).unwrap();
            line
        };
        assert_eq!(line(), "kgate 1\n");
        (&stream).write_all(b"{\"sockets\":[]}\n").unwrap();
        let files = [lock.as_fd()];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        rights.push(SendAncillaryMessage::ScmRights(&files));
        sendmsg(&stream, &[std::io::IoSlice::new(b"s")], &mut rights, SendFlags::NOSIGNAL).unwrap();
        assert_eq!(line(), "ready\n");
        (&stream).write_all(b"\n").unwrap();
        assert!(line().starts_with("serving "));
        (&stream).write_all(b"back\n").unwrap();
    });
    let new = site.serve(&["--upgrade"]);
    old.join().unwrap();
    let told = now();
    let (ended, said) = new.wait();
    assert!(ended.success() && said.contains("the one before serves again"), "{said}");
    assert!(told.elapsed() < PATIENCE / 2, "drain_timeout is 10 m: {said}");
}

#[test]
fn that_there_is_no_upgrade_socket_is_said_once() {
    let site = Site::with(&config());
    let mut serving = site.serve(&[]);
    let run = site.data().join("run");
    drop(UnixStream::connect(run.join("upgrade.sock")).unwrap());
    serving.until_it_says("came to nothing");
    let open_to = |mode| std::fs::set_permissions(&run, std::fs::Permissions::from_mode(mode)).unwrap();
    open_to(0o755);
    serving.until_it_says("no upgrade socket");
    thread::sleep(Duration::from_millis(3500));
    assert_eq!(serving.said().matches("no upgrade socket").count(), 1, "{}", serving.said());
    // It was there all the time.
    open_to(0o700);
    assert!(site.upgrade(&mut serving).wait().0.success());
}

/// The directory of the upgrade socket keeps others out. Who gets at the socket all the same is asked who they are.
#[test]
fn nobody_else_is_given_the_sockets_of_a_running_process() {
    // Nobody else can become somebody else.
    if !rustix::process::geteuid().is_root() {
        return;
    }
    let site = Site::with(&config());
    let key = Site::issue(&site.store());
    let mut serving = site.serve(&[]);
    let elsewhere = tempfile::tempdir().unwrap();
    let open = |path: &std::path::Path| {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
    };
    open(elsewhere.path());
    let way_in = elsewhere.path().join("sock");
    std::fs::hard_link(site.data().join("run/upgrade.sock"), &way_in).unwrap();
    open(&way_in);
    let ask = "import os, socket, sys\n\
        os.setgid(65534); os.setuid(65534)\n\
        s = socket.socket(socket.AF_UNIX)\n\
        s.settimeout(60)\n\
        s.connect(sys.argv[1])\n\
        try: s.sendall(b'kgate 1\\n'); print(len(s.recv(65536)))\n\
        except OSError as e: print(0, type(e).__name__)\n";
    let asked = Command::new("python3").args(["-c", ask]).arg(&way_in).output().unwrap();
    assert!(asked.stdout.starts_with(b"0"), "{asked:?}");
    serving.until_it_says("somebody else asked for it");
    until("the key is known", || serving.status(&key) == 200);
    assert!(site.upgrade(&mut serving).wait().0.success(), "whoever may goes on being able to");
}

/// Whose name is in the lock of the data directory.
fn holder(site: &Site) -> rustix::process::Pid {
    let lock = std::fs::read_to_string(site.data().join("serve.lock")).unwrap();
    rustix::process::Pid::from_raw(lock.trim().parse().unwrap()).unwrap()
}

/// A process that only finishes what it was asked has nothing left that another one needs: neither the data directory nor
/// sockets on which connections would wait for nobody.
#[test]
fn an_old_process_that_finishes_is_in_nobodys_way() {
    let held = "\n[[upstream]]\nname = \"held\"\nservers = [\"{held}\"]\nresponse_timeout = \"10m\"\n\
                [[route]]\nname = \"held\"\npath = \"/held/**\"\nupstream = \"held\"\n";
    let text = config().replace("drain_timeout = \"10s\"", "drain_timeout = \"10m\"") + held;
    // It answers when it is told to.
    let holding = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::with(&text.replace("{held}", &holding.local_addr().unwrap().to_string()));
    let key = Site::issue(&site.store());
    let old = site.serve(&[]);
    until("the key is known", || old.status(&key) == 200);
    let address = old.address;
    let mut slow = Client::tcp(address);
    slow.send(request(&key).replace("/x", "/held/x"));
    let mut in_work = asked(&holding);
    let mut new = old;
    let old = site.upgrade(&mut new);
    // The lock went along: nobody serves beside it unasked.
    let refused = site.command(&["serve"]).stdout(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains(&new.pid().as_raw_nonzero().to_string()), "{said}");
    // Killed.
    drop(new);
    until("nobody listens there", || Client::try_tcp(address).is_none());
    let third = site.serve(&[]);
    assert_eq!((third.status(&key), third.readiness().as_str()), (200, "ready"));
    // The first one still works.
    in_work.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
    assert_eq!(slow.answer().status, 200);
    assert!(old.wait().0.success());
    assert_eq!((third.status(&key), holder(&site)), (200, third.pid()));
}

/// The real thing: killed when the old process has just stopped accepting.
#[test]
fn a_new_process_that_is_killed_while_it_takes_over_costs_no_request() {
    let site = Site::with(&config());
    let key = Site::issue(&site.store());
    let mut old = site.serve(&[]);
    until("the key is known", || old.status(&key) == 200);
    let (mut kills, mut failed, wanted) = (0, 0, full_or(20, 3));
    for _ in 0..10 * wanted {
        let mut kept = Client::tcp(old.address);
        let mut command = site.command(&["serve", "--upgrade"]);
        let mut new = command.stderr(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        // The old one answers one more time on a connection that was open, and closes it.
        while kept.try_send(request(&key)) {
            let Some(answer) = kept.try_answer() else { break };
            assert_eq!(answer.status, 200);
            if answer.header("connection") == Some("close") {
                break;
            }
            thread::sleep(Duration::from_millis(2));
        }
        new.kill().unwrap();
        new.wait().unwrap();
        let mut meanwhile = Client::try_tcp(old.address);
        let is_sent = meanwhile.as_mut().is_some_and(|client| client.try_send(request(&key)));
        let nothing = || old.said().matches("came to nothing").count();
        let is_over = || old.said().contains("serves now") || nothing() > failed;
        let killed = now();
        while !is_over() && now() - killed < Duration::from_secs(15) {
            thread::sleep(Duration::from_millis(1));
        }
        // The connection was closed for another reason, and the new one killed before it asked for anything.
        if !is_over() {
            continue;
        }
        // On a busy machine it may have been killed too late: it served already, and what it took went with it.
        if old.said().contains("serves now") {
            assert!(old.wait().0.success());
            (old, failed) = (site.serve(&[]), 0);
            continue;
        }
        // Nobody is turned away; who comes meanwhile waits.
        assert!(is_sent, "{}", old.said());
        assert_eq!(meanwhile.unwrap().answer().status, 200, "{}", old.said());
        (kills, failed) = (kills + 1, nothing());
        if kills == wanted {
            break;
        }
    }
    assert_eq!((kills, old.readiness().as_str()), (wanted, "ready"));
    let mut new = old;
    assert!(site.upgrade(&mut new).wait().0.success());
    assert_eq!(new.status(&key), 200);
}

/// What an address did counts in the next process: too many bad keys, requests without a key. So do requests
/// that are still in work in the process before, until they end there.
#[test]
fn counts_by_address_and_of_requests_in_work_go_along() {
    let text = config()
        .replace("failed_auth = { exempt = [\"127.0.0.0/8\"] }", "failed_auth = { rate = \"4/h\" }")
        .replace("workers = 2", "workers = 1")
        // Proxies that ask are never limited, and by default all of loopback may.
        .replace("listen = [\"127.0.0.1:0\"]", "listen = [\"127.0.0.1:0\"]\nfronts = [\"192.0.2.0/24\"]")
        + r#"
[plans.work]
limits = [{ name = "work", concurrent = 2 }]
[plans.near]
limits = [{ name = "near", rate = "5/h", burst = 5, per = "address" }]
[[route]]
name = "open"
path = "/open/**"
anonymous = "near"
upstream = "echo"
[[upstream]]
name = "held"
servers = ["{held}"]
response_timeout = "10m"
[[route]]
name = "held"
path = "/held/**"
upstream = "held"
"#;
    let text = text.replace("drain_timeout = \"10s\"", "drain_timeout = \"10m\"");
    // It answers when it is told to: requests last as long as it takes to look at what they do meanwhile.
    let holding = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let site = Site::with(&text.replace("{held}", &holding.local_addr().unwrap().to_string()));
    let store = site.store();
    let new = NewKey { plan: Some("work".to_owned()), ..new_key(Site::consumer(&store)) };
    let busy = store.issue(&new, &kgate::key::Peppers::default(), &act(), &mut rand::rng()).unwrap();
    let mut serving = site.serve(&[]);
    until("the key is known", || serving.status(&busy) == 200);
    let address = serving.address;
    let open = |from: [u8; 4]| {
        let mut client = Client::tcp_from(from, address);
        client.send("GET /open/a HTTP/1.1\r\nHost: a\r\n\r\n");
        client.answer().status
    };
    let fails = |from: [u8; 4]| {
        let mut client = Client::tcp_from(from, address);
        client.send("GET /x HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer acme_live_x\r\n\r\n");
        client.answer().status
    };
    let admin = serving.admin;
    let guesses = |from: [u8; 4]| {
        let mut client = Client::tcp_from(from, admin);
        client
            .send("GET /v1/keys HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer kgate_admin_x\r\n\r\n");
        client.answer().status
    };
    let (one, other) = ([127, 0, 0, 7], [127, 0, 0, 8]);
    assert_eq!([guesses(other), guesses(other), guesses(other)], [401; 3]);
    assert_eq!([open(one), open(one)], [200; 2]);
    assert_eq!([fails(other), fails(other), fails(other)], [401; 3]);
    let mut held = [(); 2].map(|()| {
        let mut client = Client::tcp(address);
        client.send(request(&busy).replace("/x", "/held/x"));
        (client, asked(&holding))
    });
    let mut answered = |number: usize| {
        let (client, stream) = &mut held[number];
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").unwrap();
        client.answer().status
    };
    assert_eq!(serving.status(&busy), 429);
    let mut ending = Vec::new();
    for _ in 0..2 {
        ending.push(site.upgrade(&mut serving));
        assert_eq!(serving.status(&busy), 429, "two are in work, whoever does it");
    }
    assert_eq!([open(one), open(one), open(one), open(one)], [200, 200, 200, 429]);
    assert_eq!([fails(other), fails(other), fails(other)], [401, 429, 429]);
    assert_eq!([open([127, 0, 0, 9]), fails(one)], [200, 401], "they are counted each for itself");
    assert_eq!(
        [guesses(other), guesses(other), guesses(one)],
        [401, 429, 401],
        "and so are those at the admin API"
    );
    assert_eq!(answered(0), 200);
    until("the first has ended", || serving.status(&busy) == 200);
    assert_eq!(answered(1), 200);
    // Whatever was counted for the other processes was given back: two at once pass again.
    until("two pass again", || {
        let both: Vec<_> = (0..2)
            .map(|_| {
                let asked = request(&busy).replace("/x", "/x?delay=300");
                thread::spawn(move || {
                    let mut client = Client::tcp(address);
                    client.send(asked);
                    client.answer().status
                })
            })
            .collect();
        both.into_iter().all(|one| one.join().unwrap() == 200)
    });
}

/// Several listeners on TCP, a sidecar and an admin door on Unix sockets: all go over, under load, again and again.
#[test]
fn every_kind_of_listener_goes_over_and_nobody_is_turned_away() {
    let text = config()
        .replace(
            "proxy = [\"127.0.0.1:0\"]",
            &format!("proxy = [\"{}\", \"{}\", \"unix:proxy.sock\"]", free_port(), free_port()),
        )
        .replace("listen = [\"127.0.0.1:0\"]", "listen = [\"127.0.0.1:0\", \"unix:front.sock\"]")
        .replace("admin = \"127.0.0.1:0\"", "admin = [\"127.0.0.1:0\", \"unix:admin.sock\"]");
    let site = Site::with(&text);
    let key = Site::issue(&site.store());
    let mut serving = site.serve(&[]);
    until("the key is known", || serving.status(&key) == 200);
    let listed = serving.said();
    let doors = listed.lines().find_map(|line| line.strip_prefix("kgate serves on ")).unwrap();
    let proxies: Vec<std::net::SocketAddr> =
        doors.split_once(", unix:").unwrap().0.split(", ").map(|at| at.parse().unwrap()).collect();
    assert_eq!(proxies.len(), 2);
    let at = |name: &str| site.dir.path().join(name);
    let ends = AtomicBool::new(false);
    let counts: Vec<AtomicUsize> = (0..5).map(|_| AtomicUsize::new(0)).collect();
    thread::scope(|scope| {
        let at_last = SetsAtLast(&ends);
        for (number, count) in counts.iter().enumerate() {
            let (ends, key, at, proxies) = (&ends, &key, &at, &proxies);
            scope.spawn(move || {
                let question = "GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n".to_owned();
                let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
                let (asked, wanted) = match number {
                    0..=2 => (request(key), 200),
                    3 => (question, 403),
                    _ => (health, 200),
                };
                let connect = || match number {
                    0 | 1 => Client::tcp(proxies[number]),
                    2 => Client::unix(&at("proxy.sock")),
                    3 => Client::unix(&at("front.sock")),
                    _ => Client::unix(&at("admin.sock")),
                };
                while !ends.load(Ordering::SeqCst) {
                    let answer = Line::open(connect).ask(&asked, &format!("door {number}"));
                    assert_eq!(answer.status, wanted, "door {number}: {}", answer.head);
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        for _ in 0..full_or(20, 3) {
            let before: Vec<usize> = counts.iter().map(|count| count.load(Ordering::SeqCst)).collect();
            let (ended, said) = site.upgrade(&mut serving).wait();
            assert!(ended.success() && said.contains("serves now"), "{said}");
            until("everyone is served", || {
                counts.iter().zip(&before).all(|(count, before)| count.load(Ordering::SeqCst) > before + 5)
            });
        }
        drop(at_last);
    });
}

/// Connections that were taken in before an upgrade, and on which nothing was said so far, are served by the process
/// that ends, whichever door they are at.
#[test]
fn who_had_connected_before_an_upgrade_is_answered_after_it() {
    let text = config()
        .replace("proxy = [\"127.0.0.1:0\"]", "proxy = [\"127.0.0.1:0\", \"unix:proxy.sock\"]")
        .replace("listen = [\"127.0.0.1:0\"]", "listen = [\"unix:front.sock\"]")
        .replace("admin = \"127.0.0.1:0\"", "admin = [\"127.0.0.1:0\", \"unix:admin.sock\"]");
    let site = Site::with(&text);
    let key = Site::issue(&site.store());
    let mut serving = site.serve(&[]);
    until("the key is known", || serving.status(&key) == 200);
    let at = |name: &str| site.dir.path().join(name);
    let (asked, question) = (request(&key), "GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n".to_owned());
    let health = "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned();
    let (mut left, mut tries) = (full_or(20, 2), 0);
    while left > 0 {
        tries += 1;
        assert!(tries < 100, "they never asked in time");
        let mut clients = [
            (Client::tcp(serving.address), &asked, 200),
            (Client::unix(&at("proxy.sock")), &asked, 200),
            (Client::unix(&at("front.sock")), &question, 403),
            (Client::tcp(serving.admin), &health, 200),
            (Client::unix(&at("admin.sock")), &health, 200),
        ];
        // Accepted in the order they came in.
        assert_eq!(serving.status(&key), 200);
        let nothing = || serving.said().matches("came to nothing").count();
        let (before, mut command) = (nothing(), site.command(&["serve"]));
        command.arg("--upgrade");
        let (next, told) = thread::scope(|scope| {
            let hears = scope.spawn(|| {
                let is_handed = || serving.said().contains("serves now");
                until("it hands over or serves on", || is_handed() || nothing() > before);
                is_handed().then(now)
            });
            (Process::start(command), hears.join().unwrap())
        });
        let (Ok(next), Some(told)) = (next, told) else {
            // It was not ready in its five seconds. The one that serves listens again after a second at most.
            thread::sleep(Duration::from_millis(1_500));
            continue;
        };
        let old = std::mem::replace(&mut serving, next);
        // Two seconds are given; a machine may be too busy for them.
        let are_sent: Vec<_> = clients.iter_mut().map(|(client, asked, _)| client.try_send(asked)).collect();
        if told.elapsed() > Duration::from_secs(1) {
            drop(clients);
            assert!(old.wait().0.success());
            continue;
        }
        left -= 1;
        for (number, (client, _, wanted)) in clients.iter_mut().enumerate() {
            assert!(are_sent[number], "door {number} is closed");
            let answer = client.try_answer().unwrap_or_else(|| panic!("door {number} gave no answer"));
            assert_eq!(answer.status, *wanted, "door {number}: {}", answer.head);
        }
        let (ended, said) = old.wait();
        assert!(ended.success() && !said.contains("cut"), "{said}");
    }
}

/// Both processes may tell a receiver of one event while one of them ends, and then under one id.
#[test]
fn an_event_that_is_told_twice_across_an_upgrade_has_one_id() {
    let receiver = Receiver::start(&["200 OK"]);
    let site = Site::with(CONFIG);
    std::fs::write(site.dir.path().join("hook-secret"), "0123456789abcdef0123456789abcdef").unwrap();
    let hook = format!(
        "\n[[webhook]]\nname = \"ops\"\nurl = \"http://{}/hook\"\nsecret_file = \"hook-secret\"\n\
         networks = [\"127.0.0.0/8\"]\nevents = [\"key.revoked\"]\n",
        receiver.address
    );
    site.configure(&(config() + &hook));
    let store = site.store();
    let keys: Vec<Issued> = (0..full_or(200, 40)).map(|_| Site::issue(&store)).collect();
    let mut serving = site.serve(&[]);
    // Revoked while one process after another takes over, and the one before still answers.
    thread::scope(|scope| {
        let (keys, store) = (&keys, &store);
        let revokes = scope.spawn(move || {
            for key in keys {
                store.revoke(key.record.id, kgate::key::RevokeReason::Abuse, &act()).unwrap();
                thread::sleep(Duration::from_millis(20));
            }
        });
        while !revokes.is_finished() {
            let (ended, said) = site.upgrade(&mut serving).wait();
            assert!(ended.success(), "{said}");
        }
    });
    let mut ids = std::collections::BTreeMap::new();
    until("all are told", || {
        ids.clear();
        for heard in receiver.heard() {
            let event = heard.json();
            assert_eq!(heard.headers["webhook-id"], event["id"].as_str().unwrap());
            let key = event["data"]["key_ids"][0].as_str().unwrap_or_default().to_owned();
            ids.entry(key).or_insert_with(Vec::new).push(event["id"].as_str().unwrap().to_owned());
        }
        keys.iter().all(|key| ids.contains_key(&key.record.id.to_string()))
    });
    let told: usize = ids.values().map(Vec::len).sum();
    println!("{} events told {told} times", ids.len());
    for (key, ids) in ids {
        assert!(ids.iter().all(|id| *id == ids[0]), "{key}: {ids:?}");
    }
}
