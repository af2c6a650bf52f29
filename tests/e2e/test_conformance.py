"""The official MCP conformance suite sees no difference between a server and the same server behind Interdict."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support import servers, stack
from support import envoy as envoys
from support.conformance import BASELINE, Outcome, run_whole_suite
from support.servers import ToolServer

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def target(folder: Path) -> Iterator[ToolServer]:
    with servers.conformance_target(folder) as server:
        yield server


@pytest.fixture(scope="module")
def direct(target: ToolServer, folder: Path) -> dict[str, Outcome]:
    """The suite against the server itself, in every revision."""
    return {revision: run_whole_suite(target.url, folder / "direct" / revision, revision) for revision in BASELINE}


@pytest.mark.parametrize("revision", BASELINE)
def test_the_target_alone_passes_the_suite(direct: dict[str, Outcome], revision: str) -> None:
    assert (direct[revision].passed, direct[revision].failed) == (BASELINE[revision], 0)


@pytest.mark.parametrize("mode", stack.MODES)
def test_the_suite_sees_no_difference_through_the_filter(
    mode: str, target: ToolServer, direct: dict[str, Outcome], folder: Path
) -> None:
    """A10: scenario by scenario and check by check, in three revisions of the protocol."""
    with stack.running(mode, folder / mode, target.address) as running:
        # The suite sends no token; this Envoy in front gives it one, as an agent's own proxy would.
        token = {"authorization": f"Bearer {running.token()}"}
        with envoys.Envoy(
            envoys.bare(("127.0.0.1", running.envoy.port), add_headers=token), folder / mode / "front"
        ) as front:
            for revision, wanted in direct.items():
                seen = run_whole_suite(front.url(), folder / mode / revision, revision)
                different = {
                    name: (wanted.scenarios.get(name), seen.scenarios.get(name))
                    for name in wanted.scenarios.keys() | seen.scenarios.keys()
                    if wanted.scenarios.get(name) != seen.scenarios.get(name)
                }
                assert not different, f"{revision}: (direct, through the filter) = {different}\n{running.tail()}"
