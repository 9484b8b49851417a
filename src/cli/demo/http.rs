//! The least HTTP client that can show what a local server said, for `demo` and `status`: one request a connection, the answer as
//! it came.

use std::fmt::Write as _;
use std::io::{self, Read};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

/// What a server answered.
pub(in crate::cli) struct Response {
    /// Status line and headers, as they came.
    pub(in crate::cli) head: String,
    pub(in crate::cli) body: String,
}

impl Response {
    /// Returns the status code, 0 if the answer has none.
    pub(in crate::cli) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
    }

    /// Returns the value of the header called `name` (lower case).
    pub(in crate::cli) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (found, value) = line.split_once(':')?;
            (found.to_ascii_lowercase() == name).then(|| value.trim())
        })
    }

    /// Returns the request as the echoing backend saw it.
    pub(in crate::cli) fn seen(&self) -> String {
        let body: serde_json::Value = serde_json::from_str(&self.body).unwrap_or_default();
        body["head"].as_str().unwrap_or_default().to_owned()
    }
}

/// Sends a request without a body and reads the whole answer.
pub(in crate::cli) fn request(
    to: SocketAddr,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> io::Result<Response> {
    let stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream, &to.to_string(), method, target, fields)
}

/// As [`request`], through a Unix socket.
pub(in crate::cli) fn request_unix(path: &Path, method: &str, target: &str) -> io::Result<Response> {
    let stream = UnixStream::connect(path)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    exchange(stream, "localhost", method, target, &[])
}

fn exchange(
    mut stream: impl Read + io::Write,
    host: &str,
    method: &str,
    target: &str,
    fields: &[(&str, &str)],
) -> io::Result<Response> {
    let mut message = format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: kgate\r\n");
    for (name, value) in fields {
        let _ = write!(message, "{name}: {value}\r\n");
    }
    message.push_str("Connection: close\r\n\r\n");
    stream.write_all(message.as_bytes())?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "the answer broke off"))?;
    let is_chunked = head.to_ascii_lowercase().contains("\r\ntransfer-encoding: chunked");
    let body = if is_chunked { dechunk(body) } else { body.to_owned() };
    Ok(Response { head: head.to_owned(), body })
}

/// Undoes chunked coding (RFC 9112 §7.1); stops at the first chunk that is not one.
fn dechunk(mut coded: &str) -> String {
    let mut body = String::new();
    while let Some((size, rest)) = coded.split_once("\r\n") {
        let size = size.split(';').next().unwrap_or_default().trim();
        let Ok(size) = usize::from_str_radix(size, 16) else { break };
        let Some((chunk, rest)) = rest.split_at_checked(size) else { break };
        if size == 0 {
            break;
        }
        body.push_str(chunk);
        coded = rest.trim_start_matches("\r\n");
    }
    body
}

/// How long a local server may take: far longer than it ever should.
const PATIENCE: Duration = Duration::from_secs(10);

/// No answer shown here is anywhere near as long.
const MOST_BYTES: u64 = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_and_nonsense_ends_them() {
        assert_eq!(dechunk("4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n"), "Wikipedia");
        assert_eq!(dechunk("zz\r\nWiki"), "");
        assert_eq!(dechunk("ff\r\nshort"), "");
    }
}
