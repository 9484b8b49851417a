//! Making and opening a store.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use redb::backends::FileBackend;
use redb::{
    Builder, ConcurrencyMode, Database, DatabaseError, Durability, ReadOnlyDatabase, ReadTransaction,
    ReadableDatabase, WriteTransaction,
};

use super::codec::Ends;
use super::guard::{Call, Out, holders_of, streamed, watched};
use super::place::{
    STORE_FILE, USAGE_FILE, beside, check_file, io_fault, make_dir, name_new, new_file, refuse_network,
    sync_parent,
};
use super::read::Snapshot;
use super::signal::Signal;
use super::tables::{self, FORMAT, META, META_FORMAT, META_STATE, META_STORE_ID};
use super::write::Writer;
use super::{Act, Action, StoreError};

/// What a handle is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Access {
    /// Reading. Opening and closing leave the file as it is (unless a crash left it in need of repair).
    Read,
    /// Reading and writing.
    Write,
}

/// How a store is opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// How much memory pages may take, in bytes.
    pub cache_bytes: usize,
    /// How long a call may wait for another process, and how long it may go without progress. `None`
    /// is for ever: for a thread that has nothing else to do.
    pub patience: Option<Duration>,
}

impl Default for Options {
    /// 32 MiB (redb's own default is 1 GiB) and 5 seconds.
    fn default() -> Self {
        Self { cache_bytes: 32 << 20, patience: Some(Duration::from_secs(5)) }
    }
}

/// An open store. Clones share it; calls from several threads are fine.
#[derive(Clone)]
pub struct Store {
    file: Arc<DbFile>,
    dir: Arc<PathBuf>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.dir.display())
    }
}

impl Store {
    /// Says whether there is a store in `dir`, whatever its state.
    pub fn exists(dir: &Path) -> bool {
        dir.join(STORE_FILE).symlink_metadata().is_ok()
    }

    /// Makes a store in `dir`, which is created (0700) if it does not exist, and opens it for writing.
    ///
    /// # Errors
    /// [`StoreError::AlreadyThere`]; those of the system.
    pub fn create(dir: &Path, options: &Options, act: &Act, rng: &mut impl Rng) -> Result<Self, StoreError> {
        let mut store_id = [0; 16];
        rng.fill_bytes(&mut store_id);
        make_dir(dir)?;
        refuse_network(dir)?;
        let path = dir.join(STORE_FILE);
        if Self::exists(dir) {
            return Err(StoreError::AlreadyThere { dir: dir.to_owned() });
        }
        // Made whole under another name first, so that no half-made store is ever found.
        let beside = beside(&path)?;
        let act = act.clone();
        let made = beside.clone();
        let call = call(&beside, "making the store", options);
        watched(&call, move |_| make_store_file(&made, &store_id, &act)).inspect_err(|_| {
            let _ = std::fs::remove_file(&beside);
        })?;
        name_new(&beside, &path).map_err(|error| match error {
            StoreError::FileExists { .. } => StoreError::AlreadyThere { dir: dir.to_owned() },
            other => other,
        })?;
        ensure_usage_file(dir, options)?;
        Self::open(dir, Access::Write, options)
    }

    /// Opens the store in `dir`.
    ///
    /// # Errors
    /// [`StoreError::NoStore`], [`StoreError::Foreign`], [`StoreError::Truncated`],
    /// [`StoreError::Corrupted`], [`StoreError::TooNew`], [`StoreError::TooOld`],
    /// [`StoreError::NotRegular`], [`StoreError::NetworkFilesystem`], [`StoreError::Held`] and those
    /// of the system.
    pub fn open(dir: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        let store = Self::open_any_format(dir, access, options)?;
        let path = dir.join(STORE_FILE);
        match store.reading(|snapshot, _: &mut Out<'_, ()>| snapshot.format(), &mut |()| true)? {
            FORMAT => Ok(store),
            found if found > FORMAT => Err(StoreError::TooNew { path, found, known: FORMAT }),
            found => Err(StoreError::TooOld { path, found, known: FORMAT }),
        }
    }

