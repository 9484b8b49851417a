//! Handing a running server over to a new process: `kgate serve --upgrade`.
//!
//! Every server listens on a socket in a directory that only its owner can enter. A new process connects there
//! and gets the listening sockets themselves, so nobody who connects meanwhile is turned away, and the lock of
//! the data directory. It loads the store and says that it is ready. Then, and not before, the old one stops
//! accepting, lets what was asked on open connections be decided, and hands over what it counted: from that
//! moment on it decides one last request at most on connections that were in use. The new one goes on with the counts
//! and begins to accept; the old one ends when its last answer is sent. Until the new one is ready, whatever happens to it leaves the old one as it is; if it
//! dies between that and serving, or takes too long, the old one accepts again. While the old one finishes what it was asked,
//! it tells how many requests are left that limits on requests in work count.
//!
//! ```text
//! new -> old   "kgate 1\n"
//! old -> new   one line of JSON: what each of the sockets that follow is; then a byte with each
//! new -> old   "ready\n"
//! old -> new   a line for each count (`super::counts`), and an empty one
//! new -> old   "serving PID\n"
//! old -> new   a line for each count of requests in work that has become less, until none is left; or "back\n",
//!              if it serves again because that took too long
//! ```

use std::fs::File;
use std::io::{self, BufRead, BufReader, IoSlice, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, recvmsg, sendmsg,
};
use serde_json::{Value, json};
use tokio::net::UnixListener;
use tokio::sync::watch;

use super::lock::ServeLock;
use super::running::Core;
use super::service::{Posts, Service};
use super::{Notice, counts};
use crate::admin::Desk;
use crate::config::Address;
use crate::gateway::{Bound, LATECOMERS, ListenAddress};
use crate::policy::{Counted, Engine, Now, Working};
use crate::verify::Verifier;

/// What a listening socket is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Door {
    /// The gateway.
    Proxy,
    /// Other proxies.
    Sidecar,
    /// Health, readiness, metrics and the admin API.
    Admin,
    /// The portal.
    Portal,
}

impl Door {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Proxy => "proxy",
            Self::Sidecar => "sidecar",
            Self::Admin => "admin",
            Self::Portal => "portal",
        }
    }
}

/// A listening socket and the address it was made for.
pub(super) struct Socket {
    pub(super) door: Door,
    pub(super) address: String,
    /// Whether its file is somebody else's, who goes on needing it: see [`Bound::adopt`].
    pub(super) is_lent: bool,
    pub(super) fd: OwnedFd,
}

impl Socket {
    fn listen_address(&self) -> io::Result<ListenAddress> {
        if let Some(path) = self.address.strip_prefix("unix:") {
            return Ok(ListenAddress::Unix(path.into()));
        }
        self.address.parse().map(ListenAddress::Tcp).map_err(io::Error::other)
    }
}

/// What a running server would hand over. Shared by it and by whoever answers on the upgrade socket.
pub(super) struct Estate {
    sockets: Mutex<Vec<Socket>>,
    lock: Mutex<Option<File>>,
    service: Arc<Service>,
    /// Whether another process is about to serve, and this one stops.
    is_spent: AtomicBool,
    /// True once it does.
    handed: watch::Sender<bool>,
    /// True once it was told that nothing it counts for this one is in work any more.
    told: watch::Sender<bool>,
}

impl Estate {
    pub(super) fn new(sockets: Vec<Socket>, lock: File, service: Arc<Service>) -> Arc<Self> {
        let (sockets, lock) = (Mutex::new(sockets), Mutex::new(Some(lock)));
        Arc::new(Self {
            sockets,
            lock,
            service,
            is_spent: AtomicBool::new(false),
            handed: watch::Sender::new(false),
            told: watch::Sender::new(false),
        })
    }

