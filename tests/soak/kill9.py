"""The decision point is killed with SIGKILL at random moments under load, again and again: nothing that happened may be
missing from the log, and every log verifies.

`make soak-evidence`, or `python -m soak.kill9 --decisions 100000 --kills 50` in `tests/`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import random
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from soak import load
from soak.check import check
from support import evidence, paths, stack
from support.evidence import Audit, Auditor
from support.interdict import Interdict, _addresses
from support.patience import PATIENCE_S
from support.process import Process, ProcessFailed
from support.servers import Canary
from support.stack import Stack

CONNECTIONS = 16
MOST_SECONDS = 1_800
"""A run ends by itself, whatever happens."""
LONGEST_WAIT_S = 4
"""What the filter waits at most after reports of outcomes that failed, 1 s, and the report."""


@dataclass
class Restart:
    """One start after a kill."""

    entries: int
    ms: float


@dataclass
class Course:
    """What the killer did."""

    restarts: list[Restart] = field(default_factory=list)
    kills: int = 0
    kills_during_start: int = 0
    looks: int = 0
    verified: list[dict[str, Any]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


class Killer:
    """Kills and starts the decision point again, and lets an auditor look at every tenth."""

    def __init__(self, running: Stack, folder: Path, work: load.Load, kills: int, wanted: int, seed: int) -> None:
        self.course = Course()
        self._running = running
        self._folder = folder
        self._work = work
        self._kills = kills
        self._step = wanted // kills
        self._dice = random.Random(seed)
        self.audit = Audit.of(running.interdict)
        self._auditors: dict[str, Auditor] = {}

    async def run(self) -> None:
        """A kill at a random moment of each of as many equal parts of the load as there are kills."""
        for part in range(self._kills):
            after = part * self._step + self._dice.randrange(self._step * 9 // 10)
            while self._work.seen.decided < after:
                await asyncio.sleep(0.001)
            await asyncio.sleep(self._dice.random() * 0.02)
            await asyncio.to_thread(self._kill, self._dice.random() < 0.2)
            if (part + 1) % 10 == 0 or part + 1 == self._kills:
                await asyncio.to_thread(self.verify, f"kill {part + 1}")

    def _kill(self, twice: bool) -> None:
        if self._dice.random() < 0.5:
            self._look()
        self._running.interdict.kill()
        self.course.kills += 1
        generation = self.course.kills + self.course.kills_during_start
        if twice:  # and again while it starts
            process = self._spawn(generation)
            time.sleep(self._dice.random() * 0.1)
            process.kill()
            self.course.kills_during_start += 1
            generation += 1
        entries = sum(self.audit.size(tenant) for tenant in self.audit.tenants())
        self._start(generation, entries)

    def _look(self) -> None:
        """Somebody opens a database beside the server, as any program may, and closes it again."""
        file = self.audit.database(self._dice.choice(self.audit.tenants()))
        with closing(sqlite3.connect(file, timeout=10)) as somebody:
            somebody.execute("SELECT max(seq) FROM entries").fetchone()
        self.course.looks += 1
        time.sleep(0.05)  # in which more is recorded, to be lost if the server's files were taken away

    def _spawn(self, generation: int) -> Process:
        file = self._running.interdict.folder / "interdict.yaml"
        log = self._running.interdict.folder / f"interdict-{generation}.log"
        return Process("interdict", [paths.interdict_binary(), "serve", "--config", file], log)

    def _start(self, generation: int, entries: int) -> None:
        interdict = self._running.interdict
        deadline = time.monotonic() + PATIENCE_S
        while True:
            began = time.time()
            interdict.process = process = self._spawn(generation)
            try:
                interdict.addresses = process.wait_until(lambda: _addresses(process.text()), "addresses in its log")
                break
            except ProcessFailed as failed:
                # Meanwhile the system may have lent the port to a connection of somebody else.
                if "in use" not in str(failed) or time.monotonic() > deadline:
                    raise
            process.stop()
            time.sleep(0.5)
        self.course.restarts.append(Restart(entries, (started_at(process.text()) - began) * 1000))

    def verify(self, when: str) -> None:
        """Export and verify every log, with the checkpoint that was kept the time before; a new one is kept."""
        for tenant in self.audit.tenants():
            if tenant not in self._auditors:
                self._auditors[tenant] = Auditor(self._folder / f"auditor-{tenant}", self.audit.verifier_key())
            auditor = self._auditors[tenant]
            began = time.monotonic()
            result = auditor.ask(self.audit, "--wait", tenant=tenant)
            self.course.verified.append(
                {"when": when, "tenant": tenant, "exit": result.code, "seconds": round(time.monotonic() - began, 2)}
            )
            if result.code != 0:
                self.course.problems.append(f"{when}, {tenant}: {result.text[-1500:]}")
            auditor.kept = [self.audit.head(tenant).read_text()]
            for package in auditor.folder.glob("package-*"):
                shutil.rmtree(package)


def started_at(log: str) -> float:
    """When the server said that it had started, by the machine's clock."""
    for line in log.splitlines():
        if '"message":"started"' in line:
            return datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
    raise AssertionError("no start in the log")


