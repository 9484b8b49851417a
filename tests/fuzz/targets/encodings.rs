//! Each way a key can be written: whatever stands around it, it is found.
//!
//! The first byte of an input says where the key goes; some of the second says how it is written.

use std::io::Cursor;

use kgate::key::Digest;

use super::detect::{TOKEN, scan};

pub fn base64(data: &[u8]) {
    let shift = data.get(1).map_or(0, |b| usize::from(b % 3));
    let mut text = in_base64(format!("{}{TOKEN}", &"..."[..shift]).as_bytes());
    if data.get(1).is_some_and(|b| b & 0x80 != 0) {
        text = in_base64(text.as_bytes());
    }
    planted(data, &text);
}

pub fn hex(data: &[u8]) {
    let upper = data.get(1).is_some_and(|b| b % 2 == 1);
    let text = each(|b| format!("{b:02x}"));
    planted(data, &if upper { text.to_uppercase() } else { text });
}

pub fn percent(data: &[u8]) {
    planted(data, &some(data, |b| format!("%{b:02X}")));
}

pub fn html(data: &[u8]) {
    planted(data, &some(data, |b| if b % 2 == 0 { format!("&#{b};") } else { format!("&#x{b:x};") }));
}

pub fn escape(data: &[u8]) {
    planted(data, &some(data, |b| if b % 2 == 0 { format!("\\u{b:04x}") } else { format!("\\x{b:02x}") }));
}

pub fn quoted_printable(data: &[u8]) {
    let (first, second) = TOKEN.split_at(place(data));
    planted(data, &format!("{first}=\r\n{second}"));
}

pub fn split(data: &[u8]) {
    let (first, second) = TOKEN.split_at(place(data));
    let how = ["\" + \"", "\\\n", "\"\n  \"", "\n    ", "' + '"];
    let joint = how[data.get(2).map_or(0, |b| usize::from(*b) % how.len())];
    planted(data, &format!("{first}{joint}{second}"));
}

/// Demands that a key written as `text` is found between the halves of `data`.
fn planted(data: &[u8], text: &str) {
    let at = data.first().map_or(0, |first| usize::from(*first) * data.len() / 256);
    // What stands right beside may make something else of it: a backslash, a digit.
    let bytes = [&data[..at], b" : ", text.as_bytes(), b" : ", &data[at..]].concat();
    let report = scan(Cursor::new(bytes));
    let digest = Digest::sha256(TOKEN.as_bytes());
    let is_archive = report.faults.iter().any(|fault| fault.problem.contains("data"));
    assert!(is_archive || report.findings.iter().any(|finding| finding.digest == digest), "it is found");
}

/// Where a key is cut in two.
fn place(data: &[u8]) -> usize {
    1 + data.get(1).map_or(0, |b| usize::from(*b) % (TOKEN.len() - 1))
}

fn each(write: impl Fn(u8) -> String) -> String {
    TOKEN.bytes().map(write).collect()
}

/// Writes the underscores so, and others that the second byte says.
fn some(data: &[u8], write: impl Fn(u8) -> String) -> String {
    let which = data.get(1).copied().unwrap_or(0);
    TOKEN.bytes().fold(String::new(), |mut text, b| {
        if b == b'_' || b & which & 0x1f != 0 {
            text.push_str(&write(b));
        } else {
            text.push(char::from(b));
        }
        text
    })
}

fn in_base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let group =
            chunk.iter().fold(0_u32, |group, b| group << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(DIGITS[(group >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}
