"""Waiting for what happens by itself, for as long as a busy machine may need: how fast it is no test asks."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
PATIENCE_S = 60.0


def until(found: Callable[[], T | None], what: str = "sign of it", within_s: float = PATIENCE_S) -> T:
    """The first result that is something."""
    deadline = time.monotonic() + within_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"no {what} within {within_s} s"
        time.sleep(0.05)
    return value
