"""Bundles change while calls are under way: none is dropped, and each is decided by one bundle."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import evidence, mcp, stack
from support.evidence import Audit
from support.interdict import rewrite
from support.servers import Canary
from support.stack import Stack

CALLERS, CHANGES, PATIENCE_S = 4, 6, 60.0


@pytest.fixture(scope="module")
def running(folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running("native", folder / "changing", canary.address, decision={"timeout_ms": 5000}) as started:
        yield started


def verdict(running: Stack, token: str, number: int) -> str:
    """What became of a call; its text where that is neither of two things."""
    answer = running.post(mcp.call(number, "flips"), token=token).text
    denied, passed = "policy.tests_deny" in answer, '"isError":false' in answer
    return "deny" if denied and not passed else "allow" if passed and not denied else answer[:300]


def change(running: Stack, token: str, denied: bool) -> None:
    """A new bundle, and the wait until it decides."""
    file = running.interdict.folder / "bundle" / "tests" / "data.yaml"
    rewrite(file, {"denied": ["flips"] if denied else [], "intercepted": []})
    deadline = time.monotonic() + PATIENCE_S
    while verdict(running, token, 0) != ("deny" if denied else "allow"):
        assert time.monotonic() < deadline, running.tail()
        time.sleep(0.05)


def test_bundles_that_change_under_load_drop_no_call_and_mix_in_no_decision(running: Stack) -> None:
    """C1, C3, E4: every call is answered, by one of two bundles from its judging to its record, and comes out the same again."""
    token, ends, seen = running.token(), threading.Event(), Counter[str]()

    def call(number: int) -> None:
        while not ends.is_set():
            seen[verdict(running, token, number)] += 1

    callers = [threading.Thread(target=call, args=[number + 1]) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    try:
        for number in range(CHANGES):
            change(running, token, denied=number % 2 == 0)
    finally:
        ends.set()
        for caller in callers:
            caller.join()
    assert set(seen) == {"allow", "deny"}, seen
    audit = Audit.of(running.interdict)
    verdicts: dict[str, set[str]] = {}
    bodies = audit.bodies("decision")
    for body in bodies:
        [judged] = body["judgements"]
        assert (judged["bundle"], judged["verdict"]) == (body["policy"]["bundle"], body["verdict"]), body
        verdicts.setdefault(judged["bundle"], set()).add(body["verdict"])
    assert len(bodies) >= seen.total() > CHANGES
    assert sorted(verdicts.values(), key=str) == [{"allow"}, {"deny"}], verdicts
    replayed = evidence.replay(audit, "--since", "1h", "--tenant", "acme", "--format", "json")
    counted = json.loads(replayed.text)
    assert (replayed.code, counted["same"]) == (0, len(bodies)), replayed.text
