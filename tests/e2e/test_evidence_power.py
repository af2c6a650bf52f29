"""What is on the disk when an answer leaves, seen by the system calls of the server: power cannot be cut here."""

from __future__ import annotations

import itertools
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support import mcp, paths, stack
from support.evidence import Audit, Auditor
from support.servers import Canary
from support.stack import Stack

READ, CALLS = "look", 20
numbers = itertools.count()


@dataclass
class Traced:
    """A stack whose server's syncs of a tenant's log are written down."""

    running: Stack
    audit: Audit
    trace: Path

    def call(self, tool: str = "") -> httpx.Response:
        """A call with consequences, unless it is that of a tool that only reads."""
        number = next(numbers)
        return self.running.post(mcp.call(number, tool or f"act-{number}"))

    def syncs(self) -> int:
        return self.trace.read_text().count("/tenants/acme/log.db-wal>")

    def from_now_on_plain(self) -> None:
        """Servers that start later are not watched."""
        (self.trace.parent / "plain").touch()

    def quiet(self) -> int:
        """Their number, once there are no more of them by themselves."""
        before = -1
        while (now := self.syncs()) != before:
            before = now
            time.sleep(3)
        return now


@contextmanager
def traced(folder: Path, canary: Canary, *options: str, **audit: object) -> Iterator[Traced]:
    folder.mkdir()
    trace = folder / "syncs"
    before = os.environ.get("INTERDICT_BIN")
    watch = ["strace", "-DD", "-f", "-qq", "-y", "-e", "signal=none", "-e", "trace=fsync,fdatasync", "-o", str(trace)]
    wrapper = folder / "interdict-traced"
    binary = str(paths.interdict_binary())
    plain = f"[ -e {shlex.quote(str(folder / 'plain'))} ] && exec {shlex.quote(binary)} \"$@\"\n"
    wrapper.write_text(f'#!/bin/sh\n{plain}exec {shlex.join([*watch, *options, binary])} "$@"\n')
    wrapper.chmod(0o755)
    os.environ["INTERDICT_BIN"] = str(wrapper)
    try:
        site = stack.running(
            "native",
            folder / "site",
            canary.address,
            entry={"read_only_tools": [READ]},
            timeout_s=10,
            audit={"checkpoint_seconds": 20, **audit},
        )
        with site as running:
            yield Traced(running, Audit.of(running.interdict), trace)
    finally:
        os.environ.pop("INTERDICT_BIN")
        if before is not None:
            os.environ["INTERDICT_BIN"] = before


@pytest.fixture(scope="module", autouse=True)
def may_trace(folder: Path) -> None:
    """Not every machine has strace, and not every container lets a process be watched."""
    command = ["strace", "-DD", "-f", "-o", str(folder / "probe"), "true"]
    if shutil.which("strace") is None or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("no process can be traced here")


def test_a_call_with_consequences_is_on_the_disk_when_it_is_answered_and_a_read_a_second_later(
    folder: Path, canary: Canary
) -> None:
    """A9: the promise about a loss of power, with the setting that is the default."""
    with traced(folder / "consequential", canary) as site:
        assert site.call().status_code == 200
        before = site.syncs()
        for _ in range(CALLS):
            assert b'"isError":false' in site.call().content, site.running.tail()
        site.audit.wait_until(lambda: site.syncs() >= before + CALLS, "sync of every call")
        before = site.quiet()
        assert b'"isError":false' in site.call(READ).content, site.running.tail()
        site.audit.wait_until(lambda: site.syncs() > before, "sync of a read", 10)  # before the checkpoint


def test_every_call_is_on_the_disk_when_it_is_answered_where_that_is_asked_for(folder: Path, canary: Canary) -> None:
    """A9."""
    with traced(folder / "every", canary, durability="every") as site:
        assert site.call(READ).status_code == 200
        before = site.syncs()
        for _ in range(CALLS):
            assert b'"isError":false' in site.call(READ).content, site.running.tail()
        site.audit.wait_until(lambda: site.syncs() >= before + CALLS, "sync of every read")


def test_a_call_whose_record_cannot_be_synced_does_not_happen(folder: Path, canary: Canary) -> None:
    """A9: the system has the record and the disk has it not."""
    failing = ("-e", f"inject=fsync,fdatasync:error=EIO:when={3 * CALLS}+")
    with traced(folder / "failing", canary, *failing) as site:
        canary.forget()
        passed, answer = 0, site.call()
        while b'"isError":false' in answer.content and passed < 2_000:
            passed, answer = passed + 1, site.call()
        assert answer.json()["error"]["data"]["reason"].startswith("audit."), answer.text[:600]
        assert len(canary.requests()) == passed > 0
        site.running.interdict.kill()
        site.from_now_on_plain()
        site.running.interdict.restart()
        assert b'"isError":false' in site.call().content, site.running.tail()
        allowed = {body["action"]["target"] for body in site.audit.bodies("decision") if body["verdict"] == "allow"}
        assert {json.loads(request.body)["params"]["name"] for request in canary.requests()} <= allowed
        site.running.interdict.stop()
        found = Auditor(folder / "auditor-of-the-failing", site.audit.verifier_key()).ask(site.audit)
        assert found.code == 0, found.text
