//! Lists of digests: what `kgate key export --digests` writes and `kgate leak-scan --digests` asks, so
//! that a build machine can tell which keys work without having the store.
//!
//! JSON Lines: a head with the version, a line for each key, an end with their number. A list that
//! breaks off must not turn working keys into unknown ones, so without its end it is refused.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::admin::api::DigestShape;
use crate::key::{ConsumerId, Digest, KeyId, Status, Timestamp};
use crate::scan::{Known, Lookup, Standing};

use super::failure::Failure;

/// A list in memory.
pub(super) struct DigestList {
    keys: HashMap<Digest, Known>,
    /// What a key is that is not on it.
    missed: Standing,
}

#[derive(Serialize, Deserialize)]
struct Head {
    kgate_digests: u32,
    created_at: String,
}

#[derive(Serialize, Deserialize)]
struct End {
    end: bool,
    keys: u64,
}

/// A list being written.
pub(super) struct DigestWriter<'o> {
    out: &'o mut dyn Write,
    keys: u64,
}

impl<'o> DigestWriter<'o> {
    pub(super) fn begin(out: &'o mut dyn Write, now: Timestamp) -> io::Result<Self> {
        line(out, &Head { kgate_digests: VERSION, created_at: now.to_string() })?;
        Ok(Self { out, keys: 0 })
    }

    /// Adds a key.
    pub(super) fn key(&mut self, key: &DigestShape) -> io::Result<()> {
        self.keys += 1;
        line(self.out, key)
    }

    /// Ends the list and returns how many keys are on it.
    pub(super) fn end(self) -> io::Result<u64> {
        line(self.out, &End { end: true, keys: self.keys })?;
        Ok(self.keys)
    }
}

fn line(out: &mut dyn Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}

impl DigestList {
    /// Reads a list. `peppers` are the names of the peppers at hand, and `unnamed` how many more there
    /// are: a key that may be under another one cannot be called unknown.
    pub(super) fn read(
        path: &Path,
        now: Timestamp,
        peppers: &HashSet<String>,
        unnamed: usize,
    ) -> Result<Self, Failure> {
        let cannot = || Failure::cannot(format!("cannot use the list of digests {}", path.display()));
        let file = File::open(path).map_err(|e| cannot().because(&e))?;
        parse(BufReader::new(file), now, peppers, unnamed).map_err(|problem| {
            cannot().help(problem).help("`kgate key export --digests --output FILE` makes one")
        })
    }
}

/// # Errors
/// A sentence that says where and what.
fn parse(
    mut source: impl BufRead,
    now: Timestamp,
    peppers: &HashSet<String>,
    unnamed: usize,
) -> Result<DigestList, String> {
    let mut keys = HashMap::new();
    let mut other_peppers = HashSet::new();
    let mut number = 0_u64;
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        number += 1;
        let read =
            (&mut source).take(LONGEST_LINE).read_until(b'\n', &mut bytes).map_err(|e| e.to_string())?;
        if read == 0 {
            return Err("it breaks off: its last line is missing".to_owned());
        }
        if number == 1 {
            let head: Head =
                serde_json::from_slice(&bytes).map_err(|_| "it is no list of digests".to_owned())?;
            if head.kgate_digests != VERSION {
                return Err(format!("it is of version {}; this kgate knows {VERSION}", head.kgate_digests));
            }
            continue;
        }
        if let Ok(end) = serde_json::from_slice::<End>(&bytes) {
            if end.keys + 2 != number {
                return Err(format!("it should have {} keys and has {}", end.keys, number - 2));
            }
            break;
        }
        let fault = |problem: &str| format!("line {number}: {problem}");
        let row: DigestShape = serde_json::from_slice(&bytes).map_err(|e| fault(&e.to_string()))?;
        if let Some(pepper) = row.scheme.strip_prefix(PEPPERED)
            && !peppers.contains(pepper)
        {
            other_peppers.insert(pepper.to_owned());
        }
        let digest = row.digest.parse().map_err(|e: crate::key::DigestError| fault(&e.to_string()))?;
        keys.insert(digest, known(row, now).map_err(|e| fault(&e))?);
    }
    let is_sure = other_peppers.len() <= unnamed;
    Ok(DigestList { keys, missed: if is_sure { Standing::Unknown } else { Standing::Unverified } })
}