    /// Closes what is kept here: a socket that nobody accepts from must not go on taking connections.
    pub(super) fn let_go(&self) {
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner).clear();
        *self.lock.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Returns what is kept here to accept from, copied.
    fn posts(&self) -> io::Result<Posts> {
        let kept = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let of = |door: Door| {
            let mut places: Vec<(&Socket, Vec<OwnedFd>)> = Vec::new();
            for socket in kept.iter().filter(|socket| socket.door == door) {
                let copy = socket.fd.try_clone()?;
                match places.iter_mut().find(|(place, _)| place.address == socket.address) {
                    Some((_, copies)) => copies.push(copy),
                    None => places.push((socket, vec![copy])),
                }
            }
            let adopt = |(place, copies): (&Socket, Vec<OwnedFd>)| {
                let workers = copies.len();
                Bound::adopt(&place.listen_address()?, copies, workers, place.is_lent)
                    .map_err(io::Error::other)
            };
            places.into_iter().map(adopt).collect::<io::Result<Vec<_>>>()
        };
        Ok(Posts {
            proxy: of(Door::Proxy)?,
            sidecar: of(Door::Sidecar)?,
            admin: of(Door::Admin)?,
            portal: of(Door::Portal)?,
        })
    }

    /// Says that another process serves in this one's place.
    fn hand_out(&self) {
        self.is_spent.store(true, Ordering::SeqCst);
        self.handed.send_replace(true);
    }

    /// Says whether another process serves in this one's place, or is about to.
    pub(super) fn is_spent(&self) -> bool {
        self.is_spent.load(Ordering::SeqCst)
    }

    /// Tells when the other process knows that no request is left which it counts for this one. They may be those of the
    /// process before, of whose end it hears through this one.
    pub(super) fn told(&self) -> watch::Receiver<bool> {
        self.told.subscribe()
    }

    /// Tells when another process serves in this one's place.
    pub(super) fn handed(&self) -> watch::Receiver<bool> {
        self.handed.subscribe()
    }
}

/// Listens on the upgrade socket, on the runtime that will answer. Where that cannot be, says so.
pub(super) fn listen(core: &Core) -> Option<UnixListener> {
    match Place::make(&core.config().data_dir).and_then(|place| place.listen()) {
        Ok(listener) => Some(listener),
        Err(error) => {
            let text = format!("`kgate serve --upgrade` will not work: no upgrade socket: {error}");
            core.notify(&Notice::Warning(text));
            None
        }
    }
}

/// Answers on the upgrade socket until it is dropped.
pub(super) async fn answer(mut listener: UnixListener, core: Arc<Core>, estate: Arc<Estate>) {
    // The file of the socket, once a new process was given up. That one may be late, and begin to listen in this one's
    // place even then; when it ends, nobody would.
    let mut ours = None;
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = tokio::time::sleep(LOOK_AFTER), if ours.is_some() => {
                if socket_file(&core) != ours {
                    // Where that cannot be it is said once, and no more looked for.
                    ours = None;
                    if let Some(again) = listen(&core) {
                        (listener, ours) = (again, socket_file(&core));
                    }
                }
                continue;
            }
        };
        let Ok((stream, _)) = accepted else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let Ok(stream) = stream.into_std() else { continue };
        let (theirs, kept) = (Arc::clone(&core), Arc::clone(&estate));
        // One after the other: there is one estate. Off this thread, which looks after backends.
        let done = tokio::task::spawn_blocking(move || hand_over(&stream, &theirs, &kept));
        // One that panicked said so on stderr.
        let Ok(Err(error)) = done.await else {
            ours = None;
            continue;
        };
        // The other one may have begun to listen in this one's place.
        if let Some(again) = listen(&core) {
            (listener, ours) = (again, socket_file(&core));
        }
        // Said when the next one can ask: who asked the listener before would not be heard.
        core.notify(&Notice::Warning(format!("an upgrade came to nothing: {error}")));
    }
}

/// Returns which file the upgrade socket's path leads to.
fn socket_file(core: &Core) -> Option<(u64, u64)> {
    let place = Place::of(&core.config().data_dir).ok()?;
    let file = std::fs::symlink_metadata(place.path()).ok()?;
    Some((file.dev(), file.ino()))
}

/// Talks to a new process, up to the end of this one's service if that gets so far.
fn hand_over(mut stream: &UnixStream, core: &Core, estate: &Estate) -> io::Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(STEP))?;
    stream.set_write_timeout(Some(STEP))?;
    let ours = rustix::process::geteuid();
    let theirs = rustix::net::sockopt::socket_peercred(stream)?.uid;
    if theirs != ours && !theirs.is_root() {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "somebody else asked for it"));
    }
    let mut from = BufReader::new(stream.try_clone()?);
    expect(&mut from, HELLO)?;
    {
        let sockets = estate.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let lock = estate.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(lock) = lock.as_ref() else { return Err(io::Error::other("it ends already")) };
        let told = |s: &Socket| json!({ "door": s.door.as_str(), "address": s.address, "lent": s.is_lent });
        let list: Vec<Value> = sockets.iter().map(told).collect();
        writeln!(stream, "{}", json!({ "sockets": list }))?;
        for socket in sockets.iter() {
            send_fd(stream, &socket.fd)?;
        }
        send_fd(stream, lock)?;
    }
    // It loads the store now, which takes as long as the store is large.
    stream.set_read_timeout(Some(LOADING))?;
    expect(&mut from, READY)?;
    stream.set_read_timeout(Some(STEP))?;

    estate.is_spent.store(true, Ordering::SeqCst);
    match stop_and_tell(stream, &mut from, core, estate) {
        Ok((pid, working)) => {
            estate.let_go();
            estate.hand_out();
            core.notify(&Notice::HandedOver { pid });
            tell_what_ends(stream, working);
            estate.told.send_replace(true);
            Ok(())
        }
        Err(error) => {
            // It may be alive and late.
            let _ = stream.write_all(BACK.as_bytes());
            let _ = stream.shutdown(Shutdown::Both);
            serve_again(core, estate)?;
            Err(error)
        }
    }
}

/// Stops accepting, then deciding, and tells what was counted. Returns who serves now, and the requests in work that
/// limits count.
fn stop_and_tell(
    mut stream: &UnixStream,
    from: &mut impl BufRead,
    core: &Core,
    estate: &Estate,
) -> io::Result<(Option<u32>, Vec<Working>)> {
    core.begin_draining();
    estate.service.step_back();
    // What was sent before is still decided here; after it only what was late, which nobody else could answer.
    thread::sleep(2 * LATECOMERS);
    let told = |engine: &Engine, now| (engine.counted(now), engine.working());
    let (mut counted, working) = engine_of(core.verifier(), told).unwrap_or_default();
    let desk = estate.service.desk();
    counted.extend(desk.attempts().counted(desk.now().mono));
    let mut lines = Vec::new();
    for count in &counted {
        counts::write(&mut lines, count);
    }
    lines.push(b'\n');
    stream.write_all(&lines)?;
    let mut line = String::new();
    if from.read_line(&mut line)? == 0 {
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "it ended before it served"));
    }
    let pid = line.trim_end().strip_prefix("serving ").and_then(|pid| pid.parse().ok());
    Ok((pid, working))
}

/// Accepts again what the other one does not.
fn serve_again(core: &Core, estate: &Estate) -> io::Result<()> {
    // Before anybody can ask.
    estate.is_spent.store(false, Ordering::SeqCst);
    core.end_draining();
    let begun = estate.posts().and_then(|mut posts| {
        estate.service.begin(&mut posts).map_err(|error| io::Error::other(error.to_string()))
    });
    if let Err(error) = begun {
        // Whoever started this process can start another; nobody else can help.
        estate.service.give_up();
        return Err(error);
    }
    let lock = estate.lock.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(Ok(copy)) = lock.as_ref().map(File::try_clone) {
        ServeLock::inherited(copy).sign();
    }
    Ok(())
}

