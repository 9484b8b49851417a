//! The data directory and its files: names, modes, kinds, filesystem.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::statfs;

use super::StoreError;

/// The file of consumers, keys, the change log and the audit log.
pub const STORE_FILE: &str = "kgate.redb";
/// The file of usage.
pub const USAGE_FILE: &str = "usage.redb";
/// The file that the serving process locks, so that a second one notices.
pub const LOCK_FILE: &str = "serve.lock";

/// What every redb file starts with.
pub(super) const MAGIC: [u8; 9] = *b"redb\x1a\x0a\xa9\x0d\x0a";
/// The header: magic, flags and the two commit slots.
pub(super) const HEADER_LEN: usize = 320;

/// Turns an error of the system into the situation it is.
pub(super) fn io_fault(path: &Path, error: io::Error) -> StoreError {
    let path = path.to_owned();
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StoreError::DiskFull { path }
        }
        // A page that the header says is there, and is not.
        ErrorKind::UnexpectedEof => {
            StoreError::Truncated { path, problem: "a part of it is missing".to_owned() }
        }
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            StoreError::NotWritable { path, problem: error.to_string() }
        }
        _ => StoreError::Io { path, error },
    }
}

/// Makes the data directory (0700), or takes one that is there and closes it to others.
pub(super) fn make_dir(dir: &Path) -> Result<(), StoreError> {
    let fault = |error| io_fault(dir, error);
    match DirBuilder::new().recursive(true).mode(0o700).create(dir) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            return Err(StoreError::NotWritable {
                path: dir.to_owned(),
                problem: "it is no directory".to_owned(),
            });
        }
        Err(error) => return Err(fault(error)),
    }
    let mode = fs::metadata(dir).map_err(fault)?.permissions().mode();
    if mode & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(0o700)).map_err(fault)?;
    }
    Ok(())
}

/// Refuses filesystems on which the locks or the header of one machine's writer cannot be trusted
/// to be seen by another's reader.
pub(super) fn refuse_network(dir: &Path) -> Result<(), StoreError> {
    match filesystem_of(dir) {
        Ok(Some(filesystem)) => Err(StoreError::NetworkFilesystem { dir: dir.to_owned(), filesystem }),
        // What cannot be asked will say so when it is opened.
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Returns the name of the network filesystem that `dir` is on, or `None` if it is on none.
pub(super) fn filesystem_of(dir: &Path) -> io::Result<Option<&'static str>> {
    // The magic numbers of statfs(2) and linux/magic.h; the low 32 bits, whatever the word size.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the low 32 bits are meant")]
    let magic = statfs(dir)?.f_type as u32;
    Ok(network_filesystem(magic))
}

const fn network_filesystem(magic: u32) -> Option<&'static str> {
    Some(match magic {
        0x6969 => "NFS",
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => "SMB",
        0x0102_1997 => "9P",
        0x00c3_6400 => "Ceph",
        0x5346_414f | 0x6b41_4653 => "AFS",
        0x7375_7245 => "Coda",
        0x564c => "NCP",
        0x0bd0_0bd0 => "Lustre",
        0x0116_1970 => "GFS2",
        0x7461_636f => "OCFS2",
        0x4750_4653 => "GPFS",
        0x1983_0326 => "BeeGFS",
        _ => return None,
    })
}

/// Checks that `path` is a regular file of its own that starts like a redb file.
pub(super) fn check_file(path: &Path) -> Result<(), StoreError> {
    let meta = fs::symlink_metadata(path).map_err(|error| io_fault(path, error))?;
    if !meta.is_file() {
        return Err(StoreError::NotRegular { path: path.to_owned() });
    }
    let mut header = Vec::with_capacity(HEADER_LEN);
    File::open(path)
        .and_then(|file| file.take(HEADER_LEN as u64).read_to_end(&mut header))
        .map_err(|error| io_fault(path, error))?;
    if !header.starts_with(&MAGIC[..header.len().min(MAGIC.len())]) {
        let problem = "it does not start like one".to_owned();
        return Err(StoreError::Foreign { path: path.to_owned(), problem });
    }
    if header.len() < HEADER_LEN {
        let problem = format!("it has {} bytes, less than its header", header.len());
        return Err(StoreError::Truncated { path: path.to_owned(), problem });
    }
    Ok(())
}

/// Makes a new file (0600), which must not exist.
pub(super) fn new_file(path: &Path) -> Result<File, StoreError> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600);
    options.open(path).map_err(|error| {
        if error.kind() == ErrorKind::AlreadyExists {
            StoreError::FileExists { path: path.to_owned() }
        } else {
            io_fault(path, error)
        }
    })
}

/// A name beside `path` for a file that will take its place. It contains the process id, so two
/// processes do not meet; a leftover of a dead process with the same id is removed.
pub(super) fn beside(path: &Path) -> Result<PathBuf, StoreError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".new-{}", std::process::id()));
    let beside = path.with_file_name(name);
    let parent = parent_of(path);
    // The fault is the directory's, whose name was typed, not that of a file nobody knows.
    parent.metadata().map_err(|error| io_fault(parent, error))?;
    match fs::remove_file(&beside) {
        Ok(()) => Ok(beside),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(beside),
        Err(error) => Err(io_fault(&beside, error)),
    }
}

/// Returns the directory that holds `path`.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Syncs the directory that holds `path`, so that a new name survives a power loss.
pub(super) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    let parent = parent_of(path);
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(|error| io_fault(parent, error))
}

/// Gives the finished file `from` the name `to`, which nothing may have.
pub(super) fn name_new(from: &Path, to: &Path) -> Result<(), StoreError> {
    // A hard link fails if the name is taken, where a rename would replace it.
    let linked = fs::hard_link(from, to);
    let _ = fs::remove_file(from);
    match linked {
        Ok(()) => sync_parent(to),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(StoreError::FileExists { path: to.to_owned() })
        }
        Err(error) => Err(io_fault(to, error)),
    }
}

/// Replaces `path` with `bytes` as a whole.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), StoreError> {
    let beside = beside(path)?;
    let written =
        new_file(&beside).and_then(|mut file| file.write_all(bytes).map_err(|e| io_fault(&beside, e)));
    written.and_then(|()| fs::rename(&beside, path).map_err(|error| io_fault(path, error))).inspect_err(
        |_| {
            let _ = fs::remove_file(&beside);
        },
    )
}
