//! Somebody who is told: takes HTTP requests on a port of its own and keeps what was in them.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// Answers with the statuses it was given, one after the other, and then with the last one for ever.
pub struct Receiver {
    pub address: SocketAddr,
    heard: Arc<Mutex<Vec<Heard>>>,
}

/// One request.
#[derive(Clone, Debug)]
pub struct Heard {
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
    pub answered: String,
}

impl Heard {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

impl Receiver {
    /// Starts one. Each answer is a status line's end with more header lines: `200 OK`.
    pub fn start(answers: &[&str]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let (kept, answers) =
            (Arc::clone(&heard), answers.iter().map(ToString::to_string).collect::<Vec<_>>());
        // Ends with the test's process.
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let at = kept.lock().unwrap().len().min(answers.len() - 1);
                if let Some(heard) = take(stream, &answers[at]) {
                    kept.lock().unwrap().push(heard);
                }
            }
        });
        Self { address, heard }
    }

    pub fn heard(&self) -> Vec<Heard> {
        self.heard.lock().unwrap().clone()
    }

    /// The events it took, by their type.
    pub fn events(&self, kind: &str) -> Vec<Value> {
        self.heard().iter().map(Heard::json).filter(|event| event["type"] == kind).collect()
    }
}

fn take(mut stream: TcpStream, answer: &str) -> Option<Heard> {
    let mut bytes = Vec::new();
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        read_more(&mut stream, &mut bytes)?;
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).to_lowercase();
    let headers: BTreeMap<_, _> = String::from_utf8_lossy(&bytes[..head_end])
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    assert!(!head.contains("transfer-encoding"), "{head}");
    let length: usize = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < head_end + length {
        read_more(&mut stream, &mut bytes)?;
    }
    let body = bytes[head_end..head_end + length].to_vec();
    let _ = write!(stream, "HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    Some(Heard { headers, body, answered: answer.to_owned() })
}

fn read_more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Option<()> {
    let mut some = [0; 4096];
    let read = stream.read(&mut some).ok().filter(|read| *read > 0)?;
    bytes.extend_from_slice(&some[..read]);
    Some(())
}
