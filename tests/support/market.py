"""A server's definitions through Envoy, played by a real server that changes, and what a person does about them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

from support import content, mcp
from support import interdict as decision_point
from support.content import Changeling, Script, contract, tool
from support.evidence import Audit
from support.stack import Stack

AGENTS = ["alice", content.READER]
CONTENT: dict[str, Any] = {
    "rules": [{"classes": ["card"], "direction": "request", "action": "redact"}],
    "injection": content.QUARANTINE,
}
INSTRUCTIONS = "Answer in whole sentences."


class Market:
    """A server's definitions through Envoy, and what a person does about them."""

    def __init__(self, running: Stack, server: Changeling, name: str, path: str) -> None:
        self.running = running
        self.server = server
        self.name = name
        self.path = path
        self.interdict = running.interdict
        self._idents = iter(range(1, 1_000_000))

    def ask(self, method: str, params: dict[str, Any] | None = None, agent: str = "alice") -> httpx.Response:
        """One request of the modern era, which needs no session."""
        body = mcp.request(next(self._idents), method, params, era=mcp.MODERN)
        return self.running.post(body, token=self.token(agent), era=mcp.MODERN, path=self.path)

    def token(self, agent: str = "alice") -> str:
        return self.running.token(agent, resource(self.name))

    def result(self, method: str, params: dict[str, Any] | None = None, agent: str = "alice") -> dict[str, Any]:
        message = read(self.ask(method, params, agent))
        assert "result" in message, f"{message}\n{self.running.tail()}"
        found: dict[str, Any] = message["result"]
        return found

    def listed(self, agent: str = "alice") -> list[str]:
        """The tools of all pages, as the agent sees them."""
        names: list[str] = []
        page = self.result("tools/list", agent=agent)
        while True:
            names += [entry["name"] for entry in page["tools"]]
            if "nextCursor" not in page:
                return names
            page = self.result("tools/list", {"cursor": page["nextCursor"]}, agent)

    def call(self, name: str, arguments: dict[str, Any] | None = None) -> str:
        """The reason why a call was refused, or `none`."""
        return reason(self.ask("tools/call", {"name": name, "arguments": arguments or {}}))

    def offer(self, *tools: dict[str, Any], page: int = 0) -> None:
        """The server has these as well, or in the place of those with their names."""
        names = {entry["name"] for entry in tools}

        def change(script: Script) -> None:
            pages = [[entry for entry in entries if entry["name"] not in names] for entries in script.pages]
            pages[page] += tools
            script.pages = pages

        self.server.change(change)

    def command(self, *arguments: str) -> str:
        done = content.command(self.interdict, *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout

    def reviewed(self, name: str, kind: str = "tool") -> dict[str, Any] | None:
        """What waits for a person under this name."""
        which = ["--kind", kind, *(["--name", name] if name else [])]
        done = content.command(self.interdict, "pins", "review", "--server", self.name, *which, "--json")
        if "[pin.not_found]" in done.stderr:
            return None  # not listed yet, or the news of it is under way
        assert done.returncode == 0, f"{which}: {done.stdout}{done.stderr}"
        page = json.loads(done.stdout)
        return next((entry for entry in page["pins"] if entry["name"] == name and "seen" in entry), None)

    def wait_review(self, name: str, kind: str = "tool") -> dict[str, Any]:
        return Audit.wait_until(lambda: self.reviewed(name, kind), f"review of {kind} {name}")

    def approve(self, name: str, kind: str = "tool") -> None:
        """What a person does who has read the review."""
        reviewed = self.wait_review(name, kind)
        digest = reviewed["seen"]["digest"]
        which = ["--kind", kind, *(["--name", name] if name else [])]
        which += ["--image", reviewed["image"]] if "image" in reviewed else []
        self.command("pins", "approve", "--server", self.name, *which, "--digest", digest, "--by", "pat")

    def pin(self, *tools: dict[str, Any], page: int = 0) -> None:
        """Offers tools and has them approved."""
        self.offer(*tools, page=page)
        self.listed()
        for entry in tools:
            self.approve(entry["name"])


def read(answer: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC answer, as JSON or at the end of a stream."""
    if answer.headers["content-type"].startswith("application/json"):
        message: dict[str, Any] = json.loads(answer.content)
        return message
    data = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: {")]
    message = json.loads(data[-1])
    return message


def reason(answer: httpx.Response) -> str:
    message = read(answer)
    if "error" in message:
        return str(message["error"].get("data", {}).get("reason", message["error"]))
    return str(message["result"].get("_meta", {}).get("io.interdict/reason", "none"))


def resource(name: str) -> str:
    return f"https://{name}.test/mcp"


@dataclass
class Fair:
    """The same server twice: a person approves what it has at one address, first use what it has at the other."""

    careful: Market
    trusting: Market
    folder: Path

    def image(self, digest: str | None) -> None:
        """Whoever deploys the servers says what stands behind them now."""
        file = self.careful.interdict.folder / "bundle" / "servers" / "servers.yaml"
        registered = yaml.safe_load(file.read_text())
        for entry in registered["servers"]:
            entry.pop("image_digest", None)
            if digest:
                entry["image_digest"] = digest
        new = file.with_suffix(".new")
        new.write_text(yaml.safe_dump(registered))
        new.replace(file)


@contextmanager
def fair(
    mode: str, folder: Path, rules: dict[str, Any] | None = None, contracts: Sequence[dict[str, Any]] = ()
) -> Iterator[Fair]:
    """Lists come over an event stream from `/mcp` and as JSON from `/json`."""
    script = Script(
        pages=[[tool("first")], [tool("last")]],
        prompts=[{"name": "letter", "description": "A letter."}],
        instructions=INSTRUCTIONS,
    )
    paths = ("/mcp", "/json") if mode == "call" else ("/json", "/mcp")
    entries = [
        decision_point.server(name, paths=[path], resource=resource(name), tool_pinning=pinning)
        for name, path, pinning in zip(("careful", "trusting"), paths, ("approve_first", "trust_first"), strict=True)
    ]
    own = folder / mode
    with Changeling(folder / f"{mode}-server", script) as server:
        with content.running(
            mode, own, server.address, rules or CONTENT, servers=entries, agents=AGENTS, contracts=contracts
        ) as running:
            careful, trusting = (Market(running, server, entry["id"], entry["paths"][0]) for entry in entries)
            yield Fair(careful, trusting, own)
