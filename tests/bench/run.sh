#!/usr/bin/env bash
# Every measurement of docs/performance.md, in one run. Called by `make bench`.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}

for bench in decide timing memory startup; do
  echo "== $bench"
  cargo bench --quiet --locked --no-default-features --bench "$bench"
done
cargo build --quiet --locked --release
echo "== portal"
KGATE="$target/release/kgate" cargo bench --quiet --locked --no-default-features --bench portal || echo "a page is over the bar"
echo "== leaks"
python3 tests/bench/leaks.py --kgate "$target/release/kgate" --tools "$target/tools/bin"
echo "== gateway"
python3 tests/bench/gateway.py --kgate "$target/release/kgate" --envoy "$target/tools/bin/envoy" "$@"
