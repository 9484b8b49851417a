//! The patrol: a thread that never calls redb, and so is never stuck. It notices what a request's
//! check cannot: a store file that left its path, a commit whose writer died before publishing it,
//! and requests that waited long enough.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{OpenError, Shared, lock};
use crate::store::Tag;

/// How often the patrol looks: the longest time that a store file deleted or replaced by hand goes
/// unnoticed.
pub const PATROL: Duration = Duration::from_millis(20);

/// How often it looks while requests wait: how exactly their budget is kept.
const BUSY: Duration = Duration::from_millis(5);

/// A healthy writer is between its two header writes for a sync, some milliseconds; after this long
/// it is dead or stopped.
const UNFLUSHED_FOR: Duration = Duration::from_millis(100);

pub(super) fn spawn(shared: &Arc<Shared>) -> Result<JoinHandle<()>, OpenError> {
    let shared = Arc::clone(shared);
    thread::Builder::new()
        .name("kgate-patrol".to_owned())
        .spawn(move || Patrol { shared, unflushed: None }.run())
        .map_err(OpenError::Thread)
}

struct Patrol {
    shared: Arc<Shared>,
    /// The header whose last commit is not published, and since when it looks so.
    unflushed: Option<(Tag, Duration)>,
}

impl Patrol {
    fn run(mut self) {
        while !self.shared.stop.load(Ordering::SeqCst) {
            let waiting = self.shared.waiting.load(Ordering::SeqCst) > 0;
            let pause = if waiting { BUSY } else { PATROL };
            drop(
                self.shared
                    .patrol_wanted
                    .wait_timeout(lock(&self.shared.patrol), pause)
                    .unwrap_or_else(PoisonError::into_inner),
            );
            if self.shared.waiting.load(Ordering::SeqCst) > 0 {
                // Nothing ended, but everyone who waits looks at the clock.
                self.shared.ended.send_modify(|_| {});
            }
            self.look();
        }
    }

    fn look(&mut self) {
        let shared = &self.shared;
        let snapshot = shared.snapshot.load_full();
        let Some(snapshot) = snapshot else {
            shared.ask();
            return;
        };
        if snapshot.signal.check_place().is_err() {
            // The refresher finds out what is there instead, and says so.
            shared.distrust(Some(&snapshot));
            shared.ask();
            return;
        }
        let tag = snapshot.signal.read();
        let is_behind = !matches!(tag, Ok(tag) if tag == snapshot.tag);
        {
            let mut since = lock(&shared.behind_since);
            // A new snapshot starts the clock again: under a stream of commits each is behind at once.
            *since = is_behind.then(|| match *since {
                Some((of, at)) if of == snapshot.tag => (of, at),
                _ => (snapshot.tag, shared.clock.elapsed()),
            });
        }
        if !is_behind {
            *lock(&shared.current_at) = shared.clock.elapsed();
        }
        if is_behind || shared.ended.borrow().failure.is_some() {
            shared.ask();
        }
        if let Ok(tag) = tag {
            self.look_for_unflushed(tag);
        }
    }

    fn look_for_unflushed(&mut self, tag: Tag) {
        let now = self.shared.clock.elapsed();
        match self.unflushed {
            _ if !tag.is_unflushed() => self.unflushed = None,
            Some((same, since)) if same == tag => {
                if now.saturating_sub(since) > UNFLUSHED_FOR {
                    // Not again at once: the writer may be stopped rather than dead.
                    self.unflushed = Some((tag, now));
                    lock(&self.shared.work).publish_unflushed = true;
                    self.shared.ask();
                }
            }
            _ => self.unflushed = Some((tag, now)),
        }
    }
}
