"""`make demo` and `make up`: they work, and leave nothing behind."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import httpx
import pytest

from support import mcp, paths


def leftovers(folder: Path) -> list[str]:
    """Programs that were given something in this folder."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = file.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in words:
            found.append(words)
    return found


def nothing_is_left(folder: Path, timeout_s: float = 30.0) -> bool:
    deadline = time.monotonic() + timeout_s
    while leftovers(folder):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "TMPDIR": str(tmp_path), "NO_COLOR": "1"}


def test_the_demo_tells_its_story_and_leaves_nothing_running(tmp_path: Path, environment: dict[str, str]) -> None:
    """A2, A5, A6, C5, D6, E1, E3, E4: an allowed call, a denied one, one that a person approves and that runs once, a value that
    stays behind, a tool that nobody approved, and the proof of it."""
    done = subprocess.run(
        [paths.PYTHON, paths.PROJECT / "demo" / "run.py"], env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    acts = (
        *("Act one: Allow", "Act two: Deny", "Act three: Intercept", "One approval, one commit"),
        *("Act four: Content", "Act five: Definitions", "Act six: Evidence"),
    )
    content = ("pay with [[dlp:pan:", '"count": 1', "5 orders", "tool.unpinned", "SUSPICIOUS contextual")
    proof = ("APPROVAL  approved", "OUTCOME  complete", "verdict      WHOLE", "verdict      TAMPERED", "SAME  ")
    for words in (*acts, *content, *proof):
        assert words in done.stdout
    assert done.stderr == ""
    assert nothing_is_left(tmp_path), leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_up_prints_a_configuration_that_works_and_ends_cleanly(tmp_path: Path, environment: dict[str, str]) -> None:
    """A11: the URL and the token are all that a client needs."""
    with subprocess.Popen(
        [paths.PYTHON, paths.PROJECT / "demo" / "up.py"], env=environment, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        printed = ""
        for line in child.stdout:
            printed += line
            if "Ctrl-C" in line:
                break
        try:
            found = re.search(r"^\{.*?^\}", printed, re.DOTALL | re.MULTILINE)
            assert found, printed
            entry = json.loads(found[0])["mcpServers"]["cookbook"]
            body = mcp.request(1, "server/discover", era=mcp.MODERN)
            headers = [*mcp.headers(body, era=mcp.MODERN), *entry["headers"].items()]
            answer = httpx.post(entry["url"], content=body, headers=headers, timeout=30, trust_env=False)
            assert "result" in answer.json(), answer.text
        finally:
            child.send_signal(signal.SIGINT)
        assert child.wait(60) == 0
    assert nothing_is_left(tmp_path), leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == []
