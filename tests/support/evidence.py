"""The evidence of a decision point as an auditor sees it: the logs on disk, packages, and what the verifier says of them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from support import paths
from support.patience import PATIENCE_S, until
from support.interdict import Bundle, Interdict, agent, server

DIRECTORY = "interdict-audit"
SYSTEM = "_system"
OTHER_RESOURCE = "https://globex.test/mcp"
OTHER_PATH = "/globex/mcp"

Entry = dict[str, Any]
T = TypeVar("T")


class Audit:
    """The audit directory of a decision point, which may be running or not, or a copy of one."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def of(cls, interdict: Interdict) -> Audit:
        return cls(interdict.folder / DIRECTORY)

    def database(self, tenant: str = "acme") -> Path:
        return self.root / "tenants" / tenant / "log.db"

    def head(self, tenant: str = "acme") -> Path:
        """The file with the newest signed checkpoint."""
        return self.root / "tenants" / tenant / "head.note"

    def tenants(self) -> list[str]:
        return sorted(folder.name for folder in (self.root / "tenants").iterdir())

    def origin(self, tenant: str = "acme") -> str:
        return f"{(self.root / 'name').read_text().strip()}/{tenant}"

    def verifier_key(self, tenant: str = "acme") -> str:
        """The public key as an auditor is given it once; every tenant's log signs with a name of its own."""
        return (self.root / "log.vkey").read_text().strip()

    def raw(self, tenant: str = "acme") -> list[bytes]:
        """Every entry's bytes, in order, read beside a running server."""
        with closing(sqlite3.connect(f"file:{self.database(tenant)}?mode=ro", uri=True, timeout=60)) as database:
            return [bytes(row[0]) for row in database.execute("SELECT record FROM entries ORDER BY seq")]

    def entries(self, tenant: str = "acme", kind: str | None = None) -> list[Entry]:
        found = [json.loads(record) for record in self.raw(tenant)]
        return [entry for entry in found if kind is None or entry["kind"] == kind]

    def bodies(self, kind: str, tenant: str = "acme") -> list[Entry]:
        return [entry["body"] for entry in self.entries(tenant, kind)]

    def size(self, tenant: str = "acme") -> int:
        with closing(sqlite3.connect(f"file:{self.database(tenant)}?mode=ro", uri=True, timeout=60)) as database:
            return int(database.execute("SELECT count(*) FROM entries").fetchone()[0])

    def wait_for(self, kind: str, count: int = 1, tenant: str = "acme", timeout_s: float = PATIENCE_S) -> list[Entry]:
        """The bodies of a kind, once there are `count`."""
        deadline = time.monotonic() + timeout_s
        while len(found := self.bodies(kind, tenant)) < count:
            assert time.monotonic() < deadline, (
                f"{len(found)} of {count} `{kind}` entries within {timeout_s} s: {self.entries(tenant)[-5:]}"
            )
            time.sleep(0.05)
        return found

    def wait_outcome(self, decision: str, tenant: str = "acme", timeout_s: float = PATIENCE_S) -> Entry:
        """How a decision's call ended, once that is on record."""

        def found() -> Entry | None:
            return next((body for body in self.bodies("outcome", tenant) if body["decision_id"] == decision), None)

        return self.wait_until(found, f"outcome of {decision} in the log of {tenant}", timeout_s)

    @staticmethod
    def wait_until(found: Callable[[], T | None], what: str, timeout_s: float = PATIENCE_S) -> T:
        """The first result that is something."""
        return until(found, what, timeout_s)

    def wait_signed(self, tenant: str = "acme", timeout_s: float = PATIENCE_S) -> str:
        """The checkpoint in `head.note`, once it covers everything that is in the log now."""
        size, deadline = self.size(tenant), time.monotonic() + timeout_s
        while not self.head(tenant).exists() or signed_size(self.head(tenant).read_text()) < size:
            assert time.monotonic() < deadline, f"no checkpoint covers {size} entries of {tenant}"
            time.sleep(0.05)
        return self.head(tenant).read_text()

    def copy(self, to: Path) -> Audit:
        """Everything as it lies there, also under a running server: what a backup or a thief has."""
        # In this order head.note is from before its database: a checkpoint is first in that one.
        for file in sorted(self.root.rglob("*")):
            if file.is_file() and not file.name.endswith("-shm"):  # which is made anew from the rest
                target = to / file.relative_to(self.root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(file, target)
        return Audit(to)

    @contextmanager
    def administrator(self, tenant: str = "acme") -> Iterator[sqlite3.Connection]:
        """Full access to a database that nobody has open; what is left behind is one file."""
        with closing(sqlite3.connect(self.database(tenant))) as database:
            yield database
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def files_with(self, needle: bytes) -> list[Path]:
        """Every file of the directory that holds these bytes."""
        return [file for file in sorted(self.root.rglob("*")) if file.is_file() and needle in file.read_bytes()]


def signed_size(note: str) -> int:
    return int(note.splitlines()[1])


@dataclass
class Result:
    """How a command ended."""

    code: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


def run(*command: str | Path, timeout_s: float = 300.0) -> Result:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=timeout_s)
    return Result(done.returncode, done.stdout + done.stderr)


