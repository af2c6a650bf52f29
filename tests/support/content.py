"""What the tests of content share: a bundle that looks into things, and a real MCP server that does as it is told."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from support import interdict as decision_point
from support import paths, stack
from support.envoy import Address
from support.evidence import Audit
from support.interdict import Bundle, Interdict
from support.planted import Planted
from support.process import Process
from support.servers import ToolServer
from support.stack import Stack

PATTERNS = [
    {"class": "badge", "pattern": "BDG-[0-9]{12}"},
    {"class": "ticket", "pattern": "TKT-[0-9]{12}"},
]
"""Classes of the operator's own; `support.planted` makes values of them."""

READER = "reader"

AGENTS = [f"agent-{number}" for number in range(200)]
"""For tests that want an agent whom no other test was; the fixture `agent` gives them away."""

COUNTED = "TKT-"
"""How values begin that are only counted: nothing hides them from the operator."""

QUARANTINE = {"structural": "quarantine", "contextual": "quarantine", "lexical": "note"}


@dataclass
class ContentBundle(Bundle):
    """A bundle with data for the default policies, and with contracts."""

    interdict: dict[str, Any] = field(default_factory=dict)
    contracts: Sequence[dict[str, Any]] = ()

    def write(self, root: Path) -> None:
        super().write(root)
        (root / "data.yaml").write_text(yaml.safe_dump({"interdict": self.interdict}))
        (root / "contracts").mkdir(exist_ok=True)
        (root / "contracts" / "contracts.yaml").write_text(yaml.safe_dump({"contracts": list(self.contracts)}))


def contract(tool: str, effects: Sequence[str], server: str = "tools", **terms: Any) -> dict[str, Any]:
    return {"server": server, "tool": tool, "signed_by": "sam@test.example", "effects": list(effects), **terms}


@contextmanager
def running(
    mode: str,
    folder: Path,
    upstream: Address,
    content: dict[str, Any] | None,
    *,
    agents: Sequence[str] = ("alice", "bob"),
    servers: Sequence[dict[str, Any]] = (),
    contracts: Sequence[dict[str, Any]] = (),
    tools: Sequence[str] = ("*",),
    intercepted: Sequence[str] = (),
    **more: Any,
) -> Iterator[Stack]:
    """The default policies, agents that may use `tools`, and everything logged that can be. The agent `READER`, if it is
    among them, may only call the tool `first`."""
    enforcement = "split" if mode == "split" else "native"
    entries = [{"enforcement": enforcement, **entry} for entry in servers or [decision_point.server()]]
    everything = {
        "tools": {"*": list(tools)},
        "prompts": {"*": ["*"]},
        "resources": {"*": [""]},
        "methods": ["completion/complete"],
    }
    data: dict[str, Any] = {"roles": {"tester": everything, READER: {"tools": {"*": ["first"]}}}}
    if content is not None:
        data["content"] = content

    def policy(issuer: str) -> Bundle:
        basis = decision_point.bundle(issuer, servers=entries, agents=agents)
        for agent in basis.agents:
            agent["roles"] = [READER] if agent["id"] == READER else agent["roles"]
        return ContentBundle(
            basis.agents, basis.servers, {"denied": [], "intercepted": list(intercepted)}, _rules(), data, contracts
        )

    with stack.running(
        mode,
        folder,
        upstream,
        policy=policy,
        bundle={"paths": [str(paths.PROJECT / "policies"), "bundle"]},
        log={"level": "debug"},
        **more,
    ) as started:
        yield started


def _rules() -> dict[str, str]:
    """The rules of the other tests without their "everything is allowed"."""
    text = (paths.TESTS / "support" / "bundle" / "rules.rego").read_text()
    return {"rules.rego": "\n".join(line for line in text.splitlines() if not line.startswith("allow "))}


def command(interdict: Interdict, *arguments: str, timeout_s: float = 30.0) -> subprocess.CompletedProcess[str]:
    """An `interdict` command that talks to the admin API."""
    host, port = interdict.addresses["admin"]
    return subprocess.run(
        [str(paths.interdict_binary()), *arguments],
        env={
            **os.environ,
            "INTERDICT_ADMIN_URL": f"http://{host}:{port}",
            "INTERDICT_ADMIN_TOKEN_FILE": str(interdict.folder / "admin.token"),
        },
        cwd=interdict.folder,
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )


# === what is left behind ===


def records(interdict: Interdict, kind: str) -> list[dict[str, Any]]:
    """The bodies of this kind in the log of the tests' tenant, oldest first."""
    return Audit.of(interdict).bodies(kind)


