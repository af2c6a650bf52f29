"""The official SDK clients, unmodified, each in its own process; what their caller saw comes back as data."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from support import paths


@dataclass(frozen=True)
class Sdk:
    """One client of one SDK in one era."""

    name: str
    command: tuple[str | Path, ...]
    era: str = "legacy"

    def __str__(self) -> str:
        return self.name

    @property
    def modern(self) -> bool:
        return self.era != "legacy"

    def run(
        self,
        url: str,
        steps: Sequence[Mapping[str, Any]],
        *,
        token: str | None = None,
        elicit: bool | dict[str, Any] = False,
        sample: str | None = None,
        timeout_s: float = 180.0,
    ) -> Seen:
        return self.start(url, steps, token=token, elicit=elicit, sample=sample).finish(timeout_s)

    def start(
        self,
        url: str,
        steps: Sequence[Mapping[str, Any]],
        *,
        token: str | None = None,
        elicit: bool | dict[str, Any] = False,
        sample: str | None = None,
    ) -> Running:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        script = {
            "url": url,
            "headers": headers,
            "era": self.era,
            "steps": list(steps),
            "elicit": elicit,
            "sample": sample,
        }
        environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        child = subprocess.Popen(
            [str(part) for part in self.command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert child.stdin is not None
        child.stdin.write(json.dumps(script))
        child.stdin.close()
        child.stdin = None
        return Running(self, child)


@dataclass
class Running:
    """A client at work."""

    sdk: Sdk
    child: subprocess.Popen[str]

    def finish(self, timeout_s: float = 180.0) -> Seen:
        try:
            out, err = self.child.communicate(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            self.child.kill()
            out, err = self.child.communicate()
            raise AssertionError(f"{self.sdk}: still hanging after {timeout_s} s\n{err[-2000:]}") from None
        lines = out.strip().splitlines()
        if not lines:
            raise AssertionError(f"{self.sdk}: printed nothing, exit {self.child.returncode}\n{err[-4000:]}")
        return Seen(self.sdk, json.loads(lines[-1]), err)


@dataclass
class Seen:
    """What the caller of the SDK saw."""

    sdk: Sdk
    report: dict[str, Any]
    stderr: str

    @property
    def connected(self) -> bool:
        return bool(self.report["connected"])

    @property
    def steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = self.report["steps"]
        return steps

    @property
    def version(self) -> str | None:
        return self.report.get("version")

    def result(self, step: int) -> dict[str, Any]:
        assert "result" in self.steps[step], f"{self.sdk} step {step}: no result, saw {self}"
        return self.steps[step]["result"]

    def error(self, step: int) -> dict[str, Any]:
        assert "error" in self.steps[step], f"{self.sdk} step {step}: no error, saw {self}"
        return self.steps[step]["error"]

    def text(self, step: int) -> str:
        """The text blocks of a tool result, joined."""
        return "\n".join(block.get("text", "") for block in self.result(step)["content"])

    def __str__(self) -> str:
        return f"{json.dumps(self.report, indent=1)[:4000]}\n{self.stderr[-2000:]}"


MODERN = "2026-07-28"


def _typescript(major: str) -> tuple[str | Path, ...]:
    return (paths.node_binary(), paths.CLIENTS / "typescript.mjs", major, paths.NODE_MODULES)


def all_clients() -> list[Sdk]:
    """Python and TypeScript, current and previous major, each in every era that it speaks."""
    v2 = (paths.PYTHON, paths.CLIENTS / "python_v2.py")
    return [
        Sdk("python-2-legacy", v2),
        Sdk("python-2-modern", v2, "auto"),
        Sdk("python-1", (paths.PYTHON_MCP1, paths.CLIENTS / "python_v1.py")),
        Sdk("typescript-2-legacy", _typescript("v2")),
        Sdk("typescript-2-modern", _typescript("v2"), MODERN),
        Sdk("typescript-1", _typescript("v1")),
    ]
