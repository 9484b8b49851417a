//! Whatever happens to the store, nobody gets a 200 who must not; and the life of the server
//! process: drain, reload, who may serve what.

use std::os::unix::fs::{FileExt, PermissionsExt};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use kgate::gateway::FIRST_WORDS;
use kgate::key::RevokeReason;
use kgate::store::Issued;
use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Client, act, is_quick, now, unless_it_stands_still, until};
use crate::process::{CONFIG, Process, Site, statuses_for};

/// A site with a gateway, a key that works, and one that was revoked under it.
struct Scene {
    site: Site,
    gateway: Process,
    good: Issued,
    revoked: Issued,
    /// The store's file before the revocation.
    older: Vec<u8>,
}

impl Scene {
    fn new() -> Self {
        let site = Site::new();
        let store = site.store();
        let (good, revoked) = (Site::issue(&store), Site::issue(&store));
        drop(store);
        let older = std::fs::read(site.store_file()).unwrap();
        let gateway = site.serve(&[]);
        assert_eq!(gateway.status(&revoked), 200);
        site.store().revoke(revoked.record.id, RevokeReason::Leak, &act()).unwrap();
        assert_eq!((gateway.status(&good), gateway.status(&revoked)), (200, 401));
        let scene = Self { site, gateway, good, revoked, older };
        // Noted beside the store: what a restart compares with.
        until("the revision is noted", || {
            let seen = kgate::store::LastSeen::read(&scene.site.data()).unwrap();
            seen.is_some_and(|seen| seen.revision.0 == scene.revision())
        });
        scene
    }

    fn revision(&self) -> u64 {
        let text = self.gateway.ask_admin("/metrics").1;
        let line = text.lines().find_map(|line| line.strip_prefix("kgate_snapshot_revision "));
        line.expect("the metric is there").parse().unwrap()
    }

    /// From now on nobody gets a 200, and readiness says why.
    fn must_fail_closed(&self, code: &str) {
        until(&format!("readiness says {code}; it says {}", self.gateway.readiness()), || {
            self.gateway.readiness() == code
        });
        for key in [&self.good, &self.revoked] {
            let statuses = statuses_for(Duration::from_millis(200), &self.gateway, key);
            assert!(statuses.iter().all(|status| *status == 503), "{code}: {statuses:?}");
        }
        assert_eq!(self.gateway.ask_admin("/healthz").0, 200, "the process itself is well");
    }

    fn must_serve(&self) {
        until("it is ready", || self.gateway.readiness() == "ready");
        assert_eq!((self.gateway.status(&self.good), self.gateway.status(&self.revoked)), (200, 401));
    }
}

#[test]
fn a_deleted_store_serves_nobody() {
    let scene = Scene::new();
    std::fs::remove_file(scene.site.store_file()).unwrap();
    scene.must_fail_closed("store_missing");
}

#[test]
fn a_directory_moved_away_serves_nobody_until_it_is_back() {
    let scene = Scene::new();
    let aside = scene.site.dir.path().join("aside");
    std::fs::rename(scene.site.data(), &aside).unwrap();
    scene.must_fail_closed("store_missing");
    std::fs::rename(&aside, scene.site.data()).unwrap();
    scene.must_serve();
}

#[test]
fn an_older_copy_of_the_store_revives_no_key_however_it_comes() {
    for way in ["renamed", "copied over"] {
        let scene = Scene::new();
        let file = scene.site.store_file();
        if way == "renamed" {
            std::fs::write(file.with_extension("new"), &scene.older).unwrap();
            std::fs::rename(file.with_extension("new"), &file).unwrap();
        } else {
            std::fs::write(&file, &scene.older).unwrap();
        }
        scene.must_fail_closed("store_older");
        let Scene { site, gateway, .. } = scene;
        gateway.signal(Signal::TERM);
        gateway.wait();
        let said = Process::start(site.command(&["serve"])).err().expect("not after a restart either");
        assert!(said.contains("older than the one last seen"), "{way}: {said}");
    }
}

#[test]
fn another_store_in_its_place_serves_nobody() {
    let scene = Scene::new();
    let other = Site::new();
    let key = Site::issue(&other.store());
    std::fs::rename(other.store_file(), scene.site.store_file()).unwrap();
    scene.must_fail_closed("store_older");
    assert_eq!(scene.gateway.status(&key), 503);
}

