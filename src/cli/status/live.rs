//! The picture, refreshed until somebody has seen enough.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::key::Timestamp;
use crate::store::{Check, Level};

use super::super::failure::{Failure, Outcome};
use super::super::session::Session;
use super::super::ui::{Line, Tone};
use super::{Served, checks, list, picture, verdict};

/// Shows it until Ctrl-C. The exit code is of what was seen last.
pub(super) fn run(every: Duration, session: &Session) -> Outcome {
    let every = every.max(SHORTEST);
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        flag::register(signal, Arc::clone(&stop))
            .map_err(|error| Failure::cannot("cannot catch Ctrl-C").because(&error))?;
    }
    // Before the screen is taken: what it may have to say would be overdrawn.
    let books = session.books()?;
    let first = books.status()?;
    let stands = |server: &Result<_, _>, at| match server {
        // Elsewhere, nobody answers for the store of a server that does not.
        Err(_) if session.is_elsewhere() => Ok(Vec::new()),
        _ => checks::of_store(&*books, at),
    };
    let (mut of_store, mut looked_at) = (stands(&first, session.now())?, session.now());
    let mut before: Option<(Box<Served>, Timestamp)> = None;
    let screen = session.ui.screen()?;
    loop {
        let asked_at = session.now();
        let server = books.status()?;
        if asked_at.since(looked_at) >= STORE_EVERY {
            (of_store, looked_at) = (stands(&server, asked_at)?, asked_at);
        }
        let mut all = checks::of_server(&server);
        all.extend(of_store.iter().cloned());
        let mut lines = Vec::new();
        if let Ok(server) = &server {
            let earlier = before.as_ref().map(|(before, at)| (&**before, asked_at.since(*at)));
            lines.extend(picture::of(server, earlier, asked_at));
        }
        lines.extend(worth_telling(&all));
        screen.draw(&lines)?;
        before = server.ok().map(|server| (server, asked_at));
        let worst = all.iter().map(|check| check.level).max().unwrap_or(Level::Good);
        if wait(every, &stop) {
            drop(screen);
            if worst != Level::Good {
                list(&all, session)?;
            }
            return verdict(worst, session);
        }
    }
}

/// What is wrong; that nothing is takes one line.
fn worth_telling(checks: &[Check]) -> Vec<Line> {
    let wrong: Vec<_> = checks.iter().filter(|check| check.level != Level::Good).collect();
    if wrong.is_empty() {
        return vec![Line::heading("NOTHING IS WRONG")];
    }
    let line = |check: &&Check| {
        let (word, tone) = match check.level {
            Level::Fault => ("fault", Tone::Bad),
            Level::Warning | Level::Good => ("warning", Tone::Attention),
        };
        Line::new().put("", 2).toned(word, 9, tone).put(check.name, 13).put(&check.detail, 0)
    };
    std::iter::once(Line::heading("CHECKS")).chain(wrong.iter().map(line)).collect()
}

/// Waits until it is time for the next picture. Says whether to stop instead.
fn wait(span: Duration, stop: &AtomicBool) -> bool {
    let mut left = span;
    while !stop.load(Ordering::SeqCst) {
        if left.is_zero() {
            return false;
        }
        let nap = left.min(GLANCE);
        std::thread::sleep(nap);
        left -= nap;
    }
    true
}

/// A picture asked for more often than it can be read only costs.
const SHORTEST: Duration = Duration::from_millis(100);

/// A walk through the store takes a while if it is large.
const STORE_EVERY: Duration = Duration::from_secs(30);

/// How soon Ctrl-C is noticed.
const GLANCE: Duration = Duration::from_millis(50);