def export(audit: Audit, to: Path, *arguments: str | Path, tenant: str = "acme") -> Result:
    """`interdict audit export`; the whole log unless the arguments say otherwise."""
    what = arguments or ("--all",)
    return run(
        paths.interdict_binary(), "audit", "export", "--directory", audit.root, "--tenant", tenant, "--out", to, *what
    )


def verify(package: Path, *arguments: str | Path) -> Result:
    """`interdict-verify`."""
    return run(paths.verify_binary(), package, *arguments)


class Auditor:
    """Somebody outside: knows the log's key, keeps checkpoints, and trusts nothing else."""

    def __init__(self, folder: Path, *log_keys: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.log_keys = list(log_keys)
        self.witnesses: list[str] = []
        self.quorum = 0
        self.kept: list[str] = []
        self._count = 0

    def keep(self, note: str) -> None:
        self.kept.append(note)

    @property
    def trust(self) -> Path:
        file = self.folder / "trust.json"
        file.write_text(
            json.dumps(
                {
                    "v": 1,
                    "log_keys": self.log_keys,
                    "witnesses": self.witnesses,
                    "quorum": self.quorum,
                    "checkpoints": [{"note": note} for note in self.kept],
                }
            )
        )
        return file

    def package(self) -> Path:
        """A place for the next package."""
        self._count += 1
        return self.folder / f"package-{self._count}"

    def ask(self, audit: Audit, *more: str | Path, tenant: str = "acme") -> Result:
        """Has the whole log exported and checks it: what the exporter says when it refuses, else what the verifier says."""
        package, proofs = self.package(), []
        for at, note in enumerate(self.kept):
            kept = self.folder / f"kept-{at}.note"
            kept.write_text(note)
            proofs += ["--since-checkpoint", kept]
        exported = export(audit, package, "--all", *proofs, *more, tenant=tenant)
        if not (package / "package.json").exists():
            return Result(exported.code, f"the exporter refused: {exported.text}")
        return self.check(package)

    def check(self, package: Path, *, complete: bool = True) -> Result:
        found = verify(package, "--trust", self.trust, *(["--complete"] if complete else []))
        return Result(found.code, f"the verifier ended with {found.code}: {found.text}")


def audit(audit: Audit, command: str, *arguments: str | Path) -> Result:
    """Another command of `interdict audit`, in this folder."""
    return run(paths.interdict_binary(), "audit", command, "--directory", audit.root, *arguments)


def replay(audit: Audit, *arguments: str | Path) -> Result:
    """`interdict replay`, in this folder."""
    return run(paths.interdict_binary(), "replay", "--directory", audit.root, *arguments)


def two_tenants(issuer: str, *, denied: Sequence[str] = (), intercepted: Sequence[str] = ()) -> Bundle:
    """alice and bob of acme at `/mcp`, gina of globex at `/globex/mcp`; the rules of `support.interdict.bundle`."""
    globex = server("vault", paths=[OTHER_PATH], resource=OTHER_RESOURCE, tenant="globex")
    return Bundle(
        agents=[
            agent("alice", issuer, ["tools"]),
            agent("bob", issuer, ["tools"]),
            {
                **agent("gina", issuer, ["vault"]),
                "tenant": "globex",
                "identities": [{"issuer": issuer, "subject": "gina"}],
            },
        ],
        servers=[server(), globex],
        data={"denied": list(denied), "intercepted": list(intercepted)},
        rules={"rules.rego": (paths.TESTS / "support" / "bundle" / "rules.rego").read_text()},
    )
