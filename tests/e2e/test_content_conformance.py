"""The official conformance suite behind Interdict with everything of content switched on: nothing that it says or gets
is taken for something else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support import conformance, content, servers
from support import envoy as envoys
from support.evidence import Audit
from support.servers import ToolServer

pytestmark = pytest.mark.slow

CONTENT: dict[str, Any] = {
    "regions": ["us", "nl", "de", "gb"],
    "rules": [
        {"classes": ["secret", "card", "account", "identity"], "action": "redact"},
        {"classes": ["contact", "network"], "action": "count"},
    ],
    "injection": {"structural": "quarantine", "contextual": "quarantine", "lexical": "note"},
    "unreadable": "deny",
}


@pytest.fixture(scope="module")
def target(folder: Path) -> Iterator[ToolServer]:
    with servers.conformance_target(folder) as server:
        yield server


@pytest.mark.parametrize("mode", ["call"])
def test_the_suite_sees_no_difference_and_nothing_was_edited(mode: str, target: ToolServer, folder: Path) -> None:
    """A10, D1, D2: every check of three revisions passes as it does without, and no record says that something was done."""
    with content.running(mode, folder / mode, target.address, CONTENT) as running:
        token = {"authorization": f"Bearer {running.token()}"}
        with envoys.Envoy(
            envoys.bare(("127.0.0.1", running.envoy.port), add_headers=token), folder / mode / "front"
        ) as front:
            for revision, passed in conformance.BASELINE.items():
                seen = conformance.run_whole_suite(front.url(), folder / mode / revision, revision)
                failed = {
                    name: counts
                    for name, counts in seen.scenarios.items()
                    if any("FAILURE" in check for check in counts)
                }
                assert (seen.passed, seen.failed) == (passed, 0), f"{revision}: {failed}\n{running.tail()}"
        audit = Audit.of(running.interdict)
        audit.wait_signed()
        outcomes = audit.bodies("outcome")
        treated = [body for body in outcomes if body.get("treated", "untouched") != "untouched"]
        # The one body that is neither JSON nor of any stated type: the target's refusal of a foreign Host.
        strange = [body for body in treated if body["bytes"] == len("Invalid Host header")]
        assert {body["treated_reason"] for body in strange} <= {"response.unreadable"}
        touched = [body for body in treated if body not in strange]
        found = [
            entry for body in outcomes for entry in body.get("found", []) if entry["action"] not in ("count", "note")
        ]
        edited = [body for body in audit.bodies("decision") if body.get("content", {}).get("redacted")]
        assert not touched, touched[:5]
        assert not found, found[:5]
        assert not edited, edited[:5]
        assert any(body.get("treated") == "untouched" for body in outcomes), "nothing was looked into"
