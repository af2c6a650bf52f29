"""The official MCP conformance suite against a URL; its verdict scenario by scenario and check by check."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from support import paths

# Passed checks of the target alone: the suite's own baseline. A different number means a different suite or target.
BASELINE = {"2025-06-18": 56, "2025-11-25": 84, "2026-07-28": 152}


@dataclass(frozen=True)
class Outcome:
    """For each scenario, how often each check came out how: `{scenario: {"check-id SUCCESS": n}}`."""

    scenarios: dict[str, dict[str, int]]
    output: str

    @property
    def passed(self) -> int:
        return self._count("SUCCESS")

    @property
    def failed(self) -> int:
        return self._count("FAILURE")

    def _count(self, status: str) -> int:
        return sum(n for checks in self.scenarios.values() for key, n in checks.items() if key.endswith(f" {status}"))


def run_server_suite(url: str, folder: Path, *arguments: str, timeout_s: float = 240.0) -> Outcome:
    """`conformance server --url URL ...` with its checks read from the files it wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    script = paths.NODE_MODULES / "@modelcontextprotocol" / "conformance" / "dist" / "index.js"
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        [str(paths.node_binary()), str(script), "server", "--url", url, *arguments, "-o", str(folder / "out")],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    scenarios: dict[str, dict[str, int]] = {}
    for file in sorted((folder / "out").rglob("checks.json")):
        counts: dict[str, int] = {}
        for check in json.loads(file.read_text()):
            key = f"{check['id']} {check['status']}"
            counts[key] = counts.get(key, 0) + 1
        scenarios[_scenario(file.parent.name)] = counts
    assert scenarios, (
        f"the suite wrote no checks (exit {done.returncode})\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}"
    )
    return Outcome(scenarios, done.stdout + done.stderr)


def run_whole_suite(url: str, folder: Path, revision: str) -> Outcome:
    return run_server_suite(url, folder, "--suite", "all", "--spec-version", revision)


def _scenario(folder: str) -> str:
    """The scenario's name without the time stamp that the suite appends to its folder."""
    return re.sub(r"-\d{4}-\d\d-\d\dT[\d-]+Z$", "", folder)
