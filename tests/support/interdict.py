"""The decision point as a process, with a generated configuration, bundle and identity provider."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml

from support import paths
from support.patience import PATIENCE_S
from support.process import Process, ProcessFailed
from support.tokens import Issuer

RESOURCE = "https://tools.test/mcp"
TRUST_DOMAIN = "test.example"


@dataclass
class Bundle:
    """An operator's policy folder: agents, servers, data for the rules, and the rules."""

    agents: list[dict[str, Any]]
    servers: list[dict[str, Any]]
    data: dict[str, Any]
    rules: dict[str, str] = field(default_factory=dict)

    def write(self, root: Path) -> None:
        for folder in ("agents", "servers", "tests"):
            (root / folder).mkdir(parents=True, exist_ok=True)
        (root / "agents" / "agents.yaml").write_text(yaml.safe_dump({"agents": self.agents}))
        (root / "servers" / "servers.yaml").write_text(yaml.safe_dump({"servers": self.servers}))
        (root / "tests" / "data.yaml").write_text(yaml.safe_dump(self.data))
        for name, text in self.rules.items():
            (root / "tests" / name).write_text(text)


def rewrite(file: Path, content: Any) -> None:
    """A YAML file of a running server's bundle. Who reads it meanwhile reads the old one or the new: an empty one is a
    bundle, too."""
    draft = file.with_suffix(".new")
    draft.write_text(yaml.safe_dump(content))
    draft.replace(file)


def spiffe(agent: str) -> str:
    return f"spiffe://{TRUST_DOMAIN}/t/acme/a/{agent}"


def agent(name: str, issuer: str, servers: Sequence[str]) -> dict[str, Any]:
    """A registry entry that both a token and a certificate prove."""
    return {
        "id": name,
        "owner": "olga",
        "tenant": "acme",
        "roles": ["tester"],
        "servers": list(servers),
        "identities": [{"issuer": issuer, "subject": name}, {"spiffe": spiffe(name)}],
    }


def server(
    name: str = "tools",
    *,
    paths: Sequence[str] = ("/mcp", "/mcp-sse", "/mcp-slow"),
    resource: str = RESOURCE,
    **more: Any,
) -> dict[str, Any]:
    return {
        "id": name,
        "owner": "sam",
        "tenant": "acme",
        "resource": resource,
        "hosts": ["*"],
        "paths": list(paths),
        **more,
    }


def bundle(
    issuer: str,
    *,
    denied: Sequence[str] = (),
    intercepted: Sequence[str] = (),
    servers: Sequence[dict[str, Any]] | None = None,
    agents: Sequence[str] = ("alice", "bob"),
) -> Bundle:
    """Allows everything for its agents but the tools named."""
    servers = list(servers or [server()])
    return Bundle(
        agents=[agent(name, issuer, [entry["id"] for entry in servers]) for name in agents],
        servers=servers,
        data={"denied": list(denied), "intercepted": list(intercepted)},
        rules={"rules.rego": (paths.TESTS / "support" / "bundle" / "rules.rego").read_text()},
    )


