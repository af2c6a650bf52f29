"""The demo's set-up: a cookbook in git behind a public MCP server, an Envoy with Interdict in front of it, and one agent."""

from __future__ import annotations

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

from support import paths, servers, stack  # noqa: E402
from support.envoy import Envoy  # noqa: E402
from support.interdict import Interdict  # noqa: E402
from support.tokens import Issuer  # noqa: E402

AGENT = "kitchen-helper"
RESOURCE = "https://cookbook.invalid/mcp"
ISSUER = "https://demo-issuer.invalid"
TOKEN_SECONDS = 12 * 3600

RECIPE = """Apple pie
=========
Six apples, a lot of butter, one egg. Half an hour at 190 degrees.
"""
SECRET_INGREDIENT = "And a spoon of cardamom.\n"


@dataclass
class Scene:
    """Everything that runs, and where."""

    cookbook: Path
    envoy: Envoy
    interdict: Interdict
    token: str

    @property
    def url(self) -> str:
        return self.envoy.url()

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
        return self.interdict.command(
            "approvals", *arguments, "--admin", self.admin_url, "--token-file", self.interdict.folder / "admin.token"
        )


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
        issuer = Issuer(folder / "issuer", ISSUER)
        interdict = cleanup.enter_context(
            Interdict(folder / "interdict", None, issuer, **settings(issuer, hold_seconds))
        )
        config = stack.configuration("call", interdict.grpc, tools.address, timeout_s=hold_seconds + 10)
        envoy = cleanup.enter_context(Envoy(config, folder / "envoy"))
        yield Scene(cookbook, envoy, interdict, issuer.token(AGENT, RESOURCE, exp=issuer.now() + token_seconds))


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
