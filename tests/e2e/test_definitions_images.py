"""Behind definitions that stay the same, another program begins to work."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import content, evidence, mcp
from support import market as markets
from support.content import tool
from support.evidence import Audit
from support.market import Fair, read

ONE, TWO = (f"sha256:{digit * 64}" for digit in "12")


@pytest.fixture(scope="module", params=["call", "split"])
def fair(request: pytest.FixtureRequest, folder: Path) -> Iterator[Fair]:
    with markets.fair(request.param, folder) as started:
        yield started


def states(fair: Fair) -> set[str]:
    page = json.loads(fair.careful.command("pins", "list", "--server", "careful", "--json"))
    return {entry["state"] for entry in page["pins"] if entry["name"] in ("first", "answers")}


def approve_all(fair: Fair) -> str:
    """One answer of a person who has read the review."""
    shown = fair.careful.command("pins", "review", "--server", "careful")
    page = json.loads(fair.careful.command("pins", "review", "--server", "careful", "--json"))
    fair.careful.command("pins", "approve", "--server", "careful", "--all", "--digest", page["all"], "--by", "pat")
    return shown


def read_batch(fair: Fair, arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """The answers to a batch of one call, of the one revision that has batches."""
    market = fair.careful
    body = b"[" + mcp.call(1, "answers", arguments) + b"]"
    answer = market.running.post(body, token=market.token(), era="2025-03-26", path=market.path)
    answers: list[dict[str, Any]] = json.loads(answer.content)
    return answers


def test_a_new_image_under_the_same_definitions_needs_a_person_until_it_is_approved(fair: Fair) -> None:
    """D7: calls wait for an approval, one by one, also after a restart; lists and prompts are as before."""
    market = fair.careful
    market.pin(tool("first"), tool("answers"))
    fair.image(ONE)
    Audit.wait_until(lambda: states(fair) == {"stale"} or None, "the first word on what runs there")
    approve_all(fair)
    assert market.call("answers", {"x": "before"}) == "none"

    fair.image(TWO)
    Audit.wait_until(lambda: states(fair) == {"stale"} or None, "the change")
    market.server.forget()
    assert set(market.listed()) >= {"first", "answers"}, market.running.tail()
    arguments: dict[str, Any] = {"x": "after"}
    waits = read(market.ask("tools/call", {"name": "answers", "arguments": arguments}))
    assert waits["result"]["resultType"] == "input_required", waits
    assert market.server.given() == [], "it never got there"
    [alone] = read_batch(fair, {"x": "in a batch"})
    assert alone["result"]["_meta"]["io.interdict/reason"] == "tool.stale", alone
    asked = market.interdict.wait_pending()
    assert [why["code"] for why in asked["reasons"]] == ["tool.stale"]

    market.interdict.stop()
    market.interdict.restart()
    Audit.wait_until(lambda: market.ask("tools/list").status_code == 200 or None, "an answer after the restart")
    assert states(fair) == {"stale"}
    market.interdict.decide(asked["id"], "approve")
    assert market.call("answers", arguments) == "none", market.running.tail()
    assert [given["arguments"] for given in market.server.given()] == [arguments]
    again = read(market.ask("tools/call", {"name": "answers", "arguments": arguments}))
    assert again["result"]["resultType"] == "input_required", "an approval is for one call"
    assert len(market.server.given()) == 1
    audit = Audit.of(market.interdict)
    audit.wait_signed()
    calls = [body for body in audit.bodies("decision") if body.get("action", {}).get("target") == "answers"][-3:]
    assert [(body["verdict"], body["reason"]) for body in calls] == [
        ("intercept", "tool.stale"),
        ("allow", "policy.granted"),
        ("intercept", "tool.stale"),
    ]
    for body in calls:
        done = evidence.replay(audit, body["decision_id"])
        assert done.code == 0, done.text

    shown = approve_all(fair)
    assert "answers" in shown
    assert "was replaced" in shown, "a reviewer is told why"
    assert states(fair) == {"pinned"}
    assert market.call("answers", {"x": "approved"}) == "none"
    told = [body for body in content.records(market.interdict, "pin") if body["name"] == "answers"]
    assert [(body["event"], body.get("image")) for body in told] == [
        ("seen", None),
        ("approved", None),
        ("stale", ONE),
        ("approved", ONE),
        ("stale", TWO),
        ("approved", TWO),
    ]


def test_where_first_use_approves_a_new_image_still_needs_a_person(fair: Fair) -> None:
    """D7."""
    trusting = fair.trusting
    trusting.offer(tool("quick"))
    # The first report after a restart may be lost; what it was about is told with the next list.
    Audit.wait_until(
        lambda: ("quick" in trusting.listed() and trusting.call("quick") == "none") or None, "first use", 30
    )
    fair.image(ONE)

    def waits() -> bool:
        answer = read(trusting.ask("tools/call", {"name": "quick", "arguments": {}}))
        return answer["result"]["resultType"] == "input_required"

    Audit.wait_until(lambda: waits() or None, "the change")
    trusting.listed()
    assert waits(), "to list it once more approves nothing"
