"""What the filter tells the decision point after an allowed call, in a real Envoy, and that nobody waits for it."""

from __future__ import annotations

import itertools
import socket
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event

import grpc
import httpx
import pytest

from support import envoy as envoys
from support import mcp, paths, performer, protobuf, stack
from support.envoy import Config, Envoy
from support.fake_authz import FakeAuthz
from support.patience import until
from support.performer import Performer
from support.protobuf import Outcome

BODY = mcp.call("one", "welcome", {"x": 1})
HEADERS = mcp.headers(BODY, token="not-looked-at")
MINORS = (paths.envoy_minors()[0], paths.NEWEST_ENVOY)


@pytest.fixture(scope="module")
def tools() -> Iterator[Performer]:
    with Performer() as server:
        yield server


@pytest.fixture(scope="module")
def decision_point() -> Iterator[FakeAuthz]:
    numbers = itertools.count(1)

    def allow(_request: bytes, _context: grpc.ServicerContext) -> bytes:
        return protobuf.allowing(decision_id=f"decision-{next(numbers)}")

    with FakeAuthz(allow) as server:
        yield server


@pytest.fixture(scope="module", params=[f"{minor}-{mode}" for minor in MINORS for mode in ("call", "split")])
def envoy(
    request: pytest.FixtureRequest, decision_point: FakeAuthz, tools: Performer, folder: Path
) -> Iterator[Envoy]:
    minor, mode = request.param.split("-")
    config = stack.configuration(mode, decision_point.address, tools.address)
    allow_upgrades(config)
    with Envoy(config, folder / request.param, minor=minor) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(decision_point: FakeAuthz) -> None:
    decision_point.outcomes.clear()
    decision_point.requests.clear()
    decision_point.taking = len


@pytest.fixture
def held(tools: Performer) -> Iterator[Event]:
    """Keeps the second event of `/mcp/slow` back until it is set."""
    tools.go_on.clear()
    yield tools.go_on
    tools.go_on.set()


def allow_upgrades(config: Config) -> None:
    for manager in envoys.managers(config):
        manager["upgrade_configs"] = [{"upgrade_type": "websocket"}]


def post(envoy: Envoy, kind: str, body: bytes = BODY) -> httpx.Response:
    return httpx.post(envoy.url(f"/mcp/{kind}"), content=body, headers=HEADERS, timeout=30, trust_env=False)


def told(decision_point: FakeAuthz, count: int = 1) -> list[Outcome]:
    """The outcomes that were told, as soon as there are `count`."""
    return until(lambda: found if len(found := list(itertools.chain(*decision_point.outcomes))) >= count else None)


OUTCOMES = {
    # path: status, ended, rpc, code
    "result": (200, "complete", "result", None),
    "tool-error": (200, "complete", "tool_error", None),
    "error": (400, "complete", "error", -32602),
    "accepted": (202, "complete", "none", None),
    "page": (404, "complete", "unread", None),
    "huge": (200, "complete", "unread", None),
    "stream": (200, "complete", "tool_error", None),
    "slow": (200, "complete", "result", None),
}


@pytest.mark.parametrize("kind", OUTCOMES)
def test_an_allowed_call_is_told_as_its_client_saw_it(kind: str, envoy: Envoy, decision_point: FakeAuthz) -> None:
    began = time.monotonic()
    answer = post(envoy, kind)
    took_us = (time.monotonic() - began) * 1e6
    [outcome] = told(decision_point)
    status, ended, rpc, code = OUTCOMES[kind]
    assert answer.status_code == status
    expected = Outcome(outcome.decision_id, status, len(answer.content), outcome.duration_us, ended, rpc, code, None)
    assert outcome == expected
    assert outcome.decision_id.startswith("decision-")
    # Envoy's clock stops when Envoy comes to it, on a busy machine after the client's.
    assert 0 < outcome.duration_us < took_us + 5_000_000
    entry = until(lambda: next((e for e in envoy.access_entries() if e["decision_id"] == outcome.decision_id), None))
    assert (entry["status"], entry["bytes_sent"]) == (outcome.http_status, outcome.bytes)


def test_a_response_that_breaks_off_is_a_reset(envoy: Envoy, decision_point: FakeAuthz) -> None:
    with pytest.raises(httpx.HTTPError):
        post(envoy, "cut")
    [outcome] = told(decision_point)
    assert (outcome.http_status, outcome.ended, outcome.rpc, outcome.bytes) == (200, "reset", "unread", 17)


