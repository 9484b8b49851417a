//! The integration tests, in one binary because Pingora links slowly.
//!
//! `KGATE_SOAK=1` runs full counts (`make soak`), `KGATE_TEST_QUICK=1` leaves out what needs more
//! than Rust (`make test-quick`), `KGATE_BLESS=1` rewrites generated files (`make bless`).

#![allow(clippy::float_cmp, reason = "metrics count whole numbers")]
#![allow(unreachable_pub, reason = "modules of one test binary have no outside")]

mod admin;
mod admin_tls;
mod alerts;
mod callers;
mod cli;
mod cli_docs;
mod cli_faults;
mod crash;
mod demo;
mod deploy;
mod docs;
mod doors;
mod downstream;
mod elsewhere;
mod explain;
mod faults;
mod freshness;
mod fronts;
mod fuzz;
mod gateway;
mod harness;
mod holders;
mod layer;
mod layering;
mod leak_rules;
mod leak_scan;
mod live;
mod metrics;
mod origin;
mod peppers;
mod plain;
mod planting;
mod portal;
mod power;
mod process;
mod promises;
mod scan;
mod scan_archives;
mod scan_hostile;
mod seeing;
mod status;
mod tokens;
mod upgrade;
mod upstream_tls;
mod upstreams;
mod usage;
mod vectors;
mod verifiers;
mod verify_example;
