"""The same requests through the filter, through filter and ext_authz, and through ext_authz alone: equal verdicts."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import mcp, paths, raw, stack
from support.servers import Canary
from support.stack import Stack

VECTORS: list[dict[str, Any]] = yaml.safe_load((Path(__file__).parent / "vectors.yaml").read_text())
CORPUS: list[dict[str, Any]] = [
    json.loads(line) for line in (paths.TESTS / "corpus" / "hostile.jsonl").read_text().splitlines() if line.strip()
]


@dataclass(frozen=True)
class Outcome:
    """What became of one request, without what differs from run to run."""

    verdict: str
    reason: str
    status: int
    body: str
    arrived: tuple[bytes, ...]


@pytest.fixture(scope="module")
def stacks(folder: Path, canary: Canary) -> Iterator[dict[str, Stack]]:
    """One stack per mode, alike in everything else."""
    with ExitStack() as cleanup:
        yield {
            mode: cleanup.enter_context(
                stack.running(mode, folder / mode, canary.address, denied=["forbidden"], intercepted=["careful"])
            )
            for mode in stack.MODES
        }


def send(running: Stack, canary: Canary, method: str, path: str, headers: mcp.Headers, body: bytes) -> Outcome:
    canary.forget()
    log = running.envoy.access_log
    before = log.stat().st_size if log.exists() else 0
    answer = asyncio.run(asyncio.wait_for(exchange(running.envoy.port, method, path, headers, body), 20))
    deadline = time.monotonic() + 10
    while not (log.exists() and (written := log.read_bytes()[before:]).endswith(b"\n")):
        assert time.monotonic() < deadline, "no access log entry"
        time.sleep(0.01)
    entry = json.loads(written)
    return Outcome(
        str(entry["verdict"]),
        str(entry["reason"]),
        answer.status,
        anonymous(answer.body.decode()),
        tuple(request.body for request in canary.requests()),
    )


async def exchange(port: int, method: str, path: str, headers: mcp.Headers, body: bytes) -> raw.Reply:
    """One request exactly as given, on a connection of its own."""
    connection = await raw.Http1.connect(port)
    head = raw.http1_head(method, path, [("host", "localhost"), *headers, ("content-length", str(len(body)))])
    await connection.send([head + body])
    reply = await connection.receive(method)
    await connection.close()
    return reply


def anonymous(text: str) -> str:
    """Without decision and approval ids."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|local-[0-9a-f]+-[0-9a-f]+", "ID", text)


def equal(outcomes: dict[str, Outcome], running: Stack) -> Outcome:
    """The outcome that all modes share."""
    different = {mode: outcome for mode, outcome in outcomes.items() if outcome != outcomes["call"]}
    assert not different, f"call: {outcomes['call']}\n" + "\n".join(f"{mode}: {it}" for mode, it in different.items())
    return outcomes["call"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"].replace(" ", "-"))
def test_a_vector_has_the_same_outcome_in_every_mode(
    vector: dict[str, Any], stacks: dict[str, Stack], canary: Canary
) -> None:
    """A1, A2, A8, A13."""
    outcomes = {}
    for mode, running in stacks.items():
        method, path, headers, body = http(vector, running)
        outcomes[mode] = send(running, canary, method, path, headers, body)
    seen = equal(outcomes, stacks["call"])
    wanted = vector["expect"]
    assert seen.verdict == wanted["verdict"], seen
    assert wanted["reason"] in ("*", seen.reason), seen
    assert wanted["status"] in ("*", seen.status), seen
    assert seen.arrived == ((body,) if wanted["verdict"] == "allow" else ())


def http(vector: dict[str, Any], running: Stack) -> tuple[str, str, mcp.Headers, bytes]:
    """The HTTP request of a vector."""
    era, agent = vector.get("era", mcp.LEGACY), vector.get("agent", "alice")
    if "message" in vector:
        message = {"jsonrpc": "2.0", **vector["message"]}
        if era == mcp.MODERN and "id" in message:
            body = mcp.request(message["id"], message["method"], message.get("params"), era=era)
        else:
            body = mcp.encode(message)
    else:
        body = str(vector.get("body", "")).encode()
    parses = "message" in vector
    headers = mcp.headers(
        body, token=None if agent == "none" else running.token(agent), era=era if parses else mcp.LEGACY
    )
    changed: dict[str, str | None] = vector.get("headers", {})
    headers = [(name, value) for name, value in headers if name not in changed]
    headers += [(name, value) for name, value in changed.items() if value is not None]
    return vector.get("method", "POST"), vector.get("path", "/mcp"), headers, body


# --- the hostile corpus of crates/mcp ------------------------------------------------------------------------------------


def corpus_body(line: dict[str, Any]) -> bytes:
    if "body_base64" in line:
        return base64.b64decode(line["body_base64"])
    if "body_repeat" in line:
        return "".join(text * count for text, count in line["body_repeat"]).encode()
    return str(line["body"]).encode()


def corpus_headers(line: dict[str, Any], token: str) -> mcp.Headers:
    headers: mcp.Headers = [("authorization", f"Bearer {token}")]
    content_type = line.get("content_type", "application/json")
    if content_type is not None:
        headers.append(("content-type", content_type))
    if "version" in line:
        headers.append(("mcp-protocol-version", line["version"]))
    more = line.get("headers", [])
    return headers + [(name, value) for name, value in (more.items() if isinstance(more, dict) else more)]


REFUSED = [
    line
    for line in CORPUS
    if line["expect"] != "accepted"
    and line.get("numbers") != "exact"
    and len(corpus_body(line)) <= 1_048_576  # Envoy answers larger ones itself: test_faults.py
    and "host a" not in line["name"]  # Envoy joins two Host headers and forwards what it joined: one reading
]


def test_the_hostile_corpus_is_refused_alike_in_every_mode(stacks: dict[str, Stack], canary: Canary) -> None:
    """A1, A8, A13: what has two readings reaches no server, whoever reads it first."""
    wrong = []
    for line in REFUSED:
        outcomes = {
            mode: send(
                running,
                canary,
                line.get("method", "POST"),
                "/mcp",
                corpus_headers(line, running.token()),
                corpus_body(line),
            )
            for mode, running in stacks.items()
        }
        if line["expect"] == "http.duplicate_header" or line["name"] == "post in lower case":
            # Envoy joins some headers with a comma, and refuses a method in lower case, before any filter sees them:
            # nothing arrives all the same.
            assert all(seen.verdict in ("deny", "None") and not seen.arrived for seen in outcomes.values()), outcomes
            continue
        if line["expect"] == "parse.number_out_of_range" and outcomes["call"].reason != line["expect"]:
            # How a server reads numbers is known to the decision point only; where the body has a second fault, the
            # filter names that one.
            del outcomes["call"]
        for mode, seen in outcomes.items():
            if (seen.reason, seen.status, seen.arrived) != (line["expect"], line["status"], ()):
                wrong.append(f"{line['name']} [{mode}]: {seen}, wanted {line['expect']} {line['status']}")
        if len(set(outcomes.values())) > 1:
            wrong.append(f"{line['name']}: the modes differ: {outcomes}")
    assert len(REFUSED) > 100
    assert not wrong, f"{len(wrong)} of {len(REFUSED)}:\n" + "\n".join(item[:700] for item in wrong[:40])
