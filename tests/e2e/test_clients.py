"""Unmodified SDK clients and public MCP servers: what the caller sees of Allow, Deny and Intercept."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support import clients, servers, stack
from support.clients import Sdk
from support.servers import ToolServer
from support.stack import Stack

CLIENTS = clients.all_clients()
DENIED = ["get-tiny-image", "write_file", "delete_entities", "git_reset"]
INTERCEPTED = ["get-sum", "create_directory", "create_entities", "git_commit"]


class Case:
    """One public server: a tool that is allowed, one that is denied and one that needs a person."""

    def __init__(
        self,
        server: ToolServer,
        allowed: tuple[str, dict[str, Any], str],
        denied: tuple[str, dict[str, Any]],
        intercepted: tuple[str, dict[str, Any]],
        happened: Callable[[], int] | None = None,
        modern: bool = True,
        prepare: Callable[[], object] = lambda: None,
    ) -> None:
        self.server = server
        self.allowed = allowed
        self.denied = denied
        self.intercepted = intercepted
        self.happened = happened
        """How often the intercepted call has taken effect."""
        self.modern = modern
        self.prepare = prepare
        """Makes the intercepted call possible (again)."""


def everything(folder: Path) -> Case:
    return Case(
        servers.everything(folder),
        ("echo", {"message": "hello"}, "Echo: hello"),
        ("get-tiny-image", {}),
        ("get-sum", {"a": 2, "b": 3}),
        modern=False,
    )


def filesystem(folder: Path) -> Case:
    shelf = folder / "shelf"
    shelf.mkdir()
    (shelf / "note.txt").write_text("a note")
    return Case(
        servers.filesystem(folder, shelf),
        ("read_text_file", {"path": str(shelf / "note.txt")}, "a note"),
        ("write_file", {"path": str(shelf / "note.txt"), "content": "gone"}),
        ("create_directory", {"path": str(shelf / "new")}),
        happened=lambda: int((shelf / "new").exists()),
        prepare=lambda: shutil.rmtree(shelf / "new", ignore_errors=True),
    )


def git(folder: Path) -> Case:
    repository = folder / "repository"
    repository.mkdir()

    def run(*words: str) -> str:
        return subprocess.run(["git", "-C", repository, *words], check=True, capture_output=True, text=True).stdout

    run("init", "-q", "-b", "main")
    run("config", "user.name", "test")
    run("config", "user.email", "test@test.invalid")
    (repository / "a.txt").write_text("one\n")
    run("add", "a.txt")
    run("commit", "-q", "-m", "first")
    run("config", "commit.gpgsign", "false")
    lines = itertools.count()

    def change() -> None:
        (repository / "a.txt").write_text(f"{next(lines)}\n")
        run("add", "a.txt")

    change()
    where = {"repo_path": str(repository)}
    return Case(
        servers.git(folder, repository),
        ("git_log", {**where, "max_count": 1}, "first"),
        ("git_reset", where),
        ("git_commit", {**where, "message": "second"}),
        happened=lambda: int(run("rev-list", "--count", "HEAD")) - 1,
        prepare=change,
    )


@pytest.fixture(scope="module", params=[everything, filesystem, git], ids=lambda make: make.__name__)
def case(request: pytest.FixtureRequest, folder: Path) -> Iterator[Case]:
    own = folder / request.param.__name__
    own.mkdir()
    made: Case = request.param(own)
    with made.server:
        yield made


@pytest.fixture(scope="module")
def running(case: Case, folder: Path) -> Iterator[Stack]:
    with stack.running(
        "call",
        folder / f"{case.server.process.name}-stack",
        case.server.address,
        denied=DENIED,
        intercepted=INTERCEPTED,
    ) as started:
        yield started


@pytest.fixture(scope="module")
def patient(case: Case, folder: Path) -> Iterator[Stack]:
    """The server holds a call for up to fifteen seconds before it sends the client away."""
    with stack.running(
        "call",
        folder / f"{case.server.process.name}-patient",
        case.server.address,
        intercepted=INTERCEPTED,
        timeout_s=25,
        approvals={"hold_seconds": 15, "page_url": "https://approvals.test/{id}"},
    ) as started:
        yield started


@pytest.mark.parametrize("sdk", CLIENTS, ids=str)
def test_a_client_sees_what_was_allowed_and_what_was_denied_and_stays_usable(
    sdk: Sdk, case: Case, running: Stack
) -> None:
    """A2, A3, A10, A11: only the URL and the token are new; after a Deny the same connection still works."""
    if sdk.era == clients.MODERN and not case.modern:
        pytest.skip("this server speaks the handshake era only, this client was pinned to the modern one")
    tool, arguments, wanted = case.allowed
    good = {"call": tool, "arguments": arguments}
    denied = {"call": case.denied[0], "arguments": case.denied[1]}
    seen = sdk.run(running.url, [good, denied, good, {"list": True}], token=running.token())
    assert seen.connected, f"{seen}\n{running.tail()}"
    assert wanted in seen.text(0), f"{seen}\n{running.tail()}"
    assert seen.result(1)["isError"] is True, f"{seen}\n{running.tail()}"
    assert "denied" in seen.text(1).lower()
    assert wanted in seen.text(2), "the connection must stay usable after a Deny"
    assert tool in seen.steps[3]["tools"]


@pytest.mark.parametrize("sdk", CLIENTS, ids=str)
def test_a_client_sees_that_a_person_has_to_decide(sdk: Sdk, case: Case, running: Stack) -> None:
    """A2, A6: an error that carries the approval's id, whatever the SDK makes of it; and nothing has happened yet."""
    if sdk.era == clients.MODERN and not case.modern:
        pytest.skip("this server speaks the handshake era only, this client was pinned to the modern one")
    before = case.happened() if case.happened else 0
    tool, arguments = case.intercepted
    token = running.token("bob")
    seen = sdk.run(running.url, [{"call": tool, "arguments": arguments}, {"list": True}], token=token)
    assert seen.connected, f"{seen}\n{running.tail()}"
    waiting = [entry["id"] for entry in running.interdict.approvals("pending")]
    assert any(ident in str(seen.steps[0]) for ident in waiting), (
        f"no approval id reached the caller: {seen}\n{running.tail()}"
    )
    assert "tools" in seen.steps[1], f"the connection must stay usable: {seen}"
    if case.happened:
        assert case.happened() == before


