//! A program that libFuzzer drives: `KGATE_FUZZ_TARGET` names what is fed (`tests/fuzz/run.sh`).

#![no_main]
#![allow(unreachable_pub, reason = "the tests have the same modules")]

mod targets;

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;

static TARGET: OnceLock<fn(&[u8])> = OnceLock::new();

fuzz_target!(|data: &[u8]| TARGET.get_or_init(chosen)(data));

fn chosen() -> fn(&[u8]) {
    let name = std::env::var("KGATE_FUZZ_TARGET").expect("KGATE_FUZZ_TARGET names a target");
    let target = targets::TARGETS.iter().find(|target| target.0 == name);
    target.unwrap_or_else(|| panic!("there is no target {name}")).1
}
