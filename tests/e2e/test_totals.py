"""Ceilings over calls: many small ones are stopped where one large one would be, whoever asks and whenever it is killed."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from support import clients, content, mcp
from support.clients import Sdk
from support.content import Changeling, Script, contract, tool
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")

CONTRACTS = [
    contract(
        "pay",
        ["pay"],
        value={"path": ["amount"], "totals": [{"window": "24h", "max": 30}, {"window": "1h", "per": ["to"], "max": 20}]},
    ),
    contract("give", ["pay"], value={"path": ["amount"], "totals": [{"window": "24h", "ask_above": 20, "max": 40}]}),
    contract("mail", ["send"], recipients={"paths": [["to", "*"]], "totals": [{"window": "1h", "max": 10}]}),
    contract("delete", ["delete"], cardinality={"paths": [["id"]], "totals": [{"window": "1d", "max": 50}]}),
    contract("look", ["read"]),
]


@pytest.fixture(scope="module", params=["call", "split", "native"])
def running(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    with content.running(
        request.param, folder / request.param, canary.address, None, agents=content.AGENTS, contracts=CONTRACTS
    ) as started:
        yield started


def send(running: Stack, agent: str, name: str, arguments: dict[str, Any]) -> str:
    """The reason that the answer gives; `arrived` when it is the server's."""
    return said(running.post(mcp.call(1, name, arguments), token=running.token(agent)))


def said(answer: httpx.Response) -> str:
    message = json.loads(answer.content)
    if "error" in message:
        return str(message["error"]["data"]["reason"])
    return str(message["result"].get("_meta", {}).get("io.interdict/reason", "arrived"))


def pay(running: Stack, agent: str, amount: int, to: str) -> str:
    return send(running, agent, "pay", {"amount": amount, "to": to})


def test_many_small_transfers_are_stopped_where_one_large_one_is(
    running: Stack, canary: Canary, agent: str, agents: Iterator[str]
) -> None:
    assert pay(running, agent, 31, "a") == "policy.contract_payee_total"
    answers = [pay(running, agent, 6, f"DE{number}") for number in range(7)]
    assert answers == ["arrived"] * 5 + ["policy.contract_value_total"] * 2
    assert len(canary.requests()) == 5
    # What was refused is not counted, and others have counters of their own.
    assert send(running, agent, "look", {}) == "arrived"
    assert pay(running, next(agents), 6, "DE1") == "arrived"


def test_one_payee_has_a_ceiling_of_its_own_in_whatever_spelling(running: Stack, agent: str) -> None:
    assert pay(running, agent, 15, "DE89 3704 0044") == "arrived"
    assert pay(running, agent, 6, "de89-37040044") == "policy.contract_payee_total"
    assert pay(running, agent, 5, "DE8937040044") == "arrived"
    assert pay(running, agent, 6, "NL1") == "arrived"


def test_the_eleventh_recipient_and_the_fifty_first_record_are_refused(running: Stack, agent: str) -> None:
    for first in range(0, 10, 2):
        mail = {"to": [f"m{first}@a.example", f"m{first + 1}@a.example"]}
        assert send(running, agent, "mail", mail) == "arrived"
    assert send(running, agent, "mail", {"to": ["m10@a.example"]}) == "policy.contract_recipients_total"
    assert send(running, agent, "mail", {"to": ["m3@a.example"]}) == "arrived"
    deleted = {send(running, agent, "delete", {"id": number}) for number in range(50)}
    assert deleted == {"arrived"}
    assert send(running, agent, "delete", {"id": 50}) == "policy.contract_cardinality_total"


def test_of_twenty_calls_at_once_with_a_rest_for_three_exactly_three_arrive(
    running: Stack, canary: Canary, agent: str
) -> None:
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: pay(running, agent, 10, f"p{number}"), range(20)))
    assert sorted(answers) == ["arrived"] * 3 + ["policy.contract_value_total"] * 17
    assert len(canary.requests()) == 3


def test_a_killed_server_counts_on(running: Stack, canary: Canary, agent: str) -> None:
    assert [pay(running, agent, 10, f"p{number}") for number in range(2)] == ["arrived"] * 2
    running.interdict.kill()
    running.interdict.restart()
    assert [pay(running, agent, 10, f"p{number}") for number in range(2, 5)] == [
        "arrived",
        "policy.contract_value_total",
        "policy.contract_value_total",
    ]
    assert len(canary.requests()) == 3


def test_an_approved_call_is_counted_when_it_goes_on_and_not_before(running: Stack, canary: Canary, agent: str) -> None:
    def give(amount: int) -> str:
        return send(running, agent, "give", {"amount": amount})

    assert give(15) == "arrived"
    assert give(10) == give(12) == "policy.contract_value_total_ask"
    # Asking counts nothing.
    assert give(5) == "arrived"
    pending = running.interdict.approvals("pending")
    [wanted] = [one for one in pending if one["agent"] == agent and '"amount":10' in arguments(running, one)]
    assert running.interdict.decide(wanted["id"], "approve").is_success
    assert give(10) == "arrived"
    assert give(10) == "policy.contract_value_total_ask"
    assert give(11) == "policy.contract_value_total"
    assert len(canary.requests()) == 3


