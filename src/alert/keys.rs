//! Lists of public keys, in files that somebody refreshes, read again when they change.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use p256::ecdsa::VerifyingKey;
use p256::pkcs8::DecodePublicKey;
use serde::Deserialize;

use super::AlertError;

/// Public keys by their identifiers.
pub(super) type KeyList = HashMap<String, VerifyingKey>;

/// The lists that were read.
#[derive(Default)]
pub(super) struct KeyLists(Mutex<HashMap<PathBuf, Cached>>);

struct Cached {
    stamp: Stamp,
    keys: Arc<KeyList>,
}

/// Tells one content of a file from the next: device, inode, size, time of the last change.
type Stamp = (u64, u64, u64, i64, i64);

/// The form GitHub and GitLab publish.
#[derive(Deserialize)]
struct Published {
    public_keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    key_identifier: String,
    /// PEM.
    key: String,
}

impl KeyLists {
    /// Returns the list in the file. A file that has become unusable is an error, not the list it held
    /// before: a key may have been taken off it.
    pub(super) fn read(&self, path: &Path) -> Result<Arc<KeyList>, AlertError> {
        let unusable = |problem: String| AlertError::KeyList(format!("{}: {problem}", path.display()));
        let metadata = fs::metadata(path).map_err(|e| unusable(e.to_string()))?;
        let stamp =
            (metadata.dev(), metadata.ino(), metadata.size(), metadata.mtime(), metadata.mtime_nsec());
        let mut lists = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(cached) = lists.get(path).filter(|cached| cached.stamp == stamp) {
            return Ok(Arc::clone(&cached.keys));
        }
        if metadata.len() > LONGEST {
            return Err(unusable(format!("it has more than {LONGEST} bytes")));
        }
        let text = fs::read(path).map_err(|e| unusable(e.to_string()))?;
        let keys = Arc::new(parse(&text).map_err(unusable)?);
        lists.insert(path.to_owned(), Cached { stamp, keys: Arc::clone(&keys) });
        Ok(keys)
    }
}

fn parse(text: &[u8]) -> Result<KeyList, String> {
    let published: Published = serde_json::from_slice(text).map_err(|e| e.to_string())?;
    let mut keys = KeyList::new();
    for key in published.public_keys {
        // A key of another kind is none to check with, and no reason to refuse the others.
        if let Ok(parsed) = VerifyingKey::from_public_key_pem(key.key.trim()) {
            keys.insert(key.key_identifier, parsed);
        }
    }
    if keys.is_empty() { Err("there is no ECDSA P-256 key in it".to_owned()) } else { Ok(keys) }
}

/// GitHub's list has some 500 bytes.
const LONGEST: u64 = 1 << 20;
