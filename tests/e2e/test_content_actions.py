"""What happens to a value in a request: a mark, a token, a question, a denial; whoever decides never sees it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from support import calls, clients, content, mcp, stack
from support import canary as canaries
from support.calls import CANARY, MARK, TOKEN, VAULT, arrived, encoded, one, reason, spaced
from support.clients import Sdk
from support.content import Changeling, Script, tool
from support.envoy import Envoy
from support.planted import Planted, halves
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")


@pytest.fixture(scope="module")
def changeling(folder: Path) -> Iterator[Changeling]:
    script = Script(
        pages=[[tool("note"), tool("ask")]],
        prompts=[{"name": "letter", "arguments": [{"name": "to"}]}],
        answers={"ask": {"asks": "Which card?"}},
    )
    with Changeling(folder / "changeling", script) as server:
        yield server


@pytest.fixture(scope="module")
def called(folder: Path, canary: Canary, changeling: Changeling) -> Iterator[Stack]:
    """Mode call; a second listener leads to a server that SDK clients can talk to."""

    def spoken(config: dict[str, Any]) -> None:
        stack.add_listener(config, "spoken", changeling.address)

    with calls.started("call", folder, canary.address, spoken) as started:
        yield started


@pytest.fixture(scope="module", params=["call", "split"])
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary, called: Stack) -> Iterator[Stack]:
    """The two modes that can edit a body."""
    if request.param == "call":
        yield called
        return
    with calls.started("split", folder, canary.address) as started:
        yield started


@pytest.fixture(scope="module")
def native(folder: Path, canary: Canary, called: Stack) -> Iterator[Stack]:
    """The same decision point behind Envoy's own filter."""
    config = stack.configuration("native", called.interdict.grpc, canary.address)
    with Envoy(config, folder / "native") as envoy:
        yield replace(called, mode="native", envoy=envoy)


@pytest.fixture(scope="module")
def spoken(called: Stack) -> Stack:
    return called.at("spoken")


def test_two_values_stay_apart_within_a_session_and_say_nothing_outside_of_it(
    running: Stack, canary: Canary, planted: Planted, agents: Iterator[str]
) -> None:
    """A5, D1."""
    one_value, other = planted.pan(), planted.pan()

    def marks(agent: str) -> list[str]:
        canary.forget()
        for value in (one_value, other, one_value):
            running.post(mcp.call(1, "pay", {"x": value}), token=running.token(agent))
        return [json.loads(body)["params"]["arguments"]["x"] for body in arrived(canary)]

    first, second, again = marks(next(agents))
    assert first == again != second
    assert not {first, second} & set(marks(next(agents)))


def test_a_value_that_may_not_go_is_denied(running: Stack, canary: Canary, planted: Planted, agent: str) -> None:
    """A5, D1."""
    answer = running.post(mcp.call(1, "pay", {"x": f"use {planted.token()}"}), token=running.token(agent))
    assert reason(answer) == "policy.content_denied", answer.text
    assert planted.found_in(answer.content) == []
    assert arrived(canary) == []


