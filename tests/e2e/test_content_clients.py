"""Values and orders in answers to the clients of the official SDKs, and on the stream that a session has for itself."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import answers, clients, content, mcp
from support.answers import MARK, ORDERS, ROWS, rows
from support.content import Changeling, Script, tool
from support.planted import Planted
from support.stack import Stack

SDKS = {sdk.name: sdk for sdk in clients.all_clients()}
WAYS = [
    *((name, "/mcp") for name in SDKS),
    ("python-2-modern", "/json"),
    ("python-1", "/json"),
    ("typescript-1", "/json"),
]


@pytest.fixture(scope="module")
def changeling(folder: Path) -> Iterator[Changeling]:
    script = Script(pages=[[tool(name) for name in ("lookup", "fail", "refuse", "ask", "query")]])
    with Changeling(folder / "changeling", script) as server:
        yield server


@pytest.fixture(scope="module")
def running(folder: Path, changeling: Changeling) -> Iterator[Stack]:
    with answers.started("call", folder, changeling.address) as started:
        yield started


@pytest.mark.parametrize(("name", "path"), WAYS)
def test_a_client_notices_nothing_but_the_marks(
    name: str, path: str, running: Stack, changeling: Changeling, planted: Planted, agent: str
) -> None:
    """C5, D2: results, failed tools, errors, log messages, questions to the user, rows."""

    def text(words: str) -> dict[str, Any]:
        return {"type": "text", "text": words}

    sdk, streamed = SDKS[name], path == "/mcp"
    changeling.change(
        lambda script: script.answers.update(
            {
                "lookup": {"result": {"content": [text(f"a {planted.pan()} b")]}, "logs": [f"read {planted.pan()}"]},
                "fail": {"result": {"content": [text(f"no {planted.pan()}")], "isError": True}},
                "refuse": {"error": f"not with {planted.pan()}"},
                "query": {"result": {"content": [text("see there")], "structuredContent": rows(10_000)}},
                "ask": {"asks": f"Is it {planted.pan()}?"},
            }
        )
    )
    steps = [{"call": tool, "arguments": {}} for tool in ("lookup", "fail", "refuse", "query")]
    # A server that answers in JSON has no way to ask on the older wires.
    asks = streamed or sdk.modern
    if asks:
        steps.append({"call": "ask", "arguments": {}})
    seen = sdk.run(running.envoy.url(path), steps, token=running.token(agent), elicit={"said": "yes"})
    assert planted.found_in(json.dumps(seen.report).encode()) == [], f"{seen}\n{running.tail()}"
    assert re.fullmatch(rf"a {MARK.pattern} b", seen.text(0)), f"{seen}\n{running.tail()}"
    assert re.fullmatch(rf"no {MARK.pattern}", seen.text(1))
    assert seen.result(1)["isError"] is True
    assert MARK.search(str(seen.error(2)["message"]))
    assert seen.result(3)["structuredContent"] == rows(ROWS)
    if asks:
        assert seen.text(4) == "done"
        assert any(MARK.search(str(asked)) for asked in seen.report["elicitations"])
    if "logs" in seen.report:
        assert all(MARK.search(line) for line in seen.report["logs"])
    assert not streamed or sdk.modern or "python" not in sdk.name or seen.report["logs"]


@pytest.mark.parametrize("sdk", SDKS.values(), ids=str)
def test_what_a_server_asks_of_a_clients_model_is_looked_into_and_so_is_what_that_says(
    sdk: clients.Sdk, running: Stack, changeling: Changeling, planted: Planted, agent: str
) -> None:
    """D1, D2, D4: a model is asked with a mark, never with a secret or an order, and its answer leaves with a mark."""
    questions = {
        "lookup": f"Sum up {planted.pan()}.",
        "fail": f"Log in with {planted.token()}.",
        "refuse": ORDERS["a chat template"],
    }
    asks = {name: {"samples": question} for name, question in questions.items()}
    changeling.change(lambda script: script.answers.update(asks))
    changeling.forget()
    steps = [{"call": name, "arguments": {}} for name in questions]
    seen = sdk.run(running.url, steps, token=running.token(agent), sample=f"it is {planted.pan()}")
    told = f"{seen}\n{running.tail()}"
    [asked] = seen.report["samplings"]
    assert re.fullmatch(rf"Sum up {MARK.pattern}\.", texts(asked["messages"][0]["content"])), told
    given = [call["given"] for call in changeling.given() if call["method"] == "sampling/createMessage"]
    answered = [one for one in given if one]
    assert [bool(MARK.fullmatch(texts(one["content"]).removeprefix("it is "))) for one in answered] == [True], told
    assert planted.found_in(json.dumps([seen.report, changeling.given()]).encode()) == []
    assert seen.text(0) == "done"
    # What was asked beside a stream goes away; what was asked in an answer is that answer's error.
    assert all(("error" in step or step["result"].get("isError", False)) == sdk.modern for step in seen.steps[1:]), told


def texts(content: Any) -> str:
    return "".join(block["text"] for block in (content if isinstance(content, list) else [content]))


def test_a_value_on_a_sessions_own_stream_is_a_mark_when_it_arrives(
    running: Stack, changeling: Changeling, planted: Planted, agent: str
) -> None:
    """D2: the stream that belongs to no call."""
    value = planted.pan()
    changeling.change(lambda script: script.answers.update(lookup={"broadcasts": [f"a {value} b"]}))
    token = running.token(agent)
    hello = {"protocolVersion": mcp.LEGACY, "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    begun = running.post(mcp.request(0, "initialize", hello), token=token)
    own = ("mcp-session-id", begun.headers["mcp-session-id"])

    def post(body: bytes) -> None:
        running.post(body, headers=[*mcp.headers(body, token=token), own])

    post(mcp.notification("notifications/initialized"))
    headers = [("accept", "text/event-stream"), *mcp.headers(b"", token=token)[2:], own]
    with httpx.stream("GET", running.url, headers=headers, timeout=30, trust_env=False) as stream:
        assert stream.status_code == 200, running.tail()
        post(mcp.call(1, "lookup"))
        line = next(line for line in stream.iter_lines() if line.startswith("data: {"))
    text = json.loads(line.removeprefix("data: "))["params"]["data"]
    assert re.fullmatch(rf"a {MARK.pattern} b", text), f"{running.tail()}"


def test_no_value_is_in_any_store_log_or_metric_behind_clients(
    running: Stack, folder: Path, planted: Planted, agent: str
) -> None:
    """D3."""
    body = mcp.call(1, "lookup", {"x": planted.pan()}, era=mcp.MODERN)
    running.post(body, token=running.token(agent), era=mcp.MODERN)
    content.search(running, folder / "call", planted)
