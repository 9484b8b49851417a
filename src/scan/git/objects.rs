//! Objects by name, wherever they are kept: loose or in a pack.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use gix_hash::{Kind as Hash, ObjectId, oid};
use libdeflater::Decompressor;

use super::loose::{self, Loose};
use super::pack::{Made, Pack};
use super::{Damage, Kind, delta};

/// An object in memory.
pub(super) type Object = (Kind, Arc<Vec<u8>>);

/// The stores of a repository, read object by object. Packs are opened when they are needed.
pub(super) struct Objects {
    stores: Vec<PathBuf>,
    packs: Vec<(PathBuf, OnceCell<Option<Pack>>)>,
    hash: Hash,
    inflater: Decompressor,
    /// Objects of packs made lately, since others are made of them.
    recent: HashMap<(usize, u64), Object>,
    recent_bytes: usize,
    /// The most bytes an object may have.
    room: u64,
}

impl Objects {
    pub(super) fn new(stores: &[PathBuf], hash: Hash, room: u64) -> Self {
        Self {
            packs: packs_in(stores).into_iter().map(|path| (path, OnceCell::new())).collect(),
            stores: stores.to_vec(),
            hash,
            inflater: Decompressor::new(),
            recent: HashMap::new(),
            recent_bytes: 0,
            room,
        }
    }

    /// Reads an object; `None` if it is not there.
    pub(super) fn read(&mut self, id: &oid) -> Result<Option<Object>, Damage> {
        for store in &self.stores {
            let path = loose::path(store, id);
            match Loose::open(&path) {
                Ok(object) if object.size > self.room => return Err(Damage::TooLarge),
                Ok(object) => {
                    let kind = object.kind;
                    let bytes = object.bytes().map_err(|_| Damage::Loose)?;
                    return Ok(Some((kind, Arc::new(bytes))));
                }
                Err(e) if e.kind() == std::io::ErrorKind::NotFound => {}
                Err(_) => return Err(Damage::Loose),
            }
        }
        let Some((at, offset)) = self.find(id) else { return Ok(None) };
        self.make(at, offset).map(Some)
    }

    /// Returns the one object whose name begins with `hex`, if there is one.
    pub(super) fn by_prefix(&self, hex: &str) -> Option<ObjectId> {
        let prefix = gix_hash::Prefix::from_hex(hex).ok()?;
        let mut found: Vec<ObjectId> = Vec::new();
        for at in 0..self.packs.len() {
            found.extend(self.pack(at).into_iter().flat_map(|pack| pack.named(prefix)));
        }
        for store in &self.stores {
            let all = loose::list(store, self.hash);
            found.extend(all.into_iter().filter(|id| prefix.cmp_oid(id).is_eq()));
        }
        found.sort_unstable();
        found.dedup();
        if let [one] = found[..] { Some(one) } else { None }
    }

    fn pack(&self, at: usize) -> Option<&Pack> {
        let (path, pack) = &self.packs[at];
        pack.get_or_init(|| Pack::open(path, self.hash).ok()).as_ref()
    }

    /// Says whether there is an object of this name, whatever its state.
    pub(super) fn has(&self, id: &oid) -> bool {
        self.stores.iter().any(|store| loose::path(store, id).exists()) || self.find(id).is_some()
    }

    fn find(&self, id: &oid) -> Option<(usize, u64)> {
        (0..self.packs.len()).find_map(|at| Some((at, self.pack(at)?.find(id)?)))
    }

    /// Makes the object at `offset` of a pack: down to what is no delta, or was made lately, and up again.
    fn make(&mut self, at: usize, offset: u64) -> Result<Object, Damage> {
        let mut deltas = Vec::new();
        let mut offset = offset;
        let (kind, mut bytes) = loop {
            if let Some((kind, bytes)) = self.recent.get(&(at, offset)) {
                break (*kind, Arc::clone(bytes));
            }
            let entry = self.pack(at).ok_or(Damage::NoBase)?.view(0).entry(offset)?;
            if entry.size > self.room || deltas.len() > MAX_CHAIN {
                return Err(Damage::TooLarge);
            }
            let base = match entry.made {
                Made::Whole(kind) => {
                    let bytes = Arc::new(self.inflate(at, offset)?);
                    self.remember(at, offset, kind, &bytes);
                    break (kind, bytes);
                }
                Made::At(base) => base,
                Made::Of(id) => self.pack(at).and_then(|pack| pack.find(&id)).ok_or(Damage::NoBase)?,
            };
            deltas.push(offset);
            offset = base;
        };
        for offset in deltas.into_iter().rev() {
            let delta = self.inflate(at, offset)?;
            if delta::result_len(&delta)? > self.room {
                return Err(Damage::TooLarge);
            }
            let mut made = Vec::new();
            delta::apply(&bytes, &delta, &mut made, &mut Vec::new())?;
            bytes = Arc::new(made);
            self.remember(at, offset, kind, &bytes);
        }
        Ok((kind, bytes))
    }

    fn inflate(&mut self, at: usize, offset: u64) -> Result<Vec<u8>, Damage> {
        let pack = self.packs[at].1.get().and_then(Option::as_ref).ok_or(Damage::NoBase)?;
        let mut out = Vec::new();
        let view = pack.view(0);
        let entry = view.entry(offset)?;
        view.inflate(&entry, view.end(), &mut self.inflater, &mut out)?;
        Ok(out)
    }

    fn remember(&mut self, at: usize, offset: u64, kind: Kind, bytes: &Arc<Vec<u8>>) {
        if self.recent_bytes + bytes.len() > RECENT_BYTES {
            self.recent.clear();
            self.recent_bytes = 0;
        }
        if bytes.len() <= RECENT_BYTES / 8 {
            self.recent_bytes += bytes.len();
            self.recent.insert((at, offset), (kind, Arc::clone(bytes)));
        }
    }
}

/// Lists the indexes of the packs in `stores`.
pub(super) fn packs_in(stores: &[PathBuf]) -> Vec<PathBuf> {
    let mut packs = Vec::new();
    for store in stores {
        let entries = fs::read_dir(store.join("pack")).into_iter().flatten().flatten();
        let mut here: Vec<PathBuf> =
            entries.map(|entry| entry.path()).filter(|path| is_index(path)).collect();
        here.sort_unstable();
        packs.extend(here);
    }
    packs
}

fn is_index(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "idx")
}

/// Enough for the trees of a large directory's versions.
const RECENT_BYTES: usize = 32 << 20;
/// Git makes chains of at most 4095; a longer one is a circle.
const MAX_CHAIN: usize = 4095;
