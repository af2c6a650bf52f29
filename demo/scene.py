"""The demo's set-up: two MCP servers (a cookbook in git, a grocer), an Envoy with Interdict in front of them, and one agent."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(PROJECT / "tests"))

from support import envoy as envoys  # noqa: E402
from support import paths, servers, stack  # noqa: E402
from support.content import Changeling, Script, tool  # noqa: E402
from support.envoy import Address, Config, Envoy  # noqa: E402
from support.interdict import Interdict  # noqa: E402
from support.tokens import Issuer  # noqa: E402

AGENT = "kitchen-helper"
RESOURCE = "https://cookbook.invalid/mcp"
GROCER = "https://grocer.invalid/mcp"
ISSUER = "https://demo-issuer.invalid"
TOKEN_SECONDS = 12 * 3600

RECIPE = """Apple pie
=========
Six apples, a lot of butter, one egg. Half an hour at 190 degrees.
"""
SECRET_INGREDIENT = "And a spoon of cardamom.\n"

ORDERS = [{"week": week, "item": "apples" if week % 2 else "butter"} for week in range(1, 313)]
"""Everything that was ever ordered."""


@dataclass
class Scene:
    """Everything that runs, and where."""

    cookbook: Path
    grocer: Changeling
    envoy: Envoy
    interdict: Interdict
    token: str
    grocer_token: str

    @property
    def url(self) -> str:
        return self.envoy.url()

    @property
    def grocer_url(self) -> str:
        return self.envoy.url("/grocer")

    @property
    def admin_url(self) -> str:
        host, port = self.interdict.addresses["admin"]
        return f"http://{host}:{port}"

    def commits(self) -> list[str]:
        """Subjects of the cookbook's commits, newest first: what really happened, asked of git itself."""
        return git(self.cookbook, "log", "--format=%s").splitlines()

    def staged(self) -> list[str]:
        return git(self.cookbook, "diff", "--cached", "--name-only").splitlines()

    def person(self, *arguments: str) -> tuple[int, str]:
        """What a person types into a terminal: `interdict approvals ...`."""
        return self.admin("approvals", *arguments)

    def admin(self, command: str, *arguments: str) -> tuple[int, str]:
        """A command that asks the running server."""
        file = self.interdict.folder / "admin.token"
        return self.interdict.command(command, *arguments, "--admin", self.admin_url, "--token-file", file)


def git(folder: Path, *arguments: str) -> str:
    return subprocess.run(["git", "-C", folder, *arguments], check=True, capture_output=True, text=True).stdout


def write_cookbook(folder: Path) -> Path:
    """A repository with one recipe committed and one change staged."""
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    git(folder, "config", "user.name", "kitchen-helper")
    git(folder, "config", "user.email", "kitchen-helper@cookbook.invalid")
    # The reader's own git configuration must not change the story.
    git(folder, "config", "commit.gpgsign", "false")
    git(folder, "config", "core.hooksPath", "/dev/null")
    recipe = folder / "apple-pie.txt"
    recipe.write_text(RECIPE)
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", "Write down the apple pie")
    recipe.write_text(RECIPE + SECRET_INGREDIENT)
    git(folder, "add", ".")
    return folder


@contextmanager
def running(*, hold_seconds: int = 20, token_seconds: int = 600) -> Iterator[Scene]:
    """Starts it all below one temporary folder; afterwards nothing is left, neither process nor file."""
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="interdict-demo-")))
        cookbook = write_cookbook(folder / "cookbook")
        tools = cleanup.enter_context(servers.git(folder, cookbook))
        grocer = cleanup.enter_context(Changeling(folder / "grocer", grocer_script()))
        issuer = Issuer(folder / "issuer", ISSUER)
        interdict = cleanup.enter_context(
            Interdict(folder / "interdict", None, issuer, **settings(issuer, hold_seconds))
        )
        config = stack.configuration("call", interdict.grpc, tools.address, timeout_s=hold_seconds + 10)
        config = with_grocer(config, grocer.address)
        envoy = cleanup.enter_context(Envoy(config, folder / "envoy"))
        token, grocer_token = (
            issuer.token(AGENT, audience, exp=issuer.now() + token_seconds) for audience in (RESOURCE, GROCER)
        )
        yield Scene(cookbook, grocer, envoy, interdict, token, grocer_token)


def grocer_script() -> Script:
    """Two tools of a small server on the official SDK: one takes orders, one lists them."""
    answer = {"orders": ORDERS}
    everything = {"content": [{"type": "text", "text": json.dumps(answer)}], "structuredContent": answer}
    texts = {name: {"type": "string"} for name in ("item", "note")}
    tools = [
        tool("list_orders", "Every order so far.", inputSchema={"type": "object", "properties": {}}),
        tool("place_order", "Orders something.", inputSchema={"type": "object", "properties": texts}),
    ]
    return Script(pages=[tools], answers={"list_orders": {"result": everything}})


def with_grocer(config: Config, address: Address) -> Config:
    """A second server behind the same Envoy, at a path of its own."""
    clusters = config["static_resources"]["clusters"]
    [cookbook] = [cluster for cluster in clusters if cluster["name"] == stack.TOOL_CLUSTER]
    clusters.append({**cookbook, "name": "grocer"})
    [manager] = envoys.managers(config)
    [host] = manager["route_config"]["virtual_hosts"]
    route = {"cluster": "grocer", "prefix_rewrite": "/mcp", "timeout": "0s", "idle_timeout": "300s"}
    host["routes"].insert(0, {"name": "grocer", "match": {"path": "/grocer"}, "route": route})
    return envoys.wire(config, {"grocer": address})


def settings(issuer: Issuer, hold_seconds: int) -> dict[str, Any]:
    """The part of the server's configuration that differs from the tests': real policies, and a person who takes a while."""
    return {
        "bundle": {"paths": [str(paths.PROJECT / "policies"), str(paths.PROJECT / "demo" / "policy")]},
        "identity": {
            "issuers": [
                {
                    "issuer": ISSUER,
                    "algorithm": "RS256",
                    "jwks": {"file": str(issuer.jwks_file)},
                    # A demo is left running; the default of fifteen minutes is right for everything else.
                    "max_lifetime_seconds": TOKEN_SECONDS,
                }
            ]
        },
        "approvals": {"hold_seconds": hold_seconds},
    }
