//! The composition of the running server: start, reload, shutdown.