/// Tells, as requests end, how many are left in work, until none is or nobody listens.
fn tell_what_ends(mut stream: &UnixStream, working: Vec<Working>) {
    let mut left: Vec<(Working, u64)> = working.into_iter().map(|one| (one, u64::MAX)).collect();
    while !left.is_empty() {
        let mut lines = Vec::new();
        left.retain_mut(|(one, told)| {
            let count = one.count();
            if count != *told {
                let (subject, limit) = (one.subject.clone(), one.limit.clone());
                counts::write(&mut lines, &Counted::Work { subject, limit, count });
                *told = count;
            }
            count > 0
        });
        if stream.write_all(&lines).is_err() {
            return;
        }
        thread::sleep(LOOK);
    }
}

/// What a new process got from the one before.
pub(super) struct Inheritance {
    stream: UnixStream,
    from: BufReader<UnixStream>,
    sockets: Vec<Socket>,
    lock: Option<File>,
    /// Requests that are in work there and counted here, too.
    working: Vec<(Working, u64)>,
}

impl Inheritance {
    /// Asks the process that serves `dir` for what it has.
    pub(super) fn ask(dir: &Path) -> io::Result<Self> {
        let stream = Place::of(dir)?.connect()?;
        stream.set_read_timeout(Some(STEP))?;
        stream.set_write_timeout(Some(STEP))?;
        (&stream).write_all(HELLO.as_bytes())?;
        // Byte by byte: a reader that reads ahead would swallow what comes with the sockets.
        let mut line = Vec::new();
        let mut byte = [0];
        while line.last() != Some(&b'\n') && line.len() < MAX_LINE {
            io::Read::read_exact(&mut (&stream), &mut byte)?;
            line.push(byte[0]);
        }
        let list: Value = serde_json::from_slice(&line)?;
        let mut sockets = Vec::new();
        for one in list["sockets"].as_array().into_iter().flatten() {
            let door = [Door::Proxy, Door::Sidecar, Door::Admin, Door::Portal]
                .into_iter()
                .find(|door| one["door"] == door.as_str())
                .ok_or_else(|| io::Error::other("it has sockets of a kind this version does not know"))?;
            let address = one["address"].as_str().unwrap_or_default().to_owned();
            let is_lent = one["lent"] == true;
            sockets.push(Socket { door, address, is_lent, fd: receive_fd(&stream)? });
        }
        let lock = Some(File::from(receive_fd(&stream)?));
        let from = BufReader::new(stream.try_clone()?);
        Ok(Self { stream, from, sockets, lock, working: Vec::new() })
    }

    /// Takes the lock of the data directory.
    pub(super) fn take_lock(&mut self) -> ServeLock {
        ServeLock::inherited(self.lock.take().expect("it is taken once"))
    }

    /// Takes the sockets.
    pub(super) fn take_sockets(&mut self) -> Vec<Socket> {
        std::mem::take(&mut self.sockets)
    }

    /// Says that this process could serve, and waits until the other has stopped deciding. Has the counts go on.
    pub(super) fn ready(&mut self, verifier: &Verifier, desk: &Desk) -> io::Result<()> {
        (&self.stream).write_all(READY.as_bytes())?;
        let mut counted = Vec::new();
        let mut line = String::new();
        loop {
            line.clear();
            if self.from.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            match line.trim_end() {
                "" => break,
                text => counted.extend(counts::read(text)),
            }
        }
        let going_on = engine_of(verifier, |engine, now| engine.go_on(&counted, now));
        self.working = going_on.unwrap_or_default();
        desk.attempts().go_on(&counted, desk.now().mono);
        Ok(())
    }