fn known(row: DigestShape, now: Timestamp) -> Result<Known, String> {
    let time = |text: Option<String>| {
        text.map(|t| t.parse::<Timestamp>().map_err(|_| format!("`{t}` is not a time"))).transpose()
    };
    let (not_before, expires_at) = (time(row.not_before)?, time(row.expires_at)?);
    let written = Status::ALL.into_iter().find(|s| s.as_str() == row.status);
    let written = written.ok_or_else(|| format!("`{}` is not a status", row.status))?;
    let status = match written {
        Status::Revoked | Status::Expired => written,
        _ if expires_at.is_some_and(|at| at <= now) => Status::Expired,
        Status::Disabled => Status::Disabled,
        _ if not_before.is_some_and(|at| now < at) => Status::Scheduled,
        _ => Status::Active,
    };
    Ok(Known {
        status,
        key: row.key_id.and_then(|id| id.parse::<KeyId>().ok()),
        key_name: row.key_name.unwrap_or_default(),
        consumer: row.consumer_id.and_then(|id| id.parse::<ConsumerId>().ok()),
        consumer_name: row.consumer_name,
        last_used: None,
        admin: None,
    })
}

impl Lookup for DigestList {
    fn look_up(&self, digest: &Digest) -> Result<Option<Known>, String> {
        Ok(self.keys.get(digest).cloned())
    }

    fn missed(&self) -> Standing {
        self.missed.clone()
    }
}

const VERSION: u32 = 1;

/// How a peppered [`Scheme`] begins in text.
const PEPPERED: &str = "hmac-sha256:";

/// Names have at most 256 bytes each; a longer line than this is some other file.
const LONGEST_LINE: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::Scheme;

    const NOW: Timestamp = Timestamp::from_secs(1_000_000);

    fn list(rows: &[&str], end: u64) -> String {
        let head = r#"{"kgate_digests":1,"created_at":"1970-01-01T00:00:00Z"}"#;
        let end = format!(r#"{{"end":true,"keys":{end}}}"#);
        [&[head], rows, &[&end]].concat().join("\n")
    }

    fn row(token: &str, scheme: &str, rest: &str) -> String {
        format!(r#"{{"digest":"{}","scheme":"{scheme}",{rest}}}"#, Digest::sha256(token.as_bytes()))
    }

    fn parsed(text: &str) -> Result<DigestList, String> {
        parse(text.as_bytes(), NOW, &HashSet::from(["here".to_owned()]), 0)
    }

    #[test]
    fn a_list_is_right_later_too() {
        let rows = [
            row("a", "sha256", r#""status":"active""#),
            row("b", "sha256", r#""status":"active","expires_at":"1970-01-02T00:00:00Z""#),
            row("c", "sha256", r#""status":"scheduled","not_before":"1970-01-02T00:00:00Z""#),
            row("d", "sha256", r#""status":"scheduled","not_before":"1980-01-02T00:00:00Z""#),
            row("e", "sha256", r#""status":"revoked","expires_at":"1980-01-02T00:00:00Z""#),
            row("f", "sha256", r#""status":"disabled""#),
        ];
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let list = parsed(&list(&rows, 6)).unwrap();
        let status =
            |t: &str| list.look_up(&Digest::sha256(t.as_bytes())).unwrap().map(|k| k.status.as_str());
        let found: Vec<_> = ["a", "b", "c", "d", "e", "f", "g"].map(status).into_iter().flatten().collect();
        assert_eq!(found, ["active", "expired", "active", "scheduled", "revoked", "disabled"]);
        assert_eq!(list.missed(), Standing::Unknown);
    }

    #[test]
    fn a_key_that_may_be_under_another_pepper_is_not_called_unknown() {
        let here = row("a", "hmac-sha256:here", r#""status":"active""#);
        let gone = row("a", "hmac-sha256:gone", r#""status":"active""#);
        assert_eq!(parsed(&list(&[&here], 1)).unwrap().missed(), Standing::Unknown);
        assert_eq!(parsed(&list(&[&gone], 1)).unwrap().missed(), Standing::Unverified);
        let unnamed = parse(list(&[&gone], 1).as_bytes(), NOW, &HashSet::new(), 1).unwrap();
        assert_eq!(unnamed.missed(), Standing::Unknown);
    }

    #[test]
    fn a_list_that_breaks_off_or_is_something_else_is_refused() {
        let a = row("a", "sha256", r#""status":"active""#);
        let whole = list(&[&a], 1);
        let cut = whole.rsplit_once('\n').unwrap().0;
        for (text, said) in [
            ("", "breaks off"),
            (cut, "breaks off"),
            ("{}", "no list of digests"),
            (&whole.replace("digests\":1", "digests\":2"), "version 2"),
            (&list(&[&a], 2), "should have 2 keys and has 1"),
            (&whole.replace("active", "alive"), "line 2: `alive` is not a status"),
            (
                &list(&["{\"digest\":\"12\",\"scheme\":\"sha256\",\"status\":\"active\"}"], 1),
                "line 2: a digest is",
            ),
        ] {
            let problem = parsed(text).map(|_| ()).unwrap_err();
            assert!(problem.contains(said), "{problem}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Scheme::HmacSha256("p".to_owned()).to_string(), format!("{PEPPERED}p"));
    }
}