class Interdict:
    """A running decision point. `restart` keeps its files and its address.

    Without `policy` the caller names the bundle's folders in `overrides`.
    """

    def __init__(self, folder: Path, policy: Bundle | None, issuer: Issuer, **overrides: Any) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.issuer = issuer
        self.admin_token = secrets.token_hex(16)
        (folder / "admin.token").write_text(self.admin_token)
        (folder / "admin.token").chmod(0o600)
        if policy is not None:
            policy.write(folder / "bundle")
        self._config = merge(self._defaults(), overrides)
        self.process = self._start()

    def _defaults(self) -> dict[str, Any]:
        return {
            "listen": {
                "grpc": {"address": "127.0.0.1:0", "drain_seconds": 1},
                "admin": {"address": "127.0.0.1:0", "token_file": "admin.token"},
                "metrics": {"address": "127.0.0.1:0"},
            },
            "bundle": {"paths": ["bundle"], "reload_seconds": 1},
            "identity": {
                "issuers": [
                    {"issuer": self.issuer.name, "algorithm": "RS256", "jwks": {"file": str(self.issuer.jwks_file)}}
                ],
            },
            # The limit of one evaluation is a limit of real time; a loaded test machine needs more of it.
            "decision": {"timeout_ms": 10_000},
            "approvals": {"database": "approvals.db", "hold_seconds": 0},
            "log": {"format": "json", "level": "info"},
        }

    def _start(self) -> Process:
        file = self.folder / "interdict.yaml"
        file.write_text(yaml.safe_dump(self._config, sort_keys=False))
        log = self.folder / "interdict.log"
        before = len(log.read_text()) if log.exists() else 0
        process = Process("interdict", [paths.interdict_binary(), "serve", "--config", file], log)
        try:
            self.addresses = process.wait_until(lambda: _addresses(process.text()[before:]), "addresses in its log")
        except BaseException:
            process.stop()
            raise
        return process

    @property
    def grpc(self) -> tuple[str, int]:
        return self.addresses["grpc"]

    @property
    def metrics(self) -> str:
        host, port = self.addresses["metrics"]
        return httpx.get(f"http://{host}:{port}/metrics", timeout=30, trust_env=False).text

    def admin(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        host, port = self.addresses["admin"]
        headers = {"Authorization": f"Bearer {self.admin_token}"}
        return httpx.request(
            method, f"http://{host}:{port}{path}", headers=headers, timeout=30, trust_env=False, **arguments
        )

    def approvals(self, state: str | None = None) -> list[dict[str, Any]]:
        """All approvals, newest last; `state` narrows them."""
        answer = self.admin("GET", "/v1/approvals", params={"state": state} if state else {})
        answer.raise_for_status()
        return answer.json()["approvals"]

    def decide(self, approval: str, verdict: str, by: str = "pat") -> httpx.Response:
        """A person says `approve` or `deny`."""
        return self.admin("POST", f"/v1/approvals/{approval}/{verdict}", json={"by": by, "note": "decided by a test"})

    def wait_pending(self, timeout_s: float = PATIENCE_S) -> dict[str, Any]:
        """The one approval that waits for a person, with its arguments."""
        deadline = time.monotonic() + timeout_s
        while not (waiting := self.approvals("pending")):
            assert time.monotonic() < deadline, f"no approval is pending\n{self.tail()}"
            time.sleep(0.05)
        return self.admin("GET", f"/v1/approvals/{waiting[-1]['id']}").json()

    def token(self, name: str = "alice", audience: str = RESOURCE, **changed: Any) -> str:
        return self.issuer.token(name, audience, **changed)

    def events(self) -> list[dict[str, Any]]:
        """Everything logged as JSON so far. A thread of the server writes the log: wait until it has."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.running and "interdict_log_waiting_bytes 0" not in self.metrics:
            assert time.monotonic() < deadline, f"the log is not written out\n{self.tail()}"
            time.sleep(0.02)
        return [json.loads(line) for line in self.process.text().splitlines() if line.startswith("{")]

    def decisions(self) -> list[dict[str, Any]]:
        """The decision events among them."""
        return [event for event in self.events() if "decision_id" in json.dumps(event)]

    def command(self, *arguments: str | Path, timeout_s: float = 2 * PATIENCE_S) -> tuple[int, str]:
        """Another `interdict` command with the same configuration file; exit code and output."""
        done = subprocess.run(
            [str(paths.interdict_binary()), *map(str, arguments)],
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
        )
        return done.returncode, done.stdout + done.stderr

    def tail(self) -> str:
        return self.process.tail()

    def kill(self) -> None:
        self.process.kill()

    def stop(self) -> None:
        self.process.stop()

    def restart(self) -> None:
        """Starts again on the same gRPC address, after `kill` or `stop`."""
        self.process.stop()
        host, port = self.grpc
        self._config["listen"]["grpc"]["address"] = f"{host}:{port}"
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                self.process = self._start()
                return
            except ProcessFailed as failed:
                # Meanwhile the system may have lent the port to a connection of somebody else.
                if "in use" not in str(failed) or time.monotonic() > deadline:
                    raise
            time.sleep(0.5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, tables merged key by key."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _addresses(log: str) -> dict[str, tuple[str, int]] | None:
    """The bound TCP addresses from the start-up event; None while there is no such event."""
    for line in log.splitlines():
        if '"message":"started"' in line:
            found = re.findall(r'"(grpc|admin|metrics)":\s*"([\d.]+):(\d+)"', line)
            return {name: (host, int(port)) for name, host, port in found}
    return None
