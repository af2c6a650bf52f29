"""Intercept on the 2026-07-28 wire: the client is sent on rounds with a sealed `requestState` that the server never sees."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import canary as canaries
from support import mcp, stack
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")

TOOL = "careful"


@pytest.fixture(scope="module", params=["call", "split"])
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    """The two modes that can take our state out of a body again."""
    with stack.running(request.param, folder / request.param, canary.address, intercepted=[TOOL]) as started:
        yield started


@pytest.fixture(scope="module")
def native(folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running("native", folder / "native", canary.address, intercepted=[TOOL]) as started:
        yield started


def unique() -> dict[str, Any]:
    return {"amount": time.monotonic_ns() % 10**9, "text": "ß€𝄞"}


def body(ident: int, arguments: dict[str, Any], **more: Any) -> bytes:
    return mcp.request(ident, "tools/call", {"name": TOOL, "arguments": arguments, **more}, era=mcp.MODERN)


def ask(running: Stack, ident: int, arguments: dict[str, Any], *, agent: str = "alice", **more: Any) -> httpx.Response:
    return running.post(body(ident, arguments, **more), token=running.token(agent), era=mcp.MODERN)


def state_in(answer: httpx.Response) -> str:
    result = json.loads(answer.content)["result"]
    assert result["resultType"] == "input_required", answer.text
    assert "inputRequests" not in result or result["inputRequests"] in ({}, None), "this client declared no elicitation"
    return str(result["requestState"])


def test_the_client_comes_back_with_our_state_and_the_server_sees_nothing_of_it(running: Stack, canary: Canary) -> None:
    """A4, A6: what arrives is the body without our members, every other byte as sent."""
    arguments = unique()
    state = state_in(ask(running, 1, arguments))
    running.interdict.decide(running.interdict.wait_pending()["id"], "approve")
    answer = ask(running, 2, arguments, requestState=state, inputResponses={})
    arrived = [request.body for request in canary.requests()]
    assert arrived == [body(2, arguments)], running.tail()
    assert answer.content == canaries.expected_answer(body(2, arguments))
    [request] = canary.requests()
    lengths = [value for name, value in request.headers if name == "content-length"]
    assert lengths in ([], [str(len(arrived[0]))])


def test_a_round_while_nobody_has_answered_gets_another_state(running: Stack, canary: Canary) -> None:
    """A6."""
    arguments = unique()
    first = state_in(ask(running, 1, arguments))
    second = state_in(ask(running, 2, arguments, requestState=first))
    assert second != first
    assert canary.requests() == []
    running.interdict.decide(running.interdict.wait_pending()["id"], "deny")


def test_after_nine_rounds_the_client_gets_an_error_that_it_shows(running: Stack, canary: Canary) -> None:
    """A6: SDK clients give up after ten rounds."""
    arguments = unique()
    state = state_in(ask(running, 1, arguments))
    for ident in range(2, 10):
        state = state_in(ask(running, ident, arguments, requestState=state))
    message = json.loads(ask(running, 10, arguments, requestState=state).content)
    assert message["error"]["code"] == -31409
    assert message["error"]["data"]["approval_id"] in message["error"]["message"]
    running.interdict.decide(message["error"]["data"]["approval_id"], "deny")
    assert canary.requests() == []


@pytest.mark.parametrize("how", ["other arguments", "other agent", "tampered", "made up"])
def test_a_state_that_is_not_for_this_call_is_worth_nothing(how: str, running: Stack, canary: Canary) -> None:
    """A6: altered arguments after approval need a new one; a state is a reminder, not a permission."""
    arguments = unique()
    state = state_in(ask(running, 1, arguments))
    running.interdict.decide(running.interdict.wait_pending()["id"], "approve")
    middle = len(state) // 2
    answer = {
        "other arguments": lambda: ask(running, 2, {**arguments, "amount": -1}, requestState=state),
        "other agent": lambda: ask(running, 2, arguments, agent="bob", requestState=state),
        "tampered": lambda: ask(
            running, 2, {**arguments, "x": 1}, requestState=state[:middle] + "AAAA" + state[middle + 4 :]
        ),
        "made up": lambda: ask(running, 2, {**arguments, "x": 2}, requestState="interdict1.AAAA"),
    }[how]()
    assert b'"isError":false' not in answer.content
    assert canary.requests() == []
    for waiting in running.interdict.approvals("pending"):
        running.interdict.decide(waiting["id"], "deny")


def test_a_state_of_the_servers_own_goes_through_byte_for_byte(running: Stack, canary: Canary) -> None:
    """A4, A10: rounds between client and server are theirs."""
    sent = mcp.request(
        1,
        "tools/call",
        {"name": "welcome", "arguments": {}, "requestState": "opaque=", "inputResponses": {"a": {"action": "accept"}}},
        era=mcp.MODERN,
    )
    assert running.post(sent, era=mcp.MODERN).content == canaries.expected_answer(sent)
    assert [request.body for request in canary.requests()] == [sent]


def test_native_ext_authz_is_never_given_a_round_that_it_could_not_end(native: Stack, canary: Canary) -> None:
    """A6: Envoy's own filter cannot edit a body, so the client gets the error form."""
    arguments = unique()
    message = json.loads(ask(native, 1, arguments).content)
    assert message["error"]["code"] == -31409
    native.interdict.decide(message["error"]["data"]["approval_id"], "approve")
    assert ask(native, 2, arguments).content == canaries.expected_answer(body(2, arguments))


def test_our_state_over_native_ext_authz_is_refused_rather_than_forwarded(
    running: Stack, native: Stack, canary: Canary
) -> None:
    """A4, A8: an obligation that the enforcement point cannot carry out is a Deny."""
    arguments = unique()
    state = state_in(ask(running, 1, arguments))
    running.interdict.decide(running.interdict.wait_pending()["id"], "deny")
    answer = native.post(
        mcp.request(
            2, "tools/call", {"name": "welcome", "arguments": arguments, "requestState": state}, era=mcp.MODERN
        ),
        era=mcp.MODERN,
    )
    assert b'"isError":false' not in answer.content
    assert canary.requests() == []
