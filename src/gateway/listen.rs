//! Sockets to accept on. `SO_REUSEPORT` gives each worker a queue of its own, so that a connection
//! stays on the thread that accepted it; a Unix socket has no such thing and is shared.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net as unix;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use socket2::{Domain, Socket, Type};
use tokio::net::{TcpListener, UnixListener};

/// Where to accept connections.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ListenAddress {
    /// An address and port; port 0 lets the kernel choose.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// A bound address, from which every worker gets its own [`Listener`].
///
/// Dropping it removes the file of a Unix socket, if that is its own and still this one.
pub struct Bound {
    address: ListenAddress,
    kind: Kind,
}

enum Kind {
    Tcp {
        sockets: Vec<std::net::TcpListener>,
    },
    Unix {
        socket: Arc<unix::UnixListener>,
        path: PathBuf,
        /// The file at the path, if it is to go when this does.
        file: Option<(u64, u64)>,
        /// Whether somebody else made it, who goes on needing the file: systemd.
        is_lent: bool,
    },
}

impl Bound {
    /// Binds `address` for `workers` workers, before any of them runs, so that a port in use is an
    /// error at start and not a silent worker.
    ///
    /// A Unix socket is made with mode 0660. A file in its place is removed only if it is a socket
    /// nobody listens on.
    pub fn bind(address: &ListenAddress, workers: usize) -> Result<Self, BindError> {
        let error = |source| BindError { address: address.clone(), source };
        match address {
            ListenAddress::Tcp(wanted) => {
                let (actual, sockets) = bind_tcp(*wanted, workers).map_err(error)?;
                Ok(Self { address: ListenAddress::Tcp(actual), kind: Kind::Tcp { sockets } })
            }
            ListenAddress::Unix(path) => {
                let (socket, file) = bind_unix(path).map_err(error)?;
                let (socket, path) = (Arc::new(socket), path.clone());
                let kind = Kind::Unix { socket, path, file: Some(file), is_lent: false };
                Ok(Self { address: address.clone(), kind })
            }
        }
    }

    /// Takes over sockets that listen already, each worker one, or all of them the same one if there are not
    /// enough. `address` is what is configured. The file of a Unix socket stays whose it was, until
    /// [`Bound::own`]; one that is lent (`is_lent`) stays so for good.
    ///
    /// # Errors
    /// [`BindError`]: there is none, or they are of another kind than the address.
    pub fn adopt(
        address: &ListenAddress,
        sockets: Vec<OwnedFd>,
        workers: usize,
        is_lent: bool,
    ) -> Result<Self, BindError> {
        let error = |source| BindError { address: address.clone(), source };
        let adopted = match address {
            ListenAddress::Tcp(_) => adopt_tcp(sockets, workers).map(|(actual, sockets)| Self {
                address: ListenAddress::Tcp(actual),
                kind: Kind::Tcp { sockets },
            }),
            ListenAddress::Unix(path) => adopt_unix(sockets).map(|socket| Self {
                address: address.clone(),
                kind: Kind::Unix { socket: Arc::new(socket), path: path.clone(), file: None, is_lent },
            }),
        };
        adopted.map_err(error)
    }

    /// Returns copies of its sockets that are not given out yet, to be handed to another process.
    pub fn copies(&self) -> io::Result<Vec<OwnedFd>> {
        match &self.kind {
            Kind::Tcp { sockets } => sockets.iter().map(|socket| Ok(socket.try_clone()?.into())).collect(),
            Kind::Unix { socket, .. } => Ok(vec![socket.try_clone()?.into()]),
        }
    }

    /// Has the file of a Unix socket go when this is dropped: whoever had it before is about to end.
    pub fn own(&mut self) {
        if let Kind::Unix { path, file, is_lent: false, .. } = &mut self.kind {
            *file = std::fs::symlink_metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
        }
    }

    /// Leaves the file of a Unix socket where it is when this is dropped: somebody else listens there now.
    pub fn disown(&mut self) {
        if let Kind::Unix { file, .. } = &mut self.kind {
            *file = None;
        }
    }

    /// Says whether the file of a Unix socket belongs to somebody who goes on needing it.
    pub fn is_lent(&self) -> bool {
        matches!(self.kind, Kind::Unix { is_lent: true, .. })
    }

