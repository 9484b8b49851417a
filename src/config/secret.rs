//! Secrets from files.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

/// Bytes nobody may print.
#[derive(Clone)]
pub struct Secret(Zeroizing<Vec<u8>>);

impl Secret {
    /// The longest secret file, in bytes.
    pub const MAX_LEN: usize = 4096;

    /// Takes the bytes.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the bytes, to compare or to send.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// Reads a file and takes off one line end. Says too whether others than its owner can read it.
    pub(super) fn read(path: &Path) -> Result<(Self, Readers), SecretFault> {
        let metadata = fs::metadata(path).map_err(SecretFault::Unreadable)?;
        if metadata.len() > Self::MAX_LEN as u64 {
            return Err(SecretFault::TooLong);
        }
        let mut bytes = Zeroizing::new(fs::read(path).map_err(SecretFault::Unreadable)?);
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        if bytes.is_empty() {
            return Err(SecretFault::Empty);
        }
        if bytes.len() > Self::MAX_LEN {
            return Err(SecretFault::TooLong);
        }
        let readers =
            if metadata.permissions().mode() & 0o044 == 0 { Readers::Owner } else { Readers::Others };
        Ok((Self(bytes), readers))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// Who can read a secret file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Readers {
    Owner,
    Others,
}

/// Why a secret file is no use.
#[derive(Debug, thiserror::Error)]
pub(super) enum SecretFault {
    #[error("cannot read the file: {0}")]
    Unreadable(std::io::Error),
    #[error("the file is empty")]
    Empty,
    #[error("the file is longer than {} bytes", Secret::MAX_LEN)]
    TooLong,
}
