//! What systemd has to do with `kgate serve`: sockets it made beforehand, and word of what is going on.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use listenfd::ListenFd;

use crate::serve::{Inherited, Notice};

/// Returns the listening sockets of a `.socket` unit (`sd_listen_fds(3)`); none if there is none.
pub(super) fn sockets() -> Vec<Inherited> {
    let mut given = ListenFd::from_env();
    let count = given.len();
    // Each is of one kind or the other; taken as the wrong one it stays where it is.
    let take = |index| {
        let tcp = given.take_tcp_listener(index).ok().flatten().map(Inherited::Tcp);
        tcp.or_else(|| given.take_unix_listener(index).ok().flatten().map(Inherited::Unix))
    };
    (0..count).filter_map(take).collect()
}

/// Tells systemd what became of the server (`sd_notify(3)`), if it wants to know.
pub(super) fn tell(notice: &Notice) {
    let Some(socket) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let word = match notice {
        // The new process of an upgrade is the one to watch from now on.
        Notice::Started { .. } => format!("MAINPID={}\nREADY=1", std::process::id()),
        Notice::Draining(_) => "STOPPING=1".to_owned(),
        _ => return,
    };
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name),
        path => SocketAddr::from_pathname(std::ffi::OsStr::from_bytes(path)),
    };
    // Nobody is helped by a failure: systemd will find out.
    if let (Ok(address), Ok(socket)) = (address, UnixDatagram::unbound()) {
        let _ = socket.send_to_addr(word.as_bytes(), &address);
    }
}