@pytest.mark.parametrize("sdk", CLIENTS, ids=str)
def test_a_waiting_client_gets_its_result_when_a_person_approves(sdk: Sdk, case: Case, patient: Stack) -> None:
    """A6, A11: the client notices nothing but the wait, and the call takes effect once."""
    if sdk.era == clients.MODERN and not case.modern:
        pytest.skip("this server speaks the handshake era only, this client was pinned to the modern one")
    tool, arguments = case.intercepted
    case.prepare()
    before = case.happened() if case.happened else 0
    at_work = sdk.start(patient.url, [{"call": tool, "arguments": arguments}], token=patient.token())
    try:
        waiting = patient.interdict.wait_pending()
        assert not case.happened or case.happened() == before
        assert patient.interdict.decide(waiting["id"], "approve").status_code == 200
    finally:
        seen = at_work.finish()
    assert not seen.result(0).get("isError"), f"{seen}\n{patient.tail()}"
    assert not case.happened or case.happened() == before + 1


@pytest.mark.parametrize("sdk", CLIENTS, ids=str)
def test_a_client_that_can_show_a_page_is_sent_to_it(sdk: Sdk, case: Case, folder: Path) -> None:
    """A6: -32042 or a URL elicitation, for those that declared that they can; the SDK hands the address to its caller."""
    if sdk.era == clients.MODERN and not case.modern:
        pytest.skip("this server speaks the handshake era only, this client was pinned to the modern one")
    tool, arguments = case.intercepted
    with stack.running(
        "call",
        folder / f"{case.server.process.name}-page-{sdk}",
        case.server.address,
        intercepted=INTERCEPTED,
        approvals={"page_url": "https://approvals.test/{id}"},
    ) as running:
        seen = sdk.run(running.url, [{"call": tool, "arguments": arguments}], token=running.token(), elicit=True)
        [waiting] = running.interdict.approvals("pending")
    address = f"https://approvals.test/{waiting['id']}"
    assert address in str(seen.report), f"{seen}\n{running.tail()}"
    if seen.version == clients.MODERN:
        assert any(address in str(asked) for asked in seen.report["elicitations"]), seen
    elif "error" in seen.steps[0]:
        assert "-32042" in str(seen.error(0)) or "UrlElicitation" in str(seen.error(0)), seen
