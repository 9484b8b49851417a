//! Results that may go to a file instead of standard output.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::failure::Failure;
use super::session::Session;

/// Where a result goes: standard output, or a file that appears whole or not at all.
pub(super) enum Output<'s> {
    Stdout(&'s Session),
    File(Pending),
}

/// A file being written beside its final name.
pub(super) struct Pending {
    file: BufWriter<File>,
    beside: PathBuf,
    path: PathBuf,
}

/// Who may read a new file.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    /// Its owner.
    Private,
    /// Whoever the umask lets.
    Shared,
}

impl<'s> Output<'s> {
    /// Opens the way to `path`, readable by its owner only, or to standard output.
    pub(super) fn open(path: Option<&Path>, session: &'s Session) -> Result<Self, Failure> {
        match path {
            None => Ok(Self::Stdout(session)),
            Some(path) => Ok(Self::File(Pending::create(path, Mode::Private)?)),
        }
    }

    /// Says whether a person reads it now.
    pub(super) fn is_stdout(&self) -> bool {
        matches!(self, Self::Stdout(_))
    }

    /// Returns what failing to write is to the user.
    pub(super) fn failure(&self, error: &io::Error) -> Failure {
        match self {
            Self::Stdout(_) => Failure::stdout(error),
            Self::File(pending) => cannot_write(&pending.path, error),
        }
    }

    /// Puts the file in its place.
    pub(super) fn finish(self) -> Result<(), Failure> {
        match self {
            Self::Stdout(session) => session.ui.flush(),
            Self::File(pending) => pending.publish(),
        }
    }
}

impl Write for Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Stdout(session) => session.ui.write(bytes),
            Self::File(pending) => pending.file.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Stdout(_) => Ok(()),
            Self::File(pending) => pending.file.flush(),
        }
    }
}

/// Replaces the file at `path` by what `write` writes, whole or not at all.
pub(super) fn replace(
    path: &Path,
    mode: Mode,
    write: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> Result<(), Failure> {
    let mut pending = Pending::create(path, mode)?;
    write(&mut pending.file).map_err(|e| cannot_write(path, &e))?;
    pending.publish()
}

impl Pending {
    fn create(path: &Path, mode: Mode) -> Result<Self, Failure> {
        let Some(name) = path.file_name() else {
            return Err(Failure::cannot(format!("{} is not the name of a file", path.display())));
        };
        if path.symlink_metadata().is_ok_and(|found| !found.is_file() && !found.is_symlink()) {
            return Err(Failure::cannot(format!("{} is there and not a file", path.display())));
        }
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}", std::process::id()));
        let beside = path.with_file_name(beside);
        let bits = if mode == Mode::Private { 0o600 } else { 0o666 };
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(bits)
            .open(&beside)
            .map_err(|e| cannot_write(path, &e))?;
        Ok(Self { file: BufWriter::with_capacity(1 << 16, file), beside, path: path.to_owned() })
    }

    fn publish(mut self) -> Result<(), Failure> {
        let done = self
            .file
            .flush()
            .and_then(|()| self.file.get_ref().sync_all())
            .and_then(|()| fs::rename(&self.beside, &self.path));
        done.map_err(|e| cannot_write(&self.path, &e))
    }
}

/// What was not published leaves nothing behind.
impl Drop for Pending {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.beside);
    }
}

fn cannot_write(path: &Path, error: &io::Error) -> Failure {
    Failure::cannot(format!("cannot write {}", path.display())).because(error)
}
