//! Loose objects: one compressed file each.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::ZlibDecoder;
use gix_hash::{Kind as Hash, ObjectId};

use super::{Kind, files};

/// A loose object that was opened and whose head was read; its content comes next.
pub(super) struct Loose {
    pub(super) kind: Kind,
    pub(super) size: u64,
    source: io::Take<ZlibDecoder<BufReader<File>>>,
}

impl Loose {
    /// Opens the object at `path`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut source = ZlibDecoder::new(BufReader::new(files::open(path)?.0)).take(HEAD);
        let mut head = Vec::new();
        loop {
            let mut byte = [0];
            source.read_exact(&mut byte)?;
            if byte[0] == 0 {
                break;
            }
            head.push(byte[0]);
        }
        let damaged = || io::Error::new(io::ErrorKind::InvalidData, "damaged object");
        let text = str::from_utf8(&head).map_err(|_| damaged())?;
        let (kind, size) = text.split_once(' ').ok_or_else(damaged)?;
        let kind = Kind::from_word(kind).ok_or_else(damaged)?;
        let size = size.parse().map_err(|_| damaged())?;
        source.set_limit(size);
        Ok(Self { kind, size, source })
    }

    /// Reads the content; the caller has compared its size with the memory it has.
    pub(super) fn bytes(mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.source.read_to_end(&mut bytes)?;
        if bytes.len() as u64 == self.size { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
    }

    /// Returns the content as a stream.
    pub(super) fn source(&mut self) -> &mut impl Read {
        &mut self.source
    }
}

/// Returns the file of the loose object `id`.
pub(super) fn path(objects: &Path, id: &gix_hash::oid) -> PathBuf {
    let hex = id.to_hex().to_string();
    let (folder, file) = hex.split_at(2);
    objects.join(folder).join(file)
}

/// Lists the loose objects in `objects`, in order of their names.
pub(super) fn list(objects: &Path, hash: Hash) -> Vec<ObjectId> {
    let mut names = Vec::new();
    for folder in 0..=u8::MAX {
        let folder = format!("{folder:02x}");
        let Ok(entries) = fs::read_dir(objects.join(&folder)) else { continue };
        let ids = entries.flatten().filter_map(|entry| {
            let name = entry.file_name();
            let hex = format!("{folder}{}", name.to_str()?);
            (hex.len() == hash.len_in_hex()).then(|| ObjectId::from_hex(hex.as_bytes()).ok())?
        });
        names.extend(ids);
    }
    names.sort_unstable();
    names
}

/// The longest head: a kind, a length, a NUL.
const HEAD: u64 = 64;