#[test]
fn a_truncated_or_garbled_store_serves_nobody() {
    for damage in ["truncated to nothing", "truncated", "garbled header", "garbled magic"] {
        let scene = Scene::new();
        let file = std::fs::File::options().write(true).open(scene.site.store_file()).unwrap();
        match damage {
            "truncated to nothing" => file.set_len(0).unwrap(),
            "truncated" => file.set_len(319).unwrap(),
            "garbled header" => file.write_all_at(&[0xa5; 310], 10).unwrap(),
            _ => file.write_all_at(b"x", 0).unwrap(),
        }
        for key in [&scene.good, &scene.revoked] {
            let statuses = statuses_for(Duration::from_millis(100), &scene.gateway, key);
            assert!(statuses.iter().all(|status| *status == 503), "{damage}: {statuses:?}");
        }
        until("readiness says so", || scene.gateway.readiness().starts_with("store_"));
    }
}

#[test]
fn a_damaged_record_is_refused_and_told_of_and_hurts_no_other() {
    let site = Site::new();
    let store = site.store();
    let (good, damaged) = (Site::issue(&store), Site::issue(&store));
    drop(store);
    // A flipped bit in what the record says, found by the digest in it.
    let bytes = std::fs::read(site.store_file()).unwrap();
    let file = std::fs::File::options().write(true).open(site.store_file()).unwrap();
    let digest = damaged.record.digest.as_bytes();
    let mut flipped = 0;
    for (at, window) in bytes.windows(38).enumerate() {
        // `live` and `acme_live` come right before the digest in a record; the table of digests has it
        // among others.
        if &window[..32] == digest
            && at > 4
            && bytes[at - 5..at].ends_with(&damaged.record.last_four.as_bytes()[..4])
        {
            file.write_all_at(&[bytes[at - 1] ^ 1], at as u64 - 1).unwrap();
            flipped += 1;
        }
    }
    assert!(flipped > 0, "the record is somewhere in the file");
    let gateway = site.serve(&[]);
    assert_eq!((gateway.status(&good), gateway.status(&damaged)), (200, 401));
    until("readiness says so", || gateway.readiness() == "store_damaged");
}

