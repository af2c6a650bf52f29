"""The same requests through the filter, through filter and ext_authz, and through ext_authz alone: equal verdicts."""

from __future__ import annotations

import asyncio
import base64
import json
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from support import mcp, paths, raw, stack
from support.envoy import Envoy
from support.interdict import Interdict
from support.patience import PATIENCE_S
from support.servers import Canary
from support.stack import Stack
from support.tokens import Issuer

VECTOR_FILES = paths.TESTS / "vectors"
VECTORS: list[dict[str, Any]] = [
    vector
    for file in sorted(VECTOR_FILES.glob("*.yaml"))
    for vector in yaml.safe_load(file.read_text())
    if not vector.get("in_process")
]
ISSUER = "https://issuer.vectors.test"
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


def send(
    running: Stack, canary: Canary, method: str, path: str, headers: mcp.Headers, body: bytes
) -> tuple[raw.Reply, Outcome]:
    canary.forget()
    log = running.envoy.access_log
    before = log.stat().st_size if log.exists() else 0
    answer = asyncio.run(asyncio.wait_for(exchange(running.envoy.port, method, path, headers, body), 60))
    deadline = time.monotonic() + PATIENCE_S
    while not (log.exists() and (written := log.read_bytes()[before:]).endswith(b"\n")):
        assert time.monotonic() < deadline, "no access log entry"
        time.sleep(0.01)
    entry = json.loads(written)
    return answer, Outcome(
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
    """Without decision and approval ids, sealed states, and what the canary computes from a body that holds them."""
    text = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|local-[0-9a-f]+-[0-9a-f]+", "ID", text)
    return re.sub(r"interdict1\.[\w-]+", "STATE", text)


@pytest.fixture(scope="module")
def vector_stacks(folder: Path, canary: Canary) -> Iterator[dict[str, Stack]]:
    """The default policies with the vectors' own bundle, in every mode."""
    with ExitStack() as cleanup:
        yield {
            mode: cleanup.enter_context(vector_stack(mode, folder / f"vectors-{mode}", canary)) for mode in stack.MODES
        }


@contextmanager
def vector_stack(mode: str, folder: Path, canary: Canary) -> Iterator[Stack]:
    issuer = Issuer(folder / "issuer", ISSUER)
    with Interdict(
        folder / "interdict",
        None,
        issuer,
        bundle={"paths": [str(paths.PROJECT / "policies"), str(VECTOR_FILES / "bundle")]},
        identity={"authorization_servers": ["https://login.vectors.test"]},
        approvals={"page_url": "https://approvals.vectors.test/{id}"},
    ) as decision_point:
        config = stack.configuration(mode, decision_point.grpc, canary.address)
        with Envoy(config, folder / "envoy") as envoy:
            yield Stack(mode, issuer, decision_point, envoy)


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"].replace(" ", "-"))
def test_a_vector_has_its_outcome_in_every_mode(
    vector: dict[str, Any], vector_stacks: dict[str, Stack], canary: Canary
) -> None:
    """A1, A2, A8, A13, and rule 23 of the filter (parity of the doors). `tests/vectors/README.md` says what a vector means."""
    seen = {mode: play(vector, vector_stacks[mode], canary) for mode in vector.get("modes", stack.MODES)}
    if any("expect_native" in part for part in (vector, *vector.get("steps", []))):
        del seen["native"]
    first, *others = seen.items()
    for mode, outcomes in others:
        assert outcomes == first[1], f"{mode} differs from {first[0]}"


def play(vector: dict[str, Any], running: Stack, canary: Canary) -> list[Outcome]:
    """Sends the vector's requests one after the other and checks what becomes of each."""
    outcomes: list[Outcome] = []
    bodies: list[bytes] = []
    last = b""
    # What the vector says of all its steps.
    common = {key: vector[key] for key in ("era", "agent", "path") if key in vector}
    for step in vector.get("steps", [vector]):
        if "answer" in step:
            decided = running.interdict.decide(approval_of(last, running), step["answer"], by="vera")
            assert decided.status_code == 200, decided.text
            bodies.append(b"")
            continue
        method, path, headers, body = http({"era": mcp.LEGACY, **common, **step}, running, last)
        bodies.append(body)
        reply, seen = send(running, canary, method, path, headers, body)
        last = reply.body
        # A mark is of its session, and so of its mode; so is what the canary computes from a body with one.
        marked = "arrives_like" in step.get("expect", {})
        outcomes.append(replace(seen, body="", arrived=()) if marked else seen)
        native = step.get("expect_native", vector.get("expect_native", {})) if running.mode == "native" else {}
        check({**step["expect"], **native}, seen, reply, bodies, canary)
    return outcomes


def check(wanted: dict[str, Any], seen: Outcome, reply: raw.Reply, bodies: list[bytes], canary: Canary) -> None:
    assert seen.verdict == wanted["verdict"], seen
    assert wanted["reason"] in ("*", seen.reason), seen
    if wanted["verdict"] != "allow":
        assert seen.arrived == (), seen
        assert seen.status == wanted["status"], seen
        assert FORMS[wanted["form"]](reply), f"not a {wanted['form']}: {reply}"
        return
    if "arrives_like" in wanted:
        [body] = seen.arrived
        for text in wanted["arrives_like"]:
            assert re.search(re.escape(text).replace(r"\*", "[0-9a-f]+"), body.decode()), seen
        assert not [text for text in wanted.get("arrives_without", []) if text in body.decode()], seen
    else:
        assert seen.arrived == (bodies[wanted.get("arrives_as", -1)],), seen
    [request] = canary.requests()
    names = [name for name, _ in request.headers]
    assert not set(names) & set(wanted.get("removes", [])), names
    for name, value in wanted.get("sets", {}).items():
        assert [text for key, text in request.headers if key == name] == [value]


def code(reply: raw.Reply) -> int | None:
    """The code of a JSON-RPC error."""
    return json.loads(reply.body).get("error", {}).get("code")


def result(reply: raw.Reply) -> dict[str, Any]:
    return json.loads(reply.body).get("result", {})


FORMS: dict[str, Callable[[raw.Reply], bool]] = {
    "tool_error": lambda reply: result(reply).get("isError") is True,
    "rpc_error": lambda reply: code(reply) == -31403,
    "approval_required": lambda reply: code(reply) == -31409,
    "url_elicitation": lambda reply: code(reply) == -32042,
    "input_required": lambda reply: result(reply).get("resultType") == "input_required",
    "empty_list": lambda reply: any(value == [] for value in result(reply).values()),
    "empty_result": lambda reply: result(reply) == {} and "error" not in json.loads(reply.body),
    "accepted": lambda reply: (reply.status, reply.body) == (202, b""),
    "not_allowed": lambda reply: reply.status == 405 and reply.header("allow") is not None,
    "batch": lambda reply: isinstance(json.loads(reply.body), list),
    "refusal": lambda reply: code(reply) is not None,
    "challenge": lambda reply: reply.status == 401 and "resource_metadata=" in (reply.header("www-authenticate") or ""),
    "document": lambda reply: "resource" in json.loads(reply.body),
    "none": lambda reply: reply.body == b"",
}


def approval_of(answer: bytes, running: Stack) -> str:
    """The approval that an answer is about; a sealed state does not say it, but it is the newest one."""
    found = json.loads(answer).get("error", {}).get("data", {}).get("approval_id")
    return str(found or running.interdict.approvals("pending")[-1]["id"])


def http(step: dict[str, Any], running: Stack, last: bytes) -> tuple[str, str, mcp.Headers, bytes]:
    """The HTTP request of a step."""
    era, agent, path = step["era"], step.get("agent", "reporter"), step.get("path", "/files/mcp")
    if "message" in step:
        message = {"jsonrpc": "2.0", **step["message"]}
        if "carry" in step:
            message["params"] = {
                **message["params"],
                "requestState": json.loads(last)["result"]["requestState"],
                **step["carry"],
            }
        if era == mcp.MODERN:
            body = mcp.request(message["id"], message["method"], message.get("params"), era=era)
        else:
            body = mcp.encode(message)
    else:
        body = base64.b64decode(step["body_base64"]) if "body_base64" in step else str(step.get("body", "")).encode()
    token = None
    if agent != "none":
        now = running.issuer.now()  # one second for all claims: a lifetime is between two of them
        relative = {
            name: value + now if name in ("exp", "nbf", "iat") and value is not None else value
            for name, value in step.get("token", {}).items()
        }
        claims = {"sub": agent, "aud": f"https://vectors.test{path}", "iat": now, **relative}
        token = signed(running.issuer, claims)
    headers = mcp.headers(body, token=token, era=era if "message" in step else mcp.LEGACY)
    if "message" not in step and era == mcp.MODERN:
        headers = [(name, era if name == "mcp-protocol-version" else value) for name, value in headers]
    changed: dict[str, str | list[str] | None] = step.get("headers", {})
    headers = [(name, value) for name, value in headers if name not in changed]
    for name, value in changed.items():
        headers += [(name, text) for text in (value if isinstance(value, list) else [value]) if text is not None]
    return step.get("method", "POST"), path, headers, body


def signed(issuer: Issuer, claims: dict[str, Any]) -> str:
    subject, audience = claims.pop("sub"), claims.pop("aud")
    return issuer.token(subject, audience, **claims)


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
    and line["expect"] != "http.upgrade_not_allowed"  # Envoy refuses it first, unless it is told to allow upgrades
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
            )[1]
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
