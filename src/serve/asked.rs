//! The sidecar's connections on one worker: accepted here, answered there.

use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use crate::gateway::{Listener, Stop};
use crate::sidecar::Sidecar;

/// Connections of fronts open at once, by listener and worker. Each carries many questions.
const CONNECTIONS: usize = 1024;

/// After an accept that failed: out of file descriptors, most likely, and trying at once would spin.
const PAUSE: Duration = Duration::from_millis(50);

/// Accepts until told to stop, then waits for the last answer.
pub(super) async fn accept_all(sidecar: Arc<Sidecar>, listener: Listener, mut stop: watch::Receiver<Stop>) {
    let (drain, draining) = watch::channel(false);
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    loop {
        let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
        let accepted = loop {
            tokio::select! {
                biased;
                () = reaches(&mut stop, Stop::Draining) => break None,
                _ = open.join_next(), if !open.is_empty() => {}
                accepted = accept(&listener) => break Some(accepted),
            }
        };
        match accepted {
            None => break,
            Some(Ok((Socket::Tcp(socket), peer))) => {
                let talk = Arc::clone(&sidecar).converse(socket, peer, draining.clone());
                open.spawn(async move { (talk.await, place).0 });
            }
            Some(Ok((Socket::Unix(socket), peer))) => {
                let talk = Arc::clone(&sidecar).converse(socket, peer, draining.clone());
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

/// Waits until told to end this urgently. A sender that is gone is as urgent as can be.
async fn reaches(stop: &mut watch::Receiver<Stop>, urgency: Stop) {
    let _ = stop.wait_for(|now| *now >= urgency).await;
}

enum Socket {
    Tcp(tokio::net::TcpStream),
    Unix(tokio::net::UnixStream),
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
