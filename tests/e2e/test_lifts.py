"""What a person lifts: a session is not hostile any more, and who did that and why is on record."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import answers, content
from support.answers import ORDERS, Asking, answer, reason
from support.scripted import Scripted, whole
from support.stack import Stack

FINE = whole(answer("fine"))
TOLD = ("--by", "ana@example.com", "--why", "read it: a manual")


@pytest.fixture(scope="module")
def running(folder: Path, server: Scripted) -> Iterator[Stack]:
    with answers.started("call", folder, server.address) as started:
        yield started


def made_hostile(running: Stack, server: Scripted, agent: str) -> Asking:
    ask = Asking(running, server, agent)
    ask(whole(answer(ORDERS["a chat template"])))
    ask.outcome()
    assert ask(FINE, "send").json()["error"]["code"] == -31409
    return ask


def test_a_label_is_seen_with_its_cause_and_cleared_for_one_agent_and_on_record(
    running: Stack, server: Scripted, agents: Iterator[str]
) -> None:
    agent, other = next(agents), next(agents)
    ask, beside = made_hostile(running, server, agent), made_hostile(running, server, other)
    listed = content.command(running.interdict, "labels", "list", "--agent", agent, "--json")
    [label] = json.loads(listed.stdout)["labels"]
    assert (label["label"], label["agent"], label["server"]) == ("hostile", agent, "tools"), label
    decisions = content.records(running.interdict, "decision")
    assert label["decision_id"] in {one["decision_id"] for one in decisions}
    assert 0 < label["seconds_left"] <= 3600

    own = content.command(running.interdict, "labels", "clear", "--agent", agent, "--by", agent.upper(), "--why", "x")
    assert own.returncode == 1 and "admin.own_agent" in own.stderr, own.stderr
    done = content.command(running.interdict, "labels", "clear", "--agent", agent, *TOLD)
    assert done.returncode == 0 and "not hostile any more" in done.stdout, done.stderr
    assert reason(ask(FINE, "send")) == "none"
    assert beside(FINE, "send").json()["error"]["code"] == -31409, "another agent's label stays"
    [lift] = content.records(running.interdict, "lift")
    assert lift["event"] == "label_cleared" and lift["agent"] == agent, lift
    assert (lift["by"], lift["why"], lift["label"]) == ("ana@example.com", "read it: a manual", "hostile")
    assert lift["server"] == "tools", lift
    again = content.command(running.interdict, "labels", "clear", "--agent", agent, *TOLD)
    assert again.returncode == 1 and "content.no_label" in again.stderr

    made_hostile(running, server, agent)
