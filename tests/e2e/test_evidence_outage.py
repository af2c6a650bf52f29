"""No record, no action: while the log cannot be written nothing with consequences happens, everybody is told, and the log
says afterwards what it missed."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest

from soak.check import request_id
from support import evidence, mcp, outage, paths, protobuf, raw, stack
from support.canary import expected_answer
from support.evidence import Audit, Auditor
from support.process import ProcessFailed
from support.servers import Canary
from support.stack import Stack

DENIED, CAREFUL, READ = "forbidden", "careful", "look"
HOLD_S, OUTCOME_S = 2, 2
SERVING, NOT_SERVING = 1, 2
numbers = itertools.count()


@dataclass
class Site:
    running: Stack
    audit: Audit
    canary: Canary

    def call(self, tool: str) -> httpx.Response:
        return self.running.post(mcp.call(next(numbers), tool))

    def passes(self, tool: str = "act") -> None:
        """A call that arrives and is answered by the tool server."""
        body = mcp.call(next(numbers), tool)
        self.canary.forget()
        answer = self.running.post(body)
        assert answer.content == expected_answer(body), f"{answer.text[:600]}\n{self.running.tail()}"
        assert [request.body for request in self.canary.requests()] == [body]

    def refuses(self, code: str, tool: str = "act") -> None:
        """A call that gets the code of the outage and arrives nowhere."""
        self.canary.forget()
        answer = self.call(tool)
        assert answer.status_code == 200, answer.text[:600]
        assert answer.json()["error"]["code"] == -31503, answer.text[:600]
        assert answer.json()["error"]["data"]["reason"] == code, answer.text[:600]
        assert self.canary.requests() == []

    def is_down(self, code: str) -> None:
        """Health checks of both kinds and the metrics say so."""
        answer = self.running.interdict.admin("GET", "/v1/health")
        log = answer.json()["audit"]
        assert (answer.status_code, log["status"], log["code"]) == (503, "down", code)
        self.audit.wait_until(lambda: grpc_health(self.running) == NOT_SERVING, "NOT_SERVING")
        assert 'interdict_audit_down{tenant="acme"} 1' in self.running.interdict.metrics

    def comes_back(self) -> None:
        """By itself, without a call."""
        self.audit.wait_until(lambda: self.running.interdict.admin("GET", "/v1/health").status_code == 200, "recovery")
        self.audit.wait_until(lambda: grpc_health(self.running) == SERVING, "SERVING")
        assert 'interdict_audit_down{tenant="acme"} 0' in self.running.interdict.metrics

    def verifies(self, folder: Path) -> None:
        found = Auditor(folder, self.audit.verifier_key()).ask(self.audit, "--wait")
        assert found.code == 0, found.text


def grpc_health(running: Stack, service: str = "envoy.service.auth.v3.Authorization") -> int:
    host, port = running.interdict.grpc
    with grpc.insecure_channel(f"{host}:{port}") as channel:
        check = channel.unary_unary("/grpc.health.v1.Health/Check")
        answer = check(protobuf.field(1, service), timeout=30)
    return dict(protobuf.fields(answer)).get(1, 0)


@contextmanager
def site_in(folder: Path, canary: Canary, **audit: Any) -> Iterator[Site]:
    with stack.running(
        "call",
        folder,
        canary.address,
        denied=[DENIED],
        intercepted=[CAREFUL],
        entry={"read_only_tools": [READ]},
        timeout_s=10,
        approvals={"hold_seconds": HOLD_S},
        audit={"outcome_deadline_seconds": OUTCOME_S, **audit},
    ) as running:
        yield Site(running, Audit.of(running.interdict), canary)


@pytest.fixture(scope="module")
def site(folder: Path, canary: Canary) -> Iterator[Site]:
    with outage.wrapped(folder / "wrapped"):
        with site_in(folder / "site", canary) as started:
            started.passes()  # the tenant has a log now
            yield started


# --- no record, no action ----------------------------------------------------------------------------------------------

OUTAGES: dict[str, tuple[str, Callable[[Site], AbstractContextManager[None]]]] = {
    "another program holds the database": ("audit.locked", lambda site: outage.locked(site.audit)),
    "the database is damaged": ("audit.corrupt", lambda site: outage.damaged(site.audit)),
    "the file cannot be written": (
        "audit.unavailable",
        lambda site: outage.no_more_bytes(site.running.interdict.process.pid),
    ),
}


@pytest.mark.parametrize("kind", OUTAGES)
def test_no_record_no_action(kind: str, site: Site, folder: Path) -> None:
    """A9, A8."""
    code, broken = OUTAGES[kind]
    site.passes()
    gaps = len(site.audit.bodies("gap"))
    with broken(site):
        for _ in range(3):
            site.refuses(code)
        site.is_down(code)
        site.refuses(code, tool=READ)
        denied = site.call(DENIED)
        assert "policy.tests_deny" in denied.text, "a denial stays what it is"
        assert site.canary.requests() == []
    site.comes_back()
    site.passes()
    gap = site.audit.wait_for("gap", gaps + 1)[-1]
    assert (gap["reason"], gap["count"] >= 4) == (code, True), gap
    health = site.audit.bodies("health")[-1]
    assert (health["event"], health["code"]) == ("up", code)
    site.verifies(folder / f"after-{code}")


def test_a_persons_answer_that_cannot_be_recorded_is_not_given(site: Site) -> None:
    """A6, A9: the question stays open."""
    site.canary.forget()
    assert b"approval_id" in site.call(CAREFUL).content
    approval = site.running.interdict.wait_pending()["id"]
    with outage.locked(site.audit):
        refused = site.running.interdict.decide(approval, "approve")
        assert (refused.status_code, "audit.locked" in refused.text) == (503, True), refused.text
        assert [entry["id"] for entry in site.running.interdict.approvals("pending")] == [approval]
    site.comes_back()
    assert site.running.interdict.decide(approval, "approve").status_code == 200
    events = [body["event"] for body in site.audit.bodies("approval") if body["approval_id"] == approval]
    assert events == ["opened", "approved"]
    assert site.canary.requests() == []


def test_a_full_disk_stops_calls_until_there_is_room(folder: Path, canary: Canary) -> None:
    """A9, A8: on a real file system without a free byte."""
    disk = folder / "disk"
    disk.mkdir()
    if not outage.small_disks_work(disk):
        pytest.skip("this machine lets no process mount a disk of its own")
    with (
        outage.wrapped(folder / "on-disk", small_disk=disk),
        site_in(folder / "full", canary, directory=str(disk / "audit")) as site,
    ):
        seen = Path(f"/proc/{site.running.interdict.process.pid}/root{disk}")
        site.passes()
        site.canary.forget()
        with outage.full(seen):
            answered = use_up(site)
            site.is_down("audit.disk_full")
            arrived = site.canary.requests()
        assert len(arrived) == answered > 0
        site.comes_back()
        site.passes()
        # SQLite follows links by itself and finds nothing behind this one, so a copy is read.
        site.audit = copy_of(Audit(seen / "audit"), folder)
        assert "audit.disk_full" in {gap["reason"] for gap in site.audit.bodies("gap")}
        recorded = {body["request"]["id"] for body in site.audit.bodies("decision") if body["verdict"] == "allow"}
        assert {request_id(request) for request in arrived} <= recorded
        site.verifies(folder / "after-a-full-disk")


def copy_of(audit: Audit, folder: Path) -> Audit:
    """Taken while nothing was written."""

    def state() -> list[tuple[Path, int, int]]:
        files = [(file, file.stat()) for file in sorted(audit.root.rglob("*"))]
        return [(file, stat.st_size, stat.st_mtime_ns) for file, stat in files]

    def copied() -> Audit | None:
        before = state()
        time.sleep(0.5)
        copy = audit.copy(folder / f"copy-{next(numbers)}")
        return copy if state() == before else None

    # Outcomes that nobody reported are the last that is written by itself.
    time.sleep(OUTCOME_S)
    return audit.wait_until(copied, "moment without a change")


def use_up(site: Site) -> int:
    """Calls until the log stays down; how many passed. What is there already holds some calls more, and behind the first
    that does not fit any more there may still be room for smaller entries."""
    passed, refused = 0, 0
    with httpx.Client(trust_env=False) as client:
        token = site.running.token()
        for number in range(3_000):
            body = mcp.call(number, "act", {"text": "x" * (4_000 if refused == 0 else 1)})
            answer = client.post(site.running.url, content=body, headers=mcp.headers(body, token=token), timeout=30)
            if answer.content == expected_answer(body):
                passed, refused = passed + 1, min(refused, 1)
                continue
            assert "audit.disk_full" in answer.text, answer.text[:600]
            refused += 1
            time.sleep(0.1)  # in which the log tries again by itself
            if refused > 3 and site.running.interdict.admin("GET", "/v1/health").status_code == 503:
                return passed
    raise AssertionError("the disk is not full")


def test_reads_go_on_without_a_record_only_where_that_was_configured_and_are_counted(
    folder: Path, canary: Canary
) -> None:
    """A9."""
    with site_in(folder / "reads", canary, reads_when_unavailable="allow") as site:
        site.passes(READ)
        with outage.locked(site.audit):
            site.refuses("audit.locked")
            site.passes(READ)
            site.passes(READ)
        site.comes_back()
        gaps = {gap["reason"]: gap["count"] for gap in site.audit.wait_for("gap", 2)}
        assert gaps["audit.unrecorded"] == 2, gaps
        site.verifies(folder / "after-reads")


def test_who_looks_at_the_database_takes_nothing_from_it_even_when_the_server_is_killed_afterwards(
    site: Site, folder: Path
) -> None:
    """A9: a program that thinks itself the last user of the database would take the write-ahead log away."""
    site.passes("before")
    with closing(sqlite3.connect(site.audit.database())) as somebody:
        somebody.execute("SELECT count(*) FROM entries").fetchone()
    site.passes("after")
    site.running.interdict.kill()
    assert of(site, "before") and of(site, "after")
    site.running.interdict.restart()
    site.passes()
    site.verifies(folder / "after-a-look")


def test_a_server_does_not_start_on_a_damaged_log_and_nothing_passes_meanwhile(site: Site, folder: Path) -> None:
    """A8, E1: and neither does a second server on the folder of a running one."""
    second = evidence.run(
        paths.interdict_binary(), "serve", "--config", site.running.interdict.folder / "interdict.yaml", timeout_s=60
    )
    assert second.code != 0 and "audit.locked" in second.text, second.text
    site.running.interdict.stop()
    whole = site.audit.database().read_bytes()
    site.audit.database().write_bytes(b"not a database".ljust(len(whole), b"\0"))
    with pytest.raises(ProcessFailed, match=r"audit\.corrupt"):
        site.running.interdict.restart()
    site.canary.forget()
    assert "enforcer." in site.call("act").text
    assert site.canary.requests() == []
    site.audit.database().write_bytes(whole)
    site.running.interdict.restart()
    site.passes()
    site.verifies(folder / "after-damage")


# --- callers who go away ---------------------------------------------------------------------------------------------


def test_a_caller_that_leaves_while_a_person_is_asked_leaves_one_record(site: Site) -> None:
    """A9: an asked question is on record, whoever waits for the answer."""
    site.canary.forget()
    before = len(site.audit.bodies("decision"))
    asyncio.run(ask_and_leave(site, CAREFUL))
    site.audit.wait_for("decision", before + 1)
    time.sleep(HOLD_S + 0.7)
    found = site.audit.bodies("decision")[before:]
    assert [(body["action"]["target"], body["verdict"]) for body in found] == [(CAREFUL, "intercept")]
    assert site.canary.requests() == []


def test_a_caller_that_leaves_while_its_record_is_written_leaves_one_record(site: Site) -> None:
    """A9: the record is what decides, and an outcome that never came is recorded, too."""
    site.canary.forget()
    tool, kept_s = "", 1.0
    while kept_s > 0.8:  # Longer, and the log counts as locked: then the call is refused, which is another test.
        tool = f"leaver-{next(numbers)}"
        with outage.locked(site.audit):
            began = time.monotonic()
            asyncio.run(ask_and_leave(site, tool))
        kept_s = time.monotonic() - began
    site.audit.wait_until(lambda: of(site, tool), "record of the call")
    time.sleep(0.3)
    [body] = of(site, tool)
    assert body["verdict"] == "allow" and body["expects_outcome"]
    assert site.canary.requests() == []
    missing = {"decision_id": body["decision_id"], "deadline_seconds": OUTCOME_S}
    site.audit.wait_until(lambda: missing in site.audit.bodies("outcome_missing"), "outcome_missing")


def of(site: Site, tool: str) -> list[dict[str, Any]]:
    return [body for body in site.audit.bodies("decision") if body["action"].get("target") == tool]


async def ask_and_leave(site: Site, tool: str) -> None:
    """Goes away when the decision point has the question and before it answers."""
    number = next(numbers)
    body = mcp.call(number, tool, {"number": number})
    headers = mcp.headers(body, token=site.running.token())
    connection = await raw.Http1.connect(site.running.envoy.port)
    head = raw.http1_head("POST", "/mcp", [("host", "x"), *headers, ("content-length", str(len(body)))])
    await connection.send([head + body])
    for _ in range(1_000):
        if site.running.envoy.stats("cluster.interdict.upstream_rq_active").get("cluster.interdict.upstream_rq_active"):
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the question never reached the decision point")
    await asyncio.sleep(0.05)
    connection.abort()
    await asyncio.sleep(0.1)
