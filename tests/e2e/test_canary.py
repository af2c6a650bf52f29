"""What arrives at a tool server is exactly what was allowed: ten thousand mixed calls, counted by a server that is not ours."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import pytest

from support import envoy as envoys
from support import stack, traffic
from support.servers import Canary

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(("mode", "count"), [("call", 10_000), ("split", 10_000), ("native", 4_000)])
def test_what_arrives_is_exactly_what_was_allowed(mode: str, count: int, folder: Path, canary: Canary) -> None:
    """A1, A3, A4: HTTP/1.1 and HTTP/2, bodies cut at every kind of border, with and without trailers."""
    canary.forget()
    with stack.running(
        mode,
        folder / mode,
        canary.address,
        denied=[traffic.DENIED_TOOL],
        adjust=lambda config: envoys.follow_downstream_protocol(config, stack.TOOL_CLUSTER),
        concurrency=2,
    ) as running:
        work = traffic.calls(count, running.token())
        observed = asyncio.run(asyncio.wait_for(traffic.drive(running.envoy.port, work), 300))
        wrong = [item for item in observed if item.problem]
        kinds = Counter(item.call.kind for item in wrong)
        assert not wrong, (
            f"{len(wrong)} of {count} answers are wrong, {kinds}; the first: {wrong[0].problem}\n{running.tail()}"
        )
        assert len(observed) == count

    arrived = canary.requests()
    wanted = Counter((call.path, call.body) for call in work if call.allowed)
    got = Counter((request.path, request.body) for request in arrived)
    leaked, lost = got - wanted, wanted - got
    assert not leaked, f"{leaked.total()} requests arrived that must not have, the first: {next(iter(leaked))}"
    assert not lost, f"{lost.total()} allowed requests did not arrive whole, the first: {next(iter(lost))}"
    assert {request.version for request in arrived} == {"1.1", "2"}
    assert any(request.trailers for request in arrived), "no trailers arrived: the mix does not test what it says"
