//! What a scan found, what it could not read, and how much it read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use crate::key::{ConsumerId, Digest, KeyId, Kind, Status};

/// Everything a scan has to say.
#[derive(Debug)]
pub struct Report {
    /// One per key, ordered by the first place of each.
    pub findings: Vec<Finding>,
    /// What could not be read, ordered by path.
    pub faults: Vec<Fault>,
    /// How much was read.
    pub totals: Totals,
    /// Places whose keys were not kept because there were too many different ones; 0 is usual.
    pub overflow: u64,
}

/// How a scan ended, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something could not be read or looked up, or nothing was read at all: the findings may not
    /// be all.
    Incomplete,
    /// Everything was read, and there are secret keys in it.
    Found,
    /// Everything was read, and there is none.
    Clean,
}

impl Report {
    /// Returns how the scan ended. Keys of publishable types are informational and do not count.
    pub fn outcome(&self) -> Outcome {
        let unsure = |f: &Finding| matches!(f.standing, Standing::LookupFailed(_));
        if !self.faults.is_empty()
            || self.totals.bytes == 0
            || self.overflow > 0
            || self.findings.iter().any(unsure)
        {
            Outcome::Incomplete
        } else if self.findings.iter().any(|f| !f.is_informational()) {
            Outcome::Found
        } else {
            Outcome::Clean
        }
    }
}

/// A leaked key and where it is.
#[derive(Debug)]
pub struct Finding {
    /// SHA-256 of the token: its name in baselines and reports.
    pub digest: Digest,
    /// What may be shown of the token: `acme_live…w3Fk`.
    pub hint: String,
    /// The name of its key type.
    pub key_type: String,
    /// Secret, or made to be seen.
    pub kind: Kind,
    /// What the look-up said of it.
    pub standing: Standing,
    /// Where it is, ordered; at most as many as [`Options::max_places`](super::Options).
    pub places: Vec<Place>,
    /// In how many places it is.
    pub place_count: u64,
}

impl Finding {
    /// Says whether the key was made to be seen, so that its being seen is no alarm.
    pub fn is_informational(&self) -> bool {
        self.kind == Kind::Publishable
    }
}

/// What is known of a leaked key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// The store has it.
    Known(Known),
    /// The store does not have it: another store's key, or one pruned long ago.
    Unknown,
    /// There was no store to ask. It must be taken for live.
    Unverified,
    /// The store could not answer. It must be taken for live.
    LookupFailed(String),
}

impl Standing {
    /// Returns a word for lists and JSON: a key's status, `unknown` or `unverified`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Known(known) => known.status.as_str(),
            Self::Unknown => "unknown",
            Self::Unverified | Self::LookupFailed(_) => "unverified",
        }
    }
}

/// What a store knows of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The key.
    pub key: KeyId,
    /// What people call it; may be empty.
    pub key_name: String,
    /// Whether it works.
    pub status: Status,
    /// Who holds it.
    pub consumer: ConsumerId,
    /// The holder's name, if the holder's record is there.
    pub consumer_name: Option<String>,
}

/// Answers whether a key is known. `kgate leak-scan` puts the store behind it.
pub trait Lookup {
    /// Returns what is known of the key with `digest`, or `None`.
    ///
    /// # Errors
    /// A sentence for people if it cannot be told.
    fn look_up(&self, digest: &Digest) -> Result<Option<Known>, String>;
}

impl<F: Fn(&Digest) -> Result<Option<Known>, String>> Lookup for F {
    fn look_up(&self, digest: &Digest) -> Result<Option<Known>, String> {
        self(digest)
    }
}

/// One place of a key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The file, as reached from the path that was given.
    pub path: PathBuf,
    /// Bytes before it in the file.
    pub offset: u64,
    /// The line, from 1. A line ends with a line feed.
    pub line: u64,
    /// The column, from 1, in bytes (in UTF-16 units where the key is in UTF-16).
    pub column: u64,
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// What.
    pub path: PathBuf,
    /// Why, lower case.
    pub problem: String,
}

/// How much was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Files and streams opened and read.
    pub files: u64,
    /// Bytes read of them.
    pub bytes: u64,
    /// Pipes, sockets and devices in the tree, which were not read.
    pub skipped: u64,
}

/// Returns `path` with everything escaped that could forge a line or drive a terminal: control and
/// text-direction characters, bytes that are not UTF-8, and the backslash that marks an escape.
pub fn printable(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        for c in chunk.valid().chars() {
            let is_direction =
                matches!(c, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c == '\\' || c.is_control() || is_direction {
                text.extend(c.escape_default());
            } else {
                text.push(c);
            }
        }
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes everything");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use super::*;

    #[test]
    fn printed_paths_cannot_drive_a_terminal() {
        let printed = |bytes: &[u8]| printable(Path::new(OsStr::from_bytes(bytes)));
        assert_eq!(printed("src/süß.rs".as_bytes()), "src/süß.rs");
        assert_eq!(printed(b"a\nb\x1b[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(printed(b"a\xffb\\n"), "a\\xffb\\\\n");
        assert_eq!(printed("\u{202e}gpj.exe".as_bytes()), "\\u{202e}gpj.exe");
    }
}
