#!/usr/bin/env bash
# Every measurement of docs/performance.md, in one run. Called by `make bench`.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}

for bench in decide timing memory startup; do
  echo "== $bench"
  cargo bench --quiet --locked --no-default-features --bench "$bench"
done
echo "== scan"
cargo bench --quiet --locked --no-default-features --features scan --bench scan
echo "== gateway"
cargo build --quiet --locked --release
python3 tests/bench/gateway.py --kgate "$target/release/kgate" --envoy "$target/tools/bin/envoy" "$@"
