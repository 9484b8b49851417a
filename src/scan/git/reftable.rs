//! Refs and their logs where git keeps them in tables (gitformat-reftable): a stack of files, of which a
//! later one overrules those before it.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use gix_hash::{Kind as Hash, ObjectId, oid};

use super::files;
use crate::scan::walk::describe;

/// What one directory's stack says, the latest of each ref.
#[derive(Debug, Default)]
pub(super) struct Stack {
    pub(super) refs: BTreeMap<Vec<u8>, Value>,
    /// Entries of logs, also of those that a later table does away with.
    pub(super) logs: Vec<Log>,
}

/// What a ref is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Object(ObjectId),
    /// It leads to the ref of this name.
    Symbolic(Vec<u8>),
}

/// One entry of the log of a ref.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Log {
    pub(super) name: Vec<u8>,
    pub(super) new: Option<ObjectId>,
    /// Who, and why, as a line.
    pub(super) text: Vec<u8>,
}

impl Stack {
    /// Reads the stack of a git directory; `None` if it has none.
    ///
    /// # Errors
    /// A sentence for people. What could be read before is in `self`.
    pub(super) fn read(&mut self, git_dir: &Path, hash: Hash) -> Result<(), String> {
        let folder = git_dir.join("reftable");
        let list = match files::read(&folder.join("tables.list")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|e| describe(&e))?,
        };
        for name in list.split(|&b| b == b'\n').filter(|name| !name.is_empty()) {
            let name = str::from_utf8(name).ok().filter(|name| !name.contains('/')).ok_or(DAMAGED)?;
            let table = files::read(&folder.join(name)).map_err(|e| format!("{name}: {}", describe(&e)))?;
            self.add(&table, hash).ok_or_else(|| format!("{name}: {DAMAGED}"))?;
        }
        Ok(())
    }

    /// Adds what a table says; `None` if it is damaged.
    fn add(&mut self, table: &[u8], hash: Hash) -> Option<()> {
        let version = *table.strip_prefix(b"REFT")?.first()?;
        let head = match version {
            1 => 24,
            2 => 28,
            _ => return None,
        };
        let aligned = number(table.get(5..8)?);
        let foot = table.len().checked_sub(head + 44)?;
        let footer = &table[foot..];
        (footer.get(..head)? == table.get(..head)?).then_some(())?;
        let logs = number(footer.get(head + 24..head + 32)?);
        let mut at = 0;
        while at < foot && (logs == 0 || at < logs) {
            let start = if at == 0 { head } else { at };
            let block = Block { kind: *table.get(start)?, len: number(table.get(start + 1..start + 4)?) };
            match block.kind {
                b'r' => {
                    let end = at.checked_add(block.len)?;
                    self.add_refs(block_of(table.get(start + 4..end)?)?, hash)?;
                }
                b'g' => break,
                b'i' | b'o' => {}
                // Only the head of an empty table.
                _ if at == 0 => break,
                _ => return None,
            }
            let end = at.checked_add(block.len)?;
            let padded = aligned > 0 && table.get(end) == Some(&0);
            at = if padded { at.checked_add(aligned)? } else { end };
            (block.len > 4).then_some(())?;
        }
        let mut at = if logs > 0 { logs } else { at };
        while at < foot {
            let start = if at == 0 { head } else { at };
            if table.get(start) != Some(&b'g') {
                break;
            }
            let len = number(table.get(start + 1..start + 4)?);
            let (text, read) = inflate(table.get(start + 4..foot)?, len.checked_sub(start - at + 4)?)?;
            self.add_logs(block_of(&text)?, hash)?;
            at = start + 4 + read;
        }
        Some(())
    }

    fn add_refs(&mut self, records: &[u8], hash: Hash) -> Option<()> {
        let mut rest = records;
        let mut name = Vec::new();
        while !rest.is_empty() {
            let kind = key(&mut rest, &mut name)?;
            varint(&mut rest)?;
            let value = match kind {
                0 => None,
                1 => Some(Value::Object(id(&mut rest, hash)?)),
                2 => {
                    let object = id(&mut rest, hash)?;
                    // What the tag is put on.
                    id(&mut rest, hash)?;
                    Some(Value::Object(object))
                }
                3 => Some(Value::Symbolic(text(&mut rest)?.to_vec())),
                _ => return None,
            };
            match value {
                Some(value) => self.refs.insert(name.clone(), value),
                None => self.refs.remove(&name),
            };
        }
        Some(())
    }

    fn add_logs(&mut self, records: &[u8], hash: Hash) -> Option<()> {
        let mut rest = records;
        let mut name = Vec::new();
        while !rest.is_empty() {
            match key(&mut rest, &mut name)? {
                0 => {}
                1 => {
                    id(&mut rest, hash)?;
                    let new = id(&mut rest, hash)?;
                    let (who, address) = (text(&mut rest)?, text(&mut rest)?);
                    varint(&mut rest)?;
                    take(&mut rest, 2)?;
                    let text = [who, b" <", address, b">\t", text(&mut rest)?].concat();
                    // A NUL and a number come after the name.
                    let name = name.get(..name.len().checked_sub(9)?)?.to_vec();
                    self.logs.push(Log { name, new: Some(new).filter(|id| !id.is_null()), text });
                }
                _ => return None,
            }
        }
        Some(())
    }
}

