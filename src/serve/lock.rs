//! One serving process a data directory: rates are counted in memory, so a second process would let
//! twice as much through.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::store::LOCK_FILE;

/// Held while serving; the kernel lets go of it however the process ends.
#[derive(Debug)]
pub(super) struct ServeLock {
    file: File,
}

/// Who else serves the directory.
#[derive(Debug)]
pub(super) enum Taken {
    /// A process that wants it alone, or shares it with others; its id, if it wrote it.
    By(Option<u32>),
    /// The lock file cannot be used.
    Io(io::Error),
}

impl ServeLock {
    /// Takes the directory alone, or (`is_shared`) together with others that share it.
    pub(super) fn take(dir: &Path, is_shared: bool) -> Result<Self, Taken> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        // Never follows a link to somebody else's file.
        options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
        let mut file = options.open(dir.join(LOCK_FILE)).map_err(Taken::Io)?;
        let operation = if is_shared {
            FlockOperation::NonBlockingLockShared
        } else {
            FlockOperation::NonBlockingLockExclusive
        };
        match flock(&file, operation) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Taken::By(holder(&mut file))),
            Err(error) => return Err(Taken::Io(error.into())),
        }
        sign(&mut file);
        Ok(Self { file })
    }

    /// Goes on holding a lock that another process took and handed over. The name in it stays that of the other one
    /// until [`ServeLock::sign`].
    pub(super) fn inherited(file: File) -> Self {
        Self { file }
    }

    /// Says that this process holds it.
    pub(super) fn sign(&mut self) {
        sign(&mut self.file);
    }

    /// Returns a copy to be handed over: the lock is held until all copies are closed.
    pub(super) fn copy(&self) -> io::Result<File> {
        self.file.try_clone()
    }
}

/// Says who holds it, for the message of the next one; no harm if it cannot be written.
fn sign(file: &mut File) {
    let _ = file
        .set_len(0)
        .and_then(|()| file.seek(SeekFrom::Start(0)))
        .and_then(|_| writeln!(file, "{}", std::process::id()));
}

fn holder(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_alone_or_several_that_share() {
        let dir = tempfile::tempdir().unwrap();
        let alone = ServeLock::take(dir.path(), false).unwrap();
        for is_shared in [false, true] {
            let taken = ServeLock::take(dir.path(), is_shared).unwrap_err();
            assert!(matches!(taken, Taken::By(Some(pid)) if pid == std::process::id()), "{taken:?}");
        }
        drop(alone);
        // A process that another test is just starting has every file of this one until it executes.
        let in_the_end = |is_shared| {
            (0..6000).find_map(|_| {
                let taken = ServeLock::take(dir.path(), is_shared).ok();
                if taken.is_none() {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                taken
            })
        };
        let one = in_the_end(true).unwrap();
        let two = ServeLock::take(dir.path(), true).unwrap();
        assert!(ServeLock::take(dir.path(), false).is_err());
        drop((one, two));
        assert!(in_the_end(false).is_some());
    }
}
