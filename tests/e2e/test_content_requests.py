"""Values in requests, whatever the request is like: the server gets a mark in their place, or nothing."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import calls, content, mcp, raw
from support import canary as canaries
from support.calls import MARK, arrived, encoded, one, percent, reason, spaced
from support.planted import Planted
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")


@pytest.fixture(scope="module", params=["call", "split"])
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    """The two modes that can edit a body."""
    with calls.started(request.param, folder, canary.address) as started:
        yield started


Plant = Callable[[str], Any]

TEXTS: dict[str, Plant] = {
    "the whole text": lambda value: {"x": value},
    "inside of a text": lambda value: {"x": f"pay with {value}, please"},
    "written in groups": lambda value: {"x": f"pay with {spaced(value)}, please"},
    "deep down": lambda value: {"a": [{"b": [1, {"c": f"{value}"}]}], "d": True},
    "in base64": lambda value: {"x": f"see {encoded(value)} there"},
    "gzipped in base64": lambda value: {"x": base64.b64encode(gzip.compress(f"it is {value}".encode())).decode()},
    "percent-encoded": lambda value: {"x": f"https://files.test/?q={percent(value)}&r=1"},
    "in JSON in a text": lambda value: {"x": json.dumps({"card": value})},
    "with invisible letters": lambda value: {"x": f"{value[:7]}\u200b{value[7:]}"},
}


@pytest.mark.parametrize("form", TEXTS)
def test_a_value_in_a_text_is_a_mark_when_it_arrives(
    form: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1: every other byte is as sent."""
    value = planted.pan()
    sent = mcp.call(1, "pay", TEXTS[form](value))
    answer = running.post(sent, token=running.token(agent))
    [body] = arrived(canary)
    assert planted.found_in(body) == [], running.tail()
    assert len(MARK.findall(body.decode())) == 1
    before, _, after = body.decode().partition(MARK.findall(body.decode())[0])
    assert sent.decode().startswith(before) and sent.decode().endswith(after)
    assert answer.content == canaries.expected_answer(body)


