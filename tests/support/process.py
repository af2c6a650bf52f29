"""Child processes that cannot outlive their owner and say why they failed."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from support.patience import PATIENCE_S

T = TypeVar("T")
live: list[Process] = []
"""Every process that was started and not yet ended, for the reports of failed tests."""


# Linux: even a test run killed by SIGKILL leaves no server behind. As a program and not as `preexec_fn`, because that
# makes Python fork in earnest, and the fork handlers of gRPC then sometimes abort the child.
_DIE_WITH_PARENT = ["setpriv", "--pdeathsig", "KILL", "--"] if shutil.which("setpriv") else []


class ProcessFailed(AssertionError):
    """A process ended or stayed silent; the message holds the end of its log."""


class Process:
    """One child process whose standard output and error go to `log`."""

    def __init__(
        self,
        name: str,
        command: Sequence[str | Path],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self.name = name
        self.log = log
        live.append(self)
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as sink:
            self._child = subprocess.Popen(
                [*_DIE_WITH_PARENT, *(str(part) for part in command)],
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def running(self) -> bool:
        return self._child.poll() is None

    def text(self) -> str:
        return self.log.read_text(errors="replace")

    def tail(self, lines: int = 40) -> str:
        kept = "\n".join(line[:600] for line in self.text().splitlines()[-lines:])
        state = "running" if self.running else f"exit {self._child.returncode}"
        return f"--- {self.name} (pid {self.pid}, {state}): {self.log}\n{kept}"

    def wait_until(self, probe: Callable[[], T | None], what: str, timeout_s: float = PATIENCE_S) -> T:
        """The first value of `probe` that is not None; fails when the process ends or the time is over."""
        deadline = time.monotonic() + timeout_s
        while True:
            if (found := probe()) is not None:
                return found
            if not self.running:
                raise ProcessFailed(f"{self.name} ended before {what}\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ProcessFailed(f"{self.name}: no {what} within {timeout_s} s\n{self.tail()}")
            time.sleep(0.02)

    def wait_for(self, pattern: str, timeout_s: float = PATIENCE_S) -> re.Match[str]:
        """The first match of `pattern` in the log."""
        return self.wait_until(lambda: re.search(pattern, self.text()), f"{pattern!r} in its log", timeout_s)

    def wait(self, timeout_s: float) -> int:
        return self._child.wait(timeout_s)

    def kill(self) -> None:
        """SIGKILL, at once, to the process and its children: a crash, not a goodbye."""
        if self.running:
            os.killpg(self.pid, signal.SIGKILL)
        self._child.wait()
        self._forget()

    def stop(self, timeout_s: float = 15.0) -> None:
        """SIGTERM to the process and its children, then SIGKILL for what remains."""
        if self.running:
            os.killpg(self.pid, signal.SIGTERM)
            try:
                self._child.wait(timeout_s)
            except subprocess.TimeoutExpired:
                self.kill()
        else:
            self._child.wait()
        self._forget()

    def _forget(self) -> None:
        if self in live:
            live.remove(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