#[test]
fn a_directory_that_cannot_be_read_serves_nobody() {
    if !Command::new("setpriv").arg("--version").stdout(Stdio::null()).status().is_ok_and(|s| s.success()) {
        return;
    }
    // As somebody whom mode bits stop.
    let site = Site::new();
    let key = Site::issue(&site.store());
    let nobody = Some(65534);
    std::fs::set_permissions(site.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    for entry in std::fs::read_dir(site.data()).unwrap() {
        std::os::unix::fs::chown(entry.unwrap().path(), nobody, nobody).unwrap();
    }
    std::os::unix::fs::chown(site.data(), nobody, nobody).unwrap();
    // Where nobody may run it from.
    let program = site.dir.path().join("kgate");
    // By another process: what this one has open to write to, its children have for a moment, and nobody may run it then.
    let copied = Command::new("cp").arg(env!("CARGO_BIN_EXE_kgate")).arg(&program).status().unwrap();
    assert!(copied.success());
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--"]);
    command.arg(&program).arg("--config").arg(site.config_path()).arg("serve");
    let gateway = Process::start(command).unwrap_or_else(|said| panic!("{said}"));
    assert_eq!(gateway.status(&key), 200);
    std::fs::set_permissions(site.data(), std::fs::Permissions::from_mode(0o000)).unwrap();
    until("readiness says so", || gateway.readiness() == "store_missing");
    let statuses = statuses_for(Duration::from_millis(200), &gateway, &key);
    assert!(statuses.iter().all(|status| *status == 503), "{statuses:?}");
    std::fs::set_permissions(site.data(), std::fs::Permissions::from_mode(0o700)).unwrap();
    until("it serves again", || gateway.status(&key) == 200);
}

/// Not a test: the process that `a_stopped_writer_…` stops while it holds the store's write lock.
#[test]
#[ignore = "run by another test, as a process of its own"]
fn holder_of_the_write_lock() {
    let Some(file) = std::env::var_os("KGATE_TEST_HOLD") else { return };
    let mut builder = redb::Builder::new();
    builder.set_concurrency_mode(redb::ConcurrencyMode::MultiWriter).set_cache_size(1 << 20);
    let db = builder.open(&file).unwrap();
    let _transaction = db.begin_write().unwrap();
    println!("holding");
    kill_process(rustix::process::getpid(), Signal::STOP).unwrap();
    // The signal stops another thread first, and this one a moment later: it must not go on until then.
    loop {
        std::thread::park();
    }
}

/// Starts a process that holds the store's write lock and is stopped. Kill it, and wait for it.
pub fn stopped_writer(site: &Site) -> (Child, Pid) {
    let holder = Command::new(std::env::current_exe().unwrap())
        .args(["faults::holder_of_the_write_lock", "--exact", "--ignored", "--nocapture"])
        .env("KGATE_TEST_HOLD", site.store_file())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let pid = Pid::from_child(&holder);
    until("it is stopped", || is_stopped(pid));
    (holder, pid)
}

#[test]
fn a_stopped_writer_does_not_hurt_a_store_that_has_not_changed() {
    let scene = Scene::new();
    let (mut holder, pid) = stopped_writer(&scene.site);
    // Opening it committed; the refresher takes that in, although the lock is held.
    until("it serves", || scene.gateway.status(&scene.good) == 200);
    let statuses = statuses_for(Duration::from_millis(500), &scene.gateway, &scene.good);
    assert!(statuses.iter().all(|status| *status == 200), "{statuses:?}");
    assert_eq!(scene.gateway.status(&scene.revoked), 401);
    // A command cannot go on, and says so instead of hanging.
    let id = scene.good.record.id.to_string();
    let output = scene.site.command(&["key", "revoke", &id, "--yes"]).output().unwrap();
    assert!(!output.status.success());
    assert_eq!(scene.gateway.status(&scene.good), 200, "and it changed nothing");
    kill_process(pid, Signal::KILL).unwrap();
    holder.wait().unwrap();
    scene.site.run(&["key", "revoke", &id, "--yes"]);
    assert_eq!(scene.gateway.status(&scene.good), 401);
    until("it is ready", || scene.gateway.readiness() == "ready");
}

/// A store that takes long to be read, on a machine that does much besides, say. Each look at it is made to.
#[test]
fn a_request_waits_for_a_changed_store_as_long_as_the_configuration_says() {
    if is_quick() {
        return;
    }
    assert!(CONFIG.contains("fresh_within = \"1min\""));
    let site = Site::new();
    let store = site.store();
    let key = Site::issue(&store);
    let mut slowly = Command::new("strace");
    // By a tracer that is the grandchild: who is started is the server.
    slowly.args(["-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fcntl"]);
    slowly.args(["-e", "inject=fcntl:delay_enter=100000", "--"]);
    let server = site.command(&["serve"]);
    slowly.arg(server.get_program()).args(server.get_args()).stdin(Stdio::null());
    let gateway = Process::start(slowly).unwrap_or_else(|said| panic!("it did not start: {said}"));
    for _ in 0..3 {
        store.disable_key(key.record.id, &act()).unwrap();
        assert_eq!(gateway.status(&key), 401, "not 503 after 50 ms");
        store.enable_key(key.record.id, &act()).unwrap();
        assert_eq!(gateway.status(&key), 200);
    }
}

pub(crate) fn is_stopped(pid: Pid) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_pid())).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
}

#[test]
fn sigterm_lets_requests_finish_and_exits_as_soon_as_it_is_idle() {
    // More than anybody waits here: the idle connection must not use it up.
    let site = Site::with(&CONFIG.replace("drain_timeout = \"10s\"", "drain_timeout = \"10m\""));
    let key = Site::issue(&site.store());
    let gateway = site.serve(&[]);
    let mut idle = Client::tcp(gateway.address);
    idle.send(crate::process::request(&key));
    assert_eq!(idle.answer().status, 200);
    let mut slow = Client::tcp(gateway.address);
    slow.send(crate::harness::request("GET", "/x?delay=2000", &key.token));
    until("the backend has it", || site.echo.requests() == 2);
    gateway.signal(Signal::TERM);
    gateway.until_it_says("stopping");
    assert_eq!(slow.answer().status, 200, "what was being asked is answered");
    let (address, (status, said)) = (gateway.address, gateway.wait());
    assert!(status.success(), "{status}: {said}");
    assert!(said.contains("stopped") && !said.contains("cut"), "{said}");
    assert!(idle.is_closed());
    // Somebody else may have been given its port, for a while.
    until("nobody listens", || std::net::TcpStream::connect(address).is_err());
}

#[test]
fn a_front_that_keeps_asking_has_one_more_answer_after_sigterm() {
    let site = Site::with(&CONFIG.replace("[server]", "[sidecar]\nlisten = [\"127.0.0.1:0\"]\n\n[server]"));
    // It is waited for no longer than that.
    unless_it_stands_still(FIRST_WORDS, |began| {
        let gateway = site.serve(&[]);
        let mut front = Client::tcp(gateway.sidecar.unwrap());
        let question = "GET /nginx HTTP/1.1\r\nHost: a\r\n\r\n";
        began.set(now());
        front.send(question);
        let answer = front.answer();
        assert_eq!((answer.status, answer.header("connection")), (403, None));
        gateway.signal(Signal::TERM);
        gateway.until_it_says("stopping");
        std::thread::sleep(Duration::from_millis(200));
        front.send(question);
        let answer = front.answer();
        assert_eq!((answer.status, answer.header("connection")), (403, Some("close")));
        let (status, said) = gateway.wait();
        assert!(status.success() && !said.contains("cut"), "{status}: {said}");
    });
}

#[test]
fn what_takes_longer_than_the_drain_is_cut_and_said() {
    let site = Site::with(&CONFIG.replace("drain_timeout = \"10s\"", "drain_timeout = \"300ms\""));
    let key = Site::issue(&site.store());
    let gateway = site.serve(&[]);
    let mut slow = Client::tcp(gateway.address);
    slow.send(crate::harness::request("GET", "/x?delay=60000", &key.token));
    until("the backend has it", || site.echo.requests() == 1);
    gateway.signal(Signal::INT);
    let (status, said) = gateway.wait();
    assert!(status.success() && said.contains("cut"), "{status}: {said}");
}

#[test]
fn sighup_takes_a_good_configuration_and_keeps_the_old_one_over_a_bad_one() {
    let site = Site::new();
    let key = Site::issue(&site.store());
    let gateway = site.serve(&[]);
    assert_eq!(gateway.status(&key), 200);
    site.configure(&CONFIG.replace("path = \"/**\"", "path = \"/elsewhere\""));
    gateway.signal(Signal::HUP);
    gateway.until_it_says("configuration reloaded: 1 route");
    assert_eq!(gateway.status(&key), 404, "the new one is in force");
    site.configure("data_dir = 7\nnonsense = true\n");
    gateway.signal(Signal::HUP);
    gateway.until_it_says("configuration was not reloaded");
    gateway.until_it_says("nonsense");
    assert_eq!(gateway.status(&key), 404, "the old one stays");
    site.configure(&CONFIG.replace("workers = 1", "workers = 2"));
    gateway.signal(Signal::HUP);
    gateway.until_it_says("only after a restart: server.workers");
    assert_eq!(gateway.status(&key), 200);
}

#[test]
fn a_changed_configuration_file_is_taken_without_being_asked() {
    let site = Site::new();
    let key = Site::issue(&site.store());
    let gateway = site.serve(&[]);
    site.configure(&CONFIG.replace("path = \"/**\"", "path = \"/elsewhere\""));
    gateway.until_it_says("configuration reloaded");
    assert_eq!(gateway.status(&key), 404);
}

#[test]
fn one_process_serves_a_directory_unless_all_share_it() {
    let site = Site::new();
    let first = site.serve(&[]);
    for args in [&["serve"][..], &["serve", "--shared"]] {
        let said = Process::start(site.command(args)).err().expect("it must not start");
        assert!(said.contains(&format!("process ({}) already serves", first.pid().as_raw_pid())), "{said}");
        assert!(said.contains("--shared"), "{said}");
    }
    drop(first);
    let (one, two) = (site.serve(&["--shared"]), site.serve(&["--shared"]));
    assert!(one.said().contains("rates are counted by each process"), "{}", one.said());
    assert_ne!(one.address, two.address);
}

#[test]
fn a_port_in_use_is_named() {
    let site = Site::new();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for key in ["proxy = [\"127.0.0.1:0\"]", "admin = \"127.0.0.1:0\""] {
        site.configure(&CONFIG.replace(key, &key.replace("127.0.0.1:0", &address)));
        let said = Process::start(site.command(&["serve"])).err().expect("it must not start");
        assert!(said.contains(&format!("cannot listen on {address}")), "{said}");
    }
}

#[test]
fn without_a_store_it_does_not_start() {
    let site = Site::new();
    std::fs::remove_file(site.store_file()).unwrap();
    let said = Process::start(site.command(&["serve"])).err().expect("it must not start");
    assert!(said.contains("there is no store"), "{said}");
}
