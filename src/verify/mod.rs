//! Keeps the engine's snapshot current from the store, and answers with it.