def test_a_value_written_in_escapes_is_a_mark_when_it_arrives(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1: other bytes, the same text."""
    value = planted.pan()
    escaped = "".join(f"\\u{ord(letter):04x}" for letter in value)
    body = mcp.call(1, "pay", {"x": "VALUE"}).replace(b"VALUE", escaped.encode())
    running.post(body, token=running.token(agent))
    assert MARK.fullmatch(one(canary)["params"]["arguments"]["x"]), running.tail()


CUTS: dict[str, Callable[[bytes, bytes], list[bytes]]] = {
    "two segments": lambda body, value: raw.cut(body, [body.index(value) + 8]),
    "a segment for each byte": lambda body, _value: raw.cut(body, range(len(body))),
}


@pytest.mark.parametrize("framing", ["by its length", "in chunks"])
@pytest.mark.parametrize("how", CUTS)
def test_a_value_cut_by_segments_is_a_mark_when_it_arrives(
    how: str, framing: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1: what is judged is the whole body, however it comes."""
    value = planted.pan()
    body = mcp.call(1, "pay", {"x": f"for {value}."})
    segments = CUTS[how](body, value.encode())
    headers = [("host", "localhost"), *mcp.headers(body, token=running.token(agent))]
    if framing == "in chunks":
        headers.append(("transfer-encoding", "chunked"))
        segments = [*(b"%x\r\n%s\r\n" % (len(part), part) for part in segments), b"0\r\n\r\n"]
    else:
        headers.append(("content-length", str(len(body))))

    async def send() -> raw.Reply:
        connection = await raw.Http1.connect(running.envoy.port)
        await connection.send([raw.http1_head("POST", "/mcp", headers), *segments], pause_s=0.005)
        reply = await asyncio.wait_for(connection.receive(), 30)
        await connection.close()
        return reply

    assert asyncio.run(send()).status == 200, running.tail()
    assert re.fullmatch(rf"for {MARK.pattern}\.", one(canary)["params"]["arguments"]["x"]), running.tail()


def test_a_compressed_request_is_not_read_and_does_not_go_on(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """D1."""
    body = mcp.call(1, "pay", {"x": planted.pan()})
    headers = [*mcp.headers(body, token=running.token(agent)), ("content-encoding", "gzip")]
    answer = running.post(gzip.compress(body), headers=headers)
    assert answer.status_code != 200, answer.text
    assert arrived(canary) == []


ELSEWHERE: dict[str, Callable[[str], dict[str, Any]]] = {
    "_meta": lambda value: {"name": "pay", "arguments": {}, "_meta": {"note": f"for {value}"}},
    "_meta, deep down": lambda value: {"name": "pay", "arguments": {}, "_meta": {"a": {"b": [value]}}},
}


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_value_beside_the_arguments_is_a_mark_when_it_arrives(
    where: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1."""
    running.post(mcp.request(1, "tools/call", ELSEWHERE[where](planted.pan())), token=running.token(agent))
    assert len(MARK.findall(json.dumps(one(canary)["params"]["_meta"]))) == 1, running.tail()


def test_a_value_in_the_arguments_of_a_prompt_is_a_mark_when_it_arrives(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1."""
    params = {"name": "letter", "arguments": {"to": f"the holder of {planted.pan()}"}}
    running.post(mcp.request(1, "prompts/get", params), token=running.token(agent))
    assert MARK.search(one(canary)["params"]["arguments"]["to"]), running.tail()


@pytest.mark.parametrize("form", ["an answer", "an error"])
def test_a_value_in_what_a_client_answers_to_its_server_is_a_mark_when_it_arrives(
    form: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1: sampling and elicitation carry data out as well."""
    value = planted.pan()
    said: dict[str, Any] = {"result": {"action": "accept", "content": {"card": value}}}
    if form == "an error":
        said = {"error": {"code": -1, "message": f"{value} is refused"}}
    body = mcp.encode({"jsonrpc": "2.0", "id": 7, **said})
    running.post(body, token=running.token(agent))
    assert planted.found_in(arrived(canary)[0]) == []
    assert MARK.search(json.dumps(one(canary))), running.tail()


def test_every_call_of_a_batch_is_looked_into(running: Stack, canary: Canary, planted: Planted, agent: str) -> None:
    """A5, D1."""
    batch = [json.loads(mcp.call(ident, "pay", {"x": f"for {planted.pan()}"})) for ident in (1, 2)]
    body = mcp.encode(batch)
    headers = [*mcp.headers(b"{}", token=running.token(agent), era="2025-03-26")]
    running.post(body, headers=headers)
    [got] = arrived(canary)
    marks = [MARK.findall(json.dumps(call)) for call in json.loads(got)]
    assert [len(found) for found in marks] == [1, 1], running.tail()
    assert marks[0] != marks[1]


NOWHERE: dict[str, Callable[[str], bytes]] = {
    "a number": lambda value: mcp.call(1, "pay", {"card_number": int(value)}),
    "a number deep down": lambda value: mcp.call(1, "pay", {"a": [{"card": [int(value)]}]}),
    "a member's name": lambda value: mcp.call(1, "pay", {"x": {value: "y"}}),
    "a name in _meta": lambda value: mcp.request(1, "tools/call", {"name": "pay", "_meta": {value: 1}}),
    "the id": lambda value: mcp.call(value, "pay", {}),
    "the tool": lambda value: mcp.call(1, f"pay {value}", {}),
    "the prompt": lambda value: mcp.request(1, "prompts/get", {"name": value}),
    "a URI": lambda value: mcp.request(1, "resources/read", {"uri": f"file:///cards/{value}"}),
}


@pytest.mark.parametrize("form", NOWHERE)
def test_where_no_mark_can_stand_the_call_is_denied(
    form: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1: a number stays a number, a name a name, and the protocol what it is."""
    value = planted.pan()
    answer = running.post(NOWHERE[form](value), token=running.token(agent))
    assert reason(answer) == "content.cannot_redact", f"{answer.text}\n{running.tail()}"
    assert arrived(canary) == []
    if form != "the id":
        assert planted.found_in(answer.content) == []


def test_no_value_is_in_any_store_log_or_metric(running: Stack, folder: Path, planted: Planted, agent: str) -> None:
    """D3: whatever came of the calls before."""
    running.post(mcp.call(1, "pay", {"x": planted.pan()}), token=running.token(agent))
    content.search(running, folder / running.mode, planted)
