//! What a scan found, what it could not read, and how much it read.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::place::{Commit, Place};
use crate::key::{AdminKeyId, ConsumerId, Digest, KeyId, Kind, Role, Status, Timestamp, Token};

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
    /// Whether it was asked to end before its end.
    pub interrupted: bool,
}

/// How a scan ended, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Something could not be read or looked up, or nothing was read at all: the findings may not
    /// be all.
    Incomplete,
    /// Everything was read, and there are keys in it that are a reason for alarm.
    Found,
    /// Everything was read, and there are none.
    Clean,
}

impl Report {
    /// Returns how the scan ended, taking for alarming what [`Finding::is_alarming`] says.
    pub fn outcome(&self) -> Outcome {
        self.outcome_by(|finding| !finding.standing.is_dead())
    }

    /// Returns how the scan ended, where `fails` says which standings are a reason for alarm. Keys of
    /// publishable types and suppressed ones never are.
    pub fn outcome_by(&self, fails: impl Fn(&Finding) -> bool) -> Outcome {
        if self.is_incomplete() {
            Outcome::Incomplete
        } else if self.findings.iter().any(|f| f.counts() && fails(f)) {
            Outcome::Found
        } else {
            Outcome::Clean
        }
    }

    fn is_incomplete(&self) -> bool {
        let unsure = |f: &Finding| matches!(f.standing, Standing::LookupFailed(_));
        !self.faults.is_empty()
            || self.interrupted
            || self.totals.bytes == 0
            || self.overflow > 0
            || self.findings.iter().any(unsure)
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
    /// Of all its places in history: the oldest commit that has it, by date.
    pub first_commit: Option<Arc<Commit>>,
    /// Of all its places in history: the newest commit that has it, by date.
    pub last_commit: Option<Arc<Commit>>,
    /// Why it is no alarm although it would be one.
    pub suppressed: Option<Suppression>,
    /// The token, if [`Options::reveal`](super::Options) asked for it.
    pub token: Option<Token>,
}

/// Why a finding is not held against what was scanned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Suppression {
    /// It was known before.
    Baseline,
    /// `.kgateignore` names its digest, or everything it is in.
    Ignored,
    /// `kgate:allow` is beside it wherever it is, unless `.kgateignore` names the place.
    Allowed,
}

impl Suppression {
    /// Returns a word for lists and JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Ignored => "ignored",
            Self::Allowed => "allowed",
        }
    }
}

impl Finding {
    /// Says whether somebody must act: a secret key that is live or not known to be dead, and not
    /// suppressed.
    pub fn is_alarming(&self) -> bool {
        self.counts() && !self.standing.is_dead()
    }

    fn counts(&self) -> bool {
        !self.is_informational() && self.suppressed.is_none()
    }

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
    /// There was no store to ask, or what was asked could not know. It must be taken for live.
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

    /// Says whether the key is known never to work again.
    pub fn is_dead(&self) -> bool {
        matches!(self, Self::Known(known) if matches!(known.status, Status::Revoked | Status::Expired))
    }

    /// Says whether the key works, or will without anybody doing anything.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Known(known) if matches!(known.status, Status::Active | Status::Scheduled))
    }
}

/// What a store knows of a key. A list of digests may know only the status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Whether it works.
    pub status: Status,
    /// The key.
    pub key: Option<KeyId>,
    /// What people call it; may be empty.
    pub key_name: String,
    /// Who holds it.
    pub consumer: Option<ConsumerId>,
    /// The holder's name, if the holder's record is there.
    pub consumer_name: Option<String>,
    /// When it was last let through, as far as is known.
    pub last_used: Option<Timestamp>,
    /// Of an admin key, which one and what it may do.
    pub admin: Option<(AdminKeyId, Role)>,
}

impl Known {
    /// Returns its identifier, if that is known.
    pub fn id(&self) -> Option<String> {
        let key = self.key.map(|id| id.to_string());
        key.or_else(|| self.admin.map(|(id, _)| id.to_string()))
    }
}

/// Answers whether a key is known. `kgate leak-scan` puts the store behind it.
pub trait Lookup {
    /// Returns what is known of the key with `digest`, or `None`.
    ///
    /// # Errors
    /// A sentence for people if it cannot be told.
    fn look_up(&self, digest: &Digest) -> Result<Option<Known>, String>;

    /// Returns what a key is that none of its digests led to: [`Standing::Unknown`], unless some
    /// records are under a pepper that is not at hand.
    fn missed(&self) -> Standing {
        Standing::Unknown
    }
}

impl<F: Fn(&Digest) -> Result<Option<Known>, String>> Lookup for F {
    fn look_up(&self, digest: &Digest) -> Result<Option<Known>, String> {
        self(digest)
    }
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
    /// Objects of repositories read.
    pub objects: u64,
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
        text.push_str(&printable_text(chunk.valid()));
        for byte in chunk.invalid() {
            write!(text, "\\x{byte:02x}").expect("a string takes everything");
        }
    }
    text
}

/// As [`printable`], for text.
pub fn printable_text(text: &str) -> String {
    let mut printed = String::with_capacity(text.len());
    for c in text.chars() {
        let is_direction = matches!(
            c,
            '\u{200e}' | '\u{200f}' | '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        );
        if c == '\\' || c.is_control() || is_direction {
            printed.extend(c.escape_default());
        } else {
            printed.push(c);
        }
    }
    printed
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