    /// Says that this process serves, and from now on counts those requests as ended that end in the other one.
    pub(super) fn serving(self, core: &Arc<Core>, estate: Option<Arc<Estate>>) {
        let _ = (&self.stream).write_all(format!("serving {}\n", std::process::id()).as_bytes());
        let core = Arc::clone(core);
        let heed = move || {
            if heed(&self.stream, self.from, &self.working)
                && let Some(estate) = estate
            {
                core.notify(&Notice::Warning(TOO_LATE.to_owned()));
                estate.hand_out();
                // Nor does anybody go on with what this one counts.
                estate.told.send_replace(true);
            }
        };
        // Without it those requests are counted as long as this process lives, which is no worse than refusing some.
        let _ = thread::Builder::new().name("kgate-heir".to_owned()).spawn(heed);
    }
}

/// Reads what the process before tells while it ends, to its end. Says whether it serves again.
fn heed(stream: &UnixStream, mut from: impl BufRead, working: &[(Working, u64)]) -> bool {
    let mut left: Vec<u64> = working.iter().map(|(_, count)| *count).collect();
    let release = |at: usize, to: u64, left: &mut [u64]| {
        working[at].0.release(left[at].saturating_sub(to));
        left[at] = left[at].min(to);
    };
    let _ = stream.set_read_timeout(None);
    let mut line = String::new();
    while matches!(from.read_line(&mut line), Ok(1..)) {
        if line == BACK {
            return true;
        }
        if let Some(Counted::Work { subject, limit, count }) = counts::read(line.trim_end())
            && let Some(at) = working.iter().position(|(one, _)| one.subject == subject && one.limit == limit)
        {
            release(at, count, &mut left);
        }
        line.clear();
    }
    (0..working.len()).for_each(|at| release(at, 0, &mut left));
    false
}

/// Returns the listeners of one door: those that were inherited, and new ones for addresses
/// nobody had.
pub(super) fn bind(
    door: Door,
    addresses: &[Address],
    workers: usize,
    inherited: &mut Vec<Socket>,
) -> Result<Vec<Bound>, crate::gateway::BindError> {
    addresses
        .iter()
        .map(|address| {
            let wanted = super::running::listen_address(address);
            let mine = take(inherited, door, address);
            if mine.is_empty() {
                return Bound::bind(&wanted, workers);
            }
            let is_lent = mine.iter().any(|socket| socket.is_lent);
            Bound::adopt(&wanted, mine.into_iter().map(|socket| socket.fd).collect(), workers, is_lent)
        })
        .collect()
}

/// Takes the sockets of one address.
fn take(inherited: &mut Vec<Socket>, door: Door, wanted: &Address) -> Vec<Socket> {
    let is_any_port = matches!(wanted, Address::Tcp(at) if at.port() == 0);
    let same = |address: &str| {
        address == wanted.to_string()
            || is_any_port
                && address
                    .parse::<SocketAddr>()
                    .is_ok_and(|a| matches!(wanted, Address::Tcp(w) if w.ip() == a.ip()))
    };
    // Of several on any port, the first.
    let first = inherited.iter().find(|socket| socket.door == door && same(&socket.address));
    let Some(address) = first.map(|socket| socket.address.clone()) else { return Vec::new() };
    let (mine, rest) = std::mem::take(inherited)
        .into_iter()
        .partition::<Vec<_>, _>(|socket| socket.door == door && socket.address == address);
    *inherited = rest;
    mine
}

/// Runs `with` on the engine as soon as one is current, for a second at most.
fn engine_of<R>(verifier: &Verifier, with: impl FnOnce(&Engine, Now) -> R) -> Option<R> {
    for _ in 0..1000 {
        if let Some(engine) = verifier.current() {
            return Some(with(&engine, verifier.now()));
        }
        thread::sleep(Duration::from_millis(1));
    }
    None
}

fn expect(from: &mut impl BufRead, word: &str) -> io::Result<()> {
    let mut line = String::new();
    io::Read::take(&mut *from, 64).read_line(&mut line)?;
    if line == word {
        Ok(())
    } else {
        Err(io::Error::other("the other side left, or speaks another version"))
    }
}

