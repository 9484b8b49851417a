//! Each reader of archives. Whatever the bytes, the scan ends, reads all of them, and panics nowhere.

use std::io::Cursor;

use super::detect::scan;

pub fn gzip(data: &[u8]) {
    archive(data, 0, b"\x1f\x8b\x08\x00");
}

pub fn zlib(data: &[u8]) {
    archive(data, 0, b"\x78\x9c");
}

pub fn bzip2(data: &[u8]) {
    archive(data, 0, b"BZh91AY&SY");
}

pub fn xz(data: &[u8]) {
    archive(data, 0, b"\xfd7zXZ\0");
}

pub fn zstd(data: &[u8]) {
    archive(data, 0, b"\x28\xb5\x2f\xfd");
}

pub fn pdf(data: &[u8]) {
    archive(data, 0, b"%PDF-1.7 stream\n\x78\x9c");
}

pub fn tar(data: &[u8]) {
    archive(data, 257, b"ustar");
}

pub fn zip(data: &[u8]) {
    archive(data, 0, b"PK\x03\x04");
}

/// Scans `data` with the mark of a format put where it belongs, so that its reader gets to see it.
fn archive(data: &[u8], at: usize, mark: &[u8]) {
    let mut bytes = data.to_vec();
    if let Some(place) = bytes.get_mut(at..at + mark.len()) {
        place.copy_from_slice(mark);
    }
    let report = scan(Cursor::new(&bytes));
    assert_eq!(report.totals.bytes, bytes.len() as u64, "all is read, whatever it is");
}