def totals(running: Stack, *arguments: str) -> tuple[int, str]:
    done = content.command(running.interdict, "totals", *arguments)
    return done.returncode, done.stdout + done.stderr


def stands(running: Stack, *arguments: str) -> dict[str, list[int]]:
    """By counter."""
    code, text = totals(running, "list", "--json", *arguments)
    assert code == 0, text
    found: dict[str, list[int]] = {}
    for one in json.loads(text)["totals"]:
        found.setdefault(one["counter"], []).append(one["stands"])
    return found


def test_what_stands_is_seen_and_reset_by_a_person_who_is_on_record(running: Stack, agent: str) -> None:
    assert [pay(running, agent, 15, "DE89 3704"), pay(running, agent, 15, "NL1")] == ["arrived"] * 2
    assert pay(running, agent, 1, "NL2") == "policy.contract_value_total"
    assert sorted(stands(running, "--agent", agent)["payee"]) == [15, 15]
    assert stands(running, "--agent", agent, "--counter", "value") == {"value": [30]}
    assert stands(running, "--agent", agent, "--payee", "de-893704") == {"payee": [15]}
    shown = totals(running, "list", "--agent", agent)[1]
    assert "30 stand; refused above 30" in shown and "frees from" in shown, shown
    assert "de89" not in shown.lower().replace(" ", "")

    reset = ("reset", "--agent", agent, "--counter", "value")
    code, text = totals(running, *reset, "--by", agent, "--why", "x")
    assert code == 1 and "admin.own_agent" in text, text
    code, text = totals(running, *reset, "--by", "ana@example.com", "--why", "the refunds of the recall")
    assert code == 0 and "it stood at 30" in text, text
    assert sorted(stands(running, "--agent", agent)) == ["payee"]
    assert pay(running, agent, 5, "NL2") == "arrived"
    assert pay(running, agent, 6, "NL1") == "policy.contract_payee_total", "only what was named was reset"
    [lift] = [one for one in content.records(running.interdict, "lift") if one["agent"] == agent]
    assert lift["event"] == "total_reset" and lift["stood"] == 30, lift
    assert (lift["by"], lift["why"]) == ("ana@example.com", "the refunds of the recall")


def test_an_approver_sees_what_stood_what_the_call_adds_and_the_ceilings(running: Stack, agent: str) -> None:
    give = {"amount": 15}
    assert send(running, agent, "give", give) == "arrived"
    assert send(running, agent, "give", {"amount": 12}) == "policy.contract_value_total_ask"
    [asked] = [one for one in running.interdict.approvals("pending") if one["agent"] == agent]
    shown = content.command(running.interdict, "approvals", "show", asked["id"]).stdout
    wanted = "value in 24h: 15 stood, this call adds 12, 27 together; asks above 20, refused above 40"
    assert wanted in shown, shown
    [total] = running.interdict.admin("GET", f"/v1/approvals/{asked['id']}").json()["totals"]
    assert (total["stood"], total["adds"], total["ask_above"], total["max"]) == (15, 12, 20, 40)


def arguments(running: Stack, approval: dict[str, Any]) -> str:
    shown = running.interdict.admin("GET", f"/v1/approvals/{approval['id']}").text
    return shown.replace(" ", "").replace("\\", "")


def test_where_totals_cannot_be_kept_such_calls_are_refused_and_others_go_on(running: Stack, agent: str) -> None:
    [database] = running.interdict.folder.rglob("interdict-totals.db")
    assert pay(running, agent, 1, "x") == "arrived"
    held = sqlite3.connect(database, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    assert pay(running, agent, 1, "x") == "totals.unavailable"
    assert send(running, agent, "look", {}) == "arrived"
    held.execute("ROLLBACK")
    held.close()
    assert pay(running, agent, 1, "x") == "arrived"


def test_a_batch_of_counted_calls_is_refused(running: Stack, canary: Canary, agent: str) -> None:
    calls = [json.loads(mcp.call(number, "pay", {"amount": 1, "to": "x"})) for number in range(2)]
    body = json.dumps(calls).encode()
    answer = running.post(body, token=running.token(agent), era="2025-03-26")
    reasons = {said(httpx.Response(200, content=json.dumps(one).encode())) for one in json.loads(answer.content)}
    assert reasons == {"totals.not_in_batch"}
    assert canary.requests() == []


# === SDK clients ===


@pytest.fixture(scope="module")
def spoken(folder: Path) -> Iterator[Stack]:
    """In front of a server that SDK clients can talk to."""
    script = Script(pages=[[tool("pay"), tool("look")]], prompts=[], answers={})
    with (
        Changeling(folder / "changeling", script) as server,
        content.running(
            "call", folder / "spoken", server.address, None, agents=content.AGENTS, contracts=CONTRACTS
        ) as started,
    ):
        yield started


@pytest.mark.parametrize("sdk", clients.all_clients(), ids=str)
def test_an_sdk_client_learns_why_its_small_transfers_end(spoken: Stack, sdk: Sdk, agent: str) -> None:
    steps = [{"call": "pay", "arguments": {"amount": 10, "to": f"p{number}"}} for number in range(5)]
    seen = sdk.run(spoken.url, steps, token=spoken.token(agent))
    told = [json.dumps(seen.steps[number]) for number in range(5)]
    assert ["total of the contract" in text for text in told] == [False] * 3 + [True] * 2, told
