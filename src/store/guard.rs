//! The watchdog.
