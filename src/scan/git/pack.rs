//! One pack: its objects by name, and each entry's bytes. Nothing is copied out of the mapped file but
//! what is inflated.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use gix_hash::{Kind as Hash, ObjectId, oid};
use gix_pack::data::entry::Header;
use libdeflater::Decompressor;

use super::{Damage, Kind, files};

/// A pack and its index.
pub(super) struct Pack {
    index: gix_pack::index::File,
    /// Taken once a delta tree.
    data: Mutex<Arc<gix_pack::data::File>>,
    /// Bytes read since it was mapped.
    read: AtomicU64,
}

/// A mapped pack. What was read of it counts as memory of ours until the last view of the mapping is
/// gone, so views are for a while only.
pub(super) struct View(Arc<gix_pack::data::File>);

/// What an entry begins with.
pub(super) struct Entry {
    pub(super) made: Made,
    /// Bytes it inflates to: the object, or the delta.
    pub(super) size: u64,
    /// Where its compressed bytes begin.
    data_offset: u64,
}

/// How an entry gives its object.
pub(super) enum Made {
    Whole(Kind),
    /// By a delta to the object at this offset.
    At(u64),
    /// By a delta to the object of this name.
    Of(ObjectId),
}

impl Pack {
    /// Opens the pack whose index is `path`.
    ///
    /// # Errors
    /// A sentence for people.
    pub(super) fn open(path: &Path, hash: Hash) -> Result<Self, String> {
        // Opened once more by `gix_pack`, which would wait for a pipe.
        files::open(path).map_err(|_| "damaged pack index".to_owned())?;
        files::open(&path.with_extension("pack")).map_err(|_| "its pack is missing or damaged".to_owned())?;
        let index = gix_pack::index::File::at(path, hash).map_err(|_| "damaged pack index".to_owned())?;
        let data = gix_pack::data::File::at(path.with_extension("pack"), hash)
            .map_err(|_| "its pack is missing or damaged".to_owned())?;
        Ok(Self { index, data: Mutex::new(Arc::new(data)), read: AtomicU64::new(0) })
    }

    /// Returns how many objects it has.
    pub(super) fn len(&self) -> u32 {
        self.index.num_objects()
    }

    /// Returns the offset of an object.
    pub(super) fn find(&self, id: &oid) -> Option<u64> {
        self.index.lookup(id).map(|at| self.index.pack_offset_at_index(at))
    }

    /// Returns the names that begin with `prefix`.
    pub(super) fn named(&self, prefix: gix_hash::Prefix) -> Vec<ObjectId> {
        let mut range = 0..0;
        self.index.lookup_prefix(prefix, Some(&mut range));
        range.map(|at| self.index.oid_at_index(at).to_owned()).collect()
    }

    /// Returns the name of an object by its place in the index.
    pub(super) fn name(&self, at: u32) -> &oid {
        self.index.oid_at_index(at)
    }

    /// Returns the offset of an object by its place in the index.
    pub(super) fn offset(&self, at: u32) -> u64 {
        self.index.pack_offset_at_index(at)
    }

    /// Returns the mapped pack; `read` bytes were read through the view before.
    pub(super) fn view(&self, read: u64) -> View {
        let mut data = self.data.lock().unwrap_or_else(PoisonError::into_inner);
        // Relaxed: it matters only roughly when the file is mapped anew.
        if self.read.fetch_add(read, Ordering::Relaxed) + read > MAPPED_BYTES {
            self.read.store(0, Ordering::Relaxed);
            // If the pack was deleted meanwhile, what is mapped is all there is.
            if let Ok(again) = gix_pack::data::File::at(data.path(), data.object_hash()) {
                *data = Arc::new(again);
            }
        }
        View(Arc::clone(&data))
    }
}

impl View {
    /// Returns where the last entry ends.
    pub(super) fn end(&self) -> u64 {
        self.0.pack_end() as u64
    }

    /// Reads the head of the entry at `offset`.
    pub(super) fn entry(&self, offset: u64) -> Result<Entry, Damage> {
        let entry = self.0.entry(offset).map_err(|_| Damage::Entry)?;
        let made = match entry.header {
            Header::Commit => Made::Whole(Kind::Commit),
            Header::Tree => Made::Whole(Kind::Tree),
            Header::Blob => Made::Whole(Kind::Blob),
            Header::Tag => Made::Whole(Kind::Tag),
            Header::OfsDelta { base_distance } => Made::At(
                offset.checked_sub(base_distance).filter(|_| base_distance > 0).ok_or(Damage::Entry)?,
            ),
            Header::RefDelta { base_id } => Made::Of(base_id),
        };
        Ok(Entry { made, size: entry.decompressed_size, data_offset: entry.data_offset })
    }

    /// Returns the compressed bytes of `entry`, of which `end` is known to be past the last.
    pub(super) fn compressed(&self, entry: &Entry, end: u64) -> Result<&[u8], Damage> {
        self.0.entry_slice(entry.data_offset..end).ok_or(Damage::Entry)
    }

    /// Inflates `entry` into `out`. The caller has compared its size with the memory it has.
    pub(super) fn inflate(
        &self,
        entry: &Entry,
        end: u64,
        inflater: &mut Decompressor,
        out: &mut Vec<u8>,
    ) -> Result<(), Damage> {
        let compressed = self.compressed(entry, end)?;
        let size = usize::try_from(entry.size).map_err(|_| Damage::Entry)?;
        // Deflate cannot do better than 1032:1, so a larger claim is not worth allocating for.
        if size / 1032 > compressed.len() {
            return Err(Damage::Entry);
        }
        out.resize(size, 0);
        match inflater.zlib_decompress(compressed, out) {
            Ok(n) if n == size => Ok(()),
            _ => Err(Damage::Entry),
        }
    }
}

/// How much of a pack may be read before it is mapped anew.
const MAPPED_BYTES: u64 = 48 << 20;
