"""Ways in which a log cannot be written, without changing the server and without being root."""

from __future__ import annotations

import os
import resource
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from support import paths
from support.evidence import Audit

PAGE = 8_192


@contextmanager
def locked(audit: Audit, tenant: str = "acme") -> Iterator[None]:
    """Another program has a transaction of its own open."""
    with closing(sqlite3.connect(audit.database(tenant), timeout=60, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        try:
            yield
        finally:
            other.execute("ROLLBACK")


@contextmanager
def damaged(audit: Audit, tenant: str = "acme") -> Iterator[None]:
    """All but the first page of the database is garbage, under the running server, until the block ends."""
    file = audit.database(tenant)
    with closing(sqlite3.connect(file, timeout=60, isolation_level=None)) as other:
        # Everything into the database itself, and with a change that makes the server forget what it has in memory.
        other.execute("INSERT OR REPLACE INTO about VALUES ('touched', ?)", [str(time.time())])
        for _ in range(1_500):
            busy, _, _ = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            if not busy:
                break
            time.sleep(0.02)
        assert not busy, "the write-ahead log is in use all the time"
        whole = file.read_bytes()
        _overwrite(file, PAGE, b"\xa5" * (len(whole) - PAGE))
    try:
        yield
    finally:
        _overwrite(file, PAGE, whole[PAGE:])


def _overwrite(file: Path, at: int, data: bytes) -> None:
    with file.open("r+b") as out:
        out.seek(at)
        out.write(data)


@contextmanager
def no_more_bytes(pid: int) -> Iterator[None]:
    """No file of this process may grow or be written: a quota that is used up. SIGXFSZ must be ignored, see `wrapped`."""
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (1, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


@contextmanager
def wrapped(folder: Path, *, small_disk: Path | None = None, size: str = "12m") -> Iterator[None]:
    """Servers that start meanwhile survive `no_more_bytes`; with `small_disk` that folder is a disk of its own.

    The disk is mounted where only the server sees it; from outside it is below `/proc/<pid>/root`.
    """
    binary = shlex.quote(str(paths.interdict_binary()))
    script = f"#!/bin/sh\ntrap '' XFSZ\nexec {binary} \"$@\"\n"
    if small_disk:
        mount = f"mount -t tmpfs -o size={size},mode=700 none {shlex.quote(str(small_disk))}"
        script = (
            f'#!/bin/sh\nexec unshare --user --map-root-user --mount sh -c \'{mount} && exec {binary} "$@"\' sh "$@"\n'
        )
    folder.mkdir(parents=True, exist_ok=True)
    wrapper = folder / "interdict-wrapped"
    wrapper.write_text(script)
    wrapper.chmod(0o755)
    before = os.environ.get("INTERDICT_BIN")
    os.environ["INTERDICT_BIN"] = str(wrapper)
    try:
        yield
    finally:
        if before is None:
            del os.environ["INTERDICT_BIN"]
        else:
            os.environ["INTERDICT_BIN"] = before


def small_disks_work(folder: Path) -> bool:
    """Whether this machine lets a process mount a file system that only it sees."""
    command = ["unshare", "--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", str(folder)]
    try:
        return subprocess.run(command, capture_output=True, timeout=60).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def full(disk: Path) -> Iterator[None]:
    """Not a byte is free on this disk."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as out:
        for piece in (b"\0" * 65_536, b"\0" * 512):
            try:
                while True:
                    out.write(piece)
            except OSError:
                pass
    try:
        yield
    finally:
        filler.unlink()