struct Block {
    kind: u8,
    /// Bytes from its beginning, for the first one that of the file, to where its records end.
    len: usize,
}

/// Returns the records of a block, without the places to begin at.
fn block_of(bytes: &[u8]) -> Option<&[u8]> {
    let (rest, count) = bytes.split_last_chunk::<2>()?;
    let places = 3 * usize::from(u16::from_be_bytes(*count));
    rest.get(..rest.len().checked_sub(places)?)
}

/// Inflates what begins `bytes` into `len` bytes. Returns them and how much was read.
fn inflate(bytes: &[u8], len: usize) -> Option<(Vec<u8>, usize)> {
    // Deflate cannot do better than 1032:1.
    (len / 1032 <= bytes.len()).then_some(())?;
    let mut text = vec![0; len];
    let mut decoder = Decompress::new(true);
    let status = decoder.decompress(bytes, &mut text, FlushDecompress::Finish).ok()?;
    let is_whole = status == Status::StreamEnd && decoder.total_out() == len as u64;
    is_whole.then_some((text, usize::try_from(decoder.total_in()).ok()?))
}

/// Reads a key, which is given by what differs from the one before; returns its kind of value.
fn key(rest: &mut &[u8], name: &mut Vec<u8>) -> Option<u8> {
    let shared = varint(rest)?;
    let suffix = varint(rest)?;
    let kind = u8::try_from(suffix & 7).ok()?;
    (shared <= name.len()).then_some(())?;
    name.truncate(shared);
    name.extend_from_slice(take(rest, suffix >> 3)?);
    Some(kind)
}

fn text<'t>(rest: &mut &'t [u8]) -> Option<&'t [u8]> {
    let len = varint(rest)?;
    take(rest, len)
}

fn id(rest: &mut &[u8], hash: Hash) -> Option<ObjectId> {
    oid::try_from_bytes(take(rest, hash.len_in_bytes())?).ok().map(oid::to_owned)
}

fn take<'t>(rest: &mut &'t [u8], len: usize) -> Option<&'t [u8]> {
    let (taken, after) = rest.split_at_checked(len)?;
    *rest = after;
    Some(taken)
}

fn number(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |number, b| number << 8 | usize::from(*b))
}

/// Reads a number as packs have offsets: seven bits a byte, the highest first, no number in two ways.
fn varint(rest: &mut &[u8]) -> Option<usize> {
    let (&first, mut after) = rest.split_first()?;
    let (mut byte, mut value) = (first, usize::from(first & 0x7f));
    while byte & 0x80 != 0 {
        (byte, after) = after.split_first().map(|(byte, after)| (*byte, after))?;
        value = value.checked_add(1)?.checked_mul(128)? | usize::from(byte & 0x7f);
    }
    *rest = after;
    Some(value)
}

const DAMAGED: &str = "damaged table of refs";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_bytes_are_a_table_or_damage(
            mut table in proptest::collection::vec(any::<u8>(), 100..400),
            kind in proptest::sample::select(&b"rgio"[..]),
            len in 0u8..200,
        ) {
            // A head, a foot that repeats it, a block.
            table[..8].copy_from_slice(b"REFT\x01\0\0\0");
            table[24..28].copy_from_slice(&[kind, 0, 0, len]);
            let foot = table.len() - 68;
            table.copy_within(..24, foot);
            table[foot + 24..].fill(0);
            let _ = Stack::default().add(&table, Hash::Sha1);
        }
    }
}
