//! A deadline that moves with every request: the timer under it is moved only when it fires, or when it would
//! fire too late.

use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

/// Says when something must be over.
#[derive(Debug)]
pub(super) struct Alarm {
    at: Instant,
    /// Armed for then, or for an earlier moment.
    timer: Pin<Box<Sleep>>,
}

impl Alarm {
    /// Makes one that goes off after so long. Must be called on a runtime with a clock.
    pub(super) fn after(duration: Duration) -> Self {
        let at = now() + duration;
        Self { at, timer: Box::pin(tokio::time::sleep_until(at)) }
    }

    /// Has it go off so long from now, whatever it was set to.
    pub(super) fn set(&mut self, duration: Duration) {
        self.at = now() + duration;
    }

    /// Returns how long ago it was set to go off after so long.
    pub(super) fn age(&self, duration: Duration) -> Duration {
        (now() + duration).saturating_duration_since(self.at)
    }

    /// Ready once it is time.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.at < self.timer.deadline() {
            self.timer.as_mut().reset(self.at);
        }
        loop {
            ready!(self.timer.as_mut().poll(cx));
            if now() >= self.at {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(self.at);
        }
    }
}

/// Reads the clock of the runtime's timers: deadlines of connections are no decisions.
fn now() -> Instant {
    Instant::now()
}
