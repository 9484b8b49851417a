//! Opens the files git keeps beside objects, as far as they are files: a pipe or a device in their place
//! must not hold a scan up.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fs::OFlags;

use crate::scan::walk;

/// Opens a file, or where a link leads.
///
/// # Errors
/// Those of the system, and [`io::ErrorKind::InvalidInput`] for what is no file.
pub(super) fn open(path: &Path) -> io::Result<(File, u64)> {
    walk::open(path, OFlags::empty())?
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file"))
}

/// Reads a file whole.
///
/// # Errors
/// As [`open`], and [`io::ErrorKind::FileTooLarge`] over 512 MiB.
pub(super) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let (file, size) = open(path)?;
    if size > MOST {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "too large for what it is"));
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Bytes: packed refs of six million.
const MOST: u64 = 512 << 20;
