//! The integration tests, in one binary because Pingora links slowly.

mod layering;
