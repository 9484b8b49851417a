//! The limit on open files: each proxied connection takes two.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Store, logs, listeners, runtimes, and commands' peers.
const RESERVE: u64 = 128;

/// Raises the limit as far as `connections` need and the system allows. Returns what to warn of.
pub(super) fn raise_open_files(connections: usize) -> Option<String> {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_mul(2).saturating_add(RESERVE);
    let limit = getrlimit(Resource::Nofile);
    let (current, maximum) = (limit.current.unwrap_or(u64::MAX), limit.maximum.unwrap_or(u64::MAX));
    if current >= wanted {
        return None;
    }
    let set = |current, maximum| {
        setrlimit(Resource::Nofile, Rlimit { current: Some(current), maximum: Some(maximum) }).is_ok()
    };
    // Root may raise the maximum, too.
    let reached = if set(wanted, wanted.max(maximum)) {
        wanted
    } else if set(wanted.min(maximum), maximum) {
        wanted.min(maximum)
    } else {
        current
    };
    (reached < wanted).then(|| {
        format!(
            "only {reached} files may be open, but max_connections = {connections} can need {wanted}: \
             connections beyond that wait"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_that_cannot_be_reached_is_named() {
        assert_eq!(raise_open_files(0), None);
        let warning = raise_open_files(usize::MAX / 4);
        // Root may raise it without bound, up to what the kernel allows.
        assert!(warning.is_none_or(|w| w.contains("max_connections")));
    }
}
