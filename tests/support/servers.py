"""Real MCP servers on loopback ports: public packages, unmodified."""

from __future__ import annotations

import base64
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from support import paths
from support.canary import Request
from support.process import Process


@dataclass
class ToolServer:
    """A running MCP server: its process, and where it listens."""

    process: Process
    port: int
    path: str = "/mcp"

    @property
    def address(self) -> tuple[str, int]:
        return ("127.0.0.1", self.port)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}{self.path}"

    def stop(self) -> None:
        self.process.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def _python(*arguments: str | Path) -> list[str | Path]:
    return [paths.PYTHON, "-m", *arguments]


def _python_path() -> dict[str, str]:
    return {"PYTHONPATH": str(paths.TESTS), "PYTHONUNBUFFERED": "1"}


def everything(folder: Path) -> ToolServer:
    """npm server-everything: 13 tools, handshake era, sessions, progress, sampling, elicitation."""
    script = paths.NODE_MODULES / "@modelcontextprotocol" / "server-everything" / "dist" / "index.js"
    process = Process(
        "server-everything",
        [paths.node_binary(), "--require", paths.TESTS / "support" / "loopback.cjs", script, "streamableHttp"],
        folder / "server-everything.log",
        env={"PORT": "0"},
    )
    return ToolServer(process, int(process.wait_for(r"loopback listening on (\d+)")[1]))


def conformance_target(folder: Path) -> ToolServer:
    """The Python SDK's everything-server, from its source distribution: the fixture of the conformance suite."""
    process = Process(
        "conformance target",
        [*_python("mcp_everything_server"), "--port", "0"],
        folder / "conformance-target.log",
        env={
            "PYTHONPATH": str(paths.MCP_SDIST / "examples" / "servers" / "everything-server"),
            "PYTHONUNBUFFERED": "1",
        },
    )
    return ToolServer(process, int(process.wait_for(r"running on http://127.0.0.1:(\d+)")[1]))


def bridged(name: str, command: list[str | Path], folder: Path) -> ToolServer:
    """A stdio server behind `support.bridge`."""
    process = Process(name, [*_python("support.bridge"), *command], folder / f"{name}.log", env=_python_path())
    return ToolServer(process, int(process.wait_for(r"listening on (\d+)")[1]))


def filesystem(folder: Path, allowed: Path) -> ToolServer:
    """npm server-filesystem: reads and writes below `allowed`."""
    script = paths.NODE_MODULES / "@modelcontextprotocol" / "server-filesystem" / "dist" / "index.js"
    return bridged("server-filesystem", [paths.node_binary(), script, allowed], folder)


def memory(folder: Path) -> ToolServer:
    """npm server-memory: a knowledge graph in one file of `folder`."""
    script = paths.NODE_MODULES / "@modelcontextprotocol" / "server-memory" / "dist" / "index.js"
    return bridged(
        "server-memory", ["env", f"MEMORY_FILE_PATH={folder / 'memory.jsonl'}", paths.node_binary(), script], folder
    )


def git(folder: Path, repository: Path) -> ToolServer:
    """PyPI mcp-server-git on one repository."""
    return bridged("mcp-server-git", [*_python("mcp_server_git"), "--repository", repository], folder)


class Canary(ToolServer):
    """The canary server (`support.canary`) and its own log."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        port_file = folder / "canary.port"
        self.log = folder / "canary.requests"
        process = Process(
            "canary", [*_python("support.canary"), port_file, self.log], folder / "canary.log", env=_python_path()
        )
        port = process.wait_until(lambda: port_file.read_text() or None if port_file.exists() else None, "port")
        super().__init__(process, int(port))

    def requests(self) -> list[Request]:
        """Every complete request that arrived, in order."""

        if not self.log.exists():
            return []
        entries = [json.loads(line) for line in self.log.read_bytes().splitlines()]
        return [
            Request(
                e["method"],
                e["path"],
                e["version"],
                [(n, v) for n, v in e["headers"]],
                base64.b64decode(e["body"]),
                [(n, v) for n, v in e["trailers"]],
            )
            for e in entries
        ]

    def forget(self) -> None:
        """Starts an empty log (the canary appends, so truncating is safe)."""
        os.truncate(self.log, 0)
