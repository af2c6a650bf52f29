"""The tool server never sees the agent's token; where it needs a credential, it sees ours."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support import mcp, stack
from support.patience import until
from support.servers import Canary
from support.stack import Stack

pytestmark = pytest.mark.usefixtures("fresh_log")


@pytest.fixture(scope="module", params=stack.MODES)
def plain(request: pytest.FixtureRequest, folder: Path, canary: Canary) -> Iterator[Stack]:
    with stack.running(request.param, folder / f"plain-{request.param}", canary.address) as running:
        yield running


@pytest.fixture(scope="module")
def secret(folder: Path) -> Path:
    file = folder / "upstream.secret"
    file.write_text("first-secret\n")
    file.chmod(0o600)
    return file


@pytest.fixture(scope="module", params=stack.MODES)
def brokered(request: pytest.FixtureRequest, folder: Path, canary: Canary, secret: Path) -> Iterator[Stack]:
    secret.write_text("first-secret\n")
    with stack.running(
        request.param,
        folder / f"brokered-{request.param}",
        canary.address,
        upstream_credentials=[{"server": "tools", "file": str(secret)}],
    ) as running:
        yield running


def authorization(canary: Canary) -> list[str]:
    """The authorization headers of the one request that arrived."""
    [request] = canary.requests()
    return [value for name, value in request.headers if name == "authorization"]


def test_the_agents_token_does_not_reach_the_tool_server(plain: Stack, canary: Canary) -> None:
    """B5: not as the header that it came in, nor anywhere else."""
    token = plain.token()
    assert plain.post(mcp.call(1, "welcome"), token=token).status_code == 200
    assert authorization(canary) == []
    assert token.encode() not in canary.log.read_bytes()
    assert token.rpartition(".")[2].encode() not in canary.log.read_bytes()


def test_the_tool_server_gets_our_credential_instead(brokered: Stack, canary: Canary, secret: Path) -> None:
    """B6: read from a file, and read again when it changes."""
    assert brokered.post(mcp.call(1, "welcome")).status_code == 200
    assert authorization(canary) == ["Bearer first-secret"]
    secret.write_text("second-secret\n")

    def arrives() -> bool:
        canary.forget()
        assert brokered.post(mcp.call(2, "welcome")).status_code == 200
        return authorization(canary) == ["Bearer second-secret"]

    until(arrives, "call with the new secret")
    secret.write_text("first-secret\n")


def test_without_its_credential_a_server_is_not_called(brokered: Stack, canary: Canary, secret: Path) -> None:
    """B6, A8: configured but unreadable is a Deny."""
    secret.unlink()
    try:
        until(lambda: b'"isError":false' not in brokered.post(mcp.call(3, "welcome")).content, "refusal without it")
        canary.forget()
        assert b'"isError":false' not in brokered.post(mcp.call(4, "welcome")).content
        assert canary.requests() == []
    finally:
        secret.write_text("first-secret\n")
        secret.chmod(0o600)


def test_no_secret_is_in_any_log(brokered: Stack, canary: Canary) -> None:
    """B6: neither token, nor credential, nor argument values."""
    token = brokered.token()
    brokered.post(mcp.call(5, "welcome", {"password": "correct horse battery staple"}), token=token)
    time.sleep(0.3)
    written = brokered.interdict.process.text() + brokered.envoy.process.text() + brokered.envoy.access_log.read_text()
    for secret_text in (token, token.rpartition(".")[2], "first-secret", "correct horse"):
        assert secret_text not in written
