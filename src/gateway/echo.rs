//! A small backend that answers with what it was sent, byte for byte: the proof of what a gateway
//! forwards. `kgate demo` and the tests stand it behind one. HTTP/1.1, no parser that could tidy up
//! what it is to show.
//!
//! It answers `{"method","target","version","headers":[[name,value],…],"head","body"}`, where `head` is
//! the raw request head and bytes that are no UTF-8 are shown as `�`. The query of the target steers
//! it: `delay=MS` waits before answering, `status=NNN` sets the status, `bytes=N` answers with N bytes of
//! `x` instead, `chunked` sends the answer in chunks, `close` closes afterwards, `drop` closes instead of
//! answering, `garbage` answers with something that is no HTTP, `half` breaks off in the middle.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinSet;

/// A running echo backend. Dropping it ends it and its connections.
pub struct Echo {
    address: SocketAddr,
    seen: Arc<Seen>,
    _tasks: JoinSet<()>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    connections: AtomicUsize,
}

impl Echo {
    /// Starts one on a free port of 127.0.0.1, on the current runtime.
    pub async fn start() -> io::Result<Self> {
        Self::start_on(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one on an address.
    pub async fn start_on(address: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let counted = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                let _ = stream.set_nodelay(true);
                while open.try_join_next().is_some() {}
                open.spawn(serve(stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { address, seen, _tasks: tasks })
    }

    /// Starts one on a Unix socket, which must not exist. Its address is that of no port.
    pub fn start_unix(path: &std::path::Path) -> io::Result<Self> {
        let listener = UnixListener::bind(path)?;
        let seen = Arc::new(Seen::default());
        let mut tasks = JoinSet::new();
        let counted = Arc::clone(&seen);
        tasks.spawn(async move {
            let mut open = JoinSet::new();
            loop {
                let Ok((stream, _)) = listener.accept().await else { return };
                while open.try_join_next().is_some() {}
                open.spawn(serve(stream, Arc::clone(&counted)));
            }
        });
        Ok(Self { address: SocketAddr::from(([127, 0, 0, 1], 0)), seen, _tasks: tasks })
    }

    /// Returns where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns how many requests it has seen.
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// Returns how many connections it has accepted.
    pub fn connections(&self) -> usize {
        self.seen.connections.load(Ordering::SeqCst)
    }
}

async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, seen: Arc<Seen>) {
    seen.connections.fetch_add(1, Ordering::SeqCst);
    let mut stream = BufReader::new(stream);
    // An error here is a peer that left: nothing is owed to it.
    while let Ok(true) = exchange(&mut stream, &seen).await {}
}

/// Answers one request; whether the connection can take another.
async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    seen: &Seen,
) -> io::Result<bool> {
    let head = read_head(stream).await?;
    if head.is_empty() {
        return Ok(false);
    }
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let request = Request::parse(&head);
    if request.field("expect").is_some_and(|value| value.eq_ignore_ascii_case("100-continue")) {
        stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
        stream.flush().await?;
    }
    let body = read_body(stream, &request).await?;
    if let Some(delay) = request.option("delay").and_then(|ms| ms.parse().ok()) {
        tokio::time::sleep(Duration::from_millis(delay)).await;
    }
    if request.option("drop").is_some() {
        return Ok(false);
    }
    if request.option("garbage").is_some() {
        stream.write_all(b"\x16\x03\x01 this is no HTTP\r\n\r\n").await?;
        return Ok(false);
    }
    let answer = match request.option("bytes").and_then(|n| n.parse().ok()) {
        Some(n) => vec![b'x'; n],
        None => request.shown(&head, &body).into_bytes(),
    };
    let keep = request.option("close").is_none()
        && request.version == "HTTP/1.1"
        && !request.field("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
    write_answer(stream, &request, &answer, keep).await?;
    Ok(keep && request.option("half").is_none())
}

async fn write_answer<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut BufReader<S>,
    request: &Request,
    answer: &[u8],
    keep: bool,
) -> io::Result<()> {
    let status = request.option("status").and_then(|s| s.parse().ok()).unwrap_or(200u16);
    let chunked = request.option("chunked").is_some();
    let framing = if chunked {
        "Transfer-Encoding: chunked".to_owned()
    } else {
        format!("Content-Length: {}", answer.len())
    };
    let connection = if keep { "keep-alive" } else { "close" };
    let mut bytes = format!(
        "HTTP/1.1 {status} Echo\r\nContent-Type: application/json\r\nX-Echo: 1\r\n{framing}\r\nConnection: {connection}\r\n\r\n"
    )
    .into_bytes();
    if request.method != "HEAD" && status >= 200 && !matches!(status, 204 | 304) {
        if request.option("half").is_some() {
            bytes.extend_from_slice(&answer[..answer.len() / 2]);
        } else if chunked {
            for chunk in answer.chunks(100) {
                bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
                bytes.extend_from_slice(chunk);
                bytes.extend_from_slice(b"\r\n");
            }
            bytes.extend_from_slice(b"0\r\n\r\n");
        } else {
            bytes.extend_from_slice(answer);
        }
    }
    stream.write_all(&bytes).await?;
    stream.flush().await
}

/// Reads up to the blank line, which is included. Empty if the peer left before it began.
async fn read_head(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(byte) => head.push(byte),
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && head.is_empty() => return Ok(head),
            Err(e) => return Err(e),
        }
        if head.len() > MAX_HEAD {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(head)
}

async fn read_body(stream: &mut (impl AsyncRead + Unpin), request: &Request) -> io::Result<Vec<u8>> {
    let mut body = Vec::new();
    if request.field("transfer-encoding").is_some_and(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let size = read_line(stream).await?;
            let size = usize::from_str_radix(size.split(';').next().unwrap_or_default().trim(), 16)
                .map_err(|_| io::ErrorKind::InvalidData)?;
            let from = body.len();
            body.resize(from + size.min(MAX_BODY), 0);
            stream.read_exact(&mut body[from..]).await?;
            read_line(stream).await?;
            if size == 0 || body.len() > MAX_BODY {
                return Ok(body);
            }
        }
    }
    if let Some(length) = request.field("content-length").and_then(|value| value.parse::<usize>().ok()) {
        body.resize(length.min(MAX_BODY), 0);
        stream.read_exact(&mut body).await?;
    }
    Ok(body)
}

