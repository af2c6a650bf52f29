"""Intercept: a person decides, and what was approved runs exactly once."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import canary as canaries
from support import mcp, stack
from support.patience import until
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")

TOOL = "careful"


@pytest.fixture(scope="module", params=stack.MODES)
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running(request.param, folder / request.param, canary.address, intercepted=[TOOL]) as started:
        yield started


@pytest.fixture(scope="module")
def brief(folder: Path, canary: Canary) -> Iterator[Stack]:
    """Approvals here live for ten seconds, the shortest that the configuration takes."""
    with stack.running(
        "call", folder / "brief", canary.address, intercepted=[TOOL], approvals={"ttl_seconds": 10}
    ) as started:
        yield started


@pytest.fixture(scope="module")
def patient(folder: Path, canary: Canary) -> Iterator[Stack]:
    """The server holds a call for ten seconds before it sends the client away."""
    with stack.running(
        "call", folder / "patient", canary.address, intercepted=[TOOL], timeout_s=20, approvals={"hold_seconds": 10}
    ) as started:
        yield started


def ask(running: Stack, arguments: dict[str, Any], *, ident: int = 1, agent: str = "alice") -> httpx.Response:
    return running.post(mcp.call(ident, TOOL, arguments), token=running.token(agent))


def approval_in(answer: httpx.Response) -> str:
    """The approval id of an intercepted call."""
    message = json.loads(answer.content)
    assert message.get("error", {}).get("code") == -31409, f"not intercepted: {answer.status_code} {answer.text[:600]}"
    return str(message["error"]["data"]["approval_id"])


def ran(answer: httpx.Response) -> bool:
    return answer.status_code == 200 and b'"isError":false' in answer.content


def unique() -> dict[str, Any]:
    """Arguments that no other test uses."""
    return {"amount": time.monotonic_ns() % 10**9}


def test_an_approved_call_runs_once_and_the_same_again_asks_again(running: Stack, canary: Canary) -> None:
    """A6: approve, then the same call runs exactly once."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    assert running.interdict.decide(approval, "approve").status_code == 200
    second = ask(running, arguments, ident=2)
    assert second.content == canaries.expected_answer(mcp.call(2, TOOL, arguments)), running.tail()
    assert approval_in(ask(running, arguments, ident=3)) != approval
    assert len(canary.requests()) == 1


def test_approving_twice_lets_the_call_run_once(running: Stack, canary: Canary) -> None:
    """A6."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    assert running.interdict.decide(approval, "approve").status_code == 200
    running.interdict.decide(approval, "approve")
    assert ran(ask(running, arguments, ident=2))
    running.interdict.decide(approval, "approve")
    approval_in(ask(running, arguments, ident=3))
    assert len(canary.requests()) == 1


def test_of_many_identical_calls_at_once_an_approval_lets_one_run(running: Stack, canary: Canary) -> None:
    """A6: single use holds under concurrency."""
    arguments = unique()
    assert running.interdict.decide(approval_in(ask(running, arguments)), "approve").status_code == 200
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda ident: ask(running, arguments, ident=ident), range(2, 18)))
    assert sum(map(ran, answers)) == 1
    assert len(canary.requests()) == 1


def test_altered_arguments_need_an_approval_of_their_own(running: Stack, canary: Canary) -> None:
    """A6."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    running.interdict.decide(approval, "approve")
    altered = {**arguments, "amount": arguments["amount"] + 1}
    assert approval_in(ask(running, altered, ident=2)) != approval
    assert canary.requests() == []


def test_an_approval_serves_no_other_agent(running: Stack, canary: Canary) -> None:
    """A6, B2."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    running.interdict.decide(approval, "approve")
    assert approval_in(ask(running, arguments, agent="bob")) != approval
    assert canary.requests() == []


def test_what_a_person_denied_stays_denied(running: Stack, canary: Canary) -> None:
    """A6: asking again does not open a new question."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    assert running.interdict.decide(approval, "deny").status_code == 200
    for ident in (2, 3):
        answer = ask(running, arguments, ident=ident)
        assert not ran(answer)
        assert json.loads(answer.content)["id"] == ident
    pending = [entry["id"] for entry in running.interdict.approvals("pending")]
    shown = [running.interdict.admin("GET", f"/v1/approvals/{ident}").json()["arguments"] for ident in pending]
    assert str(arguments["amount"]) not in json.dumps(shown)
    assert canary.requests() == []


