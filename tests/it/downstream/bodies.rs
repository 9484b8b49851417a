//! Bodies of every kind, over HTTP/1.1 and HTTP/2, in clear text and TLS, with curl and a backend that speaks
//! ranges: what arrives is what was sent.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use super::{TLS, run, tls_client, tls_gate};
use crate::harness::{CONFIG, Gate, PATIENCE, is_quick, now, read_head, request, until};

/// How long `/file` is.
const LONG: usize = 8 << 20;

/// A backend: `/file` has bytes of which it gives ranges, `/count` says how many came and their sum, `/events`
/// sends three events, each when it is due.
fn backend() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            thread::spawn(move || while serve(stream.as_ref().unwrap()).is_some() {});
        }
    });
    address
}

fn byte(at: usize) -> u8 {
    u8::try_from(at * 31 % 251).unwrap()
}

fn serve(mut stream: &TcpStream) -> Option<()> {
    let head = String::from_utf8(read_head(&mut stream)?).ok()?.to_lowercase();
    let field =
        |name: &str| Some(head.split_once(&format!("\r\n{name}: "))?.1.split_once("\r\n")?.0.to_owned());
    let path = head.split(' ').nth(1)?;
    if path.ends_with("/file") {
        let range = field("range").and_then(|r| {
            let (from, to) = r.strip_prefix("bytes=")?.split_once('-')?;
            Some((from.parse::<usize>().ok()?, to.parse::<usize>().ok()?))
        });
        let (from, to) = range.unwrap_or((0, LONG - 1));
        let status = if range.is_some() { "206 Partial Content" } else { "200 OK" };
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: application/octet-stream\r\n\
             Content-Range: bytes {from}-{to}/{LONG}\r\nAccept-Ranges: bytes\r\n\r\n",
            to + 1 - from
        );
        stream.write_all(answer.as_bytes()).ok()?;
        if !head.starts_with("head") {
            stream.write_all(&(from..=to).map(byte).collect::<Vec<_>>()).ok()?;
        }
    } else if path.ends_with("/events") {
        stream
            .write_all(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            .ok()?;
        for _ in 0..3 {
            stream.write_all(b"9\r\ndata: x\n\n\r\n").ok()?;
            thread::sleep(std::time::Duration::from_millis(200));
        }
        stream.write_all(b"0\r\n\r\n").ok()?;
    } else {
        let (mut count, mut sum) = (0usize, 0u64);
        let mut take = |stream: &mut &TcpStream, length: usize| {
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).ok()?;
            count += length;
            sum = bytes.iter().fold(sum, |sum, byte| (sum * 31 + u64::from(*byte)) % 1_000_003);
            Some(())
        };
        if let Some(length) = field("content-length") {
            take(&mut stream, length.parse().ok()?)?;
        } else if field("transfer-encoding").is_some() {
            loop {
                let mut line = Vec::new();
                while !line.ends_with(b"\r\n") {
                    let mut one = [0];
                    stream.read_exact(&mut one).ok()?;
                    line.push(one[0]);
                }
                let size = usize::from_str_radix(std::str::from_utf8(&line).ok()?.trim(), 16).ok()?;
                take(&mut stream, size)?;
                stream.read_exact(&mut [0; 2]).ok()?;
                if size == 0 {
                    break;
                }
            }
        }
        let body = format!("{count} {sum}\n");
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(answer.as_bytes()).ok()?;
    }
    Some(())
}

fn route(backend: SocketAddr) -> String {
    format!(
        "\n[[upstream]]\nname = \"bodies\"\nservers = [\"{backend}\"]\n\
         [[route]]\nname = \"bodies\"\npath = \"/bodies/**\"\nupstream = \"bodies\"\n"
    )
}

