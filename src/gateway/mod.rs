//! The proxy: accept loop, Pingora, upstreams.
