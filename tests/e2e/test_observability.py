"""What an operator sees: the same decision id in the answer, the decision event, the access log and the metrics."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import mcp, stack
from support.patience import until
from support.servers import Canary
from support.stack import Stack


@pytest.fixture(scope="module", params=stack.MODES)
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running(
        request.param, folder / request.param, canary.address, denied=["forbidden"], intercepted=["careful"]
    ) as started:
        started.post(mcp.call("a", "welcome", {"secret-argument": "value"}))
        started.post(mcp.call("d", "forbidden"))
        started.post(mcp.call("i", "careful"))
        yield started


def event(running: Stack, verdict: str) -> dict[str, Any]:
    [found] = [entry for entry in running.interdict.events() if entry.get("verdict") == verdict]
    return found


@pytest.mark.parametrize(
    ("verdict", "reason"), [("allow", "tests_allow"), ("deny", "tests_deny"), ("intercept", "tests_intercept")]
)
def test_a_decision_is_one_event_and_one_access_log_entry_with_one_id(
    running: Stack, verdict: str, reason: str
) -> None:
    """E9, A2: three verdicts, three records of their own kind."""
    logged = event(running, verdict)
    assert logged["reason"] == f"policy.{reason}"
    assert (logged["agent"], logged["server"], logged["method"], logged["enforcer"]) == (
        "alice",
        "tools",
        "tools/call",
        running.mode,
    )
    [entry] = until(
        lambda: [line for line in running.envoy.access_entries() if line["decision_id"] == logged["decision_id"]]
    )
    assert (entry["verdict"], entry["reason"], entry["path"]) == (verdict, logged["reason"], "/mcp")


def test_a_denied_caller_can_name_the_decision(running: Stack) -> None:
    """A3: the id in the answer is the id in the log."""
    message = json.loads(running.post(mcp.call("again", "forbidden")).content)
    told = message["result"]["_meta"]["io.interdict/decision_id"]
    assert told in {entry.get("decision_id") for entry in running.interdict.events()}


def test_the_server_counts_its_decisions(running: Stack) -> None:
    """E9."""
    lines = running.interdict.metrics.splitlines()
    for verdict in ("allow", "deny", "intercept"):
        counted = [
            line for line in lines if line.startswith("interdict_decisions_total{") and f'verdict="{verdict}"' in line
        ]
        assert counted and 'method="tools/call"' in counted[0], "\n".join(lines)
    assert any(line.startswith("interdict_decision_latency_seconds_bucket{") for line in lines)


def test_the_filter_counts_what_it_did(running: Stack) -> None:
    """E9."""
    if running.mode == "native":
        pytest.skip("there is no filter of ours in this mode")
    stats = {name.rpartition("interdict.")[2]: value for name, value in running.envoy.stats("wasmcustom").items()}
    # In mode split a denied request ends in front of the filter.
    assert stats["requests"] >= (3 if running.mode == "call" else 1), stats
    assert stats["allowed"] >= 1, stats
    if running.mode == "call":
        assert (stats["denied"] >= 1, stats["intercepted"] >= 1) == (True, True), stats
        assert "interdict_check" in running.envoy.stats_text().replace(".", "_")


def test_trace_context_reaches_the_tool_server(running: Stack, canary: Canary) -> None:
    """E9: W3C trace context passes."""
    canary.forget()
    body = mcp.call("t", "welcome")
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    running.post(
        body, headers=[*mcp.headers(body, token=running.token()), ("traceparent", parent), ("tracestate", "a=b")]
    )
    [request] = canary.requests()
    headers = dict(request.headers)
    assert headers["traceparent"].split("-")[1] == parent.split("-")[1]
    assert headers["tracestate"] == "a=b"