    /// Opens the store without looking at its format, for migrations and the doctor.
    pub(super) fn open_any_format(dir: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        if !Self::exists(dir) {
            return Err(StoreError::NoStore { dir: dir.to_owned() });
        }
        refuse_network(dir)?;
        let file = DbFile::open(&dir.join(STORE_FILE), access, options)?;
        Ok(Self { file: Arc::new(file), dir: Arc::new(dir.to_owned()) })
    }

    /// Returns the data directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Says whether the path still leads to the file that is open: a restore by rename changes it.
    pub fn is_in_place(&self) -> bool {
        self.file.is_in_place()
    }

    /// Closes the handle, waiting no longer than its patience. Dropping it does the same silently.
    /// While clones live, the file stays open.
    ///
    /// # Errors
    /// [`StoreError::Held`] and those of the disk. Whatever was acknowledged before is safe.
    pub fn close(self) -> Result<(), StoreError> {
        Arc::try_unwrap(self.file).map_or(Ok(()), |mut file| file.shut())
    }

    pub(super) fn path(&self) -> &Path {
        &self.file.path
    }

    pub(super) fn file(&self) -> &Arc<DbFile> {
        &self.file
    }

    /// Runs `job` on the store as it is at one moment, under the watchdog.
    pub(super) fn reading<T: Send + 'static, R: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot, &mut Out<'_, T>) -> Result<R, StoreError> + Send + 'static,
        each: &mut dyn FnMut(T) -> bool,
    ) -> Result<R, StoreError> {
        let file = self.file.clone();
        let read = move |_: &_, out: &mut Out<'_, T>| {
            let snapshot = Snapshot::new(file.begin_read()?, file.path.clone());
            job(&snapshot, out)
        };
        streamed(&self.file.call("reading", Vec::new()), read, each)
    }

    /// Runs `job` on the store as it is at one moment, under the watchdog.
    pub(super) fn read<R: Send + 'static>(
        &self,
        job: impl FnOnce(&Snapshot) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        self.reading(move |snapshot, _: &mut Out<'_, ()>| job(snapshot), &mut |()| true)
    }

    /// Runs `job` in a write transaction under the watchdog, and commits if it changed anything.
    pub(super) fn write<R: Send + 'static>(
        &self,
        action: &'static str,
        subjects: Vec<String>,
        job: impl FnOnce(&mut Writer<'_>) -> Result<R, StoreError> + Send + 'static,
    ) -> Result<R, StoreError> {
        let file = self.file.clone();
        let call = self.file.call(action, subjects);
        let inner = call.clone();
        watched(&call, move |gate| {
            let txn = file.begin_write()?;
            let mut writer = Writer::new(&txn, &file.path)?;
            let result = job(&mut writer)?;
            let Some(ends) = writer.finish()? else {
                txn.abort().map_err(|error| fault(&file.path, error))?;
                return Ok(result);
            };
            if !gate.enter_commit() {
                // The caller gave up and was told that nothing happens.
                return Err(StoreError::Held { waited: Duration::ZERO, holders: Vec::new() });
            }
            txn.commit().map_err(|error| commit_fault(&file.path, &inner, error, &ends))?;
            Ok(result)
        })
    }
}

/// One open redb file.
pub(super) struct DbFile {
    path: PathBuf,
    access: Access,
    options: Options,
    /// The file that was there when it was opened: device and inode.
    identity: Option<(u64, u64)>,
    /// `None` once closed.
    db: Option<Db>,
}

enum Db {
    Read(ReadOnlyDatabase),
    Write(Database),
}