def test_the_owner_of_the_agent_cannot_approve(running: Stack, canary: Canary) -> None:
    """A6, A9: whoever wants the act does not approve it."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    assert running.interdict.decide(approval, "approve", by="olga").status_code == 403
    approval_in(ask(running, arguments, ident=2))
    assert canary.requests() == []


def test_the_approver_sees_what_would_run(running: Stack) -> None:
    """A6: agent, server, tool, arguments and the rule's reason."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    shown = running.interdict.admin("GET", f"/v1/approvals/{approval}").json()
    assert (shown["agent"], shown["server"], shown["tool"], shown["state"]) == ("alice", "tools", TOOL, "pending")
    # The test server answers at several paths, so the path is part of what is approved.
    assert shown["arguments"] == {"path": "/mcp", "params": arguments}
    assert "A person decides in the tests." in json.dumps(shown["reasons"])


def test_the_admin_interface_wants_its_token(running: Stack) -> None:
    host, port = running.interdict.addresses["admin"]
    for headers in (
        {},
        {"authorization": "Bearer wrong-wrong-wrong-wrong"},
        {"authorization": f"Bearer {running.token()}"},
    ):
        assert httpx.get(f"http://{host}:{port}/v1/approvals", headers=headers, timeout=30, trust_env=False).status_code == 401


def test_an_expired_approval_is_worth_nothing(brief: Stack, canary: Canary) -> None:
    """A6: neither a late yes nor an unused one counts."""
    late, unused = unique(), {"amount": -1}
    unanswered = approval_in(ask(brief, late))
    approved = approval_in(ask(brief, unused))
    assert brief.interdict.decide(approved, "approve").status_code == 200
    time.sleep(10.2)
    assert brief.interdict.decide(unanswered, "approve").status_code == 410
    assert approval_in(ask(brief, late, ident=2)) != unanswered
    assert approval_in(ask(brief, unused, ident=3)) != approved
    assert canary.requests() == []


def test_an_approval_outlives_the_server(running: Stack, canary: Canary) -> None:
    """A6, A8: asked before a kill -9, approved after it, used after another."""
    arguments = unique()
    approval = approval_in(ask(running, arguments))
    running.interdict.kill()
    running.interdict.restart()
    assert running.interdict.decide(approval, "approve").status_code == 200
    running.interdict.kill()
    running.interdict.restart()
    wait_until_serving(running)
    assert ran(ask(running, arguments, ident=2)), running.tail()
    approval_in(ask(running, arguments, ident=3))
    assert len([request for request in canary.requests() if b"probe" not in request.body]) == 1


def test_a_call_that_is_approved_while_it_waits_goes_through(patient: Stack, canary: Canary) -> None:
    """A6: with a hold, the client of a quick approver notices nothing but the wait."""
    arguments = unique()
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, patient, arguments)
        assert patient.interdict.decide(patient.interdict.wait_pending()["id"], "approve").status_code == 200
        assert call.result(60).content == canaries.expected_answer(mcp.call(1, TOOL, arguments))
    assert len(canary.requests()) == 1


def test_a_call_that_is_denied_while_it_waits_is_told_so(patient: Stack, canary: Canary) -> None:
    """A6."""
    with ThreadPoolExecutor(1) as pool:
        call = pool.submit(ask, patient, unique())
        assert patient.interdict.decide(patient.interdict.wait_pending()["id"], "deny").status_code == 200
        assert not ran(call.result(60))
    assert canary.requests() == []


def wait_until_serving(running: Stack) -> None:
    """Until Envoy has connected to the restarted server."""
    until(lambda: ran(running.post(mcp.call(0, "probe"))), "answer after the restart")
