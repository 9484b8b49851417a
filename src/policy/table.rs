//! A persistent hash table in small shards.