#[test]
fn what_is_sent_arrives_over_every_protocol() {
    if is_quick() {
        return;
    }
    let backend = backend();
    let tls = tls_gate(TLS, &route(backend));
    let plain = Gate::start(&(CONFIG.to_owned() + &route(backend)));
    let payload: Vec<u8> = (0..3_000_000).map(byte).collect();
    let file = tls.dir.path().join("payload");
    std::fs::write(&file, &payload).unwrap();
    let sum = payload.iter().fold(0u64, |sum, byte| (sum * 31 + u64::from(*byte)) % 1_000_003);
    let sent = format!("{} {sum}\n", payload.len());
    let ca = tls.dir.path().join("ca.pem");
    for (gate, scheme, version) in
        [(&plain, "http", "--http1.1"), (&tls, "https", "--http1.1"), (&tls, "https", "--http2")]
    {
        let key = format!("Authorization: Bearer {}", gate.issue(&[]).expose());
        let curl = |path: &str, more: &[&str]| {
            let url = format!("{scheme}://localhost:{}/bodies/{path}", gate.address.port());
            let out = gate.dir.path().join("out");
            let common = [
                "-s",
                version,
                "--cacert",
                ca.to_str().unwrap(),
                "-H",
                &key,
                "-o",
                out.to_str().unwrap(),
                "-w",
                "%{http_code}",
            ];
            let status = run("curl", &[&common, more, &[&url]].concat());
            (status, std::fs::read(&out).unwrap_or_default())
        };
        let data = format!("@{}", file.display());
        let upload = ["--data-binary", &data, "-H", "Expect:"];
        assert_eq!(curl("count", &upload), ("200".into(), sent.clone().into_bytes()), "{version}");
        // `Expect: 100-continue`, and a body without a length.
        let expecting = ["--data-binary", &data, "-H", "Expect: 100-continue"];
        assert_eq!(
            curl("count", &expecting),
            ("200".into(), sent.clone().into_bytes()),
            "{version}, expecting"
        );
        if version == "--http1.1" {
            let chunked = ["--data-binary", &data, "-H", "Transfer-Encoding: chunked", "-H", "Expect:"];
            assert_eq!(
                curl("count", &chunked),
                ("200".into(), sent.clone().into_bytes()),
                "{version}, chunked"
            );
        } else {
            let unknown = ["-T", "-", "-X", "POST"];
            let url_form =
                curl("count", &[&unknown[..], &["--upload-file", file.to_str().unwrap()]].concat()[2..]);
            assert_eq!(url_form, ("200".into(), sent.clone().into_bytes()), "{version}, upload");
        }
        let (status, whole) = curl("file", &[]);
        assert!(
            status == "200" && whole.len() == LONG && whole.iter().enumerate().all(|(at, b)| *b == byte(at)),
            "{version}"
        );
        let (status, part) = curl("file", &["-r", "1000-1999"]);
        assert_eq!((status.as_str(), part), ("206", (1000..2000).map(byte).collect::<Vec<_>>()), "{version}");
        let (status, head) = curl("file", &["-I"]);
        let head = String::from_utf8_lossy(&head).to_lowercase();
        assert!(status == "200" && head.contains(&format!("content-length: {LONG}")), "{version}: {head}");
        let (status, events) = curl("events", &["-N"]);
        assert_eq!((status.as_str(), events), ("200", b"data: x\n\n".repeat(3)), "{version}");
    }
}

#[test]
fn a_websocket_works_over_tls() {
    let backend = crate::live::backend();
    let routes = route(backend).replace("/bodies/**", "/live/**");
    let gate = tls_gate(TLS, &routes);
    let token = gate.issue(&[]);
    let mut client = tls_client(&gate, "localhost", None).unwrap();
    let head = request("GET", "/live/ws", &token).replace(
        "\r\n\r\n",
        "\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    );
    client.send(head);
    assert_eq!(client.answer().status, 101);
    for text in ["one", "two"] {
        client.send(text);
        assert_eq!(client.take(3), text.as_bytes());
    }
}

#[test]
fn who_sends_a_body_byte_by_byte_is_refused_and_who_waits_for_a_backend_is_not() {
    let caps = "realm = \"acme\"\nmin_body_rate = 1000";
    let gate = Gate::start(&CONFIG.replace("realm = \"acme\"", caps));
    let token = gate.issue(&["products:read"]);
    let mut client = gate.connect();
    let head =
        request("POST", "/v1/products", &token).replace("\r\n\r\n", "\r\nContent-Length: 100000\r\n\r\n");
    let began = now();
    client.send(head);
    // Never a pause that is too long, and never fast enough.
    while now() - began < PATIENCE && client.try_send("x") {
        if gate.lines.all().iter().any(|line| line["status"] == 408) {
            break;
        }
        thread::sleep(std::time::Duration::from_millis(200));
    }
    until("it is refused", || gate.lines.all().iter().any(|line| line["reason"] == "body_too_slow"));
    assert!(now() - began > std::time::Duration::from_secs(9), "not before its time");
}
