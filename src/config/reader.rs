//! A typed reader over a parsed table that remembers every mistake and goes on.
