//! The engine: attributes in, a decision out. Pure: no I/O, no clock, no HTTP types.