@pytest.mark.usefixtures("held")
def test_a_client_that_leaves_is_a_reset(envoy: Envoy, decision_point: FakeAuthz) -> None:
    url = envoy.url("/mcp/slow")
    with httpx.stream("POST", url, content=BODY, headers=HEADERS, timeout=30, trust_env=False) as answer:
        assert next(answer.iter_raw()) == performer.PROGRESS
    [outcome] = told(decision_point)
    assert (outcome.http_status, outcome.ended, outcome.rpc) == (200, "reset", "unread")


def test_what_envoy_answers_in_place_of_the_server_is_a_local_reply(envoy: Envoy, decision_point: FakeAuthz) -> None:
    answer = post(envoy, "nothing")
    [outcome] = told(decision_point)
    assert answer.status_code == 503
    assert (outcome.http_status, outcome.ended, outcome.rpc) == (503, "local_reply", "none")
    assert outcome.bytes == len(answer.content)


def test_events_arrive_while_the_stream_is_still_open(envoy: Envoy, decision_point: FakeAuthz, held: Event) -> None:
    url = envoy.url("/mcp/slow")
    with httpx.stream("POST", url, content=BODY, headers=HEADERS, timeout=30, trust_env=False) as answer:
        pieces = answer.iter_raw()
        assert next(pieces) == performer.PROGRESS
        held.set()
        assert b"".join(pieces) == performer.event(b'{"jsonrpc": "2.0", "id": "one", "result": {}}')
    told(decision_point)


def test_a_call_that_was_not_allowed_is_not_told(envoy: Envoy, decision_point: FakeAuthz) -> None:
    allow, decision_point.answer = decision_point.answer, lambda *_: protobuf.denied_response(403, "no")
    try:
        assert post(envoy, "result").status_code == 403
    finally:
        decision_point.answer = allow
    assert post(envoy, "result").status_code == 200
    time.sleep(0.5)
    assert len(told(decision_point)) == 1


def test_a_batch_that_fails_is_told_again_and_nothing_is_lost(envoy: Envoy, decision_point: FakeAuthz) -> None:
    decision_point.taking = lambda _batch: 0
    for _ in range(3):
        assert post(envoy, "result").status_code == 200
    until(lambda: len(decision_point.outcomes) >= 2 or None)
    first = decision_point.outcomes[0][0]
    # Told again, an outcome is the same to the last field.
    assert decision_point.outcomes[1][0] == first
    taken: list[Outcome] = []

    def one(batch: list[Outcome]) -> int:
        taken.append(batch[0])
        return 1

    decision_point.taking = one
    until(lambda: len(taken) >= 3 or None)
    assert taken[0] == first
    assert len({outcome.decision_id for outcome in taken}) == 3


def test_many_calls_are_told_once_each_and_counted(envoy: Envoy, decision_point: FakeAuthz) -> None:
    before = envoy.stats("outcomes_reported")
    with httpx.Client(headers=HEADERS, timeout=30, trust_env=False) as client:
        for _ in range(400):
            assert client.post(envoy.url("/mcp/result"), content=BODY).status_code == 200
    found = told(decision_point, 400)
    assert len({outcome.decision_id for outcome in found}) == len(found) == 400
    assert {replace(outcome, decision_id="", duration_us=0) for outcome in found} == {
        Outcome("", 200, found[0].bytes, 0, "complete", "result", None, None)
    }
    name = "wasmcustom.interdict.outcomes_reported"
    until(lambda: envoy.stats("outcomes_reported").get(name, 0) - before.get(name, 0) >= 400 or None)
    assert envoy.stats("outcomes_dropped") == {}


def test_a_switch_of_protocols_does_not_wait_for_a_body(envoy: Envoy, decision_point: FakeAuthz) -> None:
    """Mode call refuses it by itself; in mode split the decision point is asked at once, and here allows it."""
    asks = "split" in envoy.folder.name
    head = "GET /mcp HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"
    # A body is waited for ten seconds.
    with socket.create_connection(("127.0.0.1", envoy.port), timeout=8) as connection:
        connection.sendall(head.encode())
        answer = connection.recv(4096)
    assert len(decision_point.requests) == (1 if asks else 0)
    assert answer.startswith(b"HTTP/1.1 501" if asks else b"HTTP/1.1 400")
