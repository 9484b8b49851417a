//! The byte stream under an HTTP/2 connection: what was read of it before, and a deadline for a client that
//! stops reading.

use std::fmt;
use std::io;
use std::os::fd::AsRawFd;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl, TimingDigest,
    UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::Sleep;

use super::wire::Socket;

/// A client's stream.
pub(super) struct Pipe {
    socket: Socket,
    /// Read already, and not yet delivered.
    ahead: Vec<u8>,
    /// How long a write may make no progress.
    stall_timeout: Duration,
    stall: Option<Pin<Box<Sleep>>>,
}

impl Pipe {
    pub(super) fn new(socket: Socket, ahead: Vec<u8>, stall_timeout: Duration) -> Self {
        Self { socket, ahead, stall_timeout, stall: None }
    }

    fn watched<T>(&mut self, cx: &mut Context<'_>, polled: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if polled.is_pending() {
            let after = self.stall_timeout;
            let stall = self.stall.get_or_insert_with(|| Box::pin(tokio::time::sleep(after)));
            ready!(stall.as_mut().poll(cx));
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        self.stall = None;
        polled
    }
}

impl AsyncRead for Pipe {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let pipe = self.get_mut();
        if pipe.ahead.is_empty() {
            return Pin::new(&mut pipe.socket).poll_read(cx, into);
        }
        let n = pipe.ahead.len().min(into.remaining());
        into.put_slice(&pipe.ahead[..n]);
        pipe.ahead.drain(..n);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let pipe = self.get_mut();
        let polled = Pin::new(&mut pipe.socket).poll_write(cx, bytes);
        pipe.watched(cx, polled)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pipe = self.get_mut();
        let polled = Pin::new(&mut pipe.socket).poll_flush(cx);
        pipe.watched(cx, polled)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let pipe = self.get_mut();
        let polled = Pin::new(&mut pipe.socket).poll_shutdown(cx);
        pipe.watched(cx, polled)
    }
}

#[async_trait]
impl Shutdown for Pipe {
    async fn shutdown(&mut self) {
        let _ = AsyncWriteExt::shutdown(self).await;
    }
}

impl UniqueID for Pipe {
    fn id(&self) -> UniqueIDType {
        self.socket.as_raw_fd()
    }
}

impl Ssl for Pipe {}

#[async_trait]
impl Peek for Pipe {}

impl GetTimingDigest for Pipe {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        Vec::new()
    }
}

impl GetProxyDigest for Pipe {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        None
    }
}

impl GetSocketDigest for Pipe {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        None
    }
}

impl fmt::Debug for Pipe {
    /// Names the socket and no byte that came over it: Pingora logs streams.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe").field("fd", &self.socket.as_raw_fd()).finish_non_exhaustive()
    }
}