fn send_fd(stream: &UnixStream, fd: &impl AsFd) -> io::Result<()> {
    let fds = [fd.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = SendAncillaryBuffer::new(&mut space);
    rights.push(SendAncillaryMessage::ScmRights(&fds));
    sendmsg(stream, &[IoSlice::new(b"s")], &mut rights, SendFlags::NOSIGNAL)?;
    Ok(())
}

fn receive_fd(stream: &UnixStream) -> io::Result<OwnedFd> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut rights = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    recvmsg(stream, &mut [IoSliceMut::new(&mut byte)], &mut rights, RecvFlags::CMSG_CLOEXEC)?;
    let fds = rights.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmRights(mut fds) => fds.next(),
        _ => None,
    });
    fds.ok_or_else(|| io::Error::other("a socket was promised and did not come"))
}

/// Where the upgrade socket is. It is reached through the directory's own descriptor, since the path of a
/// socket has room for 107 bytes only.
struct Place {
    dir: File,
}

impl Place {
    /// Makes the directory, if it is not there.
    fn make(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(DIR);
        match std::fs::DirBuilder::new().mode(0o700).create(&path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        Self::of(data_dir)
    }

    /// Opens the directory. One that others can enter, or that is somebody else's, is not used.
    fn of(data_dir: &Path) -> io::Result<Self> {
        let flags =
            rustix::fs::OFlags::DIRECTORY | rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::CLOEXEC;
        let dir = File::from(rustix::fs::open(data_dir.join(DIR), flags, rustix::fs::Mode::empty())?);
        let meta = dir.metadata()?;
        if meta.mode() & 0o077 != 0 || meta.uid() != rustix::process::geteuid().as_raw() {
            let path = data_dir.join(DIR);
            let text = format!("others than its owner can enter {}", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, text));
        }
        Ok(Self { dir })
    }

    fn path(&self) -> PathBuf {
        use std::os::fd::AsRawFd;
        PathBuf::from(format!("/proc/self/fd/{}/{SOCKET}", self.dir.as_raw_fd()))
    }

    fn connect(&self) -> io::Result<UnixStream> {
        UnixStream::connect(self.path())
    }

    /// Listens. What a dead process left is removed: whoever holds the lock of the data directory is alone.
    fn listen(&self) -> io::Result<UnixListener> {
        self.forget();
        UnixListener::bind(self.path())
    }

    fn forget(&self) {
        let _ = std::fs::remove_file(self.path());
    }
}

/// In the data directory.
const DIR: &str = "run";
const SOCKET: &str = "upgrade.sock";

const HELLO: &str = "kgate 1\n";
const READY: &str = "ready\n";
const BACK: &str = "back\n";

const TOO_LATE: &str = "this process took too long to take over: the one before serves again";

/// The list of sockets is some hundred bytes for each.
const MAX_LINE: usize = 1 << 20;

/// For everything that only takes a moment.
const STEP: Duration = Duration::from_secs(5);

/// How often is looked whether requests have ended.
const LOOK: Duration = Duration::from_millis(20);

/// How often is looked whether the path of the socket was taken by a new process that was given up.
const LOOK_AFTER: Duration = Duration::from_secs(1);

/// For loading a store.
const LOADING: Duration = Duration::from_mins(5);

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn a_directory_others_can_enter_is_not_used() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        Place::make(dir.path()).unwrap();
        assert_eq!(std::fs::metadata(dir.path().join(DIR)).unwrap().mode() & 0o777, 0o700);
        std::fs::set_permissions(dir.path().join(DIR), std::fs::Permissions::from_mode(0o755)).unwrap();
        assert!(Place::make(dir.path()).is_err());
    }

    #[test]
    fn sockets_cross_with_their_names() {
        let (one, other) = UnixStream::pair().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        send_fd(&one, &listener).unwrap();
        let received = TcpListener::from(receive_fd(&other).unwrap());
        assert_eq!(received.local_addr().unwrap(), listener.local_addr().unwrap());
    }
}
