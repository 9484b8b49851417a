//! On-disk shapes.
