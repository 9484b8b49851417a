//! Connections to backends between two requests, of those that are forwarded [plainly](super::plain). They
//! wait with their worker, and one look a second at all of them finds who was closed or is idle too long.
//! Pingora's pool makes a task, a channel and a lock for each request to the same end.

use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::Duration;

use pingora::Result;
use pingora::connectors::{ConnectorOptions, TransportConnector};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead, ReadBuf};

use super::alarm::Alarm;
use super::upstream::Endpoint;
use crate::verify::Clock;

/// The idle connections of one worker.
pub(super) struct Links {
    connector: TransportConnector,
    clock: Clock,
    idle: Mutex<Idle<Link>>,
}

/// A connection to a backend, and how long is waited for it.
pub(super) struct Link {
    pub(super) stream: Stream,
    pub(super) alarm: Alarm,
}

impl Links {
    /// `most` is how many may be idle.
    pub(super) fn new(clock: Clock, most: usize) -> Self {
        let connector = TransportConnector::new(Some(ConnectorOptions::new(0)));
        Self { connector, clock, idle: Mutex::new(Idle::new(most)) }
    }

    /// Takes the connection to a server that was used last, or opens one, and has its alarm go off after
    /// `pause`. Says whether it was used before.
    ///
    /// # Errors
    /// It cannot be connected to.
    pub(super) async fn to(&self, endpoint: &Endpoint, pause: Duration) -> Result<(Link, bool)> {
        let now = self.now();
        loop {
            let Some(mut kept) = self.idle().take(endpoint.id()) else { break };
            if now < kept.until && kept.link.is_open() {
                kept.link.alarm.set(pause);
                return Ok((kept.link, true));
            }
        }
        let stream = self.connector.new_stream(endpoint.peer()).await?;
        Ok((Link { stream, alarm: Alarm::after(pause) }, false))
    }

    /// Keeps a connection that may be used again.
    pub(super) fn keep(&self, endpoint: &Endpoint, link: Link) {
        let since = self.now();
        let lasts = endpoint.peer().options.idle_timeout.map_or(u64::MAX, nanos);
        let kept = Kept { link, since, until: since.saturating_add(lasts) };
        let _one_too_many = self.idle().keep(endpoint.id(), kept);
    }

    /// Closes what is of no more use, again and again, until it is dropped.
    pub(super) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let now = self.now();
            self.idle().keep_only(|kept| now < kept.until && kept.link.is_open());
        }
    }

    fn now(&self) -> u64 {
        nanos(self.clock.elapsed())
    }

    /// Held for moments, and by its worker's one thread.
    fn idle(&self) -> MutexGuard<'_, Idle<Link>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    /// Says whether nothing has come: not the end, nor an answer nobody asked for, after which it is not to be
    /// trusted.
    fn is_open(&mut self) -> bool {
        let mut byte = [0];
        let mut context = Context::from_waker(Waker::noop());
        Pin::new(&mut self.stream).poll_read(&mut context, &mut ReadBuf::new(&mut byte)).is_pending()
    }
}

/// Connections nobody uses.
struct Idle<L> {
    /// By [`Endpoint::id`], the longest idle first. Empty lists go at the next look at all of them.
    lists: BTreeMap<u64, Vec<Kept<L>>>,
    count: usize,
    most: usize,
}

struct Kept<L> {
    link: L,
    /// When it became idle, and when it will have been for too long, monotonic nanoseconds.
    since: u64,
    until: u64,
}

impl<L> Idle<L> {
    fn new(most: usize) -> Self {
        Self { lists: BTreeMap::new(), count: 0, most }
    }

    /// Takes the one that was used last: the others can then grow old.
    fn take(&mut self, id: u64) -> Option<Kept<L>> {
        let kept = self.lists.get_mut(&id)?.pop()?;
        self.count -= 1;
        Some(kept)
    }

    /// Adds one. Returns the one that is then too many, which is the longest idle of all.
    fn keep(&mut self, id: u64, kept: Kept<L>) -> Option<Kept<L>> {
        self.lists.entry(id).or_default().push(kept);
        self.count += 1;
        if self.count <= self.most {
            return None;
        }
        let lists = self.lists.values_mut().filter(|list| !list.is_empty());
        let oldest = lists.min_by_key(|list| list[0].since)?;
        self.count -= 1;
        Some(oldest.remove(0))
    }

    fn keep_only(&mut self, mut is_of_use: impl FnMut(&mut Kept<L>) -> bool) {
        self.lists.retain(|_, list| {
            list.retain_mut(&mut is_of_use);
            !list.is_empty()
        });
        self.count = self.lists.values().map(Vec::len).sum();
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// What was closed holds a descriptor for so long, unless it is looked at before.
const LOOK_EVERY: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    fn kept(link: char, since: u64) -> Kept<char> {
        Kept { link, since, until: since + 10 }
    }

    fn taken(idle: &mut Idle<char>, id: u64) -> String {
        std::iter::from_fn(|| idle.take(id)).map(|kept| kept.link).collect()
    }

    #[test]
    fn who_was_used_last_is_used_next_and_only_for_its_own_server() {
        let mut idle = Idle::new(10);
        for (id, link, since) in [(1, 'a', 1), (2, 'x', 2), (1, 'b', 3)] {
            assert!(idle.keep(id, kept(link, since)).is_none());
        }
        assert_eq!(taken(&mut idle, 1), "ba");
        assert_eq!(taken(&mut idle, 3), "");
        assert_eq!((taken(&mut idle, 2), idle.count), ("x".to_owned(), 0));
    }

    #[test]
    fn one_too_many_costs_the_longest_idle_of_all_servers() {
        let mut idle = Idle::new(2);
        assert!(idle.keep(1, kept('a', 1)).is_none());
        assert!(idle.keep(2, kept('x', 2)).is_none());
        assert_eq!(idle.keep(2, kept('y', 3)).map(|kept| kept.link), Some('a'));
        assert_eq!((taken(&mut idle, 1), taken(&mut idle, 2)), (String::new(), "yx".to_owned()));
        assert!(idle.keep(2, kept('z', 4)).is_none(), "an empty list is nobody's oldest");
        let mut none = Idle::new(0);
        assert!(none.keep(1, kept('a', 1)).is_some() && none.take(1).is_none());
    }

    #[test]
    fn what_is_of_no_use_is_dropped_and_no_longer_counted() {
        let mut idle = Idle::new(10);
        for (id, since) in [(1, 1), (1, 5), (2, 2), (3, 9)] {
            idle.keep(id, kept('a', since));
        }
        idle.keep_only(|kept| 12 < kept.until);
        assert_eq!((idle.count, idle.lists.keys().copied().collect::<Vec<_>>()), (2, vec![1, 3]));
    }
}
