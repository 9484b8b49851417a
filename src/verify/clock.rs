//! The one place that reads clocks for decisions: wall time for what is stored, monotonic time for
//! rates.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::key::Timestamp;
use crate::policy::Now;

/// Reads both clocks of the machine. Copies of one clock share its origin.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    origin: Instant,
}

impl Clock {
    /// Starts a clock: its monotonic time counts from here.
    #[allow(clippy::disallowed_methods, reason = "this is the edge that owns the clocks")]
    pub fn start() -> Self {
        Self { origin: Instant::now() }
    }

    /// Returns the time of both clocks: two vDSO reads, some 40 ns, no system call.
    pub fn now(&self) -> Now {
        let mono = u64::try_from(self.elapsed().as_nanos()).unwrap_or(u64::MAX);
        Now { wall: wall(), mono }
    }

    /// Returns the monotonic time since this clock was started.
    #[allow(clippy::disallowed_methods, reason = "this is the edge that owns the clocks")]
    pub fn elapsed(&self) -> Duration {
        Instant::now().saturating_duration_since(self.origin)
    }
}

/// Returns the wall clock's time, which may jump.
#[allow(clippy::disallowed_methods, reason = "this is the edge that owns the clocks")]
pub fn wall() -> Timestamp {
    let millis = |d: Duration| i64::try_from(d.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millis(match SystemTime::now().duration_since(UNIX_EPOCH) {
        Ok(after) => millis(after),
        // A clock before 1970: nothing has begun and nothing has expired.
        Err(before) => millis(before.duration()).saturating_neg(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn monotonic_time_never_goes_back() {
        let clock = Clock::start();
        let mut last = clock.now().mono;
        for _ in 0..10_000 {
            let now = clock.now().mono;
            assert!(now >= last);
            last = now;
        }
        assert!(clock.now().wall > Timestamp::from_secs(1_700_000_000));
    }
}