impl DbFile {
    pub(super) fn open(path: &Path, access: Access, options: &Options) -> Result<Self, StoreError> {
        check_file(path)?;
        let identity = identity(path);
        let (wanted, options) = (path.to_owned(), *options);
        let db = watched(&call(path, "opening the store", &options), move |_| {
            open_db(&wanted, access, options.cache_bytes)
        })?;
        Ok(Self { path: path.to_owned(), access, options, identity, db: Some(db) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Says whether the path still leads to the file that is open.
    pub(super) fn is_in_place(&self) -> bool {
        self.identity.is_some() && identity(&self.path) == self.identity
    }

    pub(super) fn call(&self, action: &'static str, subjects: Vec<String>) -> Call {
        Call { subjects, ..call(&self.path, action, &self.options) }
    }

    fn db(&self) -> &Db {
        self.db.as_ref().expect("only close and drop take it")
    }

    pub(super) fn begin_read(&self) -> Result<ReadTransaction, StoreError> {
        match self.db() {
            Db::Read(db) => db.begin_read(),
            Db::Write(db) => db.begin_read(),
        }
        .map_err(|error| fault(&self.path, error))
    }

    pub(super) fn begin_write(&self) -> Result<WriteTransaction, StoreError> {
        let mut txn = self.writable()?.begin_write().map_err(|error| fault(&self.path, error))?;
        txn.set_durability(Durability::Immediate).map_err(|error| fault(&self.path, error))?;
        Ok(txn)
    }

    /// Returns the database, if this handle may write.
    pub(super) fn writable(&self) -> Result<&Database, StoreError> {
        match self.db() {
            Db::Write(db) if self.access == Access::Write => Ok(db),
            _ => Err(StoreError::ReadOnly),
        }
    }

    /// Closes under the watchdog: closing commits, and so can wait for others.
    fn shut(&mut self) -> Result<(), StoreError> {
        let Some(db) = self.db.take() else { return Ok(()) };
        let path = self.path.clone();
        watched(&self.call("closing the store", Vec::new()), move |_| {
            match db {
                Db::Read(db) => db.close(),
                Db::Write(db) => db.close(),
            }
            .map_err(|error| fault(&path, error))
        })
    }
}

impl Drop for DbFile {
    fn drop(&mut self) {
        // What was acknowledged is durable already; a failure here only means a repair later.
        let _ = self.shut();
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    path.metadata().ok().map(|file| (file.dev(), file.ino()))
}

fn call(file: &Path, action: &'static str, options: &Options) -> Call {
    Call { file: file.to_owned(), action, subjects: Vec::new(), patience: options.patience }
}

pub(super) fn builder(cache_bytes: usize) -> Builder {
    let mut builder = Builder::new();
    builder.set_cache_size(cache_bytes).set_concurrency_mode(ConcurrencyMode::MultiWriter);
    builder
}

fn open_db(path: &Path, access: Access, cache_bytes: usize) -> Result<Db, StoreError> {
    let builder = builder(cache_bytes);
    if access == Access::Read {
        match builder.open_read_only(path) {
            Ok(db) => return Ok(Db::Read(db)),
            // A crash left the file in need of a repair, which takes a writer.
            Err(DatabaseError::RepairAborted) => {}
            Err(error) => return Err(fault(path, error)),
        }
    }
    builder.open(path).map(Db::Write).map_err(|error| fault(path, error))
}

fn make_store_file(path: &Path, store_id: &tables::Id, act: &Act) -> Result<(), StoreError> {
    let fail = |error: redb::Error| fault(path, error);
    let db = make_db(path, ConcurrencyMode::MultiWriter, 1 << 20)?;
    let txn = db.begin_write().map_err(|e| fail(e.into()))?;
    {
        let mut meta = txn.open_table(META).map_err(|e| fail(e.into()))?;
        let mut put = |name, value: &[u8]| meta.insert(name, value).map(drop).map_err(|e| fail(e.into()));
        put(META_FORMAT, &FORMAT.to_le_bytes())?;
        put(META_STORE_ID, store_id)?;
        put(META_STATE, &Ends::new(store_id).encode())?;
    }
    let mut writer = Writer::new(&txn, path)?;
    writer.log(act, Action::StoreCreated)?;
    writer.finish()?;
    txn.commit().map_err(|e| fail(e.into()))?;
    db.close().map_err(|e| fail(e.into()))
}

/// Makes a new redb file (0600) at `path`.
pub(super) fn make_db(
    path: &Path,
    mode: ConcurrencyMode,
    cache_bytes: usize,
) -> Result<Database, StoreError> {
    let file = new_file(path)?;
    builder(cache_bytes)
        .set_concurrency_mode(mode)
        .create_with_backend(FileBackend::new(file).map_err(|error| fault(path, error))?)
        .map_err(|error| fault(path, error))
}

/// Makes the usage file if it is not there: it may be lost without harm.
pub(super) fn ensure_usage_file(dir: &Path, options: &Options) -> Result<(), StoreError> {
    let path = dir.join(USAGE_FILE);
    if path.symlink_metadata().is_ok() {
        return Ok(());
    }
    let beside = beside(&path)?;
    let made = beside.clone();
    watched(&call(&path, "making the usage file", options), move |_| {
        let fail = |error: redb::Error| fault(&made, error);
        let db = make_db(&made, ConcurrencyMode::MultiWriter, 1 << 20)?;
        let txn = db.begin_write().map_err(|e| fail(e.into()))?;
        txn.open_table(tables::LAST_USED).map_err(|e| fail(e.into()))?;
        txn.commit().map_err(|e| fail(e.into()))?;
        db.close().map_err(|e| fail(e.into()))
    })?;
    match name_new(&beside, &path) {
        // Somebody else made it meanwhile.
        Err(StoreError::FileExists { .. }) => sync_parent(&path),
        other => other,
    }
}

/// Opens a backup for reading.
///
/// # Errors
/// Those of [`Store::open`]; [`StoreError::Corrupted`] also if it is a copy made of a store in use.
pub(super) fn open_backup(path: &Path) -> Result<Snapshot, StoreError> {
    check_file(path)?;
    let mut builder = builder(32 << 20);
    let db = builder.set_concurrency_mode(ConcurrencyMode::ExclusiveWriter).open_read_only(path);
    let db = db.map_err(|error| match error {
        DatabaseError::RepairAborted => StoreError::Corrupted {
            path: path.to_owned(),
            problem: "it was not closed properly; a plain copy of a store in use is no backup".to_owned(),
        },
        error => fault(path, error),
    })?;
    let snapshot = Snapshot::new(db.begin_read().map_err(|error| fault(path, error))?, path.to_owned());
    match snapshot.format()? {
        FORMAT => Ok(snapshot),
        found if found > FORMAT => Err(StoreError::TooNew { path: path.to_owned(), found, known: FORMAT }),
        found => Err(StoreError::TooOld { path: path.to_owned(), found, known: FORMAT }),
    }
}

/// Turns an error of redb into the situation it is.
pub(super) fn fault(path: &Path, error: impl Into<redb::Error>) -> StoreError {
    let path = path.to_owned();
    match error.into() {
        redb::Error::Io(error) => io_fault(&path, error),
        redb::Error::Corrupted(problem) if problem.contains("truncated") => {
            StoreError::Truncated { path, problem }
        }
        redb::Error::Corrupted(problem) => StoreError::Corrupted { path, problem },
        error @ (redb::Error::PreviousIo | redb::Error::LockPoisoned(_)) => {
            StoreError::Poisoned { problem: error.to_string() }
        }
        redb::Error::DatabaseAlreadyOpen | redb::Error::LockProtocolMismatch => {
            StoreError::Held { waited: Duration::ZERO, holders: holders_of(&path) }
        }
        error @ (redb::Error::TableDoesNotExist(_)
        | redb::Error::TableTypeMismatch { .. }
        | redb::Error::TableIsMultimap(_)
        | redb::Error::TypeDefinitionChanged { .. }
        | redb::Error::UpgradeRequired(_)) => StoreError::Foreign { path, problem: error.to_string() },
        error => StoreError::Corrupted { path, problem: error.to_string() },
    }
}

/// A commit that failed happened whole or not at all. If the disk was full, a second look with fresh
/// eyes usually shows that it did not happen, and then that is the answer. A header that is marked
/// unflushed shows nothing: the next writer may publish what readers do not see yet.
fn commit_fault(path: &Path, call: &Call, error: redb::CommitError, ends: &Ends) -> StoreError {
    let error = fault(path, error);
    if matches!(error, StoreError::DiskFull { .. })
        && let Ok(Db::Read(db)) = open_db(path, Access::Read, 1 << 20)
        && let Ok(txn) = db.begin_read()
        && let Ok(found) = Snapshot::new(txn, path.to_owned()).ends()
        && found.audit_hash != ends.audit_hash
        && Signal::open(path).and_then(|signal| signal.read()).is_ok_and(|tag| !tag.is_unflushed())
    {
        return error;
    }
    StoreError::OutcomeUnknown {
        action: call.action,
        subjects: call.subjects.clone(),
        problem: error.to_string(),
    }
}
