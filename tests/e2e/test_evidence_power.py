"""What is on the disk when an answer leaves, seen by the system calls of the server: power cannot be cut here."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from support import mcp, paths, stack
from support.evidence import Audit, Auditor
from support.servers import Canary
from support.stack import Stack

READ, CALLS, LONG = "look", 20, 1 << 25
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


class Disk:
    """What a disk has of a tenant's write-ahead log, by the system calls. A system takes what it could not write for
    written: those bytes stay away until somebody writes them again."""

    CALL = re.compile(r"(\w+)\(\d+<[^>]*/tenants/acme/log\.db-wal>(?:, .*, (\d+), (\d+))?\)\s+= (-?\d+)")

    def __init__(self, trace: Path) -> None:
        self.waiting: list[slice] = []
        self.written, self.lost = bytearray(LONG), bytearray(LONG)
        self.ever_lost = 0
        begun: dict[str, str] = {}
        for line in trace.read_text().splitlines():
            thread, _, call = line.partition(" ")
            call = call.strip()
            if call.endswith("<unfinished ...>"):
                begun[thread] = call.removesuffix("<unfinished ...>").strip()
            elif call.startswith("<..."):
                self.see(begun.pop(thread, "") + call.partition("resumed>")[2])
            else:
                self.see(call)

    def see(self, call: str) -> None:
        if (found := self.CALL.match(call)) is None:
            return
        name, length, at, result = found.groups()
        if name == "pwrite64":
            where = slice(int(at), int(at) + int(length))
            self.written[where], self.lost[where] = b"\1" * int(length), bytes(int(length))
            self.waiting.append(where)
            return
        if int(result) != 0:
            for where in self.waiting:
                self.lost[where] = b"\1" * (where.stop - where.start)
                self.ever_lost += where.stop - where.start
        self.waiting.clear()

    def cut(self, wal: Path) -> None:
        """What the disk never got."""
        kept = bytes(0 if lost else byte for byte, lost in zip(wal.read_bytes(), self.lost))
        wal.write_bytes(kept)


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


def test_what_is_acknowledged_after_a_failed_sync_survives_a_loss_of_power(folder: Path, canary: Canary) -> None:
    """A9: the system tells of a failed sync once, and the next one succeeds without what the first left out."""
    some = ("-s", "0", "-e", "trace=fsync,fdatasync,pwrite64", "-e", "inject=fdatasync:error=EIO:when=7+7")
    with traced(folder / "some", canary, *some, checkpoint_seconds=60) as site:
        canary.forget()
        passed = sum(b'"isError":false' in site.call().content for _ in range(3 * CALLS))
        arrived = {json.loads(request.body)["params"]["name"] for request in canary.requests()}
        assert len(arrived) == passed > 0, site.running.tail()
        assert "audit.unavailable" in [body["code"] for body in site.audit.bodies("health")]
        copy = site.audit.copy(folder / "after-the-loss-of-power")
        wal = copy.database().with_name("log.db-wal")
        length = wal.stat().st_size
        site.running.interdict.kill()
        disk = Disk(site.trace)
        assert disk.ever_lost > 0
        disk.cut(wal)
        with closing(sqlite3.connect(copy.database())) as database:
            records = [json.loads(row[0]) for row in database.execute("SELECT record FROM entries")]
        bodies = [record["body"] for record in records if record["kind"] == "decision"]
        assert arrived <= {body["action"]["target"] for body in bodies if body["verdict"] == "allow"}
        # The next server does not know what the last one was told: it writes everything again before it goes on.
        site.running.interdict.restart()
        assert any(b'"isError":false' in site.call().content for _ in range(CALLS)), site.running.tail()
        site.audit.wait_until(lambda: all(Disk(site.trace).written[:length]), "everything written again")
