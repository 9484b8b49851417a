//! The sidecar's connections on one worker: accepted here, answered there.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rustix::net::RecvFlags;
use tokio::io::Interest;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::gateway::{LATECOMERS, Listener, Stop, first_words};
use crate::sidecar::Sidecar;

/// Connections of fronts open at once, by listener and worker. Each carries many questions.
const CONNECTIONS: usize = 1024;

/// After an accept that failed: out of file descriptors, most likely, and trying at once would spin.
const PAUSE: Duration = Duration::from_millis(50);

/// How long a front may say nothing on a connection it has opened.
const SILENCE: Duration = Duration::from_mins(1);

/// Accepts until told to stop, then waits for the last answer.
pub(super) async fn accept_all(sidecar: Arc<Sidecar>, listener: Listener, mut stop: watch::Receiver<Stop>) {
    let (drain, draining) = watch::channel(false);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    let mut closing = pin!(closes(stop.clone()));
    loop {
        let place = tokio::select! {
            biased;
            () = &mut closing => break,
            place = Arc::clone(&places).acquire_owned() => place.expect("the semaphore is never closed"),
        };
        let accepted = loop {
            tokio::select! {
                biased;
                () = &mut closing => break None,
                _ = open.join_next(), if !open.is_empty() => {}
                accepted = accept(&listener) => break Some(accepted),
            }
        };
        match accepted {
            None => break,
            Some(Ok((socket, peer))) => {
                let talk = talk(Arc::clone(&sidecar), socket, peer, draining.clone());
                open.spawn(async move { (talk.await, place).0 });
            }
            Some(Err(_)) => tokio::time::sleep(PAUSE).await,
        }
    }
    drop(listener);
    let _ = drain.send(true);
    tokio::select! {
        biased;
        () = async { while open.join_next().await.is_some() {} } => {}
        () = reaches(&mut stop, Stop::Now) => open.shutdown().await,
    }
}

/// Waits for the word to drain, and for what was sent before it.
async fn closes(mut stop: watch::Receiver<Stop>) {
    reaches(&mut stop, Stop::Draining).await;
    tokio::time::sleep(LATECOMERS).await;
}

/// Answers on a connection, once something comes on it: not for ever, and not for long when it is time to end.
async fn talk(
    sidecar: Arc<Sidecar>,
    socket: Socket,
    peer: Option<IpAddr>,
    mut draining: watch::Receiver<bool>,
) {
    let comes = {
        let mut word = pin!(socket.word());
        tokio::select! {
            biased;
            came = timeout(SILENCE, &mut word) => matches!(came, Ok(Ok(()))),
            () = reaches(&mut draining, true) => matches!(first_words(word).await, Some(Ok(()))),
        }
    };
    match socket {
        _ if !comes => {}
        Socket::Tcp(socket) => sidecar.converse(socket, peer, draining).await,
        Socket::Unix(socket) => sidecar.converse(socket, peer, draining).await,
    }
}

/// Waits until told to end this urgently. A sender that is gone is as urgent as can be.
async fn reaches<T: PartialOrd>(told: &mut watch::Receiver<T>, urgency: T) {
    let _ = told.wait_for(|now| *now >= urgency).await;
}

enum Socket {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
}

impl Socket {
    /// Waits for a byte, or for the end, and leaves it where it is. (`readable` alone may be wrong.)
    async fn word(&self) -> io::Result<()> {
        let peek = |socket: BorrowedFd<'_>| {
            rustix::net::recv(socket, &mut [0_u8; 1][..], RecvFlags::PEEK).map_err(io::Error::from)
        };
        match self {
            Self::Tcp(socket) => socket.async_io(Interest::READABLE, || peek(socket.as_fd())).await?,
            Self::Unix(socket) => socket.async_io(Interest::READABLE, || peek(socket.as_fd())).await?,
        };
        Ok(())
    }
}

async fn accept(listener: &Listener) -> io::Result<(Socket, Option<IpAddr>)> {
    match listener {
        Listener::Tcp(listener) => {
            let (socket, address) = listener.accept().await?;
            // An answer is one write.
            let _ = socket.set_nodelay(true);
            Ok((Socket::Tcp(socket), Some(address.ip())))
        }
        Listener::Unix(listener) => Ok((Socket::Unix(listener.accept().await?.0), None)),
    }
}
