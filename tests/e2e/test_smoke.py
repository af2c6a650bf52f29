"""The few things that have to hold on every supported minor of Envoy, in every mode."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import canary as canaries
from support import envoy as envoys
from support import mcp, paths, stack, traffic
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.smoke


@pytest.fixture(scope="module", params=[f"{minor}-{mode}" for minor in paths.envoy_minors() for mode in stack.MODES])
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    minor, mode = request.param.split("-")
    with stack.running(
        mode,
        folder / request.param,
        canary.address,
        denied=[traffic.DENIED_TOOL],
        intercepted=["careful"],
        adjust=lambda config: envoys.follow_downstream_protocol(config, stack.TOOL_CLUSTER),
        minor=minor,
    ) as started:
        yield started


@pytest.fixture
def arrivals(canary: Canary) -> Canary:
    canary.forget()
    return canary


@pytest.mark.parametrize("era", [mcp.LEGACY, mcp.MODERN])
def test_an_allowed_call_arrives_and_is_answered_unchanged(running: Stack, arrivals: Canary, era: str) -> None:
    """A1, A4: the same bytes on both sides, both ways."""
    body = mcp.call("first", "welcome", {"text": "ß€𝄞", "n": 1.0}, era=era)
    answer = running.post(body, era=era)
    assert (answer.status_code, answer.content) == (200, canaries.expected_answer(body))
    assert [request.body for request in arrivals.requests()] == [body]


@pytest.mark.parametrize("era", [mcp.LEGACY, mcp.MODERN])
def test_a_denied_call_never_arrives_and_is_answered_with_its_own_id(
    running: Stack, arrivals: Canary, era: str
) -> None:
    """A2, A3."""
    answer = running.post(mcp.call("second", "forbidden", era=era), era=era)
    message = rpc(answer)
    assert message["id"] == "second"
    assert message["result"]["isError"] is True
    assert message["result"].get("resultType") == ("complete" if era == mcp.MODERN else None)
    assert arrivals.requests() == []


def test_an_intercepted_call_waits_for_a_person_and_does_not_arrive(running: Stack, arrivals: Canary) -> None:
    """A2, A6: the third outcome, as a client without elicitation sees it."""
    message = rpc(running.post(mcp.call(3, "careful")))
    assert message["id"] == 3
    assert message["error"]["code"] == -31409
    approval = message["error"]["data"]["approval_id"]
    assert approval in message["error"]["message"]
    assert [entry["id"] for entry in running.interdict.approvals("pending")][-1:] == [approval]
    assert arrivals.requests() == []


def test_an_event_stream_passes_byte_for_byte(running: Stack, arrivals: Canary) -> None:
    """A4."""
    body = mcp.call(4, "welcome")
    answer = running.post(body, path="/mcp-sse")
    assert (answer.status_code, answer.content) == (200, canaries.expected_answer(body, sse=True))
    assert len(arrivals.requests()) == 1


def test_a_call_without_a_token_is_challenged(running: Stack, arrivals: Canary) -> None:
    """B2."""
    answer = running.post(mcp.call(5, "welcome"), token=None)
    assert answer.status_code == 401
    assert "resource_metadata=" in answer.headers["www-authenticate"]
    assert arrivals.requests() == []


def test_what_is_not_mcp_does_not_arrive(running: Stack, arrivals: Canary) -> None:
    """A1: a protected route carries nothing else."""
    answer = httpx.put(
        running.url, content=b"x", headers={"authorization": f"Bearer {running.token()}"}, trust_env=False
    )
    assert answer.status_code >= 400
    assert running.post(b"{}").status_code >= 400
    assert arrivals.requests() == []


def test_large_arguments_pass_and_too_large_ones_do_not(running: Stack, arrivals: Canary) -> None:
    """A4, A8: 900 kB arrive whole; more than the limit is refused, not cut."""
    body = mcp.call(7, "welcome", {"text": "x" * 900_000})
    assert running.post(body).content == canaries.expected_answer(body)
    assert [request.body for request in arrivals.requests()] == [body]
    arrivals.forget()
    answer = running.post(mcp.call(8, "welcome", {"text": "x" * 1_200_000}))
    assert answer.status_code != 200 or b'"error"' in answer.content
    assert arrivals.requests() == []


def test_mixed_traffic_arrives_exactly_as_allowed(running: Stack, arrivals: Canary) -> None:
    """A1, A4: HTTP/1.1 and HTTP/2, odd pieces, trailers; `test_canary.py` does the same at length on the newest minor."""
    work = traffic.calls(240, running.token(), seed=11)
    observed = asyncio.run(asyncio.wait_for(traffic.drive(running.envoy.port, work), 120))
    assert [item.problem for item in observed if item.problem] == []
    arrived = arrivals.requests()
    assert sorted(request.body for request in arrived) == sorted(call.body for call in work if call.allowed)
    assert {request.version for request in arrived} == {"1.1", "2"}


def rpc(answer: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC message in a 200 answer."""
    assert answer.status_code == 200, f"{answer.status_code} {answer.text[:500]}"
    assert answer.headers["content-type"].startswith("application/json")
    return json.loads(answer.content)
