//! The proxy: its own accept loop, Pingora's request machinery, the upstreams. `serve` makes one
//! [`Gateway`], and one [`Worker`] on each of its single-threaded runtimes.

mod listen;

pub use listen::{BindError, Bound, ListenAddress, Listener};

/// How a running worker is told to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum Stop {
    /// Go on.
    #[default]
    Running,
    /// Accept nothing new, answer what is being asked, close idle connections now.
    Draining,
    /// Cut what is left.
    Now,
}