    /// Returns the address bound, with the port the kernel chose.
    pub fn address(&self) -> &ListenAddress {
        &self.address
    }

    /// Takes a worker's listener. Must be called on the worker's runtime, and at most as often as
    /// [`Bound::bind`] was told there are workers.
    pub fn listener(&mut self) -> io::Result<Listener> {
        match &mut self.kind {
            Kind::Tcp { sockets } => {
                let socket = sockets.pop().ok_or_else(|| io::Error::other("more workers than were bound"))?;
                Ok(Listener::Tcp(TcpListener::from_std(socket)?))
            }
            Kind::Unix { socket, .. } => Ok(Listener::Unix(UnixListener::from_std(socket.try_clone()?)?)),
        }
    }
}

impl Drop for Bound {
    fn drop(&mut self) {
        if let Kind::Unix { path, file: Some(file), .. } = &self.kind {
            // Another process may have taken the path over since: its socket is left alone.
            if std::fs::symlink_metadata(path).is_ok_and(|m| (m.dev(), m.ino()) == *file) {
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// One worker's end of a bound address.
pub enum Listener {
    /// A queue of its own.
    Tcp(TcpListener),
    /// A queue shared by all workers.
    Unix(UnixListener),
}

/// The address could not be bound.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct BindError {
    /// The address of the configuration.
    pub address: ListenAddress,
    /// Why not.
    pub source: io::Error,
}

fn bind_tcp(wanted: SocketAddr, workers: usize) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    let mut address = wanted;
    let mut sockets = Vec::with_capacity(workers);
    for worker in 0..workers {
        if worker == 0 && wanted.port() != 0 {
            // SO_REUSEPORT would let two gateways of one user share a port without a word, each
            // getting half of the requests. A plain bind first finds the other one.
            drop(listen_tcp(wanted, Reuse::Address)?);
        }
        let listener = listen_tcp(address, Reuse::Port)?;
        address = listener.local_addr()?;
        sockets.push(listener);
    }
    Ok((address, sockets))
}

#[derive(Clone, Copy, PartialEq)]
enum Reuse {
    Address,
    Port,
}

/// Not by tokio's socket, which wants a runtime: addresses are bound before there is one.
fn listen_tcp(address: SocketAddr, reuse: Reuse) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM.nonblocking(), None)?;
    // Lets a restart bind while connections of the old process are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if reuse == Reuse::Port {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(std::net::TcpListener::from(socket))
}

fn bind_unix(path: &Path) -> io::Result<(unix::UnixListener, (u64, u64))> {
    remove_stale(path)?;
    // Bound under another name with the right mode and then renamed: between `bind` and `chmod`
    // anybody could connect, and a umask is process-wide.
    let directory = tempdir_beside(path)?;
    let temporary = directory.join("socket");
    let bound = unix::UnixListener::bind(&temporary).and_then(|socket| {
        std::fs::set_permissions(&temporary, std::fs::Permissions::from_mode(0o660))?;
        socket.set_nonblocking(true)?;
        let meta = std::fs::symlink_metadata(&temporary)?;
        // A hard link fails if somebody took the name meanwhile; a rename would replace theirs.
        std::fs::hard_link(&temporary, path)?;
        Ok((socket, (meta.dev(), meta.ino())))
    });
    let _ = std::fs::remove_file(&temporary);
    let _ = std::fs::remove_dir(&directory);
    bound
}

fn adopt_tcp(sockets: Vec<OwnedFd>, workers: usize) -> io::Result<(SocketAddr, Vec<std::net::TcpListener>)> {
    let mut sockets: Vec<_> = sockets.into_iter().map(std::net::TcpListener::from).collect();
    let Some(first) = sockets.first() else { return Err(io::ErrorKind::NotFound.into()) };
    // Fails if it is no TCP socket.
    let address = first.local_addr()?;
    while sockets.len() < workers {
        sockets.push(sockets[0].try_clone()?);
    }
    for socket in &sockets {
        socket.set_nonblocking(true)?;
    }
    Ok((address, sockets))
}

