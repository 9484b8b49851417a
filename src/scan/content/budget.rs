//! Bounds what a file may expand to, however its archives are nested.

use std::cell::Cell;
use std::io::{self, Read};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Bounds;

/// What is spent on one file. Shared by all that read parts of it.
pub(super) struct Budget {
    bounds: Bounds,
    expanded: Cell<u64>,
    members: Cell<u64>,
    /// What this thread had worked when the file was begun.
    begun: Duration,
    /// Expanded bytes at which the time is looked at again.
    look: Cell<u64>,
    overrun: Cell<Option<Overrun>>,
    /// Whether the overrun was reported.
    is_said: Cell<bool>,
}

/// Why no more of a file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Overrun {
    #[error("a decompression bomb: it expands to more than {0} times its size, and was not followed")]
    Ratio(u64),
    #[error("it expands to more than {} MiB, and the rest was not read", .0 >> 20)]
    Bytes(u64),
    #[error("it has more than {0} members, and the rest were not read")]
    Members(u64),
    #[error("its archives take more than {} s to read, and the rest was not read", .0.as_secs())]
    Time(Duration),
}

impl Budget {
    pub(super) fn new(bounds: &Bounds) -> Self {
        Self {
            bounds: bounds.clone(),
            expanded: Cell::new(0),
            members: Cell::new(0),
            begun: worked(),
            look: Cell::new(LOOK),
            overrun: Cell::new(None),
            is_said: Cell::new(false),
        }
    }

    /// Returns why no more is to be read, if so.
    pub(super) fn overrun(&self) -> Option<Overrun> {
        self.overrun.get()
    }

    /// Returns why no more is to be read, once.
    pub(super) fn say_overrun(&self) -> Option<Overrun> {
        self.overrun.get().filter(|_| !self.is_said.replace(true))
    }

    /// Counts a member of an archive.
    pub(super) fn member(&self) -> Result<(), Overrun> {
        self.members.set(self.members.get() + 1);
        if self.overrun.get().is_none() && self.members.get() > self.bounds.members {
            self.overrun.set(Some(Overrun::Members(self.bounds.members)));
        }
        self.look_at_time();
        self.overrun.get().map_or(Ok(()), Err)
    }

    /// Counts `new` expanded bytes, with which `produced` were made of `consumed`.
    pub(super) fn expand(&self, new: u64, produced: u64, consumed: u64) -> Result<(), Overrun> {
        self.expanded.set(self.expanded.get() + new);
        if self.overrun.get().is_none() {
            if self.expanded.get() > self.bounds.expanded_bytes {
                self.overrun.set(Some(Overrun::Bytes(self.bounds.expanded_bytes)));
            } else if produced > self.bounds.ratio_from && produced / self.bounds.ratio > consumed {
                self.overrun.set(Some(Overrun::Ratio(self.bounds.ratio)));
            }
        }
        if self.expanded.get() >= self.look.get() {
            self.look.set(self.expanded.get() + LOOK);
            self.look_at_time();
        }
        self.overrun.get().map_or(Ok(()), Err)
    }

    fn look_at_time(&self) {
        if self.overrun.get().is_none() && worked().saturating_sub(self.begun) > self.bounds.time {
            self.overrun.set(Some(Overrun::Time(self.bounds.time)));
        }
    }
}

/// Returns the CPU time this thread has used. Not the time of day: on a busy machine, or behind a slow
/// pipe, an archive is no worse than elsewhere.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Asking for the time is a system call, so it is done once for so many expanded bytes.
const LOOK: u64 = 256 << 10;

/// Reads what a decoder expands, within the budget.
pub(super) struct Metered<'b, R> {
    decoder: R,
    budget: &'b Budget,
    /// Compressed bytes read so far.
    consumed: &'b Cell<u64>,
    produced: u64,
}

impl<'b, R> Metered<'b, R> {
    pub(super) fn new(decoder: R, budget: &'b Budget, consumed: &'b Cell<u64>) -> Self {
        Self { decoder, budget, consumed, produced: 0 }
    }
}

impl<R: Read> Read for Metered<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if let Some(overrun) = self.budget.overrun() {
            return Err(io::Error::other(overrun));
        }
        let read = self.decoder.read(into)?;
        self.produced += read as u64;
        self.budget.expand(read as u64, self.produced, self.consumed.get()).map_err(io::Error::other)?;
        Ok(read)
    }
}
