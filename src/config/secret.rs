//! Secrets from files and from the environment.

use std::ffi::OsString;
use std::fmt;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use zeroize::Zeroizing;

use crate::key::Digest;

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

    /// Says whether `sent` is the secret. How long it takes does not tell how much of it was right: digests
    /// are compared, of which nobody chooses a byte.
    pub fn is(&self, sent: &[u8]) -> bool {
        Digest::sha256(sent) == Digest::sha256(&self.0)
    }

    /// Reads a file and takes off one line end.
    ///
    /// # Errors
    /// [`SecretFault`].
    pub fn from_file(path: &Path) -> Result<Self, SecretFault> {
        Self::read(path).map(|(secret, _)| secret)
    }

    /// Reads a file and takes off one line end. Says too whether others than its owner can read it.
    pub(super) fn read(path: &Path) -> Result<(Self, Readers), SecretFault> {
        let metadata = fs::metadata(path).map_err(SecretFault::Unreadable)?;
        if metadata.len() > Self::MAX_LEN as u64 {
            return Err(SecretFault::TooLong);
        }
        let mut bytes = Zeroizing::new(fs::read(path).map_err(SecretFault::Unreadable)?);
        trim_line_end(&mut bytes);
        let readers =
            if metadata.permissions().mode() & 0o044 == 0 { Readers::Owner } else { Readers::Others };
        Ok((Self::checked(bytes)?, readers))
    }

    /// Takes the value of an environment variable without one line end.
    ///
    /// # Errors
    /// [`SecretFault`].
    pub(super) fn from_variable(value: Option<OsString>) -> Result<Self, SecretFault> {
        let mut bytes = Zeroizing::new(value.ok_or(SecretFault::Unset)?.into_vec());
        trim_line_end(&mut bytes);
        Self::checked(bytes)
    }

    fn checked(bytes: Zeroizing<Vec<u8>>) -> Result<Self, SecretFault> {
        match bytes.len() {
            0 => Err(SecretFault::Empty),
            length if length > Self::MAX_LEN => Err(SecretFault::TooLong),
            _ => Ok(Self(bytes)),
        }
    }
}

fn trim_line_end(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
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

/// Why a secret is no use.
#[derive(Debug, thiserror::Error)]
pub enum SecretFault {
    /// It cannot be read.
    #[error("cannot read the file: {0}")]
    Unreadable(std::io::Error),
    /// There is nothing in it.
    #[error("there is nothing in it")]
    Empty,
    /// It is longer than [`Secret::MAX_LEN`].
    #[error("it is longer than {} bytes", Secret::MAX_LEN)]
    TooLong,
    /// There is no such variable.
    #[error("the variable is not set")]
    Unset,
}