def search(running: Stack, folder: Path, planted: Planted) -> None:
    """Looks for every planted value in everything that the decision point and Envoy wrote or show."""
    assert planted.values, "nothing was planted"
    interdict = running.interdict
    audit = Audit.of(interdict)
    audit.wait_signed()
    for needed in (
        audit.database(),
        interdict.folder / "approvals.db",
        interdict.process.log,
        running.envoy.access_log,
    ):
        assert needed.stat().st_size > 0, f"{needed} is empty: nothing was searched"
    found = planted.found_below(folder)
    assert not found, f"{len(found)} places, the first: {found[:3]}"
    pages = {
        "metrics": interdict.metrics,
        "statistics of Envoy": running.envoy.stats_text(),
        "approvals": interdict.admin("GET", "/v1/approvals").text,
        "pins": interdict.admin("GET", "/v1/pins").text,
        "review of pins": interdict.admin("GET", "/v1/pins/review").text,
        **{f"approval {entry['id']}": approval(interdict, entry["id"]) for entry in interdict.approvals()},
    }
    for name, text in pages.items():
        assert not planted.found_in(text.encode()), f"{planted.found_in(text.encode())[0]} is in {name}"
    opened = {"what was sealed": unsealed(interdict), "what was quarantined": "\n".join(quarantined(interdict))}
    for name, text in opened.items():
        leaked = [value for value in planted.found_in(text.encode()) if not value.startswith(COUNTED)]
        assert not leaked, f"{leaked[0]} is in {name}"


def approval(interdict: Interdict, ident: str) -> str:
    return interdict.admin("GET", f"/v1/approvals/{ident}").text


def unsealed(interdict: Interdict) -> str:
    """What the operator sees of all decisions when they open their inputs."""
    decisions = [body["decision_id"] for body in records(interdict, "decision")]
    with ThreadPoolExecutor(4) as pool:
        shown = list(pool.map(lambda ident: interdict.command("audit", "show", ident, "--arguments"), decisions))
    assert all(code == 0 for code, _ in shown), shown
    return "\n".join(text for _, text in shown)


def quarantined(interdict: Interdict) -> list[str]:
    """Every text that is kept for a reviewer, as they are shown it."""
    kept = interdict.admin("GET", "/v1/quarantine?limit=1000").json()["quarantined"]
    return [interdict.admin("GET", f"/v1/quarantine/{entry['handle']}").text for entry in kept]


# === a server that does as it is told ===


def tool(name: str, description: str = "A tool of the tests.", **more: Any) -> dict[str, Any]:
    """A definition that takes one text, `x`."""
    schema = {"type": "object", "properties": {"x": {"type": "string"}}}
    return {"name": name, "description": description, "inputSchema": schema, **more}


@dataclass
class Script:
    """What `support.changeling` serves: `answers` by tool, each with some of `result` (a CallToolResult), `error`, `logs`,
    `broadcasts` (on the session's own stream), `asks` (a question to the user) and `samples` (one to the client's
    model)."""

    pages: list[list[dict[str, Any]]] = field(default_factory=lambda: [[tool("note")]])
    prompts: list[dict[str, Any]] = field(default_factory=list)
    answers: dict[str, dict[str, Any]] = field(default_factory=dict)
    instructions: str | None = None


class Changeling(ToolServer):
    """`support.changeling` as a process; `play` changes what it is."""

    def __init__(self, folder: Path, script: Script) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = folder / "script.json"
        self._log = folder / "given.jsonl"
        self.play(script)
        process = Process(
            "changeling",
            [
                paths.PYTHON,
                "-m",
                "support.changeling",
                self._file,
                self._log,
            ],
            folder / "changeling.log",
            env={"PYTHONPATH": str(paths.TESTS), "PYTHONUNBUFFERED": "1"},
        )
        super().__init__(process, int(process.wait_for(r"listening on (\d+)")[1]))

    def play(self, script: Script) -> None:
        """From now on it is this."""
        self.script = script
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps(vars(script)))
        new.replace(self._file)

    def change(self, change: Callable[[Script], None]) -> None:
        change(self.script)
        self.play(self.script)

    def given(self) -> list[dict[str, Any]]:
        """Every call that arrived, as the SDK understood it."""
        return [json.loads(line) for line in self._log.read_text().splitlines()] if self._log.exists() else []

    def forget(self) -> None:
        os.truncate(self._log, 0)
