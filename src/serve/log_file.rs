//! A log file that is put aside when it is large or old, and opened anew when its path leads elsewhere:
//! `logrotate` moves it and sends a signal.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use crate::config::Rotation;
use crate::key::Timestamp;

/// The open file.
pub(super) struct LogFile {
    path: PathBuf,
    rotation: Rotation,
    open: Open,
}

struct Open {
    file: File,
    /// Device and inode; `None` for a pipe, a terminal or a device, which are never put aside.
    inode: Option<(u64, u64)>,
    size: u64,
    began: Timestamp,
}

impl LogFile {
    /// Opens the file to append, and makes it with mode 0600 if it is not there.
    pub(super) fn open(path: &Path, rotation: Rotation, now: Timestamp) -> io::Result<Self> {
        Ok(Self { path: path.to_owned(), rotation, open: Open::at(path, now)? })
    }

    /// Opens whatever is at the path now. If that fails the old file stays open.
    pub(super) fn reopen(&mut self, now: Timestamp) -> io::Result<()> {
        self.open = Open::at(&self.path, now)?;
        Ok(())
    }

    /// Returns how many bytes of `lines` fit into one file: whole lines, and one at least.
    pub(super) fn fitting(&self, lines: &[u8]) -> usize {
        let is_file = self.open.inode.is_some();
        let Some(max) = self.rotation.max_size.filter(|_| is_file) else { return lines.len() };
        let room = |size: u64| usize::try_from(max.saturating_sub(size)).unwrap_or(usize::MAX);
        let whole = |room: usize| {
            let within = &lines[..room.min(lines.len())];
            within.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1)
        };
        let first = || lines.iter().position(|byte| *byte == b'\n').map_or(lines.len(), |end| end + 1);
        // What does not fit into the rest of this file is for the next one.
        whole(room(self.open.size)).or_else(|| whole(room(0))).unwrap_or_else(first)
    }

    /// Puts the file aside if `more` bytes would make it too large, or it is too old.
    ///
    /// # Errors
    /// What was open before stays open.
    pub(super) fn rotate_for(&mut self, more: usize, now: Timestamp) -> io::Result<()> {
        let Some(inode) = self.open.inode.filter(|_| self.open.size > 0) else { return Ok(()) };
        let is_large = self.rotation.max_size.is_some_and(|max| self.open.size + more as u64 > max);
        let is_old = self.rotation.max_age.is_some_and(|age| now.since(self.open.began) > age);
        if !is_large && !is_old {
            return Ok(());
        }
        // Another process that writes to it may have done so already.
        if fs::symlink_metadata(&self.path).is_ok_and(|meta| inode_of(&meta) == Some(inode)) {
            self.put_aside()?;
        }
        self.reopen(now)
    }

    /// Moves `FILE` to `FILE.1`, what was there to `FILE.2`, and so on; the last one goes.
    fn put_aside(&self) -> io::Result<()> {
        let keep = self.rotation.keep;
        if keep == 0 {
            return fs::remove_file(&self.path);
        }
        for number in (1..keep).rev() {
            match fs::rename(self.aside(number), self.aside(number + 1)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
        fs::rename(&self.path, self.aside(1))
    }

    fn aside(&self, number: u32) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

impl Open {
    fn at(path: &Path, now: Timestamp) -> io::Result<Self> {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let meta = file.metadata()?;
        Ok(Self { inode: inode_of(&meta), size: meta.len(), began: began(&meta).unwrap_or(now), file })
    }
}

impl Write for LogFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.open.file.write(bytes)?;
        self.open.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.open.file.flush()
    }
}

fn inode_of(meta: &Metadata) -> Option<(u64, u64)> {
    meta.is_file().then(|| (meta.dev(), meta.ino()))
}

/// When a file was made, where the filesystem knows; else it counts as new.
fn began(meta: &Metadata) -> Option<Timestamp> {
    let since = meta.created().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Timestamp::from_millis(i64::try_from(since.as_millis()).ok()?))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    const LARGE: Rotation = Rotation { max_size: Some(100), max_age: None, keep: 2 };

    fn wall() -> Timestamp {
        crate::verify::wall()
    }

    fn read(path: &Path, suffix: &str) -> Option<String> {
        fs::read_to_string(format!("{}{suffix}", path.display())).ok()
    }

    #[test]
    fn a_large_file_is_put_aside_and_so_many_are_kept_for_the_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let mut log = LogFile::open(&path, LARGE, wall()).unwrap();
        for n in 0..8 {
            let line = format!("{n}{}\n", "x".repeat(58));
            log.rotate_for(line.len(), wall()).unwrap();
            log.write_all(line.as_bytes()).unwrap();
        }
        assert!(read(&path, "").unwrap().starts_with('7'));
        assert!(read(&path, ".1").unwrap().starts_with('6'));
        assert!(read(&path, ".2").unwrap().starts_with('5'));
        assert_eq!(read(&path, ".3"), None);
        for suffix in ["", ".1", ".2"] {
            let mode = fs::metadata(format!("{}{suffix}", path.display())).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn a_batch_is_cut_at_line_ends_so_that_no_file_is_too_large() {
        let dir = tempfile::tempdir().unwrap();
        let mut log = LogFile::open(&dir.path().join("access.log"), LARGE, wall()).unwrap();
        let lines = "123456789\n".repeat(25);
        assert_eq!(log.fitting(lines.as_bytes()), 100);
        log.write_all(b"half a file of fifty-two bytes and a bit, in one line\n").unwrap();
        assert_eq!(log.fitting(lines.as_bytes()), 40);
        let wide = "x".repeat(70) + "\n" + &lines;
        assert_eq!(log.fitting(wide.as_bytes()), 91, "for the next file");
        assert_eq!(log.fitting(("x".repeat(150) + "\nrest\n").as_bytes()), 151, "too wide for any");
    }

    #[test]
    fn an_old_file_is_put_aside_with_the_next_line_even_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let rotation = Rotation { max_size: None, max_age: Some(Duration::from_hours(1)), keep: 1 };
        let begun = wall();
        LogFile::open(&path, rotation, begun).unwrap().write_all(b"old\n").unwrap();
        let mut log = LogFile::open(&path, rotation, begun).unwrap();
        log.rotate_for(4, begun.plus(Duration::from_mins(59))).unwrap();
        assert_eq!(read(&path, ".1"), None);
        log.rotate_for(4, begun.plus(Duration::from_mins(61))).unwrap();
        assert_eq!((read(&path, "").as_deref(), read(&path, ".1").as_deref()), (Some(""), Some("old\n")));
    }

    #[test]
    fn a_file_moved_away_is_written_until_it_is_opened_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("access.log");
        let mut log = LogFile::open(&path, LARGE, wall()).unwrap();
        log.write_all(b"one\n").unwrap();
        fs::rename(&path, dir.path().join("moved")).unwrap();
        log.write_all(b"two\n").unwrap();
        log.reopen(wall()).unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(fs::read(dir.path().join("moved")).unwrap(), b"one\ntwo\n");
        assert_eq!(read(&path, "").unwrap(), "three\n");
        // What another process put aside meanwhile is not put aside again.
        log.write_all(&[b'x'; 100]).unwrap();
        fs::rename(&path, dir.path().join("access.log.1")).unwrap();
        fs::write(&path, "theirs\n").unwrap();
        log.rotate_for(50, wall()).unwrap();
        log.write_all(b"ours\n").unwrap();
        assert_eq!(read(&path, "").unwrap(), "theirs\nours\n");
        assert_eq!(read(&path, ".2"), None);
    }
}
