"""Policy as code: an edited bundle decides the next call, a broken one changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support import mcp, stack
from support.interdict import rewrite
from support.patience import until
from support.servers import Canary
from support.stack import Stack


@pytest.fixture(scope="module")
def running(folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running("call", folder / "reload", canary.address) as started:
        yield started


def allowed(running: Stack, tool: str = "welcome", **arguments: str) -> bool:
    return b'"isError":false' in running.post(mcp.call(1, tool, arguments)).content


def data_file(running: Stack) -> Path:
    return running.interdict.folder / "bundle" / "tests" / "data.yaml"


def test_an_edited_policy_decides_the_next_calls_under_a_new_digest(running: Stack) -> None:
    """C1: time to effect is the reload interval."""
    assert allowed(running)
    before = running.interdict.decisions()[-1]["bundle"]
    rewrite(data_file(running), {"denied": ["welcome"], "intercepted": []})
    assert until(lambda: not allowed(running)), running.tail()
    assert running.interdict.decisions()[-1]["bundle"] != before
    rewrite(data_file(running), {"denied": [], "intercepted": []})
    assert until(lambda: allowed(running)), running.tail()
    assert running.interdict.decisions()[-1]["bundle"] == before, "the same files have the same digest"


def test_a_broken_policy_leaves_the_old_one_in_force(running: Stack) -> None:
    """C1, A8: and says so in the log."""
    rules = running.interdict.folder / "bundle" / "tests" / "broken.rego"
    rules.write_text("package interdict.policy.tests\n\ndeny contains {\n")
    try:
        assert until(lambda: "broken.rego" in running.interdict.process.text()), running.tail()
        assert allowed(running)
    finally:
        rules.unlink()


def test_a_rule_that_fails_denies(running: Stack) -> None:
    """C1, A8: an error inside of an operator's own deny rule is a Deny, not a missing reason."""
    rules = running.interdict.folder / "bundle" / "tests" / "failing.rego"
    rules.write_text(
        "package interdict.policy.failing\n\nimport rego.v1\n\n"
        'deny contains {"code": "late", "message": "Too late."} if {\n'
        '\tinput.mcp.tool == "fails"\n\ttime.parse_rfc3339_ns(input.mcp.arguments.when) > 0\n}\n'
    )
    try:
        assert until(lambda: not allowed(running, "fails", when="2000-01-01T00:00:00Z")), running.tail()
        assert not allowed(running, "fails", when="soon"), "the rule failed on this text, and the call went through"
        assert running.interdict.decisions()[-1]["reason"].startswith("policy.")
        assert allowed(running, "welcome")
    finally:
        rules.unlink()


def test_a_new_agent_needs_only_its_registration(running: Stack) -> None:
    """A14."""
    token = running.token("carol")
    assert b'"isError":false' not in running.post(mcp.call(1, "welcome"), token=token).content
    agents = running.interdict.folder / "bundle" / "agents" / "agents.yaml"
    registered = yaml.safe_load(agents.read_text())
    carol = {
        **registered["agents"][0],
        "id": "carol",
        "identities": [{"issuer": running.issuer.name, "subject": "carol"}],
    }
    rewrite(agents, {"agents": [*registered["agents"], carol]})
    assert until(lambda: b'"isError":false' in running.post(mcp.call(1, "welcome"), token=token).content), (
        running.tail()
    )