def run(folder: Path, *, decisions: int, kills: int, mode: str = "call", seed: int = 20261121) -> dict[str, Any]:
    """The whole run; `problems` in what it returns is empty when everything held."""
    with (
        Canary(folder / "canary") as canary,
        stack.running(
            mode,
            folder,
            canary.address,
            policy=lambda issuer: evidence.two_tenants(issuer, denied=[load.DENIED_TOOL]),
        ) as running,
    ):
        _fix_address(running.interdict)
        work = load.Load(running.envoy.port, load.roads(), running.token, decisions, seed=seed)
        killer = Killer(running, folder, work, kills, decisions, seed + 1)
        began = time.monotonic()
        asyncio.run(_drive(work, killer))
        took = time.monotonic() - began
        _settle(killer.audit)
        killer.verify("the end")
        found = check(killer.audit, canary.requests(), work.seen, load.roads())
        # Once more as it lies on the disk, without a server.
        running.interdict.stop()
        killer.verify("after the server's end")
        return _summary(work, killer, found.counts, [*found.summary(), *_odd(work)], took)


async def _drive(work: load.Load, killer: Killer) -> None:
    calls = asyncio.ensure_future(work.run(CONNECTIONS))
    kills = asyncio.ensure_future(killer.run())
    done, _ = await asyncio.wait({calls, kills}, timeout=MOST_SECONDS, return_when=asyncio.FIRST_EXCEPTION)
    work.end()
    for task in (kills, calls):
        if task not in done:
            task.cancel()
            raise TimeoutError(f"not done within {MOST_SECONDS} s: {work.seen.kinds}")
        task.result()


def _fix_address(interdict: Interdict) -> None:
    """Every start listens where the first one did."""
    host, port = interdict.grpc
    file = interdict.folder / "interdict.yaml"
    file.write_text(file.read_text().replace("address: 127.0.0.1:0", f"address: {host}:{port}", 1))


def _settle(audit: Audit) -> None:
    """Outcomes come after their calls; the last ones are waited for, also where the filter waits to try again."""
    size, since, began = -1, 0.0, time.monotonic()
    while (now := time.monotonic()) < began + PATIENCE_S:
        if (grown := sum(audit.size(tenant) for tenant in audit.tenants())) != size:
            size, since = grown, now
        if now - since > LONGEST_WAIT_S:
            return
        time.sleep(0.25)


def _odd(work: load.Load) -> list[str]:
    return [f"{len(work.seen.odd)} x an answer that is none: {work.seen.odd[:3]}"] if work.seen.odd else []


def _summary(
    work: load.Load, killer: Killer, counts: dict[str, Any], problems: list[str], took: float
) -> dict[str, Any]:
    course = killer.course
    times = [restart.ms for restart in course.restarts]
    tenth = max(1, len(times) // 5)
    bytes_on_disk = {t: killer.audit.database(t).stat().st_size for t in killer.audit.tenants()}
    return {
        "what": "decisions under load while the decision point is killed with SIGKILL at random moments; restart_ms is "
        "from the start of the process to its listening, recovery of every log included",
        "versions": versions(),
        "machine": {"cpus": os.cpu_count(), "kernel": platform.release(), "load": round(os.getloadavg()[0], 1)},
        "calls_sent": work.seen.sent,
        "answered_by_decision_point": work.seen.decided,
        "answers": dict(work.seen.kinds),
        "kills": course.kills,
        "kills_during_start": course.kills_during_start,
        "database_opened_by_others_before_the_kill": course.looks,
        "seconds": round(took, 1),
        "decisions_per_second": round(work.seen.decided / took),
        **counts,
        "restart_ms": {
            "min": round(min(times), 1),
            "median": round(statistics.median(times), 1),
            "max": round(max(times), 1),
            "median_of_first_fifth": round(statistics.median(times[:tenth]), 1),
            "median_of_last_fifth": round(statistics.median(times[-tenth:]), 1),
            "entries_at_first": course.restarts[0].entries,
            "entries_at_last": course.restarts[-1].entries,
        },
        "log_bytes": bytes_on_disk,
        "verified": course.verified,
        "problems": [*course.problems, *problems],
    }


def versions() -> dict[str, str]:
    """What ran."""
    tools = {"interdict": paths.interdict_binary(), "interdict-verify": paths.verify_binary()}
    said = {name: evidence.run(binary, "--version").text.strip() for name, binary in tools.items()}
    return {**said, "envoy": paths.NEWEST_ENVOY, "python": platform.python_version()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=100_000)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--mode", choices=stack.MODES, default="call")
    parser.add_argument("--seed", type=int, default=20261121)
    parser.add_argument("--out", type=Path, default=paths.PROJECT / "bench" / "results" / "soak-evidence.json")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-evidence-") as folder:
        found = run(Path(folder), decisions=chosen.decisions, kills=chosen.kills, mode=chosen.mode, seed=chosen.seed)
    words = f"--decisions {chosen.decisions} --kills {chosen.kills} --mode {chosen.mode} --seed {chosen.seed}"
    found = {"command": f"python -m soak.kill9 {words}", "at": datetime.now(UTC).isoformat(timespec="seconds"), **found}
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(json.dumps(found, indent=2) + "\n")
    print(json.dumps(found, indent=2))
    return 1 if found["problems"] else 0


if __name__ == "__main__":
    sys.exit(main())