fn adopt_unix(mut sockets: Vec<OwnedFd>) -> io::Result<unix::UnixListener> {
    let socket = sockets.pop().ok_or(io::ErrorKind::NotFound)?;
    let socket = unix::UnixListener::from(socket);
    socket.local_addr()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn tempdir_beside(path: &Path) -> io::Result<PathBuf> {
    use std::os::unix::fs::DirBuilderExt;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let directory = path.with_file_name(name);
    std::fs::DirBuilder::new().mode(0o700).create(&directory)?;
    Ok(directory)
}

/// Removes a socket nobody listens on. Anything else in its place is an error.
fn remove_stale(path: &Path) -> io::Result<()> {
    match std::fs::symlink_metadata(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(e) => Err(e),
        Ok(meta) if !meta.file_type().is_socket() => Err(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "the path is taken by something that is no socket",
        )),
        Ok(_) => match unix::UnixStream::connect(path) {
            Err(e) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
            Err(e) => Err(e),
            Ok(_) => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on this socket")),
        },
    }
}

/// Connections the kernel may complete before we accept them.
/// Linux caps it at net.core.somaxconn.
const BACKLOG: i32 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn port_zero_is_reported_and_shared_by_all_workers() {
        let any = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let mut bound = Bound::bind(&any, 2).unwrap();
        let ListenAddress::Tcp(address) = *bound.address() else { panic!("tcp") };
        assert_ne!(address.port(), 0);
        for _ in 0..2 {
            let Listener::Tcp(listener) = bound.listener().unwrap() else { panic!("tcp") };
            assert_eq!(listener.local_addr().unwrap(), address);
        }
        assert!(bound.listener().is_err());
    }

    #[tokio::test]
    async fn a_port_in_use_is_an_error_even_by_another_gateway() {
        let any = ListenAddress::Tcp("127.0.0.1:0".parse().unwrap());
        let first = Bound::bind(&any, 2).unwrap();
        let error = Bound::bind(first.address(), 2).err().expect("the port is taken");
        assert_eq!(error.source.kind(), io::ErrorKind::AddrInUse);
        assert!(error.to_string().contains(&first.address().to_string()));
    }

    #[tokio::test]
    async fn a_unix_socket_is_for_its_group_and_goes_away_with_its_owner() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kgate.sock");
        let mut bound = Bound::bind(&ListenAddress::Unix(path.clone()), 2).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o660);
        let _both = (bound.listener().unwrap(), bound.listener().unwrap());
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        drop(bound);
        assert!(!path.exists());
    }

    #[tokio::test]
    async fn the_file_of_an_adopted_socket_goes_only_with_who_owns_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kgate.sock");
        let address = ListenAddress::Unix(path.clone());
        let mut first = Bound::bind(&address, 1).unwrap();
        let adopt = |first: &Bound, is_lent| {
            Bound::adopt(&address, first.copies().unwrap(), 1, is_lent).expect("it listens")
        };
        drop(adopt(&first, false));
        assert!(path.exists(), "who took it over and failed leaves it to the other");
        let mut lent = adopt(&first, true);
        lent.own();
        drop(lent);
        assert!(path.exists(), "what is lent is never ours");
        let mut next = adopt(&first, false);
        first.disown();
        next.own();
        drop(first);
        assert!(path.exists(), "it goes on");
        drop(next);
        assert!(!path.exists(), "it went with its owner");
    }

    #[tokio::test]
    async fn only_a_stale_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kgate.sock");
        let address = ListenAddress::Unix(path.clone());
        let running = unix::UnixListener::bind(&path).unwrap();
        assert_eq!(Bound::bind(&address, 1).err().unwrap().source.kind(), io::ErrorKind::AddrInUse);
        drop(running);
        drop(Bound::bind(&address, 1).expect("nobody listens any more"));

        std::fs::write(&path, "precious").unwrap();
        assert!(Bound::bind(&address, 1).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"precious");
    }

    #[tokio::test]
    async fn a_socket_that_replaced_ours_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("kgate.sock");
        let bound = Bound::bind(&ListenAddress::Unix(path.clone()), 1).unwrap();
        std::fs::remove_file(&path).unwrap();
        let _other = unix::UnixListener::bind(&path).unwrap();
        drop(bound);
        assert!(path.exists());
    }
}
