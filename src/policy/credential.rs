//! Exactly one credential.
