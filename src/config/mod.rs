//! The configuration: TOML as written, then checked and typed, with every mistake reported at once.