@pytest.mark.parametrize("written", [CANARY, "HARBOUR lantern-7712_quince", encoded(CANARY)])
def test_a_planted_value_never_leaves_however_it_is_written(
    written: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """D1: the bundle knows it by its keyed hash only."""
    planted.keep(CANARY)
    answer = running.post(mcp.call(1, "pay", {"x": f"see {written}!"}), token=running.token(agent))
    assert reason(answer) == "policy.content_denied", answer.text
    near = mcp.call(2, "pay", {"x": f"see {CANARY.replace('7712', '7713')}!"})
    assert reason(running.post(near, token=running.token(agent))) == "none"
    assert arrived(canary) == [near]


def test_a_person_is_asked_and_never_sees_the_value(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, A6, D3: what was approved goes on as it was sent."""
    value, token = planted.iban(), running.token(agent)
    sent = mcp.call(1, "pay", {"to": f"account {value}", "amount": 5})
    question = json.loads(running.post(sent, token=token).content)["error"]
    assert question["code"] == -31409, question
    approval = question["data"]["approval_id"]
    shown = running.interdict.admin("GET", f"/v1/approvals/{approval}").text
    told = content.command(running.interdict, "approvals", "show", approval)
    for text in (shown, told.stdout + told.stderr, json.dumps(question)):
        assert planted.found_in(text.encode()) == []
    assert "[[dlp:iban:" in shown and '"amount":5' in shown.replace(" ", ""), shown
    assert arrived(canary) == []
    assert running.interdict.decide(approval, "approve").status_code == 200
    running.post(sent.replace(b'"id":1', b'"id":2'), token=token)
    assert arrived(canary) == [sent.replace(b'"id":1', b'"id":2')], running.tail()


def test_an_approval_of_one_value_lets_no_other_go(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, A6, D3: two values look alike to the approver only."""
    token = running.token(agent)

    def ask() -> str:
        sent = mcp.call(1, "pay", {"to": planted.iban()})
        return str(json.loads(running.post(sent, token=token).content)["error"]["data"]["approval_id"])

    first = ask()
    running.interdict.decide(first, "approve")
    assert ask() != first
    assert arrived(canary) == []


def test_a_token_is_turned_back_for_a_server_that_may_see_the_value(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1: and for no other."""
    value, token = planted.badge(), running.token(agent)
    running.post(mcp.call(1, "find", {"x": f"who is {value}?"}), token=token)
    sealed = one(canary)["params"]["arguments"]["x"]
    assert TOKEN.search(sealed), running.tail()

    canary.forget()
    running.post(mcp.call(2, "find", {"x": sealed}), token=token)
    assert one(canary)["params"]["arguments"]["x"] == sealed, "a server that may not see it gets it as it is"

    canary.forget()
    running.post(mcp.call(3, "find", {"x": sealed}), token=running.token(agent, VAULT), path="/vault")
    assert one(canary)["params"]["arguments"]["x"] == f"who is {value}?", running.tail()


def test_a_token_that_was_tampered_with_is_plain_text(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, D1."""
    running.post(mcp.call(1, "find", {"x": planted.badge()}), token=running.token(agent))
    sealed = one(canary)["params"]["arguments"]["x"]
    canary.forget()
    forged = sealed[:-6] + ("AAAA" if sealed[-6:-2] != "AAAA" else "BBBB") + "]]"
    running.post(mcp.call(2, "find", {"x": forged}), token=running.token(agent, VAULT), path="/vault")
    assert one(canary)["params"]["arguments"]["x"] == forged


@pytest.mark.parametrize("session", ["one session", "a session for each call"])
def test_a_value_in_two_calls_is_found_in_the_second(
    session: str, running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """D1: nobody who has both texts has the value, and beginning anew helps nobody."""
    first, second = halves(planted.pan())
    token, anew = running.token(agent), session == "a session for each call"

    def write(ident: int, text: str) -> None:
        body = mcp.call(ident, "write", {"name": "a", "text": text})
        own = [("mcp-session-id", f"session-{ident}")] if anew else []
        running.post(body, headers=[*mcp.headers(body, token=token), *own])

    write(1, f"it is {first}")
    write(2, f"{second} is it")
    texts = [json.loads(body)["params"]["arguments"]["text"] for body in arrived(canary)]
    assert texts[0] == f"it is {first}"
    assert second not in "".join(texts[1:]), f"{texts}\n{running.tail()}"
    assert len(texts) == 2, texts
    assert MARK.search(texts[1])


def test_the_same_half_in_another_tool_or_session_is_nothing(
    running: Stack, canary: Canary, planted: Planted, agents: Iterator[str]
) -> None:
    """D1."""
    first, second = halves(planted.pan())
    one_agent, other = running.token(next(agents)), running.token(next(agents))
    running.post(mcp.call(1, "write", {"text": first}), token=one_agent)
    running.post(mcp.call(2, "draw", {"text": second}), token=one_agent)
    running.post(mcp.call(3, "write", {"text": second}), token=other)
    assert [json.loads(body)["params"]["arguments"]["text"] for body in arrived(canary)] == [first, second, second]


def test_more_distinct_values_than_a_session_may_send_are_denied(
    running: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """D1: each of them alone is fine."""
    token, tickets = running.token(agent), [planted.ticket() for _ in range(4)]

    def send(ticket: str) -> str:
        return reason(running.post(mcp.call(1, "find", {"x": ticket}), token=token))

    assert [send(ticket) for ticket in tickets[:3]] == ["none"] * 3
    assert send(tickets[0]) == "none", "what was sent before is not one more"
    assert send(tickets[3]) == "policy.content_accumulated"
    assert send(tickets[1]) == "none", "what did not go on does not count"
    assert tickets[3].encode() not in b"".join(arrived(canary))


@pytest.mark.parametrize("kind", ["pan", "badge"])
def test_native_ext_authz_cannot_redact_so_the_call_is_denied(
    kind: str, native: Stack, canary: Canary, planted: Planted, agent: str
) -> None:
    """A5, A8: an obligation that the enforcement point cannot carry out is a Deny."""
    value = getattr(planted, kind)()
    answer = native.post(mcp.call(1, "pay", {"x": value}), token=native.token(agent))
    assert reason(answer) != "none", answer.text
    assert planted.found_in(answer.content) == []
    assert arrived(canary) == []
    clean = mcp.call(2, "pay", {"x": "nothing"})
    assert native.post(clean, token=native.token(agent)).content == canaries.expected_answer(clean)


@pytest.mark.parametrize("sdk", clients.all_clients(), ids=str)
def test_a_client_notices_nothing_of_a_redaction(
    sdk: Sdk, spoken: Stack, changeling: Changeling, planted: Planted, agent: str
) -> None:
    """A5, D1: arguments, `_meta`, prompts, and what the user types into a server's form."""
    changeling.forget()
    steps: list[dict[str, Any]] = [
        {"call": "note", "arguments": {"x": f"a {planted.pan()} b"}, "meta": {"note": f"of {planted.pan()}"}},
        {"prompt": "letter", "arguments": {"to": planted.pan()}},
        {"call": "ask", "arguments": {}},
        {"call": "note", "arguments": {"x": planted.token()}},
    ]
    seen = sdk.run(spoken.url, steps, token=spoken.token(agent), elicit={"said": f"it is {planted.pan()}"})
    assert [("result" in step, step.get("result", {}).get("isError", False)) for step in seen.steps] == [
        (True, False),
        (True, False),
        (True, False),
        (True, True),
    ], f"{seen}\n{spoken.tail()}"
    given = changeling.given()
    assert planted.found_in(json.dumps(given).encode()) == []
    noted, letter, *_, filled = given
    assert re.fullmatch(rf"a {MARK.pattern} b", noted["arguments"]["x"])
    assert re.fullmatch(rf"of {MARK.pattern}", noted["meta"]["note"])
    assert MARK.fullmatch(letter["arguments"]["to"])
    assert re.fullmatch(rf"it is {MARK.pattern}", filled["given"]["said"])


def test_the_record_counts_classes(running: Stack, canary: Canary, planted: Planted, agent: str) -> None:
    """D3, E1: and says nothing of the values."""
    running.post(mcp.call(1, "pay", {"x": planted.pan(), "y": planted.ticket()}), token=running.token(agent))
    found = content.records(running.interdict, "decision")[-1]["content"]
    assert {(entry["class"], entry["action"], entry["count"]) for entry in found["classes"]} == {
        ("pan", "redact", 1),
        ("ticket", "count", 1),
    }
    assert found["redacted"] == 1


def test_whom_totals_count_for_is_nowhere_in_plain(running: Stack, planted: Planted, agent: str) -> None:
    """C6, D3: one payee is one payee behind a mark as well."""
    token, card, ticket = running.token(agent), planted.pan(), planted.ticket()

    def send(name: str, **arguments: Any) -> str:
        return reason(running.post(mcp.call(1, name, arguments), token=token))

    paid = [send("give", amount=5, to=payee) for payee in (card, spaced(card))]
    assert paid == ["none", "policy.contract_payee_total"]
    assert send("give", amount=5, to=ticket) == "none"
    assert send("tell", to=[ticket, planted.pan()]) == "none"
    [database] = running.interdict.folder.rglob("interdict-totals.db")
    files = list(database.parent.glob(f"{database.name}*"))
    assert sum(file.stat().st_size for file in files) > 0
    assert not [found for file in files for found in planted.found_in(file.read_bytes())]


def test_no_value_is_in_any_store_log_or_metric(running: Stack, folder: Path, planted: Planted, agent: str) -> None:
    """D3: whatever came of the calls before."""
    running.post(mcp.call(1, "pay", {"x": planted.pan()}), token=running.token(agent))
    content.search(running, folder / running.mode, planted)


def test_no_value_is_in_any_store_log_or_metric_of_the_others(
    native: Stack, spoken: Stack, folder: Path, planted: Planted, agent: str
) -> None:
    """D3."""
    native.post(mcp.call(1, "pay", {"x": planted.pan()}), token=native.token(agent))
    spoken.post(mcp.call(1, "note", {"x": planted.pan()}, era=mcp.MODERN), token=spoken.token(agent), era=mcp.MODERN)
    content.search(native, folder / "native", planted)
    content.search(spoken, folder / "call", planted)
