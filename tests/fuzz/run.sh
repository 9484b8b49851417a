#!/usr/bin/env bash
# Feeds each fuzz target, or those named, for some seconds. What is new and small enough to keep is in
# target/fuzz/NAME afterwards; an input that breaks a promise is in target/fuzz/crashes, and the exit code
# is then not 0. To keep an input for the ordinary tests, copy it to tests/fuzz/corpus/NAME.
# Usage: tests/fuzz/run.sh SECONDS [NAME…]
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:?usage: tests/fuzz/run.sh SECONDS [NAME…]}
shift
host=$(rustc -vV | sed -n 's/^host: //p')
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# libFuzzer on stable Rust: the counters and comparisons it follows are put in by LLVM's own pass.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1"
cargo build --locked --profile fuzz --target "$host" -p kgate-fuzz
program=$target/$host/fuzz/kgate-fuzz

[ $# -gt 0 ] || set -- $(sed -n 's/^    ("\([a-z0-9_]*\)", .*/\1/p' tests/fuzz/targets/mod.rs)
mkdir -p "$target/fuzz/crashes"
for name; do
  new=$target/fuzz/$name
  mkdir -p "$new"
  echo "== $name"
  # 10 s for one input is a hang: everything here is bounded.
  KGATE_FUZZ_TARGET=$name "$program" -max_total_time="$seconds" -timeout=10 -rss_limit_mb=1024 -max_len=16384 \
    -dict=tests/fuzz/dictionary -artifact_prefix="$target/fuzz/crashes/$name-" -print_final_stats=1 -verbosity=0 \
    "$new" "tests/fuzz/corpus/$name"
done
