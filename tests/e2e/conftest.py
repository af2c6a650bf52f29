"""Fixtures of the end-to-end tests. Every module has folders and processes of its own; nothing is shared between workers."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from support import content, process
from support.planted import Planted
from support.scripted import Scripted
from support.servers import Canary


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Path:
    """One folder for the module's processes."""
    return tmp_path_factory.mktemp(request.module.__name__.rpartition(".")[2])


@pytest.fixture(scope="module")
def canary(folder: Path) -> Iterator[Canary]:
    """A tool server that is not ours to trust, with its own log."""
    with Canary(folder / "canary") as server:
        yield server


@pytest.fixture(scope="module")
def server() -> Iterator[Scripted]:
    """A tool server that writes what a test tells it."""
    with Scripted() as running:
        yield running


@pytest.fixture(scope="module")
def planted(request: pytest.FixtureRequest) -> Planted:
    """Values of the module's own, to be looked for in what it leaves behind."""
    return Planted(request.module.__name__)


@pytest.fixture
def fresh_log(canary: Canary) -> None:
    """Nothing has arrived at the canary yet."""
    canary.forget()


@pytest.fixture(scope="module")
def agents() -> Iterator[str]:
    """The agents of `support.content`, one after the other."""
    return iter(content.AGENTS)


@pytest.fixture
def agent(agents: Iterator[str]) -> str:
    """One that no other test is: a session, a log and counters of its own."""
    return next(agents)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows the end of the log of every process that was running."""
    report = yield
    if report.failed:
        for running in list(process.live):
            report.sections.append((f"log of {running.name}", running.tail()))
    return report
