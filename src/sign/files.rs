//! Signing keys in the data directory: a folder (0700) with a file (0600) for each, written once and never
//! changed. They are apart from the store, so that a backup of it does not hold what impersonates kgate.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::key::{SigningKey, SigningKeyId};
use super::ring::Ring;

/// The folder's name in the data directory.
pub const DIR: &str = "signing-keys";

/// What is wrong with the folder or a file in it.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The system says no.
    #[error("cannot use {}", .path.display())]
    Io {
        /// Which file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Others than its owner can read a key.
    #[error("others than its owner can read {}", .path.display())]
    Exposed {
        /// Which file.
        path: PathBuf,
    },
    /// A file holds no key.
    #[error("{} is no signing key: {problem}", .path.display())]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// What is wrong.
        problem: &'static str,
    },
}

/// Reads all keys; none if there is no folder.
///
/// # Errors
/// [`SignError`]: with a key missing, tokens might be signed by one that was retired.
pub fn load(data_dir: &Path) -> Result<Ring, SignError> {
    let mut keys = Vec::new();
    for name in names(data_dir)? {
        let path = data_dir.join(DIR).join(&name);
        let fault = |source| SignError::Io { path: path.clone(), source };
        let meta = fs::metadata(&path).map_err(fault)?;
        if meta.permissions().mode() & 0o077 != 0 {
            return Err(SignError::Exposed { path });
        }
        if meta.len() > LONGEST {
            return Err(SignError::Damaged { path, problem: "it is too long" });
        }
        let text = Zeroizing::new(fs::read(&path).map_err(fault)?);
        let key = SigningKey::from_file(&text);
        keys.push(key.map_err(|problem| SignError::Damaged { path, problem })?);
    }
    Ok(Ring::new(keys))
}

/// Returns the names of the keys' files, sorted. A file never changes, so equal names are equal keys.
///
/// # Errors
/// [`SignError::Io`] if the folder is there and cannot be read.
pub fn names(data_dir: &Path) -> Result<Vec<String>, SignError> {
    let path = data_dir.join(DIR);
    let fault = |source| SignError::Io { path: path.clone(), source };
    let entries = match fs::read_dir(&path) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(fault(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let name = entry.map_err(fault)?.file_name();
        names.extend(name.to_str().filter(|name| name.ends_with(SUFFIX)).map(ToOwned::to_owned));
    }
    names.sort();
    Ok(names)
}

/// Adds a key. When this returns it is on the disk.
///
/// # Errors
/// [`SignError::Io`] if it cannot be written.
pub fn add(data_dir: &Path, key: &SigningKey) -> Result<(), SignError> {
    let folder = data_dir.join(DIR);
    let (path, beside) = (file_of(data_dir, key.id()), folder.join(format!("{}.new", key.id())));
    let write = || -> io::Result<()> {
        DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(&key.to_file())?;
        file.sync_all()?;
        fs::rename(&beside, &path)?;
        File::open(&folder)?.sync_all()?;
        File::open(data_dir)?.sync_all()
    };
    write().map_err(|source| {
        let _ = fs::remove_file(&beside);
        SignError::Io { path, source }
    })
}

/// Removes a key for good.
///
/// # Errors
/// [`SignError::Io`] if it cannot be removed.
pub fn remove(data_dir: &Path, id: &SigningKeyId) -> Result<(), SignError> {
    let path = file_of(data_dir, id);
    let removed = fs::remove_file(&path).and_then(|()| File::open(data_dir.join(DIR))?.sync_all());
    removed.map_err(|source| SignError::Io { path, source })
}

fn file_of(data_dir: &Path, id: &SigningKeyId) -> PathBuf {
    data_dir.join(DIR).join(format!("{id}{SUFFIX}"))
}

const SUFFIX: &str = ".key";

/// A key's file has some 300 bytes.
const LONGEST: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Timestamp;
    use crate::sign::Algorithm;

    #[test]
    fn keys_are_kept_from_others_and_read_whole_or_not_at_all() {
        let dir = tempfile::tempdir().unwrap();
        assert!(load(dir.path()).unwrap().jwks()["keys"].as_array().unwrap().is_empty());
        let made = |algorithm| {
            let at = Timestamp::from_secs(1);
            SigningKey::make(algorithm, at, at, &mut rand::rng())
        };
        let (a, b) = (made(Algorithm::EdDsa), made(Algorithm::Es256));
        add(dir.path(), &a).unwrap();
        add(dir.path(), &b).unwrap();
        let folder = dir.path().join(DIR);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        let path = file_of(dir.path(), a.id());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        fs::write(folder.join("half.new"), "").unwrap();
        assert_eq!(names(dir.path()).unwrap().len(), 2, "what was not finished is no key");
        assert_eq!(load(dir.path()).unwrap().jwks()["keys"].as_array().unwrap().len(), 2);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(load(dir.path()), Err(SignError::Exposed { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 9]).unwrap();
        assert!(matches!(load(dir.path()), Err(SignError::Damaged { .. })));
        remove(dir.path(), a.id()).unwrap();
        assert_eq!(load(dir.path()).unwrap().jwks()["keys"][0]["kid"], b.id().as_str());
        assert!(remove(dir.path(), a.id()).is_err());
    }
}