async fn read_line(stream: &mut (impl AsyncRead + Unpin)) -> io::Result<String> {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") && line.len() < 1024 {
        line.push(stream.read_u8().await?);
    }
    Ok(String::from_utf8_lossy(&line).trim().to_owned())
}

/// A head taken apart at its line ends and first colons, and no further.
struct Request {
    method: String,
    target: String,
    version: String,
    fields: Vec<(String, String)>,
}

impl Request {
    fn parse(head: &[u8]) -> Self {
        let text = String::from_utf8_lossy(head);
        let mut lines = text.split("\r\n");
        let mut start = lines.next().unwrap_or_default().splitn(3, ' ').map(str::to_owned);
        let mut part = || start.next().unwrap_or_default();
        let (method, target, version) = (part(), part(), part());
        let fields = lines
            .filter(|line| !line.is_empty())
            .map(|line| {
                let (name, value) = line.split_once(':').unwrap_or((line, ""));
                (name.to_owned(), value.trim().to_owned())
            })
            .collect();
        Self { method, target, version, fields }
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.fields.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn option(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (key == name).then_some(value)
        })
    }

    fn shown(&self, head: &[u8], body: &[u8]) -> String {
        json!({
            "method": self.method,
            "target": self.target,
            "version": self.version,
            "headers": self.fields,
            "head": String::from_utf8_lossy(head),
            "body": String::from_utf8_lossy(body),
        })
        .to_string()
    }
}

const MAX_HEAD: usize = 1 << 20;
const MAX_BODY: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use tokio::net::TcpStream;

    use super::*;

    async fn ask(address: SocketAddr, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[tokio::test]
    async fn it_shows_the_very_bytes_it_was_sent() {
        let echo = Echo::start().await.unwrap();
        let head = "POST /a?close HTTP/1.1\r\nhOst:  x\r\nX_Y: 1\r\nx_y: 2\r\nContent-Length: 2\r\n\r\n";
        let answer = ask(echo.address(), format!("{head}hi").as_bytes()).await;
        let (_, json) = answer.split_once("\r\n\r\n").unwrap();
        let json: serde_json::Value = serde_json::from_str(json).unwrap();
        assert_eq!(json["head"], head);
        assert_eq!(json["body"], "hi");
        assert_eq!(json["headers"][1], serde_json::json!(["X_Y", "1"]));
        assert_eq!(echo.requests(), 1);
    }

    #[tokio::test]
    async fn it_keeps_connections_and_reads_chunks() {
        let echo = Echo::start().await.unwrap();
        let two = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n\
                   GET /?close HTTP/1.1\r\n\r\n";
        let answer = ask(echo.address(), two.as_bytes()).await;
        assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
        assert!(answer.contains("\"body\":\"hi\""));
        assert_eq!(echo.connections(), 1);
    }
}
